//===- DeferReductions.cpp - Sum across threads once, after the loop ------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row sum is linear, so that sums of parts of the row can be carried through
// a loop in its place. Let L be carried by a loop and let its next value be
// made of L and of reductions by
//
//   L                      reduce add X along 1           x + y
//   x r, fma(x, r, y)      with a row r that is not made of L
//   select(c, x, y)        scf.if c { yield x } else { yield y }
//
// Then every x has a folded form x' with x = reduce(x'): L' itself, fold X,
// x' + y', x' (broadcast r), and so on. The loop carries L', and the reduction
// comes after it. For this every x, and L, must be used nowhere else: somebody
// who wants the sum would need the exchange that this pass saves.
//
// Loops are taken in order: one that starts from the reduction that another
// ended with starts from what was reduced.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/Matchers.h"

namespace seqc {
#define GEN_PASS_DEF_TILEDEFERREDUCTIONS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// The columns of a folded tile: what the accumulators of tensor cores fold to.
constexpr int64_t foldColumns = 8;

/// One sum that a loop carries.
class CarriedSum {
public:
  CarriedSum(scf::ForOp loop, unsigned number) : loop(loop), number(number) {}

  /// Whether the sum can be carried in its folded form.
  bool match();
  /// Carries it so.
  void rewrite();

private:
  Value getArgument() { return loop.getRegionIterArg(number); }
  bool matchInit(Value init);
  bool matchTerm(Value v, OpOperand *use);
  bool isIndependent(Value v);
  Value fold(ImplicitLocOpBuilder &b, Value v);
  Value foldInit(ImplicitLocOpBuilder &b, Value init);
  Value spread(ImplicitLocOpBuilder &b, Value row);
  /// The type of a folded sum; the same before and after the rewrite.
  RankedTensorType getFoldedType() {
    auto type = cast<RankedTensorType>(getArgument().getType());
    return RankedTensorType::get({type.getDimSize(0), foldColumns},
                                 type.getElementType());
  }

  scf::ForOp loop;
  unsigned number;
  /// The values made of the sum, and how many of the uses of each are known.
  DenseMap<Value, unsigned> terms;
  bool hasReduction = false;
};

} // namespace

static bool isRowSum(ReduceOp op) {
  auto type = op.getSource().getType();
  return op.getKind() == ReduceKind::Add && op.getDim() == 1 &&
         type.getRank() == 2 && type.getDimSize(1) % foldColumns == 0;
}

bool CarriedSum::matchInit(Value init) {
  if (matchPattern(init, m_AnyZeroFloat()))
    return true;
  auto reduce = init.getDefiningOp<ReduceOp>();
  return reduce && isRowSum(reduce);
}

/// Whether `v`, which is not a term where it is used, is not made of terms
/// either: then none of them may be among what it is computed from. Every use
/// of a term is checked in the end, so it is enough that `v` is no term.
bool CarriedSum::isIndependent(Value v) { return !terms.contains(v); }

/// Matches `v` as a term; `use` is where it is used as one.
bool CarriedSum::matchTerm(Value v, OpOperand *use) {
  bool isNew = !terms.contains(v);
  ++terms[v];
  if (!isNew || v == getArgument())
    return true;
  auto result = dyn_cast<OpResult>(v);
  Operation *op = v.getDefiningOp();
  if (!op || !loop.getRegion().isAncestor(op->getParentRegion()))
    return false;
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    hasReduction = true;
    return isRowSum(reduce);
  }
  auto operand = [&](unsigned i) {
    return matchTerm(op->getOperand(i), &op->getOpOperand(i));
  };
  // A product has one factor that is a term. It is the one that leads to the
  // sum: try both, and forget what the wrong one found.
  auto product = [&]() {
    for (unsigned i : {0u, 1u}) {
      DenseMap<Value, unsigned> before = terms;
      bool hadReduction = hasReduction;
      if (operand(i) && isIndependent(op->getOperand(1 - i)))
        return true;
      terms = before;
      hasReduction = hadReduction;
    }
    return false;
  };
  if (isa<arith::AddFOp>(op))
    return operand(0) && operand(1);
  if (isa<arith::MulFOp>(op))
    return product();
  if (isa<math::FmaOp>(op))
    return operand(2) && product();
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return isIndependent(select.getCondition()) && operand(1) && operand(2);
  if (auto choice = dyn_cast<scf::IfOp>(op)) {
    unsigned i = result.getResultNumber();
    for (scf::YieldOp yield : {choice.thenYield(), choice.elseYield()})
      if (!matchTerm(yield.getOperand(i), &yield->getOpOperand(i)))
        return false;
    return true;
  }
  return false;
}

bool CarriedSum::match() {
  auto type = dyn_cast<RankedTensorType>(getArgument().getType());
  if (!type || type.getRank() != 1 || !isa<FloatType>(type.getElementType()) ||
      type.getEncoding())
    return false;
  if (!matchInit(loop.getInitArgs()[number]))
    return false;
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  if (!matchTerm(yield.getOperand(number), &yield->getOpOperand(number)) ||
      !hasReduction)
    return false;
  // Every use of every term is one that was met.
  return llvm::all_of(terms, [](const auto &term) {
    return static_cast<unsigned>(std::distance(
               term.first.use_begin(), term.first.use_end())) == term.second;
  });
}

Value CarriedSum::spread(ImplicitLocOpBuilder &b, Value row) {
  auto type = cast<RankedTensorType>(row.getType());
  auto spread = RankedTensorType::get({type.getDimSize(0), foldColumns},
                                      type.getElementType());
  SplatElementsAttr constant;
  if (matchPattern(row, m_Constant(&constant)))
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(spread, constant.getSplatValue<Attribute>()));
  return BroadcastOp::create(b, spread, row, 1);
}

Value CarriedSum::foldInit(ImplicitLocOpBuilder &b, Value init) {
  auto reduce = init.getDefiningOp<ReduceOp>();
  if (!reduce)
    return arith::ConstantOp::create(b, b.getZeroAttr(getFoldedType()));
  if (reduce.getSource().getType() == getFoldedType())
    return reduce.getSource();
  return FoldOp::create(b, getFoldedType(), ReduceKind::Add,
                        reduce.getSource());
}

/// The folded form of a term, built next to it; branches are changed in place.
Value CarriedSum::fold(ImplicitLocOpBuilder &b, Value v) {
  if (v == getArgument())
    return v;
  Operation *op = v.getDefiningOp();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  b.setLoc(op->getLoc());
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return FoldOp::create(b, getFoldedType(), ReduceKind::Add,
                          reduce.getSource());
  auto isTerm = [&](unsigned i) { return terms.contains(op->getOperand(i)); };
  if (isa<arith::AddFOp>(op)) {
    Value lhs = fold(b, op->getOperand(0)), rhs = fold(b, op->getOperand(1));
    return arith::AddFOp::create(b, lhs, rhs);
  }
  if (isa<arith::MulFOp, math::FmaOp>(op)) {
    unsigned term = isTerm(0) ? 0 : 1;
    Value folded = fold(b, op->getOperand(term));
    Value row = spread(b, op->getOperand(1 - term));
    if (isa<arith::MulFOp>(op))
      return arith::MulFOp::create(b, folded, row);
    return math::FmaOp::create(b, folded, row, fold(b, op->getOperand(2)));
  }
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    Value condition = select.getCondition();
    if (isa<RankedTensorType>(condition.getType()))
      condition = spread(b, condition);
    Value lhs = fold(b, op->getOperand(1)), rhs = fold(b, op->getOperand(2));
    return arith::SelectOp::create(b, condition, lhs, rhs);
  }
  auto choice = cast<scf::IfOp>(op);
  unsigned i = cast<OpResult>(v).getResultNumber();
  for (scf::YieldOp yield : {choice.thenYield(), choice.elseYield()})
    yield.setOperand(i, fold(b, yield.getOperand(i)));
  v.setType(getFoldedType());
  return v;
}

void CarriedSum::rewrite() {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Value init = foldInit(b, loop.getInitArgs()[number]);
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  RankedTensorType folded = getFoldedType();
  Type sum = getArgument().getType();
  loop.getInitArgsMutable()[number].set(init);
  getArgument().setType(folded);
  yield.setOperand(number, fold(b, yield.getOperand(number)));

  Value result = loop.getResult(number);
  result.setType(folded);
  b.setInsertionPointAfter(loop);
  b.setLoc(loop.getLoc());
  if (!result.use_empty()) {
    auto reduce = ReduceOp::create(b, sum, ReduceKind::Add, result, 1);
    result.replaceAllUsesExcept(reduce, reduce);
  }
}

namespace {
struct DeferReductionsPass
    : public seqc::impl::TileDeferReductionsBase<DeferReductionsPass> {
  void runOnOperation() override {
    getOperation().walk([&](scf::ForOp loop) {
      for (unsigned i = 0; i < loop.getNumResults(); ++i) {
        CarriedSum sum(loop, i);
        if (!sum.match())
          continue;
        sum.rewrite();
        ++numDeferred;
      }
    });
    // What the folded forms replaced.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>(
        [](Operation *op) {
          if (isOpTriviallyDead(op))
            op->erase();
        });
  }
};
} // namespace
