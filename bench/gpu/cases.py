# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is timed: the tasks, and what is known of each side and result."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WINDOW = 1024
CAP = 30.0
VARIANTS = ("alibi", "softcap", "window", "documents", "one-document")

# Which of torch's kernels a target is measured against, and the chip whose model
# its schedules come from.
PEERS = {"sm_80": "flash", "sm_90a": "cudnn"}
PEER_NAMES = {"flash": "FA2", "cudnn": "cuDNN"}
CHIPS = {"sm_80": "a100", "sm_90a": "h200"}

Call = Callable[[], Any]


@dataclass(frozen=True)
class Cell:
    """An attention problem."""

    head_dim: int
    length: int
    variant: str
    batch: int
    heads: int
    key_heads: int
    backward: bool = False

    @property
    def has_documents(self) -> bool:
        return self.variant in ("documents", "one-document")

    @property
    def name(self) -> str:
        grouped = "" if self.heads == self.key_heads else f"-kv{self.key_heads}"
        name = f"d{self.head_dim}-s{self.length}-{self.variant}{grouped}"
        if self.batch == 1 and self.heads * self.head_dim == WIDE:
            name = f"length-{name}"
        return "backward-" * self.backward + name

    @property
    def causal(self) -> bool:
        return self.variant not in ("full", "softcap")

    @property
    def plain(self) -> Cell:
        """The same without what makes it a variant."""
        variant = "causal" if self.causal else "full"
        return dataclasses.replace(self, variant=variant)

    @property
    def kernel(self) -> tuple[int, str, bool]:
        """Cells that are equal in this run the same code."""
        variant = "documents" if self.has_documents else self.variant
        return self.head_dim, variant, self.backward


@dataclass(frozen=True)
class Stream:
    """A scan or a convolution: what it moves counts."""

    kind: str
    batch: int
    dim: int
    length: int
    # Of a scan.
    states: int = 16
    # Time steps of about 1e-3, as trained models have.
    small_steps: bool = False

    @property
    def name(self) -> str:
        name = f"{self.kind}-{self.batch}x{self.dim}x{self.length}"
        name += f"-n{self.states}" if self.states != 16 else ""
        return name + "-small-steps" * self.small_steps

    @property
    def is_step(self) -> bool:
        """A decode step: the state goes in and out."""
        return self.kind == "scan" and self.length == 1

    @property
    def is_backward(self) -> bool:
        return self.kind.endswith("-backward")


WIDTH = 4

# Time against length, in the setting of the Mamba paper's figure (Gu and Dao 2023,
# figure 8): batch 1, 1024 channels, 16 states, beside causal attention as wide.
WIDE = 1024
LENGTHS = tuple(2**power for power in range(9, 21))
# Attention takes four times as long for twice the length, and torch's scan launches
# eight kernels for each step.
LONGEST_ATTENTION = 131072
LONGEST_LOOP = 1024


def cells(dry: bool) -> list[Cell]:
    tokens, hidden = (64, 256) if dry else (16384, 2048)
    lengths = (64,) if dry else (512, 1024, 2048, 4096, 8192, 16384)
    long = lengths if dry else (4096, 16384)
    found = []
    for head_dim in (128,) if dry else (64, 128, 256):
        heads = hidden // head_dim
        for length in lengths:
            for variant in ("causal", "full"):
                batch = tokens // length
                found.append(Cell(head_dim, length, variant, batch, heads, heads))
    heads = hidden // 128
    for variant in VARIANTS:
        for length in long:
            found.append(Cell(128, length, variant, tokens // length, heads, heads))
    if dry:
        found.append(Cell(128, 64, "causal", 1, 4, 2))
    else:
        found.append(Cell(128, 8192, "causal", 8, 32, 8))
    # Wide heads take a CPU long to compile.
    for head_dim in (16,) if dry else (64, 128):
        heads = hidden // head_dim
        for length in (64,) if dry else (1024, 4096, 16384):
            for variant in ("causal",) if dry else ("causal", "full"):
                batch = tokens // length
                found.append(Cell(head_dim, length, variant, batch, heads, heads, True))
    if not dry:
        heads = WIDE // 64
        found += [
            Cell(64, length, "causal", 1, heads, heads)
            for length in LENGTHS
            if length <= LONGEST_ATTENTION
        ]
    return found


def streams(dry: bool) -> list[Stream]:
    if dry:
        small = [Stream(kind, 2, 32, 48) for kind in ("scan", "conv")]
        return [
            *small,
            Stream("scan", 2, 32, 1, 64),
            Stream("scan", 1, 32, 48, 16, True),
            Stream("scan-backward", 2, 32, 48),
            Stream("conv-backward", 2, 32, 48),
        ]
    sizes = [(8, 4096, 4096), (8, 2048, 2048)]
    found = [Stream(kind, *size) for kind in ("scan", "conv") for size in sizes]
    few = [(1, 4096, 65536), (1, 2048, 4096), (1, 1536, 131072)]
    found += [Stream("scan", *size) for size in few]
    found += [Stream("scan", *size, small_steps=True) for size in [*sizes, *few]]
    found.append(Stream("scan", 8, 2048, 2048, 64))
    found += [Stream("scan", 1, WIDE, length) for length in LENGTHS]
    found += [Stream("scan-backward", *size) for size in [*sizes, *few]]
    found += [Stream("conv-backward", *size) for size in sizes]
    found.append(Stream("scan-backward", 8, 2048, 2048, 64))
    steps = [(1, 16), (64, 16), (512, 16), (64, 128)]
    return found + [Stream("scan", batch, 4096, 1, n) for batch, n in steps]


@dataclass
class Side:
    name: str
    call: Call
    # What the result is compared with: None for no comparison.
    error: Callable[[Any], float] | None = None
    work: float = 0.0
    # Whether a CUDA graph can be made of the call: not of torch's autograd, which
    # works in the stream that the forward was in.
    captured: bool = True
    copies: int = 1
    how: str = ""
    worst: float = 0.0
    times: list[float] = field(default_factory=list)


@dataclass
class Result:
    """What was measured of one side of a task."""

    task: str
    side: str
    ms: float
    tflops: float
    spread: float
    error: float
    copies: int
    how: str
    state: dict[str, float]
    # Of attention: scores in the tiles that are computed, per batch.
    pairs: float = 0.0
