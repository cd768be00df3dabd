// RUN: %invalid

// Integers are no signal.
func.func @f(%x: tensor<2x8x5xi32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c1: expected x to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<2x8x5xi32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xi32>, tensor<8x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xi32>, tensor<8x4xf32>)
  return
}

// -----

// The gradient of another output.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x6xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c2: expected out_grad to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x6xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x6xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// Filters of other channels.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<7x4xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c3: expected weight to be a tensor (channels, width) of 8x4xf32, but got 'tensor<7x4xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<7x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// A width of 0.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x0xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c4: expected weight to have a static width of at least 1, but got 'tensor<8x0xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x0xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// A bias in another type.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %bias: tensor<8xf16>, %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c5: expected bias to be a tensor (channels) of 8xf32, but got 'tensor<8xf16>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) bias(%bias)
      out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<8xf16>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// Too many columns before the first.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %initial_state: tensor<2x8x4xf32>, %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c6: expected initial_state to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x4xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight)
      initial_state(%initial_state) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// The gradient of another final state.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>,
             %final_state_grad: tensor<2x8x2xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c7: expected final_state_grad to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x2xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      final_state_grad(%final_state_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x2xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// Gradients are of the type of their operand.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c8: expected x_grad to have the type of x, 'tensor<2x8x5xf32>', but got 'tensor<2x8x5xf64>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf64>, tensor<8x4xf32>)
  return
}

// -----

// And of its shape.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c8: expected weight_grad to have the type of weight, 'tensor<8x4xf32>', but got 'tensor<4x8xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<4x8xf32>)
  return
}

// -----

// The gradient of what is not there.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c9: expected no bias_grad without bias, but got 'tensor<8xf32>'}}
  %0:3 = seqc.causal_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
    bias_grad(tensor<8xf32>)
  return
}

// -----

// The gradient of another initial state.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %initial_state: tensor<2x8x3xf32>, %out_grad: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c9: expected initial_state_grad to have the type of initial_state, 'tensor<2x8x3xf32>', but got 'tensor<2x8x4xf32>'}}
  %0:3 = seqc.causal_conv1d_backward x(%x) weight(%weight)
      initial_state(%initial_state) out_grad(%out_grad)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x3xf32>, tensor<2x8x5xf32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
    initial_state_grad(tensor<2x8x4xf32>)
  return
}

// -----

// A batch of packed sequences.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x4xf32>,
             %offsets: tensor<3xi32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c10: expected x of batch 1 with cu_seqlens, which packs sequences along the time dimension, but got 'tensor<2x8x5xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%x)
      cu_seqlens(%offsets)
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<3xi32>)
    -> (tensor<2x8x5xf32>, tensor<8x4xf32>)
  return
}

// -----

// The gradient of packed sequences' final states.
func.func @f(%x: tensor<1x8x5xf32>, %w: tensor<8x4xf32>,
             %dh: tensor<2x8x3xf32>, %offsets: tensor<3xi32>) {
  // expected-error @+1 {{'seqc.causal_conv1d_backward' op causal_conv1d_backward_c11: expected no final_state_grad with cu_seqlens, but got 'tensor<2x8x3xf32>'}}
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%x)
      final_state_grad(%dh) cu_seqlens(%offsets)
    : (tensor<1x8x5xf32>, tensor<8x4xf32>, tensor<1x8x5xf32>,
       tensor<2x8x3xf32>, tensor<3xi32>)
    -> (tensor<1x8x5xf32>, tensor<8x4xf32>)
  return
}
