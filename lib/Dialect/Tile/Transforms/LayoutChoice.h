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

/// A layout for a 2-D tile whose rows are reduced: each thread has up to 16
/// elements of a row, so that a sum needs few exchanges between lanes. Null
/// where there is none.
mlir::Attribute chooseReducedLayout(mlir::RankedTensorType type, int64_t warps);

/// Whether the value is a tile in registers.
inline bool isTile(mlir::Value value) {
  return llvm::isa<mlir::RankedTensorType>(value.getType());
}

} // namespace seqc::tile

#endif // SEQC_LIB_DIALECT_TILE_TRANSFORMS_LAYOUTCHOICE_H
