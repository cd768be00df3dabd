//===- ScanGrids.h - The backward of a scan as grids -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What RecomputeScanGrids.cpp and SplitScanBackward.cpp build together.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SCANGRIDS_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SCANGRIDS_H

#include "GradientBuilder.h"
#include "Sequences.h"

#include "seqc/Analysis/ChipInfo.h"

namespace seqc {

inline ArrayRef<int64_t> shapeOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getShape();
}

inline bool isVariable(Value projection) {
  return ChunkScanBackwardOp::isVariable(projection);
}

/// How many groups a projection B or C has.
inline int64_t groupsOf(Value projection) {
  return shapeOf(projection).size() == 4 ? shapeOf(projection)[1] : 1;
}

/// Builds the grids of one operator.
class ScanGrids : public GradientBuilder {
public:
  /// With parts of the sequence if the schedule says so and `chip` is a GPU.
  ScanGrids(RewriterBase &b, SelectiveScanBackwardOp op, const ChipInfo &chip);

  SmallVector<Value> build();
  /// Whether the sequence has parts.
  bool isSplit() const { return bool(share); }

private:
  /// The tile of a grid.
  struct Place {
    Value batch, group, channel; // channel: the first one, in its group
    Fold count, first;           // how many there are, and the first of all
    // Of the sequence or its part: its batch in the data, its first step and
    // how many it has, its chunks, and where its states are stored.
    Fold row, begin, length, chunks, slot;
    // Steps are read from chunk `firstChunk` on up to step `end`.
    Fold firstChunk, end;
    // Of a part: which it is, and its place among the sums.
    Value part;
    Fold sums;
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
  /// The gradients of steps t to t + size of the place, from `state` before
  /// them. `inits` has those of the operator, in its order, null where it has
  /// none.
  ChunkScanBackwardOp buildChunk(const Place &p, Fold t, Fold size, Value state,
                                 ArrayRef<Value> inits);
  /// Which of `own` groups the channels of the tile are in.
  Fold groupOf(const Place &p, int64_t own) {
    AffineExpr d0;
    bindDims(b.getContext(), d0);
    return apply(d0.floorDiv(groupCount / own), {Fold(p.group)});
  }
  /// Where in the partial sums of a projection the tile's are.
  void getPartial(const Place &p, Value projection, SmallVectorImpl<Fold> &o,
                  SmallVectorImpl<Fold> &s);

  /// The first step of chunk `i` of the place, where it is read.
  Fold firstStep(const Place &p, Fold i) {
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    return apply((d0 + d1) * tileT, {p.firstChunk, i});
  }
  /// The tile's part of `all` (number, batch, channel, state).
  Value takeStored(const Place &p, Value all, Fold number);
  Value buildStarts();

  // Parts of the sequence (SplitScanBackward.cpp).
  void chooseParts(const ChipInfo &chip, int64_t most);
  int64_t endSteps();
  void buildParts();
  std::pair<Value, Value> buildEnds();
  Value buildAdjointEnds();
  Value stateOrZero(Value given);
  std::pair<Fold, Fold> getPart(Value part);

  SelectiveScanBackwardOp op;
  Type element;
  Sequences sequences;
  ScheduleAttr schedule;
  int64_t tileC, tileT, states, groupCount;
  Fold batch, channels, length, depth, groupSize, tiles, chunks;
  // How many parts there are, and chunks in each; null without parts.
  Fold parts;
  Value share;
  /// What each part starts from: the state before it, the gradient of the one
  /// behind it. And the gradient of the first.
  Value partStarts, partGrads, initialStateGrad;
};

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SCANGRIDS_H
