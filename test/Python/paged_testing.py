# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Keys and values in pages, with whatever may lie around them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from test_attention import Shape, inputs

Array = npt.NDArray[Any]


class PagedCase(NamedTuple):
    """A cache: `most` pages for each sequence at most."""

    batch: int
    key_heads: int
    group: int
    queries: int
    page_size: int
    most: int
    dtype: str = "bf16"
    head_dim: int = 64
    value_dim: int = 64

    @property
    def shape(self) -> Shape:
        keys = self.page_size * self.most
        return Shape(self.batch, self.key_heads, self.group, self.queries, keys)


class Cache(NamedTuple):
    query: Array
    # As one sequence for each batch entry, for the reference.
    keys: Array
    values: Array
    lengths: Array
    # The same in pages, (pages, heads, page size, head_dim), and where they are.
    key_pages: Array
    value_pages: Array
    table: Array


def key_lengths(case: PagedCase, rng: np.random.Generator) -> Array:
    """None, one, all, the edge of a page and beside it, and others."""
    keys, size = case.shape.keys, case.page_size
    lengths = rng.integers(0, keys + 1, case.batch)
    special = [keys, size * (case.most // 2) + 1, size, 0, 1, keys - 1]
    count = min(case.batch - 1, len(special)) if case.batch > 1 else 0
    lengths[:count] = special[:count]
    return lengths.astype(np.int32)


def make_cache(
    case: PagedCase, rng: np.random.Generator, lengths: Array | None = None
) -> Cache:
    """What no sequence has is NaN, and the table ends in all kinds of numbers."""
    if lengths is None:
        lengths = key_lengths(case, rng)
    q, k, v = inputs(case.shape, rng, case.head_dim, case.value_dim, case.dtype)
    size = case.page_size
    used = -(-lengths.astype(np.int64) // size)
    count = int(used.sum()) + 3
    numbers = iter(rng.permutation(count))
    table = rng.choice(
        [-1, 0, count - 1, count, 2**31 - 1, -(2**31)], (len(q), case.most)
    )
    pages = [
        np.full((count, case.key_heads, size, x.shape[3]), np.nan, x.dtype)
        for x in (k, v)
    ]
    for b, length in enumerate(lengths):
        for i in range(used[b]):
            table[b, i] = page = next(numbers)
            rows = min(size, int(length) - i * size)
            for source, place in zip((k, v), pages, strict=True):
                place[page, :, :rows] = source[b, :, i * size : i * size + rows]
    return Cache(q, k, v, lengths, pages[0], pages[1], table.astype(np.int32))


def positions_first(pages: Array) -> Array:
    """The same pages with the heads of a position side by side in memory."""
    return np.ascontiguousarray(pages.swapaxes(1, 2)).swapaxes(1, 2)
