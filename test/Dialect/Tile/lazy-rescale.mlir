// RUN: seqc-opt %s --tile-lazy-rescale --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --tile-lazy-rescale="threshold=0" --cse | FileCheck %s --check-prefix=OFF
// RUN: seqc-opt %s --tile-lazy-rescale --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: tile-lazy-rescale{{$}}
// STATS-NEXT: 2 lazy-rescales

// The maximum, the sum and the accumulator change together, in a region that
// runs where a score is 2^8 above the reference; weights use what comes out.
// CHECK-LABEL: tile.kernel @online(
// CHECK: scf.for {{.*}} iter_args(%[[M:.*]] = %{{.*}}, %[[L:.*]] = %{{.*}}, %[[ACC:.*]] = %{{.*}})
// CHECK: %[[S:.*]] = tile.dot
// CHECK: %[[SOME:.*]] = tile.fold max %[[S]] : {{.*}} -> tensor<64x8xf32>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SOME]]
// CHECK: %[[OLD:.*]] = tile.broadcast %[[M]] along 1
// CHECK: %[[EXCESS:.*]] = arith.subf %[[SCALED]], %[[OLD]]
// CHECK: %[[GROWN:.*]] = arith.cmpf ogt, %[[EXCESS]], %{{.*}}
// CHECK: %[[U:.*]]:3 = tile.update_where %[[GROWN]](%[[M]], %[[L]], %[[ACC]]) warps 4 {
// CHECK:   %[[MAX:.*]] = tile.reduce max %[[SOME]] along 1
// CHECK:   %[[NEW:.*]] = arith.maxnumf %[[M]], %{{.*}}
// CHECK:   %[[ALPHA:.*]] = math.exp2
// CHECK:   arith.mulf %[[L]], %[[ALPHA]] :
// CHECK:   tile.yield %[[NEW]],
// CHECK: %[[SHIFT:.*]] = arith.select %{{.*}}, %{{.*}}, %[[U]]#0
// CHECK: arith.subf %{{.*}}, %{{.*}}
// CHECK: arith.addf %[[U]]#1,
// CHECK: tile.dot %{{.*}}, %{{.*}}, %[[U]]#2

// OFF-LABEL: tile.kernel @online(
// OFF-NOT: update_where
tile.kernel @online(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %o: memref<?x64xf32>,
                    %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %ninf = arith.constant dense<0xFF800000> : tensor<64xf32>
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %scale = arith.constant dense<0.18> : tensor<64xf32>
  %scale2 = arith.constant dense<0.18> : tensor<64x64xf32>
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %r:3 = scf.for %j = %c0 to %n step %c64 iter_args(%m = %ninf, %l = %zero, %acc = %zeros)
      -> (tensor<64xf32>, tensor<64xf32>, tensor<64x64xf32>) {
    %kt = tile.load %k[%j, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
    %s = tile.dot %qt, %kt, %zeros transpose_b
        : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    %max = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
    %scaled = arith.mulf %max, %scale : tensor<64xf32>
    %new = arith.maxnumf %m, %scaled : tensor<64xf32>
    %none = arith.cmpf oeq, %new, %ninf : tensor<64xf32>
    %shift = arith.select %none, %zero, %new : tensor<64xi1>, tensor<64xf32>
    %d = arith.subf %m, %shift : tensor<64xf32>
    %alpha = math.exp2 %d : tensor<64xf32>
    %base = arith.mulf %s, %scale2 : tensor<64x64xf32>
    %wide = tile.broadcast %shift along 1 : tensor<64xf32> -> tensor<64x64xf32>
    %e = arith.subf %base, %wide : tensor<64x64xf32>
    %p = math.exp2 %e : tensor<64x64xf32>
    %l1 = arith.mulf %l, %alpha : tensor<64xf32>
    %sum = tile.reduce add %p along 1 : tensor<64x64xf32> -> tensor<64xf32>
    %l2 = arith.addf %l1, %sum : tensor<64xf32>
    %a = tile.broadcast %alpha along 1 : tensor<64xf32> -> tensor<64x64xf32>
    %acc1 = arith.mulf %acc, %a : tensor<64x64xf32>
    %p16 = arith.truncf %p : tensor<64x64xf32> to tensor<64x64xbf16>
    %acc2 = tile.dot %p16, %kt, %acc1
        : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    scf.yield %new, %l2, %acc2 : tensor<64xf32>, tensor<64xf32>, tensor<64x64xf32>
  }
  tile.store %r#2, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}

// What rows add after the reduction is added to the fold as well.
// CHECK-LABEL: tile.kernel @rows(
// CHECK: %[[PART:.*]] = tile.load {{.*}} -> tensor<64xf32>
// CHECK: %[[SOME:.*]] = tile.fold max
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SOME]]
// CHECK: %[[WIDE:.*]] = tile.broadcast %[[PART]] along 1 : tensor<64xf32> -> tensor<64x8xf32>
// CHECK: %[[SUM:.*]] = arith.addf %[[SCALED]], %[[WIDE]]
// CHECK: %[[OLD:.*]] = tile.broadcast
// CHECK: arith.subf %[[SUM]], %[[OLD]]
// CHECK: tile.update_where
// CHECK:   %[[MAX:.*]] = tile.reduce max %[[SOME]] along 1
// CHECK:   %[[C:.*]] = arith.mulf %[[MAX]]
// CHECK:   %[[MOVED:.*]] = arith.addf %[[C]], %[[PART]]
// CHECK:   arith.maxnumf %{{.*}}, %[[MOVED]]
tile.kernel @rows(%r0: memref<64xf32>, %q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %o: memref<?x64xf32>,
                    %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %ninf = arith.constant dense<0xFF800000> : tensor<64xf32>
  %zero = arith.constant dense<0.0> : tensor<64xf32>
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %scale = arith.constant dense<0.18> : tensor<64xf32>
  %scale2 = arith.constant dense<0.18> : tensor<64x64xf32>
  %qt = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %part = tile.load %r0[%c0] : memref<64xf32> -> tensor<64xf32>
  %r:3 = scf.for %j = %c0 to %n step %c64 iter_args(%m = %ninf, %l = %zero, %acc = %zeros)
      -> (tensor<64xf32>, tensor<64xf32>, tensor<64x64xf32>) {
    %kt = tile.load %k[%j, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
    %s = tile.dot %qt, %kt, %zeros transpose_b
        : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    %max = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
    %scaled = arith.mulf %max, %scale : tensor<64xf32>
    %moved = arith.addf %scaled, %part : tensor<64xf32>
    %new = arith.maxnumf %m, %moved : tensor<64xf32>
    %none = arith.cmpf oeq, %new, %ninf : tensor<64xf32>
    %shift = arith.select %none, %zero, %new : tensor<64xi1>, tensor<64xf32>
    %d = arith.subf %m, %shift : tensor<64xf32>
    %alpha = math.exp2 %d : tensor<64xf32>
    %base = arith.mulf %s, %scale2 : tensor<64x64xf32>
    %wide = tile.broadcast %shift along 1 : tensor<64xf32> -> tensor<64x64xf32>
    %e = arith.subf %base, %wide : tensor<64x64xf32>
    %p = math.exp2 %e : tensor<64x64xf32>
    %l1 = arith.mulf %l, %alpha : tensor<64xf32>
    %sum = tile.reduce add %p along 1 : tensor<64x64xf32> -> tensor<64xf32>
    %l2 = arith.addf %l1, %sum : tensor<64xf32>
    %a = tile.broadcast %alpha along 1 : tensor<64xf32> -> tensor<64x64xf32>
    %acc1 = arith.mulf %acc, %a : tensor<64x64xf32>
    %p16 = arith.truncf %p : tensor<64x64xf32> to tensor<64x64xbf16>
    %acc2 = tile.dot %p16, %kt, %acc1
        : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    scf.yield %new, %l2, %acc2 : tensor<64xf32>, tensor<64xf32>, tensor<64x64xf32>
  }
  tile.store %r#2, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}
