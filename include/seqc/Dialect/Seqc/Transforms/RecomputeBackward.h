//===- RecomputeBackward.h - Rewrites of backward operators -----*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_TRANSFORMS_RECOMPUTEBACKWARD_H
#define SEQC_DIALECT_SEQC_TRANSFORMS_RECOMPUTEBACKWARD_H

#include "seqc/Analysis/ChipInfo.h"

#include "mlir/IR/PatternMatch.h"

namespace seqc {

/// What the patterns did.
struct RecomputeStatistics {
  unsigned attention = 0, scans = 0, split = 0, recomputed = 0, regions = 0;
};

/// seqc.attention_backward -> seqc.block_attention_backward. With `together`,
/// one operator for the gradients of queries, keys and values; with `grids`,
/// what bias broadcasts and a region captures is summed over one dimension, and
/// the rest behind. A pattern that refuses an operator has reported an error.
void populateRecomputeAttentionPatterns(mlir::RewritePatternSet &patterns,
                                        bool together, bool grids,
                                        RecomputeStatistics &statistics);

/// seqc.selective_scan_backward -> a loop over chunks for the states between
/// them, and one from the last chunk to the first of seqc.chunk_scan_backward.
/// seqc.causal_conv1d_backward -> seqc.chunk_conv1d_backward. With `grids`, the
/// loops are inside of tiles of channels that run in parallel, and of parts of
/// the sequence if the schedule has `splits`: as many as fill `chip`.
void populateRecomputeScanPatterns(mlir::RewritePatternSet &patterns,
                                   bool grids, const ChipInfo &chip,
                                   RecomputeStatistics &statistics);

/// Replaces the terminator of a score region, which yields the score, by one
/// that yields the score, its derivative in the first argument, and that in the
/// elements of each tensor of `captured`. Fails with an error at an operation
/// that has none.
mlir::LogicalResult addScoreDerivative(mlir::RewriterBase &rewriter,
                                       mlir::Region &score,
                                       mlir::ValueRange captured = {});

} // namespace seqc

#endif // SEQC_DIALECT_SEQC_TRANSFORMS_RECOMPUTEBACKWARD_H
