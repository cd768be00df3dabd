//===- FoldEmpty.cpp - Tensors without elements ---------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCFOLDEMPTY
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

static bool hasNoElements(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && llvm::is_contained(tensor.getShape(), 0);
}

/// A tensor.empty of `value`'s sizes, or null if they are not to be had.
static Value buildEmpty(RewriterBase &b, OpResult value) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<Value> sizes;
  if (!type.hasStaticShape()) {
    ReifiedRankedShapedTypeDims shapes;
    if (failed(reifyResultShapes(b, value.getOwner(), shapes)))
      return nullptr;
    for (auto [i, size] : llvm::enumerate(shapes[value.getResultNumber()]))
      if (type.isDynamicDim(i))
        sizes.push_back(
            getValueOrCreateConstantIndexOp(b, value.getLoc(), size));
  }
  return tensor::EmptyOp::create(b, value.getLoc(), type, sizes);
}

/// Whether `op` makes nothing, or does something with nothing.
static bool isFoldable(Operation *op) {
  if (!isa_and_nonnull<tensor::TensorDialect>(op->getDialect()) ||
      isa<tensor::EmptyOp>(op) || op->getNumResults() != 1)
    return false;
  if (hasNoElements(op->getResult(0).getType()))
    return true;
  return isa<tensor::InsertSliceOp, tensor::PadOp, tensor::CollapseShapeOp,
             tensor::ExpandShapeOp>(op) &&
         hasNoElements(op->getOperand(0).getType());
}

/// Padding around nothing: the padding value everywhere. `sizes` has the shape.
static Value buildPadding(RewriterBase &b, tensor::PadOp pad, Value sizes) {
  ValueRange dynamicSizes =
      sizes.getDefiningOp<tensor::EmptyOp>().getDynamicSizes();
  auto generate =
      tensor::GenerateOp::create(b, pad.getLoc(), pad.getType(), dynamicSizes);
  generate.getBody().takeBody(pad.getRegion());
  return generate;
}

namespace {
struct FoldEmptyPass : public seqc::impl::SeqcFoldEmptyBase<FoldEmptyPass> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isFoldable(op))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops) {
      rewriter.setInsertionPoint(op);
      Value replacement;
      auto pad = dyn_cast<tensor::PadOp>(op);
      if (auto insert = dyn_cast<tensor::InsertSliceOp>(op);
          insert && !hasNoElements(insert.getType()))
        replacement = insert.getDest();
      else if (Value empty = buildEmpty(rewriter, op->getResult(0));
               empty && pad && !hasNoElements(pad.getType()))
        replacement = buildPadding(rewriter, pad, empty);
      else
        replacement = empty;
      if (!replacement)
        continue;
      rewriter.replaceOp(op, replacement);
      ++numFolded;
    }
  }
};
} // namespace
