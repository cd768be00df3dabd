// RUN: seqc-opt %s --convert-tile-to-cpu --canonicalize --cse | FileCheck %s

// A copy for each page; the rows that are not read are 0.
// CHECK-LABEL: func.func @pages(
// CHECK: %[[TILE:.*]] = memref.alloc() : memref<32x64xf32>
// CHECK: linalg.fill {{.*}} outs(%[[TILE]]
// CHECK: %[[FROM0:.*]] = memref.subview %[[K:[a-z0-9]+]]
// CHECK: %[[TO0:.*]] = memref.subview %[[TILE]][0, 0] [%{{.*}}, 64]
// CHECK: memref.copy %[[FROM0]], %[[TO0]]
// CHECK: %[[FROM1:.*]] = memref.subview %[[K]]
// CHECK: %[[TO1:.*]] = memref.subview %[[TILE]][16, 0] [%{{.*}}, 64]
// CHECK: memref.copy %[[FROM1]], %[[TO1]]
// CHECK: %[[NONE:.*]] = arith.maxsi %{{.*}}, %c0
// CHECK: %[[READ:.*]] = arith.minsi %[[NONE]], %c32
// CHECK: %[[COUNT:.*]] = arith.subi %c32, %[[READ]]
// CHECK: %[[REST:.*]] = memref.subview %[[TILE]][%[[READ]], 0] [%[[COUNT]], 64]
// CHECK: linalg.fill {{.*}} outs(%[[REST]]
func.func @pages(%k: tensor<?x16x64xf32>, %p: index, %n: index, %o: tensor<?x64xf32>, %g: index) -> tensor<?x64xf32> {
  %r = tile.launch @kernel grid(%g, %g, %g) ins(%k, %p, %n : tensor<?x16x64xf32>, index, index)
      outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
tile.kernel @kernel(%k: memref<?x16x64xf32>, %p: index, %n: index, %o: memref<?x64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %k[%bx, %c0, %c0] pages(%p) rows(%n) : memref<?x16x64xf32> -> tensor<32x64xf32>
  tile.store %t, %o[%by, %c0] : tensor<32x64xf32>, memref<?x64xf32>
  tile.return
}
