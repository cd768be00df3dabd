//===- DecomposeAttention.cpp - Tiles of attention -> linalg --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/IR/IRMapping.h"

#include <array>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::decomposition;

/// Philox4x32-10 (Salmon et al. 2011): the first word of the block that
/// `counter` and `key` name. All values are i32.
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

/// Clones `region` with `args` for its arguments; returns what it yields. What
/// does not depend on an argument that varies in the tile is cloned before the
/// tile.
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
    bool invariant =
        op.getNumRegions() == 0 && llvm::all_of(op.getOperands(), [&](Value v) {
          return mapping.contains(v) || !region.isAncestor(v.getParentRegion());
        });
    if (invariant)
      b.clone(op, mapping);
  }
}

SmallVector<Value> decomposition::decompose(Emitter &e, OnlineAttentionOp op) {
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
  Value keyT =
      e.elementwise({D, N}, e.acc, e.dropUnitDims(op.getKey(), 2), swapped,
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
      biasIndex = addInput(
          tensor::createCanonicalRankReducingExtractSliceOp(b, b.getLoc(),
                                                            op.getBias(), type),
          AffineMap::get(2, 0, e.map(dims, 2).getResults(), b.getContext()));
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
        safeJ =
            partial ? arith::MinSIOp::create(nb, j, lastKey).getResult() : j;
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
          band =
              both(band, compare(Predicate::sge, j, shifted(-int64_t(*left))));
        if (auto right = op.getWindowRight())
          band = both(band, compare(Predicate::sle, j, shifted(*right)));
        if (prefix)
          band = arith::OrIOp::create(nb, band,
                                      compare(Predicate::slt, j, prefix));
      }
      Value visible = both(band, compare(Predicate::slt, j, keyLength));
      if (op.getQuerySegments())
        visible = both(visible,
                       compare(Predicate::eq, a[querySegment], a[keySegment]));
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
  Value shift =
      e.elementwise({M}, e.acc, {oldMax, tileMax}, {row1, row1},
                    [&](ImplicitLocOpBuilder &nb, ValueRange a) -> Value {
                      Value max = arith::MaximumFOp::create(nb, a[0], a[1]);
                      Value none = arith::CmpFOp::create(
                          nb, arith::CmpFPredicate::OEQ, max, lowest);
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
    auto threshold =
        uint32_t(std::min(std::floor(p * 4294967296.0), 4294967295.0));
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
          Value keep =
              arith::CmpIOp::create(nb, arith::CmpIPredicate::uge, word, limit);
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

SmallVector<Value> decomposition::decompose(Emitter &e, SoftmaxFinishOp op) {
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
    Value extra =
        math::Exp2Op::create(nb, arith::SubFOp::create(nb, sink, top));
    extra = arith::SelectOp::create(nb, noSink, zero, extra);
    Value total =
        arith::AddFOp::create(nb, arith::MulFOp::create(nb, w, s), extra);
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
