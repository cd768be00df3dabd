// RUN: seqc-opt %s --canonicalize --split-input-file | FileCheck %s

!q = tensor<1x2x16x8xf32>
!k = tensor<1x2x32x8xf32>
!dq = tensor<1x2x?x8xf32>

// causal implies every right window.
// CHECK-LABEL: func @causal_implies_right
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) causal :
func.func @causal_implies_right(%q: !q, %k: !k) -> !q {
  %r = seqc.attention query(%q) key(%k) value(%k) causal window_right(5)
      : (!q, !k, !k) -> !q
  return %r : !q
}

// CHECK-LABEL: func @right_of_zero_is_causal
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) causal :
func.func @right_of_zero_is_causal(%q: !dq, %k: !dq) -> !dq {
  %r = seqc.attention query(%q) key(%k) value(%k) window_right(0)
      : (!dq, !dq, !dq) -> !dq
  return %r : !dq
}

// The last row of a bottom-right mask has its diagonal at key 31: it needs a window
// of 31 to see key 0, and 30 is not enough.
// CHECK-LABEL: func @wide_left_bottom_right
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) causal :
// CHECK: seqc.attention
// CHECK-SAME: causal window_left(30) :
func.func @wide_left_bottom_right(%q: !dq, %k: !k) -> (!dq, !dq) {
  %r = seqc.attention query(%q) key(%k) value(%k) causal window_left(31)
      : (!dq, !k, !k) -> !dq
  %s = seqc.attention query(%q) key(%k) value(%k) causal window_left(30)
      : (!dq, !k, !k) -> !dq
  return %r, %s : !dq, !dq
}

// Under top-left alignment it is the number of queries that counts.
// CHECK-LABEL: func @wide_left_top_left
// CHECK: seqc.attention
// CHECK-SAME: causal align(top_left) :
// CHECK: seqc.attention
// CHECK-SAME: causal window_left(14) align(top_left) :
// CHECK: seqc.attention
// CHECK-SAME: causal window_left(31) align(top_left) :
func.func @wide_left_top_left(%q: !q, %dq: !dq, %k: !k) -> (!q, !q, !dq) {
  %r = seqc.attention query(%q) key(%k) value(%k) causal window_left(15)
      align(top_left) : (!q, !k, !k) -> !q
  %s = seqc.attention query(%q) key(%k) value(%k) causal window_left(14)
      align(top_left) : (!q, !k, !k) -> !q
  %t = seqc.attention query(%dq) key(%k) value(%k) causal window_left(31)
      align(top_left) : (!dq, !k, !k) -> !dq
  return %r, %s, %t : !q, !q, !dq
}

// The first row of a bottom-right mask has Sq - 1 keys past its diagonal.
// CHECK-LABEL: func @wide_right
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) :
// CHECK: seqc.attention
// CHECK-SAME: window_right(14) :
// CHECK: seqc.attention
// CHECK-SAME: window_right(30) align(top_left) :
func.func @wide_right(%q: !q, %k: !k) -> (!q, !q, !q) {
  %r = seqc.attention query(%q) key(%k) value(%k) window_right(15)
      : (!q, !k, !k) -> !q
  %s = seqc.attention query(%q) key(%k) value(%k) window_right(14)
      : (!q, !k, !k) -> !q
  %t = seqc.attention query(%q) key(%k) value(%k) window_right(30)
      align(top_left) : (!q, !k, !k) -> !q
  return %r, %s, %t : !q, !q, !q
}

// -----

// A decode step sees every key: nothing of a causal mask is left.
// CHECK-LABEL: func @decode
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) :
func.func @decode(%q: tensor<4x8x1x64xf16>, %k: tensor<4x2x?x64xf16>)
    -> tensor<4x8x1x64xf16> {
  %r = seqc.attention query(%q) key(%k) value(%k) causal
      : (tensor<4x8x1x64xf16>, tensor<4x2x?x64xf16>, tensor<4x2x?x64xf16>)
      -> tensor<4x8x1x64xf16>
  return %r : tensor<4x8x1x64xf16>
}

// Under top-left alignment that one query sees only key 0.
// CHECK-LABEL: func @decode_top_left
// CHECK: causal align(top_left) :
func.func @decode_top_left(%q: tensor<4x8x1x64xf16>, %k: tensor<4x2x?x64xf16>)
    -> tensor<4x8x1x64xf16> {
  %r = seqc.attention query(%q) key(%k) value(%k) causal align(top_left)
      : (tensor<4x8x1x64xf16>, tensor<4x2x?x64xf16>, tensor<4x2x?x64xf16>)
      -> tensor<4x8x1x64xf16>
  return %r : tensor<4x8x1x64xf16>
}

// -----

!s = tensor<1x2x16x8xf32>
!d = tensor<1x2x?x8xf32>

// The two alignments are one where there are as many keys as queries, or no band.
// CHECK-LABEL: func @alignment
// CHECK: seqc.attention
// CHECK-SAME: causal :
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) :
// CHECK: seqc.attention
// CHECK-SAME: causal align(top_left) :
func.func @alignment(%s: !s, %d: !d) -> (!s, !d, !d) {
  %r = seqc.attention query(%s) key(%s) value(%s) causal align(top_left)
      : (!s, !s, !s) -> !s
  %t = seqc.attention query(%d) key(%d) value(%d) align(top_left)
      : (!d, !d, !d) -> !d
  %u = seqc.attention query(%d) key(%d) value(%d) causal align(top_left)
      : (!d, !d, !d) -> !d
  return %r, %t, %u : !s, !d, !d
}

// A prefix matters only beside a band, and if it is not empty.
// CHECK-LABEL: func @prefix
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) :
// CHECK: seqc.attention
// CHECK-SAME: value(%{{[a-z0-9]+}}) causal :
// CHECK: seqc.attention
// CHECK-SAME: prefix(%{{[a-z0-9_]+}}) causal :
// CHECK: seqc.attention
// CHECK-SAME: prefix(%{{[a-z0-9_]+}}) causal :
func.func @prefix(%s: !s, %p: tensor<1xi32>) -> (!s, !s, !s, !s) {
  %zero = arith.constant dense<0> : tensor<1xi32>
  %some = arith.constant dense<4> : tensor<1xi32>
  %r = seqc.attention query(%s) key(%s) value(%s) prefix(%p)
      : (!s, !s, !s, tensor<1xi32>) -> !s
  %t = seqc.attention query(%s) key(%s) value(%s) prefix(%zero) causal
      : (!s, !s, !s, tensor<1xi32>) -> !s
  %u = seqc.attention query(%s) key(%s) value(%s) prefix(%some) causal
      : (!s, !s, !s, tensor<1xi32>) -> !s
  %v = seqc.attention query(%s) key(%s) value(%s) prefix(%p) causal
      : (!s, !s, !s, tensor<1xi32>) -> !s
  return %r, %t, %u, %v : !s, !s, !s, !s
}

// CHECK-LABEL: func @no_ops
// CHECK-NOT: dropout
// CHECK-NOT: score
// CHECK-NOT: mask
// CHECK: return
func.func @no_ops(%s: !s, %seed: i64) -> !s {
  %true = arith.constant true
  %r = seqc.attention query(%s) key(%s) value(%s) dropout(0.0, %seed)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        seqc.yield %x : f32
      }
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        seqc.yield %true : i1
      }
      : (!s, !s, !s, i64) -> !s
  return %r : !s
}

// CHECK-LABEL: func @ops_that_count
// CHECK: dropout(1.000000e-01, %{{[a-z0-9]+}})
// CHECK-SAME: score {
// CHECK: mask {
func.func @ops_that_count(%s: !s, %seed: i64, %visible: i1) -> !s {
  %r = seqc.attention query(%s) key(%s) value(%s) dropout(0.1, %seed)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %y = arith.negf %x : f32
        seqc.yield %y : f32
      }
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        seqc.yield %visible : i1
      }
      : (!s, !s, !s, i64) -> !s
  return %r : !s
}

// CHECK-LABEL: func @unused_lse
// CHECK: seqc.attention
// CHECK-SAME: -> tensor<1x2x16x8xf32>{{$}}
func.func @unused_lse(%s: !s) -> !s {
  %r, %lse = seqc.attention query(%s) key(%s) value(%s)
      : (!s, !s, !s) -> (!s, tensor<1x2x16xf32>)
  return %r : !s
}

// An attention that nothing reads is gone.
// CHECK-LABEL: func @dead
// CHECK-NEXT: return
func.func @dead(%s: !s) {
  %r = seqc.attention query(%s) key(%s) value(%s) : (!s, !s, !s) -> !s
  return
}

// CHECK-LABEL: func @backward
// CHECK: seqc.attention_backward
// CHECK-SAME: out_grad(%{{[a-z0-9]+}}) causal :
func.func @backward(%s: !s, %lse: tensor<1x2x16xf32>, %seed: i64) -> !s {
  %dq, %dk, %dv = seqc.attention_backward query(%s) key(%s) value(%s) out(%s)
      lse(%lse) out_grad(%s) dropout(0.0, %seed) window_left(15)
      window_right(0) align(top_left)
      : (!s, !s, !s, !s, tensor<1x2x16xf32>, !s, i64) -> (!s, !s, !s)
  return %dq : !s
}

// -----

// What a cast hides comes back, in the operands and in the results.
// CHECK-LABEL: func @casts
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = seqc.attention
// CHECK-SAME: (tensor<2x8x16x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
// CHECK-SAME: -> (tensor<2x8x16x64xf32>, tensor<2x8x16xf32>)
// CHECK: %[[A:.*]] = tensor.cast %[[OUT]] : tensor<2x8x16x64xf32> to tensor<?x8x?x64xf32>
// CHECK: return %[[A]]
func.func @casts(%q: tensor<2x8x16x64xf32>, %k: tensor<?x2x?x64xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<?x8x?xf32>) {
  %c = tensor.cast %q : tensor<2x8x16x64xf32> to tensor<?x8x?x64xf32>
  %r, %lse = seqc.attention query(%c) key(%k) value(%k)
      : (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
      -> (tensor<?x8x?x64xf32>, tensor<?x8x?xf32>)
  return %r, %lse : tensor<?x8x?x64xf32>, tensor<?x8x?xf32>
}

// CHECK-LABEL: func @scan_casts
// CHECK: seqc.selective_scan
// CHECK-SAME: -> (tensor<2x64x100xf32>, tensor<2x64x16xf32>)
func.func @scan_casts(%u: tensor<2x64x100xf32>, %A: tensor<64x16xf32>)
    -> (tensor<?x64x?xf32>, tensor<?x64x16xf32>) {
  %c = tensor.cast %u : tensor<2x64x100xf32> to tensor<?x64x?xf32>
  %y, %h = seqc.selective_scan u(%c) delta(%c) A(%A) B(%A) C(%A)
      : (tensor<?x64x?xf32>, tensor<?x64x?xf32>, tensor<64x16xf32>,
         tensor<64x16xf32>, tensor<64x16xf32>)
      -> (tensor<?x64x?xf32>, tensor<?x64x16xf32>)
  return %y, %h : tensor<?x64x?xf32>, tensor<?x64x16xf32>
}

// CHECK-LABEL: func @conv_casts
// CHECK: seqc.causal_conv1d
// CHECK-SAME: -> tensor<2x8x100xf32>
// CHECK-NOT: seqc.causal_conv1d
func.func @conv_casts(%x: tensor<2x8x100xf32>, %w: tensor<8x4xf32>)
    -> tensor<?x8x?xf32> {
  %c = tensor.cast %x : tensor<2x8x100xf32> to tensor<?x8x?xf32>
  %y, %h = seqc.causal_conv1d x(%c) weight(%w)
      : (tensor<?x8x?xf32>, tensor<8x4xf32>)
      -> (tensor<?x8x?xf32>, tensor<?x8x3xf32>)
  return %y : tensor<?x8x?xf32>
}

// -----

// A state or a bias of zeros is none; a final state that is not read is not made.
// CHECK-LABEL: func @zeros
// CHECK: seqc.selective_scan
// CHECK-SAME: C(%{{[a-z0-9_]+}}) : {{.*}} -> tensor<2x8x5xf32>{{$}}
// CHECK: seqc.causal_conv1d
// CHECK-SAME: weight(%{{[a-z0-9_]+}}) : {{.*}} -> tensor<2x8x5xf32>{{$}}
func.func @zeros(%u: tensor<2x8x5xf32>, %A: tensor<8x4xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>) {
  %h0 = arith.constant dense<0.0> : tensor<2x8x4xf32>
  %x0 = arith.constant dense<0.0> : tensor<2x8x3xf32>
  %b0 = arith.constant dense<0.0> : tensor<8xf32>
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
      delta_bias(%b0) initial_state(%h0)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<2x8x4xf32>)
      -> (tensor<2x8x5xf32>, tensor<2x8x4xf32>)
  %c, %s = seqc.causal_conv1d x(%u) weight(%A) bias(%b0) initial_state(%x0)
      : (tensor<2x8x5xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<2x8x3xf32>)
      -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
  return %y, %c : tensor<2x8x5xf32>, tensor<2x8x5xf32>
}

// D of zeros stays: 0 times an infinity is a NaN.
// CHECK-LABEL: func @skip_stays
// CHECK: seqc.selective_scan {{.*}} D(%{{[a-z0-9_]+}}) initial_state(%{{[a-z0-9_]+}})
func.func @skip_stays(%u: tensor<2x8x5xf32>, %A: tensor<8x4xf32>,
                      %h: tensor<2x8x4xf32>) -> tensor<2x8x5xf32> {
  %D = arith.constant dense<0.0> : tensor<8xf32>
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A) D(%D)
      initial_state(%h)
      : (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<8x4xf32>,
         tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<2x8x4xf32>)
      -> tensor<2x8x5xf32>
  return %y : tensor<2x8x5xf32>
}
