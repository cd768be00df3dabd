//===- EraseLayouts.cpp - Kernels without layouts -------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A layout says where an element is, never what it is: every type loses its
// own, constants too, and conversions between layouts go.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace seqc {
#define GEN_PASS_DEF_TILEERASELAYOUTS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {
struct EraseLayoutsPass
    : public seqc::impl::TileEraseLayoutsBase<EraseLayoutsPass> {
  using Base::Base;

  void erase(Value value) {
    if (!getLayout(value.getType()))
      return;
    value.setType(withLayout(cast<RankedTensorType>(value.getType()), {}));
    ++numErased;
  }

  void runOnOperation() override {
    // Products that take their operands apart know no other form.
    WalkResult result = getOperation()->walk([](Operation *op) {
      if (!isa<MmaAsyncOp, WaitOp>(op))
        return WalkResult::advance();
      op->emitOpError("is defined on layouts only: run tile-erase-async first");
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return signalPassFailure();

    SmallVector<ConvertOp> conversions;
    getOperation()->walk([&](Operation *op) {
      for (Value value : op->getResults())
        erase(value);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (Value value : block.getArguments())
            erase(value);
      if (auto constant = dyn_cast<arith::ConstantOp>(op))
        if (auto value = dyn_cast<DenseElementsAttr>(constant.getValue()))
          constant.setValueAttr(
              value.reshape(cast<ShapedType>(constant.getType())));
      if (auto conversion = dyn_cast<ConvertOp>(op))
        conversions.push_back(conversion);
    });
    for (ConvertOp conversion : conversions) {
      conversion.replaceAllUsesWith(conversion.getSource());
      conversion.erase();
    }
  }
};
} // namespace
