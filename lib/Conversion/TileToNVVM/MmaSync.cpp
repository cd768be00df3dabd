//===- MmaSync.cpp - Matrix products of a warp ----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `tile.dot` with `mma.sync`. A warp has 16 rows of the result (or several
// blocks of 16 that are 16 * warps apart) and all columns; b is the same for
// all warps.
//
// 16-bit operands: m16n8k16, fragments by ldmatrix. `ldmatrix.x4` reads four
// 8x8 blocks, lane l giving the address of row l mod 8 of block l / 8:
//
//   operand              block 0, 1, 2, 3 are                     row, chunk of
//   lane l a                    rows +0, +8 at k +0, then at k +8         l mod
//   16, l / 16 b, columns x inner   k +0, +8 of columns +0, then of +8        l
//   mod 8 + 8 (l / 16),
//                                                                  l / 8 mod 2
//   b, inner x columns   k +0, +8 at columns +0, then at +8,       l mod 16, l
//   / 16
//                        transposed by the load
//
// a that lies inner x rows is read like b that is columns x inner, transposed
// by the load. So one load has the fragment of a for 16 rows, or of b for 16
// columns. All addresses are a handful of registers plus immediates
// (SwizzledTile). The inner dimension is the outer loop, as each of its steps
// uses every accumulator; each fragment of b is loaded while the products with
// the one before run. Loading a whole step ahead would take registers that
// large tiles do not have.
//
// f32 operands: m16n8k8 on TF32, three times. With x = hi + lo, both rounded to
// TF32 (11 bits each, so 22 of the 24 of f32; the rest of x is below 2^-22),
//
//   a b = hi hi + hi lo + lo hi        (lo lo is below 2^-22 as well)
//
// The tensor cores cut off what does not fit when they accumulate, always
// towards zero. Over a long sum that bias would show, so products go to fresh
// accumulators for each `tile.dot`, which are then added with a rounded f32
// addition.
//
// In m16n8k8 thread (g, t) of lane 4 g + t has a at k = t and t + 4, and b as
// well. An operand a in registers has columns 2 t and 2 t + 1 instead: as the
// order of the inner dimension does not matter, b's rows are then taken in that
// order.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// `ldmatrix` of `count` (1, 2 or 4) 8x8 blocks of 16-bit elements.
SmallVector<Value> loadMatrices(ImplicitLocOpBuilder &b, Value pointer,
                                int64_t count, bool transposed) {
  Type i32 = b.getI32Type();
  Type type = i32;
  if (count > 1)
    type = LLVM::LLVMStructType::getLiteral(b.getContext(),
                                            SmallVector<Type>(count, i32));
  Value loaded = NVVM::LdMatrixOp::create(
      b, type, pointer, count,
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
  if (count == 1)
    return {loaded};
  SmallVector<Value> values;
  for (int64_t n = 0; n < count; ++n)
    values.push_back(LLVM::ExtractValueOp::create(b, loaded, n));
  return values;
}

/// acc += a b on one 16x8 block.
void multiply(ImplicitLocOpBuilder &b, Type elementType, ArrayRef<Value> a,
              ArrayRef<Value> bOperand, MutableArrayRef<Value> acc) {
  NVVM::MMATypes type = NVVM::MMATypes::tf32;
  int64_t k = 8;
  SmallVector<Value> aValues(a), bValues(bOperand);
  if (elementType.isBF16()) {
    type = NVVM::MMATypes::bf16;
    k = 16;
  } else if (elementType.isF16()) {
    type = NVVM::MMATypes::f16;
    k = 16;
    auto pair = VectorType::get({2}, elementType);
    for (Value &value : aValues)
      value = LLVM::BitcastOp::create(b, pair, value);
    for (Value &value : bValues)
      value = LLVM::BitcastOp::create(b, pair, value);
  }
  auto resultType = LLVM::LLVMStructType::getLiteral(
      b.getContext(), SmallVector<Type>(4, b.getF32Type()));
  Value result = NVVM::MmaOp::create(
      b, resultType, aValues, bValues, ValueRange(acc),
      ArrayRef<int64_t>{16, 8, k}, /*b1Op=*/std::nullopt,
      /*intOverflow=*/std::nullopt, std::array<NVVM::MMATypes, 2>{type, type},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  for (int64_t r = 0; r < 4; ++r)
    acc[r] = LLVM::ExtractValueOp::create(b, result, r);
}

/// States times weights, summed over states. Block rows are the channels of the
/// threads (8 of the first of two, 8 of the second), its columns the steps, and
/// what is summed over are 8 states, of which a thread has two. A product has
/// the states of one step and the weights of all, so that of its columns only
/// one is wanted. A thread has two columns of each product, and of all products
/// takes those of its own steps. Of 4 steps all come twice.
struct LowerContract : KernelPattern<ContractOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(ContractOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    RankedTensorType type = op.getStates().getType();
    auto resultType = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    if (!resultType || !type.getEncoding())
      return failure();
    ThreadLayout layout = getThreadLayout(type),
                 weightLayout = getThreadLayout(op.getWeights().getType());
    SmallVector<Value> states = unpack(b, adaptor.getStates()),
                       weights = unpack(b, adaptor.getWeights());
    Type word = b.getI32Type();
    auto asBits = [&](Value v) -> Value {
      return LLVM::BitcastOp::create(b, word, v);
    };
    // A thread's channels, and its states in the order of its weights.
    int64_t channels = resultType.getNumElements() / 2;
    int64_t steps = type.getDimSize(1);
    Value zero = LLVM::ConstantOp::create(b, b.getF32FloatAttr(0.0));
    // Of each step, two columns of the products of each channel. Where a thread
    // has one channel, the other half of the rows is that channel a step later.
    int64_t perProduct = channels == 1 ? 2 : 1;
    SmallVector<SmallVector<Value>> products(steps);
    for (int64_t t = 0; t < steps; t += perProduct) {
      SmallVector<Value> sums(4, zero);
      for (int64_t r = 0; r < int64_t(weights.size()); r += 2) {
        SmallVector<Value> a, factors;
        for (int64_t i = 0; i < 2; ++i) {
          int64_t state = weightLayout.offsets[r + i][1];
          for (int64_t half = 0; half < 2; ++half) {
            int64_t c = channels == 1 ? 0 : half;
            int64_t step = channels == 1 ? t + half : t;
            a.push_back(asBits(states[*layout.findRegister({c, step, state})]));
          }
          factors.push_back(asBits(weights[r + i]));
        }
        multiply(b, b.getF32Type(), a, factors, sums);
      }
      if (channels == 2) {
        products[t] = sums;
        continue;
      }
      for (int64_t half = 0; half < 2; ++half)
        products[t + half] = {sums[2 * half], sums[2 * half + 1]};
    }
    // Thread q of four has steps 2 q and 2 q + 1, modulo their number.
    auto isSet = [&](int64_t bit) -> Value {
      Value masked =
          arith::AndIOp::create(b, context.lane, constantI32(b, bit));
      return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked,
                                   constantI32(b, 0));
    };
    Value isOdd = isSet(1), isUpper = isSet(2);
    SmallVector<Value> result;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < 2; ++i) {
        auto take = [&](int64_t q) -> Value {
          return arith::SelectOp::create(b, isOdd,
                                         products[2 * q + 2 + i][2 * c + i],
                                         products[2 * q + i][2 * c + i]);
        };
        Value low = take(0);
        result.push_back(steps == 4
                             ? low
                             : arith::SelectOp::create(b, isUpper, take(2), low)
                                   .getResult());
      }
    rewriter.replaceOp(op, pack(b, resultType, result));
    return success();
  }
};

/// What both kinds of products need.
struct Dot {
  Dot(ImplicitLocOpBuilder &b, const KernelContext &context, DotOp op, Value a,
      Value bOperand)
      : b(b), i{b}, context(context), op(op), a(a), bOperand(bOperand),
        bType(cast<SharedType>(op.getB().getType())),
        rowBlocks(op.getM() / (16 * context.warps)),
        columnBlocks(op.getN() / 8), elementType(bType.getElementType()) {}

  /// The accumulators of 16 rows and 8 columns.
  MutableArrayRef<Value> getBlock(MutableArrayRef<Value> acc, int64_t row,
                                  int64_t column) const {
    return acc.slice((row * columnBlocks + column) * 4, 4);
  }

  ImplicitLocOpBuilder &b;
  I32Builder i;
  const KernelContext &context;
  DotOp op;
  Value a, bOperand;
  SharedType bType;
  int64_t rowBlocks, columnBlocks;
  Type elementType;
};

//===----------------------------------------------------------------------===//
// 16-bit operands
//===----------------------------------------------------------------------===//

struct HalfDot : Dot {
  HalfDot(ImplicitLocOpBuilder &b, const KernelContext &context, DotOp op,
          Value a, Value bOperand)
      : Dot(b, context, op, a, bOperand), steps(op.getK() / 16) {
    Value row16 = i.land(context.lane, 15);
    Value upper = i.land(context.lane, 16);
    auto type = dyn_cast<SharedType>(op.getA().getType());
    if (type && op.getTransposeA())
      aTile.emplace(
          b, a, type, i.add(i.land(context.lane, 7), i.shr(upper, 1)),
          /*rowBits=*/7,
          i.add(i.shl(context.warp, 5), i.shl(i.land(context.lane, 8), 1)),
          /*byteBits=*/32 * context.warps - 16);
    else if (type)
      aTile.emplace(b, a, type, i.add(i.shl(context.warp, 4), row16),
                    /*rowBits=*/7, upper, /*byteBits=*/16);
    if (op.getTransposeB())
      bTile.emplace(b, bOperand, bType,
                    i.add(i.land(context.lane, 7), i.shr(upper, 1)),
                    /*rowBits=*/7, i.shl(i.land(context.lane, 8), 1),
                    /*byteBits=*/16);
    else
      bTile.emplace(b, bOperand, bType, row16, /*rowBits=*/7, upper,
                    /*byteBits=*/16);
  }

  /// The four registers of a for 16 rows.
  SmallVector<Value> loadA(int64_t step, int64_t row) {
    if (!aTile)
      return getPairs(b, a, (row * 2 * steps + 2 * step) * 2, 4);
    Value pointer =
        op.getTransposeA()
            ? aTile->getPointer(step * 16, row * 32 * context.warps)
            : aTile->getPointer(row * 16 * context.warps, step * 32);
    return loadMatrices(b, pointer, 4, op.getTransposeA());
  }

  /// The two registers of b for each of (up to) two blocks of 8 columns.
  SmallVector<Value> loadB(int64_t step, int64_t column) {
    int64_t count = std::min<int64_t>(columnBlocks - column, 2);
    Value pointer = op.getTransposeB()
                        ? bTile->getPointer(column * 8, step * 32)
                        : bTile->getPointer(step * 16, column * 16);
    return loadMatrices(b, pointer, 2 * count, !op.getTransposeB());
  }

  void emit(MutableArrayRef<Value> acc) {
    SmallVector<SmallVector<Value>> aNow, aNext;
    auto loadAllA = [&](int64_t step) {
      SmallVector<SmallVector<Value>> fragments;
      for (int64_t row = 0; row < rowBlocks; ++row)
        fragments.push_back(loadA(step, row));
      return fragments;
    };
    aNext = loadAllA(0);
    SmallVector<Value> next = loadB(0, 0);
    for (int64_t step = 0; step < steps; ++step) {
      aNow = aNext;
      for (int64_t column = 0; column < columnBlocks; column += 2) {
        SmallVector<Value> pair = next;
        if (column + 2 < columnBlocks) {
          next = loadB(step, column + 2);
        } else if (step + 1 < steps) {
          aNext = loadAllA(step + 1);
          next = loadB(step + 1, 0);
        }
        for (int64_t row = 0; row < rowBlocks; ++row)
          for (int64_t n = 0; n < int64_t(pair.size()) / 2; ++n)
            multiply(b, elementType, aNow[row],
                     ArrayRef<Value>(pair).slice(2 * n, 2),
                     getBlock(acc, row, column + n));
      }
    }
  }

  int64_t steps;
  std::optional<SwizzledTile> aTile, bTile;
};

//===----------------------------------------------------------------------===//
// f32 operands
//===----------------------------------------------------------------------===//

/// f32 registers as two TF32 numbers each.
struct Split {
  SmallVector<Value> hi, lo;

  Split(ImplicitLocOpBuilder &b, ArrayRef<Value> values) {
    auto round = [&](Value value) -> Value {
      return NVVM::ConvertFloatToTF32Op::create(
          b, b.getI32Type(), value, NVVM::FPRoundingMode::RNA,
          NVVM::SaturationMode::NONE, /*relu=*/false);
    };
    for (Value value : values) {
      Value high = round(value);
      hi.push_back(high);
      lo.push_back(round(arith::SubFOp::create(
          b, value, LLVM::BitcastOp::create(b, b.getF32Type(), high))));
    }
  }
};

struct FloatDot : Dot {
  /// Blocks of 8 columns whose fresh accumulators live at once.
  static constexpr int64_t kGroup = 4;

  FloatDot(ImplicitLocOpBuilder &b, const KernelContext &context, DotOp op,
           Value a, Value bOperand)
      : Dot(b, context, op, a, bOperand), steps(op.getK() / 8) {
    if (auto type = dyn_cast<SharedType>(op.getA().getType()))
      // The four blocks of 8 rows by 16 bytes, read as 16-bit elements:
      // exactly the fragment.
      aTile.emplace(b, a, type,
                    i.add(i.shl(context.warp, 4), i.land(context.lane, 15)),
                    /*rowBits=*/7, i.land(context.lane, 16), /*byteBits=*/16);
    Value group = i.shr(context.lane, 2), member = i.land(context.lane, 3);
    if (op.getTransposeB() && aTile)
      bTile.emplace(b, bOperand, bType, i.land(context.lane, 7),
                    /*rowBits=*/7, i.shl(i.land(context.lane, 8), 1),
                    /*byteBits=*/16);
    else if (op.getTransposeB())
      bTile.emplace(b, bOperand, bType, group, /*rowBits=*/7, i.shl(member, 3),
                    /*byteBits=*/24);
    else
      bTile.emplace(b, bOperand, bType, aTile ? member : i.shl(member, 1),
                    /*rowBits=*/aTile ? 3 : 6, i.shl(group, 2),
                    /*byteBits=*/28);
  }

  Value asFloat(Value value) {
    return LLVM::BitcastOp::create(b, b.getF32Type(), value);
  }

  Split loadA(int64_t step, int64_t row) {
    SmallVector<Value> values;
    if (aTile) {
      for (Value value : loadMatrices(
               b, aTile->getPointer(row * 16 * context.warps, step * 32), 4,
               /*transposed=*/false))
        values.push_back(asFloat(value));
      return Split(b, values);
    }
    // Rows g, g + 8 at column 2 t, then at 2 t + 1.
    for (int64_t r : {0, 2, 1, 3})
      values.push_back(
          vector::ExtractOp::create(b, a, (row * steps + step) * 4 + r));
    return Split(b, values);
  }

  Split loadB(int64_t step, int64_t column) {
    Type f32 = b.getF32Type();
    SmallVector<Value> values;
    if (op.getTransposeB() && aTile) {
      for (Value value :
           loadMatrices(b, bTile->getPointer(column * 8, step * 32), 2,
                        /*transposed=*/false))
        values.push_back(asFloat(value));
    } else if (op.getTransposeB()) {
      Value pair = LLVM::LoadOp::create(
          b, VectorType::get({2}, f32),
          bTile->getPointer(column * 8, step * 32), /*alignment=*/8);
      values = unpack(b, pair);
    } else {
      for (int64_t n : {0, 1})
        values.push_back(LLVM::LoadOp::create(
            b, f32,
            bTile->getPointer(step * 8 + (aTile ? 4 * n : n), column * 32),
            /*alignment=*/4));
    }
    return Split(b, values);
  }

  /// `isZero` says that the accumulators are 0.
  void emit(MutableArrayRef<Value> acc, bool isZero) {
    Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0.0f));
    for (int64_t first = 0; first < columnBlocks; first += kGroup) {
      int64_t size = std::min(kGroup, columnBlocks - first);
      SmallVector<Value> fresh(rowBlocks * size * 4, zero);
      for (int64_t step = 0; step < steps; ++step) {
        SmallVector<Split> aParts;
        for (int64_t row = 0; row < rowBlocks; ++row)
          aParts.push_back(loadA(step, row));
        for (int64_t n = 0; n < size; ++n) {
          Split bParts = loadB(step, first + n);
          for (int64_t row = 0; row < rowBlocks; ++row) {
            auto block =
                MutableArrayRef<Value>(fresh).slice((row * size + n) * 4, 4);
            // The small products first.
            multiply(b, elementType, aParts[row].lo, bParts.hi, block);
            multiply(b, elementType, aParts[row].hi, bParts.lo, block);
            multiply(b, elementType, aParts[row].hi, bParts.hi, block);
          }
        }
      }
      for (int64_t row = 0; row < rowBlocks; ++row)
        for (int64_t n = 0; n < size; ++n) {
          MutableArrayRef<Value> block = getBlock(acc, row, first + n);
          for (int64_t r = 0; r < 4; ++r) {
            Value value = fresh[(row * size + n) * 4 + r];
            block[r] =
                isZero ? value : arith::AddFOp::create(b, block[r], value);
          }
        }
    }
  }

  int64_t steps;
  std::optional<SwizzledTile> aTile, bTile;
};

struct LowerDot : KernelPattern<DotOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(DotOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto bType = dyn_cast<SharedType>(op.getB().getType());
    if (!bType)
      return op.emitOpError() << "has b of type " << op.getB().getType()
                              << ", expected a tile in shared memory";
    auto accType = dyn_cast<MmaLayoutAttr>(op.getAcc().getType().getEncoding());
    if (!accType)
      return op.emitOpError()
             << "has an accumulator of type " << op.getAcc().getType()
             << ", expected layout #tile.mma";
    if (op.getTransposeA() && !isa<SharedType>(op.getA().getType()))
      return op.emitOpError() << "has a of type " << op.getA().getType()
                              << ", expected a tile in shared memory, as it is "
                                 "transposed";
    if (auto aType = dyn_cast<RankedTensorType>(op.getA().getType());
        aType && aType.getEncoding() != op.getAcc().getType().getEncoding())
      return op.emitOpError() << "has a of type " << aType
                              << ", expected the accumulator's layout "
                              << op.getAcc().getType().getEncoding();
    Type elementType = bType.getElementType();
    SmallVector<Value> acc = unpack(b, adaptor.getAcc());
    if (elementType.isF16() || elementType.isBF16())
      HalfDot(b, context, op, adaptor.getA(), adaptor.getB()).emit(acc);
    else if (elementType.isF32())
      FloatDot(b, context, op, adaptor.getA(), adaptor.getB())
          .emit(acc, matchPattern(op.getAcc(), m_PosZeroFloat()));
    else
      return op.emitOpError() << "of " << elementType << " is not supported on "
                              << context.chip << ": expected f16, bf16 or f32";
    rewriter.replaceOp(
        op, pack(b, cast<VectorType>(adaptor.getAcc().getType()), acc));
    return success();
  }
};

} // namespace

void seqc::tile::populateMmaSyncPatterns(const TypeConverter &converter,
                                         RewritePatternSet &patterns,
                                         KernelContext &context) {
  patterns.add<LowerContract, LowerDot>(converter, patterns.getContext(),
                                        context);
}
