//===- SplitAccumulators.cpp - A loop for each accumulator ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop that adds up products in several tiles needs registers for all of them
// at once. Where that is more than a thread has, the loop is done once for each
// tile: what only the other sums need falls away, what all of them need is
// computed again. What becomes of a sum follows its loop, so that its registers
// are free for the next.
//
// Values that a loop carries and that are no accumulator of a product are not
// understood, and the loop stays.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace seqc {
#define GEN_PASS_DEF_TILESPLITACCUMULATORS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Registers that accumulators may take of a thread, of 255. The rest is for a
/// tile of scores or two, and their operands.
static constexpr int64_t kMaxAccumulators = 152;

/// Whether the carried value `number` is the accumulator of a product, through
/// branches.
static bool isAccumulator(scf::ForOp loop, unsigned number) {
  BlockArgument argument = loop.getRegionIterArg(number);
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  if (!type || type.getRank() != 2 || !type.getElementType().isF32())
    return false;
  return llvm::all_of(argument.getUses(), [](OpOperand &use) {
    if (auto dot = dyn_cast<DotOp>(use.getOwner()))
      return use.getOperandNumber() == dot.getAccMutable().getOperandNumber();
    return isa<scf::YieldOp>(use.getOwner());
  });
}

/// Registers that the values carried by `loop` take. A product of f32 splits
/// its factors in two, and they are as wide as two of 16 bits.
static int64_t countRegisters(scf::ForOp loop, int64_t warps) {
  int64_t registers = 0;
  for (Value value : loop.getRegionIterArgs())
    registers +=
        cast<RankedTensorType>(value.getType()).getNumElements() / (32 * warps);
  bool isWide = false;
  loop.walk([&](DotOp dot) {
    if (auto type = dyn_cast<RankedTensorType>(dot.getA().getType()))
      isWide |= type.getElementType().isF32();
  });
  return isWide ? 2 * registers : registers;
}

/// Moves what is computed from `value` alone, and what is stored of it, to
/// before `place`.
static void moveUsers(Value value, Operation *place) {
  llvm::SetVector<Operation *> users;
  SmallVector<Value> values = {value};
  for (size_t i = 0; i < values.size(); ++i)
    for (Operation *user : values[i].getUsers())
      if (user->getBlock() == place->getBlock() && users.insert(user))
        llvm::append_range(values, user->getResults());
  SmallVector<Operation *> sorted = users.takeVector();
  llvm::sort(sorted,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : sorted) {
    bool isReady = llvm::all_of(op->getOperands(), [&](Value operand) {
      Operation *def = operand.getDefiningOp();
      return !def || def->getBlock() != place->getBlock() ||
             def->isBeforeInBlock(place);
    });
    if (op->getNumRegions() != 0 || !isReady)
      return;
    op->moveBefore(place);
  }
}

static void split(scf::ForOp loop) {
  OpBuilder b(loop);
  unsigned count = loop.getNumResults();
  SmallVector<scf::ForOp> loops;
  for (unsigned i = 0; i < count; ++i) {
    auto one = scf::ForOp::create(b, loop.getLoc(), loop.getLowerBound(),
                                  loop.getUpperBound(), loop.getStep(),
                                  loop.getInits()[i]);
    loops.push_back(one);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(one.getBody());
    IRMapping map;
    map.map(loop.getInductionVar(), one.getInductionVar());
    // The others stand for nothing now: their sums are never read.
    for (auto [j, argument] : llvm::enumerate(loop.getRegionIterArgs()))
      map.map(argument, j == i ? one.getRegionIterArg(0) : loop.getInits()[j]);
    for (Operation &op : loop.getBody()->without_terminator())
      b.clone(op, map);
    scf::YieldOp::create(b, loop.getLoc(),
                         map.lookupOrDefault(loop.getYieldedValues()[i]));
  }
  for (auto [i, one] : llvm::enumerate(loops)) {
    loop.getResult(i).replaceAllUsesWith(one.getResult(0));
    if (i + 1 < count)
      moveUsers(one.getResult(0), loops[i + 1]);
  }
  loop.erase();
}

namespace {
struct SplitAccumulators
    : seqc::impl::TileSplitAccumulatorsBase<SplitAccumulators> {
  void runOnOperation() override {
    KernelOp kernel = getOperation();
    SmallVector<scf::ForOp> loops;
    kernel.walk([&](scf::ForOp loop) {
      auto numbers = llvm::seq<unsigned>(0, loop.getNumResults());
      if (loop.getNumResults() > 1 && isa<KernelOp>(loop->getParentOp()) &&
          llvm::all_of(numbers,
                       [&](unsigned i) { return isAccumulator(loop, i); }) &&
          countRegisters(loop, kernel.getWarps()) > kMaxAccumulators)
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      split(loop);
      ++numSplit;
    }
  }
};
} // namespace
