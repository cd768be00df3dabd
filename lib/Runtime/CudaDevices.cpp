//===- CudaDevices.cpp - Devices, streams and marks for callers -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API's questions about devices and the order of work on them, for
// callers that have no CUDA runtime of their own.
//
//===----------------------------------------------------------------------===//

#include "CudaProgram.h"

#include "seqc/Runtime/Status.h"

using namespace seqc;
using namespace seqc::cuda;

struct SeqcMark {
  Context context;
  Event event;
};

/// Runs `body(driver)` in a context of the device.
template <typename Body>
static SeqcStatus onDevice(int32_t device, Body &&body) {
  return guarded([&]() -> SeqcStatus {
    const Driver *driver = Driver::get();
    if (!driver)
      return SEQC_ERROR_UNSUPPORTED;
    Context context = nullptr;
    if (SeqcStatus status = driver->contextFor(device, context))
      return status;
    ContextScope scope(*driver, context);
    if (scope.result())
      return driver->fail("cuCtxPushCurrent", scope.result());
    return body(*driver, context);
  });
}

void seqc::releaseDeviceMemory(Owner &owner) {
  const Driver *driver = owner.allocated ? Driver::get() : nullptr;
  if (!driver)
    return;
  ContextScope scope(*driver, static_cast<Context>(owner.device));
  // There is nobody to tell of a failure, and while the process ends the
  // driver may be gone already.
  if (scope.result() == kSuccess)
    driver->memFreeAsync(reinterpret_cast<uintptr_t>(owner.allocated),
                         static_cast<Stream>(owner.stream));
}

extern "C" {

SeqcStatus seqcDeviceCount(int32_t *count) {
  if (!count)
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "seqcDeviceCount: count is null");
  *count = 0;
  return guarded([&]() -> SeqcStatus {
    const Driver *driver = Driver::get();
    if (!driver)
      return SEQC_ERROR_UNSUPPORTED;
    *count = int32_t(driver->devices.size());
    return SEQC_OK;
  });
}

SeqcStatus seqcDeviceCapability(int32_t device_id, int32_t *capability) {
  if (!capability)
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "seqcDeviceCapability: capability is null");
  return guarded([&]() -> SeqcStatus {
    const Driver *driver = Driver::get();
    if (!driver)
      return SEQC_ERROR_UNSUPPORTED;
    const DeviceInfo *device = driver->device(device_id);
    if (!device)
      return SEQC_ERROR_INVALID_ARGUMENT;
    *capability = device->capability;
    return SEQC_OK;
  });
}

SeqcStatus seqcPointerDevice(const void *pointer, int32_t *device_id) {
  if (!device_id)
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "seqcPointerDevice: device_id is null");
  return guarded([&]() -> SeqcStatus {
    const Driver *driver = Driver::get();
    if (!driver)
      return SEQC_ERROR_UNSUPPORTED;
    int number = 0;
    if (Result result = driver->pointerGetAttribute(
            &number, kPointerDevice, reinterpret_cast<uintptr_t>(pointer)))
      return driver->fail("finding the device of an address", result);
    *device_id = number;
    return SEQC_OK;
  });
}

SeqcStatus seqcStreamWait(int32_t device_id, void *waiting, void *stream) {
  return onDevice(device_id, [&](const Driver &driver, Context) {
    Event event = nullptr;
    if (Result result = driver.eventCreate(&event, kEventNoTiming))
      return driver.fail("cuEventCreate", result);
    Result result = driver.eventRecord(event, static_cast<Stream>(stream));
    if (!result)
      result = driver.streamWaitEvent(static_cast<Stream>(waiting), event, 0);
    // The driver keeps the event for as long as it needs it.
    driver.eventDestroy(event);
    return result ? driver.fail("making a stream wait for another", result)
                  : SEQC_OK;
  });
}

SeqcStatus seqcMarkCreate(int32_t device_id, void *stream, SeqcMark **mark) {
  if (!mark)
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "seqcMarkCreate: mark is null");
  *mark = nullptr;
  return onDevice(device_id, [&](const Driver &driver, Context context) {
    Event event = nullptr;
    if (Result result = driver.eventCreate(&event, kEventNoTiming))
      return driver.fail("cuEventCreate", result);
    if (Result result =
            driver.eventRecord(event, static_cast<Stream>(stream))) {
      driver.eventDestroy(event);
      return driver.fail("cuEventRecord", result);
    }
    *mark = new SeqcMark{context, event};
    return SeqcStatus(SEQC_OK);
  });
}

int32_t seqcMarkIsDone(const SeqcMark *mark) {
  const Driver *driver = mark ? Driver::get() : nullptr;
  return !driver || driver->eventQuery(mark->event) != kNotReady;
}

void seqcMarkRelease(SeqcMark *mark) {
  const Driver *driver = mark ? Driver::get() : nullptr;
  if (driver) {
    ContextScope scope(*driver, mark->context);
    if (scope.result() == kSuccess)
      driver->eventDestroy(mark->event);
  }
  delete mark;
}

} // extern "C"
