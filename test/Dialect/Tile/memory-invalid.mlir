// RUN: %invalid

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op moves elements of type 'f16', but those of the view are 'f32'}}
  %0 = tile.load %x[%bx, %by] : memref<?x8xf32> -> tensor<4x8xf16>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs an offset for each of the 2 dimensions of the view, but got 1}}
  %0 = tile.load %x[%bx] : memref<?x8xf32> -> tensor<4x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs a tile of 1 to 2 dimensions, the view's, but it has 3}}
  %0 = tile.load %x[%bx, %by] : memref<?x8xf32> -> tensor<1x4x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs one of 'dims' for each of the 1 dimensions of the tile, but got 2}}
  %0 = tile.load %x[%bx, %by] dims [0, 1] : memref<?x8xf32> -> tensor<8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs 'dims' from 0 to 1, the view's dimensions, but got 2}}
  %0 = tile.load %x[%bx, %by] dims [2] : memref<?x8xf32> -> tensor<8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op has dimension 1 twice in 'dims'}}
  %0 = tile.load %x[%bx, %by] dims [1, 1] : memref<?x8xf32> -> tensor<8x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant dense<0.0> : tensor<4x8xf32>
  // expected-error @+1 {{'tile.store' op needs an offset for each of the 2 dimensions of the view, but got 3}}
  tile.store %c0, %x[%bx, %by, %bz] : tensor<4x8xf32>, memref<?x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{op result #0 must be a tile (a tensor of static shape), but got 'tensor<?x8xf32>'}}
  %0 = tile.load %x[%bx, %by] : memref<?x8xf32> -> tensor<?x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.iota 0 : tensor<64x8xi32>
  // expected-error @+1 {{'tile.gather' op needs indices for each of the 2 dimensions of the view, but got 1}}
  %1 = tile.gather %x[%0] : memref<?x8xf32>, tensor<64x8xi32> -> tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.iota 0 : tensor<64x8xi32>
  // expected-error @+1 {{'tile.gather' op indices 0 must be integers of the shape and layout of the result, 'tensor<64x16xf32>', but are of type 'tensor<64x8xi32>'}}
  %1 = tile.gather %x[%0] : memref<?xf32>, tensor<64x8xi32> -> tensor<64x16xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.iota 0 : tensor<64x8xi32, #tile.mma<warps = 4>>
  // expected-error @+1 {{'tile.gather' op indices 0 must be integers of the shape and layout of the result, 'tensor<64x8xf32>', but are of type 'tensor<64x8xi32, #tile.mma<warps = 4>>'}}
  %1 = tile.gather %x[%0] : memref<?xf32>, tensor<64x8xi32, #tile.mma<warps = 4>> -> tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.iota 0 : tensor<64x8xi32>
  // expected-error @+1 {{'tile.gather' op reads elements of type 'f32', but those of the result are 'f16'}}
  %1 = tile.gather %x[%0] : memref<?xf32>, tensor<64x8xi32> -> tensor<64x8xf16>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = arith.constant dense<0.0> : tensor<16x8xf16>
  // expected-error @+1 {{'tile.store' op adds elements of f32, but got 'tensor<16x8xf16>'}}
  tile.store %t, %x[%bx, %by] add : tensor<16x8xf16>, memref<?x8xf16>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op packs 2-D tiles of 32-bit elements, but got 'tensor<16x8xf16>' in 'memref<?x8xf16>'}}
  %t = tile.load %x[%bx, %by] inside [0, 1] packed : memref<?x8xf16> -> tensor<16x8xf16>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = arith.constant dense<0.0> : tensor<16xf32>
  // expected-error @+1 {{'tile.store' op packs 2-D tiles of 32-bit elements, but got 'tensor<16xf32>' in 'memref<?xf32>'}}
  tile.store %t, %x[%bx] inside [0] packed : tensor<16xf32>, memref<?xf32>
  tile.return
}

// -----

// A third of a row.
tile.kernel @f(%x: memref<?x24xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = arith.constant dense<0.0> : tensor<16x8xf32>
  // expected-error @+1 {{'tile.store' op packs whole rows without gaps, but got 'tensor<16x8xf32>' in 'memref<?x24xf32>'}}
  tile.store %t, %x[%bx, %by] inside [0, 1] packed : tensor<16x8xf32>, memref<?x24xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32, strided<[9, 1]>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = arith.constant dense<0.0> : tensor<16x8xf32>
  // expected-error @+1 {{'tile.store' op packs whole rows without gaps, but got 'tensor<16x8xf32>' in 'memref<?x8xf32, strided<[9, 1]>>'}}
  tile.store %t, %x[%bx, %by] inside [0, 1] packed : tensor<16x8xf32>, memref<?x8xf32, strided<[9, 1]>>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op packs whole rows without gaps, but got 'tensor<16x8xf32>' in 'memref<?x?xf32>'}}
  %t = tile.load %x[%bx, %by] inside [0, 1] packed : memref<?x?xf32> -> tensor<16x8xf32>
  tile.return
}

// -----

// Columns, not rows, are next to each other.
tile.kernel @f(%x: memref<8x?xf32, strided<[1, 8]>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op packs whole rows without gaps, but got}}
  %t = tile.load %x[%bx, %by] inside [0, 1] packed : memref<8x?xf32, strided<[1, 8]>> -> tensor<8x16xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op packs a tile that is all 'inside', but got 'tensor<16x8xf32>' that may not be}}
  %t = tile.load %x[%bx, %by] packed : memref<?x8xf32> -> tensor<16x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = arith.constant dense<0.0> : tensor<16x8xf32>
  // expected-error @+1 {{'tile.store' op packs a tile that is all 'inside', but got 'tensor<16x8xf32>' that may not be}}
  tile.store %t, %x[%bx, %by] inside [1] add packed : tensor<16x8xf32>, memref<?x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op packs a tile in #tile.mma, but got 'tensor<64x8xf32, #tile.blocked<thread = [1, 4], lanes = [16, 2], warps = [4, 1]>>'}}
  %t = tile.load %x[%bx, %by] inside [0, 1] packed : memref<?x8xf32> -> tensor<64x8xf32, #tile.blocked<thread = [1, 4], lanes = [16, 2], warps = [4, 1]>>
  tile.return
}
