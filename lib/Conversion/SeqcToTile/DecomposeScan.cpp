//===- DecomposeScan.cpp - Tiles of scans and convolutions -> tile --------===//
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
// The chunks that seqc-tile made give the steps that are unrolled: a whole
// chunk of few steps first reads all its columns, so that reads do not wait for
// the recurrence, and a chunk that is cut (or long) is a loop over its steps.
// Where d_state is not a power of two the tile has more states than there are;
// they are 0, unless an input is infinite, and the sum leaves them out.
//
// Channels of a tile that are not in the tile's group, at its end, are computed
// on whatever lies there and not written: a view that ends with the group drops
// them.
//
// A convolution. One tile of channels x steps is a sum over the filter's taps
// of the input, read at a shift for each tap: the history in front of a chunk
// is read from the input again, not carried. What lies before the first step is
// 0, or the initial state, which only the first chunk looks at.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

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

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

static ArrayRef<int64_t> shapeOf(Value tile) {
  return cast<RankedTensorType>(tile.getType()).getShape();
}

static Value exp2Scaled(KernelBuilder &k, Value x, double factor) {
  Value scaled = arith::MulFOp::create(k.b, x, k.constant(shapeOf(x), factor));
  return math::Exp2Op::create(k.b, scaled);
}

/// x / y for y from 1 on, where a reciprocal is as good.
static Value divide(KernelBuilder &k, Value x, Value y) {
  return arith::DivFOp::create(k.b, x, y, arith::FastMathFlags::arcp);
}

/// ln(1 + exp(x)) = max(x, 0) + ln(1 + e) with e = exp(-|x|) in (0, 1], where
///
///   ln(1 + e) = 2 artanh(s),  s = e / (2 + e) <= 1/3,
///   artanh(s) = s (1 + s^2 / 3 + s^4 / 5 + ...)
///
/// to within 2e-8 of it with terms up to s^12. It neither overflows nor
/// cancels, and is x itself where x > 20.
static Value buildSoftplus(KernelBuilder &k, Value x) {
  ImplicitLocOpBuilder &b = k.b;
  auto constant = [&](double v) { return k.constant(shapeOf(x), v); };
  Value magnitude = math::AbsFOp::create(b, x);
  Value e = exp2Scaled(k, magnitude, -log2e);
  Value s = divide(k, e, arith::AddFOp::create(b, e, constant(2.0)));
  Value square = arith::MulFOp::create(b, s, s);
  Value sum = constant(2.0 / 13.0);
  for (int n : {11, 9, 7, 5, 3, 1})
    sum = math::FmaOp::create(b, sum, square, constant(2.0 / n));
  Value linear = arith::MaximumFOp::create(b, x, constant(0.0));
  return math::FmaOp::create(b, sum, s, linear);
}

/// x / (1 + exp(-x)).
static Value buildSilu(KernelBuilder &k, Value x) {
  Value down = exp2Scaled(k, x, -log2e);
  Value one = k.constant(shapeOf(x), 1.0);
  return divide(k, x, arith::AddFOp::create(k.b, down, one));
}

//===----------------------------------------------------------------------===//
// Places in device memory
//===----------------------------------------------------------------------===//

static Value addIndex(KernelBuilder &k, Value a, Value b) {
  if (matchPattern(a, m_Zero()))
    return b;
  if (matchPattern(b, m_Zero()))
    return a;
  return arith::AddIOp::create(k.b, a, b);
}

/// Reads dimension `dim` of `slice`, `size` elements of it, at position `at` of
/// its last dimension, in f32.
static Value loadColumn(KernelBuilder &k, const Slice &slice, int64_t dim,
                        int64_t size, Value at) {
  auto type = cast<MemRefType>(slice.view.getType());
  SmallVector<Value> offsets(slice.offsets);
  offsets.back() = addIndex(k, offsets.back(), at);
  auto tile = RankedTensorType::get({size}, type.getElementType());
  Value column = tile::LoadOp::create(k.b, tile, slice.view, offsets,
                                      k.b.getDenseI64ArrayAttr({dim}));
  return k.extend(column);
}

namespace {
/// Where the tile of an output goes.
struct Target {
  Value view;
  SmallVector<Value> offsets;
};
} // namespace

/// The view of an output whose channels (dimension 1) end at `end`, if that is
/// given.
static Value limitChannels(KernelBuilder &k, Value view, Value end) {
  if (!end)
    return view;
  auto type = cast<MemRefType>(view.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), k.b.getIndexAttr(0));
  SmallVector<OpFoldResult> ones(type.getRank(), k.b.getIndexAttr(1)), sizes;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (i == 1)
      sizes.push_back(end);
    else if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(k.b, view, i).getResult());
    else
      sizes.push_back(k.b.getIndexAttr(type.getDimSize(i)));
  }
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = ShapedType::kDynamic;
  auto limited =
      MemRefType::get(shape, type.getElementType(), type.getLayout());
  return memref::SubViewOp::create(k.b, limited, view, offsets, sizes, ones);
}

/// The loop over chunks, and the operator in it.
template <typename Op>
static FailureOr<std::pair<scf::ForOp, Op>> findTile(scf::ForallOp forall) {
  SmallVector<Op> found;
  forall.walk([&](Op op) { found.push_back(op); });
  if (found.size() != 1)
    return forall.emitError("holds ")
           << found.size() << " tiles of " << Op::getOperationName()
           << "; a kernel computes one";
  auto loop = dyn_cast<scf::ForOp>(found[0]->getParentOp());
  if (!loop || loop->getParentOp() != forall)
    return found[0].emitOpError("is not in the loop over chunks that seqc-tile "
                                "makes; no other form becomes a kernel");
  return std::pair(loop, found[0]);
}

/// Gives the operations of `body` to `convert`, in order.
static LogicalResult
convertBody(Block &body, function_ref<LogicalResult(Operation *)> convert) {
  for (Operation &op : body.without_terminator())
    if (failed(convert(&op)))
      return failure();
  return success();
}

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
  }

  LogicalResult build();

private:
  LogicalResult prepare();
  LogicalResult buildLoop();
  LogicalResult buildChunk(SmallVectorImpl<Value> &state);
  Columns load(Value t);
  void step(const Columns &columns, Value t, SmallVectorImpl<Value> &state);
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

static bool varies(Value parameter) {
  return parameter && cast<RankedTensorType>(parameter.getType()).getRank() > 2;
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

/// One step of time. `state` is h, and the sum of dt if the decay is asked for.
void ScanKernel::step(const Columns &columns, Value t,
                      SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
  Value dt = columns.delta;
  if (bias)
    dt = arith::AddFOp::create(b, dt, bias);
  if (op.getDeltaSoftplus())
    dt = buildSoftplus(k, dt);
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

/// The steps of one chunk.
LogicalResult ScanKernel::buildChunk(SmallVectorImpl<Value> &state) {
  ImplicitLocOpBuilder &b = k.b;
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
  SmallVector<Value> state = {*first};
  if (op.getDecayInit())
    state.push_back(k.constant({channels}, 0.0));

  auto now = scf::ForOp::create(b, k.scalar(loop.getLowerBound()),
                                k.scalar(loop.getUpperBound()),
                                k.scalar(loop.getStep()), state);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(now.getBody());
    k.setScalar(loop.getInductionVar(), now.getInductionVar());
    SmallVector<Value> carried(now.getRegionIterArgs());
    bool past = false;
    auto own = [&](Operation *other) -> LogicalResult {
      if (other == op) {
        past = true;
        return buildChunk(carried);
      }
      // What follows inserts the chunk's output, which has been written.
      return past ? success() : k.convert(other);
    };
    if (failed(convertBody(*loop.getBody(), own)))
      return failure();
    b.setInsertionPointToEnd(now.getBody());
    scf::YieldOp::create(b, carried);
  }
  k.setTile(loop.getResult(hasOut ? 1 : 0), now.getResult(0));
  if (op.getDecayInit()) {
    FailureOr<Value> before = matrix(loop.getInitArgs().back());
    if (failed(before))
      return failure();
    // The product of exponentials is that of the sum.
    Value total = k.broadcast(now.getResult(1), 1, padded);
    Value decay =
        math::Exp2Op::create(b, arith::MulFOp::create(b, total, rate));
    k.setTile(loop.getResults().back(),
              arith::MulFOp::create(b, *before, decay));
  }
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
    bool hasGroups = forall.getRank() == 3 &&
                     getConstantIntValue(forall.getMixedUpperBound()[1]) != 1;
    if (hasGroups)
      for (Operation &yielded : forall.getTerminator().getYieldingOps()) {
        auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
        OpFoldResult count = insert.getMixedSizes()[1];
        if (getConstantIntValue(count) == channels)
          continue;
        if (!channelEnd)
          channelEnd = addIndex(k, k.scalar(insert.getMixedOffsets()[1]),
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

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

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
  Value buildSum(const Slice &x, Value first, bool useState);

  KernelBuilder &k;
  scf::ForallOp forall;
  scf::ForOp loop;
  CausalConv1dOp op;
  int64_t channels, steps, width;
  SmallVector<Value> taps; // One element per channel, each.
  Value bias;
  std::optional<Slice> history; // The initial state, if there is one
  Value historyFill;            // or what fills it.
};
} // namespace

/// The sum over the taps of a chunk that starts at step `first`.
Value ConvKernel::buildSum(const Slice &x, Value first, bool useState) {
  ImplicitLocOpBuilder &b = k.b;
  auto viewType = cast<MemRefType>(x.view.getType());
  auto type =
      RankedTensorType::get({channels, steps}, viewType.getElementType());
  Value sum = bias ? k.broadcast(bias, 1, steps) : Value();
  for (int64_t w = 0; w < width; ++w) {
    SmallVector<Value> offsets(x.offsets);
    // Steps before the first read 0.
    if (int64_t back = width - 1 - w)
      offsets.back() = arith::SubIOp::create(b, offsets.back(), k.index(back));
    Value in = tile::LoadOp::create(b, type, x.view, offsets, /*dims=*/nullptr);
    if (useState && w < width - 1) {
      Value old;
      if (history) {
        SmallVector<Value> at(history->offsets);
        at.back() = addIndex(k, at.back(), addIndex(k, first, k.index(w)));
        old = tile::LoadOp::create(b, type, history->view, at,
                                   /*dims=*/nullptr);
      } else {
        old = k.splat(historyFill, {channels, steps});
      }
      // Step first + t + w - (width - 1) is before the first one.
      Value at =
          k.broadcast(k.positions(first, steps, b.getI32Type()), 0, channels);
      Value isOld = arith::CmpIOp::create(
          b, arith::CmpIPredicate::slt, at,
          k.constant({channels, steps}, b.getI32IntegerAttr(width - 1 - w)));
      in = arith::SelectOp::create(b, isOld, old, in);
    }
    in = k.extend(in);
    Value tap = k.broadcast(taps[w], 1, steps);
    sum = sum ? math::FmaOp::create(b, in, tap, sum).getResult()
              : arith::MulFOp::create(b, in, tap).getResult();
  }
  if (op.getActivation() == Activation::Silu)
    sum = buildSilu(k, sum);
  return k.truncate(sum, viewType.getElementType());
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

  auto now = scf::ForOp::create(b, k.scalar(loop.getLowerBound()),
                                k.scalar(loop.getUpperBound()),
                                k.scalar(loop.getStep()));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(now.getBody()->getTerminator());
  Value first = now.getInductionVar();
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
    if (history || historyFill) {
      Value starts = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, first,
                                           k.index(width - 1));
      auto type = RankedTensorType::get({channels, steps},
                                        op.getX().getType().getElementType());
      auto choice = scf::IfOp::create(b, type, starts, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard inner(b);
      b.setInsertionPointToStart(choice.thenBlock());
      scf::YieldOp::create(b, buildSum(*x, first, /*useState=*/true));
      b.setInsertionPointToStart(choice.elseBlock());
      scf::YieldOp::create(b, buildSum(*x, first, /*useState=*/false));
      sum = choice.getResult(0);
    } else {
      sum = buildSum(*x, first, /*useState=*/false);
    }
    SmallVector<Value> offsets(dest->offsets);
    offsets.back() = addIndex(k, offsets.back(), first);
    tile::StoreOp::create(b, sum, dest->view, offsets, /*dims=*/nullptr);
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
