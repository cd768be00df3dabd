//===- RecomputeBackward.cpp - Backward operators by recomputation --------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rewrites are in files of their own, one for each operator.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/Transforms/RecomputeBackward.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCRECOMPUTEBACKWARD
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {
struct RecomputeBackwardPass
    : public seqc::impl::SeqcRecomputeBackwardBase<RecomputeBackwardPass> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<ChipInfo> info = getChipInfo(chip);
    if (!info) {
      emitError(getOperation().getLoc()) << unknownChipMessage(chip);
      return signalPassFailure();
    }
    RecomputeStatistics statistics;
    RewritePatternSet patterns(&getContext());
    populateRecomputeAttentionPatterns(patterns, together, grids, statistics);
    if (scans)
      populateRecomputeScanPatterns(patterns, grids, *info, statistics);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
    numAttention += statistics.attention;
    numScans += statistics.scans;
    numSplit += statistics.split;
    numRecomputed += statistics.recomputed;
    numRegions += statistics.regions;
    // What is still there, a pattern has refused.
    WalkResult rest = getOperation()->walk(
        [](AttentionBackwardOp) { return WalkResult::interrupt(); });
    if (rest.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
