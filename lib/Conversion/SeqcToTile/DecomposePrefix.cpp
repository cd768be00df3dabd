//===- DecomposePrefix.cpp - The states between parts of a scan -> tile ---===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One block has a tile of channels x d_state in registers and goes over the
// parts: it writes the state, then takes the part in,
//
//   h = decay h + state
//
// Parts are taken several at a time, so that all of their loads are on their
// way before the first is needed. A part past the last one changes nothing that
// is read: its state is written nowhere, and what comes after it is not used,
// since the loop carries the state after the last part that there is. In
// reverse the parts are counted from the last; what would be in front of the
// first one has a number behind the last.
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

/// Parts whose loads are on their way at the same time.
static constexpr int64_t kTurn = 4;

static LogicalResult convert(KernelBuilder &k, ScanPrefixOp op) {
  ImplicitLocOpBuilder &b = k.b;
  auto fail = [&](Value v) {
    return op.emitOpError("reads a ")
           << v.getType() << " that is not a slice of device memory";
  };
  auto initType = cast<RankedTensorType>(op.getStateInit().getType());
  int64_t channels = initType.getDimSize(1);
  int64_t padded = llvm::PowerOf2Ceil(initType.getDimSize(2));
  auto type = RankedTensorType::get({channels, padded}, b.getF32Type());
  auto states = k.getSlice(op.getPartState()),
       decays = k.getSlice(op.getPartDecay()),
       starts = k.getSlice(op.getStartsInit());
  for (auto [slice, v] : {std::pair(&states, op.getPartState()),
                          {&decays, op.getPartDecay()},
                          {&starts, op.getStartsInit()}})
    if (!*slice)
      return fail(v);
  Value init = k.getTile(op.getStateInit(), {channels, padded});
  if (!init)
    return fail(op.getStateInit());
  b.setLoc(op.getLoc());

  auto dims = b.getDenseI64ArrayAttr({2, 3});
  auto at = [&](const Slice &slice, Value part) {
    SmallVector<Value> offsets = slice.offsets;
    offsets[0] = part;
    return offsets;
  };
  Value parts = memref::DimOp::create(b, states->view, k.index(0));
  auto loop = scf::ForOp::create(b, k.index(0), parts, k.index(kTurn), init);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> numbers, places;
    SmallVector<std::pair<Value, Value>> read;
    for (int64_t i = 0; i < kTurn; ++i) {
      Value part = arith::AddIOp::create(b, loop.getInductionVar(), k.index(i));
      numbers.push_back(part);
      if (op.getReverse()) {
        Value last = arith::SubIOp::create(b, parts, k.index(1));
        Value from = arith::SubIOp::create(b, last, part);
        Value exists =
            arith::CmpIOp::create(b, arith::CmpIPredicate::slt, part, parts);
        part = arith::SelectOp::create(b, exists, from, part);
      }
      places.push_back(part);
      Value decay =
          tile::LoadOp::create(b, type, decays->view, at(*decays, part), dims);
      Value state =
          tile::LoadOp::create(b, type, states->view, at(*states, part), dims);
      read.push_back({decay, state});
    }
    Value h = loop.getRegionIterArgs()[0];
    for (int64_t i = 0; i < kTurn; ++i) {
      tile::StoreOp::create(b, h, starts->view, at(*starts, places[i]), dims);
      Value next = math::FmaOp::create(b, read[i].first, h, read[i].second);
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                           numbers[i], parts);
      h = arith::SelectOp::create(b, k.splat(exists, type.getShape()), next, h);
    }
    scf::YieldOp::create(b, h);
  }
  k.setTile(op.getState(), loop.getResult(0));
  return success();
}

LogicalResult totile::decomposePrefix(KernelBuilder &k, scf::ForallOp forall) {
  k.bindGrid(/*longestFirst=*/false);
  ScanPrefixOp prefix;
  for (Operation &op : forall.getBody()->without_terminator()) {
    auto found = dyn_cast<ScanPrefixOp>(op);
    if (failed(found ? convert(k, found) : k.convert(&op)))
      return failure();
    if (found)
      prefix = found;
  }
  // The states before the parts have been written.
  for (Operation &yielded : forall.getTerminator().getYieldingOps()) {
    auto insert = cast<tensor::ParallelInsertSliceOp>(yielded);
    if (insert.getSource() == prefix.getStarts())
      continue;
    Value tile = k.getTile(insert.getSource());
    Value view = k.getView(insert.getDest());
    if (!tile || !view)
      return insert.emitOpError("inserts neither the states before the parts "
                                "nor that after them");
    SmallVector<Value> offsets = llvm::map_to_vector(
        insert.getMixedOffsets(), [&](OpFoldResult o) { return k.scalar(o); });
    tile::StoreOp::create(k.b, tile, view, offsets, /*dims=*/nullptr);
  }
  return success();
}
