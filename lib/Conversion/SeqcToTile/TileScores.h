//===- TileScores.h - What surrounds the scores of a tile -------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Positions, bias, mask and dropout of one tile of attention, forward or
// backward. Queries are the rows of a tile and keys its columns, or the other
// way round: the backward sums over queries in a product whose rows are keys.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOTILE_TILESCORES_H
#define SEQC_LIB_CONVERSION_SEQCTOTILE_TILESCORES_H

#include "Lanes.h"

namespace seqc::totile {

/// What goes along queries, and what along keys.
struct ScoreAxes {
  Lane::Dependence query = Lane::Row, key = Lane::Column;
};

/// OpT is one of the L1 operators of attention.
template <typename OpT>
class TileScores {
public:
  TileScores(KernelBuilder &k, OpT op, ScoreAxes axes = {})
      : k(k), b(k.b), op(op), axes(axes) {}

  Lane queryPosition(Lanes &lanes) {
    return lanes.positions(k.scalar(op.getOffsets()[2]), axes.query);
  }
  Lane keyPosition(Lanes &lanes) {
    return lanes.positions(k.scalar(op.getOffsets()[3]), axes.key);
  }
  /// A position that exists.
  Lane clamp(Lanes &lanes, Lane position, Value length);

  /// A tile of device memory; see KernelBuilder::getTile.
  FailureOr<Value> load(Value v, ArrayRef<int64_t> shape,
                        ArrayRef<int64_t> dims = {});
  FailureOr<Lane> loadBias();
  /// The segments of columns. A tile that is full needs none.
  FailureOr<Value> loadColumnSegments(Value isFull);
  /// `scores` where a pair is visible, else -inf. With `hidePadding` queries
  /// past the last one see nothing.
  FailureOr<Value> mask(Lanes &lanes, Value scores, Value columnSegments,
                        bool hidePadding = false);

  /// Whether dropout keeps a pair.
  Lane isKept(Lanes &lanes);
  /// `weights / (1 - p)` where dropout keeps them, else 0.
  Value drop(Lanes &lanes, Lane kept, Value weights);

private:
  int64_t sizeOf(Lanes &lanes, Lane::Dependence along) {
    return along == Lane::Row ? lanes.rows : lanes.columns;
  }

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  OpT op;
  ScoreAxes axes;
};

/// Inner dimensions of products come in steps of 16; zeros add nothing.
inline int64_t padInner(int64_t size) { return (size + 15) / 16 * 16; }

/// Whether a value is what a task carries: (1, 1, rows) or (1, 1, rows, depth).
bool isState(Type type);
/// Its tile.
SmallVector<int64_t> getStateShape(Type type);

/// Converts the arithmetic of `block` that depends on nothing in it: the group
/// of a head, say, a division that the loop need not repeat.
LogicalResult convertInvariants(KernelBuilder &k, Block &block);

/// Whether `region` must not see a position past the end. What it computes of
/// one is not used, but a division by 0 may stop the program.
bool needsRealPositions(Region &region);

/// What regions and masks read for all tiles of a loop, such as a slope or the
/// segments of rows, they read once: a kernel does not write what it reads.
/// Tiles of two dimensions stay, as they would need registers, unless products
/// alone read them, from shared memory.
void hoistLoads(scf::ForOp loop);

} // namespace seqc::totile

#endif // SEQC_LIB_CONVERSION_SEQCTOTILE_TILESCORES_H
