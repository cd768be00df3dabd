# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tracing of `score_mod` and `mask_mod` to regions.

The function runs once on tracers, which stand for the score, the indices and
what is computed from them. Each operation on a tracer appends one line of MLIR.
There are three kinds of value: `float` (the accumulator type), `int` (`index`,
so that the compiler's affine analysis sees through it) and `bool` (`i1`).

Arrays that the function captures, in its closure, its globals, its defaults or
the object it is a method of, are replaced by proxies before it runs. Indexing a
proxy by tracers emits a load from an extra function argument, so the array's
values are not part of the program and neither is its size.

A load is always in bounds. Indexing by `b`, `h`, `q_idx` or `kv_idx` itself is
checked at the call against the array's size. A computed index is brought into
bounds by the program: a negative one counts from the end, then it is clamped.
The compiler evaluates regions at valid indices only.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _arrays
from ._errors import TraceError

FLOAT, INT, BOOL = "float", "int", "bool"

_BIG = float(2**62)


class Capture(NamedTuple):
    """An array that becomes an argument of the function."""

    value: Any
    label: str
    dtype: str
    rank: int


class Check(NamedTuple):
    """What a call asks of the size of a captured array.

    `bound` is the name of an index variable that goes up to its own size, or
    the least size.
    """

    capture: int
    dim: int
    bound: str | int


class Captures:
    """The captured arrays of one attention call, shared by its regions."""

    def __init__(self) -> None:
        self.items: list[Capture] = []
        self.checks: list[Check] = []
        self._seen: dict[int, int] = {}

    def add(self, value: Any, label: str) -> int:
        key = id(value)
        if key not in self._seen:
            array = view_capture(label, value)
            self._seen[key] = len(self.items)
            self.items.append(Capture(value, label, array.dtype, len(array.shape)))
        return self._seen[key]

    def require(self, capture: int, dim: int, bound: str | int) -> None:
        check = Check(capture, dim, bound)
        if check not in self.checks:
            self.checks.append(check)


def view_capture(label: str, value: Any) -> _arrays.Array:
    """A captured array as a type that programs take: bool as bytes, small and
    unsigned integers widened."""
    try:
        array = _arrays.view(label, value)
    except TypeError:
        host = _arrays.to_host(value)
        if host.dtype.kind not in "iu" or host.dtype.itemsize == 8:
            raise
        widened = np.int64 if host.dtype.itemsize == 4 else np.int32
        array = _arrays.view(label, host.astype(widened))
    return array.as_i8() if array.dtype == "i1" else array


class Builder:
    """Appends operations to one region."""

    def __init__(self, role: str, acc: str, captures: Captures) -> None:
        self.role = role
        self.acc = acc
        self.captures = captures
        self.lines: list[str] = []
        self._cse: dict[str, str] = {}

    # Emission.

    def fail(self, message: str) -> TraceError:
        return TraceError(f"{self.role}: {message}")

    def type_of(self, kind: str) -> str:
        return {FLOAT: self.acc, INT: "index", BOOL: "i1"}[kind]

    def emit(
        self, text: str, kind: str, *, nonneg: bool = False, constant: Any = None
    ) -> Tracer:
        name = self._raw(text)
        return Tracer(self, name, kind, nonneg=nonneg, constant=constant)

    def _raw(self, text: str) -> str:
        name = self._cse.get(text)
        if name is None:
            prefix = "m" if self.role.startswith("mask") else "s"
            name = f"%{prefix}{len(self._cse)}"
            self._cse[text] = name
            self.lines.append(f"{name} = {text}")
        return name

    def constant(self, value: bool | int | float, kind: str) -> Tracer:
        if kind == BOOL:
            text = f"arith.constant {'true' if value else 'false'}"
            return self.emit(text, BOOL, constant=bool(value))
        if kind == INT:
            integer = int(value)
            if not -(2**63) <= integer < 2**63:
                raise self.fail(f"the integer {integer} does not fit 64 bits")
            text = f"arith.constant {integer} : index"
            return self.emit(text, INT, nonneg=integer >= 0, constant=integer)
        text = f"arith.constant {float_literal(float(value), self.acc)}"
        return self.emit(text, FLOAT, constant=float(value))

    # Conversion.

    def lift(self, value: Any, op: str) -> Tracer:
        """An operand as a tracer of this region."""
        if isinstance(value, Tracer):
            if value.builder is not self:
                raise self.fail(f"`{op}` on a value of another trace")
            return value
        if isinstance(value, ArrayProxy):
            return value.scalar(op)
        if isinstance(value, (bool, np.bool_)):
            return self.constant(bool(value), BOOL)
        if isinstance(value, (int, np.integer)):
            return self.constant(int(value), INT)
        if isinstance(value, (float, np.floating)):
            return self.constant(float(value), FLOAT)
        if _arrays.is_array(value) and math.prod(getattr(value, "shape", (2,))) == 1:
            return self.lift(value.item(), op)
        if _arrays.is_array(value):
            raise self.fail(
                f"`{op}` on a whole array of shape {tuple(value.shape)}: index it by "
                "b, h, q_idx or kv_idx first"
            )
        raise self.fail(
            f"`{op}` on {type(value).__name__}: expected a number, a traced value or "
            f"an "
            "element of a captured array"
        )

    def cast(self, x: Tracer, kind: str) -> Tracer:
        if x.kind == kind:
            return x
        if x.constant is not None:
            convert: dict[str, Callable[[Any], Any]]
            convert = {FLOAT: float, INT: int, BOOL: bool}
            return self.constant(convert[kind](x.constant), kind)
        if kind == BOOL:
            return self.compare("ne", x, self.constant(0, x.kind))
        if x.kind == BOOL and kind == INT:
            return self.emit(
                f"arith.index_castui {x.name} : i1 to index", INT, nonneg=True
            )
        if x.kind == BOOL:
            return self.emit(f"arith.uitofp {x.name} : i1 to {self.acc}", FLOAT)
        if kind == FLOAT:
            wide = self._raw(f"arith.index_cast {x.name} : index to i64")
            return self.emit(f"arith.sitofp {wide} : i64 to {self.acc}", FLOAT)
        # float to int, towards zero; NaN becomes 0 and large values saturate.
        zero = self.constant(0.0, FLOAT)
        x = self.select(self.compare("eq", x, x), x, zero)
        x = self.float_binary("arith.minimumf", x, self.constant(_BIG, FLOAT))
        x = self.float_binary("arith.maximumf", x, self.constant(-_BIG, FLOAT))
        wide = self._raw(f"arith.fptosi {x.name} : {self.acc} to i64")
        return self.emit(f"arith.index_cast {wide} : i64 to index", INT)

    def promote(
        self, a: Tracer, b: Tracer, *, least: str = BOOL
    ) -> tuple[Tracer, Tracer]:
        order = (BOOL, INT, FLOAT)
        kind = max(a.kind, b.kind, least, key=order.index)
        return self.cast(a, kind), self.cast(b, kind)

    def load(self, capture: int, indices: Sequence[Tracer]) -> Tracer:
        item = self.captures.items[capture]
        shape = "x".join(["?"] * item.rank + [item.dtype])
        argument = f"%capture{capture}"
        names = []
        for dim, index in enumerate(indices):
            if index.variable is not None:
                self.captures.require(capture, dim, index.variable)
            elif index.constant is not None:
                self.captures.require(capture, dim, index.constant + 1)
            else:
                self.captures.require(capture, dim, 1)
                index = self.bound(index, argument, dim, f"tensor<{shape}>")
            names.append(index.name)
        raw = self._raw(
            f"tensor.extract {argument}[{', '.join(names)}] : tensor<{shape}>"
        )
        if item.dtype == self.acc:
            return Tracer(self, raw, FLOAT)
        if item.dtype in _arrays.FLOATS:
            op = "arith.truncf" if item.dtype == "f64" else "arith.extf"
            return self.emit(f"{op} {raw} : {item.dtype} to {self.acc}", FLOAT)
        if item.dtype == "i8" and is_bool_array(item.value):
            zero = self._raw("arith.constant 0 : i8")
            return self.emit(f"arith.cmpi ne, {raw}, {zero} : i8", BOOL)
        return self.emit(f"arith.index_cast {raw} : {item.dtype} to index", INT)

    def bound(self, index: Tracer, argument: str, dim: int, type_: str) -> Tracer:
        """`index` brought into [0, size)."""
        position = self.constant(dim, INT)
        size = self.emit(
            f"tensor.dim {argument}, {position.name} : {type_}", INT, nonneg=True
        )
        if not index.nonneg:
            wrapped = self.add(index, size)
            negative = self.compare("lt", index, self.constant(0, INT))
            index = self.select(negative, wrapped, index)
            index = self.maximum(index, self.constant(0, INT))
        return self.minimum(index, self.sub(size, self.constant(1, INT)))

    # Operations. Operands are tracers; the callers lift.

    def float_binary(self, op: str, a: Tracer, b: Tracer) -> Tracer:
        return self.emit(f"{op} {a.name}, {b.name} : {self.acc}", FLOAT)

    def float_unary(self, op: str, a: Tracer) -> Tracer:
        a = self.cast(a, FLOAT)
        return self.emit(f"{op} {a.name} : {self.acc}", FLOAT)

    def int_binary(
        self, op: str, a: Tracer, b: Tracer, *, nonneg: bool = False
    ) -> Tracer:
        return self.emit(f"{op} {a.name}, {b.name} : index", INT, nonneg=nonneg)

    def _arith(self, name: str, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.constant is not None and b.constant is not None:
            folded = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
            return self.constant(folded[name](a.constant, b.constant), a.kind)
        if a.kind == FLOAT:
            return self.float_binary(f"arith.{name}f", a, b)
        nonneg = name != "sub" and a.nonneg and b.nonneg
        return self.int_binary(f"arith.{name}i", a, b, nonneg=nonneg)

    def add(self, a: Tracer, b: Tracer) -> Tracer:
        return self._arith("add", a, b)

    def sub(self, a: Tracer, b: Tracer) -> Tracer:
        return self._arith("sub", a, b)

    def mul(self, a: Tracer, b: Tracer) -> Tracer:
        return self._arith("mul", a, b)

    def div(self, a: Tracer, b: Tracer) -> Tracer:
        return self.float_binary("arith.divf", self.cast(a, FLOAT), self.cast(b, FLOAT))

    def _divisor(self, b: Tracer) -> tuple[Tracer, Tracer | None]:
        """A divisor that cannot trap, and whether the real one is -1."""
        if b.constant is not None:
            if b.constant == 0:
                raise self.fail("integer division or modulo by zero")
            if b.constant != -1:
                return b, None
        one = self.constant(1, INT)
        is_zero = self.compare("eq", b, self.constant(0, INT))
        is_minus_one = self.compare("eq", b, self.constant(-1, INT))
        unsafe = self.logical("arith.ori", is_zero, is_minus_one)
        return self.select(unsafe, one, b), is_minus_one

    def floordiv(self, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.kind == FLOAT:
            return self.float_unary("math.floor", self.div(a, b))
        nonneg = a.nonneg and b.nonneg
        safe, minus_one = self._divisor(b)
        result = self.int_binary("arith.floordivsi", a, safe, nonneg=nonneg)
        if minus_one is not None:
            result = self.select(minus_one, self.neg(a), result)
            result = Tracer(self, result.name, INT, nonneg=nonneg)
        return result

    def mod(self, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.kind == FLOAT:
            return self.sub(a, self.mul(self.floordiv(a, b), b))
        safe, _ = self._divisor(b)
        nonneg = b.nonneg
        rest = self.int_binary("arith.remsi", a, safe, nonneg=a.nonneg)
        if a.nonneg and b.nonneg:
            return rest
        # remsi has the sign of the dividend; Python's has that of the divisor.
        zero = self.constant(0, INT)
        differs = self.logical(
            "arith.xori", self.compare("lt", rest, zero), self.compare("lt", safe, zero)
        )
        fix = self.logical("arith.andi", self.compare("ne", rest, zero), differs)
        fixed = self.select(fix, self.add(rest, safe), rest)
        return Tracer(self, fixed.name, INT, nonneg=nonneg)

    def fmod(self, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.kind == FLOAT:
            return self.float_binary("arith.remf", a, b)
        safe, _ = self._divisor(b)
        return self.int_binary("arith.remsi", a, safe, nonneg=a.nonneg)

    def pow(self, a: Tracer, b: Tracer) -> Tracer:
        exponent = b.constant
        whole = exponent is not None and float(exponent).is_integer()
        if whole and 0 <= exponent <= 64 and a.kind != BOOL:
            result = self.constant(1, a.kind)
            if b.kind == FLOAT:
                result, a = self.cast(result, FLOAT), self.cast(a, FLOAT)
            square, rest = a, int(exponent)
            first = True
            while rest:
                if rest & 1:
                    result = square if first else self.mul(result, square)
                    first = False
                rest >>= 1
                if rest:
                    square = self.mul(square, square)
            return result
        if a.kind != FLOAT and b.kind != FLOAT:
            raise self.fail(
                "`**` of integers needs a constant exponent from 0 to 64: make one "
                "operand a float"
            )
        a, b = self.cast(a, FLOAT), self.cast(b, FLOAT)
        if exponent == 0.5:
            return self.float_unary("math.sqrt", a)
        return self.float_binary("math.powf", a, b)

    def neg(self, a: Tracer) -> Tracer:
        if a.kind == FLOAT:
            if a.constant is not None:
                return self.constant(-a.constant, FLOAT)
            return self.float_unary("arith.negf", a)
        return self.sub(self.constant(0, INT), self.cast(a, INT))

    def abs(self, a: Tracer) -> Tracer:
        if a.kind == FLOAT:
            return self.float_unary("math.absf", a)
        if a.kind == BOOL or a.nonneg:
            return a
        zero = self.constant(0, INT)
        result = self.select(self.compare("lt", a, zero), self.neg(a), a)
        return Tracer(self, result.name, INT, nonneg=True)

    def compare(self, name: str, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b)
        if a.kind == FLOAT:
            predicate = "une" if name == "ne" else f"o{name}"
            text = f"arith.cmpf {predicate}, {a.name}, {b.name} : {self.acc}"
            return self.emit(text, BOOL)
        if a.kind == BOOL and name not in ("eq", "ne"):
            a, b = self.cast(a, INT), self.cast(b, INT)
        predicate = name if name in ("eq", "ne") else f"s{name}"
        text = f"arith.cmpi {predicate}, {a.name}, {b.name} : {self.type_of(a.kind)}"
        return self.emit(text, BOOL)

    def logical(self, op: str, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.cast(a, BOOL), self.cast(b, BOOL)
        return self.emit(f"{op} {a.name}, {b.name} : i1", BOOL)

    def bitwise(self, op: str, symbol: str, a: Tracer, b: Tracer) -> Tracer:
        if a.kind == BOOL and b.kind == BOOL:
            return self.logical(op, a, b)
        if FLOAT in (a.kind, b.kind):
            raise self.fail(
                f"`{symbol}` on a float: compare it first, as in "
                f"(score > 0) {symbol} (q_idx >= kv_idx)"
            )
        a, b = self.cast(a, INT), self.cast(b, INT)
        nonneg = (a.nonneg and b.nonneg) or (
            op == "arith.andi" and (a.nonneg or b.nonneg)
        )
        return self.int_binary(op, a, b, nonneg=nonneg)

    def invert(self, a: Tracer) -> Tracer:
        if a.kind == FLOAT:
            raise self.fail("`~` on a float: compare it first, as in ~(score > 0)")
        if a.kind == BOOL:
            return self.logical("arith.xori", a, self.constant(True, BOOL))
        return self.int_binary("arith.xori", a, self.constant(-1, INT))

    def shift(self, symbol: str, a: Tracer, b: Tracer) -> Tracer:
        if a.kind == FLOAT or b.kind == FLOAT:
            raise self.fail(f"`{symbol}` on a float: expected integers")
        if b.constant is None or not 0 <= b.constant <= 62:
            raise self.fail(
                f"`{symbol}` by a traced value: expected a constant from 0 to 62"
            )
        a = self.cast(a, INT)
        if symbol == "<<":
            return self.mul(a, self.constant(1 << int(b.constant), INT))
        return self.int_binary("arith.shrsi", a, self.cast(b, INT), nonneg=a.nonneg)

    def select(self, condition: Tracer, a: Tracer, b: Tracer) -> Tracer:
        condition = self.cast(condition, BOOL)
        a, b = self.promote(a, b)
        type_ = self.type_of(a.kind)
        text = f"arith.select {condition.name}, {a.name}, {b.name} : {type_}"
        return self.emit(text, a.kind, nonneg=a.nonneg and b.nonneg)

    def minimum(self, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.kind == FLOAT:
            return self.float_binary("arith.minimumf", a, b)
        return self.int_binary("arith.minsi", a, b, nonneg=a.nonneg and b.nonneg)

    def maximum(self, a: Tracer, b: Tracer) -> Tracer:
        a, b = self.promote(a, b, least=INT)
        if a.kind == FLOAT:
            return self.float_binary("arith.maximumf", a, b)
        return self.int_binary("arith.maxsi", a, b, nonneg=a.nonneg or b.nonneg)

    def rounding(self, op: str, a: Tracer) -> Tracer:
        return self.float_unary(op, a) if a.kind == FLOAT else self.cast(a, INT)

    def sigmoid(self, a: Tracer) -> Tracer:
        one = self.constant(1.0, FLOAT)
        power = self.float_unary("math.exp", self.neg(self.cast(a, FLOAT)))
        return self.div(one, self.add(one, power))

    def softplus(self, a: Tracer) -> Tracer:
        a = self.cast(a, FLOAT)
        small = self.float_unary("math.log1p", self.float_unary("math.exp", a))
        return self.select(self.compare("gt", a, self.constant(20.0, FLOAT)), a, small)

    def sign(self, a: Tracer) -> Tracer:
        zero = self.constant(0, a.kind if a.kind == FLOAT else INT)
        one = self.constant(1, zero.kind)
        minus = self.constant(-1, zero.kind)
        below = self.select(self.compare("lt", a, zero), minus, zero)
        result = self.select(self.compare("gt", a, zero), one, below)
        if a.kind != FLOAT:
            return result
        return self.select(self.compare("eq", a, a), result, a)


def is_bool_array(value: Any) -> bool:
    return str(getattr(value, "dtype", "")).rpartition(".")[2] == "bool"


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


def _floats(op: str) -> Callable[[Builder, Tracer], Tracer]:
    return lambda b, x: b.float_unary(op, x)


def _compares(name: str) -> Callable[[Builder, Tracer, Tracer], Tracer]:
    return lambda b, x, y: b.compare(name, x, y)


def _clamp(b: Builder, x: Tracer, low: Any = None, high: Any = None) -> Tracer:
    if low is not None:
        x = b.maximum(x, b.lift(low, "clamp"))
    if high is not None:
        x = b.minimum(x, b.lift(high, "clamp"))
    return x


# Name of an operation: (symbol for messages, operands to lift, emission).
_OPS: dict[str, tuple[str, int, Callable[..., Tracer]]] = {
    "add": ("+", 2, Builder.add),
    "sub": ("-", 2, Builder.sub),
    "mul": ("*", 2, Builder.mul),
    "div": ("/", 2, Builder.div),
    "floordiv": ("//", 2, Builder.floordiv),
    "mod": ("%", 2, Builder.mod),
    "fmod": ("fmod", 2, Builder.fmod),
    "pow": ("**", 2, Builder.pow),
    "and": ("&", 2, lambda b, x, y: b.bitwise("arith.andi", "&", x, y)),
    "or": ("|", 2, lambda b, x, y: b.bitwise("arith.ori", "|", x, y)),
    "xor": ("^", 2, lambda b, x, y: b.bitwise("arith.xori", "^", x, y)),
    "lshift": ("<<", 2, lambda b, x, y: b.shift("<<", x, y)),
    "rshift": (">>", 2, lambda b, x, y: b.shift(">>", x, y)),
    "logical_and": ("logical_and", 2, lambda b, x, y: b.logical("arith.andi", x, y)),
    "logical_or": ("logical_or", 2, lambda b, x, y: b.logical("arith.ori", x, y)),
    "logical_xor": ("logical_xor", 2, lambda b, x, y: b.logical("arith.xori", x, y)),
    "logical_not": ("logical_not", 1, lambda b, x: b.invert(b.cast(x, BOOL))),
    "invert": ("~", 1, Builder.invert),
    "neg": ("-", 1, Builder.neg),
    "pos": ("+", 1, lambda b, x: x),
    "abs": ("abs", 1, Builder.abs),
    "lt": ("<", 2, _compares("lt")),
    "le": ("<=", 2, _compares("le")),
    "gt": (">", 2, _compares("gt")),
    "ge": (">=", 2, _compares("ge")),
    "eq": ("==", 2, _compares("eq")),
    "ne": ("!=", 2, _compares("ne")),
    "where": ("where", 3, Builder.select),
    "minimum": ("minimum", 2, Builder.minimum),
    "maximum": ("maximum", 2, Builder.maximum),
    "clamp": ("clamp", 1, _clamp),
    "exp": ("exp", 1, _floats("math.exp")),
    "exp2": ("exp2", 1, _floats("math.exp2")),
    "expm1": ("expm1", 1, _floats("math.expm1")),
    "log": ("log", 1, _floats("math.log")),
    "log2": ("log2", 1, _floats("math.log2")),
    "log10": ("log10", 1, _floats("math.log10")),
    "log1p": ("log1p", 1, _floats("math.log1p")),
    "sqrt": ("sqrt", 1, _floats("math.sqrt")),
    "rsqrt": ("rsqrt", 1, _floats("math.rsqrt")),
    "tanh": ("tanh", 1, _floats("math.tanh")),
    "sin": ("sin", 1, _floats("math.sin")),
    "cos": ("cos", 1, _floats("math.cos")),
    "tan": ("tan", 1, _floats("math.tan")),
    "erf": ("erf", 1, _floats("math.erf")),
    "floor": ("floor", 1, lambda b, x: b.rounding("math.floor", x)),
    "ceil": ("ceil", 1, lambda b, x: b.rounding("math.ceil", x)),
    "round": ("round", 1, lambda b, x: b.rounding("math.roundeven", x)),
    "trunc": ("trunc", 1, lambda b, x: b.rounding("math.trunc", x)),
    "sigmoid": ("sigmoid", 1, Builder.sigmoid),
    "softplus": ("softplus", 1, Builder.softplus),
    "relu": ("relu", 1, lambda b, x: b.maximum(x, b.constant(0, INT))),
    "silu": ("silu", 1, lambda b, x: b.mul(x, b.sigmoid(x))),
    "square": ("square", 1, lambda b, x: b.mul(x, x)),
    "reciprocal": ("reciprocal", 1, lambda b, x: b.div(b.constant(1.0, FLOAT), x)),
    "sign": ("sign", 1, Builder.sign),
    "isnan": ("isnan", 1, lambda b, x: b.compare("ne", x, x)),
    "isinf": (
        "isinf",
        1,
        lambda b, x: b.compare(
            "eq", b.abs(b.cast(x, FLOAT)), b.constant(math.inf, FLOAT)
        ),
    ),
    "isfinite": (
        "isfinite",
        1,
        lambda b, x: b.compare(
            "lt", b.abs(b.cast(x, FLOAT)), b.constant(math.inf, FLOAT)
        ),
    ),
    "float": ("float", 1, lambda b, x: b.cast(x, FLOAT)),
    "int": ("int", 1, lambda b, x: b.cast(x, INT)),
    "bool": ("bool", 1, lambda b, x: b.cast(x, BOOL)),
}

# What numpy and torch call the same operations.
_ALIASES = {
    "subtract": "sub",
    "multiply": "mul",
    "true_divide": "div",
    "divide": "div",
    "truediv": "div",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "power": "pow",
    "float_power": "pow",
    "negative": "neg",
    "positive": "pos",
    "absolute": "abs",
    "fabs": "abs",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
    "bitwise_not": "invert",
    "left_shift": "lshift",
    "right_shift": "rshift",
    "bitwise_left_shift": "lshift",
    "bitwise_right_shift": "rshift",
    "max": "maximum",
    "min": "minimum",
    "fmax": "maximum",
    "fmin": "minimum",
    "clip": "clamp",
    "rint": "round",
    "fix": "trunc",
    "double": "float",
    "half": "float",
    "bfloat16": "float",
    "long": "int",
}


def _torch_div(name: str, kwargs: dict[str, Any]) -> str:
    mode = kwargs.pop("rounding_mode", None)
    if name != "div" or mode is None:
        return name
    return "floordiv" if mode == "floor" else "truncdiv"


class _Operand:
    """What tracers and captured arrays of rank 0 share: the operators."""

    __slots__ = ()
    __hash__ = object.__hash__
    builder: Builder

    def _apply(self, name: str, *operands: Any, **kwargs: Any) -> Any:
        return apply(self.builder, name, operands, kwargs)

    def __bool__(self) -> bool:
        raise self.builder.fail(
            "Python cannot branch on a traced value (`if`, `and`, `or`, `not`, `a < b "
            "< c`, "
            "`min`, `max`): use seqc.where(condition, a, b), or & | ~ on parenthesised "
            "comparisons"
        )

    def __index__(self) -> int:
        raise self.builder.fail(
            "a traced value cannot be a Python integer (an index of a list, a range, "
            "or "
            "an array that the trace does not know): bind the array to a variable of "
            "the "
            "enclosing function or module and index that"
        )

    def __int__(self) -> int:
        raise self.builder.fail("int() of a traced value: use seqc.to_int(x)")

    def __float__(self) -> float:
        raise self.builder.fail("float() of a traced value: use seqc.to_float(x)")

    def __iter__(self) -> Any:
        raise self.builder.fail("a traced value is one number and cannot be iterated")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.builder.fail(
            "a traced value cannot become an array, nor index one that the trace does "
            "not know: bind the array to a variable of the enclosing function or "
            "module, and use the functions of seqc, such as seqc.where and seqc.exp"
        )

    def __add__(self, other: Any) -> Any:
        return self._apply("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._apply("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._apply("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._apply("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._apply("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._apply("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._apply("div", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._apply("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._apply("floordiv", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._apply("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._apply("mod", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._apply("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._apply("pow", other, self)

    def __and__(self, other: Any) -> Any:
        return self._apply("and", self, other)

    def __rand__(self, other: Any) -> Any:
        return self._apply("and", other, self)

    def __or__(self, other: Any) -> Any:
        return self._apply("or", self, other)

    def __ror__(self, other: Any) -> Any:
        return self._apply("or", other, self)

    def __xor__(self, other: Any) -> Any:
        return self._apply("xor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._apply("xor", other, self)

    def __lshift__(self, other: Any) -> Any:
        return self._apply("lshift", self, other)

    def __rlshift__(self, other: Any) -> Any:
        return self._apply("lshift", other, self)

    def __rshift__(self, other: Any) -> Any:
        return self._apply("rshift", self, other)

    def __rrshift__(self, other: Any) -> Any:
        return self._apply("rshift", other, self)

    def __neg__(self) -> Any:
        return self._apply("neg", self)

    def __pos__(self) -> Any:
        return self._apply("pos", self)

    def __abs__(self) -> Any:
        return self._apply("abs", self)

    def __invert__(self) -> Any:
        return self._apply("invert", self)

    def __round__(self, digits: int | None = None) -> Any:
        if digits:
            raise self.builder.fail("round() to digits: use round(x) or seqc.floor(x)")
        return self._apply("round", self)

    def __floor__(self) -> Any:
        return self._apply("floor", self)

    def __ceil__(self) -> Any:
        return self._apply("ceil", self)

    def __trunc__(self) -> Any:
        return self._apply("trunc", self)

    def __lt__(self, other: Any) -> Any:
        return self._apply("lt", self, other)

    def __le__(self, other: Any) -> Any:
        return self._apply("le", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._apply("gt", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._apply("ge", self, other)

    def __eq__(self, other: Any) -> Any:
        return self._apply("eq", self, other)

    def __ne__(self, other: Any) -> Any:
        return self._apply("ne", self, other)

    # Methods of torch tensors that FlexAttention functions use.

    def to(self, dtype: Any, **kwargs: Any) -> Any:
        name = str(getattr(dtype, "__name__", dtype)).rpartition(".")[2]
        for kind in (FLOAT, INT, BOOL):
            if kind in name or (kind == INT and name in ("long", "short")):
                return self._apply(kind, self)
        raise self.builder.fail(f"to({dtype}): expected a float, integer or bool dtype")

    astype = to
    type = to

    def item(self) -> Any:
        return self._apply("pos", self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        op = _ALIASES.get(name, name)
        if op in _OPS:
            return functools.partial(self._apply, op, self)
        raise TraceError(
            f"{self.builder.role}: a traced value has no `.{name}`: it is one number; "
            "use the functions of seqc, such as seqc.where and seqc.exp"
        )

    # Dispatch from numpy and torch.

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        if method != "__call__":
            raise self.builder.fail(f"np.{ufunc.__name__}.{method} is not supported")
        return self._apply(ufunc.__name__, *inputs, **kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        return self._apply(func.__name__, *args, **kwargs)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        flat = [*args, *kwargs.values()]
        index = args[1] if len(args) > 1 else None
        flat.extend(index if isinstance(index, tuple) else ())
        found = next(x for x in flat if isinstance(x, _Operand))
        name = func.__name__
        if name == "__getitem__":
            return ArrayProxy(found.builder, args[0], "tensor")[index]
        return found._apply(name, *args, **kwargs)


class Tracer(_Operand):
    """One number inside a region."""

    __slots__ = ("builder", "constant", "kind", "name", "nonneg", "variable")

    def __init__(
        self,
        builder: Builder,
        name: str,
        kind: str,
        *,
        nonneg: bool = False,
        constant: Any = None,
        variable: str | None = None,
    ) -> None:
        self.builder = builder
        self.name = name
        self.kind = kind
        self.nonneg = nonneg
        self.constant = constant
        self.variable = variable

    def __repr__(self) -> str:
        return f"<traced {self.kind} {self.name}>"

    @property
    def dtype(self) -> str:
        return self.builder.type_of(self.kind)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def ndim(self) -> int:
        return 0


class ArrayProxy(_Operand):
    """A captured array: indexing it by traced values loads an element."""

    __slots__ = ("builder", "indices", "label", "value")

    def __init__(
        self, builder: Builder, value: Any, label: str, indices: tuple[Any, ...] = ()
    ) -> None:
        self.builder = builder
        self.value = value
        self.label = label
        self.indices = indices

    def __repr__(self) -> str:
        return f"<captured array {self.label} of shape {self.shape}>"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)[len(self.indices) :]

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    dim = ndim

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def device(self) -> Any:
        return self.value.device

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        b = self.builder
        given = list(index) if isinstance(index, tuple) else [index]
        what = f"captured array `{self.label}`"
        if Ellipsis in [x for x in given if not isinstance(x, _Operand)]:
            raise b.fail(f"{what} indexed by `...`: give one index per dimension")
        if len(given) > self.ndim:
            raise b.fail(f"{what} has {self.ndim} dimensions, got {len(given)} indices")
        indices: list[Any] = []
        for dim, item in enumerate(given):
            if isinstance(item, slice) or item is None:
                raise b.fail(f"{what} indexed by {item}: give one index per dimension")
            tracer = b.lift(item, "[]")
            if tracer.kind != INT:
                raise b.fail(
                    f"{what} indexed by a {tracer.kind}: expected an integer, as in "
                    "seqc.to_int(x)"
                )
            if tracer.constant is not None:
                size = self.shape[dim]
                if not -size <= tracer.constant < size:
                    raise b.fail(
                        f"index {tracer.constant} is out of bounds for dimension "
                        f"{dim + len(self.indices)} of {what}, shape {self.shape}"
                    )
                tracer = b.constant(tracer.constant % size, INT)
            indices.append(tracer)
        every = (*self.indices, *indices)
        if len(given) < self.ndim:
            return ArrayProxy(b, self.value, self.label, every)
        return b.load(b.captures.add(self.value, self.label), every)

    def scalar(self, op: str) -> Tracer:
        if self.ndim:
            raise self.builder.fail(
                f"`{op}` on the whole captured array `{self.label}` of shape "
                f"{self.shape}: "
                "index it by b, h, q_idx or kv_idx first"
            )
        capture = self.builder.captures.add(self.value, self.label)
        return self.builder.load(capture, self.indices)


def apply(
    builder: Builder, name: str, operands: Sequence[Any], kwargs: dict[str, Any]
) -> Tracer:
    """Emits the operation that seqc, numpy or torch calls `name`."""
    short = name
    reverse = False
    if name.startswith("__") and name.endswith("__"):
        short = name[2:-2]
        if short not in _OPS and short not in _ALIASES and short[:1] == "r":
            short, reverse = short[1:], True
    elif name == "rsub":
        short, reverse = "sub", True
    short = _ALIASES.get(short, short)
    kwargs = dict(kwargs)
    short = _torch_div(short, kwargs)
    if short == "clamp":
        for theirs, ours in (
            ("min", "low"),
            ("max", "high"),
            ("a_min", "low"),
            ("a_max", "high"),
        ):
            if theirs in kwargs:
                kwargs[ours] = kwargs.pop(theirs)
    if short == "truncdiv":
        quotient = builder.div(*(builder.lift(x, "/") for x in operands))
        return builder.rounding("math.trunc", quotient)
    for name_, neutral in (("out", None), ("where", True), ("casting", "same_kind")):
        if name_ in kwargs and kwargs[name_] is neutral:
            del kwargs[name_]
    entry = _OPS.get(short)
    if entry is None:
        raise builder.fail(
            f"`{name}` is not supported on traced values: use arithmetic, comparisons, "
            "& | ~, indexing of captured arrays and the functions of seqc (seqc.where, "
            "seqc.exp, seqc.tanh, seqc.minimum, ...)"
        )
    symbol, arity, emission = entry
    if kwargs and short != "clamp":
        raise builder.fail(
            f"`{symbol}` got the unsupported argument `{next(iter(kwargs))}`"
        )
    if len(operands) < arity or (len(operands) > arity and short != "clamp"):
        raise builder.fail(f"`{symbol}` got {len(operands)} operands, expected {arity}")
    lifted = [builder.lift(x, symbol) for x in operands[:arity]]
    if reverse:
        lifted.reverse()
    return emission(builder, *lifted, *operands[arity:], **kwargs)


# ===----------------------------------------------------------------------===
# Functions for users: on tracers they emit, on anything else they are numpy's
# or torch's, so that a score_mod can also be called directly.
# ===----------------------------------------------------------------------===


def _call(name: str, *operands: Any) -> Any:
    for operand in operands:
        if isinstance(operand, _Operand):
            return apply(operand.builder, name, operands, {})
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(x, torch.Tensor) for x in operands):
        return getattr(torch, name)(*operands)
    if name in ("rsqrt", "sigmoid", "erf"):
        x = np.asarray(operands[0], dtype=np.float64)
        if name == "rsqrt":
            return 1 / np.sqrt(x)
        if name == "sigmoid":
            return 1 / (1 + np.exp(-x))
        return np.vectorize(math.erf, otypes=[np.float64])(x)
    return getattr(np, name)(*operands)


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where `condition` holds, else `b`."""
    return _call("where", condition, a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller one; NaN if one is NaN."""
    return _call("minimum", a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger one; NaN if one is NaN."""
    return _call("maximum", a, b)


def clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    """`x` brought into [low, high]."""
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def _function(name: str, doc: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return _call(name, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


exp = _function("exp", "e to the power of x.")
exp2 = _function("exp2", "2 to the power of x.")
log = _function("log", "The natural logarithm.")
log2 = _function("log2", "The logarithm to base 2.")
sqrt = _function("sqrt", "The square root.")
rsqrt = _function("rsqrt", "1 / sqrt(x).")
tanh = _function("tanh", "The hyperbolic tangent.")
sin = _function("sin", "The sine of x in radians.")
cos = _function("cos", "The cosine of x in radians.")
erf = _function("erf", "The error function.")
sigmoid = _function("sigmoid", "1 / (1 + exp(-x)).")
floor = _function("floor", "The largest integer not above x.")
ceil = _function("ceil", "The smallest integer not below x.")
isnan = _function("isnan", "Whether x is NaN.")


def to_float(x: Any) -> Any:
    """An integer or bool as a float."""
    if isinstance(x, _Operand):
        return apply(x.builder, FLOAT, (x,), {})
    return x.double() if hasattr(x, "double") else np.asarray(x, dtype=np.float64)


def to_int(x: Any) -> Any:
    """A float or bool as an integer, towards zero."""
    if isinstance(x, _Operand):
        return apply(x.builder, INT, (x,), {})
    return x.long() if hasattr(x, "long") else np.trunc(np.asarray(x)).astype(np.int64)


# ===----------------------------------------------------------------------===
# Rewriting what a function captures
# ===----------------------------------------------------------------------===

_LIBRARIES = frozenset(
    {"torch", "numpy", "seqc", "math", "functools", "operator", "builtins", "typing"}
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None),
          types.BuiltinFunctionType, np.generic, np.ufunc)  # fmt: skip


_NAMESPACES = (types.ModuleType, types.SimpleNamespace)


def is_library(value: Any) -> bool:
    """Whether a module, class or function is of a library that does not change."""
    name = getattr(value, "__name__", "")
    if not isinstance(value, types.ModuleType):
        name = getattr(value, "__module__", None) or ""
    return name.partition(".")[0] in _LIBRARIES


class _ObjectProxy:
    """Stands for `self`: its arrays are proxies and its methods see this."""

    def __init__(self, rewriter: _Rewriter, target: Any, label: str) -> None:
        object.__setattr__(self, "_seqc_state", (rewriter, target, label))

    def __getattr__(self, name: str) -> Any:
        rewriter, target, label = object.__getattribute__(self, "_seqc_state")
        value = getattr(target, name)
        if isinstance(value, types.MethodType) and value.__self__ is target:
            return types.MethodType(rewriter.function(value.__func__), self)
        return rewriter.replace(value, f"{label}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        rewriter, target, _ = object.__getattribute__(self, "_seqc_state")
        return rewriter.function(type(target).__call__)(self, *args, **kwargs)


class _Rewriter:
    """Copies of functions that see proxies in place of captured arrays.

    `seen` collects (container getter, value) of what was captured, so that a
    later call can tell whether the trace still holds; None when it cannot tell.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.seen: list[tuple[Callable[[], Any], Any]] | None = []
        self._functions: dict[int, Any] = {}

    def note(self, get: Callable[[], Any], value: Any) -> None:
        if self.seen is not None:
            self.seen.append((get, value))

    def replace(self, value: Any, label: str) -> Any:
        """`value` with its arrays replaced."""
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, (types.ModuleType, type)) and is_library(value):
            return value
        if isinstance(value, _NAMESPACES) or (
            dataclasses.is_dataclass(value) and not isinstance(value, type)
        ):
            self.seen = None
            return _ObjectProxy(self, value, label)
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, (types.MethodType, functools.partial)):
            return self.callable(value)
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
            if type(value) is list:
                self.seen = None  # It may change in place.
            return type(value)(
                self.replace(item, f"{label}[{i}]") for i, item in enumerate(value)
            )
        if _arrays.is_array(value):
            return ArrayProxy(self.builder, value, label)
        if type(value).__module__ not in ("torch", "numpy"):
            self.seen = None  # Its state may change.
        return value

    def callable(self, fn: Any) -> Any:
        """The function to trace in place of `fn`."""
        if isinstance(fn, functools.partial):
            self.seen = None
            return functools.partial(
                self.callable(fn.func),
                *(self.replace(x, f"argument {i}") for i, x in enumerate(fn.args)),
                **{k: self.replace(x, k) for k, x in fn.keywords.items()},
            )
        if isinstance(fn, types.MethodType):
            self.seen = None
            owner = _ObjectProxy(self, fn.__self__, "self")
            return types.MethodType(self.function(fn.__func__), owner)
        if isinstance(fn, types.FunctionType):
            return self.function(fn)
        call = type(fn).__dict__.get("__call__")
        if isinstance(call, types.FunctionType):
            self.seen = None
            return _ObjectProxy(self, fn, "self")
        return fn

    def function(self, fn: Any) -> Any:
        if not isinstance(fn, types.FunctionType):
            return fn
        if is_library(fn):
            return fn
        known = self._functions.get(id(fn))
        if known is not None:
            return known
        namespace: dict[str, Any] = {"__builtins__": fn.__globals__.get("__builtins__")}
        cells = tuple(types.CellType() for _ in fn.__closure__ or ())
        copy = types.FunctionType(fn.__code__, namespace, fn.__name__, None, cells)
        copy.__module__ = fn.__module__
        self._functions[id(fn)] = copy
        for name in _global_names(fn.__code__):
            if name in fn.__globals__:
                value = fn.__globals__[name]
                self.note(functools.partial(fn.__globals__.get, name), value)
                namespace[name] = self.replace(value, name)
        for name, old, new in zip(
            fn.__code__.co_freevars, fn.__closure__ or (), cells, strict=False
        ):
            try:
                value = old.cell_contents
            except ValueError:
                continue  # Not bound yet; using it raises as in Python.
            self.note(functools.partial(getattr, old, "cell_contents"), value)
            new.cell_contents = self.replace(value, name)
        names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
        defaults = fn.__defaults__ or ()
        copy.__defaults__ = tuple(
            self.replace(x, n)
            for n, x in zip(names[len(names) - len(defaults) :], defaults, strict=False)
        )
        if fn.__kwdefaults__:
            self.seen = None
            copy.__kwdefaults__ = {
                k: self.replace(x, k) for k, x in fn.__kwdefaults__.items()
            }
        if defaults:
            # A weak reference: what is noted must not keep `fn` alive.
            self.note(functools.partial(_defaults, weakref.ref(fn)), defaults)
        return copy


def _defaults(fn: Callable[[], Any]) -> Any:
    return getattr(fn(), "__defaults__", None)


@functools.lru_cache(maxsize=256)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    """Names that `code`, or a function inside it, may read from the globals."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(dict.fromkeys(_global_names(constant)))
    return tuple(names)


INDEX_NAMES = {"b": "b", "h": "h", "i": "q_idx", "j": "kv_idx"}


def index_tracers(builder: Builder) -> list[Tracer]:
    """b, h, q_idx and kv_idx."""
    return [
        Tracer(builder, f"%{name}", INT, nonneg=True, variable=label)
        for name, label in INDEX_NAMES.items()
    ]


def call_traced(
    builder: Builder, fn: Any, arguments: Sequence[Tracer]
) -> tuple[Any, list[tuple[Callable[[], Any], Any]] | None]:
    """Runs `fn` on tracers; returns its result and what it captured."""
    rewriter = _Rewriter(builder)
    target = rewriter.callable(fn)
    try:
        result = target(*arguments)
    except TraceError:
        raise
    except (TypeError, IndexError) as error:
        # numpy and torch wrap what a tracer raises.
        cause = error.__cause__ or error.__context__
        if isinstance(cause, TraceError):
            raise cause from None
        raise TraceError(f"{builder.role}: {error}") from error
    return result, rewriter.seen


def role_of(parameter: str, fn: Any) -> str:
    """For messages: `score_mod 'alibi'`."""
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return f"{parameter} '{name}'"
