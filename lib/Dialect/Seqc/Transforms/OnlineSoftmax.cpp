//===- OnlineSoftmax.cpp - attention -> online attention ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Softmax in its running form: the probabilities of a row never exist as a
// whole. What is carried over the keys of a row is its maximum, the sum of its
// exponentials and their weighted sum of values; the division comes last.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <cmath>

namespace seqc {
#define GEN_PASS_DEF_SEQCONLINESOFTMAX
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

static void rewrite(RewriterBase &b, AttentionOp op) {
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  auto queryType = cast<RankedTensorType>(op.getQuery().getType());
  FloatType type = getAccumulatorType(queryType.getElementType());
  auto dim = [&](Value v, int64_t i) {
    return tensor::getMixedSize(b, loc, v, i);
  };
  SmallVector<OpFoldResult> rows = {
      dim(op.getQuery(), 0), dim(op.getQuery(), 1), dim(op.getQuery(), 2)};
  SmallVector<OpFoldResult> full = rows;
  full.push_back(dim(op.getValue(), 3));
  // No rows: nothing to compute.
  if (llvm::is_contained(queryType.getShape().take_front(3), 0)) {
    Value out =
        tensor::EmptyOp::create(b, loc, full, queryType.getElementType());
    SmallVector<Value> results = {
        tensor::CastOp::create(b, loc, op.getOut().getType(), out)};
    if (op.getLse()) {
      Value lse = tensor::EmptyOp::create(b, loc, rows, type);
      results.push_back(
          tensor::CastOp::create(b, loc, op.getLse().getType(), lse));
    }
    b.replaceOp(op, results);
    return;
  }
  auto filled = [&](ArrayRef<OpFoldResult> sizes, double value) -> Value {
    Value c = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
    Value e = tensor::EmptyOp::create(b, loc, sizes, type);
    return linalg::FillOp::create(b, loc, c, e).getResult(0);
  };
  double lowest = -std::numeric_limits<double>::infinity();
  Value max = filled(rows, lowest), sum = filled(rows, 0.0),
        acc = filled(full, 0.0);

  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  SmallVector<Value> offsets(4, zero);
  SmallVector<Value> lengths = {
      getValueOrCreateConstantIndexOp(b, loc, rows[2]),
      getValueOrCreateConstantIndexOp(b, loc, dim(op.getKey(), 2))};
  double scale = op.getScale()
                     ? op.getScale()->convertToDouble()
                     : 1.0 / std::sqrt(double(queryType.getDimSize(3)));

  // A window wider than any sequence is none; positions plus or minus the
  // others stay far from overflow.
  auto window = [](IntegerAttr bound) -> IntegerAttr {
    return bound && bound.getInt() < (int64_t(1) << 40) ? bound : IntegerAttr();
  };
  auto online = OnlineAttentionOp::create(
      b, loc, TypeRange{max.getType(), sum.getType(), acc.getType()},
      op.getQuery(), op.getKey(), op.getValue(), op.getBias(),
      op.getQuerySegments(), op.getKeySegments(), op.getPrefix(),
      op.getKeyLengths(), op.getSeed(), offsets, lengths, max, sum, acc,
      b.getF64FloatAttr(scale), op.getCausalAttr(),
      window(op.getWindowLeftAttr()), window(op.getWindowRightAttr()),
      op.getAlignmentAttr(), op.getDropoutAttr(),
      TileClassAttr::get(b.getContext(), TileClass::Partial),
      op.getScheduleAttr());
  b.inlineRegionBefore(op.getScore(), online.getScore(),
                       online.getScore().end());
  b.inlineRegionBefore(op.getMask(), online.getMask(), online.getMask().end());

  auto outType = cast<RankedTensorType>(op.getOut().getType());
  SmallVector<Value> inits = {
      tensor::EmptyOp::create(b, loc, full, outType.getElementType())};
  if (op.getLse())
    inits.push_back(tensor::EmptyOp::create(b, loc, rows, type));
  auto finish = SoftmaxFinishOp::create(
      b, loc, TypeRange(ValueRange(inits).getTypes()), online.getMax(),
      online.getSum(), online.getAcc(), op.getSinks(), inits[0],
      inits.size() > 1 ? inits[1] : Value());
  SmallVector<Value> results;
  for (auto [result, value] : llvm::zip(op.getResults(), finish.getResults()))
    results.push_back(
        result.getType() == value.getType()
            ? Value(value)
            : tensor::CastOp::create(b, loc, result.getType(), value)
                  .getResult());
  b.replaceOp(op, results);
}

namespace {
struct OnlineSoftmaxPass
    : public seqc::impl::SeqcOnlineSoftmaxBase<OnlineSoftmaxPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AttentionOp> ops;
    getOperation()->walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops) {
      rewrite(rewriter, op);
      ++numRewritten;
    }
  }
};
} // namespace
