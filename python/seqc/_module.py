# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs built in Python: seqc's operators and what stands between them.

    m = seqc.Module("block")
    x = m.input("x", (None, None, 512))
    w = m.input("w", (1536, 512))
    q, k, v = (m.split_heads(part, 8) for part in m.split(m.linear(x, w), 3))
    m.output(m.merge_heads(m.attention(q, k, v, causal=True)))
    program = m.compile()

Linear layers, norms and elementwise work are upstream `linalg`, `tensor`,
`arith` and `math`; sums of f16 and bf16 are in f32.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _arrays, _program, _text
from ._attention import Window, normalize_masking
from ._checks import schedule_key
from ._scan import normalize_activation
from ._text import Operand, Schedule, Shape, Type
from ._trace import Modifier, trace_regions
from ._trace_captures import Capture, Check, view_capture

Number = int | float


class Value:
    """A tensor of a module. None in `shape` is a size that a call sets."""

    __slots__ = ("module", "name", "type")

    def __init__(self, module: Module, name: str, type_: Type) -> None:
        self.module = module
        self.name = name
        self.type = type_

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def operand(self) -> Operand:
        return Operand(self.name, self.type)

    def __repr__(self) -> str:
        return f"<seqc value {self.name} : {self.type}>"

    def __add__(self, other: Value | Number) -> Value:
        return self.module.add(self, other)

    def __radd__(self, other: Number) -> Value:
        return self.module.add(self, other)

    def __mul__(self, other: Value | Number) -> Value:
        return self.module.mul(self, other)

    def __rmul__(self, other: Number) -> Value:
        return self.module.mul(self, other)

    def __sub__(self, other: Value | Number) -> Value:
        return self.module.sub(self, other)

    def __neg__(self) -> Value:
        return self.module.mul(self, -1.0)


def _map(rank: int, dims: Sequence[int]) -> str:
    names = ", ".join(f"d{i}" for i in range(rank))
    return f"affine_map<({names}) -> ({', '.join(f'd{i}' for i in dims)})>"


class Module:
    """Builds one public function, operation by operation.

    A method takes values of this module and returns a value of it, of the dtype of
    its first operand unless it says otherwise; the operands of an operation have
    one dtype. A wrong shape or dtype is a ValueError or TypeError as the operation
    is added, or a SeqcError as the module is compiled. Sizes that only a call knows
    are checked at the call, as `seqc.Function` says.
    """

    def __init__(self, name: str = "main") -> None:
        self._check_name(name)
        self.name = name
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []
        self._output_names: list[str] = []
        self._lines: list[str] = []
        self._constants: dict[str, str] = {}
        self._count = 0

    # Building blocks of the text.

    @staticmethod
    def _check_name(name: str) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(
                f"name: got {name!r}, expected letters, digits and _ that do not start "
                "with a digit"
            )

    def _fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def _constant(self, text: str) -> str:
        """A constant, once per function."""
        name = self._constants.get(text)
        if name is None:
            name = self._constants[text] = f"%c{len(self._constants)}"
        return name

    def _value(self, name: str, value: Any, rank: int | None = None) -> Value:
        if not isinstance(value, Value):
            raise TypeError(
                f"{name}: expected a value of this module, got {type(value).__name__}"
            )
        if value.module is not self:
            raise ValueError(f"{name}: belongs to another module")
        if rank is not None and len(value.shape) != rank:
            raise ValueError(f"{name}: is {value.type}, expected {rank} dimensions")
        return value

    def _dim(self, value: Value, dim: int) -> str:
        """The size of a dimension as an index value."""
        size = value.shape[dim]
        if size is not None:
            return self._constant(f"arith.constant {size} : index")
        position = self._constant(f"arith.constant {dim} : index")
        name = self._fresh()
        self._lines.append(
            f"{name} = tensor.dim {value.name}, {position} : {value.type}"
        )
        return name

    def _empty(self, type_: Type, sizes: Sequence[tuple[Value, int]]) -> str:
        """An uninitialised tensor; `sizes` says whose size each dimension has."""
        dynamic = [
            self._dim(value, dim)
            for size, (value, dim) in zip(type_.shape, sizes, strict=False)
            if size is None
        ]
        name = self._fresh()
        self._lines.append(f"{name} = tensor.empty({', '.join(dynamic)}) : {type_}")
        return name

    def _generic(
        self,
        inputs: Sequence[Value],
        maps: Sequence[str],
        iterators: Sequence[str],
        out: str,
        type_: Type,
        body: Sequence[str],
    ) -> Value:
        """A linalg.generic whose body sees %a0, %a1, ... and %o and yields %r."""
        name = self._fresh()
        kinds = ", ".join(f'"{kind}"' for kind in iterators)
        arguments = [f"%a{i}: {x.dtype}" for i, x in enumerate(inputs)]
        arguments.append(f"%o: {type_.dtype}")
        ins = ""
        if inputs:
            ins = (
                f" ins({', '.join(x.name for x in inputs)} : "
                f"{', '.join(str(x.type) for x in inputs)})"
            )
        self._lines += [
            f"{name} = linalg.generic {{indexing_maps = [{', '.join(maps)}], "
            f"iterator_types = [{kinds}]}}{ins} outs({out} : {type_}) {{",
            f"^bb0({', '.join(arguments)}):",
            *(f"  {line}" for line in body),
            f"  linalg.yield %r : {type_.dtype}",
            f"}} -> {type_}",
        ]
        return Value(self, name, type_)

    @staticmethod
    def _convert(name: str, source: str, target: str, result: str) -> list[str]:
        """A line that converts a float, or none."""
        if source == target:
            return []
        order = ("f16", "bf16", "f32", "f64")
        if {source, target} == {"f16", "bf16"}:
            return [
                f"{result}w = arith.extf {name} : {source} to f32",
                f"{result} = arith.truncf {result}w : f32 to {target}",
            ]
        op = "extf" if order.index(source) < order.index(target) else "truncf"
        return [f"{result} = arith.{op} {name} : {source} to {target}"]

    def _elementwise(
        self, inputs: Sequence[Value], dtype: str, body: Sequence[str]
    ) -> Value:
        """`body` computes %y from %x0, %x1, ... in the accumulator type."""
        acc = _text.accumulator(dtype)
        rank = max(len(x.shape) for x in inputs)
        shape: list[int | None] = [1] * rank
        owner: list[tuple[Value, int]] = [(inputs[0], 0)] * rank
        for x in inputs:
            offset = rank - len(x.shape)
            for i, size in enumerate(x.shape):
                if size == 1:
                    continue
                if shape[offset + i] == 1:
                    shape[offset + i], owner[offset + i] = size, (x, i)
                elif shape[offset + i] is None:
                    shape[offset + i] = size
                elif size is not None and size != shape[offset + i]:
                    raise ValueError(
                        f"{x.name[1:]}: is {x.type}, expected sizes that match "
                        f"{inputs[0].type}"
                    )
        for dim, (value, position) in enumerate(owner):
            if shape[dim] == 1:
                owner[dim] = (value, position)
        type_ = Type(tuple(shape), dtype)
        maps = []
        for x in inputs:
            offset = rank - len(x.shape)
            results = [
                "0" if size == 1 and shape[offset + i] != 1 else f"d{offset + i}"
                for i, size in enumerate(x.shape)
            ]
            names = ", ".join(f"d{i}" for i in range(rank))
            maps.append(f"affine_map<({names}) -> ({', '.join(results)})>")
        maps.append(_map(rank, range(rank)))
        lines: list[str] = []
        renamed: dict[str, str] = {}
        for i, x in enumerate(inputs):
            converted = self._convert(f"%a{i}", x.dtype, acc, f"%x{i}")
            lines += converted
            if not converted:
                renamed[f"%x{i}"] = f"%a{i}"
        body = list(body)
        for old, new in renamed.items():
            body = [re.sub(rf"{old}\b", new, line) for line in body]
        lines += body
        converted = self._convert("%y", acc, dtype, "%r")
        if converted:
            lines += converted
        else:
            lines = [re.sub(r"%y\b", "%r", line) for line in lines]
        out = self._empty(type_, owner)
        return self._generic(inputs, maps, ["parallel"] * rank, out, type_, lines)

    # Inputs and outputs.

    def input(
        self, name: str, shape: Sequence[int | None], dtype: str = "f32"
    ) -> Value:
        """An argument of the function; None is a size that a call sets."""
        self._check_name(name)
        if any(x.name == f"%{name}" for x in self._inputs) or re.fullmatch(
            r"[vc]\d+", name
        ):
            raise ValueError(f"name: {name!r} is taken")
        if dtype not in (*_arrays.FLOATS, "i32", "i64"):
            raise ValueError(
                f"dtype: got {dtype!r}, expected one of {', '.join(_arrays.FLOATS)}, "
                f"i32, i64"
            )
        for size in shape:
            if size is not None and (
                isinstance(size, bool) or int(size) != size or size < 0
            ):
                raise ValueError(
                    f"shape: got {size!r}, expected an integer >= 0 or None"
                )
        value = Value(self, f"%{name}", Type(tuple(shape), dtype))
        self._inputs.append(value)
        return value

    def output(self, *values: Value, names: Sequence[str] = ()) -> None:
        """Makes values results of the function, after those before."""
        for i, value in enumerate(values):
            self._value(f"output {i}", value)
        if names and len(names) != len(values):
            raise ValueError(f"names: got {len(names)}, expected {len(values)}")
        for name in names:
            self._check_name(name)
        self._outputs.extend(values)
        self._output_names.extend(names or [""] * len(values))

    @property
    def mlir(self) -> str:
        """The module as MLIR text."""
        if not self._outputs:
            raise ValueError("the module has no output: call output(value)")
        body = [f"{name} = {text}" for text, name in self._constants.items()]
        body += self._lines
        return _text.function(
            self.name,
            [x.operand for x in self._inputs],
            [x.operand for x in self._outputs],
            body,
            self._output_names if any(self._output_names) else (),
        )

    def __repr__(self) -> str:
        counts = f"{len(self._inputs)} inputs, {len(self._outputs)} outputs"
        return f"<seqc module {self.name}: {counts}>"

    def compile(self, target: str = "cpu", **options: Any) -> _program.Program:
        """`seqc.compile` of this module."""
        return _program.compile(self, target, **options)

    def explain(self, **options: Any) -> Any:
        """`seqc.explain` of this module."""
        return _program.explain(self, **options)

    def save(
        self, path: str | os.PathLike[str], target: str = "cpu", **options: Any
    ) -> None:
        """Writes MLIR text to a `.mlir` file, else the compiled artifact."""
        if Path(path).suffix == ".mlir":
            _program.write_file(path, self.mlir.encode())
        else:
            self.compile(target, **options).save(path)

    # seqc's operators.

    def attention(
        self,
        query: Value,
        key: Value,
        value: Value,
        *,
        scale: float | None = None,
        causal: bool | str = False,
        window: Window = None,
        softcap: float | None = None,
        bias: Value | None = None,
        alibi_slopes: Any = None,
        score_mod: Modifier = None,
        mask_mod: Modifier = None,
        segment_ids: Value | tuple[Value, Value] | None = None,
        return_lse: bool = False,
        prefix: Value | None = None,
        sinks: Value | None = None,
        schedule: Schedule = None,
    ) -> Any:
        """`seqc.attention`. Operands are values of this module; `alibi_slopes`
        and arrays that `score_mod` and `mask_mod` capture become constants."""
        q = self._value("query", query, 4)
        k, v = self._value("key", key, 4), self._value("value", value, 4)
        for name, x in (("query", q), ("value", v)):
            if x.shape[3] is None:
                raise ValueError(f"{name}: is {x.type}, expected a static head_dim")
        acc = _text.accumulator(q.dtype)
        masking = normalize_masking(causal, window)
        traced, _ = trace_regions(
            acc,
            softcap=None if softcap is None else _text.finite("softcap", softcap),
            alibi_slopes=alibi_slopes,
            top_left=masking.top_left,
            only_past=masking.causal and prefix is None,
            score_mod=score_mod,
            mask_mod=mask_mod,
        )
        for check in traced.checks:
            # Sizes of index variables are dynamic here: bring them into bounds.
            if not isinstance(check.bound, int):
                self._check_constant_capture(
                    traced.captures[check.capture], check, q, k
                )
        renamed: dict[str, str] = {}
        for i, capture in enumerate(traced.captures):
            renamed[f"%capture{i}"] = self._captured(capture)
        if traced.offset:
            name = self._fresh()
            self._lines.append(
                f"{name} = arith.subi {self._dim(k, 2)}, {self._dim(q, 2)} : index"
            )
            renamed["%offset"] = name
        regions = _text.Regions(
            _rename(traced.regions.score, renamed),
            renamed.get(traced.regions.score_result, traced.regions.score_result),
            _rename(traced.regions.mask, renamed),
            traced.regions.mask_result,
        )
        segments = None
        if segment_ids is not None:
            pair = segment_ids if isinstance(segment_ids, tuple) else (segment_ids,) * 2
            segments = (
                self._value("segment_ids", pair[0], 2).operand,
                self._value("segment_ids", pair[1], 2).operand,
            )
        out = Value(self, self._fresh(), Type((*q.shape[:3], v.shape[3]), q.dtype))
        results = [out]
        if return_lse:
            results.append(Value(self, self._fresh(), Type(q.shape[:3], acc)))
        self._lines += _text.attention_op(
            [r.operand for r in results],
            q.operand,
            k.operand,
            v.operand,
            bias=None if bias is None else self._value("bias", bias, 4).operand,
            segments=segments,
            prefix=None if prefix is None else self._value("prefix", prefix, 1).operand,
            sinks=None if sinks is None else self._value("sinks", sinks, 1).operand,
            scale=None if scale is None else _text.finite("scale", scale),
            masking=masking,
            regions=regions,
            schedule=dict(schedule_key(schedule)),
        )
        return tuple(results) if return_lse else out

    @staticmethod
    def _check_constant_capture(
        capture: Capture, check: Check, query: Value, key: Value
    ) -> None:
        sizes = {
            "b": query.shape[0],
            "h": query.shape[1],
            "q_idx": query.shape[2],
            "kv_idx": key.shape[2],
        }
        bound = sizes[str(check.bound)]
        size = tuple(capture.value.shape)[check.dim]
        if bound is None:
            raise ValueError(
                f"{capture.label}: is indexed by {check.bound}, whose size is dynamic "
                "here: give the input that size, or index by a computed value such as "
                f"seqc.minimum({check.bound}, {size - 1})"
            )
        if size < bound:
            raise ValueError(
                f"{capture.label}: has size {size} in dimension {check.dim}, which "
                f"{check.bound} indexes up to {bound - 1}"
            )

    def _captured(self, capture: Capture) -> str:
        """A captured array as a constant of dynamic sizes."""
        view = view_capture(capture.label, capture.value)
        data = view.numpy()
        static = Type(tuple(data.shape), capture.dtype)
        raw = data.astype(data.dtype, order="C").tobytes().hex().upper()
        if data.size == 0:
            dense = "dense<>"
        else:
            dense = f'dense<"0x{raw}">'
        name = self._fresh()
        self._lines.append(f"{name} = arith.constant {dense} : {static}")
        if not capture.rank:
            return name
        cast = self._fresh()
        dynamic = Type((None,) * capture.rank, capture.dtype)
        self._lines.append(f"{cast} = tensor.cast {name} : {static} to {dynamic}")
        return cast

    def selective_scan(
        self,
        u: Value,
        delta: Value,
        A: Value,
        B: Value,
        C: Value,
        D: Value | None = None,
        z: Value | None = None,
        delta_bias: Value | None = None,
        delta_softplus: bool = False,
        initial_state: Value | None = None,
        return_final_state: bool = False,
        *,
        schedule: Schedule = None,
    ) -> Any:
        """`seqc.selective_scan` of values of this module."""
        x, a = self._value("u", u, 3), self._value("A", A, 2)
        if a.shape[1] is None:
            raise ValueError(f"A: is {a.type}, expected a static number of states")
        acc = _text.accumulator(x.dtype)
        results = [Value(self, self._fresh(), x.type)]
        if return_final_state:
            state = Type((x.shape[0], x.shape[1], a.shape[1]), acc)
            results.append(Value(self, self._fresh(), state))

        def optional(name: str, value: Value | None) -> Operand | None:
            return None if value is None else self._value(name, value).operand

        self._lines += _text.selective_scan_op(
            [r.operand for r in results],
            x.operand,
            self._value("delta", delta, 3).operand,
            a.operand,
            self._value("B", B).operand,
            self._value("C", C).operand,
            D=optional("D", D),
            z=optional("z", z),
            delta_bias=optional("delta_bias", delta_bias),
            initial_state=optional("initial_state", initial_state),
            delta_softplus=delta_softplus,
            schedule=dict(schedule_key(schedule)),
        )
        return tuple(results) if return_final_state else results[0]

    def causal_conv1d(
        self,
        x: Value,
        weight: Value,
        bias: Value | None = None,
        activation: str | None = None,
        initial_state: Value | None = None,
        return_final_state: bool = False,
        *,
        schedule: Schedule = None,
    ) -> Any:
        """`seqc.causal_conv1d` of values of this module."""
        x, w = self._value("x", x, 3), self._value("weight", weight, 2)
        width = w.shape[1]
        if width is None:
            raise ValueError(f"weight: is {w.type}, expected a static width")
        results = [Value(self, self._fresh(), x.type)]
        if return_final_state:
            state = Type((x.shape[0], x.shape[1], width - 1), x.dtype)
            results.append(Value(self, self._fresh(), state))
        state_in = initial_state
        self._lines += _text.causal_conv1d_op(
            [r.operand for r in results],
            x.operand,
            w.operand,
            bias=None if bias is None else self._value("bias", bias, 1).operand,
            initial_state=(
                None
                if state_in is None
                else self._value("initial_state", state_in, 3).operand
            ),
            activation=normalize_activation(activation),
            schedule=dict(schedule_key(schedule)),
        )
        return tuple(results) if return_final_state else results[0]

    # Layers.

    def linear(self, x: Value, weight: Value, bias: Value | None = None) -> Value:
        """x weight^T (+ bias): x (..., in), weight (out, in), bias (out)."""
        x, w = self._value("x", x), self._value("weight", weight, 2)
        if not x.shape:
            raise ValueError(f"x: is {x.type}, expected at least 1 dimension")
        self._match("weight", w, 1, x, len(x.shape) - 1)
        if x.dtype != w.dtype:
            raise TypeError(f"weight: has dtype {w.dtype}, expected {x.dtype} as in x")
        acc = _text.accumulator(x.dtype)
        lead = len(x.shape) - 1
        wide = Type((*x.shape[:-1], w.shape[0]), acc)
        empty = self._empty(wide, [*((x, i) for i in range(lead)), (w, 0)])
        zero = self._constant(f"arith.constant 0.0 : {acc}")
        filled = self._fresh()
        self._lines.append(
            f"{filled} = linalg.fill ins({zero} : {acc}) outs({empty} : {wide}) -> "
            f"{wide}"
        )
        rank = lead + 2
        body: list[str] = []
        names = ["%a0", "%a1"]
        for i in range(2):
            converted = self._convert(f"%a{i}", x.dtype, acc, f"%x{i}")
            if converted:
                body += converted
                names[i] = f"%x{i}"
        body += [
            f"%p = arith.mulf {names[0]}, {names[1]} : {acc}",
            f"%r = arith.addf %o, %p : {acc}",
        ]
        maps = [
            _map(rank, [*range(lead), lead + 1]),
            _map(rank, [lead, lead + 1]),
            _map(rank, range(lead + 1)),
        ]
        iterators = ["parallel"] * (lead + 1) + ["reduction"]
        out = self._generic([x, w], maps, iterators, filled, wide, body)
        if bias is not None:
            out = self._elementwise(
                [out, self._value("bias", bias, 1)],
                x.dtype,
                [f"%y = arith.addf %x0, %x1 : {acc}"],
            )
        return self.cast(out, x.dtype)

    def rms_norm(
        self, x: Value, weight: Value | None = None, eps: float = 1e-5
    ) -> Value:
        """x / sqrt(mean(x^2) + eps) over the last dimension, times weight."""
        x = self._value("x", x)
        rank = len(x.shape)
        if rank < 1:
            raise ValueError(f"x: is {x.type}, expected at least 1 dimension")
        acc = _text.accumulator(x.dtype)
        sums = Type(x.shape[:-1], acc)
        empty = self._empty(sums, [(x, i) for i in range(rank - 1)])
        zero = self._constant(f"arith.constant 0.0 : {acc}")
        filled = self._fresh()
        self._lines.append(
            f"{filled} = linalg.fill ins({zero} : {acc}) outs({empty} : {sums}) -> "
            f"{sums}"
        )
        converted = self._convert("%a0", x.dtype, acc, "%x0")
        name = "%x0" if converted else "%a0"
        body = [
            *converted,
            f"%p = arith.mulf {name}, {name} : {acc}",
            f"%r = arith.addf %o, %p : {acc}",
        ]
        total = self._generic(
            [x],
            [_map(rank, range(rank)), _map(rank, range(rank - 1))],
            ["parallel"] * (rank - 1) + ["reduction"],
            filled,
            sums,
            body,
        )
        integer, size = self._fresh(), self._fresh()
        self._lines += [
            f"{integer} = arith.index_cast {self._dim(x, rank - 1)} : index to i64",
            f"{size} = arith.sitofp {integer} : i64 to {acc}",
        ]
        epsilon = self._constant(
            f"arith.constant {_text.float_literal(_text.finite('eps', eps), acc)}"
        )
        inputs = [x, total]
        body = [
            *converted,
            f"%mean = arith.divf %a1, {size} : {acc}",
            f"%shifted = arith.addf %mean, {epsilon} : {acc}",
            f"%factor = math.rsqrt %shifted : {acc}",
            f"%y = arith.mulf {name}, %factor : {acc}",
        ]
        maps = [_map(rank, range(rank)), _map(rank, range(rank - 1))]
        result = "%y"
        if weight is not None:
            w = self._value("weight", weight, 1)
            self._match("weight", w, 0, x, rank - 1)
            inputs.append(w)
            maps.append(_map(rank, [rank - 1]))
            extra = self._convert("%a2", w.dtype, acc, "%x2")
            scaled = "%x2" if extra else "%a2"
            body += [*extra, f"%z = arith.mulf %y, {scaled} : {acc}"]
            result = "%z"
        converted = self._convert(result, acc, x.dtype, "%r")
        if converted:
            body += converted
        else:
            body = [re.sub(rf"{result}\b", "%r", line) for line in body]
        maps.append(_map(rank, range(rank)))
        out = self._empty(x.type, [(x, i) for i in range(rank)])
        return self._generic(inputs, maps, ["parallel"] * rank, out, x.type, body)

    def _match(self, name: str, value: Value, dim: int, other: Value, at: int) -> None:
        a, b = value.shape[dim], other.shape[at]
        if a is not None and b is not None and a != b:
            raise ValueError(
                f"{name}: is {value.type}, expected size {b} in dimension {dim} as in "
                f"{other.type}"
            )

    def _binary(self, op: str, a: Value, b: Value | Number) -> Value:
        a = self._value("a", a)
        acc = _text.accumulator(a.dtype)
        if isinstance(b, (int, float)) and not isinstance(b, bool):
            literal = _text.float_literal(float(b), acc)
            constant = self._constant(f"arith.constant {literal}")
            return self._elementwise(
                [a], a.dtype, [f"%y = arith.{op} %x0, {constant} : {acc}"]
            )
        b = self._value("b", b)
        if a.dtype != b.dtype:
            raise TypeError(f"b: has dtype {b.dtype}, expected {a.dtype} as in a")
        return self._elementwise([a, b], a.dtype, [f"%y = arith.{op} %x0, %x1 : {acc}"])

    def add(self, a: Value, b: Value | Number) -> Value:
        """a + b, where b may be a number and sizes of 1 are repeated."""
        return self._binary("addf", a, b)

    def sub(self, a: Value, b: Value | Number) -> Value:
        """a - b."""
        return self._binary("subf", a, b)

    def mul(self, a: Value, b: Value | Number) -> Value:
        """a * b."""
        return self._binary("mulf", a, b)

    def exp(self, x: Value) -> Value:
        """e to the power of x."""
        acc = _text.accumulator(self._value("x", x).dtype)
        return self._elementwise([x], x.dtype, [f"%y = math.exp %x0 : {acc}"])

    def silu(self, x: Value) -> Value:
        """x / (1 + exp(-x))."""
        acc = _text.accumulator(self._value("x", x).dtype)
        one = self._constant(f"arith.constant 1.0 : {acc}")
        body = [
            f"%n = arith.negf %x0 : {acc}",
            f"%e = math.exp %n : {acc}",
            f"%d = arith.addf %e, {one} : {acc}",
            f"%y = arith.divf %x0, %d : {acc}",
        ]
        return self._elementwise([x], x.dtype, body)

    def cast(self, x: Value, dtype: str) -> Value:
        """x in another float dtype."""
        x = self._value("x", x)
        if dtype not in _arrays.FLOATS:
            raise ValueError(
                f"dtype: got {dtype!r}, expected one of {', '.join(_arrays.FLOATS)}"
            )
        if x.dtype == dtype:
            return x
        rank = len(x.shape)
        type_ = Type(x.shape, dtype)
        body = self._convert("%a0", x.dtype, dtype, "%r")
        out = self._empty(type_, [(x, i) for i in range(rank)])
        maps = [_map(rank, range(rank))] * 2
        return self._generic([x], maps, ["parallel"] * rank, out, type_, body)

    # Shapes.

    def transpose(self, x: Value, *order: int) -> Value:
        """The dimensions of x in another order."""
        x = self._value("x", x)
        if sorted(order) != list(range(len(x.shape))):
            raise ValueError(
                f"order: got {order}, expected a permutation of 0 to {len(x.shape) - 1}"
            )
        type_ = Type(tuple(x.shape[i] for i in order), x.dtype)
        out = self._empty(type_, [(x, i) for i in order])
        name = self._fresh()
        self._lines.append(
            f"{name} = linalg.transpose ins({x.name} : {x.type}) outs({out} : {type_}) "
            f"permutation = [{', '.join(map(str, order))}]"
        )
        return Value(self, name, type_)

    def split_heads(self, x: Value, heads: int) -> Value:
        """(batch, seq, heads * head_dim) to (batch, heads, seq, head_dim)."""
        x = self._value("x", x, 3)
        width = x.shape[2]
        if width is None or heads < 1 or width % heads:
            raise ValueError(
                f"x: is {x.type}, expected a static width that {heads} divides"
            )
        type_ = Type((x.shape[0], x.shape[1], heads, width // heads), x.dtype)
        sizes = [
            str(x.shape[i]) if x.shape[i] is not None else self._dim(x, i)
            for i in (0, 1)
        ]
        name = self._fresh()
        self._lines.append(
            f"{name} = tensor.expand_shape {x.name} [[0], [1], [2, 3]] output_shape "
            f"[{', '.join([*sizes, str(heads), str(width // heads)])}] : {x.type} into "
            f"{type_}"
        )
        return self.transpose(Value(self, name, type_), 0, 2, 1, 3)

    def merge_heads(self, x: Value) -> Value:
        """(batch, heads, seq, head_dim) to (batch, seq, heads * head_dim)."""
        y = self.transpose(self._value("x", x, 4), 0, 2, 1, 3)
        heads, width = y.shape[2], y.shape[3]
        merged = None if heads is None or width is None else heads * width
        type_ = Type((y.shape[0], y.shape[1], merged), y.dtype)
        name = self._fresh()
        self._lines.append(
            f"{name} = tensor.collapse_shape {y.name} [[0], [1], [2, 3]] : {y.type} "
            f"into {type_}"
        )
        return Value(self, name, type_)

    def slice(self, x: Value, dim: int, start: int, stop: int) -> Value:
        """x[start:stop] along a dimension of static size."""
        x = self._value("x", x)
        rank = len(x.shape)
        if not -rank <= dim < rank:
            raise ValueError(f"dim: got {dim}, expected {-rank} to {rank - 1}")
        dim %= rank
        size = x.shape[dim]
        if size is None or not 0 <= start <= stop <= size:
            raise ValueError(
                f"x: is {x.type}, expected a static dimension {dim} that holds "
                f"[{start}, {stop})"
            )
        type_ = Type((*x.shape[:dim], stop - start, *x.shape[dim + 1 :]), x.dtype)
        sizes = [
            str(s) if s is not None else self._dim(x, i)
            for i, s in enumerate(type_.shape)
        ]
        offsets = ["0"] * rank
        offsets[dim] = str(start)
        name = self._fresh()
        self._lines.append(
            f"{name} = tensor.extract_slice {x.name}[{', '.join(offsets)}] "
            f"[{', '.join(sizes)}] [{', '.join(['1'] * rank)}] : {x.type} to {type_}"
        )
        return Value(self, name, type_)

    def split(
        self, x: Value, parts: int | Sequence[int], dim: int = -1
    ) -> tuple[Value, ...]:
        """x cut along a dimension: into equal parts, or parts of given sizes."""
        x = self._value("x", x)
        rank = len(x.shape)
        if not -rank <= dim < rank:
            raise ValueError(f"dim: got {dim}, expected {-rank} to {rank - 1}")
        size = x.shape[dim]
        if size is None:
            raise ValueError(
                f"x: is {x.type}, expected a static dimension {dim % rank}"
            )
        if isinstance(parts, int):
            if parts < 1 or size % parts:
                raise ValueError(
                    f"parts: got {parts}, expected a number that divides {size}"
                )
            parts = [size // parts] * parts
        if sum(parts) != size:
            raise ValueError(f"parts: sum to {sum(parts)}, expected {size}")
        starts = [sum(parts[:i]) for i in range(len(parts))]
        return tuple(
            self.slice(x, dim, s, s + p) for s, p in zip(starts, parts, strict=False)
        )


def _rename(
    lines: Sequence[str] | None, names: dict[str, str]
) -> tuple[str, ...] | None:
    if lines is None:
        return None
    if not names:
        return tuple(lines)
    pattern = re.compile("|".join(rf"{re.escape(old)}\b" for old in names))
    return tuple(pattern.sub(lambda m: names[m.group()], line) for line in lines)
