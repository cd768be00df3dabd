// RUN: %invalid

// A state is f32 or f64.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf16>, %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c1: expected acc to be a 4-D tensor (batch, heads, queries, value head_dim) of f32 or f64, but got 'tensor<2x8x4x3xf16>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf16>,
       tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// A state without heads.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x4x3xf32>, %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c1: expected acc to be a 4-D tensor (batch, heads, queries, value head_dim) of f32 or f64, but got 'tensor<2x4x3xf32>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x4x3xf32>,
       tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// A head dimension that tiles could not have.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x?xf32>, %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c1: expected acc to have a static value head_dim of at least 1, but got 'tensor<2x8x4x?xf32>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x?xf32>,
       tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// A maximum for each row.
func.func @f(%m: tensor<2x8x5xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c2: expected max to be a tensor (batch, heads, queries) of 2x8x4xf32, but got 'tensor<2x8x5xf32>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x5xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// One element type for the state.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf64>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c2: expected sum to be a tensor (batch, heads, queries) of 2x8x4xf32, but got 'tensor<2x8x4xf64>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf64>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// A sink for each head.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %sinks: tensor<2xf32>,
             %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c3: expected sinks to be a tensor (heads) of 8xf32, but got 'tensor<2xf32>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) sinks(%sinks) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2xf32>, tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// Sinks in the type of the state.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %sinks: tensor<8xf16>,
             %o: tensor<2x8x4x3xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c3: expected sinks to be a tensor (heads) of 8xf32, but got 'tensor<8xf16>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) sinks(%sinks) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<8xf16>, tensor<2x8x4x3xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// The state of f64 is f64.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf64>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c4: expected out to be a tensor (batch, heads, queries, value head_dim) of 2x8x4x3xf16 or 2x8x4x3xbf16 or 2x8x4x3xf32, but got 'tensor<2x8x4x3xf64>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf64>)
    -> tensor<2x8x4x3xf64>
  return
}

// -----

// An output of other rows.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x3x4xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c4: expected out to be a tensor (batch, heads, queries, value head_dim) of 2x8x4x3xf16 or 2x8x4x3xbf16 or 2x8x4x3xf32, but got 'tensor<2x8x3x4xf32>'}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x3x4xf32>)
    -> tensor<2x8x3x4xf32>
  return
}

// -----

// The log-sum-exp is of the state's type.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf32>,
             %l: tensor<2x8x4xbf16>) {
  // expected-error @+1 {{'seqc.softmax_finish' op softmax_finish_c5: expected lse to be a tensor (batch, heads, queries) of 2x8x4xf32, but got 'tensor<2x8x4xbf16>'}}
  %0:2 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o, %l)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf32>, tensor<2x8x4xbf16>)
    -> (tensor<2x8x4x3xf32>, tensor<2x8x4xbf16>)
  return
}

// -----

// Upstream's check of destinations: a result for each.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf32>,
             %l: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.softmax_finish' op expected the number of tensor results (1) to be equal to the number of output tensors (2)}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o, %l)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf32>, tensor<2x8x4xf32>)
    -> tensor<2x8x4x3xf32>
  return
}

// -----

// Upstream's check of destinations: a result has the type of its own.
func.func @f(%m: tensor<2x8x4xf32>, %s: tensor<2x8x4xf32>,
             %a: tensor<2x8x4x3xf32>, %o: tensor<2x8x4x3xf16>) {
  // expected-error @+1 {{'seqc.softmax_finish' op expected type of operand #3 ('tensor<2x8x4x3xf16>') to match type of corresponding result ('tensor<2x8x4x3xf32>')}}
  %0 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o)
    : (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4x3xf32>,
       tensor<2x8x4x3xf16>)
    -> tensor<2x8x4x3xf32>
  return
}
