//===- CheckLowered.cpp - Nothing is left outside of LLVM -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCCHECKLOWERED
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {
struct CheckLoweredPass
    : public seqc::impl::SeqcCheckLoweredBase<CheckLoweredPass> {
  void runOnOperation() override {
    // An operator says more than the casts that were left around it.
    Operation *left = nullptr;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<LLVM::LLVMDialect, omp::OpenMPDialect>(
              op->getDialect()) ||
          isa<ModuleOp>(op))
        return WalkResult::advance();
      bool isCast = isa<UnrealizedConversionCastOp>(op);
      if (!left || (isa<UnrealizedConversionCastOp>(left) && !isCast))
        left = op;
      return isCast ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (!left)
      return;
    if (isa<UnrealizedConversionCastOp>(left))
      left->emitError("a value of ")
          << left->getOperand(0).getType()
          << " is used in a way that the cpu target does not support";
    else
      left->emitOpError("is not supported on the cpu target");
    signalPassFailure();
  }
};
} // namespace
