// RUN: seqc-opt %s --canonicalize | FileCheck %s

#mma = #tile.mma<warps = 4>

// A layout added and dropped again.
// CHECK-LABEL: tile.kernel @convert
// CHECK-NOT: tile.convert
// CHECK: tile.store
tile.kernel @convert(%x: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %0 = tile.load %x[%bx, %by] : memref<?x64xf32> -> tensor<64x64xf32>
  %1 = tile.convert %0 : tensor<64x64xf32> -> tensor<64x64xf32, #mma>
  %2 = tile.convert %1 : tensor<64x64xf32, #mma> -> tensor<64x64xf32>
  %3 = tile.convert %2 : tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %3, %x[%bx, %by] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}
