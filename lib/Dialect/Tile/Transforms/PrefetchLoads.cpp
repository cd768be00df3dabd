//===- PrefetchLoads.cpp - Loads an iteration ahead -----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop whose body begins with loads waits for device memory in each
// iteration. If the loads of the next iteration are started before the work of
// this one, that work hides them: the loop carries the tiles, and registers are
// their second stage.
//
// A load moves if its place follows from the induction variable by arithmetic,
// nothing in the loop writes what it reads, and it is wanted before the longest
// part of the body, the first loop in it. What is read only after that loop has
// the loop to hide it and stays. In a body without a loop, the work on its
// tiles begins where the first of them goes to other threads.
//
// The last iteration has no next one. It reads its own tiles again, which does
// no harm and keeps `inside` true; a loop without iterations reads nothing.
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"

#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_TILEPREFETCHLOADS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The argument of the kernel that a view is a part of.
static Value getRoot(Value view) {
  while (auto op = view.getDefiningOp()) {
    if (op->getNumOperands() == 0)
      break;
    view = op->getOperand(0);
  }
  return view;
}

/// Where the work on the tiles of an iteration begins: with its first loop, or
/// where the first of them goes to other threads.
static Operation *findWork(Block *body) {
  for (Operation &op : *body)
    if (isa<scf::ForOp, ExchangeOp, tensor::ExtractSliceOp>(op))
      return &op;
  return nullptr;
}

/// The loads of a loop that can run ahead.
static SmallVector<LoadOp> findLoads(scf::ForOp loop) {
  Block *body = loop.getBody();
  Operation *work = findWork(body);
  SmallVector<LoadOp> loads;
  if (!work)
    return loads;
  SmallVector<Value> written;
  loop.walk(
      [&](StoreOp store) { written.push_back(getRoot(store.getDest())); });
  auto isKnown = [&](Value v) { return v == loop.getInductionVar(); };
  for (LoadOp load : body->getOps<LoadOp>()) {
    bool isEarly = llvm::any_of(load->getUsers(), [&](Operation *user) {
      Operation *op = body->findAncestorOpInBlock(*user);
      return op && (op == work || op->isBeforeInBlock(work));
    });
    if (!isEarly || llvm::is_contained(written, getRoot(load.getSource())) ||
        load.getSource().getParentBlock() == body || load.getRows() ||
        !load.getPages().empty())
      continue;
    if (llvm::all_of(load.getOffsets(), [&](Value offset) {
          return canCopySlice(offset, body, isKnown);
        }))
      loads.push_back(load);
  }
  return loads;
}

static Value copyLoad(ImplicitLocOpBuilder &b, LoadOp load, scf::ForOp loop,
                      Value at) {
  IRMapping map;
  map.map(loop.getInductionVar(), at);
  SmallVector<Value> offsets;
  for (Value offset : load.getOffsets())
    offsets.push_back(copySlice(b, offset, loop.getBody(), map));
  return LoadOp::create(b, load.getType(), load.getSource(), offsets,
                        load.getDimsAttr(), load.getInsideAttr());
}

static void prefetch(scf::ForOp loop, ArrayRef<LoadOp> loads) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  SmallVector<Type> types;
  for (LoadOp load : loads)
    types.push_back(load.getType());
  Value some = arith::CmpIOp::create(
      b, arith::CmpIPredicate::slt, loop.getLowerBound(), loop.getUpperBound());
  auto first = scf::IfOp::create(b, types, some, /*withElseRegion=*/true);
  SmallVector<Value> tiles;
  b.setInsertionPointToStart(first.thenBlock());
  for (LoadOp load : loads)
    tiles.push_back(copyLoad(b, load, loop, loop.getLowerBound()));
  scf::YieldOp::create(b, tiles);
  tiles.clear();
  b.setInsertionPointToStart(first.elseBlock());
  for (LoadOp load : loads) {
    auto type = load.getType();
    tiles.push_back(arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType()))));
  }
  scf::YieldOp::create(b, tiles);

  IRRewriter rewriter(b.getContext());
  rewriter.setInsertionPoint(loop);
  auto keep = [&](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
    return llvm::to_vector_of<Value>(arguments.take_back(loads.size()));
  };
  auto wider =
      cast<scf::ForOp>(cast<LoopLikeOpInterface>(loop.getOperation())
                           .replaceWithAdditionalYields(
                               rewriter, first.getResults(),
                               /*replaceInitOperandUsesInLoop=*/false, keep)
                           ->getOperation());
  // The next iteration's place, or this one's if it is the last. Loads go where
  // the first of them was.
  b.setInsertionPointToStart(wider.getBody());
  Value now = wider.getInductionVar();
  Value next = arith::AddIOp::create(b, now, wider.getStep());
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, next,
                                       wider.getUpperBound());
  next = arith::SelectOp::create(b, isLast, now, next);
  Operation *yield = wider.getBody()->getTerminator();
  unsigned firstTile = yield->getNumOperands() - loads.size();
  auto arguments = wider.getRegionIterArgs().take_back(loads.size());
  // After the work on this iteration's tiles has begun, so that they do not
  // wait for each other.
  b.setInsertionPoint(findWork(wider.getBody()));
  for (auto [i, load] : llvm::enumerate(loads)) {
    Value ahead = copyLoad(b, load, wider, next);
    yield->setOperand(firstTile + i, ahead);
    LoadOp old = load;
    old.getResult().replaceAllUsesWith(arguments[i]);
    old.erase();
  }
}

namespace {
struct PrefetchLoadsPass
    : seqc::impl::TilePrefetchLoadsBase<PrefetchLoadsPass> {
  using Base::Base;

  void runOnOperation() override {
    // What products read goes through rings, which run ahead by themselves.
    if (getOperation()
            .walk([](DotOp) { return WalkResult::interrupt(); })
            .wasInterrupted())
      return;
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops) {
      SmallVector<LoadOp> loads = findLoads(loop);
      if (loads.empty())
        continue;
      numLoads += loads.size();
      prefetch(loop, loads);
    }
  }
};
} // namespace
