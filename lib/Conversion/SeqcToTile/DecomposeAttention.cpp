//===- DecomposeAttention.cpp - Tiles of attention -> tile ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One key tile, with c = scale log2(e):
//
//   s     = q k^T                                       raw scores
//   s     = s where visible, else -inf                  partial tiles only
//   m'    = max(m, c max_n s)
//   shift = m', but 0 while a row has seen nothing
//   alpha = exp2(m - shift)
//   p     = exp2(fma(s, c, -shift))
//   l'    = alpha l + sum_n p
//   acc'  = alpha acc + p v
//
// so that a score costs one fma and one exponential. The state means what it
// means everywhere: m is in base 2, after the scale. It is the rounded c max s,
// the same number in alpha and in p, so neither loses anything to the rounding.
// -inf never meets -inf: shift is finite, alpha and p of a hidden score are
// exp2(-inf) = 0. c must be positive, for a maximum to stay one and for -inf to
// stay hidden.
//
// A score region and a bias make a sum of products of s (Lanes::getTerms):
//
//   cap tanh(s / cap)     x = tanh(s (scale / cap)), c = cap log2(e)
//   s + slope (j - i)     x = s (scale log2(e)) + slope log2(e) (j - i0)
//                         r = slope log2(e) (i0 - i)
//
// One product that is different for each score takes the place of s. Several
// are added up, times log2(e), with c = 1; what depends on keys alone comes
// first and costs one instruction for each key. What depends on rows alone, r,
// is not added to scores: m' = max(m, c max_n x + r), p = exp2(c x - (m' - r)).
//
// Positions need not come after the product. What is linear in both of them,
// slope (j - i), over the scores' own factor, is where the accumulator of
// q k^T starts: a fused multiply-add for each score, and from there on the
// scores are plain ones. A product rounds its accumulator towards zero, but
// near the diagonal, where such scores have their weight, this one starts near
// 0.
//
// Where scores grow with the key's position, as ALiBi's do, the loop over tiles
// of keys goes backwards: the first tile has the largest scores, and the
// maximum hardly moves afterwards (see tile-lazy-rescale).
//
// Scores whose size is bounded, by a tanh, need no maximum at all: m = 0 and
// p = exp2(c x), with no dependence between tiles but the sums. The same holds
// for its rows as for others: -inf is a hidden score, and a sum of 0 a row that
// has seen nothing.
//
// NaN reaches its row through p: the maximum ignores it, the sum does not.
//
//===----------------------------------------------------------------------===//

#include "TileScores.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static RankedTensorType getTensorType(Value v) {
  return cast<RankedTensorType>(v.getType());
}

namespace {
class AttentionConverter {
public:
  AttentionConverter(KernelBuilder &k) : k(k), b(k.b) {}

  LogicalResult convertBlock(Block &block);

private:
  LogicalResult convert(Operation *op);
  LogicalResult convert(scf::ForOp op);
  LogicalResult convert(scf::IfOp op);
  LogicalResult convert(OnlineAttentionOp op, Value isFull);
  LogicalResult convert(SoftmaxFinishOp op);

  FailureOr<Value> getState(Operation *user, Value v);
  FailureOr<SmallVector<Value>> getStates(Operation *user, ValueRange values);
  FailureOr<Value> load(Operation *user, Value v, ArrayRef<int64_t> shape,
                        ArrayRef<int64_t> dims = {}, bool cutRows = false);

  void startFromPositions(Lanes &lanes, tile::DotOp product,
                          SmallVectorImpl<Term> &terms);

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  /// Whether the scores of the tile converted last grow with the key.
  bool growsWithKeys = false;
};
} // namespace

LogicalResult totile::decomposeAttention(KernelBuilder &k,
                                         scf::ForallOp forall) {
  // Causal rows see more keys the later they are; the long ones start first.
  bool isCausal = false;
  forall.walk([&](OnlineAttentionOp op) {
    isCausal |= op.getCausal() || op.getWindowRight() || !op.getMask().empty();
  });
  k.bindGrid(/*longestFirst=*/isCausal);
  AttentionConverter converter(k);
  if (failed(converter.convertBlock(*forall.getBody())))
    return failure();
  k.kernel.walk([](scf::ForOp loop) { hoistLoads(loop); });
  return k.convertResults(forall.getTerminator());
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

LogicalResult AttentionConverter::convertBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    auto isKnown = [&](Value v) { return k.isScalar(v); };
    if (op.getNumResults() > 0 && llvm::all_of(op.getResults(), isKnown))
      continue; // Hoisted.
    b.setLoc(op.getLoc());
    if (failed(convert(&op)))
      return failure();
  }
  return success();
}

LogicalResult AttentionConverter::convert(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::ForOp, scf::IfOp, SoftmaxFinishOp>(
          [&](auto o) { return convert(o); })
      .Case([&](OnlineAttentionOp o) { return convert(o, Value()); })
      .Default([&](Operation *o) { return k.convert(o); });
}

FailureOr<Value> AttentionConverter::load(Operation *user, Value v,
                                          ArrayRef<int64_t> shape,
                                          ArrayRef<int64_t> dims,
                                          bool cutRows) {
  if (Value tile = k.getTile(v, shape, dims, cutRows))
    return tile;
  return user->emitOpError("reads a value of ")
         << v.getType() << " that is not a tile of device memory";
}

FailureOr<Value> AttentionConverter::getState(Operation *user, Value v) {
  return load(user, v, getStateShape(v.getType()));
}

FailureOr<SmallVector<Value>> AttentionConverter::getStates(Operation *user,
                                                            ValueRange values) {
  SmallVector<Value> states;
  for (Value v : values) {
    FailureOr<Value> state = getState(user, v);
    if (failed(state))
      return failure();
    states.push_back(*state);
  }
  return states;
}

/// Moves `v` and what it is computed from in front of `place`, in whose block
/// they are.
static void moveBefore(Operation *place, Value v) {
  Operation *op = v.getDefiningOp();
  if (!op || op->getBlock() != place->getBlock() || op->isBeforeInBlock(place))
    return;
  for (Value operand : op->getOperands())
    moveBefore(place, operand);
  op->moveBefore(place);
}

/// Lets `loop` go from its last tile to its first.
static void reverse(scf::ForOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Value lower = loop.getLowerBound(), step = loop.getStep();
  // Of a loop without tiles this is a number that nothing reads.
  Value reach = arith::SubIOp::create(
      b, arith::SubIOp::create(b, loop.getUpperBound(), lower),
      arith::ConstantIndexOp::create(b, 1));
  reach =
      arith::MulIOp::create(b, arith::DivUIOp::create(b, reach, step), step);
  Value ends =
      arith::AddIOp::create(b, arith::AddIOp::create(b, lower, reach), lower);
  b.setInsertionPointToStart(loop.getBody());
  Value passed = loop.getInductionVar();
  auto start = arith::SubIOp::create(b, ends, passed);
  passed.replaceAllUsesExcept(start, start);
}

LogicalResult AttentionConverter::convert(scf::ForOp op) {
  if (!llvm::all_of(op.getResultTypes(), isState))
    return op.emitOpError("cannot become part of a kernel: it carries more "
                          "than the state of attention");
  FailureOr<SmallVector<Value>> inits = getStates(op, op.getInitArgs());
  if (failed(inits))
    return failure();
  if (failed(convertInvariants(k, *op.getBody())))
    return failure();
  auto loop = scf::ForOp::create(b, k.scalar(op.getLowerBound()),
                                 k.scalar(op.getUpperBound()),
                                 k.scalar(op.getStep()), *inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  k.setScalar(op.getInductionVar(), loop.getInductionVar());
  growsWithKeys = false;
  for (auto [arg, now] :
       llvm::zip(op.getRegionIterArgs(), loop.getRegionIterArgs()))
    k.setTile(arg, now);
  if (failed(convertBlock(*op.getBody())))
    return failure();
  auto yielded = getStates(op, op.getBody()->getTerminator()->getOperands());
  if (failed(yielded))
    return failure();
  scf::YieldOp::create(b, *yielded);
  if (growsWithKeys)
    reverse(loop);
  for (auto [result, now] : llvm::zip(op.getResults(), loop.getResults()))
    k.setTile(result, now);
  return success();
}

/// The operator that is all of `block`, if it yields what that returns.
static OnlineAttentionOp getOnly(Block *block) {
  auto tile = dyn_cast<OnlineAttentionOp>(block->front());
  Operation *yield = block->getTerminator();
  if (!tile || tile->getNextNode() != yield ||
      !llvm::equal(yield->getOperands(), tile->getResults()))
    return nullptr;
  return tile;
}

LogicalResult AttentionConverter::convert(scf::IfOp op) {
  // The same tile twice, with and without its mask.
  if (op.getNumResults() == 3 && !op.getElseRegion().empty()) {
    OnlineAttentionOp full = getOnly(op.thenBlock()),
                      partial = getOnly(op.elseBlock());
    if (full && partial && full.getTileClass() == TileClass::Full &&
        partial.getTileClass() == TileClass::Partial &&
        llvm::equal(full->getOperands(), partial->getOperands())) {
      if (failed(convert(partial, k.scalar(op.getCondition()))))
        return failure();
      for (auto [result, now] :
           llvm::zip(op.getResults(), partial.getResults()))
        k.setTile(result, k.getTile(now));
      return success();
    }
  }
  if (!llvm::all_of(op.getResultTypes(), isState))
    return op.emitOpError("cannot become part of a kernel: it yields more than "
                          "the state of attention");
  SmallVector<Type> types =
      llvm::map_to_vector(op.getResultTypes(), [&](Type type) -> Type {
        return RankedTensorType::get(getStateShape(type),
                                     getElementTypeOrSelf(type));
      });
  auto choice = scf::IfOp::create(b, types, k.scalar(op.getCondition()),
                                  /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  for (auto [from, to] : {std::pair(op.thenBlock(), choice.thenBlock()),
                          std::pair(op.elseBlock(), choice.elseBlock())}) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(to);
    if (failed(convertBlock(*from)))
      return failure();
    auto yielded = getStates(op, from->getTerminator()->getOperands());
    if (failed(yielded))
      return failure();
    scf::YieldOp::create(b, *yielded);
  }
  for (auto [result, now] : llvm::zip(op.getResults(), choice.getResults()))
    k.setTile(result, now);
  return success();
}

//===----------------------------------------------------------------------===//
// A tile of keys
//===----------------------------------------------------------------------===//

/// The schedule's tile as the tensor cores take it.
static LogicalResult verifyTile(KernelBuilder &k, OnlineAttentionOp op) {
  int64_t warps = k.kernel.getWarps();
  int64_t rows = getTensorType(op.getQuery()).getDimSize(2);
  int64_t columns = getTensorType(op.getKey()).getDimSize(2);
  if (rows % (16 * warps) != 0)
    return op.emitOpError("has a tile_m of ")
           << rows << ", expected a multiple of " << 16 * warps << " for "
           << warps << " warps";
  if (columns % 16 != 0)
    return op.emitOpError("has a tile_n of ")
           << columns << ", expected a multiple of 16";
  auto key = k.getSlice(op.getKey()), value = k.getSlice(op.getValue());
  bool isPaged = (key && key->table) || (value && value->table);
  if (isPaged && !llvm::isPowerOf2_64(columns))
    return op.emitOpError("has a tile_n of ")
           << columns << ", expected a power of two for keys in pages";
  return success();
}

/// Whether the state before this tile is that of no tile at all, until a tile
/// with a finite maximum comes.
static bool startsEmpty(Value max, Value sum, Value acc) {
  auto getInit = [](Value v) -> Value {
    auto argument = dyn_cast<BlockArgument>(v);
    auto loop = argument
                    ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp())
                    : scf::ForOp();
    return loop && argument != loop.getInductionVar()
               ? loop.getTiedLoopInit(argument)->get()
               : v;
  };
  return matchPattern(getInit(max), m_NegInfFloat()) &&
         matchPattern(getInit(sum), m_AnyZeroFloat()) &&
         matchPattern(getInit(acc), m_AnyZeroFloat());
}

/// The largest score, in units of log2(e), that needs no running maximum: 2^64
/// times a million keys is a number of f32, and so is 2^-64.
static constexpr double kMaxBoundedScore = 64;

/// The least factor of scores by which positions are divided.
static constexpr double kMinScale = 0x1p-32;

/// Whether no element of `v` is above 1 or below -1.
static bool isBoundedByOne(Value v) {
  return v.getDefiningOp<math::TanhOp>() != nullptr;
}

LogicalResult AttentionConverter::convert(OnlineAttentionOp op, Value isFull) {
  if (failed(verifyTile(k, op)))
    return failure();
  auto queryType = getTensorType(op.getQuery());
  int64_t M = queryType.getDimSize(2);
  int64_t N = getTensorType(op.getKey()).getDimSize(2);
  int64_t D = padInner(queryType.getDimSize(3));
  auto valueType = getTensorType(op.getValue());
  int64_t Dv = padInner(valueType.getDimSize(3));
  bool isPartial = op.getTileClass() == TileClass::Partial;
  bool hasScore = !op.getScore().empty(), hasBias = bool(op.getBias());

  TileScores<OnlineAttentionOp> tile(k, op);
  // Keys and values behind the last one of the batch entry may be anything.
  bool cut = bool(op.getKeyLengths());
  FailureOr<Value> query = load(op, op.getQuery(), {M, D}),
                   key = load(op, op.getKey(), {N, D}, {}, cut),
                   value = load(op, op.getValue(), {N, Dv}, {}, cut),
                   oldMax = getState(op, op.getMaxInit()),
                   oldSum = getState(op, op.getSumInit()),
                   oldAcc = getState(op, op.getAccInit());
  if (failed(query) || failed(key) || failed(value) || failed(oldMax) ||
      failed(oldSum) || failed(oldAcc))
    return failure();
  b.setLoc(op.getLoc());

  // Asked for in front of the product, which is long enough for them to come.
  Value keySegments;
  if (isPartial && op.getKeySegments()) {
    FailureOr<Value> loaded = tile.loadColumnSegments(isFull);
    if (failed(loaded))
      return failure();
    keySegments = *loaded;
  }

  auto finish = [&](Value max, Value sum, Value acc) {
    k.setTile(op.getMax(), max);
    k.setTile(op.getSum(), sum);
    k.setTile(op.getAcc(), acc);
  };

  auto product =
      tile::DotOp::create(b, *query, *key, k.constant({M, N}, 0.0),
                          /*transpose_a=*/false, /*transpose_b=*/true);
  Value scores = product;

  // The scores as a sum: what they are made of, and what is added to them.
  double scale = op.getScale().convertToDouble();
  SmallVector<Term> terms;
  if (hasScore) {
    Region &region = op.getScore();
    Lanes lanes(k, M, N, Lanes::getPositionType(region),
                queryType.getElementTypeBitWidth() <= 16);
    Lane i = tile.queryPosition(lanes), j = tile.keyPosition(lanes);
    if (needsRealPositions(region)) {
      i = tile.clamp(lanes, i, op.getLengths()[0]);
      if (isPartial)
        j = tile.clamp(lanes, j, op.getLengths()[1]);
    }
    Value scaled = scores;
    if (scale != 1.0)
      scaled = arith::MulFOp::create(b, scores, k.constant({M, N}, scale));
    FailureOr<Lane> scored =
        lanes.apply(region, {{scaled, Lane::Both},
                             lanes.uniform(k.scalar(op.getOffsets()[0])),
                             lanes.uniform(k.scalar(op.getOffsets()[1])),
                             i,
                             j});
    if (failed(scored))
      return failure();
    b.setLoc(op.getLoc());
    terms = lanes.getTerms(region);
    growsWithKeys = Lanes::getKeySlope(terms) > 0;
    for (Term &term : terms)
      if (term.lane.value == scaled) {
        term.lane.value = scores;
        term.coefficient *= scale;
      }
  } else {
    terms.push_back({scale, Value(), {scores, Lane::Both}});
  }
  Type i32 = b.getI32Type();
  Lanes lanes(k, M, N, i32);
  if (hasBias) {
    FailureOr<Lane> bias = tile.loadBias();
    if (failed(bias))
      return failure();
    terms.push_back({1.0, Value(), {k.extend(bias->value), bias->on}});
  }

  startFromPositions(lanes, product, terms);

  // A row's own part moves its maximum, not its scores.
  SmallVector<Term> rowTerms, otherTerms;
  for (const Term &term : terms)
    (term.lane.on & Lane::Column ? otherTerms : rowTerms).push_back(term);
  Value rowPart;
  if (!rowTerms.empty())
    rowPart = lanes.spread(lanes.add(rowTerms, log2e), Lane::Row);

  // c is folded into the exponent, or the scores are scaled here.
  double factor = 1.0;
  bool isFolded = otherTerms.size() == 1 && !otherTerms[0].factor &&
                  otherTerms[0].lane.on == Lane::Both;
  if (isFolded) {
    factor = otherTerms[0].coefficient * log2e;
    isFolded = std::isnormal(static_cast<float>(factor)) && factor > 0;
  }
  if (isFolded) {
    scores = otherTerms[0].lane.value;
  } else {
    factor = 1.0;
    scores = lanes.tile(lanes.add(otherTerms, log2e));
  }

  Value unmasked = scores;
  if (isPartial && isFull) {
    auto choice = scf::IfOp::create(b, scores.getType(), isFull,
                                    /*addThenBlock=*/true,
                                    /*addElseBlock=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    scf::YieldOp::create(b, scores);
    b.setInsertionPointToStart(choice.elseBlock());
    FailureOr<Value> masked = tile.mask(lanes, scores, keySegments);
    if (failed(masked))
      return failure();
    scf::YieldOp::create(b, *masked);
    scores = choice.getResult(0);
  } else if (isPartial) {
    FailureOr<Value> masked = tile.mask(lanes, scores, keySegments);
    if (failed(masked))
      return failure();
    scores = *masked;
  }

  // Scores that are bounded need no maximum: exp2 of none overflows, nor does a
  // sum. Weights of f16 have too few exponents for that.
  if (isFolded && !rowPart && isBoundedByOne(unmasked) &&
      factor <= kMaxBoundedScore && !valueType.getElementType().isF16() &&
      startsEmpty(*oldMax, *oldSum, *oldAcc)) {
    Value weights = math::Exp2Op::create(
        b, arith::MulFOp::create(b, scores, k.constant({M, N}, factor)));
    Value sum = arith::AddFOp::create(
        b, *oldSum, k.reduce(tile::ReduceKind::Add, weights, 1));
    if (op.getDropout())
      weights = tile.drop(lanes, tile.isKept(lanes), weights);
    weights = k.truncate(weights, valueType.getElementType());
    Value acc =
        tile::DotOp::create(b, weights, *value, *oldAcc,
                            /*transpose_a=*/false, /*transpose_b=*/false);
    finish(k.constant({M}, 0.0), sum, acc);
    return success();
  }

  // The running maximum.
  Value tileMax = k.reduce(tile::ReduceKind::Max, scores, 1);
  if (isFolded)
    tileMax = arith::MulFOp::create(b, tileMax, k.constant({M}, factor));
  if (rowPart)
    tileMax = arith::AddFOp::create(b, tileMax, rowPart);
  Value max = arith::MaxNumFOp::create(b, *oldMax, tileMax);
  Value lowest = k.constant({M}, -infinity);
  auto isNothing = [&] {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, max, lowest);
  };
  Value shift =
      arith::SelectOp::create(b, isNothing(), k.constant({M}, 0.0), max);
  Value alpha =
      math::Exp2Op::create(b, arith::SubFOp::create(b, *oldMax, shift));

  // The weights. A row that has seen nothing may have a part that is infinite.
  Value down = shift;
  if (rowPart)
    down = arith::SelectOp::create(b, isNothing(), k.constant({M}, infinity),
                                   arith::SubFOp::create(b, max, rowPart));
  Value weights;
  if (isFolded) {
    down = k.broadcast(arith::NegFOp::create(b, down), 1, N);
    weights = math::FmaOp::create(b, scores, k.constant({M, N}, factor), down);
  } else {
    weights = arith::SubFOp::create(b, scores, k.broadcast(down, 1, N));
  }
  weights = math::Exp2Op::create(b, weights);
  Value sum =
      arith::AddFOp::create(b, arith::MulFOp::create(b, *oldSum, alpha),
                            k.reduce(tile::ReduceKind::Add, weights, 1));
  if (op.getDropout())
    weights = tile.drop(lanes, tile.isKept(lanes), weights);

  // The weighted values.
  weights = k.truncate(weights, valueType.getElementType());
  Value rescaled = arith::MulFOp::create(b, *oldAcc, k.broadcast(alpha, 1, Dv));
  Value acc = tile::DotOp::create(b, weights, *value, rescaled,
                                  /*transpose_a=*/false, /*transpose_b=*/false);
  finish(max, sum, acc);
  return success();
}

/// Takes ramps out of `terms` and lets the accumulator of `product` start with
/// them, if the product is the only term besides them that is not a row's.
void AttentionConverter::startFromPositions(Lanes &lanes, tile::DotOp product,
                                            SmallVectorImpl<Term> &terms) {
  SmallVector<Term> ramps, others;
  unsigned on = Lane::Uniform;
  const Term *scores = nullptr;
  for (const Term &term : terms) {
    if (term.lane.value.getDefiningOp<tile::RampOp>()) {
      ramps.push_back(term);
      on |= term.lane.on;
      continue;
    }
    others.push_back(term);
    if (term.lane.value == product.getResult())
      scores = &term;
    else if (term.lane.on & Lane::Column)
      return;
  }
  if (!scores || scores->factor || on != Lane::Both)
    return;
  // A quotient by something tiny may not be a number of f32.
  if (scores->coefficient < kMinScale || scores->coefficient > 1 / kMinScale)
    return;
  Value start = lanes.tile(lanes.add(ramps, 1 / scores->coefficient));
  moveBefore(product, start);
  product.getAccMutable().assign(start);
  terms.assign(others);
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

LogicalResult AttentionConverter::convert(SoftmaxFinishOp op) {
  FailureOr<Value> oldMax = getState(op, op.getMax()),
                   oldSum = getState(op, op.getSum()),
                   acc = getState(op, op.getAcc());
  if (failed(oldMax) || failed(oldSum) || failed(acc))
    return failure();
  b.setLoc(op.getLoc());
  Value max = *oldMax, sum = *oldSum;
  SmallVector<int64_t> shape(getTensorType(*acc).getShape());
  int64_t M = shape[0], Dv = shape[1];
  Value zero = k.constant({M}, 0.0), lowest = k.constant({M}, -infinity);
  auto isEqual = [&](Value x, Value y) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y);
  };

  // A sink is one more term of the denominator. One of -inf adds nothing,
  // whatever the maximum.
  Value weight = k.constant({M}, 1.0);
  if (op.getSinks()) {
    auto slice = k.getSlice(op.getSinks());
    if (!slice)
      return op.emitOpError("reads sinks of ")
             << op.getSinks().getType() << " that are not device memory";
    Value read = k.extend(k.loadScalar(slice->view, slice->offsets));
    Value sink =
        k.splat(arith::MulFOp::create(b, read, k.scalarConstant(log2e)), {M});
    Value top = arith::MaxNumFOp::create(b, max, sink);
    auto power = [&](Value x) -> Value {
      Value e = math::Exp2Op::create(b, arith::SubFOp::create(b, x, top));
      return arith::SelectOp::create(b, isEqual(x, lowest), zero, e);
    };
    weight = power(max);
    Value extra = power(sink);
    sum =
        arith::AddFOp::create(b, arith::MulFOp::create(b, weight, sum), extra);
    max = top;
  }
  Value factor = arith::SelectOp::create(b, isEqual(sum, zero), zero,
                                         arith::DivFOp::create(b, weight, sum));
  Value out = arith::MulFOp::create(b, *acc, k.broadcast(factor, 1, Dv));
  k.setTile(op.getOut(),
            k.truncate(out, getTensorType(op.getOut()).getElementType()));
  if (op.getLse()) {
    Value total = arith::AddFOp::create(b, max, math::Log2Op::create(b, sum));
    k.setTile(op.getLse(),
              arith::MulFOp::create(b, total, k.constant({M}, ln2)));
  }
  return success();
}
