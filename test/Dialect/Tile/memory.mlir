// RUN: %roundtrip

// CHECK-LABEL: tile.kernel @memory
tile.kernel @memory(%q: memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>>, %x: memref<?x?x?xf32>,
                    %t: memref<?x4xf32>, %b: index, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  // CHECK: %[[Q:[a-z0-9_]+]] = tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] : memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>> -> tensor<64x80xbf16>
  %0 = tile.load %q[%b, %bx, %by, %c0] : memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>> -> tensor<64x80xbf16>
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] dims [1] : memref<?x?x?xf32> -> tensor<16xf32>
  %1 = tile.load %x[%b, %bx, %by] dims [1] : memref<?x?x?xf32> -> tensor<16xf32>
  // CHECK: tile.store %[[Q]], %{{.*}} : tensor<64x80xbf16>, memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>>
  tile.store %0, %q[%b, %bx, %by, %c0] : tensor<64x80xbf16>, memref<?x?x?x72xbf16, strided<[?, ?, ?, 1], offset: ?>>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] dims [0] : tensor<16xf32>, memref<?x?x?xf32>
  tile.store %1, %x[%b, %bx, %by] dims [0] : tensor<16xf32>, memref<?x?x?xf32>
  // CHECK: %[[I:[a-z0-9_]+]] = tile.iota 0 : tensor<64x8xi32>
  %2 = tile.iota 0 : tensor<64x8xi32>
  // CHECK: tile.gather %{{.*}}[%[[I]], %[[I]]] : memref<?x4xf32>, tensor<64x8xi32>, tensor<64x8xi32> -> tensor<64x8xf32>
  %3 = tile.gather %t[%2, %2] : memref<?x4xf32>, tensor<64x8xi32>, tensor<64x8xi32> -> tensor<64x8xf32>
  tile.return
}
