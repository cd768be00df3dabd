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
