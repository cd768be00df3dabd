# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The programs that run on a machine with a GPU, as far as they go without."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from seqc import _seqc

torch: Any = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT))

from gpu import run as gpu_run  # noqa: E402
from gpu import sanitize  # noqa: E402

from bench import bench_gpu  # noqa: E402
from bench.gpu import plots  # noqa: E402


def test_benchmark(tmp_path: Path) -> None:
    """A dry run measures every kind of task, and the page takes its report."""
    report, page = tmp_path / "report.json", tmp_path / "page.md"
    assert bench_gpu.main(["--dry-run", "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["problems"] == []
    sides = {(row["task"], row["side"]) for row in found["results"]}
    for task, side in (
        ("d128-s64-causal", "sm_80"),
        ("d128-s64-full", "cudnn"),
        ("d128-s64-causal-kv2", "flash"),
        ("d128-s64-alibi", "sm_90a plain"),
        ("d128-s64-documents", "sm_90a"),
        ("backward-d16-s64-causal", "sm_90a"),
        ("scan-2x32x48", "copy"),
        ("conv-2x32x48", "torch"),
    ):
        assert (task, side) in sides
    assert all(row["pairs"] for row in found["results"] if row["side"] == "sm_80 plain")
    assert found["compile"] and found["host"]
    text = (ROOT / "docs" / "performance.md").read_text()
    page.write_text(text)
    assert bench_gpu.main(["--from-json", str(report), "--page", str(page)]) == 0
    for expected in ("sm_80 / FA2:", "| documents | 64 |", "| scan 2x32x48 |"):
        assert expected in page.read_text()
    outside = text.partition("<!-- bench_gpu: begin")[0]
    assert page.read_text().startswith(outside)


def test_search_for_schedules(tmp_path: Path) -> None:
    """A dry run compares the model's choice with others, and the page takes it."""
    report, page = tmp_path / "report.json", tmp_path / "page.md"
    options = ["--tune", "--dry-run", "--only", "^d128-s64-causal$"]
    assert bench_gpu.main([*options, "--json", str(report)]) == 0
    rows = json.loads(report.read_text())["tune"]
    assert [row["target"] for row in rows] == ["sm_80", "sm_90a"]
    assert all(row["candidates"] == 2 for row in rows)
    sizes = {"sm_80": "tile_m=64 tile_n={} stages=1 warps=4",
             "sm_90a": "tile_m=128 tile_n={} stages=1 warps=8"}  # fmt: skip
    for row in rows:
        grid = {sizes[row["target"]].format(n) for n in (32, 64)}
        assert row["best"] in {"model", *grid}
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    assert bench_gpu.main(["--from-json", str(report), "--page", str(page)]) == 0
    section = page.read_text().partition("<!-- tune: begin")[2]
    assert "| d128-s64-causal | sm_90a | 2 |" in section


def test_ablation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run compiles each task as it is and without each pass, and the page takes
    it."""
    report, page = tmp_path / "report.json", tmp_path / "page.md"
    skipped = []
    compile_now = _seqc.compile

    def listen(text: str | bytes, options: _seqc.Options) -> bytes:
        skipped.append(options.skip_passes)
        return compile_now(text, options)

    monkeypatch.setattr(_seqc, "compile", listen)
    assert bench_gpu.main(["--ablation", "--dry-run", "--json", str(report)]) == 0
    assert skipped == [None, "tile-lazy-rescale", None, "seqc-pack-heads"]
    forward, decode = json.loads(report.read_text())["ablation"]
    assert forward["without"]["tile-lazy-rescale"] > 0
    assert decode["without"]["seqc-pack-heads"] > 0
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    assert bench_gpu.main(["--from-json", str(report), "--page", str(page)]) == 0
    section = page.read_text().partition("<!-- ablation: begin")[2]
    assert "| `tile-lazy-rescale` |" in section


def test_pictures(tmp_path: Path) -> None:
    """A line for each side, in panels that are wide enough for all; the same report
    gives the same bytes, and what has no results has no picture."""
    pytest.importorskip("matplotlib")
    results = [
        {"task": f"d{dim}-s{length}-{mask}", "side": side, "tflops": speed, "ms": 1.0}
        for dim, speed in ((64, 300.0), (128, 900.0))
        for length in (512, 1024, 4096)
        for mask in ("causal", "full")
        for side in ("sm_90a", "cudnn")
    ]
    report = {"results": results}
    for folder in ("first", "second"):
        plots.draw(report, tmp_path / folder)
    (picture,) = (tmp_path / "first").iterdir()
    assert picture.name == "attention-forward.svg"
    text = picture.read_text()
    for label in ("head_dim 128, causal", "seqc, sm_90a", "cuDNN", "4k", ">800<"):
        assert label in text
    assert "FlashAttention-2" not in text
    assert text == (tmp_path / "second" / picture.name).read_text()
    (link,) = plots.links(tmp_path / "first")
    assert link.endswith("(first/attention-forward.svg)")


def test_cases_of_the_sanitizer(capsys: pytest.CaptureFixture[str]) -> None:
    assert sanitize.main(["--cpu", "--only", "f32|segments"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "9 cases, 0 wrong"


LOG = """\
========= COMPUTE-SANITIZER
case: attention bf16, sm_80
  ok (0.20 s)
case: attention bf16, sm_90a
========= Invalid __global__ read of size 16 bytes
=========     at attention_0+0x1230
=========     by thread (3,0,0) in block (0,0,0)
=========
========= Invalid __global__ read of size 16 bytes
=========     at attention_0+0x1230
  ok (0.30 s)
2 cases, 0 wrong
========= ERROR SUMMARY: 2 errors
"""


def test_findings() -> None:
    total, found = gpu_run.findings(LOG)
    assert total == 2
    assert [x["case"] for x in found] == ["attention bf16, sm_90a"] * 2
    assert found[0]["text"].splitlines()[1] == "    at attention_0+0x1230"
    race = "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
    assert gpu_run.findings(race) == (0, [])
    assert gpu_run.findings("case: x\n  ok\n") == (None, [])


def test_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a GPU: no traceback, and an exit code that says so."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert bench_gpu.main(["--quick"]) == 2
    assert "needs a GPU" in capsys.readouterr().err
    assert gpu_run.main(["check"]) == 2
    assert "nothing was tested: torch sees no GPU" in capsys.readouterr().out
