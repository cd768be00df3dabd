# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of seqc.causal_conv1d against the f64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
from hypothesis import example, given
from hypothesis import strategies as st
from seqc import reference
from seqc_testing import (
    DTYPES,
    LAYOUTS,
    NUMPY,
    SCAN,
    STATE,
    accumulator,
    assert_close,
    lay_out,
    random,
)


def inputs(
    rng: np.random.Generator,
    batch: int,
    dim: int,
    length: int,
    *,
    dtype: str = "f32",
    width: int = 4,
    bias: bool = True,
    state: bool = True,
    activation: str | None = "silu",
    parameters: str | None = None,
) -> dict[str, Any]:
    own = parameters or accumulator(dtype)
    result: dict[str, Any] = {
        "out_grad": random(rng, (batch, dim, length), dtype),
        "x": random(rng, (batch, dim, length), dtype),
        "weight": random(rng, (dim, width), own),
        "activation": activation,
    }
    if bias:
        result["bias"] = random(rng, (dim,), own)
    if state:
        result["initial_state"] = random(rng, (batch, dim, width - 1), dtype)
        result["final_state_grad"] = random(rng, (batch, dim, width - 1), dtype)
    return result


def check(arguments: dict[str, Any], dtype: str = "f32", layout: str = "dense") -> None:
    laid: dict[str, Any] = {
        name: lay_out(x, layout) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    actual = seqc.causal_conv1d_backward(**laid)._asdict()
    expected = reference.causal_conv1d_backward(**arguments)
    sizes = reference.causal_conv1d_backward(**arguments, absolute=True)
    assert {name for name, x in actual.items() if x is not None} == set(expected)
    for name, size in sizes.items():
        own = arguments[name].dtype == NUMPY[dtype]
        bound = (SCAN if own else STATE)[dtype] * np.maximum(1.0, size)
        assert actual[name].dtype == arguments[name].dtype
        assert_close(actual[name], expected[name], bound, name)


def test_reference_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 3, 7, dtype="f64")
    names = ("x", "weight", "bias", "initial_state")
    forward = {name: arguments[name] for name in names}

    def loss(values: dict[str, Any]) -> float:
        out, state = reference.causal_conv1d(**values, activation="silu")
        total = (out * arguments["out_grad"]).sum()
        return float(total + (state * arguments["final_state_grad"]).sum())

    for name, gradient in reference.causal_conv1d_backward(**arguments).items():
        direction = rng.standard_normal(gradient.shape)
        step = 1e-6
        up, down = (
            loss(dict(forward, **{name: forward[name] + s * direction}))
            for s in (step, -step)
        )
        slope = (gradient * direction).sum()
        np.testing.assert_allclose((up - down) / (2 * step), slope, rtol=1e-6)


VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "plain": {"bias": False, "state": False, "activation": None},
    "linear": {"activation": None},
    "gate": {"bias": False, "state": False},
}

lengths = st.one_of(
    st.integers(0, 5), st.sampled_from([15, 16, 17, 255, 256, 257, 515])
)


@pytest.mark.parametrize("name", VARIANTS)
@given(
    batch=st.integers(1, 3),
    dim=st.sampled_from([1, 2, 8, 17, 40]),
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
@example(batch=2, dim=4, length=0, layout="dense", seed=0)
@example(batch=2, dim=4, length=1, layout="dense", seed=0)
@example(batch=2, dim=4, length=2, layout="dense", seed=0)
@example(batch=1, dim=33, length=1030, layout="transposed", seed=0)
def test_options(
    name: str, batch: int, dim: int, length: int, layout: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    check(inputs(rng, batch, dim, length, **VARIANTS[name]), layout=layout)


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    batch=st.integers(1, 2),
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
def test_dtypes(dtype: str, batch: int, length: int, layout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(inputs(rng, batch, 10, length, dtype=dtype), dtype, layout)


def test_parameters_in_the_dtype() -> None:
    rng = np.random.default_rng(0)
    check(inputs(rng, 2, 10, 60, dtype="f16", parameters="f16"), "f16")


@pytest.mark.parametrize("width", [1, 2, 3, 7, 16])
def test_widths(width: int) -> None:
    rng = np.random.default_rng(width)
    for length in (1, 5, 30, 300):
        check(inputs(rng, 2, 9, length, width=width))


@pytest.mark.parametrize("schedule", [{"tile_n": 16}, {"tile_m": 3, "tile_n": 48}])
def test_schedules_compute_the_same(schedule: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 20, 150)
    whole = seqc.causal_conv1d_backward(**arguments)._asdict()
    other = seqc.causal_conv1d_backward(**arguments, schedule=schedule)._asdict()
    sizes = reference.causal_conv1d_backward(**arguments, absolute=True)
    for name, size in sizes.items():
        bound = STATE["f32"] * np.maximum(1.0, size)
        assert_close(other[name], whole[name], bound, name)


def test_arguments_are_checked() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 6, 20)
    with pytest.raises(ValueError, match=r"out_grad: has shape \(2, 6, 19\)"):
        seqc.causal_conv1d_backward(
            **{**arguments, "out_grad": arguments["x"][..., :19]}
        )
    with pytest.raises(ValueError, match=r"final_state_grad: has shape \(2, 6, 2\)"):
        seqc.causal_conv1d_backward(
            **{**arguments, "final_state_grad": np.zeros((2, 6, 2), np.float32)}
        )
