//===- DecomposeLinalg.cpp - Linalg around the operators -> tile ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands around the operators of seqc and is small beside them: tensors
// that are filled, the last columns that a convolution keeps, sums of two
// tensors, the smallest and largest segment of each tile. Two forms:
//
//   elementwise   The last two dimensions are cut into tiles of 1024 elements,
//                 the others into single indices.
//   reductions    of the last loop, to a sum or to a largest value: tiles of 32
//                 rows, fewer where there are few, and a loop over the columns
//                 that carries what is reduced so far. Columns past the end
//                 count as what changes nothing. Where all that follows is a
//                 conversion to a narrower type, the tile is converted.
//
// Upstream's tiling cuts; the kernel then evaluates the operator's region on
// the tile, as the regions of attention are. Products of matrices are a
// reduction, too, but not one to compute like this; they stay, and are an
// error.
//
//===----------------------------------------------------------------------===//

#include "Lanes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Elements of a tile: 8 for each thread of 4 warps.
static constexpr int64_t kTileElements = 1024;
/// The tile of a reduction: 16 elements for each thread of 4 warps. Few rows
/// are for one warp.
static constexpr int64_t kReducedRows = 32, kReducedColumns = 64,
                         kLeastRows = 4;
/// One element for each thread.
static constexpr int64_t kLeastColumns = 4;

//===----------------------------------------------------------------------===//
// What is computed
//===----------------------------------------------------------------------===//

static bool readsPermutations(linalg::LinalgOp op) {
  return llvm::all_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
    return op.getMatchingIndexingMap(operand).isProjectedPermutation();
  });
}

static bool computesElements(linalg::LinalgOp op) {
  return op.hasPureTensorSemantics() && op->getNumResults() == 1 &&
         op.getNumLoops() >= 1 && op.getNumLoops() <= 4 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() &&
         readsPermutations(op);
}

namespace {
/// One result of a reduction: `combiner` takes `value` in.
struct Reduction {
  tile::ReduceKind kind;
  Operation *combiner;
  Value value;
};
} // namespace

/// How result `number` of `op` is reduced, where kernels can reduce like that.
static std::optional<Reduction> getReduction(linalg::LinalgOp op,
                                             unsigned number) {
  Value known = op.getRegionOutputArgs()[number];
  Operation *combiner =
      op.getBlock()->getTerminator()->getOperand(number).getDefiningOp();
  if (!combiner || combiner->getNumOperands() != 2 || !known.hasOneUse() ||
      !llvm::is_contained(combiner->getOperands(), known))
    return std::nullopt;
  // Sums of narrow floats would be rounded at each step.
  auto kind =
      TypeSwitch<Operation *, std::optional<tile::ReduceKind>>(combiner)
          .Case<arith::AddIOp>([](auto) { return tile::ReduceKind::Add; })
          .Case<arith::MaxSIOp, arith::MaxNumFOp>(
              [](auto) { return tile::ReduceKind::Max; })
          .Case([](arith::AddFOp add) -> std::optional<tile::ReduceKind> {
            if (add.getType().isF32())
              return tile::ReduceKind::Add;
            return std::nullopt;
          })
          .Default([](Operation *) { return std::nullopt; });
  if (!kind)
    return std::nullopt;
  return Reduction{*kind, combiner,
                   combiner->getOperand(combiner->getOperand(0) == known)};
}

/// A contraction with rows or columns that only one of its factors has.
static bool isMatrixProduct(linalg::LinalgOp op) {
  if (!linalg::isaContractionOpInterface(op))
    return false;
  FailureOr<linalg::ContractionDimensions> dims =
      linalg::inferContractionDims(op);
  return failed(dims) || !dims->m.empty() || !dims->n.empty();
}

/// Reduces its last loop, from a constant.
static bool reducesRows(linalg::LinalgOp op) {
  unsigned rank = op.getNumLoops();
  if (!op.hasPureTensorSemantics() || rank < 2 || rank > 5 ||
      op.getNumParallelLoops() != rank - 1 ||
      !linalg::isReductionIterator(op.getIteratorTypesArray().back()) ||
      isMatrixProduct(op) || !readsPermutations(op))
    return false;
  auto rows = AffineMap::getMultiDimIdentityMap(rank, op.getContext())
                  .getMajorSubMap(rank - 1);
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    OpOperand *init = op.getDpsInitOperand(i);
    if (op.getMatchingIndexingMap(init) != rows || !getReduction(op, i) ||
        !init->get().getDefiningOp<linalg::FillOp>())
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Tiling
//===----------------------------------------------------------------------===//

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

/// Cuts `op` into a forall over tiles of `sizes`, where a size of 0 does not
/// cut.
static FailureOr<scf::SCFTilingResult>
cut(RewriterBase &b, linalg::GenericOp op, ArrayRef<OpFoldResult> sizes) {
  scf::SCFTilingOptions options;
  options.setTileSizes(sizes);
  options.setLoopType(scf::SCFTilingOptions::LoopType::ForallOp);
  b.setInsertionPoint(op);
  FailureOr<scf::SCFTilingResult> tiled =
      scf::tileUsingSCF(b, cast<TilingInterface>(op.getOperation()), options);
  if (failed(tiled) || tiled->loops.size() != 1)
    return op.emitOpError("cannot be cut into tiles");
  tiled->loops.front()->setAttr("seqc.grid", b.getUnitAttr());
  b.replaceOp(op, tiled->replacements);
  return tiled;
}

static LogicalResult tileElementwise(RewriterBase &b, linalg::GenericOp op) {
  op = readInit(b, op);
  unsigned rank = op.getNumLoops();
  int64_t last = op.getStaticLoopRanges().back();
  int64_t columns =
      rank == 1 ? kTileElements
      : ShapedType::isDynamic(last) || last > 128
          ? 128
          : int64_t(llvm::PowerOf2Ceil(std::max<int64_t>(last, 1)));
  SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(columns);
  if (rank > 1)
    sizes[rank - 2] = b.getIndexAttr(kTileElements / columns);
  return cut(b, op, sizes);
}

/// The columns of a tile of `op`, a reduction or a tile of one.
static int64_t getReducedColumns(linalg::LinalgOp op) {
  int64_t extent = op.getStaticLoopRanges().back();
  return ShapedType::isDynamic(extent)
             ? kReducedColumns
             : std::clamp<int64_t>(llvm::PowerOf2Ceil(extent), kLeastColumns,
                                   kReducedColumns);
}

/// The rows of a tile of `op`, a reduction or a tile of one.
static int64_t getReducedRows(linalg::LinalgOp op) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  int64_t rows = extents[extents.size() - 2];
  // Each thread has to have something.
  if (ShapedType::isDynamic(rows) || getReducedColumns(op) < kReducedColumns)
    return kReducedRows;
  return std::clamp<int64_t>(llvm::PowerOf2Ceil(rows), kLeastRows,
                             kReducedRows);
}

/// What converts the only result of `op` to a narrower float, if nothing else
/// uses it.
static linalg::GenericOp getNarrowing(linalg::GenericOp op) {
  if (op->getNumResults() != 1 || !op->hasOneUse())
    return {};
  auto user = dyn_cast<linalg::GenericOp>(*op->user_begin());
  bool isNarrowing = user && computesElements(user) && isRounding(user) &&
                     user.getDpsInputs()[0] == op.getResult(0) &&
                     user.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>();
  return isNarrowing ? user : linalg::GenericOp();
}

/// `forall` with its only result converted as `narrowing` does: tile by tile.
static void narrow(RewriterBase &b, scf::ForallOp forall,
                   linalg::GenericOp narrowing) {
  OpBuilder::InsertionGuard guard(b);
  Type element = getElementTypeOrSelf(narrowing.getResult(0).getType());
  b.setInsertionPoint(narrowing);
  auto now =
      scf::ForallOp::create(b, forall.getLoc(), forall.getMixedLowerBound(),
                            forall.getMixedUpperBound(), forall.getMixedStep(),
                            narrowing.getDpsInits(), forall.getMapping());
  now->setDiscardableAttrs(forall->getDiscardableAttrDictionary());
  now.getTerminator().erase();
  b.mergeBlocks(forall.getBody(), now.getBody(), now.getBody()->getArguments());
  auto insert = cast<tensor::ParallelInsertSliceOp>(
      *now.getTerminator().getYieldingOps().begin());
  b.setInsertionPoint(now.getTerminator());
  auto type = cast<RankedTensorType>(insert.getSource().getType());
  Value narrowed = arith::TruncFOp::create(
      b, narrowing.getLoc(), type.clone(element), insert.getSource());
  b.modifyOpInPlace(insert,
                    [&] { insert.getSourceMutable().assign(narrowed); });
  b.replaceOp(narrowing, now.getResults());
  b.eraseOp(forall);
}

/// The constants that a reduction starts from come to stand in its loop: its
/// results hold nothing before.
static LogicalResult tileReduction(RewriterBase &b, linalg::GenericOp op) {
  SmallVector<Value> starts;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    auto fill = init.get().getDefiningOp<linalg::FillOp>();
    starts.push_back(fill.getInputs()[0]);
    b.modifyOpInPlace(op, [&] { init.set(fill.getOutputs()[0]); });
  }
  SmallVector<OpFoldResult> sizes(op.getNumLoops(), b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(0);
  sizes[sizes.size() - 2] = b.getIndexAttr(getReducedRows(op));
  linalg::GenericOp narrowing = getNarrowing(op);
  FailureOr<scf::SCFTilingResult> tiled = cut(b, op, sizes);
  if (failed(tiled))
    return failure();
  auto tile = cast<linalg::GenericOp>(tiled->tiledOps.front());
  b.setInsertionPoint(tile);
  for (auto [init, start] : llvm::zip(tile.getDpsInitsMutable(), starts))
    init.set(linalg::FillOp::create(b, tile.getLoc(), start, init.get())
                 .getResult(0));
  if (narrowing)
    narrow(b, cast<scf::ForallOp>(tiled->loops.front()), narrowing);
  return success();
}

static FailureOr<linalg::GenericOp> generalize(RewriterBase &b,
                                               linalg::LinalgOp op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op.getOperation()))
    return generic;
  b.setInsertionPoint(op);
  FailureOr<linalg::GenericOp> generic = linalg::generalizeNamedOp(b, op);
  if (failed(generic))
    return op.emitOpError("has no general form");
  return generic;
}

LogicalResult totile::tileLinalg(func::FuncOp func) {
  IRRewriter b(func.getContext());
  // What has no elements is not computed, whatever it would read.
  for (auto op : llvm::make_early_inc_range(func.getOps<linalg::LinalgOp>())) {
    bool isEmpty = llvm::all_of(op->getResultTypes(), [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor && llvm::is_contained(tensor.getShape(), 0);
    });
    if (isEmpty && op.hasPureTensorSemantics())
      b.replaceOp(op, op.getDpsInits());
  }
  // Reductions first: what they start from then has no use of its own.
  SmallVector<linalg::LinalgOp> reductions;
  for (auto op : func.getOps<linalg::LinalgOp>())
    if (reducesRows(op))
      reductions.push_back(op);
  for (linalg::LinalgOp op : reductions) {
    FailureOr<linalg::GenericOp> generic = generalize(b, op);
    if (failed(generic) || failed(tileReduction(b, *generic)))
      return failure();
  }
  SmallVector<linalg::LinalgOp> ops(func.getOps<linalg::LinalgOp>());
  for (linalg::LinalgOp op : ops) {
    if (!computesElements(op) || op->use_empty())
      continue;
    FailureOr<linalg::GenericOp> generic = generalize(b, op);
    if (failed(generic) || failed(tileElementwise(b, *generic)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
class LinalgKernel {
public:
  LinalgKernel(KernelBuilder &k, scf::ForallOp forall, linalg::GenericOp op)
      : k(k), b(k.b), forall(forall), op(op), rank(op.getNumLoops()) {}

  LogicalResult build();

private:
  LogicalResult evaluateElements(int64_t rows, int64_t columns);
  LogicalResult evaluateReduction();
  FailureOr<SmallVector<Value>> reduceColumns(Value firstColumn,
                                              Value columnCount);
  Value getColumnCount();
  FailureOr<Lane> load(Lanes &lanes, OpOperand &operand, Value firstColumn);
  FailureOr<SmallVector<Lane>> apply(Lanes &lanes, Value firstColumn);

  KernelBuilder &k;
  ImplicitLocOpBuilder &b;
  scf::ForallOp forall;
  linalg::GenericOp op;
  unsigned rank;
};
} // namespace

/// The tile of an input: it may lack the tile's rows, columns or both, or have
/// them the other way round. `firstColumn` is null for the first.
FailureOr<Lane> LinalgKernel::load(Lanes &lanes, OpOperand &operand,
                                   Value firstColumn) {
  Value value = operand.get();
  if (op.getMatchingBlockArgument(&operand).use_empty()) {
    Type element = getElementTypeOrSelf(value.getType());
    return lanes.uniform(
        k.scalarConstant(cast<TypedAttr>(b.getZeroAttr(element))));
  }
  if (!isa<RankedTensorType>(value.getType()))
    return lanes.uniform(k.scalar(value));
  auto fail = [&]() {
    return op.emitOpError("reads a ")
           << value.getType() << " that is not in device memory";
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
  if (on == Lane::Uniform) {
    if (Value fill = k.getFill(value))
      return lanes.uniform(fill);
    auto slice = k.getSlice(value);
    if (!slice)
      return fail();
    return lanes.uniform(k.loadScalar(slice->view, slice->offsets));
  }
  // Columns that a loop goes through are loaded in it.
  if (firstColumn && (on & Lane::Column) && !k.getFill(value)) {
    auto slice = k.getSlice(value);
    if (!slice)
      return fail();
    SmallVector<Value> offsets = slice->offsets;
    Value &offset = offsets[dims.back()];
    offset = arith::AddIOp::create(b, offset, firstColumn);
    auto type = RankedTensorType::get(shape, getElementTypeOrSelf(value));
    Value tile = tile::LoadOp::create(b, type, slice->view, offsets,
                                      b.getDenseI64ArrayAttr(dims));
    return Lane{tile, on};
  }
  Value tile = k.getTile(value, shape, dims);
  if (!tile)
    return fail();
  return Lane{tile, on};
}

/// The values that the region yields.
FailureOr<SmallVector<Lane>> LinalgKernel::apply(Lanes &lanes,
                                                 Value firstColumn) {
  SmallVector<Lane> arguments;
  for (OpOperand *input : op.getDpsInputOperands()) {
    FailureOr<Lane> lane = load(lanes, *input, firstColumn);
    if (failed(lane))
      return failure();
    arguments.push_back(*lane);
  }
  // Nothing reads what the results held.
  for (Value init : op.getDpsInits()) {
    Type element = getElementTypeOrSelf(init.getType());
    arguments.push_back(lanes.uniform(
        k.scalarConstant(cast<TypedAttr>(b.getZeroAttr(element)))));
  }
  // Positions in the tile; upstream has added those of the tile.
  Block *body = op.getBody();
  SmallVector<linalg::IndexOp> indices;
  op.getRegion().walk([&](linalg::IndexOp index) { indices.push_back(index); });
  for (linalg::IndexOp index : indices) {
    Lane lane = lanes.uniformIndex(0);
    if (index.getDim() == rank - 1)
      lane =
          lanes.positions(firstColumn ? firstColumn : k.index(0), Lane::Column);
    else if (index.getDim() + 2 == rank)
      lane = lanes.positions(k.index(0), Lane::Row);
    arguments.push_back(lane);
    index.replaceAllUsesWith(
        body->addArgument(index.getType(), index.getLoc()));
    index.erase();
  }
  return lanes.applyAll(op.getRegion(), arguments);
}

LogicalResult LinalgKernel::evaluateElements(int64_t rows, int64_t columns) {
  Lanes lanes(k, rows, columns, Lanes::getPositionType(op.getRegion()));
  auto results = apply(lanes, /*firstColumn=*/Value());
  if (failed(results))
    return failure();
  k.setTile(
      op.getResult(0),
      lanes.spread(results->front(), rank == 1 ? Lane::Column : Lane::Both));
  return success();
}

/// What takes part in a reduction and changes nothing.
static TypedAttr getNeutral(Type type, tile::ReduceKind kind) {
  OpBuilder b(type.getContext());
  if (kind == tile::ReduceKind::Add)
    return cast<TypedAttr>(b.getZeroAttr(type));
  if (auto floating = dyn_cast<FloatType>(type))
    return b.getFloatAttr(
        type, APFloat::getInf(floating.getFloatSemantics(), /*Negative=*/true));
  return b.getIntegerAttr(
      type, APInt::getSignedMinValue(type.getIntOrFloatBitWidth()));
}

/// The columns from `firstColumn` on, of those there are, reduced to one value
/// for each row.
FailureOr<SmallVector<Value>> LinalgKernel::reduceColumns(Value firstColumn,
                                                          Value columnCount) {
  int64_t extent = op.getStaticLoopRanges().back();
  int64_t columns = getReducedColumns(op);
  Lanes lanes(k, getReducedRows(op), columns,
              Lanes::getPositionType(op.getRegion()));
  // The region then yields what is to be combined.
  SmallVector<Reduction> reductions;
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    reductions.push_back(*getReduction(op, i));
  Operation *yield = op.getBody()->getTerminator();
  for (auto [i, reduction] : llvm::enumerate(reductions)) {
    yield->setOperand(i, reduction.value);
    reduction.combiner->erase();
  }
  auto values = apply(lanes, firstColumn);
  if (failed(values))
    return failure();
  std::optional<Lane> exists;
  if (ShapedType::isDynamic(extent) || extent % columns != 0)
    exists = lanes.compare(arith::CmpIPredicate::slt,
                           lanes.positions(firstColumn, Lane::Column),
                           lanes.uniform(columnCount));
  SmallVector<Value> results;
  for (auto [reduction, value] : llvm::zip(reductions, *values)) {
    Type element = getElementTypeOrSelf(value.value.getType());
    if (exists)
      value = lanes.select(
          *exists, value,
          lanes.uniform(k.scalarConstant(getNeutral(element, reduction.kind))));
    results.push_back(k.reduce(reduction.kind, lanes.tile(value), /*dim=*/1));
  }
  return results;
}

/// The extent of the loop that is reduced.
Value LinalgKernel::getColumnCount() {
  int64_t extent = op.getStaticLoopRanges().back();
  if (ShapedType::isStatic(extent))
    return k.index(extent);
  AffineExpr last = getAffineDimExpr(rank - 1, op.getContext());
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto dim = op.getMatchingIndexingMap(input).getResultPosition(last);
    if (!dim)
      continue;
    if (auto slice = input->get().getDefiningOp<tensor::ExtractSliceOp>())
      return k.scalar(slice.getMixedSizes()[*dim]);
    if (Value view = k.getView(input->get()))
      return memref::DimOp::create(b, view, k.index(*dim));
  }
  return {};
}

static Value combine(ImplicitLocOpBuilder &b, tile::ReduceKind kind, Value x,
                     Value y) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  if (kind == tile::ReduceKind::Add)
    return isFloat ? arith::AddFOp::create(b, x, y).getResult()
                   : arith::AddIOp::create(b, x, y).getResult();
  return isFloat ? arith::MaxNumFOp::create(b, x, y).getResult()
                 : arith::MaxSIOp::create(b, x, y).getResult();
}

LogicalResult LinalgKernel::evaluateReduction() {
  Value count = getColumnCount();
  if (!count)
    return op.emitOpError("reduces a loop of unknown extent");
  if (getReducedRows(op) < kReducedRows)
    k.kernel.setWarps(1);
  SmallVector<Value> inits;
  SmallVector<tile::ReduceKind> kinds;
  for (auto [i, init] : llvm::enumerate(op.getDpsInits())) {
    inits.push_back(k.splat(k.getFill(init), {getReducedRows(op)}));
    kinds.push_back(getReduction(op, i)->kind);
  }
  auto loop =
      scf::ForOp::create(b, k.index(0), count, k.index(kReducedColumns), inits);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    auto parts = reduceColumns(loop.getInductionVar(), count);
    if (failed(parts))
      return failure();
    SmallVector<Value> next;
    for (auto [kind, known, part] :
         llvm::zip(kinds, loop.getRegionIterArgs(), *parts))
      next.push_back(combine(b, kind, known, part));
    scf::YieldOp::create(b, next);
  }
  for (auto [result, value] : llvm::zip(op.getResults(), loop.getResults()))
    k.setTile(result, value);
  return success();
}

LogicalResult LinalgKernel::build() {
  k.bindGrid(/*longestFirst=*/false);
  auto evaluate = [&] {
    if (op.getNumReductionLoops() != 0)
      return evaluateReduction();
    auto getStep = [&](unsigned dim) {
      return cast<IntegerAttr>(cast<Attribute>(forall.getMixedStep()[dim]))
          .getInt();
    };
    return evaluateElements(rank > 1 ? getStep(rank - 2) : 1,
                            getStep(rank - 1));
  };
  for (Operation &other :
       llvm::make_early_inc_range(forall.getBody()->without_terminator())) {
    if (auto narrowing = dyn_cast<arith::TruncFOp>(other);
        narrowing && narrowing.getIn().getDefiningOp() == op) {
      k.setTile(narrowing.getOut(),
                k.truncate(k.getTile(narrowing.getIn()),
                           getElementTypeOrSelf(narrowing.getType())));
      continue;
    }
    if (failed(&other == op ? evaluate() : k.convert(&other)))
      return failure();
  }
  return k.convertResults(forall.getTerminator());
}

LogicalResult totile::decomposeLinalg(KernelBuilder &k, scf::ForallOp forall) {
  auto generics = forall.getBody()->getOps<linalg::GenericOp>();
  return LinalgKernel(k, forall, *generics.begin()).build();
}
