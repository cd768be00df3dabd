// RUN: seqc-opt %s --convert-tile-to-nvvm --canonicalize | FileCheck %s

#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>

// What the special function unit has.
// CHECK-LABEL: llvm.func @unit
// CHECK: nvx.ex2 %{{.*}} : vector<2xf32>
// CHECK: nvx.lg2 %{{.*}} : vector<2xf32>
// CHECK: nvx.rsqrt %{{.*}} : vector<2xf32>
// CHECK: math.sqrt %{{.*}} : vector<2xf32>
// CHECK: math.absf %{{.*}} : vector<2xf32>
tile.kernel @unit(%x: memref<64xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %1 = math.exp2 %0 : tensor<64xf32, #row>
  %2 = math.log2 %1 : tensor<64xf32, #row>
  %3 = math.rsqrt %2 : tensor<64xf32, #row>
  %4 = math.sqrt %3 : tensor<64xf32, #row>
  %5 = math.absf %4 : tensor<64xf32, #row>
  tile.store %5, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// Two powers of two, so that the rounding of x log2(e) does not show.
// CHECK-LABEL: llvm.func @exp
// CHECK: %[[N:.*]] = math.roundeven
// CHECK: math.fma
// CHECK: %[[F:.*]] = math.fma
// CHECK-DAG: %[[A:.*]] = nvx.ex2 %[[F]]
// CHECK-DAG: %[[B:.*]] = nvx.ex2 %[[N]]
// CHECK: arith.mulf %[[A]], %[[B]]
tile.kernel @exp(%x: memref<64xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %1 = math.exp %0 : tensor<64xf32, #row>
  tile.store %1, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// A polynomial near 0, where the formula cancels; the same for scalars.
// CHECK-LABEL: llvm.func @tanh
// CHECK: nvx.ex2 %{{.*}} : f32
// CHECK: nvx.rcp %{{.*}} : f32
// CHECK: math.copysign %{{.*}} : f32
// CHECK: arith.select %{{.*}} : f32
tile.kernel @tanh(%x: f32, %y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = math.tanh %x : f32
  %1 = tensor.splat %0 : tensor<64xf32, #row>
  tile.store %1, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// As precise as 16-bit types: what the unit has, and products.
// CHECK-LABEL: llvm.func @approximate
// CHECK: %[[T:.*]] = nvx.tanh %{{.*}} : vector<2xf32>
// CHECK-NEXT: %[[X:.*]] = arith.mulf %[[T]],
// CHECK-NEXT: %[[E:.*]] = nvx.ex2 %[[X]]
// CHECK-NEXT: %[[L:.*]] = nvx.lg2 %[[E]]
// CHECK-NEXT: arith.mulf %[[L]],
// CHECK-NOT: math.
// CHECK: llvm.return
tile.kernel @approximate(%x: memref<64xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %1 = math.tanh %0 fastmath<afn> : tensor<64xf32, #row>
  %2 = math.exp %1 fastmath<afn> : tensor<64xf32, #row>
  %3 = math.log %2 fastmath<afn> : tensor<64xf32, #row>
  tile.store %3, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// 16-bit types in f32, and rare functions in terms of the others: no call is left.
// CHECK-LABEL: llvm.func @rare
// CHECK: arith.extf %{{.*}} : vector<2xbf16> to vector<2xf32>
// CHECK-NOT: math.{{exp|log|sin|cos|pow|erf|cbrt}}
// CHECK: arith.truncf %{{.*}} : vector<2xf32> to vector<2xbf16>
// CHECK: llvm.return
tile.kernel @rare(%x: memref<64xbf16>, %y: memref<64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xbf16> -> tensor<64xbf16, #row>
  %1 = math.log1p %0 : tensor<64xbf16, #row>
  %2 = math.sin %1 : tensor<64xbf16, #row>
  %3 = math.erf %2 : tensor<64xbf16, #row>
  %4 = math.powf %3, %0 : tensor<64xbf16, #row>
  %5 = math.cbrt %4 : tensor<64xbf16, #row>
  tile.store %5, %y[%c0] : tensor<64xbf16, #row>, memref<64xbf16>
  tile.return
}

// A division is exact, unless it says that a reciprocal will do.
// CHECK-LABEL: llvm.func @quotient
// CHECK: arith.divf
// CHECK: %[[R:.*]] = nvx.rcp
// CHECK: arith.mulf %{{.*}}, %[[R]]
// CHECK-NOT: arith.divf
tile.kernel @quotient(%x: memref<64xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %0 = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %1 = tile.load %y[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %2 = arith.divf %0, %1 : tensor<64xf32, #row>
  %3 = arith.divf %2, %1 fastmath<arcp> : tensor<64xf32, #row>
  tile.store %3, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}
