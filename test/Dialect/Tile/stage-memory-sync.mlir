// RUN: seqc-opt %s --pass-pipeline='builtin.module(tile.kernel(tile-assign-layouts,tile-stage-memory{chip=sm_90a}))' | FileCheck %s

// Four warps on sm_90a multiply asynchronously, unless the kernel asks for
// products that are over at once.
// CHECK-LABEL: tile.kernel @async(
// CHECK: tile.mma_async
tile.kernel @async(%x: memref<?x64xbf16, strided<[?, 1], offset: ?>>, %y: memref<?x64xbf16, strided<[?, 1], offset: ?>>, %o: memref<?x32xf32, strided<[?, 1], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x32xf32>
  %a = tile.load %x[%c0, %c0] : memref<?x64xbf16, strided<[?, 1], offset: ?>> -> tensor<64x64xbf16>
  %b = tile.load %y[%c0, %c0] : memref<?x64xbf16, strided<[?, 1], offset: ?>> -> tensor<32x64xbf16>
  %s = tile.dot %a, %b, %zero transpose_b : tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<64x32xf32>
  tile.store %s, %o[%c0, %c0] : tensor<64x32xf32>, memref<?x32xf32, strided<[?, 1], offset: ?>>
  tile.return
}

// CHECK-LABEL: tile.kernel @sync(
// CHECK-NOT: tile.mma_async
// CHECK: tile.dot
// CHECK-NOT: tile.mma_async
tile.kernel @sync(%x: memref<?x64xbf16, strided<[?, 1], offset: ?>>, %y: memref<?x64xbf16, strided<[?, 1], offset: ?>>, %o: memref<?x32xf32, strided<[?, 1], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {tile.sync_products, warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x32xf32>
  %a = tile.load %x[%c0, %c0] : memref<?x64xbf16, strided<[?, 1], offset: ?>> -> tensor<64x64xbf16>
  %b = tile.load %y[%c0, %c0] : memref<?x64xbf16, strided<[?, 1], offset: ?>> -> tensor<32x64xbf16>
  %s = tile.dot %a, %b, %zero transpose_b : tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<64x32xf32>
  tile.store %s, %o[%c0, %c0] : tensor<64x32xf32>, memref<?x32xf32, strided<[?, 1], offset: ?>>
  tile.return
}
