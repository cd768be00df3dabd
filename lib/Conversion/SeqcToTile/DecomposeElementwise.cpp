//===- DecomposeElementwise.cpp - Elementwise linalg -> tile --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands around the operators of seqc and computes each element by itself:
// tensors that are filled, the last columns that a convolution keeps, sums of
// two tensors. Its last two dimensions are cut into tiles of 1024 elements, the
// others into single indices, by upstream's tiling; the kernel then evaluates
// the operator's region on the tile, as the regions of attention are.
//
//===----------------------------------------------------------------------===//

#include "Lanes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Elements of a tile: 8 for each thread of 4 warps.
static constexpr int64_t kTileElements = 1024;

static bool computesElements(linalg::LinalgOp op) {
  return op.hasPureTensorSemantics() && op->getNumResults() == 1 &&
         op.getNumLoops() >= 1 && op.getNumLoops() <= 3 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() &&
         llvm::all_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
           return op.getMatchingIndexingMap(operand).isProjectedPermutation();
         });
}

/// `op` with what its result held as one more input, if it reads that.
static linalg::GenericOp readInit(RewriterBase &b, linalg::GenericOp op) {
  OpOperand *init = op.getDpsInitOperand(0);
  if (!op.payloadUsesValueFromOperand(init))
    return op;
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  auto type = cast<RankedTensorType>(init->get().getType());
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, init->get()),
      type.getElementType());
  SmallVector<Value> inputs = op.getDpsInputs();
  inputs.push_back(init->get());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  maps.push_back(maps.back());
  auto now = linalg::GenericOp::create(b, loc, op.getResultTypes(), inputs,
                                       empty, maps, op.getIteratorTypesArray());
  now.getRegion().takeBody(op.getRegion());
  now.getRegion().addArgument(type.getElementType(), loc);
  b.replaceOp(op, now);
  return now;
}

LogicalResult totile::tileElementwise(func::FuncOp func) {
  IRRewriter b(func.getContext());
  SmallVector<linalg::LinalgOp> ops;
  for (auto op : func.getOps<linalg::LinalgOp>())
    if (computesElements(op))
      ops.push_back(op);
  for (linalg::LinalgOp op : ops) {
    b.setInsertionPoint(op);
    FailureOr<linalg::GenericOp> general =
        isa<linalg::GenericOp>(op) ? cast<linalg::GenericOp>(op.getOperation())
                                   : linalg::generalizeNamedOp(b, op);
    if (failed(general))
      return op.emitOpError("has no general form");
    linalg::GenericOp generic = readInit(b, *general);
    b.setInsertionPoint(generic);

    unsigned rank = generic.getNumLoops();
    int64_t last = generic.getStaticLoopRanges().back();
    int64_t columns =
        rank == 1 ? kTileElements
        : ShapedType::isDynamic(last) || last > 128
            ? 128
            : int64_t(llvm::PowerOf2Ceil(std::max<int64_t>(last, 1)));
    SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1));
    sizes.back() = b.getIndexAttr(columns);
    if (rank > 1)
      sizes[rank - 2] = b.getIndexAttr(kTileElements / columns);
    scf::SCFTilingOptions options;
    options.setTileSizes(sizes);
    options.setLoopType(scf::SCFTilingOptions::LoopType::ForallOp);
    FailureOr<scf::SCFTilingResult> tiled = scf::tileUsingSCF(
        b, cast<TilingInterface>(generic.getOperation()), options);
    if (failed(tiled) || tiled->loops.size() != 1)
      return generic.emitOpError("cannot be cut into tiles");
    tiled->loops.front()->setAttr("seqc.grid", b.getUnitAttr());
    b.replaceOp(generic, tiled->replacements);
  }
  return success();
}

namespace {
class ElementwiseKernel {
public:
  ElementwiseKernel(KernelBuilder &k, scf::ForallOp forall,
                    linalg::GenericOp op)
      : k(k), forall(forall), op(op), rank(op.getNumLoops()) {}

  LogicalResult build();

private:
  LogicalResult evaluate(int64_t rows, int64_t columns);
  FailureOr<Lane> load(Lanes &lanes, OpOperand &operand);

  KernelBuilder &k;
  scf::ForallOp forall;
  linalg::GenericOp op;
  unsigned rank;
};
} // namespace

/// The tile of an input: it may lack the tile's rows, columns or both, or have
/// them the other way round.
FailureOr<Lane> ElementwiseKernel::load(Lanes &lanes, OpOperand &operand) {
  if (!isa<RankedTensorType>(operand.get().getType()))
    return lanes.uniform(k.scalar(operand.get()));
  auto fail = [&]() {
    return op.emitOpError("reads a ")
           << operand.get().getType() << " that is not in device memory";
  };
  AffineMap map = op.getMatchingIndexingMap(&operand);
  SmallVector<int64_t> dims, shape;
  unsigned on = Lane::Uniform;
  auto take = [&](unsigned loop, int64_t size, unsigned dependence) {
    if (auto dim =
            map.getResultPosition(getAffineDimExpr(loop, map.getContext()))) {
      dims.push_back(*dim);
      shape.push_back(size);
      on |= dependence;
    }
  };
  if (rank > 1)
    take(rank - 2, lanes.rows, Lane::Row);
  take(rank - 1, lanes.columns, Lane::Column);
  if (on != Lane::Uniform) {
    Value tile = k.getTile(operand.get(), shape, dims);
    if (!tile)
      return fail();
    return Lane{tile, on};
  }
  if (Value fill = k.getFill(operand.get()))
    return lanes.uniform(fill);
  auto slice = k.getSlice(operand.get());
  if (!slice)
    return fail();
  return lanes.uniform(k.loadScalar(slice->view, slice->offsets));
}

LogicalResult ElementwiseKernel::evaluate(int64_t rows, int64_t columns) {
  Lanes lanes(k, rows, columns, Lanes::getPositionType(op.getRegion()));
  SmallVector<Lane> arguments;
  for (OpOperand *input : op.getDpsInputOperands()) {
    FailureOr<Lane> lane = load(lanes, *input);
    if (failed(lane))
      return failure();
    arguments.push_back(*lane);
  }
  // Nothing reads what the result held.
  auto init = cast<RankedTensorType>(op.getDpsInits()[0].getType());
  Type element = init.getElementType();
  arguments.push_back(lanes.uniform(
      k.scalarConstant(cast<TypedAttr>(k.b.getZeroAttr(element)))));
  // Positions in the tile; upstream has added those of the tile.
  Block *body = op.getBody();
  SmallVector<linalg::IndexOp> indices(body->getOps<linalg::IndexOp>());
  op.getRegion().walk([&](linalg::IndexOp index) {
    if (index->getBlock() != body)
      indices.push_back(index);
  });
  for (linalg::IndexOp index : indices) {
    Lane lane = lanes.uniformIndex(0);
    if (index.getDim() == rank - 1)
      lane = {k.positions(k.index(0), columns, lanes.position), Lane::Column};
    else if (index.getDim() + 2 == rank)
      lane = {k.positions(k.index(0), rows, lanes.position), Lane::Row};
    arguments.push_back(lane);
    index.replaceAllUsesWith(
        body->addArgument(index.getType(), index.getLoc()));
    index.erase();
  }
  FailureOr<Lane> result = lanes.apply(op.getRegion(), arguments);
  if (failed(result))
    return failure();
  k.setTile(op.getResult(0),
            lanes.spread(*result, rank == 1 ? Lane::Column : Lane::Both));
  return success();
}

LogicalResult ElementwiseKernel::build() {
  k.bindGrid(/*longestFirst=*/false);
  auto getStep = [&](unsigned dim) {
    return cast<IntegerAttr>(cast<Attribute>(forall.getMixedStep()[dim]))
        .getInt();
  };
  int64_t columns = getStep(rank - 1);
  int64_t rows = rank > 1 ? getStep(rank - 2) : 1;
  for (Operation &other :
       llvm::make_early_inc_range(forall.getBody()->without_terminator())) {
    LogicalResult done =
        &other == op ? evaluate(rows, columns) : k.convert(&other);
    if (failed(done))
      return failure();
  }
  return k.convertResults(forall.getTerminator());
}

LogicalResult totile::decomposeElementwise(KernelBuilder &k,
                                           scf::ForallOp forall) {
  auto generics = forall.getBody()->getOps<linalg::GenericOp>();
  return ElementwiseKernel(k, forall, *generics.begin()).build();
}
