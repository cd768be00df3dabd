//===- MaskAnalysisTest.cpp - Tiles of a mask against brute force ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every test visits all pairs of small problems. The visibility of a pair is
// taken from the definition of the mask and from an interpreter of its region,
// which share nothing with the analysis.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/MaskAnalysis.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

#include <random>

using namespace mlir;
using namespace seqc;

namespace {

/// The captured values of the test function.
struct Captured {
  int64_t index = 0;
  int64_t narrow = 0;
  SmallVector<int64_t> lengths = {0, 0, 0};
};

class MaskAnalysisTest : public ::testing::Test {
protected:
  MaskAnalysisTest() {
    context.loadDialect<SeqcDialect, affine::AffineDialect, arith::ArithDialect,
                        func::FuncDialect, tensor::TensorDialect>();
  }

  /// An attention with `clauses`, in a function that also has %c (index), %n
  /// (i32), %x (f32), %flags (a tensor of i1) and %lens (a tensor of i32).
  AttentionOp parse(StringRef operands, StringRef clauses) {
    std::string text =
        ("func.func @f(%q: tensor<3x2x?x8xf32>, %k: tensor<3x2x?x8xf32>, "
         "%c: index, %n: i32, %x: f32, %lens: tensor<3xi32>, "
         "%flags: tensor<?xi1>, %pre: tensor<3xi32>, %seg: tensor<3x?xi32>) "
         "-> tensor<3x2x?x8xf32> {\n"
         "  %o = seqc.attention query(%q) key(%k) value(%k) " +
         operands + " " + clauses +
         " : (tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>" +
         (operands.contains("segments") ? ", tensor<3x?xi32>, tensor<3x?xi32>"
                                        : "") +
         (operands.contains("prefix") ? ", tensor<3xi32>" : "") +
         ") -> tensor<3x2x?x8xf32>\n  return %o : tensor<3x2x?x8xf32>\n}\n")
            .str();
    module = parseSourceString<ModuleOp>(text, &context);
    AttentionOp result;
    if (module)
      module->walk([&](AttentionOp op) { result = op; });
    EXPECT_TRUE(result) << text;
    return result;
  }

  AttentionOp parseRegion(StringRef body, StringRef clauses = "") {
    return parse("", (clauses +
                      " mask {\n^bb0(%b: index, %h: index, %i: index, "
                      "%j: index):\n" +
                      body + "}")
                         .str());
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  /// Other problems with --gtest_shuffle --gtest_random_seed=N.
  std::mt19937 random{20240229u +
                      ::testing::UnitTest::GetInstance()->random_seed()};

  int64_t pick(int64_t lo, int64_t hi) {
    return std::uniform_int_distribution<int64_t>(lo, hi)(random);
  }
};

/// Runs a mask region for one pair.
class Interpreter {
public:
  Interpreter(Region *region, const Captured &captured)
      : region(region), captured(captured) {}

  bool run(int64_t b, int64_t h, int64_t i, int64_t j) {
    values.clear();
    const int64_t numbers[] = {b, h, i, j};
    for (auto [argument, value] :
         llvm::zip_equal(region->getArguments(), numbers))
      values[argument] = value;
    for (Operation &op : region->front()) {
      if (isa<YieldOp>(op))
        return get(op.getOperand(0)) & 1;
      values[op.getResult(0)] = compute(&op);
    }
    ADD_FAILURE() << "no yield";
    return false;
  }

  int64_t get(Value value) {
    if (auto it = values.find(value); it != values.end())
      return it->second;
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return constant.getSExtValue();
    switch (cast<BlockArgument>(value).getArgNumber()) {
    case 2:
      return captured.index;
    case 3:
      return captured.narrow;
    }
    ADD_FAILURE() << "not a captured integer";
    return 0;
  }

private:
  int64_t compute(Operation *op) {
    if (isa<arith::ConstantOp>(op)) {
      APInt constant;
      matchPattern(op->getResult(0), m_ConstantInt(&constant));
      return constant.getSExtValue();
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      int64_t position = get(extract.getIndices()[0]);
      if (extract.getType().isInteger(1))
        return position * 2654435761u >> 7 & 1;
      return captured.lengths[position];
    }
    SmallVector<int64_t> v;
    for (Value operand : op->getOperands())
      v.push_back(get(operand));
    return llvm::TypeSwitch<Operation *, int64_t>(op)
        .Case([&](arith::AddIOp) { return v[0] + v[1]; })
        .Case([&](arith::SubIOp) { return v[0] - v[1]; })
        .Case([&](arith::MulIOp) { return v[0] * v[1]; })
        .Case([&](arith::DivSIOp) { return v[0] / v[1]; })
        .Case([&](arith::RemSIOp) { return v[0] % v[1]; })
        .Case([&](arith::DivUIOp) {
          return static_cast<int64_t>(static_cast<uint64_t>(v[0]) / v[1]);
        })
        .Case([&](arith::FloorDivSIOp) {
          return llvm::divideFloorSigned(v[0], v[1]);
        })
        .Case([&](arith::CeilDivSIOp) {
          return llvm::divideCeilSigned(v[0], v[1]);
        })
        .Case([&](arith::MaxSIOp) { return std::max(v[0], v[1]); })
        .Case([&](arith::MinSIOp) { return std::min(v[0], v[1]); })
        .Case([&](arith::AndIOp) { return v[0] & v[1]; })
        .Case([&](arith::OrIOp) { return v[0] | v[1]; })
        .Case([&](arith::XOrIOp) { return v[0] ^ v[1]; })
        .Case([&](arith::SelectOp) { return v[0] & 1 ? v[1] : v[2]; })
        .Case([&](arith::IndexCastOp) { return v[0]; })
        .Case([&](arith::ExtUIOp) { return v[0] & 1; })
        .Case([&](arith::CmpIOp cmp) -> int64_t {
          if (cmp.getLhs().getType().isInteger(1)) {
            v[0] &= 1;
            v[1] &= 1;
          }
          return arith::applyCmpPredicate(
              cmp.getPredicate(), APInt(64, v[0], true), APInt(64, v[1], true));
        })
        .Default([&](Operation *other) {
          ADD_FAILURE() << "unexpected "
                        << other->getName().getStringRef().str();
          return 0;
        });
  }

  Region *region;
  const Captured &captured;
  DenseMap<Value, int64_t> values;
};

/// The definition of a mask, word for word.
struct Definition {
  MaskSpec spec;
  Captured captured;
  /// Empty without segments.
  SmallVector<int64_t> querySegments = {}, keySegments = {};

  /// Row `i` and column `j`, which are a key and a query if it is transposed.
  bool isVisible(const MaskPoint &p, int64_t i, int64_t j) const {
    if (spec.transposed) {
      MaskPoint straight = p;
      std::swap(straight.queryLength, straight.keyLength);
      return j < p.keyLength && isPairVisible(straight, j, i);
    }
    return isPairVisible(p, i, j);
  }

  bool isPairVisible(const MaskPoint &p, int64_t i, int64_t j) const {
    int64_t diagonal = i + (spec.alignment == Alignment::BottomRight
                                ? p.keyLength - p.queryLength
                                : 0);
    bool band = (!spec.causal || j <= diagonal) &&
                (!spec.windowLeft || j >= diagonal - *spec.windowLeft) &&
                (!spec.windowRight || j <= diagonal + *spec.windowRight);
    bool visible = band || (spec.hasPrefix && j < p.prefix);
    if (visible && !querySegments.empty() && j < p.keyLength)
      visible = querySegments[i] == keySegments[j];
    if (visible && spec.region)
      visible = Interpreter(spec.region, captured).run(p.batch, p.head, i, j);
    return visible && j < p.keyLength;
  }
};

/// How much of what is true the analysis found.
struct Found {
  int64_t empty = 0, reallyEmpty = 0, full = 0, reallyFull = 0;
  /// Tiles between the bounds, and in the full interval.
  int64_t visited = 0, fullRun = 0;
};

/// Checks one query tile at `p` against the definition.
void checkTiles(const Definition &definition, const MaskTiling &tiling,
                const MaskPoint &p, int64_t M, int64_t N, Found &found) {
  TileLoopBounds<int64_t> bounds = tiling.evaluateBounds(p);
  ASSERT_LE(p.kvBegin, bounds.lo);
  ASSERT_LE(bounds.lo, bounds.fullLo);
  ASSERT_LE(bounds.fullLo, bounds.fullHi);
  ASSERT_LE(bounds.fullHi, bounds.hi);
  ASSERT_LT(bounds.hi, std::max(p.kvEnd, p.kvBegin) + N);
  for (int64_t bound : {bounds.lo, bounds.fullLo, bounds.fullHi, bounds.hi})
    ASSERT_EQ((bound - p.kvBegin) % N, 0);

  int64_t rowEnd = std::min(p.i0 + M, p.queryLength);
  for (int64_t j0 = p.kvBegin; j0 < p.kvEnd; j0 += N) {
    bool empty = true, full = true;
    for (int64_t i = p.i0; i < rowEnd; ++i) {
      for (int64_t j = j0; j < j0 + N; ++j) {
        bool visible = j < p.kvEnd && definition.isVisible(p, i, j);
        empty &= !visible;
        full &= visible;
      }
    }
    bool isEmpty = tiling.evaluateIsEmpty(p, j0);
    bool isFull = tiling.evaluateIsFull(p, j0);
    bool visited = bounds.lo <= j0 && j0 < bounds.hi;
    bool inFullRun = bounds.fullLo <= j0 && j0 < bounds.fullHi;
    std::string where;
    llvm::raw_string_ostream(where)
        << "i0 " << p.i0 << " M " << M << " j0 " << j0 << " N " << N << " Sq "
        << p.queryLength << " Sk " << p.keyLength << " kv [" << p.kvBegin
        << ", " << p.kvEnd << ") prefix " << p.prefix;
    ASSERT_TRUE(empty || (visited && !isEmpty)) << "skipped: " << where;
    ASSERT_TRUE(full || !(isFull || inFullRun)) << "not full: " << where;
    found.empty += isEmpty;
    found.reallyEmpty += empty;
    found.full += isFull;
    found.reallyFull += full;
    found.visited += visited;
    found.fullRun += inFullRun;
  }
}

class MaskBruteForce : public MaskAnalysisTest {
protected:
  MaskPoint pickPoint(int64_t limit) {
    MaskPoint p;
    p.queryLength = pick(1, limit);
    p.keyLength = pick(0, limit);
    p.prefix = pick(-2, limit);
    p.batch = pick(0, 2);
    p.head = pick(0, 1);
    p.i0 = pick(0, p.queryLength - 1);
    p.kvBegin = pick(0, 1) ? 0 : pick(0, p.keyLength);
    p.kvEnd = pick(0, 1) ? p.keyLength : pick(0, p.keyLength + 3);
    return p;
  }

  Captured pickCaptured() {
    Captured captured;
    captured.index = pick(-10, 40);
    captured.narrow = pick(-10, 40);
    for (int64_t &length : captured.lengths)
      length = pick(0, 40);
    return captured;
  }

  /// Numbers for the captures, found by running the region.
  void setCaptures(const MaskAnalysis &analysis, const Definition &definition,
                   MaskPoint &p) {
    p.captures.clear();
    for (Value capture : analysis.getCaptures()) {
      Interpreter interpreter(definition.spec.region, definition.captured);
      interpreter.run(p.batch, p.head, 0, 0);
      p.captures.push_back(interpreter.get(capture));
    }
  }

  Found run(const MaskAnalysis &analysis, Definition &definition, int rounds,
            int64_t limit = 40) {
    Found found;
    for (int round = 0; round < rounds; ++round) {
      int64_t M = pick(1, 17), N = pick(1, 17);
      MaskTiling tiling = analysis.getTiling(M, N);
      for (int repeat = 0; repeat < 4; ++repeat) {
        definition.captured = pickCaptured();
        MaskPoint p = pickPoint(limit);
        setCaptures(analysis, definition, p);
        checkTiles(definition, tiling, p, M, N, found);
        if (HasFatalFailure())
          return found;
      }
    }
    return found;
  }
};

/// Every combination of the structured clauses is exact.
TEST_F(MaskBruteForce, StructuredMasksAreExact) {
  int64_t full = 0, empty = 0;
  for (int bits = 0; bits < 32; ++bits) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      Definition definition;
      MaskSpec &spec = definition.spec;
      spec.causal = bits & 1;
      if (bits & 2)
        spec.windowLeft = pick(0, 20);
      if (bits & 4)
        spec.windowRight = pick(0, 20);
      spec.alignment = bits & 8 ? Alignment::TopLeft : Alignment::BottomRight;
      spec.hasPrefix = bits & 16;
      SCOPED_TRACE(bits);
      MaskAnalysis analysis(spec, &context);
      EXPECT_TRUE(analysis.hasFull());
      bool isBand = !(spec.hasPrefix && (bits & 7));
      EXPECT_EQ(analysis.isConvex(), isBand);
      EXPECT_EQ(analysis.usesPrefix(), !isBand);
      EXPECT_FALSE(analysis.usesHead());
      Found found = run(analysis, definition, 20);
      if (HasFatalFailure())
        return;
      EXPECT_EQ(found.empty, found.reallyEmpty);
      EXPECT_EQ(found.full, found.reallyFull);
      full += found.full;
      empty += found.empty;
      if (isBand) {
        EXPECT_EQ(found.fullRun, found.reallyFull);
      }
    }
  }
  EXPECT_GT(full, 1000);
  EXPECT_GT(empty, 1000);
}

/// So are the queries that see a tile of keys, by the same definition.
TEST_F(MaskBruteForce, TransposedMasksAreExact) {
  int64_t full = 0, empty = 0;
  for (int bits = 0; bits < 32; ++bits) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      Definition definition;
      MaskSpec &spec = definition.spec;
      spec.transposed = true;
      spec.causal = bits & 1;
      if (bits & 2)
        spec.windowLeft = pick(0, 20);
      if (bits & 4)
        spec.windowRight = pick(0, 20);
      spec.alignment = bits & 8 ? Alignment::TopLeft : Alignment::BottomRight;
      spec.hasPrefix = bits & 16;
      SCOPED_TRACE(bits);
      MaskAnalysis analysis(spec, &context);
      EXPECT_TRUE(analysis.hasFull());
      Found found = run(analysis, definition, 20);
      if (HasFatalFailure())
        return;
      EXPECT_EQ(found.empty, found.reallyEmpty);
      EXPECT_EQ(found.full, found.reallyFull);
      full += found.full;
      empty += found.empty;
    }
  }
  EXPECT_GT(full, 1000);
  EXPECT_GT(empty, 1000);
}

/// A region too: its query and its key keep their places.
TEST_F(MaskBruteForce, TransposedRegions) {
  AttentionOp op = parseRegion(R"mlir(
    %c4 = arith.constant 4 : index
    %block = arith.divui %i, %c4 : index
    %limit = arith.muli %block, %c4 : index
    %m = arith.cmpi sle, %j, %limit : index
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  Definition definition;
  definition.spec = MaskSpec::get(op);
  definition.spec.transposed = true;
  MaskAnalysis analysis(definition.spec, &context);
  Found found = run(analysis, definition, 60);
  EXPECT_GT(found.empty, 0);
  EXPECT_GT(found.full, 0);
}

/// In a band no tile between the bounds is empty.
TEST_F(MaskBruteForce, BandBoundsAreTight) {
  for (int bits = 0; bits < 16; ++bits) {
    Definition definition;
    definition.spec.causal = bits & 1;
    if (bits & 2)
      definition.spec.windowLeft = pick(0, 9);
    if (bits & 4)
      definition.spec.windowRight = pick(0, 9);
    definition.spec.alignment =
        bits & 8 ? Alignment::TopLeft : Alignment::BottomRight;
    MaskAnalysis analysis(definition.spec, &context);
    for (int round = 0; round < 60; ++round) {
      int64_t M = pick(1, 17), N = pick(1, 17);
      MaskTiling tiling = analysis.getTiling(M, N);
      EXPECT_LE(tiling.getNonEmpty().size(), 1u);
      EXPECT_LE(tiling.getFull().size(), 1u);
      MaskPoint p = pickPoint(40);
      Found found;
      checkTiles(definition, tiling, p, M, N, found);
      if (HasFatalFailure())
        return;
      int64_t tiles =
          std::max<int64_t>(0, llvm::divideCeilSigned(p.kvEnd - p.kvBegin, N));
      EXPECT_EQ(found.visited, tiles - found.reallyEmpty);
    }
  }
}

/// A clause and a region that says the same give the same tiles.
TEST_F(MaskBruteForce, RegionsEqualClauses) {
  AttentionOp clauses = parse("", "causal window_left(7) align(top_left)");
  ASSERT_TRUE(clauses);
  std::string expectedText, text;
  {
    llvm::raw_string_ostream os(expectedText);
    MaskAnalysis(clauses).getTiling(16, 8).print(os);
  }
  AttentionOp region = parseRegion(R"mlir(
    %c7 = arith.constant 7 : index
    %d = arith.subi %i, %j : index
    %zero = arith.constant 0 : index
    %past = arith.cmpi sge, %d, %zero : index
    %near = arith.cmpi sle, %d, %c7 : index
    %m = arith.andi %past, %near : i1
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(region);
  {
    llvm::raw_string_ostream os(text);
    MaskAnalysis(region).getTiling(16, 8).print(os);
  }
  EXPECT_EQ(text, expectedText);
  EXPECT_NE(text, "");
}

/// The bottom-right diagonal, written in a region with the operator's lengths.
TEST_F(MaskBruteForce, RegionsKnowTheLengths) {
  AttentionOp op = parseRegion(R"mlir(
    %sq = arith.index_cast %n : i32 to index
    %off = arith.subi %c, %sq : index
    %p = arith.addi %i, %off : index
    %m = arith.cmpi sle, %j, %p : index
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  MaskSpec spec = MaskSpec::get(op);
  spec.keyLength = op->getBlock()->getArgument(2);
  spec.queryLength = op->getBlock()->getArgument(3);
  MaskAnalysis analysis(spec, &context);
  EXPECT_TRUE(analysis.getCaptures().empty());
  MaskSpec causal;
  causal.causal = true;
  std::string expectedText, text;
  llvm::raw_string_ostream expectedOs(expectedText), os(text);
  MaskAnalysis(causal, &context).getTiling(16, 8).print(expectedOs);
  analysis.getTiling(16, 8).print(os);
  EXPECT_EQ(text, expectedText);
}

/// Attention within chunks: a division on either side.
TEST_F(MaskBruteForce, ChunksAreExact) {
  AttentionOp op = parseRegion(R"mlir(
    %c8 = arith.constant 8 : index
    %qi = arith.divui %i, %c8 : index
    %qj = arith.divui %j, %c8 : index
    %m = arith.cmpi eq, %qi, %qj : index
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  for (bool causal : {false, true}) {
    Definition definition;
    definition.spec = MaskSpec::get(op);
    definition.spec.causal = causal;
    definition.spec.alignment = Alignment::TopLeft;
    MaskAnalysis analysis(definition.spec, &context);
    EXPECT_TRUE(analysis.isConvex());
    EXPECT_TRUE(analysis.hasFull());
    Found found = run(analysis, definition, 150);
    if (HasFatalFailure())
      return;
    EXPECT_EQ(found.empty, found.reallyEmpty);
    EXPECT_EQ(found.full, found.reallyFull);
    EXPECT_EQ(found.fullRun, found.reallyFull);
    EXPECT_GT(found.reallyFull, 0);
  }
}

/// Lengths that a region reads per batch entry become symbols.
TEST_F(MaskBruteForce, UniformValuesAreSymbols) {
  AttentionOp op = parseRegion(R"mlir(
    %len = tensor.extract %lens[%b] : tensor<3xi32>
    %l = arith.index_cast %len : i32 to index
    %m = arith.cmpi slt, %j, %l : index
    seqc.yield %m : i1
  )mlir",
                               "causal");
  ASSERT_TRUE(op);
  Definition definition;
  definition.spec = MaskSpec::get(op);
  MaskAnalysis analysis(op);
  EXPECT_EQ(analysis.getCaptures().size(), 1u);
  EXPECT_TRUE(analysis.usesBatch());
  EXPECT_FALSE(analysis.usesHead());
  EXPECT_TRUE(analysis.isConvex());
  Found found = run(analysis, definition, 100);
  if (HasFatalFailure())
    return;
  EXPECT_EQ(found.empty, found.reallyEmpty);
  EXPECT_EQ(found.full, found.reallyFull);
}

/// What is opaque widens one side and not the other.
TEST_F(MaskBruteForce, OpaqueConditions) {
  // Affine and opaque: bounds, nothing full.
  AttentionOp op = parseRegion(R"mlir(
    %e = tensor.extract %flags[%j] : tensor<?xi1>
    %a = arith.cmpi sle, %j, %i : index
    %m = arith.andi %a, %e : i1
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  Definition definition;
  definition.spec = MaskSpec::get(op);
  {
    MaskAnalysis analysis(op);
    EXPECT_FALSE(analysis.hasFull());
    EXPECT_TRUE(analysis.isConvex());
    Found found = run(analysis, definition, 50);
    EXPECT_GT(found.empty, 0);
    EXPECT_EQ(found.full, 0);
  }
  // Affine or opaque: no bounds, but some are full.
  op = parseRegion(R"mlir(
    %e = tensor.extract %flags[%j] : tensor<?xi1>
    %a = arith.cmpi sle, %j, %i : index
    %m = arith.ori %a, %e : i1
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  definition.spec = MaskSpec::get(op);
  {
    MaskAnalysis analysis(op);
    EXPECT_TRUE(analysis.hasFull());
    Found found = run(analysis, definition, 50);
    EXPECT_GT(found.full, 0);
  }
  // Segments are data.
  op = parse("segments(%seg, %seg)", "causal");
  ASSERT_TRUE(op);
  MaskAnalysis segments(op);
  EXPECT_FALSE(segments.hasFull());
  EXPECT_TRUE(segments.isConvex());
  MaskTiling tiling = segments.getTiling(16, 16);
  MaskPoint p;
  p.queryLength = p.keyLength = p.kvEnd = 128;
  p.i0 = 32;
  TileLoopBounds<int64_t> bounds = tiling.evaluateBounds(p);
  EXPECT_EQ(bounds.lo, 0);
  EXPECT_EQ(bounds.hi, 48);
  EXPECT_EQ(bounds.fullLo, bounds.fullHi);
}

/// What is known of segments bounds the tiles, next to everything else that the
/// mask hides. The bounds are those of tiles, as the ids have them.
TEST_F(MaskBruteForce, SegmentBounds) {
  int64_t empty = 0, full = 0;
  for (int bits = 0; bits < 16; ++bits) {
    MaskSpec spec;
    spec.causal = bits & 1;
    if (bits & 2)
      spec.windowLeft = pick(0, 20);
    spec.alignment = bits & 4 ? Alignment::TopLeft : Alignment::BottomRight;
    spec.hasPrefix = bits & 8;
    spec.hasSegments = spec.hasSegmentBounds = true;
    MaskAnalysis analysis(spec, &context);
    EXPECT_TRUE(analysis.hasFull());
    EXPECT_EQ(analysis.isConvex(), !(spec.hasPrefix && (bits & 3)));
    for (int round = 0; round < 40; ++round) {
      // Documents one after the other, or ids in any order.
      bool isSorted = pick(0, 3) != 0;
      MaskPoint p = pickPoint(60);
      p.kvEnd = p.keyLength;
      auto pickIds = [&](int64_t size) {
        SmallVector<int64_t> ids;
        int64_t id = pick(0, 2);
        for (int64_t i = 0; i < size; ++i) {
          ids.push_back(id);
          id = isSorted ? id + (pick(0, 9) == 0) : pick(0, 1);
        }
        return ids;
      };
      Definition definition;
      definition.spec = spec;
      definition.querySegments = pickIds(p.queryLength);
      definition.keySegments = pickIds(p.keyLength);
      int64_t M = pick(1, 17), N = pick(1, 17);
      p.i0 = p.i0 / M * M;
      p.kvBegin = 0;

      // The definition of SegmentInterval, in tiles.
      auto rows = ArrayRef(definition.querySegments).slice(p.i0);
      rows = rows.take_front(M);
      int64_t tiles = llvm::divideCeil(p.keyLength, N);
      int64_t first = tiles, last = 0, firstFull = tiles, lastFull = 0;
      bool isRun = false;
      for (int64_t t = 0; t < tiles; ++t) {
        auto keys = ArrayRef(definition.keySegments).slice(t * N).take_front(N);
        auto [qLow, qHigh] = std::minmax_element(rows.begin(), rows.end());
        auto [kLow, kHigh] = std::minmax_element(keys.begin(), keys.end());
        if (*kHigh >= *qLow && *qHigh >= *kLow) {
          first = std::min(first, t);
          last = t + 1;
        }
        if (*qLow == *qHigh && *kLow == *kHigh && *qLow == *kLow) {
          isRun = firstFull == tiles || (isRun && lastFull == t);
          firstFull = std::min(firstFull, t);
          lastFull = t + 1;
        }
      }
      last = std::max(first, last);
      if (!isRun)
        firstFull = lastFull = first;
      p.segments = {first * N, last * N, firstFull * N, lastFull * N};

      Found found;
      checkTiles(definition, analysis.getTiling(M, N), p, M, N, found);
      if (HasFatalFailure())
        return;
      empty += found.empty;
      full += found.fullRun;
      // Alone, documents that stand together have exact bounds.
      if (isSorted && bits == 0) {
        EXPECT_EQ(found.fullRun, found.reallyFull);
      }
    }
  }
  EXPECT_GT(empty, 100);
  EXPECT_GT(full, 20);
}

/// Regions of random operations are never wrong.
TEST_F(MaskBruteForce, RandomRegionsAreSound) {
  Found total;
  int convex = 0, analysed = 0;
  constexpr int regions = 300;
  for (int round = 0; round < regions; ++round) {
    std::string body;
    llvm::raw_string_ostream os(body);
    SmallVector<std::string> integers = {"%i", "%j", "%i", "%j",
                                         "%b", "%h", "%c", "%ni"};
    SmallVector<std::string> booleans;
    os << "%ni = arith.index_cast %n : i32 to index\n";
    int next = 0;
    auto fresh = [&] { return "%v" + std::to_string(next++); };
    auto one = [&](ArrayRef<std::string> names) {
      return names[pick(0, names.size() - 1)];
    };
    auto constant = [&](int64_t lo, int64_t hi) {
      std::string name = fresh();
      os << name << " = arith.constant " << pick(lo, hi) << " : index\n";
      return name;
    };
    auto binary = [&](StringRef op, std::string a, std::string b,
                      StringRef type) {
      std::string name = fresh();
      os << name << " = " << op << ' ' << a << ", " << b << " : " << type
         << '\n';
      return name;
    };
    auto compare = [&] {
      StringRef predicates[] = {"eq",  "ne",  "slt", "sle", "sgt",
                                "sge", "ult", "ule", "ugt", "uge"};
      std::string name = fresh();
      os << name << " = arith.cmpi " << predicates[pick(0, 9)] << ", "
         << one(integers) << ", " << one(integers) << " : index\n";
      booleans.push_back(name);
    };
    int64_t steps = pick(1, 10);
    for (int64_t step = 0; step < steps; ++step) {
      switch (pick(0, 11)) {
      case 0:
      case 1:
        integers.push_back(binary("arith.addi", one(integers),
                                  pick(0, 1) ? one(integers) : constant(-9, 20),
                                  "index"));
        break;
      case 2:
        integers.push_back(
            binary("arith.subi", one(integers), one(integers), "index"));
        break;
      case 3:
        integers.push_back(
            binary("arith.muli", one(integers), constant(-3, 3), "index"));
        break;
      case 4: {
        StringRef ops[] = {"arith.floordivsi", "arith.ceildivsi", "arith.remsi",
                           "arith.divsi"};
        integers.push_back(
            binary(ops[pick(0, 3)], one(integers), constant(1, 9), "index"));
        break;
      }
      case 5: {
        StringRef ops[] = {"arith.maxsi", "arith.minsi"};
        integers.push_back(
            binary(ops[pick(0, 1)], one(integers), one(integers), "index"));
        break;
      }
      case 6:
        if (!booleans.empty()) {
          std::string name = fresh();
          os << name << " = arith.select " << one(booleans) << ", "
             << one(integers) << ", " << one(integers) << " : index\n";
          integers.push_back(name);
        }
        break;
      case 7:
        if (!booleans.empty()) {
          StringRef ops[] = {"arith.andi", "arith.ori", "arith.xori"};
          compare();
          booleans.push_back(
              binary(ops[pick(0, 2)], one(booleans), booleans.back(), "i1"));
        }
        break;
      case 8:
        if (booleans.size() > 1) {
          std::string name = fresh();
          os << name << " = arith.select " << one(booleans) << ", "
             << one(booleans) << ", " << one(booleans) << " : i1\n";
          booleans.push_back(name);
        }
        break;
      case 9:
        if (pick(0, 2) == 0) {
          // Something opaque; the flags tensor is only defined for positions.
          std::string name = fresh();
          os << name << " = tensor.extract %flags["
             << (pick(0, 1) ? "%i" : "%j") << "] : tensor<?xi1>\n";
          booleans.push_back(name);
        }
        break;
      default:
        compare();
        break;
      }
    }
    if (booleans.empty())
      compare();
    os << "seqc.yield " << booleans.back() << " : i1\n";

    StringRef clauses[] = {"", "causal", "causal window_left(11)"};
    AttentionOp op = parseRegion(body, clauses[pick(0, 2)]);
    ASSERT_TRUE(op);
    SCOPED_TRACE(body);
    Definition definition;
    definition.spec = MaskSpec::get(op);
    MaskAnalysis analysis(op);
    convex += analysis.isConvex();
    analysed += analysis.hasFull();
    Found found = run(analysis, definition, 6, 30);
    if (HasFatalFailure())
      return;
    total.empty += found.empty;
    total.reallyEmpty += found.reallyEmpty;
    total.full += found.full;
    total.reallyFull += found.reallyFull;
  }
  // Most of what is there to find is found.
  RecordProperty("empty", std::to_string(total.empty) + " of " +
                              std::to_string(total.reallyEmpty));
  RecordProperty("full", std::to_string(total.full) + " of " +
                             std::to_string(total.reallyFull));
  EXPECT_GT(total.empty * 10, total.reallyEmpty * 8);
  EXPECT_GT(total.full * 10, total.reallyFull * 8);
  EXPECT_GT(convex, regions / 4);
  EXPECT_GT(analysed, regions / 4);
}

/// The IR that is built computes what the evaluation says.
TEST_F(MaskBruteForce, BuiltCodeAgrees) {
  struct Case {
    StringRef operands, clauses, region;
  };
  Case cases[] = {
      {"", "", ""},
      {"", "causal", ""},
      {"", "causal window_left(9)", ""},
      {"", "window_left(3) window_right(6) align(top_left)", ""},
      {"prefix(%pre)", "causal", ""},
      {"prefix(%pre)", "causal window_left(5)", ""},
      {"segments(%seg, %seg)", "causal", ""},
      {"", "causal",
       R"mlir(
          %len = tensor.extract %lens[%b] : tensor<3xi32>
          %l = arith.index_cast %len : i32 to index
          %c8 = arith.constant 8 : index
          %qi = arith.divui %i, %c8 : index
          %qj = arith.divui %j, %c8 : index
          %same = arith.cmpi eq, %qi, %qj : index
          %short = arith.cmpi slt, %j, %l : index
          %first = arith.cmpi ult, %j, %c : index
          %x0 = arith.ori %same, %first : i1
          %x1 = arith.andi %x0, %short : i1
          seqc.yield %x1 : i1)mlir"},
  };
  for (const Case &test : cases) {
    std::string clauses = test.clauses.str();
    if (!test.region.empty())
      clauses +=
          (" mask {\n^bb0(%b: index, %h: index, %i: index, %j: index):\n" +
           test.region + "}")
              .str();
    AttentionOp op = parse(test.operands, clauses);
    ASSERT_TRUE(op);
    SCOPED_TRACE(clauses);
    Definition definition;
    definition.spec = MaskSpec::get(op);
    MaskAnalysis analysis(op);
    for (int round = 0; round < 12; ++round) {
      int64_t M = pick(1, 17), N = pick(1, 17);
      MaskTiling tiling = analysis.getTiling(M, N);
      definition.captured = pickCaptured();
      MaskPoint p = pickPoint(40);
      p.kvEnd = std::max(p.kvEnd, p.kvBegin + 1);
      setCaptures(analysis, definition, p);
      int64_t j0 = p.kvBegin;

      // Build with arguments, so that nothing folds while building; then give
      // the arguments numbers and canonicalize.
      Location loc = UnknownLoc::get(&context);
      OpBuilder builder(&context);
      auto outer = module->lookupSymbol<func::FuncOp>("f");
      builder.setInsertionPoint(op);
      Type index = builder.getIndexType();
      int64_t numbers[] = {p.i0,     p.kvBegin,     p.kvEnd,
                           j0,       p.queryLength, p.keyLength,
                           p.prefix, p.batch,       p.head};
      Block &entry = outer.getBody().front();
      SmallVector<Value> a;
      for (size_t k = 0; k < std::size(numbers); ++k)
        a.push_back(entry.addArgument(index, loc));
      MaskOperands operands{a[4], a[5], a[6], a[7], a[8]};
      LoopBounds bounds =
          analysis.buildBounds(builder, loc, a[0], a[1], a[2], M, N, operands);
      Value isEmpty =
          analysis.buildIsEmpty(builder, loc, a[0], a[3], a[2], M, N, operands);
      Value isFull =
          analysis.buildIsFull(builder, loc, a[0], a[3], a[2], M, N, operands);
      SmallVector<Value> results = {bounds.lo, bounds.fullLo, bounds.fullHi,
                                    bounds.hi, isEmpty,       isFull};
      auto *keep = builder.create(loc, StringAttr::get(&context, "test.keep"),
                                  results, TypeRange());
      outer.setType(builder.getFunctionType(entry.getArgumentTypes(),
                                            outer.getResultTypes()));
      context.allowUnregisteredDialects();
      ASSERT_TRUE(succeeded(verify(*module)));

      OpBuilder start = OpBuilder::atBlockBegin(&entry);
      for (auto [k, number] : llvm::enumerate(numbers))
        a[k].replaceAllUsesWith(
            arith::ConstantIndexOp::create(start, loc, number));
      entry.getArgument(2).replaceAllUsesWith(arith::ConstantIndexOp::create(
          start, loc, definition.captured.index));
      SmallVector<int32_t> lengths(definition.captured.lengths.begin(),
                                   definition.captured.lengths.end());
      auto lengthsType = RankedTensorType::get({3}, builder.getIntegerType(32));
      entry.getArgument(5).replaceAllUsesWith(arith::ConstantOp::create(
          start, loc,
          DenseElementsAttr::get(lengthsType, ArrayRef<int32_t>(lengths))));
      PassManager passes(&context);
      passes.addPass(createCanonicalizerPass());
      ASSERT_TRUE(succeeded(passes.run(*module)));
      keep = nullptr;
      module->walk([&](Operation *candidate) {
        if (candidate->getName().getStringRef() == "test.keep")
          keep = candidate;
      });
      ASSERT_TRUE(keep);
      TileLoopBounds<int64_t> expected = tiling.evaluateBounds(p);
      int64_t values[] = {expected.lo,
                          expected.fullLo,
                          expected.fullHi,
                          expected.hi,
                          tiling.evaluateIsEmpty(p, j0),
                          tiling.evaluateIsFull(p, j0)};
      for (auto [operand, value] :
           llvm::zip_equal(keep->getOperands(), values)) {
        APInt constant;
        ASSERT_TRUE(matchPattern(operand, m_ConstantInt(&constant)));
        EXPECT_EQ(operand.getType().isIndex()
                      ? constant.getSExtValue()
                      : static_cast<int64_t>(constant.getZExtValue()),
                  value);
      }
      // The module was changed: start over.
      op = parse(test.operands, clauses);
      ASSERT_TRUE(op);
      analysis = MaskAnalysis(op);
      definition.spec = MaskSpec::get(op);
    }
  }
}

/// The operands of an online attention: its lengths, its offsets and its
/// prefix.
TEST_F(MaskAnalysisTest, OnlineAttentionOperands) {
  module = parseSourceString<ModuleOp>(R"mlir(
    func.func @f(%q: tensor<2x1x64x8xf32>, %k: tensor<2x1x96x8xf32>,
                 %m: tensor<2x1x64xf32>, %a: tensor<2x1x64x8xf32>,
                 %o: index, %sq: index, %sk: index, %p: tensor<2xi32>,
                 %b: index, %h: index) {
      %r:3 = seqc.online_attention query(%q) key(%k) value(%k) prefix(%p)
          offsets(%o, %o, %o, %o) lengths(%sq, %sk) outs(%m, %m, %a)
          scale(0.125) mask {
          ^bb0(%bb: index, %hh: index, %i: index, %j: index):
            %off = arith.subi %sk, %sq : index
            %d = arith.addi %i, %off : index
            %v = arith.cmpi sle, %j, %d : index
            seqc.yield %v : i1
          }
          : (tensor<2x1x64x8xf32>, tensor<2x1x96x8xf32>, tensor<2x1x96x8xf32>,
             tensor<2xi32>, index, index, index, index, index, index,
             tensor<2x1x64xf32>, tensor<2x1x64xf32>, tensor<2x1x64x8xf32>)
          -> (tensor<2x1x64xf32>, tensor<2x1x64xf32>, tensor<2x1x64x8xf32>)
      return
    })mlir",
                                       &context);
  ASSERT_TRUE(module);
  OnlineAttentionOp op;
  module->walk([&](OnlineAttentionOp found) { op = found; });
  ASSERT_TRUE(op);
  // The captured lengths are the operator's, so the region is the causal
  // clause.
  MaskAnalysis analysis(op);
  EXPECT_TRUE(analysis.getCaptures().empty());
  EXPECT_TRUE(analysis.isConvex());
  EXPECT_FALSE(analysis.usesPrefix());

  OpBuilder builder(op);
  Location loc = op.getLoc();
  Block *entry = op->getBlock();
  MaskOperands operands = MaskOperands::get(
      builder, loc, op, entry->getArgument(8), entry->getArgument(9));
  EXPECT_EQ(operands.queryLength, op.getLengths()[0]);
  EXPECT_EQ(operands.keyLength, op.getLengths()[1]);
  ASSERT_TRUE(operands.prefix);
  EXPECT_TRUE(operands.prefix.getType().isIndex());
  auto extract = operands.prefix.getDefiningOp()->getOperand(0).getDefiningOp();
  ASSERT_TRUE(isa<tensor::ExtractOp>(extract));
  // The prefix is read at the operator's own batch entry, without the offset.
  EXPECT_EQ(cast<tensor::ExtractOp>(extract).getIndices()[0],
            entry->getArgument(8));
  EXPECT_NE(operands.batch, entry->getArgument(8));
  LoopBounds bounds =
      analysis.buildBounds(builder, loc, op.getOffsets()[2], op.getOffsets()[3],
                           op.getLengths()[1], 64, 32, operands);
  EXPECT_TRUE(bounds.lo && bounds.fullLo && bounds.fullHi && bounds.hi);
  EXPECT_TRUE(succeeded(verify(*module)));
}

/// Causal bounds stay as short as a person would write them.
TEST_F(MaskAnalysisTest, CausalBoundsAreShort) {
  MaskSpec spec;
  spec.causal = true;
  spec.alignment = Alignment::TopLeft;
  MaskTiling tiling = MaskAnalysis(spec, &context).getTiling(64, 32);
  ASSERT_EQ(tiling.getNonEmpty().size(), 1u);
  const MaskTiling::Interval &nonEmpty = tiling.getNonEmpty()[0];
  EXPECT_TRUE(nonEmpty.lower.empty());
  EXPECT_TRUE(nonEmpty.guards.empty());
  // Key length and diagonal; kvEnd bounds every loop anyway.
  EXPECT_EQ(nonEmpty.upper.size(), 2u);
  ASSERT_EQ(tiling.getFull().size(), 1u);
  EXPECT_TRUE(tiling.getFull()[0].lower.empty());
  EXPECT_TRUE(tiling.getFull()[0].guards.empty());
  // Key length, kvEnd and diagonal.
  EXPECT_EQ(tiling.getFull()[0].upper.size(), 3u);
}

/// Widths and constants near the ends of their type do not overflow.
TEST_F(MaskAnalysisTest, LargeNumbers) {
  MaskSpec spec;
  spec.windowLeft = std::numeric_limits<int64_t>::max();
  spec.windowRight = std::numeric_limits<int64_t>::max();
  MaskPoint p;
  p.queryLength = p.keyLength = p.kvEnd = 100;
  MaskAnalysis analysis(spec, &context);
  TileLoopBounds<int64_t> bounds = analysis.getTiling(16, 16).evaluateBounds(p);
  EXPECT_EQ(bounds.lo, 0);
  EXPECT_EQ(bounds.fullHi, 96);
  EXPECT_EQ(bounds.hi, 112);

  AttentionOp op = parseRegion(R"mlir(
    %big = arith.constant 9223372036854775807 : index
    %s = arith.addi %i, %big : index
    %m = arith.cmpi sle, %j, %s : index
    seqc.yield %m : i1
  )mlir");
  ASSERT_TRUE(op);
  bounds = MaskAnalysis(op).getTiling(16, 16).evaluateBounds(p);
  EXPECT_EQ(bounds.lo, 0);
  EXPECT_EQ(bounds.hi, 112);
}

/// A long chain of operations ends in an opaque mask, quickly.
TEST_F(MaskAnalysisTest, LongRegions) {
  std::string body = "%v0 = arith.cmpi sle, %j, %i : index\n";
  llvm::raw_string_ostream os(body);
  for (int index = 0; index < 5000; ++index) {
    os << "%c" << index << " = arith.constant " << index * 7 << " : index\n"
       << "%s" << index << " = arith.addi %i, %c" << index << " : index\n"
       << "%m" << index << " = arith.cmpi eq, %j, %s" << index << " : index\n"
       << "%v" << index + 1 << " = arith.xori %v" << index << ", %m" << index
       << " : i1\n";
  }
  os << "seqc.yield %v5000 : i1\n";
  AttentionOp op = parseRegion(body, "causal");
  ASSERT_TRUE(op);
  MaskAnalysis analysis(op);
  EXPECT_FALSE(analysis.hasFull());
  MaskPoint p;
  p.queryLength = p.keyLength = p.kvEnd = 128;
  EXPECT_EQ(analysis.getTiling(16, 16).evaluateBounds(p).hi, 16);
}

/// Conjunctions of disjunctions multiply; the answer stays sound and comes
/// quickly.
TEST_F(MaskBruteForce, ManyDisjuncts) {
  std::string body = "%v0 = arith.constant true\n";
  llvm::raw_string_ostream os(body);
  for (int k = 0; k < 24; ++k) {
    os << "%d" << k << " = arith.constant " << 2 * k + 1 << " : index\n"
       << "%s" << k << " = arith.addi %i, %d" << k << " : index\n"
       << "%t" << k << " = arith.divui %s" << k << ", %d" << k % 4
       << " : index\n"
       << "%a" << k << " = arith.cmpi ne, %j, %s" << k << " : index\n"
       << "%e" << k << " = arith.cmpi ult, %j, %t" << k << " : index\n"
       << "%o" << k << " = arith.ori %a" << k << ", %e" << k << " : i1\n"
       << "%v" << k + 1 << " = arith.andi %v" << k << ", %o" << k << " : i1\n";
  }
  os << "seqc.yield %v24 : i1\n";
  AttentionOp op = parseRegion(body, "causal");
  ASSERT_TRUE(op);
  Definition definition;
  definition.spec = MaskSpec::get(op);
  MaskAnalysis analysis(op);
  Found found = run(analysis, definition, 20);
  EXPECT_GT(found.empty, 0);
}

} // namespace
