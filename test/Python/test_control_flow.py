# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators inside loops, branches and callees: values, and what is freed."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import seqc
from seqc import reference
from seqc_testing import SANITIZED, assert_close, attention_bound

T = "tensor<?x?x?x16xf32>"
SOURCE = f"""
func.func private @once(%q: {T}, %k: {T}) -> {T} {{
  %0 = seqc.attention query(%q) key(%k) value(%k) causal : ({T}, {T}, {T}) -> {T}
  return %0 : {T}
}}

func.func @loop(%q: {T}, %k: {T}, %n: index) -> {T} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %q) -> {T} {{
    %0 = func.call @once(%a, %k) : ({T}, {T}) -> {T}
    scf.yield %0 : {T}
  }}
  return %r : {T}
}}

func.func @branch(%q: {T}, %k: {T}, %c: i1) -> {T} {{
  %r = scf.if %c -> {T} {{
    %0 = seqc.attention query(%q) key(%k) value(%k) causal : ({T}, {T}, {T}) -> {T}
    scf.yield %0 : {T}
  }} else {{
    scf.yield %q : {T}
  }}
  return %r : {T}
}}

func.func @split(%q: {T}, %k: {T}) -> {T} {{
  %0 = seqc.attention query(%q) key(%k) value(%k) causal
    {{schedule = #seqc.schedule<splits = 3>}} : ({T}, {T}, {T}) -> {T}
  return %0 : {T}
}}
"""

Q = np.random.default_rng(0).standard_normal((2, 3, 9, 16)).astype(np.float32)
K = np.random.default_rng(1).standard_normal((2, 1, 70, 16)).astype(np.float32)
BOUND = attention_bound("f32", K, heads=3)


@pytest.fixture(scope="module")
def program() -> seqc.Program:
    return seqc.compile(SOURCE)


def test_functions(program: seqc.Program) -> None:
    assert list(program.functions) == ["loop", "branch", "split"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_loop(program: seqc.Program, count: int) -> None:
    expected = Q.astype(np.float64)
    for _ in range(count):
        expected, _ = reference.attention(expected, K, K, causal=True)
    before = Q.copy()
    out = program["loop"](Q, K, count)
    assert_close(out, expected, max(count, 1) * BOUND)
    np.testing.assert_array_equal(Q, before)
    assert not np.shares_memory(out, Q)


def test_branch(program: seqc.Program) -> None:
    expected, _ = reference.attention(Q, K, K, causal=True)
    assert_close(program["branch"](Q, K, True), expected, BOUND)
    same = program["branch"](Q, K, False)
    np.testing.assert_array_equal(same, Q)
    assert not np.shares_memory(same, Q)


def test_split(program: seqc.Program) -> None:
    expected, _ = reference.attention(Q, K, K, causal=True)
    assert_close(program["split"](Q, K), expected, BOUND)


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is freed")
@pytest.mark.parametrize(
    ("name", "extra"),
    [("loop", (4,)), ("branch", (True,)), ("branch", (False,)), ("split", ())],
)
def test_nothing_leaks(
    program: seqc.Program, name: str, extra: tuple[int, ...]
) -> None:
    """300 calls; a leak of one result, 108 KiB, would be 32 MiB."""
    query = np.ones((2, 3, 288, 16), np.float32)
    function = program[name]
    for _ in range(50):
        function(query, K, *extra)
    before = resident()
    for _ in range(300):
        function(query, K, *extra)
    assert resident() - before < 16 << 20
