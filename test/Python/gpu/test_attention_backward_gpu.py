# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The gradients of seqc.attention on a GPU against the f64 reference, and through
torch."""

from __future__ import annotations

from typing import Any

import captured_cases
import numpy as np
import pytest
import seqc
from gpu_cases import (
    BACKWARD_DIMS,
    BACKWARD_MASKS,
    BACKWARD_OPTIONS,
    BACKWARD_SCHEDULES,
    BACKWARD_SHAPES,
    FLOATS,
    HEADS,
    LENGTHS,
    WINDOW_LENGTHS,
    WINDOWS,
)
from gpu_testing import LAYOUTS, host, place, place_all, poison, torch
from seqc import reference
from seqc_testing import BFLOAT16, as_f64, assert_close, random
from test_attention import OPTIONS, Shape, inputs
from test_attention_backward import GRADIENT, WITH_LSE_GRAD

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")


def check(
    q: Any,
    k: Any,
    v: Any,
    dtype: str,
    target: str,
    layout: str = "dense",
    lse_grad: bool = False,
    schedule: dict[str, int] | None = None,
    **options: Any,
) -> Any:
    """Runs forward and backward on the GPU, in each form that there is, and compares
    with the reference."""
    rng = np.random.default_rng(7)
    moved = place_all(options)
    q_, k_, v_ = tensors = [place(x, layout) for x in (q, k, v)]
    out, lse = seqc.attention(q_, k_, v_, return_lse=True, target=target, **moved)
    g = random(rng, tuple(out.shape), dtype)
    more: dict[str, Any] = {}
    more_moved: dict[str, Any] = {}
    if lse_grad:
        more["lse_grad"] = rng.standard_normal(tuple(lse.shape)).astype(np.float32)
        more_moved["lse_grad"] = place(more["lse_grad"])
    wanted: tuple[str, ...] = ("query", "key", "value")
    if "sinks" in options:
        wanted += ("sinks",)
    expected = reference.attention_backward(g, q, k, v, **more, **options)
    sizes = reference.attention_backward(g, q, k, v, absolute=True, **more, **options)
    # One kernel for all gradients, or one for each side.
    has_both = q.shape[3] == v.shape[3] == 128 and dtype != "f32"
    for deterministic in (False, True) if has_both else (False,):
        poison(*(torch.empty_like(x) for x in tensors))
        found = seqc.attention_backward(
            place(g, layout),
            q_,
            k_,
            v_,
            out,
            lse,
            gradients=wanted,
            deterministic=deterministic,
            target=target,
            schedule=schedule,
            **more_moved,
            **moved,
        )
        torch.cuda.synchronize()
        for name in wanted:
            bound = GRADIENT[dtype] * np.maximum(1.0, sizes[name])
            assert_close(host(getattr(found, name)), expected[name], bound, name)
        for name, operand in zip(wanted, tensors, strict=False):
            assert getattr(found, name).dtype == operand.dtype
    return found


@pytest.mark.parametrize("name", BACKWARD_OPTIONS)
def test_options(name: str, target: str) -> None:
    rng = np.random.default_rng(1)
    few = (Shape(2, 1, 2, 2, 257), Shape(2, 1, 2, 0, 5), Shape(2, 1, 2, 5, 0))
    for shape in BACKWARD_SHAPES + few:
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        if "bias" in options:
            options["bias"] = options["bias"].astype(q.dtype)
        check(q, k, v, "bf16", target, lse_grad=name in WITH_LSE_GRAD, **options)


@pytest.mark.parametrize("name", BACKWARD_MASKS)
def test_masks_in_one_kernel(name: str, target: str) -> None:
    rng = np.random.default_rng(8)
    few = (Shape(2, 1, 2, 2, 257), Shape(1, 1, 1, 65, 127), Shape(2, 1, 2, 0, 5))
    for shape in BACKWARD_SHAPES + few:
        q, k, v = inputs(shape, rng, 128, 128, "f16")
        options = OPTIONS[name](shape, rng)
        check(q, k, v, "f16", target, lse_grad=True, **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["plain", "everything"])
def test_dtypes(dtype: str, name: str, target: str) -> None:
    rng = np.random.default_rng(2)
    shape = Shape(2, 1, 2, 130, 170)
    q, k, v = inputs(shape, rng, 80, 48, dtype)
    check(q, k, v, dtype, target, lse_grad=True, **OPTIONS[name](shape, rng))


@pytest.mark.parametrize(("head_dim", "value_dim", "dtype"), BACKWARD_DIMS)
def test_head_dims(head_dim: int, value_dim: int, dtype: str, target: str) -> None:
    rng = np.random.default_rng(3)
    for shape in (Shape(1, 2, 2, 140, 211), Shape(2, 1, 1, 64, 64)):
        q, k, v = inputs(shape, rng, head_dim, value_dim, dtype)
        check(q, k, v, dtype, target, causal=True)


@pytest.mark.parametrize("causal", [False, True, "top_left"])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_lengths(causal: Any, head_dim: int, target: str) -> None:
    rng = np.random.default_rng(4)
    for queries, keys in LENGTHS:
        shape = Shape(2, 1, 2, queries, keys)
        q, k, v = inputs(shape, rng, head_dim, head_dim, "bf16")
        check(q, k, v, "bf16", target, causal=causal)


@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window: Any, target: str) -> None:
    rng = np.random.default_rng(5)
    for queries, keys in WINDOW_LENGTHS:
        q, k, v = inputs(Shape(1, 2, 1, queries, keys), rng, 64, 64, "f16")
        check(q, k, v, "f16", target, window=window)
        check(q, k, v, "f16", target, window=window, causal=True)


@pytest.mark.parametrize(("heads", "key_heads"), HEADS)
def test_grouped_heads(heads: int, key_heads: int, target: str) -> None:
    rng = np.random.default_rng(6)
    shape = Shape(2, key_heads, heads // key_heads, 100, 130)
    q, k, v = inputs(shape, rng, 64, 64, "bf16")
    check(q, k, v, "bf16", target, causal=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, target: str) -> None:
    rng = np.random.default_rng(7)
    q, k, v = inputs(Shape(2, 2, 2, 100, 150), rng, 64, 64, "bf16")
    check(q, k, v, "bf16", target, layout, causal=True)


def test_prefix_past_the_queries(target: str) -> None:
    rng = np.random.default_rng(16)
    for queries, keys in ((5, 300), (100, 257)):
        q, k, v = inputs(Shape(1, 1, 2, queries, keys), rng, 64, 64, "bf16")
        check(q, k, v, "bf16", target, causal="top_left", prefix=np.array([200]))


@pytest.mark.parametrize("schedule", BACKWARD_SCHEDULES)
@pytest.mark.parametrize("name", ["causal", "window_both"])
def test_schedules(schedule: dict[str, int], name: str, target: str) -> None:
    rng = np.random.default_rng(19)
    for shape in (Shape(1, 2, 1, 300, 300), Shape(1, 2, 1, 33, 300)):
        q, k, v = inputs(shape, rng, 64, 64, "bf16")
        options = OPTIONS[name](shape, rng)
        check(q, k, v, "bf16", target, schedule=schedule, **options)


def test_rows_that_see_nothing(target: str) -> None:
    rng = np.random.default_rng(14)
    q, k, v = inputs(Shape(1, 1, 1, 200, 100), rng, 64, 64, "bf16")
    found = check(q, k, v, "bf16", target, causal=True, lse_grad=True)
    assert (found.query[:, :, :100] == 0).all()


def call_on(target: str) -> Any:
    """A call for captured_cases: all of it on the GPU."""

    def move(x: Any) -> Any:
        return place(x) if isinstance(x, np.ndarray) else x

    def call(
        g: Any, q: Any, k: Any, v: Any, names: tuple[str, ...], options: Any
    ) -> Any:
        moved = {name: move(x) for name, x in options.items()}
        if "score_mod" in options:
            function = options["score_mod"]
            table = place(function.table)
            moved["score_mod"] = captured_cases.score_mod(function.case, table)
        q, k, v = (place(x) for x in (q, k, v))
        out, lse = seqc.attention(q, k, v, return_lse=True, target=target, **moved)
        found = seqc.attention_backward(
            place(g), q, k, v, out, lse, gradients=names, target=target, **moved
        )
        torch.cuda.synchronize()
        host_of = {
            name: None if x is None else host(x)
            for name, x in found._asdict().items()
            if name != "score_mod"
        }
        tables = found.score_mod and {n: host(x) for n, x in found.score_mod.items()}
        return seqc.AttentionGradients(**host_of, score_mod=tables)

    return call


@pytest.mark.parametrize("full", captured_cases.BIASES)
def test_bias(full: tuple[bool, ...], target: str) -> None:
    for shape in (Shape(2, 2, 2, 150, 200), Shape(3, 1, 2, 40, 33)):
        captured_cases.check_bias(
            full, shape, "bf16", call_on(target), causal="top_left"
        )


@pytest.mark.parametrize("name", captured_cases.CASES)
def test_tables(name: str, target: str) -> None:
    case = captured_cases.CASES[name]
    for shape in (Shape(2, 2, 2, 150, 200), Shape(1, 1, 2, 70, 33)):
        captured_cases.check_table(case, shape, "bf16", call=call_on(target))
        captured_cases.check_table(
            case, shape, "f16", "f16", call=call_on(target), window=(40, 20)
        )


@pytest.mark.parametrize("by_batch", [False, True])
def test_slopes(by_batch: bool, target: str) -> None:
    for shape in (Shape(2, 2, 2, 150, 200), Shape(1, 1, 2, 300, 90)):
        captured_cases.check_slopes(
            shape, "bf16", by_batch, call_on(target), causal=True
        )


def test_captured_repeats_are_equal_bit_by_bit(target: str) -> None:
    shape = Shape(2, 2, 2, 300, 500)
    for full in ((False, True, False, False), (False, True, True, True)):
        runs = [
            captured_cases.check_bias(full, shape, "bf16", call_on(target)).bias
            for _ in range(10)
        ]
        for again in runs[1:]:
            assert torch.equal(runs[0], again)


# Through torch.


def operands(dtype: Any = None, *, keys: int = 200, head_dim: int = 64) -> list[Any]:
    torch.manual_seed(0)
    shapes = [(2, 4, 150, head_dim), (2, 2, keys, head_dim), (2, 2, keys, head_dim)]
    return [
        torch.randn(*shape, device="cuda", dtype=dtype or torch.bfloat16)
        .requires_grad_()
        for shape in shapes
    ]  # fmt: skip


def gradients_of(function: Any, tensors: list[Any]) -> list[Any]:
    return list(torch.autograd.grad(function(*tensors), tensors))


def eager(q: Any, k: Any, v: Any) -> Any:
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = q @ k.mT / q.shape[3] ** 0.5
    rows, columns = scores.shape[-2:]
    seen = torch.ones(rows, columns, dtype=torch.bool, device=q.device)
    seen = seen.tril(columns - rows)
    return scores.masked_fill(~seen, -float("inf")).softmax(-1) @ v


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("head_dim", [64, 128])
def test_no_worse_than_eager(dtype: str, head_dim: int, target: str) -> None:
    names = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
    tensors = operands(names[dtype], head_dim=head_dim)
    wide = [x.detach().double().requires_grad_() for x in tensors]
    direction = torch.randn(2, 4, 150, head_dim, device="cuda")

    def of(attend: Any, values: list[Any]) -> list[Any]:
        return gradients_of(
            lambda *x: (attend(*x) * direction.to(x[0].dtype)).sum(), values
        )

    ours = of(lambda *x: seqc.attention(*x, causal=True, target=target), tensors)
    theirs, exact = of(eager, tensors), of(eager, wide)
    for a, b, x in zip(ours, theirs, exact, strict=True):
        mine, other = ((y.double() - x).abs() for y in (a, b))
        floor = {"f16": 1e-4, "bf16": 1e-3, "f32": 1e-5}[dtype]
        assert mine.max() <= 2 * other.max() + floor
        assert mine.mean() <= 2 * other.mean() + floor / 10


@pytest.mark.parametrize("head_dim", [64, 128])
def test_repeats_are_equal_bit_by_bit(
    head_dim: int, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    tensors = operands(keys=1000, head_dim=head_dim)
    direction = torch.randn(2, 4, 150, head_dim, device="cuda")

    def function(*x: Any) -> Any:
        out = seqc.attention(*x, causal=True, target=target)
        return (out * direction).sum()

    first = gradients_of(function, tensors)
    for _ in range(50):
        for a, b in zip(first, gradients_of(function, tensors), strict=True):
            assert torch.equal(a, b)


def test_order_is_free_for_the_query_alone(target: str) -> None:
    """Blocks add to its gradient as they come; the others have one order."""
    q, k, v = (x.detach() for x in operands(keys=3000, head_dim=128))
    out, lse = seqc.attention(q, k, v, causal=True, return_lse=True, target=target)

    def run(deterministic: bool) -> Any:
        return seqc.attention_backward(
            torch.ones_like(out),
            q,
            k,
            v,
            out,
            lse,
            causal=True,
            deterministic=deterministic,
            target=target,
        )

    exact, runs = run(True), [run(False) for _ in range(10)]
    for again in runs:
        assert torch.equal(runs[0].key, again.key)
        assert torch.equal(runs[0].value, again.value)
        torch.testing.assert_close(again.query, exact.query, rtol=2e-2, atol=2e-2)


def test_expanded_gradients_and_outputs_used_twice(target: str) -> None:
    tensors = operands(torch.float16)

    def function(*x: Any) -> Any:
        out, lse = seqc.attention(*x, causal=True, return_lse=True, target=target)
        return out.sum() + (out * out).sum() + lse.sum()

    ours = gradients_of(function, tensors)
    q, k, v = (x.detach().cpu().numpy() for x in tensors)
    out, lse = reference.attention(q, k, v, causal=True)
    g = (1 + 2 * out).astype(np.float16)
    expected = reference.attention_backward(
        g, q, k, v, lse_grad=np.ones_like(lse, np.float32), causal=True
    )
    for a, name in zip(ours, ("query", "key", "value"), strict=True):
        bound = 2e-2 * np.maximum(1.0, np.abs(expected[name]))
        assert_close(as_f64(host(a)), expected[name], bound, name)


def test_compile_with_torch(target: str) -> None:
    def model(q: Any, k: Any, v: Any) -> Any:
        out = seqc.attention(q * 2, k, v, causal=True, target=target)
        return out.float().square().sum()

    tensors = operands()
    expected = gradients_of(model, tensors)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True)
    for a, b in zip(gradients_of(compiled, tensors), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-2)


def test_opcheck(target: str) -> None:
    import seqc.torch  # noqa: F401

    tensors = [x[:1, :2, :64] for x in operands()]
    tensors = [x.detach().contiguous().requires_grad_() for x in tensors]
    torch.library.opcheck(
        torch.ops.seqc.attention,
        tuple(tensors),
        {"causal": "bottom_right", "return_lse": True, "target": target},
    )


def test_memory_is_linear(target: str) -> None:
    """Nothing quadratic, in either direction."""
    torch.manual_seed(0)
    length = 32768
    tensors = [
        torch.randn(1, 4, length, 64, device="cuda", dtype=torch.bfloat16)
        .requires_grad_()
        for _ in range(3)
    ]  # fmt: skip
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    seqc.attention(*tensors, causal=True, target=target).sum().backward()
    torch.cuda.synchronize()
    # out, its gradient, and three gradients; lse and delta are small.
    assert torch.cuda.max_memory_allocated() - before <= 8 * tensors[0].nbytes


def test_memory_at_65536(target: str) -> None:
    """Forward and backward at 65,536 queries and keys, 16 heads of 128: beside operands
    and results, lse and delta, 4 bytes for each row."""
    length, heads, depth = 65536, 16, 128
    free, _ = torch.cuda.mem_get_info()
    each = 2 * length * heads * depth
    if free < 9 * each + 2**32:
        pytest.skip("needs 7 GiB")
    torch.manual_seed(0)
    tensors = [
        torch.randn(1, heads, length, depth, device="cuda", dtype=torch.bfloat16)
        .requires_grad_()
        for _ in range(3)
    ]  # fmt: skip
    gradient = torch.randn_like(tensors[0])
    # Kernels and what the first call keeps.
    small = [x.detach()[:, :, :128].clone().requires_grad_() for x in tensors]
    seqc.attention(*small, causal=True, target=target).sum().backward()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before, free = torch.cuda.memory_allocated(), torch.cuda.mem_get_info()[0]
    out = seqc.attention(*tensors, causal=True, target=target)
    found = torch.autograd.grad(out, tensors, gradient)
    # While kernels run, with what the runtime has for them; torch keeps its own.
    used = free - torch.cuda.mem_get_info()[0]
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - before
    results = out.nbytes + sum(x.nbytes for x in found)
    for extra in (peak - results, used - results):
        assert extra < 4 * 10**9
    assert peak - results <= 64 * 2**20
    for x in found:
        assert torch.isfinite(x).all()
