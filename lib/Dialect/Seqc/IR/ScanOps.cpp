//===- ScanOps.cpp - selective_scan, its backward, causal_conv1d ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The constraints 1 to 9 are the same for the scan and for its backward and are
// checked by the same code, in OperandConstraints.cpp. docs/spec.md has their
// text.
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult SelectiveScanOp::verify() {
  Constraints check(*this);
  if (failed(verifyScan(check, ScanOperands::get(*this), {{"out", getOut()}},
                        {{"initial_state", getInitialState()},
                         {"final_state", getFinalState()}},
                        getCuSeqlens())))
    return failure();
  return verifySequences(check, 10, "u", getU(), getCuSeqlens());
}

LogicalResult SelectiveScanBackwardOp::verify() {
  Constraints check(*this);
  if (failed(verifyScan(check, ScanOperands::get(*this), {},
                        {{"initial_state", getInitialState()}},
                        getCuSeqlens())) ||
      failed(verifySequences(check, 14, "u", getU(), getCuSeqlens())))
    return failure();
  Type element = getU().getType().getElementType();
  ScanSizes sizes(getU().getType(), getDelta().getType(), getA().getType());
  if (failed(check.tensor(10, "out_grad", getOutGrad(),
                          {sizes.batch, sizes.channels, sizes.length},
                          "(batch, channels, length)", element)) ||
      failed(check.tensor(11, "final_state_grad", getFinalStateGrad(),
                          {getNumStates(getU(), getCuSeqlens()), sizes.channels,
                           sizes.stateDim},
                          getCuSeqlens() ? "(sequences, channels, d_state)"
                                         : "(batch, channels, d_state)",
                          getAccumulatorType(element))))
    return failure();
  struct Gradient {
    StringRef name;
    Value value;
    StringRef of;
    Value ofValue;
  };
  for (const Gradient &g : {
           Gradient{"u_grad", getUGrad(), "u", getU()},
           Gradient{"delta_grad", getDeltaGrad(), "delta", getDelta()},
           Gradient{"A_grad", getAGrad(), "A", getA()},
           Gradient{"B_grad", getBGrad(), "B", getB()},
           Gradient{"C_grad", getCGrad(), "C", getC()},
       })
    if (failed(check.gradient(12, g.name, g.value, g.of, g.ofValue)))
      return failure();
  for (const Gradient &g : {
           Gradient{"D_grad", getDGrad(), "D", getD()},
           Gradient{"z_grad", getZGrad(), "z", getZ()},
           Gradient{"delta_bias_grad", getDeltaBiasGrad(), "delta_bias",
                    getDeltaBias()},
           Gradient{"initial_state_grad", getInitialStateGrad(),
                    "initial_state", getInitialState()},
       })
    if (failed(check.gradient(13, g.name, g.value, g.of, g.ofValue)))
      return failure();
  return success();
}

LogicalResult CausalConv1dOp::verify() {
  Constraints check(*this);
  if (failed(verifyConv(check, getX(), getWeight(), getBias(),
                        getInitialState(), {{"out", getOut()}},
                        getCuSeqlens())) ||
      failed(verifySequences(check, 8, "x", getX(), getCuSeqlens())))
    return failure();
  return check.tensor(7, "final_state", getFinalState(),
                      ConvSizes(getX().getType(), getWeight().getType())
                          .state(getX(), getCuSeqlens()),
                      getCuSeqlens() ? "(sequences, channels, width - 1)"
                                     : "(batch, channels, width - 1)",
                      getX().getType().getElementType());
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// The first size of `state`, one less than there are `sequences`' offsets.
static OpFoldResult reifyNumSequences(OpBuilder &builder, Value state,
                                      Value sequences) {
  auto type = cast<RankedTensorType>(state.getType());
  if (!type.isDynamicDim(0))
    return builder.getIndexAttr(type.getDimSize(0));
  Location loc = state.getLoc();
  Value offsets = tensor::DimOp::create(builder, loc, sequences, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  return arith::SubIOp::create(builder, loc, offsets, one).getResult();
}

LogicalResult SelectiveScanOp::reifyResultShapes(
    OpBuilder &builder, ReifiedRankedShapedTypeDims &reifiedReturnShapes) {
  Value u = getU();
  reifiedReturnShapes.push_back(
      reifyShape(builder, getOut(), {{u, 0}, {u, 1}, {u, 2}}));
  Value state = getFinalState();
  if (!state)
    return success();
  reifiedReturnShapes.push_back(
      reifyShape(builder, state, {{u, 0}, {u, 1}, {getA(), 1}}));
  if (Value sequences = getCuSeqlens())
    reifiedReturnShapes.back()[0] =
        reifyNumSequences(builder, state, sequences);
  return success();
}

LogicalResult CausalConv1dOp::reifyResultShapes(
    OpBuilder &builder, ReifiedRankedShapedTypeDims &reifiedReturnShapes) {
  Value x = getX();
  reifiedReturnShapes.push_back(
      reifyShape(builder, getOut(), {{x, 0}, {x, 1}, {x, 2}}));
  Value state = getFinalState();
  if (!state)
    return success();
  // The width is static (causal_conv1d_c4), whatever the result's type says.
  auto type = cast<RankedTensorType>(state.getType());
  OpFoldResult width =
      builder.getIndexAttr(getWeight().getType().getDimSize(1) - 1);
  if (type.isDynamicDim(2))
    width = getValueOrCreateConstantIndexOp(builder, getLoc(), width);
  SmallVector<OpFoldResult> sizes =
      reifyShape(builder, state, {{x, 0}, {x, 1}, {x, 2}});
  sizes[2] = width;
  if (Value sequences = getCuSeqlens())
    sizes[0] = reifyNumSequences(builder, state, sequences);
  reifiedReturnShapes.push_back(std::move(sizes));
  return success();
}

//===----------------------------------------------------------------------===//
// Canonicalization
//===----------------------------------------------------------------------===//

namespace {

/// A state or bias that is added and is a constant zero is the same as none.
template <typename OpT, typename... Getters>
bool clearZeros(OpT op, PatternRewriter &rewriter, Getters... getters) {
  // A range holds the operand segments of the moment, so each is asked for
  // anew.
  auto clear = [&](auto getter) {
    MutableOperandRange range = (op.*getter)();
    if (range.empty() || !matchPattern(Value(range[0].get()), m_AnyZeroFloat()))
      return false;
    rewriter.modifyOpInPlace(op, [&] { range.clear(); });
    return true;
  };
  return (clear(getters) | ...);
}

struct DropScanZeros : OpRewritePattern<SelectiveScanOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SelectiveScanOp op,
                                PatternRewriter &rewriter) const override {
    return success(clearZeros(op, rewriter,
                              &SelectiveScanOp::getDeltaBiasMutable,
                              &SelectiveScanOp::getInitialStateMutable));
  }
};

struct DropConvZeros : OpRewritePattern<CausalConv1dOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CausalConv1dOp op,
                                PatternRewriter &rewriter) const override {
    return success(clearZeros(op, rewriter, &CausalConv1dOp::getBiasMutable,
                              &CausalConv1dOp::getInitialStateMutable));
  }
};

/// A final state that nothing reads is not computed.
template <typename OpT>
struct DropUnusedState : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    if (!op.getFinalState() || !op.getFinalState().use_empty())
      return failure();
    replaceWithCopy(rewriter, op, op->getResults().take_front().getTypes(),
                    op->getOperands());
    return success();
  }
};

/// Sizes that a cast hides, or that another operand knows, become those of the
/// operator and of its results.
template <typename OpT>
struct FoldCasts : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Value> operands;
    bool changed = lookThroughCasts(op, operands);
    auto type = [&](unsigned i) {
      return cast<RankedTensorType>(operands[i].getType());
    };
    SmallVector<int64_t> data, state;
    if constexpr (std::is_same_v<OpT, SelectiveScanOp>) {
      ScanSizes sizes(type(0), type(1), type(2));
      data = {sizes.batch, sizes.channels, sizes.length};
      state = {sizes.batch, sizes.channels, sizes.stateDim};
    } else {
      RankedTensorType x = type(0), weight = type(1);
      int64_t channels = refineDim(x.getDimSize(1), weight.getDimSize(0));
      data = {x.getDimSize(0), channels, x.getDimSize(2)};
      state = {x.getDimSize(0), channels, weight.getDimSize(1) - 1};
    }
    for (OpOperand &sequences : op.getCuSeqlensMutable())
      state[0] =
          getNumStates(operands[0], operands[sequences.getOperandNumber()]);
    SmallVector<Type> types = {refineType(op.getOut().getType(), data)};
    if (Value final = op.getFinalState())
      types.push_back(refineType(final.getType(), state));
    if (!changed && llvm::equal(types, op->getResultTypes()))
      return failure();
    replaceWithCopy(rewriter, op, types, operands);
    return success();
  }
};

} // namespace

void SelectiveScanOp::getCanonicalizationPatterns(RewritePatternSet &results,
                                                  MLIRContext *context) {
  results.add<DropScanZeros, DropUnusedState<SelectiveScanOp>,
              FoldCasts<SelectiveScanOp>>(context);
}

void CausalConv1dOp::getCanonicalizationPatterns(RewritePatternSet &results,
                                                 MLIRContext *context) {
  results.add<DropConvZeros, DropUnusedState<CausalConv1dOp>,
              FoldCasts<CausalConv1dOp>>(context);
}
