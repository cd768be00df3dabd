// Errors that name the kernel and say how to see them again.

// RUN: mkdir -p %t
// RUN: env TMPDIR=%t FAKE_PTXAS=hang SEQC_PTXAS_TIMEOUT=0.5 SEQC_PTXAS=%S/Inputs/fake_ptxas.sh not seqc-opt %s --seqc-serialize-ptx 2>&1 | FileCheck %s --check-prefix=HANG
// RUN: env TMPDIR=%t FAKE_PTXAS=crash SEQC_PTXAS=%S/Inputs/fake_ptxas.sh not seqc-opt %s --seqc-serialize-ptx 2>&1 | FileCheck %s --check-prefix=CRASH
// RUN: env TMPDIR=%t FAKE_PTXAS=reject FAKE_LINE=100000 not seqc-opt %s --seqc-serialize-ptx=ptxas=%S/Inputs/fake_ptxas.sh 2>&1 | FileCheck %s --check-prefix=LAST
// RUN: env TMPDIR=%t FAKE_PTXAS=reject FAKE_LINE=16 not seqc-opt %s --seqc-serialize-ptx=ptxas=%S/Inputs/fake_ptxas.sh 2>&1 | FileCheck %s --check-prefix=FIRST
// RUN: env FAKE_VERSION=12.1.9 seqc-opt %s --seqc-serialize-ptx="chip=sm_90a ptxas=%S/Inputs/fake_ptxas.sh" 2>&1 -o /dev/null | FileCheck %s --check-prefix=OLD
// RUN: env FAKE_VERSION=oops not seqc-opt %s --seqc-serialize-ptx=ptxas=%S/Inputs/fake_ptxas.sh 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: env FAKE_PTXAS=works not seqc-opt %S/Inputs/too-much-shared.mlir --seqc-serialize-ptx=ptxas=%S/Inputs/fake_ptxas.sh 2>&1 | FileCheck %s --check-prefix=SHARED

// HANG: error: ptxas 13.0.1 failed on kernel 'second_0' for sm_80: ptxas did not end within 0.5 s; reproducer: {{.*}}fake_ptxas.sh -arch=sm_80 -O3 -v {{.*}}serialize-ptx-invalid.mlir.tmp/seqc-reproducer-{{.*}}.ptx -o /dev/null
// CRASH: error: ptxas 13.0.1 failed on kernel 'first_0', 'second_0' for sm_80: it was ended by signal 11 (Segmentation fault); reproducer:
// LAST: error: ptxas 13.0.1 failed on kernel 'second_0' for sm_80: PTX line 100000: Unknown symbol 'x'; reproducer:
// FIRST: error: ptxas 13.0.1 failed on kernel 'first_0' for sm_80: PTX line 16: Unknown symbol 'x'; reproducer:
// OLD: warning: ptxas 12.1.9 ('{{.*}}fake_ptxas.sh') is older than 12.7, which sm_90a needs: the program has PTX for it and no cubin
// NONE: error: '{{.*}}fake_ptxas.sh --version' does not say that it is ptxas
// SHARED: error: kernel 'big_0' for sm_80 needs 166916 bytes of shared memory, a thread block has 166912
// SHARED: note: smaller tiles or fewer stages need less

gpu.module @first_0 {
  llvm.func @first_0(%p: !llvm.ptr<1>, %i: i32) attributes {nvvm.kernel} {
    llvm.store %i, %p : i32, !llvm.ptr<1>
    llvm.return
  }
}
gpu.module @second_0 {
  llvm.func @second_0(%p: !llvm.ptr<1>, %i: i32) attributes {nvvm.kernel} {
    llvm.store %i, %p : i32, !llvm.ptr<1>
    llvm.return
  }
}
