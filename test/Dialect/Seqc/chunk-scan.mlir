// RUN: %roundtrip

// The state alone: no output, so no C.
// CHECK-LABEL: func @state_only
// CHECK: seqc.chunk_scan u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) outs(state %{{[a-z0-9_]+}}) :
// CHECK-SAME: -> tensor<1x16x4xf32>
func.func @state_only(%u: tensor<1x16x128xf32>, %A: tensor<16x4xf32>,
                      %h: tensor<1x16x4xf32>) -> tensor<1x16x4xf32> {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
    : (tensor<1x16x128xf32>, tensor<1x16x128xf32>, tensor<16x4xf32>,
       tensor<16x4xf32>, tensor<1x16x4xf32>) -> tensor<1x16x4xf32>
  return %0 : tensor<1x16x4xf32>
}

// State and decay: what a part of a split sequence computes.
// CHECK-LABEL: func @part
// CHECK: seqc.chunk_scan {{.*}} outs(state %{{[a-z0-9_]+}}, decay %{{[a-z0-9_]+}}) :
// CHECK-SAME: -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)
func.func @part(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>,
                %B: tensor<?x4x?xf32>, %h: tensor<?x?x4xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B)
      outs(state %h, decay %h)
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x4x?xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)
  return %0#0, %0#1 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}

// Every operand: groups in B, C by channel, f32 parameters of bf16 data.
// CHECK-LABEL: func @everything
// CHECK: %{{.*}}:3 = seqc.chunk_scan u(%{{[a-z0-9_]+}}) delta(%{{[a-z0-9_]+}}) A(%{{[a-z0-9_]+}}) B(%{{[a-z0-9_]+}}) C(%{{[a-z0-9_]+}})
// CHECK-SAME: D(%{{[a-z0-9_]+}}) z(%{{[a-z0-9_]+}}) delta_bias(%{{[a-z0-9_]+}}) steps(%{{[a-z0-9_]+}})
// CHECK-SAME: outs(out %{{[a-z0-9_]+}}, state %{{[a-z0-9_]+}}, decay %{{[a-z0-9_]+}}) delta_softplus
// CHECK-SAME: {schedule = #seqc.schedule<tile_m = 16, tile_n = 64, splits = 4>} :
// CHECK-SAME: -> (tensor<2x16x?xbf16>, tensor<2x16x4xf32>, tensor<2x16x4xf32>)
func.func @everything(
    %u: tensor<2x16x?xbf16>, %delta: tensor<2x16x?xbf16>, %A: tensor<16x4xf32>,
    %B: tensor<2x4x4x?xbf16>, %C: tensor<16x4xf32>, %D: tensor<16xf32>,
    %z: tensor<2x16x?xbf16>, %bias: tensor<16xbf16>, %steps: index,
    %y: tensor<2x16x?xbf16>, %h: tensor<2x16x4xf32>, %p: tensor<2x16x4xf32>)
    -> (tensor<2x16x?xbf16>, tensor<2x16x4xf32>, tensor<2x16x4xf32>) {
  %0:3 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) D(%D) z(%z)
      delta_bias(%bias) steps(%steps) outs(out %y, state %h, decay %p)
      delta_softplus
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 64, splits = 4>}
    : (tensor<2x16x?xbf16>, tensor<2x16x?xbf16>, tensor<16x4xf32>,
       tensor<2x4x4x?xbf16>, tensor<16x4xf32>, tensor<16xf32>,
       tensor<2x16x?xbf16>, tensor<16xbf16>, index, tensor<2x16x?xbf16>,
       tensor<2x16x4xf32>, tensor<2x16x4xf32>)
    -> (tensor<2x16x?xbf16>, tensor<2x16x4xf32>, tensor<2x16x4xf32>)
  return %0#0, %0#1, %0#2
    : tensor<2x16x?xbf16>, tensor<2x16x4xf32>, tensor<2x16x4xf32>
}
