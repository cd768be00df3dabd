// RUN: %invalid

// Wrong rank.
func.func @f(%x: tensor<8x5xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c1: expected x to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<8x5xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<8x5xf32>, tensor<8x4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// Wrong element type.
func.func @f(%x: tensor<2x8x5xi16>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c1: expected x to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<2x8x5xi16>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xi16>, tensor<8x4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// out is like x.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c2: expected out to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x8xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<8x4xf32>)
      -> tensor<2x8x8xf32>
  return
}

// -----

// Wrong rank.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x1x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c3: expected weight to be a 2-D tensor (channels, width) of f32, but got 'tensor<8x1x4xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<8x1x4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One filter per channel.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c3: expected weight to be a tensor (channels, width) of 8x8xf32, but got 'tensor<4x8xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<4x8xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The element type of weight.
func.func @f(%x: tensor<2x8x5xbf16>, %w: tensor<8x4xf16>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c3: expected weight to be a 2-D tensor (channels, width) of bf16 or f32, but got 'tensor<8x4xf16>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xbf16>, tensor<8x4xf16>)
      -> tensor<2x8x5xbf16>
  return
}

// -----

// A dynamic width.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x?xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c4: expected weight to have a static width of at least 1, but got 'tensor<8x?xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<8x?xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// An empty filter.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x0xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c4: expected weight to have a static width of at least 1, but got 'tensor<8x0xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<8x0xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// One bias per channel.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c5: expected bias to be a tensor (channels) of 8xf32, but got 'tensor<4xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w) bias(%b)
      : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The state has width - 1 columns.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x4xf32>,
             %h0: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c6: expected initial_state to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x4xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w) initial_state(%h0)
      : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x4xf32>)
      -> tensor<2x8x5xf32>
  return
}

// -----

// The final state is like the initial one.
func.func @f(%x: tensor<2x8x5xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c7: expected final_state to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x5xf32>'}}
  %r:2 = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x5xf32>, tensor<8x4xf32>)
      -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>)
  return
}

// -----

// Offsets of floats.
func.func @f(%x: tensor<1x8x5xf32>, %w: tensor<8x4xf32>,
             %offsets: tensor<3xf32>) {
  // expected-error @+1 {{'seqc.causal_conv1d' op causal_conv1d_c8: expected cu_seqlens to be a 1-D tensor (sequences + 1) of i32, but got 'tensor<3xf32>'}}
  %r = seqc.causal_conv1d x(%x) weight(%w) cu_seqlens(%offsets)
      : (tensor<1x8x5xf32>, tensor<8x4xf32>, tensor<3xf32>)
      -> tensor<1x8x5xf32>
  return
}
