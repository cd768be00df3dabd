// RUN: seqc-opt %s --seqc-schedule="chip=x86-64-v4" | FileCheck %s
// RUN: seqc-opt %s --seqc-schedule="chip=x86-64-v3" | FileCheck %s --check-prefix=AVX2
// RUN: seqc-opt %s --seqc-schedule="tile-m=24 tile-n=96 splits=3" | FileCheck %s --check-prefix=OPTIONS
// RUN: seqc-opt %s --seqc-schedule | FileCheck %s --check-prefix=HOST
// RUN: not seqc-opt %s --seqc-schedule="chip=tpu" 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not seqc-opt %s --seqc-schedule="splits=-2" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not seqc-opt %s --seqc-schedule="tile-m=4097" 2>&1 | FileCheck %s --check-prefix=TILE
// RUN: not seqc-opt %s --seqc-schedule="splits=1025" 2>&1 | FileCheck %s --check-prefix=SPLITS
// RUN: not seqc-opt %s --seqc-schedule="warps=3" 2>&1 | FileCheck %s --check-prefix=WARPS
// RUN: not seqc-opt %s --seqc-schedule="stages=9" 2>&1 | FileCheck %s --check-prefix=STAGES
// RUN: seqc-opt %s --seqc-schedule="tile-m=4096 tile-n=4096 splits=1024" | FileCheck %s --check-prefix=LARGEST

// TILE: error: option 'tile-m' must be from 0 to 4096, but is 4097
// SPLITS: error: option 'splits' must be from 0 to 1024, but is 1025
// WARPS: error: option 'warps' must be 0, 1, 2, 4, 8, 12 or 16, but is 3
// STAGES: error: option 'stages' must be from 0 to 8, but is 9
// LARGEST: #seqc.schedule<tile_m = 4096, tile_n = 4096, splits = 1024>
// CHIP: error: unknown chip 'tpu': known chips are
// NEGATIVE: error: option 'splits' must be from 0 to 1024, but is -2

!q = tensor<2x8x?x64xf32>
!s = tensor<2x8x?xf32>

// Scores of 64 x 128 f32 take 32 KiB: two thirds of 48 KiB of L1. With 32 KiB of
// L1 they must be half as many.
// CHECK-LABEL: @dynamic
// CHECK: #seqc.schedule<tile_m = 64, tile_n = 128, splits = 1>
// AVX2-LABEL: @dynamic
// AVX2: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1>
// OPTIONS-LABEL: @dynamic
// OPTIONS: #seqc.schedule<tile_m = 24, tile_n = 96, splits = 3>
// HOST-LABEL: @dynamic
// HOST: #seqc.schedule<tile_m = {{(8|16|32|64|128)}}, tile_n = {{(32|64|128|256)}}, splits = 1>
func.func @dynamic(%q: !q, %m: !s, %s: !s, %a: !q, %n: index) -> !q {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125) causal
    : (!q, !q, !q, index, index, index, index, index, index, !s, !s, !q)
    -> (!s, !s, !q)
  return %0#2 : !q
}

!q64 = tensor<2x8x?x64xf64>
!s64 = tensor<2x8x?xf64>

// Twice the bytes, half the scores.
// CHECK-LABEL: @double
// CHECK: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1>
func.func @double(%q: !q64, %m: !s64, %s: !s64, %a: !q64, %n: index) -> !q64 {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125)
    : (!q64, !q64, !q64, index, index, index, index, index, index, !s64, !s64,
       !q64) -> (!s64, !s64, !q64)
  return %0#2 : !q64
}

// 20 queries and 40 keys need no more than 24 x 64.
// CHECK-LABEL: @small
// CHECK: #seqc.schedule<tile_m = 24, tile_n = 64, splits = 1>
func.func @small(%q: tensor<2x8x20x64xf32>, %k: tensor<2x8x40x64xf32>,
                 %m: tensor<2x8x20xf32>, %s: tensor<2x8x20xf32>,
                 %a: tensor<2x8x20x64xf32>, %n: index)
    -> tensor<2x8x20x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125)
    : (tensor<2x8x20x64xf32>, tensor<2x8x40x64xf32>, tensor<2x8x40x64xf32>,
       index, index, index, index, index, index, tensor<2x8x20xf32>,
       tensor<2x8x20xf32>, tensor<2x8x20x64xf32>)
    -> (tensor<2x8x20xf32>, tensor<2x8x20xf32>, tensor<2x8x20x64xf32>)
  return %0#2 : tensor<2x8x20x64xf32>
}

// Decoding: two tiles for eight cores, so the keys are split.
// CHECK-LABEL: @decode
// CHECK: #seqc.schedule<tile_m = 8, tile_n = 256, splits = 4>
func.func @decode(%q: tensor<1x2x1x64xf32>, %k: tensor<1x2x8192x64xf32>,
                  %m: tensor<1x2x1xf32>, %s: tensor<1x2x1xf32>,
                  %a: tensor<1x2x1x64xf32>, %n: index)
    -> tensor<1x2x1x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125)
    : (tensor<1x2x1x64xf32>, tensor<1x2x8192x64xf32>, tensor<1x2x8192x64xf32>,
       index, index, index, index, index, index, tensor<1x2x1xf32>,
       tensor<1x2x1xf32>, tensor<1x2x1x64xf32>)
    -> (tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1x64xf32>)
  return %0#2 : tensor<1x2x1x64xf32>
}

// What is there stays, and what is missing is filled in. The options win.
// CHECK-LABEL: @partial
// CHECK: #seqc.schedule<tile_m = 40, tile_n = 128, splits = 1>
// CHECK: #seqc.schedule<tile_m = 5, tile_n = 7, splits = 2>
// OPTIONS-LABEL: @partial
// OPTIONS: #seqc.schedule<tile_m = 24, tile_n = 96, splits = 3>
// OPTIONS: #seqc.schedule<tile_m = 24, tile_n = 96, splits = 3>
func.func @partial(%q: !q, %m: !s, %s: !s, %a: !q, %n: index) -> (!q, !q) {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125) {schedule = #seqc.schedule<tile_m = 40>}
    : (!q, !q, !q, index, index, index, index, index, index, !s, !s, !q)
    -> (!s, !s, !q)
  %1:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %s, %a)
      scale(0.125)
      {schedule = #seqc.schedule<tile_m = 5, tile_n = 7, splits = 2>}
    : (!q, !q, !q, index, index, index, index, index, index, !s, !s, !q)
    -> (!s, !s, !q)
  return %0#2, %1#2 : !q, !q
}

// A wide head needs shorter tiles on a small L2.
// AVX2-LABEL: @wide
// AVX2: #seqc.schedule<tile_m = 32, tile_n = 64, splits = 1>
func.func @wide(%q: tensor<1x8x?x256xf32>, %m: tensor<1x8x?xf32>,
                %a: tensor<1x8x?x256xf32>, %n: index)
    -> tensor<1x8x?x256xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %m, %a)
      scale(0.125)
    : (tensor<1x8x?x256xf32>, tensor<1x8x?x256xf32>, tensor<1x8x?x256xf32>,
       index, index, index, index, index, index, tensor<1x8x?xf32>,
       tensor<1x8x?xf32>, tensor<1x8x?x256xf32>)
    -> (tensor<1x8x?xf32>, tensor<1x8x?xf32>, tensor<1x8x?x256xf32>)
  return %0#2 : tensor<1x8x?x256xf32>
}

// CHECK-LABEL: @scan
// CHECK: #seqc.schedule<tile_m = 16, tile_n = 256, splits = 1>
// CHECK: #seqc.schedule<tile_m = 8, tile_n = 256, splits = 1>
// CHECK: #seqc.schedule<tile_m = 16, tile_n = 112, splits = 1>
// CHECK: #seqc.schedule<tile_m = 4, tile_n = 256, splits = 1>
func.func @scan(%u: tensor<?x512x?xf32>, %A: tensor<512x16xf32>,
                %B: tensor<?x1x16x?xf32>, %y: tensor<?x512x?xf32>,
                %h: tensor<?x512x16xf32>,
                %u8: tensor<?x512x?xf64>, %A8: tensor<512x16xf64>,
                %B8: tensor<?x1x16x?xf64>, %y8: tensor<?x512x?xf64>,
                %h8: tensor<?x512x16xf64>,
                %us: tensor<4x24x100xf32>, %As: tensor<24x16xf32>,
                %Bs: tensor<4x1x16x100xf32>, %ys: tensor<4x24x100xf32>,
                %hs: tensor<4x24x16xf32>,
                %Ag: tensor<12x16xf32>, %ug: tensor<4x12x?xf32>,
                %Bg: tensor<4x3x16x?xf32>, %hg: tensor<4x12x16xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      outs(out %y, state %h)
    : (tensor<?x512x?xf32>, tensor<?x512x?xf32>, tensor<512x16xf32>,
       tensor<?x1x16x?xf32>, tensor<?x1x16x?xf32>, tensor<?x512x?xf32>,
       tensor<?x512x16xf32>) -> (tensor<?x512x?xf32>, tensor<?x512x16xf32>)
  %1:2 = seqc.chunk_scan u(%u8) delta(%u8) A(%A8) B(%B8) C(%B8)
      outs(out %y8, state %h8)
    : (tensor<?x512x?xf64>, tensor<?x512x?xf64>, tensor<512x16xf64>,
       tensor<?x1x16x?xf64>, tensor<?x1x16x?xf64>, tensor<?x512x?xf64>,
       tensor<?x512x16xf64>) -> (tensor<?x512x?xf64>, tensor<?x512x16xf64>)
  // 100 steps, rounded up to a multiple of 16.
  %2:2 = seqc.chunk_scan u(%us) delta(%us) A(%As) B(%Bs) C(%Bs)
      outs(out %ys, state %hs)
    : (tensor<4x24x100xf32>, tensor<4x24x100xf32>, tensor<24x16xf32>,
       tensor<4x1x16x100xf32>, tensor<4x1x16x100xf32>, tensor<4x24x100xf32>,
       tensor<4x24x16xf32>) -> (tensor<4x24x100xf32>, tensor<4x24x16xf32>)
  // Three groups of four channels: a tile stays inside one.
  %3:2 = seqc.chunk_scan u(%ug) delta(%ug) A(%Ag) B(%Bg) C(%Bg)
      outs(out %ug, state %hg)
    : (tensor<4x12x?xf32>, tensor<4x12x?xf32>, tensor<12x16xf32>,
       tensor<4x3x16x?xf32>, tensor<4x3x16x?xf32>, tensor<4x12x?xf32>,
       tensor<4x12x16xf32>) -> (tensor<4x12x?xf32>, tensor<4x12x16xf32>)
  return
}

// CHECK-LABEL: @conv
// CHECK: #seqc.schedule<tile_m = 8, tile_n = 512, splits = 1>
// AVX2-LABEL: @conv
// AVX2: #seqc.schedule<tile_m = 8, tile_n = 256, splits = 1>
func.func @conv(%x: tensor<?x512x?xf32>, %w: tensor<512x4xf32>)
    -> tensor<?x512x?xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
    : (tensor<?x512x?xf32>, tensor<512x4xf32>) -> tensor<?x512x?xf32>
  return %y : tensor<?x512x?xf32>
}
