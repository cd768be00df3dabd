// RUN: %roundtrip

// CHECK-LABEL: func @minimal
// CHECK: seqc.causal_conv1d x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) :
func.func @minimal(%x: tensor<2x8x100xf32>, %w: tensor<8x4xf32>)
    -> tensor<2x8x100xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x100xf32>, tensor<8x4xf32>) -> tensor<2x8x100xf32>
  return %y : tensor<2x8x100xf32>
}

// CHECK-LABEL: func @everything
// CHECK: seqc.causal_conv1d x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) bias(%{{[a-z0-9_]+}})
// CHECK-SAME: initial_state(%{{[a-z0-9_]+}}) activation(silu) {schedule = #seqc.schedule<tile_m = 16>} :
// CHECK-SAME: -> (tensor<?x?x?xbf16>, tensor<?x?x3xbf16>)
func.func @everything(%x: tensor<?x?x?xbf16>, %w: tensor<?x4xf32>,
                      %b: tensor<?xbf16>, %state: tensor<?x?x3xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x3xbf16>) {
  %y, %h = seqc.causal_conv1d x(%x) weight(%w) bias(%b) initial_state(%state)
      activation(silu) {schedule = #seqc.schedule<tile_m = 16>}
      : (tensor<?x?x?xbf16>, tensor<?x4xf32>, tensor<?xbf16>,
         tensor<?x?x3xbf16>) -> (tensor<?x?x?xbf16>, tensor<?x?x3xbf16>)
  return %y, %h : tensor<?x?x?xbf16>, tensor<?x?x3xbf16>
}

// A filter of one column has an empty state.
// CHECK-LABEL: func @width_one
// CHECK: -> (tensor<1x8x5xf64>, tensor<1x8x0xf64>)
func.func @width_one(%x: tensor<1x8x5xf64>, %w: tensor<8x1xf64>)
    -> (tensor<1x8x5xf64>, tensor<1x8x0xf64>) {
  %y, %h = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<1x8x5xf64>, tensor<8x1xf64>)
      -> (tensor<1x8x5xf64>, tensor<1x8x0xf64>)
  return %y, %h : tensor<1x8x5xf64>, tensor<1x8x0xf64>
}

// Packed sequences, each from its end to its start.
// CHECK-LABEL: func @packed
// CHECK: initial_state(%{{.*}}) cu_seqlens(%{{.*}}) activation(silu) reverse :
func.func @packed(%x: tensor<1x8x?xf32>, %w: tensor<8x4xf32>,
                  %state: tensor<?x8x3xf32>, %offsets: tensor<?xi32>)
    -> (tensor<1x8x?xf32>, tensor<?x8x3xf32>) {
  %y, %h = seqc.causal_conv1d x(%x) weight(%w) initial_state(%state)
      cu_seqlens(%offsets) activation(silu) reverse
      : (tensor<1x8x?xf32>, tensor<8x4xf32>, tensor<?x8x3xf32>, tensor<?xi32>)
      -> (tensor<1x8x?xf32>, tensor<?x8x3xf32>)
  return %y, %h : tensor<1x8x?xf32>, tensor<?x8x3xf32>
}
