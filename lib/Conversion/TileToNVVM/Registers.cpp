//===- Registers.cpp - What threads do with the tiles they hold -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction first combines, in each thread, the registers that lie in one
// row, in the order of their columns on two chains (of even and of odd places),
// and then, with butterfly shuffles, the lanes whose columns differ. The order
// depends on the layout alone, and as addition commutes all lanes get the same
// bits. A step of a chain is one operation on a vector of all rows of the
// thread.
//
// Broadcasts, folds and conversions pick registers.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace seqc::tile;

static Value combine(ImplicitLocOpBuilder &b, ReduceKind kind, Value x, Value y,
                     arith::FastMathFlags flags = arith::FastMathFlags::none) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  if (kind == ReduceKind::Add)
    return isFloat ? arith::AddFOp::create(b, x, y, flags).getResult()
                   : arith::AddIOp::create(b, x, y).getResult();
  return isFloat ? arith::MaxNumFOp::create(b, x, y).getResult()
                 : arith::MaxSIOp::create(b, x, y).getResult();
}

/// Combines the registers of each of `groups`, all of one size, in their order.
/// Products may be combined as they are formed: on one chain then, a fused
/// multiply-add for each, as there are several groups to take turns.
static Value combineGroups(ImplicitLocOpBuilder &b, ReduceKind kind,
                           Value vector, ArrayRef<SmallVector<int64_t>> groups,
                           bool areProducts = false) {
  auto flags =
      areProducts ? arith::FastMathFlags::contract : arith::FastMathFlags::none;
  size_t size = groups.front().size();
  size_t numChains = areProducts && groups.size() >= 4 ? 1 : 2;
  Value chains[2];
  for (size_t k = 0; k < size; ++k) {
    SmallVector<int64_t> indices;
    for (ArrayRef<int64_t> group : groups)
      indices.push_back(group[k]);
    Value next = shuffle(b, vector, indices);
    Value &chain = chains[k % numChains];
    chain = chain ? combine(b, kind, chain, next, flags) : next;
  }
  return chains[1] ? combine(b, kind, chains[0], chains[1]) : chains[0];
}

/// The value of the lane that differs in `bit`, which is one of 1, 2, 4, 8
/// and 16.
static Value exchange(ImplicitLocOpBuilder &b, Value value, int64_t bit) {
  Type type = value.getType();
  Type wordType = b.getI32Type();
  Value word = value;
  unsigned bits = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  if (!type.isF32()) {
    if (isa<FloatType>(type))
      word = arith::BitcastOp::create(b, integer, word);
    if (bits < 32)
      word = arith::ExtUIOp::create(b, wordType, word);
  }
  auto shuffleWord = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, word.getType(), constantI32(b, -1), word,
                                constantI32(b, bit), constantI32(b, 31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (bits == 64) {
    auto halves = VectorType::get({2}, wordType);
    auto whole = VectorType::get({1}, integer);
    Value pair = vector::BitCastOp::create(
        b, halves, vector::BroadcastOp::create(b, whole, word));
    SmallVector<Value> words = unpack(b, pair);
    for (Value &half : words)
      half = shuffleWord(half);
    word = vector::ExtractOp::create(
        b, vector::BitCastOp::create(b, whole, pack(b, halves, words)), 0);
  } else {
    word = shuffleWord(word);
  }
  if (type.isF32())
    return word;
  if (bits < 32)
    word = arith::TruncIOp::create(b, integer, word);
  if (isa<FloatType>(type))
    word = arith::BitcastOp::create(b, type, word);
  return word;
}

/// 16-bit floats are summed in f32.
static VectorType getSumType(VectorType type) {
  if (type.getElementType().isBF16() || type.getElementType().isF16())
    return type.clone(Float32Type::get(type.getContext()));
  return type;
}

/// The rest of a reduction whose result gives each thread a part of its slice
/// only. Lanes that differ in one bit have sums of the same elements: each
/// keeps those on its way and gives the others away, so that the number of
/// sums halves with each exchange. `slice` says what `sums` are of.
static FailureOr<Value>
finishParts(Operation *op, ReduceKind kind, KernelContext &context,
            ImplicitLocOpBuilder &b, ArrayRef<Value> sums, uint32_t bits,
            const ThreadLayout &slice, VectorType type) {
  auto from = cast<RankedTensorType>(op->getOperand(0).getType()),
       to = cast<RankedTensorType>(op->getResult(0).getType());
  ThreadLayout part = getThreadLayout(to);
  using Point = SmallVector<int64_t>;
  // As lane 0 has them; another lane's are shifted.
  SmallVector<std::pair<Point, Value>> left;
  for (auto [r, value] : llvm::enumerate(sums))
    left.push_back({slice.getCoordinates(0, 0, r), value});
  auto find = [&](const Point &point) -> Value {
    for (auto &[at, value] : left)
      if (at == point)
        return value;
    return {};
  };
  auto shift = [](Point point, const Point &from, const Point &to) {
    for (auto [p, f, t] : llvm::zip_equal(point, from, to))
      p += t - f;
    return point;
  };
  for (int64_t bit = kThreadsPerWarp / 2; bit > 0; bit /= 2) {
    if (!(bits & bit))
      continue;
    Point low = part.getCoordinates(0, 0, 0);
    Point high = part.getCoordinates(0, bit, 0);
    if (low == high) {
      for (auto &[at, value] : left)
        value = combine(b, kind, value, exchange(b, value, bit));
      continue;
    }
    Value isUpper = arith::CmpIOp::create(
        b, arith::CmpIPredicate::ne,
        arith::AndIOp::create(b, context.lane, constantI32(b, bit)),
        constantI32(b, 0));
    // What lane 0 can still be asked for: its own, and what lanes with lower
    // bits set have.
    SmallVector<Point> mine;
    for (int64_t lane = 0; lane < kThreadsPerWarp; ++lane)
      if ((lane & ~int64_t(bits & (bit - 1))) == 0)
        for (int64_t r = 0; r < part.getNumRegisters(); ++r)
          if (Point at = part.getCoordinates(0, lane, r);
              !llvm::is_contained(mine, at))
            mine.push_back(at);
    SmallVector<std::pair<Point, Value>> kept;
    for (const Point &at : mine) {
      Value here = find(at), there = find(shift(at, low, high));
      if (!here || !there)
        return op->emitOpError("of ")
               << from << " to " << to
               << " is not supported: lanes that add do not halve their sums";
      Value own = arith::SelectOp::create(b, isUpper, there, here);
      Value given = arith::SelectOp::create(b, isUpper, here, there);
      kept.push_back({at, combine(b, kind, own, exchange(b, given, bit))});
    }
    left = kept;
  }
  SmallVector<Value> elements;
  for (int64_t r = 0; r < part.getNumRegisters(); ++r) {
    Value value = find(part.getCoordinates(0, 0, r));
    if (!value)
      return op->emitOpError("of ")
             << from << " to " << to
             << " is not supported: a thread has sums that it does not have "
                "elements of";
    elements.push_back(value);
  }
  return pack(b, type, elements);
}

namespace {

struct ConvertReduce : public OpConversionPattern<ReduceOp> {
  ConvertReduce(const TypeConverter &converter, MLIRContext *mlirContext,
                KernelContext &context)
      : OpConversionPattern(converter, mlirContext), context(context) {}

  LogicalResult
  matchAndRewrite(ReduceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto sourceType = cast<RankedTensorType>(op.getSource().getType());
    auto type = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    if (!type || !getLayout(sourceType))
      return failure();
    unsigned dim = op.getDim();
    ThreadLayout layout = getThreadLayout(sourceType);
    if (layout.getWarpBits(dim) != 0)
      return op.emitOpError()
             << "along dimension " << dim << " of " << sourceType
             << " is not supported: several warps hold parts of it";

    auto sliceLayout = SliceLayoutAttr::get(op.getContext(), int64_t(dim),
                                            sourceType.getEncoding());
    ThreadLayout slice = getThreadLayout(sliceLayout, op.getType().getShape());
    SmallVector<SmallVector<int64_t>> groups(slice.getNumRegisters());
    for (auto [r, group] : llvm::enumerate(getSliceRegisters(layout, dim)))
      groups[group].push_back(r);
    for (SmallVector<int64_t> &group : groups)
      llvm::sort(group, [&](int64_t x, int64_t y) {
        return layout.offsets[x][dim] < layout.offsets[y][dim];
      });

    Value source = adaptor.getSource();
    bool isPart = op.getType().getEncoding() != sliceLayout;
    bool areProducts =
        isa_and_nonnull<arith::MulFOp>(op.getSource().getDefiningOp());
    VectorType sumType = getSumType(type);
    if (isPart) {
      Value sums = source;
      if (sumType != type)
        sums = arith::ExtFOp::create(
            b, getSumType(cast<VectorType>(source.getType())), sums);
      sums = combineGroups(b, op.getKind(), sums, groups, areProducts);
      FailureOr<Value> finished =
          finishParts(op, op.getKind(), context, b, unpack(b, sums),
                      layout.getLaneBits(dim), slice, sumType);
      if (failed(finished))
        return failure();
      Value result = *finished;
      if (sumType != type)
        result = arith::TruncFOp::create(b, type, result);
      rewriter.replaceOp(op, result);
      return success();
    }
    if (sumType != type)
      source = arith::ExtFOp::create(
          b, getSumType(cast<VectorType>(source.getType())), source);
    Value result = combineGroups(b, op.getKind(), source, groups, areProducts);
    for (uint32_t bit = 1, bits = layout.getLaneBits(dim);
         bit < kThreadsPerWarp; bit *= 2) {
      if (!(bits & bit))
        continue;
      SmallVector<Value> elements = unpack(b, result);
      for (Value &element : elements)
        element = exchange(b, element, bit);
      result = combine(b, op.getKind(), result, pack(b, sumType, elements));
    }
    if (sumType != type)
      result = arith::TruncFOp::create(b, type, result);
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  KernelContext &context;
};

/// The sums of a warp over the rows that it has, of which each thread finishes
/// some.
struct ConvertSumBlocks : public OpConversionPattern<SumBlocksOp> {
  ConvertSumBlocks(const TypeConverter &converter, MLIRContext *mlirContext,
                   KernelContext &context)
      : OpConversionPattern(converter, mlirContext), context(context) {}

  LogicalResult
  matchAndRewrite(SumBlocksOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto sourceType = cast<RankedTensorType>(op.getSource().getType());
    auto type = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    if (!type || !getLayout(sourceType))
      return failure();
    ThreadLayout layout = getThreadLayout(sourceType);
    auto sliceLayout =
        SliceLayoutAttr::get(op.getContext(), 0, sourceType.getEncoding());
    ThreadLayout slice =
        getThreadLayout(sliceLayout, sourceType.getShape().drop_front());
    SmallVector<SmallVector<int64_t>> groups(slice.getNumRegisters());
    for (auto [r, group] : llvm::enumerate(getSliceRegisters(layout, 0)))
      groups[group].push_back(r);
    bool areProducts =
        isa_and_nonnull<arith::MulFOp>(op.getSource().getDefiningOp());
    Value sums = combineGroups(b, ReduceKind::Add, adaptor.getSource(), groups,
                               areProducts);
    FailureOr<Value> finished =
        finishParts(op, ReduceKind::Add, context, b, unpack(b, sums),
                    layout.getLaneBits(0), slice, type);
    if (failed(finished))
      return failure();
    rewriter.replaceOp(op, *finished);
    return success();
  }

private:
  KernelContext &context;
};

/// One fused multiply-add for each element, in the order of the dimension: the
/// layout gives a thread all of it. The adjoint is a sum, which products may
/// become part of, and a product.
struct ConvertRecurrence : public OpConversionPattern<RecurrenceOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(RecurrenceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto tileType = cast<RankedTensorType>(op.getStates().getType());
    auto type =
        cast_if_present<VectorType>(getTypeConverter()->convertType(tileType));
    if (!type || !getLayout(tileType))
      return failure();
    unsigned dim = op.getDim();
    ThreadLayout layout = getThreadLayout(tileType);
    // For each element of `last`, the registers along the dimension.
    int64_t chains =
        cast<VectorType>(adaptor.getInit().getType()).getNumElements();
    SmallVector<SmallVector<int64_t>> registers(chains);
    for (auto [r, chain] : llvm::enumerate(getSliceRegisters(layout, dim)))
      registers[chain].push_back(r);
    for (SmallVector<int64_t> &chain : registers)
      llvm::sort(chain, [&](int64_t x, int64_t y) {
        return layout.offsets[x][dim] < layout.offsets[y][dim];
      });
    SmallVector<Value> factors = unpack(b, adaptor.getFactors());
    SmallVector<Value> terms = unpack(b, adaptor.getTerms());
    SmallVector<Value> now = unpack(b, adaptor.getInit());
    SmallVector<Value> states(type.getNumElements());
    auto contract = arith::FastMathFlags::contract;
    size_t size = registers.front().size();
    for (size_t i = 0; i < size; ++i)
      for (int64_t chain = 0; chain < chains; ++chain) {
        Value &state = now[chain];
        int64_t r = registers[chain][op.getAdjoint() ? size - 1 - i : i];
        if (op.getAdjoint()) {
          states[r] = arith::AddFOp::create(b, terms[r], state, contract);
          state = arith::MulFOp::create(b, factors[r], states[r]);
          continue;
        }
        if (op.getBefore())
          states[r] = state;
        state = math::FmaOp::create(b, factors[r], state, terms[r]);
        if (!op.getBefore())
          states[r] = state;
      }
    Value last = pack(b, cast<VectorType>(adaptor.getInit().getType()), now);
    rewriter.replaceOp(op, {pack(b, type, states), last});
    return success();
  }
};

/// Other registers of the same thread.
struct ConvertShift : public OpConversionPattern<ShiftOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(ShiftOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    if (!type)
      return failure();
    ThreadLayout layout = getThreadLayout(op.getType());
    int64_t by = op.getBy(), block = op.getBlock();
    SmallVector<Value> now = unpack(b, adaptor.getNow());
    SmallVector<Value> before = unpack(b, adaptor.getBefore());
    SmallVector<Value> elements;
    for (ArrayRef<int64_t> offset : layout.offsets) {
      SmallVector<int64_t> source(offset);
      bool isNow = offset.back() % block >= by;
      source.back() += isNow ? -by : block - by;
      int64_t r = *layout.findRegister(source);
      elements.push_back(isNow ? now[r] : before[r]);
    }
    rewriter.replaceOp(op, pack(b, type, elements));
    return success();
  }
};

struct ConvertFold : public OpConversionPattern<FoldOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(FoldOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto sourceType = cast<RankedTensorType>(op.getSource().getType());
    auto resultType = cast<RankedTensorType>(op.getType());
    auto type = cast_if_present<VectorType>(
        getTypeConverter()->convertType(resultType));
    if (!type || !getLayout(sourceType))
      return failure();
    SmallVector<SmallVector<int64_t>> groups(type.getNumElements());
    for (auto [r, group] : llvm::enumerate(getFoldRegisters(
             getThreadLayout(sourceType), getThreadLayout(resultType))))
      groups[group].push_back(r);
    rewriter.replaceOp(
        op, combineGroups(b, op.getKind(), adaptor.getSource(), groups));
    return success();
  }
};

struct ConvertBroadcast : public OpConversionPattern<BroadcastOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(BroadcastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    if (!getLayout(type) || !getLayout(op.getSource().getType()))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(
        op, shuffle(b, adaptor.getSource(),
                    getSliceRegisters(getThreadLayout(type), op.getDim())));
    return success();
  }
};

struct ConvertIota : public OpConversionPattern<IotaOp> {
  ConvertIota(const TypeConverter &converter, MLIRContext *mlirContext,
              KernelContext &context)
      : OpConversionPattern(converter, mlirContext), context(context) {}

  LogicalResult
  matchAndRewrite(IotaOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    auto vectorType =
        cast_if_present<VectorType>(getTypeConverter()->convertType(type));
    if (!vectorType)
      return failure();
    auto elementType = dyn_cast<IntegerType>(vectorType.getElementType());
    if (!elementType)
      return op.emitOpError() << "of " << type.getElementType()
                              << " is not supported: expected integers";
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ThreadTile tile = getThreadTile(b, context, type);
    Value base = tile.base[op.getDim()];
    if (elementType.getWidth() > 32)
      base = arith::ExtUIOp::create(b, elementType, base);
    else if (elementType.getWidth() < 32)
      base = arith::TruncIOp::create(b, elementType, base);
    SmallVector<Attribute> offsets;
    for (ArrayRef<int64_t> offset : tile.layout.offsets)
      offsets.push_back(b.getIntegerAttr(elementType, offset[op.getDim()]));
    Value constants = arith::ConstantOp::create(
        b, DenseElementsAttr::get(vectorType, offsets));
    rewriter.replaceOpWithNewOp<arith::AddIOp>(
        op, vector::BroadcastOp::create(b, vectorType, base), constants);
    return success();
  }

private:
  KernelContext &context;
};

/// start + step (base + constant) as step constant + (start + step base): what
/// is in parentheses is one number for the thread.
struct ConvertRamp : public OpConversionPattern<RampOp> {
  ConvertRamp(const TypeConverter &converter, MLIRContext *mlirContext,
              KernelContext &context)
      : OpConversionPattern(converter, mlirContext), context(context) {}

  LogicalResult
  matchAndRewrite(RampOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto vectorType = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    if (!vectorType)
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ThreadTile tile = getThreadTile(b, context, op.getType());
    Value base = arith::SIToFPOp::create(b, vectorType.getElementType(),
                                         tile.base[op.getDim()]);
    Value start =
        math::FmaOp::create(b, adaptor.getStep(), base, adaptor.getStart());
    SmallVector<Attribute> offsets;
    for (ArrayRef<int64_t> offset : tile.layout.offsets)
      offsets.push_back(b.getF32FloatAttr(float(offset[op.getDim()])));
    Value constants = arith::ConstantOp::create(
        b, DenseElementsAttr::get(vectorType, offsets));
    rewriter.replaceOpWithNewOp<math::FmaOp>(
        op, vector::BroadcastOp::create(b, vectorType, adaptor.getStep()),
        constants, vector::BroadcastOp::create(b, vectorType, start));
    return success();
  }

private:
  KernelContext &context;
};

/// A ramp along columns and a number for each row, as step constant + (row +
/// start + step base): what is in parentheses is one number for each row of the
/// thread, and an element is one fused multiply-add.
struct ConvertRampSum : public OpConversionPattern<arith::AddFOp> {
  ConvertRampSum(const TypeConverter &converter, MLIRContext *mlirContext,
                 KernelContext &context)
      : OpConversionPattern(converter, mlirContext, /*benefit=*/2),
        context(context) {}

  LogicalResult
  matchAndRewrite(arith::AddFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    auto vectorType =
        cast_if_present<VectorType>(getTypeConverter()->convertType(type));
    if (!type || !vectorType)
      return failure();
    RampOp ramp;
    Value rows;
    for (Value operand : {op.getLhs(), op.getRhs()}) {
      auto broadcast = operand.getDefiningOp<BroadcastOp>();
      if (!broadcast)
        return failure();
      auto source = broadcast.getSource().getDefiningOp<RampOp>();
      if (broadcast.getDim() == 0 && source && !ramp)
        ramp = source;
      else if (broadcast.getDim() == 1)
        rows = rewriter.getRemappedValue(broadcast.getSource());
    }
    if (!ramp || !rows)
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value step = rewriter.getRemappedValue(ramp.getStep());
    ThreadTile tile = getThreadTile(b, context, type);
    auto splat = [&](VectorType type, Value v) -> Value {
      return vector::BroadcastOp::create(b, type, v);
    };
    auto rowsType = cast<VectorType>(rows.getType());
    Value base =
        arith::SIToFPOp::create(b, vectorType.getElementType(), tile.base[1]);
    rows = math::FmaOp::create(b, splat(rowsType, step), splat(rowsType, base),
                               rows);
    rows = arith::AddFOp::create(
        b, rows, splat(rowsType, rewriter.getRemappedValue(ramp.getStart())));
    SmallVector<Attribute> offsets;
    for (ArrayRef<int64_t> offset : tile.layout.offsets)
      offsets.push_back(b.getF32FloatAttr(float(offset[1])));
    Value constants = arith::ConstantOp::create(
        b, DenseElementsAttr::get(vectorType, offsets));
    rewriter.replaceOpWithNewOp<math::FmaOp>(
        op, splat(vectorType, step), constants,
        shuffle(b, rows, getSliceRegisters(tile.layout, 1)));
    return success();
  }

private:
  KernelContext &context;
};

/// The same elements in the same threads, perhaps in other registers.
struct ConvertConvert : public OpConversionPattern<ConvertOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(ConvertOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto from = cast<RankedTensorType>(op.getSource().getType());
    auto to = cast<RankedTensorType>(op.getType());
    auto unsupported = [&] {
      return op.emitOpError()
             << "from " << from << " to " << to
             << " is not supported: threads would have to exchange elements";
    };
    if (!getLayout(from) || !getLayout(to))
      return unsupported();
    ThreadLayout source = getThreadLayout(from);
    ThreadLayout result = getThreadLayout(to);
    if (source.base != result.base)
      return unsupported();
    SmallVector<int64_t> registers;
    for (ArrayRef<int64_t> offset : result.offsets) {
      std::optional<int64_t> found = source.findRegister(offset);
      if (!found)
        return unsupported();
      registers.push_back(*found);
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, shuffle(b, adaptor.getSource(), registers));
    return success();
  }
};

/// Warps vote, and branch: few go there.
struct ConvertUpdateWhere : public OpConversionPattern<UpdateWhereOp> {
  ConvertUpdateWhere(const TypeConverter &converter, MLIRContext *mlirContext,
                     KernelContext &context)
      : OpConversionPattern(converter, mlirContext), context(context) {}

  LogicalResult
  matchAndRewrite(UpdateWhereOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertTypes(op.getResultTypes(), types)))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value any = vote(b, op, adaptor.getCondition());
    auto branch = scf::IfOp::create(b, types, any, /*addThenBlock=*/false,
                                    /*addElseBlock=*/false);
    rewriter.inlineRegionBefore(op.getBody(), branch.getThenRegion(),
                                branch.getThenRegion().end());
    b.setInsertionPointToStart(&branch.getThenRegion().front());
    seqc::nvx::KeepBranchOp::create(b);
    rewriter.createBlock(&branch.getElseRegion());
    scf::YieldOp::create(rewriter, op.getLoc(), adaptor.getValues());
    rewriter.replaceOp(op, branch.getResults());
    return success();
  }

private:
  /// Whether an element of the warp asks for `op`.
  Value vote(ImplicitLocOpBuilder &b, UpdateWhereOp op, Value condition) const {
    Value &known = context.votes[op.getCondition()];
    if (known && known.getParentRegion()->isAncestor(op->getParentRegion()))
      return known;
    Value any;
    for (Value element : unpack(b, condition))
      any = any ? arith::OrIOp::create(b, any, element).getResult() : element;
    known = NVVM::VoteSyncOp::create(b, b.getI1Type(), constantI32(b, -1), any,
                                     NVVM::VoteSyncKind::any);
    return known;
  }

  KernelContext &context;
};

/// The end of a region that has become a branch.
struct ConvertYield : public OpConversionPattern<YieldOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(YieldOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<scf::IfOp>(op->getParentOp()))
      return failure();
    rewriter.replaceOpWithNewOp<scf::YieldOp>(op, adaptor.getOperands());
    return success();
  }
};

} // namespace

void seqc::tile::populateRegisterPatterns(const TypeConverter &converter,
                                          RewritePatternSet &patterns,
                                          KernelContext &context) {
  MLIRContext *mlirContext = patterns.getContext();
  patterns.add<ConvertBroadcast, ConvertConvert, ConvertFold, ConvertShift,
               ConvertRecurrence, ConvertYield>(converter, mlirContext);
  patterns.add<ConvertUpdateWhere, ConvertIota, ConvertRamp, ConvertRampSum,
               ConvertReduce, ConvertSumBlocks>(converter, mlirContext,
                                                context);
}
