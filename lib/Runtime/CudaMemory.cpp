//===- CudaMemory.cpp - The memory of a call ------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Allocations get the caller's memory or new memory in the order of the stream,
// and results own theirs. What can fail does so before a result is written.
//
//===----------------------------------------------------------------------===//

#include "CudaWalk.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cstdlib>

using namespace seqc;
using namespace seqc::cuda;

SeqcStatus Walk::measure(const Allocation &allocation) {
  const TensorSpec &spec = plan.tensors[allocation.tensor];
  int64_t *own = sizes.data() + spec.sizes;
  int64_t bytes = elementSize(allocation.tensor);
  bool empty = false, fits = true;
  for (int32_t dim = 0; dim < spec.rank; ++dim) {
    own[dim] = values[allocation.shape[size_t(dim)]].i;
    if (own[dim] < 0 || own[dim] > kMaxSize)
      return reject(allocation.tensor,
                    "size of dimension " + std::to_string(dim) + " is " +
                        std::to_string(own[dim]) + ", expected 0 to 2^31 - 1");
    empty |= own[dim] == 0;
    if (own[dim] != 0)
      fits &= !__builtin_mul_overflow(bytes, own[dim], &bytes);
  }
  if (!empty && !fits)
    return setError(SEQC_ERROR_OUT_OF_MEMORY,
                    "function '" + function.name + "', " +
                        describeTensor(allocation.tensor) +
                        ": more than 2^63 bytes");
  View &view = views[allocation.tensor];
  view.sizes = own;
  view.strides = own + spec.rank;
  return SEQC_OK;
}

SeqcStatus Walk::checkProvided(const Allocation &allocation,
                               const SeqcTensor &tensor) {
  const TensorSpec &spec = plan.tensors[allocation.tensor];
  const int64_t *own = views[allocation.tensor].sizes;
  std::string expected = tensorType(own, spec.rank, spec.dtype);
  if (tensor.rank < 0 || tensor.rank > kMaxRank ||
      (tensor.rank > 0 && !tensor.shape))
    return reject(allocation.tensor,
                  "rank is " + std::to_string(tensor.rank) +
                      (tensor.shape ? "" : " and the shape null") +
                      ", expected " + expected);
  if (tensor.dtype != spec.dtype || tensor.rank != spec.rank ||
      !std::equal(own, own + spec.rank, tensor.shape))
    return reject(allocation.tensor,
                  "is " + tensorType(tensor.shape, tensor.rank, tensor.dtype) +
                      ", expected " + expected);
  if (tensor.device_type != SEQC_DEVICE_CUDA ||
      tensor.device_id != deviceNumber)
    return reject(allocation.tensor,
                  "is on device " + std::to_string(tensor.device_type) + ":" +
                      std::to_string(tensor.device_id) +
                      ", expected CUDA device " + std::to_string(deviceNumber));
  if (reinterpret_cast<uintptr_t>(tensor.data) %
      size_t(elementSize(allocation.tensor)))
    return reject(allocation.tensor,
                  "data is not aligned to " +
                      std::to_string(elementSize(allocation.tensor)) +
                      " bytes");
  return SEQC_OK;
}

/// Gives an allocation memory: the caller's, or new.
SeqcStatus Walk::allocate(const Allocation &allocation) {
  if (SeqcStatus status = measure(allocation))
    return status;
  const TensorSpec &spec = plan.tensors[allocation.tensor];
  View &view = views[allocation.tensor];
  int64_t *strides = const_cast<int64_t *>(view.strides);
  denseStrides(view.sizes, spec.rank, strides);
  Memory &own = memory[size_t(&allocation - plan.allocations.data())];

  if (inPlace && allocation.result != Allocation::kScratch) {
    const SeqcValue &given = results[allocation.result];
    if (given.kind == SEQC_VALUE_TENSOR && given.as.tensor.data) {
      const SeqcTensor &tensor = given.as.tensor;
      if (SeqcStatus status = checkProvided(allocation, tensor))
        return status;
      if (tensor.strides)
        std::copy_n(tensor.strides, spec.rank, strides);
      view.data = reinterpret_cast<uintptr_t>(tensor.data);
      return SEQC_OK;
    }
  }
  size_t bytes = size_t(elementSize(allocation.tensor));
  for (int32_t dim = 0; dim < spec.rank; ++dim)
    bytes *= size_t(view.sizes[dim]);
  if (bytes == 0)
    return SEQC_OK;
  if (Result result = driver->memAllocAsync(&own.data, bytes, stream)) {
    own.data = 0;
    return driver->fail("allocating " + std::to_string(bytes) +
                            " bytes on CUDA device " +
                            std::to_string(deviceNumber) + " for " +
                            describeTensor(allocation.tensor) +
                            " of function '" + function.name + "'",
                        result);
  }
  own.owned = true;
  view.data = own.data;
  return SEQC_OK;
}

/// Frees scratch memory, and after a failure all memory.
void Walk::release(bool failed) {
  for (size_t i = 0; i < plan.allocations.size(); ++i) {
    bool scratch = plan.allocations[i].result == Allocation::kScratch;
    if (memory[i].owned && (scratch || failed))
      driver->memFreeAsync(memory[i].data, stream);
  }
}

/// Hands out the results. What can fail does so before `results` is written.
SeqcStatus Walk::finish(SeqcValue *results) {
  struct Release {
    void operator()(Owner *owner) const { std::free(owner); }
  };
  size_t count = plan.results.size();
  constexpr size_t kLocal = 8;
  FixedArray<std::unique_ptr<Owner, Release>, kLocal> owners(count);
  FixedArray<Pointer, kLocal> copies(count);
  Context context = module->context;
  auto allocationOf = [&](size_t i) -> const Allocation * {
    for (const Allocation &allocation : plan.allocations)
      if (allocation.result == i)
        return &allocation;
    return nullptr;
  };
  auto isProvided = [&](size_t i) {
    return inPlace && results[i].kind == SEQC_VALUE_TENSOR &&
           results[i].as.tensor.data;
  };
  SeqcStatus status = SEQC_OK;
  size_t done = 0;
  for (; done < count; ++done) {
    copies[done] = 0;
    const Return &result = plan.results[done];
    if (!result.isTensor)
      continue;
    const View &view = views[result.index];
    const Allocation *allocation = allocationOf(done);
    if (allocation && isProvided(done))
      continue;
    if (!allocation) {
      // An argument, or a result for the second time: a copy of its own.
      int32_t rank = rankOf(result.index);
      size_t bytes = size_t(elementSize(result.index));
      int64_t dense = 1;
      for (int32_t dim = rank; dim-- > 0;) {
        bytes *= size_t(view.sizes[dim]);
        if (view.sizes[dim] > 1 && view.strides[dim] != dense)
          status = failAt(function, "result " + std::to_string(done) + " is " +
                                        describeTensor(result.index) +
                                        ", which is not dense");
        dense *= view.sizes[dim];
      }
      if (!status && isProvided(done))
        status = failAt(function, "result " + std::to_string(done) + " is " +
                                      describeTensor(result.index) +
                                      " and cannot be written in place");
      if (status)
        break;
      if (bytes) {
        Result code = driver->memAllocAsync(&copies[done], bytes, stream);
        if (code)
          copies[done] = 0;
        else
          code =
              driver->memcpyDtoDAsync(copies[done], view.data, bytes, stream);
        if (code) {
          status = driver->fail("copying result " + std::to_string(done) +
                                    " of function '" + function.name + "'",
                                code);
          ++done;
          break;
        }
      }
    }
    Owner *owner = Owner::create(rankOf(result.index));
    owners[done].reset(owner);
    owner->device = context;
    owner->stream = stream;
    int32_t rank = rankOf(result.index);
    std::copy_n(view.sizes, rank, owner->shape());
    denseStrides(view.sizes, rank, owner->shape() + rank);
  }
  if (status) {
    for (size_t i = 0; i < done; ++i)
      if (copies[i])
        driver->memFreeAsync(copies[i], stream);
    return status;
  }
  for (size_t i = 0; i < count; ++i) {
    const Return &result = plan.results[i];
    if (!result.isTensor) {
      results[i] = SeqcValue();
      results[i].kind = result.isFloat ? SEQC_VALUE_FLOAT : SEQC_VALUE_INT;
      if (result.isFloat)
        results[i].as.f64 = values[result.index].f;
      else
        results[i].as.i64 = values[result.index].i;
      continue;
    }
    Owner *owner = owners[i].release();
    if (!owner)
      continue; // In place.
    results[i] = SeqcValue();
    results[i].kind = SEQC_VALUE_TENSOR;
    SeqcTensor &tensor = results[i].as.tensor;
    Pointer data = allocationOf(i) ? views[result.index].data : copies[i];
    owner->allocated = reinterpret_cast<void *>(data);
    tensor.data = owner->allocated;
    tensor.dtype = plan.tensors[result.index].dtype;
    tensor.rank = rankOf(result.index);
    tensor.shape = owner->shape();
    tensor.strides = owner->shape() + tensor.rank;
    tensor.device_type = SEQC_DEVICE_CUDA;
    tensor.device_id = deviceNumber;
    tensor.owner = owner;
  }
  return SEQC_OK;
}
