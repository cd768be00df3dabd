//===- OverlapProducts.cpp - Products under the softmax of the next tile --===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An iteration of attention starts a product with the keys, turns it into
// weights, and starts a product of the weights with the values, which only the
// next iteration needs. In program order the tensor cores idle during the
// softmax. The loop is rotated, as FlashAttention-3 does: iteration i starts
// its first product, then the second one of iteration i - 1, waits for the
// first alone, and waits for the second where the accumulator is needed. So the
// tensor cores have the second product to do while the softmax begins.
//
//   before            after
//   for i:            first(0) -> weights(0)
//     first(i)        for i from 1:
//     weights(i)        first(i); second(i - 1)
//     second(i)         weights(i)
//                     second(last)
//
// Three groups of warps that compute already take turns by themselves, and have
// no registers to spare: their loops stay as they are (measured: 3% slower for
// most lengths at head_dim 64). The elements of a bias, which are loaded ahead,
// need the registers of the second product too.
//
// Carried in addition are the weights, the number of their stage and, in the
// place of the result of the second product, its accumulator.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace seqc {
#define GEN_PASS_DEF_TILEOVERLAPPRODUCTS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Warps that compute, of a kernel whose products are worth overlapping.
static constexpr int64_t kMaxWarpsToOverlap = 8;

namespace {
/// A loop over two products, the second of which ends an iteration.
class Rotation {
public:
  explicit Rotation(scf::ForOp loop) : loop(loop) {}

  /// Whether the loop has that form.
  bool analyze();
  void rewrite();

private:
  bool isSecond(Operation *op) const {
    return op == get || op == second || op == wait || op == release;
  }
  /// The second product of one iteration: its get, start and, by `finish`, its
  /// wait and release.
  MmaAsyncOp start(OpBuilder &b, Value weights, Value acc, Value number);
  Value finish(OpBuilder &b, MmaAsyncOp product, Value number);
  /// Copies everything but the second product.
  void copyFirst(OpBuilder &b, IRMapping &map);
  /// The same, around the second product of the iteration before.
  void copyBody(OpBuilder &b, IRMapping &map, Value weights, Value acc,
                Value number);

  scf::ForOp loop;
  MmaAsyncOp first, second;
  WaitOp firstWait, wait;
  GetOp get;
  ReleaseOp release;
  /// Which of the carried values the second product yields, and the first
  /// operation of an iteration that needs it.
  unsigned index = 0;
  Operation *needed = nullptr;
};
} // namespace

/// The wait of `product` alone, in its block.
static WaitOp getWait(MmaAsyncOp product) {
  if (!product.getResult().hasOneUse())
    return {};
  auto wait = dyn_cast<WaitOp>(*product.getResult().user_begin());
  if (!wait || wait.getNumOperands() != 1 || wait.getPending() != 0 ||
      wait->getBlock() != product->getBlock())
    return {};
  return wait;
}

bool Rotation::analyze() {
  Block *body = loop.getBody();
  SmallVector<MmaAsyncOp> products;
  bool hasPut = false, hasBias = false;
  loop.walk([&](Operation *op) {
    if (auto product = dyn_cast<MmaAsyncOp>(op))
      products.push_back(product);
    hasPut |= isa<PutOp>(op);
    if (auto load = dyn_cast<LoadOp>(op))
      hasBias |= load.getType().getRank() > 1;
  });
  if (hasPut || hasBias || products.size() != 2 ||
      products[0]->getBlock() != body || products[1]->getBlock() != body)
    return false;
  first = products[0];
  second = products[1];
  firstWait = getWait(first);
  wait = getWait(second);
  if (!firstWait || !wait || second->isBeforeInBlock(firstWait))
    return false;

  // The second product reads weights in registers and a stage that it alone
  // reads, and goes to the next iteration.
  Value acc = second.getAcc();
  get = second.getB().getDefiningOp<GetOp>();
  if (!acc || !isa<RankedTensorType>(acc.getType()) ||
      !isa<RankedTensorType>(second.getA().getType()) || !get ||
      get->getBlock() != body || !get.getResult().hasOneUse())
    return false;
  for (Operation *user : get.getRing().getUsers())
    if (auto candidate = dyn_cast<ReleaseOp>(user);
        candidate && candidate->getBlock() == body)
      release = candidate;
  if (!release || release.getNumber() != get.getNumber() ||
      release->isBeforeInBlock(wait))
    return false;
  Value result = wait.getResult(0);
  if (!result.hasOneUse() ||
      result.use_begin()->getOwner() != body->getTerminator())
    return false;
  index = result.use_begin()->getOperandNumber();

  for (Operation *user : loop.getRegionIterArg(index).getUsers()) {
    Operation *op = body->findAncestorOpInBlock(*user);
    if (isSecond(op) || isa<scf::YieldOp>(op))
      continue;
    if (!needed || op->isBeforeInBlock(needed))
      needed = op;
  }
  return !needed || first->isBeforeInBlock(needed);
}

MmaAsyncOp Rotation::start(OpBuilder &b, Value weights, Value acc,
                           Value number) {
  auto stage =
      GetOp::create(b, get.getLoc(), get.getRing(), number, get.getPending());
  return MmaAsyncOp::create(b, second.getLoc(), second.getResult().getType(),
                            weights, stage.getResult(), acc,
                            second.getTransposeB());
}

Value Rotation::finish(OpBuilder &b, MmaAsyncOp product, Value number) {
  auto done = WaitOp::create(b, wait.getLoc(), ValueRange{product.getResult()},
                             uint64_t(0));
  ReleaseOp::create(b, release.getLoc(), release.getRing(), number);
  return done.getResult(0);
}

void Rotation::copyFirst(OpBuilder &b, IRMapping &map) {
  for (Operation &op : loop.getBody()->without_terminator())
    if (!isSecond(&op))
      b.clone(op, map);
}

void Rotation::copyBody(OpBuilder &b, IRMapping &map, Value weights, Value acc,
                        Value number) {
  MmaAsyncOp product;
  Value result = loop.getRegionIterArg(index);
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (isSecond(&op))
      continue;
    if (&op == needed)
      map.map(result, finish(b, product, number));
    Operation *copy = b.clone(op, map);
    if (&op == first)
      product = start(b, weights, acc, number);
    else if (&op == firstWait)
      cast<WaitOp>(copy).setPending(map.contains(result) ? 0 : 1);
  }
  if (!map.contains(result))
    map.map(result, finish(b, product, number));
}

void Rotation::rewrite() {
  Location loc = loop.getLoc();
  OpBuilder b(loop);
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  Value lower = loop.getLowerBound(), upper = loop.getUpperBound(),
        step = loop.getStep();
  Value some =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lower, upper);
  auto branch = scf::IfOp::create(b, loc, loop.getResultTypes(), some,
                                  /*withElseRegion=*/true);

  // What an iteration hands to the next one: `yields` with the accumulator of
  // the second product for its result, its weights, the number of its stage.
  auto getCarried = [&](IRMapping &map) {
    SmallVector<Value> carried;
    for (Value value : yield.getOperands())
      carried.push_back(map.lookupOrDefault(value));
    carried[index] = map.lookupOrDefault(second.getAcc());
    carried.push_back(map.lookupOrDefault(second.getA()));
    carried.push_back(map.lookupOrDefault(get.getNumber()));
    return carried;
  };

  b.setInsertionPointToStart(branch.thenBlock());
  IRMapping before;
  before.map(loop.getInductionVar(), lower);
  before.map(loop.getRegionIterArgs(), loop.getInits());
  copyFirst(b, before);
  Value next = arith::AddIOp::create(b, loc, lower, step);
  auto rotated =
      scf::ForOp::create(b, loc, next, upper, step, getCarried(before));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rotated.getBody());
    auto carried = rotated.getRegionIterArgs();
    IRMapping map;
    map.map(loop.getInductionVar(), rotated.getInductionVar());
    for (auto [i, argument] : llvm::enumerate(loop.getRegionIterArgs()))
      if (i != index)
        map.map(argument, carried[i]);
    copyBody(b, map, carried.drop_back().back(), carried[index],
             carried.back());
    scf::YieldOp::create(b, loc, getCarried(map));
  }
  auto results = rotated.getResults();
  Value number = results.back();
  MmaAsyncOp last =
      start(b, results.drop_back().back(), results[index], number);
  SmallVector<Value> values(results.drop_back(2));
  values[index] = finish(b, last, number);
  scf::YieldOp::create(b, loc, values);

  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, loop.getInits());
  loop.replaceAllUsesWith(branch.getResults());
  loop.erase();
}

namespace {
struct OverlapProductsPass
    : seqc::impl::TileOverlapProductsBase<OverlapProductsPass> {
  using Base::Base;

  void runOnOperation() override {
    if (int64_t(getOperation().getWarps()) > kMaxWarpsToOverlap)
      return;
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      // Without roles the order of copies relies on that of the products.
      if (loop->getParentOfType<RolesOp>())
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      Rotation rotation(loop);
      if (!rotation.analyze())
        continue;
      rotation.rewrite();
      ++numLoops;
    }
  }
};
} // namespace
