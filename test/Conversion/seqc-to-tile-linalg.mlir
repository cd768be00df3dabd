// RUN: seqc-opt %s --convert-seqc-to-tile | FileCheck %s
// RUN: seqc-opt %s --convert-seqc-to-tile --mlir-print-local-scope | FileCheck %s --check-prefix=LAUNCH

// Reductions of the last loop beside the operators of seqc: 32 rows for each
// thread block, and a loop over 64 columns at a time.

// CHECK-LABEL: tile.kernel @row_sums_0(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x?xf32, {{.*}}>, %[[OUT:[a-z0-9]+]]: memref<?xf32
// CHECK-DAG: %[[ZERO:[a-z0-9_]+]] = arith.constant dense<0.000000e+00> : tensor<32xf32>
// CHECK-DAG: %[[HIDDEN:[a-z0-9_]+]] = arith.constant dense<0.000000e+00> : tensor<32x64xf32>
// CHECK-DAG: %[[N:[a-z0-9_]+]] = memref.dim %[[A]], %c1
// CHECK: %[[ROW:[a-z0-9_]+]] = arith.muli %{{.*}}, %c32
// CHECK: %[[SUM:[a-z0-9_]+]] = scf.for %[[J:[a-z0-9_]+]] = %c0 to %[[N]] step %c64 iter_args(%[[S:[a-z0-9_]+]] = %[[ZERO]])
// CHECK: %[[COLUMN:[a-z0-9_]+]] = arith.addi %c0, %[[J]]
// CHECK: %[[T:[a-z0-9_]+]] = tile.load %[[A]][%[[ROW]], %[[COLUMN]]] {{.*}} -> tensor<32x64xf32>
// CHECK: %[[SQUARE:[a-z0-9_]+]] = arith.mulf %[[T]], %[[T]]
// Columns past the end change nothing, whatever the region makes of them.
// CHECK: %[[IN:[a-z0-9_]+]] = arith.cmpi slt, {{.*}} : tensor<64xi32>
// CHECK: %[[WIDE:[a-z0-9_]+]] = tile.broadcast %[[IN]] along 0
// CHECK: %[[REAL:[a-z0-9_]+]] = arith.select %[[WIDE]], %[[SQUARE]], %[[HIDDEN]]
// CHECK: %[[PART:[a-z0-9_]+]] = tile.reduce add %[[REAL]] along 1
// CHECK: %[[NEXT:[a-z0-9_]+]] = arith.addf %[[S]], %[[PART]]
// CHECK: scf.yield %[[NEXT]]
// CHECK: tile.store %[[SUM]], %[[OUT]][%[[ROW]]]
// LAUNCH-LABEL: func.func @row_sums(
// LAUNCH-NOT: linalg
// LAUNCH: tile.launch @row_sums_0 grid(
// LAUNCH-NOT: tile.launch
// LAUNCH: return
func.func @row_sums(%a: tensor<?x?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %rows = tensor.dim %a, %c0 : tensor<?x?xf32>
  %empty = tensor.empty(%rows) : tensor<?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?xf32>) -> tensor<?xf32>
  %sums = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%a : tensor<?x?xf32>) outs(%init : tensor<?xf32>) {
  ^bb0(%x: f32, %s: f32):
    %square = arith.mulf %x, %x : f32
    %next = arith.addf %s, %square : f32
    linalg.yield %next : f32
  } -> tensor<?xf32>
  return %sums : tensor<?xf32>
}

// Three outer loops, as a sum over head_dim has them, and columns that fill
// their tile.
// CHECK-LABEL: tile.kernel @largest_0(
// CHECK: scf.for %{{.*}} = %c0 to %c64 step %c64
// CHECK-NOT: arith.select
// CHECK: tile.reduce max {{.*}} : tensor<32x64xf32> -> tensor<32xf32>
// CHECK: arith.maxnumf
func.func @largest(%a: tensor<2x4x?x64xf32>) -> tensor<2x4x?xf32> {
  %c2 = arith.constant 2 : index
  %lowest = arith.constant 0xFF800000 : f32
  %rows = tensor.dim %a, %c2 : tensor<2x4x?x64xf32>
  %empty = tensor.empty(%rows) : tensor<2x4x?xf32>
  %init = linalg.fill ins(%lowest : f32) outs(%empty : tensor<2x4x?xf32>) -> tensor<2x4x?xf32>
  %r = linalg.reduce { arith.maxnumf } ins(%a : tensor<2x4x?x64xf32>) outs(%init : tensor<2x4x?xf32>) dimensions = [3]
  return %r : tensor<2x4x?xf32>
}

// A row of products is a reduction as well, and no product of matrices.
// CHECK-LABEL: tile.kernel @row_products_0(
// CHECK: scf.for
// CHECK: %[[A:[a-z0-9_]+]] = tile.load {{.*}} -> tensor<32x64xbf16>
// CHECK: %[[B:[a-z0-9_]+]] = tile.load {{.*}} -> tensor<32x64xbf16>
// CHECK: arith.mulf
// CHECK: tile.reduce add
func.func @row_products(%a: tensor<?x64xbf16>, %b: tensor<?x64xbf16>, %n: index) -> tensor<?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%n) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                       iterator_types = ["parallel", "reduction"]}
      ins(%a, %b : tensor<?x64xbf16>, tensor<?x64xbf16>) outs(%z : tensor<?xf32>) {
  ^bb0(%x: bf16, %y: bf16, %s: f32):
    %x32 = arith.extf %x : bf16 to f32
    %y32 = arith.extf %y : bf16 to f32
    %p = arith.mulf %x32, %y32 : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// Four rows, which one warp reduces; and all that becomes of the sums is a conversion, which the same kernel does. Sums that something
// else reads as well stay as they are.
// CHECK-LABEL: tile.kernel @narrow_sums_0(
// CHECK-SAME: warps = 1
// CHECK-NOT: arith.truncf
// CHECK-LABEL: tile.kernel @narrow_sums_1(
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: memref<?x4xbf16, strided<[?, 1], offset: ?>>
// CHECK-SAME: warps = 1
// CHECK: tile.load {{.*}} dims [2, 0] : {{.*}} -> tensor<4x64xf32>
// CHECK: %[[NARROW:[a-z0-9_]+]] = arith.truncf %{{.*}} : tensor<4xf32> to tensor<4xbf16>
// CHECK: tile.store %[[NARROW]], %[[OUT]]
// CHECK-LABEL: tile.kernel @narrow_sums_2(
// CHECK: arith.truncf
// LAUNCH-LABEL: func.func @narrow_sums(
// LAUNCH-NOT: linalg
// LAUNCH-COUNT-3: tile.launch
// LAUNCH-NOT: tile.launch
// LAUNCH: return
#in = affine_map<(d, w, b) -> (b, d, w)>
#out = affine_map<(d, w, b) -> (d, w)>
#same = affine_map<(d, w) -> (d, w)>
func.func @narrow_sums(%a: tensor<?x?x4xf32>, %b: tensor<?x?x4xf32>) -> (tensor<?x4xbf16>, tensor<?x4xbf16>, tensor<?x4xf32>) {
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %rows = tensor.dim %a, %c1 : tensor<?x?x4xf32>
  %empty = tensor.empty(%rows) : tensor<?x4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x4xf32>) -> tensor<?x4xf32>
  %sums = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a : tensor<?x?x4xf32>) outs(%init : tensor<?x4xf32>) {
  ^bb0(%x: f32, %s: f32):
    %next = arith.addf %s, %x : f32
    linalg.yield %next : f32
  } -> tensor<?x4xf32>
  %others = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%b : tensor<?x?x4xf32>) outs(%init : tensor<?x4xf32>) {
  ^bb0(%x: f32, %s: f32):
    %next = arith.addf %s, %x : f32
    linalg.yield %next : f32
  } -> tensor<?x4xf32>
  %narrow = tensor.empty(%rows) : tensor<?x4xbf16>
  %0 = linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%sums : tensor<?x4xf32>) outs(%narrow : tensor<?x4xbf16>) {
  ^bb0(%x: f32, %s: bf16):
    %t = arith.truncf %x : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x4xbf16>
  %1 = linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%others : tensor<?x4xf32>) outs(%narrow : tensor<?x4xbf16>) {
  ^bb0(%x: f32, %s: bf16):
    %t = arith.truncf %x : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x4xbf16>
  return %0, %1, %others : tensor<?x4xbf16>, tensor<?x4xbf16>, tensor<?x4xf32>
}

// What has no elements is not computed.
// LAUNCH-LABEL: func.func @no_columns(
// LAUNCH-NOT: tile.launch
// LAUNCH: %[[NONE:.*]] = tensor.empty(%{{.*}}) : tensor<?x0xbf16>
// LAUNCH: return %[[NONE]]
func.func @no_columns(%n: index) -> tensor<?x0xbf16> {
  %a = tensor.empty(%n) : tensor<?x0xf32>
  %e = tensor.empty(%n) : tensor<?x0xbf16>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<?x0xf32>) outs(%e : tensor<?x0xbf16>) {
  ^bb0(%x: f32, %y: bf16):
    %t = arith.truncf %x : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x0xbf16>
  return %r : tensor<?x0xbf16>
}
