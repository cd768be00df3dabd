//===- TileScanBackward.h - Tiles of scan gradients -------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILESCANBACKWARD_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILESCANBACKWARD_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/IR/PatternMatch.h"

namespace seqc {

/// Whether the operator is what the functions below make.
bool isScanBackwardTile(ChunkScanBackwardOp op);
bool isConvBackwardTile(ChunkConv1dBackwardOp op);

/// Tiles over (batch, channel). A chunk of a scan is one tile in time.
mlir::LogicalResult tileScanBackward(mlir::RewriterBase &rewriter,
                                     ChunkScanBackwardOp op);

/// Tiles over (batch, channel), and over time from the last chunk to the first.
/// Adds the loops that it forms to `loops`.
mlir::LogicalResult tileConvBackward(mlir::RewriterBase &rewriter,
                                     ChunkConv1dBackwardOp op, unsigned &loops);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILESCANBACKWARD_H
