//===- CompilerTest.cpp - Compiling through the C API ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fixture.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <thread>

#include <sys/stat.h>

using namespace seqc::test;
namespace fs = std::filesystem;

static const char *const scale =
    "func.func @scale(%x: tensor<?xf32>, %s: f32) -> tensor<?xf32> {\n"
    "  %r = linalg.generic {\n"
    "      indexing_maps = [affine_map<(i) -> (i)>],\n"
    "      iterator_types = [\"parallel\"]} outs(%x : tensor<?xf32>) {\n"
    "  ^bb0(%u: f32):\n"
    "    %m = arith.mulf %u, %s : f32\n"
    "    linalg.yield %m : f32\n"
    "  } -> tensor<?xf32>\n"
    "  return %r : tensor<?xf32>\n"
    "}\n";

namespace {

/// A folder of its own, removed afterwards.
struct Folder {
  Folder()
      : path(fs::temp_directory_path() /
             ("seqc-compiler-test-" + std::to_string(std::random_device()()))) {
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : fs::directory_iterator(path))
      result.push_back(entry.path().filename());
    std::sort(result.begin(), result.end());
    return result;
  }

  fs::path path;
};

SeqcCompileOptions defaults() {
  SeqcCompileOptions options;
  seqcCompileOptionsInit(&options);
  return options;
}

SeqcStatus statusOf(const std::string &source,
                    const SeqcCompileOptions &options) {
  SeqcBuffer *artifact = nullptr;
  SeqcStatus status = seqcCompile(sharedContext(), source.data(), source.size(),
                                  &options, &artifact);
  EXPECT_EQ(status == SEQC_OK, artifact != nullptr);
  seqcBufferRelease(artifact);
  return status;
}

SeqcStatus statusOf(const std::string &source) {
  return statusOf(source, defaults());
}

std::string emitted(const std::string &source, const char *level,
                    const SeqcCompileOptions &options = defaults()) {
  SeqcBuffer *text = nullptr;
  SeqcStatus status = seqcEmit(sharedContext(), source.data(), source.size(),
                               &options, level, &text);
  EXPECT_EQ(status, SEQC_OK) << seqcLastErrorMessage();
  if (status != SEQC_OK)
    return "";
  std::string result(seqcBufferData(text), seqcBufferSize(text));
  seqcBufferRelease(text);
  return result;
}

} // namespace

//===----------------------------------------------------------------------===//
// Levels
//===----------------------------------------------------------------------===//

TEST(Emit, EveryLevel) {
  EXPECT_NE(emitted(scale, "seqc").find("linalg.generic"), std::string::npos);
  EXPECT_NE(emitted(scale, "online").find("func.func @scale"),
            std::string::npos);
  EXPECT_NE(emitted(scale, "tiled").find("func.func @scale"),
            std::string::npos);
  EXPECT_NE(emitted(scale, "linalg").find("linalg.generic"), std::string::npos);
  EXPECT_NE(emitted(scale, "llvm").find("llvm.func @_mlir_ciface_scale"),
            std::string::npos);
  std::string ir = emitted(scale, "llvm-ir");
  EXPECT_NE(ir.find("define void @_seqc_packed_scale(ptr"), std::string::npos);
  EXPECT_EQ(ir.find("define void @scale"), std::string::npos);
  EXPECT_NE(emitted(scale, "asm").find("_seqc_packed_scale:"),
            std::string::npos);
  EXPECT_EQ(emitted(scale, "object").substr(0, 4), "\x7f"
                                                   "ELF");
  EXPECT_EQ(emitted(scale, "library").substr(0, 4), "\x7f"
                                                    "ELF");
  EXPECT_EQ(emitted(scale, "seqc-bytecode").substr(0, 4), "ML\xEFR");
}

TEST(Emit, UnknownLevelListsTheLevels) {
  SeqcBuffer *text = nullptr;
  EXPECT_EQ(seqcEmit(sharedContext(), scale, std::strlen(scale), nullptr,
                     "poetry", &text),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("unknown level 'poetry'"));
  EXPECT_TRUE(messageHas(seqcEmitLevels()));
  EXPECT_EQ(text, nullptr);
}

TEST(Emit, LevelOfAnotherTarget) {
  SeqcBuffer *text = nullptr;
  EXPECT_EQ(seqcEmit(sharedContext(), scale, std::strlen(scale), nullptr, "ptx",
                     &text),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("target 'cpu' has no level 'ptx'"));
  EXPECT_TRUE(messageHas("llvm-ir, asm, object, library"));
  EXPECT_EQ(text, nullptr);
}

TEST(Compile, BytecodeGivesTheSameProgram) {
  std::string bytecode = emitted(scale, "seqc-bytecode");
  EXPECT_FALSE(compile(bytecode).empty()) << seqcLastErrorMessage();
  EXPECT_EQ(emitted(bytecode, "seqc"), emitted(scale, "seqc"));
}

TEST(Compile, SameSourceSameBytes) {
  std::string first = compile(scale);
  EXPECT_FALSE(first.empty()) << seqcLastErrorMessage();
  EXPECT_EQ(first, compile(scale));
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

TEST(Compile, MalformedSource) {
  SeqcCompileOptions options = defaults();
  options.source_name = "bad.mlir";
  for (const char *source :
       {"func.func @f( {", "}", "func.func @f() { return %x : f32 }",
        "\x01\x02", "ML\xEFR garbage", "\"unknown.op\"() : () -> ()",
        "func.func @f(%x: tensor<?x?xf32>) -> tensor<?xf32> {\n"
        "  return %x : tensor<?x?xf32>\n}"}) {
    EXPECT_EQ(statusOf(source, options), SEQC_ERROR_COMPILE) << source;
    EXPECT_TRUE(messageHas("bad.mlir")) << source;
    EXPECT_TRUE(messageHas("error: ")) << source;
  }
  EXPECT_EQ(statusOf("func.func @f() {\n  boom\n}", options),
            SEQC_ERROR_COMPILE);
  EXPECT_TRUE(messageHas("bad.mlir:2:3: error: "));
  EXPECT_EQ(statusOf(std::string("func.func @f() {\0 }", 19), options),
            SEQC_ERROR_COMPILE);
}

TEST(Compile, FunctionsMayHaveTheNamesOfWhatCodeCalls) {
  std::string source = R"(
    func.func private @exp2f(%x: f32) -> f32 {
      %two = arith.constant 2.0 : f32
      %r = arith.mulf %x, %two : f32
      return %r : f32
    }
    func.func @math(%x: tensor<?xf32>, %s: f32) -> (tensor<?xf32>, f32) {
      %r = math.exp2 %x : tensor<?xf32>
      %t = func.call @exp2f(%s) : (f32) -> f32
      return %r, %t : tensor<?xf32>, f32
    }
    func.func @_mlir_ciface_math(%x: f64) -> f64 { return %x : f64 }
  )";
  std::vector<std::string> names = {"malloc",
                                    "free",
                                    "aligned_alloc",
                                    "memcpy",
                                    "memset",
                                    "memmove",
                                    "memrefCopy",
                                    "dealloc_helper",
                                    "expf",
                                    "tanh",
                                    "__kmpc_barrier",
                                    "omp_get_num_threads",
                                    "main",
                                    "llvm.exp2.f32",
                                    "seqc.malloc",
                                    "__truncsfbf2",
                                    "_seqc_packed_math"};
  for (const std::string &name : names)
    source += "func.func @" + name +
              "(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
              "  %r = math.tanh %x : tensor<?xf32>\n"
              "  return %r : tensor<?xf32>\n"
              "}\n";
  Program program = build(source);
  ASSERT_TRUE(program);
  const float data[] = {0, 1, 2};
  Tensor x(data, SEQC_F32, {3});
  for (const std::string &name : names) {
    SeqcValue result;
    ASSERT_EQ(
        seqcProgramCall(program.get(), name.c_str(), &x.value, 1, &result, 1),
        SEQC_OK)
        << name << ": " << seqcLastErrorMessage();
    EXPECT_NEAR(take<float>(result)[1], std::tanh(1.0f), 1e-6) << name;
  }
  SeqcValue arguments[] = {x, real(3)}, results[2];
  ASSERT_EQ(seqcProgramCall(program.get(), "math", arguments, 2, results, 2),
            SEQC_OK);
  EXPECT_NEAR(take<float>(results[0])[2], 4, 1e-5);
  EXPECT_EQ(results[1].as.f64, 6);
}

TEST(Compile, NothingToCompile) {
  EXPECT_EQ(statusOf(""), SEQC_ERROR_COMPILE);
  EXPECT_TRUE(messageHas("no public function"));
  EXPECT_EQ(statusOf("func.func private @f() { return }"), SEQC_ERROR_COMPILE);
  EXPECT_EQ(statusOf("func.func private @g()\nfunc.func @f() { return }"),
            SEQC_ERROR_COMPILE);
  EXPECT_TRUE(messageHas("function 'g' has no body"));
}

TEST(Compile, TypesThatAnArtifactCannotOffer) {
  for (const char *type : {"vector<4xf32>", "memref<4xf32>", "tensor<*xf32>",
                           "i17", "tensor<4xi3>", "ui32", "f80", "f8E4M3FN"}) {
    std::string source =
        std::string("func.func @f(%x: ") + type + ") {\n  return\n}\n";
    EXPECT_EQ(statusOf(source), SEQC_ERROR_COMPILE) << type;
    EXPECT_TRUE(messageHas(std::string("argument 0 has type '") + type));
    EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  }
}

TEST(Compile, BadOptions) {
  auto rejected = [](const SeqcCompileOptions &options,
                     const std::string &part) {
    EXPECT_EQ(statusOf(scale, options), SEQC_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(messageHas(part));
    EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  };
  SeqcCompileOptions options = defaults();
  options.target = "cpu,npu";
  rejected(options,
           std::string("unknown target 'npu': this build compiles for ") +
               seqcTargets());
  options.target = "cpu,cpu-tile:sm_80";
  rejected(options, "target 'cpu-tile:sm_80' is for tests: it stands alone");
  options = defaults();
  options.cpu = "z80";
  rejected(options, "unknown processor 'z80'");
  options = defaults();
  options.cpu = "i386";
  rejected(options, "not a 64-bit one");
  options = defaults();
  options.features = "+warp-drive";
  rejected(options, "unknown feature 'warp-drive'");
  options.features = "avx2";
  rejected(options, "does not start with '+' or '-'");
  options = defaults();
  options.schedule = "tile_q=4";
  rejected(options, "unknown key 'tile_q', expected tile_m, tile_n, splits, "
                    "stages or warps");
  options.schedule = "stages=9";
  rejected(options, "value of stages is '9'");
  options.schedule = "warps=3";
  rejected(options, "value of warps is '3', expected 0 (chosen by the cost "
                    "model), 1, 2, 4, 8, 12 or 16");
  options.schedule = "tile_m=many";
  rejected(options, "value of tile_m is 'many'");
  options.schedule = "splits=-1";
  rejected(options, "value of splits is '-1'");
  options.schedule = "tile_m=4097";
  rejected(options, "value of tile_m is '4097', expected an integer from 0 "
                    "(chosen by the cost model) to 4096");
  options.schedule = "tile_n=99999999999999999999";
  rejected(options, "value of tile_n is '99999999999999999999'");
  options.schedule = "splits=16777216";
  rejected(options, "to 1024");
  options = defaults();
  options.opt_level = 4;
  rejected(options, "opt_level is 4");
  options = defaults();
  options.struct_size = 0;
  rejected(options, "seqcCompileOptionsInit");
}

TEST(Compile, NullPointers) {
  SeqcBuffer *out = nullptr;
  EXPECT_EQ(seqcCompile(nullptr, scale, 1, nullptr, &out),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcCompile(sharedContext(), nullptr, 1, nullptr, &out),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcCompile(sharedContext(), scale, 1, nullptr, nullptr),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcEmit(sharedContext(), scale, 1, nullptr, nullptr, &out),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcExplain(nullptr, scale, 1, nullptr, nullptr, nullptr, 0, &out),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seqcContextCreate(nullptr), SEQC_ERROR_INVALID_ARGUMENT);
  seqcContextRelease(nullptr);
  seqcBufferRelease(nullptr);
  seqcCompileOptionsInit(nullptr);
  EXPECT_EQ(seqcBufferWriteFile(nullptr, "x"), SEQC_ERROR_INVALID_ARGUMENT);
}

TEST(Compile, FaultsOfTheCompilerNameAReproducer) {
  // An intrinsic that LLVM does not have, which only code generation sees.
  const char *source =
      "func.func @f(%x: i32) -> i32 {\n"
      "  %r = llvm.call_intrinsic \"llvm.no.such\"(%x) : (i32) -> i32\n"
      "  return %r : i32\n}\n";
  Folder folder;
  std::string where = folder.path;
  SeqcCompileOptions options = defaults();
  options.reproducer_dir = where.c_str();
  EXPECT_EQ(statusOf(source, options), SEQC_ERROR_INTERNAL);
  EXPECT_TRUE(messageHas("internal error: "));
  EXPECT_TRUE(messageHas("reproducer: " + where));
  EXPECT_TRUE(isOneLine(seqcLastErrorMessage()));
  ASSERT_EQ(folder.names().size(), 1u);
  std::ifstream file(folder.path / folder.names()[0]);
  std::stringstream content;
  content << file.rdbuf();
  EXPECT_NE(content.str().find(source), std::string::npos);
  EXPECT_NE(content.str().find("mlir_reproducer"), std::string::npos);
  EXPECT_NE(content.str().find("builtin.module("), std::string::npos);
  // The context is as good as new.
  EXPECT_FALSE(compile(scale).empty()) << seqcLastErrorMessage();
}

TEST(Compile, InlineAssembly) {
  const char *source =
      "func.func @f(%x: i32) -> i32 {\n"
      "  %r = llvm.inline_asm \"incl $0\", \"=r,0\" %x : (i32) -> i32\n"
      "  return %r : i32\n}\n";
  EXPECT_EQ(statusOf(source), SEQC_ERROR_COMPILE);
  EXPECT_TRUE(messageHas("<source>:2:8: error: 'llvm.inline_asm' op is not "
                         "supported"));
}

TEST(Compile, DiagnosticHandler) {
  SeqcContext *context = nullptr;
  ASSERT_EQ(seqcContextCreate(&context), SEQC_OK);
  std::vector<std::string> lines;
  seqcContextSetDiagnosticHandler(
      context,
      [](int32_t severity, const char *text, void *data) {
        static_cast<std::vector<std::string> *>(data)->push_back(
            std::to_string(severity) + " " + text);
      },
      &lines);
  SeqcBuffer *artifact = nullptr;
  std::string source = "func.func @f() { return 1 }";
  EXPECT_EQ(
      seqcCompile(context, source.data(), source.size(), nullptr, &artifact),
      SEQC_ERROR_COMPILE);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0].substr(0, 2), std::to_string(SEQC_DIAGNOSTIC_ERROR) + " ");
  EXPECT_TRUE(messageHas(lines[0].substr(2)));
  seqcContextRelease(context);
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

TEST(Compile, OtherProcessors) {
  SeqcCompileOptions options = defaults();
  options.cpu = "generic";
  std::string bytes = compile(scale, &options);
  ASSERT_FALSE(bytes.empty()) << seqcLastErrorMessage();
  EXPECT_NE(bytes.find("\"cpu\":\"x86-64-v3\""), std::string::npos);
  EXPECT_EQ(bytes.find("avx512f"), std::string::npos);
  options.cpu = "x86-64";
  EXPECT_EQ(emitted(scale, "asm", options).find("ymm"), std::string::npos);
  options.cpu = "x86-64-v4";
  bytes = compile(scale, &options);
  EXPECT_NE(bytes.find("avx512f"), std::string::npos);
  options.features = "-avx512vl,-avx512dq,-avx512cd,-avx512bw,-avx512f";
  bytes = compile(scale, &options);
  EXPECT_EQ(bytes.find("avx512f"), std::string::npos);
}

TEST(Compile, HalfPrecisionWithoutHardware) {
  // Conversions that x86-64 lacks come from the functions that are linked in.
  SeqcCompileOptions options = defaults();
  options.cpu = "x86-64";
  std::string bytes = compile(R"(
    func.func @convert(%x: f64) -> (f16, bf16, f32, f32) {
      %h = arith.truncf %x : f64 to f16
      %b = arith.truncf %x : f64 to bf16
      %s = arith.truncf %x : f64 to f32
      %g = arith.truncf %s : f32 to f16
      %i = arith.extf %g : f16 to f32
      %c = arith.truncf %s : f32 to bf16
      %j = arith.extf %c : bf16 to f32
      return %h, %b, %i, %j : f16, bf16, f32, f32
    })",
                              &options);
  ASSERT_FALSE(bytes.empty()) << seqcLastErrorMessage();
  Program program = load(bytes);
  ASSERT_TRUE(program) << seqcLastErrorMessage();
  struct Case {
    double x, half, bfloat;
  };
  const Case cases[] = {
      {0, 0, 0},
      {1, 1, 1},
      {-0.1, -0.0999755859375, -0.10009765625},
      {1 + 0x1p-11 + 0x1p-20, 1 + 0x1p-10, 1},
      {1 + 3 * 0x1p-8, 1 + 3 * 0x1p-8, 1 + 0x1p-6},
      {0x1p-24, 0x1p-24, 0x1p-24},
      {0x1p-20 + 0x1p-24, 0x1p-20 + 0x1p-24, 0x1p-20 + 0x1p-24},
      {70000, std::numeric_limits<double>::infinity(), 70144},
      {-1e30, -std::numeric_limits<double>::infinity(), -202 * 0x1p92},
  };
  for (const Case &c : cases) {
    SeqcValue argument = real(c.x), results[4];
    ASSERT_EQ(
        seqcProgramCall(program.get(), "convert", &argument, 1, results, 4),
        SEQC_OK)
        << seqcLastErrorMessage();
    EXPECT_EQ(results[0].as.f64, c.half) << c.x;
    EXPECT_EQ(results[1].as.f64, c.bfloat) << c.x;
    EXPECT_EQ(results[2].as.f64, c.half) << c.x;
    EXPECT_EQ(results[3].as.f64, c.bfloat) << c.x;
  }
  SeqcValue argument = real(std::numeric_limits<double>::quiet_NaN()),
            results[4];
  ASSERT_EQ(seqcProgramCall(program.get(), "convert", &argument, 1, results, 4),
            SEQC_OK);
  for (const SeqcValue &result : results)
    EXPECT_NE(result.as.f64, result.as.f64);
}

TEST(Compile, DumpsEveryStage) {
  Folder folder;
  std::string where = folder.path / "new" / "dumps";
  SeqcCompileOptions options = defaults();
  options.dump_dir = where.c_str();
  ASSERT_FALSE(compile(scale, &options).empty()) << seqcLastErrorMessage();
  folder.path = where;
  std::vector<std::string> names = folder.names();
  ASSERT_GT(names.size(), 6u);
  // The folder is a usual one, and files are named by functions of the source.
  mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(mode_t(fs::status(where).permissions()), 0777 & ~mask);
  for (const std::string &name : names)
    EXPECT_EQ(name.find("seqc.scale"), std::string::npos) << name;
  EXPECT_EQ(names.front(), "000-source.mlir");
  auto has = [&](const std::string &part) {
    for (const std::string &name : names)
      if (name.find(part) != std::string::npos)
        return true;
    return false;
  };
  for (const char *part :
       {"seqc-bufferize", "llvm-ir.ll", "llvm-ir-optimized.ll", "assembly.s",
        "object.o", "library.so"})
    EXPECT_TRUE(has(part)) << part;
  folder.path = fs::path(where).parent_path().parent_path();

  options.dump_dir = "/dev/null/dumps";
  EXPECT_EQ(statusOf(scale, options), SEQC_ERROR_IO);
  EXPECT_TRUE(messageHas("/dev/null/dumps"));
}

TEST(Compile, Timing) {
  SeqcBuffer *timing = nullptr;
  SeqcCompileOptions options = defaults();
  options.timing = &timing;
  ASSERT_FALSE(compile(scale, &options).empty()) << seqcLastErrorMessage();
  ASSERT_NE(timing, nullptr);
  std::string text = seqcBufferData(timing);
  for (const char *part : {"Parse", "Canonicalizer", "Optimize LLVM IR",
                           "Generate object", "Link"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  seqcBufferRelease(timing);

  timing = nullptr;
  EXPECT_EQ(statusOf("boom", options), SEQC_ERROR_COMPILE);
  ASSERT_NE(timing, nullptr);
  seqcBufferRelease(timing);
}

TEST(Compile, WritesFilesWhole) {
  Folder folder;
  SeqcBuffer *text = nullptr;
  ASSERT_EQ(seqcEmit(sharedContext(), scale, std::strlen(scale), nullptr,
                     "seqc", &text),
            SEQC_OK);
  ASSERT_EQ(seqcBufferWriteFile(text, (folder.path / "a.mlir").c_str()),
            SEQC_OK);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.mlir"});
  EXPECT_EQ(fs::file_size(folder.path / "a.mlir"), seqcBufferSize(text));
  EXPECT_EQ(seqcBufferWriteFile(text, (folder.path / "b" / "a").c_str()),
            SEQC_ERROR_IO);
  EXPECT_TRUE(messageHas("cannot write"));
  seqcBufferRelease(text);
}

TEST(Compile, ManyThreadsOneContext) {
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  std::string expected = compile(scale);
  ASSERT_FALSE(expected.empty());
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        if ((t + i) % 3 == 0) {
          failures +=
              statusOf("func.func @f() {\n  boom\n}") != SEQC_ERROR_COMPILE;
          failures += std::string(seqcLastErrorMessage()).find(":2:3: error") ==
                      std::string::npos;
        } else {
          failures += compile(scale) != expected;
        }
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
}

//===----------------------------------------------------------------------===//
// Explain
//===----------------------------------------------------------------------===//

TEST(Explain, TextAndJson) {
  std::string source = R"(
    func.func @attend(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> {
      %out = seqc.attention query(%q) key(%k) value(%k) causal
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %out : tensor<?x8x?x64xf32>
    })";
  SeqcBuffer *report = nullptr;
  ASSERT_EQ(seqcExplain(sharedContext(), source.data(), source.size(), nullptr,
                        "h200", "B=2,S=1000", 0, &report),
            SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_NE(std::string(seqcBufferData(report)).find("attention"),
            std::string::npos);
  seqcBufferRelease(report);
  ASSERT_EQ(seqcExplain(sharedContext(), source.data(), source.size(), nullptr,
                        nullptr, nullptr, 1, &report),
            SEQC_OK)
      << seqcLastErrorMessage();
  EXPECT_EQ(seqcBufferData(report)[0], '{');
  seqcBufferRelease(report);
  EXPECT_EQ(seqcExplain(sharedContext(), source.data(), source.size(), nullptr,
                        "abacus", nullptr, 1, &report),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(
      seqcLastErrorMessage(),
      ("unknown chip 'abacus': known chips are " + std::string(seqcChips()))
          .c_str());
  EXPECT_EQ(seqcExplain(sharedContext(), source.data(), source.size(), nullptr,
                        nullptr, "Q=1", 1, &report),
            SEQC_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(messageHas("assumption 'Q=1' names 'Q'"));
}
