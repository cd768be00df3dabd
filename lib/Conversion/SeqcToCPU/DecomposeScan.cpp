//===- DecomposeScan.cpp - Tiles of scans and convolutions -> linalg ------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::decomposition;

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

Value decomposition::buildSoftplus(Emitter &e, ImplicitLocOpBuilder &b,
                                   Value x) {
  Value soft = math::Log1pOp::create(b, math::ExpOp::create(b, x));
  Value large = arith::CmpFOp::create(b, arith::CmpFPredicate::UGT, x,
                                      e.constant(b, 20.0));
  return arith::SelectOp::create(b, large, x, soft);
}

/// x / (1 + exp(-x)).
static Value buildSilu(Emitter &e, ImplicitLocOpBuilder &b, Value x) {
  Value down = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  Value denominator = arith::AddFOp::create(b, e.constant(b, 1.0), down);
  return arith::DivFOp::create(b, x, denominator);
}

SmallVector<Value> decomposition::decompose(Emitter &e, ChunkScanOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto uType = cast<RankedTensorType>(op.getU().getType());
  int64_t C = uType.getDimSize(1), T = uType.getDimSize(2);
  int64_t N = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
  AffineMap swapped = e.map({1, 0}, 2), both = e.map({0, 1}, 2);
  AffineMap first = e.map({0}, 2), second = e.map({1}, 2);

  // Everything as (time, channel) or (state, channel), so that the recurrence
  // is elementwise along channels.
  auto transposed = [&](Value v, int64_t rows, int64_t cols, double factor) {
    Value f = factor == 1.0 ? Value() : e.constant(factor);
    return e.elementwise({rows, cols}, e.acc, v, swapped,
                         [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                           Value x = e.extend(nb, a[0]);
                           return f ? arith::MulFOp::create(nb, x, f) : x;
                         });
  };
  Value delta = transposed(e.dropUnitDims(op.getDelta(), 2), T, C, 1.0);
  if (op.getDeltaBias() || op.getDeltaSoftplus()) {
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    if (op.getDeltaBias()) {
      inputs.push_back(op.getDeltaBias());
      maps.push_back(second);
    }
    delta = e.elementwise(
        {T, C}, e.acc, inputs, maps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value x = a.back();
          if (op.getDeltaBias())
            x = arith::AddFOp::create(nb, x, e.extend(nb, a[0]));
          return op.getDeltaSoftplus() ? buildSoftplus(e, nb, x) : x;
        },
        delta);
  }
  Value u = transposed(e.dropUnitDims(op.getU(), 2), T, C, 1.0);
  Value deltaU =
      e.elementwise({T, C}, e.acc, {delta, u}, {both, both},
                    [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      return arith::MulFOp::create(nb, a[0], a[1]);
                    });
  Value A = transposed(op.getA(), N, C, log2e);
  Value state = transposed(e.dropUnitDims(op.getStateInit(), 2), N, C, 1.0);
  // B and C vary with time, as (time, state), or with the channel.
  auto parameter = [&](Value v) -> std::pair<Value, bool> {
    bool varies = cast<RankedTensorType>(v.getType()).getRank() > 2;
    return {
        transposed(e.dropUnitDims(v, 2), varies ? T : N, varies ? N : C, 1.0),
        varies};
  };
  auto [B, variableB] = parameter(op.getB());
  Value Cm;
  bool variableC = false;
  bool hasOut = bool(op.getOutInit());
  if (hasOut)
    std::tie(Cm, variableC) = parameter(op.getC());

  Value zeroIndex = arith::ConstantIndexOp::create(b, 0);
  Value oneIndex = arith::ConstantIndexOp::create(b, 1);
  Value steps = op.getSteps();
  if (!steps)
    steps = arith::ConstantIndexOp::create(b, T);
  SmallVector<Value> carried = {state};
  if (hasOut)
    carried.push_back(e.empty({T, C}, e.acc));
  auto loop = scf::ForOp::create(b, zeroIndex, steps, oneIndex, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value t = loop.getInductionVar();
    auto rowAt = [&](Value v) -> Value {
      auto type = cast<RankedTensorType>(v.getType());
      int64_t width = type.getDimSize(1);
      SmallVector<OpFoldResult> offsets = {t, b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1),
                                         b.getIndexAttr(width)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      return tensor::ExtractSliceOp::create(
          b, RankedTensorType::get({width}, type.getElementType()), v, offsets,
          sizes, ones);
    };
    // One operator updates the state and reduces it to this step's output.
    Value h = loop.getRegionIterArg(0);
    SmallVector<Value> inputs = {rowAt(delta), A, rowAt(deltaU),
                                 variableB ? rowAt(B) : B};
    SmallVector<AffineMap> maps = {second, both, second,
                                   variableB ? first : both};
    SmallVector<Value> inits = {h};
    if (hasOut) {
      inputs.push_back(variableC ? rowAt(Cm) : Cm);
      maps.push_back(variableC ? first : both);
      inits.push_back(linalg::FillOp::create(b, e.constant(0.0),
                                             rowAt(loop.getRegionIterArg(1)))
                          .getResult(0));
    }
    maps.push_back(both);
    if (hasOut)
      maps.push_back(second);
    SmallVector<utils::IteratorType> iterators = {hasOut ? red : par, par};
    auto step = linalg::GenericOp::create(
        b, TypeRange(ValueRange(inits).getTypes()), inputs, inits, maps,
        iterators, [&](OpBuilder &nested, Location loc, ValueRange a) {
          ImplicitLocOpBuilder nb(loc, nested);
          unsigned state = inputs.size();
          Value decay =
              math::Exp2Op::create(nb, arith::MulFOp::create(nb, a[0], a[1]));
          Value input = arith::MulFOp::create(nb, a[2], a[3]);
          Value next = math::FmaOp::create(nb, decay, a[state], input);
          SmallVector<Value> yielded = {next};
          if (hasOut) {
            Value x = arith::MulFOp::create(nb, next, a[4]);
            yielded.push_back(arith::AddFOp::create(nb, a[state + 1], x));
          }
          linalg::YieldOp::create(nb, yielded);
        });
    SmallVector<Value> yielded = {step.getResult(0)};
    if (hasOut) {
      SmallVector<OpFoldResult> offsets = {t, b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), b.getIndexAttr(C)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      yielded.push_back(tensor::InsertSliceOp::create(b, step.getResult(1),
                                                      loop.getRegionIterArg(1),
                                                      offsets, sizes, ones));
    }
    scf::YieldOp::create(b, yielded);
  }

  SmallVector<Value> results;
  if (hasOut) {
    SmallVector<Value> operands = {transposed(loop.getResult(1), C, T, 1.0)};
    SmallVector<AffineMap> outMaps = {both};
    unsigned indexU = 0, indexZ = 0;
    if (op.getD()) {
      operands.push_back(e.dropUnitDims(op.getU(), 2));
      outMaps.push_back(both);
      indexU = operands.size() - 1;
      operands.push_back(op.getD());
      outMaps.push_back(first);
    }
    if (op.getZ()) {
      operands.push_back(e.dropUnitDims(op.getZ(), 2));
      outMaps.push_back(both);
      indexZ = operands.size() - 1;
    }
    Type element = uType.getElementType();
    Value out = e.elementwise(
        {C, T}, element, operands, outMaps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value y = a[0];
          if (op.getD()) {
            Value skip = arith::MulFOp::create(nb, e.extend(nb, a[indexU]),
                                               e.extend(nb, a[indexU + 1]));
            y = arith::AddFOp::create(nb, y, skip);
          }
          if (op.getZ())
            y = arith::MulFOp::create(
                nb, y, buildSilu(e, nb, e.extend(nb, a[indexZ])));
          return e.truncate(nb, y, element);
        },
        e.collapseUnitDims(op.getOutInit(), 2));
    results.push_back(e.addUnitDims(out, op.getOut().getType()));
  }
  auto back = [&](Value v, Value init) {
    return e.elementwise(
        {C, N}, e.acc, v, swapped,
        [](ImplicitLocOpBuilder &nb, ValueRange a) { return a[0]; }, init);
  };
  // The state goes back to where it came from.
  results.push_back(e.addUnitDims(
      back(loop.getResult(0), e.collapseUnitDims(op.getStateInit(), 2)),
      op.getState().getType()));
  if (op.getDecayInit()) {
    // The product of the decays is one exponential of the sum of deltas.
    Value total = e.zeros({C});
    auto sumLoop = scf::ForOp::create(b, zeroIndex, steps, oneIndex, total);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(sumLoop.getBody());
      SmallVector<OpFoldResult> offsets = {sumLoop.getInductionVar(),
                                           b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), b.getIndexAttr(C)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      Value now = tensor::ExtractSliceOp::create(
          b, RankedTensorType::get({C}, e.acc), delta, offsets, sizes, ones);
      Value next = e.elementwise(
          {C}, e.acc, now, e.map({0}, 1),
          [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
            return arith::AddFOp::create(nb, a[0], a[1]);
          },
          sumLoop.getRegionIterArg(0));
      scf::YieldOp::create(b, next);
    }
    Value toBase2 = e.constant(log2e);
    Value decay = e.elementwise(
        {C, N}, e.acc, {op.getA(), sumLoop.getResult(0)}, {both, first},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value rate = arith::MulFOp::create(nb, e.extend(nb, a[0]), toBase2);
          Value p =
              math::Exp2Op::create(nb, arith::MulFOp::create(nb, rate, a[1]));
          return arith::MulFOp::create(nb, p, a[2]);
        },
        e.collapseUnitDims(op.getDecayInit(), 2));
    results.push_back(e.addUnitDims(decay, op.getDecay().getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

SmallVector<Value> decomposition::decompose(Emitter &e, CausalConv1dOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto type = cast<RankedTensorType>(op.getX().getType());
  Type element = type.getElementType();
  int64_t C = type.getDimSize(1), T = type.getDimSize(2);
  int64_t W = cast<RankedTensorType>(op.getWeight().getType()).getDimSize(1);
  AffineMap both = e.map({0, 1}, 2), first = e.map({0}, 2);
  SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
  auto at = [&](int64_t column) {
    return SmallVector<OpFoldResult>{b.getIndexAttr(0), b.getIndexAttr(column)};
  };
  auto extent = [&](int64_t width) {
    return SmallVector<OpFoldResult>{b.getIndexAttr(C), b.getIndexAttr(width)};
  };

  // The chunk behind its history.
  Value padded = e.dropUnitDims(op.getX(), 2);
  if (W > 1) {
    Value history;
    if (op.getInitialState()) {
      history = e.dropUnitDims(op.getInitialState(), 2);
    } else {
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(element));
      history = linalg::FillOp::create(b, zero, e.empty({C, W - 1}, element))
                    .getResult(0);
    }
    Value buffer = tensor::InsertSliceOp::create(
        b, history, e.empty({C, T + W - 1}, element), at(0), extent(W - 1),
        ones);
    padded = tensor::InsertSliceOp::create(b, padded, buffer, at(W - 1),
                                           extent(T), ones);
  }

  // One input per tap.
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (int64_t w = 0; w < W; ++w) {
    inputs.push_back(
        tensor::ExtractSliceOp::create(b, padded, at(w), extent(T), ones));
    maps.push_back(both);
  }
  for (int64_t w = 0; w < W; ++w) {
    auto column = RankedTensorType::get(
        {C}, getElementTypeOrSelf(op.getWeight().getType()));
    inputs.push_back(tensor::ExtractSliceOp::create(b, column, op.getWeight(),
                                                    at(w), extent(1), ones));
    maps.push_back(first);
  }
  if (op.getBias()) {
    inputs.push_back(op.getBias());
    maps.push_back(first);
  }
  Value out = e.elementwise(
      {C, T}, element, inputs, maps,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value sum;
        if (op.getBias())
          sum = e.extend(nb, a[2 * W]);
        for (int64_t w = 0; w < W; ++w) {
          Value x = arith::MulFOp::create(nb, e.extend(nb, a[w]),
                                          e.extend(nb, a[W + w]));
          sum = sum ? arith::AddFOp::create(nb, sum, x).getResult() : x;
        }
        if (op.getActivation() == Activation::Silu)
          sum = buildSilu(e, nb, sum);
        return e.truncate(nb, sum, element);
      });
  SmallVector<Value> results = {e.addUnitDims(out, op.getOut().getType())};
  if (op.getFinalState()) {
    Value state =
        tensor::ExtractSliceOp::create(b, padded, at(T), extent(W - 1), ones);
    // The state goes back to where it came from.
    if (op.getInitialState()) {
      Value home = e.collapseUnitDims(op.getInitialState(), 2);
      state = bufferization::MaterializeInDestinationOp::create(
                  b, home.getType(), state, home)
                  .getResult();
    }
    results.push_back(e.addUnitDims(state, op.getFinalState().getType()));
  }
  return results;
}
