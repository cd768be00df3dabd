//===- Decompose.cpp - Tiles -> linalg operators --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each tile becomes the linalg operators it stands for, in two dimensions and
// in the accumulator type. Operands that are read in another order than they lie in
// are brought into it once per tile (keys and scan inputs are transposed), as
// they would be staged into on-chip memory.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCDECOMPOSE
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {

constexpr double log2e = 1.4426950408889634074;
constexpr double ln2 = 0.69314718055994530942;

using Body = llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

/// Builds linalg operators on static tiles in the accumulator type.
struct Emitter {
  Emitter(RewriterBase &rewriter, Location loc, FloatType acc)
      : b(loc, rewriter), acc(acc) {}

  AffineMap map(ArrayRef<unsigned> dims, unsigned rank) {
    return AffineMap::getMultiDimIdentityMap(rank, b.getContext())
        .getSubMap(dims);
  }

  Value empty(ArrayRef<int64_t> shape, Type type) {
    return tensor::EmptyOp::create(b, shape, type);
  }

  Value constant(double value) { return constant(b, value); }
  Value constant(ImplicitLocOpBuilder &nb, double value) {
    return arith::ConstantOp::create(nb, nb.getFloatAttr(acc, value));
  }

  Value zeros(ArrayRef<int64_t> shape) {
    return linalg::FillOp::create(b, constant(0.0), empty(shape, acc))
        .getResult(0);
  }

  /// The tile without its leading unit dimensions.
  Value dropUnitDims(Value v, unsigned rank) {
    auto type = cast<RankedTensorType>(v.getType());
    if (type.getRank() == int64_t(rank))
      return v;
    auto reduced = RankedTensorType::get(type.getShape().take_back(rank),
                                         type.getElementType());
    return tensor::createCanonicalRankReducingExtractSliceOp(b, b.getLoc(), v,
                                                              reduced);
  }

  /// The same for a carried state, as a reshape: its buffer stays the state's.
  Value collapseUnitDims(Value v, unsigned rank) {
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<ReassociationIndices> groups(rank);
    for (int64_t i = 0, extra = type.getRank() - rank; i < type.getRank(); ++i)
      groups[std::max<int64_t>(0, i - extra)].push_back(i);
    return tensor::CollapseShapeOp::create(b, v, groups);
  }

  /// `v` with leading unit dimensions, of the shape of `like`.
  Value addUnitDims(Value v, Type like) {
    if (v.getType() == like)
      return v;
    auto type = cast<RankedTensorType>(like);
    auto source = cast<RankedTensorType>(v.getType());
    int64_t extra = type.getRank() - source.getRank();
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices first;
    for (int64_t i = 0; i <= extra; ++i)
      first.push_back(i);
    groups.push_back(first);
    for (int64_t i = extra + 1; i < type.getRank(); ++i)
      groups.push_back({i});
    return tensor::ExpandShapeOp::create(b, type, v, groups);
  }

  /// A linalg.generic with one destination, the last of `maps` its own.
  Value generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                ArrayRef<utils::IteratorType> iterators, Body body) {
    return linalg::GenericOp::create(
               b, init.getType(), inputs, init, maps, iterators,
               [&](OpBuilder &nested, Location loc, ValueRange args) {
                 ImplicitLocOpBuilder nb(loc, nested);
                 linalg::YieldOp::create(nb, body(nb, args));
               })
        .getResult(0);
  }

  /// Elementwise over `shape`; input i is read through maps[i]. The last
  /// argument of the body is what the destination held.
  Value elementwise(ArrayRef<int64_t> shape, Type type, ValueRange inputs,
                    ArrayRef<AffineMap> maps, Body body, Value init = {}) {
    SmallVector<AffineMap> all(maps);
    all.push_back(b.getMultiDimIdentityMap(shape.size()));
    SmallVector<utils::IteratorType> iterators(shape.size(),
                                               utils::IteratorType::parallel);
    return generic(inputs, init ? init : empty(shape, type), all, iterators,
                   body);
  }

  /// A float in the accumulator type.
  Value extend(ImplicitLocOpBuilder &nb, Value v) {
    if (v.getType() == acc)
      return v;
    return arith::ExtFOp::create(nb, acc, v);
  }
  Value truncate(ImplicitLocOpBuilder &nb, Value v, Type type) {
    if (v.getType() == type)
      return v;
    return arith::TruncFOp::create(nb, type, v);
  }

  ImplicitLocOpBuilder b;
  FloatType acc;
};

const utils::IteratorType par = utils::IteratorType::parallel;
const utils::IteratorType red = utils::IteratorType::reduction;

} // namespace

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Philox4x32-10 (Salmon et al. 2011): the first word of the block that `counter`
/// and `key` name. All values are i32.
static Value buildPhilox(ImplicitLocOpBuilder &b, std::array<Value, 4> counter,
                         std::array<Value, 2> key) {
  auto word = [&](uint32_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(value)));
  };
  // A 32-bit product as (low, high), through 64 bits: vectors have that one.
  Type i32 = b.getI32Type(), i64 = b.getI64Type();
  Value shift = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
  auto multiply = [&](uint32_t factor, Value v) -> std::pair<Value, Value> {
    Value wide = arith::ExtUIOp::create(b, i64, v);
    Value f = arith::ConstantOp::create(b, b.getI64IntegerAttr(factor));
    Value product = arith::MulIOp::create(b, wide, f);
    Value high = arith::ShRUIOp::create(b, product, shift);
    return {arith::TruncIOp::create(b, i32, product),
            arith::TruncIOp::create(b, i32, high)};
  };
  Value w0 = word(0x9E3779B9u), w1 = word(0xBB67AE85u);
  for (int round = 0; round < 10; ++round) {
    auto [low0, high0] = multiply(0xD2511F53u, counter[0]);
    auto [low1, high1] = multiply(0xCD9E8D57u, counter[2]);
    auto mix = [&](Value high, Value c, Value k) -> Value {
      return arith::XOrIOp::create(b, arith::XOrIOp::create(b, high, c), k);
    };
    counter = {mix(high1, counter[1], key[0]), low1,
               mix(high0, counter[3], key[1]), low0};
    key = {arith::AddIOp::create(b, key[0], w0),
           arith::AddIOp::create(b, key[1], w1)};
  }
  return counter[0];
}

/// Clones `region` with `args` for its arguments; returns what it yields. What does
/// not depend on an argument that varies in the tile is cloned before the tile.
static Value inlineRegion(ImplicitLocOpBuilder &b, IRMapping &mapping,
                          Region &region) {
  for (Operation &op : region.front().without_terminator())
    if (op.getNumResults() == 0 || !mapping.contains(op.getResult(0)))
      b.clone(op, mapping);
  return mapping.lookupOrDefault(region.front().getTerminator()->getOperand(0));
}

/// Clones the operations of `region` that depend only on values in `mapping` or
/// outside of it.
static void cloneInvariants(ImplicitLocOpBuilder &b, IRMapping &mapping,
                            Region &region) {
  for (Operation &op : region.front().without_terminator()) {
    bool invariant = op.getNumRegions() == 0 &&
                     llvm::all_of(op.getOperands(), [&](Value v) {
                       return mapping.contains(v) ||
                              !region.isAncestor(v.getParentRegion());
                     });
    if (invariant)
      b.clone(op, mapping);
  }
}

static SmallVector<Value> decompose(Emitter &e, OnlineAttentionOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto queryShape = cast<RankedTensorType>(op.getQuery().getType()).getShape();
  int64_t M = queryShape[2], D = queryShape[3];
  int64_t N = cast<RankedTensorType>(op.getKey().getType()).getDimSize(2);
  int64_t Dv = cast<RankedTensorType>(op.getValue().getType()).getDimSize(3);
  AffineMap row = e.map({0}, 2), col = e.map({1}, 2), both = e.map({0, 1}, 2);
  AffineMap swapped = e.map({1, 0}, 2);
  bool partial = op.getTileClass() == TileClass::Partial;
  bool hasScore = !op.getScore().empty(), hasBias = bool(op.getBias());
  bool natural = hasScore || hasBias; // The region works in base e.

  // scores = (scale query) key^T, in base 2 unless a region wants base e.
  double scale = op.getScale().convertToDouble() * (natural ? 1.0 : log2e);
  Value factor = e.constant(scale);
  Value query = e.elementwise(
      {M, D}, e.acc, e.dropUnitDims(op.getQuery(), 2), both,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, e.extend(nb, a[0]), factor);
      });
  Value keyT = e.elementwise({D, N}, e.acc, e.dropUnitDims(op.getKey(), 2),
                             swapped,
                             [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                               return e.extend(nb, a[0]);
                             });
  Value value = e.dropUnitDims(op.getValue(), 2);
  if (getElementTypeOrSelf(value.getType()) != e.acc)
    value = e.elementwise({N, Dv}, e.acc, value, both,
                          [&](ImplicitLocOpBuilder &nb, ValueRange a) {
                            return e.extend(nb, a[0]);
                          });
  Value zeroScores = e.zeros({M, N});
  Value scores = linalg::MatmulOp::create(b, zeroScores.getType(),
                                          ValueRange{query, keyT}, zeroScores)
                     .getResult(0);

  // Score region, bias and mask, elementwise on the tile.
  bool masked = partial;
  Value batch = op.getOffsets()[0], head = op.getOffsets()[1],
        firstQuery = op.getOffsets()[2], firstKey = op.getOffsets()[3];
  Value queryLength = op.getLengths()[0], keyLength = op.getLengths()[1];
  Value one = arith::ConstantIndexOp::create(b, 1);
  if (natural || masked) {
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    auto addInput = [&](Value v, AffineMap map) {
      inputs.push_back(v);
      maps.push_back(map);
      return inputs.size() - 1;
    };
    unsigned biasIndex = 0, querySegment = 0, keySegment = 0;
    if (hasBias) {
      // A broadcast dimension of the bias has extent 1.
      auto shape = cast<RankedTensorType>(op.getBias().getType()).getShape();
      SmallVector<int64_t> kept;
      SmallVector<unsigned> dims;
      for (unsigned i : {0u, 1u})
        if (shape[2 + i] != 1) {
          kept.push_back(shape[2 + i]);
          dims.push_back(i);
        }
      auto type = RankedTensorType::get(
          kept, getElementTypeOrSelf(op.getBias().getType()));
      biasIndex = addInput(tensor::createCanonicalRankReducingExtractSliceOp(
                               b, b.getLoc(), op.getBias(), type),
                           AffineMap::get(2, 0, e.map(dims, 2).getResults(),
                                          b.getContext()));
    }
    if (op.getQuerySegments() && masked) {
      querySegment = addInput(e.dropUnitDims(op.getQuerySegments(), 1), row);
      keySegment = addInput(e.dropUnitDims(op.getKeySegments(), 1), col);
    }
    Value prefix;
    if (op.getPrefix() && masked) {
      Value zero = arith::ConstantIndexOp::create(b, 0);
      prefix = arith::IndexCastOp::create(
          b, b.getIndexType(),
          tensor::ExtractOp::create(b, op.getPrefix(), ValueRange{zero}));
    }
    // The diagonal: key position of query 0.
    Value diagonal;
    if (op.getAlignment() == Alignment::BottomRight)
      diagonal = arith::SubIOp::create(b, keyLength, queryLength);
    else
      diagonal = arith::ConstantIndexOp::create(b, 0);
    Value lastQuery = arith::SubIOp::create(b, queryLength, one);
    Value lastKey = arith::SubIOp::create(b, keyLength, one);

    IRMapping scoreMapping, maskMapping;
    bool hasMask = masked && !op.getMask().empty();
    if (hasScore) {
      Region &region = op.getScore();
      scoreMapping.map(region.getArgument(1), batch);
      scoreMapping.map(region.getArgument(2), head);
      cloneInvariants(b, scoreMapping, region);
    }
    if (hasMask) {
      Region &region = op.getMask();
      maskMapping.map(region.getArgument(0), batch);
      maskMapping.map(region.getArgument(1), head);
      cloneInvariants(b, maskMapping, region);
    }

    Value lowest = e.constant(-std::numeric_limits<double>::infinity());
    Value toBase2 = e.constant(log2e);
    auto body = [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
      Value x = a.back();
      Value i = arith::AddIOp::create(
          nb, firstQuery, linalg::IndexOp::create(nb, 0).getResult());
      Value j = arith::AddIOp::create(
          nb, firstKey, linalg::IndexOp::create(nb, 1).getResult());
      // Regions never see a position that does not exist.
      Value safeI, safeJ;
      if (hasScore || hasMask) {
        safeI = arith::MinSIOp::create(nb, i, lastQuery);
        safeJ = partial ? arith::MinSIOp::create(nb, j, lastKey).getResult()
                        : j;
      }
      if (hasScore) {
        Region &region = op.getScore();
        scoreMapping.map(region.getArgument(0), x);
        scoreMapping.map(region.getArgument(3), safeI);
        scoreMapping.map(region.getArgument(4), safeJ);
        x = inlineRegion(nb, scoreMapping, region);
      }
      if (hasBias)
        x = arith::AddFOp::create(nb, x, e.extend(nb, a[biasIndex]));
      if (natural)
        x = arith::MulFOp::create(nb, x, toBase2);
      if (!masked)
        return x;

      using Predicate = arith::CmpIPredicate;
      auto compare = [&](Predicate predicate, Value lhs, Value rhs) -> Value {
        return arith::CmpIOp::create(nb, predicate, lhs, rhs);
      };
      auto both = [&](Value lhs, Value rhs) -> Value {
        if (!lhs)
          return rhs;
        return arith::AndIOp::create(nb, lhs, rhs);
      };
      Value band;
      if (op.getCausal() || op.getWindowLeft() || op.getWindowRight()) {
        Value p = arith::AddIOp::create(nb, i, diagonal);
        auto shifted = [&](int64_t by) -> Value {
          Value c = arith::ConstantIndexOp::create(nb, by);
          return arith::AddIOp::create(nb, p, c);
        };
        if (op.getCausal())
          band = compare(Predicate::sle, j, p);
        if (auto left = op.getWindowLeft())
          band = both(band, compare(Predicate::sge, j, shifted(-int64_t(*left))));
        if (auto right = op.getWindowRight())
          band = both(band, compare(Predicate::sle, j, shifted(*right)));
        if (prefix)
          band = arith::OrIOp::create(nb, band,
                                      compare(Predicate::slt, j, prefix));
      }
      Value visible = both(band, compare(Predicate::slt, j, keyLength));
      if (op.getQuerySegments())
        visible = both(visible, compare(Predicate::eq, a[querySegment],
                                        a[keySegment]));
      if (hasMask) {
        Region &region = op.getMask();
        maskMapping.map(region.getArgument(2), safeI);
        maskMapping.map(region.getArgument(3), safeJ);
        visible = both(visible, inlineRegion(nb, maskMapping, region));
      }
      return arith::SelectOp::create(nb, visible, x, lowest);
    };
    scores = e.elementwise({M, N}, e.acc, inputs, maps, body, scores);
  }

  // What each row is shifted by: the maximum so far, but 0 while a row has seen
  // nothing, so that no exponential sees -inf minus -inf. The old maximum is
  // read for the last time before the new one takes its place.
  AffineMap row1 = e.map({0}, 1);
  Value lowest = e.constant(-std::numeric_limits<double>::infinity());
  Value zero = e.constant(0.0);
  Value oldMax = e.collapseUnitDims(op.getMaxInit(), 1);
  Value tileMax =
      linalg::FillOp::create(b, lowest, e.empty({M}, e.acc)).getResult(0);
  tileMax = e.generic(scores, tileMax, {both, row}, {par, red},
                      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                        return arith::MaximumFOp::create(nb, a[0], a[1]);
                      });
  Value shift = e.elementwise(
      {M}, e.acc, {oldMax, tileMax}, {row1, row1},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value max = arith::MaximumFOp::create(nb, a[0], a[1]);
        Value none =
            arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, max, lowest);
        return arith::SelectOp::create(nb, none, zero, max);
      });
  Value rescale = e.elementwise(
      {M}, e.acc, {oldMax, shift}, {row1, row1},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return math::Exp2Op::create(nb, arith::SubFOp::create(nb, a[0], a[1]));
      });
  Value max = e.elementwise(
      {M}, e.acc, tileMax, row1,
      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MaximumFOp::create(nb, a[1], a[0]);
      },
      oldMax);
  Value weights = e.elementwise(
      {M, N}, e.acc, shift, row,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return math::Exp2Op::create(nb, arith::SubFOp::create(nb, a[1], a[0]));
      },
      scores);
  Value sum = e.elementwise(
      {M}, e.acc, rescale, row1,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, a[0], a[1]);
      },
      e.collapseUnitDims(op.getSumInit(), 1));
  sum = e.generic(weights, sum, {both, row}, {par, red},
                  [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                    return arith::AddFOp::create(nb, a[0], a[1]);
                  });

  if (auto dropout = op.getDropout()) {
    double p = dropout->convertToDouble();
    Value kept = e.constant(1.0 / (1.0 - p));
    Type i32 = b.getI32Type();
    auto toWord = [&](ImplicitLocOpBuilder &nb, Value v) -> Value {
      return arith::IndexCastOp::create(nb, i32, v);
    };
    Value seedLow = arith::TruncIOp::create(b, i32, op.getSeed());
    Value shift32 = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
    Value seedHigh = arith::TruncIOp::create(
        b, i32, arith::ShRUIOp::create(b, op.getSeed(), shift32));
    Value batchWord = toWord(b, batch), headWord = toWord(b, head);
    auto threshold = uint32_t(
        std::min(std::floor(p * 4294967296.0), 4294967295.0));
    Value limit =
        arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(threshold)));
    weights = e.elementwise(
        {M, N}, e.acc, {}, {},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value i = arith::AddIOp::create(
              nb, firstQuery, linalg::IndexOp::create(nb, 0).getResult());
          Value j = arith::AddIOp::create(
              nb, firstKey, linalg::IndexOp::create(nb, 1).getResult());
          Value word = buildPhilox(
              nb, {toWord(nb, j), toWord(nb, i), headWord, batchWord},
              {seedLow, seedHigh});
          Value keep = arith::CmpIOp::create(nb, arith::CmpIPredicate::uge,
                                             word, limit);
          Value scaled = arith::MulFOp::create(nb, a[0], kept);
          return arith::SelectOp::create(nb, keep, scaled, zero);
        },
        weights);
  }

  Value acc = e.elementwise(
      {M, Dv}, e.acc, rescale, row,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, a[1], a[0]);
      },
      e.collapseUnitDims(op.getAccInit(), 2));
  acc = linalg::MatmulOp::create(b, acc.getType(), ValueRange{weights, value},
                                 acc)
            .getResult(0);
  return {e.addUnitDims(max, op.getMax().getType()),
          e.addUnitDims(sum, op.getSum().getType()),
          e.addUnitDims(acc, op.getAcc().getType())};
}

static SmallVector<Value> decompose(Emitter &e, SoftmaxFinishOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto outType = cast<RankedTensorType>(op.getOut().getType());
  int64_t M = outType.getDimSize(2), Dv = outType.getDimSize(3);
  AffineMap row1 = e.map({0}, 1), row = e.map({0}, 2), both = e.map({0, 1}, 2);
  Value max = e.dropUnitDims(op.getMax(), 1);
  Value sum = e.dropUnitDims(op.getSum(), 1);
  Value acc = e.dropUnitDims(op.getAcc(), 2);
  Value zero = e.constant(0.0), one = e.constant(1.0);
  Value lowest = e.constant(-std::numeric_limits<double>::infinity());

  // The factor of each row of acc; a sink is one more term of the denominator.
  Value sink;
  if (op.getSinks()) {
    Value index = arith::ConstantIndexOp::create(b, 0);
    sink = tensor::ExtractOp::create(b, op.getSinks(), ValueRange{index});
    sink = arith::MulFOp::create(b, e.extend(b, sink), e.constant(log2e));
  }
  // (max', weight of the state, sum') of one row.
  auto withSink = [&](ImplicitLocOpBuilder &nb, Value m, Value s) {
    if (!sink)
      return std::array<Value, 3>{m, one, s};
    Value top = arith::MaximumFOp::create(nb, m, sink);
    Value none =
        arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, m, lowest);
    Value w = math::Exp2Op::create(nb, arith::SubFOp::create(nb, m, top));
    w = arith::SelectOp::create(nb, none, zero, w);
    // A sink of -inf adds nothing, whatever the maximum.
    Value noSink =
        arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, sink, lowest);
    Value extra = math::Exp2Op::create(nb, arith::SubFOp::create(nb, sink, top));
    extra = arith::SelectOp::create(nb, noSink, zero, extra);
    Value total = arith::AddFOp::create(
        nb, arith::MulFOp::create(nb, w, s), extra);
    return std::array<Value, 3>{top, w, total};
  };
  Value factor = e.elementwise(
      {M}, e.acc, {max, sum}, {row1, row1},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        auto [m, w, s] = withSink(nb, a[0], a[1]);
        Value none =
            arith::CmpFOp::create(nb, arith::CmpFPredicate::OEQ, s, zero);
        return arith::SelectOp::create(nb, none, zero,
                                       arith::DivFOp::create(nb, w, s));
      });
  Value out = e.elementwise(
      {M, Dv}, outType.getElementType(), {acc, factor}, {both, row},
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return e.truncate(nb, arith::MulFOp::create(nb, a[0], a[1]),
                          outType.getElementType());
      },
      e.collapseUnitDims(op.getOutInit(), 2));
  SmallVector<Value> results = {e.addUnitDims(out, outType)};
  if (op.getLse()) {
    Value toNatural = e.constant(ln2);
    Value lse = e.elementwise(
        {M}, e.acc, {max, sum}, {row1, row1},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          auto [m, w, s] = withSink(nb, a[0], a[1]);
          Value sumLog = math::Log2Op::create(nb, s);
          return arith::MulFOp::create(nb, toNatural,
                                       arith::AddFOp::create(nb, m, sumLog));
        },
        e.collapseUnitDims(op.getLseInit(), 1));
    results.push_back(e.addUnitDims(lse, op.getLse().getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

/// ln(1 + exp(x)), and x where that is x.
static Value buildSoftplus(Emitter &e, ImplicitLocOpBuilder &b, Value x) {
  Value soft = math::Log1pOp::create(b, math::ExpOp::create(b, x));
  Value large = arith::CmpFOp::create(b, arith::CmpFPredicate::UGT, x,
                                      e.constant(b, 20.0));
  return arith::SelectOp::create(b, large, x, soft);
}

/// x / (1 + exp(-x)).
static Value buildSilu(Emitter &e, ImplicitLocOpBuilder &b, Value x) {
  Value down = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  Value denominator = arith::AddFOp::create(b, e.constant(b, 1.0), down);
  return arith::DivFOp::create(b, x, denominator);
}

static SmallVector<Value> decompose(Emitter &e, ChunkScanOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto uType = cast<RankedTensorType>(op.getU().getType());
  int64_t C = uType.getDimSize(1), T = uType.getDimSize(2);
  int64_t N = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
  AffineMap swapped = e.map({1, 0}, 2), both = e.map({0, 1}, 2);
  AffineMap first = e.map({0}, 2), second = e.map({1}, 2);

  // Everything as (time, channel) or (state, channel), so that the recurrence
  // is elementwise along channels.
  auto transposed = [&](Value v, int64_t rows, int64_t cols, double factor) {
    Value f = factor == 1.0 ? Value() : e.constant(factor);
    return e.elementwise({rows, cols}, e.acc, v, swapped,
                         [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                           Value x = e.extend(nb, a[0]);
                           return f ? arith::MulFOp::create(nb, x, f) : x;
                         });
  };
  Value delta = transposed(e.dropUnitDims(op.getDelta(), 2), T, C, 1.0);
  if (op.getDeltaBias() || op.getDeltaSoftplus()) {
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    if (op.getDeltaBias()) {
      inputs.push_back(op.getDeltaBias());
      maps.push_back(second);
    }
    delta = e.elementwise(
        {T, C}, e.acc, inputs, maps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value x = a.back();
          if (op.getDeltaBias())
            x = arith::AddFOp::create(nb, x, e.extend(nb, a[0]));
          return op.getDeltaSoftplus() ? buildSoftplus(e, nb, x) : x;
        },
        delta);
  }
  Value u = transposed(e.dropUnitDims(op.getU(), 2), T, C, 1.0);
  Value deltaU = e.elementwise(
      {T, C}, e.acc, {delta, u}, {both, both},
      [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        return arith::MulFOp::create(nb, a[0], a[1]);
      });
  Value A = transposed(op.getA(), N, C, log2e);
  Value state = transposed(e.dropUnitDims(op.getStateInit(), 2), N, C, 1.0);
  // B and C vary with time, as (time, state), or with the channel.
  auto parameter = [&](Value v) -> std::pair<Value, bool> {
    bool varies = cast<RankedTensorType>(v.getType()).getRank() > 2;
    return {transposed(e.dropUnitDims(v, 2), varies ? T : N, varies ? N : C,
                       1.0),
            varies};
  };
  auto [B, variableB] = parameter(op.getB());
  Value Cm;
  bool variableC = false;
  bool hasOut = bool(op.getOutInit());
  if (hasOut)
    std::tie(Cm, variableC) = parameter(op.getC());

  Value zeroIndex = arith::ConstantIndexOp::create(b, 0);
  Value oneIndex = arith::ConstantIndexOp::create(b, 1);
  Value steps = op.getSteps();
  if (!steps)
    steps = arith::ConstantIndexOp::create(b, T);
  SmallVector<Value> carried = {state};
  if (hasOut)
    carried.push_back(e.empty({T, C}, e.acc));
  auto loop = scf::ForOp::create(b, zeroIndex, steps, oneIndex, carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value t = loop.getInductionVar();
    auto rowAt = [&](Value v) -> Value {
      auto type = cast<RankedTensorType>(v.getType());
      int64_t width = type.getDimSize(1);
      SmallVector<OpFoldResult> offsets = {t, b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1),
                                         b.getIndexAttr(width)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      return tensor::ExtractSliceOp::create(
          b, RankedTensorType::get({width}, type.getElementType()), v, offsets,
          sizes, ones);
    };
    // One operator updates the state and reduces it to this step's output.
    Value h = loop.getRegionIterArg(0);
    SmallVector<Value> inputs = {rowAt(delta), A, rowAt(deltaU),
                                 variableB ? rowAt(B) : B};
    SmallVector<AffineMap> maps = {second, both, second,
                                   variableB ? first : both};
    SmallVector<Value> inits = {h};
    if (hasOut) {
      inputs.push_back(variableC ? rowAt(Cm) : Cm);
      maps.push_back(variableC ? first : both);
      inits.push_back(linalg::FillOp::create(b, e.constant(0.0),
                                             rowAt(loop.getRegionIterArg(1)))
                          .getResult(0));
    }
    maps.push_back(both);
    if (hasOut)
      maps.push_back(second);
    SmallVector<utils::IteratorType> iterators = {hasOut ? red : par, par};
    auto step = linalg::GenericOp::create(
        b, TypeRange(ValueRange(inits).getTypes()), inputs, inits, maps,
        iterators, [&](OpBuilder &nested, Location loc, ValueRange a) {
          ImplicitLocOpBuilder nb(loc, nested);
          unsigned state = inputs.size();
          Value decay =
              math::Exp2Op::create(nb, arith::MulFOp::create(nb, a[0], a[1]));
          Value input = arith::MulFOp::create(nb, a[2], a[3]);
          Value next = math::FmaOp::create(nb, decay, a[state], input);
          SmallVector<Value> yielded = {next};
          if (hasOut) {
            Value x = arith::MulFOp::create(nb, next, a[4]);
            yielded.push_back(arith::AddFOp::create(nb, a[state + 1], x));
          }
          linalg::YieldOp::create(nb, yielded);
        });
    SmallVector<Value> yielded = {step.getResult(0)};
    if (hasOut) {
      SmallVector<OpFoldResult> offsets = {t, b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), b.getIndexAttr(C)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      yielded.push_back(tensor::InsertSliceOp::create(
          b, step.getResult(1), loop.getRegionIterArg(1), offsets, sizes,
          ones));
    }
    scf::YieldOp::create(b, yielded);
  }

  SmallVector<Value> results;
  if (hasOut) {
    SmallVector<Value> operands = {transposed(loop.getResult(1), C, T, 1.0)};
    SmallVector<AffineMap> outMaps = {both};
    unsigned indexU = 0, indexZ = 0;
    if (op.getD()) {
      operands.push_back(e.dropUnitDims(op.getU(), 2));
      outMaps.push_back(both);
      indexU = operands.size() - 1;
      operands.push_back(op.getD());
      outMaps.push_back(first);
    }
    if (op.getZ()) {
      operands.push_back(e.dropUnitDims(op.getZ(), 2));
      outMaps.push_back(both);
      indexZ = operands.size() - 1;
    }
    Type element = uType.getElementType();
    Value out = e.elementwise(
        {C, T}, element, operands, outMaps,
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value y = a[0];
          if (op.getD()) {
            Value skip = arith::MulFOp::create(nb, e.extend(nb, a[indexU]),
                                               e.extend(nb, a[indexU + 1]));
            y = arith::AddFOp::create(nb, y, skip);
          }
          if (op.getZ())
            y = arith::MulFOp::create(
                nb, y, buildSilu(e, nb, e.extend(nb, a[indexZ])));
          return e.truncate(nb, y, element);
        },
        e.collapseUnitDims(op.getOutInit(), 2));
    results.push_back(e.addUnitDims(out, op.getOut().getType()));
  }
  auto back = [&](Value v, Value init) {
    return e.elementwise(
        {C, N}, e.acc, v, swapped,
        [](ImplicitLocOpBuilder &nb, ValueRange a) { return a[0]; }, init);
  };
  // The state goes back to where it came from.
  results.push_back(e.addUnitDims(
      back(loop.getResult(0), e.collapseUnitDims(op.getStateInit(), 2)),
      op.getState().getType()));
  if (op.getDecayInit()) {
    // The product of the decays is one exponential of the sum of deltas.
    Value total = e.zeros({C});
    auto sumLoop = scf::ForOp::create(b, zeroIndex, steps, oneIndex, total);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(sumLoop.getBody());
      SmallVector<OpFoldResult> offsets = {sumLoop.getInductionVar(),
                                           b.getIndexAttr(0)};
      SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), b.getIndexAttr(C)};
      SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
      Value now = tensor::ExtractSliceOp::create(
          b, RankedTensorType::get({C}, e.acc), delta, offsets, sizes, ones);
      Value next = e.elementwise(
          {C}, e.acc, now, e.map({0}, 1),
          [](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
            return arith::AddFOp::create(nb, a[0], a[1]);
          },
          sumLoop.getRegionIterArg(0));
      scf::YieldOp::create(b, next);
    }
    Value toBase2 = e.constant(log2e);
    Value decay = e.elementwise(
        {C, N}, e.acc, {op.getA(), sumLoop.getResult(0)}, {both, first},
        [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
          Value rate =
              arith::MulFOp::create(nb, e.extend(nb, a[0]), toBase2);
          Value p = math::Exp2Op::create(
              nb, arith::MulFOp::create(nb, rate, a[1]));
          return arith::MulFOp::create(nb, p, a[2]);
        },
        e.collapseUnitDims(op.getDecayInit(), 2));
    results.push_back(e.addUnitDims(decay, op.getDecay().getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

static SmallVector<Value> decompose(Emitter &e, CausalConv1dOp op) {
  ImplicitLocOpBuilder &b = e.b;
  auto type = cast<RankedTensorType>(op.getX().getType());
  Type element = type.getElementType();
  int64_t C = type.getDimSize(1), T = type.getDimSize(2);
  int64_t W = cast<RankedTensorType>(op.getWeight().getType()).getDimSize(1);
  AffineMap both = e.map({0, 1}, 2), first = e.map({0}, 2);
  SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
  auto at = [&](int64_t column) {
    return SmallVector<OpFoldResult>{b.getIndexAttr(0),
                                     b.getIndexAttr(column)};
  };
  auto extent = [&](int64_t width) {
    return SmallVector<OpFoldResult>{b.getIndexAttr(C), b.getIndexAttr(width)};
  };

  // The chunk behind its history.
  Value padded = e.dropUnitDims(op.getX(), 2);
  if (W > 1) {
    Value buffer = tensor::InsertSliceOp::create(
        b, e.dropUnitDims(op.getInitialState(), 2),
        e.empty({C, T + W - 1}, element), at(0), extent(W - 1), ones);
    padded = tensor::InsertSliceOp::create(b, padded, buffer, at(W - 1),
                                           extent(T), ones);
  }

  // One input per tap.
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (int64_t w = 0; w < W; ++w) {
    inputs.push_back(tensor::ExtractSliceOp::create(b, padded, at(w),
                                                    extent(T), ones));
    maps.push_back(both);
  }
  for (int64_t w = 0; w < W; ++w) {
    auto column = RankedTensorType::get(
        {C}, getElementTypeOrSelf(op.getWeight().getType()));
    inputs.push_back(tensor::ExtractSliceOp::create(
        b, column, op.getWeight(), at(w), extent(1), ones));
    maps.push_back(first);
  }
  if (op.getBias()) {
    inputs.push_back(op.getBias());
    maps.push_back(first);
  }
  Value out = e.elementwise(
      {C, T}, element, inputs, maps,
      [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
        Value sum;
        if (op.getBias())
          sum = e.extend(nb, a[2 * W]);
        for (int64_t w = 0; w < W; ++w) {
          Value x = arith::MulFOp::create(nb, e.extend(nb, a[w]),
                                          e.extend(nb, a[W + w]));
          sum = sum ? arith::AddFOp::create(nb, sum, x).getResult() : x;
        }
        if (op.getActivation() == Activation::Silu)
          sum = buildSilu(e, nb, sum);
        return e.truncate(nb, sum, element);
      });
  SmallVector<Value> results = {e.addUnitDims(out, op.getOut().getType())};
  if (op.getFinalState()) {
    Value state = tensor::ExtractSliceOp::create(b, padded, at(T),
                                                 extent(W - 1), ones);
    // The state goes back to where it came from.
    Value home = e.collapseUnitDims(op.getInitialState(), 2);
    state = bufferization::MaterializeInDestinationOp::create(
                b, home.getType(), state, home)
                .getResult();
    results.push_back(e.addUnitDims(state, op.getFinalState().getType()));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct DecomposePass : public seqc::impl::SeqcDecomposeBase<DecomposePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<OnlineAttentionOp, SoftmaxFinishOp, ChunkScanOp, CausalConv1dOp>(
              op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      for (Type type : op->getResultTypes())
        if (!cast<RankedTensorType>(type).hasStaticShape()) {
          op->emitOpError("can only be decomposed as a tile of static shape, "
                          "but has a result of ")
              << type << "; run seqc-tile first";
          return signalPassFailure();
        }
      rewriter.setInsertionPoint(op);
      Type element = getElementTypeOrSelf(op->getOperand(0).getType());
      if (auto finish = dyn_cast<SoftmaxFinishOp>(op))
        element = getElementTypeOrSelf(finish.getAcc().getType());
      Emitter emitter(rewriter, op->getLoc(), getAccumulatorType(element));
      SmallVector<Value> results =
          TypeSwitch<Operation *, SmallVector<Value>>(op)
              .Case<OnlineAttentionOp, SoftmaxFinishOp, ChunkScanOp,
                    CausalConv1dOp>([&](auto tile) {
                emitter.b.setInsertionPoint(op);
                return decompose(emitter, tile);
              });
      rewriter.replaceOp(op, results);
      ++numDecomposed;
    }
  }
};
} // namespace
