// RUN: %roundtrip

#mma = #tile.mma<warps = 4>
#rows = #tile.slice<dim = 1, of = #mma>

// CHECK-LABEL: tile.kernel @arithmetic
tile.kernel @arithmetic(%x: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%bx, %c0] : memref<?x64xf32> -> tensor<128x64xf32>
  %one = arith.constant 1.0 : f32
  // CHECK: tile.ramp %[[ONE:[a-z0-9_]+]], %[[ONE]] along 1 : tensor<128x64xf32>
  %ramp = tile.ramp %one, %one along 1 : tensor<128x64xf32>
  // CHECK: %[[M:[a-z0-9_]+]] = tile.reduce max %{{.*}} along 1 : tensor<128x64xf32> -> tensor<128xf32>
  %1 = tile.reduce max %0 along 1 : tensor<128x64xf32> -> tensor<128xf32>
  // CHECK: tile.broadcast %[[M]] along 1 : tensor<128xf32> -> tensor<128x64xf32>
  %2 = tile.broadcast %1 along 1 : tensor<128xf32> -> tensor<128x64xf32>
  // CHECK: tile.fold add %{{.*}} : tensor<128x64xf32> -> tensor<128x8xf32>
  %3 = tile.fold add %0 : tensor<128x64xf32> -> tensor<128x8xf32>
  // CHECK: %[[C:[a-z0-9_]+]] = tile.convert %{{.*}} : tensor<128x64xf32> -> tensor<128x64xf32, #{{.*}}<warps = 4>>
  %4 = tile.convert %0 : tensor<128x64xf32> -> tensor<128x64xf32, #mma>
  // CHECK: tile.reduce add %[[C]] along 1 : tensor<128x64xf32, #{{.*}}<warps = 4>> -> tensor<128xf32, #{{.*}}<dim = 1, of = #{{.*}}<warps = 4>>>
  %5 = tile.reduce add %4 along 1 : tensor<128x64xf32, #mma> -> tensor<128xf32, #rows>
  // CHECK: tile.broadcast
  %6 = tile.broadcast %5 along 1 : tensor<128xf32, #rows> -> tensor<128x64xf32, #mma>
  // CHECK: tile.fold max %[[C]] : tensor<128x64xf32, #{{.*}}<warps = 4>> -> tensor<128x16xf32, #{{.*}}<warps = 4>>
  %7 = tile.fold max %4 : tensor<128x64xf32, #mma> -> tensor<128x16xf32, #mma>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} transpose_b : tensor<128x64xf32>, tensor<8x64xf32>, tensor<128x8xf32>
  %b = tile.load %x[%by, %c0] : memref<?x64xf32> -> tensor<8x64xf32>
  %8 = tile.dot %0, %b, %3 transpose_b : tensor<128x64xf32>, tensor<8x64xf32>, tensor<128x8xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : !tile.shared<128x8xf32>, !tile.shared<8x64xf32>, tensor<128x64xf32, #{{.*}}<warps = 4>>
  %sa = tile.alloc : !tile.shared<128x8xf32>
  %sb = tile.alloc : !tile.shared<8x64xf32>
  %9 = tile.dot %sa, %sb, %6 : !tile.shared<128x8xf32>, !tile.shared<8x64xf32>, tensor<128x64xf32, #mma>
  // CHECK: tile.dot
  %p = arith.truncf %9 : tensor<128x64xf32, #mma> to tensor<128x64xbf16, #mma>
  %sv = tile.alloc : !tile.shared<64x16xbf16>
  %10 = tile.dot %p, %sv, %7 : tensor<128x64xbf16, #mma>, !tile.shared<64x16xbf16>, tensor<128x16xf32, #mma>
  // A product whose a is inner x rows, in shared memory or on its way there.
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} transpose_a : !tile.shared<64x128xbf16>, !tile.shared<64x16xbf16>, tensor<128x16xf32, #{{.*}}<warps = 4>>
  %st = tile.alloc : !tile.shared<64x128xbf16>
  %11 = tile.dot %st, %sv, %7 transpose_a : !tile.shared<64x128xbf16>, !tile.shared<64x16xbf16>, tensor<128x16xf32, #mma>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} transpose_a transpose_b : tensor<128x64xbf16, #{{.*}}<warps = 4>>, !tile.shared<16x128xbf16>, tensor<64x16xf32, #{{.*}}<warps = 4>>
  %sw = tile.alloc : !tile.shared<16x128xbf16>
  %z = arith.constant dense<0.0> : tensor<64x16xf32, #mma>
  %12 = tile.dot %p, %sw, %z transpose_a transpose_b : tensor<128x64xbf16, #mma>, !tile.shared<16x128xbf16>, tensor<64x16xf32, #mma>
  tile.return
}

// CHECK-LABEL: tile.kernel @update_where
tile.kernel @update_where(%x: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %s = tile.load %x[%bx, %c0] : memref<?x64xf32> -> tensor<64x64xf32>
  %m = arith.constant dense<0.0> : tensor<64xf32>
  %g = arith.constant dense<true> : tensor<64x8xi1>
  // CHECK: tile.update_where %{{.*}}(%{{.*}}) warps 4 {
  // CHECK: tile.yield %{{.*}} : tensor<64xf32>
  // CHECK: } : tensor<64x8xi1>, tensor<64xf32>
  %r = tile.update_where %g(%m) warps 4 {
    %1 = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
    tile.yield %1 : tensor<64xf32>
  } : tensor<64x8xi1>, tensor<64xf32>
  // CHECK: tile.any %{{.*}} : tensor<64x8xi1>
  %any = tile.any %g : tensor<64x8xi1>
  scf.if %any {
    tile.store %r, %x[%bx, %c0] dims [0] : tensor<64xf32>, memref<?x64xf32>
  }
  tile.return
}
