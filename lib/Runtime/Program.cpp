//===- Program.cpp - Loading artifacts and calling functions --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each function `f` the shared object exports
//
//   void _seqc_packed_f(void **slots)
//
// whose slots are, in order, the result (where there is one) and the arguments.
// The slot of a tensor argument is the address of its memref descriptor, that
// of a scalar the address of its value, and that of the result the address of
// a structure with a descriptor or value per result, laid out as in C. A
// function is called from one block of scratch memory with all of these, whose
// layout is computed when the program is loaded.
//
//===----------------------------------------------------------------------===//

#include "Library.h"
#include "seqc/Runtime/Artifact.h"
#include "seqc/Runtime/Status.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace seqc;
using Json = nlohmann::ordered_json;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

namespace {

constexpr int64_t kDynamic = -1;
constexpr int32_t kMaxRank = 64;

/// The head of an MLIR memref descriptor; sizes and strides follow.
struct Descriptor {
  void *allocated;
  void *aligned;
  int64_t offset;

  int64_t *sizes() { return reinterpret_cast<int64_t *>(this + 1); }
  int64_t *strides(int32_t rank) { return sizes() + rank; }

  static size_t bytes(size_t rank) {
    return sizeof(Descriptor) + 2 * rank * sizeof(int64_t);
  }
};

/// What a result tensor's `owner` points to; shape and strides follow.
struct Owner {
  void *allocated;

  int64_t *shape() { return reinterpret_cast<int64_t *>(this + 1); }

  static Owner *create(int32_t rank) {
    void *memory = std::malloc(sizeof(Owner) + 2 * rank * sizeof(int64_t));
    if (!memory)
      throw std::bad_alloc();
    return new (memory) Owner{nullptr};
  }
};

struct ValueSpec {
  std::string name;
  bool isTensor = false;
  bool isIndex = false;
  SeqcDType dtype = 0;
  std::vector<int64_t> shape;
  /// Where it lies in the scratch memory or in the result structure.
  size_t offset = 0;

  int32_t rank() const { return int32_t(shape.size()); }
  size_t bytes() const {
    return isTensor ? Descriptor::bytes(shape.size()) : seqcDTypeSize(dtype);
  }
  size_t alignment() const {
    return isTensor ? alignof(Descriptor) : seqcDTypeSize(dtype);
  }
  bool isFloat() const {
    return dtype == SEQC_F16 || dtype == SEQC_BF16 || dtype == SEQC_F32 ||
           dtype == SEQC_F64;
  }
  std::string str() const;
};

/// A dimension of an argument, or a constant.
struct Dimension {
  static constexpr size_t kNone = ~size_t(0);
  size_t argument = kNone;
  size_t index = 0;
  int64_t constant = 0;

  int64_t size(const SeqcValue *arguments) const {
    return argument == kNone ? constant
                             : arguments[argument].as.tensor.shape[index];
  }
};

} // namespace

struct SeqcFunction {
  std::string name;
  std::string signature;
  std::vector<ValueSpec> arguments;
  std::vector<ValueSpec> results;
  /// Groups of argument dimensions that have one size.
  std::vector<std::vector<Dimension>> equal;
  /// Pairs whose first size is a multiple of the second.
  std::vector<std::pair<Dimension, Dimension>> multiple;
  size_t scratchBytes = 0;
  void (*code)(void **) = nullptr;
};

struct SeqcProgram {
  std::string metadata;
  std::string target;
  std::vector<SeqcFunction> functions;
  Library library;
};

static const char *dtypeName(SeqcDType dtype) {
  const char *name = seqcDTypeName(dtype);
  return name ? name : "unknown";
}

static std::string tensorType(const int64_t *shape, int32_t rank,
                              SeqcDType dtype) {
  std::string text = "tensor<";
  for (int32_t i = 0; i < rank; ++i)
    text += (shape[i] == kDynamic ? "?" : std::to_string(shape[i])) + "x";
  return text + dtypeName(dtype) + ">";
}

std::string ValueSpec::str() const {
  if (isTensor)
    return tensorType(shape.data(), rank(), dtype);
  return isIndex ? "index" : dtypeName(dtype);
}

//===----------------------------------------------------------------------===//
// Reading metadata
//===----------------------------------------------------------------------===//

namespace {
struct BadMetadata : std::runtime_error {
  using std::runtime_error::runtime_error;
};
} // namespace

static const Json &member(const Json &object, const char *key,
                          Json::value_t type) {
  static const char *const names[] = {"null",   "object",  "array",
                                      "string", "boolean", "integer"};
  auto it = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || it == object.end())
    throw BadMetadata(std::string("no \"") + key + "\"");
  bool matches =
      it->type() == type || (type == Json::value_t::number_integer &&
                             it->type() == Json::value_t::number_unsigned);
  if (!matches)
    throw BadMetadata(std::string("\"") + key + "\" is not of type " +
                      names[size_t(type)]);
  return *it;
}

static std::string text(const Json &object, const char *key) {
  return member(object, key, Json::value_t::string).get<std::string>();
}

static size_t natural(const Json &value, size_t below, const char *what) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<uint64_t>() >= below)
    throw BadMetadata(std::string(what) + " is out of range");
  return value.get<size_t>();
}

static ValueSpec readValue(const Json &json) {
  ValueSpec spec;
  if (json.is_object() && json.contains("name"))
    spec.name = text(json, "name");
  std::string kind = text(json, "kind");
  if (kind != "tensor" && kind != "scalar")
    throw BadMetadata("unknown kind of value '" + kind + "'");
  spec.isTensor = kind == "tensor";
  std::string dtype = text(json, "dtype");
  if (dtype == "index") {
    spec.isIndex = true;
    spec.dtype = SEQC_I64;
  }
  for (SeqcDType d = SEQC_F16; d <= SEQC_I64; ++d)
    if (dtype == seqcDTypeName(d))
      spec.dtype = d;
  if (spec.dtype == 0)
    throw BadMetadata("unknown element type '" + dtype + "'");
  if (!spec.isTensor)
    return spec;
  for (const Json &size : member(json, "shape", Json::value_t::array)) {
    if (!size.is_null() &&
        (!size.is_number_integer() || size.get<int64_t>() < 0))
      throw BadMetadata("a size is neither null nor a natural number");
    spec.shape.push_back(size.is_null() ? kDynamic : size.get<int64_t>());
  }
  if (spec.rank() > kMaxRank)
    throw BadMetadata("a rank is over " + std::to_string(kMaxRank));
  return spec;
}

static size_t place(ValueSpec &spec, size_t &end) {
  size_t alignment = spec.alignment();
  spec.offset = (end + alignment - 1) / alignment * alignment;
  end = spec.offset + spec.bytes();
  return spec.offset;
}

static SeqcFunction readFunction(const Json &json) {
  SeqcFunction function;
  function.name = text(json, "name");
  for (const Json &value : member(json, "arguments", Json::value_t::array))
    function.arguments.push_back(readValue(value));
  for (const Json &value : member(json, "results", Json::value_t::array))
    function.results.push_back(readValue(value));

  Json signature = {{"name", function.name},
                    {"arguments", json["arguments"]},
                    {"results", json["results"]}};
  auto readDimension = [&](const Json &pair) {
    if (!pair.is_array() || pair.size() != 2)
      throw BadMetadata("a dimension is not a pair");
    Dimension dimension;
    dimension.argument =
        natural(pair[0], function.arguments.size(), "an argument");
    dimension.index =
        natural(pair[1], function.arguments[dimension.argument].shape.size(),
                "a dimension");
    return dimension;
  };
  if (json.contains("equal")) {
    signature["equal"] = json["equal"];
    for (const Json &group : member(json, "equal", Json::value_t::array)) {
      std::vector<Dimension> dimensions;
      for (const Json &pair : group)
        dimensions.push_back(readDimension(pair));
      if (dimensions.size() > 1)
        function.equal.push_back(std::move(dimensions));
    }
  }
  if (json.contains("multiple")) {
    signature["multiple"] = json["multiple"];
    for (const Json &pair : member(json, "multiple", Json::value_t::array)) {
      if (!pair.is_array() || pair.size() != 2)
        throw BadMetadata("\"multiple\" holds something else than pairs");
      auto readTerm = [&](const Json &term) {
        if (!term.is_number_integer())
          return readDimension(term);
        Dimension constant;
        constant.constant = term.get<int64_t>();
        return constant;
      };
      function.multiple.emplace_back(readTerm(pair[0]), readTerm(pair[1]));
    }
  }
  function.signature = signature.dump();

  // The result structure starts the scratch memory, which is 16-aligned.
  size_t end = 0;
  for (ValueSpec &spec : function.results)
    place(spec, end);
  for (ValueSpec &spec : function.arguments)
    place(spec, end);
  function.scratchBytes = end;
  return function;
}

/// Why this machine cannot run a target's code, or "".
static std::string whyUnsupported(const Json &target) {
  std::string arch = text(target, "arch");
  if (arch != hostArchitecture())
    return "it is for " + arch + ", this machine is " +
           std::string(hostArchitecture());
  std::string missing;
  for (const Json &feature : member(target, "requires", Json::value_t::array)) {
    if (!feature.is_string())
      throw BadMetadata("a required feature is not a string");
    if (!hostSupports(feature.get<std::string>()))
      missing += (missing.empty() ? "" : ", ") + feature.get<std::string>();
  }
  return missing.empty() ? "" : "this processor lacks " + missing;
}

/// Picks the target to load. Sets `number` to its position.
static SeqcStatus chooseTarget(const Json &targets, const char *wanted,
                               size_t &number) {
  std::string names, reasons;
  for (size_t i = 0; i < targets.size(); ++i) {
    std::string name = text(targets[i], "name");
    names += (i ? ", " : "") + name;
    if (wanted && name != wanted)
      continue;
    std::string reason = text(targets[i], "kind") == "cpu"
                             ? whyUnsupported(targets[i])
                             : "this runtime runs targets of kind cpu only";
    if (reason.empty()) {
      number = i;
      return SEQC_OK;
    }
    reasons += (reasons.empty() ? "" : "; ") + name + ": " + reason;
  }
  if (!reasons.empty())
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "cannot run this artifact here: " + reasons);
  if (wanted)
    return setError(SEQC_ERROR_NOT_FOUND, std::string("no target '") + wanted +
                                              "' in this artifact; it has " +
                                              (names.empty() ? "none" : names));
  return setError(SEQC_ERROR_INVALID_ARTIFACT, "artifact has no target");
}

static SeqcStatus loadProgram(std::string_view bytes, const char *wanted,
                              SeqcProgram **out) {
  std::string error;
  std::vector<ArtifactSection> sections;
  if (!readArtifact(bytes, SEQC_ABI_VERSION, sections, error))
    return setError(SEQC_ERROR_INVALID_ARTIFACT, error);

  auto program = std::make_unique<SeqcProgram>();
  try {
    program->metadata = std::string(sections.front().content);
    Json metadata = Json::parse(program->metadata, nullptr, false);
    if (metadata.is_discarded())
      throw BadMetadata("not JSON");
    for (const Json &json : member(metadata, "functions", Json::value_t::array))
      program->functions.push_back(readFunction(json));

    const Json &targets = member(metadata, "targets", Json::value_t::array);
    size_t number = 0;
    if (SeqcStatus status = chooseTarget(targets, wanted, number))
      return status;
    program->target = text(targets[number], "name");
    auto code = std::find_if(
        sections.begin(), sections.end(), [&](const ArtifactSection &section) {
          return section.kind == SectionKind::SharedObject &&
                 section.target == number;
        });
    if (code == sections.end())
      throw BadMetadata("no code for target '" + program->target + "'");
    if (!program->library.load(code->content, error))
      return setError(SEQC_ERROR_IO, error);
    for (SeqcFunction &function : program->functions) {
      std::string symbol = "_seqc_packed_" + function.name;
      function.code = reinterpret_cast<void (*)(void **)>(
          program->library.symbol(symbol.c_str()));
      if (!function.code)
        throw BadMetadata("no code for function '" + function.name + "'");
    }
  } catch (const BadMetadata &e) {
    return setError(SEQC_ERROR_INVALID_ARTIFACT,
                    std::string("artifact is corrupt: metadata: ") + e.what());
  } catch (const Json::exception &e) {
    return setError(SEQC_ERROR_INVALID_ARTIFACT,
                    std::string("artifact is corrupt: metadata: ") + e.what());
  }
  *out = program.release();
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// Checking arguments
//===----------------------------------------------------------------------===//

static std::string describe(const SeqcFunction &function, size_t number) {
  const ValueSpec &spec = function.arguments[number];
  std::string text =
      "function '" + function.name + "', argument " + std::to_string(number);
  if (!spec.name.empty())
    text += " '" + spec.name + "'";
  return text;
}

static SeqcStatus reject(const SeqcFunction &function, size_t number,
                         const std::string &problem) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  describe(function, number) + ": " + problem);
}

static SeqcStatus checkTensor(const SeqcFunction &function, size_t number,
                              const SeqcTensor &tensor) {
  const ValueSpec &spec = function.arguments[number];
  if (tensor.rank < 0 || tensor.rank > kMaxRank)
    return reject(function, number,
                  "rank is " + std::to_string(tensor.rank) + ", expected " +
                      std::to_string(spec.rank()) + " as in " + spec.str());
  if (tensor.rank > 0 && !tensor.shape)
    return reject(function, number,
                  "shape is null, expected that of " + spec.str());
  for (int32_t i = 0; i < tensor.rank; ++i)
    if (tensor.shape[i] < 0)
      return reject(function, number,
                    "size of dimension " + std::to_string(i) + " is " +
                        std::to_string(tensor.shape[i]) +
                        ", expected 0 or more");
  auto mismatch = [&](const std::string &what) {
    return reject(function, number,
                  "is " + tensorType(tensor.shape, tensor.rank, tensor.dtype) +
                      ", expected " + spec.str() + ": " + what);
  };
  if (tensor.dtype != spec.dtype)
    return mismatch(std::string("element type is ") + dtypeName(tensor.dtype) +
                    ", not " + dtypeName(spec.dtype));
  if (tensor.rank != spec.rank())
    return mismatch("rank is " + std::to_string(tensor.rank) + ", not " +
                    std::to_string(spec.rank()));
  bool empty = false;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    if (spec.shape[i] != kDynamic && tensor.shape[i] != spec.shape[i])
      return mismatch("dimension " + std::to_string(i) + " is " +
                      std::to_string(tensor.shape[i]) + ", not " +
                      std::to_string(spec.shape[i]));
    empty |= tensor.shape[i] == 0;
  }
  if (tensor.device_type != SEQC_DEVICE_HOST)
    return mismatch("device type is " + std::to_string(tensor.device_type) +
                    ", only host memory (0) is supported");
  if (!tensor.data && !empty)
    return mismatch("data is null");
  size_t size = seqcDTypeSize(spec.dtype);
  if (reinterpret_cast<uintptr_t>(tensor.data) % size != 0 && !empty)
    return mismatch("data is not aligned to " + std::to_string(size) +
                    " bytes");
  return SEQC_OK;
}

static SeqcStatus checkScalar(const SeqcFunction &function, size_t number,
                              const SeqcValue &value) {
  const ValueSpec &spec = function.arguments[number];
  if (spec.isFloat() || spec.dtype == SEQC_I64)
    return SEQC_OK;
  int64_t low = 0, high = 1;
  if (spec.dtype == SEQC_I8)
    low = INT8_MIN, high = INT8_MAX;
  else if (spec.dtype == SEQC_I32)
    low = INT32_MIN, high = INT32_MAX;
  if (value.as.i64 < low || value.as.i64 > high)
    return reject(function, number,
                  "value " + std::to_string(value.as.i64) +
                      " does not fit in " + spec.str());
  return SEQC_OK;
}

static SeqcStatus checkArgument(const SeqcFunction &function, size_t number,
                                const SeqcValue &value) {
  const ValueSpec &spec = function.arguments[number];
  int32_t expected = spec.isTensor    ? SEQC_VALUE_TENSOR
                     : spec.isFloat() ? SEQC_VALUE_FLOAT
                                      : SEQC_VALUE_INT;
  if (value.kind == expected)
    return spec.isTensor ? checkTensor(function, number, value.as.tensor)
                         : checkScalar(function, number, value);
  std::string actual;
  switch (value.kind) {
  case SEQC_VALUE_TENSOR:
    actual = "a tensor";
    break;
  case SEQC_VALUE_INT:
    actual = "the integer " + std::to_string(value.as.i64);
    break;
  case SEQC_VALUE_FLOAT:
    actual = "the float " + std::to_string(value.as.f64);
    break;
  default:
    actual = "a value of unknown kind " + std::to_string(value.kind);
    break;
  }
  return reject(function, number, "is " + actual + ", expected " + spec.str());
}

/// "dimension 1 of argument 2 'value', which is tensor<2x3xf32>" or "8".
static std::string describe(const SeqcFunction &function,
                            const Dimension &dimension,
                            const SeqcValue *arguments) {
  if (dimension.argument == Dimension::kNone)
    return std::to_string(dimension.constant);
  const SeqcTensor &tensor = arguments[dimension.argument].as.tensor;
  const ValueSpec &spec = function.arguments[dimension.argument];
  return "dimension " + std::to_string(dimension.index) + " of argument " +
         std::to_string(dimension.argument) +
         (spec.name.empty() ? "" : " '" + spec.name + "'") + ", which is " +
         tensorType(tensor.shape, tensor.rank, tensor.dtype);
}

static SeqcStatus rejectSize(const SeqcFunction &function,
                             const Dimension &dimension,
                             const SeqcValue *arguments,
                             const std::string &expected) {
  const SeqcTensor &tensor = arguments[dimension.argument].as.tensor;
  return reject(function, dimension.argument,
                "is " + tensorType(tensor.shape, tensor.rank, tensor.dtype) +
                    ": dimension " + std::to_string(dimension.index) + " is " +
                    std::to_string(dimension.size(arguments)) + ", expected " +
                    expected);
}

/// Checks the sizes that must agree between arguments.
static SeqcStatus checkSizes(const SeqcFunction &function,
                             const SeqcValue *arguments) {
  for (const std::vector<Dimension> &group : function.equal)
    for (const Dimension &other : group)
      if (other.size(arguments) != group.front().size(arguments))
        return rejectSize(function, other, arguments,
                          "the size of " +
                              describe(function, group.front(), arguments));
  for (const auto &[multiple, divisor] : function.multiple) {
    int64_t size = multiple.size(arguments), unit = divisor.size(arguments);
    if (unit == 0 ? size == 0 : size % unit == 0)
      continue;
    if (multiple.argument != Dimension::kNone)
      return rejectSize(function, multiple, arguments,
                        "a multiple of " +
                            describe(function, divisor, arguments));
    return rejectSize(function, divisor, arguments,
                      "a divisor of " + std::to_string(size));
  }
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// Rounds to nearest even into a format of 16 bits with that many mantissa
/// bits, without the double rounding that going through f32 would bring.
static uint16_t roundTo16(double value, int mantissaBits) {
  const int exponentBits = 15 - mantissaBits;
  const int maxExponent = (1 << (exponentBits - 1)) - 1;
  const uint16_t infinity =
      uint16_t(((1u << exponentBits) - 1) << mantissaBits);
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value))
    return uint16_t(sign | infinity | (1u << (mantissaBits - 1)));
  value = std::fabs(value);
  if (value == 0)
    return sign;
  if (std::isinf(value))
    return sign | infinity;
  int exponent;
  std::frexp(value, &exponent);
  // The exponent of the leading bit, or that of the subnormals.
  exponent = std::max(exponent - 1, 1 - maxExponent);
  double units = std::nearbyint(std::ldexp(value, mantissaBits - exponent));
  auto mantissa = uint32_t(units);
  // Normal numbers carry into the exponent by themselves; a subnormal has no
  // leading bit to take away.
  uint32_t biased = uint32_t(exponent + maxExponent - 1);
  uint32_t bits = (biased << mantissaBits) + mantissa;
  return uint16_t(sign | std::min<uint32_t>(bits, infinity));
}

static double widen16(uint16_t bits, int mantissaBits) {
  const int maxExponent = (1 << (14 - mantissaBits)) - 1;
  int exponent = (bits & 0x7FFF) >> mantissaBits;
  uint32_t mantissa = bits & ((1u << mantissaBits) - 1);
  double value;
  if (exponent == 2 * maxExponent + 1)
    value = mantissa ? std::numeric_limits<double>::quiet_NaN()
                     : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    value = std::ldexp(mantissa, 1 - maxExponent - mantissaBits);
  else
    value = std::ldexp(mantissa + (1u << mantissaBits),
                       exponent - maxExponent - mantissaBits);
  return bits & 0x8000 ? -value : value;
}

template <typename T>
static void put(char *to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

template <typename T>
static T get(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

static void packScalar(const ValueSpec &spec, const SeqcValue &value,
                       char *to) {
  switch (spec.dtype) {
  case SEQC_F16:
    return put<uint16_t>(to, roundTo16(value.as.f64, 10));
  case SEQC_BF16:
    return put<uint16_t>(to, roundTo16(value.as.f64, 7));
  case SEQC_F32:
    return put<float>(to, float(value.as.f64));
  case SEQC_F64:
    return put<double>(to, value.as.f64);
  case SEQC_I1:
  case SEQC_I8:
    return put<int8_t>(to, int8_t(value.as.i64));
  case SEQC_I32:
    return put<int32_t>(to, int32_t(value.as.i64));
  default:
    return put<int64_t>(to, value.as.i64);
  }
}

static void unpackScalar(const ValueSpec &spec, const char *from,
                         SeqcValue &value) {
  value = SeqcValue();
  value.kind = spec.isFloat() ? SEQC_VALUE_FLOAT : SEQC_VALUE_INT;
  switch (spec.dtype) {
  case SEQC_F16:
    value.as.f64 = widen16(get<uint16_t>(from), 10);
    break;
  case SEQC_BF16:
    value.as.f64 = widen16(get<uint16_t>(from), 7);
    break;
  case SEQC_F32:
    value.as.f64 = get<float>(from);
    break;
  case SEQC_F64:
    value.as.f64 = get<double>(from);
    break;
  case SEQC_I1:
    value.as.i64 = get<uint8_t>(from) & 1;
    break;
  case SEQC_I8:
    value.as.i64 = get<int8_t>(from);
    break;
  case SEQC_I32:
    value.as.i64 = get<int32_t>(from);
    break;
  default:
    value.as.i64 = get<int64_t>(from);
    break;
  }
}

static void denseStrides(const int64_t *shape, int32_t rank, int64_t *strides) {
  int64_t step = 1;
  for (int32_t i = rank; i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
}

static void packTensor(const SeqcTensor &tensor, char *to) {
  auto *descriptor = new (to) Descriptor{tensor.data, tensor.data, 0};
  size_t bytes = size_t(tensor.rank) * sizeof(int64_t);
  if (bytes == 0)
    return;
  std::memcpy(descriptor->sizes(), tensor.shape, bytes);
  if (tensor.strides)
    std::memcpy(descriptor->strides(tensor.rank), tensor.strides, bytes);
  else
    denseStrides(tensor.shape, tensor.rank, descriptor->strides(tensor.rank));
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

static void copyStrided(char *&to, const char *from, const int64_t *shape,
                        const int64_t *strides, int32_t rank, size_t size) {
  if (rank == 0) {
    std::memcpy(to, from, size);
    to += size;
    return;
  }
  for (int64_t i = 0; i < shape[0]; ++i)
    copyStrided(to, from + i * strides[0] * int64_t(size), shape + 1,
                strides + 1, rank - 1, size);
}

/// Lowered constants carry this in place of an allocated pointer.
static void *const kConstantMemory = reinterpret_cast<void *>(0xdeadbeef);

/// Whether the memory of result `number` is the caller's, a constant or that of
/// an earlier result, so that it cannot be handed out.
static bool isShared(const SeqcFunction &function, const SeqcValue *arguments,
                     char *storage, size_t number) {
  auto allocated = [&](size_t i) {
    return reinterpret_cast<Descriptor *>(storage + function.results[i].offset)
        ->allocated;
  };
  void *memory = allocated(number);
  if (memory == kConstantMemory)
    return true;
  if (!memory)
    return false;
  for (size_t i = 0; i < function.arguments.size(); ++i)
    if (function.arguments[i].isTensor && arguments[i].as.tensor.data == memory)
      return true;
  for (size_t i = 0; i < number; ++i)
    if (function.results[i].isTensor && allocated(i) == memory)
      return true;
  return false;
}

/// Moves a result's array to memory of its own.
static void copyOut(const ValueSpec &spec, Descriptor &descriptor) {
  int32_t rank = spec.rank();
  size_t size = seqcDTypeSize(spec.dtype), bytes = size;
  for (int32_t i = 0; i < rank; ++i)
    bytes *= size_t(descriptor.sizes()[i]);
  void *memory = std::malloc(std::max<size_t>(bytes, 1));
  if (!memory)
    throw std::bad_alloc();
  auto *to = static_cast<char *>(memory);
  if (bytes)
    copyStrided(to,
                static_cast<char *>(descriptor.aligned) +
                    descriptor.offset * int64_t(size),
                descriptor.sizes(), descriptor.strides(rank), rank, size);
  descriptor.allocated = descriptor.aligned = memory;
  descriptor.offset = 0;
  denseStrides(descriptor.sizes(), rank, descriptor.strides(rank));
}

/// Hands out the results in `storage`. What can fail does so before `values` is
/// written.
static void takeResults(const SeqcFunction &function,
                        const SeqcValue *arguments, char *storage,
                        SeqcValue *values) {
  struct Release {
    void operator()(Owner *owner) const { seqcOwnerRelease(owner); }
  };
  std::vector<std::unique_ptr<Owner, Release>> owners(function.results.size());
  // From the last, so that memory that several results share stays with the
  // first and is compared before it changes hands.
  for (size_t i = function.results.size(); i-- > 0;) {
    const ValueSpec &spec = function.results[i];
    if (!spec.isTensor)
      continue;
    auto &descriptor = *reinterpret_cast<Descriptor *>(storage + spec.offset);
    owners[i].reset(Owner::create(spec.rank()));
    if (isShared(function, arguments, storage, i))
      copyOut(spec, descriptor);
    owners[i]->allocated = descriptor.allocated;
    if (spec.rank() > 0)
      std::memcpy(owners[i]->shape(), descriptor.sizes(),
                  2 * size_t(spec.rank()) * sizeof(int64_t));
  }
  for (size_t i = 0; i < function.results.size(); ++i) {
    const ValueSpec &spec = function.results[i];
    if (!spec.isTensor) {
      unpackScalar(spec, storage + spec.offset, values[i]);
      continue;
    }
    auto &descriptor = *reinterpret_cast<Descriptor *>(storage + spec.offset);
    values[i] = SeqcValue();
    values[i].kind = SEQC_VALUE_TENSOR;
    SeqcTensor &tensor = values[i].as.tensor;
    tensor.data = static_cast<char *>(descriptor.aligned) +
                  descriptor.offset * int64_t(seqcDTypeSize(spec.dtype));
    tensor.dtype = spec.dtype;
    tensor.rank = spec.rank();
    tensor.shape = owners[i]->shape();
    tensor.strides = owners[i]->shape() + spec.rank();
    tensor.owner = owners[i].release();
  }
}

static SeqcStatus call(const SeqcFunction &function, const SeqcValue *arguments,
                       size_t numArguments, SeqcValue *results,
                       size_t numResults) {
  auto wrongCount = [&](const char *what, size_t given, size_t expected) {
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "function '" + function.name + "' has " +
                        std::to_string(expected) + " " + what + ", got " +
                        std::to_string(given));
  };
  if (numArguments != function.arguments.size())
    return wrongCount("arguments", numArguments, function.arguments.size());
  if (numResults != function.results.size())
    return wrongCount("results", numResults, function.results.size());
  if ((numArguments && !arguments) || (numResults && !results))
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    "function '" + function.name + "': " +
                        (numArguments && !arguments ? "arguments" : "results") +
                        " is null");
  for (size_t i = 0; i < numArguments; ++i)
    if (SeqcStatus status = checkArgument(function, i, arguments[i]))
      return status;
  if (SeqcStatus status = checkSizes(function, arguments))
    return status;

  // Small calls, which are nearly all, need no heap.
  constexpr size_t kLocalBytes = 2048, kLocalSlots = 32;
  alignas(16) char localBytes[kLocalBytes];
  void *localSlots[kLocalSlots];
  std::unique_ptr<char[]> heapBytes;
  std::unique_ptr<void *[]> heapSlots;
  char *scratch = localBytes;
  void **slots = localSlots;
  if (function.scratchBytes > kLocalBytes) {
    heapBytes.reset(new char[function.scratchBytes]);
    scratch = heapBytes.get();
  }
  if (numArguments + 1 > kLocalSlots) {
    heapSlots.reset(new void *[numArguments + 1]);
    slots = heapSlots.get();
  }
  size_t slot = 0;
  if (numResults)
    slots[slot++] = scratch;
  for (size_t i = 0; i < numArguments; ++i) {
    const ValueSpec &spec = function.arguments[i];
    char *to = scratch + spec.offset;
    if (spec.isTensor)
      packTensor(arguments[i].as.tensor, to);
    else
      packScalar(spec, arguments[i], to);
    slots[slot++] = to;
  }
  {
    ThreadScope threads;
    function.code(slots);
  }
  takeResults(function, arguments, scratch, results);
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

static SeqcStatus readFile(const char *path, std::string &content) {
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  auto failed = [&] {
    int code = errno;
    if (fd >= 0)
      ::close(fd);
    return setError(code == ENOENT ? SEQC_ERROR_NOT_FOUND : SEQC_ERROR_IO,
                    std::string("cannot read '") + path +
                        "': " + std::strerror(code));
  };
  struct stat info;
  if (fd < 0 || ::fstat(fd, &info) != 0)
    return failed();
  char buffer[1 << 16];
  if (info.st_size > 0)
    content.reserve(size_t(info.st_size));
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return failed();
    if (n == 0)
      break;
    content.append(buffer, size_t(n));
  }
  ::close(fd);
  return SEQC_OK;
}

static SeqcStatus nullArgument(const char *function, const char *name) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  std::string(function) + ": " + name + " is null");
}

extern "C" {

void seqcOwnerRelease(void *owner) {
  if (!owner)
    return;
  std::free(static_cast<Owner *>(owner)->allocated);
  std::free(owner);
}

void seqcTensorRelease(SeqcTensor *tensor) {
  if (!tensor || !tensor->owner)
    return;
  seqcOwnerRelease(tensor->owner);
  *tensor = SeqcTensor();
}

SeqcStatus seqcProgramLoadBytes(const void *bytes, size_t size,
                                const char *target, SeqcProgram **program) {
  if (!program)
    return nullArgument("seqcProgramLoadBytes", "program");
  *program = nullptr;
  if (!bytes && size)
    return nullArgument("seqcProgramLoadBytes", "bytes");
  return guarded([&] {
    return loadProgram({static_cast<const char *>(bytes), size}, target,
                       program);
  });
}

SeqcStatus seqcProgramLoadFile(const char *path, const char *target,
                               SeqcProgram **program) {
  if (!program)
    return nullArgument("seqcProgramLoadFile", "program");
  *program = nullptr;
  if (!path)
    return nullArgument("seqcProgramLoadFile", "path");
  return guarded([&]() -> SeqcStatus {
    std::string content;
    if (SeqcStatus status = readFile(path, content))
      return status;
    SeqcStatus status = loadProgram(content, target, program);
    if (status != SEQC_OK)
      setError(status, std::string("'") + path +
                           "': " + std::string(seqcLastErrorMessage()));
    return status;
  });
}

void seqcProgramRelease(SeqcProgram *program) { delete program; }

const char *seqcProgramTarget(const SeqcProgram *program) {
  return program ? program->target.c_str() : nullptr;
}

const char *seqcProgramMetadata(const SeqcProgram *program) {
  return program ? program->metadata.c_str() : nullptr;
}

size_t seqcProgramNumFunctions(const SeqcProgram *program) {
  return program ? program->functions.size() : 0;
}

const SeqcFunction *seqcProgramFunction(const SeqcProgram *program,
                                        size_t index) {
  return program && index < program->functions.size()
             ? &program->functions[index]
             : nullptr;
}

SeqcStatus seqcProgramLookup(const SeqcProgram *program, const char *name,
                             const SeqcFunction **function) {
  if (!function)
    return nullArgument("seqcProgramLookup", "function");
  *function = nullptr;
  if (!program)
    return nullArgument("seqcProgramLookup", "program");
  if (!name)
    return nullArgument("seqcProgramLookup", "name");
  for (const SeqcFunction &candidate : program->functions) {
    if (candidate.name == name) {
      *function = &candidate;
      return SEQC_OK;
    }
  }
  return guarded([&] {
    std::string names;
    for (const SeqcFunction &candidate : program->functions)
      names += (names.empty() ? "" : ", ") + candidate.name;
    return setError(SEQC_ERROR_NOT_FOUND, std::string("no function '") + name +
                                              "'; the program has " +
                                              (names.empty() ? "none" : names));
  });
}

const char *seqcFunctionName(const SeqcFunction *function) {
  return function ? function->name.c_str() : nullptr;
}

size_t seqcFunctionNumArguments(const SeqcFunction *function) {
  return function ? function->arguments.size() : 0;
}

size_t seqcFunctionNumResults(const SeqcFunction *function) {
  return function ? function->results.size() : 0;
}

const char *seqcFunctionSignature(const SeqcFunction *function) {
  return function ? function->signature.c_str() : nullptr;
}

SeqcStatus seqcFunctionCall(const SeqcFunction *function,
                            const SeqcValue *arguments, size_t num_arguments,
                            SeqcValue *results, size_t num_results) {
  if (!function)
    return nullArgument("seqcFunctionCall", "function");
  return guarded([&] {
    return call(*function, arguments, num_arguments, results, num_results);
  });
}

SeqcStatus seqcProgramCall(const SeqcProgram *program, const char *name,
                           const SeqcValue *arguments, size_t num_arguments,
                           SeqcValue *results, size_t num_results) {
  const SeqcFunction *function;
  if (SeqcStatus status = seqcProgramLookup(program, name, &function))
    return status;
  return seqcFunctionCall(function, arguments, num_arguments, results,
                          num_results);
}

} // extern "C"
