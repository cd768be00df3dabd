// RUN: seqc-opt %s --split-input-file --seqc-schedule="chip=h200" | FileCheck %s --check-prefixes=CHECK,H200
// RUN: seqc-opt %s --split-input-file --seqc-schedule="chip=sm_80" | FileCheck %s --check-prefixes=CHECK,A100
// RUN: not seqc-opt %s --split-input-file --seqc-schedule="chip=h200 tile-m=24" 2>&1 | FileCheck %s --check-prefix=CHANNELS
// RUN: not seqc-opt %s --split-input-file --seqc-schedule="chip=h200 splits=2" 2>&1 | FileCheck %s --check-prefix=SPLITS
// RUN: seqc-opt %s --split-input-file --seqc-schedule="chip=h200 tile-m=128" | FileCheck %s --check-prefix=FIXED

// CHANNELS: error: 'seqc.chunk_scan' op cannot be tiled on {{.*}}: tile_m is 24, expected a power of two of 2 or more
// SPLITS: error: 'seqc.causal_conv1d' op cannot be tiled on {{.*}}: splits is 2, expected 1: a convolution has nothing to split

// 16 states: 8 of them in a thread, so 16 channels in a warp.
// CHECK-LABEL: @scan
// CHECK: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1, warps = 4>
// More warps where tiles are given that have rows enough.
// FIXED-LABEL: @scan
// FIXED: #seqc.schedule<tile_m = 128, tile_n = 32, splits = 1, warps = 4>
func.func @scan(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %h: tensor<?x?x16xf32>) -> tensor<?x?x16xf32> {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

// A decode step: one step. Two batches of 8 channels leave most of a GPU idle, so
// that a thread has 2 states only.
// CHECK-LABEL: @step
// CHECK: #seqc.schedule<tile_m = 8, tile_n = 1, splits = 1, warps = 2>
func.func @step(%u: tensor<2x8x1xbf16>, %A: tensor<8x16xf32>, %h: tensor<2x8x16xf32>) -> tensor<2x8x16xf32> {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
    : (tensor<2x8x1xbf16>, tensor<2x8x1xbf16>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<2x8x16xf32>) -> tensor<2x8x16xf32>
  return %0 : tensor<2x8x16xf32>
}

// -----

// Many states: 200 are 256 with padding, 8 in each of 32 threads. A state of
// one element: a thread for each channel.
// CHECK-LABEL: @states
// CHECK: #seqc.schedule<tile_m = 4, tile_n = 16, splits = 1, warps = 4>
// CHECK: #seqc.schedule<tile_m = 128, tile_n = 16, splits = 1, warps = 4>
func.func @states(%u: tensor<?x?x?xbf16>, %A: tensor<?x200xf32>, %h: tensor<?x?x200xf32>, %A1: tensor<?x1xf32>, %h1: tensor<?x?x1xf32>) -> (tensor<?x?x200xf32>, tensor<?x?x1xf32>) {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x200xf32>, tensor<?x200xf32>, tensor<?x?x200xf32>) -> tensor<?x?x200xf32>
  %1 = seqc.chunk_scan u(%u) delta(%u) A(%A1) B(%A1) outs(state %h1)
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  return %0, %1 : tensor<?x?x200xf32>, tensor<?x?x1xf32>
}

// -----

// A convolution: one warp along 1024 steps of a channel, or all threads over many
// channels of few steps.
// CHECK-LABEL: @conv
// CHECK: #seqc.schedule<tile_m = 1, tile_n = 1024, splits = 1, warps = 1>
// CHECK: #seqc.schedule<tile_m = 64, tile_n = 16, splits = 1, warps = 4>
func.func @conv(%x: tensor<?x?x?xbf16>, %w: tensor<?x4xf32>, %s: tensor<?x?x1xbf16>) -> (tensor<?x?x?xbf16>, tensor<?x?x1xbf16>) {
  %0 = seqc.causal_conv1d x(%x) weight(%w) : (tensor<?x?x?xbf16>, tensor<?x4xf32>) -> tensor<?x?x?xbf16>
  %1 = seqc.causal_conv1d x(%s) weight(%w) : (tensor<?x?x1xbf16>, tensor<?x4xf32>) -> tensor<?x?x1xbf16>
  return %0, %1 : tensor<?x?x?xbf16>, tensor<?x?x1xbf16>
}

// -----

// Few channels and a long sequence: 24 tiles of 64 channels on an H200 with room for
// 528 blocks, 22 parts each; with 432 on an A100, 18. A sequence of less
// than 2048 steps is not split: they are spread.
// CHECK-LABEL: @few
// H200: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 22, warps = 4>
// A100: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 18, warps = 4>
// CHECK: #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, warps = 4>
func.func @few(%u: tensor<1x1536x131072xbf16>, %s: tensor<1x1536x256xbf16>, %A: tensor<1536x16xf32>, %h: tensor<1x1536x16xf32>,
               %y: tensor<1x1536x131072xbf16>, %z: tensor<1x1536x256xbf16>) -> (tensor<1x1536x131072xbf16>, tensor<1x1536x256xbf16>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) C(%A) outs(out %y, state %h)
    : (tensor<1x1536x131072xbf16>, tensor<1x1536x131072xbf16>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1x1536x131072xbf16>, tensor<1x1536x16xf32>)
    -> (tensor<1x1536x131072xbf16>, tensor<1x1536x16xf32>)
  %1:2 = seqc.chunk_scan u(%s) delta(%s) A(%A) B(%A) C(%A) outs(out %z, state %h)
    : (tensor<1x1536x256xbf16>, tensor<1x1536x256xbf16>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1x1536x256xbf16>, tensor<1x1536x16xf32>)
    -> (tensor<1x1536x256xbf16>, tensor<1x1536x16xf32>)
  return %0#0, %1#0 : tensor<1x1536x131072xbf16>, tensor<1x1536x256xbf16>
}

// -----

// The backward: two channels for a thread, of 8 steps; of 8 states one, of 16. Few
// channels have parts of the sequence, as many as are blocks for twice the chip.
// CHECK-LABEL: @backward
// H200: seqc.selective_scan_backward {{.*}} #seqc.schedule<tile_m = 64, tile_n = 8, splits = 22, warps = 4>
// A100: seqc.selective_scan_backward {{.*}} #seqc.schedule<tile_m = 64, tile_n = 8, splits = 18, warps = 4>
// CHECK: seqc.selective_scan_backward {{.*}} #seqc.schedule<tile_m = 16, tile_n = 8, splits = 1, warps = 4>
// CHECK: seqc.selective_scan_backward {{.*}} #seqc.schedule<tile_m = 64, tile_n = 16, splits = 2, warps = 4>
func.func @backward(%u: tensor<1x1536x131072xbf16>, %A: tensor<1536x16xf32>, %v: tensor<8x2048x2048xbf16>, %E: tensor<2048x64xf32>,
                    %w: tensor<1x256x256xbf16>, %F: tensor<256x8xf32>)
    -> (tensor<1x1536x131072xbf16>, tensor<8x2048x2048xbf16>, tensor<1x256x256xbf16>) {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%A) C(%A) out_grad(%u)
    : (tensor<1x1536x131072xbf16>, tensor<1x1536x131072xbf16>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1x1536x131072xbf16>)
    -> (tensor<1x1536x131072xbf16>, tensor<1x1536x131072xbf16>, tensor<1536x16xf32>, tensor<1536x16xf32>, tensor<1536x16xf32>)
  %1:5 = seqc.selective_scan_backward u(%v) delta(%v) A(%E) B(%E) C(%E) out_grad(%v)
    : (tensor<8x2048x2048xbf16>, tensor<8x2048x2048xbf16>, tensor<2048x64xf32>, tensor<2048x64xf32>, tensor<2048x64xf32>, tensor<8x2048x2048xbf16>)
    -> (tensor<8x2048x2048xbf16>, tensor<8x2048x2048xbf16>, tensor<2048x64xf32>, tensor<2048x64xf32>, tensor<2048x64xf32>)
  %2:5 = seqc.selective_scan_backward u(%w) delta(%w) A(%F) B(%F) C(%F) out_grad(%w)
    : (tensor<1x256x256xbf16>, tensor<1x256x256xbf16>, tensor<256x8xf32>, tensor<256x8xf32>, tensor<256x8xf32>, tensor<1x256x256xbf16>)
    -> (tensor<1x256x256xbf16>, tensor<1x256x256xbf16>, tensor<256x8xf32>, tensor<256x8xf32>, tensor<256x8xf32>)
  return %0#0, %1#0, %2#0 : tensor<1x1536x131072xbf16>, tensor<8x2048x2048xbf16>, tensor<1x256x256xbf16>
}
