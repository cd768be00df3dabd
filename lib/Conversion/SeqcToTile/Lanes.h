//===- Lanes.h - Arithmetic on rows, columns and tiles ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value at every point of a tile of scores may depend on less than both
// indices: a query's position is the same along its row, a key's along its
// column, a slope everywhere. A Lane carries a value in the smallest form, and
// an operation works in the smallest form of its operands; only where rows meet
// columns does a whole tile of values come to be.
//
// Positions are `index` as scalars and integers of `position` in tiles.
//
// What a region computes from positions by sums is kept as u + r row + c column
// with a uniform u. As a float it is then two ramps, one along rows and one
// along columns, and no element is converted from an integer.
//
// A region's result is looked at as a sum of products: what depends on rows or
// on columns alone is not added to each score of a tile.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOTILE_LANES_H
#define SEQC_LIB_CONVERSION_SEQCTOTILE_LANES_H

#include "Decompose.h"

namespace seqc::totile {

struct Lane {
  /// What the value depends on; a sum of these.
  enum Dependence : unsigned { Uniform = 0, Row = 1, Column = 2, Both = 3 };

  Value value;
  unsigned on = Uniform;
};

/// uniform + row (index of the row) + column (index of the column); `uniform`
/// is an index.
struct Affine {
  Value uniform;
  int64_t row = 0, column = 0;
};

/// coefficient * factor * lane; `factor`, an f32 scalar, may be null for 1.
struct Term {
  double coefficient;
  Value factor;
  Lane lane;
};

class Lanes {
public:
  Lanes(KernelBuilder &k, int64_t rows, int64_t columns, Type position,
        bool isApproximate = false)
      : k(k), b(k.b), rows(rows), columns(columns), position(position),
        isApproximate(isApproximate) {}

  /// The positions from `first` (an index) on along rows or columns.
  Lane positions(Value first, Lane::Dependence along);

  /// The type of a value of `element` that depends on `on`.
  Type getType(Type element, unsigned on);

  /// The value of `lane` as one that depends on at least `on`.
  Value spread(Lane lane, unsigned on);
  Value tile(Lane lane) { return spread(lane, Lane::Both); }

  Lane uniform(Value scalar) { return {scalar, Lane::Uniform}; }
  Lane uniformFloat(double value) { return uniform(k.scalarConstant(value)); }
  Lane uniformIndex(int64_t value) { return uniform(k.index(value)); }

  template <typename OpT>
  Lane make(Lane x, Lane y) {
    unsigned on = x.on | y.on;
    Value lhs = spread(x, on), rhs = spread(y, on);
    return {OpT::create(b, lhs, rhs), on};
  }
  template <typename OpT>
  Lane convert(Type element, Lane x) {
    return {OpT::create(b, getType(element, x.on), x.value), x.on};
  }
  Lane compare(arith::CmpIPredicate predicate, Lane x, Lane y);
  Lane select(Lane condition, Lane x, Lane y);

  /// `region` applied to `arguments`. What it reads from outside are scalars
  /// and views of the kernel. An operation that has no form on tiles is an
  /// error.
  FailureOr<Lane> apply(Region &region, ArrayRef<Lane> arguments);
  /// The same for a region that yields several values.
  FailureOr<SmallVector<Lane>> applyAll(Region &region,
                                        ArrayRef<Lane> arguments);

  /// The result of `region`, which has been applied, as a sum.
  SmallVector<Term> getTerms(Region &region);
  /// How much the part of a sum that is linear in the key's position grows from
  /// one key to the next, but for factors that are read. Those are taken as
  /// positive, which slopes mostly are: this is for choosing an order.
  static double getKeySlope(ArrayRef<Term> terms);
  /// The sum of `terms`, times `scale`.
  Lane add(ArrayRef<Term> terms, double scale);

  /// The integer type in which positions of `region` cannot overflow, for
  /// positions below 2^25: i32 where products and constants are small.
  static Type getPositionType(Region &region);

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  int64_t rows, columns;
  Type position;
  /// Whether functions may be computed to the precision of 16-bit types.
  bool isApproximate;

private:
  std::optional<Affine> getAffine(Value v);
  void trackAffine(Operation &op);
  std::optional<Lane> convertAffine(Operation &op);
  Value convertUniform(Value index);
  Lane ramp(Value start, double step, Lane::Dependence along);
  Value scale(Operation &op, ArrayRef<Value> values);
  void allowApproximation(Operation *op);
  bool collect(Value v, double coefficient, Value factor,
               SmallVectorImpl<Term> &terms);
  FailureOr<Lane> lookup(Operation *user, Value v);
  LogicalResult apply(Operation &op, bool speculative);
  LogicalResult applyBlock(Block &block, bool speculative);

  DenseMap<Value, Lane> lanes;
  /// Values of regions that are affine, and those that are the distance of one
  /// from 0; floats are the numbers that these are.
  DenseMap<Value, Affine> affines, distances;
};

} // namespace seqc::totile

#endif // SEQC_LIB_CONVERSION_SEQCTOTILE_LANES_H
