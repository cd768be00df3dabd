//===- CudaPlan.cpp - Kernels and plans, as an artifact describes them ----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaProgram.h"

#include <algorithm>

using namespace seqc;
using namespace seqc::cuda;

static int64_t integer(const Json &json, const char *key) {
  return member(json, key, Json::value_t::number_integer).get<int64_t>();
}

/// A number below `limit`.
static uint32_t index(const Json &json, const char *key, size_t limit) {
  int64_t value = integer(json, key);
  if (value < 0 || uint64_t(value) >= limit)
    throw BadMetadata(std::string("\"") + key + "\" is out of range");
  return uint32_t(value);
}

static SeqcDType dtypeOf(const std::string &name) {
  for (SeqcDType dtype = SEQC_F16; dtype <= SEQC_I64; ++dtype)
    if (name == seqcDTypeName(dtype))
      return dtype;
  if (name == "index")
    return SEQC_I64;
  throw BadMetadata("unknown element type '" + name + "'");
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

constexpr size_t kMaxArguments = 4096;
constexpr uint32_t kMaxParameterBytes = 32764;

static void place(Kernel &kernel, Parameter &parameter, uint32_t size,
                  uint32_t alignment) {
  parameter.offset =
      (kernel.parameterBytes + alignment - 1) / alignment * alignment;
  kernel.parameterBytes = parameter.offset + size;
}

static MapSpec readMap(const Json &json) {
  MapSpec map;
  const Json &box = member(json, "box", Json::value_t::array);
  if (box.empty() || box.size() > size_t(kMaxTensorMapRank))
    throw BadMetadata("a tensor map has rank " + std::to_string(box.size()));
  map.rank = int32_t(box.size());
  for (int32_t i = 0; i < map.rank; ++i) {
    const Json &size = box[size_t(map.rank - 1 - i)];
    if (!size.is_number_integer() || size.get<int64_t>() < 1 ||
        size.get<int64_t>() > 256)
      throw BadMetadata("the box of a tensor map is not of sizes 1 to 256");
    map.box[i] = size.get<uint32_t>();
  }
  auto logarithm = [&](const char *key, int64_t fallback, int64_t first,
                       int64_t last) {
    int64_t bytes = json.contains(key) ? integer(json, key) : fallback;
    if (bytes == 0)
      return 0;
    int number = 1;
    for (int64_t size = first; size <= last; size *= 2, ++number)
      if (bytes == size)
        return number;
    throw BadMetadata(std::string("\"") + key + "\" of a tensor map is " +
                      std::to_string(bytes));
  };
  map.swizzle = logarithm("swizzle", 0, 32, 128);
  map.promotion = logarithm("l2_promotion", 128, 64, 256);
  return map;
}

Kernel cuda::readKernel(const Json &json) {
  Kernel kernel;
  kernel.name = text(json, "name");
  kernel.threads = index(json, "threads", 1025);
  if (kernel.threads == 0)
    throw BadMetadata("kernel '" + kernel.name + "' has no threads");
  kernel.sharedBytes = index(json, "shared_bytes", size_t(1) << 24);
  for (const Json &entry : member(json, "params", Json::value_t::array)) {
    Parameter parameter = {};
    std::string kind = text(entry, "kind");
    bool hasArgument = kind != "grid" && kind != "slot";
    if (hasArgument && entry.contains("arg"))
      parameter.argument = index(entry, "arg", kMaxArguments);
    else if (hasArgument)
      throw BadMetadata("a parameter of kind '" + kind + "' has no \"arg\"");
    if (kind == "pointer") {
      parameter.kind = Parameter::Pointer;
      place(kernel, parameter, 8, 8);
    } else if (kind == "size") {
      parameter.kind = Parameter::Size;
      parameter.dim = index(entry, "dim", kMaxRank);
      place(kernel, parameter, 4, 4);
    } else if (kind == "stride") {
      parameter.kind = Parameter::Stride;
      parameter.dim = index(entry, "dim", kMaxRank);
      place(kernel, parameter, 8, 8);
    } else if (kind == "scalar") {
      parameter.kind = Parameter::Scalar;
      parameter.dtype = dtypeOf(text(entry, "type"));
      auto size = uint32_t(seqcDTypeSize(parameter.dtype));
      place(kernel, parameter, size, size);
    } else if (kind == "tensor_map") {
      parameter.kind = Parameter::Map;
      parameter.map = uint32_t(kernel.maps.size());
      kernel.maps.push_back(readMap(entry));
      place(kernel, parameter, sizeof(TensorMap), alignof(TensorMap));
    } else if (kind == "grid") {
      parameter.kind = Parameter::Grid;
      parameter.dim = index(entry, "dim", 3);
      place(kernel, parameter, 4, 4);
    } else if (kind == "slot") {
      parameter.kind = Parameter::Slot;
      place(kernel, parameter, 4, 4);
    } else {
      throw BadMetadata("unknown kind of parameter '" + kind + "'");
    }
    kernel.parameters.push_back(parameter);
  }
  if (kernel.parameterBytes > kMaxParameterBytes)
    throw BadMetadata("kernel '" + kernel.name + "' has too many parameters");
  if (json.contains("slots")) {
    kernel.slots = index(json, "slots", size_t(1) << 20);
    if (kernel.slots == 0)
      throw BadMetadata("kernel '" + kernel.name + "' has 0 \"slots\"");
  }
  if (json.contains("waits"))
    kernel.waits = member(json, "waits", Json::value_t::boolean).get<bool>();
  if (auto it = json.find("aligned"); it != json.end()) {
    if (it->is_boolean()) {
      kernel.alignedAll = it->get<bool>();
    } else if (it->is_array()) {
      for (const Json &argument : *it) {
        if (!argument.is_number_unsigned() ||
            argument.get<uint64_t>() >= kMaxArguments)
          throw BadMetadata("\"aligned\" holds something else than arguments");
        kernel.aligned.push_back(argument.get<uint32_t>());
      }
    } else {
      throw BadMetadata("\"aligned\" is neither a boolean nor an array");
    }
  }
  return kernel;
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

namespace {

/// Reads one plan: keeps what each value is, to check its uses.
class PlanReader {
public:
  PlanReader(const SeqcFunction &function, const std::vector<Kernel> &kernels)
      : function(function), kernels(kernels) {}

  Plan read(const Json &json) {
    for (size_t i = 0; i < function.arguments.size(); ++i) {
      const ValueSpec &spec = function.arguments[i];
      TensorSpec tensor;
      tensor.argument = uint32_t(i);
      if (spec.isTensor) {
        tensor.dtype = spec.dtype;
        tensor.rank = spec.rank();
        plan.hasTensors = true;
      }
      addTensor(tensor);
    }
    bool returned = false;
    for (const Json &step : member(json, "steps", Json::value_t::array)) {
      if (returned)
        throw BadMetadata("steps follow the return");
      returned = readStep(step);
    }
    if (!returned)
      throw BadMetadata("no return");
    plan.numValues = uint32_t(isFloat.size());
    // Every value is defined once, so launches can come last: nothing in the
    // stream between them.
    std::stable_partition(plan.steps.begin(), plan.steps.end(),
                          [](const Step &s) { return s.op != Op::Launch; });
    return std::move(plan);
  }

private:
  static constexpr size_t kMaxSteps = 1 << 16;

  void addTensor(TensorSpec tensor) {
    tensor.sizes = plan.numSizes;
    plan.numSizes += 2 * uint32_t(tensor.rank);
    plan.tensors.push_back(tensor);
  }

  uint32_t tensor(const Json &json, const char *key) {
    uint32_t number = index(json, key, plan.tensors.size());
    if (plan.tensors[number].dtype == 0)
      throw BadMetadata("tensor " + std::to_string(number) + " is a scalar");
    return number;
  }

  /// An operand that is an integer.
  uint32_t value(const Json &json) {
    if (!json.is_number_integer() || json.get<int64_t>() < 0 ||
        json.get<uint64_t>() >= isFloat.size())
      throw BadMetadata("a value is used before it is there");
    auto number = json.get<uint32_t>();
    if (isFloat[number])
      throw BadMetadata("value " + std::to_string(number) +
                        " is not an integer");
    return number;
  }

  uint32_t value(const Json &json, const char *key) {
    return value(member(json, key, Json::value_t::number_integer));
  }

  void define(Step step, bool isFloatValue = false) {
    step.result = uint32_t(isFloat.size());
    isFloat.push_back(isFloatValue);
    plan.steps.push_back(step);
  }

  /// Returns true for the return.
  bool readStep(const Json &json) {
    if (plan.steps.size() >= kMaxSteps)
      throw BadMetadata("a plan has too many steps");
    std::string op = text(json, "op");
    if (op == "return") {
      readReturn(json);
      return true;
    }
    if (op == "alloc")
      readAllocation(json);
    else if (op == "launch")
      readLaunch(json);
    else
      readValue(json, op);
    return false;
  }

  void readValue(const Json &json, const std::string &op) {
    static const std::pair<const char *, Op> binary[] = {
        {"add", Op::Add},
        {"sub", Op::Sub},
        {"mul", Op::Mul},
        {"divu", Op::DivU},
        {"divs", Op::DivS},
        {"ceildivs", Op::CeilDivS},
        {"floordivs", Op::FloorDivS},
        {"remu", Op::RemU},
        {"rems", Op::RemS},
        {"mods", Op::Mod},
        {"min", Op::Min},
        {"max", Op::Max},
        {"minu", Op::MinU},
        {"maxu", Op::MaxU}};
    static const std::pair<const char *, Op> predicates[] = {
        {"eq", Op::Eq},   {"ne", Op::Ne},  {"slt", Op::Lt},  {"sle", Op::Le},
        {"sgt", Op::Gt},  {"sge", Op::Ge}, {"ult", Op::ULt}, {"ule", Op::ULe},
        {"ugt", Op::UGt}, {"uge", Op::UGe}};
    Step step = {};
    if (op == "const") {
      step.op = Op::Constant;
      step.constant.i = integer(json, "value");
      return define(step);
    }
    if (op == "fconst") {
      auto it = json.find("value");
      step.op = Op::Constant;
      if (it != json.end() && it->is_number())
        step.constant.f = it->get<double>();
      else
        step.constant.f = special(it == json.end() ? Json() : *it);
      return define(step, true);
    }
    if (op == "dim") {
      step.op = Op::Dim;
      step.a = tensor(json, "tensor");
      step.b = index(json, "dim", size_t(plan.tensors[step.a].rank));
      return define(step);
    }
    if (op == "arg") {
      step.op = Op::Argument;
      step.a = index(json, "argument", function.arguments.size());
      const ValueSpec &spec = function.arguments[step.a];
      if (spec.isTensor)
        throw BadMetadata("argument " + std::to_string(step.a) +
                          " is a tensor");
      return define(step, spec.isFloat());
    }
    if (op == "select") {
      step.op = Op::Select;
      step.a = index(json, "a", isFloat.size());
      step.b = index(json, "b", isFloat.size());
      step.c = value(json, "c");
      if (isFloat[step.a] != isFloat[step.b])
        throw BadMetadata("a select is of an integer and a float");
      return define(step, isFloat[step.a]);
    }
    if (op == "cmp") {
      std::string predicate = text(json, "predicate");
      for (const auto &[name, code] : predicates) {
        if (predicate != name)
          continue;
        step.op = code;
        step.a = value(json, "a");
        step.b = value(json, "b");
        return define(step);
      }
      throw BadMetadata("unknown predicate '" + predicate + "'");
    }
    for (const auto &[name, code] : binary) {
      if (op != name)
        continue;
      step.op = code;
      step.a = value(json, "a");
      step.b = value(json, "b");
      return define(step);
    }
    throw BadMetadata("unknown step '" + op + "'");
  }

  /// JSON has no infinities: they come as text.
  static double special(const Json &json) {
    std::string name = json.is_string() ? json.get<std::string>() : "";
    if (name == "inf")
      return std::numeric_limits<double>::infinity();
    if (name == "-inf")
      return -std::numeric_limits<double>::infinity();
    if (name == "nan")
      return std::numeric_limits<double>::quiet_NaN();
    throw BadMetadata("\"value\" is not a number");
  }

  void readAllocation(const Json &json) {
    Step step = {};
    step.op = Op::Alloc;
    step.a = uint32_t(plan.allocations.size());
    Allocation allocation;
    allocation.dtype = dtypeOf(text(json, "dtype"));
    const Json &shape = member(json, "shape", Json::value_t::array);
    if (shape.size() > size_t(kMaxRank))
      throw BadMetadata("a rank is over " + std::to_string(kMaxRank));
    for (const Json &size : shape)
      allocation.shape.push_back(value(size));
    allocation.tensor = uint32_t(plan.tensors.size());
    if (integer(json, "tensor") != int64_t(allocation.tensor))
      throw BadMetadata("tensors are not numbered in order");
    TensorSpec tensor;
    tensor.dtype = allocation.dtype;
    tensor.rank = int32_t(shape.size());
    addTensor(tensor);
    plan.allocations.push_back(std::move(allocation));
    plan.steps.push_back(step);
  }

  void readLaunch(const Json &json) {
    Step step = {};
    step.op = Op::Launch;
    step.a = uint32_t(plan.launches.size());
    Launch launch;
    launch.kernel = index(json, "kernel", kernels.size());
    const Kernel &kernel = kernels[launch.kernel];
    const Json &grid = member(json, "grid", Json::value_t::array);
    if (grid.size() != 3)
      throw BadMetadata("a grid has not 3 sizes");
    for (size_t i = 0; i < 3; ++i)
      launch.grid[i] = value(grid[i]);
    for (const Json &entry : member(json, "args", Json::value_t::array)) {
      LaunchArgument argument;
      if (entry.is_object() && entry.contains("tensor")) {
        argument.isTensor = true;
        argument.index = tensor(entry, "tensor");
      } else {
        argument.index = index(entry, "value", isFloat.size());
        argument.isFloat = isFloat[argument.index];
      }
      launch.arguments.push_back(argument);
    }
    checkParameters(kernel, launch);
    addRequirements(kernel, launch);
    launch.maps = std::make_unique<MapCache[]>(kernel.maps.size());
    plan.parameterBytes = std::max(plan.parameterBytes, kernel.parameterBytes);
    plan.maxParameters =
        std::max(plan.maxParameters, uint32_t(kernel.parameters.size()));
    plan.launches.push_back(std::move(launch));
    plan.steps.push_back(step);
  }

  void checkParameters(const Kernel &kernel, const Launch &launch) {
    auto bad = [&](const Parameter &parameter, const char *what) {
      return BadMetadata("kernel '" + kernel.name + "', parameter " +
                         std::to_string(&parameter - kernel.parameters.data()) +
                         ": " + what);
    };
    for (const Parameter &parameter : kernel.parameters) {
      if (parameter.kind == Parameter::Grid)
        continue;
      if (parameter.argument >= launch.arguments.size())
        throw bad(parameter, "the launch has no such argument");
      const LaunchArgument &argument = launch.arguments[parameter.argument];
      bool scalar = parameter.kind == Parameter::Scalar;
      if (argument.isTensor == scalar)
        throw bad(parameter, scalar ? "the argument is a tensor"
                                    : "the argument is a scalar");
      if (scalar) {
        SeqcDType dtype = parameter.dtype;
        bool isFloatType = dtype >= SEQC_F16 && dtype <= SEQC_F64;
        if (isFloatType != argument.isFloat)
          throw bad(parameter, "an integer meets a float");
        continue;
      }
      int32_t rank = plan.tensors[argument.index].rank;
      bool sized = parameter.kind == Parameter::Size ||
                   parameter.kind == Parameter::Stride;
      if (sized && int32_t(parameter.dim) >= rank)
        throw bad(parameter, "the tensor has no such dimension");
      if (parameter.kind == Parameter::Map &&
          kernel.maps[parameter.map].rank != rank)
        throw bad(parameter, "the box has another rank than the tensor");
    }
    for (uint32_t argument : kernel.aligned)
      if (argument >= launch.arguments.size() ||
          !launch.arguments[argument].isTensor)
        throw BadMetadata("kernel '" + kernel.name +
                          "': \"aligned\" names no tensor");
  }

  /// What a kernel takes for granted: strides that it is not told are those of
  /// a dense tensor, and copies of 16 bytes find their alignment.
  void addRequirements(const Kernel &kernel, Launch &launch) {
    for (uint32_t a = 0; a < launch.arguments.size(); ++a) {
      const LaunchArgument &argument = launch.arguments[a];
      if (!argument.isTensor)
        continue;
      int32_t rank = plan.tensors[argument.index].rank;
      bool pointer = false, map = false;
      uint64_t told = 0;
      for (const Parameter &parameter : kernel.parameters) {
        if (parameter.kind == Parameter::Grid || parameter.argument != a)
          continue;
        pointer |= parameter.kind == Parameter::Pointer;
        map |= parameter.kind == Parameter::Map;
        if (parameter.kind == Parameter::Stride)
          told |= uint64_t(1) << parameter.dim;
      }
      for (int32_t dim = 0; dim < rank; ++dim)
        if ((pointer && !(told >> dim & 1)) || (map && dim == rank - 1))
          launch.dense.push_back({a, uint32_t(dim)});
      bool aligned = kernel.alignedAll && rank >= 4;
      aligned |= std::find(kernel.aligned.begin(), kernel.aligned.end(), a) !=
                 kernel.aligned.end();
      if (map || aligned)
        launch.aligned.push_back({a, map});
    }
  }

  void readReturn(const Json &json) {
    const Json &results = member(json, "results", Json::value_t::array);
    if (results.size() != function.results.size())
      throw BadMetadata("the return has " + std::to_string(results.size()) +
                        " results, the function " +
                        std::to_string(function.results.size()));
    for (size_t i = 0; i < results.size(); ++i) {
      const ValueSpec &spec = function.results[i];
      Return result;
      if (spec.isTensor) {
        result.isTensor = true;
        result.index = tensor(results[i], "tensor");
        const TensorSpec &source = plan.tensors[result.index];
        if (source.dtype != spec.dtype || source.rank != spec.rank())
          throw BadMetadata("result " + std::to_string(i) +
                            " is not of the function's type");
        // The first result of an allocation is the allocation itself.
        for (Allocation &allocation : plan.allocations)
          if (allocation.tensor == result.index &&
              allocation.result == Allocation::kScratch)
            allocation.result = uint32_t(i);
      } else {
        result.index = index(results[i], "value", isFloat.size());
        result.isFloat = isFloat[result.index];
        if (result.isFloat != spec.isFloat())
          throw BadMetadata("result " + std::to_string(i) +
                            " is not of the function's type");
      }
      plan.results.push_back(result);
    }
  }

  const SeqcFunction &function;
  const std::vector<Kernel> &kernels;
  Plan plan;
  /// Of each value.
  std::vector<bool> isFloat;
};

} // namespace

Plan cuda::readPlan(const Json &json, const SeqcFunction &function,
                    const std::vector<Kernel> &kernels) {
  try {
    return PlanReader(function, kernels).read(json);
  } catch (const BadMetadata &e) {
    throw BadMetadata("plan of '" + function.name + "': " + e.what());
  }
}
