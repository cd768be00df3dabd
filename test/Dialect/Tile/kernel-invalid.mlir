// RUN: %invalid

// expected-error @+1 {{'tile.kernel' op needs the indices of the block in the grid as its last three arguments, of type index, but its type is '(memref<4xf32>, index, index) -> ()'}}
tile.kernel @f(%x: memref<4xf32>, %bx: index, %by: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op writes to its arguments and has no results, but its type is '(index, index, index) -> f32'}}
tile.kernel @f(%bx: index, %by: index, %bz: index) -> f32 attributes {warps = 4 : i64} {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op argument 0 must be a memref or a scalar, but is of type 'tensor<4xf32>'}}
tile.kernel @f(%x: tensor<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op has 1 to 32 warps, but got 33}}
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 33 : i64} {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op needs a body of one block, but has 2}}
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  cf.br ^bb1
^bb1:
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op must end in tile.return}}
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  ub.unreachable
}

// -----

// A declaration.
// expected-error @+1 {{'tile.kernel' op needs a body of one block, but has 0}}
tile.kernel @f(index, index, index) attributes {warps = 4 : i64}

// -----

tile.kernel @f(%x: memref<64x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'arith.constant' op has a tile spread over 2 warps, 'tensor<64x8xf32, #tile.mma<warps = 2>>', but the kernel has 4}}
  %0 = arith.constant dense<0.0> : tensor<64x8xf32, #tile.mma<warps = 2>>
  tile.return
}

// -----

// Elementwise operations on one layout.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = arith.constant dense<0.0> : tensor<64x8xf32, #tile.mma<warps = 4>>
  %1 = arith.constant dense<2> : tensor<64x8xi32>
  // expected-error @+1 {{'math.fpowi' op mixes layouts: 'tensor<64x8xf32, #tile.mma<warps = 4>>' and 'tensor<64x8xi32>'}}
  %2 = math.fpowi %0, %1 : tensor<64x8xf32, #tile.mma<warps = 4>>, tensor<64x8xi32>
  tile.return
}

// -----

// 227 KiB, of which 1 KiB is for barriers.
// expected-error @+1 {{'tile.kernel' op has rings of 263168 bytes with their barriers, but a block has 232448 bytes of shared memory}}
tile.kernel @f(%x: memref<?x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.make_ring : !tile.ring<4 x 128x128xbf16>
  %1 = tile.make_ring : !tile.ring<4 x 128x128xbf16>
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op has tiles of 262144 bytes in shared memory, but a block has 232448}}
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %0 = tile.alloc : !tile.shared<1024x64xf32>
  tile.return
}

// -----

tile.kernel @f(%x: memref<?x128xbf16>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  scf.for %i = %c0 to %n step %n {
    // expected-error @+1 {{'tile.alloc' op must be at the top level of the kernel}}
    %0 = tile.alloc : !tile.shared<64x64xf32>
  }
  tile.return
}

// -----

func.func @f(%n: index) {
  // expected-error @+1 {{'tile.launch' op launches @k, which is not a tile.kernel}}
  tile.launch @k grid(%n, %n, %n)
  return
}
func.func private @k()

// -----

func.func @f(%n: index) {
  // expected-error @+1 {{'tile.launch' op needs the three sizes of the grid, but got 2}}
  tile.launch @k grid(%n, %n)
  return
}
tile.kernel @k(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

func.func @f(%n: index, %x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.launch' op passes 1 operands, but the kernel @k takes 2}}
  tile.launch @k grid(%n, %n, %n) ins(%x : tensor<4xf32>)
  return
}
tile.kernel @k(%x: memref<4xf32>, %s: f32, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

// The kernel relies on a size that the tensor may not have.
func.func @f(%n: index, %x: tensor<?xf32>) {
  // expected-error @+1 {{'tile.launch' op operand 0 is of type 'tensor<?xf32>', but the kernel @k takes 'memref<4xf32>'}}
  tile.launch @k grid(%n, %n, %n) ins(%x : tensor<?xf32>)
  return
}
tile.kernel @k(%x: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

func.func @f(%n: index, %x: f32) {
  // expected-error @+1 {{'tile.launch' op operand 0 is of type 'f32', but the kernel @k takes 'memref<4xf32>'}}
  tile.launch @k grid(%n, %n, %n) ins(%x : f32)
  return
}
tile.kernel @k(%x: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

func.func @f(%n: index, %x: memref<4xf32>) {
  // expected-error @+1 {{'tile.launch' op input 0 must be a tensor or a scalar, but is of type 'memref<4xf32>'}}
  tile.launch @k grid(%n, %n, %n) ins(%x : memref<4xf32>)
  return
}
tile.kernel @k(%x: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

func.func @f(%n: index, %x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.launch' op expected the number of tensor results (0) to be equal to the number of output tensors (1)}}
  tile.launch @k grid(%n, %n, %n) outs(%x : tensor<4xf32>)
  return
}
tile.kernel @k(%x: memref<4xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}
