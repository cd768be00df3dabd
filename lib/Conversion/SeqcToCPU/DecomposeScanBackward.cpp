//===- DecomposeScanBackward.cpp - Gradients of a tile -> linalg ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sequences lie as (time, channel), as in the forward, and the two recurrences
// of a state run one after the other:
//
//   for n:
//     for t forwards:   a[t] = exp(dt A[n]);  before[t] = h
//                       h = a[t] h + dt u B[n, t];  C_grad[n, t], y[t] from h
//     for t backwards:  dh = g[t] C[n, t] + e
//                       u_grad, delta_grad, A_grad[n], B_grad[n, t] from dh
//                       e = a[t] dh
//
// State by state, so that what is kept of the states is (time, channel) for one
// n. The states of the lanes of a vector are those of its channels; they, their
// gradient and the sums over time stay in registers. What is shared by the
// channels is summed over the lanes.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::decomposition;

//===----------------------------------------------------------------------===//
// Functions and their derivatives
//===----------------------------------------------------------------------===//

/// 1 / (1 + exp(-x)).
static Value buildSigmoid(Emitter &e, ImplicitLocOpBuilder &b, Value x) {
  Value down = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  Value one = e.constant(b, 1.0);
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, down));
}

/// The derivative of x sigmoid(x): s (1 + x (1 - s)).
static Value buildSiluDerivative(Emitter &e, ImplicitLocOpBuilder &b, Value x) {
  Value one = e.constant(b, 1.0), s = buildSigmoid(e, b, x);
  Value rest = arith::MulFOp::create(b, x, arith::SubFOp::create(b, one, s));
  return arith::MulFOp::create(b, s, arith::AddFOp::create(b, one, rest));
}

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

namespace {

/// The gradients of one tile.
class ScanGradients {
public:
  ScanGradients(Emitter &e, ChunkScanBackwardOp op) : e(e), b(e.b), op(op) {
    auto type = cast<RankedTensorType>(op.getU().getType());
    channels = type.getDimSize(1);
    steps = type.getDimSize(2);
    states = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
    both = e.map({0, 1}, 2);
    swapped = e.map({1, 0}, 2);
    ofRow = e.map({1}, 2);
    needsY = bool(op.getZGradInit());
  }

  SmallVector<Value> build();

private:
  /// What the recurrences read and write, over (time, channel) and (state,
  /// channel); a variable B or C and its gradient over (state, time).
  struct Buffers {
    Value dt, dtU, g;                     // Read.
    Value A, B, C, start;                 // Read.
    Value sumB, sumA, y;                  // sum_n dh B, sum_n dh A a h, C h.
    Value gradState, gradA, gradB, gradC; // Written.
  };

  void prepare();
  void runStates();
  void runState(Value n, Value lane, int64_t width, Buffers &io);
  SmallVector<Value> finish();

  bool variableB() { return op.isVariable(op.getB()); }
  bool variableC() { return op.isVariable(op.getC()); }

  /// `v`, over (rows, columns) without its unit dimensions, as (columns, rows)
  /// in acc.
  Value transpose(Value v) {
    v = e.dropUnitDims(v, 2);
    auto type = cast<RankedTensorType>(v.getType());
    return e.elementwise({type.getDimSize(1), type.getDimSize(0)}, e.acc, v,
                         swapped, [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                           return e.extend(nb, a[0]);
                         });
  }
  /// A variable projection as (state, time), a constant one as (state,
  /// channel).
  Value projection(Value v) {
    if (!op.isVariable(v))
      return transpose(v);
    v = e.dropUnitDims(v, 2);
    if (getElementTypeOrSelf(v.getType()) == e.acc)
      return v;
    return e.elementwise({states, steps}, e.acc, v, both,
                         [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                           return e.extend(nb, a[0]);
                         });
  }
  Value sequence(ValueRange inputs, ArrayRef<AffineMap> maps, Body body,
                 Value init = {}) {
    return e.elementwise({steps, channels}, e.acc, inputs, maps, body, init);
  }

  VectorType vectorOf(int64_t width) { return VectorType::get({width}, e.acc); }
  Value read(Value tensor, Value row, Value lane, int64_t width) {
    bool inBounds[] = {true};
    return vector::TransferReadOp::create(
        b, vectorOf(width), tensor, ValueRange{row, lane},
        /*padding=*/std::nullopt, ArrayRef<bool>(inBounds));
  }
  Value write(Value v, Value tensor, Value row, Value lane) {
    bool inBounds[] = {true};
    return vector::TransferWriteOp::create(b, v, tensor, ValueRange{row, lane},
                                           ArrayRef<bool>(inBounds))
        .getResult();
  }
  Value splat(Value scalar, int64_t width) {
    return vector::BroadcastOp::create(b, vectorOf(width), scalar);
  }
  /// `tensor` with `v` summed over its lanes added at (row, column).
  Value addLanes(Value v, Value tensor, Value row, Value column) {
    Value before =
        tensor::ExtractOp::create(b, tensor, ValueRange{row, column});
    Value sum =
        vector::ReductionOp::create(b, vector::CombiningKind::ADD, v, before);
    return tensor::InsertOp::create(b, sum, tensor, ValueRange{row, column});
  }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }

  Emitter &e;
  ImplicitLocOpBuilder &b;
  ChunkScanBackwardOp op;
  int64_t channels, steps, states;
  AffineMap both, swapped, ofRow;
  bool needsY;
  Value u, delta, outGrad, z, numSteps;
  Buffers io;
};

} // namespace

/// Everything that the recurrences read, and room for what they write.
void ScanGradients::prepare() {
  u = transpose(op.getU());
  delta = transpose(op.getDelta());
  if (Value bias = op.getDeltaBias())
    delta = sequence(
        bias, ofRow,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          return arith::AddFOp::create(nb, a[1], e.extend(nb, a[0]));
        },
        delta);
  io.dt = delta;
  if (op.getDeltaSoftplus())
    io.dt = sequence(delta, both, [&](ImplicitLocOpBuilder &nb, ValueRange a) {
      return buildSoftplus(e, nb, a[0]);
    });
  outGrad = transpose(op.getOutGrad());
  io.g = outGrad;
  if (op.getZ()) {
    z = transpose(op.getZ());
    io.g = sequence({outGrad, z}, {both, both},
                    [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      Value s = buildSigmoid(e, nb, a[1]);
                      Value silu = arith::MulFOp::create(nb, a[1], s);
                      return arith::MulFOp::create(nb, a[0], silu);
                    });
  }
  io.dtU = sequence({io.dt, u}, {both, both},
                    [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      return arith::MulFOp::create(nb, a[0], a[1]);
                    });
  io.A = transpose(op.getA());
  io.B = projection(op.getB());
  io.C = projection(op.getC());
  io.start = transpose(op.getState());
  io.gradState = transpose(op.getStateGradInit());
  io.sumB = e.zeros({steps, channels});
  io.sumA = e.zeros({steps, channels});
  if (needsY)
    io.y = e.zeros({steps, channels});
  io.gradA = e.empty({states, channels}, e.acc);
  // Shared gradients are added to where they go.
  io.gradB = variableB() ? e.collapseUnitDims(op.getBGradInit(), 2)
                         : e.empty({states, channels}, e.acc);
  io.gradC = variableC() ? e.collapseUnitDims(op.getCGradInit(), 2)
                         : e.empty({states, channels}, e.acc);
  numSteps = op.getSteps();
  if (!numSteps)
    numSteps = arith::ConstantIndexOp::create(b, steps);
}

/// Both recurrences of state `n` in `width` channels from `lane` on.
void ScanGradients::runState(Value n, Value lane, int64_t width, Buffers &io) {
  Value zeroIndex = arith::ConstantIndexOp::create(b, 0);
  Value oneIndex = arith::ConstantIndexOp::create(b, 1);
  VectorType type = vectorOf(width);
  Value none = arith::ConstantOp::create(b, b.getZeroAttr(type));
  Value A = read(io.A, n, lane, width);
  Value rate = mul(A, splat(e.constant(log2e), width));
  auto valueOf = [&](Value projection, bool varies, Value t) {
    if (!varies)
      return read(projection, n, lane, width);
    return splat(tensor::ExtractOp::create(b, projection, ValueRange{n, t}),
                 width);
  };

  // Forwards. Carried: h, the decays, the states before each step, C_grad (or,
  // if constant, its sum), y.
  SmallVector<Value> carried = {
      read(io.start, n, lane, width), e.empty({steps, channels}, e.acc),
      e.empty({steps, channels}, e.acc), variableC() ? io.gradC : none};
  if (needsY)
    carried.push_back(io.y);
  auto forward = scf::ForOp::create(b, zeroIndex, numSteps, oneIndex, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(forward.getBody());
    Value t = forward.getInductionVar();
    ValueRange args = forward.getRegionIterArgs();
    Value decay =
        math::Exp2Op::create(b, mul(read(io.dt, t, lane, width), rate));
    Value input =
        mul(read(io.dtU, t, lane, width), valueOf(io.B, variableB(), t));
    Value h = fma(decay, args[0], input);
    Value g = read(io.g, t, lane, width);
    SmallVector<Value> yielded = {
        h, write(decay, args[1], t, lane), write(args[0], args[2], t, lane),
        variableC() ? addLanes(mul(g, h), args[3], n, t) : fma(g, h, args[3])};
    if (needsY)
      yielded.push_back(write(
          fma(valueOf(io.C, variableC(), t), h, read(args[4], t, lane, width)),
          args[4], t, lane));
    scf::YieldOp::create(b, yielded);
  }
  Value decays = forward.getResult(1), before = forward.getResult(2);
  io.gradC = variableC() ? Value(forward.getResult(3))
                         : write(forward.getResult(3), io.gradC, n, lane);
  if (needsY)
    io.y = forward.getResult(4);

  // Backwards. Carried: the gradient of the state, A_grad's sum, B_grad, the
  // two sums over states.
  carried = {read(io.gradState, n, lane, width), none,
             variableB() ? io.gradB : none, io.sumB, io.sumA};
  auto backward = scf::ForOp::create(b, zeroIndex, numSteps, oneIndex, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(backward.getBody());
    ValueRange args = backward.getRegionIterArgs();
    Value last = arith::SubIOp::create(b, numSteps, oneIndex);
    Value t = arith::SubIOp::create(b, last, backward.getInductionVar());
    Value dh =
        fma(read(io.g, t, lane, width), valueOf(io.C, variableC(), t), args[0]);
    Value carry = mul(read(decays, t, lane, width), dh);
    // dh a h[t - 1], the gradient of dt A.
    Value ofExponent = mul(carry, read(before, t, lane, width));
    Value input = mul(dh, read(io.dtU, t, lane, width));
    Value B = valueOf(io.B, variableB(), t);
    scf::YieldOp::create(
        b,
        ValueRange{
            carry, fma(ofExponent, read(io.dt, t, lane, width), args[1]),
            variableB() ? addLanes(input, args[2], n, t)
                        : arith::AddFOp::create(b, args[2], input),
            write(fma(dh, B, read(args[3], t, lane, width)), args[3], t, lane),
            write(fma(ofExponent, A, read(args[4], t, lane, width)), args[4], t,
                  lane)});
  }
  io.gradState = write(backward.getResult(0), io.gradState, n, lane);
  io.gradA = write(backward.getResult(1), io.gradA, n, lane);
  io.gradB = variableB() ? Value(backward.getResult(2))
                         : write(backward.getResult(2), io.gradB, n, lane);
  io.sumB = backward.getResult(3);
  io.sumA = backward.getResult(4);
}

/// Every state of every channel, a vector of channels at a time.
void ScanGradients::runStates() {
  auto written = [&](Buffers &io) {
    SmallVector<Value *> all = {&io.sumB,  &io.sumA,  &io.gradState,
                                &io.gradA, &io.gradB, &io.gradC};
    if (needsY)
      all.push_back(&io.y);
    return all;
  };
  // A loop over [0, count) by `step` whose body takes its index.
  auto loop = [&](int64_t count, int64_t step,
                  llvm::function_ref<void(Value)> body) {
    SmallVector<Value> carried;
    for (Value *v : written(io))
      carried.push_back(*v);
    auto forOp =
        scf::ForOp::create(b, arith::ConstantIndexOp::create(b, 0),
                           arith::ConstantIndexOp::create(b, count),
                           arith::ConstantIndexOp::create(b, step), carried);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(forOp.getBody());
      for (auto [v, arg] : llvm::zip(written(io), forOp.getRegionIterArgs()))
        *v = arg;
      body(forOp.getInductionVar());
      SmallVector<Value> yielded;
      for (Value *v : written(io))
        yielded.push_back(*v);
      scf::YieldOp::create(b, yielded);
    }
    for (auto [v, result] : llvm::zip(written(io), forOp.getResults()))
      *v = result;
  };
  auto runLanes = [&](Value lane, int64_t width) {
    loop(states, 1, [&](Value n) { runState(n, lane, width, io); });
  };
  // 512 bits, then powers of two: other lengths of vectors compile badly.
  int64_t lanes = 512 / e.acc.getWidth(), whole = channels / lanes * lanes;
  if (whole == lanes)
    runLanes(arith::ConstantIndexOp::create(b, 0), lanes);
  else if (whole > 0)
    loop(whole, lanes, [&](Value lane) { runLanes(lane, lanes); });
  for (int64_t lane = whole; lane < channels;) {
    int64_t width = llvm::bit_floor(uint64_t(channels - lane));
    runLanes(arith::ConstantIndexOp::create(b, lane), width);
    lane += width;
  }
}

SmallVector<Value> ScanGradients::finish() {
  Type element = getElementTypeOrSelf(op.getU().getType());
  SmallVector<Value> results;
  auto add = [&](Value v, Value init) {
    results.push_back(e.addUnitDims(v, init.getType()));
  };
  // (time, channel) as (channel, time), rounded.
  auto store = [&](Value v, Value init) {
    add(e.elementwise(
            {channels, steps}, element, v, swapped,
            [&](ImplicitLocOpBuilder &nb, ValueRange a) {
              return e.truncate(nb, a[0], element);
            },
            e.collapseUnitDims(init, 2)),
        init);
  };
  // Added to what (channel, state) holds, from (state, channel).
  auto addState = [&](Value v, Value init) {
    add(e.elementwise(
            {channels, states}, e.acc, v, swapped,
            [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
              return arith::AddFOp::create(nb, a[1], a[0]);
            },
            e.collapseUnitDims(init, 2)),
        init);
  };
  // Added to what (channel) holds: the sum over time of the product.
  auto addSum = [&](ValueRange factors, Value init) {
    SmallVector<AffineMap> maps(factors.size(), both);
    maps.push_back(ofRow);
    add(e.generic(factors, e.collapseUnitDims(init, 1), maps, {red, par},
                  [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                    Value x = a[0];
                    if (a.size() == 3)
                      x = arith::MulFOp::create(nb, x, a[1]);
                    return arith::AddFOp::create(nb, a.back(), x);
                  }),
        init);
  };

  // The gradient of dt: sum_n dh (A a h + B u).
  Value deltaGrad = sequence(
      {io.sumB, u}, {both, both},
      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return math::FmaOp::create(nb, a[0], a[1], a[2]);
      },
      io.sumA);
  if (op.getDeltaSoftplus())
    deltaGrad = sequence(
        delta, both,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value slope = buildSigmoid(e, nb, a[0]);
          Value large = arith::CmpFOp::create(nb, arith::CmpFPredicate::UGT,
                                              a[0], e.constant(nb, 20.0));
          Value one = e.constant(nb, 1.0);
          slope = arith::SelectOp::create(nb, large, one, slope);
          return arith::MulFOp::create(nb, a[1], slope);
        },
        deltaGrad);
  SmallVector<Value> inputs = {io.dt};
  SmallVector<AffineMap> maps = {both};
  if (op.getD()) {
    inputs.append({io.g, op.getD()});
    maps.append({both, ofRow});
  }
  Value uGrad = sequence(
      inputs, maps,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value x = arith::MulFOp::create(nb, a[0], a.back());
        if (op.getD())
          x = math::FmaOp::create(nb, a[1], e.extend(nb, a[2]), x);
        return x;
      },
      io.sumB);
  store(uGrad, op.getUGradInit());
  store(deltaGrad, op.getDeltaGradInit());
  if (needsY) {
    inputs = {outGrad, z};
    maps = {both, both};
    if (op.getD()) {
      inputs.append({u, op.getD()});
      maps.append({both, ofRow});
    }
    store(sequence(
              inputs, maps,
              [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                Value y = a.back();
                if (op.getD())
                  y = math::FmaOp::create(nb, a[2], e.extend(nb, a[3]), y);
                Value slope = buildSiluDerivative(e, nb, a[1]);
                return arith::MulFOp::create(
                    nb, arith::MulFOp::create(nb, a[0], y), slope);
              },
              io.y),
          op.getZGradInit());
  }
  // The state's gradient goes back to where it came from.
  Value stateGrad = op.getStateGradInit();
  add(e.elementwise(
          {channels, states}, e.acc, io.gradState, swapped,
          [](ImplicitLocOpBuilder &nb, ValueRange a) { return a[0]; },
          e.collapseUnitDims(stateGrad, 2)),
      stateGrad);
  addState(io.gradA, op.getAGradInit());
  if (variableB())
    add(io.gradB, op.getBGradInit());
  else
    addState(io.gradB, op.getBGradInit());
  if (variableC())
    add(io.gradC, op.getCGradInit());
  else
    addState(io.gradC, op.getCGradInit());
  if (Value init = op.getDGradInit())
    addSum({io.g, u}, init);
  if (Value init = op.getDeltaBiasGradInit())
    addSum(deltaGrad, init);
  return results;
}

SmallVector<Value> ScanGradients::build() {
  prepare();
  runStates();
  return finish();
}

SmallVector<Value> decomposition::decompose(Emitter &e,
                                            ChunkScanBackwardOp op) {
  return ScanGradients(e, op).build();
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

SmallVector<Value> decomposition::decompose(Emitter &e,
                                            ChunkConv1dBackwardOp op) {
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
  auto columns = [&](Value v, int64_t column, int64_t width) -> Value {
    return tensor::ExtractSliceOp::create(b, v, at(column), extent(width),
                                          ones);
  };
  // `front` and `back`, side by side, in acc.
  auto joined = [&](Value front, Value back, int64_t width) -> Value {
    Value buffer = e.empty({C, T + W - 1}, e.acc);
    for (auto [v, column, size] :
         {std::tuple(front, int64_t(0), width),
          std::tuple(back, width, T + W - 1 - width)}) {
      if (size == 0)
        continue;
      Value part = e.elementwise(
          {C, size}, e.acc, v, both,
          [&](ImplicitLocOpBuilder &nb, ValueRange a) {
            return e.extend(nb, a[0]);
          },
          columns(buffer, column, size));
      buffer = tensor::InsertSliceOp::create(b, part, buffer, at(column),
                                             extent(size), ones);
    }
    return buffer;
  };
  SmallVector<Value> taps;
  for (int64_t w = 0; w < W; ++w) {
    auto column = RankedTensorType::get(
        {C}, getElementTypeOrSelf(op.getWeight().getType()));
    taps.push_back(tensor::ExtractSliceOp::create(b, column, op.getWeight(),
                                                  at(w), extent(1), ones));
  }
  // sum_w weight[w] values[w].
  auto sumOfTaps = [&](ImplicitLocOpBuilder &nb, ValueRange values,
                       ValueRange weights, Value sum) {
    for (auto [x, weight] : llvm::zip(values, weights)) {
      Value product =
          arith::MulFOp::create(nb, e.extend(nb, x), e.extend(nb, weight));
      sum = sum ? arith::AddFOp::create(nb, sum, product).getResult() : product;
    }
    return sum;
  };

  // The chunk behind its history, and the gradients of its sums.
  Value history = op.getInitialState();
  if (history)
    history = e.dropUnitDims(history, 2);
  else if (W > 1)
    history = e.zeros({C, W - 1});
  Value padded = joined(history, e.dropUnitDims(op.getX(), 2), W - 1);
  Value outGrad = e.dropUnitDims(op.getOutGrad(), 2);
  Value g = outGrad;
  if (op.getActivation() == Activation::Silu) {
    SmallVector<Value> inputs = {outGrad};
    SmallVector<AffineMap> maps = {both};
    for (int64_t w = 0; w < W; ++w) {
      inputs.push_back(columns(padded, w, T));
      maps.push_back(both);
    }
    llvm::append_range(inputs, taps);
    maps.append(W, first);
    if (op.getBias()) {
      inputs.push_back(op.getBias());
      maps.push_back(first);
    }
    g = e.elementwise(
        {C, T}, e.acc, inputs, maps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value bias = op.getBias() ? e.extend(nb, a[1 + 2 * W]) : Value();
          Value y = sumOfTaps(nb, a.slice(1, W), a.slice(1 + W, W), bias);
          return arith::MulFOp::create(nb, e.extend(nb, a[0]),
                                       buildSiluDerivative(e, nb, y));
        });
  }
  // The same with what follows the chunk.
  Value after = W > 1 ? e.collapseUnitDims(op.getNextInit(), 2) : Value();
  Value all = joined(g, after, T);

  SmallVector<Value> results;
  SmallVector<Value> inputs;
  for (int64_t w = 0; w < W; ++w)
    inputs.push_back(columns(all, W - 1 - w, T));
  SmallVector<AffineMap> maps(W, both);
  llvm::append_range(inputs, taps);
  maps.append(W, first);
  Value xGrad = e.elementwise(
      {C, T}, element, inputs, maps,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value sum = sumOfTaps(nb, a.take_front(W), a.slice(W, W), Value());
        return e.truncate(nb, sum, element);
      },
      e.collapseUnitDims(op.getXGradInit(), 2));
  results.push_back(e.addUnitDims(xGrad, op.getXGradInit().getType()));
  // The sums over time of all taps, and of the bias, in one operator.
  Value weightGrad = e.collapseUnitDims(op.getWeightGradInit(), 2);
  auto sumType = RankedTensorType::get({C}, e.acc);
  inputs = {columns(all, 0, T)};
  SmallVector<Value> inits;
  for (int64_t w = 0; w < W; ++w) {
    inputs.push_back(columns(padded, w, T));
    inits.push_back(tensor::ExtractSliceOp::create(b, sumType, weightGrad,
                                                   at(w), extent(1), ones));
  }
  if (Value init = op.getBiasGradInit())
    inits.push_back(e.collapseUnitDims(init, 1));
  maps.assign(inputs.size(), both);
  maps.append(inits.size(), first);
  auto sums = linalg::GenericOp::create(
      b, TypeRange(ValueRange(inits).getTypes()), inputs, inits, maps,
      ArrayRef<utils::IteratorType>{par, red},
      [&](OpBuilder &nested, Location loc, ValueRange a) {
        ImplicitLocOpBuilder nb(loc, nested);
        SmallVector<Value> yielded;
        for (unsigned i = 0; i < inits.size(); ++i) {
          Value x = a[0];
          if (int64_t(i) < W)
            x = arith::MulFOp::create(nb, x, a[1 + i]);
          yielded.push_back(arith::AddFOp::create(nb, a[inputs.size() + i], x));
        }
        linalg::YieldOp::create(nb, yielded);
      });
  for (int64_t w = 0; w < W; ++w)
    weightGrad = tensor::InsertSliceOp::create(b, sums.getResult(w), weightGrad,
                                               at(w), extent(1), ones);
  if (W > 1) {
    Value next = e.elementwise(
        {C, W - 1}, e.acc, columns(all, 0, W - 1), both,
        [](ImplicitLocOpBuilder &nb, ValueRange a) { return a[0]; }, after);
    results.push_back(e.addUnitDims(next, op.getNextInit().getType()));
  }
  results.push_back(
      e.addUnitDims(weightGrad, op.getWeightGradInit().getType()));
  if (Value init = op.getBiasGradInit())
    results.push_back(e.addUnitDims(sums.getResult(W), init.getType()));
  return results;
}
