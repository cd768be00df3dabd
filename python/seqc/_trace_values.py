# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a traced function computes with: numbers and captured arrays.

There are three kinds of number: `float` (the accumulator type), `int` (`index`,
so that the compiler's affine analysis sees through it) and `bool` (`i1`). Python's
operators, numpy's functions and torch's all end in `Region.apply`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

from ._errors import TraceError
from ._trace_captures import Captures

FLOAT, INT, BOOL = "float", "int", "bool"


class Region(Protocol):
    """What a traced value asks of the builder of its region."""

    captures: Captures
    role: str

    def fail(self, message: str) -> TraceError:
        """The error for a function that does what cannot be compiled."""

    def type_of(self, kind: str) -> str:
        """The MLIR type of a kind."""

    def constant(self, value: bool | int | float, kind: str) -> Tracer:
        """A constant of the region."""

    def lift(self, value: Any, op: str) -> Tracer:
        """An operand of `op` as a number of the region."""

    def load(self, capture: int, indices: Sequence[Tracer]) -> Tracer:
        """An element of a captured array."""

    def find(self, name: str) -> str | None:
        """The operation that seqc, numpy or torch calls `name`."""

    def apply(
        self, name: str, operands: Sequence[Any], kwargs: dict[str, Any]
    ) -> Tracer:
        """Emits the operation that seqc, numpy or torch calls `name`."""


class Traced:
    """What tracers and captured arrays of rank 0 share: the operators."""

    __slots__ = ()
    __hash__ = object.__hash__
    builder: Region

    def _apply(self, name: str, *operands: Any, **kwargs: Any) -> Any:
        return self.builder.apply(name, operands, kwargs)

    def __bool__(self) -> bool:
        raise self.builder.fail(
            "Python cannot branch on a traced value (`if`, `and`, `or`, `not`, `a < b "
            "< c`, `min`, `max`): use seqc.where(condition, a, b), or & | ~ on "
            "parenthesised comparisons"
        )

    def __index__(self) -> int:
        raise self.builder.fail(
            "a traced value cannot be a Python integer (an index of a list, a range, "
            "or an array that the trace does not know): bind the array to a variable "
            "of the enclosing function or module and index that"
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
        op = self.builder.find(name)
        if op is not None:
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
        found = next(x for x in flat if isinstance(x, Traced))
        name = func.__name__
        if name == "__getitem__":
            return ArrayProxy(found.builder, args[0], "tensor")[index]
        return found._apply(name, *args, **kwargs)


class Tracer(Traced):
    """One number inside a region."""

    __slots__ = ("builder", "constant", "kind", "name", "nonneg", "variable")

    def __init__(
        self,
        builder: Region,
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


class ArrayProxy(Traced):
    """A captured array: indexing it by traced values loads an element."""

    __slots__ = ("builder", "indices", "label", "value")

    def __init__(
        self, builder: Region, value: Any, label: str, indices: tuple[Any, ...] = ()
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
        if Ellipsis in [x for x in given if not isinstance(x, Traced)]:
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
                f"{self.shape}: index it by b, h, q_idx or kv_idx first"
            )
        capture = self.builder.captures.add(self.value, self.label)
        return self.builder.load(capture, self.indices)
