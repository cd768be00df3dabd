# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Emission of a region: each operation on traced values is one line of MLIR.

A load is always in bounds. Indexing by `b`, `h`, `q_idx` or `kv_idx` itself is
checked at the call against the array's size. A computed index is brought into
bounds by the program: a negative one counts from the end, then it is clamped.
The compiler evaluates regions at valid indices only.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _arrays
from ._errors import TraceError
from ._text import float_literal
from ._trace_captures import Captures, is_bool_array
from ._trace_values import BOOL, FLOAT, INT, ArrayProxy, Tracer

_BIG = float(2**62)


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
            "an element of a captured array"
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
                f"`{symbol}` on a float: compare it first, as in (score > 0) {symbol} "
                "(q_idx >= kv_idx)"
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

    # Operations by name.

    def find(self, name: str) -> str | None:
        """The operation that seqc, numpy or torch calls `name`."""
        name = _ALIASES.get(name, name)
        return name if name in _OPS else None

    def apply(
        self, name: str, operands: Sequence[Any], kwargs: dict[str, Any]
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
            quotient = self.div(*(self.lift(x, "/") for x in operands))
            return self.rounding("math.trunc", quotient)
        for name_, neutral in (
            ("out", None),
            ("where", True),
            ("casting", "same_kind"),
        ):
            if name_ in kwargs and kwargs[name_] is neutral:
                del kwargs[name_]
        entry = _OPS.get(short)
        if entry is None:
            raise self.fail(
                f"`{name}` is not supported on traced values: use arithmetic, "
                "comparisons, & | ~, indexing of captured arrays and the functions of "
                "seqc (seqc.where, seqc.exp, seqc.tanh, seqc.minimum, ...)"
            )
        symbol, arity, emission = entry
        if kwargs and short != "clamp":
            raise self.fail(
                f"`{symbol}` got the unsupported argument `{next(iter(kwargs))}`"
            )
        if len(operands) < arity or (len(operands) > arity and short != "clamp"):
            raise self.fail(
                f"`{symbol}` got {len(operands)} operands, expected {arity}"
            )
        lifted = [self.lift(x, symbol) for x in operands[:arity]]
        if reverse:
            lifted.reverse()
        return emission(self, *lifted, *operands[arity:], **kwargs)


# ===----------------------------------------------------------------------===
# Operations by name
# ===----------------------------------------------------------------------===


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
