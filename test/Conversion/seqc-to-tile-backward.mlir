// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-schedule{chip=sm_80},seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s

// Rows are queries. delta is where the accumulator of the second product
// starts, and the row's log-sum-exp one more term of the exponent; the keys are
// read in both orders. The scale is multiplied with at the end.
// CHECK-LABEL: tile.kernel @query_grad_0(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<1x4x?x64xbf16, strided<[?, ?, ?, 1], offset: ?>>, %[[ROWS:[a-z0-9]+]]: memref<1x4x?xf32
// CHECK-DAG: %[[NEVER:.*]] = arith.constant dense<0x7F800000> : tensor<128xf32>
// CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<1.250000e-01> : tensor<128x64xf32>
// CHECK-DAG: %[[C:.*]] = arith.constant dense<0.180336878> : tensor<128x32xf32>
// CHECK: %[[Q:.*]] = tile.load %[[X]]
// CHECK: %[[LSE:.*]] = tile.load %[[ROWS]]
// CHECK: %[[LESS:.*]] = arith.negf %[[LSE]]
// CHECK: %[[START:.*]] = tile.broadcast %[[LESS]] along 1
// CHECK: %[[NONE:.*]] = arith.cmpf oeq, %[[LSE]]
// CHECK: arith.select %[[NONE]], %[[NEVER]]
// CHECK: %[[SHIFT:.*]] = tile.broadcast {{.*}} along 1
// CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args(%[[ACC:.*]] = %{{.*}}) -> (tensor<128x64xf32>) {
// CHECK: %[[K:.*]] = tile.load %[[X]]{{.*}} -> tensor<32x64xbf16>
// CHECK: %[[S:.*]] = tile.dot %[[Q]], %[[K]], %{{.*}} transpose_b
// CHECK: %[[DP:.*]] = tile.dot %[[Q]], %[[K]], %[[START]] transpose_b
// CHECK: %[[X0:.*]] = math.fma %[[S]], %[[C]], %[[SHIFT]]
// CHECK: %[[X1:.*]] = scf.if %[[FULL:.*]] ->
// CHECK-NEXT: scf.yield %[[X0]]
// CHECK: arith.select {{.*}}, %[[X0]]
// CHECK: %[[P:.*]] = math.exp2 %[[X1]]
// CHECK: %[[E0:.*]] = arith.mulf %[[P]], %[[DP]]
// CHECK: %[[E:.*]] = scf.if %[[FULL]] ->
// CHECK-NEXT: scf.yield %[[E0]]
// CHECK: %[[SEEN:.*]] = arith.cmpf une, %[[P]]
// CHECK: arith.select %[[SEEN]], %[[E0]]
// CHECK: %[[E16:.*]] = arith.truncf %[[E]]
// CHECK: tile.dot %[[E16]], %[[K]], %[[ACC]] :
// CHECK: }
// CHECK: arith.mulf %[[SUM]], %[[SCALE]]
// CHECK: tile.store
func.func @query_grad(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(0.125) causal
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>)
    -> tensor<1x4x?x64xf32>
  return %0 : tensor<1x4x?x64xf32>
}

// Rows are keys: what belongs to a query stands in columns, and the mask asks
// from there. The gradient of values has no scale.
// CHECK-LABEL: tile.kernel @key_grad_0(
// CHECK: %[[K:.*]] = tile.load {{.*}} -> tensor<128x64xbf16>
// CHECK: %[[R:.*]]:2 = scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %c32 iter_args(%[[DK:.*]] = %{{.*}}, %[[DV:.*]] = %{{.*}})
// CHECK: %[[Q:.*]] = tile.load {{.*}} -> tensor<32x64xbf16>
// CHECK: %[[LSE:.*]] = tile.load {{.*}} -> tensor<32xf32>
// CHECK: %[[S:.*]] = tile.dot %[[K]], %[[Q]], %{{.*}} transpose_b : tensor<128x64xbf16>, tensor<32x64xbf16>, tensor<128x32xf32>
// CHECK: %[[START:.*]] = tile.broadcast {{.*}} along 0
// CHECK: %[[DP:.*]] = tile.dot %[[K]], %[[Q]], %[[START]] transpose_b
// CHECK: %[[P:.*]] = math.exp2
// CHECK: %[[P16:.*]] = arith.truncf %[[P]]
// CHECK: %[[DV1:.*]] = tile.dot %[[P16]], %[[Q]], %[[DV]] :
// CHECK: arith.mulf %[[P]], %[[DP]]
// CHECK: %[[DK1:.*]] = tile.dot %{{.*}}, %[[Q]], %[[DK]] :
// CHECK: scf.yield %[[DK1]], %[[DV1]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[R]]#0
// CHECK-NOT: arith.mulf
// CHECK: tile.store %[[SCALED]]
// CHECK: tile.store %[[R]]#1
func.func @key_grad(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(key_grad %z, value_grad %z)
      scale(0.125) causal
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  return %0#0, %0#1 : tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>
}
