# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Different ways to the same attention."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import seqc
from hypothesis import given
from hypothesis import strategies as st
from seqc import _program
from seqc_testing import Array, assert_close, attention_bound, lse_bound, random

OPTIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "causal": {"causal": True},
    "window": {"causal": True, "window": 20},
    "score": {"score_mod": lambda s, b, h, q, k: s + 0.01 * (q - k)},
}


def inputs(
    seed: int = 0, batch: int = 2, heads: int = 4, queries: int = 70, keys: int = 150
) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return (
        random(rng, (batch, heads, queries, 32), "f32"),
        random(rng, (batch, heads // 2, keys, 32), "f32"),
        random(rng, (batch, heads // 2, keys, 16), "f32"),
    )


def assert_same(ours: Any, theirs: Any, value: Array) -> None:
    """Two (out, lse), each within the bound of the true one."""
    bound = attention_bound("f32", value, heads=theirs[0].shape[1])
    assert_close(ours[0], theirs[0], 2 * bound)
    assert_close(ours[1], theirs[1], 2 * lse_bound("f32", theirs[1]), "lse")


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "schedule",
    [
        {"tile_m": 1, "tile_n": 16},
        {"tile_m": 7, "tile_n": 13},
        {"tile_m": 128, "tile_n": 256},
        {"splits": 2},
        {"splits": 5, "tile_n": 16},
    ],
    ids=str,
)
def test_schedules(name: str, schedule: dict[str, int]) -> None:
    q, k, v = inputs()
    plain = seqc.attention(q, k, v, return_lse=True, **OPTIONS[name])
    tiled = seqc.attention(q, k, v, return_lse=True, schedule=schedule, **OPTIONS[name])
    assert_same(tiled, plain, v)


@given(at=st.integers(0, 150), seed=st.integers(0, 1000))
def test_keys_in_two_parts(at: int, seed: int) -> None:
    """Parts merge by their lse, as Flash-Decoding does."""
    q, k, v = inputs(seed)
    whole = seqc.attention(q, k, v, return_lse=True)
    parts = [
        seqc.attention(q, k[:, :, part], v[:, :, part], return_lse=True)
        for part in (slice(None, at), slice(at, None))
    ]
    lse = np.logaddexp(parts[0][1], parts[1][1])
    out = sum(
        np.exp(part_lse - lse)[..., None] * part_out for part_out, part_lse in parts
    )
    assert_same((out, lse), whole, v)


@given(seed=st.integers(0, 1000))
def test_order_of_keys(seed: int) -> None:
    q, k, v = inputs(seed)
    order = np.random.default_rng(seed).permutation(k.shape[2])
    whole = seqc.attention(q, k, v, return_lse=True)
    moved = seqc.attention(q, k[:, :, order], v[:, :, order], return_lse=True)
    assert_same(moved, whole, v)


@pytest.mark.parametrize("name", OPTIONS)
def test_batches_and_heads_are_independent(name: str) -> None:
    """Bit by bit: what else is in the batch does not matter."""
    q, k, v = inputs()
    options = OPTIONS[name]
    whole = seqc.attention(q, k, v, **options)
    one = seqc.attention(q[1:], k[1:], v[1:], **options)
    np.testing.assert_array_equal(one, whole[1:])
    heads = seqc.attention(q[:, 2:], k[:, 1:], v[:, 1:], **options)
    np.testing.assert_array_equal(heads, whole[:, 2:])


@pytest.mark.parametrize("name", ["full", "score"])
def test_more_keys_that_are_hidden(name: str) -> None:
    """A key that a mask hides might as well not be there."""
    q, k, v = inputs()
    rng = np.random.default_rng(9)
    more_k = np.concatenate([k, random(rng, (2, 2, 40, 32), "f32")], axis=2)
    more_v = np.concatenate([v, random(rng, (2, 2, 40, 16), "f32")], axis=2)
    options = OPTIONS[name]
    plain = seqc.attention(q, k, v, return_lse=True, **options)
    masked = seqc.attention(
        q, more_k, more_v, return_lse=True, mask_mod=lambda b, h, i, j: j < 150,
        **options,
    )  # fmt: skip
    assert_same(masked, plain, v)


@pytest.mark.parametrize(
    ("structured", "mask_mod"),
    [
        ({"causal": True}, lambda b, h, i, j: j <= i + 80),
        ({"causal": "top_left"}, lambda b, h, i, j: j <= i),
        ({"window": (10, 5)}, lambda b, h, i, j: abs(j - (i + 80) + 2.5) <= 7.5),
        (
            {"causal": True, "window": 10, "prefix": 4},
            lambda b, h, i, j: ((j <= i + 80) & (j >= i + 70)) | (j < 4),
        ),
    ],
)
def test_structured_masks_as_functions(
    structured: dict[str, Any], mask_mod: Any
) -> None:
    q, k, v = inputs()
    by_name = seqc.attention(q, k, v, return_lse=True, **structured)
    by_function = seqc.attention(q, k, v, return_lse=True, mask_mod=mask_mod)
    assert_same(by_function, by_name, v)


def test_options_as_functions() -> None:
    q, k, v = inputs()
    slopes = np.array([0.5, 0.25, 0.125, 0.0625], np.float32)
    by_name = seqc.attention(q, k, v, softcap=2.0, alibi_slopes=slopes, return_lse=True)
    by_function = seqc.attention(
        q,
        k,
        v,
        score_mod=lambda s, b, h, i, j: (
            2.0 * np.tanh(s / 2.0) - slopes[h] * abs(i + 80 - j)
        ),
        return_lse=True,
    )
    assert_same(by_function, by_name, v)


def test_bias_as_a_function() -> None:
    q, k, v = inputs()
    bias = random(np.random.default_rng(3), (2, 4, 70, 150), "f32")
    by_name = seqc.attention(q, k, v, bias=bias, return_lse=True)
    by_function = seqc.attention(
        q, k, v, score_mod=lambda s, b, h, i, j: s + bias[b, h, i, j], return_lse=True
    )
    assert_same(by_function, by_name, v)


def test_mask_as_infinite_bias() -> None:
    q, k, v = inputs()
    seen = np.random.default_rng(4).random((2, 4, 70, 150)) < 0.3
    bias = np.where(seen, 0, -np.inf).astype(np.float32)
    by_bias = seqc.attention(q, k, v, bias=bias, return_lse=True)
    by_mask = seqc.attention(
        q, k, v, mask_mod=lambda b, h, i, j: seen[b, h, i, j], return_lse=True
    )
    assert_same(by_mask, by_bias, v)


def test_values_are_linear() -> None:
    q, k, v = inputs()
    rng = np.random.default_rng(5)
    w = random(rng, v.shape, "f32")
    both = seqc.attention(q, k, 2 * v + w, causal=True)
    apart = 2 * seqc.attention(q, k, v, causal=True) + seqc.attention(
        q, k, w, causal=True
    )
    np.testing.assert_allclose(both, apart, atol=2e-5)


def test_constant_values_come_through() -> None:
    q, k, v = inputs()
    v = np.full_like(v, 3.25)
    np.testing.assert_allclose(seqc.attention(q, k, v), 3.25, rtol=1e-6)


def test_scores_may_be_shifted() -> None:
    q, k, v = inputs()
    plain, plain_lse = seqc.attention(q, k, v, return_lse=True)
    out, lse = seqc.attention(
        q, k, v, score_mod=lambda s, b, h, i, j: s + 3.0, return_lse=True
    )
    np.testing.assert_allclose(out, plain, atol=2e-6)
    np.testing.assert_allclose(lse, plain_lse + 3, rtol=1e-6)


# Run to run, and thread to thread.


@pytest.mark.parametrize("name", OPTIONS)
def test_deterministic(name: str) -> None:
    q, k, v = inputs()
    first = seqc.attention(q, k, v, **OPTIONS[name])
    for _ in range(5):
        np.testing.assert_array_equal(first, seqc.attention(q, k, v, **OPTIONS[name]))


def test_number_of_threads_does_not_matter() -> None:
    q, k, v = inputs()
    before = seqc.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3, 8):
            seqc.set_num_threads(count)
            assert seqc.get_num_threads() == count
            results.append(seqc.attention(q, k, v, causal=True))
    finally:
        seqc.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_calls_from_many_threads() -> None:
    """Different programs compile and run at once; each is compiled once."""
    q, k, v = inputs(batch=1)
    scales = [0.011, 0.012, 0.013]
    seqc.clear_cache()
    compiled = _program.cache.compiled
    results: list[tuple[float, Array]] = []
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def work(scale: float) -> None:
        try:
            start.wait()
            for _ in range(5):
                results.append((scale, seqc.attention(q, k, v, scale=scale)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(scales[i % 3],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert _program.cache.compiled - compiled == 3
    assert len(results) == 40
    expected = {scale: seqc.attention(q, k, v, scale=scale) for scale in scales}
    for scale, out in results:
        np.testing.assert_array_equal(out, expected[scale])


def test_python_runs_during_a_call() -> None:
    """The GIL is free while a program runs."""
    x = np.ones((1, 4, 2048, 64), np.float32)
    seqc.attention(x, x, x)
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = ticks
    for _ in range(5):
        seqc.attention(x, x, x)
    during = ticks - before
    done.set()
    thread.join()
    assert during > 3
