# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tests share: arrays in every dtype and layout, and error bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import ml_dtypes

    BFLOAT16: Any = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    BFLOAT16 = None

try:
    import torch
except ImportError:
    torch = None

Array = npt.NDArray[Any]

# Unit roundoff: half the distance from 1 to the next number.
ROUNDOFF = {"f16": 2.0**-11, "bf16": 2.0**-8, "f32": 2.0**-24, "f64": 2.0**-53}
NUMPY = {"f16": np.float16, "bf16": BFLOAT16, "f32": np.float32, "f64": np.float64}
DTYPES = tuple(name for name, dtype in NUMPY.items() if dtype is not None)
LAYOUTS = ("dense", "transposed", "negative", "sliced", "offset")


def accumulator(dtype: str) -> str:
    return "f64" if dtype == "f64" else "f32"


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    return rng.standard_normal(shape).astype(NUMPY[dtype])


def lay_out(array: Array, layout: str) -> Array:
    """An equal array whose elements lie differently in memory."""
    if layout == "dense" or array.ndim < 2:
        return np.ascontiguousarray(array)
    if layout == "transposed":
        swapped = np.ascontiguousarray(np.swapaxes(array, 1, array.ndim - 1))
        return np.swapaxes(swapped, 1, array.ndim - 1)
    if layout == "negative":
        back = (slice(None, None, -1),) * array.ndim
        return np.ascontiguousarray(array[back])[back]
    if layout == "sliced":
        wide = np.zeros([2 * size + 1 for size in array.shape], array.dtype)
        view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    wide = np.zeros([size + 3 for size in array.shape], array.dtype)
    view = wide[tuple(slice(2, size + 2) for size in array.shape)]
    view[...] = array
    return view


def as_f64(array: Any) -> npt.NDArray[np.float64]:
    if torch is not None and isinstance(array, torch.Tensor):
        return np.asarray(array.double().numpy())
    return np.asarray(array).astype(np.float64)


def attention_bound(dtype: str, query: Any, key: Any, value: Any) -> float:
    """How far an output may be from the f64 reference.

    The output is rounded to its dtype. A score's error is that of a sum of
    head_dim products, and moves each weight by as much, relatively; weights and
    their products with values are sums over the keys.
    """
    q, k, v = as_f64(query), as_f64(key), as_f64(value)
    if not (q.size and k.size and v.size):
        return 0.0
    dims = q.shape[3]
    largest = np.abs(v).max(initial=0.0)
    score = np.abs(q).max() * np.abs(k).max() * np.sqrt(dims)
    unit = ROUNDOFF[accumulator(dtype)]
    sums = np.sqrt(dims) + np.sqrt(k.shape[2]) + 16
    return float(
        largest * (2 * ROUNDOFF[dtype] + unit * (4 * score + 4 * sums)) + 1e-30
    )


def lse_bound(dtype: str, query: Any, key: Any) -> float:
    """The same for the log of the softmax's denominator."""
    q, k = as_f64(query), as_f64(key)
    if not (q.size and k.size):
        return 0.0
    dims = q.shape[3]
    score = np.abs(q).max() * np.abs(k).max() * np.sqrt(dims)
    return float(
        ROUNDOFF[accumulator(dtype)] * (8 * score + 4 * np.sqrt(k.shape[2]) + 64)
    )


def assert_close(actual: Any, expected: Any, bound: Any, what: str = "out") -> None:
    """|actual - expected| <= bound where finite; infinities and NaN agree."""
    x, y = as_f64(actual), as_f64(expected)
    assert x.shape == y.shape, f"{what}: shape {x.shape}, expected {y.shape}"
    special = ~np.isfinite(y)
    np.testing.assert_array_equal(
        np.where(special, x, 0.0), np.where(special, y, 0.0), err_msg=what
    )
    with np.errstate(invalid="ignore"):
        error = np.where(special, 0.0, np.abs(x - y))
    worst = error - bound
    if error.size and not (worst <= 0).all():
        at = np.unravel_index(
            np.nanargmax(np.where(np.isnan(worst), np.inf, worst)), x.shape
        )
        limit = np.broadcast_to(bound, x.shape)[at]
        raise AssertionError(
            f"{what}{[int(i) for i in at]}: {x[at]!r}, expected {y[at]!r}; error "
            f"{error[at]:.3g}, allowed {limit:.3g}"
        )
