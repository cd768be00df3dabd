//===- EraseAsync.cpp - Kernels without concurrency -----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One order out of all that a kernel allows: copies land when they start,
// products finish when they start, and a role runs after the roles whose copies
// it waits for. Rings and tiles of shared memory become buffers, read where a
// product or a load reads them: a stage that is overwritten too early gives
// wrong numbers here as it does on a GPU.
//
// What only concurrency would show is checked on the side (`check`), with one
// counter for all copies and a few for each stage:
//
// - a tile.get asks for a copy that has started, and whose stage holds it;
// - with `pending p`, at least p copies have started after it;
// - a copy goes to a stage that has been released;
// - with roles, the copy that is waited for can have started: of each ring, the
//   copies up to it need no more stages than there are and have been
//   released. Otherwise both roles wait for each other.
//
// A block in which one of these fails stores NaNs (of integers, -1s), which no
// comparison with a reference takes for numbers.
//
// A tile.for_each_block does the one point that the block's indices name. The
// numbers that the next point would start with must be those of the copies that
// have been made.
//
// Roles run one after the other, so the rings between them hold all copies.
// Their number comes from a copy of the producer with its copies left out.
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace seqc {
#define GEN_PASS_DEF_TILEERASEASYNC
#include "seqc/Dialect/Tile/Transforms/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// What stands for a ring.
struct Ring {
  MakeRingOp op;
  /// [stages or copies][rows][columns].
  Value buffer;
  /// Which copy a stage holds, and how many copies of all rings started before
  /// it.
  Value number, clock;
  /// Whether a stage waits for its release.
  Value isHeld;
  /// Copies started and released: [1].
  Value started, released;
  /// Between roles, for each copy: copies of each ring started up to it.
  Value snapshots;
  /// In tile.for_each_block: the number that the next point starts with.
  Value next;
  bool hasReleases = false;
  bool isUnbounded = false;
  unsigned index = 0;
};

class Eraser {
public:
  Eraser(KernelOp kernel, bool check)
      : kernel(kernel), check(check), b(kernel.getLoc(), kernel.getContext()) {}

  LogicalResult run();

  int64_t numCopies = 0, numProducts = 0;

private:
  LogicalResult verify();
  void inlineBlocks();
  void eraseProducts();
  void countCopies(RolesOp roles);
  void createRings();
  void createBuffer(Ring &ring, Value stages);
  void inlineRoles(RolesOp roles);
  void eraseCopies();
  void eraseSharedMemory();
  void poisonStores();

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  }
  /// A counter or a list of them, all of one value.
  Value createCounters(Value size, int64_t initial);
  Value load(Value counters, Value i) {
    return memref::LoadOp::create(b, counters, i);
  }
  void store(Value value, Value counters, Value i) {
    memref::StoreOp::create(b, value, counters, i);
  }
  void increment(Value counter);
  /// Notes that a block is wrong where `isWrong`.
  void note(Value isWrong);

  void erasePut(PutOp put);
  void eraseGet(GetOp get);
  void eraseRelease(ReleaseOp release);
  Value getStage(Ring &ring, Value number);
  Ring &getRing(Value ring) {
    return *llvm::find_if(rings,
                          [&](Ring &r) { return r.op.getResult() == ring; });
  }

  KernelOp kernel;
  bool check;
  ImplicitLocOpBuilder b;
  SmallVector<Ring> rings;
  /// Ring::next of each ring.
  DenseMap<Value, Value> nextNumbers;
  /// Copies started in all: [1]. Those that failed a check: [1].
  Value clock, wrong;
};

} // namespace

/// The region of tile.roles that an operation is in, or null.
static Region *getRole(Operation *op) {
  Region *region = op->getParentRegion();
  while (!isa<KernelOp>(region->getParentOp())) {
    if (isa<RolesOp>(region->getParentOp()))
      return region;
    region = region->getParentRegion();
  }
  return nullptr;
}

Value Eraser::createCounters(Value size, int64_t initial) {
  auto type = MemRefType::get({ShapedType::kDynamic}, b.getIndexType());
  Value counters = memref::AllocOp::create(b, type, ValueRange{size});
  scf::ForOp::create(b, index(0), size, index(1), ValueRange(),
                     [&](OpBuilder &nb, Location loc, Value i, ValueRange) {
                       Value value =
                           arith::ConstantIndexOp::create(nb, loc, initial);
                       memref::StoreOp::create(nb, loc, value, counters, i);
                       scf::YieldOp::create(nb, loc);
                     });
  return counters;
}

void Eraser::increment(Value counter) {
  Value zero = index(0);
  store(arith::AddIOp::create(b, load(counter, zero), index(1)), counter, zero);
}

void Eraser::note(Value isWrong) {
  Value zero = index(0);
  Value one = arith::IndexCastUIOp::create(b, b.getIndexType(), isWrong);
  store(arith::AddIOp::create(b, load(wrong, zero), one), wrong, zero);
}

//===----------------------------------------------------------------------===//
// What is supported
//===----------------------------------------------------------------------===//

LogicalResult Eraser::verify() {
  WalkResult result = kernel.walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (isa<SharedType>(operand.getType()) &&
          (!isa<DotOp, MmaAsyncOp, SharedLoadOp, SharedStoreOp>(op) ||
           !isa_and_nonnull<GetOp, AllocOp>(operand.getDefiningOp()))) {
        op->emitOpError("is not supported here: shared memory goes from "
                        "tile.get or tile.alloc to what reads it");
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  // A role runs when all that it waits for has been copied.
  for (auto ring : kernel.getOps<MakeRingOp>()) {
    Region *producer = nullptr, *consumer = nullptr;
    for (Operation *user : ring.getResult().getUsers())
      (isa<PutOp>(user) ? producer : consumer) = getRole(user);
    if (producer == consumer || ring.getResult().use_empty())
      continue;
    if (!producer || !consumer ||
        producer->getRegionNumber() > consumer->getRegionNumber())
      return ring.emitOpError("is not supported here: the role that puts must "
                              "stand before the one that gets");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Blocks of the grid
//===----------------------------------------------------------------------===//

void Eraser::inlineBlocks() {
  auto loops = kernel.getBody().getOps<ForEachBlockOp>();
  if (loops.empty())
    return;
  ForEachBlockOp loop = *loops.begin();
  YieldOp yield = loop.getYield();
  for (auto [number, next] :
       llvm::zip_equal(loop.getNumbers(), yield.getOperands()))
    for (Operation *user : number.getUsers())
      for (Operation *put : user->getUsers())
        if (isa<PutOp>(put))
          nextNumbers[cast<PutOp>(put).getRing()] = next;
  for (unsigned dim = 0; dim < 3; ++dim)
    loop.getBlockId(dim).replaceAllUsesWith(kernel.getBlockId(dim));
  for (auto [number, init] :
       llvm::zip_equal(loop.getNumbers(), loop.getInits()))
    number.replaceAllUsesWith(init);
  yield.erase();
  loop->getBlock()->getOperations().splice(
      loop->getIterator(), loop.getBody().front().getOperations());
  loop.erase();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void Eraser::eraseProducts() {
  // Tiles that loops carry unfinished are finished.
  auto finish = [](Value value) {
    if (auto async = dyn_cast<AsyncType>(value.getType()))
      value.setType(async.getTile());
  };
  SmallVector<Operation *> ops;
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<MmaAsyncOp, WaitOp>(op)) {
      ops.push_back(op);
      return;
    }
    llvm::for_each(op->getResults(), finish);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), finish);
  });
  for (Operation *op : ops) {
    b.setLoc(op->getLoc());
    b.setInsertionPoint(op);
    if (auto wait = dyn_cast<WaitOp>(op)) {
      wait->replaceAllUsesWith(wait.getOperands());
      wait.erase();
      continue;
    }
    auto product = cast<MmaAsyncOp>(op);
    RankedTensorType type = product.getResult().getType().getTile();
    Value acc = product.getAcc();
    if (!acc)
      acc = arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, b.getF32FloatAttr(0.0f)));
    Value dot = DotOp::create(b, product.getA(), product.getB(), acc,
                              product.getTransposeA(), product.getTransposeB());
    product.replaceAllUsesWith(dot);
    product.erase();
    ++numProducts;
  }
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Sets `ring.started` of the rings between roles to how many copies there
/// will be: runs the roles that put with a counter in place of each copy.
void Eraser::countCopies(RolesOp roles) {
  for (Region &role : roles.getRoles()) {
    bool puts = llvm::any_of(rings, [&](Ring &ring) {
      return ring.isUnbounded &&
             llvm::any_of(ring.op.getResult().getUsers(), [&](Operation *op) {
               return isa<PutOp>(op) && getRole(op) == &role;
             });
    });
    if (!puts)
      continue;
    IRMapping mapping;
    SmallVector<Operation *> clones;
    for (Operation &op : role.front().without_terminator())
      clones.push_back(b.clone(op, mapping));
    for (Operation *clone : clones)
      clone->walk([&](Operation *op) {
        if (op->getNumRegions() || op->hasTrait<OpTrait::IsTerminator>() ||
            isMemoryEffectFree(op))
          return;
        if (auto put = dyn_cast<PutOp>(op)) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPoint(put);
          Ring &ring = getRing(put.getRing());
          Value zero = index(0);
          Value one = put.getWhen() ? arith::IndexCastUIOp::create(
                                          b, b.getIndexType(), put.getWhen())
                                          .getResult()
                                    : index(1);
          store(arith::AddIOp::create(b, load(ring.started, zero), one),
                ring.started, zero);
        }
        // Loads of scalars steer loops.
        if (op->use_empty())
          op->erase();
      });
  }
}

void Eraser::createRings() {
  for (auto op : kernel.getOps<MakeRingOp>()) {
    Ring ring;
    ring.op = op;
    ring.index = rings.size();
    Region *producer = nullptr, *consumer = nullptr;
    for (Operation *user : op.getResult().getUsers()) {
      (isa<PutOp>(user) ? producer : consumer) = getRole(user);
      ring.hasReleases |= isa<ReleaseOp>(user);
    }
    ring.isUnbounded = producer != consumer;
    ring.next = nextNumbers.lookup(op);
    rings.push_back(ring);
  }
  Value one = index(1);
  if (check) {
    clock = createCounters(one, 0);
    wrong = createCounters(one, 0);
  }
  for (Ring &ring : rings)
    if (check || ring.isUnbounded) {
      ring.started = createCounters(one, 0);
      ring.released = createCounters(one, 0);
    }
  for (Ring &ring : rings)
    if (!ring.isUnbounded)
      createBuffer(ring, index(ring.op.getResult().getType().getStages()));
  auto roles = kernel.getBody().getOps<RolesOp>();
  if (roles.empty())
    return;
  b.setInsertionPoint(*roles.begin());
  countCopies(*roles.begin());
  Value zero = index(0);
  for (Ring &ring : rings)
    if (ring.isUnbounded) {
      createBuffer(ring, load(ring.started, zero));
      if (check && ring.next)
        note(compare(arith::CmpIPredicate::ne, load(ring.started, zero),
                     ring.next));
      store(zero, ring.started, zero);
    }
}

void Eraser::createBuffer(Ring &ring, Value stages) {
  RingType type = ring.op.getResult().getType();
  SharedType tile = type.getTile();
  SmallVector<int64_t> shape = {ring.isUnbounded ? ShapedType::kDynamic
                                                 : type.getStages(),
                                tile.getRows(), tile.getColumns()};
  ring.buffer = memref::AllocOp::create(
      b, MemRefType::get(shape, tile.getElementType()),
      ring.isUnbounded ? ValueRange(stages) : ValueRange());
  if (!check)
    return;
  ring.number = createCounters(stages, -1);
  ring.clock = createCounters(stages, 0);
  ring.isHeld = createCounters(stages, 0);
  if (ring.isUnbounded)
    ring.snapshots = createCounters(
        arith::MulIOp::create(b, stages, index(rings.size())), 0);
}

void Eraser::inlineRoles(RolesOp roles) {
  for (Region &role : roles.getRoles()) {
    role.front().getTerminator()->erase();
    roles->getBlock()->getOperations().splice(roles->getIterator(),
                                              role.front().getOperations());
  }
  roles.erase();
}

/// The place of copy `number` in the ring's buffer.
Value Eraser::getStage(Ring &ring, Value number) {
  if (ring.isUnbounded)
    return number;
  return arith::RemUIOp::create(
      b, number, index(ring.op.getResult().getType().getStages()));
}

void Eraser::erasePut(PutOp put) {
  b.setLoc(put.getLoc());
  b.setInsertionPoint(put);
  Ring &ring = getRing(put.getRing());
  Value number = put.getNumber(), zero = index(0);
  scf::IfOp branch;
  if (Value when = put.getWhen()) {
    branch = scf::IfOp::create(b, when);
    b.setInsertionPointToStart(branch.thenBlock());
  }
  Value stage = getStage(ring, number);
  if (check) {
    // Numbers have no gaps, and the stage is free.
    note(compare(arith::CmpIPredicate::ne, number, load(ring.started, zero)));
    if (ring.hasReleases && !ring.isUnbounded)
      note(compare(arith::CmpIPredicate::ne, load(ring.isHeld, stage), zero));
    store(index(1), ring.isHeld, stage);
    store(number, ring.number, stage);
    store(load(clock, zero), ring.clock, stage);
    increment(ring.started);
    if (ring.isUnbounded)
      for (Ring &other : rings) {
        Value at = arith::AddIOp::create(
            b, arith::MulIOp::create(b, stage, index(rings.size())),
            index(other.index));
        store(load(other.started, zero), ring.snapshots, at);
      }
  }
  SharedType type = ring.op.getResult().getType().getTile();
  Value tile = LoadOp::create(b, type.getTensorType(), put.getSource(),
                              put.getOffsets(), put.getPages(), put.getRows(),
                              put.getDimsAttr(), DenseI64ArrayAttr());
  StoreOp::create(b, tile, ring.buffer, ValueRange{stage, zero, zero},
                  DenseI64ArrayAttr());
  // A copy that is left out still counts as started.
  b.setInsertionPoint(put);
  if (check)
    increment(clock);
  put.erase();
  ++numCopies;
}

void Eraser::eraseGet(GetOp get) {
  b.setLoc(get.getLoc());
  b.setInsertionPoint(get);
  Ring &ring = getRing(get.getRing());
  Value stage = getStage(ring, get.getNumber());
  if (check) {
    Value zero = index(0);
    if (ring.isUnbounded) {
      // The stage is there only if the copy is.
      Value exists = compare(arith::CmpIPredicate::ult, get.getNumber(),
                             load(ring.started, zero));
      Value missing = arith::XOrIOp::create(
          b, exists, arith::ConstantIntOp::create(b, 1, 1));
      note(missing);
      stage = arith::SelectOp::create(b, exists, stage, zero);
      for (Ring &other : rings) {
        if (!other.isUnbounded)
          continue;
        Value at = arith::AddIOp::create(
            b, arith::MulIOp::create(b, stage, index(rings.size())),
            index(other.index));
        Value free = arith::AddIOp::create(
            b, load(other.released, zero),
            index(other.op.getResult().getType().getStages()));
        note(
            compare(arith::CmpIPredicate::ugt, load(ring.snapshots, at), free));
      }
    } else {
      note(compare(arith::CmpIPredicate::ne, load(ring.number, stage),
                   get.getNumber()));
      Value after = arith::SubIOp::create(
          b,
          arith::SubIOp::create(b, load(clock, zero), load(ring.clock, stage)),
          index(1));
      note(compare(arith::CmpIPredicate::slt, after, index(get.getPending())));
    }
  }
  // Read where it is used.
  for (OpOperand &use : llvm::make_early_inc_range(get.getResult().getUses())) {
    Operation *user = use.getOwner();
    b.setInsertionPoint(user);
    Value zero = index(0);
    auto type = get.getResult().getType().getTensorType();
    auto load = dyn_cast<SharedLoadOp>(user);
    SmallVector<Value> place = {stage, zero, zero};
    if (load)
      llvm::copy(load.getOffsets(), place.end() - load.getOffsets().size());
    Value tile = LoadOp::create(b, load ? load.getType() : type, ring.buffer,
                                place, DenseI64ArrayAttr());
    if (load) {
      load.replaceAllUsesWith(tile);
      load.erase();
    } else {
      use.set(tile);
    }
  }
  get.erase();
}

void Eraser::eraseRelease(ReleaseOp release) {
  b.setLoc(release.getLoc());
  b.setInsertionPoint(release);
  Ring &ring = getRing(release.getRing());
  if (check) {
    Value zero = index(0);
    if (!ring.isUnbounded) {
      Value stage = getStage(ring, release.getNumber());
      note(compare(arith::CmpIPredicate::ne, load(ring.number, stage),
                   release.getNumber()));
      note(compare(arith::CmpIPredicate::eq, load(ring.isHeld, stage), zero));
      store(zero, ring.isHeld, stage);
    }
    increment(ring.released);
  }
  release.erase();
}

void Eraser::eraseCopies() {
  SmallVector<Operation *> ops;
  kernel.walk([&](Operation *op) {
    if (isa<PutOp, GetOp, ReleaseOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (auto put = dyn_cast<PutOp>(op))
      erasePut(put);
    else if (auto get = dyn_cast<GetOp>(op))
      eraseGet(get);
    else
      eraseRelease(cast<ReleaseOp>(op));
  }
  for (Ring &ring : rings)
    ring.op.erase();
}

//===----------------------------------------------------------------------===//
// Other shared memory
//===----------------------------------------------------------------------===//

void Eraser::eraseSharedMemory() {
  for (auto alloc : llvm::make_early_inc_range(kernel.getOps<AllocOp>())) {
    b.setLoc(alloc.getLoc());
    b.setInsertionPoint(alloc);
    SharedType type = alloc.getResult().getType();
    Value buffer = memref::AllocOp::create(
        b, MemRefType::get({type.getRows(), type.getColumns()},
                           type.getElementType()));
    for (OpOperand &use :
         llvm::make_early_inc_range(alloc.getResult().getUses())) {
      Operation *user = use.getOwner();
      b.setLoc(user->getLoc());
      b.setInsertionPoint(user);
      Value zero = index(0);
      SmallVector<Value> place = {zero, zero};
      if (auto store = dyn_cast<SharedStoreOp>(user)) {
        if (!store.getOffsets().empty())
          place = store.getOffsets();
        StoreOp::create(b, store.getValue(), buffer, place,
                        DenseI64ArrayAttr());
        store.erase();
        continue;
      }
      auto load = dyn_cast<SharedLoadOp>(user);
      if (load && !load.getOffsets().empty())
        place = load.getOffsets();
      Value tile =
          LoadOp::create(b, load ? load.getType() : type.getTensorType(),
                         buffer, place, DenseI64ArrayAttr());
      if (load) {
        load.replaceAllUsesWith(tile);
        load.erase();
      } else {
        use.set(tile);
      }
    }
    alloc.erase();
  }
  kernel.walk([](Operation *op) {
    if (isa<ReadyOp>(op))
      op->replaceAllUsesWith(op->getOperands());
    if (isa<BarrierOp, BeginTurnOp, EndTurnOp, ReadyOp>(op))
      op->erase();
  });
}

/// Lets a block that failed a check store no number.
void Eraser::poisonStores() {
  kernel.walk([&](StoreOp store) {
    // Only what leaves the kernel.
    if (store.getDest().getDefiningOp<memref::AllocOp>())
      return;
    b.setLoc(store.getLoc());
    b.setInsertionPoint(store);
    Value zero = index(0);
    Value isWrong = compare(arith::CmpIPredicate::ne, load(wrong, zero), zero);
    RankedTensorType type = store.getValue().getType();
    Type element = type.getElementType();
    TypedAttr poison;
    if (auto floating = dyn_cast<FloatType>(element))
      poison = FloatAttr::get(floating,
                              APFloat::getNaN(floating.getFloatSemantics()));
    else
      poison = IntegerAttr::get(element, -1);
    Value scalar = arith::ConstantOp::create(b, poison);
    auto branch = scf::IfOp::create(b, TypeRange{type}, isWrong,
                                    /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    Value tile = tensor::SplatOp::create(b, type, scalar, ValueRange());
    scf::YieldOp::create(b, tile);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, store.getValue());
    store.getValueMutable().set(branch.getResult(0));
  });
}

LogicalResult Eraser::run() {
  if (failed(verify()))
    return failure();
  inlineBlocks();
  eraseProducts();
  b.setInsertionPointToStart(&kernel.getBody().front());
  check &= !kernel.getBody().getOps<MakeRingOp>().empty();
  createRings();
  auto roles = kernel.getBody().getOps<RolesOp>();
  if (!roles.empty())
    inlineRoles(*roles.begin());
  eraseCopies();
  eraseSharedMemory();
  if (check)
    poisonStores();
  return success();
}

namespace {
struct EraseAsyncPass : public seqc::impl::TileEraseAsyncBase<EraseAsyncPass> {
  using Base::Base;

  void runOnOperation() override {
    Eraser eraser(getOperation(), check);
    if (failed(eraser.run()))
      return signalPassFailure();
    numCopies += eraser.numCopies;
    numProducts += eraser.numProducts;
  }
};
} // namespace
