// RUN: seqc-opt %s --seqc-kernels-to-llvm | FileCheck %s

// Everything in the module of a kernel becomes LLVM: loops, vectors, functions.
// CHECK-LABEL: llvm.func @k
// CHECK-NOT: {{(scf|arith|vector|math|nvx|cf)\.}}
// CHECK: llvm.cond_br
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// CHECK: llvm.fptrunc %{{.*}} : vector<2xf32> to vector<2xbf16>
// CHECK: llvm.inline_asm {{.*}}st.global.b32
// CHECK-NOT: {{(scf|arith|vector|math|nvx|cf)\.}}
// CHECK: llvm.return
gpu.module @k {
  llvm.func @k(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel} {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %init = arith.constant dense<1.0> : vector<2xf32>
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %init) -> (vector<2xf32>) : i32 {
      %e = nvx.ex2 %a : vector<2xf32>
      %s = math.sqrt %e : vector<2xf32>
      scf.yield %s : vector<2xf32>
    }
    %h = arith.truncf %r : vector<2xf32> to vector<2xbf16>
    %c = arith.cmpi sgt, %n, %c1 : i32
    nvx.store %h, %p when %c : vector<2xbf16>
    llvm.return
  }
}

// The host is left alone.
// CHECK-LABEL: func.func @host
// CHECK: arith.addi
func.func @host(%a: index) -> index {
  %b = arith.addi %a, %a : index
  return %b : index
}
