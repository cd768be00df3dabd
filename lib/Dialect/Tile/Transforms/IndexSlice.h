//===- IndexSlice.h - Copies of index arithmetic ----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_TILE_TRANSFORMS_INDEXSLICE_H
#define SEQC_LIB_DIALECT_TILE_TRANSFORMS_INDEXSLICE_H

#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace seqc::tile {

/// Whether `value` follows, by operations without side effects that lie in
/// `body`, from values that `isKnown` accepts and from values defined outside
/// of `body`. `isConstantLoad` says which loads may be repeated as well.
bool canCopySlice(
    mlir::Value value, mlir::Block *body,
    llvm::function_ref<bool(mlir::Value)> isKnown,
    llvm::function_ref<bool(mlir::Operation *)> isConstantLoad = nullptr);

/// Copies to `builder` what `value` is computed from inside of `body`, with the
/// values in `map` (which grows by the copies) for those that they replace.
/// Needs canCopySlice.
mlir::Value copySlice(mlir::OpBuilder &builder, mlir::Value value,
                      mlir::Block *body, mlir::IRMapping &map);

/// Whether the iteration argument counts iterations: its next value is itself
/// plus 1.
bool isCounter(mlir::scf::ForOp loop, mlir::BlockArgument argument);

/// The tile type that a loop, a branch or an operation has nothing to do with.
bool touchesTiles(mlir::Operation *op);

} // namespace seqc::tile

#endif // SEQC_LIB_DIALECT_TILE_TRANSFORMS_INDEXSLICE_H
