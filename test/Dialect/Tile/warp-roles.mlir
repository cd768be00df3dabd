// RUN: seqc-opt %s --tile-warp-roles | FileCheck %s
// RUN: seqc-opt %s --tile-warp-roles --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-warp-roles{{$}}
// STATS-NEXT: 2 copies-moved
// STATS-NEXT: 2 kernels-split

!ring = !tile.ring<2 x 128x64xbf16>
!acc = tensor<128x128xf32, #tile.mma<warps = 8>>

// The producer has the loop, the number of the copy and its offsets; the
// consumer has everything but the copy.
// CHECK-LABEL: tile.kernel @split(
// CHECK: %[[RING:.*]] = tile.make_ring
// CHECK-NEXT: tile.roles warps [4, 8] registers [40, 232] {
// CHECK-NOT: tile.get
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %{{.*}} step %{{[a-z0-9_]+}} {
// CHECK: %[[I:.*]] = arith.divui %[[J]]
// CHECK: tile.put %[[RING]][%[[I]]], %{{.*}}[%[[J]],
// CHECK: }, {
// CHECK-NOT: tile.put
// CHECK: scf.for {{.*}} iter_args
// CHECK: tile.get %[[RING]]
// CHECK: tile.mma_async
// CHECK: tile.wait
// CHECK: tile.release %[[RING]]
// CHECK: tile.store
// CHECK: }
// CHECK-NEXT: tile.return
tile.kernel @split(%k: memref<?x64xbf16>, %n: index, %o: memref<?x128xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %zeros = arith.constant dense<0.0> : !acc
  %ring = tile.make_ring : !ring
  %r = scf.for %j = %c0 to %n step %c128 iter_args(%acc = %zeros) -> (!acc) {
    %i = arith.divui %j, %c128 : index
    tile.put %ring[%i], %k[%j, %c0] : !ring, memref<?x64xbf16>
    %a = tile.get %ring[%i] : !ring
    %d = tile.mma_async %a, %a acc(%acc : !acc) transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<!acc>
    %w = tile.wait %d : !tile.async<!acc>
    tile.release %ring[%i] : !ring
    scf.yield %w : !acc
  }
  tile.store %r, %o[%bx, %c0] : !acc, memref<?x128xf32>
  tile.return
}

// Products that wait for themselves gain nothing from a producer.
// CHECK-LABEL: tile.kernel @synchronous(
// CHECK-NOT: tile.roles
tile.kernel @synchronous(%k: memref<?x64xbf16>, %o: memref<?x128xf32>,
                         %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : !acc
  %ring = tile.make_ring : !ring
  tile.put %ring[%c0], %k[%bx, %c0] : !ring, memref<?x64xbf16>
  %a = tile.get %ring[%c0] : !ring
  %d = tile.dot %a, %a, %zeros transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16>, !acc
  tile.release %ring[%c0] : !ring
  tile.store %d, %o[%bx, %c0] : !acc, memref<?x128xf32>
  tile.return
}

// The threads hold a factor before they write it for all: the consumers need
// each register that the producer can do without.
// CHECK-LABEL: tile.kernel @exchange(
// CHECK: tile.roles warps [4, 8] registers [24, 240] {
// CHECK: tile.put
// CHECK: }, {
// CHECK: tile.shared_store
// CHECK: tile.mma_async
tile.kernel @exchange(%k: memref<?x64xbf16>, %n: index, %o: memref<?x64xf32>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %zeros = arith.constant dense<0.0> : tensor<128x64xf32, #tile.mma<warps = 8>>
  %ring = tile.make_ring : !ring
  %s = tile.alloc : !tile.shared<128x128xbf16>
  %r = scf.for %j = %c0 to %n step %c128 iter_args(%acc = %zeros) -> (tensor<128x64xf32, #tile.mma<warps = 8>>) {
    %i = arith.divui %j, %c128 : index
    tile.put %ring[%i], %k[%j, %c0] : !ring, memref<?x64xbf16>
    %a = tile.get %ring[%i] : !ring
    %d = tile.mma_async %a, %a transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<!acc>
    %w = tile.wait %d : !tile.async<!acc>
    %h = arith.truncf %w : !acc to tensor<128x128xbf16, #tile.mma<warps = 8>>
    tile.barrier
    tile.shared_store %h, %s : tensor<128x128xbf16, #tile.mma<warps = 8>>, !tile.shared<128x128xbf16>
    tile.barrier
    %e = tile.mma_async %s, %a acc(%acc : tensor<128x64xf32, #tile.mma<warps = 8>>) transpose_a : !tile.shared<128x128xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x64xf32, #tile.mma<warps = 8>>>
    %x = tile.wait %e : !tile.async<tensor<128x64xf32, #tile.mma<warps = 8>>>
    tile.release %ring[%i] : !ring
    scf.yield %x : tensor<128x64xf32, #tile.mma<warps = 8>>
  }
  tile.store %r, %o[%bx, %c0] : tensor<128x64xf32, #tile.mma<warps = 8>>, memref<?x64xf32>
  tile.return
}
