//===- SharedMemory.cpp - Tiles to and from shared memory -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tiles lie in shared memory swizzled (`!tile.shared`, Memory.h). A thread
// moves as many bytes at once as it holds next to each other:
//
//   #tile.mma, 16 bits, sm_90   stmatrix: four 8x8 blocks at a time. Lane l
//   gives
//                               the address of row l mod 8 of block l / 8; the
//                               blocks are the two halves of 16 rows, then
//                               those of the next 8 columns, as in the
//                               registers.
//   other                       runs of consecutive columns, up to 16 bytes
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// The bits that a thread's part of the coordinate in dimension `dim` may have,
/// or all where the fields overlap.
uint64_t getBaseBits(const ThreadLayout &layout, unsigned dim) {
  uint64_t bits = 0;
  for (const LayoutField &field : layout.base[dim]) {
    if (!llvm::isPowerOf2_64(field.stride) || !llvm::isPowerOf2_64(field.count))
      return ~uint64_t(0);
    uint64_t fieldBits = (field.count - 1) * field.stride;
    if (bits & fieldBits)
      return ~uint64_t(0);
    bits |= fieldBits;
  }
  return bits;
}

/// Addresses in a tile with a pitch: a sum, of which the thread's part is one
/// register.
class PitchedTile {
public:
  PitchedTile(ImplicitLocOpBuilder &b, Value pointer, SharedType type,
              Value row0, Value column0)
      : b(b), elementBytes(getElementBytes(type.getElementType())),
        pitch(type.getPitch()) {
    I32Builder i{b};
    start = nvx::PinOp::create(
        b, addBytes(b, pointer,
                    i.mul(i.add(i.mul(row0, pitch), column0), elementBytes)));
  }

  Value getPointer(int64_t deltaRow, int64_t deltaColumn) {
    return addBytes(b, start, (deltaRow * pitch + deltaColumn) * elementBytes);
  }

private:
  ImplicitLocOpBuilder &b;
  int64_t elementBytes, pitch;
  Value start;
};

/// The accesses of a thread to a part of a tile: runs of registers whose
/// elements are next to each other in a row.
struct Runs {
  ThreadTile tile;
  std::optional<SwizzledTile> swizzled;
  std::optional<PitchedTile> pitched;
  int64_t rank;
  int64_t elements; // of a run
  int64_t elementBytes;

  /// `offsets` are the part's row and column, which are multiples of
  /// `divisors`; none for the first ones.
  Runs(ImplicitLocOpBuilder &b, const KernelContext &context,
       RankedTensorType type, Value pointer, SharedType shared,
       ValueRange offsets, ArrayRef<int64_t> divisors)
      : tile(getThreadTile(b, context, type)),
        elementBytes(getElementBytes(type.getElementType())) {
    // A 1-D tile is a part of a row.
    rank = type.getRank();
    elements = std::min(getContiguity(type, rank - 1), 16 / elementBytes);
    while (!llvm::isPowerOf2_64(elements))
      --elements;
    elements = std::max<int64_t>(elements, 1);
    I32Builder i{b};
    Value row0 = rank == 1 ? i.constant(0) : tile.base[0],
          column0 = tile.base[rank - 1];
    uint64_t rowBits = rank == 1 ? 0 : getBaseBits(tile.layout, 0);
    uint64_t columnBits = getBaseBits(tile.layout, rank - 1);
    if (!offsets.empty()) {
      row0 = i.add(row0, offsets[0]);
      column0 = i.add(column0, offsets[1]);
      rowBits |= ~uint64_t(divisors[0] - 1);
      columnBits |= ~uint64_t(divisors[1] - 1);
      while (divisors[1] % elements)
        elements /= 2;
    }
    if (shared.getPitch()) {
      pitched.emplace(b, pointer, shared, row0, column0);
      return;
    }
    swizzled.emplace(b, pointer, shared, row0, rowBits,
                     i.mul(column0, elementBytes), columnBits * elementBytes);
  }

  int64_t size() const { return tile.layout.getNumRegisters() / elements; }
  Value getPointer(int64_t run) {
    ArrayRef<int64_t> delta = tile.layout.offsets[run * elements];
    int64_t row = rank == 1 ? 0 : delta[0], column = delta[rank - 1];
    if (pitched)
      return pitched->getPointer(row, column);
    return swizzled->getPointer(row, column * elementBytes);
  }
  SmallVector<int64_t> getRegisters(int64_t run) const {
    return llvm::to_vector(
        llvm::seq<int64_t>(run * elements, (run + 1) * elements));
  }
};

struct LowerAlloc : KernelPattern<AllocOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(AllocOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(
        op, addBytes(b, context.shared, context.sharedOffsets.lookup(op)));
    return success();
  }
};

struct LowerMakeRing : KernelPattern<MakeRingOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(MakeRingOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(
        op, addBytes(b, context.shared, context.sharedOffsets.lookup(op)));
    return success();
  }
};

struct LowerBarrier : KernelPattern<BarrierOp> {
  using KernelPattern::KernelPattern;

  /// Whether threads may have written what products read since the barrier
  /// before. Where that is certain to have its own barrier it is not this one.
  bool needsFence(BarrierOp op) const {
    if (!context.memory->needsProxyFence)
      return false;
    auto isBehind = context.memory->fenced.find(op);
    return context.memory->fenced.empty() ||
           isBehind != context.memory->fenced.end();
  }

  LogicalResult
  matchAndRewrite(BarrierOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    if (op.getWarp()) {
      NVVM::SyncWarpOp::create(b, constantI32(b, -1));
      rewriter.eraseOp(op);
      return success();
    }
    if (needsFence(op))
      emitProxyFence(b);
    auto role = context.memory->barriers.find(op);
    if (role == context.memory->barriers.end())
      NVVM::BarrierOp::create(b);
    else
      NVVM::BarrierOp::create(
          b, TypeRange(), constantI32(b, role->second.barrier),
          constantI32(b, role->second.warps * kThreadsPerWarp),
          NVVM::BarrierReductionAttr(), Value());
    rewriter.eraseOp(op);
    return success();
  }
};

/// A vote at a barrier.
struct LowerAny : KernelPattern<AnyOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(AnyOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    if (context.blockWarps != context.warps)
      return op.emitOpError("is not supported in a kernel with warp roles: "
                            "all threads of the block vote");
    Value mine;
    for (Value element : unpack(b, adaptor.getSource()))
      mine =
          mine ? arith::OrIOp::create(b, mine, element).getResult() : element;
    Type word = b.getI32Type();
    Value vote = arith::ExtUIOp::create(b, word, mine);
    auto kind = NVVM::BarrierReductionAttr::get(b.getContext(),
                                                NVVM::BarrierReduction::OR);
    auto barrier = NVVM::BarrierOp::create(b, TypeRange{word}, Value(), Value(),
                                           kind, vote);
    rewriter.replaceOpWithNewOp<arith::CmpIOp>(
        op, arith::CmpIPredicate::ne, barrier->getResult(0), constantI32(b, 0));
    return success();
  }
};

struct LowerSharedStore : KernelPattern<SharedStoreOp> {
  using KernelPattern::KernelPattern;

  /// 8x8 blocks of a tile in #tile.mma.
  void storeMatrices(ImplicitLocOpBuilder &b, Value value, Value pointer,
                     RankedTensorType type, SharedType shared) const {
    I32Builder i{b};
    int64_t warps = cast<MmaLayoutAttr>(type.getEncoding()).getWarps();
    int64_t blocks = type.getDimSize(1) / 8;
    Value row = i.add(i.shl(context.warp, 4), i.land(context.lane, 15));
    SwizzledTile addresses(b, pointer, shared, row, /*rowBits=*/7,
                           i.land(context.lane, 16), /*byteBits=*/16);
    auto layout =
        NVVM::MMALayoutAttr::get(b.getContext(), NVVM::MMALayout::row);
    auto shape = NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8);
    auto elementType = NVVM::LdStMatrixEltTypeAttr::get(
        b.getContext(), NVVM::LdStMatrixEltType::B16);
    for (int64_t m = 0; m < type.getDimSize(0) / (16 * warps); ++m)
      for (int64_t n = 0; n < blocks; n += 2) {
        // An odd last block: the addresses of the upper lanes are not used.
        int64_t count = std::min<int64_t>(blocks - n, 2);
        NVVM::StMatrixOp::create(
            b, addresses.getPointer(m * 16 * warps, n * 16),
            getPairs(b, value, (m * blocks + n) * 2, 2 * count), layout, shape,
            elementType);
      }
  }

  LogicalResult
  matchAndRewrite(SharedStoreOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    RankedTensorType type = op.getValue().getType();
    SharedType shared = op.getDest().getType();
    if (context.isSM90 && isa<MmaLayoutAttr>(type.getEncoding()) &&
        type.getElementTypeBitWidth() == 16 && !shared.getPitch() &&
        op.getOffsets().empty()) {
      storeMatrices(b, adaptor.getValue(), adaptor.getDest(), type, shared);
      rewriter.eraseOp(op);
      return success();
    }
    // Threads with copies all write the same: no need to choose one.
    Runs runs(b, context, type, adaptor.getDest(), shared, adaptor.getOffsets(),
              context.divisors.lookup(op));
    for (int64_t run = 0; run < runs.size(); ++run)
      LLVM::StoreOp::create(
          b, shuffle(b, adaptor.getValue(), runs.getRegisters(run)),
          runs.getPointer(run), runs.elements * runs.elementBytes);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerSharedLoad : KernelPattern<SharedLoadOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(SharedLoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    RankedTensorType type = op.getResult().getType();
    auto vectorType = cast<VectorType>(getTypeConverter()->convertType(type));
    Runs runs(b, context, type, adaptor.getSource(), op.getSource().getType(),
              adaptor.getOffsets(), context.divisors.lookup(op));
    auto runType =
        VectorType::get({runs.elements}, vectorType.getElementType());
    SmallVector<Value> elements;
    for (int64_t run = 0; run < runs.size(); ++run) {
      Value loaded = LLVM::LoadOp::create(b, runType, runs.getPointer(run),
                                          runs.elements * runs.elementBytes);
      llvm::append_range(elements, unpack(b, loaded));
    }
    rewriter.replaceOp(op, pack(b, vectorType, elements));
    return success();
  }
};

} // namespace

void seqc::tile::populateSharedPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns,
                                        KernelContext &context) {
  patterns.add<LowerAlloc, LowerAny, LowerMakeRing, LowerBarrier,
               LowerSharedStore, LowerSharedLoad>(
      converter, patterns.getContext(), context);
}
