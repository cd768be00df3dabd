//===- Tile.cpp - Parallel grid and inner loop from a schedule ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One scheme for all three operators. The parallel dimensions become an
// scf.forall over tiles; inside, the reduced dimension becomes scf.for loops
// that carry the state of one tile. The tiled operator comes from the
// operator's own TilingInterface; this pass then pads what the edge cuts, so
// that every tile has the shape the schedule says.
//
//   attention  forall (b, h, query tile)     for key tiles    (max, sum, acc)
//   scan       forall (b, group, channels)   for chunks       state
//   conv1d     forall (b, channels)          for chunks       last width - 1
//   inputs
//
// For attention the key loop is split where the mask says (MaskAnalysis):
// partial, full, partial. If the mask is a union of convex sets, one loop asks
// per tile. With `single-loop` one loop asks per tile in every case, and reads
// the keys and values before it asks: copies can then run ahead of the loop.
//
//===----------------------------------------------------------------------===//

#include "SegmentBounds.h"
#include "Sequences.h"
#include "TileAttentionBackward.h"
#include "TileScanBackward.h"
#include "Tiler.h"

#include "seqc/Analysis/MaskAnalysis.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

#include <numeric>

namespace seqc {
#define GEN_PASS_DEF_SEQCTILE
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// The tile sizes of `op`: its schedule's, else fixed ones, so that the pass
/// alone does the same on every machine.
std::pair<int64_t, int64_t> getTileSizes(Operation *op) {
  bool isAttention = isa<OnlineAttentionOp, BlockAttentionBackwardOp>(op);
  int64_t m = isAttention ? 64 : 16;
  int64_t n = isAttention ? 64 : isa<ChunkScanOp>(op) ? 128 : 256;
  if (auto schedule = op->getAttrOfType<ScheduleAttr>("schedule")) {
    m = schedule.getTileM() ? schedule.getTileM() : m;
    n = schedule.getTileN() ? schedule.getTileN() : n;
  }
  // A chunk of a convolution holds the whole history of the next.
  if (auto conv = dyn_cast<CausalConv1dOp>(op)) {
    int64_t history = conv.getWeight().getType().getDimSize(1) - 1;
    n = std::max(n, roundUp(std::max<int64_t>(history, 1), 16));
  }
  return {m, n};
}

/// Whether `op` is what this pass makes: a second run leaves it alone.
bool isTile(Operation *op) {
  if (!op->getParentOfType<scf::ForallOp>())
    return false;
  auto shapeOf = [](Value v) {
    return cast<RankedTensorType>(v.getType()).getShape();
  };
  auto [m, n] = getTileSizes(op);
  return TypeSwitch<Operation *, bool>(op)
      .Case([&, m = m, n = n](OnlineAttentionOp tile) {
        ArrayRef<int64_t> query = shapeOf(tile.getQuery());
        ArrayRef<int64_t> key = shapeOf(tile.getKey());
        return query.take_front(3) == ArrayRef<int64_t>({1, 1, m}) &&
               key.take_front(3) == ArrayRef<int64_t>({1, 1, n});
      })
      .Case([&, m = m, n = n](BlockAttentionBackwardOp tile) {
        ArrayRef<int64_t> query = shapeOf(tile.getQuery());
        ArrayRef<int64_t> key = shapeOf(tile.getKey());
        return query.take_front(3) == ArrayRef<int64_t>({1, 1, m}) &&
               key.take_front(3) == ArrayRef<int64_t>({1, 1, n});
      })
      .Case([&](SoftmaxFinishOp tile) {
        ArrayRef<int64_t> acc = shapeOf(tile.getAcc());
        return acc[0] == 1 && acc[1] == 1 && ShapedType::isStatic(acc[2]);
      })
      .Case([&, m = m, n = n](ChunkScanOp tile) {
        return tile.getSteps() &&
               shapeOf(tile.getU()) == ArrayRef<int64_t>({1, m, n});
      })
      .Case([](ChunkScanBackwardOp tile) { return isScanBackwardTile(tile); })
      .Case([](ChunkConv1dBackwardOp tile) { return isConvBackwardTile(tile); })
      .Case([&, m = m, n = n](CausalConv1dOp tile) {
        bool hasState =
            tile.getInitialState() || shapeOf(tile.getWeight())[1] == 1;
        return hasState && tile->getParentOfType<scf::ForOp>() &&
               shapeOf(tile.getX()) == ArrayRef<int64_t>({1, m, n});
      })
      .Default(false);
}

} // namespace

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The finish operator that consumes all of the state of `op`, if there is one.
static SoftmaxFinishOp getFinish(OnlineAttentionOp op) {
  SoftmaxFinishOp finish;
  for (Operation *user : op->getUsers()) {
    auto candidate = dyn_cast<SoftmaxFinishOp>(user);
    if (!candidate || (finish && finish != candidate) ||
        candidate.getMax() != op.getMax() ||
        candidate.getSum() != op.getSum() ||
        candidate.getAcc() != op.getAcc() ||
        candidate->getBlock() != op->getBlock())
      return nullptr;
    finish = candidate;
  }
  return finish;
}

/// Lets the mask region of `tile` hide the keys at `end` and past it.
static void hideKeysFrom(RewriterBase &b, OnlineAttentionOp tile, Value end) {
  OpBuilder::InsertionGuard guard(b);
  Location loc = tile.getLoc();
  Region &mask = tile.getMask();
  Value visible;
  if (mask.empty()) {
    SmallVector<Type> types(4, b.getIndexType());
    b.createBlock(&mask, mask.end(), types, SmallVector<Location>(4, loc));
  } else {
    Operation *yield = mask.front().getTerminator();
    visible = yield->getOperand(0);
    b.setInsertionPoint(yield);
    b.eraseOp(yield);
    b.setInsertionPointToEnd(&mask.front());
  }
  Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                       mask.front().getArgument(3), end);
  if (visible)
    inside = arith::AndIOp::create(b, loc, visible, inside);
  YieldOp::create(b, loc, inside);
}

/// Whether two bounds are known to be the same.
static bool isSameBound(Value a, Value b) {
  return a == b || isEqualConstantIntOrValue(Fold(a), Fold(b));
}

static LogicalResult tileAttention(RewriterBase &rewriter, OnlineAttentionOp op,
                                   bool singleLoop,
                                   TileStatistics &statistics) {
  auto queryType = cast<RankedTensorType>(op.getQuery().getType());
  auto valueType = cast<RankedTensorType>(op.getValue().getType());
  int64_t headDim = queryType.getDimSize(3), valueDim = valueType.getDimSize(3);
  if (ShapedType::isDynamic(headDim) || ShapedType::isDynamic(valueDim))
    return op.emitOpError("can only be tiled with a static head_dim, but got ")
           << queryType << " and " << valueType;
  const auto tileSizes = getTileSizes(op);
  const int64_t tileM = tileSizes.first, tileN = tileSizes.second;

  SoftmaxFinishOp finish = getFinish(op);
  Operation *root = finish ? finish.getOperation() : op.getOperation();
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(root);
  Tiler t(rewriter, loc);
  // GPUs compute with 32-bit positions; a wider window is as good as none.
  if (singleLoop) {
    constexpr int64_t widest = int64_t(1) << 30;
    if (op.getWindowLeft())
      op.setWindowLeft(std::min<int64_t>(*op.getWindowLeft(), widest));
    if (op.getWindowRight())
      op.setWindowRight(std::min<int64_t>(*op.getWindowRight(), widest));
  }
  // The segments are read where the whole of them is: not in one of the parts
  // that a reduction was split into.
  std::optional<SegmentBounds> segmentBounds;
  if (op.getQuerySegments() && isa<func::FuncOp>(op->getParentOp()))
    segmentBounds.emplace(rewriter, loc, op.getQuerySegments(),
                          op.getKeySegments(), tileM, tileN);
  MaskSpec spec = MaskSpec::get(op);
  spec.hasSegmentBounds = segmentBounds.has_value();
  MaskAnalysis mask(spec, op.getContext());

  Fold batch = t.dim(op.getQuery(), 0), heads = t.dim(op.getQuery(), 1),
       queries = t.dim(op.getQuery(), 2), keys = t.dim(op.getKey(), 2);

  SmallVector<Value> outs;
  if (finish)
    outs = llvm::to_vector(finish.getDpsInits());
  else
    outs = op.getCarriedInits();

  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0), t.attr(0)},
      ArrayRef<Fold>{batch, heads, queries},
      ArrayRef<Fold>{t.attr(1), t.attr(1), t.attr(tileM)}, outs,
      /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  Value ib = forall.getInductionVars()[0], ih = forall.getInductionVars()[1],
        im = forall.getInductionVars()[2];
  Fold rows = t.clampedSize(im, queries, tileM);
  SmallVector<Fold> rowOffsets = {ib, ih, im};
  SmallVector<Fold> rowSizes = {t.attr(1), t.attr(1), rows};
  SmallVector<Fold> accOffsets = rowOffsets, accSizes = rowSizes;
  accOffsets.push_back(t.attr(0));
  accSizes.push_back(t.attr(valueDim));
  SmallVector<int64_t> rowShape = {1, 1, tileM};
  SmallVector<int64_t> accShape = {1, 1, tileM, valueDim};

  // What does not change along the keys is loaded once.
  Value query = t.pad(t.slice(op.getQuery(), {ib, ih, im, t.attr(0)},
                              {t.attr(1), t.attr(1), rows, t.attr(headDim)}),
                      {1, 1, tileM, headDim});
  Value querySegments;
  if (Value segments = op.getQuerySegments())
    querySegments =
        t.pad(t.slice(segments, {ib, im}, {t.attr(1), rows}), {1, tileM});
  SmallVector<Value> state = {
      t.initialTile(op.getMaxInit(), rowOffsets, rowSizes, rowShape),
      t.initialTile(op.getSumInit(), rowOffsets, rowSizes, rowShape),
      t.initialTile(op.getAccInit(), accOffsets, accSizes, accShape)};

  // Key positions are global in the bounds and local in the slices.
  AffineExpr d0, d1;
  bindDims(rewriter.getContext(), d0, d1);
  Value keyBase = op.getOffsets()[3];
  Value i0 = t.index(affine::makeComposedFoldedAffineApply(
      rewriter, loc, d0 + d1, {Fold(op.getOffsets()[2]), Fold(im)}));
  Value keyEnd = t.index(affine::makeComposedFoldedAffineApply(
      rewriter, loc, d0 + d1, {Fold(keyBase), keys}));
  MaskOperands operands = MaskOperands::get(rewriter, loc, op, ib, ih);
  // A batch entry with a length of its own ends there, and so do its tiles.
  Fold entryKeys = keys;
  if (Value keyLengths = op.getKeyLengths()) {
    Value length =
        readKeyLength(rewriter, loc, keyLengths, ib, op.getLengths()[1]);
    operands.keyLength = length;
    keyEnd = arith::MinSIOp::create(rewriter, loc, keyEnd, length);
    // A part that begins past it has no keys.
    keyEnd = arith::MaxSIOp::create(rewriter, loc, keyEnd, keyBase);
    entryKeys =
        arith::SubIOp::create(rewriter, loc, keyEnd, keyBase).getResult();
  }
  if (singleLoop && operands.prefix) {
    // For the same reason the prefix is brought into the range of positions.
    Value end = arith::MinSIOp::create(rewriter, loc, operands.prefix,
                                       operands.keyLength);
    operands.prefix = arith::MaxSIOp::create(rewriter, loc, end, t.constant(0));
  }
  if (segmentBounds)
    operands.segments = segmentBounds->read(rewriter, loc, ib, im, keyBase);
  // Tiles hide the keys past the last key there is. If these keys are only a
  // part of all, their tiles must also hide what is past the part.
  bool isPart = !isZeroInteger(Fold(keyBase)) ||
                !isSameSize(keys, Fold(op.getLengths()[1]));

  auto buildTile = [&](Value key, ValueRange carried,
                       TileClass tileClass) -> SmallVector<Value> {
    Fold local = affine::makeComposedFoldedAffineApply(
        rewriter, loc, d0 - d1, {Fold(key), Fold(keyBase)});
    Fold columns = tileClass == TileClass::Full
                       ? t.attr(tileN)
                       : t.clampedSize(local, entryKeys, tileN);
    FailureOr<TilingResult> tiled = op.getTiledImplementation(
        rewriter, {ib, ih, im, local}, {t.attr(1), t.attr(1), rows, columns});
    auto slice = cast<OnlineAttentionOp>(tiled->tiledOps.front());
    rewriter.setInsertionPoint(slice);
    slice.getQueryMutable().assign(query);
    slice.getKeyMutable().assign(t.pad(slice.getKey(), {1, 1, tileN, headDim}));
    slice.getValueMutable().assign(
        t.pad(slice.getValue(), {1, 1, tileN, valueDim}));
    if (Value bias = slice.getBias()) {
      auto type = cast<RankedTensorType>(op.getBias().getType());
      slice.getBiasMutable().assign(
          t.pad(bias, {1, 1, type.getDimSize(2) == 1 ? 1 : tileM,
                       type.getDimSize(3) == 1 ? 1 : tileN}));
    }
    if (querySegments) {
      slice.getQuerySegmentsMutable().assign(querySegments);
      slice.getKeySegmentsMutable().assign(
          t.pad(slice.getKeySegments(), {1, tileN}));
    }
    slice.getMaxInitMutable().set(carried[0]);
    slice.getSumInitMutable().set(carried[1]);
    slice.getAccInitMutable().set(carried[2]);
    slice.setTileClass(tileClass);
    if (op.getKeyLengths()) {
      slice.getLengthsMutable()[1].set(operands.keyLength);
      // Kernels cut their copies there, on the CPU the slices are cut.
      if (!singleLoop)
        slice.getKeyLengthsMutable().clear();
    }
    if (isPart && tileClass == TileClass::Partial)
      hideKeysFrom(rewriter, slice, keyEnd);
    for (auto [result, value] : llvm::zip(slice.getResults(), carried))
      result.setType(value.getType());
    rewriter.setInsertionPointAfter(slice);
    return llvm::to_vector_of<Value>(slice.getResults());
  };
  auto buildLoop =
      [&](Value from, Value to, ValueRange inits,
          function_ref<SmallVector<Value>(Value, ValueRange)> body) {
        auto loop = scf::ForOp::create(rewriter, loc, from, to,
                                       t.constant(tileN), inits);
        ++statistics.loops;
        OpBuilder::InsertionGuard guard(rewriter);
        rewriter.setInsertionPointToStart(loop.getBody());
        SmallVector<Value> results =
            body(loop.getInductionVar(), loop.getRegionIterArgs());
        scf::YieldOp::create(rewriter, loc, results);
        return llvm::to_vector_of<Value>(loop.getResults());
      };
  auto partial = [&](Value key, ValueRange carried) {
    return buildTile(key, carried, TileClass::Partial);
  };
  auto full = [&](Value key, ValueRange carried) {
    return buildTile(key, carried, TileClass::Full);
  };

  LoopBounds bounds = mask.buildBounds(rewriter, loc, i0, keyBase, keyEnd,
                                       tileM, tileN, operands);
  // One loop: what is read does not depend on the class of the tile, only what
  // is computed from it does. A null `isFull` leaves the partial tile, a null
  // `isEmpty` visits every tile.
  auto buildChoice = [&](Value key, ValueRange carried, Value isEmpty,
                         Value isFull) -> SmallVector<Value> {
    SmallVector<Value> results = partial(key, carried);
    auto tile = results.front().getDefiningOp<OnlineAttentionOp>();
    OpBuilder::InsertionGuard guard(rewriter);
    if (isFull) {
      auto choice = scf::IfOp::create(rewriter, loc, tile.getResultTypes(),
                                      isFull, /*withElseRegion=*/true);
      rewriter.setInsertionPointToStart(choice.thenBlock());
      auto full = cast<OnlineAttentionOp>(rewriter.clone(*tile));
      full.setTileClass(TileClass::Full);
      scf::YieldOp::create(rewriter, loc, full.getResults());
      rewriter.moveOpBefore(tile, choice.elseBlock(),
                            choice.elseBlock()->end());
      rewriter.setInsertionPointToEnd(choice.elseBlock());
      scf::YieldOp::create(rewriter, loc, tile.getResults());
      results = llvm::to_vector_of<Value>(choice.getResults());
      rewriter.setInsertionPointAfter(choice);
    }
    if (isEmpty) {
      Operation *visit = results.front().getDefiningOp();
      auto skip = scf::IfOp::create(rewriter, loc, visit->getResultTypes(),
                                    isEmpty, /*withElseRegion=*/true);
      rewriter.setInsertionPointToStart(skip.thenBlock());
      scf::YieldOp::create(rewriter, loc, carried);
      rewriter.moveOpBefore(visit, skip.elseBlock(), skip.elseBlock()->end());
      rewriter.setInsertionPointToEnd(skip.elseBlock());
      scf::YieldOp::create(rewriter, loc, visit->getResults());
      results = llvm::to_vector_of<Value>(skip.getResults());
    }
    return results;
  };
  auto buildSingleLoop = [&](Value key, ValueRange carried) {
    Value isEmpty, isFull;
    if (!mask.isConvex()) {
      isEmpty = mask.buildIsEmpty(rewriter, loc, i0, key, keyEnd, tileM, tileN,
                                  operands);
      if (mask.hasFull())
        isFull = mask.buildIsFull(rewriter, loc, i0, key, keyEnd, tileM, tileN,
                                  operands);
    } else if (mask.hasFull()) {
      bool fromStart = isSameBound(bounds.lo, bounds.fullLo);
      bool toEnd = isSameBound(bounds.fullHi, bounds.hi);
      if (fromStart && toEnd)
        return full(key, carried);
      using arith::CmpIPredicate;
      if (!fromStart)
        isFull = arith::CmpIOp::create(rewriter, loc, CmpIPredicate::sge, key,
                                       bounds.fullLo);
      if (!toEnd) {
        Value before = arith::CmpIOp::create(rewriter, loc, CmpIPredicate::slt,
                                             key, bounds.fullHi);
        isFull = isFull ? arith::AndIOp::create(rewriter, loc, isFull, before)
                        : before;
      }
    }
    return buildChoice(key, carried, isEmpty, isFull);
  };
  if (singleLoop) {
    state = buildLoop(bounds.lo, bounds.hi, state, buildSingleLoop);
    if (mask.hasFull())
      ++statistics.fullLoops;
  } else if (mask.isConvex()) {
    if (mask.hasFull()) {
      state = buildLoop(bounds.lo, bounds.fullLo, state, partial);
      state = buildLoop(bounds.fullLo, bounds.fullHi, state, full);
      ++statistics.fullLoops;
      state = buildLoop(bounds.fullHi, bounds.hi, state, partial);
    } else {
      state = buildLoop(bounds.lo, bounds.hi, state, partial);
    }
  } else {
    // A union: one loop over its hull, which asks for each tile.
    state = buildLoop(
        bounds.lo, bounds.hi, state, [&](Value key, ValueRange carried) {
          Value empty = mask.buildIsEmpty(rewriter, loc, i0, key, keyEnd, tileM,
                                          tileN, operands);
          auto skip = scf::IfOp::create(rewriter, loc, carried.getTypes(),
                                        empty, /*withElseRegion=*/true);
          OpBuilder::InsertionGuard guard(rewriter);
          rewriter.setInsertionPointToStart(skip.thenBlock());
          scf::YieldOp::create(rewriter, loc, carried);
          rewriter.setInsertionPointToStart(skip.elseBlock());
          if (!mask.hasFull()) {
            SmallVector<Value> next = partial(key, carried);
            scf::YieldOp::create(rewriter, loc, next);
            return llvm::to_vector_of<Value>(skip.getResults());
          }
          Value isFull = mask.buildIsFull(rewriter, loc, i0, key, keyEnd, tileM,
                                          tileN, operands);
          auto choice = scf::IfOp::create(rewriter, loc, carried.getTypes(),
                                          isFull, /*withElseRegion=*/true);
          rewriter.setInsertionPointToStart(choice.thenBlock());
          SmallVector<Value> next = full(key, carried);
          scf::YieldOp::create(rewriter, loc, next);
          rewriter.setInsertionPointToStart(choice.elseBlock());
          next = partial(key, carried);
          scf::YieldOp::create(rewriter, loc, next);
          rewriter.setInsertionPointAfter(choice);
          scf::YieldOp::create(rewriter, loc, choice.getResults());
          return llvm::to_vector_of<Value>(skip.getResults());
        });
    if (mask.hasFull())
      ++statistics.fullLoops;
  }

  // The results of this tile, cut to the rows there are.
  SmallVector<Value> tiles;
  if (finish) {
    auto out = cast<RankedTensorType>(finish.getOut().getType());
    Value outInit =
        tensor::EmptyOp::create(rewriter, loc, accShape, out.getElementType());
    Value lseInit;
    SmallVector<Type> types = {outInit.getType()};
    if (finish.getLse()) {
      lseInit = tensor::EmptyOp::create(
          rewriter, loc, rowShape,
          getElementTypeOrSelf(finish.getLse().getType()));
      types.push_back(lseInit.getType());
    }
    Value sinks;
    if (Value all = finish.getSinks())
      sinks = t.slice(all, {ih}, {t.attr(1)});
    auto done =
        SoftmaxFinishOp::create(rewriter, loc, types, state[0], state[1],
                                state[2], sinks, outInit, lseInit);
    llvm::append_range(tiles, done.getResults());
  } else {
    tiles = state;
  }
  SmallVector<std::tuple<Value, Value, bool>> inserts;
  for (auto [tile, dest] : llvm::zip(tiles, forall.getRegionIterArgs())) {
    bool isAcc = cast<RankedTensorType>(tile.getType()).getRank() == 4;
    SmallVector<Fold> zeros(isAcc ? 4 : 3, t.attr(0));
    Value cut = t.slice(tile, zeros, isAcc ? accSizes : rowSizes);
    inserts.push_back({cut, dest, isAcc});
  }
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [cut, dest, isAcc] : inserts)
    t.parallelInsert(cut, dest, isAcc ? accOffsets : rowOffsets,
                     isAcc ? accSizes : rowSizes);

  rewriter.replaceOp(root, forall.getResults());
  if (finish)
    rewriter.eraseOp(op);
  return success();
}

/// A finish that stands alone, after a merge of partial states.
static LogicalResult tileFinish(RewriterBase &rewriter, SoftmaxFinishOp op) {
  auto accType = cast<RankedTensorType>(op.getAcc().getType());
  int64_t valueDim = accType.getDimSize(3);
  if (ShapedType::isDynamic(valueDim))
    return op.emitOpError("can only be tiled with a static head_dim, but got ")
           << accType;
  const int64_t tileM = 64;
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Tiler t(rewriter, loc);
  Fold queries = t.dim(op.getAcc(), 2);
  SmallVector<Value> outs = llvm::to_vector(op.getDpsInits());
  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0), t.attr(0)},
      ArrayRef<Fold>{t.dim(op.getAcc(), 0), t.dim(op.getAcc(), 1), queries},
      ArrayRef<Fold>{t.attr(1), t.attr(1), t.attr(tileM)}, outs,
      /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  SmallVector<Fold> offsets = llvm::map_to_vector(
      forall.getInductionVars(), [](Value v) { return Fold(v); });
  Fold rows = t.clampedSize(offsets[2], queries, tileM);
  SmallVector<Fold> sizes = {t.attr(1), t.attr(1), rows};
  FailureOr<TilingResult> tiled =
      op.getTiledImplementation(rewriter, offsets, sizes);
  if (failed(tiled))
    return failure();
  auto tile = cast<SoftmaxFinishOp>(tiled->tiledOps.front());
  rewriter.setInsertionPoint(tile);
  for (OpOperand &operand : tile->getOpOperands()) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    if (type.getRank() == 3)
      operand.set(t.pad(operand.get(), {1, 1, tileM}));
    else if (type.getRank() == 4)
      operand.set(t.pad(operand.get(), {1, 1, tileM, valueDim}));
  }
  for (auto [result, init] : llvm::zip(tile.getResults(), tile.getDpsInits()))
    result.setType(init.getType());
  rewriter.setInsertionPointAfter(tile);
  SmallVector<std::tuple<Value, SmallVector<Fold>, SmallVector<Fold>>> inserts;
  for (Value result : tile.getResults()) {
    SmallVector<Fold> o = offsets, s = sizes;
    if (cast<RankedTensorType>(result.getType()).getRank() == 4) {
      o.push_back(t.attr(0));
      s.push_back(t.attr(valueDim));
    }
    SmallVector<Fold> zeros(o.size(), t.attr(0));
    inserts.push_back({t.slice(result, zeros, s), o, s});
  }
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [i, insert] : llvm::enumerate(inserts))
    t.parallelInsert(std::get<0>(insert), forall.getRegionIterArgs()[i],
                     std::get<1>(insert), std::get<2>(insert));
  rewriter.replaceOp(op, forall.getResults());
  return success();
}

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

static LogicalResult tileScan(RewriterBase &rewriter, ChunkScanOp op,
                              TileStatistics &statistics) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Tiler t(rewriter, loc);
  auto aType = cast<RankedTensorType>(op.getA().getType());
  int64_t depth = aType.getDimSize(1);
  if (ShapedType::isDynamic(depth))
    return op.emitOpError("can only be tiled with a static d_state, but got A ")
           << aType;
  const auto tileSizes = getTileSizes(op);
  const int64_t tileC = tileSizes.first;
  int64_t tileT = tileSizes.second;

  Fold batch = t.dim(op.getU(), 0), channels = t.dim(op.getU(), 1),
       steps = t.dim(op.getU(), 2);
  // The channels of a tile share one group of B and one of C.
  int64_t groupCount = 1;
  for (Value parameter : {Value(op.getB()), Value(op.getC())})
    if (parameter)
      if (auto type = cast<RankedTensorType>(parameter.getType());
          type.getRank() == 4)
        groupCount = std::lcm(groupCount, type.getDimSize(1));
  Fold groups = t.attr(groupCount), groupSize = channels;
  if (!isOneInteger(groups)) {
    auto count = getConstantIntValue(channels);
    groupSize =
        count ? t.attr(*count / groupCount)
              : Fold(arith::DivUIOp::create(rewriter, loc, t.index(channels),
                                            t.index(groups))
                         .getResult());
  }

  SmallVector<Value> outs = llvm::to_vector(op.getDpsInits());
  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0), t.attr(0)},
      ArrayRef<Fold>{batch, groups, groupSize},
      ArrayRef<Fold>{t.attr(1), t.attr(1), t.attr(tileC)}, outs,
      /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  Value ib = forall.getInductionVars()[0], ig = forall.getInductionVars()[1],
        ic = forall.getInductionVars()[2];
  Fold count = t.clampedSize(ic, groupSize, tileC);
  AffineExpr d0, d1;
  bindDims(rewriter.getContext(), d0, d1);
  Fold channel = ic;
  if (!isOneInteger(groups)) {
    Value base = arith::MulIOp::create(rewriter, loc, ig, t.index(groupSize));
    channel = affine::makeComposedFoldedAffineApply(rewriter, loc, d0 + d1,
                                                    {Fold(base), Fold(ic)});
  }

  bool hasOut = bool(op.getOutInit());
  SmallVector<Value> dests(forall.getRegionIterArgs().begin(),
                           forall.getRegionIterArgs().end());
  SmallVector<Fold> outOffsets = {ib, channel, t.attr(0)};
  SmallVector<Fold> outSizes = {t.attr(1), count, steps};
  SmallVector<Fold> stateOffsets = outOffsets;
  SmallVector<Fold> stateSizes = {t.attr(1), count, t.attr(depth)};
  SmallVector<Value> carried;
  if (hasOut)
    carried.push_back(t.slice(dests[0], outOffsets, outSizes));
  for (Value init : op.getCarriedInits())
    carried.push_back(
        t.initialTile(init, stateOffsets, stateSizes, {1, tileC, depth}));

  auto loop = scf::ForOp::create(rewriter, loc, t.constant(0), t.index(steps),
                                 t.constant(tileT), carried);
  ++statistics.loops;
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(loop.getBody());
    Value it = loop.getInductionVar();
    Fold length = t.clampedSize(it, steps, tileT);
    FailureOr<TilingResult> tiled = op.getTiledImplementation(
        rewriter, {ib, channel, it}, {t.attr(1), count, length});
    auto tile = cast<ChunkScanOp>(tiled->tiledOps.front());
    rewriter.setInsertionPoint(tile);
    auto element = cast<RankedTensorType>(op.getU().getType()).getElementType();
    auto padParameter = [&](OpOperand &operand) {
      int64_t rank = cast<RankedTensorType>(operand.get().getType()).getRank();
      if (rank == 2)
        operand.set(t.pad(operand.get(), {tileC, depth}));
      else if (rank == 3)
        operand.set(t.pad(operand.get(), {1, depth, tileT}));
      else
        operand.set(t.pad(operand.get(), {1, 1, depth, tileT}));
    };
    auto padSteps = [&](OpOperand &operand) {
      operand.set(t.pad(operand.get(), {1, tileC, tileT}));
    };
    padSteps(tile.getUMutable());
    padSteps(tile.getDeltaMutable());
    padParameter(tile.getAMutable());
    padParameter(tile.getBMutable());
    for (OpOperand &c : tile.getCMutable())
      padParameter(c);
    for (OpOperand &d : tile.getDMutable())
      d.set(t.pad(d.get(), {tileC}));
    for (OpOperand &z : tile.getZMutable())
      padSteps(z);
    for (OpOperand &bias : tile.getDeltaBiasMutable())
      bias.set(t.pad(bias.get(), {tileC}));
    if (!tile.getSteps())
      tile.getStepsMutable().assign(t.index(length));
    ValueRange args = loop.getRegionIterArgs();
    if (hasOut)
      tile.getOutInitMutable().assign(tensor::EmptyOp::create(
          rewriter, loc, ArrayRef<int64_t>{1, tileC, tileT}, element));
    tile.getStateInitMutable().set(args[hasOut ? 1 : 0]);
    if (op.getDecayInit())
      tile.getDecayInitMutable().assign(args.back());
    for (auto [result, init] : llvm::zip(tile.getResults(), tile.getDpsInits()))
      result.setType(init.getType());
    rewriter.setInsertionPointAfter(tile);
    SmallVector<Value> yielded = llvm::to_vector_of<Value>(tile.getResults());
    if (hasOut) {
      SmallVector<Fold> zeros(3, t.attr(0));
      SmallVector<Fold> sizes = {t.attr(1), count, length};
      Value cut = t.slice(tile.getOut(), zeros, sizes);
      yielded[0] = t.insert(cut, args[0], {t.attr(0), t.attr(0), it}, sizes);
    }
    scf::YieldOp::create(rewriter, loc, yielded);
  }

  SmallVector<Value> tiles = llvm::to_vector_of<Value>(loop.getResults());
  for (unsigned i = hasOut ? 1 : 0; i < tiles.size(); ++i)
    tiles[i] = t.slice(tiles[i], {t.attr(0), t.attr(0), t.attr(0)}, stateSizes);
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [i, tile] : llvm::enumerate(tiles)) {
    bool isOut = hasOut && i == 0;
    t.parallelInsert(tile, dests[i], isOut ? outOffsets : stateOffsets,
                     isOut ? outSizes : stateSizes);
  }
  rewriter.replaceOp(op, forall.getResults());
  return success();
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

/// The last width - 1 columns of (initial state, x).
static Value buildFinalConvState(Tiler &t, CausalConv1dOp op, int64_t history) {
  RewriterBase &b = t.b;
  Location loc = t.loc;
  auto type = cast<RankedTensorType>(op.getX().getType());
  Type element = type.getElementType();
  Value length = t.index(t.dim(op.getX(), 2));
  Value empty = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<Fold>{t.dim(op.getX(), 0), t.dim(op.getX(), 1), t.attr(history)},
      element);
  if (history == 0)
    return empty;
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), ValueRange(), empty,
             b.getMultiDimIdentityMap(3), iterators,
             [&](OpBuilder &nb, Location l, ValueRange) {
               Value i = linalg::IndexOp::create(nb, l, 0);
               Value c = linalg::IndexOp::create(nb, l, 1);
               Value k = linalg::IndexOp::create(nb, l, 2);
               // Column L + k of the whole: x where it is past the state.
               Value column = arith::AddIOp::create(nb, l, length, k);
               Value width = arith::ConstantIndexOp::create(nb, l, history);
               Value inX = arith::CmpIOp::create(
                   nb, l, arith::CmpIPredicate::uge, column, width);
               auto choice = scf::IfOp::create(
                   nb, l, inX,
                   [&](OpBuilder &tb, Location tl) {
                     Value p = arith::SubIOp::create(tb, tl, column, width);
                     Value x = tensor::ExtractOp::create(tb, tl, op.getX(),
                                                         ValueRange{i, c, p});
                     scf::YieldOp::create(tb, tl, x);
                   },
                   [&](OpBuilder &eb, Location el) {
                     Value x;
                     if (op.getInitialState())
                       x = tensor::ExtractOp::create(eb, el,
                                                     op.getInitialState(),
                                                     ValueRange{i, c, column});
                     else
                       x = arith::ConstantOp::create(eb, el,
                                                     eb.getZeroAttr(element));
                     scf::YieldOp::create(eb, el, x);
                   });
               linalg::YieldOp::create(nb, l, choice.getResult(0));
             })
      .getResult(0);
}

static LogicalResult tileConv(RewriterBase &rewriter, CausalConv1dOp op,
                              TileStatistics &statistics) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Tiler t(rewriter, loc);
  auto type = cast<RankedTensorType>(op.getX().getType());
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  int64_t width = weightType.getDimSize(1);
  if (ShapedType::isDynamic(width))
    return op.emitOpError("can only be tiled with a static width, but got ")
           << weightType;
  Type element = type.getElementType();
  int64_t history = width - 1;
  const auto tileSizes = getTileSizes(op);
  const int64_t tileC = tileSizes.first, tileT = tileSizes.second;

  Fold batch = t.dim(op.getX(), 0), channels = t.dim(op.getX(), 1),
       steps = t.dim(op.getX(), 2);
  Value out = tensor::EmptyOp::create(
      rewriter, loc, ArrayRef<Fold>{batch, channels, steps}, element);
  // No steps, or no channels: only a final state, if anything.
  if (llvm::is_contained(type.getShape(), 0)) {
    SmallVector<Value> results = {out};
    if (op.getFinalState())
      results.push_back(buildFinalConvState(t, op, history));
    for (auto [i, result] : llvm::enumerate(op.getResults()))
      if (results[i].getType() != result.getType())
        results[i] =
            tensor::CastOp::create(rewriter, loc, result.getType(), results[i]);
    rewriter.replaceOp(op, results);
    return success();
  }
  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0)},
      ArrayRef<Fold>{batch, channels}, ArrayRef<Fold>{t.attr(1), t.attr(tileC)},
      out, /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  Value ib = forall.getInductionVars()[0], ic = forall.getInductionVars()[1];
  Value dest = forall.getRegionIterArgs()[0];
  Fold count = t.clampedSize(ic, channels, tileC);
  SmallVector<Fold> offsets = {ib, ic, t.attr(0)};
  SmallVector<Fold> sizes = {t.attr(1), count, steps};
  Value weight =
      t.pad(t.slice(op.getWeight(), {ic, t.attr(0)}, {count, t.attr(width)}),
            {tileC, width});
  Value bias;
  if (op.getBias())
    bias = t.pad(t.slice(op.getBias(), {ic}, {count}), {tileC});

  // The state of a chunk is the last width - 1 inputs before it; a width of 1
  // has none.
  SmallVector<Value> carried = {t.slice(dest, offsets, sizes)};
  SmallVector<int64_t> stateShape = {1, tileC, history};
  if (history > 0 && op.getInitialState())
    carried.push_back(t.pad(t.slice(op.getInitialState(), offsets,
                                    {t.attr(1), count, t.attr(history)}),
                            stateShape));
  else if (history > 0)
    carried.push_back(
        t.filled(stateShape, cast<TypedAttr>(rewriter.getZeroAttr(element))));

  auto loop = scf::ForOp::create(rewriter, loc, t.constant(0), t.index(steps),
                                 t.constant(tileT), carried);
  ++statistics.loops;
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(loop.getBody());
    Value it = loop.getInductionVar();
    ValueRange args = loop.getRegionIterArgs();
    Fold length = t.clampedSize(it, steps, tileT);
    SmallVector<Fold> chunk = {t.attr(1), count, length};
    Value x = t.pad(t.slice(op.getX(), {ib, ic, it}, chunk), {1, tileC, tileT});
    SmallVector<Type> types = {x.getType()};
    if (history > 0)
      types.push_back(args[1].getType());
    auto tile =
        CausalConv1dOp::create(rewriter, loc, types, x, weight, bias,
                               history > 0 ? Value(args[1]) : Value(),
                               /*cu_seqlens=*/Value(), op.getActivationAttr(),
                               /*reverse=*/UnitAttr(), op.getScheduleAttr());
    Value cut =
        t.slice(tile.getOut(), {t.attr(0), t.attr(0), t.attr(0)}, chunk);
    Value next = t.insert(cut, args[0], {t.attr(0), t.attr(0), it}, chunk);
    SmallVector<Value> yielded = {next};
    if (history > 0)
      yielded.push_back(tile.getFinalState());
    scf::YieldOp::create(rewriter, loc, yielded);
  }
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  t.parallelInsert(loop.getResult(0), dest, offsets, sizes);

  rewriter.setInsertionPoint(op);
  SmallVector<Value> results = {forall.getResult(0)};
  if (op.getFinalState())
    results.push_back(buildFinalConvState(t, op, history));
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (results[i].getType() != result.getType())
      results[i] =
          tensor::CastOp::create(rewriter, loc, result.getType(), results[i]);
  rewriter.replaceOp(op, results);
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct TilePass : public seqc::impl::SeqcTileBase<TilePass> {
  using Base::Base;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> ops;
    llvm::SetVector<Operation *> finishes;
    llvm::SmallPtrSet<Operation *, 4> others;
    getOperation()->walk([&](Operation *op) {
      if (isa<scf::ForallOp>(op))
        others.insert(op);
      if (isTile(op))
        return;
      if (isa<OnlineAttentionOp, BlockAttentionBackwardOp, ChunkScanOp,
              CausalConv1dOp, ChunkScanBackwardOp, ChunkConv1dBackwardOp>(op))
        ops.push_back(op);
      if (isa<SoftmaxFinishOp>(op))
        finishes.insert(op);
    });
    // A tile of attention takes its finish in; the others stand alone.
    for (Operation *op : ops)
      if (auto attention = dyn_cast<OnlineAttentionOp>(op))
        if (SoftmaxFinishOp finish = getFinish(attention))
          finishes.remove(finish);
    TileStatistics statistics;
    for (Operation *op : ops) {
      LogicalResult tiled =
          TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](OnlineAttentionOp o) {
                return tileAttention(rewriter, o, singleLoop, statistics);
              })
              .Case([&](BlockAttentionBackwardOp o) {
                auto [m, n] = getTileSizes(o);
                return tileAttentionBackward(rewriter, o, m, n, singleLoop,
                                             statistics);
              })
              .Case([&](ChunkScanOp o) {
                return tileScan(rewriter, o, statistics);
              })
              .Case([&](ChunkScanBackwardOp o) {
                return tileScanBackward(rewriter, o);
              })
              .Case([&](ChunkConv1dBackwardOp o) {
                return tileConvBackward(rewriter, o, statistics.loops);
              })
              .Case([&](CausalConv1dOp o) {
                return tileConv(rewriter, o, statistics);
              });
      if (failed(tiled))
        return signalPassFailure();
      ++numTiled;
    }
    for (Operation *op : finishes) {
      if (failed(tileFinish(rewriter, cast<SoftmaxFinishOp>(op))))
        return signalPassFailure();
      ++numTiled;
    }
    // One grid with a loop over packed sequences, on every target.
    getOperation()->walk([&](scf::ForallOp forall) {
      Operation *parent = forall->getParentOp();
      if (!others.contains(forall) &&
          (singleLoop || parent->hasAttr(kSequencesAttr)))
        forall->setAttr("seqc.grid", rewriter.getUnitAttr());
    });
    numLoops += statistics.loops;
    numFullLoops += statistics.fullLoops;
  }
};
} // namespace
