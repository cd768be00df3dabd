// RUN: %invalid

// A key of three dimensions.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c1: expected key to be a 4-D tensor (batch, key/value heads, keys, head_dim) of f16 or bf16 or f32 or f64, but got 'tensor<4x6x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// One element type for all.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf16>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c2: expected value to have the element type of query ('f32'), but got query 'tensor<2x4x5x8xf32>' and value 'tensor<2x4x6x8xf16>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf16>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Four query heads do not divide among three key heads.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x3x6x8xf32>,
             %v: tensor<2x3x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c3: expected query heads (4) to be a multiple of key/value heads (3), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x3x6x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Another batch size.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<3x4x6x8xf32>,
             %v: tensor<?x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c4: expected key to have the batch size of query (2), but got query 'tensor<2x4x5x8xf32>' and key 'tensor<3x4x6x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<3x4x6x8xf32>, tensor<?x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// More values than keys.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x7x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c5: expected key and value to have the same length, but got key 'tensor<2x4x6x8xf32>' and value 'tensor<2x4x7x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A head dimension that tiles could not have.
func.func @f(%q: tensor<2x4x5x?xf32>, %k: tensor<2x4x6x?xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x?xf32>' and key 'tensor<2x4x6x?xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x?xf32>, tensor<2x4x6x?xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Two head dimensions.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x4xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c6: expected query and key to have the same static head_dim of at least 1, but got query 'tensor<2x4x5x8xf32>' and key 'tensor<2x4x6x4xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x4xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The head dimension of the values, too, is static.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x?xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c7: expected value to have a static head_dim of at least 1, but got value 'tensor<2x4x6x?xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x?xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The maximum is a state of f32, whatever the data.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %i: index,
             %max: tensor<2x4x5xbf16>, %sum: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c8: expected max to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x5xbf16>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
       index, index, index, index, index, index, tensor<2x4x5xbf16>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xbf16>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A sum for other rows than the queries.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x6xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c8: expected sum to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x6xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x6xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x6xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A sum with one dimension too many.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5x1xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c8: expected sum to be a tensor (batch, query heads, queries) of 2x4x5xf32, but got 'tensor<2x4x5x1xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5x1xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5x1xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// An accumulator of the keys' head dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x3xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c9: expected acc to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x3xf32, but got 'tensor<2x4x5x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x3xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The accumulator of f64 data is f64.
func.func @f(%q: tensor<2x4x5x8xf64>, %k: tensor<2x4x6x8xf64>,
             %v: tensor<2x4x6x8xf64>, %i: index, %max: tensor<2x4x5xf64>,
             %sum: tensor<2x4x5xf64>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c9: expected acc to be a tensor (batch, query heads, queries, value head_dim) of 2x4x5x8xf64, but got 'tensor<2x4x5x8xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf64>, tensor<2x4x6x8xf64>, tensor<2x4x6x8xf64>, index,
       index, index, index, index, index, tensor<2x4x5xf64>,
       tensor<2x4x5xf64>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf64>, tensor<2x4x5xf64>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A bias is broadcast from 1, and from nothing else.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %bias: tensor<2x1x5x3xf32>,
             %i: index, %max: tensor<2x4x5xf32>, %sum: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c10: expected bias to be a tensor (batch or 1, query heads or 1, queries or 1, keys or 1) of 2x1x5x6xf32, but got 'tensor<2x1x5x3xf32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) bias(%bias)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
       tensor<2x1x5x3xf32>, index, index, index, index, index, index,
       tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Segments of keys there are not.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %qs: tensor<2x5xi32>,
             %ks: tensor<2x5xi32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c11: expected key_segments to be a tensor (batch, keys) of 2x6xi32, but got 'tensor<2x5xi32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) segments(%qs, %ks)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
       tensor<2x5xi32>, tensor<2x5xi32>, index, index, index, index, index,
       index, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Segments are numbers of 32 bits.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %qs: tensor<2x5xi64>,
             %ks: tensor<2x6xi32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c11: expected query_segments to be a tensor (batch, queries) of 2x5xi32, but got 'tensor<2x5xi64>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) segments(%qs, %ks)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
       tensor<2x5xi64>, tensor<2x6xi32>, index, index, index, index, index,
       index, tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// One prefix for each batch.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %prefix: tensor<4xi32>, %i: index,
             %max: tensor<2x4x5xf32>, %sum: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c12: expected prefix to be a tensor (batch) of 2xi32, but got 'tensor<4xi32>'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) prefix(%prefix)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
       tensor<4xi32>, index, index, index, index, index, index,
       tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A tile has a position in each dimension.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c13: expected 4 offsets (batch, head, query, key), but got 3}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, tensor<2x4x5xf32>, tensor<2x4x5xf32>,
       tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Both lengths are needed.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c13: expected 2 lengths (query, key), but got 1}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, tensor<2x4x5xf32>, tensor<2x4x5xf32>,
       tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A scale that is no number.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c14: expected scale to be finite, but got 0x7FF8000000000000 : f64}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(0x7FF8000000000000)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A window of negative width.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c15: expected window_left not to be negative, but got -1}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0) window_left(-1)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A window of negative width.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c15: expected window_right not to be negative, but got -2}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0) causal window_right(-2)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Nothing is kept.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %seed: i64, %i: index,
             %max: tensor<2x4x5xf32>, %sum: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c16: expected dropout to be in [0, 1), but got 1.000000e+00 : f64}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) dropout(1.0, %seed)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, i64,
       index, index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The score of bf16 data is f32.
func.func @f(%q: tensor<2x4x5x8xbf16>, %k: tensor<2x4x6x8xbf16>,
             %v: tensor<2x4x6x8xbf16>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c18: expected the score region to be one block ('f32', 'index', 'index', 'index', 'index') that yields 'f32', but got a block ('f64', 'index', 'index', 'index', 'index')}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
      score {
      ^bb0(%s: f64, %b: index, %h: index, %m: index, %n: index):
        seqc.yield %s : f64
      }
    : (tensor<2x4x5x8xbf16>, tensor<2x4x6x8xbf16>, tensor<2x4x6x8xbf16>,
       index, index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A mask that yields a number.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block that yields 'f32'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
      mask {
      ^bb0(%b: index, %h: index, %m: index, %n: index):
        %one = arith.constant 1.0 : f32
        seqc.yield %one : f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A mask without a query.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c19: expected the mask region to be one block ('index', 'index', 'index', 'index') that yields 'i1', but got a block ('index', 'index', 'index')}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
      mask {
      ^bb0(%b: index, %h: index, %n: index):
        %true = arith.constant true
        seqc.yield %true : i1
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A region is a function.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c20: expected operations without side effects in the score region, but got 'memref.alloca'}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %m: index, %n: index):
        %t = memref.alloca() : memref<f32>
        %r = memref.load %t[] : memref<f32>
        seqc.yield %r : f32
      }
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Upstream's check of destinations: a result has the type of its state.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %v: tensor<2x4x6x8xf32>, %i: index, %max: tensor<2x4x5xf32>,
             %sum: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op expected type of operand #10 ('tensor<2x4x5xf32>') to match type of corresponding result ('tensor<2x4x?xf32>')}}
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %sum, %acc) scale(1.0)
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x?xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Segments of the queries alone.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>,
             %qs: tensor<2x5xi32>, %i: index, %max: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c11: expected query_segments and key_segments together, but got only query_segments 'tensor<2x5xi32>'}}
  %0:3 = "seqc.online_attention"(%q, %k, %k, %qs, %i, %i, %i, %i, %i, %i, %max, %max,
                                 %acc)
      <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0, 0, 4, 2, 1, 1, 1>,
        scale = 1.0}> ({}, {})
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>,
       tensor<2x5xi32>, index, index, index, index, index, index,
       tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// Dropout without a seed.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %i: index,
             %max: tensor<2x4x5xf32>, %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c17: expected a seed with dropout 5.000000e-01 : f64, but got none}}
  %0:3 = "seqc.online_attention"(%q, %k, %k, %i, %i, %i, %i, %i, %i, %max, %max,
                                 %acc)
      <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 4, 2, 1, 1, 1>,
        scale = 1.0, dropout = 0.5}> ({}, {})
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// A seed without dropout.
func.func @f(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x6x8xf32>, %seed: i64,
             %i: index, %max: tensor<2x4x5xf32>,
             %acc: tensor<2x4x5x8xf32>) {
  // expected-error @+1 {{'seqc.online_attention' op online_attention_c17: expected no seed without dropout, but got seed 'i64'}}
  %0:3 = "seqc.online_attention"(%q, %k, %k, %seed, %i, %i, %i, %i, %i, %i, %max,
                                 %max, %acc)
      <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 1, 4, 2, 1, 1, 1>,
        scale = 1.0}> ({}, {})
    : (tensor<2x4x5x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, i64,
       index, index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// The keywords there are.
func.func @f(%q: tensor<2x4x5x8xf32>, %i: index, %max: tensor<2x4x5xf32>) {
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%max, %max, %q) scale(1.0)
      // expected-error @+1 {{expected one of partial, full for tile_class}}
      tile_class(empty)
    : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, index,
       index, index, index, index, index, tensor<2x4x5xf32>,
       tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
    -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}

// -----

// No parameter of a schedule is negative.
// expected-error @+1 {{schedule parameter 'tile_m' must be from 0 to 4096, but is -1}}
func.func private @f() attributes {a = #seqc.schedule<tile_m = -1>}

// -----

// No parameter of a schedule is negative.
// expected-error @+1 {{schedule parameter 'tile_n' must be from 0 to 4096, but is -1}}
func.func private @f() attributes {a = #seqc.schedule<tile_n = -1>}

// -----

// No parameter of a schedule is negative.
// expected-error @+1 {{schedule parameter 'splits' must be from 0 to 1024, but is -1}}
func.func private @f() attributes {a = #seqc.schedule<splits = -1>}

// -----

// A parameter that schedules do not have.
// expected-error @+1 {{duplicate or unknown struct parameter name: rounds}}
func.func private @f() attributes {a = #seqc.schedule<rounds = 2>}

// -----

// Lengths of keys are one number for each batch entry.
func.func @f(%q: tensor<2x4x5x8xf32>, %m: tensor<2x4x5xf32>, %a: tensor<2x4x5x8xf32>,
             %n: tensor<2x1xi32>, %i: index) {
  // expected-error @+1 {{online_attention_c21: expected key_lengths}}
  %r:3 = seqc.online_attention query(%q) key(%q) value(%q) key_lengths(%n)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%m, %m, %a) scale(1.0)
      : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x1xi32>,
         index, index, index, index, index, index,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
      -> (tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5x8xf32>)
  return
}
