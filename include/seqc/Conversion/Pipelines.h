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
class DialectRegistry;
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

/// The stages of the GPU pipeline, each of which `--emit=` can stop after.
enum class PTXStage {
  Online, ///< L1: reductions explicit, schedules chosen.
  Tiled,  ///< L1 in tiles: parallel grid and inner loop.
  Tile,   ///< L2: kernels on tiles, without layouts.
  Staged, ///< L2 with layouts, shared memory and warp roles.
  Thread, ///< L3: what one thread does.
  LLVM    ///< The LLVM dialect in a gpu.module for each kernel.
};

struct PTXPipelineOptions
    : public mlir::PassPipelineOptions<PTXPipelineOptions> {
  Option<std::string> chip{*this, "chip", llvm::cl::desc("sm_80 or sm_90a"),
                           llvm::cl::init("sm_80")};
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
  Option<int64_t> stages{
      *this, "stages",
      llvm::cl::desc("Tiles of one operand in shared memory; 0: chosen by the "
                     "model"),
      llvm::cl::init(0)};
  Option<int64_t> warps{
      *this, "warps",
      llvm::cl::desc("Warps that compute a tile; 0: chosen by the model"),
      llvm::cl::init(0)};
  Option<bool> aligned{
      *this, "aligned",
      llvm::cl::desc("Tensors and their rows start at multiples of 16 bytes"),
      llvm::cl::init(true)};
  Option<bool> persistent{
      *this, "persistent",
      llvm::cl::desc("sm_90a: thread blocks do one tile of the grid after "
                     "another"),
      llvm::cl::init(true)};
  Option<bool> overlap{
      *this, "overlap",
      llvm::cl::desc(
          "sm_90a: run the second product of an iteration during the "
          "softmax of the next"),
      llvm::cl::init(true)};
  Option<int64_t> turns{
      *this, "turns",
      llvm::cl::desc(
          "sm_90a: from so many groups of four warps on, they start their "
          "products in turn; 0: never"),
      llvm::cl::init(3)};
  Option<int64_t> polynomials{
      *this, "polynomials",
      llvm::cl::desc("Attention's exponentials are polynomials in one of this "
                     "many blocks of eight keys, a power of two; 0: in none"),
      llvm::cl::init(0)};
  ListOption<std::string> skip{
      *this, "skip",
      llvm::cl::desc("Passes to leave out, each one of those that make kernels "
                     "faster and nothing else: to see what they are worth")};
};

/// The passes that `PTXPipelineOptions::skip` may name.
llvm::ArrayRef<llvm::StringLiteral> getOptionalPasses();

/// Appends the passes that take a module of L0 operators to kernels in the LLVM
/// dialect and host functions that launch them, up to and including `last`.
/// Registered as `--seqc-to-ptx`.
void buildPTXPipeline(mlir::OpPassManager &pm,
                      const PTXPipelineOptions &options,
                      PTXStage last = PTXStage::LLVM);

/// The end of it, from L3 on: everything in a gpu.module to the LLVM dialect.
/// Registered as `--seqc-kernels-to-llvm`.
void buildKernelPipeline(mlir::OpPassManager &pm);

/// What buildKernelPipeline needs to know of upstream's dialects.
void registerKernelInterfaces(mlir::DialectRegistry &registry);

/// The end of the CPU pipeline: a module of upstream's tensor operators to the
/// LLVM dialect.
void buildCPUBackend(mlir::OpPassManager &pm,
                     const CPUPipelineOptions &options);

/// Makes a module of kernels on tiles one of upstream's operators that runs on
/// a CPU: without layouts, without concurrency. Registered as
/// `--seqc-erase-tile`, and with buildCPUBackend as `--seqc-tile-to-cpu`.
void buildTileErasure(mlir::OpPassManager &pm);

/// The GPU's pipeline up to its kernels on tiles, then the CPU's: how the
/// passes on kernels are tested without a GPU. Registered up to
/// `CPUStage::Linalg` as `--seqc-through-tile`.
void buildThroughTilePipeline(mlir::OpPassManager &pm,
                              const PTXPipelineOptions &kernels,
                              const CPUPipelineOptions &options,
                              CPUStage last = CPUStage::LLVM);

/// Registers the pipelines by name.
void registerPipelines();
void registerTilePipelines();
void registerPTXPipelines();

} // namespace seqc

#endif // SEQC_CONVERSION_PIPELINES_H
