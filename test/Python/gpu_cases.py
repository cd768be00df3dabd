# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases that run on a GPU (gpu/test_attention_gpu.py, gpu/test_scan_gpu.py) and, up
to their tiles the same programs, on a CPU (test_tile.py)."""

from __future__ import annotations

from typing import Any

from paged_testing import PagedCase
from test_attention import Shape

FLOATS = ("f16", "bf16", "f32")

# Attention.

# Several tiles of queries and of keys, the last ones partial; rows without keys.
OPTION_SHAPES = (Shape(2, 2, 2, 150, 200), Shape(1, 1, 2, 200, 90))

DTYPE_OPTIONS = ("plain", "prefix_lm", "everything")

# Of query and key, and of value. Every range that has tiles of its own, and sizes
# whose rows are not multiples of 16 bytes.
HEAD_DIMS = [
    (8, 8, "bf16"), (16, 32, "f16"), (24, 24, "bf16"), (40, 64, "f16"),
    (64, 64, "f16"), (72, 72, "bf16"), (80, 128, "bf16"), (96, 96, "f16"),
    (104, 16, "bf16"), (120, 120, "bf16"), (128, 128, "bf16"), (128, 64, "f16"),
    (136, 136, "bf16"), (160, 160, "f16"), (192, 128, "bf16"), (200, 200, "bf16"),
    (256, 256, "bf16"), (256, 256, "f16"), (8, 256, "f16"), (64, 64, "f32"),
    (128, 128, "f32"), (7, 5, "bf16"), (1, 1, "f32"), (65, 66, "f16"),
]  # fmt: skip
HEAD_DIM_SHAPES = (Shape(1, 2, 2, 140, 211), Shape(2, 1, 1, 64, 64))

# Queries and keys.
LENGTHS = [(1, 1), (1, 77), (2, 1), (7, 130), (64, 64), (65, 127), (128, 128),
           (129, 300), (200, 90), (0, 5), (5, 0), (1, 0), (0, 0),
           (383, 1025)]  # fmt: skip

WINDOWS = [0, 1, 63, 64, 100, (5, 5), (130, 0), (None, 70)]
WINDOW_LENGTHS = ((300, 300), (70, 400), (250, 129))

# Heads of query, and of key and value.
HEADS = [(8, 8), (8, 2), (6, 1), (5, 5)]

# Few queries: one key head's in one tile, keys in several parts. Of 3 groups of 2, one
# tile of 16 rows and one of 32; a tile of 64 rows; queries of more tiles than one; as
# many heads as key heads.
DECODE_SHAPES = (
    Shape(2, 2, 3, 2, 700), Shape(1, 1, 8, 3, 513), Shape(2, 1, 4, 16, 300),
    Shape(1, 2, 16, 8, 200), Shape(2, 3, 1, 1, 1000),
)  # fmt: skip
# With one query most masks are gone.
DECODE_STEP = Shape(3, 2, 4, 1, 1100)
DECODE_DIMS = [
    (64, 64, "bf16"), (128, 128, "f16"), (256, 256, "bf16"), (72, 40, "bf16"),
    (24, 200, "f16"), (64, 64, "f32"), (128, 128, "f32"),
]  # fmt: skip
# Keys of a step: none, fewer than a tile, a part's edge and beside it.
DECODE_KEYS = (0, 1, 5, 127, 128, 129, 640, 4097)

# Caches in pages, of sequences of several lengths. A tile of keys has a part of a page,
# one, or several; blocks of one, two and four warps; rows that are not multiples of 16
# bytes; as many heads as key heads.
PAGED = [
    PagedCase(4, 2, 4, 1, 16, 40), PagedCase(3, 2, 4, 1, 256, 5),
    PagedCase(5, 1, 8, 3, 32, 20), PagedCase(3, 2, 4, 16, 64, 7, "f16", 128, 128),
    PagedCase(2, 3, 1, 1, 16, 60, "bf16", 128, 64),
    PagedCase(3, 1, 2, 5, 128, 4, "f32"), PagedCase(3, 2, 2, 2, 16, 9, "bf16", 36, 20),
    PagedCase(2, 1, 2, 1, 64, 5, "bf16", 256, 256),
]  # fmt: skip
# More queries than one tile packs.
PAGED_PREFILL = [
    PagedCase(3, 2, 2, 130, 16, 9), PagedCase(2, 1, 1, 40, 128, 3, "f16", 128, 128),
    PagedCase(2, 2, 1, 70, 32, 6, "f32", 64, 64),
]  # fmt: skip
PAGED_OPTIONS = (
    "plain", "top_left", "window_both", "causal_window", "sink_tokens",
    "causal_segments", "bias_head", "alibi", "softcap", "sinks", "dropout",
    "document_mask", "everything",
)  # fmt: skip

# Of 300 keys: each ring is used several times over.
SCHEDULES = [
    {"tile_m": 64, "tile_n": 64},
    {"tile_m": 64, "tile_n": 32, "stages": 3},
    {"tile_m": 128, "tile_n": 64, "stages": 1},
    {"tile_m": 128, "tile_n": 48, "stages": 4, "warps": 4},
    {"tile_m": 128, "tile_n": 128, "stages": 2, "warps": 8},
]

# Scans and convolutions: batch, channels, length.

SCAN_SIZES = ((2, 34, 70), (1, 2, 1), (2, 4, 0), (1, 66, 257))
SCAN_STATES = [1, 4, 5, 16, 64, 256]
# Chunks that are full, cut, or neither.
SCAN_LENGTHS = ((1, 34, 96), (2, 16, 31), (1, 20, 33), (1, 4, 3))
SCAN_SCHEDULES = [
    {"tile_m": 64, "tile_n": 32, "warps": 4},
    {"tile_m": 16, "tile_n": 32, "warps": 4},
    {"tile_m": 8, "tile_n": 16, "warps": 4},
    {"tile_m": 64, "tile_n": 16, "warps": 1},
    {"tile_m": 64, "tile_n": 1, "warps": 4},
]
# Sequences in parts of 128 steps and more: of whole chunks, with a cut one, with a part
# of few steps, and one that is not worth it.
SPLIT_SIZES = ((1, 34, 256), (2, 16, 300), (1, 66, 129), (1, 8, 100))
SPLIT_STATES = [1, 5, 16, 64]
# The backward: a chunk has 16 steps; sequences of none, of one that is cut, of
# whole ones, and of both.
SCAN_GRADIENT_SIZES = ((2, 34, 70), (1, 2, 1), (2, 4, 0), (1, 66, 96))
SCAN_GRADIENT_SCHEDULES = [
    {"tile_m": 64, "tile_n": 8, "warps": 2},
    {"tile_m": 32, "tile_n": 16, "warps": 4, "splits": 5},
    {"tile_m": 64, "tile_n": 8, "warps": 4},
    {"tile_m": 64, "tile_n": 16, "warps": 8},
    {"tile_m": 16, "tile_n": 16, "warps": 1},
    {"tile_m": 8, "tile_n": 32, "warps": 4},
]
# The last has chunks with a whole one before and behind them, and aligned rows.
CONV_SIZES = ((2, 40, 65), (1, 3, 1), (2, 5, 0), (1, 17, 300), (1, 6, 776))
CONV_WIDTHS = [1, 2, 3, 4, 7]
CONV_VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "plain": {"bias": False, "initial_state": False, "activation": None},
}

# The backward of attention.

BACKWARD_OPTIONS = (
    "plain", "causal", "top_left_window", "window_both", "causal_window", "prefix_lm",
    "sink_tokens", "causal_segments", "bias", "bias_head", "alibi", "softcap", "sinks",
    "dropout", "relative_score", "tanh_score", "document_mask", "dilated_mask",
    "everything",
)  # fmt: skip
# Those without a region: head_dim 128 has them in one kernel.
BACKWARD_MASKS = (
    "plain", "causal", "top_left_window", "window_both", "causal_window", "prefix_lm",
    "causal_segments", "sinks",
)  # fmt: skip
BACKWARD_SHAPES = (Shape(2, 2, 2, 150, 200), Shape(1, 1, 2, 200, 90))
BACKWARD_DIMS = [
    (8, 8, "bf16"), (40, 64, "f16"), (64, 64, "f16"), (72, 72, "bf16"),
    (80, 128, "bf16"), (128, 128, "bf16"), (128, 64, "f16"), (160, 160, "f16"),
    (192, 128, "bf16"), (256, 256, "bf16"), (64, 64, "f32"), (128, 128, "f32"),
    (7, 5, "bf16"), (1, 1, "f32"), (65, 66, "f16"),
]  # fmt: skip
# For the one kernel or the other a side of 16 rows a warp.
BACKWARD_SCHEDULES = [
    {"tile_m": 64, "tile_n": 64, "stages": 1},
    {"tile_m": 64, "tile_n": 64, "stages": 3},
    {"tile_m": 128, "tile_n": 128, "stages": 1, "warps": 8},
]
