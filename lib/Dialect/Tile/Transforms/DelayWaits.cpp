//===- DelayWaits.cpp - Wait for products where their results are read ----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Asynchronous products are waited for as soon as they are started. In a loop
// with several of them, as the backward of attention is, each wait moves down
// to the first operation that reads its result, or to the end of the iteration:
// the tensor cores then have the next products to do while this one's result
// turns into their factor. A product that depends on no other of its iteration
// moves up, behind the last operation that it needs.
//
//   before                  after
//   s  = wait(start q k)    a = start q k
//   d  = wait(start o v)    b = start o v
//   p  = exp(s)             s = wait a pending 1;  p = exp(s)
//   x  = wait(start p o)    c = start p o
//   e  = p d                d = wait b pending 1;  e = p d
//   y  = wait(start e q)    f = start e q
//                           x = wait c pending 1;  y = wait f
//
// What is added to a product, and read only later, is added there.
//
// A factor that the threads write to shared memory is there behind a barrier,
// and its product stays behind that. The next iteration writes it behind a
// barrier of its own, by which all waits of this one are over.
//
// A stage is released after the last wait for a product that reads it. Products
// end in the order in which they start, so `pending` is the number of those
// started after the one that is waited for.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace seqc {
#define GEN_PASS_DEF_TILEDELAYWAITS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Loops with fewer products are tile-overlap-products' business.
static constexpr unsigned kMinProducts = 3;
/// Columns of an accumulator whose products take long.
static constexpr int64_t kWide = 128;

/// Whether there is a barrier between two operations of a block.
static bool hasBarrierBetween(Operation *from, Operation *to) {
  for (Operation *op = from; op && op != to; op = op->getNextNode())
    if (isa<BarrierOp>(op))
      return true;
  return false;
}

/// Whether `op` needs something that `place` or what follows it computes.
static bool dependsOn(Operation *op, Operation *place) {
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    Operation *def = operand.getDefiningOp();
    return def && def->getBlock() == place->getBlock() &&
           !def->isBeforeInBlock(place);
  });
}

namespace {
/// The products of one iteration, in order.
class Iteration {
public:
  explicit Iteration(scf::ForOp loop) : body(loop.getBody()) {}

  bool analyze();
  void rewrite();

private:
  struct Product {
    MmaAsyncOp start;
    WaitOp wait;
  };
  void moveUp(Product &product);
  bool addsLate();
  void moveDown(Operation *op);
  void placeRows();
  Operation *getFirstUser(Value value);
  void placeReleases();

  Block *body;
  SmallVector<Product> products;
  SmallVector<std::pair<ReleaseOp, GetOp>> releases;
};
} // namespace

bool Iteration::analyze() {
  DenseMap<Value, GetOp> gets;
  for (Operation &op : *body) {
    if (auto start = dyn_cast<MmaAsyncOp>(op)) {
      if (!start.getResult().hasOneUse())
        return false;
      auto wait = dyn_cast<WaitOp>(*start.getResult().user_begin());
      if (!wait || wait.getNumOperands() != 1 || wait->getBlock() != body ||
          wait.getPending() != 0)
        return false;
      products.push_back({start, wait});
    } else if (auto get = dyn_cast<GetOp>(op)) {
      if (!gets.try_emplace(get.getRing(), get).second)
        return false;
    } else if (auto release = dyn_cast<ReleaseOp>(op)) {
      GetOp get = gets.lookup(release.getRing());
      if (!get)
        return false;
      releases.push_back({release, get});
    } else if (isa<BarrierOp, SharedStoreOp, SharedLoadOp>(op)) {
      // What is written there, a product behind it reads: see moveUp().
    } else if (isa<PutOp>(op) ||
               op.walk([&](Operation *inner) {
                   return inner != &op && isa<MmaAsyncOp, WaitOp, PutOp, GetOp,
                                              ReleaseOp, BarrierOp>(inner)
                              ? WalkResult::interrupt()
                              : WalkResult::advance();
                 }).wasInterrupted()) {
      return false;
    }
  }
  return products.size() >= kMinProducts;
}

/// Starts `product` right after the product in front of it, with what it needs,
/// if none of that comes from a product of this iteration.
void Iteration::moveUp(Product &product) {
  // The threads write what it reads.
  for (Value factor : {product.start.getA(), Value(product.start.getB())})
    if (factor.getDefiningOp<AllocOp>())
      return;
  Operation *place = nullptr;
  for (Product &other : products)
    if (other.start->isBeforeInBlock(product.start) &&
        (!place || place->isBeforeInBlock(other.start)))
      place = other.start;
  if (!place)
    return;
  // What stands between them.
  SmallVector<Operation *> needed;
  DenseSet<Operation *> seen;
  SmallVector<Operation *> worklist = {product.start};
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    if (op->getBlock() != body || op->isBeforeInBlock(place) ||
        !seen.insert(op).second)
      continue;
    bool canMove = op == product.start || isa<GetOp>(op) ||
                   (isMemoryEffectFree(op) && op->getNumRegions() == 0);
    if (!canMove)
      return;
    needed.push_back(op);
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp())
        worklist.push_back(def);
  }
  llvm::sort(needed,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : needed) {
    op->moveAfter(place);
    place = op;
  }
}

Operation *Iteration::getFirstUser(Value value) {
  Operation *first = body->getTerminator();
  for (Operation *user : value.getUsers()) {
    Operation *ancestor = body->findAncestorOpInBlock(*user);
    if (ancestor->isBeforeInBlock(first))
      first = ancestor;
  }
  return first;
}

/// Whether it pays to let a product run under the work on an earlier one. Where
/// warps go in step it does; where they do not they overlap each other, and
/// measured on an H200 products with 128 columns gain 4%, those with 64 lose up
/// to 10%.
bool Iteration::addsLate() {
  if (!body->getOps<BarrierOp>().empty())
    return true;
  return llvm::any_of(products, [](Product &product) {
    RankedTensorType type = product.start.getResult().getType().getTile();
    return product.start.getAcc() && type.getDimSize(1) >= kWide;
  });
}

/// Puts what is computed from a product, and nothing reads for long, to where
/// it is read.
void Iteration::moveDown(Operation *op) {
  Operation *place = getFirstUser(op->getResult(0));
  op->moveBefore(place);
  for (Value operand : op->getOperands())
    if (auto broadcast = operand.getDefiningOp<BroadcastOp>();
        broadcast && broadcast->getBlock() == body && broadcast->hasOneUse())
      broadcast->moveBefore(op);
}

/// Reads rows in front of the product that starts last before they are needed:
/// while it starts they come, and not before they have to.
void Iteration::placeRows() {
  SmallVector<SharedLoadOp> loads(body->getOps<SharedLoadOp>());
  for (SharedLoadOp load : loads) {
    Operation *user = getFirstUser(load.getResult());
    if (isa<BroadcastOp>(user))
      user = getFirstUser(user->getResult(0));
    Operation *place = nullptr;
    for (Product &product : products)
      if (product.start->isBeforeInBlock(user))
        place = product.start;
    if (place && load->isBeforeInBlock(place) &&
        !hasBarrierBetween(load, place))
      load->moveBefore(place);
    else if (place && place->isBeforeInBlock(load) &&
             !hasBarrierBetween(place, load) && !dependsOn(load, place))
      load->moveBefore(place);
  }
}

/// Puts each release after the last wait for what reads its stage.
void Iteration::placeReleases() {
  for (auto [release, get] : releases)
    for (Product &product : products) {
      bool reads = product.start.getA() == get.getResult() ||
                   product.start.getB() == get.getResult();
      if (reads && release->isBeforeInBlock(product.wait))
        release->moveAfter(product.wait);
    }
}

void Iteration::rewrite() {
  for (Product &product : products)
    moveUp(product);
  llvm::sort(products, [](Product a, Product b) {
    return a.start->isBeforeInBlock(b.start.getOperation());
  });
  for (Product &product : products) {
    Value result = product.wait.getResult(0);
    if (!addsLate() || !result.hasOneUse())
      continue;
    Operation *user = *result.user_begin();
    if (isa<arith::AddFOp, math::FmaOp>(user) && user->getBlock() == body)
      moveDown(user);
  }
  // In the order of their starts, so that waits that go to one place have it,
  // too.
  for (Product &product : products)
    product.wait->moveBefore(getFirstUser(product.wait.getResult(0)));
  // They end in that order, too, and ptxas runs products one by one where their
  // results are not taken so.
  for (size_t i = products.size(); i-- > 1;)
    if (products[i].wait->isBeforeInBlock(products[i - 1].wait))
      products[i - 1].wait->moveBefore(products[i].wait);
  placeRows();
  placeReleases();
  for (auto [i, product] : llvm::enumerate(products)) {
    int64_t later = 0;
    for (Product &other : MutableArrayRef(products).drop_front(i + 1))
      later += other.start->isBeforeInBlock(product.wait);
    product.wait.setPending(later);
  }
}

namespace {
struct DelayWaits : seqc::impl::TileDelayWaitsBase<DelayWaits> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      // Without roles the order of copies relies on that of the products.
      if (loop->getParentOfType<RolesOp>())
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      Iteration iteration(loop);
      if (!iteration.analyze())
        continue;
      iteration.rewrite();
      ++numLoops;
    }
  }
};
} // namespace
