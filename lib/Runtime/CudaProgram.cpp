//===- CudaProgram.cpp - Loading programs for GPUs ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Machine code (a cubin) for sm_XY runs on devices X.Z with Z >= Y, and code
// for sm_XYa on X.Y alone. PTX is compiled by the driver for any later device,
// unless it is that of an "a" architecture.
//
//===----------------------------------------------------------------------===//

#include "CudaProgram.h"

#include "seqc/Runtime/Status.h"

#include <cctype>
#include <cstring>

using namespace seqc;
using namespace seqc::cuda;

cuda::Program::Program(const Json &target,
                       const std::vector<SeqcFunction> &functions,
                       std::string_view cubin, std::string_view ptx)
    : name(text(target, "arch")), cubin(cubin), ptx(ptx) {
  // "sm_90a"
  size_t digits = 3;
  bool good = name.rfind("sm_", 0) == 0;
  for (; good && digits < name.size() && digits < 7 &&
         std::isdigit(static_cast<unsigned char>(name[digits]));
       ++digits)
    arch = 10 * arch + (name[digits] - '0');
  if (digits < name.size())
    suffix = name[digits++];
  if (!good || arch < 10 || digits != name.size() ||
      (suffix && suffix != 'a' && suffix != 'f'))
    throw BadMetadata("\"arch\" is '" + name + "'");
  if (target.contains("min_driver"))
    minDriver = std::max<int>(
        minDriver,
        member(target, "min_driver", Json::value_t::number_integer).get<int>());
  if (cubin.empty() && ptx.empty())
    throw BadMetadata("no code for target '" + name + "'");

  for (const Json &json : member(target, "kernels", Json::value_t::array))
    kernels.push_back(readKernel(json));
  std::vector<const Json *> sources(functions.size(), nullptr);
  for (const Json &json : member(target, "plans", Json::value_t::array)) {
    std::string function = text(json, "function");
    for (size_t i = 0; i < functions.size(); ++i)
      if (functions[i].name == function)
        sources[i] = &json;
  }
  for (size_t i = 0; i < functions.size(); ++i) {
    if (!sources[i])
      throw BadMetadata("no plan for function '" + functions[i].name + "'");
    plans.push_back(readPlan(*sources[i], functions[i], kernels));
  }
}

cuda::Program::~Program() {
  LoadedModule *module = loaded.load();
  // Nothing was loaded unless there is a driver.
  const Driver *driver = module ? Driver::get() : nullptr;
  while (module) {
    LoadedModule *next = module->next;
    ContextScope scope(*driver, module->context);
    // While the process ends the driver may be gone before this.
    if (scope.result() == kSuccess)
      driver->moduleUnload(module->module);
    delete module;
    module = next;
  }
}

bool cuda::Program::takesCubin(int capability) const {
  if (cubin.empty())
    return false;
  if (suffix == 'a')
    return capability == arch;
  return capability / 10 == arch / 10 && capability >= arch;
}

bool cuda::Program::takesPtx(int capability) const {
  if (ptx.empty())
    return false;
  if (suffix == 'a')
    return capability == arch;
  if (suffix == 'f')
    return capability / 10 == arch / 10 && capability >= arch;
  return capability >= arch;
}

std::string cuda::Program::whyUnsupported(const DeviceInfo &device) const {
  if (takesCubin(device.capability) || takesPtx(device.capability))
    return "";
  std::string reason = "compiled for " + name + ", the device '" + device.name +
                       "' is sm_" + std::to_string(device.capability);
  if (!suffix && ptx.empty() && device.capability >= arch)
    reason += ", and the artifact has no PTX to compile for it";
  return reason;
}

SeqcStatus cuda::Program::loadModule(const Driver &driver, int32_t number,
                                     Module &module) const {
  const DeviceInfo &device = driver.devices[size_t(number)];
  std::string reason = whyUnsupported(device);
  if (!reason.empty())
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "device " + std::to_string(number) + ": " + reason);
  if (driver.version < minDriver)
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "target " + name + " needs a CUDA driver of version " +
                        std::to_string(minDriver / 1000) + "." +
                        std::to_string(minDriver % 1000 / 10) +
                        " or newer, this one has " +
                        std::to_string(driver.version / 1000) + "." +
                        std::to_string(driver.version % 1000 / 10));

  bool isCubin = takesCubin(device.capability);
  char log[8192] = "";
  int options[] = {kJitErrorLog, kJitErrorLogSize};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  Result result = driver.moduleLoadDataEx(
      &module, isCubin ? cubin.data() : ptx.c_str(), 2, options, values);
  // A cubin of a newer format than the driver's leaves the PTX to try.
  if (result && isCubin && takesPtx(device.capability)) {
    isCubin = false;
    result = driver.moduleLoadDataEx(&module, ptx.c_str(), 2, options, values);
  }
  if (result == kSuccess)
    return SEQC_OK;
  std::string message = std::string("loading the ") +
                        (isCubin ? "machine code" : "PTX") + " for " + name +
                        " on device " + std::to_string(number) + " '" +
                        device.name + "' failed: " + driver.describe(result);
  if (result == kUnsupportedPtxVersion)
    message += "; the driver (CUDA " + std::to_string(driver.version / 1000) +
               "." + std::to_string(driver.version % 1000 / 10) +
               ") is older than the PTX";
  // One line, as every message.
  std::string detail;
  for (const char *c = log; *c; ++c) {
    if (*c != '\n')
      detail += *c;
    else if (!detail.empty() && detail.back() != ';')
      detail += ';';
  }
  if (!detail.empty())
    message += ": " + detail;
  return setError(result == kOutOfMemory ? SEQC_ERROR_OUT_OF_MEMORY
                                         : SEQC_ERROR_DEVICE,
                  message);
}

uint32_t cuda::Slots::get(uint64_t stream, bool isCaptured, uint32_t count) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!isCaptured)
    if (auto it = ofStreams.find(stream); it != ofStreams.end())
      return it->second;
  if (used + 1 >= count)
    return count - 1;
  if (!isCaptured)
    ofStreams.emplace(stream, used);
  return used++;
}

SeqcStatus cuda::Program::load(const Driver &driver, int32_t device,
                               Context context,
                               const LoadedModule *&out) const {
  auto find = [&]() -> const LoadedModule * {
    for (const LoadedModule *module = loaded.load(std::memory_order_acquire);
         module; module = module->next)
      if (module->context == context)
        return module;
    return nullptr;
  };
  if ((out = find()))
    return SEQC_OK;
  std::lock_guard<std::mutex> lock(loading);
  if ((out = find()))
    return SEQC_OK;

  // A stream that is being captured must not forbid this.
  int mode = kCaptureRelaxed;
  driver.exchangeCaptureMode(&mode);
  struct Restore {
    const Driver &driver;
    int &mode;
    ~Restore() { driver.exchangeCaptureMode(&mode); }
  } restore{driver, mode};

  auto module = std::make_unique<LoadedModule>();
  module->context = context;
  if (SeqcStatus status = loadModule(driver, device, module->module))
    return status;
  auto failed = [&](SeqcStatus status) {
    driver.moduleUnload(module->module);
    return status;
  };
  int maxShared = driver.devices[size_t(device)].maxShared;
  for (const Kernel &kernel : kernels) {
    Function function = nullptr;
    if (Result result = driver.moduleGetFunction(&function, module->module,
                                                 kernel.name.c_str()))
      return failed(
          driver.fail("finding kernel '" + kernel.name + "'", result));
    // Others of the program may do; a launch of this one fails.
    if (int64_t(kernel.sharedBytes) > maxShared) {
      module->functions.push_back(nullptr);
      module->blocksAtOnce.push_back(0);
      continue;
    }
    if (kernel.sharedBytes > 0)
      if (Result result = driver.funcSetAttribute(
              function, kFunctionMaxDynamicShared, int(kernel.sharedBytes)))
        return failed(driver.fail(
            "reserving " + std::to_string(kernel.sharedBytes) +
                " bytes of shared memory for kernel '" + kernel.name + "'",
            result));
    module->functions.push_back(function);
    int blocks = 0;
    if (kernel.slots > 0)
      if (Result result =
              driver.occupancy(&blocks, function, int(kernel.threads),
                               size_t(kernel.sharedBytes)))
        return failed(driver.fail("asking how many blocks of kernel '" +
                                      kernel.name + "' run at once",
                                  result));
    module->blocksAtOnce.push_back(
        int64_t(std::max(blocks, 1)) *
        std::max(driver.devices[size_t(device)].multiprocessors, 1));
  }
  module->next = loaded.load(std::memory_order_relaxed);
  out = module.get();
  loaded.store(module.release(), std::memory_order_release);
  return SEQC_OK;
}
