// RUN: seqc-opt %s --seqc-tile --cse | FileCheck %s

// Keys past a tile of queries: the loop is cut where the diagonal enters, and
// carries the gradient of the queries of this tile.
// CHECK-LABEL: func @query_grad
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x2x128x8xf32>, %[[K:[a-z0-9]+]]: tensor<1x2x128x8xf32>
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[I:.*]]) = (0, 0, 0) to (1, 2, 128) step (1, 1, 32) shared_outs(%[[OUT:.*]] = %{{.*}})
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<1x1x32x8xf32>
// CHECK: %[[QT:.*]] = tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0] [1, 1, 32, 8]
// CHECK: %[[NONE:.*]] = scf.for {{.*}} = %c0 to %c0 step %c64 iter_args(%{{.*}} = %[[ZEROS]])
// CHECK: %[[FULL:.*]] = scf.for %[[J:.*]] = %c0 to %[[CUT:.*]] step %c64 iter_args(%[[A:.*]] = %[[NONE]])
// CHECK: %[[KT:.*]] = tensor.extract_slice %[[K]][%[[B]], %[[H]], %[[J]], 0] [1, 1, 64, 8]
// CHECK: seqc.block_attention_backward query(%[[QT]]) key(%[[KT]]) {{.*}} offsets(%[[B]], %[[H]], %[[I]], %[[J]]) {{.*}} outs(query_grad %[[A]]) {{.*}} causal tile_class(full)
// CHECK: %[[PARTIAL:.*]] = scf.for {{.*}} = %[[CUT]] to %{{.*}} step %c64 iter_args(%{{.*}} = %[[FULL]])
// CHECK-NEXT: tensor.extract_slice
// CHECK-NEXT: seqc.block_attention_backward {{.*}} scale(1.000000e+00) causal {
// CHECK: %[[ROWS:.*]] = tensor.extract_slice %[[PARTIAL]]
// CHECK: tensor.parallel_insert_slice %[[ROWS]] into %[[OUT]][%[[B]], %[[H]], %[[I]], 0] [1, 1, 32, 8]
func.func @query_grad(%q: tensor<1x2x128x8xf32>, %k: tensor<1x2x128x8xf32>,
                      %rows: tensor<1x2x128xf32>) -> tensor<1x2x128x8xf32> {
  %c0 = arith.constant 0 : index
  %n = arith.constant 128 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x128x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x128x8xf32>) -> tensor<1x2x128x8xf32>
  %0 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(1.0) causal {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>,
       tensor<1x2x128x8xf32>, tensor<1x2x128xf32>, tensor<1x2x128xf32>,
       index, index, index, index, index, index, tensor<1x2x128x8xf32>)
    -> tensor<1x2x128x8xf32>
  return %0 : tensor<1x2x128x8xf32>
}

// Queries past a tile of keys, for the two heads of a group: the projection of
// the mask the other way. The first queries see none of the keys, then some see
// a part, and all others see all of them; two accumulators stay all the while.
// CHECK-LABEL: func @key_grad
// CHECK: scf.forall (%[[B:.*]], %[[G:.*]], %[[J:.*]]) = (0, 0, 0) to (1, 2, 128) step (1, 1, 64)
// CHECK: %[[H0:.*]] = arith.muli %[[G]], %c2
// CHECK: %[[H1:.*]] = arith.addi %[[H0]], %c2
// CHECK: %[[SUMS:.*]]:2 = scf.for %[[H:.*]] = %[[H0]] to %[[H1]] step %c1 iter_args
// CHECK: %[[KT:.*]] = tensor.extract_slice %{{.*}}[%[[B]], %[[G]], %[[J]], 0] [1, 1, 64, 8]
// CHECK: %[[PARTIAL:.*]]:2 = scf.for %[[I:.*]] = %[[FIRST:.*]] to %[[CUT:.*]] step %c32
// CHECK: seqc.block_attention_backward {{.*}} key(%[[KT]]) {{.*}} offsets(%[[B]], %[[H]], %[[I]], %[[J]]) {{.*}} scale(1.000000e+00) causal {
// CHECK: %[[FULL:.*]]:2 = scf.for %[[I:.*]] = %[[CUT]] to %{{.*}} step %c32 iter_args(%{{.*}} = %[[PARTIAL]]#0, %{{.*}} = %[[PARTIAL]]#1)
// CHECK: tile_class(full)
// CHECK: %[[LAST:.*]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %[[FULL]]#0, %{{.*}} = %[[FULL]]#1)
// CHECK: scf.yield %[[LAST]]#0, %[[LAST]]#1
// CHECK: tensor.extract_slice %[[SUMS]]#0
// CHECK: tensor.extract_slice %[[SUMS]]#1
func.func @key_grad(%q: tensor<1x4x128x8xf32>, %k: tensor<1x2x128x8xf32>,
                    %rows: tensor<1x4x128xf32>)
    -> (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>) {
  %c0 = arith.constant 0 : index
  %n = arith.constant 128 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x128x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x128x8xf32>) -> tensor<1x2x128x8xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(key_grad %z, value_grad %z)
      scale(1.0) causal {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x4x128x8xf32>, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>,
       tensor<1x4x128x8xf32>, tensor<1x4x128xf32>, tensor<1x4x128xf32>,
       index, index, index, index, index, index, tensor<1x2x128x8xf32>,
       tensor<1x2x128x8xf32>)
    -> (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>)
  return %0#0, %0#1 : tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>
}

// All three in one task for each head: the gradients of a tile of keys stay
// while the queries go by, and those of the queries are read and written in the
// share of this task. The last tiles stick out: no tile is full there.
// CHECK-LABEL: func @together
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %{{.*}}) in (1, 2, 1) shared_outs(%[[DQ:.*]] = %{{.*}}, %[[DK:.*]] = %{{.*}}, %[[DV:.*]] = %{{.*}})
// CHECK: %[[SHARE:.*]] = tensor.extract_slice %[[DQ]][%[[B]], %[[H]], 0, 0] [1, 1, 100, 8]
// CHECK: scf.for %[[J:.*]] = %c0 to %c100 step %c64 iter_args(%{{.*}} = %[[SHARE]],
// CHECK: %[[COUNT:.*]] = affine.min #{{.*}}(%[[J]])
// CHECK: %[[WHOLE:.*]] = arith.cmpi eq, %[[COUNT]], %c64
// CHECK: arith.select %[[WHOLE]]
// CHECK: scf.for %[[I:.*]] = {{.*}} step %c32 iter_args(%[[ROWS:.*]] = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (tensor<1x1x100x8xf32>, tensor<1x1x64x8xf32>, tensor<1x1x64x8xf32>)
// CHECK: tensor.extract_slice %[[ROWS]][0, 0, %[[I]], 0]
// CHECK: %[[T:.*]]:3 = seqc.block_attention_backward
// CHECK: tensor.insert_slice %{{.*}} into %[[ROWS]][0, 0, %[[I]], 0]
func.func @together(%q: tensor<1x2x100x8xf32>, %k: tensor<1x2x100x8xf32>,
                    %rows: tensor<1x2x100xf32>)
    -> (tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>) {
  %c0 = arith.constant 0 : index
  %n = arith.constant 100 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x100x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x100x8xf32>) -> tensor<1x2x100x8xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z)
      scale(1.0) {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>,
       tensor<1x2x100x8xf32>, tensor<1x2x100xf32>, tensor<1x2x100xf32>,
       index, index, index, index, index, index, tensor<1x2x100x8xf32>,
       tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>)
    -> (tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>)
  return %0#0, %0#1, %0#2
    : tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>, tensor<1x2x100x8xf32>
}

// The gradient of a bias that the batches share: they go in a loop, in the task
// of a head and of some queries; the keys go by inside.
// CHECK-LABEL: func @bias_grad
// CHECK: scf.forall (%[[H:.*]], %[[I:.*]], %{{.*}}) = (0, 0, 0) to (2, 128, 1) step (1, 32, 1) shared_outs(%[[DB:.*]] = %{{.*}})
// CHECK: %[[SHARE:.*]] = tensor.extract_slice %[[DB]][0, %[[H]], %[[I]], 0] [1, 1, 32, 128]
// CHECK: scf.for %[[B:.*]] = %c0 to %c3 step %{{.*}} iter_args(%{{.*}} = %[[SHARE]])
// CHECK: scf.for %[[J:.*]] = %c0 to %c128 step %{{.*}}
// CHECK: %[[TILE:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0, %[[J]]] [1, 1, 32, 64]
// CHECK: seqc.block_attention_backward {{.*}} offsets(%[[B]], %[[H]], %[[I]], %[[J]]) {{.*}} outs(bias_grad %[[TILE]])
func.func @bias_grad(%q: tensor<3x2x128x8xf32>, %bias: tensor<1x2x128x128xf32>,
                     %rows: tensor<3x2x128xf32>) -> tensor<1x2x128x128xf32> {
  %c0 = arith.constant 0 : index
  %n = arith.constant 128 : index
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows) bias(%bias)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(bias_grad %bias)
      scale(1.0) {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<3x2x128x8xf32>, tensor<3x2x128x8xf32>, tensor<3x2x128x8xf32>,
       tensor<3x2x128x8xf32>, tensor<3x2x128xf32>, tensor<3x2x128xf32>,
       tensor<1x2x128x128xf32>, index, index, index, index, index, index,
       tensor<1x2x128x128xf32>)
    -> tensor<1x2x128x128xf32>
  return %0 : tensor<1x2x128x128xf32>
}

// A part of the queries: what is past it is hidden as well.
// CHECK-LABEL: func @part
// CHECK: mask {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[I:.*]]: index, %{{.*}}: index):
// CHECK: arith.cmpi slt, %[[I]], %{{.*}} : index
func.func @part(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x64x8xf32>,
                %rows: tensor<1x2x?xf32>, %first: index, %n: index)
    -> tensor<1x2x64x8xf32> {
  %c0 = arith.constant 0 : index
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %first, %c0) lengths(%n, %n)
      outs(key_grad %k, value_grad %k) scale(1.0)
    : (tensor<1x2x?x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>,
       tensor<1x2x?x8xf32>, tensor<1x2x?xf32>, tensor<1x2x?xf32>,
       index, index, index, index, index, index, tensor<1x2x64x8xf32>,
       tensor<1x2x64x8xf32>)
    -> (tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>)
  return %0#0 : tensor<1x2x64x8xf32>
}

// Segments: which queries those of a tile of keys reach is found before the
// grid, and read in it.
// CHECK-LABEL: func @segments
// CHECK-SAME: %[[QS:[a-z0-9]+]]: tensor<1x128xi32>, %[[KS:[a-z0-9]+]]: tensor<1x128xi32>
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "reduction"]}
// CHECK: scf.forall (%[[B:.*]], %{{.*}}, %[[J:.*]]) =
// CHECK: tensor.extract %{{.*}}[%[[B]], %{{.*}}] : tensor<1x{{.*}}xi32>
// CHECK: scf.for
// CHECK: seqc.block_attention_backward
func.func @segments(%q: tensor<1x2x128x8xf32>, %qs: tensor<1x128xi32>,
                    %ks: tensor<1x128xi32>, %rows: tensor<1x2x128xf32>)
    -> tensor<1x2x128x8xf32> {
  %c0 = arith.constant 0 : index
  %n = arith.constant 128 : index
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows) segments(%qs, %ks)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(key_grad %q, value_grad %q) scale(1.0)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>,
       tensor<1x2x128x8xf32>, tensor<1x2x128xf32>, tensor<1x2x128xf32>,
       tensor<1x128xi32>, tensor<1x128xi32>, index, index, index, index, index,
       index, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>)
    -> (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>)
  return %0#0 : tensor<1x2x128x8xf32>
}
