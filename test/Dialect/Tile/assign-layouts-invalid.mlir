// RUN: seqc-opt %s --split-input-file --verify-diagnostics --tile-assign-layouts

// 64 rows are too few for 8 warps.
tile.kernel @rows(%q: memref<?x64xbf16>, %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  // expected-error @+1 {{'tile.dot' op result of type 'tensor<64x64xf32>' cannot be spread over the 8 warps of its kernel: rows must be a multiple of 128 and columns of 8}}
  %s = tile.dot %q0, %q0, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
  tile.store %s, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}

// -----

// Three columns go into no number of lanes, and three rows neither.
tile.kernel @shape(%x: memref<?x3xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{a tile of type 'tensor<3x3xf32>' cannot be spread over the 4 warps of its kernel}}
  %a = tile.load %x[%bx, %c0] : memref<?x3xf32> -> tensor<3x3xf32>
  tile.store %a, %x[%bx, %c0] : tensor<3x3xf32>, memref<?x3xf32>
  tile.return
}

// -----

// The maxima of rows meet a column: a sum over rows and columns of one matrix would move
// every element.
tile.kernel @meet(%q: memref<?x64xbf16>, %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %s = tile.dot %q0, %q0, %zeros transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
  // expected-note @+1 {{computed here}}
  %m = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
  // expected-error @+1 {{'tile.broadcast' op needs operand #0 of type 'tensor<64xf32>' in layout #tile.slice<dim = 0, of = #tile.mma<warps = 4>>, but it is in #tile.slice<dim = 1, of = #tile.mma<warps = 4>> and 'tile.reduce' is not computed twice}}
  %b = tile.broadcast %m along 0 : tensor<64xf32> -> tensor<64x64xf32>
  %d = arith.subf %s, %b : tensor<64x64xf32>
  tile.store %d, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}

// -----

// A tile that a loop carries is not computed again either.
tile.kernel @loop(%q: memref<?x64xbf16>, %n: index, %o: memref<?x64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zeros = arith.constant dense<0.0> : tensor<64x64xf32>
  %row = arith.constant dense<0.0> : tensor<64xf32>
  %q0 = tile.load %q[%bx, %c0] : memref<?x64xbf16> -> tensor<64x64xbf16>
  %r:2 = scf.for %j = %c0 to %n step %c1 iter_args(%acc = %zeros, %m = %row) -> (tensor<64x64xf32>, tensor<64xf32>) {
    %s = tile.dot %q0, %q0, %acc transpose_b : tensor<64x64xbf16>, tensor<64x64xbf16>, tensor<64x64xf32>
    %t = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
    // expected-error @+1 {{and carried by a loop}}
    %b = tile.broadcast %m along 0 : tensor<64xf32> -> tensor<64x64xf32>
    %d = arith.subf %s, %b : tensor<64x64xf32>
    scf.yield %d, %t : tensor<64x64xf32>, tensor<64xf32>
  }
  tile.store %r#0, %o[%bx, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.return
}
