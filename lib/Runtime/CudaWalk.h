//===- CudaWalk.h - A walk over a plan --------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pass over the steps of a plan, with everything on the stack: a value per
// step, a view per tensor, and the parameters of the launch at hand. Memory is
// allocated and freed in the order of the stream, so that nothing waits, and
// the whole can be captured into a graph.
//
// A failure on the way frees what was allocated, again in stream order: kernels
// that are already enqueued may still write to it.
//
// The steps are in CudaWalk.cpp, memory and results in CudaMemory.cpp, launches
// in CudaLaunch.cpp, and the tensor maps that these take in CudaTensorMap.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_RUNTIME_CUDAWALK_H
#define SEQC_LIB_RUNTIME_CUDAWALK_H

#include "CudaProgram.h"

#include "seqc/Support/FixedArray.h"

#include <limits>

namespace seqc::cuda {

struct View {
  Pointer data = 0;
  const int64_t *sizes = nullptr;
  const int64_t *strides = nullptr;
};

inline constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();

/// Sets the error of a call of `function`.
SeqcStatus failAt(const SeqcFunction &function, const std::string &problem);

/// The strides of a tensor without gaps.
void denseStrides(const int64_t *shape, int32_t rank, int64_t *strides);

/// The walk over a plan.
class Walk {
public:
  Walk(const SeqcFunction &function, const SeqcValue *arguments)
      : function(function), plan(function.gpu->plan(function.number)),
        arguments(arguments), values(plan.numValues), sizes(plan.numSizes),
        views(plan.tensors.size()), memory(plan.allocations.size()) {}

  SeqcStatus start();
  /// Steps that make no difference to memory.
  SeqcStatus evaluate(const Step &step);
  /// The sizes of an allocation.
  SeqcStatus measure(const Allocation &allocation);
  SeqcStatus run(const Driver &driver, const LoadedModule &module,
                 int32_t device, SeqcValue *results, Stream stream,
                 bool inPlace);
  SeqcStatus shapes(int64_t *out);
  int32_t device() const { return deviceNumber; }

private:
  std::string describeTensor(uint32_t tensor) const;
  SeqcStatus reject(uint32_t tensor, const std::string &problem,
                    SeqcStatus code = SEQC_ERROR_INVALID_ARGUMENT) const;
  SeqcStatus allocate(const Allocation &allocation);
  SeqcStatus checkProvided(const Allocation &allocation,
                           const SeqcTensor &tensor);
  SeqcStatus checkArguments(const Launch &launch, const Kernel &kernel);
  /// Without points there is nothing to do, whatever the sizes are.
  bool isEmpty(const Launch &launch) {
    return values[launch.grid[0]].i == 0 || values[launch.grid[1]].i == 0 ||
           values[launch.grid[2]].i == 0;
  }
  SeqcStatus check(const Launch &launch);
  SeqcStatus launch(Launch &launch, char *parameters, void **pointers);
  Result enqueue(const Launch &launch, const int64_t *grid, void **pointers);
  SeqcStatus pack(Launch &launch, const Kernel &kernel, char *parameters,
                  void **pointers);
  SeqcStatus chooseBlocks(const Launch &launch, const Kernel &kernel,
                          int64_t *grid);
  SeqcStatus encode(const MapSpec &spec, const Parameter &parameter,
                    const Launch &launch, MapCache &cache, TensorMap *to);
  SeqcStatus finish(SeqcValue *results);
  void release(bool failed);

  int32_t rankOf(uint32_t tensor) const { return plan.tensors[tensor].rank; }
  int64_t elementSize(uint32_t tensor) const {
    return int64_t(seqcDTypeSize(plan.tensors[tensor].dtype));
  }

  const SeqcFunction &function;
  const Plan &plan;
  const SeqcValue *arguments;
  int32_t deviceNumber = -1;
  const Driver *driver = nullptr;
  const LoadedModule *module = nullptr;
  Stream stream = nullptr;
  uint32_t slot = 0;
  /// Whether a kernel of this walk is the last thing in the stream.
  bool hasLaunched = false;
  SeqcValue *results = nullptr;
  bool inPlace = false;

  FixedArray<Slot, 96> values;
  FixedArray<int64_t, 192> sizes;
  FixedArray<View, 32> views;

  struct Memory {
    Pointer data = 0;
    bool owned = false;
  };
  FixedArray<Memory, 8> memory;
};

} // namespace seqc::cuda

#endif // SEQC_LIB_RUNTIME_CUDAWALK_H
