// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-prefetch-loads))" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-prefetch-loads))" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-prefetch-loads{{$}}
// STATS-NEXT: 2 loads-ahead

// %u is wanted before the inner loop and runs ahead; %z is not and stays. The
// last iteration reads its own place again, and nothing is read without one.
// CHECK-LABEL: tile.kernel @ahead
// CHECK: %[[SOME:.*]] = arith.cmpi slt, %c0, %[[N:.*]] : index
// CHECK: %[[FIRST:.*]] = scf.if %[[SOME]] -> (tensor<32xf32>) {
// CHECK: tile.load %[[X:.*]][%c0] inside [0]
// CHECK: } else {
// CHECK: arith.constant dense<0.000000e+00> : tensor<32xf32>
// CHECK: }
// CHECK: scf.for %[[T:.*]] = %c0 to %[[N]] step %c32 iter_args(%[[U:.*]] = %[[FIRST]]) -> (tensor<32xf32>) {
// CHECK: %[[PLUS:.*]] = arith.addi %[[T]], %c32
// CHECK: %[[LAST:.*]] = arith.cmpi sge, %[[PLUS]], %[[N]]
// CHECK: %[[NEXT:.*]] = arith.select %[[LAST]], %[[T]], %[[PLUS]]
// CHECK: %[[Z:.*]] = tile.load %[[V:.*]][%[[T]]]
// CHECK: arith.addf %[[U]], %[[U]]
// CHECK: %[[U1:.*]] = tile.load %[[X]][%[[NEXT]]] inside [0]
// CHECK: scf.for
// CHECK: arith.mulf %{{.*}}, %[[Z]]
// CHECK: scf.yield %[[U1]]
tile.kernel @ahead(%x: memref<?xf32>, %v: memref<?xf32>, %y: memref<?xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  scf.for %t = %c0 to %n step %c32 {
    %u = tile.load %x[%t] inside [0] : memref<?xf32> -> tensor<32xf32>
    %z = tile.load %v[%t] : memref<?xf32> -> tensor<32xf32>
    %a = arith.addf %u, %u : tensor<32xf32>
    %r = scf.for %s = %c0 to %c32 step %c1 iter_args(%h = %a) -> (tensor<32xf32>) {
      %b = arith.addf %h, %a : tensor<32xf32>
      scf.yield %b : tensor<32xf32>
    }
    %w = arith.mulf %r, %z : tensor<32xf32>
    tile.store %w, %y[%t] : tensor<32xf32>, memref<?xf32>
  }
  tile.return
}

// What the loop writes is not read ahead.
// CHECK-LABEL: tile.kernel @written
// CHECK: scf.for
// CHECK-NEXT: tile.load
// CHECK-NOT: tile.load
tile.kernel @written(%x: memref<?xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  scf.for %t = %c0 to %n step %c32 {
    %u = tile.load %x[%t] : memref<?xf32> -> tensor<32xf32>
    %a = arith.addf %u, %u : tensor<32xf32>
    %r = scf.for %s = %c0 to %c32 step %c1 iter_args(%h = %a) -> (tensor<32xf32>) {
      scf.yield %h : tensor<32xf32>
    }
    tile.store %r, %x[%t] : tensor<32xf32>, memref<?xf32>
  }
  tile.return
}

// Without a loop inside, the work begins where a tile goes to other threads.
// CHECK-LABEL: tile.kernel @exchanged
// CHECK: scf.for %{{.*}} iter_args(%[[T:.*]] = %{{.*}})
// CHECK: tile.load
// CHECK: tile.exchange %[[T]]
tile.kernel @exchanged(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  scf.for %i = %c0 to %n step %c16 {
    %t = tile.load %x[%c0, %i] : memref<?x?xf32> -> tensor<64x16xf32>
    %e = tile.exchange %t : tensor<64x16xf32> -> tensor<64x16xf32>
    tile.store %e, %y[%c0, %i] : tensor<64x16xf32>, memref<?x?xf32>
  }
  tile.return
}
