//===- FakeCuda.h - A CUDA driver for tests ---------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library with the entry points of libcuda.so.1 that the runtime uses. Memory
// of its devices is host memory, a stream is a number, and a launch calls a
// function of the test. It counts and records what it is asked, and fails where
// a test wants it to. At load it reads from the environment:
//
//   FAKE_CUDA_VERSION   what cuDriverGetVersion says (12040)
//   FAKE_CUDA_DEVICES   capabilities, separated by commas ("90,80,90")
//   FAKE_CUDA_INIT      what cuInit returns (0)
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TEST_UNIT_RUNTIME_FAKECUDA_H
#define SEQC_TEST_UNIT_RUNTIME_FAKECUDA_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace fake {

struct LaunchRecord {
  std::string kernel;
  unsigned grid[3];
  unsigned threads;
  unsigned sharedBytes;
  void *stream;
  int device;
  /// Whether it may start before the one in front of it has ended.
  bool overlaps = false;
};

/// What a tensor map was made of; lies where the driver puts its own bits.
struct MapRecord {
  uint64_t address;
  uint32_t dims[5];
  uint32_t strides[4]; // In bytes.
  uint16_t box[5];
  uint8_t type, rank, swizzle, promotion;
};
static_assert(sizeof(MapRecord) <= 128, "a tensor map has 128 bytes");

struct State {
  std::mutex mutex;
  std::map<std::string, std::function<void(void **)>> kernels;
  std::vector<LaunchRecord> launches;
  /// "cubin:..." or "ptx:...", per module that was loaded.
  std::vector<std::string> modules;
  std::vector<std::string> log;
  std::set<void *> memory;
  std::atomic<int> allocations{0}, encodings{0}, synchronizations{0};
  /// What the next call of a function returns.
  std::map<std::string, int> failures;
  /// What a failing module load writes to its log.
  std::string jitLog;
  bool eventsDone = true;
  int captureMode = 0;
  /// The stream that is being captured; none if it is no stream.
  void *captured = reinterpret_cast<void *>(~uintptr_t(0));
  std::vector<int> capabilities;

  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    kernels.clear();
    launches.clear();
    log.clear();
    failures.clear();
    jitLog.clear();
    allocations = encodings = synchronizations = 0;
  }
};

} // namespace fake

/// The library's one state.
extern "C" fake::State *fakeCudaState();

/// Makes a device's primary context current on this thread; -1 for none.
extern "C" void fakeCudaSetDevice(int device);

#endif // SEQC_TEST_UNIT_RUNTIME_FAKECUDA_H
