# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks of arguments that the operators share."""

from __future__ import annotations

from collections.abc import Sequence

from . import _text
from ._arrays import FLOATS, Array
from ._text import Schedule


def check_rank(name: str, array: Array, rank: int, layout: str) -> None:
    if len(array.shape) != rank:
        raise ValueError(
            f"{name}: has shape {array.shape}, expected {rank} dimensions {layout}"
        )


def check_float(name: str, array: Array) -> None:
    if array.dtype not in FLOATS:
        raise TypeError(
            f"{name}: has dtype {array.dtype}, expected one of {', '.join(FLOATS)}"
        )


def check_dtype(name: str, array: Array, dtypes: Sequence[str], why: str) -> None:
    if array.dtype not in dtypes:
        expected = " or ".join(dict.fromkeys(dtypes))
        raise TypeError(f"{name}: has dtype {array.dtype}, expected {expected} ({why})")


def check_shape(name: str, array: Array, shape: tuple[int, ...], why: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: has shape {array.shape}, expected {shape} ({why})")


def schedule_key(schedule: Schedule) -> tuple[tuple[str, int], ...]:
    if not schedule:
        return ()
    items = []
    for key, value in sorted(schedule.items()):
        if key not in _text.SCHEDULE_KEYS:
            raise ValueError(
                f"schedule: unknown parameter `{key}`, expected one of "
                f"{', '.join(_text.SCHEDULE_KEYS)}"
            )
        if isinstance(value, bool) or int(value) != value or value < 0:
            raise ValueError(f"schedule: {key} is {value}, expected an integer >= 0")
        items.append((key, int(value)))
    return tuple(items)
