//===- Blocks.cpp - Points of the grid that thread blocks take
//-------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile.for_each_block becomes a loop in each of its roles. A thread block
// starts with the point of its own number. Then the role that copies takes the
// next one off a counter in device memory, when it has asked for its last copy,
// and leaves it in shared memory, between two mbarriers, for the role that
// computes:
//
//   copies:    while t < n                computes:  while t < n
//                copies of t                           products of t
//                next = blocks + counter++             wait for `full`
//                wait for `empty`                      t = message
//                message = next                        arrive at `empty`
//                arrive at `full`
//                t = next
//
// n points are asked for in all: by each block until it gets one that is not
// there. Who asks last sets the counter back, for the next launch. Launches
// that may run at the same time have different counters: the runtime says which
// (`slot`). With as many blocks as points no counter matters.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// The loop of one role.
class RoleLoop {
public:
  RoleLoop(KernelContext &context, ForEachBlockOp points, RolesOp roles,
           unsigned role)
      : context(context), points(points), roles(roles),
        role(roles.getRoles()[role]), isProducer(role == 0),
        b(points.getLoc(), points->getContext()), i{b} {}

  void build();

private:
  Value getAddress(int64_t offset) {
    return addBytes(b, context.shared, context.memory->queue + offset);
  }
  Value take(Value turn);
  Value receive(Value turn);

  KernelContext &context;
  ForEachBlockOp points;
  RolesOp roles;
  Region &role;
  bool isProducer;
  ImplicitLocOpBuilder b;
  I32Builder i;
  Value numPoints;
};

} // namespace

/// The next point, for both roles.
Value RoleLoop::take(Value turn) {
  Value counters = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace),
      getCounterName(context.function.getName()));
  Value counter = addBytes(b, counters, i.shl(context.slot, 2));
  Value taken = LLVM::AtomicRMWOp::create(
      b, LLVM::AtomicBinOp::add, counter, i.constant(1),
      LLVM::AtomicOrdering::monotonic, "device");
  Value isLast =
      i.cmp(arith::CmpIPredicate::eq, taken, i.add(numPoints, i.constant(-1)));
  auto reset = scf::IfOp::create(b, isLast, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(reset.thenBlock()->getTerminator());
    LLVM::StoreOp::create(b, i.constant(0), counter);
  }
  Value next = i.add(taken, NVVM::GridDimXOp::create(b, b.getI32Type()));
  nvx::MbarrierWaitOp::create(b, getAddress(kQueueEmpty),
                              i.lxor(i.land(turn, 1), 1));
  LLVM::StoreOp::create(b, next, getAddress(kQueueMessage));
  nvx::MbarrierArriveOp::create(
      b, getAddress(kQueueFull),
      arith::ConstantOp::create(b, b.getBoolAttr(true)));
  return next;
}

/// What take() left.
Value RoleLoop::receive(Value turn) {
  nvx::MbarrierWaitOp::create(b, getAddress(kQueueFull), i.land(turn, 1));
  Value next =
      LLVM::LoadOp::create(b, b.getI32Type(), getAddress(kQueueMessage));
  // A shuffle, after which all lanes have read, and ptxas knows that they have
  // read the same.
  next = NVVM::ShflOp::create(b, b.getI32Type(), i.constant(-1), next,
                              i.constant(0), i.constant(31),
                              NVVM::ShflKind::idx, UnitAttr());
  nvx::MbarrierArriveOp::create(
      b, getAddress(kQueueEmpty),
      i.cmp(arith::CmpIPredicate::eq, context.lane, i.constant(0)));
  return next;
}

void RoleLoop::build() {
  Block &body = role.front();
  b.setInsertionPointToStart(&body);
  Type i32 = b.getI32Type(), index = b.getIndexType();
  auto toIndex = [&](Value value) -> Value {
    return arith::IndexCastOp::create(b, index, value);
  };
  auto fromIndex = [&](Value value) -> Value {
    return arith::IndexCastOp::create(b, i32, value);
  };
  numPoints = arith::MulIOp::create(
      b, arith::MulIOp::create(b, context.gridSizes[0], context.gridSizes[1]),
      context.gridSizes[2]);
  // The point, the turn, the numbers.
  SmallVector<Value> inits = {NVVM::BlockIdXOp::create(b, i32), i.constant(0)};
  for (Value init : points.getInits())
    inits.push_back(fromIndex(init));
  SmallVector<Type> types(inits.size(), i32);
  SmallVector<Location> locations(inits.size(), b.getLoc());
  auto loop = scf::WhileOp::create(b, types, inits);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, locations);
  scf::ConditionOp::create(
      b, i.cmp(arith::CmpIPredicate::ult, before->getArgument(0), numPoints),
      before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {}, types, locations);

  IRMapping map;
  Value point = after->getArgument(0), turn = after->getArgument(1);
  Value rows = arith::DivUIOp::create(b, point, context.gridSizes[0]);
  Value x = arith::RemUIOp::create(b, point, context.gridSizes[0]);
  Value y = arith::RemUIOp::create(b, rows, context.gridSizes[1]);
  Value z = arith::DivUIOp::create(b, rows, context.gridSizes[1]);
  map.map(points.getBlockId(0), toIndex(x));
  map.map(points.getBlockId(1), toIndex(y));
  map.map(points.getBlockId(2), toIndex(z));
  for (auto [number, argument] : llvm::zip_equal(
           points.getNumbers(), after->getArguments().drop_front(2)))
    map.map(number, toIndex(argument));
  // What both roles compute, each for itself.
  for (Operation &op : points.getBody().front().without_terminator())
    if (&op != roles)
      b.clone(op, map);
  for (Operation &op : llvm::make_early_inc_range(
           llvm::make_range(std::next(loop->getIterator()),
                            Block::iterator(body.getTerminator()))))
    op.moveBefore(after, after->end());
  for (auto [outside, inside] : map.getValueMap())
    Value(outside).replaceUsesWithIf(inside, [&](OpOperand &use) {
      return loop.getAfter().isAncestor(use.getOwner()->getParentRegion());
    });

  b.setInsertionPointToEnd(after);
  SmallVector<Value> next = {isProducer ? take(turn) : receive(turn),
                             i.add(turn, i.constant(1))};
  for (Value number : points.getYield().getOperands())
    next.push_back(fromIndex(map.lookup(number)));
  scf::YieldOp::create(b, next);
}

LogicalResult seqc::tile::distributeBlocks(KernelContext &context) {
  auto loops = context.function.getBody().getOps<ForEachBlockOp>();
  if (loops.empty())
    return success();
  ForEachBlockOp points = *loops.begin();
  auto found = points.getBody().getOps<RolesOp>();
  if (found.empty())
    return points.emitOpError("needs tile.roles in it, for a role that takes "
                              "blocks for the others");
  RolesOp roles = *found.begin();
  if (roles.getRoles().size() != 2 ||
      !context.memory->roles[roles][0].oneThread)
    return roles.emitOpError("in tile.for_each_block needs two roles, and a "
                             "first one that only computes numbers and starts "
                             "copies");
  for (Operation &op : points.getBody().front().without_terminator())
    if (&op != roles && !isa<memref::LoadOp>(op) &&
        (!isMemoryEffectFree(&op) || op.getNumRegions() != 0))
      return op.emitOpError(
          "cannot be in tile.for_each_block outside of roles, "
          "since each of them would run it");
  for (unsigned role = 0; role < 2; ++role)
    RoleLoop(context, points, roles, role).build();
  roles->moveBefore(points);
  points->erase();
  return success();
}
