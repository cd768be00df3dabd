//===- FakeCuda.cpp - A CUDA driver for tests -----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCuda.h"

#include <cstdlib>
#include <cstring>

using namespace fake;

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

struct FakeModule {
  int device;
};

struct FakeFunction {
  std::string name;
};

struct FakeContext {
  int device;
};

State *makeState() {
  auto *state = new State;
  const char *devices = std::getenv("FAKE_CUDA_DEVICES");
  std::string list = devices ? devices : "90,80,90";
  for (size_t at = 0; at < list.size();) {
    size_t comma = std::min(list.find(',', at), list.size());
    state->capabilities.push_back(std::stoi(list.substr(at, comma - at)));
    at = comma + 1;
  }
  return state;
}

State &state() {
  static State *instance = makeState();
  return *instance;
}

FakeContext *contextOf(int device) {
  static FakeContext contexts[16];
  contexts[device].device = device;
  return &contexts[device];
}

std::vector<FakeContext *> &stack() {
  static thread_local std::vector<FakeContext *> contexts;
  return contexts;
}

FakeContext *current() { return stack().empty() ? nullptr : stack().back(); }

int number(const char *name, int fallback) {
  const char *text = std::getenv(name);
  return text ? int(std::strtol(text, nullptr, 10)) : fallback;
}

/// What this call is to return; 0 if it is to work.
int failure(const char *name) {
  std::lock_guard<std::mutex> lock(state().mutex);
  auto it = state().failures.find(name);
  if (it == state().failures.end())
    return 0;
  int code = it->second;
  state().failures.erase(it);
  return code;
}

void record(const std::string &line) {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().log.push_back(line);
}

std::string streamName(void *stream) {
  return std::to_string(reinterpret_cast<uintptr_t>(stream));
}

} // namespace

FAKE_EXPORT State *fakeCudaState() { return &state(); }

FAKE_EXPORT void fakeCudaSetDevice(int device) {
  stack().clear();
  if (device >= 0)
    stack().push_back(contextOf(device));
}

FAKE_EXPORT int cuInit(unsigned) { return number("FAKE_CUDA_INIT", 0); }

FAKE_EXPORT int cuDriverGetVersion(int *version) {
  *version = number("FAKE_CUDA_VERSION", 12040);
  return 0;
}

FAKE_EXPORT int cuGetErrorName(int code, const char **name) {
  *name = code == 2     ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == 100 ? "CUDA_ERROR_NO_DEVICE"
          : code == 218 ? "CUDA_ERROR_INVALID_PTX"
          : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                        : "CUDA_ERROR_FAKE";
  return 0;
}

FAKE_EXPORT int cuGetErrorString(int code, const char **text) {
  *text = code == 2 ? "out of memory" : "a fake error";
  return 0;
}

FAKE_EXPORT int cuDeviceGetCount(int *count) {
  *count = int(state().capabilities.size());
  return 0;
}

FAKE_EXPORT int cuDeviceGet(int *device, int number) {
  *device = number;
  return 0;
}

FAKE_EXPORT int cuDeviceGetName(char *name, int size, int device) {
  std::string text = "Fake " + std::to_string(device);
  std::strncpy(name, text.c_str(), size_t(size));
  return 0;
}

FAKE_EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int capability = state().capabilities[size_t(device)];
  *value = attribute == 75   ? capability / 10
           : attribute == 76 ? capability % 10
           : attribute == 97 ? (capability >= 90 ? 232448 : 166912)
           : attribute == 16 ? 3
                             : 0;
  return 0;
}

FAKE_EXPORT int cuDevicePrimaryCtxRetain(FakeContext **context, int device) {
  *context = contextOf(device);
  return 0;
}

FAKE_EXPORT int cuCtxGetCurrent(FakeContext **context) {
  *context = current();
  return 0;
}

FAKE_EXPORT int cuCtxGetDevice(int *device) {
  if (!current())
    return 201;
  *device = current()->device;
  return 0;
}

FAKE_EXPORT int cuCtxPushCurrent_v2(FakeContext *context) {
  stack().push_back(context);
  return 0;
}

FAKE_EXPORT int cuCtxPopCurrent_v2(FakeContext **context) {
  *context = current();
  stack().pop_back();
  return 0;
}

FAKE_EXPORT int cuThreadExchangeStreamCaptureMode(int *mode) {
  std::swap(*mode, state().captureMode);
  return 0;
}

FAKE_EXPORT int cuModuleLoadDataEx(FakeModule **module, const void *image,
                                   unsigned count, int *options,
                                   void **values) {
  const char *text = static_cast<const char *>(image);
  if (int code = failure("cuModuleLoadDataEx")) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == 5)
        std::strcpy(static_cast<char *>(values[i]), state().jitLog.c_str());
    return code;
  }
  // Both kinds of image start with a word in these tests.
  std::lock_guard<std::mutex> lock(state().mutex);
  state().modules.push_back(std::string(text, text[0] == 'p' ? 3 : 5) + ":" +
                            std::to_string(current()->device) +
                            (state().captureMode == 2 ? ":relaxed" : ""));
  *module = new FakeModule{current()->device};
  return 0;
}

FAKE_EXPORT int cuModuleUnload(FakeModule *module) {
  delete module;
  record("unload");
  return 0;
}

FAKE_EXPORT int cuModuleGetFunction(FakeFunction **function, FakeModule *,
                                    const char *name) {
  if (int code = failure("cuModuleGetFunction"))
    return code;
  *function = new FakeFunction{name}; // As long as the process.
  return 0;
}

FAKE_EXPORT int cuFuncSetAttribute(FakeFunction *function, int attribute,
                                   int value) {
  record(function->name + " attribute " + std::to_string(attribute) + " = " +
         std::to_string(value));
  return failure("cuFuncSetAttribute");
}

static void launch(LaunchRecord record, void **parameters) {
  record.device = current()->device;
  std::function<void(void **)> body;
  {
    std::lock_guard<std::mutex> lock(state().mutex);
    state().launches.push_back(record);
    auto it = state().kernels.find(record.kernel);
    if (it != state().kernels.end())
      body = it->second;
  }
  if (body)
    body(parameters);
}

FAKE_EXPORT int cuLaunchKernel(FakeFunction *function, unsigned gx, unsigned gy,
                               unsigned gz, unsigned threads, unsigned,
                               unsigned, unsigned shared, void *stream,
                               void **parameters, void **) {
  if (int code = failure("cuLaunchKernel"))
    return code;
  launch({function->name, {gx, gy, gz}, threads, shared, stream, 0},
         parameters);
  return 0;
}

namespace {

/// As cuda.h lays them out.
struct FakeAttribute {
  alignas(8) int id;
  alignas(8) int value;
  char rest[60];
};
static_assert(sizeof(FakeAttribute) == 72);

struct FakeConfig {
  unsigned gx, gy, gz, threads, threadsY, threadsZ, shared;
  void *stream;
  FakeAttribute *attributes;
  unsigned count;
};

} // namespace

FAKE_EXPORT int cuLaunchKernelEx(const FakeConfig *config,
                                 FakeFunction *function, void **parameters,
                                 void **) {
  if (int code = failure("cuLaunchKernelEx"))
    return code;
  LaunchRecord record{function->name,  {config->gx, config->gy, config->gz},
                      config->threads, config->shared,
                      config->stream,  0};
  for (unsigned i = 0; i < config->count; ++i)
    if (config->attributes[i].id == 6)
      record.overlaps = config->attributes[i].value != 0;
  launch(record, parameters);
  return 0;
}

FAKE_EXPORT int cuMemAllocAsync(unsigned long long *pointer, size_t bytes,
                                void *stream) {
  if (int code = failure("cuMemAllocAsync"))
    return code;
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  *pointer = reinterpret_cast<uintptr_t>(memory);
  ++state().allocations;
  std::lock_guard<std::mutex> lock(state().mutex);
  state().memory.insert(memory);
  state().log.push_back("alloc " + std::to_string(bytes) + " in " +
                        streamName(stream));
  return 0;
}

FAKE_EXPORT int cuMemFreeAsync(unsigned long long pointer, void *stream) {
  void *memory = reinterpret_cast<void *>(pointer);
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!state().memory.erase(memory))
    return 1;
  std::free(memory);
  state().log.push_back("free in " + streamName(stream) + " on " +
                        std::to_string(current()->device));
  return 0;
}

FAKE_EXPORT int cuMemcpyDtoDAsync_v2(unsigned long long to,
                                     unsigned long long from, size_t bytes,
                                     void *) {
  std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from),
              bytes);
  return 0;
}

FAKE_EXPORT int cuPointerGetAttribute(void *value, int attribute,
                                      unsigned long long) {
  *static_cast<int *>(value) = 1;
  return attribute == 9 ? 0 : 1;
}

FAKE_EXPORT int cuStreamSynchronize(void *) {
  ++state().synchronizations;
  return failure("cuStreamSynchronize");
}

FAKE_EXPORT int cuStreamGetId(void *stream, uint64_t *id) {
  *id = reinterpret_cast<uintptr_t>(stream);
  return failure("cuStreamGetId");
}

FAKE_EXPORT int cuStreamIsCapturing(void *stream, int *capturing) {
  *capturing = stream == state().captured;
  return 0;
}

FAKE_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                            FakeFunction *, int,
                                                            size_t) {
  *blocks = 2;
  return failure("cuOccupancyMaxActiveBlocksPerMultiprocessor");
}

FAKE_EXPORT int cuStreamWaitEvent(void *stream, void *, unsigned) {
  record("wait in " + streamName(stream));
  return 0;
}

FAKE_EXPORT int cuEventCreate(void **event, unsigned) {
  *event = new int(0);
  return 0;
}

FAKE_EXPORT int cuEventRecord(void *, void *stream) {
  record("event in " + streamName(stream));
  return 0;
}

FAKE_EXPORT int cuEventQuery(void *) { return state().eventsDone ? 0 : 600; }

FAKE_EXPORT int cuEventDestroy_v2(void *event) {
  delete static_cast<int *>(event);
  return 0;
}

FAKE_EXPORT int cuTensorMapEncodeTiled(void *map, int type, uint32_t rank,
                                       void *address, const uint64_t *dims,
                                       const uint64_t *strides,
                                       const uint32_t *box,
                                       const uint32_t *steps, int interleave,
                                       int swizzle, int promotion, int fill) {
  ++state().encodings;
  if (int code = failure("cuTensorMapEncodeTiled"))
    return code;
  MapRecord record = {};
  record.address = reinterpret_cast<uintptr_t>(address);
  bool good = rank >= 1 && rank <= 5 && record.address % 16 == 0 && address;
  for (uint32_t i = 0; good && i < rank; ++i) {
    good &= dims[i] >= 1 && box[i] >= 1 && box[i] <= 256 && steps[i] == 1;
    record.dims[i] = uint32_t(dims[i]);
    record.box[i] = uint16_t(box[i]);
    if (i + 1 < rank) {
      good &= strides[i] % 16 == 0 && strides[i] < (uint64_t(1) << 40);
      record.strides[i] = uint32_t(strides[i]);
    }
  }
  good &= interleave == 0 && fill == 0;
  record.type = uint8_t(type);
  record.rank = uint8_t(rank);
  record.swizzle = uint8_t(swizzle);
  record.promotion = uint8_t(promotion);
  if (!good)
    return 1;
  std::memset(map, 0, 128);
  std::memcpy(map, &record, sizeof(record));
  return 0;
}
