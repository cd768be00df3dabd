//===- Wgmma.cpp - Matrix products of a warpgroup -------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `tile.mma_async` is a fence, one `wgmma` for each 16 of the inner dimension,
// and a commit; `tile.wait` waits. Four warps have 64 rows of the result, in
// several blocks where M is larger than 16 * warps.
//
// Operands in shared memory are given by descriptors, 64-bit numbers:
//
//   bits  0-13  address / 16
//   bits 16-29  leading byte offset / 16
//   bits 32-45  stride byte offset / 16
//   bits 62-63  1: swizzle of 128 bytes
//
// In both orders the unit is 8 rows of 128 bytes, and the stride offset is from
// one unit to the next 8 rows: 1024. With the inner dimension contiguous (a,
// and b that is transposed) a step is 32 bytes further in the panel, then the
// next panel; the leading offset is not used. With the columns contiguous a
// step is 16 rows further, and the leading offset is from one panel of 64
// columns to the next. a with its rows contiguous is like that: four warps have
// 64 rows, which are one panel.
//
// All descriptors are the same for the four warps: the warp's number is one
// that ptxas knows to be uniform (KernelContext::blockWarp).
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Columns of one instruction, at most.
static constexpr int64_t kMaxColumns = 256;

namespace {

/// The descriptor of what starts at `pointer`.
Value getDescriptor(ImplicitLocOpBuilder &b, Value pointer,
                    int64_t leadingBytes) {
  I32Builder i{b};
  Value address = LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
  Value field = i.land(i.shr(address, 4), 0x3fff);
  int64_t constant = int64_t(1) << 62 | int64_t(1024 / 16) << 32 |
                     int64_t(leadingBytes / 16) << 16;
  return arith::OrIOp::create(b,
                              arith::ExtUIOp::create(b, b.getI64Type(), field),
                              constantI64(b, constant));
}

/// A descriptor `bytes` further on.
Value advance(ImplicitLocOpBuilder &b, Value descriptor, int64_t bytes) {
  if (bytes == 0)
    return descriptor;
  return arith::AddIOp::create(b, descriptor, constantI64(b, bytes / 16));
}

/// The byte at which step `step` of the inner dimension begins in a tile whose
/// rows are contiguous along it.
int64_t getStepOffset(SharedType type, int64_t step) {
  return step / 4 * type.getPanelBytes() + step % 4 * 32;
}

SmallVector<int64_t> range(int64_t first, int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(first, first + count));
}

struct LowerMmaAsync : KernelPattern<MmaAsyncOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(MmaAsyncOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    if (!context.isSM90)
      return op.emitOpError()
             << "needs sm_90a, but the kernel is for " << context.chip;
    RankedTensorType tile = op.getResult().getType().getTile();
    auto layout = dyn_cast_or_null<MmaLayoutAttr>(tile.getEncoding());
    if (!layout || layout.getWarps() != context.warps ||
        context.warps % 4 != 0 || context.firstWarp % 4 != 0)
      return op.emitOpError()
             << "has a result of type " << tile
             << ", expected layout #tile.mma of all warps that compute, a "
                "multiple of 4";
    SharedType bType = op.getB().getType();
    auto aShared = dyn_cast<SharedType>(op.getA().getType());
    if (!aShared && cast<RankedTensorType>(op.getA().getType()).getEncoding() !=
                        tile.getEncoding())
      return op.emitOpError() << "has a of type " << op.getA().getType()
                              << ", expected the result's layout " << layout;
    int64_t m = tile.getDimSize(0), n = tile.getDimSize(1);
    int64_t k = op.getTransposeB() ? bType.getColumns() : bType.getRows();
    bool rowsFastest = op.getTransposeA();
    int64_t rowBlocks = m / (16 * context.warps), steps = k / 16;
    // Equal parts of the columns, each of whole panels if there are several.
    int64_t parts = llvm::divideCeil(n, kMaxColumns);
    while (parts > 1 && (n % parts != 0 || n / parts % 64 != 0))
      ++parts;
    int64_t columns = n / parts;
    if (n % 8 != 0 || columns == 0)
      return op.emitOpError()
             << "has " << n << " columns, which cannot be divided";

    // What it reads from registers is there by the fence. An accumulator that
    // another product writes is not touched.
    SmallVector<Value> fenced;
    bool fencesAcc =
        op.getAcc() && isa<RankedTensorType>(op.getAcc().getType());
    if (fencesAcc)
      fenced.push_back(adaptor.getAcc());
    if (!aShared)
      llvm::append_range(fenced,
                         getPairs(b, adaptor.getA(), 0, rowBlocks * steps * 4));
    SmallVector<Value> ready = llvm::to_vector_of<Value>(
        nvx::WgmmaFenceOp::create(b, fenced).getResults_());
    Value acc = adaptor.getAcc();
    ArrayRef<Value> aRegisters = ready;
    if (fencesAcc) {
      acc = ready.front();
      aRegisters = aRegisters.drop_front();
    }

    // Where a loop has many products, the descriptors of what it does not
    // change would take more registers outside of it than it has left.
    bool pins = context.memory->pinned.contains(op);
    auto pin = [&](Value pointer) -> Value {
      return pins ? nvx::PinOp::create(b, pointer).getResult() : pointer;
    };
    Value aBase, bBase;
    if (aShared) {
      // Rows of this warpgroup: 64 each.
      Value group = i.shr(context.warp, 2);
      Value bytes = rowsFastest ? i.mul(group, aShared.getPanelBytes())
                                : i.shl(i.shl(group, 6), 7);
      aBase = getDescriptor(b, pin(addBytes(b, adaptor.getA(), bytes)),
                            rowsFastest ? aShared.getPanelBytes() : 16);
    }
    bBase = getDescriptor(b, pin(adaptor.getB()),
                          op.getTransposeB() ? 16 : bType.getPanelBytes());

    auto partType = VectorType::get({columns / 2}, b.getF32Type());
    SmallVector<Value> registers;
    for (int64_t row = 0; row < rowBlocks; ++row)
      for (int64_t part = 0; part < parts; ++part) {
        Value sum;
        if (acc)
          sum = shuffle(b, acc,
                        range((row * parts + part) * columns / 2, columns / 2));
        int64_t partOffset = op.getTransposeB()
                                 ? part * columns * 128
                                 : part * columns / 64 * bType.getPanelBytes();
        for (int64_t step = 0; step < steps; ++step) {
          SmallVector<Value> a;
          if (aShared)
            a.push_back(advance(b, aBase,
                                rowsFastest
                                    ? row * context.warps / 4 *
                                              aShared.getPanelBytes() +
                                          step * 16 * 128
                                    : row * 16 * context.warps * 128 +
                                          getStepOffset(aShared, step)));
          else
            llvm::append_range(a,
                               aRegisters.slice((row * steps + step) * 4, 4));
          Value bStep = advance(b, bBase,
                                partOffset + (op.getTransposeB()
                                                  ? getStepOffset(bType, step)
                                                  : step * 16 * 128));
          sum = nvx::WgmmaOp::create(b, partType, bType.getElementType(), a,
                                     bStep, sum, !op.getTransposeB(),
                                     rowsFastest);
        }
        llvm::append_range(registers, rowBlocks * parts == 1
                                          ? SmallVector<Value>{sum}
                                          : unpack(b, sum));
      }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    Value result = registers.front();
    if (rowBlocks * parts != 1)
      result = pack(b,
                    cast<VectorType>(getTypeConverter()->convertType(
                        op.getResult().getType())),
                    registers);
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct LowerWait : KernelPattern<WaitOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(WaitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto wait =
        nvx::WgmmaWaitOp::create(b, op.getPending(), adaptor.getOperands_());
    rewriter.replaceOp(op, wait.getResults_());
    return success();
  }
};

/// Registers of 32 bits, as products read them.
struct LowerReady : KernelPattern<ReadyOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(ReadyOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value source = adaptor.getSource();
    auto type = cast<VectorType>(source.getType());
    if (type.getElementTypeBitWidth() == 32) {
      auto ready = nvx::ReadyOp::create(b, unpack(b, source));
      rewriter.replaceOp(
          op, pack(b, type, llvm::to_vector_of<Value>(ready.getResults_())));
      return success();
    }
    if (type.getNumElements() % 2)
      return op.emitOpError()
             << "needs an even number of elements in each "
                "thread, but "
             << op.getSource().getType() << " has " << type.getNumElements();
    SmallVector<Value> pairs =
        getPairs(b, source, 0, type.getNumElements() / 2);
    SmallVector<Value> ready =
        llvm::to_vector_of<Value>(nvx::ReadyOp::create(b, pairs).getResults_());
    Value words = pack(
        b, VectorType::get({int64_t(ready.size())}, b.getI32Type()), ready);
    rewriter.replaceOp(op, LLVM::BitcastOp::create(b, type, words).getResult());
    return success();
  }
};

} // namespace

void seqc::tile::populateWgmmaPatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns,
                                       KernelContext &context) {
  patterns.add<LowerMmaAsync, LowerReady, LowerWait>(
      converter, patterns.getContext(), context);
}
