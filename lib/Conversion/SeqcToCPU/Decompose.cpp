//===- Decompose.cpp - Tiles -> linalg operators --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each tile becomes the linalg operators it stands for, in two dimensions and
// in the accumulator type. Operands that are read in another order than they
// lie in are brought into it once per tile (keys and scan inputs are
// transposed), as they would be staged into on-chip memory.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "seqc/Conversion/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCDECOMPOSE
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {
struct DecomposePass : public seqc::impl::SeqcDecomposeBase<DecomposePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<OnlineAttentionOp, SoftmaxFinishOp, ChunkScanOp, CausalConv1dOp>(
              op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      for (Type type : op->getResultTypes())
        if (!cast<RankedTensorType>(type).hasStaticShape()) {
          op->emitOpError("can only be decomposed as a tile of static shape, "
                          "but has a result of ")
              << type << "; run seqc-tile first";
          return signalPassFailure();
        }
      rewriter.setInsertionPoint(op);
      Type element = getElementTypeOrSelf(op->getOperand(0).getType());
      if (auto finish = dyn_cast<SoftmaxFinishOp>(op))
        element = getElementTypeOrSelf(finish.getAcc().getType());
      decomposition::Emitter emitter(rewriter, op->getLoc(),
                                     getAccumulatorType(element));
      SmallVector<Value> results =
          TypeSwitch<Operation *, SmallVector<Value>>(op)
              .Case<OnlineAttentionOp, SoftmaxFinishOp, ChunkScanOp,
                    CausalConv1dOp>([&](auto tile) {
                emitter.b.setInsertionPoint(op);
                return decomposition::decompose(emitter, tile);
              });
      rewriter.replaceOp(op, results);
      ++numDecomposed;
    }
  }
};
} // namespace
