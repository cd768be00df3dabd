// RUN: %invalid

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.iota' op needs a dimension of its result 'tensor<64xi32>', but got 1}}
  %0 = tile.iota 1 : tensor<64xi32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.iota' op needs a result of integers, but got 'tensor<64xf32>'}}
  %0 = tile.iota 0 : tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%x: f32, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.ramp' op needs a dimension of its result 'tensor<64xf32>', but got 1}}
  %0 = tile.ramp %x, %x along 1 : tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x8xf32>
  // expected-error @+1 {{'tile.reduce' op needs a dimension of 'tensor<64x8xf32>', but got 2}}
  %1 = tile.reduce add %0 along 2 : tensor<64x8xf32> -> tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x8xf32>
  // expected-error @+1 {{'tile.reduce' op along dimension 1 of 'tensor<64x8xf32>' goes with 'tensor<64xf32>', but got 'tensor<8xf32>'}}
  %1 = tile.reduce add %0 along 1 : tensor<64x8xf32> -> tensor<8xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64xf32>
  // expected-error @+1 {{'tile.reduce' op needs a tile of at least two dimensions, but got 'tensor<64xf32>'}}
  %1 = tile.reduce add %0 along 0 : tensor<64xf32> -> tensor<1xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x8xf32, #tile.mma<warps = 4>>
  // expected-error @+1 {{goes with layout #tile.slice<dim = 1, of = #tile.mma<warps = 4>>, but got 'tensor<64xf32>'}}
  %1 = tile.reduce add %0 along 1 : tensor<64x8xf32, #tile.mma<warps = 4>> -> tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
  // expected-error @+1 {{'tile.broadcast' op needs both tiles with a layout or both without, but got 'tensor<64x8xf32>' and 'tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>'}}
  %1 = tile.broadcast %0 along 1 : tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>> -> tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64xf32>
  // expected-error @+1 {{'tile.broadcast' op along dimension 0 of 'tensor<64x8xf32>' goes with 'tensor<8xf32>', but got 'tensor<64xf32>'}}
  %1 = tile.broadcast %0 along 0 : tensor<64xf32> -> tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x24xf32>
  // expected-error @+1 {{'tile.fold' op keeps the rows and divides the columns, but goes from 'tensor<64x24xf32>' to 'tensor<64x16xf32>'}}
  %1 = tile.fold add %0 : tensor<64x24xf32> -> tensor<64x16xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x24xf32, #tile.mma<warps = 4>>
  // expected-error @+1 {{'tile.fold' op keeps the layout, but goes from}}
  %1 = tile.fold add %0 : tensor<64x24xf32, #tile.mma<warps = 4>> -> tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x24xf32>
  // expected-error @+1 {{'tile.convert' op keeps the shape and the elements, but goes from 'tensor<64x24xf32>' to 'tensor<64x24xf16>'}}
  %1 = tile.convert %0 : tensor<64x24xf32> -> tensor<64x24xf16>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x32xf32, #tile.mma<warps = 4>>
  // expected-error @+1 {{'tile.convert' op cannot go from #tile.mma<warps = 4> to #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>: threads would exchange elements, which takes shared memory}}
  %1 = tile.convert %0 : tensor<64x32xf32, #tile.mma<warps = 4>> -> tensor<64x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
  tile.return
}

// -----

tile.kernel @f(%x: memref<64x32xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.load %x[%bx, %by] : memref<64x32xf32> -> tensor<64x32xf32>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32>
  %2 = arith.constant dense<0.0> : tensor<64x32xbf16>
  // expected-error @+1 {{'tile.dot' op needs factors of one element type, but they are 'tensor<64x32xf32>' and 'tensor<64x32xbf16>'}}
  %3 = tile.dot %0, %2, %1 transpose_b : tensor<64x32xf32>, tensor<64x32xbf16>, tensor<64x64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0> : tensor<64x64xi8>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.dot' op needs factors of type f16, bf16 or f32, but got 'i8'}}
  %3 = tile.dot %0, %0, %1 : tensor<64x64xi8>, tensor<64x64xi8>, tensor<64x64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x64xf16>
  // expected-error @+1 {{'tile.dot' op accumulates in f32, but got 'tensor<64x64xf16>'}}
  %3 = tile.dot %0, %0, %0 : tensor<64x64xf16>, tensor<64x64xf16>, tensor<64x64xf16>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x32xf16>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.dot' op needs factors with one inner dimension, but it is 32 in 'tensor<64x32xf16>' and 64 in 'tensor<64x32xf16>'}}
  %3 = tile.dot %0, %0, %1 : tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x24xf16>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.dot' op needs an inner dimension that is a multiple of 16, but it is 24}}
  %3 = tile.dot %0, %0, %1 transpose_b : tensor<64x24xf16>, tensor<64x24xf16>, tensor<64x64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x32xf16>
  %1 = arith.constant dense<0.0> : tensor<64x32xf32>
  // expected-error @+1 {{'tile.dot' op of 'tensor<64x32xf16>' and 'tensor<64x32xf16>' is 64x64, but the accumulator is 'tensor<64x32xf32>'}}
  %3 = tile.dot %0, %0, %1 transpose_b : tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64xf16>
  %1 = arith.constant dense<0.0> : tensor<64x32xf32>
  // expected-error @+1 {{'tile.dot' op operand 'a' must be 2-D, but is of type 'tensor<64xf16>'}}
  %3 = tile.dot %0, %0, %1 transpose_b : tensor<64xf16>, tensor<64xf16>, tensor<64x32xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x64xf16>
  %s = tile.alloc : !tile.shared<64x64xf16>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
  // expected-error @+1 {{'tile.dot' op has its result in #tile.mma, but got #tile.blocked}}
  %3 = tile.dot %s, %s, %1 : !tile.shared<64x64xf16>, !tile.shared<64x64xf16>, tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x64xf16>
  %s = tile.alloc : !tile.shared<64x64xf16>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  // expected-error @+1 {{'tile.dot' op takes 'a' from shared memory or in #tile.mma<warps = 4>, but got 'tensor<64x64xf16>'}}
  %3 = tile.dot %0, %s, %1 : tensor<64x64xf16>, !tile.shared<64x64xf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x64xf16, #tile.mma<warps = 4>>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %2 = arith.constant dense<0.0> : tensor<64x64xf16>
  // expected-error @+1 {{'tile.dot' op takes 'b' from shared memory, but got 'tensor<64x64xf16>'}}
  %3 = tile.dot %0, %2, %1 : tensor<64x64xf16, #tile.mma<warps = 4>>, tensor<64x64xf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
  tile.return
}

// -----

tile.kernel @f(%x: memref<64x32xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.load %x[%bx, %by] : memref<64x32xf32> -> tensor<64x32xf32>
  %1 = arith.constant dense<0.0> : tensor<32x32xf32>
  // expected-error @+1 {{'tile.dot' op transposes 'a' of 16-bit elements only, but got 'f32'}}
  %3 = tile.dot %0, %0, %1 transpose_a : tensor<64x32xf32>, tensor<64x32xf32>, tensor<32x32xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x32xf16>
  %1 = arith.constant dense<0.0> : tensor<32x32xf16>
  %2 = arith.constant dense<0.0> : tensor<32x32xf32>
  // expected-error @+1 {{'tile.dot' op needs factors with one inner dimension, but it is 64 in 'tensor<64x32xf16>' (transposed) and 32 in 'tensor<32x32xf16>'}}
  %3 = tile.dot %0, %1, %2 transpose_a : tensor<64x32xf16>, tensor<32x32xf16>, tensor<32x32xf32>
  tile.return
}

// -----

// Its rows are the columns of a.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x32xf16>
  %1 = arith.constant dense<0.0> : tensor<64x32xf32>
  // expected-error @+1 {{'tile.dot' op of 'tensor<64x32xf16>' and 'tensor<64x32xf16>' is 32x32, but the accumulator is 'tensor<64x32xf32>'}}
  %3 = tile.dot %0, %0, %1 transpose_a : tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x64xf16, #tile.mma<warps = 4>>
  %1 = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.dot' op has an accumulator without a layout, but a factor 'tensor<64x64xf16, #tile.mma<warps = 4>>'}}
  %3 = tile.dot %0, %0, %1 : tensor<64x64xf16, #tile.mma<warps = 4>>, tensor<64x64xf16, #tile.mma<warps = 4>>, tensor<64x64xf32>
  tile.return
}

// -----

tile.kernel @f(%c: tensor<64x8xi1>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}
// expected-error @-3 {{'tile.kernel' op argument 0 must be a memref or a scalar}}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64xf32>
  %g = arith.constant dense<1> : tensor<64x8xi32>
  // expected-error @+1 {{'tile.update_where' op needs a condition of i1, but got 'tensor<64x8xi32>'}}
  %r = tile.update_where %g(%m) warps 4 {
    tile.yield %m : tensor<64xf32>
  } : tensor<64x8xi32>, tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<32xf32>
  %g = arith.constant dense<true> : tensor<32xi1>
  // expected-error @+1 {{'tile.update_where' op needs tiles of one or two dimensions with a multiple of 64 rows, but got 'tensor<32xi1>'}}
  %r = tile.update_where %g(%m) warps 4 {
    tile.yield %m : tensor<32xf32>
  } : tensor<32xi1>, tensor<32xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<128xf32>
  %g = arith.constant dense<true> : tensor<64xi1>
  // expected-error @+1 {{'tile.update_where' op needs tiles of as many rows, 64, as the condition, but got 'tensor<128xf32>'}}
  %r = tile.update_where %g(%m) warps 4 {
    tile.yield %m : tensor<128xf32>
  } : tensor<64xi1>, tensor<128xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
  %g = arith.constant dense<true> : tensor<64xi1>
  // expected-error @+1 {{'tile.update_where' op needs all tiles with a layout or all without}}
  %r = tile.update_where %g(%m) warps 4 {
    tile.yield %m : tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
  } : tensor<64xi1>, tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64xf32>
  %g = arith.constant dense<true> : tensor<64xi1>
  %r = tile.update_where %g(%m) warps 4 {
    // expected-error @+1 {{'tile.yield' op yields ('tensor<64xi1>'), but the results are ('tensor<64xf32>')}}
    tile.yield %g : tensor<64xi1>
  } : tensor<64xi1>, tensor<64xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64x8xf32>
  // expected-error @+1 {{'tile.any' op needs a tile of i1, but got 'tensor<64x8xf32>'}}
  %r = tile.any %m : tensor<64x8xf32>
  tile.return
}

// -----

// A warp that does not take part has no vote.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64x8xf32>
  %g = arith.constant dense<true> : tensor<64x8xi1>
  %r = tile.update_where %g(%m) warps 4 {
    // expected-error @+1 {{'tile.any' op cannot be in tile.update_where: it combines rows}}
    %any = tile.any %g : tensor<64x8xi1>
    tile.yield %m : tensor<64x8xf32>
  } : tensor<64x8xi1>, tensor<64x8xf32>
  tile.return
}

// -----

// A warp that does not take part has no rows to give.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64x8xf32>
  %g = arith.constant dense<true> : tensor<64xi1>
  %r = tile.update_where %g(%m) warps 4 {
    // expected-error @+1 {{'tile.reduce' op cannot be in tile.update_where: it combines rows}}
    %0 = tile.reduce max %m along 0 : tensor<64x8xf32> -> tensor<8xf32>
    tile.yield %m : tensor<64x8xf32>
  } : tensor<64xi1>, tensor<64x8xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = arith.constant dense<0.0> : tensor<64xf32>
  %g = arith.constant dense<true> : tensor<64xi1>
  %r = tile.update_where %g(%m) warps 4 {
    // expected-error @+1 {{'tile.store' op cannot be in tile.update_where: it must have no effects and no regions}}
    tile.store %m, %x[%bx] : tensor<64xf32>, memref<64xf32>
    tile.yield %m : tensor<64xf32>
  } : tensor<64xi1>, tensor<64xf32>
  tile.return
}
