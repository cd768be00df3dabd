// RUN: seqc-opt %s --convert-tile-to-nvvm --split-input-file --verify-diagnostics

tile.kernel @layout(%x: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'tile.load' op has a tile of type 'tensor<64xf32>', which has no layout: tile-assign-layouts and tile-stage-memory come first}}
  %0 = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32>
  tile.return
}

// -----

#cols = #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [1, 4]>
tile.kernel @warps(%x: memref<4x128xf32>, %y: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0, %c0] : memref<4x128xf32> -> tensor<4x128xf32, #cols>
  // expected-error @below {{'tile.reduce' op along dimension 1 of 'tensor<4x128xf32, #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [1, 4]>>' is not supported: several warps hold parts of it}}
  // expected-error @below {{failed to legalize operation 'tile.reduce'}}
  %1 = tile.reduce add %0 along 1 : tensor<4x128xf32, #cols> -> tensor<4xf32, #tile.slice<dim = 1, of = #cols>>
  tile.store %1, %y[%c0] : tensor<4xf32, #tile.slice<dim = 1, of = #cols>>, memref<4xf32>
  tile.return
}

// -----

#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>
tile.kernel @function(%x: memref<64xf64>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xf64> -> tensor<64xf64, #row>
  // expected-error @below {{'math.exp' op on 'f64' is not supported on sm_80 tiles}}
  %1 = math.exp %0 : tensor<64xf64, #row>
  tile.store %1, %x[%c0] : tensor<64xf64, #row>, memref<64xf64>
  tile.return
}

// -----

#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>
tile.kernel @constant(%x: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @below {{'arith.constant' op has the value 4294967296, which does not fit the 32 bits that index has in kernels}}
  // expected-error @below {{failed to legalize operation 'arith.constant'}}
  %c = arith.constant 4294967296 : index
  %0 = tile.load %x[%c] : memref<64xf32> -> tensor<64xf32, #row>
  tile.store %0, %x[%c] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}
