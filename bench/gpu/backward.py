# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backward of attention: seqc and its peers, from what the forward left.

Each side starts from its own forward's result and log-sum-exp, which are not timed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from typing import Any

import seqc
import torch

from .attention import Problem, flops, make, parse_schedule
from .cases import Call, Cell, Side
from .devices import Device

# Products of the backward, with the one that both directions have, over those of the
# forward: what is counted as work, whatever a side computes again.
WORK = 2.5


def gradient(problem: Problem) -> Any:
    generator = torch.Generator(problem.device).manual_seed(1)
    shape = problem.q.transpose(1, 2).shape
    made = torch.randn(
        shape, generator=generator, device=problem.device, dtype=problem.q.dtype
    )
    return made.transpose(1, 2)


def ours_backward(
    problem: Problem,
    cell: Cell,
    target: str,
    schedule: dict[str, int] | None = None,
    deterministic: bool = False,
) -> Call:
    q, k, v = problem.q, problem.k, problem.v
    g = gradient(problem)
    out, lse = seqc.attention(
        q, k, v, causal=cell.causal, return_lse=True, target=target
    )
    return lambda: seqc.attention_backward(
        g,
        q,
        k,
        v,
        out,
        lse,
        causal=cell.causal,
        deterministic=deterministic,
        target=target,
        schedule=schedule,
    )


def flash(problem: Problem) -> Call:
    aten = torch.ops.aten
    q, k, v, causal = problem.q, problem.k, problem.v, problem.cell.causal
    g = gradient(problem)
    out, lse, *rest = aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal)
    ends_q, ends_k, most_q, most_k, seed, offset = rest[:6]
    return lambda: aten._scaled_dot_product_flash_attention_backward(
        g, q, k, v, out, lse, ends_q, ends_k, most_q, most_k, 0.0, causal, seed, offset
    )


def cudnn(problem: Problem) -> Call:
    """Through autograd: the operator below it takes a bias that cannot be left out."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    leaves = [x.detach().requires_grad_() for x in (problem.q, problem.k, problem.v)]
    g = gradient(problem)
    with torch.enable_grad(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        out = torch.nn.functional.scaled_dot_product_attention(
            *leaves, is_causal=problem.cell.causal
        )
    return lambda: torch.autograd.grad(out, leaves, g, retain_graph=True)


def expected_gradients(problem: Problem, batch: int, group: int) -> list[Any]:
    """In f32, of the query heads of one key head."""
    cell = problem.cell
    size = cell.heads // cell.key_heads
    heads = slice(group * size, group * size + size)
    whole = (problem.q[batch, heads], problem.k[batch, group], problem.v[batch, group])
    q, k, v = (x.float().requires_grad_() for x in whole)
    g = gradient(problem)[batch, heads].float()
    sums = [torch.zeros_like(k), torch.zeros_like(v)]
    rows = []
    for head in range(size):
        with torch.enable_grad():
            scores = q[head] @ k.T / math.sqrt(cell.head_dim)
            if cell.causal:
                n = cell.length
                seen = torch.ones(n, n, dtype=torch.bool, device=problem.device).tril()
                scores = scores.masked_fill(~seen, -math.inf)
            out = torch.softmax(scores, -1) @ v
            dq, dk, dv = torch.autograd.grad(out, (q, k, v), g[head])
        rows.append(dq[head])
        sums[0] += dk
        sums[1] += dv
    return [torch.stack(rows), *sums]


def error_of_gradients(problem: Problem) -> Callable[[Any], float]:
    """The largest error, over the largest gradient or 1, of the first key head of
    the first batch and the last one of the last."""
    cell = problem.cell
    size = cell.heads // cell.key_heads
    parts = {(0, 0), (cell.batch - 1, cell.key_heads - 1)}
    wants = {part: expected_gradients(problem, *part) for part in parts}

    def error(found: Any) -> float:
        worst = 0.0
        for (batch, group), want in wants.items():
            heads = slice(group * size, group * size + size)
            got = (
                found[0][batch, heads],
                found[1][batch, group],
                found[2][batch, group],
            )
            for mine, exact in zip(got, want, strict=True):
                difference = (mine.float() - exact).abs().max()
                difference = difference / exact.abs().max().clamp(min=1.0)
                worst = max(worst, float(torch.nan_to_num(difference, math.inf)))
        return worst

    return error


def backward_sides(
    cell: Cell, device: Device, args: argparse.Namespace
) -> Iterator[Side]:
    problem = make(cell, device.name)
    error = error_of_gradients(problem)
    work = WORK * flops(cell)
    for target in device.targets():
        place = device.target(target)
        yield Side(target, ours_backward(problem, cell, place), error, work)
        # Elsewhere every sum has one order anyhow.
        if cell.head_dim == 128:
            call = ours_backward(problem, cell, place, deterministic=True)
            yield Side(f"{target} in order", call, error, work)
        for text in args.schedule:
            call = ours_backward(problem, cell, place, parse_schedule(text))
            yield Side(f"{target} {text}", call, error, work)
    # These have no heads in groups below autograd.
    if cell.heads == cell.key_heads and device.name != "cpu":
        yield Side("flash", flash(problem), error, work)
        yield Side("cudnn", cudnn(problem), error, work, captured=False)
