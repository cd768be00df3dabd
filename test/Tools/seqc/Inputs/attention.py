# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attention.py make|check FOLDER: inputs and float64 check of attention.mlir.

The key is saved in Fortran order and the value big-endian.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main() -> int:
    folder = Path(sys.argv[2])
    if sys.argv[1] == "make":
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(3)
        q = rng.standard_normal((2, 4, 37, 32)).astype(np.float32)
        k, v = rng.standard_normal((2, 2, 2, 53, 32)).astype(np.float32)
        np.save(folder / "query.npy", q)
        np.save(folder / "key.npy", np.asfortranarray(k))
        np.save(folder / "value.npy", v.astype(">f4"))
        return 0
    query, key, value, out, lse = (
        np.load(folder / f"{name}.npy").astype(np.float64)
        for name in ("query", "key", "value", "out", "lse")
    )
    key, value = key.repeat(2, axis=1), value.repeat(2, axis=1)
    scores = query @ key.swapaxes(2, 3) / np.sqrt(32)
    i, j = np.arange(37)[:, None], np.arange(53)
    scores = np.where(j <= i + 53 - 37, scores, -np.inf)
    largest = scores.max(axis=-1, keepdims=True)
    p = np.exp(scores - largest)
    total = p.sum(axis=-1, keepdims=True)
    errors = (
        np.abs(out - p @ value / total).max(),
        np.abs(lse - (largest + np.log(total))[..., 0]).max(),
    )
    print("errors", *errors)
    return 0 if max(errors) < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
