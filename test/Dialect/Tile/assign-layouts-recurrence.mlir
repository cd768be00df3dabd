// RUN: seqc-opt %s --pass-pipeline="builtin.module(tile.kernel(tile-assign-layouts))" | FileCheck %s

// A thread has the steps of 8 states of one channel, two threads a channel, a
// warp 16 channels. Sums over states are shared out between the two. What device
// memory gives has 16 bytes of consecutive steps in a thread, and the rows of a
// warp are its channels.
// CHECK-LABEL: tile.kernel @scan
// CHECK: tile.load {{.*}} -> tensor<64x32xbf16, #tile.blocked<thread = [2, 8], lanes = [8, 4], warps = [4, 1]>>
// CHECK: tile.load {{.*}} dims [1, 0] {{.*}} -> tensor<32x16xbf16, #tile.blocked<thread = [4, 1], lanes = [2, 16], warps = [4, 1]>>
// CHECK: tensor.extract_slice {{.*}} to tensor<64x4xf32, #tile.slice<dim = 2, of = #tile.blocked<thread = [1, 4, 4], lanes = [16, 1, 2], warps = [4, 1, 1]>>>
// CHECK: tensor.extract_slice {{.*}} to tensor<4x16xf32, #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 4, 4], lanes = [16, 1, 2], warps = [4, 1, 1]>>>
// CHECK: tile.recurrence
// CHECK: tile.reduce add {{.*}} -> tensor<64x4xf32, #tile.blocked<thread = [1, 2], lanes = [16, 2], warps = [4, 1]>>
// CHECK: tensor.insert_slice {{.*}} into tensor<64x32xf32, #tile.blocked<thread = [4, 4], lanes = [4, 8], warps = [4, 1]>>
tile.kernel @scan(%x: memref<?x?xbf16, strided<[?, 1]>>, %b: memref<?x?xbf16, strided<[?, 1]>>, %y: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c32 = arith.constant 32 : index
  %h0 = arith.constant dense<0.0> : tensor<64x16xf32>
  %u = tile.load %x[%c0, %c0] : memref<?x?xbf16, strided<[?, 1]>> -> tensor<64x32xbf16>
  %bt = tile.load %b[%c0, %c0] dims [1, 0] : memref<?x?xbf16, strided<[?, 1]>> -> tensor<32x16xbf16>
  %uf = arith.extf %u : tensor<64x32xbf16> to tensor<64x32xf32>
  %bf = arith.extf %bt : tensor<32x16xbf16> to tensor<32x16xf32>
  %empty = tensor.empty() : tensor<64x32xf32>
  %r:2 = scf.for %s = %c0 to %c32 step %c4 iter_args(%h = %h0, %sums = %empty) -> (tensor<64x16xf32>, tensor<64x32xf32>) {
    %u4 = tensor.extract_slice %uf[0, %s] [64, 4] [1, 1] : tensor<64x32xf32> to tensor<64x4xf32>
    %b4 = tensor.extract_slice %bf[%s, 0] [4, 16] [1, 1] : tensor<32x16xf32> to tensor<4x16xf32>
    %u3 = tile.broadcast %u4 along 2 : tensor<64x4xf32> -> tensor<64x4x16xf32>
    %b3 = tile.broadcast %b4 along 0 : tensor<4x16xf32> -> tensor<64x4x16xf32>
    %all, %last = tile.recurrence %u3, %b3 from %h along 1 : tensor<64x4x16xf32>, tensor<64x16xf32>
    %q = tile.reduce add %all along 2 : tensor<64x4x16xf32> -> tensor<64x4xf32>
    %w = tensor.insert_slice %q into %sums[0, %s] [64, 4] [1, 1] : tensor<64x4xf32> into tensor<64x32xf32>
    scf.yield %last, %w : tensor<64x16xf32>, tensor<64x32xf32>
  }
  tile.store %r#1, %y[%c0, %c0] : tensor<64x32xf32>, memref<?x?xf32>
  tile.return
}

// Tensor cores sum over the states: four threads have a channel, a thread two of
// them, and steps and states of the weights go to lanes as products want them.
// CHECK-LABEL: tile.kernel @contracted
// CHECK: tensor.extract_slice {{.*}} to tensor<8x16xf32, #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 4], lanes = [1, 8, 4], warps = [4, 1, 1]>>>
// CHECK: tile.recurrence {{.*}} : tensor<64x8x16xf32, #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>>
// CHECK: tile.contract {{.*}} -> tensor<64x8xf32, #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [4, 1]>>
tile.kernel @contracted(%a: f32, %b: memref<?x?xbf16, strided<[?, 1]>>, %y: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c32 = arith.constant 32 : index
  %h0 = arith.constant dense<0.0> : tensor<64x16xf32>
  %f = tensor.splat %a : tensor<64x8x16xf32>
  %ct = tile.load %b[%c0, %c0] dims [1, 0] : memref<?x?xbf16, strided<[?, 1]>> -> tensor<32x16xbf16>
  %cf = arith.extf %ct : tensor<32x16xbf16> to tensor<32x16xf32>
  %empty = tensor.empty() : tensor<64x32xf32>
  %r:2 = scf.for %s = %c0 to %c32 step %c8 iter_args(%h = %h0, %sums = %empty) -> (tensor<64x16xf32>, tensor<64x32xf32>) {
    %w = tensor.extract_slice %cf[%s, 0] [8, 16] [1, 1] : tensor<32x16xf32> to tensor<8x16xf32>
    %all, %last = tile.recurrence %f, %f from %h along 1 : tensor<64x8x16xf32>, tensor<64x16xf32>
    %q = tile.contract %all, %w : tensor<64x8x16xf32>, tensor<8x16xf32> -> tensor<64x8xf32>
    %t = tensor.insert_slice %q into %sums[0, %s] [64, 8] [1, 1] : tensor<64x8xf32> into tensor<64x32xf32>
    scf.yield %last, %t : tensor<64x16xf32>, tensor<64x32xf32>
  }
  tile.store %r#1, %y[%c0, %c0] : tensor<64x32xf32>, memref<?x?xf32>
  tile.return
}

// Of 64 states, eight threads of a channel have 4 next to each other and 4 more
// after those of all: what they read together is 128 bytes in one piece.
// CHECK-LABEL: tile.kernel @many
// CHECK: tile.recurrence {{.*}} : tensor<16x4x64xf32, #tile.blocked<thread = [1, 4, 4], lanes = [4, 1, 8], warps = [4, 1, 1]>>
tile.kernel @many(%a: f32, %y: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %h0 = arith.constant dense<0.0> : tensor<16x64xf32>
  %f = tensor.splat %a : tensor<16x4x64xf32>
  %all, %last = tile.recurrence %f, %f from %h0 along 1 : tensor<16x4x64xf32>, tensor<16x64xf32>
  tile.store %last, %y[%c0, %c0] : tensor<16x64xf32>, memref<?x?xf32>
  tile.return
}

// Where tiles are summed over the channels of a warp, a thread has 4 states of as
// many channels as are left, 8 lanes for the channels of each time.
// CHECK-LABEL: tile.kernel @sums
// CHECK: tile.recurrence {{.*}} : tensor<64x4x16xf32, #tile.blocked<thread = [2, 4, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>>
// CHECK: tile.sum_blocks {{.*}} -> tensor<4x64xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1, 4], lanes = [4, 2, 4], warps = [1, 1, 4]>>>
tile.kernel @sums(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %u = arith.constant dense<0.5> : tensor<64x4x16xf32>
  %h = tile.load %x[%c0, %c0] : memref<?x?xf32> -> tensor<64x16xf32>
  %all, %last = tile.recurrence %u, %u from %h along 1 : tensor<64x4x16xf32>, tensor<64x16xf32>
  %sums = tile.sum_blocks %all : tensor<64x4x16xf32> -> tensor<4x64xf32>
  tile.store %sums, %y[%c0, %c0] : tensor<4x64xf32>, memref<?x?xf32>
  tile.return
}

// All states of a thread next to each other, as the sums of a warp are.
// CHECK-LABEL: tile.kernel @many_states
// CHECK: tile.recurrence {{.*}} : tensor<2x2x256xf32, #tile.blocked<thread = [1, 2, 8], lanes = [1, 1, 32], warps = [2, 1, 1]>>
// CHECK: tile.sum_blocks {{.*}} -> tensor<2x512xf32, #tile.blocked<thread = [2, 8], lanes = [1, 32], warps = [1, 2]>>
tile.kernel @many_states(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 2 : i64} {
  %c0 = arith.constant 0 : index
  %u = arith.constant dense<0.5> : tensor<2x2x256xf32>
  %h = tile.load %x[%c0, %c0] : memref<?x?xf32> -> tensor<2x256xf32>
  %all, %last = tile.recurrence %u, %u from %h along 1 : tensor<2x2x256xf32>, tensor<2x256xf32>
  %sums = tile.sum_blocks %all : tensor<2x2x256xf32> -> tensor<2x512xf32>
  tile.store %sums, %y[%c0, %c0] : tensor<2x512xf32>, memref<?x?xf32>
  tile.return
}
