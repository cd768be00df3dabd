# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The GPU that is timed, a stand-in for dry runs, and a log of clocks and power."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from .cases import Call

FLUSH_BYTES = 256 << 20


class Gpu:
    """The GPU that torch is on."""

    name = "cuda"

    def __init__(self) -> None:
        self.capability = torch.cuda.get_device_capability()
        self.flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
        try:
            import pynvml

            pynvml.nvmlInit()
            number = torch.cuda.current_device()
            self.handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            self.nvml: Any = pynvml
        except Exception as error:
            print(f"no clocks and power: {error}", flush=True)
            self.nvml = None

    def targets(self) -> list[str]:
        return ["sm_80"] + (["sm_90a"] if self.capability == (9, 0) else [])

    def target(self, name: str) -> str:
        return name

    def about(self) -> dict[str, str]:
        properties = torch.cuda.get_device_properties(0)
        result = {
            "gpu": str(properties.name),
            "memory": f"{properties.total_memory / 2**30:.0f} GiB",
            "processors": str(properties.multi_processor_count),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
        }
        if self.nvml:
            result["driver"] = str(self.nvml.nvmlSystemGetDriverVersion())
            with contextlib.suppress(self.nvml.NVMLError):
                limit = self.nvml.nvmlDeviceGetEnforcedPowerLimit(self.handle)
                result["power limit"] = f"{limit / 1000:.0f} W"
        return result

    def state(self) -> dict[str, float]:
        """Clock, power and temperature now."""
        if not self.nvml:
            return {}
        n, h = self.nvml, self.handle
        try:
            return {
                "mhz": n.nvmlDeviceGetClockInfo(h, n.NVML_CLOCK_SM),
                "watts": n.nvmlDeviceGetPowerUsage(h) / 1000,
                "celsius": n.nvmlDeviceGetTemperature(h, n.NVML_TEMPERATURE_GPU),
            }
        except n.NVMLError:
            return {}

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def milliseconds(self, call: Call) -> float:
        """One warm call, roughly."""
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        call()
        torch.cuda.synchronize()
        begin.record()
        call()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))

    def repeated(
        self, call: Call | None, copies: int, captured: bool = True
    ) -> tuple[Call, str]:
        """What runs `copies` times a flush and the call, and how."""

        def loop() -> None:
            for _ in range(copies):
                self.flush.zero_()
                if call is not None:
                    call()

        loop()
        torch.cuda.synchronize()
        if not captured:
            return loop, "stream"
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                loop()
        except Exception as error:
            if fatal(error):
                raise
            print(f"no graph: {first_line(error)}", flush=True)
            torch.cuda.synchronize()
            return loop, "stream"
        return graph.replay, "graph"

    def timed(self, run: Call, how: str) -> float:
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        # The host must be ahead of the device, or its own time is measured.
        torch.cuda._sleep(300_000 if how == "graph" else 3_000_000)
        begin.record()
        run()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))


class Dry:
    """The CPU, to try this program where there is no GPU. Times mean nothing."""

    name = "cpu"

    def targets(self) -> list[str]:
        return ["sm_80", "sm_90a"]

    def target(self, name: str) -> str:
        return "cpu"

    def about(self) -> dict[str, str]:
        return {"gpu": "none: a dry run", "cuda": "none", "cudnn": "none"}

    def state(self) -> dict[str, float]:
        return {"mhz": 1.0, "watts": 1.0, "celsius": 1.0}

    def synchronize(self) -> None:
        pass

    def milliseconds(self, call: Call) -> float:
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) * 1e3

    def repeated(
        self, call: Call | None, copies: int, captured: bool = True
    ) -> tuple[Call, str]:
        def loop() -> None:
            for _ in range(copies if call else 0):
                call()  # type: ignore[misc]

        return loop, "loop"

    def timed(self, run: Call, how: str) -> float:
        return self.milliseconds(run)


Device = Gpu | Dry


def fatal(error: BaseException) -> bool:
    """Whether the GPU's context is lost, and with it everything that follows."""
    words = ("illegal", "unspecified launch", "misaligned", "device-side assert")
    return any(word in str(error) for word in words)


@dataclass
class Monitor:
    """Clock and power of the GPU while something runs."""

    device: Device
    states: list[dict[str, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.02):
                self.states.append(self.device.state())

        thread = threading.Thread(target=watch, daemon=True)
        self.states.append(self.device.state())
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.states.append(self.device.state())

    def report(self) -> dict[str, float]:
        known = [state for state in self.states if state]
        if not known:
            return {}
        return {
            "mhz": statistics.median(state["mhz"] for state in known),
            "mhz_least": min(state["mhz"] for state in known),
            "watts": round(statistics.median(state["watts"] for state in known), 1),
            "watts_most": round(max(state["watts"] for state in known), 1),
        }


def first_line(failure: BaseException) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0][:160]
