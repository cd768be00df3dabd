// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-tile{single-loop=true},cse),convert-seqc-to-tile{aligned=false},canonicalize,cse)" | FileCheck %s --check-prefix=STRIDED

// Chunks of 1024 steps. The first one is read as a whole if it is whole; one that is cut, and any of a sequence that is not a whole
// number of blocks, in tiles of 256.
// CHECK-LABEL: tile.kernel @long_chunks_0(
// CHECK-SAME: nvvm.minctasm = 32 : i32
// CHECK-SAME: warps = 1
// CHECK: scf.for {{.*}} step %c1024 {
// CHECK-COUNT-2: tile.load {{.*}} inside [1] : {{.*}} -> tensor<1x1024xbf16>
// CHECK: tile.store {{.*}} inside [1]
// CHECK: scf.if
// CHECK: scf.for %[[I:.*]] = %c0 to %[[TO:.*]] step
// CHECK: %[[END:.*]] = arith.addi %[[I]], %c1024
// CHECK: %[[ALL:.*]] = arith.cmpi sle, %[[END]], %[[TO]]
// CHECK: scf.if %[[ALL]] {
// CHECK-COUNT-2: tile.load %{{.*}} -> tensor<1x1024xbf16>
// CHECK: } else {
// CHECK: %[[LAST:.*]] = arith.minsi %[[END]], %[[TO]]
// CHECK: scf.for %{{.*}} = %[[I]] to %[[LAST]] step %c256
// CHECK-COUNT-2: tile.load %{{.*}} -> tensor<1x256xbf16>
// CHECK: } else {
// CHECK: scf.for %[[I:.*]] = %c0 to %{{.*}} step
// CHECK-NOT: 1024xbf16
// CHECK: scf.for %{{.*}} = %[[I]] to %{{.*}} step %c256
// CHECK-COUNT-2: tile.load %{{.*}} -> tensor<1x256xbf16>
// CHECK: tile.return
// STRIDED-LABEL: tile.kernel @long_chunks_0(
// STRIDED-NOT: 1024xbf16
// STRIDED-COUNT-2: tile.load %{{.*}} -> tensor<1x256xbf16>
// STRIDED-NOT: tile.load
// STRIDED: tile.return
func.func @long_chunks(%x: tensor<?x?x?xbf16>, %w: tensor<?x2xf32>) -> tensor<?x?x?xbf16> {
  %y = seqc.causal_conv1d x(%x) weight(%w) {schedule = #seqc.schedule<tile_m = 1, tile_n = 1024, warps = 1>}
    : (tensor<?x?x?xbf16>, tensor<?x2xf32>) -> tensor<?x?x?xbf16>
  return %y : tensor<?x?x?xbf16>
}
