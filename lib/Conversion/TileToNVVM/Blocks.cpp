//===- Blocks.cpp - Points of the grid that thread blocks take ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile.for_each_block becomes a loop in each of its roles. A thread block
// starts with the point of its own number. Then the role that copies takes the
// next one off a counter in device memory, when it has asked for its last copy,
// works out which point that is, and leaves it in shared memory, between two
// mbarriers, for the role that computes:
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

/// Rows of a section, at most: with short rows, sections for balance would be
/// more than what L2 holds well.
static constexpr int64_t kMaxSectionRows = 16;

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
  /// A point: its number and its indices.
  using Point = SmallVector<Value>;
  Point find(Value number);
  Point take(Value turn);
  Point receive(Value turn);

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

RoleLoop::Point RoleLoop::find(Value number) {
  auto div = [&](Value x, Value y) -> Value {
    return arith::DivUIOp::create(b, x, y);
  };
  auto rem = [&](Value x, Value y) -> Value {
    return arith::RemUIOp::create(b, x, y);
  };
  auto mul = [&](Value x, Value y) -> Value {
    return arith::MulIOp::create(b, x, y);
  };
  Value sizeX = context.gridSizes[0], sizeY = context.gridSizes[1];
  Value x, row;
  if (!points.getSection()) {
    x = rem(number, sizeX);
    row = div(number, sizeX);
  } else {
    // Rows of a section, and of this one, which may be the last.
    Value one = i.constant(1);
    Value rows = arith::MaxUIOp::create(
        b, div(i.constant(*points.getSection()), sizeX), one);
    rows = arith::MinUIOp::create(b, rows, i.constant(kMaxSectionRows));
    Value size = mul(rows, sizeX);
    Value first = mul(div(number, size), rows);
    Value left =
        arith::SubIOp::create(b, mul(sizeY, context.gridSizes[2]), first);
    // Numbers behind the last point give any indices.
    Value mine =
        arith::MaxSIOp::create(b, arith::MinSIOp::create(b, rows, left), one);
    Value place = rem(number, size);
    x = div(place, mine);
    row = i.add(first, rem(place, mine));
  }
  return {number, x, rem(row, sizeY), div(row, sizeY)};
}

/// The next point, for both roles.
RoleLoop::Point RoleLoop::take(Value turn) {
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
  Point next = find(i.add(taken, NVVM::GridDimXOp::create(b, b.getI32Type())));
  nvx::MbarrierWaitOp::create(b, getAddress(kQueueEmpty),
                              i.lxor(i.land(turn, 1), 1));
  auto type = VectorType::get({int64_t(next.size())}, b.getI32Type());
  LLVM::StoreOp::create(b, pack(b, type, next), getAddress(kQueueMessage),
                        /*alignment=*/16);
  nvx::MbarrierArriveOp::create(
      b, getAddress(kQueueFull),
      arith::ConstantOp::create(b, b.getBoolAttr(true)));
  return next;
}

/// What take() left.
RoleLoop::Point RoleLoop::receive(Value turn) {
  nvx::MbarrierWaitOp::create(b, getAddress(kQueueFull), i.land(turn, 1));
  Value message = LLVM::LoadOp::create(b, VectorType::get({4}, b.getI32Type()),
                                       getAddress(kQueueMessage),
                                       /*alignment=*/16);
  // Shuffles, after which all lanes have read, and ptxas knows that they have
  // read the same.
  Point next;
  for (Value word : unpack(b, message))
    next.push_back(NVVM::ShflOp::create(b, b.getI32Type(), i.constant(-1), word,
                                        i.constant(0), i.constant(31),
                                        NVVM::ShflKind::idx, UnitAttr()));
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
  SmallVector<Value> inits = find(NVVM::BlockIdXOp::create(b, i32));
  const unsigned numPoint = inits.size();
  inits.push_back(i.constant(0));
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
  Value turn = after->getArgument(numPoint);
  for (unsigned dim = 0; dim < 3; ++dim)
    map.map(points.getBlockId(dim), toIndex(after->getArgument(1 + dim)));
  for (auto [number, argument] : llvm::zip_equal(
           points.getNumbers(), after->getArguments().drop_front(numPoint + 1)))
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
  SmallVector<Value> next = isProducer ? take(turn) : receive(turn);
  next.push_back(i.add(turn, i.constant(1)));
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
