//===- StageMemory.cpp - Where products and stores use shared memory ------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three things go through shared memory:
//
//   1. What products read. A load becomes a ring: a put where the load was, a
//      get before the first product and a release after the last one, all in
//      the load's block, so that every path through it has one of each. A load
//      outside of loops happens once and has one stage. In one loop, its number
//      is that of the iteration; in nested loops a counter is carried through
//      them. An operand that is no load, or one in a branch, is written to
//      shared memory between two barriers.
//   2. What leaves. A 16-bit tile in the layout of a product would be stored 4
//      bytes at a time; it is turned into one with 16 bytes per thread, in
//      which each warp has the rows that it had, where there is one: then a
//      warp waits for its own threads only.
//   3. On sm_90, products of 16-bit tiles read shared memory asynchronously:
//      they become a start and a wait, which later passes move apart. An
//      accumulator that starts as rows or columns is added afterwards.
//
//===----------------------------------------------------------------------===//

#include "LayoutChoice.h"

#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

#include <utility>

namespace seqc {
#define GEN_PASS_DEF_TILESTAGEMEMORY
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {
class Stager {
public:
  Stager(KernelOp kernel, bool hasAsyncProducts, int64_t stages)
      : kernel(kernel), hasAsyncProducts(hasAsyncProducts), stages(stages),
        rewriter(kernel.getContext()) {}

  LogicalResult run();

  int64_t numRings = 0, numCopies = 0, numStores = 0, numProducts = 0;

private:
  LogicalResult stageOperand(DotOp dot, OpOperand &operand);
  LogicalResult makeRing(LoadOp load);
  LogicalResult copyOperand(DotOp dot, OpOperand &operand);
  LogicalResult stageStore(StoreOp store);
  void startProduct(DotOp dot);

  /// The number of the copy that `block` makes in its current iteration.
  Value getNumber(Block *block);
  Value addCounter(SmallVector<scf::ForOp> loops);
  FailureOr<SharedType> getSharedType(Operation *op, RankedTensorType type);

  OpBuilder atTop() {
    return OpBuilder::atBlockBegin(&kernel.getBody().front());
  }

  KernelOp kernel;
  bool hasAsyncProducts;
  int64_t stages;
  IRRewriter rewriter;
  DenseMap<Block *, Value> numbers;
  DenseMap<Type, Value> storeTiles;
};
} // namespace

/// The loops around `block`, from the inside out, if there are only loops
/// around it.
static std::optional<SmallVector<scf::ForOp>> getLoops(Block *block) {
  SmallVector<scf::ForOp> loops;
  for (Operation *op = block->getParentOp(); !isa<KernelOp>(op);
       op = op->getParentOp()) {
    auto loop = dyn_cast<scf::ForOp>(op);
    if (!loop)
      return std::nullopt;
    loops.push_back(loop);
  }
  return loops;
}

FailureOr<SharedType> Stager::getSharedType(Operation *op,
                                            RankedTensorType type) {
  if (type.getDimSize(0) % 8)
    return op->emitOpError() << "cannot go through shared memory: the rows of "
                             << type << " must be a multiple of 8";
  return SharedType::get(op->getContext(), type.getDimSize(0),
                         type.getDimSize(1), type.getElementType());
}

//===----------------------------------------------------------------------===//
// Rings
//===----------------------------------------------------------------------===//

/// A counter of iterations through `loops`, from the inside out.
Value Stager::addCounter(SmallVector<scf::ForOp> loops) {
  OpBuilder top = atTop();
  Value count = arith::ConstantIndexOp::create(top, kernel.getLoc(), 0);
  Operation *outerYield = nullptr;
  for (scf::ForOp loop : llvm::reverse(loops)) {
    rewriter.setInsertionPoint(loop);
    auto keep = [](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
      return SmallVector<Value>{arguments.back()};
    };
    FailureOr<LoopLikeOpInterface> widened =
        loop.replaceWithAdditionalYields(rewriter, count, false, keep);
    assert(succeeded(widened) && "a loop takes any number of values");
    auto wider = cast<scf::ForOp>(widened->getOperation());
    if (outerYield)
      outerYield->setOperand(outerYield->getNumOperands() - 1,
                             wider.getResults().back());
    outerYield = wider.getBody()->getTerminator();
    count = wider.getRegionIterArgs().back();
  }
  OpBuilder builder(outerYield);
  Value one = arith::ConstantIndexOp::create(builder, kernel.getLoc(), 1);
  outerYield->setOperand(
      outerYield->getNumOperands() - 1,
      arith::AddIOp::create(builder, kernel.getLoc(), count, one));
  return count;
}

Value Stager::getNumber(Block *block) {
  if (Value number = numbers.lookup(block))
    return number;
  SmallVector<scf::ForOp> loops = *getLoops(block);
  Value number;
  if (loops.empty()) {
    OpBuilder builder = atTop();
    number = arith::ConstantIndexOp::create(builder, kernel.getLoc(), 0);
  } else if (loops.size() == 1) {
    scf::ForOp loop = loops.front();
    OpBuilder builder = OpBuilder::atBlockBegin(block);
    Value passed = arith::SubIOp::create(
        builder, loop.getLoc(), loop.getInductionVar(), loop.getLowerBound());
    number =
        arith::DivUIOp::create(builder, loop.getLoc(), passed, loop.getStep());
  } else {
    number = addCounter(loops);
    block = number.getParentBlock();
  }
  numbers[block] = number;
  return number;
}

LogicalResult Stager::makeRing(LoadOp load) {
  FailureOr<SharedType> tile = getSharedType(load, load.getResult().getType());
  if (failed(tile))
    return failure();
  Value number = getNumber(load->getBlock());
  Block *block = load->getBlock();
  bool isOnce = isa<KernelOp>(block->getParentOp());
  OpBuilder top = atTop();
  auto ring = MakeRingOp::create(
      top, load.getLoc(),
      RingType::get(load.getContext(), isOnce ? 1 : stages, *tile));

  Operation *first = nullptr, *last = nullptr;
  for (Operation *user : load.getResult().getUsers()) {
    Operation *ancestor = block->findAncestorOpInBlock(*user);
    if (!first || ancestor->isBeforeInBlock(first))
      first = ancestor;
    if (!last || last->isBeforeInBlock(ancestor))
      last = ancestor;
  }
  OpBuilder builder(load);
  PutOp::create(builder, load.getLoc(), ring, number, load.getSource(),
                load.getOffsets(), load.getDimsAttr(), Value(), load.getPages(),
                load.getRows());
  builder.setInsertionPoint(first);
  auto get = GetOp::create(builder, load.getLoc(), ring, number, 0);
  builder.setInsertionPointAfter(last);
  ReleaseOp::create(builder, load.getLoc(), ring, number);
  for (OpOperand &use : llvm::make_early_inc_range(load.getResult().getUses()))
    use.set(get.getResult());
  load.erase();
  ++numRings;
  return success();
}

//===----------------------------------------------------------------------===//
// Other operands
//===----------------------------------------------------------------------===//

LogicalResult Stager::copyOperand(DotOp dot, OpOperand &operand) {
  Value value = operand.get();
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.getEncoding()) {
    Attribute layout = chooseBlockedLayout(type, int64_t(kernel.getWarps()));
    if (!layout || !value.getDefiningOp<LoadOp>())
      return dot.emitOpError() << "operand #" << operand.getOperandNumber()
                               << " of type " << type << " has no layout";
    // Other products may read the same load: they have their turn.
    auto copy = cast<LoadOp>(
        OpBuilder(value.getDefiningOp()).clone(*value.getDefiningOp()));
    copy.getResult().setType(withLayout(type, layout));
    value = copy.getResult();
  }
  FailureOr<SharedType> tile = getSharedType(dot, type);
  if (failed(tile))
    return failure();
  OpBuilder top = atTop();
  Value shared = AllocOp::create(top, dot.getLoc(), *tile);
  OpBuilder builder(dot);
  BarrierOp::create(builder, dot.getLoc());
  SharedStoreOp::create(builder, dot.getLoc(), value, shared);
  BarrierOp::create(builder, dot.getLoc());
  operand.set(shared);
  ++numCopies;
  return success();
}

LogicalResult Stager::stageOperand(DotOp dot, OpOperand &operand) {
  Value value = operand.get();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return success();
  if (&operand == &dot.getAMutable() && !dot.getTransposeA() &&
      isa_and_nonnull<MmaLayoutAttr>(type.getEncoding()))
    return success();
  auto load = value.getDefiningOp<LoadOp>();
  if (load && !type.getEncoding() && getLoops(load->getBlock()))
    return makeRing(load);
  return copyOperand(dot, operand);
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

LogicalResult Stager::stageStore(StoreOp store) {
  auto type = cast<RankedTensorType>(store.getValue().getType());
  auto source = dyn_cast_if_present<MmaLayoutAttr>(type.getEncoding());
  if (!source || type.getElementTypeBitWidth() != 16)
    return success();
  // Where the rows of the tile are the view's last dimension, those of a block
  // lie next to each other as it is.
  if (store.getDestDim(0) == store.getDest().getType().getRank() - 1)
    return success();
  auto plain = RankedTensorType::get(type.getShape(), type.getElementType());
  Attribute layout =
      chooseBlockedLayout(plain, int64_t(kernel.getWarps()), source);
  if (!layout)
    return success();
  FailureOr<SharedType> tile = getSharedType(store, plain);
  if (failed(tile))
    return failure();
  Value &shared = storeTiles[*tile];
  if (!shared) {
    OpBuilder top = atTop();
    shared = AllocOp::create(top, store.getLoc(), *tile);
  }
  OpBuilder builder(store);
  BarrierOp::create(builder, store.getLoc());
  SharedStoreOp::create(builder, store.getLoc(), store.getValue(), shared);
  BarrierOp::create(builder, store.getLoc(),
                    keepsRowsInWarps(source, layout, type.getShape()));
  Value loaded = SharedLoadOp::create(builder, store.getLoc(),
                                      withLayout(plain, layout), shared);
  store.getValueMutable().assign(loaded);
  ++numStores;
  return success();
}

//===----------------------------------------------------------------------===//
// Asynchronous products
//===----------------------------------------------------------------------===//

void Stager::startProduct(DotOp dot) {
  Type element =
      isTile(dot.getA())
          ? cast<RankedTensorType>(dot.getA().getType()).getElementType()
          : cast<SharedType>(dot.getA().getType()).getElementType();
  if (element.getIntOrFloatBitWidth() != 16 || int64_t(kernel.getWarps()) % 4)
    return;
  OpBuilder builder(dot);
  Value acc = dot.getAcc();
  // Rows or columns that are added take as many instructions afterwards as in
  // front, where ptxas would serialize the product behind others.
  Value sum;
  if (acc.getDefiningOp<BroadcastOp>())
    sum = std::exchange(acc, Value());
  else if (matchPattern(acc, m_PosZeroFloat()))
    acc = Value();
  auto start = MmaAsyncOp::create(
      builder, dot.getLoc(),
      AsyncType::get(dot.getContext(), dot.getResult().getType()), dot.getA(),
      dot.getB(), acc, dot.getTransposeA(), dot.getTransposeB());
  auto wait = WaitOp::create(builder, dot.getLoc(),
                             ValueRange{start.getResult()}, uint64_t(0));
  Value result = wait.getResult(0);
  if (sum)
    result = arith::AddFOp::create(builder, dot.getLoc(), result, sum);
  dot.getResult().replaceAllUsesWith(result);
  Operation *zero = dot.getAcc().getDefiningOp();
  dot.erase();
  if (!acc && !sum && zero->use_empty())
    zero->erase();
  ++numProducts;
}

LogicalResult Stager::run() {
  SmallVector<DotOp> dots;
  SmallVector<StoreOp> stores;
  kernel.walk([&](Operation *op) {
    if (auto dot = dyn_cast<DotOp>(op))
      dots.push_back(dot);
    else if (auto store = dyn_cast<StoreOp>(op))
      stores.push_back(store);
  });
  for (DotOp dot : dots)
    if (failed(stageOperand(dot, dot.getAMutable())) ||
        failed(stageOperand(dot, dot.getBMutable())))
      return failure();
  // Loads that only became copies are left without uses.
  kernel.walk([](LoadOp load) {
    if (load.getResult().use_empty())
      load.erase();
  });
  for (StoreOp store : stores)
    if (failed(stageStore(store)))
      return failure();
  if (hasAsyncProducts)
    for (DotOp dot : dots)
      startProduct(dot);
  return success();
}

namespace {
struct StageMemoryPass : seqc::impl::TileStageMemoryBase<StageMemoryPass> {
  using Base::Base;

  void runOnOperation() override {
    KernelOp kernel = getOperation();
    if (chip != "sm_80" && chip != "sm_90a") {
      emitError(kernel.getLoc())
          << "option 'chip' must be sm_80 or sm_90a, but is '" << chip << "'";
      return signalPassFailure();
    }
    int64_t stages = 2;
    if (auto attribute = kernel->getAttrOfType<IntegerAttr>("tile.stages"))
      if (attribute.getInt() > 0)
        stages = attribute.getInt();
    // A kernel may ask for products that are over when they are issued.
    bool isSync = kernel->hasAttr("tile.sync_products");
    Stager stager(kernel, chip == "sm_90a" && !isSync, stages);
    if (failed(stager.run()) || failed(checkSize()))
      return signalPassFailure();
    numRings += stager.numRings;
    numCopies += stager.numCopies;
    numStores += stager.numStores;
    numProducts += stager.numProducts;
  }

  /// What the rings hold must fit; tiles of stores share their memory.
  LogicalResult checkSize() {
    KernelOp kernel = getOperation();
    int64_t bytes = 0, limit = chip == "sm_80" ? 166912 : 232448;
    kernel.walk([&](MakeRingOp ring) {
      RingType type = ring.getResult().getType();
      bytes += type.getStages() * type.getTile().getNumBytes();
    });
    numBytes += bytes;
    if (bytes <= limit)
      return success();
    return kernel.emitOpError()
           << "needs " << bytes << " bytes of shared memory for its rings, but "
           << chip << " has " << limit;
  }
};
} // namespace
