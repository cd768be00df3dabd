//===- SeqcDialect.td - Everything in the seqc dialect -----*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCDIALECT
#define SEQC_DIALECT_SEQC_IR_SEQCDIALECT

include "seqc/Dialect/Seqc/IR/SeqcOps.td"
include "seqc/Dialect/Seqc/IR/SeqcAlgebraOps.td"
include "seqc/Dialect/Seqc/IR/SeqcBackwardOps.td"
include "seqc/Dialect/Seqc/IR/SeqcScanBackwardOps.td"

#endif // SEQC_DIALECT_SEQC_IR_SEQCDIALECT
