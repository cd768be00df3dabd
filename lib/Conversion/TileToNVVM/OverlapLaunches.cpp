//===- OverlapLaunches.cpp - A kernel starts while another one ends -------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The launches of a function depend on each other, each on what the ones before
// it wrote. Without this pass one starts when the last block of the one before
// it has ended and all that it wrote has been flushed: microseconds in which
// the chip does nothing.
//
// From sm_90 on a kernel may say that those behind it can start
// (griddepcontrol.launch_dependents), and wait for those in front of it
// (griddepcontrol.wait), if the launch allows that (see the runtime's
// CudaLaunch.cpp).
//
// A kernel that has a launch behind it says so first of all: blocks of the next
// one are put where there is room once the last of its own has a place, so it
// loses none. A kernel that is launched behind another one waits before it does
// anything at all. So no thread reads, writes or ends before all that was
// launched earlier is complete and visible: a kernel's end is also the end of
// all kernels before it, and what follows needs to wait for it alone. Memory
// that an earlier kernel still reads may be written for the same reason.
//
// `seqc.waits` tells the runtime which kernels wait.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/SymbolTable.h"

namespace seqc {
#define GEN_PASS_DEF_OVERLAPLAUNCHES
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;
using namespace seqc::tile;

/// The kernel that a launch is of; null while it is one on tiles.
static LLVM::LLVMFuncOp getKernel(ModuleOp module, LaunchOp launch) {
  auto gpuModule = module.lookupSymbol<gpu::GPUModuleOp>(launch.getKernel());
  return gpuModule ? gpuModule.lookupSymbol<LLVM::LLVMFuncOp>(
                         launch.getKernelAttr().getAttr())
                   : LLVM::LLVMFuncOp();
}

namespace {
struct OverlapLaunches
    : public seqc::impl::OverlapLaunchesBase<OverlapLaunches> {
  using OverlapLaunchesBase::OverlapLaunchesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::SetVector<Operation *> signal, wait;
    for (auto func : module.getOps<func::FuncOp>()) {
      // In the order in which they are in the stream.
      LaunchOp before;
      for (auto launch : func.getOps<LaunchOp>()) {
        if (before) {
          signal.insert(getKernel(module, before));
          wait.insert(getKernel(module, launch));
        }
        before = launch;
      }
    }
    // What waits is put in front first, then what signals in front of that.
    auto start = [&](Operation *kernel, NVVM::GridDepActionKind kind) {
      Block &entry = cast<LLVM::LLVMFuncOp>(kernel).getBody().front();
      auto b = ImplicitLocOpBuilder::atBlockBegin(kernel->getLoc(), &entry);
      NVVM::GriddepcontrolOp::create(b, kind);
    };
    for (Operation *kernel : wait) {
      if (!kernel)
        continue;
      start(kernel, NVVM::GridDepActionKind::wait);
      kernel->setAttr("seqc.waits", BoolAttr::get(&getContext(), true));
      ++numWaits;
    }
    for (Operation *kernel : signal) {
      if (!kernel)
        continue;
      start(kernel, NVVM::GridDepActionKind::launch_dependents);
      ++numSignals;
    }
  }
};
} // namespace
