// RUN: seqc-opt %s --seqc-recompute-backward --cse --canonicalize | FileCheck %s
// RUN: seqc-opt %s --seqc-recompute-backward --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-recompute-backward
// STATS: 6 scans-rewritten

// Two loops: the states at the starts of the chunks, without outputs, and the
// chunks from the last to the first. No tensor over (channel, state, time): the
// largest are the sequences and one state per chunk of 64 steps (4 of 256).
// CHECK-LABEL: func @static(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<2x16x256xf32>, %[[A:[a-z0-9]+]]: tensor<16x4xf32>, %[[B:[a-z0-9]+]]: tensor<2x4x256xf32>)
// CHECK: %[[STARTS0:.*]] = tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0, 0] [1, 2, 16, 4] [1, 1, 1, 1] : tensor<2x16x4xf32> into tensor<4x2x16x4xf32>
// CHECK: %[[SWEEP:.*]]:2 = scf.for %[[I:.*]] = %c0 to %c3 step %c1 iter_args(%[[STARTS:.*]] = %[[STARTS0]], %[[H:.*]] = %{{.*}})
// CHECK:   %[[NEXT:.*]] = seqc.chunk_scan u({{.*}}) delta({{.*}}) A(%[[A]]) B({{.*}}) outs(state %[[H]]) {schedule = #seqc.schedule<tile_n = 64, splits = 1>} : (tensor<2x16x64xf32>
// CHECK:   tensor.insert_slice %[[NEXT]] into %[[STARTS]][%{{.*}}, 0, 0, 0] [1, 2, 16, 4]
// CHECK: %[[R:.*]]:6 = scf.for %[[K:.*]] = %c0 to %c4 step %c1
// CHECK-SAME: iter_args(%[[DU:.*]] = %{{.*}}, %[[DDELTA:.*]] = %{{.*}}, %[[DH:.*]] = %{{.*}}, %[[DA:.*]] = %{{.*}}, %[[DB:.*]] = %{{.*}}, %[[DC:.*]] = %{{.*}})
// CHECK:   %[[START:.*]] = tensor.extract_slice %[[SWEEP]]#0[%{{.*}}, 0, 0, 0] [1, 2, 16, 4] [1, 1, 1, 1] : tensor<4x2x16x4xf32> to tensor<2x16x4xf32>
// CHECK:   %[[DUK:.*]] = tensor.extract_slice %[[DU]]
// CHECK:   %[[G:.*]]:6 = seqc.chunk_scan_backward u({{.*}}) delta({{.*}}) A(%[[A]]) B({{.*}}) C({{.*}}) out_grad({{.*}}) state(%[[START]])
// CHECK-SAME: outs(u_grad(%[[DUK]]) delta_grad({{.*}}) state_grad(%[[DH]]) A_grad(%[[DA]]) B_grad({{.*}}) C_grad({{.*}}))
// CHECK:   scf.yield %{{.*}}, %{{.*}}, %[[G]]#2, %[[G]]#3, %{{.*}}, %{{.*}}
// The batches of A_grad, in order.
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[R]]#3 : tensor<2x16x4xf32>)
// CHECK: return %[[R]]#0, %[[SUM]], %[[R]]#4
func.func @static(%u: tensor<2x16x256xf32>, %A: tensor<16x4xf32>,
                  %B: tensor<2x4x256xf32>)
    -> (tensor<2x16x256xf32>, tensor<16x4xf32>, tensor<2x4x256xf32>) {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B)
      out_grad(%u)
    : (tensor<2x16x256xf32>, tensor<2x16x256xf32>, tensor<16x4xf32>,
       tensor<2x4x256xf32>, tensor<2x4x256xf32>, tensor<2x16x256xf32>)
    -> (tensor<2x16x256xf32>, tensor<2x16x256xf32>, tensor<16x4xf32>,
        tensor<2x4x256xf32>, tensor<2x4x256xf32>)
  return %0#0, %0#2, %0#3
    : tensor<2x16x256xf32>, tensor<16x4xf32>, tensor<2x4x256xf32>
}

// Every operand. A chunk has the steps that the schedule says; both gradients
// of states chain; the sums of a chunk are in f32 and rounded when they are
// complete; constant C is summed over batches.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[H0:[a-z0-9]+]]: tensor<?x?x4xf32>, %[[DHL:[a-z0-9]+]]: tensor<?x?x4xf32>)
// CHECK: tensor.insert_slice %[[H0]] into
// CHECK: scf.for
// CHECK:   seqc.chunk_scan {{.*}} delta_bias({{.*}}) outs({{.*}}) delta_softplus {schedule = #seqc.schedule<tile_m = 8, tile_n = 32, splits = 1>}
// CHECK: %[[R:.*]]:9 = scf.for {{.*}} iter_args({{.*}} = %[[DHL]],
// CHECK:   %[[G:.*]]:9 = seqc.chunk_scan_backward {{.*}} D({{.*}}) z({{.*}}) delta_bias({{.*}}) out_grad({{.*}}) {{.*}} z_grad({{.*}}) {{.*}} D_grad({{.*}}) delta_bias_grad({{.*}})) delta_softplus {schedule = #seqc.schedule<tile_m = 8, tile_n = 32, splits = 1>}
// CHECK-SAME: tensor<?x2x4x?xf32>
// CHECK:   linalg.generic {{.*}} ins(%[[G]]#5 : tensor<?x2x4x?xf32>) outs({{.*}} : tensor<?x2x4x?xbf16>)
// CHECK:     arith.truncf
// CHECK: return {{.*}}, %[[R]]#3
func.func @everything(
    %u: tensor<?x?x?xbf16>, %A: tensor<?x4xf32>, %B: tensor<?x2x4x?xbf16>,
    %C: tensor<?x4xf32>, %D: tensor<?xf32>, %h: tensor<?x?x4xf32>,
    %dh: tensor<?x?x4xf32>)
    -> (tensor<?x2x4x?xbf16>, tensor<?x4xf32>, tensor<?xf32>, tensor<?xf32>,
        tensor<?x?x?xbf16>, tensor<?x?x4xf32>) {
  %0:9 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) D(%D)
      z(%u) delta_bias(%D) initial_state(%h) out_grad(%u) final_state_grad(%dh)
      delta_softplus {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x4xf32>,
       tensor<?x2x4x?xbf16>, tensor<?x4xf32>, tensor<?xf32>,
       tensor<?x?x?xbf16>, tensor<?xf32>, tensor<?x?x4xf32>,
       tensor<?x?x?xbf16>, tensor<?x?x4xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x4xf32>,
        tensor<?x2x4x?xbf16>, tensor<?x4xf32>)
    D_grad(tensor<?xf32>) z_grad(tensor<?x?x?xbf16>)
    delta_bias_grad(tensor<?xf32>) initial_state_grad(tensor<?x?x4xf32>)
  return %0#3, %0#4, %0#5, %0#7, %0#6, %0#8
    : tensor<?x2x4x?xbf16>, tensor<?x4xf32>, tensor<?xf32>, tensor<?xf32>,
      tensor<?x?x?xbf16>, tensor<?x?x4xf32>
}

// One chunk needs no sweep before it: its start is the initial state.
// CHECK-LABEL: func @short(
// CHECK-NOT: seqc.chunk_scan u
// CHECK: seqc.chunk_scan_backward {{.*}} : (tensor<1x8x40xf64>
func.func @short(%u: tensor<1x8x40xf64>, %A: tensor<8x3xf64>)
    -> tensor<1x8x40xf64> {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A)
      out_grad(%u)
    : (tensor<1x8x40xf64>, tensor<1x8x40xf64>, tensor<8x3xf64>,
       tensor<8x3xf64>, tensor<8x3xf64>, tensor<1x8x40xf64>)
    -> (tensor<1x8x40xf64>, tensor<1x8x40xf64>, tensor<8x3xf64>,
        tensor<8x3xf64>, tensor<8x3xf64>)
  return %0#0 : tensor<1x8x40xf64>
}

// Without steps the gradient of the state passes through, and sums are 0.
// CHECK-LABEL: func @empty(
// CHECK-SAME: %[[DH:[a-z0-9]+]]: tensor<1x8x3xf32>)
// CHECK-NOT: scf.for
// CHECK: %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<8x3xf32>
// CHECK: return %[[ZERO]], %[[DH]]
func.func @empty(%u: tensor<1x8x0xf32>, %A: tensor<8x3xf32>,
                 %dh: tensor<1x8x3xf32>)
    -> (tensor<8x3xf32>, tensor<1x8x3xf32>) {
  %0:6 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A)
      initial_state(%dh) out_grad(%u) final_state_grad(%dh)
    : (tensor<1x8x0xf32>, tensor<1x8x0xf32>, tensor<8x3xf32>,
       tensor<8x3xf32>, tensor<8x3xf32>, tensor<1x8x3xf32>,
       tensor<1x8x0xf32>, tensor<1x8x3xf32>)
    -> (tensor<1x8x0xf32>, tensor<1x8x0xf32>, tensor<8x3xf32>,
        tensor<8x3xf32>, tensor<8x3xf32>) initial_state_grad(tensor<1x8x3xf32>)
  return %0#2, %0#5 : tensor<8x3xf32>, tensor<1x8x3xf32>
}

// A convolution: one operator over the sequence, from zeros; the gradient of
// the final state is added to the last columns; what is handed back in front
// of the first step gives the gradient of the initial state.
// CHECK-LABEL: func @conv(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8x100xbf16>, %[[W:[a-z0-9]+]]: tensor<8x4xf32>, %[[S:[a-z0-9]+]]: tensor<2x8x3xbf16>)
// CHECK: %[[G:.*]]:3 = seqc.chunk_conv1d_backward x(%[[X]]) weight(%[[W]]) initial_state(%[[S]]) out_grad(%[[X]])
// CHECK-SAME: outs(x_grad({{.*}}) next({{.*}}) weight_grad({{.*}})) activation(silu)
// CHECK-SAME: -> (tensor<2x8x100xbf16>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
// CHECK: %[[LAST:.*]] = tensor.extract_slice %[[G]]#0[0, 0, 97] [2, 8, 3] [1, 1, 1]
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[S]] : tensor<2x8x3xbf16>) outs(%[[LAST]] : tensor<2x8x3xbf16>)
// CHECK: %[[DX:.*]] = tensor.insert_slice %[[SUM]] into %[[G]]#0[0, 0, 97]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[G]]#2 : tensor<2x8x4xf32>)
// CHECK: tensor.pad %[[G]]#1 low[0, 0, 3] high[0, 0, 0]
// CHECK: return %[[DX]]
func.func @conv(%x: tensor<2x8x100xbf16>, %w: tensor<8x4xf32>,
                %s: tensor<2x8x3xbf16>)
    -> (tensor<2x8x100xbf16>, tensor<8x4xf32>, tensor<2x8x3xbf16>) {
  %dx, %dw, %ds = seqc.causal_conv1d_backward x(%x) weight(%w)
      initial_state(%s) out_grad(%x) final_state_grad(%s) activation(silu)
    : (tensor<2x8x100xbf16>, tensor<8x4xf32>, tensor<2x8x3xbf16>,
       tensor<2x8x100xbf16>, tensor<2x8x3xbf16>)
    -> (tensor<2x8x100xbf16>, tensor<8x4xf32>)
    initial_state_grad(tensor<2x8x3xbf16>)
  return %dx, %dw, %ds
    : tensor<2x8x100xbf16>, tensor<8x4xf32>, tensor<2x8x3xbf16>
}

// One tap: nothing is handed over, and there are no states.
// CHECK-LABEL: func @pointwise(
// CHECK: seqc.chunk_conv1d_backward {{.*}} outs(x_grad({{.*}}) weight_grad({{.*}}) bias_grad({{.*}})) :
func.func @pointwise(%x: tensor<?x8x?xf32>, %w: tensor<8x1xf32>,
                     %b: tensor<8xf32>) -> (tensor<?x8x?xf32>, tensor<8xf32>) {
  %dx, %dw, %db = seqc.causal_conv1d_backward x(%x) weight(%w) bias(%b)
      out_grad(%x)
    : (tensor<?x8x?xf32>, tensor<8x1xf32>, tensor<8xf32>, tensor<?x8x?xf32>)
    -> (tensor<?x8x?xf32>, tensor<8x1xf32>) bias_grad(tensor<8xf32>)
  return %dx, %db : tensor<?x8x?xf32>, tensor<8xf32>
}
