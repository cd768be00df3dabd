// RUN: %invalid

// Two dimensions.
func.func @f(%x: tensor<8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c1: expected x to be a 3-D tensor (batch, channels, length) of f16 or bf16 or f32 or f64, but got 'tensor<8x5xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// The gradient of another output.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x6xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c2: expected out_grad to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x6xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x6xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// Gradients are of the type of their operand.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf64>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c2: expected x_grad to be a tensor (batch, channels, length) of 2x8x5xf32, but got 'tensor<2x8x5xf64>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf64>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf64>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// Filters of other channels.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<7x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c3: expected weight to be a tensor (channels, width) of 8x4xf32, but got 'tensor<7x4xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<7x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// A width of 0.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x0xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c4: expected weight to have a static width of at least 1, but got 'tensor<8x0xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x0xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// A bias of other channels.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %bias: tensor<5xf32>, %out_grad: tensor<2x8x5xf32>,
             %x_grad: tensor<2x8x5xf32>, %next: tensor<2x8x3xf32>,
             %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c5: expected bias to be a tensor (channels) of 8xf32, but got 'tensor<5xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) bias(%bias)
      out_grad(%out_grad) outs(x_grad(%x_grad) next(%next)
      weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// Too many columns before the first.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %initial_state: tensor<2x8x4xf32>, %out_grad: tensor<2x8x5xf32>,
             %x_grad: tensor<2x8x5xf32>, %next: tensor<2x8x3xf32>,
             %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c6: expected initial_state to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x4xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight)
      initial_state(%initial_state) out_grad(%out_grad) outs(x_grad(%x_grad)
      next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x5xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// What a part hands over is in the accumulator type.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xbf16>, %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c7: expected next to be a tensor (batch, channels, width - 1) of 2x8x3xf32, but got 'tensor<2x8x3xbf16>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xbf16>, tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xbf16>, tensor<2x8x4xf32>)
  return
}

// -----

// Nothing is handed over with one tap.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x1xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x0xf32>, %weight_grad: tensor<2x8x1xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c8: expected next with a width above 1 and only then, but got next with 'tensor<8x1xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x1xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x0xf32>, tensor<2x8x1xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x0xf32>, tensor<2x8x1xf32>)
  return
}

// -----

// With more taps something is.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %weight_grad: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c8: expected next with a width above 1 and only then, but got none with 'tensor<8x4xf32>'}}
  %0:2 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x4xf32>)
  return
}

// -----

// The sums of parameters are of each batch.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<8x4xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c9: expected weight_grad to be a tensor (batch, channels, width) of 2x8x4xf32, but got 'tensor<8x4xf32>'}}
  %0:3 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<8x4xf32>)
  return
}

// -----

// The same for the bias.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %bias: tensor<8xf32>, %out_grad: tensor<2x8x5xf32>,
             %x_grad: tensor<2x8x5xf32>, %next: tensor<2x8x3xf32>,
             %weight_grad: tensor<2x8x4xf32>, %bias_grad: tensor<8xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c10: expected bias_grad to be a tensor (batch, channels) of 2x8xf32, but got 'tensor<8xf32>'}}
  %0:4 = seqc.chunk_conv1d_backward x(%x) weight(%weight) bias(%bias)
      out_grad(%out_grad) outs(x_grad(%x_grad) next(%next)
      weight_grad(%weight_grad) bias_grad(%bias_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<2x8x5xf32>,
       tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>, tensor<8xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>, tensor<8xf32>)
  return
}

// -----

// The gradient of what is not there.
func.func @f(%x: tensor<2x8x5xf32>, %weight: tensor<8x4xf32>,
             %out_grad: tensor<2x8x5xf32>, %x_grad: tensor<2x8x5xf32>,
             %next: tensor<2x8x3xf32>, %weight_grad: tensor<2x8x4xf32>,
             %bias_grad: tensor<2x8xf32>) {
  // expected-error @+1 {{'seqc.chunk_conv1d_backward' op chunk_conv1d_backward_c10: expected no bias_grad without bias, but got 'tensor<2x8xf32>'}}
  %0:4 = seqc.chunk_conv1d_backward x(%x) weight(%weight) out_grad(%out_grad)
      outs(x_grad(%x_grad) next(%next) weight_grad(%weight_grad)
      bias_grad(%bias_grad))
    : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<2x8x5xf32>, tensor<2x8x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x4xf32>, tensor<2x8xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>, tensor<2x8x4xf32>,
        tensor<2x8xf32>)
  return
}
