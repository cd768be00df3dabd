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

func.func @together(%q: tensor<1x4x128x16xf32>, %rows: tensor<1x4x128xf32>)
    -> tensor<1x4x128x16xf32> {
  %c0 = arith.constant 0 : index
  %n = arith.constant 128 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x128x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x128x16xf32>) -> tensor<1x4x128x16xf32>
  // expected-error @+1 {{cannot be tiled for a GPU: its result #0 of 'tensor<1x4x128x16xf32>' has no tile that one task adds to alone}}
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z) scale(1.0)
    : (tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>,
       tensor<1x4x128x16xf32>, tensor<1x4x128xf32>, tensor<1x4x128xf32>,
       index, index, index, index, index, index,
       tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>)
    -> (tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>, tensor<1x4x128x16xf32>)
  return %0#0 : tensor<1x4x128x16xf32>
}
