//===- CollapseGrid.cpp - Parts times tiles as one grid -------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction that was split is a parallel loop over its parts, and tiling puts
// a grid into each part:
//
//   forall (p)        shared_outs(all)   { slices of part p
//     forall (b, h, i) shared_outs(one)  { tile; insert into one[b, h, i] }
//                                          insert into all[p] }
//
// A GPU has one grid, so both become
//
//   forall (p, b, h, i) shared_outs(all) { slices of part p; tile;
//                                          insert into all[p, b, h, i] }
//
// which is the same where the bounds of the inner loop do not depend on the
// part, and it inserts all that the outer one inserts. A tile that reads what
// its part starts from reads what that is outside of the loops.
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCCOLLAPSEGRID
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

/// The only grid of `outer`, if that has no other loop and is none itself.
static scf::ForallOp getGrid(scf::ForallOp outer) {
  if (outer->hasAttr("seqc.grid"))
    return nullptr;
  scf::ForallOp grid;
  for (Operation &op : outer.getBody()->without_terminator()) {
    if ((op.getNumRegions() == 0 || isa<linalg::FillOp>(op)) &&
        isMemoryEffectFree(&op))
      continue;
    auto inner = dyn_cast<scf::ForallOp>(op);
    if (!inner || grid || !inner->hasAttr("seqc.grid"))
      return nullptr;
    grid = inner;
  }
  return grid;
}

/// Moves `v` and what it is made of in front of `outer`; false if it depends on
/// the part.
static bool hoist(scf::ForallOp outer, Value v) {
  if (v.getParentRegion()->isProperAncestor(&outer.getRegion()))
    return true;
  Operation *op = v.getDefiningOp();
  if (!op || op->getNumRegions() != 0 || !isPure(op) ||
      op->getBlock() != outer.getBody())
    return false;
  for (Value operand : op->getOperands())
    if (!hoist(outer, operand))
      return false;
  op->moveBefore(outer);
  return true;
}

static tensor::ParallelInsertSliceOp getInsert(scf::ForallOp loop, Value dest) {
  for (Operation &op : loop.getTerminator().getYieldingOps())
    if (auto insert = dyn_cast<tensor::ParallelInsertSliceOp>(op))
      if (insert.getDest() == dest)
        return insert;
  return nullptr;
}

namespace {

/// Where a result of the grid goes in the outer loop.
struct Place {
  tensor::ParallelInsertSliceOp insert;
  /// The dimensions of the outer tensor that the grid's has too.
  SmallVector<int64_t> dims;
};

} // namespace

/// The place of each result of `grid`, if it is all that `outer` inserts.
static bool getPlaces(scf::ForallOp outer, scf::ForallOp grid,
                      SmallVectorImpl<Place> &places) {
  places.assign(grid.getNumResults(), Place());
  for (Operation &op : outer.getTerminator().getYieldingOps()) {
    auto insert = dyn_cast<tensor::ParallelInsertSliceOp>(op);
    if (!insert || !insert.hasUnitStride())
      return false;
    Value source = insert.getSource();
    while (auto cast = source.getDefiningOp<tensor::CastOp>())
      source = cast.getSource();
    auto result = dyn_cast<OpResult>(source);
    if (!result || result.getOwner() != grid)
      return false;
    Place &place = places[result.getResultNumber()];
    int64_t rank = cast<RankedTensorType>(source.getType()).getRank();
    int64_t outerRank = insert.getDestType().getRank();
    // What is dropped are leading dimensions of one element.
    if (place.insert)
      return false;
    for (int64_t d = 0; d < outerRank; ++d) {
      if (d >= outerRank - rank)
        place.dims.push_back(d);
      else if (!isOneInteger(insert.getMixedSizes()[d]))
        return false;
    }
    place.insert = insert;
  }
  return llvm::all_of(places, [](Place &place) { return bool(place.insert); });
}

static bool collapse(RewriterBase &b, scf::ForallOp outer) {
  scf::ForallOp grid = getGrid(outer);
  SmallVector<Place> places;
  if (!grid || !getPlaces(outer, grid, places))
    return false;
  for (Value arg : grid.getRegionIterArgs())
    if (!getInsert(grid, arg) || !getInsert(grid, arg).hasUnitStride())
      return false;
  for (Value bound :
       llvm::concat<Value>(grid.getDynamicLowerBound(),
                           grid.getDynamicUpperBound(), grid.getDynamicStep()))
    if (!hoist(outer, bound))
      return false;

  Location loc = outer.getLoc();
  b.setInsertionPoint(outer);
  auto join = [](ArrayRef<Fold> x, ArrayRef<Fold> y) {
    SmallVector<Fold> all(x);
    llvm::append_range(all, y);
    return all;
  };
  auto loop = scf::ForallOp::create(
      b, loc, join(outer.getMixedLowerBound(), grid.getMixedLowerBound()),
      join(outer.getMixedUpperBound(), grid.getMixedUpperBound()),
      join(outer.getMixedStep(), grid.getMixedStep()), outer.getOutputs(),
      /*mapping=*/std::nullopt);
  loop->setAttr("seqc.grid", b.getUnitAttr());
  if (outer->hasAttr(kSequencesAttr))
    loop->setAttr(kSequencesAttr, b.getUnitAttr());
  unsigned outerRank = outer.getRank();
  IRMapping map;
  SmallVector<Value> ivs = loop.getInductionVars();
  map.map(outer.getInductionVars(), ArrayRef(ivs).take_front(outerRank));
  map.map(grid.getInductionVars(), ArrayRef(ivs).drop_front(outerRank));
  map.map(outer.getRegionIterArgs(), loop.getRegionIterArgs());

  b.setInsertionPoint(loop.getTerminator());
  for (Operation &op : outer.getBody()->without_terminator())
    if (&op != grid && !llvm::is_contained(grid->getUsers(), &op))
      b.clone(op, map);
  auto lookup = [&](Fold fold) -> Fold {
    if (auto value = dyn_cast<Value>(fold))
      return map.lookupOrDefault(value);
    return fold;
  };
  for (auto [arg, init, place] :
       llvm::zip(grid.getRegionIterArgs(), grid.getOutputs(), places)) {
    Value dest = map.lookupOrDefault(init);
    // What the grid writes into, where that is nothing yet, is its place.
    auto type = cast<RankedTensorType>(init.getType());
    if (init.getDefiningOp<tensor::EmptyOp>() &&
        type.getRank() == place.insert.getDestType().getRank()) {
      SmallVector<Fold> offsets =
          llvm::map_to_vector(place.insert.getMixedOffsets(), lookup);
      SmallVector<Fold> sizes =
          llvm::map_to_vector(place.insert.getMixedSizes(), lookup);
      SmallVector<Fold> ones(offsets.size(), b.getIndexAttr(1));
      dest = tensor::ExtractSliceOp::create(
          b, loc, map.lookup(place.insert.getDest()), offsets, sizes, ones);
      if (dest.getType() != type)
        dest = tensor::CastOp::create(b, loc, type, dest);
    }
    map.map(arg, dest);
  }
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  auto add = [&](Fold x, Fold y) {
    return affine::makeComposedFoldedAffineApply(b, loc, d0 + d1, {x, y});
  };
  // Places that follow from what there is already are found in front of what
  // the grid computes, which may write to them.
  bool isSequences = outer->hasAttr(kSequencesAttr);
  auto isKnown = [&](Fold fold) {
    auto value = dyn_cast<Value>(fold);
    return !value || map.contains(value) ||
           value.getParentRegion()->isProperAncestor(&outer.getRegion());
  };
  SmallVector<SmallVector<Fold>> known(places.size());
  for (auto [arg, place, sums] :
       llvm::zip(grid.getRegionIterArgs(), places, known))
    for (auto [d, more] :
         llvm::zip(place.dims, getInsert(grid, arg).getMixedOffsets())) {
      Fold offset = lookup(place.insert.getMixedOffsets()[d]);
      bool isEarly = isSequences && !isZeroInteger(offset) && isKnown(more);
      sums.push_back(isEarly ? add(offset, lookup(more)) : Fold());
    }
  for (Operation &op : grid.getBody()->without_terminator())
    b.clone(op, map);

  b.setInsertionPointToStart(loop.getTerminator().getBody());
  for (auto [arg, place, sums] :
       llvm::zip(grid.getRegionIterArgs(), places, known)) {
    tensor::ParallelInsertSliceOp inner = getInsert(grid, arg);
    SmallVector<Fold> offsets = place.insert.getMixedOffsets(),
                      sizes = place.insert.getMixedSizes();
    for (Fold &offset : offsets)
      offset = lookup(offset);
    for (auto [d, more, size, sum] :
         llvm::zip(place.dims, inner.getMixedOffsets(), inner.getMixedSizes(),
                   sums)) {
      sizes[d] = lookup(size);
      if (isZeroInteger(offsets[d])) {
        offsets[d] = lookup(more);
        continue;
      }
      if (sum) {
        offsets[d] = sum;
        continue;
      }
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(loop.getTerminator());
      offsets[d] = add(offsets[d], lookup(more));
    }
    SmallVector<Fold> ones(offsets.size(), b.getIndexAttr(1));
    tensor::ParallelInsertSliceOp::create(
        b, loc, map.lookupOrDefault(inner.getSource()),
        map.lookup(place.insert.getDest()), offsets, sizes, ones);
  }
  b.replaceOp(outer, loop.getResults());
  return true;
}

namespace {
struct CollapseGridPass
    : public seqc::impl::SeqcCollapseGridBase<CollapseGridPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<scf::ForallOp> loops(
        getOperation().getOps<scf::ForallOp>().begin(),
        getOperation().getOps<scf::ForallOp>().end());
    for (scf::ForallOp loop : loops)
      if (collapse(rewriter, loop))
        ++numCollapsed;
  }
};
} // namespace
