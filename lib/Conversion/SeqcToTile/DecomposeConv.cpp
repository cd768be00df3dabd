//===- DecomposeConv.cpp - Tiles of convolutions -> tile ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution. One tile of channels x steps is a sum over the filter's taps
// of the input at a shift for each tap: the history in front of a chunk
// is read from the input again, not carried. Where rows are aligned, a chunk
// and what lies one block of 8 steps before it are read in whole vectors, and
// each tap is a tile.shift of the two: a matter of which register. The first
// chunk, before which there is nothing or the initial state, and the last one,
// if it is cut, ask of each block if it is there, where a sequence is a whole
// number of blocks, and else of each step. Where steps do not lie next to each
// other, each tap is read at its place.
//
//===----------------------------------------------------------------------===//

#include "ScanParts.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Steps of a convolution that a thread has next to each other.
static constexpr int64_t kBlock = 8;
/// The blocks of an SM.
static constexpr int32_t kMostBlocks = 32;
/// Steps of a tile of a chunk that is cut, or of which single steps are read:
/// sequences may be shorter than a chunk, and single steps take many registers.
static constexpr int64_t kEndSteps = 256;

namespace {
class ConvKernel {
public:
  ConvKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
             CausalConv1dOp op)
      : k(k), forall(forall), loop(loop), op(op) {
    channels = op.getX().getType().getDimSize(1);
    steps = op.getX().getType().getDimSize(2);
    width = op.getWeight().getType().getDimSize(1);
  }

  LogicalResult build();

private:
  LogicalResult buildLoop();
  LogicalResult buildChunks(Value from, Value to, Value step, const Slice &dest,
                            bool isInner);
  LogicalResult buildChunk(Value first, const Slice &dest, bool isInner);
  Value load(const Slice &x, int64_t back, bool isInner);
  Value takeState(Value in, Value first, int64_t back);
  Value buildSum(const Slice &x, Value first, bool isInner, bool useState);

  KernelBuilder &k;
  scf::ForallOp forall;
  scf::ForOp loop;
  CausalConv1dOp op;
  int64_t channels, steps, width;
  /// Whether threads have blocks of steps.
  bool hasBlocks = false;
  /// The number of steps while it is known to be one of whole blocks.
  Value whole;
  SmallVector<Value> taps; // One element per channel, each.
  Value bias;
  std::optional<Slice> history; // The initial state, if there is one
  Value historyFill;            // or what fills it.
};
} // namespace

/// x `back` steps before the chunk.
Value ConvKernel::load(const Slice &x, int64_t back, bool isInner) {
  ImplicitLocOpBuilder &b = k.b;
  auto viewType = cast<MemRefType>(x.view.getType());
  auto type =
      RankedTensorType::get({channels, steps}, viewType.getElementType());
  SmallVector<Value> offsets(x.offsets);
  // Steps before the first read 0.
  if (back > 0)
    offsets.back() = arith::SubIOp::create(b, offsets.back(), k.index(back));
  Value view = limit(k, x.view, offsets.size() - 1, whole);
  return tile::LoadOp::create(b, type, view, offsets, /*dims=*/nullptr,
                              isInner ? b.getDenseI64ArrayAttr({1})
                                      : DenseI64ArrayAttr());
}

/// Puts the initial state where `in`, `back` steps before the chunk that starts
/// at step `first`, lies before the first step.
Value ConvKernel::takeState(Value in, Value first, int64_t back) {
  ImplicitLocOpBuilder &b = k.b;
  Value old;
  if (history) {
    SmallVector<Value> at(history->offsets);
    at.back() =
        addIndex(k, at.back(), addIndex(k, first, k.index(width - 1 - back)));
    old = tile::LoadOp::create(b, cast<RankedTensorType>(in.getType()),
                               history->view, at, /*dims=*/nullptr);
  } else {
    old = k.splat(historyFill, {channels, steps});
  }
  Value at =
      k.broadcast(k.positions(first, steps, b.getI32Type()), 0, channels);
  Value isOld = arith::CmpIOp::create(
      b, arith::CmpIPredicate::slt, at,
      k.constant({channels, steps}, b.getI32IntegerAttr(back)));
  return arith::SelectOp::create(b, isOld, old, in);
}

/// The sum over the taps of a chunk that starts at step `first`.
Value ConvKernel::buildSum(const Slice &x, Value first, bool isInner,
                           bool useState) {
  ImplicitLocOpBuilder &b = k.b;
  auto element = cast<MemRefType>(x.view.getType()).getElementType();
  auto read = [&](int64_t back) {
    Value in = load(x, back, isInner);
    return useState && back > 0 ? takeState(in, first, back) : in;
  };
  Value now = read(0), before;
  if (hasBlocks && width > 1)
    before = read(kBlock);
  Value sum = bias ? k.broadcast(bias, 1, steps) : Value();
  for (int64_t w = 0; w < width; ++w) {
    Value in = now;
    if (int64_t back = width - 1 - w)
      in = hasBlocks
               ? tile::ShiftOp::create(b, now, before, back, kBlock).getResult()
               : read(back);
    in = k.extend(in);
    Value tap = k.broadcast(taps[w], 1, steps);
    sum = sum ? math::FmaOp::create(b, in, tap, sum).getResult()
              : arith::MulFOp::create(b, in, tap).getResult();
  }
  if (op.getActivation() == Activation::Silu)
    sum = buildSilu(k, sum);
  return k.truncate(sum, element);
}

LogicalResult ConvKernel::buildLoop() {
  ImplicitLocOpBuilder &b = k.b;
  auto fail = [&](Value v) {
    return op.emitOpError("uses a ")
           << v.getType() << " that is not a slice of device memory";
  };
  auto dest = k.getSlice(loop.getInitArgs()[0]);
  if (!dest)
    return fail(loop.getInitArgs()[0]);
  if (width > 1) {
    Value init = loop.getInitArgs()[1];
    if (Value fill = k.getFill(init)) {
      if (!matchPattern(fill, m_AnyZeroFloat()))
        historyFill = fill;
    } else {
      history = k.getSlice(init);
      if (!history)
        return fail(init);
    }
  }
  auto weight = k.getSlice(op.getWeight());
  if (!weight)
    return fail(op.getWeight());
  for (int64_t w = 0; w < width; ++w)
    taps.push_back(loadColumn(k, *weight, 0, channels, k.index(w)));
  if (op.getBias()) {
    bias = k.getTile(op.getBias(), {channels});
    if (!bias)
      return fail(op.getBias());
    bias = k.extend(bias);
  }

  Value from = k.scalar(loop.getLowerBound()),
        to = k.scalar(loop.getUpperBound()), step = k.scalar(loop.getStep());
  hasBlocks =
      width - 1 <= kBlock && steps % kBlock == 0 && isContiguous(k, op.getX());
  if (!hasBlocks)
    return buildChunks(from, to, step, *dest, /*isInner=*/false);
  // As many blocks of one warp as an SM has room for.
  if (k.kernel.getWarps() == 1)
    k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(kMostBlocks));
  // Chunks with one before them, and the first and the last one.
  Value length = arith::SubIOp::create(b, to, from);
  Value last =
      arith::MulIOp::create(b, arith::DivUIOp::create(b, length, step), step);
  last = arith::AddIOp::create(b, from, last);
  Value second = arith::AddIOp::create(b, from, step);
  if (failed(buildChunks(second, last, step, *dest, /*isInner=*/true)))
    return failure();
  Value across =
      arith::MaxSIOp::create(b, arith::SubIOp::create(b, last, from), step);
  Value block = k.index(kBlock);
  Value blocks =
      arith::MulIOp::create(b, arith::DivUIOp::create(b, length, block), block);
  Value isWhole =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, blocks, length);
  auto choice = scf::IfOp::create(b, TypeRange(), isWhole,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Value known : {blocks, Value()}) {
    whole = known;
    b.setInsertionPointToStart(known ? choice.thenBlock() : choice.elseBlock());
    if (failed(buildChunks(from, to, across, *dest, /*isInner=*/false)))
      return failure();
  }
  return success();
}

LogicalResult ConvKernel::buildChunks(Value from, Value to, Value step,
                                      const Slice &dest, bool isInner) {
  ImplicitLocOpBuilder &b = k.b;
  auto now = scf::ForOp::create(b, from, to, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(now.getBody()->getTerminator());
  Value begin = now.getInductionVar();
  if (isInner || steps <= kEndSteps)
    return buildChunk(begin, dest, isInner);
  int64_t chunk = steps;
  Value end = arith::AddIOp::create(b, begin, k.index(chunk));
  // As a whole if it is one, else in several tiles.
  if (whole) {
    Value isAll = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, to);
    auto choice = scf::IfOp::create(b, TypeRange(), isAll,
                                    /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.thenBlock());
    if (failed(buildChunk(begin, dest, /*isInner=*/false)))
      return failure();
    b.setInsertionPointToStart(choice.elseBlock());
  }
  end = arith::MinSIOp::create(b, end, to);
  auto parts = scf::ForOp::create(b, begin, end, k.index(kEndSteps));
  b.setInsertionPoint(parts.getBody()->getTerminator());
  steps = kEndSteps;
  LogicalResult done =
      buildChunk(parts.getInductionVar(), dest, /*isInner=*/false);
  steps = chunk;
  return done;
}

/// The tile of `steps` steps that starts at step `first`.
LogicalResult ConvKernel::buildChunk(Value first, const Slice &dest,
                                     bool isInner) {
  ImplicitLocOpBuilder &b = k.b;
  auto fail = [&](Value v) {
    return op.emitOpError("uses a ")
           << v.getType() << " that is not a slice of device memory";
  };
  k.setScalar(loop.getInductionVar(), first);
  bool past = false;
  auto own = [&](Operation *other) -> LogicalResult {
    if (past)
      return success();
    if (other != op)
      return k.convert(other);
    past = true;
    auto x = k.getSlice(op.getX());
    if (!x)
      return fail(op.getX());
    Value sum;
    if (!isInner && (history || historyFill)) {
      Value starts = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, first,
                                           k.index(width - 1));
      auto type = RankedTensorType::get({channels, steps},
                                        op.getX().getType().getElementType());
      auto choice = scf::IfOp::create(b, type, starts, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard inner(b);
      for (bool useState : {true, false}) {
        b.setInsertionPointToStart(useState ? choice.thenBlock()
                                            : choice.elseBlock());
        scf::YieldOp::create(b, buildSum(*x, first, isInner, useState));
      }
      sum = choice.getResult(0);
    } else {
      sum = buildSum(*x, first, isInner, /*useState=*/false);
    }
    SmallVector<Value> offsets(dest.offsets);
    offsets.back() = addIndex(k, offsets.back(), first);
    Value view = limit(k, dest.view, offsets.size() - 1, whole);
    tile::StoreOp::create(b, sum, view, offsets, /*dims=*/nullptr,
                          isInner ? b.getDenseI64ArrayAttr({1})
                                  : DenseI64ArrayAttr());
    return success();
  };
  return convertBody(*loop.getBody(), own);
}

LogicalResult ConvKernel::build() {
  k.bindGrid(/*longestFirst=*/false);
  moveLoopInvariantCode(cast<LoopLikeOpInterface>(loop.getOperation()));
  auto own = [&](Operation *other) -> LogicalResult {
    return other == loop ? buildLoop() : k.convert(other);
  };
  return convertBody(*forall.getBody(), own);
}

LogicalResult totile::decomposeConv(KernelBuilder &k, scf::ForallOp forall) {
  auto found = findTile<CausalConv1dOp>(forall);
  if (failed(found))
    return failure();
  return ConvKernel(k, forall, found->first, found->second).build();
}
