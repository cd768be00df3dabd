# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Damaged input: MLIR text, bytecode and artifacts with random changes.

The driver must end with 0, 1 or 2, say what is wrong, and leave no output
behind when it fails. SEQC_FUZZ=N tries N inputs of each kind, from SEQC_FUZZ_SEED.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import seqc
from seqc_testing import TOOL_ENVIRONMENT

COUNT = int(os.environ.get("SEQC_FUZZ", "16"))
FIRST = int(os.environ.get("SEQC_FUZZ_SEED", "0"))
SECONDS = 120
BUILT = Path(seqc.__file__).absolute().parents[2] / "bin" / "seqc"
DRIVER = str(BUILT) if BUILT.exists() else shutil.which("seqc")

pytestmark = pytest.mark.skipif(DRIVER is None, reason="no seqc driver")

PROGRAMS = (
    """func.func @f(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %n: tensor<?xi32>,
    %s: tensor<4xf32>, %seed: i64) -> (tensor<?x4x?x8xf32>, tensor<?x4x?xf32>) {
  %cap = arith.constant 2.0 : f32
  %o, %l = seqc.attention query(%q) key(%k) value(%k) prefix(%n) sinks(%s)
      dropout(0.25, %seed) scale(0.5) causal window_left(5) window_right(1)
      align(top_left) score {
  ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
    %y = arith.mulf %x, %cap : f32
    seqc.yield %y : f32
  } mask {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %p = arith.cmpi ne, %i, %j : index
    seqc.yield %p : i1
  } {schedule = #seqc.schedule<tile_m = 16, tile_n = 8, splits = 2>}
    : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>,
       tensor<4xf32>, i64) -> (tensor<?x4x?x8xf32>, tensor<?x4x?xf32>)
  return %o, %l : tensor<?x4x?x8xf32>, tensor<?x4x?xf32>
}
""",
    """func.func @f(%q: tensor<2x3x7x8xbf16>, %b: tensor<1x3x1x7xf32>,
    %s: tensor<2x7xi32>) -> tensor<2x3x7x8xbf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) bias(%b) segments(%s, %s)
    : (tensor<2x3x7x8xbf16>, tensor<2x3x7x8xbf16>, tensor<2x3x7x8xbf16>,
       tensor<1x3x1x7xf32>, tensor<2x7xi32>, tensor<2x7xi32>) -> tensor<2x3x7x8xbf16>
  return %o : tensor<2x3x7x8xbf16>
}
""",
    """func.func @f(%u: tensor<?x6x?xf32>, %A: tensor<6x4xf32>, %B: tensor<?x2x4x?xf32>,
    %C: tensor<6x4xf32>, %D: tensor<6xf32>, %h: tensor<?x6x4xf32>)
    -> (tensor<?x6x?xf32>, tensor<?x6x4xf32>) {
  %o, %s = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%C) D(%D) z(%u)
      delta_bias(%D) initial_state(%h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 2, tile_n = 16, splits = 2>}
    : (tensor<?x6x?xf32>, tensor<?x6x?xf32>, tensor<6x4xf32>, tensor<?x2x4x?xf32>,
       tensor<6x4xf32>, tensor<6xf32>, tensor<?x6x?xf32>, tensor<6xf32>,
       tensor<?x6x4xf32>) -> (tensor<?x6x?xf32>, tensor<?x6x4xf32>)
  return %o, %s : tensor<?x6x?xf32>, tensor<?x6x4xf32>
}
""",
    """#map = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<2x5x9xf16>, %w: tensor<5x4xf32>, %b: tensor<5xf16>,
    %s: tensor<2x5x3xf16>) -> (tensor<10x9xf32>, tensor<2x5x3xf16>) {
  %o, %t = seqc.causal_conv1d x(%x) weight(%w) bias(%b) initial_state(%s)
      activation(silu) {schedule = #seqc.schedule<tile_m = 2, tile_n = 4>}
    : (tensor<2x5x9xf16>, tensor<5x4xf32>, tensor<5xf16>, tensor<2x5x3xf16>)
    -> (tensor<2x5x9xf16>, tensor<2x5x3xf16>)
  %c = tensor.collapse_shape %o [[0, 1], [2]] : tensor<2x5x9xf16> into tensor<10x9xf16>
  %e = tensor.empty() : tensor<10x9xf32>
  %r = linalg.generic {indexing_maps = [#map, #map],
      iterator_types = ["parallel", "parallel"]}
      ins(%c : tensor<10x9xf16>) outs(%e : tensor<10x9xf32>) {
  ^bb0(%p: f16, %q: f32):
    %y = arith.extf %p : f16 to f32
    linalg.yield %y : f32
  } -> tensor<10x9xf32>
  return %r, %t : tensor<10x9xf32>, tensor<2x5x3xf16>
}
""",
    """func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>, %n: index)
    -> tensor<?x16xf32> {
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  %d = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%d) : tensor<?x16xf32>
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<?x16xf32>) -> tensor<?x16xf32>
  %m = linalg.matmul ins(%x, %w : tensor<?x8xf32>, tensor<8x16xf32>)
      outs(%i : tensor<?x16xf32>) -> tensor<?x16xf32>
  %s = tensor.extract_slice %m[0, 0] [%d, 16] [1, 1]
      : tensor<?x16xf32> to tensor<?x16xf32>
  %t = math.tanh %s : tensor<?x16xf32>
  return %t : tensor<?x16xf32>
}
""",
)

TOKEN = re.compile(r"[%@#^!]?[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?|\s+|->|.", re.S)
NUMBERS = (
    "0", "1", "-1", "2", "3", "7", "64", "65535", "4294967296", "9223372036854775807",
    "-9223372036854775808", "99999999999999999999", "1e400", "0x7FC00000", "1.5",
)  # fmt: skip
TYPES = (
    "f16", "bf16", "f32", "f64", "f80", "f8E4M3FN", "i1", "i8", "i32", "i64", "i0",
    "si32", "index", "none", "complex<f32>", "vector<4xf32>", "tensor<*xf32>",
    "memref<?xf32>", "tensor<f32>", "()",
)  # fmt: skip
WORDS = (
    "causal", "seqc.attention", "seqc.selective_scan", "seqc.causal_conv1d",
    "seqc.yield", "seqc.online_attention", "seqc.chunk_scan", "seqc.softmax_finish",
    "linalg.matmul", "math.exp", "math.fpowi", "arith.addf", "arith.divsi",
    "tensor.cast", "tensor.empty", "memref.alloc", "scf.while", "cf.br",
    "llvm.unreachable", "private", "return", "unknown.op", "align(bottom_right)",
    "segments", "bias", "tensor.from_elements", "func.call", "ub.poison",
    "vector.load",
    "omp.barrier", "gpu.launch",
    "seqc.schedule", "loc(unknown)", "dense<>", '"', "'", "\\00",
)  # fmt: skip


def mutate_text(rng: np.random.Generator, source: str) -> str:
    tokens = TOKEN.findall(source)
    solid = [i for i, t in enumerate(tokens) if not t.isspace()]
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 6]))):
        at = int(rng.choice(solid))
        other = int(rng.choice(solid))
        kind = int(rng.integers(9))
        if kind == 0:
            tokens[at] = ""
        elif kind == 1:
            tokens[at] += " " + tokens[at]
        elif kind == 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == 3:
            tokens[at] = tokens[other]
        elif kind in (4, 5):
            digits = [i for i in solid if re.search(r"\d", tokens[i])]
            spot = int(rng.choice(digits))
            tokens[spot] = re.sub(
                r"\d+", lambda m: str(rng.choice(NUMBERS)), tokens[spot], count=1
            )
        elif kind == 6:
            types = [i for i in solid if re.search(r"(b?f|i)\d+$", tokens[i])]
            spot = int(rng.choice(types))
            new = str(rng.choice(TYPES))
            tokens[spot] = re.split(r"(?:bf|f|i)\d+$", tokens[spot])[0] + new
        elif kind == 7:
            tokens[at] = str(rng.choice(WORDS))
        else:
            values = [i for i in solid if tokens[i].startswith("%")]
            one, two = (int(rng.choice(values)) for _ in range(2))
            tokens[one] = tokens[two]
    text = "".join(tokens)
    if rng.random() < 0.05:
        text = text[: int(rng.integers(len(text)))]
    return text


def mutate_bytes(rng: np.random.Generator, source: bytes) -> bytes:
    data = bytearray(source)
    for _ in range(int(rng.choice([1, 1, 2, 4, 16]))):
        at = int(rng.integers(len(data)))
        kind = int(rng.integers(5))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        else:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        if not data:
            return b""
    if rng.random() < 0.1:
        del data[int(rng.integers(len(data))) :]
    return bytes(data)


def drive(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert DRIVER is not None
    return subprocess.run(
        [DRIVER, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
        env=TOOL_ENVIRONMENT,
    )


def check_end(result: subprocess.CompletedProcess[str], what: str) -> None:
    assert result.returncode in (0, 1, 2), (
        f"{what}: {result.returncode} {result.stderr}"
    )
    if result.returncode:
        assert "error" in result.stderr, f"{what}: says {result.stderr!r}"


def check_compile(path: Path, what: str) -> None:
    out = path.with_suffix(".seqc")
    result = drive("compile", str(path), "-o", str(out))
    check_end(result, what)
    assert out.exists() == (result.returncode == 0), what
    out.unlink(missing_ok=True)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_text(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 3])
    path = tmp_path / "in.mlir"
    text = mutate_text(rng, str(rng.choice(PROGRAMS)))
    path.write_text(text)
    check_compile(path, text)


def reader_dies(path: Path) -> bool:
    """Whether reading and printing alone ends by a signal."""
    assert DRIVER is not None
    command = [str(Path(DRIVER).with_name("seqc-opt")), str(path)]
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(
            command, capture_output=True, env=TOOL_ENVIRONMENT, check=False
        )
        return done.returncode not in (0, 1)
    return False


@pytest.fixture(scope="module")
def bytecode() -> list[bytes]:
    made = [seqc.emit(text, "seqc-bytecode") for text in PROGRAMS]
    return [data for data in made if isinstance(data, bytes)]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_bytecode(seed: int, tmp_path: Path, bytecode: list[bytes]) -> None:
    rng = np.random.default_rng([seed, 4])
    path = tmp_path / "in.mlirbc"
    data = mutate_bytes(rng, bytecode[int(rng.integers(len(bytecode)))])
    path.write_bytes(data)
    if reader_dies(path):
        # Upstream's bytecode reader trusts some of its input.
        assert drive("compile", str(path), "-o", str(path) + ".seqc").returncode == 3
        return
    check_compile(path, data.hex())


@pytest.fixture(scope="module")
def artifact() -> bytes:
    return seqc.compile(PROGRAMS[4]).to_bytes()


def repair(data: bytearray) -> None:
    """Sets the checksums of the metadata and of the header."""
    offset, length = struct.unpack_from("<QQ", data, 40)
    struct.pack_into("<I", data, 36, zlib.crc32(data[offset : offset + length]))
    (count,) = struct.unpack_from("<I", data, 24)
    head = bytearray(data[: 32 + 32 * count])
    head[28:32] = bytes(4)
    struct.pack_into("<I", data, 28, zlib.crc32(head))


def damage_anywhere(rng: np.random.Generator, source: bytes) -> bytes:
    return mutate_bytes(rng, source)


def damage_header(rng: np.random.Generator, source: bytes) -> bytes:
    data = bytearray(source)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(8, 96))
        data[at] = int(rng.choice([0, 1, 2, 127, 128, 255, int(rng.integers(256))]))
    if rng.random() < 0.8:
        count = struct.unpack_from("<I", data, 24)[0]
        head = bytearray(data[: 32 + 32 * min(count, 4096)])
        head[28:32] = bytes(4)
        struct.pack_into("<I", data, 28, zlib.crc32(head))
    return bytes(data)


def damage_metadata(rng: np.random.Generator, source: bytes) -> bytes:
    """JSON of the same length with other contents, and right checksums."""
    data = bytearray(source)
    offset, length = struct.unpack_from("<QQ", data, 40)
    text = data[offset : offset + length]
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(length))
        text[at] = int(rng.choice(list(b'0-9"[]{}:,.nteabx\x00\xff\\')))
    if rng.random() < 0.2:
        text[:] = b"[" * length
    data[offset : offset + length] = text
    repair(data)
    return bytes(data)


@pytest.mark.parametrize(
    "damage",
    [damage_anywhere, damage_header, damage_metadata],
    ids=lambda f: f.__name__,
)
def test_artifact(
    damage: Callable[[np.random.Generator, bytes], bytes],
    tmp_path: Path,
    artifact: bytes,
) -> None:
    for seed in range(FIRST, FIRST + COUNT):
        rng = np.random.default_rng([seed, 5])
        data = damage(rng, artifact)
        path = tmp_path / f"{seed}.seqc"
        path.write_bytes(data)
        result = drive("inspect", str(path))
        check_end(result, f"seed {seed}, {path}")
        if damage is damage_anywhere and data != artifact:
            assert result.returncode == 1, f"seed {seed}: damage is not seen"
        try:
            seqc.load(path)
        except (seqc.SeqcError, ValueError) as error:
            assert str(error)
        path.unlink()
