// RUN: %roundtrip

// What is always there.
// CHECK-LABEL: func @plain
// CHECK: %{{.*}}:6 = seqc.chunk_scan_backward u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}})
// CHECK-SAME: out_grad(%{{[a-z0-9_]+}}) state(%{{[a-z0-9_]+}}) outs(u_grad(%{{[a-z0-9_]+}}) delta_grad(%{{[a-z0-9_]+}})
// CHECK-SAME: state_grad(%{{[a-z0-9_]+}}) A_grad(%{{[a-z0-9_]+}}) B_grad(%{{[a-z0-9_]+}}) C_grad(%{{[a-z0-9_]+}})) :
func.func @plain(%u: tensor<1x16x64xf32>, %A: tensor<16x4xf32>,
                 %B: tensor<1x4x64xf32>, %h: tensor<1x16x4xf32>)
    -> tensor<1x4x64xf32> {
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B) out_grad(%u)
      state(%h) outs(u_grad(%u) delta_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%B) C_grad(%B))
    : (tensor<1x16x64xf32>, tensor<1x16x64xf32>, tensor<16x4xf32>,
       tensor<1x4x64xf32>, tensor<1x4x64xf32>, tensor<1x16x64xf32>,
       tensor<1x16x4xf32>, tensor<1x16x64xf32>, tensor<1x16x64xf32>,
       tensor<1x16x4xf32>, tensor<1x16x4xf32>, tensor<1x4x64xf32>,
       tensor<1x4x64xf32>)
    -> (tensor<1x16x64xf32>, tensor<1x16x64xf32>, tensor<1x16x4xf32>,
        tensor<1x16x4xf32>, tensor<1x4x64xf32>, tensor<1x4x64xf32>)
  return %0#4 : tensor<1x4x64xf32>
}

// Everything: groups in B, a constant C, f32 parameters of bf16 data, padding.
// CHECK-LABEL: func @everything
// CHECK: %{{.*}}:9 = seqc.chunk_scan_backward u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}})
// CHECK-SAME: D(%{{[a-z0-9_]+}}) z(%{{[a-z0-9_]+}}) delta_bias(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}}) state(%{{[a-z0-9_]+}}) steps(%{{[a-z0-9_]+}})
// CHECK-SAME: z_grad(%{{[a-z0-9_]+}}) state_grad(%{{[a-z0-9_]+}})
// CHECK-SAME: D_grad(%{{[a-z0-9_]+}}) delta_bias_grad(%{{[a-z0-9_]+}})) delta_softplus
// CHECK-SAME: {schedule = #seqc.schedule<tile_m = 16, tile_n = 64, splits = 1>} :
func.func @everything(
    %u: tensor<2x16x?xbf16>, %A: tensor<16x4xf32>, %B: tensor<2x4x4x?xbf16>,
    %C: tensor<16x4xbf16>, %D: tensor<16xf32>, %bias: tensor<16xbf16>,
    %steps: index, %h: tensor<2x16x4xf32>, %dB: tensor<2x4x4x?xf32>,
    %rows: tensor<2x16xf32>) -> tensor<2x16xf32> {
  %0:9 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) D(%D) z(%u)
      delta_bias(%bias) out_grad(%u) state(%h) steps(%steps)
      outs(u_grad(%u) delta_grad(%u) z_grad(%u) state_grad(%h) A_grad(%h)
        B_grad(%dB) C_grad(%h) D_grad(%rows) delta_bias_grad(%rows))
      delta_softplus
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 64, splits = 1>}
    : (tensor<2x16x?xbf16>, tensor<2x16x?xbf16>, tensor<16x4xf32>,
       tensor<2x4x4x?xbf16>, tensor<16x4xbf16>, tensor<16xf32>,
       tensor<2x16x?xbf16>, tensor<16xbf16>, tensor<2x16x?xbf16>,
       tensor<2x16x4xf32>, index, tensor<2x16x?xbf16>, tensor<2x16x?xbf16>,
       tensor<2x16x?xbf16>, tensor<2x16x4xf32>, tensor<2x16x4xf32>,
       tensor<2x4x4x?xf32>, tensor<2x16x4xf32>, tensor<2x16xf32>,
       tensor<2x16xf32>)
    -> (tensor<2x16x?xbf16>, tensor<2x16x?xbf16>, tensor<2x16x?xbf16>,
        tensor<2x16x4xf32>, tensor<2x16x4xf32>, tensor<2x4x4x?xf32>,
        tensor<2x16x4xf32>, tensor<2x16xf32>, tensor<2x16xf32>)
  return %0#8 : tensor<2x16xf32>
}
