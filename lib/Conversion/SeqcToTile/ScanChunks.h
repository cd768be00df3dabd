//===- ScanChunks.h - Kernels over chunks of a scan ------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the kernels of a scan's backward share: a loop over chunks whose body is
// taken in around one operator, and tiles of what a chunk reads.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOTILE_SCANCHUNKS_H
#define SEQC_LIB_CONVERSION_SEQCTOTILE_SCANCHUNKS_H

#include "ScanParts.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace seqc::totile {

/// Marks the grid of a scan whose channels are in groups.
inline constexpr llvm::StringLiteral kGroupsAttr = "seqc.groups";

/// The slice that `v` is, padded or not.
tensor::ExtractSliceOp findSlice(Value v);

/// `tile` in another layout.
Value exchange(KernelBuilder &k, Value tile);

/// What the kernels share.
class ChunkKernel {
public:
  ChunkKernel(KernelBuilder &k, scf::ForallOp forall, scf::ForOp loop,
              Operation *op, Value u, Value A)
      : k(k), b(k.b), forall(forall), loop(loop), op(op), u(u) {
    auto shape = cast<RankedTensorType>(u.getType()).getShape();
    channels = shape[1];
    steps = shape[2];
    depth = cast<RankedTensorType>(A.getType()).getDimSize(1);
    padded = llvm::PowerOf2Ceil(depth);
  }

protected:
  /// Goes through the body of the forall; `buildLoop` stands for the loop.
  LogicalResult buildBody(function_ref<LogicalResult()> buildLoop);
  /// Takes the body of the loop in, for iteration `number`, up to the operator,
  /// for which `build` stands.
  LogicalResult buildChunk(Value number, function_ref<LogicalResult()> build);

  LogicalResult fail(Value v) {
    return op->emitOpError("reads a ")
           << v.getType() << " that is not a slice of device memory";
  }
  /// channels x d_state, one for each channel, channels x steps, steps x
  /// d_state.
  LogicalResult loadMatrix(Value v, Value &tile);
  LogicalResult loadVector(Value v, Value &tile);
  LogicalResult loadRows(Value v, Value count, Value &tile);
  LogicalResult loadStates(Value v, Value count, Value &tile);

  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  /// channels x steps, or one for each channel, as channels x steps x d_state.
  Value overStates(Value rows) { return k.broadcast(rows, 2, padded); }
  Value overSteps(Value matrix) { return k.broadcast(matrix, 1, steps); }
  Value overChannels(Value states) { return k.broadcast(states, 0, channels); }

  Value buildExponent(Value delta, Value bias);
  /// `rows`, and 0 from step `count` on, if that is given.
  Value cut(Value rows, Value count);
  void store(Value tile, Value view, ArrayRef<Value> offsets,
             ArrayRef<int64_t> dims = {}, ArrayRef<int64_t> inside = {});
  /// Writes what the loop has left to where the forall inserts it.
  LogicalResult storeSums();

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  scf::ForallOp forall;
  scf::ForOp loop;
  Operation *op;
  Value u;
  int64_t channels, steps, depth, padded;
  Value channelEnd; // Where the channels of the group end; null for the view.
};

/// The kernel of a part's share of the gradient of the state before it
/// (DecomposeScanAdjoint.cpp).
LogicalResult decomposeScanAdjoint(KernelBuilder &k, scf::ForallOp forall,
                                   scf::ForOp loop, ChunkScanBackwardOp op);

} // namespace seqc::totile

#endif // SEQC_LIB_CONVERSION_SEQCTOTILE_SCANCHUNKS_H
