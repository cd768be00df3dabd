//===- DecomposeConvBackward.cpp - Gradients of convolutions -> tile ------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With g the gradient of what the activation is applied to, of width W,
//
//   g[t]       = out_grad[t] act'(bias + sum over w of weight[w] x[t-W+1+w])
//   x_grad[t]  = sum over w of weight[w] g[t+W-1-w]
//   weight[w] += g[t] x[t-W+1+w]          bias += g[t]
//
// so a tile of channels x steps reads steps before it (x) and behind it (x and
// out_grad). Nothing is carried from chunk to chunk but the sums, which are
// tiles as well: a thread adds to its own elements, and threads are combined
// after the last chunk.
//
// Where a thread has 8 steps next to each other, a chunk, and what lies one
// block of 8 steps before and behind it, are read once. What is some steps away
// is a tile.shift of two of these, a matter of which register. For that each
// thread computes g of the block behind its own, too: two values of the
// activation's derivative for each, and no thread waits for another.
//
// Chunks that have one before them and a block behind them read whole vectors.
// So do the first chunk, before which there is nothing or the initial state,
// and the last ones, where a sequence is a whole number of blocks: each thread
// asks of each block if it is there. Of other sequences these read each step.
//
// Where steps do not lie next to each other, each distance is read by itself.
//
//===----------------------------------------------------------------------===//

#include "ScanParts.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"

#include <map>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Steps that a thread has next to each other.
static constexpr int64_t kBlock = 8;
/// Thread blocks that an SM has registers for. Nothing is read ahead, so what
/// hides a wait is other warps.
static constexpr int32_t kBlocks = 5;

namespace {
class ConvBackwardKernel {
public:
  ConvBackwardKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
                     ChunkConv1dBackwardOp op)
      : k(k), b(k.b), forall(forall), loop(loop), op(op) {
    auto type = cast<RankedTensorType>(op.getX().getType());
    channels = type.getDimSize(1);
    steps = type.getDimSize(2);
    element = type.getElementType();
    width = cast<RankedTensorType>(op.getWeight().getType()).getDimSize(1);
    hasSilu = op.getActivation() == Activation::Silu;
  }

  LogicalResult build();

private:
  /// What chunks add to: for each tap, and the bias; channels x steps.
  using Sums = SmallVector<Value>;
  /// A tile at some distance from the chunk.
  using Tiles = std::map<int64_t, Value>;

  LogicalResult fail(Value v) {
    return op.emitOpError("uses a ")
           << v.getType() << " that is not a slice of device memory";
  }
  LogicalResult buildLoop();
  LogicalResult storeSums(const Sums &sums);
  void takeHistory();
  LogicalResult buildChunk(Value number, bool isInner, Sums &sums);
  LogicalResult buildSteps(bool isInner, Sums &sums);
  Value load(const Slice &slice, int64_t distance, bool isInner);
  Value loadEdge(const Slice &x, int64_t distance);
  Value buildGradient(Value outGrad, function_ref<Value(int64_t)> x);
  SmallVector<Value> buildLoopOf(Value from, Value to, Value first,
                                 bool isInner, Sums sums);
  SmallVector<Value> buildEnds(Value from, Value to, Value length, Sums sums);

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  scf::ForallOp forall;
  scf::ForOp loop;
  ChunkConv1dBackwardOp op;
  Type element;
  int64_t channels, steps, width;
  bool hasSilu;
  /// Whether threads have blocks of steps.
  bool hasBlocks = false;
  /// The number of steps while it is known to be one of whole blocks.
  Value whole;
  SmallVector<Value> taps; // One element per channel, each.
  Value bias;
  std::optional<Slice> history; // The initial state, if there is one.
  std::optional<Slice> xGrad, next;
};
} // namespace

/// What `v` is a slice of.
static Value getWhole(Value v) {
  while (Operation *def = v.getDefiningOp()) {
    if (!isa<tensor::ExtractSliceOp, tensor::PadOp, tensor::CastOp>(def))
      break;
    v = def->getOperand(0);
  }
  return v;
}

/// The initial state, which only the columns before the first chunk read.
void ConvBackwardKernel::takeHistory() {
  Value v = op.getInitialState();
  auto columns = v ? v.getDefiningOp<linalg::GenericOp>() : nullptr;
  if (!columns)
    return;
  // The others are of what x is a slice of.
  llvm::SmallDenseSet<Value> ofX;
  for (Value x = op.getX(); x;) {
    ofX.insert(x);
    Operation *def = x.getDefiningOp();
    if (!def ||
        !isa<tensor::ExtractSliceOp, tensor::PadOp, tensor::CastOp>(def))
      break;
    x = def->getOperand(0);
  }
  columns.walk([&](tensor::ExtractOp extract) {
    if (!ofX.contains(extract.getTensor()))
      history = k.getSlice(extract.getTensor());
  });
}

/// What of `slice` lies `distance` steps behind the chunk.
Value ConvBackwardKernel::load(const Slice &slice, int64_t distance,
                               bool isInner) {
  SmallVector<Value> offsets(slice.offsets);
  if (distance > 0)
    offsets.back() =
        arith::AddIOp::create(b, offsets.back(), k.index(distance));
  else if (distance < 0)
    offsets.back() =
        arith::SubIOp::create(b, offsets.back(), k.index(-distance));
  auto type = RankedTensorType::get({channels, steps}, element);
  DenseI64ArrayAttr inside;
  if (isInner)
    inside = b.getDenseI64ArrayAttr({1});
  Value view = limit(k, slice.view, offsets.size() - 1, whole);
  return tile::LoadOp::create(b, type, view, offsets, /*dims=*/nullptr, inside);
}

/// x at a distance, and of the initial state what lies before it.
Value ConvBackwardKernel::loadEdge(const Slice &x, int64_t distance) {
  Value in = load(x, distance, /*isInner=*/false);
  if (distance >= 0 || !history)
    return in;
  Slice old = x;
  old.view = history->view;
  for (auto [offset, of] :
       llvm::drop_end(llvm::zip_equal(old.offsets, history->offsets)))
    offset = addIndex(k, of, offset);
  SmallVector<Value> offsets(old.offsets);
  offsets.back() =
      arith::AddIOp::create(b, offsets.back(), k.index(distance + width - 1));
  auto type = cast<RankedTensorType>(in.getType());
  Value before = tile::LoadOp::create(b, type, old.view, offsets,
                                      /*dims=*/nullptr);
  // Step first + t + distance is before the first one.
  Value at = k.broadcast(k.positions(x.offsets.back(), steps, b.getI32Type()),
                         0, channels);
  Value isOld = arith::CmpIOp::create(
      b, arith::CmpIPredicate::slt, at,
      k.constant({channels, steps}, b.getI32IntegerAttr(-distance)));
  return arith::SelectOp::create(b, isOld, before, in);
}

/// g from `outGrad`, at some distance, and x, at distances from there.
Value ConvBackwardKernel::buildGradient(Value outGrad,
                                        function_ref<Value(int64_t)> x) {
  outGrad = k.extend(outGrad);
  if (!hasSilu)
    return outGrad;
  SmallVector<int64_t> shape = {channels, steps};
  Value sum = bias ? k.broadcast(bias, 1, steps) : Value();
  for (int64_t w = 0; w < width; ++w) {
    Value in = k.extend(x(w - (width - 1)));
    Value tap = k.broadcast(taps[w], 1, steps);
    sum = sum ? math::FmaOp::create(b, in, tap, sum).getResult()
              : arith::MulFOp::create(b, in, tap).getResult();
  }
  // silu' = s + y s (1 - s), with s = 1 / (1 + exp(-y)).
  Value one = k.constant(shape, 1.0);
  Value s =
      divide(k, one, arith::AddFOp::create(b, one, exp2Scaled(k, sum, -log2e)));
  Value slope = math::FmaOp::create(b, arith::MulFOp::create(b, sum, s),
                                    arith::SubFOp::create(b, one, s), s);
  return arith::MulFOp::create(b, outGrad, slope);
}

/// One chunk.
LogicalResult ConvBackwardKernel::buildSteps(bool isInner, Sums &sums) {
  auto x = k.getSlice(op.getX()), outGrad = k.getSlice(op.getOutGrad());
  if (!x || !outGrad)
    return fail(x ? op.getOutGrad() : op.getX());
  // Everything at a distance, once.
  Tiles xs, blocks, gs, gBlocks;
  std::function<Value(int64_t)> xAt, gAt;
  auto remember = [](Tiles &known, int64_t distance,
                     function_ref<Value()> make) -> Value {
    auto found = known.find(distance);
    if (found == known.end())
      found = known.emplace(distance, make()).first;
    return found->second;
  };
  // A block starts at a multiple of 8; what lies between two is a shift.
  auto between = [&](int64_t distance,
                     function_ref<Value(int64_t)> block) -> Value {
    int64_t ahead = llvm::divideCeil(distance + 64 * kBlock, kBlock) - 64;
    int64_t back = ahead * kBlock - distance;
    if (back == 0)
      return block(ahead * kBlock);
    Value now = block(ahead * kBlock), before = block((ahead - 1) * kBlock);
    return tile::ShiftOp::create(b, now, before, back, kBlock).getResult();
  };
  auto loadX = [&](int64_t distance) {
    return isInner ? load(*x, distance, /*isInner=*/true)
                   : loadEdge(*x, distance);
  };
  auto gradient = [&](int64_t distance) {
    return buildGradient(load(*outGrad, distance, isInner),
                         [&](int64_t d) { return xAt(distance + d); });
  };
  if (hasBlocks) {
    auto block = [&](int64_t distance) {
      return remember(blocks, distance, [&] { return loadX(distance); });
    };
    xAt = [&, block](int64_t distance) {
      return remember(xs, distance, [&] { return between(distance, block); });
    };
    auto gBlock = [&](int64_t distance) {
      return remember(gBlocks, distance, [&] { return gradient(distance); });
    };
    gAt = [&, gBlock](int64_t distance) {
      return remember(gs, distance, [&] { return between(distance, gBlock); });
    };
  } else {
    xAt = [&](int64_t distance) {
      return remember(xs, distance, [&] { return loadX(distance); });
    };
    gAt = [&](int64_t distance) {
      return remember(gs, distance, [&] { return gradient(distance); });
    };
  }

  Value g = gAt(0), sum;
  for (int64_t w = 0; w < width; ++w) {
    Value tap = k.broadcast(taps[w], 1, steps), at = gAt(width - 1 - w);
    sum = sum ? math::FmaOp::create(b, at, tap, sum).getResult()
              : arith::MulFOp::create(b, at, tap).getResult();
    Value in = k.extend(xAt(w - (width - 1)));
    sums[w] = math::FmaOp::create(b, g, in, sums[w]);
  }
  if (op.getBiasGradInit())
    sums[width] = arith::AddFOp::create(b, sums[width], g);

  SmallVector<Value> offsets(xGrad->offsets);
  offsets.back() = addIndex(k, offsets.back(), x->offsets.back());
  sum = k.truncate(sum, element);
  Value view = limit(k, xGrad->view, offsets.size() - 1, whole);
  tile::StoreOp::create(b, sum, view, offsets, /*dims=*/nullptr,
                        isInner ? b.getDenseI64ArrayAttr({1})
                                : DenseI64ArrayAttr());
  // The first chunk has what the initial state gets its gradient from; later
  // ones lie outside.
  if (!isInner && next) {
    SmallVector<Value> to(next->offsets);
    to.back() = x->offsets.back();
    tile::StoreOp::create(b, g, next->view, to, /*dims=*/nullptr);
  }
  return success();
}

/// Takes the body of the loop in, for chunk `number` of the sequence.
LogicalResult ConvBackwardKernel::buildChunk(Value number, bool isInner,
                                             Sums &sums) {
  // The loop counts from the end.
  Value last =
      arith::SubIOp::create(b, k.scalar(loop.getUpperBound()), k.index(1));
  k.setScalar(loop.getInductionVar(), arith::SubIOp::create(b, last, number));
  bool past = false;
  auto own = [&](Operation *other) -> LogicalResult {
    if (other == op) {
      past = true;
      return buildSteps(isInner, sums);
    }
    // The history of a chunk is read with it.
    if (past || isa<linalg::GenericOp>(other))
      return success();
    return k.convert(other);
  };
  return convertBody(*loop.getBody(), own);
}

/// Chunks `first`, which may be null, and [from, to).
SmallVector<Value> ConvBackwardKernel::buildLoopOf(Value from, Value to,
                                                   Value first, bool isInner,
                                                   Sums sums) {
  Value zero = k.index(0), one = k.index(1), start = from;
  if (first) {
    // One more, before the others.
    start = arith::SubIOp::create(b, from, one);
  }
  auto chunks = scf::ForOp::create(b, start, to, one, sums);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(chunks.getBody());
  Sums now(chunks.getRegionIterArgs());
  Value number = chunks.getInductionVar();
  if (first) {
    Value isFirst =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number, start);
    number = arith::SelectOp::create(b, isFirst, zero, number);
  }
  if (failed(buildChunk(number, isInner, now)))
    return {};
  b.setInsertionPointToEnd(chunks.getBody());
  scf::YieldOp::create(b, now);
  return llvm::to_vector_of<Value>(chunks.getResults());
}

/// The first chunk, which is all where there is one, and chunks [from, to).
SmallVector<Value> ConvBackwardKernel::buildEnds(Value from, Value to,
                                                 Value length, Sums sums) {
  Value zero = k.index(0), block = k.index(kBlock);
  Value isSome = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, to, zero);
  Value end = arith::SelectOp::create(
      b, isSome, arith::MaxSIOp::create(b, to, from), zero);
  Value blocks =
      arith::MulIOp::create(b, arith::DivUIOp::create(b, length, block), block);
  Value isWhole =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, blocks, length);
  auto choice = scf::IfOp::create(b, TypeRange(ValueRange(sums)), isWhole,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Value known : {blocks, Value()}) {
    whole = known;
    b.setInsertionPointToStart(known ? choice.thenBlock() : choice.elseBlock());
    Sums results = buildLoopOf(from, end, zero, /*isInner=*/false, sums);
    if (results.empty())
      return {};
    scf::YieldOp::create(b, results);
  }
  return llvm::to_vector_of<Value>(choice.getResults());
}

LogicalResult ConvBackwardKernel::buildLoop() {
  takeHistory();
  unsigned number = 0;
  ValueRange inits = loop.getInitArgs();
  xGrad = k.getSlice(inits[number++]);
  if (!xGrad)
    return fail(inits[0]);
  if (op.getNextInit()) {
    next = k.getSlice(inits[number++]);
    if (!next)
      return fail(inits[1]);
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
  Sums sums(width + (op.getBiasGradInit() ? 1 : 0),
            k.constant({channels, steps}, 0.0));

  Value zero = k.index(0), one = k.index(1),
        chunks = k.scalar(loop.getUpperBound());
  if (next) {
    // Without steps there are no chunks, and no gradients.
    Value isEmpty =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, chunks, zero);
    auto fill = scf::IfOp::create(b, isEmpty, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(fill.thenBlock());
    tile::StoreOp::create(b, k.constant({channels, steps}, 0.0), next->view,
                          next->offsets, /*dims=*/nullptr);
  }
  hasBlocks = width - 1 <= kBlock && steps % kBlock == 0 &&
              isContiguous(k, op.getX()) && isContiguous(k, op.getOutGrad());
  if (hasBlocks) {
    if (k.kernel.getWarps() <= 4)
      k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(kBlocks));
    // Chunks with one before them and a block behind them.
    Value block = k.index(kBlock);
    Value view = k.getView(getWhole(op.getX()));
    if (!view)
      return fail(op.getX());
    Value length = memref::DimOp::create(b, view, k.index(2));
    Value inner = arith::MaxSIOp::create(
        b, arith::SubIOp::create(b, length, block), zero);
    inner = arith::MaxSIOp::create(
        b, arith::DivUIOp::create(b, inner, k.index(steps)), one);
    sums = buildLoopOf(one, inner, Value(), /*isInner=*/true, sums);
    if (!sums.empty())
      sums = buildEnds(inner, chunks, length, sums);
  } else {
    sums = buildLoopOf(zero, chunks, Value(), /*isInner=*/false, sums);
  }
  if (sums.empty())
    return failure();

  return storeSums(sums);
}

/// Combines the threads of a channel, and writes the taps beside each other.
LogicalResult ConvBackwardKernel::storeSums(const Sums &sums) {
  unsigned weightNumber = next ? 2 : 1;
  for (Operation &yielded : forall.getTerminator().getYieldingOps()) {
    auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
    auto result = dyn_cast<OpResult>(getWhole(insert.getSource()));
    Value view = k.getView(insert.getDest());
    if (!view || !result || result.getOwner() != loop)
      return insert.emitOpError("inserts no gradient of the convolution");
    if (result.getResultNumber() < weightNumber)
      continue;
    SmallVector<Value> offsets = llvm::map_to_vector(
        insert.getMixedOffsets(), [&](OpFoldResult o) { return k.scalar(o); });
    auto column = b.getDenseI64ArrayAttr({1});
    if (result.getResultNumber() > weightNumber) {
      Value sum = k.reduce(tile::ReduceKind::Add, sums[width], 1);
      tile::StoreOp::create(b, sum, view, offsets, column);
      continue;
    }
    for (int64_t w = 0; w < width; ++w) {
      Value sum = k.reduce(tile::ReduceKind::Add, sums[w], 1);
      offsets.back() = k.index(w);
      tile::StoreOp::create(b, sum, view, offsets, column);
    }
  }
  return success();
}

LogicalResult ConvBackwardKernel::build() {
  k.bindGrid(/*longestFirst=*/false);
  moveLoopInvariantCode(cast<LoopLikeOpInterface>(loop.getOperation()));
  auto own = [&](Operation *other) -> LogicalResult {
    if (other == loop)
      return buildLoop();
    // What of the loop's results lies inside is not cut again.
    if (other->getNumOperands() > 0 &&
        other->getOperand(0).getDefiningOp() == loop)
      return success();
    return k.convert(other);
  };
  return convertBody(*forall.getBody(), own);
}

LogicalResult totile::decomposeConvBackward(KernelBuilder &k,
                                            scf::ForallOp forall) {
  auto found = findTile<ChunkConv1dBackwardOp>(forall);
  if (failed(found))
    return failure();
  return ConvBackwardKernel(k, forall, found->first, found->second).build();
}
