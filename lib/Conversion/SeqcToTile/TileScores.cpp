//===- TileScores.cpp - What surrounds the scores of a tile ---------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileScores.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <array>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static RankedTensorType getTensorType(Value v) {
  return cast<RankedTensorType>(v.getType());
}

bool totile::isState(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() &&
         (tensor.getRank() == 3 || tensor.getRank() == 4) &&
         tensor.getShape().take_front(2) == ArrayRef<int64_t>({1, 1});
}

SmallVector<int64_t> totile::getStateShape(Type type) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(type).getShape();
  SmallVector<int64_t> tile = {shape[2]};
  if (shape.size() == 4)
    tile.push_back(padInner(shape[3]));
  return tile;
}

LogicalResult totile::convertInvariants(KernelBuilder &k, Block &block) {
  for (Operation &op : block.without_terminator()) {
    bool isInvariant =
        op.getNumRegions() == 0 && op.getNumOperands() > 0 &&
        llvm::all_of(op.getOperands(), [&](Value v) { return k.isScalar(v); });
    bool isSize = isa<tensor::DimOp>(op) && k.getView(op.getOperand(0)) &&
                  k.isScalar(op.getOperand(1));
    if (!isa<tensor::EmptyOp, linalg::FillOp>(op) && (isInvariant || isSize))
      if (failed(k.convert(&op)))
        return failure();
  }
  return success();
}

/// Moves `v` in front of `loop` if it can be computed there.
static bool hoist(scf::ForOp loop, Value v) {
  if (loop.isDefinedOutsideOfLoop(v))
    return true;
  Operation *op = v.getDefiningOp();
  if (!op || op->getNumRegions() != 0 ||
      !(isPure(op) || isa<memref::LoadOp, tile::LoadOp, tile::GatherOp>(op)) ||
      !llvm::all_of(op->getOperands(), [&](Value v) { return hoist(loop, v); }))
    return false;
  op->moveBefore(loop);
  return true;
}

void totile::hoistLoads(scf::ForOp loop) {
  SmallVector<Operation *> loads;
  loop.walk([&](Operation *op) {
    if (!isa<memref::LoadOp, tile::LoadOp, tile::GatherOp>(op))
      return;
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    bool isShared = isa<tile::LoadOp>(op) &&
                    llvm::all_of(op->getUsers(), [](Operation *user) {
                      return isa<tile::DotOp>(user);
                    });
    if (!type || type.getRank() <= 1 || isShared)
      loads.push_back(op);
  });
  for (Operation *op : loads)
    hoist(loop, op->getResult(0));
}

bool totile::needsRealPositions(Region &region) {
  return region
      .walk([](Operation *op) {
        return isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp,
                   arith::RemUIOp, arith::CeilDivSIOp, arith::CeilDivUIOp,
                   arith::FloorDivSIOp, affine::AffineApplyOp>(op)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Positions and what is read
//===----------------------------------------------------------------------===//

template <typename OpT>
Lane TileScores<OpT>::clamp(Lanes &lanes, Lane position, Value length) {
  Value last = arith::SubIOp::create(b, k.scalar(length), k.index(1));
  return lanes.make<arith::MinSIOp>(position, lanes.uniform(last));
}

template <typename OpT>
FailureOr<Value> TileScores<OpT>::load(Value v, ArrayRef<int64_t> shape,
                                       ArrayRef<int64_t> dims) {
  if (Value tile = k.getTile(v, shape, dims))
    return tile;
  return op.emitOpError("reads a value of ")
         << v.getType() << " that is not a tile of device memory";
}

template <typename OpT>
FailureOr<Lane> TileScores<OpT>::loadBias() {
  // A broadcast dimension of the bias has extent 1.
  auto type = getTensorType(op.getBias());
  SmallVector<int64_t> shape, dims;
  unsigned on = Lane::Uniform;
  for (unsigned d : {2u, 3u})
    if (type.getDimSize(d) != 1) {
      shape.push_back(type.getDimSize(d));
      dims.push_back(d);
      on |= d == 2 ? axes.query : axes.key;
    }
  if (on == Lane::Both && axes.query == Lane::Column) {
    std::swap(shape[0], shape[1]);
    std::swap(dims[0], dims[1]);
  }
  if (on == Lane::Uniform) {
    auto slice = k.getSlice(op.getBias());
    if (!slice)
      return op.emitOpError("reads a bias of ")
             << type << " that is not a tile of device memory";
    return Lane{k.loadScalar(slice->view, slice->offsets), on};
  }
  FailureOr<Value> bias = load(op.getBias(), shape, dims);
  if (failed(bias))
    return failure();
  return Lane{*bias, on};
}

template <typename OpT>
FailureOr<Value> TileScores<OpT>::loadColumnSegments(Value isFull) {
  Value segments =
      axes.key == Lane::Column ? op.getKeySegments() : op.getQuerySegments();
  int64_t columns = getTensorType(segments).getDimSize(1);
  auto slice = k.getSlice(segments);
  if (!isFull || !slice)
    return load(segments, {columns});
  TypedAttr zero = b.getZeroAttr(getTensorType(segments).getElementType());
  Value none = k.constant({columns}, zero);
  auto choice = scf::IfOp::create(b, none.getType(), isFull,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, none);
  b.setInsertionPointToStart(choice.elseBlock());
  Value loaded = tile::LoadOp::create(b, none.getType(), slice->view,
                                      slice->offsets, /*dims=*/nullptr);
  scf::YieldOp::create(b, loaded);
  return choice.getResult(0);
}

//===----------------------------------------------------------------------===//
// The mask
//===----------------------------------------------------------------------===//

template <typename OpT>
FailureOr<Value> TileScores<OpT>::mask(Lanes &lanes, Value scores,
                                       Value columnSegments, bool hidePadding) {
  using Predicate = arith::CmpIPredicate;
  Value queryLength = k.scalar(op.getLengths()[0]),
        keyLength = k.scalar(op.getLengths()[1]);
  Lane j = keyPosition(lanes);
  auto both = [&](std::optional<Lane> x, Lane y) {
    return x ? lanes.make<arith::AndIOp>(*x, y) : y;
  };

  // The last key of each row, one comparison for the band's right side and the
  // key length.
  Lane last = lanes.uniform(
      arith::SubIOp::create(b, keyLength, k.index(1)).getResult());
  std::optional<Lane> visible;
  if (op.getCausal() || op.getWindowLeft() || op.getWindowRight()) {
    // The diagonal's key in the first row.
    Value diagonal = k.scalar(op.getOffsets()[2]);
    if (op.getAlignment() == Alignment::BottomRight)
      diagonal = arith::AddIOp::create(
          b, diagonal, arith::SubIOp::create(b, keyLength, queryLength));
    auto shifted = [&](int64_t by) -> Lane {
      Value first = diagonal;
      if (by != 0)
        first = arith::AddIOp::create(b, first, k.index(by));
      return {k.positions(first, sizeOf(lanes, axes.query), lanes.position),
              axes.query};
    };
    std::optional<Lane> right, left;
    if (op.getCausal())
      right = shifted(0);
    if (auto window = op.getWindowRight()) {
      Lane bound = shifted(*window);
      right = right ? lanes.make<arith::MinSIOp>(*right, bound) : bound;
    }
    if (auto window = op.getWindowLeft())
      left = shifted(-int64_t(*window));
    if (op.getPrefix()) {
      auto slice = k.getSlice(op.getPrefix());
      if (!slice)
        return op.emitOpError("reads a prefix of ")
               << op.getPrefix().getType() << " that is not device memory";
      Value read = k.loadScalar(slice->view, slice->offsets);
      Value end = arith::IndexCastOp::create(b, b.getIndexType(), read);
      end = arith::MaxSIOp::create(b, end, k.index(0));
      Lane prefix = lanes.uniform(end);
      // Without a left side the prefix moves the right one.
      if (!left) {
        Lane inPrefix = lanes.uniform(
            arith::SubIOp::create(b, end, k.index(1)).getResult());
        last = lanes.make<arith::MinSIOp>(
            last, lanes.make<arith::MaxSIOp>(*right, inPrefix));
      } else {
        Lane band = lanes.compare(Predicate::sge, j, *left);
        if (right)
          band = both(band, lanes.compare(Predicate::sle, j, *right));
        visible = lanes.make<arith::OrIOp>(
            band, lanes.compare(Predicate::slt, j, prefix));
      }
    } else {
      if (right)
        last = lanes.make<arith::MinSIOp>(last, *right);
      if (left)
        visible = lanes.compare(Predicate::sge, j, *left);
    }
  }
  if (hidePadding)
    last = lanes.select(lanes.compare(Predicate::slt, queryPosition(lanes),
                                      lanes.uniform(queryLength)),
                        last, lanes.uniformIndex(-1));
  visible = both(visible, lanes.compare(Predicate::sle, j, last));
  if (columnSegments) {
    FailureOr<Value> rows = load(
        axes.key == Lane::Column ? op.getQuerySegments() : op.getKeySegments(),
        {lanes.rows});
    if (failed(rows))
      return failure();
    visible = both(visible, lanes.compare(Predicate::eq, {*rows, Lane::Row},
                                          {columnSegments, Lane::Column}));
  }
  if (Region &region = op.getMask(); !region.empty()) {
    Lanes inner(k, lanes.rows, lanes.columns, Lanes::getPositionType(region));
    Lane query = queryPosition(inner);
    Lane key = inner.position == lanes.position ? j : keyPosition(inner);
    query = clamp(inner, query, op.getLengths()[0]);
    key = clamp(inner, key, op.getLengths()[1]);
    FailureOr<Lane> passes = inner.apply(
        region, {inner.uniform(k.scalar(op.getOffsets()[0])),
                 inner.uniform(k.scalar(op.getOffsets()[1])), query, key});
    if (failed(passes))
      return failure();
    visible = both(visible, *passes);
    b.setLoc(op.getLoc());
  }
  Value hidden = k.constant({lanes.rows, lanes.columns}, -infinity);
  return arith::SelectOp::create(b, lanes.tile(*visible), scores, hidden)
      .getResult();
}

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

/// Philox4x32-10 (Salmon et al. 2011): the first word of the block that
/// `counter` and `key` name. All values are i32.
static Lane buildPhilox(Lanes &lanes, std::array<Lane, 4> counter,
                        std::array<Lane, 2> key) {
  KernelBuilder &k = lanes.k;
  Type i32 = k.b.getI32Type(), i64 = k.b.getI64Type();
  auto word = [&](uint32_t value) {
    return lanes.uniform(
        k.scalarConstant(k.b.getI32IntegerAttr(int32_t(value))));
  };
  // A 32-bit product as (low, high), through 64 bits.
  Lane shift = lanes.uniform(k.scalarConstant(k.b.getI64IntegerAttr(32)));
  auto multiply = [&](uint32_t factor, Lane v) -> std::pair<Lane, Lane> {
    Lane f = lanes.uniform(k.scalarConstant(k.b.getI64IntegerAttr(factor)));
    Lane product =
        lanes.make<arith::MulIOp>(lanes.convert<arith::ExtUIOp>(i64, v), f);
    Lane high = lanes.make<arith::ShRUIOp>(product, shift);
    return {lanes.convert<arith::TruncIOp>(i32, product),
            lanes.convert<arith::TruncIOp>(i32, high)};
  };
  Lane w0 = word(0x9E3779B9u), w1 = word(0xBB67AE85u);
  for (int round = 0; round < 10; ++round) {
    auto [low0, high0] = multiply(0xD2511F53u, counter[0]);
    auto [low1, high1] = multiply(0xCD9E8D57u, counter[2]);
    auto mix = [&](Lane high, Lane c, Lane x) {
      return lanes.make<arith::XOrIOp>(lanes.make<arith::XOrIOp>(high, c), x);
    };
    counter = {mix(high1, counter[1], key[0]), low1,
               mix(high0, counter[3], key[1]), low0};
    key = {lanes.make<arith::AddIOp>(key[0], w0),
           lanes.make<arith::AddIOp>(key[1], w1)};
  }
  return counter[0];
}

template <typename OpT>
Lane TileScores<OpT>::isKept(Lanes &lanes) {
  double p = op.getDropout()->convertToDouble();
  Type i32 = b.getI32Type();
  auto toWord = [&](Value index) {
    return lanes.uniform(
        arith::IndexCastOp::create(b, i32, k.scalar(index)).getResult());
  };
  Value seed = k.scalar(op.getSeed());
  Lane low = lanes.uniform(arith::TruncIOp::create(b, i32, seed).getResult());
  Value upper = arith::ShRUIOp::create(
      b, seed, k.scalarConstant(b.getI64IntegerAttr(32)));
  Lane high = lanes.uniform(arith::TruncIOp::create(b, i32, upper).getResult());
  Lane word =
      buildPhilox(lanes,
                  {keyPosition(lanes), queryPosition(lanes),
                   toWord(op.getOffsets()[1]), toWord(op.getOffsets()[0])},
                  {low, high});
  auto threshold =
      uint32_t(std::min(std::floor(p * 4294967296.0), 4294967295.0));
  Lane limit =
      lanes.uniform(k.scalarConstant(b.getI32IntegerAttr(int32_t(threshold))));
  return lanes.compare(arith::CmpIPredicate::uge, word, limit);
}

template <typename OpT>
Value TileScores<OpT>::drop(Lanes &lanes, Lane kept, Value weights) {
  double p = op.getDropout()->convertToDouble();
  Lane scaled = lanes.make<arith::MulFOp>({weights, Lane::Both},
                                          lanes.uniformFloat(1.0 / (1.0 - p)));
  return lanes.select(kept, scaled, lanes.uniformFloat(0.0)).value;
}

namespace seqc::totile {
template class TileScores<OnlineAttentionOp>;
template class TileScores<BlockAttentionBackwardOp>;
} // namespace seqc::totile
