// RUN: seqc-opt %s --seqc-recompute-backward --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-recompute-backward=together --canonicalize --cse | FileCheck %s --check-prefix=TOGETHER
// RUN: seqc-opt %s --seqc-recompute-backward=grids --canonicalize --cse | FileCheck %s --check-prefix=GRIDS
// RUN: seqc-opt %s --seqc-recompute-backward --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-recompute-backward
// STATS-NEXT: 14 attention-rewritten
// STATS-NEXT: 3 regions-differentiated
// STATS-NEXT: 20 scores-recomputed

// One operator over keys and one over queries. The row term is computed once;
// accumulators are f32, and what leaves is rounded.
// CHECK-LABEL: func @two
// CHECK-SAME: %[[Q:.*]]: tensor<1x4x?x16xbf16>, %[[K:.*]]: tensor<1x2x?x16xbf16>, %[[V:.*]]: tensor<1x2x?x8xbf16>, %[[O:.*]]: tensor<1x4x?x8xbf16>, %[[LSE:.*]]: tensor<1x4x?xf32>, %[[DO:.*]]: tensor<1x4x?x8xbf16>
// CHECK: %[[ZERO_ROWS:.*]] = linalg.fill {{.*}} -> tensor<1x4x?xf32>
// CHECK: %[[DELTA:.*]] = linalg.generic {{.*}}["parallel", "parallel", "parallel", "reduction"]} ins(%[[DO]], %[[O]] : {{.*}}) outs(%[[ZERO_ROWS]] : tensor<1x4x?xf32>)
// CHECK: arith.extf
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: %[[DQ0:.*]] = linalg.fill {{.*}} -> tensor<1x4x?x16xf32>
// CHECK: %[[DK0:.*]] = linalg.fill {{.*}} -> tensor<1x2x?x16xf32>
// CHECK: %[[DV0:.*]] = linalg.fill {{.*}} -> tensor<1x2x?x8xf32>
// CHECK: %[[DQ:.*]] = seqc.block_attention_backward query(%[[Q]]) key(%[[K]]) value(%[[V]]) out_grad(%[[DO]]) lse(%[[LSE]]) delta(%[[DELTA]])
// CHECK-SAME: offsets(%c0, %c0, %c0, %c0) lengths(%{{.*}}, %{{.*}}) outs(query_grad %[[DQ0]]) scale(2.500000e-01) causal window_left(7) {schedule = #seqc.schedule<tile_m = 32>}
// CHECK: %[[DKV:.*]]:2 = seqc.block_attention_backward {{.*}} outs(key_grad %[[DK0]], value_grad %[[DV0]]) scale(2.500000e-01) causal window_left(7) {schedule = #seqc.schedule<tile_m = 32>}
// CHECK: linalg.generic {{.*}} ins(%[[DQ]] : tensor<1x4x?x16xf32>)
// CHECK: arith.truncf {{.*}} : f32 to bf16
// CHECK: linalg.generic {{.*}} ins(%[[DKV]]#0 : tensor<1x2x?x16xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[DKV]]#1 : tensor<1x2x?x8xf32>)
// TOGETHER-LABEL: func @two
// TOGETHER: %{{.*}}:3 = seqc.block_attention_backward {{.*}} outs(query_grad %{{.*}}, key_grad %{{.*}}, value_grad %{{.*}}) scale
func.func @two(%q: tensor<1x4x?x16xbf16>, %k: tensor<1x2x?x16xbf16>,
               %v: tensor<1x2x?x8xbf16>, %o: tensor<1x4x?x8xbf16>,
               %lse: tensor<1x4x?xf32>, %do: tensor<1x4x?x8xbf16>)
    -> (tensor<1x4x?x16xbf16>, tensor<1x2x?x16xbf16>, tensor<1x2x?x8xbf16>) {
  %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%v)
      out(%o) lse(%lse) out_grad(%do) causal window_left(7)
      {schedule = #seqc.schedule<tile_m = 32>}
    : (tensor<1x4x?x16xbf16>, tensor<1x2x?x16xbf16>, tensor<1x2x?x8xbf16>,
       tensor<1x4x?x8xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x8xbf16>)
    -> (tensor<1x4x?x16xbf16>, tensor<1x2x?x16xbf16>, tensor<1x2x?x8xbf16>)
  return %dq, %dk, %dv
    : tensor<1x4x?x16xbf16>, tensor<1x2x?x16xbf16>, tensor<1x2x?x8xbf16>
}

// The gradient of lse goes into the row term. A score region gets its
// derivative, in each operator. Without a use there is no operator: here only
// those of keys and values.
// CHECK-LABEL: func @lse_grad
// CHECK-SAME: %[[T:[a-z0-9]+]]: tensor<2x3x5x8xf32>, %[[LSE:[a-z0-9]+]]: tensor<2x3x5xf32>, %[[DLSE:[a-z0-9]+]]: tensor<2x3x5xf32>
// CHECK: %[[SUMS:.*]] = linalg.generic {{.*}}["parallel", "parallel", "parallel", "reduction"]} ins(%[[T]], %[[T]] :
// CHECK: %[[DELTA:.*]] = linalg.generic {{.*}} ins(%[[SUMS]], %[[DLSE]] : tensor<2x3x5xf32>, tensor<2x3x5xf32>)
// CHECK: arith.subf
// CHECK: seqc.block_attention_backward {{.*}} delta(%[[DELTA]]) {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}}) scale(3.000000e+00) score {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32,
// CHECK-NEXT: %[[TANH:.*]] = math.tanh %[[S]] : f32
// CHECK-NEXT: %[[SQUARE:.*]] = arith.mulf %[[TANH]], %[[TANH]] : f32
// CHECK-NEXT: %[[D:.*]] = arith.subf %{{.*}}, %[[SQUARE]] : f32
// CHECK-NEXT: seqc.yield %[[TANH]], %[[D]] : f32, f32
// CHECK-NOT: seqc.block_attention_backward
// CHECK: return
func.func @lse_grad(%t: tensor<2x3x5x8xf32>, %lse: tensor<2x3x5xf32>,
                    %dlse: tensor<2x3x5xf32>) -> tensor<2x3x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) lse_grad(%dlse) scale(3.0)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = math.tanh %s : f32
        seqc.yield %x : f32
      }
    : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x5xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>)
  return %dv : tensor<2x3x5x8xf32>
}

// A bias with every size has its gradient where the queries have theirs.
// CHECK-LABEL: func @full_bias
// CHECK: %{{.*}}:2 = seqc.block_attention_backward {{.*}} outs(query_grad %{{.*}}, bias_grad %{{.*}})
// CHECK: %{{.*}}:2 = seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
// CHECK-NOT: seqc.block_attention_backward
// TOGETHER-LABEL: func @full_bias
// TOGETHER: outs(query_grad %{{.*}}, key_grad %{{.*}}, value_grad %{{.*}}, bias_grad %{{.*}})
func.func @full_bias(%t: tensor<2x3x5x8xf32>, %lse: tensor<2x3x5xf32>,
                     %bias: tensor<2x3x?x?xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x?x?xf32>) {
  %dq, %dk, %dv, %db = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) bias(%bias)
    : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x?x?xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>)
    bias_grad(tensor<2x3x?x?xf32>)
  return %dq, %dv, %db
    : tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x?x?xf32>
}

// One that is broadcast is summed over other dimensions than the rest: an
// operator of its own, and nothing else where nothing else is used.
// CHECK-LABEL: func @broadcast_bias
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<1x3x1x5xf32>
// CHECK: %[[DB:.*]] = seqc.block_attention_backward {{.*}} outs(bias_grad %[[ZEROS]])
// CHECK-NOT: seqc.block_attention_backward
// CHECK: return %[[DB]]
func.func @broadcast_bias(%t: tensor<2x3x5x8xf32>, %lse: tensor<2x3x5xf32>,
                          %bias: tensor<1x3x1x5xf32>) -> tensor<1x3x1x5xf32> {
  %dq, %dk, %dv, %db = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) bias(%bias)
    : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5x8xf32>,
       tensor<1x3x1x5xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>)
    bias_grad(tensor<1x3x1x5xf32>)
  return %db : tensor<1x3x1x5xf32>
}

// Sinks are a sum over rows, then over batches; a sink of -inf has no weight.
// CHECK-LABEL: func @sinks
// CHECK-SAME: %[[T:[a-z0-9]+]]: tensor<2x3x5x8xf32>, %[[LSE:[a-z0-9]+]]: tensor<2x3x5xf32>, %[[SINKS:[a-z0-9]+]]: tensor<3xf32>
// CHECK: %[[DELTA:.*]] = linalg.generic {{.*}} ins(%[[T]], %[[T]] :
// CHECK: %[[ROWS:.*]] = linalg.generic {{.*}}["parallel", "parallel", "reduction"]} ins(%[[SINKS]], %[[LSE]], %[[DELTA]] :
// CHECK: arith.cmpf oeq
// CHECK: math.exp
// CHECK: arith.select
// CHECK: arith.negf
// CHECK: arith.addf
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]} ins(%[[ROWS]] :
// CHECK-NOT: seqc.block_attention_backward
func.func @sinks(%t: tensor<2x3x5x8xf32>, %lse: tensor<2x3x5xf32>,
                 %sinks: tensor<3xf32>) -> tensor<3xf32> {
  %dq, %dk, %dv, %ds = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) sinks(%sinks)
    : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>,
       tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5x8xf32>,
       tensor<3xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>)
    sinks_grad(tensor<3xf32>)
  return %ds : tensor<3xf32>
}

// Without keys every gradient is 0.
// CHECK-LABEL: func @no_keys
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<2x3x5x8xf32>
// CHECK-NOT: seqc
// CHECK: return %[[ZEROS]]
func.func @no_keys(%q: tensor<2x3x5x8xf32>, %k: tensor<2x3x0x8xf32>,
                   %lse: tensor<2x3x5xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x0x8xf32>) {
  %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%k)
      out(%q) lse(%lse) out_grad(%q)
    : (tensor<2x3x5x8xf32>, tensor<2x3x0x8xf32>, tensor<2x3x0x8xf32>,
       tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5x8xf32>)
    -> (tensor<2x3x5x8xf32>, tensor<2x3x0x8xf32>, tensor<2x3x0x8xf32>)
  return %dq, %dk : tensor<2x3x5x8xf32>, tensor<2x3x0x8xf32>
}

// The slopes of heads have an operator of their own, whose region yields the
// derivative in them, too, and which sums the rest. As kernels they sum keys;
// rows, batches and what is left of a dimension of one are sums behind.
// CHECK-LABEL: func @slopes
// CHECK-SAME: %[[SLOPES:[a-z0-9]+]]: tensor<4xbf16>
// CHECK: %[[SUM:.*]] = seqc.block_attention_backward {{.*}} outs(captured_grad %{{.*}}) scale(1.000000e+00) score {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %{{.*}}: index, %[[H:.*]]: index, %[[I:.*]]: index, %[[J:.*]]: index):
// CHECK: %[[SLOPE:.*]] = tensor.extract %[[SLOPES]][%[[H]]] : tensor<4xbf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[SLOPE]]
// CHECK: %[[PRODUCT:.*]] = arith.mulf %[[WIDE]], %[[DISTANCE:.*]] : f32
// CHECK: %[[SCORE:.*]] = arith.addf %[[S]], %[[PRODUCT]] : f32
// CHECK: seqc.yield %[[SCORE]], %{{.*}}, %[[DISTANCE]] : f32, f32, f32
// CHECK: } : {{.*}} -> tensor<1x4x1x1xf32>
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "parallel", "reduction"]} ins(%[[SUM]] : tensor<1x4x1x1xf32>)
// CHECK: %[[LAST:.*]] = linalg.generic {{.*}}["parallel", "reduction"]} {{.*}} outs(%{{.*}} : tensor<4xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[LAST]] : tensor<4xf32>) outs(%{{.*}} : tensor<4xbf16>)
// GRIDS-LABEL: func @slopes
// GRIDS: %[[SUM:.*]] = seqc.block_attention_backward {{.*}} outs(captured_grad
// GRIDS: -> tensor<?x4x?x1xf32>
// GRIDS: %[[ROWS:.*]] = linalg.generic {{.*}} ins(%[[SUM]] : tensor<?x4x?x1xf32>) outs(%{{.*}} : tensor<?x1x4xf32>)
// GRIDS: %[[BATCHES:.*]] = linalg.generic {{.*}} ins(%[[ROWS]] : tensor<?x1x4xf32>) outs(%{{.*}} : tensor<1x4xf32>)
// GRIDS: linalg.generic {{.*}} ins(%[[BATCHES]] : tensor<1x4xf32>) outs(%{{.*}} : tensor<4xf32>)
func.func @slopes(%t: tensor<?x4x?x8xbf16>, %lse: tensor<?x4x?xf32>,
                  %slopes: tensor<4xbf16>) -> tensor<4xbf16> {
  %dq, %dk, %dv, %ds = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) captured(%slopes) scale(1.0)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %e = tensor.extract %slopes[%h] : tensor<4xbf16>
        %slope = arith.extf %e : bf16 to f32
        %d = arith.subi %j, %i : index
        %n = arith.index_cast %d : index to i64
        %f = arith.sitofp %n : i64 to f32
        %p = arith.mulf %slope, %f : f32
        %x = arith.addf %s, %p : f32
        seqc.yield %x : f32
      }
    : (tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>,
       tensor<?x4x?x8xbf16>, tensor<?x4x?xf32>, tensor<?x4x?x8xbf16>,
       tensor<4xbf16>)
    -> (tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>, tensor<?x4x?x8xbf16>)
    captured_grad(tensor<4xbf16>)
  return %ds : tensor<4xbf16>
}

// A bias that broadcasts heads and queries: as a kernel it sums queries.
// CHECK-LABEL: func @bias_of_keys
// CHECK: seqc.block_attention_backward {{.*}} outs(bias_grad
// CHECK: -> tensor<?x1x1x?xf32>
// GRIDS-LABEL: func @bias_of_keys
// GRIDS: %[[SUM:.*]] = seqc.block_attention_backward {{.*}} outs(bias_grad
// GRIDS: -> tensor<?x4x1x?xf32>
// GRIDS: %[[DB:.*]] = linalg.generic {{.*}}["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%[[SUM]] : tensor<?x4x1x?xf32>) outs(%{{.*}} : tensor<?x1x1x?xf32>)
// GRIDS: return %[[DB]]
func.func @bias_of_keys(%t: tensor<?x4x?x8xf32>, %lse: tensor<?x4x?xf32>,
                        %bias: tensor<?x1x1x?xf32>) -> tensor<?x1x1x?xf32> {
  %dq, %dk, %dv, %db = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) bias(%bias) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = math.tanh %s : f32
        seqc.yield %x : f32
      }
    : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>,
       tensor<?x4x?x8xf32>, tensor<?x4x?xf32>, tensor<?x4x?x8xf32>,
       tensor<?x1x1x?xf32>)
    -> (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>)
    bias_grad(tensor<?x1x1x?xf32>)
  return %db : tensor<?x1x1x?xf32>
}

// Where the order of the sum of query_grad is free, one operator has all three
// gradients; a CPU's does not ask.
// CHECK-LABEL: func @unordered(
// CHECK: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// CHECK: seqc.block_attention_backward {{.*}} outs(key_grad
// GRIDS-LABEL: func @unordered(
// GRIDS: %{{.*}}:3 = seqc.block_attention_backward {{.*}} outs(query_grad %{{.*}}, key_grad %{{.*}}, value_grad %{{.*}}) scale
// GRIDS-NOT: seqc.block_attention_backward
// GRIDS: return
func.func @unordered(%q: tensor<1x4x?x128xbf16>, %v: tensor<1x4x?x128xbf16>,
               %lse: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) causal unordered
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x128xbf16>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>
}

// Without it there are two,
// GRIDS-LABEL: func @ordered(
// GRIDS: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// GRIDS: seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
func.func @ordered(%q: tensor<1x4x?x128xbf16>, %v: tensor<1x4x?x128xbf16>,
               %lse: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) causal
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x128xbf16>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>
}

// and where a block could not hold them: f32, other sizes, dropout.
// GRIDS-LABEL: func @of_f32(
// GRIDS: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// GRIDS: seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
func.func @of_f32(%q: tensor<1x4x?x128xf32>, %v: tensor<1x4x?x128xf32>,
               %lse: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) unordered
    : (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>,
       tensor<1x4x?x128xf32>, tensor<1x4x?xf32>, tensor<1x4x?x128xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>
}
// GRIDS-LABEL: func @of_80(
// GRIDS: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// GRIDS: seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
func.func @of_80(%q: tensor<1x4x?x80xbf16>, %v: tensor<1x4x?x80xbf16>,
               %lse: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) unordered
    : (tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>,
       tensor<1x4x?x80xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x80xbf16>)
    -> (tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>, tensor<1x4x?x80xbf16>
}
// GRIDS-LABEL: func @of_two_sizes(
// GRIDS: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// GRIDS: seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
func.func @of_two_sizes(%q: tensor<1x4x?x128xbf16>, %v: tensor<1x4x?x64xbf16>,
               %lse: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x64xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) unordered
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x64xbf16>)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x64xbf16>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x64xbf16>
}
// GRIDS-LABEL: func @of_dropout(
// GRIDS: seqc.block_attention_backward {{.*}} outs(query_grad %{{[a-z0-9_]+}})
// GRIDS: seqc.block_attention_backward {{.*}} outs(key_grad %{{.*}}, value_grad %{{.*}})
func.func @of_dropout(%q: tensor<1x4x?x128xbf16>, %v: tensor<1x4x?x128xbf16>,
               %lse: tensor<1x4x?xf32>, %seed: i64)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%q) value(%v)
      out(%v) lse(%lse) out_grad(%v) dropout(0.5, %seed) unordered
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?x128xbf16>,
       i64)
    -> (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>
}
