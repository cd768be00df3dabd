//===- IOAnalysisPass.cpp - seqc-io-analysis ------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"
#include "seqc/Analysis/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace seqc {
#define GEN_PASS_DEF_SEQCIOANALYSIS
#include "seqc/Analysis/Passes.h.inc"
} // namespace seqc

namespace {
struct IOAnalysisPass : seqc::impl::SeqcIOAnalysisBase<IOAnalysisPass> {
  using Base::Base;

  void runOnOperation() override {
    seqc::ExplainOptions options;
    options.chip = chip;
    options.assume = assume;
    options.tileM = tileM;
    options.tileN = tileN;
    options.splits = splits;
    options.stages = stages;
    options.warps = warps;
    options.tilings = tilings;
    options.loopOrder =
        keyOuter ? seqc::LoopOrder::KeyOuter : seqc::LoopOrder::QueryOuter;
    options.modelCache = !noCache;
    options.elementTypePartials = elementPartials;
    FailureOr<seqc::Report> report = seqc::analyze(getOperation(), options);
    if (failed(report))
      return signalPassFailure();
    markAllAnalysesPreserved();

    double fused = 0, unfused = 0;
    for (const seqc::FunctionReport &f : report->functions) {
      numOps += f.ops.size();
      fused += f.fused.dram.total();
      unfused += f.unfused.dram.total();
    }
    bytesFused += static_cast<int64_t>(fused / 1000);
    bytesSaved += static_cast<int64_t>((unfused - fused) / 1000);

    if (remarks)
      emitRemarks(*report);
    else
      llvm::outs() << (json ? seqc::toJSON(*report) : seqc::toText(*report));
  }

  void emitRemarks(const seqc::Report &report) {
    for (const seqc::FunctionReport &f : report.functions)
      for (const seqc::OpReport &op : f.ops)
        emitRemark(Location(op.loc))
            << "@" << f.name << ": " << op.op << " (" << op.shape << ") moves "
            << static_cast<int64_t>(op.fused.counts.dram.total())
            << " bytes, unfused "
            << static_cast<int64_t>(op.unfused.counts.dram.total())
            << "; limit "
            << seqc::stringifyResource(op.fused.limit, report.chip).str();
  }
};
} // namespace
