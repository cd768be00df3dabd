//===- TilingUtils.cpp - Slices and positions of tiles --------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TilingUtils.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

SmallVector<Fold> seqc::sizesOf(OpBuilder &b, Location loc, Value v) {
  return tensor::getMixedSizes(b, loc, v);
}

Value seqc::takeSlice(OpBuilder &b, Location loc, Value v,
                      ArrayRef<Fold> offsets, ArrayRef<Fold> sizes) {
  SmallVector<Fold> strides(offsets.size(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, loc, v, offsets, sizes, strides);
}

Fold seqc::divide(OpBuilder &b, Location loc, Fold lhs, Fold rhs) {
  auto l = getConstantIntValue(lhs), r = getConstantIntValue(rhs);
  if (r && *r == 1)
    return lhs;
  if (l && r && *r != 0)
    return b.getIndexAttr(*l / *r);
  return arith::DivUIOp::create(b, loc,
                                getValueOrCreateConstantIndexOp(b, loc, lhs),
                                getValueOrCreateConstantIndexOp(b, loc, rhs))
      .getResult();
}

Value seqc::addIndex(OpBuilder &b, Location loc, Value base, Fold offset) {
  if (isZeroInteger(offset))
    return base;
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  return getValueOrCreateConstantIndexOp(
      b, loc,
      affine::makeComposedFoldedAffineApply(b, loc, d0 + d1,
                                            {Fold(base), offset}));
}

std::optional<std::pair<Fold, Fold>>
seqc::takeKeyHeads(OpBuilder &b, Location loc, Value query, Value key,
                   Fold offset, Fold size) {
  Fold queryHeads = tensor::getMixedSize(b, loc, query, 1);
  Fold keyHeads = tensor::getMixedSize(b, loc, key, 1);
  if (!isOneInteger(size) && !isSameSize(size, queryHeads))
    return std::nullopt;
  Fold head = offset;
  if (!isZeroInteger(head) && !isSameSize(queryHeads, keyHeads))
    head = divide(b, loc, head, divide(b, loc, queryHeads, keyHeads));
  return std::pair(head, isOneInteger(size) ? size : keyHeads);
}

FailureOr<TilePosition> seqc::getProjectionTile(OpBuilder &b, Operation *op,
                                                Value projection, Fold channels,
                                                Fold depth,
                                                ArrayRef<Fold> offsets,
                                                ArrayRef<Fold> sizes) {
  Location loc = op->getLoc();
  Fold zero = b.getIndexAttr(0);
  int64_t rank = cast<RankedTensorType>(projection.getType()).getRank();
  if (rank == 2)
    return TilePosition{{offsets[1], zero}, {sizes[1], depth}};
  if (rank == 3)
    return TilePosition{{offsets[0], zero, offsets[2]},
                        {sizes[0], depth, sizes[2]}};
  Fold groups = tensor::getMixedSize(b, loc, projection, 1);
  if (isSameSize(sizes[1], channels))
    return TilePosition{{offsets[0], zero, zero, offsets[2]},
                        {sizes[0], groups, depth, sizes[2]}};
  // Tiles of a dynamic size are the caller's care; seqc-tile keeps to groups.
  auto tile = getConstantIntValue(sizes[1]),
       all = getConstantIntValue(channels), count = getConstantIntValue(groups);
  if (tile && all && count && *count > 0 && *tile > *all / *count)
    return op->emitOpError("can be tiled by channels of one group or by all "
                           "channels, but got a tile of ")
           << *tile << " channels for groups of " << *all / *count;
  Fold group = isOneInteger(groups) ? zero
                                    : divide(b, loc, offsets[1],
                                             divide(b, loc, channels, groups));
  return TilePosition{{offsets[0], group, zero, offsets[2]},
                      {sizes[0], b.getIndexAttr(1), depth, sizes[2]}};
}
