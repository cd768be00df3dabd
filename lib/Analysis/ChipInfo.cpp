//===- ChipInfo.cpp - The table of chips ----------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the numbers come from:
//
// H200. Measured on one H200 SXM: copy 4.298 TB/s, per SM and clock 16 special
// functions and 117 f32 fma. bf16 products: 795 TFLOP/s of an 8192^3 one, and
// up to 830 of attention's with a head_dim of 256, which leave a little to what
// runs beside them: 840. What the start and the end of a tile of attention
// take is a fit to the times of short sequences (docs/io-model.md). 132 SMs, up
// to 1.98 GHz, 50 MB of L2, 227 KiB of shared memory per thread block (CUDA
// programming guide, compute capability 9.0). The bandwidth of L2 is the upper
// end of what is published for Hopper (5.5 to 7 TB/s), since it is to be a
// bound.
//
// A100. The 40 GB SXM model of the FlashAttention paper: 1.555 TB/s, 312
// TFLOP/s f16 and bf16, 19.5 TFLOP/s f32 and f64 (tensor cores), 108 SMs of 64
// f32 lanes and 16 special functions a clock, 1.41 GHz, 40 MB of L2, 163 KiB of
// shared memory per thread block (NVIDIA A100 whitepaper; CUDA programming
// guide, compute capability 8.0). Nobody measured it for this table, so
// bandwidth and matrix rates are the datasheet's times 0.88 and 0.80, the
// fractions that the H200 reaches of its own (4.8 TB/s, 989 TFLOP/s), and L2's
// is the H200's times the ratio of SMs and clocks, rounded up; the ends of a
// tile of attention are the H200's.
//
// CPUs. A core starts two vector instructions per clock. A matrix product
// reaches 0.8 of two multiply-adds per clock, and an exponential is a
// polynomial of some 12 vector instructions. f16 and bf16 are computed in f32.
// `cpu` detects cores, vector width and caches; `x86-64-v3` and `x86-64-v4`
// are fixed, for compiling on one machine for another.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/ChipInfo.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Threading.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

using namespace seqc;
using llvm::StringRef;

constexpr int64_t kib = 1024, mib = 1024 * 1024;

//===----------------------------------------------------------------------===//
// GPUs
//===----------------------------------------------------------------------===//

static ChipInfo makeH200() {
  ChipInfo c;
  c.name = "h200";
  c.title = "NVIDIA H200 SXM";
  c.cores = 132;
  c.clockHz = 1.98e9;
  c.dramBandwidth = 4.298e12;
  c.cacheBandwidth = 7.0e12;
  c.cacheBytes = 50 * mib;
  c.onChipBytes = c.l1Bytes = 227 * kib;
  c.registerBytes = 256 * kib;
  double smClocks = c.cores * c.clockHz;
  c.vectorF32 = 117 * smClocks;
  c.vectorF64 = c.vectorF32 / 2;
  c.specialF32 = 16 * smClocks;
  c.specialF64 = c.vectorF64 / 20; // No hardware: a polynomial.
  c.matrixF16 = c.matrixBF16 = 840e12;
  c.matrixF32 = 2 * c.vectorF32; // No TF32: it would not be f32.
  c.matrixF64 = 0.8 * 67e12;
  c.vectorLanes = 32;
  c.launchSeconds = 3e-6;
  c.tileSeconds = 1.5e-6;
  return c;
}

static ChipInfo makeA100() {
  ChipInfo c;
  c.name = "a100";
  c.title = "NVIDIA A100 SXM 40 GB";
  c.cores = 108;
  c.clockHz = 1.41e9;
  c.dramBandwidth = 0.88 * 1.555e12;
  c.cacheBandwidth = 5.0e12;
  c.cacheBytes = 40 * mib;
  c.onChipBytes = c.l1Bytes = 163 * kib;
  c.registerBytes = 256 * kib;
  double smClocks = c.cores * c.clockHz;
  c.vectorF32 = 64 * smClocks;
  c.vectorF64 = c.vectorF32 / 2;
  c.specialF32 = 16 * smClocks;
  c.specialF64 = c.vectorF64 / 20;
  c.matrixF16 = c.matrixBF16 = 0.8 * 312e12;
  c.matrixF32 = 2 * c.vectorF32;
  c.matrixF64 = 0.8 * 19.5e12;
  c.vectorLanes = 32;
  c.launchSeconds = 3e-6;
  c.tileSeconds = 1.5e-6;
  return c;
}

//===----------------------------------------------------------------------===//
// CPUs
//===----------------------------------------------------------------------===//

/// Fills in the rates of a CPU from its cores, clock and lanes.
static void setCPURates(ChipInfo &c) {
  c.isCPU = c.sharedPipes = true;
  double instructions = 2.0 * c.cores * c.clockHz;
  c.vectorF32 = instructions * c.vectorLanes;
  c.vectorF64 = c.vectorF32 / 2;
  c.specialF32 = c.vectorF32 / 12;
  c.specialF64 = c.vectorF64 / 20;
  c.matrixF32 = 0.8 * 2 * c.vectorF32;
  c.matrixF64 = 0.8 * 2 * c.vectorF64;
  c.matrixF16 = c.matrixBF16 = c.matrixF32;
  c.cacheBandwidth = 12.0 * c.cores * c.clockHz;
  c.launchSeconds = 5e-6;
}

static ChipInfo makeFixedCPU(StringRef name, StringRef title, int64_t lanes,
                             int64_t l1, int64_t l2) {
  ChipInfo c;
  c.name = name.str();
  c.title = title.str();
  c.cores = 8;
  c.clockHz = 3e9;
  c.vectorLanes = lanes;
  c.l1Bytes = l1;
  c.onChipBytes = l2;
  c.cacheBytes = 16 * mib;
  c.dramBandwidth = 40e9;
  setCPURates(c);
  return c;
}

/// The first line of a small file, or an empty string.
static std::string readLine(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFileAsStream(path);
  if (!buffer)
    return "";
  return (*buffer)->getBuffer().split('\n').first.trim().str();
}

/// "48K" in bytes.
static int64_t parseSize(StringRef text) {
  int64_t unit = 1;
  if (text.consume_back("K"))
    unit = kib;
  else if (text.consume_back("M"))
    unit = mib;
  int64_t value = 0;
  return text.getAsInteger(10, value) ? 0 : value * unit;
}

static void detectCaches(ChipInfo &c) {
  c.l1Bytes = 32 * kib;
  c.onChipBytes = 512 * kib;
  c.cacheBytes = 0;
  for (int i = 0; i < 8; ++i) {
    std::string dir =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    std::string level = readLine(dir + "/level");
    int64_t size = parseSize(readLine(dir + "/size"));
    if (level.empty() || size <= 0 || readLine(dir + "/type") == "Instruction")
      continue;
    if (level == "1")
      c.l1Bytes = size;
    else if (level == "2")
      c.onChipBytes = size;
    else
      c.cacheBytes = std::max(c.cacheBytes, size);
  }
  if (c.cacheBytes == 0)
    c.cacheBytes = std::max<int64_t>(8 * mib, c.onChipBytes * c.cores);
}

/// Clocks per second, from a chain of additions that each take one clock.
static double measureClock() {
  using Clock = std::chrono::steady_clock;
  constexpr int iterations = 200000;
  double best = 0;
  uint64_t x = 1;
  for (int run = 0; run < 5; ++run) {
    auto start = Clock::now();
    for (int i = 0; i < iterations; ++i) {
#define SEQC_ADD                                                               \
  x += 3;                                                                      \
  __asm__ volatile("" : "+r"(x));
      SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD
          SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD SEQC_ADD
              SEQC_ADD SEQC_ADD
#undef SEQC_ADD
    }
    std::chrono::duration<double> elapsed = Clock::now() - start;
    best = std::max(best, 16.0 * iterations / elapsed.count());
  }
  return best;
}

/// Bytes per second (read and written) of a copy by all cores.
static double measureCopy(int64_t cores, int64_t cacheBytes) {
  using Clock = std::chrono::steady_clock;
  int64_t total = std::clamp<int64_t>(cacheBytes, 32 * mib, 128 * mib);
  int64_t threads = std::clamp<int64_t>(cores, 1, 64);
  size_t share = total / threads;
  std::vector<std::unique_ptr<char[]>> from(threads), to(threads);
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    auto start = Clock::now();
    std::vector<std::thread> pool;
    for (int64_t t = 0; t < threads; ++t)
      pool.emplace_back([&, t] {
        if (run == 0) { // First touch, by the thread that will use it.
          from[t] = std::make_unique<char[]>(share);
          to[t] = std::make_unique<char[]>(share);
          std::memset(from[t].get(), 1, share);
        }
        std::memcpy(to[t].get(), from[t].get(), share);
      });
    for (std::thread &thread : pool)
      thread.join();
    std::chrono::duration<double> elapsed = Clock::now() - start;
    if (run > 0)
      best = std::max(best, 2.0 * share * threads / elapsed.count());
  }
  return best;
}

static ChipInfo detectCPU(bool measure) {
  ChipInfo c;
  c.name = "cpu";
  c.cores = std::max(1u, llvm::hardware_concurrency().compute_thread_count());
  c.vectorLanes = 4;
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  if (features.lookup("avx512f"))
    c.vectorLanes = 16;
  else if (features.lookup("avx2"))
    c.vectorLanes = 8;
  c.title = "this CPU (" + llvm::sys::getHostCPUName().str() + ", " +
            std::to_string(c.vectorLanes * 32) + "-bit vectors)";
  detectCaches(c);
  c.clockHz = measure ? measureClock() : 3e9;
  c.dramBandwidth = measure ? measureCopy(c.cores, c.cacheBytes)
                            : 10e9 * std::min<int64_t>(c.cores, 16);
  setCPURates(c);
  return c;
}

//===----------------------------------------------------------------------===//
// Look-up
//===----------------------------------------------------------------------===//

static constexpr StringRef chipNames[] = {"h200", "a100", "cpu", "x86-64-v3",
                                          "x86-64-v4"};

llvm::ArrayRef<StringRef> seqc::getChipNames() { return chipNames; }

std::optional<ChipInfo> seqc::getChipInfo(StringRef name, bool measure) {
  std::string lower = name.lower();
  if (lower == "h200" || lower == "sm_90a")
    return makeH200();
  if (lower == "a100" || lower == "sm_80")
    return makeA100();
  if (lower == "x86-64-v3")
    return makeFixedCPU(lower, "AVX2 CPU", 8, 32 * kib, 512 * kib);
  if (lower == "x86-64-v4")
    return makeFixedCPU(lower, "AVX-512 CPU", 16, 48 * kib, 1 * mib);
  if (lower == "cpu") {
    if (measure) {
      static const ChipInfo measured = detectCPU(/*measure=*/true);
      return measured;
    }
    static const ChipInfo detected = detectCPU(/*measure=*/false);
    return detected;
  }
  return std::nullopt;
}

std::string seqc::unknownChipMessage(StringRef name) {
  return ("unknown chip '" + name + "': known chips are " +
          llvm::join(getChipNames(), ", "))
      .str();
}

static double pick(mlir::Type type, double f16, double bf16, double f32,
                   double f64) {
  if (type.isF16())
    return f16;
  if (type.isBF16())
    return bf16;
  if (type.isF64())
    return f64;
  return f32;
}

double ChipInfo::matrixRate(mlir::Type type) const {
  return pick(type, matrixF16, matrixBF16, matrixF32, matrixF64);
}
double ChipInfo::vectorRate(mlir::Type type) const {
  return pick(type, vectorF32, vectorF32, vectorF32, vectorF64);
}
double ChipInfo::specialRate(mlir::Type type) const {
  return pick(type, specialF32, specialF32, specialF32, specialF64);
}
