// RUN: %roundtrip

// CHECK-LABEL: func @minimal
// CHECK: seqc.attention query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}}) : (tensor<2x8x128x64xf32>, tensor<2x8x256x64xf32>, tensor<2x8x256x32xf32>) -> tensor<2x8x128x32xf32>
func.func @minimal(%q: tensor<2x8x128x64xf32>, %k: tensor<2x8x256x64xf32>,
                   %v: tensor<2x8x256x32xf32>) -> tensor<2x8x128x32xf32> {
  %out = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x8x128x64xf32>, tensor<2x8x256x64xf32>, tensor<2x8x256x32xf32>)
      -> tensor<2x8x128x32xf32>
  return %out : tensor<2x8x128x32xf32>
}

// CHECK-LABEL: func @everything
// CHECK: seqc.attention query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: bias(%{{[a-z0-9_]+}}) segments(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) prefix(%{{[a-z0-9_]+}}) sinks(%{{[a-z0-9_]+}})
// CHECK-SAME: dropout(1.000000e-01, %{{[a-z0-9_]+}}) scale(1.250000e-01) causal
// CHECK-SAME: window_left(1023) window_right(0) align(top_left) score {
// CHECK-NEXT: ^bb0(%{{[a-z0-9_]+}}: f32, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index):
// CHECK: tensor.extract
// CHECK: seqc.yield %{{[a-z0-9_]+}} : f32
// CHECK: } mask {
// CHECK-NEXT: ^bb0(%{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index):
// CHECK: seqc.yield %{{[a-z0-9_]+}} : i1
// CHECK: } {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>} :
// CHECK-SAME: -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
func.func @everything(
    %q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>,
    %v: tensor<?x2x?x64xbf16>, %bias: tensor<1x8x?x?xf32>,
    %qs: tensor<?x?xi32>, %ks: tensor<?x?xi32>, %prefix: tensor<?xi32>,
    %sinks: tensor<8xf32>, %seed: i64, %slopes: tensor<8xf32>)
    -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>) {
  %out, %lse = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
      segments(%qs, %ks) prefix(%prefix) sinks(%sinks) dropout(0.1, %seed)
      scale(0.125) causal window_left(1023) window_right(0) align(top_left)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %slopes[%h] : tensor<8xf32>
        %distance = arith.subi %j, %i : index
        %int = arith.index_cast %distance : index to i32
        %float = arith.sitofp %int : i32 to f32
        %penalty = arith.mulf %slope, %float : f32
        %r = arith.addf %s, %penalty : f32
        seqc.yield %r : f32
      }
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %near = arith.cmpi ule, %j, %i : index
        seqc.yield %near : i1
      }
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>}
      : (tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>,
         tensor<1x8x?x?xf32>, tensor<?x?xi32>, tensor<?x?xi32>, tensor<?xi32>,
         tensor<8xf32>, i64) -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
  return %out, %lse : tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>
}

// The accumulator of f64 is f64, and a bias may have the data's element type.
// CHECK-LABEL: func @f64
// CHECK: ^bb0(%{{[a-z0-9_]+}}: f64,
func.func @f64(%q: tensor<1x1x?x8xf64>, %k: tensor<1x1x?x8xf64>,
               %bias: tensor<1x1x1x?xf64>, %sinks: tensor<1xf64>)
    -> (tensor<1x1x?x8xf64>, tensor<1x1x?xf64>) {
  %out, %lse = seqc.attention query(%q) key(%k) value(%k) bias(%bias)
      sinks(%sinks) score {
      ^bb0(%s: f64, %b: index, %h: index, %i: index, %j: index):
        %r = arith.negf %s : f64
        seqc.yield %r : f64
      }
      : (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>,
         tensor<1x1x1x?xf64>, tensor<1xf64>)
      -> (tensor<1x1x?x8xf64>, tensor<1x1x?xf64>)
  return %out, %lse : tensor<1x1x?x8xf64>, tensor<1x1x?xf64>
}

// Heads and batch may be dynamic; a size may be known to one operand only.
// CHECK-LABEL: func @dynamic
// CHECK: seqc.attention {{.*}} causal :
func.func @dynamic(%q: tensor<?x?x?x16xf16>, %k: tensor<3x?x7x16xf16>,
                   %v: tensor<?x4x?x16xf16>) -> tensor<3x?x?x16xf16> {
  %out = seqc.attention query(%q) key(%k) value(%v) causal
      : (tensor<?x?x?x16xf16>, tensor<3x?x7x16xf16>, tensor<?x4x?x16xf16>)
      -> tensor<3x?x?x16xf16>
  return %out : tensor<3x?x?x16xf16>
}

// No keys at all: every row is fully masked.
// CHECK-LABEL: func @no_keys
// CHECK: seqc.attention
func.func @no_keys(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x0x8xf32>)
    -> tensor<1x2x5x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k)
      : (tensor<1x2x5x8xf32>, tensor<1x2x0x8xf32>, tensor<1x2x0x8xf32>)
      -> tensor<1x2x5x8xf32>
  return %out : tensor<1x2x5x8xf32>
}
