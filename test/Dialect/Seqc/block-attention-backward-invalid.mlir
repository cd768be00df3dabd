// RUN: %invalid

// A key of three dimensions.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c1: expected key to be a 4-D tensor (batch, key/value heads, keys, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<4x6x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf16>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c2: expected value to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<2x4x6x8xf16>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf16>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Four query heads do not divide among three key heads.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c3: expected query heads (4) to be a multiple of key/value heads (3), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x3x6x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Another batch size.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<3x4x6x8xf32>, %v: tensor<?x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c4: expected key to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<3x4x6x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<3x4x6x8xf32>, tensor<?x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// More values than keys.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x7x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c5: expected key and value to have the same length, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x4x7x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Keys of another head dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x4xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x4xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x4xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A dynamic head dimension of the values.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x?xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c7: expected value to have a static head_dim of at least 1, but got value 'tensor<2x4x6x?xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x?xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The gradient of an output of other values.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x3xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c8: expected out_grad to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x5x3xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x3xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Rows are in the accumulator type.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xbf16>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c9: expected lse to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x5xbf16>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xbf16>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One number for each row.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x6xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c9: expected delta to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x6xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x6xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A bias for other keys.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %bias: tensor<2x1x5x3xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x1x5x6xf32, but got 'tensor<2x1x5x3xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) bias(%bias)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x1x5x3xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Key segments of the queries.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %s: tensor<2x5xi32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c11: expected key_segments to be a tensor (batch, keys) of 2x6xi32, but got 'tensor<2x5xi32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) segments(%s, %s)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x5xi32>, tensor<2x5xi32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A prefix per head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %p: tensor<4xi32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<4xi32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) prefix(%p)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<4xi32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A missing offset.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c13: expected 4 offsets (batch, head, query, key), but got 3}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A missing length.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c13: expected 2 lengths (query, key), but got 1}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Scale is a number.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c14: expected scale to be finite, but got 0x7FF8000000000000 : f64}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(0x7FF8000000000000)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A window reaches forward and back.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c15: expected window_left not to be negative, but got -1}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0) window_left(-1)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The same on the other side.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c15: expected window_right not to be negative, but got -2}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0) window_right(-2)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Nothing would be left.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %seed: i64) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c16: expected dropout to be in [0, 1), but got 1.000000e+00 : f64}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) dropout(1.0, %seed)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, i64, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A score without its derivative.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', 'f32', but got a block that yields 'f32'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
      score {
      ^bb0(%s: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        seqc.yield %s : f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A mask is a boolean.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block that yields 'f32'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
      mask {
      ^bb0(%rb: index, %rh: index, %ri: index, %rj: index):
        %c = arith.constant 1.0 : f32
        seqc.yield %c : f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A region computes; it does not store.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c20: expected operations without side effects in the score region, but got 'memref.alloca'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
      score {
      ^bb0(%s: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        %m = memref.alloca() : memref<f32>
        seqc.yield %s, %s : f32, f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// An accumulator in the type of the data.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf16>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c21: expected query_grad to be a tensor (batch, query heads, queries, head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x5x8xf16>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf16>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf16>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The gradient of a key without that of its value.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c22: expected key_grad and value_grad together, but got only key_grad 'tensor<2x4x6x8xf32>'}}
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(key_grad %dk) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x6x8xf32>)
    -> tensor<2x4x6x8xf32>
  return
}

// -----

// The same the other way round.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c22: expected key_grad and value_grad together, but got only value_grad 'tensor<2x4x6x8xf32>'}}
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x6x8xf32>)
    -> tensor<2x4x6x8xf32>
  return
}

// -----

// One accumulator for each key/value head, not for each query head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x2x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c22: expected key_grad to be a tensor (batch, key/value heads, keys, head_dim) of 2x2x6x8xf32, but got 'tensor<2x4x6x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>)
  return
}

// -----

// Accumulators of values have their head dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x3xf32>, %do: tensor<2x4x5x3xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c22: expected value_grad to be a tensor (batch, key/value heads, keys, value head_dim) of 2x4x6x3xf32, but got 'tensor<2x4x6x8xf32>'}}
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, key_grad %dk, value_grad %dv) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x3xf32>, tensor<2x4x5x3xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A gradient of what is not there.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %db: tensor<2x4x5x6xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c23: expected no bias_grad without bias, but got bias_grad 'tensor<2x4x5x6xf32>'}}
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, bias_grad %db) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x5x6xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x5x6xf32>)
  return
}

// -----

// A gradient of a bias that has another number of heads.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>,
             %bias: tensor<1x4x5x6xf32>, %db: tensor<1x2x5x6xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c23: expected bias_grad to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 1x4x5x6xf32, but got 'tensor<1x2x5x6xf32>'}}
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta) bias(%bias)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(query_grad %dq, bias_grad %db) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<1x4x5x6xf32>, index, index, index, index, index, index, tensor<2x4x5x8xf32>, tensor<1x2x5x6xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<1x2x5x6xf32>)
  return
}

// -----

// What is captured is in a region.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dt: tensor<1x4x1x1xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c25: expected no captured_grad without a score region, but got captured_grad 'tensor<1x4x1x1xf32>'}}
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(captured_grad %dt) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<1x4x1x1xf32>)
    -> tensor<1x4x1x1xf32>
  return
}

// -----

// A gradient that has other queries.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dt: tensor<1x4x4x1xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c25: expected captured_grad to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 1x4x5x1xf32, but got 'tensor<1x4x4x1xf32>'}}
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(captured_grad %dt) scale(1.0) score {
      ^bb0(%s: f32, %b: index, %h: index, %x: index, %y: index):
        seqc.yield %s, %s, %s : f32, f32, f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<1x4x4x1xf32>)
    -> tensor<1x4x4x1xf32>
  return
}

// -----

// The region lacks the derivative in what it captures.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dt: tensor<1x4x1x1xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', 'f32', 'f32', but got a block that yields 'f32', 'f32'}}
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs(captured_grad %dt) scale(1.0) score {
      ^bb0(%s: f32, %b: index, %h: index, %x: index, %y: index):
        seqc.yield %s, %s : f32, f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index, tensor<1x4x1x1xf32>)
    -> tensor<1x4x1x1xf32>
  return
}

// -----

// Nothing to compute.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>, %do: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>,
             %delta: tensor<2x4x5xf32>, %i: index, %dq: tensor<2x4x5x8xf32>, %dk: tensor<2x4x6x8xf32>, %dv: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c24: expected query_grad, key_grad and value_grad, bias_grad or captured_grad, but got none}}
  seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%lse) delta(%delta)
      offsets(%i, %i, %i, %i) lengths(%i, %i)
      outs() scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index, index, index, index, index)
    -> ()
  return
}

// -----

// Constraint 17 needs the generic form.
func.func @f(%q: tensor<2x4x5x8xf32>, %r: tensor<2x4x5xf32>, %i: index) {
  // expected-error @+1 {{'seqc.block_attention_backward' op block_attention_backward_c17: expected a seed with dropout 5.000000e-01 : f64, but got none}}
  %0 = "seqc.block_attention_backward"(%q, %q, %q, %q, %r, %r, %i, %i, %i, %i, %i, %i, %q) <{
      dropout = 5.000000e-01 : f64, scale = 1.000000e+00 : f64,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 4, 2, 1, 0, 0, 0, 0>}> ({
    }, {
    }) : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>,
          tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index,
          index, index, index, index, index, tensor<2x4x5x8xf32>)
    -> tensor<2x4x5x8xf32>
  return
}

// -----

// A gradient that is named twice.
func.func @f(%q: tensor<2x4x5x8xf32>, %r: tensor<2x4x5xf32>, %i: index) {
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%r) delta(%r) offsets(%i, %i, %i, %i) lengths(%i, %i)
      // expected-error @+1 {{expected each of query_grad, key_grad, value_grad, bias_grad and captured_grad at most once, but got query_grad}}
      outs(query_grad %q, query_grad %q) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>,
       tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>, index, index,
       index, index, index, index, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>)
  return
}
