# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.selective_scan against the f64 reference."""

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
    as_f64,
    assert_close,
    lay_out,
    random,
)

STATES = 8


def inputs(
    rng: np.random.Generator,
    batch: int,
    dim: int,
    length: int,
    *,
    dtype: str = "f32",
    state: int = STATES,
    matrices: str = "variable",
    groups: int = 2,
    D: bool = True,
    z: bool = True,
    delta_bias: bool = True,
    initial_state: bool = True,
    delta_softplus: bool = True,
    parameters: str | None = None,
) -> dict[str, Any]:
    """Arguments of the scan. `parameters` is the dtype of A, D and delta_bias."""
    sizes = {
        "constant": (dim, state),
        "variable": (batch, state, length),
        "grouped": (batch, groups, state, length),
    }
    acc = accumulator(dtype)
    own = parameters or acc
    step = random(rng, (batch, dim, length), dtype)
    result: dict[str, Any] = {
        "u": random(rng, (batch, dim, length), dtype),
        "delta": step if delta_softplus else np.abs(step),
        "A": (-np.exp(0.5 * rng.standard_normal((dim, state)))).astype(NUMPY[own]),
        "B": random(rng, sizes[matrices], own if matrices == "constant" else dtype),
        "C": random(rng, sizes[matrices], own if matrices == "constant" else dtype),
        "delta_softplus": delta_softplus,
    }
    if D:
        result["D"] = random(rng, (dim,), own)
    if z:
        result["z"] = random(rng, (batch, dim, length), dtype)
    if delta_bias:
        bias = rng.uniform(0, 0.5, dim)
        result["delta_bias"] = bias.astype(NUMPY[own])
    if initial_state:
        result["initial_state"] = random(rng, (batch, dim, state), acc)
    return result


def bounds(arguments: dict[str, Any], dtype: str) -> tuple[Any, Any]:
    """How far out and the state may be off, from the scan of absolute values."""
    sizes = dict(arguments)
    for name in ("u", "B", "C", "D", "initial_state"):
        if name in sizes:
            sizes[name] = np.abs(as_f64(sizes[name]))
    gate = sizes.pop("z", None)
    out, state = reference.selective_scan(**sizes)
    if gate is not None:
        out = out * np.abs(reference.silu(as_f64(gate)))
    return (
        SCAN[dtype] * np.maximum(1.0, out),
        STATE[dtype] * np.maximum(1.0, state),
    )


def check(arguments: dict[str, Any], dtype: str = "f32", layout: str = "dense") -> None:
    laid: dict[str, Any] = {
        name: lay_out(x, layout) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    out, state = seqc.selective_scan(**laid, return_final_state=True)
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = bounds(arguments, dtype)
    assert out.dtype == arguments["u"].dtype
    assert state.dtype == NUMPY[accumulator(dtype)]
    assert_close(state, expected_state, state_bound, "state")
    assert_close(out, expected, bound, "out")


VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "grouped": {"matrices": "grouped"},
    "constant": {"matrices": "constant"},
    "plain": {
        "D": False,
        "z": False,
        "delta_bias": False,
        "initial_state": False,
        "delta_softplus": False,
    },
    "gate": {"D": False, "delta_bias": False, "initial_state": False},
    "skip": {"z": False, "delta_softplus": False},
}

lengths = st.one_of(
    st.integers(0, 3), st.integers(4, 40), st.sampled_from([63, 64, 65, 200, 257])
)
channels = st.sampled_from([2, 4, 6, 16, 34, 66])


@pytest.mark.parametrize("name", VARIANTS)
@given(
    batch=st.integers(1, 3),
    dim=channels,
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
@example(batch=1, dim=2, length=1, layout="dense", seed=0)
@example(batch=2, dim=4, length=0, layout="dense", seed=0)
@example(batch=1, dim=64, length=1030, layout="transposed", seed=0)
def test_options(
    name: str, batch: int, dim: int, length: int, layout: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    check(inputs(rng, batch, dim, length, **VARIANTS[name]), layout=layout)


@pytest.mark.parametrize("state", [1, 2, 3, 16, 17, 64])
def test_states(state: int) -> None:
    rng = np.random.default_rng(state)
    check(inputs(rng, 2, 5, 70, state=state))


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    batch=st.integers(1, 2),
    dim=channels,
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
def test_dtypes(
    dtype: str, batch: int, dim: int, length: int, layout: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    check(inputs(rng, batch, dim, length, dtype=dtype), dtype, layout)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_parameters_in_the_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        pytest.skip("needs ml_dtypes")
    rng = np.random.default_rng(0)
    check(inputs(rng, 2, 8, 60, dtype=dtype, parameters=dtype), dtype)
    arguments = inputs(
        rng, 2, 8, 60, dtype=dtype, parameters=dtype, matrices="constant"
    )
    check(arguments, dtype)


def test_one_group_equals_none() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 8, 60)
    grouped = dict(arguments, B=arguments["B"][:, None], C=arguments["C"][:, None])
    np.testing.assert_array_equal(
        seqc.selective_scan(**arguments), seqc.selective_scan(**grouped)
    )


def split(arguments: dict[str, Any], at: int) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = dict(arguments), dict(arguments)
    for name in ("u", "delta", "z", "B", "C"):
        if name in arguments and arguments[name].ndim > 2:
            first[name] = arguments[name][..., :at]
            second[name] = arguments[name][..., at:]
    return first, second


@pytest.mark.parametrize("matrices", ["constant", "variable", "grouped"])
@given(
    length=st.integers(0, 200),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_parts_are_the_whole(
    matrices: str, length: int, fraction: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arguments = inputs(rng, 2, 6, length, matrices=matrices)
    whole, state = seqc.selective_scan(**arguments, return_final_state=True)
    first, second = split(arguments, int(fraction * length))
    out_1, middle = seqc.selective_scan(**first, return_final_state=True)
    second["initial_state"] = middle
    out_2, end = seqc.selective_scan(**second, return_final_state=True)
    bound, state_bound = bounds(arguments, "f32")
    assert_close(np.concatenate([out_1, out_2], axis=2), whole, bound)
    assert_close(end, state, state_bound, "state")


def test_step_by_step() -> None:
    """Decoding: scans of length 1, each from the state before."""
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 6, 20)
    whole, state = seqc.selective_scan(**arguments, return_final_state=True)
    steps = []
    current = arguments["initial_state"]
    for t in range(20):
        one = {
            name: x[..., t : t + 1] if name in ("u", "delta", "z", "B", "C") else x
            for name, x in arguments.items()
        }
        one["initial_state"] = current
        out, current = seqc.selective_scan(**one, return_final_state=True)
        steps.append(out)
    bound, state_bound = bounds(arguments, "f32")
    assert_close(np.concatenate(steps, axis=2), whole, bound)
    assert_close(current, state, state_bound, "state")


@pytest.mark.parametrize(
    "schedule",
    [{"tile_n": 1}, {"tile_n": 7}, {"tile_m": 3, "tile_n": 64}, {"splits": 4}],
)
def test_schedules_compute_the_same(schedule: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 10, 150)
    whole, state = seqc.selective_scan(**arguments, return_final_state=True)
    out, end = seqc.selective_scan(
        **arguments, return_final_state=True, schedule=schedule
    )
    bound, state_bound = bounds(arguments, "f32")
    assert_close(out, whole, bound)
    assert_close(end, state, state_bound, "state")


def test_channels_are_independent() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 3, 10, 50)
    whole = seqc.selective_scan(**arguments)
    order = rng.permutation(10)
    moved = dict(arguments)
    for name in ("u", "delta", "z"):
        moved[name] = arguments[name][:, order]
    for name in ("A", "D", "delta_bias"):
        moved[name] = arguments[name][order]
    moved["initial_state"] = arguments["initial_state"][:, order]
    assert_close(
        seqc.selective_scan(**moved),
        whole[:, order],
        bounds(moved, "f32")[0],
    )


def test_batches_are_independent() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 3, 10, 50)
    whole = seqc.selective_scan(**arguments)
    one = {
        name: x[1:2] if name in ("u", "delta", "z", "B", "C", "initial_state") else x
        for name, x in arguments.items()
    }
    np.testing.assert_array_equal(seqc.selective_scan(**one), whole[1:2])


def test_nan_goes_forward_in_its_channel() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 1, 4, 30, z=False)
    arguments["u"][0, 2, 10] = np.nan
    out = seqc.selective_scan(**arguments)
    assert np.isnan(out[0, 2, 10:]).all()
    assert np.isfinite(out[0, 2, :10]).all()
    assert np.isfinite(np.delete(out, 2, axis=1)).all()


def test_large_steps_do_not_overflow_softplus() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 1, 4, 30, z=False)
    arguments["delta"] = arguments["delta"] * 100
    check(arguments)
