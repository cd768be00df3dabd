// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 tile-m=64 tile-n=64 key-outer json" -o /dev/null | FileCheck %s --check-prefix=ONE
// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 tile-m=64 tile-n=64 json" -o /dev/null | FileCheck %s --check-prefix=TWO
// RUN: seqc-opt %s --seqc-io-analysis="chip=x86-64-v4 tile-m=64 tile-n=64 json" -o /dev/null | FileCheck %s --check-prefix=TWO
// RUN: seqc-opt %s --seqc-recompute-backward --seqc-io-analysis="chip=x86-64-v4 tile-m=64 tile-n=64 json" -o /dev/null | FileCheck %s --check-prefix=BLOCKS

// Two heads of 128 x 128 scores, D = Dv = 32: 32768 pairs.
//   one kernel, as the papers have it   2 * pairs * 5 * 32 matrix FLOPs, an exp per pair
//   two, as seqc has it                 2 * pairs * 7 * 32, two
// The operators that the pass makes add up to the two.
// ONE: "exps": 32768
// ONE: "matrix_flops": 10485760
// TWO: "exps": 65536
// TWO: "matrix_flops": 14680064
// BLOCKS: "exps": 65536
// BLOCKS: "matrix_flops": 6291456
// BLOCKS: "op": "seqc.block_attention_backward"
// BLOCKS: "matrix_flops": 8388608
// BLOCKS: "op": "seqc.block_attention_backward"
func.func @backward(%t: tensor<1x2x128x32xf32>, %lse: tensor<1x2x128xf32>)
    -> (tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>) {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t)
    : (tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>,
       tensor<1x2x128x32xf32>, tensor<1x2x128xf32>, tensor<1x2x128x32xf32>)
    -> (tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>)
  return %dq, %dk : tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>
}
