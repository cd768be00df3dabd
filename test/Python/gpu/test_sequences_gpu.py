# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The direction of scans and convolutions, and packed sequences, on a GPU, against
f64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import seqc
import sequence_cases as cases
import test_scan
import test_scan_backward
from gpu_testing import host, place_all
from seqc import reference
from seqc_testing import BFLOAT16, CONV, NUMPY, SCAN, STATE, as_f64, assert_close

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("name", ["all", "plain", "grouped", "constant"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_scans(name: str, case: str, dtype: str, target: str) -> None:
    rng = np.random.default_rng(1)
    options = test_scan.VARIANTS[name]
    arguments = cases.scan(rng, case, 34, dtype=dtype, **options)
    out, state = seqc.selective_scan(
        **place_all(arguments), return_final_state=True, target=target
    )
    expected, expected_state = reference.selective_scan(**arguments)
    bound, state_bound = test_scan.bounds(arguments, dtype)
    assert_close(host(state), expected_state, state_bound, "state")
    assert_close(host(out), expected, bound, "out")

    backward = cases.scan_gradients(rng, case, 34, dtype, **options)
    found = seqc.selective_scan_backward(**place_all(backward), target=target)
    gradients = reference.selective_scan_backward(**backward)
    for which, limit in test_scan_backward.bounds(backward, dtype).items():
        assert_close(host(getattr(found, which)), gradients[which], limit, which)


@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_convolutions(width: int, case: str, target: str) -> None:
    rng = np.random.default_rng(2)
    arguments = cases.conv(rng, case, 40, "bf16", width=width)
    out, state = seqc.causal_conv1d(
        **place_all(arguments), return_final_state=True, target=target
    )
    expected, expected_state = reference.causal_conv1d(**arguments)
    np.testing.assert_array_equal(as_f64(host(state)), expected_state)
    sizes: dict[str, Any] = dict(arguments, activation=None)
    for which in ("x", "weight", "bias", "initial_state"):
        sizes[which] = np.abs(arguments[which].astype(np.float64))
    largest, _ = reference.causal_conv1d(**sizes)
    assert_close(host(out), expected, CONV["bf16"] * np.maximum(1.0, largest))

    backward = cases.conv_gradients(rng, case, 40, "bf16", width=width)
    found = seqc.causal_conv1d_backward(**place_all(backward), target=target)
    gradients = reference.causal_conv1d_backward(**backward)
    absolute = reference.causal_conv1d_backward(**backward, absolute=True)
    for which, size in absolute.items():
        own = backward[which].dtype == NUMPY["bf16"]
        limit = (SCAN if own else STATE)["bf16"] * np.maximum(1.0, size)
        assert_close(host(getattr(found, which)), gradients[which], limit, which)


def test_offsets_that_fall_stay_inside(target: str) -> None:
    """Offsets on a device are not checked: no values of theirs reach past the end."""
    rng = np.random.default_rng(3)
    arguments = cases.scan(rng, "packed", 8)
    arguments["cu_seqlens"][1:-1] = [90, -5, 2**31 - 1, 7, 7, 300, -(2**31), 1]
    out, _ = seqc.selective_scan(
        **place_all(arguments), return_final_state=True, target=target
    )
    assert np.isfinite(as_f64(host(out))).all()
