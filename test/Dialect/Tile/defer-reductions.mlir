// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-defer-reductions,canonicalize))" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-defer-reductions))" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-defer-reductions{{$}}
// STATS-NEXT: 6 sums-deferred

// The sum of attention: rescaled by a row in every step, and added to.
// CHECK-LABEL: tile.kernel @rescaled
// CHECK: %[[ZERO:[a-z0-9_]+]] = arith.constant dense<0.000000e+00> : tensor<64x8xf32>
// CHECK: %[[F:[a-z0-9_]+]] = scf.for {{.*}} iter_args(%[[F0:[a-z0-9_]+]] = %[[ZERO]]) -> (tensor<64x8xf32>)
// CHECK: %[[P:[a-z0-9_]+]] = tile.load {{.*}} -> tensor<64x32xf32>
// CHECK: %[[ALPHA:[a-z0-9_]+]] = tile.load {{.*}} -> tensor<64xf32>
// CHECK-DAG: %[[W:[a-z0-9_]+]] = tile.broadcast %[[ALPHA]] along 1 : tensor<64xf32> -> tensor<64x8xf32>
// CHECK-DAG: %[[S:[a-z0-9_]+]] = tile.fold add %[[P]] : tensor<64x32xf32> -> tensor<64x8xf32>
// CHECK-DAG: %[[A:[a-z0-9_]+]] = arith.mulf %[[F0]], %[[W]] : tensor<64x8xf32>
// CHECK: %[[F1:[a-z0-9_]+]] = arith.addf %[[A]], %[[S]] : tensor<64x8xf32>
// CHECK-NEXT: scf.yield %[[F1]]
// CHECK-NEXT: }
// CHECK-NEXT: %[[L:[a-z0-9_]+]] = tile.reduce add %[[F]] along 1 : tensor<64x8xf32> -> tensor<64xf32>
// CHECK-NEXT: tile.store %[[L]]
tile.kernel @rescaled(%p: memref<?x32xf32>, %r: memref<?xf32>, %o: memref<?xf32>, %n: index,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %l = scf.for %i = %c0 to %n step %c64 iter_args(%l0 = %zero) -> (tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    %alpha = tile.load %r[%i] : memref<?xf32> -> tensor<64xf32>
    %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %a = arith.mulf %alpha, %l0 : tensor<64xf32>
    %l1 = arith.addf %a, %s : tensor<64xf32>
    scf.yield %l1 : tensor<64xf32>
  }
  tile.store %l, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// Tiles that are left out yield the sum as it was. A product and a sum may be one
// operation; the factor may be a constant, and a choice be made by row.
// CHECK-LABEL: tile.kernel @branches
// CHECK-DAG: %[[HALF:[a-z0-9_]+]] = arith.constant dense<5.000000e-01> : tensor<64x8xf32>
// CHECK: scf.for {{.*}} iter_args(%[[F0:[a-z0-9_]+]] = %{{.*}}) -> (tensor<64x8xf32>)
// CHECK: %[[T:[a-z0-9_]+]] = scf.if %{{.*}} -> (tensor<64x8xf32>) {
// CHECK-NEXT: scf.yield %[[F0]] : tensor<64x8xf32>
// CHECK-NEXT: } else {
// CHECK-NEXT: %[[S:[a-z0-9_]+]] = tile.fold add
// CHECK-NEXT: %[[A:[a-z0-9_]+]] = math.fma %[[F0]], %[[HALF]], %[[S]] : tensor<64x8xf32>
// CHECK-NEXT: scf.yield %[[A]]
// CHECK-NEXT: }
// CHECK: %[[C:[a-z0-9_]+]] = tile.broadcast %{{.*}} along 1 : tensor<64xi1> -> tensor<64x8xi1>
// CHECK-NEXT: %[[F1:[a-z0-9_]+]] = arith.select %[[C]], %[[T]], %[[F0]]
// CHECK-NEXT: scf.yield %[[F1]]
// CHECK: tile.reduce add
tile.kernel @branches(%p: memref<?x32xf32>, %o: memref<?xf32>, %n: index, %skip: i1, %rows: index,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %half = arith.constant dense<0.5> : tensor<64xf32>
  %row = tile.iota 0 : tensor<64xi32>
  %r32 = arith.index_cast %rows : index to i32
  %end = tensor.splat %r32 : tensor<64xi32>
  %inside = arith.cmpi slt, %row, %end : tensor<64xi32>
  %l = scf.for %i = %c0 to %n step %c64 iter_args(%l0 = %zero) -> (tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    %l1 = scf.if %skip -> (tensor<64xf32>) {
      scf.yield %l0 : tensor<64xf32>
    } else {
      %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
      %a = math.fma %l0, %half, %s : tensor<64xf32>
      scf.yield %a : tensor<64xf32>
    }
    %l2 = arith.select %inside, %l1, %l0 : tensor<64xi1>, tensor<64xf32>
    scf.yield %l2 : tensor<64xf32>
  }
  tile.store %l, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// A loop that goes on where another ended takes over what was not reduced yet.
// CHECK-LABEL: tile.kernel @two_loops
// CHECK: %[[F:[a-z0-9_]+]] = scf.for
// CHECK-NOT: tile.reduce
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[F]]) -> (tensor<64x8xf32>)
// CHECK: tile.reduce add
// CHECK-NOT: tile.reduce
// CHECK: tile.return
tile.kernel @two_loops(%p: memref<?x32xf32>, %o: memref<?xf32>, %n: index, %m: index,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %l = scf.for %i = %c0 to %n step %c64 iter_args(%l0 = %zero) -> (tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %l1 = arith.addf %l0, %s : tensor<64xf32>
    scf.yield %l1 : tensor<64xf32>
  }
  %k = scf.for %i = %n to %m step %c64 iter_args(%l0 = %l) -> (tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %l1 = arith.addf %l0, %s : tensor<64xf32>
    scf.yield %l1 : tensor<64xf32>
  }
  tile.store %k, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// Two sums of one loop; the maximum between them is not linear.
// CHECK-LABEL: tile.kernel @two_sums
// CHECK: scf.for {{.*}} -> (tensor<64x8xf32>, tensor<64xf32>, tensor<64x8xf32>)
tile.kernel @two_sums(%p: memref<?x32xf32>, %o: memref<?xf32>, %n: index,
                      %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %l:3 = scf.for %i = %c0 to %n step %c64 iter_args(%l0 = %zero, %m0 = %zero, %k0 = %zero)
      -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %x = tile.reduce max %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %l1 = arith.addf %l0, %s : tensor<64xf32>
    %m1 = arith.maxnumf %m0, %x : tensor<64xf32>
    %u = arith.mulf %t, %t : tensor<64x32xf32>
    %s2 = tile.reduce add %u along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %k1 = arith.addf %k0, %s2 : tensor<64xf32>
    scf.yield %l1, %m1, %k1 : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>
  }
  tile.store %l#0, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.store %l#1, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.store %l#2, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// Somebody in the loop wants the sum; or it is not a sum of rows only.
// CHECK-LABEL: tile.kernel @not_linear
// CHECK-NOT: tile.fold
// CHECK: scf.for {{.*}} -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf32>)
// CHECK-NOT: tile.fold
// CHECK: tile.return
tile.kernel @not_linear(%p: memref<?x32xf32>, %o: memref<?xf32>, %n: index,
                        %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  %l:3 = scf.for %i = %c0 to %n step %c64 iter_args(%l0 = %zero, %q0 = %zero, %k0 = %zero)
      -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) {
    %t = tile.load %p[%i, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
    // Stored in every step.
    %s = tile.reduce add %t along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %l1 = arith.addf %l0, %s : tensor<64xf32>
    tile.store %l1, %o[%i] : tensor<64xf32>, memref<?xf32>
    // Squared.
    %u = arith.mulf %t, %t : tensor<64x32xf32>
    %s2 = tile.reduce add %u along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %q = arith.mulf %q0, %q0 : tensor<64xf32>
    %q1 = arith.addf %q, %s2 : tensor<64xf32>
    // One more than the sum.
    %v = arith.addf %t, %u : tensor<64x32xf32>
    %s3 = tile.reduce add %v along 1 : tensor<64x32xf32> -> tensor<64xf32>
    %k = arith.addf %k0, %s3 : tensor<64xf32>
    %k1 = arith.addf %k, %one : tensor<64xf32>
    scf.yield %l1, %q1, %k1 : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>
  }
  tile.store %l#1, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.store %l#2, %o[%c0] : tensor<64xf32>, memref<?xf32>
  tile.return
}
