//===- IndexSlice.cpp - Copies of index arithmetic ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexSlice.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace seqc::tile;

/// Whether the value is defined in `body` or in a region nested in it.
static bool isInside(Value value, Block *body) {
  Operation *parent = body->getParentOp();
  return value.getParentBlock() == body ||
         parent->isProperAncestor(value.getParentBlock()->getParentOp());
}

/// The values from outside that an operation with regions reads, and its
/// operands.
static SmallVector<Value> getInputs(Operation *op) {
  SmallVector<Value> inputs(op->getOperands());
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!op->isAncestor(operand.getParentBlock()->getParentOp()) ||
          operand.getParentBlock() == op->getBlock())
        inputs.push_back(operand);
  });
  return inputs;
}

bool seqc::tile::canCopySlice(Value value, Block *body,
                              function_ref<bool(Value)> isKnown,
                              function_ref<bool(Operation *)> isConstantLoad) {
  // A value is often read several times on the way.
  llvm::SetVector<Value> slice;
  slice.insert(value);
  for (size_t i = 0; i < slice.size(); ++i) {
    Value next = slice[i];
    if (!isInside(next, body) || isKnown(next))
      continue;
    Operation *op = next.getDefiningOp();
    if (!op || op->getBlock() != body)
      return false;
    bool isLoad = isConstantLoad && isConstantLoad(op);
    if (!isLoad && (!isMemoryEffectFree(op) || touchesTiles(op)))
      return false;
    slice.insert_range(getInputs(op));
  }
  return true;
}

Value seqc::tile::copySlice(OpBuilder &builder, Value value, Block *body,
                            IRMapping &map) {
  if (Value copy = map.lookupOrNull(value))
    return copy;
  if (!isInside(value, body))
    return value;
  Operation *op = value.getDefiningOp();
  for (Value input : getInputs(op))
    if (isInside(input, body))
      map.map(input, copySlice(builder, input, body, map));
  builder.clone(*op, map);
  return map.lookup(value);
}

bool seqc::tile::isCounter(scf::ForOp loop, BlockArgument argument) {
  if (argument.getOwner() != loop.getBody() ||
      argument == loop.getInductionVar())
    return false;
  Value next = loop.getTiedLoopYieldedValue(argument)->get();
  auto add = next.getDefiningOp<arith::AddIOp>();
  return add && add.getLhs() == argument && matchPattern(add.getRhs(), m_One());
}

bool seqc::tile::touchesTiles(Operation *op) {
  auto isOfTile = [](Type type) {
    return isa<RankedTensorType, SharedType, RingType, AsyncType>(type);
  };
  return op
      ->walk([&](Operation *inner) {
        if (isa<TileDialect>(inner->getDialect()) ||
            llvm::any_of(inner->getOperandTypes(), isOfTile) ||
            llvm::any_of(inner->getResultTypes(), isOfTile))
          return WalkResult::interrupt();
        return WalkResult::advance();
      })
      .wasInterrupted();
}
