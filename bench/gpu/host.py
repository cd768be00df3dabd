# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The host's time of a call."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import seqc
import torch
from seqc import _arrays

from .attention import Problem, make, ours
from .cases import Call, Cell
from .compilation import compilations
from .devices import Device, Gpu


def microseconds(call: Call, device: Device, batches: int) -> float:
    """What the host spends on one call of a small kernel: the fastest batch, since
    others share the machine."""
    for _ in range(5):
        call()
    times = []
    for _ in range(batches):
        device.synchronize()
        start = time.perf_counter()
        for _ in range(100):
            call()
        times.append((time.perf_counter() - start) / 100 * 1e6)
    device.synchronize()
    return min(times)


HOST_CELL = Cell(64, 64, "causal", 1, 1, 1)


def program_launch(
    task: Cell, problem: Problem, device: Device, target: str
) -> Call | None:
    """The runtime's launch alone: views and results are ready."""
    text = compilations.texts.get(task.kernel)
    if text is None:
        return None
    place = device.target(target)
    if place == "cpu":
        return None
    # The text came from a call without the log-sum-exp: one result.
    program = seqc.compile(text, place, perf_errors=False)
    function = next(iter(program.functions.values()))._raw
    views = [
        _arrays.view(name, x)
        for name, x in (("query", problem.q), ("key", problem.k), ("value", problem.v))
    ]
    results = torch.empty_like(problem.q.contiguous())
    out = [_arrays.view("out", results)]
    stream = torch.cuda.current_stream().cuda_stream

    def call(keep: Any = results) -> Any:
        return function.call_async(views, stream, out)

    return call


def measure_host(device: Device, dry: bool) -> list[dict[str, Any]]:
    cell = HOST_CELL
    problem = make(cell, device.name)
    calls: list[tuple[str, Call | None]] = []
    for target in device.targets():
        call = ours(problem, cell, device.target(target))
        calls.append((f"seqc.attention, {target}", call))
        calls.append(
            (
                f"launch of a program, {target}",
                program_launch(cell, problem, device, target),
            )
        )
    if isinstance(device, Gpu):
        from torch.nn.attention import SDPBackend, sdpa_kernel

        backend = SDPBackend.FLASH_ATTENTION
        choice: contextlib.AbstractContextManager[Any] = sdpa_kernel(backend)
    else:
        choice = contextlib.nullcontext()
    attend = torch.nn.functional.scaled_dot_product_attention
    q, k, v = problem.q, problem.k, problem.v
    calls.append(("torch's attention", lambda: attend(q, k, v, is_causal=True)))
    calls.append(("torch's addition", lambda: q + k))
    found = []
    with choice:
        for name, each in calls:
            if each is None:
                continue
            us = microseconds(each, device, 3 if dry else 50)
            found.append({"call": name, "us": us})
            print(f"host: {name}: {us:.2f} us a call", flush=True)
    return found
