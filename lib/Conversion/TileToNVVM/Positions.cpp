//===- Positions.cpp - Masks of positions as words of bits ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask compares the position of a column with a bound that each row has:
//
//   select (j <= last[i]) and (j >= first[i]), score, -inf
//
// One comparison is one with a bound of the thread's own: a register has the
// column c + (the thread's column 0), c a constant, so
//
//   c <= L[i],   L = last - (the position of the thread's column 0)
//
// and no position is computed. Of several only the result is: the columns that
// a thread holds in a row are a few even progressions, 8 k + e, so what one
// comparison hides of each is a word whose ones begin where its bound is (or
// end there),
//
//   hidden = -1 << clamp((L - e) >> 3 + 1, 0, 31)
//
// and `and` and `or` of comparisons are `or` and `and` of words. A score costs
// the test of a bit and a choice, however many sides a mask has.
//
// This is for sm_90a. On sm_80, where two blocks share an SM and a thread has
// no register left, bounds of its own cost more than the additions.
//
// Positions are below 2^30. Bounds may be any number: one that is farther away
// is as good as 2^30.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace seqc::tile;

/// No position is that far from another.
static constexpr int64_t kFar = int64_t(1) << 30;
/// The difference of two columns of a progression, and how many one may have.
static constexpr int64_t kStride = 8, kMaxBits = 31;

namespace {

/// What a tile of columns adds to the number of the column: null for nothing.
struct Columns {
  Value first;
};

/// A comparison: c <= bounds[row of the thread], or not that, where c is the
/// constant part of a register's column. One bound may be for all rows.
struct Comparison {
  SmallVector<Value> bounds;
  bool isInverse = false;

  Value getBound(int64_t row) const {
    return bounds.size() == 1 ? bounds.front() : bounds[row];
  }
};

/// The elements of one thread.
class Mask {
public:
  Mask(ImplicitLocOpBuilder &b, const ThreadTile &tile,
       ConversionPatternRewriter &rewriter, bool readsRows);

  /// Whether each element passes `condition`, or nothing if that is not made of
  /// comparisons of positions.
  std::optional<SmallVector<Value>> build(Value condition);

private:
  /// The columns start + kStride k of a row, a word.
  struct Progression {
    int64_t row, start;
  };
  /// An element: its progression, and which of it.
  struct Place {
    int64_t progression, number, column;
  };

  std::optional<Comparison> getComparison(arith::CmpIOp op);
  std::optional<SmallVector<Value>> getHidden(Value condition);

  ImplicitLocOpBuilder &b;
  ConversionPatternRewriter &rewriter;
  Value base;
  /// Comparisons of one row of columns with one number, too, get a bound of the
  /// thread's own, which is a register that the number alone is not.
  bool readsRows;
  SmallVector<Progression> progressions;
  SmallVector<Place> places;
};

} // namespace

Mask::Mask(ImplicitLocOpBuilder &b, const ThreadTile &tile,
           ConversionPatternRewriter &rewriter, bool readsRows)
    : b(b), rewriter(rewriter), base(tile.base[1]), readsRows(readsRows) {
  DenseMap<std::pair<int64_t, int64_t>, int64_t> numbers;
  for (auto [row, offset] : llvm::zip_equal(getSliceRegisters(tile.layout, 1),
                                            tile.layout.offsets)) {
    int64_t start = offset[1] % kStride;
    auto [it, isNew] =
        numbers.insert({{row, start}, int64_t(progressions.size())});
    if (isNew)
      progressions.push_back({row, start});
    places.push_back({it->second, offset[1] / kStride, offset[1]});
  }
}

/// The comparison that `condition` is: of a tile, or of one row of it, which is
/// the same for all rows.
static arith::CmpIOp getCompared(Value condition, bool readsRows) {
  if (auto broadcast = condition.getDefiningOp<BroadcastOp>();
      readsRows && broadcast && broadcast.getDim() == 0)
    condition = broadcast.getSource();
  return condition.getDefiningOp<arith::CmpIOp>();
}

/// Whether `v` is a tile, or a row, of the positions of its columns.
static std::optional<Columns> getColumns(Value v) {
  Value source = v;
  if (cast<RankedTensorType>(v.getType()).getRank() != 1) {
    auto broadcast = v.getDefiningOp<BroadcastOp>();
    if (!broadcast || broadcast.getDim() != 0)
      return std::nullopt;
    source = broadcast.getSource();
  }
  if (source.getDefiningOp<IotaOp>())
    return Columns{Value()};
  auto sum = source.getDefiningOp<arith::AddIOp>();
  if (!sum)
    return std::nullopt;
  Value iota = sum.getLhs(), other = sum.getRhs();
  if (!iota.getDefiningOp<IotaOp>())
    std::swap(iota, other);
  auto splat = other.getDefiningOp<tensor::SplatOp>();
  // Only what was an index is known to be a position.
  if (!iota.getDefiningOp<IotaOp>() || !splat ||
      !splat.getInput().getDefiningOp<arith::IndexCastOp>())
    return std::nullopt;
  return Columns{splat.getInput()};
}

/// Whether `v` is the same for all columns: its elements for the rows of a
/// thread, or one.
static std::optional<SmallVector<Value>>
getRows(ImplicitLocOpBuilder &b, Value v, ConversionPatternRewriter &rewriter) {
  if (auto broadcast = v.getDefiningOp<BroadcastOp>();
      broadcast && broadcast.getDim() == 1)
    return unpack(b, rewriter.getRemappedValue(broadcast.getSource()));
  if (auto splat = v.getDefiningOp<tensor::SplatOp>())
    return SmallVector<Value>{rewriter.getRemappedValue(splat.getInput())};
  DenseElementsAttr elements;
  if (matchPattern(v, m_Constant(&elements)) && elements.isSplat())
    return SmallVector<Value>{
        constantI32(b, elements.getSplatValue<APInt>().getSExtValue())};
  return std::nullopt;
}

std::optional<Comparison> Mask::getComparison(arith::CmpIOp op) {
  using P = arith::CmpIPredicate;
  if (!getElementTypeOrSelf(op.getLhs()).isInteger(32))
    return std::nullopt;
  P predicate = op.getPredicate();
  Value left = op.getLhs(), right = op.getRhs();
  std::optional<Columns> columns = getColumns(left);
  if (!columns) {
    std::swap(left, right);
    columns = getColumns(left);
    predicate = predicate == P::sle   ? P::sge
                : predicate == P::slt ? P::sgt
                : predicate == P::sge ? P::sle
                : predicate == P::sgt ? P::slt
                                      : predicate;
  }
  if (!columns ||
      !llvm::is_contained({P::sle, P::slt, P::sge, P::sgt}, predicate))
    return std::nullopt;
  std::optional<SmallVector<Value>> rows = getRows(b, right, rewriter);
  if (!rows)
    return std::nullopt;
  I32Builder i{b};
  Value first = base;
  if (columns->first)
    first = i.add(first, rewriter.getRemappedValue(columns->first));
  Comparison result{*rows, predicate == P::sge || predicate == P::sgt};
  bool isStrict = predicate == P::slt || predicate == P::sge;
  for (Value &bound : result.bounds) {
    bound = arith::MaxSIOp::create(b, bound, constantI32(b, -kFar));
    bound = arith::MinSIOp::create(b, bound, constantI32(b, kFar));
    bound = i.add(arith::SubIOp::create(b, bound, first), isStrict ? -1 : 0);
  }
  return result;
}

/// The words of what `condition` hides.
std::optional<SmallVector<Value>> Mask::getHidden(Value condition) {
  Operation *op = condition.getDefiningOp();
  if (isa_and_nonnull<arith::AndIOp, arith::OrIOp>(op)) {
    auto left = getHidden(op->getOperand(0));
    auto right = left ? getHidden(op->getOperand(1)) : std::nullopt;
    if (!right)
      return std::nullopt;
    for (auto [x, y] : llvm::zip_equal(*left, *right))
      x = isa<arith::AndIOp>(op) ? arith::OrIOp::create(b, x, y).getResult()
                                 : arith::AndIOp::create(b, x, y).getResult();
    return left;
  }
  arith::CmpIOp compared = getCompared(condition, readsRows);
  auto comparison = compared ? getComparison(compared) : std::nullopt;
  if (!comparison)
    return std::nullopt;
  SmallVector<Value> words;
  I32Builder i{b};
  Value all = constantI32(b, -1);
  for (const Progression &progression : progressions) {
    Value seen = i.add(comparison->getBound(progression.row),
                       kStride - progression.start);
    seen = arith::ShRSIOp::create(b, seen, constantI32(b, 3));
    seen = arith::MaxSIOp::create(b, seen, constantI32(b, 0));
    seen = arith::MinSIOp::create(b, seen, constantI32(b, kMaxBits));
    Value word = arith::ShLIOp::create(b, all, seen);
    words.push_back(comparison->isInverse ? i.lxor(word, all) : word);
  }
  return words;
}

std::optional<SmallVector<Value>> Mask::build(Value condition) {
  SmallVector<Value> passes;
  if (arith::CmpIOp compared = getCompared(condition, readsRows)) {
    auto comparison = getComparison(compared);
    if (!comparison)
      return std::nullopt;
    auto predicate = comparison->isInverse ? arith::CmpIPredicate::sgt
                                           : arith::CmpIPredicate::sle;
    for (const Place &place : places)
      passes.push_back(arith::CmpIOp::create(
          b, predicate, constantI32(b, place.column),
          comparison->getBound(progressions[place.progression].row)));
    return passes;
  }
  if (llvm::any_of(places, [](const Place &p) { return p.number >= kMaxBits; }))
    return std::nullopt;
  auto hidden = getHidden(condition);
  if (!hidden)
    return std::nullopt;
  // As == 0: LLVM makes a shift of != 0.
  for (const Place &place : places) {
    Value bit =
        arith::AndIOp::create(b, (*hidden)[place.progression],
                              constantI32(b, int64_t(1) << place.number));
    passes.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bit,
                                           constantI32(b, 0)));
  }
  return passes;
}

namespace {

/// A choice by positions.
struct ConvertMask : public OpConversionPattern<arith::SelectOp> {
  ConvertMask(const TypeConverter &converter, MLIRContext *mlirContext,
              KernelContext &context)
      : OpConversionPattern(converter, mlirContext, /*benefit=*/2),
        context(context) {}

  LogicalResult
  matchAndRewrite(arith::SelectOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getCondition().getType());
    if (!type || type.getRank() != 2 || !getLayout(type))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Mask mask(b, getThreadTile(b, context, type), rewriter,
              !context.memory->hasGathers);
    auto passes = mask.build(op.getCondition());
    if (!passes)
      return failure();
    auto vectorType = cast<VectorType>(getTypeConverter()->convertType(type));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(
        op, pack(b, vectorType, *passes), adaptor.getTrueValue(),
        adaptor.getFalseValue());
    return success();
  }

private:
  KernelContext &context;
};

} // namespace

void seqc::tile::populatePositionPatterns(const TypeConverter &converter,
                                          RewritePatternSet &patterns,
                                          KernelContext &context) {
  if (!context.isSM90)
    return;
  patterns.add<ConvertMask>(converter, patterns.getContext(), context);
}
