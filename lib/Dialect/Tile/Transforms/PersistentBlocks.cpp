//===- PersistentBlocks.cpp - Thread blocks that do several of the grid ---===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything but constants, rings and shared memory goes into a
// tile.for_each_block. What is left to do is to number the copies of a ring
// through: a point of the grid starts with the number after the last copy of
// the point before. How many copies a point makes is read off the role that
// copies, before the roles:
//
//   a put at the top of the role   one
//   a put in a loop at its top     as many as the loop has iterations
//
// The bounds of such a loop may be read from device memory, as those of
// documents are: a kernel does not write what it reads.
//
// With several points in a row, two more things pay off. A tile that a point
// copies once, as queries are, gets a second stage, where there is room, so
// that the next point's tile arrives while this one's products still read
// theirs. And where the rows of a result stay in the warps that computed them,
// these do not wait for each other before they write it: nothing else lies in
// its place.
//
// Where the number of copies depends on x, as under a causal mask, points are
// taken in sections of a few for each processor, and all of a section's
// first x come first: the kernel's blocks count x from the longest row.
//
// A kernel of another form, or whose shared memory does not fit when nothing in
// it shares its place, is left alone.
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace seqc {
#define GEN_PASS_DEF_TILEPERSISTENTBLOCKS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// A role that only copies has few registers: bounds that take more operations
/// than this (a window beside a prefix, among documents) would not fit twice.
static constexpr int64_t kMaxProducerOps = 160;
/// Points of a section: two for each processor of an H100 or H200. Of
/// attention, 128 rows and keys of 128 dimensions each, all keys and values of
/// a section are 17 MB: L2 holds 50. (Twice as many are slower: 13% at 512
/// keys.)
static constexpr int64_t kSectionPoints = 264;

namespace {

class Rewriter {
public:
  explicit Rewriter(KernelOp kernel) : kernel(kernel) {}

  /// Whether the kernel has the form that the file's comment describes.
  bool analyze();
  void rewrite();

  int64_t numRings = 0, numStages = 0, numBarriers = 0;

private:
  bool analyzeRing(MakeRingOp ring);
  bool isUneven();
  void addStages();
  void relaxBarriers();
  Value countCopies(ImplicitLocOpBuilder &b, Operation *source, IRMapping &map);

  KernelOp kernel;
  RolesOp roles;
  /// Shared memory of rings and tiles, side by side.
  int64_t bytes = 0;
  /// The rings that are filled together, by the loop that holds their puts;
  /// null for those with a put at the top of the role.
  llvm::MapVector<Operation *, SmallVector<MakeRingOp>> groups;
};

} // namespace

/// Whether `number` counts the iterations of `loop` from 0.
static bool countsIterations(Value number, scf::ForOp loop) {
  if (auto argument = dyn_cast<BlockArgument>(number))
    return isCounter(loop, argument) &&
           matchPattern(loop.getTiedLoopInit(argument)->get(), m_Zero());
  auto division = number.getDefiningOp<arith::DivUIOp>();
  if (!division || division.getRhs() != loop.getStep())
    return false;
  Value passed = division.getLhs();
  if (passed == loop.getInductionVar())
    return matchPattern(loop.getLowerBound(), m_Zero());
  auto difference = passed.getDefiningOp<arith::SubIOp>();
  return difference && difference.getLhs() == loop.getInductionVar() &&
         difference.getRhs() == loop.getLowerBound();
}

bool Rewriter::analyzeRing(MakeRingOp ring) {
  Block *producer = &roles.getRoles().front().front();
  Region *consumer = &roles.getRoles().back();
  PutOp put;
  for (Operation *user : ring.getResult().getUsers()) {
    if (auto other = dyn_cast<PutOp>(user)) {
      if (put)
        return false;
      put = other;
    } else if (!isa<GetOp, ReleaseOp>(user) ||
               !consumer->isAncestor(user->getParentRegion())) {
      return false;
    }
  }
  if (!put || put.getWhen() ||
      llvm::none_of(ring.getResult().getUsers(),
                    [](Operation *user) { return isa<ReleaseOp>(user); }))
    return false;
  if (put->getBlock() == producer) {
    if (!matchPattern(put.getNumber(), m_Zero()))
      return false;
    groups[nullptr].push_back(ring);
    return true;
  }
  auto loop = dyn_cast<scf::ForOp>(put->getParentOp());
  if (!loop || loop->getBlock() != producer ||
      !countsIterations(put.getNumber(), loop))
    return false;
  auto isKnown = [](Value) { return false; };
  auto isInput = [&](Operation *op) {
    auto load = dyn_cast<memref::LoadOp>(op);
    return load && isa<BlockArgument>(load.getMemRef()) &&
           llvm::none_of(load.getMemRef().getUsers(), llvm::IsaPred<StoreOp>);
  };
  for (Value bound :
       {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    if (!canCopySlice(bound, producer, isKnown, isInput))
      return false;
  groups[loop].push_back(ring);
  return true;
}

bool Rewriter::analyze() {
  Block &body = kernel.getBody().front();
  SmallVector<MakeRingOp> rings;
  for (Operation &op : body) {
    if (auto found = dyn_cast<RolesOp>(op)) {
      if (roles)
        return false;
      roles = found;
    } else if (auto ring = dyn_cast<MakeRingOp>(op)) {
      RingType type = ring.getResult().getType();
      bytes +=
          type.getStages() * llvm::alignTo(type.getTile().getNumBytes(), 1024);
      rings.push_back(ring);
    } else if (auto alloc = dyn_cast<AllocOp>(op)) {
      bytes += llvm::alignTo(alloc.getResult().getType().getNumBytes(), 1024);
    } else if (!isa<ReturnOp>(op) &&
               (!isMemoryEffectFree(&op) || op.getNumRegions() != 0)) {
      return false;
    }
  }
  if (!roles || roles.getRoles().size() != 2 || rings.empty() ||
      bytes > kMaxSharedBytes - kBarrierBytes ||
      !isForOneThread(roles.getRoles().front()))
    return false;
  Block &producer = roles.getRoles().front().front();
  if (llvm::range_size(producer) > kMaxProducerOps)
    return false;
  return llvm::all_of(rings,
                      [&](MakeRingOp ring) { return analyzeRing(ring); });
}

/// How many copies a point makes of a ring that `source` fills.
Value Rewriter::countCopies(ImplicitLocOpBuilder &b, Operation *source,
                            IRMapping &map) {
  if (!source)
    return arith::ConstantIndexOp::create(b, 1);
  auto loop = cast<scf::ForOp>(source);
  Block *producer = loop->getBlock();
  Value lower = copySlice(b, loop.getLowerBound(), producer, map);
  Value upper = copySlice(b, loop.getUpperBound(), producer, map);
  Value step = copySlice(b, loop.getStep(), producer, map);
  // Bounds may be the wrong way round.
  Value last = arith::MaxSIOp::create(b, upper, lower);
  Value length = arith::SubIOp::create(b, last, lower);
  return arith::CeilDivUIOp::create(b, length, step);
}

/// Whether the copies of a point depend on its first index.
bool Rewriter::isUneven() {
  SmallVector<Value> work;
  for (auto &[source, rings] : groups)
    if (auto loop = dyn_cast_if_present<scf::ForOp>(source))
      work.append({loop.getLowerBound(), loop.getUpperBound()});
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == kernel.getBlockId(0))
      return true;
    if (Operation *op = value.getDefiningOp(); op && seen.insert(value).second)
      llvm::append_range(work, op->getOperands());
  }
  return false;
}

void Rewriter::addStages() {
  for (MakeRingOp ring : groups.lookup(nullptr)) {
    RingType type = ring.getResult().getType();
    int64_t more = llvm::alignTo(type.getTile().getNumBytes(), 1024);
    if (type.getStages() != 1 || bytes + more > kMaxSharedBytes - kBarrierBytes)
      continue;
    bytes += more;
    ring.getResult().setType(
        RingType::get(ring.getContext(), 2, type.getTile()));
    ++numStages;
  }
}

/// What each warp writes and reads alone: the block's barrier in front of it
/// was there for what lies in the same place in a kernel of one point.
void Rewriter::relaxBarriers() {
  for (auto alloc : kernel.getBody().getOps<AllocOp>()) {
    SmallVector<BarrierOp> barriers;
    bool isOfWarps = true;
    for (Operation *user : alloc.getResult().getUsers()) {
      auto before = dyn_cast_if_present<BarrierOp>(user->getPrevNode());
      isOfWarps &= before && isa<SharedStoreOp, SharedLoadOp>(user);
      if (isa<SharedStoreOp>(user))
        barriers.push_back(before);
      else
        isOfWarps &= before && before.getWarp();
    }
    if (!isOfWarps)
      continue;
    for (BarrierOp barrier : barriers)
      if (!barrier.getWarp()) {
        barrier.setWarp(true);
        ++numBarriers;
      }
  }
}

void Rewriter::rewrite() {
  addStages();
  relaxBarriers();
  Block &body = kernel.getBody().front();
  ImplicitLocOpBuilder b(kernel.getLoc(), roles);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  SmallVector<Value> inits(groups.size(), zero);
  auto loop = ForEachBlockOp::create(b, inits);
  if (isUneven())
    loop.setSection(kSectionPoints);
  auto *inside = new Block();
  loop.getBody().push_back(inside);
  for (unsigned i = 0; i < 3 + inits.size(); ++i)
    inside->addArgument(b.getIndexType(), kernel.getLoc());
  for (Operation &op : llvm::make_early_inc_range(body))
    if (!isa<MakeRingOp, AllocOp, ReturnOp, ForEachBlockOp>(op) &&
        !op.hasTrait<OpTrait::ConstantLike>())
      op.moveBefore(inside, inside->end());
  for (unsigned dim = 0; dim < 3; ++dim)
    kernel.getBlockId(dim).replaceAllUsesWith(loop.getBlockId(dim));

  b.setInsertionPoint(roles);
  SmallVector<Value> next;
  IRMapping map;
  for (auto [i, group] : llvm::enumerate(groups)) {
    Value start = loop.getNumbers()[i];
    Value copies = countCopies(b, group.first, map);
    next.push_back(arith::AddIOp::create(b, start, copies));
    for (MakeRingOp ring : group.second) {
      ++numRings;
      for (Operation *user : ring.getResult().getUsers()) {
        OpOperand *number = nullptr;
        llvm::TypeSwitch<Operation *>(user).Case<PutOp, GetOp, ReleaseOp>(
            [&](auto op) { number = &op.getNumberMutable(); });
        OpBuilder at(user);
        number->set(
            arith::AddIOp::create(at, user->getLoc(), start, number->get()));
      }
    }
  }
  b.setInsertionPointToEnd(inside);
  YieldOp::create(b, next);
}

namespace {
struct PersistentBlocks
    : seqc::impl::TilePersistentBlocksBase<PersistentBlocks> {
  void runOnOperation() override {
    Rewriter rewriter(getOperation());
    if (!rewriter.analyze())
      return;
    rewriter.rewrite();
    ++numKernels;
    numRings += rewriter.numRings;
    numStages += rewriter.numStages;
    numBarriers += rewriter.numBarriers;
  }
};
} // namespace
