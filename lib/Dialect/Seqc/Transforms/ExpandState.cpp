//===- ExpandState.cpp - selective_scan -> chunk_scan ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A selective scan expands each channel into d_state recurrences. Written as a
// tensor, that state would be d_state times the size of the input for every
// time step; here it becomes the carried state of a chunk, so that only one
// step of one tile of channels exists at any time.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCEXPANDSTATE
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

static void rewrite(RewriterBase &b, SelectiveScanOp op) {
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  auto uType = cast<RankedTensorType>(op.getU().getType());
  FloatType type = getAccumulatorType(uType.getElementType());
  auto dim = [&](Value v, int64_t i) {
    return tensor::getMixedSize(b, loc, v, i);
  };
  SmallVector<OpFoldResult> steps = {dim(op.getU(), 0), dim(op.getU(), 1),
                                     dim(op.getU(), 2)};
  SmallVector<OpFoldResult> expanded = {steps[0], steps[1], dim(op.getA(), 1)};

  Value state = op.getInitialState();
  if (!state) {
    Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0.0));
    Value empty = tensor::EmptyOp::create(b, loc, expanded, type);
    state = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  }
  Value out = tensor::EmptyOp::create(b, loc, steps, uType.getElementType());
  // No steps, or no channels: the state stays, and there are no outputs.
  if (llvm::is_contained(uType.getShape(), 0)) {
    SmallVector<Value> results = {out, state};
    for (auto [result, value] : llvm::zip(op.getResults(), results))
      if (result.getType() != value.getType())
        value = tensor::CastOp::create(b, loc, result.getType(), value);
    results.resize(op.getNumResults());
    b.replaceOp(op, results);
    return;
  }
  auto scan = ChunkScanOp::create(
      b, loc, TypeRange{out.getType(), state.getType()}, op.getU(),
      op.getDelta(), op.getA(), op.getB(), op.getC(), op.getD(), op.getZ(),
      op.getDeltaBias(), /*steps=*/Value(), out, state, /*decay_init=*/Value(),
      op.getDeltaSoftplusAttr(), op.getScheduleAttr());
  SmallVector<Value> results;
  for (auto [result, value] : llvm::zip(op.getResults(), scan.getResults()))
    results.push_back(
        result.getType() == value.getType()
            ? Value(value)
            : tensor::CastOp::create(b, loc, result.getType(), value)
                  .getResult());
  b.replaceOp(op, results);
}

namespace {
struct ExpandStatePass
    : public seqc::impl::SeqcExpandStateBase<ExpandStatePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<SelectiveScanOp> ops;
    getOperation()->walk([&](SelectiveScanOp op) { ops.push_back(op); });
    for (SelectiveScanOp op : ops) {
      rewrite(rewriter, op);
      ++numRewritten;
    }
  }
};
} // namespace
