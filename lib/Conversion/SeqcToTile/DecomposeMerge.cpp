//===- DecomposeMerge.cpp - The merge of a row's parts -> tile ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One warp merges one row: its accumulator is a tile of one dimension, maxima
// and sums are scalars, which every thread has. The parts are taken several at
// a time, so that all of their loads are on their way before the first is
// needed; a part past the last one is the state of no keys. With
// (m, l, a) the state so far and (m_p, l_p, a_p) the parts of one turn:
//
//   top   = max(m, m_p ...)
//   shift = top, but 0 while all are -inf
//   w     = exp2(m - shift), w_p = exp2(m_p - shift)
//   l     = w l + w_p l_p + ...
//   a     = w a + w_p a_p + ...
//
// in the order of the parts. Then the row ends as every row does: out = a / l.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

/// Elements of accumulators that are on their way in one turn, and parts.
static constexpr int64_t kTurnElements = 2048, kMaxTurn = 16, kMinTurn = 4;

namespace {

struct State {
  Value max, sum, acc;
};

class MergeConverter {
public:
  MergeConverter(KernelBuilder &k) : k(k), b(k.b) {}

  LogicalResult convert(Operation *op);

private:
  LogicalResult convert(SoftmaxMergeOp op);
  LogicalResult convert(SoftmaxFinishOp op);
  LogicalResult fail(Operation *op, Value v) {
    return op->emitOpError("reads a value of ")
           << v.getType() << " that is not in device memory";
  }
  /// The one element that `v` is.
  Value readScalar(Value v);
  Value exp2(Value x) { return math::Exp2Op::create(b, x); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value isEqual(Value x, double y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x,
                                 k.scalarConstant(y));
  }

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  /// The state of the row, after the merge.
  State state;
  SoftmaxMergeOp merge;
};

} // namespace

/// The accumulator's columns, padded to what the threads of a warp share.
static int64_t getColumns(Value acc) {
  int64_t depth = cast<RankedTensorType>(acc.getType()).getShape().back();
  return (depth + 31) / 32 * 32;
}

Value MergeConverter::readScalar(Value v) {
  if (Value fill = k.getFill(v))
    return fill;
  auto slice = k.getSlice(v);
  return slice ? k.loadScalar(slice->view, slice->offsets) : Value();
}

LogicalResult MergeConverter::convert(SoftmaxMergeOp op) {
  int64_t columns = getColumns(op.getPartAcc());
  int64_t turn = std::clamp(kTurnElements / columns, kMinTurn, kMaxTurn);
  auto maxes = k.getSlice(op.getPartMax()), sums = k.getSlice(op.getPartSum()),
       accs = k.getSlice(op.getPartAcc());
  for (auto [slice, v] : {std::pair(&maxes, op.getPartMax()),
                          {&sums, op.getPartSum()},
                          {&accs, op.getPartAcc()}})
    if (!*slice || (*slice)->group)
      return fail(op, v);
  State init = {readScalar(op.getMaxInit()), readScalar(op.getSumInit()),
                k.getTile(op.getAccInit(), {columns}, {3})};
  if (!init.max || !init.sum || !init.acc)
    return fail(op, op.getAccInit());
  b.setLoc(op.getLoc());

  Value parts = memref::DimOp::create(b, maxes->view, k.index(0));
  Value last = arith::SubIOp::create(b, parts, k.index(1));
  auto loop = scf::ForOp::create(b, k.index(0), parts, k.index(turn),
                                 ValueRange{init.max, init.sum, init.acc});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    auto tile = cast<RankedTensorType>(init.acc.getType());
    Value lowest = k.scalarConstant(-infinity);
    auto at = [&](const Slice &slice, Value part) {
      SmallVector<Value> offsets = slice.offsets;
      offsets[0] = part;
      return offsets;
    };
    // All loads first.
    SmallVector<State> read;
    for (int64_t i = 0; i < turn; ++i) {
      Value part = arith::AddIOp::create(b, loop.getInductionVar(), k.index(i));
      Value exists =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, part, parts);
      Value safe = arith::MinSIOp::create(b, part, last);
      Value max = k.loadScalar(maxes->view, at(*maxes, safe));
      max = arith::SelectOp::create(b, exists, max, lowest);
      Value sum = k.loadScalar(sums->view, at(*sums, safe));
      sum = arith::SelectOp::create(b, exists, sum, k.scalarConstant(0.0));
      Value acc = tile::LoadOp::create(b, tile, accs->view, at(*accs, part),
                                       /*dims=*/nullptr);
      read.push_back({max, sum, acc});
    }
    Value top = args[0];
    for (const State &part : read)
      top = arith::MaxNumFOp::create(b, top, part.max);
    Value shift = arith::SelectOp::create(b, isEqual(top, -infinity),
                                          k.scalarConstant(0.0), top);
    auto weigh = [&](Value max) {
      return exp2(arith::SubFOp::create(b, max, shift));
    };
    Value weight = weigh(args[0]);
    Value sum = mul(weight, args[1]);
    Value acc = mul(k.splat(weight, {columns}), args[2]);
    for (const State &part : read) {
      Value w = weigh(part.max);
      sum = math::FmaOp::create(b, w, part.sum, sum);
      acc = math::FmaOp::create(b, k.splat(w, {columns}), part.acc, acc);
    }
    scf::YieldOp::create(b, ValueRange{top, sum, acc});
  }
  state = {loop.getResult(0), loop.getResult(1), loop.getResult(2)};
  merge = op;
  auto one = [&](Value scalar) { return k.splat(scalar, {1}); };
  k.setTile(op.getMax(), one(state.max));
  k.setTile(op.getSum(), one(state.sum));
  k.setTile(op.getAcc(), state.acc);
  return success();
}

LogicalResult MergeConverter::convert(SoftmaxFinishOp op) {
  if (!merge || op.getMax() != merge.getMax() ||
      op.getSum() != merge.getSum() || op.getAcc() != merge.getAcc())
    return op.emitOpError("cannot become part of a kernel: it finishes another "
                          "state than that of the merge beside it");
  int64_t columns = getColumns(op.getAcc());
  Value zero = k.scalarConstant(0.0);
  Value weight = k.scalarConstant(1.0), max = state.max, sum = state.sum;
  // A sink is one more term of the denominator. One of -inf adds nothing,
  // whatever the maximum.
  if (op.getSinks()) {
    Value sink = readScalar(op.getSinks());
    if (!sink)
      return fail(op, op.getSinks());
    b.setLoc(op.getLoc());
    sink = mul(k.extend(sink), k.scalarConstant(log2e));
    Value top = arith::MaxNumFOp::create(b, max, sink);
    auto power = [&](Value x) -> Value {
      Value e = exp2(arith::SubFOp::create(b, x, top));
      return arith::SelectOp::create(b, isEqual(x, -infinity), zero, e);
    };
    weight = power(max);
    sum = math::FmaOp::create(b, weight, sum, power(sink));
    max = top;
  }
  b.setLoc(op.getLoc());
  Value factor = arith::SelectOp::create(b, isEqual(sum, 0.0), zero,
                                         arith::DivFOp::create(b, weight, sum));
  Value out = mul(state.acc, k.splat(factor, {columns}));
  Type element = cast<RankedTensorType>(op.getOut().getType()).getElementType();
  k.setTile(op.getOut(), k.truncate(out, element));
  if (op.getLse()) {
    Value total = add(max, math::Log2Op::create(b, sum));
    k.setTile(op.getLse(), k.splat(mul(total, k.scalarConstant(ln2)), {1}));
  }
  return success();
}

LogicalResult MergeConverter::convert(Operation *op) {
  b.setLoc(op->getLoc());
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<SoftmaxMergeOp, SoftmaxFinishOp>([&](auto o) { return convert(o); })
      .Default([&](Operation *o) { return k.convert(o); });
}

LogicalResult totile::decomposeMerge(KernelBuilder &k, scf::ForallOp forall) {
  k.bindGrid(/*longestFirst=*/false);
  MergeConverter converter(k);
  for (Operation &op : forall.getBody()->without_terminator())
    if (failed(converter.convert(&op)))
      return failure();
  return k.convertResults(forall.getTerminator());
}
