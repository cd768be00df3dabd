# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.causal_conv1d against the f64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
from hypothesis import example, given
from hypothesis import strategies as st
from seqc import reference
from seqc_testing import (
    CONV,
    DTYPES,
    LAYOUTS,
    NUMPY,
    accumulator,
    as_f64,
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
    width: int = 4,
    dtype: str = "f32",
    parameters: str | None = None,
    bias: bool = True,
    initial_state: bool = True,
    activation: str | None = "silu",
) -> dict[str, Any]:
    own = parameters or dtype
    result: dict[str, Any] = {
        "x": random(rng, (batch, dim, length), dtype),
        "weight": random(rng, (dim, width), own),
        "activation": activation,
    }
    if bias:
        result["bias"] = random(rng, (dim,), own)
    if initial_state:
        result["initial_state"] = random(rng, (batch, dim, width - 1), dtype)
    return result


def check(arguments: dict[str, Any], dtype: str = "f32", layout: str = "dense") -> None:
    laid: dict[str, Any] = {
        name: lay_out(x, layout) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    out, state = seqc.causal_conv1d(**laid, return_final_state=True)
    expected, expected_state = reference.causal_conv1d(**arguments)
    sizes: dict[str, Any] = {
        name: np.abs(as_f64(x)) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    sizes["activation"] = None
    largest, _ = reference.causal_conv1d(**sizes)
    assert out.dtype == state.dtype == arguments["x"].dtype
    np.testing.assert_array_equal(as_f64(state), expected_state)
    assert_close(out, expected, CONV[dtype] * np.maximum(1.0, largest))


lengths = st.one_of(
    st.integers(0, 5), st.integers(6, 40), st.sampled_from([63, 64, 65, 200, 1030])
)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("variant", ["all", "plain"])
@given(
    batch=st.integers(1, 3),
    dim=st.integers(1, 40),
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
@example(batch=2, dim=3, length=0, layout="dense", seed=0)
@example(batch=2, dim=3, length=1, layout="dense", seed=0)
def test_options(
    width: int,
    variant: str,
    batch: int,
    dim: int,
    length: int,
    layout: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {}
    if variant == "plain":
        options = {"bias": False, "initial_state": False, "activation": None}
    check(inputs(rng, batch, dim, length, width=width, **options), layout=layout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wide", [False, True])
@given(
    batch=st.integers(1, 2),
    dim=st.integers(1, 40),
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**32 - 1),
)
def test_dtypes(
    dtype: str, wide: bool, batch: int, dim: int, length: int, layout: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    parameters = accumulator(dtype) if wide else dtype
    arguments = inputs(rng, batch, dim, length, dtype=dtype, parameters=parameters)
    check(arguments, dtype, layout)


@given(
    length=st.integers(0, 60),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_parts_are_the_whole(length: int, fraction: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arguments = inputs(rng, 2, 6, length)
    x = arguments.pop("x")
    start = arguments.pop("initial_state")
    at = int(fraction * length)
    whole, state = seqc.causal_conv1d(
        x, **arguments, initial_state=start, return_final_state=True
    )
    first, middle = seqc.causal_conv1d(
        x[..., :at], **arguments, initial_state=start, return_final_state=True
    )
    second, end = seqc.causal_conv1d(
        x[..., at:], **arguments, initial_state=middle, return_final_state=True
    )
    np.testing.assert_allclose(
        np.concatenate([first, second], axis=2), whole, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(end, state)


def test_swish_is_silu() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 6, 20)
    silu = seqc.causal_conv1d(**arguments)
    arguments["activation"] = "swish"
    np.testing.assert_array_equal(silu, seqc.causal_conv1d(**arguments))


def test_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w, bias = (random(rng, shape, "f32") for shape in ((2, 6, 50), (6, 4), (6,)))
    theirs = torch.nn.functional.conv1d(
        torch.from_numpy(x),
        torch.from_numpy(w)[:, None],
        torch.from_numpy(bias),
        padding=3,
        groups=6,
    )[..., :50]
    ours = seqc.causal_conv1d(x, w, bias)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_nan_reaches_width_outputs() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 1, 3, 20)
    arguments["x"][0, 1, 5] = np.nan
    out = seqc.causal_conv1d(**arguments)
    assert np.isnan(out[0, 1, 5:9]).all()
    assert np.isfinite(out[0, 1, 9:]).all()
    assert np.isfinite(out[0, [0, 2]]).all()
    assert NUMPY["f32"] == out.dtype
