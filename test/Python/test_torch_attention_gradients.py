# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients of attention through torch."""

from __future__ import annotations

from typing import Any

import pytest
import seqc

torch: Any = pytest.importorskip("torch")
testing: Any = pytest.importorskip("torch._dynamo.testing")

import seqc.torch as layer  # noqa: E402, F401


@pytest.fixture(autouse=True)
def fresh_dynamo() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def leaf(*shape: int, dtype: Any = None) -> Any:
    return torch.randn(shape, dtype=dtype or torch.float64).requires_grad_()


def bent(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return seqc.where((i + h) % 3 == 0, seqc.sin(score), 0.5 * score * score)


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal_softcap": {"causal": True, "softcap": 2.0},
    "window_dropout": {"window": (2, 1), "dropout_p": 0.3, "seed": 5},
    "score_mod": {"score_mod": bent, "causal": "top_left", "prefix": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_gradcheck(name: str) -> None:
    q, k, v = leaf(2, 4, 5, 4), leaf(2, 2, 6, 4), leaf(2, 2, 6, 3)
    options = OPTIONS[name]

    def function(*values: Any) -> Any:
        return seqc.attention(*values, **options)

    assert torch.autograd.gradcheck(function, (q, k, v))


def test_gradcheck_of_every_operand() -> None:
    """Bias and sinks too, and lse as a result that has a gradient."""
    q, k, v = leaf(2, 4, 5, 4), leaf(2, 2, 6, 4), leaf(2, 2, 6, 3)
    bias, sinks = leaf(1, 4, 5, 1), leaf(4)

    def function(q: Any, k: Any, v: Any, bias: Any, sinks: Any) -> Any:
        return seqc.attention(
            q, k, v, bias=bias, sinks=sinks, causal=True, return_lse=True
        )

    assert torch.autograd.gradcheck(function, (q, k, v, bias, sinks))


def test_only_some_operands() -> None:
    q, k, v = leaf(1, 2, 5, 4), leaf(1, 2, 6, 4), leaf(1, 2, 6, 3)
    seqc.attention(q.detach(), k, v.detach()).sum().backward()
    assert q.grad is None
    assert v.grad is None
    only = k.grad.clone()
    k.grad = None
    seqc.attention(q, k, v).sum().backward()
    torch.testing.assert_close(only, k.grad)


def formula(q: Any, k: Any, v: Any) -> Any:
    s = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    s = s.masked_fill(torch.ones(s.shape[-2:]).triu(1).bool(), -torch.inf)
    return torch.softmax(s, -1) @ v


def test_outputs_used_twice_and_strides() -> None:
    """Sums of uses; operands and gradients that are not contiguous."""
    q, k, v = (leaf(2, 20, 3, 8, dtype=torch.float32) for _ in range(3))
    weight = torch.randn(2, 3, 8, 20).transpose(2, 3)

    def gradients(function: Any) -> list[Any]:
        for x in (q, k, v):
            x.grad = None
        out = function(*(x.transpose(1, 2) for x in (q, k, v)))
        ((out * weight).sum() + (out**2).sum()).backward()
        return [x.grad for x in (q, k, v)]

    ours = gradients(lambda q, k, v: seqc.attention(q, k, v, causal=True))
    for mine, exact in zip(ours, gradients(formula), strict=True):
        torch.testing.assert_close(mine, exact, rtol=1e-4, atol=1e-5)


def test_no_grad_is_plain() -> None:
    q = leaf(1, 2, 5, 4)
    with torch.no_grad():
        out = seqc.attention(q, q, q)
    assert not out.requires_grad
    assert seqc.attention(q, q, q).requires_grad


def test_opcheck() -> None:
    q, k, v = leaf(2, 4, 5, 4), leaf(2, 2, 6, 4), leaf(2, 2, 6, 3)
    bias, sinks = leaf(1, 4, 5, 1), leaf(4)
    attention = torch.ops.seqc.attention
    torch.library.opcheck(attention, (q, k, v))
    everything = (q, k, v, bias, leaf(4), None, None, None, sinks)
    torch.library.opcheck(
        attention, everything, {"causal": "bottom_right", "return_lse": True}
    )
    out, lse = (x.detach() for x in attention(q, k, v, return_lse=True))
    torch.library.opcheck(
        torch.ops.seqc.attention_backward,
        (out, lse, *(x.detach() for x in (q, k, v)), out, lse),
        {"gradients": "key value"},
    )


def test_compile_breaks_no_graph() -> None:
    """One graph, at most one more for dynamic lengths, and the gradients of eager."""
    counter = testing.CompileCounterWithBackend("aot_eager")

    def loss(q: Any, k: Any, v: Any) -> Any:
        out = seqc.attention(q * 2.0, k, v, causal=True, score_mod=bent)
        return (out**2).sum()

    compiled = torch.compile(loss, backend=counter, fullgraph=True, dynamic=True)
    for length in (6, 9, 31):
        tensors = [leaf(2, 2, length, 4) for _ in range(3)]
        compiled(*tensors).backward()
        found = [x.grad.clone() for x in tensors]
        for x in tensors:
            x.grad = None
        loss(*tensors).backward()
        for mine, eager in zip(found, tensors, strict=True):
            torch.testing.assert_close(mine, eager.grad)
    assert counter.frame_count <= 2


def test_gradcheck_of_slopes_and_tables() -> None:
    """What changes scores is learned: slopes, and tensors that score_mod captures,
    alone and beside the other operands."""
    q, k, v = leaf(1, 2, 3, 2), leaf(1, 1, 4, 2), leaf(1, 1, 4, 2)
    slopes, scales, table, sinks = leaf(2), leaf(1, 2), leaf(3, 2), leaf(2)

    def function(*operands: Any) -> Any:
        q, k, v, slopes, scales, table, sinks = operands
        wide = scales.exp()

        def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return score * wide[b, h] + seqc.tanh(table[i, h]) * j

        return seqc.attention(
            q,
            k,
            v,
            alibi_slopes=slopes,
            score_mod=score_mod,
            sinks=sinks,
            causal=True,
            return_lse=True,
        )

    everything = (q, k, v, slopes, scales, table, sinks)
    assert torch.autograd.gradcheck(function, everything)
    fixed = [x.detach() for x in (q, k, v)]
    seqc.attention(*fixed, alibi_slopes=slopes).sum().backward()
    assert slopes.grad is not None
    slopes.grad = None
    rest = (slopes.detach(), scales, table, sinks.detach())
    function(*fixed, *rest)[0].sum().backward()
    assert scales.grad is not None
    assert slopes.grad is None


def test_numbers_that_score_mod_captures_are_learned() -> None:
    q, temperature = leaf(1, 2, 5, 4), leaf()

    def function(q: Any, temperature: Any) -> Any:
        return seqc.attention(
            q, q, q, score_mod=lambda score, b, h, i, j: score * temperature
        )

    assert torch.autograd.gradcheck(function, (q, temperature))


def test_what_has_no_gradient_says_so() -> None:
    q, table = leaf(1, 2, 5, 4), leaf(9)

    def relative(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score + table[i - j + 4]

    with pytest.raises(NotImplementedError, match="table: has no gradient, as an"):
        seqc.attention(q, q, q, score_mod=relative).sum().backward()
    slopes = leaf(2)

    def of_heads(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score + slopes[h] * j

    def model(q: Any) -> Any:
        return seqc.attention(q, q, q, score_mod=of_heads).sum()

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with pytest.raises(NotImplementedError, match="slopes: requires grad"):
        compiled(q).backward()


def test_training_step_lowers_the_loss() -> None:
    """A layer with attention learns to copy the first position."""
    project = torch.nn.Linear(16, 48)
    optimizer = torch.optim.Adam(project.parameters(), 0.02)
    x = torch.randn(4, 12, 16)
    target = x[:, :1].expand(-1, 12, -1)
    losses = []
    for _ in range(40):
        parts = project(x).view(4, 12, 3, 2, 8).permute(2, 0, 3, 1, 4)
        out = seqc.attention(*parts, causal=True).transpose(1, 2).reshape(4, 12, 16)
        loss = ((out - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
