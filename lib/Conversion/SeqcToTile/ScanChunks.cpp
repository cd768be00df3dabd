//===- ScanChunks.cpp - Kernels over chunks of a scan ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScanChunks.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// The slice that `v` is, padded or not.
tensor::ExtractSliceOp totile::findSlice(Value v) {
  while (Operation *def = v.getDefiningOp()) {
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(def))
      return slice;
    if (!isa<tensor::PadOp, tensor::CastOp>(def))
      break;
    v = def->getOperand(0);
  }
  return nullptr;
}

Value totile::exchange(KernelBuilder &k, Value tile) {
  return tile::ExchangeOp::create(k.b, tile.getType(), tile);
}

LogicalResult ChunkKernel::buildBody(function_ref<LogicalResult()> buildLoop) {
  k.bindGrid(/*longestFirst=*/false);
  moveLoopInvariantCode(cast<LoopLikeOpInterface>(loop.getOperation()));
  auto own = [&](Operation *other) -> LogicalResult {
    if (other != loop)
      return k.convert(other);
    // A tile at the end of a group is cut there, unless that is the end of all
    // channels, where the view ends.
    if (forall->hasAttr(kGroupsAttr))
      if (auto rows = findSlice(u))
        channelEnd = addIndex(k, k.scalar(rows.getMixedOffsets()[1]),
                              k.scalar(rows.getMixedSizes()[1]));
    return buildLoop();
  };
  return convertBody(*forall.getBody(), own);
}

LogicalResult ChunkKernel::buildChunk(Value number,
                                      function_ref<LogicalResult()> build) {
  k.setScalar(loop.getInductionVar(), number);
  bool past = false;
  llvm::SmallPtrSet<Operation *, 4> ofState;
  auto own = [&](Operation *other) -> LogicalResult {
    if (other == op) {
      past = true;
      return build();
    }
    // What follows inserts the chunk's outputs, which have been written.
    if (past)
      return success();
    // The stored state of one chunk, which has a dimension less.
    auto slice = dyn_cast<tensor::ExtractSliceOp>(other);
    if (slice && slice.getDroppedDims().any()) {
      ofState.insert(other);
      return success();
    }
    if (isa<tensor::PadOp, tensor::CastOp>(other))
      if (Operation *source = other->getOperand(0).getDefiningOp();
          source && ofState.contains(source)) {
        ofState.insert(other);
        return success();
      }
    return k.convert(other);
  };
  return convertBody(*loop.getBody(), own);
}

LogicalResult ChunkKernel::loadMatrix(Value v, Value &tile) {
  auto slice = k.getFill(v) ? std::nullopt : k.getSlice(v);
  if (slice && channelEnd) {
    // Channels of the next group must not take part in sums.
    auto type = cast<MemRefType>(slice->view.getType());
    Value view = limit(k, slice->view, type.getRank() - 2, channelEnd);
    auto tileType =
        RankedTensorType::get({channels, padded}, type.getElementType());
    tile = tile::LoadOp::create(b, tileType, view, slice->offsets,
                                /*dims=*/nullptr);
  } else {
    tile = k.getTile(v, {channels, padded});
  }
  if (!tile)
    return fail(v);
  tile = k.extend(tile);
  return success();
}

LogicalResult ChunkKernel::loadVector(Value v, Value &tile) {
  tile = k.getTile(v, {channels});
  if (!tile)
    return fail(v);
  tile = k.extend(tile);
  return success();
}

LogicalResult ChunkKernel::loadRows(Value v, Value count, Value &tile) {
  auto slice = k.getSlice(v);
  if (!slice)
    return fail(v);
  slice->view = limitChannels(k, slice->view, channelEnd);
  tile = k.extend(loadSteps(k, *slice, {1, 2}, {channels, steps}, 1, count));
  return success();
}

LogicalResult ChunkKernel::loadStates(Value v, Value count, Value &tile) {
  auto slice = k.getSlice(v);
  if (!slice)
    return fail(v);
  int64_t rank = cast<MemRefType>(slice->view.getType()).getRank();
  tile = k.extend(
      loadSteps(k, *slice, {rank - 1, rank - 2}, {steps, padded}, 0, count));
  return success();
}

/// delta and its bias: what softplus is applied to.
Value ChunkKernel::buildExponent(Value delta, Value bias) {
  return bias ? add(delta, k.broadcast(bias, 1, steps)) : delta;
}

Value ChunkKernel::cut(Value rows, Value count) {
  if (!count)
    return rows;
  Type i32 = b.getI32Type();
  Value at = k.positions(k.index(0), steps, i32);
  Value end = k.splat(arith::IndexCastOp::create(b, i32, count), {steps});
  Value isStep = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, end);
  return arith::SelectOp::create(b, k.broadcast(isStep, 0, channels), rows,
                                 k.constant({channels, steps}, 0.0));
}

void ChunkKernel::store(Value tile, Value view, ArrayRef<Value> offsets,
                        ArrayRef<int64_t> dims, ArrayRef<int64_t> inside) {
  tile::StoreOp::create(
      b, tile, view, offsets,
      dims.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(dims),
      inside.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(inside));
}

/// Writes what the loop has summed.
LogicalResult ChunkKernel::storeSums() {
  for (Operation &yielded : forall.getTerminator().getYieldingOps()) {
    auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
    // Chunks have written their parts.
    if (insert.getSource().getDefiningOp() == loop)
      continue;
    Value tile = k.getTile(insert.getSource());
    Value view = k.getView(insert.getDest());
    if (!tile || !view)
      return insert.emitOpError("inserts no gradient of the scan");
    SmallVector<Value> offsets = llvm::map_to_vector(
        insert.getMixedOffsets(), [&](OpFoldResult o) { return k.scalar(o); });
    store(tile, limitChannels(k, view, channelEnd), offsets);
  }
  return success();
}
