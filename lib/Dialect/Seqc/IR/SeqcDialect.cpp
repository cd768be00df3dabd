//===- SeqcDialect.cpp - The seqc dialect ---------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "EnumKeyword.h"
#include "GradientInits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace seqc;

#include "seqc/Dialect/Seqc/IR/SeqcDialect.cpp.inc"
#include "seqc/Dialect/Seqc/IR/SeqcEnums.cpp.inc"
#include "seqc/Dialect/Seqc/IR/SeqcInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "seqc/Dialect/Seqc/IR/SeqcAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "seqc/Dialect/Seqc/IR/SeqcOps.cpp.inc"

void SeqcDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "seqc/Dialect/Seqc/IR/SeqcAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "seqc/Dialect/Seqc/IR/SeqcOps.cpp.inc"
      >();
}

/// Checks an attribute `seqc.*` of argument or result `number`; `nameOf` gives
/// the names of the others.
static LogicalResult
verifyName(Operation *op, StringRef what, unsigned number,
           NamedAttribute attribute,
           function_ref<Attribute(unsigned, StringRef)> nameOf) {
  auto error = [&] {
    return op->emitError() << what << " " << number << ": attribute '"
                           << attribute.getName().getValue() << "' ";
  };
  if (attribute.getName() != "seqc.name")
    return error() << "is unknown, expected 'seqc.name'";
  auto name = dyn_cast<StringAttr>(attribute.getValue());
  if (!name || name.empty() || name.getValue().contains('/') ||
      name.getValue().contains('='))
    return error() << "is " << attribute.getValue()
                   << ", expected a string without '/' and '='";
  for (unsigned i = 0; i < number; ++i)
    if (nameOf(i, attribute.getName()) == name)
      return error() << "is " << name << ", the name of " << what << " " << i;
  return success();
}

LogicalResult SeqcDialect::verifyRegionArgAttribute(Operation *op,
                                                    unsigned regionIndex,
                                                    unsigned argIndex,
                                                    NamedAttribute attribute) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return verifyName(op, "argument", argIndex, attribute,
                    [&](unsigned i, StringRef name) {
                      return function ? function.getArgAttr(i, name) : nullptr;
                    });
}

LogicalResult
SeqcDialect::verifyRegionResultAttribute(Operation *op, unsigned regionIndex,
                                         unsigned resultIndex,
                                         NamedAttribute attribute) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return verifyName(
      op, "result", resultIndex, attribute, [&](unsigned i, StringRef name) {
        return function ? function.getResultAttr(i, name) : nullptr;
      });
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t tileM, int64_t tileN, int64_t splits,
                                   int64_t stages, int64_t warps) {
  auto check = [&](int64_t value, StringRef name) -> LogicalResult {
    std::string problem = checkScheduleParameter(name, value);
    if (!problem.empty())
      return emitError() << "schedule parameter " << problem;
    return success();
  };
  return failure(
      failed(check(tileM, "tile_m")) || failed(check(tileN, "tile_n")) ||
      failed(check(splits, "splits")) || failed(check(stages, "stages")) ||
      failed(check(warps, "warps")));
}

int64_t seqc::getScheduleLimit(StringRef name) {
  return llvm::StringSwitch<int64_t>(name)
      .Case("splits", kMaxSplits)
      .Case("stages", kMaxStages)
      .Case("warps", kMaxWarps)
      .Default(kMaxTileSize);
}

std::string seqc::checkScheduleParameter(StringRef name, int64_t value) {
  int64_t limit = getScheduleLimit(name);
  if (name == "warps") {
    if (llvm::is_contained({0, 1, 2, 4, 8, 12, 16}, value))
      return "";
    return ("'warps' must be 0, 1, 2, 4, 8, 12 or 16, but is " + Twine(value))
        .str();
  }
  if (value >= 0 && value <= limit)
    return "";
  return ("'" + name + "' must be from 0 to " + Twine(limit) + ", but is " +
          Twine(value))
      .str();
}

FloatType seqc::getAccumulatorType(Type elementType) {
  if (elementType.isF64())
    return cast<FloatType>(elementType);
  return Float32Type::get(elementType.getContext());
}

bool seqc::isSameSize(OpFoldResult lhs, OpFoldResult rhs) {
  if (isEqualConstantIntOrValue(lhs, rhs))
    return true;
  auto getDim = [](OpFoldResult size) -> tensor::DimOp {
    auto value = dyn_cast<Value>(size);
    return value ? value.getDefiningOp<tensor::DimOp>() : nullptr;
  };
  tensor::DimOp l = getDim(lhs), r = getDim(rhs);
  return l && r && l.getSource() == r.getSource() && l.getConstantIndex() &&
         l.getConstantIndex() == r.getConstantIndex();
}
