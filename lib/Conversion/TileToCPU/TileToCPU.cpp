//===- TileToCPU.cpp - Kernels as loops over linalg operators -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each tile.launch becomes an scf.forall over its grid with the kernel's body
// inside. Device memory is the launch's tensors as buffers: inputs of any
// strides, outputs new ones. A tile that is loaded gets a buffer of its own, so
// no later store can change it. Every operation of the tile dialect has a
// linalg operator, or a few; elementwise ones become linalg too, here rather
// than upstream, because truth values need care: a buffer of i1 is read as
// bytes by scalar code and as bits by vector code, so tiles of i1 are stored as
// i8.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/TypeSwitch.h"

namespace seqc {
#define GEN_PASS_DEF_CONVERTTILETOCPU
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// Rewrites the body of one launch.
class BodyConverter {
public:
  explicit BodyConverter(scf::ForallOp grid)
      : grid(grid), b(grid.getLoc(), grid.getContext()) {}

  LogicalResult run();

private:
  LogicalResult convert(Operation *op);
  void storeBitsAsBytes();

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value empty(RankedTensorType type) {
    return tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
  }
  Value fill(RankedTensorType type, Value scalar) {
    return linalg::FillOp::create(b, scalar, empty(type)).getResult(0);
  }
  Value zeros(RankedTensorType type) {
    return fill(type, arith::ConstantOp::create(
                          b, b.getZeroAttr(type.getElementType())));
  }
  AffineMap identity(int64_t rank) {
    return AffineMap::getMultiDimIdentityMap(rank, b.getContext());
  }

  using Body = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;
  /// An elementwise operator whose region gets the elements of `inputs`.
  Value elementwise(RankedTensorType type, ValueRange inputs, Body body);
  Value reduce(Value source, ArrayRef<int64_t> dims, RankedTensorType type,
               Value init, Body body);
  Value broadcast(Value source, ArrayRef<int64_t> dims, RankedTensorType type);

  /// The part of a view that a tile of `shape` at `offsets` covers, and what of
  /// the tile that is.
  struct Window {
    Value view; ///< Rank of the tile, its dimensions in order.
    SmallVector<OpFoldResult> low, sizes;
  };
  Window getWindow(Value view, ValueRange offsets, ArrayRef<int64_t> shape,
                   function_ref<int64_t(unsigned)> viewDim);

  Value convertLoad(LoadOp op);
  void convertStore(StoreOp op);
  Value convertGather(GatherOp op);
  Value convertReduce(ReduceKind kind, Value source, ArrayRef<int64_t> dims,
                      RankedTensorType type);
  Value convertAny(AnyOp op);
  Value convertFold(FoldOp op);
  void convertRecurrence(RecurrenceOp op);
  Value convertSumBlocks(SumBlocksOp op);
  Value convertShift(ShiftOp op);
  Value convertContract(ContractOp op);
  Value convertDot(DotOp op);
  void convertUpdateWhere(UpdateWhereOp op);
  Value convertElementwise(Operation *op);

  scf::ForallOp grid;
  ImplicitLocOpBuilder b;
};

} // namespace

//===----------------------------------------------------------------------===//
// Linalg operators
//===----------------------------------------------------------------------===//

Value BodyConverter::elementwise(RankedTensorType type, ValueRange inputs,
                                 Body body) {
  int64_t rank = type.getRank();
  SmallVector<AffineMap> maps(inputs.size() + 1, identity(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, TypeRange{type}, inputs, ValueRange{empty(type)}, maps,
             iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               ImplicitLocOpBuilder nb(loc, nested);
               linalg::YieldOp::create(
                   nb, body(nb, args.take_front(inputs.size())));
             })
      .getResult(0);
}

Value BodyConverter::reduce(Value source, ArrayRef<int64_t> dims,
                            RankedTensorType type, Value init, Body body) {
  return linalg::ReduceOp::create(
             b, ValueRange{source}, ValueRange{fill(type, init)}, dims,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               ImplicitLocOpBuilder nb(loc, nested);
               linalg::YieldOp::create(nb, body(nb, args));
             })
      .getResult(0);
}

Value BodyConverter::broadcast(Value source, ArrayRef<int64_t> dims,
                               RankedTensorType type) {
  return linalg::BroadcastOp::create(b, source, empty(type), dims)
      .getResult()[0];
}

Value BodyConverter::convertElementwise(Operation *op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<Value> tiles;
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      tiles.push_back(operand);
  return elementwise(
      type, tiles, [&](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
        SmallVector<Value> operands;
        unsigned next = 0;
        for (Value operand : op->getOperands())
          operands.push_back(isa<RankedTensorType>(operand.getType())
                                 ? args[next++]
                                 : operand);
        OperationState state(op->getLoc(), op->getName().getIdentifier(),
                             operands, {type.getElementType()}, op->getAttrs());
        return nb.create(state)->getResult(0);
      });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

BodyConverter::Window
BodyConverter::getWindow(Value view, ValueRange offsets,
                         ArrayRef<int64_t> shape,
                         function_ref<int64_t(unsigned)> viewDim) {
  auto type = cast<MemRefType>(view.getType());
  Value zero = index(0);
  SmallVector<std::optional<unsigned>> tileDims(type.getRank());
  for (unsigned i = 0; i < shape.size(); ++i)
    tileDims[viewDim(i)] = i;

  // In dimension d the tile covers [offset, offset + size) of the view; low is
  // what of it lies before 0.
  Window window;
  window.low.resize(shape.size());
  window.sizes.resize(shape.size());
  SmallVector<OpFoldResult> viewOffsets, viewSizes,
      strides(type.getRank(), b.getIndexAttr(1));
  Value isInside;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    Value size = memref::DimOp::create(b, view, d), offset = offsets[d];
    if (tileDims[d]) {
      Value extent = index(shape[*tileDims[d]]);
      Value low = arith::MinSIOp::create(
          b,
          arith::MaxSIOp::create(b, arith::SubIOp::create(b, zero, offset),
                                 zero),
          extent);
      Value high = arith::MinSIOp::create(
          b,
          arith::MaxSIOp::create(b, arith::SubIOp::create(b, size, offset),
                                 low),
          extent);
      window.low[*tileDims[d]] = low;
      window.sizes[*tileDims[d]] =
          arith::SubIOp::create(b, high, low).getResult();
      viewOffsets.push_back(arith::AddIOp::create(b, offset, low).getResult());
      viewSizes.push_back(window.sizes[*tileDims[d]]);
      continue;
    }
    // A single index: inside, or nothing is.
    Value isHere =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, size);
    isInside = isInside ? arith::AndIOp::create(b, isInside, isHere).getResult()
                        : isHere;
    viewOffsets.push_back(offset);
    viewSizes.push_back(b.getIndexAttr(1));
  }
  if (isInside) {
    unsigned first = viewDim(0);
    Value size = arith::SelectOp::create(b, isInside,
                                         cast<Value>(window.sizes[0]), zero);
    window.sizes[0] = size;
    viewSizes[first] = size;
  }
  // Nothing is read where a size is 0, but the start must be there.
  for (auto [d, offset] : llvm::enumerate(viewOffsets)) {
    Value clamped = getValueOrCreateConstantIndexOp(b, b.getLoc(), offset);
    Value size = memref::DimOp::create(b, view, d);
    clamped = arith::MinSIOp::create(
        b, arith::MaxSIOp::create(b, clamped, zero), size);
    offset = clamped;
  }

  SmallVector<int64_t> kept(shape.size(), ShapedType::kDynamic);
  auto reduced = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      kept, type, viewOffsets, viewSizes, strides));
  window.view = memref::SubViewOp::create(b, reduced, view, viewOffsets,
                                          viewSizes, strides);
  // The view's dimensions in the order of the tile's.
  SmallVector<unsigned> order;
  for (auto dim : tileDims)
    if (dim)
      order.push_back(*dim);
  if (!llvm::is_sorted(order)) {
    SmallVector<unsigned> permutation(order.size());
    for (auto [position, dim] : llvm::enumerate(order))
      permutation[dim] = position;
    window.view = memref::TransposeOp::create(
        b, window.view,
        AffineMapAttr::get(
            AffineMap::getPermutationMap(permutation, b.getContext())));
  }
  return window;
}

Value BodyConverter::convertLoad(LoadOp op) {
  RankedTensorType type = op.getType();
  Value buffer = memref::AllocOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType()));
  Value zero =
      arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  linalg::FillOp::create(b, zero, buffer);
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  // The rows in parts, one for each page.
  SmallVector<int64_t> shape(type.getShape());
  int64_t parts = op.getPages().size() + 1;
  shape[0] /= parts;
  for (int64_t i = 0; i < parts; ++i) {
    SmallVector<Value> offsets(op.getOffsets());
    if (i > 0)
      offsets[0] = op.getPages()[i - 1];
    Window window = getWindow(op.getSource(), offsets, shape,
                              [&](unsigned d) { return op.getSourceDim(d); });
    if (i > 0)
      window.low[0] = arith::AddIOp::create(b, cast<Value>(window.low[0]),
                                            index(i * shape[0]))
                          .getResult();
    Value part =
        memref::SubViewOp::create(b, buffer, window.low, window.sizes, strides);
    memref::CopyOp::create(b, window.view, part);
  }
  if (Value rows = op.getRows()) {
    // Those that are not to be read are 0 again.
    Value none = index(0), all = index(type.getDimSize(0));
    rows =
        arith::MinSIOp::create(b, arith::MaxSIOp::create(b, rows, none), all);
    SmallVector<OpFoldResult> starts(type.getRank(), b.getIndexAttr(0)),
        sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape());
    starts[0] = rows;
    sizes[0] = arith::SubIOp::create(b, all, rows).getResult();
    Value rest = memref::SubViewOp::create(b, buffer, starts, sizes, strides);
    linalg::FillOp::create(b, zero, rest);
  }
  return bufferization::ToTensorOp::create(b, type, buffer, /*restrict=*/true,
                                           /*writable=*/true);
}

void BodyConverter::convertStore(StoreOp op) {
  RankedTensorType type = op.getValue().getType();
  Window window = getWindow(op.getDest(), op.getOffsets(), type.getShape(),
                            [&](unsigned i) { return op.getDestDim(i); });
  // A buffer first: what is stored may be read from the same memory.
  Value buffer = memref::AllocOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType()));
  bufferization::MaterializeInDestinationOp::create(
      b, TypeRange(), op.getValue(), buffer, /*restrict=*/true,
      /*writable=*/true);
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  Value part =
      memref::SubViewOp::create(b, buffer, window.low, window.sizes, strides);
  if (!op.getAdd()) {
    memref::CopyOp::create(b, part, window.view);
    return;
  }
  // Blocks may run on several threads.
  SmallVector<Value> lower(type.getRank(), index(0)),
      steps(type.getRank(), index(1)), upper;
  for (OpFoldResult size : window.sizes)
    upper.push_back(getValueOrCreateConstantIndexOp(b, b.getLoc(), size));
  scf::buildLoopNest(
      b, b.getLoc(), lower, upper, steps,
      [&](OpBuilder &nested, Location loc, ValueRange at) {
        Value element = memref::LoadOp::create(nested, loc, part, at);
        memref::AtomicRMWOp::create(nested, loc, element.getType(),
                                    arith::AtomicRMWKind::addf, element,
                                    window.view, at);
      });
}

Value BodyConverter::convertGather(GatherOp op) {
  RankedTensorType type = op.getType();
  Value buffer = memref::AllocOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType()));
  Value zero = index(0), one = index(1);
  SmallVector<Value> lower(type.getRank(), zero), upper,
      steps(type.getRank(), one), last;
  Value hasElements = arith::ConstantOp::create(b, b.getBoolAttr(true));
  for (int64_t size : type.getShape())
    upper.push_back(index(size));
  for (int64_t d = 0; d < op.getSource().getType().getRank(); ++d) {
    Value size = memref::DimOp::create(b, op.getSource(), d);
    Value some =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, size, zero);
    hasElements = arith::AndIOp::create(b, hasElements, some);
    last.push_back(arith::SubIOp::create(b, size, one));
  }
  scf::buildLoopNest(
      b, b.getLoc(), lower, upper, steps,
      [&](OpBuilder &nested, Location loc, ValueRange at) {
        ImplicitLocOpBuilder nb(loc, nested);
        SmallVector<Value> indices;
        for (auto [tile, end] : llvm::zip_equal(op.getIndices(), last)) {
          Value i = tensor::ExtractOp::create(nb, tile, at);
          if (!i.getType().isIndex())
            i = arith::IndexCastOp::create(nb, nb.getIndexType(), i);
          i = arith::MaxSIOp::create(nb, i, zero);
          indices.push_back(arith::MinSIOp::create(nb, i, end));
        }
        // Nothing can be read from a view without elements.
        auto read = scf::IfOp::create(
            nb, hasElements,
            [&](OpBuilder &then, Location thenLoc) {
              Value element = memref::LoadOp::create(then, thenLoc,
                                                     op.getSource(), indices);
              scf::YieldOp::create(then, thenLoc, element);
            },
            [&](OpBuilder &otherwise, Location elseLoc) {
              Value none = arith::ConstantOp::create(
                  otherwise, elseLoc,
                  otherwise.getZeroAttr(type.getElementType()));
              scf::YieldOp::create(otherwise, elseLoc, none);
            });
        Value element = read.getResult(0);
        memref::StoreOp::create(nb, element, buffer, at);
      });
  return bufferization::ToTensorOp::create(b, type, buffer, /*restrict=*/true,
                                           /*writable=*/true);
}

//===----------------------------------------------------------------------===//
// Reductions and products
//===----------------------------------------------------------------------===//

Value BodyConverter::convertReduce(ReduceKind kind, Value source,
                                   ArrayRef<int64_t> dims,
                                   RankedTensorType type) {
  Type element = type.getElementType();
  auto floating = dyn_cast<FloatType>(element);
  TypedAttr init = b.getZeroAttr(element);
  if (kind == ReduceKind::Max) {
    if (floating)
      init =
          FloatAttr::get(floating, APFloat::getInf(floating.getFloatSemantics(),
                                                   /*Negative=*/true));
    else
      init = IntegerAttr::get(
          element,
          APInt::getSignedMinValue(
              element.isIndex() ? 64 : element.getIntOrFloatBitWidth()));
  }
  return reduce(source, dims, type, arith::ConstantOp::create(b, init),
                [&](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                  if (kind == ReduceKind::Add && floating)
                    return arith::AddFOp::create(nb, args[0], args[1]);
                  if (kind == ReduceKind::Add)
                    return arith::AddIOp::create(nb, args[0], args[1]);
                  if (floating)
                    return arith::MaxNumFOp::create(nb, args[0], args[1]);
                  return arith::MaxSIOp::create(nb, args[0], args[1]);
                });
}

Value BodyConverter::convertFold(FoldOp op) {
  RankedTensorType source = op.getSource().getType(), type = op.getType();
  int64_t columns = type.getDimSize(1);
  auto expanded = RankedTensorType::get(
      {source.getDimSize(0), source.getDimSize(1) / columns, columns},
      source.getElementType());
  Value blocks = tensor::ExpandShapeOp::create(
      b, expanded, op.getSource(), ArrayRef<ReassociationIndices>{{0}, {1, 2}});
  return convertReduce(op.getKind(), blocks, {1}, type);
}

/// Products with states of which the lower 13 bits are cut off, and their sums.
Value BodyConverter::convertContract(ContractOp op) {
  RankedTensorType states = op.getStates().getType();
  Value weights = broadcast(op.getWeights(), {0}, states);
  Value products =
      elementwise(states, {op.getStates(), weights},
                  [](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                    Type word = nb.getI32Type();
                    Value bits = arith::BitcastOp::create(nb, word, args[0]);
                    Value mask = arith::ConstantOp::create(
                        nb, nb.getI32IntegerAttr(~int32_t(0x1fff)));
                    bits = arith::AndIOp::create(nb, bits, mask);
                    Value cut =
                        arith::BitcastOp::create(nb, args[0].getType(), bits);
                    return arith::MulFOp::create(nb, cut, args[1]);
                  });
  return convertReduce(ReduceKind::Add, products, {2}, op.getType());
}

/// One element along the dimension after the other.
void BodyConverter::convertRecurrence(RecurrenceOp op) {
  RankedTensorType type = op.getStates().getType(),
                   one = op.getLast().getType();
  int64_t dim = op.getDim(), rank = type.getRank(), size = type.getDimSize(dim);
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), sizes,
      strides(rank, b.getIndexAttr(1));
  for (int64_t extent : type.getShape())
    sizes.push_back(b.getIndexAttr(extent));
  sizes[dim] = b.getIndexAttr(1);
  auto loop = scf::ForOp::create(b, index(0), index(size), index(1),
                                 ValueRange{op.getInit(), empty(type)});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value step = loop.getInductionVar(), now = loop.getRegionIterArg(0),
          states = loop.getRegionIterArg(1);
    if (op.getAdjoint())
      step = arith::SubIOp::create(b, index(size - 1), step);
    offsets[dim] = step;
    auto take = [&](Value tile) -> Value {
      return tensor::ExtractSliceOp::create(b, one, tile, offsets, sizes,
                                            strides);
    };
    auto keep = [&](Value state) {
      states = tensor::InsertSliceOp::create(b, state, states, offsets, sizes,
                                             strides);
    };
    using Args = ValueRange;
    if (op.getAdjoint()) {
      now = elementwise(one, {now, take(op.getTerms())},
                        [](ImplicitLocOpBuilder &nb, Args args) -> Value {
                          return arith::AddFOp::create(nb, args[0], args[1]);
                        });
      keep(now);
      now = elementwise(one, {take(op.getFactors()), now},
                        [](ImplicitLocOpBuilder &nb, Args args) -> Value {
                          return arith::MulFOp::create(nb, args[0], args[1]);
                        });
    } else {
      if (op.getBefore())
        keep(now);
      now = elementwise(one, {take(op.getFactors()), now, take(op.getTerms())},
                        [](ImplicitLocOpBuilder &nb, Args args) -> Value {
                          return math::FmaOp::create(nb, args[0], args[1],
                                                     args[2]);
                        });
      if (!op.getBefore())
        keep(now);
    }
    scf::YieldOp::create(b, ValueRange{now, states});
  }
  op.replaceAllUsesWith(ValueRange{loop.getResult(1), loop.getResult(0)});
  op.erase();
}

/// Blocks of rows become a dimension, which the result has beside the columns.
Value BodyConverter::convertSumBlocks(SumBlocksOp op) {
  RankedTensorType source = op.getSource().getType(), type = op.getType();
  int64_t blocks = op.getNumBlocks(), steps = source.getDimSize(1),
          columns = source.getDimSize(2);
  Type element = source.getElementType();
  auto split = RankedTensorType::get(
      {blocks, source.getDimSize(0) / blocks, steps, columns}, element);
  Value rows = tensor::ExpandShapeOp::create(
      b, split, op.getSource(),
      ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}});
  auto summed = RankedTensorType::get({blocks, steps, columns}, element);
  Value sums = convertReduce(ReduceKind::Add, rows, {1}, summed);
  auto beside = RankedTensorType::get({steps, blocks, columns}, element);
  sums = linalg::TransposeOp::create(b, sums, empty(beside),
                                     ArrayRef<int64_t>{1, 0, 2})
             .getResult()[0];
  return tensor::CollapseShapeOp::create(
      b, type, sums, ArrayRef<ReassociationIndices>{{0}, {1, 2}});
}

Value BodyConverter::convertShift(ShiftOp op) {
  RankedTensorType type = op.getType();
  int64_t by = op.getBy(), block = op.getBlock(), last = type.getRank() - 1;
  Value zero = index(0), end = index(type.getShape().back() - 1);
  return elementwise(
      type, ValueRange(), [&](ImplicitLocOpBuilder &nb, ValueRange) -> Value {
        SmallVector<Value> at;
        for (int64_t d = 0; d <= last; ++d)
          at.push_back(linalg::IndexOp::create(nb, d));
        Value i = at.back();
        auto constant = [&](int64_t value) -> Value {
          return arith::ConstantIndexOp::create(nb, value);
        };
        Value place = arith::RemUIOp::create(nb, i, constant(block));
        Value isNow = arith::CmpIOp::create(nb, arith::CmpIPredicate::sge,
                                            place, constant(by));
        // Both are read, inside of the tile.
        at.back() = arith::MaxSIOp::create(
            nb, arith::SubIOp::create(nb, i, constant(by)), zero);
        Value now = tensor::ExtractOp::create(nb, op.getNow(), at);
        at.back() = arith::MinSIOp::create(
            nb, arith::AddIOp::create(nb, i, constant(block - by)), end);
        Value before = tensor::ExtractOp::create(nb, op.getBefore(), at);
        return arith::SelectOp::create(nb, isNow, now, before);
      });
}

Value BodyConverter::convertDot(DotOp op) {
  // Factors of any type are multiplied as f32, which is exact.
  auto extend = [&](Value tile) -> Value {
    auto type = cast<RankedTensorType>(tile.getType());
    if (type.getElementType().isF32())
      return tile;
    return elementwise(type.clone(b.getF32Type()), tile,
                       [](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                         return arith::ExtFOp::create(nb, nb.getF32Type(),
                                                      args[0]);
                       });
  };
  Value lhs = extend(op.getA()), rhs = extend(op.getB());
  auto transpose = [&](Value tile) -> Value {
    auto type = cast<RankedTensorType>(tile.getType());
    auto transposed = RankedTensorType::get(
        {type.getDimSize(1), type.getDimSize(0)}, type.getElementType());
    return linalg::TransposeOp::create(b, tile, empty(transposed),
                                       ArrayRef<int64_t>{1, 0})
        .getResult()[0];
  };
  if (op.getTransposeA())
    lhs = transpose(lhs);
  if (op.getTransposeB())
    rhs = transpose(rhs);
  return linalg::MatmulOp::create(b, TypeRange{op.getType()},
                                  ValueRange{lhs, rhs}, ValueRange{op.getAcc()})
      .getResult(0);
}

Value BodyConverter::convertAny(AnyOp op) {
  RankedTensorType type = op.getSource().getType();
  Type word = b.getI32Type();
  Value words =
      elementwise(type.clone(word), ValueRange{op.getSource()},
                  [&](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                    return arith::ExtUIOp::create(nb, word, args[0]);
                  });
  Value none = arith::ConstantIntOp::create(b, 0, 32);
  Value some = reduce(words, llvm::to_vector(llvm::seq(type.getRank())),
                      RankedTensorType::get({}, word), none,
                      [](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                        return arith::OrIOp::create(nb, args[0], args[1]);
                      });
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                               tensor::ExtractOp::create(b, some), none);
}

void BodyConverter::convertUpdateWhere(UpdateWhereOp op) {
  // All is computed, and chosen from.
  Block &body = op.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  SmallVector<Value> updated(yield.getOperands());
  // What is inlined is converted next, and the yield erased.
  op->getBlock()->getOperations().splice(op->getIterator(),
                                         body.getOperations());

  // Rows in which the condition holds, groups of rows with one of these.
  int64_t warps = op.getWarps();
  RankedTensorType type = op.getCondition().getType();
  int64_t rows = type.getDimSize(0), blocks = rows / (16 * warps);
  Type word = b.getI32Type();
  auto either = [](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
    return arith::OrIOp::create(nb, args[0], args[1]);
  };
  Value none = arith::ConstantIntOp::create(b, 0, 32);
  Value condition =
      elementwise(type.clone(word), ValueRange{op.getCondition()},
                  [&](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
                    return arith::ExtUIOp::create(nb, word, args[0]);
                  });
  auto rowType = RankedTensorType::get({rows}, word);
  if (type.getRank() == 2)
    condition = reduce(condition, {1}, rowType, none, either);
  auto blockType = RankedTensorType::get({blocks, warps, 16}, word);
  SmallVector<ReassociationIndices> split = {{0, 1, 2}};
  Value group = tensor::ExpandShapeOp::create(b, blockType, condition, split);
  group = reduce(group, {2}, RankedTensorType::get({blocks, warps}, word), none,
                 either);
  group =
      reduce(group, {0}, RankedTensorType::get({warps}, word), none, either);
  group = broadcast(group, {0, 2}, blockType);
  group = tensor::CollapseShapeOp::create(b, rowType, group, split);

  for (auto [value, update, result] :
       llvm::zip_equal(op.getValues(), updated, op.getResults())) {
    auto tile = cast<RankedTensorType>(value.getType());
    Value chosen = group;
    if (tile.getRank() == 2)
      chosen = broadcast(group, {1}, tile.clone(word));
    result.replaceAllUsesWith(elementwise(
        tile, {chosen, update, value},
        [](ImplicitLocOpBuilder &nb, ValueRange args) -> Value {
          Value none = arith::ConstantIntOp::create(nb, 0, 32);
          Value isChosen = arith::CmpIOp::create(nb, arith::CmpIPredicate::ne,
                                                 args[0], none);
          return arith::SelectOp::create(nb, isChosen, args[1], args[2]);
        }));
  }
  op.erase();
}

//===----------------------------------------------------------------------===//
// The body
//===----------------------------------------------------------------------===//

LogicalResult BodyConverter::convert(Operation *op) {
  b.setLoc(op->getLoc());
  b.setInsertionPoint(op);
  Value replacement;
  if (auto load = dyn_cast<LoadOp>(op)) {
    replacement = convertLoad(load);
  } else if (auto store = dyn_cast<StoreOp>(op)) {
    convertStore(store);
  } else if (auto gather = dyn_cast<GatherOp>(op)) {
    replacement = convertGather(gather);
  } else if (auto iota = dyn_cast<IotaOp>(op)) {
    replacement =
        elementwise(iota.getType(), ValueRange(),
                    [&](ImplicitLocOpBuilder &nb, ValueRange) -> Value {
                      Value i = linalg::IndexOp::create(nb, iota.getDim());
                      Type element = iota.getType().getElementType();
                      if (element.isIndex())
                        return i;
                      return arith::IndexCastOp::create(nb, element, i);
                    });
  } else if (auto ramp = dyn_cast<RampOp>(op)) {
    replacement = elementwise(
        ramp.getType(), ValueRange(),
        [&](ImplicitLocOpBuilder &nb, ValueRange) -> Value {
          Value i = linalg::IndexOp::create(nb, ramp.getDim());
          i = arith::IndexCastOp::create(nb, nb.getI32Type(), i);
          i = arith::SIToFPOp::create(nb, nb.getF32Type(), i);
          return math::FmaOp::create(nb, ramp.getStep(), i, ramp.getStart());
        });
  } else if (auto broadcastOp = dyn_cast<BroadcastOp>(op)) {
    replacement =
        broadcast(broadcastOp.getSource(), {int64_t(broadcastOp.getDim())},
                  broadcastOp.getType());
  } else if (auto reduceOp = dyn_cast<ReduceOp>(op)) {
    replacement =
        convertReduce(reduceOp.getKind(), reduceOp.getSource(),
                      {int64_t(reduceOp.getDim())}, reduceOp.getType());
  } else if (auto anyOp = dyn_cast<AnyOp>(op)) {
    replacement = convertAny(anyOp);
  } else if (auto foldOp = dyn_cast<FoldOp>(op)) {
    replacement = convertFold(foldOp);
  } else if (auto dotOp = dyn_cast<DotOp>(op)) {
    replacement = convertDot(dotOp);
  } else if (auto shiftOp = dyn_cast<ShiftOp>(op)) {
    replacement = convertShift(shiftOp);
  } else if (auto contractOp = dyn_cast<ContractOp>(op)) {
    replacement = convertContract(contractOp);
  } else if (auto recurrenceOp = dyn_cast<RecurrenceOp>(op)) {
    convertRecurrence(recurrenceOp);
    return success();
  } else if (auto sumOp = dyn_cast<SumBlocksOp>(op)) {
    replacement = convertSumBlocks(sumOp);
  } else if (auto exchangeOp = dyn_cast<ExchangeOp>(op)) {
    replacement = exchangeOp.getSource();
  } else if (auto convertOp = dyn_cast<ConvertOp>(op)) {
    replacement = convertOp.getSource();
  } else if (auto updateOp = dyn_cast<UpdateWhereOp>(op)) {
    convertUpdateWhere(updateOp);
    return success();
  } else if (isa<YieldOp>(op)) {
    op->erase();
    return success();
  } else if (isa_and_nonnull<TileDialect>(op->getDialect())) {
    return op->emitOpError("is not supported on a CPU: run tile-erase-async "
                           "and tile-erase-layouts first");
  } else if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    replacement = fill(splat.getType(), splat.getInput());
  } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto type = dyn_cast<RankedTensorType>(constant.getType());
    if (!type)
      return success();
    auto value = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!value)
      return op->emitOpError("is not supported in a kernel: a tile of "
                             "constants that differ");
    replacement = fill(
        type, arith::ConstantOp::create(b, value.getSplatValue<TypedAttr>()));
  } else if (auto view = dyn_cast<memref::SubViewOp>(op)) {
    // The source has lost what the kernel knew of its strides.
    auto type = memref::SubViewOp::inferRankReducedResultType(
        view.getType().getShape(), view.getSourceType(), view.getMixedOffsets(),
        view.getMixedSizes(), view.getMixedStrides());
    view.getResult().setType(cast<MemRefType>(type));
    return success();
  } else if (auto castOp = dyn_cast<memref::CastOp>(op)) {
    replacement = castOp.getSource();
  } else if (op->getNumResults() == 1 && op->hasTrait<OpTrait::Elementwise>() &&
             isa<RankedTensorType>(op->getResult(0).getType())) {
    replacement = convertElementwise(op);
  } else {
    return success();
  }
  if (replacement)
    op->getResult(0).replaceAllUsesWith(replacement);
  op->erase();
  return success();
}

/// Tiles of i1 become tiles of i8: 0 or 1.
void BodyConverter::storeBitsAsBytes() {
  auto isBits = [](Type type) {
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped && shaped.getElementType().isInteger(1);
  };
  Type byte = b.getI8Type();
  auto widen = [&](Value value) {
    if (isa<RankedTensorType>(value.getType()) && isBits(value.getType()))
      value.setType(cast<RankedTensorType>(value.getType()).clone(byte));
  };
  auto toBit = [&](Value value) -> Value {
    return arith::TruncIOp::create(b, b.getI1Type(), value);
  };
  auto toByte = [&](Value value) -> Value {
    return arith::ExtUIOp::create(b, byte, value);
  };
  SmallVector<Operation *> ops;
  grid.getBody()->walk<WalkOrder::PreOrder>([&](Operation *op) {
    ops.push_back(op);
    // Fills are replaced, with what is in them.
    return isa<linalg::FillOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  for (Operation *op : ops) {
    b.setLoc(op->getLoc());
    // Regions of linalg operators get and yield elements.
    if (auto generic = dyn_cast<linalg::LinalgOp>(op)) {
      Block &body = generic->getRegion(0).front();
      bool isCopy = isa<linalg::BroadcastOp, linalg::TransposeOp>(op);
      for (OpOperand &operand : op->getOpOperands()) {
        BlockArgument argument =
            operand.getOperandNumber() < body.getNumArguments()
                ? body.getArgument(operand.getOperandNumber())
                : BlockArgument();
        Type type = operand.get().getType();
        bool wasBits = argument && argument.getType().isInteger(1);
        if (!wasBits || !isa<RankedTensorType>(type))
          continue;
        if (isa<linalg::FillOp>(op)) {
          continue;
        }
        argument.setType(byte);
        if (isCopy || argument.use_empty())
          continue;
        b.setInsertionPointToStart(&body);
        SmallVector<OpOperand *> uses;
        for (OpOperand &use : argument.getUses())
          uses.push_back(&use);
        Value bit = toBit(argument);
        for (OpOperand *use : uses)
          use->set(bit);
      }
      if (auto fill = dyn_cast<linalg::FillOp>(op)) {
        if (op->getNumResults() && isBits(op->getResult(0).getType())) {
          b.setInsertionPoint(op);
          Value init = fill.getDpsInits()[0];
          Value wide =
              linalg::FillOp::create(b, toByte(fill.getInputs()[0]), init)
                  .getResult(0);
          fill.getResult(0).replaceAllUsesWith(wide);
          op->erase();
        }
        continue;
      }
      if (!isCopy && op->getNumResults() == 1 &&
          isBits(op->getResult(0).getType())) {
        Operation *yield = body.getTerminator();
        b.setInsertionPoint(yield);
        yield->setOperand(0, toByte(yield->getOperand(0)));
      }
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      if (extract.getType().isInteger(1)) {
        b.setInsertionPointAfter(op);
        extract.getResult().setType(byte);
        Value bit = toBit(extract.getResult());
        extract.getResult().replaceAllUsesExcept(bit, bit.getDefiningOp());
      }
    }
    for (Value result : op->getResults())
      widen(result);
    if (!isa<linalg::LinalgOp>(op))
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (Value argument : block.getArguments())
            widen(argument);
  }
}

LogicalResult BodyConverter::run() {
  SmallVector<Operation *> ops;
  grid.getBody()->walk<WalkOrder::PreOrder>([&](Operation *op) {
    ops.push_back(op);
    // Fills are replaced, with what is in them.
    return isa<linalg::FillOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  for (Operation *op : ops)
    if (failed(convert(op)))
      return failure();
  storeBitsAsBytes();
  return success();
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// A buffer of any strides.
static MemRefType getViewType(RankedTensorType type) {
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  return MemRefType::get(
      type.getShape(), type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

static LogicalResult convertLaunch(LaunchOp launch, SymbolTable &symbols) {
  auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
  if (!kernel)
    return launch.emitOpError("launches ")
           << launch.getKernelAttr() << ", which is not a tile.kernel";
  ImplicitLocOpBuilder b(launch.getLoc(), launch);
  IRMapping mapping;
  Block &body = kernel.getBody().front();
  SmallVector<Value> results;
  for (auto [i, operand] : llvm::enumerate(launch.getInputs())) {
    Value argument = operand;
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
      argument = bufferization::ToBufferOp::create(b, getViewType(type),
                                                   operand, /*read_only=*/true);
    mapping.map(body.getArgument(i), argument);
  }
  for (auto [i, operand] : llvm::enumerate(launch.getOutputs())) {
    auto type = cast<RankedTensorType>(operand.getType());
    SmallVector<Value> sizes;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        sizes.push_back(tensor::DimOp::create(b, operand, d));
    Value buffer = memref::AllocOp::create(
        b, MemRefType::get(type.getShape(), type.getElementType()), sizes);
    if (!operand.getDefiningOp<tensor::EmptyOp>())
      memref::CopyOp::create(
          b,
          bufferization::ToBufferOp::create(b, getViewType(type), operand,
                                            /*read_only=*/true),
          buffer);
    mapping.map(body.getArgument(launch.getInputs().size() + i), buffer);
    results.push_back(buffer);
  }
  SmallVector<OpFoldResult> sizes(launch.getGrid().begin(),
                                  launch.getGrid().end());
  auto grid = scf::ForallOp::create(
      b, sizes, /*outputs=*/ValueRange(), /*mapping=*/std::nullopt,
      [](OpBuilder &nested, Location loc, ValueRange) {
        scf::InParallelOp::create(nested, loc);
      });
  for (unsigned dim = 0; dim < 3; ++dim)
    mapping.map(kernel.getBlockId(dim), grid.getInductionVar(dim));
  b.setInsertionPoint(grid.getTerminator());
  for (Operation &op : body.without_terminator())
    b.clone(op, mapping);
  b.setInsertionPointAfter(grid);
  for (auto [buffer, result] : llvm::zip_equal(results, launch.getResults())) {
    Value tensor = bufferization::ToTensorOp::create(
        b, result.getType(), buffer, /*restrict=*/true, /*writable=*/true);
    result.replaceAllUsesWith(tensor);
  }
  launch.erase();
  return BodyConverter(grid).run();
}

namespace {
struct ConvertTileToCPUPass
    : public seqc::impl::ConvertTileToCPUBase<ConvertTileToCPUPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<LaunchOp> launches;
    getOperation().walk([&](LaunchOp op) { launches.push_back(op); });
    for (LaunchOp launch : launches) {
      if (failed(convertLaunch(launch, symbols)))
        return signalPassFailure();
      ++numLaunches;
    }
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<KernelOp>()))
      kernel.erase();
  }
};
} // namespace
