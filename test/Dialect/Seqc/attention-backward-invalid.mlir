// RUN: %invalid

// Wrong rank.
func.func @f(%q: tensor<4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c1: expected query to be a 4-D tensor (batch, query heads, queries, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<4x5x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Wrong element type.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xi8>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c1: expected key to be a 4-D tensor (batch, key/value heads, keys, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<2x4x6x8xi8>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xi8>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xi8>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A layout that the operator would ignore.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32, "blocked">, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c1: expected value to be a 4-D tensor (batch, key/value heads, keys, value head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<2x4x6x8xf32, "blocked">'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x6x8xf32, "blocked">, tensor<2x4x5x8xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>,
          tensor<2x4x6x8xf32, "blocked">)
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf16>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c2: expected key to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x8xf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf16>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf16>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf64>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c2: expected value to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<2x4x6x8xf64>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf64>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf64>)
  return
}

// -----

// Grouped heads.
func.func @f(%q: tensor<2x6x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x6x5x8xf32>,
             %lse: tensor<2x6x5xf32>, %dout: tensor<2x6x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c3: expected query heads (6) to be a multiple of key/value heads (4), but got query 'tensor<2x6x5x8xf32>' and key 'tensor<2x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x6x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x6x5x8xf32>, tensor<2x6x5xf32>, tensor<2x6x5x8xf32>)
      -> (tensor<2x6x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Queries without any key/value head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x0x6x8xf32>,
             %v: tensor<2x0x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c3: expected query heads (4) to be a multiple of key/value heads (0), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x0x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x0x6x8xf32>, tensor<2x0x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x0x6x8xf32>, tensor<2x0x6x8xf32>)
  return
}

// -----

// Batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<3x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c4: expected key to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<3x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<3x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<3x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<1x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c4: expected value to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<1x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<1x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<1x4x6x8xf32>)
  return
}

// -----

// Key and value go together.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x2x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c5: expected key and value to have the same heads, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x2x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>)
  return
}

// -----

// Key and value go together.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x7x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c5: expected key and value to have the same length, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x4x7x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>)
  return
}

// -----

// Head dimensions differ.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x16xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x16xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x16xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x16xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A dynamic head dimension.
func.func @f(%q: tensor<2x4x5x?xf32>, %k: tensor<2x4x6x?xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x?xf32>' and key 'tensor<2x4x6x?xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x?xf32>, tensor<2x4x6x?xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x?xf32>, tensor<2x4x6x?xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// An empty head dimension.
func.func @f(%q: tensor<2x4x5x0xf32>, %k: tensor<2x4x6x0xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x0xf32>' and key 'tensor<2x4x6x0xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x0xf32>, tensor<2x4x6x0xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x0xf32>, tensor<2x4x6x0xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A dynamic value head dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x?xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c7: expected value to have a static head_dim of at least 1, but got value 'tensor<2x4x6x?xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x?xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x?xf32>)
  return
}

// -----

// The shape of out follows from the operands.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x6x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c8: expected out to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x6x8xf32>, tensor<2x4x5xf32>, tensor<2x4x6x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The element type of out is that of query.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf16>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf16>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c8: expected out to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x5x8xf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf16>, tensor<2x4x5xf32>, tensor<2x4x5x8xf16>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The shape of lse.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x6xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c9: expected lse to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x6xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x6xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// lse has the type of the accumulator.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %out: tensor<2x4x5x8xbf16>,
             %lse: tensor<2x4x5xbf16>, %dout: tensor<2x4x5x8xbf16>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c9: expected lse to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x5xbf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
         tensor<2x4x5x8xbf16>, tensor<2x4x5xbf16>, tensor<2x4x5x8xbf16>)
      -> (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>)
  return
}

// -----

// A bias is as large as the scores, or 1.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %bias: tensor<2x2x5x6xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x4x5x6xf32, but got 'tensor<2x2x5x6xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) bias(%bias)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2x2x5x6xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The rank of a bias.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %bias: tensor<5x6xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x4x5x6xf32, but got 'tensor<5x6xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) bias(%bias)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<5x6xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The element type of a bias.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %out: tensor<2x4x5x8xbf16>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xbf16>,
             %bias: tensor<1x4x5x6xf16>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 1x4x5x6xbf16 or 1x4x5x6xf32, but got 'tensor<1x4x5x6xf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) bias(%bias)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
         tensor<2x4x5x8xbf16>, tensor<2x4x5xf32>, tensor<2x4x5x8xbf16>,
         tensor<1x4x5x6xf16>)
      -> (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>)
  return
}

// -----

// One segment per query.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %qs: tensor<2x6xi32>, %ks: tensor<2x6xi32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c11: expected query_segments to be a tensor (batch, queries) of 2x5xi32, but got 'tensor<2x6xi32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2x6xi32>, tensor<2x6xi32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One segment per key.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %qs: tensor<2x5xi32>, %ks: tensor<2x5xi32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c11: expected key_segments to be a tensor (batch, keys) of 2x6xi32, but got 'tensor<2x5xi32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2x5xi32>, tensor<2x5xi32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Segments are i32.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %qs: tensor<2x5xi64>, %ks: tensor<2x6xi64>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c11: expected query_segments to be a tensor (batch, queries) of 2x5xi32, but got 'tensor<2x5xi64>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2x5xi64>, tensor<2x6xi64>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One prefix length per batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %p: tensor<3xi32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<3xi32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) prefix(%p)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<3xi32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Prefix lengths are i32.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %p: tensor<2xindex>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<2xindex>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) prefix(%p)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2xindex>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// One sink per query head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %s: tensor<2xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c13: expected sinks to be a tensor (query heads) of 4xf32, but got 'tensor<2xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) sinks(%s)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Sinks have the type of the accumulator.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %out: tensor<2x4x5x8xbf16>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xbf16>,
             %s: tensor<4xbf16>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c13: expected sinks to be a tensor (query heads) of 4xf32, but got 'tensor<4xbf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) sinks(%s)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
         tensor<2x4x5x8xbf16>, tensor<2x4x5xf32>, tensor<2x4x5x8xbf16>,
         tensor<4xbf16>)
      -> (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>)
  return
}

// -----

// scale is a NaN.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c14: expected scale to be finite, but got 0x7FF8000000000000 : f64}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) scale(0x7FF8000000000000)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// scale is an infinity.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c14: expected scale to be finite, but got 0x7FF0000000000000 : f64}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) scale(0x7FF0000000000000)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A negative window.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c15: expected window_left not to be negative, but got -1}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) window_left(-1)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A negative window.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c15: expected window_right not to be negative, but got -3}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) causal window_right(-3)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A dropout of 1 would keep nothing.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c16: expected dropout to be in [0, 1), but got 1.000000e+00 : f64}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) dropout(1.0, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>, i64)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A negative dropout.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c16: expected dropout to be in [0, 1), but got -1.000000e-01 : f64}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) dropout(-0.1, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>, i64)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// dropout is a NaN.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c16: expected dropout to be in [0, 1), but got 0x7FF8000000000000 : f64}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) dropout(0x7FF8000000000000, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>, i64)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Too few arguments.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block ('f32', 'index', 'index')}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f32, %b: index, %h: index):
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The score is in the accumulator type.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block ('f64', 'index', 'index', 'index', 'index')}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f64, %b: index, %h: index, %i: index, %j: index):
        seqc.yield %x : f64
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A score is not a condition.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block that yields 'i1'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %true = arith.constant true
        seqc.yield %true : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// More than one block.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got 2 blocks}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        cf.br ^bb1
      ^bb1:
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Another terminator.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block that ends in 'llvm.unreachable'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        llvm.unreachable
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A mask has no score.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block ('f32', 'index', 'index', 'index', 'index')}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      mask {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %true = arith.constant true
        seqc.yield %true : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A mask is not a score.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block that yields 'f32'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        seqc.yield %zero : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A score may not write.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %m: memref<f32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c20: expected operations without side effects in the score region, but got 'memref.store'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        memref.store %x, %m[] : memref<f32>
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// A mask may not read, since the memory may change.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %m: memref<i1>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c20: expected operations without side effects in the mask region, but got 'memref.load'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %r = memref.load %m[] : memref<i1>
        seqc.yield %r : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Segments of one side only: the custom form has no way to say it.
func.func @f(%q: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>, %ks: tensor<2x5xi32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c11: expected query_segments and key_segments together, but got only key_segments 'tensor<2x5xi32>'}}
  %r:3 = "seqc.attention_backward"(%q, %q, %q, %q, %lse, %q, %ks) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}> ({}, {})
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>, tensor<2x5xi32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A seed without dropout.
func.func @f(%q: tensor<2x4x5x8xf32>, %lse: tensor<2x4x5xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c17: expected no seed without dropout, but got seed 'i64'}}
  %r:3 = "seqc.attention_backward"(%q, %q, %q, %q, %lse, %q, %seed) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0>, resultSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}> ({}, {})
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>, i64)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The gradient of out is like out.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c21: expected out_grad to have the type of out, 'tensor<2x4x5x8xf32>', but got 'tensor<2x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x6x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The gradient of out is like out.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xbf16>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c21: expected out_grad to have the type of out, 'tensor<2x4x5x8xf32>', but got 'tensor<2x4x5x8xbf16>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xbf16>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// The gradient of lse is like lse.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %dlse: tensor<2x4x5x1xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c22: expected lse_grad to have the type of lse, 'tensor<2x4x5xf32>', but got 'tensor<2x4x5x1xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) lse_grad(%dlse)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<2x4x5x1xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Gradients are like what they are of.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c23: expected query_grad to have the type of query, 'tensor<2x4x5x8xf32>', but got 'tensor<2x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Gradients are like what they are of.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c23: expected key_grad to have the type of key, 'tensor<2x4x6x8xf32>', but got 'tensor<2x4x6x8xf64>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf64>, tensor<2x4x6x8xf32>)
  return
}

// -----

// Gradients are like what they are of.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c23: expected value_grad to have the type of value, 'tensor<2x4x6x8xf32>', but got 'tensor<1x4x6x8xf32>'}}
  %r:3 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<1x4x6x8xf32>)
  return
}

// -----

// No bias, no gradient of it.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c24: expected no bias_grad without bias, but got 'tensor<2x4x5x6xf32>'}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      bias_grad(tensor<2x4x5x6xf32>)
  return
}

// -----

// The gradient of a bias is like the bias.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %bias: tensor<1x4x5x6xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c24: expected bias_grad to have the type of bias, 'tensor<1x4x5x6xf32>', but got 'tensor<2x4x5x6xf32>'}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) bias(%bias)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<1x4x5x6xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      bias_grad(tensor<2x4x5x6xf32>)
  return
}

// -----

// No sinks, no gradient of them.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c25: expected no sinks_grad without sinks, but got 'tensor<4xf32>'}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      sinks_grad(tensor<4xf32>)
  return
}

// -----

// The gradient of sinks is like the sinks.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %s: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c25: expected sinks_grad to have the type of sinks, 'tensor<4xf32>', but got 'tensor<8xf32>'}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) sinks(%s)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      sinks_grad(tensor<8xf32>)
  return
}

// -----

// The gradient of a captured tensor is like it.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c26: expected captured_grad #0 to have the type of captured #0, 'tensor<4xf32>', but got 'tensor<5xf32>'}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %t[%h] : tensor<4xf32>
        %x = arith.addf %s, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<5xf32>)
  return
}

// -----

// One for each.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c26: expected one captured_grad for each captured, but got 2 for 1}}
  %r:5 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %t[%h] : tensor<4xf32>
        %x = arith.addf %s, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

// One, not two.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c26: expected captured #1 to be given once, but got 'tensor<4xf32>' again}}
  %r:5 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t, %t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %t[%h] : tensor<4xf32>
        %x = arith.addf %s, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>, tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

// It is read at an index that is computed.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c27: expected captured #0 of 'tensor<4xf32>' to be read at arguments of the score region, each at most once, but got another index in dimension 0: such a gradient is a sum by data}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %j, %i : index
        %e = tensor.extract %t[%d] : tensor<4xf32>
        %x = arith.addf %s, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>)
  return
}

// -----

// It is read on a diagonal.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4x4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c27: expected captured #0 of 'tensor<4x4xf32>' to be read at arguments of the score region, each at most once, but got another index in dimension 1: such a gradient is a sum by data}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %t[%h, %h] : tensor<4x4xf32>
        %x = arith.addf %s, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4x4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4x4xf32>)
  return
}

// -----

// It is read in two ways.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c27: expected captured #0 of 'tensor<4xf32>' to be read at the same indices everywhere, but got others}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %t[%h] : tensor<4xf32>
        %f = tensor.extract %t[%b] : tensor<4xf32>
        %x = arith.mulf %f, %e : f32
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>)
  return
}

// -----

// It is read as a whole.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c27: expected captured #0 of 'tensor<4xf32>' to be read by tensor.extract in the score region, but got tensor.dim}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c0 = arith.constant 0 : index
        %d = tensor.dim %t, %c0 : tensor<4xf32>
        seqc.yield %s : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>)
  return
}

// -----

// It is not read.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %out: tensor<2x4x5x8xf32>,
             %lse: tensor<2x4x5xf32>, %dout: tensor<2x4x5x8xf32>,
             %t: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.attention_backward' op attention_backward_c27: expected captured #0 of 'tensor<4xf32>' to be read in the score region, but it is not}}
  %r:4 = seqc.attention_backward query(%q) key(%k) value(%v) out(%out)
      lse(%lse) out_grad(%dout) captured(%t)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        seqc.yield %s : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x5x8xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>,
         tensor<4xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      captured_grad(tensor<4xf32>)
  return
}
