// RUN: seqc-opt %s --seqc-serialize-inner --verify-diagnostics

// A loop on tensors has results, which a loop over buffers could not give.
func.func @tensors(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %r = scf.forall (%i) in (8) shared_outs(%o = %x) -> tensor<8x8xf32> {
    %s = tensor.extract_slice %o[%i, 0] [1, 8] [1, 1]
        : tensor<8x8xf32> to tensor<8xf32>
    // expected-error @+1 {{'scf.forall' op can only be made sequential on buffers, but has a result of 'tensor<8xf32>'}}
    %t = scf.forall (%j) in (8) shared_outs(%p = %s) -> tensor<8xf32> {
      %e = tensor.extract_slice %p[%j] [1] [1] : tensor<8xf32> to tensor<1xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %e into %p[%j] [1] [1]
            : tensor<1xf32> into tensor<8xf32>
      }
    }
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %o[%i, 0] [1, 8] [1, 1]
          : tensor<8xf32> into tensor<8x8xf32>
    }
  }
  return %r : tensor<8x8xf32>
}
