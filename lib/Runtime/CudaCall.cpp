//===- CudaCall.cpp - Calls of functions on a GPU -------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the device of the arguments, loads the program there and walks the
// plan.
//
//===----------------------------------------------------------------------===//

#include "CudaWalk.h"

#include "seqc/Runtime/Status.h"

using namespace seqc;
using namespace seqc::cuda;

SeqcStatus cuda::call(const SeqcFunction &function, const SeqcValue *arguments,
                      SeqcValue *results, Stream stream, bool inPlace,
                      bool wait) {
  Walk walk(function, arguments);
  if (SeqcStatus status = walk.start())
    return status;
  const Driver *driver = Driver::get();
  if (!driver) {
    SeqcStatus status = SEQC_ERROR_UNSUPPORTED;
    return setError(status, "function '" + function.name +
                                "' is for a GPU: " + seqcLastErrorMessage());
  }
  int32_t device = walk.device();
  if (device < 0) {
    // Without tensors, the current device.
    Context current = nullptr;
    device = 0;
    if (driver->ctxGetCurrent(&current) == kSuccess && current)
      driver->ctxGetDevice(&device);
  }
  Context context = nullptr;
  if (SeqcStatus status = driver->contextFor(device, context))
    return status;
  ContextScope scope(*driver, context);
  if (scope.result())
    return driver->fail("cuCtxPushCurrent", scope.result());
  const LoadedModule *module = nullptr;
  if (SeqcStatus status = function.gpu->load(*driver, device, context, module))
    return status;
  if (SeqcStatus status =
          walk.run(*driver, *module, device, results, stream, inPlace))
    return status;
  if (!wait)
    return SEQC_OK;
  if (Result result = driver->streamSynchronize(stream)) {
    for (size_t i = 0; i < function.results.size(); ++i)
      if (results[i].kind == SEQC_VALUE_TENSOR)
        seqcTensorRelease(&results[i].as.tensor);
    return driver->fail("function '" + function.name + "' on CUDA device " +
                            std::to_string(device),
                        result);
  }
  return SEQC_OK;
}

SeqcStatus cuda::resultShapes(const SeqcFunction &function,
                              const SeqcValue *arguments, int64_t *sizes) {
  Walk walk(function, arguments);
  if (SeqcStatus status = walk.start())
    return status;
  return walk.shapes(sizes);
}
