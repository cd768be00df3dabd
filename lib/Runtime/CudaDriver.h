//===- CudaDriver.h - The CUDA driver, found at run time --------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime needs no CUDA toolkit, neither to build nor to run: the driver's
// library is opened when a program first meets a GPU, and the few functions of
// its stable ABI that are used are declared here. SEQC_CUDA_DRIVER names
// another library to open, which is how the tests bring their own.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_RUNTIME_CUDADRIVER_H
#define SEQC_LIB_RUNTIME_CUDADRIVER_H

#include "seqc-c/Runtime.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace seqc::cuda {

using Result = int;
using Device = int;
using Pointer = unsigned long long;
using Context = struct ContextOpaque *;
using Module = struct ModuleOpaque *;
using Function = struct FunctionOpaque *;
using Stream = struct StreamOpaque *;
using Event = struct EventOpaque *;

/// The descriptor that the tensor memory accelerator reads.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

constexpr Result kSuccess = 0;
constexpr Result kInvalidValue = 1;
constexpr Result kOutOfMemory = 2;
constexpr Result kDeinitialized = 4;
constexpr Result kNoDevice = 100;
constexpr Result kNoBinaryForGpu = 209;
constexpr Result kInvalidPtx = 218;
constexpr Result kUnsupportedPtxVersion = 222;
constexpr Result kNotReady = 600;

// Attributes of devices, functions and modules, by the numbers of the ABI.
constexpr int kAttributeMaxSharedOptin = 97;
constexpr int kAttributeMultiprocessors = 16;
constexpr int kAttributeMajor = 75;
constexpr int kAttributeMinor = 76;
constexpr int kPointerDevice = 9;
constexpr int kFunctionMaxDynamicShared = 8;
constexpr int kJitInfoLog = 3;
constexpr int kJitInfoLogSize = 4;
constexpr int kJitErrorLog = 5;
constexpr int kJitErrorLogSize = 6;
constexpr int kCaptureRelaxed = 2;
constexpr unsigned kEventNoTiming = 2;

/// The oldest driver that the runtime works with, as CUDA numbers versions.
constexpr int kOldestDriver = 12000;
/// The oldest one whose graphs know launches that overlap.
constexpr int kOldestOverlap = 12030;

/// What a launch is asked beyond its sizes.
struct alignas(8) LaunchAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    int number;
  } value;
};
/// The kernel may start while the one in front of it in the stream ends.
constexpr int kLaunchOverlaps = 6;

struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned numAttributes;
};

struct DeviceInfo {
  std::string name;
  /// 10 * major + minor: 90 for sm_90.
  int capability = 0;
  int maxShared = 0;
  int multiprocessors = 0;
};

/// The functions of the driver that are used. X(member, symbol, arguments)
#define SEQC_CUDA_FUNCTIONS(X)                                                 \
  X(init, cuInit, (unsigned))                                                  \
  X(driverGetVersion, cuDriverGetVersion, (int *))                             \
  X(getErrorName, cuGetErrorName, (Result, const char **))                     \
  X(getErrorString, cuGetErrorString, (Result, const char **))                 \
  X(deviceGetCount, cuDeviceGetCount, (int *))                                 \
  X(deviceGet, cuDeviceGet, (Device *, int))                                   \
  X(deviceGetName, cuDeviceGetName, (char *, int, Device))                     \
  X(deviceGetAttribute, cuDeviceGetAttribute, (int *, int, Device))            \
  X(primaryRetain, cuDevicePrimaryCtxRetain, (Context *, Device))              \
  X(ctxGetCurrent, cuCtxGetCurrent, (Context *))                               \
  X(ctxGetDevice, cuCtxGetDevice, (Device *))                                  \
  X(ctxPush, cuCtxPushCurrent_v2, (Context))                                   \
  X(ctxPop, cuCtxPopCurrent_v2, (Context *))                                   \
  X(exchangeCaptureMode, cuThreadExchangeStreamCaptureMode, (int *))           \
  X(moduleLoadDataEx, cuModuleLoadDataEx,                                      \
    (Module *, const void *, unsigned, int *, void **))                        \
  X(moduleUnload, cuModuleUnload, (Module))                                    \
  X(moduleGetFunction, cuModuleGetFunction,                                    \
    (Function *, Module, const char *))                                        \
  X(funcSetAttribute, cuFuncSetAttribute, (Function, int, int))                \
  X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor,                    \
    (int *, Function, int, size_t))                                            \
  X(launchKernel, cuLaunchKernel,                                              \
    (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,     \
     unsigned, Stream, void **, void **))                                      \
  X(launchKernelEx, cuLaunchKernelEx,                                          \
    (const LaunchConfig *, Function, void **, void **))                        \
  X(memAllocAsync, cuMemAllocAsync, (Pointer *, size_t, Stream))               \
  X(memFreeAsync, cuMemFreeAsync, (Pointer, Stream))                           \
  X(memcpyDtoDAsync, cuMemcpyDtoDAsync_v2, (Pointer, Pointer, size_t, Stream)) \
  X(pointerGetAttribute, cuPointerGetAttribute, (void *, int, Pointer))        \
  X(streamSynchronize, cuStreamSynchronize, (Stream))                          \
  X(streamGetId, cuStreamGetId, (Stream, uint64_t *))                          \
  X(streamIsCapturing, cuStreamIsCapturing, (Stream, int *))                   \
  X(streamWaitEvent, cuStreamWaitEvent, (Stream, Event, unsigned))             \
  X(eventCreate, cuEventCreate, (Event *, unsigned))                           \
  X(eventRecord, cuEventRecord, (Event, Stream))                               \
  X(eventQuery, cuEventQuery, (Event))                                         \
  X(eventDestroy, cuEventDestroy_v2, (Event))                                  \
  X(tensorMapEncode, cuTensorMapEncodeTiled,                                   \
    (TensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *,   \
     const uint32_t *, const uint32_t *, int, int, int, int))

struct Driver {
#define SEQC_CUDA_MEMBER(MEMBER, SYMBOL, ARGUMENTS)                            \
  Result(*MEMBER) ARGUMENTS = nullptr;
  SEQC_CUDA_FUNCTIONS(SEQC_CUDA_MEMBER)
#undef SEQC_CUDA_MEMBER

  int version = 0;
  std::vector<DeviceInfo> devices;

  /// Opens the driver and looks at the devices, once in a process. On failure
  /// sets the last error and returns null, for as long as the process lives.
  static const Driver *get();

  /// The device of that number; sets the last error if there is none.
  const DeviceInfo *device(int32_t number) const;

  /// Sets `context` to the one to work in on a device: the calling thread's
  /// current context where it is of this device, else the device's primary one,
  /// which other libraries use too and which is retained for good.
  SeqcStatus contextFor(int32_t number, Context &context) const;

  /// "invalid argument (CUDA_ERROR_INVALID_VALUE)".
  std::string describe(Result result) const;

  /// Sets the last error to "`what` failed: ...".
  SeqcStatus fail(const std::string &what, Result result) const;
};

/// Makes a context current for a scope, where it is not already.
class ContextScope {
public:
  ContextScope(const Driver &driver, Context context);
  ~ContextScope();
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;

  Result result() const { return status; }

private:
  const Driver &driver;
  bool pushed = false;
  Result status = kSuccess;
};

} // namespace seqc::cuda

#endif // SEQC_LIB_RUNTIME_CUDADRIVER_H
