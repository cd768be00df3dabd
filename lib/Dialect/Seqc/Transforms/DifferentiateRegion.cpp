//===- DifferentiateRegion.cpp - The derivative of a score region ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reverse mode over one block. What depends on the score, or on an element of a
// captured tensor whose gradient is wanted, is active. From the last operation
// to the first, the derivative of the result by each active value (its adjoint)
// is passed on to the active operands, times the partial derivative of the
// operation. One sweep gives the derivatives in all of these.
//
// An adjoint is a sum of terms, and a term has guards: conditions under which
// it is there at all. `select(c, a, b)` passes its adjoint to `a` under c and
// to `b` under not c, and the guards stay outside of what is multiplied later:
// an infinite partial derivative on the side that is not taken is never
// multiplied by a 0. Terms with equal guards are added; two that differ in the
// last one become a select.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/RecomputeBackward.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace seqc;

namespace {

/// A condition, and whether it must hold or must not.
struct Guard {
  Value condition;
  bool holds;
  bool operator==(const Guard &other) const {
    return condition == other.condition && holds == other.holds;
  }
};

/// `value` where all guards agree, else 0. A null value is 1.
struct Term {
  SmallVector<Guard, 2> guards;
  Value value;
};

/// What an operation passes on to one operand: a factor (null is 1) and, if
/// there is a condition, a guard.
struct Partial {
  unsigned operand;
  Value factor;
  std::optional<Guard> guard;
};

/// Differentiates the value that a block yields.
class Differentiator {
public:
  /// `roots` are sets of values that a derivative is wanted in; each value of a
  /// set stands for the same.
  Differentiator(Block &block, ArrayRef<SmallVector<Value>> roots)
      : block(block), roots(roots) {}

  /// Marks what depends on the roots; an error where that goes through an
  /// operation without a derivative.
  LogicalResult findActive();
  /// The derivatives, built at the end of the block, one of `type` for each set
  /// of roots.
  SmallVector<Value> build(RewriterBase &rewriter, Type type);

private:
  /// What `op` passes on to its active operands.
  SmallVector<Partial> getPartials(ImplicitLocOpBuilder &b, Operation *op);
  void addTerm(ImplicitLocOpBuilder &b, Value to, Term term);
  Value materialize(ImplicitLocOpBuilder &b, const Term &term, Type type);
  Value buildSum(ImplicitLocOpBuilder &b, ArrayRef<Value> set, Type type);

  bool isActive(Value v) const { return active.contains(v); }

  Block &block;
  ArrayRef<SmallVector<Value>> roots;
  DenseSet<Value> active;
  DenseMap<Value, SmallVector<Term, 2>> adjoints;
};

} // namespace

/// Whether the derivative of `op` is 0 wherever it has one.
static bool isFlat(Operation *op) {
  bool isFloat = llvm::all_of(op->getResultTypes(),
                              [](Type type) { return isa<FloatType>(type); });
  return isa<math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp,
             math::TruncOp>(op) ||
         (!isFloat && op->getNumRegions() == 0 &&
          isa<arith::CmpFOp, arith::FPToSIOp, arith::FPToUIOp, math::IsNaNOp,
              math::IsInfOp, math::IsFiniteOp, math::IsNormalOp>(op));
}

/// Whether getPartials() knows `op`.
static bool isDifferentiable(Operation *op) {
  return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
             arith::RemFOp, arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp,
             arith::MaxNumFOp, arith::MinNumFOp, arith::SelectOp, arith::ExtFOp,
             arith::TruncFOp>(op) ||
         isa<math::AbsFOp, math::AcosOp, math::AcoshOp, math::AsinOp,
             math::AsinhOp, math::AtanOp, math::Atan2Op, math::AtanhOp,
             math::CbrtOp, math::ClampFOp, math::CopySignOp, math::CosOp,
             math::CoshOp, math::ErfOp, math::ErfcOp, math::ExpOp, math::Exp2Op,
             math::ExpM1Op, math::FmaOp, math::LogOp, math::Log10Op,
             math::Log1pOp, math::Log2Op, math::PowFOp, math::FPowIOp,
             math::RsqrtOp, math::SinOp, math::SinhOp, math::SqrtOp,
             math::TanOp, math::TanhOp>(op);
}

LogicalResult Differentiator::findActive() {
  for (ArrayRef<Value> set : roots)
    active.insert(set.begin(), set.end());
  for (Operation &op : block.without_terminator()) {
    bool usesActive = false;
    op.walk([&](Operation *inner) {
      usesActive |= llvm::any_of(inner->getOperands(),
                                 [&](Value v) { return isActive(v); });
    });
    if (!usesActive || isFlat(&op))
      continue;
    if (op.getNumResults() != 1 || !isa<FloatType>(op.getResult(0).getType()) ||
        !isDifferentiable(&op))
      return op.emitOpError("depends on the score")
             << (roots.size() > 1
                     ? ", or on a captured tensor that is to get a gradient,"
                     : "")
             << " and has no derivative that seqc knows: gradients cannot go "
                "through it";
    active.insert(op.getResult(0));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Partial derivatives
//===----------------------------------------------------------------------===//

SmallVector<Partial> Differentiator::getPartials(ImplicitLocOpBuilder &b,
                                                 Operation *op) {
  Value result = op->getResult(0);
  Type type = result.getType();
  auto in = [&](unsigned i) { return op->getOperand(i); };
  auto c = [&](double value) -> Value {
    return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
  };
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, x, y);
  };
  auto sub = [&](Value x, Value y) -> Value {
    return arith::SubFOp::create(b, x, y);
  };
  auto mul = [&](Value x, Value y) -> Value {
    return arith::MulFOp::create(b, x, y);
  };
  auto div = [&](Value x, Value y) -> Value {
    return arith::DivFOp::create(b, x, y);
  };
  auto neg = [&](Value x) -> Value { return arith::NegFOp::create(b, x); };
  auto sqrt = [&](Value x) -> Value { return math::SqrtOp::create(b, x); };
  auto select = [&](Value condition, Value x, Value y) -> Value {
    return arith::SelectOp::create(b, condition, x, y);
  };
  using arith::CmpFPredicate;
  auto compare = [&](CmpFPredicate predicate, Value x, Value y) -> Value {
    return arith::CmpFOp::create(b, predicate, x, y);
  };
  // The sign of x, 0 at 0.
  auto sign = [&](Value x) -> Value {
    Value negative = compare(CmpFPredicate::OLT, x, c(0.0));
    Value positive = compare(CmpFPredicate::OGT, x, c(0.0));
    return select(positive, c(1.0), select(negative, c(-1.0), c(0.0)));
  };
  auto when = [](Value condition, bool holds = true) -> std::optional<Guard> {
    return Guard{condition, holds};
  };

  // Built only for operands that need them.
  SmallVector<Partial> partials;
  auto pass = [&](unsigned operand, function_ref<Value()> factor,
                  std::optional<Guard> guard = std::nullopt) {
    if (isActive(in(operand)))
      partials.push_back({operand, factor(), guard});
  };
  auto unary = [&](Value factor) { partials.push_back({0, factor, {}}); };
  auto one = [] { return Value(); };
  // The larger operand (the smaller one), and half of each if they are equal.
  auto extreme = [&](CmpFPredicate isChosen) {
    Value tie = compare(CmpFPredicate::OEQ, in(0), in(1));
    Value share = select(tie, c(0.5), c(1.0));
    for (unsigned i : {0u, 1u})
      if (isActive(in(i)))
        partials.push_back(
            {i, share, when(compare(isChosen, in(i), in(1 - i)))});
  };

  llvm::TypeSwitch<Operation *>(op)
      .Case([&](arith::AddFOp) {
        pass(0, one);
        pass(1, one);
      })
      .Case([&](arith::SubFOp) {
        pass(0, one);
        pass(1, [&] { return c(-1.0); });
      })
      .Case([&](arith::MulFOp) {
        pass(0, [&] { return in(1); });
        pass(1, [&] { return in(0); });
      })
      .Case([&](arith::DivFOp) {
        pass(0, [&] { return div(c(1.0), in(1)); });
        pass(1, [&] { return neg(div(result, in(1))); });
      })
      .Case([&](arith::RemFOp) {
        pass(0, one);
        pass(1,
             [&] { return neg(math::TruncOp::create(b, div(in(0), in(1)))); });
      })
      .Case([&](arith::NegFOp) { unary(c(-1.0)); })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>(
          [&](auto) { extreme(CmpFPredicate::OGE); })
      .Case<arith::MinimumFOp, arith::MinNumFOp>(
          [&](auto) { extreme(CmpFPredicate::OLE); })
      .Case([&](arith::SelectOp) {
        pass(1, one, when(in(0), true));
        pass(2, one, when(in(0), false));
      })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto) { unary(Value()); })
      .Case([&](math::AbsFOp) { unary(sign(in(0))); })
      .Case([&](math::AcosOp) {
        unary(div(c(-1.0), sqrt(sub(c(1.0), mul(in(0), in(0))))));
      })
      .Case([&](math::AcoshOp) {
        unary(div(c(1.0), sqrt(sub(mul(in(0), in(0)), c(1.0)))));
      })
      .Case([&](math::AsinOp) {
        unary(div(c(1.0), sqrt(sub(c(1.0), mul(in(0), in(0))))));
      })
      .Case([&](math::AsinhOp) {
        unary(div(c(1.0), sqrt(add(mul(in(0), in(0)), c(1.0)))));
      })
      .Case([&](math::AtanOp) {
        unary(div(c(1.0), add(c(1.0), mul(in(0), in(0)))));
      })
      .Case([&](math::Atan2Op) {
        Value square = add(mul(in(0), in(0)), mul(in(1), in(1)));
        pass(0, [&] { return div(in(1), square); });
        pass(1, [&] { return neg(div(in(0), square)); });
      })
      .Case([&](math::AtanhOp) {
        unary(div(c(1.0), sub(c(1.0), mul(in(0), in(0)))));
      })
      .Case(
          [&](math::CbrtOp) { unary(div(c(1.0 / 3.0), mul(result, result))); })
      .Case([&](math::ClampFOp) {
        // (value, min, max)
        Value below = compare(CmpFPredicate::OLT, in(0), in(1));
        Value above = compare(CmpFPredicate::OGT, in(0), in(2));
        Value outside = arith::OrIOp::create(b, below, above);
        pass(0, one, when(outside, false));
        pass(1, one, when(below));
        pass(2, one, when(above));
      })
      .Case([&](math::CopySignOp) {
        pass(0, [&] {
          return mul(sign(in(0)), math::CopySignOp::create(b, c(1.0), in(1)));
        });
      })
      .Case([&](math::CosOp) { unary(neg(math::SinOp::create(b, in(0)))); })
      .Case([&](math::CoshOp) { unary(math::SinhOp::create(b, in(0))); })
      .Case<math::ErfOp, math::ErfcOp>([&](auto erf) {
        double factor = 2.0 * llvm::numbers::inv_sqrtpi;
        if (isa<math::ErfcOp>(erf.getOperation()))
          factor = -factor;
        Value power = math::ExpOp::create(b, neg(mul(in(0), in(0))));
        unary(mul(c(factor), power));
      })
      .Case([&](math::ExpOp) { unary(result); })
      .Case([&](math::Exp2Op) { unary(mul(result, c(llvm::numbers::ln2))); })
      .Case([&](math::ExpM1Op) { unary(math::ExpOp::create(b, in(0))); })
      .Case([&](math::FmaOp) {
        pass(0, [&] { return in(1); });
        pass(1, [&] { return in(0); });
        pass(2, one);
      })
      .Case([&](math::LogOp) { unary(div(c(1.0), in(0))); })
      .Case([&](math::Log10Op) { unary(div(c(llvm::numbers::log10e), in(0))); })
      .Case([&](math::Log1pOp) { unary(div(c(1.0), add(c(1.0), in(0)))); })
      .Case([&](math::Log2Op) { unary(div(c(llvm::numbers::log2e), in(0))); })
      .Case([&](math::PowFOp) {
        pass(0, [&] {
          Value power = math::PowFOp::create(b, in(0), sub(in(1), c(1.0)));
          Value constant = compare(CmpFPredicate::OEQ, in(1), c(0.0));
          return select(constant, c(0.0), mul(in(1), power));
        });
        // 0 to a positive power is 0 whatever the power.
        pass(1, [&] {
          Value isZero = compare(CmpFPredicate::OEQ, in(0), c(0.0));
          Value rises = compare(CmpFPredicate::OGE, in(1), c(0.0));
          Value flat = arith::AndIOp::create(b, isZero, rises);
          Value slope = mul(result, math::LogOp::create(b, in(0)));
          return select(flat, c(0.0), slope);
        });
      })
      .Case([&](math::FPowIOp) {
        Type integer = in(1).getType();
        auto i = [&](int64_t value) -> Value {
          return arith::ConstantOp::create(b, b.getIntegerAttr(integer, value));
        };
        Value less = arith::SubIOp::create(b, in(1), i(1));
        Value power = math::FPowIOp::create(b, in(0), less);
        Value factor = arith::SIToFPOp::create(b, type, in(1));
        Value constant =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, in(1), i(0));
        unary(select(constant, c(0.0), mul(factor, power)));
      })
      .Case([&](math::RsqrtOp) { unary(div(mul(c(-0.5), result), in(0))); })
      .Case([&](math::SinOp) { unary(math::CosOp::create(b, in(0))); })
      .Case([&](math::SinhOp) { unary(math::CoshOp::create(b, in(0))); })
      .Case([&](math::SqrtOp) { unary(div(c(0.5), result)); })
      .Case([&](math::TanOp) { unary(add(c(1.0), mul(result, result))); })
      .Case([&](math::TanhOp) { unary(sub(c(1.0), mul(result, result))); })
      .Default([](Operation *) {
        llvm_unreachable("isDifferentiable and getPartials disagree");
      });
  return partials;
}

//===----------------------------------------------------------------------===//
// Adjoints
//===----------------------------------------------------------------------===//

/// The value of a term, a constant 1 if it is that.
static Value getValue(ImplicitLocOpBuilder &b, const Term &term, Type type) {
  if (term.value)
    return term.value;
  return arith::ConstantOp::create(b, b.getFloatAttr(type, 1.0));
}

void Differentiator::addTerm(ImplicitLocOpBuilder &b, Value to, Term term) {
  SmallVector<Term, 2> &terms = adjoints[to];
  Type type = to.getType();
  for (Term &other : terms) {
    if (other.guards == term.guards) {
      Term sum = {other.guards,
                  arith::AddFOp::create(b, getValue(b, other, type),
                                        getValue(b, term, type))};
      terms.erase(&other);
      return addTerm(b, to, sum);
    }
    // What is passed on under a condition and under its opposite.
    if (other.guards.empty() || other.guards.size() != term.guards.size() ||
        !llvm::equal(ArrayRef(other.guards).drop_back(),
                     ArrayRef(term.guards).drop_back()))
      continue;
    Guard last = term.guards.back(), otherLast = other.guards.back();
    if (last.condition != otherLast.condition || last.holds == otherLast.holds)
      continue;
    Value yes = getValue(b, last.holds ? term : other, type);
    Value no = getValue(b, last.holds ? other : term, type);
    Term choice = term;
    choice.guards.pop_back();
    choice.value = arith::SelectOp::create(b, last.condition, yes, no);
    if (!term.value && !other.value)
      choice.value = Value();
    terms.erase(&other);
    return addTerm(b, to, choice);
  }
  terms.push_back(term);
}

Value Differentiator::materialize(ImplicitLocOpBuilder &b, const Term &term,
                                  Type type) {
  Value result = getValue(b, term, type);
  if (term.guards.empty())
    return result;
  Value zero = arith::ConstantOp::create(b, b.getFloatAttr(type, 0.0));
  for (Guard guard : llvm::reverse(term.guards))
    result = guard.holds
                 ? arith::SelectOp::create(b, guard.condition, result, zero)
                 : arith::SelectOp::create(b, guard.condition, zero, result);
  return result;
}

/// The sum of the adjoints of a set of roots, converted to `type`.
Value Differentiator::buildSum(ImplicitLocOpBuilder &b, ArrayRef<Value> set,
                               Type type) {
  Value sum;
  for (Value root : set)
    for (const Term &term : adjoints.lookup(root)) {
      Value value = materialize(b, term, root.getType());
      if (value.getType().getIntOrFloatBitWidth() <
          type.getIntOrFloatBitWidth())
        value = arith::ExtFOp::create(b, type, value);
      else if (value.getType() != type)
        value = arith::TruncFOp::create(b, type, value);
      sum = sum ? arith::AddFOp::create(b, sum, value) : value;
    }
  if (!sum)
    sum = arith::ConstantOp::create(b, b.getFloatAttr(type, 0.0));
  return sum;
}

SmallVector<Value> Differentiator::build(RewriterBase &rewriter, Type type) {
  Operation *yield = block.getTerminator();
  Value output = yield->getOperand(0);
  ImplicitLocOpBuilder b(yield->getLoc(), rewriter);
  b.setInsertionPoint(yield);
  if (isActive(output))
    adjoints[output].push_back(Term());
  SmallVector<Operation *> ops;
  for (Operation &op : block.without_terminator())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops)) {
    // The root that is read from a tensor depends on no other.
    if (op->getNumResults() != 1 || !isActive(op->getResult(0)) ||
        llvm::none_of(op->getOperands(), [&](Value v) { return isActive(v); }))
      continue;
    auto it = adjoints.find(op->getResult(0));
    if (it == adjoints.end())
      continue; // Not used by what is yielded.
    SmallVector<Term, 2> terms = it->second;
    b.setLoc(op->getLoc());
    for (const Partial &partial : getPartials(b, op)) {
      Value operand = op->getOperand(partial.operand);
      for (Term term : terms) {
        if (partial.guard && !llvm::is_contained(term.guards, *partial.guard))
          term.guards.push_back(*partial.guard);
        if (!term.value)
          term.value = partial.factor;
        else if (partial.factor)
          term.value = arith::MulFOp::create(b, term.value, partial.factor);
        if (term.value && operand.getType() != term.value.getType())
          term.value =
              isa<arith::ExtFOp>(op)
                  ? arith::TruncFOp::create(b, operand.getType(), term.value)
                        .getResult()
                  : arith::ExtFOp::create(b, operand.getType(), term.value);
        addTerm(b, operand, term);
      }
    }
  }

  b.setLoc(yield->getLoc());
  return llvm::map_to_vector(
      roots, [&](ArrayRef<Value> set) { return buildSum(b, set, type); });
}

/// The elements of `captured` that `score` reads. Where they are narrower than
/// the score, what they are extended to: a derivative in that is not rounded.
static SmallVector<Value> getElements(Region &score, Value captured) {
  Type acc = score.front().getArgument(0).getType();
  SmallVector<Value> elements;
  score.walk([&](tensor::ExtractOp extract) {
    if (extract.getTensor() != captured)
      return;
    bool isExtended = llvm::all_of(extract->getUsers(), [&](Operation *user) {
      return isa<arith::ExtFOp>(user) && user->getResult(0).getType() == acc;
    });
    if (!isExtended)
      elements.push_back(extract.getResult());
    else
      for (Operation *user : extract->getUsers())
        elements.push_back(user->getResult(0));
  });
  return elements;
}

LogicalResult seqc::addScoreDerivative(RewriterBase &rewriter, Region &score,
                                       ValueRange captured) {
  Type acc = score.front().getArgument(0).getType();
  SmallVector<SmallVector<Value>> roots = {{score.front().getArgument(0)}};
  for (Value tensor : captured)
    roots.push_back(getElements(score, tensor));
  Differentiator differentiator(score.front(), roots);
  if (failed(differentiator.findActive()))
    return failure();
  OpBuilder::InsertionGuard guard(rewriter);
  SmallVector<Value> results = {score.front().getTerminator()->getOperand(0)};
  llvm::append_range(results, differentiator.build(rewriter, acc));
  Operation *yield = score.front().getTerminator();
  rewriter.setInsertionPoint(yield);
  rewriter.replaceOpWithNewOp<YieldOp>(yield, results);
  return success();
}
