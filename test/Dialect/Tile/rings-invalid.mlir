// RUN: %invalid

tile.kernel @f(%q: memref<?x128xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  // expected-error @+1 {{'tile.put' op moves elements of type 'bf16', but those of the view are 'f32'}}
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xf32>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  // expected-error @+1 {{'tile.put' op needs an offset for each of the 2 dimensions of the view, but got 1}}
  tile.put %r[%bx], %q[%bx] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  // expected-error @+1 {{'tile.put' op needs a tile of 1 to 1 dimensions, the view's, but it has 2}}
  tile.put %r[%bx], %q[%bx] : !tile.ring<1 x 64x128xbf16>, memref<128xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.make_ring' op makes a ring with tile.get but without tile.put}}
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.make_ring' op makes a ring with tile.put but without tile.get}}
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  // expected-error @+1 {{'tile.get' op needs 'pending' of at least 0, but got -1}}
  %t = tile.get %r[%bx] pending -1 : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  %u = tile.get %r[%by] : !tile.ring<1 x 64x128xbf16>
  // expected-error @+1 {{'tile.release' op leaves its block with 2 tile.get and 1 tile.release of one ring, which must be as many}}
  tile.release %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

// A stage is got outside of the loop and given back in it.
tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  // expected-error @+1 {{'tile.get' op leaves its block with 1 tile.get and 0 tile.release of one ring, which must be as many}}
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  scf.for %i = %bx to %by step %bz {
    tile.release %r[%bx] : !tile.ring<1 x 64x128xbf16>
  }
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.make_ring' op makes a ring of 1 stages that takes 2 copies and is never released}}
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  tile.put %r[%by], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  scf.for %i = %bx to %by step %bz {
    // expected-error @+1 {{'tile.put' op is in a loop, but its ring is never released}}
    tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  }
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  // expected-note @+1 {{which is here}}
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    // expected-error @+1 {{'tile.put' op is in another role than the first tile.put of its ring}}
    tile.put %r[%by], %q[%bx, %by] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16>
  }, {
    %t = tile.get %r[%bx] : !tile.ring<2 x 64x128xbf16>
  }
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %r[%by], %q[%bx, %by] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16>
    // expected-error @+1 {{'tile.release' op gives back a stage that this role does not get}}
    tile.release %r[%by] : !tile.ring<2 x 64x128xbf16>
  }, {
    %t = tile.get %r[%bx] : !tile.ring<2 x 64x128xbf16>
  }
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x128xbf16>, %c: i1, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  %s = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  // expected-error @+1 {{'arith.select' op uses a ring, which only tile.put, tile.get and tile.release may}}
  %t = arith.select %c, %r, %s : !tile.ring<2 x 64x128xbf16>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xbf16>
  %t = arith.constant dense<0.0> : tensor<64x128xbf16>
  // expected-error @+1 {{'tile.shared_store' op needs a 1-D or 2-D tile that fits in '!tile.shared<64x64xbf16>', of its element type, but got 'tensor<64x128xbf16>'}}
  tile.shared_store %t, %s : tensor<64x128xbf16>, !tile.shared<64x64xbf16>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xbf16>
  // expected-error @+1 {{'tile.shared_load' op needs a 1-D or 2-D tile that fits in '!tile.shared<64x64xbf16>', of its element type, but got 'tensor<64x64xf16>'}}
  %t = tile.shared_load %s : !tile.shared<64x64xbf16> -> tensor<64x64xf16>
  tile.return
}

// -----

// A row has 64 elements.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  // expected-error @+1 {{'tile.shared_load' op needs a 1-D or 2-D tile that fits in '!tile.shared<2x64xf32, pitch 64>', of its element type, but got 'tensor<128xf32>'}}
  %t = tile.shared_load %s : !tile.shared<2x64xf32, pitch 64> -> tensor<128xf32>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %s = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  %t = arith.constant dense<0.0> : tensor<64xf32>
  // expected-error @+1 {{'tile.shared_store' op needs 'tensor<64xf32>' inside of '!tile.shared<2x64xf32, pitch 64>', but its row is 2}}
  tile.shared_store %t, %s[%c2, %c0] : tensor<64xf32>, !tile.shared<2x64xf32, pitch 64>
  tile.return
}
