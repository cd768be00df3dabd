# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.attention against the f64 reference: options, shapes, dtypes, layouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import seqc
from hypothesis import example, given
from hypothesis import strategies as st
from seqc import reference
from seqc_testing import (
    DTYPES,
    LAYOUTS,
    ROUNDOFF,
    Array,
    assert_close,
    attention_bound,
    lay_out,
    lse_bound,
    random,
)


class Shape(NamedTuple):
    batch: int
    key_heads: int
    group: int
    queries: int
    keys: int

    @property
    def heads(self) -> int:
        return self.key_heads * self.group


Options = Callable[[Shape, np.random.Generator], dict[str, Any]]


def inputs(
    shape: Shape,
    rng: np.random.Generator,
    head_dim: int,
    value_dim: int,
    dtype: str = "f32",
) -> tuple[Array, Array, Array]:
    return (
        random(rng, (shape.batch, shape.heads, shape.queries, head_dim), dtype),
        random(rng, (shape.batch, shape.key_heads, shape.keys, head_dim), dtype),
        random(rng, (shape.batch, shape.key_heads, shape.keys, value_dim), dtype),
    )


def check(
    q: Any,
    k: Any,
    v: Any,
    dtype: str = "f32",
    layout: tuple[str, str, str] = ("dense", "dense", "dense"),
    **options: Any,
) -> tuple[Any, Any]:
    """Runs on arrays laid out as asked and compares with the reference."""
    schedule = options.pop("schedule", None)
    out, lse = seqc.attention(
        *(lay_out(x, how) for x, how in zip((q, k, v), layout, strict=True)),
        return_lse=True,
        schedule=schedule,
        **options,
    )
    expected, expected_lse = reference.attention(q, k, v, **options)
    assert out.dtype == q.dtype
    assert_close(lse, expected_lse, lse_bound(dtype, expected_lse), "lse")
    bound = attention_bound(dtype, v, options.get("dropout_p", 0.0), q.shape[1])
    assert_close(out, expected, bound, "out")
    return out, lse


sizes = st.one_of(
    st.integers(0, 3), st.integers(4, 40), st.sampled_from([63, 64, 65, 127, 129, 200])
)
shapes = st.builds(
    Shape,
    batch=st.integers(1, 3),
    key_heads=st.integers(1, 3),
    group=st.sampled_from([1, 2, 4]),
    queries=sizes,
    keys=sizes,
)
layouts = st.tuples(*[st.sampled_from(LAYOUTS)] * 3)
seeds = st.integers(0, 2**32 - 1)


def slopes(shape: Shape, rng: np.random.Generator) -> Array:
    return rng.uniform(0.01, 0.1, shape.heads).astype(np.float32)


def lengths(shape: Shape, rng: np.random.Generator) -> Array:
    return rng.integers(0, shape.keys + 2, shape.batch).astype(np.int32)


def segments(shape: Shape, rng: np.random.Generator) -> tuple[Array, Array]:
    return (
        np.sort(rng.integers(0, 3, (shape.batch, shape.queries)), axis=1),
        np.sort(rng.integers(0, 3, (shape.batch, shape.keys)), axis=1),
    )


def documents(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    """Packed documents of about 40 tokens, with padding behind them."""

    def ids(length: int) -> Array:
        starts = rng.random((shape.batch, length)) < 1 / 40
        packed = np.cumsum(starts, axis=1)
        packed[:, length - length // 8 :] = -1
        return packed

    return {"segment_ids": (ids(shape.queries), ids(shape.keys)), "causal": True}


def shuffled_segments(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    ids = [rng.permuted(x, axis=1) for x in segments(shape, rng)]
    return {"segment_ids": (ids[0], ids[1])}


def one_segment(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    sizes = (shape.queries, shape.keys)
    ids = [np.full((shape.batch, n), -(2**31), np.int32) for n in sizes]
    return {"segment_ids": (ids[0], ids[1]), "causal": True}


def bias(*full: bool) -> Options:
    def make(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
        whole = (shape.batch, shape.heads, shape.queries, shape.keys)
        sizes = tuple(n if f else 1 for n, f in zip(whole, full, strict=True))
        return {"bias": random(rng, sizes, "f32")}

    return make


def relative_score(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    table = rng.standard_normal((shape.heads, 32)).astype(np.float32)

    def score_mod(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        bucket = seqc.clamp(q_idx - kv_idx + 16, 0, 31)
        return score + table[h, bucket]

    return {"score_mod": score_mod}


def tanh_score(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    def score_mod(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        bent = 2.0 * seqc.tanh(score / 2.0) - 0.25 * (h + 1)
        return seqc.where((q_idx + b) % 2 == 0, bent, 0.5 * score)

    return {"score_mod": score_mod}


def document_mask(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    longest = max(shape.queries, shape.keys, 1)
    ids = np.sort(rng.integers(0, 4, (shape.batch, longest)), axis=1)

    def mask_mod(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return (ids[b, q_idx] == ids[b, kv_idx]) & (q_idx >= kv_idx)

    return {"mask_mod": mask_mod}


def dilated_mask(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    return {"mask_mod": lambda b, h, q, k: ((q - k) % 3 == 0) | (k // 4 == h)}


OPTIONS: dict[str, Options] = {
    "plain": lambda s, r: {},
    "scale": lambda s, r: {"scale": 0.3},
    "causal": lambda s, r: {"causal": True},
    "top_left": lambda s, r: {"causal": "top_left"},
    "window_left": lambda s, r: {"window": 5},
    "window_both": lambda s, r: {"window": (7, 2)},
    "window_zero": lambda s, r: {"window": (0, 0)},
    "window_right": lambda s, r: {"window": (None, 3)},
    "causal_window": lambda s, r: {"causal": True, "window": 70},
    "top_left_window": lambda s, r: {"causal": "top_left", "window": 9},
    "prefix_lm": lambda s, r: {"causal": True, "prefix": lengths(s, r)},
    "sink_tokens": lambda s, r: {"causal": True, "window": 6, "prefix": 4},
    "segments": lambda s, r: {"segment_ids": segments(s, r)},
    "causal_segments": lambda s, r: {"causal": True, "segment_ids": segments(s, r)},
    "documents": documents,
    "shuffled_segments": shuffled_segments,
    "one_segment": one_segment,
    "bias": bias(True, True, True, True),
    "bias_head": bias(False, True, False, True),
    "bias_row": bias(True, False, True, False),
    "alibi": lambda s, r: {"alibi_slopes": slopes(s, r), "causal": True},
    "alibi_both_sides": lambda s, r: {"alibi_slopes": slopes(s, r)},
    "alibi_batch": lambda s, r: {
        "alibi_slopes": r.uniform(0.01, 0.1, (s.batch, s.heads))
    },
    "softcap": lambda s, r: {"softcap": 1.5},
    "sinks": lambda s, r: {"sinks": r.standard_normal(s.heads), "causal": True},
    "dropout": lambda s, r: {"dropout_p": 0.3, "seed": int(r.integers(2**63))},
    "relative_score": relative_score,
    "tanh_score": tanh_score,
    "document_mask": document_mask,
    "dilated_mask": dilated_mask,
    "everything": lambda s, r: {
        "scale": 0.2,
        "causal": True,
        "window": (30, None),
        "softcap": 3.0,
        "alibi_slopes": slopes(s, r),
        "segment_ids": segments(s, r),
        "prefix": lengths(s, r),
        "sinks": r.standard_normal(s.heads),
        "dropout_p": 0.1,
        "seed": 1234,
        **bias(True, True, True, True)(s, r),
        **tanh_score(s, r),
        **dilated_mask(s, r),
    },
}


@pytest.mark.parametrize("name", OPTIONS)
@given(shape=shapes, layout=layouts, seed=seeds)
@example(shape=Shape(1, 1, 1, 1, 1), layout=("dense",) * 3, seed=0)
@example(shape=Shape(1, 1, 2, 5, 0), layout=("dense",) * 3, seed=0)
@example(shape=Shape(2, 1, 1, 0, 5), layout=("dense",) * 3, seed=0)
@example(shape=Shape(2, 2, 2, 150, 90), layout=("transposed",) * 3, seed=1)
@example(shape=Shape(1, 2, 1, 33, 300), layout=("dense",) * 3, seed=2)
def test_options(
    name: str, shape: Shape, layout: tuple[str, str, str], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, 16, 24)
    options = OPTIONS[name](shape, rng)
    check(q, k, v, layout=layout, **options)


@pytest.mark.parametrize(
    ("head_dim", "value_dim"),
    [(1, 1), (2, 5), (3, 64), (7, 7), (31, 2), (64, 64), (65, 63), (96, 130), (128, 64),
     (130, 1)],
)  # fmt: skip
@given(shape=shapes, layout=layouts, seed=seeds)
def test_head_dims(
    head_dim: int,
    value_dim: int,
    shape: Shape,
    layout: tuple[str, str, str],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, head_dim, value_dim)
    check(q, k, v, layout=layout, causal=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["plain", "prefix_lm", "everything"])
@given(shape=shapes, layout=layouts, seed=seeds)
def test_dtypes(
    dtype: str, name: str, shape: Shape, layout: tuple[str, str, str], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, 40, 40, dtype)
    options = OPTIONS[name](shape, rng)
    if "bias" in options:
        options["bias"] = options["bias"].astype(q.dtype)
    check(q, k, v, dtype, layout, **options)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_bias_in_f32(dtype: str) -> None:
    if dtype not in DTYPES:
        pytest.skip("needs ml_dtypes")
    rng = np.random.default_rng(0)
    shape = Shape(2, 2, 2, 50, 70)
    q, k, v = inputs(shape, rng, 32, 32, dtype)
    check(q, k, v, dtype, **bias(True, True, True, True)(shape, rng))


def test_groups_share_keys() -> None:
    """Query head h reads key head h // group."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 3, 4, 20, 30), rng, 16, 24)
    grouped = seqc.attention(q, k, v)
    repeated = seqc.attention(q, np.repeat(k, 4, axis=1), np.repeat(v, 4, axis=1))
    np.testing.assert_array_equal(grouped, repeated)


def test_broadcast_arrays() -> None:
    """Strides of 0 are strides like any other."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 1, 1, 20, 30), rng, 16, 24)
    wide = [np.broadcast_to(x, (3, 4, *x.shape[2:])) for x in (q, k, v)]
    out = seqc.attention(*wide, causal=True)
    expected, _ = reference.attention(*wide, causal=True)
    assert_close(out, expected, attention_bound("f32", v))


# Rows that see nothing, and numbers that are not.


def test_fully_masked_rows() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 1, 70, 40), rng, 16, 24)
    # Bottom-right causal with more queries than keys: the first 30 see nothing.
    out, lse = check(q, k, v, causal=True)
    assert (out[:, :, :30] == 0).all()
    assert np.isneginf(lse[:, :, :30]).all()
    assert np.isfinite(lse[:, :, 30:]).all()
    out, lse = check(q, k, v, mask_mod=lambda b, h, i, j: (i % 5 != 0) & (j < 100))
    assert (out[:, :, ::5] == 0).all()
    assert np.isneginf(lse[:, :, ::5]).all()


def test_no_keys_at_all() -> None:
    q = np.ones((2, 3, 5, 16), np.float32)
    k = np.ones((2, 3, 0, 16), np.float32)
    v = np.ones((2, 3, 0, 24), np.float32)
    out, lse = seqc.attention(q, k, v, return_lse=True)
    assert out.shape == (2, 3, 5, 24)
    assert (out == 0).all()
    assert np.isneginf(lse).all()


@pytest.mark.parametrize("shape", [(0, 2, 5, 7), (2, 0, 5, 7), (2, 2, 0, 7)])
def test_empty_results(shape: tuple[int, int, int, int]) -> None:
    batch, heads, queries, keys = shape
    q = np.ones((batch, heads, queries, 16), np.float32)
    k = np.ones((batch, heads, keys, 16), np.float32)
    v = np.ones((batch, heads, keys, 24), np.float32)
    out, lse = seqc.attention(q, k, v, return_lse=True, causal=True)
    assert out.shape == (batch, heads, queries, 24)
    assert lse.shape == (batch, heads, queries)


def test_sinks_alone() -> None:
    """A row that sees no key but has a sink: 0, and the sink for lse."""
    q = np.ones((1, 2, 5, 16), np.float32)
    k = np.ones((1, 2, 0, 16), np.float32)
    v = np.ones((1, 2, 0, 24), np.float32)
    out, lse = seqc.attention(
        q, k, v, sinks=np.array([1.5, -np.inf]), causal=True, return_lse=True
    )
    assert (out == 0).all()
    np.testing.assert_allclose(lse[0, 0], 1.5, rtol=1e-6)
    assert np.isneginf(lse[0, 1]).all()


def test_nan_query_touches_its_row_only() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 2, 1, 40, 50), rng, 16, 24)
    clean, clean_lse = seqc.attention(q, k, v, causal=True, return_lse=True)
    q[0, 1, 7, 3] = np.nan
    out, lse = seqc.attention(q, k, v, causal=True, return_lse=True)
    assert np.isnan(out[0, 1, 7]).all() and np.isnan(lse[0, 1, 7])
    out[0, 1, 7] = clean[0, 1, 7]
    lse[0, 1, 7] = clean_lse[0, 1, 7]
    np.testing.assert_array_equal(out, clean)
    np.testing.assert_array_equal(lse, clean_lse)


def test_nan_key_touches_the_rows_that_see_it() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 1, 1, 40, 40), rng, 16, 24)
    k[0, 0, 25, 0] = np.nan
    out = seqc.attention(q, k, v, causal=True)
    assert np.isfinite(out[0, 0, :25]).all()
    assert np.isnan(out[0, 0, 25:]).all()


def test_nan_value_touches_its_column() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 1, 1, 8, 40), rng, 16, 24)
    v[0, 0, 25, 3] = np.nan
    out = seqc.attention(q, k, v)
    assert np.isnan(out[..., 3]).all()
    assert np.isfinite(np.delete(out, 3, axis=-1)).all()


def test_large_scores() -> None:
    """The running maximum keeps exponentials in range."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 1, 1, 30, 300), rng, 16, 24)
    q, k = np.round(4 * q) * 8, np.round(4 * k) * 8  # Exact products, to 40000.
    out, lse = seqc.attention(q, k, v, return_lse=True)
    expected, expected_lse = reference.attention(q, k, v)
    assert_close(out, expected, attention_bound("f32", v))
    assert_close(lse, expected_lse, lse_bound("f32", expected_lse), "lse")


def test_infinite_scores() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 1, 1, 30, 50), rng, 16, 24)

    def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return seqc.where(j > i, -np.inf, score)

    out, lse = seqc.attention(q, k, v, score_mod=score_mod, return_lse=True)
    expected, expected_lse = reference.attention(q, k, v, causal="top_left")
    assert_close(out, expected, attention_bound("f32", v))
    assert_close(lse, expected_lse, lse_bound("f32", expected_lse), "lse")


# Accuracy next to the same formula in the dtype itself, and next to torch.


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
@pytest.mark.parametrize("causal", [False, True])
def test_no_worse_than_naive(dtype: str, causal: bool) -> None:
    torch = pytest.importorskip("torch")
    names = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(2, 4, 200, 64, generator=generator).to(names[dtype])
        for _ in range(3)
    )
    scores = (q @ k.mT) / 8
    if causal:
        mask = torch.ones(200, 200, dtype=torch.bool).tril()
        scores = scores.masked_fill(~mask, -float("inf"))
    naive = reference.to_f64(scores.softmax(-1) @ v)
    expected, _ = reference.attention(q, k, v, causal=causal)
    ours = reference.to_f64(seqc.attention(q, k, v, causal=causal))
    error = np.abs(ours - expected).max()
    assert error <= 2 * np.abs(naive - expected).max() + ROUNDOFF[dtype] / 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("causal", [False, True])
def test_agrees_with_torch(dtype: str, causal: bool) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(1)
    q, k, v = (
        torch.randn(2, 4, 130, 64, generator=generator).to(getattr(torch, dtype))
        for _ in range(3)
    )
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    ours = seqc.attention(q, k, v, causal=causal)
    unit = {"float32": 2e-6, "float64": 1e-14, "bfloat16": 2e-2, "float16": 2e-3}[dtype]
    assert ours.dtype == q.dtype
    torch.testing.assert_close(ours, theirs, rtol=unit, atol=unit)


def test_dropout_is_the_seeds() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 1, 60, 80), rng, 16, 24)
    first = seqc.attention(q, k, v, dropout_p=0.3, seed=7)
    np.testing.assert_array_equal(first, seqc.attention(q, k, v, dropout_p=0.3, seed=7))
    assert (first != seqc.attention(q, k, v, dropout_p=0.3, seed=8)).any()
    _, with_dropout = seqc.attention(q, k, v, dropout_p=0.3, seed=7, return_lse=True)
    _, without = seqc.attention(q, k, v, return_lse=True)
    np.testing.assert_allclose(with_dropout, without, rtol=1e-6)


def test_dropout_drops_its_share() -> None:
    keep = reference.dropout_keep(5, 0.25, (2, 2, 100, 100))
    assert abs(keep.mean() - 0.75) < 0.01


def test_philox_known_answers() -> None:
    """The published test vectors of Philox4x32-10."""
    zeros = reference.philox(0, 0, 0, 0, 0)
    assert [int(x) for x in zeros] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = reference.philox(2**64 - 1, *[2**32 - 1] * 4)
    assert [int(x) for x in ones] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = reference.philox(
        0x299F31D0A4093822, 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344
    )
    assert [int(x) for x in pi] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
