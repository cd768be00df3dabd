// RUN: %invalid

// Wrong rank.
func.func @f(%u: tensor<8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c1: expected u to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Wrong element type.
func.func @f(%u: tensor<2x8x5xi32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c1: expected u to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<2x8x5xi32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xi32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Wrong rank.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected delta to be a 3-D tensor (batch, channels, length) of f32, but got 'tensor<2x8xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// delta is like u.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x6xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected delta to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x6xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x6xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One element type for all.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf16>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected delta to be a 3-D tensor (batch, channels, length) of f32, but got 'tensor<2x8x5xf16>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf16>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// z is like u.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>, %z: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected z to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x4x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) z(%z)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// out is like u.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected out to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x7xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x7xf32>
  return
}

// -----

// out has the element type of u.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c2: expected out to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x5xbf16>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xbf16>
  return
}

// -----

// Wrong rank.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8xf32>, %B: tensor<2x4x5xf32>, %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c3: expected A to be a 2-D tensor (channels, d_state) of f32, but got 'tensor<8xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One row of A per channel.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<6x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c3: expected A to be a tensor (channels, d_state) of 8x4xf32, but got 'tensor<6x4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<6x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The element type of A.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf64>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c3: expected A to be a 2-D tensor (channels, d_state) of f32, but got 'tensor<8x4xf64>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf64>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// A dynamic state.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x?xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c4: expected A to have a static d_state of at least 1, but got 'tensor<8x?xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x?xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// An empty state.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x0xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c4: expected A to have a static d_state of at least 1, but got 'tensor<8x0xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x0xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One D per channel.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>, %D: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c5: expected D to be a tensor (channels) of 8xf32, but got 'tensor<4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) D(%D)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One bias per channel.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>, %bias: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c5: expected delta_bias to be a tensor (channels) of 8xf32, but got 'tensor<2x8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      delta_bias(%bias)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x8x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Constant B.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<8x5xf32>, %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c6: expected B to be a tensor (channels, d_state) of 8x4xf32, but got 'tensor<8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<8x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Variable B.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x5x4xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c6: expected B to be a tensor (batch, d_state, length) of 2x4x5xf32, but got 'tensor<2x5x4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x5x4xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Variable B in groups.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x2x4x6xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c6: expected B to be a tensor (batch, groups, d_state, length) of 2x2x4x5xf32, but got 'tensor<2x2x4x6xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x2x4x6xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The element type of B.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf16>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c6: expected B to be a tensor (batch, d_state, length) of 2x4x5xf32, but got 'tensor<2x4x5xf16>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf16>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Wrong rank.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<4xf32>, %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c6: expected B to be (channels, d_state), (batch, d_state, length) or (batch, groups, d_state, length), but got 'tensor<4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<4xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Constant C.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>, %C: tensor<8x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c7: expected C to be a tensor (channels, d_state) of 8x4xf32, but got 'tensor<8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<8x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Variable C.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x5x4xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c7: expected C to be a tensor (batch, d_state, length) of 2x4x5xf32, but got 'tensor<2x5x4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x5x4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Variable C in groups.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x2x4x6xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c7: expected C to be a tensor (batch, groups, d_state, length) of 2x2x4x5xf32, but got 'tensor<2x2x4x6xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x2x4x6xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The element type of C.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf16>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c7: expected C to be a tensor (batch, d_state, length) of 2x4x5xf32, but got 'tensor<2x4x5xf16>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf16>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Wrong rank.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>, %C: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c7: expected C to be (channels, d_state), (batch, d_state, length) or (batch, groups, d_state, length), but got 'tensor<4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Groups divide the channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x3x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c8: expected the groups of B (3) to divide the channels of u (8), but got 'tensor<2x3x4x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x3x4x5xf32>, tensor<2x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// A dynamic number of groups.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x?x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c8: expected C to have a static number of groups of at least 1, but got 'tensor<2x?x4x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x?x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// No group at all.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x0x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c8: expected C to have a static number of groups of at least 1, but got 'tensor<2x0x4x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x0x4x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The shape of the state.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>, %h0: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c9: expected initial_state to be a tensor (batch, channels, d_state) of 2x8x4xf32, but got 'tensor<2x8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      initial_state(%h0)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x8x5xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The state is in the accumulator type.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>, %h0: tensor<2x8x4xbf16>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c9: expected initial_state to be a tensor (batch, channels, d_state) of 2x8x4xf32, but got 'tensor<2x8x4xbf16>'}}
  %r = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      initial_state(%h0)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<2x8x4xbf16>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The final state is like the initial one.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x4x5xf32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c9: expected final_state to be a tensor (batch, channels, d_state) of 2x8x4xf32, but got 'tensor<8x4xf32>'}}
  %r:2 = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>)
      -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// The states of three sequences, not of a batch.
func.func @f(%u: tensor<1x8x5xf32>, %A: tensor<8x4xf32>, %B: tensor<1x4x5xf32>,
             %state: tensor<1x8x4xf32>, %offsets: tensor<4xi32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c9: expected initial_state to be a tensor (sequences, channels, d_state) of 3x8x4xf32, but got 'tensor<1x8x4xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      initial_state(%state) cu_seqlens(%offsets)
      : (tensor<1x8x5xf32>, tensor<1x8x5xf32>, tensor<8x4xf32>,
         tensor<1x4x5xf32>, tensor<1x4x5xf32>, tensor<1x8x4xf32>,
         tensor<4xi32>) -> tensor<1x8x5xf32>
  return
}

// -----

// Offsets of 64 bits.
func.func @f(%u: tensor<1x8x5xf32>, %A: tensor<8x4xf32>, %B: tensor<1x4x5xf32>,
             %offsets: tensor<4xi64>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c10: expected cu_seqlens to be a 1-D tensor (sequences + 1) of i32, but got 'tensor<4xi64>'}}
  %r = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      cu_seqlens(%offsets)
      : (tensor<1x8x5xf32>, tensor<1x8x5xf32>, tensor<8x4xf32>,
         tensor<1x4x5xf32>, tensor<1x4x5xf32>, tensor<4xi64>)
      -> tensor<1x8x5xf32>
  return
}

// -----

// No sequences.
func.func @f(%u: tensor<1x8x5xf32>, %A: tensor<8x4xf32>, %B: tensor<1x4x5xf32>,
             %offsets: tensor<1xi32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c10: expected cu_seqlens of at least one sequence, two elements, but got 'tensor<1xi32>'}}
  %r = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      cu_seqlens(%offsets)
      : (tensor<1x8x5xf32>, tensor<1x8x5xf32>, tensor<8x4xf32>,
         tensor<1x4x5xf32>, tensor<1x4x5xf32>, tensor<1xi32>)
      -> tensor<1x8x5xf32>
  return
}

// -----

// A batch of packed sequences.
func.func @f(%u: tensor<2x8x5xf32>, %A: tensor<8x4xf32>, %B: tensor<2x4x5xf32>,
             %offsets: tensor<?xi32>) {
  // expected-error @+1 {{'seqc.selective_scan' op selective_scan_c10: expected u of batch 1 with cu_seqlens, which packs sequences along the time dimension, but got 'tensor<2x8x5xf32>'}}
  %r = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      cu_seqlens(%offsets)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<2x4x5xf32>, tensor<2x4x5xf32>, tensor<?xi32>)
      -> tensor<2x8x5xf32>
  return
}
