//===- seqc-reduce.cpp - Shrinks a module that shows a bug ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Given a test script that exits with 1 while a module is still interesting,
// `--reduction-tree` removes operations and `--opt-reduction-pass` runs passes
// as long as the script agrees, and the smallest module found is printed.
//
//===----------------------------------------------------------------------===//

#include "seqc/Support/Register.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Reducer/Passes.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  seqc::registerAllPasses();
  mlir::registerReducerPasses();
  mlir::DialectRegistry registry;
  seqc::registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  return failed(mlir::mlirReduceMain(argc, argv, context));
}
