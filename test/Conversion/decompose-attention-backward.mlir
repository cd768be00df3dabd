// RUN: seqc-opt %s --seqc-decompose --canonicalize --cse | FileCheck %s

// The gradient of queries, of a tile that is full: two products recompute what
// the forward had, and one is the gradient. In base 2: the scale has log2(e) in
// it. A row with lse = -inf is shifted by +inf.
// CHECK-LABEL: func @query_grad
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[HIGHEST:.*]] = arith.constant 0x7F800000 : f32
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.44269502 : f32
// CHECK-DAG: %[[SCALED:.*]] = arith.constant 0.72134751 : f32
// CHECK-DAG: %[[SCALE:.*]] = arith.constant 5.000000e-01 : f32
// CHECK: arith.mulf %{{.*}}, %[[SCALED]] : f32
// CHECK: %[[S:.*]] = linalg.matmul {{.*}} -> tensor<16x32xf32>
// CHECK: arith.cmpf oeq, %{{.*}}, %[[LOWEST]] : f32
// CHECK: arith.mulf %{{.*}}, %[[LOG2E]] : f32
// CHECK: arith.select %{{.*}}, %[[HIGHEST]], %{{.*}} : f32
// CHECK: %[[P:.*]] = linalg.generic {{.*}} outs(%[[S]] : tensor<16x32xf32>)
// CHECK: arith.subf
// CHECK: math.exp2
// CHECK: %[[DP:.*]] = linalg.matmul {{.*}} -> tensor<16x32xf32>
// CHECK: %[[DS:.*]] = linalg.generic {{.*}} ins(%[[P]], %{{.*}} : tensor<16x32xf32>, tensor<16xf32>) outs(%[[DP]] : tensor<16x32xf32>)
// CHECK: arith.subf
// CHECK: arith.mulf
// CHECK: arith.mulf %{{.*}}, %[[SCALE]] : f32
// CHECK-NOT: arith.select
// CHECK: linalg.matmul ins(%[[DS]], %{{.*}} : tensor<16x32xf32>, tensor<32x8xf32>) outs(%{{.*}} : tensor<16x8xf32>)
// CHECK-NOT: linalg.matmul
func.func @query_grad(%q: tensor<1x1x16x8xf32>, %k: tensor<1x1x32x8xf32>,
                      %v: tensor<1x1x32x4xf32>, %do: tensor<1x1x16x4xf32>,
                      %rows: tensor<1x1x16xf32>, %i: index,
                      %dq: tensor<1x1x16x8xf32>) -> tensor<1x1x16x8xf32> {
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%rows) delta(%rows)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(query_grad %dq)
      scale(0.5) causal tile_class(full)
    : (tensor<1x1x16x8xf32>, tensor<1x1x32x8xf32>, tensor<1x1x32x4xf32>,
       tensor<1x1x16x4xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>,
       index, index, index, index, index, index, tensor<1x1x16x8xf32>)
    -> tensor<1x1x16x8xf32>
  return %0 : tensor<1x1x16x8xf32>
}

// Those of keys and values, with a score region, dropout and a mask: the
// probability and the derivative come out of one operator; queries past the
// last one are hidden, since the sum goes over queries; and where a probability
// is 0 so is the gradient of the score.
// CHECK-LABEL: func @key_grad
// CHECK-SAME: %[[SQ:[a-z0-9]+]]: index, %[[SK:[a-z0-9]+]]: index
// CHECK: %[[W:.*]]:2 = linalg.generic
// CHECK: math.tanh
// CHECK: %[[INSIDE:.*]] = arith.cmpi slt, %{{.*}}, %[[SK]] : index
// CHECK: %[[ROW:.*]] = arith.cmpi slt, %{{.*}}, %[[SQ]] : index
// CHECK: arith.select
// CHECK: %[[P:.*]] = math.exp2
// CHECK: linalg.yield %[[P]], %{{.*}} : f32, f32
// CHECK: %[[KEEP:.*]] = linalg.generic
// CHECK: arith.xori
// CHECK: %[[KEPT:.*]] = linalg.generic {{.*}} ins(%[[W]]#0, %[[KEEP]] :
// CHECK: %[[DV:.*]] = linalg.generic {{.*}}["parallel", "parallel", "reduction"]} ins(%[[KEPT]], %{{.*}} : tensor<16x32xf32>, tensor<16x4xf32>) outs(%{{.*}} : tensor<32x4xf32>)
// CHECK: %[[DS:.*]] = linalg.generic {{.*}} ins(%[[W]]#0, %{{.*}}, %[[KEEP]], %[[W]]#1 :
// CHECK: arith.cmpf une
// CHECK: arith.select
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "reduction"]} ins(%[[DS]], %{{.*}} : tensor<16x32xf32>, tensor<16x8xf32>) outs(%{{.*}} : tensor<32x8xf32>)
func.func @key_grad(%q: tensor<1x1x16x8xf32>, %k: tensor<1x1x32x8xf32>,
                    %v: tensor<1x1x32x4xf32>, %do: tensor<1x1x16x4xf32>,
                    %rows: tensor<1x1x16xf32>, %sq: index, %sk: index,
                    %seed: i64, %i: index, %dk: tensor<1x1x32x8xf32>,
                    %dv: tensor<1x1x32x4xf32>)
    -> (tensor<1x1x32x8xf32>, tensor<1x1x32x4xf32>) {
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%v)
      out_grad(%do) lse(%rows) delta(%rows) dropout(0.5, %seed)
      offsets(%i, %i, %i, %i) lengths(%sq, %sk)
      outs(key_grad %dk, value_grad %dv) scale(0.5) score {
      ^bb0(%s: f32, %b: index, %h: index, %m: index, %n: index):
        %t = math.tanh %s : f32
        %d = arith.mulf %t, %t : f32
        seqc.yield %t, %d : f32, f32
      }
    : (tensor<1x1x16x8xf32>, tensor<1x1x32x8xf32>, tensor<1x1x32x4xf32>,
       tensor<1x1x16x4xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>, i64,
       index, index, index, index, index, index, tensor<1x1x32x8xf32>,
       tensor<1x1x32x4xf32>)
    -> (tensor<1x1x32x8xf32>, tensor<1x1x32x4xf32>)
  return %0#0, %0#1 : tensor<1x1x32x8xf32>, tensor<1x1x32x4xf32>
}

// A bias of one row: its gradient sums the queries.
// CHECK-LABEL: func @bias_grad
// CHECK: linalg.generic {{.*}}["reduction", "parallel"]} ins(%{{.*}} : tensor<16x32xf32>) outs(%{{.*}} : tensor<32xf32>)
func.func @bias_grad(%q: tensor<1x1x16x8xf32>, %k: tensor<1x1x32x8xf32>,
                     %rows: tensor<1x1x16xf32>, %bias: tensor<1x1x1x32xf32>,
                     %i: index) -> tensor<1x1x1x32xf32> {
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows) bias(%bias)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(bias_grad %bias) scale(0.5)
    : (tensor<1x1x16x8xf32>, tensor<1x1x32x8xf32>, tensor<1x1x32x8xf32>,
       tensor<1x1x16x8xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>,
       tensor<1x1x1x32xf32>, index, index, index, index, index, index,
       tensor<1x1x1x32xf32>)
    -> tensor<1x1x1x32xf32>
  return %0 : tensor<1x1x1x32xf32>
}
