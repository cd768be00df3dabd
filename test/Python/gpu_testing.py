# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the GPU tests share: tensors in every layout on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

LAYOUTS = ("dense", "heads_last", "sliced", "offset", "odd_rows", "last_step")


def to_torch(array: Any, device: str = "cuda") -> Any:
    """A tensor with an array's elements, dense."""
    array = np.ascontiguousarray(array)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(array.copy()).to(device)


def place(array: Any, layout: str = "dense") -> Any:
    """A tensor on the GPU whose elements lie differently in its memory; around
    them is NaN, so that reading what is not theirs shows."""
    dense = to_torch(array)
    if layout == "dense" or dense.ndim < 2:
        return dense
    if layout == "heads_last":
        return dense.transpose(1, -2).contiguous().transpose(1, -2)
    filler = float("nan") if dense.is_floating_point() else -1
    shape = list(dense.shape)
    before = [0] * dense.ndim
    step = [1] * dense.ndim
    if layout == "sliced":
        # Every second row: strides remain multiples of 16 bytes.
        step[-2] = 2
    elif layout == "offset":
        # Addresses that are not.
        before[-1] = 1
    elif layout == "odd_rows":
        before[-2] = 1
        shape[-1] += 3
    else:
        step[-1] = 2
    whole = [
        start + size * stride for start, size, stride in
        zip(before, shape, step, strict=True)
    ]  # fmt: skip
    memory = torch.full(whole, filler, dtype=dense.dtype, device=dense.device)
    view = memory[
        tuple(
            slice(start, start + size * stride, stride)
            for start, size, stride in zip(before, dense.shape, step, strict=True)
        )
    ]
    assert view.shape == dense.shape
    view.copy_(dense)
    return view


def place_all(options: dict[str, Any], layout: str = "dense") -> dict[str, Any]:
    """Options with their arrays on the GPU."""

    def move(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return place(x, layout)
        if isinstance(x, tuple) and x and isinstance(x[0], np.ndarray):
            return tuple(map(move, x))
        return x

    return {name: move(x) for name, x in options.items()}


def poison(*tensors: Any) -> None:
    """Leaves NaN in the memory that the next results of these shapes get."""
    junk = [torch.full_like(x, float("nan")) for x in tensors]
    junk += [torch.full_like(x, float("nan")) for x in tensors]
    del junk


def host(tensor: Any) -> Any:
    """A tensor in host memory."""
    return tensor.detach().cpu()
