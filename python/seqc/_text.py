# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MLIR text of the operators, for the eager calls and for Module alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

Shape = tuple[int | None, ...]
Schedule = Mapping[str, int] | None


class Type(NamedTuple):
    """A tensor type; None is a dynamic size."""

    shape: Shape
    dtype: str

    def __str__(self) -> str:
        sizes = ["?" if size is None else str(size) for size in self.shape]
        return f"tensor<{'x'.join([*sizes, self.dtype])}>"


class Operand(NamedTuple):
    """An SSA value and its type."""

    name: str
    type: Type | str


class Regions(NamedTuple):
    """The bodies of attention's regions; None leaves one out."""

    score: tuple[str, ...] | None = None
    score_result: str = ""
    mask: tuple[str, ...] | None = None
    mask_result: str = ""


def accumulator(dtype: str) -> str:
    return "f64" if dtype == "f64" else "f32"


def float_literal(value: float, type_: str) -> str:
    """`value : type` as MLIR writes it."""
    if type_ == "f32":
        with np.errstate(over="ignore"):
            value = float(np.float32(value))
    if not math.isfinite(value):
        kind = np.float32 if type_ == "f32" else np.float64
        bits = kind(value).view(np.uint32 if type_ == "f32" else np.uint64)
        if math.isnan(value):
            return (
                f"{'0x7FC00000' if type_ == 'f32' else '0x7FF8000000000000'} : {type_}"
            )
        return f"0x{int(bits):0{8 if type_ == 'f32' else 16}X} : {type_}"
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}{e}{exponent} : {type_}"


def f64_attr(value: float) -> str:
    return float_literal(value, "f64").partition(" ")[0]


SCHEDULE_KEYS = ("tile_m", "tile_n", "splits", "stages", "warps")


def schedule_attr(schedule: Schedule) -> str:
    """` {schedule = ...}`, or nothing."""
    if not schedule:
        return ""
    items = ", ".join(
        f"{k} = {int(schedule[k])}" for k in SCHEDULE_KEYS if k in schedule
    )
    return f" {{schedule = #seqc.schedule<{items}>}}"


class Masking(NamedTuple):
    """The structured mask: attributes of seqc.attention."""

    causal: bool = False
    left: int | None = None
    right: int | None = None
    top_left: bool = False


def attention_op(
    results: Sequence[Operand],
    query: Operand,
    key: Operand,
    value: Operand,
    *,
    backward: Sequence[tuple[str, Operand]] = (),
    bias: Operand | None = None,
    segments: tuple[Operand, Operand] | None = None,
    prefix: Operand | None = None,
    key_lengths: Operand | None = None,
    sinks: Operand | None = None,
    dropout: float = 0.0,
    seed: Operand | None = None,
    scale: float | None = None,
    masking: Masking | None = None,
    regions: Regions | None = None,
    schedule: Schedule = None,
    captured: Sequence[Operand] = (),
    unordered: bool = False,
) -> list[str]:
    """The lines of one seqc.attention, or, with the further operands `backward`, of
    one seqc.attention_backward. That has the gradients of query, key and value for
    results, those of bias and sinks by name, and those of `captured` at the end."""
    masking = masking or Masking()
    regions = regions or Regions()
    dtype = query.type.dtype if isinstance(query.type, Type) else str(query.type)
    acc = accumulator(dtype)
    operands = [query, key, value]
    text = [f"query({query.name}) key({key.name}) value({value.name})"]
    for name, operand in backward:
        operands.append(operand)
        text.append(f"{name}({operand.name})")
    if bias is not None:
        operands.append(bias)
        text.append(f"bias({bias.name})")
    if segments is not None:
        operands.extend(segments)
        text.append(f"segments({segments[0].name}, {segments[1].name})")
    if prefix is not None:
        operands.append(prefix)
        text.append(f"prefix({prefix.name})")
    if key_lengths is not None:
        operands.append(key_lengths)
        text.append(f"key_lengths({key_lengths.name})")
    if sinks is not None:
        operands.append(sinks)
        text.append(f"sinks({sinks.name})")
    if seed is not None:
        operands.append(seed)
        text.append(f"dropout({f64_attr(dropout)}, {seed.name})")
    if captured:
        operands.extend(captured)
        text.append(f"captured({', '.join(x.name for x in captured)})")
    if scale is not None:
        text.append(f"scale({f64_attr(scale)})")
    if masking.causal:
        text.append("causal")
    if masking.left is not None:
        text.append(f"window_left({masking.left})")
    if masking.right is not None:
        text.append(f"window_right({masking.right})")
    if masking.top_left:
        text.append("align(top_left)")
    op = "attention_backward" if backward else "attention"
    head = f"{', '.join(r.name for r in results)} = seqc.{op} {' '.join(text)}"
    lines = [head]
    indices = "%b: index, %h: index, %i: index, %j: index"
    if regions.score is not None:
        lines[-1] += " score {"
        lines.append(f"^bb0(%s: {acc}, {indices}):")
        lines.extend(f"  {line}" for line in regions.score)
        lines.append(f"  seqc.yield {regions.score_result} : {acc}")
        lines.append("}")
    if regions.mask is not None:
        lines[-1] += " mask {"
        lines.append(f"^bb0({indices}):")
        lines.extend(f"  {line}" for line in regions.mask)
        lines.append(f"  seqc.yield {regions.mask_result} : i1")
        lines.append("}")
    if unordered:
        lines[-1] += " unordered"
    if not backward:
        lines[-1] += f"{schedule_attr(schedule)} : {function_type(operands, results)}"
        return lines
    lines[-1] += f"{schedule_attr(schedule)} : {function_type(operands, results[:3])}"
    rest = iter(results[3:])
    for name, given in (("bias_grad", bias), ("sinks_grad", sinks)):
        if given is not None:
            lines[-1] += f" {name}({next(rest).type})"
    if captured:
        lines[-1] += f" captured_grad({', '.join(str(x.type) for x in rest)})"
    return lines


def selective_scan_op(
    results: Sequence[Operand],
    u: Operand,
    delta: Operand,
    A: Operand,
    B: Operand,
    C: Operand,
    *,
    D: Operand | None = None,
    z: Operand | None = None,
    delta_bias: Operand | None = None,
    initial_state: Operand | None = None,
    cu_seqlens: Operand | None = None,
    delta_softplus: bool = False,
    reverse: bool = False,
    schedule: Schedule = None,
) -> list[str]:
    """The lines of one seqc.selective_scan."""
    operands = [u, delta, A, B, C]
    text = [f"u({u.name}) delta({delta.name}) A({A.name}) B({B.name}) C({C.name})"]
    for name, operand in (
        ("D", D),
        ("z", z),
        ("delta_bias", delta_bias),
        ("initial_state", initial_state),
        ("cu_seqlens", cu_seqlens),
    ):
        if operand is not None:
            operands.append(operand)
            text.append(f"{name}({operand.name})")
    if delta_softplus:
        text.append("delta_softplus")
    if reverse:
        text.append("reverse")
    return [
        f"{', '.join(r.name for r in results)} = seqc.selective_scan {' '.join(text)}"
        f"{schedule_attr(schedule)} : {function_type(operands, results)}"
    ]


def causal_conv1d_op(
    results: Sequence[Operand],
    x: Operand,
    weight: Operand,
    *,
    bias: Operand | None = None,
    initial_state: Operand | None = None,
    cu_seqlens: Operand | None = None,
    activation: str | None = None,
    reverse: bool = False,
    schedule: Schedule = None,
) -> list[str]:
    """The lines of one seqc.causal_conv1d."""
    operands = [x, weight]
    text = [f"x({x.name}) weight({weight.name})"]
    if bias is not None:
        operands.append(bias)
        text.append(f"bias({bias.name})")
    if initial_state is not None:
        operands.append(initial_state)
        text.append(f"initial_state({initial_state.name})")
    if cu_seqlens is not None:
        operands.append(cu_seqlens)
        text.append(f"cu_seqlens({cu_seqlens.name})")
    if activation is not None:
        text.append(f"activation({activation})")
    if reverse:
        text.append("reverse")
    return [
        f"{', '.join(r.name for r in results)} = seqc.causal_conv1d {' '.join(text)}"
        f"{schedule_attr(schedule)} : {function_type(operands, results)}"
    ]


def backward_op(
    op: str,
    operands: Sequence[tuple[str, Operand]],
    flags: Sequence[str],
    gradients: Sequence[Operand],
    named: Sequence[tuple[str, Operand]],
    schedule: Schedule = None,
) -> list[str]:
    """The lines of a backward operator of a scan or a convolution.

    `gradients` are those that are always there, `named` the others.
    """
    text = [f"{name}({x.name})" for name, x in operands] + list(flags)
    results = [*gradients, *(x for _, x in named)]
    ins = ", ".join(str(x.type) for _, x in operands)
    outs = ", ".join(str(x.type) for x in gradients)
    more = "".join(f" {name}({x.type})" for name, x in named)
    return [
        f"{', '.join(r.name for r in results)} = seqc.{op} {' '.join(text)}"
        f"{schedule_attr(schedule)} : ({ins}) -> ({outs}){more}"
    ]


def function_type(operands: Sequence[Operand], results: Sequence[Operand]) -> str:
    ins = ", ".join(str(x.type) for x in operands)
    outs = ", ".join(str(x.type) for x in results)
    return f"({ins}) -> {outs if len(results) == 1 else f'({outs})'}"


def function(
    name: str,
    arguments: Sequence[Operand],
    results: Sequence[Operand],
    body: Sequence[str],
    result_names: Sequence[str] = (),
) -> str:
    """A public function whose arguments keep their names in the artifact."""
    ins = ", ".join(
        f'{x.name}: {x.type} {{seqc.name = "{x.name[1:]}"}}' for x in arguments
    )
    names = list(result_names) or [""] * len(results)
    outs = ", ".join(
        f'{r.type} {{seqc.name = "{n}"}}' if n else str(r.type)
        for r, n in zip(results, names, strict=False)
    )
    lines = [f"func.func @{name}({ins}) -> ({outs}) {{"]
    lines.extend(f"  {line}" for line in body)
    values = ", ".join(r.name for r in results)
    types = ", ".join(str(r.type) for r in results)
    lines.append(f"  return {values} : {types}" if results else "  return")
    lines.append("}")
    return "\n".join(lines) + "\n"


def finite(name: str, value: float) -> float:
    """`value` as a finite float; `name` is for the message."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected a number, got {type(value).__name__}"
        ) from None
    if not math.isfinite(number):
        raise ValueError(f"{name}: got {number}, expected a finite number")
    return number
