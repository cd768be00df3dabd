//===- ShareRows.cpp - Rows that all warps read, in shared memory ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A number for each column of a product, as the log-sum-exp of its query is for
// a kernel whose rows are keys, is the same for all rows: every warp loads it,
// and a thread holds as many as it has columns, from the time that they are
// asked for on. In a loop that has a barrier anyway (its iterations exchange a
// factor), one thread for each number reads it an iteration ahead, computes
// what follows from it, and writes it to one of two rows of shared memory in
// front of that barrier. What reads it then does so where it is used:
//
//   iteration n    read row n mod 2,  write row (n + 1) mod 2,  barrier
//
// The row that an iteration writes was read in the one before, in front of its
// barrier, so no other one is needed; the first row is written before the loop.
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"
#include "LayoutChoice.h"

#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"

namespace seqc {
#define GEN_PASS_DEF_TILESHAREROWS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {
/// The rows of one loop.
class RowSharer {
public:
  RowSharer(KernelOp kernel, scf::ForOp loop)
      : kernel(kernel), loop(loop), b(loop.getLoc(), loop) {}

  unsigned run();

private:
  bool isRow(Value v);
  bool canCopy(Value v);
  Value copy(Value v, Value at, Attribute layout, IRMapping &map,
             Operation *place);
  void share(Value row);

  KernelOp kernel;
  scf::ForOp loop;
  ImplicitLocOpBuilder b;
  BarrierOp barrier;
};
} // namespace

/// A tile of one number for each column of a product.
bool RowSharer::isRow(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  auto slice = dyn_cast_if_present<SliceLayoutAttr>(type.getEncoding());
  return type.getRank() == 1 && type.getElementType().isF32() && slice &&
         slice.getDim() == 0 && isa<MmaLayoutAttr>(slice.getParent()) &&
         v.getParentBlock() == loop.getBody();
}

/// Whether `v` follows from loads, whose places the induction variable decides,
/// element by element.
bool RowSharer::canCopy(Value v) {
  Operation *op = v.getDefiningOp();
  if (!op || op->getNumResults() != 1)
    return false;
  if (op->getBlock() != loop.getBody())
    return isa<arith::ConstantOp>(op);
  if (auto load = dyn_cast<LoadOp>(op))
    // The place of a later iteration's tile may be outside.
    return !load.getRows() && load.getPages().empty() && !load.getInside() &&
           load.getSource().getParentBlock() != loop.getBody() &&
           llvm::all_of(load.getOffsets(), [&](Value offset) {
             return canCopySlice(offset, loop.getBody(), [&](Value known) {
               return known == loop.getInductionVar();
             });
           });
  return op->hasTrait<OpTrait::Elementwise>() && isMemoryEffectFree(op) &&
         op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return isa<RankedTensorType>(operand.getType()) && canCopy(operand);
         });
}

/// `v` for the iteration `at`, in another layout: loads where the builder
/// stands, what follows from them before `place`.
Value RowSharer::copy(Value v, Value at, Attribute layout, IRMapping &map,
                      Operation *place) {
  if (Value known = map.lookupOrNull(v))
    return known;
  Operation *op = v.getDefiningOp();
  auto type = withLayout(cast<RankedTensorType>(v.getType()), layout);
  Value now;
  if (auto load = dyn_cast<LoadOp>(op)) {
    IRMapping indices;
    indices.map(loop.getInductionVar(), at);
    SmallVector<Value> offsets;
    for (Value offset : load.getOffsets())
      offsets.push_back(copySlice(b, offset, loop.getBody(), indices));
    now =
        LoadOp::create(b, type, load.getSource(), offsets, load.getDimsAttr());
  } else {
    for (Value operand : op->getOperands())
      copy(operand, at, layout, map, place);
    OpBuilder::InsertionGuard guard(b);
    if (place)
      b.setInsertionPoint(place);
    Operation *clone = b.clone(*op, map);
    if (auto constant = dyn_cast<arith::ConstantOp>(clone)) {
      auto elements = cast<DenseElementsAttr>(constant.getValue());
      constant.setValueAttr(elements.resizeSplat(type));
    }
    now = clone->getResult(0);
    now.setType(type);
  }
  map.map(v, now);
  return now;
}

void RowSharer::share(Value row) {
  auto type = cast<RankedTensorType>(row.getType());
  auto plain = RankedTensorType::get(type.getShape(), type.getElementType());
  Attribute layout = chooseBlockedLayout(plain, int64_t(kernel.getWarps()));
  int64_t size = type.getDimSize(0);

  Block &top = kernel.getBody().front();
  b.setInsertionPointToStart(&top);
  Value shared = AllocOp::create(b, SharedType::get(b.getContext(), /*rows=*/2,
                                                    size, type.getElementType(),
                                                    /*pitch=*/size));
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, value);
  };
  b.setInsertionPoint(loop);
  IRMapping before;
  Value first = copy(row, loop.getLowerBound(), layout, before, nullptr);
  SharedStoreOp::create(b, first, shared, ValueRange{constant(0), constant(0)});

  b.setInsertionPointToStart(loop.getBody());
  Value at = loop.getInductionVar();
  Value passed = arith::SubIOp::create(b, at, loop.getLowerBound());
  Value number = arith::DivUIOp::create(b, passed, loop.getStep());
  Value parity = arith::RemUIOp::create(b, number, constant(2));
  Value other = arith::SubIOp::create(b, constant(1), parity);
  Value next = arith::AddIOp::create(b, at, loop.getStep());
  IRMapping ahead;
  Value written = copy(row, next, layout, ahead, barrier);
  b.setInsertionPoint(barrier);
  SharedStoreOp::create(b, written, shared, ValueRange{other, constant(0)});

  // Each use reads it where it needs it.
  for (OpOperand &use : llvm::make_early_inc_range(row.getUses())) {
    auto broadcast = dyn_cast<BroadcastOp>(use.getOwner());
    if (!broadcast)
      continue;
    Operation *firstUser = nullptr;
    for (Operation *user : broadcast->getUsers()) {
      Operation *ancestor = loop.getBody()->findAncestorOpInBlock(*user);
      if (!firstUser || ancestor->isBeforeInBlock(firstUser))
        firstUser = ancestor;
    }
    b.setInsertionPoint(firstUser);
    Value zero = constant(0);
    use.set(SharedLoadOp::create(b, type, shared, ValueRange{parity, zero}));
    broadcast->moveBefore(firstUser);
  }
}

unsigned RowSharer::run() {
  // One that waits for all warps.
  for (auto op : loop.getBody()->getOps<BarrierOp>())
    if (!barrier && !op.getWarp())
      barrier = op;
  if (!barrier)
    return 0;
  llvm::SetVector<Value> rows;
  for (auto broadcast : loop.getBody()->getOps<BroadcastOp>()) {
    Value row = broadcast.getSource();
    // What is read behind the barrier could be the next iteration's.
    bool isBefore = llvm::all_of(broadcast->getUsers(), [&](Operation *user) {
      return loop.getBody()->findAncestorOpInBlock(*user)->isBeforeInBlock(
          barrier);
    });
    if (isRow(row) && isBefore && canCopy(row) &&
        llvm::all_of(row.getUsers(), llvm::IsaPred<BroadcastOp>))
      rows.insert(row);
  }
  for (Value row : rows)
    share(row);
  if (!rows.empty()) {
    b.setInsertionPoint(loop);
    BarrierOp::create(b);
  }
  return rows.size();
}

namespace {
struct ShareRowsPass : seqc::impl::TileShareRowsBase<ShareRowsPass> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops)
      numRows += RowSharer(getOperation(), loop).run();
  }
};
} // namespace
