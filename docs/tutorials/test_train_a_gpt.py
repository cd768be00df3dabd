# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the tutorial that trains a model, and its script: the losses of a run with seqc
are those of a run with torch, and the script draws them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "gpt" / "train.py"

torch: Any = pytest.importorskip("torch")

sys.path[:0] = [str(SCRIPT.parent), str(HERE)]
train: Any = importlib.import_module("train")
documents: Any = importlib.import_module("test_getting_started")

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.test_document("docs/tutorials/train-a-gpt.md", tmp_path, monkeypatch)


@pytest.mark.parametrize("device", DEVICES)
def test_losses_agree(device: str) -> None:
    """Far closer than to a run on other batches."""
    ours, model = train.train(train.with_seqc, 8, seed=3, device=device)
    theirs, other = train.train(train.with_torch, 8, seed=3, device=device)
    elsewhere, _ = train.train(train.with_torch, 8, seed=4, device=device)
    apart = max(abs(x - y) for x, y in zip(ours, theirs, strict=True))
    noise = max(abs(x - y) for x, y in zip(elsewhere, theirs, strict=True))
    assert apart <= 1e-4
    assert apart <= 1e-2 * noise
    # The slopes have learned, and the same.
    start = 0.5 ** torch.arange(1.0, 5)
    for mine, exact in zip(model.layers, other.layers, strict=True):
        slopes = mine.slopes.detach().cpu()
        expected = exact.slopes.detach().cpu()
        torch.testing.assert_close(slopes, expected, atol=1e-4, rtol=0)
        assert (slopes - start).abs().max() > 1e-3


def test_script(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "losses.svg"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--steps", "2", "--plot", picture],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^seqc: \d\.\d{4} over the last steps", done.stdout, re.M)
    assert "<svg" in picture.read_text()


def test_text_is_what_the_page_says() -> None:
    text = (SCRIPT.parent / "alice.txt").read_text()
    assert text.startswith("ALICE'S ADVENTURES IN WONDERLAND")
    assert text.isascii()
    assert "Gutenberg" not in text
