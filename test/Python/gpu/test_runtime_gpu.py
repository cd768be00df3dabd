# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Streams, graphs, devices and array libraries on a GPU."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import Any

import captured_cases
import numpy as np
import pytest
import seqc
from gpu_testing import torch
from seqc import _attention, _places, _text
from seqc_testing import as_f64, assert_close
from test_attention import Shape


def operands(
    *shape: int, dtype: Any = None, device: str = "cuda", seed: int = 0
) -> tuple[Any, Any, Any]:
    generator = torch.Generator(device).manual_seed(seed)
    dtype = dtype or torch.bfloat16
    shape = shape or (2, 4, 200, 64)
    q, k, v = (
        torch.randn(shape, generator=generator, dtype=dtype, device=device)
        for _ in range(3)
    )
    return q, k, v


def close(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=2e-2, atol=2e-2)


def theirs(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(q.float(), k.float(), v.float(), is_causal=causal).to(q.dtype)


# Streams.


def test_works_in_the_current_stream(target: str) -> None:
    q, k, v = operands()
    expected = seqc.attention(q, k, v, target=target)
    empty = torch.zeros_like(q)
    stream = torch.cuda.Stream()
    for _ in range(3):  # The third goes the short way.
        late = empty.clone()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            late.copy_(q)
            out = seqc.attention(late, k, v, target=target)
        stream.synchronize()
        assert torch.equal(out, expected)


def test_does_not_wait(target: str) -> None:
    q, k, v = operands()
    for _ in range(3):
        seqc.attention(q, k, v, target=target)
    torch.cuda.synchronize()
    torch.cuda._sleep(400_000_000)  # About 0.2 s.
    start = time.perf_counter()
    seqc.attention(q, k, v, target=target)
    seconds = time.perf_counter() - start
    torch.cuda.synchronize()
    assert seconds < 0.1


def test_many_threads_and_streams(target: str) -> None:
    cases = [operands(1, 2, 100 + 10 * n, 64, seed=n) for n in range(6)]
    expected = [seqc.attention(*case, target=target) for case in cases]
    torch.cuda.synchronize()
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(50):
                out = seqc.attention(*cases[number], target=target)
                torch.cuda.current_stream().synchronize()
                if not torch.equal(out, expected[number]):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Graphs.


def test_graph_capture(target: str) -> None:
    q, k, v = operands()
    for _ in range(3):
        seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out, lse = seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
    for seed in (1, 2):
        for to, value in zip((q, k, v), operands(seed=seed), strict=True):
            to.copy_(value)
        graph.replay()
        torch.cuda.synchronize()
        want = seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
        assert torch.equal(out, want[0]) and torch.equal(lse, want[1])


def test_first_call_in_a_capture(target: str) -> None:
    """Even compiling and loading the code does not break it."""
    q, k, v = operands(1, 2, 64, 64)
    expected = seqc.attention(q, k, v, scale=0.3, target=target)
    torch.cuda.synchronize()
    seqc.clear_cache()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = seqc.attention(q, k, v, scale=0.3, target=target)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(out, expected)


# torch.


def test_short_way_gives_the_same(target: str) -> None:
    q, k, v = operands()
    outs = [
        seqc.attention(q, k, v, causal=True, return_lse=True, target=target)
        for _ in range(4)
    ]
    assert _places.fast.dispatcher is not None
    for out, lse in outs[1:]:
        assert torch.equal(out, outs[0][0]) and torch.equal(lse, outs[0][1])
    # Other sizes, head sizes, dtypes and alignments under the same options.
    for dtype in (torch.bfloat16, torch.float16):
        for dim in (64, 128):
            for length in (200, 77):
                for _ in range(3):
                    x = operands(2, 4, length, dim, dtype=dtype)
                    close(seqc.attention(*x, causal=True, target=target),
                          theirs(*x, causal=True))  # fmt: skip
                    odd = [torch.nn.functional.pad(y, (1, 0))[..., 1:] for y in x]
                    close(seqc.attention(*odd, causal=True, target=target),
                          theirs(*x, causal=True))  # fmt: skip


def test_time_of_a_call(target: str) -> None:
    """What the host does must not hold a GPU up."""
    q, k, v = operands(1, 1, 64, 64)
    for _ in range(10):
        seqc.attention(q, k, v, causal=True, target=target)
    torch.cuda.synchronize()
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(20):
            seqc.attention(q, k, v, causal=True, target=target)
        best = min(best, (time.perf_counter() - start) / 20)
        torch.cuda.synchronize()
    print(f"{best * 1e6:.1f} us a call")
    assert best < 60e-6


def test_gradient_of_bias(target: str) -> None:
    q, k, v = operands()
    bias = torch.randn(1, 4, q.shape[2], k.shape[2], device="cuda", requires_grad=True)
    g = torch.randn_like(q)
    numbers = [as_f64(x.cpu()) for x in (g, q, k, v)]
    shape = Shape(2, 4, 1, q.shape[2], k.shape[2])
    pairs = captured_cases.pairs_of(shape, *numbers, bias=bias.detach().cpu().numpy())
    expected, size = (x.sum(0, keepdims=True) for x in (pairs.gradient, pairs.size))
    bound = captured_cases.GRADIENT["bf16"] * np.maximum(1.0, size)
    for _ in range(3):  # The third goes the short way.
        bias.grad = None
        seqc.attention(q, k, v, bias=bias, target=target).backward(g)
        assert_close(bias.grad.cpu(), expected, bound, "bias")
        with torch.no_grad():
            out = seqc.attention(q, k, v, bias=bias, target=target)
            assert not out.requires_grad


def test_results_are_torchs(target: str) -> None:
    """Freed memory is torch's to use again."""
    q, k, v = operands(4, 8, 1024, 64)
    seqc.attention(q, k, v, target=target)
    torch.cuda.synchronize()
    before = torch.cuda.memory_reserved()
    for _ in range(50):
        seqc.attention(q, k, v, target=target)
    torch.cuda.synchronize()
    assert torch.cuda.memory_reserved() <= before + 2 * q.nbytes


def test_compile_with_torch(target: str) -> None:
    q, k, v = operands()
    table = torch.randn(4, device="cuda")

    def score_mod(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s + table[h]

    def model(q: Any, k: Any, v: Any) -> Any:
        out, lse = seqc.attention(
            q * 2,
            k,
            v,
            causal=True,
            score_mod=score_mod,
            return_lse=True,
            target=target,
        )
        return out * lse[..., None].to(out.dtype)

    expected = model(q, k, v)
    for mode in ("default", "reduce-overhead"):
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, mode=mode)
        for _ in range(3):
            close(compiled(q, k, v).clone(), expected)


def test_opcheck(target: str) -> None:
    import seqc.torch  # noqa: F401

    q, k, v = operands(1, 2, 64, 64)
    torch.library.opcheck(
        torch.ops.seqc.attention,
        (q, k, v),
        {"causal": "bottom_right", "return_lse": True, "target": target},
    )


# Devices.


def test_several_devices(target: str) -> None:
    count = torch.cuda.device_count()
    if count < 2:
        pytest.skip("needs two GPUs")
    first = operands(device="cuda:0")
    second = [x.to("cuda:1") for x in first]
    for _ in range(4):
        a = seqc.attention(*first, target=target)
        b = seqc.attention(*second, target=target)
        assert b.device == second[0].device
        assert torch.equal(a.cpu(), b.cpu())
    with torch.cuda.device(1):
        assert torch.equal(seqc.attention(*first, target=target), a)
    with pytest.raises(TypeError, match="key: is on CUDA device 1, expected CUDA"):
        seqc.attention(first[0], second[1], first[2], target=target)


def test_memory_of_the_host_is_refused(target: str) -> None:
    q, k, v = operands()
    with pytest.raises(TypeError, match="key: is in host memory, expected CUDA"):
        seqc.attention(q, k.cpu(), v, target=target)
    with pytest.raises(TypeError, match="key: is on CUDA device 0, expected host"):
        seqc.attention(q.cpu(), k, v)


def test_wrong_targets() -> None:
    q, k, v = operands()
    with pytest.raises(ValueError, match="target: got 'cpu', expected one of"):
        seqc.attention(q, k, v, target="cpu")
    with pytest.raises(ValueError, match="target: got 'sm_80', expected 'cpu'"):
        seqc.attention(q.cpu(), k.cpu(), v.cpu(), target="sm_80")


def test_default_target() -> None:
    q, k, v = operands()
    close(seqc.attention(q, k, v), theirs(q, k, v))


# Programs.


def attention_source() -> str:
    key = _attention.AttentionKey(
        "bf16", 64, 64, None, _text.Masking(), None, False, False, False, 0.0,
        _text.Regions(), (), False, True, (),
    )  # fmt: skip
    return _attention.attention_text(key)


def test_programs(target: str, tmp_path: Path) -> None:
    q, k, v = operands()
    program = seqc.compile(attention_source(), target, perf_errors=False)
    assert program.target == target
    out, lse = program(q, k, v)
    assert out.is_cuda and lse.is_cuda
    close(out, theirs(q, k, v))
    program.save(tmp_path / "f.seqc")
    again, _ = seqc.load(tmp_path / "f.seqc")(q, k, v)
    assert torch.equal(out, again)
    with pytest.raises(seqc.SeqcArgumentError, match="only CUDA memory"):
        program(q.cpu(), k, v)
    odd = [torch.nn.functional.pad(x, (1, 0))[..., 1:] for x in (q, k, v)]
    with pytest.raises(seqc.SeqcArgumentError, match="16 bytes"):
        program(*odd)
    free = seqc.compile(attention_source(), target, aligned=False, perf_errors=False)
    close(free(*odd)[0], theirs(q, k, v))


def test_programs_for_several_targets() -> None:
    program = seqc.compile(attention_source(), "sm_90a,sm_80,cpu", perf_errors=False)
    major = torch.cuda.get_device_capability()
    assert program.target == ("sm_90a" if major == (9, 0) else "sm_80")
    host_program = seqc.load(program.to_bytes(), "cpu")
    q, k, v = operands()
    close(host_program(q.cpu(), k.cpu(), v.cpu())[0], theirs(q, k, v).cpu())


# Other libraries.


def test_cupy(target: str) -> None:
    cupy = pytest.importorskip("cupy")
    arrays = [cupy.from_dlpack(x) for x in operands(dtype=torch.float16)]
    want = theirs(*operands(dtype=torch.float16))
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        scaled = [x * 1 for x in arrays]
        out, lse = seqc.attention(*scaled, return_lse=True, target=target)
        assert isinstance(out, cupy.ndarray) and isinstance(lse, cupy.ndarray)
        doubled = out * 2
    stream.synchronize()
    close(torch.from_dlpack(doubled), want * 2)
    with_host_arrays = seqc.attention(
        *arrays, sinks=np.zeros(4), prefix=3, causal=True, target=target
    )
    assert isinstance(with_host_arrays, cupy.ndarray)


def test_jax(target: str) -> None:
    jax = pytest.importorskip("jax")
    if not any(d.platform in ("gpu", "cuda") for d in jax.devices()):
        pytest.skip("this jax has no GPU")
    q, k, v = (jax.dlpack.from_dlpack(x) for x in operands())
    want = theirs(*operands())
    for _ in range(5):
        # Computed and consumed by jax, without waiting in between.
        fresh = [x + 0 for x in (q, k, v)]
        out, lse = seqc.attention(*fresh, return_lse=True, target=target)
        assert isinstance(out, jax.Array) and isinstance(lse, jax.Array)
        del fresh
        doubled = out * 2
        del out, lse
        gc.collect()
        close(torch.from_dlpack(doubled), want * 2)


def test_cuda_array_interface(target: str) -> None:
    class Interface:
        def __init__(self, tensor: Any) -> None:
            self.tensor = tensor

        @property
        def __cuda_array_interface__(self) -> Any:
            return self.tensor.__cuda_array_interface__

    q, k, v = operands(dtype=torch.float16)
    torch.cuda.synchronize()
    out = seqc.attention(Interface(q), Interface(k), Interface(v), target=target)
    close(torch.from_dlpack(out), theirs(q, k, v))
    close(torch.as_tensor(out, device="cuda"), theirs(q, k, v))


def test_kinds_may_be_mixed(target: str) -> None:
    cupy = pytest.importorskip("cupy")
    q, k, v = operands(dtype=torch.float16)
    torch.cuda.synchronize()
    out = seqc.attention(q, cupy.from_dlpack(k), v, target=target)
    assert isinstance(out, torch.Tensor)
    close(out, theirs(q, k, v))
