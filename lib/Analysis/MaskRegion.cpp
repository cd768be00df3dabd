//===- MaskRegion.cpp - Reads a mask into a formula -----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Causal, window, prefix and segments are the sentence that defines them. A
// mask region is read from top to bottom. An integer in it is known as pieces,
// linear expressions with guards of which exactly one holds; a boolean is a
// formula. Products with constants, divisions and remainders by positive
// constants, extremes, selects, comparisons and logic keep what is known. An
// integer that is the same for all queries and keys and that no rule reads is a
// capture, a symbol of its own. A boolean that no rule reads is opaque.
//
//===----------------------------------------------------------------------===//

#include "MaskDetail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::mask;
using llvm::DynamicAPInt;

/// Sizes past which a part of a mask counts as opaque.
constexpr unsigned maxPieces = 6;
constexpr unsigned maxCaptures = 32;
constexpr unsigned maxCaptureSlice = 64;

namespace {

/// A linear expression where its guard holds.
struct Piece {
  Formula guard;
  Linear value;
};

/// What is known of an SSA value in a mask region.
struct Abstract {
  enum Kind { Unknown, Integer, Boolean };
  Kind kind = Unknown;
  /// The value is the same for all queries and keys.
  bool uniform = false;
  SmallVector<Piece, 2> pieces;
  Formula condition;
};

/// Reads a mask region.
class Reader {
public:
  Reader(const MaskSpec &spec, System &system, SmallVectorImpl<Value> &captures)
      : spec(spec), system(system), captures(captures) {}

  Formula readRegion();

private:
  using PieceFn =
      llvm::function_ref<std::optional<SmallVector<Piece>>(ArrayRef<Linear>)>;

  std::optional<unsigned> addCapture(Value value);
  Abstract readOperand(Value value);
  Abstract readOp(Operation *op, ArrayRef<Abstract> operands);
  Abstract readDivision(Operation *op, ArrayRef<Abstract> operands);
  Formula compare(arith::CmpIPredicate predicate, const Linear &a,
                  const Linear &b);
  Abstract mapPieces(ArrayRef<Abstract> operands, PieceFn function);
  bool isNonNegative(const Linear &value) const {
    return system.implies(system.getPairContext(), value);
  }

  const MaskSpec &spec;
  System &system;
  SmallVectorImpl<Value> &captures;
  DenseMap<Value, Abstract> known;
};

} // namespace

static Abstract makeInteger(Linear value, bool uniform) {
  Abstract result;
  result.kind = Abstract::Integer;
  result.uniform = uniform;
  result.pieces.push_back({makeBool(true), std::move(value)});
  return result;
}

static Abstract makeBoolean(Formula condition) {
  Abstract result;
  result.kind = Abstract::Boolean;
  result.condition = std::move(condition);
  return result;
}

/// The formula of a boolean; what is not known to be one is opaque.
static Formula getCondition(const Abstract &value) {
  return value.kind == Abstract::Boolean ? value.condition : makeOpaque();
}

/// The variables of a query, of a key and of their numbers. The rows of a tile
/// are I and the columns J, whatever they stand for.
namespace {
struct Roles {
  unsigned query = VarI, key = VarJ, queries = varSq, keys = varSk;
};
} // namespace
static Roles getRoles(const MaskSpec &spec) {
  return spec.transposed ? Roles{VarJ, VarI, varSk, varSq} : Roles();
}

/// The variable of an integer that the region gets from outside, or computes
/// from what it gets from outside.
std::optional<unsigned> Reader::addCapture(Value value) {
  if (value == spec.queryLength)
    return getRoles(spec).queries;
  if (value == spec.keyLength)
    return getRoles(spec).keys;
  for (auto [v, variable] : llvm::enumerate(system.variables))
    if (variable.kind == Variable::Capture &&
        captures[variable.capture] == value)
      return v;
  if (captures.size() >= maxCaptures)
    return std::nullopt;
  // The operations to copy when the value is needed outside the region.
  llvm::SmallSetVector<Value, 8> slice;
  slice.insert(value);
  for (unsigned index = 0; index < slice.size(); ++index) {
    Operation *op = slice[index].getDefiningOp();
    if (!op || !spec.region->isAncestor(op->getParentRegion()))
      continue;
    if (slice.size() > maxCaptureSlice)
      return std::nullopt;
    slice.insert(op->operand_begin(), op->operand_end());
  }
  Variable variable;
  variable.kind = Variable::Capture;
  variable.capture = captures.size();
  captures.push_back(value);
  system.variables.push_back(variable);
  return system.variables.size() - 1;
}

/// Applies a function of linear expressions in every combination of pieces.
Abstract Reader::mapPieces(ArrayRef<Abstract> operands, PieceFn function) {
  SmallVector<std::pair<Formula, SmallVector<Linear>>> combinations = {
      {makeBool(true), {}}};
  for (const Abstract &operand : operands) {
    if (operand.kind != Abstract::Integer)
      return {};
    SmallVector<std::pair<Formula, SmallVector<Linear>>> next;
    for (const auto &[guard, values] : combinations) {
      for (const Piece &piece : operand.pieces) {
        SmallVector<Linear> extended = values;
        extended.push_back(piece.value);
        next.push_back({guard & piece.guard, std::move(extended)});
      }
    }
    if (next.size() > maxPieces)
      return {};
    combinations = std::move(next);
  }
  Abstract result;
  result.kind = Abstract::Integer;
  for (const auto &[guard, values] : combinations) {
    std::optional<SmallVector<Piece>> pieces = function(values);
    if (!pieces || result.pieces.size() + pieces->size() > maxPieces)
      return {};
    for (Piece &piece : *pieces)
      result.pieces.push_back({guard & piece.guard, std::move(piece.value)});
  }
  return result;
}

Formula Reader::compare(arith::CmpIPredicate predicate, const Linear &a,
                        const Linear &b) {
  using P = arith::CmpIPredicate;
  auto unsignedCompare = [&](P signedPredicate, const Linear &x,
                             const Linear &y) {
    // A negative number is larger than every other when read as unsigned.
    Formula negativeX =
        isNonNegative(x) ? makeBool(false) : makeAtom(x.negated());
    Formula negativeY =
        isNonNegative(y) ? makeBool(false) : makeAtom(y.negated());
    Formula differ = makeXor(negativeX, negativeY);
    return makeCases(
        {{!differ, compare(signedPredicate, x, y)}, {differ, negativeY}});
  };
  switch (predicate) {
  case P::eq:
    return makeAtom(a - b) & makeAtom(b - a);
  case P::ne:
    return makeAtom(a - b - 1) | makeAtom(b - a - 1);
  case P::sge:
    return makeAtom(a - b);
  case P::sgt:
    return makeAtom(a - b - 1);
  case P::sle:
    return makeAtom(b - a);
  case P::slt:
    return makeAtom(b - a - 1);
  case P::ult:
    return unsignedCompare(P::slt, a, b);
  case P::ule:
    return unsignedCompare(P::sle, a, b);
  case P::ugt:
    return unsignedCompare(P::slt, b, a);
  case P::uge:
    return unsignedCompare(P::sle, b, a);
  }
  llvm_unreachable("unknown predicate");
}

/// Division and remainder by a positive constant.
Abstract Reader::readDivision(Operation *op, ArrayRef<Abstract> operands) {
  if (operands[1].kind != Abstract::Integer || operands[1].pieces.size() != 1 ||
      !operands[1].pieces[0].value.isConstant())
    return {};
  DynamicAPInt value = operands[1].pieces[0].value.constant;
  if (value <= 0 || value > (int64_t(1) << 31))
    return {};
  int64_t divisor = int64_t(value);
  auto floorDivide = [&](const Linear &dividend) -> std::optional<Linear> {
    Linear result;
    // Multiples come out of the division.
    Linear rest;
    for (auto [v, c] : llvm::enumerate(dividend.coefficients)) {
      DynamicAPInt quotient = llvm::floorDiv(c, value);
      if (quotient * value == c)
        result.at(v) = quotient;
      else
        rest.at(v) = c;
    }
    result.constant = llvm::floorDiv(dividend.constant, value);
    rest.constant = dividend.constant - result.constant * value;
    if (rest.isConstant())
      return result;
    std::optional<unsigned> v = system.addDivision(rest, divisor);
    if (!v)
      return std::nullopt;
    return result + Linear::variable(*v);
  };
  bool remainder = isa<arith::RemSIOp, arith::RemUIOp>(op);
  bool isUnsigned = isa<arith::RemUIOp, arith::DivUIOp, arith::CeilDivUIOp>(op);
  using Pieces = std::optional<SmallVector<Piece>>;
  return mapPieces(
      operands.take_front(), [&](ArrayRef<Linear> values) -> Pieces {
        const Linear &dividend = values[0];
        auto finish = [&](Formula guard, const std::optional<Linear> &quotient,
                          bool negate) -> Pieces {
          if (!quotient)
            return std::nullopt;
          Linear result = negate ? *quotient * DynamicAPInt(-1) : *quotient;
          if (remainder)
            result = dividend - result * value;
          return SmallVector<Piece>{{std::move(guard), std::move(result)}};
        };
        if (isa<arith::FloorDivSIOp>(op))
          return finish(makeBool(true), floorDivide(dividend), false);
        bool nonNegative = isNonNegative(dividend);
        if (isUnsigned && !nonNegative)
          return std::nullopt;
        if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
          return finish(makeBool(true), floorDivide(dividend + (divisor - 1)),
                        false);
        if (nonNegative)
          return finish(makeBool(true), floorDivide(dividend), false);
        // Rounding is towards zero.
        Formula guard = makeAtom(dividend);
        Pieces positive = finish(guard, floorDivide(dividend), false);
        Pieces negative =
            finish(!guard, floorDivide(dividend * DynamicAPInt(-1)), true);
        if (!positive || !negative)
          return std::nullopt;
        positive->append(*negative);
        return positive;
      });
}

Abstract Reader::readOp(Operation *op, ArrayRef<Abstract> operands) {
  using Pieces = std::optional<SmallVector<Piece>>;
  auto single = [](Linear value) {
    return SmallVector<Piece>{{makeBool(true), std::move(value)}};
  };
  auto allBoolean = [&](ArrayRef<Abstract> values) {
    return llvm::all_of(values, [](const Abstract &value) {
      return value.kind == Abstract::Boolean;
    });
  };
  if (isa<arith::AddIOp, arith::SubIOp>(op)) {
    bool add = isa<arith::AddIOp>(op);
    return mapPieces(operands, [&](ArrayRef<Linear> v) -> Pieces {
      return single(add ? v[0] + v[1] : v[0] - v[1]);
    });
  }
  if (isa<arith::MulIOp>(op))
    return mapPieces(operands, [&](ArrayRef<Linear> v) -> Pieces {
      if (v[1].isConstant())
        return single(v[0] * v[1].constant);
      if (v[0].isConstant())
        return single(v[1] * v[0].constant);
      return std::nullopt;
    });
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
          arith::CeilDivSIOp, arith::CeilDivUIOp, arith::RemSIOp,
          arith::RemUIOp>(op))
    return readDivision(op, operands);
  if (isa<arith::MaxSIOp, arith::MinSIOp, arith::MaxUIOp, arith::MinUIOp>(op)) {
    bool isUnsigned = isa<arith::MaxUIOp, arith::MinUIOp>(op);
    bool isMax = isa<arith::MaxSIOp, arith::MaxUIOp>(op);
    return mapPieces(operands, [&](ArrayRef<Linear> v) -> Pieces {
      if (isUnsigned && !(isNonNegative(v[0]) && isNonNegative(v[1])))
        return std::nullopt;
      Formula guard = makeAtom(isMax ? v[0] - v[1] : v[1] - v[0]);
      return SmallVector<Piece>{{guard, v[0]}, {!guard, v[1]}};
    });
  }
  if (isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op)) {
    if (!op->getResult(0).getType().isInteger(1))
      return {};
    Formula a = getCondition(operands[0]), b = getCondition(operands[1]);
    return makeBoolean(isa<arith::AndIOp>(op)  ? a & b
                       : isa<arith::OrIOp>(op) ? a | b
                                               : makeXor(a, b));
  }
  if (auto cmp = dyn_cast<arith::CmpIOp>(op)) {
    if (allBoolean(operands)) {
      Formula differ = makeXor(operands[0].condition, operands[1].condition);
      if (cmp.getPredicate() == arith::CmpIPredicate::ne)
        return makeBoolean(differ);
      if (cmp.getPredicate() == arith::CmpIPredicate::eq)
        return makeBoolean(!differ);
      return {};
    }
    SmallVector<std::pair<Formula, Formula>> cases;
    if (operands[0].kind != Abstract::Integer ||
        operands[1].kind != Abstract::Integer)
      return {};
    for (const Piece &a : operands[0].pieces)
      for (const Piece &b : operands[1].pieces)
        cases.push_back(
            {a.guard & b.guard, compare(cmp.getPredicate(), a.value, b.value)});
    return makeBoolean(makeCases(cases));
  }
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    if (!select.getCondition().getType().isInteger(1))
      return {};
    Formula condition = getCondition(operands[0]);
    if (op->getResult(0).getType().isInteger(1))
      return makeBoolean(makeCases({{condition, getCondition(operands[1])},
                                    {!condition, getCondition(operands[2])}}));
    if (operands[1].kind != Abstract::Integer ||
        operands[2].kind != Abstract::Integer ||
        operands[1].pieces.size() + operands[2].pieces.size() > maxPieces)
      return {};
    Abstract result;
    result.kind = Abstract::Integer;
    for (const Piece &piece : operands[1].pieces)
      result.pieces.push_back({condition & piece.guard, piece.value});
    for (const Piece &piece : operands[2].pieces)
      result.pieces.push_back({!condition & piece.guard, piece.value});
    return result;
  }
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::IndexCastUIOp,
          arith::ExtUIOp>(op)) {
    bool isUnsigned = isa<arith::IndexCastUIOp, arith::ExtUIOp>(op);
    if (operands[0].kind == Abstract::Boolean) {
      Abstract result;
      result.kind = Abstract::Integer;
      result.pieces.push_back(
          {operands[0].condition, Linear(isUnsigned ? 1 : -1)});
      result.pieces.push_back({!operands[0].condition, Linear(0)});
      return result;
    }
    if (op->getResult(0).getType().isInteger(1))
      return {};
    return mapPieces(operands, [&](ArrayRef<Linear> v) -> Pieces {
      if (isUnsigned && !isNonNegative(v[0]))
        return std::nullopt;
      return single(v[0]);
    });
  }
  return {};
}

Abstract Reader::readOperand(Value value) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  // Everything in the region is known by now: the value is from outside.
  Abstract result;
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)) &&
      value.getType().isSignlessIntOrIndex()) {
    result = value.getType().isInteger(1)
                 ? makeBoolean(makeBool(!constant.isZero()))
             : constant.getSignificantBits() <= 64
                 ? makeInteger(Linear(constant.getSExtValue()), true)
                 : Abstract();
  } else if (value.getType().isIndex() ||
             (value.getType().isSignlessInteger() &&
              !value.getType().isInteger(1) &&
              value.getType().getIntOrFloatBitWidth() <= 64)) {
    if (std::optional<unsigned> v = addCapture(value))
      result = makeInteger(Linear::variable(*v), true);
  }
  result.uniform = true;
  known[value] = result;
  return result;
}

Formula Reader::readRegion() {
  if (!spec.region->hasOneBlock() || spec.region->getNumArguments() != 4)
    return makeOpaque();
  Block &block = spec.region->front();
  Roles roles = getRoles(spec);
  const unsigned arguments[] = {varBatch, varHead, roles.query, roles.key};
  for (auto [argument, v] : llvm::zip_equal(block.getArguments(), arguments))
    known[argument] = makeInteger(Linear::variable(v), v >= FirstSymbol);

  for (Operation &op : block) {
    if (isa<YieldOp>(op))
      return getCondition(readOperand(op.getOperand(0)));
    Attribute constant;
    if (matchPattern(&op, m_Constant(&constant))) {
      readOperand(op.getResult(0));
      continue;
    }
    SmallVector<Abstract, 3> operands;
    bool uniform = isPure(&op) && op.getNumRegions() == 0;
    for (Value operand : op.getOperands()) {
      operands.push_back(readOperand(operand));
      uniform &= operands.back().uniform;
    }
    Abstract result;
    if (op.getNumResults() == 1)
      result = readOp(&op, operands);
    result.uniform = uniform;
    for (Value value : op.getResults()) {
      known[value] = result;
      // What no other rule reads, but is the same for the whole tile, is a
      // symbol.
      if (result.kind == Abstract::Unknown && uniform) {
        known.erase(value);
        readOperand(value);
      }
    }
  }
  return makeOpaque();
}

Formula mask::readMask(const MaskSpec &spec, System &system,
                       SmallVectorImpl<Value> &captures) {
  auto var = Linear::variable;
  auto [query, key, queries, keys] = getRoles(spec);
  Linear diagonal = var(query);
  if (spec.alignment == Alignment::BottomRight)
    diagonal = diagonal + var(keys) - var(queries);
  Linear distance = var(key) - diagonal;

  Formula band = makeBool(true);
  if (spec.causal)
    band = band & makeAtom(distance * DynamicAPInt(-1));
  if (spec.windowLeft && *spec.windowLeft < maxPosition)
    band = band & makeAtom(distance + *spec.windowLeft);
  if (spec.windowRight && *spec.windowRight < maxPosition)
    band = band & makeAtom(Linear(*spec.windowRight) - distance);
  if (spec.hasPrefix)
    band = band | makeAtom(var(varPrefix) - var(key) - 1);

  Formula result = band & makeAtom(var(varSk) - var(VarJ) - 1) &
                   makeAtom(var(varKVEnd) - var(VarJ) - 1);
  if (spec.region && !spec.region->empty())
    result = result & Reader(spec, system, captures).readRegion();
  if (spec.hasSegments && spec.hasSegmentBounds) {
    // A key inside of the bounds is visible or not; one in the inner bounds is.
    system.hasSegmentBounds = true;
    auto inside = [&](unsigned begin, unsigned end) {
      return makeAtom(var(VarJ) - var(begin)) &
             makeAtom(var(end) - var(VarJ) - 1);
    };
    result = result & inside(varSegmentBegin, varSegmentEnd) &
             (makeOpaque() | inside(varSegmentFullBegin, varSegmentFullEnd));
  } else if (spec.hasSegments) {
    result = result & makeOpaque();
  }
  return result;
}
