# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tracing of score_mod and mask_mod: text, captures, errors. Compiles nothing."""

from __future__ import annotations

import dataclasses
import functools
import gc
import math
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import _text, _trace
from seqc._trace_captures import Check

GLOBAL_SLOPES = np.ones(8, np.float32)


def trace(
    score: Callable[..., Any] | None = None,
    mask: Callable[..., Any] | None = None,
    acc: str = "f32",
) -> _trace.TracedRegions:
    return _trace.trace_regions(acc, score_mod=score, mask_mod=mask)[0]


def score_lines(fn: Callable[..., Any], acc: str = "f32") -> str:
    return "\n".join(trace(fn, acc=acc).regions.score or ())


def mask_lines(fn: Callable[..., Any]) -> str:
    return "\n".join(trace(mask=fn).regions.mask or ())


def test_identity() -> None:
    regions = trace(lambda score, b, h, q, k: score).regions
    assert regions.score == ()
    assert regions.score_result == "%s"


def test_accumulator_type() -> None:
    assert ": f64" in score_lines(lambda s, b, h, q, k: s * 0.1, acc="f64")
    assert ": f32" in score_lines(lambda s, b, h, q, k: s * 0.1)


@pytest.mark.parametrize(
    ("fn", "op"),
    [
        (lambda s, b, h, q, k: s + 1, "arith.addf"),
        (lambda s, b, h, q, k: 1 - s, "arith.subf"),
        (lambda s, b, h, q, k: s * q, "arith.mulf"),
        (lambda s, b, h, q, k: s / 3, "arith.divf"),
        (lambda s, b, h, q, k: -s, "arith.negf"),
        (lambda s, b, h, q, k: abs(s), "math.absf"),
        (lambda s, b, h, q, k: s**2, "arith.mulf"),
        (lambda s, b, h, q, k: s**0.5, "math.sqrt"),
        (lambda s, b, h, q, k: s**1.5, "math.powf"),
        (lambda s, b, h, q, k: 2**s, "math.powf"),
        (lambda s, b, h, q, k: q // 3, "arith.floordivsi"),
        (lambda s, b, h, q, k: q % 3, "arith.remsi"),
        (lambda s, b, h, q, k: s // 3.0, "math.floor"),
        (lambda s, b, h, q, k: seqc.exp(s), "math.exp "),
        (lambda s, b, h, q, k: seqc.exp2(s), "math.exp2"),
        (lambda s, b, h, q, k: seqc.log(s), "math.log "),
        (lambda s, b, h, q, k: seqc.log2(s), "math.log2"),
        (lambda s, b, h, q, k: seqc.sqrt(s), "math.sqrt"),
        (lambda s, b, h, q, k: seqc.rsqrt(s), "math.rsqrt"),
        (lambda s, b, h, q, k: seqc.tanh(s), "math.tanh"),
        (lambda s, b, h, q, k: seqc.sin(q), "math.sin"),
        (lambda s, b, h, q, k: seqc.cos(q), "math.cos"),
        (lambda s, b, h, q, k: seqc.erf(s), "math.erf"),
        (lambda s, b, h, q, k: seqc.sigmoid(s), "math.exp"),
        (lambda s, b, h, q, k: seqc.floor(s), "math.floor"),
        (lambda s, b, h, q, k: seqc.ceil(s), "math.ceil"),
        (lambda s, b, h, q, k: round(s), "math.roundeven"),
        (lambda s, b, h, q, k: seqc.minimum(s, 1.0), "arith.minimumf"),
        (lambda s, b, h, q, k: seqc.maximum(q, k), "arith.maxsi"),
        (lambda s, b, h, q, k: seqc.clamp(s, -1, 1), "arith.maximumf"),
        (lambda s, b, h, q, k: seqc.where(q >= k, s, 0), "arith.select"),
        (lambda s, b, h, q, k: seqc.where(seqc.isnan(s), 0, s), "arith.cmpf une"),
        (lambda s, b, h, q, k: np.tanh(s), "math.tanh"),
        (lambda s, b, h, q, k: np.where(q >= k, s, -np.inf), "0xFF800000"),
        (lambda s, b, h, q, k: np.maximum(s, 0), "arith.maximumf"),
        (lambda s, b, h, q, k: np.float32(2) * s, "arith.mulf"),
        (lambda s, b, h, q, k: s.tanh(), "math.tanh"),
        (lambda s, b, h, q, k: s + seqc.to_int(s / 2), "arith.fptosi"),
        (lambda s, b, h, q, k: s + (q >= k), "arith.uitofp"),
    ],
)
def test_score_operations(fn: Callable[..., Any], op: str) -> None:
    assert op in score_lines(fn)


@pytest.mark.parametrize(
    ("fn", "op"),
    [
        (lambda b, h, q, k: q >= k, "arith.cmpi sge, %i, %j : index"),
        (lambda b, h, q, k: q < k, "arith.cmpi slt"),
        (lambda b, h, q, k: q == k, "arith.cmpi eq"),
        (lambda b, h, q, k: q != k, "arith.cmpi ne"),
        (lambda b, h, q, k: (q >= k) & (q - k < 4), "arith.andi"),
        (lambda b, h, q, k: (q >= k) | (k < 4), "arith.ori"),
        (lambda b, h, q, k: (q >= k) ^ (k < 4), "arith.xori"),
        (lambda b, h, q, k: ~(q >= k), "arith.xori"),
        (lambda b, h, q, k: True, "arith.constant true"),
        (lambda b, h, q, k: np.logical_and(q >= k, k < 4), "arith.andi"),
        (lambda b, h, q, k: q / 2 > k * 0.5, "arith.cmpf ogt"),
        (lambda b, h, q, k: (q & 3) == 0, "arith.andi"),
        (lambda b, h, q, k: (q >> 2) == (k >> 2), "arith.shrsi"),
    ],
)
def test_mask_operations(fn: Callable[..., Any], op: str) -> None:
    assert op in mask_lines(fn)


def test_torch_functions() -> None:
    torch = pytest.importorskip("torch")
    assert "math.tanh" in score_lines(lambda s, b, h, q, k: torch.tanh(s))
    text = score_lines(lambda s, b, h, q, k: torch.where(q >= k, s, -float("inf")))
    assert "arith.select" in text
    text = score_lines(lambda s, b, h, q, k: torch.clamp(s, min=-1.0, max=1.0))
    assert "minimumf" in text and "maximumf" in text
    text = score_lines(lambda s, b, h, q, k: torch.tensor(2.0) * s)
    assert "arith.constant 2.0 : f32" in text
    text = score_lines(lambda s, b, h, q, k: (q - k).to(torch.float32) * s)
    assert "arith.sitofp" in text
    assert "arith.andi" in mask_lines(
        lambda b, h, q, k: torch.logical_and(q >= k, k < 4)
    )


def test_common_subexpressions() -> None:
    text = score_lines(lambda s, b, h, q, k: (s * 2) + (s * 2))
    assert text.count("arith.mulf") == 1


def test_python_modulo_of_negatives() -> None:
    """The sign follows the divisor, as in Python, unless it cannot matter."""
    assert "arith.select" not in score_lines(lambda s, b, h, q, k: q % 4)
    assert "arith.select" in score_lines(lambda s, b, h, q, k: (q - k) % 4)


def test_captures_become_arguments() -> None:
    document = np.zeros((2, 16), np.int64)
    slopes = np.ones(8, np.float16)

    def score(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s + slopes[h] * (document[b, q] - document[b][k])

    traced = trace(score)
    assert {(c.label, c.dtype, c.rank) for c in traced.captures} == {
        ("slopes", "f16", 1),
        ("document", "i64", 2),
    }
    text = "\n".join(traced.regions.score or ())
    assert "tensor.extract" in text
    assert "arith.extf" in text
    assert {c.bound for c in traced.checks} == {"b", "h", "q_idx", "kv_idx"}


def test_values_are_not_baked_in() -> None:
    def make(values: Any) -> Callable[..., Any]:
        return lambda s, b, h, q, k: s * values[h]

    first = trace(make(np.ones(8, np.float32)))
    second = trace(make(np.zeros(3, np.float32)))
    assert first.regions == second.regions


def test_global_default_method_partial_and_nested_captures() -> None:
    table = np.ones((4, 4), np.float32)

    def use_global(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s * GLOBAL_SLOPES[h]

    def use_default(s: Any, b: Any, h: Any, q: Any, k: Any, t: Any = table) -> Any:
        return s * t[b, h]

    def helper(q: Any, k: Any) -> Any:
        return table[q % 4, k % 4]

    def use_helper(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s + helper(q, k)

    class Owner:
        def __init__(self) -> None:
            self.table = table

        def look_up(self, h: Any) -> Any:
            return self.table[0, h]

        def method(self, s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
            return s + self.look_up(h)

        def __call__(self, s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
            return s + self.table[h, 1]

    def use_argument(t: Any, s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s + t[h, 0]

    for fn in (
        use_global,
        use_default,
        use_helper,
        Owner().method,
        Owner(),
        functools.partial(use_argument, table),
    ):
        assert len(trace(fn).captures) == 1, fn


def test_zero_dimensional_capture() -> None:
    factor = np.array(2.0, np.float32)
    assert "tensor.extract %capture0[]" in score_lines(lambda s, b, h, q, k: s * factor)


def test_torch_captures() -> None:
    torch = pytest.importorskip("torch")
    slopes = torch.ones(8, dtype=torch.bfloat16)

    class Owner:
        table = torch.zeros(4, 4)

    owner = Owner()
    traced = trace(lambda s, b, h, q, k: s * slopes[h] + owner.table[b, h])
    assert [c.dtype for c in traced.captures] == ["bf16", "f32"]


def test_bool_and_small_integer_captures() -> None:
    flags = np.ones(8, bool)
    small = np.ones(8, np.uint8)
    traced = trace(
        lambda s, b, h, q, k: seqc.where(flags[h], s, 0) * small[h],
        lambda b, h, q, k: flags[h] & (q >= k),
    )
    assert [c.dtype for c in traced.captures] == ["i8", "i32"]
    assert any("arith.cmpi ne" in line for line in traced.regions.mask or ())


def test_computed_index_is_brought_into_bounds() -> None:
    table = np.ones(9, np.float32)
    text = score_lines(lambda s, b, h, q, k: s + table[q - k])
    assert "tensor.dim" in text
    assert "arith.minsi" in text
    assert "arith.maxsi" in text
    text = score_lines(lambda s, b, h, q, k: s + table[h])
    assert "arith.minsi" not in text


def test_constant_index() -> None:
    table = np.ones(9, np.float32)
    traced = trace(lambda s, b, h, q, k: s + table[-1])
    assert traced.checks == (Check(0, 0, 9),)


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (1.0, "f32", "1.0 : f32"),
        (1e-5, "f64", "1.0e-05 : f64"),
        (1e300, "f32", "0x7F800000 : f32"),
        (-math.inf, "f32", "0xFF800000 : f32"),
        (math.inf, "f64", "0x7FF0000000000000 : f64"),
        (math.nan, "f32", "0x7FC00000 : f32"),
        (0.1, "f64", "0.1 : f64"),
        (-2.5e17, "f64", "-2.5e+17 : f64"),
    ],
)
def test_float_literal(value: float, type_: str, text: str) -> None:
    assert _text.float_literal(value, type_) == text


# Errors: each names the function, what it did and what to do instead.


def branch(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return s if q >= k else 0.0


def both(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return seqc.where(q >= k and k > 3, s, 0.0)


def whole(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return s + GLOBAL_SLOPES


def sliced(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return s + GLOBAL_SLOPES[h:]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (branch, "branch.*seqc.where"),
        (both, "both.*seqc.where"),
        (whole, "GLOBAL_SLOPES.*index it"),
        (sliced, "GLOBAL_SLOPES.*one index per dimension|cannot be a Python integer"),
        (lambda s, b, h, q, k: None, "returned None"),
        (lambda s, b, h, q, k: q >= k, "returned a bool.*mask_mod"),
        (lambda s, b, h, q, k: float(s), "to_float"),
        (lambda s, b, h, q, k: int(s), "to_int"),
        (lambda s, b, h, q, k: [1, 2, 3][q], "Python integer"),
        (lambda s, b, h, q, k: np.array([1.0, 2.0])[h], "bind the array"),
        (lambda s, b, h, q, k: s + np.ones(3), "whole array"),
        (lambda s, b, h, q, k: s + "x", "str"),
        (lambda s, b, h, q, k: s & 1, "on a float"),
        (lambda s, b, h, q, k: ~s, "on a float"),
        (lambda s, b, h, q, k: q // 0, "by zero"),
        (lambda s, b, h, q, k: q << k, "constant"),
        (lambda s, b, h, q, k: s.softmax(), "softmax"),
        (lambda s, b, h, q, k: np.arctan2(s, s), "arctan2"),
        (lambda s, b, h, q, k: np.sort(s), "sort"),
        (lambda s, b, h, q, k: GLOBAL_SLOPES[s], "expected an integer"),
        (lambda s, b, h, q, k: GLOBAL_SLOPES[h, q], "1 dimensions, got 2"),
        (lambda s, b, h, q, k: GLOBAL_SLOPES[8], "out of bounds"),
        (lambda s, b, h: s, "positional argument"),
        (lambda s, b, h, q, k: sum(x for x in s), "iterated"),
        (lambda s, b, h, q, k: q**k, "constant exponent"),
        (lambda s, b, h, q, k: s + 2**70 * q, "64 bits"),
    ],
)
def test_score_errors(fn: Callable[..., Any], message: str) -> None:
    with pytest.raises(seqc.SeqcError, match=message) as caught:
        trace(fn)
    assert isinstance(caught.value, TypeError)
    assert "score_mod '" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda b, h, q, k: q - k, "returned an integer"),
        (lambda b, h, q, k: 1.0, "returned a float"),
        (lambda b, h, q, k: None, "returned None"),
        (lambda b, h, q, k: not (q >= k), "Python cannot branch"),
    ],
)
def test_mask_errors(fn: Callable[..., Any], message: str) -> None:
    with pytest.raises(seqc.TraceError, match=message):
        trace(mask=fn)


def test_errors_of_the_function_itself_pass_through() -> None:
    def broken(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(broken)


def test_functions_work_on_arrays_too() -> None:
    x = np.array([-1.0, 2.0])
    np.testing.assert_array_equal(seqc.where(x > 0, x, 0), [0, 2])
    np.testing.assert_allclose(seqc.sigmoid(x), 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose(seqc.erf(np.array([0.5])), [math.erf(0.5)])
    np.testing.assert_array_equal(seqc.clamp(x, 0, 1), [0, 1])
    torch = pytest.importorskip("torch")
    assert seqc.tanh(torch.zeros(2)).tolist() == [0, 0]


# The cache of traces.


def test_trace_cache_holds_while_captures_do() -> None:
    cache = _trace.TraceCache()
    box = {"n": 0}
    slopes = np.ones(8, np.float32)
    window = 4

    def count() -> None:
        box["n"] += 1

    def mask(b: Any, h: Any, q: Any, k: Any) -> Any:
        return (q - k < window) & (slopes[h] > 0)

    def run() -> _trace.TracedRegions:
        return cache.get("f32", None, None, False, False, None, mask)

    first = run()
    assert run() is first
    window = 5
    second = run()
    assert second is not first
    assert "arith.constant 5" in "\n".join(second.regions.mask or ())
    slopes = np.zeros(8, np.float32)
    assert run().captures[0].value is slopes
    count()


def test_trace_cache_does_not_keep_functions() -> None:
    cache = _trace.TraceCache()
    slopes = np.ones(8, np.float32)

    def score(s: Any, b: Any, h: Any, q: Any, k: Any, scale: Any = 2.0) -> Any:
        return s * slopes[h] * scale

    cache.get("f32", None, None, False, False, score, None)
    dead = weakref.ref(score)
    del score
    gc.collect()
    assert dead() is None


def test_namespaces_are_followed_and_traced_every_time() -> None:
    @dataclasses.dataclass
    class Config:
        slopes: Any
        window: int = 4

    config = Config(np.ones(8, np.float32))
    space = types.SimpleNamespace(slopes=np.ones(8, np.float32), window=4)
    module = types.ModuleType("settings")
    module.slopes = np.ones(8, np.float32)  # type: ignore[attr-defined]
    module.window = 4  # type: ignore[attr-defined]

    class Static:
        window = 4

    holders: list[Any] = [config, space, module]
    for holder in holders:

        def score(s: Any, b: Any, h: Any, q: Any, k: Any, holder: Any = holder) -> Any:
            return seqc.where(
                q - k < holder.window, s * holder.slopes[h], Static.window
            )

        cache = _trace.TraceCache()
        first = cache.get("f32", None, None, False, False, score, None)
        assert [c.label for c in first.captures] == ["holder.slopes"]
        holder.window = 5
        second = cache.get("f32", None, None, False, False, score, None)
        assert first.regions != second.regions
        Static.window += 1
        third = cache.get("f32", None, None, False, False, score, None)
        assert second.regions != third.regions


def test_mutable_captures_are_traced_every_time() -> None:
    cache = _trace.TraceCache()
    config = {"cap": 2.0}

    def score(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s * config["cap"]

    first = cache.get("f32", None, None, False, False, score, None)
    config["cap"] = 3.0
    second = cache.get("f32", None, None, False, False, score, None)
    assert first.regions != second.regions
