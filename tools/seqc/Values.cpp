//===- Values.cpp - Arguments and results of a call -----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Values.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

using namespace seqc::driver;

namespace {

bool isFloat(SeqcDType dtype) {
  return dtype == SEQC_F16 || dtype == SEQC_BF16 || dtype == SEQC_F32 ||
         dtype == SEQC_F64;
}

template <typename T>
T loadAs(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

double load(const char *data, SeqcDType dtype) {
  switch (dtype) {
  case SEQC_F16:
    return double(loadAs<_Float16>(data));
  case SEQC_BF16: {
    uint32_t bits = uint32_t(loadAs<uint16_t>(data)) << 16;
    return double(loadAs<float>(reinterpret_cast<const char *>(&bits)));
  }
  case SEQC_F32:
    return double(loadAs<float>(data));
  case SEQC_F64:
    return loadAs<double>(data);
  case SEQC_I1:
  case SEQC_I8:
    return double(loadAs<int8_t>(data));
  case SEQC_I32:
    return double(loadAs<int32_t>(data));
  default:
    return double(loadAs<int64_t>(data));
  }
}

template <typename T>
void storeAs(char *data, double value) {
  T rounded = static_cast<T>(value);
  std::memcpy(data, &rounded, sizeof(T));
}

/// Stores a value, rounded to nearest.
void store(char *data, SeqcDType dtype, double value) {
  switch (dtype) {
  case SEQC_F16:
    return storeAs<_Float16>(data, value);
  case SEQC_BF16: {
    float rounded = float(value);
    uint32_t bits = loadAs<uint32_t>(reinterpret_cast<char *>(&rounded));
    uint16_t upper = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    std::memcpy(data, &upper, sizeof(upper));
    return;
  }
  case SEQC_F32:
    return storeAs<float>(data, value);
  case SEQC_F64:
    return storeAs<double>(data, value);
  case SEQC_I1:
  case SEQC_I8:
    return storeAs<int8_t>(data, value);
  case SEQC_I32:
    return storeAs<int32_t>(data, value);
  default:
    return storeAs<int64_t>(data, value);
  }
}

/// Standard normal for floats; 0 or 1 for i1, 0 to 3 for other integers, so
/// that they also serve as segment numbers and short lengths.
double draw(SeqcDType dtype, std::mt19937_64 &random) {
  if (isFloat(dtype))
    return std::normal_distribution<double>()(random);
  return double(random() % (dtype == SEQC_I1 ? 2 : 4));
}

/// The least and the largest value of an integer type.
std::pair<int64_t, int64_t> integerRange(SeqcDType dtype) {
  switch (dtype) {
  case SEQC_I1:
    return {0, 1};
  case SEQC_I8:
    return {INT8_MIN, INT8_MAX};
  case SEQC_I32:
    return {INT32_MIN, INT32_MAX};
  default:
    return {INT64_MIN, INT64_MAX};
  }
}

SeqcValue makeScalar(const Parameter &parameter, double real, int64_t integer) {
  SeqcValue value = {};
  if (isFloat(parameter.dtype)) {
    value.kind = SEQC_VALUE_FLOAT;
    value.as.f64 = real;
  } else {
    value.kind = SEQC_VALUE_INT;
    value.as.i64 = integer;
  }
  return value;
}

/// A scalar of the command line.
SeqcValue parseScalar(const Parameter &parameter, const std::string &text,
                      const std::string &what) {
  char *end = nullptr;
  errno = 0;
  if (isFloat(parameter.dtype)) {
    double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && !*end)
      return makeScalar(parameter, value, 0);
    throw UserError(what + " is '" + text + "', expected a number (" +
                    parameter.dtypeName + ")");
  }
  auto [least, largest] = integerRange(parameter.dtype);
  long long value = std::strtoll(text.c_str(), &end, 0);
  if (!text.empty() && !*end && errno == 0 && value >= least &&
      value <= largest)
    return makeScalar(parameter, 0, value);
  throw UserError(what + " is '" + text + "', expected an integer from " +
                  std::to_string(least) + " to " + std::to_string(largest) +
                  " (" + parameter.dtypeName + ")");
}

bool namesNpyFile(const std::string &text) {
  return text.size() > 4 && text.compare(text.size() - 4, 4, ".npy") == 0;
}

std::string printShape(const int64_t *shape, size_t rank) {
  std::string result;
  for (size_t i = 0; i < rank; ++i)
    result += std::to_string(shape[i]) + "x";
  return result;
}

/// The value of a result as a tensor; `room` keeps a scalar's element.
SeqcTensor asTensor(const Parameter &parameter, const SeqcValue &value,
                    char *room) {
  if (value.kind == SEQC_VALUE_TENSOR)
    return value.as.tensor;
  SeqcTensor tensor = {};
  tensor.dtype = parameter.dtype;
  tensor.data = room;
  if (value.kind == SEQC_VALUE_FLOAT)
    store(room, parameter.dtype, value.as.f64);
  else
    std::memcpy(room, &value.as.i64, elementSize(parameter.dtype));
  return tensor;
}

} // namespace

Arguments::Arguments(const Signature &signature)
    : signature(signature), values(signature.arguments.size()),
      arrays(signature.arguments.size()) {}

void Arguments::set(size_t index, const std::string &text,
                    std::optional<SeqcDType> dtype) {
  const Parameter &parameter = signature.arguments[index];
  std::string what = parameter.describe("argument", index);
  if (!parameter.isTensor && !namesNpyFile(text)) {
    values[index] = parseScalar(parameter, text, what);
    return;
  }
  NpyArray array = readNpy(text, dtype);
  if (parameter.isTensor)
    return setArray(index, std::move(array));

  if (array.dtype != parameter.dtype || !array.shape.empty())
    throw UserError(what + " is a scalar of type " + parameter.dtypeName +
                    ", but '" + text + "' holds tensor<" +
                    printShape(array.shape.data(), array.shape.size()) +
                    seqcDTypeName(array.dtype) + ">");
  int64_t integer = 0;
  if (!isFloat(array.dtype))
    integer = array.dtype == SEQC_I64
                  ? loadAs<int64_t>(static_cast<char *>(array.data))
                  : int64_t(load(static_cast<char *>(array.data), array.dtype));
  values[index] = makeScalar(
      parameter, load(static_cast<char *>(array.data), array.dtype), integer);
}

void Arguments::setArray(size_t index, NpyArray array) {
  NpyArray &kept = arrays[index] = std::move(array);
  SeqcValue value = {};
  value.kind = SEQC_VALUE_TENSOR;
  value.as.tensor.data = kept.data;
  value.as.tensor.dtype = kept.dtype;
  value.as.tensor.rank = int32_t(kept.shape.size());
  value.as.tensor.shape = kept.shape.data();
  value.as.tensor.strides = kept.strides.data();
  values[index] = value;
}

void Arguments::setRandom(size_t index, const std::vector<int64_t> &shape,
                          std::mt19937_64 &random) {
  const Parameter &parameter = signature.arguments[index];
  std::string what = parameter.describe("argument", index);
  if (!parameter.isTensor) {
    double value = draw(parameter.dtype, random);
    values[index] = makeScalar(parameter, value, int64_t(value));
    return;
  }
  NpyArray array;
  array.dtype = parameter.dtype;
  array.shape = shape.empty() ? parameter.shape : shape;
  if (array.shape.size() != parameter.shape.size())
    throw UserError(what + " has type " + parameter.type() +
                    ", but --shape gives it " + std::to_string(shape.size()) +
                    " sizes");
  int64_t count = 1;
  for (int64_t size : array.shape) {
    if (size == kDynamic)
      throw UserError(what + " has type " + parameter.type() +
                      ": give its sizes with --shape");
    if (__builtin_mul_overflow(count, size, &count))
      throw std::bad_alloc();
  }
  size_t elementBytes = elementSize(array.dtype), bytes;
  if (__builtin_mul_overflow(size_t(count), elementBytes, &bytes))
    throw std::bad_alloc();
  array.storage = Bytes(bytes);
  array.data = array.storage.data();
  for (size_t i = 0; i < size_t(count); ++i)
    store(array.storage.data() + i * elementBytes, array.dtype,
          draw(array.dtype, random));
  array.strides.assign(array.shape.size(), 1);
  for (size_t i = array.shape.size(); i-- > 1;)
    array.strides[i - 1] = array.strides[i] * array.shape[i];
  setArray(index, std::move(array));
}

Results::~Results() {
  for (SeqcValue &value : values)
    if (value.kind == SEQC_VALUE_TENSOR)
      seqcTensorRelease(&value.as.tensor);
}

void seqc::driver::writeResult(FileWriter &file, const Parameter &parameter,
                               const SeqcValue &value) {
  alignas(8) char room[8];
  writeNpy(file, asTensor(parameter, value, room));
}

std::string seqc::driver::summarize(const Parameter &parameter,
                                    const SeqcValue &value) {
  alignas(8) char room[8];
  SeqcTensor tensor = asTensor(parameter, value, room);
  size_t rank = size_t(tensor.rank);
  std::string result = "tensor<" + printShape(tensor.shape, rank) +
                       seqcDTypeName(tensor.dtype) + ">";
  if (value.kind != SEQC_VALUE_TENSOR)
    result = parameter.dtypeName;

  // Visits the elements like an odometer.
  int64_t bytes = int64_t(elementSize(tensor.dtype));
  std::vector<int64_t> strides(rank, 1), position(rank, 0);
  for (size_t i = rank; i-- > 1;)
    strides[i - 1] = strides[i] * tensor.shape[i];
  if (tensor.strides)
    strides.assign(tensor.strides, tensor.strides + rank);
  int64_t count = 1, notANumber = 0;
  for (size_t i = 0; i < rank; ++i)
    count *= tensor.shape[i];
  double least = std::numeric_limits<double>::infinity(), largest = -least;
  double sum = 0;
  const char *data = static_cast<const char *>(tensor.data);
  for (int64_t n = 0; n < count; ++n) {
    double element = load(data, tensor.dtype);
    if (std::isnan(element)) {
      ++notANumber;
    } else {
      least = std::min(least, element);
      largest = std::max(largest, element);
      sum += element;
    }
    for (size_t dim = rank; dim-- > 0;) {
      data += strides[dim] * bytes;
      if (++position[dim] < tensor.shape[dim])
        break;
      data -= strides[dim] * bytes * tensor.shape[dim];
      position[dim] = 0;
    }
  }
  if (count == 0)
    return result + " empty";
  char text[160] = "";
  if (notANumber < count)
    std::snprintf(text, sizeof(text), " min %.6g max %.6g mean %.6g", least,
                  largest, sum / double(count - notANumber));
  result += text;
  if (notANumber != 0)
    result +=
        " NaN " + std::to_string(notANumber) + " of " + std::to_string(count);
  return result;
}
