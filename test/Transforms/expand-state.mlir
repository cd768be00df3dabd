// RUN: seqc-opt %s --seqc-expand-state | FileCheck %s
// RUN: seqc-opt %s --seqc-expand-state --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-expand-state
// STATS-NEXT: 3 scans-rewritten

// The state starts as zero; no tensor is larger than the sequence, or than one
// state.
// CHECK-LABEL: func @static(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<2x16x100xf32>, %[[A:[a-z0-9]+]]: tensor<16x4xf32>, %[[B:[a-z0-9]+]]: tensor<2x4x100xf32>)
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<2x16x4xf32>
// CHECK: %[[H0:.*]] = linalg.fill ins(%[[ZERO]] : f32) outs(%[[EMPTY]] : tensor<2x16x4xf32>)
// CHECK: %[[Y0:.*]] = tensor.empty() : tensor<2x16x100xf32>
// CHECK: %[[R:.*]]:2 = seqc.chunk_scan u(%[[U]]) delta(%[[U]]) A(%[[A]]) B(%[[B]]) C(%[[B]]) outs(out %[[Y0]], state %[[H0]]) :
// CHECK: return %[[R]]#0
func.func @static(%u: tensor<2x16x100xf32>, %A: tensor<16x4xf32>,
                  %B: tensor<2x4x100xf32>) -> tensor<2x16x100xf32> {
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
    : (tensor<2x16x100xf32>, tensor<2x16x100xf32>, tensor<16x4xf32>,
       tensor<2x4x100xf32>, tensor<2x4x100xf32>) -> tensor<2x16x100xf32>
  return %y : tensor<2x16x100xf32>
}

// Every operand goes along. An initial state takes the place of zero, and the
// final state is the state that comes out.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<?x?x?xbf16>, %[[A:[a-z0-9]+]]: tensor<?x4xf32>, %[[B:[a-z0-9]+]]: tensor<?x2x4x?xbf16>,
// CHECK-SAME: %[[C:[a-z0-9]+]]: tensor<?x4xf32>, %[[D:[a-z0-9]+]]: tensor<?xf32>, %[[H:[a-z0-9]+]]: tensor<?x?x4xf32>)
// CHECK-NOT: linalg.fill
// CHECK-DAG: %[[N:.*]] = tensor.dim %[[U]], %c0
// CHECK-DAG: %[[CH:.*]] = tensor.dim %[[U]], %c1
// CHECK-DAG: %[[L:.*]] = tensor.dim %[[U]], %c2
// CHECK: %[[Y0:.*]] = tensor.empty(%[[N]], %[[CH]], %[[L]]) : tensor<?x?x?xbf16>
// CHECK: %[[R:.*]]:2 = seqc.chunk_scan u(%[[U]]) delta(%[[U]]) A(%[[A]]) B(%[[B]]) C(%[[C]]) D(%[[D]]) z(%[[U]]) delta_bias(%[[D]])
// CHECK-SAME: outs(out %[[Y0]], state %[[H]]) delta_softplus {schedule = #seqc.schedule<tile_m = 8, splits = 2>} :
// CHECK-SAME: -> (tensor<?x?x?xbf16>, tensor<?x?x4xf32>)
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @everything(%u: tensor<?x?x?xbf16>, %A: tensor<?x4xf32>,
                      %B: tensor<?x2x4x?xbf16>, %C: tensor<?x4xf32>,
                      %D: tensor<?xf32>, %h: tensor<?x?x4xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x4xf32>) {
  %y, %last = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%C) D(%D) z(%u)
      delta_bias(%D) initial_state(%h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 8, splits = 2>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x4xf32>,
       tensor<?x2x4x?xbf16>, tensor<?x4xf32>, tensor<?xf32>,
       tensor<?x?x?xbf16>, tensor<?xf32>, tensor<?x?x4xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x4xf32>)
  return %y, %last : tensor<?x?x?xbf16>, tensor<?x?x4xf32>
}

// The state of f64 is f64; results are cast to the sizes their types know.
// CHECK-LABEL: func @casts
// CHECK: linalg.fill ins(%{{.*}} : f64) {{.*}} -> tensor<?x3x4xf64>
// CHECK: %[[R:.*]]:2 = seqc.chunk_scan {{.*}} -> (tensor<?x3x?xf64>, tensor<?x3x4xf64>)
// CHECK-DAG: tensor.cast %[[R]]#0 : tensor<?x3x?xf64> to tensor<1x3x?xf64>
// CHECK-DAG: tensor.cast %[[R]]#1 : tensor<?x3x4xf64> to tensor<1x3x4xf64>
func.func @casts(%u: tensor<?x3x?xf64>, %A: tensor<3x4xf64>)
    -> (tensor<1x3x?xf64>, tensor<1x3x4xf64>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
    : (tensor<?x3x?xf64>, tensor<?x3x?xf64>, tensor<3x4xf64>,
       tensor<3x4xf64>, tensor<3x4xf64>)
    -> (tensor<1x3x?xf64>, tensor<1x3x4xf64>)
  return %y, %h : tensor<1x3x?xf64>, tensor<1x3x4xf64>
}

// Nothing to do.
// CHECK-LABEL: func @other(
// CHECK-NEXT: seqc.attention
// CHECK-NEXT: return
func.func @other(%q: tensor<1x1x4x8xf32>) -> tensor<1x1x4x8xf32> {
  %r = seqc.attention query(%q) key(%q) value(%q)
    : (tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>)
    -> tensor<1x1x4x8xf32>
  return %r : tensor<1x1x4x8xf32>
}
