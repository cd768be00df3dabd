# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What each idea is worth: the same problem compiled without its pass.

A side of a task is what the compiler makes with one pass left out (`skip_passes`), or
with one field of the schedule set to what it was without the idea. All sides of a task
run in random order with the whole, and the table has their times over its time.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from seqc import _program

from bench.bench_decode import Decode

from .attention import attention_sides
from .backward import backward_sides
from .cases import Call, Cell, Side, Stream
from .devices import Device
from .streams import stream_sides
from .timing import decode_sides, prepare, time_sides

Task = Cell | Stream | Decode


@dataclass
class Idea:
    """A pass, or a field of the schedule, and what it stands for."""

    name: str
    what: str
    skip: str = ""
    schedule: dict[str, int] = field(default_factory=dict)


IDEAS = [
    Idea(
        "tile-lazy-rescale",
        "rescaling only when the maximum has grown by a factor (FlashAttention-4)",
        "tile-lazy-rescale",
    ),
    Idea(
        "tile-defer-reductions",
        "sums of rows across threads once, at the end",
        "tile-defer-reductions",
    ),
    Idea(
        "tile-overlap-products",
        "softmax of one tile under the products of another (FlashAttention-3, 3.2)",
        "tile-overlap-products",
    ),
    Idea(
        "tile-take-turns",
        "warpgroups start their products in turn (FlashAttention-3, 3.1)",
        "tile-take-turns",
    ),
    Idea(
        "tile-persistent-blocks",
        "thread blocks take tiles of the grid, the longest first",
        "tile-persistent-blocks",
    ),
    Idea("stages = 2", "copies run a tile ahead in rings", schedule={"stages": 1}),
    Idea(
        "seqc-pack-heads",
        "heads that share keys are rows of one tile (decode)",
        "seqc-pack-heads",
    ),
    Idea(
        "tile-delay-waits",
        "a product is waited for where it is read (backward)",
        "tile-delay-waits",
    ),
    Idea(
        "tile-share-rows",
        "numbers of columns come ahead, through shared memory (backward)",
        "tile-share-rows",
    ),
    Idea(
        "tile-prefetch-loads",
        "a chunk is read during the one before it (scans)",
        "tile-prefetch-loads",
    ),
    Idea(
        "overlap-launches",
        "a kernel starts while the one before it ends (decode)",
        "overlap-launches",
    ),
]


@dataclass(frozen=True)
class Ablation:
    task: Task
    target: str
    ideas: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.task.name}, {self.target}"


FORWARD = (
    "tile-lazy-rescale", "tile-defer-reductions", "tile-overlap-products",
    "tile-take-turns", "tile-persistent-blocks", "stages = 2",
)  # fmt: skip


def ablations(dry: bool) -> list[Ablation]:
    if dry:
        return [
            Ablation(Cell(16, 64, "causal", 1, 2, 2), "sm_90a", FORWARD[:1]),
            Ablation(Decode(2, 130, 1, 4, 2, 16), "sm_80", ("seqc-pack-heads",)),
        ]

    def cell(head_dim: int, length: int, mask: str, backward: bool = False) -> Cell:
        heads = 2048 // head_dim
        return Cell(head_dim, length, mask, 16384 // length, heads, heads, backward)

    return [
        Ablation(cell(64, 4096, "causal"), "sm_90a", FORWARD),
        Ablation(cell(128, 1024, "causal"), "sm_90a", FORWARD),
        Ablation(cell(128, 4096, "causal"), "sm_90a", FORWARD),
        Ablation(cell(128, 16384, "full"), "sm_90a", FORWARD),
        Ablation(cell(256, 4096, "causal"), "sm_90a", FORWARD),
        Ablation(cell(128, 4096, "causal"), "sm_80", FORWARD[:2]),
        Ablation(
            cell(128, 4096, "causal", True),
            "sm_90a",
            ("tile-delay-waits", "tile-share-rows"),
        ),
        Ablation(Decode(8, 32768), "sm_90a", ("seqc-pack-heads",)),
        Ablation(Decode(1, 4096), "sm_90a", ("overlap-launches",)),
        Ablation(Stream("scan", 8, 2048, 2048), "sm_90a", ("tile-prefetch-loads",)),
    ]


class Variant:
    """A context in which calls compile, and keep, programs of their own."""

    def __init__(self, idea: Idea | None) -> None:
        self.idea = idea
        self.by_key: OrderedDict[Any, Any] = OrderedDict()
        self.by_text: OrderedDict[Any, Any] = OrderedDict()

    def options(self, make: Any, *args: Any, **named: Any) -> Any:
        if self.idea is not None and self.idea.skip:
            named["skip_passes"] = [self.idea.skip]
        return make(*args, **named)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        cache = _program.cache
        theirs = (cache._by_key, cache._by_text)
        cache._by_key, cache._by_text = self.by_key, self.by_text
        make = functools.partial(self.options, _program._options)
        try:
            with mock.patch.object(_program, "_options", make):
                for hook in _program.clear_hooks:
                    hook()
                yield
        finally:
            cache._by_key, cache._by_text = theirs
            for hook in _program.clear_hooks:
                hook()

    def call(self, call: Call) -> Any:
        with self.active():
            return call()


def sides_of(
    task: Task, device: Device, args: argparse.Namespace, schedule: str
) -> Iterator[Side]:
    more = argparse.Namespace(**vars(args))
    more.schedule = [schedule] if schedule else []
    more.flex = False
    if isinstance(task, Decode):
        return decode_sides(task, device)
    if isinstance(task, Stream):
        return stream_sides(task, device, more)
    if task.backward:
        return backward_sides(task, device, more)
    return attention_sides(task, device, more)


def measure(
    ablation: Ablation,
    device: Device,
    args: argparse.Namespace,
    problems: list[str],
) -> dict[str, float]:
    """Milliseconds of the whole, under "", and without each idea."""
    sides = []
    ideas = [idea for idea in IDEAS if idea.name in ablation.ideas]
    for idea in [None, *ideas]:
        variant = Variant(idea)
        fields = idea.schedule if idea else {}
        schedule = ",".join(f"{key}={value}" for key, value in fields.items())
        wanted = ablation.target + (f" {schedule}" if schedule else "")
        # The forward of a backward's problem is called while the side is made.
        with variant.active():
            for side in sides_of(ablation.task, device, args, schedule):
                if side.name == wanted:
                    break
            else:
                problems.append(f"{ablation.name}: there is no side {wanted}")
                continue
        name = idea.name if idea else ""
        call = functools.partial(variant.call, side.call)
        sides.append(Side(name, call, side.error, side.work, side.captured))
    plain = argparse.Namespace(**vars(args))
    plain.sides = ""
    sides = prepare(ablation.name, sides, device, plain, problems)
    missing = len(ideas) + 1 - len(sides)
    if missing:
        problems.append(f"{ablation.name}: {missing} sides are missing")
    time_sides(sides, args.rounds, device, plain)
    return {side.name: sorted(side.times)[len(side.times) // 2] for side in sides}


def measure_all(
    device: Device, args: argparse.Namespace, problems: list[str]
) -> list[dict[str, Any]]:
    found = []
    for ablation in ablations(args.dry_run):
        if args.only and args.only not in ablation.name:
            continue
        times = measure(ablation, device, args, problems)
        if "" not in times:
            continue
        whole = times.pop("")
        ratios = {name: ms / whole for name, ms in times.items()}
        row = {"task": ablation.name, "ms": whole, "without": ratios}
        found.append(row)
        text = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
        print(f"{ablation.name}: {whole:.3f} ms; without {text}", flush=True)
    return found


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    """A row for each idea, a column for each task."""
    head = ["idea", "pass or field", *(row["task"] for row in rows)]
    lines = []
    for idea in IDEAS:
        ratios = [row["without"].get(idea.name) for row in rows]
        if any(ratio is not None for ratio in ratios):
            texts = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
            lines.append([idea.what, f"`{idea.name}`", *texts])
    return [head, *lines]
