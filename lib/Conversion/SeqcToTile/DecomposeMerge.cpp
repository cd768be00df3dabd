//===- DecomposeMerge.cpp - The merge of a row's parts -> tile ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block merges one row. Its parts are rows of tiles, 32 at a time, so that
// all of their loads are on their way before the first is needed; warps and
// lanes share the columns of accumulators, and a maximum or a sum over parts
// takes few exchanges between lanes, none between warps. Each thread knows the
// maximum and the sum of the row: they are tiles of equal columns. With (m, l,
// a) the state so far and (m_p, l_p, a_p) the parts of one turn, -inf and 0
// past the last one:
//
//   top   = max(m, m_p ...)
//   shift = top, but 0 while all are -inf
//   w     = exp2(m - shift), w_p = exp2(m_p - shift)
//   l     = w l + sum over p of w_p l_p
//   a     = w a + sum over p of w_p a_p
//
// in an order that depends on the number of parts alone. Then the row ends as
// every row does: out = a / l.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

/// Parts of one turn.
static constexpr int64_t kTurn = 32;
/// The columns of a warp, and the most warps.
static constexpr int64_t kWarpColumns = 32, kMostWarps = 8;

namespace {

/// Tiles of as many elements as there are columns. The maximum and the sum have
/// the same ones in each.
struct State {
  Value max, sum, acc;
};

class MergeConverter {
public:
  MergeConverter(KernelBuilder &k) : k(k), b(k.b) {}

  LogicalResult convert(Operation *op);
  LogicalResult storeRowValues(scf::InParallelOp op);

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
  Value fill(double x) { return k.constant({columns}, x); }
  Value isEqual(Value x, double y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, fill(y));
  }

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  /// The accumulator's, padded.
  int64_t columns = 0;
  /// The state of the row, after the merge.
  State state;
  SoftmaxMergeOp merge;
  /// Results that have one value for a row, and tiles of it.
  llvm::MapVector<Value, Value> rowValues;
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
  columns = getColumns(op.getPartAcc());
  int64_t warps = 1;
  while (2 * warps <= kMostWarps && warps * kWarpColumns < columns &&
         columns % (8 * warps) == 0)
    warps *= 2;
  k.kernel.setWarps(warps);
  auto maxes = k.getSlice(op.getPartMax()), sums = k.getSlice(op.getPartSum()),
       accs = k.getSlice(op.getPartAcc());
  for (auto [slice, v] : {std::pair(&maxes, op.getPartMax()),
                          {&sums, op.getPartSum()},
                          {&accs, op.getPartAcc()}})
    if (!*slice || (*slice)->group)
      return fail(op, v);
  Value max = readScalar(op.getMaxInit()), sum = readScalar(op.getSumInit()),
        acc = k.getTile(op.getAccInit(), {columns}, {3});
  if (!max || !sum || !acc)
    return fail(op, op.getAccInit());
  b.setLoc(op.getLoc());

  Value parts = memref::DimOp::create(b, maxes->view, k.index(0));
  SmallVector<Value> init = {k.splat(max, {columns}), k.splat(sum, {columns}),
                             acc};
  auto loop = scf::ForOp::create(b, k.index(0), parts, k.index(kTurn), init);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    ValueRange args = loop.getRegionIterArgs();
    Value first = loop.getInductionVar();
    Type element = getElementTypeOrSelf(acc.getType());
    auto load = [&](const Slice &slice, ArrayRef<int64_t> shape,
                    ArrayRef<int64_t> dims) -> Value {
      SmallVector<Value> offsets = slice.offsets;
      offsets[0] = first;
      return tile::LoadOp::create(b, RankedTensorType::get(shape, element),
                                  slice.view, offsets,
                                  b.getDenseI64ArrayAttr(dims));
    };
    // All loads first. What lies past the last part is 0.
    Value partAcc = load(*accs, {kTurn, columns}, {0, 4});
    Value partMax = load(*maxes, {kTurn}, {0});
    Value partSum = load(*sums, {kTurn}, {0});
    Value count = arith::IndexCastOp::create(b, b.getI32Type(), parts);
    Value exists = arith::CmpIOp::create(
        b, arith::CmpIPredicate::slt, k.positions(first, kTurn, b.getI32Type()),
        k.splat(count, {kTurn}));
    partMax = arith::SelectOp::create(b, exists, partMax,
                                      k.constant({kTurn}, -infinity));
    auto spread = [&](Value part) { return k.broadcast(part, 1, columns); };
    auto reduce = [&](tile::ReduceKind kind, Value parts) {
      return k.reduce(kind, parts, /*dim=*/0);
    };
    Value top = arith::MaxNumFOp::create(
        b, args[0], reduce(tile::ReduceKind::Max, spread(partMax)));
    Value shift =
        arith::SelectOp::create(b, isEqual(top, -infinity), fill(0.0), top);
    Value weight = exp2(arith::SubFOp::create(b, args[0], shift));
    Value weights = exp2(arith::SubFOp::create(b, spread(partMax),
                                               k.broadcast(shift, 0, kTurn)));
    auto take = [&](Value known, Value part) -> Value {
      return math::FmaOp::create(
          b, weight, known, reduce(tile::ReduceKind::Add, mul(weights, part)));
    };
    scf::YieldOp::create(b, ValueRange{top, take(args[1], spread(partSum)),
                                       take(args[2], partAcc)});
  }
  state = {loop.getResult(0), loop.getResult(1), loop.getResult(2)};
  merge = op;
  rowValues[op.getMax()] = state.max;
  rowValues[op.getSum()] = state.sum;
  k.setTile(op.getAcc(), state.acc);
  return success();
}

LogicalResult MergeConverter::convert(SoftmaxFinishOp op) {
  if (!merge || op.getMax() != merge.getMax() ||
      op.getSum() != merge.getSum() || op.getAcc() != merge.getAcc())
    return op.emitOpError("cannot become part of a kernel: it finishes another "
                          "state than that of the merge beside it");
  b.setLoc(op.getLoc());
  Value zero = fill(0.0);
  Value weight = fill(1.0), max = state.max, sum = state.sum;
  // A sink is one more term of the denominator. One of -inf adds nothing,
  // whatever the maximum.
  if (op.getSinks()) {
    Value sink = readScalar(op.getSinks());
    if (!sink)
      return fail(op, op.getSinks());
    b.setLoc(op.getLoc());
    sink = mul(k.splat(k.extend(sink), {columns}), fill(log2e));
    Value top = arith::MaxNumFOp::create(b, max, sink);
    auto power = [&](Value x) -> Value {
      Value e = exp2(arith::SubFOp::create(b, x, top));
      return arith::SelectOp::create(b, isEqual(x, -infinity), zero, e);
    };
    weight = power(max);
    sum = math::FmaOp::create(b, weight, sum, power(sink));
    max = top;
  }
  Value factor = arith::SelectOp::create(b, isEqual(sum, 0.0), zero,
                                         arith::DivFOp::create(b, weight, sum));
  Value out = mul(state.acc, factor);
  Type element = cast<RankedTensorType>(op.getOut().getType()).getElementType();
  k.setTile(op.getOut(), k.truncate(out, element));
  if (op.getLse()) {
    Value total = add(max, math::Log2Op::create(b, sum));
    rowValues[op.getLse()] = mul(total, fill(ln2));
  }
  return success();
}

/// Stores the results that have one value for a row: the first column, into a
/// part of the output that has no more.
LogicalResult MergeConverter::storeRowValues(scf::InParallelOp op) {
  for (Operation &yielded : llvm::make_early_inc_range(op.getYieldingOps())) {
    auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
    auto found = rowValues.find(insert.getSource());
    if (found == rowValues.end())
      continue;
    Value view = k.getView(insert.getDest());
    if (!view)
      return fail(insert, insert.getDest());
    b.setLoc(insert.getLoc());
    SmallVector<OpFoldResult> offsets =
        llvm::map_to_vector(insert.getMixedOffsets(), [&](OpFoldResult o) {
          return OpFoldResult(k.scalar(o));
        });
    SmallVector<OpFoldResult> ones(offsets.size(), b.getIndexAttr(1));
    Value element = memref::SubViewOp::create(b, view, offsets, ones, ones);
    SmallVector<Value> zeros(offsets.size(), k.index(0));
    tile::StoreOp::create(b, found->second, element, zeros, /*dims=*/nullptr);
    insert.erase();
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
  if (failed(converter.storeRowValues(forall.getTerminator())))
    return failure();
  return k.convertResults(forall.getTerminator());
}
