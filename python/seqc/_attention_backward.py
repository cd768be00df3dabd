# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of attention as a call on arrays.

A call takes the operands of the forward, its two results and their gradients.
Probabilities are computed again from the log-sum-exp, so that nothing quadratic is
saved in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _text
from ._arrays import FLOATS
from ._attention import AttentionKey, Prepared, Window, attention_operands, prepare
from ._checks import check_dtype, check_shape, schedule_key
from ._places import place_of
from ._text import Operand, Schedule, Type
from ._trace import Modifier
from ._trace_captures import Capture


class AttentionGradients(NamedTuple):
    """The gradients of the operands of attention; None for one not given or not
    wanted. `score_mod` is a dictionary: those of the arrays that it captures, by the
    names that it has for them."""

    query: Any
    key: Any
    value: Any
    bias: Any = None
    sinks: Any = None
    alibi_slopes: Any = None
    score_mod: Any = None


class AttentionBackwardKey(NamedTuple):
    """The specialisation key of attention_backward."""

    operands: AttentionKey
    lse_grad: bool
    wanted: tuple[str, ...]
    schedule: tuple[tuple[str, int], ...]
    captured: tuple[int, ...] = ()  # the numbers of captures
    unordered: bool = False


def attention_backward_text(key: AttentionBackwardKey) -> str:
    """The program for a key: one function `attention_backward`."""
    forward = key.operands
    x = attention_operands(forward)
    acc = _text.accumulator(forward.dtype)
    out = Type((None, None, None, forward.value_dim), forward.dtype)
    rows = Type((None, None, None), acc)
    more = [
        ("out", Operand("%out", out)),
        ("lse", Operand("%lse", rows)),
        ("out_grad", Operand("%out_grad", out)),
    ]
    if key.lse_grad:
        more.append(("lse_grad", Operand("%lse_grad", rows)))
    gradients = {
        name: Operand(f"{operand.name}_grad", operand.type)
        for name, operand in (
            ("query", x.query),
            ("key", x.key),
            ("value", x.value),
            ("bias", x.bias),
            ("sinks", x.sinks),
        )
        if operand is not None
    }
    # Captures are the last arguments.
    first = len(x.arguments) - len(forward.captures)
    captured = [x.arguments[first + number] for number in key.captured]
    captured_grads = [Operand(f"{c.name}_grad", c.type) for c in captured]
    body = x.body + _text.attention_op(
        [*gradients.values(), *captured_grads],
        x.query,
        x.key,
        x.value,
        backward=more,
        bias=x.bias,
        segments=x.segments,
        prefix=x.prefix,
        sinks=x.sinks,
        dropout=forward.dropout,
        seed=x.seed,
        scale=forward.scale,
        masking=forward.masking,
        regions=forward.regions,
        schedule=dict(key.schedule),
        captured=captured,
        unordered=key.unordered,
    )
    return _text.function(
        "attention_backward",
        x.arguments + [operand for _, operand in more],
        [gradients[name] for name in key.wanted] + captured_grads,
        body,
        [f"{name}_grad" for name in key.wanted]
        + [f"capture{number}_grad" for number in key.captured],
    )


# Gradients that are computed only if they are asked for by name: each takes a kernel.
_BY_NAME = ("alibi_slopes", "score_mod")


def _wanted(gradients: Sequence[str] | None, given: Sequence[str]) -> tuple[str, ...]:
    """The names of the gradients to compute, in the order of the operands."""
    if gradients is None:
        return tuple(name for name in given if name not in _BY_NAME)
    if isinstance(gradients, str):
        raise TypeError("gradients: got a string, expected names of operands")
    names = tuple(gradients)
    for name in names:
        if name not in given:
            raise ValueError(
                f"gradients: got '{name}', expected some of {', '.join(given)}"
            )
    if not names:
        raise ValueError("gradients: got none, expected at least one name")
    return tuple(name for name in given if name in names)


_INDICES = {"%b": 0, "%h": 1, "%i": 2, "%j": 3}
_NAMES = ("b", "h", "q_idx", "kv_idx")


def _read_at(score: Sequence[str], number: int) -> list[str] | None:
    """The indices at which a score region reads a capture, None if it does not; an
    error where they are not arguments of the region, or differ."""
    found: list[str] | None = None
    for line in score:
        match = re.search(rf"tensor\.extract %capture{number}\[([^\]]*)\]", line)
        if match is None:
            continue
        indices = [x.strip() for x in match[1].split(",")] if match[1] else []
        if len({x for x in indices if x in _INDICES}) != len(indices):
            raise NotImplementedError("an index is computed")
        if found is not None and indices != found:
            raise NotImplementedError("it is read at several indices")
        found = indices
    return found


def _captured(
    prepared: Prepared,
    shapes: Sequence[tuple[int, ...]],
    wanted: Callable[[Capture], bool],
    is_gpu: bool,
) -> tuple[int, ...]:
    """The numbers of the captures that get a gradient: those that are `wanted`, and
    that the score depends on."""
    score = prepared.key.regions.score or ()
    (batch, heads, queries), keys = prepared.query_shape[:3], prepared.key_shape[2]
    sizes = (batch, heads, queries, keys)
    numbers = []
    for number, capture in enumerate(prepared.captures):
        if not wanted(capture) or capture.dtype not in FLOATS:
            continue
        try:
            indices = _read_at(score, number)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"{capture.label}: has no gradient, as {error}: expected score_mod to "
                f"index it by {', '.join(_NAMES)}, each at most once, and everywhere "
                "alike; detach it, or put what it adds to the score into bias"
            ) from None
        if indices is None:
            continue  # The mask has it.
        if is_gpu and not indices:
            raise NotImplementedError(
                f"{capture.label}: has no dimension, and its gradient is not computed "
                "on GPUs; give it one for heads, and index that by h"
            )
        expected = tuple(sizes[_INDICES[x]] for x in indices)
        if shapes[number] != expected:
            by = ", ".join(_NAMES[_INDICES[x]] for x in indices) or "nothing"
            raise ValueError(
                f"{capture.label}: has shape {shapes[number]}, expected {expected} for "
                f"its gradient, as {by} index it"
            )
        numbers.append(number)
    return tuple(numbers)


def attention_backward(
    out_grad: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    lse: Any,
    *,
    lse_grad: Any = None,
    scale: float | None = None,
    causal: bool | str = False,
    window: Window = None,
    softcap: float | None = None,
    bias: Any = None,
    alibi_slopes: Any = None,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
    segment_ids: Any = None,
    prefix: Any = None,
    sinks: Any = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    gradients: Sequence[str] | None = None,
    deterministic: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> AttentionGradients:
    """The gradients of `attention` with respect to its operands.

    Scores and probabilities are computed again, tile by tile: the memory is that of
    the operands, the gradients, and one number for each row (and, for f16 and bf16,
    the sums in f32), and for a gradient of bias, alibi_slopes or a captured array on a
    GPU one more number for each row or key. Every sum has one order, and the result is
    the same from run to run, but for that of the query on a GPU: see deterministic.

    Args:
        out_grad: the gradient of out, like `out`.
        query, key, value, scale, causal, window, softcap, bias, alibi_slopes,
        score_mod, mask_mod, segment_ids, prefix, sinks, dropout_p, seed: as they were
            in the call of `attention`. `score_mod` is differentiated.
        out, lse: what that call returned under `return_lse`.
        lse_grad: the gradient of lse, like `lse`; zeros by default.
        gradients: the names of the operands whose gradients are wanted, out of
            "query", "key", "value", "bias", "sinks", "alibi_slopes" and "score_mod"
            (the arrays of floats that it captures); by default of all that are
            given but the last two. A captured array has one if `score_mod` indexes it
            by its arguments, each at most once, as in `table[h]` or `table[h, q_idx]`,
            and its sizes are theirs.
        deterministic: whether the gradient of the query must be the same to the bit
            from run to run. Otherwise a GPU may compute all three gradients in one
            kernel, which is faster, and whose blocks add to that of the query in the
            order in which they come, in f32, in a buffer of as many numbers.
        schedule: tiling of this call: {"tile_m": queries, "tile_n": keys}, and on a
            GPU "stages" and "warps", for all of its kernels.
        target: as for `attention`.

    Returns:
        A named tuple with the gradients, each with the shape and dtype of its operand;
        that of sinks is in the dtype of the sums. `score_mod` is a dictionary of
        them. A query that sees no key, and a key that no query sees, have gradients
        of 0.

    Raises:
        TypeError, ValueError, TraceError: as `attention`.
        NotImplementedError: the gradient of a captured array that `score_mod` indexes
            by something else; on GPUs, of one of shape ().
        SeqcError: the compiler failed: `score_mod` has no derivative, for one.
    """
    return gradients_of_call(
        out_grad,
        query,
        key,
        value,
        out,
        lse,
        lse_grad=lse_grad,
        scale=scale,
        causal=causal,
        window=window,
        softcap=softcap,
        bias=bias,
        alibi_slopes=alibi_slopes,
        score_mod=score_mod,
        mask_mod=mask_mod,
        segment_ids=segment_ids,
        prefix=prefix,
        sinks=sinks,
        dropout_p=dropout_p,
        seed=seed,
        gradients=gradients,
        deterministic=deterministic,
        schedule=schedule,
        target=target,
    )[0]


def gradients_of_call(
    out_grad: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    lse: Any,
    *,
    lse_grad: Any = None,
    scale: float | None = None,
    causal: bool | str = False,
    window: Window = None,
    softcap: float | None = None,
    bias: Any = None,
    alibi_slopes: Any = None,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
    segment_ids: Any = None,
    prefix: Any = None,
    sinks: Any = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    gradients: Sequence[str] | None = None,
    deterministic: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> tuple[AttentionGradients, list[tuple[Capture, Any]]]:
    """`attention_backward`, and each capture with its gradient."""
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
    )
    arguments = prepared.arguments
    operands = prepared.key
    first = len(arguments) - len(prepared.captures)
    shapes = [tuple(x.shape) for x in arguments[first:]]
    rows = prepared.query_shape[:3]
    full = (*rows, prepared.value_shape[3])
    acc = _text.accumulator(operands.dtype)
    for name, array, dtype, shape, dims in (
        ("out", out, operands.dtype, full, "batch, heads, query length, value_dim"),
        ("lse", lse, acc, rows, "batch, heads, query length"),
        ("out_grad", out_grad, operands.dtype, full, "the shape of out"),
        ("lse_grad", lse_grad, acc, rows, "the shape of lse"),
    ):
        if array is None and name == "lse_grad":
            continue
        view = place.view(name, array)
        check_dtype(name, view, (dtype,), f"the dtype of {name.removesuffix('_grad')}")
        check_shape(name, view, shape, dims)
        if place.is_gpu and name == "out_grad":
            view = place.dense(view)
        arguments.append(view)
    given = ["query", "key", "value"]
    given += [
        name
        for name, operand in (
            ("bias", bias),
            ("sinks", sinks),
            ("alibi_slopes", alibi_slopes),
            ("score_mod", score_mod),
        )
        if operand is not None
    ]
    names = _wanted(gradients, given)

    def is_wanted(capture: Capture) -> bool:
        is_slopes = alibi_slopes is not None and capture.value is alibi_slopes
        return ("alibi_slopes" if is_slopes else "score_mod") in names

    captured = _captured(prepared, shapes, is_wanted, place.is_gpu)
    wanted = tuple(name for name in names if name not in _BY_NAME)
    if not isinstance(deterministic, bool):
        raise TypeError(
            f"deterministic: expected a bool, got {type(deterministic).__name__}"
        )
    cache_key = AttentionBackwardKey(
        operands,
        lse_grad is not None,
        wanted,
        schedule_key(schedule),
        captured,
        unordered=place.is_gpu and not deterministic,
    )
    by_name: dict[str, Any] = {}
    of_captures: list[tuple[Capture, Any]] = []
    if wanted or captured:
        results = place.run(
            cache_key, lambda: attention_backward_text(cache_key), arguments, query
        )
        by_name.update(zip(wanted, results, strict=False))
        if "score_mod" in names:
            by_name["score_mod"] = {}
        for number, gradient in zip(captured, results[len(wanted) :], strict=True):
            capture = prepared.captures[number]
            of_captures.append((capture, gradient))
            if alibi_slopes is not None and capture.value is alibi_slopes:
                by_name["alibi_slopes"] = gradient
            else:
                by_name["score_mod"][capture.label] = gradient
    found = AttentionGradients(*(by_name.get(x) for x in AttentionGradients._fields))
    return found, of_captures
