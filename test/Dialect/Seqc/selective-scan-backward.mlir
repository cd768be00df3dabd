// RUN: %roundtrip

// CHECK-LABEL: func @minimal
// CHECK: seqc.selective_scan_backward u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}}) :
func.func @minimal(%u: tensor<2x64x?xf32>, %A: tensor<64x16xf32>,
                   %B: tensor<2x16x?xf32>)
    -> (tensor<2x64x?xf32>, tensor<64x16xf32>, tensor<2x16x?xf32>) {
  %du, %dd, %dA, %dB, %dC = seqc.selective_scan_backward
      u(%u) delta(%u) A(%A) B(%B) C(%A) out_grad(%u)
      : (tensor<2x64x?xf32>, tensor<2x64x?xf32>, tensor<64x16xf32>,
         tensor<2x16x?xf32>, tensor<64x16xf32>, tensor<2x64x?xf32>)
      -> (tensor<2x64x?xf32>, tensor<2x64x?xf32>, tensor<64x16xf32>,
          tensor<2x16x?xf32>, tensor<64x16xf32>)
  return %du, %dA, %dB
      : tensor<2x64x?xf32>, tensor<64x16xf32>, tensor<2x16x?xf32>
}

// CHECK-LABEL: func @everything
// CHECK: seqc.selective_scan_backward
// CHECK-SAME: D(%{{[a-z0-9_]+}}) z(%{{[a-z0-9_]+}}) delta_bias(%{{[a-z0-9_]+}}) initial_state(%{{[a-z0-9_]+}})
// CHECK-SAME: out_grad(%{{[a-z0-9_]+}}) final_state_grad(%{{[a-z0-9_]+}}) delta_softplus :
// CHECK-SAME: D_grad(tensor<64xf32>) z_grad(tensor<?x64x?xbf16>) delta_bias_grad(tensor<64xf32>) initial_state_grad(tensor<?x64x16xf32>)
func.func @everything(
    %u: tensor<?x64x?xbf16>, %A: tensor<64x16xf32>, %B: tensor<?x2x16x?xbf16>,
    %D: tensor<64xf32>, %state: tensor<?x64x16xf32>)
    -> (tensor<?x64x?xbf16>, tensor<64xf32>, tensor<?x64x16xf32>) {
  %du, %dd, %dA, %dB, %dC, %dD, %dz, %dbias, %dstate =
      seqc.selective_scan_backward
      u(%u) delta(%u) A(%A) B(%B) C(%B) D(%D) z(%u) delta_bias(%D)
      initial_state(%state) out_grad(%u) final_state_grad(%state) delta_softplus
      : (tensor<?x64x?xbf16>, tensor<?x64x?xbf16>, tensor<64x16xf32>,
         tensor<?x2x16x?xbf16>, tensor<?x2x16x?xbf16>, tensor<64xf32>,
         tensor<?x64x?xbf16>, tensor<64xf32>, tensor<?x64x16xf32>,
         tensor<?x64x?xbf16>, tensor<?x64x16xf32>)
      -> (tensor<?x64x?xbf16>, tensor<?x64x?xbf16>, tensor<64x16xf32>,
          tensor<?x2x16x?xbf16>, tensor<?x2x16x?xbf16>)
      D_grad(tensor<64xf32>) z_grad(tensor<?x64x?xbf16>)
      delta_bias_grad(tensor<64xf32>) initial_state_grad(tensor<?x64x16xf32>)
  return %dz, %dD, %dstate
      : tensor<?x64x?xbf16>, tensor<64xf32>, tensor<?x64x16xf32>
}

// Packed sequences, each from its end to its start.
// CHECK-LABEL: func @packed
// CHECK: final_state_grad(%{{.*}}) cu_seqlens(%{{.*}}) delta_softplus reverse :
func.func @packed(%u: tensor<1x8x?xf32>, %A: tensor<8x4xf32>,
                  %B: tensor<1x4x?xf32>, %dh: tensor<?x8x4xf32>,
                  %offsets: tensor<?xi32>) -> tensor<1x8x?xf32> {
  %r:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B)
      out_grad(%u) final_state_grad(%dh) cu_seqlens(%offsets) delta_softplus
      reverse
      : (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
         tensor<1x4x?xf32>, tensor<1x4x?xf32>, tensor<1x8x?xf32>,
         tensor<?x8x4xf32>, tensor<?xi32>)
      -> (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
          tensor<1x4x?xf32>, tensor<1x4x?xf32>)
  return %r#0 : tensor<1x8x?xf32>
}
