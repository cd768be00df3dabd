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

// CHECK-LABEL: tile.kernel @sums
tile.kernel @sums(%x: memref<?x?xf32>, %y: memref<?x4x?x128xf32, strided<[?, ?, 128, 1], offset: ?>>, %o: memref<?x128xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%bx, %by] : memref<?x?xf32> -> tensor<128x64xf32>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] dims [1, 0] inside [0] add : tensor<128x64xf32>, memref<?x?xf32>
  tile.store %0, %x[%bx, %by] dims [1, 0] inside [0] add : tensor<128x64xf32>, memref<?x?xf32>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] dims [3, 2] inside [0, 1] add packed : tensor<128x64xf32>, memref<?x4x?x128xf32,
  tile.store %0, %y[%bz, %by, %bx, %c0] dims [3, 2] inside [0, 1] add packed : tensor<128x64xf32>, memref<?x4x?x128xf32, strided<[?, ?, 128, 1], offset: ?>>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] inside [0, 1] packed : tensor<128x64xf32>, memref<?x128xf32>
  tile.store %0, %o[%bx, %c0] inside [0, 1] packed : tensor<128x64xf32>, memref<?x128xf32>
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] dims [3, 2] inside [0, 1] packed : memref<?x4x?x128xf32, {{.*}}> -> tensor<128x64xf32>
  %1 = tile.load %y[%bz, %by, %bx, %c0] dims [3, 2] inside [0, 1] packed : memref<?x4x?x128xf32, strided<[?, ?, 128, 1], offset: ?>> -> tensor<128x64xf32>
  tile.store %1, %x[%bx, %by] : tensor<128x64xf32>, memref<?x?xf32>
  tile.return
}
