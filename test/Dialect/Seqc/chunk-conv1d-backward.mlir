// RUN: %roundtrip

// One tap hands nothing over.
// CHECK-LABEL: func @pointwise
// CHECK: %{{.*}}:2 = seqc.chunk_conv1d_backward x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}})
// CHECK-SAME: outs(x_grad(%{{[a-z0-9_]+}}) weight_grad(%{{[a-z0-9_]+}})) :
func.func @pointwise(%x: tensor<2x8x5xf64>, %w: tensor<8x1xf64>,
                     %dw: tensor<2x8x1xf64>) -> tensor<2x8x1xf64> {
  %0:2 = seqc.chunk_conv1d_backward x(%x) weight(%w) out_grad(%x)
      outs(x_grad(%x) weight_grad(%dw))
    : (tensor<2x8x5xf64>, tensor<8x1xf64>, tensor<2x8x5xf64>,
       tensor<2x8x5xf64>, tensor<2x8x1xf64>)
    -> (tensor<2x8x5xf64>, tensor<2x8x1xf64>)
  return %0#1 : tensor<2x8x1xf64>
}

// Everything.
// CHECK-LABEL: func @everything
// CHECK: %{{.*}}:4 = seqc.chunk_conv1d_backward x(%{{[a-z0-9_]+}}) weight(%{{[a-z0-9_]+}}) bias(%{{[a-z0-9_]+}}) initial_state(%{{[a-z0-9_]+}})
// CHECK-SAME: out_grad(%{{[a-z0-9_]+}}) outs(x_grad(%{{[a-z0-9_]+}}) next(%{{[a-z0-9_]+}}) weight_grad(%{{[a-z0-9_]+}}) bias_grad(%{{[a-z0-9_]+}})) activation(silu)
// CHECK-SAME: {schedule = #seqc.schedule<tile_m = 8, tile_n = 256>} :
func.func @everything(
    %x: tensor<?x8x?xbf16>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>,
    %s: tensor<?x8x3xbf16>, %next: tensor<?x8x3xf32>, %dw: tensor<?x8x4xf32>,
    %db: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0:4 = seqc.chunk_conv1d_backward x(%x) weight(%w) bias(%b) initial_state(%s)
      out_grad(%x) outs(x_grad(%x) next(%next) weight_grad(%dw) bias_grad(%db))
      activation(silu) {schedule = #seqc.schedule<tile_m = 8, tile_n = 256>}
    : (tensor<?x8x?xbf16>, tensor<8x4xf32>, tensor<8xbf16>, tensor<?x8x3xbf16>,
       tensor<?x8x?xbf16>, tensor<?x8x?xbf16>, tensor<?x8x3xf32>,
       tensor<?x8x4xf32>, tensor<?x8xf32>)
    -> (tensor<?x8x?xbf16>, tensor<?x8x3xf32>, tensor<?x8x4xf32>,
        tensor<?x8xf32>)
  return %0#3 : tensor<?x8xf32>
}
