//===- LayoutChoice.cpp - The choice of blocked layouts -------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A blocked layout splits each dimension into elements of a thread, lanes,
// warps and repetitions. The choice goes from the inside out: the elements of a
// thread first (16 bytes of the last dimension, or what a reduction likes),
// then lanes along the last dimension, and what remains of the 32 lanes and of
// the warps along the first. If the first dimension is too small for that, a
// thread takes fewer elements.
//
//===----------------------------------------------------------------------===//

#include "LayoutChoice.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace seqc::tile;

/// The rows of the block of a product that a warp has.
static constexpr int64_t kMmaRows = 16;
/// Fewer rows that a warp reads at once would be too many for a thread, which
/// has an address for each of its own.
static constexpr int64_t kMinRows = 2;

/// The largest power of two that divides `value`, at most `limit`.
static int64_t powerDivisor(int64_t value, int64_t limit) {
  int64_t power = 1;
  while (power * 2 <= limit && value % (power * 2) == 0)
    power *= 2;
  return power;
}

/// The layout in which a thread has `elements` of a row. Warps go along rows
/// first.
static Attribute tryBlocked(MLIRContext *context, int64_t rows, int64_t columns,
                            int64_t elements, int64_t laneLimit,
                            int64_t warps) {
  int64_t columnLanes = powerDivisor(columns / elements, laneLimit);
  int64_t rowLanes = kThreadsPerWarp / columnLanes;
  if (rows % rowLanes)
    return {};
  int64_t rowWarps = std::gcd(rows / rowLanes, warps);
  int64_t columnWarps = warps / rowWarps;
  if (columns % (elements * columnLanes * columnWarps))
    return {};
  return BlockedLayoutAttr::get(context, {1, elements}, {rowLanes, columnLanes},
                                {rowWarps, columnWarps});
}

static Attribute chooseBlocked2(RankedTensorType type, int64_t elements,
                                int64_t laneLimit, int64_t warps) {
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  for (int64_t e = powerDivisor(columns, elements); e >= 1; e /= 2)
    if (Attribute layout =
            tryBlocked(type.getContext(), rows, columns, e, laneLimit, warps))
      return layout;
  return {};
}

/// A 1-D tile: blocked where it is large enough, else a slice of a tile whose
/// second dimension the remaining lanes and warps hold copies along.
static Attribute chooseBlocked1(RankedTensorType type, int64_t elements,
                                int64_t warps) {
  MLIRContext *context = type.getContext();
  int64_t size = type.getDimSize(0);
  if (size % (kThreadsPerWarp * warps) == 0)
    return BlockedLayoutAttr::get(
        context, {powerDivisor(size / (kThreadsPerWarp * warps), elements)},
        {kThreadsPerWarp}, {warps});
  int64_t lanes = powerDivisor(size, kThreadsPerWarp);
  int64_t rowWarps = std::gcd(size / lanes, warps);
  auto parent =
      BlockedLayoutAttr::get(context, {1, 1}, {lanes, kThreadsPerWarp / lanes},
                             {rowWarps, warps / rowWarps});
  return SliceLayoutAttr::get(context, 1, parent);
}

Attribute seqc::tile::chooseBlockedLayout(RankedTensorType type,
                                          int64_t warps) {
  int64_t bits =
      type.getElementType().isIndex() ? 32 : type.getElementTypeBitWidth();
  int64_t elements = std::max<int64_t>(1, 128 / std::max<int64_t>(bits, 8));
  if (type.getRank() == 1)
    return chooseBlocked1(type, elements, warps);
  if (type.getRank() == 2)
    return chooseBlocked2(type, elements, kThreadsPerWarp, warps);
  return {};
}

Attribute seqc::tile::chooseBlockedLayout(RankedTensorType type, int64_t warps,
                                          MmaLayoutAttr source) {
  Attribute plain = chooseBlockedLayout(type, warps);
  auto layout = dyn_cast_if_present<BlockedLayoutAttr>(plain);
  if (!layout || type.getRank() != 2)
    return plain;
  // A warp takes the rows of its product's blocks, one after the other.
  SmallVector<int64_t> thread(layout.getThread());
  int64_t rows = thread[0] * layout.getLanes()[0];
  if (layout.getWarps()[1] != 1 || kMmaRows % rows || rows < kMinRows ||
      type.getDimSize(0) % (kMmaRows * warps))
    return plain;
  thread[0] *= kMmaRows / rows;
  auto same = BlockedLayoutAttr::get(type.getContext(), thread,
                                     layout.getLanes(), layout.getWarps());
  return keepsRowsInWarps(source, same, type.getShape()) ? same : plain;
}

bool seqc::tile::keepsRowsInWarps(Attribute a, Attribute b,
                                  ArrayRef<int64_t> shape) {
  assert(shape.size() == 2 && "a tile of rows and columns");
  std::pair<Attribute, SmallVector<int64_t>> owners[2] = {{a, {}}, {b, {}}};
  for (auto &[attribute, owner] : owners) {
    ThreadLayout layout = getThreadLayout(attribute, shape);
    if (layout.getWarpBits(1) != 0)
      return false;
    owner.assign(shape[0], -1);
    for (int64_t warp = 0; warp < layout.numWarps; ++warp)
      for (int64_t lane = 0; lane < kThreadsPerWarp; ++lane)
        for (int64_t reg = 0; reg < layout.getNumRegisters(); ++reg) {
          int64_t &place = owner[layout.getCoordinates(warp, lane, reg)[0]];
          if (place != -1 && place != warp)
            return false;
          place = warp;
        }
  }
  return owners[0].second == owners[1].second;
}

Attribute seqc::tile::chooseReducedLayout(RankedTensorType type,
                                          int64_t warps) {
  if (type.getRank() != 2)
    return {};
  return chooseBlocked2(type, 16, kThreadsPerWarp, warps);
}

Attribute seqc::tile::chooseColumnsLayout(RankedTensorType type,
                                          int64_t warps) {
  if (type.getRank() != 2 || type.getDimSize(1) % warps)
    return {};
  int64_t columns = type.getDimSize(1) / warps;
  int64_t elements = powerDivisor(columns, 128 / type.getElementTypeBitWidth());
  int64_t columnLanes = powerDivisor(columns / elements, kThreadsPerWarp);
  int64_t rowLanes = kThreadsPerWarp / columnLanes;
  if (type.getDimSize(0) % rowLanes)
    return {};
  return BlockedLayoutAttr::get(type.getContext(), {1, elements},
                                {rowLanes, columnLanes}, {1, warps});
}

Attribute seqc::tile::chooseRecurrenceLayout(RankedTensorType type,
                                             int64_t warps, bool isContracted,
                                             bool isSummed) {
  if (type.getRank() != 3 || type.getDimSize(0) % warps)
    return {};
  int64_t channels = type.getDimSize(0) / warps;
  // Lanes for channels: with sums over them a thread has 4 states of a channel,
  // or more if there are, and several channels rather than more states.
  int64_t most = kThreadsPerWarp;
  if (isContracted)
    most = 8;
  else if (isSummed)
    most = std::max<int64_t>(kThreadsPerWarp * 4 / type.getDimSize(2), 1);
  int64_t channelLanes =
      powerDivisor(channels, std::min<int64_t>(most, kThreadsPerWarp));
  int64_t stateLanes = kThreadsPerWarp / channelLanes;
  if (type.getDimSize(2) % stateLanes)
    return {};
  int64_t states = type.getDimSize(2) / stateLanes;
  if (!llvm::isPowerOf2_64(type.getDimSize(1)) ||
      !llvm::isPowerOf2_64(states) ||
      !llvm::isPowerOf2_64(channels / channelLanes))
    return {};
  // What threads of one channel read at the same time of `B` and `C` lies next
  // to each other in shared memory: no two of them want the same bank. But the
  // sums of a warp lie together, behind those of the warp before, so the states
  // of a thread do, too.
  if (!isSummed)
    states = std::min<int64_t>(states, 128 / type.getElementTypeBitWidth());
  return BlockedLayoutAttr::get(
      type.getContext(), {channels / channelLanes, type.getDimSize(1), states},
      {channelLanes, 1, stateLanes}, {warps, 1, 1});
}

Attribute seqc::tile::chooseStripLayout(RankedTensorType type,
                                        int64_t contiguous, int64_t warps) {
  if (type.getRank() != 2)
    return {};
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  int64_t bits =
      type.getElementType().isIndex() ? 32 : type.getElementTypeBitWidth();
  int64_t elements = powerDivisor(type.getDimSize(contiguous),
                                  128 / std::max<int64_t>(bits, 8));
  while (elements > 1 && rows * columns < elements * kThreadsPerWarp * warps)
    elements /= 2;
  int64_t threadRows = contiguous == 0 ? elements : 1;
  int64_t threadColumns = contiguous == 1 ? elements : 1;
  int64_t columnLanes = powerDivisor(columns / threadColumns, kThreadsPerWarp);
  int64_t rowLanes =
      powerDivisor(rows / threadRows, kThreadsPerWarp / columnLanes);
  int64_t rowWarps = powerDivisor(rows / (threadRows * rowLanes), warps);
  int64_t columnWarps = powerDivisor(columns / (threadColumns * columnLanes),
                                     std::max<int64_t>(warps / rowWarps, 1));
  // Rows of one warp are next to each other.
  if (contiguous == 1)
    threadRows = powerDivisor(rows / (rowLanes * rowWarps), 1024);
  int64_t lanes = kThreadsPerWarp / (rowLanes * columnLanes);
  if (warps % (rowWarps * columnWarps))
    return {};
  int64_t copies = warps / (rowWarps * columnWarps);
  MLIRContext *context = type.getContext();
  if (lanes * copies == 1)
    return BlockedLayoutAttr::get(context, {threadRows, threadColumns},
                                  {rowLanes, columnLanes},
                                  {rowWarps, columnWarps});
  auto parent = BlockedLayoutAttr::get(context, {threadRows, threadColumns, 1},
                                       {rowLanes, columnLanes, lanes},
                                       {rowWarps, columnWarps, copies});
  return SliceLayoutAttr::get(context, 2, parent);
}

Attribute seqc::tile::choosePartialSumLayout(BlockedLayoutAttr layout,
                                             int64_t steps) {
  ArrayRef<int64_t> thread = layout.getThread(), lanes = layout.getLanes(),
                    warps = layout.getWarps();
  if (thread.size() != 3)
    return {};
  int64_t shares = std::min(lanes[2], thread[1]);
  if (shares <= 1 || thread[1] != steps || warps[2] != 1)
    return {};
  MLIRContext *context = layout.getContext();
  if (shares == lanes[2])
    return BlockedLayoutAttr::get(context, {thread[0], steps / shares},
                                  {lanes[0], shares}, {warps[0], warps[1]});
  auto parent = BlockedLayoutAttr::get(context, {thread[0], steps / shares, 1},
                                       {lanes[0], shares, lanes[2] / shares},
                                       {warps[0], warps[1], 1});
  return SliceLayoutAttr::get(context, 2, parent);
}

Attribute seqc::tile::chooseBlockSumLayout(BlockedLayoutAttr layout,
                                           int64_t steps) {
  ArrayRef<int64_t> thread = layout.getThread(), lanes = layout.getLanes(),
                    warps = layout.getWarps();
  if (thread.size() != 3 || thread[1] != steps || lanes[1] != 1 ||
      warps[1] != 1 || warps[2] != 1)
    return {};
  MLIRContext *context = layout.getContext();
  int64_t shares = std::min(lanes[0], steps);
  if (shares == lanes[0])
    return BlockedLayoutAttr::get(context, {steps / shares, thread[2]},
                                  {shares, lanes[2]}, {1, warps[0]});
  // Lanes that differ in bits between these have the same sums.
  auto parent = BlockedLayoutAttr::get(context, {steps / shares, 1, thread[2]},
                                       {shares, lanes[0] / shares, lanes[2]},
                                       {1, 1, warps[0]});
  return SliceLayoutAttr::get(context, 1, parent);
}

Attribute seqc::tile::chooseWholeBlocksLayout(RankedTensorType type,
                                              int64_t block, int64_t warps) {
  if (type.getRank() != 2 || type.getDimSize(1) % block ||
      !llvm::isPowerOf2_64(block))
    return {};
  return tryBlocked(type.getContext(), type.getDimSize(0), type.getDimSize(1),
                    block, kThreadsPerWarp, warps);
}
