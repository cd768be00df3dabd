//===- MaskAnalysis.cpp - Which tiles of a mask hold anything -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The algorithm is described in MaskAnalysis.h. This file has, in order: linear
// expressions and formulas; the variables and the polyhedral questions asked
// about them; the reading of a mask region; normal forms and projection; and
// the bounds, written once for IR and for numbers.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/MaskAnalysis.h"

#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "mlir/Analysis/Presburger/Simplex.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using llvm::DynamicAPInt;
using presburger::IntegerPolyhedron;
using presburger::PresburgerSpace;
using presburger::Simplex;

namespace {

/// More than this many convex parts and a set is approximated.
constexpr unsigned maxDisjuncts = 12;
/// More intervals of full tiles than this, and only the first are used.
constexpr unsigned maxFullIntervals = 4;
/// Sizes past which a part of a mask counts as opaque.
constexpr unsigned maxFormulaSize = 256;
constexpr unsigned maxPieces = 6;
constexpr unsigned maxDivisions = 6;
constexpr unsigned maxCaptures = 32;
constexpr unsigned maxCaptureSlice = 64;
/// Constraints that the elimination of one variable may leave behind.
constexpr unsigned maxProjectedRows = 128;
/// Questions about polyhedra that one mask, or one tiling of it, may cost.
constexpr unsigned maxQuestions = 4000;
/// No position in a sequence gets near this, so that a window this wide is
/// none, and bounds with larger numbers are not used (they could overflow).
constexpr int64_t maxPosition = int64_t(1) << 40;

//===----------------------------------------------------------------------===//
// Linear expressions
//===----------------------------------------------------------------------===//

/// sum_v coefficients[v] * v + constant; a missing coefficient is 0.
struct Linear {
  SmallVector<DynamicAPInt, 8> coefficients;
  DynamicAPInt constant = DynamicAPInt(0);

  Linear() = default;
  explicit Linear(int64_t value) : constant(value) {}

  static Linear variable(unsigned v) {
    Linear result;
    result.at(v) = 1;
    return result;
  }

  DynamicAPInt &at(unsigned v) {
    if (v >= coefficients.size())
      coefficients.resize(v + 1, DynamicAPInt(0));
    return coefficients[v];
  }
  DynamicAPInt get(unsigned v) const {
    return v < coefficients.size() ? coefficients[v] : DynamicAPInt(0);
  }
  bool isConstant() const {
    return llvm::all_of(coefficients, [](const auto &c) { return c == 0; });
  }

  Linear &add(const Linear &other, const DynamicAPInt &factor) {
    for (auto [v, c] : llvm::enumerate(other.coefficients))
      at(v) += c * factor;
    constant += other.constant * factor;
    return *this;
  }
  Linear operator+(const Linear &other) const {
    return Linear(*this).add(other, DynamicAPInt(1));
  }
  Linear operator-(const Linear &other) const {
    return Linear(*this).add(other, DynamicAPInt(-1));
  }
  Linear operator+(int64_t value) const { return *this + Linear(value); }
  Linear operator-(int64_t value) const { return *this - Linear(value); }
  Linear operator*(const DynamicAPInt &factor) const {
    return Linear().add(*this, factor);
  }
  bool operator==(const Linear &other) const {
    Linear difference = *this - other;
    return difference.isConstant() && difference.constant == 0;
  }

  /// An order for canonical forms: symbols alone come before keys, and the rest
  /// is arbitrary but fixed.
  bool operator<(const Linear &other) const;

  /// The negation of `*this >= 0`, as a linear expression that is >= 0.
  Linear negated() const { return *this * DynamicAPInt(-1) - 1; }

  /// Divides `*this >= 0` by the common divisor of its coefficients; integers
  /// allow the constant to be rounded down.
  void tighten() {
    DynamicAPInt divisor(0);
    for (const DynamicAPInt &c : coefficients)
      divisor = llvm::gcd(divisor, llvm::abs(c));
    if (divisor <= 1)
      return;
    for (DynamicAPInt &c : coefficients)
      c /= divisor;
    constant = llvm::floorDiv(constant, divisor);
  }

  SmallVector<DynamicAPInt> toRow(unsigned numVariables) const {
    SmallVector<DynamicAPInt> row(numVariables + 1, DynamicAPInt(0));
    llvm::copy(coefficients, row.begin());
    row.back() = constant;
    return row;
  }
};

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

struct FormulaNode;
using Formula = std::shared_ptr<const FormulaNode>;

/// A boolean formula in negation normal form.
struct FormulaNode {
  enum Kind {
    True,
    False,
    Atom,   ///< atom >= 0
    Opaque, ///< anything, in either polarity
    And,
    Or,
    Cases ///< guard, body, guard, body, ...; exactly one guard holds
  };
  Kind kind;
  Linear atom;
  SmallVector<Formula, 4> operands;
  unsigned size = 1;
};

Formula makeLeaf(FormulaNode::Kind kind) {
  auto node = std::make_shared<FormulaNode>();
  node->kind = kind;
  return node;
}
Formula makeBool(bool value) {
  return makeLeaf(value ? FormulaNode::True : FormulaNode::False);
}
Formula makeOpaque() { return makeLeaf(FormulaNode::Opaque); }

/// expression >= 0.
Formula makeAtom(Linear expression) {
  if (expression.isConstant())
    return makeBool(expression.constant >= 0);
  expression.tighten();
  auto node = std::make_shared<FormulaNode>();
  node->kind = FormulaNode::Atom;
  node->atom = std::move(expression);
  return node;
}

Formula makeNode(FormulaNode::Kind kind, ArrayRef<Formula> operands) {
  auto node = std::make_shared<FormulaNode>();
  node->kind = kind;
  for (const Formula &operand : operands)
    node->size += operand->size;
  if (node->size > maxFormulaSize)
    return makeOpaque();
  node->operands.append(operands.begin(), operands.end());
  return node;
}

/// The conjunction (kind And) or disjunction (kind Or) of two formulas.
Formula combine(FormulaNode::Kind kind, const Formula &a, const Formula &b) {
  FormulaNode::Kind neutral =
      kind == FormulaNode::And ? FormulaNode::True : FormulaNode::False;
  FormulaNode::Kind absorbing =
      kind == FormulaNode::And ? FormulaNode::False : FormulaNode::True;
  if (a->kind == neutral || b->kind == absorbing)
    return b;
  if (b->kind == neutral || a->kind == absorbing)
    return a;
  return makeNode(kind, {a, b});
}
Formula operator&(const Formula &a, const Formula &b) {
  return combine(FormulaNode::And, a, b);
}
Formula operator|(const Formula &a, const Formula &b) {
  return combine(FormulaNode::Or, a, b);
}

Formula makeCases(ArrayRef<std::pair<Formula, Formula>> cases) {
  SmallVector<Formula> operands;
  for (const auto &[guard, body] : cases) {
    if (guard->kind == FormulaNode::True)
      return body;
    if (guard->kind == FormulaNode::False)
      continue;
    operands.append({guard, body});
  }
  return makeNode(FormulaNode::Cases, operands);
}

Formula operator!(const Formula &f) {
  switch (f->kind) {
  case FormulaNode::True:
  case FormulaNode::False:
    return makeBool(f->kind == FormulaNode::False);
  case FormulaNode::Opaque:
    return f;
  case FormulaNode::Atom:
    return makeAtom(f->atom.negated());
  case FormulaNode::And:
  case FormulaNode::Or:
  case FormulaNode::Cases:
    break;
  }
  auto node = std::make_shared<FormulaNode>(*f);
  bool cases = f->kind == FormulaNode::Cases;
  if (!cases)
    node->kind =
        f->kind == FormulaNode::And ? FormulaNode::Or : FormulaNode::And;
  for (auto [index, operand] : llvm::enumerate(node->operands))
    if (!cases || index % 2 == 1)
      operand = !operand;
  return node;
}

Formula makeXor(const Formula &a, const Formula &b) {
  if (a->kind == FormulaNode::Opaque || b->kind == FormulaNode::Opaque)
    return makeOpaque();
  return makeCases({{a, !b}, {!a, b}});
}

/// A convex set: every expression is >= 0.
using Rows = SmallVector<Linear, 4>;
using Union = SmallVector<Rows, 4>;

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

/// The first variables of every system; captures and divisions come after.
enum : unsigned { varI, varJ, varJ0, firstSymbol };
constexpr unsigned numFixedVars = firstSymbol + MaskTiling::FirstCapture;
constexpr unsigned symbolVar(MaskTiling::Symbol symbol) {
  return firstSymbol + symbol;
}
constexpr unsigned varSq = symbolVar(MaskTiling::QueryLength);
constexpr unsigned varSk = symbolVar(MaskTiling::KeyLength);
constexpr unsigned varPrefix = symbolVar(MaskTiling::Prefix);
constexpr unsigned varBatch = symbolVar(MaskTiling::Batch);
constexpr unsigned varHead = symbolVar(MaskTiling::Head);
constexpr unsigned varRowBegin = symbolVar(MaskTiling::RowBegin);
constexpr unsigned varRowEnd = symbolVar(MaskTiling::RowEnd);
constexpr unsigned varKVBegin = symbolVar(MaskTiling::KVBegin);
constexpr unsigned varKVEnd = symbolVar(MaskTiling::KVEnd);

bool Linear::operator<(const Linear &other) const {
  bool mine = get(varJ) != 0 || get(varJ0) != 0;
  bool others = other.get(varJ) != 0 || other.get(varJ0) != 0;
  if (mine != others)
    return others;
  unsigned count = std::max(coefficients.size(), other.coefficients.size());
  for (unsigned v = 0; v < count; ++v)
    if (get(v) != other.get(v))
      return get(v) < other.get(v);
  return constant < other.constant;
}

struct Variable {
  enum Kind { Fixed, Capture, Division };
  Kind kind = Fixed;
  /// Capture: its number.
  unsigned capture = 0;
  /// Division: floor(dividend / divisor).
  Linear dividend;
  DynamicAPInt divisor = DynamicAPInt(1);
  bool usesI = false, usesJ = false;
  /// Division that uses i and not j: its least and greatest value in a tile,
  /// each a division of symbols.
  unsigned least = 0, greatest = 0;
};

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

} // namespace

//===----------------------------------------------------------------------===//
// MaskAnalysis::Impl
//===----------------------------------------------------------------------===//

struct MaskAnalysis::Impl {
  MLIRContext *context;
  Region *region = nullptr;
  SmallVector<Variable> variables;
  SmallVector<Value> captures;
  unsigned numDivisions = 0;
  /// The pairs that may be visible, and those that may be hidden.
  Union visible, hidden;

  Impl(const MaskSpec &spec, MLIRContext *context);

  // Polyhedral questions.
  IntegerPolyhedron getPolyhedron(ArrayRef<Linear> a,
                                  ArrayRef<Linear> b = {}) const;
  bool isEmpty(ArrayRef<Linear> a, ArrayRef<Linear> b = {}) const;
  bool implies(ArrayRef<Linear> rows, const Linear &row) const;
  void addDefinition(unsigned v, SmallVectorImpl<Linear> &rows) const;
  SmallVector<Linear> getPairContext() const;
  SmallVector<Linear> getTileContext(int64_t M) const;
  void simplify(Union &sets, ArrayRef<Linear> context, unsigned &budget) const;
  /// The disjunctive normal form. With `over`, a superset of the formula where
  /// it is too large or opaque; without, a subset.
  Union normalize(const Formula &formula, ArrayRef<Linear> context,
                  unsigned limit, bool over, unsigned &budget) const;
  Rows project(const Rows &set, int64_t N) const;
  void addUsedDivisions(const Linear &row,
                        llvm::SmallSetVector<unsigned, 8> &used) const;

  // Reading the mask.
  std::optional<unsigned> addDivision(const Linear &dividend, int64_t divisor,
                                      bool derived = false);
  std::optional<unsigned> addCapture(Value value, const MaskSpec &spec);
  Formula readSpec(const MaskSpec &spec);
  Formula readRegion(const MaskSpec &spec);
  Abstract readOperand(Value value, const MaskSpec &spec,
                       DenseMap<Value, Abstract> &known);
  Abstract readOp(Operation *op, ArrayRef<Abstract> operands);
  Abstract readDivision(Operation *op, ArrayRef<Abstract> operands);
  Formula compare(arith::CmpIPredicate predicate, const Linear &a,
                  const Linear &b);
  Abstract mapPieces(
      ArrayRef<Abstract> operands,
      llvm::function_ref<std::optional<SmallVector<Piece>>(ArrayRef<Linear>)>
          function);
  bool isNonNegative(const Linear &value) const {
    return implies(getPairContext(), value);
  }

  // Results.
  AffineExpr getExpr(const Linear &row) const;
  AffineExpr getVariableExpr(unsigned v) const;
  bool isUsable(const Linear &row) const;
  MaskTiling::Interval getInterval(const Rows &rows, int64_t N) const;
  bool uses(unsigned v) const;
  Value buildCapture(OpBuilder &builder, Location loc, Value capture,
                     const MaskOperands &operands, IRMapping &mapping) const;
};

IntegerPolyhedron MaskAnalysis::Impl::getPolyhedron(ArrayRef<Linear> a,
                                                    ArrayRef<Linear> b) const {
  unsigned count = variables.size();
  IntegerPolyhedron result(PresburgerSpace::getSetSpace(count));
  for (const Linear &row : a)
    result.addInequality(row.toRow(count));
  for (const Linear &row : b)
    result.addInequality(row.toRow(count));
  return result;
}

bool MaskAnalysis::Impl::isEmpty(ArrayRef<Linear> a, ArrayRef<Linear> b) const {
  return Simplex(getPolyhedron(a, b)).isEmpty();
}

bool MaskAnalysis::Impl::implies(ArrayRef<Linear> rows,
                                 const Linear &row) const {
  if (row.isConstant() && row.constant >= 0)
    return true;
  return isEmpty(rows, {row.negated()});
}

/// divisor * q <= dividend <= divisor * q + divisor - 1.
void MaskAnalysis::Impl::addDefinition(unsigned v,
                                       SmallVectorImpl<Linear> &rows) const {
  const Variable &variable = variables[v];
  Linear rest = variable.dividend - Linear::variable(v) * variable.divisor;
  rows.push_back(rest);
  Linear last;
  last.constant = variable.divisor - 1;
  rows.push_back(last - rest);
}

/// What holds for every pair that is asked about.
SmallVector<Linear> MaskAnalysis::Impl::getPairContext() const {
  SmallVector<Linear> rows;
  auto var = Linear::variable;
  for (unsigned v : {varSk, varBatch, varHead, varRowBegin, varKVBegin})
    rows.push_back(var(v));
  rows.push_back(var(varI) - var(varRowBegin));
  rows.push_back(var(varRowEnd) - var(varI) - 1);
  rows.push_back(var(varSq) - var(varRowEnd));
  rows.push_back(var(varJ) - var(varKVBegin));
  for (auto [v, variable] : llvm::enumerate(variables)) {
    if (variable.kind != Variable::Division)
      continue;
    addDefinition(v, rows);
    if (variable.usesI && !variable.usesJ) {
      rows.push_back(var(v) - var(variable.least));
      rows.push_back(var(variable.greatest) - var(v));
    }
  }
  return rows;
}

/// What holds for every tile that is asked about.
SmallVector<Linear> MaskAnalysis::Impl::getTileContext(int64_t M) const {
  SmallVector<Linear> rows;
  auto var = Linear::variable;
  for (unsigned v : {varSk, varBatch, varHead, varRowBegin, varKVBegin})
    rows.push_back(var(v));
  rows.push_back(var(varRowEnd) - var(varRowBegin) - 1);
  rows.push_back(var(varRowBegin) + M - var(varRowEnd));
  rows.push_back(var(varSq) - var(varRowEnd));
  rows.push_back(var(varJ0) - var(varKVBegin));
  rows.push_back(var(varKVEnd) - var(varJ0) - 1);
  for (auto [v, variable] : llvm::enumerate(variables))
    if (variable.kind == Variable::Division && !variable.usesI &&
        !variable.usesJ)
      addDefinition(v, rows);
  return rows;
}

/// Drops constraints implied by the others, empty sets, and sets within others,
/// and orders what is left. Every question asked costs one of `budget`; once
/// that is spent, the rest stays as it is.
void MaskAnalysis::Impl::simplify(Union &sets, ArrayRef<Linear> context,
                                  unsigned &budget) const {
  auto ask = [&] { return budget != 0 && budget-- != 0; };
  unsigned count = variables.size();
  Union result;
  for (Rows &rows : sets) {
    for (Linear &row : rows)
      row.tighten();
    // Constraints on symbols alone go first: what is left then bounds keys.
    llvm::sort(rows);
    rows.erase(llvm::unique(rows), rows.end());
    if (ask() && isEmpty(context, rows))
      continue;
    for (unsigned index = 0; index < rows.size() && ask();) {
      SmallVector<Linear> others(context);
      for (auto [other, row] : llvm::enumerate(rows))
        if (other != index)
          others.push_back(row);
      if (implies(others, rows[index]))
        rows.erase(rows.begin() + index);
      else
        ++index;
    }
    result.push_back(std::move(rows));
  }
  llvm::sort(result, [](const Rows &a, const Rows &b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  });
  result.erase(llvm::unique(result), result.end());

  sets.clear();
  for (unsigned index = 0; index < result.size(); ++index) {
    Simplex simplex(getPolyhedron(context, result[index]));
    auto isImplied = [&](const Linear &row) {
      if (!ask())
        return false;
      unsigned snapshot = simplex.getSnapshot();
      simplex.addInequality(row.negated().toRow(count));
      bool implied = simplex.isEmpty();
      simplex.rollback(snapshot);
      return implied;
    };
    auto isCoveredBy = [&](const Rows &other) {
      return llvm::all_of(other, isImplied);
    };
    bool covered =
        llvm::any_of(sets, isCoveredBy) ||
        llvm::any_of(ArrayRef<Rows>(result).drop_front(index + 1), isCoveredBy);
    if (!covered)
      sets.push_back(result[index]);
  }
}

Union MaskAnalysis::Impl::normalize(const Formula &formula,
                                    ArrayRef<Linear> context, unsigned limit,
                                    bool over, unsigned &budget) const {
  auto cut = [&](Union sets) {
    simplify(sets, context, budget);
    if (sets.size() > limit) {
      if (over)
        sets.assign(1, Rows());
      else
        sets.resize(limit);
    }
    return sets;
  };
  auto product = [&](const Union &a, const Union &b) -> Union {
    if (over && a.size() * b.size() > 4 * limit)
      return a;
    Union result;
    for (const Rows &left : a) {
      for (const Rows &right : b) {
        Rows rows = left;
        rows.append(right.begin(), right.end());
        result.push_back(std::move(rows));
      }
    }
    simplify(result, context, budget);
    if (result.size() <= limit)
      return result;
    if (over)
      return a;
    result.resize(limit);
    return result;
  };
  switch (formula->kind) {
  case FormulaNode::True:
    return {Rows()};
  case FormulaNode::False:
    return {};
  case FormulaNode::Opaque:
    return over ? Union{Rows()} : Union{};
  case FormulaNode::Atom:
    return cut({Rows{formula->atom}});
  case FormulaNode::And: {
    Union result = {Rows()};
    for (const Formula &operand : formula->operands)
      result =
          product(result, normalize(operand, context, limit, over, budget));
    return result;
  }
  case FormulaNode::Or: {
    Union result;
    for (const Formula &operand : formula->operands)
      llvm::append_range(result,
                         normalize(operand, context, limit, over, budget));
    return cut(std::move(result));
  }
  case FormulaNode::Cases: {
    Union result;
    for (unsigned index = 0; index < formula->operands.size(); index += 2)
      llvm::append_range(result,
                         product(normalize(formula->operands[index], context,
                                           limit, over, budget),
                                 normalize(formula->operands[index + 1],
                                           context, limit, over, budget)));
    return cut(std::move(result));
  }
  }
  llvm_unreachable("unknown kind of formula");
}

/// Adds the divisions that `row` depends on and that are not functions of
/// symbols.
void MaskAnalysis::Impl::addUsedDivisions(
    const Linear &row, llvm::SmallSetVector<unsigned, 8> &used) const {
  for (unsigned v = numFixedVars; v < row.coefficients.size(); ++v) {
    const Variable &variable = variables[v];
    if (row.coefficients[v] == 0 || variable.kind != Variable::Division ||
        !(variable.usesI || variable.usesJ) || !used.insert(v))
      continue;
    addUsedDivisions(variable.dividend, used);
  }
}

/// Whether the coefficients are small enough to compute with at run time.
bool MaskAnalysis::Impl::isUsable(const Linear &row) const {
  auto small = [](const DynamicAPInt &value, int64_t limit) {
    return value <= limit && value >= -limit;
  };
  return small(row.constant, 4 * maxPosition) &&
         llvm::all_of(row.coefficients,
                      [&](const DynamicAPInt &c) { return small(c, 1 << 20); });
}

/// The tiles (i0, iEnd, j0, symbols) that hold a pair of `set`, or more.
Rows MaskAnalysis::Impl::project(const Rows &set, int64_t N) const {
  auto var = Linear::variable;
  SmallVector<Linear> rows(set.begin(), set.end());
  rows.push_back(var(varI) - var(varRowBegin));
  rows.push_back(var(varRowEnd) - var(varI) - 1);
  rows.push_back(var(varJ) - var(varJ0));
  rows.push_back(var(varJ0) + (N - 1) - var(varJ));
  llvm::SmallSetVector<unsigned, 8> divisions;
  for (const Linear &row : set)
    addUsedDivisions(row, divisions);
  for (unsigned v : divisions) {
    addDefinition(v, rows);
    if (!variables[v].usesJ) {
      rows.push_back(var(v) - var(variables[v].least));
      rows.push_back(var(variables[v].greatest) - var(v));
    }
  }

  IntegerPolyhedron polyhedron = getPolyhedron(rows);
  SmallVector<unsigned> columns =
      llvm::to_vector(llvm::seq<unsigned>(0, variables.size()));
  SmallVector<unsigned> eliminated = {varJ, varI};
  llvm::append_range(eliminated, llvm::reverse(divisions.getArrayRef()));
  for (unsigned v : eliminated) {
    auto *position = llvm::find(columns, v);
    unsigned column = position - columns.begin();
    unsigned lower = 0, upper = 0;
    for (unsigned row = 0; row < polyhedron.getNumInequalities(); ++row) {
      DynamicAPInt c = polyhedron.atIneq(row, column);
      lower += c > 0;
      upper += c < 0;
    }
    if (lower * upper > maxProjectedRows)
      return {};
    polyhedron.projectOut(column);
    columns.erase(position);
    polyhedron.removeRedundantConstraints();
  }

  Rows result;
  auto addRow = [&](ArrayRef<DynamicAPInt> values, int64_t sign) {
    Linear row;
    for (auto [column, v] : llvm::enumerate(columns))
      if (values[column] != 0)
        row.at(v) = values[column] * DynamicAPInt(sign);
    row.constant = values.back() * DynamicAPInt(sign);
    row.tighten();
    if (isUsable(row))
      result.push_back(std::move(row));
  };
  for (unsigned index = 0; index < polyhedron.getNumInequalities(); ++index)
    addRow(polyhedron.getInequality(index), 1);
  for (unsigned index = 0; index < polyhedron.getNumEqualities(); ++index) {
    addRow(polyhedron.getEquality(index), 1);
    addRow(polyhedron.getEquality(index), -1);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Reading the mask
//===----------------------------------------------------------------------===//

/// The variable floor(dividend / divisor), divisor > 1.
std::optional<unsigned> MaskAnalysis::Impl::addDivision(const Linear &dividend,
                                                        int64_t divisor,
                                                        bool derived) {
  for (auto [v, variable] : llvm::enumerate(variables))
    if (variable.kind == Variable::Division && variable.divisor == divisor &&
        variable.dividend == dividend)
      return v;
  if (!derived && numDivisions++ >= maxDivisions)
    return std::nullopt;

  Variable division;
  division.kind = Variable::Division;
  division.dividend = dividend;
  division.divisor = divisor;
  // The corners of the dividend over the rows of a tile.
  Linear least, greatest;
  least.constant = greatest.constant = dividend.constant;
  auto var = Linear::variable;
  for (auto [v, c] : llvm::enumerate(dividend.coefficients)) {
    if (c == 0)
      continue;
    Linear low = var(v), high = var(v);
    if (v == varI) {
      division.usesI = true;
      low = var(varRowBegin);
      high = var(varRowEnd) - 1;
    } else if (v == varJ) {
      division.usesJ = true;
    } else if (variables[v].kind == Variable::Division) {
      division.usesI |= variables[v].usesI;
      division.usesJ |= variables[v].usesJ;
      if (variables[v].usesI && !variables[v].usesJ) {
        low = var(variables[v].least);
        high = var(variables[v].greatest);
      }
    }
    least.add(c > 0 ? low : high, c);
    greatest.add(c > 0 ? high : low, c);
  }
  if (division.usesI && !division.usesJ) {
    division.least = *addDivision(least, divisor, /*derived=*/true);
    division.greatest = *addDivision(greatest, divisor, /*derived=*/true);
  }
  variables.push_back(std::move(division));
  return variables.size() - 1;
}

/// The variable of an integer that the region gets from outside, or computes
/// from what it gets from outside.
std::optional<unsigned> MaskAnalysis::Impl::addCapture(Value value,
                                                       const MaskSpec &spec) {
  if (value == spec.queryLength)
    return varSq;
  if (value == spec.keyLength)
    return varSk;
  for (auto [v, variable] : llvm::enumerate(variables))
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
    if (!op || !region->isAncestor(op->getParentRegion()))
      continue;
    if (slice.size() > maxCaptureSlice)
      return std::nullopt;
    slice.insert(op->operand_begin(), op->operand_end());
  }
  Variable variable;
  variable.kind = Variable::Capture;
  variable.capture = captures.size();
  captures.push_back(value);
  variables.push_back(variable);
  return variables.size() - 1;
}

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

/// Applies a function of linear expressions in every combination of pieces.
Abstract MaskAnalysis::Impl::mapPieces(
    ArrayRef<Abstract> operands,
    llvm::function_ref<std::optional<SmallVector<Piece>>(ArrayRef<Linear>)>
        function) {
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

Formula MaskAnalysis::Impl::compare(arith::CmpIPredicate predicate,
                                    const Linear &a, const Linear &b) {
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
Abstract MaskAnalysis::Impl::readDivision(Operation *op,
                                          ArrayRef<Abstract> operands) {
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
    std::optional<unsigned> v = addDivision(rest, divisor);
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

Abstract MaskAnalysis::Impl::readOp(Operation *op,
                                    ArrayRef<Abstract> operands) {
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
    // An opaque operand is as good as a boolean one.
    if (!op->getResult(0).getType().isInteger(1))
      return {};
    auto condition = [](const Abstract &value) {
      return value.kind == Abstract::Boolean ? value.condition : makeOpaque();
    };
    Formula a = condition(operands[0]), b = condition(operands[1]);
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
    Formula condition = operands[0].kind == Abstract::Boolean
                            ? operands[0].condition
                            : makeOpaque();
    if (op->getResult(0).getType().isInteger(1)) {
      auto branch = [](const Abstract &value) {
        return value.kind == Abstract::Boolean ? value.condition : makeOpaque();
      };
      return makeBoolean(makeCases({{condition, branch(operands[1])},
                                    {!condition, branch(operands[2])}}));
    }
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

Abstract MaskAnalysis::Impl::readOperand(Value value, const MaskSpec &spec,
                                         DenseMap<Value, Abstract> &known) {
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
    if (std::optional<unsigned> v = addCapture(value, spec))
      result = makeInteger(Linear::variable(*v), true);
  }
  result.uniform = true;
  known[value] = result;
  return result;
}

Formula MaskAnalysis::Impl::readRegion(const MaskSpec &spec) {
  if (!region->hasOneBlock() || region->getNumArguments() != 4)
    return makeOpaque();
  Block &block = region->front();
  DenseMap<Value, Abstract> known;
  const unsigned arguments[] = {varBatch, varHead, varI, varJ};
  for (auto [argument, v] : llvm::zip_equal(block.getArguments(), arguments))
    known[argument] = makeInteger(Linear::variable(v), v >= firstSymbol);

  for (Operation &op : block) {
    if (isa<YieldOp>(op)) {
      Abstract result = readOperand(op.getOperand(0), spec, known);
      return result.kind == Abstract::Boolean ? result.condition : makeOpaque();
    }
    Attribute constant;
    if (matchPattern(&op, m_Constant(&constant))) {
      readOperand(op.getResult(0), spec, known);
      continue;
    }
    SmallVector<Abstract, 3> operands;
    bool uniform = isPure(&op) && op.getNumRegions() == 0;
    for (Value operand : op.getOperands()) {
      operands.push_back(readOperand(operand, spec, known));
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
        readOperand(value, spec, known);
      }
    }
  }
  return makeOpaque();
}

Formula MaskAnalysis::Impl::readSpec(const MaskSpec &spec) {
  auto var = Linear::variable;
  Linear diagonal = var(varI);
  if (spec.alignment == Alignment::BottomRight)
    diagonal = diagonal + var(varSk) - var(varSq);
  Linear distance = var(varJ) - diagonal;

  Formula band = makeBool(true);
  if (spec.causal)
    band = band & makeAtom(distance * DynamicAPInt(-1));
  if (spec.windowLeft && *spec.windowLeft < maxPosition)
    band = band & makeAtom(distance + *spec.windowLeft);
  if (spec.windowRight && *spec.windowRight < maxPosition)
    band = band & makeAtom(Linear(*spec.windowRight) - distance);
  if (spec.hasPrefix)
    band = band | makeAtom(var(varPrefix) - var(varJ) - 1);

  Formula result = band & makeAtom(var(varSk) - var(varJ) - 1) &
                   makeAtom(var(varKVEnd) - var(varJ) - 1);
  if (region)
    result = result & readRegion(spec);
  if (spec.hasSegments)
    result = result & makeOpaque();
  return result;
}

MaskAnalysis::Impl::Impl(const MaskSpec &spec, MLIRContext *context)
    : context(context), variables(numFixedVars) {
  if (spec.region && !spec.region->empty())
    region = spec.region;
  Formula formula = readSpec(spec);
  SmallVector<Linear> pairs = getPairContext();
  unsigned budget = maxQuestions;
  visible = normalize(formula, pairs, maxDisjuncts, /*over=*/true, budget);
  budget = maxQuestions;
  hidden = normalize(!formula, pairs, maxDisjuncts, /*over=*/true, budget);
}

//===----------------------------------------------------------------------===//
// Affine expressions
//===----------------------------------------------------------------------===//

AffineExpr MaskAnalysis::Impl::getVariableExpr(unsigned v) const {
  const Variable &variable = variables[v];
  switch (variable.kind) {
  case Variable::Fixed:
    return v == varJ0 ? getAffineDimExpr(0, context)
                      : getAffineSymbolExpr(v - firstSymbol, context);
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
    rest.at(varJ0) = 0;
    int64_t factor = int64_t(row.get(varJ0));
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

bool MaskAnalysis::Impl::uses(unsigned v) const {
  std::function<bool(const Linear &)> rowUses = [&](const Linear &row) {
    if (row.get(v) != 0)
      return true;
    for (auto [other, c] : llvm::enumerate(row.coefficients))
      if (c != 0 && variables[other].kind == Variable::Division &&
          rowUses(variables[other].dividend))
        return true;
    return false;
  };
  for (const Union *sets : {&visible, &hidden})
    for (const Rows &rows : *sets)
      if (llvm::any_of(rows, rowUses))
        return true;
  // A captured value may be computed from the batch or the head.
  if (!region || captures.empty() || (v != varBatch && v != varHead))
    return false;
  SmallVector<Value> work(captures);
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == region->getArgument(v == varBatch ? 0 : 1))
      return true;
    Operation *op = value.getDefiningOp();
    if (op && region->isAncestor(op->getParentRegion()) &&
        seen.insert(op).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

//===----------------------------------------------------------------------===//
// MaskSpec, MaskOperands and MaskAnalysis
//===----------------------------------------------------------------------===//

template <typename OpTy>
static MaskSpec getSpec(OpTy op) {
  MaskSpec spec;
  spec.causal = op.getCausal();
  if (std::optional<uint64_t> window = op.getWindowLeft())
    spec.windowLeft = static_cast<int64_t>(*window);
  if (std::optional<uint64_t> window = op.getWindowRight())
    spec.windowRight = static_cast<int64_t>(*window);
  spec.alignment = op.getAlignment();
  spec.hasPrefix = static_cast<bool>(op.getPrefix());
  spec.hasSegments = static_cast<bool>(op.getQuerySegments());
  if (!op.getMask().empty())
    spec.region = &op.getMask();
  return spec;
}

MaskSpec MaskSpec::get(AttentionOp op) { return getSpec(op); }

MaskSpec MaskSpec::get(OnlineAttentionOp op) {
  MaskSpec spec = getSpec(op);
  spec.queryLength = op.getLengths()[0];
  spec.keyLength = op.getLengths()[1];
  return spec;
}

MaskOperands MaskOperands::get(OpBuilder &builder, Location loc,
                               OnlineAttentionOp op, Value batch, Value head) {
  MaskOperands operands;
  operands.queryLength = op.getLengths()[0];
  operands.keyLength = op.getLengths()[1];
  auto add = [&](Value a, Value b) {
    AffineExpr sum = builder.getAffineDimExpr(0) + builder.getAffineDimExpr(1);
    return getValueOrCreateConstantIndexOp(
        builder, loc,
        affine::makeComposedFoldedAffineApply(
            builder, loc, sum, {getAsOpFoldResult(a), getAsOpFoldResult(b)}));
  };
  operands.batch = add(op.getOffsets()[0], batch);
  operands.head = add(op.getOffsets()[1], head);
  if (Value prefix = op.getPrefix())
    operands.prefix = arith::IndexCastOp::create(
        builder, loc, builder.getIndexType(),
        tensor::ExtractOp::create(builder, loc, prefix, batch));
  return operands;
}

MaskAnalysis::MaskAnalysis(const MaskSpec &spec, MLIRContext *context)
    : impl(std::make_shared<Impl>(spec, context)) {}
MaskAnalysis::MaskAnalysis(AttentionOp op)
    : MaskAnalysis(MaskSpec::get(op), op.getContext()) {}
MaskAnalysis::MaskAnalysis(OnlineAttentionOp op)
    : MaskAnalysis(MaskSpec::get(op), op.getContext()) {}
MaskAnalysis::MaskAnalysis(MaskAnalysis &&) = default;
MaskAnalysis &MaskAnalysis::operator=(MaskAnalysis &&) = default;
MaskAnalysis::~MaskAnalysis() = default;

bool MaskAnalysis::isConvex() const { return impl->visible.size() <= 1; }
bool MaskAnalysis::hasFull() const {
  return llvm::none_of(impl->hidden,
                       [](const Rows &rows) { return rows.empty(); });
}
bool MaskAnalysis::usesBatch() const {
  return impl->uses(varBatch) || usesPrefix();
}
bool MaskAnalysis::usesHead() const { return impl->uses(varHead); }
bool MaskAnalysis::usesPrefix() const { return impl->uses(varPrefix); }
ArrayRef<Value> MaskAnalysis::getCaptures() const { return impl->captures; }

MaskTiling MaskAnalysis::getTiling(int64_t M, int64_t N) const {
  MaskTiling tiling;
  tiling.impl = impl;
  tiling.rows = M;
  tiling.columns = N;
  SmallVector<Linear> context = impl->getTileContext(M);
  unsigned budget = maxQuestions;
  auto project = [&](const Union &sets) {
    Union result;
    for (const Rows &set : sets)
      result.push_back(impl->project(set, N));
    impl->simplify(result, context, budget);
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
  for (const Rows &rows : impl->normalize(full, context, maxFullIntervals,
                                          /*over=*/false, budget))
    tiling.full.push_back(impl->getInterval(rows, N));
  return tiling;
}

LoopBounds MaskAnalysis::buildBounds(OpBuilder &builder, Location loc, Value i0,
                                     Value kvBegin, Value kvEnd, int64_t M,
                                     int64_t N,
                                     const MaskOperands &operands) const {
  return getTiling(M, N).buildBounds(builder, loc, i0, kvBegin, kvEnd,
                                     operands);
}

Value MaskAnalysis::buildIsEmpty(OpBuilder &builder, Location loc, Value i0,
                                 Value j0, Value kvEnd, int64_t M, int64_t N,
                                 const MaskOperands &operands) const {
  return getTiling(M, N).buildIsEmpty(builder, loc, i0, j0, kvEnd, operands);
}

Value MaskAnalysis::buildIsFull(OpBuilder &builder, Location loc, Value i0,
                                Value j0, Value kvEnd, int64_t M, int64_t N,
                                const MaskOperands &operands) const {
  return getTiling(M, N).buildIsFull(builder, loc, i0, j0, kvEnd, operands);
}

void MaskAnalysis::print(raw_ostream &os) const {
  auto printUnion = [&](StringRef name, const Union &sets) {
    os << name << ":\n";
    for (const Rows &rows : sets) {
      os << "  {";
      llvm::interleave(
          rows, os,
          [&](const Linear &row) {
            for (auto [v, c] : llvm::enumerate(row.coefficients)) {
              if (c == 0)
                continue;
              static const char *const names[] = {
                  "i", "j", "j0", "Sq",   "Sk",      "prefix",
                  "b", "h", "i0", "iEnd", "kvBegin", "kvEnd"};
              os << c << '*';
              if (v < numFixedVars)
                os << names[v];
              else if (impl->variables[v].kind == Variable::Capture)
                os << 'c' << impl->variables[v].capture;
              else
                os << 'q' << v;
              os << " + ";
            }
            os << row.constant << " >= 0";
          },
          ", ");
      os << "}\n";
    }
  };
  printUnion("visible", impl->visible);
  printUnion("hidden", impl->hidden);
}

//===----------------------------------------------------------------------===//
// MaskTiling
//===----------------------------------------------------------------------===//

/// A copy of `capture`, which is computed in the mask region from what that
/// captures, outside of the region.
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

/// The bounds in numbers of tiles, clamped and turned into positions.
template <typename Emitter>
TileLoopBounds<typename Emitter::T>
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

/// Whether the tile is in none of the sets: the least expression of each is <
/// 0.
template <typename Emitter>
typename Emitter::Condition emitOutside(Emitter &e,
                                        ArrayRef<MaskTiling::Interval> sets) {
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

} // namespace

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

Value MaskTiling::buildIsEmpty(OpBuilder &builder, Location loc, Value i0,
                               Value j0, Value kvEnd,
                               const MaskOperands &operands) const {
  SmallVector<Value> symbols = getSymbolValues(
      builder, loc, *impl, rows, i0, Value(), kvEnd, operands, {nonEmpty});
  IREmitter emitter(builder, loc, j0, symbols);
  return emitOutside(emitter, nonEmpty);
}

Value MaskTiling::buildIsFull(OpBuilder &builder, Location loc, Value i0,
                              Value j0, Value kvEnd,
                              const MaskOperands &operands) const {
  SmallVector<Value> symbols = getSymbolValues(
      builder, loc, *impl, rows, i0, Value(), kvEnd, operands, {nonFull});
  IREmitter emitter(builder, loc, j0, symbols);
  return emitOutside(emitter, nonFull);
}

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
