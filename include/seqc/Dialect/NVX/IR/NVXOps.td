//===- NVXOps.td - Instructions that nvvm lacks ------------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_NVX_IR_NVXOPS
#define SEQC_DIALECT_NVX_IR_NVXOPS

include "mlir/Dialect/LLVMIR/LLVMOpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NVX_Dialect : Dialect {
  let name = "nvx";
  let cppNamespace = "::seqc::nvx";
  let summary = "Instructions of NVIDIA GPUs that the nvvm dialect lacks";
  let description = [{
    L3 of seqc, beside upstream's `nvvm`: one operation for each instruction of PTX that has none
    there. Values are those of one thread. `convert-nvx-to-llvm` turns them into intrinsics
    and inline assembly.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

class NVX_Op<string mnemonic, list<Trait> traits = []>
    : Op<NVX_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Section: arithmetic
//===----------------------------------------------------------------------===//

/// f32, or a vector of one dimension of it.
def NVX_F32Like : AnyTypeOf<[F32, VectorOfRankAndType<[1], [F32]>],
    "f32 or a one-dimensional vector of f32">;

class NVX_UnaryOp<string mnemonic> : NVX_Op<mnemonic, [
    Pure, Elementwise, SameOperandsAndResultType]> {
  let arguments = (ins NVX_F32Like:$operand);
  let results = (outs NVX_F32Like:$result);
  let assemblyFormat = "$operand attr-dict `:` type($result)";
}

def NVX_Ex2Op : NVX_UnaryOp<"ex2"> {
  let summary = "2^x, as the special function unit computes it";
  let description = [{
    `ex2.approx.ftz.f32`: 2 ulp; denormal operands and results are 0.

    Example:
    ```mlir
    %r = nvx.ex2 %x : vector<64xf32>
    ```
  }];
}

def NVX_Lg2Op : NVX_UnaryOp<"lg2"> {
  let summary = "log2(x), as the special function unit computes it";
  let description = [{
    `lg2.approx.ftz.f32`: an absolute error of 2^-22.6 for x in [1/2, 2], else 2 ulp;
    of denormal numbers it is -inf.

    Example:
    ```mlir
    %r = nvx.lg2 %x : vector<2xf32>
    ```
  }];
}

def NVX_RcpOp : NVX_UnaryOp<"rcp"> {
  let summary = "1/x, as the special function unit computes it";
  let description = [{
    `rcp.approx.ftz.f32`: 1 ulp; denormal operands and results are 0.

    Example:
    ```mlir
    %r = nvx.rcp %x : f32
    ```
  }];
}

def NVX_RsqrtOp : NVX_UnaryOp<"rsqrt"> {
  let summary = "1/sqrt(x), as the special function unit computes it";
  let description = [{
    `rsqrt.approx.f32`: a relative error of 2^-22.9.

    Example:
    ```mlir
    %r = nvx.rsqrt %x : vector<2xf32>
    ```
  }];
}

def NVX_TanhOp : NVX_UnaryOp<"tanh"> {
  let summary = "tanh(x), as the special function unit computes it";
  let description = [{
    `tanh.approx.f32`: a relative error of 2^-11, as good as a rounding to f16.

    Example:
    ```mlir
    %r = nvx.tanh %x : vector<2xf32>
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Section: device memory
//===----------------------------------------------------------------------===//

/// A scalar or a vector of 1, 2, 4, 8 or 16 bytes.
def NVX_Word : AnyTypeOf<[AnyFloat, AnySignlessInteger,
                          VectorOfRankAndType<[1], [AnyFloat, AnySignlessInteger]>],
    "a number or a one-dimensional vector">;

def NVX_LoadOp : NVX_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "Reads device memory where a predicate holds";
  let description = [{
    One `ld.global` of 1, 2, 4, 8 or 16 bytes, aligned to its size. Where `when` is false nothing is
    read and the result is 0. Without a branch, so that many loads are in flight.

    Example:
    ```mlir
    %v = nvx.load %p when %inside : vector<8xbf16>
    ```
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<1>:$pointer, I1:$when);
  let results = (outs NVX_Word:$result);
  let assemblyFormat = "$pointer `when` $when attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NVX_StoreOp : NVX_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "Writes device memory where a predicate holds";
  let description = [{
    One `st.global` of 1, 2, 4, 8 or 16 bytes, aligned to its size. With `add` one `red.global.add.f32`, which
    adds f32 elements to what is there, each by itself as one step; several at once take sm_90.

    Example:
    ```mlir
    nvx.store %v, %p when %inside : vector<2xf32>
    nvx.store %x, %q when %inside add : f32
    ```
  }];
  let arguments = (ins NVX_Word:$value, LLVM_PointerInAddressSpace<1>:$pointer, I1:$when,
                       UnitAttr:$add);
  let assemblyFormat = "$value `,` $pointer `when` $when (`add` $add^)? attr-dict `:` type($value)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Section: matrix products and copies
//===----------------------------------------------------------------------===//

/// Registers of one thread that a product reads or writes.
def NVX_Registers : AnyTypeOf<[
    VectorOfRankAndType<[1], [F32]>, VectorOfRankAndType<[1], [I32]>, F32, I32],
    "f32 or i32, or a one-dimensional vector of them">;

def NVX_WgmmaOp : NVX_Op<"wgmma", [AttrSizedOperandSegments,
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "One step of a warpgroup's matrix product";
  let description = [{
    `wgmma.mma_async.sync.aligned.m64nNk16.f32`: `result = a b + acc` for 64 rows, 16 of the inner
    dimension and as many columns as twice the elements of the result; without `acc` it is 0.
    `a` is a descriptor of shared memory (one i64) or the fragment of this thread (four i32), `b` a
    descriptor. `columns_fastest` says that b lies with its columns, not its inner dimension,
    contiguous, and `rows_fastest` that a in shared memory does with its rows.

    It runs on its own: `nvx.wgmma_fence` comes before, and nothing may read the result or
    change what it reads until `nvx.wgmma_wait`.

    Example:
    ```mlir
    %d = nvx.wgmma bf16 (%r0, %r1, %r2, %r3), %v acc(%c : vector<64xf32>) columns_fastest
        : (i32, i32, i32, i32) -> vector<64xf32>
    ```
  }];
  let arguments = (ins TypeAttr:$element_type, Variadic<AnyTypeOf<[I32, I64]>>:$a,
                       I64:$b, Optional<VectorOfRankAndType<[1], [F32]>>:$acc,
                       UnitAttr:$columns_fastest, UnitAttr:$rows_fastest);
  let results = (outs VectorOfRankAndType<[1], [F32]>:$result);
  let assemblyFormat = [{
    $element_type `(` $a `)` `,` $b (`acc` `(` $acc^ `:` type($acc) `)`)? (`columns_fastest` $columns_fastest^)?
    (`rows_fastest` $rows_fastest^)? attr-dict `:` `(` type($a) `)` `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// Columns of the product.
    int64_t getN() { return 2 * getResult().getType().getNumElements(); }
  }];
  let hasVerifier = 1;
}

def NVX_WgmmaFenceOp : NVX_Op<"wgmma_fence", [
    MemoryEffects<[MemRead, MemWrite]>, InferTypeOpAdaptor]> {
  let summary = "Orders registers before the matrix products that follow";
  let description = [{
    `wgmma.fence.sync.aligned`. What the next products read from registers goes through it, so
    that it has been computed by then: the results are the operands.

    Example:
    ```mlir
    %c1 = nvx.wgmma_fence(%c0 : vector<64xf32>)
    ```
  }];
  let arguments = (ins Variadic<NVX_Registers>:$operands_);
  let results = (outs Variadic<NVX_Registers>:$results_);
  let assemblyFormat = "(`(` $operands_^ `:` type($operands_) `)`)? attr-dict";
}

def NVX_ReadyOp : NVX_Op<"ready", [
    MemoryEffects<[MemRead, MemWrite]>, InferTypeOpAdaptor]> {
  let summary = "The same registers, computed by here";
  let description = [{
    No instruction, but what goes through it is not computed later, behind the next branch.

    Example:
    ```mlir
    %p1 = nvx.ready(%p0 : i32)
    ```
  }];
  let arguments = (ins Variadic<NVX_Registers>:$operands_);
  let results = (outs Variadic<NVX_Registers>:$results_);
  let assemblyFormat = "`(` $operands_ `:` type($operands_) `)` attr-dict";
}

def NVX_WgmmaWaitOp : NVX_Op<"wgmma_wait", [
    MemoryEffects<[MemRead, MemWrite]>, InferTypeOpAdaptor]> {
  let summary = "Waits for matrix products";
  let description = [{
    `wgmma.wait_group.sync.aligned`: returns once at most `pending` groups of products still
    run. What they wrote goes through it: the results are the operands, now to be read.

    Example:
    ```mlir
    %s1 = nvx.wgmma_wait 1(%s0 : vector<64xf32>)
    ```
  }];
  let arguments = (ins I64Attr:$pending, Variadic<NVX_Registers>:$operands_);
  let results = (outs Variadic<NVX_Registers>:$results_);
  let assemblyFormat = "$pending (`(` $operands_^ `:` type($operands_) `)`)? attr-dict";
}

def NVX_PinOp : NVX_Op<"pin", [AllTypesMatch<["pointer", "result"]>,
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "The same pointer, as if it were computed here";
  let description = [{
    Instructions on shared memory take a register plus a constant as their address. Where the register
    is the same all through a loop, LLVM moves each sum out of the loop, into a register of
    its own, as it does not know these instructions' addresses. Behind a pin it sees
    nothing to move. Costs no instruction.

    Example:
    ```mlir
    %q = nvx.pin %p : !llvm.ptr<3>
    ```
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<3>:$pointer);
  let results = (outs LLVM_PointerInAddressSpace<3>:$result);
  let assemblyFormat = "$pointer attr-dict `:` qualified(type($pointer))";
}

def NVX_KeepBranchOp : NVX_Op<"keep_branch", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Keeps the branch around it a branch";
  let description = [{
    LLVM computes both sides of a short branch and selects, and counts one operation on a vector as short, which is
    one instruction for each element. A block with this operation, which costs nothing itself, runs only where its branch goes
    there.

    Example:
    ```mlir
    scf.if %rare {
      nvx.keep_branch
      ...
    }
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def NVX_MbarrierWaitOp : NVX_Op<"mbarrier_wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Waits for a phase of a barrier";
  let description = [{
    Returns once the phase of `barrier` whose number has the parity `parity` is over; a new barrier is
    in phase 0, so parity 1 passes at once.

    Example:
    ```mlir
    nvx.mbarrier_wait %full, %parity
    ```
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<3>:$barrier, I32:$parity);
  let assemblyFormat = "$barrier `,` $parity attr-dict";
}

def NVX_MbarrierArriveOp : NVX_Op<"mbarrier_arrive",
    [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Arrives at a barrier where a predicate holds";
  let description = [{
    `mbarrier.arrive` without a branch.

    Example:
    ```mlir
    nvx.mbarrier_arrive %empty when %first
    ```
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<3>:$barrier, I1:$when);
  let assemblyFormat = "$barrier `when` $when attr-dict";
}

#endif // SEQC_DIALECT_NVX_IR_NVXOPS
