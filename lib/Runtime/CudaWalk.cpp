//===- CudaWalk.cpp - The steps of a plan ---------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a walk does with each step, and the steps that make no difference to
// memory: sizes and what is computed from them.
//
//===----------------------------------------------------------------------===//

#include "CudaWalk.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>

using namespace seqc;
using namespace seqc::cuda;

/// What a plan does to integers; `good` is false for a division by zero.
static int64_t compute(Op op, int64_t a, int64_t b, bool &good) {
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

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

SeqcStatus cuda::failAt(const SeqcFunction &function,
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
// Steps
//===----------------------------------------------------------------------===//

void cuda::denseStrides(const int64_t *shape, int32_t rank, int64_t *strides) {
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
    int64_t *own = sizes.data() + spec.sizes;
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
  FixedArray<Line, 24> parameters(plan.parameterBytes / sizeof(Line) + 1);
  FixedArray<void *, 96> pointers(plan.maxParameters);
  SeqcStatus status = SEQC_OK;
  try {
    // Launches come last.
    auto step = plan.steps.begin(), end = plan.steps.end();
    for (; !status && step != end && step->op != Op::Launch; ++step)
      status = step->op == Op::Alloc ? allocate(plan.allocations[step->a])
                                     : evaluate(*step);
    for (auto next = step; !status && next != end; ++next)
      if (!isEmpty(plan.launches[next->a]))
        status = check(plan.launches[next->a]);
    for (; !status && step != end; ++step) {
      // The caches in a launch are all that a call changes of a program.
      auto &next = const_cast<Launch &>(plan.launches[step->a]);
      if (!isEmpty(next))
        status = launch(next, parameters.data()->bytes, pointers.data());
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
