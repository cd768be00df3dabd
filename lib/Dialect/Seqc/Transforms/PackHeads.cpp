//===- PackHeads.cpp - Query heads of one key head become rows ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With few queries a tile of one head is mostly padding, and every query head
// reads the keys and values again that it shares with others. Here the G query
// heads of a key/value head become one head with G S queries:
//
//   row r = g S + i      is query i of head h G + g
//
// which is a reshape of the query and, back, of the state. S and G are static,
// so what a row is follows from its number by a division:
//
//   head  h G + r div S      position  r mod S
//
// Everything that sees heads or positions is said in regions of these. The
// structured mask moves into the mask region: causal, windows and prefix as
// comparisons, segments as two reads. The mask analysis understands divisions
// by constants, so the bounds of the key loop survive. A bias moves to the end
// of the score region, unless it is the same for all rows.
//
// With one query at the end of the keys, causal hides nothing and is dropped.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCPACKHEADS
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

using Fold = OpFoldResult;

namespace {

/// Packs one operator.
class Packer {
public:
  Packer(RewriterBase &rewriter, OnlineAttentionOp op)
      : rewriter(rewriter), b(op.getLoc(), rewriter), op(op) {}

  /// Whether the heads and queries are known, and few enough to pack.
  bool analyze(int64_t maxQueries, int64_t maxRows);
  void rewrite();

private:
  RankedTensorType typeOf(Value v) {
    return cast<RankedTensorType>(v.getType());
  }
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value pack(Value v);
  Value unpack(Value v);
  Value packState(Value v);

  /// The head and the query of the row `r` of head `h`.
  std::pair<Value, Value> unpackRow(Value h, Value r);
  Value readBias(ValueRange arguments, Type type);
  /// Whether the pair passes everything but the mask region; null if all do.
  Value isVisible(Value batch, Value i, Value j);
  void buildScore(Region &region, bool hasBias);
  bool hasMask();
  void buildMask(Region &region);
  /// Copies `region` behind what has been built; returns what it yields.
  Value inlineRegion(Region &region, ValueRange arguments);

  RewriterBase &rewriter;
  ImplicitLocOpBuilder b;
  OnlineAttentionOp op;
  int64_t group = 0, queries = 0;
};

} // namespace

bool Packer::analyze(int64_t maxQueries, int64_t maxRows) {
  RankedTensorType query = typeOf(op.getQuery()), key = typeOf(op.getKey());
  int64_t heads = query.getDimSize(1), keyHeads = key.getDimSize(1);
  queries = query.getDimSize(2);
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(keyHeads) ||
      ShapedType::isDynamic(queries) || keyHeads == 0 || queries == 0)
    return false;
  group = heads / keyHeads;
  bool isWhole = llvm::all_of(op.getOffsets(),
                              [](Value v) { return isZeroInteger(Fold(v)); });
  if (maxRows && queries > 1 && group * queries > maxRows)
    return false;
  // Dropout numbers its weights by head and position.
  return group > 1 && queries <= maxQueries && isWhole && !op.getDropout() &&
         op.getTileClass() == TileClass::Partial &&
         getConstantIntValue(Fold(op.getLengths()[0])) == queries;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// (B, H, S, ...) -> (B, H / G, G S, ...).
Value Packer::pack(Value v) {
  RankedTensorType type = typeOf(v);
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, b.getLoc(), v);
  SmallVector<int64_t> split(shape), packed(shape);
  split[1] = shape[1] / group;
  split.insert(split.begin() + 2, group);
  sizes[1] = b.getIndexAttr(split[1]);
  sizes.insert(sizes.begin() + 2, b.getIndexAttr(group));
  packed[1] = split[1];
  packed[2] = group * shape[2];
  SmallVector<ReassociationIndices> expand = {{0}, {1, 2}, {3}},
                                    collapse = {{0}, {1}, {2, 3}};
  for (int64_t d = 3; d < type.getRank(); ++d) {
    expand.push_back({d + 1});
    collapse.push_back({d + 1});
  }
  Value wide = tensor::ExpandShapeOp::create(
      b, RankedTensorType::get(split, type.getElementType()), v, expand, sizes);
  return tensor::CollapseShapeOp::create(
      b, RankedTensorType::get(packed, type.getElementType()), wide, collapse);
}

/// (B, H, G S, ...) -> (B, H G, S, ...).
Value Packer::unpack(Value v) {
  RankedTensorType type = typeOf(v);
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> split(shape), unpacked(shape);
  split[2] = group;
  split.insert(split.begin() + 3, queries);
  // The batch is the query's; everything else is static.
  SmallVector<Fold> sizes = {
      tensor::getMixedSize(b, b.getLoc(), op.getQuery(), 0)};
  for (int64_t size : ArrayRef(split).drop_front())
    sizes.push_back(b.getIndexAttr(size));
  unpacked[1] = shape[1] * group;
  unpacked[2] = queries;
  SmallVector<ReassociationIndices> expand = {{0}, {1}, {2, 3}},
                                    collapse = {{0}, {1, 2}, {3}};
  for (int64_t d = 3; d < type.getRank(); ++d) {
    expand.push_back({d + 1});
    collapse.push_back({d + 1});
  }
  Value wide = tensor::ExpandShapeOp::create(
      b, RankedTensorType::get(split, type.getElementType()), v, expand, sizes);
  return tensor::CollapseShapeOp::create(
      b, RankedTensorType::get(unpacked, type.getElementType()), wide,
      collapse);
}

/// The state that comes in; one that is filled is filled again.
Value Packer::packState(Value v) {
  auto fill = v.getDefiningOp<linalg::FillOp>();
  if (!fill)
    return pack(v);
  RankedTensorType type = typeOf(v);
  SmallVector<Fold> sizes = tensor::getMixedSizes(b, b.getLoc(), v);
  sizes[1] = b.getIndexAttr(type.getDimSize(1) / group);
  sizes[2] = b.getIndexAttr(group * queries);
  Value empty = tensor::EmptyOp::create(b, sizes, type.getElementType());
  return linalg::FillOp::create(b, fill.getInputs()[0], empty).getResult(0);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

std::pair<Value, Value> Packer::unpackRow(Value h, Value r) {
  Value first = arith::MulIOp::create(b, h, index(group));
  if (queries == 1)
    return {arith::AddIOp::create(b, first, r), index(0)};
  Value size = index(queries);
  Value g = arith::DivUIOp::create(b, r, size);
  return {arith::AddIOp::create(b, first, g),
          arith::RemUIOp::create(b, r, size)};
}

Value Packer::inlineRegion(Region &region, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(region.getArguments(), arguments);
  for (Operation &inner : region.front().without_terminator())
    b.clone(inner, mapping);
  return mapping.lookupOrDefault(region.front().getTerminator()->getOperand(0));
}

/// The bias of (b, h, i, j) in the type of scores.
Value Packer::readBias(ValueRange arguments, Type type) {
  RankedTensorType biasType = typeOf(op.getBias());
  SmallVector<Value> indices(arguments);
  for (unsigned d = 0; d < 4; ++d)
    if (biasType.getDimSize(d) == 1)
      indices[d] = index(0);
  Value bias = tensor::ExtractOp::create(b, op.getBias(), indices);
  if (bias.getType() == type)
    return bias;
  return arith::ExtFOp::create(b, type, bias);
}

void Packer::buildScore(Region &region, bool hasBias) {
  Type type = getAccumulatorType(typeOf(op.getQuery()).getElementType());
  SmallVector<Type> types(4, b.getIndexType());
  types.insert(types.begin(), type);
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(), types,
                               SmallVector<Location>(5, b.getLoc()));
  auto [head, i] = unpackRow(block->getArgument(2), block->getArgument(3));
  Value score = block->getArgument(0), batch = block->getArgument(1),
        j = block->getArgument(4);
  if (!op.getScore().empty())
    score = inlineRegion(op.getScore(), {score, batch, head, i, j});
  if (hasBias) {
    Value bias = readBias({batch, head, i, j}, type);
    score = arith::AddFOp::create(b, score, bias);
  }
  YieldOp::create(b, score);
}

/// Whether some pair may be hidden.
bool Packer::hasMask() {
  bool isEnd = queries == 1 && op.getAlignment() == Alignment::BottomRight;
  bool hasBand = (op.getCausal() && !isEnd) || op.getWindowLeft() ||
                 (op.getWindowRight() && !isEnd);
  return hasBand || op.getQuerySegments() || !op.getMask().empty();
}

Value Packer::isVisible(Value batch, Value i, Value j) {
  using Predicate = arith::CmpIPredicate;
  auto compare = [&](Predicate predicate, Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, predicate, x, y);
  };
  auto both = [&](Value x, Value y) -> Value {
    return x ? arith::AndIOp::create(b, x, y).getResult() : y;
  };
  bool isBottomRight = op.getAlignment() == Alignment::BottomRight;
  // The last query ends the keys: nothing on its right is hidden.
  bool isEnd = queries == 1 && isBottomRight;
  Value diagonal = i;
  if (isBottomRight) {
    Value keys = op.getLengths()[1];
    if (Value keyLengths = op.getKeyLengths())
      keys = readKeyLength(b, b.getLoc(), keyLengths, batch, keys);
    Value first = arith::SubIOp::create(b, keys, index(queries));
    diagonal = arith::AddIOp::create(b, i, first);
  }
  auto shifted = [&](int64_t by) -> Value {
    return arith::AddIOp::create(b, diagonal, index(by));
  };
  Value band;
  if (op.getCausal() && !isEnd)
    band = compare(Predicate::sle, j, diagonal);
  if (auto right = op.getWindowRight(); right && !isEnd)
    band = both(band, compare(Predicate::sle, j, shifted(*right)));
  if (auto left = op.getWindowLeft())
    band = both(band, compare(Predicate::sge, j, shifted(-int64_t(*left))));
  if (band && op.getPrefix()) {
    Value prefix = tensor::ExtractOp::create(b, op.getPrefix(), batch);
    prefix = arith::IndexCastOp::create(b, b.getIndexType(), prefix);
    band = arith::OrIOp::create(b, band, compare(Predicate::slt, j, prefix));
  }
  if (op.getQuerySegments()) {
    Value x = tensor::ExtractOp::create(b, op.getQuerySegments(),
                                        ValueRange{batch, i});
    Value y =
        tensor::ExtractOp::create(b, op.getKeySegments(), ValueRange{batch, j});
    band = both(band, compare(Predicate::eq, x, y));
  }
  return band;
}

void Packer::buildMask(Region &region) {
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(),
                               SmallVector<Type>(4, b.getIndexType()),
                               SmallVector<Location>(4, b.getLoc()));
  Value batch = block->getArgument(0), j = block->getArgument(3);
  auto [head, i] = unpackRow(block->getArgument(1), block->getArgument(2));
  Value visible = isVisible(batch, i, j);
  if (!op.getMask().empty()) {
    Value passes = inlineRegion(op.getMask(), {batch, head, i, j});
    visible = visible ? arith::AndIOp::create(b, visible, passes).getResult()
                      : passes;
  }
  YieldOp::create(b, visible);
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

void Packer::rewrite() {
  b.setInsertionPoint(op);
  // A bias that no row tells from another stays.
  Value kept = op.getBias();
  if (kept &&
      (typeOf(kept).getDimSize(1) != 1 || typeOf(kept).getDimSize(2) != 1))
    kept = Value();
  Value query = pack(op.getQuery());
  SmallVector<Value> state = llvm::map_to_vector(
      op.getCarriedInits(), [&](Value v) { return packState(v); });
  SmallVector<Value> lengths = {index(group * queries), op.getLengths()[1]};
  auto packed = OnlineAttentionOp::create(
      b, ValueRange(state).getTypes(), query, op.getKey(), op.getValue(), kept,
      /*query_segments=*/Value(), /*key_segments=*/Value(),
      /*prefix=*/Value(), op.getKeyLengths(), /*seed=*/Value(), op.getOffsets(),
      lengths, state[0], state[1], state[2], op.getScaleAttr(),
      /*causal=*/UnitAttr(),
      /*window_left=*/IntegerAttr(), /*window_right=*/IntegerAttr(),
      op.getAlignmentAttr(), /*dropout=*/FloatAttr(), op.getTileClassAttr(),
      op.getScheduleAttr());
  bool movesBias = op.getBias() && !kept;
  if (!op.getScore().empty() || movesBias)
    buildScore(packed.getScore(), movesBias);
  if (hasMask())
    buildMask(packed.getMask());
  SmallVector<Value> results = llvm::map_to_vector(
      packed.getResults(), [&](Value v) { return unpack(v); });
  rewriter.replaceOp(op, results);
}

namespace {
struct PackHeadsPass : public seqc::impl::SeqcPackHeadsBase<PackHeadsPass> {
  using Base::Base;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<OnlineAttentionOp> ops;
    getOperation()->walk([&](OnlineAttentionOp op) { ops.push_back(op); });
    for (OnlineAttentionOp op : ops) {
      Packer packer(rewriter, op);
      if (!packer.analyze(maxQueries, maxRows))
        continue;
      packer.rewrite();
      ++numPacked;
    }
  }
};
} // namespace
