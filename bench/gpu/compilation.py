# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling ahead on all cores, and how long one kernel takes on one."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import seqc
from seqc import _seqc

from .attention import make, ours
from .backward import ours_backward
from .cases import Call, Cell, Stream
from .devices import Device, first_line
from .streams import CALLS, stream_inputs


class Compilations:
    """Listens to the compiler: what it was given, and how long it took."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.texts: dict[Any, str] = {}

    def listening(self) -> Any:
        """A context in which it does."""
        compile_now = _seqc.compile

        def listen(text: Any, options: Any) -> Any:
            start = time.perf_counter()
            result = compile_now(text, options)
            self.local.ms = (time.perf_counter() - start) * 1e3
            self.local.text = text
            return result

        return mock.patch.object(_seqc, "compile", listen)

    def call(self, call: Call, device: Device) -> tuple[float, float, str | None]:
        """Milliseconds of a first call and of the compilation in it, and what was
        compiled."""
        self.local.ms, self.local.text = 0.0, None
        start = time.perf_counter()
        call()
        device.synchronize()
        whole = (time.perf_counter() - start) * 1e3
        return whole, self.local.ms, self.local.text


compilations = Compilations()


def small(cell: Cell) -> Cell:
    """A quick problem for the same code."""
    heads = 2 if cell.heads != cell.key_heads else 1
    return dataclasses.replace(cell, length=64, batch=1, heads=heads, key_heads=1)


def small_call(task: Cell | Stream, device: Device, target: str) -> Call:
    place = device.target(target)
    if isinstance(task, Cell):
        cell = small(task)
        if cell.backward:
            return ours_backward(make(cell, device.name), cell, place)
        return ours(make(cell, device.name), cell, place)
    tiny = dataclasses.replace(task, batch=1, dim=32, length=64)
    arguments = stream_inputs(tiny, device.name)
    return lambda: CALLS[task.kind](**arguments, target=place)


def compile_all(
    tasks: list[Cell | Stream], device: Device, problems: list[str]
) -> None:
    """Compiles what the tasks need, several kernels at once."""
    wanted: dict[tuple[Any, str], Cell | Stream] = {}
    for task in tasks:
        for target in device.targets():
            if isinstance(task, Cell):
                wanted.setdefault((task.kernel, target), task)
                wanted.setdefault((task.plain.kernel, target), task.plain)
            else:
                wanted.setdefault((task.kind, target), task)

    def one(item: tuple[tuple[Any, str], Cell | Stream]) -> None:
        (kernel, target), task = item
        try:
            call = small_call(task, device, target)
            _, _, text = compilations.call(call, device)
        except Exception as failure:
            problems.append(
                f"{kernel} for {target} does not compile: {first_line(failure)}"
            )
            print(problems[-1], flush=True)
            return
        if text is not None:
            compilations.texts[kernel] = text

    start = time.perf_counter()
    seqc.clear_cache()
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
        list(pool.map(one, wanted.items()))
    seconds = time.perf_counter() - start
    print(f"compiled {len(wanted)} kernels in {seconds:.1f} s", flush=True)


def measure_compilation(device: Device, dry: bool) -> list[dict[str, Any]]:
    """First calls with nothing compiled, and with the result on disk; with one
    kernel at a time."""
    examples: list[Cell | Stream] = [
        Cell(128, 4096, "full", 1, 1, 1),
        Cell(128, 4096, "causal", 1, 1, 1),
        Cell(128, 4096, "alibi", 1, 1, 1),
        Cell(256, 4096, "causal", 1, 1, 1),
        Cell(128, 4096, "causal", 1, 1, 1, True),
        Stream("scan", 1, 64, 64),
        Stream("conv", 1, 64, 64),
    ]
    found = []
    for target in device.targets()[-1:] if dry else device.targets():
        for task in examples[1:2] if dry else examples:
            call = small_call(task, device, target)
            with tempfile.TemporaryDirectory() as folder:
                row: dict[str, Any] = {"kernel": kernel_name(task), "target": target}
                with mock.patch.dict(os.environ, {"SEQC_CACHE_DIR": folder}):
                    for key, cache in (("cold", "0"), ("fill", "1"), ("warm", "1")):
                        os.environ["SEQC_CACHE"] = cache
                        seqc.clear_cache()
                        try:
                            whole, ms, _ = compilations.call(call, device)
                        except seqc.SeqcError as failure:
                            print(f"{row}: {str(failure)[:160]}", flush=True)
                            break
                        row[f"{key}_ms"], row[f"{key}_call_ms"] = ms, whole
            if "warm_ms" in row:
                found.append(row)
                print(
                    f"compile {row['kernel']} {target}: {row['cold_ms']:.0f} ms, from "
                    f"the cache {row['warm_ms']:.1f} ms; first call "
                    f"{row['cold_call_ms']:.0f} and {row['warm_call_ms']:.1f} ms",
                    flush=True,
                )
    return found


def kernel_name(task: Cell | Stream) -> str:
    if isinstance(task, Stream):
        return task.kind
    backward = " backward" * task.backward
    return f"attention{backward} D {task.head_dim} {task.variant}"
