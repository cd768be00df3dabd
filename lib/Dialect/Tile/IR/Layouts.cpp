//===- Layouts.cpp - Which thread holds which element ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each layout becomes fields of the lane and the warp for each dimension, and
// an offset for each register (see Layouts.h). A slice is its parent without
// one dimension: its fields are dropped, which makes copies, and registers that
// differed in it only become one, in the order in which they first appear.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc::tile;

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

uint32_t LayoutField::getBits() const {
  uint32_t mask = llvm::PowerOf2Ceil(count) - 1;
  return mask << shift;
}

int64_t LayoutField::evaluate(int64_t lane, int64_t warp) const {
  uint32_t number = source == Lane ? lane : warp;
  return int64_t((number & getBits()) >> shift) * stride;
}

//===----------------------------------------------------------------------===//
// ThreadLayout
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ThreadLayout::getCoordinates(int64_t warp, int64_t lane,
                                                  int64_t reg) const {
  SmallVector<int64_t> result(offsets[reg].begin(), offsets[reg].end());
  for (auto [coordinate, fields] : llvm::zip_equal(result, base))
    for (const LayoutField &field : fields)
      coordinate += field.evaluate(lane, warp);
  return result;
}

std::optional<int64_t>
ThreadLayout::findRegister(ArrayRef<int64_t> offset) const {
  for (auto [reg, other] : llvm::enumerate(offsets))
    if (ArrayRef<int64_t>(other) == offset)
      return reg;
  return std::nullopt;
}

/// The bits of one source that the fields have.
static uint32_t getBits(ArrayRef<LayoutField> fields,
                        LayoutField::Source source) {
  uint32_t bits = 0;
  for (const LayoutField &field : fields)
    if (field.source == source)
      bits |= field.getBits();
  return bits;
}

uint32_t ThreadLayout::getLaneBits(unsigned dim) const {
  return getBits(base[dim], LayoutField::Lane);
}

uint32_t ThreadLayout::getWarpBits(unsigned dim) const {
  return getBits(base[dim], LayoutField::Warp);
}

uint32_t ThreadLayout::getLaneCopyBits() const {
  uint32_t bits = kThreadsPerWarp - 1;
  for (const auto &fields : base)
    bits &= ~getBits(fields, LayoutField::Lane);
  return bits;
}

uint32_t ThreadLayout::getWarpCopyBits() const {
  uint32_t bits = llvm::PowerOf2Ceil(numWarps) - 1;
  for (const auto &fields : base)
    bits &= ~getBits(fields, LayoutField::Warp);
  return bits;
}

int64_t ThreadLayout::getNumCopies() const {
  int64_t threads = kThreadsPerWarp * numWarps;
  for (const auto &fields : base)
    for (const LayoutField &field : fields)
      threads /= field.count;
  return threads;
}

//===----------------------------------------------------------------------===//
// From layouts
//===----------------------------------------------------------------------===//

Attribute seqc::tile::getLayout(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.getEncoding() || !isLayout(tensor.getEncoding()))
    return {};
  return tensor.getEncoding();
}

RankedTensorType seqc::tile::withLayout(RankedTensorType type,
                                        Attribute layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(), layout);
}

bool seqc::tile::isLayout(Attribute attribute) {
  return isa<MmaLayoutAttr, BlockedLayoutAttr, SliceLayoutAttr>(attribute);
}

int64_t seqc::tile::getLayoutRank(Attribute layout) {
  if (auto blocked = dyn_cast<BlockedLayoutAttr>(layout))
    return blocked.getThread().size();
  if (auto slice = dyn_cast<SliceLayoutAttr>(layout))
    return getLayoutRank(slice.getParent()) - 1;
  return 2;
}

int64_t seqc::tile::getNumWarps(Attribute layout) {
  if (auto mma = dyn_cast<MmaLayoutAttr>(layout))
    return mma.getWarps();
  if (auto blocked = dyn_cast<BlockedLayoutAttr>(layout))
    return llvm::product_of(blocked.getWarps());
  return getNumWarps(cast<SliceLayoutAttr>(layout).getParent());
}

static ThreadLayout getMma(MmaLayoutAttr layout, ArrayRef<int64_t> shape) {
  ThreadLayout result;
  int64_t warps = layout.getWarps();
  result.shape.assign(shape.begin(), shape.end());
  result.numWarps = warps;
  result.base.resize(2);
  if (warps > 1)
    result.base[0].push_back({LayoutField::Warp, 0, warps, 16});
  result.base[0].push_back({LayoutField::Lane, 2, 8, 1});
  result.base[1].push_back({LayoutField::Lane, 0, 4, 2});
  for (int64_t row = 0; row < shape[0]; row += 16 * warps)
    for (int64_t column = 0; column < shape[1]; column += 8)
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t c = 0; c < 2; ++c)
          result.offsets.push_back({row + 8 * half, column + c});
  return result;
}

/// Appends the points of a box, the last dimension fastest: those of `counts`,
/// `strides` apart, from `start`.
static void addPoints(ArrayRef<int64_t> counts, ArrayRef<int64_t> strides,
                      ArrayRef<int64_t> start,
                      SmallVectorImpl<SmallVector<int64_t, 2>> &points) {
  SmallVector<int64_t> index(counts.size(), 0);
  for (int64_t i = 0, e = llvm::product_of(counts); i < e; ++i) {
    SmallVector<int64_t, 2> point;
    for (auto [s, n, stride] : llvm::zip_equal(start, index, strides))
      point.push_back(s + n * stride);
    points.push_back(std::move(point));
    for (int64_t d = counts.size() - 1; d >= 0; --d) {
      if (++index[d] < counts[d])
        break;
      index[d] = 0;
    }
  }
}

static ThreadLayout getBlocked(BlockedLayoutAttr layout,
                               ArrayRef<int64_t> shape) {
  ThreadLayout result;
  int64_t rank = shape.size();
  ArrayRef<int64_t> thread = layout.getThread(), lanes = layout.getLanes(),
                    warps = layout.getWarps();
  result.shape.assign(shape.begin(), shape.end());
  result.numWarps = llvm::product_of(warps);
  result.base.resize(rank);
  SmallVector<int64_t> repetitions, units;
  unsigned laneShift = 0, warpShift = 0;
  for (int64_t d = rank - 1; d >= 0; --d) {
    if (lanes[d] > 1)
      result.base[d].push_back(
          {LayoutField::Lane, laneShift, lanes[d], thread[d]});
    if (warps[d] > 1)
      result.base[d].push_back(
          {LayoutField::Warp, warpShift, warps[d], thread[d] * lanes[d]});
    laneShift += llvm::Log2_64_Ceil(lanes[d]);
    warpShift += llvm::Log2_64_Ceil(warps[d]);
  }
  for (int64_t d = 0; d < rank; ++d) {
    units.push_back(thread[d] * lanes[d] * warps[d]);
    repetitions.push_back(shape[d] / units[d]);
  }
  SmallVector<SmallVector<int64_t, 2>> corners;
  addPoints(repetitions, units, SmallVector<int64_t>(rank, 0), corners);
  for (ArrayRef<int64_t> corner : corners)
    addPoints(thread, SmallVector<int64_t>(rank, 1), corner, result.offsets);
  return result;
}

/// `offset` without dimension `dim`.
static SmallVector<int64_t, 2> dropDim(ArrayRef<int64_t> offset, unsigned dim) {
  SmallVector<int64_t, 2> result(offset);
  result.erase(result.begin() + dim);
  return result;
}

static ThreadLayout getSlice(const ThreadLayout &parent, unsigned dim) {
  ThreadLayout result;
  result.shape = parent.shape;
  result.shape.erase(result.shape.begin() + dim);
  result.numWarps = parent.numWarps;
  result.base = parent.base;
  result.base.erase(result.base.begin() + dim);
  for (ArrayRef<int64_t> offset : parent.offsets) {
    SmallVector<int64_t, 2> kept = dropDim(offset, dim);
    if (!llvm::is_contained(result.offsets, kept))
      result.offsets.push_back(std::move(kept));
  }
  return result;
}

/// The least size of dimension `dim` of a tile in this layout.
static int64_t getUnit(Attribute layout, unsigned dim) {
  if (auto mma = dyn_cast<MmaLayoutAttr>(layout))
    return dim == 0 ? 16 * mma.getWarps() : 8;
  if (auto blocked = dyn_cast<BlockedLayoutAttr>(layout))
    return blocked.getThread()[dim] * blocked.getLanes()[dim] *
           blocked.getWarps()[dim];
  auto slice = cast<SliceLayoutAttr>(layout);
  return getUnit(slice.getParent(), dim < slice.getDim() ? dim : dim + 1);
}

SmallVector<int64_t> seqc::tile::getParentShape(SliceLayoutAttr slice,
                                                ArrayRef<int64_t> shape) {
  SmallVector<int64_t> result(shape);
  result.insert(result.begin() + slice.getDim(),
                getUnit(slice.getParent(), slice.getDim()));
  return result;
}

ThreadLayout seqc::tile::getThreadLayout(Attribute layout,
                                         ArrayRef<int64_t> shape) {
  if (auto mma = dyn_cast<MmaLayoutAttr>(layout))
    return getMma(mma, shape);
  if (auto blocked = dyn_cast<BlockedLayoutAttr>(layout))
    return getBlocked(blocked, shape);
  auto slice = cast<SliceLayoutAttr>(layout);
  return getSlice(
      getThreadLayout(slice.getParent(), getParentShape(slice, shape)),
      slice.getDim());
}

ThreadLayout seqc::tile::getThreadLayout(RankedTensorType type) {
  return getThreadLayout(getLayout(type), type.getShape());
}

int64_t seqc::tile::getNumRegisters(RankedTensorType type) {
  return getThreadLayout(type).getNumRegisters();
}

SmallVector<int64_t> seqc::tile::getCoordinates(Attribute layout,
                                                ArrayRef<int64_t> shape,
                                                int64_t warp, int64_t lane,
                                                int64_t reg) {
  return getThreadLayout(layout, shape).getCoordinates(warp, lane, reg);
}

//===----------------------------------------------------------------------===//
// Between layouts
//===----------------------------------------------------------------------===//

SmallVector<int64_t> seqc::tile::getSliceRegisters(const ThreadLayout &parent,
                                                   unsigned dim) {
  // The order of getSlice.
  SmallVector<SmallVector<int64_t, 2>> seen;
  SmallVector<int64_t> result;
  for (ArrayRef<int64_t> offset : parent.offsets) {
    SmallVector<int64_t, 2> kept = dropDim(offset, dim);
    auto *it = llvm::find(seen, kept);
    result.push_back(it - seen.begin());
    if (it == seen.end())
      seen.push_back(std::move(kept));
  }
  return result;
}

SmallVector<int64_t> seqc::tile::getFoldRegisters(const ThreadLayout &source,
                                                  const ThreadLayout &result) {
  SmallVector<int64_t> registers;
  for (ArrayRef<int64_t> offset : source.offsets) {
    SmallVector<int64_t, 2> folded(offset);
    folded.back() %= result.shape.back();
    registers.push_back(*result.findRegister(folded));
  }
  return registers;
}

bool seqc::tile::isSameDistribution(Attribute a, Attribute b,
                                    ArrayRef<int64_t> shape) {
  return a == b || getThreadLayout(a, shape) == getThreadLayout(b, shape);
}
