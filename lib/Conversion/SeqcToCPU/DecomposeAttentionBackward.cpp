//===- DecomposeAttentionBackward.cpp - Gradients of a tile -> linalg -----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of M queries and N keys takes two products to recompute what the
// forward had, and one for each gradient:
//
//   S  = (scale Q) K^T                                       M x D x N
//   P  = exp2(log2(e) (score(S) - lse)), and score'(S)
//   dP = dO V^T                                              M x Dv x N
//   dS = P (Z dP - delta) score' scale
//   dV += (Z P)^T dO     dK += dS^T Q     dQ += dS K
//
// Without the last two factors dS is the gradient of a bias; with the
// derivative in what a region captures in place of score', it is that of this.
// Both are summed over the dimensions in which their accumulator is 1.
//
// Z is dropout's factor. A row with lse = -inf is shifted by +inf, so that all
// of its P are 0 and no infinity meets another. Where P is 0, so is dS,
// whatever the derivative of the score region says there.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"
#include "TileScores.h"

#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::decomposition;

/// init[c, d] += sum_r x[r, c] y[r, d].
static Value addTransposedProduct(Emitter &e, Value x, Value y, Value init) {
  return e.generic(
      {x, y}, init, {e.map({2, 0}, 3), e.map({2, 1}, 3), e.map({0, 1}, 3)},
      {par, par, red}, [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value product = arith::MulFOp::create(nb, a[0], a[1]);
        return arith::AddFOp::create(nb, a[2], product);
      });
}

/// The sum of `dx` over the dimensions in which an accumulator has extent 1,
/// added to that.
static Value addPairs(Emitter &e, Value dx, Value init) {
  ImplicitLocOpBuilder &b = e.b;
  auto type = cast<RankedTensorType>(init.getType());
  SmallVector<unsigned> dims;
  SmallVector<utils::IteratorType> iterators;
  for (unsigned i : {0u, 1u}) {
    bool isKept = type.getDimSize(2 + i) != 1;
    iterators.push_back(isKept ? par : red);
    if (isKept)
      dims.push_back(i);
  }
  AffineMap sum =
      AffineMap::get(2, 0, e.map(dims, 2).getResults(), b.getContext());
  // An accumulator of one number has a tensor without dimensions.
  SmallVector<ReassociationIndices> none;
  Value reduced =
      dims.empty()
          ? tensor::CollapseShapeOp::create(
                b, RankedTensorType::get({}, type.getElementType()), init, none)
                .getResult()
          : e.collapseUnitDims(init, dims.size());
  reduced = e.generic(dx, reduced, {e.map({0, 1}, 2), sum}, iterators,
                      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                        return arith::AddFOp::create(nb, a[1], a[0]);
                      });
  if (dims.empty())
    return tensor::ExpandShapeOp::create(b, type, reduced, none);
  return e.addUnitDims(reduced, type);
}

SmallVector<Value> decomposition::decompose(Emitter &e,
                                            BlockAttentionBackwardOp op) {
  ImplicitLocOpBuilder &b = e.b;
  int64_t M = op.getQuery().getType().getDimSize(2);
  int64_t D = op.getQuery().getType().getDimSize(3);
  int64_t N = op.getKey().getType().getDimSize(2);
  int64_t Dv = op.getValue().getType().getDimSize(3);
  AffineMap row = e.map({0}, 2), both = e.map({0, 1}, 2);
  AffineMap swapped = e.map({1, 0}, 2), row1 = e.map({0}, 1);
  bool wantsQuery = bool(op.getQueryGradInit());
  bool wantsKeys = bool(op.getKeyGradInit());
  bool wantsBias = bool(op.getBiasGradInit());
  bool wantsCaptured = bool(op.getCapturedGradInit());
  bool sumsRows = false;
  for (unsigned i = 0; i < op.getNumResults(); ++i)
    sumsRows |= op.isSummedOver(i, 2);

  // Operands in the accumulator type, and in the order that products read.
  auto extended = [&](Value tile, ArrayRef<int64_t> shape,
                      bool transpose) -> Value {
    Value flat = e.dropUnitDims(tile, 2);
    if (!transpose && getElementTypeOrSelf(flat.getType()) == e.acc)
      return flat;
    return e.elementwise(shape, e.acc, flat, transpose ? swapped : both,
                         [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                           return e.extend(nb, a[0]);
                         });
  };
  auto product = [&](Value lhs, Value rhs, Value init) -> Value {
    return linalg::MatmulOp::create(b, init.getType(), ValueRange{lhs, rhs},
                                    init)
        .getResult(0);
  };

  // The scores again.
  using Scores = TileScores<BlockAttentionBackwardOp>;
  double scale = op.getScale().convertToDouble();
  Value factor = e.constant(scale * Scores::getBaseFactor(op));
  Value query = e.elementwise(
      {M, D}, e.acc, e.dropUnitDims(op.getQuery(), 2), both,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, e.extend(nb, a[0]), factor);
      });
  Value scores =
      product(query, extended(op.getKey(), {D, N}, true), e.zeros({M, N}));

  Scores tile(e, op, sumsRows);

  // P takes their place; the derivative of the region, if any, is beside it.
  double infinity = std::numeric_limits<double>::infinity();
  Value lowest = e.constant(-infinity), highest = e.constant(infinity);
  Value toBase2 = e.constant(log2e);
  Value shift =
      e.elementwise({M}, e.acc, e.dropUnitDims(op.getLse(), 1), row1,
                    [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      Value none = arith::CmpFOp::create(
                          nb, arith::CmpFPredicate::OEQ, a[0], lowest);
                      Value scaled = arith::MulFOp::create(nb, a[0], toBase2);
                      return arith::SelectOp::create(nb, none, highest, scaled);
                    });
  bool hasDerivative = !op.getScore().empty() && (wantsQuery || wantsKeys);
  SmallVector<Value> inputs(tile.getInputs());
  SmallVector<AffineMap> maps(tile.getMaps());
  inputs.push_back(shift);
  maps.push_back(row);
  unsigned shiftIndex = inputs.size() - 1;
  SmallVector<Value> inits = {scores};
  if (hasDerivative)
    inits.push_back(e.empty({M, N}, e.acc));
  if (wantsCaptured)
    inits.push_back(e.empty({M, N}, e.acc));
  maps.append(inits.size(), both);
  auto weigh = linalg::GenericOp::create(
      b, TypeRange(ValueRange(inits)), inputs, inits, maps,
      ArrayRef<utils::IteratorType>{par, par},
      [&](OpBuilder &nested, Location loc, ValueRange a) {
        ImplicitLocOpBuilder nb(loc, nested);
        Score score = tile.build(nb, a, a[shiftIndex + 1]);
        Value p = math::Exp2Op::create(
            nb, arith::SubFOp::create(nb, score.value, a[shiftIndex]));
        SmallVector<Value> results = {p};
        if (hasDerivative)
          results.push_back(score.derivative);
        if (wantsCaptured)
          results.push_back(score.captured);
        linalg::YieldOp::create(nb, results);
      });
  Value weights = weigh.getResult(0);

  // What dropout multiplies each weight with.
  Value keep;
  if (op.getDropout()) {
    TileDropout<BlockAttentionBackwardOp> dropout(e, op);
    Value one = e.constant(1.0);
    keep = e.elementwise({M, N}, e.acc, {}, {},
                         [&](ImplicitLocOpBuilder &nb, ValueRange) {
                           return dropout.build(nb, one);
                         });
  }

  Value outGrad = extended(op.getOutGrad(), {M, Dv}, false);
  Value valueGrad;
  if (wantsKeys) {
    Value kept = weights;
    if (keep)
      kept = e.elementwise({M, N}, e.acc, {weights, keep}, {both, both},
                           [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                             return arith::MulFOp::create(nb, a[0], a[1]);
                           });
    valueGrad = addTransposedProduct(
        e, kept, outGrad, e.collapseUnitDims(op.getValueGradInit(), 2));
  }

  // dP, and in its place dx and ds.
  Value gradient =
      product(outGrad, extended(op.getValue(), {Dv, N}, true), e.zeros({M, N}));
  Value delta = e.dropUnitDims(op.getDelta(), 1);
  Value zero = e.constant(0.0), scaling = e.constant(scale);
  bool mayVanish = tile.isMasked() || !op.getScore().empty();
  auto toScores = [&](ImplicitLocOpBuilder &nb, Value dx,
                      Value derivative) -> Value {
    Value ds = arith::MulFOp::create(nb, dx, scaling);
    if (derivative)
      ds = arith::MulFOp::create(nb, ds, derivative);
    return ds;
  };
  // Also where P is NaN.
  auto whereVisible = [&](ImplicitLocOpBuilder &nb, Value p,
                          Value value) -> Value {
    if (!mayVanish)
      return value;
    Value some = arith::CmpFOp::create(nb, arith::CmpFPredicate::UNE, p, zero);
    return arith::SelectOp::create(nb, some, value, zero);
  };
  bool wantsScores = wantsQuery || wantsKeys;
  inputs = {weights, delta};
  maps = {both, row};
  unsigned keepIndex = inputs.size();
  if (keep) {
    inputs.push_back(keep);
    maps.push_back(both);
  }
  unsigned derivativeIndex = inputs.size();
  bool wantsPairs = wantsBias || wantsCaptured;
  bool fuse = wantsScores && !wantsPairs;
  if (fuse && hasDerivative) {
    inputs.push_back(weigh.getResult(1));
    maps.push_back(both);
  }
  gradient = e.elementwise(
      {M, N}, e.acc, inputs, maps,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value dp = a.back();
        if (keep)
          dp = arith::MulFOp::create(nb, dp, a[keepIndex]);
        Value dx = arith::MulFOp::create(nb, a[0],
                                         arith::SubFOp::create(nb, dp, a[1]));
        if (fuse)
          dx = toScores(nb, dx, hasDerivative ? a[derivativeIndex] : Value());
        return whereVisible(nb, a[0], dx);
      },
      gradient);

  SmallVector<Value> results;
  Value biasGrad, capturedGrad;
  if (wantsBias)
    biasGrad = addPairs(e, gradient, op.getBiasGradInit());
  if (wantsCaptured) {
    Value captured = e.elementwise(
        {M, N}, e.acc,
        {weights, gradient, weigh.getResult(weigh.getNumResults() - 1)},
        {both, both, both},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value product = arith::MulFOp::create(nb, a[1], a[2]);
          return whereVisible(nb, a[0], product);
        });
    capturedGrad = addPairs(e, captured, op.getCapturedGradInit());
  }
  if (wantsPairs && wantsScores) {
    inputs = {weights};
    maps = {both};
    if (hasDerivative) {
      inputs.push_back(weigh.getResult(1));
      maps.push_back(both);
    }
    gradient = e.elementwise(
        {M, N}, e.acc, inputs, maps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value ds = toScores(nb, a.back(), hasDerivative ? a[1] : Value());
          return hasDerivative ? whereVisible(nb, a[0], ds) : ds;
        },
        gradient);
  }
  if (wantsQuery) {
    Value queryGrad = product(gradient, extended(op.getKey(), {N, D}, false),
                              e.collapseUnitDims(op.getQueryGradInit(), 2));
    results.push_back(
        e.addUnitDims(queryGrad, op.getQueryGradInit().getType()));
  }
  if (wantsKeys) {
    Value keyGrad = addTransposedProduct(
        e, gradient, extended(op.getQuery(), {M, D}, false),
        e.collapseUnitDims(op.getKeyGradInit(), 2));
    results.push_back(e.addUnitDims(keyGrad, op.getKeyGradInit().getType()));
    results.push_back(
        e.addUnitDims(valueGrad, op.getValueGradInit().getType()));
  }
  if (wantsBias)
    results.push_back(biasGrad);
  if (wantsCaptured)
    results.push_back(capturedGrad);
  return results;
}
