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
    "attention_backward",
    "attention",
    "selective_scan_backward",
    "selective_scan",
    "causal_conv1d",
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


def verified(root: Path) -> Ids:
    """The constraints that the verifiers check, by operator."""
    folder = root / "lib/Dialect/Seqc/IR"
    attention = numbers_in((folder / "AttentionOps.cpp").read_text())
    scans = (folder / "ScanOps.cpp").read_text()
    start = scans.index("LogicalResult CausalConv1dOp::verify()")
    end = scans.index("\n}\n", start)
    conv = numbers_in(scans[start:end])
    scan = numbers_in(scans[:start] + scans[end:])
    # Forward and backward share code; what only the backward has comes last.
    forward = scans.index("SelectiveScanBackwardOp::verify()")
    only_backward = numbers_in(scans[forward:start])
    text = (folder / "AttentionOps.cpp").read_text()
    start = text.index("AttentionBackwardOp::verify()")
    attention_backward = numbers_in(text[start : text.index("\n}\n", start)])
    per_name = {
        "attention": attention - attention_backward,
        "attention_backward": attention,
        "selective_scan": scan - only_backward,
        "selective_scan_backward": scan,
        "causal_conv1d": conv,
    }
    return {(name, number) for name, ns in per_name.items() for number in ns}


def main(root: Path) -> int:
    spec_text = (root / "docs/spec.md").read_text()
    spec = ids_in("\n".join(re.findall(r"^- \*\*\w+_c\d+\*\*.*$", spec_text, re.M)))
    tests: Ids = set()
    for path in sorted((root / "test/Dialect/Seqc").glob("*-invalid.mlir")):
        errors = re.findall(r"expected-error.*", path.read_text())
        tests |= ids_in("\n".join(errors))
    ods = ids_in((root / "include/seqc/Dialect/Seqc/IR/SeqcOps.td").read_text())

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
