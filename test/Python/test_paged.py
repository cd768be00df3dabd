# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention on a cache: keys and values in pages, sequences of several lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
from gpu_cases import PAGED, PAGED_OPTIONS, PAGED_PREFILL
from paged_testing import Cache, PagedCase, make_cache, positions_first
from seqc import reference
from seqc_testing import (
    BFLOAT16,
    DTYPES,
    assert_close,
    attention_bound,
    lay_out,
    lse_bound,
)
from test_attention import OPTIONS


def check(case: PagedCase, cache: Cache, paged: bool = True, **options: Any) -> Any:
    """Runs on the pages, or on the sequences, and compares with the reference."""
    schedule = options.pop("schedule", None)
    key, value = cache.key_pages, cache.value_pages
    table: Any = cache.table
    if not paged:
        key, value = _without_rest(cache)
        table = None
    out, lse = seqc.attention(
        cache.query,
        key,
        value,
        block_table=table,
        key_lengths=cache.lengths,
        return_lse=True,
        schedule=schedule,
        **options,
    )
    expected, expected_lse = reference.attention(
        cache.query, cache.keys, cache.values, key_lengths=cache.lengths, **options
    )
    assert out.dtype == cache.query.dtype
    assert_close(lse, expected_lse, lse_bound(case.dtype, expected_lse), "lse")
    p = options.get("dropout_p", 0.0)
    bound = attention_bound(case.dtype, cache.values, p, cache.query.shape[1])
    assert_close(out, expected, bound, "out")
    return out


def _without_rest(cache: Cache) -> tuple[Any, Any]:
    """Keys and values as sequences, NaN behind the last ones."""
    k, v = cache.keys.copy(), cache.values.copy()
    for b, length in enumerate(cache.lengths):
        k[b, :, length:] = v[b, :, length:] = np.nan
    return k, v


@pytest.mark.parametrize("case", [*PAGED[2::3], *PAGED_PREFILL[:2]])
def test_cases(case: PagedCase) -> None:
    if case.dtype == "bf16" and BFLOAT16 is None:
        pytest.skip("needs ml_dtypes")
    rng = np.random.default_rng(1)
    check(case, make_cache(case, rng), causal=True)


@pytest.mark.parametrize("name", PAGED_OPTIONS)
def test_options(name: str) -> None:
    """In pages for a step, as sequences for many queries."""
    rng = np.random.default_rng(2)
    for case, paged in (
        (PagedCase(4, 2, 3, 3, 16, 9, "f32", 16, 24), True),
        (PagedCase(5, 2, 1, 70, 32, 5, "f32", 16, 24), False),
    ):
        options = OPTIONS[name](case.shape, rng)
        check(case, make_cache(case, rng), paged, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str) -> None:
    case = PagedCase(3, 2, 2, 1, 16, 7, dtype, 40, 24)
    check(case, make_cache(case, np.random.default_rng(3)), causal=True)


def test_splits() -> None:
    case = PagedCase(4, 2, 2, 1, 64, 6, "f32")
    cache = make_cache(case, np.random.default_rng(4))
    check(case, cache, schedule={"splits": 5}, causal=True)
    check(case, cache, False, schedule={"splits": 5, "tile_n": 48}, window=70)


@pytest.mark.parametrize("layout", ["positions", "transposed", "negative", "sliced"])
def test_layouts(layout: str) -> None:
    case = PagedCase(3, 2, 2, 2, 16, 5, "f32")
    cache = make_cache(case, np.random.default_rng(5))

    def move(pages: Any) -> Any:
        return (
            positions_first(pages) if layout == "positions" else lay_out(pages, layout)
        )

    moved = cache._replace(
        key_pages=move(cache.key_pages),
        value_pages=move(cache.value_pages),
        table=lay_out(cache.table, "dense" if layout == "positions" else layout),
    )
    check(case, moved, causal=True)


def test_numbers_that_are_no_pages() -> None:
    """They stand for zeros, in the middle of a sequence too."""
    rng = np.random.default_rng(6)
    q = rng.standard_normal((2, 2, 1, 16)).astype(np.float32)
    k = rng.standard_normal((4, 2, 16, 16)).astype(np.float32)
    v = rng.standard_normal((4, 2, 16, 8)).astype(np.float32)
    table = np.array([[3, -1, 3], [4, 0, 2**31 - 1]], np.int32)
    out = seqc.attention(q, k, v, block_table=table)
    expected, _ = reference.attention(q, k, v, block_table=table)
    assert_close(out, expected, attention_bound("f32", v.max(0, keepdims=True)))
    assert reference.gather_pages(k, table)[1, :, :16].any() == 0
    none = seqc.attention(q, k[:0], v[:0], block_table=table)
    assert not none.any()


def test_lengths_out_of_range() -> None:
    """They stand for all keys."""
    rng = np.random.default_rng(7)
    q, k, v = (rng.standard_normal((3, 2, n, 8)).astype(np.float32) for n in (2, 9, 9))
    lengths = np.array([-1, 10, 2**31 - 1], np.int32)
    whole = seqc.attention(q, k, v, causal=True)
    assert np.array_equal(
        seqc.attention(q, k, v, causal=True, key_lengths=lengths), whole
    )
    assert np.array_equal(seqc.attention(q, k, v, causal=True, key_lengths=9), whole)
    some = seqc.attention(q, k, v, causal=True, key_lengths=4)
    assert_close(some, seqc.attention(q, k[:, :, :4], v[:, :, :4], causal=True), 1e-6)


ARGUMENTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "page size": (
        {"key": (5, 2, 48, 8), "value": (5, 2, 48, 8)},
        ValueError,
        r"key: has shape \(5, 2, 48, 8\), expected \(pages, heads, page size, "
        r"head_dim\) with a page size of 16, 32, 64, 128 or 256",
    ),
    "value": (
        {"value": (5, 2, 16, 8)},
        ValueError,
        r"value: has shape .* expected 5 pages, 2 heads and a page size of 32",
    ),
    "table batch": (
        {"block_table": np.zeros((2, 4), np.int32)},
        ValueError,
        r"block_table: has shape \(2, 4\), expected batch 3",
    ),
    "table rank": (
        {"block_table": np.zeros(3, np.int32)},
        ValueError,
        r"block_table: .*\(batch, pages of each\)",
    ),
    "no pages": (
        {"block_table": np.zeros((3, 0), np.int32)},
        ValueError,
        r"block_table: has shape \(3, 0\), expected at least one page",
    ),
    "table type": (
        {"block_table": np.zeros((3, 4), np.float32)},
        TypeError,
        "block_table: has dtype float32, expected an integer",
    ),
    "heads": ({"query": (3, 3, 1, 8)}, ValueError, "key: has 2 heads"),
    "head_dim": ({"query": (3, 2, 1, 16)}, ValueError, "key: .* expected head_dim 16"),
    "lengths": (
        {"key_lengths": np.zeros(2, np.int32)},
        ValueError,
        r"key_lengths: has shape \(2,\), expected \(3,\) \(one per batch\)",
    ),
    "length": ({"key_lengths": -1}, ValueError, "key_lengths: got -1"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str) -> None:
    changes, error, message = ARGUMENTS[name]
    arguments: dict[str, Any] = {
        "query": (3, 2, 1, 8),
        "key": (5, 2, 32, 8),
        "value": (5, 2, 32, 8),
        "block_table": np.zeros((3, 4), np.int32),
        **changes,
    }
    for x in ("query", "key", "value"):
        arguments[x] = np.zeros(arguments[x], np.float32)
    with pytest.raises(error, match=message):
        seqc.attention(**arguments)


def test_programs_are_of_page_sizes() -> None:
    """A page size is part of the program, the size of the cache is not."""
    rng = np.random.default_rng(8)
    for size, most, batch in ((16, 3, 2), (32, 3, 2), (32, 7, 1), (16, 1, 3)):
        case = PagedCase(batch, 1, 1, 1, size, most, "f32", 8, 8)
        check(case, make_cache(case, rng))
