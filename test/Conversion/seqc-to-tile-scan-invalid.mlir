// RUN: seqc-opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(func.func(seqc-expand-state,seqc-tile{single-loop=true},cse),convert-seqc-to-tile)" -o /dev/null

func.func @f64(%u: tensor<?x?x?xf64>, %A: tensor<?x4xf64>) -> tensor<?x?x?xf64> {
  // expected-error @below {{'seqc.chunk_scan' op of 'tensor<1x16x128xf64>' is not supported on GPUs: kernels compute in f32}}
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
    : (tensor<?x?x?xf64>, tensor<?x?x?xf64>, tensor<?x4xf64>, tensor<?x4xf64>, tensor<?x4xf64>)
    -> tensor<?x?x?xf64>
  return %y : tensor<?x?x?xf64>
}

// -----

func.func @f64(%x: tensor<?x?x?xf64>, %w: tensor<?x4xf64>) -> tensor<?x?x?xf64> {
  // expected-error @below {{'seqc.causal_conv1d' op of 'tensor<1x16x256xf64>' is not supported on GPUs: kernels compute in f32}}
  %y = seqc.causal_conv1d x(%x) weight(%w) : (tensor<?x?x?xf64>, tensor<?x4xf64>) -> tensor<?x?x?xf64>
  return %y : tensor<?x?x?xf64>
}

// -----

// A loop of somebody else's is not outlined, whatever it holds.
func.func @not_ours(%u: tensor<1x16x32xf32>, %A: tensor<16x4xf32>, %h: tensor<1x16x4xf32>, %n: index) -> tensor<1x16x4xf32> {
  // expected-error @below {{'scf.forall' op is not supported on target sm_80 yet: only functions of seqc operators compile for the GPU}}
  %r = scf.forall (%i) in (%n) shared_outs(%o = %h) -> tensor<1x16x4xf32> {
    %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) steps(%n) outs(state %o)
        {schedule = #seqc.schedule<tile_m = 16, tile_n = 32>}
      : (tensor<1x16x32xf32>, tensor<1x16x32xf32>, tensor<16x4xf32>, tensor<16x4xf32>, index, tensor<1x16x4xf32>)
      -> tensor<1x16x4xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %0 into %o[0, 0, 0] [1, 16, 4] [1, 1, 1] : tensor<1x16x4xf32> into tensor<1x16x4xf32>
    }
  }
  return %r : tensor<1x16x4xf32>
}

// -----

// A reduction is not elementwise.
func.func @reduces(%a: tensor<?x?xf32>, %b: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{'linalg.reduce' op is not supported on target sm_80 yet}}
  %y = linalg.reduce { arith.addf } ins(%a : tensor<?x?xf32>) outs(%b : tensor<?xf32>) dimensions = [1]
  return %y : tensor<?xf32>
}

// -----

// As many dimensions as nothing of ours has.
func.func @five(%a: tensor<?x?x?x?x?xf32>) -> tensor<?x?x?x?x?xf32> {
  // expected-error @below {{'linalg.exp' op is not supported on target sm_80 yet}}
  %y = linalg.exp ins(%a : tensor<?x?x?x?x?xf32>) outs(%a : tensor<?x?x?x?x?xf32>) -> tensor<?x?x?x?x?xf32>
  return %y : tensor<?x?x?x?x?xf32>
}
