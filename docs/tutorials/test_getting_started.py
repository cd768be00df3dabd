"""Runs the documents: every block of code in the tutorials and the README.

A block's language, after its opening fence, says what becomes of it:

    sh               run by bash in a scratch folder that has the checkout's docs
                     and build in it, as in the root of a checkout
    python           run in one namespace per document
    mlir file=NAME   written to the file NAME in that folder
    text             what the block before it must have printed; a line of "..."
                     stands for any lines, and "..." within a line for any text

Anything else, and `sh no-run`, is left alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SEQC_BUILD_DIR", ROOT / "build"))
DOCUMENTS = ["docs/tutorials/getting-started.md", "README.md"]


@dataclass
class Block:
    """A fenced block of a document."""

    info: str
    text: str
    where: str


def blocks(document: str) -> Iterator[Block]:
    pattern = r"^```(\S[^\n]*)\n(.*?)^```$"
    text = (ROOT / document).read_text()
    for match in re.finditer(pattern, text, re.M | re.S):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(match[1].strip(), match[2], f"{document}:{line}")


def run_shell(block: Block, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{block.where}: exit code {done.returncode}\n{block.text}\n{done.stdout}"
    )
    return done.stdout


def run_python(block: Block, namespace: dict[str, Any]) -> str:
    code = compile(
        "\n" * int(block.where.split(":")[1]) + block.text, block.where, "exec"
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is `expected`, with "..." standing for anything."""
    pattern = ""
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            parts = (re.escape(part) for part in line.rstrip().split("..."))
            pattern += "[^\n]*?".join(parts) + "[ ]*\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "build").symlink_to(BUILD)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed: str | None = None
    ran = 0
    for block in blocks(document):
        language, _, rest = block.info.partition(" ")
        if language == "sh" and rest != "no-run":
            printed = run_shell(block, tmp_path)
            ran += 1
        elif language == "python":
            printed = run_python(block, namespace)
            ran += 1
        elif language == "mlir" and rest.startswith("file="):
            (tmp_path / rest.removeprefix("file=")).write_text(block.text)
        elif language == "text":
            assert printed is not None, f"{block.where}: nothing was run before"
            assert matches(block.text, printed), (
                f"{block.where}: expected\n{block.text}\nbut it printed\n{printed}"
            )
    assert ran, f"{document}: no block was run"


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "a\n", True),
        ("error ...e-06\n", "error 2.1e-06\n", True),
        ("a\n", "a\nb\n", False),
        ("a...c\n", "a\nc\n", False),
    ],
)
def test_matches(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) == same
