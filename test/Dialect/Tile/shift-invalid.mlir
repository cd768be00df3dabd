// RUN: seqc-opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(tile.kernel(tile-assign-layouts))"

func.func @block(%x: tensor<4x60xf32>) {
  // expected-error @below {{'tile.shift' op needs blocks that divide the 60 columns of 'tensor<4x60xf32>', but they have 8}}
  %s = tile.shift %x, %x by 3 block 8 : tensor<4x60xf32>
  return
}

// -----

func.func @by(%x: tensor<4x64xf32>) {
  // expected-error @below {{'tile.shift' op shifts by 0 to 8 elements, a block, but got 9}}
  %s = tile.shift %x, %x by 9 block 8 : tensor<4x64xf32>
  return
}

// -----

// Two threads share a block.
#l = #tile.blocked<thread = [1, 4], lanes = [2, 16], warps = [2, 1]>
func.func @layout(%x: tensor<4x64xf32, #l>) {
  // expected-error @below {{'tile.shift' op needs a layout that gives a thread whole blocks of 8 columns, but got}}
  %s = tile.shift %x, %x by 3 block 8 : tensor<4x64xf32, #l>
  return
}

// -----

tile.kernel @small(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %x = arith.constant dense<1.0> : tensor<2x64xf32>
  // expected-error @below {{'tile.shift' op of a tile of type 'tensor<2x64xf32>' in blocks of 8 cannot be spread over the 4 warps of its kernel}}
  %s = tile.shift %x, %x by 3 block 8 : tensor<2x64xf32>
  tile.return
}
