# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""seqc: a compiler for attention and state-space sequence models.

    out = seqc.attention(query, key, value, causal=True)
    out, state = seqc.selective_scan(u, delta, A, B, C, return_final_state=True)
    out = seqc.causal_conv1d(x, weight, bias, activation="silu")

Each call compiles a program for its options once and runs it on arrays of any
size and strides: numpy arrays, torch CPU tensors, anything with `__dlpack__`.

    program = seqc.compile(pathlib.Path("model.mlir"))
    program["main"](x)

`seqc.Module` builds a graph in Python, and `seqc.explain` predicts what it costs.
"""

from ._attention import attention
from ._attention_backward import AttentionGradients, attention_backward
from ._errors import SeqcArgumentError, SeqcError, SeqcFileError, TraceError
from ._module import Module, Value
from ._program import (
    Function,
    Parameter,
    Program,
    clear_cache,
    compile,
    emit,
    explain,
    load,
)
from ._scan import causal_conv1d, selective_scan
from ._scan_backward import (
    ConvGradients,
    ScanGradients,
    causal_conv1d_backward,
    selective_scan_backward,
)
from ._seqc import __version__, get_num_threads, set_num_threads
from ._trace_functions import (
    ceil,
    clamp,
    cos,
    erf,
    exp,
    exp2,
    floor,
    isnan,
    log,
    log2,
    maximum,
    minimum,
    rsqrt,
    sigmoid,
    sin,
    sqrt,
    tanh,
    to_float,
    to_int,
    where,
)

__all__ = [
    "AttentionGradients",
    "ConvGradients",
    "Function",
    "Module",
    "Parameter",
    "Program",
    "ScanGradients",
    "SeqcArgumentError",
    "SeqcError",
    "SeqcFileError",
    "TraceError",
    "Value",
    "__version__",
    "attention",
    "attention_backward",
    "causal_conv1d",
    "causal_conv1d_backward",
    "ceil",
    "clamp",
    "clear_cache",
    "compile",
    "cos",
    "emit",
    "erf",
    "exp",
    "exp2",
    "explain",
    "floor",
    "get_num_threads",
    "isnan",
    "load",
    "log",
    "log2",
    "maximum",
    "minimum",
    "rsqrt",
    "selective_scan",
    "selective_scan_backward",
    "set_num_threads",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
    "to_float",
    "to_int",
    "where",
]
