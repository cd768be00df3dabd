//===- Program.h - Programs and their functions -----------------*- C++ -*-===//
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
//   Metadata.cpp   reads the functions from the JSON of an artifact
//   Arguments.cpp  checks what a caller passes
//   Call.cpp       calls the code: descriptors in, results out
//   Program.cpp    loads artifacts; the C API
//
// That is a target for the CPU. CudaProgram.h has those for GPUs.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_RUNTIME_PROGRAM_H
#define SEQC_LIB_RUNTIME_PROGRAM_H

#include "Library.h"

#include "seqc-c/Runtime.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace seqc {

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
  /// Of memory of a GPU, the context and the stream that it was allocated in.
  void *device;
  void *stream;

  int64_t *shape() { return reinterpret_cast<int64_t *>(this + 1); }

  static Owner *create(int32_t rank) {
    void *memory = std::malloc(sizeof(Owner) + 2 * rank * sizeof(int64_t));
    if (!memory)
      throw std::bad_alloc();
    return new (memory) Owner{nullptr, nullptr, nullptr};
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

namespace cuda {
class Program;
} // namespace cuda

/// Frees what an owner of a GPU's memory holds.
void releaseDeviceMemory(Owner &owner);

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

} // namespace seqc

struct SeqcFunction {
  std::string name;
  std::string signature;
  std::vector<seqc::ValueSpec> arguments;
  std::vector<seqc::ValueSpec> results;
  /// Groups of argument dimensions that have one size.
  std::vector<std::vector<seqc::Dimension>> equal;
  /// Pairs whose first size is a multiple of the second.
  std::vector<std::pair<seqc::Dimension, seqc::Dimension>> multiple;
  size_t scratchBytes = 0;
  /// On a target for the CPU.
  void (*code)(void **) = nullptr;
  /// On a target for GPUs, and the function's number there.
  const seqc::cuda::Program *gpu = nullptr;
  size_t number = 0;
};

struct SeqcProgram {
  std::string metadata;
  std::string target;
  std::vector<SeqcFunction> functions;
  seqc::Library library;
  std::shared_ptr<const seqc::cuda::Program> gpu;
};

namespace seqc {

using Json = nlohmann::ordered_json;

/// Why an artifact's metadata cannot be used.
struct BadMetadata : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The member of a JSON object, which must have that type. Throws BadMetadata.
const Json &member(const Json &object, const char *key, Json::value_t type);

/// The same for a string.
std::string text(const Json &object, const char *key);

/// Reads a function, without its code. Throws BadMetadata.
SeqcFunction readFunction(const Json &json);

/// "tensor<2x?xf32>".
std::string tensorType(const int64_t *shape, int32_t rank, SeqcDType dtype);

/// Checks the arguments, which are as many as the function has, one by one and
/// against each other. `shapesOnly`: not where their memory is.
SeqcStatus checkArguments(const SeqcFunction &function,
                          const SeqcValue *arguments, bool shapesOnly = false);

/// Writes a scalar as its type lies in memory.
void packScalar(SeqcDType dtype, const SeqcValue &value, char *to);

/// How results come and when a call on a GPU returns.
struct CallMode {
  void *stream = nullptr;
  /// Results may come with memory to write to.
  bool inPlace = false;
  /// Return when the results are there.
  bool wait = true;
};

/// Checks the arguments and calls the code.
SeqcStatus call(const SeqcFunction &function, const SeqcValue *arguments,
                size_t numArguments, SeqcValue *results, size_t numResults,
                const CallMode &mode);

/// The sizes of the results that a call would have.
SeqcStatus resultShapes(const SeqcFunction &function,
                        const SeqcValue *arguments, size_t numArguments,
                        int64_t *sizes, size_t numSizes);

} // namespace seqc

#endif // SEQC_LIB_RUNTIME_PROGRAM_H
