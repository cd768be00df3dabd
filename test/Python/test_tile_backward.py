# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backward of attention as the kernels of GPUs, without layouts and without
concurrency on a CPU, against f64 (see test_tile.py). The forward is the reference's:
only the backward is compiled."""

from __future__ import annotations

from typing import Any

import captured_cases
import numpy as np
import pytest
import seqc
from gpu_cases import (
    BACKWARD_DIMS,
    BACKWARD_OPTIONS,
    BACKWARD_SCHEDULES,
    BACKWARD_SHAPES,
    FLOATS,
    HEADS,
    LENGTHS,
    WINDOW_LENGTHS,
    WINDOWS,
)
from seqc import _attention_backward, reference
from seqc_testing import BFLOAT16, LAYOUTS, Array
from test_attention import OPTIONS, Shape, inputs
from test_attention_backward import WITH_LSE_GRAD
from test_attention_backward import check as check_any
from test_tile import Erased, erased, unaligned  # noqa: F401

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


def check(
    q: Array, k: Array, v: Array, dtype: str, **options: Any
) -> seqc.AttentionGradients:
    def forward(*operands: Array, **options: Any) -> tuple[Array, Array]:
        out, lse = reference.attention(*operands, **options)
        return out.astype(v.dtype), lse.astype(np.float32)

    return check_any(q, k, v, dtype, forward=forward, **options)


@pytest.mark.parametrize("name", BACKWARD_OPTIONS)
def test_options(name: str) -> None:
    rng = np.random.default_rng(1)
    few = (Shape(2, 1, 2, 2, 257), Shape(2, 1, 2, 0, 5), Shape(2, 1, 2, 5, 0))
    for shape in BACKWARD_SHAPES + few:
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, "bf16", lse_grad=name in WITH_LSE_GRAD, **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["plain", "everything"])
def test_dtypes(dtype: str, name: str) -> None:
    rng = np.random.default_rng(2)
    shape = Shape(2, 1, 2, 130, 170)
    q, k, v = inputs(shape, rng, 80, 48, dtype)
    check(q, k, v, dtype, lse_grad=True, **OPTIONS[name](shape, rng))


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), BACKWARD_DIMS)
def test_head_dims(
    head_dim: int,
    value_dim: int,
    dtype: str,
    erased: Erased,  # noqa: F811
    request: Any,
) -> None:
    if head_dim % 8 or value_dim % 8:
        request.getfixturevalue("unaligned")
    rng = np.random.default_rng(3)
    for shape in (Shape(1, 2, 2, 140, 211), Shape(2, 1, 1, 64, 64)):
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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, unaligned: None) -> None:  # noqa: F811
    rng = np.random.default_rng(7)
    q, k, v = inputs(Shape(2, 2, 2, 100, 150), rng, 64, 64, "bf16")
    check(q, k, v, "bf16", layout=layout, causal=True)


def test_prefix_past_the_queries() -> None:
    rng = np.random.default_rng(16)
    for queries, keys in ((5, 300), (100, 257)):
        q, k, v = inputs(Shape(1, 1, 2, queries, keys), rng, 64, 64, "bf16")
        check(q, k, v, "bf16", causal="top_left", prefix=np.array([200]))


@pytest.mark.parametrize("schedule", BACKWARD_SCHEDULES)
@pytest.mark.parametrize("name", ["causal", "window_both"])
def test_schedules(schedule: dict[str, int], name: str) -> None:
    rng = np.random.default_rng(19)
    for shape in (Shape(1, 2, 1, 300, 300), Shape(1, 2, 1, 33, 300)):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        check(q, k, v, "bf16", schedule=schedule, **options)


def test_negative_scale() -> None:
    rng = np.random.default_rng(12)
    q, k, v = inputs(Shape(1, 1, 2, 90, 140), rng, 64, 64, "f16")
    for scale in (-0.125, 0.0, 1.0):
        check(q, k, v, "f16", scale=scale, causal=True)


def test_some_gradients_only() -> None:
    rng = np.random.default_rng(13)
    q, k, v = inputs(Shape(2, 2, 2, 50, 60), rng, 64, 64, "bf16")
    out, lse = reference.attention(q, k, v, causal=True)
    arguments = (q, q, k, v, out.astype(q.dtype), lse.astype(np.float32))
    whole = seqc.attention_backward(*arguments, causal=True)
    for names in (("query",), ("value",), ("key", "value")):
        some = seqc.attention_backward(*arguments, causal=True, gradients=names)
        for name in ("query", "key", "value"):
            if name in names:
                np.testing.assert_array_equal(getattr(some, name), getattr(whole, name))
            else:
                assert getattr(some, name) is None


def test_rows_and_keys_that_see_nothing() -> None:
    rng = np.random.default_rng(14)
    q, k, v = inputs(Shape(1, 1, 1, 200, 100), rng, 64, 64, "bf16")
    found = check(q, k, v, "bf16", causal=True, lse_grad=True)
    assert (found.query[:, :, :100] == 0).all()
    found = check(q, k, v, "bf16", mask_mod=lambda b, h, i, j: (i % 5 != 0) & (j < 20))
    assert (found.query[:, :, ::5] == 0).all()
    assert (found.key[:, :, 20:] == 0).all()
    assert (found.value[:, :, 20:] == 0).all()


def test_nan_stays_where_it_belongs() -> None:
    """What a row of NaN does not see, gets none of it."""
    rng = np.random.default_rng(15)
    q, k, v = inputs(Shape(1, 1, 1, 200, 200), rng, 64, 64, "f16")
    out, lse = reference.attention(q, k, v, causal=True)
    out, lse = out.astype(q.dtype), lse.astype(np.float32)
    clean = seqc.attention_backward(q, q, k, v, out, lse, causal=True)
    out[0, 0, 70], lse[0, 0, 70] = np.nan, np.nan
    found = seqc.attention_backward(q, q, k, v, out, lse, causal=True)
    assert np.isnan(found.query[0, 0, 70]).all()
    rest = np.arange(200) != 70
    np.testing.assert_array_equal(found.query[0, 0, rest], clean.query[0, 0, rest])
    for name in ("key", "value"):
        got, before = getattr(found, name), getattr(clean, name)
        assert np.isnan(got[0, 0, :71]).all()
        np.testing.assert_array_equal(got[0, 0, 71:], before[0, 0, 71:])


# The forms of these kernels, and the sums behind them: by keys, and by pairs with one
# loop over batch, or over batch and heads. test_options has others.
BIASES = tuple(
    tuple(letter in name for letter in "bhqk") for name in ("k", "hqk", "qk")
)


@pytest.mark.parametrize("full", BIASES, ids=str)
def test_bias(full: tuple[bool, ...]) -> None:
    for shape in (Shape(2, 2, 2, 90, 200), Shape(3, 1, 2, 40, 33)):
        captured_cases.check_bias(full, shape, "bf16", causal="top_left")
    for shape in (Shape(2, 1, 2, 0, 5), Shape(2, 1, 2, 5, 0), Shape(1, 1, 1, 1, 70)):
        captured_cases.check_bias(full, shape, "bf16", causal="top_left")


@pytest.mark.parametrize("name", ["scales", "queries", "shared_pairs"])
def test_tables(name: str) -> None:
    case = captured_cases.CASES[name]
    for shape in (Shape(2, 2, 2, 90, 200), Shape(1, 1, 2, 70, 33)):
        captured_cases.check_table(case, shape, "bf16", window=(40, 20))


def test_tables_of_other_types() -> None:
    case, shape = captured_cases.CASES["pairs"], Shape(1, 1, 2, 70, 130)
    captured_cases.check_table(case, shape, "f32", "f32", head_dim=128, prefix=50,
                               causal="top_left")  # fmt: skip


def test_slopes() -> None:
    for shape in (Shape(2, 2, 2, 90, 200), Shape(1, 1, 2, 140, 90)):
        captured_cases.check_slopes(shape, "bf16", False, causal=True)


def test_numbers_have_no_gradient() -> None:
    with pytest.raises(seqc.SeqcError, match="captured #0 of 'tensor<f32>'"):
        captured_cases.check_table(
            captured_cases.NUMBER, Shape(1, 1, 1, 10, 10), "bf16"
        )


def test_repeats_are_equal_bit_by_bit() -> None:
    rng = np.random.default_rng(11)
    q, k, v = inputs(Shape(2, 2, 2, 150, 200), rng, 64, 64, "bf16")
    out, lse = reference.attention(q, k, v, causal=True)
    arguments = (q, q, k, v, out.astype(q.dtype), lse.astype(np.float32))
    first = seqc.attention_backward(*arguments, causal=True)
    for _ in range(3):
        again = seqc.attention_backward(*arguments, causal=True)
        for name in ("query", "key", "value"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


@pytest.mark.parametrize("without", ["tile-share-rows", "tile-delay-waits"])
def test_passes_that_may_be_left_out(
    without: str,
    erased: Erased,  # noqa: F811
    unordered: list[str],
) -> None:
    erased.skip = (without,)
    try:
        rng = np.random.default_rng(21)
        q, k, v = inputs(Shape(1, 1, 1, 70, 130), rng, 128, 128, "bf16")
        check(q, k, v, "bf16", causal=True)
    finally:
        erased.skip = ()


# All three gradients from one kernel, as calls for GPUs ask for it.


@pytest.fixture
def unordered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that the calls of a test run."""
    texts: list[str] = []
    make_key = _attention_backward.AttentionBackwardKey

    def ask(*fields: Any, **named: Any) -> _attention_backward.AttentionBackwardKey:
        key = make_key(*fields, **{**named, "unordered": True})
        texts.append(_attention_backward.attention_backward_text(key))
        return key

    monkeypatch.setattr(_attention_backward, "AttentionBackwardKey", ask)
    return texts


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("causal", "bf16"), ("window_both", "f16"), ("causal_segments", "bf16")],
)
def test_one_kernel(name: str, dtype: str, unordered: list[str]) -> None:
    rng = np.random.default_rng(20)
    shapes = (
        Shape(1, 2, 3, 65, 127),
        Shape(2, 1, 2, 200, 90),
        Shape(1, 1, 1, 128, 128),
        Shape(1, 1, 2, 1, 77),
        Shape(2, 1, 2, 5, 0),
    )
    for shape in shapes:
        q, k, v = inputs(shape, rng, 128, 128, dtype)
        check(q, k, v, dtype, lse_grad=True, **OPTIONS[name](shape, rng))
    assert len(unordered) == len(shapes)
    assert all(" unordered " in text for text in unordered)


def test_one_kernel_with_rows_that_see_nothing(unordered: list[str]) -> None:
    """What is added where nothing is seen is 0, and a negative scale is in all."""
    rng = np.random.default_rng(21)
    q, k, v = inputs(Shape(1, 1, 2, 200, 100), rng, 128, 128, "bf16")
    found = check(q, k, v, "bf16", causal=True, scale=-0.125)
    assert (found.query[:, :, :100] == 0).all()
    assert len(unordered) == 1
