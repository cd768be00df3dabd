//===- GradientInits.h - Accumulators by name ------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The custom syntax of the accumulators of a backward operator: some of
// `query_grad %a, key_grad %b, value_grad %c, bias_grad %d,
// captured_grad %e`, in any order.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_IR_GRADIENTINITS_H
#define SEQC_LIB_DIALECT_SEQC_IR_GRADIENTINITS_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "llvm/ADT/StringExtras.h"

#include <array>
#include <optional>

namespace seqc {

using OptionalOperand = std::optional<mlir::OpAsmParser::UnresolvedOperand>;

inline mlir::ParseResult
parseGradientInits(mlir::OpAsmParser &parser, OptionalOperand &query,
                   OptionalOperand &key, OptionalOperand &value,
                   OptionalOperand &bias, OptionalOperand &captured) {
  const std::array<std::pair<llvm::StringRef, OptionalOperand *>, 5> all = {
      {{"query_grad", &query},
       {"key_grad", &key},
       {"value_grad", &value},
       {"bias_grad", &bias},
       {"captured_grad", &captured}}};
  llvm::StringRef keyword;
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (failed(parser.parseOptionalKeyword(&keyword)))
    return mlir::success(); // None: the verifier says so.
  while (true) {
    const auto *entry = llvm::find_if(
        all, [&](const auto &known) { return known.first == keyword; });
    if (entry == all.end() || *entry->second)
      return parser.emitError(loc)
             << "expected each of query_grad, key_grad, value_grad, bias_grad "
                "and captured_grad at most once, but got "
             << keyword;
    if (failed(parser.parseOperand(entry->second->emplace())))
      return mlir::failure();
    if (failed(parser.parseOptionalComma()))
      return mlir::success();
    loc = parser.getCurrentLocation();
    if (failed(parser.parseKeyword(&keyword)))
      return mlir::failure();
  }
}

inline void printGradientInits(mlir::OpAsmPrinter &printer, mlir::Operation *,
                               mlir::Value query, mlir::Value key,
                               mlir::Value value, mlir::Value bias,
                               mlir::Value captured) {
  llvm::ListSeparator comma;
  const std::array<std::pair<llvm::StringRef, mlir::Value>, 5> all = {
      {{"query_grad", query},
       {"key_grad", key},
       {"value_grad", value},
       {"bias_grad", bias},
       {"captured_grad", captured}}};
  for (auto [name, operand] : all)
    if (operand)
      printer << llvm::StringRef(comma) << name << ' ' << operand;
}

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_IR_GRADIENTINITS_H
