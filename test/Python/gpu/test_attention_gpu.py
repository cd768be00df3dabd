# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.attention on a GPU against the f64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
from gpu_cases import (
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
    SCHEDULES,
    WINDOW_LENGTHS,
    WINDOWS,
)
from gpu_testing import LAYOUTS, host, place, place_all, poison, torch
from paged_testing import Cache, PagedCase, make_cache
from seqc import reference
from seqc_testing import (
    BFLOAT16,
    assert_close,
    attention_bound,
    lse_bound,
    random,
)
from test_attention import OPTIONS, Shape, inputs

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


def check(
    q: Any,
    k: Any,
    v: Any,
    dtype: str,
    target: str,
    layout: tuple[str, str, str] = ("dense", "dense", "dense"),
    **options: Any,
) -> tuple[Any, Any]:
    """Runs numpy arrays on the GPU and compares with the reference.

    `capped`: what the factors of tanh in the scores add up to.
    """
    schedule = options.pop("schedule", None)
    capped = options.pop("capped", 0.0)
    tensors = [place(x, how) for x, how in zip((q, k, v), layout, strict=True)]
    moved = place_all(options)
    expected, expected_lse = reference.attention(q, k, v, **options)
    rows = torch.empty(expected_lse.shape, device="cuda")
    poison(rows.new_empty(expected.shape, dtype=tensors[0].dtype), rows)
    out, lse = seqc.attention(
        *tensors, return_lse=True, target=target, schedule=schedule, **moved
    )
    torch.cuda.synchronize()
    assert out.dtype == tensors[0].dtype
    assert out.is_contiguous() and lse.is_contiguous()
    rows_bound = lse_bound(dtype, expected_lse)
    if dtype in ("f16", "bf16"):
        rows_bound = rows_bound + capped * 2.0**-10.9
    assert_close(host(lse), expected_lse, rows_bound, "lse")
    bound = attention_bound(dtype, v, options.get("dropout_p", 0.0), q.shape[1])
    assert_close(host(out), expected, bound, "out")
    return out, lse


CAPS = {"softcap": 1.5, "tanh_score": 2.0, "everything": 3.0 + 2.0}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str, target: str) -> None:
    rng = np.random.default_rng(1)
    for shape in OPTION_SHAPES:
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, "bf16", target, capped=CAPS.get(name, 0.0), **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", DTYPE_OPTIONS)
def test_dtypes(dtype: str, name: str, target: str) -> None:
    rng = np.random.default_rng(2)
    shape = Shape(2, 1, 2, 130, 170)
    q, k, v = inputs(shape, rng, 80, 48, dtype)
    options = OPTIONS[name](shape, rng)
    check(q, k, v, dtype, target, capped=CAPS.get(name, 0.0), **options)


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), HEAD_DIMS)
def test_head_dims(head_dim: int, value_dim: int, dtype: str, target: str) -> None:
    rng = np.random.default_rng(3)
    for shape in HEAD_DIM_SHAPES:
        q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
        check(q, k, v, dtype, target, causal=True)


@pytest.mark.parametrize("causal", [False, True, "top_left"])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_lengths(causal: Any, head_dim: int, target: str) -> None:
    rng = np.random.default_rng(4)
    for queries, keys in LENGTHS:
        shape = Shape(2, 1, 2, queries, keys)
        q, k, v = inputs(shape, rng, head_dim, head_dim, "bf16")
        check(q, k, v, "bf16", target, causal=causal)


@pytest.mark.parametrize("name", OPTIONS)
def test_decode_options(name: str, target: str) -> None:
    rng = np.random.default_rng(20)
    for shape in (DECODE_STEP, DECODE_SHAPES[0]):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, "bf16", target, capped=CAPS.get(name, 0.0), **options)


@pytest.mark.parametrize("shape", DECODE_SHAPES)
def test_decode_shapes(shape: Shape, target: str) -> None:
    rng = np.random.default_rng(21)
    q, k, v = inputs(shape, rng, 128, 128, "bf16")
    check(q, k, v, "bf16", target, causal=True)


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), DECODE_DIMS)
def test_decode_head_dims(
    head_dim: int, value_dim: int, dtype: str, target: str
) -> None:
    rng = np.random.default_rng(22)
    for queries in (1, 5):
        shape = DECODE_STEP._replace(queries=queries)
        q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
        check(q, k, v, dtype, target, causal=True)


@pytest.mark.parametrize("causal", [False, True, "top_left"])
def test_decode_lengths(causal: Any, target: str) -> None:
    rng = np.random.default_rng(23)
    for queries in (1, 4):
        for batch in (1, 3, 300):
            for keys in DECODE_KEYS:
                shape = Shape(batch, 2, 2, queries, keys if batch < 300 else keys % 700)
                q, k, v = inputs(shape, rng, 64, 64, "bf16")
                check(q, k, v, "bf16", target, causal=causal)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_decode_layouts(layout: str, target: str) -> None:
    rng = np.random.default_rng(24)
    for queries in (1, 3):
        shape = DECODE_STEP._replace(queries=queries)
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        check(q, k, v, "bf16", target, layout=(layout,) * 3, causal=True)


@pytest.mark.parametrize("splits", [1, 2, 7])
def test_decode_splits(splits: int, target: str) -> None:
    rng = np.random.default_rng(25)
    for shape in (DECODE_STEP, Shape(1, 2, 2, 70, 300)):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        check(q, k, v, "bf16", target, causal=True, schedule={"splits": splits})


# Caches: keys in pages, sequences of several lengths.


def check_cache(
    case: PagedCase, cache: Cache, target: str, layout: str = "dense", **options: Any
) -> Any:
    schedule = options.pop("schedule", None)
    capped = options.pop("capped", 0.0)
    expected, expected_lse = reference.attention(
        cache.query, cache.keys, cache.values, key_lengths=cache.lengths, **options
    )
    query, table, lengths = map(place, (cache.query, cache.table, cache.lengths))
    rows = torch.empty(expected_lse.shape, device="cuda")
    poison(rows.new_empty(expected.shape, dtype=query.dtype), rows)
    out, lse = seqc.attention(
        query,
        place(cache.key_pages, layout),
        place(cache.value_pages, layout),
        block_table=table,
        key_lengths=lengths,
        return_lse=True,
        target=target,
        schedule=schedule,
        **place_all(options),
    )
    torch.cuda.synchronize()
    rows_bound = lse_bound(case.dtype, expected_lse)
    if case.dtype in ("f16", "bf16"):
        rows_bound = rows_bound + capped * 2.0**-10.9
    assert_close(host(lse), expected_lse, rows_bound, "lse")
    p = options.get("dropout_p", 0.0)
    bound = attention_bound(case.dtype, cache.values, p, cache.query.shape[1])
    assert_close(host(out), expected, bound, "out")
    return out


@pytest.mark.parametrize("layout", ["dense", "heads_last", "offset"])
@pytest.mark.parametrize("case", [*PAGED, *PAGED_PREFILL])
def test_paged(case: PagedCase, layout: str, target: str) -> None:
    cache = make_cache(case, np.random.default_rng(26))
    first = check_cache(case, cache, target, layout, causal=True)
    again = check_cache(case, cache, target, layout, causal=True)
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", PAGED_OPTIONS)
def test_paged_options(name: str, target: str) -> None:
    rng = np.random.default_rng(27)
    case = PagedCase(4, 2, 3, 3, 16, 20)
    cache = make_cache(case, rng)
    options = OPTIONS[name](case.shape, rng)
    check_cache(case, cache, target, capped=CAPS.get(name, 0.0), **options)


def test_key_lengths(target: str) -> None:
    """Without pages: copies end with the sequences."""
    rng = np.random.default_rng(28)
    for case in (PagedCase(4, 2, 4, 1, 64, 7), PagedCase(3, 2, 1, 130, 16, 13)):
        cache = make_cache(case, rng)
        k, v = cache.keys.copy(), cache.values.copy()
        for b, length in enumerate(cache.lengths):
            k[b, :, length:] = v[b, :, length:] = np.nan
        q, k, v, lengths = map(place, (cache.query, k, v, cache.lengths))
        out = seqc.attention(q, k, v, key_lengths=lengths, causal=True, target=target)
        expected, _ = reference.attention(
            cache.query,
            cache.keys,
            cache.values,
            key_lengths=cache.lengths,
            causal=True,
        )
        bound = attention_bound(case.dtype, cache.values, 0.0, cache.query.shape[1])
        assert_close(host(out), expected, bound, "out")


def test_paged_schedules(target: str) -> None:
    rng = np.random.default_rng(29)
    case = PagedCase(3, 1, 2, 5, 16, 20)
    cache = make_cache(case, rng)
    for schedule in ({"splits": 3}, {"tile_n": 128, "stages": 1, "splits": 1}):
        check_cache(case, cache, target, causal=True, schedule=schedule)


@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window: Any, target: str) -> None:
    rng = np.random.default_rng(5)
    for queries, keys in WINDOW_LENGTHS:
        q, k, v = inputs(Shape(1, 2, 1, queries, keys), rng, 64, 64, "f16")
        check(q, k, v, "f16", target, window=window)
        check(q, k, v, "f16", target, window=window, causal=True)


@pytest.mark.parametrize(("heads", "key_heads"), HEADS)
def test_grouped_heads(heads: int, key_heads: int, target: str) -> None:
    rng = np.random.default_rng(6)
    shape = Shape(2, key_heads, heads // key_heads, 100, 130)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", target, causal=True)


def test_batches_without_elements(target: str) -> None:
    for shape in ((0, 2, 5, 64), (2, 0, 5, 64)):
        x = torch.empty(shape, dtype=torch.bfloat16, device="cuda")
        out, lse = seqc.attention(x, x, x, return_lse=True, target=target)
        assert out.shape == shape and lse.shape == shape[:3]


# Memory.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_layouts(layout: str, dtype: str, target: str) -> None:
    rng = np.random.default_rng(7)
    q, k, v = inputs(Shape(2, 2, 2, 100, 150), rng, 64, 64, dtype)
    check(q, k, v, dtype, target, (layout,) * 3, causal=True)
    check(q, k, v, dtype, target, ("dense", layout, "dense"))
    check(q, k, v, dtype, target, (layout, "dense", "heads_last"))


def test_expanded_heads(target: str) -> None:
    rng = np.random.default_rng(8)
    q, k, v = inputs(Shape(2, 1, 4, 90, 120), rng, 64, 64, "bf16")
    narrow = [place(x) for x in (q, k, v)]
    wide = [narrow[0], *(x.expand(2, 4, 120, 64) for x in narrow[1:])]
    expected = seqc.attention(*narrow, target=target)
    assert torch.equal(seqc.attention(*wide, target=target), expected)


def test_parts_of_one_tensor(target: str) -> None:
    """Query, key and value as a model's one projection makes them."""
    rng = np.random.default_rng(9)
    joined = place(random(rng, (2, 130, 3, 4, 64), "bf16"))
    q, k, v = (joined[:, :, i].transpose(1, 2) for i in range(3))
    out = seqc.attention(q, k, v, causal=True, target=target)
    dense = [x.contiguous() for x in (q, k, v)]
    assert torch.equal(out, seqc.attention(*dense, causal=True, target=target))
    numbers = [host(x).float().numpy() for x in (q, k, v)]
    expected, _ = reference.attention(*numbers, causal=True)
    assert_close(host(out), expected, attention_bound("bf16", numbers[2], 0, 4))


def test_neighbours_are_not_written(target: str) -> None:
    """Results in memory between other values."""
    from seqc import _arrays, _attention, _program, _seqc, _text

    rng = np.random.default_rng(10)
    q, k, v = (place(x) for x in inputs(Shape(1, 2, 1, 77, 90), rng, 64, 64, "bf16"))
    seqc.attention(q, k, v, return_lse=True, target=target)
    key = _attention.AttentionKey(
        "bf16", 64, 64, None, _text.Masking(), None, False, False, False, 0.0,
        _text.Regions(), (), False, True, (),
    )  # fmt: skip
    function = _program.cache.find((key, target, True))
    assert isinstance(function, _seqc.Function)
    memory = torch.full((1, 3, 80, 72), float("nan"), dtype=q.dtype, device="cuda")
    rows = torch.full((1, 3, 90), float("nan"), device="cuda")
    out, lse = memory[:, :2, 1:78, :64], rows[:, :2, 5:82]
    arguments = [_arrays.view("x", x) for x in (q, k, v)]
    views = [_arrays.view("x", x) for x in (out, lse)]
    stream = torch.cuda.current_stream().cuda_stream
    function.call_async(arguments, stream, views)
    expected, expected_lse = seqc.attention(q, k, v, return_lse=True, target=target)
    assert torch.equal(out, expected)
    assert torch.equal(lse, expected_lse)
    assert int(memory.isnan().sum()) == memory.numel() - out.numel()
    assert int(rows.isnan().sum()) == rows.numel() - lse.numel()


def test_more_than_2_to_the_31_elements(target: str) -> None:
    free, _ = torch.cuda.mem_get_info()
    batch, heads, length, dim = 33, 8, 65600, 128
    count = batch * heads * length * dim
    assert count > 2**31
    if free < 3 * 2 * count:
        pytest.skip("needs 14 GB of free memory on the GPU")
    generator = torch.Generator("cuda").manual_seed(0)
    options: Any = {"dtype": torch.bfloat16, "device": "cuda", "generator": generator}
    q = torch.empty((batch, heads, length, dim), dtype=torch.bfloat16, device="cuda")
    q.normal_(generator=generator)
    k, v = (torch.randn((batch, 1, length, dim), **options) for _ in range(2))
    out = seqc.attention(q, k, v, causal=True, window=64, target=target)
    for b, h, start in ((0, 0, 0), (17, 3, 30000), (32, 7, length - 200)):
        first = max(start - 64, 0)
        rows = slice(start, start + 200)
        keys = slice(first, start + 200)
        parts = (q[b : b + 1, h : h + 1, rows], k[b : b + 1, :, keys],
                 v[b : b + 1, :, keys])  # fmt: skip
        numbers = [host(x).float().numpy() for x in parts]
        expected, _ = reference.attention(*numbers, causal=True, window=64)
        bound = attention_bound("bf16", numbers[2])
        assert_close(host(out[b : b + 1, h : h + 1, rows]), expected, bound)


# Numbers.


@pytest.mark.parametrize("dtype", FLOATS)
def test_repeats_are_equal_bit_by_bit(dtype: str, target: str) -> None:
    rng = np.random.default_rng(11)
    shape = Shape(4, 4, 2, 500, 700)
    q, k, v = (place(x) for x in inputs(shape, rng, 128, 128, dtype))
    first = seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
    for _ in range(20):
        poison(*first)
        again = seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
        assert torch.equal(first[0], again[0])
        assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("causal", [False, True])
def test_no_worse_than_naive(dtype: str, causal: bool, target: str) -> None:
    rng = np.random.default_rng(12)
    arrays = inputs(Shape(2, 4, 1, 500, 500), rng, 64, 64, dtype)
    q, k, v = (place(x) for x in arrays)
    scores = (q @ k.mT) / 8
    if causal:
        mask = torch.ones(500, 500, dtype=torch.bool, device="cuda").tril()
        scores = scores.masked_fill(~mask, -float("inf"))
    naive = scores.softmax(-1) @ v
    expected, _ = reference.attention(*arrays, causal=causal)
    ours = seqc.attention(q, k, v, causal=causal, target=target)
    exact = torch.from_numpy(expected)
    error = float((host(ours).double() - exact).abs().max())
    theirs = float((host(naive).double() - exact).abs().max())
    assert error <= 2 * theirs + 1e-6


def test_large_and_growing_scores(target: str) -> None:
    """Maxima that grow along the keys, and ones that fall."""
    rng = np.random.default_rng(13)
    for order in (1, -1):
        q, k, v = inputs(Shape(1, 2, 1, 200, 1000), rng, 64, 64, "f16")
        ramp = np.linspace(0.1, 8, 1000, dtype=np.float32)[::order, None]
        k = (k.astype(np.float32) * ramp).astype(np.float16)
        check(q, k, v, "f16", target)
        check(q, k, v, "f16", target, scale=1.0)


def test_rows_that_see_nothing(target: str) -> None:
    rng = np.random.default_rng(14)
    q, k, v = inputs(Shape(1, 1, 1, 200, 100), rng, 64, 64, "bf16")
    out, lse = check(q, k, v, "bf16", target, causal=True)
    assert (out[:, :, :100] == 0).all()
    assert (lse[:, :, :100] == -float("inf")).all()


def test_nan_stays_where_it_belongs(target: str) -> None:
    rng = np.random.default_rng(15)
    q, k, v = (place(x) for x in inputs(Shape(1, 1, 1, 200, 200), rng, 64, 64, "f16"))
    clean = seqc.attention(q, k, v, causal=True, target=target)
    bad = q.clone()
    bad[0, 0, 70, 3] = float("nan")
    out = seqc.attention(bad, k, v, causal=True, target=target)
    assert out[0, 0, 70].isnan().all()
    rest = torch.arange(200, device="cuda") != 70
    assert torch.equal(out[0, 0, rest], clean[0, 0, rest])
    bad = k.clone()
    bad[0, 0, 120, 5] = float("nan")
    out = seqc.attention(q, bad, v, causal=True, target=target)
    assert out[0, 0, 120:].isnan().all()
    assert not out[0, 0, :120].isnan().any()


def test_infinite_scores(target: str) -> None:
    rng = np.random.default_rng(16)
    q, k, v = inputs(Shape(1, 1, 1, 70, 150), rng, 64, 64, "bf16")
    bias = np.zeros((1, 1, 70, 150), np.float32)
    bias[:, :, ::3] = -np.inf
    bias[:, :, :, ::2] = -np.inf
    check(q, k, v, "bf16", target, bias=bias)


# Functions.


def test_captured_tensors(target: str) -> None:
    rng = np.random.default_rng(17)
    q, k, v = inputs(Shape(2, 2, 2, 100, 120), rng, 64, 64, "bf16")
    table = rng.standard_normal((4, 64)).astype(np.float32)
    flags = rng.integers(0, 2, 120).astype(bool)

    def functions(table: Any, flags: Any) -> dict[str, Any]:
        def score_mod(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return s + table[h, seqc.clamp(i - j + 32, 0, 63)]

        def mask_mod(b: Any, h: Any, i: Any, j: Any) -> Any:
            return flags[j] | (i == j)

        return {"score_mod": score_mod, "mask_mod": mask_mod}

    expected, _ = reference.attention(q, k, v, **functions(table, flags))
    tensors = [place(x) for x in (q, k, v)]
    on_gpu = functions(place(table), place(flags))
    out = seqc.attention(*tensors, target=target, **on_gpu)
    assert_close(host(out), expected, attention_bound("bf16", v, 0, 4))
    # Arrays of the host are moved.
    moved = seqc.attention(*tensors, target=target, **functions(table, flags))
    assert torch.equal(out, moved)


def test_small_arguments_from_the_host(target: str) -> None:
    rng = np.random.default_rng(18)
    shape = Shape(2, 2, 1, 60, 60)
    q, k, v = (place(x) for x in inputs(shape, rng, 64, 64, "bf16"))
    options: dict[str, Any] = {
        "sinks": rng.standard_normal(2),
        "alibi_slopes": np.array([0.1, 0.2], np.float32),
        "segment_ids": np.sort(rng.integers(0, 3, (2, 60)), axis=1),
        "prefix": np.array([3, 9]),
        "causal": True,
    }
    out = seqc.attention(q, k, v, target=target, **options)
    moved = place_all(options)
    assert torch.equal(out, seqc.attention(q, k, v, target=target, **moved))


def test_segments_with_strides(target: str) -> None:
    rng = np.random.default_rng(20)
    q, k, v = (place(x) for x in inputs(Shape(2, 2, 1, 90, 90), rng, 64, 64, "bf16"))
    ids = place(np.sort(rng.integers(0, 3, (2, 90)), axis=1).astype(np.int32))
    apart = ids.repeat_interleave(2, dim=1)[:, ::2]
    assert apart.stride(1) == 2
    for _ in range(2):  # The second call takes the short way.
        out = seqc.attention(q, k, v, segment_ids=ids, target=target)
        again = seqc.attention(q, k, v, segment_ids=apart, target=target)
        assert torch.equal(out, again)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules(schedule: dict[str, int], target: str) -> None:
    rng = np.random.default_rng(19)
    q, k, v = inputs(Shape(1, 2, 1, 300, 300), rng, 64, 64, "bf16")
    check(q, k, v, "bf16", target, causal=True, schedule=schedule)
