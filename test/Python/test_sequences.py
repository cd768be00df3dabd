# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The direction of scans and convolutions, and packed sequences, against f64."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import seqc
import sequence_cases as cases
import test_conv
import test_conv_backward
import test_scan
import test_scan_backward
from seqc import _scan
from seqc_testing import BFLOAT16, assert_close, random

# The plain one has no initial states.
VARIANTS = ("all", "plain", "grouped", "constant")


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("name", VARIANTS)
def test_scan_options(name: str, case: str) -> None:
    rng = np.random.default_rng(1)
    arguments = cases.scan(rng, case, 34, **test_scan.VARIANTS[name])
    test_scan.check(arguments)
    if name == "all":
        test_scan.check(arguments, layout="negative")


@pytest.mark.parametrize("case", ["reverse", "packed_reverse"])
@pytest.mark.parametrize("name", VARIANTS)
def test_scan_gradients(name: str, case: str) -> None:
    rng = np.random.default_rng(2)
    options = test_scan.VARIANTS[name]
    test_scan_backward.check(cases.scan_gradients(rng, case, 34, **options))
    if name == "all":
        arguments = cases.scan_gradients(rng, case, 34, final=False, **options)
        test_scan_backward.check(arguments, layout="transposed")


@pytest.mark.parametrize(
    ("dtype", "case"),
    [
        pytest.param(
            "bf16",
            "packed_reverse",
            marks=pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes"),
        ),
        ("f64", "reverse"),
    ],
)
def test_dtypes(dtype: str, case: str) -> None:
    rng = np.random.default_rng(3)
    test_scan.check(cases.scan(rng, case, 20, dtype=dtype), dtype)
    test_scan_backward.check(cases.scan_gradients(rng, case, 20, dtype), dtype)
    test_conv.check(cases.conv(rng, case, 20, dtype), dtype)
    test_conv_backward.check(cases.conv_gradients(rng, case, 20, dtype), dtype)


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_conv_options(width: int, case: str) -> None:
    rng = np.random.default_rng(4)
    plain: dict[str, Any] = {"bias": False, "initial_state": False, "activation": None}
    test_conv.check(cases.conv(rng, case, 20, width=width))
    test_conv.check(cases.conv(rng, case, 20, width=width, **plain))


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("width", [1, 4])
def test_conv_gradients(width: int, case: str) -> None:
    rng = np.random.default_rng(5)
    plain: dict[str, Any] = {"bias": False, "state": False, "activation": None}
    test_conv_backward.check(cases.conv_gradients(rng, case, 20, width=width))
    test_conv_backward.check(cases.conv_gradients(rng, case, 20, width=width, **plain))


def test_packed_is_each_alone() -> None:
    """To the bit: nothing of a sequence reaches another."""
    rng = np.random.default_rng(6)
    arguments = cases.scan(rng, "packed", 16)
    out, states = seqc.selective_scan(**arguments, return_final_state=True)
    offsets = arguments.pop("cu_seqlens")
    initial = arguments.pop("initial_state")
    for s, (begin, end) in enumerate(pairwise(offsets)):
        alone = {
            name: x[..., begin:end] if name in ("u", "delta", "z", "B", "C") else x
            for name, x in arguments.items()
        }
        got, state = seqc.selective_scan(
            **alone, initial_state=initial[s : s + 1], return_final_state=True
        )
        np.testing.assert_array_equal(got, out[..., begin:end])
        np.testing.assert_array_equal(state, states[s : s + 1])


def test_splits_leave_packed_sequences_whole() -> None:
    rng = np.random.default_rng(7)
    schedule = {"splits": 4, "tile_n": 16}
    for case in ("packed", "reverse"):
        arguments = cases.scan(rng, case, 16)
        whole = seqc.selective_scan(**arguments, return_final_state=True)
        split = seqc.selective_scan(
            **arguments, return_final_state=True, schedule=schedule
        )
        for x, y in zip(split, whole, strict=True):
            assert_close(x, y, 2e-5 * np.maximum(1, np.abs(y)))


def test_nan_stays_in_its_sequence() -> None:
    rng = np.random.default_rng(8)
    arguments = cases.scan(rng, "packed", 8)
    begin, end = arguments["cu_seqlens"][3:5]
    arguments["u"][:, :, begin] = np.nan
    out, state = seqc.selective_scan(**arguments, return_final_state=True)
    assert np.isnan(out[..., begin:end]).all()
    assert np.isfinite(out[..., :begin]).all() and np.isfinite(out[..., end:]).all()
    assert np.isnan(state[3]).all() and np.isfinite(np.delete(state, 3, 0)).all()


@pytest.mark.parametrize(
    ("offsets", "error", "message"),
    [
        ([0, 5, 3, 70], ValueError, "cu_seqlens: falls from 5 to 3 at 2"),
        ([0, 69], ValueError, "cu_seqlens: goes from 0 to 69, expected from 0 to the"),
        ([1, 70], ValueError, "cu_seqlens: goes from 1 to 70"),
        ([0], ValueError, "cu_seqlens: has 1 elements"),
        ([[0, 70]], ValueError, "cu_seqlens: has shape (1, 2)"),
        ([0.0, 70.0], TypeError, "cu_seqlens"),
    ],
)
def test_offsets_are_checked(offsets: Any, error: type, message: str) -> None:
    rng = np.random.default_rng(9)
    scan = test_scan.inputs(rng, 1, 4, 70, initial_state=False)
    conv = test_conv.inputs(rng, 1, 4, 70, initial_state=False)
    for call, arguments in ((seqc.selective_scan, scan), (seqc.causal_conv1d, conv)):
        with pytest.raises(error) as raised:
            call(**arguments, cu_seqlens=np.array(offsets))
        assert message in str(raised.value)


def test_offsets_that_fall_stay_inside() -> None:
    """Past the checks of a call, as on a device: every step is that of a sequence, and
    nothing is read or written elsewhere."""
    rng = np.random.default_rng(13)
    x = test_scan.inputs(rng, 1, 4, 70, D=False, z=False, delta_bias=False)
    x["initial_state"] = random(rng, (9, 4, 8), "f32")
    offsets = np.array([5, 90, -5, 2**31 - 1, 7, 7, 300, -(2**31), 1, 9], np.int32)
    kind = ("f32", 3, 0)
    operands = (None, False, None, True, True, True)
    key = _scan.ScanKey("f32", 8, "f32", kind, kind, *operands, (), packed=True)
    program = seqc.compile(_scan.selective_scan_text(key))
    data = (x[name] for name in ("u", "delta", "A", "B", "C", "initial_state"))
    out, state = program["selective_scan"](*data, offsets)
    assert np.isfinite(out).all() and np.isfinite(state).all()


def test_packed_shapes_are_checked() -> None:
    rng = np.random.default_rng(10)
    offsets = np.array([0, 30, 70], np.int32)
    scan = test_scan.inputs(rng, 2, 4, 70)
    with pytest.raises(ValueError, match="u: has batch 2, expected 1 with cu_seqlens"):
        seqc.selective_scan(**scan, cu_seqlens=offsets)
    scan = test_scan.inputs(rng, 1, 4, 70)
    with pytest.raises(ValueError, match=r"initial_state: .*sequences, dim, state"):
        seqc.selective_scan(**scan, cu_seqlens=offsets)
    conv = cases.conv_gradients(rng, "packed", 4)
    state = np.zeros((9, 4, 3), np.float32)
    with pytest.raises(ValueError, match="final_state_grad: is given with cu_seqlens"):
        seqc.causal_conv1d_backward(**conv, final_state_grad=state)


@pytest.mark.parametrize("case", ["reverse", "packed_reverse"])
def test_torch_gradients(case: str) -> None:
    """Autograd through a convolution and a scan of both options, as the model has
    them, against the gradients that numpy's calls give."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(11)
    scan = cases.scan(rng, case, 8)
    conv = cases.conv(rng, case, 8)

    def tensor(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        found = torch.from_numpy(x)
        return found.requires_grad_() if found.is_floating_point() else found

    conv_in = {name: tensor(x) for name, x in conv.items()}
    scan_in = {name: tensor(x) for name, x in scan.items() if name != "u"}
    u, _ = seqc.causal_conv1d(**conv_in, return_final_state=True)
    out, state = seqc.selective_scan(u, **scan_in, return_final_state=True)
    out_grad = random(rng, scan["u"].shape, "f32")
    state_grad = random(rng, tuple(state.shape), "f32")
    torch.autograd.backward(
        [out, state], [torch.from_numpy(out_grad), torch.from_numpy(state_grad)]
    )

    scan["u"] = np.asarray(u.detach())
    expected = seqc.selective_scan_backward(
        out_grad, **scan, final_state_grad=state_grad
    )
    before = seqc.causal_conv1d_backward(expected.u, **conv)
    for gradients, inputs in ((expected, scan_in), (before, conv_in)):
        for name, gradient in gradients._asdict().items():
            if name in inputs and gradient is not None:
                found = inputs[name].grad
                np.testing.assert_allclose(found, gradient, 1e-5, 1e-5, err_msg=name)


def test_torch_compile_traces() -> None:
    """Shapes without values: the operators of torch know those of packed states."""
    torch = pytest.importorskip("torch")
    from torch._subclasses.fake_tensor import FakeTensorMode

    rng = np.random.default_rng(12)
    arguments = cases.scan(rng, "packed", 8)
    with FakeTensorMode() as mode:
        fake = {
            name: mode.from_tensor(torch.from_numpy(x))
            if isinstance(x, np.ndarray)
            else x
            for name, x in arguments.items()
        }
        out, state = seqc.selective_scan(**fake, return_final_state=True)
    assert tuple(out.shape) == arguments["u"].shape
    assert tuple(state.shape) == arguments["initial_state"].shape
