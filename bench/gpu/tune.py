# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How far the schedules that the model chooses are from the best that there are.

For each cell and target every schedule of a grid is compiled, checked and timed: once
roughly, then the quickest of them and the model's choice in random order, round after
round. What does not compile (shared memory, registers, a shape that no instruction
has) is no candidate.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import seqc

from .attention import TOLERANCE, error_of, make, ours
from .backward import error_of_gradients, ours_backward
from .cases import WIDE, Call, Cell, Side
from .compilation import small
from .devices import Device, fatal, first_line
from .timing import time_sides

Schedule = dict[str, int]

# Queries of a tile and the warps that share them.
ROWS = {
    "sm_80": [(64, 4), (128, 4), (128, 8)],
    "sm_90a": [(128, 8), (192, 12)],
}
# The backward: rows of keys or queries, on both targets.
BACKWARD_ROWS = [(64, 4), (128, 4), (128, 8)]
# How many schedules are timed with care.
FINALISTS = 6
ROUNDS = 9


@dataclass
class Tuned:
    """The model's choice for a cell, and the best that was found."""

    task: str
    target: str
    candidates: int
    model_ms: float
    best: str
    best_ms: float

    @property
    def distance(self) -> float:
        """How much longer the model's choice takes."""
        return self.model_ms / self.best_ms - 1


def schedule_text(schedule: Schedule) -> str:
    return " ".join(f"{key}={value}" for key, value in schedule.items())


# What of the benchmark is tuned: short, middling and long sequences.
LENGTHS = (1024, 4096, 16384)


def has_grid(cell: Cell) -> bool:
    """Whether a cell is one of those that are tuned."""
    is_dry = cell.length <= 64
    return (
        (is_dry or cell.length in LENGTHS)
        and cell.variant in ("causal", "full")
        and cell.heads == cell.key_heads
        and cell.heads * cell.head_dim != WIDE
    )


def candidates(cell: Cell, target: str, dry: bool) -> list[Schedule]:
    rows = BACKWARD_ROWS if cell.backward else ROWS[target]
    keys = range(32, 193, 16) if target == "sm_90a" else range(32, 129, 16)
    if cell.backward:
        keys = range(32, 129, 32)
    stages = range(1, 4)
    if dry:
        rows, keys, stages = rows[:1], range(32, 65, 32), range(1, 2)
    return [
        {"tile_m": m, "tile_n": n, "stages": s, "warps": w}
        for m, w in rows
        for n in keys
        for s in stages
    ]


def call_of(
    cell: Cell, device: Device, target: str, schedule: Schedule | None, quick: bool
) -> Call:
    problem = make(small(cell) if quick else cell, device.name)
    place = device.target(target)
    if cell.backward:
        return ours_backward(problem, problem.cell, place, schedule)
    return ours(problem, problem.cell, place, schedule)


def compiled(cell: Cell, device: Device, target: str, dry: bool) -> Iterator[Schedule]:
    """The schedules that compile, tried on all cores."""
    grid = candidates(cell, target, dry)

    def works(schedule: Schedule) -> bool:
        try:
            call_of(cell, device, target, schedule, quick=True)()
            return True
        except seqc.SeqcError:
            return False

    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
        for schedule, good in zip(grid, pool.map(works, grid), strict=True):
            if good:
                yield schedule


def time_together(
    sides: list[Side], rounds: int, device: Device, args: argparse.Namespace
) -> dict[str, float]:
    for side in sides:
        side.times.clear()
    time_sides(sides, rounds, device, args)
    return {side.name: statistics.median(side.times) for side in sides}


def tune(
    cell: Cell,
    target: str,
    device: Device,
    args: argparse.Namespace,
    problems: list[str],
) -> Tuned | None:
    problem = make(cell, device.name)
    error = error_of_gradients(problem) if cell.backward else error_of(problem, cell)
    model = "model"
    sides = []
    schedules = list(compiled(cell, device, target, args.dry_run))
    for schedule in [None, *schedules]:
        name = schedule_text(schedule) if schedule else model
        side = Side(name, call_of(cell, device, target, schedule, quick=False), error)
        try:
            worst = error(side.call())
        except Exception as failure:
            if fatal(failure):
                raise
            problems.append(f"{cell.name}, {target} {name}: {first_line(failure)}")
            continue
        if not worst <= TOLERANCE:
            problems.append(f"{cell.name}, {target} {name} is wrong by {worst:.2e}")
            continue
        sides.append(side)
    if not sides or sides[0].name != model:
        return None
    rough = time_together(sides, 1, device, args)
    best = sorted(sides[1:], key=lambda side: rough[side.name])[:FINALISTS]
    rounds = 1 if args.dry_run else ROUNDS
    exact = time_together([sides[0], *best], rounds, device, args)
    model_ms = exact.pop(model)
    # The model's own schedule may be the best one.
    name = min(exact, key=lambda name: exact[name]) if exact else model
    if not exact or exact[name] >= model_ms:
        name, best_ms = model, model_ms
    else:
        best_ms = exact[name]
    return Tuned(cell.name, target, len(sides) - 1, model_ms, name, best_ms)


def tune_all(
    tasks: list[Cell],
    device: Device,
    args: argparse.Namespace,
    problems: list[str],
) -> list[dict[str, Any]]:
    found = []
    for cell in tasks:
        for target in device.targets():
            row = None
            with contextlib.suppress(seqc.SeqcError):
                row = tune(cell, target, device, args, problems)
            if row is None:
                problems.append(f"{cell.name}: {target} could not be tuned")
                print(problems[-1], flush=True)
                continue
            found.append({**asdict(row), "distance": row.distance})
            print(
                f"{cell.name} {target}: {row.model_ms:.3f} ms, the best of "
                f"{row.candidates} takes {row.best_ms:.3f} ms ({row.best})",
                flush=True,
            )
    return found


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    head = ["cell", "target", "schedules", "model ms", "best ms", "longer by", "best"]
    return [
        head,
        *(
            [
                row["task"],
                row["target"],
                str(row["candidates"]),
                f"{row['model_ms']:.3f}",
                f"{row['best_ms']:.3f}",
                f"{100 * row['distance']:.1f}%",
                row["best"],
            ]
            for row in rows
        ),
    ]


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for target in ROWS:
        distances = [row["distance"] for row in rows if row["target"] == target]
        if distances:
            lines.append(
                f"{target}: the model's schedules take "
                f"{100 * statistics.median(distances):.1f}% longer than the best found "
                f"in the median of {len(distances)} cells, "
                f"{100 * max(distances):.1f}% at most."
            )
    return lines
