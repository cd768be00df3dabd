//===- TilePrefix.cpp - Channels of the states between parts --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One tile of a scan_prefix is some channels of one batch, with all parts: the
// parts follow from each other, the channels do not. Tiles are small, since all
// that a tile does is wait for memory once for every part.
//
//===----------------------------------------------------------------------===//

#include "TilePrefix.h"

using namespace mlir;
using namespace seqc;

/// Elements of a state in one tile: four for each thread of four warps.
static constexpr int64_t kTileElements = 512;

void seqc::tilePrefix(RewriterBase &b, ScanPrefixOp op) {
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  Tiler t(b, loc);
  int64_t depth = op.getPartState().getType().getDimSize(3);
  int64_t padded = llvm::PowerOf2Ceil(depth);
  int64_t channels = std::max<int64_t>(kTileElements / padded, 1);
  Fold one = t.attr(1), zero = t.attr(0), size = t.dim(op.getStateInit(), 1);
  auto forall =
      scf::ForallOp::create(b, loc, ArrayRef<Fold>{zero, zero},
                            ArrayRef<Fold>{t.dim(op.getStateInit(), 0), size},
                            ArrayRef<Fold>{one, t.attr(channels)},
                            ValueRange{op.getStartsInit(), op.getStateInit()},
                            /*mapping=*/std::nullopt);
  forall->setAttr("seqc.grid", b.getUnitAttr());
  b.setInsertionPoint(forall.getTerminator());
  Value batch = forall.getInductionVars()[0],
        channel = forall.getInductionVars()[1];
  Fold count = t.clampedSize(channel, size, channels);
  SmallVector<Fold> offsets = {batch, channel, zero};
  SmallVector<Fold> sizes = {one, count, t.attr(depth)};
  SmallVector<Fold> allOffsets = {zero},
                    allSizes = {t.dim(op.getPartState(), 0)};
  llvm::append_range(allOffsets, offsets);
  llvm::append_range(allSizes, sizes);
  ValueRange dests = forall.getRegionIterArgs();
  Value starts = t.slice(dests[0], allOffsets, allSizes);
  // All of a tile in registers: padded to its static size.
  Value init =
      t.initialTile(op.getStateInit(), offsets, sizes, {1, channels, depth});
  auto tile =
      ScanPrefixOp::create(b, loc, TypeRange{starts.getType(), init.getType()},
                           t.slice(op.getPartState(), allOffsets, allSizes),
                           t.slice(op.getPartDecay(), allOffsets, allSizes),
                           starts, init, op.getReverse());
  Value end = t.slice(tile.getState(), {zero, zero, zero}, sizes);
  b.setInsertionPointToStart(forall.getTerminator().getBody());
  t.parallelInsert(tile.getStarts(), dests[0], allOffsets, allSizes);
  t.parallelInsert(end, dests[1], offsets, sizes);
  b.replaceOp(op, forall.getResults());
}
