//===- Unpack.cpp - Reads what blocks added up ----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks that add tiles to one tensor add each thread's elements next to each
// other (`packed`): the order of a tile's elements is that of the threads that
// computed it. Only a load of the same tile by as many threads knows it. So the
// conversion of the sums to the type of the result,
//
//   launch @sums ... -> f32, tiles of packed elements, rows up to a whole tile
//   extract_slice           the rows that there are
//   linalg.generic          truncf
//
// becomes a kernel with a block for each of these tiles.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

bool totile::isRounding(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return false;
  Block &body = op.getRegion().front();
  auto truncation = dyn_cast<arith::TruncFOp>(body.front());
  return truncation && truncation.getIn() == body.getArgument(0) &&
         truncation->getNextNode() == body.getTerminator() &&
         body.getTerminator()->getOperand(0) == truncation;
}

/// Rounds what `store` has added up, tile by tile.
static void createKernel(Value sums, tile::KernelOp kernel, tile::StoreOp store,
                         linalg::GenericOp rounding) {
  ImplicitLocOpBuilder b(rounding.getLoc(), kernel);
  b.setInsertionPointAfter(kernel);
  auto result = cast<RankedTensorType>(rounding.getResult(0).getType());
  auto tileType = cast<RankedTensorType>(store.getValue().getType());
  MemRefType from = store.getDest().getType();
  SmallVector<int64_t> strides(result.getRank(), ShapedType::kDynamic);
  strides.back() = 1;
  auto to = MemRefType::get(
      result.getShape(), result.getElementType(),
      StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides));
  int64_t rows = tileType.getNumElements() / from.getShape().back();

  Type index = b.getIndexType();
  auto name = (kernel.getSymName() + "_round").str();
  auto unpack = tile::KernelOp::create(
      b, b.getStringAttr(name),
      TypeAttr::get(b.getFunctionType({from, to, index, index, index}, {})),
      /*sym_visibility=*/nullptr, /*arg_attrs=*/nullptr, /*res_attrs=*/nullptr,
      b.getI64IntegerAttr(int64_t(kernel.getWarps())));
  Block &body = unpack.getBody().emplaceBlock();
  for (Type type : {Type(from), Type(to), index, index, index})
    body.addArgument(type, b.getLoc());
  b.setInsertionPointToStart(&body);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value row = arith::MulIOp::create(b, body.getArgument(2),
                                    arith::ConstantIndexOp::create(b, rows));
  SmallVector<Value> offsets = {body.getArgument(4), body.getArgument(3), row,
                                zero};
  Value tile = tile::LoadOp::create(
      b, tileType, body.getArgument(0), offsets, /*pages=*/ValueRange(),
      /*rows=*/Value(), store.getDimsAttr(), store.getInsideAttr(),
      /*packed=*/true);
  Value rounded =
      arith::TruncFOp::create(b, tileType.clone(result.getElementType()), tile);
  tile::StoreOp::create(b, rounded, body.getArgument(1), offsets,
                        store.getDimsAttr());
  tile::ReturnOp::create(b);

  b.setInsertionPoint(rounding);
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(b, b.getLoc(), rounding.getDpsInputs()[0]);
  AffineExpr d0;
  bindDims(b.getContext(), d0);
  OpFoldResult blocks = affine::makeComposedFoldedAffineApply(
      b, b.getLoc(), d0.ceilDiv(rows), {sizes[2]});
  SmallVector<Value> grid;
  for (OpFoldResult size : {blocks, sizes[1], sizes[0]})
    grid.push_back(getValueOrCreateConstantIndexOp(b, b.getLoc(), size));
  Value empty = tensor::EmptyOp::create(b, sizes, result.getElementType());
  auto call = tile::LaunchOp::create(b, TypeRange(ValueRange(empty)),
                                     SymbolRefAttr::get(unpack), grid,
                                     ValueRange(sums), ValueRange(empty));
  Value value = call.getResult(0);
  if (value.getType() != result)
    value = tensor::CastOp::create(b, result, value);
  rounding.getResult(0).replaceAllUsesWith(value);
  rounding.erase();
}

LogicalResult totile::unpackResults(func::FuncOp func, ModuleOp module) {
  SymbolTable symbols(module);
  SmallVector<tile::LaunchOp> launches(func.getOps<tile::LaunchOp>());
  for (tile::LaunchOp launch : launches) {
    auto kernel = symbols.lookup<tile::KernelOp>(launch.getKernel());
    if (!kernel)
      continue;
    SmallVector<tile::StoreOp> stores;
    kernel.walk([&](tile::StoreOp store) {
      if (store.getPacked())
        stores.push_back(store);
    });
    for (tile::StoreOp store : stores) {
      auto view = cast<BlockArgument>(store.getDest());
      Value sums =
          launch.getResult(view.getArgNumber() - launch.getInputs().size());
      SmallVector<linalg::GenericOp> roundings;
      SmallVector<Operation *> slices;
      for (Operation *user : sums.getUsers()) {
        if (isa<tensor::DimOp>(user))
          continue;
        auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
        bool isFirst = slice && slice.hasUnitStride() &&
                       slice.getDroppedDims().none() &&
                       llvm::all_of(slice.getMixedOffsets(), isZeroInteger);
        if (!isFirst)
          return user->emitOpError("reads sums of blocks, of type ")
                 << sums.getType()
                 << ", which can only be cut and rounded to a narrower type";
        slices.push_back(slice);
        for (Operation *reader : slice->getUsers()) {
          if (isa<tensor::DimOp>(reader))
            continue;
          auto rounding = dyn_cast<linalg::GenericOp>(reader);
          if (!rounding || !isRounding(rounding))
            return reader->emitOpError("reads sums of blocks, of type ")
                   << slice.getType()
                   << ", which can only be rounded to a narrower type";
          roundings.push_back(rounding);
        }
      }
      for (linalg::GenericOp rounding : roundings)
        createKernel(sums, kernel, store, rounding);
      for (Operation *slice : slices)
        if (slice->use_empty())
          slice->erase();
    }
  }
  return success();
}
