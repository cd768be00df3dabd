// RUN: seqc-opt %s --convert-tile-to-cpu --split-input-file --verify-diagnostics

func.func @f(%g: index) {
  tile.launch @kernel grid(%g, %g, %g)
  return
}
tile.kernel @kernel(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.barrier' op is not supported on a CPU: run tile-erase-async and tile-erase-layouts first}}
  tile.barrier
  tile.return
}

// -----

func.func @f(%y: tensor<4xf32>, %g: index) -> tensor<4xf32> {
  %r = tile.launch @kernel grid(%g, %g, %g) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
tile.kernel @kernel(%y: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'arith.constant' op is not supported in a kernel: a tile of constants that differ}}
  %0 = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  tile.store %0, %y[%c0] : tensor<4xf32>, memref<4xf32>
  tile.return
}
