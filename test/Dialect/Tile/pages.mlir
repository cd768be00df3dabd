// RUN: %roundtrip
// RUN: seqc-opt %s --tile-stage-memory=chip=sm_80 --tile-pipeline --canonicalize --cse | FileCheck %s --check-prefix=PIPELINE
// RUN: seqc-opt %s --tile-stage-memory=chip=sm_90a --canonicalize --cse --tile-warp-roles | FileCheck %s --check-prefix=ROLES

!view = memref<?x?x32x64xbf16, strided<[?, ?, ?, 1], offset: ?>>

// Each tile has two pages and ends with the sequence.
// CHECK-LABEL: tile.kernel @pages(
// CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] pages(%{{.*}}) rows(%{{.*}}) : memref<?x?x32x64xbf16, strided<[?, ?, ?, 1], offset: ?>> -> tensor<64x64xbf16>

// Pages are looked up in front of the wait, copies start behind it.
// PIPELINE-LABEL: tile.kernel @pages(
// PIPELINE: %[[RING:.*]] = tile.make_ring
// PIPELINE: tile.put %[[RING]][%c0], %{{.*}}[%{{.*}}, %{{.*}}, %c0, %c0] pages(%{{.*}}) rows(%{{.*}}) when
// PIPELINE: scf.for %[[J:[a-z0-9]+]] =
// PIPELINE: %[[NEXT:.*]] = arith.addi %[[J]], %c64
// PIPELINE: %[[FIRST:.*]] = memref.load %[[TABLE:.*]][%{{.*}}, %{{.*}}] : memref<?x?xi32>
// PIPELINE: %[[P0:.*]] = arith.index_cast %[[FIRST]]
// PIPELINE: %[[SECOND:.*]] = memref.load %[[TABLE]]
// PIPELINE: %[[P1:.*]] = arith.index_cast %[[SECOND]]
// PIPELINE: tile.get %[[RING]]
// PIPELINE-NEXT: tile.put %[[RING]][%{{.*}}], %{{.*}}[%[[P0]], %{{.*}}, %c0, %c0] pages(%[[P1]]) rows(%{{.*}}) when
// PIPELINE: tile.dot

// The copy engine cannot do it: all threads copy.
// ROLES-LABEL: tile.kernel @pages(
// ROLES-NOT: tile.roles
// ROLES: tile.put {{.*}} pages(
// ROLES-NOT: tile.roles
// ROLES: tile.return
tile.kernel @pages(%k: !view, %table: memref<?x?xi32>, %n: index, %o: memref<?x64xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (tensor<64x64xf32, #tile.mma<warps = 4>>) {
    %i = arith.divui %j, %c32 : index
    %next = arith.addi %i, %c1 : index
    %a = memref.load %table[%bz, %i] : memref<?x?xi32>
    %b = memref.load %table[%bz, %next] : memref<?x?xi32>
    %p0 = arith.index_cast %a : i32 to index
    %p1 = arith.index_cast %b : i32 to index
    %rows = arith.subi %n, %j : index
    %t = tile.load %k[%p0, %by, %c0, %c0] pages(%p1) rows(%rows) : !view -> tensor<64x64xbf16>
    %x = tile.dot %t, %t, %acc transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    scf.yield %x : tensor<64x64xf32, #tile.mma<warps = 4>>
  }
  tile.store %r, %o[%bx, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
  tile.return
}
