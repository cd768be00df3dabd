//===- Tiles.cpp - Tiles, views and vectors of one thread -----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What patterns need of layouts (seqc/Dialect/Tile/IR/Layouts.h), views and
// vectors as operations: one sum per dimension finds a thread's place in a
// tile, and the place of each of its registers is that plus a constant.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc::tile;

//===----------------------------------------------------------------------===//
// Context
//===----------------------------------------------------------------------===//

int64_t KernelContext::allocateShared(int64_t bytes, int64_t alignment) {
  int64_t offset = llvm::alignTo(sharedBytes, alignment);
  sharedBytes = offset + bytes;
  return offset;
}

unsigned KernelContext::addTensorMap(unsigned argument, ArrayRef<int64_t> box,
                                     int64_t swizzle) {
  for (auto [i, map] : llvm::enumerate(tensorMaps))
    if (map.argument == argument && ArrayRef<int64_t>(map.box) == box &&
        map.swizzle == swizzle)
      return i;
  tensorMaps.push_back({argument, SmallVector<int64_t>(box), swizzle, Value()});
  return tensorMaps.size() - 1;
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

ThreadTile seqc::tile::getThreadTile(ImplicitLocOpBuilder &b,
                                     const KernelContext &context,
                                     RankedTensorType type) {
  ThreadTile tile;
  tile.layout = getThreadLayout(type);
  for (ArrayRef<LayoutField> fields : tile.layout.base) {
    Value sum;
    for (const LayoutField &field : fields) {
      if (field.count == 1)
        continue;
      bool isWarp = field.source == LayoutField::Warp;
      Value id = isWarp ? context.warp : context.lane;
      int64_t count = isWarp ? context.warps : kThreadsPerWarp;
      if (field.shift != 0)
        id = arith::ShRUIOp::create(b, id, constantI32(b, field.shift));
      if (field.count << field.shift < count)
        id = arith::AndIOp::create(
            b, id, constantI32(b, llvm::PowerOf2Ceil(field.count) - 1));
      if (field.stride != 1)
        id = arith::MulIOp::create(b, id, constantI32(b, field.stride));
      sum = sum ? arith::AddIOp::create(b, sum, id) : id;
    }
    tile.base.push_back(sum ? sum : constantI32(b, 0));
  }
  return tile;
}

Value seqc::tile::isWriter(ImplicitLocOpBuilder &b,
                           const KernelContext &context,
                           RankedTensorType type) {
  ThreadLayout layout = getThreadLayout(type);
  // Warps beyond those of the layout hold copies, too.
  auto warpBits = uint32_t(llvm::PowerOf2Ceil(context.warps) - 1) &
                  ~uint32_t(llvm::PowerOf2Ceil(layout.numWarps) - 1);
  warpBits |= layout.getWarpCopyBits();
  Value result;
  auto require = [&](Value id, uint32_t bits) {
    if (bits == 0)
      return;
    Value masked = arith::AndIOp::create(b, id, constantI32(b, bits));
    Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, masked,
                                         constantI32(b, 0));
    result = result ? arith::AndIOp::create(b, result, isZero) : isZero;
  };
  require(context.lane, layout.getLaneCopyBits());
  require(context.warp, warpBits);
  return result;
}

int64_t seqc::tile::getContiguity(RankedTensorType type, unsigned dim) {
  ThreadLayout layout = getThreadLayout(type);
  int64_t count = int64_t(1) << llvm::countr_zero(layout.offsets.size());
  // The thread's part must be a multiple of the number.
  for (const LayoutField &field : layout.base[dim])
    while (field.count > 1 && field.stride % count != 0)
      count /= 2;
  auto isRun = [&](int64_t count) {
    for (auto [r, offset] : llvm::enumerate(layout.offsets)) {
      auto expected = layout.offsets[r / count * count];
      if (expected[dim] % count != 0)
        return false;
      expected[dim] += r % count;
      if (offset != expected)
        return false;
    }
    return true;
  };
  while (count > 1 && !isRun(count))
    count /= 2;
  return count;
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

Value View::getSize(ImplicitLocOpBuilder &b, unsigned dim) const {
  if (auto value = dyn_cast<Value>(sizes[dim]))
    return value;
  return constantI32(b, *getStaticSize(dim));
}

Value View::getStride(ImplicitLocOpBuilder &b, unsigned dim) const {
  if (auto value = dyn_cast<Value>(strides[dim]))
    return value;
  return constantI64(b, *getStaticStride(dim));
}

std::optional<int64_t> View::getStaticSize(unsigned dim) const {
  return getConstantIntValue(sizes[dim]);
}

std::optional<int64_t> View::getStaticStride(unsigned dim) const {
  return getConstantIntValue(strides[dim]);
}

FailureOr<View> seqc::tile::getView(Operation *user, Value memref) {
  auto cast = memref.getDefiningOp<UnrealizedConversionCastOp>();
  if (!cast || cast.getNumOperands() == 0)
    return user->emitOpError() << "accesses a view that is not an argument of "
                                  "its kernel, of type "
                               << memref.getType();
  View view;
  view.type = ::cast<MemRefType>(memref.getType());
  view.pointer = cast.getOperand(0);
  Builder b(user->getContext());
  unsigned next = 1;
  for (int64_t size : view.type.getShape())
    view.sizes.push_back(ShapedType::isDynamic(size)
                             ? OpFoldResult(cast.getOperand(next++))
                             : b.getI32IntegerAttr(size));
  auto [strides, offset] = view.type.getStridesAndOffset();
  for (int64_t stride : strides)
    view.strides.push_back(ShapedType::isDynamic(stride)
                               ? OpFoldResult(cast.getOperand(next++))
                               : b.getI64IntegerAttr(stride));
  return view;
}

std::optional<unsigned> seqc::tile::getLaunchArgument(Value memref) {
  if (auto argument = dyn_cast<BlockArgument>(memref))
    return argument.getArgNumber();
  if (auto cast = memref.getDefiningOp<UnrealizedConversionCastOp>())
    if (auto number = cast->getAttrOfType<IntegerAttr>("argument"))
      return number.getInt();
  return std::nullopt;
}

/// Bytes of an element in device memory.
static int64_t getElementBytes(Type type) {
  return type.isIndex() ? 8 : llvm::divideCeil(type.getIntOrFloatBitWidth(), 8);
}

Value seqc::tile::getAddress(ImplicitLocOpBuilder &b, const View &view,
                             ValueRange offsets) {
  Value sum;
  for (auto [d, offset] : llvm::enumerate(offsets)) {
    if (!offset || matchPattern(offset, m_Zero()))
      continue;
    Value wide = arith::ExtSIOp::create(b, b.getI64Type(), offset);
    if (view.getStaticStride(d) != 1)
      wide = arith::MulIOp::create(b, wide, view.getStride(b, d));
    sum = sum ? arith::AddIOp::create(b, sum, wide) : wide;
  }
  if (!sum)
    return view.pointer;
  int64_t bytes = getElementBytes(view.type.getElementType());
  if (bytes != 1)
    sum = arith::MulIOp::create(b, sum, constantI64(b, bytes));
  return addBytes(b, view.pointer, sum);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value seqc::tile::constantI32(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
}

Value seqc::tile::constantI64(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
}

Value seqc::tile::addBytes(ImplicitLocOpBuilder &b, Value pointer,
                           int64_t bytes) {
  if (bytes == 0)
    return pointer;
  if (!llvm::isInt<32>(bytes))
    return addBytes(b, pointer, constantI64(b, bytes));
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

Value seqc::tile::addBytes(ImplicitLocOpBuilder &b, Value pointer,
                           Value bytes) {
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}

SmallVector<Value> seqc::tile::unpack(ImplicitLocOpBuilder &b, Value vector) {
  auto type = cast<VectorType>(vector.getType());
  SmallVector<Value> elements;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    elements.push_back(vector::ExtractOp::create(b, vector, i));
  return elements;
}

Value seqc::tile::pack(ImplicitLocOpBuilder &b, VectorType type,
                       ValueRange elements) {
  return vector::FromElementsOp::create(b, type, elements);
}

Value seqc::tile::shuffle(ImplicitLocOpBuilder &b, Value vector,
                          ArrayRef<int64_t> indices) {
  int64_t size = cast<VectorType>(vector.getType()).getNumElements();
  if (int64_t(indices.size()) == size &&
      llvm::equal(indices, llvm::seq<int64_t>(0, size)))
    return vector;
  return vector::ShuffleOp::create(b, vector, vector, indices);
}

//===----------------------------------------------------------------------===//
// Divisibility
//===----------------------------------------------------------------------===//

static constexpr int64_t kDivisorLimit = 64;

static int64_t getDivisor(Value index, unsigned depth) {
  APInt constant;
  if (matchPattern(index, m_ConstantInt(&constant)))
    return constant.isZero()
               ? kDivisorLimit
               : std::min(kDivisorLimit, int64_t(1) << std::min<unsigned>(
                                             constant.countr_zero(), 62));
  if (depth == 0)
    return 1;
  auto divisor = [&](Value value) { return getDivisor(value, depth - 1); };
  if (auto argument = dyn_cast<BlockArgument>(index)) {
    auto loop =
        dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp());
    if (loop && argument == loop.getInductionVar())
      return std::min(divisor(loop.getLowerBound()), divisor(loop.getStep()));
    return 1;
  }
  Operation *op = index.getDefiningOp();
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp,
          arith::MinUIOp, arith::MaxUIOp>(op))
    return std::min(divisor(op->getOperand(0)), divisor(op->getOperand(1)));
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return std::min(divisor(select.getTrueValue()),
                    divisor(select.getFalseValue()));
  if (isa<arith::MulIOp>(op))
    return std::min(kDivisorLimit,
                    divisor(op->getOperand(0)) * divisor(op->getOperand(1)));
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp,
          arith::ExtUIOp>(op))
    return divisor(op->getOperand(0));
  return 1;
}

int64_t seqc::tile::getDivisor(Value index) { return ::getDivisor(index, 8); }
