# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whether a call is being traced or differentiated by torch instead of made.

Then the operators of seqc.torch stand for it in the graph. This module does not
import torch; who traces has.
"""

from __future__ import annotations

import sys
from typing import Any


def tracing() -> Any:
    """seqc.torch while torch traces the calling code, else None."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if not torch.compiler.is_compiling() and not torch._C._len_torch_dispatch_stack():
        return None
    from . import torch as layer

    return layer


def recording(*values: Any, function: Any = None) -> Any:
    """seqc.torch while torch traces, or if it will ask for gradients of `values`, or
    may of what `function` captures."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or (
            torch.is_grad_enabled()
            and (
                any(isinstance(x, torch.Tensor) and x.requires_grad for x in values)
                or (function is not None and isinstance(values[0], torch.Tensor))
            )
        )
    ):
        from . import torch as layer

        return layer
    return None
