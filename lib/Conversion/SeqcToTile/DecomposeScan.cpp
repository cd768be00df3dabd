//===- DecomposeScan.cpp - Tiles of scans -> tile -------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A scan. The kernel of one tile of channels keeps their state, channels x
// d_state, in registers from the first step to the last. A step reads a column
// of each input, of one element per channel (of `B` and `C`: per state), and
// writes a column of the output:
//
//   dt = softplus(delta + bias)                       channels
//   h  = exp2(dt (x) (A log2 e)) h + (dt u) (x) B     channels x d_state
//   y  = (sum over d_state of h C + D u) silu(z)      channels
//
// Long chunks are read as tiles, channels x steps of each input: whole vectors
// of consecutive steps, and one softplus for each element however many threads
// share a channel. The recurrence then goes over groups of a few steps, tiles
// of channels x steps x d_state that exist in registers only, and leaves a
// group of columns of the output, which the end of the chunk turns into rows
// again. The chunks that the sequence fills are one loop; the last one, cut,
// stands behind it, with dt = 0 past the end, where nothing happens to the
// state.
//
// A chunk of fewer steps reads a column of each input at a time; all of them
// before the first step, so that reads do not wait for the recurrence, unless
// the chunk is cut.
//
// Where d_state is not a power of two the tile has more states than there are;
// they are 0, unless an input is infinite, and the sum leaves them out.
//
// A scan without outputs wants the last state only, and what is before the last
// steps has no part in it once the decays since then have a product of nearly
// 0. With softplus, where dt is positive, the kernel first goes backwards from
// chunk to chunk and adds up dt, until no state of any channel of the block is
// left of what was before; the recurrence starts there. If it does not find
// such a place soon, it starts with the first step.
//
// Channels of a tile that are not in the tile's group, at its end, are computed
// on whatever lies there and not written: a view that ends with the group drops
// them.
//
//===----------------------------------------------------------------------===//

#include "ScanParts.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Chunks of so many steps at most are unrolled.
static constexpr int64_t kMaxUnrolled = 16;
/// Steps that go through the recurrence together, at least and at most. The
/// more, the more of what a group waits for is hidden in it; so many that a
/// thread has `kGroupStates` states of all of them together.
static constexpr int64_t kMinGroup = 4, kMaxGroup = 16, kGroupStates = 32;
/// States and steps that tensor cores sum over at a time, and channels of a
/// warp.
static constexpr int64_t kContractedStates = 64, kContractedSteps = 4,
                         kContractedChannels = 8;
/// Blocks that an SM has registers for.
static constexpr int32_t kBlocks = 4;
/// Chunks of so many steps at least are read as tiles.
static constexpr int64_t kMinTiled = 16;
/// A product of decays below 2 to the power of minus this is nothing.
static constexpr double kForgotten = 100.0;

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

namespace {

/// What a step reads.
struct Columns {
  Value u, delta, z; // channels
  Value B, C;        // d_state; null where they do not vary with time
};

class ScanKernel {
public:
  ScanKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
             ChunkScanOp op)
      : k(k), forall(forall), loop(loop), op(op) {
    channels = op.getU().getType().getDimSize(1);
    steps = op.getU().getType().getDimSize(2);
    depth = op.getA().getType().getDimSize(1);
    padded = llvm::PowerOf2Ceil(depth);
    int64_t threads = 32 * k.kernel.getWarps();
    int64_t ofThread = std::max<int64_t>(channels * padded / threads, 1);
    if (canContract()) {
      group = kContractedSteps;
      isContracted = true;
      return;
    }
    group = std::clamp<int64_t>(kGroupStates / ofThread, kMinGroup, kMaxGroup);
    while (group > kMinGroup && (!llvm::isPowerOf2_64(group) || steps % group))
      --group;
  }

  LogicalResult build();

private:
  bool canContract();
  LogicalResult prepare();
  LogicalResult buildLoop();
  bool endsWithLoop();
  LogicalResult takeSlices();
  LogicalResult buildChunk(SmallVectorImpl<Value> &state);
  LogicalResult buildTiledChunk(bool isWhole, SmallVectorImpl<Value> &state);
  Value buildDelta(Value delta);
  Value buildExponent(Value total);
  Value buildDecay(Value total);
  FailureOr<Value> findStart(Value from, Value to);
  LogicalResult buildChunks(Value from, Value to, bool isTiled, bool isWhole,
                            SmallVectorImpl<Value> &state);
  Columns load(Value t);
  void step(const Columns &columns, Value t, SmallVectorImpl<Value> &state);
  LogicalResult finish(ArrayRef<Value> state);
  LogicalResult store(scf::InParallelOp results);

  /// A tile of channels x d_state, in f32.
  FailureOr<Value> matrix(Value v);
  /// One element per channel.
  FailureOr<Value> vector(Value v);
  FailureOr<Slice> slice(Value v);

  KernelBuilder &k;
  scf::ForallOp forall;
  scf::ForOp loop;
  ChunkScanOp op;
  int64_t channels, steps, depth, padded;
  int64_t group; // Steps that go through the recurrence together.
  /// Whether tensor cores sum over the states.
  bool isContracted = false;

  // Constant over the loop.
  Value rate;       // A log2(e)
  Value B, C;       // Where they do not vary with time.
  Value skip, bias; // D, delta_bias
  Value isState;    // Which states there are; null for all.
  Value channelEnd; // Where the channels of the group end; null for the view.
  Target out;
  /// Of one chunk.
  Slice uSlice, deltaSlice, zSlice, bSlice, cSlice;
};

} // namespace

FailureOr<Slice> ScanKernel::slice(Value v) {
  if (auto slice = k.getSlice(v))
    return *slice;
  return op.emitOpError("reads a ")
         << v.getType() << " that is not a slice of device memory";
}

FailureOr<Value> ScanKernel::matrix(Value v) {
  if (Value tile = k.getTile(v, {channels, padded}))
    return k.extend(tile);
  return op.emitOpError("reads a ")
         << v.getType() << " that is not a slice of device memory";
}

FailureOr<Value> ScanKernel::vector(Value v) {
  if (Value tile = k.getTile(v, {channels}))
    return k.extend(tile);
  return op.emitOpError("reads a ")
         << v.getType() << " that is not a slice of device memory";
}

/// The sums over states go to tensor cores where these are exact enough: they
/// cut states to 11 bits, as many as f16 has or more than bf16, and C has no
/// more if it is one of each step. What they save are exchanges among the
/// threads of a channel and each thread's own reads of C, which is worth it for
/// many states: with 64 a thread has 16 of them, a warp 8 channels.
bool ScanKernel::canContract() {
  auto isHalf = [](Value v) {
    return getElementTypeOrSelf(v).getIntOrFloatBitWidth() == 16;
  };
  return op.getOutInit() && isHalf(op.getU()) && varies(op.getC()) &&
         isHalf(op.getC()) && depth == kContractedStates &&
         channels == kContractedChannels * int64_t(k.kernel.getWarps()) &&
         steps % (2 * kContractedSteps) == 0;
}

/// Loads what does not change from step to step.
LogicalResult ScanKernel::prepare() {
  ImplicitLocOpBuilder &b = k.b;
  auto assign = [](Value &to, FailureOr<Value> from) -> LogicalResult {
    if (succeeded(from))
      to = *from;
    return from;
  };
  if (failed(assign(rate, matrix(op.getA()))))
    return failure();
  rate = arith::MulFOp::create(b, rate, k.constant({channels, padded}, log2e));
  if (!varies(op.getB()) && failed(assign(B, matrix(op.getB()))))
    return failure();
  if (op.getOutInit() && !varies(op.getC()) &&
      failed(assign(C, matrix(op.getC()))))
    return failure();
  if (op.getD() && failed(assign(skip, vector(op.getD()))))
    return failure();
  if (op.getDeltaBias() && failed(assign(bias, vector(op.getDeltaBias()))))
    return failure();
  if (depth != padded) {
    Value index = tile::IotaOp::create(
        b, RankedTensorType::get({padded}, b.getI32Type()), 0);
    Value all = k.broadcast(index, 0, channels);
    isState = arith::CmpIOp::create(
        b, arith::CmpIPredicate::slt, all,
        k.constant({channels, padded}, b.getI32IntegerAttr(depth)));
  }
  return success();
}

Columns ScanKernel::load(Value t) {
  Columns columns;
  columns.u = loadColumn(k, uSlice, 1, channels, t);
  columns.delta = op.getDelta() == op.getU()
                      ? columns.u
                      : loadColumn(k, deltaSlice, 1, channels, t);
  auto parameter = [&](const Slice &slice) {
    int64_t rank = cast<MemRefType>(slice.view.getType()).getRank();
    return loadColumn(k, slice, rank - 2, padded, t);
  };
  if (varies(op.getB()))
    columns.B = parameter(bSlice);
  if (!op.getOutInit())
    return columns;
  if (varies(op.getC()))
    columns.C = parameter(cSlice);
  if (op.getZ())
    columns.z = loadColumn(k, zSlice, 1, channels, t);
  return columns;
}

/// dt of a column or of channels x steps.
Value ScanKernel::buildDelta(Value delta) {
  ImplicitLocOpBuilder &b = k.b;
  if (bias) {
    Value all = bias;
    if (shapeOf(delta).size() == 2)
      all = k.broadcast(bias, 1, shapeOf(delta)[1]);
    delta = arith::AddFOp::create(b, delta, all);
  }
  return op.getDeltaSoftplus() ? buildSoftplus(k, delta) : delta;
}

/// The logarithm of the product of the factors of h over all steps. `total` is
/// the sum of dt, or its parts.
Value ScanKernel::buildExponent(Value total) {
  Value all;
  if (shapeOf(total).size() == 1) {
    all = k.broadcast(total, 1, padded);
  } else {
    Value parts = k.broadcast(total, 2, padded);
    all = k.reduce(tile::ReduceKind::Add, parts, 1);
  }
  return arith::MulFOp::create(k.b, all, rate);
}

Value ScanKernel::buildDecay(Value total) {
  return math::Exp2Op::create(k.b, buildExponent(total));
}

/// One step of time. `state` is h, and the sum of dt if the decay is asked for.
void ScanKernel::step(const Columns &columns, Value t,
                      SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
  Value dt = buildDelta(columns.delta);
  Value input = arith::MulFOp::create(b, dt, columns.u);
  Value decay = math::Exp2Op::create(
      b, arith::MulFOp::create(b, k.broadcast(dt, 1, padded), rate));
  Value bNow = columns.B ? k.broadcast(columns.B, 0, channels) : B;
  Value in = arith::MulFOp::create(b, k.broadcast(input, 1, padded), bNow);
  Value h = math::FmaOp::create(b, decay, state[0], in);
  state[0] = h;
  if (op.getDecayInit())
    state[1] = arith::AddFOp::create(b, state[1], dt);
  if (!op.getOutInit())
    return;

  Value cNow = columns.C ? k.broadcast(columns.C, 0, channels) : C;
  Value seen = arith::MulFOp::create(b, h, cNow);
  if (isState)
    seen = arith::SelectOp::create(b, isState, seen,
                                   k.constant({channels, padded}, 0.0));
  Value y = k.reduce(tile::ReduceKind::Add, seen, 1);
  if (skip)
    y = math::FmaOp::create(b, skip, columns.u, y);
  if (columns.z)
    y = arith::MulFOp::create(b, y, buildSilu(k, columns.z));
  y = k.truncate(y, op.getU().getType().getElementType());
  SmallVector<Value> offsets(out.offsets);
  offsets.back() = addIndex(k, offsets.back(), t);
  tile::StoreOp::create(b, y, out.view, offsets, b.getDenseI64ArrayAttr({1}));
}

/// What the chunk that is being converted reads.
LogicalResult ScanKernel::takeSlices() {
  for (auto [slot, value] : {std::pair(&uSlice, Value(op.getU())),
                             {&deltaSlice, op.getDelta()},
                             {&bSlice, varies(op.getB()) ? op.getB() : Value()},
                             {&cSlice, varies(op.getC()) ? op.getC() : Value()},
                             {&zSlice, op.getZ()}}) {
    if (!value)
      continue;
    FailureOr<Slice> found = slice(value);
    if (failed(found))
      return failure();
    *slot = *found;
  }
  return success();
}

/// The steps of one chunk, a column at a time.
LogicalResult ScanKernel::buildChunk(SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
  if (failed(takeSlices()))
    return failure();
  // Offsets of u and of out count from the same step.
  Target whole = out;
  if (op.getOutInit())
    out.offsets.back() =
        addIndex(k, out.offsets.back(), k.scalar(loop.getInductionVar()));
  Value count = op.getSteps() ? k.scalar(op.getSteps()) : k.index(steps);

  auto buildSteps = [&](ValueRange inits) {
    auto inner = scf::ForOp::create(b, k.index(0), count, k.index(1), inits);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(inner.getBody());
    Value t = inner.getInductionVar();
    SmallVector<Value> now(inner.getRegionIterArgs());
    step(load(t), t, now);
    scf::YieldOp::create(b, now);
    return llvm::to_vector_of<Value>(inner.getResults());
  };
  if (steps > kMaxUnrolled) {
    state = buildSteps(state);
    out = whole;
    return success();
  }
  Value full =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, count, k.index(steps));
  auto choice = scf::IfOp::create(b, TypeRange(ValueRange(state)), full,
                                  /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    SmallVector<Columns> columns;
    for (int64_t t = 0; t < steps; ++t)
      columns.push_back(load(k.index(t)));
    SmallVector<Value> now(state.begin(), state.end());
    for (int64_t t = 0; t < steps; ++t)
      step(columns[t], k.index(t), now);
    scf::YieldOp::create(b, now);
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, buildSteps(state));
  }
  state.assign(choice.getResults().begin(), choice.getResults().end());
  out = whole;
  return success();
}

LogicalResult ScanKernel::buildLoop() {
  ImplicitLocOpBuilder &b = k.b;
  bool hasOut = bool(op.getOutInit());
  if (hasOut) {
    auto dest = k.getSlice(loop.getInitArgs()[0]);
    if (!dest)
      return op.emitOpError("writes a ")
             << op.getOut().getType() << " that is not device memory";
    out = {limitChannels(k, dest->view, channelEnd), dest->offsets};
  }
  Value stateInit = loop.getInitArgs()[hasOut ? 1 : 0];
  FailureOr<Value> first = matrix(stateInit);
  if (failed(first) || failed(prepare()))
    return failure();
  bool isTiled = steps >= kMinTiled && steps % group == 0;
  // Four blocks of four warps hide what each of them waits for; a scan that
  // looks for its start, or one with 16 states in a thread, needs more
  // registers. Elements that are read one by one
  // take a register each, which leaves no room for that.
  if (isTiled && padded <= 64 && k.kernel.getWarps() <= 4 &&
      isContiguous(k, op.getU())) {
    int32_t blocks = !hasOut || isContracted ? kBlocks - 1 : kBlocks;
    k.kernel->setAttr("nvvm.minctasm", b.getI32IntegerAttr(blocks));
  }
  SmallVector<Value> state = {*first};
  if (op.getDecayInit())
    state.push_back(isTiled ? k.constant({channels, group}, 0.0)
                            : k.constant({channels}, 0.0));
  Value from = k.scalar(loop.getLowerBound()),
        to = k.scalar(loop.getUpperBound());
  if (isTiled && endsWithLoop()) {
    // The chunks that are full, and what is left.
    Value length = arith::SubIOp::create(b, to, from);
    Value whole = arith::MulIOp::create(
        b, arith::DivUIOp::create(b, length, k.index(steps)), k.index(steps));
    whole = arith::AddIOp::create(b, from, whole);
    if (!hasOut && op.getDecayInit() && op.getDeltaSoftplus()) {
      FailureOr<Value> start = findStart(from, whole);
      if (failed(start))
        return failure();
      from = *start;
    }
    if (failed(buildChunks(from, whole, isTiled, /*isWhole=*/true, state)))
      return failure();
    Value isCut =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, whole, to);
    auto rest = scf::IfOp::create(b, TypeRange(ValueRange(state)), isCut,
                                  /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rest.elseBlock());
    scf::YieldOp::create(b, state);
    b.setInsertionPointToStart(rest.thenBlock());
    if (failed(buildChunks(whole, Value(), isTiled, /*isWhole=*/false, state)))
      return failure();
    scf::YieldOp::create(b, state);
    state.assign(rest.getResults().begin(), rest.getResults().end());
    b.setInsertionPointAfter(rest);
    return finish(state);
  }
  if (failed(buildChunks(from, to, isTiled, /*isWhole=*/false, state)))
    return failure();
  return finish(state);
}

/// The first chunk of those in [from, to) that the state at their end depends
/// on.
FailureOr<Value> ScanKernel::findStart(Value from, Value to) {
  ImplicitLocOpBuilder &b = k.b;
  // Which states of the tile there are: others never decay.
  std::optional<Slice> rates = k.getSlice(op.getA());
  if (!rates)
    return op.emitOpError("reads a ")
           << op.getA().getType() << " that is not a slice of device memory";
  Value isReal;
  if (auto size = cast<MemRefType>(rates->view.getType()).getShape()[0];
      ShapedType::isDynamic(size) || size % channels) {
    Value at = k.positions(rates->offsets[0], channels, b.getI32Type());
    Value end = arith::IndexCastOp::create(
        b, b.getI32Type(), memref::DimOp::create(b, rates->view, k.index(0)));
    isReal = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at,
                                   k.splat(end, {channels}));
    isReal = k.broadcast(isReal, 1, padded);
  }
  if (isState)
    isReal = isReal ? arith::AndIOp::create(b, isReal, isState).getResult()
                    : isState;

  // A quarter of the chunks at most: where that is not enough, going on would
  // cost more than it saves, and all of them are taken.
  Value length = arith::SubIOp::create(b, to, from);
  Value quarter = arith::CeilDivUIOp::create(b, length, k.index(4));
  Value isForgotten = k.scalarConstant(b.getBoolAttr(false));
  Value none = k.constant({channels, group}, 0.0);
  // Chunks are counted, so that all places are seen to be multiples of their
  // size.
  auto getPlace = [&](Value walked) -> Value {
    return arith::SubIOp::create(
        b, to, arith::MulIOp::create(b, walked, k.index(steps)));
  };
  SmallVector<Value> inits = {k.index(0), isForgotten, none};
  auto back = scf::ForOp::create(b, k.index(0), quarter, k.index(steps), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(back.getBody());
  ValueRange now = back.getRegionIterArgs();
  auto choice = scf::IfOp::create(b, now.getTypes(), now[1],
                                  /*withElseRegion=*/true);
  scf::YieldOp::create(b, choice.getResults());
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, now);
  b.setInsertionPointToStart(choice.elseBlock());
  Value walked = arith::AddIOp::create(b, now[0], k.index(1));
  k.setScalar(loop.getInductionVar(), getPlace(walked));
  Value total = now[2];
  bool past = false;
  auto own = [&](Operation *other) -> LogicalResult {
    if (other != op)
      return past ? success() : k.convert(other);
    past = true;
    FailureOr<Slice> delta = slice(op.getDelta());
    if (failed(delta))
      return failure();
    Value dt = buildDelta(
        k.extend(loadSteps(k, *delta, {1, 2}, {channels, steps}, 1, Value())));
    auto groups = scf::ForOp::create(b, k.index(0), k.index(steps),
                                     k.index(group), total);
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(groups.getBody());
    Value part = takePart(k, dt, {b.getIndexAttr(0), groups.getInductionVar()},
                          {channels, group});
    scf::YieldOp::create(b, ValueRange{arith::AddFOp::create(
                                b, groups.getRegionIterArgs()[0], part)});
    total = groups.getResult(0);
    return success();
  };
  if (failed(convertBody(*loop.getBody(), own)))
    return failure();
  // NaN is not forgotten.
  Value isLeft =
      arith::CmpFOp::create(b, arith::CmpFPredicate::UGT, buildExponent(total),
                            k.constant({channels, padded}, -kForgotten));
  if (isReal)
    isLeft = arith::AndIOp::create(b, isLeft, isReal);
  Value some = tile::AnyOp::create(b, isLeft);
  Value isDone =
      arith::XOrIOp::create(b, some, k.scalarConstant(b.getBoolAttr(true)));
  scf::YieldOp::create(b, ValueRange{walked, isDone, total});
  b.setInsertionPointAfter(back);
  Value all = arith::DivUIOp::create(b, length, k.index(steps));
  return getPlace(
      arith::SelectOp::create(b, back.getResult(1), back.getResult(0), all));
}

/// Whether a chunk has as many steps as the loop over chunks leaves it.
bool ScanKernel::endsWithLoop() {
  Value count = op.getSteps();
  if (!count || getConstantIntValue(count) == steps)
    return true;
  auto min = count.getDefiningOp<affine::AffineMinOp>();
  if (!min || min.getMap().getNumResults() != 2)
    return false;
  AffineMap map = min.getMap();
  AffineExpr left = map.getResult(0), size = map.getResult(1);
  if (isa<AffineConstantExpr>(left))
    std::swap(left, size);
  if (size != getAffineConstantExpr(steps, map.getContext()))
    return false;
  // What is left must be the end of the loop minus its induction variable.
  AffineExpr end, now;
  if (auto constant = getConstantIntValue(loop.getUpperBound()))
    end = getAffineConstantExpr(*constant, map.getContext());
  for (auto [i, operand] : llvm::enumerate(min.getOperands())) {
    unsigned dims = map.getNumDims();
    AffineExpr e = i < dims ? getAffineDimExpr(i, map.getContext())
                            : getAffineSymbolExpr(i - dims, map.getContext());
    if (operand == loop.getInductionVar())
      now = e;
    else if (operand == loop.getUpperBound())
      end = e;
  }
  return end && now &&
         simplifyAffineExpr(left - (end - now), map.getNumDims(),
                            map.getNumSymbols()) ==
             getAffineConstantExpr(0, map.getContext());
}

/// The chunks from `from` to `to`, or one without `to`.
LogicalResult ScanKernel::buildChunks(Value from, Value to, bool isTiled,
                                      bool isWhole,
                                      SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
  scf::ForOp now;
  OpBuilder::InsertionGuard guard(b);
  if (to) {
    now = scf::ForOp::create(b, from, to, k.scalar(loop.getStep()), state);
    b.setInsertionPointToStart(now.getBody());
    state.assign(now.getRegionIterArgs().begin(),
                 now.getRegionIterArgs().end());
    from = now.getInductionVar();
  }
  k.setScalar(loop.getInductionVar(), from);
  bool past = false;
  auto own = [&](Operation *other) -> LogicalResult {
    if (other == op) {
      past = true;
      return isTiled ? buildTiledChunk(isWhole, state) : buildChunk(state);
    }
    // What follows inserts the chunk's output, which has been written.
    return past ? success() : k.convert(other);
  };
  if (failed(convertBody(*loop.getBody(), own)))
    return failure();
  if (!now)
    return success();
  b.setInsertionPointToEnd(now.getBody());
  scf::YieldOp::create(b, state);
  state.assign(now.getResults().begin(), now.getResults().end());
  return success();
}

LogicalResult ScanKernel::finish(ArrayRef<Value> state) {
  k.setTile(loop.getResult(op.getOutInit() ? 1 : 0), state[0]);
  if (!op.getDecayInit())
    return success();
  FailureOr<Value> before = matrix(loop.getInitArgs().back());
  if (failed(before))
    return failure();
  k.setTile(
      loop.getResults().back(),
      arith::MulFOp::create(k.b, *before, buildDecay(state[1])).getResult());
  return success();
}

/// The steps of one chunk, in groups. `state` is h, and parts of the sum of dt
/// if the decay is asked for.
LogicalResult ScanKernel::buildTiledChunk(bool isWhole,
                                          SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
  if (failed(takeSlices()))
    return failure();
  bool hasOut = bool(op.getOutInit());
  Value count; // Null for all steps.
  if (!isWhole)
    count = op.getSteps() ? k.scalar(op.getSteps()) : k.index(steps);
  auto loadRows = [&](const Slice &slice) {
    return loadSteps(k, slice, {1, 2}, {channels, steps}, 1, count);
  };
  auto loadStates = [&](const Slice &slice) {
    int64_t rank = cast<MemRefType>(slice.view.getType()).getRank();
    return loadSteps(k, slice, {rank - 1, rank - 2}, {steps, padded}, 0, count);
  };
  bool isOwnDelta = op.getDelta() != op.getU();
  Value u = loadRows(uSlice), delta = u, z, bTile, cTile;
  if (isOwnDelta)
    delta = loadRows(deltaSlice);
  if (varies(op.getB()))
    bTile = loadStates(bSlice);
  if (hasOut && varies(op.getC()))
    cTile = loadStates(cSlice);
  if (hasOut && op.getZ())
    z = loadRows(zSlice);

  u = k.extend(u);
  delta = isOwnDelta ? k.extend(delta) : u;
  Value dt = buildDelta(delta);
  if (count) {
    Value at = k.positions(k.index(0), steps, b.getI32Type());
    Value end =
        k.splat(arith::IndexCastOp::create(b, b.getI32Type(), count), {steps});
    Value isStep = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, end);
    dt = arith::SelectOp::create(b, k.broadcast(isStep, 0, channels), dt,
                                 k.constant({channels, steps}, 0.0));
  }
  Value input = arith::MulFOp::create(b, dt, u);
  if (bTile)
    bTile = k.extend(bTile);
  if (cTile)
    cTile = k.extend(cTile);

  size_t numStates = state.size();
  SmallVector<Value> inits(state.begin(), state.end());
  if (hasOut)
    inits.push_back(tensor::EmptyOp::create(
        b, ArrayRef<int64_t>{channels, steps}, b.getF32Type()));
  auto groups = scf::ForOp::create(
      b, k.index(0), count ? count : k.index(steps), k.index(group), inits);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(groups.getBody());
    Value s = groups.getInductionVar();
    OpFoldResult zero = b.getIndexAttr(0);
    SmallVector<Value> now(groups.getRegionIterArgs());
    auto take = [&](Value tile) {
      return takePart(k, tile, {zero, s}, {channels, group});
    };
    auto states = [&](Value tile, Value constant) {
      if (!tile)
        return k.broadcast(constant, 1, group);
      Value part = takePart(k, tile, {s, zero}, {group, padded});
      return k.broadcast(part, 0, channels);
    };
    Value dtNow = take(dt);
    Value decay = math::Exp2Op::create(
        b, arith::MulFOp::create(b, k.broadcast(dtNow, 2, padded),
                                 k.broadcast(rate, 1, group)));
    Value in = arith::MulFOp::create(b, k.broadcast(take(input), 2, padded),
                                     states(bTile, B));
    auto h = tile::RecurrenceOp::create(b, decay, in, now[0], 1);
    now[0] = h.getLast();
    if (op.getDecayInit())
      now[1] = arith::AddFOp::create(b, now[1], dtNow);
    if (hasOut) {
      Value y;
      if (isContracted) {
        Value weights = takePart(k, cTile, {s, zero}, {group, padded});
        y = tile::ContractOp::create(
            b, RankedTensorType::get({channels, group}, b.getF32Type()),
            h.getStates(), weights);
      } else {
        Value seen = arith::MulFOp::create(b, h.getStates(), states(cTile, C));
        if (isState)
          seen = arith::SelectOp::create(
              b, k.broadcast(isState, 1, group), seen,
              k.constant({channels, group, padded}, 0.0));
        y = k.reduce(tile::ReduceKind::Add, seen, 2);
      }
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      now.back() = tensor::InsertSliceOp::create(
          b, y, now.back(), ArrayRef<OpFoldResult>{zero, s},
          ArrayRef<OpFoldResult>{b.getIndexAttr(channels),
                                 b.getIndexAttr(group)},
          ones);
    }
    scf::YieldOp::create(b, now);
  }
  state.assign(groups.getResults().begin(),
               groups.getResults().begin() + numStates);
  if (!hasOut)
    return success();

  Value y = groups.getResults().back();
  if (skip)
    y = math::FmaOp::create(b, k.broadcast(skip, 1, steps), u, y);
  if (z)
    y = arith::MulFOp::create(b, y, buildSilu(k, k.extend(z)));
  y = k.truncate(y, op.getU().getType().getElementType());
  SmallVector<Value> offsets(out.offsets);
  offsets.back() =
      addIndex(k, offsets.back(), k.scalar(loop.getInductionVar()));
  Value view = out.view;
  DenseI64ArrayAttr inside;
  if (count)
    view = limit(k, view, 2, addIndex(k, offsets.back(), count));
  else
    inside = b.getDenseI64ArrayAttr({1});
  tile::StoreOp::create(b, y, view, offsets, /*dims=*/nullptr, inside);
  return success();
}

LogicalResult ScanKernel::store(scf::InParallelOp results) {
  for (Operation &yielded : results.getYieldingOps()) {
    auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
    if (op.getOutInit() && insert.getSource() == loop.getResult(0))
      continue;
    Value tile = k.getTile(insert.getSource());
    Value view = k.getView(insert.getDest());
    if (!tile || !view)
      return insert.emitOpError("inserts neither the output nor the state of "
                                "the scan");
    SmallVector<Value> offsets = llvm::map_to_vector(
        insert.getMixedOffsets(), [&](OpFoldResult o) { return k.scalar(o); });
    tile::StoreOp::create(k.b, tile, limitChannels(k, view, channelEnd),
                          offsets, /*dims=*/nullptr);
  }
  return success();
}

LogicalResult ScanKernel::build() {
  k.bindGrid(/*longestFirst=*/false);
  moveLoopInvariantCode(cast<LoopLikeOpInterface>(loop.getOperation()));
  auto own = [&](Operation *other) -> LogicalResult {
    if (other != loop)
      return k.convert(other);
    // A tile at the end of a group is cut there, unless that is the end of all
    // channels, where the view ends. seqc-tile cut every slice alike.
    unsigned rank = forall.getRank();
    bool hasGroups =
        rank >= 3 &&
        getConstantIntValue(forall.getMixedUpperBound()[rank - 2]) != 1;
    if (hasGroups)
      for (Operation &yielded : forall.getTerminator().getYieldingOps()) {
        auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
        size_t dim = insert.getMixedSizes().size() - 2;
        OpFoldResult count = insert.getMixedSizes()[dim];
        if (getConstantIntValue(count) == channels)
          continue;
        if (!channelEnd)
          channelEnd = addIndex(k, k.scalar(insert.getMixedOffsets()[dim]),
                                k.scalar(count));
      }
    return buildLoop();
  };
  if (failed(convertBody(*forall.getBody(), own)))
    return failure();
  return store(forall.getTerminator());
}

LogicalResult totile::decomposeScan(KernelBuilder &k, scf::ForallOp forall) {
  auto found = findTile<ChunkScanOp>(forall);
  if (failed(found))
    return failure();
  return ScanKernel(k, forall, found->first, found->second).build();
}
