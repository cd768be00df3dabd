//===- Global.cpp - Tiles in device memory --------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread's elements of a tile are at `base + offset` in each dimension (see
// Tiles.cpp), so their addresses are one pointer, computed once, plus a
// constant number of rows for each register, times a stride.
//
// An element is inside of the view when its index is, as an unsigned number,
// less than the size, in each dimension; where constants tell, nothing is
// compared. Accesses are predicated and not branched around, so that all of
// them are in flight together.
//
// Registers that are consecutive along a dimension of stride 1 are accessed
// together, up to 16 bytes at a time, where all of it is aligned and inside or
// outside as one: the view is aligned (the pass's option), the tile's place
// is a multiple of the vector, and so is the view's size, which must be known
// for that, or that of what it is a part up to, unless the access itself knows
// that all of the tile is inside. And
// dense views must be aligned, too: those whose rows are known not to be a
// multiple of 16 bytes are not asked to be.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <map>

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// What an element is in memory: bools are bytes, index has 64 bits.
static Type getStoredType(Type type) {
  if (type.isInteger(1))
    return IntegerType::get(type.getContext(), 8);
  if (type.isIndex())
    return IntegerType::get(type.getContext(), 64);
  return type;
}

namespace {

/// One access of a thread: `count` registers from `first`.
struct Access {
  int64_t first, count;
  Value pointer;
  Value when; // null: always
};

/// The accesses of a thread to a tile of a view.
class TileAccess {
public:
  TileAccess(ImplicitLocOpBuilder &b, KernelContext &context, const View &view,
             RankedTensorType type, ArrayRef<int64_t> dims, ValueRange offsets,
             Operation *op, std::optional<ArrayRef<int64_t>> known,
             bool canBeVectors = true)
      : b(b), context(context), view(view), type(type), dims(dims),
        offsets(offsets), divisors(context.divisors.lookup(op)),
        sizeDivisors(context.sizeDivisors.lookup(op)),
        canBeVectors(canBeVectors), known(known.value_or(ArrayRef<int64_t>())),
        tile(getThreadTile(b, context, type)) {}

  SmallVector<Access> compute(Value always, std::optional<unsigned> argument) {
    SmallVector<Value> start(offsets);
    for (auto [t, d] : llvm::enumerate(dims))
      start[d] = arith::AddIOp::create(b, start[d], tile.base[t]);
    pointer = getAddress(b, view, start);
    // Dimensions that the tile does not have are the same for all elements.
    Value common = always;
    for (unsigned d = 0; d < start.size(); ++d)
      if (!llvm::is_contained(dims, d))
        common = both(common, isInside(start[d], 0, d));

    int64_t count = getVectorSize();
    if (count > 1 && argument)
      context.alignedArguments.insert(*argument);
    SmallVector<Access> accesses;
    for (int64_t r = 0; r < tile.layout.getNumRegisters(); r += count) {
      ArrayRef<int64_t> offset = tile.layout.offsets[r];
      Value when = common;
      for (auto [t, d] : llvm::enumerate(dims)) {
        auto [it, isNew] = inside.try_emplace({t, offset[t]});
        if (isNew && !isAlwaysInside(t))
          it->second = isInside(start[d], offset[t], d);
        when = both(when, it->second);
      }
      accesses.push_back({r, count, getPointer(offset), when});
    }
    (count > 1 ? context.numVectorAccesses : context.numScalarAccesses) +=
        accesses.size();
    return accesses;
  }

private:
  Value both(Value x, Value y) {
    if (!x || !y)
      return x ? x : y;
    auto [it, isNew] = conjunctions.try_emplace(
        {x.getAsOpaquePointer(), y.getAsOpaquePointer()});
    if (isNew)
      it->second = arith::AndIOp::create(b, x, y);
    return it->second;
  }

  /// Whether index `start + offset` is inside of dimension `dim` of the view.
  Value isInside(Value start, int64_t offset, unsigned dim) {
    Value index = start;
    if (offset != 0)
      index = arith::AddIOp::create(b, start, constantI32(b, offset));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index,
                                 view.getSize(b, dim));
  }

  /// Whether constants show that all of the tile is inside in its dimension
  /// `t`, or the access says so.
  bool isAlwaysInside(unsigned t) {
    if (llvm::is_contained(known, int64_t(t)))
      return true;
    std::optional<int64_t> size = view.getStaticSize(dims[t]);
    APInt offset;
    return size && matchPattern(offsets[dims[t]], m_ConstantInt(&offset)) &&
           !offset.isNegative() &&
           offset.getSExtValue() + type.getDimSize(t) <= *size;
  }

  int64_t getBytes() {
    return getStoredType(type.getElementType()).getIntOrFloatBitWidth() / 8;
  }

  /// How many elements one access moves.
  int64_t getVectorSize() {
    if (!context.aligned || !canBeVectors ||
        type.getElementType().isInteger(1) || type.getElementType().isIndex())
      return 1;
    for (auto [t, d] : llvm::enumerate(dims)) {
      if (view.getStaticStride(d) != 1)
        continue;
      std::optional<int64_t> size = view.getStaticSize(d);
      if (llvm::is_contained(known, int64_t(t)))
        size = 0;
      else if (!size && !sizeDivisors.empty() && sizeDivisors[d] > 1)
        size = sizeDivisors[d];
      if (!size)
        continue;
      int64_t count = std::min(getContiguity(type, t), 16 / getBytes());
      // `count` is a power of two.
      auto limit = [&](int64_t number) {
        while (number % count != 0)
          count /= 2;
      };
      limit(*size);
      limit(divisors[d]);
      for (unsigned other = 0; other < view.strides.size(); ++other)
        if (std::optional<int64_t> stride = view.getStaticStride(other);
            stride && other != d)
          limit(*stride);
      if (count > 1 && canBeAligned(d))
        return count;
    }
    return 1;
  }

  /// Whether a dense view, whose rows are along `dim`, keeps what `aligned`
  /// promises.
  bool canBeAligned(unsigned dim) {
    std::optional<int64_t> size = view.getStaticSize(dim);
    if (dim + 1 != view.strides.size() || dim == 0 || !size)
      return true;
    return view.getStaticStride(dim - 1) || *size * getBytes() % 16 == 0;
  }

  /// The address of the element that is `offset` from the thread's first one.
  Value getPointer(ArrayRef<int64_t> offset) {
    int64_t constant = 0;
    Value result = pointer;
    // A pointer for each row: what dynamic strides add is shared.
    SmallVector<int64_t> key;
    for (auto [t, d] : llvm::enumerate(dims)) {
      if (std::optional<int64_t> stride = view.getStaticStride(d))
        constant += *stride * offset[t];
      else
        key.push_back(offset[t]);
    }
    Value &row = rows[key];
    if (!row) {
      Value sum;
      for (auto [t, d] : llvm::enumerate(dims)) {
        if (view.getStaticStride(d) || offset[t] == 0)
          continue;
        Value part = arith::MulIOp::create(
            b, view.getStride(b, d), constantI64(b, offset[t] * getBytes()));
        sum = sum ? arith::AddIOp::create(b, sum, part) : part;
      }
      row = sum ? addBytes(b, result, sum) : result;
    }
    return addBytes(b, row, constant * getBytes());
  }

  ImplicitLocOpBuilder &b;
  KernelContext &context;
  const View &view;
  RankedTensorType type;
  ArrayRef<int64_t> dims;
  ValueRange offsets;
  SmallVector<int64_t> divisors, sizeDivisors;
  bool canBeVectors;
  /// Dimensions of the tile in which it is known to be inside.
  ArrayRef<int64_t> known;
  ThreadTile tile;
  Value pointer;
  std::map<std::pair<int64_t, int64_t>, Value> inside;
  std::map<std::pair<void *, void *>, Value> conjunctions;
  std::map<SmallVector<int64_t>, Value> rows;
};

/// The accesses of a thread to a packed tile: as many registers at a time as
/// one access moves, those of all threads next to each other.
SmallVector<Access> getPackedAccesses(ImplicitLocOpBuilder &b,
                                      KernelContext &context, const View &view,
                                      RankedTensorType type, ValueRange offsets,
                                      int64_t atOnce) {
  int64_t registers = getThreadTile(b, context, type).layout.getNumRegisters();
  int64_t count = std::min<int64_t>(registers, atOnce);
  while (registers % count)
    count /= 2;
  I32Builder i{b};
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  int64_t threads = context.warps * kThreadsPerWarp;
  Value pointer = addBytes(b, getAddress(b, view, SmallVector<Value>(offsets)),
                           i.mul(getLocalThread(b, context), count * bytes));
  SmallVector<Access> accesses;
  for (int64_t r = 0; r < registers; r += count)
    accesses.push_back(
        {r, count, addBytes(b, pointer, r * threads * bytes), Value()});
  (count > 1 ? context.numVectorAccesses : context.numScalarAccesses) +=
      accesses.size();
  return accesses;
}

template <typename Op>
struct AccessPattern : public OpConversionPattern<Op> {
  AccessPattern(const TypeConverter &converter, MLIRContext *mlirContext,
                KernelContext &context)
      : OpConversionPattern<Op>(converter, mlirContext), context(context) {}

  /// The accesses of `op`, a load or a store.
  SmallVector<Access> getAccesses(ImplicitLocOpBuilder &b, Op op,
                                  const View &view, RankedTensorType type,
                                  ArrayRef<int64_t> dims, ValueRange offsets,
                                  Value always,
                                  std::optional<unsigned> argument,
                                  bool canBeVectors = true) const {
    if (op.getPacked())
      return getPackedAccesses(b, context, view, type, offsets,
                               context.isSM90 ? 4 : 1);
    return TileAccess(b, context, view, type, dims, offsets, op, op.getInside(),
                      canBeVectors)
        .compute(always, argument);
  }

  KernelContext &context;
};

struct ConvertLoad : public AccessPattern<LoadOp> {
  using AccessPattern::AccessPattern;

  LogicalResult
  matchAndRewrite(LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    auto vectorType =
        cast_if_present<VectorType>(getTypeConverter()->convertType(type));
    FailureOr<View> view = getView(op, adaptor.getSource());
    if (!vectorType || failed(view))
      return failure();
    if (!op.getPages().empty() || op.getRows())
      return op.emitOpError("of ")
             << type
             << " cannot be done by registers: 'pages' and 'rows' are for what "
                "goes through shared memory";
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<int64_t> dims;
    for (int64_t i = 0; i < type.getRank(); ++i)
      dims.push_back(op.getSourceDim(i));
    Type stored = getStoredType(type.getElementType());
    SmallVector<Value> elements;
    for (Access &access :
         getAccesses(b, op, *view, type, dims, adaptor.getOffsets(), Value(),
                     getLaunchArgument(adaptor.getSource()))) {
      Type moved =
          access.count == 1 ? stored : VectorType::get({access.count}, stored);
      if (!access.when)
        access.when = arith::ConstantOp::create(b, b.getBoolAttr(true));
      Value value = nvx::LoadOp::create(b, moved, access.pointer, access.when);
      if (stored != type.getElementType())
        value = arith::TruncIOp::create(b, vectorType.getElementType(), value);
      if (access.count == 1)
        elements.push_back(value);
      else
        elements.append(unpack(b, value));
    }
    rewriter.replaceOp(op, pack(b, vectorType, elements));
    return success();
  }
};

struct ConvertStore : public AccessPattern<StoreOp> {
  using AccessPattern::AccessPattern;

  LogicalResult
  matchAndRewrite(StoreOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getValue().getType());
    FailureOr<View> view = getView(op, adaptor.getDest());
    if (!getLayout(type) || failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<int64_t> dims;
    for (int64_t i = 0; i < type.getRank(); ++i)
      dims.push_back(op.getDestDim(i));
    Type stored = getStoredType(type.getElementType());
    Value vector = adaptor.getValue();
    // Several additions at once take sm_90.
    for (Access &access : getAccesses(
             b, op, *view, type, dims, adaptor.getOffsets(),
             isWriter(b, context, type), getLaunchArgument(adaptor.getDest()),
             /*canBeVectors=*/!op.getAdd() || context.isSM90)) {
      Value value;
      if (access.count == 1)
        value = vector::ExtractOp::create(b, vector, access.first);
      else
        value = shuffle(b, vector,
                        llvm::to_vector(llvm::seq(
                            access.first, access.first + access.count)));
      if (type.getElementType().isInteger(1))
        value = arith::ExtUIOp::create(b, stored, value);
      else if (type.getElementType().isIndex())
        value = arith::ExtSIOp::create(b, stored, value);
      if (!access.when)
        access.when = arith::ConstantOp::create(b, b.getBoolAttr(true));
      nvx::StoreOp::create(b, value, access.pointer, access.when, op.getAdd());
    }
    rewriter.eraseOp(op);
    return success();
  }
};

/// Indices are clamped, so that every read is inside; nothing is read from a
/// view without elements.
struct ConvertGather : public AccessPattern<GatherOp> {
  using AccessPattern::AccessPattern;

  LogicalResult
  matchAndRewrite(GatherOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto vectorType = cast_if_present<VectorType>(
        getTypeConverter()->convertType(op.getType()));
    FailureOr<View> view = getView(op, adaptor.getSource());
    if (!vectorType || failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type stored = getStoredType(view->type.getElementType());
    SmallVector<SmallVector<Value>> indices(vectorType.getNumElements());
    Value hasElements;
    for (unsigned d = 0; d < op.getIndices().size(); ++d) {
      if (view->getStaticSize(d).value_or(0) > 0)
        continue;
      Value some = arith::CmpIOp::create(
          b, arith::CmpIPredicate::sgt, view->getSize(b, d), constantI32(b, 0));
      hasElements =
          hasElements ? arith::AndIOp::create(b, hasElements, some) : some;
    }
    for (auto [d, index] : llvm::enumerate(adaptor.getIndices())) {
      auto indexType = cast<VectorType>(index.getType());
      Type scalar = indexType.getElementType();
      if (scalar.getIntOrFloatBitWidth() < 32) {
        scalar = b.getI32Type();
        indexType = indexType.clone(scalar);
        index = arith::ExtSIOp::create(b, indexType, index);
      }
      Value last =
          arith::SubIOp::create(b, view->getSize(b, d), constantI32(b, 1));
      if (scalar != last.getType())
        last = arith::ExtSIOp::create(b, scalar, last);
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(indexType));
      Value clamped = arith::MinSIOp::create(
          b, index, vector::BroadcastOp::create(b, indexType, last));
      clamped = arith::MaxSIOp::create(b, clamped, zero);
      if (!scalar.isInteger(32))
        clamped = arith::TruncIOp::create(b, indexType.clone(b.getI32Type()),
                                          clamped);
      for (auto [element, list] : llvm::zip_equal(unpack(b, clamped), indices))
        list.push_back(element);
    }
    SmallVector<Value> elements;
    for (ArrayRef<Value> index : indices) {
      Value address = getAddress(b, *view, index), value;
      if (hasElements)
        value = nvx::LoadOp::create(b, stored, address, hasElements);
      else
        value = LLVM::LoadOp::create(b, stored, address);
      if (stored != vectorType.getElementType())
        value = arith::TruncIOp::create(b, vectorType.getElementType(), value);
      elements.push_back(value);
    }
    context.numScalarAccesses += elements.size();
    rewriter.replaceOp(op, pack(b, vectorType, elements));
    return success();
  }
};

} // namespace

void seqc::tile::populateGlobalPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns,
                                        KernelContext &context) {
  patterns.add<ConvertGather, ConvertLoad, ConvertStore>(
      converter, patterns.getContext(), context);
}
