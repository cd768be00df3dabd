//===- IOModelAttention.cpp - The analytic model of attention -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a tile of scores reads, computes and writes, times the tiles that the
// mask leaves: counted in closed form for causal masks and windows, and with
// the mask analysis for a mask region. Forward, backward and the L1 operator
// share the counts. docs/io-model.md states every rule; the comments here name
// the step.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/IR/TypeUtilities.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

/// True if something other than a loop's yield or a finish reads `v`.
static bool leavesTheOp(Value v) {
  return v && llvm::any_of(v.getUsers(), [](Operation *user) {
           return !isa<SoftmaxFinishOp>(user);
         });
}

/// Whether a score region is a few operations on the score and on sums of
/// positions, which kernels keep in one register for a whole tile. Elements
/// that are read at positions, and choices by them, need registers of their
/// own.
static bool isCheap(Region &region) {
  constexpr unsigned maxOps = 16;
  unsigned numOps = 0;
  // What differs from one score to another.
  DenseSet<Value> varying = {region.getArgument(0), region.getArgument(3),
                             region.getArgument(4)};
  for (Operation &op : region.front().without_terminator()) {
    if (op.getNumRegions() != 0)
      return false;
    if (!llvm::any_of(op.getOperands(),
                      [&](Value v) { return varying.contains(v); }))
      continue;
    bool isSum = isa<arith::AddIOp, arith::SubIOp, arith::MulIOp,
                     arith::IndexCastOp, arith::SIToFPOp>(op);
    bool isFloat =
        llvm::all_of(op.getOperandTypes(),
                     [](Type type) { return isa<FloatType>(type); }) &&
        llvm::all_of(op.getResultTypes(),
                     [](Type type) { return isa<FloatType>(type); });
    if (!(isSum || isFloat) || ++numOps > maxOps)
      return false;
    varying.insert_range(op.getResults());
  }
  return true;
}

template <typename OpT>
static AttentionShape commonAttention(OpT op, SizeFn size) {
  AttentionShape s;
  Value q = op.getQuery(), k = op.getKey(), v = op.getValue();
  s.B = size(q, 0);
  s.Hq = size(q, 1);
  s.Hkv = size(k, 1);
  s.Sq = size(q, 2);
  s.Sk = size(k, 2);
  s.D = size(q, 3);
  s.Dv = size(v, 3);
  s.type = getElementTypeOrSelf(q);
  s.accType = getAccumulatorType(s.type);
  s.e = elementBytes(s.type);
  s.a = elementBytes(s.accType);
  s.causal = op.getCausal();
  if (auto w = op.getWindowLeft())
    s.windowLeft = std::min<int64_t>(*w, int64_t(1) << 50);
  if (auto w = op.getWindowRight())
    s.windowRight = std::min<int64_t>(*w, int64_t(1) << 50);
  s.bottomRight = op.getAlignment() == Alignment::BottomRight;
  if (Value bias = op.getBias()) {
    s.bias = true;
    s.biasElementBytes = elementBytes(bias);
    s.biasBytes = totalBytes(bias, size);
    s.biasRows = size(bias, 2) != 1;
    s.biasColumns = size(bias, 3) != 1;
  }
  s.paged = k.getDefiningOp<PagedOp>() || v.getDefiningOp<PagedOp>();
  s.segments = static_cast<bool>(op.getQuerySegments());
  s.prefix = static_cast<bool>(op.getPrefix());
  s.dropout = op.getDropout() && op.getDropout()->convertToDouble() > 0;
  s.maskRegion = !op.getMask().empty();
  s.scoreRegion = !op.getScore().empty();
  if (s.scoreRegion) {
    s.score = countScalarWork(op.getScore());
    s.isScoreCheap = isCheap(op.getScore());
  }
  return s;
}

/// Gives `s` the analysis of its mask region, if numbers are all it needs.
template <typename OpT>
static void analyseMask(OpT op, AttentionShape &s) {
  if (!s.maskRegion)
    return;
  auto mask = std::make_shared<MaskAnalysis>(op);
  if (mask->getCaptures().empty() && !mask->usesBatch() && !mask->usesHead() &&
      !mask->usesPrefix())
    s.mask = std::move(mask);
}

std::optional<AttentionShape> seqc::io::getAttentionShape(Operation *op,
                                                          SizeFn size) {
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    AttentionShape s = commonAttention(attention, size);
    s.keyLengths = static_cast<bool>(attention.getKeyLengths());
    s.sinks = static_cast<bool>(attention.getSinks());
    s.lse = static_cast<bool>(attention.getLse());
    analyseMask(attention, s);
    return s;
  }
  if (auto backward = dyn_cast<AttentionBackwardOp>(op)) {
    AttentionShape s = commonAttention(backward, size);
    s.backward = true;
    s.sinks = static_cast<bool>(backward.getSinks());
    s.lse = static_cast<bool>(backward.getLseGrad());
    s.oneKernel = backward.fitsOneKernel();
    s.biasGradBytes = totalBytes(backward.getBiasGrad(), size);
    for (Value gradient : backward.getCapturedGrad())
      s.biasGradBytes += totalBytes(gradient, size);
    return s;
  }
  if (auto block = dyn_cast<BlockAttentionBackwardOp>(op)) {
    AttentionShape s = commonAttention(block, size);
    s.backward = s.isBlock = true;
    s.queryGrad = static_cast<bool>(block.getQueryGradInit());
    s.keyGrad = static_cast<bool>(block.getKeyGradInit());
    s.keyRows = block.hasKeyRows();
    for (Value init : {block.getBiasGradInit(), block.getCapturedGradInit()}) {
      if (!init)
        continue;
      auto type = cast<RankedTensorType>(init.getType());
      s.pairGrad = true;
      s.pairTiles |= type.getDimSize(2) != 1 && type.getDimSize(3) != 1;
      s.biasGradBytes += totalBytes(init, size);
    }
    return s;
  }
  if (auto online = dyn_cast<OnlineAttentionOp>(op)) {
    AttentionShape s = commonAttention(online, size);
    s.keyLengths = static_cast<bool>(online.getKeyLengths());
    s.stateIn = !isFreeState(online.getAccInit());
    s.stateOut = leavesTheOp(online.getAcc());
    analyseMask(online, s);
    for (Operation *user : online.getAcc().getUsers())
      if (auto finish = dyn_cast<SoftmaxFinishOp>(user)) {
        s.lse = static_cast<bool>(finish.getLse());
        s.sinks = static_cast<bool>(finish.getSinks());
      }
    return s;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Tiles of a mask
//===----------------------------------------------------------------------===//

/// Sum over i in [0, n) of clamp(i + offset, 0, limit).
static double sumClamped(double n, double offset, double limit) {
  // Rows below `first` contribute 0, rows from `last` on contribute `limit`.
  double first = std::clamp(-offset, 0.0, n);
  double last = std::clamp(limit - offset, first, n);
  double count = last - first;
  return count * ((first + offset) + (last - 1 + offset)) / 2 +
         (n - last) * limit;
}

/// Tiles that the mask analysis leaves. It does not count pairs: every pair of
/// a visited tile counts as visible.
static TileCounts countAnalysedTiles(const AttentionShape &s, int64_t tileM,
                                     int64_t tileN) {
  TileCounts c;
  MaskTiling tiling = s.mask->getTiling(tileM, tileN);
  MaskPoint point;
  point.queryLength = s.Sq;
  point.keyLength = point.kvEnd = s.Sk;
  int64_t firstKey = s.Sk, endKey = 0;
  // At most 1024 query tiles and a million tiles are looked at.
  int64_t stride = std::max<int64_t>(1, ceilDiv(s.Sq, tileM) / 1024);
  bool eachTile = !s.mask->isConvex() && ceilDiv(s.Sk, tileN) <= 1024;
  for (int64_t i0 = 0; i0 < s.Sq; i0 += tileM * stride) {
    double rows = std::min(tileM, s.Sq - i0);
    point.i0 = i0;
    TileLoopBounds<int64_t> bounds = tiling.evaluateBounds(point);
    auto visit = [&](int64_t from, int64_t to, bool full) {
      if (from >= to)
        return;
      double tiles = ceilDiv(to - from, tileN);
      double columns = std::min(to, s.Sk) - from;
      firstKey = std::min(firstKey, from);
      endKey = std::max(endKey, std::min(to, s.Sk));
      c.tiles += tiles;
      c.pairs += rows * columns;
      c.rowLoads += rows * tiles;
      c.columnLoads += columns;
      if (full) {
        c.fullTiles += tiles;
        c.fullPairs += rows * columns;
      }
    };
    if (!eachTile) {
      visit(bounds.lo, bounds.fullLo, false);
      visit(bounds.fullLo, bounds.fullHi, true);
      visit(bounds.fullHi, bounds.hi, false);
      continue;
    }
    for (int64_t j = bounds.lo; j < bounds.hi; j += tileN)
      if (!tiling.evaluateIsEmpty(point, j))
        visit(j, j + tileN, tiling.evaluateIsFull(point, j));
  }
  for (double *x : {&c.tiles, &c.fullTiles, &c.pairs, &c.fullPairs, &c.rowLoads,
                    &c.columnLoads})
    *x *= stride;
  c.visiblePairs = c.pairs;
  c.keys = std::max<int64_t>(0, endKey - firstKey);
  return c;
}

TileCounts seqc::io::countTiles(const AttentionShape &s, int64_t tileM,
                                int64_t tileN) {
  if (s.mask)
    return countAnalysedTiles(s, tileM, tileN);
  TileCounts c;
  int64_t shift = s.bottomRight ? s.Sk - s.Sq : 0;
  // Query i sees keys [i + lo, i + hi]; the prefix is data and not counted.
  std::optional<int64_t> lo, hi;
  if (s.windowLeft)
    lo = shift - *s.windowLeft;
  if (s.causal)
    hi = shift;
  if (s.windowRight)
    hi = std::min(hi.value_or(INT64_MAX), shift + *s.windowRight);
  bool dataMask = s.segments || s.maskRegion;

  double below = hi ? sumClamped(s.Sq, *hi + 1, s.Sk) : double(s.Sq) * s.Sk;
  double hidden = lo ? sumClamped(s.Sq, *lo, s.Sk) : 0;
  c.visiblePairs = std::max(0.0, below - hidden);

  int64_t firstKey = s.Sk, endKey = 0;
  // Of very many query tiles, every `stride`th stands for its neighbours.
  int64_t stride = std::max<int64_t>(1, s.Sq / tileM >> 20);
  for (int64_t i0 = 0; i0 < s.Sq; i0 += tileM * stride) {
    int64_t i1 = std::min(i0 + tileM, s.Sq);
    int64_t rows = i1 - i0;
    // The first and the last key that some row of the tile sees.
    int64_t from = lo ? std::max<int64_t>(0, i0 + *lo) : 0;
    int64_t to = hi ? std::min(s.Sk - 1, i1 - 1 + *hi) : s.Sk - 1;
    if (from > to)
      continue;
    int64_t k0 = from / tileN, k1 = to / tileN + 1;
    int64_t columns = std::min(k1 * tileN, s.Sk) - k0 * tileN;
    firstKey = std::min(firstKey, k0 * tileN);
    endKey = std::max(endKey, std::min(k1 * tileN, s.Sk));
    c.tiles += k1 - k0;
    c.pairs += double(rows) * columns;
    c.rowLoads += double(rows) * (k1 - k0);
    c.columnLoads += columns;
    if (dataMask)
      continue;
    // Keys that every row sees, and the tiles that they fill.
    int64_t allFrom = lo ? std::max<int64_t>(0, i1 - 1 + *lo) : 0;
    int64_t allTo = hi ? std::min(s.Sk - 1, i0 + *hi) : s.Sk - 1;
    int64_t f0 = ceilDiv(allFrom, tileN);
    int64_t f1 = allTo + 1 == s.Sk ? ceilDiv(s.Sk, tileN)
                                   : std::max<int64_t>(0, allTo + 1) / tileN;
    if (f1 > f0) {
      c.fullTiles += f1 - f0;
      c.fullPairs += double(rows) * (std::min(f1 * tileN, s.Sk) - f0 * tileN);
    }
  }
  for (double *x : {&c.tiles, &c.fullTiles, &c.pairs, &c.fullPairs, &c.rowLoads,
                    &c.columnLoads})
    *x *= stride;
  c.keys = std::max<int64_t>(0, endKey - firstKey);
  return c;
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

double seqc::io::tileBytes(const AttentionShape &s, TileSchedule t) {
  double m = t.tileM, n = t.tileN;
  if (!s.backward) // Q, K, V; scores; acc; max and sum.
    return m * s.D * s.e + n * (s.D + s.Dv) * s.e + m * n * s.a +
           m * s.Dv * s.a + 2 * m * s.a;
  // K, V and their gradients stay; Q, dO, dQ, lse and delta stream past; P and
  // dS.
  return n * (s.D + s.Dv) * (s.e + s.a) + m * (s.D + s.Dv) * s.e +
         m * s.D * s.a + 2 * m * s.a + 2 * m * n * s.a;
}

/// Work on scores, in both directions, that the mask and the score
/// region ask for.
static void addScoreWork(Counts &c, const AttentionShape &s,
                         const TileCounts &t, double heads) {
  double pairs = t.pairs * heads;
  if (s.bias)
    addVector(c, pairs);
  if (s.scoreRegion) {
    // The region of L1's backward has its derivative in it.
    double factor = s.backward && !s.isBlock ? 3 : 1;
    c.vectorFlops += factor * s.score.flops * pairs;
    c.vectorOps += factor * s.score.ops * pairs;
    c.exps += s.score.exps * pairs;
    c.specials += s.score.specials * pairs;
  }
  if (s.dropout) {
    addVector(c, (s.backward ? 4 : 2) * pairs);
    c.vectorOps += 10 * pairs; // Philox: 40 integer operations per 4 numbers.
  }
  // A compare and a select per pair of a tile that is not full.
  c.vectorOps += 2 * (pairs - t.fullPairs * heads);
}

/// Bytes of bias that the tiles load.
static double biasLoads(const AttentionShape &s, const TileCounts &t) {
  double elements = s.biasRows ? (s.biasColumns ? t.pairs : t.rowLoads)
                               : (s.biasColumns ? t.columnLoads : t.tiles);
  return elements * s.heads() * s.biasElementBytes;
}

/// Of `loads` bytes that come from `bytes` different ones, those that a cache
/// does not serve.
static double missedLoads(double loads, double bytes, const ChipInfo &chip,
                          const ExplainOptions &options) {
  return fitsCache(bytes, chip, options) ? std::min(loads, bytes) : loads;
}

static FormReport fusedForward(const AttentionShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form = makeFusedForm(tileBytes(s, t), t, chip);
  TileCounts n = countTiles(s, t.tileM, t.tileN);
  double heads = s.heads(), rows = heads * s.Sq;
  double queryTiles = ceilDiv(s.Sq, t.tileM);
  double partialBytes = options.elementTypePartials ? s.e : s.a;
  Counts &c = form.counts;
  form.tiles = n.tiles * heads;
  form.fullTiles = n.fullTiles * heads;

  // Arithmetic.
  double pairs = n.pairs * heads, rescales = n.rowLoads * heads;
  c.matrixFlops = 2 * pairs * (s.D + s.Dv);
  addVector(c, 3 * pairs); // Maximum, subtraction, sum.
  addScoreWork(c, s, n, heads);
  addSpecial(c, pairs);
  if (s.e < s.a)
    c.vectorOps += 0.5 * pairs; // Probabilities rounded, two at a time.
  addVector(c, rescales * (s.Dv + 2), rescales * 2); // acc and sum.
  addSpecial(c, rescales);
  addVector(c, rows * s.Dv); // The division at the end.
  addSpecial(c, 0, rows);
  if (s.lse) {
    addVector(c, rows);
    addSpecial(c, 0, rows);
  }
  if (s.sinks) {
    addVector(c, 2 * rows);
    addSpecial(c, rows);
  }

  // Buffers of a tile: Q, K, V read; S written, read, written as P, read; acc
  // read and written.
  c.onChip.read = rescales * (s.D * s.e + s.Dv * s.a) +
                  n.columnLoads * heads * (s.D + s.Dv) * s.e + 2 * pairs * s.a;
  c.onChip.written = rescales * s.Dv * s.a + 2 * pairs * s.a;

  // Traffic that no loop order changes.
  Traffic fixed;
  fixed.written = rows * s.Dv * s.e + (s.lse ? rows * s.a : 0);
  if (s.stateIn)
    fixed.read += rows * (s.Dv + 2) * s.a;
  if (s.stateOut)
    fixed.written = rows * (s.Dv + 2) * s.a;
  // Packed heads are merged, and unpacked, even if they are one part.
  bool isMerged = t.splits > 1 || (s.packed && !chip.isCPU);
  double splitRows = isMerged ? std::max<int64_t>(t.splits, 1) * rows : 0;
  fixed.written += splitRows * (s.Dv + 2) * s.a;
  fixed.read += splitRows * (s.Dv + 2) * s.a;
  addVector(c, splitRows * (s.Dv + 2) * 2);
  addSpecial(c, splitRows);
  c.dram = c.cache = fixed;

  double kvRow = (s.D + s.Dv) * s.e;
  double uniqueKV = s.kvHeads() * n.keys * kvRow;
  double uniqueQ = rows * s.D * s.e;
  double tasks;
  if (options.loopOrder == LoopOrder::QueryOuter) {
    // Every query tile streams the keys that it sees.
    double loads = n.columnLoads * heads * kvRow;
    double splits = std::max<int64_t>(1, t.splits);
    double readers = queryTiles * s.group(); // Of one key/value head.
    double activeHeads = std::min(
        s.kvHeads(), std::ceil(chip.cores / std::max(1.0, readers * splits)));
    c.cache.read += uniqueQ * splits + loads;
    c.dram.read += options.modelCache ? uniqueQ : uniqueQ * splits;
    if (!options.modelCache)
      c.dram.read += loads;
    else if (fitsCache(activeHeads * n.keys * kvRow, chip, options))
      c.dram.read += uniqueKV;
    else // Readers that run at once go through the keys in step.
      c.dram.read +=
          std::max(uniqueKV, loads / std::clamp(chip.cores / splits, 1.0,
                                                std::max(1.0, readers)));
    tasks = heads * queryTiles * splits;
  } else {
    // Every key tile streams the queries that see it, and their partial output
    // and statistics (maximum and sum).
    double again = std::max(0.0, n.rowLoads - s.Sq) * heads;
    Traffic streamed;
    streamed.read = n.rowLoads * heads * s.D * s.e +
                    again * (s.Dv * partialBytes + 2 * s.a);
    streamed.written = again * (s.Dv * partialBytes + 2 * s.a);
    double perHead = s.Sq * (s.D * s.e + s.Dv * partialBytes + 2 * s.a);
    c.cache += streamed;
    c.cache.read += heads * n.keys * kvRow;
    if (fitsCache(std::min<double>(heads, chip.cores) * perHead, chip, options))
      c.dram.read += uniqueQ;
    else
      c.dram += streamed;
    c.dram.read += options.modelCache ? uniqueKV : heads * n.keys * kvRow;
    tasks = heads;
  }
  if (s.bias) {
    double loads = biasLoads(s, n);
    c.cache.read += loads;
    c.dram.read += missedLoads(loads, s.biasBytes, chip, options);
  }
  if (s.segments) {
    c.cache.read += 4 * heads * (s.Sq + n.columnLoads);
    c.dram.read += options.modelCache ? 4.0 * s.B * (double(s.Sq) + s.Sk)
                                      : 4 * heads * (s.Sq + n.columnLoads);
  }
  // Decode has small tiles, several on a core.
  bool isDecode = t.tileM < 64;
  setTime(form, chip, s.type, tasks, isMerged ? 2 : 1,
          isDecode ? 0 : chip.tileSeconds);
  return form;
}

static FormReport fusedBackward(const AttentionShape &s, TileSchedule t,
                                const ChipInfo &chip,
                                const ExplainOptions &options) {
  FormReport form = makeFusedForm(tileBytes(s, t), t, chip);
  TileCounts n = countTiles(s, t.tileM, t.tileN);
  double heads = s.heads(), rows = heads * s.Sq;
  double partialBytes = options.elementTypePartials ? s.e : s.a;
  Counts &c = form.counts;
  form.tiles = n.tiles * heads;
  form.fullTiles = n.fullTiles * heads;

  // The gradients of queries and those of keys have a kernel each: S and dP are
  // computed twice, but no sum leaves the task that it belongs to. With keys in
  // the outer loop it is the one kernel of the FlashAttention papers, which
  // GPUs have where the order of sums is free.
  bool together = s.oneKernel && !chip.isCPU;
  bool apart = options.loopOrder != LoopOrder::KeyOuter && !together &&
               !s.isBlock && s.queryGrad && s.keyGrad;
  int kernels = apart ? 2 : 1;

  // S and dP recomputed, then dV, dQ, dK.
  double pairs = n.pairs * heads;
  c.matrixFlops = 2 * pairs *
                  (kernels * (s.D + s.Dv) + (s.queryGrad ? s.D : 0) +
                   (s.keyGrad ? s.D + s.Dv : 0));
  for (int i = 0; i < kernels; ++i) {
    addVector(c, 3 * pairs); // s - lse, dP - delta, times P.
    addScoreWork(c, s, n, heads);
    addSpecial(c, pairs);
  }
  if (s.e < s.a)
    c.vectorOps += pairs; // P and dS rounded, two at a time.
  if (!s.isBlock)
    addVector(c, 2 * rows * s.Dv, 2 * rows * s.Dv); // delta = dO . O
  if (s.biasGradBytes > 0)
    addVector(c, pairs);
  c.onChip.read = n.rowLoads * heads * ((s.D + s.Dv) * s.e * 2 + s.D * s.a) +
                  n.columnLoads * heads * (s.D + s.Dv) * (s.e * 2 + s.a) +
                  6 * pairs * s.a;
  c.onChip.written = n.rowLoads * heads * s.D * s.a +
                     n.columnLoads * heads * (s.D + s.Dv) * s.a +
                     4 * pairs * s.a;

  // delta: reads O and dO, writes one number per row. With keys in the outer
  // loop it is formed while the first key tile has dO on chip anyway.
  Traffic fixed;
  if (!s.isBlock) {
    fixed.read =
        rows * s.Dv * s.e * (options.loopOrder == LoopOrder::KeyOuter ? 1 : 2);
    fixed.written = rows * s.a;
  }
  // Keys and values, and their gradients. They are one tile's own.
  double gradBytes = s.isBlock ? s.a : s.e;
  fixed.read += s.kvHeads() * n.keys * (s.D + s.Dv) * s.e;
  if (s.keyGrad)
    fixed.written += s.kvHeads() * s.Sk * (s.D + s.Dv) * gradBytes;
  if (s.queryGrad)
    fixed.written += rows * s.D * gradBytes; // dQ, when it is whole.
  if (s.lse)
    fixed.read += rows * s.a; // The gradient of lse.
  if (together) { // The sums start from zeros, and are rounded at the end.
    fixed.written += rows * s.D * s.a;
    fixed.read += rows * s.D * s.a;
  }
  c.dram = c.cache = fixed;

  // Every key tile streams Q, dO, lse and delta, and the partial dQ.
  double rowBytes = (s.D + s.Dv) * s.e + 2 * s.a;
  bool hasPartials = s.queryGrad && s.keyGrad && !apart;
  double again = hasPartials ? std::max(0.0, n.rowLoads - s.Sq) * heads : 0;
  Traffic streamed;
  streamed.read = n.rowLoads * heads * rowBytes + again * s.D * partialBytes;
  streamed.written = again * s.D * partialBytes;
  if (apart) {
    // The other kernel: every query tile streams the keys that it sees.
    double loads = n.columnLoads * heads * (s.D + s.Dv) * s.e;
    c.cache.read += rows * rowBytes + loads;
    c.dram.read += rows * rowBytes +
                   missedLoads(loads, s.kvHeads() * n.keys * (s.D + s.Dv) * s.e,
                               chip, options);
  }
  c.cache += streamed;
  double keyTiles = ceilDiv(s.Sk, t.tileN);
  double activeHeads =
      std::min(s.kvHeads(), std::ceil(chip.cores / std::max(1.0, keyTiles)));
  if (fitsCache(activeHeads * s.group() * s.Sq *
                    (rowBytes + s.D * partialBytes),
                chip, options))
    c.dram.read += rows * rowBytes;
  else
    c.dram += streamed;
  if (s.bias) {
    double loads = biasLoads(s, n);
    c.cache.read += loads;
    c.dram.read += missedLoads(loads, s.biasBytes, chip, options);
    if (s.biasGradBytes > 0) {
      c.cache.written += loads;
      c.dram.written += missedLoads(loads, s.biasGradBytes, chip, options);
    }
  } else if (s.biasGradBytes > 0) { // Of what a region captures.
    c.cache.written += s.biasGradBytes;
    c.dram.written += s.biasGradBytes;
  }
  form.workspaceBytes = rows * (s.a + s.D * partialBytes);
  if (s.isBlock)
    form.workspaceBytes = 0;
  else if (apart) // Sums of 16-bit data are rounded after the kernels.
    form.workspaceBytes =
        rows * s.a +
        (s.e < s.a ? (rows * s.D + s.kvHeads() * s.Sk * (s.D + s.Dv)) * s.a
                   : 0);
  setTime(form, chip, s.type, s.kvHeads() * keyTiles,
          s.isBlock  ? 1
          : together ? 4
                     : 1 + kernels);
  return form;
}

FormReport seqc::io::fusedForm(const AttentionShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form = s.backward ? fusedBackward(s, t, chip, options)
                               : fusedForward(s, t, chip, options);
  if (t.splits > 1 && !s.backward)
    form.workspaceBytes = t.splits * s.heads() * s.Sq * (s.Dv + 2) * s.a;
  return form;
}

FormReport seqc::io::unfusedForm(const AttentionShape &s,
                                 const ChipInfo &chip) {
  PassList p;
  double scores = s.heads() * s.Sq * s.Sk, rows = s.heads() * s.Sq;
  double S = scores * s.e; // The bytes of one materialised score matrix.
  double q = rows * s.D * s.e, o = rows * s.Dv * s.e;
  double k = s.kvHeads() * s.Sk * s.D * s.e;
  double v = s.kvHeads() * s.Sk * s.Dv * s.e;
  double keep = scores; // The dropout mask, one byte each.
  bool masked = s.causal || s.windowLeft || s.windowRight || s.segments ||
                s.prefix || s.maskRegion;
  double workspace = 2 * S + (s.dropout ? S + keep : 0);
  if (!s.backward) {
    p.add("scores", q + k, S).matrixFlops = 2 * scores * s.D;
    if (s.scoreRegion)
      addScalarWork(p.add("score function", S, S), s.score, scores);
    if (s.bias || masked) {
      Counts &c = p.add("bias and mask", S + s.biasBytes, S);
      if (s.bias)
        addVector(c, scores);
      if (masked)
        c.vectorOps += scores;
    }
    Counts &c = p.add("softmax", S, S + (s.lse ? rows * s.a : 0));
    addVector(c, 4 * scores); // Maximum, subtraction, sum, division.
    addSpecial(c, scores, rows);
    if (s.dropout)
      addVector(p.add("dropout", S, S + keep), 2 * scores);
    p.add("output", S + v, o).matrixFlops = 2 * scores * s.Dv;
  } else {
    p.add("dV", S + o, v).matrixFlops = 2 * scores * s.Dv;
    p.add("dP", o + v, S).matrixFlops = 2 * scores * s.Dv;
    if (s.dropout)
      addVector(p.add("dropout backward", S + keep, S), 2 * scores);
    addVector(p.add("softmax backward", 2 * S, S), 4 * scores);
    if (s.scoreRegion) {
      Counts &c = p.add("score function backward", 2 * S, S);
      c.vectorFlops = 2 * s.score.flops * scores;
      c.vectorOps = 2 * s.score.ops * scores;
    }
    if (s.biasGradBytes > 0)
      addVector(p.add("bias gradient", S, s.biasGradBytes), scores);
    p.add("dQ", S + k, q).matrixFlops = 2 * scores * s.D;
    p.add("dK", S + q, k).matrixFlops = 2 * scores * s.D;
  }
  FormReport form = sumPasses(std::move(p.passes), chip, s.type);
  form.workspaceBytes = workspace;
  return form;
}
