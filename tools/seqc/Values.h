//===- Values.h - Arguments and results of a call ---------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_VALUES_H
#define SEQC_TOOLS_SEQC_VALUES_H

#include "Npy.h"
#include "Signature.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace seqc::driver {

/// The arguments of one call, and what their arrays lie in.
class Arguments {
public:
  explicit Arguments(const Signature &signature);

  /// Reads `text` as a .npy file or, for a scalar, as a number.
  void set(size_t index, const std::string &text,
           std::optional<SeqcDType> dtype);

  /// Draws a value. `shape` has one size per dimension or, when empty, leaves
  /// the signature's, which must then be static.
  void setRandom(size_t index, const std::vector<int64_t> &shape,
                 std::mt19937_64 &random);

  bool has(size_t index) const { return values[index].kind != 0; }
  const std::vector<SeqcValue> &get() const { return values; }

private:
  void setArray(size_t index, NpyArray array);

  const Signature &signature;
  std::vector<SeqcValue> values;
  std::vector<NpyArray> arrays;
};

/// The results of one call; released with it.
class Results {
public:
  explicit Results(size_t count) : values(count) {}
  ~Results();
  Results(const Results &) = delete;
  Results &operator=(const Results &) = delete;

  std::vector<SeqcValue> values;
};

/// Writes a result as a .npy file; a scalar becomes an array of rank 0.
void writeResult(FileWriter &file, const Parameter &parameter,
                 const SeqcValue &value);

/// One line: the shape, and the range and mean of the elements.
std::string summarize(const Parameter &parameter, const SeqcValue &value);

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_VALUES_H
