# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Running a function on traced values in place of its arguments and captures.

Arrays that the function captures, in its closure, its globals, its defaults or
the object it is a method of, are replaced by proxies before it runs. Indexing a
proxy by tracers emits a load from an extra function argument, so the array's
values are not part of the program and neither is its size.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _arrays
from ._errors import TraceError
from ._trace_builder import Builder
from ._trace_values import INT, ArrayProxy, Tracer

# What a function captured: how to get each value again, and the value.
Seen = list[tuple[Callable[[], Any], Any]]

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
        self.seen: Seen | None = []
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
) -> tuple[Any, Seen | None]:
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
