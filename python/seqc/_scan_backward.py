# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of the scan and of the convolution as calls on arrays.

A call takes the operands of the forward and the gradients of its results, and
nothing that the forward would have to save: states are computed again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _text
from ._checks import check_dtype, check_shape, schedule_key
from ._places import place_of
from ._scan import (
    CU_SEQLENS,
    ConvOperands,
    ScanOperands,
    conv_arguments,
    conv_operands,
    count_states,
    normalize_activation,
    scan_arguments,
    scan_operands,
)
from ._text import Operand, Schedule, Type

# Warps that fill a large GPU, eight on each of its multiprocessors, two thirds of them:
# fewer have parts of the sequence as well, of which a call has as many as its sizes
# are worth. Steps of a sequence that is long enough for two.
_FEW_WARPS = 704
_SPLIT_STEPS = 256
_MOST_PARTS = 1024


def _backward_schedule(
    schedule: Schedule, batch: int, dim: int, state: int, length: int, is_gpu: bool
) -> tuple[tuple[str, int], ...]:
    """The schedule of a call on a GPU: few channels have their sequence split.

    Sizes are dynamic in a compiled kernel, so the compiler takes them for large.
    """
    given = schedule or {}
    states = 1 << max(state - 1, 0).bit_length()
    lanes = min(max(states // 4, 1), 32)
    # Channels of a thread.
    channels = 2 if 16 <= states <= 128 else 1
    is_few = batch * dim * lanes <= 32 * channels * _FEW_WARPS
    if is_gpu and is_few and length > _SPLIT_STEPS and "splits" not in given:
        given = {**given, "splits": _MOST_PARTS}
    return schedule_key(given) if given else ()


class ScanGradients(NamedTuple):
    """The gradients of the operands of a selective scan; None for one not given."""

    u: Any
    delta: Any
    A: Any
    B: Any
    C: Any
    D: Any = None
    z: Any = None
    delta_bias: Any = None
    initial_state: Any = None


class ScanBackwardKey(NamedTuple):
    """The specialisation key of selective_scan_backward."""

    operands: ScanOperands
    final_state_grad: bool
    delta_softplus: bool
    schedule: tuple[tuple[str, int], ...]
    packed: bool = False
    reverse: bool = False


def _gradients(operands: list[tuple[str, Operand]]) -> list[tuple[str, Operand]]:
    return [(f"{name}_grad", Operand(f"{x.name}_grad", x.type)) for name, x in operands]


def selective_scan_backward_text(key: ScanBackwardKey) -> str:
    """The program for a key: one function `selective_scan_backward`."""
    operands = scan_operands(key.operands).present()
    gradients = _gradients(operands)
    operands.append(("out_grad", Operand("%out_grad", operands[0][1].type)))
    if key.final_state_grad:
        acc = _text.accumulator(key.operands.dtype)
        state = Type((None, None, key.operands.state), acc)
        operands.append(("final_state_grad", Operand("%final_state_grad", state)))
    if key.packed:
        operands.append(("cu_seqlens", CU_SEQLENS))
    body = _text.backward_op(
        "selective_scan_backward",
        operands,
        [
            *(["delta_softplus"] if key.delta_softplus else []),
            *(["reverse"] if key.reverse else []),
        ],
        [x for _, x in gradients[:5]],
        gradients[5:],
        dict(key.schedule),
    )
    return _text.function(
        "selective_scan_backward",
        [x for _, x in operands],
        [x for _, x in gradients],
        body,
        [name for name, _ in gradients],
    )


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
    schedule: Schedule = None,
    target: str | None = None,
) -> ScanGradients:
    """The gradients of `selective_scan` with respect to its operands.

    Nothing of the forward is saved: the states between chunks of the sequence are
    computed again, and from them those inside a chunk, so that the memory is that
    of the operands, the gradients and one state for each chunk. Sums have one order:
    the result is the same from run to run.

    Args:
        out_grad: the gradient of out, like `u`.
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state,
            cu_seqlens, reverse: as they were in the call of `selective_scan`.
        final_state_grad: the gradient of the final state, like `initial_state`;
            zeros by default.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps in a
            chunk, "splits": on a GPU the most parts of the sequence}.
        target: on a GPU, "sm_80" or "sm_90a"; as for `attention`.

    Returns:
        A named tuple with the gradients of the operands that are given, each with
        the shape and dtype of its operand.

    Raises:
        TypeError, ValueError, SeqcError: as `selective_scan`.
    """
    place = place_of("u", u, target)
    arguments, operands, offsets = scan_arguments(
        place, u, delta, A, B, C, D, z, delta_bias, initial_state, cu_seqlens
    )
    shape = arguments[0].shape
    array = place.view("out_grad", out_grad)
    check_dtype("out_grad", array, (operands.dtype,), "the dtype of u")
    check_shape("out_grad", array, shape, "the shape of u")
    arguments.append(array)
    if final_state_grad is not None:
        array = place.view("final_state_grad", final_state_grad)
        acc = _text.accumulator(operands.dtype)
        check_dtype("final_state_grad", array, (acc,), "the dtype of the state")
        count, what = count_states(shape[0], offsets)
        expected = (count, shape[1], operands.state)
        check_shape("final_state_grad", array, expected, f"{what}, dim, state")
        arguments.append(array)
    if offsets is not None:
        arguments.append(offsets)
    is_split = place.is_gpu and offsets is None
    key = ScanBackwardKey(
        operands,
        final_state_grad is not None,
        bool(delta_softplus),
        _backward_schedule(
            schedule, shape[0], shape[1], operands.state, shape[2], is_split
        ),
        offsets is not None,
        bool(reverse),
    )
    results = place.run(key, lambda: selective_scan_backward_text(key), arguments, u)
    rest = iter(results[5:])
    return ScanGradients(
        *results[:5],
        *(None if x is None else next(rest) for x in (D, z, delta_bias, initial_state)),
    )


# ===----------------------------------------------------------------------===
# Causal convolution
# ===----------------------------------------------------------------------===


class ConvGradients(NamedTuple):
    """The gradients of the operands of a convolution; None for one not given."""

    x: Any
    weight: Any
    bias: Any = None
    initial_state: Any = None


class ConvBackwardKey(NamedTuple):
    """The specialisation key of causal_conv1d_backward."""

    operands: ConvOperands
    final_state_grad: bool
    activation: str | None
    schedule: tuple[tuple[str, int], ...]
    packed: bool = False
    reverse: bool = False


def causal_conv1d_backward_text(key: ConvBackwardKey) -> str:
    """The program for a key: one function `causal_conv1d_backward`."""
    operands = conv_operands(key.operands).present()
    gradients = _gradients(operands)
    operands.append(("out_grad", Operand("%out_grad", operands[0][1].type)))
    if key.final_state_grad:
        state = Type((None, None, key.operands.width - 1), key.operands.dtype)
        operands.append(("final_state_grad", Operand("%final_state_grad", state)))
    if key.packed:
        operands.append(("cu_seqlens", CU_SEQLENS))
    body = _text.backward_op(
        "causal_conv1d_backward",
        operands,
        [
            *([f"activation({key.activation})"] if key.activation else []),
            *(["reverse"] if key.reverse else []),
        ],
        [x for _, x in gradients[:2]],
        gradients[2:],
        dict(key.schedule),
    )
    return _text.function(
        "causal_conv1d_backward",
        [x for _, x in operands],
        [x for _, x in gradients],
        body,
        [name for name, _ in gradients],
    )


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
    schedule: Schedule = None,
    target: str | None = None,
) -> ConvGradients:
    """The gradients of `causal_conv1d` with respect to its operands.

    Args:
        out_grad: the gradient of out, like `x`.
        x, weight, bias, activation, initial_state, cu_seqlens, reverse: as they were
            in the call of `causal_conv1d`.
        final_state_grad: the gradient of the final state, like `initial_state`;
            zeros by default. Packed sequences have none.
        schedule: tiling of this call: {"tile_m": channels, "tile_n": steps}.
        target: on a GPU, "sm_80" or "sm_90a"; as for `attention`.

    Returns:
        A named tuple with the gradients of the operands that are given, each with
        the shape and dtype of its operand.

    Raises:
        TypeError, ValueError, SeqcError: as `causal_conv1d`.
    """
    place = place_of("x", x, target)
    arguments, operands, offsets = conv_arguments(
        place, x, weight, bias, initial_state, cu_seqlens
    )
    shape = arguments[0].shape
    array = place.view("out_grad", out_grad)
    check_dtype("out_grad", array, (operands.dtype,), "the dtype of x")
    check_shape("out_grad", array, shape, "the shape of x")
    arguments.append(array)
    if final_state_grad is not None and offsets is not None:
        raise ValueError(
            "final_state_grad: is given with cu_seqlens, expected none: the final "
            "states of packed sequences have no gradient"
        )
    if final_state_grad is not None:
        array = place.view("final_state_grad", final_state_grad)
        check_dtype("final_state_grad", array, (operands.dtype,), "the dtype of x")
        expected = (*shape[:2], operands.width - 1)
        check_shape("final_state_grad", array, expected, "batch, dim, width - 1")
        arguments.append(array)
    if offsets is not None:
        arguments.append(offsets)
    key = ConvBackwardKey(
        operands,
        final_state_grad is not None,
        normalize_activation(activation),
        schedule_key(schedule),
        offsets is not None,
        bool(reverse),
    )
    results = place.run(key, lambda: causal_conv1d_backward_text(key), arguments, x)
    rest = iter(results[2:])
    return ConvGradients(
        *results[:2],
        *(None if y is None else next(rest) for y in (bias, initial_state)),
    )
