//===- Passes.h - From the LLVM dialect to a cubin --------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_PASSES_H
#define SEQC_TARGET_PTX_PASSES_H

#include "seqc/Support/Statistics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace seqc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "seqc/Target/PTX/Passes.h.inc"

} // namespace seqc

#endif // SEQC_TARGET_PTX_PASSES_H
