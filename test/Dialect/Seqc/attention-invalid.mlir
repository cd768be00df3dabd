// RUN: %invalid

// Wrong rank.
func.func @f(%q: tensor<4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c1: expected query to be a 4-D tensor (batch, query heads, queries, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<4x5x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Wrong element type.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xi8>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c1: expected key to be a 4-D tensor (batch, key/value heads, keys, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<2x4x6x8xi8>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xi8>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A layout that the operator would ignore.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32, "blocked">) {
  // expected-error @+1 {{'seqc.attention' op attention_c1: expected value to be a 4-D tensor (batch, key/value heads, keys, value head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<2x4x6x8xf32, "blocked">'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x4x6x8xf32, "blocked">)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf16>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c2: expected key to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x8xf16>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf16>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf64>) {
  // expected-error @+1 {{'seqc.attention' op attention_c2: expected value to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<2x4x6x8xf64>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf64>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Grouped heads.
func.func @f(%q: tensor<2x6x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c3: expected query heads (6) to be a multiple of key/value heads (4), but got query 'tensor<2x6x5x8xf32>' and key 'tensor<2x4x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x6x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x6x5x8xf32>
  return
}

// -----

// Queries without any key/value head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x0x6x8xf32>,
             %v: tensor<2x0x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c3: expected query heads (4) to be a multiple of key/value heads (0), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x0x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x0x6x8xf32>, tensor<2x0x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<3x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c4: expected key to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<3x4x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<3x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<1x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c4: expected value to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<1x4x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<1x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Key and value go together.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x2x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c5: expected key and value to have the same heads, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x2x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Key and value go together.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x7x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c5: expected key and value to have the same length, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x4x7x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Head dimensions differ.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x16xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x16xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x16xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A dynamic head dimension.
func.func @f(%q: tensor<2x4x5x?xf32>, %k: tensor<2x4x6x?xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x?xf32>' and key 'tensor<2x4x6x?xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x?xf32>, tensor<2x4x6x?xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// An empty head dimension.
func.func @f(%q: tensor<2x4x5x0xf32>, %k: tensor<2x4x6x0xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x0xf32>' and key 'tensor<2x4x6x0xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x0xf32>, tensor<2x4x6x0xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A dynamic value head dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x?xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c7: expected value to have a static head_dim of at least 1, but got value 'tensor<2x4x6x?xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x?xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// The shape of out follows from the operands.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c8: expected out to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x6x8xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x6x8xf32>
  return
}

// -----

// The element type of out is that of query.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c8: expected out to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf32, but got 'tensor<2x4x5x8xf16>'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf16>
  return
}

// -----

// The shape of lse.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c9: expected lse to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x6xf32>'}}
  %r:2 = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> (tensor<2x4x5x8xf32>, tensor<2x4x6xf32>)
  return
}

// -----

// lse has the type of the accumulator.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>) {
  // expected-error @+1 {{'seqc.attention' op attention_c9: expected lse to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x5xbf16>'}}
  %r:2 = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>)
      -> (tensor<2x4x5x8xbf16>, tensor<2x4x5xbf16>)
  return
}

// -----

// A bias is as large as the scores, or 1.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %bias: tensor<2x2x5x6xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x4x5x6xf32, but got 'tensor<2x2x5x6xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x2x5x6xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// The rank of a bias.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %bias: tensor<5x6xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x4x5x6xf32, but got 'tensor<5x6xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<5x6xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// The element type of a bias.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %bias: tensor<1x4x5x6xf16>) {
  // expected-error @+1 {{'seqc.attention' op attention_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 1x4x5x6xbf16 or 1x4x5x6xf32, but got 'tensor<1x4x5x6xf16>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
         tensor<1x4x5x6xf16>)
      -> tensor<2x4x5x8xbf16>
  return
}

// -----

// One segment per query.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %qs: tensor<2x6xi32>,
             %ks: tensor<2x6xi32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c11: expected query_segments to be a tensor (batch, queries) of 2x5xi32, but got 'tensor<2x6xi32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x6xi32>, tensor<2x6xi32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// One segment per key.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %qs: tensor<2x5xi32>,
             %ks: tensor<2x5xi32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c11: expected key_segments to be a tensor (batch, keys) of 2x6xi32, but got 'tensor<2x5xi32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x5xi32>, tensor<2x5xi32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Segments are i32.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %qs: tensor<2x5xi64>,
             %ks: tensor<2x6xi64>) {
  // expected-error @+1 {{'seqc.attention' op attention_c11: expected query_segments to be a tensor (batch, queries) of 2x5xi32, but got 'tensor<2x5xi64>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) segments(%qs, %ks)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2x5xi64>, tensor<2x6xi64>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// One prefix length per batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<3xi32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) prefix(%p)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<3xi32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Prefix lengths are i32.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %p: tensor<2xindex>) {
  // expected-error @+1 {{'seqc.attention' op attention_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<2xindex>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) prefix(%p)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2xindex>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// One sink per query head.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c13: expected sinks to be a tensor (query heads) of 4xf32, but got 'tensor<2xf32>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) sinks(%s)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
         tensor<2xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Sinks have the type of the accumulator.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %s: tensor<4xbf16>) {
  // expected-error @+1 {{'seqc.attention' op attention_c13: expected sinks to be a tensor (query heads) of 4xf32, but got 'tensor<4xbf16>'}}
  %r = seqc.attention query(%q) key(%k) value(%v) sinks(%s)
      : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
         tensor<4xbf16>)
      -> tensor<2x4x5x8xbf16>
  return
}

// -----

// scale is a NaN.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c14: expected scale to be finite, but got 0x7FF8000000000000 : f64}}
  %r = seqc.attention query(%q) key(%k) value(%v) scale(0x7FF8000000000000)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// scale is an infinity.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c14: expected scale to be finite, but got 0x7FF0000000000000 : f64}}
  %r = seqc.attention query(%q) key(%k) value(%v) scale(0x7FF0000000000000)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A negative window.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c15: expected window_left not to be negative, but got -1}}
  %r = seqc.attention query(%q) key(%k) value(%v) window_left(-1)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A negative window.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c15: expected window_right not to be negative, but got -3}}
  %r = seqc.attention query(%q) key(%k) value(%v) causal window_right(-3)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A dropout of 1 would keep nothing.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention' op attention_c16: expected dropout to be in [0, 1), but got 1.000000e+00 : f64}}
  %r = seqc.attention query(%q) key(%k) value(%v) dropout(1.0, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, i64)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A negative dropout.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention' op attention_c16: expected dropout to be in [0, 1), but got -1.000000e-01 : f64}}
  %r = seqc.attention query(%q) key(%k) value(%v) dropout(-0.1, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, i64)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// dropout is a NaN.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention' op attention_c16: expected dropout to be in [0, 1), but got 0x7FF8000000000000 : f64}}
  %r = seqc.attention query(%q) key(%k) value(%v) dropout(0x7FF8000000000000, %seed)
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, i64)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Too few arguments.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block ('f32', 'index', 'index')}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f32, %b: index, %h: index):
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// The score is in the accumulator type.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block ('f64', 'index', 'index', 'index', 'index')}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f64, %b: index, %h: index, %i: index, %j: index):
        seqc.yield %x : f64
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A score is not a condition.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block that yields 'i1'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %true = arith.constant true
        seqc.yield %true : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// More than one block.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got 2 blocks}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        cf.br ^bb1
      ^bb1:
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Another terminator.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block that ends in 'llvm.unreachable'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        llvm.unreachable
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A mask has no score.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block ('f32', 'index', 'index', 'index', 'index')}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      mask {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %true = arith.constant true
        seqc.yield %true : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A mask is not a score.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block that yields 'f32'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        seqc.yield %zero : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A score may not write.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %m: memref<f32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c20: expected operations without side effects in the score region, but got 'memref.store'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        memref.store %x, %m[] : memref<f32>
        seqc.yield %x : f32
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A mask may not read, since the memory may change.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %m: memref<i1>) {
  // expected-error @+1 {{'seqc.attention' op attention_c20: expected operations without side effects in the mask region, but got 'memref.load'}}
  %r = seqc.attention query(%q) key(%k) value(%v)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %r = memref.load %m[] : memref<i1>
        seqc.yield %r : i1
      }
      : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// Segments of one side only: the custom form has no way to say it.
func.func @f(%q: tensor<2x4x5x8xf32>, %qs: tensor<2x5xi32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c11: expected query_segments and key_segments together, but got only query_segments 'tensor<2x5xi32>'}}
  %r = "seqc.attention"(%q, %q, %q, %qs) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0, 0, 0>}> ({}, {})
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x5xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// Dropout without a seed.
func.func @f(%q: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.attention' op attention_c17: expected a seed with dropout 5.000000e-01 : f64, but got none}}
  %r = "seqc.attention"(%q, %q, %q) <{dropout = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>}> ({}, {})
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// A seed without dropout.
func.func @f(%q: tensor<2x4x5x8xf32>, %seed: i64) {
  // expected-error @+1 {{'seqc.attention' op attention_c17: expected no seed without dropout, but got seed 'i64'}}
  %r = "seqc.attention"(%q, %q, %q, %seed) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 1>}> ({}, {})
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, i64) -> tensor<2x4x5x8xf32>
  return
}

// -----

// Not a tensor at all: found before the verifier.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: memref<2x4x5x8xf32>) {
  // expected-error @+1 {{operand #1 must be 4-D tensor of f16, bf16, f32 or f64, but got 'memref<2x4x5x8xf32>'}}
  %r = "seqc.attention"(%q, %k, %q) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>}> ({}, {})
      : (tensor<2x4x5x8xf32>, memref<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// A yield belongs to a region of an operator.
func.func @f(%x: f32) -> f32 {
  // expected-error @+1 {{'seqc.yield' op expects parent op to be one of 'seqc.attention, seqc.attention_backward, seqc.online_attention, seqc.block_attention_backward'}}
  seqc.yield %x : f32
}

// -----

// A schedule has no negative parameter.
// expected-error @+1 {{schedule parameter 'tile_m' must be from 0 to 4096, but is -64}}
#bad = #seqc.schedule<tile_m = -64>

// -----

// Tiles and parts have a largest size.
// expected-error @+1 {{schedule parameter 'tile_m' must be from 0 to 4096, but is 4097}}
#bad = #seqc.schedule<tile_m = 4097>

// -----

// The same for tiles of keys.
// expected-error @+1 {{schedule parameter 'tile_n' must be from 0 to 4096, but is 16777216}}
#bad = #seqc.schedule<tile_n = 16777216>

// -----

// And for parts.
// expected-error @+1 {{schedule parameter 'splits' must be from 0 to 1024, but is 1025}}
#bad = #seqc.schedule<splits = 1025>

// -----

// And for stages and warps.
// expected-error @+1 {{schedule parameter 'stages' must be from 0 to 8, but is 9}}
#bad = #seqc.schedule<stages = 9>

// -----

// expected-error @+1 {{schedule parameter 'warps' must be 0, 1, 2, 4, 8, 12 or 16, but is 3}}
#bad = #seqc.schedule<warps = 3>

// -----

// A keyword that is none.
func.func @f(%q: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{expected one of bottom_right, top_left for alignment}}
  %r = seqc.attention query(%q) key(%q) value(%q) causal align(top)
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>)
      -> tensor<2x4x5x8xf32>
  return
}

// -----

// A schedule has no other parameters.
// expected-error @+1 {{duplicate or unknown struct parameter name: tile_k}}
#bad = #seqc.schedule<tile_k = 64>

// -----

// Lengths of keys are one number for each batch entry.
func.func @f(%q: tensor<2x4x5x8xf32>, %n: tensor<3xi32>) {
  // expected-error @+1 {{attention_c21: expected key_lengths}}
  %r = seqc.attention query(%q) key(%q) value(%q) key_lengths(%n)
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<3xi32>)
      -> tensor<2x4x5x8xf32>
  return
}
