//===- SplitReduction.cpp - Split keys, split sequence --------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The reduced dimension is cut into parts that start from the identity and run
// in parallel; the operator's own merge combines their states. Everything goes
// through PartialReductionOpInterface, so keys (Flash-Decoding) and time steps
// (a parallel scan) take the same path.
//
// The outputs of a scan are not a reduction: each needs the state before it. A
// scan with outputs therefore runs twice: once for the (state, decay) of each
// part, and, from the merged states of the parts before, once for the outputs.
//
// On a GPU a part of attention and a tile of it are one thread block, and the
// merge is an operator of its own, so that it becomes one kernel too. How many
// parts there are follows from the sizes of a call, by host arithmetic: as many
// as let the blocks of all tiles be resident at once, for then the memory has
// all the requests that it can have; but each with keys enough to be worth its
// start and its share of the merge. Where each batch entry has a key length of
// its own, the host knows the largest only: there are as many parts as that
// asks for, and each entry shares out what it has.
//
// A scan on a GPU goes over its parts twice, too: the first time backwards, to
// the steps that the part's end still depends on (convert-seqc-to-tile), which
// are few if decays are strong. `seqc.scan_prefix` in between is a kernel of
// its own. It is worth that only where channels leave most of the chip without
// blocks.
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "seqc/Analysis/ChipInfo.h"
#include "seqc/Analysis/IOModel.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCSPLITREDUCTION
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

namespace {

/// Splits one operator along its reduced dimension.
class Splitter {
public:
  Splitter(RewriterBase &b, Operation *op, Fold parts, int64_t multiple)
      : b(b), op(op), loc(op->getLoc()), parts(parts),
        dim(cast<MonoidOpInterface>(op).getReductionDim()) {
    b.setInsertionPoint(op);
    domain = cast<TilingInterface>(op).getIterationDomain(b);
    // Parts are multiples of a tile, so that only the last one has an edge.
    AffineExpr d0;
    bindDims(b.getContext(), d0);
    if (auto number = getConstantIntValue(parts)) {
      partSize = affine::makeComposedFoldedAffineApply(
          b, loc, d0.ceilDiv(*number * multiple) * multiple,
          {domain[dim].size});
      return;
    }
    auto index = [&](Fold fold) {
      return getValueOrCreateConstantIndexOp(b, loc, fold);
    };
    Value step = index(b.getIndexAttr(multiple));
    Value tiles =
        arith::CeilDivSIOp::create(b, loc, index(domain[dim].size), step);
    Value share = arith::CeilDivSIOp::create(b, loc, tiles, index(parts));
    partSize = arith::MulIOp::create(b, loc, share, step).getResult();
  }

  /// Parts of `share` times `multiple` positions, none of them empty.
  Splitter(RewriterBase &b, Operation *op, Fold parts, Fold share,
           int64_t multiple)
      : b(b), op(op), loc(op->getLoc()), parts(parts),
        dim(cast<MonoidOpInterface>(op).getReductionDim()), share(share),
        multiple(multiple) {
    b.setInsertionPoint(op);
    domain = cast<TilingInterface>(op).getIterationDomain(b);
  }

  /// The offsets and sizes of part `index` in the iteration space.
  void getPart(Value index, SmallVector<Fold> &offsets,
               SmallVector<Fold> &sizes) {
    for (Range range : domain) {
      offsets.push_back(range.offset);
      sizes.push_back(range.size);
    }
    AffineExpr d0, d1, d2;
    bindDims(b.getContext(), d0, d1, d2);
    MLIRContext *context = b.getContext();
    if (share) {
      // Where the part is used, so that its alignment is known there.
      auto number = [&](Fold fold) {
        return getValueOrCreateConstantIndexOp(b, loc, fold);
      };
      Value size = b.createOrFold<arith::MulIOp>(
          loc, number(share), number(b.getIndexAttr(multiple)));
      offsets[dim] = arith::MulIOp::create(b, loc, index, size).getResult();
      sizes[dim] = affine::makeComposedFoldedAffineMin(
          b, loc, AffineMap::get(3, 0, {d0, d1 - d2}, context),
          {Fold(size), domain[dim].size, offsets[dim]});
      return;
    }
    Value size = getValueOrCreateConstantIndexOp(b, loc, partSize);
    Fold start = arith::MulIOp::create(b, loc, index, size).getResult();
    offsets[dim] = affine::makeComposedFoldedAffineMin(
        b, loc, AffineMap::get(2, 0, {d0, d1}, context),
        {start, domain[dim].size});
    sizes[dim] = affine::makeComposedFoldedAffineMin(
        b, loc, AffineMap::get(3, 0, {d0, d1 - d2}, context),
        {Fold(size), domain[dim].size, offsets[dim]});
  }

  scf::ForallOp createForall(ValueRange outs) {
    return scf::ForallOp::create(b, loc, ArrayRef<Fold>{parts}, outs,
                                 /*mapping=*/std::nullopt);
  }

  void parallelInsert(Value source, Value dest, ArrayRef<Fold> offsets,
                      ArrayRef<Fold> sizes) {
    // Sizes that agree may be static in one operand only.
    auto type = cast<RankedTensorType>(source.getType());
    SmallVector<int64_t> shape;
    for (Fold size : sizes.take_back(type.getRank()))
      shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
    auto sliced = RankedTensorType::get(shape, type.getElementType());
    if (sliced != type) {
      OpBuilder::InsertionGuard guard(b);
      if (auto inParallel =
              dyn_cast<scf::InParallelOp>(b.getInsertionBlock()->getParentOp()))
        b.setInsertionPoint(inParallel);
      source = tensor::CastOp::create(b, loc, sliced, source);
    }
    SmallVector<Fold> ones(offsets.size(), b.getIndexAttr(1));
    tensor::ParallelInsertSliceOp::create(b, loc, source, dest, offsets, sizes,
                                          ones);
  }

  /// The partial states of `reduction`, one per part, along a new first
  /// dimension. Each part starts from what it has there, the identity, or,
  /// which is the same, from `identity` if that is given.
  FailureOr<SmallVector<Value>>
  buildPartials(PartialReductionOpInterface reduction,
                ValueRange identity = {}) {
    SmallVector<Fold> tileSizes(domain.size(), b.getIndexAttr(0));
    tileSizes[dim] = parts;
    SetVector<unsigned> dims;
    dims.insert(dim);
    FailureOr<SmallVector<Value>> inits =
        reduction.generateInitialTensorForPartialReduction(b, loc, tileSizes,
                                                           dims);
    if (failed(inits))
      return failure();
    auto strategy = ReductionTilingStrategy::PartialReductionOuterParallel;
    scf::ForallOp forall = createForall(*inits);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(forall.getTerminator());
    Value index = forall.getInductionVars()[0];
    SmallVector<Fold> offsets, sizes;
    getPart(index, offsets, sizes);
    ValueRange dests = forall.getRegionIterArgs();
    FailureOr<TilingResult> part = reduction.tileToPartialReduction(
        b, loc, strategy, dests, offsets, sizes, dims, {Fold(index)});
    if (failed(part))
      return failure();
    Operation *partOp = part->tiledOps.front();
    markSplit(partOp);
    if (!identity.empty()) {
      auto inits =
          cast<DestinationStyleOpInterface>(partOp).getDpsInitsMutable();
      for (auto [init, value, result] :
           llvm::zip(inits, identity, partOp->getResults())) {
        init.set(value);
        result.setType(value.getType());
      }
    }
    SmallVector<std::pair<SmallVector<Fold>, SmallVector<Fold>>> positions;
    for (unsigned i = 0; i < part->tiledValues.size(); ++i) {
      SmallVector<Fold> o, s;
      if (failed(reduction.getPartialResultTilePosition(
              b, i, strategy, offsets, sizes, dims, {Fold(index)}, o, s)))
        return failure();
      positions.push_back({o, s});
    }
    b.setInsertionPointToStart(forall.getTerminator().getBody());
    for (auto [i, value] : llvm::enumerate(part->tiledValues))
      parallelInsert(value, dests[i], positions[i].first, positions[i].second);
    return llvm::to_vector_of<Value>(forall.getResults());
  }

  /// The same, where each batch entry has a key length of its own: an entry
  /// shares out the keys that it has, in multiples of `multiple`. One operator
  /// for each part of each entry.
  FailureOr<SmallVector<Value>> buildEntryPartials(OnlineAttentionOp attention,
                                                   int64_t multiple) {
    SmallVector<Fold> tileSizes(domain.size(), b.getIndexAttr(0));
    tileSizes[dim] = parts;
    SetVector<unsigned> dims;
    dims.insert(dim);
    FailureOr<SmallVector<Value>> inits =
        attention.generateInitialTensorForPartialReduction(b, loc, tileSizes,
                                                           dims);
    if (failed(inits))
      return failure();
    auto forall = scf::ForallOp::create(
        b, loc, ArrayRef<Fold>{parts, domain[0].size}, ValueRange(*inits),
        /*mapping=*/std::nullopt);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(forall.getTerminator());
    Value index = forall.getInductionVars()[0],
          entry = forall.getInductionVars()[1];
    Value count = getValueOrCreateConstantIndexOp(b, loc, parts);
    Value step = arith::ConstantIndexOp::create(b, loc, multiple);
    Value length = readKeyLength(b, loc, attention.getKeyLengths(), entry,
                                 attention.getLengths()[1]);
    Value share = arith::CeilDivUIOp::create(b, loc, length, step);
    share = arith::CeilDivUIOp::create(b, loc, share, count);
    share = arith::MulIOp::create(b, loc, share, step);
    Value begin = arith::MulIOp::create(b, loc, index, share);
    begin = arith::MinUIOp::create(b, loc, begin, length);
    Value size = arith::SubIOp::create(b, loc, length, begin);
    size = arith::MinUIOp::create(b, loc, size, share);

    SmallVector<Fold> offsets(4, b.getIndexAttr(0)), sizes;
    for (Range range : domain)
      sizes.push_back(range.size);
    offsets[0] = entry;
    sizes[0] = b.getIndexAttr(1);
    offsets[dim] = begin;
    sizes[dim] = size;
    FailureOr<TilingResult> tiled =
        attention.getTiledImplementation(b, offsets, sizes);
    if (failed(tiled))
      return failure();
    auto part = cast<OnlineAttentionOp>(tiled->tiledOps.front());
    markSplit(part);
    // From the identity, which is made in front of the loops.
    b.setInsertionPoint(forall);
    for (auto [i, init] : llvm::enumerate(part.getDpsInitsMutable())) {
      auto type = cast<RankedTensorType>(init.get().getType());
      auto element = cast<FloatType>(type.getElementType());
      Value value = arith::ConstantOp::create(
          b, loc,
          b.getFloatAttr(
              element, i == 0
                           ? APFloat::getInf(element.getFloatSemantics(), true)
                           : APFloat::getZero(element.getFloatSemantics())));
      Value empty = tensor::EmptyOp::create(b, loc, type.getShape(), element);
      init.set(linalg::FillOp::create(b, loc, value, empty).getResult(0));
      part->getResult(i).setType(type);
    }
    b.setInsertionPointToStart(forall.getTerminator().getBody());
    for (auto [value, dest] :
         llvm::zip(part->getResults(), forall.getRegionIterArgs())) {
      int64_t rank = cast<RankedTensorType>(dest.getType()).getRank();
      SmallVector<Fold> at(rank, b.getIndexAttr(0)), extents;
      at[0] = index;
      at[1] = entry;
      for (int64_t d = 0; d < rank; ++d)
        extents.push_back(
            d < 2 ? b.getIndexAttr(1)
                  : b.getIndexAttr(cast<RankedTensorType>(value.getType())
                                       .getDimSize(d - 1)));
      parallelInsert(value, dest, at, extents);
    }
    return llvm::to_vector_of<Value>(forall.getResults());
  }

  /// Records in the schedule that this operator is a part already.
  static void markSplit(Operation *part) {
    if (auto schedule = part->getAttrOfType<ScheduleAttr>("schedule"))
      part->setAttr("schedule", ScheduleAttr::get(
                                    part->getContext(), schedule.getTileM(),
                                    schedule.getTileN(), 1,
                                    schedule.getStages(), schedule.getWarps()));
  }

  RewriterBase &b;
  Operation *op;
  Location loc;
  Fold parts;
  unsigned dim;
  SmallVector<Range> domain;
  Fold partSize;
  Fold share;
  int64_t multiple = 1;
};

} // namespace

/// Whether `type` is a tensor with a static size of 0.
static bool hasNoElements(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && llvm::is_contained(tensor.getShape(), 0);
}

namespace {
/// Sizes of a call, as values on the host.
class HostSizes {
public:
  HostSizes(RewriterBase &b, Location loc) : b(b), loc(loc) {}

  Value number(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value size(Value v, int64_t dim) {
    return getValueOrCreateConstantIndexOp(
        b, loc, tensor::getMixedSize(b, loc, v, dim));
  }
  template <typename Op>
  Value fold(Value x, Value y) {
    return b.createOrFold<Op>(loc, x, y);
  }
  Value atLeastOne(Value v) { return fold<arith::MaxSIOp>(v, number(1)); }
  /// Blocks for each of `tiles`, but not more than `most`, nor than dimension
  /// `dim` of `v` has parts of the least size.
  Value share(Value tiles, Value v, int64_t dim, const SplitModel &model,
              int64_t most) {
    Value blocks = number(model.blocks), some = atLeastOne(tiles);
    Value resident = fold<arith::DivSIOp>(blocks, some);
    Value all = size(v, dim);
    Value worth = fold<arith::CeilDivSIOp>(all, number(model.leastKeys));
    return fold<arith::MinSIOp>(fold<arith::MinSIOp>(resident, worth),
                                number(most));
  }

private:
  RewriterBase &b;
  Location loc;
};
} // namespace

/// The number of parts that one call is worth on `chip`: see the head of this
/// file. A number where all sizes are static.
static Fold chooseParts(RewriterBase &b, OnlineAttentionOp op,
                        const ChipInfo &chip, ScheduleAttr schedule) {
  SplitModel model =
      getSplitModel(op, chip,
                    {schedule.getTileM(), schedule.getTileN(), /*splits=*/0,
                     schedule.getStages(), schedule.getWarps()});
  HostSizes host(b, op.getLoc());
  Value query = op.getQuery();
  Value tiles = host.fold<arith::CeilDivSIOp>(host.size(query, 2),
                                              host.number(schedule.getTileM()));
  tiles = host.fold<arith::MulIOp>(tiles, host.size(query, 0));
  tiles = host.fold<arith::MulIOp>(tiles, host.size(query, 1));
  Value parts = host.share(tiles, op.getKey(), 2, model, model.mostParts);
  return getAsOpFoldResult(host.atLeastOne(parts));
}

/// The same of a scan, `most` at most, and the chunks of a part. One where the
/// tiles of channels are enough for half of the blocks.
static std::pair<Fold, Fold> chooseParts(RewriterBase &b, ChunkScanOp op,
                                         const ChipInfo &chip,
                                         ScheduleAttr schedule, int64_t most) {
  Location loc = op.getLoc();
  SplitModel model = getSplitModel(op, chip,
                                   {schedule.getTileM(), schedule.getTileN(),
                                    schedule.getSplits(), schedule.getStages(),
                                    schedule.getWarps()});
  HostSizes host(b, loc);
  Value tiles = host.fold<arith::CeilDivSIOp>(host.size(op.getU(), 1),
                                              host.number(schedule.getTileM()));
  tiles = host.fold<arith::MulIOp>(tiles, host.size(op.getU(), 0));
  Value parts =
      host.share(tiles, op.getU(), 2, model, std::min(model.mostParts, most));
  // 15/16 of it: what is left over is less than a split costs.
  Value needed = host.fold<arith::MulIOp>(tiles, host.number(32));
  Value isFew = b.createOrFold<arith::CmpIOp>(
      loc, arith::CmpIPredicate::slt, needed, host.number(15 * model.blocks));
  parts = b.createOrFold<arith::SelectOp>(loc, isFew, parts, host.number(1));
  parts = host.atLeastOne(parts);
  // As many as have a chunk.
  Value chunks = host.fold<arith::CeilDivSIOp>(
      host.size(op.getU(), 2), host.number(schedule.getTileN()));
  Value share = host.atLeastOne(host.fold<arith::CeilDivSIOp>(chunks, parts));
  parts = host.atLeastOne(host.fold<arith::CeilDivSIOp>(chunks, share));
  return {getAsOpFoldResult(parts), getAsOpFoldResult(share)};
}

/// Parts that become thread blocks, and one operator that merges them.
static LogicalResult splitIntoBlocks(RewriterBase &b, OnlineAttentionOp op,
                                     Fold parts, int64_t multiple) {
  Splitter splitter(b, op, parts, multiple);
  FailureOr<SmallVector<Value>> partials = failure();
  // The grid of an entry's parts must not depend on the entry.
  auto query = cast<RankedTensorType>(op.getQuery().getType());
  if (op.getKeyLengths() && !query.isDynamicDim(1) && !query.isDynamicDim(2)) {
    partials = splitter.buildEntryPartials(op, multiple);
  } else {
    SmallVector<Value> identity = op.buildIdentity(b, op.getLoc(), {});
    partials = splitter.buildPartials(
        cast<PartialReductionOpInterface>(op.getOperation()), identity);
  }
  if (failed(partials))
    return failure();
  b.replaceOpWithNewOp<SoftmaxMergeOp>(
      op, op.getResultTypes(), (*partials)[0], (*partials)[1], (*partials)[2],
      op.getMaxInit(), op.getSumInit(), op.getAccInit());
  return success();
}

static LogicalResult splitAttention(RewriterBase &b, OnlineAttentionOp op,
                                    int64_t parts, int64_t multiple) {
  Splitter splitter(b, op, b.getIndexAttr(parts), multiple);
  auto reduction = cast<PartialReductionOpInterface>(op.getOperation());
  FailureOr<SmallVector<Value>> partials = splitter.buildPartials(reduction);
  if (failed(partials))
    return failure();
  SetVector<unsigned> dims;
  dims.insert(splitter.dim);
  FailureOr<MergeResult> merged =
      reduction.mergeReductions(b, op.getLoc(), *partials, dims);
  if (failed(merged))
    return failure();
  b.replaceOp(op, merged->replacements);
  return success();
}

static LogicalResult splitScan(RewriterBase &b, ChunkScanOp op, int64_t parts,
                               int64_t multiple) {
  Location loc = op.getLoc();
  Splitter splitter(b, op, b.getIndexAttr(parts), multiple);

  // The (state, decay) of each part, from the identity.
  Value one = arith::ConstantOp::create(
      b, loc,
      b.getFloatAttr(getElementTypeOrSelf(op.getStateInit().getType()), 1.0));
  auto stateType = cast<RankedTensorType>(op.getStateInit().getType());
  SmallVector<Fold> stateSizes =
      tensor::getMixedSizes(b, loc, op.getStateInit());
  Value decayInit = op.getDecayInit();
  if (!decayInit) {
    Value empty =
        tensor::EmptyOp::create(b, loc, stateSizes, stateType.getElementType());
    decayInit = linalg::FillOp::create(b, loc, one, empty).getResult(0);
  }
  auto ends = ChunkScanOp::create(
      b, loc, TypeRange{op.getStateInit().getType(), decayInit.getType()},
      op.getU(), op.getDelta(), op.getA(), op.getB(), /*C=*/Value(),
      /*D=*/Value(), /*z=*/Value(), op.getDeltaBias(), op.getSteps(),
      /*out_init=*/Value(), op.getStateInit(), decayInit,
      op.getDeltaSoftplusAttr(), op.getScheduleAttr());
  auto reduction = cast<PartialReductionOpInterface>(ends.getOperation());
  FailureOr<SmallVector<Value>> partials = splitter.buildPartials(reduction);
  if (failed(partials))
    return failure();
  SetVector<unsigned> dims;
  dims.insert(splitter.dim);
  if (!op.getOutInit()) {
    FailureOr<MergeResult> merged =
        reduction.mergeReductions(b, loc, *partials, dims);
    if (failed(merged))
      return failure();
    SmallVector<Value> results = {merged->replacements[0]};
    if (op.getDecayInit())
      results.push_back(merged->replacements[1]);
    b.replaceOp(op, results);
    b.eraseOp(ends);
    return success();
  }

  // The state before each part, and after the last.
  SmallVector<Fold> startSizes = {b.getIndexAttr(parts)};
  llvm::append_range(startSizes, stateSizes);
  Value starts =
      tensor::EmptyOp::create(b, loc, startSizes, stateType.getElementType());
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value step = arith::ConstantIndexOp::create(b, loc, 1);
  Value count = arith::ConstantIndexOp::create(b, loc, parts);
  SmallVector<Fold> ones(4, b.getIndexAttr(1));
  SmallVector<Fold> partSizes = startSizes;
  partSizes[0] = b.getIndexAttr(1);
  auto positionOf = [&](Value index) {
    SmallVector<Fold> offsets(4, b.getIndexAttr(0));
    offsets[0] = index;
    return offsets;
  };
  auto takePart = [&](Value v, Value index) -> Value {
    return tensor::ExtractSliceOp::create(b, loc, stateType, v,
                                          positionOf(index), partSizes, ones);
  };
  SmallVector<Value> carried = {starts, op.getStateInit()};
  if (op.getDecayInit())
    carried.push_back(op.getDecayInit());
  auto prefix = scf::ForOp::create(b, loc, zero, count, step, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(prefix.getBody());
    Value index = prefix.getInductionVar();
    ValueRange args = prefix.getRegionIterArgs();
    Value next = tensor::InsertSliceOp::create(
        b, loc, args[1], args[0], positionOf(index), partSizes, ones);
    SmallVector<Value> part = {takePart((*partials)[0], index),
                               takePart((*partials)[1], index)};
    SmallVector<Value> yielded = {next};
    llvm::append_range(yielded,
                       ends.buildMerge(b, loc, args.drop_front(), part));
    scf::YieldOp::create(b, loc, yielded);
  }

  // The outputs, each part from its state.
  scf::ForallOp forall = splitter.createForall(op.getOutInit());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(forall.getTerminator());
    Value index = forall.getInductionVars()[0];
    Value dest = forall.getRegionIterArgs()[0];
    SmallVector<Fold> offsets, sizes;
    splitter.getPart(index, offsets, sizes);
    FailureOr<TilingResult> tiled =
        op.getTiledImplementation(b, offsets, sizes);
    if (failed(tiled))
      return failure();
    auto part = cast<ChunkScanOp>(tiled->tiledOps.front());
    b.setInsertionPoint(part);
    SmallVector<Fold> outStrides(3, b.getIndexAttr(1));
    part.getOutInitMutable().assign(tensor::ExtractSliceOp::create(
        b, loc, dest, offsets, sizes, outStrides));
    part.getStateInitMutable().set(takePart(prefix.getResult(0), index));
    for (auto [result, init] : llvm::zip(part.getResults(), part.getDpsInits()))
      result.setType(init.getType());
    Splitter::markSplit(part);
    b.setInsertionPointToStart(forall.getTerminator().getBody());
    splitter.parallelInsert(part.getOut(), dest, offsets, sizes);
  }
  SmallVector<Value> results = {forall.getResult(0)};
  llvm::append_range(results, prefix.getResults().drop_front());
  b.replaceOp(op, results);
  b.eraseOp(ends);
  return success();
}

/// Parts of a scan with outputs that become thread blocks, twice.
static LogicalResult splitScanIntoBlocks(RewriterBase &b, ChunkScanOp op,
                                         Fold parts, Fold share,
                                         int64_t multiple) {
  Location loc = op.getLoc();
  Splitter splitter(b, op, parts, share, multiple);
  auto stateType = cast<RankedTensorType>(op.getStateInit().getType());
  SmallVector<Fold> stateSizes =
      tensor::getMixedSizes(b, loc, op.getStateInit());
  // What each part adds to the state before it, and what is left of that.
  Value one = arith::ConstantOp::create(
      b, loc, b.getFloatAttr(stateType.getElementType(), 1.0));
  Value empty =
      tensor::EmptyOp::create(b, loc, stateSizes, stateType.getElementType());
  Value decay = linalg::FillOp::create(b, loc, one, empty).getResult(0);
  auto ends = ChunkScanOp::create(
      b, loc, TypeRange{stateType, decay.getType()}, op.getU(), op.getDelta(),
      op.getA(), op.getB(), /*C=*/Value(), /*D=*/Value(), /*z=*/Value(),
      op.getDeltaBias(), op.getSteps(), /*out_init=*/Value(), op.getStateInit(),
      decay, op.getDeltaSoftplusAttr(), op.getScheduleAttr());
  SmallVector<Value> identity = ends.buildIdentity(b, loc, {});
  FailureOr<SmallVector<Value>> partials = splitter.buildPartials(
      cast<PartialReductionOpInterface>(ends.getOperation()), identity);
  if (failed(partials))
    return failure();
  b.eraseOp(ends);

  b.setInsertionPoint(op);
  SmallVector<Fold> allSizes = {parts};
  llvm::append_range(allSizes, stateSizes);
  Value starts =
      tensor::EmptyOp::create(b, loc, allSizes, stateType.getElementType());
  auto prefix = ScanPrefixOp::create(
      b, loc, TypeRange{starts.getType(), stateType}, (*partials)[0],
      (*partials)[1], starts, op.getStateInit());

  // The outputs of each part, and states that nothing reads.
  Value unread =
      tensor::EmptyOp::create(b, loc, allSizes, stateType.getElementType());
  scf::ForallOp forall =
      splitter.createForall(ValueRange{op.getOutInit(), unread});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(forall.getTerminator());
    Value index = forall.getInductionVars()[0];
    ValueRange dests = forall.getRegionIterArgs();
    SmallVector<Fold> offsets, sizes;
    splitter.getPart(index, offsets, sizes);
    FailureOr<TilingResult> tiled =
        op.getTiledImplementation(b, offsets, sizes);
    if (failed(tiled))
      return failure();
    auto part = cast<ChunkScanOp>(tiled->tiledOps.front());
    b.setInsertionPoint(part);
    SmallVector<Fold> ones(3, b.getIndexAttr(1)), ones4(4, b.getIndexAttr(1));
    SmallVector<Fold> place(4, b.getIndexAttr(0)), partSizes = allSizes;
    place[0] = index;
    partSizes[0] = b.getIndexAttr(1);
    part.getOutInitMutable().assign(
        tensor::ExtractSliceOp::create(b, loc, dests[0], offsets, sizes, ones));
    part.getStateInitMutable().set(tensor::ExtractSliceOp::create(
        b, loc, stateType, prefix.getStarts(), place, partSizes, ones4));
    for (auto [result, init] : llvm::zip(part.getResults(), part.getDpsInits()))
      result.setType(init.getType());
    Splitter::markSplit(part);
    b.setInsertionPointToStart(forall.getTerminator().getBody());
    splitter.parallelInsert(part.getOut(), dests[0], offsets, sizes);
    splitter.parallelInsert(part.getState(), dests[1], place, partSizes);
  }
  b.replaceOp(op, {forall.getResult(0), prefix.getState()});
  return success();
}

namespace {
struct SplitReductionPass
    : public seqc::impl::SeqcSplitReductionBase<SplitReductionPass> {
  using Base::Base;

  void runOnOperation() override {
    if (std::string problem = checkScheduleParameter("splits", splits);
        !problem.empty()) {
      emitError(getOperation()->getLoc()) << "option " << problem;
      return signalPassFailure();
    }
    std::optional<ChipInfo> info = getChipInfo(chip);
    if (!info) {
      emitError(getOperation()->getLoc()) << unknownChipMessage(chip);
      return signalPassFailure();
    }
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> ops;
    getOperation()->walk([&](MonoidOpInterface op) { ops.push_back(op); });
    for (Operation *op : ops) {
      // Packed sequences are parts already, of lengths that only the device
      // knows: what a part of one would be, and which states it would hand to
      // which part, is not arithmetic of the call.
      if (op->getParentOp()->hasAttr(kSequencesAttr))
        continue;
      auto schedule = op->getAttrOfType<ScheduleAttr>("schedule");
      int64_t parts =
          splits ? int64_t(splits) : (schedule ? schedule.getSplits() : 0);
      auto attention = dyn_cast<OnlineAttentionOp>(op);
      // Left to the call.
      bool isOpen = attention && !info->isCPU && parts == 0 && schedule &&
                    schedule.getTileM() && schedule.getTileN();
      // The parts of a scan are its schedule's at most.
      auto scan = dyn_cast<ChunkScanOp>(op);
      bool isBlocks = scan && !info->isCPU;
      if (isBlocks &&
          (!scan.getOutInit() || scan.getDecayInit() || scan.getSteps() ||
           !schedule || !schedule.getTileM() || !schedule.getTileN()))
        continue;
      // Packed heads are unpacked by what merges them.
      bool isPacked =
          attention &&
          attention.getQuery().getDefiningOp<tensor::CollapseShapeOp>();
      if (parts <= 1 && !isOpen && (info->isCPU || !isPacked))
        continue;
      parts = std::max<int64_t>(parts, 1);
      // Nothing to split where there is nothing.
      if (llvm::any_of(op->getResultTypes(), hasNoElements) ||
          llvm::any_of(op->getOperandTypes(), hasNoElements))
        continue;
      int64_t multiple =
          schedule && schedule.getTileN() ? schedule.getTileN() : 1;
      LogicalResult done = success();
      if (attention && !info->isCPU) {
        rewriter.setInsertionPoint(op);
        Fold number = rewriter.getIndexAttr(parts);
        if (isOpen)
          number = chooseParts(rewriter, attention, *info, schedule);
        done = splitIntoBlocks(rewriter, attention, number, multiple);
      } else if (isBlocks) {
        rewriter.setInsertionPoint(op);
        auto [number, share] =
            chooseParts(rewriter, scan, *info, schedule, parts);
        if (isOneInteger(number))
          continue;
        done = splitScanIntoBlocks(rewriter, scan, number, share, multiple);
      } else if (attention)
        done = splitAttention(rewriter, attention, parts, multiple);
      else
        done = splitScan(rewriter, cast<ChunkScanOp>(op), parts, multiple);
      if (failed(done))
        return signalPassFailure();
      ++numSplit;
    }
  }
};
} // namespace
