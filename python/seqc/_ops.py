# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The operators as calls on arrays.

A call checks its arguments, looks up the program for its specialisation key
and runs it. The key is what the program's text depends on: dtype, head sizes,
options and which operands there are. Batch, heads, sequence lengths and strides
are not in it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import _arrays, _text, _trace
from ._arrays import FLOATS, Array, view
from ._program import cache
from ._text import Masking, Operand, Regions, Type

Schedule = Mapping[str, int] | None
Window = int | tuple[int | None, int | None] | None
Modifier = Callable[..., Any] | None


# ===----------------------------------------------------------------------===
# Checks shared by the operators
# ===----------------------------------------------------------------------===


def _check_rank(name: str, array: Array, rank: int, layout: str) -> None:
    if len(array.shape) != rank:
        raise ValueError(
            f"{name}: has shape {array.shape}, expected {rank} dimensions {layout}"
        )


def _check_float(name: str, array: Array) -> None:
    if array.dtype not in FLOATS:
        raise TypeError(
            f"{name}: has dtype {array.dtype}, expected one of {', '.join(FLOATS)}"
        )


def _check_dtype(name: str, array: Array, dtypes: Sequence[str], why: str) -> None:
    if array.dtype not in dtypes:
        expected = " or ".join(dict.fromkeys(dtypes))
        raise TypeError(f"{name}: has dtype {array.dtype}, expected {expected} ({why})")


def _check_shape(name: str, array: Array, shape: tuple[int, ...], why: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: has shape {array.shape}, expected {shape} ({why})")


def _schedule_key(schedule: Schedule) -> tuple[tuple[str, int], ...]:
    if not schedule:
        return ()
    items = []
    for key, value in sorted(schedule.items()):
        if key not in _text.SCHEDULE_KEYS:
            raise ValueError(
                f"schedule: unknown parameter `{key}`, expected one of "
                f"{', '.join(_text.SCHEDULE_KEYS)}"
            )
        if isinstance(value, bool) or int(value) != value or value < 0:
            raise ValueError(f"schedule: {key} is {value}, expected an integer >= 0")
        items.append((key, int(value)))
    return tuple(items)


# ===----------------------------------------------------------------------===
# Attention
# ===----------------------------------------------------------------------===


class AttentionKey(NamedTuple):
    """The specialisation key of attention."""

    dtype: str
    head_dim: int
    value_dim: int
    scale: float | None
    masking: Masking
    bias: tuple[str, tuple[bool, ...]] | None  # dtype, which sizes are 1
    segments: bool
    prefix: bool
    sinks: bool
    dropout: float
    regions: Regions
    captures: tuple[tuple[str, int], ...]  # dtype, rank
    offset: bool  # the regions use %offset = key length - query length
    return_lse: bool
    schedule: tuple[tuple[str, int], ...]


def attention_text(key: AttentionKey) -> str:
    """The program for a key: one function `attention`."""
    acc = _text.accumulator(key.dtype)
    dyn = None
    query = Operand("%query", Type((dyn, dyn, dyn, key.head_dim), key.dtype))
    keys = Operand("%key", Type((dyn, dyn, dyn, key.head_dim), key.dtype))
    value = Operand("%value", Type((dyn, dyn, dyn, key.value_dim), key.dtype))
    arguments = [query, keys, value]
    bias = segments = prefix = sinks = seed = None
    if key.bias is not None:
        dtype, ones = key.bias
        bias = Operand("%bias", Type(tuple(1 if one else None for one in ones), dtype))
        arguments.append(bias)
    if key.segments:
        segments = (
            Operand("%query_segments", Type((None, None), "i32")),
            Operand("%key_segments", Type((None, None), "i32")),
        )
        arguments.extend(segments)
    if key.prefix:
        prefix = Operand("%prefix", Type((None,), "i32"))
        arguments.append(prefix)
    if key.sinks:
        sinks = Operand("%sinks", Type((None,), acc))
        arguments.append(sinks)
    if key.dropout:
        seed = Operand("%seed", "i64")
        arguments.append(seed)
    for i, (dtype, rank) in enumerate(key.captures):
        arguments.append(Operand(f"%capture{i}", Type((None,) * rank, dtype)))
    body = []
    if key.offset:
        body = [
            "%axis = arith.constant 2 : index",
            f"%query_length = tensor.dim %query, %axis : {query.type}",
            f"%key_length = tensor.dim %key, %axis : {keys.type}",
            "%offset = arith.subi %key_length, %query_length : index",
        ]
    results = [Operand("%out", Type((dyn, dyn, dyn, key.value_dim), key.dtype))]
    if key.return_lse:
        results.append(Operand("%lse", Type((dyn, dyn, dyn), acc)))
    body += _text.attention_op(
        results,
        query,
        keys,
        value,
        bias=bias,
        segments=segments,
        prefix=prefix,
        sinks=sinks,
        dropout=key.dropout,
        seed=seed,
        scale=key.scale,
        masking=key.masking,
        regions=key.regions,
        schedule=dict(key.schedule),
    )
    names = ["out", "lse"][: len(results)]
    return _text.function("attention", arguments, results, body, names)


class TracedRegions(NamedTuple):
    """What tracing gives: regions, and the arguments they need."""

    regions: Regions
    captures: tuple[_trace.Capture, ...]
    checks: tuple[_trace.Check, ...]
    offset: bool

    def types(self) -> tuple[tuple[str, int], ...]:
        return tuple((c.dtype, c.rank) for c in self.captures)


_NO_REGIONS = TracedRegions(Regions(), (), (), False)

_Seen = list[tuple[Callable[[], Any], Any]]


def trace_regions(
    acc: str,
    *,
    softcap: float | None = None,
    alibi_slopes: Any = None,
    top_left: bool = False,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
) -> tuple[TracedRegions, _Seen | None]:
    """The score and mask regions, in the order softcap, ALiBi, score_mod."""
    captures = _trace.Captures()
    seen: _Seen | None = []
    score: tuple[str, ...] | None = None
    mask: tuple[str, ...] | None = None
    score_result = mask_result = ""
    offset = False
    if softcap is not None or alibi_slopes is not None or score_mod is not None:
        role = "score" if score_mod is None else _trace.role_of("score_mod", score_mod)
        builder = _trace.Builder(role, acc, captures)
        value = _trace.Tracer(builder, "%s", _trace.FLOAT)
        indices = _trace.index_tracers(builder)
        if softcap is not None:
            capped = builder.mul(value, builder.constant(1.0 / softcap, _trace.FLOAT))
            capped = builder.float_unary("math.tanh", capped)
            value = builder.mul(capped, builder.constant(softcap, _trace.FLOAT))
        if alibi_slopes is not None:
            b, h, i, j = indices
            proxy = _trace.ArrayProxy(builder, alibi_slopes, "alibi_slopes")
            slope = proxy[h] if proxy.ndim == 1 else proxy[b, h]
            position = i
            if not top_left:
                offset = True
                shift = _trace.Tracer(builder, "%offset", _trace.INT)
                position = builder.add(i, shift)
            value = value - slope * abs(position - j)
        if score_mod is not None:
            result, seen = _trace.call_traced(builder, score_mod, [value, *indices])
            if result is None:
                raise builder.fail("returned None: return the new score")
            value = builder.lift(result, "return")
            if value.kind == _trace.BOOL:
                raise builder.fail(
                    "returned a bool: return a number, or pass the function as mask_mod"
                )
            value = builder.cast(value, _trace.FLOAT)
        score, score_result = tuple(builder.lines), value.name
    if mask_mod is not None:
        role = _trace.role_of("mask_mod", mask_mod)
        builder = _trace.Builder(role, acc, captures)
        result, more = _trace.call_traced(
            builder, mask_mod, _trace.index_tracers(builder)
        )
        seen = None if seen is None or more is None else [*seen, *more]
        if result is None:
            raise builder.fail("returned None: return a bool")
        value = builder.lift(result, "return")
        if value.kind != _trace.BOOL:
            raise builder.fail(
                f"returned "
                f"{'a float' if value.kind == _trace.FLOAT else 'an integer'}: "
                "return a bool, as in q_idx >= kv_idx"
            )
        mask, mask_result = tuple(builder.lines), value.name
    traced = TracedRegions(
        Regions(score, score_result, mask, mask_result),
        tuple(captures.items),
        tuple(captures.checks),
        offset,
    )
    return traced, seen


class _TraceCache:
    """Traces by the identity of the functions.

    A trace holds while everything that the functions captured is the same
    object. Functions whose captures cannot be followed are traced every time.
    """

    def __init__(self) -> None:
        self._items: weakref.WeakKeyDictionary[
            Any, dict[Any, tuple[Any, TracedRegions, _Seen]]
        ] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(
        self,
        acc: str,
        softcap: float | None,
        alibi: Any,
        top_left: bool,
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


_traces = _TraceCache()


_UNBOUNDED = 2**48


def normalize_window(window: Window) -> tuple[int | None, int | None]:
    """(left, right) of a window; None is unbounded."""
    if window is None:
        return None, None
    if isinstance(window, (tuple, list)):
        if len(window) != 2:
            raise ValueError(
                f"window: got {len(window)} sizes, expected an integer or (left, right)"
            )
        left, right = window
    else:
        left, right = window, None
    for side, size in (("left", left), ("right", right)):
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise TypeError(
                f"window: the {side} size is {type(size).__name__}, expected an "
                f"integer "
                "or None"
            )
        if size < 0:
            raise ValueError(
                f"window: the {side} size is {size}, expected an integer >= 0, or None "
                "for unbounded"
            )
    # No sequence is that long, and sums with a position stay in 64 bits.
    return (
        None if left is None or left > _UNBOUNDED else int(left),
        None if right is None or right > _UNBOUNDED else int(right),
    )


def normalize_masking(causal: bool | str, window: Window) -> Masking:
    """The structured mask of `causal` and `window`."""
    if isinstance(causal, str):
        if causal not in ("bottom_right", "top_left"):
            raise ValueError(
                f"causal: got '{causal}', expected True, False, 'bottom_right' or "
                "'top_left'"
            )
        top_left, is_causal = causal == "top_left", True
    elif isinstance(causal, (bool, np.bool_)):
        top_left, is_causal = False, bool(causal)
    else:
        raise TypeError(
            f"causal: got {type(causal).__name__}, expected True, False, "
            f"'bottom_right' "
            "or 'top_left'"
        )
    left, right = normalize_window(window)
    return Masking(is_causal, left, right, top_left)


def _check_attention_shapes(q: Array, k: Array, v: Array) -> None:
    for name, array in (("query", q), ("key", k), ("value", v)):
        _check_rank(name, array, 4, "(batch, heads, seq, head_dim)")
        _check_float(name, array)
    for name, array in (("key", k), ("value", v)):
        _check_dtype(name, array, (q.dtype,), "the dtype of query")
    qs, ks, vs = q.shape, k.shape, v.shape
    for name, shape in (("key", ks), ("value", vs)):
        if shape[0] != qs[0]:
            raise ValueError(
                f"{name}: has shape {shape}, expected batch {qs[0]} as in query, shape "
                f"{qs}"
            )
    if ks[3] != qs[3]:
        raise ValueError(
            f"key: has shape {ks}, expected head_dim {qs[3]} as in query, shape {qs}"
        )
    if vs[1:3] != ks[1:3]:
        raise ValueError(
            f"value: has shape {vs}, expected {ks[1]} heads and {ks[2]} positions as "
            f"in "
            f"key, shape {ks}"
        )
    if qs[3] == 0 or vs[3] == 0:
        name, shape = ("query", qs) if qs[3] == 0 else ("value", vs)
        raise ValueError(f"{name}: has shape {shape}, expected head_dim of at least 1")
    if qs[1] != 0 and (ks[1] == 0 or qs[1] % ks[1]):
        raise ValueError(
            f"key: has {ks[1]} heads, expected a number that divides the {qs[1]} heads "
            f"of "
            "query"
        )


def _check_capture(
    capture: _trace.Capture, check: _trace.Check, array: Array, sizes: dict[str, int]
) -> None:
    size = array.shape[check.dim]
    if isinstance(check.bound, int):
        if size < check.bound and all(sizes.values()):
            raise ValueError(
                f"{capture.label}: has shape {array.shape}, expected at least "
                f"{check.bound} in dimension {check.dim}"
            )
    elif size < sizes[check.bound]:
        raise ValueError(
            f"{capture.label}: has shape {array.shape} and is indexed in dimension "
            f"{check.dim} by {check.bound}, which goes up to {sizes[check.bound] - 1}"
        )


def attention(
    query: Any,
    key: Any,
    value: Any,
    *,
    scale: float | None = None,
    causal: bool | str = False,
    window: Window = None,
    softcap: float | None = None,
    bias: Any = None,
    alibi_slopes: Any = None,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
    segment_ids: Any = None,
    return_lse: bool = False,
    prefix: Any = None,
    sinks: Any = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    schedule: Schedule = None,
) -> Any:
    """Softmax attention: softmax(scale * query key^T + ...) value.

    Arrays may be numpy arrays, torch CPU tensors or anything with `__dlpack__`,
    with any strides; nothing is copied, and the result is the same kind as
    `query`. dtypes: f16, bf16, f32, f64. The softmax and all sums are in f32
    (f64 for f64).

    Args:
        query: (batch, heads, query length, head_dim).
        key: (batch, key heads, key length, head_dim). The number of key heads
            divides that of query heads, which share them in groups.
        value: (batch, key heads, key length, value_dim).
        scale: factor of the scores; 1 / sqrt(head_dim) by default.
        causal: query i sees keys up to its own position. True and
            "bottom_right" line the last query up with the last key, and
            "top_left" the first with the first.
        window: how many keys before the query's position it sees, or
            (before, after); None is unbounded.
        softcap: scores become softcap * tanh(score / softcap).
        bias: added to the scores: (batch, heads, query length, key length),
            each size the full one or 1.
        alibi_slopes: (heads) or (batch, heads): the score of a key loses the
            slope times its distance from the query's position.
        score_mod: a function (score, b, h, q_idx, kv_idx) of one score to the
            new one.
        mask_mod: a function (b, h, q_idx, kv_idx) to whether the query sees the
            key.
        segment_ids: (batch, length) integers: a query sees keys of its own
            segment only. A pair where query and key lengths differ.
        return_lse: also return the log of the softmax's denominator,
            (batch, heads, query length) in f32 (f64 for f64).
        prefix: how many keys every query sees whatever `causal` and `window`
            say: an integer or (batch).
        sinks: (heads): the denominator gains exp(sink).
        dropout_p: the probability of dropping a weight.
        seed: the seed of dropout; the same seed drops the same weights.
        schedule: tiling of this call: {"tile_m": queries, "tile_n": keys,
            "splits": parts of the keys}.

    A query that sees no key gives 0, and -inf for its lse.

    The score is changed in this order: scale, softcap, ALiBi, score_mod, bias,
    masks. `score_mod` and `mask_mod` are compiled: they are run once on
    stand-ins for the numbers, may use arithmetic, comparisons, & | ~, the
    functions of seqc (or their numpy and torch namesakes), and may index arrays
    that they capture.
    """
    q, k, v = view("query", query), view("key", key), view("value", value)
    qs, ks, vs = q.shape, k.shape, v.shape
    dtype = q.dtype
    if not (
        dtype in FLOATS
        and dtype == k.dtype == v.dtype
        and len(qs) == len(ks) == len(vs) == 4
        and qs[0] == ks[0] == vs[0]
        and qs[3] == ks[3] > 0
        and vs[3] > 0
        and ks[1:3] == vs[1:3]
        and (ks[1] and qs[1] % ks[1] == 0)
    ):
        _check_attention_shapes(q, k, v)
    acc = "f64" if dtype == "f64" else "f32"
    arguments: list[Any] = [q, k, v]

    if scale is not None:
        scale = _text.finite("scale", scale)
    masking = _NO_MASK
    if causal is not False or window is not None:
        masking = normalize_masking(causal, window)

    bias_key = None
    if bias is not None:
        array = view("bias", bias)
        _check_rank("bias", array, 4, "(batch, heads, query length, key length)")
        _check_dtype("bias", array, (dtype, acc), "the dtype of query or of its sums")
        full = (qs[0], qs[1], qs[2], ks[2])
        if any(
            size not in (1, whole)
            for size, whole in zip(array.shape, full, strict=False)
        ):
            raise ValueError(
                f"bias: has shape {array.shape}, expected {full} or 1 in its place"
            )
        bias_key = (array.dtype, tuple(size == 1 for size in array.shape))
        arguments.append(array)

    if segment_ids is not None:
        arguments.extend(_segments(segment_ids, qs[0], qs[2], ks[2]))

    if prefix is not None:
        arguments.append(_prefix(prefix, qs[0]))

    if sinks is not None:
        array = _arrays.view_as("sinks", sinks, acc)
        _check_shape("sinks", array, (qs[1],), "one per query head")
        arguments.append(array)

    dropout = 0.0
    if dropout_p:
        dropout = _text.finite("dropout_p", dropout_p)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout_p: got {dropout}, expected 0 <= dropout_p < 1")
        if seed is None:
            raise ValueError("seed: expected an integer where dropout_p is given")
        arguments.append(_seed(seed))

    traced = _NO_REGIONS
    if (
        score_mod is not None
        or mask_mod is not None
        or softcap is not None
        or alibi_slopes is not None
    ):
        traced = _regions(
            acc, qs, softcap, alibi_slopes, masking.top_left, score_mod, mask_mod
        )
        if traced.captures:
            views = [_trace.view_capture(c.label, c.value) for c in traced.captures]
            sizes = {"b": qs[0], "h": qs[1], "q_idx": qs[2], "kv_idx": ks[2]}
            for check in traced.checks:
                capture = traced.captures[check.capture]
                _check_capture(capture, check, views[check.capture], sizes)
            arguments.extend(views)

    cache_key = AttentionKey(
        dtype,
        qs[3],
        vs[3],
        scale,
        masking,
        bias_key,
        segment_ids is not None,
        prefix is not None,
        sinks is not None,
        dropout,
        traced.regions,
        traced.types() if traced.captures else (),
        traced.offset,
        bool(return_lse),
        _attention_schedule(schedule, qs[2]),
    )
    function = cache.find(cache_key)
    if function is None:
        function = cache.build(cache_key, lambda: attention_text(cache_key))
    results = function.call(arguments)
    if return_lse:
        return _arrays.wrap(results[0], query), _arrays.wrap(results[1], query)
    return _arrays.wrap(results[0], query)


_NO_MASK = Masking()


def _attention_schedule(
    schedule: Schedule, queries: int
) -> tuple[tuple[str, int], ...]:
    """The schedule of a call: few queries (decode) get a query tile of their size.

    The number of queries is dynamic in a compiled kernel, so the compiler sizes its
    tiles for many of them.
    """
    if schedule is not None and "tile_m" in schedule:
        return _schedule_key(schedule)
    if queries <= 8:
        return _schedule_key({**(schedule or {}), "tile_m": 8})
    return _schedule_key(schedule) if schedule else ()


def _regions(
    acc: str,
    query_shape: tuple[int, ...],
    softcap: float | None,
    alibi_slopes: Any,
    top_left: bool,
    score_mod: Modifier,
    mask_mod: Modifier,
) -> TracedRegions:
    if softcap is not None:
        softcap = _text.finite("softcap", softcap)
        if softcap <= 0:
            raise ValueError(f"softcap: got {softcap}, expected a number > 0")
    slopes = None
    if alibi_slopes is not None:
        slopes = view("alibi_slopes", alibi_slopes)
        _check_float("alibi_slopes", slopes)
        heads = query_shape[1]
        if slopes.shape not in ((heads,), (query_shape[0], heads)):
            raise ValueError(
                f"alibi_slopes: has shape {slopes.shape}, expected ({heads},) or "
                f"({query_shape[0]}, {heads}) (heads, or batch and heads)"
            )
    for name, function in (("score_mod", score_mod), ("mask_mod", mask_mod)):
        if function is not None and not callable(function):
            raise TypeError(
                f"{name}: expected a function, got {type(function).__name__}"
            )
    if score_mod is not None or mask_mod is not None:
        return _traces.get(acc, softcap, alibi_slopes, top_left, score_mod, mask_mod)
    key = (
        acc,
        softcap,
        None if slopes is None else (slopes.dtype, len(slopes.shape)),
        top_left,
    )
    traced = _plain_regions.get(key)
    if traced is None:
        traced, _ = trace_regions(
            acc, softcap=softcap, alibi_slopes=alibi_slopes, top_left=top_left
        )
        # Keep the text, not the array.
        captures = tuple(c._replace(value=None) for c in traced.captures)
        if len(_plain_regions) >= 256:
            _plain_regions.clear()
        _plain_regions[key] = traced._replace(captures=captures)
    captures = tuple(c._replace(value=alibi_slopes) for c in traced.captures)
    return traced._replace(captures=captures)


_plain_regions: dict[Any, TracedRegions] = {}


def _segments(
    segment_ids: Any, batch: int, query_length: int, key_length: int
) -> tuple[Array, Array]:
    if isinstance(segment_ids, (tuple, list)):
        if len(segment_ids) != 2:
            raise ValueError(
                f"segment_ids: got {len(segment_ids)} arrays, expected one or a pair "
                "(query, key)"
            )
        query_ids, key_ids = segment_ids
    else:
        query_ids = key_ids = segment_ids
        if query_length != key_length:
            raise ValueError(
                f"segment_ids: one array, but the query length is {query_length} and "
                f"the "
                f"key length {key_length}: expected a pair (query, key)"
            )
    first = _arrays.view_as("segment_ids", query_ids, "i32")
    second = (
        _arrays.view_as("segment_ids", key_ids, "i32")
        if key_ids is not query_ids
        else first
    )
    _check_shape("segment_ids", first, (batch, query_length), "batch, query length")
    _check_shape("segment_ids", second, (batch, key_length), "batch, key length")
    return first, second


def _prefix(prefix: Any, batch: int) -> Array:
    if isinstance(prefix, (int, np.integer)) and not isinstance(prefix, bool):
        prefix = np.full(batch, min(max(int(prefix), -1), 2**31 - 1), dtype=np.int32)
    array = _arrays.view_as("prefix", prefix, "i32")
    _check_shape("prefix", array, (batch,), "one per batch")
    return array


def _seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed: expected an integer, got {type(seed).__name__}")
    number = int(seed)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"seed: got {number}, expected a 64-bit integer")
    return number - 2**64 if number >= 2**63 else number


# ===----------------------------------------------------------------------===
# Selective scan
# ===----------------------------------------------------------------------===


class ScanKey(NamedTuple):
    """The specialisation key of selective_scan."""

    dtype: str
    state: int
    a: str
    b: tuple[str, int, int]  # dtype, rank, groups
    c: tuple[str, int, int]
    d: str | None
    z: bool
    delta_bias: str | None
    initial_state: bool
    delta_softplus: bool
    return_final_state: bool
    schedule: tuple[tuple[str, int], ...]


def selective_scan_text(key: ScanKey) -> str:
    """The program for a key: one function `selective_scan`."""
    acc = _text.accumulator(key.dtype)
    sequence = Type((None, None, None), key.dtype)
    state = Type((None, None, key.state), acc)

    def matrix(kind: tuple[str, int, int]) -> Type:
        dtype, rank, groups = kind
        shapes = {
            2: (None, key.state),
            3: (None, key.state, None),
            4: (None, groups, key.state, None),
        }
        return Type(shapes[rank], dtype)

    u, delta = Operand("%u", sequence), Operand("%delta", sequence)
    a = Operand("%A", Type((None, key.state), key.a))
    b, c = Operand("%B", matrix(key.b)), Operand("%C", matrix(key.c))
    arguments = [u, delta, a, b, c]
    d = z = delta_bias = initial_state = None
    if key.d is not None:
        d = Operand("%D", Type((None,), key.d))
        arguments.append(d)
    if key.z:
        z = Operand("%z", sequence)
        arguments.append(z)
    if key.delta_bias is not None:
        delta_bias = Operand("%delta_bias", Type((None,), key.delta_bias))
        arguments.append(delta_bias)
    if key.initial_state:
        initial_state = Operand("%initial_state", state)
        arguments.append(initial_state)
    results = [Operand("%out", sequence)]
    if key.return_final_state:
        results.append(Operand("%final_state", state))
    body = _text.selective_scan_op(
        results,
        u,
        delta,
        a,
        b,
        c,
        D=d,
        z=z,
        delta_bias=delta_bias,
        initial_state=initial_state,
        delta_softplus=key.delta_softplus,
        schedule=dict(key.schedule),
    )
    names = ["out", "final_state"][: len(results)]
    return _text.function("selective_scan", arguments, results, body, names)


def selective_scan(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any = None,
    z: Any = None,
    delta_bias: Any = None,
    delta_softplus: bool = False,
    initial_state: Any = None,
    return_final_state: bool = False,
    *,
    schedule: Schedule = None,
) -> Any:
    """The selective state-space scan of Mamba.

    With dt = delta + delta_bias (softplus of it if `delta_softplus`):
    h_t = exp(dt A) h_{t-1} + dt B_t u_t, and out_t = (C_t h_t + D u_t) silu(z_t).
    The state is kept in f32 (f64 for f64).

    Args:
        u: (batch, dim, length); the result has its shape and dtype.
        delta: like `u`.
        A: (dim, state).
        B, C: (dim, state), or (batch, state, length), or
            (batch, groups, state, length) where groups divide dim.
        D: (dim).
        z: like `u`.
        delta_bias: (dim).
        delta_softplus: apply softplus to dt.
        initial_state: (batch, dim, state) in f32 (f64 for f64).
        return_final_state: also return the state after the last step, so that
            a later call continues from it.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps in a
            chunk, "splits": parts of the sequence}.

    A, D, delta_bias and constant B and C have the dtype of `u` or that of the
    state; variable B and C have that of `u`.
    """
    first = view("u", u)
    _check_rank("u", first, 3, "(batch, dim, length)")
    _check_float("u", first)
    batch, dim, length = first.shape
    dtype = first.dtype
    acc = _text.accumulator(dtype)
    either = (dtype, acc)
    why = "the dtype of u or of the state"

    step = view("delta", delta)
    _check_dtype("delta", step, (dtype,), "the dtype of u")
    _check_shape("delta", step, first.shape, "the shape of u")

    a = view("A", A)
    _check_rank("A", a, 2, "(dim, state)")
    _check_dtype("A", a, either, why)
    state = a.shape[1]
    if a.shape[0] != dim or state == 0:
        raise ValueError(
            f"A: has shape {a.shape}, expected ({dim}, state) with state of at least 1"
        )
    matrices = []
    for name, value in (("B", B), ("C", C)):
        m = view(name, value)
        rank = len(m.shape)
        if rank == 2:
            _check_dtype(name, m, either, why)
            _check_shape(name, m, (dim, state), "dim, state")
        elif rank == 3:
            _check_dtype(name, m, (dtype,), "the dtype of u")
            _check_shape(name, m, (batch, state, length), "batch, state, length")
        elif rank == 4:
            _check_dtype(name, m, (dtype,), "the dtype of u")
            groups = m.shape[1]
            expected = (batch, groups, state, length)
            _check_shape(name, m, expected, "batch, groups, state, length")
            if groups == 0 or dim % groups:
                raise ValueError(
                    f"{name}: has {groups} groups, expected a number that divides dim "
                    f"{dim}"
                )
        else:
            raise ValueError(
                f"{name}: has shape {m.shape}, expected (dim, state), (batch, state, "
                "length) or (batch, groups, state, length)"
            )
        matrices.append(m)
    b, c = matrices
    arguments: list[Any] = [first, step, a, b, c]
    d_key = bias_key = None
    if D is not None:
        array = view("D", D)
        _check_dtype("D", array, either, why)
        _check_shape("D", array, (dim,), "one per channel")
        d_key = array.dtype
        arguments.append(array)
    if z is not None:
        array = view("z", z)
        _check_dtype("z", array, (dtype,), "the dtype of u")
        _check_shape("z", array, first.shape, "the shape of u")
        arguments.append(array)
    if delta_bias is not None:
        array = view("delta_bias", delta_bias)
        _check_dtype("delta_bias", array, either, why)
        _check_shape("delta_bias", array, (dim,), "one per channel")
        bias_key = array.dtype
        arguments.append(array)
    if initial_state is not None:
        array = view("initial_state", initial_state)
        _check_dtype("initial_state", array, (acc,), "the dtype of the state")
        _check_shape("initial_state", array, (batch, dim, state), "batch, dim, state")
        arguments.append(array)

    key = ScanKey(
        dtype,
        state,
        a.dtype,
        (b.dtype, len(b.shape), b.shape[1] if len(b.shape) == 4 else 0),
        (c.dtype, len(c.shape), c.shape[1] if len(c.shape) == 4 else 0),
        d_key,
        z is not None,
        bias_key,
        initial_state is not None,
        bool(delta_softplus),
        bool(return_final_state),
        _schedule_key(schedule) if schedule else (),
    )
    function = cache.find(key)
    if function is None:
        function = cache.build(key, lambda: selective_scan_text(key))
    results = function.call(arguments)
    if return_final_state:
        return _arrays.wrap(results[0], u), _arrays.wrap(results[1], u)
    return _arrays.wrap(results[0], u)


# ===----------------------------------------------------------------------===
# Causal convolution
# ===----------------------------------------------------------------------===


class ConvKey(NamedTuple):
    """The specialisation key of causal_conv1d."""

    dtype: str
    width: int
    weight: str
    bias: str | None
    activation: str | None
    initial_state: bool
    return_final_state: bool
    schedule: tuple[tuple[str, int], ...]


def causal_conv1d_text(key: ConvKey) -> str:
    """The program for a key: one function `causal_conv1d`."""
    sequence = Type((None, None, None), key.dtype)
    state = Type((None, None, key.width - 1), key.dtype)
    x = Operand("%x", sequence)
    weight = Operand("%weight", Type((None, key.width), key.weight))
    arguments = [x, weight]
    bias = initial_state = None
    if key.bias is not None:
        bias = Operand("%bias", Type((None,), key.bias))
        arguments.append(bias)
    if key.initial_state:
        initial_state = Operand("%initial_state", state)
        arguments.append(initial_state)
    results = [Operand("%out", sequence)]
    if key.return_final_state:
        results.append(Operand("%final_state", state))
    body = _text.causal_conv1d_op(
        results,
        x,
        weight,
        bias=bias,
        initial_state=initial_state,
        activation=key.activation,
        schedule=dict(key.schedule),
    )
    names = ["out", "final_state"][: len(results)]
    return _text.function("causal_conv1d", arguments, results, body, names)


def normalize_activation(activation: str | None) -> str | None:
    if activation in (None, "none", "identity"):
        return None
    if activation in ("silu", "swish"):
        return "silu"
    raise ValueError(
        f"activation: got {activation!r}, expected None, 'silu' or 'swish'"
    )


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
    return_final_state: bool = False,
    *,
    schedule: Schedule = None,
) -> Any:
    """A depthwise convolution whose output at l sees inputs up to l.

    Args:
        x: (batch, dim, length); the result has its shape and dtype.
        weight: (dim, width); weight[:, -1] is that of the newest input.
        bias: (dim).
        activation: None, "silu" or "swish".
        initial_state: (batch, dim, width - 1), the inputs before x[..., 0];
            zeros by default.
        return_final_state: also return the last width - 1 inputs, so that a
            later call continues from them.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps}.
    """
    first = view("x", x)
    _check_rank("x", first, 3, "(batch, dim, length)")
    _check_float("x", first)
    batch, dim, _ = first.shape
    dtype = first.dtype
    either = (dtype, _text.accumulator(dtype))
    why = "the dtype of x or of its sums"
    activation = normalize_activation(activation)

    w = view("weight", weight)
    _check_rank("weight", w, 2, "(dim, width)")
    _check_dtype("weight", w, either, why)
    width = w.shape[1]
    if w.shape[0] != dim or width == 0:
        raise ValueError(
            f"weight: has shape {w.shape}, expected ({dim}, width) with width of at "
            f"least 1"
        )
    arguments: list[Any] = [first, w]
    bias_key = None
    if bias is not None:
        array = view("bias", bias)
        _check_dtype("bias", array, either, why)
        _check_shape("bias", array, (dim,), "one per channel")
        bias_key = array.dtype
        arguments.append(array)
    if initial_state is not None:
        array = view("initial_state", initial_state)
        _check_dtype("initial_state", array, (dtype,), "the dtype of x")
        _check_shape(
            "initial_state", array, (batch, dim, width - 1), "batch, dim, width - 1"
        )
        arguments.append(array)
    key = ConvKey(
        dtype,
        width,
        w.dtype,
        bias_key,
        activation,
        initial_state is not None,
        bool(return_final_state),
        _schedule_key(schedule) if schedule else (),
    )
    function = cache.find(key)
    if function is None:
        function = cache.build(key, lambda: causal_conv1d_text(key))
    results = function.call(arguments)
    if return_final_state:
        return _arrays.wrap(results[0], x), _arrays.wrap(results[1], x)
    return _arrays.wrap(results[0], x)
