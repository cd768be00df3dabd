//===- CudaLaunch.cpp - Launches of a plan --------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks what a kernel was compiled for, packs its parameters and enqueues it.
// All launches of a call are checked before the first one: what is refused has
// not run in part.
//
//===----------------------------------------------------------------------===//

#include "CudaWalk.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cstring>

using namespace seqc;
using namespace seqc::cuda;

SeqcStatus Walk::checkArguments(const Launch &launch, const Kernel &kernel) {
  auto misaligned = [&](uint32_t tensor, const std::string &problem) {
    return reject(tensor, problem + " (kernel '" + kernel.name + "')",
                  SEQC_ERROR_MISALIGNED);
  };
  auto badStride = [&](uint32_t tensor, uint32_t dim,
                       const std::string &expected) {
    return misaligned(tensor, "stride of dimension " + std::to_string(dim) +
                                  " is " +
                                  std::to_string(views[tensor].strides[dim]) +
                                  " elements, expected " + expected);
  };
  // Libraries give tensors without elements any strides, and nothing is read.
  auto isEmpty = [&](uint32_t tensor) {
    const int64_t *sizes = views[tensor].sizes;
    return std::find(sizes, sizes + rankOf(tensor), 0) !=
           sizes + rankOf(tensor);
  };
  for (const DenseDim &dense : launch.dense) {
    uint32_t tensor = launch.arguments[dense.argument].index;
    const View &view = views[tensor];
    if (view.sizes[dense.dim] <= 1 || isEmpty(tensor))
      continue;
    int64_t expected = 1;
    for (int32_t dim = rankOf(tensor) - 1; dim > int32_t(dense.dim); --dim)
      expected *= view.sizes[dim];
    if (view.strides[dense.dim] != expected)
      return badStride(tensor, dense.dim, std::to_string(expected));
  }
  for (const AlignedArgument &argument : launch.aligned) {
    uint32_t tensor = launch.arguments[argument.argument].index;
    const View &view = views[tensor];
    if (isEmpty(tensor))
      continue;
    if (view.data % 16)
      return misaligned(tensor, "data is not aligned to 16 bytes, as code "
                                "compiled with \"aligned\" needs");
    int64_t size = elementSize(tensor);
    for (int32_t dim = 0; dim + 1 < rankOf(tensor); ++dim) {
      if (view.sizes[dim] <= 1)
        continue;
      if (view.strides[dim] * size % 16)
        return badStride(tensor, uint32_t(dim),
                         "a multiple of 16 bytes (" +
                             std::to_string(16 / std::min<int64_t>(size, 16)) +
                             " elements), as code compiled with \"aligned\" "
                             "needs");
      if (argument.map && view.strides[dim] <= 0)
        return badStride(tensor, uint32_t(dim),
                         "more than 0, as code compiled with \"aligned\" "
                         "needs");
    }
  }
  return SEQC_OK;
}

template <typename T>
static void put(char *to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

SeqcStatus Walk::pack(Launch &launch, const Kernel &kernel, char *parameters,
                      void **pointers) {
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    const Parameter &parameter = kernel.parameters[i];
    char *to = parameters + parameter.offset;
    pointers[i] = to;
    if (parameter.kind == Parameter::Grid) {
      put(to, int32_t(values[launch.grid[parameter.dim]].i));
      continue;
    }
    const LaunchArgument &argument = launch.arguments[parameter.argument];
    switch (parameter.kind) {
    case Parameter::Pointer:
      put(to, views[argument.index].data);
      break;
    case Parameter::Size:
      put(to, int32_t(views[argument.index].sizes[parameter.dim]));
      break;
    case Parameter::Stride:
      put(to, views[argument.index].strides[parameter.dim]);
      break;
    case Parameter::Map:
      if (SeqcStatus status = encode(kernel.maps[parameter.map], parameter,
                                     launch, launch.maps[parameter.map],
                                     reinterpret_cast<TensorMap *>(to)))
        return status;
      break;
    case Parameter::Scalar: {
      SeqcValue value = SeqcValue();
      if (argument.isFloat)
        value.as.f64 = values[argument.index].f;
      else
        value.as.i64 = values[argument.index].i;
      packScalar(parameter.dtype, value, to);
      break;
    }
    case Parameter::Slot:
      put(to, int32_t(slot));
      break;
    case Parameter::Grid:
      break;
    }
  }
  return SEQC_OK;
}

/// Of a kernel whose blocks take points of the grid: replaces the grid by as
/// many blocks as run at once, and finds the counter that they use.
SeqcStatus Walk::chooseBlocks(const Launch &launch, const Kernel &kernel,
                              int64_t *grid) {
  int64_t points = grid[0] * grid[1] * grid[2];
  // Counters have 32 bits, and each block takes one more.
  int64_t blocks = module->blocksAtOnce[launch.kernel];
  if (points > kMaxSize - blocks)
    return failAt(function, "the grid of kernel '" + kernel.name + "' has " +
                                std::to_string(points) +
                                " blocks in all, at most " +
                                std::to_string(kMaxSize - blocks) +
                                " are possible: a size of the arguments is "
                                "too large");
  blocks = std::min(blocks, points);
  int capturing = 0;
  uint64_t id = 0;
  Result result = driver->streamIsCapturing(stream, &capturing);
  if (!result && !capturing)
    result = driver->streamGetId(stream, &id);
  if (result)
    return driver->fail("asking for the state of a stream", result);
  slot = module->slots.get(id, capturing != 0, kernel.slots);
  // The last one is for all that found none, and of no use with fewer blocks.
  if (slot + 1 == kernel.slots)
    blocks = points;
  grid[0] = blocks;
  grid[1] = grid[2] = 1;
  return SEQC_OK;
}

/// What is known before anything is in the stream.
SeqcStatus Walk::check(const Launch &launch) {
  static const int64_t limits[3] = {kMaxSize, 65535, 65535};
  static const char *const names[3] = {"x", "y", "z"};
  const Kernel &kernel = function.gpu->kernel(launch.kernel);
  for (int i = 0; i < 3; ++i)
    if (int64_t size = values[launch.grid[i]].i; size < 0 || size > limits[i])
      return failAt(function,
                    "the grid of kernel '" + kernel.name + "' has " +
                        std::to_string(size) + " blocks in " + names[i] +
                        ", at most " + std::to_string(limits[i]) +
                        " are possible: a size of the arguments is too large");
  if (!module->functions[launch.kernel]) {
    const DeviceInfo &device = driver->devices[size_t(deviceNumber)];
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "kernel '" + kernel.name + "' needs " +
                        std::to_string(kernel.sharedBytes) +
                        " bytes of shared memory, device " +
                        std::to_string(deviceNumber) + " '" + device.name +
                        "' has " + std::to_string(device.maxShared) +
                        " for a block");
  }
  return checkArguments(launch, kernel);
}

/// Puts a kernel into the stream. One that waits for what it needs starts while
/// the kernel in front of it ends. That must be one of this walk: of what
/// others put into the stream it is not known whether its end is that of all
/// before it.
Result Walk::enqueue(const Launch &launch, const int64_t *grid,
                     void **pointers) {
  const Kernel &kernel = function.gpu->kernel(launch.kernel);
  Function code = module->functions[launch.kernel];
  if (!kernel.waits || !hasLaunched || driver->version < kOldestOverlap)
    return driver->launchKernel(code, unsigned(grid[0]), unsigned(grid[1]),
                                unsigned(grid[2]), kernel.threads, 1, 1,
                                kernel.sharedBytes, stream, pointers, nullptr);
  LaunchAttribute attribute = {};
  attribute.id = kLaunchOverlaps;
  attribute.value.number = 1;
  LaunchConfig config = {
      {unsigned(grid[0]), unsigned(grid[1]), unsigned(grid[2])},
      {kernel.threads, 1, 1},
      kernel.sharedBytes,
      stream,
      &attribute,
      1};
  return driver->launchKernelEx(&config, code, pointers, nullptr);
}

SeqcStatus Walk::launch(Launch &launch, char *parameters, void **pointers) {
  const Kernel &kernel = function.gpu->kernel(launch.kernel);
  int64_t grid[3];
  for (int i = 0; i < 3; ++i)
    grid[i] = values[launch.grid[i]].i;
  if (kernel.slots > 0)
    if (SeqcStatus status = chooseBlocks(launch, kernel, grid))
      return status;
  if (SeqcStatus status = pack(launch, kernel, parameters, pointers))
    return status;
  if (Result result = enqueue(launch, grid, pointers))
    return driver->fail("launching kernel '" + kernel.name + "' of function '" +
                            function.name + "' on CUDA device " +
                            std::to_string(deviceNumber),
                        result);
  hasLaunched = true;
  return SEQC_OK;
}
