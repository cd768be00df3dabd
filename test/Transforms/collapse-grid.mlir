// RUN: seqc-opt %s --seqc-collapse-grid --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-collapse-grid --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-collapse-grid
// STATS-NEXT: 1 grids-collapsed

// Parts of the columns, each a grid of rows: one grid, whose bounds do not
// depend on the part.
// CHECK-LABEL: func @parts(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[N:[a-z0-9]+]]: index)
// CHECK: %[[ROWS:.*]] = tensor.dim %[[X]], %{{.*}}
// CHECK: %[[R:.*]] = scf.forall (%[[P:.*]], %[[I:.*]]) = (0, 0) to (%[[N]], %[[ROWS]]) step (1, 4) shared_outs(%[[ALL:.*]] = %{{.*}})
// CHECK: %[[FROM:.*]] = arith.muli %[[P]], %{{.*}}
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[X]][0, %[[FROM]]]
// CHECK: %[[TILE:.*]] = tensor.extract_slice %[[PART]][%[[I]], 0] [4, 8]
// CHECK: tensor.parallel_insert_slice %[[TILE]] into %[[ALL]][%[[P]], %[[I]], 0] [1, 4, 8]
// CHECK: {seqc.grid}
// CHECK: return %[[R]]
func.func @parts(%x: tensor<?x64xf32>, %n: index) -> tensor<?x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %rows = tensor.dim %x, %c0 : tensor<?x64xf32>
  %e = tensor.empty(%n, %rows) : tensor<?x?x8xf32>
  %one = tensor.empty(%rows) : tensor<?x8xf32>
  %r = scf.forall (%p) in (%n) shared_outs(%all = %e) -> (tensor<?x?x8xf32>) {
    %from = arith.muli %p, %c8 : index
    %part = tensor.extract_slice %x[0, %from] [%rows, 8] [1, 1]
      : tensor<?x64xf32> to tensor<?x8xf32>
    %same = tensor.dim %x, %c0 : tensor<?x64xf32>
    %g = scf.forall (%i) = (0) to (%same) step (4) shared_outs(%o = %one) -> (tensor<?x8xf32>) {
      %tile = tensor.extract_slice %part[%i, 0] [4, 8] [1, 1]
        : tensor<?x8xf32> to tensor<4x8xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %o[%i, 0] [4, 8] [1, 1]
          : tensor<4x8xf32> into tensor<?x8xf32>
      }
    } {seqc.grid}
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %g into %all[%p, 0, 0] [1, %rows, 8] [1, 1, 1]
        : tensor<?x8xf32> into tensor<?x?x8xf32>
    }
  }
  return %r : tensor<?x?x8xf32>
}

// A grid whose size depends on the part stays, and so does a loop with more
// than one in it.
// CHECK-LABEL: func @stays(
// CHECK: scf.forall (%{{[a-z0-9]+}}) in (4)
// CHECK: scf.forall (%{{[a-z0-9]+}}) in (%{{.*}})
// CHECK: scf.forall (%{{[a-z0-9]+}}) in (4)
// CHECK: scf.forall (%{{[a-z0-9]+}}) in (8)
// CHECK: scf.forall (%{{[a-z0-9]+}}) in (8)
func.func @stays(%x: tensor<8xf32>, %e: tensor<4x8xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %r = scf.forall (%p) in (4) shared_outs(%all = %e) -> (tensor<4x8xf32>) {
    %g = scf.forall (%i) in (%p) shared_outs(%o = %x) -> (tensor<8xf32>) {
      %tile = tensor.extract_slice %x[%i] [1] [1] : tensor<8xf32> to tensor<1xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %o[%i] [1] [1]
          : tensor<1xf32> into tensor<8xf32>
      }
    } {seqc.grid}
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %g into %all[%p, 0] [1, 8] [1, 1]
        : tensor<8xf32> into tensor<4x8xf32>
    }
  }
  %s = scf.forall (%p) in (4) shared_outs(%all = %e) -> (tensor<4x8xf32>) {
    %g = scf.forall (%i) in (8) shared_outs(%o = %x) -> (tensor<8xf32>) {
      %tile = tensor.extract_slice %x[%i] [1] [1] : tensor<8xf32> to tensor<1xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %o[%i] [1] [1]
          : tensor<1xf32> into tensor<8xf32>
      }
    } {seqc.grid}
    %h = scf.forall (%i) in (8) shared_outs(%o = %g) -> (tensor<8xf32>) {
      %tile = tensor.extract_slice %x[%i] [1] [1] : tensor<8xf32> to tensor<1xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %o[%i] [1] [1]
          : tensor<1xf32> into tensor<8xf32>
      }
    } {seqc.grid}
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %h into %all[%p, 0] [1, 8] [1, 1]
        : tensor<8xf32> into tensor<4x8xf32>
    }
  }
  return %r, %s : tensor<4x8xf32>, tensor<4x8xf32>
}
