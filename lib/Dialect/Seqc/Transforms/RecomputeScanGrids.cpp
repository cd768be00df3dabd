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
// has of A, D and delta_bias.
//
// Packed sequences take the place of batches in the grids; each has chunks of
// its own from its first step on. Their lengths are known on the device only,
// so the states of sequence s are stored from place begin / T + s on, for
// chunks of T steps: begin / T + chunks is at most end / T + 1, where that of
// the next one starts, and L / T + S places are enough for all.
//
//===----------------------------------------------------------------------===//

#include "GradientBuilder.h"
#include "Sequences.h"

#include <numeric>

using namespace mlir;
using namespace seqc;

static ArrayRef<int64_t> shapeOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getShape();
}

static bool isVariable(Value projection) {
  return ChunkScanBackwardOp::isVariable(projection);
}

static int64_t groupsOf(Value projection) {
  return shapeOf(projection).size() == 4 ? shapeOf(projection)[1] : 1;
}

namespace {

class ScanGrids : public GradientBuilder {
public:
  ScanGrids(RewriterBase &b, SelectiveScanBackwardOp op)
      : GradientBuilder(
            b, op.getLoc(),
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
  }

  SmallVector<Value> build();

private:
  /// The tile of a grid.
  struct Place {
    Value batch, group, channel; // channel: the first one, in its group
    Fold count, first;           // how many there are, and the first of all
    // Of the sequence: its batch in the data, its first step and how many it
    // has, its chunks, and where its states are stored.
    Fold row, begin, length, chunks, slot;
    // Its steps of each operand, of packed sequences.
    llvm::SmallDenseMap<Value, Value> views;
  };
  /// The operands with a dimension of time.
  SmallVector<Value> getTimeOperands() {
    SmallVector<Value> all;
    for (Value v : {Value(op.getU()), Value(op.getDelta()), Value(op.getZ()),
                    Value(op.getOutGrad())})
      if (v)
        all.push_back(v);
    for (Value v : {op.getB(), op.getC()})
      if (isVariable(v))
        all.push_back(v);
    return all;
  }
  bool isPacked() { return bool(op.getCuSeqlens()); }
  /// `v`, or its part with the steps of the sequence.
  Value inSequence(const Place &p, Value v) {
    return isPacked() ? p.views.lookup(v) : v;
  }
  /// The sizes of what each chunk has a state in, for a batch or in one row.
  Fold stateRows() { return isPacked() ? attr(1) : batch; }
  Fold stateRow(const Place &p) { return isPacked() ? attr(0) : Fold(p.batch); }
  scf::ForallOp createGrid(ValueRange outs, Place &place);

  /// Slices, padded to whole tiles.
  Value takeSteps(const Place &p, Value v, Fold t, Fold size) {
    if (!v)
      return v;
    return pad(
        slice(inSequence(p, v), {p.row, p.first, t}, {attr(1), p.count, size}),
        {1, tileC, tileT});
  }
  Value takeRows(const Place &p, Value v) {
    return v ? pad(slice(v, {p.first}, {p.count}), {tileC}) : v;
  }
  Value takeMatrix(const Place &p, Value v) {
    return pad(slice(v, {p.first, attr(0)}, {p.count, depth}), {tileC, states});
  }
  Value takeState(const Place &p, Value v) {
    if (!v)
      return filled({1, tileC, states}, cast<TypedAttr>(b.getZeroAttr(acc)));
    return pad(
        slice(v, {Fold(p.batch), p.first, attr(0)}, {attr(1), p.count, depth}),
        {1, tileC, states});
  }
  Value takeProjection(const Place &p, Value v, Fold t, Fold size) {
    if (!v || !isVariable(v))
      return v ? takeMatrix(p, v) : v;
    SmallVector<Fold> o = {p.row}, s = {attr(1)};
    SmallVector<int64_t> shape = {1};
    if (shapeOf(v).size() == 4) {
      o.push_back(groupOf(p, groupsOf(v)));
      s.push_back(attr(1));
      shape.push_back(1);
    }
    o.append({attr(0), t});
    s.append({depth, size});
    shape.append({states, tileT});
    return pad(slice(inSequence(p, v), o, s), shape);
  }
  /// Which of `own` groups the channels of the tile are in.
  Fold groupOf(const Place &p, int64_t own) {
    AffineExpr d0;
    bindDims(b.getContext(), d0);
    return apply(d0.floorDiv(groupCount / own), {Fold(p.group)});
  }
  /// Where in the partial sums of a projection the tile's are.
  void getPartial(const Place &p, Value projection, SmallVectorImpl<Fold> &o,
                  SmallVectorImpl<Fold> &s);

  Value buildStarts();

  SelectiveScanBackwardOp op;
  Type element;
  Sequences sequences;
  ScheduleAttr schedule;
  int64_t tileC, tileT, states, groupCount;
  Fold batch, channels, length, depth, groupSize, tiles, chunks;
};

} // namespace

scf::ForallOp ScanGrids::createGrid(ValueRange outs, Place &p) {
  auto forall =
      scf::ForallOp::create(b, loc, ArrayRef<Fold>{attr(0), attr(0), attr(0)},
                            ArrayRef<Fold>{batch, attr(groupCount), groupSize},
                            ArrayRef<Fold>{attr(1), attr(1), attr(tileC)}, outs,
                            /*mapping=*/std::nullopt);
  forall->setAttr("seqc.grid", b.getUnitAttr());
  b.setInsertionPoint(forall.getTerminator());
  p.batch = forall.getInductionVars()[0];
  p.group = forall.getInductionVars()[1];
  p.channel = forall.getInductionVars()[2];
  p.count = clampedSize(Fold(p.channel), groupSize, tileC);
  p.first = Fold(p.channel);
  if (groupCount != 1) {
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    Value base = arith::MulIOp::create(b, loc, p.group, index(groupSize));
    p.first = apply(d0 + d1, {Fold(base), Fold(p.channel)});
  }
  if (!isPacked()) {
    p.row = p.batch;
    p.begin = p.slot = attr(0);
    p.length = length;
    p.chunks = chunks;
    return forall;
  }
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  auto [begin, size] = sequences.bounds(b, p.batch, index(length));
  p.row = attr(0);
  p.begin = begin;
  p.length = size;
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
  if (isPacked())
    room = roomOf(p.chunks);
  SmallVector<Fold> offsets = {p.slot, stateRow(p), p.first, attr(0)},
                    sizes = {room, attr(1), p.count, depth};
  Value own = slice(dest, offsets, sizes);
  auto loop =
      scf::ForOp::create(b, loc, constant(0), index(room), constant(1),
                         ValueRange{own, takeState(p, op.getInitialState())});
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    Value i = loop.getInductionVar();
    // The step after the last chunk is not needed, but costs nothing to name.
    Fold t = apply(d0 * tileT, {Fold(i)});
    Fold size = clampedSize(t, p.length, tileT);
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

SmallVector<Value> ScanGrids::build() {
  // The views in the operator's order stand in front of both grids.
  for (Value v : getTimeOperands())
    sequences.inOrder(v);
  Value starts = buildStarts();
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);

  // Destinations of the grid: what chunks write, and sums.
  SmallVector<Fold> data = {dim(op.getU(), 0), channels, length};
  SmallVector<Fold> rows = {batch, channels};
  SmallVector<Fold> matrix = {batch, channels, depth};
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
        o = {isWritten(k) ? p.row : Fold(p.batch), p.first};
        s = {attr(1), p.count};
        if (k != D && k != bias) {
          o.push_back(isWritten(k) ? p.begin : attr(0));
          s.push_back(isWritten(k) ? p.length : depth);
        }
      }
      if (isWritten(k))
        carried.push_back(slice(dests[k], o, s));
      else if (k == state)
        carried.push_back(takeState(p, op.getFinalStateGrad()));
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
      Fold t = apply(d0 * tileT, {i}), size = clampedSize(t, p.length, tileT);
      Fold place = isPacked() ? apply(d0 + d1, {p.slot, i}) : i;
      SmallVector<Fold> at = {place, stateRow(p), p.first, attr(0)};
      SmallVector<Fold> one = {attr(1), attr(1), p.count, depth};
      SmallVector<Fold> ones(4, attr(1));
      // Without the number of the chunk.
      auto type = tensor::ExtractSliceOp::inferCanonicalRankReducedResultType(
          3, cast<RankedTensorType>(starts.getType()), one);
      Value start = tensor::ExtractSliceOp::create(
          b, loc, cast<RankedTensorType>(type), starts, at, one, ones);
      // A size of what has lost a dimension is not asked for.
      auto tile = RankedTensorType::get({1, tileC, states}, acc);
      if (start.getType() != tile) {
        SmallVector<Fold> low(3, attr(0)), high = low;
        high[1] = apply(tileC - d0, {p.count});
        Value none = arith::ConstantOp::create(b, loc, b.getZeroAttr(acc));
        start = tensor::PadOp::create(b, loc, tile, start, low, high, none);
      }
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
      SmallVector<Type> types;
      for (Value init : inits)
        if (init)
          types.push_back(init.getType());
      auto part = ChunkScanBackwardOp::create(
          b, loc, types, takeSteps(p, op.getU(), t, size),
          takeSteps(p, op.getDelta(), t, size), takeMatrix(p, op.getA()),
          takeProjection(p, op.getB(), t, size),
          takeProjection(p, op.getC(), t, size), takeRows(p, op.getD()),
          takeSteps(p, op.getZ(), t, size), takeRows(p, op.getDeltaBias()),
          takeSteps(p, op.getOutGrad(), t, size), start, index(size), inits[0],
          inits[1], inits[2], inits[3], inits[4], inits[5], inits[6], inits[7],
          inits[8], op.getDeltaSoftplusAttr(), schedule);
      SmallVector<Value> yielded = llvm::to_vector_of<Value>(part.getResults());
      for (int k = 0; k < int(outs.size()); ++k) {
        if (!isWritten(k))
          continue;
        // The steps of this chunk, in all but the last dimension the whole.
        SmallVector<Fold> to(offsets[k].size(), attr(0)), cut = sizes[k];
        to.back() = t;
        cut.back() = size;
        unsigned rank = shapeOf(yielded[k]).size();
        SmallVector<Fold> none(rank, attr(0));
        Value tile =
            slice(yielded[k], none, ArrayRef<Fold>(cut).take_back(rank));
        yielded[k] = insert(tile, args[k], to, cut);
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
      v = grid.getResult(state);
    results.push_back(convert(v, result.getType()));
  }
  return results;
}

SmallVector<Value> seqc::buildScanBackwardGrids(RewriterBase &b,
                                                SelectiveScanBackwardOp op) {
  return ScanGrids(b, op).build();
}
