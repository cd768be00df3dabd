//===- PagedOps.cpp - Keys and values in pages ----------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/spec.md has the text of the constraints. The sizes of the view follow
// from its operands, so that a host plan, which has no view, can compute them.
//
//===----------------------------------------------------------------------===//

#include "Constraints.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;

/// The number of positions in a page.
static constexpr int64_t kLeastPageSize = 16, kMostPageSize = 256;

LogicalResult PagedOp::verify() {
  Constraints check(*this);
  MLIRContext *context = getContext();
  constexpr StringLiteral dims =
      "(pages, key/value heads, page size, head_dim)";
  if (failed(check.hasRank(1, "pages", getPages(), 4, dims,
                           getDataTypes(context))))
    return failure();
  RankedTensorType pages = getPages().getType();
  int64_t size = pages.getDimSize(2);
  if (size < kLeastPageSize || size > kMostPageSize ||
      !llvm::isPowerOf2_64(size))
    return check.fail(2) << "pages to have a static page size that is a power "
                            "of two from "
                         << kLeastPageSize << " to " << kMostPageSize
                         << ", but got " << pages;
  if (pages.getDimSize(3) < 1)
    return check.fail(3)
           << "pages to have a static head_dim of at least 1, but got "
           << pages;
  if (failed(check.hasRank(4, "table", getTable(), 2, "(batch, pages of each)",
                           IntegerType::get(context, 32))))
    return failure();
  RankedTensorType table = getTable().getType();
  int64_t most = table.getDimSize(1);
  int64_t length = ShapedType::isDynamic(most) ? most : most * size;
  return check.tensor(
      5, "out", getOut(),
      {table.getDimSize(0), pages.getDimSize(1), length, pages.getDimSize(3)},
      "(batch, key/value heads, pages of each * page size, head_dim)",
      pages.getElementType());
}

OpFoldResult PagedOp::getSize(OpBuilder &builder, Location loc, int64_t dim) {
  RankedTensorType type = getOut().getType();
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  if (dim == 1)
    return tensor::getMixedSize(builder, loc, getPages(), 1);
  OpFoldResult size =
      tensor::getMixedSize(builder, loc, getTable(), dim == 0 ? 0 : 1);
  if (dim == 0)
    return size;
  return arith::MulIOp::create(
             builder, loc, getValueOrCreateConstantIndexOp(builder, loc, size),
             arith::ConstantIndexOp::create(builder, loc, getPageSize()))
      .getResult();
}

LogicalResult
PagedOp::reifyResultShapes(OpBuilder &builder,
                           ReifiedRankedShapedTypeDims &reifiedReturnShapes) {
  SmallVector<OpFoldResult> &sizes = reifiedReturnShapes.emplace_back();
  for (int64_t dim = 0; dim < 4; ++dim)
    sizes.push_back(getSize(builder, getLoc(), dim));
  return success();
}

Value seqc::readKeyLength(OpBuilder &builder, Location loc, Value keyLengths,
                          Value batch, Value keys) {
  Value length =
      tensor::ExtractOp::create(builder, loc, keyLengths, ValueRange(batch));
  length =
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), length);
  // As an unsigned number a negative one is large.
  return arith::MinUIOp::create(builder, loc, length, keys);
}
