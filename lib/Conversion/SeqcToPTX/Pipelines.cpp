//===- Pipelines.cpp - From L0 to kernels in the LLVM dialect -------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole GPU pipeline, in order, in one place. What it leaves are one
// `gpu.module` of LLVM operations for each kernel, and functions of host code
// from which the launch plan is made.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Pipelines.h"

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"
#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace seqc;

ArrayRef<StringLiteral> seqc::getOptionalPasses() {
  static constexpr StringLiteral names[] = {
      "seqc-pack-heads",         "tile-defer-reductions", "tile-lazy-rescale",
      "tile-share-exponentials", "tile-prefetch-loads",   "tile-share-rows",
      "tile-overlap-products",   "tile-take-turns",       "tile-delay-waits",
      "tile-persistent-blocks",  "overlap-launches",
  };
  return names;
}

namespace {
/// A pass manager that leaves passes out.
class Chooser {
public:
  Chooser(OpPassManager &pm, const PTXPipelineOptions &options)
      : pm(pm), skip(options.skip) {}

  void addPass(std::unique_ptr<Pass> pass) {
    if (!llvm::is_contained(skip, pass->getArgument()))
      pm.addPass(std::move(pass));
  }

private:
  OpPassManager &pm;
  ArrayRef<std::string> skip;
};
} // namespace

static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void seqc::buildKernelPipeline(OpPassManager &pm) {
  OpPassManager &module = pm.nest<gpu::GPUModuleOp>();
  addCleanup(module);
  module.addPass(createLoopInvariantCodeMotionPass());
  module.addPass(createSCFToControlFlowPass());
  module.addPass(createConvertNVXToLLVM());
  // One pass for all that registerKernelInterfaces names: upstream's own passes
  // for some of these dialects run on builtin.module only.
  module.addPass(createConvertToLLVMPass());
  module.addPass(createReconcileUnrealizedCastsPass());
  addCleanup(module);
}

void seqc::buildPTXPipeline(OpPassManager &pm,
                            const PTXPipelineOptions &options, PTXStage last) {
  OpPassManager &func = pm.nest<func::FuncOp>();
  Chooser optionalOfFunc(func, options);

  // L0 -> L1: reductions explicit, schedules chosen.
  addCleanup(func);
  func.addPass(createSeqcResolveSequences());
  func.addPass(createSeqcOnlineSoftmax());
  // Rows of several queries are collected one by one, into registers.
  SeqcPackHeadsOptions packing;
  packing.maxRows = 64;
  optionalOfFunc.addPass(createSeqcPackHeads(packing));
  func.addPass(createSeqcExpandState());
  // Each kernel of the backward of attention has a schedule of its own.
  SeqcRecomputeBackwardOptions recomputeAttention;
  recomputeAttention.scans = false;
  recomputeAttention.grids = true;
  func.addPass(createSeqcRecomputeBackward(recomputeAttention));
  SeqcScheduleOptions schedule;
  schedule.chip = options.chip;
  schedule.tileM = options.tileM;
  schedule.tileN = options.tileN;
  schedule.splits = options.splits;
  schedule.stages = options.stages;
  schedule.warps = options.warps;
  schedule.aligned = options.aligned;
  func.addPass(createSeqcSchedule(schedule));
  // A chunk of a scan's backward has the length that its schedule says.
  SeqcRecomputeBackwardOptions recomputeScans;
  recomputeScans.grids = true;
  recomputeScans.chip = options.chip;
  func.addPass(createSeqcRecomputeBackward(recomputeScans));
  addCleanup(func);
  if (last == PTXStage::Online)
    return;

  // L1 in tiles. No canonicalization before the next step, which needs the
  // loops as they are.
  SeqcSplitReductionOptions split;
  split.chip = options.chip;
  func.addPass(createSeqcSplitReduction(split));
  func.addPass(createSeqcTileMerge());
  SeqcTileOptions tiling;
  tiling.singleLoop = true;
  func.addPass(createSeqcTile(tiling));
  func.addPass(createSeqcCollapseGrid());
  func.addPass(createCSEPass());
  if (last == PTXStage::Tiled)
    return;

  // L2: kernels on tiles.
  ConvertSeqcToTileOptions toTile;
  toTile.chip = options.chip;
  toTile.aligned = options.aligned;
  pm.addPass(createConvertSeqcToTile(toTile));
  addCleanup(pm);
  if (last == PTXStage::Tile)
    return;

  // What needs no layouts, then layouts, shared memory and roles.
  OpPassManager &kernel = pm.nest<tile::KernelOp>();
  Chooser optional(kernel, options);
  kernel.addPass(createTileSplitAccumulators());
  addCleanup(kernel);
  optional.addPass(createTileDeferReductions());
  optional.addPass(createTileLazyRescale());
  TileShareExponentialsOptions sharing;
  sharing.every = options.polynomials;
  optional.addPass(createTileShareExponentials(sharing));
  kernel.addPass(createLowerAffinePass());
  addCleanup(kernel);
  optional.addPass(createTilePrefetchLoads());
  kernel.addPass(createTileAssignLayouts());
  kernel.addPass(createTileStageSlices());
  TileStageMemoryOptions staging;
  staging.chip = options.chip;
  kernel.addPass(createTileStageMemory(staging));
  addCleanup(kernel);
  optional.addPass(createTileShareRows());
  // The copy engine needs aligned rows.
  if (options.chip == "sm_90a" && options.aligned)
    kernel.addPass(createTileWarpRoles());
  kernel.addPass(createTilePipeline());
  if (options.overlap)
    optional.addPass(createTileOverlapProducts());
  if (options.turns > 0) {
    TileTakeTurnsOptions turns;
    turns.groups = options.turns;
    optional.addPass(createTileTakeTurns(turns));
  }
  optional.addPass(createTileDelayWaits());
  if (options.persistent)
    optional.addPass(createTilePersistentBlocks());
  addCleanup(kernel);
  if (last == PTXStage::Staged)
    return;

  // L3: one thread.
  ConvertTileToNVVMOptions toThread;
  toThread.chip = options.chip;
  toThread.aligned = options.aligned;
  pm.addPass(createConvertTileToNVVM(toThread));
  if (options.chip == "sm_90a")
    Chooser(pm, options).addPass(createOverlapLaunches());
  if (last == PTXStage::Thread)
    return;

  buildKernelPipeline(pm);
}

void seqc::registerKernelInterfaces(DialectRegistry &registry) {
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
}

void seqc::registerPTXPipelines() {
  PassPipelineRegistration<PTXPipelineOptions>(
      "seqc-to-ptx", "Lower L0 operators to GPU kernels in the LLVM dialect",
      [](OpPassManager &pm, const PTXPipelineOptions &options) {
        buildPTXPipeline(pm, options);
      });
  PassPipelineRegistration<>(
      "seqc-kernels-to-llvm",
      "Lower what convert-tile-to-nvvm leaves to the LLVM dialect",
      [](OpPassManager &pm) { buildKernelPipeline(pm); });
}
