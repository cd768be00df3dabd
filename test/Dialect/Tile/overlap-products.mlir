// RUN: seqc-opt %s --split-input-file --tile-overlap-products | FileCheck %s
// RUN: seqc-opt %s --split-input-file --tile-overlap-products --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS

// STATISTICS: 3 loops-rotated
// STATISTICS-NEXT: 1 rescalings-delayed

!keys = memref<?x64xbf16>
!acc = tensor<64x64xf32, #tile.mma<warps = 4>>
!p = tensor<64x64xbf16, #tile.mma<warps = 4>>
!s = !tile.shared<64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>

// The first iteration's product with the keys stands before the loop, the last product with the
// values behind it. In the loop the latter runs on what the iteration before left: its weights, its
// accumulator and the number of its stage. The first wait lets it run; the second one stands where
// the accumulator is needed. Behind it the next weights take the registers of the old ones.
// CHECK-LABEL: tile.kernel @attention(
// CHECK: }, {
// CHECK: %[[Q:.*]] = tile.get
// CHECK: %[[SOME:.*]] = arith.cmpi slt, %c0, %[[N:.*]] : index
// CHECK: %[[R:.*]] = scf.if %[[SOME]]
// CHECK: %[[N0:.*]] = arith.divui %c0, %c64
// CHECK: %[[K0:.*]] = tile.get %[[KR:.*]][%[[N0]]]
// CHECK: %[[A0:.*]] = tile.mma_async %[[Q]], %[[K0]] transpose_b
// CHECK: %[[S0:.*]] = tile.wait %[[A0]] :
// CHECK: tile.release %[[KR]][%[[N0]]]
// CHECK: %[[E0:.*]] = math.exp2 %[[S0]]
// CHECK: %[[P0:.*]] = arith.truncf %[[E0]]
// CHECK: %[[ACC0:.*]] = arith.mulf %{{.*}}, %[[E0]]
// CHECK-NOT: tile.mma_async
// CHECK: %[[NEXT:.*]] = arith.addi %c0, %c64
// CHECK: %[[L:.*]]:3 = scf.for %[[J:.*]] = %[[NEXT]] to %[[N]] step %c64
// CHECK-SAME: iter_args(%[[ACC:.*]] = %[[ACC0]], %[[P:.*]] = %[[P0]], %[[OLD:.*]] = %[[N0]])
// CHECK: %[[NUMBER:.*]] = arith.divui %[[J]], %c64
// CHECK: %[[K:.*]] = tile.get %[[KR]][%[[NUMBER]]]
// CHECK: %[[A:.*]] = tile.mma_async %[[Q]], %[[K]] transpose_b
// CHECK: %[[V:.*]] = tile.get %[[VR:.*]][%[[OLD]]]
// CHECK: %[[B:.*]] = tile.mma_async %[[P]], %[[V]] acc(%[[ACC]]
// CHECK: %[[S:.*]] = tile.wait %[[A]] pending 1
// CHECK: tile.release %[[KR]][%[[NUMBER]]]
// CHECK: %[[E:.*]] = math.exp2 %[[S]]
// CHECK-NEXT: %[[DONE:.*]] = tile.wait %[[B]] :
// CHECK-NEXT: tile.release %[[VR]][%[[OLD]]]
// CHECK-NEXT: %[[SMALL:.*]] = arith.truncf %[[E]]
// CHECK-NEXT: %[[P1:.*]] = tile.ready %[[SMALL]]
// CHECK-NEXT: %[[ACC1:.*]] = arith.mulf %[[DONE]], %[[E]]
// CHECK: scf.yield %[[ACC1]], %[[P1]], %[[NUMBER]]
// CHECK: %[[VL:.*]] = tile.get %[[VR]][%[[L]]#2]
// CHECK: %[[BL:.*]] = tile.mma_async %[[L]]#1, %[[VL]] acc(%[[L]]#0
// CHECK: %[[LAST:.*]] = tile.wait %[[BL]]
// CHECK: tile.release %[[VR]][%[[L]]#2]
// CHECK: scf.yield %[[LAST]]
// CHECK: } else {
// CHECK: scf.yield %cst
// CHECK: tile.store %[[R]]
tile.kernel @attention(%q: !keys, %k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %qr = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %qr[%c0], %q[%bx, %c0] : !tile.ring<1 x 64x64xbf16>, !keys
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %qs = tile.get %qr[%c0] : !tile.ring<1 x 64x64xbf16>
    %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> (!acc) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %qs, %ks transpose_b : !s, !s -> !tile.async<!acc>
      %s = tile.wait %a : !tile.async<!acc>
      tile.release %kr[%i] : !ring
      %e = math.exp2 %s : !acc
      %p = arith.truncf %e : !acc to !p
      %acc1 = arith.mulf %acc, %e : !acc
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%acc1 : !acc) : !p, !s -> !tile.async<!acc>
      %acc2 = tile.wait %b : !tile.async<!acc>
      tile.release %vr[%i] : !ring
      scf.yield %acc2 : !acc
    }
    tile.release %qr[%c0] : !tile.ring<1 x 64x64xbf16>
    tile.store %r, %o[%bx, %c0] : !acc, memref<?x64xf32>
  }
  tile.return
}

// -----

!keys = memref<?x64xbf16>
!acc = tensor<192x64xf32, #tile.mma<warps = 12>>
!p = tensor<192x64xbf16, #tile.mma<warps = 12>>
!row = tensor<192xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 12>>>
!some = tensor<192x8xf32, #tile.mma<warps = 12>>
!grown = tensor<192x8xi1, #tile.mma<warps = 12>>
!q = !tile.shared<192x64xbf16>
!s = !tile.shared<64x64xbf16>
!queries = !tile.ring<1 x 192x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>

// Three groups of warps. Where maxima grow, the region finds new maxima, sums and factors; these go to a region of its
// own for the accumulator, behind the wait for the second product, which so runs under the exponentials. That region has
// the same condition. In front of the loop the accumulator is zero, and stays as it is.
// CHECK-LABEL: tile.kernel @lazy(
// CHECK: }, {
// CHECK: scf.if
// CHECK: %[[N0:.*]] = arith.divui
// CHECK: %[[U0:.*]]:3 = tile.update_where %{{.*}}(%[[LOW:.*]], %[[NONE:.*]], %{{.*}}) warps 12 {
// CHECK: %[[E0:.*]] = math.exp2 %{{.*}} : tensor<192x64xf32
// CHECK: %[[L0:.*]] = arith.addf %[[U0]]#1,
// CHECK: %[[P0:.*]] = arith.truncf %[[E0]]
// CHECK-NOT: tile.update_where
// CHECK: scf.for
// CHECK-SAME: iter_args(%[[M:.*]] = %[[U0]]#0, %[[L:.*]] = %[[L0]], %[[ACC:.*]] = %[[ZERO:.*]], %[[P:.*]] = %[[P0]], %[[OLD:.*]] = %[[N0]])
// CHECK: %[[A:.*]] = tile.mma_async %{{.*}} transpose_b
// CHECK: %[[V:.*]] = tile.get %[[VR:.*]][%[[OLD]]]
// CHECK: %[[B:.*]] = tile.mma_async %[[P]], %[[V]] acc(%[[ACC]]
// CHECK: %[[S:.*]] = tile.wait %[[A]] pending 1
// CHECK: %[[GROWN:.*]] = arith.cmpf ogt
// CHECK: %[[ANY:.*]] = arith.constant dense<0.000000e+00> : tensor<192xf32,
// CHECK: %[[U:.*]]:3 = tile.update_where %[[GROWN]](%[[M]], %[[L]], %[[ANY]]) warps 12 {
// CHECK: %[[NEW:.*]] = arith.maxnumf %[[M]],
// CHECK: %[[F:.*]] = math.exp2
// CHECK: %[[SUM:.*]] = arith.mulf %[[L]], %[[F]] :
// CHECK-NOT: arith.mulf
// CHECK: tile.yield %[[NEW]], %[[SUM]], %[[F]] :
// CHECK: %[[SHIFT:.*]] = tile.broadcast %[[U]]#0
// CHECK: %[[X:.*]] = arith.subf %[[S]], %[[SHIFT]]
// CHECK: %[[E:.*]] = math.exp2 %[[X]]
// CHECK: %[[L1:.*]] = arith.addf %[[U]]#1,
// CHECK-NEXT: %[[DONE:.*]] = tile.wait %[[B]] :
// CHECK-NEXT: tile.release %[[VR]][%[[OLD]]]
// CHECK-NEXT: %[[SMALL:.*]] = arith.truncf %[[E]]
// CHECK-NEXT: %[[P1:.*]] = tile.ready %[[SMALL]]
// CHECK-NEXT: %[[ACC1:.*]] = tile.update_where %[[GROWN]](%[[DONE]]) warps 12 {
// CHECK-NEXT: %[[WIDE:.*]] = tile.broadcast %[[U]]#2 along 1
// CHECK-NEXT: %[[SCALED:.*]] = arith.mulf %[[DONE]], %[[WIDE]]
// CHECK-NEXT: tile.yield %[[SCALED]]
// CHECK: scf.yield %[[U]]#0, %[[L1]], %[[ACC1]], %[[P1]],
// CHECK: } else {
// CHECK: scf.yield %[[LOW]], %[[NONE]], %[[ZERO]]
tile.kernel @lazy(%q: !keys, %k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 12 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %none = arith.constant dense<0.0> : !row
  %low = arith.constant dense<-1.0e30> : !row
  %qr = tile.make_ring : !queries
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 12] registers [0, 0] {
    tile.put %qr[%c0], %q[%bx, %c0] : !queries, !keys
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %qs = tile.get %qr[%c0] : !queries
    %r:3 = scf.for %j = %c0 to %n step %c64 iter_args(%m = %low, %l = %none, %acc = %zero) -> (!row, !row, !acc) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %qs, %ks transpose_b : !q, !s -> !tile.async<!acc>
      %s = tile.wait %a : !tile.async<!acc>
      tile.release %kr[%i] : !ring
      %some = tile.fold max %s : !acc -> !some
      %old = tile.broadcast %m along 1 : !row -> !some
      %grown = arith.cmpf ogt, %some, %old : !some
      %u:3 = tile.update_where %grown (%m, %l, %acc) warps 12 {
        %max = tile.reduce max %some along 1 : !some -> !row
        %new = arith.maxnumf %m, %max : !row
        %d = arith.subf %m, %new : !row
        %f = math.exp2 %d : !row
        %sum = arith.mulf %l, %f : !row
        %wide = tile.broadcast %f along 1 : !row -> !acc
        %scaled = arith.mulf %acc, %wide : !acc
        tile.yield %new, %sum, %scaled : !row, !row, !acc
      } : !grown, !row, !row, !acc
      %shift = tile.broadcast %u#0 along 1 : !row -> !acc
      %x = arith.subf %s, %shift : !acc
      %e = math.exp2 %x : !acc
      %part = tile.reduce add %e along 1 : !acc -> !row
      %l1 = arith.addf %u#1, %part : !row
      %p = arith.truncf %e : !acc to !p
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%u#2 : !acc) : !p, !s -> !tile.async<!acc>
      %acc1 = tile.wait %b : !tile.async<!acc>
      tile.release %vr[%i] : !ring
      scf.yield %u#0, %l1, %acc1 : !row, !row, !acc
    }
    tile.release %qr[%c0] : !queries
    tile.store %r#2, %o[%bx, %c0] : !acc, memref<?x64xf32>
  }
  tile.return
}

// -----

!keys = memref<?x64xbf16>
!acc = tensor<64x64xf32, #tile.mma<warps = 4>>
!p = tensor<64x64xbf16, #tile.mma<warps = 4>>
!row = tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
!some = tensor<64x8xf32, #tile.mma<warps = 4>>
!grown = tensor<64x8xi1, #tile.mma<warps = 4>>
!q = !tile.shared<64x64xbf16>
!s = !tile.shared<64x64xbf16>
!queries = !tile.ring<1 x 64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>

// What the update makes of the accumulator is read before the second product starts: the update stays in one piece, and
// waits for the product.
// CHECK-LABEL: tile.kernel @used(
// CHECK: }, {
// CHECK: scf.if
// CHECK: tile.update_where %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}) warps 4 {
// CHECK: scf.for
// CHECK: %[[A:.*]] = tile.mma_async %{{.*}} transpose_b
// CHECK: %[[B:.*]] = tile.mma_async
// CHECK: tile.wait %[[A]] pending 1
// CHECK: %[[GROWN:.*]] = arith.cmpf ogt
// CHECK-NEXT: %[[DONE:.*]] = tile.wait %[[B]] :
// CHECK-NEXT: tile.release
// CHECK-NEXT: %[[U:.*]]:3 = tile.update_where %[[GROWN]](%{{.*}}, %{{.*}}, %[[DONE]]) warps 4 {
// CHECK: arith.mulf %[[DONE]],
// CHECK: tile.reduce add %[[U]]#2
// CHECK: %[[P:.*]] = arith.truncf
// CHECK-NOT: tile.update_where
// CHECK-NOT: tile.ready
// CHECK: scf.yield %[[U]]#0, %{{.*}}, %[[U]]#2, %[[P]],
tile.kernel @used(%q: !keys, %k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %none = arith.constant dense<0.0> : !row
  %low = arith.constant dense<-1.0e30> : !row
  %qr = tile.make_ring : !queries
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %qr[%c0], %q[%bx, %c0] : !queries, !keys
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %qs = tile.get %qr[%c0] : !queries
    %r:3 = scf.for %j = %c0 to %n step %c64 iter_args(%m = %low, %l = %none, %acc = %zero) -> (!row, !row, !acc) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %qs, %ks transpose_b : !q, !s -> !tile.async<!acc>
      %s = tile.wait %a : !tile.async<!acc>
      tile.release %kr[%i] : !ring
      %some = tile.fold max %s : !acc -> !some
      %old = tile.broadcast %m along 1 : !row -> !some
      %grown = arith.cmpf ogt, %some, %old : !some
      %u:3 = tile.update_where %grown (%m, %l, %acc) warps 4 {
        %max = tile.reduce max %some along 1 : !some -> !row
        %new = arith.maxnumf %m, %max : !row
        %d = arith.subf %m, %new : !row
        %f = math.exp2 %d : !row
        %sum = arith.mulf %l, %f : !row
        %wide = tile.broadcast %f along 1 : !row -> !acc
        %scaled = arith.mulf %acc, %wide : !acc
        tile.yield %new, %sum, %scaled : !row, !row, !acc
      } : !grown, !row, !row, !acc
      %shift = tile.broadcast %u#0 along 1 : !row -> !acc
      %x = arith.subf %s, %shift : !acc
      %e = math.exp2 %x : !acc
      %part = tile.reduce add %u#2 along 1 : !acc -> !row
      %l1 = arith.addf %u#1, %part : !row
      %p = arith.truncf %e : !acc to !p
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%u#2 : !acc) : !p, !s -> !tile.async<!acc>
      %acc1 = tile.wait %b : !tile.async<!acc>
      tile.release %vr[%i] : !ring
      scf.yield %u#0, %l1, %acc1 : !row, !row, !acc
    }
    tile.release %qr[%c0] : !queries
    tile.store %r#2, %o[%bx, %c0] : !acc, memref<?x64xf32>
  }
  tile.return
}

// -----

!keys = memref<?x64xbf16>
!acc = tensor<64x64xf32, #tile.mma<warps = 4>>
!p = tensor<64x64xbf16, #tile.mma<warps = 4>>
!s = !tile.shared<64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>

// The elements of a bias, which are loaded ahead, have the registers of a second product.
// CHECK-LABEL: tile.kernel @bias(
// CHECK-NOT: pending 1
// CHECK-NOT: scf.if
tile.kernel @bias(%q: !keys, %k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>, %b0: memref<?x64xf32>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %qr = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %qr[%c0], %q[%bx, %c0] : !tile.ring<1 x 64x64xbf16>, !keys
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %qs = tile.get %qr[%c0] : !tile.ring<1 x 64x64xbf16>
    %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> (!acc) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %a = tile.mma_async %qs, %ks transpose_b : !s, !s -> !tile.async<!acc>
      %s = tile.wait %a : !tile.async<!acc>
      tile.release %kr[%i] : !ring
      %bias = tile.load %b0[%bx, %j] : memref<?x64xf32> -> !acc
      %sum = arith.addf %s, %bias : !acc
      %e = math.exp2 %sum : !acc
      %p = arith.truncf %e : !acc to !p
      %acc1 = arith.mulf %acc, %e : !acc
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%acc1 : !acc) : !p, !s -> !tile.async<!acc>
      %acc2 = tile.wait %b : !tile.async<!acc>
      tile.release %vr[%i] : !ring
      scf.yield %acc2 : !acc
    }
    tile.release %qr[%c0] : !tile.ring<1 x 64x64xbf16>
    tile.store %r, %o[%bx, %c0] : !acc, memref<?x64xf32>
  }
  tile.return
}

// -----

!keys = memref<?x64xbf16>
!acc = tensor<64x64xf32, #tile.mma<warps = 4>>
!p = tensor<64x64xbf16, #tile.mma<warps = 4>>
!s = !tile.shared<64x64xbf16>
!ring = !tile.ring<2 x 64x64xbf16>

// Here the first product needs what the second one of the iteration before computed: nothing can
// run under anything. Without roles the stages of the values would be refilled too early.
// CHECK-LABEL: tile.kernel @dependent(
// CHECK-NOT: pending 1
// CHECK-NOT: scf.if
tile.kernel @dependent(%k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  tile.roles warps [4, 4] registers [0, 0] {
    scf.for %j = %c0 to %n step %c64 {
      %i = arith.divui %j, %c64 : index
      tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
      tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    }
  }, {
    %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> (!acc) {
      %i = arith.divui %j, %c64 : index
      %ks = tile.get %kr[%i] : !ring
      %w = arith.truncf %acc : !acc to !p
      %a = tile.mma_async %w, %ks transpose_b : !p, !s -> !tile.async<!acc>
      %s = tile.wait %a : !tile.async<!acc>
      tile.release %kr[%i] : !ring
      %p = arith.truncf %s : !acc to !p
      %vs = tile.get %vr[%i] : !ring
      %b = tile.mma_async %p, %vs acc(%s : !acc) : !p, !s -> !tile.async<!acc>
      %acc2 = tile.wait %b : !tile.async<!acc>
      tile.release %vr[%i] : !ring
      scf.yield %acc2 : !acc
    }
    tile.store %r, %o[%bx, %c0] : !acc, memref<?x64xf32>
  }
  tile.return
}

// CHECK-LABEL: tile.kernel @no_roles(
// CHECK-NOT: pending 1
// CHECK-NOT: scf.if
tile.kernel @no_roles(%k: !keys, %v: !keys, %n: index, %o: memref<?x64xf32>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %kr = tile.make_ring : !ring
  %vr = tile.make_ring : !ring
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> (!acc) {
    %i = arith.divui %j, %c64 : index
    tile.put %kr[%i], %k[%j, %c0] : !ring, !keys
    tile.put %vr[%i], %v[%j, %c0] : !ring, !keys
    %ks = tile.get %kr[%i] : !ring
    %a = tile.mma_async %ks, %ks transpose_b : !s, !s -> !tile.async<!acc>
    %s = tile.wait %a : !tile.async<!acc>
    tile.release %kr[%i] : !ring
    %p = arith.truncf %s : !acc to !p
    %vs = tile.get %vr[%i] : !ring
    %b = tile.mma_async %p, %vs acc(%acc : !acc) : !p, !s -> !tile.async<!acc>
    %acc2 = tile.wait %b : !tile.async<!acc>
    tile.release %vr[%i] : !ring
    scf.yield %acc2 : !acc
  }
  tile.store %r, %o[%bx, %c0] : !acc, memref<?x64xf32>
  tile.return
}
