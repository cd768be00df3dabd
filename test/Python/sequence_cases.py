# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Directions and packed sequences: arguments that test_sequences.py runs on a CPU,
test_tile_sequences.py as the kernels of GPUs on a CPU, and gpu/test_sequences_gpu.py on
a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import test_conv
import test_conv_backward
import test_scan
import test_scan_backward
from seqc_testing import accumulator, random

# Whether the direction is reversed, and the lengths of packed sequences: none, one, of
# no steps at either end and in between, of single steps, of whole chunks and of cut
# ones. None is a batch.
CASES: dict[str, tuple[bool, tuple[int, ...] | None]] = {
    "reverse": (True, None),
    "packed": (False, (0, 5, 1, 33, 0, 0, 64, 17, 0)),
    "packed_reverse": (True, (0, 5, 1, 33, 0, 0, 64, 17, 0)),
    "one": (False, (70,)),
    "steps": (True, (1, 1, 1)),
}
BATCH, LENGTH = 2, 70


def _sizes(case: str) -> tuple[int, int, int]:
    """Batch, length, and the number of states."""
    _, lengths = CASES[case]
    if lengths is None:
        return BATCH, LENGTH, BATCH
    return 1, sum(lengths), len(lengths)


def _with_case(arguments: dict[str, Any], case: str) -> dict[str, Any]:
    reverse, lengths = CASES[case]
    result = dict(arguments, reverse=reverse)
    if lengths is not None:
        result["cu_seqlens"] = np.cumsum([0, *lengths]).astype(np.int32)
    return result


def scan(
    rng: np.random.Generator, case: str, dim: int, **options: Any
) -> dict[str, Any]:
    batch, length, count = _sizes(case)
    arguments = test_scan.inputs(rng, batch, dim, length, **options)
    if "initial_state" in arguments:
        state = arguments["initial_state"]
        shape = (count, *state.shape[1:])
        arguments["initial_state"] = rng.standard_normal(shape).astype(state.dtype)
    return _with_case(arguments, case)


def scan_gradients(
    rng: np.random.Generator,
    case: str,
    dim: int,
    dtype: str = "f32",
    final: bool = True,
    **options: Any,
) -> dict[str, Any]:
    arguments = scan(rng, case, dim, dtype=dtype, **options)
    result = test_scan_backward.gradients_of(rng, arguments, dtype, final=False)
    if final:
        shape = (_sizes(case)[2], dim, arguments["A"].shape[1])
        result["final_state_grad"] = random(rng, shape, accumulator(dtype))
    return result


def conv(
    rng: np.random.Generator, case: str, dim: int, dtype: str = "f32", **options: Any
) -> dict[str, Any]:
    batch, length, count = _sizes(case)
    arguments = test_conv.inputs(rng, batch, dim, length, dtype=dtype, **options)
    if "initial_state" in arguments:
        shape = (count, *arguments["initial_state"].shape[1:])
        arguments["initial_state"] = random(rng, shape, dtype)
    return _with_case(arguments, case)


def conv_gradients(
    rng: np.random.Generator, case: str, dim: int, dtype: str = "f32", **options: Any
) -> dict[str, Any]:
    batch, length, count = _sizes(case)
    arguments = test_conv_backward.inputs(
        rng, batch, dim, length, dtype=dtype, **options
    )
    if "initial_state" in arguments:
        shape = (count, *arguments["initial_state"].shape[1:])
        arguments["initial_state"] = random(rng, shape, dtype)
    if CASES[case][1] is not None:
        arguments.pop("final_state_grad", None)
    return _with_case(arguments, case)
