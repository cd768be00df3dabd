//===- Arguments.cpp - Checking what a caller passes ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "seqc/Runtime/Status.h"

using namespace seqc;

static const char *dtypeName(SeqcDType dtype) {
  const char *name = seqcDTypeName(dtype);
  return name ? name : "unknown";
}

std::string seqc::tensorType(const int64_t *shape, int32_t rank,
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
                              const SeqcTensor &tensor, bool shapesOnly) {
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
  if (shapesOnly)
    return SEQC_OK;
  if (function.gpu) {
    if (tensor.device_type != SEQC_DEVICE_CUDA)
      return mismatch("device type is " + std::to_string(tensor.device_type) +
                      ", only CUDA memory (2) is supported by this program");
  } else if (tensor.device_type != SEQC_DEVICE_HOST)
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
                                const SeqcValue &value, bool shapesOnly) {
  const ValueSpec &spec = function.arguments[number];
  int32_t expected = spec.isTensor    ? SEQC_VALUE_TENSOR
                     : spec.isFloat() ? SEQC_VALUE_FLOAT
                                      : SEQC_VALUE_INT;
  if (value.kind == expected)
    return spec.isTensor
               ? checkTensor(function, number, value.as.tensor, shapesOnly)
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

SeqcStatus seqc::checkArguments(const SeqcFunction &function,
                                const SeqcValue *arguments, bool shapesOnly) {
  for (size_t i = 0; i < function.arguments.size(); ++i)
    if (SeqcStatus status =
            checkArgument(function, i, arguments[i], shapesOnly))
      return status;
  return checkSizes(function, arguments);
}
