// RUN: seqc-opt %s --seqc-tile --verify-diagnostics

// Nothing says how many steps a chunk has.
func.func @f(%u: tensor<2x8x?xf32>, %A: tensor<8x3xf32>, %h: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'seqc.chunk_scan_backward' op can only be tiled if its length is static or its schedule has a tile_n, but got u 'tensor<2x8x?xf32>'}}
  %0:6 = seqc.chunk_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A) out_grad(%u)
      state(%h) outs(u_grad(%u) delta_grad(%u) state_grad(%h) A_grad(%h)
      B_grad(%h) C_grad(%h))
    : (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<8x3xf32>, tensor<8x3xf32>,
       tensor<8x3xf32>, tensor<2x8x?xf32>, tensor<2x8x3xf32>,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x3xf32>,
       tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x3xf32>,
        tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3xf32>)
  return
}
