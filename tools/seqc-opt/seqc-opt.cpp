//===- seqc-opt.cpp - Runs seqc's passes one at a time --------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Support/Register.h"
#include "seqc/Support/Statistics.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

static llvm::cl::opt<bool> printStatistics(
    "seqc-statistics",
    llvm::cl::desc("Print what seqc's passes counted, to standard error"));

int main(int argc, char **argv) {
  seqc::registerAllPasses();
  mlir::DialectRegistry registry;
  seqc::registerAllDialects(registry);
  mlir::LogicalResult result = mlir::MlirOptMain(
      argc, argv, "seqc's passes and pipelines, and MLIR's\n", registry);
  if (printStatistics)
    seqc::printStatistics(llvm::errs());
  return mlir::asMainReturnCode(result);
}
