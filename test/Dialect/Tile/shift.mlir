// RUN: %roundtrip
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-assign-layouts))" | FileCheck %s --check-prefix=LAYOUT
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-assign-layouts),convert-tile-to-nvvm{chip=sm_80})" | FileCheck %s --check-prefix=THREAD

// A thread has whole blocks, so that a shift only renames its registers: of two
// loads of 16 bytes.
// LAYOUT: tile.shift {{.*}} by 3 block 8 : tensor<4x256xbf16, #tile.blocked<thread = [1, 8], lanes = [1, 32], warps = [4, 1]>>
// THREAD-COUNT-2: nvx.load {{.*}} : vector<8xbf16>
// THREAD-NOT: nvx.load
// THREAD-NOT: nvvm.shfl.sync bfly
// THREAD: vector.extract %[[OLD:.*]][5] : bf16 from vector<8xbf16>
// THREAD: nvx.store {{.*}} : vector<8xbf16>
// CHECK-LABEL: tile.kernel @shift
tile.kernel @shift(%x: memref<4x1024xbf16>, %y: memref<4x1024xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c256 = arith.constant 256 : index
  %c248 = arith.constant 248 : index
  %now = tile.load %x[%c0, %c256] : memref<4x1024xbf16> -> tensor<4x256xbf16>
  %before = tile.load %x[%c0, %c248] : memref<4x1024xbf16> -> tensor<4x256xbf16>
  // CHECK: tile.shift %{{.*}}, %{{.*}} by 3 block 8 : tensor<4x256xbf16>
  %s = tile.shift %now, %before by 3 block 8 : tensor<4x256xbf16>
  tile.store %s, %y[%c0, %c256] : tensor<4x256xbf16>, memref<4x1024xbf16>
  tile.return
}
