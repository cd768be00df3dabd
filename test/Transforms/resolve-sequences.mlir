// RUN: seqc-opt %s --seqc-resolve-sequences --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-resolve-sequences --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: seqc-opt %s --seqc-resolve-sequences --seqc-expand-state --seqc-split-reduction=splits=4 --seqc-tile --seqc-collapse-grid | FileCheck %s --check-prefix=GRID

// STATS: seqc-resolve-sequences
// STATS-NEXT: 3 operators-turned
// STATS-NEXT: 2 operators-unpacked

// Operands and results with steps are views; B, constant here, and the state
// are what they were, also where the state is the same value as an input.
// CHECK-LABEL: func @reverse(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<?x8x4xf32>, %[[M:[a-z0-9]+]]: tensor<8x4xf32>
// CHECK: %[[V:.*]] = tensor.extract_slice %[[U]][0, 0, 3] [%[[B:.*]], 8, 4] [1, 1, -1]
// CHECK: %[[O:.*]], %[[H:.*]] = seqc.selective_scan u(%[[V]]) delta(%[[V]]) A(%[[M]]) B(%[[M]]) C(%[[M]]) initial_state(%[[U]]) :
// CHECK: %[[E:.*]] = tensor.empty(%[[B]])
// CHECK: %[[Y:.*]] = tensor.insert_slice %[[O]] into %[[E]][0, 0, 3] [%[[B]], 8, 4] [1, 1, -1]
// CHECK: return %[[Y]], %[[H]]
func.func @reverse(%u: tensor<?x8x4xf32>, %m: tensor<8x4xf32>)
    -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%m) B(%m) C(%m)
      initial_state(%u) reverse
      : (tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<8x4xf32>,
         tensor<8x4xf32>, tensor<8x4xf32>, tensor<?x8x4xf32>)
      -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>)
  return %y, %h : tensor<?x8x4xf32>, tensor<?x8x4xf32>
}

// Gradients of what has steps have them in the same order.
// CHECK-LABEL: func @reverse_backward(
// CHECK: seqc.selective_scan_backward
// CHECK-NOT: reverse
// CHECK-COUNT-4: tensor.insert_slice
// CHECK-NOT: tensor.insert_slice
func.func @reverse_backward(%u: tensor<1x8x?xf32>, %A: tensor<8x4xf32>,
                            %B: tensor<1x4x?xf32>)
    -> (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
        tensor<1x4x?xf32>, tensor<1x4x?xf32>) {
  %r:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B)
      out_grad(%u) reverse
      : (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
         tensor<1x4x?xf32>, tensor<1x4x?xf32>, tensor<1x8x?xf32>)
      -> (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
          tensor<1x4x?xf32>, tensor<1x4x?xf32>)
  return %r#0, %r#1, %r#2, %r#3, %r#4
    : tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
      tensor<1x4x?xf32>, tensor<1x4x?xf32>
}

// One step has one order.
// CHECK-LABEL: func @step(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8x1xf32>
// CHECK-NEXT: %[[Y:.*]] = seqc.causal_conv1d x(%[[X]])
// CHECK-NEXT: return %[[Y]]
func.func @step(%x: tensor<2x8x1xf32>, %w: tensor<8x4xf32>)
    -> tensor<2x8x1xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w) reverse
      : (tensor<2x8x1xf32>, tensor<8x4xf32>) -> tensor<2x8x1xf32>
  return %y : tensor<2x8x1xf32>
}

// A scan for each sequence, from its state. The first offset and the last are
// not read for what they are.
// CHECK-LABEL: func @packed(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<1x8x?xf32>, {{.*}}, %[[STATE:[a-z0-9]+]]: tensor<?x8x4xf32>, %[[OFFSETS:[a-z0-9]+]]: tensor<?xi32>
// CHECK: %[[L:.*]] = tensor.dim %[[U]], %{{.*}}
// CHECK: %[[R:.*]]:2 = scf.forall (%[[S:.*]]) in (%{{.*}}) shared_outs(%[[OUT:.*]] = %{{.*}}, %[[LAST:.*]] = %{{.*}})
// CHECK: %[[ISFIRST:.*]] = arith.cmpi eq, %[[S]], %{{.*}}
// CHECK: tensor.extract %[[OFFSETS]][%[[S]]]
// CHECK: %[[BEGIN:.*]] = arith.select %[[ISFIRST]], %{{.*}}, %{{.*}}
// CHECK: %[[END:.*]] = arith.select %{{.*}}, %[[L]], %{{.*}}
// CHECK: %[[STOP:.*]] = arith.maxsi %[[BEGIN]], %[[END]]
// CHECK: %[[SIZE:.*]] = arith.subi %[[STOP]], %[[BEGIN]]
// CHECK: %[[US:.*]] = tensor.extract_slice %[[U]][0, 0, %[[BEGIN]]] [1, 8, %[[SIZE]]] [1, 1, 1]
// CHECK: %[[HS:.*]] = tensor.extract_slice %[[STATE]][%[[S]], 0, 0] [1, 8, 4] [1, 1, 1]
// CHECK: %[[O:.*]], %[[H:.*]] = seqc.selective_scan u(%[[US]]) {{.*}} initial_state(%[[HS]]) :
// CHECK: tensor.parallel_insert_slice %[[O]] into %[[OUT]][0, 0, %[[BEGIN]]] [1, 8, %[[SIZE]]]
// CHECK: tensor.parallel_insert_slice %[[H]] into %[[LAST]][%[[S]], 0, 0] [1, 8, 4]
// CHECK: {seqc.sequences}

// One grid of sequences and channels, and no parts of sequences.
// GRID-LABEL: func @packed(
// GRID: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) =
// GRID-NOT: scf.forall (
// GRID: scf.for
// GRID: seqc.chunk_scan
// GRID: {seqc.grid, seqc.sequences}
func.func @packed(%u: tensor<1x8x?xf32>, %A: tensor<8x4xf32>,
                  %B: tensor<1x4x?xf32>, %state: tensor<?x8x4xf32>,
                  %offsets: tensor<?xi32>)
    -> (tensor<1x8x?xf32>, tensor<?x8x4xf32>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      initial_state(%state) cu_seqlens(%offsets)
      : (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<8x4xf32>,
         tensor<1x4x?xf32>, tensor<1x4x?xf32>, tensor<?x8x4xf32>, tensor<?xi32>)
      -> (tensor<1x8x?xf32>, tensor<?x8x4xf32>)
  return %y, %h : tensor<1x8x?xf32>, tensor<?x8x4xf32>
}

// In reverse order a sequence starts at its end: at L less that.
// CHECK-LABEL: func @packed_reverse(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<1x8x?xf32>
// CHECK: %[[V:.*]] = tensor.extract_slice %[[X]][0, 0, %{{.*}}] [1, 8, %[[L:.*]]] [1, 1, -1]
// CHECK: arith.select
// CHECK: arith.select
// CHECK: %[[STOP:.*]] = arith.maxsi
// CHECK: %[[BEGIN:.*]] = arith.subi %[[L]], %[[STOP]]
// CHECK: %[[XS:.*]] = tensor.extract_slice %[[V]][0, 0, %[[BEGIN]]]
// CHECK: seqc.causal_conv1d x(%[[XS]])
// CHECK: tensor.insert_slice {{.*}} [1, 1, -1]
func.func @packed_reverse(%x: tensor<1x8x?xf32>, %w: tensor<8x4xf32>,
                          %offsets: tensor<3xi32>) -> tensor<1x8x?xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w) cu_seqlens(%offsets) reverse
      : (tensor<1x8x?xf32>, tensor<8x4xf32>, tensor<3xi32>)
      -> tensor<1x8x?xf32>
  return %y : tensor<1x8x?xf32>
}
