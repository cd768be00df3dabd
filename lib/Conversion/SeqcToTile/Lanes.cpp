//===- Lanes.cpp - Arithmetic on rows, columns and tiles ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lanes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

Type Lanes::getType(Type element, unsigned on) {
  if (on == Lane::Uniform)
    return element;
  if (element.isIndex())
    element = position;
  switch (on) {
  case Lane::Row:
    return RankedTensorType::get({rows}, element);
  case Lane::Column:
    return RankedTensorType::get({columns}, element);
  default:
    return RankedTensorType::get({rows, columns}, element);
  }
}

Value Lanes::spread(Lane lane, unsigned on) {
  on |= lane.on;
  if (lane.on == on)
    return lane.value;
  Value v = lane.value;
  if (lane.on == Lane::Uniform) {
    if (v.getType().isIndex()) {
      APInt constant;
      if (matchPattern(v, m_ConstantInt(&constant)))
        v = arith::ConstantOp::create(
            b, b.getIntegerAttr(position, constant.getSExtValue()));
      else
        v = arith::IndexCastOp::create(b, position, v);
    }
    return k.splat(
        v, llvm::cast<RankedTensorType>(getType(v.getType(), on)).getShape());
  }
  return lane.on == Lane::Row ? k.broadcast(v, 1, columns)
                              : k.broadcast(v, 0, rows);
}

Lane Lanes::compare(arith::CmpIPredicate predicate, Lane x, Lane y) {
  unsigned on = x.on | y.on;
  Value lhs = spread(x, on), rhs = spread(y, on);
  return {arith::CmpIOp::create(b, predicate, lhs, rhs), on};
}

Lane Lanes::select(Lane condition, Lane x, Lane y) {
  unsigned on = condition.on | x.on | y.on;
  Value c = spread(condition, on);
  Value lhs = spread(x, on), rhs = spread(y, on);
  return {arith::SelectOp::create(b, c, lhs, rhs), on};
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

Type Lanes::getPositionType(Region &region) {
  MLIRContext *context = region.getContext();
  // Positions are below 2^25, and so are the factors and terms that stay in 32
  // bits: a few of them add up to less than 2^31.
  constexpr int64_t maxFactor = 32, maxTerm = int64_t(1) << 28;
  bool wide = false;
  region.walk([&](Operation *op) {
    auto isIndex = [](Type type) { return type.isIndex(); };
    if (!llvm::any_of(op->getOperandTypes(), isIndex) &&
        !llvm::any_of(op->getResultTypes(), isIndex))
      return;
    bool multiplies = isa<arith::MulIOp, affine::AffineApplyOp,
                          affine::AffineMinOp, affine::AffineMaxOp>(op);
    if (isa<arith::ShLIOp>(op))
      wide = true;
    bool isSmallProduct = false;
    for (Value operand : op->getOperands()) {
      APInt constant;
      if (!operand.getType().isIndex() ||
          !matchPattern(operand, m_ConstantInt(&constant)))
        continue;
      int64_t value = constant.getSExtValue();
      if (value > maxTerm || value < -maxTerm)
        wide = true;
      if (isa<arith::MulIOp>(op) && value <= maxFactor && value >= -maxFactor)
        isSmallProduct = true;
    }
    if (multiplies && !isSmallProduct)
      wide = true;
  });
  return IntegerType::get(context, wide ? 64 : 32);
}

FailureOr<Lane> Lanes::lookup(Operation *user, Value v) {
  auto known = lanes.find(v);
  if (known != lanes.end())
    return known->second;
  if (Value scalar = k.scalar(v))
    return Lane{scalar, Lane::Uniform};
  return user->emitOpError("in a region reads a value of ")
         << v.getType() << " that a kernel does not have";
}

FailureOr<Lane> Lanes::apply(Region &region, ArrayRef<Lane> arguments) {
  for (auto [arg, lane] : llvm::zip_equal(region.getArguments(), arguments))
    lanes[arg] = lane;
  if (failed(applyBlock(region.front(), /*speculative=*/false)))
    return failure();
  Operation *yield = region.front().getTerminator();
  return lookup(yield, yield->getOperand(0));
}

LogicalResult Lanes::applyBlock(Block &block, bool speculative) {
  for (Operation &op : block.without_terminator())
    if (failed(apply(op, speculative)))
      return failure();
  return success();
}

LogicalResult Lanes::apply(Operation &op, bool speculative) {
  b.setLoc(op.getLoc());

  // A constant.
  TypedAttr constant;
  if (op.getNumResults() == 1 && matchPattern(&op, m_Constant(&constant)) &&
      constant.getType().isIntOrIndexOrFloat()) {
    lanes[op.getResult(0)] = uniform(k.scalarConstant(constant));
    return success();
  }

  // A branch: both sides, which have no effects, and a choice.
  if (auto choice = dyn_cast<scf::IfOp>(op)) {
    FailureOr<Lane> condition = lookup(&op, choice.getCondition());
    if (failed(condition) || failed(applyBlock(*choice.thenBlock(), true)) ||
        failed(applyBlock(*choice.elseBlock(), true)))
      return failure();
    for (auto [i, result] : llvm::enumerate(choice.getResults())) {
      FailureOr<Lane> x = lookup(&op, choice.thenYield().getOperand(i)),
                      y = lookup(&op, choice.elseYield().getOperand(i));
      if (failed(x) || failed(y))
        return failure();
      lanes[result] = select(*condition, *x, *y);
    }
    return success();
  }

  // A size of a captured tensor.
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    Value view = k.getView(dim.getSource());
    auto number = dim.getConstantIndex();
    if (view && number) {
      lanes[dim] =
          uniform(memref::DimOp::create(b, view, k.index(*number)).getResult());
      return success();
    }
  }

  SmallVector<Lane> operands;
  unsigned on = Lane::Uniform;
  for (Value operand : op.getOperands()) {
    if (isa<TensorType>(operand.getType()))
      continue;
    FailureOr<Lane> lane = lookup(&op, operand);
    if (failed(lane))
      return failure();
    operands.push_back(*lane);
    on |= lane->on;
  }

  // An element of a captured tensor.
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Value view = k.getView(extract.getTensor());
    if (!view)
      return op.emitOpError("in a region reads a value of ")
             << extract.getTensor().getType()
             << " that is not an argument of the function";
    // A gather stays inside of the view, whatever the indices are.
    if (speculative && on == Lane::Uniform && !operands.empty())
      on = Lane::Row;
    SmallVector<Value> indices = llvm::map_to_vector(
        operands, [&](Lane lane) { return spread(lane, on); });
    Value value;
    if (on == Lane::Uniform)
      value = k.loadScalar(view, indices);
    else
      value = tile::GatherOp::create(b, getType(extract.getType(), on), view,
                                     indices);
    lanes[extract] = {value, on};
    return success();
  }

  // Affine arithmetic, spelled out.
  if (isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(
          op)) {
    // Expanded in place of the original, then taken in like anything else.
    OpBuilder expander(&op);
    AffineMap map = llvm::cast<AffineMapAttr>(op.getAttr("map")).getValue();
    auto values =
        affine::expandAffineMap(expander, op.getLoc(), map, op.getOperands());
    if (!values)
      return op.emitOpError("in a region cannot be expanded");
    Value result = values->front();
    for (Value value : llvm::drop_begin(*values))
      result =
          isa<affine::AffineMinOp>(op)
              ? arith::MinSIOp::create(expander, op.getLoc(), result, value)
                    .getResult()
              : arith::MaxSIOp::create(expander, op.getLoc(), result, value)
                    .getResult();
    // What was built stands before `op`, after what was taken in already.
    SmallVector<Operation *> built;
    for (Operation *it = op.getPrevNode();
         it && it->getNumResults() == 1 && !lanes.contains(it->getResult(0));
         it = it->getPrevNode())
      built.push_back(it);
    for (Operation *it : llvm::reverse(built))
      if (failed(apply(*it, speculative)))
        return failure();
    FailureOr<Lane> lane = lookup(&op, result);
    if (failed(lane))
      return failure();
    lanes[op.getResult(0)] = *lane;
    return success();
  }

  auto hasTileForm = [&] {
    return op.getNumRegions() == 0 && isPure(&op) &&
           llvm::all_of(op.getResultTypes(),
                        [](Type type) { return type.isIntOrIndexOrFloat(); });
  };
  // Division is undefined by 0, which a side that is not taken may do.
  bool divides =
      isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
          arith::CeilDivSIOp, arith::CeilDivUIOp, arith::FloorDivSIOp>(op);
  if (!divides && !hasTileForm())
    return op.emitOpError("in a region cannot be evaluated on tiles");

  // Uniform: as it is.
  if (on == Lane::Uniform && !(divides && speculative)) {
    IRMapping mapping;
    unsigned i = 0;
    for (Value operand : op.getOperands())
      mapping.map(operand, operands[i++].value);
    Operation *copy = b.clone(op, mapping);
    for (auto [result, value] : llvm::zip(op.getResults(), copy->getResults()))
      lanes[result] = uniform(value);
    return success();
  }

  // Casts between positions and integers change a width, or nothing.
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    Value source = operands[0].value;
    Type to = getType(op.getResult(0).getType(), on);
    unsigned from = getElementTypeOrSelf(source).getIntOrFloatBitWidth();
    unsigned width = getElementTypeOrSelf(to).getIntOrFloatBitWidth();
    Value value = source;
    if (width < from)
      value = arith::TruncIOp::create(b, to, source);
    else if (width > from && isa<arith::IndexCastUIOp>(op))
      value = arith::ExtUIOp::create(b, to, source);
    else if (width > from)
      value = arith::ExtSIOp::create(b, to, source);
    lanes[op.getResult(0)] = {value, on};
    return success();
  }

  if (!OpTrait::hasElementwiseMappableTraits(&op))
    return op.emitOpError("in a region cannot be evaluated on tiles");
  SmallVector<Value> values = llvm::map_to_vector(
      operands, [&](Lane lane) { return spread(lane, on); });
  if (divides && speculative) {
    // As unsigned numbers, only 0 is less than 1.
    Type element = getElementTypeOrSelf(values[1].getType());
    Value one = k.scalarConstant(b.getIntegerAttr(element, 1));
    values[1] = arith::MaxUIOp::create(
        b, values[1], on ? spread({one, Lane::Uniform}, on) : one);
  }
  Operation *copy = op.clone();
  copy->setOperands(values);
  for (OpResult result : copy->getResults())
    result.setType(getType(result.getType(), on));
  b.insert(copy);
  for (auto [result, value] : llvm::zip(op.getResults(), copy->getResults()))
    lanes[result] = {value, on};
  return success();
}
