// RUN: seqc-opt %s --split-input-file --verify-diagnostics

func.func @shapes(%h: tensor<64x8x16xf32>, %c: tensor<8x32xf32>) {
  // expected-error @below {{'tile.contract' op takes states (c, t, n) and weights (t, n) to (c, t), but goes from 'tensor<64x8x16xf32>' and 'tensor<8x32xf32>' to 'tensor<64x8xf32>'}}
  %y = tile.contract %h, %c : tensor<64x8x16xf32>, tensor<8x32xf32> -> tensor<64x8xf32>
  return
}

// -----

func.func @types(%h: tensor<64x8x16xf32>, %c: tensor<8x16xbf16>) {
  // expected-error @below {{'tile.contract' op works on f32, but got 'tensor<8x16xbf16>'}}
  %y = tile.contract %h, %c : tensor<64x8x16xf32>, tensor<8x16xbf16> -> tensor<64x8xf32>
  return
}

// -----

// A thread that has all states of a channel gives tensor cores nothing to share.
#states = #tile.blocked<thread = [1, 8, 16], lanes = [32, 1, 1], warps = [2, 1, 1]>
func.func @lanes(%h: tensor<64x8x16xf32, #states>, %c: tensor<8x16xf32>) {
  // expected-error @below {{'tile.contract' op needs states in a layout of which tensor cores take blocks, but got}}
  %y = tile.contract %h, %c : tensor<64x8x16xf32, #states>, tensor<8x16xf32> -> tensor<64x8xf32>
  return
}

// -----

#states = #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>
#weights = #tile.slice<dim = 0, of = #states>
#sums = #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [4, 1]>
func.func @weights(%h: tensor<64x8x16xf32, #states>, %c: tensor<8x16xf32, #weights>) {
  // expected-error @below {{'tile.contract' op of 'tensor<64x8x16xf32, #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>>' needs weights in #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 4], lanes = [1, 8, 4], warps = [4, 1, 1]>>, but got}}
  %y = tile.contract %h, %c : tensor<64x8x16xf32, #states>, tensor<8x16xf32, #weights> -> tensor<64x8xf32, #sums>
  return
}

// -----

#states = #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>
#weights = #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 4], lanes = [1, 8, 4], warps = [4, 1, 1]>>
func.func @sums(%h: tensor<64x8x16xf32, #states>, %c: tensor<8x16xf32, #weights>) {
  // expected-error @below {{gives a result in #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [4, 1]>, but got 'tensor<64x8xf32, #tile.slice<dim = 2}}
  %y = tile.contract %h, %c : tensor<64x8x16xf32, #states>, tensor<8x16xf32, #weights> -> tensor<64x8xf32, #tile.slice<dim = 2, of = #states>>
  return
}
