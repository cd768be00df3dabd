//===- DecomposeScanBackward.cpp - Gradients of scans -> tile -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two kernels. The first goes over the sequence forwards, without outputs, and
// stores the state before each chunk of a few steps. The second goes backwards;
// of a chunk it has in registers, as tiles of channels x steps x d_state,
//
//   a  = exp2(dt (x) (A log2 e))
//   h' = the state before each step, by tile.recurrence from the stored one
//   h  = a h' + (dt u) (x) B
//   dh = dy (x) C + a[t + 1] dh[t + 1], by tile.recurrence adjoint, from what
//        the chunk behind it has left
//   q  = a dh h'
//
// and sums them, with dy the gradient of y = sum over states of h C + D u:
//
//   over states     s = dh B,  r = A q,  y = h C         channels x steps
//   over channels   dB = dh dt u,  dC = h dy             steps x d_state
//   over steps      dA = q dt                            channels x d_state
//
//   du = dt s + D dy    ddelta = (u s + r) softplus'    dz = g (y + D u) silu'
//
// The rest is rows of steps, one element for each channel and step, in the
// layout in which device memory has them; tile.exchange stands between.
//
// A chunk is as long as a thread has registers for its decays and states, so
// there is no loop in it. Products of these are formed for a few steps at a
// time. What channels share is summed over the channels of a warp by exchanges
// (tile.sum_blocks), over the warps in shared memory, and over blocks in a
// kernel behind this one. Nothing is added to memory twice, so gradients are
// the same bits each time.
//
// The last chunk, which may be cut, comes first and by itself: dt is 0 past the
// end, where nothing happens to the state or to its gradient.
//
//===----------------------------------------------------------------------===//

#include "ScanChunks.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Blocks that an SM has registers for: of the first kernel.
static constexpr int32_t kStateBlocks = 4;
/// States of a channel that a thread has of the steps that it takes together:
/// products with all of a chunk's would leave no registers for its decays and
/// states.
static constexpr int64_t kGroupStates = 16;
/// Blocks of the second kernel that an SM has registers for, where a thread
/// holds so many decays and states of a chunk at most, and elements of a row.
static constexpr int32_t kGradientBlocks = 3;
static constexpr int64_t kFewHeld = 32, kFewElements = 8;

/// Whether nobody wants a gradient: what it is written into is nothing.
static bool isUnused(Value dest) {
  while (auto slice = dest.getDefiningOp<tensor::ExtractSliceOp>())
    dest = slice.getSource();
  return bool(dest.getDefiningOp<tensor::EmptyOp>());
}

namespace {

/// The state before each chunk.
class StatesKernel : ChunkKernel {
public:
  StatesKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
               ChunkScanOp op)
      : ChunkKernel(k, forall, loop, op, op.getU(), op.getA()), scan(op) {}

  LogicalResult build();

private:
  LogicalResult buildLoop();
  LogicalResult buildSteps(Value &state);

  ChunkScanOp scan;
  Value rate, B, bias;
};

/// The gradients.
class GradientsKernel : ChunkKernel {
public:
  GradientsKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
                  ChunkScanBackwardOp op)
      : ChunkKernel(k, forall, loop, op, op.getU(), op.getA()), scan(op) {
    int64_t threads = 32 * k.kernel.getWarps();
    int64_t ofThread = std::max<int64_t>(channels * padded / threads, 1);
    int64_t ofChannel = std::max<int64_t>(padded / 32, 4);
    group = std::clamp<int64_t>(kGroupStates / std::min(ofThread, ofChannel), 1,
                                steps);
    while (!llvm::isPowerOf2_64(group) || steps % group)
      --group;
  }

  LogicalResult build();

private:
  /// What chunks carry on: tiles, null for what there is not.
  struct Carried {
    Value state, A, B, C, D, bias;
    SmallVector<Value *> all() {
      SmallVector<Value *> result;
      for (Value *v : {&state, &A, &B, &C, &D, &bias})
        if (*v)
          result.push_back(v);
      return result;
    }
  };

  /// The operator's destinations, in order, and the number that one has among
  /// those there are, and among what the loop carries.
  enum Gradient { OfU, OfDelta, OfZ, OfState, OfA, OfB, OfC, OfD, OfBias };
  unsigned numberOf(Gradient gradient);

  LogicalResult prepare();
  LogicalResult takeStart();
  LogicalResult buildLoop();
  LogicalResult buildNumber(Value number, bool isWhole, Carried &now);
  LogicalResult buildSteps(bool isWhole, Carried &now);
  FailureOr<Value> findPlace(Gradient gradient);
  LogicalResult storeSteps(Value tile, Gradient gradient, bool isWhole);
  LogicalResult storeBlockSums(Value sums, Gradient gradient, bool isWhole);
  Value takePart(Value tile, int64_t row, int64_t column,
                 ArrayRef<int64_t> shape);
  Value put(Value part, Value tile, int64_t row, int64_t column);
  Value sumStates(Value product);

  ChunkScanBackwardOp scan;
  int64_t group;          // Steps that are taken together.
  bool isWayBack = false; // Whether the chunk's states are known.
  // Constant over the loop.
  Value rate;       // A log2(e)
  Value B, C;       // Where they do not vary with time.
  Value skip, bias; // D, delta_bias
  Value isState;    // Which states there are; null for all.
  /// The stored state before the chunk.
  Value startView;
  SmallVector<Value> startOffsets;
};

} // namespace

//===----------------------------------------------------------------------===//
// The states between chunks
//===----------------------------------------------------------------------===//

/// The steps of one chunk.
LogicalResult StatesKernel::buildSteps(Value &state) {
  Value u, delta, bTile;
  if (failed(loadRows(scan.getU(), Value(), u)))
    return failure();
  delta = u;
  if (scan.getDelta() != scan.getU() &&
      failed(loadRows(scan.getDelta(), Value(), delta)))
    return failure();
  if (!B && failed(loadStates(scan.getB(), Value(), bTile)))
    return failure();
  Value dt = buildExponent(delta, bias);
  if (scan.getDeltaSoftplus())
    dt = buildSoftplus(k, dt);
  Value input = mul(dt, u);
  dt = exchange(k, dt);
  input = exchange(k, input);
  Value states = bTile ? overChannels(exchange(k, bTile)) : overSteps(B);
  Value decay = math::Exp2Op::create(b, mul(overStates(dt), overSteps(rate)));
  Value in = mul(overStates(input), states);
  state = tile::RecurrenceOp::create(b, decay, in, state, 1).getLast();
  return success();
}

LogicalResult StatesKernel::buildLoop() {
  auto dest = k.getSlice(loop.getInitArgs()[0]);
  if (!dest)
    return fail(loop.getInitArgs()[0]);
  Value view = limit(k, dest->view, 2, channelEnd);
  Value state;
  if (failed(loadMatrix(loop.getInitArgs()[1], state)) ||
      failed(loadMatrix(scan.getA(), rate)))
    return failure();
  rate = mul(rate, k.constant({channels, padded}, log2e));
  if (!varies(scan.getB()) && failed(loadMatrix(scan.getB(), B)))
    return failure();
  if (scan.getDeltaBias() && failed(loadVector(scan.getDeltaBias(), bias)))
    return failure();
  if (padded <= 64 && k.kernel.getWarps() <= 4 && isContiguous(k, scan.getU()))
    k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(kStateBlocks));

  // The states before all chunks but the last, which are whole, and before it.
  Value last =
      arith::SubIOp::create(b, k.scalar(loop.getUpperBound()), k.index(1));
  auto storeState = [&](Value number, Value tile) {
    SmallVector<Value> offsets(dest->offsets);
    offsets[0] = addIndex(k, offsets[0], number);
    store(tile, view, offsets);
  };
  auto chunks = scf::ForOp::create(b, k.index(0), last, k.index(1), state);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(chunks.getBody());
    Value now = chunks.getRegionIterArgs()[0];
    Value number = chunks.getInductionVar();
    storeState(number, now);
    if (failed(buildChunk(number, [&] { return buildSteps(now); })))
      return failure();
    b.setInsertionPointToEnd(chunks.getBody());
    scf::YieldOp::create(b, now);
  }
  storeState(last, chunks.getResult(0));
  return success();
}

LogicalResult StatesKernel::build() {
  return buildBody([&] { return buildLoop(); });
}

LogicalResult totile::decomposeScanStates(KernelBuilder &k,
                                          scf::ForallOp forall) {
  auto found = findTile<ChunkScanOp>(forall);
  if (failed(found))
    return failure();
  return StatesKernel(k, forall, found->first, found->second).build();
}

//===----------------------------------------------------------------------===//
// The gradients
//===----------------------------------------------------------------------===//

/// Destinations may be one value, as nothing is in them: they go by their
/// place.
unsigned GradientsKernel::numberOf(Gradient gradient) {
  bool exists[] = {true,
                   true,
                   bool(scan.getZGradInit()),
                   true,
                   true,
                   true,
                   true,
                   bool(scan.getDGradInit()),
                   bool(scan.getDeltaBiasGradInit())};
  return llvm::count(ArrayRef(exists).take_front(gradient), true);
}

/// Loads what does not change from step to step.
LogicalResult GradientsKernel::prepare() {
  if (failed(loadMatrix(scan.getA(), rate)))
    return failure();
  rate = mul(rate, k.constant({channels, padded}, log2e));
  if (!varies(scan.getB()) && failed(loadMatrix(scan.getB(), B)))
    return failure();
  if (!varies(scan.getC()) && failed(loadMatrix(scan.getC(), C)))
    return failure();
  if (scan.getD() && failed(loadVector(scan.getD(), skip)))
    return failure();
  if (scan.getDeltaBias() && failed(loadVector(scan.getDeltaBias(), bias)))
    return failure();
  if (depth != padded) {
    Value index = tile::IotaOp::create(
        b, RankedTensorType::get({padded}, b.getI32Type()), 0);
    isState = arith::CmpIOp::create(
        b, arith::CmpIPredicate::slt, k.broadcast(index, 0, channels),
        k.constant({channels, padded}, b.getI32IntegerAttr(depth)));
  }
  return success();
}

/// Where the stored state before the chunk is.
LogicalResult GradientsKernel::takeStart() {
  tensor::ExtractSliceOp part = findSlice(scan.getState());
  startView = part ? k.getView(part.getSource()) : Value();
  if (!startView || part.getSourceType().getRank() != 4)
    return op->emitOpError("reads a state of ")
           << scan.getState().getType()
           << " that is not one of those before each chunk";
  startOffsets = llvm::map_to_vector(
      part.getMixedOffsets(), [&](OpFoldResult o) { return k.scalar(o); });
  startView = limit(k, startView, 2, channelEnd);
  return success();
}

/// A part of a tile, in another layout.
Value GradientsKernel::takePart(Value tile, int64_t row, int64_t column,
                                ArrayRef<int64_t> shape) {
  if (shapeOf(tile) == shape)
    return exchange(k, tile);
  Value part = totile::takePart(
      k, tile, {b.getIndexAttr(row), b.getIndexAttr(column)}, shape);
  // Read twice, not kept in between: to CSE the two are different.
  if (isWayBack)
    part.getDefiningOp()->setAttr("tile.again", b.getUnitAttr());
  return part;
}

/// `tile` with `part` in it.
Value GradientsKernel::put(Value part, Value tile, int64_t row,
                           int64_t column) {
  ArrayRef<int64_t> shape = shapeOf(part);
  if (shapeOf(tile) == shape)
    return part;
  SmallVector<OpFoldResult> offsets = {b.getIndexAttr(row),
                                       b.getIndexAttr(column)},
                            sizes = {b.getIndexAttr(shape[0]),
                                     b.getIndexAttr(shape[1])},
                            ones(2, b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, part, tile, offsets, sizes, ones);
}

/// The sum over states of channels x steps x d_state.
Value GradientsKernel::sumStates(Value product) {
  if (isState)
    product =
        arith::SelectOp::create(b, k.broadcast(isState, 1, group), product,
                                k.constant({channels, group, padded}, 0.0));
  return k.reduce(tile::ReduceKind::Add, product, 2);
}

/// Where the chunk's steps are in what the tile writes of a gradient.
FailureOr<Value> GradientsKernel::findPlace(Gradient gradient) {
  Value yielded = loop.getYieldedValues()[numberOf(gradient)];
  auto insert = yielded.getDefiningOp<tensor::InsertSliceOp>();
  Value at = insert ? k.scalar(insert.getMixedOffsets().back()) : Value();
  if (!at)
    return op->emitOpError("has a gradient of ")
           << yielded.getType()
           << " that is not inserted into that of the sequence";
  return at;
}

/// Writes a tile of channels x steps to where the chunk's part of a gradient
/// is.
LogicalResult GradientsKernel::storeSteps(Value tile, Gradient gradient,
                                          bool isWhole) {
  Value whole = loop.getInitArgs()[numberOf(gradient)];
  if (isUnused(whole))
    return success();
  auto dest = k.getSlice(whole);
  if (!dest)
    return op->emitOpError("writes a ")
           << whole.getType() << " that is not device memory";
  SmallVector<Value> offsets(dest->offsets);
  FailureOr<Value> at = findPlace(gradient);
  if (failed(at))
    return failure();
  offsets.back() = addIndex(k, offsets.back(), *at);
  Value view = limitChannels(k, dest->view, channelEnd);
  tile = k.truncate(tile, scan.getU().getType().getElementType());
  store(tile, view, offsets, {},
        isWhole ? ArrayRef<int64_t>({1}) : ArrayRef<int64_t>());
  return success();
}

/// Writes the sums that the warps of the block have, side by side, to the
/// block's place.
LogicalResult GradientsKernel::storeBlockSums(Value sums, Gradient gradient,
                                              bool isWhole) {
  Value whole = loop.getInitArgs()[numberOf(gradient)];
  if (isUnused(whole))
    return success();
  auto dest = k.getSlice(whole);
  if (!dest)
    return op->emitOpError("writes a ")
           << whole.getType() << " that is not device memory";
  Value sum;
  for (int64_t w = 0; w < int64_t(k.kernel.getWarps()); ++w) {
    Value part = takePart(sums, 0, w * padded, {steps, padded});
    sum = sum ? add(sum, part) : part;
  }
  SmallVector<Value> offsets(dest->offsets);
  FailureOr<Value> at = findPlace(gradient);
  if (failed(at))
    return failure();
  offsets.back() = addIndex(k, offsets.back(), *at);
  int64_t rank = cast<MemRefType>(dest->view.getType()).getRank();
  store(sum, dest->view, offsets, {rank - 1, rank - 2},
        isWhole ? ArrayRef<int64_t>({0}) : ArrayRef<int64_t>());
  return success();
}

/// The steps of one chunk.
LogicalResult GradientsKernel::buildSteps(bool isWhole, Carried &now) {
  Value count; // Null for all steps.
  if (!isWhole)
    count = k.scalar(scan.getSteps());
  if (failed(takeStart()))
    return failure();
  // Rows.
  Value u, delta, z, grad, bTile, cTile;
  if (failed(loadRows(scan.getU(), count, u)))
    return failure();
  delta = u;
  if (scan.getDelta() != scan.getU() &&
      failed(loadRows(scan.getDelta(), count, delta)))
    return failure();
  if (failed(loadRows(scan.getOutGrad(), count, grad)))
    return failure();
  if (scan.getZ() && failed(loadRows(scan.getZ(), count, z)))
    return failure();
  if (!B && failed(loadStates(scan.getB(), count, bTile)))
    return failure();
  if (!C && failed(loadStates(scan.getC(), count, cTile)))
    return failure();
  auto startType = RankedTensorType::get({channels, padded}, b.getF32Type());
  Value start = tile::LoadOp::create(b, startType, startView, startOffsets,
                                     b.getDenseI64ArrayAttr({2, 3}));

  SmallVector<int64_t> rows = {channels, steps};
  Value one = k.constant(rows, 1.0);
  Value x = buildExponent(delta, bias), dt = x, slope;
  if (scan.getDeltaSoftplus()) {
    dt = buildSoftplus(k, x);
    // 1 / (1 + exp(-x)), of an exponential that softplus has.
    Value e = exp2Scaled(k, math::AbsFOp::create(b, x), -log2e);
    Value r = divide(k, one, add(one, e));
    Value isNegative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x,
                                             k.constant(rows, 0.0));
    slope = arith::SelectOp::create(b, isNegative, mul(e, r), r);
  }
  dt = cut(dt, count);
  Value yGrad = grad, gate, gateSlope;
  if (z) {
    // silu' = s + silu (1 - s), with s = 1 / (1 + exp(-z)).
    Value s = divide(k, one, add(one, exp2Scaled(k, z, -log2e)));
    gate = mul(z, s);
    gateSlope = fma(gate, arith::SubFOp::create(b, one, s), s);
    yGrad = mul(grad, gate);
  }
  Value input = mul(dt, u);

  // Channels x steps x states, a few steps at a time. Of what the way forwards
  // computes the decays and the states stay.
  struct Group {
    Value decay, before;
  };
  SmallVector<Group> groups(steps / group);
  int64_t warps = k.kernel.getWarps();
  auto emptyTile = [&](int64_t rows, int64_t columns) -> Value {
    return tensor::EmptyOp::create(b, ArrayRef<int64_t>{rows, columns},
                                   b.getF32Type());
  };
  Value y = z ? emptyTile(channels, steps) : Value();
  Value sumA = emptyTile(channels, steps), sumB = sumA;
  Value cSums = C ? Value() : emptyTile(steps, warps * padded), bSums = cSums;
  if (B)
    bSums = Value();
  else if (!bSums)
    bSums = emptyTile(steps, warps * padded);
  auto rowsOf = [&](Value tile, int64_t at) {
    return overStates(takePart(tile, 0, at, {channels, group}));
  };
  auto statesOf = [&](Value tile, Value constant, int64_t at) {
    return tile ? overChannels(takePart(tile, at, 0, {group, padded}))
                : k.broadcast(constant, 1, group);
  };
  auto sumChannels = [&](Value product) -> Value {
    auto type = RankedTensorType::get({group, warps * padded}, b.getF32Type());
    return tile::SumBlocksOp::create(b, type, product);
  };
  auto sumSteps = [&](Value product) {
    return k.reduce(tile::ReduceKind::Add, product, 1);
  };
  Value rateAll = k.broadcast(rate, 1, group), state = start;
  for (auto [i, held] : llvm::enumerate(groups)) {
    int64_t at = i * group;
    // Next to each other: they wait together.
    Value dtPart = takePart(dt, 0, at, {channels, group});
    Value inPart = takePart(input, 0, at, {channels, group});
    Value gradPart = takePart(yGrad, 0, at, {channels, group});
    Value bPart, cPart;
    if (bTile)
      bPart = takePart(bTile, at, 0, {group, padded});
    if (cTile)
      cPart = takePart(cTile, at, 0, {group, padded});
    held.decay = math::Exp2Op::create(b, mul(overStates(dtPart), rateAll));
    Value in = mul(overStates(inPart),
                   bPart ? overChannels(bPart) : k.broadcast(B, 1, group));
    auto forwards =
        tile::RecurrenceOp::create(b, held.decay, in, state, /*dim=*/1,
                                   /*adjoint=*/false, /*before=*/true);
    held.before = forwards.getStates();
    state = forwards.getLast();
    Value h = fma(held.decay, held.before, in);
    if (z)
      y = put(sumStates(mul(h, cPart ? overChannels(cPart)
                                     : k.broadcast(C, 1, group))),
              y, 0, at);
    Value product = mul(h, overStates(gradPart));
    if (C)
      now.C = add(now.C, sumSteps(product));
    else
      cSums = put(sumChannels(product), cSums, at, 0);
  }
  isWayBack = true;
  for (int64_t i = groups.size() - 1; i >= 0; --i) {
    int64_t at = i * group;
    Value decay = groups[i].decay;
    Value terms =
        arith::MulFOp::create(b, rowsOf(yGrad, at), statesOf(cTile, C, at),
                              arith::FastMathFlags::contract);
    auto backwards =
        tile::RecurrenceOp::create(b, decay, terms, now.state, /*dim=*/1,
                                   /*adjoint=*/true, /*before=*/false);
    now.state = backwards.getLast();
    Value dh = backwards.getStates();
    Value q = mul(mul(decay, dh), groups[i].before);
    now.A = add(now.A, sumSteps(mul(q, rowsOf(dt, at))));
    sumA = put(sumStates(mul(q, rateAll)), sumA, 0, at);
    sumB = put(sumStates(mul(dh, statesOf(bTile, B, at))), sumB, 0, at);
    Value product = mul(dh, rowsOf(input, at));
    if (B)
      now.B = add(now.B, sumSteps(product));
    else
      bSums = put(sumChannels(product), bSums, at, 0);
  }
  isWayBack = false;
  if ((!C && failed(storeBlockSums(cSums, OfC, isWhole))) ||
      (!B && failed(storeBlockSums(bSums, OfB, isWhole))))
    return failure();

  // Rows again.
  sumA = exchange(k, sumA);
  sumB = exchange(k, sumB);
  if (y)
    y = exchange(k, y);
  Value dtGrad = fma(u, sumB, mul(sumA, k.constant(rows, ln2)));
  Value deltaGrad = cut(slope ? mul(dtGrad, slope) : dtGrad, count);
  Value uGrad = mul(dt, sumB), skipAll;
  if (skip) {
    skipAll = k.broadcast(skip, 1, steps);
    uGrad = fma(skipAll, yGrad, uGrad);
  }
  if (now.D)
    now.D = add(now.D, k.reduce(tile::ReduceKind::Add, mul(yGrad, u), 1));
  if (now.bias)
    now.bias = add(now.bias, k.reduce(tile::ReduceKind::Add, deltaGrad, 1));
  if (failed(storeSteps(uGrad, OfU, isWhole)) ||
      failed(storeSteps(deltaGrad, OfDelta, isWhole)))
    return failure();
  if (!z)
    return success();
  if (skip)
    y = fma(skipAll, u, y);
  return storeSteps(mul(mul(grad, y), gateSlope), OfZ, isWhole);
}

LogicalResult GradientsKernel::buildNumber(Value number, bool isWhole,
                                           Carried &now) {
  return buildChunk(number, [&] { return buildSteps(isWhole, now); });
}

LogicalResult GradientsKernel::buildLoop() {
  if (failed(prepare()))
    return failure();
  int64_t elements = channels * steps / (32 * k.kernel.getWarps());
  if (elements * padded <= kFewHeld && elements <= kFewElements &&
      k.kernel.getWarps() <= 4 && isContiguous(k, scan.getU()))
    k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(kGradientBlocks));
  Carried now;
  if (failed(loadMatrix(loop.getInitArgs()[numberOf(OfState)], now.state)))
    return failure();
  Value zeros = k.constant({channels, padded}, 0.0);
  now.A = zeros;
  if (B)
    now.B = zeros;
  if (C)
    now.C = zeros;
  if (scan.getDGradInit())
    now.D = k.constant({channels}, 0.0);
  if (scan.getDeltaBiasGradInit())
    now.bias = k.constant({channels}, 0.0);
  auto values = [](Carried &c) {
    return llvm::map_to_vector(c.all(), [](Value *v) { return *v; });
  };
  auto assign = [](Carried &c, ValueRange from) {
    for (auto [v, value] : llvm::zip_equal(c.all(), from))
      *v = value;
  };

  Value zero = k.index(0), one = k.index(1),
        end = k.scalar(loop.getUpperBound());
  Value from = zero;
  if (getConstantIntValue(scan.getSteps()) != steps) {
    // The last chunk, if there is one.
    Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, zero, end);
    SmallVector<Value> before = values(now);
    auto last = scf::IfOp::create(b, TypeRange(ValueRange(before)), some,
                                  /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(last.elseBlock());
    scf::YieldOp::create(b, before);
    b.setInsertionPointToStart(last.thenBlock());
    if (failed(buildNumber(zero, /*isWhole=*/false, now)))
      return failure();
    b.setInsertionPointToEnd(last.thenBlock());
    scf::YieldOp::create(b, values(now));
    assign(now, last.getResults());
    from = one;
  }
  auto chunks = scf::ForOp::create(b, from, end, one, values(now));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(chunks.getBody());
    assign(now, chunks.getRegionIterArgs());
    if (failed(buildNumber(chunks.getInductionVar(), /*isWhole=*/true, now)))
      return failure();
    b.setInsertionPointToEnd(chunks.getBody());
    scf::YieldOp::create(b, values(now));
    assign(now, chunks.getResults());
  }
  for (auto [gradient, tile] : {std::pair(OfState, now.state),
                                {OfA, now.A},
                                {OfB, now.B},
                                {OfC, now.C},
                                {OfD, now.D},
                                {OfBias, now.bias}})
    if (tile)
      k.setTile(loop.getResult(numberOf(gradient)), tile);
  return success();
}

LogicalResult GradientsKernel::build() {
  if (failed(buildBody([&] { return buildLoop(); })))
    return failure();
  return storeSums();
}

LogicalResult totile::decomposeScanBackward(KernelBuilder &k,
                                            scf::ForallOp forall) {
  auto found = findTile<ChunkScanBackwardOp>(forall);
  if (failed(found))
    return failure();
  // A part's share of the gradient of the state, and nothing else.
  if (found->first.getNumResults() == 1)
    return decomposeScanAdjoint(k, forall, found->first, found->second);
  return GradientsKernel(k, forall, found->first, found->second).build();
}
