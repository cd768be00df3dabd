// The functions without the operator that the script looks for go away.

// REQUIRES: seqc-reduce
// RUN: seqc-reduce %s --reduction-tree="traversal-mode=0 test=%S/Inputs/has-attention.sh" 2> /dev/null | FileCheck %s

// CHECK-NOT: @before
// CHECK: func.func @bug
// CHECK: seqc.attention
// CHECK-NOT: @after

func.func @before(%a: tensor<4xf32>) -> tensor<4xf32> {
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

func.func @after(%x: tensor<2x8x9xf32>, %w: tensor<8x4xf32>)
    -> tensor<2x8x9xf32> {
  %0 = seqc.causal_conv1d x(%x) weight(%w)
      : (tensor<2x8x9xf32>, tensor<8x4xf32>) -> tensor<2x8x9xf32>
  return %0 : tensor<2x8x9xf32>
}
