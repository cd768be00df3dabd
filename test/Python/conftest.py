# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Profiles of hypothesis: `ci` by default, `deep` with HYPOTHESIS_PROFILE=deep, which
takes longer than the time limit of a test (`-o faulthandler_timeout=0`)."""

import os
import sys
from pathlib import Path
from typing import Any

import hypothesis

# A test of the compiler must run it; test_cache.py is about the cache.
os.environ.setdefault("SEQC_CACHE", "0")

sys.path.insert(0, str(Path(__file__).parent))

_COMMON: Any = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
# No shrinking by default: a smaller example of a failed compilation takes minutes.
hypothesis.settings.register_profile(
    "ci",
    max_examples=10,
    derandomize=True,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    **_COMMON,
)
hypothesis.settings.register_profile("deep", max_examples=300, **_COMMON)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
