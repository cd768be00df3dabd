# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The operators as their definitions say, in f64 numpy.

Nothing here is fast or shares code with the compiler: the whole score matrix is
formed, and the scan is a loop over time. Tests and the demo compare against it.

`score_mod` and `mask_mod` are called once with arrays that broadcast to (batch,
heads, query length, key length), so they should use numpy functions or seqc's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
U32 = npt.NDArray[np.uint32]


def to_f64(value: Any) -> F64:
    """An array of any kind and float dtype as f64 numpy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return np.asarray(value.detach().double().numpy())
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        value = np.from_dlpack(value)
    return np.asarray(value).astype(np.float64)


def philox(seed: int, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[U32, U32, U32, U32]:
    """Philox4x32-10: four random words per counter, keyed by a 64-bit seed."""
    mask = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    counter = [
        np.asarray(c).astype(np.uint64) & mask
        for c in np.broadcast_arrays(c0, c1, c2, c3)
    ]
    key = [np.uint64(seed & 0xFFFFFFFF), np.uint64((seed >> 32) & 0xFFFFFFFF)]
    multipliers = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
    steps = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
    with np.errstate(over="ignore"):
        for _ in range(10):
            first = multipliers[0] * counter[0]
            second = multipliers[1] * counter[2]
            counter = [
                (second >> shift) ^ counter[1] ^ key[0],
                second & mask,
                (first >> shift) ^ counter[3] ^ key[1],
                first & mask,
            ]
            key = [(k + step) & mask for k, step in zip(key, steps, strict=True)]
    a, b, c, d = (word.astype(np.uint32) for word in counter)
    return a, b, c, d


def dropout_keep(seed: int, p: float, shape: tuple[int, int, int, int]) -> Any:
    """Which weights (batch, head, query, key) dropout keeps."""
    b, h, i, j = np.ogrid[tuple(slice(n) for n in shape)]
    word, _, _, _ = philox(seed, j, i, h, b)
    threshold = min(math.floor(p * 2.0**32), 2**32 - 1)
    return word >= np.uint32(threshold)


def visible(
    shape: tuple[int, int, int, int],
    *,
    causal: bool | str = False,
    window: Any = None,
    mask_mod: Callable[..., Any] | None = None,
    segment_ids: Any = None,
    prefix: Any = None,
) -> npt.NDArray[np.bool_]:
    """Which keys each query sees: (batch, heads, query length, key length)."""
    batch, _, query_length, key_length = shape
    b, h, i, j = np.ogrid[tuple(slice(n) for n in shape)]
    top_left = causal == "top_left"
    position = i + (0 if top_left else key_length - query_length)
    band = np.ones((1, 1, query_length, key_length), dtype=bool)
    if causal:
        band &= j <= position
    left, right = window if isinstance(window, (tuple, list)) else (window, None)
    if left is not None:
        band = band & (j >= position - left)
    if right is not None:
        band = band & (j <= position + right)
    if prefix is not None:
        lengths = np.broadcast_to(np.asarray(prefix, dtype=np.int64), (batch,))
        band = band | (j < lengths.reshape(batch, 1, 1, 1))
    if segment_ids is not None:
        pair = (
            segment_ids if isinstance(segment_ids, (tuple, list)) else [segment_ids] * 2
        )
        first, second = (np.asarray(ids) for ids in pair)
        band = band & (first[:, None, :, None] == second[:, None, None, :])
    if mask_mod is not None:
        band = band & np.asarray(mask_mod(b, h, i, j), dtype=bool)
    return np.broadcast_to(band, shape)


def attention(
    query: Any,
    key: Any,
    value: Any,
    *,
    scale: float | None = None,
    causal: bool | str = False,
    window: Any = None,
    softcap: float | None = None,
    bias: Any = None,
    alibi_slopes: Any = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    segment_ids: Any = None,
    prefix: Any = None,
    sinks: Any = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
) -> tuple[F64, F64]:
    """`seqc.attention`: out and lse."""
    q, k, v = to_f64(query), to_f64(key), to_f64(value)
    batch, heads, query_length, head_dim = q.shape
    key_length = k.shape[2]
    shape = (batch, heads, query_length, key_length)
    if heads and k.shape[1] != heads:
        k = np.repeat(k, heads // k.shape[1], axis=1)
        v = np.repeat(v, heads // v.shape[1], axis=1)
    b, h, i, j = np.ogrid[tuple(slice(n) for n in shape)]
    # NaN and infinities pass through as in the definition, without warnings.
    with np.errstate(all="ignore"):
        x = (1 / math.sqrt(head_dim) if scale is None else scale) * (
            q @ np.swapaxes(k, -1, -2)
        )
        if softcap is not None:
            x = softcap * np.tanh(x / softcap)
        if alibi_slopes is not None:
            slopes = to_f64(alibi_slopes)
            slopes = slopes.reshape(-1, heads, 1, 1)
            offset = 0 if causal == "top_left" else key_length - query_length
            x = x - slopes * np.abs(i + offset - j)
        if score_mod is not None:
            x = np.broadcast_to(to_f64(score_mod(x, b, h, i, j)), shape)
        if bias is not None:
            x = x + to_f64(bias)
        seen = visible(
            shape,
            causal=causal,
            window=window,
            mask_mod=mask_mod,
            segment_ids=segment_ids,
            prefix=prefix,
        )
        x = np.where(seen, x, -np.inf)
        top = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
        if sinks is not None:
            extra = to_f64(sinks).reshape(1, heads, 1, 1)
            top = np.maximum(top, extra)
        shift = np.where(np.isneginf(top), 0.0, top)
        weights = np.exp(x - shift)
        total = weights.sum(axis=-1, keepdims=True)
        if sinks is not None:
            total = total + np.exp(extra - shift)
        lse = (shift + np.log(total))[..., 0]
        weights = np.where(total == 0, 0.0, weights / np.where(total == 0, 1.0, total))
        if dropout_p:
            if seed is None:
                raise ValueError("seed: expected an integer where dropout_p is given")
            keep = dropout_keep(seed, dropout_p, shape)
            weights = np.where(keep, weights / (1 - dropout_p), 0.0)
        # A key that nobody sees does not touch the result, whatever it holds.
        clean = np.where(np.isfinite(v), v, 0.0)
        out = weights @ clean
        if not np.isfinite(v).all():
            terms = weights[..., None] * v[:, :, None]
            terms = np.where((seen & (weights != 0))[..., None], terms, 0.0)
            touched = ~np.isfinite(terms).all(axis=-2)
            out = np.where(touched, terms.sum(axis=-2), out)
    return out, lse


def softplus(x: F64) -> F64:
    """log(1 + exp(x)), and x above 20."""
    with np.errstate(over="ignore"):
        return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def silu(x: F64) -> F64:
    """x / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return np.asarray(x / (1 + np.exp(-x)))


def selective_scan(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any = None,
    z: Any = None,
    delta_bias: Any = None,
    delta_softplus: bool = False,
    initial_state: Any = None,
) -> tuple[F64, F64]:
    """`seqc.selective_scan`: out and the final state."""
    x, dt, a = to_f64(u), to_f64(delta), to_f64(A)
    batch, dim, length = x.shape
    states = a.shape[1]

    def expand(value: Any) -> F64:
        """To (batch, dim, state, length)."""
        m = to_f64(value)
        if m.ndim == 2:
            return np.broadcast_to(m[None, :, :, None], (batch, dim, states, length))
        if m.ndim == 3:
            m = m[:, None]
        return np.repeat(m, dim // m.shape[1], axis=1) if dim else m[:, :0]

    b, c = expand(B), expand(C)
    if delta_bias is not None:
        dt = dt + to_f64(delta_bias)[None, :, None]
    if delta_softplus:
        dt = softplus(dt)
    h = np.zeros((batch, dim, states))
    if initial_state is not None:
        h = to_f64(initial_state).copy()
    out = np.zeros((batch, dim, length))
    with np.errstate(all="ignore"):
        for t in range(length):
            step = dt[:, :, t, None]
            h = np.exp(step * a) * h + step * b[..., t] * x[:, :, t, None]
            out[:, :, t] = (h * c[..., t]).sum(axis=-1)
        if D is not None:
            out = out + to_f64(D)[None, :, None] * x
        if z is not None:
            out = out * silu(to_f64(z))
    return out, h


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
) -> tuple[F64, F64]:
    """`seqc.causal_conv1d`: out and the final state."""
    signal, w = to_f64(x), to_f64(weight)
    batch, dim, length = signal.shape
    width = w.shape[1]
    before = np.zeros((batch, dim, width - 1))
    if initial_state is not None:
        before = to_f64(initial_state)
    padded = np.concatenate([before, signal], axis=2)
    out = np.zeros((batch, dim, length))
    with np.errstate(all="ignore"):
        for tap in range(width):
            out += w[None, :, tap, None] * padded[:, :, tap : tap + length]
        if bias is not None:
            out += to_f64(bias)[None, :, None]
        if activation in ("silu", "swish"):
            out = silu(out)
    return out, padded[:, :, padded.shape[2] - (width - 1) :]
