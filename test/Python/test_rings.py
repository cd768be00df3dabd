# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""tile-erase-async notices what its order of a program hides: a kernel that copies
rows through a ring, right and then wrong in one way each."""

from __future__ import annotations

import numpy as np
import pytest
import seqc
from seqc_testing import run_passes

COPY = """
tile.kernel @copy(%x: memref<?x64xf32, strided<[?, ?], offset: ?>>,
                  %y: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %r = tile.make_ring : !tile.ring<STAGES x 8x64xf32>
  BODY
  tile.return
}
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %y = tile.launch @copy grid(%c1, %c1, %c1) ins(%x : tensor<?x64xf32>)
      outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
"""

PUT = """
    %row{0} = arith.muli {1}, %c8 : index
    tile.put %r[{1}], %x[%row{0}, %c0]{2}
        : !tile.ring<STAGES x 8x64xf32>, memref<?x64xf32, strided<[?, ?], offset: ?>>"""

GET = """
    %t{0} = tile.get %r[{1}] pending {2} : !tile.ring<STAGES x 8x64xf32>"""

USE = """
    %v{0} = tile.shared_load %t{0} : !tile.shared<8x64xf32> -> tensor<8x64xf32>
    %at{0} = arith.muli {1}, %c8 : index
    tile.store %v{0}, %y[%at{0}, %c0] : tensor<8x64xf32>, memref<?x64xf32>"""

RELEASE = """
    tile.release %r[{0}] : !tile.ring<STAGES x 8x64xf32>"""

LOOP = """
  scf.for %i = %c0 to %c4 step %c1 {{
    {0}
  }}"""

# One copy ahead of the loop.
AHEAD = """
    %next = arith.addi %i, %c1 : index
    %more = arith.cmpi slt, %next, %c4 : index"""

ROLES = """
  tile.roles warps [4, 4] registers [0, 0] {{
    {0}
  }}, {{
    {1}
  }}"""


def loop(body: str) -> str:
    return LOOP.format(body)


def copy(pending: int = 0, when: str = " when %more") -> str:
    return PUT.format(0, "%c0", "") + loop(
        GET.format(1, "%i", 0).replace("pending 0", f"pending {pending}")
        + AHEAD
        + PUT.format(2, "%next", when)
        + USE.format(1, "%i")
        + RELEASE.format("%i")
    )


def ahead(pending: int) -> str:
    """Two copies run when the first is waited for."""
    return PUT.format(0, "%c0", "") + loop(
        AHEAD
        + PUT.format(2, "%next", " when %more")
        + GET.format(1, "%i", pending)
        + USE.format(1, "%i")
        + RELEASE.format("%i")
    )


PROGRAMS = {
    # name: (stages, body, whether it is right)
    "in_turn": (
        1,
        loop(
            PUT.format(0, "%i", "")
            + GET.format(1, "%i", 0)
            + USE.format(1, "%i")
            + RELEASE.format("%i")
        ),
        True,
    ),
    "ahead": (2, copy(), True),
    "ahead_pending": (2, ahead(1), True),
    "waits_for_too_little": (2, ahead(2), False),
    "overwrites_a_stage": (1, ahead(0), False),
    "gap_in_the_numbers": (
        2,
        loop(
            "%n = arith.muli %i, %c2 : index"
            + PUT.format(0, "%n", "")
            + GET.format(1, "%n", 0)
            + USE.format(1, "%i")
            + RELEASE.format("%n")
        ),
        False,
    ),
    "waits_for_no_copy": (
        2,
        PUT.format(0, "%c0", "")
        + GET.format(1, "%c1", 0)
        + USE.format(1, "%c0")
        + RELEASE.format("%c1"),
        False,
    ),
    "roles": (
        2,
        ROLES.format(
            loop(PUT.format(0, "%i", "")),
            loop(GET.format(1, "%i", 0) + USE.format(1, "%i") + RELEASE.format("%i")),
        ),
        True,
    ),
    # Copy 2 needs the stage of copy 0, which is released after copy 2 is there.
    "roles_that_wait_for_each_other": (
        2,
        ROLES.format(
            loop(PUT.format(0, "%i", "")),
            GET.format(1, "%c0", 0)
            + GET.format(2, "%c1", 0)
            + GET.format(3, "%c2", 0)
            + USE.format(1, "%c0")
            + RELEASE.format("%c0")
            + RELEASE.format("%c1")
            + RELEASE.format("%c2"),
        ),
        False,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_rings(name: str) -> None:
    stages, body, is_right = PROGRAMS[name]
    source = COPY.replace("BODY", body).replace("STAGES", str(stages))
    erased = run_passes(source, "--seqc-erase-tile")
    x = np.arange(32 * 64, dtype=np.float32).reshape(32, 64)
    y = seqc.compile(erased)["f"](x)
    if is_right:
        np.testing.assert_array_equal(y, x)
    else:
        assert np.isnan(y).any()
