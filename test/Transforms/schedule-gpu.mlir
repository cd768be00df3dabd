// RUN: seqc-opt %s --split-input-file --verify-diagnostics --seqc-schedule="chip=a100" | FileCheck %s --check-prefix=A100
// RUN: seqc-opt %s --split-input-file --verify-diagnostics --seqc-schedule="chip=sm_80" | FileCheck %s --check-prefix=A100
// RUN: seqc-opt %s --split-input-file --seqc-schedule="chip=h200" | FileCheck %s --check-prefix=H200
// RUN: seqc-opt %s --split-input-file --seqc-schedule="chip=sm_90a" | FileCheck %s --check-prefix=H200
// RUN: not seqc-opt %s --split-input-file --seqc-schedule="chip=h200 tile-m=24" 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not seqc-opt %s --split-input-file --seqc-schedule="chip=h200 tile-n=40" 2>&1 | FileCheck %s --check-prefix=KEYS
// RUN: not seqc-opt %s --split-input-file --seqc-schedule="chip=h200 tile-n=128 stages=8" 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: seqc-opt %s --split-input-file --seqc-schedule=chip=a100 --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-schedule{{$}}
// STATS-NEXT: 14 ops-scheduled

// ROWS: error: 'seqc.online_attention' op cannot be tiled on {{.*}}: tile_m is 24, expected a multiple of 16 (16 for each of 1 warps)
// KEYS: error: 'seqc.online_attention' op cannot be tiled on {{.*}}: tile_n is 40, expected a multiple of 16
// SHARED: error: 'seqc.online_attention' op cannot be tiled on {{.*}}: tiles of 64 x 128 in 8 stages take 271360 bytes of shared memory, more than 232448

// Head dimensions decide; sequences of unknown length count as long.
// A100-LABEL: @d64
// A100: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @d64
// H200: #seqc.schedule<tile_m = 192, tile_n = 128, splits = 1, stages = 2, warps = 12>
func.func @d64(%q: tensor<2x8x?x64xbf16>, %k: tensor<2x8x?x64xbf16>, %v: tensor<2x8x?x64xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x64xf32>, %n: index) -> tensor<2x8x?x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
  return %0#2 : tensor<2x8x?x64xf32>
}

// -----

// One stage on the older chip, where two blocks share an SM.
// A100-LABEL: @d128
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @d128
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @d128(%q: tensor<2x8x?x128xbf16>, %k: tensor<2x8x?x128xbf16>, %v: tensor<2x8x?x128xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x128xf32>, %n: index) -> tensor<2x8x?x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
  return %0#2 : tensor<2x8x?x128xf32>
}

// -----

// A100-LABEL: @d192
// A100: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @d192
// H200: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 2, warps = 8>
func.func @d192(%q: tensor<2x8x?x192xf16>, %k: tensor<2x8x?x192xf16>, %v: tensor<2x8x?x192xf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x192xf32>, %n: index) -> tensor<2x8x?x192xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x192xf16>, tensor<2x8x?x192xf16>, tensor<2x8x?x192xf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x192xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x192xf32>)
  return %0#2 : tensor<2x8x?x192xf32>
}

// -----

// A100-LABEL: @d256
// A100: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @d256
// H200: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 2, warps = 8>
func.func @d256(%q: tensor<2x8x?x256xf16>, %k: tensor<2x8x?x256xf16>, %v: tensor<2x8x?x256xf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x256xf32>, %n: index) -> tensor<2x8x?x256xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x256xf16>, tensor<2x8x?x256xf16>, tensor<2x8x?x256xf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x256xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x256xf32>)
  return %0#2 : tensor<2x8x?x256xf32>
}

// -----

// The larger of the two head dimensions counts.
// A100-LABEL: @values
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @values
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @values(%q: tensor<2x8x?x64xbf16>, %k: tensor<2x8x?x64xbf16>, %v: tensor<2x8x?x128xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x128xf32>, %n: index) -> tensor<2x8x?x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, tensor<2x8x?x128xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
  return %0#2 : tensor<2x8x?x128xf32>
}

// -----

// Without tensor cores tiles are smaller.
// A100-LABEL: @f32
// A100: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1, stages = 2, warps = 4>
// H200-LABEL: @f32
// H200: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1, stages = 2, warps = 4>
func.func @f32(%q: tensor<2x8x?x128xf32>, %k: tensor<2x8x?x128xf32>, %v: tensor<2x8x?x128xf32>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x128xf32>, %n: index) -> tensor<2x8x?x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x128xf32>, tensor<2x8x?x128xf32>, tensor<2x8x?x128xf32>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
  return %0#2 : tensor<2x8x?x128xf32>
}

// -----

// Few queries need fewer rows, and few keys fewer columns.
// A100-LABEL: @short
// A100: #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, stages = 2, warps = 1>
// H200-LABEL: @short
// H200: #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, stages = 2, warps = 1>
func.func @short(%q: tensor<2x8x5x128xbf16>, %k: tensor<2x8x20x128xbf16>, %v: tensor<2x8x20x128xbf16>, %s: tensor<2x8x5xf32>, %a: tensor<2x8x5x128xf32>, %n: index) -> tensor<2x8x5x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x5x128xbf16>, tensor<2x8x20x128xbf16>, tensor<2x8x20x128xbf16>, index, index, index, index, index, index,
       tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x5x128xf32>)
    -> (tensor<2x8x5xf32>, tensor<2x8x5xf32>, tensor<2x8x5x128xf32>)
  return %0#2 : tensor<2x8x5x128xf32>
}

// -----

// Few queries and any number of keys: 16 KiB in a stage, and the call decides into how many parts keys are split.
// A100-LABEL: @decode
// A100: #seqc.schedule<tile_m = 32, tile_n = 64, stages = 2, warps = 2>
// H200-LABEL: @decode
// H200: #seqc.schedule<tile_m = 32, tile_n = 64, stages = 2, warps = 2>
func.func @decode(%q: tensor<?x8x20x64xbf16>, %k: tensor<?x8x?x64xbf16>, %v: tensor<?x8x?x64xbf16>, %s: tensor<?x8x20xf32>, %a: tensor<?x8x20x64xf32>, %n: index) -> tensor<?x8x20x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<?x8x20x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, index, index, index, index, index, index,
       tensor<?x8x20xf32>, tensor<?x8x20xf32>, tensor<?x8x20x64xf32>)
    -> (tensor<?x8x20xf32>, tensor<?x8x20xf32>, tensor<?x8x20x64xf32>)
  return %0#2 : tensor<?x8x20x64xf32>
}

// -----

// A100-LABEL: @medium
// A100: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @medium
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @medium(%q: tensor<2x8x100x64xbf16>, %k: tensor<2x8x500x64xbf16>, %v: tensor<2x8x500x64xbf16>, %s: tensor<2x8x100xf32>, %a: tensor<2x8x100x64xf32>, %n: index) -> tensor<2x8x100x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x100x64xbf16>, tensor<2x8x500x64xbf16>, tensor<2x8x500x64xbf16>, index, index, index, index, index, index,
       tensor<2x8x100xf32>, tensor<2x8x100xf32>, tensor<2x8x100x64xf32>)
    -> (tensor<2x8x100xf32>, tensor<2x8x100xf32>, tensor<2x8x100x64xf32>)
  return %0#2 : tensor<2x8x100x64xf32>
}

// -----

// Where shared memory has no room, stages go first.
// A100-LABEL: @wide
// A100: #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, stages = 1, warps = 1>
// H200-LABEL: @wide
// H200: #seqc.schedule<tile_m = 32, tile_n = 32, splits = 1, stages = 1, warps = 2>
func.func @wide(%q: tensor<2x8x?x512xf32>, %k: tensor<2x8x?x512xf32>, %v: tensor<2x8x?x512xf32>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x512xf32>, %n: index) -> tensor<2x8x?x512xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
    : (tensor<2x8x?x512xf32>, tensor<2x8x?x512xf32>, tensor<2x8x?x512xf32>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x512xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x512xf32>)
  return %0#2 : tensor<2x8x?x512xf32>
}

// -----

// What is there stays, the rest follows: 8 warps need a multiple of 128 rows.
// A100-LABEL: @partial
// A100: #seqc.schedule<tile_m = 128, tile_n = 32, splits = 1, stages = 3, warps = 8>
// H200-LABEL: @partial
// H200: #seqc.schedule<tile_m = 128, tile_n = 32, splits = 1, stages = 3, warps = 8>
func.func @partial(%q: tensor<2x8x?x64xbf16>, %k: tensor<2x8x?x64xbf16>, %v: tensor<2x8x?x64xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x64xf32>, %n: index) -> tensor<2x8x?x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
      {schedule = #seqc.schedule<tile_n = 32, stages = 3, warps = 8>}
    : (tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
  return %0#2 : tensor<2x8x?x64xf32>
}

// -----

// Rows decide on warps.
// A100-LABEL: @rows
// A100: #seqc.schedule<tile_m = 96, tile_n = 96, splits = 1, stages = 1, warps = 2>
// H200-LABEL: @rows
// H200: #seqc.schedule<tile_m = 96, tile_n = 128, splits = 1, stages = 2, warps = 2>
func.func @rows(%q: tensor<2x8x?x64xbf16>, %k: tensor<2x8x?x64xbf16>, %v: tensor<2x8x?x64xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x64xf32>, %n: index) -> tensor<2x8x?x64xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
      {schedule = #seqc.schedule<tile_m = 96>}
    : (tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, tensor<2x8x?x64xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
  return %0#2 : tensor<2x8x?x64xf32>
}

// -----

// Sums of positions and functions of the score need no registers to speak of.
// A100-LABEL: @cheap
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @cheap
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @cheap(%q: tensor<2x8x?x128xbf16>, %k: tensor<2x8x?x128xbf16>, %v: tensor<2x8x?x128xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x128xf32>, %t: tensor<?xf32>, %n: index) -> tensor<2x8x?x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %t[%h] : tensor<?xf32>
        %d = arith.subi %j, %i : index
        %w = arith.index_cast %d : index to i64
        %f = arith.sitofp %w : i64 to f32
        %y = arith.mulf %slope, %f : f32
        %z = math.tanh %x : f32
        %r = arith.addf %z, %y : f32
        seqc.yield %r : f32
      }
    : (tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
  return %0#2 : tensor<2x8x?x128xf32>
}

// -----

// What is read at positions does.
// A100-LABEL: @gather
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @gather
// H200: #seqc.schedule<tile_m = 128, tile_n = 112, splits = 1, stages = 2, warps = 8>
func.func @gather(%q: tensor<2x8x?x128xbf16>, %k: tensor<2x8x?x128xbf16>, %v: tensor<2x8x?x128xbf16>, %s: tensor<2x8x?xf32>, %a: tensor<2x8x?x128xf32>, %t: tensor<?xf32>, %n: index) -> tensor<2x8x?x128xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%s, %s, %a)
      scale(0.125)
      score {
      ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
        %d = tensor.extract %t[%j] : tensor<?xf32>
        %r = arith.addf %x, %d : f32
        seqc.yield %r : f32
      }
    : (tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, tensor<2x8x?x128xbf16>, index, index, index, index, index, index,
       tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x128xf32>)
  return %0#2 : tensor<2x8x?x128xf32>
}
