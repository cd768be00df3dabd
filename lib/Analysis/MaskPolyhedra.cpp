//===- MaskPolyhedra.cpp - Convex parts of a mask and their projection ----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Questions about convex sets are answered by a simplex over the rationals. A
// set that it finds empty has no integer point either, so "implied" and "empty"
// are always right, and a redundant constraint may stay.
//
// The normal form distributes conjunctions over disjunctions and simplifies on
// the way. Where it gets too large, an over-approximation forgets a factor or
// becomes everything, and an under-approximation keeps the first sets. The
// projection intersects a set with a tile and eliminates j, i and the division
// variables, one at a time; a division of an expression without j has bounds in
// i0 and iEnd, its values in the first and last row of a tile. Where an
// elimination would leave too many constraints, the result is unconstrained.
//
//===----------------------------------------------------------------------===//

#include "MaskDetail.h"

#include "mlir/Analysis/Presburger/Simplex.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>

using namespace mlir;
using namespace seqc;
using namespace seqc::mask;
using llvm::DynamicAPInt;
using presburger::IntegerPolyhedron;
using presburger::PresburgerSpace;
using presburger::Simplex;

/// Divisions that a mask may have; what has more counts as opaque.
constexpr unsigned maxDivisions = 6;
/// Constraints that the elimination of one variable may leave behind.
constexpr unsigned maxProjectedRows = 128;

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

std::optional<unsigned> System::addDivision(const Linear &dividend,
                                            int64_t divisor, bool derived) {
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
    if (v == VarI) {
      division.usesI = true;
      low = var(varRowBegin);
      high = var(varRowEnd) - 1;
    } else if (v == VarJ) {
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

//===----------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------===//

IntegerPolyhedron System::getPolyhedron(ArrayRef<Linear> a,
                                        ArrayRef<Linear> b) const {
  unsigned count = variables.size();
  IntegerPolyhedron result(PresburgerSpace::getSetSpace(count));
  for (const Linear &row : a)
    result.addInequality(row.toRow(count));
  for (const Linear &row : b)
    result.addInequality(row.toRow(count));
  return result;
}

bool System::isEmpty(ArrayRef<Linear> a, ArrayRef<Linear> b) const {
  return Simplex(getPolyhedron(a, b)).isEmpty();
}

bool System::implies(ArrayRef<Linear> rows, const Linear &row) const {
  if (row.isConstant() && row.constant >= 0)
    return true;
  return isEmpty(rows, {row.negated()});
}

void System::addDefinition(unsigned v, SmallVectorImpl<Linear> &rows) const {
  const Variable &variable = variables[v];
  Linear rest = variable.dividend - Linear::variable(v) * variable.divisor;
  rows.push_back(rest);
  Linear last;
  last.constant = variable.divisor - 1;
  rows.push_back(last - rest);
}

void System::addSegmentOrder(SmallVectorImpl<Linear> &rows) const {
  if (!hasSegmentBounds)
    return;
  const unsigned order[] = {varSegmentBegin, varSegmentFullBegin,
                            varSegmentFullEnd, varSegmentEnd};
  for (auto [less, more] :
       llvm::zip(ArrayRef(order).drop_back(), ArrayRef(order).drop_front()))
    rows.push_back(Linear::variable(more) - Linear::variable(less));
}

SmallVector<Linear> System::getPairContext() const {
  SmallVector<Linear> rows;
  auto var = Linear::variable;
  for (unsigned v : {varSk, varBatch, varHead, varRowBegin, varKVBegin})
    rows.push_back(var(v));
  rows.push_back(var(VarI) - var(varRowBegin));
  rows.push_back(var(varRowEnd) - var(VarI) - 1);
  rows.push_back(var(varSq) - var(varRowEnd));
  rows.push_back(var(VarJ) - var(varKVBegin));
  addSegmentOrder(rows);
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

SmallVector<Linear> System::getTileContext(int64_t M) const {
  SmallVector<Linear> rows;
  auto var = Linear::variable;
  for (unsigned v : {varSk, varBatch, varHead, varRowBegin, varKVBegin})
    rows.push_back(var(v));
  rows.push_back(var(varRowEnd) - var(varRowBegin) - 1);
  rows.push_back(var(varRowBegin) + M - var(varRowEnd));
  rows.push_back(var(varSq) - var(varRowEnd));
  rows.push_back(var(VarJ0) - var(varKVBegin));
  rows.push_back(var(varKVEnd) - var(VarJ0) - 1);
  addSegmentOrder(rows);
  for (auto [v, variable] : llvm::enumerate(variables))
    if (variable.kind == Variable::Division && !variable.usesI &&
        !variable.usesJ)
      addDefinition(v, rows);
  return rows;
}

void System::simplify(Union &sets, ArrayRef<Linear> context,
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

//===----------------------------------------------------------------------===//
// Normal form
//===----------------------------------------------------------------------===//

Union System::normalize(const Formula &formula, ArrayRef<Linear> context,
                        unsigned limit, bool over, unsigned &budget) const {
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

//===----------------------------------------------------------------------===//
// Projection
//===----------------------------------------------------------------------===//

void System::addUsedDivisions(const Linear &row,
                              llvm::SmallSetVector<unsigned, 8> &used) const {
  for (unsigned v = numFixedVars; v < row.coefficients.size(); ++v) {
    const Variable &variable = variables[v];
    if (row.coefficients[v] == 0 || variable.kind != Variable::Division ||
        !(variable.usesI || variable.usesJ) || !used.insert(v))
      continue;
    addUsedDivisions(variable.dividend, used);
  }
}

/// Whether the coefficients are small enough to compute with at run time.
static bool isUsable(const Linear &row) {
  auto small = [](const DynamicAPInt &value, int64_t limit) {
    return value <= limit && value >= -limit;
  };
  return small(row.constant, 4 * maxPosition) &&
         llvm::all_of(row.coefficients,
                      [&](const DynamicAPInt &c) { return small(c, 1 << 20); });
}

Rows System::project(const Rows &set, int64_t N) const {
  auto var = Linear::variable;
  SmallVector<Linear> rows(set.begin(), set.end());
  rows.push_back(var(VarI) - var(varRowBegin));
  rows.push_back(var(varRowEnd) - var(VarI) - 1);
  rows.push_back(var(VarJ) - var(VarJ0));
  rows.push_back(var(VarJ0) + (N - 1) - var(VarJ));
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
  SmallVector<unsigned> eliminated = {VarJ, VarI};
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
