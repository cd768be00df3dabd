//===- StageSlices.cpp - Parts of tiles go through shared memory ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread cannot read registers at a place that only a loop knows, and the
// layout of a part is another one than that of the whole: where rows of whole
// tiles are as device memory wants them, the columns of a part are as the
// recurrence does. So both directions go through shared memory:
//
//   tensor.extract_slice   the whole is written where it is computed, and each
//                          part read from there
//   tensor.insert_slice    of a tile that a loop carries and that nothing else
//                          reads: parts are written as they come, and the whole
//                          is read after the loop
//
//   tile.exchange          written where it is computed, and read in the layout
//                          that is wanted
//
// Rows lie 16 bytes further apart than they are long, so that threads in the
// same column of different rows meet different banks.
//
// Who waits for whom. A tile whose rows are written and read by the same warp
// needs an order in this warp only; every other needs a barrier of the block
// before the operation that reads parts of it. In a loop there are two of such
// a tile, for even and odd iterations: who has passed the barrier of one
// iteration knows that all are done with the one before. After the reads, warps
// put their own tiles in order again, for the whole that comes out or for the
// next iteration. Exchanges and parts that are taken where the tile is computed
// wait before the first of them, together where they stand next to each other.
// A tile that was put together from parts is written part by part.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallSet.h"

namespace seqc {
#define GEN_PASS_DEF_TILESTAGESLICES
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// The operation of a block that reads or writes parts, and who must have
/// arrived before and after it.
struct Place {
  bool needsBlock = false;
};

class SliceStager {
public:
  explicit SliceStager(KernelOp kernel)
      : kernel(kernel), b(kernel.getLoc(), kernel.getContext()) {}

  LogicalResult run();

  int64_t numRead = 0, numWritten = 0, numDoubled = 0, numBytes = 0;

private:
  LogicalResult stageReads(Value whole, ArrayRef<tensor::ExtractSliceOp> parts);
  LogicalResult stageInPlace();
  FailureOr<std::pair<Value, SmallVector<Value>>>
  storeWhole(Value whole, bool isLocal,
             ArrayRef<tensor::InsertSliceOp> inserts = {});
  LogicalResult stageWrites(tensor::InsertSliceOp part);
  FailureOr<SmallVector<Value>> getOffsets(Operation *op,
                                           OffsetSizeAndStrideOpInterface part);
  Value createTile(RankedTensorType type, int64_t copies, Block *block);
  Value getParity(scf::ForOp loop);
  void addBarriers();

  KernelOp kernel;
  ImplicitLocOpBuilder b;
  llvm::MapVector<Operation *, Place> places;
  DenseMap<Operation *, Value> parities;
  /// Tiles of shared memory, and the blocks that use them.
  llvm::MapVector<Value, SmallVector<Block *>> tiles;
  /// Blocks that begin with a barrier.
  DenseSet<Block *> entered;
};

} // namespace

/// The rows of a tile that each warp holds elements of.
static std::vector<llvm::SmallSet<int64_t, 32>> getRows(RankedTensorType type) {
  ThreadLayout layout = getThreadLayout(type);
  std::vector<llvm::SmallSet<int64_t, 32>> rows(layout.numWarps);
  for (int64_t warp = 0; warp < layout.numWarps; ++warp)
    for (int64_t lane = 0; lane < kThreadsPerWarp; ++lane)
      for (int64_t r = 0; r < layout.getNumRegisters(); ++r)
        rows[warp].insert(layout.getCoordinates(warp, lane, r)[0]);
  return rows;
}

/// Whether a warp reads no row but those that it wrote, all of them.
static bool staysInWarp(RankedTensorType written, RankedTensorType read) {
  auto from = getRows(written), to = getRows(read);
  if (from.size() != to.size() || getThreadLayout(written).getWarpBits(1) ||
      getThreadLayout(written).getWarpCopyBits())
    return false;
  for (auto [f, t] : llvm::zip_equal(from, to))
    for (int64_t row : t)
      if (!f.contains(row))
        return false;
  return true;
}

/// Whether a part is taken where the tile is computed, not in a loop there.
static bool isInPlace(tensor::ExtractSliceOp part) {
  return part->getBlock() == part.getSource().getParentBlock();
}

static bool startsAtRowZero(OffsetSizeAndStrideOpInterface part) {
  return !part.isDynamicOffset(0) && part.getStaticOffset(0) == 0;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Whether one of the blocks is (in) the other.
static bool isNested(Block *x, Block *y) {
  return x == y || x->findAncestorOpInBlock(*y->getParentOp()) ||
         y->findAncestorOpInBlock(*x->getParentOp());
}

/// A tile of shared memory for `block`; blocks of which one runs after the
/// other share theirs.
Value SliceStager::createTile(RankedTensorType type, int64_t copies,
                              Block *block) {
  int64_t unit = 128 / type.getElementTypeBitWidth();
  int64_t columns = type.getDimSize(1);
  int64_t rows = type.getDimSize(0) * copies;
  int64_t pitch = llvm::alignTo(columns, unit) + unit;
  for (auto &[tile, users] : tiles) {
    auto known = cast<SharedType>(tile.getType());
    if (known.getElementType() != type.getElementType() ||
        known.getColumns() != columns || known.getRows() < rows ||
        llvm::any_of(users, [&](Block *b) { return isNested(b, block); }))
      continue;
    users.push_back(block);
    // The others may still be reading it there; a loop's own iterations know
    // of each other.
    if (entered.insert(block).second) {
      OpBuilder::InsertionGuard guard(b);
      if (isa<scf::ForOp>(block->getParentOp()))
        b.setInsertionPoint(block->getParentOp());
      else
        b.setInsertionPointToStart(block);
      BarrierOp::create(b);
    }
    return tile;
  }
  auto shared = SharedType::get(b.getContext(), rows, columns,
                                type.getElementType(), pitch);
  numBytes += shared.getNumBytes();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&kernel.getBody().front());
  Value tile = AllocOp::create(b, shared);
  tiles[tile].push_back(block);
  return tile;
}

FailureOr<SmallVector<Value>>
SliceStager::getOffsets(Operation *op, OffsetSizeAndStrideOpInterface part) {
  if (!part.hasUnitStride())
    return op->emitOpError("of a tile has strides of 1 only");
  SmallVector<Value> offsets;
  for (OpFoldResult offset : part.getMixedOffsets())
    offsets.push_back(
        isa<Value>(offset)
            ? cast<Value>(offset)
            : Value(arith::ConstantIndexOp::create(
                  b, cast<IntegerAttr>(cast<Attribute>(offset)).getInt())));
  return offsets;
}

/// 0 or 1 in turn, at the start of the loop's body.
Value SliceStager::getParity(scf::ForOp loop) {
  Value &parity = parities[loop];
  if (parity)
    return parity;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value passed =
      arith::SubIOp::create(b, loop.getInductionVar(), loop.getLowerBound());
  Value number = arith::DivUIOp::create(b, passed, loop.getStep());
  parity =
      arith::AndIOp::create(b, number, arith::ConstantIndexOp::create(b, 1));
  return parity;
}

//===----------------------------------------------------------------------===//
// Parts that are read
//===----------------------------------------------------------------------===//

/// Writes a tile where it is computed. Gives the memory, and where in it the
/// tile starts; nothing for the first row.
FailureOr<std::pair<Value, SmallVector<Value>>>
SliceStager::storeWhole(Value whole, bool isLocal,
                        ArrayRef<tensor::InsertSliceOp> inserts) {
  auto type = cast<RankedTensorType>(whole.getType());
  Block *block = whole.getParentBlock();
  if (type.getRank() != 2 || !type.getElementType().isIntOrFloat())
    return emitError(whole.getLoc())
           << "parts are taken of a tile of type " << type
           << ", but only of 2-D tiles of numbers";
  // Two of them where others may still read that of the last iteration.
  auto loop = dyn_cast<scf::ForOp>(block->getParentOp());
  bool isDoubled = loop && !isLocal;
  Value shared = createTile(type, isDoubled ? 2 : 1, block);
  SmallVector<Value> start;
  if (isDoubled) {
    Value parity = getParity(loop);
    b.setInsertionPointAfter(parity.getDefiningOp());
    Value row = arith::MulIOp::create(
        b, parity, arith::ConstantIndexOp::create(b, type.getDimSize(0)));
    start = {row, arith::ConstantIndexOp::create(b, 0)};
    ++numDoubled;
  }
  for (tensor::InsertSliceOp insert : inserts) {
    b.setInsertionPoint(insert);
    FailureOr<SmallVector<Value>> offsets = getOffsets(insert, insert);
    if (failed(offsets))
      return failure();
    if (isDoubled)
      offsets->front() = arith::AddIOp::create(b, start[0], offsets->front());
    SharedStoreOp::create(b, insert.getSource(), shared, *offsets);
  }
  if (!inserts.empty())
    return std::pair(shared, start);
  if (Operation *op = whole.getDefiningOp())
    b.setInsertionPointAfter(op);
  else if (!isDoubled)
    b.setInsertionPointToStart(block);
  SharedStoreOp::create(b, whole, shared, start);
  return std::pair(shared, start);
}

/// What a tile consists of: parts that were put into an empty one, or itself.
static SmallVector<tensor::InsertSliceOp> getInserts(Value whole) {
  SmallVector<tensor::InsertSliceOp> inserts;
  Value v = whole;
  while (auto insert = v.getDefiningOp<tensor::InsertSliceOp>()) {
    inserts.push_back(insert);
    v = insert.getDest();
  }
  if (!v.getDefiningOp<tensor::EmptyOp>())
    inserts.clear();
  return inserts;
}

/// Whether every warp reads what it has written.
static bool isLocalRead(Value whole, Operation *reader) {
  auto type = cast<RankedTensorType>(reader->getResult(0).getType());
  if (auto part = dyn_cast<OffsetSizeAndStrideOpInterface>(reader);
      part && !startsAtRowZero(part))
    return false;
  SmallVector<tensor::InsertSliceOp> inserts = getInserts(whole);
  if (inserts.empty())
    return staysInWarp(cast<RankedTensorType>(whole.getType()), type);
  return llvm::all_of(inserts, [&](tensor::InsertSliceOp insert) {
    return startsAtRowZero(insert) &&
           staysInWarp(cast<RankedTensorType>(insert.getSource().getType()),
                       type);
  });
}

/// Exchanges, and parts at places that are known, in the block of the tile.
LogicalResult SliceStager::stageInPlace() {
  // Those that stand next to each other wait together.
  SmallVector<SmallVector<Operation *>> runs;
  llvm::MapVector<Value, bool> wholes;
  WalkResult known = kernel.walk([&](Operation *op) {
    auto extract = dyn_cast<tensor::ExtractSliceOp>(op);
    if (!isa<ExchangeOp>(op) && !(extract && isInPlace(extract)))
      return WalkResult::advance();
    for (Value value : {op->getOperand(0), Value(op->getResult(0))})
      if (!getLayout(value.getType())) {
        op->emitOpError("has a tile of type ")
            << value.getType()
            << ", which has no layout: tile-assign-layouts comes first";
        return WalkResult::interrupt();
      }
    if (runs.empty() || runs.back().back() != op->getPrevNode())
      runs.emplace_back();
    runs.back().push_back(op);
    return WalkResult::advance();
  });
  if (known.wasInterrupted())
    return failure();
  for (SmallVector<Operation *> &run : runs) {
    llvm::erase_if(run, [&](Operation *op) {
      // A layout that is wanted and there.
      bool isThere =
          isa<ExchangeOp>(op) &&
          op->getOperand(0).getType() == op->getResult(0).getType() &&
          getInserts(op->getOperand(0)).empty();
      if (isThere) {
        op->getResult(0).replaceAllUsesWith(op->getOperand(0));
        op->erase();
      }
      return isThere;
    });
    for (Operation *op : run) {
      Value whole = op->getOperand(0);
      bool isLocal = isLocalRead(whole, op);
      auto [it, isNew] = wholes.insert({whole, isLocal});
      it->second &= isLocal;
    }
  }

  struct Written {
    Value shared;
    SmallVector<Value> start;
    bool isSeen = false;
  };
  DenseMap<Value, Written> written;
  SmallVector<Operation *> dead;
  llvm::SmallSetVector<Operation *, 4> ends;
  // Loops need the most of shared memory, which others then find there.
  SmallVector<Value> order;
  for (bool isLoop : {true, false})
    for (auto [whole, isLocal] : wholes)
      if (isa<scf::ForOp>(whole.getParentBlock()->getParentOp()) == isLoop)
        order.push_back(whole);
  for (Value whole : order) {
    bool isLocal = wholes[whole];
    SmallVector<tensor::InsertSliceOp> inserts = getInserts(whole);
    auto place = storeWhole(whole, isLocal, inserts);
    if (failed(place))
      return failure();
    llvm::append_range(dead, inserts);
    written[whole] = {place->first, place->second};
    ++numRead;
    // The next iteration writes it again.
    Block *block = whole.getParentBlock();
    if (isLocal && isa<scf::ForOp>(block->getParentOp()))
      ends.insert(block->getTerminator());
  }
  for (ArrayRef<Operation *> run : runs) {
    bool needsBlock = false, needsWarp = false;
    for (Operation *op : run) {
      Written &place = written[op->getOperand(0)];
      if (!place.isSeen)
        (wholes[op->getOperand(0)] ? needsWarp : needsBlock) = true;
      place.isSeen = true;
    }
    if (needsBlock || needsWarp) {
      b.setInsertionPoint(run.front());
      BarrierOp::create(b, /*warp=*/!needsBlock);
    }
    for (Operation *op : run) {
      b.setInsertionPoint(op);
      Written &place = written[op->getOperand(0)];
      SmallVector<Value> offsets = place.start;
      if (auto part = dyn_cast<OffsetSizeAndStrideOpInterface>(op)) {
        FailureOr<SmallVector<Value>> own = getOffsets(op, part);
        if (failed(own))
          return failure();
        offsets = *own;
        if (!place.start.empty())
          offsets[0] = arith::AddIOp::create(b, place.start[0], offsets[0]);
      }
      Value read = SharedLoadOp::create(b, op->getResult(0).getType(),
                                        place.shared, offsets);
      op->getResult(0).replaceAllUsesWith(read);
      op->erase();
    }
  }
  for (Operation *end : ends) {
    b.setInsertionPoint(end);
    BarrierOp::create(b, /*warp=*/true);
  }
  for (Operation *op : dead)
    if (op->use_empty())
      op->erase();
  return success();
}

LogicalResult SliceStager::stageReads(Value whole,
                                      ArrayRef<tensor::ExtractSliceOp> parts) {
  auto type = cast<RankedTensorType>(whole.getType());
  Block *block = whole.getParentBlock();
  bool isLocal = true;
  Operation *first = nullptr, *last = nullptr;
  for (tensor::ExtractSliceOp part : parts) {
    isLocal &= startsAtRowZero(part) && staysInWarp(type, part.getType());
    Operation *reader = block->findAncestorOpInBlock(*part);
    if (!first || reader->isBeforeInBlock(first))
      first = reader;
    if (!last || last->isBeforeInBlock(reader))
      last = reader;
  }
  if (first != last)
    return emitError(whole.getLoc())
           << "parts of a tile of type " << type
           << " are taken by several operations of its block";
  auto place = storeWhole(whole, isLocal);
  if (failed(place))
    return failure();
  auto &[shared, start] = *place;
  for (tensor::ExtractSliceOp part : parts) {
    b.setInsertionPoint(part);
    FailureOr<SmallVector<Value>> offsets = getOffsets(part, part);
    if (failed(offsets))
      return failure();
    if (!start.empty())
      offsets->front() = arith::AddIOp::create(b, start[0], offsets->front());
    Value read = SharedLoadOp::create(b, part.getType(), shared, *offsets);
    part.replaceAllUsesWith(read);
    part.erase();
  }
  places[first].needsBlock |= !isLocal;
  ++numRead;
  return success();
}

//===----------------------------------------------------------------------===//
// Parts that are written
//===----------------------------------------------------------------------===//

LogicalResult SliceStager::stageWrites(tensor::InsertSliceOp part) {
  auto argument = dyn_cast<BlockArgument>(part.getDest());
  auto loop = dyn_cast<scf::ForOp>(part->getParentOp());
  if (!loop || !argument || argument.getOwner() != loop.getBody() ||
      argument == loop.getInductionVar() || !argument.hasOneUse() ||
      loop.getTiedLoopYieldedValue(argument)->get() != part.getResult() ||
      !part.getResult().hasOneUse() ||
      !loop.getTiedLoopInit(argument)->get().getDefiningOp<tensor::EmptyOp>())
    return part.emitOpError("writes a part of a tile that is not carried by "
                            "the loop, from tensor.empty on, for this alone");
  auto type = cast<RankedTensorType>(part.getType());
  auto source = cast<RankedTensorType>(part.getSource().getType());
  if (type.getRank() != 2)
    return part.emitOpError("writes a part of ")
           << type << ", but only of 2-D tiles";
  OpResult whole = loop.getTiedLoopResult(argument);
  bool isLocal = startsAtRowZero(part) && staysInWarp(source, type);
  Value shared = createTile(type, 1, loop->getBlock());
  b.setInsertionPoint(part);
  FailureOr<SmallVector<Value>> offsets = getOffsets(part, part);
  if (failed(offsets))
    return failure();
  SharedStoreOp::create(b, part.getSource(), shared, *offsets);
  part.replaceAllUsesWith(Value(argument));
  part.erase();
  // In a loop, the parts of the next iteration come after its first barrier.
  b.setInsertionPointAfter(loop);
  if (!isLocal)
    BarrierOp::create(b);
  places[loop]; // Even if it reads no parts.
  Value read = SharedLoadOp::create(b, type, shared);
  whole.replaceAllUsesWith(read);
  ++numWritten;
  return success();
}

void SliceStager::addBarriers() {
  for (auto &[op, place] : places) {
    b.setInsertionPoint(op);
    BarrierOp::create(b, /*warp=*/!place.needsBlock);
    b.setInsertionPointAfter(op);
    BarrierOp::create(b, /*warp=*/true);
  }
}

LogicalResult SliceStager::run() {
  llvm::MapVector<Value, SmallVector<tensor::ExtractSliceOp>> reads;
  SmallVector<tensor::InsertSliceOp> writes;
  if (failed(stageInPlace()))
    return failure();
  kernel.walk([&](Operation *op) {
    auto extract = dyn_cast<tensor::ExtractSliceOp>(op);
    if (extract)
      reads[extract.getSource()].push_back(extract);
    else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      writes.push_back(insert);
  });
  for (auto &[whole, parts] : reads) {
    for (Value value : {whole, Value(parts.front().getResult())})
      if (!getLayout(value.getType()))
        return parts.front().emitOpError("has a tile of type ")
               << value.getType()
               << ", which has no layout: tile-assign-layouts comes first";
    if (failed(stageReads(whole, parts)))
      return failure();
  }
  for (tensor::InsertSliceOp part : writes)
    if (failed(stageWrites(part)))
      return failure();
  addBarriers();
  return success();
}

namespace {
struct StageSlicesPass : seqc::impl::TileStageSlicesBase<StageSlicesPass> {
  using Base::Base;

  void runOnOperation() override {
    SliceStager stager(getOperation());
    if (failed(stager.run()))
      return signalPassFailure();
    numRead += stager.numRead;
    numWritten += stager.numWritten;
    numDoubled += stager.numDoubled;
    numBytes += stager.numBytes;
  }
};
} // namespace
