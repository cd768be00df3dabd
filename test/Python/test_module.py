# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.Module: graphs built in Python, against the same graph in numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import reference
from seqc_testing import random


def norm(x: Any, weight: Any) -> Any:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight


def heads(x: Any, n: int) -> Any:
    batch, length, width = x.shape
    return x.reshape(batch, length, n, width // n).transpose(0, 2, 1, 3)


def merge(x: Any) -> Any:
    batch, n, length, width = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, length, n * width)


@pytest.mark.parametrize(("dtype", "bound"), [("f32", 2e-5), ("f16", 2e-2)])
def test_attention_block(dtype: str, bound: float) -> None:
    m = seqc.Module("block")
    x = m.input("x", (None, None, 48), dtype)
    gain = m.input("gain", (48,), dtype)
    w_in = m.input("w_in", (96, 48), dtype)
    w_out = m.input("w_out", (48, 48), dtype)
    y = m.linear(m.rms_norm(x, gain), w_in)
    q, k, v = m.split(y, [48, 24, 24])
    out = m.attention(
        m.split_heads(q, 4), m.split_heads(k, 2), m.split_heads(v, 2), causal=True
    )
    m.output(x + m.linear(m.merge_heads(out), w_out), names=["y"])
    program = m.compile()
    assert program["block"].results[0].name == "y"

    rng = np.random.default_rng(0)
    a = random(rng, (2, 33, 48), dtype)
    g = random(rng, (48,), dtype)
    wi = (random(rng, (96, 48), dtype) * 0.2).astype(a.dtype)
    wo = (random(rng, (48, 48), dtype) * 0.2).astype(a.dtype)
    a64, g64, wi64, wo64 = (t.astype(np.float64) for t in (a, g, wi, wo))
    y64 = norm(a64, g64) @ wi64.T
    o64, _ = reference.attention(
        heads(y64[..., :48], 4), heads(y64[..., 48:72], 2), heads(y64[..., 72:], 2),
        causal=True,
    )  # fmt: skip
    expected = a64 + merge(o64) @ wo64.T
    got = program(a, g, wi, wo)
    assert got.dtype == a.dtype
    np.testing.assert_allclose(got, expected, atol=bound * np.abs(expected).max())


def test_mamba_block() -> None:
    inner, state = 24, 8
    m = seqc.Module("mamba")
    x = m.input("x", (None, None, 16))
    w_in = m.input("w_in", (2 * inner, 16))
    w_conv, b_conv = m.input("w_conv", (inner, 4)), m.input("b_conv", (inner,))
    w_x = m.input("w_x", (inner + 2 * state, inner))
    a_log, d = m.input("a_log", (inner, state)), m.input("d", (inner,))
    w_out = m.input("w_out", (16, inner))
    u, z = (m.transpose(part, 0, 2, 1) for part in m.split(m.linear(x, w_in), 2))
    u, last = m.causal_conv1d(u, w_conv, b_conv, "silu", return_final_state=True)
    dbc = m.linear(m.transpose(u, 0, 2, 1), w_x)
    delta, b, c = (
        m.transpose(part, 0, 2, 1) for part in m.split(dbc, [inner, state, state])
    )
    y, final = m.selective_scan(
        u,
        delta,
        -m.exp(a_log),
        b,
        c,
        d,
        z,
        delta_softplus=True,
        return_final_state=True,
    )
    m.output(m.linear(m.transpose(y, 0, 2, 1), w_out), last, final)
    program = m.compile()

    rng = np.random.default_rng(0)
    arrays = [
        (0.5 * rng.standard_normal([2 if n is None else n for n in p.shape])).astype(
            np.float32
        )
        for p in program["mamba"].arguments
    ]
    arrays[0] = rng.standard_normal((2, 40, 16)).astype(np.float32)
    got = program(*arrays)
    xs, wi, wc, bc, wx, al, dd, wo = (t.astype(np.float64) for t in arrays)
    h = (xs @ wi.T).transpose(0, 2, 1)
    conv, last64 = reference.causal_conv1d(h[:, :inner], wc, bc, "silu")
    parts = (conv.transpose(0, 2, 1) @ wx.T).transpose(0, 2, 1)
    out, final64 = reference.selective_scan(
        conv,
        parts[:, :inner],
        -np.exp(al),
        parts[:, inner : inner + state],
        parts[:, inner + state :],
        dd,
        h[:, inner:],
        delta_softplus=True,
    )
    expected = (out.transpose(0, 2, 1) @ wo.T, last64, final64)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * np.abs(theirs).max())


def test_elementwise_and_broadcast() -> None:
    m = seqc.Module()
    x, y = m.input("x", (None, 5)), m.input("y", (5,))
    one = m.input("one", (None, 1))
    m.output(m.silu(x) * y + 2.0, m.exp(-x), x - one, m.cast(x, "f64"), x * 3 + x)
    rng = np.random.default_rng(0)
    a, b, c = (random(rng, shape, "f32") for shape in ((4, 5), (5,), (4, 1)))
    got = m.compile()(a, b, c)
    expected = (a / (1 + np.exp(-a)) * b + 2, np.exp(-a), a - c, a, 4 * a)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert got[3].dtype == np.float64


def test_linear_with_bias_and_shapes() -> None:
    m = seqc.Module()
    x, w, b = m.input("x", (None, 6)), m.input("w", (3, 6)), m.input("b", (3,))
    y = m.linear(x, w, b)
    m.output(m.transpose(y, 1, 0), m.slice(x, 1, 2, 5))
    assert y.shape == (None, 3)
    rng = np.random.default_rng(0)
    a, ww, bb = (random(rng, shape, "f32") for shape in ((7, 6), (3, 6), (3,)))
    first, second = m.compile()(a, ww, bb)
    np.testing.assert_allclose(first, (a @ ww.T + bb).T, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(second, a[:, 2:5])


def test_attention_options() -> None:
    slopes = np.array([0.5, 0.25], np.float32)
    table = np.linspace(-1, 1, 31).astype(np.float32)

    def score_mod(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return s + table[seqc.clamp(q - k + 15, 0, 30)]

    m = seqc.Module()
    q = m.input("q", (None, 2, None, 16))
    k, v = m.input("k", (None, 2, None, 16)), m.input("v", (None, 2, None, 8))
    bias = m.input("bias", (None, 1, None, None))
    ids = m.input("ids", (None, None), "i32")
    sinks = m.input("sinks", (2,))
    prefix = m.input("prefix", (None,), "i32")
    out, lse = m.attention(
        q,
        k,
        v,
        bias=bias,
        segment_ids=ids,
        sinks=sinks,
        prefix=prefix,
        causal=True,
        window=9,
        softcap=2.0,
        scale=0.4,
        alibi_slopes=slopes,
        score_mod=score_mod,
        mask_mod=lambda b, h, q, k: (q + k) % 7 != 0,
        return_lse=True,
    )
    m.output(out, lse)
    rng = np.random.default_rng(0)
    a, b, c = (random(rng, (2, 2, 25, n), "f32") for n in (16, 16, 8))
    bb = random(rng, (2, 1, 25, 25), "f32")
    segments = np.sort(rng.integers(0, 2, (2, 25)), axis=1).astype(np.int32)
    s = random(rng, (2,), "f32")
    lengths = np.array([0, 5], np.int32)
    got = m.compile()(a, b, c, bb, segments, s, lengths)
    expected = reference.attention(
        a, b, c, bias=bb, segment_ids=segments, sinks=s, prefix=lengths, causal=True,
        window=9, softcap=2.0, scale=0.4, alibi_slopes=slopes, score_mod=score_mod,
        mask_mod=lambda b, h, q, k: (q + k) % 7 != 0,
    )  # fmt: skip
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_save(tmp_path: Path) -> None:
    m = seqc.Module("double")
    x = m.input("x", (None,))
    m.output(x + x)
    m.save(tmp_path / "double.mlir")
    assert (tmp_path / "double.mlir").read_text() == m.mlir
    m.save(tmp_path / "double.seqc")
    a = np.arange(5, dtype=np.float32)
    for program in (
        seqc.load(tmp_path / "double.seqc"),
        seqc.compile(tmp_path / "double.mlir"),
        seqc.compile(m),
    ):
        np.testing.assert_array_equal(program(a), 2 * a)
        np.testing.assert_array_equal(program(x=a), 2 * a)
    assert "double" in repr(m)


def test_explain() -> None:
    m = seqc.Module()
    q = m.input("q", (None, 8, None, 64))
    m.output(m.attention(q, q, q, causal=True))
    assert "attention" in m.explain(chip="h200")


def test_errors() -> None:
    m = seqc.Module()
    x = m.input("x", (None, 4, 6))
    other = seqc.Module().input("x", (4,))
    with pytest.raises(ValueError, match="no output"):
        _ = m.mlir
    with pytest.raises(ValueError, match="name: got '2x'"):
        m.input("2x", (4,))
    with pytest.raises(ValueError, match="'x' is taken"):
        m.input("x", (4,))
    with pytest.raises(ValueError, match="dtype: got 'f8'"):
        m.input("y", (4,), "f8")
    with pytest.raises(ValueError, match="shape: got -1"):
        m.input("y", (-1,))
    with pytest.raises(ValueError, match=r"a: belongs to another module|b: belongs"):
        m.add(x, other)
    with pytest.raises(TypeError, match="expected a value of this module, got str"):
        m.add("x", x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"query: .*expected 4 dimensions"):
        m.attention(x, x, x)
    w = m.input("w", (3, 5))
    with pytest.raises(ValueError, match=r"weight: .*expected size 6"):
        m.linear(x, w)
    with pytest.raises(ValueError, match="expected sizes that match"):
        m.add(x, w)
    with pytest.raises(ValueError, match="a permutation of 0 to 2"):
        m.transpose(x, 0, 1)
    with pytest.raises(ValueError, match="a number that divides 6"):
        m.split(x, 4)
    with pytest.raises(ValueError, match="parts: sum to 5"):
        m.split(x, [2, 3])
    with pytest.raises(ValueError, match="static width that 4 divides"):
        m.split_heads(x, 4)
    q = m.input("q", (None, None, None, 8))
    slopes = np.ones(4, np.float32)
    with pytest.raises(
        ValueError, match="slopes: is indexed by h, whose size is dynamic"
    ):
        m.attention(q, q, q, score_mod=lambda s, b, h, i, j: s * slopes[h])
    p = m.input("p", (None, 8, None, 8))
    with pytest.raises(ValueError, match=r"slopes: has size 4 .*up to 7"):
        m.attention(p, p, p, score_mod=lambda s, b, h, i, j: s * slopes[h])
