//===- AttentionOps.cpp - seqc.attention and its backward -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The constraints 1 to 20 are the same for attention and for its backward and
// are checked by the same code. docs/spec.md has their text.
//
// Canonicalization brings the structured mask to one form, so that later passes
// see fewer cases. With p = i + offset the diagonal of row i, and sizes that
// are static, p lies between `offset` and `rows - 1 + offset`; a bound on the
// keys that no row of that range can meet says nothing:
//
//   alignment      largest p    smallest p
//   bottom_right   Sk - 1       Sk - Sq
//   top_left       Sq - 1       0
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

namespace {

/// The sizes that the operands of an attention share.
struct AttentionSizes {
  explicit AttentionSizes(RankedTensorType query, RankedTensorType key,
                          RankedTensorType value)
      : batch(refineDim(query.getDimSize(0),
                        refineDim(key.getDimSize(0), value.getDimSize(0)))),
        queryHeads(query.getDimSize(1)),
        keyHeads(refineDim(key.getDimSize(1), value.getDimSize(1))),
        queries(query.getDimSize(2)),
        keys(refineDim(key.getDimSize(2), value.getDimSize(2))),
        headDim(query.getDimSize(3)), valueDim(value.getDimSize(3)) {}

  int64_t batch, queryHeads, keyHeads, queries, keys, headDim, valueDim;
};

template <typename OpT>
AttentionSizes getSizes(OpT op) {
  return AttentionSizes(op.getQuery().getType(), op.getKey().getType(),
                        op.getValue().getType());
}

} // namespace

/// A bias has, in each dimension, the full size or a static 1.
static LogicalResult verifyBias(const Constraints &check, Value bias,
                                ArrayRef<int64_t> full,
                                ArrayRef<Type> elements) {
  SmallVector<int64_t> shape(full);
  if (bias)
    if (auto type = cast<RankedTensorType>(bias.getType()); type.getRank() == 4)
      for (auto [wanted, size] : llvm::zip_equal(shape, type.getShape()))
        if (size == 1)
          wanted = 1;
  return check.tensor(10, "bias", bias, shape,
                      "(batch or 1, query heads or 1, queries or 1, keys or 1)",
                      elements);
}

/// A region is empty, or one block that takes `arguments` and yields `result`
/// without side effects.
static LogicalResult verifyRegion(const Constraints &check, unsigned number,
                                  StringRef name, Region &region,
                                  ArrayRef<Type> arguments, Type result) {
  if (region.empty())
    return success();
  auto fail = [&]() -> InFlightDiagnostic {
    InFlightDiagnostic diag = check.fail(number);
    diag << "the " << name << " region to be one block (";
    llvm::interleaveComma(arguments, diag);
    diag << ") that yields " << result << ", but got ";
    return diag;
  };
  if (!region.hasOneBlock())
    return fail() << region.getBlocks().size() << " blocks";
  Block &block = region.front();
  if (!llvm::equal(block.getArgumentTypes(), arguments)) {
    InFlightDiagnostic diag = fail() << "a block (";
    llvm::interleaveComma(block.getArgumentTypes(), diag);
    return diag << ")";
  }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield)
    return fail() << "a block that ends in '" << block.back().getName() << "'";
  if (yield.getValue().getType() != result)
    return fail() << "a block that yields " << yield.getValue().getType();
  for (Operation &inner : block)
    if (!isMemoryEffectFree(&inner))
      return check.fail(20) << "operations without side effects in the " << name
                            << " region, but got '" << inner.getName() << "'";
  return success();
}

/// Constraints 1 to 17, the same for both operators.
template <typename OpT>
static LogicalResult verifyAttention(OpT op) {
  Constraints check(op);
  MLIRContext *context = op.getContext();
  SmallVector<Type> dataTypes = getDataTypes(context);
  constexpr StringLiteral queryDims = "(batch, query heads, queries, head_dim)";
  constexpr StringLiteral keyDims = "(batch, key/value heads, keys, head_dim)";
  constexpr StringLiteral valueDims =
      "(batch, key/value heads, keys, value head_dim)";

  if (failed(check.hasRank(1, "query", op.getQuery(), 4, queryDims, dataTypes)))
    return failure();
  RankedTensorType query = op.getQuery().getType();
  Type element = query.getElementType();
  Type acc = getAccumulatorType(element);
  SmallVector<Type> elementOrAcc = {element};
  if (acc != element)
    elementOrAcc.push_back(acc);

  if (failed(check.hasRank(1, "key", op.getKey(), 4, keyDims, dataTypes)) ||
      failed(check.hasRank(1, "value", op.getValue(), 4, valueDims, dataTypes)))
    return failure();
  RankedTensorType key = op.getKey().getType();
  RankedTensorType value = op.getValue().getType();
  for (auto [name, type] :
       {std::pair<StringRef, RankedTensorType>{"key", key}, {"value", value}})
    if (type.getElementType() != element)
      return check.fail(2) << name << " to have the element type of query ("
                           << element << "), but got query " << query << " and "
                           << name << " " << type;

  AttentionSizes sizes(query, key, value);
  if (!ShapedType::isDynamic(sizes.queryHeads) &&
      !ShapedType::isDynamic(sizes.keyHeads) &&
      (sizes.keyHeads == 0 ? sizes.queryHeads != 0
                           : sizes.queryHeads % sizes.keyHeads != 0))
    return check.fail(3) << "query heads (" << sizes.queryHeads
                         << ") to be a multiple of key/value heads ("
                         << sizes.keyHeads << "), but got query " << query
                         << " and key " << key;
  for (auto [name, type] :
       {std::pair<StringRef, RankedTensorType>{"key", key}, {"value", value}})
    if (!compatibleDims(type.getDimSize(0), sizes.batch))
      return check.fail(4) << name << " to have the batch size of query ("
                           << sizes.batch << "), but got query " << query
                           << " and " << name << " " << type;
  for (auto [what, dim] :
       {std::pair<StringRef, unsigned>{"heads", 1}, {"length", 2}})
    if (!compatibleDims(key.getDimSize(dim), value.getDimSize(dim)))
      return check.fail(5) << "key and value to have the same " << what
                           << ", but got key " << key << " and value " << value;
  if (sizes.headDim < 1 || key.getDimSize(3) != sizes.headDim)
    return check.fail(6)
           << "query and key to have the same static head_dim of at least 1, "
              "but got query "
           << query << " and key " << key;
  if (sizes.valueDim < 1)
    return check.fail(7) << "value to have a static head_dim of at least 1, "
                            "but got value "
                         << value;

  if (failed(check.tensor(
          8, "out", op.getOut(),
          {sizes.batch, sizes.queryHeads, sizes.queries, sizes.valueDim},
          "(batch, query heads, queries, value head_dim)", element)) ||
      failed(check.tensor(9, "lse", op.getLse(),
                          {sizes.batch, sizes.queryHeads, sizes.queries},
                          "(batch, query heads, queries)", acc)) ||
      failed(
          verifyBias(check, op.getBias(),
                     {sizes.batch, sizes.queryHeads, sizes.queries, sizes.keys},
                     elementOrAcc)))
    return failure();

  Value querySegments = op.getQuerySegments();
  Value keySegments = op.getKeySegments();
  Type i32 = IntegerType::get(context, 32);
  if (!querySegments != !keySegments)
    return check.fail(11)
           << "query_segments and key_segments together, but got only "
           << (querySegments ? "query_segments " : "key_segments ")
           << (querySegments ? querySegments : keySegments).getType();
  if (failed(check.tensor(11, "query_segments", querySegments,
                          {sizes.batch, sizes.queries}, "(batch, queries)",
                          i32)) ||
      failed(check.tensor(11, "key_segments", keySegments,
                          {sizes.batch, sizes.keys}, "(batch, keys)", i32)) ||
      failed(check.tensor(12, "prefix", op.getPrefix(), {sizes.batch},
                          "(batch)", i32)) ||
      failed(check.tensor(13, "sinks", op.getSinks(), {sizes.queryHeads},
                          "(query heads)", acc)))
    return failure();

  if (std::optional<APFloat> scale = op.getScale(); scale && !scale->isFinite())
    return check.fail(14) << "scale to be finite, but got "
                          << op.getScaleAttr();
  for (auto [name, window] : {std::pair<StringRef, IntegerAttr>{
                                  "window_left", op.getWindowLeftAttr()},
                              {"window_right", op.getWindowRightAttr()}})
    if (window && window.getInt() < 0)
      return check.fail(15)
             << name << " not to be negative, but got " << window.getInt();
  if (FloatAttr dropout = op.getDropoutAttr()) {
    double probability = dropout.getValueAsDouble();
    if (!(probability >= 0.0 && probability < 1.0))
      return check.fail(16) << "dropout to be in [0, 1), but got " << dropout;
    if (!op.getSeed())
      return check.fail(17)
             << "a seed with dropout " << dropout << ", but got none";
  } else if (op.getSeed()) {
    return check.fail(17) << "no seed without dropout, but got seed "
                          << op.getSeed().getType();
  }
  return success();
}

/// Constraints 18 to 20, once the operations in the regions are valid.
template <typename OpT>
static LogicalResult verifyAttentionRegions(OpT op) {
  Constraints check(op);
  Type index = IndexType::get(op.getContext());
  Type acc = getAccumulatorType(op.getQuery().getType().getElementType());
  Type i1 = IntegerType::get(op.getContext(), 1);
  if (failed(verifyRegion(check, 18, "score", op.getScore(),
                          {acc, index, index, index, index}, acc)))
    return failure();
  return verifyRegion(check, 19, "mask", op.getMask(),
                      {index, index, index, index}, i1);
}

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }

LogicalResult AttentionOp::verifyRegions() {
  return verifyAttentionRegions(*this);
}

LogicalResult AttentionBackwardOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  Constraints check(*this);
  return failure(
      failed(check.gradient(21, "out_grad", getOutGrad(), "out", getOut())) ||
      failed(check.gradient(22, "lse_grad", getLseGrad(), "lse", getLse())) ||
      failed(check.gradient(23, "query_grad", getQueryGrad(), "query",
                            getQuery())) ||
      failed(check.gradient(23, "key_grad", getKeyGrad(), "key", getKey())) ||
      failed(check.gradient(23, "value_grad", getValueGrad(), "value",
                            getValue())) ||
      failed(
          check.gradient(24, "bias_grad", getBiasGrad(), "bias", getBias())) ||
      failed(check.gradient(25, "sinks_grad", getSinksGrad(), "sinks",
                            getSinks())));
}

LogicalResult AttentionBackwardOp::verifyRegions() {
  return verifyAttentionRegions(*this);
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::reifyResultShapes(
    OpBuilder &builder, ReifiedRankedShapedTypeDims &reifiedReturnShapes) {
  Value query = getQuery();
  reifiedReturnShapes.push_back(
      reifyShape(builder, getOut(),
                 {{query, 0}, {query, 1}, {query, 2}, {getValue(), 3}}));
  if (Value lse = getLse())
    reifiedReturnShapes.push_back(
        reifyShape(builder, lse, {{query, 0}, {query, 1}, {query, 2}}));
  return success();
}

//===----------------------------------------------------------------------===//
// Canonicalization
//===----------------------------------------------------------------------===//

namespace {

/// The structured mask in its shortest form.
template <typename OpT>
struct SimplifyBand : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    AttentionSizes sizes = getSizes(op);
    bool topLeft = op.getAlignment() == Alignment::TopLeft;
    bool causal = op.getCausal();
    std::optional<int64_t> left = op.getWindowLeft();
    std::optional<int64_t> right = op.getWindowRight();

    // A causal mask is a right window of 0, and implies every wider one.
    if (right && (causal || *right == 0)) {
      causal = true;
      right = std::nullopt;
    }
    // The first row reaches fewest keys to its right: the window must span the
    // keys that lie past its diagonal. The last row reaches fewest to its left.
    int64_t toTheRight = topLeft ? sizes.keys : sizes.queries;
    int64_t toTheLeft = topLeft ? sizes.queries : sizes.keys;
    auto spans = [](int64_t window, int64_t size) {
      return !ShapedType::isDynamic(size) && window >= size - 1;
    };
    if (causal && spans(0, toTheRight))
      causal = false;
    if (right && spans(*right, toTheRight))
      right = std::nullopt;
    if (left && spans(*left, toTheLeft))
      left = std::nullopt;

    bool unbounded = !causal && !left && !right;
    if (unbounded ||
        (!ShapedType::isDynamic(sizes.queries) && sizes.queries == sizes.keys))
      topLeft = false;
    bool dropPrefix = op.getPrefix() && (unbounded || isEmptyPrefix(op));

    if (causal == op.getCausal() && left == op.getWindowLeft() &&
        right == op.getWindowRight() && !dropPrefix &&
        topLeft == (op.getAlignment() == Alignment::TopLeft))
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.setCausal(causal);
      op.setWindowLeft(left);
      op.setWindowRight(right);
      op.setAlignment(topLeft ? Alignment::TopLeft : Alignment::BottomRight);
      if (dropPrefix)
        op.getPrefixMutable().clear();
    });
    return success();
  }

private:
  static bool isEmptyPrefix(OpT op) {
    DenseIntElementsAttr prefix;
    return matchPattern(op.getPrefix(), m_Constant(&prefix)) &&
           llvm::all_of(prefix.getValues<APInt>(),
                        [](const APInt &n) { return n.isNonPositive(); });
  }
};

/// A dropout of 0, a score region that yields its score and a mask region that
/// yields true do nothing.
template <typename OpT>
struct DropNoOps : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    bool noDropout = op.getDropout() && op.getDropout()->isZero();
    bool noScore = !op.getScore().empty() &&
                   yielded(op.getScore()) == op.getScore().getArgument(0);
    bool noMask =
        !op.getMask().empty() && matchPattern(yielded(op.getMask()), m_One());
    if (!noDropout && !noScore && !noMask)
      return failure();
    if (noScore)
      rewriter.eraseBlock(&op.getScore().front());
    if (noMask)
      rewriter.eraseBlock(&op.getMask().front());
    rewriter.modifyOpInPlace(op, [&] {
      if (noDropout) {
        op.removeDropoutAttr();
        op.getSeedMutable().clear();
      }
    });
    return success();
  }

private:
  static Value yielded(Region &region) {
    return cast<YieldOp>(region.front().back()).getValue();
  }
};

/// An unused log-sum-exp is not computed.
struct DropUnusedLse : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getLse() || !op.getLse().use_empty())
      return failure();
    replaceWithCopy(rewriter, op, op->getResults().take_front().getTypes(),
                    op->getOperands());
    return success();
  }
};

/// Sizes that a cast hides, or that another operand knows, become those of the
/// operator and of its results.
struct FoldCasts : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Value> operands;
    bool changed = lookThroughCasts(op, operands);
    auto type = [&](unsigned i) {
      return cast<RankedTensorType>(operands[i].getType());
    };
    AttentionSizes sizes(type(0), type(1), type(2));
    SmallVector<int64_t> shape = {sizes.batch, sizes.queryHeads, sizes.queries,
                                  sizes.valueDim};
    SmallVector<Type> types = {refineType(op.getOut().getType(), shape)};
    if (Value lse = op.getLse())
      types.push_back(
          refineType(lse.getType(), ArrayRef<int64_t>(shape).drop_back()));
    if (!changed && llvm::equal(types, op->getResultTypes()))
      return failure();
    replaceWithCopy(rewriter, op, types, operands);
    return success();
  }
};

} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &results,
                                              MLIRContext *context) {
  results.add<SimplifyBand<AttentionOp>, DropNoOps<AttentionOp>, DropUnusedLse,
              FoldCasts>(context);
}

void AttentionBackwardOp::getCanonicalizationPatterns(
    RewritePatternSet &results, MLIRContext *context) {
  results
      .add<SimplifyBand<AttentionBackwardOp>, DropNoOps<AttentionBackwardOp>>(
          context);
}
