//===- Pipeline.cpp - Copies that run ahead of their loop -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Without roles every thread copies, and `tile.get` waits for the copy and then
// for all threads of the block. So when a thread has passed a `get`, every
// thread has finished what comes before it: the stages released before a `get`
// are free after it. That gives each ring a place in the loop's body for its
// copies and a distance, the number of iterations that they are ahead:
//
//   stages >= 2   after the first get, distance stages - 1: the stage was read
//                 in the iteration before
//   stages == 1   the ring of the first get: after the first get that follows
//                 its release (moved up to there), distance 1; any other: after
//                 the first get, distance 0
//
// Copies of the iterations before the loop are started in front of it, before
// the last wait that precedes the loop, so that they do not wait for it.
//
// Copies end in the order in which they start, so `pending` is a count: of the
// copies between copy n and the get of n, in the order of the rotated program.
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace seqc {
#define GEN_PASS_DEF_TILEPIPELINE
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// What a loop does with a ring.
struct LoopRing {
  Value ring;
  PutOp put;
  GetOp get;
  ReleaseOp release;
  int64_t distance = 0;
  /// The copy goes after this operation.
  Operation *place = nullptr;

  int64_t getStages() const {
    return cast<RingType>(ring.getType()).getStages();
  }
};

/// Rotates the copies of one loop.
class LoopPipeline {
public:
  explicit LoopPipeline(scf::ForOp loop) : loop(loop) {}

  /// Whether there are copies, in the form that staging leaves.
  bool analyze();
  LogicalResult rewrite();

  int64_t countAhead() const {
    return llvm::count_if(rings, [](auto &r) { return r.distance > 0; });
  }

private:
  void choosePlaces();
  /// The copy of `ring` for the iteration `distance` after the one whose
  /// induction variable is `iv`; after `after`, if that is given, with the
  /// arithmetic of its place where the builder stands.
  PutOp createPut(OpBuilder &b, LoopRing &ring, Value iv, int64_t distance,
                  Operation *after = nullptr);
  void setPending(ArrayRef<PutOp> started);

  scf::ForOp loop;
  SmallVector<LoopRing> rings; // In the order of their gets.
};

} // namespace

/// Whether `op` reads a number of an argument of the kernel that no tile is
/// stored to: it is the same at any time.
static bool isTableLoad(Operation *op) {
  auto load = dyn_cast<memref::LoadOp>(op);
  if (!load)
    return false;
  auto table = dyn_cast<BlockArgument>(load.getMemRef());
  if (!table || !isa<KernelOp>(table.getParentBlock()->getParentOp()))
    return false;
  return llvm::none_of(table.getUsers(),
                       [](Operation *user) { return isa<StoreOp>(user); });
}

bool LoopPipeline::analyze() {
  Block *body = loop.getBody();
  llvm::MapVector<Value, LoopRing> found;
  for (Operation &op : *body) {
    if (auto get = dyn_cast<GetOp>(op)) {
      LoopRing &ring = found[get.getRing()];
      if (ring.get)
        return false;
      ring.ring = get.getRing();
      ring.get = get;
    }
  }
  bool isSimple = true;
  loop.walk([&](Operation *op) {
    if (auto put = dyn_cast<PutOp>(op)) {
      LoopRing &ring = found[put.getRing()];
      isSimple &= op->getBlock() == body && ring.get && !ring.put;
      ring.put = put;
    } else if (auto release = dyn_cast<ReleaseOp>(op)) {
      LoopRing &ring = found[release.getRing()];
      isSimple &= op->getBlock() == body && ring.get && !ring.release;
      ring.release = release;
    } else if (isa<GetOp>(op)) {
      isSimple &= op->getBlock() == body;
    }
  });
  if (!isSimple || found.empty())
    return false;
  for (auto &[value, ring] : found) {
    if (!ring.put || !ring.release || ring.put.getWhen())
      return false;
    // What the copy needs must follow from the induction variable and from
    // counters of iterations, so that it can be had for a later iteration.
    auto isKnown = [&](Value v) {
      if (v == loop.getInductionVar())
        return true;
      auto argument = dyn_cast<BlockArgument>(v);
      return argument && isCounter(loop, argument);
    };
    for (Value operand : ring.put->getOperands())
      if (!canCopySlice(operand, body, isKnown, isTableLoad))
        return false;
    rings.push_back(ring);
  }
  choosePlaces();
  return true;
}

/// Whether what `get` needs is there after `op`, which is before it.
static bool canMoveAfter(GetOp get, Operation *op) {
  return llvm::all_of(get->getOperands(), [&](Value operand) {
    Operation *def = operand.getDefiningOp();
    return !def || def->getBlock() != op->getBlock() ||
           def->isBeforeInBlock(op);
  });
}

void LoopPipeline::choosePlaces() {
  GetOp first = rings.front().get;
  for (LoopRing &ring : rings) {
    ring.place = first;
    if (ring.getStages() > 1) {
      ring.distance = ring.getStages() - 1;
      continue;
    }
    if (ring.get != first)
      continue;
    ring.distance = 1;
    ring.place = nullptr;
    for (LoopRing &other : rings)
      if (!ring.place && ring.release->isBeforeInBlock(other.get)) {
        // The wait may come as early as that.
        if (canMoveAfter(other.get, ring.release))
          other.get->moveAfter(ring.release);
        ring.place = other.get;
      }
    if (!ring.place) {
      OpBuilder b(loop.getBody()->getTerminator());
      ring.place = BarrierOp::create(b, loop.getLoc());
    }
  }
}

PutOp LoopPipeline::createPut(OpBuilder &b, LoopRing &ring, Value iv,
                              int64_t distance, Operation *after) {
  Location loc = ring.put.getLoc();
  IRMapping map;
  Value later = iv;
  for (int64_t i = 0; i < distance; ++i)
    later = arith::AddIOp::create(b, loc, later, loop.getStep());
  map.map(loop.getInductionVar(), later);
  for (BlockArgument argument : loop.getRegionIterArgs())
    if (isCounter(loop, argument)) {
      Value count = iv == loop.getInductionVar()
                        ? Value(argument)
                        : loop.getTiedLoopInit(argument)->get();
      Value delta = arith::ConstantIndexOp::create(b, loc, distance);
      map.map(argument, arith::AddIOp::create(b, loc, count, delta));
    }
  Value when = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, later,
                                     loop.getUpperBound());
  Block *body = loop.getBody();
  SmallVector<Value> offsets, pages;
  for (Value offset : ring.put.getOffsets())
    offsets.push_back(copySlice(b, offset, body, map));
  for (Value page : ring.put.getPages())
    pages.push_back(copySlice(b, page, body, map));
  Value rows = ring.put.getRows();
  if (rows)
    rows = copySlice(b, rows, body, map);
  Value number = copySlice(b, ring.put.getNumber(), body, map);
  if (after)
    b.setInsertionPointAfter(after);
  return PutOp::create(b, loc, ring.ring, number, ring.put.getSource(), offsets,
                       ring.put.getDimsAttr(), when, pages, rows);
}

/// Runs the rotated program until it repeats itself, and counts for each get
/// how many copies come after the one it waits for: the least of all
/// iterations.
void LoopPipeline::setPending(ArrayRef<PutOp> started) {
  int64_t numStarted = 0, farthest = 0;
  // For each ring, the position of each of its copies.
  DenseMap<Value, SmallVector<int64_t>> positions;
  DenseMap<Value, int64_t> pending;
  for (PutOp put : started)
    positions[put.getRing()].push_back(numStarted++);
  for (LoopRing &ring : rings)
    farthest = std::max(farthest, ring.distance);
  for (int64_t iteration = 0; iteration <= farthest; ++iteration)
    for (Operation &op : *loop.getBody()) {
      if (auto put = dyn_cast<PutOp>(op)) {
        positions[put.getRing()].push_back(numStarted++);
      } else if (auto get = dyn_cast<GetOp>(op)) {
        Value ring = get.getRing();
        int64_t later = numStarted - 1 - positions[ring][iteration];
        auto [it, isNew] = pending.try_emplace(ring, later);
        it->second = std::min(it->second, later);
      }
    }
  for (LoopRing &ring : rings)
    ring.get.setPending(pending[ring.ring]);
}

LogicalResult LoopPipeline::rewrite() {
  // Before the loop: the copies of the first iterations, iteration by
  // iteration, before the last wait that does not have to come first.
  SmallVector<PutOp> started;
  GetOp wait;
  for (Operation *op = loop->getPrevNode(); op; op = op->getPrevNode())
    if (auto get = dyn_cast<GetOp>(op)) {
      wait = get;
      break;
    } else if (isa<PutOp, BarrierOp>(op) || op->getNumRegions() != 0) {
      break;
    }
  OpBuilder before(loop);
  // In an outer loop, the threads may still read the last tiles of the time
  // before.
  if (!isa<KernelOp>(loop->getParentOp()) &&
      llvm::any_of(rings, [](LoopRing &ring) { return ring.distance > 0; }))
    BarrierOp::create(before, loop.getLoc());
  int64_t farthest = 0;
  for (LoopRing &ring : rings)
    farthest = std::max(farthest, ring.distance);
  for (int64_t iteration = 0; iteration < farthest; ++iteration)
    for (LoopRing &ring : rings)
      if (iteration < ring.distance)
        started.push_back(
            createPut(before, ring, loop.getLowerBound(), iteration));
  // Let the waits that precede them, for other rings, come after.
  if (wait && !started.empty() &&
      llvm::none_of(wait->getUsers(), [&](Operation *user) {
        return user->getBlock() == wait->getBlock() &&
               user->isBeforeInBlock(started.back());
      })) {
    wait->moveAfter(started.back());
    wait.setPending(wait.getPending() + started.size());
  }

  // In the loop: in the order of the places, then of the gets.
  for (LoopRing &ring : llvm::reverse(rings)) {
    if (ring.distance == 0) {
      ring.put->moveAfter(ring.place);
      continue;
    }
    OpBuilder b(loop.getContext());
    // What a copy looks up, the pages of its rows, is asked for in front of the
    // wait, which is long enough for it to come.
    bool looksUp = llvm::any_of(ring.put->getOperands(), [&](Value operand) {
      return !canCopySlice(operand, loop.getBody(),
                           [](Value v) { return isa<BlockArgument>(v); });
    });
    if (looksUp)
      b.setInsertionPoint(ring.place);
    else
      b.setInsertionPointAfter(ring.place);
    PutOp put = createPut(b, ring, loop.getInductionVar(), ring.distance,
                          looksUp ? ring.place : nullptr);
    ring.put->erase();
    ring.put = put;
  }
  setPending(started);
  return success();
}

namespace {

struct Pipeline : seqc::impl::TilePipelineBase<Pipeline> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      if (!loop->getParentOfType<RolesOp>())
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      LoopPipeline pipeline(loop);
      if (pipeline.analyze()) {
        numAhead += pipeline.countAhead();
        ++numLoops;
        if (failed(pipeline.rewrite()))
          return signalPassFailure();
        continue;
      }
      // Copies that stay where they are: what they overwrite must have been
      // read by every thread.
      Operation *first = nullptr;
      for (Operation &op : *loop.getBody())
        if (!first && isa<PutOp>(op))
          first = &op;
      if (first) {
        OpBuilder b(first);
        BarrierOp::create(b, first->getLoc());
      }
    }
  }
};

} // namespace
