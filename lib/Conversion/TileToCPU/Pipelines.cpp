//===- Pipelines.cpp - Kernels on a CPU -----------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Pipelines.h"
#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Tile/IR/Tile.h"
#include "seqc/Dialect/Tile/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace seqc;

void seqc::buildTileErasure(OpPassManager &pm) {
  OpPassManager &kernel = pm.nest<tile::KernelOp>();
  kernel.addPass(createTileEraseAsync());
  kernel.addPass(createTileEraseLayouts());
  kernel.addPass(createCSEPass());
  pm.addPass(createConvertTileToCPU());
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
}

void seqc::buildThroughTilePipeline(OpPassManager &pm,
                                    const PTXPipelineOptions &kernels,
                                    const CPUPipelineOptions &options,
                                    CPUStage last) {
  buildPTXPipeline(pm, kernels,
                   last == CPUStage::Online  ? PTXStage::Online
                   : last == CPUStage::Tiled ? PTXStage::Tiled
                                             : PTXStage::Staged);
  if (last == CPUStage::Online || last == CPUStage::Tiled)
    return;
  buildTileErasure(pm);
  if (last == CPUStage::LLVM)
    buildCPUBackend(pm, options);
}

void seqc::registerTilePipelines() {
  PassPipelineRegistration<>(
      "seqc-erase-tile",
      "Lower kernels on tiles to loops over linalg operators",
      [](OpPassManager &pm) { buildTileErasure(pm); });
  PassPipelineRegistration<PTXPipelineOptions>(
      "seqc-through-tile",
      "Lower L0 operators to a GPU's kernels on tiles, then these to loops "
      "over "
      "linalg operators",
      [](OpPassManager &pm, const PTXPipelineOptions &options) {
        buildThroughTilePipeline(pm, options, CPUPipelineOptions(),
                                 CPUStage::Linalg);
      });
  PassPipelineRegistration<CPUPipelineOptions>(
      "seqc-tile-to-cpu",
      "Lower kernels on tiles to the LLVM dialect, for a "
      "CPU",
      [](OpPassManager &pm, const CPUPipelineOptions &options) {
        buildTileErasure(pm);
        buildCPUBackend(pm, options);
      });
}
