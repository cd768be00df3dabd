# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The operators as their definitions say, in f64 numpy.

Nothing here is fast or shares code with the compiler: the whole score matrix is
formed, and the scan is a loop over time. Tests and the demo compare against it.

`score_mod` and `mask_mod` are called once with arrays that broadcast to (batch,
heads, query length, key length), so they should use numpy functions or seqc's.
"""

from __future__ import annotations

import itertools
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


def entry_lengths(key_lengths: Any, batch: int, key_length: int) -> Any:
    """The key length of each batch entry, (batch, 1, 1, 1), or that of all."""
    if key_lengths is None:
        return key_length
    lengths = np.broadcast_to(np.asarray(key_lengths, dtype=np.int64), (batch,))
    legal = (lengths >= 0) & (lengths <= key_length)
    return np.where(legal, lengths, key_length).reshape(batch, 1, 1, 1)


def gather_pages(pages: Any, block_table: Any) -> F64:
    """Keys or values in pages as one sequence for each row of the table."""
    source, table = to_f64(pages), np.asarray(block_table)
    legal = (table >= 0) & (table < source.shape[0])
    heads, size, depth = source.shape[1:]
    out = np.zeros((*table.shape, heads, size, depth))
    out[legal] = source[table[legal]]
    out = np.moveaxis(out, 2, 1)
    return out.reshape(table.shape[0], heads, -1, depth)


def visible(
    shape: tuple[int, int, int, int],
    *,
    causal: bool | str = False,
    window: Any = None,
    mask_mod: Callable[..., Any] | None = None,
    segment_ids: Any = None,
    prefix: Any = None,
    key_lengths: Any = None,
) -> npt.NDArray[np.bool_]:
    """Which keys each query sees: (batch, heads, query length, key length)."""
    batch, _, query_length, key_length = shape
    b, h, i, j = np.ogrid[tuple(slice(n) for n in shape)]
    top_left = causal == "top_left"
    lengths = entry_lengths(key_lengths, batch, key_length)
    position = i + (0 if top_left else lengths - query_length)
    band = np.ones((1, 1, query_length, key_length), dtype=bool)
    if causal:
        band = band & (j <= position)
    left, right = window if isinstance(window, (tuple, list)) else (window, None)
    if left is not None:
        band = band & (j >= position - left)
    if right is not None:
        band = band & (j <= position + right)
    if prefix is not None:
        starts = np.broadcast_to(np.asarray(prefix, dtype=np.int64), (batch,))
        band = band | (j < starts.reshape(batch, 1, 1, 1))
    if segment_ids is not None:
        pair = (
            segment_ids if isinstance(segment_ids, (tuple, list)) else [segment_ids] * 2
        )
        first, second = (np.asarray(ids) for ids in pair)
        band = band & (first[:, None, :, None] == second[:, None, None, :])
    if mask_mod is not None:
        band = band & np.asarray(mask_mod(b, h, i, j), dtype=bool)
    if key_lengths is not None:
        band = band & (j < lengths)
    return np.broadcast_to(band, shape)


def expand_heads(x: F64, heads: int) -> F64:
    """Each key head for all the query heads of its group."""
    if not heads or x.shape[1] == heads:
        return x
    return np.repeat(x, heads // x.shape[1], axis=1)


def scores(
    q: F64,
    k: F64,
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
    key_lengths: Any = None,
    score_slope: Callable[..., Any] | None = None,
    with_slope: bool = False,
) -> tuple[F64, npt.NDArray[np.bool_], F64 | float]:
    """The scores before the mask, what the mask leaves, and with `with_slope` the
    derivative of the scores by the scaled product.

    `score_slope` is the derivative of `score_mod`; by default it is taken from the
    difference of two values nearby.
    """
    _, heads, query_length, head_dim = q.shape
    key_length = k.shape[2]
    shape = (q.shape[0], heads, query_length, key_length)
    b, h, i, j = np.ogrid[tuple(slice(n) for n in shape)]
    x = (1 / math.sqrt(head_dim) if scale is None else scale) * (
        q @ np.swapaxes(k, -1, -2)
    )
    slope: F64 | float = 1.0
    if softcap is not None:
        capped = np.tanh(x / softcap)
        x, slope = softcap * capped, 1 - capped**2
    if alibi_slopes is not None:
        slopes = to_f64(alibi_slopes)
        slopes = slopes.reshape(-1, heads, 1, 1)
        lengths = entry_lengths(key_lengths, q.shape[0], key_length)
        offset = 0 if causal == "top_left" else lengths - query_length
        x = x - slopes * np.abs(i + offset - j)
    if score_mod is not None:
        if with_slope and score_slope is not None:
            slope = slope * to_f64(score_slope(x, b, h, i, j))
        elif with_slope:
            step = 1e-5
            above = to_f64(score_mod(x + step, b, h, i, j))
            below = to_f64(score_mod(x - step, b, h, i, j))
            slope = slope * (above - below) / (2 * step)
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
        key_lengths=key_lengths,
    )
    return x, seen, slope


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
    block_table: Any = None,
    key_lengths: Any = None,
) -> tuple[F64, F64]:
    """`seqc.attention`: out and lse."""
    if block_table is not None:
        key, value = gather_pages(key, block_table), gather_pages(value, block_table)
    q, k, v = to_f64(query), to_f64(key), to_f64(value)
    heads = q.shape[1]
    shape = (*q.shape[:3], k.shape[2])
    k, v = expand_heads(k, heads), expand_heads(v, heads)
    # NaN and infinities pass through as in the definition, without warnings.
    with np.errstate(all="ignore"):
        x, seen, _ = scores(
            q,
            k,
            scale=scale,
            causal=causal,
            window=window,
            softcap=softcap,
            bias=bias,
            alibi_slopes=alibi_slopes,
            score_mod=score_mod,
            mask_mod=mask_mod,
            segment_ids=segment_ids,
            prefix=prefix,
            key_lengths=key_lengths,
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


def attention_backward(
    out_grad: Any,
    query: Any,
    key: Any,
    value: Any,
    *,
    lse_grad: Any = None,
    bias: Any = None,
    sinks: Any = None,
    scale: float | None = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    absolute: bool = False,
    **options: Any,
) -> dict[str, F64]:
    """`seqc.attention_backward`: gradients by the name of their operand. Out and lse
    are those of `attention`, so that errors of the forward do not count.

    `absolute` adds up the absolute values of the terms: what errors are relative to.
    """
    q, k, v, g = to_f64(query), to_f64(key), to_f64(value), to_f64(out_grad)
    heads, key_heads = q.shape[1], k.shape[1]
    factor = 1 / math.sqrt(q.shape[3]) if scale is None else scale
    forward = dict(options)
    slope_of = forward.pop("score_slope", None)
    out, lse = attention(
        q,
        k,
        v,
        bias=bias,
        sinks=sinks,
        scale=scale,
        dropout_p=dropout_p,
        seed=seed,
        **forward,
    )
    k, v = expand_heads(k, heads), expand_heads(v, heads)
    with np.errstate(all="ignore"):
        x, seen, slope = scores(
            q,
            k,
            scale=scale,
            bias=bias,
            score_slope=slope_of,
            with_slope=True,
            **forward,
        )
        shift = np.where(np.isneginf(lse), np.inf, lse)[..., None]
        p = np.where(seen, np.exp(x - shift), 0.0)
        keep: Any = 1.0
        if dropout_p and seed is not None:
            keep = dropout_keep(seed, dropout_p, p.shape) / (1 - dropout_p)
        delta = (g * out).sum(axis=-1)
        if lse_grad is not None:
            delta = delta - to_f64(lse_grad)
        dp = keep * (g @ np.swapaxes(v, -1, -2))
        if absolute:
            q, k, g = np.abs(q), np.abs(k), np.abs(g)
            dp = keep * (g @ np.swapaxes(np.abs(v), -1, -2))
            delta = -(g * np.abs(out)).sum(axis=-1)
            if lse_grad is not None:
                delta = delta - np.abs(to_f64(lse_grad))
            factor = abs(factor)
        dx = p * (dp - delta[..., None])
        ds = np.where(p == 0, 0.0, dx * (np.abs(slope) if absolute else slope))
    groups = (q.shape[0], key_heads, heads // key_heads if key_heads else 1)

    def by_group(x: F64) -> F64:
        return np.asarray(x.reshape(*groups, *x.shape[2:]).sum(axis=2))

    swapped = np.swapaxes
    result = {
        "query": factor * (ds @ k),
        "key": factor * by_group(swapped(ds, -1, -2) @ q),
        "value": by_group(swapped(p * keep, -1, -2) @ g),
    }
    if bias is not None:
        sizes = np.shape(bias)
        axes = tuple(n for n, size in enumerate(sizes) if size == 1)
        result["bias"] = dx.sum(axis=axes, keepdims=True).reshape(sizes)
    if sinks is not None:
        sink = to_f64(sinks).reshape(1, heads, 1)
        with np.errstate(all="ignore"):
            weight = np.where(np.isneginf(sink), 0.0, np.exp(sink - lse))
        result["sinks"] = -(weight * delta).sum(axis=(0, 2))
    return result


def softplus(x: F64) -> F64:
    """log(1 + exp(x)), and x above 20."""
    with np.errstate(over="ignore"):
        return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def silu(x: F64) -> F64:
    """x / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return np.asarray(x / (1 + np.exp(-x)))


class Steps:
    """The steps of one sequence, in the order in which an operator takes them."""

    def __init__(self, steps: slice, packed: bool) -> None:
        self.steps, self.packed = steps, packed

    def take(self, value: Any) -> Any:
        """`value` of these steps; None, or what is constant in time, as it is."""
        if value is None or np.ndim(value) == 2:
            return value
        return to_f64(value)[..., self.steps]

    def put(self, part: F64, whole: F64) -> None:
        whole[..., self.steps] = part

    def state(self, value: Any, number: int) -> Any:
        if value is None or not self.packed:
            return value
        return to_f64(value)[number : number + 1]


def in_order(cu_seqlens: Any, reverse: bool, shape: tuple[int, ...]) -> list[Steps]:
    """The sequences of a batch, or all batches as one."""
    length = shape[2]
    ends = [0, length] if cu_seqlens is None else [int(x) for x in cu_seqlens]
    found = []
    for begin, end in itertools.pairwise(ends):
        steps = slice(begin, end)
        if reverse:
            before = begin - 1 if begin > 0 else None
            steps = slice(end - 1, before, -1) if end > begin else slice(0, 0)
        found.append(Steps(steps, cu_seqlens is not None))
    return found


def join_gradients(
    sequences: list[Steps], parts: list[dict[str, F64]], in_time: dict[str, Any]
) -> dict[str, F64]:
    """The gradients of all sequences from those of each."""
    result = {}
    for name in parts[0]:
        each = [part[name] for part in parts]
        like = in_time.get(name)
        if like is not None and np.ndim(like) > 2:
            whole = np.zeros(np.shape(like))
            for steps, part in zip(sequences, each, strict=True):
                steps.put(part, whole)
            result[name] = whole
        elif name == "initial_state":
            result[name] = np.concatenate(each)
        else:
            result[name] = np.asarray(sum(each))
    return result


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
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
) -> tuple[F64, F64]:
    """`seqc.selective_scan`: out and the final state."""
    if cu_seqlens is not None or reverse:
        sequences = in_order(cu_seqlens, reverse, np.shape(u))
        out, states = np.zeros(np.shape(u)), []
        for s, steps in enumerate(sequences):
            part, state = selective_scan(
                steps.take(u),
                steps.take(delta),
                A,
                steps.take(B),
                steps.take(C),
                D,
                steps.take(z),
                delta_bias,
                delta_softplus,
                steps.state(initial_state, s),
            )
            steps.put(part, out)
            states.append(state)
        return out, np.concatenate(states)
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


def silu_slope(x: F64) -> F64:
    """The derivative of silu."""
    with np.errstate(over="ignore"):
        s = 1 / (1 + np.exp(-x))
    return np.asarray(s * (1 + x * (1 - s)))


def selective_scan_backward(
    out_grad: Any,
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
    final_state_grad: Any = None,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    absolute: bool = False,
) -> dict[str, F64]:
    """`seqc.selective_scan_backward`: gradients by the name of their operand.

    `absolute` replaces every term by its absolute value: what errors are relative
    to.
    """
    if cu_seqlens is not None or reverse:
        sequences = in_order(cu_seqlens, reverse, np.shape(u))
        parts = [
            selective_scan_backward(
                steps.take(out_grad),
                steps.take(u),
                steps.take(delta),
                A,
                steps.take(B),
                steps.take(C),
                D,
                steps.take(z),
                delta_bias,
                delta_softplus,
                steps.state(initial_state, s),
                steps.state(final_state_grad, s),
                absolute=absolute,
            )
            for s, steps in enumerate(sequences)
        ]
        shapes = {"u": u, "delta": delta, "z": z, "B": B, "C": C}
        return join_gradients(sequences, parts, shapes)

    def terms(value: F64) -> F64:
        return np.abs(value) if absolute else value

    x, raw, a = terms(to_f64(u)), to_f64(delta), to_f64(A)
    batch, dim, length = x.shape
    states = a.shape[1]

    def expand(value: Any) -> F64:
        """To (batch, dim, state, length)."""
        m = terms(to_f64(value))
        if m.ndim == 2:
            return np.broadcast_to(m[None, :, :, None], (batch, dim, states, length))
        if m.ndim == 3:
            m = m[:, None]
        return np.repeat(m, dim // m.shape[1], axis=1) if dim else m[:, :0]

    def reduce(gradient: F64, value: Any) -> F64:
        """From (batch, dim, state, length) to the shape of B or C."""
        shape = np.shape(value)
        if len(shape) == 2:
            return np.asarray(gradient.sum(axis=(0, 3)))
        groups = shape[1] if len(shape) == 4 else 1
        split = gradient.reshape(batch, groups, dim // groups, states, length)
        return np.asarray(split.sum(axis=2)).reshape(shape)

    b, c = expand(B), expand(C)
    if delta_bias is not None:
        raw = raw + to_f64(delta_bias)[None, :, None]
    dt = softplus(raw) if delta_softplus else raw
    with np.errstate(all="ignore"):
        decay = np.exp(dt[:, :, None] * a[None, :, :, None])
        dt = terms(dt)
        g = terms(to_f64(out_grad))
        gate = None if z is None else to_f64(z)
        if gate is not None:
            g = g * terms(silu(gate))
        # The states before each step, and after the last.
        h = np.zeros((batch, dim, states, length + 1))
        if initial_state is not None:
            h[..., 0] = terms(to_f64(initial_state))
        for t in range(length):
            step = (dt[:, :, t] * x[:, :, t])[..., None]
            h[..., t + 1] = decay[..., t] * h[..., t] + step * b[..., t]
        dh = np.zeros((batch, dim, states, length))
        carry = np.zeros((batch, dim, states))
        if final_state_grad is not None:
            carry = terms(to_f64(final_state_grad))
        for t in reversed(range(length)):
            dh[..., t] = g[:, :, t, None] * c[..., t] + carry
            carry = decay[..., t] * dh[..., t]
        exponent = dh * decay * h[..., :-1]
        by_input = (dh * b).sum(axis=2)
        step_grad = (terms(a)[None, :, :, None] * exponent).sum(axis=2) + by_input * x
        if delta_softplus:
            slope = 1 / (1 + np.exp(-raw))
            step_grad = step_grad * np.where(raw > 20, 1.0, slope)
        result = {
            "u": dt * by_input,
            "delta": step_grad,
            "A": (exponent * dt[:, :, None]).sum(axis=(0, 3)),
            "B": reduce(dh * (dt * x)[:, :, None], B),
            "C": reduce(g[:, :, None] * h[..., 1:], C),
        }
        if D is not None:
            skip = terms(to_f64(D))[None, :, None]
            result["u"] = result["u"] + skip * g
            result["D"] = (g * x).sum(axis=(0, 2))
        if gate is not None:
            y = (h[..., 1:] * c).sum(axis=2)
            if D is not None:
                y = y + skip * x
            result["z"] = terms(to_f64(out_grad)) * y * terms(silu_slope(gate))
        if delta_bias is not None:
            result["delta_bias"] = step_grad.sum(axis=(0, 2))
        if initial_state is not None:
            result["initial_state"] = carry
    return result


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
) -> tuple[F64, F64]:
    """`seqc.causal_conv1d`: out and the final state."""
    if cu_seqlens is not None or reverse:
        sequences = in_order(cu_seqlens, reverse, np.shape(x))
        out, states = np.zeros(np.shape(x)), []
        for s, steps in enumerate(sequences):
            part, state = causal_conv1d(
                steps.take(x), weight, bias, activation, steps.state(initial_state, s)
            )
            steps.put(part, out)
            states.append(state)
        return out, np.concatenate(states)
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


def causal_conv1d_backward(
    out_grad: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
    final_state_grad: Any = None,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    absolute: bool = False,
) -> dict[str, F64]:
    """`seqc.causal_conv1d_backward`: gradients by the name of their operand.

    `absolute` is as for `selective_scan_backward`.
    """
    if cu_seqlens is not None or reverse:
        sequences = in_order(cu_seqlens, reverse, np.shape(x))
        parts = [
            causal_conv1d_backward(
                steps.take(out_grad),
                steps.take(x),
                weight,
                bias,
                activation,
                steps.state(initial_state, s),
                steps.state(final_state_grad, s),
                absolute=absolute,
            )
            for s, steps in enumerate(sequences)
        ]
        return join_gradients(sequences, parts, {"x": x})

    def terms(value: F64) -> F64:
        return np.abs(value) if absolute else value

    signal, w, g = to_f64(x), to_f64(weight), terms(to_f64(out_grad))
    batch, dim, length = signal.shape
    width = w.shape[1]
    before = np.zeros((batch, dim, width - 1))
    if initial_state is not None:
        before = to_f64(initial_state)
    padded = np.concatenate([before, signal], axis=2)
    with np.errstate(all="ignore"):
        if activation in ("silu", "swish"):
            y, total = np.zeros((batch, dim, length)), np.zeros((batch, dim, length))
            for tap in range(width):
                term = w[None, :, tap, None] * padded[:, :, tap : tap + length]
                y, total = y + term, total + np.abs(term)
            if bias is not None:
                y = y + to_f64(bias)[None, :, None]
                total = total + np.abs(to_f64(bias))[None, :, None]
            # The slope is off by as much as y, which is a sum of its own.
            g = g * (1 + total if absolute else silu_slope(y))
        padded_grad = np.zeros(padded.shape)
        weight_grad = np.zeros(w.shape)
        for tap in range(width):
            padded_grad[:, :, tap : tap + length] += terms(w)[None, :, tap, None] * g
            window = terms(padded)[:, :, tap : tap + length]
            weight_grad[:, tap] = (g * window).sum(axis=(0, 2))
        if final_state_grad is not None and width > 1:
            padded_grad[:, :, length:] += terms(to_f64(final_state_grad))
    result = {"x": padded_grad[:, :, width - 1 :], "weight": weight_grad}
    if bias is not None:
        result["bias"] = g.sum(axis=(0, 2))
    if initial_state is not None:
        result["initial_state"] = padded_grad[:, :, : width - 1]
    return result
