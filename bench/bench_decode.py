# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Decode steps for bench_gpu.py: few queries against many keys, grouped heads.

What counts is how fast keys and values are read, so the table has microseconds and
the bytes of keys and values over that time, and beside it what a copy of as many
bytes takes. The same keys and values also lie in pages, in the order that caches have
(pages, positions, heads), shuffled.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import seqc
import torch

Call = Callable[[], Any]

PAGE_SIZES = (16, 256)
# Steps that read more are not laid out in pages as well.
MOST_PAGED_BYTES = 10 * 10**9


@dataclass(frozen=True)
class Decode:
    """One step: `queries` new positions at the end of `keys`."""

    batch: int
    keys: int
    queries: int = 1
    heads: int = 32
    key_heads: int = 8
    head_dim: int = 128

    @property
    def name(self) -> str:
        return f"decode-b{self.batch}-kv{self.keys}-q{self.queries}"

    @property
    def bytes(self) -> int:
        """Of keys and values in 16 bits."""
        return 4 * self.batch * self.key_heads * self.keys * self.head_dim


def decodes(dry: bool) -> list[Decode]:
    if dry:
        return [Decode(2, 300, 1, 4, 2, 64), Decode(1, 130, 3, 4, 2, 64)]
    found = [
        Decode(batch, keys) for batch in (1, 8, 64) for keys in (4096, 32768, 131072)
    ]
    return [*found, Decode(8, 32768, 4), Decode(8, 32768, 16)]


def make(task: Decode, device: str) -> tuple[Any, Any, Any]:
    generator = torch.Generator(device).manual_seed(0)

    def tensor(heads: int, length: int) -> Any:
        shape = (task.batch, heads, length, task.head_dim)
        return torch.randn(
            shape, generator=generator, device=device, dtype=torch.bfloat16
        )

    return (
        tensor(task.heads, task.queries),
        tensor(task.key_heads, task.keys),
        tensor(task.key_heads, task.keys),
    )


def in_pages(tensor: Any, size: int, order: Any) -> Any:
    """(batch, heads, keys, head_dim) as pages of `size` keys, the first of them where
    `order` says."""
    batch, heads, keys, depth = tensor.shape
    count = -(-keys // size)
    padded = torch.nn.functional.pad(tensor, (0, 0, 0, count * size - keys))
    parts = padded.reshape(batch, heads, count, size, depth).permute(0, 2, 3, 1, 4)
    pages = torch.empty(
        batch * count, size, heads, depth, device=tensor.device, dtype=tensor.dtype
    )
    pages[order] = parts.reshape(pages.shape)
    return pages.transpose(1, 2)


def paged_sides(
    task: Decode, device: str, targets: dict[str, str], q: Any, k: Any, v: Any
) -> Iterator[tuple[str, Call]]:
    generator = torch.Generator(device).manual_seed(1)
    lengths = torch.full((task.batch,), task.keys, dtype=torch.int32, device=device)
    for size in PAGE_SIZES:
        count = task.batch * -(-task.keys // size)
        order = torch.randperm(count, generator=generator, device=device)
        table = order.reshape(task.batch, -1).to(torch.int32)
        keys, values = in_pages(k, size, order), in_pages(v, size, order)
        for name, place in targets.items():
            call = functools.partial(
                seqc.attention,
                q,
                keys,
                values,
                causal=True,
                block_table=table,
                key_lengths=lengths,
                target=place,
            )
            yield f"{name}_paged{size}", call


def error_of(task: Decode, q: Any, k: Any, v: Any) -> Callable[[Any], float]:
    """The largest error of the first and the last head."""
    group = task.heads // task.key_heads
    wants = []
    for b, h in ((0, 0), (task.batch - 1, task.heads - 1)):
        scores = q[b, h].float() @ k[b, h // group].float().T
        scores /= math.sqrt(task.head_dim)
        i = torch.arange(task.queries, device=q.device)[:, None]
        j = torch.arange(task.keys, device=q.device)[None]
        scores = scores.masked_fill(j > i + task.keys - task.queries, -math.inf)
        wants.append((b, h, torch.softmax(scores, -1) @ v[b, h // group].float()))

    def error(out: Any) -> float:
        worst = 0.0
        for b, h, want in wants:
            difference = (out[b, h].float() - want).abs().max()
            worst = max(worst, float(torch.nan_to_num(difference, math.inf)))
        return worst

    return error


def sdpa(task: Decode, q: Any, k: Any, v: Any, backend: str) -> Call:
    """torch's attention. One query sees all keys; more of them need a mask that is
    aligned to the end, which only some backends take."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.bias import causal_lower_right

    kinds = {
        "flash": SDPBackend.FLASH_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
    }
    on_cpu = q.device.type == "cpu"
    mask = None
    if task.queries > 1 and not on_cpu:
        mask = causal_lower_right(task.queries, task.keys)
    elif task.queries > 1:
        ones = torch.ones(task.queries, task.keys, dtype=torch.bool)
        mask = ones.tril(task.keys - task.queries)
    attend = torch.nn.functional.scaled_dot_product_attention

    def call() -> Any:
        choice = contextlib.nullcontext() if on_cpu else sdpa_kernel(kinds[backend])
        with choice:
            return attend(q, k, v, attn_mask=mask, enable_gqa=True)

    return call


def sides(
    task: Decode, device: str, targets: dict[str, str], peers: list[str]
) -> Iterator[tuple[str, Call, Callable[[Any], float] | None]]:
    """Names, calls and what tells their errors."""
    q, k, v = make(task, device)
    error = error_of(task, q, k, v)
    for name, place in targets.items():
        call = functools.partial(seqc.attention, q, k, v, causal=True, target=place)
        yield name, call, error
    if task.bytes <= MOST_PAGED_BYTES:
        for name, paged in paged_sides(task, device, targets, q, k, v):
            yield name, paged, error
    for peer in peers:
        yield peer, sdpa(task, q, k, v, peer), error
    half = torch.empty(task.bytes // 2, dtype=torch.uint8, device=device)
    copied = torch.empty_like(half)
    yield "copy", lambda: copied.copy_(half), None


def table(found: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Microseconds, GB/s of keys and values, and the peers' times over ours."""
    head = ["decode", "sm_80 us", "GB/s", "sm_90a us", "GB/s"]
    paged = [f"pages of {size}" for size in PAGE_SIZES]
    rows = [[*head, "FA2 us", "cuDNN us", "copy us", "cuDNN / sm_90a", *paged]]
    tasks = {task.name: task for dry in (False, True) for task in decodes(dry)}
    for name, results in found.items():
        task = tasks.get(name)
        if task is None:
            continue
        row = [f"{task.batch} x {task.queries}/{task.keys}"]
        for target in ("sm_80", "sm_90a"):
            mine = results.get(target)
            row.append(f"{mine['ms'] * 1e3:.1f}" if mine else "")
            row.append(f"{task.bytes / mine['ms'] / 1e6:.0f}" if mine else "")
        for side in ("flash", "cudnn", "copy"):
            other = results.get(side)
            row.append(f"{other['ms'] * 1e3:.1f}" if other else "")
        ours, theirs = results.get("sm_90a"), results.get("cudnn")
        row.append(f"{theirs['ms'] / ours['ms']:.2f}" if ours and theirs else "")
        # How much longer than without pages.
        for size in PAGE_SIZES:
            other = results.get(f"sm_90a_paged{size}")
            row.append(f"{other['ms'] / ours['ms']:.2f}" if ours and other else "")
        rows.append(row)
    return rows
