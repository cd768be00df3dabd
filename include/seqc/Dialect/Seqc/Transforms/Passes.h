//===- Passes.h - IO-aware passes on the seqc dialect -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_TRANSFORMS_PASSES_H
#define SEQC_DIALECT_SEQC_TRANSFORMS_PASSES_H

#include "seqc/Support/Statistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace seqc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"

} // namespace seqc

#endif // SEQC_DIALECT_SEQC_TRANSFORMS_PASSES_H
