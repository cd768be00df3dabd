//===- AssignLayouts.cpp - Which thread holds which element ---------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each operation ties the layouts of its tiles: elementwise operations, loops
// and branches want one layout for all of them, a reduction or a broadcast
// makes one side a slice of the other. So a layout that is known somewhere
// spreads, through definitions and uses, over everything that it is tied to:
//
//   1. Constants, splats and iotas get one copy per use: they never tie their
//      users to each other. So does a load that goes to products and elsewhere.
//   2. Products anchor: accumulator, result and a left operand that is computed
//      have #tile.mma. A load that only products read keeps no layout.
//      Recurrences anchor, too: a thread has all steps of what it has a part
//      of.
//   3. What the anchors reach gets its layout. In what is left, the largest
//      tile is the next anchor, with a blocked layout; next to a recurrence one
//      in which a warp has the same rows as there.
//   4. Where two layouts meet at an operand, its producers are computed again
//      in the layout that is wanted, if they are cheap: loads and arithmetic on
//      loads, constants and iotas. Everything else is an error.
//
// There is no search and no cost: the order of the program decides.
//
//===----------------------------------------------------------------------===//

#include "LayoutChoice.h"

#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"

#include <deque>

namespace seqc {
#define GEN_PASS_DEF_TILEASSIGNLAYOUTS
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Produces the same tile in any layout, from nothing.
static bool isLeaf(Operation *op) {
  return isa<arith::ConstantOp, tensor::SplatOp, tensor::EmptyOp, IotaOp,
             RampOp>(op);
}

/// All of its tiles have one layout.
static bool isElementwise(Operation *op) {
  return op->hasTrait<OpTrait::Elementwise>() || isa<GatherOp, ShiftOp>(op);
}

namespace {
class Assigner {
public:
  Assigner(KernelOp kernel)
      : kernel(kernel), warps(int64_t(kernel.getWarps())) {}

  LogicalResult run();

  int64_t numAnchors = 0, numCopies = 0, numTiles = 0;

private:
  void splitLeaves();
  LogicalResult anchorProducts();
  LogicalResult anchorRecurrences();
  LogicalResult anchorShifts();
  void shareSums(RankedTensorType type, BlockedLayoutAttr layout);
  Attribute chooseLayout(Value value);
  LogicalResult anchorRest();
  void spread();
  void visit(Operation *op);
  void visitIf(scf::IfOp op);
  void visitFor(scf::ForOp op);
  void visitUpdate(UpdateWhereOp op);
  void set(Value value, Attribute layout);
  /// Gives all of `values` the layout that one of them has.
  void tie(ArrayRef<Value> values);
  Attribute get(Value value) const { return layouts.lookup(value); }

  LogicalResult fixOperands();
  LogicalResult fixOperand(OpOperand &operand, Attribute wanted);
  Value recompute(Value value, Attribute layout, Operation *&culprit);
  void setTypes();

  KernelOp kernel;
  int64_t warps;
  bool hasRecurrences = false;
  DenseMap<Value, Attribute> layouts;
  DenseSet<Value> staged;
  std::deque<Value> worklist;
  DenseMap<std::pair<Value, Attribute>, Value> copies;
};
} // namespace

//===----------------------------------------------------------------------===//
// Anchors
//===----------------------------------------------------------------------===//

static bool isProductUse(OpOperand &use) {
  auto dot = dyn_cast<DotOp>(use.getOwner());
  return dot && use.get() != dot.getAcc();
}

void Assigner::splitLeaves() {
  SmallVector<Operation *> leaves, loads;
  kernel.walk([&](Operation *op) {
    if (isLeaf(op) && isTile(op->getResult(0)))
      leaves.push_back(op);
    if (isa<LoadOp>(op))
      loads.push_back(op);
  });
  for (Operation *op : leaves) {
    bool isFirst = true;
    for (OpOperand &use :
         llvm::make_early_inc_range(op->getResult(0).getUses())) {
      if (!isFirst)
        use.set(OpBuilder(op).clone(*op)->getResult(0));
      isFirst = false;
    }
  }
  for (Operation *op : loads) {
    Value result = op->getResult(0);
    if (!llvm::any_of(result.getUses(), isProductUse))
      continue;
    if (!llvm::all_of(result.getUses(), isProductUse)) {
      Value copy = OpBuilder(op).clone(*op)->getResult(0);
      result.replaceUsesWithIf(copy, isProductUse);
      result = copy;
    }
    staged.insert(result);
  }
}

LogicalResult Assigner::anchorProducts() {
  WalkResult result = kernel.walk([&](DotOp op) {
    auto type = op.getResult().getType();
    int64_t rows = type.getDimSize(0);
    if (rows % (16 * warps) || type.getDimSize(1) % 8) {
      op.emitOpError() << "result of type " << type
                       << " cannot be spread over the " << warps
                       << " warps of its kernel: rows must be a multiple of "
                       << 16 * warps << " and columns of 8";
      return WalkResult::interrupt();
    }
    auto mma = MmaLayoutAttr::get(op.getContext(), warps);
    set(op.getResult(), mma);
    set(op.getAcc(), mma);
    if (isTile(op.getA()) && !staged.contains(op.getA()))
      set(op.getA(), mma);
    ++numAnchors;
    return WalkResult::advance();
  });
  // Packed tiles have the order of a product's.
  kernel.walk([&](Operation *op) {
    auto mma = MmaLayoutAttr::get(op->getContext(), warps);
    if (auto load = dyn_cast<LoadOp>(op); load && load.getPacked())
      set(load.getResult(), mma);
    if (auto store = dyn_cast<StoreOp>(op); store && store.getPacked())
      set(store.getValue(), mma);
  });
  return failure(result.wasInterrupted());
}

/// Sums over the states of a recurrence that leave for shared memory, which
/// takes them in any layout: no thread needs a copy of another's.
void Assigner::shareSums(RankedTensorType type, BlockedLayoutAttr layout) {
  kernel.walk([&](ReduceOp op) {
    if (op.getSource().getType() != type || op.getDim() != 2 ||
        !llvm::all_of(op->getUses(), [](OpOperand &use) {
          auto insert = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
          return (insert && use.get() == insert.getSource()) ||
                 isa<ExchangeOp>(use.getOwner());
        }))
      return;
    // It says nothing about the operand's.
    if (Attribute shared = choosePartialSumLayout(layout, type.getDimSize(1)))
      layouts.try_emplace(op.getResult(), shared);
  });
}

/// Whether tensor cores sum over the states.
static bool isContracted(RecurrenceOp op) {
  return llvm::any_of(op.getStates().getUsers(), llvm::IsaPred<ContractOp>);
}

LogicalResult Assigner::anchorRecurrences() {
  WalkResult sums =
      kernel.walk([](SumBlocksOp) { return WalkResult::interrupt(); });
  bool isSummed = sums.wasInterrupted();
  WalkResult result = kernel.walk([&](RecurrenceOp op) {
    RankedTensorType type = op.getStates().getType();
    Attribute layout;
    if (op.getDim() == 1)
      layout = chooseRecurrenceLayout(type, warps, isContracted(op), isSummed);
    if (!layout) {
      op.emitOpError()
          << "on tiles of type " << type << " along dimension "
          << int64_t(op.getDim()) << " cannot be spread over the " << warps
          << " warps of its kernel: each needs the same number of "
             "channels, in dimension 0, and a thread all steps, in "
             "dimension 1";
      return WalkResult::interrupt();
    }
    hasRecurrences = true;
    set(op.getStates(), layout);
    shareSums(type, cast<BlockedLayoutAttr>(layout));
    for (Operation *user : op.getStates().getUsers())
      if (auto contract = dyn_cast<ContractOp>(user)) {
        auto states = withLayout(type, layout);
        set(contract.getWeights(), ContractOp::getWeightsLayout(states));
        set(contract.getResult(), ContractOp::getResultLayout(states));
      }
    ++numAnchors;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult Assigner::anchorShifts() {
  WalkResult result = kernel.walk([&](ShiftOp op) {
    if (get(op.getResult()))
      return WalkResult::advance();
    Attribute layout =
        chooseWholeBlocksLayout(op.getType(), op.getBlock(), warps);
    if (!layout) {
      op.emitOpError() << "of a tile of type " << op.getType()
                       << " in blocks of " << int64_t(op.getBlock())
                       << " cannot be spread over the " << warps
                       << " warps of its kernel";
      return WalkResult::interrupt();
    }
    ++numAnchors;
    set(op.getResult(), layout);
    spread();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// The dimension of the tile along which its view has consecutive elements: the
/// view's last dimension, if nothing else is known.
static int64_t getContiguousDim(LoadOp load) {
  MemRefType view = load.getSource().getType();
  SmallVector<int64_t> strides;
  int64_t offset, rank = load.getType().getRank(), dim = view.getRank() - 1;
  if (succeeded(view.getStridesAndOffset(strides, offset)) &&
      strides.back() != 1)
    for (auto [d, stride] : llvm::enumerate(strides))
      if (stride == 1)
        dim = d;
  for (int64_t i = 0; i < rank; ++i)
    if (load.getSourceDim(i) == dim)
      return i;
  return rank - 1;
}

/// The dimension of the tile along which the view that it is written to has
/// consecutive elements, as far as that is known.
static int64_t getContiguousDim(StoreOp store) {
  MemRefType view = store.getDest().getType();
  auto type = cast<RankedTensorType>(store.getValue().getType());
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (store.getDestDim(i) == view.getRank() - 1)
      return i;
  return type.getRank() - 1;
}

/// A layout for a tile that nothing is known of.
Attribute Assigner::chooseLayout(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (hasRecurrences && type.getRank() == 2) {
    auto load = value.getDefiningOp<LoadOp>();
    return chooseStripLayout(type, load ? getContiguousDim(load) : 1, warps);
  }
  bool isReduced[2] = {false, false};
  kernel.walk([&](ReduceOp op) {
    if (op.getSource().getType() == type && op.getDim() < 2)
      isReduced[op.getDim()] = true;
  });
  if (isReduced[1])
    return chooseReducedLayout(type, warps);
  // Several warps that hold a column could not reduce it.
  Attribute layout = chooseBlockedLayout(type, warps);
  auto blocked = dyn_cast_if_present<BlockedLayoutAttr>(layout);
  return isReduced[0] && blocked && blocked.getWarps()[0] > 1
             ? chooseColumnsLayout(type, warps)
             : layout;
}

/// Anchors what no product reaches, the largest tiles first.
LogicalResult Assigner::anchorRest() {
  // Next to a recurrence, what comes from device memory says how.
  if (hasRecurrences) {
    kernel.walk([&](LoadOp load) {
      if (load.getType().getRank() != 2 || get(load.getResult()))
        return;
      if (Attribute layout = chooseLayout(load.getResult())) {
        ++numAnchors;
        set(load.getResult(), layout);
        spread();
      }
    });
    kernel.walk([&](StoreOp store) {
      auto type = dyn_cast<RankedTensorType>(store.getValue().getType());
      if (!type || type.getRank() != 2 || get(store.getValue()))
        return;
      if (Attribute layout =
              chooseStripLayout(type, getContiguousDim(store), warps)) {
        ++numAnchors;
        set(store.getValue(), layout);
        spread();
      }
    });
  }
  SmallVector<Value> tiles;
  auto collect = [&](Value value) {
    if (isTile(value) && !staged.contains(value))
      tiles.push_back(value);
  };
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Value value : op->getResults())
      collect(value);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), collect);
  });
  numTiles = tiles.size();
  // Among tiles of one size the first one in the program.
  SmallVector<std::tuple<int64_t, int64_t, size_t>> order;
  for (auto [i, value] : llvm::enumerate(tiles)) {
    auto type = cast<RankedTensorType>(value.getType());
    order.emplace_back(-type.getRank(), -type.getNumElements(), i);
  }
  llvm::sort(order);
  for (auto [rank, size, i] : order) {
    Value value = tiles[i];
    if (get(value))
      continue;
    auto type = cast<RankedTensorType>(value.getType());
    Attribute layout = chooseLayout(value);
    if (!layout)
      return emitError(value.getLoc())
             << "a tile of type " << type << " cannot be spread over the "
             << warps << " warps of its kernel";
    ++numAnchors;
    set(value, layout);
    spread();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Spreading
//===----------------------------------------------------------------------===//

void Assigner::set(Value value, Attribute layout) {
  if (!isTile(value) || staged.contains(value) || !layout)
    return;
  auto type = cast<RankedTensorType>(value.getType());
  if (failed(cast<VerifiableTensorEncoding>(layout).verifyEncoding(
          type.getShape(), type.getElementType(), [&] {
            InFlightDiagnostic none = emitRemark(value.getLoc());
            none.abandon();
            return none;
          })))
    return;
  if (layouts.try_emplace(value, layout).second)
    worklist.push_back(value);
}

void Assigner::tie(ArrayRef<Value> values) {
  for (Value value : values)
    if (Attribute layout = get(value)) {
      for (Value other : values)
        set(other, layout);
      return;
    }
}

void Assigner::spread() {
  while (!worklist.empty()) {
    Value value = worklist.front();
    worklist.pop_front();
    if (Operation *op = value.getDefiningOp())
      visit(op);
    else
      visit(cast<BlockArgument>(value).getOwner()->getParentOp());
    for (Operation *user : value.getUsers())
      visit(isa<scf::YieldOp, YieldOp>(user) ? user->getParentOp() : user);
  }
}

void Assigner::visit(Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return visitIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitFor(loop);
  if (auto update = dyn_cast<UpdateWhereOp>(op))
    return visitUpdate(update);
  if (auto dot = dyn_cast<DotOp>(op))
    return tie({dot.getResult(), dot.getAcc()});
  if (auto fold = dyn_cast<FoldOp>(op)) {
    return tie({fold.getSource(), fold.getResult()});
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    int64_t dim = broadcast.getDim();
    if (Attribute layout = get(broadcast.getResult()))
      set(broadcast.getSource(),
          SliceLayoutAttr::get(op->getContext(), dim, layout));
    else if (auto slice =
                 dyn_cast_or_null<SliceLayoutAttr>(get(broadcast.getSource()));
             slice && slice.getDim() == dim)
      set(broadcast.getResult(), slice.getParent());
    return;
  }
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    int64_t dim = reduce.getDim();
    if (Attribute layout = get(reduce.getSource()))
      set(reduce.getResult(),
          SliceLayoutAttr::get(op->getContext(), dim, layout));
    else if (auto slice =
                 dyn_cast_or_null<SliceLayoutAttr>(get(reduce.getResult()));
             slice && slice.getDim() == dim)
      set(reduce.getSource(), slice.getParent());
    return;
  }
  if (auto sum = dyn_cast<SumBlocksOp>(op)) {
    auto layout = dyn_cast_or_null<BlockedLayoutAttr>(get(sum.getSource()));
    if (layout)
      set(sum.getResult(),
          chooseBlockSumLayout(layout,
                               sum.getSource().getType().getDimSize(1)));
    return;
  }
  if (auto recurrence = dyn_cast<RecurrenceOp>(op)) {
    tie({recurrence.getStates(), recurrence.getFactors(),
         recurrence.getTerms()});
    tie({recurrence.getLast(), recurrence.getInit()});
    if (Attribute layout = get(recurrence.getStates()))
      set(recurrence.getLast(),
          SliceLayoutAttr::get(op->getContext(), int64_t(recurrence.getDim()),
                               layout));
    return;
  }
  // A part is read or written where it lies in shared memory.
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
    return tie({insert.getResult(), insert.getDest()});
  if (!isElementwise(op))
    return;
  SmallVector<Value> tiles;
  for (Value value : op->getResults())
    tiles.push_back(value);
  for (Value value : op->getOperands())
    if (isTile(value))
      tiles.push_back(value);
  tie(tiles);
}

void Assigner::visitIf(scf::IfOp op) {
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (isTile(result))
      tie({result, op.thenYield().getOperand(i), op.elseYield().getOperand(i)});
}

void Assigner::visitFor(scf::ForOp op) {
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (isTile(result))
      tie({result, op.getRegionIterArg(i), op.getInits()[i],
           op.getYieldedValues()[i]});
}

static YieldOp getYield(UpdateWhereOp op) {
  return cast<YieldOp>(op.getBody().front().getTerminator());
}

void Assigner::visitUpdate(UpdateWhereOp op) {
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    tie({result, op.getValues()[i], getYield(op)->getOperand(i)});
}

//===----------------------------------------------------------------------===//
// Where layouts meet
//===----------------------------------------------------------------------===//

/// `value` in another layout, computed again next to it; null, and the
/// operation that is in the way, if it is not cheap.
Value Assigner::recompute(Value value, Attribute layout, Operation *&culprit) {
  if (get(value) == layout)
    return value;
  if (Value copy = copies.lookup({value, layout}))
    return copy;
  Operation *op = value.getDefiningOp();
  culprit = op;
  if (!op || op->getNumResults() != 1 || op->getNumRegions())
    return {};
  bool isCheap = isLeaf(op) || isa<LoadOp, BroadcastOp>(op) ||
                 (isElementwise(op) && !isa<GatherOp>(op));
  if (!isCheap)
    return {};
  SmallVector<Value> operands(op->getOperands());
  for (Value &operand : operands) {
    if (!isTile(operand))
      continue;
    Attribute wanted = layout;
    if (auto broadcast = dyn_cast<BroadcastOp>(op))
      wanted = SliceLayoutAttr::get(op->getContext(),
                                    int64_t(broadcast.getDim()), layout);
    operand = recompute(operand, wanted, culprit);
    if (!operand)
      return {};
  }
  OpBuilder builder(op);
  builder.setInsertionPointAfter(op);
  Operation *copy = builder.clone(*op);
  copy->setOperands(operands);
  Value result = copy->getResult(0);
  layouts[result] = layout;
  copies[{value, layout}] = result;
  ++numCopies;
  return result;
}

LogicalResult Assigner::fixOperand(OpOperand &operand, Attribute wanted) {
  Value value = operand.get();
  if (!isTile(value) || staged.contains(value) || get(value) == wanted)
    return success();
  auto type = cast<RankedTensorType>(value.getType());
  if (!get(value) || !wanted)
    return operand.getOwner()->emitOpError()
           << "operand #" << operand.getOperandNumber() << " of type " << type
           << " has no layout";
  Operation *culprit = nullptr;
  if (Value copy = recompute(value, wanted, culprit)) {
    operand.set(copy);
    return success();
  }
  InFlightDiagnostic error = operand.getOwner()->emitOpError();
  error << "needs operand #" << operand.getOperandNumber() << " of type "
        << type << " in layout " << wanted << ", but it is in " << get(value)
        << " and ";
  if (!culprit)
    return error << "carried by a loop";
  error << "'" << culprit->getName() << "' is not computed twice";
  error.attachNote(culprit->getLoc()) << "computed here";
  return error;
}

/// What each operation wants of its operands follows from its results.
LogicalResult Assigner::fixOperands() {
  SmallVector<Operation *> ops;
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops) {
    if (isa<DotOp, FoldOp>(op) || isElementwise(op)) {
      Attribute wanted = get(op->getResult(0));
      for (OpOperand &operand : op->getOpOperands()) {
        if (auto dot = dyn_cast<DotOp>(op); dot && operand.get() == dot.getB())
          continue;
        if (isTile(operand.get()) && failed(fixOperand(operand, wanted)))
          return failure();
      }
    } else if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      auto wanted =
          SliceLayoutAttr::get(op->getContext(), int64_t(broadcast.getDim()),
                               get(broadcast.getResult()));
      if (failed(fixOperand(broadcast.getSourceMutable(), wanted)))
        return failure();
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      auto slice = dyn_cast_or_null<SliceLayoutAttr>(get(reduce.getResult()));
      auto source =
          dyn_cast_or_null<BlockedLayoutAttr>(get(reduce.getSource()));
      if (source && reduce.getType().getRank() == 2 && reduce.getDim() == 2 &&
          get(reduce.getResult()) ==
              choosePartialSumLayout(source, reduce.getType().getDimSize(1)))
        continue;
      if (!slice || slice.getDim() != int64_t(reduce.getDim()))
        return op->emitOpError()
               << "result is tied to a layout that is no slice along dimension "
               << reduce.getDim() << " of the operand's";
      if (failed(fixOperand(reduce.getSourceMutable(), slice.getParent())))
        return failure();
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (auto [i, argument] : llvm::enumerate(loop.getRegionIterArgs())) {
        if (!isTile(argument))
          continue;
        if (failed(fixOperand(loop.getInitsMutable()[i], get(argument))) ||
            failed(fixOperand((*loop.getYieldedValuesMutable())[i],
                              get(argument))))
          return failure();
      }
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      for (auto [i, result] : llvm::enumerate(branch.getResults())) {
        if (!isTile(result))
          continue;
        if (failed(
                fixOperand(branch.thenYield()->getOpOperand(i), get(result))) ||
            failed(
                fixOperand(branch.elseYield()->getOpOperand(i), get(result))))
          return failure();
      }
    } else if (auto update = dyn_cast<UpdateWhereOp>(op)) {
      for (auto [i, result] : llvm::enumerate(update.getResults()))
        if (failed(fixOperand(update.getValuesMutable()[i], get(result))) ||
            failed(fixOperand(getYield(update)->getOpOperand(i), get(result))))
          return failure();
      auto wanted =
          MmaLayoutAttr::get(op->getContext(), int64_t(update.getWarps()));
      if (failed(fixOperand(update.getConditionMutable(), wanted)))
        return failure();
    } else if (auto contract = dyn_cast<ContractOp>(op)) {
      auto states =
          withLayout(contract.getStates().getType(), get(contract.getStates()));
      if (failed(fixOperand(contract.getWeightsMutable(),
                            ContractOp::getWeightsLayout(states))))
        return failure();
    } else if (auto recurrence = dyn_cast<RecurrenceOp>(op)) {
      for (OpOperand *operand :
           {&recurrence.getFactorsMutable(), &recurrence.getTermsMutable()})
        if (failed(fixOperand(*operand, get(recurrence.getStates()))))
          return failure();
      if (failed(fixOperand(recurrence.getInitMutable(),
                            get(recurrence.getLast()))))
        return failure();
    } else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      if (failed(fixOperand(insert.getDestMutable(), get(insert.getResult()))))
        return failure();
    } else if (auto sum = dyn_cast<SumBlocksOp>(op)) {
      auto source = dyn_cast_or_null<BlockedLayoutAttr>(get(sum.getSource()));
      int64_t steps = sum.getSource().getType().getDimSize(1);
      if (!source ||
          get(sum.getResult()) != chooseBlockSumLayout(source, steps))
        return op->emitOpError("of a tile of type ")
               << sum.getSource().getType()
               << " is supported only next to a recurrence along dimension 1";
    } else if (isa<tensor::ExtractSliceOp, ExchangeOp>(op)) {
      // In shared memory, all layouts are the same.
    } else if (!isLeaf(op) &&
               !isa<AnyOp, LoadOp, StoreOp, scf::YieldOp, YieldOp>(op)) {
      for (Value value : op->getOperands())
        if (isTile(value))
          return op->emitOpError() << "on a tile of type " << value.getType()
                                   << " has no rule for layouts";
    }
  }
  return success();
}

void Assigner::setTypes() {
  for (auto [value, layout] : layouts) {
    auto type = withLayout(cast<RankedTensorType>(value.getType()), layout);
    if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
      auto elements = cast<DenseElementsAttr>(constant.getValue());
      constant.setValueAttr(elements.isSplat() ? elements.resizeSplat(type)
                                               : elements.reshape(type));
    }
    value.setType(type);
  }
}

LogicalResult Assigner::run() {
  splitLeaves();
  if (failed(anchorProducts()) || failed(anchorRecurrences()))
    return failure();
  spread();
  if (failed(anchorShifts()))
    return failure();
  if (failed(anchorRest()) || failed(fixOperands()))
    return failure();
  setTypes();
  return success();
}

namespace {
struct AssignLayoutsPass
    : seqc::impl::TileAssignLayoutsBase<AssignLayoutsPass> {
  using Base::Base;

  void runOnOperation() override {
    Assigner assigner(getOperation());
    if (failed(assigner.run()))
      return signalPassFailure();
    numAnchors += assigner.numAnchors;
    numCopies += assigner.numCopies;
    numTiles += assigner.numTiles;
  }
};
} // namespace
