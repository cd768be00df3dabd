# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tests share: arrays in every dtype and layout, and error bounds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from seqc import _seqc

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

# A sanitizer keeps freed memory for a while, and shadows all of it.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")

# For the tools, which bring a sanitizer's runtime along where they need it.
TOOL_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}

# Unit roundoff: half the distance from 1 to the next number.
ROUNDOFF = {"f16": 2.0**-11, "bf16": 2.0**-8, "f32": 2.0**-24, "f64": 2.0**-53}
NUMPY = {"f16": np.float16, "bf16": BFLOAT16, "f32": np.float32, "f64": np.float64}
DTYPES = tuple(name for name, dtype in NUMPY.items() if dtype is not None)
LAYOUTS = ("dense", "transposed", "negative", "sliced", "offset")


def run_passes(source: str, *options: str) -> str:
    """What seqc-opt makes of a program."""
    extension = _seqc.__file__
    assert extension is not None
    tool = Path(extension).parents[2] / "bin" / "seqc-opt"
    if not tool.exists():
        pytest.skip("needs seqc-opt")
    done = subprocess.run(
        [tool, "-", *options],
        input=source,
        capture_output=True,
        text=True,
        env=TOOL_ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


# The table of docs/spec.md, "Numerics": the error relative to the size that the
# function below computes.
ATTENTION = {"f64": 1e-12, "f32": 1e-5, "f16": 2e-3, "bf16": 1.6e-2}
LSE = {"f64": 1e-12, "f32": 1e-5, "f16": 1e-5, "bf16": 1e-5}
SCAN = {"f64": 1e-12, "f32": 2e-5, "f16": 2e-3, "bf16": 1.6e-2}
STATE = {"f64": 1e-12, "f32": 2e-5, "f16": 2e-5, "bf16": 2e-5}
CONV = {"f64": 1e-13, "f32": 2e-6, "f16": 1e-3, "bf16": 8e-3}


def attention_bound(
    dtype: str, value: Any, dropout_p: float = 0.0, heads: int | None = None
) -> Any:
    """How far each element of out may be from the f64 reference.

    `heads` is the number of query heads, where it is not that of `value`.
    """
    v = as_f64(value)
    v = np.where(np.isfinite(v), np.abs(v), 0.0)
    largest = v.max(axis=2, keepdims=True, initial=1.0)
    if heads is not None and v.shape[1]:
        largest = np.repeat(largest, heads // v.shape[1], axis=1)
    return ATTENTION[dtype] * largest / (1 - dropout_p)


def lse_bound(dtype: str, lse: Any) -> Any:
    """The same for lse, from its reference."""
    exact = as_f64(lse)
    return LSE[dtype] * np.maximum(1.0, np.where(np.isfinite(exact), np.abs(exact), 0))


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
