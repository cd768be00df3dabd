# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random programs (fuzz_graphs.py) against f64, a few by default.

SEQC_FUZZ=N checks N programs, from seed SEQC_FUZZ_SEED on. Each runs in a process
that serves many, so that a crash is the failure of one test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from seqc_testing import SANITIZED

COUNT = int(os.environ.get("SEQC_FUZZ", "25"))
FIRST = int(os.environ.get("SEQC_FUZZ_SEED", "0"))
# Less than the time limit of a test.
SECONDS = 600 if SANITIZED else 60


class Worker:
    """A process that checks one seed after the other."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        if self.process is None:
            script = Path(__file__).with_name("fuzz_graphs.py")
            with self.errors.open("w") as errors:
                self.process = subprocess.Popen(
                    [sys.executable, str(script), "--serve"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
        return self.process

    def check(self, seed: int) -> str | None:
        """None, or what went wrong with the program of that seed."""
        process = self.start()
        assert process.stdin is not None and process.stdout is not None
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{seed}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            finished = timer.finished.is_set()
            timer.cancel()
        if answer:
            failure: str | None = json.loads(answer)
            return failure
        code = process.wait()
        self.process = None
        if finished:
            return f"took more than {SECONDS} s"
        return f"crashed with {code}: {self.errors.read_text()[-500:]}"

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("fuzz") / "stderr")
    yield made
    made.stop()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_random_program(worker: Worker, seed: int) -> None:
    failure = worker.check(seed)
    assert failure is None, f"{failure}\nsee: python fuzz_graphs.py --print {seed}"
