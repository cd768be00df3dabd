# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention: the problem, seqc and its peers on it, and the check of a result."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import seqc
import torch

from .cases import CAP, PEER_NAMES, VARIANTS, WINDOW, Call, Cell, Side
from .devices import Device


def document_ids(cell: Cell, device: str) -> Any:
    """Eight documents of different lengths in each sequence, or one: then nothing is
    left out, and the ids are all that it costs."""
    shares = torch.tensor([1, 2, 3, 4, 5, 6, 3, 8], dtype=torch.float64)
    if cell.variant == "one-document":
        shares = shares[:1]
    ends = (shares.cumsum(0) / shares.sum() * cell.length).long()
    positions = torch.arange(cell.length)
    ids = torch.searchsorted(ends, positions, right=True).int()
    return ids.expand(cell.batch, -1).contiguous().to(device)


def document_tiles(cell: Cell, tile_m: int, tile_n: int) -> int:
    """The tiles of one head from the first key of a tile of queries' first document
    to its last query."""
    ids = document_ids(cell, "cpu")[0]
    starts = torch.searchsorted(ids, ids)
    first = starts[::tile_m] // tile_n
    ends = (torch.arange(0, cell.length, tile_m) + tile_m).clamp(max=cell.length)
    return int((-(-ends // tile_n) - first).sum())


def visible(cell: Cell) -> float:
    """How many of the scores of a head are not masked."""
    n = cell.length
    if not cell.causal:
        return float(n) * n
    if cell.variant == "window":
        seen = min(n, WINDOW + 1)
        return seen * (seen + 1) / 2 + (n - seen) * float(seen)
    if cell.has_documents:
        counts = torch.bincount(document_ids(cell, "cpu")[0]).tolist()
        return float(sum(c * (c + 1) / 2 for c in counts))
    return n * (n + 1) / 2


def flops(cell: Cell) -> float:
    return 4.0 * cell.batch * cell.heads * cell.head_dim * visible(cell)


@dataclass
class Problem:
    cell: Cell
    device: str
    q: Any
    k: Any
    v: Any
    slopes: Any = None
    ids: Any = None


def make(cell: Cell, device: str) -> Problem:
    generator = torch.Generator(device).manual_seed(0)

    def tensor(heads: int) -> Any:
        # (batch, length, heads, dim) in memory, as projections leave them.
        shape = (cell.batch, cell.length, heads, cell.head_dim)
        x = torch.randn(shape, generator=generator, device=device, dtype=torch.bfloat16)
        return x.transpose(1, 2)

    problem = Problem(
        cell, device, tensor(cell.heads), tensor(cell.key_heads), tensor(cell.key_heads)
    )
    if cell.variant == "alibi":
        steps = torch.arange(1, cell.heads + 1, device=device)
        problem.slopes = 2.0 ** (-8.0 * steps / cell.heads)
    if cell.has_documents:
        problem.ids = document_ids(cell, device)
    return problem


def ours(
    problem: Problem,
    cell: Cell,
    target: str,
    schedule: dict[str, int] | None = None,
) -> Call:
    """seqc on a problem's tensors, with the options of a cell."""
    options: dict[str, Any] = {"target": target}
    if schedule:
        options["schedule"] = schedule
    if cell.causal:
        options["causal"] = True
    if cell.variant == "alibi":
        options["alibi_slopes"] = problem.slopes
    if cell.has_documents:
        options["segment_ids"] = problem.ids
    if cell.variant == "window":
        options["window"] = WINDOW
    if cell.variant == "softcap":
        options["softcap"] = CAP
    q, k, v = problem.q, problem.k, problem.v
    return lambda: seqc.attention(q, k, v, **options)


def sdpa(problem: Problem, backend: str) -> Call:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kinds = {
        "flash": SDPBackend.FLASH_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
    }
    attend = torch.nn.functional.scaled_dot_product_attention
    grouped = problem.cell.heads != problem.cell.key_heads
    on_cpu = problem.device == "cpu"

    def call() -> Any:
        choice = contextlib.nullcontext() if on_cpu else sdpa_kernel(kinds[backend])
        with choice:
            return attend(
                problem.q,
                problem.k,
                problem.v,
                is_causal=problem.cell.causal,
                enable_gqa=grouped,
            )

    return call


def flex(problem: Problem) -> Call:
    from torch.nn.attention import flex_attention as module

    torch._dynamo.reset()
    cell = problem.cell
    slopes, ids = problem.slopes, problem.ids

    def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
        seen = i >= j
        if cell.variant == "window":
            seen = seen & (i - j <= WINDOW)
        if ids is not None:
            seen = seen & (ids[b, i] == ids[b, j])
        return seen

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        if cell.variant == "softcap":
            return CAP * torch.tanh(s / CAP)
        return s - slopes[h] * (i - j)

    block_mask = None
    if cell.causal:
        batch = cell.batch if ids is not None else None
        block_mask = module.create_block_mask(
            mask, batch, None, cell.length, cell.length, device=problem.device
        )
    score_mod = score if cell.variant in ("softcap", "alibi") else None
    compiled = torch.compile(module.flex_attention, dynamic=False)
    return lambda: compiled(
        problem.q,
        problem.k,
        problem.v,
        score_mod=score_mod,
        block_mask=block_mask,
        enable_gqa=cell.heads != cell.key_heads,
    )


def expected_rows(
    problem: Problem, cell: Cell, batch: int, head: int, rows: slice
) -> Any:
    """Some rows of the result in f32."""
    device = problem.device
    q = problem.q[batch, head, rows].float()
    group = head // (cell.heads // cell.key_heads)
    k, v = problem.k[batch, group].float(), problem.v[batch, group].float()
    s = q @ k.T / math.sqrt(cell.head_dim)
    i = torch.arange(rows.start, rows.stop, device=device)[:, None]
    j = torch.arange(cell.length, device=device)[None]
    if cell.variant == "softcap":
        s = CAP * torch.tanh(s / CAP)
    if cell.variant == "alibi":
        s = s - problem.slopes[head] * (i - j)
    seen = torch.ones_like(s, dtype=torch.bool)
    if cell.causal:
        seen &= i >= j
    if cell.variant == "window":
        seen &= i - j <= WINDOW
    if cell.has_documents:
        ids = problem.ids[batch]
        seen &= ids[rows, None] == ids[None]
    return torch.softmax(s.masked_fill(~seen, -math.inf), -1) @ v


def error_of(problem: Problem, cell: Cell) -> Callable[[Any], float]:
    """The largest error in the first, the middle and the last rows of two heads."""
    n = cell.length
    parts = [
        (batch, head, slice(start, min(start + 64, n)))
        for batch, head in ((0, 0), (cell.batch - 1, cell.heads - 1))
        for start in (0, n // 2, max(n - 64, 0))
    ]
    wants = [expected_rows(problem, cell, *part) for part in parts]

    def error(out: Any) -> float:
        worst = 0.0
        for (batch, head, rows), want in zip(parts, wants, strict=True):
            difference = (out[batch, head, rows].float() - want).abs().max()
            # A NaN is not below any bound, and max() would lose it.
            worst = max(worst, float(torch.nan_to_num(difference, math.inf)))
        return worst

    return error


TOLERANCE = 3e-2


def attention_sides(
    cell: Cell, device: Device, args: argparse.Namespace
) -> Iterator[Side]:
    problem = make(cell, device.name)
    error = error_of(problem, cell)
    work = flops(cell)
    for target in device.targets():
        place = device.target(target)
        yield Side(target, ours(problem, cell, place), error, work)
        if cell.variant in VARIANTS:
            call = ours(problem, cell.plain, place)
            exact = error_of(problem, cell.plain)
            yield Side(f"{target} plain", call, exact, flops(cell.plain))
        for text in args.schedule:
            call = ours(problem, cell, place, parse_schedule(text))
            yield Side(f"{target} {text}", call, error, work)
    if cell.variant in ("causal", "full"):
        for peer in PEER_NAMES:
            yield Side(peer, sdpa(problem, peer), error, work)
    if args.flex and (
        cell.variant in VARIANTS or (cell.head_dim == 128 and cell.length in LONG)
    ):
        yield Side("flex", at_first_call(lambda: flex(problem)), error, work)


def at_first_call(make: Callable[[], Call]) -> Call:
    """A call that is made when it is called first."""
    made: list[Call] = []

    def call() -> Any:
        if not made:
            made.append(make())
        return made[0]()

    return call


LONG = (4096, 16384)


def parse_schedule(text: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in re.split(r"[,\s]+", text.strip()))
    return {key: int(value) for key, _, value in pairs}
