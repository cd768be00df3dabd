# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tiles and parts of every kind compute the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import seqc
from seqc import reference

Array = npt.NDArray[Any]

SCAN = """
func.func @f(%u: tensor<{u}>, %dt: tensor<{u}>, %A: tensor<{A}>,
             %B: tensor<{B}>, %C: tensor<{C}>) -> tensor<{u}> {{
  %y = seqc.selective_scan u(%u) delta(%dt) A(%A) B(%B) C(%C)
      {{schedule = #seqc.schedule<{schedule}>}}
    : (tensor<{u}>, tensor<{u}>, tensor<{A}>, tensor<{B}>, tensor<{C}>)
    -> tensor<{u}>
  return %y : tensor<{u}>
}}
"""

ATTENTION = """
func.func @f(%q: tensor<?x?x?x8xf32>, %k: tensor<?x?x?x8xf32>)
    -> tensor<?x?x?x8xf32> {{
  %y = seqc.attention query(%q) key(%k) value(%k) {options}
      {{schedule = #seqc.schedule<{schedule}>}}
    : (tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>)
    -> tensor<?x?x?x8xf32>
  return %y : tensor<?x?x?x8xf32>
}}
"""


def text_of(shape: tuple[int, ...], dynamic: tuple[int, ...]) -> str:
    sizes = ["?" if i in dynamic else str(n) for i, n in enumerate(shape)]
    return "x".join([*sizes, "f32"])


@pytest.mark.parametrize(
    "schedule",
    ["tile_m = 8, tile_n = 16", "tile_m = 8, tile_n = 16, splits = 3", "splits = 2"],
)
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("groups", [(2, 3), (4, 1)])
def test_scan_groups(groups: tuple[int, int], dynamic: bool, schedule: str) -> None:
    """B and C in groups of their own; a tile and a part hold every group right."""
    rng = np.random.default_rng(7)
    u, delta = rng.standard_normal((2, 2, 12, 50)).astype(np.float32)
    delta = np.abs(delta) / 10
    A = -np.abs(rng.standard_normal((12, 4))).astype(np.float32)
    B, C = (rng.standard_normal((2, g, 4, 50)).astype(np.float32) for g in groups)
    source = SCAN.format(
        u=text_of(u.shape, (0, 1, 2) if dynamic else ()),
        A=text_of(A.shape, (0,) if dynamic else ()),
        B=text_of(B.shape, (0, 3) if dynamic else ()),
        C=text_of(C.shape, (0, 3) if dynamic else ()),
        schedule=schedule,
    )
    got = np.asarray(seqc.compile(source)(u, delta, A, B, C))
    want, _ = reference.selective_scan(u, delta, A, B, C)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", ["", "causal", "causal window_left(9)"])
@pytest.mark.parametrize(
    "schedule", ["tile_m = 8, tile_n = 16, splits = 3", "splits = 2", "splits = 7"]
)
def test_split_keys(schedule: str, options: str) -> None:
    """Parts that no tile divides, parts without keys, and no tile size at all."""
    program = seqc.compile(ATTENTION.format(options=options, schedule=schedule))
    for keys in (0, 1, 33, 101):
        rng = np.random.default_rng(keys)
        q = rng.standard_normal((2, 4, 37, 8)).astype(np.float32)
        k = rng.standard_normal((2, 2, keys, 8)).astype(np.float32)
        want, _ = reference.attention(
            q,
            k,
            k,
            causal="causal" in options,
            window=(9, 0) if "window" in options else None,
        )
        got = np.asarray(program(q, k))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
