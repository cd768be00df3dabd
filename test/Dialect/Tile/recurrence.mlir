// RUN: %roundtrip

#l = #tile.blocked<thread = [1, 4, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#half = #tile.blocked<thread = [1, 2], lanes = [16, 2], warps = [4, 1]>

// CHECK-LABEL: tile.kernel @plain
tile.kernel @plain(%x: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<0.5> : tensor<64x4x16xf32>
  %h = arith.constant dense<0.0> : tensor<64x16xf32>
  // CHECK: %{{.*}}, %{{.*}} = tile.recurrence %{{.*}}, %{{.*}} from %{{.*}} along 1 : tensor<64x4x16xf32>, tensor<64x16xf32>
  %s, %last = tile.recurrence %a, %a from %h along 1 : tensor<64x4x16xf32>, tensor<64x16xf32>
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}] dims [1, 0] inside [0] : memref<?x?xf32> -> tensor<32x16xf32>
  %t = tile.load %x[%c0, %c0] dims [1, 0] inside [0] : memref<?x?xf32> -> tensor<32x16xf32>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] inside [0, 1] : tensor<32x16xf32>, memref<?x?xf32>
  tile.store %t, %x[%c0, %c0] inside [0, 1] : tensor<32x16xf32>, memref<?x?xf32>
  tile.return
}

// Sums whose threads finish a part each; parts of tiles with a pitch.
// CHECK-LABEL: tile.kernel @layouts
tile.kernel @layouts(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c4 = arith.constant 4 : index
  %c0 = arith.constant 0 : index
  // CHECK: tile.alloc : !tile.shared<64x32xf32, pitch 36>
  %m = tile.alloc : !tile.shared<64x32xf32, pitch 36>
  %a = arith.constant dense<0.5> : tensor<64x4x16xf32, #l>
  %h = arith.constant dense<0.0> : tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %s, %last = tile.recurrence %a, %a from %h along 1 : tensor<64x4x16xf32, #l>, tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %y = tile.reduce add %s along 2 : tensor<64x4x16xf32, #l> -> tensor<64x4xf32, #half>
  // CHECK: tile.shared_store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] : {{.*}}, !tile.shared<64x32xf32, pitch 36>
  tile.shared_store %y, %m[%c0, %c4] : tensor<64x4xf32, #half>, !tile.shared<64x32xf32, pitch 36>
  // CHECK: tile.barrier warp
  tile.barrier warp
  // CHECK: tile.shared_load %{{.*}}[%{{.*}}, %{{.*}}] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32, #tile.slice<dim = 2
  %d = tile.shared_load %m[%c0, %c4] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32, #tile.slice<dim = 2, of = #l>>
  tile.return
}

// The gradients of a recurrence, from its end; what sums over channels leave to
// each warp; a tile that other threads hold.
// CHECK-LABEL: tile.kernel @gradients
tile.kernel @gradients(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %a = arith.constant dense<0.5> : tensor<64x4x16xf32>
  %h = arith.constant dense<0.0> : tensor<64x16xf32>
  // CHECK: tile.recurrence %{{.*}}, %{{.*}} from %{{.*}} along 1 before : tensor<64x4x16xf32>, tensor<64x16xf32>
  %s, %last = tile.recurrence %a, %a from %h along 1 before : tensor<64x4x16xf32>, tensor<64x16xf32>
  // CHECK: tile.recurrence %{{.*}}, %{{.*}} from %{{.*}} along 1 adjoint : tensor<64x4x16xf32>, tensor<64x16xf32>
  %d, %first = tile.recurrence %a, %a from %h along 1 adjoint : tensor<64x4x16xf32>, tensor<64x16xf32>
  // CHECK: tile.sum_blocks %{{.*}} : tensor<64x4x16xf32> -> tensor<4x64xf32>
  %b = tile.sum_blocks %d : tensor<64x4x16xf32> -> tensor<4x64xf32>
  // CHECK: tile.exchange %{{.*}} : tensor<64x16xf32> -> tensor<64x16xf32>
  %e = tile.exchange %first : tensor<64x16xf32> -> tensor<64x16xf32>
  tile.return
}
