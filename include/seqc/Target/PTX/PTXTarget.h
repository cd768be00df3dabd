//===- PTXTarget.h - PTX for NVIDIA GPUs ------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From gpu.modules in the LLVM dialect to PTX:
//
//   translate()   one LLVM module with every kernel of the program
//   optimize()    LLVM's -O3 pipeline for the chip
//   emit()        PTX text
//
// Serialize.h goes on from there to a cubin.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_PTXTARGET_H
#define SEQC_TARGET_PTX_PTXTARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace mlir {
class DialectRegistry;
class Operation;
namespace gpu {
class GPUModuleOp;
} // namespace gpu
} // namespace mlir

namespace seqc {

/// A chip that PTX is made for.
struct PTXChip {
  llvm::StringLiteral name;     ///< As LLVM, ptxas and `--target` have it.
  llvm::StringLiteral features; ///< LLVM features: the version of PTX.
  unsigned ptxVersion;          ///< The same as a number: 86 is PTX 8.6.
  unsigned minDriver;           ///< The first CUDA driver, 12000 being 12.0.
  unsigned minPtxas;            ///< The first ptxas, 1207 being 12.7.
};

/// Every chip, oldest first.
llvm::ArrayRef<PTXChip> getPTXChips();

/// The chip of that name, or null.
const PTXChip *findPTXChip(llvm::StringRef name);

struct PTXTargetOptions {
  std::string chip = "sm_80";
  /// 0 to 3.
  unsigned optLevel = 3;
};

/// A kernel of a translated module.
struct PTXKernel {
  mlir::Operation *op = nullptr; ///< The `llvm.func`.
  std::string name;              ///< Its name in PTX.
};

/// A chip to compile for. Used by one thread at a time; cheap to create.
class PTXTarget {
public:
  /// Fails on a chip that is not in the list.
  static llvm::Expected<std::unique_ptr<PTXTarget>>
  create(const PTXTargetOptions &options);
  ~PTXTarget();

  const PTXChip &getChip() const { return *chip; }

  /// Translates gpu.modules in the LLVM dialect into one LLVM module, whose
  /// functions with `nvvm.kernel` are `kernels`, in order; they get the names
  /// that they have in PTX, which takes fewer characters. Every call of inline
  /// assembly becomes convergent, as MLIR cannot say it. Problems of the
  /// translation are MLIR diagnostics; the error is then empty text.
  llvm::Expected<std::unique_ptr<llvm::Module>>
  translate(llvm::ArrayRef<mlir::gpu::GPUModuleOp> modules,
            llvm::LLVMContext &context, std::vector<PTXKernel> &kernels);

  void optimize(llvm::Module &module);

  /// PTX text. Changes `module`.
  llvm::Expected<std::string> emit(llvm::Module &module);

private:
  PTXTarget();

  const PTXChip *chip = nullptr;
  std::unique_ptr<llvm::TargetMachine> machine;
  unsigned optLevel = 3;
};

/// Registers how the dialects of a lowered gpu.module become LLVM IR.
void registerPTXTranslations(mlir::DialectRegistry &registry);

} // namespace seqc

#endif // SEQC_TARGET_PTX_PTXTARGET_H
