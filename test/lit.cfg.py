"""Configuration of the lit suite.

Substitutions of our own:

  %roundtrip   FileChecks what seqc-opt prints for %s, after it has shown that the
               custom form, the generic form and bytecode each parse back to the
               very same text. The verifier runs after every parse and pass.
  %invalid     Runs seqc-opt on each part of %s and compares its diagnostics with
               the `expected-error` comments.
  %python      The interpreter that the build uses.
  %seqc_src    The root of the sources.
  %host_cc, %host_cxx  The compilers that the build uses.
"""

from __future__ import annotations

import os
import shutil
import site
from typing import Any

import lit.formats

config: Any = globals()["config"]

config.name = "seqc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Python", "Unit", "Inputs"]
config.test_source_root = os.path.dirname(__file__)

path = [config.seqc_tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
for name in ("LD_LIBRARY_PATH", "OMP_NUM_THREADS", "HOME", "TMPDIR"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# LLVM's archives are not instrumented, so containers that cross into them must
# not be checked.
if config.seqc_sanitize:
    config.available_features.add("sanitizer")
    config.environment["ASAN_OPTIONS"] = (
        "detect_container_overflow=0:allow_user_poisoning=false:detect_leaks=0"
    )
    config.environment["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"

for tool in ("seqc-opt", "seqc", "seqc-reduce", "seqc-lsp-server"):
    if os.path.exists(os.path.join(config.seqc_tools_dir, tool)):
        config.available_features.add(tool)
if os.path.exists(os.path.join(config.llvm_tools_dir, "mlir-tblgen")):
    config.available_features.add("mlir-tblgen")

# What seqc finds by itself, and the package of .venv that it would be told of.
ptxas = os.environ.get("SEQC_PTXAS") or next(
    filter(
        None,
        (
            shutil.which("ptxas", path=place)
            for place in (
                os.environ.get("PATH", ""),
                os.path.join(os.environ.get("CUDA_HOME") or "/usr/local/cuda", "bin"),
                *(
                    os.path.join(packages, "nvidia", folder, "bin")
                    for packages in site.getsitepackages()
                    for folder in ("cu13", "cuda_nvcc")
                ),
            )
        ),
    ),
    None,
)
if ptxas:
    config.available_features.add("ptxas")
    config.environment["SEQC_PTXAS"] = ptxas
# A test of the compiler must run it.
config.environment["SEQC_CACHE"] = "0"

roundtrip = " && ".join(
    [
        "seqc-opt %s --verify-roundtrip -o %t.1.mlir",
        "seqc-opt %t.1.mlir -o %t.2.mlir",
        "diff %t.1.mlir %t.2.mlir",
        "seqc-opt %s --mlir-print-op-generic -o %t.generic.mlir",
        "seqc-opt %t.generic.mlir -o %t.3.mlir",
        "diff %t.1.mlir %t.3.mlir",
        "seqc-opt %s --emit-bytecode -o %t.mlirbc",
        "seqc-opt %t.mlirbc -o %t.4.mlir",
        "diff %t.1.mlir %t.4.mlir",
        "FileCheck %s --input-file=%t.1.mlir",
    ]
)
config.substitutions += [
    ("%roundtrip", roundtrip),
    ("%invalid", "seqc-opt %s --split-input-file --verify-diagnostics"),
    ("%python", config.python_executable),
    ("%seqc_src", config.seqc_source_dir),
    ("%seqc_build", config.seqc_binary_dir),
    ("%seqc_lib", config.seqc_lib_dir),
    ("%mlir_include", config.mlir_include_dir),
    ("%host_cxx", config.host_cxx),
    ("%host_cc", config.host_cc),
]
