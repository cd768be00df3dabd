# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients of the scan and of the convolution through torch."""

from __future__ import annotations

from typing import Any

import pytest
import seqc
from seqc import reference
from seqc_testing import as_f64, assert_close

torch: Any = pytest.importorskip("torch")
pytest.importorskip("torch._dynamo.testing")

import seqc.torch as layer  # noqa: E402

SCAN = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")


@pytest.fixture(autouse=True)
def fresh_dynamo() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def scan_tensors(
    length: int = 9, dtype: Any = None, grouped: bool = False
) -> dict[str, Any]:
    """Leaves that require grad; B and C in groups, or C constant."""
    dtype = dtype or torch.float64
    acc = torch.float64 if dtype == torch.float64 else torch.float32
    batch, dim, state = 2, 6, 3
    variable = (batch, 2, state, length) if grouped else (batch, state, length)
    sizes = {
        "u": (batch, dim, length),
        "delta": (batch, dim, length),
        "A": (dim, state),
        "B": variable,
        "C": variable if grouped else (dim, state),
        "D": (dim,),
        "z": (batch, dim, length),
        "delta_bias": (dim,),
        "initial_state": (batch, dim, state),
    }
    result = {}
    for name, size in sizes.items():
        is_parameter = name in ("A", "D", "delta_bias", "initial_state")
        value = torch.randn(size, dtype=acc if is_parameter else dtype)
        if name == "A":
            value = -value.abs()
        result[name] = value.requires_grad_()
    return result


def run_scan(tensors: dict[str, Any], state: bool = True) -> Any:
    return seqc.selective_scan(**tensors, delta_softplus=True, return_final_state=state)


@pytest.mark.parametrize("grouped", [False, True])
def test_gradcheck_of_the_scan(grouped: bool) -> None:
    tensors = scan_tensors(5, grouped=grouped)

    def function(*values: Any) -> Any:
        return run_scan(dict(zip(tensors, values, strict=True)))

    values = tuple(tensors.values())
    assert torch.autograd.gradcheck(function, values, fast_mode=grouped)


def test_gradcheck_of_a_plain_scan() -> None:
    """No option, one tensor in two places, and only some that require grad."""
    tensors = scan_tensors(grouped=True)
    u, A, B = (tensors[name] for name in ("u", "A", "B"))
    step = torch.rand_like(u)

    def function(u: Any, B: Any) -> Any:
        return seqc.selective_scan(u, step, A.detach(), B, B)

    assert torch.autograd.gradcheck(function, (u, B))


@pytest.mark.parametrize("activation", [None, "silu"])
def test_gradcheck_of_the_convolution(activation: str | None) -> None:
    sizes: list[tuple[int, ...]] = [(2, 3, 5), (3, 4), (3,), (2, 3, 3)]
    tensors = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in sizes]

    def function(x: Any, weight: Any, bias: Any, before: Any) -> Any:
        return seqc.causal_conv1d(
            x, weight, bias, activation, before, return_final_state=True
        )

    assert torch.autograd.gradcheck(function, tensors)
    x, weight = tensors[:2]
    assert torch.autograd.gradcheck(
        lambda x, w: seqc.causal_conv1d(x, w, activation=activation), (x, weight)
    )


def test_opcheck() -> None:
    tensors = scan_tensors()
    values = [tensors[name] for name in SCAN]
    plain, optional = values[:5], values[5:8]
    scan = torch.ops.seqc.selective_scan
    torch.library.opcheck(scan, plain)
    torch.library.opcheck(scan, (*plain, *optional, True, values[8], True))
    gradients = torch.ops.seqc.selective_scan_backward
    detached = [x.detach() for x in values]
    torch.library.opcheck(
        gradients,
        (torch.randn(2, 6, 9).double(), *detached[:8], True, detached[8], detached[8]),
    )
    x, weight, before = torch.randn(2, 6, 9), torch.randn(6, 4), torch.randn(2, 6, 3)
    leaves = [y.requires_grad_() for y in (x, weight, torch.randn(6))]
    conv = (*leaves, "silu", before.requires_grad_(), True)
    torch.library.opcheck(torch.ops.seqc.causal_conv1d, conv)
    torch.library.opcheck(
        torch.ops.seqc.causal_conv1d_backward, (x.detach(), x.detach(), weight.detach())
    )


class Mixer(torch.nn.Module):
    """The middle of a Mamba block: convolution, projections, scan and gate."""

    def __init__(self, dim: int = 8, state: int = 4) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(dim, 4))
        self.bias = torch.nn.Parameter(torch.randn(dim))
        self.project = torch.nn.Linear(dim, 2 * state + dim)
        self.A_log = torch.nn.Parameter(torch.rand(dim, state))
        self.D = torch.nn.Parameter(torch.ones(dim))
        self.step_bias = torch.nn.Parameter(torch.rand(dim))
        self.sizes = [state, state, dim]

    def forward(self, x: Any, z: Any) -> Any:
        x = seqc.causal_conv1d(x, self.weight, self.bias, "silu")
        parts = self.project(x.transpose(1, 2)).split(self.sizes, dim=-1)
        B, C, step = (part.transpose(1, 2) for part in parts)
        A = -torch.exp(self.A_log)
        return seqc.selective_scan(
            x, step, A, B, C, self.D, z, self.step_bias, delta_softplus=True
        )


def gradients_of(model: Any, module: Any, x: Any, z: Any) -> list[Any]:
    module.zero_grad()
    (model(x, z) ** 2).sum().backward()
    return [p.grad.clone() for p in module.parameters()]


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_block_trains_under_compile(dynamic: bool) -> None:
    """No graph break, forward or backward, and the gradients of eager."""
    mixer = Mixer()
    frames = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(mixer, backend=frames, fullgraph=True, dynamic=dynamic)
    for length in (20, 33, 47) if dynamic else (20,):
        x, z = torch.randn(2, 8, length), torch.randn(2, 8, length)
        expected = gradients_of(mixer, mixer, x, z)
        for found, wanted in zip(
            gradients_of(compiled, mixer, x, z), expected, strict=True
        ):
            torch.testing.assert_close(found, wanted)
    assert frames.frame_count == 1


def test_gradients_are_those_of_the_formulas() -> None:
    """The same block in torch's own operations."""
    mixer = Mixer().double()
    x, z = torch.randn(2, 8, 12).double(), torch.randn(2, 8, 12).double()

    def slow(x: Any, z: Any) -> Any:
        F = torch.nn.functional
        x = F.conv1d(F.pad(x, (3, 0)), mixer.weight[:, None], mixer.bias, groups=8)
        x = F.silu(x)
        parts = mixer.project(x.transpose(1, 2)).split(mixer.sizes, dim=-1)
        B, C, step = (part.transpose(1, 2) for part in parts)
        step = F.softplus(step + mixer.step_bias[:, None])
        h = torch.zeros(2, 8, 4, dtype=torch.float64)
        outs = []
        for t in range(x.shape[2]):
            now = step[:, :, t, None]
            decay = torch.exp(now * -torch.exp(mixer.A_log))
            h = decay * h + now * x[:, :, t, None] * B[:, None, :, t]
            outs.append((h * C[:, None, :, t]).sum(-1))
        y = torch.stack(outs, dim=-1) + mixer.D[:, None] * x
        return y * F.silu(z)

    expected = gradients_of(slow, mixer, x, z)
    for found, wanted in zip(gradients_of(mixer, mixer, x, z), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision(name: str) -> None:
    """Parameters in f32: their gradients keep the bound of f32."""
    tensors = scan_tensors(40, dtype=getattr(torch, name), grouped=True)
    out, state = run_scan(tensors)
    out_grad, state_grad = torch.randn_like(out), torch.randn_like(state)
    torch.autograd.backward((out, state), (out_grad, state_grad))
    arguments: dict[str, Any] = {
        **{n: as_f64(x.detach()) for n, x in tensors.items()},
        "out_grad": as_f64(out_grad),
        "final_state_grad": as_f64(state_grad),
        "delta_softplus": True,
    }
    expected = reference.selective_scan_backward(**arguments)
    sizes = reference.selective_scan_backward(**arguments, absolute=True)
    for n, x in tensors.items():
        assert x.grad.dtype == x.dtype
        loose = {"bfloat16": 1.6e-2, "float16": 2e-3}[name]
        bound = 2e-5 if x.dtype == torch.float32 else loose
        assert_close(x.grad, expected[n], bound * sizes[n].clip(min=1.0), n)


def test_only_the_final_state() -> None:
    tensors = scan_tensors()
    _, state = run_scan(tensors)
    state.sum().backward()
    # Neither C nor the gate have a part in it.
    assert tensors["u"].grad.abs().sum() > 0
    assert not tensors["C"].grad.any() and not tensors["z"].grad.any()


def test_no_gradient_where_none_is_asked_for() -> None:
    tensors = scan_tensors()
    with torch.no_grad():
        assert not run_scan(tensors, False).requires_grad
    detached = {name: x.detach() for name, x in tensors.items()}
    assert not run_scan(detached, False).requires_grad
    detached["D"] = tensors["D"]
    run_scan(detached, False).sum().backward()
    assert tensors["D"].grad is not None and tensors["u"].grad is None


def test_second_derivatives_say_that_they_are_missing() -> None:
    tensors = scan_tensors()
    out = run_scan(tensors, False)
    (first,) = torch.autograd.grad(out.sum(), tensors["u"], create_graph=True)
    with pytest.raises(
        NotImplementedError, match=r"backward of seqc.selective_scan_backward is not"
    ):
        first.sum().backward()


def test_fake_gradients() -> None:
    u = torch.empty(2, 4, 9, device="meta")
    A, B = torch.empty(4, 3, device="meta"), torch.empty(2, 3, 9, device="meta")
    found = torch.ops.seqc.selective_scan_backward(u, u, u, A, B, B)
    shapes = [tuple(x.shape) for x in found]
    assert shapes[:5] == [tuple(x.shape) for x in (u, u, A, B, B)]
    assert shapes[5:] == [(0,)] * 4


def test_the_layer_is_used() -> None:
    """What requires grad goes through the operator of torch."""
    tensors = scan_tensors()
    direct = layer.selective_scan(
        **{name: x.detach() for name, x in tensors.items()}, delta_softplus=True
    )
    out = run_scan(tensors, False)
    assert out.requires_grad and torch.equal(out, direct)
