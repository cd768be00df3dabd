"""Compares the numbered constraints of docs/spec.md with what the sources quote.

A constraint that the specification numbers must have a check in a verifier, a mention
beside its operand in the ODS file and a negative test; and none of the three may quote
a number that the specification does not have.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

NAMES = (
    "block_attention_backward",
    "attention_backward",
    "attention",
    "paged",
    "selective_scan_backward",
    "selective_scan",
    "causal_conv1d_backward",
    "causal_conv1d",
    "online_attention",
    "softmax_finish",
    "chunk_scan_backward",
    "chunk_scan",
    "chunk_conv1d_backward",
    "parallel_add",
)
ID = re.compile(rf"\b({'|'.join(NAMES)})_c(\d+)\b")
CHECK = re.compile(
    r"(?:\bcheck\.(?:fail|tensor|hasRank|gradient)\(|\(check,)\s*(\d+)\b"
)

Ids = set[tuple[str, int]]


def ids_in(text: str) -> Ids:
    """The ids in `text`, those between the ends of an `a_c1 to a_c9` included."""
    found = [
        (m.group(1), int(m.group(2)), m.start(), m.end()) for m in ID.finditer(text)
    ]
    ids = {(name, number) for name, number, _, _ in found}
    for (name, first, _, end), (other, last, start, _) in itertools.pairwise(found):
        if name == other and re.fullmatch(r"[\s*`/]*to[\s*`/]*", text[end:start]):
            ids |= {(name, number) for number in range(first, last + 1)}
    return ids


def numbers_in(code: str) -> set[int]:
    """The constraint numbers that verifier code checks."""
    return {int(m.group(1)) for m in CHECK.finditer(code)}


def function(code: str, start: str) -> str:
    """The body of the function whose definition holds `start`."""
    begin = code.index(start)
    return code[begin : code.index("\n}\n", begin)]


def verified(root: Path) -> Ids:
    """The constraints that the verifiers check, by operator."""
    folder = root / "lib/Dialect/Seqc/IR"
    shared = (folder / "OperandConstraints.cpp").read_text()
    attention = (folder / "AttentionOps.cpp").read_text()
    scans = (folder / "ScanOps.cpp").read_text()
    algebra = (folder / "AlgebraOps.cpp").read_text()
    backward = (folder / "BackwardOps.cpp").read_text()
    paged = (folder / "PagedOps.cpp").read_text()
    scan_backward = (folder / "ScanBackwardOps.cpp").read_text()
    split, end = shared.index("// Scans\n"), shared.index("// Convolutions\n")
    any_attention, any_scan = numbers_in(shared[:split]), numbers_in(shared[split:end])
    any_conv = numbers_in(shared[end:])
    own = {
        "attention": any_attention
        | numbers_in(function(attention, "verifyAttention(OpT op)")),
        "attention_backward": numbers_in(
            function(attention, "AttentionBackwardOp::verify()")
        )
        | numbers_in(function(attention, "verifyCaptured(AttentionBackwardOp op"))
        | numbers_in(function(attention, "verifyReads(const Constraints &check")),
        "paged": numbers_in(function(paged, "PagedOp::verify()")),
        "selective_scan": any_scan
        | numbers_in(function(scans, "SelectiveScanOp::verify()")),
        "selective_scan_backward": any_scan
        | numbers_in(function(scans, "SelectiveScanBackwardOp::verify()")),
        "causal_conv1d": any_conv
        | numbers_in(function(scans, "CausalConv1dOp::verify()")),
        "causal_conv1d_backward": any_conv
        | numbers_in(function(scan_backward, "CausalConv1dBackwardOp::verify()")),
        "chunk_conv1d_backward": any_conv
        | numbers_in(function(scan_backward, "ChunkConv1dBackwardOp::verify()")),
        "chunk_scan_backward": any_scan
        | numbers_in(function(scan_backward, "ChunkScanBackwardOp::verify()")),
        "online_attention": any_attention
        | numbers_in(function(algebra, "OnlineAttentionOp::verify()")),
        "softmax_finish": numbers_in(function(algebra, "SoftmaxFinishOp::verify()")),
        "chunk_scan": any_scan | numbers_in(function(algebra, "ChunkScanOp::verify()")),
    }
    own["attention_backward"] |= own["attention"]
    own["parallel_add"] = numbers_in(function(backward, "ParallelAddOp::verify()"))
    own["block_attention_backward"] = any_attention | numbers_in(
        function(backward, "BlockAttentionBackwardOp::verify()")
    )
    return {(name, number) for name, ns in own.items() for number in ns}


def main(root: Path) -> int:
    spec_text = (root / "docs/spec.md").read_text()
    spec = ids_in("\n".join(re.findall(r"^- \*\*\w+_c\d+\*\*.*$", spec_text, re.M)))
    tests: Ids = set()
    for path in sorted((root / "test/Dialect/Seqc").glob("*-invalid.mlir")):
        errors = re.findall(r"expected-error.*", path.read_text())
        tests |= ids_in("\n".join(errors))
    ods: Ids = set()
    for path in sorted((root / "include/seqc/Dialect/Seqc/IR").glob("*Ops.td")):
        ods |= ids_in(path.read_text())

    problems = []
    for what, found in (
        ("verifier", verified(root)),
        ("negative test", tests),
        ("mention in the ODS file", ods),
    ):
        for name, number in sorted(spec - found):
            problems.append(f"{name}_c{number} has no {what}")
        for name, number in sorted(found - spec):
            problems.append(f"{name}_c{number} has a {what} but is not in docs/spec.md")
    for name in NAMES:
        numbers = sorted(n for other, n in spec if other == name)
        if numbers != list(range(1, len(numbers) + 1)) or not numbers:
            problems.append(f"{name} is numbered {numbers}")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(spec)} constraints, each with a verifier and a negative test")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
