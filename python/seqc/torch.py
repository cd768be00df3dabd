# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc's operators as operators of torch: `torch.ops.seqc.*`.

    import seqc.torch  # registers them; seqc does it when torch traces a call

    model = torch.compile(model)  # seqc.attention in it breaks no graph

The functions of this module take what their namesakes in `seqc` take, on torch
tensors. Each is one node of a graph, with a fake kernel for shapes; outputs are
in row-major order. Gradients are operators of their own. The scan and the convolution
save nothing but their operands for them, attention its two results as well.

Tensors that score_mod captures are no operands of a node. Where one requires grad,
seqc.attention is a torch.autograd.Function instead, which torch.compile refuses.

`score_mod` and `mask_mod` are not tensors, and stand in the graph as a number,
under which this module keeps them. They must exist before the compiled function
runs: at module level, or in a closure, or as an argument.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import _attention, _attention_backward, _scan, _scan_backward
from ._text import Schedule
from ._trace import Modifier
from ._trace_captures import Capture

__all__ = ["attention", "causal_conv1d", "selective_scan"]

# ===----------------------------------------------------------------------===
# Functions in graphs
# ===----------------------------------------------------------------------===


class _Modifiers:
    """Pairs of score_mod and mask_mod by number; 0 is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: list[tuple[Modifier, Modifier]] = [(None, None)]
        self._numbers: dict[tuple[int, int], int] = {}

    def number(self, score_mod: Modifier, mask_mod: Modifier) -> int:
        if score_mod is None and mask_mod is None:
            return 0
        # The list keeps them, so that no other object gets their identity.
        key = (id(score_mod), id(mask_mod))
        with self._lock:
            if key not in self._numbers:
                self._numbers[key] = len(self._pairs)
                self._pairs.append((score_mod, mask_mod))
            return self._numbers[key]

    def __getitem__(self, number: int) -> tuple[Modifier, Modifier]:
        return self._pairs[number]


_modifiers = _Modifiers()


def _number_while_tracing(score_mod: Any, mask_mod: Any) -> int:
    return _modifiers.number(score_mod, mask_mod)


# torch calls it as it traces, and guards the functions' identity.
_number_of: Callable[[Any, Any], int] = torch.compiler.assume_constant_result(
    _number_while_tracing
)


def _schedule_text(schedule: Schedule) -> str:
    return " ".join(f"{key}={value}" for key, value in (schedule or {}).items())


def _read_schedule(text: str) -> dict[str, int] | None:
    pairs = (part.partition("=") for part in text.split())
    return {key: int(value) for key, _, value in pairs} or None


# ===----------------------------------------------------------------------===
# Operators
# ===----------------------------------------------------------------------===


_library = torch.library.Library("seqc", "DEF")
_tags = tuple(
    getattr(torch.Tag, name)
    for name in ("pt2_compliant_tag", "needs_exact_strides")
    if hasattr(torch.Tag, name)
)


def _no_backward(name: str) -> Callable[..., Any]:
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError(
            f"the backward of seqc.{name} is not implemented: call it under "
            "torch.no_grad(), or on detached tensors"
        )

    return backward


def _register(
    schema: str,
    kernel: Callable[..., Any],
    fake: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    setup: Callable[..., None] | None = None,
) -> None:
    name = schema.partition("(")[0]
    _library.define(schema, tags=_tags)
    for key in ("CPU", "CUDA"):
        _library.impl(name, kernel, key)
    qualified = f"seqc::{name}"
    torch.library.register_fake(qualified, fake, lib=_library)
    torch.library.register_autograd(
        qualified, backward or _no_backward(name), setup_context=setup, lib=_library
    )


def _accumulator(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _causal(text: str) -> bool | str:
    return text or False


def _attention_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    query_segments: Tensor | None = None,
    key_segments: Tensor | None = None,
    prefix: Tensor | None = None,
    sinks: Tensor | None = None,
    *,
    scale: float | None = None,
    causal: str = "",
    window_left: int | None = None,
    window_right: int | None = None,
    prefix_length: int | None = None,
    softcap: float | None = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    modifiers: int = 0,
    return_lse: bool = False,
    schedule: str = "",
    target: str = "",
    block_table: Tensor | None = None,
    key_lengths: Any = None,
) -> tuple[Tensor, Tensor]:
    score_mod, mask_mod = _modifiers[modifiers]
    window = None
    if window_left is not None or window_right is not None:
        window = (window_left, window_right)
    segments = None
    if query_segments is not None:
        segments = (query_segments, key_segments)
    with torch.no_grad():
        results = _attention.attention_now(
            query,
            key,
            value,
            scale=scale,
            causal=_causal(causal),
            window=window,
            softcap=softcap,
            bias=bias,
            alibi_slopes=alibi_slopes,
            score_mod=score_mod,
            mask_mod=mask_mod,
            segment_ids=segments,
            prefix=prefix_length if prefix is None else prefix,
            sinks=sinks,
            dropout_p=dropout_p,
            seed=seed,
            return_lse=return_lse,
            block_table=block_table,
            key_lengths=key_lengths,
            schedule=_read_schedule(schedule),
            target=target or None,
        )
    if return_lse:
        out, lse = results
        return out, lse
    return results, query.new_empty((0,), dtype=_accumulator(query.dtype))


def _attention_fake(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *operands: Tensor | None,
    return_lse: bool = False,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    rows = tuple(query.shape[:3])
    out = query.new_empty((*rows, value.shape[3]))
    lse = query.new_empty(rows if return_lse else (0,), dtype=_accumulator(query.dtype))
    return out, lse


def _present(gradients: Any, like: Tensor) -> Any:
    """Tensors for all gradients: an empty one for an operand that is not there."""
    return tuple(like.new_empty((0,)) if x is None else x for x in gradients)


def _like(value: Tensor | None, other: Tensor) -> Tensor:
    return other.new_empty((0,)) if value is None else value.new_empty(value.shape)


_GRADIENTS = ("query", "key", "value", "bias", "sinks", "alibi_slopes")


def _attention_gradients(
    out_grad: Tensor,
    lse_grad: Tensor | None,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    lse: Tensor,
    bias: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    query_segments: Tensor | None = None,
    key_segments: Tensor | None = None,
    prefix: Tensor | None = None,
    sinks: Tensor | None = None,
    *,
    scale: float | None = None,
    causal: str = "",
    window_left: int | None = None,
    window_right: int | None = None,
    prefix_length: int | None = None,
    softcap: float | None = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    modifiers: int = 0,
    gradients: str = "query key value",
    target: str = "",
) -> tuple[
    _attention_backward.AttentionGradients,
    list[tuple[Capture, Any]],
]:
    score_mod, mask_mod = _modifiers[modifiers]
    window = None
    if window_left is not None or window_right is not None:
        window = (window_left, window_right)
    segments = None
    if query_segments is not None:
        segments = (query_segments, key_segments)
    with torch.no_grad():
        found, of_captures = _attention_backward.gradients_of_call(
            out_grad,
            query,
            key,
            value,
            out,
            lse,
            lse_grad=lse_grad,
            scale=scale,
            causal=_causal(causal),
            window=window,
            softcap=softcap,
            bias=bias,
            alibi_slopes=alibi_slopes,
            score_mod=score_mod,
            mask_mod=mask_mod,
            segment_ids=segments,
            prefix=prefix_length if prefix is None else prefix,
            sinks=sinks,
            dropout_p=dropout_p,
            seed=seed,
            gradients=gradients.split(),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            target=target or None,
        )
        if sinks is not None and found.sinks is not None:
            found = found._replace(sinks=found.sinks.to(sinks.dtype))
    return found, of_captures


def _attention_backward_kernel(
    out_grad: Tensor, lse_grad: Tensor | None, query: Tensor, *rest: Any, **options: Any
) -> tuple[Tensor, ...]:
    score_mod, mask_mod = _modifiers[options.get("modifiers", 0)]
    slopes = rest[5] if len(rest) > 5 else options.get("alibi_slopes")
    prefix = rest[8] if len(rest) > 8 else options.get("prefix")
    if prefix is None:
        prefix = options.get("prefix_length")
    if score_mod is not None:
        window = (options.get("window_left"), options.get("window_right"))
        causal = _causal(options.get("causal", ""))
        with torch.no_grad():
            captures = _attention.captures_of(
                query,
                causal,
                window,
                options.get("softcap"),
                slopes,
                score_mod,
                mask_mod,
                prefix,
            )
        for capture in captures:
            if (
                getattr(capture.value, "requires_grad", False)
                and capture.value is not slopes
            ):
                raise NotImplementedError(
                    f"{capture.label}: requires grad, but what score_mod captures gets "
                    "no gradient in a function that torch compiles; detach it, or put "
                    "what it adds to the score into bias"
                )
    found, _ = _attention_gradients(out_grad, lse_grad, query, *rest, **options)
    return tuple(_present((getattr(found, name) for name in _GRADIENTS), query))


def _attention_backward_fake(
    out_grad: Tensor,
    lse_grad: Tensor | None,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    lse: Tensor,
    bias: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    query_segments: Tensor | None = None,
    key_segments: Tensor | None = None,
    prefix: Tensor | None = None,
    sinks: Tensor | None = None,
    *,
    gradients: str = "query key value",
    **options: Any,
) -> tuple[Tensor, ...]:
    wanted = gradients.split()
    present = (query, key, value, bias, sinks, alibi_slopes)
    operands = zip(_GRADIENTS, present, strict=True)
    return tuple(_like(x if n in wanted else None, query) for n, x in operands)


_register(
    "attention_backward(Tensor out_grad, Tensor? lse_grad, Tensor query, Tensor key, "
    "Tensor value, Tensor out, Tensor lse, Tensor? bias=None, "
    "Tensor? alibi_slopes=None, Tensor? query_segments=None, "
    "Tensor? key_segments=None, Tensor? prefix=None, Tensor? sinks=None, *, "
    "float? scale=None, str causal='', SymInt? window_left=None, "
    "SymInt? window_right=None, SymInt? prefix_length=None, float? softcap=None, "
    "float dropout_p=0.0, SymInt? seed=None, int modifiers=0, "
    "str gradients='query key value', str target='') "
    "-> (Tensor query, Tensor key, Tensor value, Tensor bias, Tensor sinks, "
    "Tensor alibi_slopes)",
    _attention_backward_kernel,
    _attention_backward_fake,
)


def _attention_setup(
    ctx: Any, inputs: Any, keyword_only_inputs: Any, output: Any
) -> None:
    out, lse = output
    ctx.save_for_backward(*inputs, out, lse)
    ctx.options = dict(keyword_only_inputs)
    ctx.set_materialize_grads(False)


def _attention_backward_of(
    ctx: Any, out_grad: Tensor | None, lse_grad: Tensor | None
) -> Any:
    *operands, out, lse = ctx.saved_tensors
    query, key, value, bias, slopes, *masks, sinks = operands
    options = dict(ctx.options)
    options.pop("schedule")
    has_lse = options.pop("return_lse")
    # Operands that the call left out are not in it.
    needs = (*ctx.needs_input_grad, *(False for _ in operands))
    wanted = [
        name
        for name, number in zip(_GRADIENTS, (0, 1, 2, 3, 8, 4), strict=True)
        if needs[number]
    ]
    if not has_lse:
        with torch.no_grad():
            out, lse = torch.ops.seqc.attention(*operands, **options, return_lse=True)
        lse_grad = None
    if out_grad is None:
        out_grad = torch.zeros_like(out)
    gradients = torch.ops.seqc.attention_backward(
        out_grad,
        lse_grad,
        query,
        key,
        value,
        out,
        lse,
        bias,
        slopes,
        *masks,
        sinks,
        gradients=" ".join(wanted),
        **options,
    )
    by_name = dict(zip(_GRADIENTS, gradients, strict=True))
    found = [by_name[name] if name in wanted else None for name in _GRADIENTS]
    return (*found[:4], found[5], None, None, None, found[4])


_register(
    "attention(Tensor query, Tensor key, Tensor value, Tensor? bias=None, "
    "Tensor? alibi_slopes=None, Tensor? query_segments=None, "
    "Tensor? key_segments=None, Tensor? prefix=None, Tensor? sinks=None, *, "
    "float? scale=None, str causal='', SymInt? window_left=None, "
    "SymInt? window_right=None, SymInt? prefix_length=None, float? softcap=None, "
    "float dropout_p=0.0, SymInt? seed=None, int modifiers=0, "
    "bool return_lse=False, str schedule='', str target='') "
    "-> (Tensor out, Tensor lse)",
    _attention_kernel,
    _attention_fake,
    _attention_backward_of,
    _attention_setup,
)


def _cached_attention_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    block_table: Tensor | None = None,
    key_lengths: Tensor | None = None,
    *operands: Tensor | None,
    key_length: int | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    return _attention_kernel(
        query,
        key,
        value,
        *operands,
        block_table=block_table,
        key_lengths=key_length if key_lengths is None else key_lengths,
        **options,
    )


_register(
    "cached_attention(Tensor query, Tensor key, Tensor value, "
    "Tensor? block_table=None, Tensor? key_lengths=None, Tensor? bias=None, "
    "Tensor? alibi_slopes=None, Tensor? query_segments=None, "
    "Tensor? key_segments=None, Tensor? prefix=None, Tensor? sinks=None, *, "
    "float? scale=None, str causal='', SymInt? window_left=None, "
    "SymInt? window_right=None, SymInt? prefix_length=None, float? softcap=None, "
    "float dropout_p=0.0, SymInt? seed=None, int modifiers=0, "
    "bool return_lse=False, SymInt? key_length=None, str schedule='', "
    "str target='') -> (Tensor out, Tensor lse)",
    _cached_attention_kernel,
    _attention_fake,
)


def _refuse_gradients_of_caches(**values: Any) -> None:
    """Better said by the call than by its backward."""
    if not torch.is_grad_enabled():
        return
    for name, value in values.items():
        if isinstance(value, Tensor) and value.requires_grad:
            raise TypeError(
                f"{name}: requires grad, but attention with block_table or key_lengths "
                "has no gradients: call it under torch.no_grad(), or pass "
                f"{name}.detach()"
            )


class _CapturedAttention(torch.autograd.Function):
    """Attention whose score_mod captures tensors that get gradients: they are
    operands beside the others, which autograd sees and the kernels do not."""

    @staticmethod
    def forward(
        ctx: Any, options: dict[str, Any], *operands: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        out, lse = _attention_kernel(*operands[:9], **options, return_lse=True)
        ctx.save_for_backward(*operands[:9], out, lse)
        ctx.options = options
        ctx.captured = [id(x) for x in operands[9:]]
        ctx.set_materialize_grads(False)
        return out, lse

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        *operands, out, lse = ctx.saved_tensors
        out_grad, lse_grad = gradients
        options = dict(ctx.options)
        options.pop("schedule")
        needs = ctx.needs_input_grad[1:]
        wanted = [
            name
            for name, number in zip(_GRADIENTS, (0, 1, 2, 3, 8, 4), strict=True)
            if needs[number]
        ]
        query, key, value, *others = operands
        bias, slopes, query_segments, key_segments, prefix, sinks = others
        found, of_captures = _attention_gradients(
            torch.zeros_like(out) if out_grad is None else out_grad,
            lse_grad,
            query,
            key,
            value,
            out,
            lse,
            bias,
            slopes,
            query_segments,
            key_segments,
            prefix,
            sinks,
            gradients=" ".join([*wanted, "score_mod"]),
            **options,
        )
        by_tensor = {id(capture.value): x for capture, x in of_captures}
        return (
            None,
            *found[:4],
            found.alibi_slopes,
            *(None,) * 3,
            found.sinks,
            *(by_tensor.get(number) for number in ctx.captured),
        )


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    causal: bool | str = False,
    window: Any = None,
    softcap: float | None = None,
    bias: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    score_mod: Modifier = None,
    mask_mod: Modifier = None,
    segment_ids: Any = None,
    return_lse: bool = False,
    prefix: Any = None,
    sinks: Tensor | None = None,
    dropout_p: float = 0.0,
    seed: int | None = None,
    block_table: Tensor | None = None,
    key_lengths: Any = None,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`seqc.attention` as one operator of torch."""
    is_cached = block_table is not None or key_lengths is not None
    if is_cached:
        _refuse_gradients_of_caches(
            query=query,
            key=key,
            value=value,
            bias=bias,
            sinks=sinks,
            alibi_slopes=alibi_slopes,
        )
    if isinstance(segment_ids, (tuple, list)):
        query_segments, key_segments = segment_ids
    else:
        query_segments = key_segments = segment_ids
    left, right = window if isinstance(window, (tuple, list)) else (window, None)
    if isinstance(causal, bool):
        causal = "bottom_right" if causal else ""
    modifiers = 0
    if score_mod is not None or mask_mod is not None:
        modifiers = _number_of(score_mod, mask_mod)
    is_tensor = isinstance(prefix, torch.Tensor)
    # What gradients need of the forward.
    learned = (query, key, value, bias, sinks, alibi_slopes)
    saves_lse = torch.is_grad_enabled() and any(
        x is not None and x.requires_grad for x in learned
    )
    operands = (
        bias,
        alibi_slopes,
        query_segments,
        key_segments,
        prefix if is_tensor else None,
        sinks,
    )
    options: dict[str, Any] = {
        "scale": scale,
        "causal": causal,
        "window_left": left,
        "window_right": right,
        "prefix_length": None if is_tensor else prefix,
        "softcap": softcap,
        "dropout_p": dropout_p,
        "seed": seed,
        "modifiers": modifiers,
        "schedule": _schedule_text(schedule),
        "target": target or "",
    }
    captured: list[Tensor] = []
    if (
        score_mod is not None
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    ):
        with torch.no_grad():
            captures = _attention.captures_of(
                query,
                _causal(causal),
                window,
                softcap,
                alibi_slopes,
                score_mod,
                mask_mod,
                prefix,
            )
        captured = [
            x.value
            for x in captures
            if getattr(x.value, "requires_grad", False) and x.value is not alibi_slopes
        ]
    returns_lse = return_lse or saves_lse
    if is_cached:
        for x in captured:
            _refuse_gradients_of_caches(score_mod=x)
        lengths = key_lengths if isinstance(key_lengths, torch.Tensor) else None
        out, lse = torch.ops.seqc.cached_attention(
            query,
            key,
            value,
            block_table,
            lengths,
            *operands,
            key_length=None if lengths is not None else key_lengths,
            **options,
            return_lse=returns_lse,
        )
    elif captured:
        out, lse = _CapturedAttention.apply(
            options, query, key, value, *operands, *captured
        )
    else:
        out, lse = torch.ops.seqc.attention(
            query, key, value, *operands, **options, return_lse=returns_lse
        )
    return (out, lse) if return_lse else out


def _offsets(cu_seqlens: Any, like: Tensor) -> Tensor | None:
    """The offsets of packed sequences as a tensor."""
    if cu_seqlens is None or isinstance(cu_seqlens, torch.Tensor):
        return cu_seqlens
    return torch.as_tensor(cu_seqlens, dtype=torch.int32, device=like.device)


def _scan_kernel(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        results = _scan.selective_scan_now(
            u,
            delta,
            A,
            B,
            C,
            D,
            z,
            delta_bias,
            delta_softplus,
            initial_state,
            return_final_state,
            cu_seqlens=cu_seqlens,
            reverse=reverse,
            schedule=_read_schedule(schedule),
            target=target or None,
        )
    if return_final_state:
        out, state = results
        return out, state
    return results, u.new_empty((0,), dtype=_accumulator(u.dtype))


def _scan_fake(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, Tensor]:
    count = u.shape[0] if cu_seqlens is None else cu_seqlens.shape[0] - 1
    shape = (count, u.shape[1], A.shape[1]) if return_final_state else (0,)
    state = u.new_empty(shape, dtype=_accumulator(u.dtype))
    return u.new_empty(tuple(u.shape)), state


def _scan_backward_kernel(
    out_grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    final_state_grad: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, ...]:
    with torch.no_grad():
        gradients = _scan_backward.selective_scan_backward(
            out_grad,
            u,
            delta,
            A,
            B,
            C,
            D,
            z,
            delta_bias,
            delta_softplus,
            initial_state,
            final_state_grad,
            cu_seqlens=cu_seqlens,
            reverse=reverse,
            schedule=_read_schedule(schedule),
            target=target or None,
        )
    return tuple(_present(gradients, u))


def _scan_backward_fake(
    out_grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    final_state_grad: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    **options: Any,
) -> tuple[Tensor, ...]:
    operands = (u, delta, A, B, C, D, z, delta_bias, initial_state)
    return tuple(_like(x, u) for x in operands)


_register(
    "selective_scan_backward(Tensor out_grad, Tensor u, Tensor delta, Tensor A, "
    "Tensor B, Tensor C, Tensor? D=None, Tensor? z=None, Tensor? delta_bias=None, "
    "bool delta_softplus=False, Tensor? initial_state=None, "
    "Tensor? final_state_grad=None, Tensor? cu_seqlens=None, "
    "bool reverse=False, *, str schedule='', str target='') "
    "-> (Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor D, Tensor z, "
    "Tensor delta_bias, Tensor initial_state)",
    _scan_backward_kernel,
    _scan_backward_fake,
)


def _scan_setup(ctx: Any, inputs: Any, keyword_only_inputs: Any, output: Any) -> None:
    *tensors, softplus, initial_state, return_final_state, offsets, reverse = inputs
    ctx.save_for_backward(*tensors, initial_state, offsets)
    ctx.options = (softplus, return_final_state, reverse)
    ctx.target = keyword_only_inputs["target"]


def _scan_backward_of(ctx: Any, out_grad: Tensor, state_grad: Tensor) -> Any:
    *tensors, initial_state, offsets = ctx.saved_tensors
    softplus, return_final_state, reverse = ctx.options
    gradients = torch.ops.seqc.selective_scan_backward(
        out_grad,
        *tensors,
        softplus,
        initial_state,
        state_grad if return_final_state else None,
        offsets,
        reverse,
        target=ctx.target,
    )
    operands = (*tensors, initial_state)
    found = [None if x is None else g for x, g in zip(operands, gradients, strict=True)]
    return (*found[:-1], None, found[-1], None, None, None)


_register(
    "selective_scan(Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, "
    "Tensor? D=None, Tensor? z=None, Tensor? delta_bias=None, "
    "bool delta_softplus=False, Tensor? initial_state=None, "
    "bool return_final_state=False, Tensor? cu_seqlens=None, "
    "bool reverse=False, *, str schedule='', str target='') "
    "-> (Tensor out, Tensor final_state)",
    _scan_kernel,
    _scan_fake,
    _scan_backward_of,
    _scan_setup,
)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`seqc.selective_scan` as one operator of torch."""
    out, state = torch.ops.seqc.selective_scan(
        u,
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        delta_softplus,
        initial_state,
        return_final_state,
        _offsets(cu_seqlens, u),
        reverse,
        schedule=_schedule_text(schedule),
        target=target or "",
    )
    return (out, state) if return_final_state else out


def _conv_kernel(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        results = _scan.causal_conv1d_now(
            x,
            weight,
            bias,
            activation,
            initial_state,
            return_final_state,
            cu_seqlens=cu_seqlens,
            reverse=reverse,
            schedule=_read_schedule(schedule),
            target=target or None,
        )
    if return_final_state:
        out, state = results
        return out, state
    return results, x.new_empty((0,))


def _conv_fake(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, Tensor]:
    count = x.shape[0] if cu_seqlens is None else cu_seqlens.shape[0] - 1
    shape = (count, x.shape[1], weight.shape[1] - 1)
    state = x.new_empty(shape if return_final_state else (0,))
    return x.new_empty(tuple(x.shape)), state


def _conv_backward_kernel(
    out_grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    final_state_grad: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    *,
    schedule: str = "",
    target: str = "",
) -> tuple[Tensor, ...]:
    with torch.no_grad():
        gradients = _scan_backward.causal_conv1d_backward(
            out_grad,
            x,
            weight,
            bias,
            activation,
            initial_state,
            final_state_grad,
            cu_seqlens=cu_seqlens,
            reverse=reverse,
            schedule=_read_schedule(schedule),
            target=target or None,
        )
    return tuple(_present(gradients, x))


def _conv_backward_fake(
    out_grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    final_state_grad: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    reverse: bool = False,
    **options: Any,
) -> tuple[Tensor, ...]:
    return tuple(_like(y, x) for y in (x, weight, bias, initial_state))


_register(
    "causal_conv1d_backward(Tensor out_grad, Tensor x, Tensor weight, "
    "Tensor? bias=None, str? activation=None, Tensor? initial_state=None, "
    "Tensor? final_state_grad=None, Tensor? cu_seqlens=None, "
    "bool reverse=False, *, str schedule='', str target='') "
    "-> (Tensor x, Tensor weight, Tensor bias, Tensor initial_state)",
    _conv_backward_kernel,
    _conv_backward_fake,
)


def _conv_setup(ctx: Any, inputs: Any, keyword_only_inputs: Any, output: Any) -> None:
    x, weight, bias, activation, initial_state, returns_state, offsets, reverse = inputs
    ctx.save_for_backward(x, weight, bias, initial_state, offsets)
    # The final states of packed sequences have no gradient.
    ctx.options = (activation, returns_state and offsets is None, reverse)
    if returns_state and offsets is not None:
        ctx.mark_non_differentiable(output[1])
    ctx.target = keyword_only_inputs["target"]


def _conv_backward_of(ctx: Any, out_grad: Tensor, state_grad: Tensor) -> Any:
    x, weight, bias, initial_state, offsets = ctx.saved_tensors
    activation, has_state_grad, reverse = ctx.options
    gradients = torch.ops.seqc.causal_conv1d_backward(
        out_grad,
        x,
        weight,
        bias,
        activation,
        initial_state,
        state_grad if has_state_grad else None,
        offsets,
        reverse,
        target=ctx.target,
    )
    operands = (x, weight, bias, initial_state)
    found = [None if y is None else g for y, g in zip(operands, gradients, strict=True)]
    return (*found[:3], None, found[3], None, None, None)


_register(
    "causal_conv1d(Tensor x, Tensor weight, Tensor? bias=None, "
    "str? activation=None, Tensor? initial_state=None, "
    "bool return_final_state=False, Tensor? cu_seqlens=None, "
    "bool reverse=False, *, str schedule='', str target='') "
    "-> (Tensor out, Tensor final_state)",
    _conv_kernel,
    _conv_fake,
    _conv_backward_of,
    _conv_setup,
)


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    *,
    cu_seqlens: Any = None,
    reverse: bool = False,
    schedule: Schedule = None,
    target: str | None = None,
) -> Any:
    """`seqc.causal_conv1d` as one operator of torch."""
    out, state = torch.ops.seqc.causal_conv1d(
        x,
        weight,
        bias,
        activation,
        initial_state,
        return_final_state,
        _offsets(cu_seqlens, x),
        reverse,
        schedule=_schedule_text(schedule),
        target=target or "",
    )
    return (out, state) if return_final_state else out
