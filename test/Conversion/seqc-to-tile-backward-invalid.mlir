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

// -----

// f32 has no products of a transposed factor.
func.func @wide(%q: tensor<1x4x?x64xf32>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xf32>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  // expected-error @below {{'seqc.block_attention_backward' op is not supported on GPUs with all three gradients of 'tensor<1x1x64x64xf32>', expected f16 or bf16: gradients of queries come from a kernel of their own}}
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>,
       tensor<1x4x?x64xf32>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index,
       tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  return %0#0 : tensor<1x4x?x64xf32>
}

// -----

// Its rows are those of head_dim or of queries: 8 warps have 16 of each.
func.func @shares(%q: tensor<1x4x?x80xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x80xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x80xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x80xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x80xf32>) -> tensor<1x4x?x80xf32>
  // expected-error @below {{'seqc.block_attention_backward' op has a tile_m of 64 and a head_dim of 80, of which one must be a multiple of 128 for 8 warps}}
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, warps = 8>}
    : (tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>,
       tensor<1x4x?x80xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index,
       tensor<1x4x?x80xf32>, tensor<1x4x?x80xf32>, tensor<1x4x?x80xf32>)
    -> (tensor<1x4x?x80xf32>, tensor<1x4x?x80xf32>, tensor<1x4x?x80xf32>)
  return %0#0 : tensor<1x4x?x80xf32>
}

// -----

// Only the kernel that rounds knows the order of the sums.
func.func @as_it_is(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index,
       tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  // expected-error @+1 {{reads sums of blocks, of type 'tensor<1x4x?x64xf32>', which can only be rounded to a narrower type}}
  return %0#0 : tensor<1x4x?x64xf32>
}

// -----


func.func @negated(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index,
       tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  %e16 = tensor.empty(%n) : tensor<1x4x?x64xf32>
  // expected-error @below {{'linalg.generic' op reads sums of blocks, of type 'tensor<1x4x?x64xf32>', which can only be rounded to a narrower type}}
  %1 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                        affine_map<(a, b, c, d) -> (a, b, c, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0#0 : tensor<1x4x?x64xf32>) outs(%e16 : tensor<1x4x?x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %t = arith.negf %in : f32
    linalg.yield %t : f32
  } -> tensor<1x4x?x64xf32>
  return %1 : tensor<1x4x?x64xf32>
}
