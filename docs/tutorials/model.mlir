// The tutorial's model: an attention block and a Mamba block.
//
//   x1 = x  + attention_block(rms_norm(x))
//   x2 = x1 + mamba_block(rms_norm(x1))
//
// Sizes: d_model 512; attention with 8 query heads and 2 key/value heads of 64;
// Mamba with d_inner 512, d_state 16, dt_rank 32 and a convolution of width 4.
// The batch is 2; the sequence length is dynamic (the tutorial runs 1000).
//
// The two operators that matter, `seqc.attention` and `seqc.selective_scan`, and
// `seqc.causal_conv1d` are seqc's. Everything around them is upstream linalg,
// tensor, arith and math. Linear layers work on tensors whose batch and sequence
// are collapsed into one dimension of tokens (`m` below).
//
// The names of the arguments are those of the compiled function, too.
//
// docs/tutorials/model_reference.py makes the inputs and checks the output:
//
//   seqc compile docs/tutorials/model.mlir -o model.seqc
//   python3 docs/tutorials/model_reference.py make inputs
//   seqc run model.seqc --input-dir inputs --output out.npy
//   python3 docs/tutorials/model_reference.py check inputs out.npy

// Maps over (token, channel), for the norms and the residuals.
#id = affine_map<(d0, d1) -> (d0, d1)>
#token = affine_map<(d0, d1) -> (d0)>
#channel = affine_map<(d0, d1) -> (d1)>

func.func @model(
    %x: tensor<2x?x512xf32>,
    // The attention block.
    %norm1: tensor<512xf32>,
    %w_q: tensor<512x512xf32>,
    %w_k: tensor<512x128xf32>,
    %w_v: tensor<512x128xf32>,
    %w_o: tensor<512x512xf32>,
    // The Mamba block.
    %norm2: tensor<512xf32>,
    %w_in: tensor<512x1024xf32>,
    %conv_weight: tensor<512x4xf32>,
    %conv_bias: tensor<512xf32>,
    %w_x: tensor<512x64xf32>,
    %w_dt: tensor<32x512xf32>,
    %dt_bias: tensor<512xf32>,
    %A_log: tensor<512x16xf32>,
    %D: tensor<512xf32>,
    %w_out: tensor<512x512xf32>
  ) -> (tensor<2x?x512xf32> {seqc.name = "out"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %inv_d = arith.constant 0.001953125 : f32 // 1 / 512

  %seq = tensor.dim %x, %c1 : tensor<2x?x512xf32>
  %tokens = tensor.collapse_shape %x [[0, 1], [2]]
      : tensor<2x?x512xf32> into tensor<?x512xf32>
  %m = tensor.dim %tokens, %c0 : tensor<?x512xf32>

  // Accumulators that the linear layers start from.
  %e512 = tensor.empty(%m) : tensor<?x512xf32>
  %z512 = linalg.fill ins(%zero : f32) outs(%e512 : tensor<?x512xf32>)
      -> tensor<?x512xf32>
  %e128 = tensor.empty(%m) : tensor<?x128xf32>
  %z128 = linalg.fill ins(%zero : f32) outs(%e128 : tensor<?x128xf32>)
      -> tensor<?x128xf32>
  %e_m = tensor.empty(%m) : tensor<?xf32>
  %z_m = linalg.fill ins(%zero : f32) outs(%e_m : tensor<?xf32>)
      -> tensor<?xf32>

  //===--- The attention block --------------------------------------------===//

  // RMS norm: x * rsqrt(mean(x^2) + eps) * weight.
  %square1 = linalg.generic {
      indexing_maps = [#id, #token],
      iterator_types = ["parallel", "reduction"]}
      ins(%tokens : tensor<?x512xf32>) outs(%z_m : tensor<?xf32>) {
  ^bb0(%v: f32, %acc: f32):
    %sq = arith.mulf %v, %v : f32
    %sum = arith.addf %acc, %sq : f32
    linalg.yield %sum : f32
  } -> tensor<?xf32>
  %h1 = linalg.generic {
      indexing_maps = [#id, #token, #channel, #id],
      iterator_types = ["parallel", "parallel"]}
      ins(%tokens, %square1, %norm1
          : tensor<?x512xf32>, tensor<?xf32>, tensor<512xf32>)
      outs(%e512 : tensor<?x512xf32>) {
  ^bb0(%v: f32, %s: f32, %w: f32, %out: f32):
    %mean = arith.mulf %s, %inv_d : f32
    %shifted = arith.addf %mean, %eps : f32
    %r = math.rsqrt %shifted : f32
    %n = arith.mulf %v, %r : f32
    %y = arith.mulf %n, %w : f32
    linalg.yield %y : f32
  } -> tensor<?x512xf32>

  // Projections, then (token, head * 64) -> (batch, head, seq, 64).
  %q2 = linalg.matmul ins(%h1, %w_q : tensor<?x512xf32>, tensor<512x512xf32>)
      outs(%z512 : tensor<?x512xf32>) -> tensor<?x512xf32>
  %k2 = linalg.matmul ins(%h1, %w_k : tensor<?x512xf32>, tensor<512x128xf32>)
      outs(%z128 : tensor<?x128xf32>) -> tensor<?x128xf32>
  %v2 = linalg.matmul ins(%h1, %w_v : tensor<?x512xf32>, tensor<512x128xf32>)
      outs(%z128 : tensor<?x128xf32>) -> tensor<?x128xf32>

  %q4 = tensor.expand_shape %q2 [[0, 1], [2, 3]]
      output_shape [2, %seq, 8, 64]
      : tensor<?x512xf32> into tensor<2x?x8x64xf32>
  %k4 = tensor.expand_shape %k2 [[0, 1], [2, 3]]
      output_shape [2, %seq, 2, 64]
      : tensor<?x128xf32> into tensor<2x?x2x64xf32>
  %v4 = tensor.expand_shape %v2 [[0, 1], [2, 3]]
      output_shape [2, %seq, 2, 64]
      : tensor<?x128xf32> into tensor<2x?x2x64xf32>

  %e_q = tensor.empty(%seq) : tensor<2x8x?x64xf32>
  %e_kv = tensor.empty(%seq) : tensor<2x2x?x64xf32>
  %query = linalg.transpose ins(%q4 : tensor<2x?x8x64xf32>)
      outs(%e_q : tensor<2x8x?x64xf32>) permutation = [0, 2, 1, 3]
  %key = linalg.transpose ins(%k4 : tensor<2x?x2x64xf32>)
      outs(%e_kv : tensor<2x2x?x64xf32>) permutation = [0, 2, 1, 3]
  %value = linalg.transpose ins(%v4 : tensor<2x?x2x64xf32>)
      outs(%e_kv : tensor<2x2x?x64xf32>) permutation = [0, 2, 1, 3]

  // The scale is 1/sqrt(64) by default. Query head h reads key/value head h / 4.
  %attended = seqc.attention query(%query) key(%key) value(%value) causal
      : (tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
      -> tensor<2x8x?x64xf32>

  // Back to tokens, the output projection and the residual.
  %e_a = tensor.empty(%seq) : tensor<2x?x8x64xf32>
  %a4 = linalg.transpose ins(%attended : tensor<2x8x?x64xf32>)
      outs(%e_a : tensor<2x?x8x64xf32>) permutation = [0, 2, 1, 3]
  %a2 = tensor.collapse_shape %a4 [[0, 1], [2, 3]]
      : tensor<2x?x8x64xf32> into tensor<?x512xf32>
  %o2 = linalg.matmul ins(%a2, %w_o : tensor<?x512xf32>, tensor<512x512xf32>)
      outs(%z512 : tensor<?x512xf32>) -> tensor<?x512xf32>
  %x1 = linalg.add ins(%tokens, %o2 : tensor<?x512xf32>, tensor<?x512xf32>)
      outs(%e512 : tensor<?x512xf32>) -> tensor<?x512xf32>

  //===--- The Mamba block ------------------------------------------------===//

  %square2 = linalg.generic {
      indexing_maps = [#id, #token],
      iterator_types = ["parallel", "reduction"]}
      ins(%x1 : tensor<?x512xf32>) outs(%z_m : tensor<?xf32>) {
  ^bb0(%v: f32, %acc: f32):
    %sq = arith.mulf %v, %v : f32
    %sum = arith.addf %acc, %sq : f32
    linalg.yield %sum : f32
  } -> tensor<?xf32>
  %h2 = linalg.generic {
      indexing_maps = [#id, #token, #channel, #id],
      iterator_types = ["parallel", "parallel"]}
      ins(%x1, %square2, %norm2
          : tensor<?x512xf32>, tensor<?xf32>, tensor<512xf32>)
      outs(%e512 : tensor<?x512xf32>) {
  ^bb0(%v: f32, %s: f32, %w: f32, %out: f32):
    %mean = arith.mulf %s, %inv_d : f32
    %shifted = arith.addf %mean, %eps : f32
    %r = math.rsqrt %shifted : f32
    %n = arith.mulf %v, %r : f32
    %y = arith.mulf %n, %w : f32
    linalg.yield %y : f32
  } -> tensor<?x512xf32>

  // The input projection makes the scan's input u and its gate z, side by side.
  %e1024 = tensor.empty(%m) : tensor<?x1024xf32>
  %z1024 = linalg.fill ins(%zero : f32) outs(%e1024 : tensor<?x1024xf32>)
      -> tensor<?x1024xf32>
  %uz = linalg.matmul ins(%h2, %w_in : tensor<?x512xf32>, tensor<512x1024xf32>)
      outs(%z1024 : tensor<?x1024xf32>) -> tensor<?x1024xf32>
  %uz3 = tensor.expand_shape %uz [[0, 1], [2]] output_shape [2, %seq, 1024]
      : tensor<?x1024xf32> into tensor<2x?x1024xf32>
  %u_rows = tensor.extract_slice %uz3[0, 0, 0] [2, %seq, 512] [1, 1, 1]
      : tensor<2x?x1024xf32> to tensor<2x?x512xf32>
  %z_rows = tensor.extract_slice %uz3[0, 0, 512] [2, %seq, 512] [1, 1, 1]
      : tensor<2x?x1024xf32> to tensor<2x?x512xf32>

  // The convolution and the scan take (batch, channel, seq).
  %e_u = tensor.empty(%seq) : tensor<2x512x?xf32>
  %u_cols = linalg.transpose ins(%u_rows : tensor<2x?x512xf32>)
      outs(%e_u : tensor<2x512x?xf32>) permutation = [0, 2, 1]
  %z = linalg.transpose ins(%z_rows : tensor<2x?x512xf32>)
      outs(%e_u : tensor<2x512x?xf32>) permutation = [0, 2, 1]
  %u = seqc.causal_conv1d x(%u_cols) weight(%conv_weight) bias(%conv_bias)
      activation(silu)
      : (tensor<2x512x?xf32>, tensor<512x4xf32>, tensor<512xf32>)
      -> tensor<2x512x?xf32>

  // u decides its own step size, B and C: one projection makes the three.
  %e_s = tensor.empty(%seq) : tensor<2x?x512xf32>
  %u3 = linalg.transpose ins(%u : tensor<2x512x?xf32>)
      outs(%e_s : tensor<2x?x512xf32>) permutation = [0, 2, 1]
  %u2 = tensor.collapse_shape %u3 [[0, 1], [2]]
      : tensor<2x?x512xf32> into tensor<?x512xf32>
  %e64 = tensor.empty(%m) : tensor<?x64xf32>
  %z64 = linalg.fill ins(%zero : f32) outs(%e64 : tensor<?x64xf32>)
      -> tensor<?x64xf32>
  %dbc = linalg.matmul ins(%u2, %w_x : tensor<?x512xf32>, tensor<512x64xf32>)
      outs(%z64 : tensor<?x64xf32>) -> tensor<?x64xf32>

  %dt_low = tensor.extract_slice %dbc[0, 0] [%m, 32] [1, 1]
      : tensor<?x64xf32> to tensor<?x32xf32>
  %dt2 = linalg.matmul ins(%dt_low, %w_dt : tensor<?x32xf32>, tensor<32x512xf32>)
      outs(%z512 : tensor<?x512xf32>) -> tensor<?x512xf32>
  %dt3 = tensor.expand_shape %dt2 [[0, 1], [2]] output_shape [2, %seq, 512]
      : tensor<?x512xf32> into tensor<2x?x512xf32>
  %delta = linalg.transpose ins(%dt3 : tensor<2x?x512xf32>)
      outs(%e_u : tensor<2x512x?xf32>) permutation = [0, 2, 1]

  %dbc3 = tensor.expand_shape %dbc [[0, 1], [2]] output_shape [2, %seq, 64]
      : tensor<?x64xf32> into tensor<2x?x64xf32>
  %b_rows = tensor.extract_slice %dbc3[0, 0, 32] [2, %seq, 16] [1, 1, 1]
      : tensor<2x?x64xf32> to tensor<2x?x16xf32>
  %c_rows = tensor.extract_slice %dbc3[0, 0, 48] [2, %seq, 16] [1, 1, 1]
      : tensor<2x?x64xf32> to tensor<2x?x16xf32>
  %e_bc = tensor.empty(%seq) : tensor<2x16x?xf32>
  %B = linalg.transpose ins(%b_rows : tensor<2x?x16xf32>)
      outs(%e_bc : tensor<2x16x?xf32>) permutation = [0, 2, 1]
  %C = linalg.transpose ins(%c_rows : tensor<2x?x16xf32>)
      outs(%e_bc : tensor<2x16x?xf32>) permutation = [0, 2, 1]

  // A = -exp(A_log), so that the state always decays.
  %e_A = tensor.empty() : tensor<512x16xf32>
  %A = linalg.generic {
      indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%A_log : tensor<512x16xf32>) outs(%e_A : tensor<512x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %e = math.exp %v : f32
    %n = arith.negf %e : f32
    linalg.yield %n : f32
  } -> tensor<512x16xf32>

  %scanned = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
      D(%D) z(%z) delta_bias(%dt_bias) delta_softplus
      : (tensor<2x512x?xf32>, tensor<2x512x?xf32>, tensor<512x16xf32>,
         tensor<2x16x?xf32>, tensor<2x16x?xf32>, tensor<512xf32>,
         tensor<2x512x?xf32>, tensor<512xf32>) -> tensor<2x512x?xf32>

  // Back to tokens, the output projection and the residual.
  %y3 = linalg.transpose ins(%scanned : tensor<2x512x?xf32>)
      outs(%e_s : tensor<2x?x512xf32>) permutation = [0, 2, 1]
  %y2 = tensor.collapse_shape %y3 [[0, 1], [2]]
      : tensor<2x?x512xf32> into tensor<?x512xf32>
  %p2 = linalg.matmul ins(%y2, %w_out : tensor<?x512xf32>, tensor<512x512xf32>)
      outs(%z512 : tensor<?x512xf32>) -> tensor<?x512xf32>
  %x2 = linalg.add ins(%x1, %p2 : tensor<?x512xf32>, tensor<?x512xf32>)
      outs(%e512 : tensor<?x512xf32>) -> tensor<?x512xf32>
  %out = tensor.expand_shape %x2 [[0, 1], [2]] output_shape [2, %seq, 512]
      : tensor<?x512xf32> into tensor<2x?x512xf32>
  return %out : tensor<2x?x512xf32>
}
