# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests that need a GPU: `pytest -n 8 test/Python/gpu`.

They are skipped where there is none. A kernel that never ends would stop the
rest, so a test that takes too long ends its process; under pytest-xdist the
others go on in a new one.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TARGETS = ("sm_80", "sm_90a")

# Seconds a test may take, with the compilation of its kernels.
TIME_LIMIT = 60


def why_not() -> str:
    """Why there is nothing to run on, or ""."""
    try:
        import torch
    except ImportError:
        return "needs torch"
    if not torch.cuda.is_available():
        return "needs a GPU that torch can use"
    if torch.cuda.get_device_capability() < (8, 0):
        return "needs a GPU of compute capability 8.0 or higher"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = why_not() if mine else ""
    for item in mine:
        item.add_marker(pytest.mark.gpu)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(params=TARGETS)
def target(request: Any) -> str:
    """Each target that the GPU runs; sm_80 from its PTX on a later one."""
    import torch

    name: str = request.param
    if name == "sm_90a" and torch.cuda.get_device_capability() != (9, 0):
        pytest.skip("needs a GPU of compute capability 9.0")
    return name
