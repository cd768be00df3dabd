//===- Passes.h - Passes on block-level programs ----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_TRANSFORMS_PASSES_H
#define SEQC_DIALECT_TILE_TRANSFORMS_PASSES_H

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Support/Statistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace seqc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"

} // namespace seqc

#endif // SEQC_DIALECT_TILE_TRANSFORMS_PASSES_H
