// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-online-softmax,canonicalize,cse,seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s

// Tiles of 64 keys have four pages of 16. They are looked up once, and copies end with
// the sequence. The length of the views is the host's arithmetic.
// CHECK-LABEL: tile.kernel @step_0(
// CHECK-SAME: %[[N:[a-z0-9]+]]: memref<?xi32, {{[^%]*}}, %[[T:[a-z0-9]+]]: memref<?x?xi32, {{[^%]*}}, %[[KP:[a-z0-9]+]]: memref<?x2x16x64xbf16, {{[^%]*}}, %[[VP:[a-z0-9]+]]: memref<?x2x16x64xbf16,
// CHECK-SAME: %[[ALL:[a-z0-9]+]]: index
// CHECK: %[[ENTRY:.*]] = memref.load %[[N]][%[[B:[a-z0-9]+]]]
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: %[[LENGTH:.*]] = arith.minui %[[INDEX]], %[[ALL]]
// CHECK: %[[MOST:.*]] = memref.dim %[[T]], %c1
// CHECK: %[[LAST:.*]] = arith.subi %[[MOST]], %c1
// CHECK: scf.for %[[J:[a-z0-9]+]] =
// CHECK: %[[ROWS:.*]] = affine.min
// CHECK: %[[I:.*]] = arith.divui %[[J]], %c16
// CHECK: %[[I0:.*]] = arith.minsi %[[I]], %[[LAST]]
// CHECK: %[[E0:.*]] = memref.load %[[T]][%[[B]], %[[I0]]]
// CHECK: %[[P0:.*]] = arith.index_cast %[[E0]]
// CHECK: %[[E1:.*]] = memref.load %[[T]][%[[B]],
// CHECK: %[[P1:.*]] = arith.index_cast %[[E1]]
// CHECK: %[[P2:.*]] = arith.index_cast
// CHECK: %[[P3:.*]] = arith.index_cast
// CHECK-NOT: memref.load
// CHECK: %[[K:.*]] = tile.load %[[KP]][%[[P0]], %[[H:[a-z0-9]+]], %c0, %c0] pages(%[[P1]], %[[P2]], %[[P3]]) rows(%[[ROWS]])
// CHECK: %[[V:.*]] = tile.load %[[VP]][%[[P0]], %[[H]], %c0, %c0] pages(%[[P1]], %[[P2]], %[[P3]]) rows(%[[ROWS]])
// CHECK: tile.dot %{{.*}}, %[[K]]
// CHECK-LABEL: func.func @step(
// CHECK: %[[D:.*]] = tensor.dim %{{.*}}, %c1 : tensor<?x?xi32>
// CHECK: arith.muli %[[D]], %c16
func.func @step(%q: tensor<?x2x64x64xbf16>, %kp: tensor<?x2x16x64xbf16>,
                %vp: tensor<?x2x16x64xbf16>, %t: tensor<?x?xi32>,
                %n: tensor<?xi32>) -> tensor<?x2x64x64xbf16> {
  %k = seqc.paged %kp, %t : (tensor<?x2x16x64xbf16>, tensor<?x?xi32>) -> tensor<?x2x?x64xbf16>
  %v = seqc.paged %vp, %t : (tensor<?x2x16x64xbf16>, tensor<?x?xi32>) -> tensor<?x2x?x64xbf16>
  %out = seqc.attention query(%q) key(%k) value(%v) key_lengths(%n)
      : (tensor<?x2x64x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?xi32>)
      -> tensor<?x2x64x64xbf16>
  return %out : tensor<?x2x64x64xbf16>
}

// A page is larger than a tile: the tile begins inside of it.
// CHECK-LABEL: tile.kernel @large_pages_0(
// CHECK: scf.for %[[J:[a-z0-9]+]] =
// CHECK: %[[I:.*]] = arith.divui %[[J]], %c256
// CHECK: %[[E:.*]] = memref.load
// CHECK: %[[P:.*]] = arith.index_cast %[[E]]
// CHECK: %[[R:.*]] = arith.remui %[[J]], %c256
// CHECK: tile.load %{{.*}}[%[[P]], %{{.*}}, %[[R]], %c0] rows(
func.func @large_pages(%q: tensor<?x2x64x64xbf16>, %kp: tensor<?x2x256x64xbf16>,
                       %t: tensor<?x?xi32>) -> tensor<?x2x64x64xbf16> {
  %k = seqc.paged %kp, %t : (tensor<?x2x256x64xbf16>, tensor<?x?xi32>) -> tensor<?x2x?x64xbf16>
  %out = seqc.attention query(%q) key(%k) value(%k)
      : (tensor<?x2x64x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>)
      -> tensor<?x2x64x64xbf16>
  return %out : tensor<?x2x64x64xbf16>
}
