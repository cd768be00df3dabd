//===- ScanParts.h - What kernels of scans are made of ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pieces that scans and convolutions have in common: the functions of one
// element (softplus, silu), columns and rows of steps in device memory, and the
// form of the loop that seqc-tile leaves.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOTILE_SCANPARTS_H
#define SEQC_LIB_CONVERSION_SEQCTOTILE_SCANPARTS_H

#include "Decompose.h"

namespace seqc::totile {

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

ArrayRef<int64_t> shapeOf(Value tile);
/// exp2(factor x).
Value exp2Scaled(KernelBuilder &k, Value x, double factor);
/// x / y for y from 1 on.
Value divide(KernelBuilder &k, Value x, Value y);
/// ln(1 + exp(x)).
Value buildSoftplus(KernelBuilder &k, Value x);
/// x / (1 + exp(-x)).
Value buildSilu(KernelBuilder &k, Value x);

//===----------------------------------------------------------------------===//
// Places in device memory
//===----------------------------------------------------------------------===//

/// Where the tile of an output goes.
struct Target {
  Value view;
  SmallVector<Value> offsets;
};

Value addIndex(KernelBuilder &k, Value a, Value b);
/// Whether `parameter` (B or C) is one of each step.
bool varies(Value parameter);
/// Dimension `dim` of `slice` at one position of its last dimension, in f32.
Value loadColumn(KernelBuilder &k, const Slice &slice, int64_t dim,
                 int64_t size, Value at);
/// Dimensions `dims` of `slice` as a tile; its steps end at `count`, if given.
Value loadSteps(KernelBuilder &k, const Slice &slice, ArrayRef<int64_t> dims,
                ArrayRef<int64_t> shape, int64_t time, Value count);
/// A part of a tile.
Value takePart(KernelBuilder &k, Value tile, ArrayRef<OpFoldResult> offsets,
               ArrayRef<int64_t> shape);
/// The view whose dimension `dim` (the channels, last but one) ends at `end`,
/// if given.
Value limit(KernelBuilder &k, Value view, int64_t dim, Value end);
Value limitChannels(KernelBuilder &k, Value view, Value end);
/// Whether the last dimension of what `v` is a slice of has a stride of 1.
bool isContiguous(KernelBuilder &k, Value v);

//===----------------------------------------------------------------------===//
// The loop over chunks
//===----------------------------------------------------------------------===//

/// The loop over chunks, and the operator in it.
template <typename Op>
FailureOr<std::pair<scf::ForOp, Op>> findTile(scf::ForallOp forall) {
  SmallVector<Op> found;
  forall.walk([&](Op op) { found.push_back(op); });
  if (found.size() != 1)
    return forall.emitError("holds ")
           << found.size() << " tiles of " << Op::getOperationName()
           << "; a kernel computes one";
  auto loop = dyn_cast<scf::ForOp>(found[0]->getParentOp());
  if (!loop || loop->getParentOp() != forall)
    return found[0].emitOpError("is not in the loop over chunks that seqc-tile "
                                "makes; no other form becomes a kernel");
  return std::pair(loop, found[0]);
}

/// Gives the operations of `body` to `convert`, in order.
LogicalResult convertBody(Block &body,
                          function_ref<LogicalResult(Operation *)> convert);

} // namespace seqc::totile

#endif // SEQC_LIB_CONVERSION_SEQCTOTILE_SCANPARTS_H
