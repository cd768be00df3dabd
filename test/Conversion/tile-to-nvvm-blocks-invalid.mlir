// RUN: %invalid --convert-tile-to-nvvm=chip=sm_90a

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.for_each_block' op needs tile.roles in it, for a role that takes blocks for the others}}
  tile.for_each_block (%x, %y, %z) {
  }
  tile.return
}

// -----

tile.kernel @f(%o: memref<?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant dense<0.0> : tensor<128xf32, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>
  tile.for_each_block (%x, %y, %z) {
    // expected-error @+1 {{'tile.roles' op in tile.for_each_block needs two roles, and a first one that only computes numbers and starts copies}}
    tile.roles warps [4] registers [0] {
      tile.store %c0, %o[%x] : tensor<128xf32, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>, memref<?xf32>
    }
  }
  tile.return
}
