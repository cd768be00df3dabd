# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What traced operations compute, next to what Python and numpy compute.

Every row sees one key, so its lse is the value of score_mod there. Heads choose
the expression: one program evaluates a whole list of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import seqc

QUERIES, KEYS, BATCH = 23, 11, 2
TABLE = np.linspace(-3, 3, KEYS * 4).astype(np.float32).reshape(4, KEYS)
WHOLE = np.array([3, -4, 0, 7, -1, 5, 2, -2, 9, 1, 6])
FLAGS = np.arange(KEYS) % 3 == 0
BYTES = np.arange(KEYS, dtype=np.uint8) + 200
HALVES = np.arange(KEYS).astype(np.float16) / 3
DOUBLES = np.arange(KEYS) / 7
ONE = np.array(2.5, np.float32)

Expression = Callable[[Any, Any, Any, Any, Any], Any]

FLOATS: list[Expression] = [
    lambda s, b, h, q, k: s + q,
    lambda s, b, h, q, k: 3 - s * 2,
    lambda s, b, h, q, k: s / (k + 1),
    lambda s, b, h, q, k: q / (k + 1),
    lambda s, b, h, q, k: -s,
    lambda s, b, h, q, k: abs(s),
    lambda s, b, h, q, k: s // 0.75,
    lambda s, b, h, q, k: s % 0.75,
    lambda s, b, h, q, k: s % -0.75,
    lambda s, b, h, q, k: s**2 + s**3 - s**0,
    lambda s, b, h, q, k: abs(s) ** 0.5,
    lambda s, b, h, q, k: abs(s) ** 1.7,
    lambda s, b, h, q, k: 2.0**s,
    lambda s, b, h, q, k: (s + 0.1) ** -2,
    lambda s, b, h, q, k: seqc.exp(s),
    lambda s, b, h, q, k: seqc.exp2(s),
    lambda s, b, h, q, k: np.expm1(s),
    lambda s, b, h, q, k: seqc.log(abs(s) + 1),
    lambda s, b, h, q, k: seqc.log2(abs(s) + 1),
    lambda s, b, h, q, k: np.log10(abs(s) + 1),
    lambda s, b, h, q, k: np.log1p(abs(s)),
    lambda s, b, h, q, k: seqc.sqrt(q + 1),
    lambda s, b, h, q, k: seqc.rsqrt(q + 1),
    lambda s, b, h, q, k: seqc.tanh(s),
    lambda s, b, h, q, k: seqc.sin(q),
    lambda s, b, h, q, k: seqc.cos(s),
    lambda s, b, h, q, k: np.tan(s / 4),
    lambda s, b, h, q, k: seqc.erf(s),
    lambda s, b, h, q, k: seqc.sigmoid(s),
    lambda s, b, h, q, k: seqc.floor(s * 3),
    lambda s, b, h, q, k: seqc.ceil(s * 3),
    lambda s, b, h, q, k: np.rint(s * 3),
    lambda s, b, h, q, k: np.rint(q / 2),
    lambda s, b, h, q, k: np.trunc(s * 3),
    lambda s, b, h, q, k: np.sign(s) + np.sign(q - k),
    lambda s, b, h, q, k: np.square(s) + np.reciprocal(s + 9),
    lambda s, b, h, q, k: seqc.minimum(s, 0.5),
    lambda s, b, h, q, k: seqc.maximum(s, q - 5),
    lambda s, b, h, q, k: seqc.clamp(s, -0.5, 0.5),
    lambda s, b, h, q, k: np.clip(s, -0.5, 0.5),
    lambda s, b, h, q, k: np.fmod(s, 0.75),
    lambda s, b, h, q, k: seqc.where(s > 0, s, q),
    lambda s, b, h, q, k: seqc.where(seqc.isnan(s), 1, 2) * s,
    lambda s, b, h, q, k: seqc.where(np.isinf(s) | ~np.isfinite(s), 1, 2) * s,
    lambda s, b, h, q, k: seqc.to_int(s * 10) + seqc.to_float(q),
    lambda s, b, h, q, k: seqc.to_int(s * 10) // 3,
    lambda s, b, h, q, k: np.float32(0.1) * s + np.float64(0.2),
    lambda s, b, h, q, k: s + 1e-5 + 1e5,
]

INTEGERS: list[Expression] = [
    lambda s, b, h, q, k: q + k,
    lambda s, b, h, q, k: 5 - q,
    lambda s, b, h, q, k: (q - 7) * (k - 3),
    lambda s, b, h, q, k: (q - 7) // 3,
    lambda s, b, h, q, k: (q - 7) // -3,
    lambda s, b, h, q, k: (q - 7) % 3,
    lambda s, b, h, q, k: (q - 7) % -3,
    lambda s, b, h, q, k: q // 4 + q % 4,
    lambda s, b, h, q, k: (q - 7) // (k + 1),
    lambda s, b, h, q, k: (q - 7) % (k + 1),
    lambda s, b, h, q, k: (q - 7) // (-1 - k),
    lambda s, b, h, q, k: (q - 7) % (-1 - k),
    lambda s, b, h, q, k: np.fmod(q - 7, 3),
    lambda s, b, h, q, k: abs(q - 7),
    lambda s, b, h, q, k: -(q - 7),
    lambda s, b, h, q, k: (q - 7) ** 2 + q**3,
    lambda s, b, h, q, k: (q & 5) + (q | 8) * 2 + (q ^ k),
    lambda s, b, h, q, k: ~q,
    lambda s, b, h, q, k: (q << 3) + (q >> 1) + ((q - 7) >> 1),
    lambda s, b, h, q, k: seqc.minimum(q, k) + 100 * seqc.maximum(q - 7, k),
    lambda s, b, h, q, k: seqc.clamp(q - k, -3, 3),
    lambda s, b, h, q, k: b * 1000 + h,
    lambda s, b, h, q, k: seqc.where((q > 3) & (k < 5), 1, 0),
    lambda s, b, h, q, k: seqc.where((q > 3) | (k < 5), 1, 0),
    lambda s, b, h, q, k: seqc.where((q > 3) ^ (k < 5), 1, 0),
    lambda s, b, h, q, k: seqc.where(~(q > 3), 1, 0),
    lambda s, b, h, q, k: seqc.where((q == k) | (q != 4), q >= k, q <= 4),
    lambda s, b, h, q, k: (q > k) + (q > 3) * 2,
    lambda s, b, h, q, k: seqc.where((q > k) == (q > 3), 1, 0),
    lambda s, b, h, q, k: seqc.where((q > k) > (q > 3), 1, 0),
    lambda s, b, h, q, k: seqc.where(
        np.logical_and(q > 3, np.logical_not(k > 3)), 1, 0
    ),
]

# Loads: out of bounds indices are those of the traced form only.
LOADS: list[Expression] = [
    lambda s, b, h, q, k: TABLE[b, k],
    lambda s, b, h, q, k: TABLE[1][k],
    lambda s, b, h, q, k: TABLE[-1, k],
    lambda s, b, h, q, k: TABLE[q % 4, (q * 3) % 11],
    lambda s, b, h, q, k: TABLE[b, -k - 1],
    lambda s, b, h, q, k: WHOLE[k] + s,
    lambda s, b, h, q, k: WHOLE[k] * WHOLE[0],
    lambda s, b, h, q, k: TABLE[2, seqc.clamp(WHOLE[k], 0, 10)],
    lambda s, b, h, q, k: seqc.where(FLAGS[k], 1, 2),
    lambda s, b, h, q, k: seqc.where(FLAGS[k] & (q > 3), s, 2),
    lambda s, b, h, q, k: BYTES[k] + 0,
    lambda s, b, h, q, k: HALVES[k] + 0,
    lambda s, b, h, q, k: DOUBLES[k] + 0,
    lambda s, b, h, q, k: ONE * s,
    lambda s, b, h, q, k: ONE + k,
    lambda s, b, h, q, k: TABLE.shape[1] * s,
]


def one_key(b: Any, h: Any, q: Any, k: Any) -> Any:
    return k == (3 * q + h) % KEYS


def scores(dtype: Any, heads: int) -> tuple[Any, Any]:
    """q and k whose products are spread over [-3, 3], without rounding."""
    rng = np.random.default_rng(0)
    q = rng.integers(-3, 4, (BATCH, heads, QUERIES, 1)).astype(dtype)
    k = (rng.integers(1, 8, (BATCH, 1, KEYS, 1)) / 8).astype(dtype)
    return q, k


def evaluate(expressions: list[Expression], dtype: Any) -> tuple[Any, Any]:
    """Each expression at one key per row: by seqc, and by numpy in f64."""
    heads = len(expressions)
    q, k = scores(dtype, heads)

    def score_mod(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        value = s * 0.0
        for n, expression in enumerate(expressions):
            value = seqc.where(h == n, expression(s, b, h, i, j), value)
        return value

    _, lse = seqc.attention(
        q, k, k, scale=1.0, score_mod=score_mod, mask_mod=one_key, return_lse=True
    )
    b, h, i = np.ogrid[:BATCH, :heads, :QUERIES]
    j = (3 * i + h) % KEYS
    s = np.take_along_axis(
        q.astype(np.float64) @ np.swapaxes(k.astype(np.float64), -1, -2),
        np.broadcast_to(j[..., None], (BATCH, heads, QUERIES, 1)),
        axis=-1,
    )[..., 0]
    expected = np.empty((BATCH, heads, QUERIES))
    for n, expression in enumerate(expressions):
        here = np.broadcast_to(
            expression(s[:, n : n + 1], b, np.array([[[n]]]), i, j[:, n : n + 1]),
            (BATCH, 1, QUERIES),
        )
        expected[:, n] = here[:, 0]
    return lse, expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("group", ["FLOATS", "INTEGERS", "LOADS"])
def test_values(group: str, dtype: Any) -> None:
    lists = {"FLOATS": FLOATS, "INTEGERS": INTEGERS, "LOADS": LOADS}
    lse, expected = evaluate(lists[group], dtype)
    unit = 2e-6 if dtype == np.float32 else 1e-13
    for n in range(len(lists[group])):
        np.testing.assert_allclose(
            lse[:, n], expected[:, n], rtol=unit, atol=unit, err_msg=f"{group}[{n}]"
        )


def test_division_by_an_element_that_is_zero_does_not_trap() -> None:
    big = np.array([0, -1, 1, 0, -1, 2, 3, 0, 0, -1, -1])
    least = np.array([-(2**63)] * KEYS)
    q, k = scores(np.float32, 1)
    out = seqc.attention(
        q,
        k,
        k,
        score_mod=lambda s, b, h, i, j: (
            s
            + 0.0 * (i // big[j])
            + 0.0 * (least[j] % big[j])
            + 0.0 * (least[j] // big[j])
        ),
    )
    np.testing.assert_allclose(out, seqc.attention(q, k, k), rtol=1e-6)


def test_computed_indices_are_clamped() -> None:
    table = np.array([10.0, 20.0, 30.0], np.float32)
    q, k = scores(np.float32, 1)
    _, lse = seqc.attention(
        q, k, k, score_mod=lambda s, b, h, i, j: table[i - 6], mask_mod=one_key,
        return_lse=True,
    )  # fmt: skip
    wrapped = [min(max(i + 3 if i < 0 else i, 0), 2) for i in range(-6, QUERIES - 6)]
    np.testing.assert_allclose(lse[0, 0], table[wrapped], rtol=1e-6)


def test_float_to_int_saturates() -> None:
    q, k = scores(np.float32, 1)
    cases = [math.nan, math.inf, -math.inf, 1e30, -1e30, 2.9, -2.9]
    values = np.array((cases * 2)[:KEYS], np.float32)
    _, lse = seqc.attention(
        q,
        k,
        k,
        score_mod=lambda s, b, h, i, j: seqc.clamp(seqc.to_int(values[j]), -99, 99),
        mask_mod=lambda b, h, i, j: j == i % KEYS,
        return_lse=True,
    )
    whole = [0, 99, -99, 99, -99, 2, -2]
    expected = [(whole * 2)[i % KEYS] for i in range(QUERIES)]
    np.testing.assert_array_equal(lse[0, 0], expected)
