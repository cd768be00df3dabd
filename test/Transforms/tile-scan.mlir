// RUN: seqc-opt %s --seqc-tile --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-tile --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// A tile is not tiled again.
// RUN: seqc-opt %s --seqc-tile | seqc-opt -o %t.once.mlir
// RUN: seqc-opt %t.once.mlir --seqc-tile -o %t.twice.mlir
// RUN: diff %t.once.mlir %t.twice.mlir

// STATS: seqc-tile{{$}}
// STATS-NEXT: 9 key-loops
// STATS-NEXT: 9 ops-tiled

//===----------------------------------------------------------------------===//
// chunk_scan
//===----------------------------------------------------------------------===//

// Sizes that divide: a grid over batches and channels, a loop over chunks that
// carries the output so far and the state, and nothing to pad.
// CHECK-LABEL: func @even(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<2x16x128xf32>, %[[A:[a-z0-9]+]]: tensor<16x4xf32>, %[[B:[a-z0-9]+]]: tensor<2x4x128xf32>, %[[H:[a-z0-9]+]]: tensor<2x16x4xf32>)
// CHECK: %[[R:[0-9]+]]:2 = scf.forall (%[[I:[a-z0-9]+]], %[[C:[a-z0-9]+]]) = (0, 0) to (2, 16) step (1, 8) shared_outs(%[[Y:[a-z0-9]+]] = %{{.*}}, %[[HS:[a-z0-9]+]] = %[[H]])
// CHECK-NOT: tensor.pad
// CHECK-DAG: %[[Y0:.*]] = tensor.extract_slice %[[Y]][%[[I]], %[[C]], 0] [1, 8, 128]
// CHECK-DAG: %[[H0:.*]] = tensor.extract_slice %[[H]][%[[I]], %[[C]], 0] [1, 8, 4]
// CHECK: %[[LOOP:[0-9]+]]:2 = scf.for %[[T:[a-z0-9]+]] = %c0 to %c128 step %c32 iter_args(%[[YT:[a-z0-9]+]] = %[[Y0]], %[[HT:[a-z0-9]+]] = %[[H0]]) -> (tensor<1x8x128xf32>, tensor<1x8x4xf32>)
// CHECK-DAG: tensor.extract_slice %[[U]][%[[I]], %[[C]], %[[T]]] [1, 8, 32]
// CHECK-DAG: tensor.extract_slice %[[A]][%[[C]], 0] [8, 4]
// CHECK-DAG: tensor.extract_slice %[[B]][%[[I]], 0, %[[T]]] [1, 4, 32]
// CHECK: %[[TILE:[0-9]+]]:2 = seqc.chunk_scan {{.*}} steps(%c32) outs(out %{{.*}}, state %[[HT]]) {{.*}} -> (tensor<1x8x32xf32>, tensor<1x8x4xf32>)
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[TILE]]#0 into %[[YT]][0, 0, %[[T]]] [1, 8, 32]
// CHECK: scf.yield %[[NEXT]], %[[TILE]]#1
// CHECK-DAG: tensor.parallel_insert_slice %[[LOOP]]#0 into %[[Y]][%[[I]], %[[C]], 0] [1, 8, 128]
// CHECK-DAG: tensor.parallel_insert_slice %[[LOOP]]#1 into %[[HS]][%[[I]], %[[C]], 0] [1, 8, 4]
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @even(%u: tensor<2x16x128xf32>, %A: tensor<16x4xf32>,
                %B: tensor<2x4x128xf32>, %h: tensor<2x16x4xf32>)
    -> (tensor<2x16x128xf32>, tensor<2x16x4xf32>) {
  %y = tensor.empty() : tensor<2x16x128xf32>
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      outs(out %y, state %h)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<2x16x128xf32>, tensor<2x16x128xf32>, tensor<16x4xf32>,
       tensor<2x4x128xf32>, tensor<2x4x128xf32>, tensor<2x16x128xf32>,
       tensor<2x16x4xf32>) -> (tensor<2x16x128xf32>, tensor<2x16x4xf32>)
  return %0#0, %0#1 : tensor<2x16x128xf32>, tensor<2x16x4xf32>
}

// Dynamic sizes: channels and steps are padded at the edge, and `steps` says how
// many are real. Every operand is cut along its channels or steps. A state that
// starts as zero is filled in place.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<?x?x?xbf16>, %[[A:[a-z0-9]+]]: tensor<?x4xf32>, %[[D:[a-z0-9]+]]: tensor<?xf32>)
// CHECK: scf.forall (%[[I:[a-z0-9]+]], %[[C:[a-z0-9]+]]) = (0, 0) to (%{{.*}}, %[[CH:.*]]) step (1, 8)
// CHECK: %[[COUNT:.*]] = affine.min #{{.*}}(%[[C]])[%[[CH]]]
// CHECK: %[[H0:.*]] = linalg.fill {{.*}} -> tensor<1x8x4xf32>
// CHECK: scf.for %[[T:[a-z0-9]+]] = %c0 to %[[L:.*]] step %c32 iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %[[H0]])
// CHECK: %[[LENGTH:.*]] = affine.min #{{.*}}(%[[T]])[%[[L]]]
// CHECK: tensor.extract_slice %[[U]][%[[I]], %[[C]], %[[T]]] [1, %[[COUNT]], %[[LENGTH]]]
// CHECK: tensor.extract_slice %[[A]][%[[C]], 0] [%[[COUNT]], 4]
// CHECK: tensor.extract_slice %[[D]][%[[C]]] [%[[COUNT]]]
// CHECK: : tensor<1x?x?xbf16> to tensor<1x8x32xbf16>
// CHECK: : tensor<?x4xf32> to tensor<8x4xf32>
// CHECK: : tensor<?xf32> to tensor<8xf32>
// CHECK: seqc.chunk_scan {{.*}} D(%{{.*}}) z(%{{.*}}) delta_bias(%{{.*}}) steps(%[[LENGTH]]) {{.*}} delta_softplus {{.*}} -> (tensor<1x8x32xbf16>, tensor<1x8x4xf32>)
// CHECK: tensor.extract_slice %{{.*}}#0[0, 0, 0] [1, %[[COUNT]], %[[LENGTH]]]
func.func @everything(%u: tensor<?x?x?xbf16>, %A: tensor<?x4xf32>,
                      %D: tensor<?xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %u, %c0 : tensor<?x?x?xbf16>
  %ch = tensor.dim %u, %c1 : tensor<?x?x?xbf16>
  %e = tensor.empty(%n, %ch) : tensor<?x?x4xf32>
  %h = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?x4xf32>)
      -> tensor<?x?x4xf32>
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) C(%A) D(%D) z(%u)
      delta_bias(%D) outs(out %u, state %h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x4xf32>,
       tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xf32>, tensor<?x?x?xbf16>,
       tensor<?xf32>, tensor<?x?x?xbf16>, tensor<?x?x4xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x4xf32>)
  return %0#0, %0#1 : tensor<?x?x?xbf16>, tensor<?x?x4xf32>
}

// Groups are a dimension of the grid, so that a tile has one of each: B has two
// and C has three, so there are six of two channels.
// CHECK-LABEL: func @groups(
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<2x2x4x64xf32>, %[[C:[a-z0-9]+]]: tensor<2x3x4x64xf32>,
// CHECK-DAG: %[[PER_B:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[PER_C:.*]] = arith.constant 4 : index
// CHECK: scf.forall (%[[I:[a-z0-9]+]], %[[G:[a-z0-9]+]]) in (2, 6)
// CHECK: %[[CH:.*]] = arith.muli %[[G]], %c2
// CHECK: scf.for %[[T:[a-z0-9]+]] =
// CHECK: %[[GB:.*]] = arith.divui %[[CH]], %[[PER_B]]
// CHECK: tensor.extract_slice %[[B]][%[[I]], %[[GB]], 0, %[[T]]] [1, 1, 4, 32]
// CHECK: %[[GC:.*]] = arith.divui %[[CH]], %[[PER_C]]
// CHECK: tensor.extract_slice %[[C]][%[[I]], %[[GC]], 0, %[[T]]] [1, 1, 4, 32]
func.func @groups(%u: tensor<2x12x64xf32>, %A: tensor<12x4xf32>,
                  %B: tensor<2x2x4x64xf32>, %C: tensor<2x3x4x64xf32>,
                  %h: tensor<2x12x4xf32>) -> tensor<2x12x64xf32> {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) C(%C)
      outs(out %u, state %h)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<2x12x64xf32>, tensor<2x12x64xf32>, tensor<12x4xf32>,
       tensor<2x2x4x64xf32>, tensor<2x3x4x64xf32>, tensor<2x12x64xf32>,
       tensor<2x12x4xf32>) -> (tensor<2x12x64xf32>, tensor<2x12x4xf32>)
  return %0#0 : tensor<2x12x64xf32>
}

// Groups of channels of which the number is dynamic.
// CHECK-LABEL: func @dynamic_groups(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<?x?x?xf32>
// CHECK: %[[CH:.*]] = tensor.dim %[[U]], %c1
// CHECK: %[[SIZE:.*]] = arith.divui %[[CH]], %c4
// CHECK: scf.forall (%{{.*}}, %[[G:[a-z0-9]+]], %[[C:[a-z0-9]+]]) = (0, 0, 0) to (%{{.*}}, 4, %[[SIZE]]) step (1, 1, 8)
// CHECK: affine.min #{{.*}}(%[[C]])[%[[SIZE]]]
// CHECK: %[[BASE:.*]] = arith.muli %[[G]], %[[SIZE]]
// CHECK: affine.apply #{{.*}}(%[[BASE]], %[[C]])
func.func @dynamic_groups(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>,
                          %B: tensor<?x4x4x?xf32>, %C: tensor<?x1x4x?xf32>,
                          %h: tensor<?x?x4xf32>) -> tensor<?x?x?xf32> {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) C(%C)
      outs(out %u, state %h)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x4x4x?xf32>, tensor<?x1x4x?xf32>, tensor<?x?x?xf32>,
       tensor<?x?x4xf32>) -> (tensor<?x?x?xf32>, tensor<?x?x4xf32>)
  return %0#0 : tensor<?x?x?xf32>
}

// The state and the decay of a part: no output to insert, and the steps that are
// real are counted from the operator's own.
// CHECK-LABEL: func @state_and_decay(
// CHECK-SAME: %[[STEPS:[a-z0-9]+]]: index,
// CHECK: scf.for %[[T:[a-z0-9]+]] = %c0 to %c100 step %c32 iter_args(%[[H:[a-z0-9]+]] = %{{.*}}, %[[P:[a-z0-9]+]] = %{{.*}}) -> (tensor<1x8x4xf32>, tensor<1x8x4xf32>)
// CHECK: %[[LEFT:.*]] = affine.min #{{.*}}(%[[T]])[%[[STEPS]]]
// CHECK: seqc.chunk_scan {{.*}} steps(%[[LEFT]]) outs(state %[[H]], decay %[[P]])
// CHECK-NOT: tensor.insert_slice
// CHECK: return
func.func @state_and_decay(%u: tensor<2x16x100xf32>, %A: tensor<16x4xf32>,
                           %steps: index, %h: tensor<2x16x4xf32>)
    -> (tensor<2x16x4xf32>, tensor<2x16x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) steps(%steps)
      outs(state %h, decay %h)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<2x16x100xf32>, tensor<2x16x100xf32>, tensor<16x4xf32>,
       tensor<16x4xf32>, index, tensor<2x16x4xf32>, tensor<2x16x4xf32>)
    -> (tensor<2x16x4xf32>, tensor<2x16x4xf32>)
  return %0#0, %0#1 : tensor<2x16x4xf32>, tensor<2x16x4xf32>
}

// No schedule: 16 channels and 128 steps.
// CHECK-LABEL: func @no_schedule(
// CHECK: scf.forall {{.*}} step (1, 16)
// CHECK: scf.for {{.*}} step %c128
func.func @no_schedule(%u: tensor<?x?x?xf64>, %A: tensor<?x4xf64>,
                       %h: tensor<?x?x4xf64>) -> tensor<?x?x4xf64> {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
    : (tensor<?x?x?xf64>, tensor<?x?x?xf64>, tensor<?x4xf64>,
       tensor<?x4xf64>, tensor<?x?x4xf64>) -> tensor<?x?x4xf64>
  return %0 : tensor<?x?x4xf64>
}

//===----------------------------------------------------------------------===//
// causal_conv1d
//===----------------------------------------------------------------------===//

// A chunk carries the three inputs before it; the first chunk has zeros.
// CHECK-LABEL: func @conv(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x20x100xf32>, %[[W:[a-z0-9]+]]: tensor<20x4xf32>)
// CHECK: scf.forall (%[[I:[a-z0-9]+]], %[[C:[a-z0-9]+]]) = (0, 0) to (2, 20) step (1, 8) shared_outs(%[[Y:[a-z0-9]+]] = %{{.*}})
// CHECK: %[[COUNT:.*]] = affine.min #{{.*}}(%[[C]])
// CHECK: tensor.extract_slice %[[W]][%[[C]], 0] [%[[COUNT]], 4]
// CHECK: %[[WEIGHT:.*]] = tensor.pad
// CHECK: : tensor<?x4xf32> to tensor<8x4xf32>
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<1x8x3xf32>
// CHECK: scf.for %[[T:[a-z0-9]+]] = %c0 to %c100 step %c32 iter_args(%[[YT:[a-z0-9]+]] = %{{.*}}, %[[LAST:[a-z0-9]+]] = %[[ZEROS]])
// CHECK: tensor.extract_slice %[[X]][%[[I]], %[[C]], %[[T]]] [1, %[[COUNT]], %[[LENGTH:.*]]] [1, 1, 1]
// CHECK: %out, %final_state = seqc.causal_conv1d x(%{{.*}}) weight(%[[WEIGHT]]) initial_state(%[[LAST]]) {{.*}} -> (tensor<1x8x32xf32>, tensor<1x8x3xf32>)
// CHECK: %[[CUT:.*]] = tensor.extract_slice %out[0, 0, 0] [1, %[[COUNT]], %[[LENGTH]]]
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[CUT]] into %[[YT]][0, 0, %[[T]]]
// CHECK: scf.yield %[[NEXT]], %final_state
func.func @conv(%x: tensor<2x20x100xf32>, %w: tensor<20x4xf32>)
    -> tensor<2x20x100xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<2x20x100xf32>, tensor<20x4xf32>) -> tensor<2x20x100xf32>
  return %y : tensor<2x20x100xf32>
}

// With states: the first chunk carries the initial one, and the final one is
// gathered from the inputs, or from the initial state where they are too few.
// CHECK-LABEL: func @conv_states(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?x?xf16>, %[[W:[a-z0-9]+]]: tensor<?x4xf32>, %[[B:[a-z0-9]+]]: tensor<?xf32>, %[[S:[a-z0-9]+]]: tensor<?x?x3xf16>)
// CHECK-DAG: %[[L:.*]] = tensor.dim %[[X]], %c2
// CHECK: scf.forall
// CHECK: tensor.extract_slice %[[B]]
// CHECK: tensor.extract_slice %[[S]]
// CHECK: %[[FIRST:.*]] = tensor.pad
// CHECK: : tensor<1x?x3xf16> to tensor<1x8x3xf16>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[LAST:[a-z0-9]+]] = %[[FIRST]])
// CHECK: seqc.causal_conv1d {{.*}} bias(%{{.*}}) initial_state(%[[LAST]]) activation(silu)
// CHECK: %[[FINAL:[0-9]+]] = linalg.generic
// CHECK: %[[COLUMN:.*]] = arith.addi %[[L]], %{{.*}}
// CHECK: arith.cmpi uge, %[[COLUMN]], %c3
// CHECK: tensor.extract %[[X]]
// CHECK: tensor.extract %[[S]]
// CHECK: return %{{.*}}, %[[FINAL]]
func.func @conv_states(%x: tensor<?x?x?xf16>, %w: tensor<?x4xf32>,
                       %b: tensor<?xf32>, %s: tensor<?x?x3xf16>)
    -> (tensor<?x?x?xf16>, tensor<?x?x3xf16>) {
  %y, %f = seqc.causal_conv1d x(%x) weight(%w) bias(%b) initial_state(%s)
      activation(silu) {schedule = #seqc.schedule<tile_m = 8, tile_n = 32>}
    : (tensor<?x?x?xf16>, tensor<?x4xf32>, tensor<?xf32>, tensor<?x?x3xf16>)
    -> (tensor<?x?x?xf16>, tensor<?x?x3xf16>)
  return %y, %f : tensor<?x?x?xf16>, tensor<?x?x3xf16>
}

// A filter wider than a chunk: the chunk grows, since it must hold the history
// of the next.
// CHECK-LABEL: func @conv_wide(
// CHECK: scf.for {{.*}} step %c48
// CHECK: seqc.causal_conv1d {{.*}} -> (tensor<1x8x48xf32>, tensor<1x8x39xf32>)
func.func @conv_wide(%x: tensor<2x16x?xf32>, %w: tensor<16x40xf32>)
    -> tensor<2x16x?xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 16>}
    : (tensor<2x16x?xf32>, tensor<16x40xf32>) -> tensor<2x16x?xf32>
  return %y : tensor<2x16x?xf32>
}
