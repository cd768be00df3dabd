//===- ScanParts.cpp - What kernels of scans are made of ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScanParts.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

ArrayRef<int64_t> totile::shapeOf(Value tile) {
  return cast<RankedTensorType>(tile.getType()).getShape();
}

Value totile::exp2Scaled(KernelBuilder &k, Value x, double factor) {
  Value scaled = arith::MulFOp::create(k.b, x, k.constant(shapeOf(x), factor));
  return math::Exp2Op::create(k.b, scaled);
}

/// x / y for y from 1 on, where a reciprocal is as good.
Value totile::divide(KernelBuilder &k, Value x, Value y) {
  return arith::DivFOp::create(k.b, x, y, arith::FastMathFlags::arcp);
}

/// ln(1 + exp(x)) = max(x, 0) + ln(1 + e) with e = exp(-|x|) in (0, 1], where
/// ln(1 + e) = e p(e), to within 4e-8 of it: p is a polynomial through
/// Chebyshev points. It neither overflows nor cancels, is x itself where x >
/// 20, and takes one of the functions that a chip has few units for, not two.
Value totile::buildSoftplus(KernelBuilder &k, Value x) {
  ImplicitLocOpBuilder &b = k.b;
  auto constant = [&](double v) { return k.constant(shapeOf(x), v); };
  Value magnitude = math::AbsFOp::create(b, x);
  Value e = exp2Scaled(k, magnitude, -log2e);
  Value p = constant(0.00510582579925231);
  for (double c :
       {-0.028991956388891578, 0.07738073837855117, -0.13590600235543313,
        0.1907130958348446, -0.2483394545687649, 0.3331793432198915,
        -0.49999435690453886, 0.9999999651599152})
    p = math::FmaOp::create(b, p, e, constant(c));
  Value linear = arith::MaximumFOp::create(b, x, constant(0.0));
  return math::FmaOp::create(b, p, e, linear);
}

/// x / (1 + exp(-x)).
Value totile::buildSilu(KernelBuilder &k, Value x) {
  Value down = exp2Scaled(k, x, -log2e);
  Value one = k.constant(shapeOf(x), 1.0);
  return divide(k, x, arith::AddFOp::create(k.b, down, one));
}

//===----------------------------------------------------------------------===//
// Places in device memory
//===----------------------------------------------------------------------===//

Value totile::addIndex(KernelBuilder &k, Value a, Value b) {
  if (matchPattern(a, m_Zero()))
    return b;
  if (matchPattern(b, m_Zero()))
    return a;
  return arith::AddIOp::create(k.b, a, b);
}

/// Reads dimension `dim` of `slice`, `size` elements of it, at position `at` of
/// its last dimension, in f32.
Value totile::loadColumn(KernelBuilder &k, const Slice &slice, int64_t dim,
                         int64_t size, Value at) {
  auto type = cast<MemRefType>(slice.view.getType());
  SmallVector<Value> offsets(slice.offsets);
  offsets.back() = addIndex(k, offsets.back(), at);
  auto tile = RankedTensorType::get({size}, type.getElementType());
  Value column = tile::LoadOp::create(k.b, tile, slice.view, offsets,
                                      k.b.getDenseI64ArrayAttr({dim}));
  return k.extend(column);
}

/// The view whose dimension `dim` ends at `end`, if that is given.
Value totile::limit(KernelBuilder &k, Value view, int64_t dim, Value end) {
  if (!end)
    return view;
  auto type = cast<MemRefType>(view.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), k.b.getIndexAttr(0));
  SmallVector<OpFoldResult> ones(type.getRank(), k.b.getIndexAttr(1)), sizes;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (i == dim)
      sizes.push_back(end);
    else if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(k.b, view, i).getResult());
    else
      sizes.push_back(k.b.getIndexAttr(type.getDimSize(i)));
  }
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = ShapedType::kDynamic;
  auto limited =
      MemRefType::get(shape, type.getElementType(), type.getLayout());
  return memref::SubViewOp::create(k.b, limited, view, offsets, sizes, ones);
}

/// The view of an output whose channels end at `end`, if that is given.
Value totile::limitChannels(KernelBuilder &k, Value view, Value end) {
  // (..., batch, channels, steps or states), or (batch, channels).
  int64_t rank = cast<MemRefType>(view.getType()).getRank();
  return limit(k, view, std::max<int64_t>(rank - 2, 1), end);
}

/// Whether the last dimension of what `v` is a slice of has a stride of 1.
bool totile::isContiguous(KernelBuilder &k, Value v) {
  std::optional<Slice> slice;
  while (Operation *def = v.getDefiningOp()) {
    slice = k.getSlice(v);
    if (slice ||
        !isa<tensor::ExtractSliceOp, tensor::PadOp, tensor::CastOp>(def))
      break;
    v = def->getOperand(0);
  }
  Value view = slice ? slice->view : k.getView(v);
  SmallVector<int64_t> strides;
  int64_t offset;
  return view &&
         succeeded(cast<MemRefType>(view.getType())
                       .getStridesAndOffset(strides, offset)) &&
         strides.back() == 1;
}

/// Gives the operations of `body` to `convert`, in order.
LogicalResult
totile::convertBody(Block &body,
                    function_ref<LogicalResult(Operation *)> convert) {
  for (Operation &op : body.without_terminator())
    if (failed(convert(&op)))
      return failure();
  return success();
}

/// Reads dimensions `dims` of `slice` as a tile of `shape`, in f32; the steps
/// of the chunk, dimension `time` of the tile, lie inside or end at `count`.
Value totile::loadSteps(KernelBuilder &k, const Slice &slice,
                        ArrayRef<int64_t> dims, ArrayRef<int64_t> shape,
                        int64_t time, Value count) {
  Value view = slice.view;
  DenseI64ArrayAttr inside;
  if (!count)
    inside = k.b.getDenseI64ArrayAttr({time});
  else
    view = limit(k, view, dims[time],
                 addIndex(k, slice.offsets[dims[time]], count));
  auto type = cast<MemRefType>(view.getType());
  auto tile = RankedTensorType::get(shape, type.getElementType());
  return tile::LoadOp::create(k.b, tile, view, slice.offsets,
                              k.b.getDenseI64ArrayAttr(dims), inside);
}

/// Rows and columns of a tile, from `offsets` on.
Value totile::takePart(KernelBuilder &k, Value tile,
                       ArrayRef<OpFoldResult> offsets,
                       ArrayRef<int64_t> shape) {
  SmallVector<OpFoldResult> sizes, ones(shape.size(), k.b.getIndexAttr(1));
  for (int64_t size : shape)
    sizes.push_back(k.b.getIndexAttr(size));
  auto type =
      RankedTensorType::get(shape, getElementTypeOrSelf(tile.getType()));
  return tensor::ExtractSliceOp::create(k.b, type, tile, offsets, sizes, ones);
}

bool totile::varies(Value parameter) {
  return parameter && cast<RankedTensorType>(parameter.getType()).getRank() > 2;
}
