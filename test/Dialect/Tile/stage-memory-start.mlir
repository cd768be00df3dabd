// RUN: seqc-opt %s --tile-stage-memory="chip=sm_90a" | FileCheck %s
// RUN: seqc-opt %s --tile-stage-memory="chip=sm_80" | FileCheck %s --check-prefix=SYNC

!mma = tensor<64x64xf32, #tile.mma<warps = 4>>
!rows = tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>

// An asynchronous product does not start from rows: they are added when it is
// over. Products in step do.
// CHECK-LABEL: tile.kernel @start(
// CHECK: %[[ROWS:.*]] = tile.broadcast
// CHECK: %[[A:.*]] = tile.mma_async %{{.*}}, %{{.*}} transpose_b
// CHECK-NOT: acc
// CHECK: %[[D:.*]] = tile.wait %[[A]]
// CHECK: %[[SUM:.*]] = arith.addf %[[D]], %[[ROWS]]
// CHECK: tile.store %[[SUM]]
// SYNC-LABEL: tile.kernel @start(
// SYNC: %[[ROWS:.*]] = tile.broadcast
// SYNC: %[[D:.*]] = tile.dot %{{.*}}, %{{.*}}, %[[ROWS]] transpose_b
// SYNC: tile.store %[[D]]
tile.kernel @start(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %r: memref<?xf32>,
                   %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %kt = tile.load %k[%by, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %rt = tile.load %r[%bx] : memref<?xf32> -> !rows
  %start = tile.broadcast %rt along 1 : !rows -> !mma
  %d = tile.dot %qt, %kt, %start transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, !mma
  tile.store %d, %o[%bx, %c0] : !mma, memref<?x64xf32>
  tile.return
}
