//===- TileLayoutsTest.cpp - Who holds which element ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layouts against the formulas that document them, and against the fragments of
// mma.sync.m16n8k16 in the PTX manual. Every thread and every register is
// visited.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"

#include <map>
#include <set>
#include <tuple>

using namespace mlir;
using namespace seqc::tile;

namespace {

using Coordinates = std::vector<int64_t>;
using Holder = std::tuple<int64_t, int64_t, int64_t>; // warp, lane, register

class TileLayoutsTest : public ::testing::Test {
protected:
  TileLayoutsTest() { context.loadDialect<TileDialect>(); }

  Attribute mma(int64_t warps) { return MmaLayoutAttr::get(&context, warps); }
  Attribute blocked(ArrayRef<int64_t> thread, ArrayRef<int64_t> lanes,
                    ArrayRef<int64_t> warps) {
    return BlockedLayoutAttr::get(&context, thread, lanes, warps);
  }
  Attribute slice(int64_t dim, Attribute parent) {
    return SliceLayoutAttr::get(&context, dim, parent);
  }

  /// All holders of each element, after checks that hold for every layout:
  /// each element is held by as many threads as the layout says, by one
  /// register of each, and by one owner.
  std::map<Coordinates, std::vector<Holder>>
  getHolders(Attribute layout, ArrayRef<int64_t> shape) {
    ThreadLayout threads = getThreadLayout(layout, shape);
    EXPECT_EQ(threads.numWarps, getNumWarps(layout));
    std::map<Coordinates, std::vector<Holder>> holders;
    std::map<Coordinates, int64_t> owners;
    for (int64_t warp = 0; warp < threads.numWarps; ++warp)
      for (int64_t lane = 0; lane < 32; ++lane)
        for (int64_t reg = 0; reg < threads.getNumRegisters(); ++reg) {
          SmallVector<int64_t> at =
              getCoordinates(layout, shape, warp, lane, reg);
          Coordinates key(at.begin(), at.end());
          for (auto [c, size] : llvm::zip_equal(at, shape)) {
            EXPECT_GE(c, 0);
            EXPECT_LT(c, size);
          }
          holders[key].push_back({warp, lane, reg});
          owners[key] += (lane & threads.getLaneCopyBits()) == 0 &&
                         (warp & threads.getWarpCopyBits()) == 0;
        }
    int64_t elements = 1;
    for (int64_t size : shape)
      elements *= size;
    EXPECT_EQ(int64_t(holders.size()), elements);
    for (auto &[key, list] : holders) {
      EXPECT_EQ(int64_t(list.size()), threads.getNumCopies());
      std::set<std::pair<int64_t, int64_t>> unique;
      for (auto [warp, lane, reg] : list)
        unique.insert({warp, lane});
      EXPECT_EQ(unique.size(), list.size());
      EXPECT_EQ(owners[key], 1);
    }
    return holders;
  }

  MLIRContext context;
};

TEST_F(TileLayoutsTest, MmaIsAsDocumented) {
  for (int64_t warps : {1, 2, 4, 8, 12})
    for (int64_t blocks : {1, 2})
      for (int64_t columns : {8, 40, 64}) {
        int64_t rows = 16 * warps * blocks;
        auto holders = getHolders(mma(warps), {rows, columns});
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t c = 0; c < columns; ++c) {
            int64_t block = r / (16 * warps);
            Holder expected = {
                (r / 16) % warps, 4 * (r % 8) + (c % 8) / 2,
                ((block * (columns / 8) + c / 8) * 2 + (r % 16) / 8) * 2 +
                    c % 2};
            std::vector<Holder> &list = holders[{r, c}];
            ASSERT_EQ(list.size(), 1u);
            EXPECT_EQ(list[0], expected) << "at " << r << ", " << c;
          }
      }
}

// PTX ISA, "Matrix Fragments for mma.m16n8k16": c0, c1 are at row groupID,
// c2, c3 at groupID + 8; columns threadID_in_group * 2 + (i & 1).
TEST_F(TileLayoutsTest, MmaIsTheAccumulatorOfM16N8K16) {
  ThreadLayout layout = getThreadLayout(mma(1), {16, 8});
  ASSERT_EQ(layout.getNumRegisters(), 4);
  for (int64_t lane = 0; lane < 32; ++lane)
    for (int64_t i = 0; i < 4; ++i) {
      int64_t group = lane >> 2, inGroup = lane % 4;
      SmallVector<int64_t> expected = {i < 2 ? group : group + 8,
                                       inGroup * 2 + (i & 1)};
      EXPECT_EQ(layout.getCoordinates(0, lane, i), expected);
    }
}

// The same page, 16-bit A: a0, a1, a4, a5 are at row groupID, the others at
// groupID + 8; columns threadID_in_group * 2 + (i & 1), and + 8 from a4 on.
TEST_F(TileLayoutsTest, MmaIsTheAOperandOfM16N8K16) {
  ThreadLayout layout = getThreadLayout(mma(1), {16, 32});
  for (int64_t step = 0; step < 2; ++step)
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t i = 0; i < 8; ++i) {
        int64_t group = lane >> 2, inGroup = lane % 4;
        bool upper = i < 2 || (i >= 4 && i < 6);
        SmallVector<int64_t> expected = {upper ? group : group + 8,
                                         inGroup * 2 + (i & 1) +
                                             (i >= 4 ? 8 : 0) + 16 * step};
        EXPECT_EQ(layout.getCoordinates(0, lane, 8 * step + i), expected);
      }
}

TEST_F(TileLayoutsTest, RowsOfMma) {
  auto holders = getHolders(slice(1, mma(4)), {128});
  for (int64_t r = 0; r < 128; ++r) {
    ASSERT_EQ(holders[{r}].size(), 4u);
    for (auto [i, holder] : llvm::enumerate(holders[{r}])) {
      Holder expected = {(r / 16) % 4, 4 * (r % 8) + int64_t(i),
                         r / 64 * 2 + (r % 16) / 8};
      EXPECT_EQ(holder, expected);
    }
  }
  ThreadLayout layout = getThreadLayout(slice(1, mma(4)), {128});
  EXPECT_EQ(layout.getLaneCopyBits(), 3u);
  EXPECT_EQ(layout.getWarpCopyBits(), 0u);
  EXPECT_EQ(layout.getNumCopies(), 4);
}

TEST_F(TileLayoutsTest, ColumnsOfMma) {
  auto holders = getHolders(slice(0, mma(4)), {64});
  for (int64_t c = 0; c < 64; ++c) {
    ASSERT_EQ(holders[{c}].size(), 32u);
    for (auto [warp, lane, reg] : holders[{c}]) {
      EXPECT_EQ(lane % 4, (c % 8) / 2);
      EXPECT_EQ(reg, c / 8 * 2 + c % 2);
    }
  }
  ThreadLayout layout = getThreadLayout(slice(0, mma(4)), {64});
  EXPECT_EQ(layout.getLaneCopyBits(), 28u);
  EXPECT_EQ(layout.getWarpCopyBits(), 3u);
  EXPECT_EQ(layout.getNumCopies(), 32);
}

TEST_F(TileLayoutsTest, BlockedIsAsDocumented) {
  Attribute layout = blocked({2, 4}, {4, 8}, {2, 2});
  auto holders = getHolders(layout, {32, 128});
  for (int64_t r = 0; r < 32; ++r)
    for (int64_t c = 0; c < 128; ++c) {
      int64_t lane = (r / 2) % 4 * 8 + (c / 4) % 8;
      int64_t warp = (r / 8) % 2 * 2 + (c / 32) % 2;
      int64_t repetition = r / 16 * 2 + c / 64;
      int64_t reg = (repetition * 2 + r % 2) * 4 + c % 4;
      Holder expected = {warp, lane, reg};
      ASSERT_EQ((holders[{r, c}].size()), 1u);
      EXPECT_EQ((holders[{r, c}][0]), expected);
    }
}

TEST_F(TileLayoutsTest, BlockedOfOtherRanks) {
  getHolders(blocked({4}, {32}, {4}), {1024});
  getHolders(blocked({1}, {32}, {12}), {384});
  getHolders(blocked({1, 2, 4}, {2, 4, 4}, {1, 4, 1}), {4, 32, 16});
  getHolders(blocked({1, 8}, {4, 8}, {3, 2}), {24, 128});
  getHolders(slice(0, blocked({1, 2, 4}, {2, 4, 4}, {1, 4, 1})), {32, 16});
  getHolders(slice(1, slice(0, blocked({1, 2, 4}, {2, 4, 4}, {1, 4, 1}))),
             {64});
}

// A register and the one of the slice that getSliceRegisters says are at the
// same place but for the dropped dimension, in every thread.
TEST_F(TileLayoutsTest, SlicesAgreeWithTheirParents) {
  struct Case {
    Attribute parent;
    SmallVector<int64_t> shape;
  };
  SmallVector<Case> cases = {
      {mma(4), {128, 64}},
      {mma(8), {128, 8}},
      {blocked({2, 4}, {4, 8}, {2, 2}), {32, 128}},
      {blocked({1, 8}, {2, 16}, {4, 1}), {24, 256}},
      {blocked({1, 2, 4}, {2, 4, 4}, {1, 4, 1}), {4, 32, 16}},
  };
  for (const Case &test : cases)
    for (unsigned dim = 0; dim < test.shape.size(); ++dim) {
      ThreadLayout parent = getThreadLayout(test.parent, test.shape);
      SmallVector<int64_t> shape = test.shape;
      shape.erase(shape.begin() + dim);
      Attribute layout = slice(dim, test.parent);
      ThreadLayout sliced = getThreadLayout(layout, shape);
      getHolders(layout, shape);
      SmallVector<int64_t> map = getSliceRegisters(parent, dim);
      ASSERT_EQ(int64_t(map.size()), parent.getNumRegisters());
      for (int64_t warp = 0; warp < parent.numWarps; ++warp)
        for (int64_t lane = 0; lane < 32; ++lane)
          for (auto [reg, target] : llvm::enumerate(map)) {
            SmallVector<int64_t> at = parent.getCoordinates(warp, lane, reg);
            at.erase(at.begin() + dim);
            EXPECT_EQ(at, sliced.getCoordinates(warp, lane, target));
          }
      // Lanes that a reduction shuffles over hold the same rest.
      EXPECT_EQ(parent.getLaneBits(dim) & ~sliced.getLaneCopyBits(), 0u);
    }
}

TEST_F(TileLayoutsTest, FoldKeepsToItsThread) {
  ThreadLayout source = getThreadLayout(mma(4), {128, 64});
  ThreadLayout result = getThreadLayout(mma(4), {128, 8});
  SmallVector<int64_t> map = getFoldRegisters(source, result);
  for (int64_t warp = 0; warp < 4; ++warp)
    for (int64_t lane = 0; lane < 32; ++lane)
      for (auto [reg, target] : llvm::enumerate(map)) {
        SmallVector<int64_t> at = source.getCoordinates(warp, lane, reg);
        at[1] %= 8;
        EXPECT_EQ(at, result.getCoordinates(warp, lane, target));
      }
}

TEST_F(TileLayoutsTest, EqualDistributions) {
  EXPECT_TRUE(isSameDistribution(mma(4), mma(4), {64, 8}));
  EXPECT_FALSE(isSameDistribution(mma(4), mma(8), {128, 8}));
  EXPECT_FALSE(
      isSameDistribution(mma(1), blocked({1, 2}, {8, 4}, {1, 1}), {16, 16}));
  // 16 rows in two registers, eight apart: a blocked layout has them too.
  EXPECT_TRUE(isSameDistribution(
      slice(1, mma(1)), slice(1, blocked({1, 2}, {8, 4}, {1, 1})), {16}));
}

} // namespace
