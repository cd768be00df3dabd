// RUN: %roundtrip

// CHECK-LABEL: tile.kernel @scale(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: memref<?x128xf32>, %[[Y:[a-z0-9_]+]]: memref<?x128xf32>, %[[S:[a-z0-9_]+]]: f32,
// CHECK-SAME: %[[BX:[a-z0-9_]+]]: index, %{{[a-z0-9_]+}}: index, %{{[a-z0-9_]+}}: index) attributes {warps = 4 : i64} {
// CHECK: tile.load %[[X]]
// CHECK: tile.store %{{[a-z0-9_]+}}, %[[Y]]
// CHECK: tile.return
tile.kernel @scale(%x: memref<?x128xf32>, %y: memref<?x128xf32>, %s: f32,
                   %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c64 = arith.constant 64 : index
  %c0 = arith.constant 0 : index
  %row = arith.muli %bx, %c64 : index
  %t = tile.load %x[%row, %c0] : memref<?x128xf32> -> tensor<64x128xf32>
  %f = tensor.splat %s : tensor<64x128xf32>
  %r = arith.mulf %t, %f : tensor<64x128xf32>
  tile.store %r, %y[%row, %c0] : tensor<64x128xf32>, memref<?x128xf32>
  tile.return
}

// CHECK-LABEL: func @launch(
// CHECK: %[[R:[a-z0-9_]+]] = tile.launch @rescale grid(%{{[a-z0-9_]+}}, %[[ONE:[a-z0-9_]+]], %[[ONE]])
// CHECK-SAME: ins(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}} : tensor<?x128xf32>, f32)
// CHECK-SAME: outs(%{{[a-z0-9_]+}} : tensor<?x128xf32>) -> tensor<?x128xf32>
func.func @launch(%x: tensor<?x128xf32>, %s: f32, %y: tensor<?x128xf32>,
                  %gx: index) -> tensor<?x128xf32> {
  %c1 = arith.constant 1 : index
  %r = tile.launch @rescale grid(%gx, %c1, %c1)
      ins(%x, %s : tensor<?x128xf32>, f32) outs(%y : tensor<?x128xf32>) -> tensor<?x128xf32>
  return %r : tensor<?x128xf32>
}

// Views of a launch may say less than the tensors.
// CHECK-LABEL: tile.kernel @rescale(
tile.kernel @rescale(%x: memref<?x?xf32, strided<[?, ?], offset: ?>>, %s: f32,
                     %y: memref<?x128xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 1 : i64} {
  tile.return
}

// No inputs and no outputs.
// CHECK-LABEL: func @nothing
// CHECK: tile.launch @empty grid(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}){{$}}
func.func @nothing(%n: index) {
  tile.launch @empty grid(%n, %n, %n)
  return
}
tile.kernel @empty(%bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  tile.return
}
