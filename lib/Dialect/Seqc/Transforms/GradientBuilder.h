//===- GradientBuilder.h - Tensor code of gradients -------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the backward of a scan and of a convolution need around their chunks:
// zeros to add to, roundings, and sums over batches in order.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_GRADIENTBUILDER_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_GRADIENTBUILDER_H

#include "Tiler.h"

#include "seqc/Analysis/ChipInfo.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"

namespace seqc {

/// Tensor code that both operators need.
class GradientBuilder : public Tiler {
public:
  GradientBuilder(RewriterBase &b, Location loc, FloatType acc)
      : Tiler(b, loc), acc(acc) {}

  using Body = function_ref<Value(OpBuilder &, Location, ValueRange)>;

  Value generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                ArrayRef<utils::IteratorType> iterators, Body body) {
    return linalg::GenericOp::create(
               b, loc, init.getType(), inputs, init, maps, iterators,
               [&](OpBuilder &nb, Location l, ValueRange args) {
                 linalg::YieldOp::create(nb, l, body(nb, l, args));
               })
        .getResult(0);
  }

  /// Elementwise over `init`, all operands alike.
  Value elementwise(ValueRange inputs, Value init, Body body) {
    int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
    SmallVector<AffineMap> maps(inputs.size() + 1,
                                b.getMultiDimIdentityMap(rank));
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    return generic(inputs, init, maps, iterators, body);
  }

  Value fillZero(Value dest) {
    Type type = getElementTypeOrSelf(dest.getType());
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
    return linalg::FillOp::create(b, loc, zero, dest).getResult(0);
  }
  Value empty(ArrayRef<Fold> sizes, Type type) {
    return tensor::EmptyOp::create(b, loc, sizes, type);
  }
  Value zeros(ArrayRef<Fold> sizes) { return fillZero(empty(sizes, acc)); }

  Value extend(OpBuilder &nb, Location l, Value v) {
    return v.getType() == acc ? v : arith::ExtFOp::create(nb, l, acc, v);
  }
  Value round(OpBuilder &nb, Location l, Value v, Type type) {
    return v.getType() == type ? v : arith::TruncFOp::create(nb, l, type, v);
  }

  /// `v`, of type acc, rounded into `dest`; `v` itself if that has its type.
  Value roundInto(Value v, Value dest) {
    Type type = getElementTypeOrSelf(dest.getType());
    if (type == acc)
      return v;
    return elementwise(v, dest, [&](OpBuilder &nb, Location l, ValueRange a) {
      return round(nb, l, a[0], type);
    });
  }

  /// `v` as a value of `type`, which has other sizes or another float.
  Value convert(Value v, Type type) {
    Type element = getElementTypeOrSelf(type);
    if (getElementTypeOrSelf(v.getType()) != element)
      v = roundInto(v, empty(tensor::getMixedSizes(b, loc, v), element));
    if (v.getType() != type)
      v = tensor::CastOp::create(b, loc, type, v);
    return v;
  }

  /// The sum over the first dimension, in order.
  Value sumBatches(Value v) {
    SmallVector<Fold> sizes = tensor::getMixedSizes(b, loc, v);
    unsigned rank = sizes.size();
    AffineMap id = b.getMultiDimIdentityMap(rank);
    // The batch is the last, innermost loop.
    SmallVector<unsigned> in = {rank - 1}, out;
    for (unsigned i = 0; i + 1 < rank; ++i) {
      in.push_back(i);
      out.push_back(i);
    }
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    return generic(v, zeros(ArrayRef<Fold>(sizes).drop_front()),
                   {id.getSubMap(in), id.getSubMap(out)}, iterators,
                   [](OpBuilder &nb, Location l, ValueRange a) -> Value {
                     return arith::AddFOp::create(nb, l, a[1], a[0]);
                   });
  }

  Fold apply(AffineExpr expr, ArrayRef<Fold> operands) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
  }

  FloatType acc;
};

/// The backward of a scan as two grids of tiles of channels, each with its loop
/// over chunks: one value for each result. Counts in `numSplit` a sequence that
/// has parts.
SmallVector<Value> buildScanBackwardGrids(RewriterBase &b,
                                          SelectiveScanBackwardOp op,
                                          const ChipInfo &chip,
                                          unsigned &numSplit);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_GRADIENTBUILDER_H
