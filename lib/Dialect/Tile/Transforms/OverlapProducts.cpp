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
// The wait stands where the accumulator is first read: where it is rescaled,
// for rows whose maximum grew. The branch that finds the new maximum, which the
// weights need, would be that place. So the accumulator leaves it for a branch
// of its own, in front of the second product, and weights are computed while
// the product of the last ones runs:
//
//   m, l, acc = update_where grown      m, l, f = update_where grown
//   p = exp2(s - m)                     p = exp2(s - m)
//   second(p, acc)                      acc = update_where grown { acc * f }
//                                       second(p, acc)
//
// The elements of a bias, which are loaded ahead, need the registers of the
// second product too: such loops stay as they are. So do loops that load,
// where three groups of warps have 160 registers for each thread; with two
// groups their accumulators are rescaled early and their weights converted at
// once, which needs fewer. Loops that draw random numbers have no register
// left.
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
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

namespace seqc {
#define GEN_PASS_DEF_TILEOVERLAPPRODUCTS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Warps that compute, of a kernel whose loops may be heavy.
static constexpr int64_t kMaxHeavyWarps = 8;

/// Whether `op` draws random numbers for scores: only that is made by xor.
static bool isRandom(Operation *op) {
  auto type = isa<arith::XOrIOp>(op)
                  ? dyn_cast<RankedTensorType>(op->getResult(0).getType())
                  : RankedTensorType();
  return type && type.getRank() > 1;
}

namespace {
/// A loop over two products, the second of which ends an iteration.
class Rotation {
public:
  explicit Rotation(scf::ForOp loop) : loop(loop) {}

  /// Whether the loop has that form.
  bool analyze();
  void rewrite();

  bool isSplit = false;

private:
  /// The first operation of an iteration, besides the second product, that
  /// reads the result of the one before.
  Operation *findNeeded();
  void delayRescaling();
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
  /// It loads, into registers that others do not need.
  bool isHeavy = false;
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
  bool hasPut = false, isFull = false;
  loop.walk([&](Operation *op) {
    if (auto product = dyn_cast<MmaAsyncOp>(op))
      products.push_back(product);
    hasPut |= isa<PutOp>(op);
    if (auto load = dyn_cast<LoadOp>(op))
      isFull |= load.getType().getRank() > 1;
    isFull |= isRandom(op);
    isHeavy |= isa<LoadOp, GatherOp>(op);
  });
  // Three groups of warps share the registers that two have otherwise.
  if (isHeavy &&
      int64_t(loop->getParentOfType<KernelOp>().getWarps()) > kMaxHeavyWarps)
    return false;
  if (hasPut || isFull || products.size() != 2 ||
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

  needed = findNeeded();
  return !needed || first->isBeforeInBlock(needed);
}

Operation *Rotation::findNeeded() {
  Operation *found = nullptr;
  for (Operation *user : loop.getRegionIterArg(index).getUsers()) {
    Operation *op = loop.getBody()->findAncestorOpInBlock(*user);
    if (isSecond(op) || isa<scf::YieldOp>(op))
      continue;
    if (!found || op->isBeforeInBlock(found))
      found = op;
  }
  return found;
}

/// Splits the update of rows that reads the accumulator: what depends on that
/// goes to an update of its own in front of the second product.
void Rotation::delayRescaling() {
  auto update = dyn_cast_if_present<UpdateWhereOp>(needed);
  if (!update)
    return;
  Value acc = loop.getRegionIterArg(index);
  Block &body = update.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  llvm::SetVector<Operation *> late;
  auto isLate = [&](Value value) {
    return value == acc || late.contains(value.getDefiningOp());
  };
  for (Operation &op : llvm::make_early_inc_range(body.without_terminator())) {
    if (llvm::none_of(op.getOperands(), isLate))
      continue;
    // A row's number is handed over as that, not once for each column.
    for (OpOperand &operand : op.getOpOperands())
      if (auto broadcast = operand.get().getDefiningOp<BroadcastOp>();
          broadcast && broadcast->getBlock() == &body && !isLate(broadcast)) {
        Operation *copy = OpBuilder(&op).clone(*broadcast);
        late.insert(copy);
        operand.set(copy->getResult(0));
      }
    late.insert(&op);
  }

  // What stays, what goes, and what the latter needs of the former. Nothing
  // else may need what goes before the second product starts.
  SmallVector<Value> values, yields, lateValues, lateYields, passed;
  SmallVector<Value> results, lateResults;
  for (auto [value, yielded, result] : llvm::zip_equal(
           update.getValues(), yield.getOperands(), update.getResults())) {
    bool goes = isLate(value) || isLate(yielded);
    (goes ? lateValues : values).push_back(value);
    (goes ? lateYields : yields).push_back(yielded);
    (goes ? lateResults : results).push_back(result);
    for (Operation *user : result.getUsers())
      if (goes &&
          loop.getBody()->findAncestorOpInBlock(*user)->isBeforeInBlock(second))
        return;
  }
  if (values.empty())
    return;
  for (Operation *op : late)
    for (Value operand : op->getOperands())
      if (!isLate(operand) &&
          update.getBody().isAncestor(operand.getParentRegion()) &&
          !llvm::is_contained(passed, operand))
        passed.push_back(operand);
  for (Value value : lateYields)
    if (!isLate(value) &&
        update.getBody().isAncestor(value.getParentRegion()) &&
        !llvm::is_contained(passed, value))
      passed.push_back(value);

  ImplicitLocOpBuilder b(update.getLoc(), update);
  for (Value value : passed) {
    values.push_back(
        arith::ConstantOp::create(b, b.getZeroAttr(value.getType())));
    yields.push_back(value);
  }
  auto makeUpdate = [&](ValueRange values) {
    auto made = UpdateWhereOp::create(
        b, TypeRange(values), update.getCondition(), values, update.getWarps());
    made.getBody().emplaceBlock();
    return made;
  };
  auto early = makeUpdate(values);
  b.setInsertionPoint(second);
  auto rescaling = makeUpdate(lateValues);

  Block &lateBody = rescaling.getBody().front();
  for (Operation *op : late)
    op->moveBefore(&lateBody, lateBody.end());
  b.setInsertionPointToEnd(&lateBody);
  YieldOp::create(b, lateYields);
  yield.erase();
  Block &earlyBody = early.getBody().front();
  earlyBody.getOperations().splice(earlyBody.end(), body.getOperations());
  b.setInsertionPointToEnd(&earlyBody);
  YieldOp::create(b, yields);
  for (auto [value, result] :
       llvm::zip_equal(passed, early.getResults().take_back(passed.size())))
    value.replaceUsesWithIf(result, [&](OpOperand &use) {
      return rescaling->isAncestor(use.getOwner());
    });
  for (auto [old, result] : llvm::zip(results, early.getResults()))
    old.replaceAllUsesWith(result);
  for (auto [old, result] :
       llvm::zip_equal(lateResults, rescaling.getResults()))
    old.replaceAllUsesWith(result);
  update.erase();
  needed = findNeeded();
  isSplit = true;
}

MmaAsyncOp Rotation::start(OpBuilder &b, Value weights, Value acc,
                           Value number) {
  auto stage =
      GetOp::create(b, get.getLoc(), get.getRing(), number, get.getPending());
  return MmaAsyncOp::create(b, second.getLoc(), second.getResult().getType(),
                            weights, stage.getResult(), acc,
                            /*transpose_a=*/false, second.getTransposeB());
}

Value Rotation::finish(OpBuilder &b, MmaAsyncOp product, Value number) {
  auto done = WaitOp::create(b, wait.getLoc(), ValueRange{product.getResult()},
                             uint64_t(0));
  ReleaseOp::create(b, release.getLoc(), release.getRing(), number);
  return done.getResult(0);
}

/// Whether all that `update` does is to multiply its only value.
static bool isRescaling(UpdateWhereOp update) {
  Block &body = update.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getNumOperands() != 1)
    return false;
  Value value = update.getValues().front();
  auto product = yield.getOperand(0).getDefiningOp<arith::MulFOp>();
  return product && (product.getLhs() == value || product.getRhs() == value);
}

void Rotation::copyFirst(OpBuilder &b, IRMapping &map) {
  for (Operation &op : loop.getBody()->without_terminator()) {
    // An accumulator of zeros stays one: factors are finite.
    auto update = dyn_cast<UpdateWhereOp>(op);
    if (update && update == needed && isRescaling(update) &&
        matchPattern(map.lookupOrDefault(update.getValues().front()),
                     m_AnyZeroFloat())) {
      map.map(update.getResult(0),
              map.lookupOrDefault(update.getValues().front()));
      continue;
    }
    if (!isSecond(&op))
      b.clone(op, map);
  }
}

void Rotation::copyBody(OpBuilder &b, IRMapping &map, Value weights, Value acc,
                        Value number) {
  MmaAsyncOp product;
  Value result = loop.getRegionIterArg(index);
  // The weights as the next product reads them take the registers that the
  // running one reads: they are made when that is over, and before the branch.
  Operation *converted = second.getA().getDefiningOp<arith::TruncFOp>();
  if (converted && (isHeavy || !needed || !converted->hasOneUse() ||
                    needed->isBeforeInBlock(converted)))
    converted = nullptr;
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (isSecond(&op) || &op == converted)
      continue;
    if (&op == needed) {
      map.map(result, finish(b, product, number));
      if (converted) {
        Value weights = b.clone(*converted, map)->getResult(0);
        map.map(second.getA(),
                ReadyOp::create(b, converted->getLoc(), weights));
      }
    }
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
  if (!isHeavy)
    delayRescaling();
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
      numSplit += rotation.isSplit;
    }
  }
};
} // namespace
