// RUN: seqc-opt %s --verify-diagnostics --pass-pipeline="builtin.module(tile.kernel(tile-assign-layouts))"

tile.kernel @uneven(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %h0 = arith.constant dense<0.0> : tensor<6x16xf32>
  %a = arith.constant dense<0.0> : tensor<6x4x16xf32>
  // expected-error @below {{'tile.recurrence' op on tiles of type 'tensor<6x4x16xf32>' along dimension 1 cannot be spread over the 4 warps of its kernel: each needs the same number of channels, in dimension 0, and a thread all steps, in dimension 1}}
  %all, %last = tile.recurrence %a, %a from %h0 along 1 : tensor<6x4x16xf32>, tensor<6x16xf32>
  tile.return
}
