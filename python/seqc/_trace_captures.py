# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays that a traced function captures become arguments of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _arrays
from ._arrays import Array


class Capture(NamedTuple):
    """An array that becomes an argument of the function."""

    value: Any
    label: str
    dtype: str
    rank: int


class Check(NamedTuple):
    """What a call asks of the size of a captured array.

    `bound` is the name of an index variable that goes up to its own size, or
    the least size.
    """

    capture: int
    dim: int
    bound: str | int


class Captures:
    """The captured arrays of one attention call, shared by its regions."""

    def __init__(self) -> None:
        self.items: list[Capture] = []
        self.checks: list[Check] = []
        self._seen: dict[int, int] = {}

    def add(self, value: Any, label: str) -> int:
        key = id(value)
        if key not in self._seen:
            array = view_capture(label, value)
            self._seen[key] = len(self.items)
            self.items.append(Capture(value, label, array.dtype, len(array.shape)))
        return self._seen[key]

    def require(self, capture: int, dim: int, bound: str | int) -> None:
        check = Check(capture, dim, bound)
        if check not in self.checks:
            self.checks.append(check)


def view_capture(
    label: str, value: Any, view: Callable[[str, Any], Array] = _arrays.view
) -> Array:
    """A captured array as a type that programs take: bool as bytes, small and
    unsigned integers widened. `view` says where it is to be."""
    try:
        array = view(label, value)
    except TypeError:
        host = _arrays.to_host(value)
        if host.dtype.kind not in "iu" or host.dtype.itemsize == 8:
            raise
        widened = np.int64 if host.dtype.itemsize == 4 else np.int32
        array = view(label, host.astype(widened))
    return array.as_i8() if array.dtype == "i1" else array


def check_capture(
    capture: Capture, check: Check, array: Array, sizes: dict[str, int]
) -> None:
    size = array.shape[check.dim]
    if isinstance(check.bound, int):
        if size < check.bound and all(sizes.values()):
            raise ValueError(
                f"{capture.label}: has shape {array.shape}, expected at least "
                f"{check.bound} in dimension {check.dim}"
            )
    elif size < sizes[check.bound]:
        raise ValueError(
            f"{capture.label}: has shape {array.shape} and is indexed in dimension "
            f"{check.dim} by {check.bound}, which goes up to {sizes[check.bound] - 1}"
        )


def is_bool_array(value: Any) -> bool:
    return str(getattr(value, "dtype", "")).rpartition(".")[2] == "bool"
