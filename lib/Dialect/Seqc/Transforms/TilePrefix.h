//===- TilePrefix.h - Channels of the states between parts ------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEPREFIX_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEPREFIX_H

#include "Tiler.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"

namespace seqc {

/// Makes a grid of small tiles of `op`, all parts of some channels each.
void tilePrefix(RewriterBase &b, ScanPrefixOp op);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEPREFIX_H
