// RUN: seqc-opt %s --split-input-file --verify-diagnostics

func.func @last(%a: tensor<64x4x16xf32>, %h: tensor<64x4xf32>) {
  // expected-error @below {{'tile.recurrence' op along dimension 1 of 'tensor<64x4x16xf32>' goes with 'tensor<64x16xf32>', but got 'tensor<64x4xf32>'}}
  %s, %l = tile.recurrence %a, %a from %h along 1 : tensor<64x4x16xf32>, tensor<64x4xf32>
  return
}

// -----

func.func @integers(%a: tensor<64x4x16xi32>, %h: tensor<64x16xi32>) {
  // expected-error @below {{'tile.recurrence' op needs tiles of a float type, but got 'tensor<64x4x16xi32>'}}
  %s, %l = tile.recurrence %a, %a from %h along 1 : tensor<64x4x16xi32>, tensor<64x16xi32>
  return
}

// -----

// Steps that are spread over lanes would have to wait for each other.
#l = #tile.blocked<thread = [1, 2, 8], lanes = [8, 2, 2], warps = [4, 1, 1]>
func.func @spread(%a: tensor<64x4x16xf32, #l>, %h: tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>) {
  // expected-error @below {{'tile.recurrence' op needs a layout that gives a thread all of dimension 1, but got}}
  %s, %t = tile.recurrence %a, %a from %h along 1 : tensor<64x4x16xf32, #l>, tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  return
}

// -----

func.func @inside(%x: memref<?xf32>, %i: index) {
  // expected-error @below {{'tile.load' op needs dimensions of the tile 'tensor<32xf32>' in 'inside', but got 1}}
  %t = tile.load %x[%i] inside [1] : memref<?xf32> -> tensor<32xf32>
  return
}

// -----

// A thread cannot finish a sum that it has no part of.
#l = #tile.blocked<thread = [1, 4, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#other = #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [4, 1]>
func.func @parts(%a: tensor<64x8x16xf32, #l>) {
  // expected-error @below {{'tile.reduce' op along dimension 2 of}}
  %y = tile.reduce add %a along 2 : tensor<64x8x16xf32, #l> -> tensor<64x8xf32, #other>
  return
}

// -----

// expected-error @below {{a tile in shared memory has a pitch of at least its 32 columns and a multiple of 4, 16 bytes, but got 33}}
func.func private @pitch(!tile.shared<64x32xf32, pitch 33>)

// -----

func.func @outside(%m: !tile.shared<64x32xf32, pitch 36>) {
  %c0 = arith.constant 0 : index
  %c30 = arith.constant 30 : index
  // expected-error @below {{'tile.shared_load' op needs 'tensor<64x4xf32>' inside of '!tile.shared<64x32xf32, pitch 36>', but its column is 30}}
  %t = tile.shared_load %m[%c0, %c30] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32>
  return
}

// -----

func.func @offsets(%m: !tile.shared<64x32xf32, pitch 36>, %i: index) {
  // expected-error @below {{'tile.shared_load' op needs a row and a column as the offsets of a tile in '!tile.shared<64x32xf32, pitch 36>', or none, but got 1}}
  %t = tile.shared_load %m[%i] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32>
  return
}

// -----

func.func @product(%a: !tile.shared<64x64xbf16, pitch 72>, %b: !tile.shared<64x64xbf16>, %c: tensor<64x64xf32>) {
  // expected-error @below {{'tile.dot' op operand 'a' must be in panels, without a pitch, but is of type '!tile.shared<64x64xbf16, pitch 72>'}}
  %d = tile.dot %a, %b, %c : !tile.shared<64x64xbf16, pitch 72>, !tile.shared<64x64xbf16>, tensor<64x64xf32>
  return
}

// -----

func.func @both(%a: tensor<64x4x16xf32>, %h: tensor<64x16xf32>) {
  // expected-error @below {{'tile.recurrence' op of gradients has no states before its steps: adjoint and before exclude each other}}
  %s, %t = tile.recurrence %a, %a from %h along 1 adjoint before : tensor<64x4x16xf32>, tensor<64x16xf32>
  return
}

// -----

func.func @blocks(%a: tensor<64x4x16xf32>) {
  // expected-error @below {{'tile.sum_blocks' op goes from rows x steps x columns to steps x columns of each of some equal blocks of rows, but got 'tensor<64x4x16xf32>' and 'tensor<4x48xf32>'}}
  %b = tile.sum_blocks %a : tensor<64x4x16xf32> -> tensor<4x48xf32>
  return
}

// -----

#l = #tile.blocked<thread = [1, 4, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#two = #tile.blocked<thread = [1, 2], lanes = [2, 16], warps = [2, 1]>
func.func @warps(%a: tensor<64x4x16xf32, #l>) {
  // expected-error @below {{'tile.sum_blocks' op needs a block for each warp, but has 2 blocks from}}
  %b = tile.sum_blocks %a : tensor<64x4x16xf32, #l> -> tensor<4x32xf32, #two>
  return
}

// -----

func.func @exchange(%a: tensor<64x16xf32>) {
  // expected-error @below {{'tile.exchange' op keeps shape and elements, but goes from 'tensor<64x16xf32>' to 'tensor<16x64xf32>'}}
  %b = tile.exchange %a : tensor<64x16xf32> -> tensor<16x64xf32>
  return
}
