// RUN: %invalid

// Parts without heads.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x3x5xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c1: expected acc to be a 5-D tensor (parts, batch, heads, queries, value head_dim) of f32 or f64, but got 'tensor<4x2x3x5xf32>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x3x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return
}

// -----

// A head dimension that tiles could not have.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x8x3x?xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c1: expected acc to have a static value head_dim of at least 1, but got 'tensor<4x2x8x3x?xf32>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x?xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return
}

// -----

// A maximum of other parts.
func.func @f(%pm: tensor<5x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x8x3x5xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c2: expected max to be a tensor (parts, batch, heads, queries) of 4x2x8x3xf32, but got 'tensor<5x2x8x3xf32>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<5x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return
}

// -----

// A sum of another type.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf64>, %pa: tensor<4x2x8x3x5xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c2: expected sum to be a tensor (parts, batch, heads, queries) of 4x2x8x3xf32, but got 'tensor<4x2x8x3xf64>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf64>, tensor<4x2x8x3x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return
}

// -----

// A state of other queries.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x8x3x5xf32>,
             %m: tensor<2x8x4xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c3: expected the initial max to be a tensor (batch, heads, queries) of 2x8x3xf32, but got 'tensor<2x8x4xf32>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x5xf32>, tensor<2x8x4xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x4xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return
}

// -----

// A state of another type.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x8x3x5xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf64>, %a: tensor<2x8x3x5xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c3: expected the initial sum to be a tensor (batch, heads, queries) of 2x8x3xf32, but got 'tensor<2x8x3xf64>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf64>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf64>, tensor<2x8x3x5xf32>)
  return
}

// -----

// An accumulator of another head dimension.
func.func @f(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>, %pa: tensor<4x2x8x3x5xf32>,
             %m: tensor<2x8x3xf32>, %s: tensor<2x8x3xf32>, %a: tensor<2x8x3x6xf32>) {
  // expected-error @+1 {{'seqc.softmax_merge' op softmax_merge_c4: expected the initial acc to be a tensor (batch, heads, queries, value head_dim) of 2x8x3x5xf32, but got 'tensor<2x8x3x6xf32>'}}
  %0:3 = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m, %s, %a)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x6xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x6xf32>)
  return
}
