// RUN: seqc-opt %s --seqc-decompose --cse --canonicalize | FileCheck %s

// One state at a time, over vectors of 16 channels: forwards for the states
// before each step, backwards for the gradients. The largest tensors are (time,
// channel): nothing has all states of all steps.
// CHECK-LABEL: func @scan(
// CHECK-NOT: tensor<64x4x16xf32>
// CHECK: linalg.generic
// CHECK: math.log1p
// CHECK: scf.for %[[N:.*]] = %c0 to %c4 step %c1
// CHECK:   scf.for %[[T:.*]] = %c0 to %[[STEPS:.*]] step %c1 iter_args(%[[H:[a-z0-9]+]] = %{{.*}},
// CHECK:     %[[A:.*]] = math.exp2
// CHECK:     tensor.extract %{{.*}}[%[[N]], %[[T]]] : tensor<4x64xf32>
// CHECK:     %[[NEXT:.*]] = math.fma %[[A]], %[[H]],
// CHECK:     vector.transfer_write %[[A]]
// CHECK:     vector.transfer_write %[[H]]
// CHECK:     scf.yield %[[NEXT]]
// CHECK:   scf.for %[[I:.*]] = %c0 to %[[STEPS]] step %c1 iter_args(%[[E:[a-z0-9]+]] = %{{.*}},
// CHECK:     %[[LAST:.*]] = arith.subi %[[STEPS]], %c1
// CHECK:     arith.subi %[[LAST]], %[[I]]
// CHECK:     %[[DH:.*]] = math.fma %{{.*}}, %{{.*}}, %[[E]]
// CHECK:     %[[CARRY:.*]] = arith.mulf %{{.*}}, %[[DH]]
// CHECK:     vector.reduction <add>
// CHECK:     scf.yield %[[CARRY]]
// CHECK-NOT: seqc.
func.func @scan(%u: tensor<1x16x64xbf16>, %A: tensor<16x4xf32>,
                %B: tensor<1x4x64xbf16>, %C: tensor<16x4xf32>,
                %h: tensor<1x16x4xf32>, %steps: index, %dB: tensor<1x4x64xf32>)
    -> (tensor<1x16x64xbf16>, tensor<1x16x4xf32>, tensor<1x4x64xf32>,
        tensor<1x16x4xf32>) {
  %0:7 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) z(%u)
      out_grad(%u) state(%h) steps(%steps)
      outs(u_grad(%u) delta_grad(%u) z_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%dB) C_grad(%h)) delta_softplus
    : (tensor<1x16x64xbf16>, tensor<1x16x64xbf16>, tensor<16x4xf32>,
       tensor<1x4x64xbf16>, tensor<16x4xf32>, tensor<1x16x64xbf16>,
       tensor<1x16x64xbf16>, tensor<1x16x4xf32>, index, tensor<1x16x64xbf16>,
       tensor<1x16x64xbf16>, tensor<1x16x64xbf16>, tensor<1x16x4xf32>,
       tensor<1x16x4xf32>, tensor<1x4x64xf32>, tensor<1x16x4xf32>)
    -> (tensor<1x16x64xbf16>, tensor<1x16x64xbf16>, tensor<1x16x64xbf16>,
        tensor<1x16x4xf32>, tensor<1x16x4xf32>, tensor<1x4x64xf32>,
        tensor<1x16x4xf32>)
  return %0#0, %0#3, %0#5, %0#6
    : tensor<1x16x64xbf16>, tensor<1x16x4xf32>, tensor<1x4x64xf32>,
      tensor<1x16x4xf32>
}

// 37 channels: two vectors of 16 in a loop, then 4 and 1.
// CHECK-LABEL: func @lanes(
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c16
// CHECK:   vector<16xf32>
// CHECK: vector<4xf32>
// CHECK: vector<1xf32>
func.func @lanes(%u: tensor<1x37x8xf32>, %A: tensor<37x4xf32>,
                 %h: tensor<1x37x4xf32>) -> tensor<1x37x4xf32> {
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A) out_grad(%u)
      state(%h) outs(u_grad(%u) delta_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%h) C_grad(%h))
    : (tensor<1x37x8xf32>, tensor<1x37x8xf32>, tensor<37x4xf32>,
       tensor<37x4xf32>, tensor<37x4xf32>, tensor<1x37x8xf32>,
       tensor<1x37x4xf32>, tensor<1x37x8xf32>, tensor<1x37x8xf32>,
       tensor<1x37x4xf32>, tensor<1x37x4xf32>, tensor<1x37x4xf32>,
       tensor<1x37x4xf32>)
    -> (tensor<1x37x8xf32>, tensor<1x37x8xf32>, tensor<1x37x4xf32>,
        tensor<1x37x4xf32>, tensor<1x37x4xf32>, tensor<1x37x4xf32>)
  return %0#3 : tensor<1x37x4xf32>
}

// A convolution: the sums again, their slope, the taps turned round on what
// follows the chunk, and one reduction for all taps.
// CHECK-LABEL: func @conv(
// CHECK: %[[PADDED:.*]] = tensor.insert_slice {{.*}} tensor<8x64xf32> into tensor<8x66xf32>
// CHECK: math.exp
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins({{.*}} : tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>) outs({{.*}} : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
// CHECK-NOT: seqc.
func.func @conv(%x: tensor<1x8x64xbf16>, %w: tensor<8x3xf32>, %b: tensor<8xf32>,
                %s: tensor<1x8x2xbf16>, %next: tensor<1x8x2xf32>,
                %dw: tensor<1x8x3xf32>, %db: tensor<1x8xf32>)
    -> (tensor<1x8x64xbf16>, tensor<1x8x2xf32>, tensor<1x8x3xf32>,
        tensor<1x8xf32>) {
  %0:4 = seqc.chunk_conv1d_backward x(%x) weight(%w) bias(%b) initial_state(%s)
      out_grad(%x) outs(x_grad(%x) next(%next) weight_grad(%dw) bias_grad(%db))
      activation(silu)
    : (tensor<1x8x64xbf16>, tensor<8x3xf32>, tensor<8xf32>, tensor<1x8x2xbf16>,
       tensor<1x8x64xbf16>, tensor<1x8x64xbf16>, tensor<1x8x2xf32>,
       tensor<1x8x3xf32>, tensor<1x8xf32>)
    -> (tensor<1x8x64xbf16>, tensor<1x8x2xf32>, tensor<1x8x3xf32>,
        tensor<1x8xf32>)
  return %0#0, %0#1, %0#2, %0#3
    : tensor<1x8x64xbf16>, tensor<1x8x2xf32>, tensor<1x8x3xf32>,
      tensor<1x8xf32>
}
