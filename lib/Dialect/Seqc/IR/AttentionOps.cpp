//===- AttentionOps.cpp - seqc.attention and its backward -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The constraints 1 to 20 are the same for attention and for its backward and
// are checked by the same code, most of it in OperandConstraints.cpp.
// docs/spec.md has their text.
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

template <typename OpT>
static AttentionSizes getSizes(OpT op) {
  return AttentionSizes(op.getQuery().getType(), op.getKey().getType(),
                        op.getValue().getType());
}

/// Constraints 1 to 17, the same for both operators.
template <typename OpT>
static LogicalResult verifyAttention(OpT op) {
  Constraints check(op);
  auto operands = AttentionOperands::get(op);
  if (failed(verifyAttentionData(check, operands)))
    return failure();
  Type element = op.getQuery().getType().getElementType();
  Type acc = getAccumulatorType(element);
  AttentionSizes sizes = getSizes(op);
  if (failed(check.tensor(
          8, "out", op.getOut(),
          {sizes.batch, sizes.queryHeads, sizes.queries, sizes.valueDim},
          "(batch, query heads, queries, value head_dim)", element)) ||
      failed(check.tensor(9, "lse", op.getLse(),
                          {sizes.batch, sizes.queryHeads, sizes.queries},
                          "(batch, query heads, queries)", acc)) ||
      failed(check.tensor(13, "sinks", op.getSinks(), {sizes.queryHeads},
                          "(query heads)", acc)))
    return failure();
  return verifyAttentionOptions(check, operands);
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  return verifyKeyLengths(Constraints(*this), getQuery(), getKeyLengths());
}

LogicalResult AttentionOp::verifyRegions() {
  return verifyAttentionRegions(Constraints(*this), getQuery(), getScore(),
                                getMask());
}

/// What is said about the i-th captured tensor.
static std::string nameCaptured(unsigned i) {
  return ("captured #" + Twine(i)).str();
}

/// Constraint 26.
static LogicalResult verifyCaptured(AttentionBackwardOp op,
                                    const Constraints &check) {
  if (op.getCaptured().size() != op.getCapturedGrad().size())
    return check.fail(26) << "one captured_grad for each captured, but got "
                          << op.getCapturedGrad().size() << " for "
                          << op.getCaptured().size();
  for (auto [i, captured, gradient] :
       llvm::enumerate(op.getCaptured(), op.getCapturedGrad())) {
    if (failed(check.gradient(26, "captured_grad #" + std::to_string(i),
                              gradient, nameCaptured(i), captured)))
      return failure();
    if (llvm::is_contained(op.getCaptured().take_front(i), captured))
      return check.fail(26) << nameCaptured(i) << " to be given once, but got "
                            << captured.getType() << " again";
  }
  return success();
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
                            getSinks())) ||
      failed(verifyCaptured(*this, check)));
}

/// Where a captured tensor is read (27): always at the same arguments.
static LogicalResult verifyReads(const Constraints &check, Region &score,
                                 unsigned number, Value captured) {
  auto type = cast<RankedTensorType>(captured.getType());
  std::string name = nameCaptured(number);
  SmallVector<Value> indices;
  bool isRead = false;
  for (Operation *user : captured.getUsers()) {
    if (!score.isAncestor(user->getParentRegion()))
      continue;
    auto extract = dyn_cast<tensor::ExtractOp>(user);
    if (!extract)
      return check.fail(27) << name << " of " << type
                            << " to be read by tensor.extract in the score "
                               "region, but got "
                            << user->getName();
    for (auto [i, index] : llvm::enumerate(extract.getIndices())) {
      auto argument = dyn_cast<BlockArgument>(index);
      if (!argument || argument.getOwner() != &score.front() ||
          llvm::is_contained(extract.getIndices().take_front(i), index))
        return check.fail(27)
               << name << " of " << type
               << " to be read at arguments of the score region, each at most "
                  "once, but got another index in dimension "
               << i << ": such a gradient is a sum by data";
    }
    if (isRead && !llvm::equal(indices, extract.getIndices()))
      return check.fail(27) << name << " of " << type
                            << " to be read at the same indices everywhere, "
                               "but got others";
    indices = llvm::to_vector(extract.getIndices());
    isRead = true;
  }
  if (!isRead)
    return check.fail(27) << name << " of " << type
                          << " to be read in the score region, but it is not";
  return success();
}

/// The registers of a block must have what all three gradients of a tile take
/// at once, and one kernel must be the faster form: with a head_dim of 64 the
/// additions cost more than what they save.
bool AttentionBackwardOp::fitsOneKernel() {
  auto type = getQuery().getType();
  return getUnordered() && type.getElementTypeBitWidth() == 16 &&
         type.getDimSize(3) == 128 &&
         getValue().getType().getDimSize(3) == 128 && !getDropout() &&
         !getBias() && getScore().empty() && getMask().empty();
}

LogicalResult AttentionBackwardOp::verifyRegions() {
  Constraints check(*this);
  if (failed(verifyAttentionRegions(check, getQuery(), getScore(), getMask())))
    return failure();
  for (auto [i, captured] : llvm::enumerate(getCaptured()))
    if (failed(verifyReads(check, getScore(), i, captured)))
      return failure();
  return success();
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

    // Where lengths are data the two corners differ.
    bool hasLengths = false;
    if constexpr (std::is_same_v<OpT, AttentionOp>)
      hasLengths = bool(op.getKeyLengths());
    bool unbounded = !causal && !left && !right;
    if (unbounded || (!hasLengths && !ShapedType::isDynamic(sizes.queries) &&
                      sizes.queries == sizes.keys))
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
    return region.front().back().getOperand(0);
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
