// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse | FileCheck %s

#mma = #tile.mma<warps = 12>
!k = !tile.shared<64x64xbf16>
!q = !tile.shared<192x64xbf16>
!acc = tensor<192x64xf32, #mma>
!ring = !tile.ring<2 x 64x64xbf16>

// Named barrier 2 is that of the role, 3 to 5 are those of its three groups: a group waits at its own, with the 128
// threads of the one that ends a turn, which only arrives. The last group arrives for the first one, once in front of
// everything as if it had ended a turn.
// CHECK-LABEL: llvm.func @turns(
// CHECK: %[[BLOCKWARP:.*]] = nvvm.shfl.sync idx
// CHECK: %[[WARP:.*]] = arith.subi %[[BLOCKWARP]], %c4_i32
// CHECK: scf.if
// CHECK: nvvm.setmaxregister decrease 24
// CHECK-NOT: nvvm.barrier
// CHECK: nvvm.setmaxregister increase 160
// CHECK-NEXT: %[[GROUP:.*]] = arith.shrui %[[WARP]], %c2_i32
// CHECK-NEXT: %[[LAST:.*]] = arith.cmpi eq, %[[GROUP]], %c2_i32
// CHECK-NEXT: scf.if %[[LAST]] {
// CHECK-NEXT: nvvm.barrier.arrive id = %c3_i32 number_of_threads = %c256_i32
// CHECK-NEXT: }
// CHECK: scf.for
// CHECK: %[[MINE:.*]] = arith.addi %[[GROUP]], %c3_i32
// CHECK-NEXT: nvvm.barrier id = %[[MINE]] number_of_threads = %c256_i32
// CHECK: nvx.wgmma
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK-NEXT: %[[BEHIND:.*]] = arith.addi %[[GROUP]], %c4_i32
// CHECK-NEXT: %[[NEXT:.*]] = arith.select %[[LAST]], %c3_i32, %[[BEHIND]] : i32
// CHECK-NEXT: nvvm.barrier.arrive id = %[[NEXT]] number_of_threads = %c256_i32
// CHECK-NEXT: nvx.wgmma_wait
// CHECK: scf.yield
// CHECK: nvvm.barrier id = %c2_i32 number_of_threads = %c384_i32
tile.kernel @turns(%k: memref<?x64xbf16>, %y: memref<192x64xf32>, %n: index,
                   %bx: index, %by: index, %bz: index) attributes {warps = 12 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !acc
  %q = tile.alloc : !q
  %r = tile.make_ring : !ring
  tile.roles warps [4, 12] registers [24, 160] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %r[%i], %k[%i, %c0] : !ring, memref<?x64xbf16>
    }
  }, {
    %sum = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (!acc) {
      %s = tile.get %r[%i] : !ring
      tile.begin_turn
      %a = tile.mma_async %q, %s acc(%acc : !acc) transpose_b : !q, !k -> !tile.async<!acc>
      tile.end_turn
      %d = tile.wait %a : !tile.async<!acc>
      tile.release %r[%i] : !ring
      scf.yield %d : !acc
    }
    tile.barrier
    tile.store %sum, %y[%c0, %c0] : !acc, memref<192x64xf32>
  }
  tile.return
}

// Several points: the first arrival stands in front of all of them.
// CHECK-LABEL: llvm.func @points(
// CHECK: scf.while
// CHECK: } else {
// CHECK: %[[LAST:.*]] = arith.cmpi eq, %{{.*}}, %c1_i32
// CHECK-NEXT: scf.if %[[LAST]] {
// CHECK-NEXT: nvvm.barrier.arrive id = %c3_i32 number_of_threads = %c256_i32
// CHECK: scf.while
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %c256_i32
// CHECK: nvx.wgmma
// CHECK: nvvm.barrier.arrive id = %{{.*}} number_of_threads = %c256_i32
// CHECK-NOT: nvvm.barrier.arrive
// CHECK: llvm.return
tile.kernel @points(%k: memref<?x64xbf16>, %o: memref<?x128xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c128 = arith.constant 128 : index
  %ring = tile.make_ring : !tile.ring<2 x 128x64xbf16>
  tile.for_each_block (%x, %y, %z) numbers (%n = %c0) {
    %row = arith.muli %x, %c128 : index
    %next = arith.addi %n, %c1 : index
    tile.roles warps [4, 8] registers [0, 0] {
      tile.put %ring[%n], %k[%row, %c0] : !tile.ring<2 x 128x64xbf16>, memref<?x64xbf16>
    }, {
      %a = tile.get %ring[%n] : !tile.ring<2 x 128x64xbf16>
      tile.begin_turn
      %d = tile.mma_async %a, %a transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      tile.end_turn
      %w = tile.wait %d : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      tile.release %ring[%n] : !tile.ring<2 x 128x64xbf16>
      tile.store %w, %o[%row, %c0] : tensor<128x128xf32, #tile.mma<warps = 8>>, memref<?x128xf32>
    }
    tile.yield %next : index
  }
  tile.return
}
