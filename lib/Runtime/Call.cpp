//===- Call.cpp - Descriptors in, results out -----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaProgram.h"
#include "Program.h"

#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

using namespace seqc;

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

void seqc::packScalar(SeqcDType dtype, const SeqcValue &value, char *to) {
  switch (dtype) {
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

/// Copies elements from an array to another of the same shape.
static void scatter(char *to, const char *from, const int64_t *shape,
                    const int64_t *fromStrides, const int64_t *toStrides,
                    int32_t rank, size_t size) {
  if (rank == 0) {
    std::memcpy(to, from, size);
    return;
  }
  for (int64_t i = 0; i < shape[0]; ++i)
    scatter(to + i * toStrides[0] * int64_t(size),
            from + i * fromStrides[0] * int64_t(size), shape + 1,
            fromStrides + 1, toStrides + 1, rank - 1, size);
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

//===----------------------------------------------------------------------===//
// Calling
//===----------------------------------------------------------------------===//

static SeqcStatus wrongCount(const SeqcFunction &function, const char *what,
                             size_t given, size_t expected) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  "function '" + function.name + "' has " +
                      std::to_string(expected) + " " + what + ", got " +
                      std::to_string(given));
}

static SeqcStatus isNull(const SeqcFunction &function, const char *what) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  "function '" + function.name + "': " + what + " is null");
}

/// Calls code for the CPU.
static SeqcStatus callCode(const SeqcFunction &function,
                           const SeqcValue *arguments, SeqcValue *results) {
  size_t numArguments = function.arguments.size();
  size_t numResults = function.results.size();
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
      packScalar(spec.dtype, arguments[i], to);
    slots[slot++] = to;
  }
  {
    ThreadScope threads;
    function.code(slots);
  }
  takeResults(function, arguments, scratch, results);
  return SEQC_OK;
}

/// Calls code for the CPU, and writes results where there is memory for them.
static SeqcStatus callInPlace(const SeqcFunction &function,
                              const SeqcValue *arguments, SeqcValue *results) {
  size_t count = function.results.size();
  std::vector<SeqcValue> own(count);
  if (SeqcStatus status = callCode(function, arguments, own.data()))
    return status;
  SeqcStatus status = SEQC_OK;
  auto isProvided = [&](size_t i) {
    return own[i].kind == SEQC_VALUE_TENSOR &&
           results[i].kind == SEQC_VALUE_TENSOR && results[i].as.tensor.data;
  };
  for (size_t i = 0; i < count && !status; ++i) {
    if (!isProvided(i))
      continue;
    const SeqcTensor &from = own[i].as.tensor, &to = results[i].as.tensor;
    if (to.device_type != SEQC_DEVICE_HOST || to.dtype != from.dtype ||
        to.rank != from.rank || (to.rank > 0 && !to.shape) ||
        !std::equal(from.shape, from.shape + from.rank, to.shape))
      status = setError(SEQC_ERROR_INVALID_ARGUMENT,
                        "function '" + function.name + "', result " +
                            std::to_string(i) + ": the memory for it is not " +
                            tensorType(from.shape, from.rank, from.dtype) +
                            " of the host");
  }
  for (size_t i = 0; i < count; ++i) {
    if (!status && isProvided(i)) {
      const SeqcTensor &from = own[i].as.tensor, &to = results[i].as.tensor;
      size_t size = seqcDTypeSize(from.dtype);
      std::vector<int64_t> strides(size_t(to.rank) + 1);
      denseStrides(from.shape, from.rank, strides.data());
      if (to.strides)
        std::copy_n(to.strides, to.rank, strides.data());
      const char *data = static_cast<const char *>(from.data);
      scatter(static_cast<char *>(to.data), data, from.shape, from.strides,
              strides.data(), from.rank, size);
      seqcTensorRelease(&own[i].as.tensor);
    } else if (!status) {
      results[i] = own[i];
    } else if (own[i].kind == SEQC_VALUE_TENSOR) {
      seqcTensorRelease(&own[i].as.tensor);
    }
  }
  return status;
}

SeqcStatus seqc::call(const SeqcFunction &function, const SeqcValue *arguments,
                      size_t numArguments, SeqcValue *results,
                      size_t numResults, const CallMode &mode) {
  if (numArguments != function.arguments.size())
    return wrongCount(function, "arguments", numArguments,
                      function.arguments.size());
  if (numResults != function.results.size())
    return wrongCount(function, "results", numResults, function.results.size());
  if (numArguments && !arguments)
    return isNull(function, "arguments");
  if (numResults && !results)
    return isNull(function, "results");
  if (SeqcStatus status = checkArguments(function, arguments))
    return status;
  if (function.gpu)
    return cuda::call(function, arguments, results,
                      static_cast<cuda::Stream>(mode.stream), mode.inPlace,
                      mode.wait);
  return mode.inPlace ? callInPlace(function, arguments, results)
                      : callCode(function, arguments, results);
}

SeqcStatus seqc::resultShapes(const SeqcFunction &function,
                              const SeqcValue *arguments, size_t numArguments,
                              int64_t *sizes, size_t numSizes) {
  if (numArguments != function.arguments.size())
    return wrongCount(function, "arguments", numArguments,
                      function.arguments.size());
  size_t expected = 0;
  for (const ValueSpec &spec : function.results)
    expected += spec.shape.size();
  if (numSizes != expected)
    return wrongCount(function, "sizes of results", numSizes, expected);
  if (numArguments && !arguments)
    return isNull(function, "arguments");
  if (numSizes && !sizes)
    return isNull(function, "sizes");
  if (SeqcStatus status =
          checkArguments(function, arguments, /*shapesOnly=*/true))
    return status;
  if (function.gpu)
    return cuda::resultShapes(function, arguments, sizes);
  for (const ValueSpec &spec : function.results)
    for (int64_t size : spec.shape)
      if (size == kDynamic)
        return setError(SEQC_ERROR_UNSUPPORTED,
                        "function '" + function.name +
                            "': only a call tells the shapes of its results "
                            "on the CPU");
  for (const ValueSpec &spec : function.results)
    sizes = std::copy(spec.shape.begin(), spec.shape.end(), sizes);
  return SEQC_OK;
}
