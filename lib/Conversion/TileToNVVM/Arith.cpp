//===- Arith.cpp - Arithmetic on tiles -> on vectors ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An elementwise operation on tiles of one layout is the same operation on the
// vectors of each thread, and on index it is the same on i32. What remains are
// constants, casts of index, and the scalars that come from views: their sizes,
// and single elements.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace seqc::tile;

TileTypeConverter::TileTypeConverter() {
  addConversion([](Type type) { return type; });
  addConversion([](IndexType type) -> Type {
    return IntegerType::get(type.getContext(), 32);
  });
  addConversion([this](RankedTensorType type) -> Type {
    if (!getLayout(type))
      return {};
    return VectorType::get({getNumRegisters(type)},
                           convertType(type.getElementType()));
  });
  addConversion([](SharedType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), kSharedSpace);
  });
  addConversion([](RingType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), kSharedSpace);
  });
  addConversion([this](AsyncType type) { return convertType(type.getTile()); });
  auto cast = [](OpBuilder &b, Type type, ValueRange inputs,
                 Location loc) -> Value {
    return UnrealizedConversionCastOp::create(b, loc, type, inputs)
        .getResult(0);
  };
  addSourceMaterialization(cast);
  addTargetMaterialization(cast);
}

namespace {

/// Any operation of arith, math or ub that has other types after the
/// conversion: the same on these. Scalars that stay as they are do not come
/// here.
struct ConvertElementwise : public ConversionPattern {
  ConvertElementwise(const TypeConverter &converter, MLIRContext *context)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), /*benefit=*/1,
                          context) {}

  LogicalResult
  matchAndRewrite(Operation *op, ArrayRef<Value> operands,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<arith::ArithDialect, math::MathDialect, ub::UBDialect>(
            op->getDialect()) ||
        isa<arith::ConstantOp>(op) || op->getNumRegions() != 0)
      return failure();
    OperationState state(op->getLoc(), op->getName());
    state.addOperands(operands);
    if (failed(getTypeConverter()->convertTypes(op->getResultTypes(),
                                                state.types)))
      return failure();
    state.addAttributes(op->getAttrs());
    Operation *converted = rewriter.create(state);
    // A product and a sum may become one instruction, which rounds once.
    if (isa<arith::AddFOp, arith::MulFOp, arith::SubFOp>(converted)) {
      auto flags = cast<arith::ArithFastMathInterface>(converted);
      converted->setAttr(
          flags.getFastMathAttrName(),
          arith::FastMathFlagsAttr::get(
              op->getContext(), flags.getFastMathFlagsAttr().getValue() |
                                    arith::FastMathFlags::contract));
    }
    rewriter.replaceOp(op, converted);
    return success();
  }
};

struct ConvertConstant : public OpConversionPattern<arith::ConstantOp> {
  ConvertConstant(const TypeConverter &converter, MLIRContext *mlirContext,
                  KernelContext &context)
      : OpConversionPattern(converter, mlirContext, /*benefit=*/2),
        context(context) {}

  /// An element as the vector has it: index is i32.
  static FailureOr<Attribute> convertElement(Operation *op, Attribute value,
                                             Type type) {
    auto integer = dyn_cast<IntegerAttr>(value);
    if (!integer || !integer.getType().isIndex())
      return value;
    int64_t number = integer.getInt();
    if (!llvm::isInt<32>(number))
      return op->emitOpError() << "has the value " << number
                               << ", which does not fit the 32 bits that "
                                  "index has in kernels";
    return Attribute(IntegerAttr::get(type, number));
  }

  LogicalResult
  matchAndRewrite(arith::ConstantOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getType());
    if (!type)
      return failure();
    auto vectorType = dyn_cast<VectorType>(type);
    if (!isa<RankedTensorType>(op.getType())) {
      FailureOr<Attribute> value = convertElement(op, op.getValue(), type);
      if (failed(value))
        return failure();
      rewriter.replaceOpWithNewOp<arith::ConstantOp>(op,
                                                     cast<TypedAttr>(*value));
      return success();
    }
    auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!elements)
      return op.emitOpError() << "is not a dense constant";
    if (elements.isSplat()) {
      FailureOr<Attribute> value = convertElement(
          op, elements.getSplatValue<Attribute>(), vectorType.getElementType());
      if (failed(value))
        return failure();
      rewriter.replaceOpWithNewOp<arith::ConstantOp>(
          op, DenseElementsAttr::get(vectorType, *value));
      return success();
    }
    return convertTable(op, elements, vectorType, rewriter);
  }

private:
  /// Values that differ become a table in device memory, which each thread
  /// reads at the places of its elements.
  LogicalResult convertTable(arith::ConstantOp op, DenseElementsAttr elements,
                             VectorType vectorType,
                             ConversionPatternRewriter &rewriter) const {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<RankedTensorType>(op.getType());
    Type stored = vectorType.getElementType();
    if (stored.isInteger(1))
      stored = b.getI8Type();
    SmallVector<Attribute> values;
    for (Attribute element : elements.getValues<Attribute>()) {
      FailureOr<Attribute> value = convertElement(op, element, stored);
      if (failed(value))
        return failure();
      if (elements.getElementType().isInteger(1))
        value = Attribute(b.getI8IntegerAttr(
            cast<IntegerAttr>(element).getValue().getZExtValue()));
      values.push_back(*value);
    }
    auto module = context.function->getParentOfType<gpu::GPUModuleOp>();
    std::string name;
    for (unsigned i = 0; name.empty() || module.lookupSymbol(name); ++i)
      name = (context.function.getName() + "_table" + Twine(i)).str();
    auto tableType = RankedTensorType::get({int64_t(values.size())}, stored);
    auto arrayType = LLVM::LLVMArrayType::get(stored, values.size());
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(module.getBody());
      LLVM::GlobalOp::create(b, arrayType, /*isConstant=*/true,
                             LLVM::Linkage::Internal, name,
                             DenseElementsAttr::get(tableType, values),
                             /*alignment=*/16, kGlobalSpace);
    }
    Value table = LLVM::AddressOfOp::create(
        b, LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace), name);
    ThreadTile tile = getThreadTile(b, context, type);
    Value place;
    int64_t stride = 1;
    SmallVector<int64_t> strides(type.getRank());
    for (int64_t d = type.getRank(); d-- > 0;) {
      strides[d] = stride;
      Value part =
          arith::MulIOp::create(b, tile.base[d], constantI32(b, stride));
      place = place ? arith::AddIOp::create(b, place, part) : part;
      stride *= type.getDimSize(d);
    }
    if (place)
      table = LLVM::GEPOp::create(b, table.getType(), stored, table,
                                  ArrayRef<LLVM::GEPArg>{place});
    SmallVector<Value> loaded;
    for (ArrayRef<int64_t> offset : tile.layout.offsets) {
      int32_t constant = 0;
      for (auto [o, s] : llvm::zip_equal(offset, strides))
        constant += o * s;
      Value pointer = LLVM::GEPOp::create(b, table.getType(), stored, table,
                                          ArrayRef<LLVM::GEPArg>{constant});
      Value value = LLVM::LoadOp::create(b, stored, pointer);
      if (vectorType.getElementType().isInteger(1))
        value = arith::TruncIOp::create(b, b.getI1Type(), value);
      loaded.push_back(value);
    }
    rewriter.replaceOp(op, pack(b, vectorType, loaded));
    return success();
  }

  KernelContext &context;
};

/// index <-> integer, where index has 32 bits.
template <typename Op, typename Extend>
struct ConvertIndexCast : public OpConversionPattern<Op> {
  ConvertIndexCast(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern<Op>(converter, context, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = this->getTypeConverter()->convertType(op.getType());
    if (!type)
      return failure();
    unsigned to = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
    unsigned from =
        getElementTypeOrSelf(adaptor.getIn().getType()).getIntOrFloatBitWidth();
    if (to == from)
      rewriter.replaceOp(op, adaptor.getIn());
    else if (to > from)
      rewriter.replaceOpWithNewOp<Extend>(op, type, adaptor.getIn());
    else
      rewriter.replaceOpWithNewOp<arith::TruncIOp>(op, type, adaptor.getIn());
    return success();
  }
};

struct ConvertSplat : public OpConversionPattern<tensor::SplatOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(tensor::SplatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getType());
    if (!type)
      return failure();
    rewriter.replaceOpWithNewOp<vector::BroadcastOp>(op, type,
                                                     adaptor.getInput());
    return success();
  }
};

struct ConvertDim : public OpConversionPattern<memref::DimOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(memref::DimOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    std::optional<int64_t> dim = op.getConstantIndex();
    if (!dim)
      return op.emitOpError() << "of a dimension that is not a constant is "
                                 "not supported in kernels";
    FailureOr<View> view = getView(op, adaptor.getSource());
    if (failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, view->getSize(b, *dim));
    return success();
  }
};

/// One element, the same for all threads.
struct ConvertLoad : public OpConversionPattern<memref::LoadOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(memref::LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    FailureOr<View> view = getView(op, adaptor.getMemref());
    if (failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value pointer = getAddress(b, *view, adaptor.getIndices());
    Type type = op.getType();
    Type stored = type.isInteger(1) ? b.getI8Type()
                  : type.isIndex()  ? b.getI64Type()
                                    : type;
    Value value = LLVM::LoadOp::create(b, stored, pointer);
    if (stored != type)
      value = arith::TruncIOp::create(b, getTypeConverter()->convertType(type),
                                      value);
    rewriter.replaceOp(op, value);
    return success();
  }
};

/// A part of a view is the cast of its own pieces.
struct ConvertSubview : public OpConversionPattern<memref::SubViewOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(memref::SubViewOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    FailureOr<View> view = getView(op, adaptor.getSource());
    if (failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    // Static entries come from the op, dynamic ones from the adaptor.
    auto get = [&](ArrayRef<int64_t> entries, ValueRange values) {
      SmallVector<Value> result;
      for (int64_t entry : entries) {
        if (ShapedType::isDynamic(entry)) {
          result.push_back(values.front());
          values = values.drop_front();
        } else {
          result.push_back(constantI32(b, entry));
        }
      }
      return result;
    };
    SmallVector<Value> offsets =
        get(op.getStaticOffsets(), adaptor.getOffsets());
    SmallVector<Value> sizes = get(op.getStaticSizes(), adaptor.getSizes());
    SmallVector<Value> steps = get(op.getStaticStrides(), adaptor.getStrides());
    SmallVector<Value> pieces = {getAddress(b, *view, offsets)};
    llvm::SmallBitVector dropped = op.getDroppedDims();
    MemRefType type = op.getType();
    auto [strides, offset] = type.getStridesAndOffset();
    unsigned kept = 0;
    SmallVector<Value> stridePieces;
    for (unsigned d = 0; d < sizes.size(); ++d) {
      if (dropped.test(d))
        continue;
      if (type.isDynamicDim(kept))
        pieces.push_back(sizes[d]);
      if (ShapedType::isDynamic(strides[kept])) {
        Value stride = view->getStride(b, d);
        if (op.getStaticStrides()[d] != 1)
          stride = arith::MulIOp::create(
              b, stride, arith::ExtSIOp::create(b, b.getI64Type(), steps[d]));
        stridePieces.push_back(stride);
      }
      ++kept;
    }
    pieces.append(stridePieces);
    auto cast = UnrealizedConversionCastOp::create(b, type, pieces);
    // What starts where the argument does is aligned as that is.
    bool isStart = llvm::all_of(op.getStaticOffsets(),
                                [](int64_t offset) { return offset == 0; }) &&
                   llvm::all_of(op.getStaticStrides(),
                                [](int64_t stride) { return stride == 1; });
    if (std::optional<unsigned> number = getLaunchArgument(adaptor.getSource());
        number && isStart)
      cast->setAttr("argument", b.getI64IntegerAttr(*number));
    rewriter.replaceOp(op, cast);
    return success();
  }
};

/// The same pieces, with fewer or more of them known.
struct ConvertMemRefCast : public OpConversionPattern<memref::CastOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(memref::CastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    FailureOr<View> view = getView(op, adaptor.getSource());
    if (failed(view))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = dyn_cast<MemRefType>(op.getType());
    if (!type)
      return op.emitOpError()
             << "to " << op.getType() << " is not supported in kernels";
    SmallVector<Value> pieces = {view->pointer};
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        pieces.push_back(view->getSize(b, d));
    auto [strides, offset] = type.getStridesAndOffset();
    for (auto [d, stride] : llvm::enumerate(strides))
      if (ShapedType::isDynamic(stride))
        pieces.push_back(view->getStride(b, d));
    auto cast = UnrealizedConversionCastOp::create(b, type, pieces);
    if (std::optional<unsigned> number = getLaunchArgument(adaptor.getSource()))
      cast->setAttr("argument", b.getI64IntegerAttr(*number));
    rewriter.replaceOp(op, cast);
    return success();
  }
};

} // namespace

void seqc::tile::populateArithPatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns,
                                       KernelContext &context) {
  MLIRContext *mlirContext = patterns.getContext();
  patterns.add<
      ConvertElementwise, ConvertIndexCast<arith::IndexCastOp, arith::ExtSIOp>,
      ConvertIndexCast<arith::IndexCastUIOp, arith::ExtUIOp>, ConvertSplat,
      ConvertDim, ConvertLoad, ConvertSubview, ConvertMemRefCast>(converter,
                                                                  mlirContext);
  patterns.add<ConvertConstant>(converter, mlirContext, context);
}
