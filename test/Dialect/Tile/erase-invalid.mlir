// RUN: seqc-opt %s --tile-erase-async --split-input-file --verify-diagnostics

// The role that gets runs first.
tile.kernel @f(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.make_ring' op is not supported here: the role that puts must stand before the one that gets}}
  %r = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    %t = tile.get %r[%bx] : !tile.ring<2 x 64x128xbf16>
  }, {
    tile.put %r[%by], %q[%bx, %by] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16>
  }
  tile.return
}

// -----

tile.kernel @f(%c: i1, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %a = tile.alloc : !tile.shared<64x64xf32>
  %b = tile.alloc : !tile.shared<64x64xf32>
  // expected-error @+1 {{'arith.select' op is not supported here: shared memory goes from tile.get or tile.alloc to what reads it}}
  %s = arith.select %c, %a, %b : !tile.shared<64x64xf32>
  %t = tile.shared_load %s : !tile.shared<64x64xf32> -> tensor<64x64xf32>
  tile.return
}
