//===- KernelVerifier.cpp - Rules that span a kernel ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What no operation can check by itself:
//
// - Layouts are spread over the kernel's warps, and the tiles of an elementwise
//   operation have one layout.
// - Shared memory is made once, at the top of the kernel, and fits. Rings and
//   other tiles may lie in the same place where their lifetimes allow it, so
//   each of the two sums is a lower bound.
// - A ring is put into by one role and got from by one. In each block it is
//   released as often as it is got; a ring that is never released takes no
//   more copies than it has stages.
// - An unfinished product goes to exactly one place, a wait or the next
//   product, possibly carried there by a loop. Products finish in order, so
//   `tile.wait pending n` retires those with at least n started after them.
//   A product is retired before its result is read and before the stages that
//   it reads are released.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Interfaces/LoopLikeInterface.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace seqc::tile;

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

static LogicalResult verifyLayouts(KernelOp kernel, Operation *op) {
  auto check = [&](Type type) -> LogicalResult {
    if (auto async = dyn_cast<AsyncType>(type))
      type = async.getTile();
    Attribute layout = getLayout(type);
    if (layout && getNumWarps(layout) != int64_t(kernel.getWarps()))
      return op->emitOpError("has a tile spread over ")
             << getNumWarps(layout) << " warps, " << type
             << ", but the kernel has " << kernel.getWarps();
    return success();
  };
  for (Type type : op->getResultTypes())
    if (failed(check(type)))
      return failure();
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (BlockArgument argument : block.getArguments())
        if (failed(check(argument.getType())))
          return failure();

  if (!op->hasTrait<OpTrait::Elementwise>())
    return success();
  RankedTensorType first;
  for (Type type :
       llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()),
                                SmallVector<Type>(op->getResultTypes()))) {
    auto tile = dyn_cast<RankedTensorType>(type);
    if (!tile)
      continue;
    if (!first)
      first = tile;
    if (tile.getEncoding() != first.getEncoding())
      return op->emitOpError("mixes layouts: ") << first << " and " << tile;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Shared memory and rings
//===----------------------------------------------------------------------===//

static LogicalResult verifySharedMemory(KernelOp kernel) {
  int64_t rings = kBarrierBytes, tiles = 0;
  WalkResult result = kernel.walk([&](Operation *op) {
    if (!isa<AllocOp, MakeRingOp>(op))
      return WalkResult::advance();
    if (op->getParentOp() != kernel) {
      op->emitOpError("must be at the top level of the kernel");
      return WalkResult::interrupt();
    }
    if (auto ring = dyn_cast<MakeRingOp>(op)) {
      RingType type = ring.getResult().getType();
      rings += type.getStages() * type.getTile().getNumBytes();
    } else {
      tiles += cast<AllocOp>(op).getResult().getType().getNumBytes();
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  if (rings > kMaxSharedBytes)
    return kernel.emitOpError("has rings of ")
           << rings << " bytes with their barriers, but a block has "
           << kMaxSharedBytes << " bytes of shared memory";
  if (tiles > kMaxSharedBytes)
    return kernel.emitOpError("has tiles of ")
           << tiles << " bytes in shared memory, but a block has "
           << kMaxSharedBytes;
  return success();
}

/// The role that an operation is in: a region of tile.roles, or null.
static Region *getRole(Operation *op) {
  Region *region = op->getParentRegion();
  while (region && !isa<KernelOp>(region->getParentOp())) {
    if (isa<RolesOp>(region->getParentOp()))
      return region;
    region = region->getParentRegion();
  }
  return nullptr;
}

/// Checks that all of `ops` are in one role.
template <typename OpT>
static LogicalResult verifyOneRole(ArrayRef<OpT> ops, StringRef what) {
  for (OpT op : ops)
    if (getRole(op) != getRole(ops.front())) {
      InFlightDiagnostic diag =
          op.emitOpError("is in another role than the first ")
          << what << " of its ring";
      OpT first = ops.front();
      diag.attachNote(first.getLoc()) << "which is here";
      return diag;
    }
  return success();
}

static LogicalResult verifyRing(MakeRingOp ring) {
  SmallVector<PutOp> puts;
  SmallVector<GetOp> gets;
  SmallVector<ReleaseOp> releases;
  struct Balance {
    int64_t gets = 0, releases = 0;
    Operation *last = nullptr;
  };
  llvm::MapVector<Block *, Balance> balances;
  // In program order, for the diagnostics.
  SmallVector<Operation *> users(ring.getResult().getUsers());
  std::reverse(users.begin(), users.end());
  for (Operation *user : users) {
    Balance &balance = balances[user->getBlock()];
    if (auto put = dyn_cast<PutOp>(user)) {
      puts.push_back(put);
    } else if (auto get = dyn_cast<GetOp>(user)) {
      gets.push_back(get);
      ++balance.gets;
      balance.last = user;
    } else if (auto release = dyn_cast<ReleaseOp>(user)) {
      releases.push_back(release);
      ++balance.releases;
      balance.last = user;
    } else {
      return user->emitOpError("uses a ring, which only tile.put, tile.get and "
                               "tile.release may");
    }
  }
  if (puts.empty() != gets.empty())
    return ring.emitOpError("makes a ring with tile.")
           << (puts.empty() ? "get" : "put") << " but without tile."
           << (puts.empty() ? "put" : "get");
  if (failed(verifyOneRole(ArrayRef(puts), "tile.put")) ||
      failed(verifyOneRole(ArrayRef(gets), "tile.get")) ||
      failed(verifyOneRole(ArrayRef(releases), "tile.release")))
    return failure();
  if (!releases.empty()) {
    if (gets.empty() || getRole(releases.front()) != getRole(gets.front()))
      return releases.front().emitOpError(
          "gives back a stage that this role does not get");
    for (auto &[block, balance] : balances)
      if (balance.gets != balance.releases)
        return balance.last->emitOpError("leaves its block with ")
               << balance.gets << " tile.get and " << balance.releases
               << " tile.release of one ring, which must be as many";
    return success();
  }
  // Nothing is released: each copy has a stage of its own.
  int64_t stages = ring.getResult().getType().getStages();
  if (int64_t(puts.size()) > stages)
    return ring.emitOpError("makes a ring of ")
           << stages << " stages that takes " << puts.size()
           << " copies and is never released";
  for (PutOp put : puts)
    if (put->getParentOfType<LoopLikeOpInterface>())
      return put.emitOpError("is in a loop, but its ring is never released");
  return success();
}

static LogicalResult verifyRings(KernelOp kernel) {
  WalkResult result = kernel.walk([&](Operation *op) {
    if (auto ring = dyn_cast<MakeRingOp>(op))
      return failed(verifyRing(ring)) ? WalkResult::interrupt()
                                      : WalkResult::advance();
    for (Value operand : op->getOperands())
      if (isa<RingType>(operand.getType()) &&
          !operand.getDefiningOp<MakeRingOp>()) {
        op->emitOpError("needs the result of a tile.make_ring as its ring");
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Unfinished products
//===----------------------------------------------------------------------===//

/// Products of `block` that start after `from` and before `to`, which are in
/// it; those of nested regions are not counted on.
static int64_t countProducts(Operation *from, Operation *to) {
  int64_t count = 0;
  for (Operation *op = from->getNextNode(); op && op != to;
       op = op->getNextNode())
    count += isa<MmaAsyncOp>(op);
  return count;
}

/// Whether a wait between `product` and `end`, operations of one block, retires
/// the product.
static bool isRetired(MmaAsyncOp product, Operation *end) {
  int64_t after = 0;
  for (Operation *op = product->getNextNode(); op && op != end;
       op = op->getNextNode()) {
    if (isa<MmaAsyncOp>(op))
      ++after;
    else if (auto wait = dyn_cast<WaitOp>(op))
      if (int64_t(wait.getPending()) <= after)
        return true;
  }
  return false;
}

/// Checks that stages that `product` reads are not released under it.
static LogicalResult verifyStages(MmaAsyncOp product) {
  for (Value factor : {product.getA(), Value(product.getB())}) {
    auto get = factor.getDefiningOp<GetOp>();
    if (!get)
      continue;
    for (Operation *user : get.getRing().getUsers()) {
      auto release = dyn_cast<ReleaseOp>(user);
      if (!release || release.getNumber() != get.getNumber() ||
          release->getBlock() != product->getBlock() ||
          release->isBeforeInBlock(product))
        continue;
      if (!isRetired(product, release)) {
        InFlightDiagnostic diag = release.emitOpError(
            "gives back a stage that an unfinished product reads");
        diag.attachNote(product.getLoc())
            << "which no tile.wait between the two retires";
        return diag;
      }
    }
  }
  return success();
}

/// Checks that an unfinished tile goes to one place.
static LogicalResult verifyUse(Value tile, Location loc) {
  auto isLegal = [&](OpOperand &use) {
    Operation *owner = use.getOwner();
    if (isa<WaitOp, MmaAsyncOp>(owner))
      return true;
    // Carried by a loop, or yielded by a region.
    return isa<LoopLikeOpInterface>(owner) ||
           owner->hasTrait<OpTrait::IsTerminator>();
  };
  for (OpOperand &use : tile.getUses())
    if (!isLegal(use))
      return use.getOwner()->emitOpError(
          "cannot read an unfinished tile: only tile.wait makes it readable");
  if (tile.use_empty())
    return emitError(loc) << "an unfinished tile, " << tile.getType()
                          << ", reaches no tile.wait";
  if (!tile.hasOneUse())
    return emitError(loc) << "an unfinished tile, " << tile.getType()
                          << ", must go to one tile.wait or tile.mma_async, "
                             "but has more than one use";
  return success();
}

static LogicalResult verifyProducts(KernelOp kernel) {
  WalkResult result = kernel.walk([&](Operation *op) {
    auto check = [&](LogicalResult result) {
      return failed(result) ? WalkResult::interrupt() : WalkResult::advance();
    };
    for (Value value : op->getResults())
      if (isa<AsyncType>(value.getType()))
        if (failed(verifyUse(value, op->getLoc())))
          return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          if (isa<AsyncType>(argument.getType()))
            if (failed(verifyUse(argument, argument.getLoc())))
              return WalkResult::interrupt();
    if (auto product = dyn_cast<MmaAsyncOp>(op))
      return check(verifyStages(product));
    if (auto wait = dyn_cast<WaitOp>(op))
      for (Value operand : wait.getOperands()) {
        auto product = operand.getDefiningOp<MmaAsyncOp>();
        if (!product || product->getBlock() != wait->getBlock())
          continue;
        int64_t after = countProducts(product, wait);
        if (int64_t(wait.getPending()) > after) {
          InFlightDiagnostic diag =
              wait.emitOpError("lets ")
              << wait.getPending()
              << " products run, so this one may not have finished: only "
              << after << " start after it";
          diag.attachNote(product.getLoc()) << "it starts here";
          return WalkResult::interrupt();
        }
      }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

LogicalResult KernelOp::verifyRegions() {
  if (!isa<ReturnOp>(getBody().front().back()))
    return emitOpError("must end in tile.return");
  WalkResult result = walk([&](Operation *op) {
    return op != *this && failed(verifyLayouts(*this, op))
               ? WalkResult::interrupt()
               : WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  if (auto roles = getBody().getOps<RolesOp>();
      !roles.empty() && !llvm::hasSingleElement(roles))
    return (*std::next(roles.begin()))
        .emitOpError("is the second of its kernel, which has one at most");
  if (failed(verifySharedMemory(*this)) || failed(verifyRings(*this)))
    return failure();
  return verifyProducts(*this);
}
