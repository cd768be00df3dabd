//===- IOModel.cpp - Walks a module and reports on its operators ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the operators that do work, describes them, gives each one the schedule
// that the compiler would choose, and sums up per function. Operators in a loop
// count as often as the loop runs, as far as that is known.
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"

#include "IOModelDetail.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace mlir;
using namespace seqc;
using namespace seqc::io;

static std::string locationString(Operation *op) {
  if (auto file = op->getLoc()->findInstanceOf<FileLineColLoc>())
    return llvm::formatv("{0}:{1}:{2}", file.getFilename().getValue(),
                         file.getLine(), file.getColumn())
        .str();
  return "";
}

static std::string describeShapes(Operation *op, DimTable &dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto print = [&](Value v) {
    auto type = cast<ShapedType>(v.getType());
    for (unsigned i = 0, e = type.getRank(); i < e; ++i)
      os << dims.size(v, i) << "x";
    os << type.getElementType();
  };
  bool first = true;
  for (Value v : op->getResults()) {
    if (!isShaped(v))
      continue;
    os << (first ? "" : " ");
    print(v);
    first = false;
  }
  return text;
}

static std::string typeString(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static std::string describe(const AttentionShape &s) {
  std::string text = llvm::formatv("B={0} Hq={1} Hkv={2} Sq={3} Sk={4} D={5}",
                                   s.B, s.Hq, s.Hkv, s.Sq, s.Sk, s.D)
                         .str();
  if (s.Dv != s.D)
    text += " Dv=" + std::to_string(s.Dv);
  text += " " + typeString(s.type);
  if (s.causal)
    text += " causal";
  if (s.windowLeft || s.windowRight)
    text += " window";
  if (s.bias)
    text += " bias";
  if (s.segments)
    text += " segments";
  if (s.prefix)
    text += " prefix";
  if (s.keyLengths)
    text += " key_lengths";
  if (s.paged)
    text += " paged";
  if (s.dropout)
    text += " dropout";
  if (s.scoreRegion)
    text += " score";
  if (s.maskRegion)
    text += " mask";
  return text;
}

static std::string describe(const ScanShape &s) {
  std::string text = llvm::formatv("B={0} D={1} L={2} N={3} {4}", s.B, s.Dm,
                                   s.L, s.N, typeString(s.type))
                         .str();
  if (s.softplus)
    text += " softplus";
  if (s.z)
    text += " z";
  return text;
}

static std::string describe(const ConvShape &s) {
  return llvm::formatv("B={0} D={1} L={2} W={3} {4}{5}", s.B, s.Dm, s.L, s.W,
                       typeString(s.type), s.silu ? " silu" : "")
      .str();
}

/// How often `op` runs in one call of its function, as far as it is known.
static double countTrips(Operation *op, OpReport &report) {
  double trips = 1;
  for (Operation *parent = op->getParentOp();
       parent && !isa<FunctionOpInterface>(parent);
       parent = parent->getParentOp()) {
    auto loop = dyn_cast<LoopLikeOpInterface>(parent);
    if (!loop)
      continue;
    auto lower = loop.getLoopLowerBounds(), upper = loop.getLoopUpperBounds(),
         step = loop.getLoopSteps();
    bool isKnown = lower && upper && step;
    if (isKnown)
      for (auto [l, u, s] : llvm::zip(*lower, *upper, *step)) {
        auto from = getConstantIntValue(l), to = getConstantIntValue(u),
             by = getConstantIntValue(s);
        if (!from || !to || !by || *by <= 0) {
          isKnown = false;
          break;
        }
        trips *= std::max<int64_t>(0, ceilDiv(*to - *from, *by));
      }
    if (!isKnown)
      report.notes.push_back(
          llvm::formatv("inside {0} of unknown trip count, counted as one",
                        parent->getName().getStringRef())
              .str());
  }
  return trips;
}

static TileSchedule requestedSchedule(Operation *op,
                                      const ExplainOptions &options) {
  TileSchedule t{options.tileM, options.tileN, options.splits, options.stages,
                 options.warps};
  if (auto attr = op->getAttrOfType<ScheduleAttr>("schedule")) {
    t.tileM = t.tileM ? t.tileM : attr.getTileM();
    t.tileN = t.tileN ? t.tileN : attr.getTileN();
    t.splits = t.splits ? t.splits : attr.getSplits();
    t.stages = t.stages ? t.stages : attr.getStages();
    t.warps = t.warps ? t.warps : attr.getWarps();
  }
  return t;
}

template <typename ShapeT>
static void modelOp(Operation *op, const ShapeT &whole, const ChipInfo &chip,
                    const ExplainOptions &options, OpReport &report) {
  ShapeT s = whole;
  TileSchedule t = chooseSchedule(op, chip, requestedSchedule(op, options));
  constexpr int64_t largest = int64_t(1) << 20;
  t = {std::min(t.tileM, largest), std::min(t.tileN, largest),
       std::min(t.splits, largest), t.stages, t.warps};
  // Splits that the shape alone did not tell, but the assumptions do, stay 1:
  // the report shows what the compiler will do.
  if constexpr (std::is_same_v<ShapeT, AttentionShape>) {
    packHeads(op, chip, s);
    // What the call decides follows from its sizes.
    if (!chip.isCPU && !s.backward && t.splits == 0)
      t.splits = countParts(s, t, chip);
  }
  report.shape = describe(whole);
  report.fused = fusedForm(s, t, chip, options);
  report.unfused = unfusedForm(whole, chip);
  report.hasUnfused = true;
  if (options.tilings)
    for (TileSchedule tiling : enumerateSchedules(op, chip)) {
      tiling.splits = t.splits;
      report.tilings.push_back(fusedForm(s, tiling, chip, options));
    }
}

static bool hasEmptyShape(const AttentionShape &s) {
  return s.B <= 0 || s.Hq <= 0 || s.Hkv <= 0 || s.Sq <= 0 || s.Sk <= 0;
}

/// Reports on `op`, or returns false if it does no work worth a line.
static bool reportOp(Operation *op, DimTable &dims, const ChipInfo &chip,
                     const ExplainOptions &options, OpReport &report) {
  auto size = [&](Value v, unsigned d) { return dims.size(v, d); };
  // A finish whose state this function computes is counted with the attention.
  if (auto finish = dyn_cast<SoftmaxFinishOp>(op)) {
    if (finish.getAcc().getDefiningOp<OnlineAttentionOp>())
      return false;
    FormReport &form = report.fused;
    form.name = "fused";
    Counts &c = form.counts;
    for (Value v : {Value(finish.getMax()), Value(finish.getSum()),
                    Value(finish.getAcc())})
      c.dram.read += dims.bytes(v);
    for (Value v : finish->getResults())
      c.dram.written += dims.bytes(v);
    c.cache = c.dram;
    double rows = dims.elements(finish.getSum());
    c.vectorFlops = c.vectorOps = dims.elements(finish.getAcc()) + rows;
    c.specials = 2 * rows;
    report.shape = describeShapes(op, dims);
    setTime(form, chip, getElementTypeOrSelf(finish.getAcc().getType()),
            chip.cores);
  } else if (auto attention = getAttentionShape(op, size)) {
    if (hasEmptyShape(*attention)) {
      report.shape = describe(*attention);
      report.fused.name = "fused";
      report.notes.push_back("empty: nothing to compute");
      return true;
    }
    modelOp(op, *attention, chip, options, report);
    report.totalPairs = attention->heads() * attention->Sq * attention->Sk;
    report.visiblePairs =
        attention->heads() *
        countTiles(*attention, report.fused.tileM, report.fused.tileN)
            .visiblePairs;
    if (attention->prefix)
      report.notes.push_back("the prefix lengths are data: counted as 0");
    if (attention->keyLengths)
      report.notes.push_back("the key lengths are data: counted as all keys");
    if (attention->segments)
      report.notes.push_back("the segments are data: counted as one segment");
    if (attention->mask)
      report.notes.push_back("the mask region is counted by whole tiles");
    else if (attention->maskRegion)
      report.notes.push_back("the mask region depends on data, batch or head: "
                             "counted as keeping everything");
  } else if (auto scan = getScanShape(op, size)) {
    modelOp(op, *scan, chip, options, report);
  } else if (auto conv = getConvShape(op, size)) {
    modelOp(op, *conv, chip, options, report);
  } else {
    auto form = upstreamForm(op, dims, chip);
    if (!form)
      return false;
    report.fused = *form;
    report.shape = describeShapes(op, dims);
  }
  if (report.hasUnfused && !report.fused.fits)
    report.notes.push_back(
        llvm::formatv("a tile of {0} x {1} does not fit on chip: {2} bytes",
                      report.fused.tileM, report.fused.tileN,
                      static_cast<int64_t>(report.fused.onChipBytes))
            .str());
  return true;
}

FailureOr<Report> seqc::analyze(ModuleOp module,
                                const ExplainOptions &options) {
  std::optional<ChipInfo> chip = getChipInfo(options.chip, /*measure=*/true);
  if (!chip)
    return emitError(module.getLoc()) << unknownChipMessage(options.chip);
  for (auto [name, value] :
       {std::pair("tile-m", options.tileM), std::pair("tile-n", options.tileN),
        std::pair("splits", options.splits),
        std::pair("stages", options.stages), std::pair("warps", options.warps)})
    if (std::string problem = checkScheduleParameter(name, value);
        !problem.empty())
      return emitError(module.getLoc()) << "option " << problem;
  DimTable dims;
  if (auto message = dims.build(module, options.assume))
    return emitError(module.getLoc()) << *message;

  Report report;
  report.chip = *chip;
  module.walk<WalkOrder::PreOrder>([&](FunctionOpInterface function) {
    if (function.isExternal())
      return WalkResult::skip();
    FunctionReport f;
    f.name = function.getName().str();
    function.getFunctionBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
      OpReport r;
      // A tile inside a loop is no kernel, and its padding stays on chip.
      bool tile = op->getParentOfType<LoopLikeOpInterface>() != nullptr;
      ChipInfo perOp = *chip;
      if (tile)
        perOp.launchSeconds = 0;
      if (tile && isa<tensor::PadOp>(op))
        return WalkResult::skip();
      if (reportOp(op, dims, perOp, options, r)) {
        r.function = f.name;
        r.op = op->getName().getStringRef().str();
        r.location = locationString(op);
        r.loc = op->getLoc();
        r.trips = countTrips(op, r);
        if (r.trips == 0)
          return WalkResult::skip();
        if (!r.hasUnfused) {
          r.unfused = r.fused;
          r.unfused.name = "unfused";
        } else if (tile) {
          r.notes.push_back("a tile inside a loop: for the whole operator, "
                            "report before seqc-tile");
        }
        Counts fused = r.fused.counts, unfused = r.unfused.counts;
        fused.scale(r.trips);
        unfused.scale(r.trips);
        f.fused += fused;
        f.unfused += unfused;
        f.fusedSeconds += r.trips * r.fused.seconds;
        f.unfusedSeconds += r.trips * r.unfused.seconds;
        f.ops.push_back(std::move(r));
      }
      // What is inside these belongs to them.
      if (isa<linalg::LinalgOp, AttentionOp, AttentionBackwardOp,
              BlockAttentionBackwardOp, OnlineAttentionOp, tensor::PadOp,
              tensor::GenerateOp>(op))
        return WalkResult::skip();
      return WalkResult::advance();
    });
    report.functions.push_back(std::move(f));
    return WalkResult::skip();
  });
  report.assumptions = dims.getAssumptions();
  return report;
}
