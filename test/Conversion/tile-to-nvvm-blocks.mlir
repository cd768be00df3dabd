// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse | FileCheck %s

!ring = !tile.ring<2 x 64x64xbf16>

// The copying thread takes the next point off a counter, behind the last copy of this one, and leaves it in shared
// memory for the warps that compute.
// CHECK: llvm.mlir.global internal @points_taken(dense<0> : tensor<1024xi32>) {addr_space = 1 : i32
// CHECK-LABEL: llvm.func @points(
// CHECK-SAME: seqc.params = [
// CHECK-SAME: {dim = 0 : i64, kind = "grid"}, {dim = 1 : i64, kind = "grid"}, {dim = 2 : i64, kind = "grid"}, {kind = "slot"}
// CHECK-SAME: seqc.slots = 1024 : i64
// Barriers of the ring, then those of the message.
// CHECK: %[[QUEUE:.*]] = llvm.getelementptr %[[SMEM:.*]][16416]
// CHECK: nvvm.mbarrier.init %[[QUEUE]], %c1_i32
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr %[[QUEUE]][8]
// CHECK: nvvm.mbarrier.init %[[EMPTY]], %c4_i32
// CHECK: %[[FIRST:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: scf.while (%{{.*}} = %[[FIRST]], %{{.*}} = %c0_i32, %{{.*}} = %c0_i32)
// CHECK: arith.cmpi ult, %{{.*}}, %[[TOTAL:.*]] : i32
// CHECK: } do {
// CHECK: ^bb0(%[[POINT:.*]]: i32, %[[TURN:.*]]: i32, %[[NUMBER:.*]]: i32):
// CHECK: nvvm.cp.async.bulk.tensor
// CHECK: %[[TAKEN:.*]] = llvm.atomicrmw add %{{.*}}, %c1_i32 syncscope("device") monotonic
// CHECK: %[[ISLAST:.*]] = arith.cmpi eq, %[[TAKEN]]
// CHECK: scf.if %[[ISLAST]] {
// CHECK-NEXT: llvm.store %c0_i32
// CHECK: %[[NEXT:.*]] = arith.addi %[[TAKEN]], %{{.*}}
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr %[[SMEM]][16424]
// CHECK: nvx.mbarrier_wait %[[EMPTY]]
// CHECK: %[[MESSAGE:.*]] = llvm.getelementptr %[[SMEM]][16432]
// CHECK: llvm.store %[[NEXT]], %[[MESSAGE]] : i32, !llvm.ptr<3>
// CHECK: %[[FULL:.*]] = llvm.getelementptr %[[SMEM]][16416]
// CHECK: nvx.mbarrier_arrive %[[FULL]] when %true
// CHECK: scf.yield %[[NEXT]]
// CHECK: } else {
// CHECK: scf.while
// CHECK: nvx.wgmma
// CHECK: %[[FULL:.*]] = llvm.getelementptr %[[SMEM]][16416]
// CHECK: nvx.mbarrier_wait %[[FULL]]
// CHECK: %[[READ:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> i32
// CHECK: %[[NEXT:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[READ]]
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr %[[SMEM]][16424]
// CHECK: nvx.mbarrier_arrive %[[EMPTY]]
// CHECK: scf.yield %[[NEXT]]
tile.kernel @points(%k: memref<?x64xbf16>, %o: memref<?x64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %ring = tile.make_ring : !ring
  tile.for_each_block (%x, %y, %z) numbers (%n = %c0) {
    %row = arith.muli %x, %c64 : index
    %next = arith.addi %n, %c1 : index
    tile.roles warps [4, 4] registers [0, 0] {
      tile.put %ring[%n], %k[%row, %c0] : !ring, memref<?x64xbf16>
    }, {
      %a = tile.get %ring[%n] : !ring
      %d = tile.mma_async %a, %a transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
      %w = tile.wait %d : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
      tile.release %ring[%n] : !ring
      tile.store %w, %o[%row, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
    }
    tile.yield %next : index
  }
  tile.return
}
