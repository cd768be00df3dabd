//===- SeqcToTile.cpp - Tiled operators -> kernels and launches -----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every scf.forall that seqc-tile made becomes one kernel and its launch. What
// is left of the function then is what a host plan can say: sizes, index
// arithmetic, uninitialised tensors, launches. Everything else is an error that
// names the operation.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace seqc {
#define GEN_PASS_DEF_CONVERTSEQCTOTILE
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

int64_t totile::getNumWarps(ScheduleAttr schedule, int64_t rows) {
  if (schedule && schedule.getWarps())
    return schedule.getWarps();
  if (rows < 64)
    return std::max<int64_t>(rows / 16, 1);
  return rows <= 128 ? 4 : 8;
}

/// Moves what does not change in a loop out of it. This includes elements of
/// views, which nothing in a kernel both reads and writes, if the view is known
/// to have any.
static void hoistInvariants(LoopLikeOpInterface loop) {
  auto isLoad = [](Operation *op) {
    auto load = dyn_cast<memref::LoadOp>(op);
    return load && isa<BlockArgument>(load.getMemRef()) &&
           load.getMemRefType().hasStaticShape() &&
           load.getMemRefType().getNumElements() > 0;
  };
  moveLoopInvariantCode(
      loop.getLoopRegions(),
      [&](Value v, Region *) { return loop.isDefinedOutsideOfLoop(v); },
      [&](Operation *op, Region *) {
        return (isMemoryEffectFree(op) && isSpeculatable(op)) || isLoad(op);
      },
      [&](Operation *op, Region *) { loop.moveOutOfLoop(op); });
}

/// The tensor of the function that `v` is a part of.
static Value getSource(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (!isa<tensor::ExtractSliceOp, tensor::PadOp, tensor::CastOp>(op))
      break;
    v = op->getOperand(0);
  }
  return v;
}

/// Whether a chunk of a scan stands in a loop that keeps the states before
/// chunks.
static bool storesStates(Operation *scan) {
  auto loop = scan ? dyn_cast<scf::ForOp>(scan->getParentOp()) : scf::ForOp();
  if (!loop || cast<ChunkScanOp>(scan).getOutInit())
    return false;
  auto kept = dyn_cast<RankedTensorType>(loop.getInitArgs()[0].getType());
  return kept && kept.getRank() == 4;
}

/// Asks no tensor for its size that no launch makes: one that is filled has
/// that of what it fills. Of packed heads the batch and the head dimension are
/// those of what they pack; the others are static. Those of what lies in pages
/// follow from the table and the pages.
static void resolveSizes(func::FuncOp func) {
  OpBuilder builder(func.getContext());
  func.walk([&](tensor::DimOp dim) {
    auto paged = dim.getSource().getDefiningOp<PagedOp>();
    if (auto number = dim.getConstantIndex(); paged && number) {
      builder.setInsertionPoint(dim);
      Value size = getValueOrCreateConstantIndexOp(
          builder, dim.getLoc(), paged.getSize(builder, dim.getLoc(), *number));
      dim.replaceAllUsesWith(size);
      dim.erase();
      return;
    }
    while (auto fill = dim.getSource().getDefiningOp<linalg::FillOp>())
      dim.getSourceMutable().assign(fill.getOutputs()[0]);
    int64_t group, queries;
    auto number = dim.getConstantIndex();
    Value source = getPackedSource(dim.getSource(), group, queries);
    if (source && number && (*number == 0 || *number == 3))
      dim.getSourceMutable().assign(source);
  });
}

namespace {
struct ConvertSeqcToTilePass
    : public seqc::impl::ConvertSeqcToTileBase<ConvertSeqcToTilePass> {
  using Base::Base;

  void runOnOperation() override {
    for (auto func :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (func.isExternal())
        continue;
      resolveSizes(func);
      SmallVector<scf::ForallOp> loops(func.getOps<scf::ForallOp>());
      for (auto [i, loop] : llvm::enumerate(loops))
        if (failed(outline(func, loop, i)))
          return signalPassFailure();
      eraseDead(func);
      if (failed(unpackResults(func, getOperation())))
        return signalPassFailure();
      // What is left that computes elements.
      if (failed(tileLinalg(func)))
        return signalPassFailure();
      unsigned first = loops.size();
      loops.assign(func.getOps<scf::ForallOp>().begin(),
                   func.getOps<scf::ForallOp>().end());
      for (auto [i, loop] : llvm::enumerate(loops))
        if (failed(outline(func, loop, first + i)))
          return signalPassFailure();
      eraseDead(func);
      if (failed(verifyHost(func)))
        return signalPassFailure();
    }
  }

  LogicalResult outline(func::FuncOp func, scf::ForallOp loop, unsigned number);
  void eraseDead(func::FuncOp func);
  LogicalResult verifyHost(func::FuncOp func);
};
} // namespace

LogicalResult ConvertSeqcToTilePass::outline(func::FuncOp func,
                                             scf::ForallOp loop,
                                             unsigned number) {
  Operation *scan = nullptr, *conv = nullptr, *attention = nullptr,
            *finish = nullptr, *merge = nullptr, *prefix = nullptr,
            *scanBackward = nullptr, *convBackward = nullptr;
  BlockAttentionBackwardOp backward;
  ScheduleAttr schedule;
  // What products read is copied in rows. Segments of keys are read for each
  // tile, at addresses that then are constants apart.
  llvm::SmallDenseSet<Value> dense;
  WalkResult walk = loop.walk([&](Operation *op) {
    if (op != loop && op->hasAttr("seqc.grid")) {
      op->emitOpError("inside of another is not supported on GPUs: the "
                      "reduction of an operator cannot be split there yet");
      return WalkResult::interrupt();
    }
    if (auto o = dyn_cast<OnlineAttentionOp>(op)) {
      attention = op;
      for (Value operand : {o.getQuery(), o.getKey(), o.getValue()})
        dense.insert(getSource(operand));
      if (Value segments = o.getKeySegments())
        dense.insert(getSource(segments));
    } else if (auto o = dyn_cast<BlockAttentionBackwardOp>(op)) {
      backward = o;
      for (Value operand :
           {o.getQuery(), o.getKey(), o.getValue(), o.getOutGrad()})
        dense.insert(getSource(operand));
      if (Value segments =
              o.hasKeyRows() ? o.getQuerySegments() : o.getKeySegments())
        dense.insert(getSource(segments));
    } else if (auto o = dyn_cast<SoftmaxMergeOp>(op)) {
      merge = op;
      // The states of parts are another kernel's, as a rule.
      if (Value acc = getSource(o.getPartAcc()); !isa<BlockArgument>(acc))
        dense.insert(acc);
    } else if (isa<ScanPrefixOp>(op)) {
      prefix = op;
    } else if (isa<SoftmaxFinishOp>(op)) {
      finish = op;
    } else if (isa<ChunkScanOp>(op)) {
      scan = op;
      auto o = cast<ChunkScanOp>(op);
      // Code for rows that are aligned reads whole vectors of steps and states.
      if (aligned)
        for (Value operand :
             {o.getU(), o.getDelta(), o.getA(), o.getB(), o.getC(), o.getZ()})
          if (operand)
            dense.insert(getSource(operand));
      if (auto chunks = dyn_cast<scf::ForOp>(op->getParentOp());
          aligned && chunks)
        for (Value state : chunks.getInitArgs())
          dense.insert(getSource(state));
    } else if (auto o = dyn_cast<ChunkScanBackwardOp>(op)) {
      scanBackward = op;
      // The states between chunks are the first kernel's.
      dense.insert(getSource(o.getState()));
      if (aligned)
        for (Value operand : {o.getU(), o.getDelta(), o.getA(), o.getB(),
                              o.getC(), o.getZ(), o.getOutGrad()})
          if (operand)
            dense.insert(getSource(operand));
    } else if (auto o = dyn_cast<ChunkConv1dBackwardOp>(op)) {
      convBackward = op;
      if (aligned)
        for (Value operand : {o.getX(), o.getOutGrad()})
          dense.insert(getSource(operand));
    } else if (isa<CausalConv1dOp>(op)) {
      conv = op;
      if (aligned)
        dense.insert(getSource(cast<CausalConv1dOp>(op).getX()));
    } else {
      return WalkResult::advance();
    }
    if (auto attr = op->getAttrOfType<ScheduleAttr>("schedule"))
      schedule = attr;
    return failed(verifyElementTypes(op)) ? WalkResult::interrupt()
                                          : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  bool isAttention = attention || finish;
  // A merge has its end with it.
  if (merge)
    isAttention = false;
  int families = isAttention + bool(scan) + bool(conv) + bool(merge) +
                 bool(prefix) + bool(backward) + bool(scanBackward) +
                 bool(convBackward);
  bool isLinalg =
      families == 0 &&
      llvm::hasSingleElement(loop.getBody()->getOps<linalg::GenericOp>());
  // Only of the loops that were made for this is it known that they write all
  // of their results.
  if (!loop->hasAttr("seqc.grid") || families + isLinalg != 1)
    return success(); // verifyHost names it.

  int64_t rows = 64;
  if (attention)
    rows =
        cast<OnlineAttentionOp>(attention).getQuery().getType().getDimSize(2);
  else if (finish)
    rows = cast<SoftmaxFinishOp>(finish).getAcc().getType().getDimSize(2);
  else if (backward)
    rows = (backward.hasKeyRows() ? backward.getKey() : backward.getQuery())
               .getType()
               .getDimSize(2);
  std::string name = (func.getName() + "_" + Twine(number)).str();
  KernelBuilder k(loop, name, [&](Value v) { return dense.contains(v); });
  k.kernel.setWarps(merge ? 1 : getNumWarps(schedule, rows));
  if (schedule) {
    k.kernel->setAttr("schedule", schedule);
    if (schedule.getStages())
      k.kernel->setAttr("tile.stages",
                        k.b.getI64IntegerAttr(schedule.getStages()));
  }
  SymbolTable symbols(getOperation());
  if (Operation *other = symbols.lookup(name); other && other != k.kernel)
    if (failed(symbols.renameToUnique(k.kernel, {})))
      return k.kernel.emitError("has no name of its own");

  LogicalResult done = isAttention    ? decomposeAttention(k, loop)
                       : backward     ? decomposeAttentionBackward(k, loop)
                       : convBackward ? decomposeConvBackward(k, loop)
                       : scanBackward ? decomposeScanBackward(k, loop)
                       : storesStates(scan) ? decomposeScanStates(k, loop)
                       : scan               ? decomposeScan(k, loop)
                       : conv               ? decomposeConv(k, loop)
                       : merge              ? decomposeMerge(k, loop)
                       : prefix             ? decomposePrefix(k, loop)
                                            : decomposeLinalg(k, loop);
  if (failed(done))
    return failure();
  k.finish();
  k.kernel.walk([](LoopLikeOpInterface inner) { hoistInvariants(inner); });
  ++numKernels;
  return success();
}

/// Erases what only the outlined loops used.
void ConvertSeqcToTilePass::eraseDead(func::FuncOp func) {
  func.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
    if (isOpTriviallyDead(op))
      op->erase();
  });
}

LogicalResult ConvertSeqcToTilePass::verifyHost(func::FuncOp func) {
  auto isInteger = [](Type type) { return type.isIntOrIndex(); };
  for (Operation &op : func.getOps()) {
    bool isHost = isa<tile::LaunchOp, func::ReturnOp, tensor::DimOp,
                      tensor::EmptyOp, tensor::CastOp, affine::AffineApplyOp,
                      affine::AffineMinOp, affine::AffineMaxOp>(op) ||
                  (op.hasTrait<OpTrait::ConstantLike>() &&
                   op.getResult(0).getType().isIntOrIndexOrFloat()) ||
                  (isa<arith::ArithDialect>(op.getDialect()) &&
                   llvm::all_of(op.getOperandTypes(), isInteger) &&
                   llvm::all_of(op.getResultTypes(), isInteger));
    if (!isHost && isa<SeqcDialect>(op.getDialect()))
      return op.emitOpError("is not supported on target ")
             << chip << " yet: it is compiled for the target cpu only";
    if (!isHost)
      return op.emitOpError("is not supported on target ")
             << chip
             << " yet: only functions of seqc operators compile for the GPU";
  }
  return success();
}
