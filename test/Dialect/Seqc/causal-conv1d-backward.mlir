// RUN: %roundtrip

// What is always there.
// CHECK-LABEL: func @plain
// CHECK: %{{.*}}, %{{.*}} = seqc.causal_conv1d_backward x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}}) :
// CHECK-SAME: -> (tensor<2x8x?xf32>, tensor<8x4xf32>){{$}}
func.func @plain(%x: tensor<2x8x?xf32>, %w: tensor<8x4xf32>)
    -> tensor<8x4xf32> {
  %dx, %dw = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%x)
    : (tensor<2x8x?xf32>, tensor<8x4xf32>, tensor<2x8x?xf32>)
    -> (tensor<2x8x?xf32>, tensor<8x4xf32>)
  return %dw : tensor<8x4xf32>
}

// Everything: states with gradients through both, f32 parameters of bf16 data.
// CHECK-LABEL: func @everything
// CHECK: seqc.causal_conv1d_backward x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) bias(%{{[a-z0-9_]+}}) initial_state(%{{[a-z0-9_]+}})
// CHECK-SAME: out_grad(%{{[a-z0-9_]+}}) final_state_grad(%{{[a-z0-9_]+}}) activation(silu) {schedule = #seqc.schedule<tile_n = 64>} :
// CHECK-SAME: -> (tensor<?x8x?xbf16>, tensor<8x4xf32>) bias_grad(tensor<8xf32>) initial_state_grad(tensor<?x8x3xbf16>)
func.func @everything(%x: tensor<?x8x?xbf16>, %w: tensor<8x4xf32>,
                      %b: tensor<8xf32>, %s: tensor<?x8x3xbf16>)
    -> tensor<?x8x3xbf16> {
  %dx, %dw, %db, %ds = seqc.causal_conv1d_backward x(%x) weight(%w) bias(%b)
      initial_state(%s) out_grad(%x) final_state_grad(%s) activation(silu)
      {schedule = #seqc.schedule<tile_n = 64>}
    : (tensor<?x8x?xbf16>, tensor<8x4xf32>, tensor<8xf32>, tensor<?x8x3xbf16>,
       tensor<?x8x?xbf16>, tensor<?x8x3xbf16>)
    -> (tensor<?x8x?xbf16>, tensor<8x4xf32>) bias_grad(tensor<8xf32>)
    initial_state_grad(tensor<?x8x3xbf16>)
  return %ds : tensor<?x8x3xbf16>
}

// A gradient that is not asked for, between others.
// CHECK-LABEL: func @some
// CHECK: %{{.*}}, %{{.*}}, %{{.*}} = seqc.causal_conv1d_backward
// CHECK-SAME: -> (tensor<2x8x5xf64>, tensor<8x1xf64>) initial_state_grad(tensor<2x8x0xf64>)
func.func @some(%x: tensor<2x8x5xf64>, %w: tensor<8x1xf64>, %b: tensor<8xf64>,
                %s: tensor<2x8x0xf64>) -> tensor<2x8x0xf64> {
  %0:3 = seqc.causal_conv1d_backward x(%x) weight(%w) bias(%b)
      initial_state(%s) out_grad(%x)
    : (tensor<2x8x5xf64>, tensor<8x1xf64>, tensor<8xf64>, tensor<2x8x0xf64>,
       tensor<2x8x5xf64>)
    -> (tensor<2x8x5xf64>, tensor<8x1xf64>)
    initial_state_grad(tensor<2x8x0xf64>)
  return %0#2 : tensor<2x8x0xf64>
}

// CHECK-LABEL: func @packed
// CHECK: out_grad(%{{.*}}) cu_seqlens(%{{.*}}) activation(silu) reverse :
func.func @packed(%x: tensor<1x8x?xf32>, %w: tensor<8x4xf32>,
                  %offsets: tensor<?xi32>) -> tensor<1x8x?xf32> {
  %r:2 = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%x)
      cu_seqlens(%offsets) activation(silu) reverse
      : (tensor<1x8x?xf32>, tensor<8x4xf32>, tensor<1x8x?xf32>, tensor<?xi32>)
      -> (tensor<1x8x?xf32>, tensor<8x4xf32>)
  return %r#0 : tensor<1x8x?xf32>
}
