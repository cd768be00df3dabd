# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of attention as a call on arrays.

A call takes the operands of the forward, its two results and their gradients.
Probabilities are computed again from the log-sum-exp, so that nothing quadratic is
saved in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _text
from ._attention import AttentionKey, Window, attention_operands, prepare
from ._checks import check_dtype, check_shape, schedule_key
from ._places import place_of
from ._text import Operand, Schedule, Type
from ._trace import Modifier


class AttentionGradients(NamedTuple):
    """The gradients of the operands of attention; None for one not given or not
    wanted."""

    query: Any
    key: Any
    value: Any
    bias: Any = None
    sinks: Any = None


class AttentionBackwardKey(NamedTuple):
    """The specialisation key of attention_backward."""

    operands: AttentionKey
    lse_grad: bool
    wanted: tuple[str, ...]
    schedule: tuple[tuple[str, int], ...]


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
    body = x.body + _text.attention_op(
        list(gradients.values()),
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
    )
    return _text.function(
        "attention_backward",
        x.arguments + [operand for _, operand in more],
        [gradients[name] for name in key.wanted],
        body,
        [f"{name}_grad" for name in key.wanted],
    )


def _wanted(gradients: Sequence[str] | None, given: Sequence[str]) -> tuple[str, ...]:
    """The names of the gradients to compute, in the order of the operands."""
    if gradients is None:
        return tuple(given)
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
    schedule: Schedule = None,
    target: str | None = None,
) -> AttentionGradients:
    """The gradients of `attention` with respect to its operands.

    Scores and probabilities are computed again, tile by tile: the memory is that of
    the operands, the gradients, and one number for each row (and, for f16 and bf16,
    the sums in f32). Every sum has one order: the result is the same from run to run.

    Args:
        out_grad: the gradient of out, like `out`.
        query, key, value, scale, causal, window, softcap, bias, alibi_slopes,
        score_mod, mask_mod, segment_ids, prefix, sinks, dropout_p, seed: as they were
            in the call of `attention`. `score_mod` is differentiated; the arrays that
            it captures, and `alibi_slopes`, get no gradient.
        out, lse: what that call returned under `return_lse`.
        lse_grad: the gradient of lse, like `lse`; zeros by default.
        gradients: the names of the operands whose gradients are wanted, out of
            "query", "key", "value", "bias" and "sinks"; by default of all that are
            given. GPUs have none of bias yet.
        schedule: tiling of this call: {"tile_m": queries, "tile_n": keys}, and on a
            GPU "stages" and "warps", for both of its kernels.
        target: as for `attention`.

    Returns:
        A named tuple with the gradients, each with the shape and dtype of its operand;
        that of sinks is in the dtype of the sums. A query that sees no key, and a key
        that no query sees, have gradients of 0.

    Raises:
        TypeError, ValueError, TraceError: as `attention`.
        NotImplementedError: `score_mod` captures a tensor that requires grad; the
            gradient of bias on a GPU.
        SeqcError: the compiler failed: `score_mod` has no derivative, for one.
    """
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
    for capture in prepared.captures:
        if getattr(capture.value, "requires_grad", False):
            raise NotImplementedError(
                f"{capture.label}: requires grad, but the backward of attention does "
                "not compute the gradient of what score_mod and mask_mod capture, nor "
                "of alibi_slopes; detach it, or put it into bias"
            )
    arguments = prepared.arguments
    operands = prepared.key
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
    if bias is not None:
        given.append("bias")
    if sinks is not None:
        given.append("sinks")
    wanted = _wanted(gradients, given)
    if place.is_gpu and "bias" in wanted:
        raise NotImplementedError(
            "gradients: the gradient of bias is not computed on GPUs yet; ask for "
            "others"
        )
    cache_key = AttentionBackwardKey(
        operands, lse_grad is not None, wanted, schedule_key(schedule)
    )
    results = place.run(
        cache_key, lambda: attention_backward_text(cache_key), arguments, query
    )
    by_name = dict(zip(wanted, results, strict=True))
    return AttentionGradients(*(by_name.get(x) for x in AttentionGradients._fields))
