//===- SplitScanBackward.cpp - Parts of the sequence, backwards -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The grids of RecomputeScanGrids.cpp have a tile for some channels of a batch.
// Where these are too few for a chip, the sequence is cut into parts of whole
// chunks, which are tiles too. Both recurrences go on from part to part, with
// the same decays: the states forwards, and their gradients
//
//   c[t] = a[t] (C[t] g[t] + c[t + 1])
//
// backwards, where c is what a step gives to the one before it. So four small
// steps come first:
//
//   ends      what each part adds to the state, from 0, and the product of its
//             decays                                       seqc.chunk_scan
//   states    before each part                             seqc.scan_prefix
//   adjoints  what each part adds to the gradient of the state before it, from
//             0: chunk_scan_backward, of which only the gradient of the state
//             is carried                                   a grid
//   gradients of the state behind each part                seqc.scan_prefix
//                                                          reverse
//
// and then both grids, each part from what these say. Each step belongs to one
// part, which writes its gradients; what is summed over time is a sum for each
// part, and these are added in order with those of the batches. Nothing depends
// on which block runs first.
//
// How many parts there are is host arithmetic of a call's sizes: as many as
// fill the chip with blocks twice, since the kernels of the first steps have
// room for twice as many, and blocks that end late then cost less.
//
//===----------------------------------------------------------------------===//

#include "ScanGrids.h"

#include "seqc/Analysis/IOModel.h"

using namespace mlir;
using namespace seqc;

/// Decides how many parts there are, `most` at most; sets `parts` and `share`
/// unless there is one.
void ScanGrids::chooseParts(const ChipInfo &chip, int64_t most) {
  SplitModel model = getSplitModel(
      op, chip,
      {tileC, tileT, most, schedule.getStages(), schedule.getWarps()});
  auto number = [&](int64_t value) -> Value { return constant(value); };
  auto mul = [&](Value x, Value y) {
    return b.createOrFold<arith::MulIOp>(loc, x, y);
  };
  auto min = [&](Value x, Value y) {
    return b.createOrFold<arith::MinSIOp>(loc, x, y);
  };
  auto atLeastOne = [&](Value x) {
    return b.createOrFold<arith::MaxSIOp>(loc, x, number(1));
  };
  auto ceilDiv = [&](Value x, Value y) {
    return b.createOrFold<arith::CeilDivSIOp>(loc, x, y);
  };
  Value all = mul(mul(index(batch), index(tiles)), number(groupCount));
  // Blocks for each tile, of twice as many as there is room for at once.
  Value count = b.createOrFold<arith::DivSIOp>(loc, number(2 * model.blocks),
                                               atLeastOne(all));
  // Two would be two rounds of half the length.
  Value isMany = b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::sgt,
                                               count, number(2));
  count = b.createOrFold<arith::SelectOp>(loc, isMany, count, number(1));
  count = min(count, ceilDiv(index(length), number(model.leastKeys)));
  count = atLeastOne(min(count, number(std::min(model.mostParts, most))));
  // Of whole chunks, also of those of the first step, and none without one.
  int64_t together = std::max<int64_t>(endSteps() / tileT, 1);
  Value turns = ceilDiv(index(chunks), number(together));
  Value chunksOfPart = mul(atLeastOne(ceilDiv(turns, count)), number(together));
  count = atLeastOne(ceilDiv(index(chunks), chunksOfPart));
  parts = getAsOpFoldResult(count);
  if (!isOneInteger(parts))
    share = chunksOfPart;
}

/// Steps of the chunks in which the ends are found: what a scan without outputs
/// has on a GPU, which holds no states but the last.
int64_t ScanGrids::endSteps() {
  bool isShort = element.getIntOrFloatBitWidth() <= 16 && states <= 64;
  return std::max<int64_t>(tileT, isShort ? 32 : 16);
}

/// The first chunk of a part and how many it has.
std::pair<Fold, Fold> ScanGrids::getPart(Value part) {
  AffineExpr d0, d1, d2;
  bindDims(b.getContext(), d0, d1, d2);
  Fold first = arith::MulIOp::create(b, loc, part, share).getResult();
  Fold count = affine::makeComposedFoldedAffineMin(
      b, loc, AffineMap::get(3, 0, {d0, d1 - d2}, b.getContext()),
      {Fold(share), chunks, first});
  return {first, count};
}

/// A state of all channels, in front of all grids.
Value ScanGrids::stateOrZero(Value given) {
  return given ? given : zeros({batch, channels, depth});
}

/// The state that each part ends with if it starts from 0, and the product of
/// its decays: (part, batch, channel, state).
std::pair<Value, Value> ScanGrids::buildEnds() {
  SmallVector<Fold> stateSizes = {batch, channels, depth};
  SmallVector<Fold> all = {parts, batch, channels, depth};
  Value dest = empty(all, acc);
  Value from = zeros(stateSizes);
  Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(acc, 1.0));
  Value ones =
      linalg::FillOp::create(b, loc, one, empty(stateSizes, acc)).getResult(0);
  auto forall =
      scf::ForallOp::create(b, loc, ArrayRef<Fold>{parts},
                            ValueRange{dest, dest}, /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(forall.getTerminator());
  AffineExpr d0, d1, d2;
  bindDims(b.getContext(), d0, d1, d2);
  Value part = forall.getInductionVars()[0];
  auto [first, count] = getPart(part);
  Fold begin = apply(d0 * tileT, {first});
  Fold size = affine::makeComposedFoldedAffineMin(
      b, loc, AffineMap::get(3, 0, {d0 * tileT, d2 - d1}, b.getContext()),
      {count, begin, length});
  auto takeSteps = [&](Value v) -> Value {
    if (shapeOf(v).size() < 3)
      return v;
    SmallVector<Fold> sizes = tensor::getMixedSizes(b, loc, v);
    SmallVector<Fold> at(sizes.size(), attr(0));
    at.back() = begin;
    sizes.back() = size;
    return slice(v, at, sizes);
  };
  auto scan = ChunkScanOp::create(
      b, loc, TypeRange{from.getType(), ones.getType()}, takeSteps(op.getU()),
      takeSteps(op.getDelta()), op.getA(), takeSteps(op.getB()), /*C=*/Value(),
      /*D=*/Value(), /*z=*/Value(), op.getDeltaBias(), /*steps=*/Value(),
      /*out_init=*/Value(), from, ones, op.getDeltaSoftplusAttr(),
      ScheduleAttr::get(op.getContext(), tileC, endSteps(), /*splits=*/1,
                        schedule.getStages(), schedule.getWarps()));
  b.setInsertionPointToStart(forall.getTerminator().getBody());
  SmallVector<Fold> at = {Fold(part), attr(0), attr(0), attr(0)};
  SmallVector<Fold> place = all;
  place[0] = attr(1);
  for (auto [result, arg] :
       llvm::zip(scan.getResults(), forall.getRegionIterArgs()))
    parallelInsert(result, arg, at, place);
  return {forall.getResult(0), forall.getResult(1)};
}

/// What each part gives to the gradient of the state before it if it is given
/// nothing: (part, batch, channel, state).
Value ScanGrids::buildAdjointEnds() {
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  Place p;
  OpBuilder::InsertionGuard guard(b);
  scf::ForallOp grid =
      createGrid(empty({parts, batch, channels, depth}, acc), p);
  auto zeroTile = [&](ArrayRef<int64_t> shape) {
    return filled(shape, cast<TypedAttr>(b.getZeroAttr(acc)));
  };
  SmallVector<int64_t> matrix = {1, tileC, states};
  auto loop = scf::ForOp::create(b, loc, constant(0), index(p.chunks),
                                 constant(1), zeroTile(matrix));
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(loop.getBody());
    Fold i = apply(d0 - d1 - 1, {p.chunks, loop.getInductionVar()});
    Fold t = firstStep(p, i), size = clampedSize(t, p.end, tileT);
    // What nothing reads is written nowhere.
    Value data = tensor::EmptyOp::create(
        b, loc, ArrayRef<int64_t>{1, tileC, tileT}, element);
    auto projection = [&](Value of) {
      if (!isVariable(of))
        return zeroTile(matrix);
      SmallVector<int64_t> shape = {1, states, tileT};
      if (shapeOf(of).size() == 4)
        shape.insert(shape.begin(), 1);
      return zeroTile(shape);
    };
    Value z = op.getZ() ? data : Value();
    Value D = op.getD() ? zeroTile({1, tileC}) : Value();
    Value bias = op.getDeltaBias() ? zeroTile({1, tileC}) : Value();
    Value stateGrad = loop.getRegionIterArgs()[0];
    Value inits[] = {data,
                     data,
                     z,
                     stateGrad,
                     zeroTile(matrix),
                     projection(op.getB()),
                     projection(op.getC()),
                     D,
                     bias};
    auto part = buildChunk(p, t, size, zeroTile(matrix), inits);
    scf::YieldOp::create(b, loc, part.getResultOf(stateGrad));
  }
  SmallVector<Fold> none(3, attr(0)), cut = {attr(1), p.count, depth};
  Value result = slice(loop.getResult(0), none, cut);
  b.setInsertionPointToStart(grid.getTerminator().getBody());
  parallelInsert(result, grid.getRegionIterArgs()[0],
                 {Fold(p.part), Fold(p.batch), p.first, attr(0)},
                 {attr(1), attr(1), p.count, depth});
  return grid.getResult(0);
}

/// What each part starts from, and the gradient of the initial state.
void ScanGrids::buildParts() {
  auto [ends, decays] = buildEnds();
  Value starts = empty({parts, batch, channels, depth}, acc);
  Value first = stateOrZero(op.getInitialState());
  auto forwards =
      ScanPrefixOp::create(b, loc, TypeRange{starts.getType(), first.getType()},
                           ends, decays, starts, first, /*reverse=*/false);
  partStarts = forwards.getStarts();
  Value adjoints = buildAdjointEnds();
  Value last = stateOrZero(op.getFinalStateGrad());
  auto backwards =
      ScanPrefixOp::create(b, loc, TypeRange{starts.getType(), last.getType()},
                           adjoints, decays, starts, last, /*reverse=*/true);
  partGrads = backwards.getStarts();
  initialStateGrad = backwards.getState();
}
