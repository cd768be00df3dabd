//===- Schedule.cpp - Choose a schedule for every operator ----------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The choice itself is seqc::chooseSchedule's, which `seqc explain` asks as
// well: the report shows the tiles that the compiler will form.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace seqc {
#define GEN_PASS_DEF_SEQCSCHEDULE
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
} // namespace seqc

using namespace seqc;

namespace {
struct SchedulePass : seqc::impl::SeqcScheduleBase<SchedulePass> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<ChipInfo> info = getChipInfo(chip);
    if (!info) {
      emitError(getOperation().getLoc()) << unknownChipMessage(chip);
      return signalPassFailure();
    }
    for (auto [name, value] : {std::pair("tile-m", tileM.getValue()),
                               std::pair("tile-n", tileN.getValue()),
                               std::pair("splits", splits.getValue()),
                               std::pair("stages", stages.getValue()),
                               std::pair("warps", warps.getValue())})
      if (std::string problem = checkScheduleParameter(name, value);
          !problem.empty()) {
        emitError(getOperation().getLoc()) << "option " << problem;
        return signalPassFailure();
      }

    getOperation().walk([&](Operation *op) {
      if (!isa<OnlineAttentionOp, ChunkScanOp, CausalConv1dOp,
               AttentionBackwardOp, BlockAttentionBackwardOp,
               SelectiveScanBackwardOp, CausalConv1dBackwardOp>(op))
        return;
      auto present = op->getAttrOfType<ScheduleAttr>("schedule");
      auto fixed = [&](int64_t option, int64_t attribute) {
        return option ? option : attribute;
      };
      TileSchedule schedule =
          chooseSchedule(op, *info,
                         {fixed(tileM, present ? present.getTileM() : 0),
                          fixed(tileN, present ? present.getTileN() : 0),
                          fixed(splits, present ? present.getSplits() : 0),
                          fixed(stages, present ? present.getStages() : 0),
                          fixed(warps, present ? present.getWarps() : 0)},
                         aligned);
      if (std::string problem = checkSchedule(op, *info, schedule);
          !problem.empty()) {
        op->emitOpError() << "cannot be tiled on " << info->title << ": "
                          << problem;
        return signalPassFailure();
      }
      auto attr =
          ScheduleAttr::get(op->getContext(), schedule.tileM, schedule.tileN,
                            schedule.splits, schedule.stages, schedule.warps);
      if (attr == present)
        return;
      op->setAttr("schedule", attr);
      ++numScheduled;
    });
  }
};
} // namespace
