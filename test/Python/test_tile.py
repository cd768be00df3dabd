# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GPU kernels on a CPU: the programs that sm_80 and sm_90a get, up to tiles with
layouts, shared-memory rings, asynchronous products and warp roles, then run without
layouts and without concurrency (the target `cpu-tile:CHIP`) against f64.

A kernel that breaks the protocol of its rings (waits for too little, overwrites a
stage that is read, lets two roles wait for each other) stores NaNs here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import seqc
import test_attention
import test_conv
import test_scan
from seqc import _attention, _program
from seqc_testing import DTYPES, LAYOUTS
from test_attention import OPTIONS, Shape, check, inputs

FLOATS = [dtype for dtype in DTYPES if dtype != "f64"]
HALF = "bf16" if "bf16" in DTYPES else "f16"


@pytest.fixture(params=["sm_80", "sm_90a"], autouse=True)
def chip(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every call of this file runs the kernels of one chip."""
    name: str = request.param
    options, schedule = _program._options, _attention._attention_schedule
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            _program,
            "_options",
            lambda target=None, **rest: options(f"cpu-tile:{name}", **rest),
        )
        patch.setattr(
            _attention,
            "_attention_schedule",
            lambda given, queries, is_gpu: schedule(given, queries, True),
        )
        seqc.clear_cache()
        yield name
    seqc.clear_cache()


# Odd lengths, several tiles, more keys than queries and fewer, one query, none, no
# keys, groups.
SHAPES = (
    Shape(2, 2, 2, 150, 90),
    Shape(1, 2, 1, 33, 300),
    Shape(1, 1, 4, 1, 257),
    Shape(1, 1, 1, 1, 1),
    Shape(2, 1, 1, 0, 5),
    Shape(1, 1, 2, 5, 0),
    Shape(1, 2, 2, 256, 256),
)


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    for seed, shape in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        q, k, v = inputs(shape, rng, 64, 64, HALF)
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, HALF, **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["plain", "prefix_lm", "segments", "everything"])
def test_dtypes(dtype: str, name: str) -> None:
    for seed, shape in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        q, k, v = inputs(shape, rng, 40, 40, dtype)
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, dtype, **options)


@pytest.mark.parametrize(
    ("head_dim", "value_dim"),
    [(8, 8), (16, 24), (32, 32), (40, 128), (64, 64), (72, 72), (96, 96), (128, 64),
     (120, 136), (128, 128), (192, 128), (64, 256), (256, 256)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", FLOATS)
def test_head_dims(head_dim: int, value_dim: int, dtype: str) -> None:
    shape = Shape(1, 1, 2, 150, 170)
    rng = np.random.default_rng(head_dim)
    q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
    check(q, k, v, dtype, causal=True)


@pytest.mark.parametrize("group", [1, 2, 8])
def test_groups(group: int) -> None:
    shape = Shape(2, 2, group, 70, 130)
    rng = np.random.default_rng(group)
    check(*inputs(shape, rng, 64, 64, HALF), HALF, causal=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str) -> None:
    """Views of any strides: a kernel is told them."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 2, 70, 90), rng, 64, 64, HALF)
    check(q, k, v, HALF, (layout,) * 3, causal=True)


@pytest.mark.parametrize(
    "schedule",
    [
        {"tile_m": 64, "tile_n": 32},
        {"tile_m": 64, "tile_n": 64, "stages": 3},
        {"tile_m": 128, "tile_n": 64, "stages": 1},
        {"tile_m": 128, "tile_n": 128, "stages": 2, "warps": 8},
        {"tile_m": 128, "tile_n": 48, "stages": 4, "warps": 4},
    ],
)
@pytest.mark.parametrize("name", ["plain", "causal_window"])
def test_schedules(schedule: dict[str, int], name: str) -> None:
    for seed, shape in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        q, k, v = inputs(shape, rng, 64, 64, HALF)
        check(q, k, v, HALF, schedule=schedule, **OPTIONS[name](shape, rng))


# What has no dtype or shape of its own here: the tests of the CPU target.

test_fully_masked_rows = test_attention.test_fully_masked_rows
test_no_keys_at_all = test_attention.test_no_keys_at_all
test_empty_results = test_attention.test_empty_results
test_sinks_alone = test_attention.test_sinks_alone
test_nan_query = test_attention.test_nan_query_touches_its_row_only
test_nan_key = test_attention.test_nan_key_touches_the_rows_that_see_it
test_large_scores = test_attention.test_large_scores
test_infinite_scores = test_attention.test_infinite_scores


# Scans and convolutions.


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("variant", test_scan.VARIANTS)
@pytest.mark.parametrize("state", [1, 16])
def test_scans(dtype: str, variant: str, state: int) -> None:
    options = test_scan.VARIANTS[variant]
    for batch, dim, length in [(2, 6, 0), (1, 4, 1), (2, 34, 65), (1, 128, 40)]:
        rng = np.random.default_rng(dim)
        arguments = test_scan.inputs(
            rng, batch, dim, length, dtype=dtype, state=state, **options
        )
        test_scan.check(arguments, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scan_layouts(layout: str) -> None:
    rng = np.random.default_rng(0)
    test_scan.check(test_scan.inputs(rng, 2, 34, 65, dtype=HALF), HALF, layout)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 2, 4, 7])
@pytest.mark.parametrize("plain", [False, True])
def test_convolutions(dtype: str, width: int, plain: bool) -> None:
    options: dict[str, Any] = {}
    if plain:
        options = {"bias": False, "initial_state": False, "activation": None}
    for batch, dim, length in [(2, 3, 0), (2, 3, 1), (1, 40, 65), (2, 130, 200)]:
        rng = np.random.default_rng(dim)
        arguments = test_conv.inputs(
            rng, batch, dim, length, width=width, dtype=dtype, **options
        )
        test_conv.check(arguments, dtype)
