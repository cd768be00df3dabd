//===- NVX.h - The nvx dialect ----------------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_NVX_IR_NVX_H
#define SEQC_DIALECT_NVX_IR_NVX_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "seqc/Dialect/NVX/IR/NVXDialect.h.inc"

#define GET_OP_CLASSES
#include "seqc/Dialect/NVX/IR/NVXOps.h.inc"

#endif // SEQC_DIALECT_NVX_IR_NVX_H
