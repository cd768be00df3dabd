//===- TilingUtils.h - Slices and positions of tiles -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the tiling of every L1 operator needs.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_IR_TILINGUTILS_H
#define SEQC_LIB_DIALECT_SEQC_IR_TILINGUTILS_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include <optional>

namespace seqc {

llvm::SmallVector<mlir::OpFoldResult>
sizesOf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v);

mlir::Value takeSlice(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v,
                      llvm::ArrayRef<mlir::OpFoldResult> offsets,
                      llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// lhs / rhs, of numbers that are not negative.
mlir::OpFoldResult divide(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);

mlir::Value addIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base,
                     mlir::OpFoldResult offset);

/// The first key/value head, and the number of them, that the query heads of a
/// tile read. A tile has one query head or all of them; nothing for another.
std::optional<std::pair<mlir::OpFoldResult, mlir::OpFoldResult>>
takeKeyHeads(mlir::OpBuilder &b, mlir::Location loc, mlir::Value query,
             mlir::Value key, mlir::OpFoldResult offset,
             mlir::OpFoldResult size);

/// Where the slice of a value lies.
struct TilePosition {
  llvm::SmallVector<mlir::OpFoldResult> offsets, sizes;
};

/// The part of `projection`, an operand B or C of the scan `op` or a tensor of
/// the same shape, that a tile (batch, channel, time) reads. The channels of a
/// tile lie in one group, or are all of them; an error, if not.
mlir::FailureOr<TilePosition>
getProjectionTile(mlir::OpBuilder &b, mlir::Operation *op,
                  mlir::Value projection, mlir::OpFoldResult channels,
                  mlir::OpFoldResult depth,
                  llvm::ArrayRef<mlir::OpFoldResult> offsets,
                  llvm::ArrayRef<mlir::OpFoldResult> sizes);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_IR_TILINGUTILS_H
