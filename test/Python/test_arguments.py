# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad arguments: one line that names the argument, what it is and what was
expected, before anything is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import _program


@pytest.fixture(autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    before = _program.cache.compiled
    yield
    assert _program.cache.compiled == before


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


def attention(**changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "query": zeros(2, 4, 5, 16),
        "key": zeros(2, 2, 7, 16),
        "value": zeros(2, 2, 7, 24),
    }
    arguments.update(changes)
    return seqc.attention(**arguments)


def scan(**changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "u": zeros(2, 6, 10),
        "delta": zeros(2, 6, 10),
        "A": zeros(6, 4),
        "B": zeros(2, 4, 10),
        "C": zeros(2, 4, 10),
    }
    arguments.update(changes)
    return seqc.selective_scan(**arguments)


def conv(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"x": zeros(2, 6, 10), "weight": zeros(6, 4)}
    arguments.update(changes)
    return seqc.causal_conv1d(**arguments)


CASES: list[tuple[Callable[..., Any], dict[str, Any], type[Exception], str]] = [
    # Attention: ranks, dtypes, shapes.
    (attention, {"query": zeros(2, 4, 5)}, ValueError, r"query: .*\(2, 4, 5\).*4 dim"),
    (attention, {"key": zeros(7, 16)}, ValueError, r"key: .*\(7, 16\).*4 dimensions"),
    (attention, {"query": zeros(2, 4, 5, 16, dtype=int)}, TypeError, "query: .*i64"),
    (attention, {"query": zeros(2, 4, 5, 16, dtype=complex)}, TypeError, "complex128"),
    (attention, {"key": zeros(2, 2, 7, 16, dtype=np.float64)}, TypeError,
     "key: has dtype f64, expected f32"),
    (attention, {"value": zeros(2, 2, 7, 24, dtype=np.float16)}, TypeError,
     "value: has dtype f16, expected f32"),
    (attention, {"query": [[1.0]]}, TypeError, "query: .*got list"),
    (attention, {"query": None}, TypeError, "query: .*got NoneType"),
    (attention, {"key": zeros(3, 2, 7, 16)}, ValueError, "key: .*expected batch 2"),
    (attention, {"value": zeros(1, 2, 7, 24)}, ValueError, "value: .*expected batch 2"),
    (attention, {"key": zeros(2, 2, 7, 8)}, ValueError, "key: .*head_dim 16"),
    (attention, {"value": zeros(2, 2, 6, 24)}, ValueError, "value: .*7 positions"),
    (attention, {"key": zeros(2, 3, 7, 16), "value": zeros(2, 3, 7, 24)}, ValueError,
     "key: has 3 heads, expected a number that divides the 4 heads"),
    (attention, {"key": zeros(2, 0, 7, 16), "value": zeros(2, 0, 7, 24)}, ValueError,
     "key: has 0 heads"),
    (attention, {"query": zeros(2, 4, 5, 0), "key": zeros(2, 2, 7, 0)}, ValueError,
     "query: .*head_dim of at least 1"),
    (attention, {"value": zeros(2, 2, 7, 0)}, ValueError, "value: .*at least 1"),
    # Attention: options.
    (attention, {"scale": "x"}, TypeError, "scale: expected a number, got str"),
    (attention, {"scale": float("nan")}, ValueError, "scale: .*finite"),
    (attention, {"causal": "left"}, ValueError, "causal: got 'left'"),
    (attention, {"causal": 3}, TypeError, "causal: got int"),
    (attention, {"window": -1}, ValueError, "window: the left size is -1"),
    (attention, {"window": (1, -2)}, ValueError, "window: the right size is -2"),
    (attention, {"window": (1, 2, 3)}, ValueError, "window: got 3 sizes"),
    (attention, {"window": 1.5}, TypeError, "window: the left size is float"),
    (attention, {"window": True}, TypeError, "window: the left size is bool"),
    (attention, {"softcap": 0}, ValueError, "softcap: got 0.0, expected .* > 0"),
    (attention, {"softcap": "x"}, TypeError, "softcap"),
    (attention, {"bias": zeros(4, 5, 7)}, ValueError, "bias: .*4 dimensions"),
    (attention, {"bias": zeros(2, 4, 5, 6)}, ValueError,
     r"bias: has shape \(2, 4, 5, 6\), expected \(2, 4, 5, 7\) or 1"),
    (attention, {"bias": zeros(2, 4, 5, 7, dtype=np.float64)}, TypeError,
     "bias: has dtype f64"),
    (attention, {"bias": zeros(2, 4, 5, 7, dtype=bool)}, TypeError,
     "bias: has dtype i1"),
    (attention, {"alibi_slopes": zeros(3)}, ValueError, r"alibi_slopes: .*\(4,\)"),
    (attention, {"alibi_slopes": zeros(4, dtype=int)}, TypeError,
     "alibi_slopes: .*i64"),
    (attention, {"segment_ids": zeros(2, 5, dtype=int)}, ValueError,
     "segment_ids: one array, but the query length is 5 and the key length 7"),
    (attention, {"segment_ids": (zeros(2, 5, dtype=int), zeros(2, 6, dtype=int))},
     ValueError, r"segment_ids: has shape \(2, 6\), expected \(2, 7\)"),
    (attention, {"segment_ids": (zeros(2, 5), zeros(2, 7))}, TypeError,
     "segment_ids: .*float32.*integer"),
    (attention,
     {"segment_ids": (zeros(2, 5, dtype=int), 2**40 + zeros(2, 7, dtype=int))},
     ValueError, "segment_ids: has values.*fit i32"),
    (attention, {"prefix": zeros(3, dtype=int)}, ValueError, r"prefix: .*\(2,\)"),
    (attention, {"prefix": 1.5}, TypeError, "prefix"),
    (attention, {"sinks": zeros(2)}, ValueError, r"sinks: .*expected \(4,\)"),
    (attention, {"dropout_p": 0.5}, ValueError, "seed: expected an integer"),
    (attention, {"dropout_p": 1.0, "seed": 1}, ValueError, "dropout_p: got 1.0"),
    (attention, {"dropout_p": 0.5, "seed": 1.5}, TypeError, "seed: .*float"),
    (attention, {"dropout_p": 0.5, "seed": 2**64}, ValueError, "seed: .*64-bit"),
    (attention, {"schedule": {"tile_q": 4}}, ValueError, "schedule: unknown .*tile_q"),
    (attention, {"schedule": {"tile_m": -4}}, ValueError, "schedule: tile_m is -4"),
    (attention, {"score_mod": 3}, TypeError, "score_mod: expected a function, got int"),
    (attention, {"mask_mod": lambda b, h, q, k: q - k}, TypeError,
     "mask_mod '<lambda>'"),
    # Selective scan.
    (scan, {"u": zeros(6, 10)}, ValueError, r"u: has shape \(6, 10\), expected 3 dim"),
    (scan, {"u": zeros(2, 6, 10, dtype=int)}, TypeError, "u: has dtype i64"),
    (scan, {"delta": zeros(2, 6, 11)}, ValueError, r"delta: .*\(2, 6, 11\)"),
    (scan, {"delta": zeros(2, 6, 10, dtype=np.float64)}, TypeError, "delta: .*f64"),
    (scan, {"A": zeros(5, 4)}, ValueError,
     r"A: has shape \(5, 4\), expected \(6, state"),
    (scan, {"A": zeros(6)}, ValueError, "A: .*2 dimensions"),
    (scan, {"A": zeros(6, 4, dtype=complex)}, TypeError, "A: .*complex"),
    (scan, {"A": zeros(6, 0)}, ValueError, "A: .*at least 1"),
    (scan, {"B": zeros(2, 5, 10)}, ValueError, r"B: .*expected \(2, 4, 10\)"),
    (scan, {"B": zeros(2, 4, 4, 10)}, ValueError, "B: has 4 groups.*divides dim 6"),
    (scan, {"B": zeros(2, 0, 4, 10)}, ValueError, "B: has 0 groups"),
    (scan, {"C": zeros(10)}, ValueError, r"C: has shape \(10,\)"),
    (scan, {"B": zeros(6, 5)}, ValueError, r"B: .*expected \(6, 4\)"),
    (scan, {"D": zeros(5)}, ValueError, r"D: .*expected \(6,\)"),
    (scan, {"z": zeros(2, 6, 9)}, ValueError, r"z: .*expected \(2, 6, 10\)"),
    (scan, {"delta_bias": zeros(7)}, ValueError, r"delta_bias: .*expected \(6,\)"),
    (scan, {"initial_state": zeros(2, 6, 5)}, ValueError, "initial_state: .*state"),
    (scan, {"initial_state": zeros(2, 6, 4, dtype=np.float16)}, TypeError,
     "initial_state: has dtype f16, expected f32"),
    # Convolution.
    (conv, {"x": zeros(6, 10)}, ValueError, "x: .*3 dimensions"),
    (conv, {"weight": zeros(5, 4)}, ValueError, r"weight: .*expected \(6, width\)"),
    (conv, {"weight": zeros(6, 0)}, ValueError, "weight: .*at least 1"),
    (conv, {"weight": zeros(6, 1, 4)}, ValueError, "weight: .*2 dimensions"),
    (conv, {"bias": zeros(5)}, ValueError, r"bias: .*expected \(6,\)"),
    (conv, {"bias": zeros(6, dtype=np.float64)}, TypeError, "bias: has dtype f64"),
    (conv, {"activation": "gelu"}, ValueError, "activation: got 'gelu'"),
    (conv, {"initial_state": zeros(2, 6, 4)}, ValueError, "initial_state: .*width - 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "changes", "error", "message"),
    CASES,
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else None,
)
def test_error(
    call: Callable[..., Any],
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        call(**changes)
    assert "\n" not in str(caught.value)


def test_captured_array_that_is_too_small() -> None:
    slopes = zeros(3)
    with pytest.raises(ValueError, match=r"slopes: .*by h, which goes up to 3"):
        attention(score_mod=lambda s, b, h, q, k: s * slopes[h])


def test_read_only_inputs_are_accepted_by_the_checks() -> None:
    """Also where another check fails later."""
    query = zeros(2, 4, 5, 16)
    query.flags.writeable = False
    with pytest.raises(ValueError, match="softcap"):
        attention(query=query, softcap=-1)


def test_torch_tensors_that_cannot_be_used() -> None:
    torch = pytest.importorskip("torch")
    k, v = torch.zeros(2, 2, 7, 16), torch.zeros(2, 2, 7, 24)
    with pytest.raises(TypeError, match="query: is on device meta"):
        seqc.attention(torch.zeros(2, 4, 5, 16, device="meta"), k, v)
    with pytest.raises(TypeError, match="query: has layout"):
        seqc.attention(torch.zeros(2, 4, 5, 16).to_sparse(), k, v)
    with pytest.raises(TypeError, match=r"query: .*complex"):
        seqc.attention(torch.zeros(2, 4, 5, 16, dtype=torch.complex64), k, v)
    with pytest.raises(TypeError, match=r"query: .*dtype"):
        seqc.attention(torch.zeros(2, 4, 5, 16, dtype=torch.uint8), k, v)
