// RUN: %invalid

// Integers are no signal.
func.func @f(%u: tensor<2x8x5xi32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c1: expected u to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<2x8x5xi32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xi32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// Two dimensions.
func.func @f(%u: tensor<8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c1: expected u to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<8x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// Time steps that u does not have.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x6xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c2: expected delta to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x6xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x6xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// A gate of other channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %z: tensor<2x4x5xf32>,
             %y: tensor<2x8x5xf32>, %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c2: expected z to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x4x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) z(%z)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x4x5xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// An output in another type.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf16>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c2: expected out to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x5xf16>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf16>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf16>, tensor<2x8x3xf32>)
  return
}

// -----

// Channels that u does not have.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<4x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c3: expected A to be a tensor (channels, d_state) of 8x3xf32, but got 'tensor<4x3xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<4x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// A state that tiles could not have.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x?xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c4: expected A to have a static d_state of at least 1, but got 'tensor<8x?xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x?xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// D has one value for each channel.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %D: tensor<3xf32>,
             %y: tensor<2x8x5xf32>, %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c5: expected D to be a tensor (channels) of 8xf32, but got 'tensor<3xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) D(%D)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// So has delta_bias.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %bias: tensor<8x1xf32>,
             %y: tensor<2x8x5xf32>, %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c5: expected delta_bias to be a tensor (channels) of 8xf32, but got 'tensor<8x1xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C) delta_bias(%bias)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<8x1xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// B of another d_state.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x4x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c6: expected B to be a tensor (batch, d_state, length) of 2x3x5xf32, but got 'tensor<2x4x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x4x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// B of five dimensions.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x1x1x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c6: expected B to be (channels, d_state), (batch, d_state, length) or (batch, groups, d_state, length), but got 'tensor<2x1x1x3x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x1x1x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// C by channel, of the wrong channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<3x8xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c7: expected C to be a tensor (channels, d_state) of 8x3xf32, but got 'tensor<3x8xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<3x8xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// Three groups of eight channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c8: expected the groups of C (3) to divide the channels of u (8), but got 'tensor<2x3x3x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// The number of groups decides about tiles.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x?x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c8: expected B to have a static number of groups of at least 1, but got 'tensor<2x?x3x5xf32>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x?x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// A state in the type of the data.
func.func @f(%u: tensor<2x8x5xbf16>, %delta: tensor<2x8x5xbf16>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xbf16>,
             %C: tensor<2x3x5xbf16>, %y: tensor<2x8x5xbf16>,
             %h: tensor<2x8x3xbf16>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c9: expected state to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<2x8x3xbf16>'}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xbf16>, tensor<2x8x5xbf16>, tensor<8x3xf32>,
       tensor<2x3x5xbf16>, tensor<2x3x5xbf16>, tensor<2x8x5xbf16>,
       tensor<2x8x3xbf16>)
    -> (tensor<2x8x5xbf16>, tensor<2x8x3xbf16>)
  return
}

// -----

// A decay for other states.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>, %p: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c9: expected decay to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<2x3x8xf32>'}}
  %0:3 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h, decay %p)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x3x8xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x3x8xf32>)
  return
}

// -----

// An output is read through C.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %y: tensor<2x8x5xf32>, %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op chunk_scan_c10: expected C with a destination for out, but got none}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return
}

// -----

// Upstream's check of destinations: a result for each.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op expected the number of tensor results (1) to be equal to the number of output tensors (2)}}
  %0 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> tensor<2x8x5xf32>
  return
}

// -----

// Upstream's check of destinations: a result has the type of its own.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>,
             %C: tensor<2x3x5xf32>, %y: tensor<2x8x5xf32>,
             %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan' op expected type of operand #6 ('tensor<2x8x3xf32>') to match type of corresponding result ('tensor<2x8x?xf32>')}}
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      outs(out %y, state %h)
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x?xf32>)
  return
}
