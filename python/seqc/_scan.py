# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Selective scan and causal convolution as calls on arrays.

As in _attention, a call checks its arguments and runs the program of its
specialisation key. Batch, channels, length and strides are not in the key.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from . import _text, _torch_compile
from ._arrays import Array
from ._checks import check_dtype, check_float, check_rank, check_shape, schedule_key
from ._places import Place, fast, place_of
from ._text import Operand, Schedule, Type

# ===----------------------------------------------------------------------===
# Packed sequences
# ===----------------------------------------------------------------------===

# The offsets of packed sequences in the text of a program.
CU_SEQLENS = Operand("%cu_seqlens", Type((None,), "i32"))


def sequence_offsets(
    place: Place, cu_seqlens: Any, name: str, shape: tuple[int, ...]
) -> Array:
    """A view of the offsets of the sequences that `name`, of `shape`, packs.

    In host memory their values are checked. Those in device memory are not read here,
    which would wait for the device: the program brings them into the sequence.
    """
    array = place.view_as("cu_seqlens", cu_seqlens, "i32")
    check_rank("cu_seqlens", array, 1, "(sequences + 1)")
    if array.shape[0] < 2:
        raise ValueError(
            f"cu_seqlens: has {array.shape[0]} elements, expected one more than "
            "sequences, of which there is at least one"
        )
    if shape[0] != 1:
        raise ValueError(
            f"{name}: has batch {shape[0]}, expected 1 with cu_seqlens, which packs "
            "sequences along the length"
        )
    if not place.is_gpu:
        values = np.from_dlpack(array).tolist()
        if values[0] != 0 or values[-1] != shape[2]:
            raise ValueError(
                f"cu_seqlens: goes from {values[0]} to {values[-1]}, expected from 0 "
                f"to the length {shape[2]}"
            )
        for i, (x, y) in enumerate(pairwise(values)):
            if y < x:
                raise ValueError(
                    f"cu_seqlens: falls from {x} to {y} at {i + 1}, expected offsets "
                    "that do not fall"
                )
    return place.dense(array)


# ===----------------------------------------------------------------------===
# Selective scan
# ===----------------------------------------------------------------------===


class ScanOperands(NamedTuple):
    """What the specialisation key says of the operands of a scan."""

    dtype: str
    state: int
    a: str
    b: tuple[str, int, int]  # dtype, rank, groups
    c: tuple[str, int, int]
    d: str | None
    z: bool
    delta_bias: str | None
    initial_state: bool


class ScanKey(NamedTuple):
    """The specialisation key of selective_scan."""

    dtype: str
    state: int
    a: str
    b: tuple[str, int, int]
    c: tuple[str, int, int]
    d: str | None
    z: bool
    delta_bias: str | None
    initial_state: bool
    delta_softplus: bool
    return_final_state: bool
    schedule: tuple[tuple[str, int], ...]
    packed: bool = False
    reverse: bool = False

    @property
    def operands(self) -> ScanOperands:
        return ScanOperands(*self[:9])


class ScanArguments(NamedTuple):
    """The operands of a scan in the text of a program."""

    u: Operand
    delta: Operand
    A: Operand
    B: Operand
    C: Operand
    D: Operand | None
    z: Operand | None
    delta_bias: Operand | None
    initial_state: Operand | None

    def present(self) -> list[tuple[str, Operand]]:
        return [(n, x) for n, x in zip(self._fields, self, strict=True) if x]


def scan_operands(key: ScanOperands) -> ScanArguments:
    acc = _text.accumulator(key.dtype)
    sequence = Type((None, None, None), key.dtype)

    def matrix(kind: tuple[str, int, int]) -> Type:
        dtype, rank, groups = kind
        shapes = {
            2: (None, key.state),
            3: (None, key.state, None),
            4: (None, groups, key.state, None),
        }
        return Type(shapes[rank], dtype)

    def channels(name: str, dtype: str | None) -> Operand | None:
        return None if dtype is None else Operand(name, Type((None,), dtype))

    state = Type((None, None, key.state), acc)
    return ScanArguments(
        Operand("%u", sequence),
        Operand("%delta", sequence),
        Operand("%A", Type((None, key.state), key.a)),
        Operand("%B", matrix(key.b)),
        Operand("%C", matrix(key.c)),
        channels("%D", key.d),
        Operand("%z", sequence) if key.z else None,
        channels("%delta_bias", key.delta_bias),
        Operand("%initial_state", state) if key.initial_state else None,
    )


def selective_scan_text(key: ScanKey) -> str:
    """The program for a key: one function `selective_scan`."""
    x = scan_operands(key.operands)
    results = [Operand("%out", x.u.type)]
    if key.return_final_state:
        state = Type((None, None, key.state), _text.accumulator(key.dtype))
        results.append(Operand("%final_state", state))
    body = _text.selective_scan_op(
        results,
        *x[:5],
        D=x.D,
        z=x.z,
        delta_bias=x.delta_bias,
        initial_state=x.initial_state,
        cu_seqlens=CU_SEQLENS if key.packed else None,
        delta_softplus=key.delta_softplus,
        reverse=key.reverse,
        schedule=dict(key.schedule),
    )
    names = ["out", "final_state"][: len(results)]
    arguments = [operand for _, operand in x.present()]
    if key.packed:
        arguments.append(CU_SEQLENS)
    return _text.function("selective_scan", arguments, results, body, names)


def count_states(batch: int, offsets: Array | None) -> tuple[int, str]:
    """How many states there are, and what they are those of."""
    return (batch, "batch") if offsets is None else (offsets.shape[0] - 1, "sequences")


def scan_arguments(
    place: Place,
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any,
    z: Any,
    delta_bias: Any,
    initial_state: Any,
    cu_seqlens: Any = None,
) -> tuple[list[Any], ScanOperands, Array | None]:
    """Views of the operands that are there, their part of the key, and a view of
    `cu_seqlens`."""
    view = place.view
    first = view("u", u)
    check_rank("u", first, 3, "(batch, dim, length)")
    check_float("u", first)
    batch, dim, length = first.shape
    offsets = None
    if cu_seqlens is not None:
        offsets = sequence_offsets(place, cu_seqlens, "u", first.shape)
    dtype = first.dtype
    acc = _text.accumulator(dtype)
    either = (dtype, acc)
    why = "the dtype of u or of the state"

    step = view("delta", delta)
    check_dtype("delta", step, (dtype,), "the dtype of u")
    check_shape("delta", step, first.shape, "the shape of u")

    a = view("A", A)
    check_rank("A", a, 2, "(dim, state)")
    check_dtype("A", a, either, why)
    state = a.shape[1]
    if a.shape[0] != dim or state == 0:
        raise ValueError(
            f"A: has shape {a.shape}, expected ({dim}, state) with state of at least 1"
        )
    matrices = []
    for name, value in (("B", B), ("C", C)):
        m = view(name, value)
        rank = len(m.shape)
        if rank == 2:
            check_dtype(name, m, either, why)
            check_shape(name, m, (dim, state), "dim, state")
        elif rank == 3:
            check_dtype(name, m, (dtype,), "the dtype of u")
            check_shape(name, m, (batch, state, length), "batch, state, length")
        elif rank == 4:
            check_dtype(name, m, (dtype,), "the dtype of u")
            groups = m.shape[1]
            expected = (batch, groups, state, length)
            check_shape(name, m, expected, "batch, groups, state, length")
            if groups == 0 or dim % groups:
                raise ValueError(
                    f"{name}: has {groups} groups, expected a number that divides dim "
                    f"{dim}"
                )
        else:
            raise ValueError(
                f"{name}: has shape {m.shape}, expected (dim, state), (batch, state, "
                "length) or (batch, groups, state, length)"
            )
        matrices.append(m)
    b, c = matrices
    arguments: list[Any] = [first, step, a, b, c]
    d_key = bias_key = None
    if D is not None:
        array = view("D", D)
        check_dtype("D", array, either, why)
        check_shape("D", array, (dim,), "one per channel")
        d_key = array.dtype
        arguments.append(array)
    if z is not None:
        array = view("z", z)
        check_dtype("z", array, (dtype,), "the dtype of u")
        check_shape("z", array, first.shape, "the shape of u")
        arguments.append(array)
    if delta_bias is not None:
        array = view("delta_bias", delta_bias)
        check_dtype("delta_bias", array, either, why)
        check_shape("delta_bias", array, (dim,), "one per channel")
        bias_key = array.dtype
        arguments.append(array)
    if initial_state is not None:
        array = view("initial_state", initial_state)
        check_dtype("initial_state", array, (acc,), "the dtype of the state")
        count, what = count_states(batch, offsets)
        check_shape("initial_state", array, (count, dim, state), f"{what}, dim, state")
        arguments.append(array)
    operands = ScanOperands(
        dtype,
        state,
        a.dtype,
        (b.dtype, len(b.shape), b.shape[1] if len(b.shape) == 4 else 0),
        (c.dtype, len(c.shape), c.shape[1] if len(c.shape) == 4 else 0),
        d_key,
        z is not None,
        bias_key,
        initial_state is not None,
    )
    return arguments, operands, offsets


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
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """The selective state-space scan of Mamba.

    With dt = delta + delta_bias (softplus of it if `delta_softplus`):
    h_t = exp(dt A) h_{t-1} + dt B_t u_t, and out_t = (C_t h_t + D u_t) silu(z_t).
    The state is kept in f32 (f64 for f64).

    Arrays may be numpy arrays, torch tensors or anything with `__dlpack__`, with
    any strides, in host memory or on one GPU, where the work goes into the current
    stream of torch or cupy. Nothing is copied, and the result is the same kind as
    `u`.

    Args:
        u: (batch, dim, length) in f16, bf16, f32 or f64.
        delta: like `u`.
        A: (dim, state).
        B, C: (dim, state), or (batch, state, length), or
            (batch, groups, state, length) where groups divide dim.
        D: (dim); the term D u is left out without it.
        z: like `u`; the factor silu(z), z / (1 + exp(-z)), is left out without it.
        delta_bias: (dim).
        delta_softplus: apply softplus, log(1 + exp(x)), to dt; x itself above 20.
        initial_state: (batch, dim, state) in f32 (f64 for f64); zeros by default.
        return_final_state: also return the state after the last step, so that
            a later call continues from it.
        cu_seqlens: (sequences + 1) in i32: the length of batch 1 holds sequences one
            behind the other, number s from cu_seqlens[s] to before
            cu_seqlens[s + 1], and each is a scan of its own. States are then
            (sequences, dim, state). The first offset is 0, the last one length, and
            none is less than the one before: checked in host memory. Offsets in
            device memory are not read by this call. There the first and last are
            taken for these, others are clamped to [0, length], and what sequences
            overlap in is that of one of them.
        reverse: go from the last step to the first: h_t = exp(dt A) h_{t+1} + ...
            `initial_state` is before the last step, the final one after the first.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps in a
            chunk, "splits": parts of the sequence; on a GPU the most of them}.
        target: on a GPU, "sm_80" or "sm_90a"; as for `attention`.

    A, D, delta_bias and constant B and C have the dtype of `u` or that of the
    state; variable B and C have that of `u`.

    Returns:
        out, with the shape and dtype of `u`; with `return_final_state` the tuple
        (out, state), the state like `initial_state`.

    Raises:
        TypeError: an argument is no array, or has a dtype that is not taken.
        ValueError: a shape does not fit; the message names the argument, what it
            is and what is expected.
        SeqcError: the compiler failed.

    The first call with given dtypes, state size, groups and options compiles a
    program; batch, dim, length and strides are free. The maths, as docs/spec.md
    states it, is that of Mamba (Gu and Dao 2023, algorithm 2), computed in chunks
    of the sequence.
    """
    layer = _torch_compile.recording(u, delta, A, B, C, D, z, delta_bias, initial_state)
    call = selective_scan_now if layer is None else layer.selective_scan
    return call(
        u,
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        delta_softplus,
        initial_state,
        return_final_state,
        cu_seqlens=cu_seqlens,
        reverse=reverse,
        schedule=schedule,
        target=target,
    )


# Warps that keep a large GPU busy: two for each of its schedulers; and those that it
# has no more than two for.
_WARPS = 1000
_FEW_WARPS = 1056
# Steps of a sequence that is worth splitting, and of one that is long; the most parts,
# of which a call has as many as its sizes are worth.
_SPLIT_STEPS = 2048
_LONG_STEPS = 8192
_MOST_PARTS = 1024


def _scan_schedule(
    schedule: Schedule, batch: int, dim: int, state: int, length: int, is_gpu: bool
) -> tuple[tuple[str, int], ...]:
    """The schedule of a call on a GPU: a step has a kernel that reads no tiles, and
    few channels have their sequence split or, if it is short, are spread over more
    threads each.

    Sizes are dynamic in a compiled kernel, so the compiler takes them for large.
    """
    given = schedule or {}
    if not is_gpu or "tile_m" in given or "tile_n" in given or "splits" in given:
        return schedule_key(schedule) if schedule else ()
    if length == 1:
        return schedule_key({**given, "tile_n": 1})
    states = 1 << max(state - 1, 0).bit_length()
    lanes = default = min(max(states // 8, 1), 32)
    warps = batch * dim * lanes / 32
    if length >= _SPLIT_STEPS and warps <= _FEW_WARPS:
        is_split = warps < _WARPS
        chosen = {"splits": _MOST_PARTS} if is_split else {}
        # Blocks of two warps wait for fewer.
        if state == 16 and not given and not (is_split and length >= _LONG_STEPS):
            chosen |= {"tile_m": 32, "warps": 2}
        return schedule_key({**given, **chosen})
    while lanes < 32 and lanes * 2 < states and batch * dim * lanes < 32 * _WARPS:
        lanes *= 2
    if lanes == default:
        return schedule_key(schedule) if schedule else ()
    of_block = given.get("warps", 4)
    return schedule_key({**given, "tile_m": 32 // lanes * of_block, "warps": of_block})


def _sizes_of_packed(sequences: int, length: int) -> tuple[int, int]:
    """The batch and the length that packed sequences are as good as: of more than one
    step, and not worth splitting."""
    mean = length // max(sequences, 1)
    return sequences, min(max(mean, 2), _SPLIT_STEPS - 1)


def selective_scan_now(
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
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`selective_scan` on arrays that have values."""
    optional = (D, z, delta_bias, initial_state, cu_seqlens)
    tensors: tuple[Any, ...] = ()
    fast_key: Any = None
    if fast.takes(u) and not schedule:
        batch, dim, length = (*u.shape, 0, 0, 0)[:3]
        if cu_seqlens is not None:
            batch, length = _sizes_of_packed(len(cu_seqlens) - 1, length)
        fast_key = (
            "selective_scan",
            delta_softplus,
            return_final_state,
            reverse,
            target,
            _scan_schedule(None, batch, dim, (*A.shape, 1)[1], length, True),
            *(x is None for x in optional),
        )
        tensors = (u, delta, A, B, C, *(x for x in optional if x is not None))
        results = fast.call(fast_key, tensors)
        if results is not None:
            return results
    place = place_of("u", u, target)
    arguments, operands, offsets = scan_arguments(
        place, u, delta, A, B, C, D, z, delta_bias, initial_state, cu_seqlens
    )
    batch, dim, length = arguments[0].shape
    if offsets is not None:
        arguments.append(offsets)
        batch, length = _sizes_of_packed(offsets.shape[0] - 1, length)
    key = ScanKey(
        *operands,
        bool(delta_softplus),
        bool(return_final_state),
        _scan_schedule(schedule, batch, dim, operands.state, length, place.is_gpu),
        offsets is not None,
        bool(reverse),
    )
    results = place.run(key, lambda: selective_scan_text(key), arguments, u)
    if fast_key is not None:
        fast.remember(fast_key, place, tensors, arguments)
    return results if return_final_state else results[0]


# ===----------------------------------------------------------------------===
# Causal convolution
# ===----------------------------------------------------------------------===


class ConvOperands(NamedTuple):
    """What the specialisation key says of the operands of a convolution."""

    dtype: str
    width: int
    weight: str
    bias: str | None
    initial_state: bool


class ConvKey(NamedTuple):
    """The specialisation key of causal_conv1d."""

    dtype: str
    width: int
    weight: str
    bias: str | None
    activation: str | None
    initial_state: bool
    return_final_state: bool
    schedule: tuple[tuple[str, int], ...]
    packed: bool = False
    reverse: bool = False

    @property
    def operands(self) -> ConvOperands:
        return ConvOperands(*self[:4], self.initial_state)


class ConvArguments(NamedTuple):
    """The operands of a convolution in the text of a program."""

    x: Operand
    weight: Operand
    bias: Operand | None
    initial_state: Operand | None

    def present(self) -> list[tuple[str, Operand]]:
        return [(n, x) for n, x in zip(self._fields, self, strict=True) if x]


def conv_operands(key: ConvOperands) -> ConvArguments:
    state = Type((None, None, key.width - 1), key.dtype)
    return ConvArguments(
        Operand("%x", Type((None, None, None), key.dtype)),
        Operand("%weight", Type((None, key.width), key.weight)),
        None if key.bias is None else Operand("%bias", Type((None,), key.bias)),
        Operand("%initial_state", state) if key.initial_state else None,
    )


def causal_conv1d_text(key: ConvKey) -> str:
    """The program for a key: one function `causal_conv1d`."""
    x = conv_operands(key.operands)
    results = [Operand("%out", x.x.type)]
    if key.return_final_state:
        state = Type((None, None, key.width - 1), key.dtype)
        results.append(Operand("%final_state", state))
    body = _text.causal_conv1d_op(
        results,
        x.x,
        x.weight,
        bias=x.bias,
        initial_state=x.initial_state,
        cu_seqlens=CU_SEQLENS if key.packed else None,
        activation=key.activation,
        reverse=key.reverse,
        schedule=dict(key.schedule),
    )
    names = ["out", "final_state"][: len(results)]
    arguments = [operand for _, operand in x.present()]
    if key.packed:
        arguments.append(CU_SEQLENS)
    return _text.function("causal_conv1d", arguments, results, body, names)


def normalize_activation(activation: str | None) -> str | None:
    if activation in (None, "none", "identity"):
        return None
    if activation in ("silu", "swish"):
        return "silu"
    raise ValueError(
        f"activation: got {activation!r}, expected None, 'silu' or 'swish'"
    )


def conv_arguments(
    place: Place,
    x: Any,
    weight: Any,
    bias: Any,
    initial_state: Any,
    cu_seqlens: Any = None,
) -> tuple[list[Any], ConvOperands, Array | None]:
    """As for the scan."""
    view = place.view
    first = view("x", x)
    check_rank("x", first, 3, "(batch, dim, length)")
    check_float("x", first)
    batch, dim, _ = first.shape
    offsets = None
    if cu_seqlens is not None:
        offsets = sequence_offsets(place, cu_seqlens, "x", first.shape)
    dtype = first.dtype
    either = (dtype, _text.accumulator(dtype))
    why = "the dtype of x or of its sums"

    w = view("weight", weight)
    check_rank("weight", w, 2, "(dim, width)")
    check_dtype("weight", w, either, why)
    width = w.shape[1]
    if w.shape[0] != dim or width == 0:
        raise ValueError(
            f"weight: has shape {w.shape}, expected ({dim}, width) with width of at "
            f"least 1"
        )
    arguments: list[Any] = [first, w]
    bias_key = None
    if bias is not None:
        array = view("bias", bias)
        check_dtype("bias", array, either, why)
        check_shape("bias", array, (dim,), "one per channel")
        bias_key = array.dtype
        arguments.append(array)
    if initial_state is not None:
        array = view("initial_state", initial_state)
        check_dtype("initial_state", array, (dtype,), "the dtype of x")
        count, what = count_states(batch, offsets)
        check_shape(
            "initial_state", array, (count, dim, width - 1), f"{what}, dim, width - 1"
        )
        arguments.append(array)
    operands = ConvOperands(dtype, width, w.dtype, bias_key, initial_state is not None)
    return arguments, operands, offsets


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """A depthwise convolution whose output at l sees inputs up to l.

    out[b, d, l] = act(bias[d] + sum_w weight[d, w] x[b, d, l - (width - 1) + w]),
    summed in f32 (f64 for f64).

    Arrays may be numpy arrays, torch tensors or anything with `__dlpack__`, with
    any strides, in host memory or on one GPU, where the work goes into the current
    stream of torch or cupy. Nothing is copied, and the result is the same kind as
    `x`.

    Args:
        x: (batch, dim, length) in f16, bf16, f32 or f64.
        weight: (dim, width) in the dtype of `x` or that of the sums; weight[:, -1]
            is that of the newest input.
        bias: (dim) in the dtype of `x` or that of the sums.
        activation: None, "silu" or "swish"; both are x / (1 + exp(-x)).
        initial_state: (batch, dim, width - 1) in the dtype of `x`, the inputs
            before x[..., 0]; zeros by default.
        return_final_state: also return the last width - 1 inputs, so that a
            later call continues from them.
        cu_seqlens: as for `selective_scan`. No window reaches into the sequence
            before its own, and states are (sequences, dim, width - 1).
        reverse: go from the last input to the first: weight[:, -1] is that of x at
            l, weight[:, 0] of x at l + width - 1. `initial_state` is what is behind
            the end, the last of its inputs next to it.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps}.
        target: on a GPU, "sm_80" or "sm_90a"; as for `attention`.

    Returns:
        out, with the shape and dtype of `x`; with `return_final_state` the tuple
        (out, state), the state like `initial_state`.

    Raises:
        TypeError: an argument is no array, or has a dtype that is not taken.
        ValueError: a shape or `activation` does not fit; the message names the
            argument, what it is and what is expected.
        SeqcError: the compiler failed.

    The first call with given dtypes, width and options compiles a program; batch,
    dim, length and strides are free. The layer is the one in front of the scan of
    a Mamba block (Gu and Dao 2023); docs/spec.md defines it.
    """
    layer = _torch_compile.recording(x, weight, bias, initial_state)
    call = causal_conv1d_now if layer is None else layer.causal_conv1d
    return call(
        x,
        weight,
        bias,
        activation,
        initial_state,
        return_final_state,
        cu_seqlens=cu_seqlens,
        reverse=reverse,
        schedule=schedule,
        target=target,
    )


def causal_conv1d_now(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    initial_state: Any = None,
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`causal_conv1d` on arrays that have values."""
    tensors: tuple[Any, ...] = ()
    fast_key: Any = None
    if fast.takes(x) and not schedule:
        fast_key = (
            "causal_conv1d",
            activation,
            return_final_state,
            reverse,
            target,
            bias is None,
            initial_state is None,
            cu_seqlens is None,
        )
        optional = (bias, initial_state, cu_seqlens)
        tensors = (x, weight, *(y for y in optional if y is not None))
        results = fast.call(fast_key, tensors)
        if results is not None:
            return results
    place = place_of("x", x, target)
    arguments, operands, offsets = conv_arguments(
        place, x, weight, bias, initial_state, cu_seqlens
    )
    if offsets is not None:
        arguments.append(offsets)
    key = ConvKey(
        *operands[:4],
        normalize_activation(activation),
        operands.initial_state,
        bool(return_final_state),
        schedule_key(schedule) if schedule else (),
        offsets is not None,
        bool(reverse),
    )
    results = place.run(key, lambda: causal_conv1d_text(key), arguments, x)
    if fast_key is not None:
        fast.remember(fast_key, place, tensors, arguments)
    return results if return_final_state else results[0]
