//===- TileAttentionBackward.cpp - Tiles of attention's backward ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One scheme for every set of gradients. A dimension over which no gradient is
// summed becomes one of an scf.forall; the others become scf.for loops, of
// which the innermost goes over tiles of keys or of queries:
//
//   query_grad            forall (b, h, queries)     for keys
//   key_grad, value_grad  forall (b, kv head, keys)  for h of group, queries
//   all three             forall (b, kv head)        for keys, h of group,
//                                                        queries
//   bias_grad,            forall where the accumulator  for the others
//   captured_grad           is not 1
//
// A task of the grid owns a share of each accumulator, so that every sum has
// one order. The share lives in the result (an extract_slice of the forall's
// output, updated in place). A loop that does not move through it any more
// carries the one tile that it adds to, padded to its static size; the tile is
// read before that loop and written back after it.
//
// The innermost loop is cut where the mask says (MaskAnalysis). Over queries,
// the analysis runs on the transposed mask, with keys for the rows of a tile:
// the projection then gives the queries that see a tile of keys.
//
// With a single loop, the form for GPUs, one loop visits all tiles and asks for
// the class of each after it has read them. It visits those of all heads of a
// group, one head after another: tile number n is that of head n / count and
// query tile n mod count. If the mask depends on the head it visits all query
// tiles there are, and asks which are empty. A gradient that is only rounded to
// a narrower type is rounded in its task, which writes no more than that.
//
// There, all three gradients are a grid over tiles of keys, as those of keys
// and values alone. A task has a query gradient of its own, from zeros on, and
// the tasks' are added (seqc.parallel_add): in any order, which is what one
// recomputation for three gradients costs.
//
// There, a gradient for each (query, key) has a task for each tile of pairs.
// What is broadcast is summed by the task: one loop over the batches and heads
// that share the tile, in order, which carries it.
//
//===----------------------------------------------------------------------===//

#include "TileAttentionBackward.h"

#include "SegmentBounds.h"

#include "seqc/Analysis/MaskAnalysis.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace seqc;

namespace {

/// A dimension of the loop nest, and of a gradient.
enum Dim : unsigned { Batch, Head, Query, Key, KeyHead, Depth, Broadcast };

/// Positions and extents, by Dim.
struct Box {
  Fold offsets[5], sizes[5];
};

/// One accumulator.
struct Accumulator {
  Dim dims[4];
  RankedTensorType type;
  /// The number of loops, from the outermost, up to the last one that moves
  /// through it.
  unsigned loops = 0;
  /// It has all rows of its last tile of queries.
  bool isPadded = false;
};

/// Tiles one operator.
class BackwardTiler {
public:
  BackwardTiler(RewriterBase &rewriter, BlockAttentionBackwardOp op,
                int64_t tileM, int64_t tileN, bool singleLoop,
                TileStatistics &statistics)
      : b(rewriter), op(op), loc(op.getLoc()), t(rewriter, loc), tileM(tileM),
        tileN(tileN), singleLoop(singleLoop), statistics(statistics) {}

  LogicalResult run();

private:
  void chooseLoops();
  /// The loops from number `level` on; takes and returns, for each accumulator,
  /// what is carried there: its share, or a tile.
  SmallVector<Value> buildLoops(unsigned level, ValueRange carried);
  SmallVector<Value> buildTileLoop(ValueRange carried);
  SmallVector<Value> buildPairLoop(ValueRange carried);
  SmallVector<Value> buildBody(Value position, ValueRange carried,
                               unsigned level,
                               function_ref<SmallVector<Value>(ValueRange)> fn,
                               bool isWhole = false);
  SmallVector<Value> buildTile(ValueRange carried, TileClass tileClass);
  SmallVector<Value> buildChoice(ValueRange carried, Value isEmpty,
                                 Value isFull);
  LogicalResult prepareSingleLoop();
  Value takeConversion(unsigned result);
  Value createPadded(Value queries);

  /// Where the present tile of an accumulator is: in all of it, or in the share
  /// of this task.
  void getPosition(const Accumulator &accumulator, const Box &box,
                   bool fromShare, SmallVector<Fold> &offsets,
                   SmallVector<Fold> &sizes);
  SmallVector<int64_t> getTileShape(const Accumulator &accumulator);
  Value loadTile(const Accumulator &accumulator, Value share);
  Value storeTile(const Accumulator &accumulator, Value tile, Value share);

  /// The key/value head of the present query head.
  void setHead(Value head);
  void setPosition(Dim dim, Fold offset);
  /// What does not change along the innermost loop, padded.
  void loadInvariants();

  Fold add(Fold x, Fold y) {
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    return affine::makeComposedFoldedAffineApply(b, loc, d0 + d1, {x, y});
  }
  Fold subtract(Fold x, Fold y) {
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    return affine::makeComposedFoldedAffineApply(b, loc, d0 - d1, {x, y});
  }
  bool isSummedOver(unsigned dim) {
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      if (op.isSummedOver(i, dim))
        return true;
    return false;
  }
  /// Whether tasks add to the i-th result.
  bool isAdded(unsigned i) {
    return addsQueries &&
           op.getGradient(i) == BlockAttentionBackwardOp::Gradient::Query;
  }
  int64_t tileOf(Dim dim) {
    return dim == Query ? tileM : dim == Key ? tileN : 1;
  }

  RewriterBase &b;
  BlockAttentionBackwardOp op;
  Location loc;
  Tiler t;
  int64_t tileM, tileN;
  bool singleLoop;
  TileStatistics &statistics;

  Fold extents[5], group, paddedQueries;
  SmallVector<Accumulator> accumulators;
  /// Of Batch, Head (or KeyHead), Query and Key: those in the grid.
  SmallVector<Dim, 4> grid;
  /// From the outermost to the innermost.
  SmallVector<Dim, 4> loops;
  bool isGrouped = false;
  /// A task has one tile of pairs, and a loop over what shares it.
  bool isPairs = false;
  /// A task has a part of each query gradient, and tasks add to one.
  bool addsQueries = false;
  /// Which tiles of the innermost loop the segments of the others reach.
  std::optional<SegmentBounds> segmentBounds;
  /// The present tile, and the part of the whole that this task owns.
  Box tile, share;
  Value query, outGrad, lse, delta, querySegments, key, value, keySegments;
};

} // namespace

//===----------------------------------------------------------------------===//
// The nest
//===----------------------------------------------------------------------===//

/// Chooses the grid and the loops, and places the accumulators in them.
void BackwardTiler::chooseLoops() {
  using Gradient = BlockAttentionBackwardOp::Gradient;
  bool hasKeyGrad = bool(op.getKeyGradInit());
  auto isPair = [&](unsigned i) {
    return op.getGradient(i) == Gradient::Bias ||
           op.getGradient(i) == Gradient::Captured;
  };
  auto numbers = llvm::seq<unsigned>(0, op.getNumResults());
  bool isPairSummedOverHeads = llvm::any_of(
      numbers, [&](unsigned i) { return isPair(i) && op.isSummedOver(i, 1); });
  // On a GPU one batch or head, as it is for a sum over what is not there, is
  // one of a grid.
  auto isLoop = [&](Dim dim) {
    bool isOne = singleLoop && getConstantIntValue(extents[dim]) == 1;
    return isSummedOver(dim) && !isOne;
  };
  if (!isLoop(Batch))
    grid.push_back(Batch);
  // The heads of a group add to one gradient of keys: one task has them all.
  isGrouped = hasKeyGrad && isSummedOver(1) && !isPairSummedOverHeads;
  if (isGrouped)
    grid.push_back(KeyHead);
  else if (!isLoop(Head))
    grid.push_back(Head);
  bool overQueries = isSummedOver(2), overKeys = isSummedOver(3);
  addsQueries = singleLoop && hasKeyGrad && bool(op.getQueryGradInit());
  isPairs =
      singleLoop && llvm::all_of(numbers, isPair) && !overQueries && !overKeys;
  if (isPairs)
    grid.append({Query, Key});
  else if (!overQueries)
    grid.push_back(Query);
  else if (!overKeys || addsQueries)
    grid.push_back(Key);

  auto inGrid = [&](Dim dim) { return llvm::is_contained(grid, dim); };
  if (!inGrid(Batch))
    loops.push_back(Batch);
  // Key tiles outside of the heads of their group: their gradients stay.
  bool keysFirst = hasKeyGrad && overQueries && overKeys && !addsQueries;
  if (keysFirst)
    loops.push_back(Key);
  if (!inGrid(Head))
    loops.push_back(Head);
  if (isPairs) {
    // buildPairLoop() has the loops that there are.
  } else if (inGrid(Query)) {
    loops.push_back(Key);
  } else if (inGrid(Key) || keysFirst) {
    loops.push_back(Query);
  } else {
    loops.push_back(Query);
    loops.push_back(Key);
  }

  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    Accumulator accumulator;
    accumulator.type = cast<RankedTensorType>(op.getDpsInits()[i].getType());
    switch (op.getGradient(i)) {
    case Gradient::Query:
      accumulator = {{Batch, Head, Query, Depth}, accumulator.type};
      break;
    case Gradient::Key:
    case Gradient::Value:
      accumulator = {{Batch, KeyHead, Key, Depth}, accumulator.type};
      break;
    case Gradient::Bias:
    case Gradient::Captured:
      accumulator = {{Batch, Head, Query, Key}, accumulator.type};
      for (auto [dim, size] :
           llvm::zip(accumulator.dims, accumulator.type.getShape()))
        if (size == 1)
          dim = Broadcast;
      break;
    }
    for (auto [level, dim] : llvm::enumerate(loops)) {
      bool moves = llvm::is_contained(accumulator.dims, dim) ||
                   (dim == Head && !isGrouped &&
                    llvm::is_contained(accumulator.dims, KeyHead));
      if (moves)
        accumulator.loops = level + 1;
    }
    accumulator.isPadded = isAdded(i);
    accumulators.push_back(accumulator);
  }
}

void BackwardTiler::setPosition(Dim dim, Fold offset) {
  tile.offsets[dim] = offset;
  tile.sizes[dim] = t.clampedSize(offset, extents[dim], tileOf(dim));
}

void BackwardTiler::setHead(Value head) {
  setPosition(Head, head);
  if (isGrouped) // Known before.
    return;
  Fold keyHead = head;
  if (!isSameSize(extents[Head], extents[KeyHead]))
    keyHead = arith::DivUIOp::create(b, loc, head, t.index(group)).getResult();
  setPosition(KeyHead, keyHead);
}

void BackwardTiler::getPosition(const Accumulator &accumulator, const Box &box,
                                bool fromShare, SmallVector<Fold> &offsets,
                                SmallVector<Fold> &sizes) {
  for (auto [i, dim] : llvm::enumerate(accumulator.dims)) {
    if (dim == Depth || dim == Broadcast) {
      offsets.push_back(t.attr(0));
      sizes.push_back(t.attr(accumulator.type.getDimSize(i)));
      continue;
    }
    offsets.push_back(fromShare ? subtract(box.offsets[dim], share.offsets[dim])
                                : box.offsets[dim]);
    Fold size = box.sizes[dim];
    if (accumulator.isPadded && dim == Query)
      size = fromShare ? t.attr(tileM) : paddedQueries;
    sizes.push_back(size);
  }
}

SmallVector<int64_t>
BackwardTiler::getTileShape(const Accumulator &accumulator) {
  SmallVector<int64_t> shape;
  for (auto [i, dim] : llvm::enumerate(accumulator.dims))
    shape.push_back(dim == Depth || dim == Broadcast
                        ? accumulator.type.getDimSize(i)
                        : tileOf(dim));
  return shape;
}

Value BackwardTiler::loadTile(const Accumulator &accumulator, Value share) {
  SmallVector<Fold> offsets, sizes;
  getPosition(accumulator, tile, /*fromShare=*/true, offsets, sizes);
  return t.pad(t.slice(share, offsets, sizes), getTileShape(accumulator));
}

Value BackwardTiler::storeTile(const Accumulator &accumulator, Value tileValue,
                               Value share) {
  SmallVector<Fold> offsets, sizes, zeros(4, t.attr(0));
  getPosition(accumulator, tile, /*fromShare=*/true, offsets, sizes);
  Value cut = t.slice(tileValue, zeros, sizes);
  return t.insert(cut, share, offsets, sizes);
}

/// The body of loop `level`: tiles that this loop moves to are read, go through
/// `fn` with all else, and are written back. A whole tile ends inside.
SmallVector<Value>
BackwardTiler::buildBody(Value position, ValueRange carried, unsigned level,
                         function_ref<SmallVector<Value>(ValueRange)> fn,
                         bool isWhole) {
  Dim dim = loops[level];
  if (dim == Head)
    setHead(position);
  else
    setPosition(dim, position);
  if (isWhole)
    tile.sizes[dim] = t.attr(tileOf(dim));
  SmallVector<Value> values(carried);
  for (auto [accumulator, v] : llvm::zip(accumulators, values))
    if (accumulator.loops == level + 1)
      v = loadTile(accumulator, v);
  values = fn(values);
  for (auto [accumulator, v, old] : llvm::zip(accumulators, values, carried))
    if (accumulator.loops == level + 1)
      v = storeTile(accumulator, v, old);
  return values;
}

SmallVector<Value> BackwardTiler::buildLoops(unsigned level,
                                             ValueRange carried) {
  if (level + 1 == loops.size())
    return buildTileLoop(carried);
  Dim dim = loops[level];
  if (singleLoop && dim == Head && isGrouped) {
    setHead(arith::MulIOp::create(b, loc, t.index(tile.offsets[KeyHead]),
                                  t.index(group))
                .getResult());
    return buildTileLoop(carried);
  }
  Value from = t.constant(0), to = t.index(extents[dim]);
  if (dim == Head && isGrouped) {
    // The heads of this group.
    Value size = t.index(group);
    from = arith::MulIOp::create(b, loc, t.index(tile.offsets[KeyHead]), size);
    to = arith::AddIOp::create(b, loc, from, size);
  }
  auto loop =
      scf::ForOp::create(b, loc, from, to, t.constant(tileOf(dim)), carried);
  ++statistics.loops;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> results =
      buildBody(loop.getInductionVar(), loop.getRegionIterArgs(), level,
                [&](ValueRange inner) { return buildLoops(level + 1, inner); });
  scf::YieldOp::create(b, loc, results);
  return llvm::to_vector_of<Value>(loop.getResults());
}

//===----------------------------------------------------------------------===//
// The innermost loop
//===----------------------------------------------------------------------===//

void BackwardTiler::loadInvariants() {
  Fold zero = t.attr(0), one = t.attr(1);
  const Fold *o = tile.offsets, *s = tile.sizes;
  auto depthOf = [](Value v) {
    return cast<RankedTensorType>(v.getType()).getDimSize(3);
  };
  query = key = querySegments = keySegments = Value();
  if (loops.back() == Key) {
    auto rows = [&](Value v) {
      return t.pad(t.slice(v, {o[Batch], o[Head], o[Query], zero},
                           {one, one, s[Query], t.attr(depthOf(v))}),
                   {1, 1, tileM, depthOf(v)});
    };
    auto numbers = [&](Value v) {
      return t.pad(
          t.slice(v, {o[Batch], o[Head], o[Query]}, {one, one, s[Query]}),
          {1, 1, tileM});
    };
    query = rows(op.getQuery());
    outGrad = rows(op.getOutGrad());
    lse = numbers(op.getLse());
    delta = numbers(op.getDelta());
    if (Value segments = op.getQuerySegments())
      querySegments = t.pad(
          t.slice(segments, {o[Batch], o[Query]}, {one, s[Query]}), {1, tileM});
    return;
  }
  auto columns = [&](Value v) {
    return t.pad(t.slice(v, {o[Batch], o[KeyHead], o[Key], zero},
                         {one, one, s[Key], t.attr(depthOf(v))}),
                 {1, 1, tileN, depthOf(v)});
  };
  key = columns(op.getKey());
  value = columns(op.getValue());
  if (Value segments = op.getKeySegments())
    keySegments =
        t.pad(t.slice(segments, {o[Batch], o[Key]}, {one, s[Key]}), {1, tileN});
}

/// Lets the mask region of `tile` hide positions at `end` and past it; they are
/// argument `number` of the region.
static void hideFrom(RewriterBase &b, BlockAttentionBackwardOp tile,
                     unsigned number, Value end) {
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
                                       mask.front().getArgument(number), end);
  if (visible)
    inside = arith::AndIOp::create(b, loc, visible, inside);
  YieldOp::create(b, loc, inside);
}

SmallVector<Value> BackwardTiler::buildTile(ValueRange carried,
                                            TileClass tileClass) {
  // A tile of pairs has all of its operands from elsewhere each time.
  Dim inner = isPairs ? Broadcast : loops.back();
  Fold sizes[] = {t.attr(1), t.attr(1), tile.sizes[Query], tile.sizes[Key]};
  Fold offsets[] = {tile.offsets[Batch], tile.offsets[Head],
                    tile.offsets[Query], tile.offsets[Key]};
  FailureOr<TilingResult> tiled = op.getTiledImplementation(b, offsets, sizes);
  auto block = cast<BlockAttentionBackwardOp>(tiled->tiledOps.front());
  b.setInsertionPoint(block);
  auto padTo = [&](OpOperand &operand, Value known, int64_t extent) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[type.getRank() == 2 ? 1 : 2] = extent;
    operand.set(known ? known : t.pad(operand.get(), shape));
  };
  Value none;
  bool hasRows = inner == Key;
  padTo(block.getQueryMutable(), query, tileM);
  padTo(block.getOutGradMutable(), hasRows ? outGrad : none, tileM);
  padTo(block.getLseMutable(), hasRows ? lse : none, tileM);
  padTo(block.getDeltaMutable(), hasRows ? delta : none, tileM);
  padTo(block.getKeyMutable(), key, tileN);
  padTo(block.getValueMutable(), hasRows ? none : value, tileN);
  if (Value bias = block.getBias()) {
    auto type = cast<RankedTensorType>(op.getBias().getType());
    block.getBiasMutable().assign(
        t.pad(bias, {1, 1, type.getDimSize(2) == 1 ? 1 : tileM,
                     type.getDimSize(3) == 1 ? 1 : tileN}));
  }
  if (block.getQuerySegments()) {
    padTo(block.getQuerySegmentsMutable()[0], querySegments, tileM);
    padTo(block.getKeySegmentsMutable()[0], keySegments, tileN);
  }
  for (auto [init, v] : llvm::zip(block.getDpsInitsMutable(), carried))
    init.set(v);
  for (auto [result, v] : llvm::zip(block.getResults(), carried))
    result.setType(v.getType());
  block.setTileClass(tileClass);
  // A tile hides what is past the last query and key there are. If this
  // operator has only a part of them, it must also hide what is past the part.
  if (tileClass == TileClass::Partial)
    for (auto [dim, number] : {std::pair(Query, 2u), std::pair(Key, 3u)}) {
      Value base = op.getOffsets()[number];
      Value length = op.getLengths()[number - 2];
      bool isPart =
          !isZeroInteger(Fold(base)) || !isSameSize(extents[dim], Fold(length));
      if (isPart && isSummedOver(number))
        hideFrom(b, block, number, t.index(add(base, extents[dim])));
    }
  b.setInsertionPointAfter(block);
  return llvm::to_vector_of<Value>(block.getResults());
}

/// The tile, in the class that `isFull` says, unless `isEmpty`: what is read
/// depends on neither. Either may be null, for no.
SmallVector<Value> BackwardTiler::buildChoice(ValueRange carried, Value isEmpty,
                                              Value isFull) {
  SmallVector<Value> results = buildTile(carried, TileClass::Partial);
  Operation *tile = results.front().getDefiningOp();
  OpBuilder::InsertionGuard guard(b);
  auto choose = [&](Value condition, function_ref<ValueRange()> then,
                    Operation *otherwise) {
    auto choice = scf::IfOp::create(b, loc, otherwise->getResultTypes(),
                                    condition, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.thenBlock());
    scf::YieldOp::create(b, loc, then());
    b.moveOpBefore(otherwise, choice.elseBlock(), choice.elseBlock()->end());
    b.setInsertionPointToEnd(choice.elseBlock());
    scf::YieldOp::create(b, loc, otherwise->getResults());
    b.setInsertionPointAfter(choice);
    results = llvm::to_vector_of<Value>(choice.getResults());
    return choice.getOperation();
  };
  if (isFull)
    tile = choose(
        isFull,
        [&]() -> ValueRange {
          auto full = cast<BlockAttentionBackwardOp>(b.clone(*tile));
          full.setTileClass(TileClass::Full);
          return full.getResults();
        },
        tile);
  if (isEmpty)
    choose(isEmpty, [&]() { return carried; }, tile);
  return results;
}

SmallVector<Value> BackwardTiler::buildTileLoop(ValueRange carried) {
  unsigned level = loops.size() - 1;
  Dim inner = loops[level], outer = inner == Key ? Query : Key;
  bool transposed = inner == Query;
  unsigned innerNumber = transposed ? 2 : 3, outerNumber = transposed ? 3 : 2;
  loadInvariants();
  MaskSpec spec = MaskSpec::get(op, transposed);
  spec.hasSegmentBounds = segmentBounds.has_value();
  MaskAnalysis mask(spec, op.getContext());
  MaskOperands operands =
      MaskOperands::get(b, loc, op, t.index(tile.offsets[Batch]),
                        t.index(tile.offsets[Head]), transposed);
  // Positions are global in the bounds and local in the slices.
  Value innerBase = op.getOffsets()[innerNumber];
  Value innerEnd = t.index(add(innerBase, extents[inner]));
  if (singleLoop && operands.prefix) {
    // In the range of positions, as those of GPUs have 32 bits. Lengths have
    // changed places where the mask has.
    Value keys = transposed ? operands.queryLength : operands.keyLength;
    Value end = arith::MinSIOp::create(b, loc, operands.prefix, keys);
    operands.prefix = arith::MaxSIOp::create(b, loc, end, t.constant(0));
  }
  if (segmentBounds)
    operands.segments =
        segmentBounds->read(b, loc, t.index(tile.offsets[Batch]),
                            t.index(tile.offsets[outer]), innerBase);
  Value first = t.index(add(op.getOffsets()[outerNumber], tile.offsets[outer]));
  int64_t rows = tileOf(outer), columns = tileOf(inner);
  LoopBounds bounds = mask.buildBounds(b, loc, first, innerBase, innerEnd, rows,
                                       columns, operands);
  // A full tile has no padding along a dimension that it sums over. The
  // analysis knows that of the columns.
  bool hasFull = mask.hasFull();
  // The bounds are those of one head.
  bool overGroup = singleLoop && isGrouped;
  bool asksHead = overGroup && mask.usesHead();
  if (asksHead) {
    bounds.lo = innerBase;
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    AffineExpr end = d0 + (d1 - d0).ceilDiv(columns) * columns;
    bounds.hi = t.index(affine::makeComposedFoldedAffineApply(
        b, loc, end, {Fold(innerBase), Fold(innerEnd)}));
  }
  Value isWhole;
  if (hasFull && isSummedOver(outerNumber) &&
      getConstantIntValue(tile.sizes[outer]) != rows) {
    isWhole =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                              t.index(tile.sizes[outer]), t.constant(rows));
    bounds.fullLo =
        arith::SelectOp::create(b, loc, isWhole, bounds.fullLo, bounds.hi);
    bounds.fullHi =
        arith::SelectOp::create(b, loc, isWhole, bounds.fullHi, bounds.hi);
  }

  auto buildLoop = [&](Value from, Value to, ValueRange inits,
                       function_ref<SmallVector<Value>(Value, ValueRange)> fn) {
    auto loop =
        scf::ForOp::create(b, loc, from, to, t.constant(columns), inits);
    ++statistics.loops;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> results =
        fn(loop.getInductionVar(), loop.getRegionIterArgs());
    scf::YieldOp::create(b, loc, results);
    return llvm::to_vector_of<Value>(loop.getResults());
  };
  auto buildOne = [&](Value position, ValueRange values, TileClass tileClass) {
    Value local = t.index(subtract(position, innerBase));
    // No tile of the innermost loop that is full reaches past its end.
    return buildBody(
        local, values, level,
        [&](ValueRange tiles) { return buildTile(tiles, tileClass); },
        tileClass == TileClass::Full);
  };
  auto buildSingle = [&](Value position, ValueRange values) {
    Value isEmpty, isFull;
    if (!mask.isConvex() || asksHead) {
      isEmpty = mask.buildIsEmpty(b, loc, first, position, innerEnd, rows,
                                  columns, operands);
      if (hasFull)
        isFull = mask.buildIsFull(b, loc, first, position, innerEnd, rows,
                                  columns, operands);
      if (isFull && isWhole)
        isFull = arith::AndIOp::create(b, loc, isFull, isWhole);
    } else if (hasFull) {
      using arith::CmpIPredicate;
      isFull = arith::AndIOp::create(
          b, loc,
          arith::CmpIOp::create(b, loc, CmpIPredicate::sge, position,
                                bounds.fullLo),
          arith::CmpIOp::create(b, loc, CmpIPredicate::slt, position,
                                bounds.fullHi));
    }
    Value local = t.index(subtract(position, innerBase));
    return buildBody(local, values, level, [&](ValueRange tiles) {
      return buildChoice(tiles, isEmpty, isFull);
    });
  };
  auto partial = [&](Value position, ValueRange values) {
    return buildOne(position, values, TileClass::Partial);
  };
  auto full = [&](Value position, ValueRange values) {
    return buildOne(position, values, TileClass::Full);
  };

  if (hasFull)
    ++statistics.fullLoops;
  if (singleLoop && !overGroup)
    return buildLoop(bounds.lo, bounds.hi, carried, buildSingle);
  if (singleLoop) {
    // At least one, as something may divide by it in front of the loop.
    Value size = t.constant(columns);
    Value span = arith::SubIOp::create(b, loc, bounds.hi, bounds.lo);
    Value tiles = arith::DivUIOp::create(b, loc, span, size);
    Value count = arith::MaxSIOp::create(b, loc, tiles, t.constant(1));
    Value firstHead = t.index(tile.offsets[Head]);
    auto loop =
        scf::ForOp::create(b, loc, t.constant(0),
                           arith::MulIOp::create(b, loc, tiles, t.index(group)),
                           t.constant(1), carried);
    ++statistics.loops;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value number = loop.getInductionVar();
    Value inGroup = arith::DivUIOp::create(b, loc, number, count);
    Value inHead = arith::RemUIOp::create(b, loc, number, count);
    Value head = arith::AddIOp::create(b, loc, firstHead, inGroup);
    setHead(head);
    operands.head = t.index(add(op.getOffsets()[1], head));
    Value passed = arith::MulIOp::create(b, loc, inHead, size);
    Value position = arith::AddIOp::create(b, loc, bounds.lo, passed);
    scf::YieldOp::create(b, loc,
                         buildSingle(position, loop.getRegionIterArgs()));
    return llvm::to_vector_of<Value>(loop.getResults());
  }
  if (mask.isConvex()) {
    if (!hasFull)
      return buildLoop(bounds.lo, bounds.hi, carried, partial);
    SmallVector<Value> values =
        buildLoop(bounds.lo, bounds.fullLo, carried, partial);
    values = buildLoop(bounds.fullLo, bounds.fullHi, values, full);
    return buildLoop(bounds.fullHi, bounds.hi, values, partial);
  }
  // A union: one loop over its hull, which asks for each tile.
  auto ask = [&](Value position, ValueRange values) {
    auto choose = [&](Value condition, function_ref<SmallVector<Value>()> then,
                      function_ref<SmallVector<Value>()> otherwise) {
      auto choice = scf::IfOp::create(b, loc, values.getTypes(), condition,
                                      /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(choice.thenBlock());
      scf::YieldOp::create(b, loc, then());
      b.setInsertionPointToStart(choice.elseBlock());
      scf::YieldOp::create(b, loc, otherwise());
      return llvm::to_vector_of<Value>(choice.getResults());
    };
    Value isEmpty = mask.buildIsEmpty(b, loc, first, position, innerEnd, rows,
                                      columns, operands);
    return choose(
        isEmpty, [&] { return llvm::to_vector_of<Value>(values); },
        [&] {
          if (!hasFull)
            return partial(position, values);
          Value isFull = mask.buildIsFull(b, loc, first, position, innerEnd,
                                          rows, columns, operands);
          if (isWhole)
            isFull = arith::AndIOp::create(b, loc, isFull, isWhole);
          return choose(
              isFull, [&] { return full(position, values); },
              [&] { return partial(position, values); });
        });
  };
  return buildLoop(bounds.lo, bounds.hi, carried, ask);
}

/// The tile of pairs of this task, over the batches and heads that share it.
SmallVector<Value> BackwardTiler::buildPairLoop(ValueRange carried) {
  MaskSpec spec = MaskSpec::get(op, /*transposed=*/false);
  MaskAnalysis mask(spec, op.getContext());
  Value first = t.index(add(op.getOffsets()[2], tile.offsets[Query]));
  Value position = t.index(add(op.getOffsets()[3], tile.offsets[Key]));
  Value end = t.index(add(op.getOffsets()[3], extents[Key]));
  auto getOperands = [&] {
    MaskOperands operands =
        MaskOperands::get(b, loc, op, t.index(tile.offsets[Batch]),
                          t.index(tile.offsets[Head]), /*transposed=*/false);
    if (operands.prefix) {
      Value last =
          arith::MinSIOp::create(b, loc, operands.prefix, operands.keyLength);
      operands.prefix = arith::MaxSIOp::create(b, loc, last, t.constant(0));
    }
    return operands;
  };
  auto isEmpty = [&] {
    return mask.buildIsEmpty(b, loc, first, position, end, tileM, tileN,
                             getOperands());
  };

  bool overBatches = !llvm::is_contained(grid, Batch);
  bool overHeads = !llvm::is_contained(grid, Head);
  Value heads = t.index(extents[Head]);
  Value count = t.constant(1);
  if (overBatches)
    count = t.index(extents[Batch]);
  if (overHeads)
    count = arith::MulIOp::create(b, loc, count, heads);
  // A mask of positions hides a tile from all of them.
  bool asksOnce = op.getMask().empty() && !op.getPrefix();
  bool isBand = op.getCausal() || op.getWindowLeft() || op.getWindowRight();
  if (asksOnce && isBand)
    count = arith::SelectOp::create(b, loc, isEmpty(), t.constant(0), count);
  auto loop =
      scf::ForOp::create(b, loc, t.constant(0), count, t.constant(1), carried);
  ++statistics.loops;
  if (mask.hasFull())
    ++statistics.fullLoops;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value number = loop.getInductionVar();
  if (overBatches && overHeads) {
    // Divisions are moved in front of loops, where there may be no heads.
    Value some = arith::MaxSIOp::create(b, loc, heads, t.constant(1));
    setPosition(Batch,
                arith::DivUIOp::create(b, loc, number, some).getResult());
    setHead(arith::RemUIOp::create(b, loc, number, some));
  } else if (overBatches) {
    setPosition(Batch, number);
  } else if (overHeads) {
    setHead(number);
  }
  Value empty = asksOnce ? Value() : isEmpty();
  Value full;
  if (mask.hasFull())
    full = mask.buildIsFull(b, loc, first, position, end, tileM, tileN,
                            getOperands());
  SmallVector<Value> results =
      buildChoice(loop.getRegionIterArgs(), empty, full);
  scf::YieldOp::create(b, loc, results);
  return llvm::to_vector_of<Value>(loop.getResults());
}

//===----------------------------------------------------------------------===//
// The grid
//===----------------------------------------------------------------------===//

/// What GPUs ask for besides.
LogicalResult BackwardTiler::prepareSingleLoop() {
  for (auto [i, accumulator] : llvm::enumerate(accumulators))
    if (accumulator.loops != 0 && !isAdded(i))
      return op.emitOpError("cannot be tiled for a GPU: its result #")
             << i << " of " << accumulator.type
             << " has no tile that one task adds to alone";
  // Positions have 32 bits; a wider window is as good as none.
  constexpr int64_t widest = int64_t(1) << 30;
  if (op.getWindowLeft())
    op.setWindowLeft(std::min<int64_t>(*op.getWindowLeft(), widest));
  if (op.getWindowRight())
    op.setWindowRight(std::min<int64_t>(*op.getWindowRight(), widest));
  return success();
}

/// If all that is done with a result is to round it: takes that out and returns
/// what the rounded numbers go into.
Value BackwardTiler::takeConversion(unsigned result) {
  Value value = op.getResult(result);
  if (!value.hasOneUse())
    return {};
  auto generic = dyn_cast<linalg::GenericOp>(*value.user_begin());
  if (!generic || generic.getNumDpsInputs() != 1 ||
      generic.getNumDpsInits() != 1 || generic.getDpsInputs()[0] != value ||
      generic.getNumParallelLoops() != generic.getNumLoops() ||
      !llvm::all_of(generic.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return {};
  Block &body = generic.getRegion().front();
  auto truncation = dyn_cast<arith::TruncFOp>(body.front());
  if (!truncation || truncation.getIn() != body.getArgument(0) ||
      truncation->getNextNode() != body.getTerminator() ||
      body.getTerminator()->getOperand(0) != truncation)
    return {};
  Value init = op.getDpsInits()[result];
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, init), truncation.getType());
  b.replaceOp(generic, value);
  return empty;
}

/// Zeros of the type of `queries`, for whole tiles of them.
Value BackwardTiler::createPadded(Value queries) {
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, loc, queries);
  sizes[2] = paddedQueries;
  Type element = getElementTypeOrSelf(queries.getType());
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
  return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
}

LogicalResult BackwardTiler::run() {
  b.setInsertionPoint(op);
  extents[Batch] = t.dim(op.getQuery(), 0);
  extents[Head] = t.dim(op.getQuery(), 1);
  extents[Query] = t.dim(op.getQuery(), 2);
  extents[Key] = t.dim(op.getKey(), 2);
  extents[KeyHead] = t.dim(op.getKey(), 1);
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  paddedQueries = affine::makeComposedFoldedAffineApply(
      b, loc, d0.ceilDiv(tileM) * tileM, {extents[Query]});
  chooseLoops();
  if (singleLoop && failed(prepareSingleLoop()))
    return failure();
  auto heads = getConstantIntValue(extents[Head]);
  auto keyHeads = getConstantIntValue(extents[KeyHead]);
  if (heads && keyHeads && *keyHeads != 0)
    group = t.attr(*heads / *keyHeads);
  else
    group = arith::DivUIOp::create(b, loc, t.index(extents[Head]),
                                   t.index(extents[KeyHead]))
                .getResult();

  // The segments are read where the whole of them is.
  if (op.getQuerySegments() && !isPairs &&
      isa<func::FuncOp>(op->getParentOp())) {
    bool overKeys = loops.back() == Key;
    Value rows = overKeys ? op.getQuerySegments() : op.getKeySegments();
    Value columns = overKeys ? op.getKeySegments() : op.getQuerySegments();
    segmentBounds.emplace(b, loc, rows, columns, overKeys ? tileM : tileN,
                          overKeys ? tileN : tileM);
  }

  // A dimension that is no loop of the grid has one task.
  size_t rank = std::max<size_t>(3, grid.size());
  SmallVector<Fold> from(rank, t.attr(0)), to(rank, t.attr(1)),
      steps(rank, t.attr(1));
  // Pairs have their two in the last ones, which a GPU has the most blocks for.
  size_t before = isPairs ? rank - grid.size() : 0;
  for (auto [i, dim] : llvm::enumerate(grid)) {
    to[before + i] = extents[dim];
    steps[before + i] = t.attr(tileOf(dim));
  }
  SmallVector<Value> outputs(op.getDpsInits());
  if (singleLoop)
    for (auto [i, output] : llvm::enumerate(outputs))
      if (Value rounded = isAdded(i) ? Value() : takeConversion(i))
        output = rounded;
  // Tasks write whole tiles of what they add to.
  if (addsQueries)
    outputs.front() = createPadded(outputs.front());
  auto forall = scf::ForallOp::create(b, loc, from, to, steps, outputs,
                                      /*mapping=*/std::nullopt);
  b.setInsertionPoint(forall.getTerminator());
  for (Dim dim : {Batch, Head, Query, Key, KeyHead}) {
    share.offsets[dim] = tile.offsets[dim] = t.attr(0);
    share.sizes[dim] = tile.sizes[dim] = extents[dim];
  }
  for (auto [i, dim] : llvm::enumerate(grid)) {
    Value position = forall.getInductionVars()[before + i];
    if (dim == Head)
      setHead(position);
    else
      setPosition(dim, position);
  }
  for (Dim dim : {Batch, Head, Query, Key, KeyHead})
    if (llvm::is_contained(grid, dim) ||
        (dim == KeyHead && llvm::is_contained(grid, Head))) {
      share.offsets[dim] = tile.offsets[dim];
      share.sizes[dim] = tile.sizes[dim];
    }
  if (isGrouped) {
    share.offsets[Head] =
        arith::MulIOp::create(b, loc, t.index(tile.offsets[KeyHead]),
                              t.index(group))
            .getResult();
    share.sizes[Head] = group;
  }

  SmallVector<Value> carried;
  SmallVector<std::pair<SmallVector<Fold>, SmallVector<Fold>>> positions;
  for (auto [i, accumulator] : llvm::enumerate(accumulators)) {
    SmallVector<Fold> offsets, sizes;
    getPosition(accumulator, share, /*fromShare=*/false, offsets, sizes);
    positions.push_back({offsets, sizes});
    if (isAdded(i)) {
      Type element = accumulator.type.getElementType();
      Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
      Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
      carried.push_back(
          linalg::FillOp::create(b, loc, zero, empty).getResult(0));
      continue;
    }
    carried.push_back(
        accumulator.loops == 0
            ? t.initialTile(op.getDpsInits()[i], offsets, sizes,
                            getTileShape(accumulator))
            : t.slice(forall.getRegionIterArgs()[i], offsets, sizes));
  }
  SmallVector<Value> results =
      isPairs ? buildPairLoop(carried) : buildLoops(0, carried);
  for (auto [i, accumulator] : llvm::enumerate(accumulators))
    if (accumulator.loops == 0) {
      SmallVector<Fold> zeros(4, t.attr(0));
      auto type = cast<RankedTensorType>(results[i].getType());
      Type element = getElementTypeOrSelf(outputs[i].getType());
      if (type.getElementType() != element)
        results[i] =
            arith::TruncFOp::create(b, loc, type.clone(element), results[i]);
      results[i] = t.slice(results[i], zeros, positions[i].second);
    }
  SmallVector<Value> addedOffsets;
  for (auto [i, position] : llvm::enumerate(positions))
    if (isAdded(i))
      for (Fold offset : position.first)
        addedOffsets.push_back(t.index(offset));
  b.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [i, result] : llvm::enumerate(results))
    if (isAdded(i))
      ParallelAddOp::create(b, loc, result, forall.getRegionIterArgs()[i],
                            addedOffsets);
    else
      t.parallelInsert(result, forall.getRegionIterArgs()[i],
                       positions[i].first, positions[i].second);
  SmallVector<Value> replacements(forall.getResults());
  if (addsQueries) {
    b.setInsertionPointAfter(forall);
    Value whole = op.getDpsInits()[0];
    SmallVector<Fold> sizes = tensor::getMixedSizes(b, loc, whole),
                      zeros(sizes.size(), t.attr(0));
    replacements[0] = t.slice(replacements[0], zeros, sizes);
  }
  b.replaceOp(op, replacements);
  return success();
}

LogicalResult seqc::tileAttentionBackward(RewriterBase &rewriter,
                                          BlockAttentionBackwardOp op,
                                          int64_t tileM, int64_t tileN,
                                          bool singleLoop,
                                          TileStatistics &statistics) {
  return BackwardTiler(rewriter, op, tileM, tileN, singleLoop, statistics)
      .run();
}
