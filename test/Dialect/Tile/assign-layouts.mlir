// RUN: seqc-opt %s --tile-assign-layouts | FileCheck %s
// RUN: seqc-opt %s --tile-assign-layouts --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-assign-layouts{{$}}
// STATS-NEXT: 8 anchors
// STATS-NEXT: 3 recomputed
// STATS-NEXT: 47 tiles

// A product spreads #tile.mma: to what is computed from it and with it, as slices
// to its rows and columns. Tiles that only feed products have no layout yet:
// they go to shared memory.
// CHECK-LABEL: tile.kernel @product(
// CHECK: arith.constant dense<0.000000e+00> : tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: %[[Q:.*]] = tile.load {{.*}} -> tensor<64x64xbf16>
// CHECK: %[[S:.*]] = tile.dot %[[Q]], %[[Q]], {{.*}}tensor<64x64xf32, #tile.mma<warps = 4>>
// CHECK: tile.reduce max %[[S]] along 1 : {{.*}} -> tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
// CHECK: tile.iota 0 : tensor<64xi32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>>
// CHECK: tile.broadcast {{.*}} along 0 : {{.*}} -> tensor<64x64xi32, #tile.mma<warps = 4>>
// CHECK: tile.load {{.*}} -> tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
tile.kernel @product(%q: memref<?x64xbf16>, %b: memref<?xf32>, %o: memref<?x64xf32>, %l: memref<?xf32>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %s = tile.dot %q0, %q0, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
  %m = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
  %i = tile.iota 0 : tensor<64xi32>
  %j = tile.broadcast %i along 0 : tensor<64xi32> -> tensor<64x64xi32>
  %f = arith.sitofp %j : tensor<64x64xi32> to tensor<64x64xf32>
  %x = arith.addf %s, %f : tensor<64x64xf32>
  %r = tile.load %b[%bx] : memref<?xf32> -> tensor<64xf32>
  %n = arith.addf %m, %r : tensor<64xf32>
  tile.store %x, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.store %n, %l[%bx] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// Without a product: rectangles, with rows of 16 bytes in a thread.
// CHECK-LABEL: tile.kernel @elementwise(
// CHECK: tile.load {{.*}} -> tensor<64x128xf32, #tile.blocked<thread = [1, 4]
tile.kernel @elementwise(%q: memref<?x128xf32>, %o: memref<?x128xf32>,
                         %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %q[%bx, %c0] : memref<?x128xf32> -> tensor<64x128xf32>
  %r = arith.addf %t, %t : tensor<64x128xf32>
  tile.store %r, %o[%bx, %c0] : tensor<64x128xf32>, memref<?x128xf32>
  tile.return
}

// Without products the largest tile anchors: rows that are reduced lie in one
// thread as far as possible, and rows and columns follow as slices.
// CHECK-LABEL: tile.kernel @state(
// CHECK: %[[H:.*]] = tile.load {{.*}} -> tensor<128x16xf32, #tile.blocked<thread = [1, 16], lanes = [32, 1], warps = [4, 1]>>
// CHECK: tile.load {{.*}} -> tensor<16xf32, #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 16], lanes = [32, 1], warps = [4, 1]>>>
// CHECK: tile.reduce add {{.*}} -> tensor<128xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 16], lanes = [32, 1], warps = [4, 1]>>>
tile.kernel @state(%h: memref<?x16xf32>, %c: memref<?xf32>, %y: memref<?xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %a = tile.load %h[%bx, %c0] : memref<?x16xf32> -> tensor<128x16xf32>
  %r = tile.load %c[%c0] : memref<?xf32> -> tensor<16xf32>
  %b = tile.broadcast %r along 0 : tensor<16xf32> -> tensor<128x16xf32>
  %p = arith.mulf %a, %b : tensor<128x16xf32>
  %s = tile.reduce add %p along 1 : tensor<128x16xf32> -> tensor<128xf32>
  tile.store %s, %y[%bx] : tensor<128xf32>, memref<?xf32>
  tile.return
}

// Other tiles: 16 bytes for each thread, along rows.
// CHECK-LABEL: tile.kernel @vectors(
// CHECK: tile.load {{.*}} -> tensor<64x128xbf16, #tile.blocked<thread = [1, 8], lanes = [2, 16], warps = [4, 1]>>
// CHECK: tile.load {{.*}} -> tensor<512xf32, #tile.blocked<thread = [4], lanes = [32], warps = [4]>>
// CHECK: tile.load {{.*}} -> tensor<24xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1], lanes = [8, 4], warps = [1, 4]>>>
tile.kernel @vectors(%x: memref<?x128xbf16>, %v: memref<?xf32>, %y: memref<?x128xbf16>,
                         %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%bx, %c0] : memref<?x128xbf16> -> tensor<64x128xbf16>
  %n = arith.negf %a : tensor<64x128xbf16>
  tile.store %n, %y[%bx, %c0] : tensor<64x128xbf16>, memref<?x128xbf16>
  %w = tile.load %v[%bx] : memref<?xf32> -> tensor<512xf32>
  tile.store %w, %v[%bx] : tensor<512xf32>, memref<?xf32>
  %z = tile.load %v[%bx] : memref<?xf32> -> tensor<24xf32>
  tile.store %z, %v[%bx] : tensor<24xf32>, memref<?xf32>
  tile.return
}

// One constant, one position and one load serve rows and columns: they, and the
// arithmetic on them, are there once for each.
// CHECK-LABEL: tile.kernel @both(
// CHECK: tile.load {{.*}} -> tensor<64xi32, #tile.slice<dim = [[D0:[01]]], of = #tile.mma<warps = 4>>>
// CHECK: tile.load {{.*}} -> tensor<64xi32, #tile.slice<dim = [[D1:[01]]], of = #tile.mma<warps = 4>>>
// CHECK: arith.addi {{.*}} : tensor<64xi32, #tile.slice<dim = [[D0]], of = #tile.mma<warps = 4>>>
// CHECK: arith.addi {{.*}} : tensor<64xi32, #tile.slice<dim = [[D1]], of = #tile.mma<warps = 4>>>
// CHECK: tile.broadcast {{.*}} along 1
// CHECK: tile.broadcast {{.*}} along 0
tile.kernel @both(%q: memref<?x64xbf16>, %g: memref<?xi32>, %o: memref<?x64xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %s = tile.dot %q0, %q0, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xi32>
  %l = tile.load %g[%bx] : memref<?xi32> -> tensor<64xi32>
  %p = arith.addi %i, %l : tensor<64xi32>
  %r = tile.broadcast %p along 1 : tensor<64xi32> -> tensor<64x64xi32>
  %c = tile.broadcast %p along 0 : tensor<64xi32> -> tensor<64x64xi32>
  %e = arith.cmpi eq, %r, %c : tensor<64x64xi32>
  %m = arith.select %e, %s, %zeros : tensor<64x64xi1>, tensor<64x64xf32>
  tile.store %m, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}

// Loops and branches carry layouts, and so does what weights become on their way
// to the next product. A load that is also computed with is there twice.
// CHECK-LABEL: tile.kernel @carried(
// CHECK-DAG: %[[KEYS:.*]] = tile.load {{.*}} -> tensor<64x64xbf16>
// CHECK-DAG: tile.load {{.*}} -> tensor<64x64xbf16, #tile.mma<warps = 4>>
// CHECK: scf.for {{.*}} -> (tensor<64x64xf32, #tile.mma<warps = 4>>, tensor<64xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>)
// CHECK: scf.if {{.*}} -> (tensor<64x64xf32, #tile.mma<warps = 4>>)
// CHECK: %[[P:.*]] = arith.truncf {{.*}} to tensor<64x64xbf16, #tile.mma<warps = 4>>
// CHECK: tile.dot %[[P]], %[[KEYS]]
tile.kernel @carried(%q: memref<?x64xbf16>, %n: index, %i: i1, %o: memref<?x64xf32>, %w: memref<?xf32>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %row = arith.constant dense<0.0> : tensor<64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %q1 = arith.extf %q0 : tensor<64x64xbf16> to tensor<64x64xf32>
  %r:2 = scf.for %j = %c0 to %n step %c1 iter_args(%acc = %zeros, %m = %row) -> (tensor<64x64xf32>, tensor<64xf32>) {
    %s = scf.if %i -> tensor<64x64xf32> {
      %a = arith.addf %acc, %q1 : tensor<64x64xf32>
      scf.yield %a : tensor<64x64xf32>
    } else {
      scf.yield %acc : tensor<64x64xf32>
    }
    %t = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
    %p = arith.truncf %s : tensor<64x64xf32> to tensor<64x64xbf16>
    %d = tile.dot %p, %q0, %zeros : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    scf.yield %d, %t : tensor<64x64xf32>, tensor<64xf32>
  }
  tile.store %r#0, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.store %r#1, %w[%bx] : tensor<64xf32>, memref<?xf32>
  tile.return
}

// A packed tile has the order of a product's, and what is computed from it.
// CHECK-LABEL: tile.kernel @packed(
// CHECK: %[[T:.*]] = tile.load {{.*}} packed : {{.*}} -> tensor<64x32xf32, #tile.mma<warps = 4>>
// CHECK: %[[R:.*]] = arith.truncf %[[T]] : {{.*}} to tensor<64x32xbf16, #tile.mma<warps = 4>>
// CHECK: tile.store %[[R]]
// CHECK: %[[X:.*]] = tile.load {{.*}} -> tensor<64x32xf32, #tile.mma<warps = 4>>
// CHECK: tile.store %[[X]], {{.*}} add packed : tensor<64x32xf32, #tile.mma<warps = 4>>
tile.kernel @packed(%x: memref<?x32xf32>, %y: memref<?x32xf32>, %o: memref<?x32xbf16>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%bx, %c0] inside [0, 1] packed : memref<?x32xf32> -> tensor<64x32xf32>
  %r = arith.truncf %t : tensor<64x32xf32> to tensor<64x32xbf16>
  tile.store %r, %o[%bx, %c0] : tensor<64x32xbf16>, memref<?x32xbf16>
  %z = tile.load %y[%bx, %c0] : memref<?x32xf32> -> tensor<64x32xf32>
  tile.store %z, %x[%bx, %c0] inside [0, 1] add packed : tensor<64x32xf32>, memref<?x32xf32>
  tile.return
}
