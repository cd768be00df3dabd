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

// All three: the probabilities once, and dS^T for two products. That of queries
// has head_dim as its rows, which 4 warps share, from what the threads have of
// dS^T and from the keys, both inner x rows. It is added to what other blocks
// have added, whole, in an order of its own; that is a buffer without gaps. The
// scale is in dP and delta, and in no sum.
// CHECK-LABEL: tile.kernel @together_0(
// CHECK-SAME: memref<2x?x?x64xf32, strided<[?, ?, 64, 1], offset: ?>>
// CHECK-SAME: index, %[[G:[a-z0-9]+]]: index, %[[B:[a-z0-9]+]]: index) attributes
// CHECK-DAG: %[[ZEROS:.*]] = arith.constant dense<0.000000e+00> : tensor<64x64xf32>
// CHECK-DAG: %[[LESS:.*]] = arith.constant dense<-1.250000e-01> : tensor<64xf32>
// CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<1.250000e-01> : tensor<64x64xf32>
// CHECK: %[[FIRST:.*]] = arith.muli %[[G]], %
// CHECK: %[[K:.*]] = tile.load %{{.*}}[%[[B]], %[[G]],
// CHECK: scf.for {{.*}} iter_args(%[[DK:.*]] = %[[ZEROS]], %[[DV:.*]] = %[[ZEROS]])
// CHECK: %[[Q:.*]] = tile.load %{{.*}}[%[[B]], %{{.*}}, %[[I:.*]], %c0]
// CHECK: %[[ROWS:.*]] = tile.load {{.*}} -> tensor<64xf32>
// CHECK: %[[DP:.*]] = tile.dot %[[K]], %[[Q]], %[[ZEROS]] transpose_b
// CHECK: %[[DELTA:.*]] = arith.mulf %[[ROWS]], %[[LESS]]
// CHECK: %[[DOWN:.*]] = tile.broadcast %[[DELTA]] along 0
// CHECK: %[[SCALED:.*]] = math.fma %[[DP]], %[[SCALE]], %[[DOWN]]
// CHECK: %[[P:.*]] = math.exp2
// CHECK-NOT: math.exp2
// CHECK: %[[P16:.*]] = arith.truncf %[[P]]
// CHECK: %[[DV1:.*]] = tile.dot %[[P16]], %[[Q]], %[[DV]] :
// CHECK: arith.mulf %[[P]], %[[SCALED]]
// CHECK: %[[E:.*]] = arith.truncf
// CHECK: %[[DQ:.*]] = tile.dot %[[K]], %[[E]], %[[ZEROS]] transpose_a : tensor<64x64xbf16>,
// CHECK: %[[DK1:.*]] = tile.dot %[[E]], %[[Q]], %[[DK]] :
// CHECK: %[[H:.*]] = arith.addi %[[FIRST]], %
// CHECK: tile.store %[[DQ]], %{{.*}}[%[[B]], %[[H]], %[[I]], %c0] dims [3, 2] inside [0, 1] add packed :
// CHECK: scf.yield %[[DK1]], %[[DV1]]
// CHECK-NOT: arith.mulf
// CHECK: tile.return
//
// What rounds the sums reads the tiles as they were added.
// CHECK-LABEL: tile.kernel @together_0_round(
// CHECK-SAME: %[[SUMS:[a-z0-9]+]]: memref<2x?x?x64xf32, strided<[?, ?, 64, 1], offset: ?>>, %[[TO:[a-z0-9]+]]: memref<2x?x?x64xbf16, strided<[?, ?, ?, 1], offset: ?>>, %[[X:.*]]: index, %[[H:.*]]: index, %[[B:.*]]: index)
// CHECK-SAME: warps = 4
// CHECK: %[[ROW:.*]] = arith.muli %[[X]], %c64
// CHECK: %[[SUM:.*]] = tile.load %[[SUMS]][%[[B]], %[[H]], %[[ROW]], %c0] dims [3, 2] inside [0, 1] packed : {{.*}} -> tensor<64x64xf32>
// CHECK: %[[ROUNDED:.*]] = arith.truncf %[[SUM]]
// CHECK: tile.store %[[ROUNDED]], %[[TO]][%[[B]], %[[H]], %[[ROW]], %c0] dims [3, 2] :
//
// CHECK-LABEL: func.func @together(
// CHECK-SAME: %[[HEADS:[a-z0-9]+]]: index, %[[SQ:[a-z0-9]+]]: index, %[[SK:[a-z0-9]+]]: index)
// CHECK: %[[ZERO:.*]] = tile.launch @together_1
// CHECK: %[[R:.*]]:3 = tile.launch @together_0 {{.*}} outs(%[[ZERO]], %
// CHECK: %[[BLOCKS:.*]] = affine.apply #{{.*}}()[%[[SQ]]]
// CHECK: %[[OUT:.*]] = tensor.empty(%[[HEADS]], %[[SQ]]) : tensor<2x?x?x64xbf16>
// CHECK: %[[D:.*]] = tile.launch @together_0_round grid(%[[BLOCKS]], %[[HEADS]], %c2) ins(%[[R]]#0 : tensor<2x?x?x64xf32>) outs(%[[OUT]]
// CHECK: return %[[D]], %[[R]]#1, %[[R]]#2
func.func @together(%q: tensor<2x?x?x64xbf16>, %k: tensor<2x2x?x64xbf16>,
                    %rows: tensor<2x?x?xf32>, %heads: index, %sq: index, %sk: index)
    -> (tensor<2x?x?x64xbf16>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty(%heads, %sq) : tensor<2x?x?x64xf32>
  %zq = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x?x?x64xf32>) -> tensor<2x?x?x64xf32>
  %e = tensor.empty(%sk) : tensor<2x2x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2x?x64xf32>) -> tensor<2x2x?x64xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk)
      outs(query_grad %zq, key_grad %z, value_grad %z) scale(0.125) causal
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<2x?x?x64xbf16>, tensor<2x2x?x64xbf16>, tensor<2x2x?x64xbf16>,
       tensor<2x?x?x64xbf16>, tensor<2x?x?xf32>, tensor<2x?x?xf32>,
       index, index, index, index, index, index,
       tensor<2x?x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
    -> (tensor<2x?x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
  %r = tensor.empty(%heads, %sq) : tensor<2x?x?x64xbf16>
  %1 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                        affine_map<(a, b, c, d) -> (a, b, c, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0#0 : tensor<2x?x?x64xf32>) outs(%r : tensor<2x?x?x64xbf16>) {
  ^bb0(%in: f32, %out: bf16):
    %t = arith.truncf %in : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<2x?x?x64xbf16>
  return %1, %0#1, %0#2
      : tensor<2x?x?x64xbf16>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>
}

// Where warps cannot share head_dim, they share the queries: dS^T is what is
// inner x rows.
// CHECK-LABEL: tile.kernel @narrow_0(
// CHECK: %[[K:.*]] = tile.load {{.*}} -> tensor<64x16xbf16>
// CHECK: %[[E:.*]] = arith.truncf
// CHECK: %[[E:.*]] = arith.truncf
// CHECK: %[[DQ:.*]] = tile.dot %[[E]], %[[K]], %{{.*}} transpose_a : tensor<64x64xbf16>, tensor<64x16xbf16>, tensor<64x16xf32>
// CHECK: tile.store %[[DQ]], {{.*}} inside [0, 1] add packed : tensor<64x16xf32>
// CHECK-LABEL: tile.kernel @narrow_0_round(
// CHECK: tile.load {{.*}} inside [0, 1] packed : {{.*}} -> tensor<64x16xf32>
func.func @narrow(%q: tensor<2x?x?x16xbf16>, %k: tensor<2x2x?x16xbf16>,
                    %rows: tensor<2x?x?xf32>, %heads: index, %sq: index, %sk: index)
    -> (tensor<2x?x?x16xbf16>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty(%heads, %sq) : tensor<2x?x?x16xf32>
  %zq = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x?x?x16xf32>) -> tensor<2x?x?x16xf32>
  %e = tensor.empty(%sk) : tensor<2x2x?x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2x?x16xf32>) -> tensor<2x2x?x16xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk)
      outs(query_grad %zq, key_grad %z, value_grad %z) scale(0.125) causal
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 64, warps = 4>}
    : (tensor<2x?x?x16xbf16>, tensor<2x2x?x16xbf16>, tensor<2x2x?x16xbf16>,
       tensor<2x?x?x16xbf16>, tensor<2x?x?xf32>, tensor<2x?x?xf32>,
       index, index, index, index, index, index,
       tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
    -> (tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
  %r = tensor.empty(%heads, %sq) : tensor<2x?x?x16xbf16>
  %1 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                        affine_map<(a, b, c, d) -> (a, b, c, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0#0 : tensor<2x?x?x16xf32>) outs(%r : tensor<2x?x?x16xbf16>) {
  ^bb0(%in: f32, %out: bf16):
    %t = arith.truncf %in : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<2x?x?x16xbf16>
  return %1, %0#1, %0#2
      : tensor<2x?x?x16xbf16>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>
}
