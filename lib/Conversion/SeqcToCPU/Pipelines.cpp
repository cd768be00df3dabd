//===- Pipelines.cpp - From L0 to the LLVM dialect ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole CPU pipeline, in order, in one place.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Pipelines.h"

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Seqc/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/Transforms/RequestCWrappers.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace seqc;

/// CSE first: bounds that are equal must be one value for a loop to be seen
/// empty.
static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Tensors become buffers. Results of a function are allocated by it and owned
/// by the caller; arguments may have any strides.
static void addBufferization(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createSeqcProtectArguments());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(createSeqcBufferize());
  addCleanup(pm);
  pm.addNestedPass<func::FuncOp>(createSeqcPlaceScratch());
  pm.addNestedPass<func::FuncOp>(createSeqcSerializeInner());
  bufferization::BufferDeallocationPipelineOptions dealloc;
  bufferization::buildBufferDeallocationPipeline(pm, dealloc);
  pm.addPass(createConvertBufferizationToMemRefPass());
  addCleanup(pm);
}

/// linalg on buffers becomes vectors that fit the registers.
static void addVectorization(OpPassManager &pm,
                             const CPUPipelineOptions &options) {
  SeqcVectorizeOptions vectorize;
  vectorize.vectorBits = options.vectorBits;
  pm.addNestedPass<func::FuncOp>(createSeqcVectorize(vectorize));
  addCleanup(pm);
  pm.addNestedPass<func::FuncOp>(createSeqcLowerVectors());
  addCleanup(pm);
}

/// Parallel loops become OpenMP, everything else the LLVM dialect.
static void addLLVMLowering(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createForallToParallelLoopPass());
  pm.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass());
  addCleanup(pm);
  pm.addPass(createConvertSCFToOpenMPPass());
  pm.addNestedPass<func::FuncOp>(createSeqcHoistScratch());
  pm.addNestedPass<func::FuncOp>(createSeqcExpandReshapes());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addNestedPass<func::FuncOp>(LLVM::createLLVMRequestCWrappersPass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  ConvertVectorToLLVMPassOptions vectors;
  vectors.reassociateFPReductions = true;
  pm.addPass(createConvertVectorToLLVMPass(vectors));
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createConvertOpenMPToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createSeqcCheckLowered());
  addCleanup(pm);
}

void seqc::buildCPUPipeline(OpPassManager &pm,
                            const CPUPipelineOptions &options, CPUStage last) {
  OpPassManager &func = pm.nest<func::FuncOp>();

  // L0 -> L1: reductions explicit, schedules chosen.
  addCleanup(func);
  func.addPass(createSeqcResolveSequences());
  func.addPass(createSeqcOnlineSoftmax());
  func.addPass(createSeqcPackHeads());
  func.addPass(createSeqcExpandState());
  SeqcScheduleOptions schedule;
  schedule.chip = options.chip;
  schedule.tileM = options.tileM;
  schedule.tileN = options.tileN;
  schedule.splits = options.splits;
  func.addPass(createSeqcSchedule(schedule));
  // The schedule of a backward operator goes to what it becomes.
  func.addPass(createSeqcRecomputeBackward());
  addCleanup(func);
  if (last == CPUStage::Online)
    return;

  // L1 in tiles.
  func.addPass(createSeqcSplitReduction());
  func.addPass(createSeqcTile());
  func.addPass(createSeqcCollapseGrid());
  func.addPass(createSeqcGatherPages());
  addCleanup(func);
  if (last == CPUStage::Tiled)
    return;

  // Tiles -> linalg.
  func.addPass(createSeqcDecompose());
  func.addPass(createConvertElementwiseToLinalgPass());
  addCleanup(func);
  func.addPass(createSeqcFoldEmpty());
  func.addPass(createSeqcTileLinalg());
  addCleanup(func);
  if (last == CPUStage::Linalg)
    return;

  buildCPUBackend(pm, options);
}

void seqc::buildCPUBackend(OpPassManager &pm,
                           const CPUPipelineOptions &options) {
  addBufferization(pm);
  addVectorization(pm, options);
  addLLVMLowering(pm);
}

void seqc::registerPipelines() {
  PassPipelineRegistration<CPUPipelineOptions>(
      "seqc-to-cpu", "Lower L0 operators and tensor code to the LLVM dialect",
      [](OpPassManager &pm, const CPUPipelineOptions &options) {
        buildCPUPipeline(pm, options);
      });
}
