// RUN: seqc-opt %s --tile-pipeline --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --tile-pipeline --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-pipeline{{$}}
// STATS-NEXT: 5 copies-ahead
// STATS-NEXT: 4 loops-pipelined

!k1 = !tile.ring<1 x 64x64xbf16>
!k2 = !tile.ring<2 x 64x64xbf16>

// One stage each: keys of the next iteration start when the wait for the values
// shows that every warp has finished with the keys, values of this one after
// the wait for the keys. Each wait is for the newest copy.
// CHECK-LABEL: tile.kernel @one_stage(
// CHECK: %[[K:.*]] = tile.make_ring
// CHECK: %[[V:.*]] = tile.make_ring
// CHECK: %[[ANY:.*]] = arith.cmpi sgt, %[[N:[a-z0-9]+]], %c0 : index
// CHECK: tile.put %[[K]][%c0], %{{.*}}[%c0, %c0] when %[[ANY]]
// CHECK: scf.for %[[J:.*]] = %c0 to %[[N]] step %c64
// CHECK: tile.get %[[K]][%[[I:.*]]] :
// CHECK: tile.put %[[V]][%[[I]]], %{{.*}}[%[[J]], %c0] :
// CHECK: tile.dot
// CHECK: tile.release %[[K]]
// CHECK: tile.get %[[V]][%[[I]]] :
// CHECK: %[[NEXT:.*]] = arith.addi %[[J]], %c64
// CHECK: %[[MORE:.*]] = arith.cmpi slt, %[[NEXT]], %[[N]]
// CHECK: tile.put %[[K]][%{{.*}}], %{{.*}}[%[[NEXT]], %c0] when %[[MORE]]
// CHECK: tile.dot
// CHECK: tile.release %[[V]]
tile.kernel @one_stage(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index,
                       %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %kr = tile.make_ring : !k1
  %vr = tile.make_ring : !k1
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (tensor<64x64xf32, #tile.mma<warps = 4>>) {
    %i = arith.divui %j, %c64 : index
    tile.put %kr[%i], %q[%j, %c0] : !k1, memref<?x64xbf16>
    tile.put %vr[%i], %k[%j, %c0] : !k1, memref<?x64xbf16>
    %a = tile.get %kr[%i] : !k1
    %x = tile.dot %a, %a, %acc transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    tile.release %kr[%i] : !k1
    %b = tile.get %vr[%i] : !k1
    %y = tile.dot %b, %b, %x transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    tile.release %vr[%i] : !k1
    scf.yield %y : tensor<64x64xf32, #tile.mma<warps = 4>>
  }
  tile.store %r, %o[%bx, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
  tile.return
}

// Two stages: both rings are one iteration ahead, so that later copies may still
// be running at each wait: the values' of this iteration at that for the keys,
// both of the next one at that for the values.
// CHECK-LABEL: tile.kernel @two_stages(
// CHECK: %[[K:.*]] = tile.make_ring
// CHECK: %[[V:.*]] = tile.make_ring
// CHECK: tile.put %[[K]][%c0]
// CHECK: tile.put %[[V]][%c0]
// CHECK: scf.for
// CHECK: tile.get %[[K]][%{{.*}}] pending 1
// CHECK: tile.put %[[K]]
// CHECK: tile.put %[[V]]
// CHECK: tile.get %[[V]][%{{.*}}] pending 2
tile.kernel @two_stages(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index,
                        %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %kr = tile.make_ring : !k2
  %vr = tile.make_ring : !k2
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (tensor<64x64xf32, #tile.mma<warps = 4>>) {
    %i = arith.divui %j, %c64 : index
    tile.put %kr[%i], %q[%j, %c0] : !k2, memref<?x64xbf16>
    tile.put %vr[%i], %k[%j, %c0] : !k2, memref<?x64xbf16>
    %a = tile.get %kr[%i] : !k2
    %x = tile.dot %a, %a, %acc transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    tile.release %kr[%i] : !k2
    %b = tile.get %vr[%i] : !k2
    %y = tile.dot %b, %b, %x transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    tile.release %vr[%i] : !k2
    scf.yield %y : tensor<64x64xf32, #tile.mma<warps = 4>>
  }
  tile.store %r, %o[%bx, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
  tile.return
}

// One ring of one stage: nothing else waits, so a barrier shows that the stage is
// free. The wait for the queries, in front of the loop, comes after the first
// copy of the loop and does not wait for it.
// CHECK-LABEL: tile.kernel @alone(
// CHECK: %[[Q:.*]] = tile.make_ring
// CHECK: %[[K:.*]] = tile.make_ring
// CHECK: tile.put %[[Q]][%c0]
// CHECK: tile.put %[[K]][%c0], {{.*}} when
// CHECK-NEXT: %[[QT:.*]] = tile.get %[[Q]][%c0] pending 1
// CHECK: scf.for
// CHECK: tile.get %[[K]][%{{[a-z0-9_]+}}] :
// CHECK: tile.dot %[[QT]]
// CHECK: tile.release %[[K]]
// CHECK: tile.barrier
// CHECK: tile.put %[[K]]{{.*}} when
// CHECK: scf.yield
tile.kernel @alone(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index,
                   %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %qr = tile.make_ring : !k1
  %kr = tile.make_ring : !k1
  tile.put %qr[%c0], %q[%bx, %c0] : !k1, memref<?x64xbf16>
  %qt = tile.get %qr[%c0] : !k1
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zeros) -> (tensor<64x64xf32, #tile.mma<warps = 4>>) {
    %i = arith.divui %j, %c64 : index
    tile.put %kr[%i], %k[%j, %c0] : !k1, memref<?x64xbf16>
    %a = tile.get %kr[%i] : !k1
    %x = tile.dot %qt, %a, %acc transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
    tile.release %kr[%i] : !k1
    scf.yield %x : tensor<64x64xf32, #tile.mma<warps = 4>>
  }
  tile.release %qr[%c0] : !k1
  tile.store %r, %o[%bx, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
  tile.return
}

// In an outer loop, copies continue to be numbered, and threads may still read
// the last tiles of the time before: a barrier comes first.
// CHECK-LABEL: tile.kernel @nested(
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[OUTER:.*]] = %c0)
// CHECK: tile.barrier
// CHECK: tile.put %{{.*}}[%[[OUTER]]], {{.*}} when
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[COUNT:.*]] = %[[OUTER]])
// CHECK: tile.get %{{.*}}[%[[COUNT]]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[COUNT]], %c1
// CHECK: tile.put %{{.*}}[%[[NEXT]]], {{.*}} when
tile.kernel @nested(%k: memref<?x64xbf16>, %n: index, %o: memref<?x64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32, #tile.mma<warps = 4>>
  %kr = tile.make_ring : !k2
  %r:2 = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zeros, %outer = %c0) -> (tensor<64x64xf32, #tile.mma<warps = 4>>, index) {
    %s:2 = scf.for %j = %i to %n step %c64 iter_args(%acc1 = %acc, %count = %outer) -> (tensor<64x64xf32, #tile.mma<warps = 4>>, index) {
      tile.put %kr[%count], %k[%j, %c0] : !k2, memref<?x64xbf16>
      %a = tile.get %kr[%count] : !k2
      %x = tile.dot %a, %a, %acc1 transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #tile.mma<warps = 4>>
      tile.release %kr[%count] : !k2
      %next = arith.addi %count, %c1 : index
      scf.yield %x, %next : tensor<64x64xf32, #tile.mma<warps = 4>>, index
    }
    scf.yield %s#0, %s#1 : tensor<64x64xf32, #tile.mma<warps = 4>>, index
  }
  tile.store %r#0, %o[%bx, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<?x64xf32>
  tile.return
}
