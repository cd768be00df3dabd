// What ptxas says of a kernel is said at the kernel, and what makes it slow is an error.

// REQUIRES: ptxas
// RUN: seqc-opt %s --split-input-file --seqc-serialize-ptx="chip=sm_90a print=log" --verify-diagnostics -o /dev/null | FileCheck %s --check-prefix=LOG
// RUN: not seqc-opt %s --split-input-file --seqc-serialize-ptx=chip=sm_90a 2>&1 | FileCheck %s --check-prefix=NOTE
// RUN: seqc-opt %s --split-input-file --seqc-serialize-ptx="chip=sm_90a perf-errors=false" 2>/dev/null | FileCheck %s --check-prefix=ALLOWED
// RUN: seqc-opt %s --split-input-file --seqc-serialize-ptx="chip=sm_90a perf-errors=false" -o /dev/null 2>&1 | FileCheck %s --check-prefix=WARN
// RUN: seqc-opt %s --split-input-file --seqc-serialize-ptx="chip=sm_90a perf-errors=false" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-serialize-ptx
// STATS-NEXT: 5 kernels-serialized
// STATS-NEXT: {{[1-9][0-9]*}} spill-bytes

// LOG: Compiling entry function 'clean_0' for 'sm_90a'
// LOG: 0 bytes spill stores
// ALLOWED: llvm.func @clean_0
// ALLOWED-SAME: seqc.registers = {{[1-9][0-9]*}} : i64, seqc.spill_bytes = 0 : i64
gpu.module @clean_0 {
  llvm.func @clean_0(%p: !llvm.ptr<1>, %i: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>} {
    llvm.store %i, %p : i32, !llvm.ptr<1>
    llvm.return
  }
}

// -----

// 24 registers do not hold 64 values.
// NOTE: note: another schedule may be faster; perf-errors=false makes this a warning
// WARN: warning: kernel 'spills_0' for sm_90a: registers are spilled to memory:
// ALLOWED: llvm.func @spills_0
// ALLOWED-SAME: seqc.spill_bytes = {{[1-9][0-9]*}}
gpu.module @spills_0 {
  // expected-error @below {{kernel 'spills_0' for sm_90a: registers are spilled to memory: }}
  // expected-note @below {{another schedule may be faster}}
  llvm.func @spills_0(%p: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>, nvvm.maxnreg = 24 : i32} {
    %v = llvm.load %p {alignment = 256 : i64} : !llvm.ptr<1> -> vector<64xf32>
    llvm.inline_asm has_side_effects "bar.sync 1, 64;", "~{memory}" : () -> ()
    %w = llvm.fmul %v, %v : vector<64xf32>
    llvm.store %w, %p {alignment = 256 : i64} : vector<64xf32>, !llvm.ptr<1>
    llvm.return
  }
}

// -----

// An accumulator is read while the product that writes it is on its way.
// WARN: warning: kernel 'serialized_0' for sm_90a: ptxas: warpgroup.wait is injected {{.*}} (C7517)
gpu.module @serialized_0 {
  // expected-error @below {{warpgroup.wait is injected}}
  // expected-note @below {{another schedule may be faster}}
  llvm.func @serialized_0(%p: !llvm.ptr<1>, %a: i64, %b: i64) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>} {
    %c = llvm.load %p {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
    %i0 = llvm.mlir.constant(0 : i32) : i32
    %i1 = llvm.mlir.constant(1 : i32) : i32
    %i2 = llvm.mlir.constant(2 : i32) : i32
    %i3 = llvm.mlir.constant(3 : i32) : i32
    %c0 = llvm.extractelement %c[%i0 : i32] : vector<4xf32>
    %c1 = llvm.extractelement %c[%i1 : i32] : vector<4xf32>
    %c2 = llvm.extractelement %c[%i2 : i32] : vector<4xf32>
    %c3 = llvm.extractelement %c[%i3 : i32] : vector<4xf32>
    llvm.inline_asm has_side_effects "wgmma.fence.sync.aligned;", "~{memory}" : () -> ()
    %d = llvm.inline_asm has_side_effects
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0,$1,$2,$3}, $8, $9, 1, 1, 1, 0, 0;",
      "=f,=f,=f,=f,0,1,2,3,l,l" %c0, %c1, %c2, %c3, %a, %b
      : (f32, f32, f32, f32, i64, i64) -> !llvm.struct<(f32, f32, f32, f32)>
    %d0 = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
    llvm.store volatile %d0, %p : f32, !llvm.ptr<1>
    llvm.inline_asm has_side_effects "wgmma.commit_group.sync.aligned;", "~{memory}" : () -> ()
    llvm.inline_asm has_side_effects "wgmma.wait_group.sync.aligned 0;", "~{memory}" : () -> ()
    %d1 = llvm.extractvalue %d[1] : !llvm.struct<(f32, f32, f32, f32)>
    llvm.store volatile %d1, %p : f32, !llvm.ptr<1>
    llvm.return
  }
}

// -----

// How many registers a thread starts with depends on the size of its block.
// WARN: warning: kernel 'ignored_0' for sm_90a: ptxas: {{.*}}'setmaxnreg' ignored{{.*}} (C75
gpu.module @ignored_0 {
  // expected-error @below {{'setmaxnreg' ignored}}
  // expected-note @below {{another schedule may be faster}}
  llvm.func @ignored_0(%p: !llvm.ptr<1>, %i: i32) attributes {nvvm.kernel} {
    llvm.inline_asm has_side_effects "setmaxnreg.inc.sync.aligned.u32 240;", "" : () -> ()
    llvm.store %i, %p : i32, !llvm.ptr<1>
    llvm.return
  }
}

// -----

// What a launch would need is checked as well, with or without perf-errors.
gpu.module @fits_0 {
  llvm.func @fits_0() attributes {nvvm.kernel, seqc.shared_bytes = 232448 : i64} {
    llvm.return
  }
}
