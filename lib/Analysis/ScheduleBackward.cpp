//===- ScheduleBackward.cpp - Tiles of attention's backward on GPUs -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a kernel's products are what its gradients are for: queries for
// query_grad, keys for key_grad and value_grad. They stay, with their
// accumulators; the others, the columns, go by. A warp (or on Hopper a quarter
// of a warpgroup) has 16 rows, or 32, and a thread keeps of 16 rows
//
//   D / 2                  registers of query_grad, or
//   (D + Dv) / 2           of key_grad and value_grad, and
//   columns / 2 * 2        of the scores and of their gradients,
//
// which must leave some 50 of 255 for operands and addresses. With 32 rows
// each fragment of columns is read once for two products: that decides, as
// long as 32 columns are left. Shared memory holds the rows' operands once and
// `stages` tiles of the columns'; where a block has one tile of pairs, and goes
// through batches and heads, `stages` of both.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

namespace {
/// A schedule by its roles.
struct Roles {
  int64_t rows, columns, stages, warps;
};
} // namespace

static bool rowsAreKeys(const AttentionShape &s) { return s.keyRows; }

static TileSchedule toSchedule(const AttentionShape &s, const Roles &r) {
  bool swap = rowsAreKeys(s);
  return {swap ? r.columns : r.rows, swap ? r.rows : r.columns, 1, r.stages,
          r.warps};
}

static Roles toRoles(const AttentionShape &s, const TileSchedule &t) {
  bool swap = rowsAreKeys(s);
  return {swap ? t.tileN : t.tileM, swap ? t.tileM : t.tileN,
          std::max<int64_t>(t.stages, 1), t.warps};
}

/// See tile-split-accumulators.
static bool isSplit(const AttentionShape &s, const Roles &r) {
  if (!s.keyGrad)
    return false;
  int64_t registers = r.rows * (roundUp(s.D, 16) + roundUp(s.Dv, 16)) /
                      (32 * std::max<int64_t>(r.warps, 1));
  return (s.e > 2 ? 2 * registers : registers) > 152;
}

/// All three gradients from one kernel: the rows are keys, and a tile of
/// queries has a gradient in registers besides, for a while.
static bool isTogether(const AttentionShape &s) {
  return s.queryGrad && s.keyGrad;
}

static int64_t sharedBytes(const AttentionShape &s, const Roles &r) {
  int64_t e = int64_t(s.e);
  int64_t loops = isSplit(s, r) ? 2 : 1;
  int64_t ofRows = s.pairTiles ? r.stages : 1;
  // What products read transposed.
  int64_t exchanged = isTogether(s) ? sharedTileBytes(r.rows, r.columns, e) : 0;
  // tile-share-rows: two rows of lse and delta.
  int64_t shared = isTogether(s) ? 4 * roundUp(4 * r.columns, 1024) : 0;
  return 1024 + exchanged + shared + ofRows * sharedTileBytes(r.rows, s.D, e) +
         ofRows * sharedTileBytes(r.rows, s.Dv, e) +
         loops * r.stages *
             (sharedTileBytes(r.columns, s.D, e) +
              sharedTileBytes(r.columns, s.Dv, e));
}

/// Two or three warpgroups of 64 rows each and a producer on an SM.
static Roles hopperEntry(const AttentionShape &s, int64_t head, bool isPlain) {
  if (isTogether(s))
    return {128, roundUp(s.D, 16) % 128 ? 128 : 64, 2, 8};
  if (rowsAreKeys(s)) {
    if (head <= 64)
      return {128, isPlain ? 80 : 64, 2, 8};
    if (head <= 128)
      return {128, isPlain ? 48 : 32, 2, 8};
    return {128, 32, 1, 8};
  }
  if (head <= 64 && isPlain)
    return {192, 80, 2, 12};
  if (head <= 128)
    return {128, 64, 2, 8};
  return {128, isPlain ? 48 : 32, 1, 8};
}

/// Blocks of four warps, two or more of them on an SM.
static Roles ampereEntry(const AttentionShape &s, int64_t head,
                         int64_t extras) {
  if (isTogether(s))
    return {128, roundUp(s.D, 16) % 128 ? 128 : 64, head <= 64 ? 2 : 1, 8};
  bool isPlain = extras == 0;
  if (rowsAreKeys(s)) {
    if (head <= 64)
      return {extras > 3 ? 64 : 128, isPlain ? 32 : 16, 2, 4};
    if (head <= 128)
      return {64, isPlain ? 64 : extras > 3 ? 16 : 32, 1, 4};
    return {64, isPlain ? 32 : 16, 1, 4};
  }
  // Measured on an H200, D 128: two stages of 32 keys 11% faster than one.
  int64_t rows = head <= 128 && extras <= 3 ? 128 : 64;
  if (head <= 128)
    return {rows, head <= 64 || isPlain ? 32 : 16, 2, 4};
  return {rows, isPlain ? 32 : 16, 1, 4};
}

/// The gradient of a bias or a captured tensor: two products, and no more than
/// a sum for each row beside them, or one for each pair.
static Roles pairEntry(const AttentionShape &s, int64_t head) {
  if (s.e > 2)
    return {64, 16, 1, 4};
  return {64, head <= 128 ? 32 : 16, head <= 128 ? 2 : 1, 4};
}

/// Tiles of long sequences.
static Roles tableEntry(const AttentionShape &s, const ChipInfo &chip) {
  int64_t head = std::max(s.D, s.Dv);
  if (s.pairGrad)
    return pairEntry(s, head);
  // What changes scores or masks needs registers next to them; the derivative
  // of a region, however cheap, is a value for each score.
  int64_t extras = countExtras(s) + s.scoreRegion;
  if (s.e > 2) // f32 products are three of TF32 each.
    return {64, head <= 64 && extras == 0 ? 32 : 16, 1, 4};
  // What does not fit beside asynchronous products has those of sm_80.
  bool fitsAsync = !s.dropout && extras <= 3 &&
                   (head <= 192 || (!rowsAreKeys(s) && extras == 0));
  if (chip.name == "h200" && fitsAsync)
    return hopperEntry(s, head, extras == 0);
  return ampereEntry(s, head, extras);
}

/// What the columns of a tile are a multiple of: all warps share the rows of
/// query_grad, which are those of head_dim or of queries.
static int64_t getColumnUnit(const AttentionShape &s, const Roles &r) {
  int64_t rows = 16 * std::max<int64_t>(r.warps, 1);
  return isTogether(s) && roundUp(s.D, 16) % rows ? rows : 16;
}

TileSchedule io::chooseGPUBackward(const AttentionShape &s,
                                   const ChipInfo &chip, TileSchedule fixed) {
  Roles t = tableEntry(s, chip), given = toRoles(s, fixed);
  int64_t sizes = rowsAreKeys(s) ? s.Sq : s.Sk;
  if (!ShapedType::isDynamic(sizes))
    t.columns = std::min(
        t.columns, roundUp(std::max<int64_t>(sizes, 1), getColumnUnit(s, t)));
  if (given.rows)
    t.rows = given.rows;
  if (given.columns)
    t.columns = given.columns;
  if (fixed.stages)
    t.stages = fixed.stages;
  auto fits = [&] { return sharedBytes(s, t) <= chip.onChipBytes; };
  while (!fits() && !fixed.stages && t.stages > 1)
    --t.stages;
  while (!fits() && !given.columns && t.columns > getColumnUnit(s, t))
    t.columns = roundUp(t.columns / 2, getColumnUnit(s, t));
  while (!fits() && !given.rows && t.rows > 16)
    t.rows = t.rows > 64 ? t.rows - 64 : t.rows / 2;
  if (fixed.warps)
    t.warps = fixed.warps;
  else if (t.rows % (16 * t.warps))
    for (t.warps = 8; t.warps > 1 && t.rows % (16 * t.warps);)
      t.warps /= 2;
  return toSchedule(s, t);
}

std::string io::checkGPUBackward(const AttentionShape &s, const ChipInfo &chip,
                                 TileSchedule schedule) {
  Roles t = toRoles(s, schedule);
  StringRef row = rowsAreKeys(s) ? "tile_n" : "tile_m",
            column = rowsAreKeys(s) ? "tile_m" : "tile_n";
  if (t.rows % (16 * t.warps))
    return llvm::formatv("{0} is {1}, expected a multiple of {2} (16 for each "
                         "of {3} warps)",
                         row, t.rows, 16 * t.warps, t.warps);
  if (int64_t unit = getColumnUnit(s, t); t.columns % unit)
    return llvm::formatv("{0} is {1}, expected a multiple of {2}", column,
                         t.columns, unit);
  if (int64_t bytes = sharedBytes(s, t); bytes > chip.onChipBytes)
    return llvm::formatv("tiles of {0} x {1} in {2} stages take {3} bytes of "
                         "shared memory, more than {4}",
                         schedule.tileM, schedule.tileN, t.stages, bytes,
                         chip.onChipBytes);
  return "";
}
