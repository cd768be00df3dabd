// RUN: seqc-opt %s --tile-split-accumulators --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --tile-split-accumulators --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS

// STATISTICS: 1 loops-split

!wide = tensor<64x256xbf16>
!acc = tensor<64x256xf32>
!small = tensor<64x64xbf16>
!s = tensor<64x64xf32>

// Twice 128 registers of a thread are too many. The second loop has no product
// that only the first sum needs; the first sum is stored before it.
// CHECK-LABEL: tile.kernel @two_sums(
// CHECK: %[[K:.*]] = tile.load
// CHECK: %[[DK:.*]] = scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}) -> (tensor<64x256xf32>) {
// CHECK: %[[S:.*]] = tile.dot %[[K]], {{.*}} transpose_b
// CHECK: %[[D:.*]] = tile.dot %[[K]], {{.*}} transpose_b
// CHECK: %[[E:.*]] = arith.mulf %[[S]], %[[D]]
// CHECK: %[[E16:.*]] = arith.truncf %[[E]]
// CHECK: %[[R:.*]] = tile.dot %[[E16]], %{{.*}}, %[[A]]
// CHECK-NEXT: scf.yield %[[R]]
// CHECK: }
// CHECK-NEXT: %[[DK16:.*]] = arith.truncf %[[DK]]
// CHECK-NEXT: tile.store %[[DK16]]
// CHECK-NEXT: %[[DV:.*]] = scf.for
// CHECK: %[[S:.*]] = tile.dot %[[K]], {{.*}} transpose_b
// CHECK-NOT: transpose_b
// CHECK: arith.truncf %[[S]]
// CHECK: tile.dot
// CHECK-NEXT: scf.yield
// CHECK: }
// CHECK-NEXT: arith.truncf %[[DV]]
// CHECK-NEXT: tile.store
tile.kernel @two_sums(%k: memref<?x256xbf16>, %q: memref<?x256xbf16>, %g: memref<?x256xbf16>,
                      %n: index, %o: memref<?x256xbf16>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %zeros = arith.constant dense<0.0> : !s
  %kt = tile.load %k[%bx, %c0] : memref<?x256xbf16> -> !wide
  %r:2 = scf.for %i = %c0 to %n step %c64 iter_args(%dk = %zero, %dv = %zero) -> (!acc, !acc) {
    %qt = tile.load %q[%i, %c0] : memref<?x256xbf16> -> !wide
    %gt = tile.load %g[%i, %c0] : memref<?x256xbf16> -> !wide
    %sc = tile.dot %kt, %qt, %zeros transpose_b : !wide, !wide, !s
    %d = tile.dot %kt, %gt, %zeros transpose_b : !wide, !wide, !s
    %p = arith.truncf %sc : !s to !small
    %dv1 = tile.dot %p, %gt, %dv : !small, !wide, !acc
    %e = arith.mulf %sc, %d : !s
    %e16 = arith.truncf %e : !s to !small
    %dk1 = tile.dot %e16, %qt, %dk : !small, !wide, !acc
    scf.yield %dk1, %dv1 : !acc, !acc
  }
  %dk16 = arith.truncf %r#0 : !acc to !wide
  %dv16 = arith.truncf %r#1 : !acc to !wide
  tile.store %dk16, %o[%bx, %c0] : !wide, memref<?x256xbf16>
  tile.store %dv16, %o[%by, %c0] : !wide, memref<?x256xbf16>
  tile.return
}

// Eight warps have room for both.
// CHECK-LABEL: tile.kernel @room(
// CHECK: %{{.*}}:2 = scf.for
tile.kernel @room(%q: memref<?x256xbf16>, %n: index, %o: memref<?x256xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !acc
  %p = tile.load %q[%bx, %c0] : memref<?x256xbf16> -> !small
  %r:2 = scf.for %i = %c0 to %n step %c64 iter_args(%dk = %zero, %dv = %zero) -> (!acc, !acc) {
    %qt = tile.load %q[%i, %c0] : memref<?x256xbf16> -> !wide
    %dv1 = tile.dot %p, %qt, %dv : !small, !wide, !acc
    %dk1 = tile.dot %p, %qt, %dk : !small, !wide, !acc
    scf.yield %dk1, %dv1 : !acc, !acc
  }
  tile.store %r#0, %o[%bx, %c0] : !acc, memref<?x256xf32>
  tile.store %r#1, %o[%by, %c0] : !acc, memref<?x256xf32>
  tile.return
}
