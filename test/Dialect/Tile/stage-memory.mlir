// RUN: seqc-opt %s --tile-stage-memory="chip=sm_80" | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: seqc-opt %s --tile-stage-memory="chip=sm_90a" | FileCheck %s --check-prefixes=CHECK,SM90

!mma = tensor<64x64xf32, #tile.mma<warps = 4>>

// Loads that feed products become copies to rings: one stage outside of loops,
// the schedule's number inside. On sm_90a products of 16-bit tiles run on
// their own. A 16-bit result goes through shared memory, to be
// stored in rows of 16 bytes.
// CHECK-LABEL: tile.kernel @attend(
// CHECK-DAG: %[[Q:.*]] = tile.make_ring : !tile.ring<1 x 64x64xbf16>
// CHECK-DAG: %[[K:.*]] = tile.make_ring : !tile.ring<2 x 64x64xbf16>
// CHECK: tile.put %[[Q]][%c0]
// CHECK: scf.for
// CHECK: tile.put %[[K]][%[[N:.*]]],
// CHECK: %[[KT:.*]] = tile.get %[[K]][%[[N]]]
// SM80: tile.dot %{{.*}}, %[[KT]]
// SM90: %[[A:.*]] = tile.mma_async %{{.*}}, %[[KT]]
// SM90: tile.wait %[[A]]
// CHECK: tile.release %[[K]][%[[N]]]
// CHECK: tile.release %[[Q]]
// CHECK: tile.barrier
// CHECK: tile.shared_store
// CHECK: tile.barrier
// CHECK: tile.shared_load {{.*}} -> tensor<64x64xbf16, #tile.blocked<thread = [1, 8]
// CHECK: tile.store {{.*}} : tensor<64x64xbf16, #tile.blocked
tile.kernel @attend(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index, %o: memref<?x64xbf16>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64, tile.stages = 2 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (!mma) {
    %kt = tile.load %k[%j, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
    %s = tile.dot %qt, %kt, %acc transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, !mma
    scf.yield %s : !mma
  }
  %h = arith.truncf %r : !mma to tensor<64x64xbf16, #tile.mma<warps = 4>>
  tile.store %h, %o[%bx, %c0] : tensor<64x64xbf16, #tile.mma<warps = 4>>, memref<?x64xbf16>
  tile.return
}
