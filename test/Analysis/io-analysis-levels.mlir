// Lowering to L1 does not change what the model counts.
// RUN: seqc-opt %s --seqc-io-analysis="chip=x86-64-v4 json" -o /dev/null | grep -v '"op"\|location' > %t.l0
// RUN: seqc-opt %s --seqc-online-softmax --seqc-expand-state --seqc-schedule=chip=x86-64-v4 --seqc-io-analysis="chip=x86-64-v4 json" -o /dev/null | grep -v '"op"\|location' > %t.l1
// RUN: diff %t.l0 %t.l1
// RUN: FileCheck %s --input-file=%t.l1

// CHECK: "tile_m": 64
// CHECK: "tile_m": 16
func.func @f(%q: tensor<2x8x1000x64xf32>, %k: tensor<2x2x1000x64xf32>,
             %u: tensor<2x512x1000xf32>, %A: tensor<512x16xf32>,
             %B: tensor<2x16x1000xf32>)
    -> (tensor<2x8x1000x64xf32>, tensor<2x8x1000xf32>, tensor<2x512x1000xf32>,
        tensor<2x512x16xf32>) {
  %o, %lse = seqc.attention query(%q) key(%k) value(%k) causal
    : (tensor<2x8x1000x64xf32>, tensor<2x2x1000x64xf32>,
       tensor<2x2x1000x64xf32>)
    -> (tensor<2x8x1000x64xf32>, tensor<2x8x1000xf32>)
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
    : (tensor<2x512x1000xf32>, tensor<2x512x1000xf32>, tensor<512x16xf32>,
       tensor<2x16x1000xf32>, tensor<2x16x1000xf32>)
    -> (tensor<2x512x1000xf32>, tensor<2x512x16xf32>)
  return %o, %lse, %y, %h : tensor<2x8x1000x64xf32>, tensor<2x8x1000xf32>,
    tensor<2x512x1000xf32>, tensor<2x512x16xf32>
}
