//===- Roles.cpp - Roles as branches on the warp --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The warps of a block go to the region of their role through a chain of
// comparisons of their number, which is the same for all lanes, and take the
// registers that the role asks for. A role that only starts copies
// runs in one thread: its other threads go past it.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

namespace {

/// The registers that each thread of a block has when it starts, at most.
int64_t getEntryRegisters(int64_t threads) {
  return std::min<int64_t>(kMaxRegisters / threads / 8 * 8, 255);
}

struct LowerRoles : KernelPattern<RolesOp> {
  using KernelPattern::KernelPattern;

  /// Moves `region` before `terminator`.
  void inlineRole(ConversionPatternRewriter &rewriter, Region &region,
                  Operation *terminator) const {
    Block &body = region.front();
    rewriter.eraseOp(body.getTerminator());
    rewriter.inlineBlockBefore(&body, terminator);
  }

  LogicalResult
  matchAndRewrite(RolesOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    I32Builder i{b};
    ArrayRef<RolePlan> plans = context.memory->roles[op];
    int64_t entry = getEntryRegisters(context.blockWarps * kThreadsPerWarp);
    for (auto [index, plan] : llvm::enumerate(plans)) {
      // The last role needs no comparison.
      Operation *terminator = nullptr, *elseTerminator = nullptr;
      if (index + 1 != plans.size()) {
        Value mine = i.cmp(arith::CmpIPredicate::ult, context.blockWarp,
                           i.constant(plan.firstWarp + plan.warps));
        auto branch = scf::IfOp::create(b, mine, /*withElseRegion=*/true);
        terminator = branch.thenBlock()->getTerminator();
        elseTerminator = branch.elseBlock()->getTerminator();
        b.setInsertionPoint(terminator);
      }
      if (int64_t registers = op.getRegisters()[index])
        NVVM::SetMaxRegisterOp::create(
            b, registers,
            registers > entry ? NVVM::SetMaxRegisterAction::increase
                              : NVVM::SetMaxRegisterAction::decrease);
      if (plan.oneThread) {
        Value first = i.cmp(arith::CmpIPredicate::eq, context.thread,
                            i.constant(plan.firstWarp * kThreadsPerWarp));
        auto guard = scf::IfOp::create(b, first, /*withElseRegion=*/false);
        terminator = guard.thenBlock()->getTerminator();
      }
      if (plan.turns)
        startTurns(b, context, plan);
      if (terminator)
        inlineRole(rewriter, op.getRoles()[index], terminator);
      else
        inlineRole(rewriter, op.getRoles()[index],
                   elseTerminator ? elseTerminator : &*b.getInsertionPoint());
      if (elseTerminator)
        b.setInsertionPoint(elseTerminator);
    }
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void seqc::tile::populateRolePatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns,
                                      KernelContext &context) {
  patterns.add<LowerRoles>(converter, patterns.getContext(), context);
  populateTurnPatterns(converter, patterns, context);
}
