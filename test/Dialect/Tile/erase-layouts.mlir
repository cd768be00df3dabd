// RUN: seqc-opt %s --tile-erase-layouts | FileCheck %s
// RUN: seqc-opt %s --tile-erase-layouts --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATISTICS

// STATISTICS: 7 layouts-erased

#mma = #tile.mma<warps = 4>
#rows = #tile.slice<dim = 1, of = #mma>

// Results, what loops carry, regions, constants; conversions go.
// CHECK-LABEL: tile.kernel @layouts(
// CHECK-NEXT: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[INIT:.*]] = arith.constant dense<0.000000e+00> : tensor<128xf32>
// CHECK-NEXT: %[[TRUE:.*]] = arith.constant dense<true> : tensor<128x8xi1>
// CHECK-NEXT: %[[R:.*]] = scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[M:.*]] = %[[INIT]]) -> (tensor<128xf32>)
// CHECK-NEXT: %[[X:.*]] = tile.load %{{.*}} : memref<?x64xf32> -> tensor<128x64xf32>
// CHECK-NEXT: %[[U:.*]] = tile.update_where %[[TRUE]](%[[M]]) warps 4 {
// CHECK-NEXT: %[[T:.*]] = tile.reduce max %[[X]] along 1 : tensor<128x64xf32> -> tensor<128xf32>
// CHECK-NEXT: tile.yield %[[T]] : tensor<128xf32>
// CHECK-NEXT: } : tensor<128x8xi1>, tensor<128xf32>
// CHECK-NEXT: scf.yield %[[U]] : tensor<128xf32>
// CHECK: tile.store %[[R]], %{{.*}} dims [0] : tensor<128xf32>, memref<?x64xf32>
// CHECK-NOT: #tile
tile.kernel @layouts(%x: memref<?x64xf32>, %n: index, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %init = arith.constant dense<0.0> : tensor<128xf32, #rows>
  %true = arith.constant dense<true> : tensor<128x8xi1, #mma>
  %r = scf.for %i = %c0 to %n step %n iter_args(%m = %init) -> (tensor<128xf32, #rows>) {
    %0 = tile.load %x[%i, %c0] : memref<?x64xf32> -> tensor<128x64xf32>
    %1 = tile.convert %0 : tensor<128x64xf32> -> tensor<128x64xf32, #mma>
    %2 = tile.update_where %true(%m) warps 4 {
      %3 = tile.reduce max %1 along 1 : tensor<128x64xf32, #mma> -> tensor<128xf32, #rows>
      tile.yield %3 : tensor<128xf32, #rows>
    } : tensor<128x8xi1, #mma>, tensor<128xf32, #rows>
    scf.yield %2 : tensor<128xf32, #rows>
  }
  %s = tile.convert %r : tensor<128xf32, #rows> -> tensor<128xf32>
  tile.store %s, %x[%c0, %c0] dims [0] : tensor<128xf32>, memref<?x64xf32>
  tile.return
}
