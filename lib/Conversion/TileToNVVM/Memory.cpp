//===- Memory.cpp - What lies where in shared memory ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Before the body of a kernel is converted, its shared memory is laid out:
//
//   offset 0:   rings and tiles, each at a multiple of 1024 bytes
//   after them: two mbarriers for each stage of the rings that the copy engine
//               fills
//
// Tiles that are used only when no ring is needed any more (the output on its
// way to device memory) take the rings' place. The test for that is local: in
// the block of the kernel or the role that uses the tile, every access to a
// ring comes before a `tile.barrier`, and every use of the tile after it.
// Copies that are still under way then would be a bug already: each is waited
// for by a `tile.get`.
//
// A kernel with roles lets the copy engine fill the rings that the roles
// share. Each request copies a box of 128 bytes by up to 256 rows, one panel
// of the tile, which it swizzles the way that `!tile.shared` says, so a panel
// is one tensor map for all.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// Bytes of an mbarrier.
static constexpr int64_t kBarrierSize = 8;
/// Rows of a box of the copy engine, at most.
static constexpr int64_t kMaxBoxRows = 256;
/// Dimensions of a tensor map, at most.
static constexpr int64_t kMaxMapRank = 5;
/// Named barriers of a block; 0 is that of all its warps.
static constexpr int64_t kNumBarriers = 16;

int64_t seqc::tile::getElementBytes(Type type) {
  return llvm::divideCeil(type.getIntOrFloatBitWidth(), 8);
}

//===----------------------------------------------------------------------===//
// Helpers of the patterns
//===----------------------------------------------------------------------===//

Value I32Builder::div(Value x, int64_t y) {
  if (llvm::isPowerOf2_64(y))
    return shr(x, llvm::Log2_64(y));
  return b.createOrFold<arith::DivUIOp>(x, constant(y));
}

Value I32Builder::rem(Value x, int64_t y) {
  if (y == 1)
    return constant(0);
  if (llvm::isPowerOf2_64(y))
    return land(x, y - 1);
  return b.createOrFold<arith::RemUIOp>(x, constant(y));
}

SwizzledTile::SwizzledTile(ImplicitLocOpBuilder &b, Value pointer,
                           SharedType type, Value row0, uint64_t rowBits,
                           Value byte0, uint64_t byteBits)
    : b(b), pointer(pointer), type(type), row0(row0), byte0(byte0),
      rowBits(rowBits), byteBits(byteBits) {
  I32Builder i{b};
  chunk0 = i.land(i.lxor(i.shr(byte0, 4), row0), 7);
  rest0 = i.shl(row0, 7);
  if (byteBits & 15)
    rest0 = i.add(rest0, i.land(byte0, 15));
  if (byteBits & ~uint64_t(127))
    rest0 = i.add(rest0, i.mul(i.shr(byte0, 7), type.getPanelBytes()));
}

Value SwizzledTile::getPointer(int64_t deltaRow, int64_t deltaByte) {
  I32Builder i{b};
  if ((rowBits & deltaRow & 7) != 0 || (byteBits & deltaByte) != 0) {
    // The general case: all of it at run time.
    Value row = i.add(row0, deltaRow), byte = i.add(byte0, deltaByte);
    Value chunk = i.land(i.lxor(i.shr(byte, 4), row), 7);
    Value offset = i.add(i.shl(row, 7), i.shl(chunk, 4));
    offset = i.add(offset, i.land(byte, 15));
    offset = i.add(offset, i.mul(i.shr(byte, 7), type.getPanelBytes()));
    return addBytes(b, pointer, offset);
  }
  int64_t constant = ((deltaByte >> 4) ^ deltaRow) & 7;
  Value &variant = variants[constant];
  if (!variant)
    variant = nvx::PinOp::create(
        b,
        addBytes(b, pointer, i.add(rest0, i.shl(i.lxor(chunk0, constant), 4))));
  return addBytes(b, variant,
                  deltaRow * 128 + (deltaByte >> 7) * type.getPanelBytes() +
                      (deltaByte & 15));
}

Value seqc::tile::getLocalThread(ImplicitLocOpBuilder &b,
                                 const KernelContext &context) {
  if (context.firstWarp == 0)
    return context.thread;
  I32Builder i{b};
  return i.add(i.shl(context.warp, 5), context.lane);
}

SmallVector<Value> seqc::tile::getPairs(ImplicitLocOpBuilder &b, Value vector,
                                        int64_t first, int64_t count) {
  SmallVector<Value> pairs;
  for (int64_t n = first; n < first + count; ++n) {
    Value pair = shuffle(b, vector, {2 * n, 2 * n + 1});
    pairs.push_back(LLVM::BitcastOp::create(b, b.getI32Type(), pair));
  }
  return pairs;
}

Value seqc::tile::getStage(ImplicitLocOpBuilder &b, RingType ring,
                           Value number) {
  return I32Builder{b}.rem(number, ring.getStages());
}

Value seqc::tile::getRound(ImplicitLocOpBuilder &b, RingType ring,
                           Value number) {
  I32Builder i{b};
  return i.land(i.div(number, ring.getStages()), 1);
}

void seqc::tile::emitProxyFence(ImplicitLocOpBuilder &b) {
  NVVM::FenceProxyOp::create(
      b,
      NVVM::ProxyKindAttr::get(b.getContext(), NVVM::ProxyKind::async_shared),
      NVVM::SharedSpaceAttr::get(b.getContext(),
                                 NVVM::SharedSpace::shared_cta));
}

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

static LogicalResult planRoles(KernelContext &context) {
  MemoryPlan &plan = *context.memory;
  int64_t nextBarrier = 1;
  WalkResult result = context.kernel.walk([&](RolesOp roles) {
    Operation *parent = roles->getParentOp();
    if (isa<ForEachBlockOp>(parent))
      parent = parent->getParentOp();
    if (parent != context.kernel) {
      roles.emitOpError() << "must be in the block of its kernel";
      return WalkResult::interrupt();
    }
    int64_t firstWarp = 0;
    for (auto [warps, region] :
         llvm::zip_equal(roles.getWarps(), roles.getRoles())) {
      RolePlan role;
      role.firstWarp = firstWarp;
      role.warps = warps;
      role.barrier = nextBarrier++;
      role.oneThread = isForOneThread(region);
      firstWarp += warps;
      if (region.walk([](BeginTurnOp) { return WalkResult::interrupt(); })
              .wasInterrupted()) {
        role.turns = nextBarrier;
        nextBarrier += warps / kWarpsPerGroup;
      }
      plan.roles[roles].push_back(role);
      region.walk([&](Operation *op) {
        if (isa<BarrierOp, BeginTurnOp, EndTurnOp>(op))
          plan.barriers[op] = role;
      });
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  if (nextBarrier > kNumBarriers)
    return context.kernel.emitOpError()
           << "needs " << nextBarrier << " barriers, but a block has "
           << kNumBarriers;
  return success();
}

/// The role that `op` is in: the roles and the region's number.
static std::optional<std::pair<RolesOp, unsigned>> getRole(Operation *op) {
  auto roles = op->getParentOfType<RolesOp>();
  if (!roles)
    return std::nullopt;
  for (Region &region : roles.getRoles())
    if (region.isAncestor(op->getParentRegion()))
      return std::make_pair(roles, region.getRegionNumber());
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Rings and copies
//===----------------------------------------------------------------------===//

/// Whether 16 bytes at a time can be copied for `put`.
static bool copiesChunks(const KernelContext &context, PutOp put) {
  auto view = cast<MemRefType>(put.getSource().getType());
  SharedType tile = put.getRing().getType().getTile();
  int64_t chunk = 16 / getElementBytes(tile.getElementType());
  int64_t column = put.getSourceDim(1);
  SmallVector<int64_t> strides;
  int64_t offset;
  if (!context.aligned || !getLaunchArgument(put.getSource()) ||
      failed(view.getStridesAndOffset(strides, offset)) ||
      strides[column] != 1 || tile.getColumns() % chunk != 0)
    return false;
  // Strides that are known must keep what `aligned` promises of the others.
  for (auto [d, stride] : llvm::enumerate(strides))
    if (int64_t(d) != column && !ShapedType::isDynamic(stride) &&
        stride % chunk != 0)
      return false;
  return context.divisors.lookup(put)[column] % chunk == 0;
}

/// A copy by the engine: checks that it can, and takes a tensor map.
static LogicalResult planEngineCopy(KernelContext &context, PutOp put) {
  auto view = cast<MemRefType>(put.getSource().getType());
  SharedType tile = put.getRing().getType().getTile();
  auto fail = [&]() -> InFlightDiagnostic {
    return put.emitOpError()
           << "of " << view << " cannot be done by the copy engine: ";
  };
  if (!put.getPages().empty() || put.getRows())
    return fail() << "it has 'pages' or 'rows', and boxes end where views do";
  std::optional<unsigned> argument = getLaunchArgument(put.getSource());
  if (!argument)
    return fail() << "the view must be an argument of the kernel";
  int64_t rows = put.getSourceDim(0), columns = put.getSourceDim(1);
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(view.getStridesAndOffset(strides, offset)) ||
      strides[columns] != 1 || columns != view.getRank() - 1)
    return fail() << "the columns must be its last dimension, of stride 1";
  if (view.getRank() > kMaxMapRank)
    return fail() << "it has more than " << kMaxMapRank << " dimensions";
  if (!context.aligned)
    return fail() << "rows are not known to be aligned to 16 bytes";
  PutPlan plan;
  plan.boxRows = tile.getRows();
  while (plan.boxRows > kMaxBoxRows)
    if (plan.boxRows % 2 == 0)
      plan.boxRows /= 2;
    else
      return fail() << tile.getRows() << " rows cannot be divided into boxes";
  if (plan.boxRows != tile.getRows() && plan.boxRows % 8 != 0)
    return fail() << tile.getRows() << " rows cannot be divided into boxes";
  SmallVector<int64_t> box(view.getRank(), 1);
  box[rows] = plan.boxRows;
  box[columns] = tile.getPanelColumns();
  plan.tensorMap = context.addTensorMap(*argument, box, /*swizzle=*/128);
  if (auto role = getRole(put)) {
    const RolePlan &copier = context.memory->roles[role->first][role->second];
    plan.firstThread = copier.firstWarp * kThreadsPerWarp;
    plan.oneThread = copier.oneThread;
  }
  context.memory->puts[put] = plan;
  return success();
}

static LogicalResult planRing(KernelContext &context, MakeRingOp make) {
  RingPlan ring;
  for (Operation *user : make->getUsers()) {
    if (!isa<PutOp, GetOp, ReleaseOp>(user))
      return make.emitOpError()
             << "is passed to '" << user->getName()
             << "', expected tile.put, tile.get and tile.release only";
    ring.engine |= getRole(user).has_value();
  }
  for (Operation *user : make->getUsers()) {
    auto role = getRole(user);
    if (auto get = dyn_cast<GetOp>(user)) {
      for (Operation *reader : get->getUsers())
        ring.threadsRead |= !isa<MmaAsyncOp>(reader);
    } else if (auto put = dyn_cast<PutOp>(user)) {
      if (ring.engine) {
        if (failed(planEngineCopy(context, put)))
          return failure();
        context.alignedArguments.insert(*getLaunchArgument(put.getSource()));
      } else if (copiesChunks(context, put)) {
        context.memory->threadCopies = true;
        context.memory->puts[put].wholeChunks = true;
        context.alignedArguments.insert(*getLaunchArgument(put.getSource()));
      }
    } else if (ring.engine && isa<ReleaseOp>(user)) {
      if (!role)
        return user->emitOpError()
               << "of a ring that roles share must be in a role";
      int64_t warps = context.memory->roles[role->first][role->second].warps;
      if (ring.readers != 0 && ring.readers != warps)
        return user->emitOpError()
               << "is in a role of " << warps
               << " warps, another one of the same ring in one of "
               << ring.readers;
      ring.readers = warps;
    }
  }
  if (ring.engine && !context.isSM90)
    return make.emitOpError()
           << "is shared by roles, which needs the copy engine of sm_90";
  // A ring without releases is filled once.
  ring.readers = std::max<int64_t>(ring.readers, 1);
  context.memory->rings[make] = ring;
  return success();
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// The op of `block` that `op` is (in), or null.
static Operation *getAncestorIn(Block *block, Operation *op) {
  return block->findAncestorOpInBlock(*op);
}

/// Whether `alloc` may lie where the rings do.
static bool mayReplaceRings(KernelContext &context, AllocOp alloc,
                            ArrayRef<MakeRingOp> rings) {
  if (rings.empty() || alloc->use_empty())
    return false;
  // Uses are in one block: that of a role or of the kernel.
  Block *block = nullptr;
  for (Operation *user : alloc->getUsers()) {
    auto role = getRole(user);
    // The next point fills the rings again.
    if (user->getParentOfType<ForEachBlockOp>())
      return false;
    Block *home = role ? &role->first.getRoles()[role->second].front()
                       : &context.kernel.getBody().front();
    if (block && block != home)
      return false;
    block = home;
  }
  // A loop around the roles would bring the rings back.
  Operation *first = nullptr;
  for (Operation *user : alloc->getUsers()) {
    Operation *op = getAncestorIn(block, user);
    if (!first || op->isBeforeInBlock(first))
      first = op;
  }
  // Whatever else is in shared memory: reads of stages, running products.
  Operation *last = nullptr;
  auto see = [&](Operation *user) {
    Operation *op = getAncestorIn(block, user);
    if (op && (!last || last->isBeforeInBlock(op)))
      last = op;
  };
  for (MakeRingOp ring : rings)
    for (Operation *user : ring->getUsers()) {
      if (!getAncestorIn(block, user)) {
        // Elsewhere only copies, which the gets here wait for.
        if (!isa<PutOp>(user))
          return false;
        continue;
      }
      see(user);
      for (Operation *reader : user->getUsers())
        see(reader);
    }
  block->getParentOp()->walk([&](WaitOp wait) { see(wait); });
  if (!last)
    return true;
  for (Operation *op = last->getNextNode(); op && op != first;
       op = op->getNextNode())
    if (auto barrier = dyn_cast<BarrierOp>(op); barrier && !barrier.getWarp())
      return last->isBeforeInBlock(first);
  return false;
}

static LogicalResult placeTiles(KernelContext &context) {
  SmallVector<MakeRingOp> rings;
  SmallVector<AllocOp> allocs, late;
  context.kernel.walk([&](MakeRingOp ring) { rings.push_back(ring); });
  context.kernel.walk([&](AllocOp alloc) { allocs.push_back(alloc); });

  int64_t start = llvm::alignTo(context.sharedBytes, 1024);
  for (MakeRingOp ring : rings) {
    RingType type = ring.getResult().getType();
    context.sharedOffsets[ring] =
        context.allocateShared(type.getStages() * type.getTile().getNumBytes());
  }
  for (AllocOp alloc : allocs) {
    if (mayReplaceRings(context, alloc, rings))
      late.push_back(alloc);
    else
      context.sharedOffsets[alloc] =
          context.allocateShared(alloc.getResult().getType().getNumBytes());
  }
  for (AllocOp alloc : late) {
    context.sharedOffsets[alloc] = start;
    start =
        llvm::alignTo(start + alloc.getResult().getType().getNumBytes(), 1024);
  }
  if (start > context.sharedBytes)
    context.allocateShared(start - context.sharedBytes, 1);
  for (MakeRingOp ring : rings) {
    RingPlan &plan = context.memory->rings[ring];
    if (!plan.engine)
      continue;
    int64_t stages = ring.getResult().getType().getStages();
    plan.barriers =
        context.allocateShared(2 * stages * kBarrierSize, kBarrierSize) -
        context.sharedOffsets[ring];
  }

  if (!context.kernel.getBody().getOps<ForEachBlockOp>().empty())
    context.memory->queue = context.allocateShared(kQueueBytes, 16);

  // What a block can have: 227 KB on sm_90, 163 KB on sm_80.
  int64_t limit = context.isSM90 ? 232448 : 166912;
  if (context.sharedBytes > limit)
    return context.kernel.emitOpError()
           << "needs " << context.sharedBytes
           << " bytes of shared memory, but a block of " << context.chip
           << " has " << limit << "; use smaller tiles or fewer stages";
  return success();
}

/// Products of a block whose descriptors there are registers for outside of its
/// loop.
static constexpr size_t kMaxHoisted = 4;

static void planDescriptors(KernelContext &context) {
  context.kernel.walk([&](Block *block) {
    auto products = block->getOps<MmaAsyncOp>();
    if (size_t(llvm::range_size(products)) > kMaxHoisted)
      for (MmaAsyncOp product : products)
        context.memory->pinned.insert(product);
  });
}

/// The barriers behind which products read what threads have written, where all
/// such writes have one in their block.
static void planFences(KernelContext &context) {
  llvm::SmallDenseSet<Operation *> &fenced = context.memory->fenced;
  bool isKnown = true;
  context.kernel.walk([&](AllocOp alloc) {
    auto isProduct = llvm::IsaPred<MmaAsyncOp>;
    if (llvm::none_of(alloc->getUsers(), isProduct))
      return;
    for (Operation *user : alloc->getUsers()) {
      if (!isa<SharedStoreOp>(user))
        continue;
      Operation *next = user->getNextNode();
      while (next && !isa<BarrierOp>(next) && !isProduct(next))
        next = next->getNextNode();
      auto barrier = dyn_cast_if_present<BarrierOp>(next);
      if (barrier && !barrier.getWarp())
        fenced.insert(barrier);
      else
        isKnown = false;
    }
  });
  // Rings that threads fill are waited for at their own barriers.
  if (!isKnown)
    fenced.clear();
}

LogicalResult seqc::tile::planKernel(KernelContext &context) {
  context.memory = std::make_shared<MemoryPlan>();
  if (failed(planRoles(context)))
    return failure();
  WalkResult result = context.kernel.walk([&](MakeRingOp make) {
    return failed(planRing(context, make)) ? WalkResult::interrupt()
                                           : WalkResult::advance();
  });
  if (result.wasInterrupted() || failed(placeTiles(context)))
    return failure();

  context.kernel.walk([&](GatherOp) { context.memory->hasGathers = true; });
  planFences(context);
  planDescriptors(context);

  // Who writes what the tensor cores read: threads, if it is not the engine.
  context.kernel.walk([&](MmaAsyncOp mma) {
    for (Value operand : {mma.getA(), Value(mma.getB())}) {
      auto get = operand.getDefiningOp<GetOp>();
      MakeRingOp make =
          get ? get.getRing().getDefiningOp<MakeRingOp>() : MakeRingOp();
      if (isa<SharedType>(operand.getType()))
        context.memory->needsProxyFence |=
            !make || !context.memory->rings[make].engine;
    }
  });
  return success();
}

//===----------------------------------------------------------------------===//
// The entry
//===----------------------------------------------------------------------===//

/// One thread makes the barriers, before any warp uses one.
LogicalResult seqc::tile::emitPrologue(ImplicitLocOpBuilder &b,
                                       KernelContext &context) {
  SmallVector<std::pair<Operation *, RingPlan>> rings;
  for (auto &[op, ring] : context.memory->rings)
    if (ring.engine)
      rings.push_back({op, ring});
  if (rings.empty())
    return success();
  llvm::sort(rings, [&](auto &x, auto &y) {
    return context.sharedOffsets[x.first] < context.sharedOffsets[y.first];
  });

  I32Builder i{b};
  Value first = i.cmp(arith::CmpIPredicate::eq, context.thread, i.constant(0));
  auto guard = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard insertion(b);
    b.setInsertionPoint(guard.thenBlock()->getTerminator());
    for (auto &[op, ring] : rings) {
      int64_t stages = cast<MakeRingOp>(op).getResult().getType().getStages();
      int64_t start = context.sharedOffsets[op] + ring.barriers;
      for (int64_t n = 0; n < 2 * stages; ++n) {
        // The thread that asks for a copy announces its bytes, which arrive on
        // their own; each warp that reads releases.
        Value count = i.constant(n < stages ? 1 : ring.readers);
        NVVM::MBarrierInitOp::create(
            b, addBytes(b, context.shared, start + n * kBarrierSize), count,
            Value());
      }
    }
    if (!context.function.getBody().getOps<ForEachBlockOp>().empty()) {
      Value queue = addBytes(b, context.shared, context.memory->queue);
      NVVM::MBarrierInitOp::create(b, addBytes(b, queue, kQueueFull),
                                   i.constant(1), Value());
      NVVM::MBarrierInitOp::create(b, addBytes(b, queue, kQueueEmpty),
                                   i.constant(context.warps), Value());
    }
    NVVM::FenceMbarrierInitOp::create(b);
  }
  NVVM::BarrierOp::create(b);
  return success();
}

void seqc::tile::populateMemoryPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns,
                                        KernelContext &context) {
  populateSharedPatterns(converter, patterns, context);
  populateCopyPatterns(converter, patterns, context);
  populateMmaSyncPatterns(converter, patterns, context);
  populateWgmmaPatterns(converter, patterns, context);
  populateRolePatterns(converter, patterns, context);
}
