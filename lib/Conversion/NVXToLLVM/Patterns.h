//===- Patterns.h - The patterns of nvx -> LLVM -----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_NVXTOLLVM_PATTERNS_H
#define SEQC_LIB_CONVERSION_NVXTOLLVM_PATTERNS_H

#include "mlir/IR/PatternMatch.h"

namespace seqc::nvx {

/// Arithmetic, and accesses to device memory (NVXToLLVM.cpp).
void populateNVXArithmeticPatterns(mlir::RewritePatternSet &patterns);

/// Matrix products, barriers (MatrixToLLVM.cpp).
void populateNVXMatrixPatterns(mlir::RewritePatternSet &patterns);

} // namespace seqc::nvx

#endif // SEQC_LIB_CONVERSION_NVXTOLLVM_PATTERNS_H
