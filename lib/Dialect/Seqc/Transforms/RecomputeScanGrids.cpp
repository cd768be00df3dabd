//===- RecomputeScanGrids.cpp - The backward of a scan as two grids -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What RecomputeScan.cpp computes, in the form that kernels have: tiles of
// channels are outside, and each goes through the chunks of its sequence by
// itself, so that the gradient of the state and the sums over time never leave
// the chip.
//
//   grid 1   for chunks, the first first       h -> starts[chunk]; h = the next
//   grid 2   for chunks, the last first        starts[chunk], dh -> gradients
//
// Between them there are the states before chunks, and nothing else. What
// channels share, the gradient of a variable B or C, is written by each tile
// into a place of its own:
//
//   (tile, batch[, group], state, time)
//
// and summed over the tiles in order afterwards, like the sums that each batch
// has of A, D and delta_bias. Few channels leave most of a chip without tiles;
// then parts of the sequence are tiles, too (SplitScanBackward.cpp).
//
// Packed sequences take the place of batches in the grids; each has chunks of
// its own from its first step on. Their lengths are known on the device only,
// so the states of sequence s are stored from place begin / T + s on, for
// chunks of T steps: begin / T + chunks is at most end / T + 1, where that of
// the next one starts, and L / T + S places are enough for all.
//
//===----------------------------------------------------------------------===//

#include "ScanGrids.h"

#include <numeric>

using namespace mlir;
using namespace seqc;

ScanGrids::ScanGrids(RewriterBase &b, SelectiveScanBackwardOp op,
                     const ChipInfo &chip)
    : GradientBuilder(b, op.getLoc(),
                      getAccumulatorType(op.getU().getType().getElementType())),
      op(op), element(op.getU().getType().getElementType()),
      sequences(b, op.getLoc(), op.getCuSeqlens(), op.getReverse()) {
  ScheduleAttr given = op.getScheduleAttr();
  tileC = given && given.getTileM() ? given.getTileM() : 16;
  tileT = given && given.getTileN() ? given.getTileN() : 16;
  schedule = ScheduleAttr::get(op.getContext(), tileC, tileT, /*splits=*/1,
                               given ? given.getStages() : 0,
                               given ? given.getWarps() : 0);
  batch = isPacked() ? sequences.count() : dim(op.getU(), 0);
  channels = dim(op.getU(), 1);
  length = dim(op.getU(), 2);
  states = shapeOf(op.getA())[1];
  depth = attr(states);
  groupCount = std::lcm(groupsOf(op.getB()), groupsOf(op.getC()));
  groupSize = channels;
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  if (groupCount != 1) {
    auto count = getConstantIntValue(channels);
    groupSize = count ? attr(*count / groupCount)
                      : Fold(arith::DivUIOp::create(b, loc, index(channels),
                                                    constant(groupCount))
                                 .getResult());
  }
  tiles = apply(d0.ceilDiv(tileC), {groupSize});
  chunks = apply(d0.ceilDiv(tileT), {length});
  if (given && given.getSplits() > 1 && !isPacked() && !chip.isCPU)
    chooseParts(chip, given.getSplits());
}

scf::ForallOp ScanGrids::createGrid(ValueRange outs, Place &p) {
  SmallVector<Fold> upper = {batch, attr(groupCount), groupSize},
                    step = {attr(1), attr(1), attr(tileC)};
  if (isSplit()) {
    upper.insert(upper.begin(), parts);
    step.insert(step.begin(), attr(1));
  }
  SmallVector<Fold> lower(upper.size(), attr(0));
  auto forall = scf::ForallOp::create(b, loc, lower, upper, step, outs,
                                      /*mapping=*/std::nullopt);
  forall->setAttr("seqc.grid", b.getUnitAttr());
  if (groupCount != 1)
    forall->setAttr("seqc.groups", b.getUnitAttr());
  b.setInsertionPoint(forall.getTerminator());
  SmallVector<Value> ivs = forall.getInductionVars();
  p.batch = ivs[ivs.size() - 3];
  p.group = ivs[ivs.size() - 2];
  p.channel = ivs.back();
  p.count = clampedSize(Fold(p.channel), groupSize, tileC);
  p.first = Fold(p.channel);
  if (groupCount != 1) {
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    Value base = arith::MulIOp::create(b, loc, p.group, index(groupSize));
    p.first = apply(d0 + d1, {Fold(base), Fold(p.channel)});
  }
  AffineExpr d0, d1, d2;
  bindDims(b.getContext(), d0, d1, d2);
  p.sums = Fold(p.batch);
  if (!isPacked()) {
    p.row = p.batch;
    p.begin = p.slot = p.firstChunk = attr(0);
    p.length = p.end = length;
    p.chunks = chunks;
    if (!isSplit())
      return forall;
    p.part = ivs.front();
    std::tie(p.firstChunk, p.chunks) = getPart(p.part);
    p.slot = p.firstChunk;
    p.begin = apply(d0 * tileT, {p.firstChunk});
    p.length = affine::makeComposedFoldedAffineMin(
        b, loc, AffineMap::get(3, 0, {d0 * tileT, d2 - d1}, b.getContext()),
        {p.chunks, p.begin, length});
    Value before = arith::MulIOp::create(b, loc, p.part, index(batch));
    p.sums = apply(d0 + d1, {Fold(before), Fold(p.batch)});
    return forall;
  }
  auto [begin, size] = sequences.bounds(b, p.batch, index(length));
  p.row = attr(0);
  p.begin = begin;
  p.length = p.end = size;
  p.firstChunk = attr(0);
  p.chunks = apply(d0.ceilDiv(tileT), {p.length});
  // Counted from the first in the operator's order.
  Fold number = Fold(p.batch);
  if (sequences.isReverse)
    number = apply(d0 - d1 - 1, {batch, number});
  p.slot = apply(d0.floorDiv(tileT) + d1, {p.begin, number});
  forall->setAttr(kSequencesAttr, b.getUnitAttr());
  for (Value v : getTimeOperands()) {
    SmallVector<Fold> extent = tensor::getMixedSizes(b, loc, v);
    SmallVector<Fold> at(extent.size(), attr(0));
    extent.front() = attr(1);
    at.back() = p.begin;
    extent.back() = p.length;
    p.views[v] = slice(sequences.inOrder(v), at, extent);
  }
  return forall;
}

void ScanGrids::getPartial(const Place &p, Value projection,
                           SmallVectorImpl<Fold> &o, SmallVectorImpl<Fold> &s) {
  // Behind the tiles of the groups before it that share the projection's.
  int64_t own = groupsOf(projection), share = groupCount / own;
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  Fold number = apply(d0.floorDiv(tileC), {Fold(p.channel)});
  if (share > 1) {
    Fold before = apply(d0 % share, {Fold(p.group)});
    Value skipped = arith::MulIOp::create(b, loc, index(before), index(tiles));
    number = apply(d0 + d1, {Fold(skipped), number});
  }
  o.assign({number, p.row});
  s.assign({attr(1), attr(1)});
  if (shapeOf(projection).size() == 4) {
    o.push_back(groupOf(p, own));
    s.push_back(attr(1));
  }
  o.append({attr(0), p.begin});
  s.append({depth, p.length});
}

Value ScanGrids::takeStored(const Place &p, Value all, Fold number) {
  SmallVector<Fold> at = {number, stateRow(p), p.first, attr(0)};
  SmallVector<Fold> one = {attr(1), attr(1), p.count, depth};
  SmallVector<Fold> ones(4, attr(1));
  // Without the number.
  auto type = tensor::ExtractSliceOp::inferCanonicalRankReducedResultType(
      3, cast<RankedTensorType>(all.getType()), one);
  Value state = tensor::ExtractSliceOp::create(
      b, loc, cast<RankedTensorType>(type), all, at, one, ones);
  // A size of what has lost a dimension is not asked for.
  auto tile = RankedTensorType::get({1, tileC, states}, acc);
  if (state.getType() == tile)
    return state;
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  SmallVector<Fold> low(3, attr(0)), high = low;
  high[1] = apply(tileC - d0, {p.count});
  Value none = arith::ConstantOp::create(b, loc, b.getZeroAttr(acc));
  return tensor::PadOp::create(b, loc, tile, state, low, high, none);
}

/// The state before each chunk: (chunk, batch, channel, state), or (place, 1,
/// channel, state) of packed sequences.
Value ScanGrids::buildStarts() {
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  MLIRContext *context = b.getContext();
  AffineExpr zero = b.getAffineConstantExpr(0);
  // Without steps there is room for one that nobody reads.
  auto roomOf = [&](Fold number) {
    Fold last = affine::makeComposedFoldedAffineMax(
        b, loc, AffineMap::get(1, 0, {d0 - 1, zero}, context), {number});
    return apply(d0 + 1, {last});
  };
  Fold room = isPacked() ? apply(d0.floorDiv(tileT) + d1, {length, batch})
                         : roomOf(chunks);
  Value starts = empty({room, stateRows(), channels, depth}, acc);
  Place p;
  OpBuilder::InsertionGuard guard(b);
  scf::ForallOp grid = createGrid(starts, p);
  Value dest = grid.getRegionIterArgs()[0];
  if (isPacked() || isSplit())
    room = roomOf(p.chunks);
  SmallVector<Fold> offsets = {p.slot, stateRow(p), p.first, attr(0)},
                    sizes = {room, attr(1), p.count, depth};
  Value own = slice(dest, offsets, sizes);
  Value first = isSplit() ? takeStored(p, partStarts, Fold(p.part))
                          : takeState(p, op.getInitialState());
  auto loop = scf::ForOp::create(b, loc, constant(0), index(room), constant(1),
                                 ValueRange{own, first});
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    Value i = loop.getInductionVar();
    // The step after the last chunk is not needed, but costs nothing to name.
    Fold t = firstStep(p, Fold(i));
    Fold size = clampedSize(t, p.end, tileT);
    auto scan = ChunkScanOp::create(
        b, loc, TypeRange{args[1].getType()}, takeSteps(p, op.getU(), t, size),
        takeSteps(p, op.getDelta(), t, size), takeMatrix(p, op.getA()),
        takeProjection(p, op.getB(), t, size), /*C=*/Value(), /*D=*/Value(),
        /*z=*/Value(), takeRows(p, op.getDeltaBias()), index(size),
        /*out_init=*/Value(), args[1], /*decay_init=*/Value(),
        op.getDeltaSoftplusAttr(), schedule);
    SmallVector<Fold> none(3, attr(0)), one = {attr(1), p.count, depth};
    Value before = slice(args[1], none, one);
    Value next = insert(before, args[0], {Fold(i), attr(0), attr(0), attr(0)},
                        {attr(1), attr(1), p.count, depth});
    scf::YieldOp::create(b, loc, ValueRange{next, scan.getState()});
  }
  b.setInsertionPointToStart(grid.getTerminator().getBody());
  parallelInsert(loop.getResult(0), dest, offsets, sizes);
  return grid.getResult(0);
}

ChunkScanBackwardOp ScanGrids::buildChunk(const Place &p, Fold t, Fold size,
                                          Value state, ArrayRef<Value> inits) {
  SmallVector<Type> types;
  for (Value init : inits)
    if (init)
      types.push_back(init.getType());
  return ChunkScanBackwardOp::create(
      b, loc, types, takeSteps(p, op.getU(), t, size),
      takeSteps(p, op.getDelta(), t, size), takeMatrix(p, op.getA()),
      takeProjection(p, op.getB(), t, size),
      takeProjection(p, op.getC(), t, size), takeRows(p, op.getD()),
      takeSteps(p, op.getZ(), t, size), takeRows(p, op.getDeltaBias()),
      takeSteps(p, op.getOutGrad(), t, size), state, index(size), inits[0],
      inits[1], inits[2], inits[3], inits[4], inits[5], inits[6], inits[7],
      inits[8], op.getDeltaSoftplusAttr(), schedule);
}

SmallVector<Value> ScanGrids::build() {
  // The views in the operator's order stand in front of both grids.
  for (Value v : getTimeOperands())
    sequences.inOrder(v);
  if (isSplit())
    buildParts();
  Value starts = buildStarts();
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);

  // Destinations of the grid: what chunks write, and sums.
  SmallVector<Fold> data = {dim(op.getU(), 0), channels, length};
  Fold sums = batch;
  if (isSplit())
    sums = b.createOrFold<arith::MulIOp>(loc, index(parts), index(batch));
  SmallVector<Fold> rows = {sums, channels};
  SmallVector<Fold> matrix = {sums, channels, depth};
  SmallVector<Value> outs;
  auto out = [&](Value v) -> int {
    outs.push_back(v);
    return outs.size() - 1;
  };
  int u = out(empty(data, element)), delta = out(empty(data, element));
  int z = op.getZGrad() ? out(empty(data, element)) : -1;
  int state = out(empty(matrix, acc)), A = out(empty(matrix, acc));
  auto outProjection = [&](Value v) {
    if (!isVariable(v))
      return out(empty(matrix, acc));
    SmallVector<Fold> sizes = {apply(d0 * (groupCount / groupsOf(v)), {tiles})};
    llvm::append_range(sizes, tensor::getMixedSizes(b, loc, v));
    return out(empty(sizes, acc));
  };
  int B = outProjection(op.getB()), C = outProjection(op.getC());
  int D = op.getDGrad() ? out(empty(rows, acc)) : -1;
  int bias = op.getDeltaBiasGrad() ? out(empty(rows, acc)) : -1;

  Place p;
  scf::ForallOp grid;
  {
    OpBuilder::InsertionGuard guard(b);
    grid = createGrid(outs, p);
    ValueRange dests = grid.getRegionIterArgs();
    // What the loop carries of each: its part of what chunks write, or a tile.
    SmallVector<Value> carried;
    SmallVector<SmallVector<Fold>> offsets(outs.size()), sizes(outs.size());
    auto isWritten = [&](int k) {
      return k == u || k == delta || k == z ||
             (k == B && isVariable(op.getB())) ||
             (k == C && isVariable(op.getC()));
    };
    auto zeroTile = [&](ArrayRef<int64_t> shape) {
      return filled(shape, cast<TypedAttr>(b.getZeroAttr(acc)));
    };
    for (int k = 0; k < int(outs.size()); ++k) {
      SmallVector<Fold> &o = offsets[k], &s = sizes[k];
      bool isProjection = isWritten(k) && (k == B || k == C);
      if (isProjection) {
        getPartial(p, k == B ? op.getB() : op.getC(), o, s);
      } else {
        o = {isWritten(k) ? p.row : p.sums, p.first};
        s = {attr(1), p.count};
        if (k != D && k != bias) {
          o.push_back(isWritten(k) ? p.begin : attr(0));
          s.push_back(isWritten(k) ? p.length : depth);
        }
      }
      if (isWritten(k))
        carried.push_back(slice(dests[k], o, s));
      else if (k == state)
        carried.push_back(isSplit() ? takeStored(p, partGrads, Fold(p.part))
                                    : takeState(p, op.getFinalStateGrad()));
      else if (k == D || k == bias)
        carried.push_back(zeroTile({1, tileC}));
      else
        carried.push_back(zeroTile({1, tileC, states}));
    }
    auto loop = scf::ForOp::create(b, loc, constant(0), index(p.chunks),
                                   constant(1), carried);
    {
      OpBuilder::InsertionGuard inner(b);
      b.setInsertionPointToStart(loop.getBody());
      ValueRange args = loop.getRegionIterArgs();
      // From the last chunk to the first.
      Fold i = apply(d0 - d1 - 1, {p.chunks, loop.getInductionVar()});
      Fold t = firstStep(p, i), size = clampedSize(t, p.end, tileT);
      Fold to = apply(d0 * tileT, {i});
      Fold place = i;
      if (isPacked() || isSplit())
        place = apply(d0 + d1, {p.slot, i});
      Value start = takeStored(p, starts, place);
      auto emptyTile = [&](int k) -> Value {
        if (k < 0)
          return {};
        return tensor::EmptyOp::create(
            b, loc, ArrayRef<int64_t>{1, tileC, tileT}, element);
      };
      auto projection = [&](int k, Value of) -> Value {
        if (!isVariable(of))
          return args[k];
        SmallVector<int64_t> shape = {1, states, tileT};
        if (shapeOf(of).size() == 4)
          shape.insert(shape.begin(), 1);
        return zeroTile(shape);
      };
      auto sum = [&](int k) { return k < 0 ? Value() : Value(args[k]); };
      Value inits[] = {emptyTile(u),
                       emptyTile(delta),
                       emptyTile(z),
                       args[state],
                       args[A],
                       projection(B, op.getB()),
                       projection(C, op.getC()),
                       sum(D),
                       sum(bias)};
      auto part = buildChunk(p, t, size, start, inits);
      SmallVector<Value> yielded = llvm::to_vector_of<Value>(part.getResults());
      for (int k = 0; k < int(outs.size()); ++k) {
        if (!isWritten(k))
          continue;
        // The steps of this chunk, in all but the last dimension the whole.
        SmallVector<Fold> at(offsets[k].size(), attr(0)), cut = sizes[k];
        at.back() = to;
        cut.back() = size;
        unsigned rank = shapeOf(yielded[k]).size();
        SmallVector<Fold> none(rank, attr(0));
        Value tile =
            slice(yielded[k], none, ArrayRef<Fold>(cut).take_back(rank));
        yielded[k] = insert(tile, args[k], at, cut);
      }
      scf::YieldOp::create(b, loc, yielded);
    }
    SmallVector<Value> cuts;
    for (int k = 0; k < int(outs.size()); ++k) {
      SmallVector<Fold> none(offsets[k].size(), attr(0));
      cuts.push_back(isWritten(k) ? Value(loop.getResult(k))
                                  : slice(loop.getResult(k), none, sizes[k]));
    }
    b.setInsertionPointToStart(grid.getTerminator().getBody());
    for (int k = 0; k < int(outs.size()); ++k)
      parallelInsert(cuts[k], dests[k], offsets[k], sizes[k]);
  }

  SmallVector<Value> results;
  for (Value result : op.getResults()) {
    Value v;
    auto inMemory = [&](Value sums, Value like) {
      return isVariable(like) ? sequences.inMemory(sums, like) : sums;
    };
    if (result == op.getUGrad())
      v = sequences.inMemory(grid.getResult(u), op.getU());
    else if (result == op.getDeltaGrad())
      v = sequences.inMemory(grid.getResult(delta), op.getU());
    else if (result == op.getZGrad())
      v = sequences.inMemory(grid.getResult(z), op.getU());
    else if (result == op.getAGrad())
      v = sumBatches(grid.getResult(A));
    else if (result == op.getBGrad())
      v = inMemory(sumBatches(grid.getResult(B)), op.getB()); // Or tiles.
    else if (result == op.getCGrad())
      v = inMemory(sumBatches(grid.getResult(C)), op.getC());
    else if (result == op.getDGrad())
      v = sumBatches(grid.getResult(D));
    else if (result == op.getDeltaBiasGrad())
      v = sumBatches(grid.getResult(bias));
    else
      v = isSplit() ? initialStateGrad : grid.getResult(state);
    results.push_back(convert(v, result.getType()));
  }
  return results;
}

SmallVector<Value> seqc::buildScanBackwardGrids(RewriterBase &b,
                                                SelectiveScanBackwardOp op,
                                                const ChipInfo &chip,
                                                unsigned &numSplit) {
  ScanGrids grids(b, op, chip);
  numSplit += grids.isSplit();
  return grids.build();
}
