// RUN: seqc-opt %s --tile-assign-layouts | FileCheck %s

// A product spreads #tile.mma: to what is computed from it and with it, as slices
// to its rows and columns. Tiles that only feed products have no layout yet:
// they go to shared memory.
// CHECK-LABEL: tile.kernel @product(
// CHECK: arith.constant dense<0.000000e+00> : tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: %[[Q:.*]] = tile.load {{.*}} -> tensor<64x64xbf16>
// CHECK: %[[S:.*]] = tile.dot %[[Q]], %[[Q]], {{.*}}tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: tile.reduce max %[[S]] along 1 : {{.*}} -> tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
// CHECK: tile.iota 0 : tensor<64xi32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>>
// CHECK: tile.broadcast {{.*}} along 0 : {{.*}} -> tensor<64x64xi32, #tile.mma<warps = 4>>
// CHECK: tile.load {{.*}} -> tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
tile.kernel @product(%q: memref<?x64xbf16>, %b: memref<?xf32>, %o: memref<?x64xf32>, %l: memref<?xf32>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %s = tile.dot %q0, %q0, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
  %m = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
  %i = tile.iota 0 : tensor<64xi32>
  %j = tile.broadcast %i along 0 : tensor<64xi32> -> tensor<64x64xi32>
  %f = arith.sitofp %j : tensor<64x64xi32> to tensor<64x64xf32>
  %x = arith.addf %s, %f : tensor<64x64xf32>
  %r = tile.load %b[%bx] : memref<?xf32> -> tensor<64xf32>
  %n = arith.addf %m, %r : tensor<64xf32>
  tile.store %x, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.store %n, %l[%bx] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// Without a product: rectangles, with rows of 16 bytes in a thread.
// CHECK-LABEL: tile.kernel @elementwise(
// CHECK: tile.load {{.*}} -> tensor<64x128xf32, #tile.blocked<thread = [1, 4]
tile.kernel @elementwise(%q: memref<?x128xf32>, %o: memref<?x128xf32>,
                         %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %q[%bx, %c0] : memref<?x128xf32> -> tensor<64x128xf32>
  %r = arith.addf %t, %t : tensor<64x128xf32>
  tile.store %r, %o[%bx, %c0] : tensor<64x128xf32>, memref<?x128xf32>
  tile.return
}
