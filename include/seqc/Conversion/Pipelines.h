//===- Pipelines.h - Named pass pipelines -----------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_CONVERSION_PIPELINES_H
#define SEQC_CONVERSION_PIPELINES_H

#include "mlir/Pass/PassOptions.h"

#include <cstdint>
#include <string>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace seqc {

/// The stages of the CPU pipeline, each of which `--emit=` can stop after.
enum class CPUStage {
  Online, ///< L1: reductions explicit, schedules chosen.
  Tiled,  ///< L1 in tiles: parallel grid and inner loops.
  Linalg, ///< Tiles rewritten into linalg operators.
  LLVM    ///< The LLVM dialect.
};

struct CPUPipelineOptions
    : public mlir::PassPipelineOptions<CPUPipelineOptions> {
  Option<int64_t> tileM{
      *this, "tile-m",
      llvm::cl::desc("Queries or channels in a tile; 0: chosen by the model"),
      llvm::cl::init(0)};
  Option<int64_t> tileN{
      *this, "tile-n",
      llvm::cl::desc("Keys or time steps in a tile; 0: chosen by the model"),
      llvm::cl::init(0)};
  Option<int64_t> splits{
      *this, "splits",
      llvm::cl::desc("Parts of the reduced dimension; 0: chosen by the model"),
      llvm::cl::init(0)};
  Option<std::string> chip{
      *this, "chip",
      llvm::cl::desc("Chip whose table the schedule comes from: cpu (this "
                     "machine), x86-64-v3 or x86-64-v4"),
      llvm::cl::init("cpu")};
  Option<int64_t> vectorBits{
      *this, "vector-bits",
      llvm::cl::desc("Width of the machine's vector registers"),
      llvm::cl::init(512)};
};

/// Appends the passes that take a module of L0 operators (and upstream tensor
/// code) to the LLVM dialect, up to and including `last`. Registered as
/// `--seqc-to-cpu`.
void buildCPUPipeline(mlir::OpPassManager &pm,
                      const CPUPipelineOptions &options,
                      CPUStage last = CPUStage::LLVM);

/// Registers the pipelines by name.
void registerPipelines();

} // namespace seqc

#endif // SEQC_CONVERSION_PIPELINES_H
