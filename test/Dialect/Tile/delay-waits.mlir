// RUN: seqc-opt %s --tile-delay-waits | FileCheck %s
// RUN: seqc-opt %s --tile-delay-waits --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS

// STATISTICS: 3 loops-changed

!rows = memref<?x64xbf16>
!tile = tensor<64x64xf32, #tile.mma<warps = 4>>
!async = !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
!half = tensor<64x64xbf16, #tile.mma<warps = 4>>
!s = !tile.shared<64x64xbf16>
!once = !tile.ring<1 x 64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>
!row = tensor<64xf32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>>

// Both products of the recomputation start at once; each wait stands where its
// result is read, and lets later products run. The accumulators are waited for
// at the end of the iteration. A stage goes back after the last product that
// reads it.
// CHECK-LABEL: tile.kernel @gradients(
// CHECK: scf.for %[[N:.*]] = %c0
// CHECK: %[[Q:.*]] = tile.get %[[QR:.*]][%[[N]]]
// CHECK-NEXT: %[[A:.*]] = tile.mma_async %{{.*}}, %[[Q]] transpose_b
// CHECK-NEXT: %[[O:.*]] = tile.get %[[OR:.*]][%[[N]]]
// CHECK-NEXT: %[[B:.*]] = tile.mma_async %{{.*}}, %[[O]] transpose_b
// CHECK-NEXT: %[[S:.*]] = tile.wait %[[A]] pending 1
// CHECK-NEXT: %[[P:.*]] = math.exp2 %[[S]]
// CHECK-NEXT: %[[P16:.*]] = arith.truncf %[[P]]
// CHECK-NEXT: %[[C:.*]] = tile.mma_async %[[P16]], %[[O]] acc
// CHECK-NEXT: %[[D:.*]] = tile.wait %[[B]] pending 1
// CHECK-NEXT: %[[E:.*]] = arith.mulf %[[P]], %[[D]]
// CHECK-NEXT: %[[E16:.*]] = arith.truncf %[[E]]
// CHECK-NEXT: %[[F:.*]] = tile.mma_async %[[E16]], %[[Q]] acc
// CHECK-NEXT: %[[DV:.*]] = tile.wait %[[C]] pending 1
// CHECK-NEXT: tile.release %[[OR]][%[[N]]]
// CHECK-NEXT: %[[DK:.*]] = tile.wait %[[F]] :
// CHECK-NEXT: tile.release %[[QR]][%[[N]]]
// CHECK-NEXT: scf.yield %[[DK]], %[[DV]]
tile.kernel @gradients(%k: !rows, %q: !rows, %n: index, %o: memref<?x64xf32>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !tile
  %kr = tile.make_ring : !once
  %qr = tile.make_ring : !ring
  %or = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %kr[%c0], %k[%bx, %c0] : !once, !rows
    scf.for %i = %c0 to %n step %c1 {
      %at = arith.muli %i, %c64 : index
      tile.put %qr[%i], %q[%at, %c0] : !ring, !rows
      tile.put %or[%i], %q[%at, %c0] : !ring, !rows
    }
  }, {
    %ks = tile.get %kr[%c0] : !once
    %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%dk = %zero, %dv = %zero) -> (!tile, !tile) {
      %qs = tile.get %qr[%i] : !ring
      %a = tile.mma_async %ks, %qs transpose_b : !s, !s -> !async
      %sc = tile.wait %a : !async
      %os = tile.get %or[%i] : !ring
      %b = tile.mma_async %ks, %os transpose_b : !s, !s -> !async
      %d = tile.wait %b : !async
      %p = math.exp2 %sc : !tile
      %p16 = arith.truncf %p : !tile to !half
      %c = tile.mma_async %p16, %os acc(%dv : !tile) : !half, !s -> !async
      %dv1 = tile.wait %c : !async
      tile.release %or[%i] : !ring
      %e = arith.mulf %p, %d : !tile
      %e16 = arith.truncf %e : !tile to !half
      %f = tile.mma_async %e16, %qs acc(%dk : !tile) : !half, !s -> !async
      %dk1 = tile.wait %f : !async
      tile.release %qr[%i] : !ring
      scf.yield %dk1, %dv1 : !tile, !tile
    }
    tile.release %kr[%c0] : !once
    tile.store %r#0, %o[%bx, %c0] : !tile, memref<?x64xf32>
    tile.store %r#1, %o[%by, %c0] : !tile, memref<?x64xf32>
  }
  tile.return
}

// Two products are tile-overlap-products' business.
// CHECK-LABEL: tile.kernel @two(
// CHECK: scf.for
// CHECK: tile.mma_async
// CHECK-NEXT: tile.wait
// CHECK: tile.mma_async
// CHECK-NEXT: tile.wait
tile.kernel @two(%q: !rows, %n: index, %o: memref<?x64xf32>,
                 %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !tile
  %qr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %qr[%i], %q[%i, %c0] : !ring, !rows
    }
  }, {
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%dv = %zero) -> (!tile) {
      %qs = tile.get %qr[%i] : !ring
      %a = tile.mma_async %qs, %qs transpose_b : !s, !s -> !async
      %sc = tile.wait %a : !async
      %p16 = arith.truncf %sc : !tile to !half
      %c = tile.mma_async %p16, %qs acc(%dv : !tile) : !half, !s -> !async
      %dv1 = tile.wait %c : !async
      tile.release %qr[%i] : !ring
      scf.yield %dv1 : !tile
    }
    tile.store %r, %o[%bx, %c0] : !tile, memref<?x64xf32>
  }
  tile.return
}

// A factor that the threads write to shared memory is there behind a barrier:
// its product stays there, and the one behind it starts right after it. What is
// added to a product is added where the sum is read.
// CHECK-LABEL: tile.kernel @exchanged(
// CHECK: %[[DS:.*]] = tile.alloc : !tile.shared<64x64xbf16>
// CHECK: %[[KS:.*]] = tile.get
// CHECK: scf.for %[[N:.*]] = %c0 {{.*}} iter_args(%[[SUM:.*]] = %
// CHECK: %[[Q:.*]] = tile.get
// CHECK: %[[A:.*]] = tile.mma_async %[[KS]], %[[Q]] transpose_b
// CHECK: %[[B:.*]] = tile.mma_async %[[Q]], %[[KS]] transpose_b
// CHECK: %[[S:.*]] = tile.wait %[[A]] pending 1
// CHECK: %[[P:.*]] = math.exp2 %[[S]]
// CHECK-NEXT: %[[ROW:.*]] = tile.broadcast
// CHECK-NEXT: %[[D:.*]] = tile.wait %[[B]] :
// CHECK-NEXT: %[[D2:.*]] = arith.addf %[[D]], %[[ROW]]
// CHECK-NEXT: %[[E:.*]] = arith.mulf %[[P]], %[[D2]]
// CHECK-NEXT: %[[E16:.*]] = arith.truncf %[[E]]
// CHECK-NEXT: tile.barrier
// CHECK-NEXT: tile.shared_store %[[E16]], %[[DS]]
// CHECK-NEXT: tile.barrier
// CHECK-NEXT: %[[C:.*]] = tile.mma_async %[[KS]], %[[DS]] transpose_a
// CHECK-NEXT: %[[F:.*]] = tile.mma_async %[[E16]], %[[Q]] acc(%[[SUM]]
// CHECK-NEXT: %[[DQ:.*]] = tile.wait %[[C]] pending 1
// CHECK-NEXT: tile.store %[[DQ]]
// CHECK-NEXT: %[[DK:.*]] = tile.wait %[[F]] :
// CHECK-NEXT: tile.release
// CHECK-NEXT: scf.yield %[[DK]]
tile.kernel @exchanged(%k: !rows, %q: !rows, %n: index, %o: memref<?x64xf32>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !tile
  %ds = tile.alloc : !s
  %numbers = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  %kr = tile.make_ring : !once
  %qr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %kr[%c0], %k[%bx, %c0] : !once, !rows
    scf.for %i = %c0 to %n step %c1 {
      %at = arith.muli %i, %c64 : index
      tile.put %qr[%i], %q[%at, %c0] : !ring, !rows
    }
  }, {
    %ks = tile.get %kr[%c0] : !once
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%dk = %zero) -> (!tile) {
      %qs = tile.get %qr[%i] : !ring
      %a = tile.mma_async %ks, %qs transpose_b : !s, !s -> !async
      %sc = tile.wait %a : !async
      %b = tile.mma_async %qs, %ks transpose_b : !s, !s -> !async
      %d = tile.wait %b : !async
      %d0 = tile.shared_load %numbers[%c0, %c0] : !tile.shared<2x64xf32, pitch 64> -> !row
      %d1 = tile.broadcast %d0 along 0 : !row -> !tile
      %d2 = arith.addf %d, %d1 : !tile
      %p = math.exp2 %sc : !tile
      %e = arith.mulf %p, %d2 : !tile
      %e16 = arith.truncf %e : !tile to !half
      tile.barrier
      tile.shared_store %e16, %ds : !half, !s
      tile.barrier
      %c = tile.mma_async %ks, %ds transpose_a : !s, !s -> !async
      %dq = tile.wait %c : !async
      %f = tile.mma_async %e16, %qs acc(%dk : !tile) : !half, !s -> !async
      %dk1 = tile.wait %f : !async
      tile.release %qr[%i] : !ring
      tile.store %dq, %o[%i, %c0] inside [0, 1] add packed : !tile, memref<?x64xf32>
      scf.yield %dk1 : !tile
    }
    tile.release %kr[%c0] : !once
    tile.store %r, %o[%bx, %c0] : !tile, memref<?x64xf32>
  }
  tile.return
}

// The result of the second product is read first: the first one ends before it
// all the same.
// CHECK-LABEL: tile.kernel @in_order(
// CHECK: scf.for
// CHECK: %[[A:.*]] = tile.mma_async {{.*}} transpose_b
// CHECK-NEXT: %[[B:.*]] = tile.mma_async {{.*}} transpose_a
// CHECK-NEXT: %[[S:.*]] = tile.wait %[[A]] pending 1
// CHECK-NEXT: %[[D:.*]] = tile.wait %[[B]] :
// CHECK-NEXT: %[[P:.*]] = math.exp2 %[[D]]
// CHECK-NEXT: arith.mulf %[[P]], %[[S]]
// CHECK: tile.mma_async
// CHECK: tile.wait
tile.kernel @in_order(%q: !rows, %n: index, %o: memref<?x64xf32>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !tile
  %qr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %qr[%i], %q[%i, %c0] : !ring, !rows
    }
  }, {
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%dk = %zero) -> (!tile) {
      %qs = tile.get %qr[%i] : !ring
      %a = tile.mma_async %qs, %qs transpose_b : !s, !s -> !async
      %sc = tile.wait %a : !async
      %b = tile.mma_async %qs, %qs transpose_a : !s, !s -> !async
      %d = tile.wait %b : !async
      %p = math.exp2 %d : !tile
      %e = arith.mulf %p, %sc : !tile
      %e16 = arith.truncf %e : !tile to !half
      %f = tile.mma_async %e16, %qs acc(%dk : !tile) : !half, !s -> !async
      %dk1 = tile.wait %f : !async
      tile.release %qr[%i] : !ring
      scf.yield %dk1 : !tile
    }
    tile.store %r, %o[%bx, %c0] : !tile, memref<?x64xf32>
  }
  tile.return
}
