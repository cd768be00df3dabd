// RUN: seqc-opt %s --seqc-online-softmax | FileCheck %s
// RUN: seqc-opt %s --seqc-online-softmax --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-online-softmax
// STATS-NEXT: 5 attention-rewritten

// Static sizes: the state starts as (-inf, 0, 0), the lengths are constants and
// the scale is 1/sqrt(64).
// CHECK-LABEL: func @static(
// CHECK-SAME: %[[Q:.*]]: tensor<2x8x100x64xf32>, %[[K:.*]]: tensor<2x8x200x64xf32>, %[[V:.*]]: tensor<2x8x200x32xf32>)
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK: %[[MAX0:.*]] = linalg.fill ins(%[[LOWEST]] : f32) outs(%{{.*}} : tensor<2x8x100xf32>)
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: %[[SUM0:.*]] = linalg.fill ins(%[[ZERO]] : f32) outs(%{{.*}} : tensor<2x8x100xf32>)
// CHECK: %[[ACC0:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<2x8x100x32xf32>)
// CHECK: %[[C0:.*]] = arith.constant 0 : index
// CHECK: %[[SQ:.*]] = arith.constant 100 : index
// CHECK: %[[SK:.*]] = arith.constant 200 : index
// CHECK: %[[MAX:.*]], %[[SUM:.*]], %[[ACC:.*]] = seqc.online_attention query(%[[Q]]) key(%[[K]]) value(%[[V]])
// CHECK-SAME: offsets(%[[C0]], %[[C0]], %[[C0]], %[[C0]]) lengths(%[[SQ]], %[[SK]])
// CHECK-SAME: outs(%[[MAX0]], %[[SUM0]], %[[ACC0]]) scale(1.250000e-01) :
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<2x8x100x32xf32>
// CHECK: %[[OUT:.*]] = seqc.softmax_finish max(%[[MAX]]) sum(%[[SUM]]) acc(%[[ACC]]) outs(%[[EMPTY]]) :
// CHECK: return %[[OUT]]
func.func @static(%q: tensor<2x8x100x64xf32>, %k: tensor<2x8x200x64xf32>,
                  %v: tensor<2x8x200x32xf32>) -> tensor<2x8x100x32xf32> {
  %out = seqc.attention query(%q) key(%k) value(%v)
      : (tensor<2x8x100x64xf32>, tensor<2x8x200x64xf32>,
         tensor<2x8x200x32xf32>) -> tensor<2x8x100x32xf32>
  return %out : tensor<2x8x100x32xf32>
}

// Dynamic sizes are those of the query and of the key. Every operand, attribute
// and region goes along; sinks belong to the end. The state of bf16 is f32.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x?x64xbf16>, %[[K:[a-z0-9]+]]: tensor<?x2x?x64xbf16>, %[[BIAS:[a-z0-9]+]]: tensor<1x8x?x?xf32>,
// CHECK-SAME: %[[QS:[a-z0-9]+]]: tensor<?x?xi32>, %[[KS:[a-z0-9]+]]: tensor<?x?xi32>, %[[PREFIX:[a-z0-9]+]]: tensor<?xi32>,
// CHECK-SAME: %[[SINKS:[a-z0-9]+]]: tensor<8xf32>, %[[SEED:[a-z0-9]+]]: i64, %[[SLOPES:[a-z0-9]+]]: tensor<8xf32>)
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[SQ:.*]] = tensor.dim %[[Q]], %[[C2]]
// CHECK: linalg.fill {{.*}} -> tensor<?x8x?xf32>
// CHECK: linalg.fill {{.*}} -> tensor<?x8x?x64xf32>
// CHECK: %[[SK:.*]] = tensor.dim %[[K]], %{{.*}}
// CHECK: seqc.online_attention query(%[[Q]]) key(%[[K]]) value(%[[K]]) bias(%[[BIAS]]) segments(%[[QS]], %[[KS]]) prefix(%[[PREFIX]]) dropout(1.000000e-01, %[[SEED]])
// CHECK-SAME: lengths(%[[SQ]], %[[SK]])
// CHECK-SAME: scale(3.000000e+00) causal window_left(15) window_right(3) align(top_left) score {
// CHECK: tensor.extract %[[SLOPES]]
// CHECK: } mask {
// CHECK: } {schedule = #seqc.schedule<tile_m = 32>} :
// CHECK: tensor.empty({{.*}}) : tensor<?x8x?x64xbf16>
// CHECK: tensor.empty({{.*}}) : tensor<?x8x?xf32>
// CHECK: seqc.softmax_finish {{.*}} sinks(%[[SINKS]]) outs({{.*}}) : {{.*}} -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
// CHECK-NOT: seqc.attention
func.func @everything(
    %q: tensor<?x8x?x64xbf16>, %k: tensor<?x2x?x64xbf16>,
    %bias: tensor<1x8x?x?xf32>, %qs: tensor<?x?xi32>, %ks: tensor<?x?xi32>,
    %prefix: tensor<?xi32>, %sinks: tensor<8xf32>, %seed: i64,
    %slopes: tensor<8xf32>) -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>) {
  %out, %lse = seqc.attention query(%q) key(%k) value(%k) bias(%bias)
      segments(%qs, %ks) prefix(%prefix) sinks(%sinks) dropout(0.1, %seed)
      scale(3.0) causal window_left(15) window_right(3) align(top_left)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %slopes[%h] : tensor<8xf32>
        %r = arith.addf %s, %slope : f32
        seqc.yield %r : f32
      }
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %near = arith.cmpi ule, %j, %i : index
        seqc.yield %near : i1
      }
      {schedule = #seqc.schedule<tile_m = 32>}
      : (tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>,
         tensor<1x8x?x?xf32>, tensor<?x?xi32>, tensor<?x?xi32>, tensor<?xi32>,
         tensor<8xf32>, i64) -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
  return %out, %lse : tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>
}

// A result whose type knows more, or less, than its operands is cast.
// CHECK-LABEL: func @casts
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = seqc.softmax_finish {{.*}} -> (tensor<2x4x?x8xf64>, tensor<2x4x?xf64>)
// CHECK-DAG: tensor.cast %[[OUT]] : tensor<2x4x?x8xf64> to tensor<?x4x7x8xf64>
// CHECK-DAG: tensor.cast %[[LSE]] : tensor<2x4x?xf64> to tensor<2x4x7xf64>
func.func @casts(%q: tensor<2x4x?x8xf64>)
    -> (tensor<?x4x7x8xf64>, tensor<2x4x7xf64>) {
  %out, %lse = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<2x4x?x8xf64>, tensor<2x4x?x8xf64>, tensor<2x4x?x8xf64>)
      -> (tensor<?x4x7x8xf64>, tensor<2x4x7xf64>)
  return %out, %lse : tensor<?x4x7x8xf64>, tensor<2x4x7xf64>
}

// Inside a loop, and two in a row.
// CHECK-LABEL: func @nested
// CHECK: scf.for
// CHECK: seqc.online_attention
// CHECK: %[[FIRST:.*]] = seqc.softmax_finish
// CHECK: seqc.online_attention query(%[[FIRST]])
// CHECK: %[[SECOND:.*]] = seqc.softmax_finish
// CHECK: scf.yield %[[SECOND]]
func.func @nested(%q: tensor<1x1x?x8xf32>, %n: index) -> tensor<1x1x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%x = %q)
      -> tensor<1x1x?x8xf32> {
    %y = seqc.attention query(%x) key(%x) value(%x)
        : (tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>)
        -> tensor<1x1x?x8xf32>
    %z = seqc.attention query(%y) key(%q) value(%q)
        : (tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>)
        -> tensor<1x1x?x8xf32>
    scf.yield %z : tensor<1x1x?x8xf32>
  }
  return %r : tensor<1x1x?x8xf32>
}

// Nothing to do.
// CHECK-LABEL: func @other(
// CHECK-NEXT: seqc.causal_conv1d
// CHECK-NEXT: return
func.func @other(%x: tensor<1x4x9xf32>, %w: tensor<4x3xf32>)
    -> tensor<1x4x9xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
    : (tensor<1x4x9xf32>, tensor<4x3xf32>) -> tensor<1x4x9xf32>
  return %y : tensor<1x4x9xf32>
}
