//===- EnumKeyword.h - Enumerations as bare keywords -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The assembly directive custom<EnumKeyword>: `align(top_left)`, and an error
// that lists the keywords there are.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_IR_ENUMKEYWORD_H
#define SEQC_LIB_DIALECT_SEQC_IR_ENUMKEYWORD_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "llvm/ADT/StringExtras.h"

namespace seqc {

template <typename AttrT>
mlir::ParseResult parseEnumKeyword(mlir::OpAsmParser &parser, AttrT &attr) {
  using EnumT = decltype(attr.getValue());
  llvm::SMLoc loc = parser.getCurrentLocation();
  llvm::StringRef keyword;
  // Case by case: the generated enumerations are dense and start at 0.
  llvm::SmallVector<llvm::StringRef> cases;
  for (unsigned i = 0;; ++i) {
    llvm::StringRef text = stringifyEnum(static_cast<EnumT>(i));
    if (text.empty())
      break;
    cases.push_back(text);
  }
  if (succeeded(parser.parseOptionalKeyword(&keyword)))
    for (auto [i, text] : llvm::enumerate(cases))
      if (text == keyword) {
        attr = AttrT::get(parser.getContext(), static_cast<EnumT>(i));
        return mlir::success();
      }
  return parser.emitError(loc, "expected one of ")
         << llvm::join(cases, ", ") << " for " << AttrT::getMnemonic();
}

template <typename AttrT>
void printEnumKeyword(mlir::OpAsmPrinter &printer, mlir::Operation *,
                      AttrT attr) {
  printer << stringifyEnum(attr.getValue());
}

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_IR_ENUMKEYWORD_H
