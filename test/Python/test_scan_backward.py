# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of seqc.selective_scan against the f64 reference."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import seqc
from hypothesis import example, given
from hypothesis import strategies as st
from seqc import _scan_backward, reference
from seqc_testing import (
    DTYPES,
    LAYOUTS,
    NUMPY,
    SCAN,
    STATE,
    Array,
    accumulator,
    as_f64,
    assert_close,
    lay_out,
    random,
)
from test_scan import VARIANTS, channels, inputs, lengths, split


def gradients_of(
    rng: np.random.Generator, arguments: dict[str, Any], dtype: str, final: bool = True
) -> dict[str, Any]:
    """The arguments of the backward of a scan with `arguments`."""
    batch, dim, _ = arguments["u"].shape
    result = dict(arguments, out_grad=random(rng, arguments["u"].shape, dtype))
    if final:
        shape = (batch, dim, arguments["A"].shape[1])
        result["final_state_grad"] = random(rng, shape, accumulator(dtype))
    return result


def bounds(arguments: dict[str, Any], dtype: str) -> dict[str, Any]:
    """How far each gradient may be off, from the sums of absolute values."""
    sizes = reference.selective_scan_backward(**arguments, absolute=True)
    result = {}
    for name, size in sizes.items():
        own = arguments[name].dtype == NUMPY[dtype]
        result[name] = (SCAN if own else STATE)[dtype] * np.maximum(1.0, size)
    return result


def check(arguments: dict[str, Any], dtype: str = "f32", layout: str = "dense") -> None:
    laid: dict[str, Any] = {
        name: lay_out(x, layout) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }
    actual = seqc.selective_scan_backward(**laid)._asdict()
    expected = reference.selective_scan_backward(**arguments)
    assert {name for name, x in actual.items() if x is not None} == set(expected)
    for name, bound in bounds(arguments, dtype).items():
        assert actual[name].dtype == arguments[name].dtype
        assert_close(actual[name], expected[name], bound, name)


def test_reference_is_the_derivative() -> None:
    """The reference itself, against differences of the scan's reference."""
    rng = np.random.default_rng(0)
    scan = inputs(rng, 1, 4, 6, dtype="f64", matrices="grouped", state=2)
    arguments = gradients_of(rng, scan, "f64")

    def loss(values: dict[str, Any]) -> float:
        out, state = reference.selective_scan(**values)
        total = (out * arguments["out_grad"]).sum()
        return float(total + (state * arguments["final_state_grad"]).sum())

    found = reference.selective_scan_backward(**arguments)
    for name, gradient in found.items():
        direction = rng.standard_normal(gradient.shape)
        step = 1e-6
        up, down = (
            loss(dict(scan, **{name: scan[name] + s * direction}))
            for s in (step, -step)
        )
        slope = (gradient * direction).sum()
        np.testing.assert_allclose((up - down) / (2 * step), slope, rtol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
@given(
    batch=st.integers(1, 3),
    dim=channels,
    length=lengths,
    layout=st.sampled_from(LAYOUTS),
    final=st.just(True),
    seed=st.integers(0, 2**32 - 1),
)
@example(batch=1, dim=2, length=1, layout="dense", final=True, seed=0)
@example(batch=2, dim=4, length=0, layout="dense", final=True, seed=0)
@example(batch=2, dim=20, length=129, layout="dense", final=False, seed=0)
@example(batch=1, dim=64, length=1030, layout="transposed", final=True, seed=0)
def test_options(
    name: str, batch: int, dim: int, length: int, layout: str, final: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arguments = inputs(rng, batch, dim, length, **VARIANTS[name])
    check(gradients_of(rng, arguments, "f32", final), layout=layout)


@pytest.mark.parametrize("state", [1, 2, 3, 17, 256])
def test_states(state: int) -> None:
    rng = np.random.default_rng(state)
    check(gradients_of(rng, inputs(rng, 2, 5, 70, state=state), "f32"))


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
    arguments = inputs(rng, batch, dim, length, dtype=dtype)
    check(gradients_of(rng, arguments, dtype), dtype, layout)


@pytest.mark.parametrize("matrices", ["constant", "grouped"])
def test_parameters_in_the_dtype(matrices: str) -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 8, 60, dtype="f16", parameters="f16", matrices=matrices)
    check(gradients_of(rng, arguments, "f16"), "f16")


def test_groups_of_their_own() -> None:
    """B in three groups, C in two, and neither."""
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 2, 12, 70)
    arguments["B"] = random(rng, (2, 3, 8, 70), "f32")
    arguments["C"] = random(rng, (2, 2, 8, 70), "f32")
    check(gradients_of(rng, arguments, "f32"))
    arguments["C"] = random(rng, (12, 8), "f32")
    check(gradients_of(rng, arguments, "f32"))


@pytest.mark.parametrize(
    "schedule",
    [{"tile_n": 1}, {"tile_m": 37, "tile_n": 7}],
)
def test_schedules_compute_the_same(schedule: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    arguments = gradients_of(rng, inputs(rng, 2, 40, 150), "f32")
    whole = seqc.selective_scan_backward(**arguments)._asdict()
    other = seqc.selective_scan_backward(**arguments, schedule=schedule)._asdict()
    for name, bound in bounds(arguments, "f32").items():
        assert_close(other[name], whole[name], bound, name)


@pytest.mark.parametrize("matrices", ["constant", "grouped"])
@given(
    length=st.integers(1, 200),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_parts_are_the_whole(
    matrices: str, length: int, fraction: float, seed: int
) -> None:
    """The second part's gradient of its initial state goes to the first."""
    rng = np.random.default_rng(seed)
    at = int(fraction * length)
    arguments = inputs(rng, 2, 6, length, matrices=matrices)
    all_arguments = gradients_of(rng, arguments, "f32")
    whole = seqc.selective_scan_backward(**all_arguments)._asdict()
    first, second = split(arguments, at)
    _, middle = seqc.selective_scan(**first, return_final_state=True)
    second = dict(
        second,
        initial_state=middle,
        out_grad=all_arguments["out_grad"][..., at:],
        final_state_grad=all_arguments["final_state_grad"],
    )
    later = seqc.selective_scan_backward(**second)
    first = dict(
        first,
        out_grad=all_arguments["out_grad"][..., :at],
        final_state_grad=later.initial_state,
    )
    earlier = seqc.selective_scan_backward(**first)
    for name, bound in bounds(all_arguments, "f32").items():
        x, y = getattr(earlier, name), getattr(later, name)
        if name == "initial_state":
            parts = x
        elif x.ndim > 2:
            parts = np.concatenate([x, y], axis=-1)
        else:
            parts = x + y
        assert_close(parts, whole[name], bound, name)


def test_batches_are_summed() -> None:
    rng = np.random.default_rng(0)
    arguments = gradients_of(rng, inputs(rng, 3, 10, 50), "f32")
    whole = seqc.selective_scan_backward(**arguments)
    shared = ("A", "D", "delta_bias", "delta_softplus")
    parts = [
        seqc.selective_scan_backward(
            **{n: x if n in shared else x[b : b + 1] for n, x in arguments.items()}
        )
        for b in range(3)
    ]
    for name in ("A", "D", "delta_bias"):
        total = (getattr(parts[0], name) + getattr(parts[1], name)) + getattr(
            parts[2], name
        )
        np.testing.assert_array_equal(getattr(whole, name), total)
    for name in ("u", "B", "initial_state"):
        joined = np.concatenate([getattr(p, name) for p in parts])
        np.testing.assert_array_equal(getattr(whole, name), joined)


def test_nan_goes_backward_in_its_channel() -> None:
    rng = np.random.default_rng(0)
    arguments = gradients_of(rng, inputs(rng, 1, 4, 30, z=False), "f32")
    arguments["out_grad"][0, 2, 10] = np.nan
    result = seqc.selective_scan_backward(**arguments)
    assert np.isnan(result.u[0, 2, :11]).all()
    assert np.isfinite(result.u[0, 2, 11:]).all()
    assert np.isfinite(np.delete(result.u, 2, axis=1)).all()
    assert np.isnan(result.A[2]).all() and np.isfinite(np.delete(result.A, 2, 0)).all()
    # Every channel adds to B's gradient.
    assert np.isnan(result.B[..., :11]).all() and np.isfinite(result.B[..., 11:]).all()


def test_large_steps_do_not_overflow_softplus() -> None:
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 1, 4, 30)
    arguments["delta"] = arguments["delta"] * 100
    check(gradients_of(rng, arguments, "f32"))


def test_trained_decays_over_a_long_sequence() -> None:
    """dt of about 1e-3: states and sums over time remember thousands of steps."""
    rng = np.random.default_rng(0)
    arguments = inputs(rng, 1, 4, 20000, state=4)
    arguments["delta"] = (arguments["delta"] - 7).astype(np.float32)
    check(gradients_of(rng, arguments, "f32"))


REPEAT = """
import hashlib
import numpy as np
import seqc
rng = np.random.default_rng(0)
def r(*shape):
    return rng.standard_normal(shape).astype(np.float32)
B, D, N, L = 2, 70, 16, 300
scan = dict(u=r(B, D, L), delta=r(B, D, L), A=-np.exp(r(D, N)), B=r(B, N, L),
            C=r(B, N, L), D=r(D), z=r(B, D, L), delta_bias=r(D), delta_softplus=True,
            initial_state=r(B, D, N))
g, gs = r(B, D, L), r(B, D, N)
w, b, s = r(D, 4), r(D), r(B, D, 3)
seen = set()
for threads in (1, 2, 3, 4):
    seqc.set_num_threads(threads)
    for _ in range(13):
        found = seqc.selective_scan_backward(g, final_state_grad=gs, **scan)
        found += seqc.causal_conv1d_backward(g, scan["u"], w, b, "silu", s)
        seen.add(hashlib.sha256(b"".join(x.tobytes() for x in found)).hexdigest())
print(len(seen))
"""


def test_the_same_bits_every_time() -> None:
    """Over 52 runs on 1 to 4 threads."""
    run = subprocess.run(
        [sys.executable, "-c", REPEAT], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "1", run.stderr


def test_arguments_are_checked() -> None:
    rng = np.random.default_rng(0)
    arguments: dict[str, Any] = gradients_of(rng, inputs(rng, 2, 6, 20), "f32")

    def fails(error: type[Exception], message: str, **changes: Array) -> None:
        with pytest.raises(error, match=message):
            seqc.selective_scan_backward(**{**arguments, **changes})

    fails(
        ValueError,
        r"out_grad: has shape \(2, 6, 19\), expected \(2, 6, 20\)",
        out_grad=arguments["u"][..., :19],
    )
    fails(
        TypeError,
        "out_grad: has dtype f64, expected f32",
        out_grad=as_f64(arguments["u"]),
    )
    fails(
        ValueError,
        r"final_state_grad: has shape \(2, 6, 3\), expected \(2, 6, 8\)",
        final_state_grad=np.zeros((2, 6, 3), np.float32),
    )
    fails(ValueError, "delta: has shape", delta=arguments["delta"][:1])


def test_programs_tie_sizes() -> None:
    """What a compiled program refuses: gradients of other sizes than operands."""
    program = seqc.compile("""
    func.func @f(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>, %B: tensor<?x2x4x?xf32>,
                 %dy: tensor<?x?x?xf32>) -> tensor<?x2x4x?xf32> {
      %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%A)
          out_grad(%dy)
        : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
           tensor<?x2x4x?xf32>, tensor<?x4xf32>, tensor<?x?x?xf32>)
        -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
            tensor<?x2x4x?xf32>, tensor<?x4xf32>)
      return %0#3 : tensor<?x2x4x?xf32>
    }
    func.func @g(%x: tensor<?x?x?xf32>, %w: tensor<?x4xf32>, %dy: tensor<?x?x?xf32>)
        -> tensor<?x4xf32> {
      %dx, %dw = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%dy)
        : (tensor<?x?x?xf32>, tensor<?x4xf32>, tensor<?x?x?xf32>)
        -> (tensor<?x?x?xf32>, tensor<?x4xf32>)
      return %dw : tensor<?x4xf32>
    }
    """)
    u = np.ones((1, 6, 9), np.float32)
    A, B = np.ones((6, 4), np.float32), np.ones((1, 2, 4, 9), np.float32)
    assert program["f"](u, -A, B, u).shape == B.shape
    assert program["g"](u, A, u).shape == A.shape
    for name, arguments in (
        ("f", (u, A, B, u[..., :8])),
        ("f", (u, A[:5], B, u)),
        ("f", (u[:, :5], A[:5], B, u[:, :5])),  # Groups that do not divide.
        ("g", (u, A, u[..., :8])),
        ("g", (u, A[:5], u)),
    ):
        with pytest.raises(seqc.SeqcArgumentError):
            program[name](*arguments)


def test_schedule_of_a_call() -> None:
    """Few channels of a long sequence are split on a GPU, by as many parts as its
    sizes are worth."""
    choose = _scan_backward._backward_schedule
    parts = (("splits", 1024),)
    assert choose(None, 1, 4096, 16, 65536, True) == parts
    assert choose({"tile_n": 8}, 1, 4096, 16, 65536, True) == (*parts, ("tile_n", 8))
    assert choose({"splits": 3}, 1, 4096, 16, 65536, True) == (("splits", 3),)
    assert choose(None, 1, 4096, 16, 65536, False) == ()
    assert choose(None, 1, 4096, 16, 200, True) == ()
    assert choose(None, 8, 4096, 16, 4096, True) == ()
    assert choose(None, 5, 2048, 16, 4096, True) == parts
    assert choose(None, 5, 2048, 64, 4096, True) == ()
