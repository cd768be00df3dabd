# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How much of a mask a kernel computes."""

from __future__ import annotations

import seqc

from .attention import document_tiles
from .cases import CHIPS, Cell
from .compilation import compilations


def computed_pairs(cell: Cell, target: str) -> float:
    """Scores in the tiles that seqc computes for one batch, masked ones with
    them; 0 where it is not known."""
    text = compilations.texts.get(cell.kernel)
    if text is None:
        return 0.0
    sizes = {
        "B": 1,
        "H": cell.heads,
        "Hkv": cell.key_heads,
        "Sq": cell.length,
        "Sk": cell.length,
    }
    try:
        report = seqc.explain(text, chip=CHIPS[target], sizes=sizes, json=True)
        (op,) = report["functions"][0]["ops"]
        tile = op["fused"]["schedule"]
        tiles = op["fused"]["tiles"]
        if cell.has_documents:
            # The report counts the ids as one document: they are data.
            tiles = cell.heads * document_tiles(cell, tile["tile_m"], tile["tile_n"])
        return float(tiles * tile["tile_m"] * tile["tile_n"])
    except Exception as failure:
        print(f"{cell.name}: tiles are not known: {failure}", flush=True)
        return 0.0
