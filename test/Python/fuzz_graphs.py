# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random L0 programs, each with its f64 value.

A program is one to four seqc operators of random kinds, options and schedules
between random tensor, linalg, arith and math code. Every tensor is evaluated
twice while the text is written: in f64, and with each operator rounded to its
dtype. The distance of the two says how much the graph amplifies rounding, and
thus how far the compiled program may be from the f64 value.

    python fuzz_graphs.py SEED            compiles and checks one program
    python fuzz_graphs.py --print SEED    prints its text
    python fuzz_graphs.py --serve         checks the seeds that stdin names
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import seqc
from seqc import reference
from seqc_testing import (
    ATTENTION,
    BFLOAT16,
    CONV,
    DTYPES,
    LAYOUTS,
    LSE,
    NUMPY,
    ROUNDOFF,
    SCAN,
    STATE,
    accumulator,
    as_f64,
    lay_out,
)

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

INTEGERS = {"i1": np.bool_, "i32": np.int32, "i64": np.int64}
SIZES = (1, 1, 2, 3, 5, 8, 16, 17, 31, 33, 64, 65, 100, 130)
HEAD_DIMS = (1, 3, 8, 16, 17, 32, 40, 64)
STATES = (1, 2, 5, 8, 16)


def round_to(array: Any, dtype: str) -> Array:
    """f64 values rounded to a float dtype; other arrays as they are."""
    if dtype in INTEGERS:
        return np.asarray(array)
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(NUMPY[dtype]).astype(np.float64)


class Value:
    """A tensor of the program: its type and its two values."""

    def __init__(
        self,
        name: str,
        dtype: str,
        dynamic: Sequence[bool],
        exact: Array,
        rounded: Array,
        noise: float,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.dynamic = tuple(dynamic)
        self.exact = exact
        self.rounded = rounded
        self.noise = noise
        assert len(self.dynamic) == exact.ndim

    @property
    def shape(self) -> Shape:
        return tuple(self.exact.shape)

    @property
    def type(self) -> str:
        return tensor(self.shape, self.dynamic, self.dtype)

    def bound(self) -> float:
        """How far any element may be from `exact`."""
        if self.dtype in INTEGERS or not self.exact.size:
            return 0.0
        with np.errstate(invalid="ignore"):
            drift = np.abs(self.rounded - self.exact)
            size = np.abs(self.exact)
        drift = drift[np.isfinite(drift)].max(initial=0.0)
        size = size[np.isfinite(size)].max(initial=0.0)
        return float(8 * drift + self.noise * max(1.0, size))


def tensor(shape: Shape, dynamic: Sequence[bool], dtype: str) -> str:
    sizes = ["?" if d else str(n) for n, d in zip(shape, dynamic, strict=True)]
    return f"tensor<{'x'.join([*sizes, dtype])}>"


def dim_map(rank: int, dims: Sequence[int]) -> str:
    names = ", ".join(f"d{i}" for i in range(rank))
    return f"affine_map<({names}) -> ({', '.join(f'd{i}' for i in dims)})>"


# Elementwise functions: lines on %a (and %b) that define %r, and the same in numpy.
# {t} is the dtype.
UNARY: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "tanh": ("%r = math.tanh %a : {t}", np.tanh),
    "sin": ("%r = math.sin %a : {t}", np.sin),
    "cos": ("%r = math.cos %a : {t}", np.cos),
    "erf": ("%r = math.erf %a : {t}", lambda x: np.vectorize(_erf, [float])(x)),
    "negate": ("%r = arith.negf %a : {t}", np.negative),
    "abs": ("%r = math.absf %a : {t}", np.abs),
    "gauss": (
        "%a2 = arith.mulf %a, %a : {t}\n%n = arith.negf %a2 : {t}\n"
        "%r = math.exp %n : {t}",
        lambda x: np.exp(-x * x),
    ),
    "sigmoid": (
        "%one = arith.constant 1.0 : {t}\n%n = arith.negf %a : {t}\n"
        "%e = math.exp %n : {t}\n%s = arith.addf %e, %one : {t}\n"
        "%r = arith.divf %one, %s : {t}",
        lambda x: 1 / (1 + np.exp(-x)),
    ),
    "root": (
        "%m = math.absf %a : {t}\n%q = math.log1p %m : {t}\n%r = math.sqrt %q : {t}",
        lambda x: np.sqrt(np.log1p(np.abs(x))),
    ),
    "relu": (
        "%z = arith.constant 0.0 : {t}\n%r = arith.maximumf %a, %z : {t}",
        lambda x: np.maximum(x, 0),
    ),
    "relu by select": (
        "%z = arith.constant 0.0 : {t}\n%p = arith.cmpf ogt, %a, %z : {t}\n"
        "%r = arith.select %p, %a, %z : {t}",
        lambda x: np.where(x > 0, x, 0),
    ),
    "rsqrt": (
        "%one = arith.constant 1.0 : {t}\n%q = math.fma %a, %a, %one : {t}\n"
        "%r = math.rsqrt %q : {t}",
        lambda x: 1 / np.sqrt(1 + x * x),
    ),
}
BINARY: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "add": ("%r = arith.addf %a, %b : {t}", np.add),
    "sub": ("%r = arith.subf %a, %b : {t}", np.subtract),
    "mul": ("%r = arith.mulf %a, %b : {t}", np.multiply),
    "max": ("%r = arith.maximumf %a, %b : {t}", np.maximum),
    "min": ("%r = arith.minnumf %a, %b : {t}", np.minimum),
    "ratio": (
        "%one = arith.constant 1.0 : {t}\n%b2 = arith.mulf %b, %b : {t}\n"
        "%d = arith.addf %b2, %one : {t}\n%r = arith.divf %a, %d : {t}",
        lambda x, y: x / (1 + y * y),
    ),
}


def _erf(x: float) -> float:
    from math import erf

    return erf(x) if x == x else x


class Function:
    """One public function while it is written."""

    def __init__(self, rng: np.random.Generator, name: str, graph: Graph) -> None:
        self.rng = rng
        self.graph = graph
        self.name = name
        self.lines: list[str] = []
        self.arguments: list[tuple[str, str, Any]] = []
        self.pool: list[Value] = []
        self.raw: list[Value] = []
        self.count = 0
        self.sizes: dict[int, list[str]] = {}

    # Chance.

    def flip(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, items: Sequence[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    # Text.

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count - 1}"

    def line(self, text: str) -> None:
        self.lines.extend("  " + part for part in text.split("\n"))

    def define(self, text: str) -> str:
        name = self.fresh()
        self.line(f"{name} = {text}")
        return name

    def index(self, value: int) -> str:
        return self.define(f"arith.constant {value} : index")

    def size(self, n: int) -> str:
        """An index value that is n: a constant, or the size of some tensor."""
        if n in self.sizes and self.flip(0.7):
            return str(self.pick(self.sizes[n]))
        return self.index(n)

    def dim(self, value: Value, axis: int) -> str:
        if not value.dynamic[axis] and self.flip():
            return self.index(value.shape[axis])
        name = self.define(
            f"tensor.dim {value.name}, {self.index(axis)} : {value.type}"
        )
        if value.dynamic[axis]:
            self.sizes.setdefault(value.shape[axis], []).append(name)
        return name

    def empty(self, shape: Shape, dynamic: Sequence[bool], dtype: str) -> str:
        sizes = [self.size(n) for n, d in zip(shape, dynamic, strict=True) if d]
        return self.define(
            f"tensor.empty({', '.join(sizes)}) : {tensor(shape, dynamic, dtype)}"
        )

    def filled(
        self, number: float, shape: Shape, dynamic: Sequence[bool], dtype: str
    ) -> str:
        out = self.empty(shape, dynamic, dtype)
        scalar = self.define(f"arith.constant {literal(number, dtype)} : {dtype}")
        type_ = tensor(shape, dynamic, dtype)
        return self.define(
            f"linalg.fill ins({scalar} : {dtype}) outs({out} : {type_}) -> {type_}"
        )

    # Values.

    def value(
        self,
        name: str,
        dtype: str,
        dynamic: Sequence[bool],
        compute: Callable[..., Any],
        inputs: Sequence[Value] = (),
        noise: float | None = None,
    ) -> Value:
        """The value that `compute` makes of `inputs`."""
        if noise is None:
            noise = 0.0 if dtype in INTEGERS else 4 * ROUNDOFF[dtype]
        noise += max((x.noise for x in inputs), default=0.0)
        with np.errstate(all="ignore"):
            exact = np.asarray(compute(*(x.exact for x in inputs)))
            rounded = round_to(compute(*(x.rounded for x in inputs)), dtype)
        return Value(name, dtype, dynamic, exact, rounded, noise)

    def argument(
        self, shape: Shape, dtype: str, make: Callable[[Shape], Any] | None = None
    ) -> Value:
        array = self.rng.standard_normal(shape) if make is None else make(shape)
        kind = INTEGERS.get(dtype) or NUMPY[dtype]
        array = np.asarray(array).astype(kind)
        dynamic = [self.flip(self.graph.dynamic) for _ in shape]
        name = f"%arg{len(self.arguments)}"
        laid = lay_out(array, self.pick(LAYOUTS)) if shape and self.flip(0.4) else array
        self.arguments.append((name, tensor(shape, dynamic, dtype), laid))
        exact = array if dtype in INTEGERS else as_f64(array)
        value = Value(name, dtype, dynamic, exact, exact, 0.0)
        if dtype not in INTEGERS:
            self.pool.append(value)
        return value

    def scalar(self, dtype: str, number: Any) -> str:
        name = f"%arg{len(self.arguments)}"
        self.arguments.append((name, dtype, number))
        return name

    def constant(self, shape: Shape, dtype: str) -> Value:
        array = np.round(self.rng.standard_normal(shape) * 8) / 8
        if self.flip(0.3):
            array = np.full(shape, 0.5)
        text = dense(array, dtype)
        name = self.define(
            f"arith.constant {text} : {tensor(shape, [False] * len(shape), dtype)}"
        )
        return self.value(name, dtype, [False] * len(shape), lambda: array, noise=0.0)

    def scaled(self, value: Value, limit: float = 4.0) -> Value:
        """The value, brought into [-limit, limit]."""
        finite = value.exact[np.isfinite(value.exact)]
        top = float(np.abs(finite).max(initial=0.0))
        if top <= limit:
            return value
        factor = 2.0 ** -np.ceil(np.log2(top / limit))
        c = literal(factor, value.dtype)
        return self.elementwise(
            [value],
            f"%c = arith.constant {c} : {{t}}\n%r = arith.mulf %a, %c : {{t}}",
            lambda x: x * factor,
        )

    def source(self, shape: Shape, dtype: str) -> Value:
        """A tensor of that shape and dtype, from the pool or new."""
        same = [v for v in self.pool if v.shape == shape and v.dtype == dtype]
        if same and self.flip(0.5):
            return self.recast(self.pick(same))
        if self.pool and self.flip(0.6):
            found = self.adapt(self.pick(self.pool[-6:]), shape, dtype)
            if found is not None:
                return self.recast(found)
        size = int(np.prod(shape))
        if 0 < size <= 64 and self.flip(0.15):
            return self.constant(shape, dtype)
        return self.argument(shape, dtype)

    def recast(self, value: Value) -> Value:
        """The same value, perhaps with other sizes static."""
        if not value.shape or not self.flip(0.15):
            return value
        dynamic = [self.flip(self.graph.dynamic) for _ in value.shape]
        return self.cast(value, dynamic)

    def cast(self, value: Value, dynamic: Sequence[bool]) -> Value:
        if tuple(dynamic) == value.dynamic:
            return value
        type_ = tensor(value.shape, dynamic, value.dtype)
        name = self.define(f"tensor.cast {value.name} : {value.type} to {type_}")
        return Value(
            name, value.dtype, dynamic, value.exact, value.rounded, value.noise
        )

    def adapt(self, value: Value, shape: Shape, dtype: str) -> Value | None:
        """Elements of `value` in another shape and dtype."""
        if value.exact.size < int(np.prod(shape)) or not shape:
            return None
        if sorted(value.shape) == sorted(shape) and value.shape != shape:
            order: list[int] = []
            for n in shape:
                order.append(
                    next(
                        i
                        for i, m in enumerate(value.shape)
                        if m == n and i not in order
                    )
                )
            value = self.transpose(value, order)
        elif value.shape != shape:
            if value.exact.ndim != 1:
                value = self.flatten(value)
            size = int(np.prod(shape))
            if value.shape[0] != size:
                stride = 1
                if size and value.shape[0] >= 2 * size and self.flip(0.3):
                    stride = 2
                last = value.shape[0] - (size - 1) * stride - 1 if size else 0
                start = self.between(0, max(last, 0))
                value = self.slice(value, [start], [size], [stride])
            if len(shape) > 1:
                value = self.expand(value, shape)
        return self.scaled(self.convert(value, dtype))

    # Data movement.

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        shape = tuple(value.shape[i] for i in order)
        dynamic = [value.dynamic[i] for i in order]
        type_ = tensor(shape, dynamic, value.dtype)
        out = self.empty(shape, dynamic, value.dtype)
        if self.flip():
            name = self.define(
                f"linalg.transpose ins({value.name} : {value.type}) "
                f"outs({out} : {type_}) permutation = {list(order)}"
            )
        else:
            inverse = [list(order).index(i) for i in range(len(order))]
            name = self.generic(
                [value],
                [inverse],
                len(order),
                out,
                type_,
                value.dtype,
                "%z = arith.constant 0.0 : {t}\n%r = arith.addf %a, %z : {t}",
            )
        return self.value(
            name,
            value.dtype,
            dynamic,
            lambda x: np.transpose(x, order),
            [value],
            noise=0.0,
        )

    def flatten(self, value: Value) -> Value:
        rank = value.exact.ndim
        if rank == 0:
            name = self.define(
                f"tensor.expand_shape {value.name} [] output_shape [1] : {value.type} "
                f"into tensor<1x{value.dtype}>"
            )
            return self.value(
                name, value.dtype, [False], lambda x: x.reshape(1), [value], 0.0
            )
        return self.collapse(value, [list(range(rank))])

    def collapse(self, value: Value, groups: list[list[int]]) -> Value:
        shape = tuple(int(np.prod([value.shape[i] for i in g])) for g in groups)
        dynamic = [any(value.dynamic[i] for i in g) for g in groups]
        type_ = tensor(shape, dynamic, value.dtype)
        name = self.define(
            f"tensor.collapse_shape {value.name} {groups} : {value.type} into {type_}"
        )
        return self.value(
            name, value.dtype, dynamic, lambda x: x.reshape(shape), [value], 0.0
        )

    def expand(self, value: Value, shape: Shape) -> Value:
        """A 1-D tensor as one of several dimensions."""
        if value.dynamic[0]:
            dynamic = [self.flip(self.graph.dynamic) for _ in shape]
            if not any(dynamic):
                dynamic[self.between(0, len(shape) - 1)] = True
        else:
            dynamic = [False] * len(shape)
        sizes = [
            self.size(n) if d else str(n) for n, d in zip(shape, dynamic, strict=True)
        ]
        type_ = tensor(shape, dynamic, value.dtype)
        name = self.define(
            f"tensor.expand_shape {value.name} [{list(range(len(shape)))}] "
            f"output_shape [{', '.join(sizes)}] : {value.type} into {type_}"
        )
        return self.value(
            name, value.dtype, dynamic, lambda x: x.reshape(shape), [value], 0.0
        )

    def slice(
        self, value: Value, at: Sequence[int], shape: Sequence[int], step: Sequence[int]
    ) -> Value:
        shape = tuple(shape)
        dynamic = [
            bool(s != n and d) or self.flip(0.3 * self.graph.dynamic)
            for s, n, d in zip(shape, value.shape, value.dynamic, strict=True)
        ]
        ats = [self.size(a) if self.flip(0.4) else str(a) for a in at]
        steps = [self.index(s) if self.flip(0.1) else str(s) for s in step]
        sizes = [
            self.size(n) if d else str(n) for n, d in zip(shape, dynamic, strict=True)
        ]
        type_ = tensor(shape, dynamic, value.dtype)
        name = self.define(
            f"tensor.extract_slice {value.name}[{', '.join(ats)}] [{', '.join(sizes)}] "
            f"[{', '.join(steps)}] : {value.type} to {type_}"
        )
        cut = tuple(
            slice(a, a + (n - 1) * s + 1 if n else a, s)
            for a, n, s in zip(at, shape, step, strict=True)
        )
        return self.value(name, value.dtype, dynamic, lambda x: x[cut], [value], 0.0)

    def convert(self, value: Value, dtype: str) -> Value:
        order = ("f16", "bf16", "f32", "f64")
        source = value.dtype
        if source == dtype:
            return value
        if {source, dtype} == {"f16", "bf16"}:
            return self.convert(self.convert(value, "f32"), dtype)
        op = "extf" if order.index(source) < order.index(dtype) else "truncf"
        if self.flip():
            type_ = tensor(value.shape, value.dynamic, dtype)
            name = self.define(f"arith.{op} {value.name} : {value.type} to {type_}")
        else:
            name = self.emit_elementwise(
                [value], f"%r = arith.{op} %a : {source} to {dtype}", dtype
            )
        return self.value(name, dtype, value.dynamic, lambda x: x, [value])

    # Arithmetic.

    def generic(
        self,
        inputs: Sequence[Value],
        maps: Sequence[Sequence[int]],
        rank: int,
        out: str,
        out_type: str,
        dtype: str,
        body: str,
        out_dims: Sequence[int] | None = None,
    ) -> str:
        """A linalg.generic; `body` sees %a, %b, ... and %o, and defines %r."""
        dims = list(range(rank)) if out_dims is None else list(out_dims)
        texts = [dim_map(rank, m) for m in [*maps, dims]]
        kinds = ", ".join(
            '"parallel"' if i in dims else '"reduction"' for i in range(rank)
        )
        ins = ""
        if inputs:
            ins = (
                f" ins({', '.join(x.name for x in inputs)} : "
                f"{', '.join(x.type for x in inputs)})"
            )
        arguments = [f"%{'abc'[i]}: {x.dtype}" for i, x in enumerate(inputs)]
        lines = body.replace("{t}", dtype).split("\n")
        text = "\n    ".join([*lines, f"linalg.yield %r : {dtype}"])
        return self.define(
            f"linalg.generic {{indexing_maps = [{', '.join(texts)}], "
            f"iterator_types = [{kinds}]}}{ins} outs({out} : {out_type}) {{\n"
            f"  ^bb0({', '.join([*arguments, f'%o: {dtype}'])}):\n    {text}\n"
            f"  }} -> {out_type}"
        )

    def emit_elementwise(
        self, inputs: Sequence[Value], body: str, dtype: str | None = None
    ) -> str:
        first = inputs[0]
        dtype = dtype or first.dtype
        rank = first.exact.ndim
        out = self.empty(first.shape, first.dynamic, dtype)
        dims = list(range(rank))
        type_ = tensor(first.shape, first.dynamic, dtype)
        return self.generic(inputs, [dims] * len(inputs), rank, out, type_, dtype, body)

    def elementwise(
        self, inputs: Sequence[Value], body: str, compute: Callable[..., Any]
    ) -> Value:
        first = inputs[0]
        if "\n" not in body and self.flip(0.5):
            text = body.replace("{t}", first.type).removeprefix("%r = ")
            for letter, x in zip("ab", inputs, strict=False):
                text = text.replace(f"%{letter}", x.name)
            name = self.define(text)
        else:
            name = self.emit_elementwise(inputs, body)
        return self.value(name, first.dtype, first.dynamic, compute, inputs)

    def match(self, value: Value, like: Value) -> Value:
        return self.cast(value, like.dynamic)

    def step(self) -> Value | None:
        """One random upstream operation on a value of the pool."""
        value = self.pick(self.pool[-8:])
        kind = self.pick(
            (
                "unary", "unary", "binary", "binary", "transpose", "slice", "insert",
                "matmul", "reduce", "broadcast", "concat", "pad", "collapse", "loop",
                "branch", "convert", "batch_matmul", "splat", "extract",
            )
        )  # fmt: skip
        shape, rank = value.shape, value.exact.ndim
        if kind == "unary":
            body, compute = self.pick(list(UNARY.values()))
            return self.elementwise([value], body, compute)
        if kind == "binary":
            body, compute = self.pick(list(BINARY.values()))
            other = self.match(self.source(shape, value.dtype), value)
            pair = [value, other]
            return self.elementwise(pair, body, compute)
        if kind == "transpose" and rank > 1:
            order = [int(i) for i in self.rng.permutation(rank)]
            return self.transpose(value, order)
        if kind == "slice" and rank:
            at, sizes, steps = [], [], []
            for n in shape:
                stride = 2 if n > 2 and self.flip(0.2) else 1
                size = self.between(min(1, n), max(1, n // stride)) if n else 0
                if self.flip(0.04):
                    size = 0
                last = n - (size - 1) * stride - 1 if size else 0
                at.append(self.between(0, max(last, 0)))
                sizes.append(size)
                steps.append(stride)
            return self.slice(value, at, sizes, steps)
        if kind == "insert" and rank and value.exact.size:
            sizes = [self.between(1, n) for n in shape]
            at = [self.between(0, n - s) for n, s in zip(shape, sizes, strict=True)]
            part = self.source(tuple(sizes), value.dtype)
            ats = [self.size(a) if self.flip(0.4) else str(a) for a in at]
            extent = [
                self.dim(part, i) if d else str(n)
                for i, (n, d) in enumerate(zip(sizes, part.dynamic, strict=True))
            ]
            name = self.define(
                f"tensor.insert_slice {part.name} into {value.name}[{', '.join(ats)}] "
                f"[{', '.join(extent)}] [{', '.join('1' for _ in shape)}] : "
                f"{part.type} into {value.type}"
            )

            def insert(x: Array, y: Array) -> Array:
                out = x.copy()
                out[tuple(slice(a, a + n) for a, n in zip(at, sizes, strict=True))] = y
                return out

            return self.value(
                name, value.dtype, value.dynamic, insert, [value, part], 0.0
            )
        if kind == "matmul" and rank >= 2:
            if rank > 2:
                value = self.collapse(value, [list(range(rank - 1)), [rank - 1]])
            rows, inner = value.shape
            columns = self.pick((1, 3, 8, 17, 32, 64))
            other = self.source((inner, columns), value.dtype)
            dtype = accumulator(value.dtype) if self.flip() else value.dtype
            if dtype in ("f16", "bf16"):
                dtype = "f32"
            dynamic = [value.dynamic[0], other.dynamic[1]]
            init = self.filled(0.0, (rows, columns), dynamic, dtype)
            type_ = tensor((rows, columns), dynamic, dtype)
            name = self.define(
                f"linalg.matmul ins({value.name}, {other.name} : {value.type}, "
                f"{other.type}) outs({init} : {type_}) -> {type_}"
            )
            return self.value(
                name, dtype, dynamic, np.matmul, [value, other],
                noise=ROUNDOFF[dtype] * max(inner, 4),
            )  # fmt: skip
        if kind == "batch_matmul" and rank == 3:
            batch, rows, inner = shape
            columns = self.pick((1, 3, 16, 33))
            if batch * inner * columns > 1 << 17:
                return None
            other = self.source((batch, columns, inner), value.dtype)
            dtype = accumulator(value.dtype)
            dynamic = [value.dynamic[0], value.dynamic[1], other.dynamic[1]]
            init = self.filled(0.0, (batch, rows, columns), dynamic, dtype)
            type_ = tensor((batch, rows, columns), dynamic, dtype)
            extend = (
                f"%x = arith.extf %a : {value.dtype} to {dtype}\n"
                f"%y = arith.extf %b : {value.dtype} to {dtype}\n"
                if dtype != value.dtype
                else ""
            )
            left, right = ("%x", "%y") if extend else ("%a", "%b")
            name = self.generic(
                [value, other],
                [[0, 1, 3], [0, 2, 3]],
                4,
                init,
                type_,
                dtype,
                f"{extend}%m = arith.mulf {left}, {right} : {{t}}\n"
                "%r = arith.addf %o, %m : {t}",
                [0, 1, 2],
            )
            return self.value(
                name, dtype, dynamic, lambda x, y: x @ np.swapaxes(y, 1, 2),
                [value, other], noise=ROUNDOFF[dtype] * max(inner, 4),
            )  # fmt: skip
        if kind == "reduce" and rank:
            axes = sorted(
                {int(i) for i in self.rng.integers(rank, size=self.between(1, 2))}
            )
            keep = [i for i in range(rank) if i not in axes]
            new = tuple(shape[i] for i in keep)
            dynamic = [value.dynamic[i] for i in keep]
            dtype = accumulator(value.dtype)
            total = self.flip(0.6)
            reduced = int(np.prod([shape[i] for i in axes]))
            init = self.filled(0.0 if total else -8.0, new, dynamic, dtype)
            extend = (
                f"%x = arith.extf %a : {value.dtype} to {dtype}\n"
                if dtype != value.dtype
                else ""
            )
            op = "addf" if total else "maximumf"
            name = self.generic(
                [value],
                [list(range(rank))],
                rank,
                init,
                tensor(new, dynamic, dtype),
                dtype,
                f"{extend}%r = arith.{op} %o, {'%x' if extend else '%a'} : {{t}}",
                keep,
            )

            def reduce(x: Array) -> Array:
                if total:
                    return np.asarray(x.sum(axis=tuple(axes)))
                return np.asarray(x.max(axis=tuple(axes), initial=-8.0))

            return self.value(
                name, dtype, dynamic, reduce, [value],
                noise=ROUNDOFF[dtype] * max(reduced, 4) if total else 0.0,
            )  # fmt: skip
        if kind == "broadcast" and rank and rank < 4:
            extra = self.pick((1, 2, 5, 16))
            if value.exact.size * extra > 1 << 17:
                return None
            place = self.between(0, rank)
            new = (*shape[:place], extra, *shape[place:])
            dynamic = [*value.dynamic[:place], self.flip(0.3), *value.dynamic[place:]]
            out = self.empty(new, dynamic, value.dtype)
            type_ = tensor(new, dynamic, value.dtype)
            if self.flip():
                name = self.define(
                    f"linalg.broadcast ins({value.name} : {value.type}) "
                    f"outs({out} : {type_}) dimensions = [{place}]"
                )
            else:
                dims = [i for i in range(rank + 1) if i != place]
                name = self.generic(
                    [value],
                    [dims],
                    rank + 1,
                    out,
                    type_,
                    value.dtype,
                    "%r = arith.negf %a : {t}",
                )
                return self.value(
                    name,
                    value.dtype,
                    dynamic,
                    lambda x: np.broadcast_to(-np.expand_dims(x, place), new),
                    [value],
                )
            return self.value(
                name,
                value.dtype,
                dynamic,
                lambda x: np.broadcast_to(np.expand_dims(x, place), new),
                [value],
                0.0,
            )
        if kind == "concat" and rank and value.exact.size < 1 << 16:
            axis = self.between(0, rank - 1)
            wanted = list(shape)
            wanted[axis] = self.pick((1, 2, 7))
            other = self.source(tuple(wanted), value.dtype)
            dynamic = [
                a and b for a, b in zip(value.dynamic, other.dynamic, strict=True)
            ]
            dynamic[axis] = value.dynamic[axis] or other.dynamic[axis]
            joined = list(shape)
            joined[axis] += wanted[axis]
            type_ = tensor(tuple(joined), dynamic, value.dtype)
            pair = [value, other]
            if self.flip():
                pair.reverse()
            name = self.define(
                f"tensor.concat dim({axis}) {pair[0].name}, {pair[1].name} : "
                f"({pair[0].type}, {pair[1].type}) -> {type_}"
            )
            return self.value(
                name,
                value.dtype,
                dynamic,
                lambda x, y: np.concatenate([x, y], axis),
                pair,
                0.0,
            )
        if kind == "pad" and rank and value.exact.size < 1 << 16:
            low = [self.between(0, 2) for _ in shape]
            high = [self.between(0, 2) for _ in shape]
            new = tuple(a + n + b for a, n, b in zip(low, shape, high, strict=True))
            type_ = tensor(new, value.dynamic, value.dtype)
            ids = ", ".join(f"%i{i}: index" for i in range(rank))
            name = self.define(
                f"tensor.pad {value.name} low[{', '.join(map(str, low))}] "
                f"high[{', '.join(map(str, high))}] {{\n  ^bb0({ids}):\n"
                f"    %p = arith.constant 0.25 : {value.dtype}\n"
                f"    tensor.yield %p : {value.dtype}\n  }} : {value.type} to {type_}"
            )
            return self.value(
                name,
                value.dtype,
                value.dynamic,
                lambda x: np.pad(
                    x, list(zip(low, high, strict=True)), constant_values=0.25
                ),
                [value],
                0.0,
            )
        if kind == "collapse" and rank > 1:
            cut = self.between(1, rank - 1)
            return self.collapse(value, [list(range(cut)), list(range(cut, rank))])
        if kind == "loop":
            # x = tanh(x + y), `trips` times.
            trips = self.pick((0, 1, 2, 3))
            other = self.match(self.source(shape, value.dtype), value)
            first, last, one = self.index(0), self.size(trips), self.index(1)
            t = value.type
            name = self.define(
                f"scf.for %it = {first} to {last} step {one} "
                f"iter_args(%x = {value.name}) -> ({t}) {{\n"
                f"    %y = arith.addf %x, {other.name} : {t}\n"
                f"    %z = math.tanh %y : {t}\n    scf.yield %z : {t}\n  }}"
            )

            def loop(x: Array, y: Array) -> Array:
                for _ in range(trips):
                    x = np.tanh(x + y)
                return x

            noise = 4 * trips * ROUNDOFF[value.dtype]
            pair = [value, other]
            return self.value(name, value.dtype, value.dynamic, loop, pair, noise)
        if kind == "branch":
            taken = self.flip()
            other = self.match(self.source(shape, value.dtype), value)
            flag = self.scalar("i1", taken)
            t = value.type
            name = self.define(
                f"scf.if {flag} -> ({t}) {{\n"
                f"    %y = arith.negf {value.name} : {t}\n    scf.yield %y : {t}\n"
                f"  }} else {{\n    scf.yield {other.name} : {t}\n  }}"
            )
            return self.value(
                name,
                value.dtype,
                value.dynamic,
                (lambda x, y: -x) if taken else (lambda x, y: y),
                [value, other],
                0.0,
            )
        if kind == "convert":
            return self.convert(value, self.pick(DTYPES))
        if kind == "splat" and rank and not any(value.dynamic):
            number = self.define(f"arith.constant 0.5 : {value.dtype}")
            made = self.define(f"tensor.splat {number} : {value.type}")
            name = self.define(f"arith.mulf {value.name}, {made} : {value.type}")
            return self.value(
                name, value.dtype, value.dynamic, lambda x: x * 0.5, [value], 0.0
            )
        if kind == "extract" and value.exact.size:
            spot = tuple(self.between(0, n - 1) for n in shape)
            spots = ", ".join(self.size(i) for i in spot)
            number = self.define(f"tensor.extract {value.name}[{spots}] : {value.type}")
            out = self.empty(shape, value.dynamic, value.dtype)
            name = self.define(
                f"linalg.fill ins({number} : {value.dtype}) outs({out} : {value.type}) "
                f"-> {value.type}"
            )
            return self.value(
                name,
                value.dtype,
                value.dynamic,
                lambda x: np.full(shape, x[spot]),
                [value],
                0.0,
            )
        return None

    # seqc.

    def length(self) -> int:
        return 0 if self.flip(0.04) else int(self.pick(SIZES))

    def schedule(self, splits: bool = True) -> str:
        if self.flip(0.5):
            return ""
        parts = []
        if self.flip(0.7):
            parts.append(f"tile_m = {self.pick((1, 3, 8, 16, 32, 64, 100, 512))}")
        if self.flip(0.7):
            parts.append(f"tile_n = {self.pick((1, 5, 8, 16, 32, 64, 100, 512))}")
        if splits and self.flip(0.5):
            parts.append(f"splits = {self.pick((1, 2, 3, 4, 9))}")
        if not parts:
            return ""
        return f" {{schedule = #seqc.schedule<{', '.join(parts)}>}}"

    def result_dims(self, dims: Sequence[tuple[Value, int]]) -> list[bool]:
        """Which sizes of a result are dynamic; mostly as those of its operands."""
        if self.flip(0.1):
            return [self.flip(self.graph.dynamic) for _ in dims]
        return [v.dynamic[i] for v, i in dims]

    def fixed(self, value: Value, axes: Sequence[int]) -> Value:
        """The value with these sizes static."""
        dynamic = [d and i not in axes for i, d in enumerate(value.dynamic)]
        return self.cast(value, dynamic)

    def call_op(
        self,
        text: str,
        operands: Sequence[tuple[str, str]],
        results: Sequence[str],
    ) -> list[str]:
        names = [self.fresh() for _ in results]
        types = ", ".join(t for _, t in operands)
        self.line(f"{', '.join(names)} = {text} : ({types}) -> ({', '.join(results)})")
        return names

    def attention(self) -> None:
        dtype = self.graph.dtype
        acc = accumulator(dtype)
        batch = self.pick((1, 1, 2, 3))
        kv_heads = self.pick((1, 1, 2, 3))
        heads = kv_heads * self.pick((1, 1, 2, 4))
        queries, keys = self.length(), self.length()
        if self.flip(0.4):
            keys = queries
        width, value_width = self.pick(HEAD_DIMS), self.pick(HEAD_DIMS)
        if self.flip(0.5):
            value_width = width
        q = self.fixed(self.source((batch, heads, queries, width), dtype), [3])
        k = self.fixed(self.source((batch, kv_heads, keys, width), dtype), [3])
        v = self.fixed(self.source((batch, kv_heads, keys, value_width), dtype), [3])
        # The verifier wants the ratio of the heads where both are static.
        inputs = [q, k, v]
        operands = [(x.name, x.type) for x in inputs]
        text = f"seqc.attention query({q.name}) key({k.name}) value({v.name})"
        options: dict[str, Any] = {}
        used: list[str] = []
        if self.flip(0.3):
            full = (batch, heads, queries, keys)
            shape = tuple(n if self.flip(0.6) else 1 for n in full)
            bias = self.source(shape, self.pick((dtype, acc)))
            bias = self.fixed(
                bias, [i for i, n in enumerate(shape) if n == 1 and full[i] != 1]
            )
            text += f" bias({bias.name})"
            operands.append((bias.name, bias.type))
            used.append("bias")
            inputs.append(bias)
        if self.flip(0.2):
            first = self.argument((batch, queries), "i32", self.segment_ids)
            second = self.argument((batch, keys), "i32", self.segment_ids)
            text += f" segments({first.name}, {second.name})"
            operands += [(first.name, first.type), (second.name, second.type)]
            options["segment_ids"] = (first.exact, second.exact)
        if self.flip(0.2):
            prefix = self.argument(
                (batch,), "i32", lambda s: self.rng.integers(-2, keys + 3, s)
            )
            text += f" prefix({prefix.name})"
            operands.append((prefix.name, prefix.type))
            options["prefix"] = prefix.exact
        if self.flip(0.2):
            sinks = self.source((heads,), acc)
            text += f" sinks({sinks.name})"
            operands.append((sinks.name, sinks.type))
            used.append("sinks")
            inputs.append(sinks)
        dropout = 0.0
        if self.flip(0.12):
            dropout = self.pick((0.1, 0.5, 0.9))
            seed = self.between(0, 1 << 40)
            name = (
                self.scalar("i64", seed)
                if self.flip()
                else self.define(f"arith.constant {seed} : i64")
            )
            text += f" dropout({dropout}, {name})"
            operands.append((name, "i64"))
            options |= {"dropout_p": dropout, "seed": seed}
        if self.flip(0.3):
            options["scale"] = self.pick((0.125, 0.0, -0.25, 0.5))
            text += f" scale({options['scale']})"
        if self.flip(0.5):
            options["causal"] = True
            text += " causal"
        left = right = None
        if self.flip(0.25):
            left = self.pick((0, 1, 7, 32, 1000))
            text += f" window_left({left})"
        if self.flip(0.2):
            right = self.pick((0, 2, 16, 500))
            text += f" window_right({right})"
        options["window"] = (left, right)
        if options.get("causal") and self.flip(0.3):
            options["causal"] = "top_left"
            text += " align(top_left)"
        score = self.score_region(acc, heads, queries, keys)
        if score is not None:
            lines, compute, captured = score
            used += [f"score{i}" for i in range(len(captured))]
            inputs += captured
            text += (
                f" score {{\n  ^bb0(%s: {acc}, %b: index, %h: index, %i: index, "
                f"%j: index):\n    {lines}\n    seqc.yield %r : {acc}\n  }}"
            )
        mask = self.mask_region(batch, heads, queries, keys)
        if mask is not None:
            lines, options["mask_mod"] = mask
            text += (
                f" mask {{\n  ^bb0(%b: index, %h: index, %i: index, %j: index):\n"
                f"    {lines}\n    seqc.yield %r : i1\n  }}"
            )
        text += self.schedule()
        dims = self.result_dims([(q, 0), (q, 1), (q, 2), (v, 3)])
        dims[3] = False
        results = [tensor((batch, heads, queries, value_width), dims, dtype)]
        with_lse = self.flip(0.5)
        if with_lse:
            results.append(tensor((batch, heads, queries), dims[:3], acc))
        names = self.call_op(text, operands, results)

        def run(which: int) -> Callable[..., Any]:
            def go(q: Array, k: Array, v: Array, *rest: Array) -> Any:
                given = dict(options)
                extra = dict(zip(used, rest, strict=True))
                for key in ("bias", "sinks"):
                    if key in extra:
                        given[key] = extra[key]
                if score is not None:
                    tables = [a for n, a in extra.items() if n.startswith("score")]
                    given["score_mod"] = lambda s, b, h, i, j: compute(
                        tables, s, b, h, i, j
                    )
                return reference.attention(q, k, v, **given)[which]

            return go

        spread = 1 / (1 - dropout)
        out = self.value(
            names[0], dtype, dims, run(0), inputs, 4 * spread * ATTENTION[dtype]
        )
        self.raw.append(out)
        self.pool.append(self.scaled(out))
        if with_lse:
            lse = self.value(names[1], acc, dims[:3], run(1), inputs, 4 * LSE[dtype])
            self.raw.append(lse)
            self.pool.append(
                self.scaled(
                    self.elementwise(
                        [lse],
                        f"%c = arith.constant {literal(-4.0, acc)} : {{t}}\n"
                        "%r = arith.maximumf %a, %c : {t}",
                        lambda x: np.maximum(x, -4.0),
                    )
                )
            )

    def segment_ids(self, shape: Shape) -> Array:
        if self.flip():
            return np.sort(self.rng.integers(-1, 3, shape), axis=-1)
        return self.rng.integers(0, 2, shape)

    def score_region(
        self, acc: str, heads: int, queries: int, keys: int
    ) -> tuple[str, Callable[..., Any], list[Value]] | None:
        if self.flip(0.6):
            return None
        kind = self.pick(("softcap", "alibi", "table", "query", "scalar", "mixed"))
        if kind == "softcap":
            cap = self.define(f"arith.constant 2.0 : {acc}")
            return (
                f"%q = arith.divf %s, {cap} : {acc}\n    %t = math.tanh %q : {acc}\n"
                f"    %r = arith.mulf %t, {cap} : {acc}",
                lambda tables, s, b, h, i, j: 2 * np.tanh(s / 2),
                [],
            )
        if kind == "alibi":
            slopes = self.source((heads,), acc)
            return (
                f"%m = tensor.extract {slopes.name}[%h] : {slopes.type}\n"
                "    %d = arith.subi %j, %i : index\n"
                "    %e = arith.index_cast %d : index to i32\n"
                f"    %f = arith.sitofp %e : i32 to {acc}\n"
                f"    %c = arith.constant {literal(0.0625, acc)} : {acc}\n"
                f"    %g = arith.mulf %f, %c : {acc}\n"
                f"    %n = arith.mulf %m, %g : {acc}\n"
                f"    %r = arith.addf %s, %n : {acc}",
                lambda tables, s, b, h, i, j: s + tables[0][h] * ((j - i) / 16),
                [slopes],
            )
        if kind == "table":
            # A relative position table, clamped at its ends.
            half = self.pick((1, 3, 8))
            table = self.source((heads, 2 * half + 1), self.pick((acc, "f32", "f16")))
            convert = ""
            name = "%x"
            if table.dtype != acc:
                op = "truncf" if (table.dtype, acc) == ("f64", "f32") else "extf"
                convert = f"    %y = arith.{op} %x : {table.dtype} to {acc}\n"
                name = "%y"
            return (
                f"%d = arith.subi %i, %j : index\n    %hi = arith.constant {half} : "
                f"index\n    %lo = arith.constant {-half} : index\n"
                "    %m = arith.minsi %d, %hi : index\n"
                "    %n = arith.maxsi %m, %lo : index\n"
                "    %k = arith.addi %n, %hi : index\n"
                f"    %x = tensor.extract {table.name}[%h, %k] : {table.type}\n"
                f"{convert}    %r = arith.addf %s, {name} : {acc}",
                lambda tables, s, b, h, i, j: (
                    s + tables[0][h, np.clip(i - j, -half, half) + half]
                ),
                [table],
            )
        if kind == "query":
            table = self.source((queries, keys), acc)
            return (
                f"%x = tensor.extract {table.name}[%i, %j] : {table.type}\n"
                f"    %r = arith.mulf %s, %x : {acc}",
                lambda tables, s, b, h, i, j: s * tables[0][i, j],
                [table],
            )
        if kind == "scalar":
            number = self.pick((0.5, -1.0, 2.0))
            name = self.scalar(acc, number)
            return (
                f"%x = arith.mulf %s, {name} : {acc}\n    %r = math.sin %x : {acc}",
                lambda tables, s, b, h, i, j: np.sin(s * number),
                [],
            )
        table = self.source((keys,), acc)
        return (
            "%two = arith.constant 2 : index\n    %z = arith.constant 0 : index\n"
            "    %m = arith.remui %i, %two : index\n"
            "    %p = arith.cmpi eq, %m, %z : index\n"
            f"    %x = tensor.extract {table.name}[%j] : {table.type}\n"
            f"    %y = arith.addf %s, %x : {acc}\n"
            f"    %r = arith.select %p, %y, %s : {acc}",
            lambda tables, s, b, h, i, j: np.where(i % 2 == 0, s + tables[0][j], s),
            [table],
        )

    def mask_region(
        self, batch: int, heads: int, queries: int, keys: int
    ) -> tuple[str, Callable[..., Any]] | None:
        if self.flip(0.65):
            return None
        kind = self.pick(("stride", "documents", "table", "affine", "none", "or"))
        if kind == "stride":
            return (
                "%t = arith.constant 3 : index\n    %z = arith.constant 0 : index\n"
                "    %a = arith.addi %i, %j : index\n"
                "    %c = arith.addi %a, %h : index\n"
                "    %m = arith.remui %c, %t : index\n"
                "    %r = arith.cmpi ne, %m, %z : index",
                lambda b, h, i, j: (i + j + h) % 3 != 0,
            )
        if kind == "documents":
            ids = self.argument((batch, keys), "i32", self.segment_ids)
            first = self.argument((queries,), "i32", self.segment_ids)
            return (
                f"%x = tensor.extract {ids.name}[%b, %j] : {ids.type}\n"
                f"    %y = tensor.extract {first.name}[%i] : {first.type}\n"
                "    %r = arith.cmpi sle, %x, %y : i32",
                lambda b, h, i, j: ids.exact[b, j] <= first.exact[i],
            )
        if kind == "table":
            allowed = self.argument(
                (queries, keys), "i1", lambda s: self.rng.random(s) < 0.7
            )
            return (
                f"%r = tensor.extract {allowed.name}[%i, %j] : {allowed.type}",
                lambda b, h, i, j: allowed.exact[i, j],
            )
        if kind == "affine":
            shift = self.between(-5, 20)
            return (
                f"%c = arith.constant {shift} : index\n"
                "    %a = arith.addi %i, %c : index\n"
                "    %r = arith.cmpi slt, %j, %a : index",
                lambda b, h, i, j: j < i + shift,
            )
        if kind == "none":
            return ("%r = arith.constant false", lambda b, h, i, j: (i + j) < 0)
        block = self.pick((4, 16))
        return (
            f"%w = arith.constant {block} : index\n    %o = arith.constant 2 : index\n"
            "    %a = arith.divui %i, %w : index\n"
            "    %c = arith.divui %j, %w : index\n"
            "    %p = arith.cmpi eq, %a, %c : index\n"
            "    %q = arith.cmpi ult, %j, %o : index\n    %r = arith.ori %p, %q : i1",
            lambda b, h, i, j: (i // block == j // block) | (j < 2),
        )

    def positive(self, value: Value, sign: float, shift: float) -> Value:
        """sign * (|x| + shift)"""
        c = literal(shift, value.dtype)
        negate = (
            "%r = arith.negf %p : {t}" if sign < 0 else "%r = arith.addf %m, %c : {t}"
        )
        return self.elementwise(
            [value],
            f"%c = arith.constant {c} : {{t}}\n%m = math.absf %a : {{t}}\n"
            f"%p = arith.addf %m, %c : {{t}}\n{negate}",
            lambda x: sign * (np.abs(x) + shift),
        )

    def scan(self) -> None:
        dtype = self.graph.dtype
        acc = accumulator(dtype)
        batch, length, states = self.pick((1, 2, 3)), self.length(), self.pick(STATES)
        groups = self.pick((1, 1, 2, 3))
        channels = groups * self.pick((1, 2, 5, 8, 16, 24))
        shape = (batch, channels, length)
        inputs: list[Value] = []
        operands: list[tuple[str, str]] = []
        used: list[str] = []
        text = "seqc.selective_scan"

        def give(keyword: str, value: Value) -> Value:
            nonlocal text
            text += f" {keyword}({value.name})"
            operands.append((value.name, value.type))
            used.append(keyword)
            inputs.append(value)
            return value

        def projection() -> Value:
            kind = self.pick(("constant", "variable", "groups"))
            if kind == "constant":
                kinds = (dtype, acc)
                found = self.source((channels, states), self.pick(kinds))
                return self.fixed(found, [1])
            if kind == "variable":
                return self.fixed(self.source((batch, states, length), dtype), [1])
            found = self.source((batch, groups, states, length), dtype)
            return self.fixed(found, [1, 2])

        softplus = self.flip()
        u = give("u", self.source(shape, dtype))
        delta = self.source(shape, dtype)
        if not softplus:
            delta = self.positive(delta, 1.0, 0.0)
        give("delta", delta)
        a = self.source((channels, states), self.pick((dtype, acc)))
        a = give("A", self.fixed(self.positive(a, -1.0, 0.0625), [1]))
        give("B", projection())
        give("C", projection())
        if self.flip():
            give("D", self.source((channels,), self.pick((dtype, acc))))
        if self.flip():
            give("z", self.source(shape, dtype))
        if self.flip(0.4):
            bias = self.source((channels,), self.pick((dtype, acc)))
            if not softplus:
                bias = self.positive(bias, 1.0, 0.0)
            give("delta_bias", bias)
        if self.flip(0.4):
            state = self.source((batch, channels, states), acc)
            give("initial_state", self.fixed(state, [2]))
        if softplus:
            text += " delta_softplus"
        text += self.schedule()
        dims = self.result_dims([(u, 0), (u, 1), (u, 2)])
        results = [tensor(shape, dims, dtype)]
        with_state = self.flip()
        state_dims = [*dims[:2], False]
        if with_state:
            results.append(tensor((batch, channels, states), state_dims, acc))
        names = self.call_op(text, operands, results)

        def run(which: int) -> Callable[..., Any]:
            return lambda *xs: reference.selective_scan(
                **dict(zip(used, xs, strict=True)), delta_softplus=softplus
            )[which]

        out = self.value(names[0], dtype, dims, run(0), inputs, 4 * SCAN[dtype])
        self.raw.append(out)
        self.pool.append(self.scaled(out))
        if with_state:
            last = self.value(
                names[1], acc, state_dims, run(1), inputs, 4 * STATE[dtype]
            )
            self.raw.append(last)
            self.pool.append(self.scaled(last))

    def conv(self) -> None:
        dtype = self.graph.dtype
        acc = accumulator(dtype)
        batch, length = self.pick((1, 2, 3)), self.length()
        channels, width = self.pick((1, 2, 5, 8, 16, 33)), self.pick((1, 2, 3, 4, 4, 7))
        shape = (batch, channels, length)
        x = self.source(shape, dtype)
        w = self.source((channels, width), self.pick((dtype, acc)))
        w = self.fixed(w, [1])
        inputs = [x, w]
        operands = [(x.name, x.type), (w.name, w.type)]
        text = f"seqc.causal_conv1d x({x.name}) weight({w.name})"
        has_bias, has_state = self.flip(), self.flip(0.4)
        if has_bias:
            bias = self.source((channels,), self.pick((dtype, acc)))
            text += f" bias({bias.name})"
            operands.append((bias.name, bias.type))
            inputs.append(bias)
        if has_state:
            state = self.source((batch, channels, width - 1), dtype)
            if width == 1 or self.flip():
                state = self.fixed(state, [2])
            text += f" initial_state({state.name})"
            operands.append((state.name, state.type))
            inputs.append(state)
        silu = self.flip()
        if silu:
            text += " activation(silu)"
        text += self.schedule()
        dims = self.result_dims([(x, 0), (x, 1), (x, 2)])
        results = [tensor(shape, dims, dtype)]
        with_state = self.flip()
        state_dims = [*dims[:2], False]
        if with_state:
            last_shape = (batch, channels, width - 1)
            results.append(tensor(last_shape, state_dims, dtype))
        names = self.call_op(text, operands, results)

        def run(which: int) -> Callable[..., Any]:
            def go(x: Array, w: Array, *rest: Array) -> Any:
                more = list(rest)
                bias = more.pop(0) if has_bias else None
                state = more.pop(0) if has_state else None
                activation = "silu" if silu else None
                return reference.causal_conv1d(x, w, bias, activation, state)[which]

            return go

        out = self.value(names[0], dtype, dims, run(0), inputs, 4 * CONV[dtype])
        self.raw.append(out)
        self.pool.append(self.scaled(out))
        if with_state:
            last = self.value(names[1], dtype, state_dims, run(1), inputs, 0.0)
            self.raw.append(last)
            self.pool.append(last)

    def helper_call(self) -> None:
        """A call of the private function @helper, made once: tanh(x) * 0.5."""
        value = self.source((self.pick((2, 5)), self.pick((3, 17))), self.graph.dtype)
        value = self.cast(value, [True, True])
        t = value.type
        self.graph.helper = (
            f"func.func private @helper(%x: {t}) -> {t} {{\n"
            f"  %c = arith.constant {literal(0.5, value.dtype)} : {value.dtype}\n"
            f"  %t = math.tanh %x : {t}\n"
            f"  %zero = arith.constant 0 : index\n  %one = arith.constant 1 : index\n"
            f"  %m = tensor.dim %x, %zero : {t}\n  %n = tensor.dim %x, %one : {t}\n"
            f"  %e = tensor.splat %c[%m, %n] : {t}\n"
            f"  %r = arith.mulf %t, %e : {t}\n  return %r : {t}\n}}\n"
        )
        name = self.define(f"func.call @helper({value.name}) : ({t}) -> {t}")
        self.pool.append(
            self.value(
                name, value.dtype, value.dynamic, lambda x: 0.5 * np.tanh(x), [value]
            )
        )

    def build(self) -> None:
        for _ in range(self.between(1, 4)):
            for _ in range(self.between(0, 3)):
                if self.pool:
                    made = self.step()
                    if made is not None:
                        self.pool.append(self.scaled(made))
            if self.flip(0.05):
                self.helper_call()
            self.pick((self.attention, self.attention, self.scan, self.conv))()
        for _ in range(self.between(0, 3)):
            made = self.step()
            if made is not None:
                self.pool.append(self.scaled(made))
        candidates = self.raw + self.pool[-6:] + self.pool[-2:]
        self.results: list[Value] = [self.pool[-1]]
        for _ in range(self.between(0, 4)):
            self.results.append(self.pick(candidates))
        if self.flip(0.1):
            self.results.append(self.pick(self.pool))
        if self.flip(0.1):
            self.results.append(self.constant((3,), self.graph.dtype))
        if self.flip(0.1):
            self.results.append(self.results[0])

    def text(self) -> str:
        arguments = ", ".join(f"{name}: {type_}" for name, type_, _ in self.arguments)
        types = ", ".join(value.type for value in self.results)
        names = ", ".join(value.name for value in self.results)
        return "\n".join(
            [
                f"func.func @{self.name}({arguments}) -> ({types}) {{",
                *self.lines,
                f"  return {names} : {types}",
                "}",
                "",
            ]
        )


def literal(number: float, dtype: str) -> str:
    text = repr(float(number))
    return text if "." in text else text.replace("e", ".0e")


def dense(array: Array, dtype: str) -> str:
    if array.size and (array == array.flat[0]).all():
        return f"dense<{literal(array.flat[0], dtype)}>"

    def nest(part: Array) -> str:
        if part.ndim == 0:
            return literal(float(part), dtype)
        return f"[{', '.join(nest(x) for x in part)}]"

    return f"dense<{nest(array)}>"


class Graph:
    """A module: one or two public functions, perhaps a private one."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self.seed = seed
        self.helper = ""
        weights = {"f32": 0.55, "f16": 0.15, "bf16": 0.15, "f64": 0.15}
        kinds = [d for d in DTYPES if d != "bf16" or BFLOAT16 is not None]
        odds = np.array([weights[d] for d in kinds])
        self.dtype = str(rng.choice(kinds, p=odds / odds.sum()))
        self.dynamic = float(rng.choice([0.0, 0.3, 0.7, 1.0]))
        count = 2 if rng.random() < 0.12 else 1
        self.functions = [Function(rng, f"f{i}", self) for i in range(count)]
        for function in self.functions:
            function.build()
        schedule: dict[str, int] = {}
        if rng.random() < 0.2:
            schedule["tile_m"] = int(rng.choice([2, 16, 48]))
        if rng.random() < 0.2:
            schedule["tile_n"] = int(rng.choice([4, 24, 64]))
        if rng.random() < 0.2:
            schedule["splits"] = int(rng.choice([2, 5]))
        self.schedule = schedule

    def text(self) -> str:
        parts = [function.text() for function in self.functions]
        return "".join([self.helper, *parts])


def snapshot(arrays: Sequence[Any]) -> list[bytes]:
    return [a.tobytes() if isinstance(a, np.ndarray) else b"" for a in arrays]


def check(graph: Graph) -> None:
    """Compiles and runs a program; raises where anything is not as it must be."""
    program = seqc.compile(graph.text(), schedule=graph.schedule or None)
    threads = seqc.get_num_threads()
    for function in graph.functions:
        compiled = program[function.name]
        arguments = [array for _, _, array in function.arguments]
        before = snapshot(arguments)
        runs = []
        for count in (2, 2, 1):
            seqc.set_num_threads(count)
            try:
                got = compiled(*arguments)
            finally:
                seqc.set_num_threads(threads)
            runs.append(got if isinstance(got, tuple) else (got,))
            if snapshot(arguments) != before:
                raise AssertionError(f"@{function.name} wrote to an argument")
        for at, value in enumerate(function.results):
            what = f"@{function.name} result {at} ({value.name} : {value.type})"
            first, second, alone = (np.asarray(run[at]) for run in runs)
            for other in arguments:
                if isinstance(other, np.ndarray) and np.shares_memory(first, other):
                    raise AssertionError(f"{what}: shares memory with an argument")
            for other in runs[0][:at]:
                if np.shares_memory(first, other):
                    raise AssertionError(f"{what}: shares memory with another result")
            compare(what, first, value)
            if first.tobytes() != second.tobytes():
                raise AssertionError(f"{what}: another run gave other bits")
            if first.tobytes() != alone.tobytes():
                raise AssertionError(f"{what}: one thread gives other bits than two")


def compare(what: str, got: Array, value: Value) -> None:
    if got.shape != value.shape:
        raise AssertionError(f"{what}: got shape {got.shape}, expected {value.shape}")
    if got.dtype == np.uint16 and value.dtype == "bf16":
        got = got.view(NUMPY["bf16"])
    if got.dtype != NUMPY[value.dtype]:
        raise AssertionError(f"{what}: got dtype {got.dtype}")
    x, y = as_f64(got), value.exact
    special = ~np.isfinite(y)
    same = np.array_equal(x[special], y[special], equal_nan=True)
    with np.errstate(invalid="ignore"):
        error = np.where(special, 0.0, np.abs(x - y))
    bound = value.bound()
    wrong = int((~(error <= bound)).sum())
    if wrong or not same:
        worst = np.nanmax(error) if error.size else 0
        spot = np.unravel_index(
            int(np.argmax(np.where(np.isnan(error), np.inf, error))), x.shape
        )
        raise AssertionError(
            f"{what}: {wrong} of {x.size} wrong, largest error {worst:.3g} where "
            f"{bound:.3g} is allowed; at {[int(i) for i in spot]} {x[spot]!r}, "
            f"expected {y[spot]!r}" + ("" if same else "; infinities or NaN differ")
        )


def run_seed(seed: int) -> str | None:
    """None, or what is wrong."""
    try:
        graph = Graph(seed)
    except Exception:
        return "GENERATOR " + traceback.format_exc()
    try:
        check(graph)
    except seqc.SeqcError as error:
        return f"{type(error).__name__}: {error}"
    except AssertionError as error:
        return f"wrong result: {error}"
    except Exception:
        return "GENERATOR " + traceback.format_exc()
    return None


def main() -> None:
    if sys.argv[1] == "--serve":
        for line in sys.stdin:
            print(json.dumps(run_seed(int(line))), flush=True)
        return
    if sys.argv[1] == "--print":
        graph = Graph(int(sys.argv[2]))
        print(f"// seed {graph.seed}, schedule {graph.schedule}\n{graph.text()}")
        return
    failure = run_seed(int(sys.argv[1]))
    print(failure or "ok")
    raise SystemExit(1 if failure else 0)


if __name__ == "__main__":
    main()
