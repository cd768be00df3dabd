//===- WarpRoles.cpp - Producer and consumer warps ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The producer is built from its copies outwards: of each block, the puts are
// copied, the loops and branches that hold some, and, on demand, the arithmetic
// that their operands come from. What it computes twice is a few integers. The
// rest of the kernel, without the puts, is the consumer. Both see the same
// number of copies in the same order, since they run the same loops.
//
// Registers: the block starts with an equal share for each thread; the producer
// gives back what it does not need (64K registers in all).
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace seqc {
#define GEN_PASS_DEF_TILEWARPROLES
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The warps of the producer: a whole group, since registers are handed over by
/// groups of four warps.
static constexpr int64_t kProducerWarps = 4;

namespace {

/// Copies what starts copies.
class ProducerBuilder {
public:
  explicit ProducerBuilder(KernelOp kernel) : kernel(kernel) {}

  /// Copies the puts of `from` and what they need to `b`. On failure what has
  /// been built is of no use.
  LogicalResult build(OpBuilder &b, Block &from, IRMapping &map);

  int64_t getNumPuts() const { return numPuts; }

private:
  /// `value` in the producer.
  FailureOr<Value> copy(OpBuilder &b, Value value, IRMapping &map);
  LogicalResult copyFor(OpBuilder &b, scf::ForOp loop, IRMapping map);
  LogicalResult copyIf(OpBuilder &b, scf::IfOp branch, IRMapping map);

  static bool holdsPut(Operation *op) {
    return op->walk([](PutOp) { return WalkResult::interrupt(); })
        .wasInterrupted();
  }

  KernelOp kernel;
  int64_t numPuts = 0;
};

} // namespace

FailureOr<Value> ProducerBuilder::copy(OpBuilder &b, Value value,
                                       IRMapping &map) {
  if (Value known = map.lookupOrNull(value))
    return known;
  // The kernel's arguments, and its rings, which both roles share.
  Operation *op = value.getDefiningOp();
  if (!op) {
    if (value.getParentBlock() != &kernel.getBody().front())
      return failure();
    return value;
  }
  if (isa<MakeRingOp>(op))
    return value;
  bool isIndexWork =
      isMemoryEffectFree(op) && op->getNumRegions() == 0 && !touchesTiles(op);
  if (!isIndexWork && !isa<memref::LoadOp, memref::DimOp>(op))
    return failure();
  for (Value operand : op->getOperands())
    if (failed(copy(b, operand, map)))
      return failure();
  IRMapping operands = map;
  for (Value operand : op->getOperands())
    operands.map(operand, *copy(b, operand, map));
  Operation *clone = b.clone(*op, operands);
  map.map(op->getResults(), clone->getResults());
  return map.lookup(value);
}

LogicalResult ProducerBuilder::copyFor(OpBuilder &b, scf::ForOp loop,
                                       IRMapping map) {
  // Counters go along; other carried values do not.
  SmallVector<BlockArgument> counters;
  SmallVector<Value> inits;
  for (BlockArgument argument : loop.getRegionIterArgs())
    if (isCounter(loop, argument)) {
      FailureOr<Value> init =
          copy(b, loop.getTiedLoopInit(argument)->get(), map);
      if (failed(init))
        return failure();
      counters.push_back(argument);
      inits.push_back(*init);
    }
  FailureOr<Value> lower = copy(b, loop.getLowerBound(), map);
  FailureOr<Value> upper = copy(b, loop.getUpperBound(), map);
  FailureOr<Value> step = copy(b, loop.getStep(), map);
  if (failed(lower) || failed(upper) || failed(step))
    return failure();
  auto copied =
      scf::ForOp::create(b, loop.getLoc(), *lower, *upper, *step, inits);
  map.map(loop.getInductionVar(), copied.getInductionVar());
  for (auto [counter, argument] :
       llvm::zip(counters, copied.getRegionIterArgs()))
    map.map(counter, argument);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(copied.getBody());
  if (!counters.empty()) {
    SmallVector<Value> next;
    for (Value argument : copied.getRegionIterArgs())
      next.push_back(arith::AddIOp::create(
          b, loop.getLoc(), argument,
          arith::ConstantIndexOp::create(b, loop.getLoc(), 1)));
    auto yield = scf::YieldOp::create(b, loop.getLoc(), next);
    b.setInsertionPoint(yield);
  }
  return build(b, *loop.getBody(), map);
}

LogicalResult ProducerBuilder::copyIf(OpBuilder &b, scf::IfOp branch,
                                      IRMapping map) {
  FailureOr<Value> condition = copy(b, branch.getCondition(), map);
  if (failed(condition))
    return failure();
  auto copied = scf::IfOp::create(b, branch.getLoc(), *condition,
                                  /*withElseRegion=*/branch.elseBlock());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(copied.thenBlock());
  IRMapping thenMap = map;
  if (failed(build(b, *branch.thenBlock(), thenMap)))
    return failure();
  if (!branch.elseBlock())
    return success();
  b.setInsertionPointToStart(copied.elseBlock());
  return build(b, *branch.elseBlock(), map);
}

LogicalResult ProducerBuilder::build(OpBuilder &b, Block &from,
                                     IRMapping &map) {
  for (Operation &op : from) {
    if (isa<RolesOp>(op) || !holdsPut(&op))
      continue;
    if (auto put = dyn_cast<PutOp>(op)) {
      IRMapping operands = map;
      for (Value operand : put->getOperands()) {
        FailureOr<Value> copied = copy(b, operand, map);
        if (failed(copied))
          return failure();
        operands.map(operand, *copied);
      }
      b.clone(op, operands);
      ++numPuts;
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      if (failed(copyFor(b, loop, map)))
        return failure();
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      if (failed(copyIf(b, branch, map)))
        return failure();
    } else {
      return failure();
    }
  }
  return success();
}

namespace {

struct WarpRoles : seqc::impl::TileWarpRolesBase<WarpRoles> {
  /// Registers of the producer and of the consumers, or zeros where an equal
  /// share is enough.
  /// A producer gets along with 24, at the price of a few more instructions.
  static std::pair<int64_t, int64_t> getRegisters(int64_t warps, bool isTight) {
    if (warps == 8 && isTight)
      return {24, 240};
    if (warps == 8)
      return {40, 232};
    if (warps == 12)
      return {32, 160};
    return {0, 0};
  }

  void runOnOperation() override {
    KernelOp kernel = getOperation();
    int64_t warps = kernel.getWarps();
    bool hasAsync = false, hasPut = false, hasRoles = false, hasPages = false;
    // The accumulators of a loop with a factor from the threads leave little.
    bool isTight = false;
    kernel.walk([&](Operation *op) {
      hasAsync |= isa<MmaAsyncOp>(op);
      if (auto product = dyn_cast<MmaAsyncOp>(op))
        isTight |= product.getB().getDefiningOp<AllocOp>() ||
                   product.getA().getDefiningOp<AllocOp>();
      if (auto put = dyn_cast<PutOp>(op)) {
        hasPut = true;
        // The copy engine knows the bounds of views only.
        hasPages |= !put.getPages().empty() || put.getRows();
      }
      hasRoles |= isa<RolesOp>(op);
    });
    if (!hasAsync || !hasPut || hasRoles || hasPages || warps % 4 != 0)
      return;

    Block &body = kernel.getBody().front();
    Operation *terminator = body.getTerminator();
    OpBuilder b(terminator);
    auto [producer, consumer] = getRegisters(warps, isTight);
    auto roles = RolesOp::create(b, kernel.getLoc(),
                                 ArrayRef<int64_t>{kProducerWarps, warps},
                                 ArrayRef<int64_t>{producer, consumer},
                                 /*rolesCount=*/2);
    Block *copies = b.createBlock(&roles.getRoles()[0]);
    YieldOp::create(b, kernel.getLoc());
    Block *rest = b.createBlock(&roles.getRoles()[1]);
    auto restEnd = YieldOp::create(b, kernel.getLoc());

    ProducerBuilder builder(kernel);
    IRMapping map;
    b.setInsertionPointToStart(copies);
    if (failed(builder.build(b, body, map))) {
      roles.erase();
      return;
    }
    // What is shared stays in front; the rest is the consumer's.
    for (Operation &op : llvm::make_early_inc_range(body)) {
      if (&op == roles || &op == terminator || isa<MakeRingOp, AllocOp>(op))
        continue;
      op.moveBefore(restEnd);
    }
    SmallVector<PutOp> moved;
    rest->walk([&](PutOp put) { moved.push_back(put); });
    for (PutOp put : moved)
      put->erase();
    ++numKernels;
    numPuts += builder.getNumPuts();
  }
};

} // namespace
