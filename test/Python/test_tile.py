# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GPU kernels on a CPU: the programs that sm_80 and sm_90a get, up to tiles with
layouts, shared-memory rings, asynchronous products and warp roles, then run without
layouts and without concurrency (the target `cpu-tile:CHIP`) against f64.

A kernel that breaks the protocol of its rings (waits for too little, overwrites a
stage that is read, lets two roles wait for each other) stores NaNs here.

Every test of gpu/test_attention_gpu.py and gpu/test_scan_gpu.py is here too, but for
those about the GPU's memory. The time goes into compiling, so one kernel is called
with many sizes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pytest
import seqc
import test_attention
import test_conv
import test_conv_backward
import test_paged as test_paged_cpu
import test_scan
import test_scan_backward
from gpu_cases import (
    CONV_SIZES,
    CONV_VARIANTS,
    CONV_WIDTHS,
    DECODE_DIMS,
    DECODE_KEYS,
    DECODE_SHAPES,
    DECODE_STEP,
    DTYPE_OPTIONS,
    FLOATS,
    HEAD_DIM_SHAPES,
    HEAD_DIMS,
    HEADS,
    LENGTHS,
    OPTION_SHAPES,
    PAGED,
    PAGED_OPTIONS,
    PAGED_PREFILL,
    SCAN_GRADIENT_SCHEDULES,
    SCAN_GRADIENT_SIZES,
    SCAN_LENGTHS,
    SCAN_SCHEDULES,
    SCAN_SIZES,
    SCAN_STATES,
    SCHEDULES,
    SPLIT_SIZES,
    WINDOW_LENGTHS,
    WINDOWS,
)
from paged_testing import PagedCase, make_cache
from seqc import _arrays, _attention, _places, _program, _scan, _seqc, reference
from seqc_testing import (
    BFLOAT16,
    LAYOUTS,
    ROUNDOFF,
    assert_close,
    attention_bound,
    random,
)
from test_attention import OPTIONS, Shape, check, inputs

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


class Erased:
    """What calls run: the kernels of a chip, on the CPU."""

    def __init__(self, chip: str) -> None:
        self.chip = chip
        # Whether rows start at multiples of 16 bytes. Here no kernel minds, but
        # on sm_90a it is another one.
        self.aligned = True
        # Passes to leave out.
        self.skip: tuple[str, ...] = ()
        self.functions: dict[Hashable, _seqc.Function] = {}

    def find(self, key: Hashable, make_text: Any) -> _seqc.Function:
        full = (self.aligned, self.skip, key)
        if full not in self.functions:
            options = _program._options(
                f"cpu-tile:{self.chip}",
                aligned=self.aligned,
                skip_passes=self.skip,
                opt_level=0,
            )
            program = _seqc.load(_seqc.compile(make_text(), options), "cpu")
            function = _seqc.Function(program, program.function_names[0])
            self.functions[full] = function
        return self.functions[full]


@pytest.fixture(params=["sm_80", "sm_90a"], scope="module", autouse=True)
def erased(request: pytest.FixtureRequest) -> Iterator[Erased]:
    """Every call of this file runs the kernels of one chip."""
    kernels = Erased(request.param)
    schedule, few = _attention._attention_schedule, _attention._few

    def run(
        host: Any, key: Hashable, make_text: Any, arguments: Any, like: Any
    ) -> tuple[Any, ...]:
        results = kernels.find(key, make_text).call(arguments)
        return tuple(_arrays.wrap(r, like) for r in results)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_places.Host, "run", run)
        patch.setattr(
            _attention,
            "_attention_schedule",
            lambda given, queries, is_gpu: schedule(given, queries, True),
        )
        patch.setattr(
            _attention,
            "_few",
            lambda q, heads, key_heads, is_gpu, given: few(
                q, heads, key_heads, True, given
            ),
        )
        yield kernels


@pytest.fixture
def unaligned(erased: Erased) -> Iterator[None]:
    erased.aligned = False
    yield
    erased.aligned = True


@pytest.fixture
def without(erased: Erased, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a pass that is left out."""
    erased.skip = (request.param,)
    yield request.param
    erased.skip = ()


@pytest.fixture
def one_chip(erased: Erased) -> None:
    """Kernels without wgmma and the copy engine have the same tiles on all chips; these
    take long to compile for a CPU."""
    if erased.chip != "sm_90a":
        pytest.skip("the same as on sm_90a")


# Attention.


@pytest.mark.parametrize(
    "without",
    [
        "seqc-pack-heads", "tile-defer-reductions", "tile-lazy-rescale",
        "tile-share-exponentials", "tile-prefetch-loads", "tile-overlap-products",
        "tile-take-turns", "tile-delay-waits", "tile-persistent-blocks",
        "overlap-launches",
    ],
    indirect=True,
)  # fmt: skip
def test_passes_that_may_be_left_out(without: str) -> None:
    """Kernels are right without them."""
    rng = np.random.default_rng(16)
    if without == "tile-prefetch-loads":
        test_scan.check(test_scan.inputs(rng, 2, 34, 70))
        return
    few = without == "seqc-pack-heads"
    shape = Shape(1, 2, 4, 1, 200) if few else Shape(1, 2, 2, 200, 300)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", causal=True)


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    rng = np.random.default_rng(1)
    few = (Shape(2, 1, 2, 2, 257), Shape(2, 1, 2, 0, 5), Shape(2, 1, 2, 5, 0))
    for shape in OPTION_SHAPES + few:
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, "bf16", **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", DTYPE_OPTIONS)
def test_dtypes(dtype: str, name: str) -> None:
    rng = np.random.default_rng(2)
    shape = Shape(2, 1, 2, 130, 170)
    q, k, v = inputs(shape, rng, 80, 48, dtype)
    check(q, k, v, dtype, **OPTIONS[name](shape, rng))


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), HEAD_DIMS)
def test_head_dims(
    head_dim: int, value_dim: int, dtype: str, erased: Erased, request: Any
) -> None:
    if head_dim % 8 or value_dim % 8:
        request.getfixturevalue("unaligned")
    rng = np.random.default_rng(3)
    for shape in HEAD_DIM_SHAPES:
        q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
        check(q, k, v, dtype, causal=True)


@pytest.mark.parametrize("causal", [False, True, "top_left"])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_lengths(causal: Any, head_dim: int) -> None:
    rng = np.random.default_rng(4)
    for queries, keys in LENGTHS:
        shape = Shape(2, 1, 2, queries, keys)
        q, k, v = inputs(shape, rng, head_dim, head_dim, "bf16")
        check(q, k, v, "bf16", causal=causal)


@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window: Any) -> None:
    rng = np.random.default_rng(5)
    for queries, keys in WINDOW_LENGTHS:
        q, k, v = inputs(Shape(1, 2, 1, queries, keys), rng, 64, 64, "f16")
        check(q, k, v, "f16", window=window)
        check(q, k, v, "f16", window=window, causal=True)


@pytest.mark.parametrize(("heads", "key_heads"), HEADS)
def test_grouped_heads(heads: int, key_heads: int) -> None:
    rng = np.random.default_rng(6)
    shape = Shape(2, key_heads, heads // key_heads, 100, 130)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", causal=True)


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_layouts(dtype: str, unaligned: None) -> None:
    rng = np.random.default_rng(7)
    q, k, v = inputs(Shape(2, 2, 2, 100, 150), rng, 64, 64, dtype)
    for layout in LAYOUTS:
        check(q, k, v, dtype, (layout,) * 3, causal=True)
        check(q, k, v, dtype, (layout, "dense", "transposed"), causal=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_aligned_kernels(layout: str) -> None:
    """Strides that no GPU would take for this kernel: it is told them."""
    rng = np.random.default_rng(7)
    q, k, v = inputs(Shape(2, 2, 2, 100, 150), rng, 64, 64, "bf16")
    check(q, k, v, "bf16", (layout, "dense", layout), causal=True)


def test_expanded_heads() -> None:
    rng = np.random.default_rng(8)
    q, k, v = inputs(Shape(2, 1, 4, 90, 120), rng, 64, 64, "bf16")
    wide = [np.broadcast_to(x, (2, 4, 120, 64)) for x in (k, v)]
    expected = seqc.attention(q, k, v, causal=True)
    np.testing.assert_array_equal(seqc.attention(q, *wide, causal=True), expected)


def test_parts_of_one_tensor() -> None:
    rng = np.random.default_rng(9)
    joined = random(rng, (2, 130, 3, 4, 64), "bf16")
    q, k, v = (joined[:, :, i].swapaxes(1, 2) for i in range(3))
    check(q, k, v, "bf16", causal=True)


@pytest.mark.parametrize("dtype", FLOATS)
def test_repeats_are_equal_bit_by_bit(dtype: str) -> None:
    rng = np.random.default_rng(11)
    q, k, v = inputs(Shape(2, 2, 2, 300, 400), rng, 128, 128, dtype)
    first = seqc.attention(q, k, v, causal=True, return_lse=True)
    for _ in range(5):
        again = seqc.attention(q, k, v, causal=True, return_lse=True)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("causal", [False, True])
def test_no_worse_than_naive(dtype: str, causal: bool) -> None:
    torch = pytest.importorskip("torch")
    names = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(2, 4, 300, 64, generator=generator).to(names[dtype])
        for _ in range(3)
    )
    scores = (q @ k.mT) / 8
    if causal:
        mask = torch.ones(300, 300, dtype=torch.bool).tril()
        scores = scores.masked_fill(~mask, -float("inf"))
    naive = reference.to_f64(scores.softmax(-1) @ v)
    expected, _ = reference.attention(q, k, v, causal=causal)
    ours = reference.to_f64(seqc.attention(q, k, v, causal=causal))
    error = np.abs(ours - expected).max()
    assert error <= 2 * np.abs(naive - expected).max() + ROUNDOFF[dtype] / 4


def test_large_and_growing_scores() -> None:
    """Maxima that grow along the keys, and ones that fall."""
    rng = np.random.default_rng(13)
    for order in (1, -1):
        q, k, v = inputs(Shape(1, 2, 1, 200, 1000), rng, 64, 64, "f16")
        ramp = np.linspace(0.1, 8, 1000, dtype=np.float32)[::order, None]
        k = (k.astype(np.float32) * ramp).astype(np.float16)
        check(q, k, v, "f16")
        check(q, k, v, "f16", scale=1.0)


def test_rows_that_see_nothing() -> None:
    rng = np.random.default_rng(14)
    q, k, v = inputs(Shape(1, 1, 1, 200, 100), rng, 64, 64, "bf16")
    out, lse = check(q, k, v, "bf16", causal=True)
    assert (out[:, :, :100] == 0).all()
    assert np.isneginf(lse[:, :, :100]).all()


def test_nan_stays_where_it_belongs() -> None:
    rng = np.random.default_rng(15)
    q, k, v = inputs(Shape(1, 1, 1, 200, 200), rng, 64, 64, "f16")
    clean = seqc.attention(q, k, v, causal=True)
    bad = q.copy()
    bad[0, 0, 70, 3] = np.nan
    out = seqc.attention(bad, k, v, causal=True)
    assert np.isnan(out[0, 0, 70]).all()
    rest = np.arange(200) != 70
    np.testing.assert_array_equal(out[0, 0, rest], clean[0, 0, rest])
    bad = k.copy()
    bad[0, 0, 120, 5] = np.nan
    out = seqc.attention(q, bad, v, causal=True)
    assert np.isnan(out[0, 0, 120:]).all()
    assert np.isfinite(out[0, 0, :120]).all()


def test_infinite_bias() -> None:
    rng = np.random.default_rng(16)
    q, k, v = inputs(Shape(1, 1, 1, 70, 150), rng, 64, 64, "bf16")
    bias = np.zeros((1, 1, 70, 150), np.float32)
    bias[:, :, ::3] = -np.inf
    bias[:, :, :, ::2] = -np.inf
    check(q, k, v, "bf16", bias=bias)


def test_captured_tensors() -> None:
    rng = np.random.default_rng(17)
    q, k, v = inputs(Shape(2, 2, 2, 100, 120), rng, 64, 64, "bf16")
    table = rng.standard_normal((4, 64)).astype(np.float32)
    flags = rng.integers(0, 2, 120).astype(bool)

    def score_mod(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s + table[h, seqc.clamp(i - j + 32, 0, 63)]

    def mask_mod(b: Any, h: Any, i: Any, j: Any) -> Any:
        return flags[j] | (i == j)

    check(q, k, v, "bf16", score_mod=score_mod, mask_mod=mask_mod)


def test_several_small_arguments() -> None:
    rng = np.random.default_rng(18)
    shape = Shape(2, 2, 1, 60, 60)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    options: dict[str, Any] = {
        "sinks": rng.standard_normal(2),
        "alibi_slopes": np.array([0.1, 0.2], np.float32),
        "segment_ids": np.sort(rng.integers(0, 3, (2, 60)), axis=1),
        "prefix": np.array([3, 9]),
        "causal": True,
    }
    out = seqc.attention(q, k, v, **options)
    expected, _ = reference.attention(q, k, v, **options)
    assert_close(out, expected, attention_bound("bf16", v))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["causal", "window_both"])
def test_schedules(schedule: dict[str, int], name: str) -> None:
    rng = np.random.default_rng(19)
    for shape in (Shape(1, 2, 1, 300, 300), Shape(1, 2, 1, 33, 300)):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        check(q, k, v, "bf16", schedule=schedule, **OPTIONS[name](shape, rng))


@pytest.mark.parametrize("name", OPTIONS)
def test_decode_options(name: str) -> None:
    rng = np.random.default_rng(20)
    shape = DECODE_STEP
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", **OPTIONS[name](shape, rng))
    shape = DECODE_SHAPES[0]
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", **OPTIONS[name](shape, rng))


@pytest.mark.parametrize("shape", DECODE_SHAPES)
@pytest.mark.parametrize("name", ["plain", "causal", "everything"])
def test_decode_shapes(shape: Shape, name: str) -> None:
    rng = np.random.default_rng(21)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", **OPTIONS[name](shape, rng))


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), DECODE_DIMS)
def test_decode_head_dims(head_dim: int, value_dim: int, dtype: str) -> None:
    rng = np.random.default_rng(22)
    for queries in (1, 5):
        shape = DECODE_STEP._replace(queries=queries)
        q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
        check(q, k, v, dtype, causal=True)


@pytest.mark.parametrize("causal", [False, True, "top_left"])
@pytest.mark.parametrize("queries", [1, 4])
def test_decode_lengths(queries: int, causal: Any) -> None:
    rng = np.random.default_rng(23)
    for batch in (1, 3):
        for keys in DECODE_KEYS:
            shape = Shape(batch, 2, 2, queries, keys)
            q, k, v = inputs(shape, rng, 64, 64, "bf16")
            check(q, k, v, "bf16", causal=causal)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_decode_layouts(layout: str, unaligned: None) -> None:
    rng = np.random.default_rng(24)
    for queries in (1, 3):
        shape = DECODE_STEP._replace(queries=queries)
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        check(q, k, v, "bf16", layout=(layout,) * 3, causal=True)


@pytest.mark.parametrize("splits", [1, 2, 7])
def test_decode_splits(splits: int) -> None:
    rng = np.random.default_rng(25)
    for shape in (DECODE_STEP, Shape(1, 2, 2, 70, 300)):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        check(q, k, v, "bf16", causal=True, schedule={"splits": splits})


# Caches: keys in pages, sequences of several lengths.


@pytest.mark.parametrize("case", [*PAGED[2:4], *PAGED_PREFILL])
def test_paged(case: PagedCase) -> None:
    rng = np.random.default_rng(26)
    test_paged_cpu.check(case, make_cache(case, rng), causal=True)


@pytest.mark.parametrize("case", [*PAGED[:2], *PAGED[4:]])
def test_paged_steps(case: PagedCase, one_chip: None) -> None:
    rng = np.random.default_rng(26)
    test_paged_cpu.check(case, make_cache(case, rng), causal=True)


# The others are masks and scores like any on the way to tiles.
@pytest.mark.parametrize("name", PAGED_OPTIONS[::2])
def test_paged_options(name: str, one_chip: None) -> None:
    rng = np.random.default_rng(27)
    case = PagedCase(4, 2, 3, 3, 16, 20)
    cache = make_cache(case, rng)
    test_paged_cpu.check(case, cache, **OPTIONS[name](case.shape, rng))


def test_key_lengths() -> None:
    """Without pages: copies end with the sequences."""
    rng = np.random.default_rng(28)
    for case in (PagedCase(4, 2, 4, 1, 64, 7), PagedCase(3, 2, 1, 130, 16, 13)):
        cache = make_cache(case, rng)
        test_paged_cpu.check(case, cache, False, causal=True)


def test_paged_schedules(unaligned: None, one_chip: None) -> None:
    rng = np.random.default_rng(29)
    case = PagedCase(3, 1, 2, 5, 16, 20)
    cache = make_cache(case, rng)
    for schedule in ({"splits": 3}, {"tile_n": 128, "stages": 1, "splits": 1}):
        test_paged_cpu.check(case, cache, causal=True, schedule=schedule)


# What has no dtype or shape of its own here: the tests of the CPU target.

test_fully_masked_rows = test_attention.test_fully_masked_rows
test_no_keys_at_all = test_attention.test_no_keys_at_all
test_empty_results = test_attention.test_empty_results
test_sinks_alone = test_attention.test_sinks_alone
test_large_scores = test_attention.test_large_scores
test_infinite_scores = test_attention.test_infinite_scores


# Scans and convolutions.


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_options(name: str) -> None:
    rng = np.random.default_rng(1)
    for batch, dim, length in SCAN_SIZES:
        options = test_scan.VARIANTS[name]
        test_scan.check(test_scan.inputs(rng, batch, dim, length, **options))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("own", [False, True])
def test_scan_dtypes(dtype: str, own: bool) -> None:
    rng = np.random.default_rng(2)
    parameters = dtype if own else None
    arguments = test_scan.inputs(
        rng, 2, 48, 100, dtype=dtype, parameters=parameters, matrices="grouped"
    )
    test_scan.check(arguments, dtype)


@pytest.mark.parametrize("state", SCAN_STATES)
def test_scan_states(state: int) -> None:
    rng = np.random.default_rng(3)
    test_scan.check(test_scan.inputs(rng, 2, 32, 65, state=state))


@pytest.mark.parametrize("schedule", SCAN_SCHEDULES)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_scan_schedules(schedule: dict[str, int], dtype: str) -> None:
    """Chunks of all lengths, and threads that share a channel or have many."""
    rng = np.random.default_rng(8)
    for batch, dim, length in SCAN_LENGTHS:
        arguments = test_scan.inputs(rng, batch, dim, length, dtype=dtype, state=16)
        out, state = seqc.selective_scan(
            **arguments, return_final_state=True, schedule=schedule
        )
        expected, expected_state = reference.selective_scan(**arguments)
        bound, state_bound = test_scan.bounds(arguments, dtype)
        assert_close(state, expected_state, state_bound, "state")
        assert_close(out, expected, bound, "out")


SPLIT = {"splits": 1024}


@pytest.mark.parametrize("state", [16, 64])
@pytest.mark.parametrize("matrices", ["variable", "grouped"])
def test_scan_splits(state: int, matrices: str) -> None:
    """Sequences in parts, the states between which are forgotten or are not. The GPU's
    tests have more states and options."""
    rng = np.random.default_rng(10)
    for batch, dim, length in SPLIT_SIZES:
        for shift in (0.0, -7.0):
            arguments = test_scan.inputs(
                rng, batch, dim, length, dtype="bf16", state=state, matrices=matrices
            )
            arguments["delta_bias"] = arguments["delta_bias"] + np.float32(shift)
            check_split(arguments)


def check_split(arguments: dict[str, Any]) -> None:
    out, state = seqc.selective_scan(
        **arguments, return_final_state=True, schedule=SPLIT
    )
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = test_scan.bounds(arguments, "bf16")
    assert_close(state, expected_state, state_bound, "state")
    assert_close(out, expected, bound, "out")


def test_scan_unaligned(unaligned: None) -> None:
    rng = np.random.default_rng(9)
    for batch, dim, length in SCAN_SIZES:
        arguments = test_scan.inputs(rng, batch, dim, length, dtype="bf16", state=16)
        for layout in LAYOUTS:
            test_scan.check(arguments, "bf16", layout)


def test_scan_schedule_of_a_call() -> None:
    """Few channels have their sequence split, or are spread over more threads if it is
    short; a step reads no tiles."""
    choose = _scan._scan_schedule
    two = {"tile_m": 32, "warps": 2}
    assert choose(None, 8, 4096, 16, 4096, True) == ()
    assert dict(choose(None, 8, 2048, 16, 4096, True)) == two
    assert dict(choose(None, 1, 2048, 16, 4096, True)) == {"splits": 1024, **two}
    assert dict(choose(None, 1, 2048, 16, 8192, True)) == {"splits": 1024}
    assert dict(choose(None, 1, 2048, 64, 4096, True)) == {"splits": 1024}
    assert dict(choose(None, 1, 2048, 16, 300, True)) == {"tile_m": 16, "warps": 4}
    assert dict(choose({"splits": 3}, 1, 2048, 16, 300, True)) == {"splits": 3}
    assert dict(choose(None, 64, 4096, 16, 1, True)) == {"tile_n": 1}
    assert choose(None, 1, 2048, 16, 4096, False) == ()
    assert dict(choose({"tile_m": 32}, 1, 2048, 16, 9, True)) == {"tile_m": 32}


def test_scan_layouts() -> None:
    rng = np.random.default_rng(4)
    arguments = test_scan.inputs(rng, 2, 32, 96, dtype="bf16")
    for layout in LAYOUTS:
        test_scan.check(arguments, "bf16", layout)


def test_scan_in_two_parts() -> None:
    """A scan that continues, down to a step at a time."""
    rng = np.random.default_rng(5)
    arguments = test_scan.inputs(rng, 2, 16, 40)
    out, state = seqc.selective_scan(**arguments, return_final_state=True)
    parts = []
    for part in (slice(0, 13), slice(13, 39), slice(39, 40)):
        piece = {
            name: x[..., part] if name in ("u", "delta", "z", "B", "C") else x
            for name, x in arguments.items()
        }
        got, arguments["initial_state"] = seqc.selective_scan(
            **piece, return_final_state=True
        )
        parts.append(got)
    np.testing.assert_allclose(np.concatenate(parts, -1), out, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(arguments["initial_state"], state, rtol=1e-4, atol=1e-4)


def test_scan_repeats_are_equal() -> None:
    rng = np.random.default_rng(6)
    arguments = test_scan.inputs(rng, 2, 256, 96, dtype="bf16")
    first = seqc.selective_scan(**arguments, return_final_state=True)
    for _ in range(5):
        again = seqc.selective_scan(**arguments, return_final_state=True)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("width", CONV_WIDTHS)
@pytest.mark.parametrize("variant", CONV_VARIANTS)
def test_conv_options(width: int, variant: str) -> None:
    rng = np.random.default_rng(7)
    options = CONV_VARIANTS[variant]
    for batch, dim, length in CONV_SIZES:
        test_conv.check(
            test_conv.inputs(rng, batch, dim, length, width=width, **options)
        )


@pytest.mark.parametrize("dtype", FLOATS)
def test_conv_dtypes(dtype: str) -> None:
    rng = np.random.default_rng(8)
    arguments = test_conv.inputs(rng, 2, 24, 100, dtype=dtype)
    for layout in LAYOUTS:
        test_conv.check(arguments, dtype, layout)


def test_scan_gradients() -> None:
    rng = np.random.default_rng(19)
    arguments = test_scan.inputs(rng, 2, 34, 70)
    test_scan_backward.check(test_scan_backward.gradients_of(rng, arguments, "f32"))


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_gradients_options(name: str, one_chip: None) -> None:
    rng = np.random.default_rng(9)
    for batch, dim, length in SCAN_GRADIENT_SIZES:
        options = test_scan.VARIANTS[name]
        arguments = test_scan.inputs(rng, batch, dim, length, **options)
        test_scan_backward.check(test_scan_backward.gradients_of(rng, arguments, "f32"))


@pytest.mark.parametrize(("dtype", "own"), [("f16", True), ("bf16", False)])
def test_scan_gradients_dtypes(dtype: str, own: bool, one_chip: None) -> None:
    rng = np.random.default_rng(10)
    parameters = dtype if own else None
    arguments = test_scan.inputs(
        rng, 2, 48, 100, dtype=dtype, parameters=parameters, matrices="grouped"
    )
    test_scan_backward.check(
        test_scan_backward.gradients_of(rng, arguments, dtype, final=own), dtype
    )


@pytest.mark.parametrize("state", [1, 5, 64])
def test_scan_gradients_states(state: int, one_chip: None) -> None:
    rng = np.random.default_rng(11)
    arguments = test_scan.inputs(rng, 2, 32, 65, state=state)
    test_scan_backward.check(test_scan_backward.gradients_of(rng, arguments, "f32"))


def test_scan_gradients_groups(one_chip: None) -> None:
    """B in three groups, C in two."""
    rng = np.random.default_rng(17)
    arguments = test_scan.inputs(rng, 2, 12, 70)
    arguments["B"] = random(rng, (2, 3, 8, 70), "f32")
    arguments["C"] = random(rng, (2, 2, 8, 70), "f32")
    test_scan_backward.check(test_scan_backward.gradients_of(rng, arguments, "f32"))


@pytest.mark.parametrize("schedule", SCAN_GRADIENT_SCHEDULES[::2])
def test_scan_gradients_schedules(schedule: dict[str, int], one_chip: None) -> None:
    rng = np.random.default_rng(12)
    for batch, dim, length in SCAN_LENGTHS:
        scan = test_scan.inputs(rng, batch, dim, length, dtype="bf16", state=16)
        arguments = test_scan_backward.gradients_of(rng, scan, "bf16")
        got = seqc.selective_scan_backward(**arguments, schedule=schedule)._asdict()
        expected = reference.selective_scan_backward(**arguments)
        for name, bound in test_scan_backward.bounds(arguments, "bf16").items():
            assert_close(got[name], expected[name], bound, name)


def test_scan_gradients_unaligned(unaligned: None, one_chip: None) -> None:
    rng = np.random.default_rng(13)
    scan = test_scan.inputs(rng, 2, 34, 37, dtype="bf16", state=16)
    arguments = test_scan_backward.gradients_of(rng, scan, "bf16")
    for layout in LAYOUTS:
        test_scan_backward.check(arguments, "bf16", layout)


def test_scan_gradients_layouts(one_chip: None) -> None:
    rng = np.random.default_rng(14)
    scan = test_scan.inputs(rng, 2, 32, 96, dtype="bf16")
    arguments = test_scan_backward.gradients_of(rng, scan, "bf16")
    for layout in LAYOUTS:
        test_scan_backward.check(arguments, "bf16", layout)


@pytest.mark.parametrize(
    ("width", "name"), [(1, "all"), (4, "all"), (7, "all"), (4, "plain"), (3, "gate")]
)
def test_conv_gradients_options(width: int, name: str) -> None:
    rng = np.random.default_rng(15)
    options = test_conv_backward.VARIANTS[name]
    for batch, dim, length in (*CONV_SIZES, (1, 4, 2), (1, 2, 777)):
        arguments = test_conv_backward.inputs(
            rng, batch, dim, length, width=width, **options
        )
        test_conv_backward.check(arguments)


@pytest.mark.parametrize("dtype", FLOATS)
def test_conv_gradients_dtypes(dtype: str) -> None:
    rng = np.random.default_rng(16)
    arguments = test_conv_backward.inputs(rng, 2, 24, 800, dtype=dtype)
    for layout in LAYOUTS:
        test_conv_backward.check(arguments, dtype, layout)
