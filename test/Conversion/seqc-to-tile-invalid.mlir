// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-online-softmax,seqc-tile{single-loop=true},cse),convert-seqc-to-tile{chip=sm_80})" --split-input-file --verify-diagnostics

// Kernels compute in f32.
func.func @f64(%q: tensor<1x1x64x64xf64>) -> tensor<1x1x64x64xf64> {
  // expected-error @below {{'seqc.online_attention' op of 'tensor<1x1x64x64xf64>' is not supported on GPUs: kernels compute in f32}}
  %o = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<1x1x64x64xf64>, tensor<1x1x64x64xf64>, tensor<1x1x64x64xf64>)
      -> tensor<1x1x64x64xf64>
  return %o : tensor<1x1x64x64xf64>
}

// -----

// A plan of a call has sizes and launches only.
func.func @graph(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>)
    -> tensor<64x64xf32> {
  %e = tensor.empty() : tensor<64x64xf32>
  // expected-error @below {{'linalg.matmul' op is not supported on target sm_80 yet: only functions of seqc operators compile for the GPU}}
  %r = linalg.matmul ins(%a, %b : tensor<64x64xf32>, tensor<64x64xf32>)
      outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %r : tensor<64x64xf32>
}

// -----

// A floating point number that is returned is one of them.
func.func @scalar(%a: f32) -> f32 {
  // expected-error @below {{'arith.addf' op is not supported on target sm_80 yet}}
  %r = arith.addf %a, %a : f32
  return %r : f32
}

// -----

// A loop in a score region has no form on tiles.
func.func @loop(%q: tensor<1x1x64x64xf16>) -> tensor<1x1x64x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        // expected-error @below {{'scf.for' op in a region cannot be evaluated on tiles}}
        %r = scf.for %n = %c0 to %j step %c1 iter_args(%x = %s) -> f32 {
          %y = arith.addf %x, %s : f32
          scf.yield %y : f32
        }
        seqc.yield %r : f32
      } : (tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>)
      -> tensor<1x1x64x64xf16>
  return %o : tensor<1x1x64x64xf16>
}

// -----

// Tensor cores work on 16 rows per warp.
func.func @rows(%q: tensor<1x1x64x64xf16>) -> tensor<1x1x64x64xf16> {
  // expected-error @below {{'seqc.online_attention' op has a tile_m of 48, expected a multiple of 64 for 4 warps}}
  %o = seqc.attention query(%q) key(%q) value(%q)
      {schedule = #seqc.schedule<tile_m = 48, tile_n = 64, warps = 4>}
      : (tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>)
      -> tensor<1x1x64x64xf16>
  return %o : tensor<1x1x64x64xf16>
}

// -----

func.func @columns(%q: tensor<1x1x64x64xf16>) -> tensor<1x1x64x64xf16> {
  // expected-error @below {{'seqc.online_attention' op has a tile_n of 24, expected a multiple of 16}}
  %o = seqc.attention query(%q) key(%q) value(%q)
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 24>}
      : (tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>)
      -> tensor<1x1x64x64xf16>
  return %o : tensor<1x1x64x64xf16>
}

// -----

// Keys that are split have partial states that are merged by the graph.
func.func @splits(%q: tensor<1x1x64x64xf16>, %o: tensor<4x1x1x128x64xf16>)
    -> tensor<4x1x1x128x64xf16> {
  %r = scf.forall (%i) in (4) shared_outs(%d = %o) -> (tensor<4x1x1x128x64xf16>) {
    %q2 = tensor.extract_slice %o[%i, 0, 0, 0, 0] [1, 1, 1, 128, 64] [1, 1, 1, 1, 1]
        : tensor<4x1x1x128x64xf16> to tensor<1x1x128x64xf16>
    // expected-error @below {{'scf.forall' op inside of another is not supported on GPUs: the reduction of an operator cannot be split there yet}}
    %t = seqc.attention query(%q2) key(%q) value(%q)
        : (tensor<1x1x128x64xf16>, tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>)
        -> tensor<1x1x128x64xf16>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %d[%i, 0, 0, 0, 0] [1, 1, 1, 128, 64] [1, 1, 1, 1, 1]
          : tensor<1x1x128x64xf16> into tensor<4x1x1x128x64xf16>
    }
  }
  return %r : tensor<4x1x1x128x64xf16>
}

// -----

// A loop of the graph may leave some of its result as it was.
func.func @user_loop(%q: tensor<1x1x64x64xf16>, %o: tensor<4x1x1x64x64xf16>)
    -> tensor<4x1x1x64x64xf16> {
  // expected-error @below {{'scf.forall' op is not supported on target sm_80 yet: only functions of seqc operators compile for the GPU}}
  %r = scf.forall (%i) in (2) shared_outs(%d = %o) -> (tensor<4x1x1x64x64xf16>) {
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %q into %d[%i, 0, 0, 0, 0] [1, 1, 1, 64, 64] [1, 1, 1, 1, 1]
          : tensor<1x1x64x64xf16> into tensor<4x1x1x64x64xf16>
    }
  }
  return %r : tensor<4x1x1x64x64xf16>
}

// -----

// Gradients are computed on CPUs so far.
func.func @backward(%q: tensor<1x2x8x16xf32>, %lse: tensor<1x2x8xf32>) -> tensor<1x2x8x16xf32> {
  // expected-error @below {{'seqc.attention_backward' op is not supported on target sm_80 yet: it is compiled for the target cpu only}}
  %dq, %dk, %dv = seqc.attention_backward query(%q) key(%q) value(%q) out(%q) lse(%lse) out_grad(%q)
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8xf32>, tensor<1x2x8x16xf32>)
    -> (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>)
  return %dq : tensor<1x2x8x16xf32>
}
