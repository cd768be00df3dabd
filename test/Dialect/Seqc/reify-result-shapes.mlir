// RUN: seqc-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s

// CHECK-LABEL: func @attention
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x?x?x64xf32>, %[[K:[a-z0-9]+]]: tensor<?x2x?x64xf32>, %[[V:[a-z0-9]+]]: tensor<?x2x?x32xf32>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[B:.*]] = tensor.dim %[[Q]], %[[C0]]
// CHECK-DAG: %[[S:.*]] = tensor.dim %[[Q]], %[[C2]]
// CHECK: return %[[B]], %[[S]]
func.func @attention(%q: tensor<?x?x?x64xf32>, %k: tensor<?x2x?x64xf32>,
                     %v: tensor<?x2x?x32xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %r, %lse = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<?x?x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x32xf32>)
      -> (tensor<?x?x?x32xf32>, tensor<?x?x?xf32>)
  %b = tensor.dim %r, %c0 : tensor<?x?x?x32xf32>
  %s = tensor.dim %lse, %c2 : tensor<?x?x?xf32>
  return %b, %s : index, index
}

// CHECK-LABEL: func @scan
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<?x?x?xf32>
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[L:.*]] = tensor.dim %[[U]], %[[C2]]
// CHECK-DAG: %[[D:.*]] = tensor.dim %[[U]], %[[C1]]
// CHECK: return %[[L]], %[[D]]
func.func @scan(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>) -> (index, index) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
      : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
         tensor<?x4xf32>, tensor<?x4xf32>)
      -> (tensor<?x?x?xf32>, tensor<?x?x4xf32>)
  %l = tensor.dim %y, %c2 : tensor<?x?x?xf32>
  %d = tensor.dim %h, %c1 : tensor<?x?x4xf32>
  return %l, %d : index, index
}

// The state's width is known even where its type hides it.
// CHECK-LABEL: func @conv
// CHECK: %[[C3:.*]] = arith.constant 3 : index
// CHECK: return %[[C3]]
func.func @conv(%x: tensor<?x?x?xf32>, %w: tensor<?x4xf32>) -> index {
  %c2 = arith.constant 2 : index
  %y, %h = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<?x?x?xf32>, tensor<?x4xf32>)
      -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>)
  %n = tensor.dim %h, %c2 : tensor<?x?x?xf32>
  return %n : index
}
