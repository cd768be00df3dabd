# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The direction of scans and convolutions, and packed sequences, as the kernels of
GPUs, without layouts and without concurrency on a CPU, against f64 (see test_tile.py).
Gradients take long to compile for a CPU: of them there is a case for each way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
import sequence_cases as cases
import test_conv as conv
import test_conv_backward
import test_scan
import test_scan_backward
from seqc import reference
from seqc_testing import BFLOAT16, assert_close
from test_tile import Erased, erased, one_chip, unaligned  # noqa: F401

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("name", ["all", "plain", "grouped"])
def test_scan_options(name: str, case: str, one_chip: None) -> None:  # noqa: F811
    rng = np.random.default_rng(1)
    test_scan.check(cases.scan(rng, case, 34, **test_scan.VARIANTS[name]))


def test_scan_unaligned(
    one_chip: None,  # noqa: F811
    unaligned: None,  # noqa: F811
) -> None:
    rng = np.random.default_rng(3)
    arguments = cases.scan(rng, "packed_reverse", 20, dtype="bf16", state=16)
    for layout in ("dense", "transposed"):
        test_scan.check(arguments, "bf16", layout)


@pytest.mark.parametrize(
    ("name", "case"), [("plain", "packed_reverse"), ("constant", "reverse")]
)
def test_scan_gradients(name: str, case: str, one_chip: None) -> None:  # noqa: F811
    rng = np.random.default_rng(4)
    options = test_scan.VARIANTS[name]
    test_scan_backward.check(cases.scan_gradients(rng, case, 34, **options))


@pytest.mark.parametrize("case", ["reverse", "packed_reverse"])
def test_convolutions(case: str, one_chip: None) -> None:  # noqa: F811
    rng = np.random.default_rng(6)
    conv.check(cases.conv(rng, case, 40))
    test_conv_backward.check(cases.conv_gradients(rng, case, 40))


def test_convolutions_without_a_state(one_chip: None) -> None:  # noqa: F811
    """A width of 1 keeps no columns: their gradient has no elements."""
    rng = np.random.default_rng(7)
    arguments = cases.conv_gradients(rng, "packed", 40, "bf16", width=1)
    test_conv_backward.check(arguments, "bf16")


def test_splits(one_chip: None) -> None:  # noqa: F811
    """A reversed sequence in parts."""
    rng = np.random.default_rng(7)
    schedule = {"tile_m": 16, "tile_n": 32, "warps": 4, "splits": 8}
    arguments = test_scan.inputs(rng, 1, 20, 300, D=False, z=False, delta_bias=False)
    arguments["reverse"] = True
    given: dict[str, Any] = dict(arguments, schedule=schedule)
    out, state = seqc.selective_scan(**given, return_final_state=True)
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = test_scan.bounds(arguments, "f32")
    assert_close(state, expected_state, state_bound, "state")
    assert_close(out, expected, bound, "out")


@pytest.mark.parametrize(
    ("name", "length", "shift", "reverse"),
    [("all", 300, 0.0, False), ("grouped", 520, -7.0, True)],
)
def test_gradient_splits(
    name: str,
    length: int,
    shift: float,
    reverse: bool,
    one_chip: None,  # noqa: F811
) -> None:
    """Sequences in parts, what goes between which is forgotten or is not."""
    rng = np.random.default_rng(8)
    scan = test_scan.inputs(rng, 2, 34, length, **test_scan.VARIANTS[name])
    if "delta_bias" in scan:
        scan["delta_bias"] = scan["delta_bias"] + np.float32(shift)
    scan["reverse"] = reverse
    arguments = test_scan_backward.gradients_of(rng, scan, "f32")
    given: dict[str, Any] = dict(arguments, schedule={"splits": 8})
    actual = seqc.selective_scan_backward(**given)._asdict()
    expected = reference.selective_scan_backward(**arguments)
    for gradient, bound in test_scan_backward.bounds(arguments, "f32").items():
        assert_close(actual[gradient], expected[gradient], bound, gradient)
