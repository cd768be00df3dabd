# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.selective_scan and seqc.causal_conv1d on a GPU, against f64."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import seqc
import test_conv
import test_conv_backward
import test_scan
import test_scan_backward
from gpu_cases import (
    CONV_SIZES,
    CONV_VARIANTS,
    CONV_WIDTHS,
    FLOATS,
    SCAN_GRADIENT_SCHEDULES,
    SCAN_GRADIENT_SIZES,
    SCAN_LENGTHS,
    SCAN_SCHEDULES,
    SCAN_SIZES,
    SCAN_STATES,
    SPLIT_SIZES,
    SPLIT_STATES,
)
from gpu_testing import LAYOUTS, host, place_all, poison, torch
from seqc import reference
from seqc_testing import (
    BFLOAT16,
    CONV,
    NUMPY,
    SCAN,
    STATE,
    accumulator,
    as_f64,
    assert_close,
    random,
)

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")

TORCH = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"}


def check_scan(
    arguments: dict[str, Any], dtype: str, target: str, layout: str = "dense"
) -> None:
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = test_scan.bounds(arguments, dtype)
    moved = place_all(arguments, layout)
    poison(torch.empty(expected.shape, dtype=moved["u"].dtype, device="cuda"))
    out, state = seqc.selective_scan(**moved, return_final_state=True, target=target)
    assert out.dtype == moved["u"].dtype
    assert state.dtype == getattr(torch, TORCH[accumulator(dtype)])
    assert_close(host(state), expected_state, state_bound, "state")
    assert_close(host(out), expected, bound, "out")


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_options(name: str, target: str) -> None:
    rng = np.random.default_rng(1)
    for batch, dim, length in SCAN_SIZES:
        options = test_scan.VARIANTS[name]
        check_scan(test_scan.inputs(rng, batch, dim, length, **options), "f32", target)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("own", [False, True])
def test_scan_dtypes(dtype: str, own: bool, target: str) -> None:
    rng = np.random.default_rng(2)
    parameters = dtype if own else None
    arguments = test_scan.inputs(
        rng, 2, 48, 100, dtype=dtype, parameters=parameters, matrices="grouped"
    )
    check_scan(arguments, dtype, target)


@pytest.mark.parametrize("state", SCAN_STATES)
def test_scan_states(state: int, target: str) -> None:
    rng = np.random.default_rng(3)
    check_scan(test_scan.inputs(rng, 2, 32, 65, state=state), "f32", target)


@pytest.mark.parametrize("schedule", SCAN_SCHEDULES)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_scan_schedules(schedule: dict[str, int], dtype: str, target: str) -> None:
    rng = np.random.default_rng(8)
    for batch, dim, length in (*SCAN_LENGTHS, (1, 128, 4096)):
        arguments = test_scan.inputs(rng, batch, dim, length, dtype=dtype, state=16)
        expected, expected_state = reference.selective_scan(**arguments)
        bound, state_bound = test_scan.bounds(arguments, dtype)
        call: Any = seqc.selective_scan
        out, state = call(
            **place_all(arguments),
            return_final_state=True,
            schedule=schedule,
            target=target,
        )
        assert_close(host(state), expected_state, state_bound, "state")
        assert_close(host(out), expected, bound, "out")


@pytest.mark.parametrize("state", SPLIT_STATES)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_scan_splits(state: int, dtype: str, target: str) -> None:
    """Sequences in parts, the states between which are forgotten or are not."""
    rng = np.random.default_rng(10)
    for batch, dim, length in (*SPLIT_SIZES, (1, 96, 5000)):
        for shift in (0.0, -7.0):
            arguments = test_scan.inputs(
                rng, batch, dim, length, dtype=dtype, state=state
            )
            arguments["delta_bias"] = arguments["delta_bias"] + np.float32(shift)
            check_split(arguments, dtype, target)


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_split_options(name: str, target: str) -> None:
    rng = np.random.default_rng(11)
    for batch, dim, length in SPLIT_SIZES[1:3]:
        options = test_scan.VARIANTS[name]
        arguments = test_scan.inputs(rng, batch, dim, length, **options)
        check_split(arguments, "f32", target)


def check_split(arguments: dict[str, Any], dtype: str, target: str) -> None:
    """In parts, twice with the same bits."""
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = test_scan.bounds(arguments, dtype)
    call: Any = seqc.selective_scan
    results = [
        call(
            **place_all(arguments),
            return_final_state=True,
            schedule={"splits": 1024},
            target=target,
        )
        for _ in range(2)
    ]
    (out, state), again = results
    assert_close(host(state), expected_state, state_bound, "state")
    assert_close(host(out), expected, bound, "out")
    assert torch.equal(out, again[0]) and torch.equal(state, again[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scan_layouts(layout: str, target: str) -> None:
    rng = np.random.default_rng(4)
    arguments = test_scan.inputs(rng, 2, 32, 96, dtype="bf16")
    check_scan(arguments, "bf16", target, layout)


def test_scan_in_two_parts(target: str) -> None:
    """A scan that continues, down to a step at a time."""
    rng = np.random.default_rng(5)
    arguments = place_all(test_scan.inputs(rng, 2, 16, 40))
    call: Any = seqc.selective_scan
    out, state = call(**arguments, return_final_state=True, target=target)
    parts = []
    for part in (slice(0, 13), slice(13, 39), slice(39, 40)):
        piece = {
            name: x[..., part] if name in ("u", "delta", "z", "B", "C") else x
            for name, x in arguments.items()
        }
        got, arguments["initial_state"] = call(
            **piece, return_final_state=True, target=target
        )
        parts.append(got)
    torch.testing.assert_close(torch.cat(parts, -1), out, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(arguments["initial_state"], state, rtol=1e-4, atol=1e-4)


def test_scan_repeats_are_equal(target: str) -> None:
    rng = np.random.default_rng(6)
    arguments = place_all(test_scan.inputs(rng, 4, 256, 300, dtype="bf16"))
    call: Any = seqc.selective_scan
    first = call(**arguments, return_final_state=True, target=target)
    for _ in range(10):
        again = call(**arguments, return_final_state=True, target=target)
        assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])


def check_conv(
    arguments: dict[str, Any], dtype: str, target: str, layout: str = "dense"
) -> None:
    expected, expected_state = reference.causal_conv1d(**arguments)
    sizes: dict[str, Any] = {
        name: np.abs(as_f64(x)) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    sizes["activation"] = None
    largest, _ = reference.causal_conv1d(**sizes)
    moved = place_all(arguments, layout)
    poison(torch.empty(expected.shape, dtype=moved["x"].dtype, device="cuda"))
    out, state = seqc.causal_conv1d(**moved, return_final_state=True, target=target)
    assert out.dtype == state.dtype == moved["x"].dtype
    np.testing.assert_array_equal(as_f64(host(state)), expected_state)
    assert_close(host(out), expected, CONV[dtype] * np.maximum(1.0, largest))


@pytest.mark.parametrize("width", CONV_WIDTHS)
@pytest.mark.parametrize("variant", CONV_VARIANTS)
def test_conv_options(width: int, variant: str, target: str) -> None:
    rng = np.random.default_rng(7)
    options = CONV_VARIANTS[variant]
    for batch, dim, length in CONV_SIZES:
        arguments = test_conv.inputs(rng, batch, dim, length, width=width, **options)
        check_conv(arguments, "f32", target)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conv_dtypes(dtype: str, layout: str, target: str) -> None:
    rng = np.random.default_rng(8)
    arguments = test_conv.inputs(rng, 2, 24, 100, dtype=dtype)
    check_conv(arguments, dtype, target, layout)


def check_scan_gradients(
    arguments: dict[str, Any],
    dtype: str,
    target: str,
    layout: str = "dense",
    **more: Any,
) -> None:
    expected = reference.selective_scan_backward(**arguments)
    bounds = test_scan_backward.bounds(arguments, dtype)
    moved = place_all(arguments, layout)
    poison(*(moved[name] for name in expected))
    got = seqc.selective_scan_backward(**moved, target=target, **more)._asdict()
    for name, bound in bounds.items():
        assert got[name].dtype == moved[name].dtype
        assert_close(host(got[name]), expected[name], bound, name)


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_gradients_options(name: str, target: str) -> None:
    rng = np.random.default_rng(9)
    for batch, dim, length in SCAN_GRADIENT_SIZES:
        options = test_scan.VARIANTS[name]
        arguments = test_scan.inputs(rng, batch, dim, length, **options)
        arguments = test_scan_backward.gradients_of(rng, arguments, "f32")
        check_scan_gradients(arguments, "f32", target)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("own", [False, True])
def test_scan_gradients_dtypes(dtype: str, own: bool, target: str) -> None:
    rng = np.random.default_rng(10)
    parameters = dtype if own else None
    arguments = test_scan.inputs(
        rng, 2, 48, 100, dtype=dtype, parameters=parameters, matrices="grouped"
    )
    arguments = test_scan_backward.gradients_of(rng, arguments, dtype, final=own)
    check_scan_gradients(arguments, dtype, target)


@pytest.mark.parametrize("state", SCAN_STATES)
def test_scan_gradients_states(state: int, target: str) -> None:
    rng = np.random.default_rng(11)
    arguments = test_scan.inputs(rng, 2, 32, 65, state=state)
    arguments = test_scan_backward.gradients_of(rng, arguments, "f32")
    check_scan_gradients(arguments, "f32", target)


def test_scan_gradients_groups(target: str) -> None:
    """B in three groups, C in two."""
    rng = np.random.default_rng(15)
    arguments = test_scan.inputs(rng, 2, 12, 70)
    arguments["B"] = random(rng, (2, 3, 8, 70), "f32")
    arguments["C"] = random(rng, (2, 2, 8, 70), "f32")
    arguments = test_scan_backward.gradients_of(rng, arguments, "f32")
    check_scan_gradients(arguments, "f32", target)


@pytest.mark.parametrize("schedule", SCAN_GRADIENT_SCHEDULES)
def test_scan_gradients_schedules(schedule: dict[str, int], target: str) -> None:
    rng = np.random.default_rng(12)
    for batch, dim, length in (*SCAN_LENGTHS, (1, 128, 1024)):
        scan = test_scan.inputs(rng, batch, dim, length, dtype="bf16", state=16)
        arguments = test_scan_backward.gradients_of(rng, scan, "bf16")
        check_scan_gradients(arguments, "bf16", target, schedule=schedule)


@pytest.mark.parametrize("state", SPLIT_STATES)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_scan_gradients_splits(state: int, dtype: str, target: str) -> None:
    """Sequences in parts, what goes between which is forgotten or is not."""
    rng = np.random.default_rng(19)
    for batch, dim, length in (*SPLIT_SIZES, (1, 96, 2100)):
        for shift in (0.0, -7.0):
            scan = test_scan.inputs(rng, batch, dim, length, dtype=dtype, state=state)
            scan["delta_bias"] = scan["delta_bias"] + np.float32(shift)
            arguments = test_scan_backward.gradients_of(rng, scan, dtype)
            check_scan_gradients(arguments, dtype, target, schedule={"splits": 64})


@pytest.mark.parametrize("name", test_scan.VARIANTS)
def test_scan_gradients_split_options(name: str, target: str) -> None:
    rng = np.random.default_rng(20)
    for reverse in (False, True):
        options = test_scan.VARIANTS[name]
        scan = test_scan.inputs(rng, 2, 34, 700, **options)
        scan["reverse"] = reverse
        arguments = test_scan_backward.gradients_of(rng, scan, "f32")
        check_scan_gradients(arguments, "f32", target, schedule={"splits": 3})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scan_gradients_layouts(layout: str, target: str) -> None:
    rng = np.random.default_rng(14)
    arguments = test_scan.inputs(rng, 2, 32, 96, dtype="bf16")
    arguments = test_scan_backward.gradients_of(rng, arguments, "bf16")
    check_scan_gradients(arguments, "bf16", target, layout)


def test_scan_gradients_repeat(target: str) -> None:
    rng = np.random.default_rng(6)
    scan = test_scan.inputs(rng, 4, 256, 300, dtype="bf16")
    arguments = place_all(test_scan_backward.gradients_of(rng, scan, "bf16"))
    first = seqc.selective_scan_backward(**arguments, target=target)
    for _ in range(50):
        again = seqc.selective_scan_backward(**arguments, target=target)
        for name, x, y in zip(first._fields, first, again, strict=True):
            assert torch.equal(x, y), name


def check_conv_gradients(
    arguments: dict[str, Any], dtype: str, target: str, layout: str = "dense"
) -> None:
    expected = reference.causal_conv1d_backward(**arguments)
    sizes = reference.causal_conv1d_backward(**arguments, absolute=True)
    moved = place_all(arguments, layout)
    poison(*(moved[name] for name in expected))
    got = seqc.causal_conv1d_backward(**moved, target=target)._asdict()
    for name, size in sizes.items():
        own = arguments[name].dtype == NUMPY[dtype]
        bound = (SCAN if own else STATE)[dtype] * np.maximum(1.0, size)
        assert got[name].dtype == moved[name].dtype
        assert_close(host(got[name]), expected[name], bound, name)


@pytest.mark.parametrize("width", CONV_WIDTHS)
@pytest.mark.parametrize("name", test_conv_backward.VARIANTS)
def test_conv_gradients_options(width: int, name: str, target: str) -> None:
    rng = np.random.default_rng(15)
    options = test_conv_backward.VARIANTS[name]
    for batch, dim, length in (*CONV_SIZES, (1, 4, 2), (1, 2, 777)):
        arguments = test_conv_backward.inputs(
            rng, batch, dim, length, width=width, **options
        )
        check_conv_gradients(arguments, "f32", target)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conv_gradients_dtypes(dtype: str, layout: str, target: str) -> None:
    rng = np.random.default_rng(16)
    arguments = test_conv_backward.inputs(rng, 2, 24, 800, dtype=dtype)
    check_conv_gradients(arguments, dtype, target, layout)


NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")


def leaves(arguments: dict[str, Any]) -> dict[str, Any]:
    moved = place_all(arguments)
    return {
        name: x.requires_grad_() if isinstance(x, torch.Tensor) else x
        for name, x in moved.items()
    }


@pytest.mark.parametrize("compiled", [False, True])
def test_scan_under_autograd(compiled: bool, target: str) -> None:
    """loss.backward(), through both results."""
    rng = np.random.default_rng(17)
    scan = test_scan.inputs(rng, 2, 34, 70, dtype="bf16")
    arguments = test_scan_backward.gradients_of(rng, scan, "bf16")
    expected = reference.selective_scan_backward(**arguments)
    values = leaves(scan)
    out_grad, state_grad = place_all(
        {name: arguments[name] for name in ("out_grad", "final_state_grad")}
    ).values()

    def run(values: dict[str, Any]) -> Any:
        return seqc.selective_scan(**values, return_final_state=True, target=target)

    call: Any = torch.compile(run, fullgraph=True) if compiled else run
    for _ in range(2):
        for name in NAMES:
            values[name].grad = None
        torch.autograd.backward(call(values), [out_grad, state_grad])
        for name, bound in test_scan_backward.bounds(arguments, "bf16").items():
            assert_close(host(values[name].grad), expected[name], bound, name)


def test_gradients_pass_opcheck(target: str) -> None:
    importlib.import_module("seqc.torch")
    rng = np.random.default_rng(18)
    values = leaves(test_scan.inputs(rng, 2, 8, 20))
    torch.library.opcheck(
        torch.ops.seqc.selective_scan,
        tuple(values[name] for name in NAMES[:5]),
        {"target": target},
    )
    conv = leaves(
        {
            "x": random(rng, (2, 6, 20), "f32"),
            "weight": random(rng, (6, 4), "f32"),
            "bias": random(rng, (6,), "f32"),
        }
    )
    torch.library.opcheck(
        torch.ops.seqc.causal_conv1d, tuple(conv.values()), {"target": target}
    )
