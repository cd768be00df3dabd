// RUN: seqc-opt %s --seqc-online-softmax --canonicalize --cse --seqc-pack-heads --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-online-softmax --canonicalize --seqc-pack-heads="max-queries=1" | FileCheck %s --check-prefix=ONE
// RUN: seqc-opt %s --seqc-online-softmax --canonicalize --seqc-pack-heads="max-rows=15" | FileCheck %s --check-prefix=LIMIT
// RUN: seqc-opt %s --seqc-online-softmax --canonicalize --seqc-pack-heads --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-pack-heads
// STATS-NEXT: 8 attention-packed

// One query at the end of the keys: causal hides nothing, and there is no
// region at all. The state is unpacked for the finish.
// CHECK-LABEL: func @step(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x1x64xbf16>, %[[K:[a-z0-9]+]]: tensor<?x2x?x64xbf16>
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[WIDE:.*]] = tensor.expand_shape %[[Q]] {{\[\[}}0], [1, 2], [3], [4]] output_shape [%{{.*}}, 2, 4, 1, 64]
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[WIDE]] {{\[\[}}0], [1], [2, 3], [4]] : {{.*}} into tensor<?x2x4x64xbf16>
// CHECK: %[[S:.*]], %{{.*}}, %{{.*}} = seqc.online_attention query(%[[ROWS]]) key(%[[K]])
// CHECK-SAME: lengths(%[[C4]], %{{.*}}) outs(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}) scale(1.250000e-01) :
// CHECK-SAME: -> (tensor<?x2x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4x64xf32>)
// CHECK: %[[M5:.*]] = tensor.expand_shape %[[S]] {{\[\[}}0], [1], [2, 3]] output_shape [%{{.*}}, 2, 4, 1]
// CHECK: %[[M:.*]] = tensor.collapse_shape %[[M5]] {{\[\[}}0], [1, 2], [3]] : {{.*}} into tensor<?x8x1xf32>
// CHECK: seqc.softmax_finish max(%[[M]])
// ONE-LABEL: func @step(
// ONE: tensor.collapse_shape
func.func @step(%q: tensor<?x8x1x64xbf16>, %k: tensor<?x2x?x64xbf16>,
                %v: tensor<?x2x?x64xbf16>) -> tensor<?x8x1x64xbf16> {
  %o = seqc.attention query(%q) key(%k) value(%v) causal
    : (tensor<?x8x1x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>)
    -> tensor<?x8x1x64xbf16>
  return %o : tensor<?x8x1x64xbf16>
}

// Three queries: row r of head h is query r mod 3 of head 4 h + r div 3. Causal
// and the window become comparisons, the prefix is read.
// CHECK-LABEL: func @mask(
// CHECK-SAME: %[[K:[a-z0-9]+]]: tensor<1x2x100x64xf32>
// CHECK-SAME: %[[PREFIX:[a-z0-9]+]]: tensor<1xi32>
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[FIRST:.*]] = arith.constant 97 : index
// CHECK-DAG: %[[LEFT:.*]] = arith.constant 88 : index
// CHECK: seqc.online_attention
// CHECK-NOT: window
// CHECK-NOT: prefix(
// CHECK: mask {
// CHECK-NEXT: ^bb0(%[[B:.*]]: index, %{{.*}}: index, %[[R:.*]]: index, %[[J:.*]]: index):
// CHECK-NEXT: %[[I:.*]] = arith.remui %[[R]], %[[C3]]
// CHECK-NEXT: %[[P:.*]] = arith.addi %[[I]], %[[FIRST]]
// CHECK-NEXT: %[[PAST:.*]] = arith.cmpi sle, %[[J]], %[[P]]
// CHECK-NEXT: %[[FROM:.*]] = arith.addi %[[I]], %[[LEFT]]
// CHECK-NEXT: %[[NEAR:.*]] = arith.cmpi sge, %[[J]], %[[FROM]]
// CHECK-NEXT: %[[BAND:.*]] = arith.andi %[[PAST]], %[[NEAR]]
// CHECK-NEXT: %[[END32:.*]] = tensor.extract %[[PREFIX]][%[[B]]]
// CHECK-NEXT: %[[END:.*]] = arith.index_cast %[[END32]]
// CHECK-NEXT: %[[EARLY:.*]] = arith.cmpi slt, %[[J]], %[[END]]
// CHECK-NEXT: %[[SEEN:.*]] = arith.ori %[[BAND]], %[[EARLY]]
// CHECK-NEXT: seqc.yield %[[SEEN]] : i1
// ONE-LABEL: func @mask(
// ONE-NOT: tensor.collapse_shape
// ONE: causal
func.func @mask(%q: tensor<1x8x3x64xf32>, %k: tensor<1x2x100x64xf32>,
                %v: tensor<1x2x100x64xf32>, %prefix: tensor<1xi32>)
    -> tensor<1x8x3x64xf32> {
  %o = seqc.attention query(%q) key(%k) value(%v) prefix(%prefix)
      causal window_left(9)
    : (tensor<1x8x3x64xf32>, tensor<1x2x100x64xf32>, tensor<1x2x100x64xf32>,
       tensor<1xi32>) -> tensor<1x8x3x64xf32>
  return %o : tensor<1x8x3x64xf32>
}

// Regions see the head and the query that a row is; a bias joins the scores,
// segments the mask.
// CHECK-LABEL: func @regions(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<1x8x2x?xbf16>, %[[QS:[a-z0-9]+]]: tensor<2x2xi32>, %[[KS:[a-z0-9]+]]: tensor<2x?xi32>, %[[SLOPES:[a-z0-9]+]]: tensor<8xf32>
// CHECK: score {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[B:.*]]: index, %[[H:.*]]: index, %[[R:.*]]: index, %[[J:.*]]: index):
// CHECK-NEXT: %[[H0:.*]] = arith.muli %[[H]], %{{.*}}
// CHECK-NEXT: %[[G:.*]] = arith.divui %[[R]], %{{.*}}
// CHECK-NEXT: %[[HEAD:.*]] = arith.addi %[[H0]], %[[G]]
// CHECK-NEXT: %[[I:.*]] = arith.remui %[[R]], %{{.*}}
// CHECK-NEXT: %[[SLOPE:.*]] = tensor.extract %[[SLOPES]][%[[HEAD]]]
// CHECK-NEXT: %[[Y:.*]] = arith.mulf %[[X]], %[[SLOPE]]
// CHECK-NEXT: %[[B16:.*]] = tensor.extract %[[BIAS]][%{{.*}}, %[[HEAD]], %[[I]], %[[J]]]
// CHECK-NEXT: %[[B32:.*]] = arith.extf %[[B16]]
// CHECK-NEXT: %[[Z:.*]] = arith.addf %[[Y]], %[[B32]]
// CHECK-NEXT: seqc.yield %[[Z]]
// CHECK: mask {
// CHECK: %[[X:.*]] = tensor.extract %[[QS]][%{{.*}}, %{{.*}}]
// CHECK: %[[Y:.*]] = tensor.extract %[[KS]][%{{.*}}, %{{.*}}]
// CHECK: arith.cmpi eq, %[[X]], %[[Y]]
func.func @regions(%q: tensor<2x8x2x64xbf16>, %k: tensor<2x2x?x64xbf16>,
                   %v: tensor<2x2x?x64xbf16>, %bias: tensor<1x8x2x?xbf16>,
                   %qs: tensor<2x2xi32>, %ks: tensor<2x?xi32>,
                   %slopes: tensor<8xf32>) -> tensor<2x8x2x64xbf16> {
  %o = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
      segments(%qs, %ks) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %slopes[%h] : tensor<8xf32>
        %t = arith.mulf %s, %slope : f32
        seqc.yield %t : f32
      }
    : (tensor<2x8x2x64xbf16>, tensor<2x2x?x64xbf16>, tensor<2x2x?x64xbf16>,
       tensor<1x8x2x?xbf16>, tensor<2x2xi32>, tensor<2x?xi32>)
    -> tensor<2x8x2x64xbf16>
  return %o : tensor<2x8x2x64xbf16>
}

// A bias that no row tells from another stays.
// CHECK-LABEL: func @same_bias(
// CHECK: seqc.online_attention {{.*}} bias(%{{[a-z0-9]+}})
// CHECK-NOT: score
func.func @same_bias(%q: tensor<2x4x1x64xf32>, %k: tensor<2x1x50x64xf32>,
                     %v: tensor<2x1x50x64xf32>, %bias: tensor<2x1x1x50xf32>)
    -> tensor<2x4x1x64xf32> {
  %o = seqc.attention query(%q) key(%k) value(%v) bias(%bias)
    : (tensor<2x4x1x64xf32>, tensor<2x1x50x64xf32>, tensor<2x1x50x64xf32>,
       tensor<2x1x1x50xf32>) -> tensor<2x4x1x64xf32>
  return %o : tensor<2x4x1x64xf32>
}

// Aligned to the start, one query sees one key.
// CHECK-LABEL: func @top_left(
// CHECK: mask {
// CHECK: arith.cmpi sle, %{{.*}}, %{{.*}} : index
func.func @top_left(%q: tensor<2x4x1x64xf32>, %k: tensor<2x1x50x64xf32>,
                    %v: tensor<2x1x50x64xf32>) -> tensor<2x4x1x64xf32> {
  %o = seqc.attention query(%q) key(%k) value(%v) causal align(top_left)
    : (tensor<2x4x1x64xf32>, tensor<2x1x50x64xf32>, tensor<2x1x50x64xf32>)
    -> tensor<2x4x1x64xf32>
  return %o : tensor<2x4x1x64xf32>
}

// What stays: as many heads as key heads, many queries, a number of queries or
// heads that is not known, dropout.
// CHECK-LABEL: func @stays(
// CHECK-NOT: tensor.collapse_shape
func.func @stays(%a: tensor<2x4x1x64xf32>, %b: tensor<2x4x17x64xf32>,
                 %c: tensor<2x4x?x64xf32>, %d: tensor<2x?x1x64xf32>,
                 %k4: tensor<2x4x50x64xf32>, %k2: tensor<2x2x50x64xf32>,
                 %seed: i64)
    -> (tensor<2x4x1x64xf32>, tensor<2x4x17x64xf32>, tensor<2x4x?x64xf32>,
        tensor<2x?x1x64xf32>, tensor<2x4x1x64xf32>) {
  %0 = seqc.attention query(%a) key(%k4) value(%k4)
    : (tensor<2x4x1x64xf32>, tensor<2x4x50x64xf32>, tensor<2x4x50x64xf32>)
    -> tensor<2x4x1x64xf32>
  %1 = seqc.attention query(%b) key(%k2) value(%k2)
    : (tensor<2x4x17x64xf32>, tensor<2x2x50x64xf32>, tensor<2x2x50x64xf32>)
    -> tensor<2x4x17x64xf32>
  %2 = seqc.attention query(%c) key(%k2) value(%k2)
    : (tensor<2x4x?x64xf32>, tensor<2x2x50x64xf32>, tensor<2x2x50x64xf32>)
    -> tensor<2x4x?x64xf32>
  %3 = seqc.attention query(%d) key(%k2) value(%k2)
    : (tensor<2x?x1x64xf32>, tensor<2x2x50x64xf32>, tensor<2x2x50x64xf32>)
    -> tensor<2x?x1x64xf32>
  %4 = seqc.attention query(%a) key(%k2) value(%k2) dropout(0.5, %seed)
    : (tensor<2x4x1x64xf32>, tensor<2x2x50x64xf32>, tensor<2x2x50x64xf32>, i64)
    -> tensor<2x4x1x64xf32>
  return %0, %1, %2, %3, %4
    : tensor<2x4x1x64xf32>, tensor<2x4x17x64xf32>, tensor<2x4x?x64xf32>,
      tensor<2x?x1x64xf32>, tensor<2x4x1x64xf32>
}

// More rows than are asked for, of several queries each, stay; one query of as
// many heads does not.
// CHECK-LABEL: func @rows(
// LIMIT-LABEL: func @rows(
// LIMIT-COUNT-1: tensor.collapse_shape {{.*}} into tensor<2x1x16x64xf32>
// LIMIT-NOT: into tensor<2x1x32x64xf32>
func.func @rows(%a: tensor<2x16x1x64xf32>, %b: tensor<2x16x2x64xf32>,
                %k: tensor<2x1x50x64xf32>)
    -> (tensor<2x16x1x64xf32>, tensor<2x16x2x64xf32>) {
  %0 = seqc.attention query(%a) key(%k) value(%k)
    : (tensor<2x16x1x64xf32>, tensor<2x1x50x64xf32>, tensor<2x1x50x64xf32>)
    -> tensor<2x16x1x64xf32>
  %1 = seqc.attention query(%b) key(%k) value(%k)
    : (tensor<2x16x2x64xf32>, tensor<2x1x50x64xf32>, tensor<2x1x50x64xf32>)
    -> tensor<2x16x2x64xf32>
  return %0, %1 : tensor<2x16x1x64xf32>, tensor<2x16x2x64xf32>
}

// The diagonal is that of the batch entry.
// CHECK-LABEL: func @own_lengths(
// CHECK: seqc.online_attention
// CHECK-SAME: key_lengths(%[[N:[a-z0-9]+]])
// CHECK-NEXT: ^bb0(%[[B:[a-z0-9]+]]: index, %{{.*}}: index, %{{.*}}: index, %[[J:[a-z0-9]+]]: index):
// CHECK: %[[ENTRY:.*]] = tensor.extract %[[N]][%[[B]]]
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: %[[LENGTH:.*]] = arith.minui %[[INDEX]], %{{.*}}
// CHECK: %[[FIRST:.*]] = arith.subi %[[LENGTH]], %c2
// CHECK: %[[DIAGONAL:.*]] = arith.addi %{{.*}}, %[[FIRST]]
// CHECK: arith.cmpi sle, %[[J]], %[[DIAGONAL]]
func.func @own_lengths(%q: tensor<?x4x2x64xf32>, %k: tensor<?x2x?x64xf32>,
                       %n: tensor<?xi32>) -> tensor<?x4x2x64xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k) key_lengths(%n) causal
      : (tensor<?x4x2x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?xi32>)
      -> tensor<?x4x2x64xf32>
  return %out : tensor<?x4x2x64xf32>
}
