// RUN: %invalid

func.func @f() {
  // expected-error @+1 {{'tile.for_each_block' op must be at the top level of a tile.kernel}}
  tile.for_each_block (%x, %y, %z) {
  }
  return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{expected 3 indices of a block, but got 2}}
  tile.for_each_block (%x, %y) {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.for_each_block' op must have all roles inside and be the only one in its kernel, but there is tile.for_each_block}}
  tile.for_each_block (%x, %y, %z) {
  }
  tile.for_each_block (%x, %y, %z) {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  tile.for_each_block (%x, %y, %z) numbers (%n = %c0) {
    // expected-error @+1 {{'tile.yield' op yields (), but the loop has 1 numbers of index}}
    tile.yield
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  scf.execute_region {
    // expected-error @+1 {{'tile.roles' op must be at the top level of a tile.kernel or of its tile.for_each_block}}
    tile.roles warps [4] registers [0] {
    }
    scf.yield
  }
  tile.return
}
