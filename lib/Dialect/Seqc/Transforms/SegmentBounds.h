//===- SegmentBounds.h - Which keys the segments of queries reach ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEGMENTBOUNDS_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEGMENTBOUNDS_H

#include "seqc/Analysis/MaskAnalysis.h"

namespace seqc {

/// Builds what finds, for each tile of queries, the tiles of keys that its
/// segments reach; see SegmentBounds.cpp.
class SegmentBounds {
public:
  /// The tensors of bounds, computed where `b` stands: outside of the loops
  /// over tiles. The segments are of shape (batch, queries) and (batch, keys).
  SegmentBounds(mlir::OpBuilder &b, mlir::Location loc,
                mlir::Value querySegments, mlir::Value keySegments,
                int64_t tileM, int64_t tileN);

  /// The bounds of the tile of queries that starts at `firstQuery`, one of the
  /// multiples of tileM. Positions of keys start at `keyBase`.
  SegmentInterval<mlir::Value> read(mlir::OpBuilder &b, mlir::Location loc,
                                    mlir::Value batch, mlir::Value firstQuery,
                                    mlir::Value keyBase) const;

private:
  int64_t tileM, tileN;
  /// The number of tiles of keys, an index.
  mlir::Value keyTiles;
  /// Tensors of i32, of shape (batch, tiles of queries).
  mlir::Value fromEnd, end, fullFromEnd, fullEnd, fullCount;
};

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEGMENTBOUNDS_H
