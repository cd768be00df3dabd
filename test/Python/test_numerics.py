# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The polynomials that compiled code uses for exponentials, against float64."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import seqc

Array = npt.NDArray[Any]

SOURCE = """
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {{
  %0 = math.{name} %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}}
"""
# Where results are normal numbers: results below 2^-125.5 may become 0.
NORMAL = {"exp2": (-125.4, 127.999), "exp": (-86.9, 88.72)}
LOG2 = {"exp2": 1.0, "exp": float(np.log2(np.e))}


@functools.cache
def compiled(name: str) -> Any:
    return seqc.compile(SOURCE.format(name=name))


def evaluate(name: str, x: Array) -> Array:
    return np.asarray(compiled(name)(np.ascontiguousarray(x, np.float32)))


def exact(name: str, x: Array) -> Array:
    wide = x.astype(np.float64)
    return np.exp2(wide) if name == "exp2" else np.exp(wide)


def sweep(low: float, high: float) -> Array:
    """A dense grid, and numbers near 0, where the result is near 1."""
    near = np.logspace(-30, -1, 200_000)
    grid = np.linspace(low, high, 2_000_000)
    return np.concatenate([grid, near, -near]).astype(np.float32)


@pytest.mark.parametrize("name", ["exp2", "exp"])
class TestExponential:
    def test_relative_error(self, name: str) -> None:
        x = sweep(*NORMAL[name])
        want = exact(name, x)
        error = np.abs(evaluate(name, x) - want) / want
        worst = int(np.argmax(error))
        assert error[worst] <= 2.5e-7, f"{name}({x[worst]!r}): {error[worst]:.3g}"

    @pytest.mark.parametrize("length", [1, 15, 16, 17, 33])
    def test_special_values(self, name: str, length: int) -> None:
        """In whole vectors and in what remains of them."""
        for argument, want in [
            (0.0, 1.0),
            (-0.0, 1.0),
            (-np.inf, 0.0),
            (np.inf, np.inf),
            (1e38, np.inf),
            (-1e38, 0.0),
            (-1e4, 0.0),
            (128.0 / LOG2[name] + 0.01, np.inf),
        ]:
            got = evaluate(name, np.full(length, argument))
            assert (got == want).all(), f"{name}({argument}) = {got}"
        assert np.isnan(evaluate(name, np.full(length, np.nan))).all()

    def test_nan_stays_in_its_lane(self, name: str) -> None:
        x = np.linspace(-3, 3, 37, dtype=np.float32)
        with_nan = x.copy()
        with_nan[[0, 17, 36]] = np.nan
        got, want = evaluate(name, with_nan), evaluate(name, x)
        others = ~np.isnan(with_nan)
        assert np.isnan(got[~others]).all()
        assert (got[others] == want[others]).all()

    def test_small_results_vanish(self, name: str) -> None:
        """Below the normal numbers a result is off by less than the smallest."""
        x = np.linspace(-160, -125, 500_000) / LOG2[name]
        x = x.astype(np.float32)
        got = evaluate(name, x).astype(np.float64)
        error = np.abs(got - exact(name, x))
        worst = int(np.argmax(error))
        assert (got >= 0).all()
        assert error[worst] <= 2.0**-125, f"{name}({x[worst]!r}): {error[worst]:.3g}"

    def test_largest_results(self, name: str) -> None:
        """Up to the last finite result, and infinity from there on."""
        x = np.linspace(127.9, 128.1, 100_001) / LOG2[name]
        x = x.astype(np.float32)
        with np.errstate(over="ignore"):
            want = exact(name, x).astype(np.float32)
        got = evaluate(name, x)
        finite = want < np.float32(3.4027e38)
        assert np.isfinite(got[finite]).all()
        assert np.isinf(got[exact(name, x) > 3.4030e38]).all()

    def test_monotonic_at_powers(self, name: str) -> None:
        """No jump where the power of two changes."""
        center = (np.arange(-120, 121) / 2.0 / LOG2[name]).astype(np.float32)
        up = np.nextafter(center, np.float32(np.inf))
        low, high = evaluate(name, center), evaluate(name, up)
        assert (np.abs(high / low - 1) < 1e-5).all()


def test_powers_of_two_are_exact() -> None:
    n = np.arange(-125, 128, dtype=np.float32)
    assert (evaluate("exp2", n) == np.ldexp(np.float32(1), n.astype(int))).all()
