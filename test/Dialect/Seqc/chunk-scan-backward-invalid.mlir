// RUN: %invalid

// Integers are no signal.
func.func @f(%u: tensor<2x8x5xi32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c1: expected u to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<2x8x5xi32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xi32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Time steps that u does not have.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x6xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c2: expected delta to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x6xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x6xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Another channel count.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<4x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c3: expected A to be a tensor (channels, d_state) of 8x3xf32, but got 'tensor<4x3xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<4x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// No states.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x0xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c4: expected A to have a static d_state of at least 1, but got 'tensor<8x0xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x0xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// A skip of other channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %D: tensor<9xf32>, %out_grad: tensor<2x8x5xf32>,
             %state: tensor<2x8x3xf32>, %u_grad: tensor<2x8x5xf32>,
             %delta_grad: tensor<2x8x5xf32>, %state_grad: tensor<2x8x3xf32>,
             %A_grad: tensor<2x8x3xf32>, %B_grad: tensor<2x3x5xf32>,
             %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c5: expected D to be a tensor (channels) of 8xf32, but got 'tensor<9xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C) D(%D)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<9xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// B of other states.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x4x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c6: expected B to be a tensor (batch, d_state, length) of 2x3x5xf32, but got 'tensor<2x4x5xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x4x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// C in another type.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf16>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c7: expected C to be a tensor (batch, d_state, length) of 2x3x5xf32, but got 'tensor<2x3x5xf16>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf16>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Groups that do not divide the channels.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x3x5xf32>,
             %C: tensor<2x3x5xf32>, %out_grad: tensor<2x8x5xf32>,
             %state: tensor<2x8x3xf32>, %u_grad: tensor<2x8x5xf32>,
             %delta_grad: tensor<2x8x5xf32>, %state_grad: tensor<2x8x3xf32>,
             %A_grad: tensor<2x8x3xf32>, %B_grad: tensor<2x3x3x5xf32>,
             %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c8: expected the groups of B (3) to divide the channels of u (8), but got 'tensor<2x3x3x5xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>,
       tensor<2x3x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x3x3x5xf32>,
       tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// A state before the chunk in another type.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf16>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c9: expected state to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<2x8x3xf16>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf16>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// The gradient of another state.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x4xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c9: expected state_grad to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<2x8x4xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x4xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x4xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// The gradient of another output.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x4xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c10: expected out_grad to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x4xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x4xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Gradients are of the type of their operand.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf64>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c10: expected u_grad to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x5xf64>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf64>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf64>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// The sums of parameters are of each batch.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c11: expected A_grad to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<8x3xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Sums are in the accumulator type.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xbf16>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c12: expected B_grad to be a tensor (batch, d_state, length) of 2x3x5xf32, but got 'tensor<2x3x5xbf16>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xbf16>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xbf16>, tensor<2x3x5xf32>)
  return
}

// -----

// A constant C has a gradient for each batch.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<8x3xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c12: expected C_grad to be a tensor (batch, channels, d_state) of 2x8x3xf32, but got 'tensor<2x3x5xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<8x3xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x5xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>,
       tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
  return
}

// -----

// Sums of rows are (batch, channels).
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %D: tensor<8xf32>, %out_grad: tensor<2x8x5xf32>,
             %state: tensor<2x8x3xf32>, %u_grad: tensor<2x8x5xf32>,
             %delta_grad: tensor<2x8x5xf32>, %state_grad: tensor<2x8x3xf32>,
             %A_grad: tensor<2x8x3xf32>, %B_grad: tensor<2x3x5xf32>,
             %C_grad: tensor<2x3x5xf32>, %D_grad: tensor<8xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c13: expected D_grad to be a tensor (batch, channels) of 2x8xf32, but got 'tensor<8xf32>'}}
  %0:7 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C) D(%D)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad) D_grad(%D_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<8xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<8xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<8xf32>)
  return
}

// -----

// The gradient of what is not there.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %z_grad: tensor<2x8x5xf32>, %state_grad: tensor<2x8x3xf32>,
             %A_grad: tensor<2x8x3xf32>, %B_grad: tensor<2x3x5xf32>,
             %C_grad: tensor<2x3x5xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c14: expected no z_grad without z, but got 'tensor<2x8x5xf32>'}}
  %0:7 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) z_grad(%z_grad) state_grad(%state_grad)
      A_grad(%A_grad) B_grad(%B_grad) C_grad(%C_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
        tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x3x5xf32>,
        tensor<2x3x5xf32>)
  return
}

// -----

// The same for a parameter.
func.func @f(%u: tensor<2x8x5xf32>, %delta: tensor<2x8x5xf32>,
             %A: tensor<8x3xf32>, %B: tensor<2x3x5xf32>, %C: tensor<2x3x5xf32>,
             %out_grad: tensor<2x8x5xf32>, %state: tensor<2x8x3xf32>,
             %u_grad: tensor<2x8x5xf32>, %delta_grad: tensor<2x8x5xf32>,
             %state_grad: tensor<2x8x3xf32>, %A_grad: tensor<2x8x3xf32>,
             %B_grad: tensor<2x3x5xf32>, %C_grad: tensor<2x3x5xf32>,
             %delta_bias_grad: tensor<2x8xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op chunk_scan_backward_c14: expected no delta_bias_grad without delta_bias, but got 'tensor<2x8xf32>'}}
  %0:7 = seqc.chunk_scan_backward u(%u) delta(%delta) A(%A) B(%B) C(%C)
      out_grad(%out_grad) state(%state) outs(u_grad(%u_grad)
      delta_grad(%delta_grad) state_grad(%state_grad) A_grad(%A_grad)
      B_grad(%B_grad) C_grad(%C_grad) delta_bias_grad(%delta_bias_grad))
    : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x3xf32>, tensor<2x3x5xf32>,
       tensor<2x3x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<2x8xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>,
        tensor<2x8xf32>)
  return
}
