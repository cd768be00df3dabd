//===- TileMerge.cpp - Rows of a merge, and their end ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The second half of Flash-Decoding. One tile is one row with all of its parts,
// and the softmax_finish that takes its state. The merge may be of packed heads
// (seqc-pack-heads): then row (h, i) of the finish is
//
//   head h div G, row (h mod G) S + i
//
// of the merge, and no tensor is reshaped.
//
//===----------------------------------------------------------------------===//

#include "TilePrefix.h"
#include "Tiler.h"

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCTILEMERGE
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {

/// What takes the results of a merge.
struct Consumer {
  SoftmaxFinishOp finish;
  /// Heads and queries that the rows of the merge are, if it is packed.
  int64_t group = 1, queries = 0;
};

} // namespace

/// The value that `v` unpacks, (B, H, G S, ...) -> (B, H G, S, ...), with G and
/// S; or `v` itself, with G = 1.
static Value getPacked(Value v, int64_t &group, int64_t &queries) {
  group = 1;
  auto collapse = v.getDefiningOp<tensor::CollapseShapeOp>();
  auto expand = collapse
                    ? collapse.getSrc().getDefiningOp<tensor::ExpandShapeOp>()
                    : tensor::ExpandShapeOp();
  if (!expand)
    return v;
  auto outer = collapse.getReassociationIndices(),
       inner = expand.getReassociationIndices();
  ArrayRef<int64_t> shape = expand.getResultType().getShape();
  if (outer.size() < 3 || inner.size() != outer.size() ||
      outer[1] != ReassociationIndices({1, 2}) ||
      inner[2] != ReassociationIndices({2, 3}) ||
      ShapedType::isDynamic(shape[2]) || ShapedType::isDynamic(shape[3]))
    return v;
  group = shape[2];
  queries = shape[3];
  return expand.getSrc();
}

/// The finish that takes all results of `merge` and nothing else does.
static std::optional<Consumer> getConsumer(SoftmaxMergeOp merge) {
  SmallVector<SoftmaxFinishOp> finishes;
  merge->getParentRegion()->walk([&](SoftmaxFinishOp finish) {
    if (finish->getBlock() == merge->getBlock())
      finishes.push_back(finish);
  });
  for (SoftmaxFinishOp finish : finishes) {
    Consumer consumer{finish};
    SmallVector<Value> values = {finish.getMax(), finish.getSum(),
                                 finish.getAcc()};
    bool isAll = true;
    for (auto [value, result] : llvm::zip(values, merge.getResults())) {
      int64_t group, queries = 0;
      Value packed = getPacked(value, group, queries);
      isAll &= packed == result && result.hasOneUse();
      consumer.group = group;
      consumer.queries = queries;
    }
    if (isAll)
      return consumer;
  }
  return std::nullopt;
}

static void tileMerge(RewriterBase &b, SoftmaxMergeOp merge) {
  std::optional<Consumer> consumer = getConsumer(merge);
  SoftmaxFinishOp finish = consumer ? consumer->finish : SoftmaxFinishOp();
  Operation *root = finish ? finish.getOperation() : merge.getOperation();
  Location loc = merge.getLoc();
  b.setInsertionPoint(root);
  Tiler t(b, loc);
  SmallVector<Value> outs =
      llvm::to_vector(cast<DestinationStyleOpInterface>(root).getDpsInits());
  // The destinations, since what comes in may be a reshape that goes away.
  Value rows = outs[0];
  Fold one = t.attr(1), zero = t.attr(0);
  auto forall = scf::ForallOp::create(
      b, loc, ArrayRef<Fold>{zero, zero, zero},
      ArrayRef<Fold>{t.dim(rows, 0), t.dim(rows, 1), t.dim(rows, 2)},
      ArrayRef<Fold>{one, one, one}, outs, /*mapping=*/std::nullopt);
  forall->setAttr("seqc.grid", b.getUnitAttr());
  b.setInsertionPoint(forall.getTerminator());
  SmallVector<Fold> offsets = llvm::map_to_vector(
      forall.getInductionVars(), [](Value v) { return Fold(v); });
  SmallVector<Fold> from = offsets, sizes(3, one);
  if (finish && consumer->group > 1) {
    Value group = t.constant(consumer->group);
    Value head = t.index(offsets[1]);
    from[1] = arith::DivUIOp::create(b, loc, head, group).getResult();
    Value first = arith::RemUIOp::create(b, loc, head, group);
    first = arith::MulIOp::create(b, loc, first, t.constant(consumer->queries));
    from[2] =
        arith::AddIOp::create(b, loc, first, t.index(offsets[2])).getResult();
  }
  int64_t depth = merge.getPartAcc().getType().getDimSize(4);
  FailureOr<TilingResult> tiled = merge.getTiledImplementation(b, from, sizes);
  auto row = cast<SoftmaxMergeOp>(tiled->tiledOps.front());
  b.setInsertionPoint(row);
  SmallVector<int64_t> rowShape = {1, 1, 1}, accShape = {1, 1, 1, depth};
  SmallVector<Fold> accFrom = from, accSizes = sizes;
  accFrom.push_back(zero);
  accSizes.push_back(t.attr(depth));
  row.getMaxInitMutable().assign(
      t.initialTile(merge.getMaxInit(), from, sizes, rowShape));
  row.getSumInitMutable().assign(
      t.initialTile(merge.getSumInit(), from, sizes, rowShape));
  row.getAccInitMutable().assign(
      t.initialTile(merge.getAccInit(), accFrom, accSizes, accShape));
  for (auto [result, init] : llvm::zip(row.getResults(), row.getDpsInits()))
    result.setType(init.getType());
  b.setInsertionPointAfter(row);

  SmallVector<Value> results = llvm::to_vector_of<Value>(row.getResults());
  if (finish) {
    auto element = getElementTypeOrSelf(finish.getOut().getType());
    Value outInit = tensor::EmptyOp::create(b, loc, accShape, element);
    Value lseInit;
    SmallVector<Type> types = {outInit.getType()};
    if (finish.getLse()) {
      lseInit = tensor::EmptyOp::create(
          b, loc, rowShape, getElementTypeOrSelf(finish.getLse().getType()));
      types.push_back(lseInit.getType());
    }
    Value sinks;
    if (Value all = finish.getSinks())
      sinks = t.slice(all, {offsets[1]}, {one});
    auto done = SoftmaxFinishOp::create(b, loc, types, results[0], results[1],
                                        results[2], sinks, outInit, lseInit);
    results = llvm::to_vector_of<Value>(done.getResults());
  }
  b.setInsertionPointToStart(forall.getTerminator().getBody());
  for (auto [result, dest] : llvm::zip(results, forall.getRegionIterArgs())) {
    bool isAcc = cast<RankedTensorType>(result.getType()).getRank() == 4;
    SmallVector<Fold> o = offsets, s = sizes;
    if (isAcc) {
      o.push_back(zero);
      s.push_back(t.attr(depth));
    }
    t.parallelInsert(result, dest, o, s);
  }
  SmallVector<Value> unpacked;
  if (finish)
    unpacked = {finish.getMax(), finish.getSum(), finish.getAcc()};
  b.replaceOp(root, forall.getResults());
  if (!finish)
    return;
  // The reshapes between, which nothing reads any more.
  for (Value v : unpacked)
    while (Operation *op = v.getDefiningOp()) {
      if (!op->use_empty() ||
          !isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
        break;
      v = op->getOperand(0);
      b.eraseOp(op);
    }
  b.eraseOp(merge);
}

namespace {
struct TileMergePass : public seqc::impl::SeqcTileMergeBase<TileMergePass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<SoftmaxMergeOp> merges;
    getOperation().walk([&](SoftmaxMergeOp op) {
      if (!op->getParentOfType<scf::ForallOp>())
        merges.push_back(op);
    });
    for (SoftmaxMergeOp merge : merges) {
      tileMerge(rewriter, merge);
      ++numTiled;
    }
    SmallVector<ScanPrefixOp> prefixes;
    getOperation().walk([&](ScanPrefixOp op) {
      if (!op->getParentOfType<scf::ForallOp>())
        prefixes.push_back(op);
    });
    for (ScanPrefixOp prefix : prefixes) {
      tilePrefix(rewriter, prefix);
      ++numTiled;
    }
  }
};
} // namespace
