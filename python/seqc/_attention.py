# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention as a call on arrays.

A call checks its arguments, looks up the program for its specialisation key
and runs it. The key is what the program's text depends on: dtype, head sizes,
options and which operands there are. Batch, heads, sequence lengths and strides
are not in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _text, _torch_compile
from ._arrays import FLOATS, Array, view
from ._checks import check_dtype, check_float, check_rank, check_shape, schedule_key
from ._places import Place, fast, place_of
from ._text import Masking, Operand, Regions, Schedule, Type
from ._trace import NO_REGIONS, Modifier, TracedRegions, trace_regions, traces
from ._trace_captures import Capture, check_capture, view_capture

Window = int | tuple[int | None, int | None] | None


# ===----------------------------------------------------------------------===
# The program
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
    # Few queries: how many, and the heads of query and of key.
    few: tuple[int, int, int] | None = None
    key_lengths: bool = False
    page_size: int | None = None  # of keys and values in pages


class AttentionOperands(NamedTuple):
    """What a program for a key starts with."""

    arguments: list[Operand]
    query: Operand
    key: Operand
    value: Operand
    bias: Operand | None
    segments: tuple[Operand, Operand] | None
    prefix: Operand | None
    sinks: Operand | None
    seed: Operand | None
    body: list[str]
    key_lengths: Operand | None
    regions: Regions


def attention_operands(key: AttentionKey) -> AttentionOperands:
    """The arguments of the program for a key, and the lines that regions need."""
    acc = _text.accumulator(key.dtype)
    dyn = None
    queries, heads, key_heads = key.few or (dyn, dyn, dyn)
    query = Operand("%query", Type((dyn, heads, queries, key.head_dim), key.dtype))
    keys = Operand("%key", Type((dyn, key_heads, dyn, key.head_dim), key.dtype))
    value = Operand("%value", Type((dyn, key_heads, dyn, key.value_dim), key.dtype))
    arguments = [query, keys, value]
    body: list[str] = []
    if key.page_size is not None:
        arguments, body = _paged_operands(key, query, keys, value)
    bias = segments = prefix = key_lengths = sinks = seed = None
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
    if key.key_lengths:
        key_lengths = Operand("%key_lengths", Type((None,), "i32"))
        arguments.append(key_lengths)
    if key.sinks:
        sinks = Operand("%sinks", Type((heads,), acc))
        arguments.append(sinks)
    if key.dropout:
        seed = Operand("%seed", "i64")
        arguments.append(seed)
    for i, (dtype, rank) in enumerate(key.captures):
        arguments.append(Operand(f"%capture{i}", Type((None,) * rank, dtype)))
    regions = key.regions
    if key.offset:
        body += [
            "%axis = arith.constant 2 : index",
            f"%query_length = tensor.dim %query, %axis : {query.type}",
            f"%key_length = tensor.dim %key, %axis : {keys.type}",
        ]
        offset = "%offset = arith.subi %key_length, %query_length : index"
        if key_lengths is None:
            body.append(offset)
        else:
            regions = _with_own_offset(regions, key_lengths)
    return AttentionOperands(
        arguments,
        query,
        keys,
        value,
        bias,
        segments,
        prefix,
        sinks,
        seed,
        body,
        key_lengths,
        regions,
    )


def _paged_operands(
    key: AttentionKey, query: Operand, keys: Operand, value: Operand
) -> tuple[list[Operand], list[str]]:
    """The first arguments of a program on pages, and the lines that make `keys` and
    `value` of them."""
    arguments, body = [query], []
    table = Operand("%block_table", Type((None, None), "i32"))
    for operand, depth in ((keys, key.head_dim), (value, key.value_dim)):
        heads = key.few[2] if key.few else None
        shape = (None, heads, key.page_size, depth)
        pages = Operand(f"{operand.name}_pages", Type(shape, key.dtype))
        arguments.append(pages)
        body.append(
            f"{operand.name} = seqc.paged {pages.name}, {table.name} : "
            f"({pages.type}, {table.type}) -> {operand.type}"
        )
    return [*arguments, table], body


def _with_own_offset(regions: Regions, key_lengths: Operand) -> Regions:
    """Regions whose %offset is that of their batch entry."""
    lines = [
        f"%entry = tensor.extract {key_lengths.name}[%b] : {key_lengths.type}",
        "%entry_index = arith.index_cast %entry : i32 to index",
        "%entry_length = arith.minui %entry_index, %key_length : index",
        "%offset = arith.subi %entry_length, %query_length : index",
    ]

    def extend(body: Any) -> Any:
        uses = body is not None and any("%offset" in line for line in body)
        return type(body)([*lines, *body]) if uses else body

    return regions._replace(score=extend(regions.score), mask=extend(regions.mask))


def attention_text(key: AttentionKey) -> str:
    """The program for a key: one function `attention`."""
    acc = _text.accumulator(key.dtype)
    dyn = None
    queries, heads, _ = key.few or (dyn, dyn, dyn)
    x = attention_operands(key)
    results = [Operand("%out", Type((dyn, heads, queries, key.value_dim), key.dtype))]
    if key.return_lse:
        results.append(Operand("%lse", Type((dyn, heads, queries), acc)))
    body = x.body + _text.attention_op(
        results,
        x.query,
        x.key,
        x.value,
        bias=x.bias,
        segments=x.segments,
        prefix=x.prefix,
        key_lengths=x.key_lengths,
        sinks=x.sinks,
        dropout=key.dropout,
        seed=x.seed,
        scale=key.scale,
        masking=key.masking,
        regions=x.regions,
        schedule=dict(key.schedule),
    )
    names = ["out", "lse"][: len(results)]
    return _text.function("attention", x.arguments, results, body, names)


# ===----------------------------------------------------------------------===
# Arguments
# ===----------------------------------------------------------------------===


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
                "integer or None"
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
            "'bottom_right' or 'top_left'"
        )
    left, right = normalize_window(window)
    return Masking(is_causal, left, right, top_left)


def _check_attention_shapes(
    q: Array, k: Array, v: Array, ks: tuple[int, ...], vs: tuple[int, ...]
) -> None:
    for name, array in (("query", q), ("key", k), ("value", v)):
        check_rank(name, array, 4, "(batch, heads, seq, head_dim)")
        check_float(name, array)
    for name, array in (("key", k), ("value", v)):
        check_dtype(name, array, (q.dtype,), "the dtype of query")
    qs = q.shape
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
            f"in key, shape {ks}"
        )
    if qs[3] == 0 or vs[3] == 0:
        name, shape = ("query", qs) if qs[3] == 0 else ("value", vs)
        raise ValueError(f"{name}: has shape {shape}, expected head_dim of at least 1")
    if qs[1] != 0 and (ks[1] == 0 or qs[1] % ks[1]):
        raise ValueError(
            f"key: has {ks[1]} heads, expected a number that divides the {qs[1]} heads "
            "of query"
        )


PAGE_SIZES = (16, 32, 64, 128, 256)


def _check_paged_shapes(q: Array, k: Array, v: Array, table: Array) -> None:
    dims = "(pages, heads, page size, head_dim)"
    check_rank("query", q, 4, "(batch, heads, seq, head_dim)")
    for name, array in (("key", k), ("value", v)):
        check_rank(name, array, 4, f"{dims}, as block_table is given")
    for name, array in (("query", q), ("key", k), ("value", v)):
        check_float(name, array)
    for name, array in (("key", k), ("value", v)):
        check_dtype(name, array, (q.dtype,), "the dtype of query")
    check_rank("block_table", table, 2, "(batch, pages of each)")
    qs, ks, vs, ts = q.shape, k.shape, v.shape, table.shape
    for name, shape in (("key", ks), ("value", vs)):
        if shape[2] not in PAGE_SIZES:
            raise ValueError(
                f"{name}: has shape {shape}, expected {dims} with a page size of "
                f"{', '.join(map(str, PAGE_SIZES[:-1]))} or {PAGE_SIZES[-1]}"
            )
    if vs[:3] != ks[:3]:
        raise ValueError(
            f"value: has shape {vs}, expected {ks[0]} pages, {ks[1]} heads and a page "
            f"size of {ks[2]} as in key, shape {ks}"
        )
    if ts[0] != qs[0]:
        raise ValueError(
            f"block_table: has shape {ts}, expected batch {qs[0]} as in query, shape "
            f"{qs}"
        )
    if ts[1] < 1:
        raise ValueError(
            f"block_table: has shape {ts}, expected at least one page for each sequence"
        )
    if ts[1] * ks[2] >= 2**31:
        raise ValueError(
            f"block_table: has shape {ts}, expected fewer than 2^31 positions in "
            f"{ts[1]} pages of {ks[2]}"
        )


def _paged(
    place: Place, query: Array, key: Array, value: Array, block_table: Any
) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """The table, and the shapes of the keys and values that it makes of pages."""
    table = place.view_as("block_table", block_table, "i32")
    _check_paged_shapes(query, key, value, table)
    (batch, most), (_, heads, size, depth) = table.shape, key.shape
    keys = (batch, heads, most * size)
    return place.dense(table), (*keys, depth), (*keys, value.shape[3])


# A step of decoding has no more queries than this; its heads and queries are part of
# the program, which packs the heads of a group into one tile.
FEW_QUERIES = 16


def _few(
    queries: int, heads: int, key_heads: int, is_gpu: bool, schedule: Schedule
) -> tuple[int, int, int] | None:
    """What is static for a few queries: worth a program of its own on a GPU, and
    elsewhere with grouped heads."""
    if not 0 < queries <= FEW_QUERIES or (schedule and "tile_m" in schedule):
        return None
    if not is_gpu and (heads == key_heads or heads == 0):
        return None
    return queries, heads, key_heads


def _attention_schedule(
    schedule: Schedule, queries: int, is_gpu: bool
) -> tuple[tuple[str, int], ...]:
    """The schedule of a call: few queries (decode) get a query tile of their size
    on the CPU.

    The number of queries is dynamic in a compiled kernel, so the compiler sizes its
    tiles for many of them.
    """
    if schedule is not None and "tile_m" in schedule:
        return schedule_key(schedule)
    if queries <= 8 and not is_gpu:
        return schedule_key({**(schedule or {}), "tile_m": 8})
    return schedule_key(schedule) if schedule else ()


def _regions(
    acc: str,
    query_shape: tuple[int, ...],
    softcap: float | None,
    alibi_slopes: Any,
    top_left: bool,
    only_past: bool,
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
        check_float("alibi_slopes", slopes)
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
        return traces.get(
            acc, softcap, alibi_slopes, top_left, only_past, score_mod, mask_mod
        )
    key = (
        acc,
        softcap,
        None if slopes is None else (slopes.dtype, len(slopes.shape)),
        top_left,
        only_past,
    )
    traced = _plain_regions.get(key)
    if traced is None:
        traced, _ = trace_regions(
            acc,
            softcap=softcap,
            alibi_slopes=alibi_slopes,
            top_left=top_left,
            only_past=only_past,
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
    place: Place, segment_ids: Any, batch: int, query_length: int, key_length: int
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
                f"the key length {key_length}: expected a pair (query, key)"
            )
    first = place.view_as("segment_ids", query_ids, "i32")
    second = (
        place.view_as("segment_ids", key_ids, "i32")
        if key_ids is not query_ids
        else first
    )
    check_shape("segment_ids", first, (batch, query_length), "batch, query length")
    check_shape("segment_ids", second, (batch, key_length), "batch, key length")
    return place.dense(first), place.dense(second)


def _prefix(place: Place, prefix: Any, batch: int) -> Array:
    if isinstance(prefix, (int, np.integer)) and not isinstance(prefix, bool):
        return place.full(batch, min(max(int(prefix), -1), 2**31 - 1))
    array = place.view_as("prefix", prefix, "i32")
    check_shape("prefix", array, (batch,), "one per batch")
    return array


def _key_lengths(place: Place, key_lengths: Any, batch: int) -> Array:
    if isinstance(key_lengths, (int, np.integer)) and not isinstance(key_lengths, bool):
        number = int(key_lengths)
        if not 0 <= number < 2**31:
            raise ValueError(
                f"key_lengths: got {number}, expected an integer from 0 to 2^31 - 1"
            )
        return place.full(batch, number)
    array = place.view_as("key_lengths", key_lengths, "i32")
    check_shape("key_lengths", array, (batch,), "one per batch")
    return array


def _seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed: expected an integer, got {type(seed).__name__}")
    number = int(seed)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"seed: got {number}, expected a 64-bit integer")
    return number - 2**64 if number >= 2**63 else number


# ===----------------------------------------------------------------------===
# The call
# ===----------------------------------------------------------------------===


_NO_MASK = Masking()


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
    block_table: Any = None,
    key_lengths: Any = None,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """Softmax attention: softmax(scale * query key^T + ...) value.

    Arrays may be numpy arrays, torch tensors or anything with `__dlpack__`, with
    any strides; the result is the same kind as `query`. All are in host memory or
    on one GPU, where the work goes into the current stream of torch or cupy.
    Nothing is copied, but on a GPU query, key and value whose last stride is not
    1, and small arrays that are elsewhere or of another dtype. query, key and
    value have one dtype: f16, bf16, f32 or f64. The softmax and all sums are in
    f32 (f64 for f64). Positions and lengths count elements of the sequence, and
    the first has number 0.

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
        softcap: scores become softcap * tanh(score / softcap); above 0.
        bias: added to the scores: (batch, heads, query length, key length),
            each size the full one or 1, in the dtype of query or that of the
            sums.
        alibi_slopes: (heads) or (batch, heads), any float dtype: the score of a
            key loses the slope times its distance from the query's position.
        score_mod: a function (score, b, h, q_idx, kv_idx) of one score to the
            new one.
        mask_mod: a function (b, h, q_idx, kv_idx) to whether the query sees the
            key.
        segment_ids: (batch, length) integers: a query sees keys of its own
            segment only. A pair where query and key lengths differ.
        return_lse: also return the natural logarithm of the softmax's
            denominator, (batch, heads, query length) in f32 (f64 for f64).
        prefix: how many keys every query sees whatever `causal` and `window`
            say: an integer or (batch).
        sinks: (heads), any float dtype: the denominator gains exp(sink).
        dropout_p: the probability of dropping a weight, from 0 to below 1.
        seed: the seed of dropout, 64 bits; the same one drops the same weights.
        block_table: (batch, pages of each) integers: key and value are pages, (pages,
            key heads, page size, head_dim or value_dim), and the table has the
            number of the page in which each page size positions of a sequence
            lie. The page size is 16, 32, 64, 128 or 256. Strides are free, so a cache
            of (pages, page size, key heads, head_dim) is passed as its transpose. A
            number that is no page stands for zeros. No gradients.
        key_lengths: (batch) integers, or one: how many keys each sequence has, as of a
            cache that is not full. Keys behind them are never read, and "the last
            key" of `causal` and `window` is the last of these. No gradients.
        schedule: tiling of this call: {"tile_m": queries, "tile_n": keys,
            "splits": parts of the keys}; on a GPU also "stages" (tiles of
            keys, and of values, in shared memory) and "warps".
        target: on a GPU, "sm_80" or "sm_90a" for the code of that architecture;
            by default SEQC_TARGET of the environment, else the best for the GPU.

    Returns:
        out, (batch, heads, query length, value_dim) in the dtype of query; with
        `return_lse` the tuple (out, lse). A query that sees no key gives 0, and
        -inf for its lse.

    Raises:
        TypeError: an argument is no array, or has a dtype that is not taken.
        ValueError: a shape or a number does not fit; the message names the
            argument, what it is and what is expected.
        TraceError: `score_mod` or `mask_mod` cannot be compiled. It is a
            TypeError.
        SeqcError: the compiler failed.

    The score is changed in this order: scale, softcap, ALiBi, score_mod, bias,
    masks. `score_mod` and `mask_mod` are compiled: they are run once on
    stand-ins for the numbers, may use arithmetic, comparisons, & | ~, the
    functions of seqc (or their numpy and torch namesakes), and may index arrays
    that they capture.

    The first call with given dtypes, head_dim, value_dim and options compiles a
    program, and later ones run it. Numbers are options: another `scale`, `window`
    or `softcap`, or a Python number that a function captures and that has changed,
    compiles anew. What is in arrays is not: capture an array of shape () for a
    number that often changes.

    The maths, with every mask and special case, is in docs/spec.md. It is that of
    Vaswani et al. 2017, computed tile by tile as in FlashAttention (Dao et al.
    2022), with grouped key heads (Ainslie et al. 2023) and ALiBi (Press et al.
    2022). Dropout draws from Philox4x32-10 (Salmon et al. 2011).
    """
    layer = _torch_compile.recording(
        query, key, value, bias, sinks, alibi_slopes, function=score_mod
    )
    # Programs without them do not carry them along.
    paging = {}
    if block_table is not None:
        paging["block_table"] = block_table
    if key_lengths is not None:
        paging["key_lengths"] = key_lengths
    call = attention_now if layer is None else layer.attention
    return call(
        query,
        key,
        value,
        scale=scale,
        causal=causal,
        window=window,
        softcap=softcap,
        bias=bias,
        alibi_slopes=alibi_slopes,
        score_mod=score_mod,
        mask_mod=mask_mod,
        segment_ids=segment_ids,
        return_lse=return_lse,
        prefix=prefix,
        sinks=sinks,
        dropout_p=dropout_p,
        seed=seed,
        schedule=schedule,
        target=target,
        **paging,
    )


class Prepared(NamedTuple):
    """The checked arguments of a call, and its key but for results and schedule."""

    arguments: list[Any]
    query_shape: tuple[int, ...]
    key_shape: tuple[int, ...]
    value_shape: tuple[int, ...]
    key: AttentionKey
    captures: tuple[Capture, ...] = ()


def prepare(
    place: Place,
    query: Any,
    key: Any,
    value: Any,
    scale: float | None,
    causal: bool | str,
    window: Window,
    softcap: float | None,
    bias: Any,
    alibi_slopes: Any,
    score_mod: Modifier,
    mask_mod: Modifier,
    segment_ids: Any,
    prefix: Any,
    sinks: Any,
    dropout_p: float,
    seed: int | None,
    block_table: Any = None,
    key_lengths: Any = None,
) -> Prepared:
    """Views and checks the operands and options that forward and backward share."""
    view = place.view
    q, k, v = view("query", query), view("key", key), view("value", value)
    qs, ks, vs = q.shape, k.shape, v.shape
    dtype = q.dtype
    table = page_size = None
    if block_table is not None:
        table, ks, vs = _paged(place, q, k, v, block_table)
        page_size = k.shape[2]
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
        _check_attention_shapes(q, k, v, ks, vs)
    acc = "f64" if dtype == "f64" else "f32"
    if place.is_gpu:
        q, k, v = place.dense(q), place.dense(k), place.dense(v)
    arguments: list[Any] = [q, k, v]
    if table is not None:
        arguments.append(table)

    if scale is not None:
        scale = _text.finite("scale", scale)
    masking = _NO_MASK
    if causal is not False or window is not None:
        masking = normalize_masking(causal, window)

    bias_key = None
    if bias is not None:
        array = view("bias", bias)
        check_rank("bias", array, 4, "(batch, heads, query length, key length)")
        check_dtype("bias", array, (dtype, acc), "the dtype of query or of its sums")
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
        arguments.extend(_segments(place, segment_ids, qs[0], qs[2], ks[2]))

    if prefix is not None:
        arguments.append(_prefix(place, prefix, qs[0]))

    if key_lengths is not None:
        arguments.append(_key_lengths(place, key_lengths, qs[0]))

    if sinks is not None:
        array = place.view_as("sinks", sinks, acc)
        check_shape("sinks", array, (qs[1],), "one per query head")
        arguments.append(array)

    dropout = 0.0
    if dropout_p:
        dropout = _text.finite("dropout_p", dropout_p)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout_p: got {dropout}, expected 0 <= dropout_p < 1")
        if seed is None:
            raise ValueError("seed: expected an integer where dropout_p is given")
        arguments.append(_seed(seed))

    traced = NO_REGIONS
    if (
        score_mod is not None
        or mask_mod is not None
        or softcap is not None
        or alibi_slopes is not None
    ):
        only_past = masking.causal and prefix is None
        traced = _regions(
            acc,
            qs,
            softcap,
            alibi_slopes,
            masking.top_left,
            only_past,
            score_mod,
            mask_mod,
        )
        if traced.captures:
            views = [
                view_capture(c.label, c.value, place.view_any) for c in traced.captures
            ]
            sizes = {"b": qs[0], "h": qs[1], "q_idx": qs[2], "kv_idx": ks[2]}
            for check in traced.checks:
                capture = traced.captures[check.capture]
                check_capture(capture, check, views[check.capture], sizes)
            arguments.extend(views)

    operands = AttentionKey(
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
        return_lse=False,
        schedule=(),
        key_lengths=key_lengths is not None,
        page_size=page_size,
    )
    return Prepared(arguments, qs, ks, vs, operands, traced.captures)


def captures_of(
    query: Any,
    causal: bool | str,
    window: Window,
    softcap: float | None,
    alibi_slopes: Any,
    score_mod: Modifier,
    mask_mod: Modifier,
    prefix: Any,
) -> tuple[Capture, ...]:
    """What the regions of a call capture."""
    masking = normalize_masking(causal, window)
    return _regions(
        "f64" if str(query.dtype).endswith("float64") else "f32",
        tuple(query.shape),
        softcap,
        alibi_slopes,
        masking.top_left,
        masking.causal and prefix is None,
        score_mod,
        mask_mod,
    ).captures


def attention_now(
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
    block_table: Any = None,
    key_lengths: Any = None,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`attention` on arrays that have values."""
    tensors: tuple[Any, ...] = ()
    fast_key: Any = None
    if (
        fast.takes(query)
        and bias is None
        and score_mod is None
        and mask_mod is None
        and not schedule
    ):
        fast_key = (
            "attention",
            scale,
            causal,
            window,
            softcap,
            dropout_p,
            return_lse,
            target,
            segment_ids is None,
            prefix is None,
            sinks is None,
            seed is None,
            query.dim() == 4 and 0 < query.size(2) <= FEW_QUERIES,
            block_table is None,
            key_lengths is None,
        )
        tensors = (query, key, value)
        if block_table is not None:
            tensors += (block_table,)
        if segment_ids is not None:
            pair = isinstance(segment_ids, (tuple, list))
            tensors += tuple(segment_ids) if pair else (segment_ids,) * 2
        if prefix is not None:
            tensors += (prefix,)
        if key_lengths is not None:
            tensors += (key_lengths,)
        if sinks is not None:
            tensors += (sinks,)
        if dropout_p:
            tensors += (seed,)
        if alibi_slopes is not None:
            tensors += (alibi_slopes,)
        results = fast.call(fast_key, tensors)
        if results is not None:
            return results
    place = place_of("query", query, target)
    prepared = prepare(
        place,
        query,
        key,
        value,
        scale,
        causal,
        window,
        softcap,
        bias,
        alibi_slopes,
        score_mod,
        mask_mod,
        segment_ids,
        prefix,
        sinks,
        dropout_p,
        seed,
        block_table,
        key_lengths,
    )
    arguments, qs, ks = prepared.arguments, prepared.query_shape, prepared.key_shape
    few = _few(qs[2], qs[1], ks[1], place.is_gpu, schedule)
    cache_key = prepared.key._replace(
        return_lse=bool(return_lse),
        schedule=_attention_schedule(schedule, qs[2], place.is_gpu or few is not None),
        few=few,
    )
    results = place.run(cache_key, lambda: attention_text(cache_key), arguments, query)
    if fast_key is not None:
        fast.remember(fast_key, place, tensors, arguments)
    return results if return_lse else results[0]
