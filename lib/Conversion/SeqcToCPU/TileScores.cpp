//===- TileScores.cpp - Scores of one tile of attention -------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileScores.h"

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

/// Clones `region`, whose arguments `mapping` knows; returns what it yields.
static SmallVector<Value> inlineRegion(ImplicitLocOpBuilder &b,
                                       IRMapping &mapping, Region &region) {
  for (Operation &op : region.front().without_terminator())
    if (op.getNumResults() == 0 || !mapping.contains(op.getResult(0)))
      b.clone(op, mapping);
  SmallVector<Value> results;
  for (Value v : region.front().getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(v));
  return results;
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

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

template <typename OpT>
TileScores<OpT>::TileScores(Emitter &e, OpT op, bool hideRows)
    : e(e), op(op), natural(isNatural(op)),
      masked(op.getTileClass() == TileClass::Partial), hideRows(hideRows) {
  if (isIdentity())
    return;
  ImplicitLocOpBuilder &b = e.b;
  AffineMap row = e.map({0}, 2), col = e.map({1}, 2);
  auto addInput = [&](Value v, AffineMap map) {
    inputs.push_back(v);
    maps.push_back(map);
    return inputs.size() - 1;
  };
  Value one = arith::ConstantIndexOp::create(b, 1);
  if (op.getBias()) {
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
  if (op.getPrefix() && masked) {
    Value zero = arith::ConstantIndexOp::create(b, 0);
    prefix = arith::IndexCastOp::create(
        b, b.getIndexType(),
        tensor::ExtractOp::create(b, op.getPrefix(), ValueRange{zero}));
  }
  // The diagonal: key position of query 0.
  Value queryLength = op.getLengths()[0], keyLength = op.getLengths()[1];
  if (op.getAlignment() == Alignment::BottomRight)
    diagonal = arith::SubIOp::create(b, keyLength, queryLength);
  else
    diagonal = arith::ConstantIndexOp::create(b, 0);
  lastQuery = arith::SubIOp::create(b, queryLength, one);
  lastKey = arith::SubIOp::create(b, keyLength, one);

  if (!op.getScore().empty()) {
    Region &region = op.getScore();
    scoreMapping.map(region.getArgument(1), Value(op.getOffsets()[0]));
    scoreMapping.map(region.getArgument(2), Value(op.getOffsets()[1]));
    cloneInvariants(b, scoreMapping, region);
  }
  if (masked && !op.getMask().empty()) {
    Region &region = op.getMask();
    maskMapping.map(region.getArgument(0), Value(op.getOffsets()[0]));
    maskMapping.map(region.getArgument(1), Value(op.getOffsets()[1]));
    cloneInvariants(b, maskMapping, region);
  }
  lowest = e.constant(-std::numeric_limits<double>::infinity());
  toBase2 = e.constant(log2e);
}

template <typename OpT>
Score TileScores<OpT>::build(ImplicitLocOpBuilder &nb, ValueRange a,
                             Value product) {
  Score score = {product, Value()};
  if (isIdentity())
    return score;
  Value i = arith::AddIOp::create(nb, op.getOffsets()[2],
                                  linalg::IndexOp::create(nb, 0).getResult());
  Value j = arith::AddIOp::create(nb, op.getOffsets()[3],
                                  linalg::IndexOp::create(nb, 1).getResult());
  // Regions never see a position that does not exist.
  bool hasScore = !op.getScore().empty();
  Value safeI, safeJ;
  if (hasScore || (masked && !op.getMask().empty())) {
    safeI = arith::MinSIOp::create(nb, i, lastQuery);
    safeJ = masked ? arith::MinSIOp::create(nb, j, lastKey).getResult() : j;
  }
  Value &x = score.value;
  if (hasScore) {
    Region &region = op.getScore();
    scoreMapping.map(region.getArgument(0), x);
    scoreMapping.map(region.getArgument(3), safeI);
    scoreMapping.map(region.getArgument(4), safeJ);
    SmallVector<Value> yielded = inlineRegion(nb, scoreMapping, region);
    x = yielded[0];
    if (yielded.size() > 1)
      score.derivative = yielded[1];
    if (yielded.size() > 2)
      score.captured = yielded[2];
  }
  if (op.getBias())
    x = arith::AddFOp::create(nb, x, e.extend(nb, a[biasIndex]));
  if (natural)
    x = arith::MulFOp::create(nb, x, toBase2);
  if (masked) {
    Value visible = buildVisible(nb, a, i, j, safeI, safeJ);
    x = arith::SelectOp::create(nb, visible, x, lowest);
  }
  return score;
}

template <typename OpT>
Value TileScores<OpT>::buildVisible(ImplicitLocOpBuilder &nb, ValueRange a,
                                    Value i, Value j, Value safeI,
                                    Value safeJ) {
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
      band = arith::OrIOp::create(nb, band, compare(Predicate::slt, j, prefix));
  }
  Value visible = both(band, compare(Predicate::slt, j, op.getLengths()[1]));
  if (hideRows)
    visible = both(visible, compare(Predicate::slt, i, op.getLengths()[0]));
  if (op.getQuerySegments())
    visible =
        both(visible, compare(Predicate::eq, a[querySegment], a[keySegment]));
  if (!op.getMask().empty()) {
    Region &region = op.getMask();
    maskMapping.map(region.getArgument(2), safeI);
    maskMapping.map(region.getArgument(3), safeJ);
    visible = both(visible, inlineRegion(nb, maskMapping, region).front());
  }
  return visible;
}

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

template <typename OpT>
TileDropout<OpT>::TileDropout(Emitter &e, OpT op) : op(op) {
  ImplicitLocOpBuilder &b = e.b;
  double p = op.getDropout()->convertToDouble();
  kept = e.constant(1.0 / (1.0 - p));
  zero = e.constant(0.0);
  Type i32 = b.getI32Type();
  seedLow = arith::TruncIOp::create(b, i32, op.getSeed());
  Value shift32 = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
  seedHigh = arith::TruncIOp::create(
      b, i32, arith::ShRUIOp::create(b, op.getSeed(), shift32));
  batchWord = arith::IndexCastOp::create(b, i32, op.getOffsets()[0]);
  headWord = arith::IndexCastOp::create(b, i32, op.getOffsets()[1]);
  auto threshold =
      uint32_t(std::min(std::floor(p * 4294967296.0), 4294967295.0));
  limit = arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(threshold)));
}

template <typename OpT>
Value TileDropout<OpT>::build(ImplicitLocOpBuilder &nb, Value weight) {
  Type i32 = nb.getI32Type();
  auto toWord = [&](Value v) -> Value {
    return arith::IndexCastOp::create(nb, i32, v);
  };
  Value i = arith::AddIOp::create(nb, op.getOffsets()[2],
                                  linalg::IndexOp::create(nb, 0).getResult());
  Value j = arith::AddIOp::create(nb, op.getOffsets()[3],
                                  linalg::IndexOp::create(nb, 1).getResult());
  Value word = buildPhilox(nb, {toWord(j), toWord(i), headWord, batchWord},
                           {seedLow, seedHigh});
  Value keep =
      arith::CmpIOp::create(nb, arith::CmpIPredicate::uge, word, limit);
  Value scaled = arith::MulFOp::create(nb, weight, kept);
  return arith::SelectOp::create(nb, keep, scaled, zero);
}

namespace seqc::decomposition {
template class TileScores<OnlineAttentionOp>;
template class TileScores<BlockAttentionBackwardOp>;
template class TileDropout<OnlineAttentionOp>;
template class TileDropout<BlockAttentionBackwardOp>;
} // namespace seqc::decomposition
