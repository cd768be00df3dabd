// RUN: %invalid

tile.kernel @f(%k: memref<?x16x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs a number of pages that divides the 64 rows of the tile, but got 3}}
  %t = tile.load %k[%bx, %by, %bz] pages(%bx, %by) : memref<?x16x64xbf16> -> tensor<64x64xbf16>
  tile.return
}

// -----

tile.kernel @f(%k: memref<?x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op needs rows that are not dimension 0 of the view, which is that of its pages}}
  %t = tile.load %k[%bx, %by] pages(%bx) : memref<?x64xbf16> -> tensor<64x64xbf16>
  tile.return
}

// -----

tile.kernel @f(%k: memref<?x16x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.load' op has 'inside', which says that all rows are read, beside 'pages' or 'rows'}}
  %t = tile.load %k[%bx, %by, %bz] rows(%bx) inside [0] : memref<?x16x64xbf16> -> tensor<16x64xbf16>
  tile.return
}

// -----

tile.kernel @f(%k: memref<?x16x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  // expected-error @+1 {{'tile.put' op needs a number of pages that divides the 64 rows of the tile, but got 3}}
  tile.put %r[%bx], %k[%bx, %by, %bz] pages(%bx, %by) : !tile.ring<1 x 64x64xbf16>, memref<?x16x64xbf16>
  %t = tile.get %r[%bx] : !tile.ring<1 x 64x64xbf16>
  tile.return
}
