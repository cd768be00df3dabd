// RUN: seqc-opt %s --tile-stage-memory="chip=sm_80" | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: seqc-opt %s --tile-stage-memory="chip=sm_90a" | FileCheck %s --check-prefixes=CHECK,SM90
// RUN: seqc-opt %s --tile-stage-memory="chip=sm_90a" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-stage-memory{{$}}
// STATS-NEXT: 7 async-products
// STATS-NEXT: 3 copies
// STATS-NEXT: 106496 ring-bytes
// STATS-NEXT: 9 rings
// STATS-NEXT: 2 stores

!mma = tensor<64x64xf32, #tile.mma<warps = 4>>

// Loads that feed products become copies to rings: one stage outside of loops,
// the schedule's number inside. On sm_90a products of 16-bit tiles run on
// their own. A 16-bit result goes through shared memory, to be
// stored in rows of 16 bytes. Each warp reads the 16 rows that it wrote, so
// behind them it waits for its own threads only.
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
// CHECK: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_store %{{.*}}, %[[OUT:.*]] :
// CHECK-NEXT: tile.barrier warp{{$}}
// CHECK-NEXT: tile.shared_load %[[OUT]] : {{.*}} -> tensor<64x64xbf16, #tile.blocked<thread = [4, 8], lanes = [4, 8], warps = [4, 1]>>
// CHECK-NEXT: tile.store {{.*}} : tensor<64x64xbf16, #tile.blocked<thread = [4, 8],
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

// A product in a branch: its operands are waited for in front of it and given
// back behind it, so every path does both once.
// CHECK-LABEL: tile.kernel @branch(
// CHECK: scf.for
// CHECK: tile.put %[[K:.*]][%[[N:.*]]], %{{.*}}
// CHECK-NEXT: %[[KT:.*]] = tile.get %[[K]][%[[N]]]
// CHECK-NEXT: scf.if
// SM80: tile.dot %{{.*}}, %[[KT]]
// SM90: tile.mma_async %{{.*}}, %[[KT]]
// CHECK: } else {
// CHECK: }
// CHECK-NEXT: tile.release %[[K]][%[[N]]]
tile.kernel @branch(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index, %i: i1, %o: memref<?x64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (!mma) {
    %kt = tile.load %k[%j, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
    %x = scf.if %i -> !mma {
      %s = tile.dot %qt, %kt, %acc transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, !mma
      scf.yield %s : !mma
    } else {
      scf.yield %acc : !mma
    }
    scf.yield %x : !mma
  }
  tile.store %r, %o[%bx, %c0] : !mma, memref<?x64xf32>
  tile.return
}

// In nested loops copies are counted through all of them.
// CHECK-LABEL: tile.kernel @nested(
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[OUTER:.*]] = %{{.*}})
// CHECK: %[[I:.*]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[INNER:.*]] = %[[OUTER]])
// CHECK: tile.put %{{.*}}[%[[INNER]]]
// CHECK: tile.get %{{.*}}[%[[INNER]]]
// CHECK: tile.release %{{.*}}[%[[INNER]]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[INNER]], %c1
// CHECK: scf.yield %{{.*}}, %[[NEXT]]
// CHECK: scf.yield %[[I]]#0, %[[I]]#1
tile.kernel @nested(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index, %o: memref<?x64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %r = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (!mma) {
    %x = scf.for %j = %i to %n step %c64 iter_args(%acc1 = %acc) -> (!mma) {
      %kt = tile.load %k[%j, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
      %s = tile.dot %qt, %kt, %acc1 transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, !mma
      scf.yield %s : !mma
    }
    scf.yield %x : !mma
  }
  tile.store %r, %o[%bx, %c0] : !mma, memref<?x64xf32>
  tile.return
}

// What is computed goes to shared memory between two barriers, and so does a
// load that does not happen in every iteration.
// CHECK-LABEL: tile.kernel @computed(
// CHECK-DAG: %[[A:.*]] = tile.alloc
// CHECK-DAG: %[[B:.*]] = tile.alloc
// CHECK: %[[T:.*]] = arith.truncf
// CHECK: tile.barrier
// CHECK-NEXT: tile.shared_store %[[T]], %[[FIRST:.*]] :
// CHECK-NEXT: tile.barrier
// SM80: tile.dot %{{.*}}, %[[FIRST]]
// SM90: tile.mma_async %{{.*}}, %[[FIRST]]
// CHECK: scf.if
// CHECK: %[[L:.*]] = tile.load {{.*}} -> tensor<64x64xbf16, #tile.blocked
// CHECK: tile.barrier
// CHECK-NEXT: tile.shared_store %[[L]], %[[SECOND:.*]] :
// CHECK-NEXT: tile.barrier
// SM80: tile.dot %{{.*}}, %[[SECOND]]
// SM90: tile.mma_async %{{.*}}, %[[SECOND]]
tile.kernel @computed(%q: memref<?x64xbf16>, %k: memref<?x64xf32>, %i: i1, %o: memref<?x64xf32>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %kt = tile.load %k[%bx, %c0] : memref<?x64xf32> -> tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>
  %kh = arith.truncf %kt : tensor<64x64xf32, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>
      to tensor<64x64xbf16, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>
  %s = tile.dot %qt, %kh, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16, #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [4, 1]>>, !mma
  %r = scf.if %i -> !mma {
    %x = tile.load %q[%c0, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
    %t = tile.dot %qt, %x, %s : tensor<64x64xbf16>, tensor<64x64xbf16>, !mma
    scf.yield %t : !mma
  } else {
    scf.yield %s : !mma
  }
  tile.store %r, %o[%bx, %c0] : !mma, memref<?x64xf32>
  tile.return
}

// f32 has no asynchronous products, and weights stay in registers. Results of 32
// bits are stored as they are.
// CHECK-LABEL: tile.kernel @wide(
// CHECK: %[[V:.*]] = tile.get %{{.*}} : !tile.ring<1 x 64x64xf32>
// CHECK: tile.dot %[[P:.*]], %[[V]], %{{.*}} : tensor<64x64xf32, #tile.mma<warps = 4>>, !tile.shared<64x64xf32>
// CHECK-NOT: tile.shared_store
// CHECK: tile.store {{.*}} : tensor<64x64xf32, #tile.mma<warps = 4>>
tile.kernel @wide(%v: memref<?x64xf32>, %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %p = arith.constant dense<1.0> : !mma
  %vt = tile.load %v[%bx, %c0] : memref<?x64xf32> -> tensor<64x64xf32>
  %r = tile.dot %p, %vt, %p : !mma, tensor<64x64xf32>, !mma
  tile.store %r, %o[%bx, %c0] : !mma, memref<?x64xf32>
  tile.return
}

// Rows so short that a warp reads 32 of them: some are another warp's.
// CHECK-LABEL: tile.kernel @narrow(
// CHECK: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_store
// CHECK-NEXT: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_load {{.*}} -> tensor<128x8xbf16, #tile.blocked<thread = [1, 8], lanes = [32, 1], warps = [4, 1]>>
tile.kernel @narrow(%x: memref<?x8xf32>, %o: memref<?x8xbf16>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%bx, %c0] : memref<?x8xf32> -> tensor<128x8xf32, #tile.mma<warps = 4>>
  %h = arith.truncf %t : tensor<128x8xf32, #tile.mma<warps = 4>> to tensor<128x8xbf16, #tile.mma<warps = 4>>
  tile.store %h, %o[%bx, %c0] : tensor<128x8xbf16, #tile.mma<warps = 4>>, memref<?x8xbf16>
  tile.return
}

// What a thread has of a factor in #tile.mma is not what it needs of it
// transposed: that goes through shared memory, between two barriers.
// CHECK-LABEL: tile.kernel @transposed(
// CHECK: %[[S:.*]] = tile.alloc : !tile.shared<64x64xbf16>
// CHECK: %[[H:.*]] = arith.truncf
// CHECK: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_store %[[H]], %[[S]] :
// CHECK-NEXT: tile.barrier{{$}}
// SM80: tile.dot %[[S]], %{{.*}}, %{{.*}} transpose_a : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>
// SM90: tile.mma_async %[[S]], %{{.*}} transpose_a : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>
// What threads have in the order of a product stays with them.
// SM80: tile.dot %[[H]], %{{.*}} : tensor<64x64xbf16, #tile.mma<warps = 4>>
// SM90: tile.mma_async %[[H]], %{{.*}} : tensor<64x64xbf16, #tile.mma<warps = 4>>
// The rows of this tile are the last dimension of the view: it is stored as it is.
// CHECK-NOT: tile.shared_store
// CHECK: tile.store {{.*}} dims [1, 0] : tensor<64x64xbf16, #tile.mma<warps = 4>>
tile.kernel @transposed(%q: memref<?x64xbf16>, %k: memref<?x64xf32>, %o: memref<?x64xf32>, %h: memref<64x?xbf16>,
                        %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : !mma
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %kt = tile.load %k[%bx, %c0] : memref<?x64xf32> -> !mma
  %kh = arith.truncf %kt : !mma to tensor<64x64xbf16, #tile.mma<warps = 4>>
  %s = tile.dot %kh, %qt, %zeros transpose_a : tensor<64x64xbf16, #tile.mma<warps = 4>>, tensor<64x64xbf16>, !mma
  tile.store %s, %o[%bx, %c0] : !mma, memref<?x64xf32>
  %t = tile.dot %kh, %qt, %zeros : tensor<64x64xbf16, #tile.mma<warps = 4>>, tensor<64x64xbf16>, !mma
  %u = arith.truncf %t : !mma to tensor<64x64xbf16, #tile.mma<warps = 4>>
  tile.store %u, %h[%c0, %bx] dims [1, 0] : tensor<64x64xbf16, #tile.mma<warps = 4>>, memref<64x?xbf16>
  tile.return
}
