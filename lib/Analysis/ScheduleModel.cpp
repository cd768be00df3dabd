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
// a core. On a machine with 48 KiB of L1 and 1 MiB of L2, f32 and D = 64, that
// is 64 x 128.
//
// On a GPU forward attention comes from a table: the tiles that are known to be
// fast for each range of head dimensions, which keep the scores and the output
// of 16 rows (64 on Hopper) in the registers of a warp (a warpgroup). They
// shrink until a query tile and `stages` tiles of keys and of values fit shared
// memory: first stages, then keys, then queries. Sizes that are not known count
// as large. The kernels of attention's backward have a table of their own
// (ScheduleBackward.cpp); as an operator that is not yet kernels it follows the
// model above, with registers and shared memory for L1 and L2.
//
// A tile of a scan has as many channels as a vector register of 512 bits has
// lanes, and as many time steps as fit a quarter of L2. Dimensions that
// are known to be small shrink the tile, to a legal size. If the tiles that can
// run at once are known to be at most half as many as the cores, the reduced
// dimension is split.
//
// On a GPU a tile of a scan is as many channels as four warps hold in registers
// with 8 states in each thread, and as many steps as they read at once: a
// block goes over all of them, and its state never leaves the registers. If
// these are known to be too few tiles, a long sequence is split. A tile of a
// convolution has 8 elements for each thread.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/FormatVariadic.h"
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

//===----------------------------------------------------------------------===//
// Attention on a GPU
//===----------------------------------------------------------------------===//

int64_t io::sharedTileBytes(int64_t rows, int64_t columns, int64_t e) {
  return rows * roundUp(roundUp(columns, 16) * e, 128);
}

/// Bytes of shared memory of a thread block, with a KiB for barriers and the
/// alignment of tiles.
static int64_t sharedBytes(const AttentionShape &s, const TileSchedule &t) {
  int64_t e = int64_t(s.e);
  return 1024 + sharedTileBytes(t.tileM, s.D, e) +
         t.stages * (sharedTileBytes(t.tileN, s.D, e) +
                     sharedTileBytes(t.tileN, s.Dv, e));
}

static bool isHopper(const ChipInfo &chip) { return chip.name == "h200"; }

int64_t io::countExtras(const AttentionShape &s) {
  // The elements of a bias are loaded ahead.
  int64_t others = int64_t(s.maskRegion) + s.segments + s.dropout + 2 * s.bias;
  // A cheap region alone fits beside the tiles of plain attention.
  return others + (s.scoreRegion && (others > 0 || !s.isScoreCheap));
}

/// Two or three warpgroups of 64 rows each share an SM with a producer; the
/// scores and the output fill their registers. Each range of head dimensions
/// has as many keys as ptxas does not spill for (test_kernels.py).
static TileSchedule hopperEntry(const AttentionShape &s, int64_t head) {
  // What is read at positions takes more of what two products on their way
  // leave, and so does a bias next to segments.
  int64_t extras = countExtras(s) + (s.scoreRegion && !s.isScoreCheap) +
                   (s.maskRegion && head > 192) + 2 * (s.bias && s.segments);
  auto keys = [&](int64_t one, int64_t two, int64_t four, int64_t more) {
    return extras <= 1 ? one : extras <= 2 ? two : extras <= 4 ? four : more;
  };
  if (head <= 64 && extras <= 4)
    return {192, keys(128, 112, 80, 0), 1, 2, 12};
  if (head <= 64)
    return {128, 96, 1, 2, 8};
  if (head <= 128)
    return {128, keys(128, 112, 112, 64), 1, 2, 8};
  if (head <= 192)
    return {128, keys(96, 80, 64, 32), 1, 2, 8};
  return {128, keys(64, 48, 32, 16), 1, 2, 8};
}

/// Two blocks of four warps share an SM, each with tiles that just fit its
/// registers; one hides what the other waits for, so one stage is enough.
/// What changes scores or masks needs registers next to them: fewer keys
/// (measured on an H200 at D 128: causal 8% faster with 48 keys than with 64,
/// softcap 7% faster with 64).
static TileSchedule ampereEntry(const AttentionShape &s, int64_t head) {
  int64_t extras = countExtras(s);
  bool isPlain = extras == 0 && !s.prefix;
  bool isBand = s.windowLeft || s.windowRight;
  bool isMasked = s.causal || isBand || s.prefix || s.segments || s.maskRegion;
  bool hasRoom = !isMasked && (s.aligned || !s.scoreRegion);
  if (head <= 64 && !s.bias)
    return {128, isPlain ? 96 : 80, 1, 1, 4};
  if (head <= 64 && extras <= 4)
    return {128, 48, 1, 1, 4};
  if (head <= 128 && !s.bias)
    return {128, isPlain && hasRoom ? 64 : 48, 1, 1, 4};
  if (head <= 128) // Eight warps have 16 rows each, not 32.
    return {128, 64, 1, 2, 8};
  int64_t most = head <= 192 ? 3 : 1;
  return {64, extras <= most ? 64 : extras <= most + 3 ? 48 : 32, 1, 1, 4};
}

/// The tile of long sequences, if shared memory has room for it.
static TileSchedule tableEntry(const AttentionShape &s, const ChipInfo &chip) {
  int64_t head = std::max(s.D, s.Dv);
  if (s.e > 2) // f32 products are three of TF32 each.
    return head <= 64 ? TileSchedule{64, countExtras(s) > 4 ? 48 : 64, 1, 2, 4}
           : head <= 128
               ? TileSchedule{64, 32, 1, 2, 4}
               : TileSchedule{64, countExtras(s) > 4 ? 16 : 32, 1, 1, 4};
  if (head > 256) // The output alone takes more than half of the registers.
    return {64, 32, 1, 1, 4};
  return isHopper(chip) ? hopperEntry(s, head) : ampereEntry(s, head);
}

//===----------------------------------------------------------------------===//
// Decode
//===----------------------------------------------------------------------===//

/// Few queries, as many as they are: one key head's in one tile. Where heads
/// are packed they are known to be few.
static bool isDecode(const AttentionShape &s) {
  return !s.backward && known(s.Sq) && (s.packed || s.Sq <= 64);
}

void io::packHeads(Operation *op, const ChipInfo &chip, AttentionShape &s) {
  auto attention = dyn_cast<AttentionOp>(op);
  if (!attention)
    return;
  ArrayRef<int64_t> query = attention.getQuery().getType().getShape(),
                    key = attention.getKey().getType().getShape();
  // Aligned to the start, few queries see few keys: counted as they are.
  bool isStart = (s.causal || s.windowRight) && !s.bottomRight;
  if (!known(query[1]) || !known(key[1]) || !known(query[2]) || key[1] <= 0 ||
      query[1] <= key[1] || query[2] <= 0 || query[2] > kFewQueries ||
      s.dropout || isStart)
    return;
  int64_t group = query[1] / key[1];
  if (!chip.isCPU && query[2] > 1 && group * query[2] > kMostPackedRows)
    return;
  s.Hq = s.Hkv;
  s.Sq = query[2] * group;
  s.packed = true;
  // What causal hides from all but the last of them is less than a tile.
  s.causal = false;
  s.windowRight.reset();
}

/// Whether the queries of `op` are packed heads (seqc-pack-heads).
static bool isPacked(Operation *op) {
  auto attention = dyn_cast<OnlineAttentionOp>(op);
  return attention &&
         attention.getQuery().getDefiningOp<tensor::CollapseShapeOp>();
}

/// A decode step is a stream of keys and values. One, two or four warps compute
/// what arrives while it arrives; what counts is how many bytes are asked for
/// at any time, so blocks are small and an SM has as many as its shared memory
/// holds: 16 KiB in each stage, two stages.
static TileSchedule decodeEntry(const AttentionShape &s) {
  int64_t warps = s.Sq <= 16 ? 1 : s.Sq <= 32 ? 2 : 4;
  int64_t bytesOfKey = std::max<int64_t>(int64_t((s.D + s.Dv) * s.e), 1);
  int64_t keys =
      std::clamp<int64_t>((int64_t(16384) / bytesOfKey) / 16 * 16, 16, 64);
  return {16 * warps, keys, 0, 2, warps};
}

/// Two turns of the ring, and not so few keys that the state of a part, which
/// is written and read again, is more than an eighth of them.
static int64_t leastKeysOfPart(const TileSchedule &t) {
  return std::max<int64_t>(t.tileN * 2 * std::max<int64_t>(t.stages, 1), 128);
}

/// Thread blocks of one SM: what shared memory, registers (as many as a thread
/// can have) and the hardware's own limit leave. Each block takes 1 KiB for the
/// system.
static int64_t countBlocks(const AttentionShape &s, const TileSchedule &t,
                           const ChipInfo &chip) {
  int64_t shared = (chip.onChipBytes + 1024) / (sharedBytes(s, t) + 1024);
  int64_t threads = 32 * std::max<int64_t>(t.warps, 1);
  int64_t registers = chip.registerBytes / (4 * 255 * threads);
  return std::clamp<int64_t>(std::min(shared, registers), 1, 16);
}

/// Thread blocks of one SM that keys are split for. Two would keep enough bytes
/// on their way; with more than three nothing is read faster, and there are
/// more parts to merge.
static constexpr int64_t kSplitBlocks = 3;

/// Warps for `rows` queries: `most`, or as many as have 16 rows each.
static int64_t fitWarps(int64_t rows, int64_t most) {
  for (int64_t warps : {16, 12, 8, 4, 2, 1})
    if (warps <= most && rows % (16 * warps) == 0)
      return warps;
  return 1;
}

static TileSchedule chooseGPUAttention(const AttentionShape &s,
                                       const ChipInfo &chip,
                                       TileSchedule fixed) {
  bool isStream = isDecode(s) && s.Sq <= 64 && std::max(s.D, s.Dv) <= 256;
  TileSchedule t = isStream ? decodeEntry(s) : tableEntry(s, chip);
  // Hopper's tensor cores take 64 rows at a time.
  bool hasWarpgroups = isHopper(chip) && s.e <= 2 && !isStream;
  if (hasWarpgroups)
    t.tileM = shrink(t.tileM, s.Sq, 64);
  else if (known(s.Sq))
    t.tileM = std::min<int64_t>(
        t.tileM, llvm::PowerOf2Ceil(std::max<int64_t>(s.Sq, 16)));
  t.tileN = shrink(t.tileN, s.Sk, 32);
  // A tile has a part of a page, or whole pages.
  if (s.paged)
    t.tileN = llvm::bit_floor(uint64_t(t.tileN));
  if (fixed.warps && !fixed.tileM && t.tileM % (16 * fixed.warps))
    t.tileM = 16 * fixed.warps;
  if (fixed.tileM)
    t.tileM = fixed.tileM;
  if (fixed.tileN)
    t.tileN = fixed.tileN;
  if (fixed.stages)
    t.stages = fixed.stages;
  auto fits = [&] { return sharedBytes(s, t) <= chip.onChipBytes; };
  while (!fits() && !fixed.stages && t.stages > 1)
    --t.stages;
  while (!fits() && !fixed.tileN && t.tileN > 32)
    t.tileN = roundUp(t.tileN / 2, s.paged ? 16 : 32);
  int64_t least = hasWarpgroups ? 64 : 16;
  if (fixed.warps)
    least = 16 * fixed.warps;
  while (!fits() && !fixed.tileM && t.tileM > least && t.tileM % least == 0)
    t.tileM = hasWarpgroups ? t.tileM - least : t.tileM / 2;
  t.warps = fixed.warps
                ? fixed.warps
                : fitWarps(t.tileM, fixed.tileM ? std::max<int64_t>(8, t.warps)
                                                : t.warps);
  // The number of parts is left to the call, if there can be more than one.
  bool isOpen =
      isDecode(s) && (s.packed || !known(s.Sk) || s.Sk > leastKeysOfPart(t));
  t.splits = fixed.splits ? fixed.splits : isOpen ? 0 : 1;
  return t;
}

static std::string checkGPUAttention(const AttentionShape &s,
                                     const ChipInfo &chip, TileSchedule t) {
  if (t.tileM % (16 * t.warps))
    return llvm::formatv("tile_m is {0}, expected a multiple of {1} (16 for "
                         "each of {2} warps)",
                         t.tileM, 16 * t.warps, t.warps);
  if (t.tileN % 16)
    return llvm::formatv("tile_n is {0}, expected a multiple of 16", t.tileN);
  if (s.paged && !llvm::isPowerOf2_64(t.tileN))
    return llvm::formatv(
        "tile_n is {0}, expected a power of two for keys in pages", t.tileN);
  if (int64_t bytes = sharedBytes(s, t); bytes > chip.onChipBytes)
    return llvm::formatv("tiles of {0} x {1} in {2} stages take {3} bytes of "
                         "shared memory, more than {4}",
                         t.tileM, t.tileN, t.stages, bytes, chip.onChipBytes);
  return "";
}

/// Head dimensions that are not known count as 64.
static AttentionShape withHeadDims(AttentionShape s) {
  if (!known(s.D))
    s.D = 64;
  if (!known(s.Dv))
    s.Dv = s.D;
  return s;
}

static TileSchedule chooseAttention(AttentionShape s, const ChipInfo &chip,
                                    TileSchedule fixed) {
  s = withHeadDims(s);
  if (!chip.isCPU && !s.backward)
    return chooseGPUAttention(s, chip, fixed);
  if (!chip.isCPU && s.isBlock)
    return chooseGPUBackward(s, chip, fixed);
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
  best.stages = fixed.stages;
  best.warps = fixed.warps;
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

/// Channels in a tile on a CPU: the lanes of a 512-bit register.
static int64_t channelTile(Type accType, int64_t channels) {
  int64_t lanes = accType.isF64() ? 8 : 16;
  return shrink(lanes, channels, lanes / 2);
}

static int64_t powerOf2Ceil(int64_t value) {
  return int64_t(llvm::PowerOf2Ceil(std::max<int64_t>(value, 1)));
}

/// Whether tensor cores sum over the states: they want 4 threads for a channel
/// (convert-seqc-to-tile).
static bool isContracted(const ScanShape &s) {
  return s.e == 2 && s.out && s.variableC && s.N == 64;
}

/// Sequences of so many steps are worth several parts, of so many steps each.
static constexpr int64_t kLeastSplitSteps = 2048, kLeastPartSteps = 128,
                         kMostScanParts = 256;
/// Steps of a part of the backward.
static constexpr int64_t kLeastBackwardSteps = 128;
/// Shorter ones have blocks of two warps: half as many parts, of more steps.
static constexpr int64_t kLongSteps = 8192;

/// Whether a scan is known to have too few channels for a chip, and steps
/// enough to be split.
static bool isSplit(const ScanShape &s, const ChipInfo &chip) {
  return known(s.B) && known(s.Dm) && known(s.L) && s.out && !s.decayOut &&
         s.L >= kLeastSplitSteps;
}

/// The channels of which one warp of a GPU keeps the state: a thread has 8
/// states of a channel, or more if 32 threads do not reach. Threads that share
/// a channel read its steps together; what each of them reads for itself, the
/// states' B and C, is for 8 states then, not for 4.
///
/// Where these are fewer warps than a chip needs, two for each of its
/// schedulers, and the sequence is too short to be split, a thread has 4 states
/// or 2.
static int64_t channelsOfWarp(const ScanShape &s, const ChipInfo &chip) {
  int64_t states = powerOf2Ceil(s.N);
  int64_t lanes = std::clamp<int64_t>(states / 8, 1, isContracted(s) ? 4 : 32);
  if (known(s.B) && known(s.Dm) && !isSplit(s, chip))
    while (lanes < 32 && lanes * 2 < states &&
           s.B * s.Dm * lanes / 32 < 8 * chip.cores - 64)
      lanes *= 2;
  return 32 / lanes;
}

/// Whether a scan has two warps for each scheduler at most, and 16-bit data
/// with 16 states. Then these have twice the registers, and blocks of two warps
/// wait for fewer (8 % faster on an H200 with 8 batches of 2048 channels). If
/// it is split, there are as many blocks, of half as many warps (13 % faster
/// with 2048 channels and 4096 steps, 6 % slower with 4096 channels and 65536).
static bool isSparse(const ScanShape &s, const ChipInfo &chip, int64_t ofWarp) {
  if (!isSplit(s, chip) || s.N != 16 || s.e != 2)
    return false;
  int64_t warps = s.B * ceilDiv(s.Dm, ofWarp);
  bool isFew = warps < 8 * chip.cores - 64;
  return isFew ? s.L < kLongSteps : warps <= 8 * chip.cores;
}

/// Blocks of a scan that a chip holds: four on each SM.
static SplitModel scanSplitModel(const ChipInfo &chip) {
  SplitModel model;
  model.blocks = 4 * chip.cores;
  model.leastKeys = kLeastPartSteps;
  model.mostParts = kMostScanParts;
  return model;
}

/// The number of parts of seqc-split-reduction.
static int64_t countScanParts(const ScanShape &s, const TileSchedule &t,
                              const ChipInfo &chip) {
  SplitModel model = scanSplitModel(chip);
  int64_t tiles =
      std::max<int64_t>(s.B * ceilDiv(s.Dm, std::max<int64_t>(t.tileM, 1)), 1);
  if (tiles * 32 >= 15 * model.blocks)
    return 1;
  return std::max<int64_t>(
      std::min({model.blocks / tiles, ceilDiv(s.L, model.leastKeys),
                model.mostParts}),
      1);
}

/// Steps of a chunk: tiles of them, with those of B and C for two chunks, leave
/// shared memory and registers for four blocks on an SM.
static int64_t scanSteps(int64_t states, int64_t bytes) {
  return states > 8 && states <= 64 && bytes <= 2 ? 32 : 16;
}

static TileSchedule chooseGPUScan(const ScanShape &s, const ChipInfo &chip,
                                  TileSchedule fixed) {
  TileSchedule t = fixed;
  // A thread cannot have less than one state.
  int64_t ofWarp = channelsOfWarp(s, chip);
  int64_t least = 32 / std::min<int64_t>(powerOf2Ceil(s.N), 32);
  if (fixed.tileM && !fixed.warps) {
    t.warps = 1;
    while (t.warps < 4 && fixed.tileM / (t.warps * 2) >= ofWarp)
      t.warps *= 2;
  }
  // Four warps share the B and C of a chunk; fewer where a group (or all) has
  // fewer channels.
  if (!t.warps) {
    int64_t channels = known(s.Dm) ? s.Dm / std::max<int64_t>(s.G, 1) : 0;
    t.warps = isSparse(s, chip, ofWarp) ? 2 : 4;
    while (t.warps > 1 && channels > 0 && channels <= ofWarp * t.warps / 2)
      t.warps /= 2;
  }
  if (!t.tileM)
    t.tileM = std::max(ofWarp, least) * t.warps;
  // Sequences shorter than a chunk are read step by step.
  if (!t.tileN)
    t.tileN = known(s.L) && s.L < 16 ? std::max<int64_t>(s.L, 1)
                                     : scanSteps(s.N, s.e);
  // Parts of the sequence are blocks, too; how many is left to the call.
  if (!t.splits)
    t.splits = isSplit(s, chip) ? countScanParts(s, t, chip) : 1;
  return t;
}

/// Blocks of the backward of a scan that a chip holds: eight warps on each SM,
/// with as many registers as a thread can have.
static SplitModel scanBackwardSplitModel(const TileSchedule &t,
                                         const ChipInfo &chip) {
  SplitModel model;
  model.blocks =
      chip.cores * std::max<int64_t>(8 / std::max<int64_t>(t.warps, 1), 1);
  model.leastKeys = kLeastBackwardSteps;
  model.mostParts = kMostScanParts;
  return model;
}

/// The number of parts of seqc-recompute-backward.
static int64_t countBackwardParts(const ScanShape &s, const TileSchedule &t,
                                  const ChipInfo &chip) {
  if (!known(s.B) || !known(s.Dm) || !known(s.L) || s.packed)
    return 1;
  SplitModel model = scanBackwardSplitModel(t, chip);
  int64_t groups = std::max<int64_t>(s.G, 1);
  int64_t tiles =
      std::max<int64_t>(s.B * groups * ceilDiv(s.Dm / groups, t.tileM), 1);
  int64_t twice = 2 * model.blocks / tiles;
  int64_t parts = std::min(
      {twice > 2 ? twice : 1, ceilDiv(s.L, model.leastKeys), model.mostParts});
  return std::max<int64_t>(parts, 1);
}

/// The backward of a scan has the decays and the states of a whole chunk in
/// registers, a thread 4 states of a channel, or more if 32 threads do not
/// reach: 64 of each are what leaves it room for the rest. Packed sequences
/// start anywhere, and the address of each element takes registers, too.
///
/// Of 16 states or more a thread has two channels, of half as many steps: what
/// it reads of B and C is for both, and the sums over channels start with them
/// (measured on an H200: 9% less time with 16 states, 31% with 64).
static TileSchedule chooseGPUScanBackward(const ScanShape &s,
                                          const ChipInfo &chip,
                                          TileSchedule fixed) {
  constexpr int64_t ofThread = 4, fewSteps = 8;
  int64_t held = s.packed ? 32 : 64;
  TileSchedule t = fixed;
  int64_t states = powerOf2Ceil(s.N);
  int64_t lanes = std::clamp<int64_t>(states / ofThread, 1, 32);
  bool hasTwo =
      !s.packed && states >= 16 && states <= 128 && fixed.tileN <= fewSteps;
  int64_t ofWarp = 32 / lanes, most = hasTwo ? 2 * ofWarp : ofWarp;
  if (!t.warps) {
    // Four warps share what they read of B and C, and their sums.
    int64_t channels = fixed.tileM   ? fixed.tileM
                       : known(s.Dm) ? s.Dm / std::max<int64_t>(s.G, 1)
                                     : 0;
    // Of many states these leave shared memory for two.
    t.warps = states < 128 ? 4 : 2;
    while (t.warps > 1 && channels > 0 && channels <= most * t.warps / 2)
      t.warps /= 2;
  }
  if (!t.tileM)
    t.tileM = most * t.warps;
  if (!t.tileN) {
    int64_t ofChannel = states / lanes;
    int64_t channels = std::max<int64_t>(t.tileM / (ofWarp * t.warps), 1);
    t.tileN = std::clamp<int64_t>(held / (ofChannel * channels), fewSteps, 16);
  }
  if (!t.splits)
    t.splits = countBackwardParts(s, t, chip);
  return t;
}

static TileSchedule chooseScan(ScanShape s, const ChipInfo &chip,
                               TileSchedule fixed) {
  if (!known(s.N))
    s.N = 16;
  if (!chip.isCPU && s.backward)
    return chooseGPUScanBackward(s, chip, fixed);
  if (!chip.isCPU)
    return chooseGPUScan(s, chip, fixed);
  TileSchedule t;
  t.stages = fixed.stages;
  t.warps = fixed.warps;
  t.tileM = chip.isCPU ? channelTile(s.accType, s.Dm) : 32;
  // A tile must not reach into another group's B and C.
  if (s.G > 1 && known(s.Dm) && s.Dm % s.G == 0)
    t.tileM = std::gcd(t.tileM, s.Dm / s.G);
  if (fixed.tileM)
    t.tileM = fixed.tileM;
  t.tileN = fixed.tileN;
  if (!t.tileN) {
    double budget = 0.25 * (chip.onChipBytes + chip.registerBytes);
    // The backward keeps ten rows of channels for every step: with 128 steps
    // they are in L2 with those of the next.
    for (int64_t steps : {s.backward ? 128 : 256, 128, 64, 32, 16}) {
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

/// 8 elements of a channel for each thread, and 32 threads along it unless
/// there are fewer steps.
/// Forward, a warp has 1024 steps of a channel, so that 2 KiB of a row are read
/// and written at a time. The backward adds up sums for each step of a tile,
/// for which there are registers for 8 of a thread.
static TileSchedule chooseGPUConv(const ConvShape &s, TileSchedule fixed) {
  constexpr int64_t perThread = 8;
  int64_t mostSteps = s.backward ? 256 : 1024;
  TileSchedule t = fixed;
  int64_t history = known(s.W) ? s.W - 1 : 3;
  // seqc-tile wants the history of a chunk in one chunk, of 16 steps at least.
  int64_t leastSteps = powerOf2Ceil(std::max<int64_t>(history, 16));
  if (!t.tileN)
    t.tileN = std::max(
        leastSteps, known(s.L) ? std::min<int64_t>(powerOf2Ceil(s.L), mostSteps)
                               : mostSteps);
  int64_t ofWarp = std::max<int64_t>(1, 32 * perThread / t.tileN);
  if (!t.warps) {
    t.warps = t.tileN > 256 && !fixed.tileM ? 1 : 4;
    int64_t channels = fixed.tileM ? fixed.tileM : s.Dm;
    while (t.warps > 1 && (fixed.tileM || known(s.Dm)) &&
           ofWarp * t.warps / 2 >= channels)
      t.warps /= 2;
  }
  if (!t.tileM)
    t.tileM = ofWarp * t.warps;
  if (!t.splits)
    t.splits = 1;
  return t;
}

static TileSchedule chooseConv(const ConvShape &s, const ChipInfo &chip,
                               TileSchedule fixed) {
  if (!chip.isCPU)
    return chooseGPUConv(s, fixed);
  TileSchedule t;
  t.stages = fixed.stages;
  t.warps = fixed.warps;
  t.tileM = fixed.tileM
                ? fixed.tileM
                : std::max<int64_t>(1, channelTile(s.accType, s.Dm) / 2);
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

/// Why no kernel can have this tile of a scan or a convolution; "" if one can.
static std::string checkGPUTile(int64_t least, const TileSchedule &t) {
  int64_t m = t.tileM, warps = std::max<int64_t>(t.warps, 1);
  if (!llvm::isPowerOf2_64(m) || m < least)
    return "tile_m is " + std::to_string(m) + ", expected a power of two of " +
           std::to_string(least) + " or more";
  if (!llvm::isPowerOf2_64(warps) || m < least * warps)
    return "warps is " + std::to_string(warps) +
           ", expected a power of two of " + std::to_string(m / least) +
           " or less with tiles of " + std::to_string(m) + " channels";
  return "";
}

static std::string checkGPUScan(const ScanShape &s, const TileSchedule &t) {
  if (s.backward && (!llvm::isPowerOf2_64(t.tileN) || t.tileN < 8))
    return "tile_n is " + std::to_string(t.tileN) +
           ", expected a power of two of 8 or more";
  int64_t states = known(s.N) ? s.N : 16;
  return checkGPUTile(32 / std::min<int64_t>(powerOf2Ceil(states), 32), t);
}

static std::string checkGPUConv(const TileSchedule &t) {
  if (t.splits > 1)
    return "splits is " + std::to_string(t.splits) +
           ", expected 1: a convolution has nothing to split";
  if (!llvm::isPowerOf2_64(t.tileN) || t.tileN < 16)
    return "tile_n is " + std::to_string(t.tileN) +
           ", expected a power of two of 16 or more";
  return checkGPUTile(std::max<int64_t>(1, 32 / t.tileN), t);
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
                                  TileSchedule fixed, bool aligned) {
  if (auto s = getAttentionShape(op, staticSize)) {
    s->aligned = aligned;
    s->packed = isPacked(op);
    packHeads(op, chip, *s);
    return chooseAttention(*s, chip, fixed);
  }
  if (auto s = getScanShape(op, staticSize))
    return chooseScan(*s, chip, fixed);
  if (auto s = getConvShape(op, staticSize))
    return chooseConv(*s, chip, fixed);
  return {};
}

/// See getSplitModel.
static SplitModel splitModel(AttentionShape s, const ChipInfo &chip,
                             const TileSchedule &schedule) {
  s = withHeadDims(s);
  SplitModel model;
  model.blocks =
      chip.cores * std::min(countBlocks(s, schedule, chip), kSplitBlocks);
  model.leastKeys = leastKeysOfPart(schedule);
  model.mostParts = 128;
  return model;
}

SplitModel seqc::getSplitModel(Operation *op, const ChipInfo &chip,
                               TileSchedule schedule) {
  std::optional<AttentionShape> shape = getAttentionShape(op, staticSize);
  if (!chip.isCPU)
    if (auto scan = getScanShape(op, staticSize))
      return scan->backward ? scanBackwardSplitModel(schedule, chip)
                            : scanSplitModel(chip);
  if (chip.isCPU || !shape)
    return {};
  return splitModel(*shape, chip, schedule);
}

int64_t io::countParts(const AttentionShape &s, const TileSchedule &t,
                       const ChipInfo &chip) {
  SplitModel model = splitModel(s, chip, t);
  int64_t tasks = std::max<int64_t>(
      countTasks({s.B, s.Hq, ceilDiv(s.Sq, std::max<int64_t>(t.tileM, 1))}), 1);
  int64_t worth = ceilDiv(s.Sk, model.leastKeys);
  return std::max<int64_t>(
      std::min({model.blocks / tasks, worth, model.mostParts}), 1);
}

std::string seqc::checkSchedule(Operation *op, const ChipInfo &chip,
                                TileSchedule schedule) {
  if (chip.isCPU)
    return "";
  if (auto s = getAttentionShape(op, staticSize))
    return s->isBlock    ? checkGPUBackward(withHeadDims(*s), chip, schedule)
           : s->backward ? ""
                         : checkGPUAttention(withHeadDims(*s), chip, schedule);
  if (auto s = getScanShape(op, staticSize))
    return checkGPUScan(*s, schedule);
  if (getConvShape(op, staticSize))
    return checkGPUConv(schedule);
  return "";
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
      add({16, 32, 64}, {8, 16});
  } else if (getConvShape(op, staticSize)) {
    if (chip.isCPU)
      add({8, 16}, {256, 512});
    else
      add({4, 8}, {256, 512});
  }
  return tiles;
}
