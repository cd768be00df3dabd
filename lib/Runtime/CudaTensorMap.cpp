//===- CudaTensorMap.cpp - Descriptions of tensors for the copy engine ----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor map holds the address, sizes and strides of a tensor and the box of
// it that one copy moves. Encoding one takes longer than a launch, so each
// parameter that is one keeps its last few.
//
//===----------------------------------------------------------------------===//

#include "CudaWalk.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cstring>

using namespace seqc;
using namespace seqc::cuda;

SeqcStatus Walk::encode(const MapSpec &spec, const Parameter &parameter,
                        const Launch &launch, MapCache &cache, TensorMap *to) {
  uint32_t tensor = launch.arguments[parameter.argument].index;
  const View &view = views[tensor];
  size_t bytes = size_t(spec.rank) * sizeof(int64_t);
  // Another thread's turn at the cache is shorter than waiting for it.
  bool locked = !cache.busy.test_and_set(std::memory_order_acquire);
  struct Unlock {
    std::atomic_flag *flag;
    ~Unlock() {
      if (flag)
        flag->clear(std::memory_order_release);
    }
  } unlock{locked ? &cache.busy : nullptr};
  if (locked) {
    for (const MapCache::Entry &entry : cache.entries) {
      if (entry.valid && entry.address == view.data &&
          !std::memcmp(entry.sizes, view.sizes, bytes) &&
          !std::memcmp(entry.strides, view.strides, bytes)) {
        *to = entry.map;
        return SEQC_OK;
      }
    }
  }

  int type = 0;
  switch (plan.tensors[tensor].dtype) {
  case SEQC_F16:
    type = 6;
    break;
  case SEQC_BF16:
    type = 9;
    break;
  case SEQC_F32:
    type = 7;
    break;
  case SEQC_F64:
    type = 8;
    break;
  case SEQC_I32:
    type = 3;
    break;
  case SEQC_I64:
    type = 5;
    break;
  default:
    type = 0;
    break;
  }
  // The driver counts dimensions from the innermost, whose stride is 1, and
  // wants sizes of at least 1 and strides of multiples of 16 bytes also where
  // no element is, or one. A tensor without elements counts as a single one.
  uint64_t dims[kMaxTensorMapRank], strides[kMaxTensorMapRank];
  uint32_t steps[kMaxTensorMapRank];
  int64_t element = elementSize(tensor);
  uint64_t span = uint64_t(element);
  bool empty = std::find(view.sizes, view.sizes + spec.rank, 0) !=
               view.sizes + spec.rank;
  for (int32_t i = 0; i < spec.rank; ++i) {
    int32_t dim = spec.rank - 1 - i;
    dims[i] = empty ? 1 : uint64_t(view.sizes[dim]);
    steps[i] = 1;
    uint64_t step = uint64_t(view.strides[dim] * element);
    if (dims[i] == 1 || i == 0)
      step = i == 0 ? uint64_t(element) : (span + 15) / 16 * 16;
    if (i > 0)
      strides[i - 1] = step;
    span = step * dims[i];
  }
  // A tensor without elements may have no address; nothing is read from it.
  Pointer address = view.data;
  for (uint32_t i = 0; empty && i < plan.tensors.size(); ++i)
    if (views[i].data && views[i].data % 16 == 0)
      address = views[i].data;
  TensorMap map;
  if (Result result = driver->tensorMapEncode(
          &map, type, uint32_t(spec.rank), reinterpret_cast<void *>(address),
          dims, strides, spec.box, steps, /*interleave=*/0, spec.swizzle,
          spec.promotion, /*oobFill=*/0)) {
    auto list = [&](const auto *values, int32_t count) {
      std::string text;
      for (int32_t i = count; i-- > 0;)
        text += (text.empty() ? "" : ", ") + std::to_string(values[i]);
      return "(" + text + ")";
    };
    return setError(SEQC_ERROR_DEVICE,
                    "function '" + function.name + "', " +
                        describeTensor(tensor) + ": cuTensorMapEncodeTiled " +
                        "failed: " + driver->describe(result) + ": sizes " +
                        list(dims, spec.rank) + ", strides " +
                        list(strides, spec.rank - 1) + " in bytes, box " +
                        list(spec.box, spec.rank));
  }
  *to = map;
  if (locked) {
    MapCache::Entry &entry = cache.entries[cache.next++ % MapCache::kEntries];
    entry.address = view.data;
    std::memcpy(entry.sizes, view.sizes, bytes);
    std::memcpy(entry.strides, view.strides, bytes);
    entry.map = map;
    entry.valid = true;
  }
  return SEQC_OK;
}
