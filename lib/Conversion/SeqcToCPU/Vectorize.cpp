//===- Vectorize.cpp - linalg on buffers -> register tiles ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operator is cut into tiles whose vectors fit the register file.
//
// * A contraction (one multiply-add, one reduced dimension) keeps a block of
// its
//   result in registers over the whole reduction: rows x (2 registers), so that
//   each loaded vector is used `rows` times and each broadcast scalar twice.
// * Any other operator whose body is elementwise is tiled along its lanes, the
//   dimension that is innermost in memory, and handed to linalg's vectorizer.
//   Where operands disagree about the lanes (a transpose) both dimensions get a
//   register's width.
// * A copy from memory whose lanes turn out to be the dimension before the
//   innermost (an argument's strides are known when it is called) is a
//   transposition.
// * Bodies that load from captured buffers become loops.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCVECTORIZE
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

namespace {

/// Walks the iteration space of an operator in tiles.
class TileNest {
public:
  using Body = llvm::function_ref<void(ArrayRef<Fold>, ArrayRef<int64_t>)>;

  TileNest(RewriterBase &b, linalg::LinalgOp op, ArrayRef<int64_t> tiles,
           ArrayRef<unsigned> order)
      : b(b), loc(op.getLoc()), tiles(tiles), order(order),
        offsets(tiles.size(), b.getIndexAttr(0)), sizes(tiles.size(), 1) {
    ranges = op.getStaticLoopRanges();
    for (Range range :
         cast<TilingInterface>(op.getOperation()).getIterationDomain(b))
      extents.push_back(range.size);
  }

  void run(Body body) { nest(0, body); }

private:
  void nest(unsigned depth, Body body) {
    if (depth == order.size())
      return body(offsets, sizes);
    unsigned dim = order[depth];
    int64_t tile = tiles[dim], extent = ranges[dim];
    if (ShapedType::isDynamic(extent)) {
      Value end = getValueOrCreateConstantIndexOp(b, loc, extents[dim]);
      Value zero = index(0);
      Value main = end;
      if (tile > 1) {
        AffineExpr d0;
        bindDims(b.getContext(), d0);
        main = getValueOrCreateConstantIndexOp(
            b, loc,
            affine::makeComposedFoldedAffineApply(
                b, loc, d0.floorDiv(tile) * tile, {Fold(end)}));
      }
      loop(dim, zero, main, tile, depth, body);
      if (tile > 1)
        loop(dim, main, end, 1, depth, body);
      return;
    }
    int64_t main = extent / tile * tile;
    if (main == tile)
      at(dim, b.getIndexAttr(0), tile, depth, body);
    else if (main > 0)
      loop(dim, index(0), index(main), tile, depth, body);
    // What remains comes in powers of two: other vector lengths compile badly,
    // and for some element types LLVM has no code at all.
    while (main < extent) {
      int64_t size = llvm::bit_floor(uint64_t(extent - main));
      at(dim, b.getIndexAttr(main), size, depth, body);
      main += size;
    }
  }

  void loop(unsigned dim, Value from, Value to, int64_t tile, unsigned depth,
            Body body) {
    auto forOp = scf::ForOp::create(b, loc, from, to, index(tile));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(forOp.getBody());
    at(dim, forOp.getInductionVar(), tile, depth, body);
  }

  void at(unsigned dim, Fold offset, int64_t size, unsigned depth, Body body) {
    offsets[dim] = offset;
    sizes[dim] = size;
    nest(depth + 1, body);
  }

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }

  RewriterBase &b;
  Location loc;
  ArrayRef<int64_t> tiles;
  ArrayRef<unsigned> order;
  SmallVector<Fold> offsets;
  SmallVector<int64_t> sizes;
  SmallVector<int64_t, 4> ranges;
  SmallVector<Fold> extents;
};

/// Whether the body can be computed lane by lane. A buffer of i1 holds a byte
/// per element, which a vector of i1 does not.
bool hasElementwiseBody(linalg::LinalgOp op) {
  for (Value operand : op->getOperands())
    if (getElementTypeOrSelf(operand.getType()).isInteger(1) &&
        isa<MemRefType>(operand.getType()))
      return false;
  for (Operation &inner : op.getBlock()->without_terminator())
    if (!isa<linalg::IndexOp, arith::ConstantOp>(inner) &&
        (!OpTrait::hasElementwiseMappableTraits(&inner) ||
         inner.getNumResults() != 1 ||
         isa<math::FPowIOp, math::IPowIOp>(inner))) // No vector form in LLVM.
      return false;
  return true;
}

/// Whether the body is acc + lhs * rhs, extensions of the operands aside.
bool isMultiplyAdd(linalg::LinalgOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() != 1)
    return false;
  if (!llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isProjectedPermutation(); }))
    return false;
  Block *body = op.getBlock();
  auto skipExtension = [](Value v) {
    if (auto extend = v.getDefiningOp<arith::ExtFOp>())
      return extend.getIn();
    return v;
  };
  auto add =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add)
    return false;
  for (auto [acc, product] : {std::pair(add.getLhs(), add.getRhs()),
                              std::pair(add.getRhs(), add.getLhs())}) {
    auto mul = product.getDefiningOp<arith::MulFOp>();
    if (acc != body->getArgument(2) || !mul)
      continue;
    Value lhs = skipExtension(mul.getLhs()), rhs = skipExtension(mul.getRhs());
    if ((lhs == body->getArgument(0) && rhs == body->getArgument(1)) ||
        (lhs == body->getArgument(1) && rhs == body->getArgument(0)))
      return true;
  }
  return false;
}

} // namespace

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

static void blockContraction(RewriterBase &b, linalg::LinalgOp op,
                             int64_t vectorBits) {
  Location loc = op.getLoc();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<int64_t, 4> ranges = op.getStaticLoopRanges();
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  unsigned k = reductions.front();
  Type accType = getElementTypeOrSelf(op.getDpsInits()[0].getType());
  int64_t lanes = vectorBits / accType.getIntOrFloatBitWidth();

  // Lanes along the result's innermost dimension, rows along the one before it;
  // 32 registers with AVX-512, 16 before.
  int64_t rows = vectorBits >= 512 ? 8 : 4;
  SmallVector<int64_t> tiles(op.getNumLoops(), 1);
  AffineMap result = maps[2];
  unsigned resultRank = result.getNumResults();
  auto clamp = [&](unsigned dim, int64_t tile) {
    return ShapedType::isDynamic(ranges[dim])
               ? tile
               : std::min<int64_t>(tile,
                                   llvm::bit_floor(uint64_t(ranges[dim])));
  };
  if (resultRank > 0) {
    unsigned n = result.getDimPosition(resultRank - 1);
    tiles[n] = std::max<int64_t>(1, clamp(n, 2 * lanes));
  }
  if (resultRank > 1) {
    unsigned m = result.getDimPosition(resultRank - 2);
    tiles[m] = std::max<int64_t>(1, clamp(m, rows));
  }
  SmallVector<unsigned> order;
  for (unsigned i = 0; i < resultRank; ++i)
    order.push_back(result.getDimPosition(i));

  SmallVector<Range> domain =
      cast<TilingInterface>(op.getOperation()).getIterationDomain(b);
  Value extentK = getValueOrCreateConstantIndexOp(b, loc, domain[k].size);
  TileNest(b, op, tiles, order)
      .run([&](ArrayRef<Fold> offsets, ArrayRef<int64_t> sizes) {
        SmallVector<Value> position;
        for (Fold offset : offsets)
          position.push_back(getValueOrCreateConstantIndexOp(b, loc, offset));
        auto read = [&](Value buffer, AffineMap map,
                        ArrayRef<Value> at) -> Value {
          SmallVector<int64_t> shape;
          SmallVector<Value> indices;
          for (AffineExpr expr : map.getResults()) {
            unsigned dim = cast<AffineDimExpr>(expr).getPosition();
            shape.push_back(sizes[dim]);
            indices.push_back(at[dim]);
          }
          Type element = getElementTypeOrSelf(buffer.getType());
          auto type = VectorType::get(shape, element);
          SmallVector<bool> inBounds(shape.size(), true);
          Value v = vector::TransferReadOp::create(
              b, loc, type, buffer, indices, /*padding=*/std::nullopt,
              ArrayRef<bool>(inBounds));
          if (element != accType)
            v = arith::ExtFOp::create(b, loc, type.clone(accType), v);
          return v;
        };
        Value init = op.getDpsInits()[0];
        Value acc = read(init, result, position);
        Value zero = arith::ConstantIndexOp::create(b, loc, 0);
        Value one = arith::ConstantIndexOp::create(b, loc, 1);
        auto loop = scf::ForOp::create(b, loc, zero, extentK, one, acc);
        {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToStart(loop.getBody());
          SmallVector<Value> inner = position;
          inner[k] = loop.getInductionVar();
          Value lhs = read(op.getDpsInputs()[0], maps[0], inner);
          Value rhs = read(op.getDpsInputs()[1], maps[1], inner);
          Value next = vector::ContractionOp::create(
              b, loc, lhs, rhs, loop.getRegionIterArg(0),
              b.getAffineMapArrayAttr(maps),
              b.getArrayAttr(llvm::map_to_vector(
                  op.getIteratorTypesArray(), [&](utils::IteratorType type) {
                    return Attribute(vector::IteratorTypeAttr::get(
                        b.getContext(), type == utils::IteratorType::reduction
                                            ? vector::IteratorType::reduction
                                            : vector::IteratorType::parallel));
                  })));
          scf::YieldOp::create(b, loc, next);
        }
        SmallVector<Value> indices;
        for (AffineExpr expr : result.getResults())
          indices.push_back(position[cast<AffineDimExpr>(expr).getPosition()]);
        SmallVector<bool> inBounds(resultRank, true);
        vector::TransferWriteOp::create(b, loc, loop.getResult(0), init,
                                        indices, ArrayRef<bool>(inBounds));
      });
  b.eraseOp(op);
}

//===----------------------------------------------------------------------===//
// Everything else
//===----------------------------------------------------------------------===//

/// The register tile of an operator with an elementwise body.
static SmallVector<int64_t> chooseTiles(linalg::LinalgOp op,
                                        int64_t vectorBits) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<int64_t, 4> ranges = op.getStaticLoopRanges();
  // Index arithmetic is done in 64 bits; size the tile for the stored elements.
  unsigned bits = 8;
  for (Value operand : op->getOperands())
    if (auto type = dyn_cast<MemRefType>(operand.getType()))
      if (type.getElementType().isIntOrFloat())
        bits = std::max(bits, type.getElementTypeBitWidth());
  int64_t lanes = vectorBits / std::max(bits, 16u);

  SmallVector<int64_t> tiles(op.getNumLoops(), 1);
  // The lanes: the innermost dimension of the operand with the most dimensions.
  std::optional<unsigned> lane;
  unsigned rank = 0;
  for (AffineMap map : llvm::reverse(maps))
    if (map.getNumResults() > rank)
      if (auto dim = dyn_cast<AffineDimExpr>(map.getResults().back())) {
        rank = map.getNumResults();
        lane = dim.getPosition();
      }
  if (!lane)
    return tiles;
  // Operands that lie the other way need a square tile.
  std::optional<unsigned> other;
  for (AffineMap map : maps)
    if (map.getNumResults() > 1)
      if (auto dim = dyn_cast<AffineDimExpr>(map.getResults().back()))
        if (dim.getPosition() != *lane)
          other = dim.getPosition();
  auto extent = [&](unsigned dim, int64_t tile) {
    return ShapedType::isDynamic(ranges[dim])
               ? tile
               : std::max<int64_t>(
                     1, std::min<int64_t>(
                            tile, llvm::bit_floor(uint64_t(ranges[dim]))));
  };
  if (other) {
    tiles[*lane] = extent(*lane, lanes);
    tiles[*other] = extent(*other, lanes);
    return tiles;
  }
  tiles[*lane] =
      extent(*lane, ShapedType::isDynamic(ranges[*lane]) ? lanes : 4 * lanes);
  // Fill up to eight registers with the dimensions outside of it; four where
  // the body has functions that become polynomials, which need registers
  // themselves.
  bool hasFunctions =
      llvm::any_of(op.getBlock()->without_terminator(), [](Operation &inner) {
        return isa_and_nonnull<math::MathDialect>(inner.getDialect());
      });
  int64_t registers = hasFunctions ? 4 : 8;
  int64_t total = tiles[*lane];
  for (unsigned dim = op.getNumLoops(); dim-- > 0;) {
    if (dim == *lane || ShapedType::isDynamic(ranges[dim]))
      continue;
    int64_t room = std::max<int64_t>(1, registers * lanes / total);
    tiles[dim] = extent(dim, room);
    total *= tiles[dim];
  }
  return tiles;
}

static LogicalResult tileAndVectorize(RewriterBase &b, linalg::LinalgOp op,
                                      int64_t vectorBits) {
  SmallVector<int64_t> tiles = chooseTiles(op, vectorBits);
  SmallVector<unsigned> order = llvm::to_vector(llvm::seq(op.getNumLoops()));
  auto tiling = cast<TilingInterface>(op.getOperation());
  LogicalResult status = success();
  TileNest(b, op, tiles, order)
      .run([&](ArrayRef<Fold> offsets, ArrayRef<int64_t> sizes) {
        SmallVector<Fold> tileSizes;
        for (int64_t size : sizes)
          tileSizes.push_back(b.getIndexAttr(size));
        FailureOr<TilingResult> tiled =
            tiling.getTiledImplementation(b, offsets, tileSizes);
        if (failed(tiled)) {
          status = op->emitOpError("cannot be tiled");
          return;
        }
        Operation *tile = tiled->tiledOps.front();
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(tile);
        FailureOr<linalg::VectorizationResult> vectorized =
            linalg::vectorize(b, tile);
        if (succeeded(vectorized))
          b.eraseOp(tile);
        // Otherwise the tile stays, and becomes loops below.
      });
  if (succeeded(status))
    b.eraseOp(op);
  return status;
}

/// The innermost dimension of `type` with a dynamic stride.
static bool hasUnknownLaneStride(MemRefType type) {
  if (type.getRank() == 0)
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)))
    return false;
  return ShapedType::isDynamic(strides.back());
}

/// What `parts` describe, with a stride that is now known to be 1. If it is not
/// that of the last dimension, the two change places.
static Value castToUnitStride(RewriterBase &b, Location loc, MemRefType type,
                              memref::ExtractStridedMetadataOp parts,
                              unsigned unit) {
  SmallVector<int64_t> strides, shape(type.getShape());
  int64_t offset;
  (void)type.getStridesAndOffset(strides, offset);
  SmallVector<Fold> mixedStrides, sizes;
  for (auto [i, stride] : llvm::enumerate(strides))
    mixedStrides.push_back(ShapedType::isDynamic(stride)
                               ? Fold(Value(parts.getStrides()[i]))
                               : Fold(b.getIndexAttr(stride)));
  strides[unit] = 1;
  mixedStrides[unit] = b.getIndexAttr(1);
  for (auto [i, size] : llvm::enumerate(shape))
    sizes.push_back(ShapedType::isDynamic(size)
                        ? Fold(Value(parts.getSizes()[i]))
                        : Fold(b.getIndexAttr(size)));
  std::swap(strides[unit], strides.back());
  std::swap(shape[unit], shape.back());
  std::swap(mixedStrides[unit], mixedStrides.back());
  std::swap(sizes[unit], sizes.back());
  auto known =
      MemRefType::get(shape, type.getElementType(),
                      StridedLayoutAttr::get(b.getContext(), offset, strides),
                      type.getMemorySpace());
  Fold mixedOffset = ShapedType::isDynamic(offset)
                         ? Fold(Value(parts.getOffset()))
                         : Fold(b.getIndexAttr(offset));
  return memref::ReinterpretCastOp::create(b, loc, known, parts.getBaseBuffer(),
                                           mixedOffset, sizes, mixedStrides);
}

/// Whether the operator copies its input as it lies.
static bool isCopy(linalg::LinalgOp op) {
  return op.getNumDpsInputs() == 1 && op.getNumDpsInits() == 1 &&
         op.getNumLoops() >= 2 && op.getNumReductionLoops() == 0 &&
         op.getBlock()->getTerminator()->getOperand(0) ==
             op.getBlock()->getArgument(0) &&
         llvm::all_of(op.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); });
}

/// Where the innermost stride of an input that is copied is not 1: a test that
/// the one before it is (sequences with the channels side by side), and then a
/// transposition, which is returned; else loops.
static linalg::LinalgOp versionCopy(RewriterBase &b, linalg::LinalgOp op,
                                    memref::ExtractStridedMetadataOp parts) {
  Location loc = op.getLoc();
  unsigned rank = op.getNumLoops();
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value isUnit = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                       parts.getStrides()[rank - 2], one);
  auto choice = scf::IfOp::create(b, loc, isUnit, /*withElseRegion=*/true);
  b.setInsertionPoint(choice.elseBlock()->getTerminator());
  b.clone(*op);
  b.setInsertionPoint(choice.thenBlock()->getTerminator());
  auto type = cast<MemRefType>(op.getDpsInputs()[0].getType());
  Value swapped = castToUnitStride(b, loc, type, parts, rank - 2);
  AffineMap id = b.getMultiDimIdentityMap(rank);
  SmallVector<unsigned> order = llvm::to_vector(llvm::seq(rank));
  std::swap(order[rank - 2], order[rank - 1]);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return cast<linalg::LinalgOp>(
      linalg::GenericOp::create(b, loc, swapped, op.getDpsInits()[0],
                                ArrayRef<AffineMap>{id.getSubMap(order), id},
                                iterators,
                                [](OpBuilder &nb, Location l, ValueRange a) {
                                  linalg::YieldOp::create(nb, l, a[0]);
                                })
          .getOperation());
}

/// If some operand's innermost stride is unknown, emits a test that all of them
/// are 1, a copy of the operator with that knowledge, and a copy as loops (for
/// one that copies, see above). Returns those that lie side by side.
static SmallVector<linalg::LinalgOp> versionOnStride(RewriterBase &b,
                                                     linalg::LinalgOp op) {
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  Value unit;
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  llvm::MapVector<Value, memref::ExtractStridedMetadataOp> metadata;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<MemRefType>(operand.getType());
    if (!type || !hasUnknownLaneStride(type) || metadata.contains(operand))
      continue;
    auto parts = memref::ExtractStridedMetadataOp::create(b, loc, operand);
    metadata[operand] = parts;
    Value is = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                     parts.getStrides().back(), one);
    unit = unit ? arith::AndIOp::create(b, loc, unit, is).getResult() : is;
  }
  if (!unit)
    return {op};
  SmallVector<linalg::LinalgOp> vectors;
  auto choice = scf::IfOp::create(b, loc, unit, /*withElseRegion=*/true);
  b.setInsertionPoint(choice.elseBlock()->getTerminator());
  if (metadata.size() == 1 && isCopy(op) &&
      metadata.contains(op.getDpsInputs()[0]))
    vectors.push_back(versionCopy(b, op, metadata.front().second));
  else
    b.clone(*op);
  b.setInsertionPoint(choice.thenBlock()->getTerminator());
  IRMapping mapping;
  for (auto &[operand, parts] : metadata) {
    auto type = cast<MemRefType>(operand.getType());
    mapping.map(operand,
                castToUnitStride(b, loc, type, parts, type.getRank() - 1));
  }
  vectors.push_back(cast<linalg::LinalgOp>(b.clone(*op, mapping)));
  b.eraseOp(op);
  return vectors;
}

namespace {
struct VectorizePass : public seqc::impl::SeqcVectorizeBase<VectorizePass> {
  using Base::Base;

  void runOnOperation() override {
    if (vectorBits < 128 || vectorBits > 2048 ||
        !llvm::isPowerOf2_64(vectorBits)) {
      getOperation()->emitError("seqc-vectorize: expected vector-bits to be a "
                                "power of two from 128 to 2048, but got ")
          << int64_t(vectorBits);
      return signalPassFailure();
    }
    IRRewriter rewriter(&getContext());
    SmallVector<memref::CopyOp> copies;
    getOperation()->walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      rewriter.setInsertionPoint(copy);
      if (copy.getSource() != copy.getTarget())
        linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                                 copy.getTarget());
      rewriter.eraseOp(copy);
    }

    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics())
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops) {
      if (!hasElementwiseBody(op))
        continue;
      for (linalg::LinalgOp version : versionOnStride(rewriter, op)) {
        rewriter.setInsertionPoint(version);
        if (isMultiplyAdd(version) &&
            version.getMatchingIndexingMap(version.getDpsInitOperand(0))
                    .getNumResults() > 0) {
          blockContraction(rewriter, version, vectorBits);
          ++numContractions;
        } else {
          if (failed(tileAndVectorize(rewriter, version, vectorBits)))
            return signalPassFailure();
          ++numVectorized;
        }
      }
    }

    // What is left: scalar loops.
    SmallVector<linalg::LinalgOp> rest;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics())
        rest.push_back(op);
    });
    for (linalg::LinalgOp op : rest) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::linalgOpToLoops(rewriter, op))) {
        op->emitOpError("cannot be lowered to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
      ++numLoops;
    }
  }
};
} // namespace
