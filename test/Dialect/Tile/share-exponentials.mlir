// RUN: seqc-opt %s --tile-share-exponentials="every=4" --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --tile-share-exponentials="every=1" --canonicalize --cse | FileCheck %s --check-prefix=ALL
// RUN: seqc-opt %s --tile-share-exponentials | FileCheck %s --check-prefix=OFF
// RUN: seqc-opt %s --tile-share-exponentials="every=2" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --tile-share-exponentials="every=3" 2>&1 | FileCheck %s --check-prefix=ERROR

// STATS: tile-share-exponentials{{$}}
// STATS-NEXT: 1 exponentials-shared

// ERROR: exponentials in one of 3 blocks cannot be polynomials, expected a power of two

// Weights: the exponent comes out of an addition without room for a fraction,
// 2^f is a polynomial of degree 4, and every fourth block of eight columns has
// its exponentials from that.
// CHECK-LABEL: tile.kernel @weights(
// CHECK-DAG: %[[THREE:.*]] = arith.constant dense<3> : tensor<64x64xi32>
// CHECK-DAG: %[[BITS:.*]] = arith.constant dense<23> : tensor<64x64xi32>
// CHECK-DAG: %[[LEAST:.*]] = arith.constant dense<-1.270000e+02> : tensor<64x64xf32>
// CHECK-DAG: %[[MAGIC:.*]] = arith.constant dense<0x4B40007F> : tensor<64x64xf32>
// CHECK-DAG: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<64x64xf32>
// CHECK: %[[T:.*]] = tile.load
// CHECK: %[[E:.*]] = math.exp2 %[[T]]
// CHECK: %[[X:.*]] = arith.maximumf %[[T]], %[[LEAST]]
// CHECK: %[[M:.*]] = arith.addf %[[X]], %[[MAGIC]]
// CHECK: %[[N:.*]] = arith.subf %[[M]], %[[MAGIC]]
// CHECK: %[[F:.*]] = arith.subf %[[X]], %[[N]]
// CHECK-COUNT-3: math.fma
// CHECK: %[[P:.*]] = math.fma %{{.*}}, %[[F]], %[[ONE]]
// CHECK: %[[I:.*]] = arith.bitcast %[[M]]
// CHECK: %[[S:.*]] = arith.shli %[[I]], %[[BITS]]
// CHECK: %[[SCALE:.*]] = arith.bitcast %[[S]]
// CHECK: %[[POWER:.*]] = arith.mulf %[[P]], %[[SCALE]]
// CHECK: %[[J:.*]] = tile.iota 1 : tensor<64x64xi32>
// CHECK: %[[BLOCK:.*]] = arith.shrui %[[J]], %[[THREE]]
// CHECK: %[[LOW:.*]] = arith.andi %[[BLOCK]], %[[THREE]]
// CHECK: %[[C:.*]] = arith.cmpi eq, %[[LOW]], %[[THREE]]
// CHECK: %[[W:.*]] = arith.select %[[C]], %[[POWER]], %[[E]]
// CHECK: arith.truncf %[[W]]

// ALL-LABEL: tile.kernel @weights(
// ALL-NOT: math.exp2
// ALL-NOT: arith.select
// ALL: %[[POWER:.*]] = arith.mulf
// ALL: arith.truncf %[[POWER]]

// OFF-LABEL: tile.kernel @weights(
// OFF-NOT: arith.maximumf
// OFF: tile.return
tile.kernel @weights(%x: memref<64x64xf32>, %z: memref<64x64xbf16>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] : memref<64x64xf32> -> tensor<64x64xf32>
  %p = math.exp2 %t : tensor<64x64xf32>
  %w = arith.truncf %p : tensor<64x64xf32> to tensor<64x64xbf16>
  tile.store %w, %z[%c0, %c0] : tensor<64x64xbf16>, memref<64x64xbf16>
  tile.return
}

// Weights that stay f32, and what is not of scores.
// ALL-LABEL: tile.kernel @others(
// ALL: math.exp2 %{{.*}} : tensor<64x64xf32>
// ALL: math.exp2 %{{.*}} : tensor<64xf32>
// ALL-NOT: math.fma
tile.kernel @others(%x: memref<64x64xf32>, %y: memref<64xf32>, %z: memref<64xbf16>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] : memref<64x64xf32> -> tensor<64x64xf32>
  %p = math.exp2 %t : tensor<64x64xf32>
  tile.store %p, %x[%c0, %c0] : tensor<64x64xf32>, memref<64x64xf32>
  %s = tile.load %y[%c0] : memref<64xf32> -> tensor<64xf32>
  %q = math.exp2 %s : tensor<64xf32>
  %w = arith.truncf %q : tensor<64xf32> to tensor<64xbf16>
  tile.store %w, %z[%c0] : tensor<64xbf16>, memref<64xbf16>
  tile.return
}
