//===- CudaProgram.h - Programs for GPUs ------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The code of a program for a GPU is one module of kernels. What the host does
// around them (sizes, grids, allocations, launches) is a plan per function: a
// list of steps in the artifact's metadata, which is read once, when the
// program is loaded, into the structures below. They hold nothing that needs a
// look-up later; every index in them has been checked.
//
// A call walks the plan. What it needs (integers, the views of tensors, the
// kernels' parameters) has a size that is known then, and lives on the stack.
//
//   CudaPlan.cpp       reads the plans
//   CudaProgram.cpp    loads the module where a call needs it
//   CudaCall.cpp       calls: the device, its module, a walk over the plan
//   CudaWalk.cpp       the steps of a plan
//   CudaMemory.cpp     allocations and results
//   CudaLaunch.cpp     launches
//   CudaTensorMap.cpp  descriptions of tensors for the copy engine
//   CudaDevices.cpp    devices, streams and marks for callers
//   CudaDriver.cpp     the driver
//
// A module is loaded once per context, under a lock; finding it again takes
// none.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_RUNTIME_CUDAPROGRAM_H
#define SEQC_LIB_RUNTIME_CUDAPROGRAM_H

#include "CudaDriver.h"
#include "Program.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace seqc::cuda {

constexpr int32_t kMaxTensorMapRank = 5;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// One parameter of a kernel, made from the arguments of a launch.
struct Parameter {
  enum Kind : uint8_t { Pointer, Size, Stride, Scalar, Map, Grid, Slot };
  Kind kind;
  /// Of a scalar.
  SeqcDType dtype = 0;
  uint32_t argument = 0;
  uint32_t dim = 0;
  /// Where it lies in the memory for parameters.
  uint32_t offset = 0;
  /// Of a tensor map: its number in the kernel, and in `Kernel::maps`.
  uint32_t map = 0;
};

/// What is constant of a tensor map; sizes are in the driver's order, innermost
/// first.
struct MapSpec {
  int32_t rank = 0;
  uint32_t box[kMaxTensorMapRank] = {};
  int swizzle = 0;
  int promotion = 0;
};

struct Kernel {
  std::string name;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0;
  std::vector<Parameter> parameters;
  std::vector<MapSpec> maps;
  uint32_t parameterBytes = 0;
  /// Arguments that it reads or writes 16 bytes at a time.
  std::vector<uint32_t> aligned;
  bool alignedAll = false;
  /// Its blocks take points of the grid one after another, off one of so many
  /// counters; 0: each block does its own point.
  uint32_t slots = 0;
  /// It waits for what is in front of it in the stream before all else, so it
  /// may start before that has ended.
  bool waits = false;
};

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

enum class Op : uint8_t {
  Constant,
  Dim,
  Argument,
  Add,
  Sub,
  Mul,
  DivU,
  DivS,
  CeilDivS,
  FloorDivS,
  RemU,
  RemS,
  Mod,
  Min,
  Max,
  MinU,
  MaxU,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  ULt,
  ULe,
  UGt,
  UGe,
  Select,
  Alloc,
  Launch
};

/// A value of a plan.
union Slot {
  int64_t i;
  double f;
};

struct Step {
  Op op;
  /// Operands; the tensor and the dimension of Dim; the argument of Argument;
  /// the index of Alloc and Launch in the plan's lists.
  uint32_t a = 0, b = 0, c = 0;
  /// The value that the step defines.
  uint32_t result = 0;
  Slot constant = {};
};

struct Allocation {
  static constexpr uint32_t kScratch = ~0u;
  SeqcDType dtype = 0;
  std::vector<uint32_t> shape;
  uint32_t tensor = 0;
  /// The number of the function's result that it is, or kScratch.
  uint32_t result = kScratch;
};

/// Tensor maps that were made lately for one parameter of one launch: calls
/// that follow one another often have the same views.
struct MapCache {
  struct Entry {
    Pointer address = 0;
    int64_t sizes[kMaxTensorMapRank] = {};
    int64_t strides[kMaxTensorMapRank] = {};
    bool valid = false;
    TensorMap map;
  };
  static constexpr uint32_t kEntries = 4;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  uint32_t next = 0;
  Entry entries[kEntries];
};

struct LaunchArgument {
  bool isTensor = false;
  /// The tensor or the value.
  uint32_t index = 0;
  /// Of a value.
  bool isFloat = false;
};

/// A requirement on the strides of an argument: that of `dim` is the product of
/// the sizes after it.
struct DenseDim {
  uint32_t argument;
  uint32_t dim;
};

/// An argument whose address and strides are multiples of 16 bytes, and, where
/// it is read through a tensor map, above 0.
struct AlignedArgument {
  uint32_t argument;
  bool map;
};

struct Launch {
  uint32_t kernel = 0;
  uint32_t grid[3] = {};
  std::vector<LaunchArgument> arguments;
  std::vector<DenseDim> dense;
  std::vector<AlignedArgument> aligned;
  std::unique_ptr<MapCache[]> maps;
};

struct Return {
  bool isTensor = false;
  uint32_t index = 0;
  bool isFloat = false;
};

/// What a tensor of a plan is before the call.
struct TensorSpec {
  SeqcDType dtype = 0;
  int32_t rank = 0;
  /// Where its sizes, then its strides, lie in the memory for sizes.
  uint32_t sizes = 0;
  /// The function's argument, or kNone for an allocation.
  static constexpr uint32_t kNone = ~0u;
  uint32_t argument = kNone;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Allocation> allocations;
  std::vector<Launch> launches;
  std::vector<Return> results;
  /// The function's arguments (scalars have none of rank > 0), then the
  /// allocations.
  std::vector<TensorSpec> tensors;
  uint32_t numValues = 0;
  /// Integers for the sizes and strides of all tensors.
  uint32_t numSizes = 0;
  uint32_t parameterBytes = 0;
  uint32_t maxParameters = 0;
  bool hasTensors = false;
};

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// Which counter of a module's persistent kernels a launch uses. Launches in
/// one stream run one after another and have one; what a graph captures may run
/// next to anything and has one of its own.
class Slots {
public:
  /// A slot below `count - 1`, or `count - 1` if there is none left.
  uint32_t get(uint64_t stream, bool isCaptured, uint32_t count);

private:
  std::mutex mutex;
  std::unordered_map<uint64_t, uint32_t> ofStreams;
  uint32_t used = 0;
};

/// The kernels in a context.
struct LoadedModule {
  Context context = nullptr;
  Module module = nullptr;
  /// Null for a kernel that needs more shared memory than there is.
  std::vector<Function> functions;
  /// Blocks of each kernel that the device runs at once; of persistent kernels.
  std::vector<int64_t> blocksAtOnce;
  mutable Slots slots;
  LoadedModule *next = nullptr;
};

class Program {
public:
  /// Reads the kernels and plans of a target. Throws BadMetadata.
  Program(const Json &target, const std::vector<SeqcFunction> &functions,
          std::string_view cubin, std::string_view ptx);
  ~Program();

  const Plan &plan(size_t function) const { return plans[function]; }
  const Kernel &kernel(size_t number) const { return kernels[number]; }

  /// The kernels in a context of a device, loaded if they are not yet.
  SeqcStatus load(const Driver &driver, int32_t device, Context context,
                  const LoadedModule *&module) const;

  /// Why the device cannot run the code, or "".
  std::string whyUnsupported(const DeviceInfo &device) const;
  int oldestDriver() const { return minDriver; }

private:
  bool takesCubin(int capability) const;
  bool takesPtx(int capability) const;
  SeqcStatus loadModule(const Driver &driver, int32_t device,
                        Module &module) const;

  std::string name, cubin, ptx;
  /// 90 for "sm_90a".
  int arch = 0;
  /// 'a' or 'f' for code that does not run on later devices, else 0.
  char suffix = 0;
  int minDriver = kOldestDriver;
  std::vector<Kernel> kernels;
  std::vector<Plan> plans;

  mutable std::atomic<LoadedModule *> loaded{nullptr};
  mutable std::mutex loading;
};

/// Reads the parameters and properties of a kernel. Throws BadMetadata.
Kernel readKernel(const Json &json);

/// Reads the plan of a function. Throws BadMetadata.
Plan readPlan(const Json &json, const SeqcFunction &function,
              const std::vector<Kernel> &kernels);

/// Runs the plan of a function whose arguments have been checked one by one.
/// `inPlace`: results may come with memory. `wait`: return when the work is
/// done.
SeqcStatus call(const SeqcFunction &function, const SeqcValue *arguments,
                SeqcValue *results, Stream stream, bool inPlace, bool wait);

/// The sizes of the results of a call.
SeqcStatus resultShapes(const SeqcFunction &function,
                        const SeqcValue *arguments, int64_t *sizes);

} // namespace seqc::cuda

#endif // SEQC_LIB_RUNTIME_CUDAPROGRAM_H
