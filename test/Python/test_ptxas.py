# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the package looks for ptxas, and what becomes of a program without one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from seqc._places import ptxas_folders

SCRIPT = """#!/bin/sh
if [ "$1" = --version ]; then echo "release 13.0, V13.0.{number}"; exit; fi
for word; do [ "$last" = -o ] && printf '\\177ELF' > "$word"; last=$word; done
"""

PROGRAM = """
import json, sys
from seqc import _seqc
from seqc._program import _options
from test_cache import SOURCE
options = _options("sm_80")
artifact = _seqc.compile(SOURCE, options)
(target,) = json.loads(_seqc.load(artifact, "sm_80").metadata)["targets"]
print(json.dumps(target.get("ptxas")))
"""

HAS_TOOLKIT = os.access("/usr/local/cuda/bin/ptxas", os.X_OK)


def install(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT.format(number=number))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def version(env: dict[str, str], packages: Path | None = None) -> str | None:
    """Of the ptxas that a compilation in a fresh process uses."""
    here = str(Path(__file__).parent)
    folders = [str(packages)] if packages else []
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEQC", "CUDA"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **clean,
            "PATH": "/nowhere",
            "SEQC_CACHE": "0",
            "PYTHONPATH": os.pathsep.join([*folders, here, *sys.path]),
            **env,
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    found: str | None = json.loads(done.stdout)
    return found


def test_the_first_place_counts(tmp_path: Path) -> None:
    named = install(tmp_path / "named" / "other-name", 1)
    path = install(tmp_path / "path" / "ptxas", 2).parent
    home = install(tmp_path / "cuda" / "bin" / "ptxas", 3).parent.parent
    places = {"PATH": str(path), "CUDA_HOME": str(home)}
    assert version({**places, "SEQC_PTXAS": str(named)}) == "13.0.1"
    assert version(places) == "13.0.2"
    assert version({"CUDA_HOME": str(home)}) == "13.0.3"
    assert version({**places, "SEQC_PTXAS": "none"}) is None


@pytest.mark.skipif(HAS_TOOLKIT, reason="the toolkit's is found before a package's")
@pytest.mark.parametrize("folder", ["cu13", "cuda_nvcc"])
def test_a_package_brings_it(tmp_path: Path, folder: str) -> None:
    """As nvidia-cuda-nvcc lays it out, in any folder that Python searches."""
    install(tmp_path / "nvidia" / folder / "bin" / "ptxas", 4)
    assert version({}, tmp_path) == "13.0.4"
    assert version({"SEQC_PTXAS": "none"}, tmp_path) is None


def test_folders_of_packages(tmp_path: Path) -> None:
    """The same search where a toolkit hides it."""
    nvcc = install(tmp_path / "nvidia" / "cu13" / "bin" / "ptxas", 5)
    triton = tmp_path / "triton" / "backends" / "nvidia" / "bin" / "ptxas"
    install(triton, 6)
    (tmp_path / "triton" / "__init__.py").touch()
    (tmp_path / "nvidia" / "cuda_nvcc" / "bin").mkdir(parents=True)
    code = "from seqc._places import ptxas_folders; print(ptxas_folders())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [Path(folder) for folder in done.stdout.strip().split(":")]
    # This environment may have packages of its own.
    mine = [folder for folder in found if tmp_path in folder.parents]
    assert mine == [nvcc.parent, triton.parent]


@pytest.mark.skipif(HAS_TOOLKIT or bool(ptxas_folders()), reason="there is one")
def test_without_one_there_is_ptx(tmp_path: Path) -> None:
    """Asking for none is no warning, so it is another entry of the cache."""
    cache = {"SEQC_CACHE": "1", "SEQC_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):
        assert version(cache) is None
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert version({**cache, "SEQC_PTXAS": "none"}) is None
    assert len(list((tmp_path / "cache").iterdir())) == 2
