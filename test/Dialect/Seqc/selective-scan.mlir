// RUN: %roundtrip

// CHECK-LABEL: func @constant
// CHECK: seqc.selective_scan u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}}) :
func.func @constant(%u: tensor<2x64x100xf32>, %A: tensor<64x16xf32>)
    -> tensor<2x64x100xf32> {
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
      : (tensor<2x64x100xf32>, tensor<2x64x100xf32>, tensor<64x16xf32>,
         tensor<64x16xf32>, tensor<64x16xf32>) -> tensor<2x64x100xf32>
  return %y : tensor<2x64x100xf32>
}

// CHECK-LABEL: func @everything
// CHECK: seqc.selective_scan u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}})
// CHECK-SAME: D(%{{[a-z0-9_]+}}) z(%{{[a-z0-9_]+}}) delta_bias(%{{[a-z0-9_]+}}) initial_state(%{{[a-z0-9_]+}})
// CHECK-SAME: delta_softplus {schedule = #seqc.schedule<tile_m = 16, tile_n = 64>} :
// CHECK-SAME: -> (tensor<?x512x?xbf16>, tensor<?x512x16xf32>)
func.func @everything(
    %u: tensor<?x512x?xbf16>, %A: tensor<512x16xf32>, %B: tensor<?x4x16x?xbf16>,
    %C: tensor<?x16x?xbf16>, %D: tensor<512xbf16>, %bias: tensor<512xf32>,
    %state: tensor<?x512x16xf32>)
    -> (tensor<?x512x?xbf16>, tensor<?x512x16xf32>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%C) D(%D) z(%u)
      delta_bias(%bias) initial_state(%state) delta_softplus
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 64>}
      : (tensor<?x512x?xbf16>, tensor<?x512x?xbf16>, tensor<512x16xf32>,
         tensor<?x4x16x?xbf16>, tensor<?x16x?xbf16>, tensor<512xbf16>,
         tensor<?x512x?xbf16>, tensor<512xf32>, tensor<?x512x16xf32>)
      -> (tensor<?x512x?xbf16>, tensor<?x512x16xf32>)
  return %y, %h : tensor<?x512x?xbf16>, tensor<?x512x16xf32>
}

// A decode step: length 1, all in f64.
// CHECK-LABEL: func @step
// CHECK: -> (tensor<1x?x1xf64>, tensor<1x?x4xf64>)
func.func @step(%u: tensor<1x?x1xf64>, %A: tensor<?x4xf64>,
                %B: tensor<1x4x1xf64>, %state: tensor<1x?x4xf64>)
    -> (tensor<1x?x1xf64>, tensor<1x?x4xf64>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      initial_state(%state)
      : (tensor<1x?x1xf64>, tensor<1x?x1xf64>, tensor<?x4xf64>,
         tensor<1x4x1xf64>, tensor<1x4x1xf64>, tensor<1x?x4xf64>)
      -> (tensor<1x?x1xf64>, tensor<1x?x4xf64>)
  return %y, %h : tensor<1x?x1xf64>, tensor<1x?x4xf64>
}

// Packed sequences, each from its end to its start.
// CHECK-LABEL: func @packed
// CHECK: initial_state(%{{.*}}) cu_seqlens(%{{.*}}) delta_softplus reverse :
func.func @packed(%u: tensor<1x8x?xf32>, %A: tensor<8x4xf32>,
                  %B: tensor<1x4x?xf32>, %state: tensor<?x8x4xf32>,
                  %offsets: tensor<?xi32>)
    -> (tensor<1x8x?xf32>, tensor<?x8x4xf32>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      initial_state(%state) cu_seqlens(%offsets) delta_softplus reverse
      : (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
         tensor<1x4x?xf32>, tensor<1x4x?xf32>, tensor<?x8x4xf32>, tensor<?xi32>)
      -> (tensor<1x8x?xf32>, tensor<?x8x4xf32>)
  return %y, %h : tensor<1x8x?xf32>, tensor<?x8x4xf32>
}
