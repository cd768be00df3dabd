//===- TakeTurns.cpp - Groups of warps that start products in turn --------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Groups of warps that run the same loop drift into step: all ask the tensor
// cores at once and then all compute exponentials. The pass puts what an
// iteration asks of the tensor cores between tile.begin_turn and tile.end_turn,
// so that the groups ask one after the other, and one group's softmax runs
// while the tensor cores have the products of another (FlashAttention-3's
// ping-pong scheduling).
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace seqc {
#define GEN_PASS_DEF_TILETAKETURNS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The products that an iteration starts without waiting for one of them: the
/// first and the last. None if it starts fewer than two.
static std::pair<Operation *, Operation *> findProducts(scf::ForOp loop) {
  SmallVector<Operation *> products;
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (isa<BeginTurnOp>(op))
      return {};
    if (isa<MmaAsyncOp>(op))
      products.push_back(&op);
    else if (isa<WaitOp>(op) && !products.empty())
      break;
  }
  if (products.size() < 2)
    return {};
  return {products.front(), products.back()};
}

namespace {
struct TakeTurnsPass : seqc::impl::TileTakeTurnsBase<TakeTurnsPass> {
  using Base::Base;

  void runOnOperation() override {
    if (groups < 2) {
      emitError(getOperation().getLoc())
          << "option 'groups' must be at least 2, but is " << int64_t(groups);
      return signalPassFailure();
    }
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](RolesOp roles) {
      int64_t warps = roles.getWarps().back();
      if (warps % kWarpsPerGroup == 0 && warps / kWarpsPerGroup >= groups)
        roles.getRoles().back().walk(
            [&](scf::ForOp loop) { loops.push_back(loop); });
    });
    for (scf::ForOp loop : loops) {
      auto [first, last] = findProducts(loop);
      if (!first)
        continue;
      OpBuilder b(first);
      BeginTurnOp::create(b, first->getLoc());
      b.setInsertionPointAfter(last);
      EndTurnOp::create(b, last->getLoc());
      ++numLoops;
    }
  }
};
} // namespace
