//===- Explain.cpp - The C API of the cost model --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "seqc/Analysis/IOModel.h"
#include "seqc/Runtime/Status.h"

#include "llvm/ADT/StringExtras.h"

using namespace seqc;

extern "C" const char *seqcChips(void) {
  static const std::string names = llvm::join(getChipNames(), ", ");
  return names.c_str();
}

extern "C" SeqcStatus seqcExplain(SeqcContext *context, const char *source,
                                  size_t source_size,
                                  const SeqcCompileOptions *options,
                                  const char *chip, const char *sizes,
                                  int32_t json, SeqcBuffer **report) {
  auto nullArgument = [](const char *name) {
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    std::string("seqcExplain: ") + name + " is null");
  };
  if (!report)
    return nullArgument("report");
  *report = nullptr;
  if (!context)
    return nullArgument("context");
  if (!source)
    return nullArgument("source");
  return guarded([&]() -> SeqcStatus {
    Settings settings;
    if (SeqcStatus status = settings.read(options))
      return status;
    Compilation compilation(*context, settings, {source, source_size});
    if (SeqcStatus status = compilation.parse())
      return status;
    ExplainOptions explain;
    explain.chip = chip ? chip : "cpu";
    explain.assume = sizes ? sizes : "";
    std::string lower = llvm::StringRef(explain.chip).lower();
    ScheduleOverrides schedule =
        settings.getSchedule(lower == "a100"   ? "sm_80"
                             : lower == "h200" ? "sm_90a"
                             : isGPU(lower)    ? llvm::StringRef(lower)
                                               : "cpu");
    explain.tileM = schedule.tileM;
    explain.tileN = schedule.tileN;
    explain.splits = schedule.splits;
    explain.stages = schedule.stages;
    explain.warps = schedule.warps;
    // The source is right by now: what the analysis rejects is an option.
    std::string problem;
    mlir::ScopedDiagnosticHandler handler(compilation.getModule().getContext(),
                                          [&](mlir::Diagnostic &diagnostic) {
                                            if (diagnostic.getSeverity() !=
                                                mlir::DiagnosticSeverity::Error)
                                              return mlir::failure();
                                            problem = diagnostic.str();
                                            return mlir::success();
                                          });
    mlir::FailureOr<Report> result = analyze(compilation.getModule(), explain);
    if (failed(result))
      return setError(SEQC_ERROR_INVALID_ARGUMENT, problem);
    *report = makeBuffer(json ? toJSON(*result) : toText(*result));
    return SEQC_OK;
  });
}
