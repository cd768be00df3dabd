// RUN: seqc-opt %s --seqc-to-ptx="chip=sm_80 tile-m=64" | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: seqc-opt %s --seqc-to-ptx="chip=sm_90a tile-m=64" | FileCheck %s --check-prefixes=CHECK,SM90

// A scan, from the operator to one kernel of LLVM operations and the host's launch of it.
// SM80: gpu.module @scan_0 [#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">]
// SM90: gpu.module @scan_0 [#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx86">]
// CHECK: llvm.func @scan_0(
// CHECK-SAME: nvvm.kernel
// CHECK-SAME: seqc.params = [
// CHECK-NOT: {{ (scf|arith|vector|math|nvx|cf|tile)\.}}
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// CHECK-NOT: {{ (scf|arith|vector|math|nvx|cf|tile)\.}}
// CHECK: llvm.return
// CHECK-LABEL: func.func @scan(
// CHECK: tile.launch @scan_0 grid(
func.func @scan(%u: tensor<?x256x?xf32>, %delta: tensor<?x256x?xf32>, %A: tensor<256x16xf32>,
                %B: tensor<?x16x?xf32>, %C: tensor<?x16x?xf32>) -> tensor<?x256x?xf32> {
  %y = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<?x256x?xf32>, tensor<?x256x?xf32>, tensor<256x16xf32>,
         tensor<?x16x?xf32>, tensor<?x16x?xf32>) -> tensor<?x256x?xf32>
  return %y : tensor<?x256x?xf32>
}
