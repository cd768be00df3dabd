// RUN: seqc-opt %s --split-input-file --verify-diagnostics --seqc-schedule="chip=h200" -o /dev/null

// Tiles that a kernel cannot have.
func.func @invalid(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %h: tensor<?x?x16xf32>) -> tensor<?x?x16xf32> {
  // expected-error @below {{tile_m is 1, expected a power of two of 2 or more}}
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h) {schedule = #seqc.schedule<tile_m = 1>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

func.func @invalid(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %h: tensor<?x?x16xf32>) -> tensor<?x?x16xf32> {
  // expected-error @below {{warps is 8, expected a power of two of 4 or less with tiles of 8 channels}}
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h) {schedule = #seqc.schedule<tile_m = 8, warps = 8>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

func.func @invalid(%x: tensor<?x?x?xbf16>, %w: tensor<?x4xf32>) -> tensor<?x?x?xbf16> {
  // expected-error @below {{tile_n is 24, expected a power of two of 16 or more}}
  %0 = seqc.causal_conv1d x(%x) weight(%w) {schedule = #seqc.schedule<tile_n = 24>} : (tensor<?x?x?xbf16>, tensor<?x4xf32>) -> tensor<?x?x?xbf16>
  return %0 : tensor<?x?x?xbf16>
}
