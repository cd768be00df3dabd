# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory is linear in the sequence: the score matrix is never formed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from seqc_testing import SANITIZED

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer needs memory itself")

RUN = """
import resource, numpy as np, seqc
x = np.ones((1, {heads}, {length}, 64), np.float32)
out = seqc.attention(x, x, x, causal=True)
assert out.shape == x.shape
assert abs(out - 1).max() < 1e-5
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

SCAN = """
import resource, numpy as np, seqc
u = np.ones((1, {dim}, {length}), np.float32)
a = -np.ones(({dim}, 64), np.float32)
b = np.ones((1, 64, {length}), np.float32)
seqc.selective_scan(u, u, a, b, b)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

SCAN_BACKWARD = """
import resource, numpy as np, seqc
u = np.ones((1, {dim}, {length}), np.float32)
a = -np.ones(({dim}, 64), np.float32)
b = np.ones((1, 64, {length}), np.float32)
seqc.selective_scan_backward(u, u, u, a, b, b)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_bytes(code: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return int(run.stdout) * 1024


@pytest.mark.slow
def test_attention_of_32768() -> None:
    """The scores alone would be 32 GiB."""
    assert peak_bytes(RUN.format(heads=8, length=32768)) < 1 << 30


def test_attention_of_8192() -> None:
    """Four arrays of 2 MiB; the scores would be 256 MiB."""
    base = peak_bytes(RUN.format(heads=1, length=16))
    assert peak_bytes(RUN.format(heads=1, length=8192)) - base < 64 << 20


def test_scan_of_16384() -> None:
    """Four arrays of 4 MiB; the states of every step would be 256 MiB."""
    base = peak_bytes(SCAN.format(dim=64, length=16))
    assert peak_bytes(SCAN.format(dim=64, length=16384)) - base < 64 << 20


def test_scan_backward_of_16384() -> None:
    """Seven arrays of 4 MiB and a state of 16 KiB for each of 128 chunks; the states
    of every step would be 256 MiB, and so would their gradients."""
    base = peak_bytes(SCAN_BACKWARD.format(dim=64, length=16))
    assert peak_bytes(SCAN_BACKWARD.format(dim=64, length=16384)) - base < 64 << 20
