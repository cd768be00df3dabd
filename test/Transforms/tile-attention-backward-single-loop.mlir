// RUN: seqc-opt %s --split-input-file --verify-diagnostics --seqc-tile=single-loop --cse | FileCheck %s

// The form for GPUs. One loop goes over the tiles of queries of all heads of a
// group: head and tile are quotient and remainder of the iteration's number.
// What is read does not depend on the class of the tile. The gradients, which
// are only rounded, leave in the type of the result.
//
// CHECK-LABEL: func @key_grad
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x?x?x16xbf16>, %[[K:[a-z0-9]+]]: tensor<1x?x?x16xbf16>
// CHECK: %[[EMPTY:.*]] = tensor.empty({{.*}}) : tensor<1x?x?x16xbf16>
// CHECK: scf.forall (%[[B:.*]], %[[G:.*]], %[[J:.*]]) = {{.*}} shared_outs(%{{.*}} = %[[EMPTY]], %{{.*}} = %[[EMPTY]])
// CHECK: %[[FIRST:.*]] = arith.muli %[[G]], %[[GROUP:.*]] : index
// CHECK: tensor.extract_slice %[[K]][%[[B]], %[[G]], %[[J]], 0]
// CHECK: %[[TILES:.*]] = arith.divui %{{.*}}, %c32
// CHECK: %[[COUNT:.*]] = arith.maxsi %[[TILES]], %c1
// CHECK: %[[ALL:.*]] = arith.muli %[[TILES]], %[[GROUP]]
// CHECK: %[[SUMS:.*]]:2 = scf.for %[[N:.*]] = %c0 to %[[ALL]] step %c1
// CHECK: %[[INGROUP:.*]] = arith.divui %[[N]], %[[COUNT]]
// CHECK: %[[INHEAD:.*]] = arith.remui %[[N]], %[[COUNT]]
// CHECK: %[[H:.*]] = arith.addi %[[FIRST]], %[[INGROUP]]
// CHECK: %[[PASSED:.*]] = arith.muli %[[INHEAD]], %c32
// CHECK: %[[I:.*]] = arith.addi %{{.*}}, %[[PASSED]]
// CHECK: %[[FULL:.*]] = arith.andi
// CHECK: tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0]
// CHECK: scf.if %[[FULL]]
// CHECK-NEXT: seqc.block_attention_backward {{.*}} causal tile_class(full)
// CHECK: } else {
// CHECK-NEXT: seqc.block_attention_backward {{.*}} scale(1.000000e+00) causal {
// CHECK: arith.truncf %[[SUMS]]#0 : tensor<1x1x64x16xf32> to tensor<1x1x64x16xbf16>
// CHECK: arith.truncf %[[SUMS]]#1
// CHECK: {seqc.grid}
// CHECK-NOT: linalg.generic
func.func @key_grad(%q: tensor<1x?x?x16xbf16>, %k: tensor<1x?x?x16xbf16>,
                    %rows: tensor<1x?x?xf32>)
    -> (tensor<1x?x?x16xbf16>, tensor<1x?x?x16xbf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %heads = tensor.dim %k, %c1 : tensor<1x?x?x16xbf16>
  %sq = tensor.dim %q, %c2 : tensor<1x?x?x16xbf16>
  %sk = tensor.dim %k, %c2 : tensor<1x?x?x16xbf16>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%heads, %sk) : tensor<1x?x?x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x?x?x16xf32>) -> tensor<1x?x?x16xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk) outs(key_grad %z, value_grad %z)
      scale(1.0) causal {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x?x?x16xbf16>, tensor<1x?x?x16xbf16>, tensor<1x?x?x16xbf16>,
       tensor<1x?x?x16xbf16>, tensor<1x?x?xf32>, tensor<1x?x?xf32>,
       index, index, index, index, index, index,
       tensor<1x?x?x16xf32>, tensor<1x?x?x16xf32>)
    -> (tensor<1x?x?x16xf32>, tensor<1x?x?x16xf32>)
  %r = tensor.empty(%heads, %sk) : tensor<1x?x?x16xbf16>
  %1 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                        affine_map<(a, b, c, d) -> (a, b, c, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0#0 : tensor<1x?x?x16xf32>) outs(%r : tensor<1x?x?x16xbf16>) {
  ^bb0(%in: f32, %out: bf16):
    %t = arith.truncf %in : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<1x?x?x16xbf16>
  %2 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                        affine_map<(a, b, c, d) -> (a, b, c, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0#1 : tensor<1x?x?x16xf32>) outs(%r : tensor<1x?x?x16xbf16>) {
  ^bb0(%in: f32, %out: bf16):
    %t = arith.truncf %in : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<1x?x?x16xbf16>
  return %1, %2 : tensor<1x?x?x16xbf16>, tensor<1x?x?x16xbf16>
}

// -----

// A mask of its own for each head: each tile is asked whether it is empty.
// CHECK-LABEL: func @of_heads
// CHECK: scf.for
// CHECK: %[[EMPTY:.*]] = {{.*}} : i1
// CHECK: scf.if %{{.*}} -> (tensor<1x1x64x16xf32>, tensor<1x1x64x16xf32>) {
// CHECK-NEXT: scf.yield
// CHECK-NEXT: } else {
// CHECK: scf.if
// CHECK-NEXT: seqc.block_attention_backward {{.*}} tile_class(full)
func.func @of_heads(%q: tensor<1x4x?x16xf32>, %k: tensor<1x2x?x16xf32>,
                    %rows: tensor<1x4x?xf32>, %sq: index, %sk: index)
    -> (tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%sk) : tensor<1x2x?x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x?x16xf32>) -> tensor<1x2x?x16xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk) outs(key_grad %z, value_grad %z)
      scale(1.0) mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %c100 = arith.constant 100 : index
        %far = arith.muli %h, %c100 : index
        %end = arith.addi %i, %far : index
        %seen = arith.cmpi sle, %j, %end : index
        seqc.yield %seen : i1
      } {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<1x4x?x16xf32>, tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
       tensor<1x4x?x16xf32>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index,
       tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>)
    -> (tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>)
  return %0#0, %0#1 : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>
}

// -----

// A tile of pairs for each task: queries and keys are in the grid, next to the
// heads that the bias has. One loop goes over the batches that share it, and
// over none where the mask hides the tile.
// CHECK-LABEL: func @pairs
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x4x?x16xf32>
// CHECK: %[[BATCH:.*]] = tensor.dim %[[Q]], %c0
// CHECK: scf.forall (%[[H:.*]], %[[I:.*]], %[[J:.*]]) = (0, 0, 0) to (4, %{{.*}}, %{{.*}}) step (1, 32, 64)
// CHECK: %[[COUNT:.*]] = arith.select %{{.*}}, %c0, %[[BATCH]] : index
// CHECK: %[[SUM:.*]] = scf.for %[[B:.*]] = %c0 to %[[COUNT]] step %c1 iter_args({{.*}}) -> (tensor<1x1x32x64xf32>)
// CHECK: tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0]
// CHECK: scf.if
// CHECK-NEXT: seqc.block_attention_backward {{.*}} outs(bias_grad %{{.*}}) {{.*}} causal tile_class(full)
// CHECK: } else {
// CHECK-NEXT: seqc.block_attention_backward {{.*}} outs(bias_grad %{{.*}}) {{.*}} causal {
// CHECK: tensor.parallel_insert_slice {{.*}}[0, %[[H]], %[[I]], %[[J]]]
func.func @pairs(%q: tensor<?x4x?x16xf32>, %rows: tensor<?x4x?xf32>,
                 %bias: tensor<1x4x?x?xf32>, %n: index) -> tensor<1x4x?x?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%n, %n) : tensor<1x4x?x?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows) bias(%bias)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(bias_grad %z) scale(1.0) causal
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>,
       tensor<?x4x?x16xf32>, tensor<?x4x?xf32>, tensor<?x4x?xf32>,
       tensor<1x4x?x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x?xf32>)
    -> tensor<1x4x?x?xf32>
  return %0 : tensor<1x4x?x?xf32>
}

// -----

// Batch and heads share the tile: their numbers are quotient and remainder.
// CHECK-LABEL: func @all_share
// CHECK: scf.forall (%{{.*}}, %[[I:.*]], %[[J:.*]]) = (0, 0, 0) to (1, %{{.*}}, %{{.*}}) step (1, 32, 64)
// CHECK: %[[ALL:.*]] = arith.muli
// CHECK: scf.for %[[N:.*]] = %c0 to %[[ALL]] step %c1
// CHECK: %[[HEADS:.*]] = arith.maxsi %{{.*}}, %c1
// CHECK: %[[B:.*]] = arith.divui %[[N]], %[[HEADS]] : index
// CHECK: %[[H:.*]] = arith.remui %[[N]], %[[HEADS]] : index
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[H]], %[[I]], 0]
// CHECK: seqc.block_attention_backward {{.*}} outs(captured_grad
func.func @all_share(%q: tensor<?x?x?x16xf32>, %rows: tensor<?x?x?xf32>,
                     %t: tensor<?x?xf32>, %n: index) -> tensor<1x1x?x?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%n, %n) : tensor<1x1x?x?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x?x?xf32>) -> tensor<1x1x?x?xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(captured_grad %z) scale(1.0)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %one = arith.constant 1.0 : f32
        %x = tensor.extract %t[%i, %j] : tensor<?x?xf32>
        %y = arith.addf %s, %x : f32
        seqc.yield %y, %one, %one : f32, f32, f32
      }
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>, tensor<?x?x?x16xf32>,
       tensor<?x?x?x16xf32>, tensor<?x?x?xf32>, tensor<?x?x?xf32>,
       index, index, index, index, index, index, tensor<1x1x?x?xf32>)
    -> tensor<1x1x?x?xf32>
  return %0 : tensor<1x1x?x?xf32>
}

// -----

// All three gradients: tasks are tiles of keys of a key head. A task has a sum of
// its own for all queries, whole tiles of them, from which a tile is taken and to
// which it goes back; those of all tasks are added. What was added behind the
// last query is cut off.
// CHECK-LABEL: func @together
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x?x?x16xbf16>, %[[K:[a-z0-9]+]]: tensor<2x2x?x16xbf16>
// CHECK: %[[SQ:.*]] = tensor.dim %[[Q]], %c2
// CHECK: %[[SK:.*]] = tensor.dim %[[K]], %c2
// CHECK: %[[WHOLE:.*]] = affine.apply #{{.*}}()[%[[SQ]]]
// CHECK: %[[GROUP:.*]] = arith.divui
// CHECK: %[[PADDED:.*]] = tensor.empty(%{{.*}}, %[[WHOLE]]) : tensor<2x?x?x16xf32>
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} outs(%[[PADDED]]
// CHECK: %[[R:.*]]:3 = scf.forall (%[[B:.*]], %[[G:.*]], %[[J:.*]]) = (0, 0, 0) to (2, 2, %[[SK]]) step (1, 1, 64) shared_outs(%[[ALL:.*]] = %[[ZEROS]], %[[DK:.*]] = %{{.*}}, %[[DV:.*]] = %{{.*}})
// CHECK: %[[FIRST:.*]] = arith.muli %[[G]], %[[GROUP]]
// CHECK: %[[OWN:.*]] = tensor.empty(%[[GROUP]], %[[WHOLE]]) : tensor<1x?x?x16xf32>
// CHECK: %[[NONE:.*]] = linalg.fill {{.*}} outs(%[[OWN]]
// CHECK: %[[SUMS:.*]]:3 = scf.for {{.*}} iter_args(%[[SUM:.*]] = %[[NONE]], {{.*}} -> (tensor<1x?x?x16xf32>, tensor<1x1x64x16xf32>, tensor<1x1x64x16xf32>)
// CHECK: %[[H:.*]] = arith.addi %[[FIRST]], %
// CHECK: %[[I:.*]] = arith.addi
// CHECK: %[[INGROUP:.*]] = affine.apply #{{.*}}(%[[H]], %[[FIRST]])
// CHECK: %[[TILE:.*]] = tensor.extract_slice %[[SUM]][0, %[[INGROUP]], %[[I]], 0] [1, 1, 32, 16]
// CHECK: tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0]
// CHECK: %[[NOW:.*]]:3 = scf.if
// CHECK-NEXT: seqc.block_attention_backward {{.*}} outs(query_grad %[[TILE]], key_grad %{{.*}}, value_grad %{{.*}}) {{.*}} tile_class(full)
// CHECK: } else {
// CHECK-NEXT: seqc.block_attention_backward {{.*}} outs(query_grad %[[TILE]],
// CHECK: %[[BACK:.*]] = tensor.extract_slice %[[NOW]]#0[0, 0, 0, 0] [1, 1, 32, 16]
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[BACK]] into %[[SUM]][0, %[[INGROUP]], %[[I]], 0] [1, 1, 32, 16]
// CHECK: scf.yield %[[NEXT]], %[[NOW]]#1, %[[NOW]]#2
// CHECK: scf.forall.in_parallel {
// CHECK-NEXT: seqc.parallel_add %[[SUMS]]#0 into %[[ALL]][%[[B]], %[[FIRST]], %c0, %c0] : tensor<1x?x?x16xf32> into tensor<2x?x?x16xf32>
// CHECK-NEXT: tensor.parallel_insert_slice %{{.*}} into %[[DK]][%[[B]], %[[G]], %[[J]], 0]
// CHECK-NEXT: tensor.parallel_insert_slice %{{.*}} into %[[DV]][%[[B]], %[[G]], %[[J]], 0]
// CHECK: {seqc.grid}
// CHECK: %[[ROWS:.*]] = tensor.dim %{{.*}}, %c2
// CHECK: %[[DQ:.*]] = tensor.extract_slice %[[R]]#0[0, 0, 0, 0] [2, %{{.*}}, %[[ROWS]], 16]
// CHECK: return %[[DQ]], %[[R]]#1, %[[R]]#2
func.func @together(%q: tensor<2x?x?x16xbf16>, %k: tensor<2x2x?x16xbf16>,
                    %rows: tensor<2x?x?xf32>, %heads: index, %sq: index, %sk: index)
    -> (tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty(%heads, %sq) : tensor<2x?x?x16xf32>
  %zq = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x?x?x16xf32>) -> tensor<2x?x?x16xf32>
  %e = tensor.empty(%sk) : tensor<2x2x?x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2x?x16xf32>) -> tensor<2x2x?x16xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%k) value(%k)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk)
      outs(query_grad %zq, key_grad %z, value_grad %z) scale(1.0)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
    : (tensor<2x?x?x16xbf16>, tensor<2x2x?x16xbf16>, tensor<2x2x?x16xbf16>,
       tensor<2x?x?x16xbf16>, tensor<2x?x?xf32>, tensor<2x?x?xf32>,
       index, index, index, index, index, index,
       tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
    -> (tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
  return %0#0, %0#1, %0#2
      : tensor<2x?x?x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>
}
