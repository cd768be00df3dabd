// RUN: seqc-opt %s --convert-tile-to-cpu | FileCheck %s
// RUN: seqc-opt %s --seqc-tile-to-cpu -o /dev/null

// One step after the other, each a multiply-add of what the step before left; and
// both of what an element of a shift may come from, of which one is taken.
// CHECK-LABEL: func.func @f(
// CHECK: scf.forall
// CHECK: scf.for %[[S:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[H:.*]] = %{{.*}}, %[[ALL:.*]] = %{{.*}})
// CHECK: tensor.extract_slice %{{.*}}[0, %[[S]], 0] [64, 1, 16] [1, 1, 1]
// CHECK: linalg.generic
// CHECK: math.fma
// CHECK: tensor.insert_slice {{.*}}[0, %[[S]], 0] [64, 1, 16] [1, 1, 1]
// CHECK: linalg.reduce
// CHECK: linalg.generic
// CHECK: arith.remui
// CHECK-COUNT-2: tensor.extract %
// CHECK: arith.select
func.func @f(%x: tensor<64x32xf32>, %a: f32) -> tensor<64x32xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<64x32xf32>
  %r = tile.launch @kernel grid(%c1, %c1, %c1) ins(%x, %a : tensor<64x32xf32>, f32)
      outs(%e : tensor<64x32xf32>) -> tensor<64x32xf32>
  return %r : tensor<64x32xf32>
}

tile.kernel @kernel(%x: memref<64x32xf32, strided<[?, ?], offset: ?>>, %a: f32, %y: memref<64x32xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %f = tensor.splat %a : tensor<64x2x16xf32>
  %h = arith.constant dense<1.0> : tensor<64x16xf32>
  %s, %last = tile.recurrence %f, %f from %h along 1 : tensor<64x2x16xf32>, tensor<64x16xf32>
  %sum = tile.reduce add %last along 1 : tensor<64x16xf32> -> tensor<64xf32>
  %t = tile.load %x[%c0, %c0] : memref<64x32xf32, strided<[?, ?], offset: ?>> -> tensor<64x32xf32>
  %b = tile.shift %t, %t by 3 block 8 : tensor<64x32xf32>
  %w = tile.broadcast %sum along 1 : tensor<64xf32> -> tensor<64x32xf32>
  %v = arith.addf %b, %w : tensor<64x32xf32>
  tile.store %v, %y[%c0, %c0] : tensor<64x32xf32>, memref<64x32xf32>
  tile.return
}

// States are cut to 11 bits before they are multiplied.
// CHECK-LABEL: func.func @g(
// CHECK: linalg.broadcast {{.*}} dimensions = [0]
// CHECK: linalg.generic
// CHECK: arith.andi
// CHECK: arith.mulf
// CHECK: linalg.reduce {{.*}} dimensions = [2]
func.func @g(%x: tensor<8x16xf32>, %a: f32) -> tensor<16x8xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<16x8xf32>
  %r = tile.launch @contract grid(%c1, %c1, %c1) ins(%x, %a : tensor<8x16xf32>, f32)
      outs(%e : tensor<16x8xf32>) -> tensor<16x8xf32>
  return %r : tensor<16x8xf32>
}

tile.kernel @contract(%x: memref<8x16xf32, strided<[?, ?], offset: ?>>, %a: f32, %y: memref<16x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  %c0 = arith.constant 0 : index
  %h = tensor.splat %a : tensor<16x8x16xf32>
  %c = tile.load %x[%c0, %c0] : memref<8x16xf32, strided<[?, ?], offset: ?>> -> tensor<8x16xf32>
  %s = tile.contract %h, %c : tensor<16x8x16xf32>, tensor<8x16xf32> -> tensor<16x8xf32>
  tile.store %s, %y[%c0, %c0] : tensor<16x8xf32>, memref<16x8xf32>
  tile.return
}

// From the last step to the first: the sum is kept, the product goes on. Sums of
// blocks of 16 channels come to stand beside each other.
// CHECK-LABEL: func.func @backwards(
// CHECK: scf.forall
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %[[N:.*]] step
// CHECK: %[[S:.*]] = arith.subi %{{.*}}, %[[I]]
// CHECK: tensor.extract_slice %{{.*}}[0, %[[S]], 0] [64, 1, 16] [1, 1, 1]
// CHECK: arith.addf
// CHECK: tensor.insert_slice {{.*}}[0, %[[S]], 0] [64, 1, 16] [1, 1, 1]
// CHECK: arith.mulf
// CHECK: tensor.expand_shape {{.*}} : tensor<64x2x16xf32> into tensor<4x16x2x16xf32>
// CHECK: linalg.reduce
// CHECK: linalg.transpose {{.*}} permutation = [1, 0, 2]
// CHECK: tensor.collapse_shape {{.*}} : tensor<2x4x16xf32> into tensor<2x64xf32>
func.func @backwards(%a: f32) -> tensor<2x64xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<2x64xf32>
  %r = tile.launch @adjoint grid(%c1, %c1, %c1) ins(%a : f32) outs(%e : tensor<2x64xf32>) -> tensor<2x64xf32>
  return %r : tensor<2x64xf32>
}

tile.kernel @adjoint(%a: f32, %y: memref<2x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %f = tensor.splat %a : tensor<64x2x16xf32>
  %h = arith.constant dense<1.0> : tensor<64x16xf32>
  %s, %last = tile.recurrence %f, %f from %h along 1 adjoint : tensor<64x2x16xf32>, tensor<64x16xf32>
  %sums = tile.sum_blocks %s : tensor<64x2x16xf32> -> tensor<2x64xf32>
  %e = tile.exchange %sums : tensor<2x64xf32> -> tensor<2x64xf32>
  tile.store %e, %y[%c0, %c0] : tensor<2x64xf32>, memref<2x64xf32>
  tile.return
}
