# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions for users: on traced values they emit, on anything else they are
numpy's or torch's, so that a score_mod can also be called directly.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ._trace_values import FLOAT, INT, Traced


def _call(name: str, *operands: Any) -> Any:
    for operand in operands:
        if isinstance(operand, Traced):
            return operand.builder.apply(name, operands, {})
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
    if isinstance(x, Traced):
        return x.builder.apply(FLOAT, (x,), {})
    return x.double() if hasattr(x, "double") else np.asarray(x, dtype=np.float64)


def to_int(x: Any) -> Any:
    """A float or bool as an integer, towards zero."""
    if isinstance(x, Traced):
        return x.builder.apply(INT, (x,), {})
    return x.long() if hasattr(x, "long") else np.trunc(np.asarray(x)).astype(np.int64)
