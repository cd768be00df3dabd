//===- MaskFormula.cpp - Formulas over linear inequalities ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inequalities are divided by the common divisor of their coefficients,
// constants fold as a formula is built, and a formula past a size becomes
// opaque.
//
//===----------------------------------------------------------------------===//

#include "MaskFormula.h"

#include "MaskDetail.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace seqc;
using namespace seqc::mask;
using llvm::DynamicAPInt;

/// A formula with more nodes than this counts as opaque.
constexpr unsigned maxFormulaSize = 256;

//===----------------------------------------------------------------------===//
// Linear expressions
//===----------------------------------------------------------------------===//

bool Linear::operator<(const Linear &other) const {
  bool mine = get(VarJ) != 0 || get(VarJ0) != 0;
  bool others = other.get(VarJ) != 0 || other.get(VarJ0) != 0;
  if (mine != others)
    return others;
  unsigned count = std::max(coefficients.size(), other.coefficients.size());
  for (unsigned v = 0; v < count; ++v)
    if (get(v) != other.get(v))
      return get(v) < other.get(v);
  return constant < other.constant;
}

void Linear::tighten() {
  DynamicAPInt divisor(0);
  for (const DynamicAPInt &c : coefficients)
    divisor = llvm::gcd(divisor, llvm::abs(c));
  if (divisor <= 1)
    return;
  for (DynamicAPInt &c : coefficients)
    c /= divisor;
  constant = llvm::floorDiv(constant, divisor);
}

SmallVector<DynamicAPInt> Linear::toRow(unsigned numVariables) const {
  SmallVector<DynamicAPInt> row(numVariables + 1, DynamicAPInt(0));
  llvm::copy(coefficients, row.begin());
  row.back() = constant;
  return row;
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

static Formula makeLeaf(FormulaNode::Kind kind) {
  auto node = std::make_shared<FormulaNode>();
  node->kind = kind;
  return node;
}
Formula mask::makeBool(bool value) {
  return makeLeaf(value ? FormulaNode::True : FormulaNode::False);
}
Formula mask::makeOpaque() { return makeLeaf(FormulaNode::Opaque); }

Formula mask::makeAtom(Linear expression) {
  if (expression.isConstant())
    return makeBool(expression.constant >= 0);
  expression.tighten();
  auto node = std::make_shared<FormulaNode>();
  node->kind = FormulaNode::Atom;
  node->atom = std::move(expression);
  return node;
}

static Formula makeNode(FormulaNode::Kind kind, ArrayRef<Formula> operands) {
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
static Formula combine(FormulaNode::Kind kind, const Formula &a,
                       const Formula &b) {
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
Formula mask::operator&(const Formula &a, const Formula &b) {
  return combine(FormulaNode::And, a, b);
}
Formula mask::operator|(const Formula &a, const Formula &b) {
  return combine(FormulaNode::Or, a, b);
}

Formula mask::makeCases(ArrayRef<std::pair<Formula, Formula>> cases) {
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

Formula mask::operator!(const Formula &f) {
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

Formula mask::makeXor(const Formula &a, const Formula &b) {
  if (a->kind == FormulaNode::Opaque || b->kind == FormulaNode::Opaque)
    return makeOpaque();
  return makeCases({{a, !b}, {!a, b}});
}
