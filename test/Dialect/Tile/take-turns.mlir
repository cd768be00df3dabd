// RUN: seqc-opt %s --tile-take-turns | FileCheck %s --check-prefixes=CHECK,THREE
// RUN: seqc-opt %s --pass-pipeline='builtin.module(tile.kernel(tile-take-turns{groups=2}))' | FileCheck %s --check-prefixes=CHECK,TWO
// RUN: seqc-opt %s --tile-take-turns --tile-take-turns --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --pass-pipeline='builtin.module(tile.kernel(tile-take-turns{groups=1}))' 2>&1 | FileCheck %s --check-prefix=ERROR

// Both runs together: a loop that has turns gets no more of them.
// STATS: tile-take-turns{{$}}
// STATS-NEXT: 1 loops-in-turns

// ERROR: error: option 'groups' must be at least 2, but is 1

!keys = memref<?x64xbf16>
!s = !tile.shared<64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>
!q3 = !tile.shared<192x64xbf16>
!acc3 = tensor<192x64xf32, #tile.mma<warps = 12>>
!p3 = tensor<192x64xbf16, #tile.mma<warps = 12>>
!q2 = !tile.shared<128x64xbf16>
!acc2 = tensor<128x64xf32, #tile.mma<warps = 8>>
!p2 = tensor<128x64xbf16, #tile.mma<warps = 8>>

// The first product of an iteration begins the turn, the last one that nothing is waited for in front of ends it. The
// tile of the keys is waited for before, that of the values in it.
// CHECK-LABEL: tile.kernel @three(
// CHECK: }, {
// CHECK-NOT: tile.begin_turn
// CHECK: scf.for
// CHECK: tile.get
// CHECK-NEXT: tile.begin_turn
// CHECK-NEXT: %[[A:.*]] = tile.mma_async
// CHECK-NEXT: tile.get
// CHECK-NEXT: %[[B:.*]] = tile.mma_async
// CHECK-NEXT: tile.end_turn
// CHECK-NEXT: tile.wait %[[A]] pending 1
// CHECK-NOT: _turn
tile.kernel @three(%k: !keys, %v: !keys, %n: index, %o: memref<192x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 12 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc3
  %weights = arith.constant dense<0.0> : !p3
  %q = tile.alloc : !q3
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 12] registers [0, 0] {
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %r:2 = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero, %p = %weights) -> (!acc3, !p3) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %q, %ks transpose_b : !q3, !s -> !tile.async<!acc3>
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%acc : !acc3) : !p3, !s -> !tile.async<!acc3>
      %s = tile.wait %a pending 1 : !tile.async<!acc3>
      tile.release %kr[%i] : !ring
      %p1 = arith.truncf %s : !acc3 to !p3
      %acc1 = tile.wait %b : !tile.async<!acc3>
      tile.release %vr[%i] : !ring
      scf.yield %acc1, %p1 : !acc3, !p3
    }
    tile.store %r#0, %o[%c0, %c0] : !acc3, memref<192x64xf32>
  }
  tile.return
}

// Two groups, which take turns when they are told to.
// CHECK-LABEL: tile.kernel @two(
// THREE-NOT: _turn
// TWO: }, {
// TWO: tile.get
// TWO-NEXT: tile.begin_turn
// TWO-NEXT: tile.mma_async
// TWO-NEXT: tile.get
// TWO-NEXT: tile.mma_async
// TWO-NEXT: tile.end_turn
// TWO-NEXT: tile.wait
// TWO-NOT: _turn
tile.kernel @two(%k: !keys, %v: !keys, %n: index, %o: memref<128x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc2
  %weights = arith.constant dense<0.0> : !p2
  %q = tile.alloc : !q2
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 8] registers [0, 0] {
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %r:2 = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero, %p = %weights) -> (!acc2, !p2) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %q, %ks transpose_b : !q2, !s -> !tile.async<!acc2>
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%acc : !acc2) : !p2, !s -> !tile.async<!acc2>
      %s = tile.wait %a pending 1 : !tile.async<!acc2>
      tile.release %kr[%i] : !ring
      %p1 = arith.truncf %s : !acc2 to !p2
      %acc1 = tile.wait %b : !tile.async<!acc2>
      tile.release %vr[%i] : !ring
      scf.yield %acc1, %p1 : !acc2, !p2
    }
    tile.store %r#0, %o[%c0, %c0] : !acc2, memref<128x64xf32>
  }
  tile.return
}

// Softmax lies between the products: a turn would be as long as an iteration.
// CHECK-LABEL: tile.kernel @waits(
// CHECK-NOT: _turn
tile.kernel @waits(%k: !keys, %v: !keys, %n: index, %o: memref<192x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 12 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc3
  %q = tile.alloc : !q3
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 12] registers [0, 0] {
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> (!acc3) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %q, %ks transpose_b : !q3, !s -> !tile.async<!acc3>
      %s = tile.wait %a : !tile.async<!acc3>
      tile.release %kr[%i] : !ring
      %p = arith.truncf %s : !acc3 to !p3
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%acc : !acc3) : !p3, !s -> !tile.async<!acc3>
      %acc1 = tile.wait %b : !tile.async<!acc3>
      tile.release %vr[%i] : !ring
      scf.yield %acc1 : !acc3
    }
    tile.store %r, %o[%c0, %c0] : !acc3, memref<192x64xf32>
  }
  tile.return
}
