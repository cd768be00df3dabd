//===- Lanes.cpp - Arithmetic on rows, columns and tiles ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lanes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

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

Lane Lanes::positions(Value first, Lane::Dependence along) {
  bool isRow = along == Lane::Row;
  Value tile = k.positions(first, isRow ? rows : columns, position);
  // 64 bits are for what index, which has 32 of them in kernels, cannot hold.
  if (position.isInteger(32))
    affines[tile] = {first, isRow ? 1 : 0, isRow ? 0 : 1};
  return {tile, along};
}

//===----------------------------------------------------------------------===//
// Affine values
//===----------------------------------------------------------------------===//

std::optional<Affine> Lanes::getAffine(Value v) {
  if (auto it = affines.find(v); it != affines.end())
    return it->second;
  auto lane = lanes.find(v);
  Value uniform = lane != lanes.end() ? lane->second.value : k.scalar(v);
  if (uniform && uniform.getType().isIndex())
    return Affine{uniform};
  return std::nullopt;
}

/// The `x` of `select(x < 0, 0 - x, x)`.
static Value getDistance(Operation &op) {
  auto select = dyn_cast<arith::SelectOp>(op);
  auto isLess =
      select ? select.getCondition().getDefiningOp<arith::CmpIOp>() : nullptr;
  auto negated =
      select ? select.getTrueValue().getDefiningOp<arith::SubIOp>() : nullptr;
  if (isLess && negated && isLess.getPredicate() == arith::CmpIPredicate::slt &&
      isLess.getLhs() == select.getFalseValue() &&
      negated.getRhs() == select.getFalseValue() &&
      matchPattern(isLess.getRhs(), m_Zero()) &&
      matchPattern(negated.getLhs(), m_Zero()))
    return select.getFalseValue();
  return {};
}

/// Sees what of an operation's result is affine, once it has a lane.
void Lanes::trackAffine(Operation &op) {
  if (op.getNumResults() != 1 || op.getNumRegions() != 0)
    return;
  Value result = op.getResult(0);
  auto lane = lanes.find(result);
  if (lane == lanes.end() || lane->second.on == Lane::Uniform)
    return;
  if (isa<arith::IndexCastOp, arith::SIToFPOp>(op)) {
    Value source = op.getOperand(0);
    if (auto it = affines.find(source); it != affines.end()) {
      Affine affine = it->second;
      affines[result] = affine;
    } else if (auto it = distances.find(source); it != distances.end()) {
      Affine affine = it->second;
      distances[result] = affine;
    }
    return;
  }
  if (Value from = getDistance(op)) {
    if (auto it = affines.find(from); it != affines.end())
      distances[result] = it->second;
    return;
  }
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op) ||
      !result.getType().isIndex())
    return;
  std::optional<Affine> x = getAffine(op.getOperand(0)),
                        y = getAffine(op.getOperand(1));
  if (!x || !y)
    return;
  if (isa<arith::MulIOp>(op)) {
    if (x->row == 0 && x->column == 0)
      std::swap(x, y);
    APInt by;
    if (!matchPattern(y->uniform, m_ConstantInt(&by)))
      return;
    int64_t factor = by.getSExtValue();
    affines[result] = {arith::MulIOp::create(b, x->uniform, y->uniform),
                       x->row * factor, x->column * factor};
    return;
  }
  int64_t sign = isa<arith::SubIOp>(op) ? -1 : 1;
  Value uniform =
      sign > 0 ? arith::AddIOp::create(b, x->uniform, y->uniform).getResult()
               : arith::SubIOp::create(b, x->uniform, y->uniform).getResult();
  affines[result] = {uniform, x->row + sign * y->row,
                     x->column + sign * y->column};
}

Lane Lanes::ramp(Value start, double step, Lane::Dependence along) {
  auto type = llvm::cast<RankedTensorType>(getType(b.getF32Type(), along));
  return {tile::RampOp::create(b, type, start, k.scalarConstant(step), 0),
          along};
}

Value Lanes::convertUniform(Value index) {
  Value integer = arith::IndexCastOp::create(b, b.getI32Type(), index);
  return arith::SIToFPOp::create(b, b.getF32Type(), integer);
}

/// The conversion to f32 of what is affine. The uniform part is that of a tile,
/// not small, but the other one is exact: as good as one conversion of the sum
/// up to 2^24, and a rounding apart from it beyond.
std::optional<Lane> Lanes::convertAffine(Operation &op) {
  if (!isa<arith::SIToFPOp>(op) || !op.getResult(0).getType().isF32())
    return std::nullopt;
  Value source = op.getOperand(0);
  auto it = affines.find(source);
  bool isDistance = it == affines.end();
  if (isDistance)
    it = distances.find(source);
  if (isDistance && it == distances.end())
    return std::nullopt;
  Affine affine = it->second;
  Value start = convertUniform(affine.uniform);
  Lane number;
  if (affine.row && affine.column)
    number =
        make<arith::AddFOp>(ramp(k.scalarConstant(0.0), affine.row, Lane::Row),
                            ramp(start, affine.column, Lane::Column));
  else if (affine.row)
    number = ramp(start, affine.row, Lane::Row);
  else
    number = ramp(start, affine.column, Lane::Column);
  if (isDistance)
    number.value = math::AbsFOp::create(b, number.value);
  return number;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// The number that each element of `v`, a scalar or a tile, is.
static std::optional<double> getNumber(Value v) {
  FloatAttr number;
  DenseElementsAttr elements;
  if (matchPattern(v, m_Constant(&number)))
    return number.getValueAsDouble();
  if (matchPattern(v, m_Constant(&elements)) && elements.isSplat() &&
      isa<FloatType>(elements.getElementType()))
    return elements.getSplatValue<APFloat>().convertToDouble();
  return std::nullopt;
}

/// Whether a product with `factor` is one with a number of f32 that is neither
/// 0 nor too small or large to be precise.
static bool isPrecise(double factor) {
  return std::isnormal(static_cast<float>(factor));
}

/// What a division by `divisor` multiplies with, where that makes no
/// difference or is allowed to make one of a rounding.
static std::optional<double> getReciprocal(double divisor, bool isApproximate) {
  int exponent = 0;
  bool isPower = std::abs(std::frexp(divisor, &exponent)) == 0.5;
  if ((isPower || isApproximate) && isPrecise(divisor) &&
      isPrecise(1 / divisor))
    return 1 / divisor;
  return std::nullopt;
}

/// `op` on `values` if it is a product with a number: of one product with one
/// number, however many there are.
Value Lanes::scale(Operation &op, ArrayRef<Value> values) {
  if (!isa<arith::MulFOp, arith::DivFOp>(op) ||
      !op.getResult(0).getType().isF32())
    return {};
  Value source = values[0];
  std::optional<double> factor = getNumber(values[1]);
  if (isa<arith::DivFOp>(op)) {
    if (factor)
      factor = getReciprocal(*factor, isApproximate);
  } else if (!factor) {
    factor = getNumber(values[0]);
    source = values[1];
  }
  if (!factor)
    return {};
  if (auto inner = source.getDefiningOp<arith::MulFOp>())
    if (std::optional<double> other = getNumber(inner.getRhs());
        other && isPrecise(*other * *factor)) {
      source = inner.getLhs();
      factor = *other * *factor;
    }
  auto type = llvm::dyn_cast<RankedTensorType>(source.getType());
  if (!type)
    return {};
  return arith::MulFOp::create(b, source, k.constant(type.getShape(), *factor));
}

bool Lanes::collect(Value v, double coefficient, Value factor,
                    SmallVectorImpl<Term> &terms) {
  constexpr unsigned maxTerms = 8;
  Operation *op = v.getDefiningOp();
  auto known = lanes.find(v);
  if (known == lanes.end())
    return false;
  Lane lane = known->second;
  auto push = [&](Lane lane) {
    for (Term &term : terms)
      if (term.lane.value == lane.value && term.factor == factor) {
        term.coefficient += coefficient;
        return true;
      }
    terms.push_back({coefficient, factor, lane});
    return terms.size() <= maxTerms;
  };
  if (!op || lane.on == Lane::Uniform || !v.getType().isF32())
    return push(lane);
  if (isa<arith::AddFOp, arith::SubFOp>(op))
    return collect(op->getOperand(0), coefficient, factor, terms) &&
           collect(op->getOperand(1),
                   isa<arith::SubFOp>(op) ? -coefficient : coefficient, factor,
                   terms);
  if (isa<arith::NegFOp>(op))
    return collect(op->getOperand(0), -coefficient, factor, terms);
  if (isa<arith::MulFOp, arith::DivFOp>(op)) {
    Value x = op->getOperand(0), y = op->getOperand(1);
    auto isUniform = [&](Value v) {
      auto lane = lanes.find(v);
      return lane != lanes.end() ? lane->second.on == Lane::Uniform
                                 : bool(k.scalar(v));
    };
    if (isa<arith::MulFOp>(op) && isUniform(x))
      std::swap(x, y);
    if (!isUniform(y) || isUniform(x))
      return push(lane);
    auto it = lanes.find(y);
    Value by = it != lanes.end() ? it->second.value : k.scalar(y);
    if (std::optional<double> number = getNumber(by)) {
      if (isa<arith::DivFOp>(op))
        number = getReciprocal(*number, isApproximate);
      if (!number || !std::isfinite(*number))
        return push(lane);
      return collect(x, coefficient * *number, factor, terms);
    }
    if (isa<arith::DivFOp>(op))
      return push(lane);
    if (factor)
      by = arith::MulFOp::create(b, factor, by);
    return collect(x, coefficient, by, terms);
  }
  // The part that rows have is the same for all tiles of keys.
  if (auto it = affines.find(v); isa<arith::SIToFPOp>(op) &&
                                 it != affines.end() && it->second.row &&
                                 it->second.column) {
    Affine affine = it->second;
    return push(ramp(k.scalarConstant(0.0), affine.row, Lane::Row)) &&
           push(ramp(convertUniform(affine.uniform), affine.column,
                     Lane::Column));
  }
  return push(lane);
}

SmallVector<Term> Lanes::getTerms(Region &region) {
  Value result = region.front().getTerminator()->getOperand(0);
  SmallVector<Term> terms;
  if (collect(result, 1.0, Value(), terms))
    return terms;
  return {{1.0, Value(), *lookup(region.front().getTerminator(), result)}};
}

double Lanes::getKeySlope(ArrayRef<Term> terms) {
  double slope = 0;
  for (const Term &term : terms)
    if (auto ramp = term.lane.value.getDefiningOp<tile::RampOp>();
        ramp && term.lane.on == Lane::Column)
      if (std::optional<double> step = getNumber(ramp.getStep()))
        slope += term.coefficient * *step;
  return slope;
}

Lane Lanes::add(ArrayRef<Term> terms, double scale) {
  SmallVector<Term> sorted(terms);
  llvm::stable_sort(sorted, [](const Term &x, const Term &y) {
    return x.lane.on < y.lane.on;
  });
  std::optional<Lane> sum;
  for (const Term &term : sorted) {
    double number = term.coefficient * scale;
    bool isOne = !term.factor && number == 1.0;
    Value weight = k.scalarConstant(number);
    if (term.factor)
      weight = number == 1.0
                   ? term.factor
                   : arith::MulFOp::create(b, term.factor, weight).getResult();
    Lane lane = term.lane;
    if (auto ramp = lane.value.getDefiningOp<tile::RampOp>(); ramp && !isOne) {
      // A ramp stays one.
      Value start = ramp.getStart();
      if (!matchPattern(start, m_AnyZeroFloat()))
        start = arith::MulFOp::create(b, start, weight);
      Value step = arith::MulFOp::create(b, ramp.getStep(), weight);
      lane.value = tile::RampOp::create(b, ramp.getType(), start, step, 0);
      isOne = true;
    }
    if (!sum) {
      sum = isOne ? lane : make<arith::MulFOp>(lane, uniform(weight));
    } else if (isOne) {
      sum = make<arith::AddFOp>(lane, *sum);
    } else {
      unsigned on = lane.on | sum->on;
      Value x = spread(lane, on), w = spread(uniform(weight), on),
            y = spread(*sum, on);
      sum = Lane{math::FmaOp::create(b, x, w, y), on};
    }
  }
  return sum ? *sum : uniformFloat(0.0);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// Lets `op` be as precise as 16-bit numbers are.
void Lanes::allowApproximation(Operation *op) {
  auto flags = dyn_cast<arith::ArithFastMathInterface>(op);
  if (!isApproximate || !flags)
    return;
  using arith::FastMathFlags;
  arith::FastMathFlagsAttr old = flags.getFastMathFlagsAttr();
  op->setAttr(
      flags.getFastMathAttrName(),
      arith::FastMathFlagsAttr::get(
          op->getContext(), (old ? old.getValue() : FastMathFlags::none) |
                                FastMathFlags::afn | FastMathFlags::arcp));
}

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
  FailureOr<SmallVector<Lane>> results = applyAll(region, arguments);
  if (failed(results))
    return failure();
  return results->front();
}

FailureOr<SmallVector<Lane>> Lanes::applyAll(Region &region,
                                             ArrayRef<Lane> arguments) {
  for (auto [arg, lane] : llvm::zip_equal(region.getArguments(), arguments)) {
    lanes[arg] = lane;
    if (auto it = affines.find(lane.value); it != affines.end()) {
      Affine affine = it->second;
      affines[arg] = affine;
    }
  }
  if (failed(applyBlock(region.front(), /*speculative=*/false)))
    return failure();
  Operation *yield = region.front().getTerminator();
  SmallVector<Lane> results;
  for (Value value : yield->getOperands()) {
    FailureOr<Lane> lane = lookup(yield, value);
    if (failed(lane))
      return failure();
    results.push_back(*lane);
  }
  return results;
}

LogicalResult Lanes::applyBlock(Block &block, bool speculative) {
  for (Operation &op : block.without_terminator()) {
    if (failed(apply(op, speculative)))
      return failure();
    trackAffine(op);
  }
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
    allowApproximation(copy);
    for (auto [result, value] : llvm::zip(op.getResults(), copy->getResults()))
      lanes[result] = uniform(value);
    return success();
  }

  // What is affine in positions.
  if (std::optional<Lane> number = convertAffine(op)) {
    lanes[op.getResult(0)] = *number;
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
  if (Value scaled = scale(op, values)) {
    lanes[op.getResult(0)] = {scaled, on};
    return success();
  }
  Operation *copy = op.clone();
  allowApproximation(copy);
  copy->setOperands(values);
  for (OpResult result : copy->getResults())
    result.setType(getType(result.getType(), on));
  b.insert(copy);
  for (auto [result, value] : llvm::zip(op.getResults(), copy->getResults()))
    lanes[result] = {value, on};
  return success();
}
