"""Uses an installed seqc the way a first program would.

Run where the checkout is out of reach: it shows that the wheel holds all that it
needs. `readelf`-like checks are not enough for that, so every shared object that
came with the package is asked which libraries it really loaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seqc


def main() -> None:
    rng = np.random.default_rng(0)
    shape = (2, 4, 37, 16)
    q, k, v = (rng.standard_normal(shape, dtype=np.float32) for _ in range(3))
    got = np.asarray(seqc.attention(q, k, v, causal=True))

    score = np.einsum("bhid,bhjd->bhij", q, k).astype(np.float64) / 4.0
    score = np.where(np.tri(37, dtype=bool), score, -np.inf)
    weight = np.exp(score - score.max(-1, keepdims=True))
    want = weight / weight.sum(-1, keepdims=True) @ v
    error = float(np.abs(got - want).max())
    assert error < 1e-5, f"attention is off by {error}"

    maps = Path("/proc/self/maps").read_text().split("\n")
    loaded = {line.split()[-1] for line in maps if ".so" in line}
    home = str(Path(seqc.__file__).parent)
    foreign = [name for name in loaded if "libLLVM" in name or "libMLIR" in name]
    assert not foreign, f"the package loaded {foreign}"
    for name in loaded:
        if "seqc" in Path(name).name or "libomp" in Path(name).name:
            assert name.startswith(home), f"{name} is not the package's own"

    print(f"seqc {seqc.__version__}: attention is within {error:.1e} of f64")


if __name__ == "__main__":
    main()
