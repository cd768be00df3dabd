// RUN: %invalid

// A state of no size that tiles could have.
func.func @f(%s: tensor<4x2x8x?xf32>, %h: tensor<2x8x?xf32>) {
  // expected-error @+1 {{'seqc.scan_prefix' op scan_prefix_c1: expected state to have a static d_state of at least 1, but got 'tensor<4x2x8x?xf32>'}}
  %0:2 = seqc.scan_prefix state(%s) decay(%s) outs(%s, %h)
    : (tensor<4x2x8x?xf32>, tensor<4x2x8x?xf32>, tensor<4x2x8x?xf32>, tensor<2x8x?xf32>) -> (tensor<4x2x8x?xf32>, tensor<2x8x?xf32>)
  return
}

// -----

// Decays of other parts.
func.func @f(%s: tensor<4x2x8x16xf32>, %d: tensor<5x2x8x16xf32>, %h: tensor<2x8x16xf32>) {
  // expected-error @+1 {{'seqc.scan_prefix' op scan_prefix_c2: expected decay to be a tensor (parts, batch, channels, d_state) of 4x2x8x16xf32, but got 'tensor<5x2x8x16xf32>'}}
  %0:2 = seqc.scan_prefix state(%s) decay(%d) outs(%s, %h)
    : (tensor<4x2x8x16xf32>, tensor<5x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<2x8x16xf32>) -> (tensor<4x2x8x16xf32>, tensor<2x8x16xf32>)
  return
}

// -----

// A state before the first part of other channels.
func.func @f(%s: tensor<4x2x8x16xf32>, %h: tensor<2x9x16xf32>) {
  // expected-error @+1 {{'seqc.scan_prefix' op scan_prefix_c3: expected the initial state to be a tensor (batch, channels, d_state) of 2x8x16xf32, but got 'tensor<2x9x16xf32>'}}
  %0:2 = seqc.scan_prefix state(%s) decay(%s) outs(%s, %h)
    : (tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<2x9x16xf32>) -> (tensor<4x2x8x16xf32>, tensor<2x9x16xf32>)
  return
}
