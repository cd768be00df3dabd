//===- TileLinalg.cpp - Graph-level linalg over the cores -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The innermost parallel dimension of an operator with a reduction is blocked
// by `columns`, the one before it by `rows`, and the others one by one;
// operators without a reduction keep whole rows. Small operators stay as they
// are: a parallel region costs microseconds.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCTILELINALG
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

/// Below this many points a parallel region is not worth its start.
static constexpr int64_t smallOp = 1 << 14;

static bool isSmall(linalg::LinalgOp op) {
  SmallVector<int64_t, 4> extents = op.getStaticLoopRanges();
  if (llvm::is_contained(extents, 0))
    return true;
  int64_t points = 1;
  for (int64_t extent : extents) {
    if (ShapedType::isDynamic(extent))
      return false;
    points *= extent;
  }
  return points < smallOp;
}

namespace {
struct TileLinalgPass : public seqc::impl::SeqcTileLinalgBase<TileLinalgPass> {
  using Base::Base;

  void runOnOperation() override {
    for (auto [name, value] : {std::pair("rows", rows.getValue()),
                               std::pair("columns", columns.getValue())})
      if (value < 0) {
        emitError(getOperation().getLoc())
            << "option '" << name << "' must not be negative, but is " << value;
        return signalPassFailure();
      }
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> layouts;
    getOperation()->walk([&](Operation *op) {
      if (isa<linalg::PackOp, linalg::UnPackOp>(op))
        layouts.push_back(op);
    });
    for (Operation *op : layouts) {
      rewriter.setInsertionPoint(op);
      auto pack = dyn_cast<linalg::PackOp>(op);
      if (pack ? failed(linalg::lowerPack(rewriter, pack))
               : failed(linalg::lowerUnPack(rewriter,
                                            cast<linalg::UnPackOp>(op)))) {
        op->emitOpError("cannot be lowered with these sizes");
        return signalPassFailure();
      }
    }
    SmallVector<linalg::AggregatedOpInterface> aggregates;
    getOperation()->walk(
        [&](linalg::AggregatedOpInterface op) { aggregates.push_back(op); });
    for (linalg::AggregatedOpInterface op : aggregates) {
      rewriter.setInsertionPoint(op);
      FailureOr<SmallVector<Value>> parts = op.decomposeOperation(rewriter);
      if (failed(parts)) {
        op->emitOpError("cannot be decomposed into simpler operators");
        return signalPassFailure();
      }
      rewriter.replaceOp(op, *parts);
    }

    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (!op->getParentOfType<scf::ForallOp>() &&
          op.hasPureTensorSemantics() && !isSmall(op))
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops) {
      SmallVector<OpFoldResult> sizes(op.getNumLoops(),
                                      rewriter.getIndexAttr(0));
      SmallVector<unsigned> parallel;
      op.getParallelDims(parallel);
      if (parallel.empty())
        continue;
      bool reduces = op.getNumReductionLoops() > 0;
      unsigned last = parallel.back();
      for (unsigned dim : parallel) {
        if (dim == last && parallel.size() > 1)
          sizes[dim] = rewriter.getIndexAttr(reduces ? int64_t(columns) : 0);
        else if (dim == last ||
                 (parallel.size() > 1 && dim == parallel[parallel.size() - 2]))
          sizes[dim] = rewriter.getIndexAttr(rows);
        else
          sizes[dim] = rewriter.getIndexAttr(1);
      }
      scf::SCFTilingOptions options;
      options.setTileSizes(sizes);
      options.setLoopType(scf::SCFTilingOptions::LoopType::ForallOp);
      rewriter.setInsertionPoint(op);
      FailureOr<scf::SCFTilingResult> tiled = scf::tileUsingSCF(
          rewriter, cast<TilingInterface>(op.getOperation()), options);
      if (failed(tiled))
        continue;
      rewriter.replaceOp(op, tiled->replacements);
      ++numTiled;
    }
  }
};
} // namespace
