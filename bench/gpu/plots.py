# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pictures of docs/performance.md: speed, or time, against length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .cases import WIDE, Cell

Report = dict[str, Any]
Line = list[tuple[int, float]]

# Each side has one colour in all pictures, seqc's are thick.
STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "sm_90a": ("seqc, sm_90a", {"color": "#0b6e4f", "marker": "o", "linewidth": 2.2}),
    "cudnn": ("cuDNN", {"color": "#c1440e", "marker": "s", "linewidth": 1.2}),
    "sm_80": ("seqc, sm_80", {"color": "#5aa9e6", "marker": "^", "linewidth": 2.2}),
    "flash": (
        "FlashAttention-2",
        {"color": "#7f7f7f", "marker": "v", "linewidth": 1.2},
    ),
    "torch": ("torch, step by step", {"color": "#c1440e", "marker": "s"}),
    "copy": ("moving its bytes", {"color": "#b0b0b0", "linestyle": "--"}),
}
ATTENTION = ("causal attention, sm_90a", {"color": "#7a4fa3", "marker": "D"})
UNIT = ("the special function unit", {"color": "#404040", "linestyle": ":"})

# An H200: multiprocessors x schedulers, clocks that a scheduler's special function
# unit takes for 32 numbers, and the highest clock rate in kHz.
SCHEDULERS = 132 * 4
CLOCKS = 8
KHZ = 1.98e6


def lines(
    report: Report, pattern: str, value: str, sides: tuple[str, ...]
) -> dict[str, Line]:
    """For each side a value against the number that the pattern finds."""
    found: dict[str, Line] = {side: [] for side in sides}
    for result in report["results"]:
        match = re.fullmatch(pattern, result["task"])
        if match and result["side"] in found:
            found[result["side"]].append((int(match[1]), result[value]))
    return {side: sorted(line) for side, line in found.items() if len(line) > 1}


def length_name(length: float) -> str:
    for power, letter in ((2**20, "M"), (2**10, "k")):
        if length >= power:
            return f"{length / power:.0f}{letter}"
    return f"{length:.0f}"


def prepare(axes: Any, lengths: set[int], title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(lengths), [length_name(n) for n in sorted(lengths)])
    axes.tick_params(which="minor", length=0)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=10)


def attention_figure(report: Report, plt: Any, backward: bool) -> Any:
    """A panel for each head dimension and mask, or None without results."""
    panels: dict[tuple[str, int], dict[str, Line]] = {}
    for mask in ("causal", "full"):
        for head_dim in (64, 128, 256):
            name = "backward-" * backward + f"d{head_dim}-s([0-9]+)-{mask}"
            found = lines(report, name, "tflops", tuple(STYLES))
            if found:
                panels[mask, head_dim] = found
    if not panels:
        return None
    dims = sorted({head_dim for _, head_dim in panels})
    figure, grid = plt.subplots(
        2,
        len(dims),
        figsize=(3.4 * len(dims) + 0.6, 5.6),
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for row, mask in zip(grid, ("causal", "full"), strict=True):
        for axes, head_dim in zip(row, dims, strict=True):
            found = panels.get((mask, head_dim), {})
            for side, line in found.items():
                label, style = STYLES[side]
                axes.plot(*zip(*line, strict=True), label=label, markersize=4, **style)
            lengths = {n for line in found.values() for n, _ in line}
            prepare(axes, lengths, f"head_dim {head_dim}, {mask}")
        row[0].set_ylabel("TFLOP/s")
        # The panels of a row share their axis.
        best = [v for axes in row for line in axes.lines for v in line.get_ydata()]
        row[0].set_ylim(0, 1.05 * max(best))
    for axes in grid[-1]:
        axes.set_xlabel("length")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False
    )
    return figure


def least_ms(length: int, states: int = 16) -> float:
    """What the exponentials and reciprocals of a scan take (docs/rationale/scan.md)."""
    warps = WIDE * length / 32
    return warps * (states + 3) * CLOCKS / SCHEDULERS / KHZ


def scan_figure(report: Report, plt: Any) -> Any:
    """Time of a scan against its length, beside what it is compared with."""
    scans = lines(report, f"scan-1x{WIDE}x([0-9]+)", "ms", ("sm_90a", "torch", "copy"))
    if "sm_90a" not in scans:
        return None
    heads = WIDE // 64
    cell = re.escape(Cell(64, 0, "causal", 1, heads, heads).name)
    cell = cell.replace("s0", "s([0-9]+)")
    figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    drawn = [(*STYLES[side], line) for side, line in scans.items()]
    drawn[0] = ("selective scan, sm_90a", drawn[0][1], drawn[0][2])
    drawn += [
        (*ATTENTION, line) for line in lines(report, cell, "ms", ("sm_90a",)).values()
    ]
    lengths = [length for length, _ in scans["sm_90a"]]
    drawn.append((*UNIT, [(n, least_ms(n)) for n in lengths]))
    for label, style, line in drawn:
        axes.plot(*zip(*line, strict=True), label=label, markersize=4, **style)
    prepare(axes, set(lengths), f"batch 1, {WIDE} channels, 16 states, bf16")
    axes.set_yscale("log")
    axes.set_xlabel("length")
    axes.set_ylabel("ms")
    axes.legend(frameon=False, fontsize=9)
    return figure


TITLES = {
    "attention-forward": "Attention forward: TFLOP/s against length",
    "attention-backward": "Attention backward: TFLOP/s against length",
    "scan-length": "Selective scan: time against length",
}


def figures(report: Report, plt: Any) -> Iterator[tuple[str, Any]]:
    """The pictures that a report has results for."""
    for name, figure in (
        ("attention-forward", attention_figure(report, plt, backward=False)),
        ("attention-backward", attention_figure(report, plt, backward=True)),
        ("scan-length", scan_figure(report, plt)),
    ):
        if figure is not None:
            yield name, figure


def draw(report: Report, folder: Path, say: Callable[[str], None] = print) -> None:
    """Writes the pictures that a report has results for as SVG."""
    try:
        import matplotlib as mpl
    except ImportError:
        say("matplotlib is not installed, so the pictures are left as they are")
        return
    mpl.use("svg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    # The same report gives the same bytes; text stays text.
    settings: Any = {
        "svg.hashsalt": "seqc",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
    }
    with mpl.rc_context(settings):
        for name, figure in figures(report, plt):
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None, "Creator": None})
            plt.close(figure)
            # The SVG writer leaves spaces at ends of lines.
            text = "\n".join(line.rstrip() for line in path.read_text().splitlines())
            path.write_text(text + "\n")


def links(folder: Path) -> list[str]:
    """Markdown for the pictures that are there."""
    return [
        f"![{title}]({folder.name}/{name}.svg)"
        for name, title in TITLES.items()
        if (folder / f"{name}.svg").exists()
    ]
