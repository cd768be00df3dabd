# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tracing of softcap, ALiBi, `score_mod` and `mask_mod` to regions.

A function runs once on tracers, which stand for the score, the indices and what
is computed from them (_trace_values). Each operation on a tracer appends one
line of MLIR (_trace_builder). Arrays that the function captures are replaced
before it runs (_trace_rewrite) and become arguments of the program
(_trace_captures). _trace_functions has what users call in such a function.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

from ._text import Regions
from ._trace_builder import Builder
from ._trace_captures import Capture, Captures, Check
from ._trace_rewrite import Seen, call_traced, index_tracers, role_of
from ._trace_values import BOOL, FLOAT, INT, ArrayProxy, Tracer

Modifier = Callable[..., Any] | None


class TracedRegions(NamedTuple):
    """What tracing gives: regions, and the arguments they need."""

    regions: Regions
    captures: tuple[Capture, ...]
    checks: tuple[Check, ...]
    offset: bool

    def types(self) -> tuple[tuple[str, int], ...]:
        return tuple((c.dtype, c.rank) for c in self.captures)


NO_REGIONS = TracedRegions(Regions(), (), (), False)


def _score_region(
    builder: Builder,
    softcap: float | None,
    alibi_slopes: Any,
    top_left: bool,
    only_past: bool,
    score_mod: Modifier,
) -> tuple[Tracer, Seen | None]:
    """Softcap, ALiBi and score_mod, in this order."""
    value = Tracer(builder, "%s", FLOAT)
    indices = index_tracers(builder)
    if softcap is not None:
        capped = builder.mul(value, builder.constant(1.0 / softcap, FLOAT))
        capped = builder.float_unary("math.tanh", capped)
        value = builder.mul(capped, builder.constant(softcap, FLOAT))
    if alibi_slopes is not None:
        b, h, i, j = indices
        proxy = ArrayProxy(builder, alibi_slopes, "alibi_slopes")
        slope = proxy[h] if proxy.ndim == 1 else proxy[b, h]
        position = i if top_left else builder.add(i, Tracer(builder, "%offset", INT))
        distance = position - j
        if not only_past:
            distance = abs(distance)
        value = value - slope * distance
    if score_mod is None:
        return value, []
    result, seen = call_traced(builder, score_mod, [value, *indices])
    if result is None:
        raise builder.fail("returned None: return the new score")
    value = builder.lift(result, "return")
    if value.kind == BOOL:
        raise builder.fail(
            "returned a bool: return a number, or pass the function as mask_mod"
        )
    return builder.cast(value, FLOAT), seen


def _mask_region(builder: Builder, mask_mod: Any) -> tuple[Tracer, Seen | None]:
    result, seen = call_traced(builder, mask_mod, index_tracers(builder))
    if result is None:
        raise builder.fail("returned None: return a bool")
    value = builder.lift(result, "return")
    if value.kind != BOOL:
        raise builder.fail(
            f"returned {'a float' if value.kind == FLOAT else 'an integer'}: "
            "return a bool, as in q_idx >= kv_idx"
        )
    return value, seen


def trace_regions(
    acc: str,
    *,
    softcap: float | None = None,
    alibi_slopes: Any = None,
    top_left: bool = False,
    only_past: bool = False,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
) -> tuple[TracedRegions, Seen | None]:
    """The regions of a call, and what its functions captured (None: unknown).

    `only_past`: the mask hides what is after the query's own position.
    """
    captures = Captures()
    seen: Seen | None = []
    regions = Regions()
    if softcap is not None or alibi_slopes is not None or score_mod is not None:
        role = "score" if score_mod is None else role_of("score_mod", score_mod)
        builder = Builder(role, acc, captures)
        value, seen = _score_region(
            builder, softcap, alibi_slopes, top_left, only_past, score_mod
        )
        regions = regions._replace(score=tuple(builder.lines), score_result=value.name)
    if mask_mod is not None:
        builder = Builder(role_of("mask_mod", mask_mod), acc, captures)
        value, more = _mask_region(builder, mask_mod)
        seen = None if seen is None or more is None else [*seen, *more]
        regions = regions._replace(mask=tuple(builder.lines), mask_result=value.name)
    offset = alibi_slopes is not None and not top_left
    checks = tuple(captures.checks)
    return TracedRegions(regions, tuple(captures.items), checks, offset), seen


# ===----------------------------------------------------------------------===
# The cache of traces
# ===----------------------------------------------------------------------===


class TraceCache:
    """Traces by the identity of the functions.

    A trace holds while everything that the functions captured is the same
    object. Functions whose captures cannot be followed are traced every time.
    """

    def __init__(self) -> None:
        self._items: weakref.WeakKeyDictionary[
            Any, dict[Any, tuple[Any, TracedRegions, Seen]]
        ] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(
        self,
        acc: str,
        softcap: float | None,
        alibi: Any,
        top_left: bool,
        only_past: bool,
        score: Modifier,
        mask: Modifier,
    ) -> TracedRegions:
        owner = score if score is not None else mask
        # An array that the call itself gives is not followed.
        cached = alibi is None and isinstance(owner, FunctionType)
        options = (acc, softcap, score is None)
        if cached:
            with self._lock:
                found = self._items.get(owner, {}).get(options)
            if found is not None:
                other, traced, seen = found
                if other() is mask and all(get() is value for get, value in seen):
                    return traced
        traced, fresh = trace_regions(
            acc,
            softcap=softcap,
            alibi_slopes=alibi,
            top_left=top_left,
            only_past=only_past,
            score_mod=score,
            mask_mod=mask,
        )
        if cached and fresh is not None:
            other = _nothing if mask is None else _reference(mask)
            if other is not None:
                with self._lock:
                    per_owner = self._items.setdefault(owner, {})
                    if len(per_owner) >= 16:
                        per_owner.clear()
                    per_owner[options] = (other, traced, fresh)
        return traced


def _nothing() -> None:
    return None


def _reference(value: Any) -> Callable[[], Any] | None:
    try:
        return weakref.ref(value)
    except TypeError:
        return None


traces = TraceCache()
