//===- IOModel.h - Bytes, FLOPs and time of every operator ------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The analytic model behind `seqc explain`, `seqc-io-analysis` and
// `seqc-schedule`. docs/io-model.md states its counting rules.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_ANALYSIS_IOMODEL_H
#define SEQC_ANALYSIS_IOMODEL_H

#include "seqc/Analysis/ChipInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

#include <array>
#include <string>
#include <vector>

namespace seqc {

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// Which loop of fused attention is the outer one.
enum class LoopOrder {
  /// A query tile stays on chip, keys and values stream past it.
  QueryOuter,
  /// A key tile stays on chip, queries and partial outputs stream past it: the
  /// FlashAttention paper's algorithm 1.
  KeyOuter,
};

struct ExplainOptions {
  /// h200, a100, cpu, ...; see getChipNames().
  std::string chip = "cpu";
  /// Sizes of dynamic dimensions: "B=2,S=1000,arg0.1=77". docs/io-model.md
  /// lists the names.
  std::string assume;
  /// A schedule that wins over the operators' own; 0 leaves it to them.
  int64_t tileM = 0, tileN = 0, splits = 0, stages = 0, warps = 0;
  /// Also report every legal tiling of each operator.
  bool tilings = false;
  LoopOrder loopOrder = LoopOrder::QueryOuter;
  /// Let the shared cache absorb re-reads that fit it. Off, every tile load
  /// counts as device memory traffic.
  bool modelCache = true;
  /// Partial outputs travel in the operator's element type, as the
  /// FlashAttention paper counts them, instead of the accumulator type.
  bool elementTypePartials = false;
};

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

struct Traffic {
  double read = 0, written = 0;
  double total() const { return read + written; }
  Traffic &operator+=(const Traffic &other) {
    read += other.read;
    written += other.written;
    return *this;
  }
};

/// What is counted.
struct Counts {
  /// Bytes between device memory (or DRAM) and the chip.
  Traffic dram;
  /// Bytes between the shared cache and the cores.
  Traffic cache;
  /// Bytes that the arithmetic of a tile reads and writes in shared memory (or
  /// a core's own caches).
  Traffic onChip;
  /// FLOPs of matrix products, and of everything else; a multiply-add is two.
  double matrixFlops = 0, vectorFlops = 0;
  /// Vector instructions times lanes; a multiply-add is one.
  double vectorOps = 0;
  /// Exponentials, and all special functions (those included).
  double exps = 0, specials = 0;

  double flops() const { return matrixFlops + vectorFlops; }
  Counts &operator+=(const Counts &other);
  void scale(double factor);
};

/// Resources that can limit an operator.
enum class Resource { Dram, Cache, Matrix, Vector, Special, Launch };
constexpr unsigned numResources = 6;

/// One kernel of an unfused form.
struct PassReport {
  std::string name;
  Counts counts;
  double seconds = 0;
};

/// One way to compute an operator.
struct FormReport {
  /// "fused" or "unfused".
  std::string name;
  /// 0 for a form without tiles.
  int64_t tileM = 0, tileN = 0, splits = 0;
  /// 0 on a CPU.
  int64_t stages = 0, warps = 0;
  Counts counts;
  /// Of attention: tiles visited, and those of them that no mask cuts.
  double tiles = 0, fullTiles = 0;
  /// Largest number of bytes one core holds at once, and whether they fit.
  double onChipBytes = 0;
  bool fits = true;
  /// Bytes of device memory for intermediates.
  double workspaceBytes = 0;
  /// Seconds that each resource alone would need, and the prediction.
  std::array<double, numResources> resourceSeconds = {};
  double seconds = 0;
  Resource limit = Resource::Dram;
  std::vector<PassReport> passes;

  double intensity() const {
    return counts.dram.total() > 0 ? counts.flops() / counts.dram.total() : 0;
  }
};

struct OpReport {
  std::string function;
  /// "seqc.attention".
  std::string op;
  /// "file:line:column", or empty.
  std::string location;
  mlir::LocationAttr loc;
  /// "B=2 Hq=8 Hkv=2 Sq=1000 Sk=1000 D=64 Dv=64 f32 causal".
  std::string shape;
  /// How often the operator runs in one call of its function.
  double trips = 1;
  /// Query and key pairs that the mask leaves, of how many; 0 for other
  /// operators.
  double visiblePairs = 0, totalPairs = 0;
  FormReport fused;
  /// The same with every intermediate in device memory; equal to `fused` where
  /// there is nothing to fuse.
  FormReport unfused;
  bool hasUnfused = false;
  /// Filled in under ExplainOptions::tilings.
  std::vector<FormReport> tilings;
  /// What the model could not know.
  std::vector<std::string> notes;
};

struct FunctionReport {
  std::string name;
  std::vector<OpReport> ops;
  Counts fused, unfused;
  double fusedSeconds = 0, unfusedSeconds = 0;
};

struct Report {
  ChipInfo chip;
  /// "B=2 (given)", "S=2048 (default)", ...
  std::vector<std::string> assumptions;
  std::vector<FunctionReport> functions;
};

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

/// Reports on every operator of `module` that does work. Emits an error and
/// fails on an unknown chip or a malformed assumption.
mlir::FailureOr<Report> analyze(mlir::ModuleOp module,
                                const ExplainOptions &options);

/// Aligned tables for a person.
std::string toText(const Report &report);
/// The same for a machine.
llvm::json::Value toJSONValue(const Report &report);
std::string toJSON(const Report &report);

llvm::StringRef stringifyResource(Resource resource, const ChipInfo &chip);

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

struct TileSchedule {
  int64_t tileM = 0, tileN = 0, splits = 0;
  /// Of a GPU: tiles of one operand in shared memory, and warps that compute.
  int64_t stages = 0, warps = 0;
};

/// Bytes one core holds for one tile of `op` (seqc.attention,
/// seqc.online_attention, seqc.selective_scan, seqc.chunk_scan,
/// seqc.causal_conv1d or a backward operator) under the given schedule; 0 for
/// any other.
double getTileBytes(mlir::Operation *op, TileSchedule schedule);

/// The schedule the model prefers for `op` on `chip`. Parameters that are
/// not 0 in `fixed` are kept. Dimensions that are not static count as large.
/// Rows that are not `aligned` take registers to be copied on a GPU.
/// A zero tile comes back for an operator that has no schedule.
TileSchedule chooseSchedule(mlir::Operation *op, const ChipInfo &chip,
                            TileSchedule fixed = {}, bool aligned = true);

/// What decides into how many parts a call of attention is split on a GPU.
struct SplitModel {
  /// Thread blocks that all cores hold at once.
  int64_t blocks = 1;
  /// Keys that a part has at least, and the most parts that a merge takes.
  int64_t leastKeys = 1, mostParts = 1;
};
SplitModel getSplitModel(mlir::Operation *op, const ChipInfo &chip,
                         TileSchedule schedule);

/// What `chip` cannot do about `schedule`, for an error message; "" if it can.
std::string checkSchedule(mlir::Operation *op, const ChipInfo &chip,
                          TileSchedule schedule);

} // namespace seqc

#endif // SEQC_ANALYSIS_IOMODEL_H
