# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc.attention_backward against the f64 reference: options, shapes, dtypes,
layouts, and rows that see nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import captured_cases
import numpy as np
import pytest
import seqc
from hypothesis import example, given
from hypothesis import strategies as st
from seqc import reference
from seqc_testing import (
    DTYPES,
    LAYOUTS,
    Array,
    as_f64,
    assert_close,
    lay_out,
    random,
)
from test_attention import OPTIONS, Shape, inputs, shapes

# docs/spec.md, "Numerics".
GRADIENT = {"f64": 1e-12, "f32": 2e-5, "f16": 2e-3, "bf16": 1.6e-2}


def check(
    q: Array,
    k: Array,
    v: Array,
    dtype: str = "f32",
    layout: str = "dense",
    lse_grad: bool = False,
    seed_of_gradients: int = 7,
    schedule: dict[str, int] | None = None,
    forward: Callable[..., Any] | None = None,
    gradients: tuple[str, ...] | None = None,
    **options: Any,
) -> seqc.AttentionGradients:
    """Runs forward and backward, and compares with the reference. The forward may be
    another one than seqc's."""
    rng = np.random.default_rng(seed_of_gradients)
    slope = options.pop("score_slope", None)
    # A tile size of its own: a few queries would be programs of their own.
    if forward is None:
        forward = functools.partial(
            seqc.attention, return_lse=True, schedule={"tile_m": 32}
        )
    out, lse = forward(q, k, v, **options)
    g = random(rng, out.shape, dtype)
    more: dict[str, Any] = {}
    if lse_grad:
        more["lse_grad"] = rng.standard_normal(lse.shape).astype(lse.dtype)
    g_, q_, k_, v_, out_, lse_ = (lay_out(x, layout) for x in (g, q, k, v, out, lse))
    found = seqc.attention_backward(
        g_,
        q_,
        k_,
        v_,
        out_,
        lse_,
        schedule=schedule,
        gradients=gradients,
        **more,
        **options,
    )
    if slope is not None:
        more["score_slope"] = slope
    expected = reference.attention_backward(g, q, k, v, **more, **options)
    sizes = reference.attention_backward(g, q, k, v, absolute=True, **more, **options)
    for name, gradient in expected.items():
        if gradients is not None and name not in gradients:
            continue
        actual = getattr(found, name)
        bound = GRADIENT[dtype] * np.maximum(1.0, sizes[name])
        assert_close(actual, gradient, bound, name)
    for name, operand in (("query", q), ("key", k), ("value", v)):
        assert getattr(found, name).dtype == operand.dtype
    return found


layouts = st.sampled_from(LAYOUTS)
seeds = st.integers(0, 2**32 - 1)


# Those that test_attention.py has, where the backward adds something to them. Each
# costs the compilation of a forward and of a backward.
NAMES = (
    "plain",
    "causal",
    "top_left_window",
    "window_both",
    "causal_window",
    "prefix_lm",
    "sink_tokens",
    "causal_segments",
    "bias",
    "bias_head",
    "alibi",
    "softcap",
    "sinks",
    "dropout",
    "relative_score",
    "tanh_score",
    "document_mask",
    "dilated_mask",
    "everything",
)
WITH_LSE_GRAD = ("causal", "sinks", "everything")


@pytest.mark.parametrize("name", NAMES)
@given(shape=shapes, layout=layouts, seed=seeds)
@example(shape=Shape(1, 1, 1, 1, 1), layout="dense", seed=0)
@example(shape=Shape(1, 1, 2, 5, 0), layout="dense", seed=0)
@example(shape=Shape(2, 1, 1, 0, 5), layout="dense", seed=0)
@example(shape=Shape(2, 2, 2, 150, 90), layout="transposed", seed=1)
@example(shape=Shape(1, 2, 1, 33, 300), layout="dense", seed=2)
def test_options(name: str, shape: Shape, layout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, 16, 24)
    options = OPTIONS[name](shape, rng)
    check(q, k, v, layout=layout, lse_grad=name in WITH_LSE_GRAD, **options)


@pytest.mark.parametrize(("head_dim", "value_dim"), [(1, 1), (31, 2), (96, 130)])
@given(shape=shapes, seed=seeds)
def test_head_dims(head_dim: int, value_dim: int, shape: Shape, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, head_dim, value_dim)
    check(q, k, v, causal=True)


def tanh_score(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    bent = 2.0 * seqc.tanh(score / 2.0) - 0.25 * (h + 1)
    return seqc.where((q_idx + b) % 2 == 0, bent, 0.5 * score)


def tanh_slope(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    bent = 1 - np.tanh(score / 2.0) ** 2
    return np.where((q_idx + b + 0 * kv_idx) % 2 == 0, bent, 0.5)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "f32"])
@given(shape=shapes, layout=layouts, seed=seeds)
def test_dtypes(dtype: str, shape: Shape, layout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, k, v = inputs(shape, rng, 40, 40, dtype)
    options: dict[str, Any] = {
        "causal": True,
        "window": (70, None),
        "score_mod": tanh_score,
        "score_slope": tanh_slope,
        "bias": random(rng, (1, shape.heads, shape.queries, shape.keys), dtype),
        "sinks": rng.standard_normal(shape.heads),
        "dropout_p": 0.1,
        "seed": 1234,
    }
    check(q, k, v, dtype, layout, lse_grad=True, **options)


@pytest.mark.parametrize(
    "full",
    [
        (False, True, True, True),
        (True, False, True, True),
        (True, True, False, True),
        (False, True, True, False),
        (True, True, False, False),
        (False, False, False, False),
    ],
)
def test_bias_shapes(full: tuple[bool, bool, bool, bool]) -> None:
    """The gradient is summed over the sizes that are 1, with groups and an edge."""
    rng = np.random.default_rng(3)
    shape = Shape(3, 2, 2, 70, 90)
    q, k, v = inputs(shape, rng, 16, 24)
    whole = (shape.batch, shape.heads, shape.queries, shape.keys)
    bias = random(
        rng, tuple(n if f else 1 for n, f in zip(whole, full, strict=True)), "f32"
    )
    check(q, k, v, bias=bias, causal=True, softcap=2.0)


def test_some_gradients_only() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 2, 50, 60), rng, 16, 24)
    out, lse = seqc.attention(q, k, v, return_lse=True, causal=True)
    g = random(rng, out.shape, "f32")
    whole = seqc.attention_backward(g, q, k, v, out, lse, causal=True)
    for names in (("query",), ("value",)):
        some = seqc.attention_backward(
            g, q, k, v, out, lse, causal=True, gradients=names
        )
        for name in ("query", "key", "value"):
            if name in names:
                np.testing.assert_array_equal(getattr(some, name), getattr(whole, name))
            else:
                assert getattr(some, name) is None


@pytest.mark.parametrize(("tile_m", "tile_n"), [(1, 40), (16, 8), (96, 128)])
def test_tiles(tile_m: int, tile_n: int) -> None:
    rng = np.random.default_rng(4)
    shape = Shape(2, 1, 2, 75, 101)
    q, k, v = inputs(shape, rng, 8, 8)
    schedule = {"tile_m": tile_m, "tile_n": tile_n}
    check(q, k, v, causal=True, window=40, prefix=3, schedule=schedule)


def test_fully_masked_rows() -> None:
    """Gradients of 0, not NaN, for rows and keys that see nothing of each other."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 2, 70, 40), rng, 16, 24)
    found = check(q, k, v, causal=True, lse_grad=True)
    assert (found.query[:, :, :30] == 0).all()
    found = check(q, k, v, mask_mod=lambda b, h, i, j: (i % 5 != 0) & (j < 20))
    assert (found.query[:, :, ::5] == 0).all()
    assert (found.key[:, :, 20:] == 0).all()
    assert (found.value[:, :, 20:] == 0).all()
    bias = np.zeros((2, 1, 70, 40), np.float32)
    bias[:, :, 3], bias[:, :, :, 5] = -np.inf, -np.inf
    found = check(q, k, v, bias=bias)
    assert (found.query[:, :, 3] == 0).all()
    assert (found.key[:, :, 5] == 0).all()
    assert (found.bias[:, :, 3] == 0).all()


def test_no_keys_at_all() -> None:
    q = np.ones((2, 4, 5, 16), np.float32)
    k = np.ones((2, 2, 0, 16), np.float32)
    v = np.ones((2, 2, 0, 24), np.float32)
    found = check(q, k, v)
    assert (found.query == 0).all()
    assert found.key.shape == k.shape


def test_sinks_alone() -> None:
    q = np.ones((1, 2, 5, 16), np.float32)
    k = np.ones((1, 2, 0, 16), np.float32)
    v = np.ones((1, 2, 0, 24), np.float32)
    sinks = np.array([1.5, -np.inf], np.float32)
    found = check(q, k, v, sinks=sinks, lse_grad=True)
    assert found.sinks[1] == 0


def test_pole_on_the_other_side() -> None:
    """What a choice does not take has no gradient, not even an infinite one."""
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(1, 2, 1, 40, 50), rng, 16, 24)
    q[:, :, 7] = 0.0

    def root(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return seqc.where(score > 0, seqc.sqrt(score), score)

    out, lse = seqc.attention(q, k, v, score_mod=root, return_lse=True)
    found = seqc.attention_backward(
        random(rng, out.shape, "f32"), q, k, v, out, lse, score_mod=root
    )
    for gradient in found[:3]:
        assert np.isfinite(gradient).all()


def test_nan_stays_in_its_head() -> None:
    rng = np.random.default_rng(0)
    q, k, v = inputs(Shape(2, 2, 1, 40, 50), rng, 16, 24)
    q[0, 1, 7] = np.nan
    out, lse = seqc.attention(q, k, v, return_lse=True)
    g = random(rng, out.shape, "f32")
    found = seqc.attention_backward(g, q, k, v, out, lse)
    assert np.isnan(found.query[0, 1, 7]).all()
    assert np.isnan(found.key[0, 1]).all()
    for gradient in found[:3]:
        assert np.isfinite(gradient[0, 0]).all()
        assert np.isfinite(gradient[1]).all()
    rest = [i for i in range(40) if i != 7]
    assert np.isfinite(found.query[0, 1, rest]).all()


def test_same_from_run_to_run() -> None:
    rng = np.random.default_rng(5)
    q, k, v = inputs(Shape(3, 2, 2, 130, 140), rng, 32, 32)
    bias = random(rng, (1, 4, 1, 140), "f32")
    options: dict[str, Any] = {"causal": True, "bias": bias}
    out, lse = seqc.attention(q, k, v, return_lse=True, **options)
    g = random(rng, out.shape, "f32")
    threads = seqc.get_num_threads()
    runs = []
    try:
        for count in (1, 2, 3, 2):
            seqc.set_num_threads(count)
            runs.append(seqc.attention_backward(g, q, k, v, out, lse, **options))
    finally:
        seqc.set_num_threads(threads)
    for run in runs[1:]:
        for one, other in zip(runs[0][:4], run[:4], strict=True):
            np.testing.assert_array_equal(one, other)


def test_dropout_is_that_of_the_forward() -> None:
    """The gradient of value is the transposed forward: sums agree exactly in f64."""
    rng = np.random.default_rng(6)
    q, k, v = inputs(Shape(2, 2, 1, 60, 70), rng, 16, 24, "f64")
    options: dict[str, Any] = {"dropout_p": 0.4, "seed": 11, "causal": True}
    out, lse = seqc.attention(q, k, v, return_lse=True, **options)
    g = random(rng, out.shape, "f64")
    found = seqc.attention_backward(g, q, k, v, out, lse, **options)
    np.testing.assert_allclose((found.value * v).sum(), (g * out).sum(), rtol=1e-11)


@pytest.mark.parametrize(("dtype", "causal"), [("f16", False), ("bf16", True)])
def test_error_of_the_formula_in_low_precision(dtype: str, causal: bool) -> None:
    """At most twice the error of autograd through the formula in that dtype."""
    torch = pytest.importorskip("torch")
    if dtype not in DTYPES:
        pytest.skip("needs ml_dtypes")
    rng = np.random.default_rng(8)
    q, k, v = (random(rng, (2, 4, 256, 64), dtype) for _ in range(3))
    out, lse = seqc.attention(q, k, v, causal=causal, return_lse=True)
    g = random(rng, out.shape, dtype)
    found = seqc.attention_backward(g, q, k, v, out, lse, causal=causal)
    exact = reference.attention_backward(g, q, k, v, causal=causal)
    kind = {"f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    x, y, z = (torch.tensor(as_f64(t)).to(kind).requires_grad_() for t in (q, k, v))
    s = x @ y.transpose(-1, -2) * 0.125
    if causal:
        s = s.masked_fill(torch.ones(256, 256).triu(1).bool(), -torch.inf)
    (torch.softmax(s, -1) @ z).backward(torch.tensor(as_f64(g)).to(kind))
    for name, eager in (("query", x), ("key", y), ("value", z)):
        ours = np.abs(as_f64(getattr(found, name)) - exact[name])
        theirs = np.abs(as_f64(eager.grad) - exact[name])
        assert ours.mean() <= 2 * theirs.mean(), name
        assert ours.max() <= 2 * theirs.max(), name


# What changes scores and is learned.


@pytest.mark.parametrize("name", captured_cases.CASES)
def test_tables(name: str) -> None:
    case = captured_cases.CASES[name]
    names = ("query", "score_mod")
    for shape in (Shape(2, 2, 2, 37, 50), Shape(1, 1, 2, 9, 130)):
        found = captured_cases.check_table(
            case, shape, "f64", "f64", gradients=names, causal="top_left"
        )
        assert found.query is not None
        assert found.key is None
    for shape in (Shape(1, 2, 1, 0, 5), Shape(1, 2, 1, 5, 0)):
        captured_cases.check_table(
            case, shape, "f64", "f64", gradients=names, causal="top_left"
        )


def test_a_number_and_narrow_tables() -> None:
    """One shape () for all, and one whose elements are narrower than the scores."""
    shape = Shape(2, 1, 2, 30, 40)
    captured_cases.check_table(captured_cases.NUMBER, shape, "f32", "f32")
    captured_cases.check_table(captured_cases.CASES["heads"], shape, "f32", "f16")


@pytest.mark.parametrize("by_batch", [False, True])
def test_slopes(by_batch: bool) -> None:
    for shape in (Shape(2, 2, 2, 37, 50), Shape(1, 1, 2, 130, 9)):
        captured_cases.check_slopes(shape, "f32", by_batch)


def test_slopes_beside_a_table() -> None:
    """Two captures, of which each has its own gradient, or is not asked for."""
    rng = np.random.default_rng(3)
    q, k, v = inputs(Shape(2, 1, 2, 20, 30), rng, 16, 16)
    slopes = np.array([0.1, 0.2], np.float32)
    table = rng.standard_normal(2).astype(np.float32)
    unused = np.ones(30, np.float32)
    options: dict[str, Any] = {
        "alibi_slopes": slopes,
        "score_mod": lambda s, b, h, i, j: s + table[h],
        "mask_mod": lambda b, h, i, j: unused[j] > 0,
    }
    out, lse = seqc.attention(q, k, v, return_lse=True, **options)
    run = functools.partial(
        seqc.attention_backward, np.ones_like(out), q, k, v, out, lse, **options
    )
    both = run(gradients=("alibi_slopes", "score_mod"))
    assert list(both.score_mod) == ["table"]
    assert both.query is None
    # All scores of a row move together.
    np.testing.assert_allclose(both.score_mod["table"], 0, atol=1e-4)
    alone = run(gradients=("alibi_slopes",))
    np.testing.assert_array_equal(alone.alibi_slopes, both.alibi_slopes)
    assert alone.score_mod is None
    assert run().alibi_slopes is None


@pytest.mark.parametrize(
    ("score_mod", "message"),
    [
        (lambda table: lambda s, b, h, i, j: s + table[i - j], "an index is computed"),
        (lambda table: lambda s, b, h, i, j: s + table[0], "an index is computed"),
        (lambda table: lambda s, b, h, i, j: s + table[h] * table[b], "at several"),
    ],
)
def test_tables_without_a_gradient(score_mod: Any, message: str) -> None:
    rng = np.random.default_rng(3)
    q, k, v = inputs(Shape(1, 2, 1, 5, 5), rng, 16, 16)
    table = np.ones(5, np.float32)
    out, lse = seqc.attention(q, k, v, return_lse=True)
    with pytest.raises(NotImplementedError, match=f"table: has no gradient.*{message}"):
        seqc.attention_backward(
            out, q, k, v, out, lse, score_mod=score_mod(table), gradients=["score_mod"]
        )


def test_a_table_that_is_too_large() -> None:
    rng = np.random.default_rng(3)
    q, k, v = inputs(Shape(1, 2, 1, 5, 5), rng, 16, 16)
    table = np.ones(3, np.float32)
    out, lse = seqc.attention(q, k, v, return_lse=True)
    with pytest.raises(ValueError, match=r"table: has shape \(3,\), expected \(2,\)"):
        seqc.attention_backward(
            out,
            q,
            k,
            v,
            out,
            lse,
            score_mod=lambda s, b, h, i, j: s + table[h],
            gradients=["score_mod"],
        )


# Arguments that do not fit.


def operands(**changes: Any) -> dict[str, Any]:
    shapes = {
        "out_grad": (1, 2, 5, 24),
        "query": (1, 2, 5, 16),
        "key": (1, 2, 7, 16),
        "value": (1, 2, 7, 24),
        "out": (1, 2, 5, 24),
        "lse": (1, 2, 5),
    }
    arrays: dict[str, Any] = {n: np.ones(s, np.float32) for n, s in shapes.items()}
    arrays.update(changes)
    return arrays


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out": np.ones((1, 2, 5, 16), np.float32)}, "out: has shape"),
        ({"lse": np.ones((1, 2, 7), np.float32)}, "lse: has shape"),
        ({"out_grad": np.ones((1, 2, 4, 24), np.float32)}, "out_grad: has shape"),
        ({"lse_grad": np.ones((1, 2), np.float32)}, "lse_grad: has"),
        ({"lse": np.ones((1, 2, 5), np.float64)}, "lse: has dtype f64"),
        ({"out_grad": np.ones((1, 2, 5, 24), np.float16)}, "out_grad: has dtype f16"),
        ({"gradients": ("bias",)}, "gradients: got 'bias', expected some of query"),
        ({"gradients": ()}, "gradients: got none"),
        ({"gradients": "query"}, "gradients: got a string"),
        ({"query": np.ones((1, 2, 5, 8), np.float32)}, "key: has shape"),
    ],
)
def test_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        seqc.attention_backward(**operands(**changes))


def test_no_derivative() -> None:
    """What cannot be differentiated is an error that names the operation."""
    text = """
    func.func @f(%q: tensor<?x2x?x16xf32>, %lse: tensor<?x2x?xf32>)
        -> tensor<?x2x?x16xf32> {
      %dq, %dk, %dv = seqc.attention_backward query(%q) key(%q) value(%q)
          out(%q) lse(%lse) out_grad(%q) score {
          ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
            %n = arith.bitcast %s : f32 to i32
            %m = arith.addi %n, %n : i32
            %r = arith.bitcast %m : i32 to f32
            seqc.yield %r : f32
          } : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>,
               tensor<?x2x?x16xf32>, tensor<?x2x?xf32>, tensor<?x2x?x16xf32>)
          -> (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>)
      return %dq : tensor<?x2x?x16xf32>
    }
    """
    with pytest.raises(seqc.SeqcError, match=r"arith\.bitcast.* has no derivative"):
        seqc.compile(text)
