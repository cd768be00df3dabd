// RUN: seqc-opt %s --overlap-launches --split-input-file | FileCheck %s
// RUN: seqc-opt %s --overlap-launches --split-input-file --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS-DAG: 4 kernels-signal
// STATS-DAG: 3 kernels-wait

// Of three in a row the first one does not wait, as what is in front of it may be anyone's, and the last one has none behind
// it. What one waits for comes before anything else that it does.
// CHECK-LABEL: llvm.func @first
// CHECK-NOT: seqc.waits
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK-NOT: nvvm.griddepcontrol
// CHECK-LABEL: llvm.func @second
// CHECK-SAME: seqc.waits = true
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK-NEXT: nvvm.griddepcontrol wait
// CHECK-NEXT: llvm.mlir.constant
// CHECK-LABEL: llvm.func @third
// CHECK-SAME: seqc.waits = true
// CHECK-NEXT: nvvm.griddepcontrol wait
// CHECK-NEXT: llvm.return
gpu.module @first { llvm.func @first(%p: !llvm.ptr<1>) attributes {nvvm.kernel} { llvm.return } }
gpu.module @second { llvm.func @second(%p: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %c = llvm.mlir.constant(1.0 : f32) : f32
  llvm.store %c, %p : f32, !llvm.ptr<1>
  llvm.return
} }
gpu.module @third { llvm.func @third(%p: !llvm.ptr<1>) attributes {nvvm.kernel} { llvm.return } }
func.func @f() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = tile.launch @first grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %1 = tile.launch @second grid(%c1, %c1, %c1) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  %2 = tile.launch @third grid(%c1, %c1, %c1) outs(%1 : tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// A kernel of one function is the second of another one, and twice in a third.
// CHECK-LABEL: llvm.func @once
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK-NEXT: llvm.return
// CHECK-LABEL: llvm.func @shared
// CHECK-SAME: seqc.waits = true
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK-NEXT: nvvm.griddepcontrol wait
// CHECK-NEXT: llvm.return
gpu.module @once { llvm.func @once(%p: !llvm.ptr<1>) attributes {nvvm.kernel} { llvm.return } }
gpu.module @shared { llvm.func @shared(%p: !llvm.ptr<1>) attributes {nvvm.kernel} { llvm.return } }
func.func @alone() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = tile.launch @shared grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @behind() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = tile.launch @once grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %1 = tile.launch @shared grid(%c1, %c1, %c1) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  %2 = tile.launch @shared grid(%c1, %c1, %c1) outs(%1 : tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// One launch: nothing to overlap.
// CHECK-LABEL: llvm.func @only
// CHECK-NOT: nvvm.griddepcontrol
gpu.module @only { llvm.func @only(%p: !llvm.ptr<1>) attributes {nvvm.kernel} { llvm.return } }
func.func @g() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = tile.launch @only grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
