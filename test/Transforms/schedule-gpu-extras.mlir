// What scores are made of besides products takes registers, so tiles have fewer keys.

// RUN: seqc-opt %s --split-input-file --seqc-online-softmax --seqc-schedule=chip=sm_80 | FileCheck %s --check-prefix=A100
// RUN: seqc-opt %s --split-input-file --seqc-online-softmax --seqc-schedule="chip=sm_80 aligned=false" | FileCheck %s --check-prefix=ODD
// RUN: seqc-opt %s --split-input-file --seqc-online-softmax --seqc-schedule=chip=sm_90a | FileCheck %s --check-prefix=H200

// On sm_80 what a mask compares with leaves registers for 48 keys, 16 less than without one.
// A100-LABEL: @window
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @window
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @window(%q: tensor<?x?x?x128xbf16>) -> (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) {
  %0 = seqc.attention query(%q) key(%q) value(%q) causal window_left(1024)
    : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xbf16>
  %1 = seqc.attention query(%q) key(%q) value(%q) causal
    : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xbf16>
  %2 = seqc.attention query(%q) key(%q) value(%q)
    : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xbf16>
  return %0, %1, %2 : tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>
}

// -----

// A region of arithmetic is cheap, and one of a mask is not. Where rows are not aligned, copies need registers.
// ODD-LABEL: @region
// ODD: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 1, warps = 4>
// ODD: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// ODD: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// A100-LABEL: @region
// A100: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @region
// H200: #seqc.schedule<tile_m = 192, tile_n = 128, splits = 1, stages = 2, warps = 12>
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @region(%q: tensor<?x?x?x64xbf16>, %w: tensor<?x?x?x128xbf16>) -> (tensor<?x?x?x64xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) {
  %0 = seqc.attention query(%q) key(%q) value(%q) score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %r = math.absf %s : f32
      seqc.yield %r : f32
    } : (tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>) -> tensor<?x?x?x64xbf16>
  %1 = seqc.attention query(%w) key(%w) value(%w) mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %r = arith.cmpi ule, %h, %j : index
      seqc.yield %r : i1
    } : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xbf16>
  %2 = seqc.attention query(%w) key(%w) value(%w) score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %r = math.absf %s : f32
      seqc.yield %r : f32
    } : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xbf16>
  return %0, %1, %2 : tensor<?x?x?x64xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>
}

// -----

// Segments are two numbers to compare, one of them of the row.
// A100-LABEL: @segments
// A100: #seqc.schedule<tile_m = 128, tile_n = 80, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @segments
// H200: #seqc.schedule<tile_m = 192, tile_n = 128, splits = 1, stages = 2, warps = 12>
// H200: #seqc.schedule<tile_m = 128, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @segments(%q: tensor<?x?x?x64xbf16>, %w: tensor<?x?x?x128xbf16>, %s: tensor<?x?xi32>) -> (tensor<?x?x?x64xbf16>, tensor<?x?x?x128xbf16>) {
  %0 = seqc.attention query(%q) key(%q) value(%q) segments(%s, %s)
    : (tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<?x?xi32>, tensor<?x?xi32>) -> tensor<?x?x?x64xbf16>
  %1 = seqc.attention query(%w) key(%w) value(%w) segments(%s, %s)
    : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?xi32>, tensor<?x?xi32>) -> tensor<?x?x?x128xbf16>
  return %0, %1 : tensor<?x?x?x64xbf16>, tensor<?x?x?x128xbf16>
}

// -----

// The elements of a bias are loaded ahead.
// A100-LABEL: @bias
// A100: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 2, warps = 8>
// A100: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1, stages = 1, warps = 4>
// A100: #seqc.schedule<tile_m = 64, tile_n = 48, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @bias
// H200: #seqc.schedule<tile_m = 192, tile_n = 112, splits = 1, stages = 2, warps = 12>
// H200: #seqc.schedule<tile_m = 128, tile_n = 112, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 80, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 2, warps = 8>
!d64 = tensor<?x?x?x64xbf16>
!d128 = tensor<?x?x?x128xbf16>
!d192 = tensor<?x?x?x192xbf16>
!d256 = tensor<?x?x?x256xbf16>
!bias = tensor<?x?x?x?xf32>
func.func @bias(%q: !d64, %w: !d128, %x: !d192, %y: !d256, %s: !bias) -> (!d64, !d128, !d192, !d256) {
  %0 = seqc.attention query(%q) key(%q) value(%q) bias(%s) : (!d64, !d64, !d64, !bias) -> !d64
  %1 = seqc.attention query(%w) key(%w) value(%w) bias(%s) : (!d128, !d128, !d128, !bias) -> !d128
  %2 = seqc.attention query(%x) key(%x) value(%x) bias(%s) : (!d192, !d192, !d192, !bias) -> !d192
  %3 = seqc.attention query(%y) key(%y) value(%y) bias(%s) : (!d256, !d256, !d256, !bias) -> !d256
  return %0, %1, %2, %3 : !d64, !d128, !d192, !d256
}

// -----

// All at once.
// A100-LABEL: @everything
// A100: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 2, warps = 8>
// A100: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @everything
// H200: #seqc.schedule<tile_m = 128, tile_n = 96, splits = 1, stages = 2, warps = 8>
// H200: #seqc.schedule<tile_m = 128, tile_n = 16, splits = 1, stages = 2, warps = 8>
!d64 = tensor<?x?x?x64xbf16>
!d256 = tensor<?x?x?x256xbf16>
!bias = tensor<?x?x?x?xf32>
!ids = tensor<?x?xi32>
func.func @everything(%q: !d64, %w: !d256, %s: !bias, %ids: !ids, %seed: i64) -> (!d64, !d256) {
  %0 = seqc.attention query(%q) key(%q) value(%q) bias(%s) segments(%ids, %ids) dropout(0.1, %seed) score {
    ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
      %r = math.absf %x : f32
      seqc.yield %r : f32
    } : (!d64, !d64, !d64, !bias, !ids, !ids, i64) -> !d64
  %1 = seqc.attention query(%w) key(%w) value(%w) bias(%s) segments(%ids, %ids) dropout(0.1, %seed) score {
    ^bb0(%x: f32, %b: index, %h: index, %i: index, %j: index):
      %r = math.absf %x : f32
      seqc.yield %r : f32
    } : (!d256, !d256, !d256, !bias, !ids, !ids, i64) -> !d256
  return %0, %1 : !d64, !d256
}
