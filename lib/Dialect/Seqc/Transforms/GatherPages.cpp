//===- GatherPages.cpp - Tiles of paged keys, page by page ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// After tiling, what reads a seqc.paged are slices of slices of it, of one head
// of one batch entry. The rows [j, j + n) of a slice lie in the pages from
// j / P to (j + n - 1) / P; page i has the rows
//
//   [max(j, i P), min(j + n, (i + 1) P))
//
// of them, which one copy brings to their place in the tile. A number that is
// no page has no rows: 0 of page 0. What no page fills stays 0, so the padding
// of a tile is the same zeros.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCGATHERPAGES
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

namespace {

class Gatherer {
public:
  Gatherer(RewriterBase &rewriter, PagedOp op) : rewriter(rewriter), op(op) {}

  /// Replaces what reads `v`, the rows of the view from `offsets` on.
  LogicalResult replaceUsers(Value v, ArrayRef<Fold> offsets);

  int64_t numTiles = 0;

private:
  LogicalResult gather(tensor::ExtractSliceOp slice, ArrayRef<Fold> offsets);
  Value index(Fold fold) {
    return getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), fold);
  }

  RewriterBase &rewriter;
  PagedOp op;
};

} // namespace

LogicalResult Gatherer::replaceUsers(Value v, ArrayRef<Fold> offsets) {
  for (Operation *user : llvm::make_early_inc_range(v.getUsers())) {
    rewriter.setInsertionPoint(user);
    Location loc = user->getLoc();
    if (auto dim = dyn_cast<tensor::DimOp>(user)) {
      std::optional<int64_t> number = dim.getConstantIndex();
      auto slice = v.getDefiningOp<tensor::ExtractSliceOp>();
      if (number && (v == op.getOut() || slice)) {
        Fold size = slice ? slice.getMixedSizes()[*number]
                          : op.getSize(rewriter, loc, *number);
        rewriter.replaceOp(dim, index(size));
        continue;
      }
    }
    if (auto cast = dyn_cast<tensor::CastOp>(user)) {
      if (failed(replaceUsers(cast, offsets)))
        return failure();
      rewriter.eraseOp(cast);
      continue;
    }
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    if (!slice || !slice.hasUnitStride() || slice.getDroppedDims().any())
      return op.emitOpError("is read by '")
             << user->getName()
             << "', expected tiles of attention's key or value only";
    AffineExpr d0, d1;
    bindDims(rewriter.getContext(), d0, d1);
    SmallVector<Fold> inner;
    for (auto [offset, more] : llvm::zip(offsets, slice.getMixedOffsets()))
      inner.push_back(affine::makeComposedFoldedAffineApply(
          rewriter, loc, d0 + d1, {offset, more}));
    // A tile, or one part of several.
    bool isTile = isOneInteger(slice.getMixedSizes()[0]) &&
                  isOneInteger(slice.getMixedSizes()[1]);
    if (failed(isTile ? gather(slice, inner) : replaceUsers(slice, inner)))
      return failure();
    if (!isTile)
      rewriter.eraseOp(slice);
  }
  return success();
}

LogicalResult Gatherer::gather(tensor::ExtractSliceOp slice,
                               ArrayRef<Fold> offsets) {
  for (Operation *user : llvm::make_early_inc_range(slice->getUsers()))
    if (auto dim = dyn_cast<tensor::DimOp>(user))
      if (std::optional<int64_t> number = dim.getConstantIndex())
        rewriter.replaceOp(dim, index(slice.getMixedSizes()[*number]));
  // Zeros around the slice come for free.
  tensor::PadOp pad;
  if (slice->hasOneUse())
    pad = dyn_cast<tensor::PadOp>(*slice->user_begin());
  if (pad && (!pad.getType().hasStaticShape() ||
              !llvm::all_of(pad.getMixedLowPad(), isZeroInteger)))
    pad = nullptr;
  Location loc = slice.getLoc();
  SmallVector<Fold> sizes = slice.getMixedSizes();
  SmallVector<Fold> shape = sizes;
  if (pad)
    shape =
        getAsIndexOpFoldResult(rewriter.getContext(), pad.getType().getShape());
  Type element = slice.getType().getElementType();
  Value none =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  Value empty = tensor::EmptyOp::create(rewriter, loc, shape, element);
  Value tile = linalg::FillOp::create(rewriter, loc, none, empty).getResult(0);

  auto number = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(rewriter, loc, value);
  };
  Value zero = number(0), one = number(1), pageSize = number(op.getPageSize());
  Value start = index(offsets[2]), count = index(sizes[2]);
  Value end = arith::AddIOp::create(rewriter, loc, start, count);
  Value first = arith::DivUIOp::create(rewriter, loc, start, pageSize);
  Value last = arith::CeilDivUIOp::create(rewriter, loc, end, pageSize);
  Value numPages = index(tensor::getMixedSize(rewriter, loc, op.getPages(), 0));
  auto loop = scf::ForOp::create(rewriter, loc, first, last, one, tile);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(loop.getBody());
    Value i = loop.getInductionVar();
    Value page = tensor::ExtractOp::create(rewriter, loc, op.getTable(),
                                           ValueRange{index(offsets[0]), i});
    page = arith::IndexCastOp::create(rewriter, loc, rewriter.getIndexType(),
                                      page);
    Value isPage = arith::CmpIOp::create(
        rewriter, loc, arith::CmpIPredicate::ult, page, numPages);
    page = arith::SelectOp::create(rewriter, loc, isPage, page, zero);
    Value begin = arith::MulIOp::create(rewriter, loc, i, pageSize);
    Value from = arith::MaxSIOp::create(rewriter, loc, start, begin);
    Value to = arith::MinSIOp::create(
        rewriter, loc, end,
        arith::AddIOp::create(rewriter, loc, begin, pageSize));
    Value rows = arith::SubIOp::create(rewriter, loc, to, from);
    rows = arith::SelectOp::create(rewriter, loc, isPage, rows, zero);
    Value row = arith::SubIOp::create(rewriter, loc, from, begin);
    Value place = arith::SubIOp::create(rewriter, loc, from, start);
    Fold unit = rewriter.getIndexAttr(1), none = rewriter.getIndexAttr(0);
    SmallVector<Fold> ones(4, unit), extents = {unit, unit, rows, sizes[3]};
    Value part = tensor::ExtractSliceOp::create(
        rewriter, loc, op.getPages(),
        ArrayRef<Fold>{page, offsets[1], row, offsets[3]}, extents, ones);
    Value next = tensor::InsertSliceOp::create(
        rewriter, loc, part, loop.getRegionIterArgs()[0],
        ArrayRef<Fold>{none, none, place, none}, extents, ones);
    scf::YieldOp::create(rewriter, loc, next);
  }
  Value result = loop.getResult(0);
  Operation *old = pad ? pad.getOperation() : slice.getOperation();
  Type type = old->getResult(0).getType();
  if (result.getType() != type)
    result = tensor::CastOp::create(rewriter, loc, type, result);
  rewriter.replaceOp(old, result);
  if (pad)
    rewriter.eraseOp(slice);
  ++numTiles;
  return success();
}

namespace {
struct GatherPagesPass
    : public seqc::impl::SeqcGatherPagesBase<GatherPagesPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<PagedOp> ops;
    getOperation()->walk([&](PagedOp op) { ops.push_back(op); });
    for (PagedOp op : ops) {
      Gatherer gatherer(rewriter, op);
      SmallVector<Fold> zeros(4, rewriter.getIndexAttr(0));
      if (failed(gatherer.replaceUsers(op.getOut(), zeros)))
        return signalPassFailure();
      rewriter.eraseOp(op);
      numTiles += gatherer.numTiles;
    }
  }
};
} // namespace
