# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exceptions. `_seqc` builds them from a status code and a message."""

from __future__ import annotations

import re

_INVALID_ARGUMENT = 1
_IO = 5
_OUT_OF_MEMORY = 8
_MISALIGNED = 10


class SeqcError(RuntimeError):
    """A compilation or a call failed.

    Attributes:
        diagnostic: everything the compiler or the runtime said, one diagnostic
            per line. The exception's text is its first line.
        reproducer: the path of a file that reproduces an internal failure of
            the compiler, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        diagnostic: str | None = None,
        reproducer: str | None = None,
    ) -> None:
        super().__init__(message)
        self.diagnostic = message if diagnostic is None else diagnostic
        self.reproducer = reproducer


class SeqcArgumentError(SeqcError, ValueError):
    """An argument of a call does not match what the function takes."""


class AlignmentError(SeqcArgumentError):
    """An array's address or strides do not suit code for aligned arrays."""


class SeqcFileError(SeqcError, OSError):
    """A file cannot be read or written."""


class TraceError(SeqcError, TypeError):
    """A score_mod or mask_mod does something that cannot be compiled."""


def from_status(status: int, message: str) -> BaseException:
    """The exception for a failed call of the C API."""
    if status == _OUT_OF_MEMORY:
        return MemoryError(message)
    found = re.search(r"reproducer[^\n]*?((?:/|\./)[^\s'\"`]+)", message)
    classes: dict[int, type[SeqcError]] = {
        _INVALID_ARGUMENT: SeqcArgumentError,
        _IO: SeqcFileError,
        _MISALIGNED: AlignmentError,
    }
    cls = classes.get(status, SeqcError)
    lines = [line for line in message.splitlines() if line.strip()]
    headline = next((line for line in lines if "error:" in line), None)
    return cls(
        headline or (lines[0] if lines else message),
        diagnostic=message,
        reproducer=found.group(1) if found else None,
    )
