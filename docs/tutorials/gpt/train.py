# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains a small GPT on alice.txt, character by character, twice: with
seqc.attention, and with torch's scaled_dot_product_attention.

    python docs/tutorials/gpt/train.py --steps 600 --plot losses.svg

Both runs start from the same weights and see the same batches, so what differs is
rounding. Layers have no position embedding: each head subtracts a slope times the
distance from its scores (ALiBi, Press et al. 2022), and the slopes are learned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import seqc
import torch
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
LENGTH = 96  # of the texts that the model sees

# Query, key and value, (batch, heads, length, head size), and a slope for each head.
Attend = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def with_seqc(q: Tensor, k: Tensor, v: Tensor, slopes: Tensor) -> Tensor:
    out: Tensor = seqc.attention(q, k, v, causal=True, alibi_slopes=slopes)
    return out


def with_torch(q: Tensor, k: Tensor, v: Tensor, slopes: Tensor) -> Tensor:
    """The same with a bias of (heads, length, length) in memory."""
    at = torch.arange(q.shape[2], device=q.device)
    distance = at[:, None] - at[None]
    bias = -slopes[:, None, None] * distance
    bias = bias.masked_fill(distance < 0, -torch.inf)
    return functional.scaled_dot_product_attention(q, k, v, bias.to(q.dtype))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, attend: Attend) -> None:
        super().__init__()
        self.heads, self.attend = heads, attend
        self.before_attention = nn.LayerNorm(width)
        self.into_heads = nn.Linear(width, 3 * width)
        self.out_of_heads = nn.Linear(width, width)
        self.slopes = nn.Parameter(0.5 ** torch.arange(1.0, heads + 1))
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.into_heads(self.before_attention(x))
        parts = parts.view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mixed = self.attend(q, k, v, self.slopes)
        x = x + self.out_of_heads(mixed.transpose(1, 2).reshape(x.shape))
        x = x + self.mlp(self.before_mlp(x))
        return x


class GPT(nn.Module):
    def __init__(
        self,
        symbols: int,
        attend: Attend,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.layers = nn.Sequential(
            *(Layer(width, heads, attend) for _ in range(layers))
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, symbols))

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(self.embedding(tokens)))
        return logits


def read_text() -> tuple[str, Tensor]:
    """The characters that occur, and the text as their numbers."""
    text = (HERE / "alice.txt").read_text()
    symbols = "".join(sorted(set(text)))
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    return symbols, torch.tensor([numbers[symbol] for symbol in text])


def train(
    attend: Attend,
    steps: int,
    *,
    seed: int = 0,
    device: str = "cpu",
    batch: int = 8,
    length: int = LENGTH,
) -> tuple[list[float], GPT]:
    """The loss of each step, in nats for a character, and the model. Weights and
    batches follow from the seed."""
    symbols, text = read_text()
    torch.manual_seed(seed)
    model = GPT(len(symbols), attend).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        starts = torch.randint(len(text) - length - 1, (batch, 1))
        window = text[starts + torch.arange(length + 1)].to(device)
        logits = model(window[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def write(model: GPT, start: str, count: int) -> str:
    """`start`, continued by characters as likely as the model finds them."""
    symbols, _ = read_text()
    torch.manual_seed(0)
    device = next(model.parameters()).device
    tokens = [symbols.index(symbol) for symbol in start]
    for _ in range(count):
        with torch.no_grad():
            logits = model(torch.tensor([tokens[-LENGTH:]], device=device))
        tokens.append(int(torch.multinomial(logits[0, -1].softmax(0), 1)))
    return "".join(symbols[token] for token in tokens)


def smooth(values: list[float], over: int) -> list[float]:
    """Each value's mean with those before it."""
    windows = [values[max(0, i - over + 1) : i + 1] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def plot(curves: dict[str, list[float]], path: str) -> None:
    """The curves, and below what they differ by from the first one."""
    import matplotlib as mpl

    mpl.use("svg" if path.endswith(".svg") else "agg")
    import matplotlib.pyplot as plt

    # The same picture from the same numbers.
    mpl.rcParams.update({"svg.hashsalt": "seqc", "svg.fonttype": "none"})
    styles = (
        {"color": "#c1440e", "linewidth": 3.2},
        {"color": "#0b6e4f", "linewidth": 1.2},
        {"color": "#b0b0b0", "linewidth": 1.0},
    )
    figure, (above, below) = plt.subplots(
        2,
        1,
        figsize=(6.4, 5.2),
        sharex=True,
        height_ratios=(2, 1),
        layout="constrained",
    )
    first, base = next(iter(curves.items()))
    for (name, losses), style in zip(curves.items(), styles, strict=False):
        above.plot(smooth(losses, 10), label=name, **style)
        if name != first:
            apart = [abs(x - y) for x, y in zip(losses, base, strict=True)]
            below.plot(apart, **style)
    above.set_ylabel("loss, nats a character")
    above.legend(frameon=False, fontsize=8)
    below.set_yscale("log")
    below.set_ylabel("difference")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    metadata = {"Date": None} if path.endswith(".svg") else None
    figure.savefig(path, metadata=metadata)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=600)
    options.add_argument("--device", default="cpu", help="cpu or cuda")
    options.add_argument("--plot", default="", help="an .svg or .png to write")
    args = options.parse_args()
    curves = {}
    for name, attend, seed in (
        ("torch", with_torch, 0),
        ("seqc", with_seqc, 0),
        ("torch, other batches", with_torch, 1),
    ):
        start = time.perf_counter()
        losses, model = train(attend, args.steps, seed=seed, device=args.device)
        seconds = time.perf_counter() - start
        curves[name] = losses
        last = sum(losses[-20:]) / len(losses[-20:])
        print(f"{name}: {last:.4f} over the last steps, {seconds:.0f} s")
        if curves["torch"] is not losses:
            pairs = zip(losses, curves["torch"], strict=True)
            print(f"  from torch: {max(abs(x - y) for x, y in pairs):.1e} at most")
        if attend is with_seqc:
            print("  " + repr(write(model, "Alice ", 60)))
            for number, layer in enumerate(model.layers):
                slopes = ", ".join(f"{x:.3f}" for x in layer.slopes.tolist())
                print(f"  slopes of layer {number}: {slopes}")
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    main()
