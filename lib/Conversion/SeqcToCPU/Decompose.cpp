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

/// Whether `op` is a tile: of static shape, with one batch, and one head or
/// group.
static LogicalResult verifyTile(Operation *op) {
  auto fail = [&]() {
    return op->emitOpError("can only be decomposed as a tile, ");
  };
  constexpr StringLiteral advice = "; run seqc-tile first";
  for (Value value : llvm::concat<Value>(llvm::to_vector(op->getOperands()),
                                         llvm::to_vector(op->getResults())))
    if (auto type = dyn_cast<RankedTensorType>(value.getType()))
      if (!type.hasStaticShape())
        return fail() << "which has static shapes, but got " << type << advice;
  if (auto attention = dyn_cast<OnlineAttentionOp>(op))
    if (Value lengths = attention.getKeyLengths())
      return fail() << "whose key length is a number, but got "
                    << lengths.getType() << advice;
  // The batch of every operator, and the heads or groups of those in 4-D.
  auto hasUnits = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getRank() < 3 ||
           llvm::all_of(
               type.getShape().drop_back(2), [](int64_t n) { return n == 1; });
  };
  Value data = op->getOperand(0);
  if (auto finish = dyn_cast<SoftmaxFinishOp>(op))
    data = finish.getAcc();
  SmallVector<Value> values = {data};
  if (auto scan = dyn_cast<ChunkScanOp>(op)) {
    values.push_back(scan.getB());
    if (scan.getC())
      values.push_back(scan.getC());
  }
  if (auto scan = dyn_cast<ChunkScanBackwardOp>(op))
    values.append({scan.getB(), scan.getC()});
  for (Value value : values)
    if (!hasUnits(value))
      return fail() << "which has one batch and one head or group, but got "
                    << value.getType() << advice;
  return success();
}

namespace {
struct DecomposePass : public seqc::impl::SeqcDecomposeBase<DecomposePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<OnlineAttentionOp, BlockAttentionBackwardOp, SoftmaxFinishOp,
              ChunkScanOp, CausalConv1dOp, ChunkScanBackwardOp,
              ChunkConv1dBackwardOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (failed(verifyTile(op)))
        return signalPassFailure();
      rewriter.setInsertionPoint(op);
      Type element = getElementTypeOrSelf(op->getOperand(0).getType());
      if (auto finish = dyn_cast<SoftmaxFinishOp>(op))
        element = getElementTypeOrSelf(finish.getAcc().getType());
      decomposition::Emitter emitter(rewriter, op->getLoc(),
                                     getAccumulatorType(element));
      SmallVector<Value> results =
          TypeSwitch<Operation *, SmallVector<Value>>(op)
              .Case<OnlineAttentionOp, BlockAttentionBackwardOp,
                    SoftmaxFinishOp, ChunkScanOp, CausalConv1dOp,
                    ChunkScanBackwardOp, ChunkConv1dBackwardOp>([&](auto tile) {
                emitter.b.setInsertionPoint(op);
                return decomposition::decompose(emitter, tile);
              });
      rewriter.replaceOp(op, results);
      ++numDecomposed;
    }
  }
};
} // namespace
