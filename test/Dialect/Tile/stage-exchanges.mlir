// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-stage-slices,canonicalize,cse))" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-stage-slices))" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-stage-slices{{$}}
// STATS-NEXT: 13312 bytes
// STATS-NEXT: 1 tiles-doubled
// STATS-NEXT: 3 tiles-read-in-parts

#l = #tile.blocked<thread = [1, 8, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#strip = #tile.blocked<thread = [2, 4], lanes = [8, 4], warps = [4, 1]>
#states = #tile.blocked<thread = [1, 2], lanes = [4, 8], warps = [4, 1]>
#dt = #tile.slice<dim = 2, of = #l>

// Rows stay in their warp, which waits for itself; %b is for all, so it is there
// twice and the block waits: one wait for both, as they stand together. What was put
// together from parts is written part by part. The end of an iteration is
// where warps let the next one write.
// CHECK-LABEL: tile.kernel @exchanges
// CHECK-DAG: %[[B:.*]] = tile.alloc : !tile.shared<32x16xf32, pitch 20>
// CHECK: scf.for
// CHECK: tile.shared_store %{{.*}}, %[[U:[0-9]+]] : tensor<64x16xf32
// CHECK: tile.shared_store %{{.*}}, %[[B]][
// CHECK: tile.barrier{{$}}
// CHECK: tile.shared_load %[[U]][%c0, %c8] : {{.*}} -> tensor<64x8xf32
// CHECK: tile.shared_load %[[B]][
// CHECK-NOT: tile.barrier
// CHECK: tile.shared_load %[[U]][%c0, %c0] : {{.*}} -> tensor<64x8xf32
// CHECK: tile.shared_store %{{.*}}, %[[Y:[0-9]+]][%c0, %c8] : tensor<64x8xf32
// CHECK: tile.shared_store %{{.*}}, %[[Y]][%c0, %c0] : tensor<64x8xf32
// CHECK: tile.barrier warp
// CHECK: tile.shared_load %[[Y]] :
// CHECK: tile.store
// CHECK: tile.barrier warp
// CHECK: }
tile.kernel @exchanges(%x: memref<?x?xf32>, %z: memref<?x?xf32>, %y: memref<?x?xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  scf.for %t = %c0 to %n step %c16 {
    %u = tile.load %x[%c0, %t] : memref<?x?xf32> -> tensor<64x16xf32, #strip>
    %b = tile.load %z[%t, %c0] : memref<?x?xf32> -> tensor<16x16xf32, #states>
    %empty = tensor.empty() : tensor<64x16xf32, #strip>
    %u1 = tensor.extract_slice %u[0, 8] [64, 8] [1, 1] : tensor<64x16xf32, #strip> to tensor<64x8xf32, #dt>
    %b1 = tensor.extract_slice %b[8, 0] [8, 16] [1, 1] : tensor<16x16xf32, #states> to tensor<8x16xf32, #tile.slice<dim = 0, of = #l>>
    %p1 = tile.broadcast %u1 along 2 : tensor<64x8xf32, #dt> -> tensor<64x8x16xf32, #l>
    %q1 = tile.broadcast %b1 along 0 : tensor<8x16xf32, #tile.slice<dim = 0, of = #l>> -> tensor<64x8x16xf32, #l>
    %m1 = arith.mulf %p1, %q1 : tensor<64x8x16xf32, #l>
    %s1 = tile.reduce add %m1 along 2 : tensor<64x8x16xf32, #l> -> tensor<64x8xf32, #dt>
    %u0 = tensor.extract_slice %u[0, 0] [64, 8] [1, 1] : tensor<64x16xf32, #strip> to tensor<64x8xf32, #dt>
    %w1 = tensor.insert_slice %s1 into %empty[0, 8] [64, 8] [1, 1] : tensor<64x8xf32, #dt> into tensor<64x16xf32, #strip>
    %w0 = tensor.insert_slice %u0 into %w1[0, 0] [64, 8] [1, 1] : tensor<64x8xf32, #dt> into tensor<64x16xf32, #strip>
    %e = tile.exchange %w0 : tensor<64x16xf32, #strip> -> tensor<64x16xf32, #strip>
    tile.store %e, %y[%c0, %t] : tensor<64x16xf32, #strip>, memref<?x?xf32>
  }
  tile.return
}
