//===- Passes.td - From the LLVM dialect to a cubin --------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_PTX_PASSES
#define SEQC_TARGET_PTX_PASSES

include "mlir/Pass/PassBase.td"

def SeqcSerializePTX : Pass<"seqc-serialize-ptx", "::mlir::ModuleOp"> {
  let summary = "Compile gpu.modules to PTX and check them with ptxas";
  let description = [{
    Takes the `gpu.module`s of a module, whose bodies are in the LLVM dialect, through LLVM to PTX, and
    that through ptxas where there is one. The PTX of all of them becomes the attribute `seqc.ptx` of the module;
    what ptxas says of a kernel becomes attributes of its function, and diagnostics: registers that are spilled to
    memory, `wgmma` that is serialized and a `setmaxnreg` that is ignored are errors unless `perf-errors` is
    false. `seqc compile` does the same and packs the result.

    Before:
    ```mlir
    gpu.module @f_0 {
      llvm.func @f_0(%out: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128>} { ... }
    }
    ```
    After:
    ```mlir
    module attributes {seqc.ptx = "...\0A.entry f_0(..."} {
      gpu.module @f_0 {
        llvm.func @f_0(%out: !llvm.ptr<1>)
            attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128>, seqc.registers = 40 : i64, seqc.spill_bytes = 0 : i64} { ... }
      }
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "sm_80 or sm_90a">,
    Option<"optLevel", "opt-level", "unsigned", "3", "Optimisation level of LLVM, 0 to 3">,
    Option<"assemble", "assemble", "bool", "true", "Run ptxas, where it is found">,
    Option<"ptxas", "ptxas", "std::string", "\"\"", "The ptxas to run; empty: the one that is found">,
    Option<"perfErrors", "perf-errors", "bool", "true", "What makes a kernel slow is an error">,
    Option<"print", "print", "std::string", "\"\"",
           "Print to standard output instead of attaching the PTX: llvm-ir, ptx or log (of ptxas)">
  ];
  let statistics = [
    Statistic<"numKernels", "kernels-serialized", "Kernels compiled">,
    Statistic<"numSpillBytes", "spill-bytes", "Bytes of registers that are spilled">
  ];
}

def SeqcPrintHostPlan : Pass<"seqc-print-host-plan", "::mlir::ModuleOp"> {
  let summary = "Print the host's part of a GPU program as JSON";
  let description = [{
    Prints to standard output what an artifact's metadata says of kernels and of calls: the
    kernels of every `gpu.module`, and for each public function the steps between its
    arguments and its results, one per line. Index arithmetic becomes steps that define
    numbered values, `tensor.empty` an allocation, and `tile.launch` a launch. The IR is not changed.

    For
    ```mlir
    func.func @f(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %n = tensor.dim %q, %c0 : tensor<?x4xf32>
      %e = tensor.empty(%n) : tensor<?x4xf32>
      %o = tile.launch @f_0 grid(%n, %c1, %c1) ins(%q : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
      return %o : tensor<?x4xf32>
    }
    ```
    it prints
    ```
    plan "f"
      {"dim":0,"op":"dim","tensor":0}
      {"op":"const","value":4}
      {"dtype":"f32","op":"alloc","shape":[0,1],"tensor":1}
      ...
    ```
  }];
  let statistics = [
    Statistic<"numKernels", "kernels", "Kernels of the program">,
    Statistic<"numPlans", "plans", "Functions that have a plan">
  ];
}

#endif // SEQC_TARGET_PTX_PASSES
