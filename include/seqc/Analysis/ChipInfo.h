//===- ChipInfo.h - What each chip can do -----------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One struct and one table. The analytic model turns counts into times with it,
// and `seqc-schedule` sizes tiles with it.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_ANALYSIS_CHIPINFO_H
#define SEQC_ANALYSIS_CHIPINFO_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace seqc {

struct ChipInfo {
  /// The name that options take, and the one a person reads.
  std::string name;
  std::string title;
  bool isCPU = false;

  /// Streaming multiprocessors, or cores.
  int64_t cores = 1;
  double clockHz = 1e9;

  /// Bytes per second that a copy reaches, from device memory (HBM) or DRAM.
  double dramBandwidth = 1e10;
  /// Bytes per second out of the cache that all cores share.
  double cacheBandwidth = 1e11;
  /// Capacity of that cache: L2 of a GPU, the last level of a CPU.
  int64_t cacheBytes = 0;

  /// Bytes that one core keeps to itself: shared memory that one thread block
  /// can have, or the L2 of a CPU core.
  int64_t onChipBytes = 0;
  /// A CPU core's L1 data cache; a GPU's shared memory again.
  int64_t l1Bytes = 0;
  /// Registers of one core that tiles can live in; 0 on a CPU.
  int64_t registerBytes = 0;

  /// Matrix products, FLOP per second (a multiply-add is two).
  double matrixF16 = 0, matrixBF16 = 0, matrixF32 = 0, matrixF64 = 0;
  /// Vector instructions of one operation per lane and second; a multiply-add
  /// is one.
  double vectorF32 = 0, vectorF64 = 0;
  /// Special functions (exp, log, reciprocal) per second.
  double specialF32 = 0, specialF64 = 0;
  /// Elements of f32 in a vector register; 32 on a GPU (a warp).
  int64_t vectorLanes = 1;
  /// True where matrix products, vector arithmetic and special functions use
  /// the same pipes, so that their times add up; false where they overlap in
  /// part.
  bool sharedPipes = false;
  /// Seconds at the start and the end of a thread block's tile of attention
  /// that nothing hides.
  double tileSeconds = 0;
  /// Seconds to start one kernel or parallel region.
  double launchSeconds = 0;

  /// Rates for tensors of the given element type.
  double matrixRate(mlir::Type elementType) const;
  double vectorRate(mlir::Type elementType) const;
  double specialRate(mlir::Type elementType) const;
};

/// The chip of that name, or none. `cpu` is the machine this runs on; with
/// `measure` its clock and memory bandwidth are measured (some 30 ms, once),
/// otherwise defaults stand in for them.
std::optional<ChipInfo> getChipInfo(llvm::StringRef name, bool measure = false);

/// The names of all chips, in the order of the table.
llvm::ArrayRef<llvm::StringRef> getChipNames();

/// "unknown chip 'x': known chips are h200, ...", for error messages.
std::string unknownChipMessage(llvm::StringRef name);

} // namespace seqc

#endif // SEQC_ANALYSIS_CHIPINFO_H
