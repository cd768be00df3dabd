// RUN: seqc-opt %s --seqc-serialize-ptx="chip=sm_80 print=llvm-ir" -o /dev/null | FileCheck %s --check-prefix=LLVM
// RUN: seqc-opt %s --seqc-serialize-ptx="chip=sm_80 print=ptx" -o /dev/null | FileCheck %s --check-prefixes=PTX,SM80
// RUN: seqc-opt %s --seqc-serialize-ptx="chip=sm_90a print=ptx" -o /dev/null | FileCheck %s --check-prefixes=PTX,SM90
// RUN: seqc-opt %s --seqc-serialize-ptx="chip=sm_80 assemble=false" | FileCheck %s --check-prefix=ATTACHED
// RUN: seqc-opt %s --seqc-serialize-ptx="assemble=false" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-serialize-ptx=chip=sm_42 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not seqc-opt %s --seqc-serialize-ptx=opt-level=4 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not seqc-opt %s --seqc-serialize-ptx=print=sass 2>&1 | FileCheck %s --check-prefix=PRINT
// RUN: not seqc-opt %s --seqc-serialize-ptx=ptxas=/nowhere/ptxas 2>&1 | FileCheck %s --check-prefix=NAMED

// CHIP: error: unknown chip 'sm_42': PTX is made for sm_80, sm_90a
// LEVEL: error: optimisation level is 4, expected 0 to 3
// PRINT: error: print is 'sass', expected llvm-ir, ptx or log
// NAMED: error: option ptxas is '/nowhere/ptxas', which is no program

// STATS: seqc-serialize-ptx
// STATS-NEXT: 3 kernels-serialized

// SM80: .version 8.0
// SM80-NEXT: .target sm_80
// SM90: .version 8.6
// SM90-NEXT: .target sm_90a

// ATTACHED: module attributes {seqc.ptx = "{{.*}}.version 8.0{{.*}}.visible .entry first_0(
// ATTACHED: gpu.module @first_0

// Shared memory of all kernels is one symbol.
// PTX: .extern .shared .align 1024 .b8 smem[];
// PTX-NOT: .extern .shared

module {
  // Inline assembly may hold a barrier, which must not be copied or moved into a
  // branch.
  // LLVM: define {{.*}}ptx_kernel void @first_0({{.*}}) {{.*}}#[[FN:[0-9]+]]
  // LLVM: call void asm sideeffect "bar.sync 1, 64;", ""() #[[ASM:[0-9]+]]
  // PTX-LABEL: .visible .entry first_0(
  // PTX: .reqntid 64, 1, 1
  gpu.module @first_0 {
    llvm.mlir.global external @smem() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
    llvm.func @first_0(%p: !llvm.ptr<1>, %i: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>} {
      // Pointers to shared memory have 32 bits.
      // PTX: st.shared.b32 [%r{{[0-9]+}}],
      %smem = llvm.mlir.addressof @smem : !llvm.ptr<3>
      %at = llvm.getelementptr %smem[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
      llvm.store %i, %at : i32, !llvm.ptr<3>
      // PTX: bar.sync 1, 64;
      llvm.inline_asm has_side_effects "bar.sync 1, 64;", "" : () -> ()
      %v = llvm.load %at : !llvm.ptr<3> -> i32
      %r = llvm.call @helper(%v) : (i32) -> i32
      llvm.store %r, %p : i32, !llvm.ptr<1>
      llvm.return
    }
    // A function that is no kernel cannot be seen from outside.
    // PTX-NOT: helper
    llvm.func @helper(%x: i32) -> i32 {
      %0 = llvm.mul %x, %x : i32
      llvm.return %0 : i32
    }
  }

  // Names of kernels have letters, digits, _ and $.
  // PTX-LABEL: .visible .entry a_b_0(
  gpu.module @"a.b_0" {
    llvm.mlir.global external @smem() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
    // ATTACHED: llvm.func @a_b_0(
    llvm.func @"a.b_0"(%p: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %smem = llvm.mlir.addressof @smem : !llvm.ptr<3>
      %v = llvm.load %smem : !llvm.ptr<3> -> i32
      %r = llvm.call @helper(%v) : (i32) -> i32
      llvm.store %r, %p : i32, !llvm.ptr<1>
      llvm.return
    }
    // Of another module, it is another function.
    llvm.func @helper(%x: i32) -> i32 {
      %0 = llvm.add %x, %x : i32
      llvm.return %0 : i32
    }
  }

  // PTX-LABEL: .visible .entry a_b_0_0(
  // LLVM: attributes #[[FN]] = {
  // LLVM-SAME: "target-cpu"="sm_80"
  // LLVM: attributes #[[ASM]] = { convergent nounwind{{.*}} }
  gpu.module @"a$b_0" {
    llvm.func @"a_b_0"() attributes {nvvm.kernel} {
      llvm.return
    }
  }

  // The host's part is somebody else's.
  func.func @host() {
    return
  }
}
