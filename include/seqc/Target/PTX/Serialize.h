//===- Serialize.h - From gpu.modules to a cubin ----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_SERIALIZE_H
#define SEQC_TARGET_PTX_SERIALIZE_H

#include "seqc/Target/PTX/PTXTarget.h"
#include "seqc/Target/PTX/Ptxas.h"

#include "mlir/Support/Timing.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace seqc {

/// Where serialization may stop.
enum class SerializeStage { LLVMIR, PTX, Cubin };

struct PTXSerializeOptions {
  PTXTargetOptions target;
  SerializeStage last = SerializeStage::Cubin;
  /// What assembles the PTX. Where none is found there is no cubin.
  Ptxas ptxas;
  /// A kernel that spills more than a few registers (64 bytes in each thread),
  /// or whose wgmma or setmaxnreg ptxas gives up on, is an error. Otherwise it
  /// is a warning.
  bool perfErrors = true;
  /// Folder for the PTX that ptxas failed on. Empty: TMPDIR, else "/tmp".
  std::string reproducerDir;
  /// Receives each stage with the name of a file for it.
  llvm::function_ref<void(llvm::StringRef name, llvm::StringRef content)> dump;
};

/// The GPU code of a program.
struct PTXObject {
  struct Kernel : PTXKernel {
    PtxasUsage usage; ///< Nothing is said in it where ptxas has not run.
  };

  std::string llvmIR; ///< Only where that is the last stage.
  std::string ptx, cubin, log;
  std::vector<Kernel> kernels;
};

/// Why there is no object. Where the program is at fault (a kernel that
/// spills), it has diagnostics and `message` is empty; else seqc is.
struct PTXProblem {
  std::string message;
};

/// Compiles the gpu.modules in `module`, in order. Diagnostics are at the
/// kernels that they are about. Functions of kernels get the names that they
/// have in PTX, and, where ptxas has run, the attributes `seqc.registers`,
/// `seqc.spill_bytes`, `seqc.stack_bytes` and `seqc.static_shared_bytes`.
std::optional<PTXObject> serializePTX(mlir::ModuleOp module,
                                      const PTXSerializeOptions &options,
                                      PTXProblem &problem,
                                      mlir::TimingScope *timing = nullptr);

} // namespace seqc

#endif // SEQC_TARGET_PTX_SERIALIZE_H
