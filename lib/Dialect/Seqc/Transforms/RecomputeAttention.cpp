//===- RecomputeAttention.cpp - The backward of attention by blocks -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The backward of FlashAttention (Dao et al. 2022, algorithm 4): from the
// log-sum-exp of a row its probabilities are computed again, tile by tile. What
// is left over for the whole row is one number,
//
//   delta[i] = sum_d out_grad[i, d] out[i, d] - lse_grad[i]
//
// which takes the place of the row sum in the derivative of softmax, and takes
// the gradient of the log-sum-exp in. The gradients are sums over queries or
// over keys, and go into accumulators that start from 0.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/RecomputeBackward.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

namespace {

/// Builds what one operator becomes.
class BlockBuilder {
public:
  BlockBuilder(RewriterBase &rewriter, AttentionBackwardOp op)
      : rewriter(rewriter), b(op.getLoc(), rewriter), op(op),
        acc(getAccumulatorType(op.getQuery().getType().getElementType())) {}

  /// One value for each result of the operator.
  SmallVector<Value> build(bool together, RecomputeStatistics &statistics);

private:
  using Body = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

  Value generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                unsigned rank, Body body);
  Value zeros(Value like);
  Value extend(ImplicitLocOpBuilder &nb, Value v) {
    return v.getType() == acc ? v : arith::ExtFOp::create(nb, acc, v);
  }
  /// `v` in the type of a result.
  Value convert(Value v, Type type);
  Value buildDelta();
  Value buildSinksGrad(Value delta);
  BlockAttentionBackwardOp buildBlock(Value delta, Value query, Value key,
                                      Value value, Value bias);

  RewriterBase &rewriter;
  ImplicitLocOpBuilder b;
  AttentionBackwardOp op;
  FloatType acc;
};

} // namespace

/// A linalg.generic; dimensions that the last map does not have are summed.
Value BlockBuilder::generic(ValueRange inputs, Value init,
                            ArrayRef<AffineMap> maps, unsigned rank,
                            Body body) {
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::reduction);
  for (AffineExpr expr : maps.back().getResults())
    iterators[cast<AffineDimExpr>(expr).getPosition()] =
        utils::IteratorType::parallel;
  return linalg::GenericOp::create(
             b, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               ImplicitLocOpBuilder nb(loc, nested);
               linalg::YieldOp::create(nb, body(nb, args));
             })
      .getResult(0);
}

Value BlockBuilder::zeros(Value like) {
  Value zero = arith::ConstantOp::create(b, b.getFloatAttr(acc, 0.0));
  Value empty = tensor::EmptyOp::create(
      b, tensor::getMixedSizes(b, b.getLoc(), like), acc);
  return linalg::FillOp::create(b, zero, empty).getResult(0);
}

Value BlockBuilder::convert(Value v, Type type) {
  auto from = cast<RankedTensorType>(v.getType());
  auto to = cast<RankedTensorType>(type);
  if (from.getElementType() != to.getElementType()) {
    AffineMap id = b.getMultiDimIdentityMap(from.getRank());
    Value empty = tensor::EmptyOp::create(
        b, tensor::getMixedSizes(b, b.getLoc(), v), to.getElementType());
    v = generic(v, empty, {id, id}, from.getRank(),
                [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                  return arith::TruncFOp::create(nb, to.getElementType(), a[0]);
                });
  }
  if (v.getType() != type)
    v = tensor::CastOp::create(b, type, v);
  return v;
}

Value BlockBuilder::buildDelta() {
  AffineMap all = b.getMultiDimIdentityMap(4);
  AffineMap rows = all.getSubMap({0, 1, 2}), id3 = b.getMultiDimIdentityMap(3);
  Value delta = generic(
      {op.getOutGrad(), op.getOut()}, zeros(op.getLse()), {all, all, rows}, 4,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value product =
            arith::MulFOp::create(nb, extend(nb, a[0]), extend(nb, a[1]));
        return arith::AddFOp::create(nb, a[2], product);
      });
  Value gradient = op.getLseGrad();
  if (!gradient)
    return delta;
  Value empty = tensor::EmptyOp::create(
      b, tensor::getMixedSizes(b, b.getLoc(), gradient), acc);
  return generic({delta, gradient}, empty, {id3, id3, id3}, 3,
                 [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                   return arith::SubFOp::create(nb, a[0], a[1]);
                 });
}

/// sum_{b,i} exp(sinks[h] - lse) * -delta, in base e as it is once per row. A
/// sink of -inf has no weight, whatever lse is. Rows are summed first, then
/// batches: each sum is over the last loop, as kernels want it.
Value BlockBuilder::buildSinksGrad(Value delta) {
  AffineMap all = b.getMultiDimIdentityMap(3), heads = all.getSubMap({1});
  AffineMap batches = all.getSubMap({0, 1});
  Value lowest = arith::ConstantOp::create(
      b, b.getFloatAttr(acc, -std::numeric_limits<double>::infinity()));
  Value zero = arith::ConstantOp::create(b, b.getFloatAttr(acc, 0.0));
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, b.getLoc(), op.getLse());
  Value empty = tensor::EmptyOp::create(b, {sizes[0], sizes[1]}, acc);
  Value init = linalg::FillOp::create(b, zero, empty).getResult(0);
  Value sums = generic(
      {op.getSinks(), op.getLse(), delta}, init, {heads, all, all, batches}, 3,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value none =
            arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, a[0], lowest);
        Value weight =
            math::ExpOp::create(nb, arith::SubFOp::create(nb, a[0], a[1]));
        weight = arith::SelectOp::create(nb, none, zero, weight);
        Value part =
            arith::MulFOp::create(nb, weight, arith::NegFOp::create(nb, a[2]));
        return arith::AddFOp::create(nb, a[3], part);
      });
  AffineMap id2 = b.getMultiDimIdentityMap(2);
  return generic(
      {sums}, zeros(op.getSinks()),
      {AffineMap::getPermutationMap(ArrayRef<unsigned>{1, 0}, b.getContext()),
       id2.getSubMap({0})},
      2, [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::AddFOp::create(nb, a[1], a[0]);
      });
}

BlockAttentionBackwardOp BlockBuilder::buildBlock(Value delta, Value query,
                                                  Value key, Value value,
                                                  Value bias) {
  SmallVector<Type> types;
  for (Value init : {query, key, value, bias})
    if (init)
      types.push_back(init.getType());
  auto length = [&](Value v) -> Value {
    return getValueOrCreateConstantIndexOp(
        b, b.getLoc(), tensor::getMixedSize(b, b.getLoc(), v, 2));
  };
  Value zero = arith::ConstantIndexOp::create(b, 0);
  SmallVector<Value> offsets(4, zero);
  SmallVector<Value> lengths = {length(op.getQuery()), length(op.getKey())};
  int64_t headDim = op.getQuery().getType().getDimSize(3);
  double scale = op.getScale() ? op.getScale()->convertToDouble()
                               : 1.0 / std::sqrt(double(headDim));
  // A window wider than any sequence is none; positions plus or minus the
  // others stay far from overflow.
  auto window = [](IntegerAttr bound) -> IntegerAttr {
    return bound && bound.getInt() < (int64_t(1) << 40) ? bound : IntegerAttr();
  };
  auto block = BlockAttentionBackwardOp::create(
      b, types, op.getQuery(), op.getKey(), op.getValue(), op.getOutGrad(),
      op.getLse(), delta, op.getBias(), op.getQuerySegments(),
      op.getKeySegments(), op.getPrefix(), op.getSeed(), offsets, lengths,
      query, key, value, bias, b.getF64FloatAttr(scale), op.getCausalAttr(),
      window(op.getWindowLeftAttr()), window(op.getWindowRightAttr()),
      op.getAlignmentAttr(), op.getDropoutAttr(),
      TileClassAttr::get(b.getContext(), TileClass::Partial),
      op.getScheduleAttr());
  rewriter.cloneRegionBefore(op.getScore(), block.getScore(),
                             block.getScore().end());
  rewriter.cloneRegionBefore(op.getMask(), block.getMask(),
                             block.getMask().end());
  return block;
}

SmallVector<Value> BlockBuilder::build(bool together,
                                       RecomputeStatistics &statistics) {
  // The accumulators, and the gradients as they come.
  Value query, key, value, bias;
  auto isWanted = [](Value gradient) {
    return gradient && !gradient.use_empty();
  };
  bool wantsQuery = isWanted(op.getQueryGrad());
  bool wantsKeys = isWanted(op.getKeyGrad()) || isWanted(op.getValueGrad());
  bool wantsBias = isWanted(op.getBiasGrad());
  bool wantsSinks = isWanted(op.getSinksGrad());

  // With nothing to sum over, every sum is 0.
  auto isEmpty = [](Value v) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(v.getType()).getShape();
    return llvm::is_contained(shape, 0);
  };
  bool hasPairs = !isEmpty(op.getQuery()) && !isEmpty(op.getKey());
  Value delta;
  if ((hasPairs && (wantsQuery || wantsKeys || wantsBias)) || wantsSinks)
    delta = buildDelta();
  auto run = [&](Value *queryGrad, Value *keyGrad, Value *valueGrad,
                 Value *biasGrad) {
    SmallVector<Value *> all;
    for (Value *gradient : {queryGrad, keyGrad, valueGrad, biasGrad})
      if (gradient)
        all.push_back(gradient);
    if (!hasPairs || all.empty())
      return;
    auto init = [](Value *gradient) { return gradient ? *gradient : Value(); };
    BlockAttentionBackwardOp block = buildBlock(
        delta, init(queryGrad), init(keyGrad), init(valueGrad), init(biasGrad));
    ++statistics.recomputed;
    for (auto [gradient, result] : llvm::zip_equal(all, block.getResults()))
      *gradient = result;
  };
  if (wantsQuery)
    query = zeros(op.getQuery());
  if (wantsKeys) {
    key = zeros(op.getKey());
    value = zeros(op.getValue());
  }
  if (wantsBias)
    bias = zeros(op.getBias());
  // A bias that nothing broadcasts is summed over nothing.
  bool isFullBias =
      wantsBias && !llvm::is_contained(op.getBias().getType().getShape(), 1);
  Value *biasWithQuery = isFullBias && wantsQuery ? &bias : nullptr;
  if (together && wantsQuery && wantsKeys) {
    run(&query, &key, &value, biasWithQuery);
  } else {
    if (wantsQuery)
      run(&query, nullptr, nullptr, biasWithQuery);
    if (wantsKeys)
      run(nullptr, &key, &value, nullptr);
  }
  if (wantsBias && !biasWithQuery)
    run(nullptr, nullptr, nullptr, &bias);

  // A gradient that nothing reads has no value.
  auto finish = [&](Value gradient, Value result, Value like) -> Value {
    if (gradient)
      return convert(gradient, result.getType());
    auto type = cast<RankedTensorType>(result.getType());
    Value empty = tensor::EmptyOp::create(
        b, tensor::getMixedSizes(b, b.getLoc(), like), type.getElementType());
    return convert(empty, type);
  };
  SmallVector<Value> results = {
      finish(query, op.getQueryGrad(), op.getQuery()),
      finish(key, op.getKeyGrad(), op.getKey()),
      finish(value, op.getValueGrad(), op.getValue())};
  if (op.getBiasGrad())
    results.push_back(finish(bias, op.getBiasGrad(), op.getBias()));
  if (op.getSinksGrad())
    results.push_back(finish(wantsSinks ? buildSinksGrad(delta) : Value(),
                             op.getSinksGrad(), op.getSinks()));
  return results;
}

namespace {
struct RecomputeAttention : OpRewritePattern<AttentionBackwardOp> {
  RecomputeAttention(MLIRContext *context, bool together,
                     RecomputeStatistics &statistics)
      : OpRewritePattern(context), together(together), statistics(statistics) {}

  LogicalResult matchAndRewrite(AttentionBackwardOp op,
                                PatternRewriter &rewriter) const override {
    for (Value v : {Value(op.getKey()), Value(op.getValue())})
      if (v.getDefiningOp<PagedOp>())
        return op.emitOpError("reads keys or values in pages, of type ")
               << v.getType() << ": gradients of pages are not supported";
    if (!op.getScore().empty()) {
      if (failed(addScoreDerivative(rewriter, op.getScore())))
        return failure();
      ++statistics.regions;
    }
    rewriter.setInsertionPoint(op);
    SmallVector<Value> results =
        BlockBuilder(rewriter, op).build(together, statistics);
    rewriter.replaceOp(op, results);
    ++statistics.attention;
    return success();
  }

  bool together;
  RecomputeStatistics &statistics;
};
} // namespace

void seqc::populateRecomputeAttentionPatterns(RewritePatternSet &patterns,
                                              bool together,
                                              RecomputeStatistics &statistics) {
  patterns.add<RecomputeAttention>(patterns.getContext(), together, statistics);
}
