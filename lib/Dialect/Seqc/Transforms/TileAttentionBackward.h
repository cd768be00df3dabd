//===- TileAttentionBackward.h - Tiles of attention's backward --*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEATTENTIONBACKWARD_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEATTENTIONBACKWARD_H

#include "Tiler.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"

namespace seqc {

/// Replaces `op` by a grid of loops over tiles of tileM queries x tileN keys;
/// see TileAttentionBackward.cpp.
mlir::LogicalResult tileAttentionBackward(mlir::RewriterBase &rewriter,
                                          BlockAttentionBackwardOp op,
                                          int64_t tileM, int64_t tileN,
                                          bool singleLoop,
                                          TileStatistics &statistics);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_TILEATTENTIONBACKWARD_H
