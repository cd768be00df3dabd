# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How sides are timed: CUDA graphs in random order, round after round."""

from __future__ import annotations

import argparse
import random
import re
import statistics
from collections.abc import Iterable, Iterator

from bench import bench_decode
from bench.bench_decode import Decode

from .attention import TOLERANCE, attention_sides
from .backward import backward_sides
from .cases import CHIPS, PEER_NAMES, Call, Cell, Result, Side, Stream
from .devices import Device, Monitor, fatal, first_line
from .streams import stream_sides
from .tiles import computed_pairs


def prepare(
    name: str,
    candidates: Iterable[Side],
    device: Device,
    args: argparse.Namespace,
    problems: list[str],
) -> list[Side]:
    """The sides that work, checked."""
    sides = []
    for side in candidates:
        if not re.search(args.sides, side.name):
            continue
        try:
            out = side.call()
            device.synchronize()
            side.worst = side.error(out) if side.error else 0.0
            del out
        except Exception as failure:
            if fatal(failure):
                raise
            text = f"{name}: {side.name} cannot: {first_line(failure)}"
            print(text, flush=True)
            if side.name.startswith("sm_"):
                problems.append(text)
            continue
        if not side.worst <= TOLERANCE:
            text = f"{name}: {side.name} is wrong by {side.worst:.2e}"
            print(text, flush=True)
            problems.append(text)
            if not args.keep_wrong:
                continue
        sides.append(side)
    return sides


def decode_sides(task: Decode, device: Device) -> Iterator[Side]:
    targets = {name: device.target(name) for name in device.targets()}
    made = bench_decode.sides(task, device.name, targets, list(PEER_NAMES))
    for name, call, error in made:
        yield Side(name, call, error)


def time_sides(
    sides: list[Side], rounds: int, device: Device, args: argparse.Namespace
) -> None:
    """Fills in the sides' times."""
    rng = random.Random(0)
    quickest = min(device.milliseconds(side.call) for side in sides)
    # Enough calls that one sample lasts, few enough that it does not last long.
    copies = max(1, min(args.copies, round(1.0 / max(quickest, 1e-3))))
    runs: list[tuple[Side, Call]] = []
    for side in [*sides, Side("flush", lambda: None)]:
        run, side.how = device.repeated(
            None if side.name == "flush" else side.call, copies, side.captured
        )
        side.copies = copies
        runs.append((side, run))
    flush = runs[-1][0]
    for number in range(rounds + 1):
        order = list(runs)
        rng.shuffle(order)
        for side, run in order:
            ms = device.timed(run, side.how)
            if number > 0:
                side.times.append(ms)
    without = statistics.median(flush.times)
    for side in sides:
        side.times = [max(t - without, 1e-6) / copies for t in side.times]


def measure(
    task: Cell | Stream | Decode,
    device: Device,
    args: argparse.Namespace,
    problems: list[str],
) -> list[Result]:
    candidates = (
        backward_sides(task, device, args)
        if isinstance(task, Cell) and task.backward
        else attention_sides(task, device, args)
        if isinstance(task, Cell)
        else decode_sides(task, device)
        if isinstance(task, Decode)
        else stream_sides(task, device, args)
    )
    sides = prepare(task.name, candidates, device, args, problems)
    if not sides:
        return []
    monitor = Monitor(device)
    with monitor.running():
        time_sides(sides, args.rounds, device, args)
    state = monitor.report()
    results = []
    for side in sides:
        median = statistics.median(side.times)
        quarters = statistics.quantiles([*side.times, median], n=4)
        result = Result(
            task.name,
            side.name,
            median,
            side.work / median / 1e9,
            (quarters[2] - quarters[0]) / median,
            side.worst,
            side.copies,
            side.how,
            state,
        )
        target, _, rest = side.name.partition(" ")
        counts = target in CHIPS and rest in ("", "plain")
        if isinstance(task, Cell) and not task.backward and counts:
            cell = task.plain if rest else task
            result.pairs = computed_pairs(cell, target)
        results.append(result)
    return results
