// RUN: %invalid

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.roles' op needs 'warps' and 'registers' for each of its 2 roles, but got 1 and 2}}
  tile.roles warps [4] registers [0, 0] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.roles' op needs at least one warp in role 0, but got 0}}
  tile.roles warps [0, 4] registers [0, 0] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.roles' op gives out registers, so role 0 needs a multiple of 4 warps, but has 1}}
  tile.roles warps [1, 4] registers [0, 232] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.roles' op needs a multiple of 8 from 24 to 256, or 0, as the registers of role 1, but got 230}}
  tile.roles warps [4, 4] registers [24, 230] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 12 : i64} {
  // expected-error @+1 {{'tile.roles' op gives out 99328 registers, but a block has 65536}}
  tile.roles warps [4, 12] registers [56, 240] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 32 : i64} {
  // expected-error @+1 {{'tile.roles' op has at most 32 warps in all, but got 36}}
  tile.roles warps [4, 32] registers [0, 0] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  // expected-error @+1 {{'tile.roles' op computes in its last role with 4 warps, but the kernel has 8}}
  tile.roles warps [4, 4] registers [0, 0] {
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%c: i1, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  scf.if %c {
    // expected-error @+1 {{'tile.roles' op must be at the top level of a tile.kernel}}
    tile.roles warps [4, 4] registers [0, 0] {
    }, {
    }
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.roles warps [4] registers [0] {
  }
  // expected-error @+1 {{'tile.roles' op is the second of its kernel, which has one at most}}
  tile.roles warps [4] registers [0] {
  }
  tile.return
}

// -----

tile.kernel @f(%x: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %t = tile.load %x[%bx] : memref<64xf32> -> tensor<64xf32>
  tile.roles warps [4, 4] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.store' op in role 1 uses a value of type 'tensor<64xf32>' from outside of it: roles talk through rings only}}
    tile.store %t, %x[%bx] : tensor<64xf32>, memref<64xf32>
  }
  tile.return
}
