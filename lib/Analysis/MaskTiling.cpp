//===- MaskTiling.cpp - The bounds of a mask in tiles ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The projected sets as affine expressions, and what is computed from those. A
// tile of the grid kvBegin + N * t is in a set if every constraint holds at its
// first key j0; solved for t, the constraints are lower and upper bounds, and
// those without j0 are guards. The loop runs over the hull of the non-empty
// tiles; in it, the longest run of full tiles needs no mask. Full tiles are
// those in no set of tiles with a hidden pair, brought into normal form again,
// as a subset.
//
// The bounds are written once, over an emitter: one builds IR, the other
// computes with numbers.
//
//===----------------------------------------------------------------------===//

#include "MaskDetail.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

#include <functional>

using namespace mlir;
using namespace seqc;
using namespace seqc::mask;

/// More intervals of full tiles than this, and only the first are used.
constexpr unsigned maxFullIntervals = 4;

//===----------------------------------------------------------------------===//
// Affine expressions
//===----------------------------------------------------------------------===//

AffineExpr MaskAnalysis::Impl::getVariableExpr(unsigned v) const {
  const Variable &variable = system.variables[v];
  switch (variable.kind) {
  case Variable::Fixed:
    return v == VarJ0 ? getAffineDimExpr(0, context)
                      : getAffineSymbolExpr(v - FirstSymbol, context);
  case Variable::Capture:
    return getAffineSymbolExpr(MaskTiling::FirstCapture + variable.capture,
                               context);
  case Variable::Division:
    return getExpr(variable.dividend).floorDiv(int64_t(variable.divisor));
  }
  llvm_unreachable("unknown kind of variable");
}

AffineExpr MaskAnalysis::Impl::getExpr(const Linear &row) const {
  AffineExpr result = getAffineConstantExpr(int64_t(row.constant), context);
  for (auto [v, c] : llvm::enumerate(row.coefficients))
    if (c != 0)
      result = getVariableExpr(v) * int64_t(c) + result;
  return result;
}

MaskTiling::Interval MaskAnalysis::Impl::getInterval(const Rows &rows,
                                                     int64_t N) const {
  MaskTiling::Interval interval;
  AffineExpr begin = getAffineSymbolExpr(MaskTiling::KVBegin, context);
  for (const Linear &row : rows) {
    interval.conditions.push_back(getExpr(row));
    Linear rest = row;
    rest.at(VarJ0) = 0;
    int64_t factor = int64_t(row.get(VarJ0));
    AffineExpr expr = getExpr(rest);
    // factor * (begin + N * t) + expr >= 0.
    if (factor > 0)
      interval.lower.push_back((-expr - begin * factor).ceilDiv(N * factor));
    else if (factor < 0)
      interval.upper.push_back((expr + begin * factor).floorDiv(N * -factor) +
                               1);
    else
      interval.guards.push_back(expr);
  }
  return interval;
}

MaskTiling MaskAnalysis::getTiling(int64_t M, int64_t N) const {
  MaskTiling tiling;
  tiling.impl = impl;
  tiling.rows = M;
  tiling.columns = N;
  SmallVector<Linear> context = impl->system.getTileContext(M);
  unsigned budget = maxQuestions;
  auto project = [&](const Union &sets) {
    Union result;
    for (const Rows &set : sets)
      result.push_back(impl->system.project(set, N));
    impl->system.simplify(result, context, budget);
    return result;
  };
  for (const Rows &rows : project(impl->visible))
    tiling.nonEmpty.push_back(impl->getInterval(rows, N));

  // A tile is full if it is in no set of tiles with a hidden pair.
  Formula full = makeBool(true);
  for (const Rows &rows : project(impl->hidden)) {
    tiling.nonFull.push_back(impl->getInterval(rows, N));
    Formula outside = makeBool(false);
    for (const Linear &row : rows)
      outside = outside | makeAtom(row.negated());
    full = full & outside;
  }
  for (const Rows &rows :
       impl->system.normalize(full, context, maxFullIntervals,
                              /*over=*/false, budget))
    tiling.full.push_back(impl->getInterval(rows, N));
  return tiling;
}

//===----------------------------------------------------------------------===//
// Emitters
//===----------------------------------------------------------------------===//

namespace {

/// Computes with IR values.
class IREmitter {
public:
  using T = Value;
  using Condition = Value;

  /// `symbols` has a null value for each symbol that is not used.
  IREmitter(OpBuilder &builder, Location loc, Value j0, ArrayRef<Value> symbols)
      : builder(builder), loc(loc) {
    values.push_back(j0);
    llvm::append_range(values, symbols);
  }

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value min(ArrayRef<AffineExpr> exprs, ArrayRef<Value> more) {
    return extreme(exprs, more, /*isMin=*/true);
  }
  Value max(ArrayRef<AffineExpr> exprs, ArrayRef<Value> more) {
    return extreme(exprs, more, /*isMin=*/false);
  }
  /// begin + N * t.
  Value position(AffineExpr begin, Value t, int64_t N) {
    SmallVector<AffineExpr> exprs = {
        begin + getAffineDimExpr(values.size(), builder.getContext()) * N};
    return extreme(exprs, {t}, true, /*append=*/false);
  }
  Value isNonNegative(Value value) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, value,
                                 constant(0));
  }
  Value isLess(Value a, Value b) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }
  Value subtract(Value a, Value b) {
    return arith::SubIOp::create(builder, loc, a, b);
  }
  Value negation(Value condition) {
    return arith::XOrIOp::create(builder, loc, condition, boolean(true));
  }
  Value boolean(bool value) {
    return arith::ConstantOp::create(builder, loc, builder.getBoolAttr(value));
  }

private:
  /// The extreme of the expressions and the values; with one of them, that.
  /// Symbols become dimensions, so that every value is a legal operand.
  Value extreme(ArrayRef<AffineExpr> exprs, ArrayRef<Value> more, bool isMin,
                bool append = true) {
    MLIRContext *context = builder.getContext();
    SmallVector<Value> pool = values;
    llvm::append_range(pool, more);
    SmallVector<AffineExpr> toDims;
    for (unsigned index = 1; index < values.size(); ++index)
      toDims.push_back(getAffineDimExpr(index, context));
    llvm::SmallSetVector<AffineExpr, 4> results;
    for (AffineExpr expr : exprs)
      results.insert(expr.replaceSymbols(toDims));
    if (append)
      for (unsigned index = 0; index < more.size(); ++index)
        results.insert(getAffineDimExpr(values.size() + index, context));
    // Keep the operands that are used, each once.
    SmallVector<AffineExpr> renamed;
    SmallVector<OpFoldResult> operands;
    llvm::SmallMapVector<Value, unsigned, 8> numbers;
    for (unsigned index = 0; index < pool.size(); ++index) {
      bool used = llvm::any_of(results, [&](AffineExpr expr) {
        return expr.isFunctionOfDim(index);
      });
      unsigned number = 0;
      if (used) {
        auto [it, isNew] = numbers.insert({pool[index], operands.size()});
        if (isNew)
          operands.push_back(getAsOpFoldResult(pool[index]));
        number = it->second;
      }
      renamed.push_back(getAffineDimExpr(number, context));
    }
    llvm::SmallSetVector<AffineExpr, 4> unique;
    for (AffineExpr expr : results)
      unique.insert(expr.replaceDims(renamed));
    AffineMap map =
        AffineMap::get(operands.size(), 0, unique.getArrayRef(), context);
    OpFoldResult folded =
        unique.size() == 1
            ? affine::makeComposedFoldedAffineApply(builder, loc, map, operands)
        : isMin
            ? affine::makeComposedFoldedAffineMin(builder, loc, map, operands)
            : affine::makeComposedFoldedAffineMax(builder, loc, map, operands);
    return getValueOrCreateConstantIndexOp(builder, loc, folded);
  }

  OpBuilder &builder;
  Location loc;
  SmallVector<Value> values;
};

/// Computes with numbers.
class NumberEmitter {
public:
  using T = int64_t;
  using Condition = bool;

  NumberEmitter(int64_t j0, ArrayRef<int64_t> symbols)
      : j0(j0), symbols(symbols) {}

  int64_t constant(int64_t value) { return value; }
  int64_t min(ArrayRef<AffineExpr> exprs, ArrayRef<int64_t> more) {
    return *llvm::min_element(all(exprs, more));
  }
  int64_t max(ArrayRef<AffineExpr> exprs, ArrayRef<int64_t> more) {
    return *llvm::max_element(all(exprs, more));
  }
  int64_t position(AffineExpr begin, int64_t t, int64_t N) {
    return evaluate(begin) + N * t;
  }
  bool isNonNegative(int64_t value) { return value >= 0; }
  bool isLess(int64_t a, int64_t b) { return a < b; }
  int64_t select(bool condition, int64_t a, int64_t b) {
    return condition ? a : b;
  }
  int64_t subtract(int64_t a, int64_t b) { return a - b; }
  bool negation(bool condition) { return !condition; }
  bool boolean(bool value) { return value; }

private:
  SmallVector<int64_t> all(ArrayRef<AffineExpr> exprs, ArrayRef<int64_t> more) {
    SmallVector<int64_t> result(more);
    for (AffineExpr expr : exprs)
      result.push_back(evaluate(expr));
    return result;
  }
  int64_t evaluate(AffineExpr expr) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return constant.getValue();
    if (isa<AffineDimExpr>(expr))
      return j0;
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
      return symbols[symbol.getPosition()];
    auto binary = cast<AffineBinaryOpExpr>(expr);
    int64_t lhs = evaluate(binary.getLHS()), rhs = evaluate(binary.getRHS());
    switch (expr.getKind()) {
    case AffineExprKind::Add:
      return lhs + rhs;
    case AffineExprKind::Mul:
      return lhs * rhs;
    case AffineExprKind::FloorDiv:
      return llvm::divideFloorSigned(lhs, rhs);
    case AffineExprKind::CeilDiv:
      return llvm::divideCeilSigned(lhs, rhs);
    case AffineExprKind::Mod:
      return llvm::mod(lhs, rhs);
    default:
      llvm_unreachable("not a binary affine expression");
    }
  }

  int64_t j0;
  ArrayRef<int64_t> symbols;
};

} // namespace

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

/// The bounds in numbers of tiles, clamped and turned into positions.
template <typename Emitter>
static TileLoopBounds<typename Emitter::T>
emitBounds(Emitter &e, MLIRContext *context, int64_t N,
           ArrayRef<MaskTiling::Interval> nonEmpty,
           ArrayRef<MaskTiling::Interval> full) {
  using T = typename Emitter::T;
  using Condition = typename Emitter::Condition;
  AffineExpr zero = getAffineConstantExpr(0, context);
  AffineExpr begin = getAffineSymbolExpr(MaskTiling::KVBegin, context);
  AffineExpr limit =
      (getAffineSymbolExpr(MaskTiling::KVEnd, context) - 1 - begin)
          .floorDiv(N) +
      1;

  auto isLowerFree = [](const MaskTiling::Interval &interval) {
    return interval.lower.empty();
  };
  // Bounded by the last tile if that is not `more`.
  auto emitHi = [&](const MaskTiling::Interval &interval,
                    std::optional<T> more = std::nullopt) {
    SmallVector<AffineExpr> upper(interval.upper);
    if (!more)
      upper.push_back(limit);
    T hi = e.min(upper, more ? ArrayRef<T>(*more) : ArrayRef<T>());
    if (interval.guards.empty())
      return hi;
    return e.select(e.isNonNegative(e.min(interval.guards, {})), hi,
                    e.constant(0));
  };
  auto emitLo = [&](const MaskTiling::Interval &interval) {
    SmallVector<AffineExpr> lower(interval.lower);
    lower.push_back(zero);
    return e.max(lower, {});
  };

  T lo = e.constant(0), hi = e.constant(0);
  if (llvm::all_of(nonEmpty, isLowerFree)) {
    // Every set starts with the first tile, and so does the hull.
    SmallVector<T> his;
    for (const MaskTiling::Interval &interval : nonEmpty)
      his.push_back(emitHi(interval));
    if (!his.empty())
      hi = e.max({zero}, his);
  } else if (nonEmpty.size() == 1) {
    hi = e.max({zero}, {emitHi(nonEmpty.front())});
    lo = e.min({}, {emitLo(nonEmpty.front()), hi});
  } else {
    // An empty set is [end, 0), so that it adds nothing to the hull.
    T end = e.max({zero, limit}, {});
    SmallVector<T> los, his;
    for (const MaskTiling::Interval &interval : nonEmpty) {
      T nextLo = emitLo(interval), nextHi = emitHi(interval);
      Condition some = e.isLess(nextLo, nextHi);
      los.push_back(e.select(some, nextLo, end));
      his.push_back(e.select(some, nextHi, e.constant(0)));
    }
    hi = e.max({zero}, his);
    los.push_back(hi);
    lo = e.min({}, los);
  }

  T fullLo = hi, fullHi = hi;
  if (!full.empty() && llvm::all_of(full, isLowerFree)) {
    SmallVector<T> his = {lo};
    for (const MaskTiling::Interval &interval : full)
      his.push_back(emitHi(interval, hi));
    fullLo = lo;
    fullHi = e.max({}, his);
  } else {
    for (const MaskTiling::Interval &interval : full) {
      T nextLo = e.min({}, {e.max(interval.lower, {lo}), hi});
      T nextHi = e.max({}, {nextLo, emitHi(interval, hi)});
      if (&interval == &full.front()) {
        fullLo = nextLo;
        fullHi = nextHi;
        continue;
      }
      // Keep the longest run.
      Condition longer =
          e.isLess(e.subtract(fullHi, fullLo), e.subtract(nextHi, nextLo));
      fullLo = e.select(longer, nextLo, fullLo);
      fullHi = e.select(longer, nextHi, fullHi);
    }
  }
  return {e.position(begin, lo, N), e.position(begin, fullLo, N),
          e.position(begin, fullHi, N), e.position(begin, hi, N)};
}

/// Whether the tile is in none of the sets: the least expression of each is
/// negative.
template <typename Emitter>
static typename Emitter::Condition
emitOutside(Emitter &e, ArrayRef<MaskTiling::Interval> sets) {
  if (sets.empty())
    return e.boolean(true);
  SmallVector<typename Emitter::T> values;
  for (const MaskTiling::Interval &set : sets) {
    if (set.conditions.empty())
      return e.boolean(false);
    values.push_back(e.min(set.conditions, {}));
  }
  return e.negation(e.isNonNegative(e.max({}, values)));
}

//===----------------------------------------------------------------------===//
// IR
//===----------------------------------------------------------------------===//

Value MaskAnalysis::Impl::buildCapture(OpBuilder &builder, Location loc,
                                       Value capture,
                                       const MaskOperands &operands,
                                       IRMapping &mapping) const {
  std::function<Value(Value)> copy = [&](Value value) -> Value {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    if (!region->isAncestor(value.getParentRegion()))
      return value;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      mapping.map(operand, copy(operand));
    builder.clone(*op, mapping);
    return mapping.lookup(value);
  };
  mapping.map(region->getArgument(0), operands.batch);
  mapping.map(region->getArgument(1), operands.head);
  Value value = copy(capture);
  if (!value.getType().isIndex())
    value =
        arith::IndexCastOp::create(builder, loc, builder.getIndexType(), value);
  return value;
}

/// The values of a tiling's symbols; null for those that are not used.
static SmallVector<Value>
getSymbolValues(OpBuilder &builder, Location loc,
                const MaskAnalysis::Impl &impl, int64_t M, Value i0,
                Value kvBegin, Value kvEnd, const MaskOperands &operands,
                ArrayRef<ArrayRef<MaskTiling::Interval>> sets) {
  auto isUsed = [&](unsigned symbol) {
    for (ArrayRef<MaskTiling::Interval> intervals : sets)
      for (const MaskTiling::Interval &interval : intervals)
        for (AffineExpr expr : interval.conditions)
          if (expr.isFunctionOfSymbol(symbol))
            return true;
    return false;
  };
  SmallVector<Value> values(MaskTiling::FirstCapture + impl.captures.size());
  values[MaskTiling::QueryLength] = operands.queryLength;
  values[MaskTiling::KeyLength] = operands.keyLength;
  values[MaskTiling::Prefix] = operands.prefix;
  values[MaskTiling::Batch] = operands.batch;
  values[MaskTiling::Head] = operands.head;
  values[MaskTiling::RowBegin] = i0;
  values[MaskTiling::KVBegin] = kvBegin;
  values[MaskTiling::KVEnd] = kvEnd;
  values[MaskTiling::SegmentBegin] = operands.segments.begin;
  values[MaskTiling::SegmentEnd] = operands.segments.end;
  values[MaskTiling::SegmentFullBegin] = operands.segments.fullBegin;
  values[MaskTiling::SegmentFullEnd] = operands.segments.fullEnd;
  if (isUsed(MaskTiling::RowEnd)) {
    AffineExpr d0 = builder.getAffineDimExpr(0);
    AffineExpr d1 = builder.getAffineDimExpr(1);
    values[MaskTiling::RowEnd] = getValueOrCreateConstantIndexOp(
        builder, loc,
        affine::makeComposedFoldedAffineMin(
            builder, loc,
            AffineMap::get(2, 0, {d0 + M, d1}, builder.getContext()),
            {getAsOpFoldResult(i0), getAsOpFoldResult(operands.queryLength)}));
  }
  IRMapping mapping;
  for (auto [number, capture] : llvm::enumerate(impl.captures))
    if (isUsed(MaskTiling::FirstCapture + number))
      values[MaskTiling::FirstCapture + number] =
          impl.buildCapture(builder, loc, capture, operands, mapping);
  return values;
}

LoopBounds MaskTiling::buildBounds(OpBuilder &builder, Location loc, Value i0,
                                   Value kvBegin, Value kvEnd,
                                   const MaskOperands &operands) const {
  SmallVector<Value> symbols =
      getSymbolValues(builder, loc, *impl, rows, i0, kvBegin, kvEnd, operands,
                      {nonEmpty, full});
  IREmitter emitter(builder, loc, Value(), symbols);
  return emitBounds(emitter, impl->context, columns, nonEmpty, full);
}

/// Whether the tile at (i0, j0) is in none of the sets.
static Value buildIsOutside(OpBuilder &builder, Location loc,
                            const MaskAnalysis::Impl &impl, int64_t M, Value i0,
                            Value j0, Value kvEnd, const MaskOperands &operands,
                            ArrayRef<MaskTiling::Interval> sets) {
  SmallVector<Value> symbols = getSymbolValues(
      builder, loc, impl, M, i0, Value(), kvEnd, operands, {sets});
  IREmitter emitter(builder, loc, j0, symbols);
  return emitOutside(emitter, sets);
}

Value MaskTiling::buildIsEmpty(OpBuilder &builder, Location loc, Value i0,
                               Value j0, Value kvEnd,
                               const MaskOperands &operands) const {
  return buildIsOutside(builder, loc, *impl, rows, i0, j0, kvEnd, operands,
                        nonEmpty);
}

Value MaskTiling::buildIsFull(OpBuilder &builder, Location loc, Value i0,
                              Value j0, Value kvEnd,
                              const MaskOperands &operands) const {
  return buildIsOutside(builder, loc, *impl, rows, i0, j0, kvEnd, operands,
                        nonFull);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> getSymbolNumbers(const MaskPoint &point,
                                             int64_t M) {
  SmallVector<int64_t> values(MaskTiling::FirstCapture);
  values[MaskTiling::QueryLength] = point.queryLength;
  values[MaskTiling::KeyLength] = point.keyLength;
  values[MaskTiling::Prefix] = point.prefix;
  values[MaskTiling::Batch] = point.batch;
  values[MaskTiling::Head] = point.head;
  values[MaskTiling::RowBegin] = point.i0;
  values[MaskTiling::RowEnd] = std::min(point.i0 + M, point.queryLength);
  values[MaskTiling::KVBegin] = point.kvBegin;
  values[MaskTiling::KVEnd] = point.kvEnd;
  values[MaskTiling::SegmentBegin] = point.segments.begin;
  values[MaskTiling::SegmentEnd] = point.segments.end;
  values[MaskTiling::SegmentFullBegin] = point.segments.fullBegin;
  values[MaskTiling::SegmentFullEnd] = point.segments.fullEnd;
  llvm::append_range(values, point.captures);
  return values;
}

TileLoopBounds<int64_t>
MaskTiling::evaluateBounds(const MaskPoint &point) const {
  SmallVector<int64_t> symbols = getSymbolNumbers(point, rows);
  NumberEmitter emitter(/*j0=*/0, symbols);
  return emitBounds(emitter, impl->context, columns, nonEmpty, full);
}

bool MaskTiling::evaluateIsEmpty(const MaskPoint &point, int64_t j0) const {
  SmallVector<int64_t> symbols = getSymbolNumbers(point, rows);
  NumberEmitter emitter(j0, symbols);
  return emitOutside(emitter, nonEmpty);
}

bool MaskTiling::evaluateIsFull(const MaskPoint &point, int64_t j0) const {
  SmallVector<int64_t> symbols = getSymbolNumbers(point, rows);
  NumberEmitter emitter(j0, symbols);
  return emitOutside(emitter, nonFull);
}

void MaskTiling::print(raw_ostream &os) const {
  auto printExprs = [&](StringRef name, ArrayRef<AffineExpr> exprs) {
    if (exprs.empty())
      return;
    os << "  " << name << ": ";
    llvm::interleaveComma(exprs, os);
    os << '\n';
  };
  auto printIntervals = [&](StringRef name, ArrayRef<Interval> intervals) {
    os << name << ":\n";
    for (const Interval &interval : intervals) {
      os << " interval\n";
      printExprs("lower", interval.lower);
      printExprs("upper", interval.upper);
      printExprs("guards", interval.guards);
    }
  };
  printIntervals("non-empty", nonEmpty);
  printIntervals("full", full);
  os << "non-full:\n";
  for (const Interval &interval : nonFull)
    printExprs("conditions", interval.conditions);
}
