// A pass is applied when what it leaves is still interesting, and smaller.

// REQUIRES: seqc-reduce
// RUN: seqc-reduce %s --opt-reduction-pass="opt-pass=symbol-dce test=%S/Inputs/has-attention.sh" 2> /dev/null | FileCheck %s

// A script that never finds the input interesting is an error, not a result.
// RUN: not seqc-reduce %s --reduction-tree="test=/bin/true"

// CHECK-NOT: @unused
// CHECK: seqc.attention

func.func private @unused(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %a, %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func @bug(%q: tensor<1x8x?x64xf32>, %k: tensor<1x2x?x64xf32>)
    -> tensor<1x8x?x64xf32> {
  %0 = seqc.attention query(%q) key(%k) value(%k) causal
      : (tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>)
      -> tensor<1x8x?x64xf32>
  return %0 : tensor<1x8x?x64xf32>
}
