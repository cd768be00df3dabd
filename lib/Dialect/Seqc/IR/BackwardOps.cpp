//===- BackwardOps.cpp - L1: gradients of attention over a block ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verifier and tiling. A gradient has some of the dimensions of the iteration
// space (batch, query head, query, key), and is summed over the others. A tile
// of the operator takes the matching slice of each accumulator:
//
//   query_grad             batch, head, query
//   key_grad, value_grad   batch, head / group, key
//   bias_grad,             those in which the accumulator is not 1
//   captured_grad
//
// Where a tiled dimension is summed over, the tiles that differ in it add to
// the same slice: they belong in one loop, which carries the accumulator.
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"
#include "TilingUtils.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

//===----------------------------------------------------------------------===//
// Verifier
//===----------------------------------------------------------------------===//

/// A sum over pairs: each size is a static 1, or that of all.
static LogicalResult verifyPairs(const Constraints &check, unsigned number,
                                 StringRef name, Value gradient,
                                 const AttentionSizes &sizes, Type acc) {
  auto type = cast<RankedTensorType>(gradient.getType());
  SmallVector<int64_t> shape = {sizes.batch, sizes.queryHeads, sizes.queries,
                                sizes.keys};
  if (type.getRank() == 4)
    for (auto [extent, size] : llvm::zip(shape, type.getShape()))
      if (size == 1)
        extent = 1;
  return check.tensor(number, name, gradient, shape,
                      "(batch or 1, query heads or 1, queries or 1, keys or 1)",
                      acc);
}

LogicalResult BlockAttentionBackwardOp::verify() {
  Constraints check(*this);
  auto operands = AttentionOperands::get(*this);
  if (failed(verifyAttentionData(check, operands)))
    return failure();
  AttentionSizes sizes(getQuery().getType(), getKey().getType(),
                       getValue().getType());
  Type element = getQuery().getType().getElementType();
  Type acc = getAccumulatorType(element);
  SmallVector<int64_t> rows = {sizes.batch, sizes.queryHeads, sizes.queries};
  constexpr StringLiteral rowDims = "(batch, query heads, queries)";
  constexpr StringLiteral keyDims = "(batch, key/value heads, keys, head_dim)";
  constexpr StringLiteral valueDims =
      "(batch, key/value heads, keys, value head_dim)";
  if (failed(check.tensor(
          8, "out_grad", getOutGrad(),
          {sizes.batch, sizes.queryHeads, sizes.queries, sizes.valueDim},
          "(batch, query heads, queries, value head_dim)", element)) ||
      failed(check.tensor(9, "lse", getLse(), rows, rowDims, acc)) ||
      failed(check.tensor(9, "delta", getDelta(), rows, rowDims, acc)) ||
      failed(verifyAttentionOptions(check, operands)))
    return failure();
  if (getOffsets().size() != 4)
    return check.fail(13) << "4 offsets (batch, head, query, key), but got "
                          << getOffsets().size();
  if (getLengths().size() != 2)
    return check.fail(13) << "2 lengths (query, key), but got "
                          << getLengths().size();

  if (failed(check.tensor(
          21, "query_grad", getQueryGradInit(),
          {sizes.batch, sizes.queryHeads, sizes.queries, sizes.headDim},
          "(batch, query heads, queries, head_dim)", acc)))
    return failure();
  if (!getKeyGradInit() != !getValueGradInit())
    return check.fail(22) << "key_grad and value_grad together, but got only "
                          << (getKeyGradInit() ? "key_grad " : "value_grad ")
                          << (getKeyGradInit() ? getKeyGradInit()
                                               : getValueGradInit())
                                 .getType();
  if (failed(
          check.tensor(22, "key_grad", getKeyGradInit(),
                       {sizes.batch, sizes.keyHeads, sizes.keys, sizes.headDim},
                       keyDims, acc)) ||
      failed(check.tensor(
          22, "value_grad", getValueGradInit(),
          {sizes.batch, sizes.keyHeads, sizes.keys, sizes.valueDim}, valueDims,
          acc)))
    return failure();
  if (Value gradient = getBiasGradInit()) {
    if (!getBias())
      return check.fail(23) << "no bias_grad without bias, but got bias_grad "
                            << gradient.getType();
    if (failed(verifyPairs(check, 23, "bias_grad", gradient, sizes, acc)))
      return failure();
  }
  if (Value gradient = getCapturedGradInit()) {
    if (getScore().empty())
      return check.fail(25)
             << "no captured_grad without a score region, but got "
                "captured_grad "
             << gradient.getType();
    if (failed(verifyPairs(check, 25, "captured_grad", gradient, sizes, acc)))
      return failure();
  }
  if (getResults().empty())
    return check.fail(24) << "query_grad, key_grad and value_grad, bias_grad "
                             "or captured_grad, but got none";
  return success();
}

LogicalResult BlockAttentionBackwardOp::verifyRegions() {
  return verifyAttentionRegions(Constraints(*this), getQuery(), getScore(),
                                getMask(),
                                /*scoreResults=*/getCapturedGradInit() ? 3 : 2);
}

LogicalResult ParallelAddOp::verify() {
  Constraints check(*this);
  auto source = getSource().getType(), dest = getDest().getType();
  if (source.getElementType() != dest.getElementType() ||
      !isa<FloatType>(source.getElementType()) ||
      source.getRank() != dest.getRank())
    return check.fail(1) << "source and dest of one rank and one float type, "
                            "but got source "
                         << source << " and dest " << dest;
  if (int64_t(getOffsets().size()) != dest.getRank())
    return check.fail(2) << "an offset for each of the " << dest.getRank()
                         << " dimensions of dest, but got "
                         << getOffsets().size();
  if (!isa_and_nonnull<InParallelOpInterface>((*this)->getParentOp()))
    return check.fail(3) << "to stand in scf.forall.in_parallel, but got dest "
                         << dest << " elsewhere";
  return success();
}

MutableOperandRange ParallelAddOp::getUpdatedDestinations() {
  return getDestMutable();
}

Operation *ParallelAddOp::getIteratingParent() {
  if (auto terminator = dyn_cast<InParallelOpInterface>((*this)->getParentOp()))
    return terminator->getParentOp();
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

BlockAttentionBackwardOp::Gradient
BlockAttentionBackwardOp::getGradient(unsigned result) {
  SmallVector<Gradient, 5> gradients;
  if (getQueryGradInit())
    gradients.push_back(Gradient::Query);
  if (getKeyGradInit())
    gradients.append({Gradient::Key, Gradient::Value});
  if (getBiasGradInit())
    gradients.push_back(Gradient::Bias);
  if (getCapturedGradInit())
    gradients.push_back(Gradient::Captured);
  return gradients[result];
}

bool BlockAttentionBackwardOp::hasKeyRows() {
  if (getKeyGradInit())
    return true;
  return llvm::any_of(
      ArrayRef<Value>{getBiasGradInit(), getCapturedGradInit()}, [](Value v) {
        if (!v)
          return false;
        auto type = cast<RankedTensorType>(v.getType());
        return type.getDimSize(2) == 1 && type.getDimSize(3) != 1;
      });
}

bool BlockAttentionBackwardOp::isSummedOver(unsigned result, unsigned dim) {
  switch (getGradient(result)) {
  case Gradient::Query:
    return dim == 3;
  case Gradient::Key:
  case Gradient::Value: {
    int64_t queryHeads = getQuery().getType().getDimSize(1);
    bool hasGroups = ShapedType::isDynamic(queryHeads) ||
                     queryHeads != getKey().getType().getDimSize(1);
    return dim == 2 || (dim == 1 && hasGroups);
  }
  case Gradient::Bias:
  case Gradient::Captured:
    return getInitType(result).getDimSize(dim) == 1;
  }
  llvm_unreachable("unknown gradient");
}

SmallVector<utils::IteratorType>
BlockAttentionBackwardOp::getLoopIteratorTypes() {
  SmallVector<utils::IteratorType> types(4, utils::IteratorType::parallel);
  for (unsigned dim = 0; dim < 4; ++dim)
    for (unsigned result = 0; result < getNumResults(); ++result)
      if (isSummedOver(result, dim))
        types[dim] = utils::IteratorType::reduction;
  return types;
}

SmallVector<Range> BlockAttentionBackwardOp::getIterationDomain(OpBuilder &b) {
  Fold zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<Fold> q = sizesOf(b, getLoc(), getQuery());
  SmallVector<Fold> k = sizesOf(b, getLoc(), getKey());
  return {{zero, q[0], one},
          {zero, q[1], one},
          {zero, q[2], one},
          {zero, k[2], one}};
}

//===----------------------------------------------------------------------===//
// Tiling
//===----------------------------------------------------------------------===//

/// Where a tile's part of `bias`, or of a gradient that is like it, is.
static void getBiasTile(OpBuilder &b, RankedTensorType type,
                        ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
                        SmallVector<Fold> &biasOffsets,
                        SmallVector<Fold> &biasSizes) {
  biasOffsets.assign(offsets.begin(), offsets.end());
  biasSizes.assign(sizes.begin(), sizes.end());
  for (int64_t i = 0; i < 4; ++i)
    if (type.getDimSize(i) == 1) { // Broadcast.
      biasOffsets[i] = b.getIndexAttr(0);
      biasSizes[i] = b.getIndexAttr(1);
    }
}

LogicalResult BlockAttentionBackwardOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  Location loc = getLoc();
  Fold zero = b.getIndexAttr(0);
  switch (getGradient(resultNumber)) {
  case Gradient::Query:
    resultOffsets = {offsets[0], offsets[1], offsets[2], zero};
    resultSizes = {sizes[0], sizes[1], sizes[2],
                   sizesOf(b, loc, getQuery())[3]};
    return success();
  case Gradient::Key:
  case Gradient::Value: {
    auto heads =
        takeKeyHeads(b, loc, getQuery(), getKey(), offsets[1], sizes[1]);
    if (!heads)
      return emitOpError(
          "can be tiled by one head or by all heads, not by a part");
    bool isKey = getGradient(resultNumber) == Gradient::Key;
    resultOffsets = {offsets[0], heads->first, offsets[3], zero};
    resultSizes = {sizes[0], heads->second, sizes[3],
                   sizesOf(b, loc, isKey ? getKey() : getValue())[3]};
    return success();
  }
  case Gradient::Bias:
  case Gradient::Captured:
    getBiasTile(b, getInitType(resultNumber), offsets, sizes, resultOffsets,
                resultSizes);
    return success();
  }
  llvm_unreachable("unknown gradient");
}

FailureOr<TilingResult> BlockAttentionBackwardOp::getTiledImplementation(
    OpBuilder &b, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes) {
  Location loc = getLoc();
  SmallVector<Operation *> slices;
  SmallVector<Value> operands;
  auto take = [&](Value v, ArrayRef<Fold> o, ArrayRef<Fold> s) {
    operands.push_back(takeSlice(b, loc, v, o, s));
    slices.push_back(operands.back().getDefiningOp());
  };
  auto heads = takeKeyHeads(b, loc, getQuery(), getKey(), offsets[1], sizes[1]);
  if (!heads)
    return emitOpError(
        "can be tiled by one head or by all heads, not by a part");
  auto [kvHead, kvHeads] = *heads;
  Fold zero = b.getIndexAttr(0);
  auto takeRows = [&](Value v) {
    SmallVector<Fold> o = {offsets[0], offsets[1], offsets[2]};
    SmallVector<Fold> s = {sizes[0], sizes[1], sizes[2]};
    if (cast<RankedTensorType>(v.getType()).getRank() == 4) {
      o.push_back(zero);
      s.push_back(sizesOf(b, loc, v)[3]);
    }
    take(v, o, s);
  };
  auto takeKeys = [&](Value v) {
    take(v, {offsets[0], kvHead, offsets[3], zero},
         {sizes[0], kvHeads, sizes[3], sizesOf(b, loc, v)[3]});
  };
  takeRows(getQuery());
  takeKeys(getKey());
  takeKeys(getValue());
  takeRows(getOutGrad());
  takeRows(getLse());
  takeRows(getDelta());
  if (Value bias = getBias()) {
    SmallVector<Fold> o, s;
    getBiasTile(b, getBias().getType(), offsets, sizes, o, s);
    take(bias, o, s);
  }
  if (Value segments = getQuerySegments()) {
    take(segments, {offsets[0], offsets[2]}, {sizes[0], sizes[2]});
    take(getKeySegments(), {offsets[0], offsets[3]}, {sizes[0], sizes[3]});
  }
  if (Value prefix = getPrefix())
    take(prefix, {offsets[0]}, {sizes[0]});
  if (Value seed = getSeed())
    operands.push_back(seed);
  for (auto [base, offset] : llvm::zip(getOffsets(), offsets))
    operands.push_back(addIndex(b, loc, base, offset));
  llvm::append_range(operands, getLengths());
  SmallVector<Type> types;
  for (auto [number, init] : llvm::enumerate(getDpsInits())) {
    SmallVector<Fold> o, s;
    if (failed(getResultTilePosition(b, number, offsets, sizes, o, s)))
      return failure();
    take(init, o, s);
    types.push_back(operands.back().getType());
  }
  Operation *tiled = mlir::clone(b, *this, types, operands);
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}
