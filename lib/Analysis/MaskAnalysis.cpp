//===- MaskAnalysis.cpp - Which tiles of a mask hold anything -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The mask of an operator as two unions of convex sets: the pairs that may be
// visible, and those that may be hidden. MaskAnalysis.h describes the
// algorithm, MaskDetail.h says where its steps are.
//
//===----------------------------------------------------------------------===//

#include "MaskDetail.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <functional>

using namespace mlir;
using namespace seqc;
using namespace seqc::mask;

/// More than this many convex parts and a set is approximated.
constexpr unsigned maxDisjuncts = 12;

//===----------------------------------------------------------------------===//
// MaskSpec and MaskOperands
//===----------------------------------------------------------------------===//

template <typename OpTy>
static MaskSpec getSpec(OpTy op) {
  MaskSpec spec;
  spec.causal = op.getCausal();
  if (std::optional<uint64_t> window = op.getWindowLeft())
    spec.windowLeft = static_cast<int64_t>(*window);
  if (std::optional<uint64_t> window = op.getWindowRight())
    spec.windowRight = static_cast<int64_t>(*window);
  spec.alignment = op.getAlignment();
  spec.hasPrefix = static_cast<bool>(op.getPrefix());
  spec.hasSegments = static_cast<bool>(op.getQuerySegments());
  if (!op.getMask().empty())
    spec.region = &op.getMask();
  return spec;
}

MaskSpec MaskSpec::get(AttentionOp op) { return getSpec(op); }

MaskSpec MaskSpec::get(OnlineAttentionOp op) {
  MaskSpec spec = getSpec(op);
  spec.queryLength = op.getLengths()[0];
  // Where each batch entry has its own, this is that of none.
  if (!op.getKeyLengths())
    spec.keyLength = op.getLengths()[1];
  return spec;
}

MaskSpec MaskSpec::get(BlockAttentionBackwardOp op, bool transposed) {
  MaskSpec spec = getSpec(op);
  spec.queryLength = op.getLengths()[0];
  spec.keyLength = op.getLengths()[1];
  spec.transposed = transposed;
  return spec;
}

template <typename OpTy>
static MaskOperands getOperands(OpBuilder &builder, Location loc, OpTy op,
                                Value batch, Value head) {
  MaskOperands operands;
  operands.queryLength = op.getLengths()[0];
  operands.keyLength = op.getLengths()[1];
  auto add = [&](Value a, Value b) {
    AffineExpr sum = builder.getAffineDimExpr(0) + builder.getAffineDimExpr(1);
    return getValueOrCreateConstantIndexOp(
        builder, loc,
        affine::makeComposedFoldedAffineApply(
            builder, loc, sum, {getAsOpFoldResult(a), getAsOpFoldResult(b)}));
  };
  operands.batch = add(op.getOffsets()[0], batch);
  operands.head = add(op.getOffsets()[1], head);
  if (Value prefix = op.getPrefix())
    operands.prefix = arith::IndexCastOp::create(
        builder, loc, builder.getIndexType(),
        tensor::ExtractOp::create(builder, loc, prefix, batch));
  return operands;
}

MaskOperands MaskOperands::get(OpBuilder &builder, Location loc,
                               OnlineAttentionOp op, Value batch, Value head) {
  return getOperands(builder, loc, op, batch, head);
}

MaskOperands MaskOperands::get(OpBuilder &builder, Location loc,
                               BlockAttentionBackwardOp op, Value batch,
                               Value head, bool transposed) {
  MaskOperands operands = getOperands(builder, loc, op, batch, head);
  if (transposed)
    std::swap(operands.queryLength, operands.keyLength);
  return operands;
}

//===----------------------------------------------------------------------===//
// MaskAnalysis::Impl
//===----------------------------------------------------------------------===//

MaskAnalysis::Impl::Impl(const MaskSpec &spec, MLIRContext *context)
    : context(context) {
  if (spec.region && !spec.region->empty())
    region = spec.region;
  Formula formula = readMask(spec, system, captures);
  SmallVector<Linear> pairs = system.getPairContext();
  unsigned budget = maxQuestions;
  visible =
      system.normalize(formula, pairs, maxDisjuncts, /*over=*/true, budget);
  budget = maxQuestions;
  hidden =
      system.normalize(!formula, pairs, maxDisjuncts, /*over=*/true, budget);
}

bool MaskAnalysis::Impl::uses(unsigned v) const {
  std::function<bool(const Linear &)> rowUses = [&](const Linear &row) {
    if (row.get(v) != 0)
      return true;
    for (auto [other, c] : llvm::enumerate(row.coefficients))
      if (c != 0 && system.variables[other].kind == Variable::Division &&
          rowUses(system.variables[other].dividend))
        return true;
    return false;
  };
  for (const Union *sets : {&visible, &hidden})
    for (const Rows &rows : *sets)
      if (llvm::any_of(rows, rowUses))
        return true;
  // A captured value may be computed from the batch or the head.
  if (!region || captures.empty() || (v != varBatch && v != varHead))
    return false;
  SmallVector<Value> work(captures);
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == region->getArgument(v == varBatch ? 0 : 1))
      return true;
    Operation *op = value.getDefiningOp();
    if (op && region->isAncestor(op->getParentRegion()) &&
        seen.insert(op).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

//===----------------------------------------------------------------------===//
// MaskAnalysis
//===----------------------------------------------------------------------===//

MaskAnalysis::MaskAnalysis(const MaskSpec &spec, MLIRContext *context)
    : impl(std::make_shared<Impl>(spec, context)) {}
MaskAnalysis::MaskAnalysis(AttentionOp op)
    : MaskAnalysis(MaskSpec::get(op), op.getContext()) {}
MaskAnalysis::MaskAnalysis(OnlineAttentionOp op)
    : MaskAnalysis(MaskSpec::get(op), op.getContext()) {}
MaskAnalysis::MaskAnalysis(MaskAnalysis &&) = default;
MaskAnalysis &MaskAnalysis::operator=(MaskAnalysis &&) = default;
MaskAnalysis::~MaskAnalysis() = default;

bool MaskAnalysis::isConvex() const { return impl->visible.size() <= 1; }
bool MaskAnalysis::hasFull() const {
  return llvm::none_of(impl->hidden,
                       [](const Rows &rows) { return rows.empty(); });
}
bool MaskAnalysis::usesBatch() const {
  return impl->uses(varBatch) || usesPrefix();
}
bool MaskAnalysis::usesHead() const { return impl->uses(varHead); }
bool MaskAnalysis::usesPrefix() const { return impl->uses(varPrefix); }
ArrayRef<Value> MaskAnalysis::getCaptures() const { return impl->captures; }

LoopBounds MaskAnalysis::buildBounds(OpBuilder &builder, Location loc, Value i0,
                                     Value kvBegin, Value kvEnd, int64_t M,
                                     int64_t N,
                                     const MaskOperands &operands) const {
  return getTiling(M, N).buildBounds(builder, loc, i0, kvBegin, kvEnd,
                                     operands);
}

Value MaskAnalysis::buildIsEmpty(OpBuilder &builder, Location loc, Value i0,
                                 Value j0, Value kvEnd, int64_t M, int64_t N,
                                 const MaskOperands &operands) const {
  return getTiling(M, N).buildIsEmpty(builder, loc, i0, j0, kvEnd, operands);
}

Value MaskAnalysis::buildIsFull(OpBuilder &builder, Location loc, Value i0,
                                Value j0, Value kvEnd, int64_t M, int64_t N,
                                const MaskOperands &operands) const {
  return getTiling(M, N).buildIsFull(builder, loc, i0, j0, kvEnd, operands);
}

void MaskAnalysis::print(raw_ostream &os) const {
  auto printUnion = [&](StringRef name, const Union &sets) {
    os << name << ":\n";
    for (const Rows &rows : sets) {
      os << "  {";
      llvm::interleave(
          rows, os,
          [&](const Linear &row) {
            for (auto [v, c] : llvm::enumerate(row.coefficients)) {
              if (c == 0)
                continue;
              static const char *const names[] = {
                  "i",         "j",     "j0",       "Sq",     "Sk",
                  "prefix",    "b",     "h",        "i0",     "iEnd",
                  "kvBegin",   "kvEnd", "segBegin", "segEnd", "segFullBegin",
                  "segFullEnd"};
              os << c << '*';
              if (v < numFixedVars)
                os << names[v];
              else if (impl->system.variables[v].kind == Variable::Capture)
                os << 'c' << impl->system.variables[v].capture;
              else
                os << 'q' << v;
              os << " + ";
            }
            os << row.constant << " >= 0";
          },
          ", ");
      os << "}\n";
    }
  };
  printUnion("visible", impl->visible);
  printUnion("hidden", impl->hidden);
}
