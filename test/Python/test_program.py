# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling, saving, loading and explaining; wrong sources and artifacts."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import _errors, reference

SOURCE = """
func.func @attend(%q: tensor<?x?x?x16xf32> {seqc.name = "query"},
                  %k: tensor<?x?x?x16xf32>,
                  %v: tensor<?x?x?x16xf32>) -> tensor<?x?x?x16xf32> {
  %0 = seqc.attention query(%q) key(%k) value(%v) causal
    : (tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>)
    -> tensor<?x?x?x16xf32>
  return %0 : tensor<?x?x?x16xf32>
}

func.func @scale(%x: tensor<?x4xf32> {seqc.name = "x"},
                 %f: f32 {seqc.name = "factor"}, %n: i64)
    -> (tensor<?x4xf32> {seqc.name = "y"}, tensor<?x4xf32>) {
  %0 = tensor.splat %f : tensor<4xf32>
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%d) : tensor<?x4xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
                       affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %0 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x4xf32>
  return %1, %x : tensor<?x4xf32>, tensor<?x4xf32>
}
"""

Q = np.random.default_rng(0).standard_normal((2, 3, 9, 16)).astype(np.float32)
X = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="module")
def program() -> seqc.Program:
    return seqc.compile(SOURCE)


def check(program: seqc.Program) -> None:
    expected, _ = reference.attention(Q, Q, Q, causal=True)
    np.testing.assert_allclose(program["attend"](Q, Q, Q), expected, atol=1e-5)
    doubled, same = program["scale"](X, 2.0, 7)
    np.testing.assert_array_equal(doubled, 2 * X)
    np.testing.assert_array_equal(same, X)


def test_functions(program: seqc.Program) -> None:
    assert list(program.functions) == ["attend", "scale"]
    assert program.target == "cpu"
    attend, scale = program["attend"], program["scale"]
    assert attend.arguments[0] == seqc.Parameter(
        "query", "tensor", "f32", (None, None, None, 16)
    )
    assert [p.kind for p in scale.arguments] == ["tensor", "scalar", "scalar"]
    assert [p.dtype for p in scale.arguments] == ["f32", "f32", "i64"]
    assert scale.results[0].name == "y"
    assert "attend" in repr(program)
    assert repr(scale).startswith("<seqc function scale(x: ?x4xf32, factor: f32")
    assert {f["name"] for f in program.metadata["functions"]} == {"attend", "scale"}
    check(program)


def test_results_never_share_memory_with_arguments(program: seqc.Program) -> None:
    _, same = program["scale"](X, 2.0, 7)
    assert not np.shares_memory(same, X)


def test_arguments_by_name(program: seqc.Program) -> None:
    doubled, _ = program["scale"](X, 2, 3)
    np.testing.assert_array_equal(doubled, 2 * X)
    single = seqc.compile(
        SOURCE[: SOURCE.index("func.func @scale")].replace('"query"', '"q"')
    )
    np.testing.assert_array_equal(single(Q, Q, Q), program["attend"](Q, Q, Q))


def test_torch(program: seqc.Program) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q)
    out = program["attend"](x, x, x)
    assert isinstance(out, torch.Tensor)
    np.testing.assert_array_equal(out.numpy(), program["attend"](Q, Q, Q))


def test_save_and_load(program: seqc.Program, tmp_path: Path) -> None:
    path = tmp_path / "model.seqc"
    program.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.seqc"]
    check(seqc.load(path))
    check(seqc.load(str(path), target="cpu"))
    check(seqc.load(program.to_bytes()))
    code = (
        "import sys, numpy as np, seqc\n"
        "p = seqc.load(sys.argv[1])\n"
        "x = np.ones((3, 4), np.float32)\n"
        "assert (p['scale'](x, 3.0, 1)[0] == 3).all()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_save_leaves_nothing_half_written(
    program: seqc.Program, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        program.save(tmp_path / "missing" / "model.seqc")
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError):
        program.save(target)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_compile_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.mlir"
    path.write_text(SOURCE)
    check(seqc.compile(path))
    with pytest.raises(FileNotFoundError):
        seqc.compile(tmp_path / "missing.mlir")
    with pytest.raises(TypeError, match="source: expected MLIR text"):
        seqc.compile(3)  # type: ignore[arg-type]


def test_compile_bytecode(program: seqc.Program) -> None:
    bytecode = seqc.emit(SOURCE, "seqc-bytecode")
    assert isinstance(bytecode, bytes)
    check(seqc.compile(bytecode))


@pytest.mark.parametrize("opt_level", [0, 1, 3])
def test_compile_options(opt_level: int, tmp_path: Path) -> None:
    program = seqc.compile(
        SOURCE,
        target="cpu",
        cpu="generic",
        schedule={"tile_m": 8, "tile_n": 16},
        opt_level=opt_level,
        dump_dir=tmp_path / "dump",
    )
    check(program)
    assert len(list((tmp_path / "dump").iterdir())) > 5


@pytest.mark.parametrize(
    "level", ["seqc", "online", "tiled", "linalg", "llvm", "llvm-ir", "asm"]
)
def test_emit(level: str) -> None:
    text = seqc.emit(SOURCE, level)
    assert isinstance(text, str)
    sign = {
        "seqc": "seqc.attention ",
        "online": "seqc.online_attention",
        "tiled": "scf.forall",
        "linalg": "linalg.",
        "llvm": "llvm.func",
        "llvm-ir": "define ",
        "asm": "attend",
    }[level]
    assert sign in text


def test_emit_binary() -> None:
    library = seqc.emit(SOURCE, "library")
    assert isinstance(library, bytes)
    assert library[:4] == b"\x7fELF"


# Wrong sources.


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("func.func @f(", "expected"),
        ("", "no public function|no function"),
        ("func.func @f() { %0 = foo.bar : i32 return }", "foo"),
        (
            SOURCE.replace(
                "%k: tensor<?x?x?x16xf32>", "%k: tensor<?x?x?x16xf64>"
            ).replace(
                "tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>)",
                "tensor<?x?x?x16xf32>, tensor<?x?x?x16xf64>, tensor<?x?x?x16xf32>)",
            ),
            "attention_c2",
        ),
        (b"ML\xefR\x00 not bytecode", "error"),
        ("\x00\x01", "error"),
    ],
)
def test_wrong_source(source: Any, message: str) -> None:
    with pytest.raises(seqc.SeqcError, match=message) as caught:
        seqc.compile(source, source_name="mine.mlir")
    assert "\n" not in str(caught.value)
    assert str(caught.value).splitlines()[0] in caught.value.diagnostic
    assert caught.value.reproducer is None


def test_diagnostic_names_the_place() -> None:
    with pytest.raises(seqc.SeqcError, match=r"mine\.mlir:2:\d+: error:"):
        seqc.compile("\nfunc.func @f() -> i32 { return }", source_name="mine.mlir")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "gpu9000"}, "gpu9000"),
        ({"cpu": "z80"}, "z80"),
        ({"schedule": "tile_q=3"}, "tile_q"),
        ({"schedule": {"tile_m": -3}}, "tile_m"),
        ({"opt_level": 9}, "9"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(seqc.SeqcError, match=message) as caught:
        seqc.compile(SOURCE, **options)
    assert "\n" not in str(caught.value)


def test_wrong_level() -> None:
    with pytest.raises(seqc.SeqcError, match=r"level.*llvm-ir"):
        seqc.emit(SOURCE, "assembler")


# Wrong artifacts.


def test_wrong_artifacts(program: seqc.Program, tmp_path: Path) -> None:
    good = program.to_bytes()
    cases = [
        b"",
        b"\x7fELF",
        b"seqc",
        os.urandom(1000),
        good[:-1],
        good[: len(good) // 2],
    ]
    cases += [good[:n] for n in (1, 8, 16, 40, 100)]
    for data in cases:
        with pytest.raises(seqc.SeqcError) as caught:
            seqc.load(data)
        assert "\n" not in str(caught.value)
    rng = np.random.default_rng(0)
    head = min(len(good), 400)
    for _ in range(200):
        broken = bytearray(good)
        broken[int(rng.integers(head))] ^= int(rng.integers(1, 256))
        # The metadata of what still loads may differ; nothing may crash.
        with contextlib.suppress(seqc.SeqcError):
            seqc.load(bytes(broken))
    path = tmp_path / "model.seqc"
    path.write_bytes(good[:100])
    with pytest.raises(seqc.SeqcError, match=r"model\.seqc|artifact"):
        seqc.load(path)
    with pytest.raises(seqc.SeqcFileError, match=r"missing\.seqc") as caught:
        seqc.load(tmp_path / "missing.seqc")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, seqc.SeqcError)


# Wrong calls.


def test_wrong_calls(program: seqc.Program) -> None:
    scale = program["scale"]
    with pytest.raises(TypeError, match="scale: missing argument `factor`"):
        scale(X)
    with pytest.raises(TypeError, match="scale: missing argument `x`"):
        scale(factor=1.0, n=2)
    with pytest.raises(TypeError, match="scale: got 4 arguments, expected 3"):
        scale(X, 1.0, 2, 3)
    with pytest.raises(TypeError, match="`x` is given by position and by name"):
        scale(X, 1.0, 2, x=X)
    with pytest.raises(TypeError, match="unexpected argument `nope`; it takes x, fac"):
        scale(X, 1.0, 2, nope=3)
    with pytest.raises(TypeError, match="x: expected a numpy array"):
        scale("x", 1.0, 2)
    for bad in (X.astype(np.float64), X[0], X[:, :3], X[None]):
        with pytest.raises(seqc.SeqcArgumentError) as caught:
            scale(bad, 1.0, 2)
        assert isinstance(caught.value, ValueError)
        assert "\n" not in str(caught.value)
    with pytest.raises(KeyError, match="attend, scale"):
        program["missing"]
    with pytest.raises(TypeError, match="2 functions"):
        program(X)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (1, "x", "factor: expected a number for f32, got str"),
        (1, None, "factor: expected a number for f32, got NoneType"),
        (2, 2.5, "n: expected an integer for i64, got float"),
        (2, "3", "n: expected an integer for i64, got str"),
        (2, X, "n: expected an integer for i64, got ndarray"),
        (2, 2**63, "n: value 9223372036854775808 does not fit in i64"),
    ],
)
def test_wrong_scalars(
    program: seqc.Program, position: int, value: Any, message: str
) -> None:
    arguments: list[Any] = [X, 1.0, 2]
    arguments[position] = value
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        program["scale"](*arguments)


def test_scalars_of_libraries(program: seqc.Program) -> None:
    doubled, _ = program["scale"](X, np.float16(2), np.int32(-7))
    np.testing.assert_array_equal(doubled, 2 * X)


# Dynamic sizes. Every one that another argument depends on is checked at the
# call: each in turn is made smaller, and the call has to say so.


def attention_module() -> tuple[seqc.Module, dict[str, tuple[int, ...]]]:
    m = seqc.Module("attend")
    sizes: dict[str, tuple[int, ...]] = {
        "query": (2, 6, 5, 8),
        "key": (2, 3, 7, 8),
        "value": (2, 3, 7, 4),
        "bias": (2, 6, 5, 7),
        "query_segments": (2, 5),
        "key_segments": (2, 7),
        "prefix": (2,),
        "sinks": (6,),
    }
    dtypes = {"query_segments": "i32", "key_segments": "i32", "prefix": "i32"}
    v = {
        name: m.input(
            name,
            (None, None, None, shape[3])
            if name in ("query", "key", "value")
            else (None,) * len(shape),
            dtypes.get(name, "f32"),
        )
        for name, shape in sizes.items()
    }
    out = m.attention(
        v["query"],
        v["key"],
        v["value"],
        bias=v["bias"],
        segment_ids=(v["query_segments"], v["key_segments"]),
        prefix=v["prefix"],
        sinks=v["sinks"],
    )
    m.output(out)
    return m, sizes


def scan_module() -> tuple[seqc.Module, dict[str, tuple[int, ...]]]:
    m = seqc.Module("scan")
    sizes: dict[str, tuple[int, ...]] = {
        "u": (2, 6, 5),
        "delta": (2, 6, 5),
        "A": (6, 4),
        "B": (2, 3, 4, 5),
        "C": (2, 4, 5),
        "D": (6,),
        "z": (2, 6, 5),
        "delta_bias": (6,),
        "initial_state": (2, 6, 4),
        "weight": (6, 3),
        "bias": (6,),
        "residual": (2, 6, 5),
    }
    static = {"A": {1}, "B": {1, 2}, "C": {1}, "initial_state": {2}, "weight": {1}}
    v = {
        name: m.input(
            name,
            tuple(
                size if dim in static.get(name, ()) else None
                for dim, size in enumerate(shape)
            ),
        )
        for name, shape in sizes.items()
    }
    conv = m.causal_conv1d(v["u"], v["weight"], v["bias"])
    out = m.selective_scan(
        conv,
        v["delta"],
        v["A"],
        v["B"],
        v["C"],
        D=v["D"],
        z=v["z"],
        delta_bias=v["delta_bias"],
        initial_state=v["initial_state"],
    )
    m.output(m.add(out, v["residual"]))
    return m, sizes


@pytest.mark.parametrize("make", [attention_module, scan_module])
def test_sizes_that_do_not_match(
    make: Callable[[], tuple[seqc.Module, dict[str, tuple[int, ...]]]],
) -> None:
    module, sizes = make()
    function = module.compile()[module.name]

    def call(changed: dict[str, tuple[int, ...]]) -> Any:
        return function(
            **{
                p.name or "": np.zeros(
                    (sizes | changed)[p.name or ""],
                    np.int32 if p.dtype == "i32" else np.float32,
                )
                for p in function.arguments
            }
        )

    call({})
    checked = 0
    for parameter in function.arguments:
        name = parameter.name or ""
        for dim, size in enumerate(sizes[name]):
            smaller = list(sizes[name])
            smaller[dim] = size - 1
            with pytest.raises(seqc.SeqcArgumentError, match=f"dimension {dim} ") as e:
                call({name: tuple(smaller)})
            assert f"'{name}'" in str(e.value)
            assert "\n" not in str(e.value)
            checked += 1
    assert checked == sum(map(len, sizes.values()))


def test_sizes_that_are_free(program: seqc.Program) -> None:
    """Query length, and a number of key heads that divides that of query heads."""
    for heads, length in ((3, 9), (1, 9), (3, 4), (1, 0)):
        out = program["attend"](Q, *[np.zeros((2, heads, length, 16), np.float32)] * 2)
        np.testing.assert_array_equal(out, np.zeros_like(Q))
    with pytest.raises(seqc.SeqcArgumentError, match="multiple of dimension 1"):
        program["attend"](Q, *[np.zeros((2, 2, 9, 16), np.float32)] * 2)


# Explaining.


def test_explain() -> None:
    table = seqc.explain(SOURCE, chip="h200", sizes={"B": 2, "Sq": 1000})
    assert table != seqc.explain(SOURCE, chip="h200", sizes={"B": 2, "Sq": 9})
    assert isinstance(table, str)
    assert "attention" in table
    report = seqc.explain(SOURCE, chip="cpu", json=True)
    assert isinstance(report, dict)
    with pytest.raises(seqc.SeqcError, match="names 'batch'"):
        seqc.explain(SOURCE, sizes={"batch": 2})
    with pytest.raises(seqc.SeqcError, match="abacus"):
        seqc.explain(SOURCE, chip="abacus")


# How a failed call becomes an exception.


def test_reproducer_is_found() -> None:
    error = _errors.from_status(
        7, "internal error: pass 'x' failed: why; reproducer: /tmp/seqc-1.mlir"
    )
    assert isinstance(error, seqc.SeqcError)
    assert error.reproducer == "/tmp/seqc-1.mlir"
    assert isinstance(_errors.from_status(8, "no memory"), MemoryError)
    assert isinstance(_errors.from_status(1, "x"), ValueError)


# The cache of the eager calls.


def test_cache_keeps_the_latest() -> None:
    from seqc import _program

    cache = _program.Cache(size=2)
    texts = [
        SOURCE.replace("@attend", f"@f{i}").replace("@scale", f"@g{i}")
        for i in range(3)
    ]
    functions = [
        cache.build(i, functools.partial(texts.__getitem__, i)) for i in range(3)
    ]
    assert cache.find(0) is None
    assert cache.find(2) is functions[2]
    assert len(cache) == 2
    assert cache.build("another key", lambda: texts[2]) is functions[2]
    assert cache.compiled == 3
    cache.clear()
    assert len(cache) == 0
