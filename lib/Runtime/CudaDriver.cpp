//===- CudaDriver.cpp - The CUDA driver, found at run time ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaDriver.h"

#include "seqc/Runtime/Status.h"

#include <atomic>
#include <cstdlib>

#include <dlfcn.h>

using namespace seqc;
using namespace seqc::cuda;

static std::string versionText(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

namespace {

/// The driver, or why there is none.
struct Opened {
  Driver driver;
  bool usable = false;
  SeqcStatus status = SEQC_OK;
  std::string error;

  Opened() {
    status = open();
    usable = status == SEQC_OK;
  }

private:
  SeqcStatus fail(SeqcStatus code, std::string message) {
    error = std::move(message);
    return code;
  }

  SeqcStatus open() {
    const char *path = std::getenv("SEQC_CUDA_DRIVER");
    if (!path || !*path)
      path = "libcuda.so.1";
    void *library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char *reason = ::dlerror();
      return fail(SEQC_ERROR_UNSUPPORTED,
                  std::string("no CUDA driver: ") +
                      (reason ? reason : "its library cannot be loaded"));
    }
    std::string missing;
#define SEQC_CUDA_FIND(MEMBER, SYMBOL, ARGUMENTS)                              \
  driver.MEMBER =                                                              \
      reinterpret_cast<Result(*) ARGUMENTS>(::dlsym(library, #SYMBOL));        \
  if (!driver.MEMBER)                                                          \
    missing += (missing.empty() ? "" : ", ") + std::string(#SYMBOL);
    SEQC_CUDA_FUNCTIONS(SEQC_CUDA_FIND)
#undef SEQC_CUDA_FIND
    // Before the list of what is missing, which an old driver makes long.
    if (driver.driverGetVersion &&
        driver.driverGetVersion(&driver.version) == 0 &&
        driver.version < kOldestDriver)
      return fail(SEQC_ERROR_UNSUPPORTED,
                  "the CUDA driver supports CUDA " +
                      versionText(driver.version) + ", seqc needs one for " +
                      versionText(kOldestDriver) + " or newer");
    if (!missing.empty())
      return fail(SEQC_ERROR_UNSUPPORTED, std::string("the CUDA driver '") +
                                              path + "' lacks " + missing);
    auto failed = [&](const char *what, Result result) {
      return fail(result == kNoDevice ? SEQC_ERROR_UNSUPPORTED
                                      : SEQC_ERROR_DEVICE,
                  std::string(what) + " failed: " + driver.describe(result));
    };
    if (Result result = driver.init(0))
      return result == kNoDevice
                 ? fail(SEQC_ERROR_UNSUPPORTED, "no CUDA device is visible")
                 : failed("cuInit", result);
    int count = 0;
    if (Result result = driver.deviceGetCount(&count))
      return failed("cuDeviceGetCount", result);
    if (count == 0)
      return fail(SEQC_ERROR_UNSUPPORTED, "no CUDA device is visible");
    for (int number = 0; number < count; ++number) {
      Device device = 0;
      char name[256] = "";
      int major = 0, minor = 0;
      DeviceInfo info;
      Result result = driver.deviceGet(&device, number);
      if (!result)
        result = driver.deviceGetName(name, sizeof(name), device);
      if (!result)
        result = driver.deviceGetAttribute(&major, kAttributeMajor, device);
      if (!result)
        result = driver.deviceGetAttribute(&minor, kAttributeMinor, device);
      if (!result)
        result = driver.deviceGetAttribute(&info.maxShared,
                                           kAttributeMaxSharedOptin, device);
      if (!result)
        result = driver.deviceGetAttribute(&info.multiprocessors,
                                           kAttributeMultiprocessors, device);
      if (result)
        return failed("reading the properties of a CUDA device", result);
      info.name = name;
      info.capability = 10 * major + minor;
      driver.devices.push_back(std::move(info));
    }
    return SEQC_OK;
  }
};

} // namespace

const Driver *Driver::get() {
  // Never destroyed: results may be released while the process ends.
  static const Opened *opened = new Opened;
  if (opened->usable)
    return &opened->driver;
  setError(opened->status, opened->error);
  return nullptr;
}

const DeviceInfo *Driver::device(int32_t number) const {
  if (number >= 0 && size_t(number) < devices.size())
    return &devices[size_t(number)];
  setError(SEQC_ERROR_INVALID_ARGUMENT,
           "CUDA device " + std::to_string(number) + " is not one of the " +
               std::to_string(devices.size()) + " visible ones");
  return nullptr;
}

SeqcStatus Driver::contextFor(int32_t number, Context &context) const {
  if (!device(number))
    return SEQC_ERROR_INVALID_ARGUMENT;
  Device current = -1;
  if (Result result = ctxGetCurrent(&context))
    return fail("cuCtxGetCurrent", result);
  if (context && ctxGetDevice(&current) == kSuccess && current == number)
    return SEQC_OK;
  constexpr size_t kCached = 64;
  static std::atomic<Context> cache[kCached];
  if (size_t(number) < kCached &&
      (context = cache[number].load(std::memory_order_acquire)))
    return SEQC_OK;
  Device handle = 0;
  Result result = deviceGet(&handle, number);
  if (!result)
    result = primaryRetain(&context, handle);
  if (result)
    return fail("making a context on CUDA device " + std::to_string(number),
                result);
  if (size_t(number) < kCached)
    cache[number].store(context, std::memory_order_release);
  return SEQC_OK;
}

std::string Driver::describe(Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (getErrorName)
    getErrorName(result, &name);
  if (getErrorString)
    getErrorString(result, &text);
  std::string message = text ? text : "unknown error";
  return message + " (" + (name ? name : std::to_string(result)) + ")";
}

SeqcStatus Driver::fail(const std::string &what, Result result) const {
  return setError(result == kOutOfMemory ? SEQC_ERROR_OUT_OF_MEMORY
                                         : SEQC_ERROR_DEVICE,
                  what + " failed: " + describe(result));
}

ContextScope::ContextScope(const Driver &driver, Context context)
    : driver(driver) {
  Context current = nullptr;
  status = driver.ctxGetCurrent(&current);
  if (status != kSuccess || current == context)
    return;
  status = driver.ctxPush(context);
  pushed = status == kSuccess;
}

ContextScope::~ContextScope() {
  Context popped = nullptr;
  if (pushed)
    driver.ctxPop(&popped);
}
