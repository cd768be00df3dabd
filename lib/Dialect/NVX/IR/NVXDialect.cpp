//===- NVXDialect.cpp - The nvx dialect -----------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::nvx;

#include "seqc/Dialect/NVX/IR/NVXDialect.cpp.inc"

#define GET_OP_CLASSES
#include "seqc/Dialect/NVX/IR/NVXOps.cpp.inc"

void NVXDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "seqc/Dialect/NVX/IR/NVXOps.cpp.inc"
      >();
}

/// One access moves a power of two of bytes, up to 16.
static LogicalResult verifyAccess(Operation *op, Type type) {
  int64_t count = 1;
  if (auto vector = dyn_cast<VectorType>(type)) {
    count = vector.getNumElements();
    type = vector.getElementType();
  }
  unsigned bits = type.getIntOrFloatBitWidth();
  if (bits % 8 != 0)
    return op->emitOpError()
           << "moves elements of type " << type << ", expected whole bytes";
  int64_t bytes = count * bits / 8;
  if (!llvm::isPowerOf2_64(bytes) || bytes > 16)
    return op->emitOpError()
           << "moves " << bytes << " bytes, expected 1, 2, 4, 8 or 16";
  return success();
}

LogicalResult LoadOp::verify() {
  return verifyAccess(*this, getResult().getType());
}

LogicalResult StoreOp::verify() {
  if (getAdd() && !getElementTypeOrSelf(getValue().getType()).isF32())
    return emitOpError() << "adds " << getValue().getType()
                         << ", expected elements of f32";
  return verifyAccess(*this, getValue().getType());
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

LogicalResult WgmmaOp::verify() {
  if (!getElementType().isF16() && !getElementType().isBF16())
    return emitOpError() << "multiplies " << getElementType()
                         << ", expected f16 or bf16";
  int64_t columns = getN();
  if (columns % 8 != 0 || columns > 256)
    return emitOpError() << "has " << columns
                         << " columns, expected a multiple of 8 up to 256";
  TypeRange types = getA().getTypes();
  bool descriptor = types.size() == 1 && types.front().isInteger(64);
  bool fragment = types.size() == 4 && llvm::all_of(types, [](Type type) {
                    return type.isInteger(32);
                  });
  if (!descriptor && !fragment)
    return emitOpError() << "has operands " << types
                         << " as a, expected one i64 or four i32";
  if (fragment && getRowsFastest())
    return emitOpError("has rows_fastest, which is for a in shared memory, but "
                       "a in registers");
  if (getAcc() && getAcc().getType() != getResult().getType())
    return emitOpError() << "adds to " << getAcc().getType()
                         << ", expected the result's type "
                         << getResult().getType();
  return success();
}

LogicalResult WgmmaFenceOp::inferReturnTypes(MLIRContext *context,
                                             std::optional<Location> location,
                                             WgmmaFenceOp::Adaptor adaptor,
                                             SmallVectorImpl<Type> &types) {
  llvm::append_range(types, adaptor.getOperands_().getTypes());
  return success();
}

LogicalResult ReadyOp::inferReturnTypes(MLIRContext *context,
                                        std::optional<Location> location,
                                        ReadyOp::Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  llvm::append_range(types, adaptor.getOperands_().getTypes());
  return success();
}

LogicalResult WgmmaWaitOp::inferReturnTypes(MLIRContext *context,
                                            std::optional<Location> location,
                                            WgmmaWaitOp::Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  llvm::append_range(types, adaptor.getOperands_().getTypes());
  return success();
}
