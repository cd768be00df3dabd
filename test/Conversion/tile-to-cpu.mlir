// RUN: seqc-opt %s --convert-tile-to-cpu --split-input-file | FileCheck %s
// RUN: seqc-opt %s --seqc-tile-to-cpu --split-input-file | FileCheck %s --check-prefix=LLVM
// RUN: seqc-opt %s --split-input-file --convert-tile-to-cpu --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: convert-tile-to-cpu{{$}}
// STATS-NEXT: 4 launches-converted

// A launch is a loop over its grid. Inputs are views of any strides; an output
// is a new buffer, and a result the same.
// CHECK-LABEL: func.func @scale(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf32>, %[[S:.*]]: f32, %[[G:.*]]: index
// CHECK: %[[XB:.*]] = bufferization.to_buffer %[[X]] read_only : tensor<?x128xf32> to memref<?x128xf32, strided<[?, ?], offset: ?>>
// CHECK: %[[YB:.*]] = memref.alloc(%{{.*}}) : memref<?x128xf32>
// CHECK-NEXT: scf.forall (%[[BX:.*]], %{{.*}}, %{{.*}}) in (%[[G]], %{{.*}}, %{{.*}}) {
// What lies outside of the view is 0.
// CHECK: %[[TILE:.*]] = memref.alloc() : memref<64x128xf32>
// CHECK: linalg.fill {{.*}} outs(%[[TILE]] : memref<64x128xf32>)
// CHECK: %[[PART:.*]] = memref.subview %[[TILE]]
// CHECK: memref.copy %{{.*}}, %[[PART]]
// CHECK: %[[T:.*]] = bufferization.to_tensor %[[TILE]] restrict writable
// CHECK: %[[F:.*]] = linalg.fill ins(%[[S]] : f32)
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[T]], %[[F]]
// CHECK: arith.mulf
// A store writes what lies inside.
// CHECK: bufferization.materialize_in_destination %[[R]] in restrict writable %[[OUT:.*]] :
// CHECK: %[[FROM:.*]] = memref.subview %[[OUT]]
// CHECK: memref.copy %[[FROM]], %{{.*}} : memref<?x?xf32, strided<[128, 1]{{.*}}>> to memref<?x?xf32, strided<[128, 1], offset: ?>>
// CHECK: %[[RESULT:.*]] = bufferization.to_tensor %[[YB]] restrict writable
// CHECK: return %[[RESULT]]
// LLVM-LABEL: llvm.func @scale(
func.func @scale(%x: tensor<?x128xf32>, %s: f32, %g: index) -> tensor<?x128xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x128xf32>
  %e = tensor.empty(%n) : tensor<?x128xf32>
  %r = tile.launch @kernel grid(%g, %c1, %c1) ins(%x, %s : tensor<?x128xf32>, f32)
      outs(%e : tensor<?x128xf32>) -> tensor<?x128xf32>
  return %r : tensor<?x128xf32>
}
// CHECK-NOT: tile.kernel
tile.kernel @kernel(%x: memref<?x128xf32, strided<[?, 1], offset: ?>>, %s: f32, %y: memref<?x128xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c64 = arith.constant 64 : index
  %c0 = arith.constant 0 : index
  %row = arith.muli %bx, %c64 : index
  %t = tile.load %x[%row, %c0] : memref<?x128xf32, strided<[?, 1], offset: ?>> -> tensor<64x128xf32>
  %f = tensor.splat %s : tensor<64x128xf32>
  %r = arith.mulf %t, %f : tensor<64x128xf32>
  tile.store %r, %y[%row, %c0] : tensor<64x128xf32>, memref<?x128xf32>
  tile.return
}

// -----

// An output that holds something already keeps what the kernel does not write.
// CHECK-LABEL: func.func @keep(
// CHECK: %[[Y:.*]] = memref.alloc() : memref<64xf32>
// CHECK: %[[OLD:.*]] = bufferization.to_buffer
// CHECK: memref.copy %[[OLD]], %[[Y]]
// LLVM-LABEL: llvm.func @keep(
func.func @keep(%y: tensor<64xf32>, %g: index) -> tensor<64xf32> {
  %r = tile.launch @kernel grid(%g, %g, %g) outs(%y : tensor<64xf32>) -> tensor<64xf32>
  return %r : tensor<64xf32>
}
tile.kernel @kernel(%y: memref<64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}

// -----

// Each operation of the dialect.
// CHECK-LABEL: func.func @ops(
// CHECK: scf.forall
// A 16-bit product is one of f32.
// CHECK: arith.extf
// CHECK: linalg.transpose {{.*}} permutation = [1, 0]
// CHECK: linalg.matmul
// CHECK: linalg.generic
// CHECK: linalg.index 1
// CHECK: arith.index_cast
// Tiles of i1 are stored as bytes.
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<64x64xi8>)
// CHECK: arith.cmpi slt
// CHECK-NEXT: arith.extui
// CHECK: linalg.generic
// CHECK-NEXT: ^bb0(%[[BYTE:.*]]: i8, %{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[BIT:.*]] = arith.trunci %[[BYTE]] : i8 to i1
// CHECK-NEXT: arith.select %[[BIT]]
// CHECK: linalg.reduce {{.*}} dimensions = [1]
// CHECK: arith.maxnumf
// CHECK: %[[I:.*]] = linalg.index 0
// CHECK: %[[N:.*]] = arith.sitofp
// CHECK: math.fma %{{.*}}, %[[N]], %{{.*}} : f32
// CHECK: linalg.broadcast {{.*}} dimensions = [1]
// CHECK: tensor.expand_shape {{.*}} : tensor<64x64xf32> into tensor<64x8x8xf32>
// CHECK: linalg.reduce {{.*}} dimensions = [1]
// CHECK: arith.addf
// A gather clamps its indices.
// CHECK: scf.for
// CHECK: tensor.extract
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: memref.load
// The rows of a warp are updated together.
// CHECK: tensor.expand_shape {{.*}} : tensor<64xi32> into tensor<1x4x16xi32>
// CHECK: linalg.reduce {{.*}} dimensions = [2]
// CHECK: arith.ori
// CHECK: linalg.reduce {{.*}} dimensions = [0]
// CHECK: linalg.broadcast {{.*}} dimensions = [0, 2]
// CHECK: tensor.collapse_shape
// CHECK: arith.select
// CHECK: %[[SOME:.*]] = linalg.reduce {{.*}} dimensions = [0, 1]
// CHECK: tensor.extract %[[SOME]][] : tensor<i32>
// CHECK: arith.cmpi ne
// CHECK: scf.if
// LLVM-LABEL: llvm.func @ops(
func.func @ops(%q: tensor<64x16xbf16>, %t: tensor<?xf32>, %e: tensor<64x64xf32>, %f: tensor<64xf32>, %g: index) -> (tensor<64x64xf32>, tensor<64xf32>) {
  %r:2 = tile.launch @kernel grid(%g, %g, %g) ins(%q, %t : tensor<64x16xbf16>, tensor<?xf32>)
      outs(%e, %f : tensor<64x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>, tensor<64xf32>
  return %r#0, %r#1 : tensor<64x64xf32>, tensor<64xf32>
}
tile.kernel @kernel(%q: memref<64x16xbf16>, %t: memref<?xf32>, %y: memref<64x64xf32>, %z: memref<64xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %limit = arith.constant dense<9> : tensor<64x64xi32>
  %a = tile.load %q[%c0, %c0] : memref<64x16xbf16> -> tensor<64x16xbf16>
  %d = tile.dot %a, %a, %zero transpose_b : tensor<64x16xbf16>, tensor<64x16xbf16>, tensor<64x64xf32>
  %i = tile.iota 1 : tensor<64x64xi32>
  %c = arith.cmpi slt, %i, %limit : tensor<64x64xi32>
  %s = arith.select %c, %d, %zero : tensor<64x64xi1>, tensor<64x64xf32>
  %m = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64xf32>
  %start = arith.constant 3.0 : f32
  %step = arith.constant 0.5 : f32
  %ramp = tile.ramp %start, %step along 0 : tensor<64xf32>
  %n = arith.addf %m, %ramp : tensor<64xf32>
  %b = tile.broadcast %n along 1 : tensor<64xf32> -> tensor<64x64xf32>
  %f = tile.fold add %s : tensor<64x64xf32> -> tensor<64x8xf32>
  %l = tile.reduce add %f along 1 : tensor<64x8xf32> -> tensor<64xf32>
  %h = tile.gather %t[%i] : memref<?xf32>, tensor<64x64xi32> -> tensor<64x64xf32>
  %u = arith.addf %h, %b : tensor<64x64xf32>
  %w = tile.update_where %c(%m) warps 4 {
    tile.yield %l : tensor<64xf32>
  } : tensor<64x64xi1>, tensor<64xf32>
  tile.store %u, %y[%c0, %c0] : tensor<64x64xf32>, memref<64x64xf32>
  %any = tile.any %c : tensor<64x64xi1>
  scf.if %any {
    tile.store %w, %z[%c0] : tensor<64xf32>, memref<64xf32>
  }
  tile.return
}

// -----

// A product of a transposed factor, whose result is added element by element:
// blocks may run at the same time. What is outside of the view is dropped.
// CHECK-LABEL: func.func @sum(
// CHECK: %[[Y:.*]] = memref.alloc({{.*}}) : memref<?x16xf32>
// CHECK: memref.copy %{{.*}}, %[[Y]]
// CHECK: scf.forall
// CHECK: %[[A:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<32x64xf32>)
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[A]] : tensor<32x64xf32>) outs(%{{.*}} : tensor<64x32xf32>) permutation = [1, 0]
// CHECK: linalg.matmul ins(%[[T]], %{{.*}} : tensor<64x32xf32>, tensor<32x16xf32>)
// CHECK: %[[INSIDE:.*]] = memref.subview %[[Y]]
// CHECK: %[[PART:.*]] = memref.subview
// CHECK-NOT: memref.copy
// CHECK: scf.for %[[I:.*]] = %
// CHECK: scf.for %[[J:.*]] = %
// CHECK: %[[X:.*]] = memref.load %[[PART]][%[[I]], %[[J]]]
// CHECK-NEXT: memref.atomic_rmw addf %[[X]], %[[INSIDE]][%[[I]], %[[J]]] :
// CHECK-NOT: memref.copy
// CHECK: return
// LLVM-LABEL: llvm.func @sum(
// LLVM: llvm.atomicrmw fadd
func.func @sum(%x: tensor<32x64xbf16>, %y: tensor<32x16xbf16>, %z: tensor<?x16xf32>, %g: index) -> tensor<?x16xf32> {
  %c1 = arith.constant 1 : index
  %r = tile.launch @kernel grid(%g, %c1, %c1) ins(%x, %y : tensor<32x64xbf16>, tensor<32x16xbf16>)
      outs(%z : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}
tile.kernel @kernel(%x: memref<32x64xbf16>, %y: memref<32x16xbf16>, %z: memref<?x16xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x16xf32>
  %a = tile.load %x[%c0, %c0] : memref<32x64xbf16> -> tensor<32x64xbf16>
  %b = tile.load %y[%c0, %c0] : memref<32x16xbf16> -> tensor<32x16xbf16>
  %d = tile.dot %a, %b, %zero transpose_a : tensor<32x64xbf16>, tensor<32x16xbf16>, tensor<64x16xf32>
  tile.store %d, %z[%bx, %c0] add : tensor<64x16xf32>, memref<?x16xf32>
  tile.return
}
