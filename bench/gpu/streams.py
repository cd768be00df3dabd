# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The selective scan and the convolution: problems, sides and checks."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import seqc
import torch
from seqc import reference

from .cases import LONGEST_LOOP, WIDE, WIDTH, Side, Stream
from .devices import Device

CALLS: dict[str, Any] = {
    "scan": seqc.selective_scan,
    "conv": seqc.causal_conv1d,
    "scan-backward": seqc.selective_scan_backward,
    "conv-backward": seqc.causal_conv1d_backward,
}

# How many channels of the first batch are compared, and how many of their steps:
# the first ones, which depend on no later ones.
CHECKED = 4
CHECKED_STEPS = 131072


def to_numpy(x: Any) -> Any:
    return x.double().cpu().numpy() if isinstance(x, torch.Tensor) else x


def stream_inputs(task: Stream, device: str) -> dict[str, Any]:
    generator = torch.Generator(device).manual_seed(0)
    batch, dim, length = task.batch, task.dim, task.length

    def random_tensor(*shape: int, dtype: Any = torch.bfloat16) -> Any:
        return torch.randn(shape, generator=generator, device=device, dtype=dtype)

    single = torch.float32
    grads: dict[str, Any] = {}
    if task.is_backward:
        grads["out_grad"] = random_tensor(batch, dim, length)
    if task.kind.startswith("conv"):
        return grads | {
            "x": random_tensor(batch, dim, length),
            "weight": random_tensor(dim, WIDTH),
            "bias": random_tensor(dim),
            "activation": "silu",
        }
    states = task.states
    rates = torch.arange(1, states + 1, device=device, dtype=single)
    given = grads
    if task.is_step:
        given["initial_state"] = random_tensor(batch, dim, states, dtype=single)
        given["return_final_state"] = True
    # softplus(-7) is 9e-4.
    shift = -7.0 if task.small_steps else 0.0
    return given | {
        "u": random_tensor(batch, dim, length),
        "delta": random_tensor(batch, dim, length),
        "A": -rates.expand(dim, states).contiguous(),
        "B": random_tensor(batch, states, length),
        "C": random_tensor(batch, states, length),
        "D": random_tensor(dim, dtype=single),
        "z": random_tensor(batch, dim, length),
        "delta_bias": random_tensor(dim, dtype=single) * 0.1 + shift,
        "delta_softplus": True,
    }


def first_channels(name: str, x: Any) -> Any:
    """The part of an argument that the first channels of the first batch need."""
    if not isinstance(x, torch.Tensor):
        return x
    if name in ("A", "D", "delta_bias", "weight", "bias"):
        return x[:CHECKED]
    if name == "initial_state":
        return x[:1, :CHECKED]
    x = x[..., :CHECKED_STEPS]
    return x[:1] if name in ("B", "C") else x[:1, :CHECKED]


def scan_loop(given: dict[str, Any]) -> Any:
    """The recurrence, step by step, as a program in torch would have it."""
    u, z, a = given["u"].float(), given["z"], given["A"]
    b, c = given["B"].float(), given["C"].float()
    dt = given["delta"].float() + given["delta_bias"][:, None]
    dt = torch.nn.functional.softplus(dt)
    h = torch.zeros((*u.shape[:2], a.shape[1]), device=u.device)
    out = torch.empty_like(u)
    for t in range(u.shape[2]):
        h = torch.exp(dt[:, :, t, None] * a) * h
        h = h + (dt[:, :, t] * u[:, :, t])[..., None] * b[:, None, :, t]
        out[:, :, t] = (h * c[:, None, :, t]).sum(-1)
    out = out + u * given["D"][:, None]
    return (out * torch.nn.functional.silu(z.float())).to(z.dtype)


def stream_sides(
    task: Stream, device: Device, args: argparse.Namespace
) -> Iterator[Side]:
    arguments = stream_inputs(task, device.name)
    call: Any = CALLS[task.kind]
    exact: Any = getattr(reference, call.__name__)
    part = {
        name: to_numpy(first_channels(name, x))
        for name, x in arguments.items()
        if name != "return_final_state"
    }
    # Of the gradients, that of u or x.
    results = exact(**part)
    expected = next(iter(results.values())) if task.is_backward else results[0]
    largest = max(1.0, float(np.abs(expected).max()))

    def error(out: Any) -> float:
        first = out[0] if task.is_step or task.is_backward else out
        got = to_numpy(first_channels("out", first))
        difference = np.nan_to_num(np.abs(got - expected), nan=math.inf)
        return float(difference.max()) / largest

    for target in device.targets():
        run = functools.partial(call, **arguments, target=device.target(target))
        yield Side(target, run, error)
    half = torch.empty(moved_bytes(task) // 2, dtype=torch.uint8, device=device.name)
    copied = torch.empty_like(half)
    yield Side("copy", lambda: copied.copy_(half))
    is_figure = (task.kind, task.batch, task.dim) == ("scan", 1, WIDE)
    if is_figure and task.length <= LONGEST_LOOP:
        yield Side("torch", lambda: scan_loop(arguments), error)
    if task.kind == "conv":
        x, weight, bias = (arguments[name] for name in ("x", "weight", "bias"))
        f = torch.nn.functional

        def theirs() -> Any:
            padded = f.pad(x, (WIDTH - 1, 0))
            return f.silu(f.conv1d(padded, weight[:, None], bias, groups=task.dim))

        yield Side("torch", theirs, error)


def moved_bytes(task: Stream) -> int:
    """What must be read and written: once each operand of the size of the
    problem. Those of fewer dimensions are left out but for the scan's B and C."""
    each = 2 * task.batch * task.dim * task.length
    if task.kind == "conv":
        return 2 * each
    if task.kind == "conv-backward":
        return 3 * each
    if task.is_backward:
        return 7 * each + 2 * 2 * 2 * task.batch * task.states * task.length
    state = 2 * 4 * task.batch * task.dim * task.states if task.is_step else 0
    return 4 * each + 2 * 2 * task.batch * task.states * task.length + state
