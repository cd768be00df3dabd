// RUN: seqc-opt %s --convert-tile-to-nvvm | FileCheck %s
// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a | FileCheck %s --check-prefix=SM90
// RUN: seqc-opt %s --convert-tile-to-nvvm --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// SM90: gpu.module @scale [#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx86">]

// STATS: convert-tile-to-nvvm
// STATS-NEXT: 6 kernels-lowered

#mma = #tile.mma<warps = 4>
#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>

// The frame of a kernel: parameters are what the runtime passes, in order, and the view of the
// launch's operand 2 has no stride that its type does not say.
// CHECK-LABEL: gpu.module @scale [#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">]
// CHECK-NEXT: llvm.func @scale(%{{.*}}: !llvm.ptr<1>, %{{.*}}: i32, %{{.*}}: i64, %[[S:.*]]: f32, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i32)
// CHECK-SAME: nvvm.kernel
// CHECK-SAME: nvvm.reqntid = array<i32: 128, 1, 1>
// CHECK-SAME: seqc.aligned = array<i64: 0, 2>
// CHECK-SAME: seqc.params = [
// CHECK-SAME: {arg = 0 : i64, kind = "pointer"}
// CHECK-SAME: {arg = 0 : i64, dim = 0 : i64, kind = "size"}
// CHECK-SAME: {arg = 0 : i64, dim = 0 : i64, kind = "stride"}
// CHECK-SAME: {arg = 1 : i64, kind = "scalar", type = "f32"}
// CHECK-SAME: {arg = 2 : i64, kind = "pointer"}
// CHECK-SAME: {arg = 2 : i64, dim = 0 : i64, kind = "size"}
// CHECK-SAME: seqc.shared_bytes = 0 : i64
// CHECK-SAME: seqc.threads = 128 : i64
// CHECK-DAG: nvvm.read.ptx.sreg.ctaid.x : i32
// CHECK-DAG: nvvm.read.ptx.sreg.tid.x : i32
// CHECK: nvvm.shfl.sync idx
// CHECK: %[[F:.*]] = vector.broadcast %[[S]] : f32 to vector<64xf32>
// CHECK: arith.mulf %{{.*}}, %[[F]] fastmath<contract> : vector<64xf32>
// CHECK: llvm.return
tile.kernel @scale(%x: memref<?x128xf32, strided<[?, 1], offset: ?>>, %s: f32, %y: memref<?x128xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c64 = arith.constant 64 : index
  %c0 = arith.constant 0 : index
  %i = arith.muli %bx, %c64 : index
  %t = tile.load %x[%i, %c0] : memref<?x128xf32, strided<[?, 1], offset: ?>> -> tensor<64x128xf32, #mma>
  %f = tensor.splat %s : tensor<64x128xf32, #mma>
  %r = arith.mulf %t, %f : tensor<64x128xf32, #mma>
  tile.store %r, %y[%i, %c0] : tensor<64x128xf32, #mma>, memref<?x128xf32>
  tile.return
}

// What is not used is not passed; sizes are i32, strides i64, and so is an index scalar i32.
// CHECK-LABEL: gpu.module @unused
// CHECK-NEXT: llvm.func @unused(%[[SIZE:.*]]: i32, %[[N:.*]]: i32, %[[Y:.*]]: !llvm.ptr<1>)
// CHECK-SAME: seqc.params = [{arg = 0 : i64, dim = 1 : i64, kind = "size"}, {arg = 2 : i64, kind = "scalar", type = "i32"}, {arg = 3 : i64, kind = "pointer"}]
// CHECK: %[[SUM:.*]] = arith.addi %[[SIZE]], %[[N]] : i32
// CHECK: %[[WIDE:.*]] = arith.extsi %[[SUM]] : i32 to i64
// CHECK: arith.sitofp %[[WIDE]] : i64 to f32
tile.kernel @unused(%x: memref<?x?xf32>, %z: i1, %n: index, %y: memref<64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d = memref.dim %x, %c1 : memref<?x?xf32>
  %sum = arith.addi %d, %n : index
  %wide = arith.index_cast %sum : index to i64
  %f = arith.sitofp %wide : i64 to f32
  %t = tensor.splat %f : tensor<64xf32, #row>
  tile.store %t, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// Loops and branches carry vectors; their bounds are i32.
// CHECK-LABEL: llvm.func @control
// CHECK: %[[INIT:.*]] = arith.constant dense<0.000000e+00> : vector<2xf32>
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[A:.*]] = %[[INIT]]) -> (vector<2xf32>) : i32
// CHECK: scf.if %{{.*}} -> (vector<2xf32>)
// CHECK: scf.yield %{{.*}} : vector<2xf32>
// CHECK: else
// CHECK: scf.yield %[[A]] : vector<2xf32>
tile.kernel @control(%n: index, %y: memref<64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : tensor<64xf32, #row>
  %one = arith.constant dense<1.0> : tensor<64xf32, #row>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %zero) -> (tensor<64xf32, #row>) {
    %c = arith.cmpi slt, %i, %bx : index
    %v = scf.if %c -> (tensor<64xf32, #row>) {
      %s = arith.addf %a, %one : tensor<64xf32, #row>
      scf.yield %s : tensor<64xf32, #row>
    } else {
      scf.yield %a : tensor<64xf32, #row>
    }
    scf.yield %v : tensor<64xf32, #row>
  }
  tile.store %r, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// Conditions, conversions and integers keep their types; a vector of pairs is rounded
// as one.
// CHECK-LABEL: llvm.func @arithmetic
// CHECK: arith.cmpi slt, %{{.*}}, %{{.*}} : vector<32xi32>
// CHECK: arith.sitofp %{{.*}} : vector<32xi32> to vector<32xf32>
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<32xi1>, vector<32xf32>
// CHECK: arith.truncf %{{.*}} : vector<32xf32> to vector<32xbf16>
// CHECK-COUNT-16: nvx.store %{{.*}}, %{{.*}} when %{{.*}} : vector<2xbf16>
tile.kernel @arithmetic(%y: memref<?x64xbf16>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<64x64xi32, #mma>
  %j = tile.iota 1 : tensor<64x64xi32, #mma>
  %c = arith.cmpi slt, %i, %j : tensor<64x64xi32, #mma>
  %f = arith.sitofp %i : tensor<64x64xi32, #mma> to tensor<64x64xf32, #mma>
  %ninf = arith.constant dense<0xFF800000> : tensor<64x64xf32, #mma>
  %s = arith.select %c, %f, %ninf : tensor<64x64xi1, #mma>, tensor<64x64xf32, #mma>
  %h = arith.truncf %s : tensor<64x64xf32, #mma> to tensor<64x64xbf16, #mma>
  tile.store %h, %y[%c0, %c0] : tensor<64x64xbf16, #mma>, memref<?x64xbf16>
  tile.return
}

// Values that differ between elements come from a table.
// CHECK-LABEL: gpu.module @table
// CHECK: llvm.mlir.global internal constant @table_table0(dense<[1, 2, 3, 4, 5, 6, 7, 8]> : tensor<8xi32>) {addr_space = 1 : i32, alignment = 16 : i64} : !llvm.array<8 x i32>
// CHECK: llvm.mlir.addressof @table_table0 : !llvm.ptr<1>
// CHECK-COUNT-2: llvm.load {{.*}} : !llvm.ptr<1> -> i32
tile.kernel @table(%y: memref<8xi32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8]> : tensor<8xi32, #tile.slice<dim = 0, of = #mma>>
  tile.store %t, %y[%c0] : tensor<8xi32, #tile.slice<dim = 0, of = #mma>>, memref<8xi32>
  tile.return
}

// A part of a view has its own sizes, and its parent's strides.
// CHECK-LABEL: llvm.func @part
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>, %[[STRIDE:.*]]: i64, %[[N:.*]]: i32, %{{.*}}: !llvm.ptr<1>)
// CHECK: arith.muli %{{.*}}, %[[STRIDE]] : i64
// CHECK: arith.cmpi ult, %{{.*}}, %[[N]] : i32
tile.kernel @part(%x: memref<?xf32, strided<[?], offset: ?>>, %n: index, %y: memref<64xf32>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %p = memref.subview %x[%bx] [%n] [1]
      : memref<?xf32, strided<[?], offset: ?>> to memref<?xf32, strided<[?], offset: ?>>
  %t = tile.load %p[%c0] : memref<?xf32, strided<[?], offset: ?>> -> tensor<64xf32, #row>
  tile.store %t, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// The host's launch stays, and names the module.
// CHECK-LABEL: func.func @host
// CHECK: tile.launch @scale
func.func @host(%x: tensor<?x128xf32>, %s: f32, %y: tensor<?x128xf32>, %n: index) -> tensor<?x128xf32> {
  %c1 = arith.constant 1 : index
  %r = tile.launch @scale grid(%n, %c1, %c1) ins(%x, %s : tensor<?x128xf32>, f32)
      outs(%y : tensor<?x128xf32>) -> tensor<?x128xf32>
  return %r : tensor<?x128xf32>
}
