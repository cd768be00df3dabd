"""Compares the known answers in docs/spec.md with the definition beside them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

MASK = 2**32 - 1


def philox(counter: list[int], key: list[int]) -> int:
    """The first word of the block of `counter`."""
    c, k = counter, key
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (second >> 32) ^ c[1] ^ k[0],
            second & MASK,
            (first >> 32) ^ c[3] ^ k[1],
            first & MASK,
        ]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c[0]


def main(path: Path) -> int:
    rows = re.findall(
        r"^\| (-?\w+) \| \((\d+), (\d+), (\d+), (\d+)\) \| `(0x[0-9a-f]{8})` \|$",
        path.read_text(),
        re.M,
    )
    wrong = 0
    for seed_text, *counter, word in rows:
        seed = int(seed_text, 0) % 2**64
        got = philox([int(c) for c in counter], [seed & MASK, seed >> 32])
        if got != int(word, 16):
            print(f"seed {seed_text}, counter {counter}: {got:#010x}, not {word}")
            wrong += 1
    print(f"{len(rows)} known answers, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
