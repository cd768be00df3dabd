//===- Signature.h - Names and types of a function --------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_SIGNATURE_H
#define SEQC_TOOLS_SEQC_SIGNATURE_H

#include "seqc-c/Runtime.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace seqc::driver {

/// The size of a dimension that only the call knows.
constexpr int64_t kDynamic = -1;

/// An argument or a result.
struct Parameter {
  std::string name; ///< Empty where the source gives none.
  bool isTensor;
  std::string dtypeName; ///< As in the signature; "index" is SEQC_I64.
  SeqcDType dtype;
  std::vector<int64_t> shape;

  /// In MLIR's syntax: "tensor<?x8xf32>".
  std::string type() const;
  /// "argument 2 'key'", for messages; `what` is "argument" or "result".
  std::string describe(const char *what, size_t index) const;
};

struct Signature {
  std::string name;
  std::vector<Parameter> arguments, results;

  /// Throws UserError where the JSON is not a signature.
  static Signature parse(const nlohmann::json &json);
  static Signature parse(const SeqcFunction *function);
  /// "@f(x: tensor<?x8xf32>) -> tensor<?xf32>".
  std::string print() const;
};

/// The position that `key`, a name or a number, stands for. Throws UserError
/// with the names there are; `what` is "argument" or "result".
size_t findParameter(const std::vector<Parameter> &parameters,
                     const std::string &key, const char *what);

/// The element type of that name. Throws UserError.
SeqcDType parseDType(const std::string &name);

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_SIGNATURE_H
