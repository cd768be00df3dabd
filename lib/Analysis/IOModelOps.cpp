//===- IOModelOps.cpp - The analytic model of each operator ---------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts for the fused and the unfused form of attention, of the selective scan
// and of the causal convolution, and for their backward operators.
// docs/io-model.md states every rule; the comments here name the step.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

double seqc::io::elementBytes(Type type) {
  if (type.isIndex())
    return 8;
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * elementBytes(complex.getElementType());
  if (type.isIntOrFloat())
    return std::max(1.0, std::ceil(type.getIntOrFloatBitWidth() / 8.0));
  return 1;
}

void Counts::scale(double f) {
  for (double *x : {&dram.read, &dram.written, &cache.read, &cache.written,
                    &onChip.read, &onChip.written, &matrixFlops, &vectorFlops,
                    &vectorOps, &exps, &specials})
    *x *= f;
}

Counts &Counts::operator+=(const Counts &o) {
  dram += o.dram;
  cache += o.cache;
  onChip += o.onChip;
  matrixFlops += o.matrixFlops;
  vectorFlops += o.vectorFlops;
  vectorOps += o.vectorOps;
  exps += o.exps;
  specials += o.specials;
  return *this;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static Type elementType(Value v) { return getElementTypeOrSelf(v.getType()); }

static double product(Value v, SizeFn size) {
  double n = 1;
  for (unsigned i = 0, e = cast<ShapedType>(v.getType()).getRank(); i < e; ++i)
    n *= std::max<int64_t>(size(v, i), 0);
  return n;
}

static double totalBytes(Value v, SizeFn size) {
  return v ? product(v, size) * elementBytes(v) : 0;
}

/// True for a state that is the identity or that a loop carries: nothing is
/// read from memory for it.
static bool isFreeState(Value v) {
  if (!v || isa<BlockArgument>(v))
    // A function argument does come from memory.
    return !v || !isa<FunctionOpInterface>(
                     cast<BlockArgument>(v).getOwner()->getParentOp());
  if (v.getDefiningOp<linalg::FillOp>())
    return true;
  DenseElementsAttr dense;
  return matchPattern(v, m_Constant(&dense)) && dense && dense.isSplat();
}

/// True if something other than a loop's yield or a finish reads `v`.
static bool leavesTheOp(Value v) {
  return v && llvm::any_of(v.getUsers(), [](Operation *user) {
           return !isa<SoftmaxFinishOp>(user);
         });
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
  s.type = elementType(q);
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
  s.segments = static_cast<bool>(op.getQuerySegments());
  s.prefix = static_cast<bool>(op.getPrefix());
  s.dropout = op.getDropout() && op.getDropout()->convertToDouble() > 0;
  s.maskRegion = !op.getMask().empty();
  s.scoreRegion = !op.getScore().empty();
  if (s.scoreRegion)
    s.score = countScalarWork(op.getScore());
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
    s.biasGradBytes = totalBytes(backward.getBiasGrad(), size);
    return s;
  }
  if (auto online = dyn_cast<OnlineAttentionOp>(op)) {
    AttentionShape s = commonAttention(online, size);
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

/// Groups of a B or C operand: 1 unless it is (B, G, N, L).
static int64_t groups(Value v, SizeFn size) {
  auto type = dyn_cast<ShapedType>(v.getType());
  return type && type.getRank() == 4 ? size(v, 1) : 1;
}

template <typename OpT>
static ScanShape commonScan(OpT op, SizeFn size) {
  ScanShape s;
  Value u = op.getU();
  s.B = size(u, 0);
  s.Dm = size(u, 1);
  s.L = size(u, 2);
  s.N = size(op.getA(), 1);
  s.type = elementType(u);
  s.accType = getAccumulatorType(s.type);
  s.e = elementBytes(s.type);
  s.a = elementBytes(s.accType);
  s.variableB = cast<ShapedType>(op.getB().getType()).getRank() > 2;
  s.bBytes = totalBytes(op.getB(), size);
  s.hasC = static_cast<bool>(op.getC());
  if (Value c = op.getC()) {
    s.variableC = cast<ShapedType>(c.getType()).getRank() > 2;
    s.cBytes = totalBytes(c, size);
  }
  s.G = std::max(groups(op.getB(), size), s.hasC ? groups(op.getC(), size) : 1);
  s.D = static_cast<bool>(op.getD());
  s.z = static_cast<bool>(op.getZ());
  s.deltaBias = static_cast<bool>(op.getDeltaBias());
  s.softplus = op.getDeltaSoftplus();
  s.paramBytes = totalBytes(op.getA(), size) + totalBytes(op.getD(), size) +
                 totalBytes(op.getDeltaBias(), size);
  return s;
}

std::optional<ScanShape> seqc::io::getScanShape(Operation *op, SizeFn size) {
  if (auto scan = dyn_cast<SelectiveScanOp>(op)) {
    ScanShape s = commonScan(scan, size);
    s.stateIn = static_cast<bool>(scan.getInitialState());
    s.stateOut = static_cast<bool>(scan.getFinalState());
    return s;
  }
  if (auto backward = dyn_cast<SelectiveScanBackwardOp>(op)) {
    ScanShape s = commonScan(backward, size);
    s.backward = true;
    s.stateIn = static_cast<bool>(backward.getInitialState());
    s.stateOut = static_cast<bool>(backward.getFinalStateGrad());
    return s;
  }
  if (auto chunk = dyn_cast<ChunkScanOp>(op)) {
    ScanShape s = commonScan(chunk, size);
    s.out = static_cast<bool>(chunk.getOutInit());
    s.stateIn = !isFreeState(chunk.getStateInit());
    s.stateOut = !chunk.getState().use_empty();
    s.decayOut = static_cast<bool>(chunk.getDecayInit());
    return s;
  }
  return std::nullopt;
}

std::optional<ConvShape> seqc::io::getConvShape(Operation *op, SizeFn size) {
  auto conv = dyn_cast<CausalConv1dOp>(op);
  if (!conv)
    return std::nullopt;
  ConvShape s;
  s.B = size(conv.getX(), 0);
  s.Dm = size(conv.getX(), 1);
  s.L = size(conv.getX(), 2);
  s.W = size(conv.getWeight(), 1);
  s.type = elementType(conv.getX());
  s.accType = getAccumulatorType(s.type);
  s.e = elementBytes(s.type);
  s.a = elementBytes(s.accType);
  s.bias = static_cast<bool>(conv.getBias());
  s.silu = conv.getActivation() == Activation::Silu;
  s.stateIn = static_cast<bool>(conv.getInitialState());
  s.stateOut = static_cast<bool>(conv.getFinalState());
  s.paramBytes =
      totalBytes(conv.getWeight(), size) + totalBytes(conv.getBias(), size);
  return s;
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
// Time
//===----------------------------------------------------------------------===//

void seqc::io::setTime(FormReport &form, const ChipInfo &chip, Type type,
                       double tasks, unsigned launches) {
  auto at = [&](Resource r) -> double & {
    return form.resourceSeconds[static_cast<unsigned>(r)];
  };
  tasks = std::max(1.0, tasks);
  // The cores that have work, averaged over the waves of tasks.
  double busy = tasks / (std::ceil(tasks / chip.cores) * chip.cores);
  // A core alone draws at most three times its share of the bandwidth.
  double drawn = std::min(1.0, 3 * std::min<double>(tasks, chip.cores) /
                                   static_cast<double>(chip.cores));
  const Counts &c = form.counts;
  at(Resource::Dram) = c.dram.total() / (chip.dramBandwidth * drawn);
  at(Resource::Cache) = c.cache.total() / (chip.cacheBandwidth * drawn);
  at(Resource::Matrix) = c.matrixFlops / (chip.matrixRate(type) * busy);
  at(Resource::Vector) = c.vectorOps / (chip.vectorRate(type) * busy);
  at(Resource::Special) = c.specials / (chip.specialRate(type) * busy);
  at(Resource::Launch) = launches * chip.launchSeconds;

  double compute =
      chip.sharedPipes
          ? at(Resource::Matrix) + at(Resource::Vector) + at(Resource::Special)
          : std::max({at(Resource::Matrix), at(Resource::Vector),
                      at(Resource::Special)});
  double memory = std::max(at(Resource::Dram), at(Resource::Cache));
  form.seconds = std::max(compute, memory) + at(Resource::Launch);
  auto largest = [&](ArrayRef<Resource> of) {
    return *llvm::max_element(
        of, [&](Resource x, Resource y) { return at(x) < at(y); });
  };
  Resource bound =
      compute >= memory
          ? largest({Resource::Matrix, Resource::Vector, Resource::Special})
          : largest({Resource::Dram, Resource::Cache});
  form.limit = at(Resource::Launch) > std::max(compute, memory)
                   ? Resource::Launch
                   : bound;
}

/// Sums up kernels that run one after the other.
static FormReport sumPasses(std::vector<PassReport> passes,
                            const ChipInfo &chip, Type type) {
  FormReport form;
  form.name = "unfused";
  std::array<double, numResources> limits = {};
  for (PassReport &pass : passes) {
    // Whatever a kernel of this form touches is in device memory.
    pass.counts.cache = pass.counts.dram;
    FormReport one;
    one.counts = pass.counts;
    setTime(one, chip, type, chip.cores);
    pass.seconds = one.seconds;
    form.counts += pass.counts;
    form.seconds += one.seconds;
    for (unsigned r = 0; r < numResources; ++r)
      form.resourceSeconds[r] += one.resourceSeconds[r];
    limits[static_cast<unsigned>(one.limit)] += one.seconds;
  }
  form.limit = static_cast<Resource>(
      std::max_element(limits.begin(), limits.end()) - limits.begin());
  form.passes = std::move(passes);
  return form;
}

namespace {
/// Collects the passes of an unfused form.
struct PassList {
  std::vector<PassReport> passes;
  Counts &add(StringRef name, double read, double written) {
    passes.push_back({name.str(), {}, 0});
    Counts &c = passes.back().counts;
    c.dram.read = read;
    c.dram.written = written;
    return c;
  }
};
} // namespace

/// Adds `flops` of vector arithmetic of which `fused` are in multiply-adds.
static void addVector(Counts &c, double flops, double fused = 0) {
  c.vectorFlops += flops;
  c.vectorOps += flops - fused / 2;
}

static void addSpecial(Counts &c, double exps, double others = 0) {
  c.exps += exps;
  c.specials += exps + others;
}

/// Half of a cache is assumed to hold what is streamed through it.
static bool fitsCache(double bytes, const ChipInfo &chip,
                      const ExplainOptions &options) {
  return options.modelCache && bytes <= chip.cacheBytes / 2.0;
}

//===----------------------------------------------------------------------===//
// Attention
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
    double factor = s.backward ? 3 : 1;
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

static FormReport fusedForward(const AttentionShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form;
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
  double splitRows = t.splits > 1 ? t.splits * rows : 0;
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
    c.dram.read += fitsCache(s.biasBytes, chip, options)
                       ? std::min(loads, s.biasBytes)
                       : loads;
  }
  if (s.segments) {
    c.cache.read += 4 * heads * (s.Sq + n.columnLoads);
    c.dram.read += options.modelCache ? 4.0 * s.B * (double(s.Sq) + s.Sk)
                                      : 4 * heads * (s.Sq + n.columnLoads);
  }
  setTime(form, chip, s.type, tasks, t.splits > 1 ? 2 : 1);
  return form;
}

static FormReport fusedBackward(const AttentionShape &s, TileSchedule t,
                                const ChipInfo &chip,
                                const ExplainOptions &options) {
  FormReport form;
  TileCounts n = countTiles(s, t.tileM, t.tileN);
  double heads = s.heads(), rows = heads * s.Sq;
  double partialBytes = options.elementTypePartials ? s.e : s.a;
  Counts &c = form.counts;
  form.tiles = n.tiles * heads;
  form.fullTiles = n.fullTiles * heads;

  // S and dP recomputed, then dV, dQ, dK.
  double pairs = n.pairs * heads;
  c.matrixFlops = 2 * pairs * (3 * s.D + 2 * s.Dv);
  addVector(c, 3 * pairs); // s - lse, dP - delta, times P.
  addScoreWork(c, s, n, heads);
  addSpecial(c, pairs);
  if (s.e < s.a)
    c.vectorOps += pairs; // P and dS rounded, two at a time.
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
  fixed.read =
      rows * s.Dv * s.e * (options.loopOrder == LoopOrder::KeyOuter ? 1 : 2);
  fixed.written = rows * s.a;
  // Keys and values, and their gradients. They are one tile's own.
  fixed.read += s.kvHeads() * n.keys * (s.D + s.Dv) * s.e;
  fixed.written += s.kvHeads() * s.Sk * (s.D + s.Dv) * s.e;
  fixed.written += rows * s.D * s.e; // dQ, when it is whole.
  if (s.lse)
    fixed.read += rows * s.a; // The gradient of lse.
  c.dram = c.cache = fixed;

  // Every key tile streams Q, dO, lse and delta, and the partial dQ.
  double rowBytes = (s.D + s.Dv) * s.e + 2 * s.a;
  double again = std::max(0.0, n.rowLoads - s.Sq) * heads;
  Traffic streamed;
  streamed.read = n.rowLoads * heads * rowBytes + again * s.D * partialBytes;
  streamed.written = again * s.D * partialBytes;
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
    c.dram.read += fitsCache(s.biasBytes, chip, options)
                       ? std::min(loads, s.biasBytes)
                       : loads;
    if (s.biasGradBytes > 0) {
      c.cache.written += loads;
      c.dram.written += fitsCache(s.biasGradBytes, chip, options)
                            ? std::min(loads, s.biasGradBytes)
                            : loads;
    }
  }
  form.workspaceBytes = rows * (s.a + s.D * partialBytes);
  setTime(form, chip, s.type, s.kvHeads() * keyTiles, 2);
  return form;
}

FormReport seqc::io::fusedForm(const AttentionShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form = s.backward ? fusedBackward(s, t, chip, options)
                               : fusedForward(s, t, chip, options);
  form.name = "fused";
  form.tileM = t.tileM;
  form.tileN = t.tileN;
  form.splits = std::max<int64_t>(1, t.splits);
  form.onChipBytes = tileBytes(s, t);
  form.fits = form.onChipBytes <= double(chip.onChipBytes + chip.registerBytes);
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
    if (s.scoreRegion) {
      Counts &c = p.add("score function", S, S);
      c.vectorFlops = s.score.flops * scores;
      c.vectorOps = s.score.ops * scores;
      c.exps = s.score.exps * scores;
      c.specials = s.score.specials * scores;
    }
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

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

double seqc::io::tileBytes(const ScanShape &s, TileSchedule t) {
  double m = t.tileM, n = t.tileN;
  double streams = 2 + (s.z ? 1 : 0) + (s.out ? 1 : 0);
  double bytes = streams * m * n * s.a; // u, delta, z, out.
  bytes += ((s.variableB ? n : m) + (s.hasC ? (s.variableC ? n : m) : 0)) *
           s.N * s.a;           // B and C.
  bytes += 2.0 * m * s.N * s.a; // A and the state.
  if (s.backward)               // h of a chunk; dout and the gradients.
    bytes += m * n * s.N * s.a + 4 * m * n * s.a + 2 * n * s.N * s.a +
             2 * m * s.N * s.a;
  return bytes;
}

FormReport seqc::io::fusedForm(const ScanShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form;
  form.name = "fused";
  form.tileM = t.tileM;
  form.tileN = t.tileN;
  form.splits = std::max<int64_t>(1, t.splits);
  form.onChipBytes = tileBytes(s, t);
  form.fits = form.onChipBytes <= double(chip.onChipBytes + chip.registerBytes);

  double elements = double(s.B) * s.Dm * s.L, states = elements * s.N;
  double stateBytes = double(s.B) * s.Dm * s.N * s.a;
  double channelTiles = ceilDiv(s.Dm, t.tileM);
  double splits = form.splits;
  // Sweeps over the sequence that need the decay: a split scan, and a backward
  // pass that has no saved states, go over it twice.
  double sweeps = (splits > 1 ? 2 : 1) + (s.backward ? 1 : 0);
  Counts &c = form.counts;

  // The time step: bias, softplus (exp and log), dt * u.
  double perElement = 1 + (s.deltaBias ? 1 : 0) + (s.softplus ? 1 : 0);
  addVector(c, sweeps * elements * perElement);
  if (s.softplus)
    addSpecial(c, sweeps * elements, sweeps * elements);
  // The state: dt * A, its exp, dt * u * B, one multiply-add.
  addVector(c, sweeps * states * 4, sweeps * states * 2);
  addSpecial(c, sweeps * states);
  if (s.backward) {
    // C . h again, dh, dC, dB, sum of dh * B, dh * h * a, its sums with A and
    // dt.
    addVector(c, states * 17, states * 14);
    addVector(c, elements * (4 + (s.D ? 4 : 0) + (s.z ? 6 : 0)));
    if (s.softplus)
      addSpecial(c, elements, elements);
  } else if (s.out) {
    addVector(c, states * 2, states * 2); // C . h
    if (s.D)
      addVector(c, elements * 2, elements * 2);
  }
  if (s.z && (s.out || s.backward)) { // silu: exp and reciprocal.
    addVector(c, elements * 3);
    addSpecial(c, elements, elements);
  }

  // Streams.
  Traffic fixed;
  if (s.backward) {
    // First sweep: u, delta. Second: u, delta, z, dout; gradients out.
    fixed.read = elements * s.e * (2 + 3 + (s.z ? 1 : 0));
    fixed.written = elements * s.e * (2 + (s.z ? 1 : 0));
    fixed.written += (s.bBytes + s.cBytes) + s.paramBytes;
    // States at the starts of the chunks, written and read back.
    double chunks = ceilDiv(s.L, t.tileN);
    form.workspaceBytes = chunks * stateBytes;
    fixed.read += form.workspaceBytes;
    fixed.written += form.workspaceBytes;
    // A second gradient of the state comes in and goes out with the first.
    fixed.read += (s.stateIn ? stateBytes : 0) + (s.stateOut ? stateBytes : 0);
    fixed.written += s.stateIn ? stateBytes : 0;
  } else {
    fixed.read = elements * s.e * (2 + (s.z && s.out ? 1 : 0));
    fixed.written = s.out ? elements * s.e : 0;
    fixed.read += s.stateIn ? stateBytes : 0;
    fixed.written += s.stateOut ? stateBytes : 0;
    fixed.written += s.decayOut ? stateBytes : 0;
    if (splits > 1) {
      // The first sweep reads u and delta; (decay, state) of each part go out
      // and come back to be merged.
      fixed.read += elements * s.e * 2 + splits * 2 * stateBytes;
      fixed.written += splits * 2 * stateBytes;
      addVector(c, splits * double(s.B) * s.Dm * s.N * 3,
                splits * double(s.B) * s.Dm * s.N * 2);
      form.workspaceBytes = splits * 2 * stateBytes;
    }
  }
  c.dram = c.cache = fixed;
  // Parameters, and the constant B and C: every tile its own channels.
  double constants = s.paramBytes + (s.variableB ? 0 : s.bBytes) +
                     (s.variableC ? 0 : s.cBytes);
  c.cache.read += s.B * splits * sweeps * constants;
  c.dram.read +=
      options.modelCache ? constants : s.B * splits * sweeps * constants;
  // Variable B and C: every channel tile of a group streams them. B serves each
  // sweep, C the last.
  double b = s.variableB ? s.bBytes : 0, cc = s.variableC ? s.cBytes : 0;
  double tilesPerGroup = std::max(1.0, channelTiles / double(s.G));
  double loads = tilesPerGroup * (b * sweeps + cc);
  c.cache.read += loads;
  if (s.backward) // Partial gradients of B and C, in the accumulator type.
    c.cache.written += tilesPerGroup * (b + cc) * s.a / s.e;
  double activeBatches = std::min<double>(
      s.B, std::ceil(chip.cores / std::max(1.0, channelTiles * splits)));
  if (!options.modelCache)
    c.dram.read += loads;
  else if (fitsCache(activeBatches * (b + cc) / std::max<int64_t>(1, s.B), chip,
                     options))
    c.dram.read += b * sweeps + cc;
  else
    c.dram.read +=
        std::max(b * sweeps + cc,
                 loads / std::clamp<double>(chip.cores, 1, tilesPerGroup));
  // Tile buffers: every stream in and out once, and the state per step.
  c.onChip.read = sweeps * states * 2 * s.a + elements * 3 * s.a;
  c.onChip.written = sweeps * states * s.a + elements * 2 * s.a;
  setTime(form, chip, s.type, s.B * channelTiles * splits,
          splits > 1 || s.backward ? 2 : 1);
  return form;
}

FormReport seqc::io::unfusedForm(const ScanShape &s, const ChipInfo &chip) {
  PassList p;
  double elements = double(s.B) * s.Dm * s.L, states = elements * s.N;
  double E = elements * s.e, S = states * s.a;
  double state = double(s.B) * s.Dm * s.N * s.a;
  double workspace = 3 * S;
  if (!s.backward) {
    if (s.softplus || s.deltaBias) {
      Counts &c = p.add("time step", E, E);
      addVector(c, elements * ((s.deltaBias ? 1 : 0) + (s.softplus ? 1 : 0)));
      if (s.softplus)
        addSpecial(c, elements, elements);
    }
    Counts &decay = p.add("decay", E + s.paramBytes, S);
    addVector(decay, states);
    addSpecial(decay, states);
    addVector(p.add("input", 2 * E + s.bBytes, S), elements + states);
    addVector(p.add("recurrence", 2 * S + (s.stateIn ? state : 0),
                    S + (s.stateOut ? state : 0)),
              2 * states, 2 * states);
    if (s.out) {
      addVector(p.add("output", S + s.cBytes, E), 2 * states, 2 * states);
      if (s.D)
        addVector(p.add("skip", 2 * E, E), 2 * elements, 2 * elements);
      if (s.z) {
        Counts &gate = p.add("gate", 2 * E, E);
        addVector(gate, 3 * elements);
        addSpecial(gate, elements, elements);
      }
    }
  } else {
    // The forward pass has saved the decay and the states.
    if (s.z) {
      Counts &gate = p.add("gate backward", 3 * E, 2 * E);
      addVector(gate, 6 * elements);
      addSpecial(gate, elements, elements);
    }
    if (s.D)
      addVector(p.add("skip backward", 2 * E, E), 4 * elements);
    addVector(p.add("output backward", E + S + s.cBytes, S + s.cBytes),
              3 * states);
    addVector(p.add("recurrence backward", 2 * S, S), 2 * states, 2 * states);
    addVector(p.add("input backward", S + 2 * E + s.bBytes, 2 * E + s.bBytes),
              5 * states);
    addVector(
        p.add("decay backward", 3 * S + E + s.paramBytes, E + s.paramBytes),
        6 * states);
    if (s.softplus) {
      Counts &c = p.add("time step backward", 2 * E, E);
      addVector(c, 2 * elements);
      addSpecial(c, elements, elements);
    }
  }
  FormReport form = sumPasses(std::move(p.passes), chip, s.type);
  form.workspaceBytes = workspace;
  return form;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

double seqc::io::tileBytes(const ConvShape &s, TileSchedule t) {
  return t.tileM *
         ((t.tileN + s.W - 1) * s.a + t.tileN * s.a + (s.W + 1) * s.a);
}

FormReport seqc::io::fusedForm(const ConvShape &s, TileSchedule t,
                               const ChipInfo &chip,
                               const ExplainOptions &options) {
  FormReport form;
  form.name = "fused";
  form.tileM = t.tileM;
  form.tileN = t.tileN;
  form.splits = std::max<int64_t>(1, t.splits);
  form.onChipBytes = tileBytes(s, t);
  form.fits = form.onChipBytes <= double(chip.onChipBytes + chip.registerBytes);
  double rows = double(s.B) * s.Dm, elements = rows * s.L;
  double state = rows * (s.W - 1) * s.e;
  double timeTiles = ceilDiv(s.L, t.tileN);
  Counts &c = form.counts;
  addVector(c, 2.0 * s.W * elements, 2.0 * s.W * elements);
  if (s.silu) {
    addVector(c, 2 * elements);
    addSpecial(c, elements, elements);
  }
  Traffic fixed;
  fixed.read = elements * s.e + (s.stateIn ? state : 0);
  fixed.written = elements * s.e + (s.stateOut ? state : 0);
  c.dram = c.cache = fixed;
  // A tile reads the W - 1 columns before it again.
  double halo = rows * std::max(0.0, timeTiles - 1) * (s.W - 1) * s.e;
  c.cache.read += halo + s.B * timeTiles * s.paramBytes;
  c.dram.read +=
      options.modelCache ? s.paramBytes : halo + s.B * timeTiles * s.paramBytes;
  c.onChip.read = elements * s.W * s.a;
  c.onChip.written = elements * s.a;
  setTime(form, chip, s.type, s.B * double(ceilDiv(s.Dm, t.tileM)) * timeTiles);
  return form;
}

FormReport seqc::io::unfusedForm(const ConvShape &s, const ChipInfo &chip) {
  PassList p;
  double rows = double(s.B) * s.Dm, E = rows * s.L * s.e;
  double state = rows * (s.W - 1) * s.e;
  p.add("pad", E + (s.stateIn ? state : 0), E + state);
  addVector(p.add("convolution", E + state + s.paramBytes, E),
            2.0 * s.W * rows * s.L, 2.0 * s.W * rows * s.L);
  if (s.silu) {
    Counts &c = p.add("silu", E, E);
    addVector(c, 2 * rows * s.L);
    addSpecial(c, rows * s.L, rows * s.L);
  }
  if (s.stateOut)
    p.add("final state", state, state);
  FormReport form = sumPasses(std::move(p.passes), chip, s.type);
  form.workspaceBytes = E + state + (s.silu ? E : 0);
  return form;
}
