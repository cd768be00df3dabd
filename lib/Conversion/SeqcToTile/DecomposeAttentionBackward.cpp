//===- DecomposeAttentionBackward.cpp - Gradients of attention -> tile ----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two kernels, of which each recomputes the scores, and one for each bias or
// captured tensor. What a product reads from registers is what the products
// before it left there, and every sum stays in one block:
//
//   query_grad: rows are queries         key_grad, value_grad: rows are keys
//
//   S  = Q K^T                           S^T  = K Q^T
//   dP = dO V^T - delta                  dP^T = V dO^T - delta
//   P  = exp2(c S - lse')                P^T  = exp2(c S^T - lse')
//                                        dV  += P^T dO
//   dS = P dP                            dS^T = P^T dP^T
//   dQ += dS K                           dK  += dS^T Q
//
// Where tasks add to one query_grad, the kernel of the keys computes all three,
// and the probabilities once. dS^T goes through shared memory, and dQ, of a
// tile of queries, is added to what other tasks added. Of its two forms the one
// is taken whose rows all warps share:
//
//   dQ^T = K^T dS^T      dQ = (dS^T)^T K
//
// The gradient of a bias is dS before the derivative of the score region, and
// that of a captured tensor dS with the derivative in it: a sum of each row, of
// queries or keys, or the tile itself, summed over batches and heads.
//
// with c = scale log2(e) and lse' = lse log2(e), +inf for a row that sees
// nothing: its P are all 0, and no infinity meets another. delta is where the
// accumulator of dP starts, negated. K and Q are read in both orders from one
// tile of shared memory. The scale of dQ and dK is that of the sum, so it is
// multiplied with once, at the end; accumulators start from 0. Where dQ leaves
// tile by tile it is a factor of dP and delta instead.
//
// A score region and a bias make S a sum, as in the forward, and -lse' is one
// more of its terms; the region's derivative is a factor of dS. Dropout's
// factor Z multiplies P for dV, and dP before delta is subtracted. Where a pair
// is hidden its exponent is -inf, and dS is set to 0 where P is: neither what
// the derivative gives there nor a NaN of a row reaches pairs that do not see
// it.
//
//===----------------------------------------------------------------------===//

#include "TileScores.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static RankedTensorType getTensorType(Value v) {
  return cast<RankedTensorType>(v.getType());
}

namespace {
class BackwardConverter {
public:
  BackwardConverter(KernelBuilder &k, Block *task, BlockAttentionBackwardOp op)
      : k(k), b(k.b), task(task), op(op), rowsAreKeys(op.hasKeyRows()),
        isPair(op.getBiasGradInit() || op.getCapturedGradInit()) {
    if (op.getKeyGradInit() && op.getQueryGradInit()) {
      int64_t D = padInner(getTensorType(op.getQuery()).getDimSize(3));
      addsQueries = true;
      isTransposed = D % (16 * int64_t(k.kernel.getWarps())) == 0;
    }
  }

  LogicalResult verify();
  LogicalResult convertBlock(Block &block);

private:
  LogicalResult convert(Operation *op);
  LogicalResult convert(scf::ForOp op);
  LogicalResult convert(scf::IfOp op);
  LogicalResult convert(BlockAttentionBackwardOp op, Value isFull);
  LogicalResult convert(arith::TruncFOp op);
  LogicalResult convert(tensor::InsertSliceOp op);
  bool isSum(Value v) { return sums.contains(v); }
  SmallVector<int64_t> getShape(Type type);
  /// The tile of the operator's i-th result.
  SmallVector<int64_t> getShape(unsigned i);
  Value getQueryZeros() { return k.constant(getShape(0u), 0.0); }
  FailureOr<SmallVector<Value>> getStates(Operation *user, ValueRange values);
  Value choose(Value isFull, Value full,
               function_ref<FailureOr<Value>()> partial);

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  Block *task;
  /// One of the tiles that `task` adds up.
  BlockAttentionBackwardOp op;
  bool rowsAreKeys;
  /// What is computed is the gradient of a bias or a captured tensor.
  bool isPair;
  /// Tasks add to the gradient of queries, of which a tile is queries x
  /// head_dim, or transposed.
  bool addsQueries = false, isTransposed = false;
  /// What stands for all that this task adds.
  llvm::SmallDenseSet<Value> sums;
};
} // namespace

LogicalResult totile::decomposeAttentionBackward(KernelBuilder &k,
                                                 scf::ForallOp forall) {
  BlockAttentionBackwardOp tile;
  forall.walk([&](BlockAttentionBackwardOp op) { tile = op; });
  // Causal: late queries see more keys, early keys are seen by more queries.
  bool isCausal =
      tile.getCausal() || tile.getWindowRight() || !tile.getMask().empty();
  bool isPair = tile.getBiasGradInit() || tile.getCapturedGradInit();
  k.bindGrid(/*longestFirst=*/isCausal && !tile.hasKeyRows() &&
             !(isPair && forall.getRank() > 3));
  // One warpgroup alone has nothing to do while its products run; several small
  // blocks on an SM do, with the products of mma.sync.
  if (int64_t(k.kernel.getWarps()) < 8)
    k.kernel->setAttr("tile.sync_products", k.b.getUnitAttr());
  BackwardConverter converter(k, forall.getBody(), tile);
  if (failed(converter.verify()) ||
      failed(converter.convertBlock(*forall.getBody())))
    return failure();
  k.kernel.walk([](scf::ForOp loop) { hoistLoads(loop); });
  return k.convertResults(forall.getTerminator());
}

/// Whether one kernel computes what the operator asks for, and the schedule's
/// tile is one of the tensor cores.
LogicalResult BackwardConverter::verify() {
  if (op.getNumResults() > (op.getKeyGradInit() ? 2u : 1u) + addsQueries ||
      (addsQueries && isPair))
    return op.emitOpError(
        "is not supported on GPUs yet with these results: a kernel computes "
        "some of query_grad, key_grad and value_grad, or bias_grad, or "
        "captured_grad");
  int64_t queries = getTensorType(op.getQuery()).getDimSize(2),
          keys = getTensorType(op.getKey()).getDimSize(2);
  int64_t warps = k.kernel.getWarps();
  int64_t rows = rowsAreKeys ? keys : queries,
          columns = rowsAreKeys ? queries : keys;
  StringRef row = rowsAreKeys ? "tile_n" : "tile_m",
            column = rowsAreKeys ? "tile_m" : "tile_n";
  if (rows % (16 * warps) != 0)
    return op.emitOpError("has a ")
           << row << " of " << rows << ", expected a multiple of " << 16 * warps
           << " for " << warps << " warps";
  if (columns % 16 != 0)
    return op.emitOpError("has a ")
           << column << " of " << columns << ", expected a multiple of 16";
  if (addsQueries) {
    if (getElementTypeOrSelf(op.getQuery().getType()).getIntOrFloatBitWidth() !=
        16)
      return op.emitOpError("is not supported on GPUs with all three gradients "
                            "of ")
             << op.getQuery().getType()
             << ", expected f16 or bf16: gradients of queries come from a "
                "kernel of their own";
    if (!isTransposed && columns % (16 * warps) != 0)
      return op.emitOpError("has a ")
             << column << " of " << columns << " and a head_dim of "
             << getTensorType(op.getQuery()).getDimSize(3)
             << ", of which one must be a multiple of " << 16 * warps << " for "
             << warps << " warps";
  }
  for (auto [i, operand] : llvm::enumerate(op.getDpsInits())) {
    Value init = operand;
    if (addsQueries && i == 0)
      continue; // Tasks add to it.
    // What the loops of the task start from.
    while (auto argument = dyn_cast<BlockArgument>(init)) {
      auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
      if (!loop)
        break;
      init = loop.getTiedLoopInit(argument)->get();
    }
    auto fill = init.getDefiningOp<linalg::FillOp>();
    if (!fill || !matchPattern(fill.getInputs()[0], m_AnyZeroFloat()))
      return op.emitOpError("is not supported on GPUs with an accumulator that "
                            "does not start from 0");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

LogicalResult BackwardConverter::convertBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    auto isKnown = [&](Value v) { return k.isScalar(v); };
    if (op.getNumResults() > 0 && llvm::all_of(op.getResults(), isKnown))
      continue; // An invariant of a loop.
    b.setLoc(op.getLoc());
    if (failed(convert(&op)))
      return failure();
  }
  return success();
}

LogicalResult BackwardConverter::convert(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::ForOp, scf::IfOp>([&](auto o) { return convert(o); })
      .Case([&](BlockAttentionBackwardOp o) { return convert(o, Value()); })
      .Case([&](arith::TruncFOp o) -> LogicalResult {
        return isa<RankedTensorType>(o.getType()) ? convert(o) : k.convert(o);
      })
      .Case<tensor::ExtractSliceOp, tensor::PadOp>([&](auto o) {
        // A tile of what is added starts from nothing.
        if (!isSum(o.getSource()))
          return k.convert(o);
        sums.insert(o.getResult());
        k.setTile(o.getResult(), getQueryZeros());
        return success();
      })
      .Case([&](tensor::InsertSliceOp o) { return convert(o); })
      .Default([&](Operation *o) { return k.convert(o); });
}

/// The tile of an accumulator: for pairs, of the dimensions that it has.
SmallVector<int64_t> BackwardConverter::getShape(Type type) {
  if (!isPair)
    return getStateShape(type);
  SmallVector<int64_t> shape;
  for (int64_t size : cast<RankedTensorType>(type).getShape().take_back(2))
    if (size != 1)
      shape.push_back(size);
  return shape;
}

SmallVector<int64_t> BackwardConverter::getShape(unsigned i) {
  SmallVector<int64_t> shape = getShape(op.getResultTypes()[i]);
  bool isQuery = op.getGradient(i) == BlockAttentionBackwardOp::Gradient::Query;
  if (isQuery && isTransposed)
    std::swap(shape[0], shape[1]);
  return shape;
}

/// A tile that is added to what all tasks have added there.
LogicalResult BackwardConverter::convert(tensor::InsertSliceOp insert) {
  Value tile = k.getTile(insert.getSource());
  ParallelAddOp add;
  auto end = cast<scf::InParallelOp>(task->getTerminator());
  for (Operation &yielded : end.getYieldingOps())
    if (auto found = dyn_cast<ParallelAddOp>(yielded))
      add = found;
  if (!isSum(insert.getDest()) || !tile || !add)
    return insert.emitOpError("cannot become part of a kernel: it inserts ")
           << insert.getSourceType() << " into no tensor that tasks add up";
  SmallVector<Value> offsets;
  for (auto [first, offset] :
       llvm::zip_equal(add.getOffsets(), insert.getMixedOffsets()))
    offsets.push_back(
        arith::AddIOp::create(b, k.scalar(first), k.scalar(offset)));
  auto dims =
      isTransposed ? b.getDenseI64ArrayAttr({3, 2}) : DenseI64ArrayAttr();
  // Whole tiles fit there.
  tile::StoreOp::create(b, tile, k.getView(add.getDest()), offsets, dims,
                        /*inside=*/b.getDenseI64ArrayAttr({0, 1}),
                        /*add=*/true, /*packed=*/true);
  sums.insert(insert.getResult());
  return success();
}

FailureOr<SmallVector<Value>> BackwardConverter::getStates(Operation *user,
                                                           ValueRange values) {
  SmallVector<Value> states;
  // All gradients, or those that a loop carries.
  bool isAll = values.size() == op.getNumResults();
  for (auto [i, v] : llvm::enumerate(values)) {
    Value state;
    if (isState(v.getType()))
      state =
          k.getTile(v, isAll ? getShape(unsigned(i)) : getShape(v.getType()));
    if (!state)
      return user->emitOpError("cannot become part of a kernel: a value of ")
             << v.getType() << " is not an accumulator";
    states.push_back(state);
  }
  return states;
}

/// The gradient that leaves the loops, rounded to the type of its result.
LogicalResult BackwardConverter::convert(arith::TruncFOp op) {
  Value tile = k.getTile(op.getIn());
  if (!tile)
    return op.emitOpError("cannot become part of a kernel: its source is no "
                          "tile");
  k.setTile(op.getOut(), k.truncate(tile, getElementTypeOrSelf(op.getType())));
  return success();
}

LogicalResult BackwardConverter::convert(scf::ForOp loop) {
  // What is added is in memory, and the first.
  FailureOr<SmallVector<Value>> inits =
      getStates(loop, ValueRange(loop.getInitArgs()).drop_front(addsQueries));
  if (failed(inits) || failed(convertInvariants(k, *loop.getBody())))
    return failure();
  auto now = scf::ForOp::create(b, k.scalar(loop.getLowerBound()),
                                k.scalar(loop.getUpperBound()),
                                k.scalar(loop.getStep()), *inits);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(now.getBody());
    k.setScalar(loop.getInductionVar(), now.getInductionVar());
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs()))
      if (i == 0 && addsQueries)
        sums.insert(arg);
      else
        k.setTile(arg, now.getRegionIterArg(i - addsQueries));
    if (failed(convertBlock(*loop.getBody())))
      return failure();
    auto yielded = getStates(
        loop, ValueRange(loop.getYieldedValues()).drop_front(addsQueries));
    if (failed(yielded))
      return failure();
    scf::YieldOp::create(b, *yielded);
  }
  bool isOutermost = loop->getBlock() == task;
  double scale = op.getScale().convertToDouble();
  for (auto [i, carried] : llvm::enumerate(now.getResults())) {
    Value tile = carried, result = loop.getResult(i + addsQueries);
    auto gradient = op.getGradient(i + addsQueries);
    bool isScaled = !isPair && !addsQueries &&
                    gradient != BlockAttentionBackwardOp::Gradient::Value;
    if (isOutermost && isScaled && scale != 1.0)
      tile = arith::MulFOp::create(
          b, tile, k.constant(getTensorType(tile).getShape(), scale));
    k.setTile(result, tile);
  }
  return success();
}

/// The operator that is all of `block`, if it yields what that returns.
static BlockAttentionBackwardOp getOnly(Block *block) {
  auto tile = dyn_cast<BlockAttentionBackwardOp>(block->front());
  Operation *yield = block->getTerminator();
  if (!tile || tile->getNextNode() != yield ||
      !llvm::equal(yield->getOperands(), tile->getResults()))
    return nullptr;
  return tile;
}

LogicalResult BackwardConverter::convert(scf::IfOp choice) {
  // The same tile twice, with and without its mask.
  if (!choice.getElseRegion().empty() && choice.getNumResults() > 0) {
    BlockAttentionBackwardOp full = getOnly(choice.thenBlock()),
                             partial = getOnly(choice.elseBlock());
    if (full && partial && full.getTileClass() == TileClass::Full &&
        partial.getTileClass() == TileClass::Partial &&
        llvm::equal(full->getOperands(), partial->getOperands())) {
      if (failed(convert(partial, k.scalar(choice.getCondition()))))
        return failure();
      for (auto [result, now] :
           llvm::zip(choice.getResults(), partial.getResults()))
        k.setTile(result, k.getTile(now));
      return success();
    }
  }
  SmallVector<Type> types;
  for (auto [i, type] : llvm::enumerate(choice.getResultTypes())) {
    if (!isState(type) || choice.getNumResults() != op.getNumResults())
      return choice.emitOpError("cannot become part of a kernel: it yields "
                                "more than accumulators");
    types.push_back(
        RankedTensorType::get(getShape(i), getElementTypeOrSelf(type)));
  }
  auto now = scf::IfOp::create(b, types, k.scalar(choice.getCondition()),
                               /*addThenBlock=*/true, /*addElseBlock=*/true);
  for (auto [from, to] : {std::pair(choice.thenBlock(), now.thenBlock()),
                          std::pair(choice.elseBlock(), now.elseBlock())}) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(to);
    if (failed(convertBlock(*from)))
      return failure();
    auto yielded = getStates(choice, from->getTerminator()->getOperands());
    if (failed(yielded))
      return failure();
    scf::YieldOp::create(b, *yielded);
  }
  for (auto [result, tile] : llvm::zip(choice.getResults(), now.getResults()))
    k.setTile(result, tile);
  return success();
}

//===----------------------------------------------------------------------===//
// A tile
//===----------------------------------------------------------------------===//

/// `full` in tiles that are, else what `partial` builds. Without `isFull` no
/// tile is known to be.
Value BackwardConverter::choose(Value isFull, Value full,
                                function_ref<FailureOr<Value>()> partial) {
  if (!isFull) {
    FailureOr<Value> value = partial();
    return failed(value) ? Value() : *value;
  }
  auto choice = scf::IfOp::create(b, full.getType(), isFull,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, full);
  b.setInsertionPointToStart(choice.elseBlock());
  FailureOr<Value> value = partial();
  if (failed(value))
    return {};
  scf::YieldOp::create(b, *value);
  return choice.getResult(0);
}

LogicalResult BackwardConverter::convert(BlockAttentionBackwardOp op,
                                         Value isFull) {
  auto queryType = getTensorType(op.getQuery());
  Type element = queryType.getElementType();
  int64_t M = queryType.getDimSize(2);
  int64_t N = getTensorType(op.getKey()).getDimSize(2);
  int64_t D = padInner(queryType.getDimSize(3));
  int64_t Dv = padInner(getTensorType(op.getValue()).getDimSize(3));
  int64_t rows = rowsAreKeys ? N : M, columns = rowsAreKeys ? M : N;
  ScoreAxes axes;
  if (rowsAreKeys)
    axes = {Lane::Column, Lane::Row};
  bool isPartial = op.getTileClass() == TileClass::Partial;
  bool hasScore = !op.getScore().empty();

  TileScores<BlockAttentionBackwardOp> tile(k, op, axes);
  FailureOr<Value> query = tile.load(op.getQuery(), {M, D}),
                   key = tile.load(op.getKey(), {N, D}),
                   value = tile.load(op.getValue(), {N, Dv}),
                   outGrad = tile.load(op.getOutGrad(), {M, Dv}),
                   lse = tile.load(op.getLse(), {M}),
                   delta = tile.load(op.getDelta(), {M});
  FailureOr<SmallVector<Value>> accumulators = getStates(op, op.getDpsInits());
  if (failed(query) || failed(key) || failed(value) || failed(outGrad) ||
      failed(lse) || failed(delta) || failed(accumulators))
    return failure();
  b.setLoc(op.getLoc());
  Value columnSegments;
  if (isPartial && op.getKeySegments()) {
    FailureOr<Value> loaded = tile.loadColumnSegments(isFull);
    if (failed(loaded))
      return failure();
    columnSegments = *loaded;
  }

  // The products that the forward had.
  auto multiply = [&](Value ofQueries, Value ofKeys, Value acc) -> Value {
    Value lhs = rowsAreKeys ? ofKeys : ofQueries;
    Value rhs = rowsAreKeys ? ofQueries : ofKeys;
    return tile::DotOp::create(b, lhs, rhs, acc, /*transpose_a=*/false,
                               /*transpose_b=*/true);
  };
  Value zeros = k.constant({rows, columns}, 0.0);
  Value scores = multiply(*query, *key, zeros);
  Lanes lanes(k, rows, columns, b.getI32Type());
  Lane down = {*delta, axes.query};
  Value start = zeros;
  if (!op.getDropout() && !addsQueries)
    start = lanes.tile({arith::NegFOp::create(b, *delta), axes.query});
  Value gradient = multiply(*outGrad, *value, start);
  double scale = op.getScale().convertToDouble();
  if (addsQueries) {
    // What leaves for queries has no end to be scaled at.
    Value scaled = arith::MulFOp::create(b, *delta, k.constant({M}, -scale));
    gradient =
        math::FmaOp::create(b, gradient, k.constant({rows, columns}, scale),
                            lanes.tile({scaled, axes.query}));
  }

  // The exponent as a sum, and the derivative of a region.
  Value lowest = k.constant({M}, -infinity),
        highest = k.constant({M}, infinity);
  Value isNothing =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, *lse, lowest);
  Value shift = arith::SelectOp::create(
      b, isNothing, highest,
      arith::MulFOp::create(b, *lse, k.constant({M}, log2e)));
  SmallVector<Term> terms;
  std::optional<Lane> derivative;
  if (hasScore) {
    Region &region = op.getScore();
    Lanes inner(k, rows, columns, Lanes::getPositionType(region),
                element.getIntOrFloatBitWidth() <= 16);
    Lane i = tile.queryPosition(inner), j = tile.keyPosition(inner);
    if (needsRealPositions(region)) {
      i = tile.clamp(inner, i, op.getLengths()[0]);
      j = tile.clamp(inner, j, op.getLengths()[1]);
    }
    Value scaled = scores;
    if (scale != 1.0)
      scaled =
          arith::MulFOp::create(b, scores, k.constant({rows, columns}, scale));
    FailureOr<SmallVector<Lane>> yielded =
        inner.applyAll(region, {{scaled, Lane::Both},
                                inner.uniform(k.scalar(op.getOffsets()[0])),
                                inner.uniform(k.scalar(op.getOffsets()[1])),
                                i,
                                j});
    if (failed(yielded))
      return failure();
    b.setLoc(op.getLoc());
    // A bias is added behind the region.
    if (op.getCapturedGradInit())
      derivative = (*yielded)[2];
    else if (yielded->size() > 1 && !isPair)
      derivative = (*yielded)[1];
    terms = inner.getTerms(region);
    for (Term &term : terms)
      if (term.lane.value == scaled) {
        term.lane.value = scores;
        term.coefficient *= scale;
      }
  } else {
    terms.push_back({scale, Value(), {scores, Lane::Both}});
  }
  if (op.getBias()) {
    FailureOr<Lane> bias = tile.loadBias();
    if (failed(bias))
      return failure();
    terms.push_back({1.0, Value(), {k.extend(bias->value), bias->on}});
  }
  for (Term &term : terms)
    term.coefficient *= log2e;
  terms.push_back({-1.0, Value(), {shift, axes.query}});
  Value exponent = lanes.tile(lanes.add(terms, 1.0));
  if (isPartial)
    exponent = choose(isFull, exponent, [&] {
      return tile.mask(lanes, exponent, columnSegments, rowsAreKeys);
    });
  if (!exponent)
    return failure();
  Value weights = math::Exp2Op::create(b, exponent);

  std::optional<Lane> kept;
  if (op.getDropout())
    kept = tile.isKept(lanes);
  SmallVector<Value> results;
  auto accumulate = [&](Value lhs, Value rhs, Value acc) -> Value {
    return tile::DotOp::create(b, k.truncate(lhs, element), rhs, acc,
                               /*transpose_a=*/false, /*transpose_b=*/false);
  };
  Value valueGrad;
  if (rowsAreKeys && !isPair)
    valueGrad = accumulate(kept ? tile.drop(lanes, *kept, weights) : weights,
                           *outGrad, accumulators->back());

  if (kept) {
    gradient = tile.drop(lanes, *kept, gradient);
    gradient = arith::SubFOp::create(b, gradient, lanes.tile(down));
  }
  gradient = arith::MulFOp::create(b, weights, gradient);
  if (derivative)
    gradient = arith::MulFOp::create(b, gradient, lanes.tile(*derivative));
  if (isPartial || hasScore)
    gradient = choose(
        hasScore ? Value() : isFull, gradient, [&]() -> FailureOr<Value> {
          Value isSeen = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE,
                                               weights, zeros);
          return arith::SelectOp::create(b, isSeen, gradient, zeros)
              .getResult();
        });
  if (isPair) {
    Value &sum = accumulators->front();
    if (getTensorType(sum).getRank() == 1)
      gradient = k.reduce(tile::ReduceKind::Add, gradient, /*dim=*/1);
    k.setTile(op.getResult(0), arith::AddFOp::create(b, sum, gradient));
    return success();
  }
  if (!rowsAreKeys) {
    k.setTile(op.getResult(0),
              accumulate(gradient, *key, accumulators->front()));
    return success();
  }
  if (!addsQueries) {
    k.setTile(op.getResult(0),
              accumulate(gradient, *query, accumulators->front()));
    k.setTile(op.getResult(1), valueGrad);
    return success();
  }
  gradient = k.truncate(gradient, element);
  Value none = getQueryZeros();
  Value queryGrad = tile::DotOp::create(
      b, isTransposed ? *key : gradient, isTransposed ? gradient : *key, none,
      /*transpose_a=*/true, /*transpose_b=*/false);
  k.setTile(op.getResult(1), accumulate(gradient, *query, (*accumulators)[1]));
  k.setTile(op.getResult(2), valueGrad);
  k.setTile(op.getResult(0), queryGrad);
  return success();
}
