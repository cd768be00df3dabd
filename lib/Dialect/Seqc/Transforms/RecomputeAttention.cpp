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
// A bias, and a tensor that the score region captures, have a gradient for some
// of (batch, head, query, key), and sums over the others. Which ones a captured
// tensor has follows from the arguments that index it. One operator with a loop
// for each sum is what CPUs want. A grid has no block for sums over the grid:
// with `grids` the operator sums over keys or over queries only, and the other
// sums, of what is left for each row or key, stand behind it, one dimension
// after another. So every sum has one order, and needs memory that is linear in
// the sequence. Where the order of one sum is free (`unordered`), the three
// gradients of queries, keys and values come from one operator there, which
// sums over keys and over queries. A gradient for each (query, key) is summed
// over batch and heads by the block that owns the pairs, as that memory would
// not be.
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

#include <array>
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
  SmallVector<Value> build(bool together, bool grids,
                           RecomputeStatistics &statistics);

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
  /// The accumulators; a null one is not computed.
  struct Gradients {
    Value query, key, value, bias, captured;
    /// The number of `captured`.
    unsigned number = 0;
    SmallVector<Value *> get();
  };
  BlockAttentionBackwardOp buildBlock(Value delta, const Gradients &inits);

  /// Which of (batch, head, query, key) a gradient has.
  using Dims = std::array<bool, 4>;
  Dims getDims(RankedTensorType bias);
  /// The dimensions that index captured tensor `number`, in its order.
  SmallVector<unsigned> getOrder(unsigned number);
  /// What a block sums up for a gradient that has `kept`.
  static Dims getBlockDims(const Dims &kept, bool grids);
  Value pairZeros(const Dims &dims);
  /// `v`, which has `dims` and sizes of 1 for the others, summed over those
  /// that are not in `kept`.
  Value sumTo(Value v, const Dims &dims, const Dims &kept);
  /// The same without the sizes of 1, and in another order.
  Value sumTo(Value v, const Dims &dims, ArrayRef<unsigned> order);

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
                  Type element = to.getElementType();
                  if (element.getIntOrFloatBitWidth() >
                      from.getElementTypeBitWidth())
                    return arith::ExtFOp::create(nb, element, a[0]);
                  return arith::TruncFOp::create(nb, element, a[0]);
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

//===----------------------------------------------------------------------===//
// Gradients for pairs
//===----------------------------------------------------------------------===//

BlockBuilder::Dims BlockBuilder::getDims(RankedTensorType bias) {
  Dims dims;
  for (unsigned d = 0; d < 4; ++d)
    dims[d] = bias.getDimSize(d) != 1;
  return dims;
}

SmallVector<unsigned> BlockBuilder::getOrder(unsigned number) {
  // The verifier has looked at all of them: they are alike.
  Value captured = op.getCaptured()[number];
  tensor::ExtractOp read;
  op.getScore().walk([&](tensor::ExtractOp extract) {
    if (extract.getTensor() == captured)
      read = extract;
  });
  return llvm::map_to_vector(read.getIndices(), [](Value index) {
    return cast<BlockArgument>(index).getArgNumber() - 1;
  });
}

BlockBuilder::Dims BlockBuilder::getBlockDims(const Dims &kept, bool grids) {
  if (!grids || (kept[2] && kept[3]))
    return kept;
  return {true, true, !kept[3], kept[3]};
}

Value BlockBuilder::pairZeros(const Dims &dims) {
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, b.getLoc(), op.getLse());
  sizes.push_back(tensor::getMixedSize(b, b.getLoc(), op.getKey(), 2));
  for (auto [size, isKept] : llvm::zip(sizes, dims))
    if (!isKept)
      size = b.getIndexAttr(1);
  Value zero = arith::ConstantOp::create(b, b.getFloatAttr(acc, 0.0));
  Value empty = tensor::EmptyOp::create(b, sizes, acc);
  return linalg::FillOp::create(b, zero, empty).getResult(0);
}

static Value addLast(ImplicitLocOpBuilder &nb, ValueRange a) {
  return arith::AddFOp::create(nb, a[1], a[0]);
}

Value BlockBuilder::sumTo(Value v, const Dims &dims, const Dims &kept) {
  // The longest ones first: there is less to read afterwards.
  for (unsigned d : {2u, 3u, 1u, 0u}) {
    if (!dims[d] || kept[d])
      continue;
    // A loop of one stands where the sum was; the sum is the last loop.
    SmallVector<AffineExpr> read;
    for (unsigned i = 0; i < 4; ++i)
      read.push_back(b.getAffineDimExpr(i == d ? 4 : i));
    SmallVector<Fold> sizes = tensor::getMixedSizes(b, b.getLoc(), v);
    sizes[d] = b.getIndexAttr(1);
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(acc, 0.0));
    Value empty = tensor::EmptyOp::create(b, sizes, acc);
    v = generic(v, linalg::FillOp::create(b, zero, empty).getResult(0),
                {AffineMap::get(5, 0, read, b.getContext()),
                 b.getMultiDimIdentityMap(5).getMajorSubMap(4)},
                5, addLast);
  }
  return v;
}

Value BlockBuilder::sumTo(Value v, const Dims &dims, ArrayRef<unsigned> order) {
  // What is there, and what is to go: sums first, sizes of 1 last.
  SmallVector<unsigned> present = {0, 1, 2, 3}, away;
  for (bool isSum : {true, false})
    for (unsigned d : {2u, 3u, 1u, 0u})
      if (!llvm::is_contained(order, d) && dims[d] == isSum)
        away.push_back(d);
  auto build = [&](ArrayRef<unsigned> loops, unsigned outputs) {
    SmallVector<AffineExpr> read;
    SmallVector<Fold> sizes(loops.size());
    for (auto [i, d] : llvm::enumerate(present)) {
      unsigned loop = llvm::find(loops, d) - loops.begin();
      read.push_back(b.getAffineDimExpr(loop));
      sizes[loop] = tensor::getMixedSize(b, b.getLoc(), v, i);
    }
    sizes.resize(outputs);
    Value init = tensor::EmptyOp::create(b, sizes, acc);
    bool isSum = outputs < loops.size();
    if (isSum) {
      Value zero = arith::ConstantOp::create(b, b.getFloatAttr(acc, 0.0));
      init = linalg::FillOp::create(b, zero, init).getResult(0);
    }
    // All of them if there is no sum, none for a number.
    AffineMap all = b.getMultiDimIdentityMap(loops.size());
    auto write = AffineMap::get(
        loops.size(), 0, all.getResults().take_front(outputs), b.getContext());
    v = generic(v, init,
                {AffineMap::get(loops.size(), 0, read, b.getContext()), write},
                loops.size(), [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                  return isSum ? addLast(nb, a) : a[0];
                });
    present.assign(loops.begin(), loops.begin() + outputs);
  };
  // What is kept has its own order at the end, and here that of the pairs.
  SmallVector<unsigned> kept(order);
  llvm::sort(kept);
  for (auto [i, d] : llvm::enumerate(away)) {
    SmallVector<unsigned> loops(ArrayRef(away).drop_front(i + 1));
    llvm::append_range(loops, kept);
    loops.push_back(d);
    build(loops, loops.size() - 1);
  }
  if (ArrayRef(present) != order)
    build(order, order.size());
  return v;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

SmallVector<Value *> BlockBuilder::Gradients::get() {
  SmallVector<Value *> present;
  for (Value *gradient : {&query, &key, &value, &bias, &captured})
    if (*gradient)
      present.push_back(gradient);
  return present;
}

BlockAttentionBackwardOp BlockBuilder::buildBlock(Value delta,
                                                  const Gradients &inits) {
  SmallVector<Type> types;
  for (Value init :
       {inits.query, inits.key, inits.value, inits.bias, inits.captured})
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
      inits.query, inits.key, inits.value, inits.bias, inits.captured,
      b.getF64FloatAttr(scale), op.getCausalAttr(),
      window(op.getWindowLeftAttr()), window(op.getWindowRightAttr()),
      op.getAlignmentAttr(), op.getDropoutAttr(),
      TileClassAttr::get(b.getContext(), TileClass::Partial),
      op.getScheduleAttr());
  rewriter.cloneRegionBefore(op.getScore(), block.getScore(),
                             block.getScore().end());
  if (!block.getScore().empty()) {
    // The score, its derivative, and that in what is captured.
    Operation *yield = block.getScore().front().getTerminator();
    SmallVector<Value> yielded(yield->getOperands().take_front(2));
    if (inits.captured)
      yielded.push_back(yield->getOperand(2 + inits.number));
    yield->setOperands(yielded);
  }
  rewriter.cloneRegionBefore(op.getMask(), block.getMask(),
                             block.getMask().end());
  return block;
}

SmallVector<Value> BlockBuilder::build(bool together, bool grids,
                                       RecomputeStatistics &statistics) {
  auto isWanted = [](Value gradient) {
    return gradient && !gradient.use_empty();
  };
  bool wantsQuery = isWanted(op.getQueryGrad());
  bool wantsKeys = isWanted(op.getKeyGrad()) || isWanted(op.getValueGrad());
  bool wantsBias = isWanted(op.getBiasGrad());
  bool wantsSinks = isWanted(op.getSinksGrad());
  bool wantsCaptured = llvm::any_of(op.getCapturedGrad(), isWanted);

  // With nothing to sum over, every sum is 0.
  auto isEmpty = [](Value v) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(v.getType()).getShape();
    return llvm::is_contained(shape, 0);
  };
  bool hasPairs = !isEmpty(op.getQuery()) && !isEmpty(op.getKey());
  bool wantsPairs = wantsQuery || wantsKeys || wantsBias || wantsCaptured;
  Value delta;
  if ((hasPairs && wantsPairs) || wantsSinks)
    delta = buildDelta();
  // The accumulators become the gradients.
  auto run = [&](Gradients gradients) {
    SmallVector<Value *> all = gradients.get();
    if (!hasPairs || all.empty())
      return gradients;
    BlockAttentionBackwardOp block = buildBlock(delta, gradients);
    ++statistics.recomputed;
    for (auto [gradient, result] : llvm::zip_equal(all, block.getResults()))
      *gradient = result;
    return gradients;
  };

  Gradients first, second;
  if (wantsQuery)
    first.query = zeros(op.getQuery());
  if (wantsKeys) {
    bool shares = wantsQuery && (grids ? op.fitsOneKernel() : together);
    Gradients &keys = shares ? first : second;
    keys.key = zeros(op.getKey());
    keys.value = zeros(op.getValue());
  }
  Dims biasDims{}, blockDims{};
  bool hasOwnBlock = false;
  if (wantsBias) {
    biasDims = getDims(op.getBias().getType());
    blockDims = getBlockDims(biasDims, grids);
    // A bias that nothing broadcasts is summed over nothing.
    hasOwnBlock = grids || !wantsQuery ||
                  llvm::is_contained(op.getBias().getType().getShape(), 1);
    if (!hasOwnBlock)
      first.bias = zeros(op.getBias());
  }
  first = run(first);
  second = run(second);
  Value bias = first.bias;
  if (hasOwnBlock) {
    Gradients own;
    own.bias = grids ? pairZeros(blockDims) : zeros(op.getBias());
    bias = sumTo(run(own).bias, blockDims, biasDims);
  }

  // A gradient that nothing reads has no value.
  auto finish = [&](Value gradient, Value result, Value like) -> Value {
    if (gradient)
      return convert(gradient, result.getType());
    auto type = cast<RankedTensorType>(result.getType());
    Value empty = tensor::EmptyOp::create(
        b, tensor::getMixedSizes(b, b.getLoc(), like), type.getElementType());
    return convert(empty, type);
  };
  Value key = first.key ? first.key : second.key;
  Value value = first.value ? first.value : second.value;
  SmallVector<Value> results = {
      finish(first.query, op.getQueryGrad(), op.getQuery()),
      finish(key, op.getKeyGrad(), op.getKey()),
      finish(value, op.getValueGrad(), op.getValue())};
  if (op.getBiasGrad())
    results.push_back(finish(bias, op.getBiasGrad(), op.getBias()));
  if (op.getSinksGrad())
    results.push_back(finish(wantsSinks ? buildSinksGrad(delta) : Value(),
                             op.getSinksGrad(), op.getSinks()));
  for (auto [i, captured, result] :
       llvm::enumerate(op.getCaptured(), op.getCapturedGrad())) {
    Value gradient;
    if (isWanted(result)) {
      SmallVector<unsigned> order = getOrder(i);
      Dims kept{};
      for (unsigned d : order)
        kept[d] = true;
      Dims dims = getBlockDims(kept, grids);
      Gradients own;
      own.captured = pairZeros(dims);
      own.number = i;
      gradient = sumTo(run(own).captured, dims, order);
    }
    results.push_back(finish(gradient, result, captured));
  }
  return results;
}

namespace {
struct RecomputeAttention : OpRewritePattern<AttentionBackwardOp> {
  RecomputeAttention(MLIRContext *context, bool together, bool grids,
                     RecomputeStatistics &statistics)
      : OpRewritePattern(context), together(together), grids(grids),
        statistics(statistics) {}

  LogicalResult matchAndRewrite(AttentionBackwardOp op,
                                PatternRewriter &rewriter) const override {
    for (Value v : {Value(op.getKey()), Value(op.getValue())})
      if (v.getDefiningOp<PagedOp>())
        return op.emitOpError("reads keys or values in pages, of type ")
               << v.getType() << ": gradients of pages are not supported";
    if (grids)
      for (auto [i, captured] : llvm::enumerate(op.getCaptured()))
        if (cast<RankedTensorType>(captured.getType()).getRank() == 0)
          return op.emitOpError("cannot become kernels: captured #")
                 << i << " of " << captured.getType()
                 << " has no dimension, expected at least one";
    if (!op.getScore().empty()) {
      if (failed(addScoreDerivative(rewriter, op.getScore(), op.getCaptured())))
        return failure();
      ++statistics.regions;
    }
    rewriter.setInsertionPoint(op);
    SmallVector<Value> results =
        BlockBuilder(rewriter, op).build(together, grids, statistics);
    rewriter.replaceOp(op, results);
    ++statistics.attention;
    return success();
  }

  bool together, grids;
  RecomputeStatistics &statistics;
};
} // namespace

void seqc::populateRecomputeAttentionPatterns(RewritePatternSet &patterns,
                                              bool together, bool grids,
                                              RecomputeStatistics &statistics) {
  patterns.add<RecomputeAttention>(patterns.getContext(), together, grids,
                                   statistics);
}
