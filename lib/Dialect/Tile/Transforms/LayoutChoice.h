//===- LayoutChoice.h - The choice of blocked layouts -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_TILE_TRANSFORMS_LAYOUTCHOICE_H
#define SEQC_LIB_DIALECT_TILE_TRANSFORMS_LAYOUTCHOICE_H

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

namespace seqc::tile {

/// A layout for a tile that moves between device memory and registers: 16 bytes
/// of the last dimension per thread where the size allows it, as many lanes
/// along it as fit. Null where no layout of that rank and shape exists.
mlir::Attribute chooseBlockedLayout(mlir::RankedTensorType type, int64_t warps);

/// The same for a tile that comes from `source` through shared memory: a warp
/// has the rows that it has in `source`, where that is possible.
mlir::Attribute chooseBlockedLayout(mlir::RankedTensorType type, int64_t warps,
                                    MmaLayoutAttr source);

/// Whether each warp holds the same rows of a 2-D tile of `shape` in both
/// layouts, all of their columns, so that warps which take a tile from one to
/// the other need nothing from each other.
bool keepsRowsInWarps(mlir::Attribute a, mlir::Attribute b,
                      llvm::ArrayRef<int64_t> shape);

/// A layout for a 2-D tile whose rows are reduced: each thread has up to 16
/// elements of a row, so that a sum needs few exchanges between lanes. Null
/// where there is none.
mlir::Attribute chooseReducedLayout(mlir::RankedTensorType type, int64_t warps);

/// A layout for a 2-D tile whose columns are reduced: each warp has columns of
/// its own. Null where there is none.
mlir::Attribute chooseColumnsLayout(mlir::RankedTensorType type, int64_t warps);

/// Whether the value is a tile in registers.
inline bool isTile(mlir::Value value) {
  return llvm::isa<mlir::RankedTensorType>(value.getType());
}

/// A layout for a tile of channels x steps x states that a recurrence goes
/// through along dimension 1: a thread has all steps of some states of a
/// channel, a warp the channels that are next to each other. Where the states
/// are contracted, 4 threads have those of a channel; where they are summed
/// over channels (tile.sum_blocks), the states of a thread are next to each
/// other. Null if there is none.
mlir::Attribute chooseRecurrenceLayout(mlir::RankedTensorType type,
                                       int64_t warps, bool isContracted = false,
                                       bool isSummed = false);

/// A layout for a 2-D tile that device memory has consecutive elements of along
/// dimension `contiguous`: a thread has 16 bytes of these, or less if others
/// had none then. Where dimension 1 is the one, a warp has rows that are next
/// to each other, as in chooseRecurrenceLayout. Threads that are left over have
/// copies.
mlir::Attribute chooseStripLayout(mlir::RankedTensorType type,
                                  int64_t contiguous, int64_t warps);

/// A layout for the sums over dimension 2 of a tile in `layout`, which
/// chooseRecurrenceLayout gave: threads that hold parts of the same sums share
/// them out among them. Null where no threads do.
mlir::Attribute choosePartialSumLayout(BlockedLayoutAttr layout, int64_t steps);

/// A layout for the sums over blocks of dimension 0 of a tile of `steps` steps
/// in `layout`, which chooseRecurrenceLayout gave, a block for each warp: the
/// threads that hold parts of the same sums share them out among them.
mlir::Attribute chooseBlockSumLayout(BlockedLayoutAttr layout, int64_t steps);

/// A layout in which a thread has `block` consecutive columns, of a 2-D tile.
/// Null if there is none.
mlir::Attribute chooseWholeBlocksLayout(mlir::RankedTensorType type,
                                        int64_t block, int64_t warps);

} // namespace seqc::tile

#endif // SEQC_LIB_DIALECT_TILE_TRANSFORMS_LAYOUTCHOICE_H
