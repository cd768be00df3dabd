// RUN: %roundtrip

// One gradient, of the queries, over some keys.
// CHECK-LABEL: func @query_grad
// CHECK: seqc.block_attention_backward query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: out_grad(%{{[a-z0-9_]+}}) lse(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}})
// CHECK-SAME: offsets(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) lengths(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}})
// CHECK-SAME: outs(query_grad %{{[a-z0-9_]+}}) scale(1.250000e-01) :
// CHECK-SAME: -> tensor<1x1x64x16xf32>
func.func @query_grad(%q: tensor<1x1x64x16xf32>, %k: tensor<1x1x128x16xf32>,
                      %v: tensor<1x1x128x32xf32>, %do: tensor<1x1x64x32xf32>,
                      %lse: tensor<1x1x64xf32>, %delta: tensor<1x1x64xf32>,
                      %i: index, %dq: tensor<1x1x64x16xf32>)
    -> tensor<1x1x64x16xf32> {
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(query_grad %dq)
      scale(0.125)
    : (tensor<1x1x64x16xf32>, tensor<1x1x128x16xf32>, tensor<1x1x128x32xf32>,
       tensor<1x1x64x32xf32>, tensor<1x1x64xf32>, tensor<1x1x64xf32>,
       index, index, index, index, index, index, tensor<1x1x64x16xf32>)
    -> tensor<1x1x64x16xf32>
  return %0 : tensor<1x1x64x16xf32>
}

// Those of keys and values, of f64: accumulators are f64.
// CHECK-LABEL: func @key_and_value_grad
// CHECK: outs(key_grad %{{[a-z0-9_]+}}, value_grad %{{[a-z0-9_]+}}) scale(1.000000e+00) {schedule = #seqc.schedule<>} :
// CHECK-SAME: -> (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>)
func.func @key_and_value_grad(%q: tensor<1x1x?x8xf64>, %rows: tensor<1x1x?xf64>,
                              %i: index)
    -> (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>) {
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(key_grad %q, value_grad %q) scale(1.0) align(bottom_right)
      tile_class(partial) {schedule = #seqc.schedule<>}
    : (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>,
       tensor<1x1x?x8xf64>, tensor<1x1x?xf64>, tensor<1x1x?xf64>,
       index, index, index, index, index, index, tensor<1x1x?x8xf64>,
       tensor<1x1x?x8xf64>)
    -> (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>)
  return %0#0, %0#1 : tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>
}

// Everything: the score region yields the score and its derivative, and the
// gradient of the bias has the shape of the bias.
// CHECK-LABEL: func @everything
// CHECK: seqc.block_attention_backward
// CHECK-SAME: bias(%{{[a-z0-9_]+}}) segments(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) prefix(%{{[a-z0-9_]+}}) dropout(1.000000e-01, %{{[a-z0-9_]+}})
// CHECK-SAME: outs(query_grad %{{[a-z0-9_]+}}, key_grad %{{[a-z0-9_]+}}, value_grad %{{[a-z0-9_]+}}, bias_grad %{{[a-z0-9_]+}}) scale(2.500000e-01) causal
// CHECK-SAME: window_left(1023) window_right(7) align(top_left) tile_class(full) score {
// CHECK-NEXT: ^bb0(%{{[a-z0-9_]+}}: f32, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index):
// CHECK: tensor.extract
// CHECK: seqc.yield %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}} : f32, f32
// CHECK: } mask {
// CHECK: seqc.yield %{{[a-z0-9_]+}} : i1
// CHECK: } {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>} :
// CHECK-SAME: -> (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<1x8x?x1xf32>)
func.func @everything(
    %q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>,
    %v: tensor<?x2x?x64xbf16>, %do: tensor<?x8x?x64xbf16>,
    %lse: tensor<?x8x?xf32>, %delta: tensor<?x8x?xf32>,
    %bias: tensor<1x8x?x1xbf16>, %qs: tensor<?x?xi32>, %ks: tensor<?x?xi32>,
    %prefix: tensor<?xi32>, %seed: i64, %slopes: tensor<8xf32>, %b: index,
    %h: index, %i: index, %j: index, %sq: index, %sk: index,
    %dq: tensor<?x8x?x64xf32>, %dk: tensor<?x2x?x64xf32>,
    %dv: tensor<?x2x?x64xf32>, %db: tensor<1x8x?x1xf32>)
    -> tensor<1x8x?x1xf32> {
  %0:4 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) bias(%bias)
      segments(%qs, %ks) prefix(%prefix) dropout(0.1, %seed)
      offsets(%b, %h, %i, %j) lengths(%sq, %sk)
      outs(query_grad %dq, key_grad %dk, value_grad %dv, bias_grad %db)
      scale(0.25) causal window_left(1023) window_right(7) align(top_left)
      tile_class(full)
      score {
      ^bb0(%s: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        %slope = tensor.extract %slopes[%rh] : tensor<8xf32>
        %r = arith.mulf %s, %slope : f32
        seqc.yield %r, %slope : f32, f32
      }
      mask {
      ^bb0(%rb: index, %rh: index, %ri: index, %rj: index):
        %near = arith.cmpi ule, %rj, %ri : index
        seqc.yield %near : i1
      }
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>}
    : (tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>,
       tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>, tensor<?x8x?xf32>,
       tensor<1x8x?x1xbf16>, tensor<?x?xi32>, tensor<?x?xi32>, tensor<?xi32>,
       i64, index, index, index, index, index, index, tensor<?x8x?x64xf32>,
       tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<1x8x?x1xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>,
        tensor<1x8x?x1xf32>)
  return %0#3 : tensor<1x8x?x1xf32>
}
