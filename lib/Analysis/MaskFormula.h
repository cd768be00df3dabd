//===- MaskFormula.h - Formulas over linear inequalities --------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask is a boolean formula in negation normal form. Its atoms say that a
// linear expression in numbered variables is >= 0; what cannot be said that way
// is an opaque leaf. A value that is one expression here and another there
// gives a node of cases, whose guards exclude each other: negating it negates
// the bodies alone, so that it does not grow.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_ANALYSIS_MASKFORMULA_H
#define SEQC_LIB_ANALYSIS_MASKFORMULA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DynamicAPInt.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <utility>

namespace seqc::mask {

/// sum_v coefficients[v] * v + constant; a missing coefficient is 0.
struct Linear {
  llvm::SmallVector<llvm::DynamicAPInt, 8> coefficients;
  llvm::DynamicAPInt constant = llvm::DynamicAPInt(0);

  Linear() = default;
  explicit Linear(int64_t value) : constant(value) {}

  static Linear variable(unsigned v) {
    Linear result;
    result.at(v) = 1;
    return result;
  }

  llvm::DynamicAPInt &at(unsigned v) {
    if (v >= coefficients.size())
      coefficients.resize(v + 1, llvm::DynamicAPInt(0));
    return coefficients[v];
  }
  llvm::DynamicAPInt get(unsigned v) const {
    return v < coefficients.size() ? coefficients[v] : llvm::DynamicAPInt(0);
  }
  bool isConstant() const {
    return llvm::all_of(coefficients, [](const auto &c) { return c == 0; });
  }

  Linear &add(const Linear &other, const llvm::DynamicAPInt &factor) {
    for (auto [v, c] : llvm::enumerate(other.coefficients))
      at(v) += c * factor;
    constant += other.constant * factor;
    return *this;
  }
  Linear operator+(const Linear &other) const {
    return Linear(*this).add(other, llvm::DynamicAPInt(1));
  }
  Linear operator-(const Linear &other) const {
    return Linear(*this).add(other, llvm::DynamicAPInt(-1));
  }
  Linear operator+(int64_t value) const { return *this + Linear(value); }
  Linear operator-(int64_t value) const { return *this - Linear(value); }
  Linear operator*(const llvm::DynamicAPInt &factor) const {
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
  Linear negated() const { return *this * llvm::DynamicAPInt(-1) - 1; }

  /// Divides `*this >= 0` by the common divisor of its coefficients; integers
  /// allow the constant to be rounded down.
  void tighten();

  /// The coefficients of all variables, then the constant.
  llvm::SmallVector<llvm::DynamicAPInt> toRow(unsigned numVariables) const;
};

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
  llvm::SmallVector<Formula, 4> operands;
  unsigned size = 1;
};

Formula makeBool(bool value);
Formula makeOpaque();
/// expression >= 0.
Formula makeAtom(Linear expression);
/// Pairs of a guard and a body, of which exactly one guard holds.
Formula makeCases(llvm::ArrayRef<std::pair<Formula, Formula>> cases);
Formula makeXor(const Formula &a, const Formula &b);
Formula operator&(const Formula &a, const Formula &b);
Formula operator|(const Formula &a, const Formula &b);
Formula operator!(const Formula &formula);

} // namespace seqc::mask

#endif // SEQC_LIB_ANALYSIS_MASKFORMULA_H
