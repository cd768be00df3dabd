//===- Passes.h - Analyses that report --------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_ANALYSIS_PASSES_H
#define SEQC_ANALYSIS_PASSES_H

#include "seqc/Support/Statistics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace seqc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "seqc/Analysis/Passes.h.inc"

} // namespace seqc

#endif // SEQC_ANALYSIS_PASSES_H
