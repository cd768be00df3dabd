# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc's operators as torch's: schemas, fake kernels, torch.compile."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import seqc
from seqc import _places, _seqc

torch: Any = pytest.importorskip("torch")
pytest.importorskip("torch._dynamo")

import seqc.torch as layer  # noqa: E402


@pytest.fixture(autouse=True)
def fresh_dynamo() -> None:
    torch._dynamo.reset()


def operands(*shape: int, seed: int = 0, count: int = 3) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


TABLE = torch.linspace(-1, 1, 4 * 64).reshape(4, 64)


def relative(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return score + TABLE[h, seqc.clamp(i - j + 32, 0, 63)]


def far(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i - j) % 3 != 1


ATTENTION: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"causal": True, "scale": 0.2},
    "top_left": {"causal": "top_left", "return_lse": True},
    "window": {"window": (5, 2), "softcap": 2.0},
    "window_left": {"window": 7},
    "alibi": {"alibi_slopes": torch.rand(4), "causal": True},
    "bias": {"bias": torch.randn(1, 4, 33, 33)},
    "segments": {"segment_ids": torch.arange(66).reshape(2, 33) // 20},
    "prefix": {"causal": True, "prefix": torch.tensor([3, 9])},
    "prefix_length": {"causal": True, "prefix": 4},
    "sinks": {"sinks": torch.randn(4)},
    "dropout": {"dropout_p": 0.2, "seed": 7},
    "score_mod": {"score_mod": relative},
    "mask_mod": {"mask_mod": far, "return_lse": True},
    "schedule": {"schedule": {"tile_m": 8, "tile_n": 16}},
}


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def compare(function: Callable[..., Any], *args: Any, backend: str = "eager") -> None:
    expected = as_tuple(function(*args))
    compiled = torch.compile(function, backend=backend, fullgraph=True)
    actual = as_tuple(compiled(*args))
    assert len(actual) == len(expected)
    for x, y in zip(actual, expected, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_attention_compiles(name: str, backend: str) -> None:
    options = ATTENTION[name]
    compare(
        lambda q, k, v: seqc.attention(q * 2, k, v, **options),
        *operands(2, 4, 33, 16),
        backend=backend,
    )


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_operator(name: str) -> None:
    """The function of the layer and the one of seqc agree."""
    q, k, v = operands(2, 4, 33, 16)
    expected = as_tuple(seqc.attention(q, k, v, **ATTENTION[name]))
    actual = as_tuple(layer.attention(q, k, v, **ATTENTION[name]))
    for x, y in zip(actual, expected, strict=True):
        assert torch.equal(x, y)


def test_attention_opcheck() -> None:
    q, k, v = operands(2, 4, 33, 16)
    ids = torch.zeros(2, 33, dtype=torch.int32)
    wide = torch.randn(2, 33, 4, 16).transpose(1, 2)
    samples: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((q, k, v), {}),
        ((q, k, v), {"causal": "bottom_right", "return_lse": True}),
        ((wide, k, v), {"window_left": 5, "softcap": 3.0}),
        ((q, k, v, torch.randn(1, 4, 33, 33), torch.rand(4), ids, ids), {}),
        ((q, k, v, None, None, None, None, None, torch.rand(4)), {"scale": 0.5}),
    ]
    for args, kwargs in samples:
        torch.library.opcheck(torch.ops.seqc.attention, args, kwargs)


def cache(page_size: int = 16) -> tuple[Any, ...]:
    """A query, pages of keys and of values, a table, and lengths."""
    (q,) = operands(2, 4, 1, 16, count=1)
    k, v = operands(7, 2, page_size, 16, seed=1, count=2)
    table = torch.tensor([[3, 0, 5], [1, 6, 2]], dtype=torch.int32)
    return q, k, v, table, torch.tensor([35, 17], dtype=torch.int32)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_cached_attention_compiles(backend: str) -> None:
    def step(q: Any, k: Any, v: Any, table: Any, lengths: Any) -> Any:
        return seqc.attention(
            q * 2, k, v, block_table=table, key_lengths=lengths, causal=True
        )

    def without(q: Any, k: Any, v: Any) -> Any:
        return seqc.attention(q * 2, k, v, key_lengths=9, return_lse=True)

    compare(step, *cache(), backend=backend)
    compare(without, *operands(2, 4, 33, 16), backend=backend)


def test_cached_attention_opcheck() -> None:
    q, k, v, table, lengths = cache()
    samples: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((q, k, v, table, lengths), {"causal": "bottom_right", "return_lse": True}),
        ((q, k, v, table), {"softcap": 3.0}),
        ((q, *operands(2, 4, 33, 16, count=2)), {"key_length": 9}),
    ]
    for args, kwargs in samples:
        torch.library.opcheck(torch.ops.seqc.cached_attention, args, kwargs)


def test_cached_attention_has_no_gradients() -> None:
    q, k, v, table, lengths = cache()
    q.requires_grad_()
    message = "query: requires grad, but attention with block_table or key_lengths"
    with pytest.raises(TypeError, match=message):
        seqc.attention(q, k, v, block_table=table)
    with pytest.raises(TypeError, match=message):
        seqc.attention(q, *operands(2, 4, 33, 16, count=2), key_lengths=lengths)
    with torch.no_grad():
        seqc.attention(q, k, v, block_table=table, key_lengths=lengths)


def scan_operands(length: int = 20) -> dict[str, Any]:
    u, delta, z = operands(2, 6, length)
    (B, C) = operands(2, 4, length, seed=1, count=2)
    (A,) = operands(6, 4, seed=2, count=1)
    return {
        "u": u,
        "delta": delta,
        "A": -A.abs(),
        "B": B,
        "C": C,
        "D": torch.rand(6),
        "z": z,
        "delta_bias": torch.rand(6),
        "delta_softplus": True,
        "initial_state": torch.randn(2, 6, 4),
    }


@pytest.mark.parametrize("state", [False, True])
def test_scan_compiles(state: bool) -> None:
    arguments = scan_operands()

    def function(u: Any) -> Any:
        call: Any = seqc.selective_scan
        return call(**{**arguments, "u": u * 2}, return_final_state=state)

    compare(function, arguments["u"], backend="aot_eager")


def test_scan_opcheck() -> None:
    arguments = scan_operands()
    plain = [arguments[name] for name in ("u", "delta", "A", "B", "C")]
    torch.library.opcheck(torch.ops.seqc.selective_scan, plain)
    torch.library.opcheck(torch.ops.seqc.selective_scan, (*arguments.values(), True))


@pytest.mark.parametrize("state", [False, True])
def test_conv_compiles(state: bool) -> None:
    (x,) = operands(2, 6, 20, count=1)
    weight, bias, before = torch.randn(6, 4), torch.randn(6), torch.randn(2, 6, 3)

    def function(x: Any) -> Any:
        return seqc.causal_conv1d(
            x, weight, bias, "silu", before, return_final_state=state
        )

    compare(function, x, backend="aot_eager")
    torch.library.opcheck(
        torch.ops.seqc.causal_conv1d, (x, weight, bias, "silu", before, state)
    )


@pytest.mark.skipif(
    not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++"))),
    reason="torch's inductor needs g++",
)
def test_inductor() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        out, lse = seqc.attention(q + 1, k, v, causal=True, return_lse=True)
        return torch.nn.functional.silu(out) * lse[..., None]

    compare(function, *operands(2, 4, 33, 16), backend="inductor")


def test_dynamic_shapes() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        return seqc.attention(q, k, v, causal=True, score_mod=relative)

    frames = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(function, backend=frames, fullgraph=True, dynamic=True)
    for length in (20, 33, 47, 64):
        q, k, v = operands(2, 4, length, 16, seed=length)
        torch.testing.assert_close(compiled(q, k, v), function(q, k, v))
    assert frames.frame_count <= 2


def test_functions_made_inside() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        return seqc.attention(q, k, v, score_mod=lambda s, b, h, i, j: s * 0.5)

    compare(function, *operands(1, 2, 20, 8))


def test_other_functions_are_other_graphs() -> None:
    def function(q: Any, k: Any, v: Any, mod: Any) -> Any:
        return seqc.attention(q, k, v, score_mod=mod)

    def half(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s * 0.5

    def double(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s * 2

    compiled = torch.compile(function, backend="eager", fullgraph=True)
    q, k, v = operands(1, 2, 20, 8)
    for mod in (half, double, half):
        assert torch.equal(compiled(q, k, v, mod), function(q, k, v, mod))


def test_modules_compile() -> None:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.Linear(32, 96)
            self.slopes = torch.nn.Parameter(torch.rand(4))

        def forward(self, x: Any) -> Any:
            parts = self.project(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
            out = seqc.attention(*parts, causal=True, alibi_slopes=self.slopes)
            return out.transpose(1, 2).flatten(2)

    block = Block().eval()
    with torch.no_grad():
        compare(block, torch.randn(2, 25, 32), backend="aot_eager")


def test_fake_tensors() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        q = torch.empty(2, 4, 10, 16, dtype=torch.bfloat16)
        v = torch.empty(2, 2, 10, 24, dtype=torch.bfloat16)
        out, lse = seqc.attention(q, v[..., :16], v, return_lse=True)
    assert out.shape == (2, 4, 10, 24) and out.dtype == torch.bfloat16
    assert lse.shape == (2, 4, 10) and lse.dtype == torch.float32


def test_meta_tensors() -> None:
    q = torch.empty(2, 4, 10, 16, device="meta")
    out, lse = torch.ops.seqc.attention(q, q, q)
    assert out.shape == q.shape and lse.shape == (0,)


def test_export() -> None:
    class Model(torch.nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return seqc.attention(q, k, v, causal=True)

    q, k, v = operands(1, 2, 20, 8)
    program = torch.export.export(Model(), (q, k, v))
    assert "seqc.attention" in str(program.graph)
    assert torch.equal(program.module()(q, k, v), Model()(q, k, v))


# Gradients.


def test_second_derivatives_say_that_they_are_missing() -> None:
    arguments: Any = operands(1, 2, 5, 8)
    query = arguments[0].requires_grad_()
    out = layer.attention(*arguments)
    (gradient,) = torch.autograd.grad(out.sum(), query, create_graph=True)
    with (
        warnings.catch_warnings(),
        pytest.raises(
            NotImplementedError, match=r"backward of seqc.attention_backward is not"
        ),
    ):
        warnings.simplefilter("ignore")
        gradient.sum().backward()
    with torch.no_grad():
        assert not layer.attention(*arguments).requires_grad


# The short way of calls on GPUs, on programs for the CPU.

STATIC = """
func.func @add(%x: tensor<2x3xf32> {seqc.name = "x"}, %y: tensor<2x3xf32>)
    -> tensor<2x3xf32> {
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.add ins(%x, %y : tensor<2x3xf32>, tensor<2x3xf32>)
      outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}
"""


@pytest.fixture
def dispatcher() -> _seqc.Dispatcher:
    fast = _places._Fast()
    fast.prepare(torch, device_type=1)
    if fast.dispatcher is None:
        pytest.skip("this torch has no DLPack exchange table")
    program = _seqc.load(_seqc.compile(STATIC, _seqc.Options()), "cpu")
    function = _seqc.Function(program, "add")
    signature = json.loads(function.signature)
    arguments: Any = [(p["dtype"], tuple(p["shape"])) for p in signature["arguments"]]
    fast.dispatcher.add("add", arguments, function, None, ["f32"], 0)
    return fast.dispatcher


def test_dispatcher_calls(dispatcher: _seqc.Dispatcher) -> None:
    x, y = operands(2, 3, count=2)
    for _ in range(3):
        out = dispatcher.call("add", (x, y))
        assert type(out) is torch.Tensor
        assert torch.equal(out, x + y)
    wide = torch.randn(3, 2).T
    assert torch.equal(dispatcher.call("add", (x, wide)), x + wide)
    parameter = torch.nn.Parameter(x, requires_grad=False)
    assert torch.equal(dispatcher.call("add", (parameter, y)), x + y)


def test_dispatcher_leaves_the_unusual(dispatcher: _seqc.Dispatcher) -> None:
    class Mine(torch.Tensor):
        pass

    x, y = operands(2, 3, count=2)
    unusual: list[tuple[Any, ...]] = [
        (x,),
        (x, y, y),
        (x, 3),
        (x, None),
        (x, y.double()),
        (x, y[:, :2]),
        (x, y[None]),
        (x, y.numpy()),
        (x, y.as_subclass(Mine)),
        (x, torch.empty(2, 3, device="meta")),
        (x, torch.complex(x, y).conj().imag),
        (x, y.clone().requires_grad_()),
        (x.to_sparse(), y),
    ]
    for arguments in unusual:
        assert dispatcher.call("add", arguments) is None
    assert dispatcher.call("other", (x, y)) is None
    assert dispatcher.call(["unhashable"], (x, y)) is None
    with torch.no_grad():
        assert dispatcher.call("add", (x, y.clone().requires_grad_())) is not None
    dispatcher.clear()
    assert dispatcher.call("add", (x, y)) is None
