//===- Constraints.cpp - Checks behind the numbered constraints -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace seqc;

InFlightDiagnostic Constraints::fail(unsigned number) const {
  return op->emitOpError() << op->getName().stripDialect() << "_c" << number
                           << ": expected ";
}

/// Writes "2x8x?xf32", or "2x8x?xbf16 or 2x8x?xf32".
static std::string describe(ArrayRef<int64_t> shape, ArrayRef<Type> elements) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(
      elements,
      [&](Type element) {
        for (int64_t size : shape) {
          if (ShapedType::isDynamic(size))
            os << "?";
          else
            os << size;
          os << "x";
        }
        os << element;
      },
      [&] { os << " or "; });
  return text;
}

LogicalResult Constraints::hasRank(unsigned number, StringRef name, Value value,
                                   unsigned rank, StringRef dims,
                                   ArrayRef<Type> elements) const {
  if (!value)
    return success();
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == rank && !type.getEncoding() &&
      llvm::is_contained(elements, type.getElementType()))
    return success();
  return fail(number) << name << " to be a " << rank << "-D tensor " << dims
                      << " of " << describe({}, elements) << ", but got "
                      << type;
}

LogicalResult Constraints::tensor(unsigned number, StringRef name, Value value,
                                  ArrayRef<int64_t> shape, StringRef dims,
                                  ArrayRef<Type> elements) const {
  if (!value)
    return success();
  auto type = cast<RankedTensorType>(value.getType());
  if (succeeded(verifyCompatibleShape(type.getShape(), shape)) &&
      !type.getEncoding() &&
      llvm::is_contained(elements, type.getElementType()))
    return success();
  return fail(number) << name << " to be a tensor " << dims << " of "
                      << describe(shape, elements) << ", but got " << type;
}

LogicalResult Constraints::gradient(unsigned number, StringRef name,
                                    Value gradient, StringRef valueName,
                                    Value value) const {
  if (!gradient)
    return success();
  if (!value)
    return fail(number) << "no " << name << " without " << valueName
                        << ", but got " << gradient.getType();
  auto type = cast<RankedTensorType>(gradient.getType());
  auto wanted = cast<RankedTensorType>(value.getType());
  if (type.getElementType() == wanted.getElementType() && !type.getEncoding() &&
      succeeded(verifyCompatibleShape(type.getShape(), wanted.getShape())))
    return success();
  return fail(number) << name << " to have the type of " << valueName << ", "
                      << wanted << ", but got " << type;
}

SmallVector<Type> seqc::getDataTypes(MLIRContext *context) {
  return {Float16Type::get(context), BFloat16Type::get(context),
          Float32Type::get(context), Float64Type::get(context)};
}

SmallVector<OpFoldResult>
seqc::reifyShape(OpBuilder &builder, Value result,
                 ArrayRef<std::pair<Value, int64_t>> sources) {
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<OpFoldResult> sizes;
  for (auto [size, source] : llvm::zip_equal(type.getShape(), sources)) {
    if (!ShapedType::isDynamic(size)) {
      sizes.push_back(builder.getIndexAttr(size));
      continue;
    }
    OpFoldResult dim = tensor::getMixedSize(builder, result.getLoc(),
                                            source.first, source.second);
    sizes.push_back(
        getValueOrCreateConstantIndexOp(builder, result.getLoc(), dim));
  }
  return sizes;
}

Operation *seqc::replaceWithCopy(PatternRewriter &rewriter, Operation *op,
                                 TypeRange resultTypes, ValueRange operands) {
  OperationState state(op->getLoc(), op->getName(), operands, resultTypes,
                       op->getAttrs());
  for (Region &region : op->getRegions())
    state.addRegion()->takeBody(region);
  Operation *copy = rewriter.create(state);
  for (auto [old, result] : llvm::zip(op->getResults(), copy->getResults())) {
    Value value = result;
    if (result.getType() != old.getType())
      value =
          tensor::CastOp::create(rewriter, op->getLoc(), old.getType(), result);
    rewriter.replaceAllUsesWith(old, value);
  }
  rewriter.eraseOp(op);
  return copy;
}

bool seqc::lookThroughCasts(Operation *op, SmallVectorImpl<Value> &operands) {
  bool changed = false;
  for (Value operand : op->getOperands()) {
    auto cast = operand.getDefiningOp<tensor::CastOp>();
    if (cast && tensor::canFoldIntoConsumerOp(cast)) {
      operand = cast.getSource();
      changed = true;
    }
    operands.push_back(operand);
  }
  return changed;
}

RankedTensorType seqc::refineType(Type type, ArrayRef<int64_t> shape) {
  auto tensorType = cast<RankedTensorType>(type);
  SmallVector<int64_t> refined;
  for (auto [a, b] : llvm::zip_equal(tensorType.getShape(), shape))
    refined.push_back(refineDim(a, b));
  return tensorType.clone(refined);
}
