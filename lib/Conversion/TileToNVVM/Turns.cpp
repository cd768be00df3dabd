//===- Turns.cpp - Groups of warps one after the other --------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each group has a named barrier, at which it waits for its turn. The group
// that ends one arrives at the barrier of the next and goes on, so a barrier is
// for the threads of two groups. At the start of the role the last group
// arrives for the first one: as if it had ended a turn.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The threads of the group that waits and of the one that arrives.
static constexpr int64_t kTurnThreads = 2 * kWarpsPerGroup * kThreadsPerWarp;

/// The group of this thread's warp, in its role.
static Value getGroup(I32Builder &i, const KernelContext &context) {
  return i.div(context.warp, kWarpsPerGroup);
}

void seqc::tile::startTurns(ImplicitLocOpBuilder &b,
                            const KernelContext &context,
                            const RolePlan &role) {
  I32Builder i{b};
  Value isLast = i.cmp(arith::CmpIPredicate::eq, getGroup(i, context),
                       i.constant(role.warps / kWarpsPerGroup - 1));
  auto arrives = scf::IfOp::create(b, isLast, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(arrives.thenBlock()->getTerminator());
  NVVM::BarrierArriveOp::create(b, i.constant(role.turns),
                                i.constant(kTurnThreads));
}

namespace {

struct LowerBeginTurn : KernelPattern<BeginTurnOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(BeginTurnOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    const RolePlan &role = context.memory->barriers.find(op)->second;
    NVVM::BarrierOp::create(
        b, TypeRange(), i.add(getGroup(i, context), role.turns),
        i.constant(kTurnThreads), NVVM::BarrierReductionAttr(), Value());
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerEndTurn : KernelPattern<EndTurnOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(EndTurnOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    const RolePlan &role = context.memory->barriers.find(op)->second;
    Value group = getGroup(i, context);
    Value isLast = i.cmp(arith::CmpIPredicate::eq, group,
                         i.constant(role.warps / kWarpsPerGroup - 1));
    Value next = arith::SelectOp::create(b, isLast, i.constant(role.turns),
                                         i.add(group, role.turns + 1));
    NVVM::BarrierArriveOp::create(b, next, i.constant(kTurnThreads));
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void seqc::tile::populateTurnPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns,
                                      KernelContext &context) {
  patterns.add<LowerBeginTurn, LowerEndTurn>(converter, patterns.getContext(),
                                             context);
}
