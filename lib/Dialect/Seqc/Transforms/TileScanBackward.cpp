//===- TileScanBackward.cpp - Tiles of scan gradients ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tiles of channels run in parallel. What they share is the gradient of a
// variable B or C: each tile writes a partial sum of its own, for the steps of
// one chunk only, and the partial sums are added in the order of the tiles:
//
//   scan    forall (b, group, channels)        partial (tile, b, group, N, T)
//           B_grad += sum over tiles, in order
//   conv1d  forall (b, channels)  for chunks, the last first      (next, sums)
//
//===----------------------------------------------------------------------===//

#include "TileScanBackward.h"
#include "Tiler.h"

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

#include <numeric>

using namespace mlir;
using namespace seqc;

/// Channels in a tile: the schedule's, or one vector of 512 bits.
static int64_t getChannelTile(Operation *op, Value data) {
  if (auto schedule = op->getAttrOfType<ScheduleAttr>("schedule"))
    if (schedule.getTileM())
      return schedule.getTileM();
  return getElementTypeOrSelf(data.getType()).isF64() ? 8 : 16;
}

static int64_t getTileN(Operation *op) {
  auto schedule = op->getAttrOfType<ScheduleAttr>("schedule");
  return schedule ? schedule.getTileN() : 0;
}

static ArrayRef<int64_t> shapeOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getShape();
}

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

/// The most steps that a chunk can have; 0 if nothing says.
static int64_t getChunkSteps(ChunkScanBackwardOp op) {
  int64_t length = shapeOf(op.getU())[2];
  return ShapedType::isDynamic(length) ? getTileN(op) : length;
}

bool seqc::isScanBackwardTile(ChunkScanBackwardOp op) {
  return op->getParentOfType<scf::ForallOp>() && op.getSteps() &&
         shapeOf(op.getU()) ==
             ArrayRef<int64_t>(
                 {1, getChannelTile(op, op.getU()), getChunkSteps(op)});
}

namespace {

/// The gradient of a variable B or C while its tiles run: (tile, ...).
struct PartialSums {
  unsigned destination;
  int64_t groups;
};

} // namespace

LogicalResult seqc::tileScanBackward(RewriterBase &rewriter,
                                     ChunkScanBackwardOp op) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Tiler t(rewriter, loc);
  int64_t depth = shapeOf(op.getA())[1];
  const int64_t tileC = getChannelTile(op, op.getU()),
                tileT = getChunkSteps(op);
  if (tileT <= 0)
    return op.emitOpError("can only be tiled if its length is static or its "
                          "schedule has a tile_n, but got u ")
           << op.getU().getType();

  Fold batch = t.dim(op.getU(), 0), channels = t.dim(op.getU(), 1),
       length = t.dim(op.getU(), 2);
  // The channels of a tile share one group of B and one of C.
  auto groupsOf = [](Value projection) {
    return shapeOf(projection).size() == 4 ? shapeOf(projection)[1] : 1;
  };
  int64_t groupCount = std::lcm(groupsOf(op.getB()), groupsOf(op.getC()));
  Fold groups = t.attr(groupCount), groupSize = channels;
  if (groupCount != 1) {
    auto count = getConstantIntValue(channels);
    groupSize =
        count ? t.attr(*count / groupCount)
              : Fold(arith::DivUIOp::create(rewriter, loc, t.index(channels),
                                            t.index(groups))
                         .getResult());
  }
  AffineExpr d0, d1;
  bindDims(rewriter.getContext(), d0, d1);

  // Tiles in a group, and room for what each adds to a shared gradient.
  Fold tiles = affine::makeComposedFoldedAffineApply(
      rewriter, loc, d0.ceilDiv(tileC), {groupSize});
  SmallVector<Value> outs = llvm::to_vector(op.getDpsInits());
  SmallVector<PartialSums> partials;
  for (auto [projection, init] :
       {std::pair<Value, Value>{op.getB(), op.getBGradInit()},
        {op.getC(), op.getCGradInit()}}) {
    if (!op.isVariable(projection))
      continue;
    unsigned i = llvm::find(outs, init) - outs.begin();
    int64_t own = groupsOf(projection);
    SmallVector<Fold> sizes = {affine::makeComposedFoldedAffineApply(
        rewriter, loc, d0 * (groupCount / own), {tiles})};
    llvm::append_range(sizes, tensor::getMixedSizes(rewriter, loc, init));
    outs[i] = tensor::EmptyOp::create(rewriter, loc, sizes,
                                      getElementTypeOrSelf(init.getType()));
    partials.push_back({i, own});
  }

  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0), t.attr(0)},
      ArrayRef<Fold>{batch, groups, groupSize},
      ArrayRef<Fold>{t.attr(1), t.attr(1), t.attr(tileC)}, outs,
      /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  Value ib = forall.getInductionVars()[0], ig = forall.getInductionVars()[1],
        ic = forall.getInductionVars()[2];
  Fold count = t.clampedSize(ic, groupSize, tileC);
  Fold channel = ic;
  if (groupCount != 1) {
    Value base = arith::MulIOp::create(rewriter, loc, ig, t.index(groupSize));
    channel = affine::makeComposedFoldedAffineApply(rewriter, loc, d0 + d1,
                                                    {Fold(base), Fold(ic)});
  }
  SmallVector<Fold> offsets = {ib, channel, t.attr(0)};
  SmallVector<Fold> sizes = {t.attr(1), count, length};
  FailureOr<TilingResult> tiled =
      op.getTiledImplementation(rewriter, offsets, sizes);
  if (failed(tiled))
    return failure();
  auto tile = cast<ChunkScanBackwardOp>(tiled->tiledOps.front());
  rewriter.setInsertionPoint(tile);

  // Operands: whole tiles, padded with zeros.
  SmallVector<int64_t> data = {1, tileC, tileT}, state = {1, tileC, depth};
  for (OpOperand &operand : tile->getOpOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type || tile.isDpsInit(&operand))
      continue;
    Value v = operand.get();
    if (v == tile.getState())
      operand.set(t.pad(v, state));
    else if (v == tile.getB() || v == tile.getC())
      operand.set(t.pad(
          v, type.getRank() == 2   ? ArrayRef<int64_t>({tileC, depth})
             : type.getRank() == 3 ? ArrayRef<int64_t>({1, depth, tileT})
                                   : ArrayRef<int64_t>({1, 1, depth, tileT})));
    else if (type.getRank() == 1)
      operand.set(t.pad(v, {tileC}));
    else if (type.getRank() == 2)
      operand.set(t.pad(v, {tileC, depth}));
    else
      operand.set(t.pad(v, data));
  }
  if (!tile.getSteps())
    tile.getStepsMutable().assign(t.index(length));

  // Destinations. `positions` is where each tile goes, `cuts` what of it.
  struct Position {
    SmallVector<Fold> offsets, sizes, cut;
  };
  SmallVector<Position> positions;
  ValueRange dests = forall.getRegionIterArgs();
  for (unsigned i = 0; i < dests.size(); ++i) {
    OpOperand &init = *tile.getDpsInitOperand(i);
    auto type = cast<RankedTensorType>(op.getDpsInits()[i].getType());
    Type element = type.getElementType();
    auto *partial = llvm::find_if(
        partials, [&](PartialSums &p) { return p.destination == i; });
    Position p;
    if (partial != partials.end()) {
      // Tile `ic / tileC` of those of a group, behind those of the groups
      // before it that share the projection's.
      int64_t share = groupCount / partial->groups;
      Fold number = affine::makeComposedFoldedAffineApply(
          rewriter, loc, d0.floorDiv(tileC), {Fold(ic)});
      Fold group = ig;
      if (share > 1) {
        Fold before = affine::makeComposedFoldedAffineApply(
            rewriter, loc, d0 % share, {Fold(ig)});
        Value skipped = arith::MulIOp::create(rewriter, loc, t.index(before),
                                              t.index(tiles));
        number = affine::makeComposedFoldedAffineApply(rewriter, loc, d0 + d1,
                                                       {Fold(skipped), number});
        group = affine::makeComposedFoldedAffineApply(
            rewriter, loc, d0.floorDiv(share), {Fold(ig)});
      }
      p.offsets = {number, ib};
      p.sizes = {t.attr(1), t.attr(1)};
      SmallVector<int64_t> shape = {1};
      if (type.getRank() == 4) {
        p.offsets.push_back(group);
        p.sizes.push_back(t.attr(1));
        shape.push_back(1);
      }
      p.offsets.append({t.attr(0), t.attr(0)});
      p.sizes.append({t.attr(depth), length});
      p.cut = llvm::to_vector(ArrayRef(p.sizes).drop_front());
      shape.append({depth, tileT});
      init.set(t.filled(shape, cast<TypedAttr>(rewriter.getZeroAttr(element))));
    } else if (i < (op.getZGradInit() ? 3u : 2u)) {
      p = {offsets, sizes, sizes};
      init.set(tensor::EmptyOp::create(rewriter, loc, data, element));
    } else {
      p.offsets = {ib, channel};
      p.sizes = {t.attr(1), count};
      SmallVector<int64_t> shape = {1, tileC};
      if (type.getRank() == 3) {
        p.offsets.push_back(t.attr(0));
        p.sizes.push_back(t.attr(depth));
        shape.push_back(depth);
      }
      p.cut = p.sizes;
      init.set(t.pad(t.slice(dests[i], p.offsets, p.sizes), shape));
    }
    tile->getResult(i).setType(init.get().getType());
    positions.push_back(std::move(p));
  }
  rewriter.setInsertionPointAfter(tile);
  SmallVector<Value> cuts;
  for (auto [result, p] : llvm::zip(tile.getResults(), positions)) {
    SmallVector<Fold> zeros(p.cut.size(), t.attr(0));
    cuts.push_back(t.slice(result, zeros, p.cut));
  }
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [i, cut] : llvm::enumerate(cuts))
    t.parallelInsert(cut, dests[i], positions[i].offsets, positions[i].sizes);

  // The partial sums, in order.
  rewriter.setInsertionPoint(op);
  SmallVector<Value> results = llvm::to_vector_of<Value>(forall.getResults());
  for (const PartialSums &partial : partials) {
    Value init = op.getDpsInits()[partial.destination];
    unsigned rank = shapeOf(init).size();
    AffineMap id = rewriter.getMultiDimIdentityMap(rank + 1);
    SmallVector<unsigned> in = {rank};
    llvm::append_range(in, llvm::seq(rank));
    SmallVector<utils::IteratorType> iterators(rank + 1,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    results[partial.destination] =
        linalg::GenericOp::create(
            rewriter, loc, init.getType(), results[partial.destination], init,
            ArrayRef<AffineMap>{id.getSubMap(in), id.getMajorSubMap(rank)},
            iterators,
            [](OpBuilder &b, Location l, ValueRange a) {
              Value sum = arith::AddFOp::create(b, l, a[1], a[0]);
              linalg::YieldOp::create(b, l, sum);
            })
            .getResult(0);
  }
  rewriter.replaceOp(op, results);
  return success();
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

/// Steps in a tile: a chunk holds the whole history of the next.
static int64_t getConvSteps(ChunkConv1dBackwardOp op) {
  int64_t history = std::max<int64_t>(shapeOf(op.getWeight())[1] - 1, 1);
  int64_t steps = getTileN(op) ? getTileN(op) : 256;
  return std::max(steps, (history + 15) / 16 * 16);
}

bool seqc::isConvBackwardTile(ChunkConv1dBackwardOp op) {
  bool hasState = op.getInitialState() || shapeOf(op.getWeight())[1] == 1;
  return hasState && op->getParentOfType<scf::ForallOp>() &&
         op->getParentOfType<scf::ForOp>() &&
         shapeOf(op.getX()) ==
             ArrayRef<int64_t>(
                 {1, getChannelTile(op, op.getX()), getConvSteps(op)});
}

/// The columns before step `it` of the channels from `channel` on: of x, or of
/// the initial state (zeros) at the start.
static Value buildHistory(Tiler &t, ChunkConv1dBackwardOp op, Value ib,
                          Value channel, Value count, Value it,
                          ArrayRef<int64_t> shape) {
  RewriterBase &b = t.b;
  Location loc = t.loc;
  Type element = getElementTypeOrSelf(op.getX().getType());
  Value empty = tensor::EmptyOp::create(b, loc, shape, element);
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  Value history = t.constant(shape[2]), zeroIndex = t.constant(0);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), ValueRange(), empty,
             b.getMultiDimIdentityMap(3), iterators,
             [&](OpBuilder &nb, Location l, ValueRange) {
               Value c = linalg::IndexOp::create(nb, l, 1);
               Value k = linalg::IndexOp::create(nb, l, 2);
               Value inside = arith::CmpIOp::create(
                   nb, l, arith::CmpIPredicate::ult, c, count);
               Value isFirst = arith::CmpIOp::create(
                   nb, l, arith::CmpIPredicate::eq, it, zeroIndex);
               auto zero = [&](OpBuilder &zb) -> Value {
                 return arith::ConstantOp::create(zb, l,
                                                  zb.getZeroAttr(element));
               };
               auto choice = scf::IfOp::create(
                   nb, l, inside,
                   [&](OpBuilder &tb, Location) {
                     Value row = arith::AddIOp::create(tb, l, channel, c);
                     auto source = scf::IfOp::create(
                         tb, l, isFirst,
                         [&](OpBuilder &fb, Location) {
                           Value x = op.getInitialState()
                                         ? tensor::ExtractOp::create(
                                               fb, l, op.getInitialState(),
                                               ValueRange{ib, row, k})
                                               .getResult()
                                         : zero(fb);
                           scf::YieldOp::create(fb, l, x);
                         },
                         [&](OpBuilder &eb, Location) {
                           Value at = arith::AddIOp::create(
                               eb, l, arith::SubIOp::create(eb, l, it, history),
                               k);
                           Value x = tensor::ExtractOp::create(
                               eb, l, op.getX(), ValueRange{ib, row, at});
                           scf::YieldOp::create(eb, l, x);
                         });
                     scf::YieldOp::create(tb, l, source.getResult(0));
                   },
                   [&](OpBuilder &eb, Location) {
                     scf::YieldOp::create(eb, l, zero(eb));
                   });
               linalg::YieldOp::create(nb, l, choice.getResult(0));
             })
      .getResult(0);
}

LogicalResult seqc::tileConvBackward(RewriterBase &rewriter,
                                     ChunkConv1dBackwardOp op,
                                     unsigned &loops) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Tiler t(rewriter, loc);
  Type element = getElementTypeOrSelf(op.getX().getType());
  int64_t width = shapeOf(op.getWeight())[1], history = width - 1;
  const int64_t tileC = getChannelTile(op, op.getX()), tileT = getConvSteps(op);
  Fold batch = t.dim(op.getX(), 0), channels = t.dim(op.getX(), 1),
       length = t.dim(op.getX(), 2);

  SmallVector<Value> outs = llvm::to_vector(op.getDpsInits());
  auto forall = scf::ForallOp::create(
      rewriter, loc, ArrayRef<Fold>{t.attr(0), t.attr(0)},
      ArrayRef<Fold>{batch, channels}, ArrayRef<Fold>{t.attr(1), t.attr(tileC)},
      outs, /*mapping=*/std::nullopt);
  rewriter.setInsertionPoint(forall.getTerminator());
  Value ib = forall.getInductionVars()[0], ic = forall.getInductionVars()[1];
  ValueRange dests = forall.getRegionIterArgs();
  Fold count = t.clampedSize(ic, channels, tileC);
  SmallVector<Fold> offsets = {ib, ic, t.attr(0)};
  SmallVector<Fold> sizes = {t.attr(1), count, length};
  Value weight =
      t.pad(t.slice(op.getWeight(), {ic, t.attr(0)}, {count, t.attr(width)}),
            {tileC, width});
  Value bias;
  if (op.getBias())
    bias = t.pad(t.slice(op.getBias(), {ic}, {count}), {tileC});

  // The slice of x_grad, and a tile of each sum.
  SmallVector<Value> carried = {t.slice(dests[0], offsets, sizes)};
  SmallVector<SmallVector<Fold>> offsetsOf = {offsets}, sizesOf = {sizes};
  for (Value dest : dests.drop_front()) {
    ArrayRef<int64_t> shape = shapeOf(dest);
    SmallVector<Fold> o = {ib, ic}, s = {t.attr(1), count};
    SmallVector<int64_t> tileShape = {1, tileC};
    if (shape.size() == 3) {
      o.push_back(t.attr(0));
      s.push_back(t.attr(shape[2]));
      tileShape.push_back(shape[2]);
    }
    carried.push_back(t.pad(t.slice(dest, o, s), tileShape));
    offsetsOf.push_back(o);
    sizesOf.push_back(s);
  }
  AffineExpr d0, d1;
  bindDims(rewriter.getContext(), d0, d1);
  Value chunks = t.index(affine::makeComposedFoldedAffineApply(
      rewriter, loc, d0.ceilDiv(tileT), {length}));
  auto loop = scf::ForOp::create(rewriter, loc, t.constant(0), chunks,
                                 t.constant(1), carried);
  ++loops;
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    // From the last chunk to the first.
    Fold it = affine::makeComposedFoldedAffineApply(
        rewriter, loc, (d0 - d1 - 1) * tileT,
        {Fold(chunks), Fold(loop.getInductionVar())});
    Fold steps = t.clampedSize(it, length, tileT);
    SmallVector<Fold> chunkOffsets = {ib, ic, it};
    SmallVector<Fold> chunk = {t.attr(1), count, steps};
    SmallVector<int64_t> shape = {1, tileC, tileT};
    Value x = t.pad(t.slice(op.getX(), chunkOffsets, chunk), shape);
    Value outGrad = t.pad(t.slice(op.getOutGrad(), chunkOffsets, chunk), shape);
    Value state;
    if (history > 0)
      state = buildHistory(t, op, ib, ic, t.index(count), t.index(it),
                           {1, tileC, history});
    SmallVector<Value> inits = {
        tensor::EmptyOp::create(rewriter, loc, shape, element)};
    llvm::append_range(inits, args.drop_front());
    unsigned next = 1;
    Value nextInit = history > 0 ? inits[next++] : Value();
    Value weightInit = inits[next++];
    Value biasInit = op.getBiasGradInit() ? inits[next] : Value();
    auto tile = ChunkConv1dBackwardOp::create(
        rewriter, loc, ValueRange(inits).getTypes(), x, weight, bias, state,
        outGrad, inits[0], nextInit, weightInit, biasInit,
        op.getActivationAttr(), op.getScheduleAttr());
    SmallVector<Value> yielded = llvm::to_vector_of<Value>(tile.getResults());
    SmallVector<Fold> zeros(3, t.attr(0));
    yielded[0] = t.insert(t.slice(yielded[0], zeros, chunk), args[0],
                          {t.attr(0), t.attr(0), it}, chunk);
    scf::YieldOp::create(rewriter, loc, yielded);
  }
  SmallVector<Value> cuts = {loop.getResult(0)};
  for (unsigned i = 1; i < loop.getNumResults(); ++i) {
    SmallVector<Fold> zeros(sizesOf[i].size(), t.attr(0));
    cuts.push_back(t.slice(loop.getResult(i), zeros, sizesOf[i]));
  }
  rewriter.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [i, cut] : llvm::enumerate(cuts))
    t.parallelInsert(cut, dests[i], offsetsOf[i], sizesOf[i]);
  rewriter.replaceOp(op, forall.getResults());
  return success();
}
