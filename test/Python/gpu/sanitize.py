# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One small call of every kind, for compute-sanitizer; `run.py sanitize` runs it.

Only seqc's kernels run: operands are made and results compared on the host. The
sequences are long enough for every ring of tiles to go round.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import captured_cases
import numpy as np
import seqc
import torch
from gpu_testing import host, to_torch
from seqc import reference
from seqc_testing import NUMPY, as_f64, random
from test_attention import Shape
from test_scan import inputs as scan_inputs

TARGETS = ("sm_80", "sm_90a")
TOLERANCE = 4e-2

Case = Callable[[str, str], float]
CASES: dict[str, Case] = {}


def moved(x: Any, device: str) -> Any:
    return to_torch(x, device) if isinstance(x, np.ndarray) else x


def difference(actual: Any, expected: Any) -> float:
    """The largest error, over the largest value or 1."""
    got, want = as_f64(host(actual)), as_f64(expected)
    if got.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        errors = np.abs(got - want)
    # Equal infinities: the log-sum-exp of rows that see nothing.
    errors = np.where(got == want, 0.0, errors)
    errors = np.nan_to_num(errors, nan=np.inf)
    sizes = np.abs(want[np.isfinite(want)])
    return float(errors.max() / max(1.0, sizes.max(initial=0.0)))


def attention(
    name: str,
    dtype: str = "bf16",
    head_dim: int = 64,
    value_dim: int = 0,
    *,
    queries: int = 140,
    keys: int = 400,
    heads: int = 2,
    key_heads: int = 1,
    unaligned: bool = False,
    make: Callable[[np.random.Generator], dict[str, Any]] = lambda rng: {},
    **fixed: Any,
) -> None:
    """Adds a case; `make` gives options that have arrays."""

    def case(target: str, device: str) -> float:
        rng = np.random.default_rng(1)
        q = random(rng, (1, heads, queries, head_dim), dtype)
        k = random(rng, (1, key_heads, keys, head_dim), dtype)
        v = random(rng, (1, key_heads, keys, value_dim or head_dim), dtype)
        options = {**fixed, **make(rng)}
        schedule = options.pop("schedule", None)
        expected = reference.attention(q, k, v, **options)
        tensors = [moved(x, device) for x in (q, k, v)]
        if unaligned:
            wide = [np.pad(x, [(0, 0)] * 3 + [(1, 0)]) for x in (q, k, v)]
            tensors = [moved(x, device)[..., 1:] for x in wide]
        options = {key: moved(x, device) for key, x in options.items()}
        if "segment_ids" in options:
            ids = options["segment_ids"]
            options["segment_ids"] = tuple(moved(x, device) for x in ids)
        results = seqc.attention(
            *tensors, return_lse=True, schedule=schedule, target=target, **options
        )
        return max(map(difference, results, expected))

    CASES[name] = case


def sorted_ids(rng: np.random.Generator) -> dict[str, Any]:
    ids = [np.sort(rng.integers(0, 3, (1, n))).astype(np.int32) for n in (140, 400)]
    return {"segment_ids": tuple(ids)}


def floats(rng: np.random.Generator, size: int) -> Any:
    return rng.random(size, dtype=np.float32)


for _dtype in ("bf16", "f16", "f32"):
    attention(f"attention {_dtype}", _dtype)
    attention(f"attention {_dtype} causal", _dtype, causal=True)
attention("attention D 128", head_dim=128, causal=True)
attention("attention D 256", "f16", head_dim=256, causal=True)
attention("attention D 40, value 24", head_dim=40, value_dim=24)
attention("attention unaligned", unaligned=True, causal=True)
attention("attention one query", queries=1, keys=300)
attention("decode", queries=1, keys=700, heads=8, key_heads=2, causal=True)
attention("decode D 128", head_dim=128, queries=1, keys=300, heads=4, key_heads=1)
attention("decode four queries", queries=4, keys=700, heads=8, key_heads=2, causal=True)
attention("decode window", queries=2, heads=8, window=(90, None), causal=True)
attention("split keys", queries=70, causal=True, schedule={"splits": 3})
attention("attention grouped heads", heads=4, key_heads=2, causal=True)
attention("attention top left", causal="top_left", queries=300)
attention("attention rows without keys", causal=True, queries=300, keys=140)
attention("attention window", window=(70, 10))
attention("attention prefix", causal=True, prefix=150)
attention("attention segments", make=sorted_ids)
attention("attention causal segments", make=sorted_ids, causal=True)
attention("attention softcap", softcap=2.0)
attention("attention mask_mod", mask_mod=lambda b, h, i, j: (i + j) % 3 != 0)
attention("attention dropout", dropout_p=0.25, seed=7)
attention("attention alibi", make=lambda rng: {"alibi_slopes": floats(rng, 2)})
attention("attention sinks", make=lambda rng: {"sinks": floats(rng, 2)})
attention(
    "attention bias",
    make=lambda rng: {"bias": random(rng, (1, 2, 140, 400), "bf16")},
)


def table_case(target: str, device: str) -> float:
    rng = np.random.default_rng(2)
    q, k, v = (random(rng, (1, 2, 140, 64), "bf16") for _ in range(3))
    table = rng.standard_normal((2, 64)).astype(np.float32)

    def score(table: Any) -> Callable[..., Any]:
        return lambda s, b, h, i, j: s + table[h, seqc.clamp(i - j + 32, 0, 63)]

    expected, _ = reference.attention(q, k, v, score_mod=score(table))
    tensors = [moved(x, device) for x in (q, k, v)]
    function = score(moved(table, device))
    out = seqc.attention(*tensors, score_mod=function, target=target)
    return difference(out, expected)


CASES["attention score_mod with a table"] = table_case


def scan(name: str, length: int, **options: Any) -> None:
    def case(target: str, device: str) -> float:
        arguments = scan_inputs(np.random.default_rng(3), 2, 34, length, **options)
        expected = reference.selective_scan(**arguments)
        there: Any = {key: moved(x, device) for key, x in arguments.items()}
        results = seqc.selective_scan(**there, return_final_state=True, target=target)
        return max(map(difference, results, expected))

    CASES[name] = case


scan("scan f32", 70)
scan("scan bf16 grouped", 100, dtype="bf16", matrices="grouped")
scan("scan one step", 1)
scan("scan bf16", 128, dtype="bf16")
scan("scan 64 states", 70, dtype="bf16", state=64)
scan("scan in parts", 2100, dtype="bf16", state=16)


def conv(name: str, dtype: str, width: int) -> None:
    def case(target: str, device: str) -> float:
        rng = np.random.default_rng(4)
        arguments: dict[str, Any] = {
            "x": random(rng, (2, 40, 70), dtype),
            "weight": random(rng, (40, width), dtype),
            "bias": random(rng, (40,), dtype),
            "initial_state": random(rng, (2, 40, width - 1), dtype),
            "activation": "silu",
        }
        expected = reference.causal_conv1d(**arguments)
        there: Any = {key: moved(x, device) for key, x in arguments.items()}
        results = seqc.causal_conv1d(**there, return_final_state=True, target=target)
        return max(map(difference, results, expected))

    CASES[name] = case


conv("conv f32 width 4", "f32", 4)
conv("conv bf16 width 3", "bf16", 3)


def gradients(name: str, call: str, length: int, **options: Any) -> None:
    """The gradients of a scan or a convolution whose results get random ones."""

    def case(target: str, device: str) -> float:
        rng = np.random.default_rng(5)
        if call == "selective_scan_backward":
            dtype = options.get("dtype", "f32")
            given = scan_inputs(rng, 2, 34, length, **options)
            given["out_grad"] = random(rng, given["u"].shape, dtype)
        else:
            given = {
                "x": random(rng, (2, 40, length), "bf16"),
                "weight": random(rng, (40, 4), "bf16"),
                "out_grad": random(rng, (2, 40, length), "bf16"),
                "activation": "silu",
            }
        expected = getattr(reference, call)(**given)
        there: Any = {key: moved(x, device) for key, x in given.items()}
        found = getattr(seqc, call)(**there, target=target)._asdict()
        return max(difference(found[key], x) for key, x in expected.items())

    CASES[name] = case


gradients("scan gradients", "selective_scan_backward", 40)
gradients(
    "scan gradients bf16",
    "selective_scan_backward",
    48,
    dtype="bf16",
    matrices="grouped",
)
# In parts.
gradients("scan gradients of many steps", "selective_scan_backward", 600)
gradients("conv gradients", "causal_conv1d_backward", 800)


def attention_gradients(
    name: str,
    dtype: str = "bf16",
    head_dim: int = 64,
    value_dim: int = 0,
    *,
    queries: int = 140,
    keys: int = 300,
    heads: int = 2,
    key_heads: int = 1,
    unaligned: bool = False,
    make: Callable[[np.random.Generator], dict[str, Any]] = lambda rng: {},
    **fixed: Any,
) -> None:
    """The gradients of an attention whose results get random ones; the forward is the
    reference's."""

    def case(target: str, device: str) -> float:
        rng = np.random.default_rng(6)
        q = random(rng, (1, heads, queries, head_dim), dtype)
        k = random(rng, (1, key_heads, keys, head_dim), dtype)
        v = random(rng, (1, key_heads, keys, value_dim or head_dim), dtype)
        options = {**fixed, **make(rng)}
        schedule = options.pop("schedule", None)
        deterministic = options.pop("deterministic", False)
        out, lse = reference.attention(q, k, v, **options)
        g = random(rng, out.shape, dtype)
        lse_grad = floats(rng, lse.size).reshape(lse.shape)
        expected = reference.attention_backward(
            g, q, k, v, lse_grad=lse_grad, **options
        )
        given = [g, q, k, v, out.astype(v.dtype)]
        tensors = [moved(x, device) for x in given]
        if unaligned:
            wide = [np.pad(x, [(0, 0)] * 3 + [(1, 0)]) for x in given]
            tensors = [moved(x, device)[..., 1:] for x in wide]
        options = {key: moved(x, device) for key, x in options.items()}
        if "segment_ids" in options:
            ids = options["segment_ids"]
            options["segment_ids"] = tuple(moved(x, device) for x in ids)
        g_, q_, k_, v_, out_ = tensors
        found = seqc.attention_backward(
            g_,
            q_,
            k_,
            v_,
            out_,
            moved(lse.astype(np.float32), device),
            lse_grad=moved(lse_grad, device),
            schedule=schedule,
            deterministic=deterministic,
            target=target,
            **options,
        )
        return max(difference(getattr(found, key), x) for key, x in expected.items())

    CASES[name] = case


def biased(*sizes: int) -> Callable[[np.random.Generator], dict[str, Any]]:
    return lambda rng: {"bias": random(rng, sizes, "bf16")}


def sorted_segments(rng: np.random.Generator) -> dict[str, Any]:
    ids = [np.sort(rng.integers(0, 3, (1, n))).astype(np.int32) for n in (140, 300)]
    return {"segment_ids": tuple(ids)}


for _dtype in ("bf16", "f16", "f32"):
    attention_gradients(f"attention gradients {_dtype}", _dtype, causal=True)
attention_gradients("attention gradients full")
attention_gradients("attention gradients D 128", head_dim=128, causal=True)
attention_gradients(
    "attention gradients D 128, one order",
    head_dim=128,
    causal=True,
    deterministic=True,
)
attention_gradients(
    "attention gradients D 128 segments", head_dim=128, make=sorted_segments
)
attention_gradients(
    "attention gradients D 128 unaligned", head_dim=128, unaligned=True, causal=True
)
attention_gradients("attention gradients D 192", head_dim=192, value_dim=128)
attention_gradients("attention gradients D 256", "f16", head_dim=256, causal=True)
attention_gradients("attention gradients D 40, value 24", head_dim=40, value_dim=24)
attention_gradients("attention gradients unaligned", unaligned=True, causal=True)
attention_gradients("attention gradients grouped", heads=4, key_heads=2, causal=True)
attention_gradients("attention gradients rows without keys", queries=300, keys=140)
attention_gradients("attention gradients window", window=(70, 10))
attention_gradients("attention gradients prefix", causal=True, prefix=150)
attention_gradients("attention gradients segments", make=sorted_segments)
attention_gradients("attention gradients softcap", softcap=2.0, causal=True)
attention_gradients(
    "attention gradients mask_mod", mask_mod=lambda b, h, i, j: (i + j) % 3 != 0
)
attention_gradients("attention gradients dropout", dropout_p=0.25, seed=7)
attention_gradients(
    "attention gradients sinks", make=lambda rng: {"sinks": floats(rng, 2)}
)
attention_gradients(
    "attention gradients bias", make=biased(1, 2, 140, 300), causal=True
)
attention_gradients("attention gradients bias of keys", make=biased(1, 1, 1, 300))
attention_gradients("attention gradients bias of heads", make=biased(1, 2, 1, 1))
attention_gradients("attention gradients bias shared", make=biased(1, 1, 140, 300))


def learned_case(by_pair: bool) -> Case:
    """A table that score_mod captures, for heads or for pairs."""

    def case(target: str, device: str) -> float:
        def call(
            g: Any, q: Any, k: Any, v: Any, names: tuple[str, ...], options: Any
        ) -> Any:
            out, lse = reference.attention(q, k, v, **options)
            table = options["score_mod"].table
            there = captured_cases.score_mod(chosen, moved(table, device))
            found = seqc.attention_backward(
                moved(g, device),
                moved(q, device),
                moved(k, device),
                moved(v, device),
                moved(out.astype(v.dtype), device),
                moved(lse.astype(np.float32), device),
                score_mod=there,
                gradients=names,
                target=target,
            )
            tables = {n: host(x) for n, x in found.score_mod.items()}
            return found._replace(score_mod=tables)

        chosen = captured_cases.CASES["pairs" if by_pair else "heads"]
        captured_cases.check_table(chosen, Shape(2, 1, 2, 140, 200), "bf16", call=call)
        return 0.0

    return case


CASES["attention gradients table of heads"] = learned_case(by_pair=False)
CASES["attention gradients table of pairs"] = learned_case(by_pair=True)


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="regular expression of cases")
    options.add_argument("--list", action="store_true", help="print the cases")
    options.add_argument("--cpu", action="store_true", help="on the host, to try it")
    args = options.parse_args(arguments)
    chosen = {name: case for name, case in CASES.items() if re.search(args.only, name)}
    if args.list:
        print("\n".join(chosen))
        return 0
    if NUMPY.get("bf16") is None:
        print("needs ml_dtypes", file=sys.stderr)
        return 2
    targets = ["cpu"] if args.cpu else list(TARGETS)
    if not args.cpu and torch.cuda.get_device_capability() != (9, 0):
        targets.remove("sm_90a")
    wrong = 0
    for target in targets:
        for name, case in chosen.items():
            # What compute-sanitizer prints next is about this case.
            print(f"case: {name}, {target}", flush=True)
            start = time.perf_counter()
            try:
                error = case(target, "cpu" if args.cpu else "cuda")
                verdict = "ok" if error <= TOLERANCE else f"wrong by {error:.1e}"
            except Exception as failure:
                line = (str(failure).splitlines() or [type(failure).__name__])[0]
                verdict = f"failed: {line[:200]}"
            wrong += verdict != "ok"
            print(f"  {verdict} ({time.perf_counter() - start:.2f} s)", flush=True)
    print(f"{len(chosen) * len(targets)} cases, {wrong} wrong", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
