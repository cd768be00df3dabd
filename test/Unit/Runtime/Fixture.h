//===- Fixture.h - Compile and call in a test -------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TEST_UNIT_RUNTIME_FIXTURE_H
#define SEQC_TEST_UNIT_RUNTIME_FIXTURE_H

#include "seqc-c/Compiler.h"

#include "gtest/gtest.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace seqc::test {

/// One context for all tests of the process, as a user would have it.
inline SeqcContext *sharedContext() {
  static SeqcContext *context = [] {
    SeqcContext *created = nullptr;
    seqcContextCreate(&created);
    return created;
  }();
  return context;
}

/// Compiles; the artifact's bytes, or "" with the message set.
inline std::string compile(const std::string &source,
                           const SeqcCompileOptions *options = nullptr) {
  SeqcBuffer *artifact = nullptr;
  if (seqcCompile(sharedContext(), source.data(), source.size(), options,
                  &artifact) != SEQC_OK)
    return "";
  std::string bytes(seqcBufferData(artifact), seqcBufferSize(artifact));
  seqcBufferRelease(artifact);
  return bytes;
}

struct ReleaseProgram {
  void operator()(SeqcProgram *program) const { seqcProgramRelease(program); }
};
using Program = std::unique_ptr<SeqcProgram, ReleaseProgram>;

inline Program load(const std::string &bytes, const char *target = nullptr) {
  SeqcProgram *program = nullptr;
  seqcProgramLoadBytes(bytes.data(), bytes.size(), target, &program);
  return Program(program);
}

/// Compiles and loads; fails the test where that fails.
inline Program build(const std::string &source) {
  std::string bytes = compile(source);
  EXPECT_FALSE(bytes.empty()) << seqcLastErrorMessage();
  Program program = load(bytes);
  EXPECT_TRUE(program) << seqcLastErrorMessage();
  return program;
}

inline SeqcValue integer(int64_t value) {
  SeqcValue result = SeqcValue();
  result.kind = SEQC_VALUE_INT;
  result.as.i64 = value;
  return result;
}

inline SeqcValue real(double value) {
  SeqcValue result = SeqcValue();
  result.kind = SEQC_VALUE_FLOAT;
  result.as.f64 = value;
  return result;
}

/// A tensor argument; keeps its shape and strides.
class Tensor {
public:
  Tensor(const void *data, SeqcDType dtype, std::vector<int64_t> shape,
         std::vector<int64_t> strides = {})
      : shape(std::move(shape)), strides(std::move(strides)) {
    value = SeqcValue();
    value.kind = SEQC_VALUE_TENSOR;
    value.as.tensor.data = const_cast<void *>(data);
    value.as.tensor.dtype = dtype;
    value.as.tensor.rank = int32_t(this->shape.size());
    value.as.tensor.shape = this->shape.data();
    value.as.tensor.strides =
        this->strides.empty() ? nullptr : this->strides.data();
  }
  Tensor(const Tensor &) = delete;

  operator const SeqcValue &() const { return value; }

  SeqcValue value;

private:
  std::vector<int64_t> shape, strides;
};

/// A result's elements in row-major order; releases the result.
template <typename T>
std::vector<T> take(SeqcValue &value) {
  std::vector<T> elements;
  EXPECT_EQ(value.kind, SEQC_VALUE_TENSOR);
  if (value.kind != SEQC_VALUE_TENSOR)
    return elements;
  SeqcTensor &tensor = value.as.tensor;
  EXPECT_EQ(seqcDTypeSize(tensor.dtype), sizeof(T));
  int64_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i)
    count *= tensor.shape[i];
  for (int64_t n = 0; n < count; ++n) {
    int64_t rest = n, offset = 0;
    for (int32_t i = tensor.rank; i-- > 0;) {
      offset += rest % tensor.shape[i] * tensor.strides[i];
      rest /= tensor.shape[i];
    }
    elements.push_back(static_cast<const T *>(tensor.data)[offset]);
  }
  seqcTensorRelease(&tensor);
  return elements;
}

inline ::testing::AssertionResult messageHas(const std::string &part) {
  std::string message = seqcLastErrorMessage();
  if (message.find(part) != std::string::npos)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "no \"" << part << "\" in \"" << message << "\"";
}

/// One line, and not empty.
inline bool isOneLine(const std::string &message) {
  return !message.empty() && message.find('\n') == std::string::npos;
}

} // namespace seqc::test

#endif // SEQC_TEST_UNIT_RUNTIME_FIXTURE_H
