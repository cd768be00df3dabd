// RUN: seqc-opt %s --tile-share-rows --cse | FileCheck %s
// RUN: seqc-opt %s --tile-share-rows --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-share-rows{{$}}
// STATS-NEXT: 2 rows-shared

#mma = #tile.mma<warps = 4>
#columns = #tile.slice<dim = 0, of = #mma>
!tile = tensor<64x32xf32, #mma>
!row = tensor<32xf32, #columns>
!half = tensor<64x32xbf16, #mma>
!s = !tile.shared<64x32xbf16>
!rows = memref<?x?xf32>

// What is read in iteration n stands in row n mod 2; in front of the barrier the
// other row is written for the next iteration, from loads in front of all else.
// A constant factor has the layout of what is written. Behind the loop's start
// stand its first rows, and a barrier.
// CHECK-LABEL: tile.kernel @rows(
// CHECK-SAME: %[[LSE:[a-z0-9]+]]: memref<?x?xf32>, %[[DELTA:[a-z0-9]+]]: memref<?x?xf32>, %[[FROM:[a-z0-9]+]]: index
// CHECK-DAG: %[[DS:.*]] = tile.alloc : !tile.shared<2x32xf32, pitch 32>
// CHECK-DAG: %[[LS:.*]] = tile.alloc : !tile.shared<2x32xf32, pitch 32>
// CHECK: %[[L0:.*]] = tile.load %[[LSE]][%[[H:.*]], %[[FROM]]] dims [1] : {{.*}} -> tensor<32xf32, #tile.slice<dim = 1, of = #tile.blocked<
// CHECK: %[[C:.*]] = arith.constant dense<1.500000e+00> : tensor<32xf32, #tile.slice<dim = 1, of = #tile.blocked<
// CHECK: %[[X0:.*]] = arith.mulf %[[L0]], %[[C]]
// CHECK: tile.shared_store %[[X0]], %[[A:.*]][%c0, %c0]
// CHECK: %[[D0:.*]] = tile.load %[[DELTA]][%[[H]], %[[FROM]]] dims [1]
// CHECK: tile.shared_store %[[D0]], %[[B:.*]][%c0, %c0]
// CHECK-NEXT: tile.barrier
// CHECK-NEXT: scf.for %[[I:.*]] = %[[FROM]] to %{{.*}} step %c32
// CHECK: %[[PASSED:.*]] = arith.subi %[[I]], %[[FROM]]
// CHECK: %[[NUMBER:.*]] = arith.divui %[[PASSED]], %c32
// CHECK: %[[ROW:.*]] = arith.remui %[[NUMBER]], %c2
// CHECK: %[[OTHER:.*]] = arith.subi %c1, %[[ROW]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[I]], %c32
// CHECK-DAG: %[[D1:.*]] = tile.load %[[DELTA]][%[[H]], %[[NEXT]]] dims [1] : {{.*}}#tile.blocked
// CHECK-DAG: %[[L1:.*]] = tile.load %[[LSE]][%[[H]], %[[NEXT]]] dims [1] : {{.*}}#tile.blocked
// CHECK: math.exp2
// CHECK-NEXT: %[[X:.*]] = tile.shared_load %[[A]][%[[ROW]], %c0] : !tile.shared<2x32xf32, pitch 32> -> tensor<32xf32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>>
// CHECK-NEXT: %[[Y:.*]] = tile.broadcast %[[X]] along 0
// CHECK-NEXT: arith.subf %{{.*}}, %[[Y]]
// CHECK-NEXT: %[[D:.*]] = tile.shared_load %[[B]][%[[ROW]], %c0]
// CHECK-NEXT: %[[W:.*]] = tile.broadcast %[[D]] along 0
// CHECK-NEXT: arith.mulf %{{.*}}, %[[W]]
// CHECK: %[[X1:.*]] = arith.mulf %[[L1]], %[[C]]
// CHECK-NEXT: tile.shared_store %[[X1]], %[[A]][%[[OTHER]], %c0]
// CHECK-NEXT: tile.shared_store %[[D1]], %[[B]][%[[OTHER]], %c0]
// CHECK-NEXT: tile.barrier
// CHECK-NOT: tile.barrier
// CHECK: scf.yield
tile.kernel @rows(%lse: !rows, %delta: !rows, %from: index, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %log2e = arith.constant dense<1.5> : !row
  %shared = tile.alloc : !s
  %r = scf.for %i = %from to %n step %c32 iter_args(%acc = %zero) -> (!tile) {
    %l = tile.load %lse[%bx, %i] dims [1] : !rows -> !row
    %x = arith.mulf %l, %log2e : !row
    %d = tile.load %delta[%bx, %i] dims [1] : !rows -> !row
    %p = math.exp2 %acc : !tile
    %y = tile.broadcast %x along 0 : !row -> !tile
    %e = arith.subf %p, %y : !tile
    %w = tile.broadcast %d along 0 : !row -> !tile
    %f = arith.mulf %e, %w : !tile
    %h = arith.truncf %f : !tile to !half
    tile.barrier
    tile.shared_store %h, %shared : !half, !s
    scf.yield %f : !tile
  }
  tile.store %r, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// Without a barrier in the loop there would be one more for each iteration.
// CHECK-LABEL: tile.kernel @without(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @without(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %r = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero) -> (!tile) {
    %l = tile.load %lse[%bx, %i] dims [1] : !rows -> !row
    %y = tile.broadcast %l along 0 : !row -> !tile
    %f = arith.addf %acc, %y : !tile
    scf.yield %f : !tile
  }
  tile.store %r, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// Behind the barrier the row could be the next iteration's already.
// CHECK-LABEL: tile.kernel @behind(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @behind(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %r = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero) -> (!tile) {
    %l = tile.load %lse[%bx, %i] dims [1] : !rows -> !row
    %y = tile.broadcast %l along 0 : !row -> !tile
    tile.barrier
    %f = arith.addf %acc, %y : !tile
    scf.yield %f : !tile
  }
  tile.store %r, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// What an iteration leaves is not known before it, and no loop variable decides
// where the second load is.
// CHECK-LABEL: tile.kernel @carried(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @carried(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %m = arith.constant dense<0.0> : !row
  %r:3 = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero, %k = %m, %at = %c0) -> (!tile, !row, index) {
    %y = tile.broadcast %k along 0 : !row -> !tile
    %f = arith.addf %acc, %y : !tile
    %k1 = arith.negf %k : !row
    %l = tile.load %lse[%bx, %at] dims [1] : !rows -> !row
    %z = tile.broadcast %l along 0 : !row -> !tile
    %g = arith.addf %f, %z : !tile
    %at1 = arith.addi %at, %i : index
    tile.barrier
    scf.yield %g, %k1, %at1 : !tile, !row, index
  }
  tile.store %r#0, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// A number for each row: a thread has two of them.
// CHECK-LABEL: tile.kernel @numbers_of_rows(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @numbers_of_rows(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %r = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero) -> (!tile) {
    %l = tile.load %lse[%bx, %i] dims [1] : !rows -> tensor<64xf32, #tile.slice<dim = 1, of = #mma>>
    %y = tile.broadcast %l along 1 : tensor<64xf32, #tile.slice<dim = 1, of = #mma>> -> !tile
    %f = arith.addf %acc, %y : !tile
    tile.barrier
    scf.yield %f : !tile
  }
  tile.store %r, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// The loop also hands it on as it is.
// CHECK-LABEL: tile.kernel @other_use(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @other_use(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %m = arith.constant dense<0.0> : !row
  %r:2 = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero, %k = %m) -> (!tile, !row) {
    %l = tile.load %lse[%bx, %i] dims [1] : !rows -> !row
    %y = tile.broadcast %l along 0 : !row -> !tile
    %f = arith.addf %acc, %y : !tile
    tile.barrier
    scf.yield %f, %l : !tile, !row
  }
  tile.store %r#0, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}

// Pages, and rows that a count cuts, have places of their own.
// CHECK-LABEL: tile.kernel @paged(
// CHECK-NOT: tile.shared_load
// CHECK-NOT: pitch
// CHECK: tile.return
tile.kernel @paged(%lse: !rows, %n: index, %o: memref<?x32xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : !tile
  %r = scf.for %i = %c0 to %n step %c32 iter_args(%acc = %zero) -> (!tile) {
    %l = tile.load %lse[%bx, %i] rows(%n) dims [1] : !rows -> !row
    %y = tile.broadcast %l along 0 : !row -> !tile
    %f = arith.addf %acc, %y : !tile
    tile.barrier
    scf.yield %f : !tile
  }
  tile.store %r, %o[%bx, %c0] : !tile, memref<?x32xf32>
  tile.return
}
