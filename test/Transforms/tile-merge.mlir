// RUN: seqc-opt %s --seqc-tile-merge --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-tile-merge --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-tile-merge
// STATS-NEXT: 5 merges-tiled

// A row of the result with all of its parts, and its end.
// CHECK-LABEL: func @plain(
// CHECK-SAME: %[[PM:[a-z0-9]+]]: tensor<?x2x8x3xf32>
// CHECK-SAME: %[[SINKS:[a-z0-9]+]]: tensor<8xf32>
// CHECK: %[[R:.*]]:2 = scf.forall (%[[B:.*]], %[[H:.*]], %[[I:.*]]) in (2, 8, 3) shared_outs(%[[OUT:.*]] = %{{.*}}, %[[LSE:.*]] = %{{.*}})
// CHECK: %[[ROW:.*]] = tensor.extract_slice %[[PM]][0, %[[B]], %[[H]], %[[I]]] [%{{.*}}, 1, 1, 1]
// CHECK: %[[M:.*]], %[[S:.*]], %[[A:.*]] = seqc.softmax_merge max(%[[ROW]])
// CHECK-SAME: (tensor<?x1x1x1xf32>, tensor<?x1x1x1xf32>, tensor<?x1x1x1x64xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1x64xf32>)
// CHECK: %[[SINK:.*]] = tensor.extract_slice %[[SINKS]][%[[H]]] [1]
// CHECK: %[[O:.*]], %[[L:.*]] = seqc.softmax_finish max(%[[M]]) sum(%[[S]]) acc(%[[A]]) sinks(%[[SINK]])
// CHECK: tensor.parallel_insert_slice %[[O]] into %[[OUT]][%[[B]], %[[H]], %[[I]], 0] [1, 1, 1, 64]
// CHECK: tensor.parallel_insert_slice %[[L]] into %[[LSE]][%[[B]], %[[H]], %[[I]]] [1, 1, 1]
// CHECK: {seqc.grid}
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @plain(%pm: tensor<?x2x8x3xf32>, %ps: tensor<?x2x8x3xf32>,
                 %pa: tensor<?x2x8x3x64xf32>, %sinks: tensor<8xf32>)
    -> (tensor<2x8x3x64xbf16>, tensor<2x8x3xf32>) {
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x8x3xf32>
  %f = tensor.empty() : tensor<2x8x3x64xf32>
  %o = tensor.empty() : tensor<2x8x3x64xbf16>
  %m0 = linalg.fill ins(%lowest : f32) outs(%e : tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  %s0 = linalg.fill ins(%zero : f32) outs(%e : tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  %a0 = linalg.fill ins(%zero : f32) outs(%f : tensor<2x8x3x64xf32>) -> tensor<2x8x3x64xf32>
  %m, %s, %a = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m0, %s0, %a0)
    : (tensor<?x2x8x3xf32>, tensor<?x2x8x3xf32>, tensor<?x2x8x3x64xf32>,
       tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x64xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x64xf32>)
  %out, %lse = seqc.softmax_finish max(%m) sum(%s) acc(%a) sinks(%sinks)
      outs(%o, %e)
    : (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x64xf32>,
       tensor<8xf32>, tensor<2x8x3x64xbf16>, tensor<2x8x3xf32>)
    -> (tensor<2x8x3x64xbf16>, tensor<2x8x3xf32>)
  return %out, %lse : tensor<2x8x3x64xbf16>, tensor<2x8x3xf32>
}

// Packed heads: head h of the finish is row 3 (h mod 4) + i of head h div 4.
// CHECK-LABEL: func @packed(
// CHECK-SAME: %[[PM:[a-z0-9]+]]: tensor<5x2x2x12xf32>
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[I:.*]]) in (2, 8, 3)
// CHECK: %[[HEAD:.*]] = arith.divui %[[H]], %[[C4]]
// CHECK: %[[G:.*]] = arith.remui %[[H]], %[[C4]]
// CHECK: %[[FIRST:.*]] = arith.muli %[[G]], %[[C3]]
// CHECK: %[[R:.*]] = arith.addi %[[FIRST]], %[[I]]
// CHECK: tensor.extract_slice %[[PM]][0, %[[B]], %[[HEAD]], %[[R]]] [5, 1, 1, 1]
// CHECK-NOT: tensor.expand_shape
func.func @packed(%pm: tensor<5x2x2x12xf32>, %ps: tensor<5x2x2x12xf32>,
                  %pa: tensor<5x2x2x12x64xf32>) -> tensor<2x8x3x64xbf16> {
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x2x12xf32>
  %f = tensor.empty() : tensor<2x2x12x64xf32>
  %o = tensor.empty() : tensor<2x8x3x64xbf16>
  %m0 = linalg.fill ins(%lowest : f32) outs(%e : tensor<2x2x12xf32>) -> tensor<2x2x12xf32>
  %s0 = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2x12xf32>) -> tensor<2x2x12xf32>
  %a0 = linalg.fill ins(%zero : f32) outs(%f : tensor<2x2x12x64xf32>) -> tensor<2x2x12x64xf32>
  %m, %s, %a = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m0, %s0, %a0)
    : (tensor<5x2x2x12xf32>, tensor<5x2x2x12xf32>, tensor<5x2x2x12x64xf32>,
       tensor<2x2x12xf32>, tensor<2x2x12xf32>, tensor<2x2x12x64xf32>)
    -> (tensor<2x2x12xf32>, tensor<2x2x12xf32>, tensor<2x2x12x64xf32>)
  %m5 = tensor.expand_shape %m [[0], [1], [2, 3]] output_shape [2, 2, 4, 3]
    : tensor<2x2x12xf32> into tensor<2x2x4x3xf32>
  %s5 = tensor.expand_shape %s [[0], [1], [2, 3]] output_shape [2, 2, 4, 3]
    : tensor<2x2x12xf32> into tensor<2x2x4x3xf32>
  %a5 = tensor.expand_shape %a [[0], [1], [2, 3], [4]] output_shape [2, 2, 4, 3, 64]
    : tensor<2x2x12x64xf32> into tensor<2x2x4x3x64xf32>
  %mu = tensor.collapse_shape %m5 [[0], [1, 2], [3]] : tensor<2x2x4x3xf32> into tensor<2x8x3xf32>
  %su = tensor.collapse_shape %s5 [[0], [1, 2], [3]] : tensor<2x2x4x3xf32> into tensor<2x8x3xf32>
  %au = tensor.collapse_shape %a5 [[0], [1, 2], [3], [4]] : tensor<2x2x4x3x64xf32> into tensor<2x8x3x64xf32>
  %out = seqc.softmax_finish max(%mu) sum(%su) acc(%au) outs(%o)
    : (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x64xf32>,
       tensor<2x8x3x64xbf16>) -> tensor<2x8x3x64xbf16>
  return %out : tensor<2x8x3x64xbf16>
}

// A state that is wanted itself, and one that goes on.
// CHECK-LABEL: func @alone(
// CHECK-SAME: %[[M0:[a-z0-9]+]]: tensor<2x8x3xf32>, %[[S0:[a-z0-9]+]]: tensor<2x8x3xf32>, %[[A0:[a-z0-9]+]]: tensor<2x8x3x5xf32>)
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[I:.*]]) in (2, 8, 3)
// CHECK: %[[INIT:.*]] = tensor.extract_slice %[[M0]][%[[B]], %[[H]], %[[I]]] [1, 1, 1]
// CHECK: %[[M:.*]], %{{.*}}, %{{.*}} = seqc.softmax_merge {{.*}} outs(%[[INIT]],
// CHECK: tensor.parallel_insert_slice %[[M]] into
func.func @alone(%pm: tensor<4x2x8x3xf32>, %ps: tensor<4x2x8x3xf32>,
                 %pa: tensor<4x2x8x3x5xf32>, %m0: tensor<2x8x3xf32>,
                 %s0: tensor<2x8x3xf32>, %a0: tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3x5xf32>) {
  %m, %s, %a = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m0, %s0, %a0)
    : (tensor<4x2x8x3xf32>, tensor<4x2x8x3xf32>, tensor<4x2x8x3x5xf32>,
       tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
    -> (tensor<2x8x3xf32>, tensor<2x8x3xf32>, tensor<2x8x3x5xf32>)
  return %m, %a : tensor<2x8x3xf32>, tensor<2x8x3x5xf32>
}

// The states between parts of a scan: some channels with all parts in a tile.
// CHECK-LABEL: func @prefix(
// CHECK-SAME: %[[PS:[a-z0-9]+]]: tensor<?x2x40x16xf32>
// CHECK: %[[R:.*]]:2 = scf.forall (%[[B:.*]], %[[C:.*]]) = (0, 0) to (2, 40) step (1, 32) shared_outs(%[[ALL:.*]] = %{{.*}}, %[[END:.*]] = %{{.*}})
// CHECK: %[[N:.*]] = affine.min
// CHECK: tensor.pad
// CHECK: tensor.extract_slice %[[PS]][0, %[[B]], %[[C]], 0] [%{{.*}}, 1, %[[N]], 16]
// CHECK: %[[S:.*]], %[[H:.*]] = seqc.scan_prefix
// CHECK-SAME: (tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>, tensor<?x1x?x16xf32>, tensor<1x32x16xf32>)
// CHECK: %[[CUT:.*]] = tensor.extract_slice %[[H]][0, 0, 0] [1, %[[N]], 16]
// CHECK: tensor.parallel_insert_slice %[[S]] into %[[ALL]][0, %[[B]], %[[C]], 0]
// CHECK: tensor.parallel_insert_slice %[[CUT]] into %[[END]][%[[B]], %[[C]], 0]
// CHECK: {seqc.grid}
func.func @prefix(%ps: tensor<?x2x40x16xf32>, %pd: tensor<?x2x40x16xf32>, %o: tensor<?x2x40x16xf32>, %h: tensor<2x40x16xf32>) -> (tensor<?x2x40x16xf32>, tensor<2x40x16xf32>) {
  %0:2 = seqc.scan_prefix state(%ps) decay(%pd) outs(%o, %h)
    : (tensor<?x2x40x16xf32>, tensor<?x2x40x16xf32>, tensor<?x2x40x16xf32>, tensor<2x40x16xf32>) -> (tensor<?x2x40x16xf32>, tensor<2x40x16xf32>)
  return %0#0, %0#1 : tensor<?x2x40x16xf32>, tensor<2x40x16xf32>
}

// In reverse as well.
// CHECK-LABEL: func @reverse(
// CHECK: scf.forall
// CHECK: seqc.scan_prefix {{.*}} reverse
// CHECK: {seqc.grid}
func.func @reverse(%ps: tensor<?x2x40x16xf32>, %h: tensor<2x40x16xf32>) -> (tensor<?x2x40x16xf32>, tensor<2x40x16xf32>) {
  %0:2 = seqc.scan_prefix state(%ps) decay(%ps) outs(%ps, %h) reverse
    : (tensor<?x2x40x16xf32>, tensor<?x2x40x16xf32>, tensor<?x2x40x16xf32>, tensor<2x40x16xf32>) -> (tensor<?x2x40x16xf32>, tensor<2x40x16xf32>)
  return %0#0, %0#1 : tensor<?x2x40x16xf32>, tensor<2x40x16xf32>
}
