//===- Tiler.h - Builds the tiles of one operator ---------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What seqc-tile builds for every operator: slices, static tiles padded at the
// edge, and accumulators.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILER_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILER_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {

using namespace mlir;
using Fold = OpFoldResult;

struct TileStatistics {
  unsigned loops = 0, fullLoops = 0;
};

/// Builds tiles of one operator.
class Tiler {
public:
  Tiler(RewriterBase &b, Location loc) : b(b), loc(loc) {}

  Fold attr(int64_t value) { return b.getIndexAttr(value); }
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value index(Fold fold) {
    return getValueOrCreateConstantIndexOp(b, loc, fold);
  }
  Fold dim(Value v, int64_t i) { return tensor::getMixedSize(b, loc, v, i); }

  /// min(tile, size - offset), or the tile where it always fits.
  Fold clampedSize(Fold offset, Fold size, int64_t tile) {
    auto length = getConstantIntValue(size);
    if (tile == 1 || (length && *length % tile == 0))
      return attr(tile);
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    auto map = AffineMap::get(2, 0, {b.getAffineConstantExpr(tile), d1 - d0},
                              b.getContext());
    return affine::makeComposedFoldedAffineMin(b, loc, map, {offset, size});
  }

  /// `v` padded at its ends with zeros to `shape`.
  Value pad(Value v, ArrayRef<int64_t> shape) {
    auto type = cast<RankedTensorType>(v.getType());
    auto padded = RankedTensorType::get(shape, type.getElementType());
    if (type == padded)
      return v;
    SmallVector<Fold> low(shape.size(), attr(0)), high;
    for (auto [i, extent] : llvm::enumerate(shape)) {
      AffineExpr d0;
      bindDims(b.getContext(), d0);
      high.push_back(affine::makeComposedFoldedAffineApply(
          b, loc, b.getAffineConstantExpr(extent) - d0, {dim(v, i)}));
    }
    Value zero =
        arith::ConstantOp::create(b, loc, b.getZeroAttr(type.getElementType()));
    return tensor::PadOp::create(b, loc, padded, v, low, high, zero);
  }

  Value slice(Value v, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes) {
    SmallVector<Fold> ones(offsets.size(), attr(1));
    return tensor::ExtractSliceOp::create(b, loc, v, offsets, sizes, ones);
  }

  Value insert(Value source, Value dest, ArrayRef<Fold> offsets,
               ArrayRef<Fold> sizes) {
    SmallVector<Fold> ones(offsets.size(), attr(1));
    return tensor::InsertSliceOp::create(b, loc, source, dest, offsets, sizes,
                                         ones);
  }

  void parallelInsert(Value source, Value dest, ArrayRef<Fold> offsets,
                      ArrayRef<Fold> sizes) {
    SmallVector<Fold> ones(offsets.size(), attr(1));
    tensor::ParallelInsertSliceOp::create(b, loc, source, dest, offsets, sizes,
                                          ones);
  }

  Value filled(ArrayRef<int64_t> shape, TypedAttr value) {
    Value c = arith::ConstantOp::create(b, loc, value);
    Value e = tensor::EmptyOp::create(b, loc, shape, value.getType());
    return linalg::FillOp::create(b, loc, c, e).getResult(0);
  }

  /// The static tile of an initial state: filled where the whole is, else read.
  Value initialTile(Value init, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
                    ArrayRef<int64_t> shape) {
    TypedAttr value;
    if (auto fill = init.getDefiningOp<linalg::FillOp>())
      if (matchPattern(fill.getInputs()[0], m_Constant(&value)))
        return filled(shape, value);
    return pad(slice(init, offsets, sizes), shape);
  }

  RewriterBase &b;
  Location loc;
};

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILER_H
