//===- ScheduleModel.cpp - Tile sizes from the chip and the shape ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of attention (m queries x n keys) re-reads its keys and values once
// per m queries and its query and output once per n keys: per pair of a query
// and a key, on-chip memory sees
//
//   (D + Dv) / m  +  (D + 2 Dv) / n
//
// elements. The model takes the m and n for which that is least, among those
// whose scores fit three quarters of L1 and whose buffers fit half of the L2 of
// a core (on a GPU: the registers, and shared memory with two stages of keys
// and values). On a machine with 48 KiB of L1 and 1 MiB of L2, f32 and D = 64,
// that is 64 x 128.
//
// A tile of a scan has as many channels as a vector register of 512 bits has
// lanes, and as many time steps as fit a quarter of L2. Dimensions that
// are known to be small shrink the tile, to a legal size. If the tiles that can
// run at once are known to be at most half as many as the cores, the reduced
// dimension is split.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

static int64_t staticSize(Value value, unsigned dim) {
  auto type = dyn_cast<ShapedType>(value.getType());
  if (!type || !type.hasRank() || dim >= type.getRank())
    return ShapedType::kDynamic;
  return type.getDimSize(dim);
}

static bool known(int64_t size) { return !ShapedType::isDynamic(size); }

/// `tile`, or less where the dimension is known to be smaller.
static int64_t shrink(int64_t tile, int64_t size, int64_t multiple) {
  if (!known(size))
    return tile;
  return std::min(tile, roundUp(std::max<int64_t>(size, 1), multiple));
}

/// Parts that make `tiles` enough for all cores, each of them of one inner tile
/// and 256 positions at least. Fewer than twice the tiles would not be worth
/// the merge.
static int64_t chooseSplits(int64_t tiles, int64_t cores, int64_t reduced,
                            int64_t tile) {
  if (tiles <= 0 || tiles > cores / 2 || !known(reduced) || tile <= 0)
    return 1;
  int64_t wanted = llvm::PowerOf2Ceil(ceilDiv(cores, tiles));
  int64_t part = std::max<int64_t>(tile, 256);
  return std::clamp<int64_t>(
      wanted, 1, std::clamp<int64_t>(reduced / part, 1, kMaxSplits));
}

/// The number of tiles that can run at once; 0 if it is not known.
static int64_t countTasks(std::initializer_list<int64_t> sizes) {
  int64_t tasks = 1;
  for (int64_t size : sizes) {
    if (!known(size))
      return 0;
    if (size <= 0)
      return 0;
    tasks = llvm::MulOverflow(tasks, size, tasks) ? INT64_MAX : tasks;
    if (tasks == INT64_MAX)
      return tasks;
  }
  return tasks;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

static bool attentionFits(const AttentionShape &shape, TileSchedule t,
                          const ChipInfo &chip) {
  AttentionShape s = shape;
  double scores = t.tileM * t.tileN * s.a;
  if (chip.isCPU) {
    s.e = s.a; // Operands are widened before they are multiplied.
    return scores <= 0.75 * chip.l1Bytes &&
           tileBytes(s, t) <= 0.5 * chip.onChipBytes;
  }
  double registers = scores + t.tileM * double(s.Dv) * s.a;
  double shared = s.e * (t.tileM * s.D + 2.0 * t.tileN * (s.D + s.Dv));
  if (s.backward) {
    registers = 2 * scores + t.tileN * double(s.D + s.Dv) * s.a;
    shared = s.e * (t.tileN + 2.0 * t.tileM) * (s.D + s.Dv) +
             s.e * t.tileM * t.tileN;
  }
  // Some registers hold addresses and temporaries.
  return registers <= 0.75 * chip.registerBytes && shared <= chip.onChipBytes;
}

static std::vector<TileSchedule> attentionTiles(const AttentionShape &s,
                                                const ChipInfo &chip) {
  std::vector<TileSchedule> tiles;
  SmallVector<int64_t> rows = {8, 16, 32, 64, 128},
                       columns = {32, 64, 128, 256};
  if (!chip.isCPU) {
    rows = {64, 128};
    columns = {32, 64, 128};
  }
  int64_t m = chip.isCPU ? 8 : 64, n = 32;
  for (int64_t tm : rows)
    for (int64_t tn : columns) {
      TileSchedule t{shrink(tm, s.Sq, m), shrink(tn, s.Sk, n), 1};
      if (llvm::none_of(tiles, [&](TileSchedule o) {
            return o.tileM == t.tileM && o.tileN == t.tileN;
          }))
        tiles.push_back(t);
    }
  return tiles;
}

static TileSchedule chooseAttention(AttentionShape s, const ChipInfo &chip,
                                    TileSchedule fixed) {
  if (!known(s.D))
    s.D = 64;
  if (!known(s.Dv))
    s.Dv = s.D;
  TileSchedule best;
  double bestCost = std::numeric_limits<double>::infinity();
  // The smallest tile is the answer where nothing fits.
  for (TileSchedule t : attentionTiles(s, chip)) {
    if (fixed.tileM)
      t.tileM = fixed.tileM;
    if (fixed.tileN)
      t.tileN = fixed.tileN;
    double cost =
        double(s.D + s.Dv) / t.tileM + double(s.D + 2 * s.Dv) / t.tileN;
    if (best.tileM == 0)
      best = t;
    if (cost < bestCost && attentionFits(s, t, chip)) {
      best = t;
      bestCost = cost;
    }
  }
  best.splits = fixed.splits;
  if (!best.splits)
    best.splits =
        s.backward || !known(s.Sq)
            ? 1
            : chooseSplits(countTasks({s.B, s.Hq, ceilDiv(s.Sq, best.tileM)}),
                           chip.cores, s.Sk, best.tileN);
  return best;
}

//===----------------------------------------------------------------------===//
// Scan and convolution
//===----------------------------------------------------------------------===//

/// Channels in a tile: the lanes of a 512-bit register.
static int64_t channelTile(Type accType, int64_t channels,
                           const ChipInfo &chip) {
  if (!chip.isCPU)
    return 32;
  int64_t lanes = accType.isF64() ? 8 : 16;
  return shrink(lanes, channels, lanes / 2);
}

static TileSchedule chooseScan(ScanShape s, const ChipInfo &chip,
                               TileSchedule fixed) {
  if (!known(s.N))
    s.N = 16;
  TileSchedule t;
  t.tileM = channelTile(s.accType, s.Dm, chip);
  // A tile must not reach into another group's B and C.
  if (s.G > 1 && known(s.Dm) && s.Dm % s.G == 0)
    t.tileM = std::gcd(t.tileM, s.Dm / s.G);
  if (fixed.tileM)
    t.tileM = fixed.tileM;
  t.tileN = fixed.tileN;
  if (!t.tileN) {
    double budget = 0.25 * (chip.onChipBytes + chip.registerBytes);
    for (int64_t steps : {256, 128, 64, 32, 16}) {
      t.tileN = shrink(steps, s.L, 16);
      if (tileBytes(s, t) <= budget)
        break;
    }
  }
  t.splits = fixed.splits;
  if (!t.splits) {
    t.splits = 1;
    // A split scan goes over the sequence twice: it has to gain more than that.
    int64_t tasks = known(s.Dm) ? countTasks({s.B, ceilDiv(s.Dm, t.tileM)}) : 0;
    if (!s.backward && tasks > 0 && tasks * 2 < chip.cores)
      t.splits = chooseSplits(tasks, chip.cores, s.L, t.tileN);
  }
  return t;
}

static TileSchedule chooseConv(const ConvShape &s, const ChipInfo &chip,
                               TileSchedule fixed) {
  TileSchedule t;
  t.tileM = fixed.tileM
                ? fixed.tileM
                : std::max<int64_t>(1, channelTile(s.accType, s.Dm, chip) / 2);
  t.tileN = fixed.tileN;
  if (!t.tileN)
    for (int64_t steps : {512, 256, 128}) {
      t.tileN = shrink(steps, s.L, 16);
      ConvShape width = s;
      width.W = known(s.W) ? s.W : 4;
      if (tileBytes(width, t) <= chip.l1Bytes)
        break;
    }
  t.splits = fixed.splits ? fixed.splits : 1;
  return t;
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

double seqc::getTileBytes(Operation *op, TileSchedule t) {
  if (t.tileM <= 0 || t.tileN <= 0)
    return 0;
  if (auto s = getAttentionShape(op, staticSize))
    return known(s->D) && known(s->Dv) ? tileBytes(*s, t) : 0;
  if (auto s = getScanShape(op, staticSize))
    return known(s->N) ? tileBytes(*s, t) : 0;
  if (auto s = getConvShape(op, staticSize))
    return known(s->W) ? tileBytes(*s, t) : 0;
  return 0;
}

TileSchedule seqc::chooseSchedule(Operation *op, const ChipInfo &chip,
                                  TileSchedule fixed) {
  if (auto s = getAttentionShape(op, staticSize))
    return chooseAttention(*s, chip, fixed);
  if (auto s = getScanShape(op, staticSize))
    return chooseScan(*s, chip, fixed);
  if (auto s = getConvShape(op, staticSize))
    return chooseConv(*s, chip, fixed);
  return {};
}

std::vector<TileSchedule> seqc::io::enumerateSchedules(Operation *op,
                                                       const ChipInfo &chip) {
  if (auto s = getAttentionShape(op, staticSize))
    return attentionTiles(*s, chip);
  std::vector<TileSchedule> tiles;
  auto add = [&](ArrayRef<int64_t> rows, ArrayRef<int64_t> columns) {
    for (int64_t m : rows)
      for (int64_t n : columns)
        tiles.push_back({m, n, 1});
  };
  if (auto s = getScanShape(op, staticSize)) {
    if (chip.isCPU)
      add({s->accType.isF64() ? 8 : 16}, {64, 128, 256});
    else
      add({32, 64}, {16, 32, 64});
  } else if (getConvShape(op, staticSize)) {
    add({8, 16}, {256, 512});
  }
  return tiles;
}
