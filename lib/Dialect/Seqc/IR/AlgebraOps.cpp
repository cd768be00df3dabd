//===- AlgebraOps.cpp - L1: online attention and chunk scan ---------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verifiers, tiling and the monoids of the L1 operators. What an operator
// shares with its L0 form is verified in OperandConstraints.cpp.
//
// The state of online attention is (max, sum, acc) in base 2; two states of
// disjoint key ranges merge by rescaling each to the larger maximum:
//
//   max = max(m1, m2)   w_i = exp2(m_i - max)
//   sum = w_1 s_1 + w_2 s_2   acc = w_1 a_1 + w_2 a_2
//
// with w_i = 0 where m_i = -inf, so that the identity (-inf, 0, 0) is one. The
// state of a scan is (decay, state), and (p1, h1) followed by (p2, h2) is (p1
// p2, p2 h1 + h2).
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"
#include "TilingUtils.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

static Value filled(OpBuilder &b, Location loc, ArrayRef<Fold> sizes,
                    FloatType type, double value) {
  Value constant =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, type);
  return linalg::FillOp::create(b, loc, constant, empty).getResult(0);
}

static double minusInfinity() {
  return -std::numeric_limits<double>::infinity();
}

/// An elementwise linalg.generic over `inputs`, the i-th read through
/// `maps[i]`.
static Value
elementwise(OpBuilder &b, Location loc, ValueRange inputs,
            ArrayRef<AffineMap> maps, Value init,
            function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
  SmallVector<AffineMap> allMaps(maps);
  allMaps.push_back(b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, allMaps, iterators,
             [&](OpBuilder &nested, Location nestedLoc, ValueRange args) {
               linalg::YieldOp::create(nested, nestedLoc,
                                       body(nested, nestedLoc, args));
             })
      .getResult(0);
}

/// exp2(m - max), and 0 where m is -inf: the weight of a state in a merge.
static Value mergeWeight(OpBuilder &b, Location loc, Value m, Value max) {
  auto type = cast<FloatType>(m.getType());
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0.0));
  Value lowest =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(type, minusInfinity()));
  Value empty =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, m, lowest);
  Value weight =
      math::Exp2Op::create(b, loc, arith::SubFOp::create(b, loc, m, max));
  return arith::SelectOp::create(b, loc, empty, zero, weight);
}

/// The merge of two states (max, sum, acc), which takes the place of `lhs`.
static SmallVector<Value> mergeStates(OpBuilder &b, Location loc,
                                      ValueRange lhs, ValueRange rhs) {
  AffineMap rows = b.getMultiDimIdentityMap(3);
  AffineMap full = b.getMultiDimIdentityMap(4);
  AffineMap rowsOfFull = full.getSubMap({0, 1, 2});
  auto larger = [](OpBuilder &nb, Location l, ValueRange a) -> Value {
    return arith::MaximumFOp::create(nb, l, a[0], a[1]);
  };
  Value empty = tensor::EmptyOp::create(b, loc, sizesOf(b, loc, lhs[0]),
                                        getElementTypeOrSelf(lhs[0].getType()));
  Value top =
      elementwise(b, loc, {lhs[0], rhs[0]}, {rows, rows}, empty, larger);
  // Arguments: rhs, both maxima, the new one; then lhs, which is overwritten.
  auto weigh = [](OpBuilder &nb, Location l, ValueRange a) -> Value {
    Value w1 = mergeWeight(nb, l, a[1], a[3]);
    Value w2 = mergeWeight(nb, l, a[2], a[3]);
    Value x = arith::MulFOp::create(nb, l, w1, a[4]);
    return arith::AddFOp::create(nb, l, x,
                                 arith::MulFOp::create(nb, l, w2, a[0]));
  };
  Value sum = elementwise(b, loc, {rhs[1], lhs[0], rhs[0], top},
                          {rows, rows, rows, rows}, lhs[1], weigh);
  Value acc =
      elementwise(b, loc, {rhs[2], lhs[0], rhs[0], top},
                  {full, rowsOfFull, rowsOfFull, rowsOfFull}, lhs[2], weigh);
  // The old maximum has been read for the last time.
  Value max = elementwise(b, loc, {rhs[0]}, {rows}, lhs[0], larger);
  return {max, sum, acc};
}

//===----------------------------------------------------------------------===//
// OnlineAttentionOp
//===----------------------------------------------------------------------===//

LogicalResult OnlineAttentionOp::verify() {
  Constraints check(*this);
  auto operands = AttentionOperands::get(*this);
  if (failed(verifyAttentionData(check, operands)))
    return failure();
  AttentionSizes sizes(getQuery().getType(), getKey().getType(),
                       getValue().getType());
  Type acc = getAccumulatorType(getQuery().getType().getElementType());
  SmallVector<int64_t> rows = {sizes.batch, sizes.queryHeads, sizes.queries};
  SmallVector<int64_t> full = rows;
  full.push_back(sizes.valueDim);
  constexpr StringLiteral rowDims = "(batch, query heads, queries)";
  if (failed(check.tensor(8, "max", getMaxInit(), rows, rowDims, acc)) ||
      failed(check.tensor(8, "sum", getSumInit(), rows, rowDims, acc)) ||
      failed(check.tensor(9, "acc", getAccInit(), full,
                          "(batch, query heads, queries, value head_dim)",
                          acc)) ||
      failed(verifyAttentionOptions(check, operands)))
    return failure();
  if (getOffsets().size() != 4)
    return check.fail(13) << "4 offsets (batch, head, query, key), but got "
                          << getOffsets().size();
  if (getLengths().size() != 2)
    return check.fail(13) << "2 lengths (query, key), but got "
                          << getLengths().size();
  return verifyKeyLengths(check, getQuery(), getKeyLengths());
}

LogicalResult OnlineAttentionOp::verifyRegions() {
  return verifyAttentionRegions(Constraints(*this), getQuery(), getScore(),
                                getMask());
}

unsigned OnlineAttentionOp::getReductionDim() { return 3; }

SmallVector<Value> OnlineAttentionOp::getCarriedInits() {
  return {getMaxInit(), getSumInit(), getAccInit()};
}

SmallVector<Value>
OnlineAttentionOp::buildIdentity(OpBuilder &b, Location loc,
                                 ArrayRef<Fold> leadingSizes) {
  auto type = cast<FloatType>(getElementTypeOrSelf(getMaxInit().getType()));
  SmallVector<Fold> rows(leadingSizes), full(leadingSizes);
  llvm::append_range(rows, sizesOf(b, loc, getMaxInit()));
  llvm::append_range(full, sizesOf(b, loc, getAccInit()));
  return {filled(b, loc, rows, type, minusInfinity()),
          filled(b, loc, rows, type, 0.0), filled(b, loc, full, type, 0.0)};
}

SmallVector<Value> OnlineAttentionOp::buildMerge(OpBuilder &b, Location loc,
                                                 ValueRange lhs,
                                                 ValueRange rhs) {
  return mergeStates(b, loc, lhs, rhs);
}

SmallVector<utils::IteratorType> OnlineAttentionOp::getLoopIteratorTypes() {
  SmallVector<utils::IteratorType> types(4, utils::IteratorType::parallel);
  types[3] = utils::IteratorType::reduction;
  return types;
}

SmallVector<Range> OnlineAttentionOp::getIterationDomain(OpBuilder &b) {
  Location loc = getLoc();
  Fold zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<Fold> q = sizesOf(b, loc, getQuery());
  Fold keys = tensor::getMixedSize(b, loc, getKey(), 2);
  return {{zero, q[0], one},
          {zero, q[1], one},
          {zero, q[2], one},
          {zero, keys, one}};
}

/// Builds the operator on the tile at `offsets`, with the given state; null,
/// with an error, if there is no such tile.
static Operation *tileAttention(OnlineAttentionOp op, OpBuilder &b,
                                ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
                                ValueRange state,
                                SmallVectorImpl<Operation *> &slices) {
  Location loc = op.getLoc();
  Fold zero = b.getIndexAttr(0);
  auto take = [&](Value v, ArrayRef<Fold> o, ArrayRef<Fold> s) {
    Value slice = takeSlice(b, loc, v, o, s);
    slices.push_back(slice.getDefiningOp());
    return slice;
  };
  SmallVector<Fold> q = sizesOf(b, loc, op.getQuery());
  SmallVector<Fold> k = sizesOf(b, loc, op.getKey());
  SmallVector<Fold> v = sizesOf(b, loc, op.getValue());

  // The key/value head of a query head. A tile holds one head, or all.
  auto heads =
      takeKeyHeads(b, loc, op.getQuery(), op.getKey(), offsets[1], sizes[1]);
  if (!heads) {
    op.emitOpError("can be tiled by one head or by all heads, not by a part");
    return nullptr;
  }
  auto [kvHead, kvHeads] = *heads;

  SmallVector<Value> operands;
  operands.push_back(take(op.getQuery(),
                          {offsets[0], offsets[1], offsets[2], zero},
                          {sizes[0], sizes[1], sizes[2], q[3]}));
  operands.push_back(take(op.getKey(), {offsets[0], kvHead, offsets[3], zero},
                          {sizes[0], kvHeads, sizes[3], k[3]}));
  operands.push_back(take(op.getValue(), {offsets[0], kvHead, offsets[3], zero},
                          {sizes[0], kvHeads, sizes[3], v[3]}));
  if (Value bias = op.getBias()) {
    auto type = cast<RankedTensorType>(bias.getType());
    SmallVector<Fold> o(offsets), s(sizes);
    for (int64_t i = 0; i < 4; ++i)
      if (type.getDimSize(i) == 1) // Broadcast.
        o[i] = zero, s[i] = b.getIndexAttr(1);
    operands.push_back(take(bias, o, s));
  }
  if (Value segments = op.getQuerySegments()) {
    operands.push_back(
        take(segments, {offsets[0], offsets[2]}, {sizes[0], sizes[2]}));
    operands.push_back(take(op.getKeySegments(), {offsets[0], offsets[3]},
                            {sizes[0], sizes[3]}));
  }
  if (Value prefix = op.getPrefix())
    operands.push_back(take(prefix, {offsets[0]}, {sizes[0]}));
  if (Value keyLengths = op.getKeyLengths())
    operands.push_back(take(keyLengths, {offsets[0]}, {sizes[0]}));
  if (Value seed = op.getSeed())
    operands.push_back(seed);
  for (auto [base, offset] : llvm::zip(op.getOffsets(), offsets))
    operands.push_back(addIndex(b, loc, base, offset));
  llvm::append_range(operands, op.getLengths());
  llvm::append_range(operands, state);
  return mlir::clone(b, op, state.getTypes(), operands);
}

static SmallVector<Value> sliceState(OnlineAttentionOp op, OpBuilder &b,
                                     ArrayRef<Fold> offsets,
                                     ArrayRef<Fold> sizes) {
  Location loc = op.getLoc();
  Fold depth = tensor::getMixedSize(b, loc, op.getAccInit(), 3);
  SmallVector<Fold> o(offsets.take_front(3)), s(sizes.take_front(3));
  SmallVector<Value> state = {takeSlice(b, loc, op.getMaxInit(), o, s),
                              takeSlice(b, loc, op.getSumInit(), o, s)};
  o.push_back(b.getIndexAttr(0));
  s.push_back(depth);
  state.push_back(takeSlice(b, loc, op.getAccInit(), o, s));
  return state;
}

FailureOr<TilingResult>
OnlineAttentionOp::getTiledImplementation(OpBuilder &b, ArrayRef<Fold> offsets,
                                          ArrayRef<Fold> sizes) {
  SmallVector<Operation *> slices;
  SmallVector<Value> state = sliceState(*this, b, offsets, sizes);
  Operation *tiled = tileAttention(*this, b, offsets, sizes, state, slices);
  if (!tiled)
    return failure();
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult OnlineAttentionOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  resultOffsets.assign(offsets.begin(), offsets.begin() + 3);
  resultSizes.assign(sizes.begin(), sizes.begin() + 3);
  if (resultNumber == 2) {
    resultOffsets.push_back(b.getIndexAttr(0));
    resultSizes.push_back(tensor::getMixedSize(b, getLoc(), getAccInit(), 3));
  }
  return success();
}

FailureOr<TilingResult>
OnlineAttentionOp::generateResultTileValue(OpBuilder &b, unsigned resultNumber,
                                           ArrayRef<Fold> offsets,
                                           ArrayRef<Fold> sizes) {
  SmallVector<Fold> o(offsets.take_front(3)), s(sizes.take_front(3));
  o.push_back(b.getIndexAttr(0));
  s.push_back(tensor::getMixedSize(b, getLoc(), getKey(), 2));
  FailureOr<TilingResult> tiled = getTiledImplementation(b, o, s);
  if (failed(tiled))
    return failure();
  tiled->tiledValues = {tiled->tiledValues[resultNumber]};
  return tiled;
}

FailureOr<SmallVector<Value>>
OnlineAttentionOp::generateInitialTensorForPartialReduction(
    OpBuilder &b, Location loc, ArrayRef<Fold> tileSizes,
    const SetVector<unsigned> &reductionDims) {
  if (reductionDims.size() != 1 || reductionDims[0] != getReductionDim())
    return emitOpError("can only be split along its keys");
  return buildIdentity(b, loc, {tileSizes[getReductionDim()]});
}

/// The slice of `partial` that belongs to part `index`, without that dimension.
static Value takePart(OpBuilder &b, Location loc, Value partial, Fold index) {
  auto type = cast<RankedTensorType>(partial.getType());
  SmallVector<Fold> sizes = sizesOf(b, loc, partial);
  SmallVector<Fold> offsets(type.getRank(), b.getIndexAttr(0));
  SmallVector<Fold> strides(type.getRank(), b.getIndexAttr(1));
  offsets[0] = index;
  sizes[0] = b.getIndexAttr(1);
  auto part = RankedTensorType::get(type.getShape().drop_front(),
                                    type.getElementType());
  return tensor::ExtractSliceOp::create(b, loc, part, partial, offsets, sizes,
                                        strides);
}

FailureOr<TilingResult> OnlineAttentionOp::tileToPartialReduction(
    OpBuilder &b, Location loc, ReductionTilingStrategy strategy,
    ValueRange init, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
    const SetVector<unsigned> &reductionDims,
    ArrayRef<Fold> splitReductionIvs) {
  if (strategy != ReductionTilingStrategy::PartialReductionOuterParallel)
    return emitOpError("can only be split into parallel parts");
  SmallVector<Value> state;
  for (Value partial : init)
    state.push_back(takePart(b, loc, partial, splitReductionIvs[0]));
  SmallVector<Operation *> slices;
  Operation *tiled = tileAttention(*this, b, offsets, sizes, state, slices);
  if (!tiled)
    return failure();
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult OnlineAttentionOp::getPartialResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ReductionTilingStrategy strategy,
    ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
    const SetVector<unsigned> &reductionDims, ArrayRef<Fold> splitReductionIvs,
    SmallVector<Fold> &resultOffsets, SmallVector<Fold> &resultSizes) {
  SmallVector<Fold> o, s;
  if (failed(getResultTilePosition(b, resultNumber, offsets, sizes, o, s)))
    return failure();
  resultOffsets = {splitReductionIvs[0]};
  resultSizes = {b.getIndexAttr(1)};
  llvm::append_range(resultOffsets, o);
  llvm::append_range(resultSizes, s);
  return success();
}

/// Merges the parts into what came in, in their order.
static MergeResult
foldParts(OpBuilder &b, Location loc, ValueRange inits, ValueRange partial,
          function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange,
                                          ValueRange)>
              merge) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value parts = tensor::DimOp::create(b, loc, partial[0], zero);
  auto loop = scf::ForOp::create(
      b, loc, zero, parts, one, inits,
      [&](OpBuilder &nb, Location l, Value i, ValueRange carried) {
        SmallVector<Value> part;
        for (Value p : partial)
          part.push_back(takePart(nb, l, p, i));
        scf::YieldOp::create(nb, l, merge(nb, l, carried, part));
      });
  return MergeResult{{loop}, SmallVector<Value>(loop.getResults())};
}

static MergeResult foldParts(MonoidOpInterface op, OpBuilder &b, Location loc,
                             ValueRange partial) {
  return foldParts(
      b, loc, op.getCarriedInits(), partial,
      [&](OpBuilder &nb, Location l, ValueRange lhs, ValueRange rhs) {
        return op.buildMerge(nb, l, lhs, rhs);
      });
}

FailureOr<MergeResult>
OnlineAttentionOp::mergeReductions(OpBuilder &b, Location loc,
                                   ValueRange partial,
                                   const SetVector<unsigned> &reductionDims) {
  return foldParts(cast<MonoidOpInterface>(getOperation()), b, loc, partial);
}

//===----------------------------------------------------------------------===//
// SoftmaxFinishOp
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxFinishOp::verify() {
  Constraints check(*this);
  MLIRContext *context = getContext();
  Type f32 = Float32Type::get(context), f64 = Float64Type::get(context);
  constexpr StringLiteral rowDims = "(batch, heads, queries)";
  constexpr StringLiteral fullDims = "(batch, heads, queries, value head_dim)";
  if (failed(check.hasRank(1, "acc", getAcc(), 4, fullDims, {f32, f64})))
    return failure();
  RankedTensorType acc = getAcc().getType();
  Type element = acc.getElementType();
  if (acc.getDimSize(3) < 1)
    return check.fail(1)
           << "acc to have a static value head_dim of at least 1, but got "
           << acc;
  ArrayRef<int64_t> full = acc.getShape(), rows = full.drop_back();
  SmallVector<Type> outTypes =
      llvm::filter_to_vector(getDataTypes(context), [&](Type type) {
        return getAccumulatorType(type) == element;
      });
  if (failed(check.tensor(2, "max", getMax(), rows, rowDims, element)) ||
      failed(check.tensor(2, "sum", getSum(), rows, rowDims, element)) ||
      failed(
          check.tensor(3, "sinks", getSinks(), rows[1], "(heads)", element)) ||
      failed(check.tensor(4, "out", getOutInit(), full, fullDims, outTypes)) ||
      failed(check.tensor(5, "lse", getLseInit(), rows, rowDims, element)))
    return failure();
  return success();
}

SmallVector<utils::IteratorType> SoftmaxFinishOp::getLoopIteratorTypes() {
  return SmallVector<utils::IteratorType>(3, utils::IteratorType::parallel);
}

SmallVector<Range> SoftmaxFinishOp::getIterationDomain(OpBuilder &b) {
  SmallVector<Range> ranges;
  for (Fold size : sizesOf(b, getLoc(), getMax()))
    ranges.push_back({b.getIndexAttr(0), size, b.getIndexAttr(1)});
  return ranges;
}

FailureOr<TilingResult>
SoftmaxFinishOp::getTiledImplementation(OpBuilder &b, ArrayRef<Fold> offsets,
                                        ArrayRef<Fold> sizes) {
  Location loc = getLoc();
  Fold depth = tensor::getMixedSize(b, loc, getAcc(), 3);
  SmallVector<Fold> o(offsets), s(sizes);
  o.push_back(b.getIndexAttr(0));
  s.push_back(depth);
  SmallVector<Value> operands = {takeSlice(b, loc, getMax(), offsets, sizes),
                                 takeSlice(b, loc, getSum(), offsets, sizes),
                                 takeSlice(b, loc, getAcc(), o, s)};
  if (Value sinks = getSinks())
    operands.push_back(takeSlice(b, loc, sinks, {offsets[1]}, {sizes[1]}));
  SmallVector<Value> inits = {takeSlice(b, loc, getOutInit(), o, s)};
  if (Value lse = getLseInit())
    inits.push_back(takeSlice(b, loc, lse, offsets, sizes));
  llvm::append_range(operands, inits);
  Operation *tiled =
      mlir::clone(b, *this, TypeRange(ValueRange(inits).getTypes()), operands);
  SmallVector<Operation *> slices;
  for (Value v : operands)
    slices.push_back(v.getDefiningOp());
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult SoftmaxFinishOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  resultOffsets.assign(offsets.begin(), offsets.begin() + 3);
  resultSizes.assign(sizes.begin(), sizes.begin() + 3);
  if (resultNumber == 0) {
    resultOffsets.push_back(b.getIndexAttr(0));
    resultSizes.push_back(tensor::getMixedSize(b, getLoc(), getAcc(), 3));
  }
  return success();
}

FailureOr<TilingResult>
SoftmaxFinishOp::generateResultTileValue(OpBuilder &b, unsigned resultNumber,
                                         ArrayRef<Fold> offsets,
                                         ArrayRef<Fold> sizes) {
  FailureOr<TilingResult> tiled =
      getTiledImplementation(b, offsets.take_front(3), sizes.take_front(3));
  if (failed(tiled))
    return failure();
  tiled->tiledValues = {tiled->tiledValues[resultNumber]};
  return tiled;
}

//===----------------------------------------------------------------------===//
// SoftmaxMergeOp
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxMergeOp::verify() {
  Constraints check(*this);
  MLIRContext *context = getContext();
  Type f32 = Float32Type::get(context), f64 = Float64Type::get(context);
  constexpr StringLiteral partDims = "(parts, batch, heads, queries)";
  constexpr StringLiteral fullDims =
      "(parts, batch, heads, queries, value head_dim)";
  if (failed(check.hasRank(1, "acc", getPartAcc(), 5, fullDims, {f32, f64})))
    return failure();
  RankedTensorType acc = getPartAcc().getType();
  Type element = acc.getElementType();
  if (acc.getDimSize(4) < 1)
    return check.fail(1)
           << "acc to have a static value head_dim of at least 1, but got "
           << acc;
  ArrayRef<int64_t> full = acc.getShape(), parts = full.drop_back(),
                    state = full.drop_front(), rows = parts.drop_front();
  constexpr StringLiteral rowDims = "(batch, heads, queries)";
  if (failed(check.tensor(2, "max", getPartMax(), parts, partDims, element)) ||
      failed(check.tensor(2, "sum", getPartSum(), parts, partDims, element)) ||
      failed(check.tensor(3, "the initial max", getMaxInit(), rows, rowDims,
                          element)) ||
      failed(check.tensor(3, "the initial sum", getSumInit(), rows, rowDims,
                          element)) ||
      failed(check.tensor(4, "the initial acc", getAccInit(), state,
                          "(batch, heads, queries, value head_dim)", element)))
    return failure();
  return success();
}

SmallVector<utils::IteratorType> SoftmaxMergeOp::getLoopIteratorTypes() {
  return SmallVector<utils::IteratorType>(3, utils::IteratorType::parallel);
}

SmallVector<Range> SoftmaxMergeOp::getIterationDomain(OpBuilder &b) {
  SmallVector<Range> ranges;
  for (Fold size : sizesOf(b, getLoc(), getMaxInit()))
    ranges.push_back({b.getIndexAttr(0), size, b.getIndexAttr(1)});
  return ranges;
}

FailureOr<TilingResult>
SoftmaxMergeOp::getTiledImplementation(OpBuilder &b, ArrayRef<Fold> offsets,
                                       ArrayRef<Fold> sizes) {
  Location loc = getLoc();
  Fold zero = b.getIndexAttr(0);
  SmallVector<Value> operands;
  for (Value v : getOperands()) {
    bool isPart = operands.size() < 3;
    SmallVector<Fold> o, s;
    if (isPart) {
      o.push_back(zero);
      s.push_back(tensor::getMixedSize(b, loc, v, 0));
    }
    llvm::append_range(o, offsets);
    llvm::append_range(s, sizes);
    auto rank = size_t(cast<RankedTensorType>(v.getType()).getRank());
    if (o.size() < rank) {
      o.push_back(zero);
      s.push_back(tensor::getMixedSize(b, loc, v, rank - 1));
    }
    operands.push_back(takeSlice(b, loc, v, o, s));
  }
  Operation *tiled = mlir::clone(
      b, *this, TypeRange(ValueRange(operands).drop_front(3).getTypes()),
      operands);
  SmallVector<Operation *> slices;
  for (Value v : operands)
    slices.push_back(v.getDefiningOp());
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult SoftmaxMergeOp::getResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ArrayRef<Fold> offsets,
    ArrayRef<Fold> sizes, SmallVector<Fold> &resultOffsets,
    SmallVector<Fold> &resultSizes) {
  resultOffsets.assign(offsets.begin(), offsets.begin() + 3);
  resultSizes.assign(sizes.begin(), sizes.begin() + 3);
  if (resultNumber == 2) {
    resultOffsets.push_back(b.getIndexAttr(0));
    resultSizes.push_back(tensor::getMixedSize(b, getLoc(), getAccInit(), 3));
  }
  return success();
}

FailureOr<TilingResult>
SoftmaxMergeOp::generateResultTileValue(OpBuilder &b, unsigned resultNumber,
                                        ArrayRef<Fold> offsets,
                                        ArrayRef<Fold> sizes) {
  FailureOr<TilingResult> tiled =
      getTiledImplementation(b, offsets.take_front(3), sizes.take_front(3));
  if (failed(tiled))
    return failure();
  tiled->tiledValues = {tiled->tiledValues[resultNumber]};
  return tiled;
}

SmallVector<Value> SoftmaxMergeOp::buildLoop(OpBuilder &b) {
  SmallVector<Value> parts = {getPartMax(), getPartSum(), getPartAcc()};
  return foldParts(b, getLoc(), getDpsInits(), parts, mergeStates).replacements;
}

//===----------------------------------------------------------------------===//
// ScanPrefixOp
//===----------------------------------------------------------------------===//

LogicalResult ScanPrefixOp::verify() {
  Constraints check(*this);
  MLIRContext *context = getContext();
  Type f32 = Float32Type::get(context), f64 = Float64Type::get(context);
  constexpr StringLiteral dims = "(parts, batch, channels, d_state)";
  if (failed(check.hasRank(1, "state", getPartState(), 4, dims, {f32, f64})))
    return failure();
  RankedTensorType state = getPartState().getType();
  Type element = state.getElementType();
  ArrayRef<int64_t> full = state.getShape();
  if (state.getDimSize(3) < 1)
    return check.fail(1)
           << "state to have a static d_state of at least 1, but got " << state;
  if (failed(check.tensor(2, "decay", getPartDecay(), full, dims, element)) ||
      failed(check.tensor(2, "the destination of starts", getStartsInit(), full,
                          dims, element)) ||
      failed(check.tensor(3, "the initial state", getStateInit(),
                          full.drop_front(), "(batch, channels, d_state)",
                          element)))
    return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// ChunkScanOp
//===----------------------------------------------------------------------===//

LogicalResult ChunkScanOp::verify() {
  Constraints check(*this);
  if (failed(
          verifyScan(check, ScanOperands::get(*this), {{"out", getOutInit()}},
                     {{"state", getStateInit()}, {"decay", getDecayInit()}})))
    return failure();
  if (getOutInit() && !getC())
    return check.fail(10) << "C with a destination for out, but got none";
  return success();
}

unsigned ChunkScanOp::getReductionDim() { return 2; }

SmallVector<Value> ChunkScanOp::getCarriedInits() {
  SmallVector<Value> inits = {getStateInit()};
  if (getDecayInit())
    inits.push_back(getDecayInit());
  return inits;
}

SmallVector<Value> ChunkScanOp::buildIdentity(OpBuilder &b, Location loc,
                                              ArrayRef<Fold> leadingSizes) {
  auto type = cast<FloatType>(getElementTypeOrSelf(getStateInit().getType()));
  SmallVector<Fold> sizes(leadingSizes);
  llvm::append_range(sizes, sizesOf(b, loc, getStateInit()));
  SmallVector<Value> identity = {filled(b, loc, sizes, type, 0.0)};
  if (getDecayInit())
    identity.push_back(filled(b, loc, sizes, type, 1.0));
  return identity;
}

SmallVector<Value> ChunkScanOp::buildMerge(OpBuilder &b, Location loc,
                                           ValueRange lhs, ValueRange rhs) {
  // Values are (state, decay). The merged state takes the place of the first.
  auto type = cast<RankedTensorType>(lhs[0].getType());
  AffineMap id = b.getMultiDimIdentityMap(type.getRank());
  Value state =
      elementwise(b, loc, {rhs[0], rhs[1]}, {id, id}, lhs[0],
                  [](OpBuilder &nb, Location l, ValueRange a) -> Value {
                    Value carried = arith::MulFOp::create(nb, l, a[1], a[2]);
                    return arith::AddFOp::create(nb, l, carried, a[0]);
                  });
  if (lhs.size() == 1)
    return {state};
  Value decay =
      elementwise(b, loc, {rhs[1]}, {id}, lhs[1],
                  [](OpBuilder &nb, Location l, ValueRange a) -> Value {
                    return arith::MulFOp::create(nb, l, a[0], a[1]);
                  });
  return {state, decay};
}

SmallVector<utils::IteratorType> ChunkScanOp::getLoopIteratorTypes() {
  return {utils::IteratorType::parallel, utils::IteratorType::parallel,
          utils::IteratorType::reduction};
}

SmallVector<Range> ChunkScanOp::getIterationDomain(OpBuilder &b) {
  SmallVector<Range> ranges;
  for (Fold size : sizesOf(b, getLoc(), getU()))
    ranges.push_back({b.getIndexAttr(0), size, b.getIndexAttr(1)});
  return ranges;
}

/// Builds the operator on the tile at `offsets`, with the given destinations.
/// The channels of a tile lie in one group, or are all of them; null, with an
/// error, if not.
static Operation *tileScan(ChunkScanOp op, OpBuilder &b, ArrayRef<Fold> offsets,
                           ArrayRef<Fold> sizes, ValueRange inits,
                           SmallVectorImpl<Operation *> &slices) {
  Location loc = op.getLoc();
  Fold zero = b.getIndexAttr(0);
  auto take = [&](Value v, ArrayRef<Fold> o, ArrayRef<Fold> s) {
    Value slice = takeSlice(b, loc, v, o, s);
    slices.push_back(slice.getDefiningOp());
    return slice;
  };
  Fold depth = tensor::getMixedSize(b, loc, op.getA(), 1);
  Fold channels = tensor::getMixedSize(b, loc, op.getU(), 1);
  auto takeParameter = [&](Value v) -> Value {
    FailureOr<TilePosition> position =
        getProjectionTile(b, op, v, channels, depth, offsets, sizes);
    return failed(position) ? Value()
                            : take(v, position->offsets, position->sizes);
  };
  SmallVector<Value> operands = {
      take(op.getU(), offsets, sizes), take(op.getDelta(), offsets, sizes),
      take(op.getA(), {offsets[1], zero}, {sizes[1], depth}),
      takeParameter(op.getB())};
  if (op.getC())
    operands.push_back(takeParameter(op.getC()));
  if (llvm::is_contained(operands, Value()))
    return nullptr;
  if (op.getD())
    operands.push_back(take(op.getD(), {offsets[1]}, {sizes[1]}));
  if (op.getZ())
    operands.push_back(take(op.getZ(), offsets, sizes));
  if (op.getDeltaBias())
    operands.push_back(take(op.getDeltaBias(), {offsets[1]}, {sizes[1]}));
  if (Value steps = op.getSteps()) {
    AffineExpr d0, d1, d2;
    bindDims(b.getContext(), d0, d1, d2);
    Fold left = affine::makeComposedFoldedAffineMin(
        b, loc, AffineMap::get(3, 0, {d0 - d1, d2}, b.getContext()),
        {Fold(steps), offsets[2], sizes[2]});
    operands.push_back(getValueOrCreateConstantIndexOp(b, loc, left));
  }
  llvm::append_range(operands, inits);
  return mlir::clone(b, op, inits.getTypes(), operands);
}

static SmallVector<Fold> stateOf(ArrayRef<Fold> tile, Fold last) {
  return {tile[0], tile[1], last};
}

FailureOr<TilingResult>
ChunkScanOp::getTiledImplementation(OpBuilder &b, ArrayRef<Fold> offsets,
                                    ArrayRef<Fold> sizes) {
  Location loc = getLoc();
  Fold depth = tensor::getMixedSize(b, loc, getA(), 1);
  SmallVector<Value> inits;
  if (Value out = getOutInit())
    inits.push_back(takeSlice(b, loc, out, offsets, sizes));
  for (Value state : getCarriedInits())
    inits.push_back(takeSlice(b, loc, state,
                              stateOf(offsets, b.getIndexAttr(0)),
                              stateOf(sizes, depth)));
  SmallVector<Operation *> slices;
  Operation *tiled = tileScan(*this, b, offsets, sizes, inits, slices);
  if (!tiled)
    return failure();
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult
ChunkScanOp::getResultTilePosition(OpBuilder &b, unsigned resultNumber,
                                   ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
                                   SmallVector<Fold> &resultOffsets,
                                   SmallVector<Fold> &resultSizes) {
  if (getOutInit() && resultNumber == 0) {
    resultOffsets.assign(offsets.begin(), offsets.end());
    resultSizes.assign(sizes.begin(), sizes.end());
    return success();
  }
  resultOffsets = stateOf(offsets, b.getIndexAttr(0));
  resultSizes = stateOf(sizes, tensor::getMixedSize(b, getLoc(), getA(), 1));
  return success();
}

FailureOr<TilingResult>
ChunkScanOp::generateResultTileValue(OpBuilder &b, unsigned resultNumber,
                                     ArrayRef<Fold> offsets,
                                     ArrayRef<Fold> sizes) {
  if (!(getOutInit() && resultNumber == 0)) {
    FailureOr<TilingResult> tiled = getTiledImplementation(
        b, stateOf(offsets, b.getIndexAttr(0)),
        stateOf(sizes, tensor::getMixedSize(b, getLoc(), getU(), 2)));
    if (failed(tiled))
      return failure();
    tiled->tiledValues = {tiled->tiledValues[resultNumber]};
    return tiled;
  }
  // An output needs every step before it.
  return emitOpError("cannot produce a tile of its output alone");
}

FailureOr<SmallVector<Value>>
ChunkScanOp::generateInitialTensorForPartialReduction(
    OpBuilder &b, Location loc, ArrayRef<Fold> tileSizes,
    const SetVector<unsigned> &reductionDims) {
  if (reductionDims.size() != 1 || reductionDims[0] != getReductionDim())
    return emitOpError("can only be split along its time steps");
  if (getOutInit() || !getDecayInit())
    return emitOpError("can only be split for its state and decay: an output "
                       "needs the state before it");
  return buildIdentity(b, loc, {tileSizes[getReductionDim()]});
}

FailureOr<TilingResult> ChunkScanOp::tileToPartialReduction(
    OpBuilder &b, Location loc, ReductionTilingStrategy strategy,
    ValueRange init, ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
    const SetVector<unsigned> &reductionDims,
    ArrayRef<Fold> splitReductionIvs) {
  if (strategy != ReductionTilingStrategy::PartialReductionOuterParallel)
    return emitOpError("can only be split into parallel parts");
  SmallVector<Value> state;
  for (Value partial : init)
    state.push_back(takePart(b, loc, partial, splitReductionIvs[0]));
  SmallVector<Operation *> slices;
  Operation *tiled = tileScan(*this, b, offsets, sizes, state, slices);
  if (!tiled)
    return failure();
  return TilingResult{{tiled}, SmallVector<Value>(tiled->getResults()), slices};
}

LogicalResult ChunkScanOp::getPartialResultTilePosition(
    OpBuilder &b, unsigned resultNumber, ReductionTilingStrategy strategy,
    ArrayRef<Fold> offsets, ArrayRef<Fold> sizes,
    const SetVector<unsigned> &reductionDims, ArrayRef<Fold> splitReductionIvs,
    SmallVector<Fold> &resultOffsets, SmallVector<Fold> &resultSizes) {
  SmallVector<Fold> o, s;
  if (failed(getResultTilePosition(b, resultNumber, offsets, sizes, o, s)))
    return failure();
  resultOffsets = {splitReductionIvs[0]};
  resultSizes = {b.getIndexAttr(1)};
  llvm::append_range(resultOffsets, o);
  llvm::append_range(resultSizes, s);
  return success();
}

FailureOr<MergeResult>
ChunkScanOp::mergeReductions(OpBuilder &b, Location loc, ValueRange partial,
                             const SetVector<unsigned> &reductionDims) {
  return foldParts(cast<MonoidOpInterface>(getOperation()), b, loc, partial);
}
