//===- IOModelUpstream.cpp - The analytic model of upstream operators -----===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An operator of linalg or tensor reads each operand once and writes its result
// once; a contraction is matrix work, and any other body is counted by its
// scalar operations, once per point of the iteration space. An elementwise
// operator on tensors counts as a body of its own.
//
//===----------------------------------------------------------------------===//

#include "IOModelDetail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

//===----------------------------------------------------------------------===//
// Scalar code
//===----------------------------------------------------------------------===//

ScalarWork seqc::io::countScalarWork(Operation *op) {
  // flops, ops, exps, specials
  return llvm::TypeSwitch<Operation *, ScalarWork>(op)
      .Case<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::MaximumFOp,
            arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp,
            arith::NegFOp, math::AbsFOp, math::FloorOp, math::CeilOp>(
          [](auto) { return ScalarWork{1, 1, 0, 0}; })
      .Case<arith::DivFOp, arith::RemFOp>(
          [](auto) { return ScalarWork{1, 1, 0, 1}; })
      .Case<math::FmaOp>([](auto) { return ScalarWork{2, 1, 0, 0}; })
      .Case<math::ExpOp, math::Exp2Op, math::ExpM1Op>(
          [](auto) { return ScalarWork{0, 0, 1, 1}; })
      .Case<math::SqrtOp, math::RsqrtOp, math::LogOp, math::Log2Op,
            math::Log10Op, math::Log1pOp, math::TanhOp, math::SinOp,
            math::CosOp, math::ErfOp, math::AtanOp>(
          [](auto) { return ScalarWork{0, 0, 0, 1}; })
      .Case<math::PowFOp, math::Atan2Op>(
          [](auto) { return ScalarWork{0, 0, 1, 2}; })
      .Default([](Operation *op) {
        // Comparisons, selects, conversions and integer work cost time only.
        bool works = op->getNumResults() == 1 &&
                     !op->hasTrait<OpTrait::ConstantLike>() &&
                     isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
                         op->getDialect());
        return ScalarWork{0, works ? 1.0 : 0.0, 0, 0};
      });
}

ScalarWork seqc::io::countScalarWork(Region &region) {
  ScalarWork total;
  region.walk([&](Operation *op) {
    ScalarWork w = countScalarWork(op);
    total.flops += w.flops;
    total.ops += w.ops;
    total.exps += w.exps;
    total.specials += w.specials;
  });
  return total;
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

std::optional<FormReport> seqc::io::upstreamForm(Operation *op, DimTable &dims,
                                                 const ChipInfo &chip) {
  FormReport form;
  form.name = "fused";
  Counts &c = form.counts;
  Type type;
  // What its users only initialise with is not read.
  auto readOnce = [&](Value v) {
    if (isShaped(v) && !isFilled(v) && !v.getDefiningOp<tensor::EmptyOp>())
      c.dram.read += dims.bytes(v);
  };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    // A fill writes where its users start: it is counted with them.
    if (isa<linalg::FillOp>(op))
      return std::nullopt;
    double points = 1;
    SmallVector<bool> seen(linalgOp.getNumLoops());
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isShaped(operand.get()))
        continue;
      AffineMap map = linalgOp.getMatchingIndexingMap(&operand);
      for (auto [i, expr] : llvm::enumerate(map.getResults()))
        if (auto dim = dyn_cast<AffineDimExpr>(expr))
          if (!seen[dim.getPosition()]) {
            seen[dim.getPosition()] = true;
            points *= dims.size(operand.get(), i);
          }
    }
    SmallPtrSet<Value, 4> operands;
    for (OpOperand *input : linalgOp.getDpsInputOperands())
      if (operands.insert(input->get()).second)
        readOnce(input->get());
    for (OpOperand &init : linalgOp.getDpsInitsMutable()) {
      if (!isShaped(init.get()))
        continue;
      type = getElementTypeOrSelf(init.get().getType());
      c.dram.written += dims.bytes(init.get());
      if (linalgOp.payloadUsesValueFromOperand(&init))
        readOnce(init.get());
    }
    bool contraction = linalg::isaContractionOpInterface(linalgOp);
    if (contraction) {
      c.matrixFlops = 2 * points;
      for (OpOperand *input : linalgOp.getDpsInputOperands())
        type = getElementTypeOrSelf(input->get().getType());
    } else {
      addScalarWork(c, countScalarWork(op->getRegion(0)), points);
    }
  } else if (isa<tensor::PadOp, tensor::ConcatOp, tensor::GatherOp>(op) ||
             isa_and_nonnull<linalg::LinalgDialect>(op->getDialect())) {
    for (Value v : op->getOperands())
      readOnce(v);
    for (Value v : op->getResults())
      if (isShaped(v)) {
        c.dram.written += dims.bytes(v);
        type = getElementTypeOrSelf(v.getType());
      }
    if (auto softmax = dyn_cast<linalg::SoftmaxOp>(op)) {
      double n = dims.elements(softmax.getInput());
      c.vectorFlops = c.vectorOps = 4 * n;
      c.exps = c.specials = n;
    }
  } else if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 &&
             isShaped(op->getResult(0)) &&
             !op->hasTrait<OpTrait::ConstantLike>()) {
    SmallPtrSet<Value, 4> operands;
    for (Value v : op->getOperands())
      if (operands.insert(v).second)
        readOnce(v);
    Value result = op->getResult(0);
    type = getElementTypeOrSelf(result.getType());
    c.dram.written = dims.bytes(result);
    addScalarWork(c, countScalarWork(op), dims.elements(result));
  } else {
    return std::nullopt;
  }
  if (c.dram.total() == 0)
    return std::nullopt;
  c.cache = c.dram;
  if (!type)
    type = Float32Type::get(op->getContext());
  setTime(form, chip, type, chip.cores);
  return form;
}
