// RUN: seqc-opt %s --seqc-lower-vectors --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-lower-vectors --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: seqc-opt %s --seqc-vectorize --seqc-lower-vectors | FileCheck %s --check-prefix=NONE

// STATS: seqc-lower-vectors
// STATS-NEXT: 3 exponentials

// Nothing of these is left, in any function.
// NONE-NOT: vector.contract
// NONE-NOT: vector.multi_reduction
// NONE-NOT: vector.outerproduct
// NONE-NOT: vector.transfer_{{.*}}vector<{{[0-9]+}}x
// NONE-NOT: math.exp{{.*}}xf32>

// A contraction becomes one multiply-add for each row; blocks are read and
// written row by row.
// CHECK-LABEL: func @contract(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<4x1xf32>, %[[B:[a-z0-9]+]]: memref<1x32xf32>, %[[C:[a-z0-9]+]]: memref<4x32xf32>)
// CHECK: %[[C0:.*]] = vector.load %[[C]][%c0, %c0] : memref<4x32xf32>, vector<32xf32>
// CHECK: vector.load %[[C]][%c3, %c0] : memref<4x32xf32>, vector<32xf32>
// CHECK-COUNT-4: vector.fma {{.*}} : vector<32xf32>
// CHECK-NOT: vector.fma
// CHECK-COUNT-4: vector.store {{.*}}, %[[C]][%{{.*}}, %c0] : memref<4x32xf32>, vector<32xf32>
// CHECK: return
#lhs = affine_map<(i, j, k) -> (i, k)>
#rhs = affine_map<(i, j, k) -> (k, j)>
#acc = affine_map<(i, j, k) -> (i, j)>
func.func @contract(%a: memref<4x1xf32>, %b: memref<1x32xf32>,
                    %c: memref<4x32xf32>) {
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  %av = vector.transfer_read %a[%c0, %c0], %z {in_bounds = [true, true]}
      : memref<4x1xf32>, vector<4x1xf32>
  %bv = vector.transfer_read %b[%c0, %c0], %z {in_bounds = [true, true]}
      : memref<1x32xf32>, vector<1x32xf32>
  %cv = vector.transfer_read %c[%c0, %c0], %z {in_bounds = [true, true]}
      : memref<4x32xf32>, vector<4x32xf32>
  %r = vector.contract {indexing_maps = [#lhs, #rhs, #acc],
                        iterator_types = ["parallel", "parallel", "reduction"],
                        kind = #vector.kind<add>} %av, %bv, %cv
      : vector<4x1xf32>, vector<1x32xf32> into vector<4x32xf32>
  vector.transfer_write %r, %c[%c0, %c0] {in_bounds = [true, true]}
      : vector<4x32xf32>, memref<4x32xf32>
  return
}

// Reductions: along the lanes one for each row; of the rows, row plus row.
// CHECK-LABEL: func @reductions(
// CHECK-COUNT-2: vector.reduction <maximumf>, {{.*}} : vector<16xf32> into f32
// CHECK-NOT: vector.multi_reduction
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK-NOT: vector.multi_reduction
// CHECK: return
func.func @reductions(%x: vector<2x16xf32>, %m: vector<2xf32>,
                      %s: vector<16xf32>) -> (vector<2xf32>, vector<16xf32>) {
  %0 = vector.multi_reduction <maximumf>, %x, %m [1]
      : vector<2x16xf32> to vector<2xf32>
  %1 = vector.multi_reduction <add>, %x, %s [0]
      : vector<2x16xf32> to vector<16xf32>
  return %0, %1 : vector<2xf32>, vector<16xf32>
}

// A square that is read across: rows are read as they lie and shuffled.
// CHECK-LABEL: func @transpose(
// CHECK-COUNT-16: vector.load {{.*}} vector<16xf32>
// CHECK: vector.shuffle
// CHECK-NOT: vector.transpose
// CHECK-COUNT-16: vector.store
// CHECK: return
func.func @transpose(%a: memref<16x16xf32>, %b: memref<16x16xf32>) {
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  %v = vector.transfer_read %a[%c0, %c0], %z
      {in_bounds = [true, true], permutation_map = affine_map<(i, j) -> (j, i)>}
      : memref<16x16xf32>, vector<16x16xf32>
  vector.transfer_write %v, %b[%c0, %c0] {in_bounds = [true, true]}
      : vector<16x16xf32>, memref<16x16xf32>
  return
}

// 2^x = 2^n 2^f: a polynomial of degree 6 in multiply-adds, and n shifted into
// the exponent.
// CHECK-LABEL: func @exp2(
// CHECK-NOT: math.exp2
// CHECK-COUNT-6: vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT: vector.fma
// CHECK: arith.shli {{.*}} : vector<16xi32>
// CHECK: arith.bitcast {{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: return
func.func @exp2(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp2 %x : vector<16xf32>
  return %0 : vector<16xf32>
}

// e^x is 2^(x log2(e)), with the part of the product that was rounded away.
// Rows of a block are done alike.
// CHECK-LABEL: func @exp(
// CHECK-NOT: math.exp
// CHECK: vector.fma
// CHECK: return
func.func @exp(%x: vector<16xf32>, %y: vector<2x16xf32>)
    -> (vector<16xf32>, vector<2x16xf32>) {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.exp %y : vector<2x16xf32>
  return %0, %1 : vector<16xf32>, vector<2x16xf32>
}

// Logarithms, tanh and the like are polynomials, too.
// CHECK-LABEL: func @others(
// CHECK-NOT: math.log
// CHECK-NOT: math.tanh
// CHECK: return
func.func @others(%x: vector<16xf32>)
    -> (vector<16xf32>, vector<16xf32>, vector<16xf32>) {
  %0 = math.log1p %x : vector<16xf32>
  %1 = math.log2 %x : vector<16xf32>
  %2 = math.tanh %x : vector<16xf32>
  return %0, %1, %2 : vector<16xf32>, vector<16xf32>, vector<16xf32>
}

// f64 and scalars keep the library's.
// CHECK-LABEL: func @library(
// CHECK: math.exp %{{.*}} : vector<8xf64>
// CHECK: math.exp2 %{{.*}} : f32
func.func @library(%x: vector<8xf64>, %y: f32) -> (vector<8xf64>, f32) {
  %0 = math.exp %x : vector<8xf64>
  %1 = math.exp2 %y : f32
  return %0, %1 : vector<8xf64>, f32
}
