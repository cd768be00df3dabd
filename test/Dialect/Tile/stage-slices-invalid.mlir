// RUN: seqc-opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(tile.kernel(tile-stage-slices))"

tile.kernel @no_layout(%x: memref<?x?xf32>, %i: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %u = tile.load %x[%i, %i] : memref<?x?xf32> -> tensor<64x32xf32>
  // expected-error @below {{'tensor.extract_slice' op has a tile of type 'tensor<64x32xf32>', which has no layout: tile-assign-layouts comes first}}
  %p = tensor.extract_slice %u[0, %i] [64, 4] [1, 1] : tensor<64x32xf32> to tensor<64x4xf32>
  tile.store %p, %x[%i, %i] : tensor<64x4xf32>, memref<?x?xf32>
  tile.return
}

// -----

#l = #tile.blocked<thread = [1, 8], lanes = [8, 4], warps = [4, 1]>
#p = #tile.blocked<thread = [1, 4], lanes = [32, 1], warps = [2, 2]>
tile.kernel @not_carried(%x: memref<?x?xf32>, %i: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %u = tile.load %x[%i, %i] : memref<?x?xf32> -> tensor<64x32xf32, #l>
  %v = tile.load %x[%i, %i] : memref<?x?xf32> -> tensor<64x8xf32, #p>
  // expected-error @below {{'tensor.insert_slice' op writes a part of a tile that is not carried by the loop, from tensor.empty on, for this alone}}
  %w = tensor.insert_slice %v into %u[0, %i] [64, 8] [1, 1] : tensor<64x8xf32, #p> into tensor<64x32xf32, #l>
  tile.store %w, %x[%i, %i] : tensor<64x32xf32, #l>, memref<?x?xf32>
  tile.return
}
