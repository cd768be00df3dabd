# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache on disk of seqcCompile(): whatever happens to it, a compilation gives
the same bytes."""

from __future__ import annotations

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seqc import _seqc
from seqc._program import _options

ATTENTION = """
func.func @attend(%q: tensor<?x?x?x{d}xf16>, %k: tensor<?x?x?x{d}xf16>,
                  %v: tensor<?x?x?x{d}xf16>) -> tensor<?x?x?x{d}xf16> {{
  %o = seqc.attention query(%q) key(%k) value(%v) causal
      : (tensor<?x?x?x{d}xf16>, tensor<?x?x?x{d}xf16>, tensor<?x?x?x{d}xf16>)
        -> tensor<?x?x?x{d}xf16>
  return %o : tensor<?x?x?x{d}xf16>
}}
"""
SOURCE = ATTENTION.format(d=64)

# Compiles fast: what matters is the cache.
TINY = """
func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {{
  %c = arith.constant dense<{number}.0> : tensor<4xf32>
  %r = arith.addf %a, %c : tensor<4xf32>
  return %r : tensor<4xf32>
}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache, which is on."""
    path = tmp_path / "cache"
    monkeypatch.setenv("SEQC_CACHE", "1")
    monkeypatch.setenv("SEQC_CACHE_DIR", str(path))
    monkeypatch.setenv("SEQC_PTXAS", "none")
    monkeypatch.delenv("SEQC_CACHE_SIZE", raising=False)
    return path


def build(source: str, target: str = "cpu", **options: object) -> bytes:
    return _seqc.compile(source, _options(target, **options))  # type: ignore[arg-type]


def tiny(number: int) -> str:
    return TINY.format(number=number)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def fresh(source: str, target: str = "cpu") -> bytes:
    """What a compilation gives without a cache."""
    options = _options(target)
    options.cache = False
    return _seqc.compile(source, options)


@pytest.mark.parametrize("target", ["cpu", "sm_80", "sm_80,sm_90a,cpu"])
def test_a_program_is_compiled_once(folder: Path, target: str) -> None:
    first = build(SOURCE, target)
    (entry,) = entries(folder)
    before = entry.stat()
    second = build(SOURCE, target)
    assert second == first == fresh(SOURCE, target)
    (entry,) = entries(folder)
    assert entry.stat().st_ino == before.st_ino


# Time of the processor, since tests run beside each other.


def test_a_warm_compilation_takes_less_than_5_ms(folder: Path) -> None:
    build(SOURCE, "sm_90a")
    times = []
    for _ in range(20):
        start = time.process_time()
        build(SOURCE, "sm_90a")
        times.append(time.process_time() - start)
    assert statistics.median(times) < 5e-3


FIRST_CALL = """
import time, test_cache
start = time.process_time()
test_cache.build(test_cache.SOURCE, "sm_90a")
print(time.process_time() - start)
"""


def test_so_does_the_first_one_of_a_process(folder: Path) -> None:
    build(SOURCE, "sm_90a")
    workers = [run_python(FIRST_CALL) for _ in range(3)]
    assert min(float(worker.communicate()[0]) for worker in workers) < 5e-3


def test_everything_that_decides_the_result_is_in_the_key(folder: Path) -> None:
    calls: list[Callable[[], bytes]] = [
        lambda: build(tiny(1)),
        lambda: build(tiny(2)),
        lambda: build(tiny(1) + "\n"),
        lambda: build(tiny(1), opt_level=1),
        lambda: build(tiny(1), cpu="generic"),
        lambda: build(tiny(1), cpu="x86-64-v4"),
        lambda: build(tiny(1), features="-fma"),
        lambda: build(tiny(1), schedule="tile_m=64"),
        lambda: build(tiny(1), schedule="tile_m=32"),
        lambda: build(tiny(1), source_name="other"),
        lambda: build(tiny(1), verify_each=False),
        lambda: build(SOURCE, "sm_80"),
        lambda: build(SOURCE, "sm_90a"),
        lambda: build(SOURCE, "sm_80", aligned=False),
        lambda: build(SOURCE, "sm_80", perf_errors=False),
        lambda: build(SOURCE, "sm_80", schedule="gpu:tile_m=64"),
        lambda: build(SOURCE, "sm_80,sm_90a"),
        lambda: build(SOURCE, "sm_90a,sm_80"),
    ]
    for count, call in enumerate(calls, 1):
        call()
        assert len(entries(folder)) == count
    # A schedule for another target is none.
    build(tiny(1), schedule="gpu:tile_m=64")
    assert len(entries(folder)) == len(calls)


def test_zero_switches_it_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("0", "off", " No ", "FALSE"):
        monkeypatch.setenv("SEQC_CACHE", value)
        build(tiny(1))
        assert entries(folder) == []
    monkeypatch.delenv("SEQC_CACHE")
    build(tiny(1))
    assert len(entries(folder)) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def swap(path: Path) -> None:
    """The entry of another program under this name."""
    build(tiny(77))
    (other,) = [entry for entry in entries(path.parent) if entry != path]
    os.replace(other, path)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flip,
        lengthen,
        swap,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"SEQCACH1"),
        lambda path: path.write_bytes(bytes(100_000)),
        lambda path: path.unlink(),
    ],
    ids=["cut", "flip", "lengthen", "swap", "empty", "magic", "zeros", "gone"],
)
def test_a_damaged_entry_is_replaced(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    first = build(tiny(1))
    (entry,) = entries(folder)
    good = entry.read_bytes()
    damage(entry)
    assert build(tiny(1)) == first
    assert entries(folder) == [entry]
    assert entry.read_bytes() == good


def test_something_else_in_the_place_of_an_entry(folder: Path) -> None:
    first = build(tiny(1))
    (entry,) = entries(folder)
    entry.unlink()
    entry.mkdir()
    assert build(tiny(1)) == first
    entry.rmdir()
    # Must not wait for somebody to write to it, or to read from it.
    os.mkfifo(entry)
    assert build(tiny(1)) == first


@pytest.mark.parametrize("where", ["/proc/self/none", "/dev/null/none", "file/none"])
def test_a_folder_that_cannot_be(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQC_CACHE_DIR", str(tmp_path / where))
    assert build(tiny(1)) == build(tiny(1)) == fresh(tiny(1))


READ_ONLY = """
import os, test_cache
folder = test_cache.Path(os.environ["SEQC_CACHE_DIR"])
try:
    (folder / "file").touch()
    raise SystemExit("the folder can be written to")
except PermissionError:
    pass
(entry,) = test_cache.entries(folder)
used = entry.stat().st_mtime_ns
assert test_cache.build(test_cache.tiny(1)) == test_cache.fresh(test_cache.tiny(1))
assert test_cache.build(test_cache.tiny(2)) == test_cache.fresh(test_cache.tiny(2))
assert test_cache.entries(folder) == [entry]
"""


def obey_permissions() -> None:
    """Before a program starts: takes from root, in it, the right to ignore them."""
    prctl_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(prctl_capbset_drop, cap_dac_override)


def test_a_folder_that_is_read_only_is_read(folder: Path) -> None:
    build(tiny(1))
    folder.chmod(0o500)
    try:
        assert run_python(READ_ONLY, before=obey_permissions).wait() == 0
    finally:
        folder.chmod(0o700)


FULL_DISK = """
import resource, test_cache
source = test_cache.ATTENTION.format(d=16)
# No file may grow further. Python ignores the signal that tells so.
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
data = test_cache.build(source, "sm_80")
assert len(data) > 4096
assert data == test_cache.fresh(source, "sm_80")
"""


def test_a_disk_that_is_full(folder: Path) -> None:
    """A file that cannot be written whole is not there at all."""
    build(tiny(1))
    before = {path: path.read_bytes() for path in entries(folder)}
    assert run_python(FULL_DISK).wait() == 0
    assert {path: path.read_bytes() for path in entries(folder)} == before


def test_the_least_recently_used_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {}
    for number in (1, 2, 3):
        before = set(entries(folder))
        build(tiny(number))
        (names[number],) = set(entries(folder)) - before
    # They were made an hour ago, and the first is used again.
    for number, path in names.items():
        os.utime(path, (time.time() - 3600 + number,) * 2)
    build(tiny(1))
    size = sum(path.stat().st_size for path in entries(folder))
    monkeypatch.setenv("SEQC_CACHE_SIZE", str(size + size // 6))
    build(tiny(4))
    left = entries(folder)
    assert names[1] in left
    assert names[2] not in left
    assert names[3] in left
    assert len(left) == 3
    # What alone is too large is not kept, and nothing goes for it.
    monkeypatch.setenv("SEQC_CACHE_SIZE", "1K")
    build(tiny(5))
    assert entries(folder) == left


def test_sizes_have_units(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (text, count) in enumerate(
        [("0", 0), ("10", 0), ("1k", 0), ("1M", 1), ("1G", 2), ("nonsense", 3)]
    ):
        monkeypatch.setenv("SEQC_CACHE_SIZE", text)
        build(tiny(number))
        assert len(entries(folder)) == count, text


def test_what_a_killed_process_leaves_goes(folder: Path) -> None:
    build(tiny(1))
    (entry,) = entries(folder)
    old, new = (folder / f"{entry.name}.tmp.1.{i}" for i in range(2))
    other = folder / "README"
    for path in (old, new, other):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    os.utime(other, (time.time() - 7200,) * 2)
    build(tiny(2))
    assert not old.exists()
    assert new.exists()
    assert other.exists()


WORKER = """
import sys
from seqc import _seqc
from seqc._program import _options
import test_cache
for _ in range(int(sys.argv[1])):
    for number in range(6):
        data = test_cache.build(test_cache.tiny(number))
        assert data == test_cache.fresh(test_cache.tiny(number)), number
"""


def run_python(
    *arguments: str, before: Callable[[], None] | None = None, **env: str
) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        env={**os.environ, "PYTHONPATH": path, **env},
        preexec_fn=before,
        stdout=subprocess.PIPE,
    )


def test_many_processes_use_it_at_once(folder: Path) -> None:
    # The bound is so small that each evicts what the others need.
    workers = [run_python(WORKER, "4", SEQC_CACHE_SIZE="60K") for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    left = entries(folder)
    assert left
    assert all(path.name.endswith(".seqc-cache") for path in left)
    assert sum(path.stat().st_size for path in left) <= 60 << 10


BUILD_TINY = """
import test_cache
test_cache.build(test_cache.tiny(1))
"""


def test_where_it_is(folder: Path, tmp_path: Path) -> None:
    home, xdg = tmp_path / "home", tmp_path / "xdg"
    home.mkdir()
    common: dict[str, Any] = {"SEQC_CACHE_DIR": "", "HOME": str(home)}
    # What is not an absolute path does not count.
    for ignored in ("", "relative"):
        worker = run_python(BUILD_TINY, **common, XDG_CACHE_HOME=ignored)
        assert worker.wait() == 0
        assert len(entries(home / ".cache" / "seqc")) == 1
    assert (home / ".cache" / "seqc").stat().st_mode & 0o777 == 0o700
    assert run_python(BUILD_TINY, **common, XDG_CACHE_HOME=str(xdg)).wait() == 0
    assert len(entries(xdg / "seqc")) == 1
    # A folder that everyone can write to is not trusted.
    shutil.rmtree(xdg)
    (xdg / "seqc").mkdir(parents=True)
    (xdg / "seqc").chmod(0o777)
    assert run_python(BUILD_TINY, **common, XDG_CACHE_HOME=str(xdg)).wait() == 0
    assert entries(xdg / "seqc") == []


def test_a_failure_is_not_kept(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(
            _seqc.SeqcError if hasattr(_seqc, "SeqcError") else Exception
        ):
            build("func.func @f() -> tensor<4xf32> {")
    assert entries(folder) == []
