// RUN: seqc-opt %s --seqc-decompose --split-input-file --verify-diagnostics

// What is not yet a tile cannot be decomposed.

// Two batches and four heads.
func.func @f(%q: tensor<2x4x32x8xf32>, %i: index, %m: tensor<2x4x32xf32>)
    -> tensor<2x4x32xf32> {
  // expected-error @+1 {{'seqc.online_attention' op can only be decomposed as a tile, which has one batch and one head or group, but got 'tensor<2x4x32x8xf32>'; run seqc-tile first}}
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%m, %m, %q) scale(0.5)
    : (tensor<2x4x32x8xf32>, tensor<2x4x32x8xf32>, tensor<2x4x32x8xf32>, index,
       index, index, index, index, index, tensor<2x4x32xf32>,
       tensor<2x4x32xf32>, tensor<2x4x32x8xf32>)
    -> (tensor<2x4x32xf32>, tensor<2x4x32xf32>, tensor<2x4x32x8xf32>)
  return %0#0 : tensor<2x4x32xf32>
}

// -----

// Static results, but keys of a dynamic length.
func.func @f(%q: tensor<1x1x32x8xf32>, %k: tensor<1x1x?x8xf32>, %i: index,
             %m: tensor<1x1x32xf32>) -> tensor<1x1x32xf32> {
  // expected-error @+1 {{'seqc.online_attention' op can only be decomposed as a tile, which has static shapes, but got 'tensor<1x1x?x8xf32>'; run seqc-tile first}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%m, %m, %q) scale(0.5)
    : (tensor<1x1x32x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>, index,
       index, index, index, index, index, tensor<1x1x32xf32>,
       tensor<1x1x32xf32>, tensor<1x1x32x8xf32>)
    -> (tensor<1x1x32xf32>, tensor<1x1x32xf32>, tensor<1x1x32x8xf32>)
  return %0#0 : tensor<1x1x32xf32>
}

// -----

func.func @f(%m: tensor<1x2x4xf32>, %a: tensor<1x2x4x8xf32>)
    -> tensor<1x2x4x8xf32> {
  // expected-error @+1 {{'seqc.softmax_finish' op can only be decomposed as a tile, which has one batch and one head or group, but got 'tensor<1x2x4x8xf32>'; run seqc-tile first}}
  %0 = seqc.softmax_finish max(%m) sum(%m) acc(%a) outs(%a)
    : (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4x8xf32>,
       tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  return %0 : tensor<1x2x4x8xf32>
}

// -----

// Two groups of B.
func.func @f(%u: tensor<1x16x32xf32>, %A: tensor<16x4xf32>,
             %B: tensor<1x2x4x32xf32>, %h: tensor<1x16x4xf32>)
    -> tensor<1x16x4xf32> {
  // expected-error @+1 {{'seqc.chunk_scan' op can only be decomposed as a tile, which has one batch and one head or group, but got 'tensor<1x2x4x32xf32>'; run seqc-tile first}}
  %y = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) outs(state %h)
    : (tensor<1x16x32xf32>, tensor<1x16x32xf32>, tensor<16x4xf32>,
       tensor<1x2x4x32xf32>, tensor<1x16x4xf32>) -> tensor<1x16x4xf32>
  return %y : tensor<1x16x4xf32>
}
