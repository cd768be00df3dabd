// RUN: %invalid

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.begin_turn' op needs 'tile.end_turn' behind it in its block}}
    tile.begin_turn
  }
  tile.return
}

// -----

// A turn does not begin in another one.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.begin_turn' op needs 'tile.end_turn' behind it in its block}}
    tile.begin_turn
    tile.begin_turn
    tile.end_turn
  }
  tile.return
}

// -----

// It does not end in a branch, either.
tile.kernel @f(%c: i1, %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.begin_turn' op needs 'tile.end_turn' behind it in its block}}
    tile.begin_turn
    scf.if %c {
      tile.end_turn
    }
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  // expected-error @+1 {{'tile.begin_turn' op must be in the last role of 'tile.roles', whose groups of warps take turns}}
  tile.begin_turn
  tile.end_turn
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [8, 8] registers [0, 0] {
    // expected-error @+1 {{'tile.begin_turn' op must be in the last role of 'tile.roles', whose groups of warps take turns}}
    tile.begin_turn
    tile.end_turn
  }, {
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.roles warps [4, 4] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.begin_turn' op needs two or more groups of 4 warps, but the role has 4 warps}}
    tile.begin_turn
    tile.end_turn
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 6 : i64} {
  tile.roles warps [4, 6] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.begin_turn' op needs two or more groups of 4 warps, but the role has 6 warps}}
    tile.begin_turn
    tile.end_turn
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    %m = arith.constant dense<0.0> : tensor<128xf32>
    %g = arith.constant dense<true> : tensor<128xi1>
    %r = tile.update_where %g(%m) warps 8 {
      // expected-error @+1 {{'tile.begin_turn' op cannot be in 'tile.update_where', where some warps do not come}}
      tile.begin_turn
      tile.end_turn
      tile.yield %m : tensor<128xf32>
    } : tensor<128xi1>, tensor<128xf32>
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    // expected-error @+1 {{'tile.end_turn' op needs 'tile.begin_turn' in front of it in its block}}
    tile.end_turn
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  tile.roles warps [4, 8] registers [0, 0] {
  }, {
    tile.begin_turn
    tile.end_turn
    // expected-error @+1 {{'tile.end_turn' op needs 'tile.begin_turn' in front of it in its block}}
    tile.end_turn
  }
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %g = arith.constant dense<true> : tensor<64xi1>
  // expected-error @+1 {{'tile.ready' op needs elements of 16 or 32 bits, but got 'i1'}}
  %r = tile.ready %g : tensor<64xi1>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %d = arith.constant dense<0.0> : tensor<64xf64>
  // expected-error @+1 {{'tile.ready' op needs elements of 16 or 32 bits, but got 'f64'}}
  %r = tile.ready %d : tensor<64xf64>
  tile.return
}
