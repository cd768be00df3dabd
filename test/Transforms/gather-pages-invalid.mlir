// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward --seqc-gather-pages --verify-diagnostics

// A view of pages is for attention only.
func.func @f(%p: tensor<?x2x16x8xf32>, %t: tensor<?x?xi32>) -> tensor<?x2x?x8xf32> {
  // expected-error @+1 {{'seqc.paged' op is read by 'func.return', expected tiles of attention's key or value only}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x8xf32>, tensor<?x?xi32>) -> tensor<?x2x?x8xf32>
  return %k : tensor<?x2x?x8xf32>
}

// -----

// There are no gradients of pages.
func.func @f(%q: tensor<1x2x5x8xf32>, %lse: tensor<1x2x5xf32>, %p: tensor<9x2x16x8xf32>,
             %t: tensor<1x2xi32>) -> tensor<1x2x5x8xf32> {
  %k = seqc.paged %p, %t : (tensor<9x2x16x8xf32>, tensor<1x2xi32>) -> tensor<1x2x32x8xf32>
  // expected-error @+1 {{'seqc.attention_backward' op reads keys or values in pages, of type 'tensor<1x2x32x8xf32>': gradients of pages are not supported}}
  %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%k)
      out(%q) lse(%lse) out_grad(%q)
    : (tensor<1x2x5x8xf32>, tensor<1x2x32x8xf32>, tensor<1x2x32x8xf32>,
       tensor<1x2x5x8xf32>, tensor<1x2x5xf32>, tensor<1x2x5x8xf32>)
    -> (tensor<1x2x5x8xf32>, tensor<1x2x32x8xf32>, tensor<1x2x32x8xf32>)
  return %dq : tensor<1x2x5x8xf32>
}
