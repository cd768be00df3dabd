//===- ScanBackwardOps.cpp - Gradients of scans and convolutions ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verifiers of causal_conv1d_backward and of L1's chunk_scan_backward and
// chunk_conv1d_backward, and the tiling of the latter two over (batch, channel,
// time). Neither can be tiled along time alone: a tile needs what comes before
// it (the state of a scan) or after it (the gradients that the next part hands
// back), which is what seqc-recompute-backward and seqc-tile form their loops
// over chunks from.
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"
#include "TilingUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

/// The result of a destination-style operator that goes with `init`.
static Value resultOf(DestinationStyleOpInterface op, Value init) {
  if (!init)
    return Value();
  for (auto [operand, result] : llvm::zip(op.getDpsInits(), op->getOpResults()))
    if (operand == init)
      return result;
  llvm_unreachable("not a destination");
}

/// Whether `offsets` and `sizes` take all of the time steps of `data`.
static LogicalResult verifyWholeTime(OpBuilder &b, Operation *op, Value data,
                                     Fold offset, Fold size) {
  if (isZeroInteger(offset) &&
      isSameSize(size, tensor::getMixedSize(b, op->getLoc(), data, 2)))
    return success();
  return op->emitOpError("cannot be tiled along its time steps: a part needs "
                         "what its neighbours hand over");
}

static SmallVector<Range> domainOf(OpBuilder &b, Location loc, Value data) {
  SmallVector<Range> ranges;
  for (Fold size : sizesOf(b, loc, data))
    ranges.push_back({b.getIndexAttr(0), size, b.getIndexAttr(1)});
  return ranges;
}

namespace {

/// Slices operands and destinations of one tile.
class TileSlicer {
public:
  TileSlicer(OpBuilder &b, Operation *op, ArrayRef<Fold> offsets,
             ArrayRef<Fold> sizes)
      : b(b), op(op), offsets(offsets), sizes(sizes) {}

  /// A value over (batch, channel, time).
  void takeData(Value v) {
    if (v)
      take(v, {SmallVector<Fold>(offsets), SmallVector<Fold>(sizes)});
  }
  /// A value over (channel), or (channel, all of a second dimension).
  void takeParameter(Value v) {
    if (!v)
      return;
    Fold zero = b.getIndexAttr(0);
    if (cast<RankedTensorType>(v.getType()).getRank() == 1)
      take(v, {{offsets[1]}, {sizes[1]}});
    else
      take(v, {{offsets[1], zero},
               {sizes[1], tensor::getMixedSize(b, op->getLoc(), v, 1)}});
  }
  /// The position of a value over (batch, channel[, all of a third]).
  TilePosition ofState(Value v) {
    TilePosition p{{offsets[0], offsets[1]}, {sizes[0], sizes[1]}};
    if (cast<RankedTensorType>(v.getType()).getRank() == 3) {
      p.offsets.push_back(b.getIndexAttr(0));
      p.sizes.push_back(tensor::getMixedSize(b, op->getLoc(), v, 2));
    }
    return p;
  }
  void take(Value v, const TilePosition &p) {
    operands.push_back(takeSlice(b, op->getLoc(), v, p.offsets, p.sizes));
    slices.push_back(operands.back().getDefiningOp());
  }

  /// The operator on what was taken, its destinations last.
  TilingResult finish(unsigned numInits) {
    ValueRange inits = ValueRange(operands).take_back(numInits);
    Operation *tiled = mlir::clone(b, op, inits.getTypes(), operands);
    return TilingResult{
        {tiled}, SmallVector<Value>(tiled->getResults()), slices};
  }

  OpBuilder &b;
  Operation *op;
  ArrayRef<Fold> offsets, sizes;
  SmallVector<Value> operands;
  SmallVector<Operation *> slices;
};

} // namespace

//===----------------------------------------------------------------------===//
// ChunkScanBackwardOp
//===----------------------------------------------------------------------===//

LogicalResult ChunkScanBackwardOp::verify() {
  Constraints check(*this);
  if (failed(verifyScan(
          check, ScanOperands::get(*this), {},
          {{"state", getState()}, {"state_grad", getStateGradInit()}})))
    return failure();
  Type element = getU().getType().getElementType();
  Type acc = getAccumulatorType(element);
  ScanSizes sizes(getU().getType(), getDelta().getType(), getA().getType());
  constexpr StringLiteral dataDims = "(batch, channels, length)";
  constexpr StringLiteral stateDims = "(batch, channels, d_state)";
  SmallVector<int64_t> data = {sizes.batch, sizes.channels, sizes.length};
  SmallVector<int64_t> state = {sizes.batch, sizes.channels, sizes.stateDim};
  for (auto [name, value] : {NamedValue{"out_grad", getOutGrad()},
                             {"u_grad", getUGradInit()},
                             {"delta_grad", getDeltaGradInit()},
                             {"z_grad", getZGradInit()}})
    if (failed(check.tensor(10, name, value, data, dataDims, element)))
      return failure();
  if (failed(check.tensor(11, "A_grad", getAGradInit(), state, stateDims, acc)))
    return failure();
  for (auto [name, value, of] :
       {std::tuple<StringRef, Value, Value>{"B_grad", getBGradInit(), getB()},
        {"C_grad", getCGradInit(), getC()}}) {
    ArrayRef<int64_t> shape = state;
    StringRef dims = stateDims;
    if (isVariable(of)) {
      shape = cast<RankedTensorType>(of.getType()).getShape();
      dims = shape.size() == 3 ? "(batch, d_state, length)"
                               : "(batch, groups, d_state, length)";
    }
    if (failed(check.tensor(12, name, value, shape, dims, acc)))
      return failure();
  }
  for (auto [name, value] : {NamedValue{"D_grad", getDGradInit()},
                             {"delta_bias_grad", getDeltaBiasGradInit()}})
    if (failed(check.tensor(13, name, value, {sizes.batch, sizes.channels},
                            "(batch, channels)", acc)))
      return failure();
  for (auto [name, of, gradient, value] :
       {std::tuple<StringRef, StringRef, Value, Value>{"z_grad", "z",
                                                       getZGradInit(), getZ()},
        {"D_grad", "D", getDGradInit(), getD()},
        {"delta_bias_grad", "delta_bias", getDeltaBiasGradInit(),
         getDeltaBias()}})
    if (gradient && !value)
      return check.fail(14) << "no " << name << " without " << of
                            << ", but got " << gradient.getType();
  return success();
}

Value ChunkScanBackwardOp::getResultOf(Value init) {
  return resultOf(*this, init);
}

SmallVector<utils::IteratorType> ChunkScanBackwardOp::getLoopIteratorTypes() {
  // Channels share a variable B or C, and so its gradient.
  bool shared = isVariable(getB()) || isVariable(getC());
  return {utils::IteratorType::parallel,
          shared ? utils::IteratorType::reduction
                 : utils::IteratorType::parallel,
          utils::IteratorType::reduction};
}

SmallVector<Range> ChunkScanBackwardOp::getIterationDomain(OpBuilder &b) {
  return domainOf(b, getLoc(), getU());
}

/// Where the destination `init` of a tile lies.
static FailureOr<TilePosition> positionOf(ChunkScanBackwardOp op,
                                          TileSlicer &slicer, Value init) {
  OpBuilder &b = slicer.b;
  if (init == op.getUGradInit() || init == op.getDeltaGradInit() ||
      init == op.getZGradInit())
    return TilePosition{SmallVector<Fold>(slicer.offsets),
                        SmallVector<Fold>(slicer.sizes)};
  if ((init == op.getBGradInit() && op.isVariable(op.getB())) ||
      (init == op.getCGradInit() && op.isVariable(op.getC())))
    return getProjectionTile(b, op, init,
                             tensor::getMixedSize(b, op.getLoc(), op.getU(), 1),
                             tensor::getMixedSize(b, op.getLoc(), op.getA(), 1),
                             slicer.offsets, slicer.sizes);
  return slicer.ofState(init);
}

FailureOr<TilingResult> ChunkScanBackwardOp::getTiledImplementation(
    OpBuilder &b, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes) {
  if (failed(verifyWholeTime(b, *this, getU(), offsets[2], sizes[2])))
    return failure();
  Fold channels = tensor::getMixedSize(b, getLoc(), getU(), 1);
  Fold depth = tensor::getMixedSize(b, getLoc(), getA(), 1);
  TileSlicer slicer(b, *this, offsets, sizes);
  slicer.takeData(getU());
  slicer.takeData(getDelta());
  slicer.takeParameter(getA());
  for (Value projection : {Value(getB()), Value(getC())}) {
    FailureOr<TilePosition> position = getProjectionTile(
        b, *this, projection, channels, depth, offsets, sizes);
    if (failed(position))
      return failure();
    slicer.take(projection, *position);
  }
  slicer.takeParameter(getD());
  slicer.takeData(getZ());
  slicer.takeParameter(getDeltaBias());
  slicer.takeData(getOutGrad());
  slicer.take(getState(), slicer.ofState(getState()));
  if (getSteps())
    slicer.operands.push_back(getSteps());
  for (Value init : getDpsInits()) {
    FailureOr<TilePosition> position = positionOf(*this, slicer, init);
    if (failed(position))
      return failure();
    slicer.take(init, *position);
  }
  return slicer.finish(getNumDpsInits());
}

LogicalResult ChunkScanBackwardOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  TileSlicer slicer(b, *this, offsets, sizes);
  FailureOr<TilePosition> position =
      positionOf(*this, slicer, getDpsInits()[resultNumber]);
  if (failed(position))
    return failure();
  resultOffsets = position->offsets;
  resultSizes = position->sizes;
  return success();
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

LogicalResult CausalConv1dBackwardOp::verify() {
  Constraints check(*this);
  if (failed(verifyConv(check, getX(), getWeight(), getBias(),
                        getInitialState(), {{"out_grad", getOutGrad()}},
                        getCuSeqlens())) ||
      failed(verifySequences(check, 10, "x", getX(), getCuSeqlens())))
    return failure();
  ConvSizes sizes(getX().getType(), getWeight().getType());
  if (getFinalStateGrad() && getCuSeqlens())
    return check.fail(11) << "no final_state_grad with cu_seqlens, but got "
                          << getFinalStateGrad().getType();
  if (failed(check.tensor(7, "final_state_grad", getFinalStateGrad(),
                          sizes.state(), "(batch, channels, width - 1)",
                          getX().getType().getElementType())))
    return failure();
  return failure(
      failed(check.gradient(8, "x_grad", getXGrad(), "x", getX())) ||
      failed(check.gradient(8, "weight_grad", getWeightGrad(), "weight",
                            getWeight())) ||
      failed(
          check.gradient(9, "bias_grad", getBiasGrad(), "bias", getBias())) ||
      failed(check.gradient(9, "initial_state_grad", getInitialStateGrad(),
                            "initial_state", getInitialState())));
}

LogicalResult ChunkConv1dBackwardOp::verify() {
  Constraints check(*this);
  if (failed(
          verifyConv(check, getX(), getWeight(), getBias(), getInitialState(),
                     {{"out_grad", getOutGrad()}, {"x_grad", getXGradInit()}})))
    return failure();
  ConvSizes sizes(getX().getType(), getWeight().getType());
  Type acc = getAccumulatorType(getX().getType().getElementType());
  if (failed(check.tensor(7, "next", getNextInit(), sizes.state(),
                          "(batch, channels, width - 1)", acc)))
    return failure();
  if (bool(getNextInit()) != (sizes.width > 1)) {
    InFlightDiagnostic diagnostic =
        check.fail(8) << "next with a width above 1 and only then, but got ";
    diagnostic << (getNextInit() ? "next with " : "none with ")
               << getWeight().getType();
    return diagnostic;
  }
  if (failed(check.tensor(9, "weight_grad", getWeightGradInit(),
                          {sizes.batch, sizes.channels, sizes.width},
                          "(batch, channels, width)", acc)) ||
      failed(check.tensor(10, "bias_grad", getBiasGradInit(),
                          {sizes.batch, sizes.channels}, "(batch, channels)",
                          acc)))
    return failure();
  if (getBiasGradInit() && !getBias())
    return check.fail(10) << "no bias_grad without bias, but got "
                          << getBiasGradInit().getType();
  return success();
}

Value ChunkConv1dBackwardOp::getResultOf(Value init) {
  return resultOf(*this, init);
}

SmallVector<utils::IteratorType> ChunkConv1dBackwardOp::getLoopIteratorTypes() {
  return {utils::IteratorType::parallel, utils::IteratorType::parallel,
          utils::IteratorType::reduction};
}

SmallVector<Range> ChunkConv1dBackwardOp::getIterationDomain(OpBuilder &b) {
  return domainOf(b, getLoc(), getX());
}

FailureOr<TilingResult> ChunkConv1dBackwardOp::getTiledImplementation(
    OpBuilder &b, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes) {
  if (failed(verifyWholeTime(b, *this, getX(), offsets[2], sizes[2])))
    return failure();
  TileSlicer slicer(b, *this, offsets, sizes);
  slicer.takeData(getX());
  slicer.takeParameter(getWeight());
  slicer.takeParameter(getBias());
  if (getInitialState())
    slicer.take(getInitialState(), slicer.ofState(getInitialState()));
  slicer.takeData(getOutGrad());
  slicer.takeData(getXGradInit());
  for (Value init : getDpsInits().drop_front())
    slicer.take(init, slicer.ofState(init));
  return slicer.finish(getNumDpsInits());
}

LogicalResult ChunkConv1dBackwardOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  TileSlicer slicer(b, *this, offsets, sizes);
  TilePosition position{SmallVector<Fold>(offsets), SmallVector<Fold>(sizes)};
  if (resultNumber > 0)
    position = slicer.ofState(getDpsInits()[resultNumber]);
  resultOffsets = position.offsets;
  resultSizes = position.sizes;
  return success();
}
