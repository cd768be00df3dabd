// RUN: seqc-opt %s --split-input-file --verify-diagnostics --tile-stage-memory
// RUN: not seqc-opt %s --split-input-file --tile-stage-memory="chip=sm_70" 2>&1 | FileCheck %s

// CHECK: error: option 'chip' must be sm_80 or sm_90a, but is 'sm_70'

!mma = tensor<128x256xf32, #tile.mma<warps = 8>>

// Two stages of 128 KiB are more than an SM has.
// expected-error @+1 {{'tile.kernel' op needs 327680 bytes of shared memory for its rings, but sm_80 has 166912}}
tile.kernel @size(%q: memref<?x256xbf16>, %k: memref<?x256xbf16>, %n: index, %o: memref<?x256xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x256xbf16> -> tensor<128x256xbf16>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (!mma) {
    %kt = tile.load %k[%j, %c0] : memref<?x256xbf16> -> tensor<256x256xbf16>
    %s = tile.dot %qt, %kt, %acc transpose_b : tensor<128x256xbf16>, tensor<256x256xbf16>, !mma
    scf.yield %s : !mma
  }
  tile.store %r, %o[%bx, %c0] : !mma, memref<?x256xf32>
  tile.return
}
