// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-tile{single-loop=true},cse),convert-seqc-to-tile{chip=sm_80})" --split-input-file --verify-diagnostics

// The rows of query_grad are queries.
func.func @rows(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  // expected-error @below {{'seqc.block_attention_backward' op has a tile_m of 48, expected a multiple of 64 for 4 warps}}
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 48, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>)
    -> tensor<1x4x?x64xf32>
  return %0 : tensor<1x4x?x64xf32>
}

// -----

// Those of key_grad and value_grad are keys.
func.func @columns(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  // expected-error @below {{'seqc.block_attention_backward' op has a tile_m of 24, expected a multiple of 16}}
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(key_grad %z, value_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 24, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  return %0#0, %0#1 : tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>
}

// -----

// Sums go on from nothing that is there already.
func.func @accumulators(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>,
                   %start: tensor<1x4x?x64xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  // expected-error @below {{'seqc.block_attention_backward' op is not supported on GPUs with an accumulator that does not start from 0}}
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %start)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>)
    -> tensor<1x4x?x64xf32>
  return %0 : tensor<1x4x?x64xf32>
}
