// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --split-input-file --verify-diagnostics

// The columns have to be the last dimension, and contiguous.
tile.kernel @columns(%x: memref<?x64xbf16, strided<[?, ?]>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    // expected-error @below {{'tile.put' op of 'memref<?x64xbf16, strided<[?, ?]>>' cannot be done by the copy engine: the columns must be its last dimension, of stride 1}}
    tile.put %r[%c0], %x[%bx, %c0] : !tile.ring<1 x 64x64xbf16>, memref<?x64xbf16, strided<[?, ?]>>
  }, {
    %s = tile.get %r[%c0] : !tile.ring<1 x 64x64xbf16>
    tile.release %r[%c0] : !tile.ring<1 x 64x64xbf16>
  }
  tile.return
}

// -----

// A descriptor has five dimensions.
tile.kernel @rank(%x: memref<2x2x2x2x?x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    // expected-error @below {{cannot be done by the copy engine: it has more than 5 dimensions}}
    tile.put %r[%c0], %x[%c0, %c0, %c0, %c0, %bx, %c0] : !tile.ring<1 x 64x64xbf16>, memref<2x2x2x2x?x64xbf16>
  }, {
    %s = tile.get %r[%c0] : !tile.ring<1 x 64x64xbf16>
    tile.release %r[%c0] : !tile.ring<1 x 64x64xbf16>
  }
  tile.return
}
