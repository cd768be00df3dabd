# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tiles that the compiler chooses for GPUs fit them: ptxas has nothing to say
against any of these kernels, and none takes long to compile.

Each range of head dimensions that has a tile of its own is here with everything that
changes what a thread holds; f16 has the registers of bf16.
"""

from __future__ import annotations

import json
import resource
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import _seqc
from seqc._attention import AttentionKey, attention_text
from seqc._attention_backward import AttentionBackwardKey, attention_backward_text
from seqc._program import _options
from seqc._scan import (
    ConvKey,
    ConvOperands,
    ScanKey,
    ScanOperands,
    causal_conv1d_text,
    selective_scan_text,
)
from seqc._scan_backward import (
    ConvBackwardKey,
    ScanBackwardKey,
    causal_conv1d_backward_text,
    selective_scan_backward_text,
)
from seqc._text import Masking
from seqc._trace import trace_regions
from seqc_testing import SANITIZED

CHIPS = ("sm_80", "sm_90a")

# Bytes that a thread stores and loads outside of its registers without a warning.
QUIET_SPILL_BYTES = 64
# The same with one, for what is rare: 128 stored, as many loaded. Of more the compiler
# makes an error.
FEW_SPILLED_BYTES = 256

# The aim is 1.5 s on one core; the rest is for machines that are slower or busy.
COMPILE_SECONDS = 3.0

SLOPES = np.ones(8, np.float32)
TABLE = np.zeros((8, 32), np.float32)
IDS = np.zeros((2, 16), np.int32)


def table_score(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return score + TABLE[h, seqc.clamp(q_idx - kv_idx + 16, 0, 31)]


def bent_score(score: Any, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    bent = 2.0 * seqc.tanh(score / 2.0) - 0.25 * (h + 1)
    return seqc.where((q_idx + b) % 2 == 0, bent, 0.5 * score)


def document_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return (IDS[b, q_idx] == IDS[b, kv_idx]) & (q_idx >= kv_idx)


def dilated_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return ((q_idx - kv_idx) % 3 == 0) | (kv_idx // 4 == h)


WINDOW = (1024, None)
FULL_BIAS = ("f32", (False,) * 4)
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "causal": {"causal": True},
    "causal_window": {"causal": True, "window": WINDOW},
    "window": {"window": (512, 512)},
    "prefix": {"causal": True, "prefix": True},
    "sinks": {"causal": True, "sinks": True},
    "segments": {"segments": True},
    "causal_segments": {"causal": True, "segments": True},
    "bias": {"bias": FULL_BIAS},
    "softcap": {"causal": True, "softcap": 30.0},
    "softcap_full": {"softcap": 30.0},
    "softcap_window": {"causal": True, "softcap": 30.0, "window": WINDOW},
    "alibi": {"causal": True, "alibi_slopes": SLOPES},
    "alibi_segments": {"causal": True, "alibi_slopes": SLOPES, "segments": True},
    "table": {"score_mod": table_score},
    "bent": {"score_mod": bent_score},
    "documents": {"mask_mod": document_mask},
    "dilated": {"mask_mod": dilated_mask},
    "dropout": {"causal": True, "dropout": 0.1},
    "many": {
        "causal": True,
        "alibi_slopes": SLOPES,
        "softcap": 30.0,
        "segments": True,
        "bias": FULL_BIAS,
    },
    "everything": {
        "causal": True,
        "window": (30, None),
        "prefix": True,
        "sinks": True,
        "segments": True,
        "bias": FULL_BIAS,
        "dropout": 0.1,
        "softcap": 3.0,
        "alibi_slopes": SLOPES,
        "score_mod": bent_score,
        "mask_mod": dilated_mask,
    },
}

COMMON = (
    "full",
    "causal",
    "causal_window",
    "window",
    "prefix",
    "sinks",
    "softcap",
    "softcap_window",
    "alibi",
)


def attention(
    variant: str,
    dtype: str,
    head_dim: int,
    value_dim: int,
    few: tuple[int, int, int] | None = None,
    page_size: int | None = None,
) -> str:
    """The program of a call with these options."""
    given = VARIANTS[variant]
    regions, _ = trace_regions(
        "f32",
        softcap=given.get("softcap"),
        alibi_slopes=given.get("alibi_slopes"),
        only_past="causal" in given and "prefix" not in given,
        score_mod=given.get("score_mod"),
        mask_mod=given.get("mask_mod"),
    )
    left, right = given.get("window", (None, None))
    return attention_text(
        AttentionKey(
            dtype=dtype,
            head_dim=head_dim,
            value_dim=value_dim,
            scale=None,
            masking=Masking(given.get("causal", False), left, right),
            bias=given.get("bias"),
            segments=given.get("segments", False),
            prefix=given.get("prefix", False),
            sinks=given.get("sinks", False),
            dropout=given.get("dropout", 0.0),
            regions=regions.regions,
            captures=regions.types(),
            offset=regions.offset,
            return_lse=True,
            schedule=(),
            few=few,
            key_lengths=page_size is not None,
            page_size=page_size,
        )
    )


def attention_backward(
    variant: str, dtype: str, head_dim: int, value_dim: int, unordered: bool = False
) -> str:
    """The program of the backward of a call with these options; a bias gets no
    gradient."""
    given = VARIANTS[variant]
    regions, _ = trace_regions(
        "f32",
        softcap=given.get("softcap"),
        alibi_slopes=given.get("alibi_slopes"),
        only_past="causal" in given and "prefix" not in given,
        score_mod=given.get("score_mod"),
        mask_mod=given.get("mask_mod"),
    )
    left, right = given.get("window", (None, None))
    wanted = ("query", "key", "value") + ("sinks",) * given.get("sinks", False)
    return attention_backward_text(
        AttentionBackwardKey(
            AttentionKey(
                dtype=dtype,
                head_dim=head_dim,
                value_dim=value_dim,
                scale=None,
                masking=Masking(given.get("causal", False), left, right),
                bias=given.get("bias"),
                segments=given.get("segments", False),
                prefix=given.get("prefix", False),
                sinks=given.get("sinks", False),
                dropout=given.get("dropout", 0.0),
                regions=regions.regions,
                captures=regions.types(),
                offset=regions.offset,
                return_lse=False,
                schedule=(),
                few=None,
            ),
            lse_grad=False,
            wanted=wanted,
            schedule=(),
            unordered=unordered,
        )
    )


def scan(state: int, dtype: str, everything: bool) -> str:
    return selective_scan_text(
        ScanKey(
            dtype=dtype,
            state=state,
            a="f32",
            b=(dtype, 3, 1),
            c=(dtype, 3, 1),
            d=dtype if everything else None,
            z=everything,
            delta_bias="f32" if everything else None,
            initial_state=everything,
            delta_softplus=everything,
            return_final_state=everything,
            schedule=(),
        )
    )


def conv(dtype: str, everything: bool) -> str:
    return causal_conv1d_text(
        ConvKey(
            dtype=dtype,
            width=4,
            weight=dtype,
            bias=dtype if everything else None,
            activation="silu" if everything else None,
            initial_state=everything,
            return_final_state=everything,
            schedule=(),
        )
    )


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usage = [resource.getrusage(kind) for kind in kinds]
    return sum(x.ru_utime + x.ru_stime for x in usage)


def check(source: str, chip: str, aligned: bool = True, is_common: bool = True) -> None:
    """Compiles a program: what ptxas finds slow is an error."""
    options = _options(chip, aligned=aligned)
    options.cache = False
    start = cpu_seconds()
    artifact = _seqc.compile(source, options)
    taken = cpu_seconds() - start
    (target,) = json.loads(_seqc.load(artifact, chip).metadata)["targets"]
    if not target.get("ptxas"):
        pytest.skip("needs ptxas")
    assert target["kernels"]
    most = QUIET_SPILL_BYTES if is_common else FEW_SPILLED_BYTES
    for kernel in target["kernels"]:
        assert kernel["spill_bytes"] <= most, kernel["name"]
    assert taken <= COMPILE_SECONDS or SANITIZED


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dims", [(64, 64), (128, 128), (192, 128), (256, 256)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_attention(variant: str, head_dims: tuple[int, int], chip: str) -> None:
    check(attention(variant, "bf16", *head_dims), chip, is_common=variant in COMMON)


# Queries, heads and key heads: one tile of 16 rows, of 32, of 64.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dims", [(64, 64), (128, 128), (256, 256)])
@pytest.mark.parametrize("few", [(1, 32, 8), (7, 32, 8), (16, 32, 8), (1, 8, 8)])
@pytest.mark.parametrize("variant", ["causal", "causal_window", "softcap"])
def test_decode(
    variant: str, few: tuple[int, int, int], head_dims: tuple[int, int], chip: str
) -> None:
    source = attention(variant, "bf16", *head_dims, few=few)
    check(source, chip, is_common=variant == "causal")


# Keys and values in pages: decode in tiles of 16 rows, of 32, and many queries.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("few", [(1, 32, 8), (7, 32, 8), None])
@pytest.mark.parametrize(("page_size", "head_dim"), [(16, 64), (16, 256), (256, 128)])
def test_paged(
    page_size: int, head_dim: int, few: tuple[int, int, int] | None, chip: str
) -> None:
    source = attention(
        "causal", "bf16", head_dim, head_dim, few=few, page_size=page_size
    )
    check(source, chip)


# Rows that are not aligned take registers to be copied.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dims", [(64, 64), (128, 128), (192, 128), (256, 256)])
@pytest.mark.parametrize(
    "variant", ["causal_window", "bias", "softcap_window", "alibi", "many"]
)
def test_unaligned(variant: str, head_dims: tuple[int, int], chip: str) -> None:
    check(
        attention(variant, "bf16", *head_dims),
        chip,
        False,
        is_common=False,
    )


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dim", [8, 40, 72])
@pytest.mark.parametrize("variant", ["full", "causal", "documents", "many"])
def test_padded_head_dims(variant: str, head_dim: int, chip: str) -> None:
    source = attention(variant, "f16", head_dim, head_dim)
    check(source, chip, is_common=variant in COMMON)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dim", [40, 64, 128, 256])
@pytest.mark.parametrize("variant", ["causal", "bias", "everything"])
def test_f32(variant: str, head_dim: int, chip: str) -> None:
    check(attention(variant, "f32", head_dim, head_dim), chip)


# The rows of the backward's kernels stay in registers with one or two sums; a few
# values that no loop needs may leave them.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dims", [(64, 64), (128, 128), (192, 128), (256, 256)])
@pytest.mark.parametrize(
    "variant",
    [
        "full", "causal", "window", "prefix", "segments", "bias", "softcap", "alibi",
        "dropout", "documents", "everything",
    ],
)  # fmt: skip
def test_attention_backward(
    variant: str, head_dims: tuple[int, int], chip: str
) -> None:
    source = attention_backward(variant, "bf16", *head_dims)
    check(source, chip, is_common=False)


# All three gradients from one kernel.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize(
    "variant",
    ["full", "causal", "causal_window", "window", "prefix", "sinks", "causal_segments"],
)
def test_attention_backward_in_one_kernel(variant: str, dtype: str, chip: str) -> None:
    source = attention_backward(variant, dtype, 128, 128, unordered=True)
    check(source, chip, is_common=False)


# The gradient of one for each head, for each key, and for each pair of all heads, in a
# program with a kernel for each.
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("dtype", "head_dim"), [("bf16", 64), ("bf16", 128), ("bf16", 256), ("f32", 64)]
)
def test_gradients_of_tables(dtype: str, head_dim: int, chip: str) -> None:
    ones, keys, pairs = (
        np.ones(shape, np.float32) for shape in ((2,), (1, 4), (2, 3, 4))
    )
    traced, _ = trace_regions(
        "f32",
        score_mod=lambda s, b, h, i, j: (
            s * ones[h] + keys[b, j] + seqc.tanh(pairs[h, i, j])
        ),
    )
    key = AttentionKey(
        dtype=dtype,
        head_dim=head_dim,
        value_dim=head_dim,
        scale=None,
        masking=Masking(True, None, None),
        bias=None,
        segments=False,
        prefix=False,
        sinks=False,
        dropout=0.0,
        regions=traced.regions,
        captures=traced.types(),
        offset=False,
        return_lse=False,
        schedule=(),
    )
    source = attention_backward_text(
        AttentionBackwardKey(key, False, (), (), (0, 1, 2))
    )
    assert source.count("captured_grad(") == 1
    check(source, chip, is_common=False)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("head_dim", [40, 64, 128])
@pytest.mark.parametrize("variant", ["full", "causal", "window"])
def test_attention_backward_f32(variant: str, head_dim: int, chip: str) -> None:
    source = attention_backward(variant, "f32", head_dim, head_dim)
    check(source, chip, is_common=False)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize("state", [16, 128])
def test_scan(state: int, dtype: str, everything: bool, chip: str) -> None:
    check(scan(state, dtype, everything), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_conv(dtype: str, everything: bool, chip: str) -> None:
    check(conv(dtype, everything), chip)


def scan_backward(state: int, dtype: str, everything: bool, steps: int | None) -> str:
    operands = ScanOperands(
        dtype=dtype,
        state=state,
        a="f32",
        b=(dtype, 3, 1),
        c=(dtype, 3, 1),
        d="f32" if everything else None,
        z=everything,
        delta_bias="f32" if everything else None,
        initial_state=everything,
    )
    schedule = () if steps is None else (("tile_n", steps),)
    return selective_scan_backward_text(
        ScanBackwardKey(operands, everything, everything, schedule)
    )


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize(("state", "steps"), [(16, None), (16, 8), (64, None)])
def test_scan_gradients(
    state: int, steps: int | None, dtype: str, everything: bool, chip: str
) -> None:
    # Registers are what a chunk is as long as: gradients of states are a few more.
    is_common = dtype == "bf16" and not everything
    check(scan_backward(state, dtype, everything, steps), chip, is_common=is_common)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_conv_gradients(dtype: str, everything: bool, chip: str) -> None:
    operands = ConvOperands(
        dtype=dtype,
        width=4,
        weight=dtype,
        bias=dtype if everything else None,
        initial_state=everything,
    )
    activation = "silu" if everything else None
    key = ConvBackwardKey(operands, everything, activation, ())
    check(causal_conv1d_backward_text(key), chip)
