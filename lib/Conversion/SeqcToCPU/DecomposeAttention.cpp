//===- DecomposeAttention.cpp - Tiles of attention -> linalg --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"
#include "TileScores.h"

#include <array>
#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::decomposition;

SmallVector<Value> decomposition::decompose(Emitter &e, OnlineAttentionOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto queryShape = cast<RankedTensorType>(op.getQuery().getType()).getShape();
  int64_t M = queryShape[2], D = queryShape[3];
  int64_t N = cast<RankedTensorType>(op.getKey().getType()).getDimSize(2);
  int64_t Dv = cast<RankedTensorType>(op.getValue().getType()).getDimSize(3);
  AffineMap row = e.map({0}, 2), col = e.map({1}, 2), both = e.map({0, 1}, 2);
  AffineMap swapped = e.map({1, 0}, 2);

  // scores = (scale query) key^T, in base 2 unless a region wants base e.
  using Scores = TileScores<OnlineAttentionOp>;
  double scale = op.getScale().convertToDouble() * Scores::getBaseFactor(op);
  Value factor = e.constant(scale);
  Value query = e.elementwise(
      {M, D}, e.acc, e.dropUnitDims(op.getQuery(), 2), both,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, e.extend(nb, a[0]), factor);
      });
  Value keyT =
      e.elementwise({D, N}, e.acc, e.dropUnitDims(op.getKey(), 2), swapped,
                    [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                      return e.extend(nb, a[0]);
                    });
  Value value = e.dropUnitDims(op.getValue(), 2);
  if (getElementTypeOrSelf(value.getType()) != e.acc)
    value = e.elementwise({N, Dv}, e.acc, value, both,
                          [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                            return e.extend(nb, a[0]);
                          });
  Value zeroScores = e.zeros({M, N});
  Value scores = linalg::MatmulOp::create(b, zeroScores.getType(),
                                          ValueRange{query, keyT}, zeroScores)
                     .getResult(0);

  // Score region, bias and mask, elementwise on the tile.
  Scores tile(e, op, /*hideRows=*/false);
  if (!tile.isIdentity())
    scores = e.elementwise(
        {M, N}, e.acc, tile.getInputs(), tile.getMaps(),
        [&](ImplicitLocOpBuilder &nb, ValueRange a) {
          return tile.build(nb, a, a.back()).value;
        },
        scores);

  // What each row is shifted by: the maximum so far, but 0 while a row has seen
  // nothing, so that no exponential sees -inf minus -inf. The old maximum is
  // read for the last time before the new one takes its place.
  AffineMap row1 = e.map({0}, 1);
  Value lowest = e.constant(-std::numeric_limits<double>::infinity());
  Value zero = e.constant(0.0);
  Value oldMax = e.collapseUnitDims(op.getMaxInit(), 1);
  Value tileMax =
      linalg::FillOp::create(b, lowest, e.empty({M}, e.acc)).getResult(0);
  tileMax = e.generic(scores, tileMax, {both, row}, {par, red},
                      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                        return arith::MaximumFOp::create(nb, a[0], a[1]);
                      });
  Value shift =
      e.elementwise({M}, e.acc, {oldMax, tileMax}, {row1, row1},
                    [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      Value max = arith::MaximumFOp::create(nb, a[0], a[1]);
                      Value none = arith::CmpFOp::create(
                          nb, arith::CmpFPredicate::OEQ, max, lowest);
                      return arith::SelectOp::create(nb, none, zero, max);
                    });
  Value rescale = e.elementwise(
      {M}, e.acc, {oldMax, shift}, {row1, row1},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return math::Exp2Op::create(nb, arith::SubFOp::create(nb, a[0], a[1]));
      });
  Value max = e.elementwise(
      {M}, e.acc, tileMax, row1,
      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MaximumFOp::create(nb, a[1], a[0]);
      },
      oldMax);
  Value weights = e.elementwise(
      {M, N}, e.acc, shift, row,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return math::Exp2Op::create(nb, arith::SubFOp::create(nb, a[1], a[0]));
      },
      scores);
  Value sum = e.elementwise(
      {M}, e.acc, rescale, row1,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, a[0], a[1]);
      },
      e.collapseUnitDims(op.getSumInit(), 1));
  sum = e.generic(weights, sum, {both, row}, {par, red},
                  [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                    return arith::AddFOp::create(nb, a[0], a[1]);
                  });

  if (op.getDropout()) {
    TileDropout<OnlineAttentionOp> dropout(e, op);
    weights = e.elementwise(
        {M, N}, e.acc, {}, {},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          return dropout.build(nb, a[0]);
        },
        weights);
  }

  Value acc = e.elementwise(
      {M, Dv}, e.acc, rescale, row,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, a[1], a[0]);
      },
      e.collapseUnitDims(op.getAccInit(), 2));
  acc = linalg::MatmulOp::create(b, acc.getType(), ValueRange{weights, value},
                                 acc)
            .getResult(0);
  return {e.addUnitDims(max, op.getMax().getType()),
          e.addUnitDims(sum, op.getSum().getType()),
          e.addUnitDims(acc, op.getAcc().getType())};
}

SmallVector<Value> decomposition::decompose(Emitter &e, SoftmaxFinishOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto outType = cast<RankedTensorType>(op.getOut().getType());
  int64_t M = outType.getDimSize(2), Dv = outType.getDimSize(3);
  AffineMap row1 = e.map({0}, 1), row = e.map({0}, 2), both = e.map({0, 1}, 2);
  Value max = e.dropUnitDims(op.getMax(), 1);
  Value sum = e.dropUnitDims(op.getSum(), 1);
  Value acc = e.dropUnitDims(op.getAcc(), 2);
  Value zero = e.constant(0.0), one = e.constant(1.0);
  Value lowest = e.constant(-std::numeric_limits<double>::infinity());

  // The factor of each row of acc; a sink is one more term of the denominator.
  Value sink;
  if (op.getSinks()) {
    Value index = arith::ConstantIndexOp::create(b, 0);
    sink = tensor::ExtractOp::create(b, op.getSinks(), ValueRange{index});
    sink = arith::MulFOp::create(b, e.extend(b, sink), e.constant(log2e));
  }
  // (max', weight of the state, sum') of one row.
  auto withSink = [&](ImplicitLocOpBuilder &nb, Value m, Value s) {
    if (!sink)
      return std::array<Value, 3>{m, one, s};
    Value top = arith::MaximumFOp::create(nb, m, sink);
    Value none =
        arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, m, lowest);
    Value w = math::Exp2Op::create(nb, arith::SubFOp::create(nb, m, top));
    w = arith::SelectOp::create(nb, none, zero, w);
    // A sink of -inf adds nothing, whatever the maximum.
    Value noSink =
        arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, sink, lowest);
    Value extra =
        math::Exp2Op::create(nb, arith::SubFOp::create(nb, sink, top));
    extra = arith::SelectOp::create(nb, noSink, zero, extra);
    Value total =
        arith::AddFOp::create(nb, arith::MulFOp::create(nb, w, s), extra);
    return std::array<Value, 3>{top, w, total};
  };
  Value factor = e.elementwise(
      {M}, e.acc, {max, sum}, {row1, row1},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        auto [m, w, s] = withSink(nb, a[0], a[1]);
        Value none =
            arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, s, zero);
        return arith::SelectOp::create(nb, none, zero,
                                       arith::DivFOp::create(nb, w, s));
      });
  Value out = e.elementwise(
      {M, Dv}, outType.getElementType(), {acc, factor}, {both, row},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return e.truncate(nb, arith::MulFOp::create(nb, a[0], a[1]),
                          outType.getElementType());
      },
      e.collapseUnitDims(op.getOutInit(), 2));
  SmallVector<Value> results = {e.addUnitDims(out, outType)};
  if (op.getLse()) {
    Value toNatural = e.constant(ln2);
    Value lse = e.elementwise(
        {M}, e.acc, {max, sum}, {row1, row1},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          auto [m, w, s] = withSink(nb, a[0], a[1]);
          Value sumLog = math::Log2Op::create(nb, s);
          return arith::MulFOp::create(nb, toNatural,
                                       arith::AddFOp::create(nb, m, sumLog));
        },
        e.collapseUnitDims(op.getLseInit(), 1));
    results.push_back(e.addUnitDims(lse, op.getLse().getType()));
  }
  return results;
}
