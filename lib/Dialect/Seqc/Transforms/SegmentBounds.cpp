//===- SegmentBounds.cpp - Which keys the segments of queries reach -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Packed documents are most often short against the whole sequence, so that
// most tiles of scores are hidden, and most others are not masked at all. Which
// ones is known from the ids alone, before anything is multiplied:
//
//   extents   for each tile of queries, and of keys, its smallest and its
//             largest id
//   bounds    for each tile of queries, over all tiles of keys: a tile may be
//             visible if the two ranges of ids meet, and is full if all four
//             ends are one id
//
// The first and the last tile that may be visible bound the loop over keys; the
// first and the last full one bound what needs no mask, if every tile between
// them is full, which a count tells. Ids in any order are right; where equal
// ids stand together, as packed documents do, nothing hidden is visited.
//
// This costs (queries + keys) reads and (queries / tileM) (keys / tileN) steps
// for a batch entry, once for all heads. They are reductions of upstream's
// linalg, which every target computes. A reduction to a smallest value is one
// to a largest complement, since kernels have the latter: ~x = -1 - x.
//
//===----------------------------------------------------------------------===//

#include "SegmentBounds.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <limits>

using namespace mlir;
using namespace seqc;

static constexpr int64_t lowest = std::numeric_limits<int32_t>::min();

static Value constantI32(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(
      b, b.getI32IntegerAttr(static_cast<int32_t>(value)));
}

static Value complement(ImplicitLocOpBuilder &b, Value v) {
  return arith::XOrIOp::create(b, v, constantI32(b, -1));
}

/// A tensor of `shape` filled with `value`: where a reduction starts.
static Value filled(ImplicitLocOpBuilder &b, ArrayRef<OpFoldResult> shape,
                    int64_t value) {
  Value empty = tensor::EmptyOp::create(b, shape, b.getI32Type());
  return linalg::FillOp::create(b, constantI32(b, value), empty).getResult(0);
}

/// The largest id of each `tile` ids, and the largest complement of one. `ids`
/// is of shape (batch, size).
static std::pair<Value, Value> buildExtents(ImplicitLocOpBuilder &b, Value ids,
                                            int64_t tile) {
  Location loc = b.getLoc();
  OpFoldResult batch = tensor::getMixedSize(b, loc, ids, 0),
               size = tensor::getMixedSize(b, loc, ids, 1);
  AffineExpr d0, d1, d2;
  bindDims(b.getContext(), d0, d1, d2);
  OpFoldResult tiles =
      affine::makeComposedFoldedAffineApply(b, loc, d0.ceilDiv(tile), {size});
  Value count = getValueOrCreateConstantIndexOp(b, loc, size);
  Value init = filled(b, {batch, tiles}, lowest);
  // Linalg takes the extent of its last loop from an operand.
  Value extent =
      tensor::EmptyOp::create(b, ArrayRef<int64_t>{tile}, b.getI32Type());
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(3, 0, results, b.getContext());
  };
  AffineMap out = map({d0, d1});
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange{init.getType(), init.getType()}, extent,
      ValueRange{init, init}, ArrayRef<AffineMap>{map({d2}), out, out},
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel,
                                    utils::IteratorType::parallel,
                                    utils::IteratorType::reduction},
      [&](OpBuilder &builder, Location loc, ValueRange args) {
        ImplicitLocOpBuilder b(loc, builder);
        auto index = [&](int64_t value) -> Value {
          return arith::ConstantIndexOp::create(b, value);
        };
        Value first = arith::MulIOp::create(b, linalg::IndexOp::create(b, 1),
                                            index(tile));
        Value position =
            arith::AddIOp::create(b, first, linalg::IndexOp::create(b, 2));
        Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                             position, count);
        Value last = arith::SubIOp::create(b, count, index(1));
        Value id = tensor::ExtractOp::create(
            b, ids,
            ValueRange{linalg::IndexOp::create(b, 0),
                       arith::MinSIOp::create(b, position, last)});
        SmallVector<Value> results;
        for (auto [value, known] :
             {std::pair(id, args[1]), std::pair(complement(b, id), args[2])})
          results.push_back(arith::MaxSIOp::create(
              b, known,
              arith::SelectOp::create(b, exists, value,
                                      constantI32(b, lowest))));
        linalg::YieldOp::create(b, results);
      });
  return {generic.getResult(0), generic.getResult(1)};
}

SegmentBounds::SegmentBounds(OpBuilder &builder, Location loc,
                             Value querySegments, Value keySegments,
                             int64_t tileM, int64_t tileN)
    : tileM(tileM), tileN(tileN) {
  ImplicitLocOpBuilder b(loc, builder);
  auto [queryMax, queryLow] = buildExtents(b, querySegments, tileM);
  auto [keyMax, keyLow] = buildExtents(b, keySegments, tileN);
  keyTiles = getValueOrCreateConstantIndexOp(
      b, loc, tensor::getMixedSize(b, loc, keyMax, 1));

  Value init = filled(b, tensor::getMixedSizes(b, loc, queryMax), /*value=*/0);
  AffineExpr d0, d1, d2;
  bindDims(b.getContext(), d0, d1, d2);
  AffineMap row = AffineMap::get(3, 0, {d0, d1}, b.getContext());
  AffineMap column = AffineMap::get(3, 0, {d0, d2}, b.getContext());
  SmallVector<AffineMap> maps = {row, row, column, column};
  maps.append(5, row);
  SmallVector<Value> inits(5, init);
  auto generic = linalg::GenericOp::create(
      b, TypeRange(ValueRange(inits)),
      ValueRange{queryMax, queryLow, keyMax, keyLow}, inits, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel,
                                    utils::IteratorType::parallel,
                                    utils::IteratorType::reduction},
      [&](OpBuilder &builder, Location loc, ValueRange args) {
        ImplicitLocOpBuilder b(loc, builder);
        using Predicate = arith::CmpIPredicate;
        Value qMax = args[0], qLow = args[1], kMax = args[2], kLow = args[3];
        auto compare = [&](Predicate predicate, Value x, Value y) -> Value {
          return arith::CmpIOp::create(b, predicate, x, y);
        };
        auto both = [&](Value x, Value y) -> Value {
          return arith::AndIOp::create(b, x, y);
        };
        // The smallest id is the complement of the low one.
        Value visible =
            both(compare(Predicate::sge, kMax, complement(b, qLow)),
                 compare(Predicate::sge, qMax, complement(b, kLow)));
        Value full = both(compare(Predicate::eq, qMax, complement(b, qLow)),
                          both(compare(Predicate::eq, kMax, qMax),
                               compare(Predicate::eq, kLow, qLow)));
        Value tile = linalg::IndexOp::create(b, 2);
        Value one = arith::ConstantIndexOp::create(b, 1);
        auto toI32 = [&](Value v) -> Value {
          return arith::IndexCastOp::create(b, b.getI32Type(), v);
        };
        Value fromEnd = toI32(arith::SubIOp::create(b, keyTiles, tile));
        Value next = toI32(arith::AddIOp::create(b, tile, one));
        Value zero = constantI32(b, 0);
        auto largest = [&](Value condition, Value v, Value known) -> Value {
          return arith::MaxSIOp::create(
              b, known, arith::SelectOp::create(b, condition, v, zero));
        };
        Value count = arith::AddIOp::create(
            b, args[8],
            arith::SelectOp::create(b, full, constantI32(b, 1), zero));
        linalg::YieldOp::create(
            b, ValueRange{largest(visible, fromEnd, args[4]),
                          largest(visible, next, args[5]),
                          largest(full, fromEnd, args[6]),
                          largest(full, next, args[7]), count});
      });
  fromEnd = generic.getResult(0);
  end = generic.getResult(1);
  fullFromEnd = generic.getResult(2);
  fullEnd = generic.getResult(3);
  fullCount = generic.getResult(4);
}

SegmentInterval<Value> SegmentBounds::read(OpBuilder &builder, Location loc,
                                           Value batch, Value firstQuery,
                                           Value keyBase) const {
  ImplicitLocOpBuilder b(loc, builder);
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
  Value tile = getValueOrCreateConstantIndexOp(
      b, loc,
      affine::makeComposedFoldedAffineApply(b, loc, d0.floorDiv(tileM),
                                            {getAsOpFoldResult(firstQuery)}));
  auto load = [&](Value tensor) -> Value {
    return arith::IndexCastOp::create(
        b, b.getIndexType(),
        tensor::ExtractOp::create(b, tensor, ValueRange{batch, tile}));
  };
  auto subtract = [&](Value x, Value y) -> Value {
    return arith::SubIOp::create(b, x, y);
  };
  // In tiles. Without one that may be visible, begin is the number of tiles.
  Value begin = subtract(keyTiles, load(fromEnd));
  Value last = arith::MaxSIOp::create(b, begin, load(end));
  // Without a full one, the count is 0 and the difference is not.
  Value fullBegin = subtract(keyTiles, load(fullFromEnd));
  Value fullLast = load(fullEnd);
  Value isRun =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                            subtract(fullLast, fullBegin), load(fullCount));
  fullBegin = arith::SelectOp::create(b, isRun, fullBegin, begin);
  fullLast = arith::SelectOp::create(b, isRun, fullLast, begin);
  auto position = [&](Value tiles) {
    return getValueOrCreateConstantIndexOp(
        b, loc,
        affine::makeComposedFoldedAffineApply(
            b, loc, d0 * tileN + d1, {tiles, getAsOpFoldResult(keyBase)}));
  };
  return {position(begin), position(last), position(fullBegin),
          position(fullLast)};
}
