# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""fails.py CODE FOLDER COMMAND...: runs a command that must fail, in FOLDER.

It must exit with CODE, print nothing to stdout, print one line "seqc: error: ..."
or MLIR diagnostics to stderr, and leave the files of FOLDER as they were. Prints
what it printed, for FileCheck.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


def main() -> int:
    code, folder, command = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    folder.mkdir(parents=True, exist_ok=True)
    before = snapshot(folder)
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(result.stderr, end="")
    lines = result.stderr.splitlines()
    problems = []
    if result.returncode != code:
        problems.append(f"exit code {result.returncode}, expected {code}")
    if result.stdout:
        problems.append(f"stdout: {result.stdout}")
    diagnostic = re.compile(r".+:\d+:\d+: (error|note): .+")
    if not lines or not (
        all(diagnostic.fullmatch(line) for line in lines)
        or (len(lines) == 1 and lines[0].startswith("seqc: error: "))
    ):
        problems.append("neither one line 'seqc: error: ...' nor diagnostics")
    if snapshot(folder) != before:
        problems.append(f"files changed: {sorted(snapshot(folder))}")
    for problem in problems:
        print("FAILED:", problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
