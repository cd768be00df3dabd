// RUN: %roundtrip

// CHECK-LABEL: func @minimal
// CHECK: seqc.attention_backward query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: out(%{{[a-z0-9_]+}}) lse(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}}) causal :
func.func @minimal(%q: tensor<2x8x?x64xf32>, %k: tensor<2x2x?x64xf32>,
                   %lse: tensor<2x8x?xf32>)
    -> (tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>) {
  %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%k)
      out(%q) lse(%lse) out_grad(%q) causal
      : (tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>,
         tensor<2x8x?x64xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
      -> (tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
  return %dq, %dk, %dv
      : tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>
}

// CHECK-LABEL: func @everything
// CHECK: seqc.attention_backward query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: out(%{{[a-z0-9_]+}}) lse(%{{[a-z0-9_]+}}) out_grad(%{{[a-z0-9_]+}}) lse_grad(%{{[a-z0-9_]+}})
// CHECK-SAME: bias(%{{[a-z0-9_]+}}) segments(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) prefix(%{{[a-z0-9_]+}}) sinks(%{{[a-z0-9_]+}})
// CHECK-SAME: dropout(2.500000e-01, %{{[a-z0-9_]+}}) scale(5.000000e-01)
// CHECK-SAME: window_left(7) window_right(3) align(top_left) score {
// CHECK: } mask {
// CHECK: } :
// CHECK-SAME: -> (tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x32xf16>) bias_grad(tensor<1x8x?x?xf16>) sinks_grad(tensor<8xf32>)
func.func @everything(
    %q: tensor<?x8x?x64xf16>, %k: tensor<?x2x?x64xf16>,
    %v: tensor<?x2x?x32xf16>, %out: tensor<?x8x?x32xf16>,
    %lse: tensor<?x8x?xf32>, %bias: tensor<1x8x?x?xf16>, %qs: tensor<?x?xi32>,
    %ks: tensor<?x?xi32>, %prefix: tensor<?xi32>, %sinks: tensor<8xf32>,
    %seed: i64)
    -> (tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x32xf16>,
        tensor<1x8x?x?xf16>, tensor<8xf32>) {
  %dq, %dk, %dv, %dbias, %dsinks = seqc.attention_backward
      query(%q) key(%k) value(%v) out(%out) lse(%lse) out_grad(%out)
      lse_grad(%lse) bias(%bias) segments(%qs, %ks) prefix(%prefix)
      sinks(%sinks) dropout(0.25, %seed) scale(0.5) window_left(7)
      window_right(3) align(top_left)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %r = math.tanh %s : f32
        seqc.yield %r : f32
      }
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %same = arith.cmpi ne, %b, %h : index
        seqc.yield %same : i1
      }
      : (tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x32xf16>,
         tensor<?x8x?x32xf16>, tensor<?x8x?xf32>, tensor<?x8x?x32xf16>,
         tensor<?x8x?xf32>, tensor<1x8x?x?xf16>, tensor<?x?xi32>,
         tensor<?x?xi32>, tensor<?xi32>, tensor<8xf32>, i64)
      -> (tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x32xf16>)
      bias_grad(tensor<1x8x?x?xf16>) sinks_grad(tensor<8xf32>)
  return %dq, %dk, %dv, %dbias, %dsinks
      : tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x32xf16>,
        tensor<1x8x?x?xf16>, tensor<8xf32>
}

// One optional gradient without the other.
// CHECK-LABEL: func @sinks_only
// CHECK: -> (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) sinks_grad(tensor<2xf32>)
func.func @sinks_only(%q: tensor<1x2x?x8xf32>, %lse: tensor<1x2x?xf32>,
                      %sinks: tensor<2xf32>) -> tensor<2xf32> {
  %dq, %dk, %dv, %dsinks = seqc.attention_backward query(%q) key(%q) value(%q)
      out(%q) lse(%lse) out_grad(%q) sinks(%sinks)
      : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>,
         tensor<1x2x?x8xf32>, tensor<1x2x?xf32>, tensor<1x2x?x8xf32>,
         tensor<2xf32>)
      -> (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>)
      sinks_grad(tensor<2xf32>)
  return %dsinks : tensor<2xf32>
}

// What the score region captures, with its gradient.
// CHECK-LABEL: func @captured
// CHECK: captured(%{{.*}}, %{{.*}}) causal score {
// CHECK: captured_grad(tensor<2xf16>, tensor<?x2xf32>)
func.func @captured(%q: tensor<1x2x?x8xf32>, %lse: tensor<1x2x?xf32>,
                    %t: tensor<2xf16>, %u: tensor<?x2xf32>)
    -> (tensor<2xf16>, tensor<?x2xf32>) {
  %r:5 = seqc.attention_backward query(%q) key(%q) value(%q)
      out(%q) lse(%lse) out_grad(%q) captured(%t, %u) causal
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = tensor.extract %t[%h] : tensor<2xf16>
        %y = arith.extf %x : f16 to f32
        %z = tensor.extract %u[%j, %h] : tensor<?x2xf32>
        %p = arith.mulf %y, %s : f32
        %v = arith.addf %p, %z : f32
        seqc.yield %v : f32
      }
      : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>,
         tensor<1x2x?x8xf32>, tensor<1x2x?xf32>, tensor<1x2x?x8xf32>,
         tensor<2xf16>, tensor<?x2xf32>)
      -> (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>)
      captured_grad(tensor<2xf16>, tensor<?x2xf32>)
  return %r#3, %r#4 : tensor<2xf16>, tensor<?x2xf32>
}

// Behind a mask, too.
// CHECK-LABEL: func @unordered
// CHECK: seqc.attention_backward {{.*}} causal unordered :
// CHECK: seqc.attention_backward {{.*}} mask {
// CHECK: } unordered {schedule = #seqc.schedule<tile_m = 64>} :
func.func @unordered(%q: tensor<2x8x?x64xf16>, %lse: tensor<2x8x?xf32>)
    -> (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%q)
      out(%q) lse(%lse) out_grad(%q) causal unordered
      : (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>,
         tensor<2x8x?x64xf16>, tensor<2x8x?xf32>, tensor<2x8x?x64xf16>)
      -> (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>)
  %1:3 = seqc.attention_backward query(%0#0) key(%q) value(%q)
      out(%q) lse(%lse) out_grad(%q)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %other = arith.cmpi ne, %i, %j : index
        seqc.yield %other : i1
      } unordered {schedule = #seqc.schedule<tile_m = 64>}
      : (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>,
         tensor<2x8x?x64xf16>, tensor<2x8x?xf32>, tensor<2x8x?x64xf16>)
      -> (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>)
  return %1#0, %1#1, %1#2
      : tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>
}
