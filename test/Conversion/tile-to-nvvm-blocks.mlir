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
// CHECK: %[[FIRSTX:.*]] = arith.remui %[[FIRST]], %[[SIZEX:.*]] : i32
// CHECK: scf.while (%{{.*}} = %[[FIRST]], %{{.*}} = %[[FIRSTX]], %{{.*}} = %c0_i32, %{{.*}} = %c0_i32)
// CHECK: arith.cmpi ult, %{{.*}}, %[[TOTAL:.*]] : i32
// CHECK: } do {
// CHECK: ^bb0(%[[X:.*]]: i32, %[[TURN:.*]]: i32, %[[NUMBER:.*]]: i32):
// CHECK: %[[ROW:.*]] = arith.muli %[[X]], %c64_i32
// CHECK: nvvm.cp.async.bulk.tensor
// CHECK-SAME: box[%c0_i32, %[[ROW]]]
// CHECK: %[[TAKEN:.*]] = llvm.atomicrmw add %{{.*}}, %c1_i32 syncscope("device") monotonic
// CHECK: %[[ISLAST:.*]] = arith.cmpi eq, %[[TAKEN]]
// CHECK: scf.if %[[ISLAST]] {
// CHECK-NEXT: llvm.store %c0_i32
// CHECK: %[[NEXT:.*]] = arith.addi %[[TAKEN]], %{{.*}}
// CHECK: %[[NEXTX:.*]] = arith.remui %[[NEXT]], %[[SIZEX]]
// CHECK: %[[NEXTROW:.*]] = arith.divui %[[NEXT]], %[[SIZEX]]
// CHECK: %[[NEXTY:.*]] = arith.remui %[[NEXTROW]], %[[SIZEY:.*]] : i32
// CHECK: %[[NEXTZ:.*]] = arith.divui %[[NEXTROW]], %[[SIZEY]] : i32
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr %[[SMEM]][16424]
// CHECK: nvx.mbarrier_wait %[[EMPTY]]
// CHECK: %[[WORDS:.*]] = vector.from_elements %[[NEXT]], %[[NEXTX]], %[[NEXTY]], %[[NEXTZ]] : vector<4xi32>
// CHECK: %[[MESSAGE:.*]] = llvm.getelementptr %[[SMEM]][16432]
// CHECK: llvm.store %[[WORDS]], %[[MESSAGE]] {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: %[[FULL:.*]] = llvm.getelementptr %[[SMEM]][16416]
// CHECK: nvx.mbarrier_arrive %[[FULL]] when %true
// CHECK: scf.yield %[[NEXT]], %[[NEXTX]]
// CHECK: } else {
// CHECK: scf.while
// CHECK: nvx.wgmma
// CHECK: %[[FULL:.*]] = llvm.getelementptr %[[SMEM]][16416]
// CHECK: nvx.mbarrier_wait %[[FULL]]
// CHECK: %[[READ:.*]] = llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: %[[WORD:.*]] = vector.extract %[[READ]][0]
// CHECK: %[[WORD1:.*]] = vector.extract %[[READ]][1]
// CHECK: %[[NEXT:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[WORD]]
// CHECK: %[[NEXTX:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[WORD1]]
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr %[[SMEM]][16424]
// CHECK: nvx.mbarrier_arrive %[[EMPTY]]
// CHECK: scf.yield %[[NEXT]], %[[NEXTX]]
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

// Points of a section: x is the same for `mine` of them, which are neighbours in y and z. The last section may have
// fewer.
// CHECK-LABEL: llvm.func @sections(
// CHECK: %[[NUMBER:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[FIT:.*]] = arith.divui %c264_i32, %[[SIZEX:.*]] : i32
// CHECK: %[[SOME:.*]] = arith.maxui %[[FIT]], %c1_i32
// CHECK: %[[ROWS:.*]] = arith.minui %[[SOME]], %c16_i32
// CHECK: %[[SIZE:.*]] = arith.muli %[[ROWS]], %[[SIZEX]]
// CHECK: %[[SECTION:.*]] = arith.divui %[[NUMBER]], %[[SIZE]]
// CHECK: %[[FIRST:.*]] = arith.muli %[[SECTION]], %[[ROWS]]
// CHECK: %[[ALL:.*]] = arith.muli
// CHECK: %[[LEFT:.*]] = arith.subi %[[ALL]], %[[FIRST]]
// CHECK: %[[FEWER:.*]] = arith.minsi %[[ROWS]], %[[LEFT]]
// CHECK: %[[MINE:.*]] = arith.maxsi %[[FEWER]], %c1_i32
// CHECK: %[[PLACE:.*]] = arith.remui %[[NUMBER]], %[[SIZE]]
// CHECK: %[[X:.*]] = arith.divui %[[PLACE]], %[[MINE]]
// CHECK: %[[Y:.*]] = arith.remui %[[PLACE]], %[[MINE]]
// CHECK: arith.addi %[[FIRST]], %[[Y]]
// CHECK: scf.while (%{{.*}} = %[[NUMBER]], %{{.*}} = %[[X]],
tile.kernel @sections(%k: memref<?x?x64xbf16>, %o: memref<?x?x64xf32>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %ring = tile.make_ring : !ring
  tile.for_each_block (%x, %y, %z) numbers (%n = %c0) {
    %row = arith.muli %x, %c64 : index
    %next = arith.addi %n, %c1 : index
    tile.roles warps [4, 4] registers [0, 0] {
      tile.put %ring[%n], %k[%y, %row, %c0] : !ring, memref<?x?x64xbf16>
    }, {
      %a = tile.get %ring[%n] : !ring
      %d = tile.mma_async %a, %a transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
      %w = tile.wait %d : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
      tile.release %ring[%n] : !ring
      tile.store %w, %o[%y, %row, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x?x64xf32>
    }
    tile.yield %next : index
  } {section = 264 : i64}
  tile.return
}
