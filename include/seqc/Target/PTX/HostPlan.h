//===- HostPlan.h - The host's part of a GPU program ------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the runtime does between a call and its kernels is a straight line of
// index arithmetic, allocations and launches. It becomes data, which the
// runtime interprets: the artifact needs no code for the host.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_HOSTPLAN_H
#define SEQC_TARGET_PTX_HOSTPLAN_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace seqc {

/// One kernel of the program, as its function says.
struct KernelInfo {
  /// What `tile.launch` calls it: the name of its module.
  std::string symbol;
  /// What the driver calls it: the name of its function.
  std::string name;
  int64_t threads = 0;
  int64_t sharedBytes = 0;
  /// The parameters, in order: `seqc.params`.
  mlir::ArrayAttr params;
  mlir::Operation *op = nullptr;
};

/// The largest grid that a launch can have in y and in z.
constexpr int64_t maxGridYZ = 65535;

/// The kernels in the `gpu.module`s of `module`, in order. Emits an error and
/// fails where an attribute is missing or malformed.
mlir::FailureOr<std::vector<KernelInfo>> collectKernels(mlir::ModuleOp module);

/// {"kernels": [...], "plans": [...]}: the kernels, and for each public
/// `func.func` of `module` the steps of a call. Private functions are left out.
/// Emits an error that names the operator and fails where a function needs more
/// than a plan can say.
mlir::FailureOr<llvm::json::Object>
buildHostPlan(mlir::ModuleOp module, llvm::ArrayRef<KernelInfo> kernels);

} // namespace seqc

#endif // SEQC_TARGET_PTX_HOSTPLAN_H
