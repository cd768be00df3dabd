// RUN: seqc-opt %s --seqc-recompute-backward="grids=true" --cse --canonicalize | FileCheck %s
// RUN: seqc-opt %s --seqc-recompute-backward="grids=true" --cse --canonicalize --seqc-tile="single-loop=true" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: seqc-opt %s --seqc-recompute-backward="scans=false" | FileCheck %s --check-prefix=LATER

// LATER: seqc.selective_scan_backward

// What has been cut into grids already is not tiled again.
// STATS: seqc-recompute-backward
// STATS: 2 scans-rewritten
// STATS: seqc-tile
// STATS: 1 ops-tiled

// Tiles of channels are outside. The first grid stores the state before each chunk,
// the second goes from the last chunk to the first. B is shared by the tiles: each
// has sums of its own, which are added in order.
// CHECK-LABEL: func @scan(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<2x40x100xbf16>,
// CHECK: %[[STARTS:.*]] = scf.forall (%{{.*}}, %[[C:.*]]) = (0, 0) to (2, 40) step (1, 32) shared_outs(%{{.*}} = %{{.*}}) -> (tensor<7x2x40x16xf32>)
// CHECK: scf.for %{{.*}} = %c0 to %c7 step %c1
// CHECK: seqc.chunk_scan u(%{{.*}}) {{.*}} tensor<1x32x16xbf16>
// CHECK: tensor.insert_slice {{.*}} into {{.*}}tensor<7x1x?x16xf32>
// CHECK: } {seqc.grid}
// CHECK: %[[G:.*]]:4 = scf.forall {{.*}} -> (tensor<2x40x100xbf16>, tensor<2x40x16xf32>, tensor<2x2x16x100xf32>, tensor<2x40x16xf32>)
// CHECK: scf.for %[[I:.*]] = %c0 to %c7 step %c1
// CHECK: affine.apply {{.*}}(%[[I]])
// CHECK: tensor.extract_slice %[[STARTS]]
// CHECK: seqc.chunk_scan_backward
// CHECK: } {seqc.grid}
// CHECK: linalg.generic {{.*}} ins(%[[G]]#1 : tensor<2x40x16xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[G]]#2 : tensor<2x2x16x100xf32>)
// CHECK-NOT: scf.for
func.func @scan(%u: tensor<2x40x100xbf16>, %A: tensor<40x16xf32>, %B: tensor<2x16x100xbf16>, %C: tensor<40x16xf32>)
    -> (tensor<2x40x100xbf16>, tensor<40x16xf32>, tensor<2x16x100xbf16>, tensor<40x16xf32>) {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) out_grad(%u)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 16, warps = 4>}
    : (tensor<2x40x100xbf16>, tensor<2x40x100xbf16>, tensor<40x16xf32>, tensor<2x16x100xbf16>, tensor<40x16xf32>, tensor<2x40x100xbf16>)
    -> (tensor<2x40x100xbf16>, tensor<2x40x100xbf16>, tensor<40x16xf32>, tensor<2x16x100xbf16>, tensor<40x16xf32>)
  return %0#0, %0#2, %0#3, %0#4 : tensor<2x40x100xbf16>, tensor<40x16xf32>, tensor<2x16x100xbf16>, tensor<40x16xf32>
}

// The states of a convolution are read element by element, by operators on whole
// tensors that become kernels.
// CHECK-LABEL: func @conv(
// CHECK: seqc.chunk_conv1d_backward
// CHECK: linalg.generic
// CHECK: tensor.extract %{{.*}} : tensor<2x8x3xf32>
// CHECK: linalg.generic
// CHECK-COUNT-5: tensor.extract %{{.*}} : tensor<2x8x3xf32>
// CHECK-NOT: tensor.insert_slice
func.func @conv(%x: tensor<2x8x100xf32>, %w: tensor<8x4xf32>, %s: tensor<2x8x3xf32>)
    -> (tensor<2x8x100xf32>, tensor<8x4xf32>, tensor<2x8x3xf32>) {
  %0:3 = seqc.causal_conv1d_backward x(%x) weight(%w) initial_state(%s) out_grad(%x) final_state_grad(%s)
    : (tensor<2x8x100xf32>, tensor<8x4xf32>, tensor<2x8x3xf32>, tensor<2x8x100xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x100xf32>, tensor<8x4xf32>) initial_state_grad(tensor<2x8x3xf32>)
  return %0#0, %0#1, %0#2 : tensor<2x8x100xf32>, tensor<8x4xf32>, tensor<2x8x3xf32>
}
