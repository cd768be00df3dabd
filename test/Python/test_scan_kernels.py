# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The scan's kernels fit the registers that leave room for four blocks on an SM: for
every range of state sizes, for threads with few states, and for rows of any place.
"""

from __future__ import annotations

import pytest
from gpu_cases import SCAN_GRADIENT_SCHEDULES
from seqc import _seqc
from seqc._program import _options
from seqc._scan import (
    ConvKey,
    ConvOperands,
    ScanKey,
    ScanOperands,
    causal_conv1d_text,
    selective_scan_text,
)
from seqc._scan_backward import (
    ConvBackwardKey,
    ScanBackwardKey,
    causal_conv1d_backward_text,
    selective_scan_backward_text,
)
from test_kernels import CHIPS, check

SPREAD = (("tile_m", 16), ("warps", 4))
STEP = (("tile_n", 1),)


def scan(
    state: int,
    dtype: str = "bf16",
    matrices: tuple[int, int] = (3, 1),
    schedule: tuple[tuple[str, int], ...] = (),
    packed: bool = False,
    reverse: bool = False,
) -> str:
    rank, groups = matrices
    return selective_scan_text(
        ScanKey(
            dtype=dtype,
            state=state,
            a="f32",
            b=(dtype, rank, groups),
            c=(dtype, rank, groups),
            d="f32",
            z=True,
            delta_bias="f32",
            initial_state=True,
            delta_softplus=True,
            return_final_state=True,
            schedule=schedule,
            packed=packed,
            reverse=reverse,
        )
    )


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize("state", [1, 5, 32, 64, 256])
def test_states(state: int, dtype: str, chip: str) -> None:
    check(scan(state, dtype), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("matrices", [(2, 1), (4, 2)])
def test_matrices(matrices: tuple[int, int], chip: str) -> None:
    check(scan(16, matrices=matrices), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("schedule", [SPREAD, STEP])
def test_schedules(schedule: tuple[tuple[str, int], ...], chip: str) -> None:
    check(scan(16, schedule=schedule), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("state", [4, 16, 64])
def test_unaligned(state: int, chip: str) -> None:
    check(scan(state), chip, aligned=False)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(("packed", "reverse"), [(False, True), (True, True)])
def test_sequences(packed: bool, reverse: bool, chip: str) -> None:
    """Rows in reverse order, and rows that start anywhere."""
    check(scan(16, packed=packed, reverse=reverse), chip)
    variable = ("bf16", 3, 0)
    operands = ScanOperands(
        "bf16", 16, "f32", variable, variable, "f32", True, "f32", True
    )
    key = ScanBackwardKey(operands, True, True, (), packed, reverse)
    check(selective_scan_backward_text(key), chip, is_common=False)
    conv = ConvOperands("bf16", 4, "f32", "f32", True)
    forward = ConvKey(*conv[:4], "silu", True, True, (), packed, reverse)
    check(causal_conv1d_text(forward), chip)
    backward = ConvBackwardKey(conv, not packed, "silu", (), packed, reverse)
    check(causal_conv1d_backward_text(backward), chip, is_common=False)


def gradients(
    state: int, dtype: str = "bf16", schedule: dict[str, int] | None = None
) -> str:
    variable = (dtype, 3, 0)
    operands = ScanOperands(
        dtype, state, "f32", variable, variable, "f32", True, "f32", True
    )
    key = tuple(sorted((schedule or {}).items()))
    return selective_scan_backward_text(ScanBackwardKey(operands, True, True, key))


def compile_only(source: str, chip: str) -> None:
    """Compiles what may take more registers than a thread has."""
    options = _options(chip, perf_errors=False)
    options.cache = False
    assert _seqc.compile(source, options)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("state", "dtype"), [(1, "f32"), (5, "bf16"), (256, "bf16"), (256, "f32")]
)
def test_gradient_states(state: int, dtype: str, chip: str) -> None:
    compile_only(gradients(state, dtype), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("state", [16, 64])
def test_gradient_parts(state: int, chip: str) -> None:
    """Few channels, whose sequence is split."""
    check(gradients(state, schedule={"splits": 64}), chip, is_common=False)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("schedule", SCAN_GRADIENT_SCHEDULES)
def test_gradient_schedules(schedule: dict[str, int], chip: str) -> None:
    compile_only(gradients(16, schedule=schedule), chip)
