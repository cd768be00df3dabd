//===- Buffers.cpp - Where buffers live, and which may be written ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCBUFFERIZE
#define GEN_PASS_DEF_SEQCEXPANDRESHAPES
#define GEN_PASS_DEF_SEQCHOISTSCRATCH
#define GEN_PASS_DEF_SEQCPLACESCRATCH
#define GEN_PASS_DEF_SEQCPROTECTARGUMENTS
#define GEN_PASS_DEF_SEQCSERIALIZEINNER
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

static int64_t getBytes(MemRefType type) {
  unsigned bits =
      type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  return type.getNumElements() * ((bits + 7) / 8);
}

/// Whether the buffer or a view of it may outlive the iteration that allocates
/// it, as what a loop or a branch yields: one buffer for all iterations would
/// not do then. Only users that are known to keep nothing are let through.
static bool escapes(Value buffer) {
  return !llvm::all_of(buffer.getUses(), [](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<ViewLikeOpInterface>(user))
      return llvm::none_of(user->getResults(), escapes);
    if (isa<memref::StoreOp>(user))
      return use.getOperandNumber() != 0;
    return isa<linalg::LinalgOp, memref::LoadOp, memref::CopyOp,
               memref::DeallocOp, memref::DimOp, vector::TransferReadOp,
               vector::TransferWriteOp>(user);
  });
}

namespace {
struct PlaceScratchPass
    : public seqc::impl::SeqcPlaceScratchBase<PlaceScratchPass> {
  using Base::Base;

  void runOnOperation() override {
    getOperation()->walk([&](scf::ForallOp forall) {
      if (!forall->getParentOfType<scf::ForallOp>())
        place(forall);
    });
  }

  void place(scf::ForallOp forall) {
    SmallVector<memref::AllocOp> buffers;
    forall.getBody()->walk([&](memref::AllocOp alloc) {
      if (alloc.getType().hasStaticShape() &&
          alloc.getType().getLayout().isIdentity() && !escapes(alloc))
        buffers.push_back(alloc);
    });
    // The small ones first, as long as there is room.
    llvm::stable_sort(buffers, [](memref::AllocOp lhs, memref::AllocOp rhs) {
      return getBytes(lhs.getType()) < getBytes(rhs.getType());
    });
    IRRewriter rewriter(&getContext());
    int64_t used = 0;
    for (memref::AllocOp alloc : buffers) {
      used += getBytes(alloc.getType());
      bool isFreed = false;
      for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
        if (isa<memref::DeallocOp>(user)) {
          rewriter.eraseOp(user);
          isFreed = true;
        }
      if (used > limit) {
        rewriter.moveOpBefore(alloc, forall.getBody(),
                              forall.getBody()->begin());
        rewriter.setInsertionPoint(forall.getTerminator());
        if (isFreed)
          memref::DeallocOp::create(rewriter, alloc.getLoc(), alloc);
        continue;
      }
      rewriter.setInsertionPointToStart(forall.getBody());
      auto placed = memref::AllocaOp::create(rewriter, alloc.getLoc(),
                                             alloc.getType(), ValueRange(),
                                             rewriter.getI64IntegerAttr(64));
      ++numPlaced;
      numBytes += getBytes(alloc.getType());
      rewriter.replaceOp(alloc, placed);
    }
  }
};
} // namespace

namespace {
struct HoistScratchPass
    : public seqc::impl::SeqcHoistScratchBase<HoistScratchPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation()->walk([&](omp::ParallelOp parallel) {
      SmallVector<memref::AllocaOp> buffers;
      SmallVector<memref::AllocaScopeOp> scopes;
      parallel.walk([&](Operation *op) {
        // What belongs to a team inside of this one stays there.
        if (op->getParentOfType<omp::ParallelOp>() != parallel)
          return;
        if (auto alloca = dyn_cast<memref::AllocaOp>(op))
          if (alloca.getType().hasStaticShape())
            buffers.push_back(alloca);
        if (auto scope = dyn_cast<memref::AllocaScopeOp>(op))
          if (scope->getNumResults() == 0)
            scopes.push_back(scope);
      });
      Block &head = parallel.getRegion().front();
      for (memref::AllocaOp alloca : buffers) {
        rewriter.moveOpBefore(alloca, &head, head.begin());
        ++numHoisted;
      }
      for (memref::AllocaScopeOp scope : scopes) {
        // Memory of a dynamic size is still freed with its scope.
        if (scope
                ->walk([](memref::AllocaOp) { return WalkResult::interrupt(); })
                .wasInterrupted())
          continue;
        Block *body = &scope.getBodyRegion().front();
        rewriter.eraseOp(body->getTerminator());
        rewriter.inlineBlockBefore(body, scope);
        rewriter.eraseOp(scope);
      }
    });
  }
};
} // namespace

namespace {
struct SerializeInnerPass
    : public seqc::impl::SeqcSerializeInnerBase<SerializeInnerPass> {
  void runOnOperation() override {
    SmallVector<scf::ForallOp> inner;
    getOperation()->walk([&](scf::ForallOp forall) {
      if (forall->getParentOfType<scf::ForallOp>())
        inner.push_back(forall);
    });
    IRRewriter rewriter(&getContext());
    for (scf::ForallOp forall : inner) {
      if (forall->getNumResults() != 0) {
        forall.emitOpError("can only be made sequential on buffers, but has a "
                           "result of ")
            << forall->getResult(0).getType();
        return signalPassFailure();
      }
      rewriter.setInsertionPoint(forall);
      if (failed(scf::forallToForLoop(rewriter, forall)))
        return signalPassFailure();
      ++numSerialized;
    }
  }
};
} // namespace

namespace {
struct ProtectArgumentsPass
    : public seqc::impl::SeqcProtectArgumentsBase<ProtectArgumentsPass> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func.isPublic())
      return;
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (isa<TensorType>(func.getArgument(i).getType())) {
        func.setArgAttr(i,
                        bufferization::BufferizationDialect::kWritableAttrName,
                        BoolAttr::get(&getContext(), false));
        ++numProtected;
      }
  }
};
} // namespace

/// Rewrites `op` as a reinterpret_cast of its source's base buffer.
static void expandReshape(RewriterBase &b, memref::ExpandShapeOp op) {
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  auto parts = memref::ExtractStridedMetadataOp::create(b, loc, op.getSrc());
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  SmallVector<OpFoldResult> strides(sizes.size());
  AffineExpr d0, d1;
  bindSymbols(b.getContext(), d0, d1);
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    // Row-major within the group, in units of the source's stride.
    OpFoldResult stride = parts.getConstifiedMixedStrides()[dim];
    for (int64_t i : llvm::reverse(group)) {
      strides[i] = stride;
      stride = affine::makeComposedFoldedAffineApply(b, loc, d0 * d1,
                                                     {stride, sizes[i]});
    }
  }
  OpFoldResult offset = parts.getConstifiedMixedOffset();
  // The type is rebuilt, for what is known of the strides now, and cast back.
  SmallVector<int64_t> staticStrides, staticSizes;
  SmallVector<Value> ignored;
  dispatchIndexOpFoldResults(strides, ignored, staticStrides);
  dispatchIndexOpFoldResults(sizes, ignored, staticSizes);
  int64_t staticOffset =
      getConstantIntValue(offset).value_or(ShapedType::kDynamic);
  auto type = MemRefType::get(
      staticSizes, op.getResultType().getElementType(),
      StridedLayoutAttr::get(b.getContext(), staticOffset, staticStrides),
      op.getResultType().getMemorySpace());
  Value cast = memref::ReinterpretCastOp::create(
      b, loc, type, parts.getBaseBuffer(), offset, sizes, strides);
  if (cast.getType() != op.getType())
    cast = memref::CastOp::create(b, loc, op.getType(), cast);
  b.replaceOp(op, cast);
}

namespace {
struct ExpandReshapesPass
    : public seqc::impl::SeqcExpandReshapesBase<ExpandReshapesPass> {
  void runOnOperation() override {
    SmallVector<memref::ExpandShapeOp> ops;
    getOperation()->walk([&](memref::ExpandShapeOp op) {
      MemRefType type = op.getResultType();
      for (const ReassociationIndices &group : op.getReassociationIndices()) {
        int64_t dynamic = llvm::count_if(
            group, [&](int64_t i) { return type.isDynamicDim(i); });
        bool hasZero = llvm::any_of(
            group, [&](int64_t i) { return type.getDimSize(i) == 0; });
        if (dynamic > 1 || (dynamic == 1 && hasZero)) {
          ops.push_back(op);
          return;
        }
      }
    });
    IRRewriter rewriter(&getContext());
    for (memref::ExpandShapeOp op : ops) {
      expandReshape(rewriter, op);
      ++numExpanded;
    }
  }
};
} // namespace

namespace {
struct BufferizePass : public seqc::impl::SeqcBufferizeBase<BufferizePass> {
  void runOnOperation() override {
    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        bufferization::LayoutMapOption::FullyDynamicLayoutMap);
    options.allowReturnAllocsFromLoops = true;
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotModuleBufferize(getOperation(), options,
                                                        state)))
      signalPassFailure();
  }
};
} // namespace
