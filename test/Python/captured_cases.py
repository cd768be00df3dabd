# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients of what a score is changed by: a bias of any shape, the slopes of ALiBi,
tables that score_mod captures. For the CPU target, for GPUs' programs on a CPU, and
for GPUs.

What is expected comes from the gradient of each score: that of a bias of all sizes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import seqc
from seqc import reference
from seqc_testing import Array, as_f64, assert_close, random
from test_attention import Shape, inputs

# docs/spec.md, "Numerics".
GRADIENT = {"f64": 1e-12, "f32": 2e-5, "f16": 2e-3, "bf16": 1.6e-2}

# Which of batch, heads, queries and keys a bias has.
BIASES = tuple(itertools.product((False, True), repeat=4))


class Case(NamedTuple):
    """A table over the dimensions `dims`, in their order, out of "bhqk"; what a
    score becomes; and the derivatives of that in the table's element and the score,
    as functions of the element, the score and the distance of key and query."""

    dims: str
    score: Callable[[Any, Any, Any], Any]
    in_table: Callable[[Any, Any, Any], Any]
    in_score: Callable[[Any, Any, Any], Any]


def one(t: Any, s: Any, d: Any) -> Any:
    return np.ones_like(s)


CASES = {
    "heads": Case("h", lambda t, s, d: s + t * d, lambda t, s, d: d, one),
    "scales": Case("bh", lambda t, s, d: s * t, lambda t, s, d: s, lambda t, s, d: t),
    "queries": Case("qh", lambda t, s, d: s + t, one, one),
    "keys": Case("bk", lambda t, s, d: s - t, lambda t, s, d: -one(t, s, d), one),
    "pairs": Case(
        "hqk",
        lambda t, s, d: s + seqc.tanh(t),
        lambda t, s, d: 1 - np.tanh(t) ** 2,
        one,
    ),
    "shared_pairs": Case(
        "kq",
        lambda t, s, d: s * t,
        lambda t, s, d: s,
        lambda t, s, d: t,
    ),
    "everything": Case("bhqk", lambda t, s, d: s + t, one, one),
}
# GPUs have no gradient of a number.
NUMBER = Case("", lambda t, s, d: s * t, lambda t, s, d: s, lambda t, s, d: t)


def score_mod(case: Case, table: Any) -> Callable[..., Any]:
    """The function of a call. Each has its indices in its code, as they are traced."""

    def at(index: Callable[..., Any]) -> Callable[..., Any]:
        def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return case.score(index(b, h, i, j), s, j - i)

        # For a caller that needs the table elsewhere.
        score.case, score.table = case, table  # type: ignore[attr-defined]
        return score

    return at(
        {
            "": lambda b, h, i, j: (
                table[()] if isinstance(table, np.ndarray) else table
            ),
            "h": lambda b, h, i, j: table[h],
            "bh": lambda b, h, i, j: table[b, h],
            "qh": lambda b, h, i, j: table[i, h],
            "bk": lambda b, h, i, j: table[b, j],
            "hqk": lambda b, h, i, j: table[h, i, j],
            "kq": lambda b, h, i, j: table[j, i],
            "qk": lambda b, h, i, j: table[i, j],
            "bhqk": lambda b, h, i, j: table[b, h, i, j],
        }[case.dims]
    )


def sizes_of(shape: Shape) -> dict[str, int]:
    return {"b": shape.batch, "h": shape.heads, "q": shape.queries, "k": shape.keys}


class Pairs(NamedTuple):
    """What the reference gives: the gradient of each score, the absolute sum that its
    error is relative to, scores, and the distances of keys from queries."""

    gradient: Array
    size: Array
    scores: Array
    distance: Array


def pairs_of(
    shape: Shape, g: Array, q: Array, k: Array, v: Array, **options: Any
) -> Pairs:
    full = (shape.batch, shape.heads, shape.queries, shape.keys)
    zeros = np.zeros(full)
    given = options.pop("bias", None)
    bias = zeros if given is None else zeros + as_f64(given)
    run = functools.partial(reference.attention_backward, g, q, k, v, bias=bias)
    group = np.repeat(as_f64(k), shape.group, axis=1)
    scores = as_f64(q) @ np.swapaxes(group, -1, -2) / q.shape[3] ** 0.5
    i, j = np.arange(shape.queries)[:, None], np.arange(shape.keys)[None]
    distance = np.broadcast_to(j - i, full).astype(float)
    return Pairs(
        run(**options)["bias"],
        run(absolute=True, **options)["bias"],
        scores,
        distance,
    )


Call = Callable[..., Any]


def call_directly(
    g: Array, q: Array, k: Array, v: Array, gradients: tuple[str, ...], options: Any
) -> Any:
    """On a CPU; the forward is the reference's."""
    acc = np.float64 if q.dtype == np.float64 else np.float32
    out, lse = reference.attention(q, k, v, **options)
    return seqc.attention_backward(
        g,
        q,
        k,
        v,
        out.astype(v.dtype),
        lse.astype(acc),
        gradients=gradients,
        **options,
    )


def check_bias(
    full: tuple[bool, ...],
    shape: Shape,
    dtype: str,
    call: Call = call_directly,
    gradients: tuple[str, ...] = ("bias",),
    head_dim: int = 64,
    **options: Any,
) -> Any:
    rng = np.random.default_rng(21)
    q, k, v = inputs(shape, rng, head_dim, head_dim, dtype)
    g = random(rng, v.shape[:1] + q.shape[1:3] + v.shape[3:], dtype)
    whole = tuple(sizes_of(shape).values())
    sizes = tuple(n if is_full else 1 for n, is_full in zip(whole, full, strict=True))
    bias = random(rng, sizes, dtype)
    found = call(g, q, k, v, gradients, {"bias": bias, **options})
    pairs = pairs_of(shape, g, q, k, v, bias=bias, **options)
    axes = tuple(n for n, is_full in enumerate(full) if not is_full)
    expected = pairs.gradient.sum(axis=axes, keepdims=True)
    bound = GRADIENT[dtype] * np.maximum(1.0, pairs.size.sum(axis=axes, keepdims=True))
    # Sizes of 0 that are not in the bias.
    assert_close(
        found.bias, expected.reshape(sizes), bound.reshape(sizes), f"bias {full}"
    )
    return found


def check_table(
    case: Case,
    shape: Shape,
    dtype: str,
    table_dtype: str = "f32",
    call: Call = call_directly,
    gradients: tuple[str, ...] = ("score_mod",),
    head_dim: int = 64,
    **options: Any,
) -> Any:
    rng = np.random.default_rng(22)
    q, k, v = inputs(shape, rng, head_dim, head_dim, dtype)
    g = random(rng, v.shape[:1] + q.shape[1:3] + v.shape[3:], dtype)
    sizes = sizes_of(shape)
    table = random(rng, tuple(sizes[d] for d in case.dims), table_dtype)
    if case.dims == "h":  # It is multiplied by distances.
        table = (table * 0.01).astype(table.dtype)
    wide = as_f64(table)
    order = ["bhqk".index(d) for d in case.dims]
    spread = np.transpose(wide, np.argsort(order))
    spread = spread.reshape([sizes[d] if d in case.dims else 1 for d in "bhqk"])

    def of_reference(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return reference_score(s, j - i)

    def reference_score(s: Any, d: Any) -> Any:
        t = np.broadcast_to(spread, s.shape)
        if case is CASES["pairs"]:
            return s + np.tanh(t)
        return case.score(t, s, d)

    def slope(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return case.in_score(np.broadcast_to(spread, s.shape), s, j - i)

    found = call(
        g, q, k, v, gradients, {"score_mod": score_mod(case, table), **options}
    )
    pairs = pairs_of(
        shape, g, q, k, v, score_mod=of_reference, score_slope=slope, **options
    )
    factor = case.in_table(
        np.broadcast_to(spread, pairs.scores.shape), pairs.scores, pairs.distance
    )
    axes = tuple(n for n, d in enumerate("bhqk") if d not in case.dims)
    kept = [d for d in "bhqk" if d in case.dims]
    permutation = [kept.index(d) for d in case.dims]
    expected, bound = (
        np.transpose((a * b).sum(axis=axes), permutation)
        for a, b in ((pairs.gradient, factor), (pairs.size, np.abs(factor)))
    )
    relative = max(GRADIENT[dtype], GRADIENT[table_dtype])
    (actual,) = found.score_mod.values()
    assert as_f64(actual).shape == table.shape
    assert_close(
        actual, expected, relative * np.maximum(1.0, bound), f"table {case.dims}"
    )
    return found


def check_slopes(
    shape: Shape, dtype: str, by_batch: bool, call: Call = call_directly, **options: Any
) -> Any:
    rng = np.random.default_rng(23)
    q, k, v = inputs(shape, rng, 64, 64, dtype)
    g = random(rng, v.shape[:1] + q.shape[1:3] + v.shape[3:], dtype)
    sizes = (shape.batch, shape.heads) if by_batch else (shape.heads,)
    slopes = (rng.random(sizes) * 0.1).astype(np.float32)
    options = {"alibi_slopes": slopes, **options}
    found = call(g, q, k, v, ("query", "alibi_slopes"), options)
    pairs = pairs_of(shape, g, q, k, v, **options)
    distance = -np.abs(pairs.distance + shape.queries - shape.keys)
    axes = (2, 3) if by_batch else (0, 2, 3)
    expected = (pairs.gradient * distance).sum(axis=axes)
    bound = GRADIENT[dtype] * (pairs.size * -distance).sum(axis=axes)
    assert_close(
        found.alibi_slopes, expected, np.maximum(bound, GRADIENT[dtype]), "alibi_slopes"
    )
    return found
