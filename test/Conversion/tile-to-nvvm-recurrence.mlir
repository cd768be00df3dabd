// RUN: seqc-opt %s --convert-tile-to-nvvm="chip=sm_80" | FileCheck %s

#l = #tile.blocked<thread = [1, 4, 8], lanes = [16, 1, 2], warps = [4, 1, 1]>
#half = #tile.blocked<thread = [1, 2], lanes = [16, 2], warps = [4, 1]>
#strip = #tile.blocked<thread = [2, 8], lanes = [8, 4], warps = [4, 1]>

// Rows that the access knows to be inside are read in vectors, whatever their
// length; only the channel is compared.
// CHECK-LABEL: llvm.func @inside(
// CHECK-SAME: seqc.aligned = array<i64: 0, 1>
// CHECK: nvx.load {{.*}} : vector<8xbf16>
// CHECK: nvx.load {{.*}} : vector<8xbf16>
// CHECK-NOT: nvx.load
// CHECK: nvx.store {{.*}} : vector<8xbf16>
tile.kernel @inside(%x: memref<?x?xbf16, strided<[?, 1]>>, %y: memref<?x?xbf16, strided<[?, 1]>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %t = tile.load %x[%c0, %c64] inside [1] : memref<?x?xbf16, strided<[?, 1]>> -> tensor<64x32xbf16, #strip>
  tile.store %t, %y[%c0, %c64] inside [1] : tensor<64x32xbf16, #strip>, memref<?x?xbf16, strided<[?, 1]>>
  tile.return
}

// A chain of multiply-adds for each of 8 states; the sums of four steps are
// finished by two threads, two steps each, with two exchanges. A place in a tile
// with a pitch is a sum: nothing is swizzled.
// CHECK-LABEL: llvm.func @scan(
// CHECK-COUNT-32: math.fma {{.*}} : f32
// CHECK-NOT: math.fma
// CHECK: arith.select
// CHECK: nvvm.shfl.sync bfly
// CHECK: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync bfly
// CHECK-NOT: arith.xori
// CHECK: llvm.store {{.*}} : vector<2xf32>, !llvm.ptr<3>
// CHECK: nvvm.bar.warp.sync
// CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf32>
tile.kernel @scan(%x: memref<64x32xf32>, %a: f32, %t: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = tile.alloc : !tile.shared<64x32xf32, pitch 36>
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %at = arith.muli %t, %c4 : index
  %f = tensor.splat %a : tensor<64x4x16xf32, #l>
  %h = arith.constant dense<1.0> : tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %s, %last = tile.recurrence %f, %f from %h along 1 : tensor<64x4x16xf32, #l>, tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %y = tile.reduce add %s along 2 : tensor<64x4x16xf32, #l> -> tensor<64x4xf32, #half>
  tile.shared_store %y, %m[%c0, %at] : tensor<64x4xf32, #half>, !tile.shared<64x32xf32, pitch 36>
  tile.barrier warp
  %r = tile.shared_load %m : !tile.shared<64x32xf32, pitch 36> -> tensor<64x32xf32, #strip>
  tile.store %r, %x[%c0, %c0] : tensor<64x32xf32, #strip>, memref<64x32xf32>
  tile.return
}

#hs = #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [2, 1, 1]>
#ws = #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 4], lanes = [1, 8, 4], warps = [2, 1, 1]>>
#ys = #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [2, 1]>

// Sums over 16 states of two channels and 8 steps: two products of tensor cores for
// each step. A thread takes its two steps of each channel out of those of all.
// CHECK-LABEL: llvm.func @contract(
// CHECK-COUNT-16: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<tf32>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 8>
// CHECK-NOT: nvvm.mma.sync
// CHECK-COUNT-12: arith.select
// CHECK-NOT: arith.select
tile.kernel @contract(%x: memref<32x8xf32>, %w: memref<8x16xf32>, %a: f32, %bx: index, %by: index, %bz: index) attributes {warps = 2 : i64} {
  %c0 = arith.constant 0 : index
  %h = tensor.splat %a : tensor<32x8x16xf32, #hs>
  %c = tile.load %w[%c0, %c0] : memref<8x16xf32> -> tensor<8x16xf32, #ws>
  %y = tile.contract %h, %c : tensor<32x8x16xf32, #hs>, tensor<8x16xf32, #ws> -> tensor<32x8xf32, #ys>
  tile.store %y, %x[%c0, %c0] : tensor<32x8xf32, #ys>, memref<32x8xf32>
  tile.return
}

// The adjoint: a sum, which a product may become part of, and a product for each
// step. Of the sums over the 16 channels of a warp, 32 in a thread, lanes that
// have the same ones give away half at a time: 16 exchanges, then 8; with all steps shared
// out among four lanes, those that are left have the same 8.
// CHECK-LABEL: llvm.func @adjoint(
// CHECK-COUNT-32: arith.addf {{.*}} fastmath<contract> : f32
// CHECK-COUNT-40: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: llvm.store {{.*}} : vector<4xf32>, !llvm.ptr<3>
#s = #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1, 8], lanes = [4, 4, 2], warps = [1, 1, 4]>>
tile.kernel @adjoint(%a: f32, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %m = tile.alloc : !tile.shared<4x64xf32, pitch 68>
  %f = tensor.splat %a : tensor<64x4x16xf32, #l>
  %h = arith.constant dense<1.0> : tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %s, %last = tile.recurrence %f, %f from %h along 1 adjoint : tensor<64x4x16xf32, #l>, tensor<64x16xf32, #tile.slice<dim = 1, of = #l>>
  %y = tile.sum_blocks %s : tensor<64x4x16xf32, #l> -> tensor<4x64xf32, #s>
  tile.shared_store %y, %m : tensor<4x64xf32, #s>, !tile.shared<4x64xf32, pitch 68>
  tile.return
}
