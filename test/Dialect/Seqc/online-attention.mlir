// RUN: %roundtrip

// What every tile has: the position of the tile and the whole lengths.
// CHECK-LABEL: func @minimal
// CHECK: %max, %sum, %acc = seqc.online_attention query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: offsets(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) lengths(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}})
// CHECK-SAME: outs(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) scale(1.250000e-01) :
// CHECK-SAME: -> (tensor<1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64x32xf32>)
func.func @minimal(%q: tensor<1x1x64x16xf32>, %k: tensor<1x1x128x16xf32>,
                   %v: tensor<1x1x128x32xf32>, %i: index,
                   %max: tensor<1x1x64xf32>, %sum: tensor<1x1x64xf32>,
                   %acc: tensor<1x1x64x32xf32>) -> tensor<1x1x64x32xf32> {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc)
      scale(0.125)
    : (tensor<1x1x64x16xf32>, tensor<1x1x128x16xf32>, tensor<1x1x128x32xf32>,
       index, index, index, index, index, index, tensor<1x1x64xf32>,
       tensor<1x1x64xf32>, tensor<1x1x64x32xf32>)
    -> (tensor<1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64x32xf32>)
  return %0#2 : tensor<1x1x64x32xf32>
}

// Every operand, attribute and region. The state of bf16 data is f32.
// CHECK-LABEL: func @everything
// CHECK: seqc.online_attention query(%{{[a-z0-9_]+}}) key(%{{[a-z0-9_]+}}) value(%{{[a-z0-9_]+}})
// CHECK-SAME: bias(%{{[a-z0-9_]+}}) segments(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) prefix(%{{[a-z0-9_]+}}) dropout(1.000000e-01, %{{[a-z0-9_]+}})
// CHECK-SAME: offsets({{.*}}) lengths({{.*}}) outs({{.*}}) scale(2.500000e-01) causal
// CHECK-SAME: window_left(1023) window_right(7) align(top_left) tile_class(full) score {
// CHECK-NEXT: ^bb0(%{{[a-z0-9_]+}}: f32, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index):
// CHECK: tensor.extract
// CHECK: seqc.yield %{{[a-z0-9_]+}} : f32
// CHECK: } mask {
// CHECK-NEXT: ^bb0(%{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index):
// CHECK: seqc.yield %{{[a-z0-9_]+}} : i1
// CHECK: } {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>} :
// CHECK-SAME: -> (tensor<?x8x?xf32>, tensor<?x8x?xf32>, tensor<?x8x?x64xf32>)
func.func @everything(
    %q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>,
    %v: tensor<?x2x?x64xbf16>, %bias: tensor<1x8x?x1xbf16>,
    %qs: tensor<?x?xi32>, %ks: tensor<?x?xi32>, %prefix: tensor<?xi32>,
    %seed: i64, %slopes: tensor<8xf32>, %b: index, %h: index, %i: index,
    %j: index, %sq: index, %sk: index, %max: tensor<?x8x?xf32>,
    %sum: tensor<?x8x?xf32>, %acc: tensor<?x8x?x64xf32>)
    -> (tensor<?x8x?xf32>, tensor<?x8x?xf32>, tensor<?x8x?x64xf32>) {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) bias(%bias)
      segments(%qs, %ks) prefix(%prefix) dropout(0.1, %seed)
      offsets(%b, %h, %i, %j) lengths(%sq, %sk) outs(%max, %sum, %acc)
      scale(0.25) causal window_left(1023) window_right(7) align(top_left)
      tile_class(full)
      score {
      ^bb0(%s: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        %slope = tensor.extract %slopes[%rh] : tensor<8xf32>
        %r = arith.addf %s, %slope : f32
        seqc.yield %r : f32
      }
      mask {
      ^bb0(%rb: index, %rh: index, %ri: index, %rj: index):
        %near = arith.cmpi ule, %rj, %ri : index
        seqc.yield %near : i1
      }
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 2>}
    : (tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>,
       tensor<1x8x?x1xbf16>, tensor<?x?xi32>, tensor<?x?xi32>, tensor<?xi32>,
       i64, index, index, index, index, index, index, tensor<?x8x?xf32>,
       tensor<?x8x?xf32>, tensor<?x8x?x64xf32>)
    -> (tensor<?x8x?xf32>, tensor<?x8x?xf32>, tensor<?x8x?x64xf32>)
  return %0#0, %0#1, %0#2
    : tensor<?x8x?xf32>, tensor<?x8x?xf32>, tensor<?x8x?x64xf32>
}

// The state of f64 data is f64. The defaults of align and tile_class are not
// printed, and an empty schedule says nothing.
// CHECK-LABEL: func @defaults
// CHECK: scale(1.000000e+00) {schedule = #seqc.schedule<>} :
// CHECK-SAME: -> (tensor<1x1x?xf64>, tensor<1x1x?xf64>, tensor<1x1x?x8xf64>)
func.func @defaults(%q: tensor<1x1x?x8xf64>, %i: index,
                    %rows: tensor<1x1x?xf64>, %acc: tensor<1x1x?x8xf64>)
    -> tensor<1x1x?x8xf64> {
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%rows, %rows, %acc)
      scale(1.0) align(bottom_right) tile_class(partial)
      {schedule = #seqc.schedule<>}
    : (tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>, tensor<1x1x?x8xf64>, index,
       index, index, index, index, index, tensor<1x1x?xf64>,
       tensor<1x1x?xf64>, tensor<1x1x?x8xf64>)
    -> (tensor<1x1x?xf64>, tensor<1x1x?xf64>, tensor<1x1x?x8xf64>)
  return %0#2 : tensor<1x1x?x8xf64>
}

// A part of a schedule: what is 0 is left out.
// CHECK-LABEL: func private @schedules
// CHECK-SAME: {a = #seqc.schedule<tile_n = 16>, b = #seqc.schedule<tile_m = 8, splits = 3>, c = #seqc.schedule<tile_m = 128, stages = 2, warps = 4>}
func.func private @schedules() attributes {
  a = #seqc.schedule<tile_n = 16>,
  b = #seqc.schedule<splits = 3, tile_n = 0, tile_m = 8>,
  c = #seqc.schedule<warps = 4, tile_m = 128, stages = 2, splits = 0>
}
