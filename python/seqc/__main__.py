# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`seqc`, and `python -m seqc`: the driver that comes with the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    package = Path(__file__).parent
    # In the wheel the driver is in the package, in a build beside it.
    for driver in (package / "bin" / "seqc", package.parents[1] / "bin" / "seqc"):
        if driver.is_file():
            os.execv(driver, ["seqc", *sys.argv[1:]])
    sys.exit(f"seqc: error: the driver is not in {package / 'bin'}")


if __name__ == "__main__":
    main()
