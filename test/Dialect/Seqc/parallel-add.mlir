// RUN: %roundtrip

// Iterations add to the same rows, beside one that replaces.
// CHECK-LABEL: func @sums
// CHECK: scf.forall (%[[J:.*]]) in (%{{.*}}) shared_outs(%[[ALL:.*]] = %{{.*}}, %[[OWN:.*]] = %{{.*}})
// CHECK: scf.forall.in_parallel {
// CHECK-NEXT: seqc.parallel_add %{{.*}} into %[[ALL]][%{{.*}}, %{{.*}}] : tensor<?x64xf32> into tensor<?x64xf32>
// CHECK-NEXT: tensor.parallel_insert_slice %{{.*}} into %[[OWN]][%[[J]], 0] [1, 64]
func.func @sums(%part: tensor<?x64xf32>, %row: tensor<1x64xf32>, %zeros: tensor<?x64xf32>, %n: index)
    -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %c0 = arith.constant 0 : index
  %0:2 = scf.forall (%j) in (%n) shared_outs(%all = %zeros, %own = %zeros) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    scf.forall.in_parallel {
      seqc.parallel_add %part into %all[%c0, %c0] : tensor<?x64xf32> into tensor<?x64xf32>
      tensor.parallel_insert_slice %row into %own[%j, 0] [1, 64] [1, 1] : tensor<1x64xf32> into tensor<?x64xf32>
    }
  }
  return %0#0, %0#1 : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func @scalars
// CHECK: seqc.parallel_add %{{.*}} into %{{.*}}[] : tensor<f64> into tensor<f64>
func.func @scalars(%part: tensor<f64>, %zero: tensor<f64>, %n: index) -> tensor<f64> {
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zero) -> tensor<f64> {
    scf.forall.in_parallel {
      seqc.parallel_add %part into %all[] : tensor<f64> into tensor<f64>
    }
  }
  return %0 : tensor<f64>
}
