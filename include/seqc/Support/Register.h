//===- Register.h - Everything a seqc tool registers ------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_SUPPORT_REGISTER_H
#define SEQC_SUPPORT_REGISTER_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace seqc {

/// Registers the dialects that seqc's levels are written in, with the interface
/// implementations that its passes rely on.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers every seqc pass and pipeline, and the upstream passes that the
/// pipelines use.
void registerAllPasses();

} // namespace seqc

#endif // SEQC_SUPPORT_REGISTER_H
