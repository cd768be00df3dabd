#!/usr/bin/env python3
# ===- model_reference.py - The tutorial's model in numpy ------------------===#
#
# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===-----------------------------------------------------------------------===#
"""Makes the inputs of docs/tutorials/model.mlir and checks its output.

    model_reference.py make DIR [--sequence 1000] [--seed 0]
    seqc run model.seqc --input-dir DIR --output out.npy
    model_reference.py check DIR out.npy [--tolerance 1e-4]

`make` writes one DIR/NAME.npy per argument of @model, under its name in the
source; the same seed gives the same bytes. `check`
computes the model from these files in float64 and prints one line:

    max error 2.1e-06 (naive float32: 2.4e-06), max |reference| 4.1, tolerance 1e-04

The error is absolute; the tolerance is relative to max |reference|. "naive
float32" is the error of this same file's formulas in float32. The exit code is 0
when the output is within the tolerance, 1 when it is not or has another shape.
Needs numpy and nothing else.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BATCH, D_MODEL = 2, 512
HEADS, KV_HEADS, HEAD_DIM = 8, 2, 64
D_INNER, D_STATE, DT_RANK, CONV_WIDTH = 512, 16, 32, 4
EPS = 1e-5


def make_inputs(sequence: int, seed: int) -> dict[str, Array]:
    """The arguments of @model in order, float32."""
    rng = np.random.default_rng(seed)

    def linear(rows: int, columns: int) -> Array:
        return rng.standard_normal((rows, columns)) / math.sqrt(rows)

    # Mamba's own initial values: A counts up to the state size, and the bias of
    # dt makes softplus(bias) log-uniform in [0.001, 0.1].
    dt = np.exp(rng.uniform(math.log(1e-3), math.log(1e-1), D_INNER))
    inputs = {
        "x": rng.standard_normal((BATCH, sequence, D_MODEL)),
        "norm1": 1 + 0.1 * rng.standard_normal(D_MODEL),
        "w_q": linear(D_MODEL, HEADS * HEAD_DIM),
        "w_k": linear(D_MODEL, KV_HEADS * HEAD_DIM),
        "w_v": linear(D_MODEL, KV_HEADS * HEAD_DIM),
        "w_o": linear(HEADS * HEAD_DIM, D_MODEL),
        "norm2": 1 + 0.1 * rng.standard_normal(D_MODEL),
        "w_in": linear(D_MODEL, 2 * D_INNER),
        "conv_weight": rng.standard_normal((D_INNER, CONV_WIDTH)) / 2,
        "conv_bias": 0.1 * rng.standard_normal(D_INNER),
        "w_x": linear(D_INNER, DT_RANK + 2 * D_STATE),
        "w_dt": linear(DT_RANK, D_INNER),
        "dt_bias": np.log(np.expm1(dt)),
        "A_log": np.log(np.tile(np.arange(1.0, D_STATE + 1), (D_INNER, 1))),
        "D": np.ones(D_INNER),
        "w_out": linear(D_INNER, D_MODEL),
    }
    return {name: value.astype(np.float32) for name, value in inputs.items()}


def rms_norm(x: Array, weight: Array) -> Array:
    mean = np.mean(x * x, axis=-1, keepdims=True, dtype=x.dtype)
    out: Array = x / np.sqrt(mean + x.dtype.type(EPS)) * weight
    return out


def silu(x: Array) -> Array:
    out: Array = x / (1 + np.exp(-x))
    return out


def softplus(x: Array) -> Array:
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def causal_attention(query: Array, key: Array, value: Array) -> Array:
    """(B, Hq, S, D) over (B, Hkv, S, D); one batch and head at a time."""
    out = np.empty_like(query)
    length = query.shape[2]
    visible = np.tril(np.ones((length, length), dtype=bool))
    scale = query.dtype.type(1 / math.sqrt(query.shape[3]))
    group = query.shape[1] // key.shape[1]
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            scores = scale * (query[b, h] @ key[b, h // group].T)
            scores = np.where(visible, scores, -np.inf)
            p = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[b, h] = (p / p.sum(axis=-1, keepdims=True)) @ value[b, h // group]
    return out


def causal_conv1d(x: Array, weight: Array, bias: Array) -> Array:
    """(B, D, L), with the columns before the first taken as zero."""
    width, length = weight.shape[1], x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (width - 1, 0)))
    terms = [weight[:, w, None] * padded[:, :, w : w + length] for w in range(width)]
    return silu(bias[:, None] + sum(terms[1:], terms[0]))


def selective_scan(
    u: Array, delta: Array, A: Array, B: Array, C: Array, D: Array, z: Array
) -> Array:
    """(B, Dm, L) with B and C (B, N, L), one time step after the other."""
    out = np.empty_like(u)
    state = np.zeros((u.shape[0], *A.shape), u.dtype)
    for t in range(u.shape[2]):
        dt = delta[:, :, t, None]
        step = dt * u[:, :, t, None] * B[:, None, :, t]
        state = np.exp(dt * A) * state + step
        out[:, :, t] = np.einsum("bdn,bn->bd", state, C[:, :, t])
    out += D[:, None] * u
    return out * silu(z)


def model(inputs: dict[str, Array], dtype: npt.DTypeLike) -> Array:
    """What model.mlir says, in `dtype` throughout."""
    w = {name: value.astype(dtype) for name, value in inputs.items()}
    x = w["x"].copy()
    batch, length, _ = x.shape

    h = rms_norm(x, w["norm1"])

    def heads(weight: Array, count: int) -> Array:
        return (h @ weight).reshape(batch, length, count, HEAD_DIM).swapaxes(1, 2)

    attended = causal_attention(
        heads(w["w_q"], HEADS), heads(w["w_k"], KV_HEADS), heads(w["w_v"], KV_HEADS)
    )
    x += attended.swapaxes(1, 2).reshape(batch, length, -1) @ w["w_o"]

    uz = (rms_norm(x, w["norm2"]) @ w["w_in"]).swapaxes(1, 2)
    u = causal_conv1d(uz[:, :D_INNER], w["conv_weight"], w["conv_bias"])
    dbc = u.swapaxes(1, 2) @ w["w_x"]
    delta = (dbc[..., :DT_RANK] @ w["w_dt"] + w["dt_bias"]).swapaxes(1, 2)
    y = selective_scan(
        u,
        softplus(delta),
        -np.exp(w["A_log"]),
        dbc[..., DT_RANK : DT_RANK + D_STATE].swapaxes(1, 2),
        dbc[..., DT_RANK + D_STATE :].swapaxes(1, 2),
        w["D"],
        uz[:, D_INNER:],
    )
    x += y.swapaxes(1, 2) @ w["w_out"]
    return x


def check(directory: Path, output: Path, tolerance: float) -> int:
    names = make_inputs(1, 0).keys()
    inputs = {name: np.load(directory / f"{name}.npy") for name in names}
    got = np.load(output)
    reference = model(inputs, np.float64)
    if got.shape != reference.shape:
        print(f"shape {got.shape}, expected {reference.shape}", file=sys.stderr)
        return 1
    error = np.abs(got.astype(np.float64) - reference).max()
    naive = np.abs(model(inputs, np.float32).astype(np.float64) - reference).max()
    largest = np.abs(reference).max()
    print(
        f"max error {error:.1e} (naive float32: {naive:.1e}), "
        f"max |reference| {largest:.3g}, tolerance {tolerance:.0e}"
    )
    # A NaN in the output makes the comparison false.
    return 0 if error <= tolerance * largest else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write the inputs")
    make.add_argument("directory", type=Path)
    make.add_argument("--sequence", type=int, default=1000)
    make.add_argument("--seed", type=int, default=0)
    test = commands.add_parser("check", help="compare an output with float64")
    test.add_argument("directory", type=Path)
    test.add_argument("output", type=Path)
    test.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()

    if options.command == "check":
        return check(options.directory, options.output, options.tolerance)
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, value in make_inputs(options.sequence, options.seed).items():
        np.save(options.directory / f"{name}.npy", value)
    return 0


if __name__ == "__main__":
    sys.exit(main())
