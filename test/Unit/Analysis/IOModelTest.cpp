//===- IOModelTest.cpp - The analytic model against known figures ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model is held against three things that do not come from it: a count of
// pairs by brute force, the figures of the FlashAttention paper, and bounds and
// times measured on an H200.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "gtest/gtest.h"

#include <random>

using namespace mlir;
using namespace seqc;

namespace {

/// |value / reference - 1| <= tolerance
#define EXPECT_WITHIN(value, reference, tolerance)                             \
  EXPECT_NEAR((value) / (reference), 1.0, tolerance)                           \
      << "where " #value " is " << (value)

class IOModelTest : public ::testing::Test {
protected:
  IOModelTest() {
    context.loadDialect<SeqcDialect, arith::ArithDialect, func::FuncDialect,
                        linalg::LinalgDialect, tensor::TensorDialect>();
  }

  Report run(const std::string &text, const ExplainOptions &options) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    FailureOr<Report> report = analyze(*module, options);
    EXPECT_TRUE(succeeded(report));
    return succeeded(report) ? *report : Report();
  }

  /// The message of the error that analyze() emits.
  std::string error(const ExplainOptions &options) {
    std::string message;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      message = diagnostic.str();
      return success();
    });
    module = parseSourceString<ModuleOp>("", &context);
    EXPECT_TRUE(failed(analyze(*module, options)));
    return message;
  }

  static ExplainOptions chip(StringRef name) {
    ExplainOptions options;
    options.chip = name.str();
    return options;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

std::string attention(int64_t b, int64_t hq, int64_t hkv, int64_t sq,
                      int64_t sk, int64_t d, StringRef type,
                      const std::string &clauses) {
  std::string q =
      llvm::formatv("tensor<{0}x{1}x{2}x{3}x{4}>", b, hq, sq, d, type).str();
  std::string k =
      llvm::formatv("tensor<{0}x{1}x{2}x{3}x{4}>", b, hkv, sk, d, type).str();
  return llvm::formatv("func.func @f(%q: {0}, %k: {1}, %v: {1}) -> {0} {{\n"
                       "  %o = seqc.attention query(%q) key(%k) value(%v) {2}\n"
                       "    : ({0}, {1}, {1}) -> {0}\n"
                       "  return %o : {0}\n"
                       "}",
                       q, k, clauses)
      .str();
}

std::string scan(int64_t b, int64_t d, int64_t l, int64_t n) {
  std::string u = llvm::formatv("tensor<{0}x{1}x{2}xbf16>", b, d, l).str();
  std::string A = llvm::formatv("tensor<{0}x{1}xf32>", d, n).str();
  std::string B = llvm::formatv("tensor<{0}x{1}x{2}xbf16>", b, n, l).str();
  std::string p = llvm::formatv("tensor<{0}xf32>", d).str();
  return llvm::formatv(
             "func.func @f(%u: {0}, %A: {1}, %B: {2}, %p: {3}) -> {0} {{\n"
             "  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)\n"
             "    D(%p) z(%u) delta_bias(%p) delta_softplus\n"
             "    : ({0}, {0}, {1}, {2}, {2}, {3}, {0}, {3}) -> {0}\n"
             "  return %y : {0}\n"
             "}",
             u, A, B, p)
      .str();
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

TEST_F(IOModelTest, TilesAgreeWithBruteForce) {
  std::mt19937 random(1);
  auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int trial = 0; trial < 300; ++trial) {
    int64_t sq = draw(1, 70), sk = draw(1, 70), m = draw(1, 24),
            n = draw(1, 24);
    bool causal = draw(0, 1), topLeft = draw(0, 1);
    int64_t left = draw(-20, 40), right = draw(-20, 40);
    std::string clauses;
    if (causal)
      clauses += " causal";
    if (left >= 0)
      clauses += llvm::formatv(" window_left({0})", left);
    if (right >= 0)
      clauses += llvm::formatv(" window_right({0})", right);
    if (topLeft)
      clauses += " align(top_left)";
    ExplainOptions options = chip("h200");
    options.tileM = m;
    options.tileN = n;
    options.splits = 1;
    Report report = run(attention(1, 1, 1, sq, sk, 8, "f32", clauses), options);
    ASSERT_EQ(report.functions.size(), 1u);
    const OpReport &op = report.functions[0].ops[0];

    auto visible = [&](int64_t i, int64_t j) {
      int64_t p = i + (topLeft ? 0 : sk - sq);
      return (!causal || j <= p) && (left < 0 || j >= p - left) &&
             (right < 0 || j <= p + right);
    };
    double pairs = 0, tiles = 0, full = 0, work = 0;
    for (int64_t i0 = 0; i0 < sq; i0 += m)
      for (int64_t j0 = 0; j0 < sk; j0 += n) {
        double size = 0, seen = 0;
        for (int64_t i = i0; i < std::min(i0 + m, sq); ++i)
          for (int64_t j = j0; j < std::min(j0 + n, sk); ++j) {
            ++size;
            seen += visible(i, j);
          }
        pairs += seen;
        tiles += seen > 0;
        full += seen == size;
        work += seen > 0 ? size : 0;
      }
    SCOPED_TRACE(
        llvm::formatv("{0} x {1} in {2} x {3},{4}", sq, sk, m, n, clauses)
            .str());
    EXPECT_EQ(op.visiblePairs, pairs);
    EXPECT_EQ(op.fused.tiles, tiles);
    EXPECT_EQ(op.fused.fullTiles, full);
    EXPECT_EQ(op.fused.counts.matrixFlops, 2 * work * 16);
  }
}

//===----------------------------------------------------------------------===//
// The FlashAttention paper
//===----------------------------------------------------------------------===//

/// "GPT-2 medium, sequence length 1024, head dimension 64, 16 heads, batch size
/// 64", forward and backward, on an A100 (Dao et al. 2022, figure 2):
///
///   standard        66.6 GFLOP, 40.3 GB
///   FlashAttention  75.2 GFLOP,  4.4 GB
///
/// docs/io-model.md, "The FlashAttention paper", derives how these are counted.
TEST_F(IOModelTest, FlashAttentionPaper) {
  std::string text = R"(
    !x = tensor<64x16x1024x64xf16>
    !b = tensor<1x1x1x1024xf16>
    !l = tensor<64x16x1024xf32>
    func.func @f(%q: !x, %k: !x, %v: !x, %m: !b, %seed: i64, %do: !x)
        -> (!x, !x, !x, !x) {
      %o, %lse = seqc.attention query(%q) key(%k) value(%v) bias(%m)
          dropout(0.1, %seed) : (!x, !x, !x, !b, i64) -> (!x, !l)
      %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%v)
          out(%o) lse(%lse) out_grad(%do) bias(%m) dropout(0.1, %seed)
          : (!x, !x, !x, !x, !l, !x, !b, i64) -> (!x, !x, !x)
      return %o, %dq, %dk, %dv : !x, !x, !x, !x
    })";
  ExplainOptions options = chip("a100");
  // As the paper's kernel: 256 keys on chip, everything else streamed, partial
  // results in f16, every load counted.
  options.loopOrder = LoopOrder::KeyOuter;
  options.tileN = 256;
  options.modelCache = false;
  options.elementTypePartials = true;
  Report report = run(text, options);
  ASSERT_EQ(report.functions.size(), 1u);
  const FunctionReport &f = report.functions[0];

  // Device memory traffic. The standard form passes 18 times over a score
  // matrix of 2^31 bytes and 12 times over a tensor of 2^27.
  double standardBytes = f.unfused.dram.total();
  double flashBytes = f.fused.dram.total();
  EXPECT_NEAR(standardBytes, 18 * 0x1p31 + 12 * 0x1p27, 0x1p23);
  EXPECT_WITHIN(standardBytes, 40.3e9, 0.005);
  EXPECT_WITHIN(flashBytes, 4.4e9, 0.05);
  EXPECT_WITHIN(standardBytes / flashBytes, 40.3 / 4.4, 0.05);

  // FLOPs, in full: 6 and 7 matrix products of 2 * 64 FLOP per score.
  double scores = 64.0 * 16 * 1024 * 1024;
  EXPECT_EQ(f.unfused.matrixFlops, 6 * 128 * scores);
  EXPECT_EQ(f.fused.matrixFlops, 7 * 128 * scores);
  EXPECT_WITHIN(f.fused.flops() / f.unfused.flops(), 75.2 / 66.6, 0.04);

  // The paper's absolute figures are smaller than one product of these shapes.
  // They come out if a product counts 128 / 16 FLOP per score.
  auto paperFlops = [](const Counts &c) {
    return c.matrixFlops / 16 + c.vectorFlops + c.exps;
  };
  EXPECT_WITHIN(paperFlops(f.unfused), 66.6e9, 0.005);
  EXPECT_WITHIN(paperFlops(f.fused), 75.2e9, 0.04);

  // And the times it measured, 41.7 and 7.3 ms, are not better than the bounds.
  EXPECT_LT(f.unfusedSeconds, 41.7e-3);
  EXPECT_GT(f.unfusedSeconds, 41.7e-3 / 2);
  EXPECT_LT(f.fusedSeconds, 7.3e-3);
  EXPECT_GT(f.fusedSeconds, 7.3e-3 / 2);
}

//===----------------------------------------------------------------------===//
// An H200
//===----------------------------------------------------------------------===//

TEST_F(IOModelTest, ScanBoundsOnH200) {
  Report report = run(scan(8, 4096, 4096, 16), chip("h200"));
  const FormReport &form = report.functions[0].ops[0].fused;
  auto seconds = [&](Resource r) {
    return form.resourceSeconds[static_cast<unsigned>(r)];
  };
  // 1.076 GB of streams; exp of 2.147 G states, two special functions each for
  // softplus and silu; at 16 per SM and 1.98 GHz, 0.642 ms.
  EXPECT_WITHIN(form.counts.dram.total(), 1.076e9, 0.005);
  EXPECT_WITHIN(form.counts.specials, 2.147e9 + 4 * 0.1342e9, 0.001);
  EXPECT_WITHIN(seconds(Resource::Dram), 0.250e-3, 0.01);
  EXPECT_WITHIN(seconds(Resource::Special), 0.642e-3, 0.05);
  EXPECT_EQ(form.limit, Resource::Special);
  // The unfused form is limited by memory, and writes the expanded state.
  const FormReport &unfused = report.functions[0].ops[0].unfused;
  EXPECT_EQ(unfused.limit, Resource::Dram);
  EXPECT_GE(unfused.workspaceBytes, 3 * 4 * 2.147e9);
}

TEST_F(IOModelTest, DecodeOnH200) {
  // Batch 64, 32 query and 8 key/value heads of 128, 128k keys, bf16: measured
  // 7.70 ms, 4460 GB/s of keys and values. The heads of a group share a tile,
  // so that memory is what limits them.
  ExplainOptions options = chip("h200");
  Report report =
      run(attention(64, 32, 8, 1, 131072, 128, "bf16", ""), options);
  const FormReport &form = report.functions[0].ops[0].fused;
  auto dramSeconds = [](const Report &r) {
    return r.functions[0].ops[0].fused.resourceSeconds[0];
  };
  EXPECT_EQ(form.limit, Resource::Dram);
  EXPECT_WITHIN(dramSeconds(report), 7.704e-3, 0.10);
  EXPECT_WITHIN(form.counts.cache.read, form.counts.dram.read, 0.01);
  // One sequence: without splits most SMs are idle.
  options.splits = 1;
  Report one = run(attention(1, 32, 8, 1, 131072, 128, "bf16", ""), options);
  options.splits = 32;
  Report split = run(attention(1, 32, 8, 1, 131072, 128, "bf16", ""), options);
  EXPECT_LT(split.functions[0].fusedSeconds, one.functions[0].fusedSeconds);
  EXPECT_WITHIN(dramSeconds(split), 127e-6, 0.10);
  // Left to the call, as many parts as 132 SMs have 3 blocks for 8 heads.
  options.splits = 0;
  Report open = run(attention(1, 32, 8, 1, 131072, 128, "bf16", ""), options);
  EXPECT_EQ(open.functions[0].ops[0].fused.splits, 49);
  EXPECT_EQ(form.splits, 1);
}

TEST_F(IOModelTest, PrefillOnH200IsBelowWhatIsMeasured) {
  // D 128, full, 16k tokens, 16 heads, bf16: FlashAttention-3 reaches 697
  // TFLOP/s, and a matrix product alone 795.
  Report report =
      run(attention(1, 16, 16, 16384, 16384, 128, "bf16", ""), chip("h200"));
  const FormReport &form = report.functions[0].ops[0].fused;
  double rate = 4.0 * 16 * 16384 * 16384 * 128 / form.seconds;
  EXPECT_GT(rate, 697e12);
  EXPECT_LE(rate, 795e12);
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

TEST_F(IOModelTest, ReReadsDependOnTheCache) {
  // 16 MiB of keys and values fit half of 50 MB, 64 MiB do not.
  auto reads = [&](int64_t keys, bool cache) {
    ExplainOptions options = chip("h200");
    options.modelCache = cache;
    Report report =
        run(attention(1, 1, 1, 65536, keys, 128, "bf16", ""), options);
    return report.functions[0].ops[0].fused.counts.dram.read;
  };
  double query = 65536.0 * 128 * 2, row = 2 * 128 * 2;
  EXPECT_EQ(reads(32768, true), query + 32768 * row);
  EXPECT_GT(reads(131072, true), query + 131072 * row);
  EXPECT_LT(reads(131072, true), reads(131072, false));
  EXPECT_EQ(reads(131072, false), query + 512 * 131072 * row);
}

TEST_F(IOModelTest, GroupedHeadsReadKeysOnce) {
  ExplainOptions options = chip("h200");
  options.splits = 1;
  auto kv = [&](int64_t hkv) {
    Report report = run(attention(2, 8, hkv, 512, 512, 64, "f16", ""), options);
    return report.functions[0].ops[0].fused.counts.dram.read -
           2.0 * 8 * 512 * 64 * 2;
  };
  EXPECT_EQ(kv(8), 4 * kv(2));
}

TEST_F(IOModelTest, SplitsAddPartialStates) {
  ExplainOptions options = chip("h200");
  auto total = [&](int64_t splits) {
    options.splits = splits;
    Report report = run(attention(1, 4, 4, 64, 4096, 64, "f32", ""), options);
    return report.functions[0].ops[0].fused.counts.dram.total();
  };
  // A state of 64 + 2 numbers per row goes out and comes back per split.
  EXPECT_EQ(total(8) - total(1), 2.0 * 8 * 4 * 64 * 66 * 4);
}

TEST_F(IOModelTest, SchedulesFit) {
  for (StringRef name : getChipNames()) {
    std::optional<ChipInfo> info = getChipInfo(name);
    ASSERT_TRUE(info);
    for (StringRef type : {"f16", "bf16", "f32", "f64"})
      for (int64_t d : {16, 32, 64, 80, 96, 128, 192, 256}) {
        module = parseSourceString<ModuleOp>(
            attention(2, 8, 2, 1000, 1000, d, type, "causal"), &context);
        ASSERT_TRUE(module);
        module->walk([&](AttentionOp op) {
          TileSchedule t = chooseSchedule(op, *info);
          SCOPED_TRACE(llvm::formatv("{0} {1} {2}: {3} x {4}", name, type, d,
                                     t.tileM, t.tileN)
                           .str());
          EXPECT_EQ(t.tileM % 8, 0);
          // What a product of 16-bit numbers takes at a time.
          EXPECT_EQ(t.tileN % 16, 0);
          EXPECT_GT(t.tileM, 0);
          EXPECT_GT(t.tileN, 0);
          EXPECT_EQ(t.splits, 1);
          EXPECT_LE(getTileBytes(op, t),
                    double(info->onChipBytes + info->registerBytes));
        });
      }
  }
}

TEST_F(IOModelTest, Chips) {
  for (StringRef name : getChipNames()) {
    std::optional<ChipInfo> info = getChipInfo(name, /*measure=*/true);
    ASSERT_TRUE(info) << name.str();
    EXPECT_EQ(info->name, name);
    EXPECT_GE(info->cores, 1);
    for (double rate :
         {info->clockHz, info->dramBandwidth, info->cacheBandwidth,
          info->matrixF16, info->matrixBF16, info->matrixF32, info->matrixF64,
          info->vectorF32, info->vectorF64, info->specialF32, info->specialF64})
      EXPECT_GT(rate, 1e8) << name.str();
    EXPECT_GE(info->onChipBytes, 64 * 1024);
    EXPECT_GT(info->cacheBytes, info->onChipBytes);
  }
  EXPECT_FALSE(getChipInfo("tpu"));
}

TEST_F(IOModelTest, BadOptions) {
  EXPECT_EQ(error(chip("tpu")).find("unknown chip 'tpu'"), 0u);
  ExplainOptions options = chip("h200");
  options.assume = "B=2,S";
  EXPECT_EQ(error(options),
            "assumption 'S' must be NAME=SIZE with a size of at least 0");
  options.assume = "B=-2";
  EXPECT_EQ(error(options),
            "assumption 'B=-2' must be NAME=SIZE with a size of at least 0");
  options.assume = "arg0=3";
  EXPECT_NE(error(options).find("arg<i>.<dim>"), std::string::npos);
  options.assume = "S=99999999999999";
  EXPECT_EQ(error(options),
            "assumption 'S=99999999999999' must be at most 2^40");
  options.assume = "";
  options.splits = -1;
  EXPECT_EQ(error(options),
            "option 'splits' must be from 0 to 1024, but is -1");
}

TEST_F(IOModelTest, HugeSizesTerminate) {
  std::string text = R"(
    func.func @f(%q: tensor<?x?x?x64xf32>) -> tensor<?x?x?x64xf32> {
      %o = seqc.attention query(%q) key(%q) value(%q) causal
          window_left(9223372036854775807)
        : (tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>)
        -> tensor<?x?x?x64xf32>
      return %o : tensor<?x?x?x64xf32>
    })";
  ExplainOptions options = chip("h200");
  options.assume = "B=1,S=1099511627776";
  Report report = run(text, options);
  const OpReport &op = report.functions[0].ops[0];
  EXPECT_WITHIN(op.visiblePairs, op.totalPairs / 2, 1e-6);
  EXPECT_WITHIN(op.fused.counts.matrixFlops, 4 * 64 * op.visiblePairs, 1e-3);
}

TEST_F(IOModelTest, JSONParses) {
  ExplainOptions options = chip("cpu");
  options.tilings = true;
  Report report = run(scan(2, 64, 100, 16), options);
  auto value = llvm::json::parse(toJSON(report));
  ASSERT_TRUE(static_cast<bool>(value));
  const llvm::json::Object *root = value->getAsObject();
  ASSERT_TRUE(root);
  const llvm::json::Array *functions = root->getArray("functions");
  ASSERT_TRUE(functions && functions->size() == 1);
  const llvm::json::Object *f = functions->front().getAsObject();
  EXPECT_EQ(f->getString("name"), "f");
  const llvm::json::Object *op = f->getArray("ops")->front().getAsObject();
  EXPECT_EQ(op->getString("op"), "seqc.selective_scan");
  EXPECT_GE(op->getArray("tilings")->size(), 3u);
  EXPECT_EQ(op->getObject("fused")->getNumber("exps"),
            report.functions[0].ops[0].fused.counts.exps);
  EXPECT_NE(toText(report).find("seqc.selective_scan"), std::string::npos);
}

} // namespace
