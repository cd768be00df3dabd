//===- Decompose.h - Building a tile's linalg operators ---------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOCPU_DECOMPOSE_H
#define SEQC_LIB_CONVERSION_SEQCTOCPU_DECOMPOSE_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc::decomposition {

using namespace mlir;

constexpr double log2e = 1.4426950408889634074;
constexpr double ln2 = 0.69314718055994530942;

using Body = llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

/// Builds linalg operators on static tiles in the accumulator type.
struct Emitter {
  Emitter(RewriterBase &rewriter, Location loc, FloatType acc)
      : b(loc, rewriter), acc(acc) {}

  AffineMap map(ArrayRef<unsigned> dims, unsigned rank) {
    return AffineMap::getMultiDimIdentityMap(rank, b.getContext())
        .getSubMap(dims);
  }

  Value empty(ArrayRef<int64_t> shape, Type type) {
    return tensor::EmptyOp::create(b, shape, type);
  }

  Value constant(double value) { return constant(b, value); }
  Value constant(ImplicitLocOpBuilder &nb, double value) {
    return arith::ConstantOp::create(nb, nb.getFloatAttr(acc, value));
  }

  Value zeros(ArrayRef<int64_t> shape) {
    return linalg::FillOp::create(b, constant(0.0), empty(shape, acc))
        .getResult(0);
  }

  /// The tile without its leading unit dimensions.
  Value dropUnitDims(Value v, unsigned rank) {
    auto type = cast<RankedTensorType>(v.getType());
    if (type.getRank() == int64_t(rank))
      return v;
    auto reduced = RankedTensorType::get(type.getShape().take_back(rank),
                                         type.getElementType());
    return tensor::createCanonicalRankReducingExtractSliceOp(b, b.getLoc(), v,
                                                             reduced);
  }

  /// The same for a carried state, as a reshape: its buffer stays the state's.
  Value collapseUnitDims(Value v, unsigned rank) {
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<ReassociationIndices> groups(rank);
    for (int64_t i = 0, extra = type.getRank() - rank; i < type.getRank(); ++i)
      groups[std::max<int64_t>(0, i - extra)].push_back(i);
    return tensor::CollapseShapeOp::create(b, v, groups);
  }

  /// `v` with leading unit dimensions, of the shape of `like`.
  Value addUnitDims(Value v, Type like) {
    if (v.getType() == like)
      return v;
    auto type = cast<RankedTensorType>(like);
    auto source = cast<RankedTensorType>(v.getType());
    int64_t extra = type.getRank() - source.getRank();
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices first;
    for (int64_t i = 0; i <= extra; ++i)
      first.push_back(i);
    groups.push_back(first);
    for (int64_t i = extra + 1; i < type.getRank(); ++i)
      groups.push_back({i});
    return tensor::ExpandShapeOp::create(b, type, v, groups);
  }

  /// A linalg.generic with one destination, the last of `maps` its own.
  Value generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                ArrayRef<utils::IteratorType> iterators, Body body) {
    return linalg::GenericOp::create(
               b, init.getType(), inputs, init, maps, iterators,
               [&](OpBuilder &nested, Location loc, ValueRange args) {
                 ImplicitLocOpBuilder nb(loc, nested);
                 linalg::YieldOp::create(nb, body(nb, args));
               })
        .getResult(0);
  }

  /// Elementwise over `shape`; input i is read through maps[i]. The last
  /// argument of the body is what the destination held.
  Value elementwise(ArrayRef<int64_t> shape, Type type, ValueRange inputs,
                    ArrayRef<AffineMap> maps, Body body, Value init = {}) {
    SmallVector<AffineMap> all(maps);
    all.push_back(b.getMultiDimIdentityMap(shape.size()));
    SmallVector<utils::IteratorType> iterators(shape.size(),
                                               utils::IteratorType::parallel);
    return generic(inputs, init ? init : empty(shape, type), all, iterators,
                   body);
  }

  /// A float in the accumulator type.
  Value extend(ImplicitLocOpBuilder &nb, Value v) {
    if (v.getType() == acc)
      return v;
    return arith::ExtFOp::create(nb, acc, v);
  }
  Value truncate(ImplicitLocOpBuilder &nb, Value v, Type type) {
    if (v.getType() == type)
      return v;
    return arith::TruncFOp::create(nb, type, v);
  }

  ImplicitLocOpBuilder b;
  FloatType acc;
};

inline constexpr utils::IteratorType par = utils::IteratorType::parallel;
inline constexpr utils::IteratorType red = utils::IteratorType::reduction;

/// The linalg operators that a tile stands for; one value per result.
SmallVector<Value> decompose(Emitter &e, OnlineAttentionOp op);
SmallVector<Value> decompose(Emitter &e, SoftmaxFinishOp op);
SmallVector<Value> decompose(Emitter &e, BlockAttentionBackwardOp op);
SmallVector<Value> decompose(Emitter &e, ChunkScanOp op);
SmallVector<Value> decompose(Emitter &e, CausalConv1dOp op);
SmallVector<Value> decompose(Emitter &e, ChunkScanBackwardOp op);
SmallVector<Value> decompose(Emitter &e, ChunkConv1dBackwardOp op);

/// ln(1 + exp(x)), and x where that is x.
Value buildSoftplus(Emitter &e, ImplicitLocOpBuilder &b, Value x);

} // namespace seqc::decomposition

#endif // SEQC_LIB_CONVERSION_SEQCTOCPU_DECOMPOSE_H
