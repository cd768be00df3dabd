//===- CudaCall.cpp - Walking a plan --------------------------------------===//
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
//===----------------------------------------------------------------------===//

#include "CudaProgram.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cstring>
#include <limits>

using namespace seqc;
using namespace seqc::cuda;

namespace {

/// Memory for `count` objects: on the stack where they are few.
template <typename T, size_t N>
class Scratch {
public:
  explicit Scratch(size_t count) {
    if (count > N)
      heap.reset(new T[count]);
    pointer = heap ? heap.get() : local;
  }
  T *get() { return pointer; }
  T &operator[](size_t i) { return pointer[i]; }

private:
  T local[N];
  std::unique_ptr<T[]> heap;
  T *pointer;
};

struct View {
  Pointer data = 0;
  const int64_t *sizes = nullptr;
  const int64_t *strides = nullptr;
};

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();

/// What a plan does to integers; `good` is false for a division by zero.
int64_t compute(Op op, int64_t a, int64_t b, bool &good) {
  auto ua = uint64_t(a), ub = uint64_t(b);
  // The one quotient that does not fit, and those that do not exist.
  auto divides = [&] { return b != 0 && !(b == -1 && a == INT64_MIN); };
  switch (op) {
  case Op::Add:
    return int64_t(ua + ub);
  case Op::Sub:
    return int64_t(ua - ub);
  case Op::Mul:
    return int64_t(ua * ub);
  case Op::DivU:
  case Op::RemU:
    good = b != 0;
    return !good ? 0 : int64_t(op == Op::DivU ? ua / ub : ua % ub);
  case Op::DivS:
  case Op::RemS:
  case Op::CeilDivS:
  case Op::FloorDivS:
  case Op::Mod: {
    good = divides();
    if (!good)
      return 0;
    int64_t quotient = a / b, rest = a % b;
    bool differ = (a < 0) != (b < 0);
    if (op == Op::DivS)
      return quotient;
    if (op == Op::RemS)
      return rest;
    if (op == Op::CeilDivS)
      return quotient + (rest != 0 && !differ);
    if (op == Op::FloorDivS)
      return quotient - (rest != 0 && differ);
    return rest != 0 && differ ? rest + b : rest;
  }
  case Op::Min:
    return std::min(a, b);
  case Op::Max:
    return std::max(a, b);
  case Op::MinU:
    return int64_t(std::min(ua, ub));
  case Op::MaxU:
    return int64_t(std::max(ua, ub));
  case Op::Eq:
    return a == b;
  case Op::Ne:
    return a != b;
  case Op::Lt:
    return a < b;
  case Op::Le:
    return a <= b;
  case Op::Gt:
    return a > b;
  case Op::Ge:
    return a >= b;
  case Op::ULt:
    return ua < ub;
  case Op::ULe:
    return ua <= ub;
  case Op::UGt:
    return ua > ub;
  case Op::UGe:
    return ua >= ub;
  default:
    return 0;
  }
}

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
  SeqcStatus launch(Launch &launch, char *parameters, void **pointers);
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
  SeqcValue *results = nullptr;
  bool inPlace = false;

  Scratch<Slot, 96> values;
  Scratch<int64_t, 192> sizes;
  Scratch<View, 32> views;

  struct Memory {
    Pointer data = 0;
    bool owned = false;
  };
  Scratch<Memory, 8> memory;
};

} // namespace

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

static SeqcStatus failAt(const SeqcFunction &function,
                         const std::string &problem) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  "function '" + function.name + "': " + problem);
}

std::string Walk::describeTensor(uint32_t tensor) const {
  std::string what;
  const ValueSpec *spec = nullptr;
  if (plan.tensors[tensor].argument != TensorSpec::kNone) {
    what = "argument " + std::to_string(plan.tensors[tensor].argument);
    spec = &function.arguments[plan.tensors[tensor].argument];
  }
  for (const Allocation &allocation : plan.allocations)
    if (allocation.tensor == tensor) {
      what = "scratch memory";
      if (allocation.result != Allocation::kScratch) {
        what = "result " + std::to_string(allocation.result);
        spec = &function.results[allocation.result];
      }
    }
  if (spec && !spec->name.empty())
    what += " '" + spec->name + "'";
  return what;
}

SeqcStatus Walk::reject(uint32_t tensor, const std::string &problem,
                        SeqcStatus code) const {
  return setError(code, "function '" + function.name + "', " +
                            describeTensor(tensor) + ": " + problem);
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

static void denseStrides(const int64_t *shape, int32_t rank, int64_t *strides) {
  int64_t step = 1;
  for (int32_t i = rank; i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
}

/// Fills in the views of the arguments and finds their device.
SeqcStatus Walk::start() {
  uint32_t first = 0;
  for (uint32_t i = 0; i < function.arguments.size(); ++i) {
    if (!function.arguments[i].isTensor)
      continue;
    const SeqcTensor &tensor = arguments[i].as.tensor;
    const TensorSpec &spec = plan.tensors[i];
    View &view = views[i];
    view.data = reinterpret_cast<uintptr_t>(tensor.data);
    int64_t *own = sizes.get() + spec.sizes;
    std::copy_n(tensor.shape, spec.rank, own);
    if (tensor.strides)
      std::copy_n(tensor.strides, spec.rank, own + spec.rank);
    else
      denseStrides(own, spec.rank, own + spec.rank);
    view.sizes = own;
    view.strides = own + spec.rank;
    for (int32_t dim = 0; dim < spec.rank; ++dim)
      if (own[dim] > kMaxSize)
        return reject(i, "size of dimension " + std::to_string(dim) + " is " +
                             std::to_string(own[dim]) +
                             ", expected less than 2^31 on a GPU");
    if (deviceNumber < 0) {
      deviceNumber = tensor.device_id;
      first = i;
    } else if (tensor.device_id != deviceNumber) {
      return reject(i, "is on CUDA device " + std::to_string(tensor.device_id) +
                           ", expected device " + std::to_string(deviceNumber) +
                           " as " + describeTensor(first));
    }
  }
  return SEQC_OK;
}

SeqcStatus Walk::evaluate(const Step &step) {
  Slot &result = values[step.result];
  switch (step.op) {
  case Op::Constant:
    result = step.constant;
    return SEQC_OK;
  case Op::Dim:
    result.i = views[step.a].sizes[step.b];
    return SEQC_OK;
  case Op::Argument: {
    const SeqcValue &argument = arguments[step.a];
    if (argument.kind == SEQC_VALUE_FLOAT)
      result.f = argument.as.f64;
    else
      result.i = argument.as.i64;
    return SEQC_OK;
  }
  case Op::Select:
    result = values[values[step.c].i != 0 ? step.a : step.b];
    return SEQC_OK;
  default: {
    bool good = true;
    result.i = compute(step.op, values[step.a].i, values[step.b].i, good);
    return good ? SEQC_OK : failAt(function, "a size is divided by zero");
  }
  }
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

SeqcStatus Walk::measure(const Allocation &allocation) {
  const TensorSpec &spec = plan.tensors[allocation.tensor];
  int64_t *own = sizes.get() + spec.sizes;
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

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

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

SeqcStatus Walk::launch(Launch &launch, char *parameters, void **pointers) {
  static const int64_t limits[3] = {kMaxSize, 65535, 65535};
  static const char *const names[3] = {"x", "y", "z"};
  const Kernel &kernel = function.gpu->kernel(launch.kernel);
  int64_t grid[3];
  for (int i = 0; i < 3; ++i) {
    grid[i] = values[launch.grid[i]].i;
    // Nothing to do, whatever the other sizes are.
    if (grid[i] == 0)
      return SEQC_OK;
  }
  for (int i = 0; i < 3; ++i)
    if (grid[i] < 0 || grid[i] > limits[i])
      return failAt(function,
                    "the grid of kernel '" + kernel.name + "' has " +
                        std::to_string(grid[i]) + " blocks in " + names[i] +
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
  if (SeqcStatus status = checkArguments(launch, kernel))
    return status;
  if (kernel.slots > 0)
    if (SeqcStatus status = chooseBlocks(launch, kernel, grid))
      return status;
  if (SeqcStatus status = pack(launch, kernel, parameters, pointers))
    return status;
  if (Result result = driver->launchKernel(
          module->functions[launch.kernel], unsigned(grid[0]),
          unsigned(grid[1]), unsigned(grid[2]), kernel.threads, 1, 1,
          kernel.sharedBytes, stream, pointers, nullptr))
    return driver->fail("launching kernel '" + kernel.name + "' of function '" +
                            function.name + "' on CUDA device " +
                            std::to_string(deviceNumber),
                        result);
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Hands out the results. What can fail does so before `results` is written.
SeqcStatus Walk::finish(SeqcValue *results) {
  struct Release {
    void operator()(Owner *owner) const { std::free(owner); }
  };
  size_t count = plan.results.size();
  constexpr size_t kLocal = 8;
  Scratch<std::unique_ptr<Owner, Release>, kLocal> owners(count);
  Scratch<Pointer, kLocal> copies(count);
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

SeqcStatus Walk::run(const Driver &driver, const LoadedModule &module,
                     int32_t device, SeqcValue *results, Stream stream,
                     bool inPlace) {
  this->driver = &driver;
  this->module = &module;
  this->stream = stream;
  this->results = results;
  this->inPlace = inPlace;
  deviceNumber = device;
  // Parameters are aligned as a tensor map is.
  struct alignas(TensorMap) Line {
    char bytes[alignof(TensorMap)];
  };
  Scratch<Line, 24> parameters(plan.parameterBytes / sizeof(Line) + 1);
  Scratch<void *, 96> pointers(plan.maxParameters);
  SeqcStatus status = SEQC_OK;
  try {
    for (const Step &step : plan.steps) {
      if (step.op == Op::Alloc)
        status = allocate(plan.allocations[step.a]);
      else if (step.op == Op::Launch)
        // The caches in a launch are all that a call changes of a program.
        status = launch(const_cast<Launch &>(plan.launches[step.a]),
                        parameters.get()->bytes, pointers.get());
      else
        status = evaluate(step);
      if (status)
        break;
    }
    if (!status)
      status = finish(results);
  } catch (...) {
    release(/*failed=*/true);
    throw;
  }
  release(status != SEQC_OK);
  return status;
}

SeqcStatus Walk::shapes(int64_t *out) {
  for (const Step &step : plan.steps) {
    SeqcStatus status = SEQC_OK;
    if (step.op == Op::Alloc)
      status = measure(plan.allocations[step.a]);
    else if (step.op != Op::Launch)
      status = evaluate(step);
    if (status)
      return status;
  }
  for (const Return &result : plan.results)
    if (result.isTensor)
      out = std::copy_n(views[result.index].sizes, rankOf(result.index), out);
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

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
