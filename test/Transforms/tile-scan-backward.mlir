// RUN: seqc-opt %s --seqc-tile --cse --canonicalize | FileCheck %s
// RUN: seqc-opt %s --seqc-tile --seqc-tile --cse --canonicalize | FileCheck %s

// Tiles of 16 channels in parallel, each with all 40 steps of the chunk. What
// channels share, B's and C's gradient, is a partial sum for each of the 3
// tiles, and these are added in their order.
// CHECK-LABEL: func @shared(
// CHECK: %[[PARTS:.*]] = tensor.empty() : tensor<3x2x4x40xf32>
// CHECK: %[[R:.*]]:6 = scf.forall (%[[B:.*]], %[[C:.*]]) = (0, 0) to (2, 40) step (1, 16)
// CHECK-SAME: shared_outs({{.*}}, %[[DH:[a-z0-9]+]] = %{{[a-z0-9]+}}, %{{[a-z0-9]+}} = %{{[a-z0-9]+}}, %[[DB:[a-z0-9]+]] = %[[PARTS]], %[[DC:[a-z0-9]+]] = %[[PARTS]])
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<1x4x40xf32>
// CHECK:   %[[G:.*]]:6 = seqc.chunk_scan_backward u({{.*}}) {{.*}} steps(%c40)
// CHECK-SAME: B_grad(%[[ZEROS]]) C_grad(%[[ZEROS]])
// CHECK-SAME: -> (tensor<1x16x40xf32>, tensor<1x16x40xf32>, tensor<1x16x4xf32>, tensor<1x16x4xf32>, tensor<1x4x40xf32>, tensor<1x4x40xf32>)
// CHECK:   scf.forall.in_parallel
// CHECK:     tensor.parallel_insert_slice %[[G]]#4 into %[[DB]][%{{.*}}, %[[B]], 0, 0] [1, 1, 4, 40]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%[[R]]#4 : tensor<3x2x4x40xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[R]]#5 : tensor<3x2x4x40xf32>)
func.func @shared(%u: tensor<2x40x40xf32>, %A: tensor<40x4xf32>,
                  %B: tensor<2x4x40xf32>, %h: tensor<2x40x4xf32>)
    -> (tensor<2x40x40xf32>, tensor<2x40x40xf32>, tensor<2x40x4xf32>,
        tensor<2x40x4xf32>, tensor<2x4x40xf32>, tensor<2x4x40xf32>) {
  %u0 = tensor.empty() : tensor<2x40x40xf32>
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B) out_grad(%u)
      state(%h) outs(u_grad(%u0) delta_grad(%u0) state_grad(%h) A_grad(%h)
      B_grad(%B) C_grad(%B)) {schedule = #seqc.schedule<tile_m = 16, tile_n = 64>}
    : (tensor<2x40x40xf32>, tensor<2x40x40xf32>, tensor<40x4xf32>,
       tensor<2x4x40xf32>, tensor<2x4x40xf32>, tensor<2x40x40xf32>,
       tensor<2x40x4xf32>, tensor<2x40x40xf32>, tensor<2x40x40xf32>,
       tensor<2x40x4xf32>, tensor<2x40x4xf32>, tensor<2x4x40xf32>,
       tensor<2x4x40xf32>)
    -> (tensor<2x40x40xf32>, tensor<2x40x40xf32>, tensor<2x40x4xf32>,
        tensor<2x40x4xf32>, tensor<2x4x40xf32>, tensor<2x4x40xf32>)
  return %0#0, %0#1, %0#2, %0#3, %0#4, %0#5
    : tensor<2x40x40xf32>, tensor<2x40x40xf32>, tensor<2x40x4xf32>,
      tensor<2x40x4xf32>, tensor<2x4x40xf32>, tensor<2x4x40xf32>
}

// Six groups, of which two lie in each of B's three and three in each of C's
// two: the tiles of a group come behind those of the groups before it. A chunk
// of unknown length, of at most 64 steps, is padded to 64.
// CHECK-LABEL: func @groups(
// CHECK-DAG: %[[BPARTS:.*]] = tensor.empty(%{{.*}}) : tensor<?x2x3x4x?xf32>
// CHECK-DAG: %[[CPARTS:.*]] = tensor.empty(%{{.*}}) : tensor<?x2x2x4x?xf32>
// CHECK: scf.forall (%[[B:.*]], %[[G:.*]], %[[C:.*]]) = (0, 0, 0) to (2, 6, %{{.*}}) step (1, 1, 16)
// CHECK:   seqc.chunk_scan_backward {{.*}} tensor<1x1x4x64xf32>, tensor<1x1x4x64xf32>)
// CHECK:   tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%{{.*}}, %[[B]], %{{.*}}, 0, 0] [1, 1, 1, 4, %{{.*}}]{{.*}} into tensor<?x2x3x4x?xf32>
// CHECK:   tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%{{.*}}, %[[B]], %{{.*}}, 0, 0] [1, 1, 1, 4, %{{.*}}]{{.*}} into tensor<?x2x2x4x?xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<?x2x3x4x?xf32>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<?x2x2x4x?xf32>)
func.func @groups(%u: tensor<2x?x?xf32>, %A: tensor<?x4xf32>,
                  %B: tensor<2x3x4x?xf32>, %C: tensor<2x2x4x?xf32>,
                  %h: tensor<2x?x4xf32>)
    -> (tensor<2x3x4x?xf32>, tensor<2x2x4x?xf32>) {
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) out_grad(%u)
      state(%h) outs(u_grad(%u) delta_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%B) C_grad(%C)) {schedule = #seqc.schedule<tile_m = 16, tile_n = 64>}
    : (tensor<2x?x?xf32>, tensor<2x?x?xf32>, tensor<?x4xf32>,
       tensor<2x3x4x?xf32>, tensor<2x2x4x?xf32>, tensor<2x?x?xf32>,
       tensor<2x?x4xf32>, tensor<2x?x?xf32>, tensor<2x?x?xf32>,
       tensor<2x?x4xf32>, tensor<2x?x4xf32>, tensor<2x3x4x?xf32>,
       tensor<2x2x4x?xf32>)
    -> (tensor<2x?x?xf32>, tensor<2x?x?xf32>, tensor<2x?x4xf32>,
        tensor<2x?x4xf32>, tensor<2x3x4x?xf32>, tensor<2x2x4x?xf32>)
  return %0#4, %0#5 : tensor<2x3x4x?xf32>, tensor<2x2x4x?xf32>
}

// Constant B and C have a gradient for each channel: no partial sums.
// CHECK-LABEL: func @constant(
// CHECK: %[[R:.*]]:2 = scf.forall
// CHECK:   seqc.chunk_scan_backward
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @constant(%u: tensor<2x?x?xf32>, %A: tensor<?x4xf32>,
                    %h: tensor<2x?x4xf32>)
    -> (tensor<2x?x4xf32>, tensor<2x?x4xf32>) {
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A) out_grad(%u)
      state(%h) outs(u_grad(%u) delta_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%h) C_grad(%h)) {schedule = #seqc.schedule<tile_m = 16, tile_n = 64>}
    : (tensor<2x?x?xf32>, tensor<2x?x?xf32>, tensor<?x4xf32>, tensor<?x4xf32>,
       tensor<?x4xf32>, tensor<2x?x?xf32>, tensor<2x?x4xf32>,
       tensor<2x?x?xf32>, tensor<2x?x?xf32>, tensor<2x?x4xf32>,
       tensor<2x?x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>)
    -> (tensor<2x?x?xf32>, tensor<2x?x?xf32>, tensor<2x?x4xf32>,
        tensor<2x?x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>)
  return %0#4, %0#5 : tensor<2x?x4xf32>, tensor<2x?x4xf32>
}

// A convolution: chunks of 32 steps from the last to the first, which hand the
// gradients of their first 3 sums to the chunk before. The columns before a
// chunk are those of x, or of the initial state (here zeros) at the start.
// CHECK-LABEL: func @conv(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x40x100xbf16>
// CHECK: scf.forall (%[[B:.*]], %[[C:.*]]) = (0, 0) to (2, 40) step (1, 8)
// CHECK:   %[[LOOP:.*]]:4 = scf.for %[[I:.*]] = %c0 to %c4 step %c1 iter_args({{.*}}, %[[NEXT:.*]] = %{{.*}}, %[[DW:.*]] = %{{.*}}, %[[DB:.*]] = %{{.*}})
// CHECK:     %[[T:.*]] = affine.apply {{.*}}(%[[I]])
// CHECK:     %[[HISTORY:.*]] = linalg.generic
// CHECK:       tensor.extract %[[X]]
// CHECK:     %[[G:.*]]:4 = seqc.chunk_conv1d_backward x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) bias(%{{[a-z0-9_]+}}) initial_state(%[[HISTORY]])
// CHECK-SAME: next(%[[NEXT]]) weight_grad(%[[DW]]) bias_grad(%[[DB]])) activation(silu)
// CHECK-SAME: -> (tensor<1x8x32xbf16>, tensor<1x8x3xf32>, tensor<1x8x4xf32>, tensor<1x8xf32>)
// CHECK:     scf.yield %{{.*}}, %[[G]]#1, %[[G]]#2, %[[G]]#3
func.func @conv(%x: tensor<2x40x100xbf16>, %w: tensor<40x4xf32>,
                %b: tensor<40xf32>, %next: tensor<2x40x3xf32>,
                %dw: tensor<2x40x4xf32>, %db: tensor<2x40xf32>)
    -> (tensor<2x40x100xbf16>, tensor<2x40x3xf32>, tensor<2x40x4xf32>,
        tensor<2x40xf32>) {
  %dx = tensor.empty() : tensor<2x40x100xbf16>
  %0:4 = seqc.chunk_conv1d_backward x(%x) weight(%w) bias(%b) out_grad(%x)
      outs(x_grad(%dx) next(%next) weight_grad(%dw) bias_grad(%db))
      activation(silu) {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<2x40x100xbf16>, tensor<40x4xf32>, tensor<40xf32>,
       tensor<2x40x100xbf16>, tensor<2x40x100xbf16>, tensor<2x40x3xf32>,
       tensor<2x40x4xf32>, tensor<2x40xf32>)
    -> (tensor<2x40x100xbf16>, tensor<2x40x3xf32>, tensor<2x40x4xf32>,
        tensor<2x40xf32>)
  return %0#0, %0#1, %0#2, %0#3
    : tensor<2x40x100xbf16>, tensor<2x40x3xf32>, tensor<2x40x4xf32>,
      tensor<2x40xf32>
}
