// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_80 --split-input-file --verify-diagnostics

#mma = #tile.mma<warps = 4>

// More shared memory than a block can have.
// expected-error @below {{'tile.kernel' op needs 196608 bytes of shared memory, but a block of sm_80 has 166912; use smaller tiles or fewer stages}}
tile.kernel @large(%x: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<6 x 128x128xbf16>
  tile.put %r[%c0], %x[%bx, %c0] : !tile.ring<6 x 128x128xbf16>, memref<?x128xbf16>
  %s = tile.get %r[%c0] : !tile.ring<6 x 128x128xbf16>
  tile.return
}

// -----

// Roles hand over by what only sm_90 has.
tile.kernel @roles(%x: memref<?x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'tile.make_ring' op is shared by roles, which needs the copy engine of sm_90}}
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %r[%c0], %x[%bx, %c0] : !tile.ring<1 x 64x64xbf16>, memref<?x64xbf16>
  }, {
    %s = tile.get %r[%c0] : !tile.ring<1 x 64x64xbf16>
    tile.release %r[%c0] : !tile.ring<1 x 64x64xbf16>
  }
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

tile.kernel @wgmma(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %q = tile.alloc : !tile.shared<64x64xbf16>
  // expected-error @below {{'tile.mma_async' op needs sm_90a, but the kernel is for sm_80}}
  // expected-error @below {{failed to legalize operation 'tile.mma_async'}}
  %a = tile.mma_async %q, %q transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s = tile.wait %a : !tile.async<tensor<64x64xf32, #mma>>
  tile.return
}

// -----

// Registers of 32 bits hold two elements.
tile.kernel @odd(%x: memref<?xf16>, %y: memref<?xf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] : memref<?xf16> -> tensor<128xf16, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>
  // expected-error @below {{'tile.ready' op needs an even number of elements in each thread}}
  // expected-error @below {{failed to legalize operation 'tile.ready'}}
  %r = tile.ready %t : tensor<128xf16, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>
  tile.store %r, %y[%c0] : tensor<128xf16, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>, memref<?xf16>
  tile.return
}
