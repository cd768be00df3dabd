// RUN: seqc-opt %s --pass-pipeline='builtin.module(tile.kernel(tile-erase-async{check=false},canonicalize))' | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline='builtin.module(tile.kernel(tile-erase-async,cse))' | FileCheck %s --check-prefix=CHECKED
// RUN: seqc-opt %s --tile-erase-async --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS

// STATISTICS-DAG: 4 copies-erased
// STATISTICS-DAG: 4 products-erased

#mma = #tile.mma<warps = 4>

// A ring is a buffer, and its stage is read where the product reads it. What
// loops carry unfinished is finished.
// CHECK-LABEL: tile.kernel @products(
// CHECK-DAG: %[[RING:.*]] = memref.alloc() : memref<2x64x64xbf16>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: scf.for %[[I:.*]] = {{.*}} iter_args(%[[ACC:.*]] = %[[ZERO]]) -> (tensor<64x64xf32, #tile.mma<warps = 4>>)
// CHECK-NEXT: %[[PUT:.*]] = arith.remui %[[I]], %[[C2]]
// CHECK-NEXT: %[[COPY:.*]] = tile.load %{{.*}}[%[[I]], %[[C0]]] : memref<?x64xbf16> -> tensor<64x64xbf16>
// CHECK-NEXT: tile.store %[[COPY]], %[[RING]][%[[PUT]], %[[C0]], %[[C0]]]
// CHECK-NEXT: %[[GET:.*]] = arith.remui %[[I]], %[[C2]]
// CHECK-DAG: %[[A:.*]] = tile.load %[[RING]][%[[GET]], %[[C0]], %[[C0]]] : memref<2x64x64xbf16> -> tensor<64x64xbf16>
// CHECK-DAG: %[[B:.*]] = tile.load %[[RING]][%[[GET]], %[[C0]], %[[C0]]] : memref<2x64x64xbf16> -> tensor<64x64xbf16>
// CHECK: %[[D:.*]] = tile.dot %{{.*}}, %{{.*}}, %[[ACC]] transpose_b
// CHECK-NEXT: scf.yield %[[D]]
// CHECK-NOT: tile.release
// CHECK-NOT: tile.wait
// What is checked: numbers without gaps, a free stage, the copy that is waited
// for, and `pending`. A block that fails stores NaNs.
// CHECKED-LABEL: tile.kernel @products(
// CHECKED: scf.for
// CHECKED: %[[STARTED:.*]] = memref.load
// CHECKED: arith.cmpi ne, %{{.*}}, %[[STARTED]]
// CHECKED: tile.store
// CHECKED: arith.cmpi slt
// CHECKED: tile.dot %{{.*}} transpose_b
// CHECKED: scf.yield
// CHECKED: %[[WRONG:.*]] = arith.cmpi ne
// CHECKED: %[[OUT:.*]] = scf.if %[[WRONG]]
// CHECKED: tensor.splat %{{.*}} : tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECKED: tile.store %[[OUT]]
tile.kernel @products(%x: memref<?x64xbf16>, %y: memref<?x64xf32>, %n: index,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %ring = tile.make_ring : !tile.ring<2 x 64x64xbf16>
  %s = tile.alloc : !tile.shared<64x64xbf16>
  %first = tile.mma_async %s, %s acc(%zero : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %z = tile.wait %first : !tile.async<tensor<64x64xf32, #mma>>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (tensor<64x64xf32, #mma>) {
    tile.put %ring[%i], %x[%i, %c0] : !tile.ring<2 x 64x64xbf16>, memref<?x64xbf16>
    %t = tile.get %ring[%i] : !tile.ring<2 x 64x64xbf16>
    %p = tile.mma_async %t, %t acc(%acc : tensor<64x64xf32, #mma>) transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
    %w = tile.wait %p : !tile.async<tensor<64x64xf32, #mma>>
    tile.release %ring[%i] : !tile.ring<2 x 64x64xbf16>
    scf.yield %w : tensor<64x64xf32, #mma>
  }
  tile.store %r, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<?x64xf32>
  tile.return
}

// Products without an accumulator start from 0; a copy that is left out.
// CHECK-LABEL: tile.kernel @when(
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: scf.if %{{.*}} {
// CHECK: tile.load %{{.*}} dims [0, 2]
// CHECK: tile.store
// CHECK: }
// CHECK: tile.dot %{{.*}}, %{{.*}}, %[[ZERO]] :
tile.kernel @when(%x: memref<?x?x64xbf16>, %y: memref<?x64xf32>, %more: i1,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %ring = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.put %ring[%c0], %x[%bx, %by, %c0] dims [0, 2] when %more : !tile.ring<1 x 64x64xbf16>, memref<?x?x64xbf16>
  %t = tile.get %ring[%c0] : !tile.ring<1 x 64x64xbf16>
  %p = tile.mma_async %t, %t : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %w = tile.wait %p : !tile.async<tensor<64x64xf32, #mma>>
  tile.store %w, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<?x64xf32>
  tile.return
}

// Shared memory outside of rings; barriers go.
// CHECK-LABEL: tile.kernel @shared(
// CHECK: %[[S:.*]] = memref.alloc() : memref<64x64xf32>
// CHECK: tile.store %{{.*}}, %[[S]]
// CHECK-NOT: tile.barrier
// CHECK: tile.load %[[S]]{{.*}} -> tensor<64x64xf32, #tile.blocked
tile.kernel @shared(%x: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %s = tile.alloc : !tile.shared<64x64xf32>
  %t = tile.load %x[%c0, %c0] : memref<64x64xf32> -> tensor<64x64xf32, #mma>
  tile.shared_store %t, %s : tensor<64x64xf32, #mma>, !tile.shared<64x64xf32>
  tile.barrier
  %u = tile.shared_load %s : !tile.shared<64x64xf32> -> tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>
  tile.store %u, %x[%c0, %c0] : tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>, memref<64x64xf32>
  tile.return
}

// The producer runs first, into a ring that holds all copies: it has run once
// before, to count them.
// CHECK-LABEL: tile.kernel @roles(
// CHECK: %[[COUNT:.*]] = memref.alloc() : memref<1xindex>
// CHECK: scf.for
// CHECK-NOT: tile.load
// CHECK: memref.store %{{.*}}, %[[COUNT]]
// CHECK: %[[COPIES:.*]] = memref.load %[[COUNT]]
// CHECK: %[[RING:.*]] = memref.alloc(%[[COPIES]]) : memref<?x64x64xbf16>
// CHECK: scf.for %[[I:.*]] =
// CHECK: tile.load %{{.*}} : memref<?x64xbf16> -> tensor<64x64xbf16>
// CHECK: tile.store %{{.*}}, %[[RING]][%[[I]],
// CHECK: scf.for %[[J:.*]] =
// CHECK: tile.load %[[RING]][%[[J]],
// CHECK-NOT: tile.roles
// The consumer checks that the producer is not stuck.
// CHECKED-LABEL: tile.kernel @roles(
// CHECKED: scf.for
// CHECKED: scf.for
// CHECKED: arith.cmpi ugt
// CHECKED: tile.load
tile.kernel @roles(%x: memref<?x64xbf16>, %y: memref<?x64xbf16>, %n: index,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = tile.make_ring : !tile.ring<2 x 64x64xbf16>
  tile.roles warps [4, 4] registers [24, 240] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %ring[%i], %x[%i, %c0] : !tile.ring<2 x 64x64xbf16>, memref<?x64xbf16>
    }
  }, {
    scf.for %i = %c0 to %n step %c1 {
      %t = tile.get %ring[%i] : !tile.ring<2 x 64x64xbf16>
      %v = tile.shared_load %t : !tile.shared<64x64xbf16> -> tensor<64x64xbf16>
      tile.store %v, %y[%i, %c0] : tensor<64x64xbf16>, memref<?x64xbf16>
      tile.release %ring[%i] : !tile.ring<2 x 64x64xbf16>
    }
  }
  tile.return
}

// One group of warps after the other, and registers computed at some place:
// all that is gone.
// CHECK-LABEL: tile.kernel @turns(
// CHECK-NOT: tile.begin_turn
// CHECK: %[[T:.*]] = tile.load %{{.*}} -> tensor<128x128xf32, #tile.mma<warps = 8>>
// CHECK-NOT: tile.ready
// CHECK: tile.dot %{{.*}}, %{{.*}}, %[[T]] transpose_b
// CHECK-NOT: tile.end_turn
// CHECK: tile.return
tile.kernel @turns(%x: memref<?x64xbf16>, %y: memref<?x128xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %ring = tile.make_ring : !tile.ring<1 x 128x64xbf16>
  tile.roles warps [4, 8] registers [0, 0] {
    tile.put %ring[%c0], %x[%bx, %c0] : !tile.ring<1 x 128x64xbf16>, memref<?x64xbf16>
  }, {
    %t = tile.load %y[%bx, %c0] : memref<?x128xf32> -> tensor<128x128xf32, #tile.mma<warps = 8>>
    %r = tile.ready %t : tensor<128x128xf32, #tile.mma<warps = 8>>
    %a = tile.get %ring[%c0] : !tile.ring<1 x 128x64xbf16>
    tile.begin_turn
    %p = tile.mma_async %a, %a acc(%r : tensor<128x128xf32, #tile.mma<warps = 8>>) transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
    tile.end_turn
    %w = tile.wait %p : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
    tile.release %ring[%c0] : !tile.ring<1 x 128x64xbf16>
    tile.store %w, %y[%bx, %c0] : tensor<128x128xf32, #tile.mma<warps = 8>>, memref<?x128xf32>
  }
  tile.return
}
