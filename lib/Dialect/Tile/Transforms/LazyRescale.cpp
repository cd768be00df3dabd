//===- LazyRescale.cpp - Rescale attention's state rarely -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The anchor is `alpha = exp2(old - shift)`, where `shift` is the new maximum
// or 0 and the new maximum is that of `old` and of a reduction of the scores.
// What leads from the scores to alpha, and the products with alpha, move into
// the region of a `tile.update_where` whose condition is computed from
// `tile.fold`, the part of the reduction that a thread does by itself.
//
// A row that has seen nothing has old = -inf, so the first score that it sees
// exceeds the reference, and a row of -inf scores never does.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace seqc {
#define GEN_PASS_DEF_TILELAZYRESCALE
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace seqc;
using namespace seqc::tile;

namespace {

/// One rescaling: how the new maximum comes about and what is rescaled by it.
struct Rescaling {
  math::Exp2Op alpha;
  arith::SubFOp difference;
  Value old, shift, newMax;
  arith::MaxNumFOp max;
  /// What follows the reduction on the way to the maximum, in order.
  SmallVector<Operation *> scaling;
  ReduceOp reduce;
  /// The value that is rescaled, and the product.
  SmallVector<std::pair<Value, arith::MulFOp>> products;
};

} // namespace

/// The maximum behind `shift`, which may be guarded: select(max == -inf, 0,
/// max).
static Value getGuardedMax(Value shift) {
  if (auto select = shift.getDefiningOp<arith::SelectOp>())
    return select.getFalseValue();
  return shift;
}

static bool isUniform(Value v) {
  return v.getDefiningOp<tensor::SplatOp>() || matchPattern(v, m_Constant());
}

/// The operand of a step on the way from the reduction that is not the way.
static Value getOther(Operation *op) {
  return op->getOperand(isUniform(op->getOperand(0)) ? 0 : 1);
}

/// Matches `candidate` = f(reduce max), with f monotonic: products with a
/// uniform value, and sums with what each row has before the reduction.
static ReduceOp findReduction(Value candidate, SmallVector<Operation *> &path) {
  while (Operation *op = candidate.getDefiningOp()) {
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      std::reverse(path.begin(), path.end());
      for (Operation *step : path)
        if (Operation *def = getOther(step).getDefiningOp();
            isa<arith::AddFOp>(step) && def &&
            def->getBlock() == reduce->getBlock() &&
            !def->isBeforeInBlock(reduce))
          return {};
      return reduce.getKind() == ReduceKind::Max && reduce.getDim() == 1
                 ? reduce
                 : ReduceOp();
    }
    if (!isa<arith::MulFOp, arith::AddFOp>(op) || !op->hasOneUse())
      return {};
    Value other = getOther(op);
    if (isa<arith::MulFOp>(op) && !isUniform(other))
      return {};
    path.push_back(op);
    candidate = op->getOperand(op->getOperand(0) == other ? 1 : 0);
  }
  return {};
}

/// Matches the rescaling whose factor is `alpha`.
static FailureOr<Rescaling> match(math::Exp2Op alpha) {
  Rescaling r;
  r.alpha = alpha;
  r.difference = alpha.getOperand().getDefiningOp<arith::SubFOp>();
  if (!r.difference)
    return failure();
  r.old = r.difference.getLhs();
  r.shift = r.difference.getRhs();
  r.newMax = getGuardedMax(r.shift);
  r.max = r.newMax.getDefiningOp<arith::MaxNumFOp>();
  if (!r.max)
    return failure();
  Value other;
  if (r.max.getLhs() == r.old)
    other = r.max.getRhs();
  else if (r.max.getRhs() == r.old)
    other = r.max.getLhs();
  else
    return failure();
  r.reduce = findReduction(other, r.scaling);
  if (!r.reduce || !r.reduce->hasOneUse() ||
      r.reduce.getSource().getType().getRank() != 2)
    return failure();

  // Everything that uses alpha is a product of a state with it.
  for (Operation *user : alpha->getUsers()) {
    if (auto product = dyn_cast<arith::MulFOp>(user)) {
      Value state =
          product.getLhs() == alpha ? product.getRhs() : product.getLhs();
      if (state == alpha.getResult())
        return failure();
      r.products.push_back({state, product});
      continue;
    }
    auto broadcast = dyn_cast<BroadcastOp>(user);
    if (!broadcast || broadcast.getDim() != 1)
      return failure();
    for (Operation *second : broadcast->getUsers()) {
      auto product = dyn_cast<arith::MulFOp>(second);
      if (!product)
        return failure();
      Value state =
          product.getLhs() == broadcast ? product.getRhs() : product.getLhs();
      r.products.push_back({state, product});
    }
  }
  llvm::sort(r.products, [](auto &a, auto &b) {
    return a.second->getBlock() == b.second->getBlock() &&
           a.second->isBeforeInBlock(b.second);
  });
  // The state must be there before the region, and nothing between may need
  // the rows to be exact.
  for (auto &[state, product] : r.products) {
    if (Operation *def = state.getDefiningOp())
      if (def->getBlock() == alpha->getBlock() &&
          !def->isBeforeInBlock(r.reduce))
        return failure();
    if (product->getBlock() != alpha->getBlock())
      return failure();
  }
  if (r.reduce->getBlock() != alpha->getBlock())
    return failure();
  return r;
}

static void rewrite(Rescaling &r, double threshold, int64_t warps) {
  ImplicitLocOpBuilder b(r.alpha.getLoc(), r.reduce);
  Value scores = r.reduce.getSource();
  auto scoreType = cast<RankedTensorType>(scores.getType());
  Type element = scoreType.getElementType();
  auto foldType = RankedTensorType::get({scoreType.getDimSize(0), 8}, element);
  Value some = FoldOp::create(b, foldType, ReduceKind::Max, scores);

  // How far the largest scores of each thread are above the reference.
  Value scaled = some;
  for (Operation *op : r.scaling) {
    Value by = getOther(op), wide;
    DenseElementsAttr value;
    if (auto splat = by.getDefiningOp<tensor::SplatOp>())
      wide = tensor::SplatOp::create(b, foldType, splat.getInput());
    else if (matchPattern(by, m_Constant(&value)) && value.isSplat())
      wide = arith::ConstantOp::create(
          b,
          DenseElementsAttr::get(foldType, value.getSplatValue<Attribute>()));
    else
      wide = BroadcastOp::create(b, foldType, by, 1);
    if (isa<arith::MulFOp>(op))
      scaled = arith::MulFOp::create(b, scaled, wide);
    else
      scaled = arith::AddFOp::create(b, scaled, wide);
  }
  Value reference = BroadcastOp::create(b, foldType, r.old, 1);
  Value excess = arith::SubFOp::create(b, scaled, reference);
  Value limit = arith::ConstantOp::create(
      b, DenseElementsAttr::get(foldType, b.getFloatAttr(element, threshold)));
  Value grown =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, excess, limit);

  SmallVector<Value> states = {r.old};
  for (auto &[state, product] : r.products)
    states.push_back(state);
  auto update = UpdateWhereOp::create(b, TypeRange(ValueRange(states)), grown,
                                      states, warps);
  b.createBlock(&update.getBody());

  // The region: the reduction goes on from the fold, the rest as it was.
  IRMapping mapping;
  Value rowMax = ReduceOp::create(b, r.reduce.getType(), ReduceKind::Max, some,
                                  r.reduce.getDim());
  mapping.map(r.reduce.getResult(), rowMax);
  for (Operation *op : r.scaling)
    b.clone(*op, mapping);
  b.clone(*r.max, mapping);
  auto guard = r.shift.getDefiningOp<arith::SelectOp>();
  if (guard) {
    if (Operation *condition = guard.getCondition().getDefiningOp())
      b.clone(*condition, mapping);
    b.clone(*guard, mapping);
  }
  b.clone(*r.difference, mapping);
  Value alpha = b.clone(*r.alpha, mapping)->getResult(0);
  SmallVector<Value> yielded = {mapping.lookup(r.newMax)};
  for (auto &[state, product] : r.products) {
    Value factor = alpha;
    auto stateType = cast<RankedTensorType>(state.getType());
    if (stateType.getRank() == 2)
      factor = BroadcastOp::create(b, stateType, alpha, 1);
    yielded.push_back(arith::MulFOp::create(b, state, factor));
  }
  YieldOp::create(b, yielded);

  // What follows uses the new reference.
  for (auto [i, pair] : llvm::enumerate(r.products)) {
    pair.second->replaceAllUsesWith(ValueRange{update.getResult(i + 1)});
    pair.second->erase();
  }
  r.newMax.replaceUsesWithIf(update.getResult(0), [&](OpOperand &use) {
    return !update->isProperAncestor(use.getOwner());
  });
}

namespace {

struct LazyRescale : seqc::impl::TileLazyRescaleBase<LazyRescale> {
  using TileLazyRescaleBase::TileLazyRescaleBase;

  void runOnOperation() override {
    if (threshold <= 0)
      return;
    KernelOp kernel = getOperation();
    SmallVector<math::Exp2Op> candidates;
    kernel.walk([&](math::Exp2Op op) {
      // Only in a loop is there a reference to keep.
      if (op->getParentOfType<LoopLikeOpInterface>())
        candidates.push_back(op);
    });
    for (math::Exp2Op alpha : candidates) {
      FailureOr<Rescaling> rescaling = match(alpha);
      if (failed(rescaling))
        continue;
      rewrite(*rescaling, threshold, kernel.getWarps());
      SmallVector<Operation *> dead;
      for (Operation *user : alpha->getUsers())
        dead.push_back(user);
      for (Operation *op : dead)
        op->erase();
      alpha->erase();
      rescaling->difference->erase();
      rescaling->max->erase();
      for (Operation *op : llvm::reverse(rescaling->scaling))
        op->erase();
      rescaling->reduce->erase();
      ++numLazy;
    }
  }
};

} // namespace
