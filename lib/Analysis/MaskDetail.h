//===- MaskDetail.h - Parts of the mask analysis ----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps are those that MaskAnalysis.h describes. MaskRegion.cpp reads the
// mask into a formula (MaskFormula.h) and adds its variables to a System;
// MaskPolyhedra.cpp asks and rewrites what is convex; MaskAnalysis.cpp puts the
// two together; MaskTiling.cpp turns the answers into bounds.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_ANALYSIS_MASKDETAIL_H
#define SEQC_LIB_ANALYSIS_MASKDETAIL_H

#include "MaskFormula.h"
#include "seqc/Analysis/MaskAnalysis.h"

#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

#include <optional>

namespace seqc::mask {

/// Questions about polyhedra that one mask, or one tiling of it, may cost.
constexpr unsigned maxQuestions = 4000;
/// No position in a sequence gets near this, so that a window this wide is
/// none, and bounds with larger numbers are not used (they could overflow).
constexpr int64_t maxPosition = int64_t(1) << 40;

/// A convex set: every expression is >= 0.
using Rows = llvm::SmallVector<Linear, 4>;
using Union = llvm::SmallVector<Rows, 4>;

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

/// The first variables of every system; captures and divisions come after.
enum : unsigned { VarI, VarJ, VarJ0, FirstSymbol };
constexpr unsigned numFixedVars = FirstSymbol + MaskTiling::FirstCapture;
constexpr unsigned symbolVar(MaskTiling::Symbol symbol) {
  return FirstSymbol + symbol;
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
constexpr unsigned varSegmentBegin = symbolVar(MaskTiling::SegmentBegin);
constexpr unsigned varSegmentEnd = symbolVar(MaskTiling::SegmentEnd);
constexpr unsigned varSegmentFullBegin =
    symbolVar(MaskTiling::SegmentFullBegin);
constexpr unsigned varSegmentFullEnd = symbolVar(MaskTiling::SegmentFullEnd);

struct Variable {
  enum Kind { Fixed, Capture, Division };
  Kind kind = Fixed;
  /// Capture: its number.
  unsigned capture = 0;
  /// Division: floor(dividend / divisor).
  Linear dividend;
  llvm::DynamicAPInt divisor = llvm::DynamicAPInt(1);
  bool usesI = false, usesJ = false;
  /// Division that uses i and not j: its least and greatest value in a tile,
  /// each a division of symbols.
  unsigned least = 0, greatest = 0;
};

/// The variables of a mask, and what is asked about them.
struct System {
  llvm::SmallVector<Variable> variables;
  unsigned numDivisions = 0;
  /// The variables of a SegmentInterval are in use.
  bool hasSegmentBounds = false;

  System() : variables(numFixedVars) {}

  /// The variable floor(dividend / divisor), divisor > 1, or none if there are
  /// too many. A `derived` one does not count.
  std::optional<unsigned> addDivision(const Linear &dividend, int64_t divisor,
                                      bool derived = false);

  mlir::presburger::IntegerPolyhedron
  getPolyhedron(llvm::ArrayRef<Linear> a, llvm::ArrayRef<Linear> b = {}) const;
  bool isEmpty(llvm::ArrayRef<Linear> a, llvm::ArrayRef<Linear> b = {}) const;
  bool implies(llvm::ArrayRef<Linear> rows, const Linear &row) const;
  /// divisor * q <= dividend <= divisor * q + divisor - 1.
  void addDefinition(unsigned v, llvm::SmallVectorImpl<Linear> &rows) const;

  /// What holds for every pair that is asked about.
  llvm::SmallVector<Linear> getPairContext() const;
  /// What holds for every tile that is asked about.
  llvm::SmallVector<Linear> getTileContext(int64_t M) const;

  /// Drops constraints implied by the others, empty sets, and sets within
  /// others, and orders what is left. Every question asked costs one of
  /// `budget`; once that is spent, the rest stays as it is.
  void simplify(Union &sets, llvm::ArrayRef<Linear> context,
                unsigned &budget) const;
  /// The disjunctive normal form. With `over`, a superset of the formula where
  /// it is too large or opaque; without, a subset.
  Union normalize(const Formula &formula, llvm::ArrayRef<Linear> context,
                  unsigned limit, bool over, unsigned &budget) const;
  /// The tiles (i0, iEnd, j0, symbols) that hold a pair of `set`, or more.
  Rows project(const Rows &set, int64_t N) const;

private:
  /// Adds the divisions that `row` depends on and that are not functions of
  /// symbols.
  void addUsedDivisions(const Linear &row,
                        llvm::SmallSetVector<unsigned, 8> &used) const;
  /// The order of the bounds of segments.
  void addSegmentOrder(llvm::SmallVectorImpl<Linear> &rows) const;
};

/// The mask as a formula. Adds the variables that it needs to `system`, and to
/// `captures` the values that they stand for.
Formula readMask(const MaskSpec &spec, System &system,
                 llvm::SmallVectorImpl<mlir::Value> &captures);

} // namespace seqc::mask

namespace seqc {

/// The two questions of a mask, answered for pairs.
struct MaskAnalysis::Impl {
  mlir::MLIRContext *context;
  /// The mask region, or null.
  mlir::Region *region = nullptr;
  mask::System system;
  llvm::SmallVector<mlir::Value> captures;
  /// The pairs that may be visible, and those that may be hidden.
  mask::Union visible, hidden;

  Impl(const MaskSpec &spec, mlir::MLIRContext *context);

  mlir::AffineExpr getExpr(const mask::Linear &row) const;
  mlir::AffineExpr getVariableExpr(unsigned v) const;
  MaskTiling::Interval getInterval(const mask::Rows &rows, int64_t N) const;
  /// Whether the sets or the captures depend on a variable.
  bool uses(unsigned v) const;
  /// A copy of `capture`, which is computed in the mask region from what that
  /// captures, outside of the region.
  mlir::Value buildCapture(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value capture, const MaskOperands &operands,
                           mlir::IRMapping &mapping) const;
};

} // namespace seqc

#endif // SEQC_LIB_ANALYSIS_MASKDETAIL_H
