//===- RecomputeScan.cpp - The backward of scans and convolutions ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The gradient of a scan needs every state, and the states are d_state times
// the size of the input. Here they are computed again: the state before each
// chunk of time steps is stored by a forward sweep without outputs, and the
// backward sweep, from the last chunk to the first, computes the states inside
// one chunk from it. What lives at any time is
//
//   inputs and outputs + one state per chunk + the states of one tile
//
// The gradient of the state is carried from chunk to chunk. The gradients of
// parameters are carried for each batch and summed over the batches, in order,
// at the end; those of variable B and C are complete when their chunk is.
//
// A convolution has no state to speak of: the columns before a chunk are part
// of the input, and seqc-tile forms its loop over chunks.
//
//===----------------------------------------------------------------------===//

#include "GradientBuilder.h"
#include "Sequences.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/RecomputeBackward.h"

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

/// Steps in a chunk where the schedule does not say.
static constexpr int64_t defaultChunk = 64;

/// Whether `type` has a static size of 0.
static bool hasNoElements(RankedTensorType type) {
  return llvm::is_contained(type.getShape(), 0);
}

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

namespace {

class ScanBackwardBuilder : public GradientBuilder {
public:
  ScanBackwardBuilder(RewriterBase &b, SelectiveScanBackwardOp op)
      : GradientBuilder(
            b, op.getLoc(),
            getAccumulatorType(op.getU().getType().getElementType())),
        op(op), element(op.getU().getType().getElementType()) {
    auto uType = cast<RankedTensorType>(op.getU().getType());
    batch = dim(op.getU(), 0);
    channels = dim(op.getU(), 1);
    length = dim(op.getU(), 2);
    depth = attr(cast<RankedTensorType>(op.getA().getType()).getDimSize(1));
    stateSizes = {batch, channels, depth};
    ScheduleAttr given = op.getScheduleAttr();
    chunk = given && given.getTileN() ? given.getTileN() : defaultChunk;
    if (!uType.isDynamicDim(2) && uType.getDimSize(2) > 0)
      chunk = std::min(chunk, uType.getDimSize(2));
    schedule = ScheduleAttr::get(op.getContext(), given ? given.getTileM() : 0,
                                 chunk, /*splits=*/1, /*stages=*/0,
                                 /*warps=*/0);
  }

  /// One value for each result of the operator.
  SmallVector<Value> build();

private:
  static bool isVariable(Value projection) {
    return ChunkScanBackwardOp::isVariable(projection);
  }
  /// The steps [t, t + size) of a sequence (batch, channel, time).
  std::pair<SmallVector<Fold>, SmallVector<Fold>> steps(Fold t, Fold size) {
    return {{attr(0), attr(0), t}, {batch, channels, size}};
  }
  Value takeSteps(Value v, Fold t, Fold size) {
    if (!v)
      return v;
    auto [o, s] = steps(t, size);
    return slice(v, o, s);
  }
  /// The same of a variable projection (batch[, group], state, time).
  std::pair<SmallVector<Fold>, SmallVector<Fold>>
  projectionSteps(Value v, Fold t, Fold size) {
    SmallVector<Fold> o = {attr(0), attr(0), t}, s = {batch, depth, size};
    if (auto type = cast<RankedTensorType>(v.getType()); type.getRank() == 4) {
      o.insert(o.begin(), attr(0));
      s.insert(s.begin() + 1, attr(type.getDimSize(1)));
    }
    return {o, s};
  }
  Value takeProjection(Value v, Fold t, Fold size) {
    if (!isVariable(v))
      return v;
    auto [o, s] = projectionSteps(v, t, size);
    return slice(v, o, s);
  }
  /// A state in the type that this operator's states have here.
  Value stateOrZero(Value given) {
    if (!given)
      return zeros(stateSizes);
    Type type = empty(stateSizes, acc).getType();
    return type == given.getType()
               ? given
               : tensor::CastOp::create(b, loc, type, given).getResult();
  }

  Value buildStarts();
  SmallVector<Value> buildEmptyResults();

  SelectiveScanBackwardOp op;
  Type element;
  Fold batch, channels, length, depth;
  SmallVector<Fold> stateSizes;
  int64_t chunk;
  ScheduleAttr schedule;
};

} // namespace

/// The state before each chunk: (chunk, batch, channel, state).
Value ScanBackwardBuilder::buildStarts() {
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  // Without steps there is room for the initial state.
  Fold count = affine::makeComposedFoldedAffineMax(
      b, loc,
      AffineMap::get(1, 0, {d0.ceilDiv(chunk), b.getAffineConstantExpr(1)},
                     b.getContext()),
      {length});
  SmallVector<Fold> all = {count}, one = {attr(1)};
  llvm::append_range(all, stateSizes);
  llvm::append_range(one, stateSizes);
  Value first = stateOrZero(op.getInitialState());
  SmallVector<Fold> zero(4, attr(0));
  Value starts = insert(first, empty(all, acc), zero, one);
  Value end = index(apply(d0 - 1, {count}));
  auto loop = scf::ForOp::create(b, loc, constant(0), end, constant(1),
                                 ValueRange{starts, first});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value i = loop.getInductionVar();
  Fold t = apply(d0 * chunk, {Fold(i)}), size = attr(chunk);
  ValueRange carried = loop.getRegionIterArgs();
  auto scan = ChunkScanOp::create(
      b, loc, TypeRange{carried[1].getType()}, takeSteps(op.getU(), t, size),
      takeSteps(op.getDelta(), t, size), op.getA(),
      takeProjection(op.getB(), t, size), /*C=*/Value(), /*D=*/Value(),
      /*z=*/Value(), op.getDeltaBias(), /*steps=*/Value(), /*out_init=*/Value(),
      carried[1], /*decay_init=*/Value(), op.getDeltaSoftplusAttr(), schedule);
  SmallVector<Fold> offsets = zero;
  offsets[0] = apply(d0 + 1, {Fold(i)});
  Value next = insert(scan.getState(), carried[0], offsets, one);
  scf::YieldOp::create(b, loc, ValueRange{next, scan.getState()});
  return loop.getResult(0);
}

/// The gradients where there are no steps, no channels or no batches.
SmallVector<Value> ScanBackwardBuilder::buildEmptyResults() {
  SmallVector<Value> results;
  for (Value result : op.getResults()) {
    if (result == op.getInitialStateGrad()) {
      results.push_back(
          convert(stateOrZero(op.getFinalStateGrad()), result.getType()));
      continue;
    }
    // A gradient has the sizes of what it is the gradient of.
    auto type = cast<RankedTensorType>(result.getType());
    auto of = [&]() -> Value {
      if (result == op.getUGrad() || result == op.getDeltaGrad() ||
          result == op.getZGrad())
        return op.getU();
      if (result == op.getAGrad())
        return op.getA();
      if (result == op.getBGrad())
        return op.getB();
      if (result == op.getCGrad())
        return op.getC();
      return result == op.getDGrad() ? op.getD() : op.getDeltaBias();
    }();
    Value dest =
        empty(tensor::getMixedSizes(b, loc, of), type.getElementType());
    results.push_back(convert(fillZero(dest), type));
  }
  return results;
}

SmallVector<Value> ScanBackwardBuilder::build() {
  if (hasNoElements(op.getU().getType()))
    return buildEmptyResults();
  Value starts = buildStarts();

  // What the sweep carries: tensors that chunks write slices of, and sums.
  SmallVector<Fold> data = {batch, channels, length};
  SmallVector<Fold> rows = {batch, channels};
  SmallVector<Value> carried;
  auto carry = [&](Value v) -> int {
    carried.push_back(v);
    return carried.size() - 1;
  };
  int u = carry(empty(data, element)), delta = carry(empty(data, element));
  int z = op.getZGrad() ? carry(empty(data, element)) : -1;
  int state = carry(stateOrZero(op.getFinalStateGrad()));
  int A = carry(zeros(stateSizes));
  auto carryProjection = [&](Value v) {
    return isVariable(v) ? carry(empty(tensor::getMixedSizes(b, loc, v),
                                       getElementTypeOrSelf(v.getType())))
                         : carry(zeros(stateSizes));
  };
  int B = carryProjection(op.getB()), C = carryProjection(op.getC());
  int D = op.getDGrad() ? carry(zeros(rows)) : -1;
  int bias = op.getDeltaBiasGrad() ? carry(zeros(rows)) : -1;

  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  Value count = index(apply(d0.ceilDiv(chunk), {length}));
  auto loop =
      scf::ForOp::create(b, loc, constant(0), count, constant(1), carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    // From the last chunk to the first.
    Fold i = apply(d0 - d1 - 1, {Fold(count), loop.getInductionVar()});
    Fold t = apply(d0 * chunk, {i});
    Fold size = clampedSize(t, length, chunk);
    auto takeDest = [&](int k) {
      return k < 0 ? Value() : takeSteps(args[k], t, size);
    };
    auto takeSum = [&](int k) { return k < 0 ? Value() : Value(args[k]); };
    auto takeProjectionDest = [&](int k, Value of) -> Value {
      if (!isVariable(of))
        return args[k];
      Value dest = takeProjection(args[k], t, size);
      if (getElementTypeOrSelf(dest.getType()) == acc)
        return fillZero(dest);
      return zeros(tensor::getMixedSizes(b, loc, dest));
    };
    SmallVector<Fold> one = {attr(1)}, at(4, attr(0)), ones(4, attr(1));
    llvm::append_range(one, stateSizes);
    at[0] = i;
    auto stateType = cast<RankedTensorType>(args[state].getType());
    Value start = tensor::ExtractSliceOp::create(b, loc, stateType, starts, at,
                                                 one, ones);
    Value inits[] = {takeDest(u),
                     takeDest(delta),
                     takeDest(z),
                     args[state],
                     args[A],
                     takeProjectionDest(B, op.getB()),
                     takeProjectionDest(C, op.getC()),
                     takeSum(D),
                     takeSum(bias)};
    SmallVector<Type> types;
    for (Value init : inits)
      if (init)
        types.push_back(init.getType());
    auto part = ChunkScanBackwardOp::create(
        b, loc, types, takeSteps(op.getU(), t, size),
        takeSteps(op.getDelta(), t, size), op.getA(),
        takeProjection(op.getB(), t, size), takeProjection(op.getC(), t, size),
        op.getD(), takeSteps(op.getZ(), t, size), op.getDeltaBias(),
        takeSteps(op.getOutGrad(), t, size), start, /*steps=*/Value(), inits[0],
        inits[1], inits[2], inits[3], inits[4], inits[5], inits[6], inits[7],
        inits[8], op.getDeltaSoftplusAttr(), schedule);
    SmallVector<Value> yielded(args.begin(), args.end());
    auto store = [&](int k, Value v) {
      auto [o, s] = steps(t, size);
      yielded[k] = insert(v, args[k], o, s);
    };
    auto storeProjection = [&](int k, Value v) {
      auto [o, s] = projectionSteps(args[k], t, size);
      yielded[k] = insert(v, args[k], o, s);
    };
    store(u, part.getResultOf(inits[0]));
    store(delta, part.getResultOf(inits[1]));
    if (z >= 0)
      store(z, part.getResultOf(inits[2]));
    yielded[state] = part.getResultOf(inits[3]);
    yielded[A] = part.getResultOf(inits[4]);
    for (auto [k, init, of] : {std::tuple(B, inits[5], Value(op.getB())),
                               std::tuple(C, inits[6], Value(op.getC()))}) {
      Value sum = part.getResultOf(init);
      if (isVariable(of))
        storeProjection(k, roundInto(sum, takeProjection(args[k], t, size)));
      else
        yielded[k] = sum;
    }
    if (D >= 0)
      yielded[D] = part.getResultOf(inits[7]);
    if (bias >= 0)
      yielded[bias] = part.getResultOf(inits[8]);
    scf::YieldOp::create(b, loc, yielded);
  }

  auto projection = [&](int k, Value of) -> Value {
    return isVariable(of) ? Value(loop.getResult(k))
                          : sumBatches(loop.getResult(k));
  };
  SmallVector<Value> results;
  for (Value result : op.getResults()) {
    Value v;
    if (result == op.getUGrad())
      v = loop.getResult(u);
    else if (result == op.getDeltaGrad())
      v = loop.getResult(delta);
    else if (result == op.getAGrad())
      v = sumBatches(loop.getResult(A));
    else if (result == op.getBGrad())
      v = projection(B, op.getB());
    else if (result == op.getCGrad())
      v = projection(C, op.getC());
    else if (result == op.getDGrad())
      v = sumBatches(loop.getResult(D));
    else if (result == op.getZGrad())
      v = loop.getResult(z);
    else if (result == op.getDeltaBiasGrad())
      v = sumBatches(loop.getResult(bias));
    else
      v = loop.getResult(state);
    results.push_back(convert(v, result.getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

namespace {

class ConvBackwardBuilder : public GradientBuilder {
public:
  ConvBackwardBuilder(RewriterBase &b, CausalConv1dBackwardOp op,
                      bool grids = false)
      : GradientBuilder(
            b, op.getLoc(),
            getAccumulatorType(op.getX().getType().getElementType())),
        op(op), width(op.getWeight().getType().getDimSize(1)), grids(grids),
        sequences(b, op.getLoc(), op.getCuSeqlens(), op.getReverse()) {
    batch = op.getCuSeqlens() ? sequences.count() : dim(op.getX(), 0);
    channels = dim(op.getX(), 1);
    length = dim(op.getX(), 2);
    history = {batch, channels, attr(width - 1)};
  }

  SmallVector<Value> build();

private:
  Value addFinalState(Value xGrad);
  Value buildInitialState(Value next);
  Value readColumn(OpBuilder &nb, Value v, Value column);
  Value addFinalStateInGrid(Value xGrad);
  Value buildInitialStateInGrid(Value next);
  void buildSequences(MutableArrayRef<Value> gradients);

  CausalConv1dBackwardOp op;
  int64_t width;
  bool grids;
  Sequences sequences;
  Fold batch, channels, length;
  SmallVector<Fold> history;
};

} // namespace

/// The gradient of the final state, which is the last columns of the input,
/// added to that of the input.
Value ConvBackwardBuilder::addFinalState(Value xGrad) {
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  Fold columns = affine::makeComposedFoldedAffineMin(
      b, loc,
      AffineMap::get(1, 0, {d0, b.getAffineConstantExpr(width - 1)},
                     b.getContext()),
      {length});
  SmallVector<Fold> sizes = {batch, channels, columns};
  SmallVector<Fold> to = {attr(0), attr(0), apply(d0 - d1, {length, columns})};
  SmallVector<Fold> from = {
      attr(0), attr(0),
      apply(b.getAffineConstantExpr(width - 1) - d0, {columns})};
  Type element = getElementTypeOrSelf(xGrad.getType());
  Value sum = elementwise(
      slice(op.getFinalStateGrad(), from, sizes), slice(xGrad, to, sizes),
      [&](OpBuilder &nb, Location l, ValueRange a) -> Value {
        Value x = arith::AddFOp::create(nb, l, extend(nb, l, a[0]),
                                        extend(nb, l, a[1]));
        return round(nb, l, x, element);
      });
  return insert(sum, xGrad, to, sizes);
}

/// sum_{w <= j} weight[w] next[j - w] for the columns j of the initial state,
/// and what those that are still in the final state get from it.
Value ConvBackwardBuilder::buildInitialState(Value next) {
  // Zeros in front of `next` stand for j < w.
  SmallVector<Fold> zero(3, attr(0)), none = zero, front = zero;
  front[2] = attr(width - 1);
  Value c = arith::ConstantOp::create(b, loc, b.getZeroAttr(acc));
  SmallVector<Fold> sizes = {batch, channels, attr(2 * (width - 1))};
  auto type = cast<RankedTensorType>(empty(sizes, acc).getType());
  Value padded =
      tensor::PadOp::create(b, loc, type, next, front, none, c).getResult();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  AffineMap id = b.getMultiDimIdentityMap(3);
  for (int64_t w = 0; w < width; ++w) {
    SmallVector<Fold> at = {attr(0), attr(0), attr(width - 1 - w)};
    inputs.push_back(slice(padded, at, history));
    maps.push_back(id);
  }
  auto column = RankedTensorType::get(
      {ShapedType::kDynamic}, getElementTypeOrSelf(op.getWeight().getType()));
  if (auto n = getConstantIntValue(channels))
    column = column.clone(*n);
  SmallVector<Fold> ones(2, attr(1));
  for (int64_t w = 0; w < width; ++w) {
    inputs.push_back(tensor::ExtractSliceOp::create(
        b, loc, column, op.getWeight(), ArrayRef<Fold>{attr(0), attr(w)},
        ArrayRef<Fold>{channels, attr(1)}, ones));
    maps.push_back(id.getSubMap({1}));
  }
  maps.push_back(id);
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  Value sum = generic(
      inputs, empty(history, acc), maps, iterators,
      [&](OpBuilder &nb, Location l, ValueRange a) -> Value {
        Value total;
        for (int64_t w = 0; w < width; ++w) {
          Value x =
              arith::MulFOp::create(nb, l, a[w], extend(nb, l, a[width + w]));
          total =
              total ? arith::AddFOp::create(nb, l, total, x).getResult() : x;
        }
        return total;
      });
  // A sequence of width - 1 steps or more keeps none of them.
  auto known = getConstantIntValue(length);
  if (!op.getFinalStateGrad() || (known && *known >= width - 1))
    return sum;
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  Fold kept = affine::makeComposedFoldedAffineMin(
      b, loc,
      AffineMap::get(1, 0, {d0, b.getAffineConstantExpr(width - 1)},
                     b.getContext()),
      {length});
  SmallVector<Fold> to = {attr(0), attr(0), kept};
  SmallVector<Fold> left = {
      batch, channels, apply(b.getAffineConstantExpr(width - 1) - d0, {kept})};
  Value tail = elementwise(
      slice(op.getFinalStateGrad(), zero, left), slice(sum, to, left),
      [&](OpBuilder &nb, Location l, ValueRange a) -> Value {
        return arith::AddFOp::create(nb, l, a[1], extend(nb, l, a[0]));
      });
  return insert(tail, sum, to, left);
}

/// Column `column` of `v` in a region over (batch, channel, column), in acc; 0
/// where there is none before the first.
Value ConvBackwardBuilder::readColumn(OpBuilder &nb, Value v, Value column) {
  Value zero = arith::ConstantIndexOp::create(nb, loc, 0);
  Value exists =
      arith::CmpIOp::create(nb, loc, arith::CmpIPredicate::sge, column, zero);
  Value at = arith::MaxSIOp::create(nb, loc, column, zero);
  Value x = tensor::ExtractOp::create(
      nb, loc, v,
      ValueRange{linalg::IndexOp::create(nb, loc, 0),
                 linalg::IndexOp::create(nb, loc, 1), at});
  Value none = arith::ConstantOp::create(nb, loc, b.getZeroAttr(acc));
  return arith::SelectOp::create(nb, loc, exists, extend(nb, loc, x), none);
}

/// addFinalState as one operator on all elements.
Value ConvBackwardBuilder::addFinalStateInGrid(Value xGrad) {
  Type type = getElementTypeOrSelf(xGrad.getType());
  Value before = index(apply(b.getAffineDimExpr(0) - (width - 1), {length}));
  Value dest = empty({batch, channels, length}, type);
  return elementwise(
      xGrad, dest, [&](OpBuilder &nb, Location l, ValueRange a) -> Value {
        Value column = arith::SubIOp::create(
            nb, l, linalg::IndexOp::create(nb, l, 2), before);
        Value state = readColumn(nb, op.getFinalStateGrad(), column);
        Value x = arith::AddFOp::create(nb, l, extend(nb, l, a[0]), state);
        return round(nb, l, x, type);
      });
}

/// buildInitialState as one operator on all elements.
Value ConvBackwardBuilder::buildInitialStateInGrid(Value next) {
  Value steps = index(length);
  return elementwise(
      {}, empty(history, acc),
      [&](OpBuilder &nb, Location l, ValueRange) -> Value {
        Value j = linalg::IndexOp::create(nb, l, 2), total;
        for (int64_t w = 0; w < width; ++w) {
          Value tap = arith::ConstantIndexOp::create(nb, l, w);
          Value at = arith::SubIOp::create(nb, l, j, tap);
          Value weight = tensor::ExtractOp::create(
              nb, l, op.getWeight(),
              ValueRange{linalg::IndexOp::create(nb, l, 1), tap});
          Value x = arith::MulFOp::create(nb, l, readColumn(nb, next, at),
                                          extend(nb, l, weight));
          total =
              total ? arith::AddFOp::create(nb, l, total, x).getResult() : x;
        }
        if (!op.getFinalStateGrad())
          return total;
        Value kept = arith::SubIOp::create(nb, l, j, steps);
        return arith::AddFOp::create(
            nb, l, total, readColumn(nb, op.getFinalStateGrad(), kept));
      });
}

/// One operator for each packed sequence, in parallel. `gradients` are the
/// destinations, null for what there is not, and become the results: x_grad of
/// all steps, and for each sequence `next` and the sums.
void ConvBackwardBuilder::buildSequences(MutableArrayRef<Value> gradients) {
  SmallVector<Value> outs;
  for (Value gradient : gradients)
    if (gradient)
      outs.push_back(gradient);
  Value x = sequences.inOrder(op.getX());
  Value outGrad = sequences.inOrder(op.getOutGrad());
  auto loop = scf::ForallOp::create(b, loc, ArrayRef<Fold>{batch}, outs,
                                    /*mapping=*/std::nullopt);
  loop->setAttr(kSequencesAttr, b.getUnitAttr());
  b.setInsertionPoint(loop.getTerminator());
  Value s = loop.getInductionVars()[0];
  auto [begin, size] = sequences.bounds(b, s, index(length));
  SmallVector<SmallVector<Fold>> offsets, sizes;
  SmallVector<Value> inits;
  for (auto [dest, out] : llvm::zip(loop.getRegionIterArgs(), outs)) {
    bool isData = inits.empty();
    SmallVector<Fold> extent = tensor::getMixedSizes(b, loc, out);
    SmallVector<Fold> at(extent.size(), attr(0));
    extent.front() = attr(1);
    at.front() = isData ? attr(0) : Fold(s);
    if (isData) {
      at.back() = begin;
      extent.back() = size;
    }
    inits.push_back(slice(dest, at, extent));
    offsets.push_back(at);
    sizes.push_back(extent);
  }
  auto init = [&, number = 0](Value gradient) mutable {
    return gradient ? inits[number++] : Value();
  };
  Value xGrad = init(gradients[0]), next = init(gradients[1]),
        weightGrad = init(gradients[2]), biasGrad = init(gradients[3]);
  Value state;
  if (op.getInitialState() && width > 1)
    state = slice(op.getInitialState(), {Fold(s), attr(0), attr(0)},
                  {attr(1), channels, attr(width - 1)});
  auto part = ChunkConv1dBackwardOp::create(
      b, loc, TypeRange(ValueRange(inits)), slice(x, offsets[0], sizes[0]),
      op.getWeight(), op.getBias(), state, slice(outGrad, offsets[0], sizes[0]),
      xGrad, next, weightGrad, biasGrad, op.getActivationAttr(),
      op.getScheduleAttr());
  b.setInsertionPointToStart(loop.getTerminator().getBody());
  for (auto [result, dest, at, extent] :
       llvm::zip(part.getResults(), loop.getRegionIterArgs(), offsets, sizes))
    parallelInsert(result, dest, at, extent);
  b.setInsertionPointAfter(loop);
  unsigned number = 0;
  for (Value &gradient : gradients)
    if (gradient)
      gradient = loop.getResult(number++);
}

SmallVector<Value> ConvBackwardBuilder::build() {
  Type element = op.getX().getType().getElementType();
  SmallVector<Fold> data = {dim(op.getX(), 0), channels, length};
  Value xGrad = empty(data, element);
  SmallVector<Fold> weights = {batch, channels, attr(width)};
  SmallVector<Fold> rows = {batch, channels};
  Value next = width > 1 ? zeros(history) : Value();
  Value weightGrad = zeros(weights);
  Value biasGrad = op.getBiasGrad() ? zeros(rows) : Value();
  if (op.getCuSeqlens()) {
    Value gradients[] = {xGrad, next, weightGrad, biasGrad};
    buildSequences(gradients);
    xGrad = sequences.inMemory(gradients[0], op.getX());
    next = gradients[1];
    weightGrad = gradients[2];
    biasGrad = gradients[3];
  } else if (!hasNoElements(op.getX().getType())) {
    SmallVector<Type> types = {xGrad.getType()};
    for (Value init : {next, weightGrad, biasGrad})
      if (init)
        types.push_back(init.getType());
    auto part = ChunkConv1dBackwardOp::create(
        b, loc, types, op.getX(), op.getWeight(), op.getBias(),
        op.getInitialState(), op.getOutGrad(), xGrad, next, weightGrad,
        biasGrad, op.getActivationAttr(), op.getScheduleAttr());
    xGrad = part.getResultOf(xGrad);
    next = part.getResultOf(next);
    weightGrad = part.getResultOf(weightGrad);
    biasGrad = part.getResultOf(biasGrad);
    if (op.getFinalStateGrad() && width > 1)
      xGrad = grids ? addFinalStateInGrid(xGrad) : addFinalState(xGrad);
  }
  SmallVector<Value> results = {
      convert(xGrad, op.getXGrad().getType()),
      convert(sumBatches(weightGrad), op.getWeightGrad().getType())};
  if (Value bias = op.getBiasGrad())
    results.push_back(convert(sumBatches(biasGrad), bias.getType()));
  if (Value initial = op.getInitialStateGrad()) {
    Value v = width == 1 ? empty(history, acc) // No columns.
              : grids    ? buildInitialStateInGrid(next)
                         : buildInitialState(next);
    results.push_back(convert(v, initial.getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

namespace {

template <typename OpT, typename BuilderT>
struct Recompute : OpRewritePattern<OpT> {
  Recompute(MLIRContext *context, const ChipInfo &chip,
            RecomputeStatistics &statistics)
      : OpRewritePattern<OpT>(context), chip(chip), statistics(statistics) {}

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    // Chunks of packed sequences are those of each.
    if constexpr (std::is_same_v<OpT, SelectiveScanBackwardOp>)
      if (op.getCuSeqlens()) {
        rewriter.replaceOp(
            op, buildScanBackwardGrids(rewriter, op, chip, statistics.split));
        ++statistics.scans;
        return success();
      }
    rewriter.replaceOp(op, BuilderT(rewriter, op).build());
    ++statistics.scans;
    return success();
  }

  const ChipInfo &chip;
  RecomputeStatistics &statistics;
};

struct RecomputeConvInGrids : OpRewritePattern<CausalConv1dBackwardOp> {
  RecomputeConvInGrids(MLIRContext *context, RecomputeStatistics &statistics)
      : OpRewritePattern(context), statistics(statistics) {}

  LogicalResult matchAndRewrite(CausalConv1dBackwardOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(
        op, ConvBackwardBuilder(rewriter, op, /*grids=*/true).build());
    ++statistics.scans;
    return success();
  }

  RecomputeStatistics &statistics;
};

struct RecomputeInGrids : OpRewritePattern<SelectiveScanBackwardOp> {
  RecomputeInGrids(MLIRContext *context, const ChipInfo &chip,
                   RecomputeStatistics &statistics)
      : OpRewritePattern(context), chip(chip), statistics(statistics) {}

  LogicalResult matchAndRewrite(SelectiveScanBackwardOp op,
                                PatternRewriter &rewriter) const override {
    if (hasNoElements(op.getU().getType()) && !op.getCuSeqlens())
      rewriter.replaceOp(op, ScanBackwardBuilder(rewriter, op).build());
    else
      rewriter.replaceOp(
          op, buildScanBackwardGrids(rewriter, op, chip, statistics.split));
    ++statistics.scans;
    return success();
  }

  const ChipInfo &chip;
  RecomputeStatistics &statistics;
};

} // namespace

void seqc::populateRecomputeScanPatterns(RewritePatternSet &patterns,
                                         bool grids, const ChipInfo &chip,
                                         RecomputeStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  if (grids) {
    patterns.add<RecomputeInGrids>(context, chip, statistics);
    patterns.add<RecomputeConvInGrids>(context, statistics);
    return;
  }
  patterns.add<Recompute<SelectiveScanBackwardOp, ScanBackwardBuilder>,
               Recompute<CausalConv1dBackwardOp, ConvBackwardBuilder>>(
      context, chip, statistics);
}
