// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-stage-slices,canonicalize,cse))" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-stage-slices))" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-stage-slices{{$}}
// STATS-NEXT: 23552 bytes
// STATS-NEXT: 1 tiles-doubled
// STATS-NEXT: 2 tiles-read-in-parts
// STATS-NEXT: 1 tiles-written-in-parts

#l = #tile.blocked<thread = [1, 4, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#strip = #tile.blocked<thread = [2, 8], lanes = [8, 4], warps = [4, 1]>
#states = #tile.blocked<thread = [4, 1], lanes = [2, 16], warps = [4, 1]>
#dt = #tile.slice<dim = 2, of = #l>

// A warp reads the rows of %u that it wrote itself: it waits for itself. All warps
// read what all wrote of %b: a barrier, and two of them in turn, 32 rows apart.
// The sums are read as a whole after the loop.
// CHECK-LABEL: tile.kernel @parts
// CHECK: %[[Y:.*]] = tile.alloc : !tile.shared<64x32xf32, pitch 36>
// CHECK: %[[B:.*]] = tile.alloc : !tile.shared<64x16xf32, pitch 20>
// CHECK: %[[U:.*]] = tile.alloc : !tile.shared<64x32xf32, pitch 36>
// CHECK: scf.for %[[T:.*]] =
// CHECK: %[[N:.*]] = arith.divui %[[T]], %c32
// CHECK: %[[PARITY:.*]] = arith.andi %[[N]], %c1
// CHECK: %[[ROW:.*]] = arith.muli %[[PARITY]], %c32
// CHECK: tile.shared_store %{{.*}}, %[[U]] :
// CHECK: tile.shared_store %{{.*}}, %[[B]][%[[ROW]], %c0]
// CHECK: tile.barrier{{$}}
// CHECK: scf.for %[[S:.*]] = %c0 to %c32 step %c4 {
// CHECK: tile.shared_load %[[U]][%c0, %[[S]]] : {{.*}} -> tensor<64x4xf32
// CHECK: %[[AT:.*]] = arith.addi %[[ROW]], %[[S]]
// CHECK: tile.shared_load %[[B]][%[[AT]], %c0] : {{.*}} -> tensor<4x16xf32
// CHECK: tile.shared_store %{{.*}}, %[[Y]][%c0, %[[S]]]
// CHECK: }
// CHECK: tile.barrier warp
// CHECK: tile.shared_load %[[Y]] :
// CHECK: tile.store
tile.kernel @parts(%x: memref<?x?xf32>, %z: memref<?x?xf32>, %y: memref<?x?xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c32 = arith.constant 32 : index
  scf.for %t = %c0 to %n step %c32 {
    %u = tile.load %x[%c0, %t] : memref<?x?xf32> -> tensor<64x32xf32, #strip>
    %b = tile.load %z[%t, %c0] : memref<?x?xf32> -> tensor<32x16xf32, #states>
    %empty = tensor.empty() : tensor<64x32xf32, #strip>
    %r = scf.for %s = %c0 to %c32 step %c4 iter_args(%sums = %empty) -> (tensor<64x32xf32, #strip>) {
      %u4 = tensor.extract_slice %u[0, %s] [64, 4] [1, 1] : tensor<64x32xf32, #strip> to tensor<64x4xf32, #dt>
      %b4 = tensor.extract_slice %b[%s, 0] [4, 16] [1, 1] : tensor<32x16xf32, #states> to tensor<4x16xf32, #tile.slice<dim = 0, of = #l>>
      %u3 = tile.broadcast %u4 along 2 : tensor<64x4xf32, #dt> -> tensor<64x4x16xf32, #l>
      %b3 = tile.broadcast %b4 along 0 : tensor<4x16xf32, #tile.slice<dim = 0, of = #l>> -> tensor<64x4x16xf32, #l>
      %p = arith.mulf %u3, %b3 : tensor<64x4x16xf32, #l>
      %q = tile.reduce add %p along 2 : tensor<64x4x16xf32, #l> -> tensor<64x4xf32, #dt>
      %w = tensor.insert_slice %q into %sums[0, %s] [64, 4] [1, 1] : tensor<64x4xf32, #dt> into tensor<64x32xf32, #strip>
      scf.yield %w : tensor<64x32xf32, #strip>
    }
    tile.store %r, %y[%c0, %t] : tensor<64x32xf32, #strip>, memref<?x?xf32>
  }
  tile.return
}
