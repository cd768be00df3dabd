// RUN: seqc-opt %s --seqc-vectorize --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-vectorize="vector-bits=256" --canonicalize --cse | FileCheck %s --check-prefix=AVX2
// RUN: seqc-opt %s --seqc-vectorize --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-vectorize="vector-bits=100" 2>&1 | FileCheck %s --check-prefix=BITS

// BITS: expected vector-bits to be a power of two from 128 to 2048, but got 100

// STATS: seqc-vectorize
// STATS-NEXT: 8 contractions
// STATS-NEXT: 4 ops-to-loops
// STATS-NEXT: 12 ops-vectorized

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

// A block of the result stays in registers over the whole reduction: 8 rows of two
// AVX-512 registers, or 4 rows of two AVX registers.
// CHECK-DAG: #[[$SWAP:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-LABEL: func @matmul(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<64x48xf32>, %[[B:[a-z0-9]+]]: memref<48x64xf32>, %[[C:[a-z0-9]+]]: memref<64x64xf32>)
// CHECK: scf.for %[[I:[a-z0-9]+]] = %c0 to %c64 step %c8
// CHECK: scf.for %[[J:[a-z0-9]+]] = %c0 to %c64 step %c32
// CHECK: %[[C0:.*]] = vector.transfer_read %[[C]][%[[I]], %[[J]]], %{{.*}} {in_bounds = [true, true]} : memref<64x64xf32>, vector<8x32xf32>
// CHECK: %[[R:.*]] = scf.for %[[K:[a-z0-9]+]] = %c0 to %c48 step %c1 iter_args(%[[ACC:[a-z0-9]+]] = %[[C0]]) -> (vector<8x32xf32>)
// CHECK-DAG: %[[AV:.*]] = vector.transfer_read %[[A]][%[[I]], %[[K]]], {{.*}} vector<8x1xf32>
// CHECK-DAG: %[[BV:.*]] = vector.transfer_read %[[B]][%[[K]], %[[J]]], {{.*}} vector<1x32xf32>
// CHECK: %[[NEXT:.*]] = vector.contract {{.*}} %[[AV]], %[[BV]], %[[ACC]] : vector<8x1xf32>, vector<1x32xf32> into vector<8x32xf32>
// CHECK: scf.yield %[[NEXT]]
// CHECK: vector.transfer_write %[[R]], %[[C]][%[[I]], %[[J]]]
// AVX2-LABEL: func @matmul(
// AVX2: scf.for %{{.*}} = %c0 to %c64 step %c4
// AVX2: scf.for %{{.*}} = %c0 to %c64 step %c16
// AVX2: scf.for {{.*}} -> (vector<4x16xf32>)
func.func @matmul(%a: memref<64x48xf32>, %b: memref<48x64xf32>,
                  %c: memref<64x64xf32>) {
  linalg.matmul ins(%a, %b : memref<64x48xf32>, memref<48x64xf32>)
      outs(%c : memref<64x64xf32>)
  return
}

// Half as many lanes in f64. bf16 is read as it lies and extended; the
// accumulator stays f32.
// CHECK-LABEL: func @types(
// CHECK: scf.for {{.*}} -> (vector<8x16xf64>)
// CHECK: scf.for {{.*}} -> (vector<8x32xf32>)
// CHECK: %[[A:.*]] = vector.transfer_read {{.*}} vector<8x1xbf16>
// CHECK: arith.extf %[[A]] : vector<8x1xbf16> to vector<8x1xf32>
// CHECK: arith.extf {{.*}} : vector<1x32xbf16> to vector<1x32xf32>
// CHECK: vector.contract
// AVX2-LABEL: func @types(
// AVX2: scf.for {{.*}} -> (vector<4x8xf64>)
func.func @types(%a: memref<64x64xf64>, %h: memref<64x64xbf16>,
                 %c: memref<64x64xf32>) {
  linalg.matmul ins(%a, %a : memref<64x64xf64>, memref<64x64xf64>)
      outs(%a : memref<64x64xf64>)
  linalg.matmul ins(%h, %h : memref<64x64xbf16>, memref<64x64xbf16>)
      outs(%c : memref<64x64xf32>)
  return
}

// 20 rows are 16 and 4, and 50 columns 32, 16 and 2: remainders are blocks of a
// power of two.
// CHECK-LABEL: func @remainder(
// CHECK: scf.for %{{.*}} = %c0 to %c16 step %c8
// CHECK: scf.for {{.*}} -> (vector<8x32xf32>)
// CHECK: scf.for {{.*}} -> (vector<8x16xf32>)
// CHECK: scf.for {{.*}} -> (vector<8x2xf32>)
// CHECK: scf.for {{.*}} -> (vector<4x32xf32>)
// CHECK: scf.for {{.*}} -> (vector<4x16xf32>)
// CHECK: scf.for {{.*}} -> (vector<4x2xf32>)
// CHECK: vector.contract
// CHECK-NOT: vector.contract
// CHECK: return
func.func @remainder(%a: memref<20x8xf32>, %b: memref<8x50xf32>,
                     %c: memref<20x50xf32>) {
  linalg.matmul ins(%a, %b : memref<20x8xf32>, memref<8x50xf32>)
      outs(%c : memref<20x50xf32>)
  return
}

// Of a dynamic size the whole blocks, then one by one.
// CHECK-LABEL: func @dynamic(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x?xf32>,
// CHECK-DAG: %[[M:.*]] = memref.dim %[[A]], %c0
// CHECK-DAG: %[[K:.*]] = memref.dim %[[A]], %c1
// CHECK: %[[MAIN:.*]] = affine.apply #{{.*}}()[%[[M]]]
// CHECK: scf.for %{{.*}} = %c0 to %[[MAIN]] step %c8
// CHECK: scf.for %{{.*}} = %c0 to %{{.*}} step %c32
// CHECK: scf.for %{{.*}} = %c0 to %[[K]] step %c1 {{.*}} -> (vector<8x32xf32>)
// CHECK: scf.for {{.*}} -> (vector<8x1xf32>)
// CHECK: scf.for %{{.*}} = %[[MAIN]] to %[[M]] step %c1
// CHECK: scf.for {{.*}} -> (vector<1x32xf32>)
// CHECK: scf.for {{.*}} -> (vector<1x1xf32>)
func.func @dynamic(%a: memref<?x?xf32>, %b: memref<?x?xf32>,
                   %c: memref<?x?xf32>) {
  linalg.matmul ins(%a, %b : memref<?x?xf32>, memref<?x?xf32>)
      outs(%c : memref<?x?xf32>)
  return
}

// A batch goes one by one; a matrix times a vector has one dimension of lanes.
// CHECK-LABEL: func @other_contractions(
// CHECK: scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK: scf.for {{.*}} -> (vector<1x8x32xf32>)
// CHECK: scf.for %{{.*}} = %c0 to %c64 step %c32
// CHECK: scf.for {{.*}} -> (vector<32xf32>)
// CHECK: vector.contract {{.*}} vector<32x1xf32>, vector<1xf32> into vector<32xf32>
func.func @other_contractions(%a: memref<3x64x64xf32>, %b: memref<64x64xf32>,
                              %v: memref<64xf32>) {
  linalg.batch_matmul
      ins(%a, %a : memref<3x64x64xf32>, memref<3x64x64xf32>)
      outs(%a : memref<3x64x64xf32>)
  linalg.matvec ins(%b, %v : memref<64x64xf32>, memref<64xf32>)
      outs(%v : memref<64xf32>)
  return
}

// The multiply-add is found in a generic, whatever the order of its operands.
// CHECK-LABEL: func @generic_contraction(
// CHECK: vector.contract
#row = affine_map<(i, j, k) -> (i, k)>
#col = affine_map<(i, j, k) -> (j, k)>
#out = affine_map<(i, j, k) -> (i, j)>
func.func @generic_contraction(%a: memref<64x64xf16>, %c: memref<64x64xf32>) {
  linalg.generic {indexing_maps = [#row, #col, #out],
                  iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %a : memref<64x64xf16>, memref<64x64xf16>)
      outs(%c : memref<64x64xf32>) {
  ^bb0(%x: f16, %y: f16, %acc: f32):
    %ex = arith.extf %x : f16 to f32
    %ey = arith.extf %y : f16 to f32
    %p = arith.mulf %ey, %ex : f32
    %s = arith.addf %p, %acc : f32
    linalg.yield %s : f32
  }
  return
}

// A dot product has no block of a result: it is a reduction like others.
// CHECK-LABEL: func @dot(
// CHECK-NOT: vector.contract
// CHECK: vector.multi_reduction <add>
// CHECK: return
func.func @dot(%v: memref<64xf32>, %c: memref<f32>) {
  linalg.dot ins(%v, %v : memref<64xf32>, memref<64xf32>)
      outs(%c : memref<f32>)
  return
}

//===----------------------------------------------------------------------===//
// Elementwise operators, reductions, transposes
//===----------------------------------------------------------------------===//

// Eight registers at a time: 2 rows of 64; four where the body has a function
// that becomes a polynomial.
// CHECK-LABEL: func @elementwise(
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c2
// CHECK: arith.addf {{.*}} : vector<2x64xf32>
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c1
// CHECK: math.exp2 {{.*}} : vector<1x64xf32>
// AVX2-LABEL: func @elementwise(
// AVX2: arith.addf {{.*}} : vector<2x32xf32>
func.func @elementwise(%a: memref<32x64xf32>, %b: memref<32x64xf32>) {
  linalg.add ins(%a, %b : memref<32x64xf32>, memref<32x64xf32>)
      outs(%b : memref<32x64xf32>)
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>],
                  iterator_types = ["parallel", "parallel"]}
      outs(%b : memref<32x64xf32>) {
  ^bb0(%x: f32):
    %e = math.exp2 %x : f32
    linalg.yield %e : f32
  }
  return
}

// A remainder of the lanes is in powers of two, too; a dynamic one goes one by
// one. Positions are vectors, too.
// CHECK-LABEL: func @lanes(
// CHECK: arith.mulf {{.*}} : vector<64xf32>
// CHECK: arith.mulf {{.*}} : vector<32xf32>
// CHECK: arith.mulf {{.*}} : vector<4xf32>
// CHECK: scf.for %{{.*}} = %c0 to %[[MAIN:.*]] step %c16
// CHECK: vector.step : vector<16xindex>
// CHECK: vector<16xf32>
// CHECK: scf.for %{{.*}} = %[[MAIN]] to %{{.*}} step %c1
func.func @lanes(%a: memref<100xf32>, %b: memref<?xf32>) {
  linalg.mul ins(%a, %a : memref<100xf32>, memref<100xf32>)
      outs(%a : memref<100xf32>)
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>],
                  iterator_types = ["parallel"]} outs(%b : memref<?xf32>) {
  ^bb0(%x: f32):
    %i = linalg.index 0 : index
    %n = arith.index_cast %i : index to i32
    %f = arith.sitofp %n : i32 to f32
    linalg.yield %f : f32
  }
  return
}

// Rows that are reduced along the lanes, and a transpose: a square of registers.
// CHECK-LABEL: func @reduce_and_transpose(
// CHECK: vector.multi_reduction <maximumf>
// CHECK: scf.for %{{.*}} = %c0 to %c64 step %c16
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c16
// CHECK: vector.transfer_read {{.*}} permutation_map = #[[$SWAP]]} : {{.*}} vector<16x16xf32>
// AVX2-LABEL: func @reduce_and_transpose(
// AVX2: vector.transfer_read {{.*}} permutation_map = {{.*}} vector<8x8xf32>
func.func @reduce_and_transpose(%a: memref<32x64xf32>, %r: memref<32xf32>,
                                %t: memref<64x32xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
                                   affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%a : memref<32x64xf32>) outs(%r : memref<32xf32>) {
  ^bb0(%x: f32, %m: f32):
    %n = arith.maximumf %x, %m : f32
    linalg.yield %n : f32
  }
  linalg.transpose ins(%a : memref<32x64xf32>) outs(%t : memref<64x32xf32>)
      permutation = [1, 0]
  return
}

// A copy is an operator like the others; one of a buffer onto itself is none.
// CHECK-LABEL: func @copy(
// CHECK: vector.transfer_read
// CHECK: vector.transfer_write
// CHECK-NOT: memref.copy
// CHECK-NOT: vector.transfer_read
// CHECK: return
func.func @copy(%a: memref<32xf32>, %b: memref<32xf32>) {
  memref.copy %a, %b : memref<32xf32> to memref<32xf32>
  memref.copy %a, %a : memref<32xf32> to memref<32xf32>
  return
}

//===----------------------------------------------------------------------===//
// Strides that are not known, and what stays scalar
//===----------------------------------------------------------------------===//

// One test for all operands: the lanes lie side by side, and then vectors; or not,
// and then loops.
// CHECK-LABEL: func @strides(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?xf32, strided<[?], offset: ?>>, %[[B:[a-z0-9]+]]: memref<?xf32, strided<[?], offset: ?>>)
// CHECK: memref.extract_strided_metadata %[[A]]
// CHECK: %[[UNIT_A:.*]] = arith.cmpi eq, %{{.*}}, %c1
// CHECK: memref.extract_strided_metadata %[[B]]
// CHECK: %[[UNIT_B:.*]] = arith.cmpi eq, %{{.*}}, %c1
// CHECK: %[[UNIT:.*]] = arith.andi %[[UNIT_A]], %[[UNIT_B]]
// CHECK: scf.if %[[UNIT]]
// CHECK: memref.reinterpret_cast {{.*}} to memref<?xf32, strided<[1], offset: ?>>
// CHECK: vector.transfer_read {{.*}} vector<16xf32>
// CHECK: } else {
// CHECK-NOT: vector.
// CHECK: memref.load
// CHECK: memref.store
func.func @strides(%a: memref<?xf32, strided<[?], offset: ?>>,
                   %b: memref<?xf32, strided<[?], offset: ?>>) {
  linalg.negf ins(%a : memref<?xf32, strided<[?], offset: ?>>)
      outs(%b : memref<?xf32, strided<[?], offset: ?>>)
  return
}

// A copy of rows that lie side by side the other way is a transposition of
// square tiles; only other strides are left to loops.
// CHECK-LABEL: func @copy_strides(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref
// CHECK: %{{.*}}, %{{.*}}, %{{.*}}:3, %[[STRIDES:.*]]:3 = memref.extract_strided_metadata %[[A]]
// CHECK: %[[UNIT:.*]] = arith.cmpi eq, %[[STRIDES]]#2, %c1
// CHECK: scf.if %[[UNIT]]
// CHECK:   vector.transfer_read {{.*}} vector<1x{{.*}}xf32>
// CHECK: } else {
// CHECK:   %[[OTHER:.*]] = arith.cmpi eq, %[[STRIDES]]#1, %c1
// CHECK:   scf.if %[[OTHER]]
// CHECK:     memref.reinterpret_cast %[[A]] {{.*}} to memref<1x128x16xf32, strided<[?, ?, 1], offset: ?>>
// CHECK:     vector.transfer_read {{.*}} permutation_map = #{{.*}} : memref<1x16x16xf32, strided<[?, ?, 1], offset: ?>>, vector<1x16x16xf32>
// CHECK:   } else {
// CHECK-NOT: vector.
// CHECK:     memref.load
// CHECK:     memref.store
// CHECK: return
func.func @copy_strides(%a: memref<1x16x128xf32, strided<[?, ?, ?], offset: ?>>,
                        %b: memref<1x16x128xf32>) {
  memref.copy %a, %b : memref<1x16x128xf32, strided<[?, ?, ?], offset: ?>>
    to memref<1x16x128xf32>
  return
}

// Outer strides do not matter.
// CHECK-LABEL: func @outer_stride(
// CHECK-NOT: scf.if
// CHECK: vector.transfer_read
// CHECK: return
func.func @outer_stride(%a: memref<4x32xf32, strided<[?, 1], offset: ?>>,
                        %b: memref<4x32xf32>) {
  linalg.negf ins(%a : memref<4x32xf32, strided<[?, 1], offset: ?>>)
      outs(%b : memref<4x32xf32>)
  return
}

// A body that reads a table at a computed place is a loop.
// CHECK-LABEL: func @gather(
// CHECK-NOT: vector.
// CHECK: scf.for
// CHECK: %[[AT:.*]] = memref.load
// CHECK: %[[N:.*]] = arith.index_cast %[[AT]]
// CHECK: memref.load %{{.*}}[%[[N]]]
// CHECK: memref.store
// CHECK: return
func.func @gather(%at: memref<32xi32>, %table: memref<100xf32>,
                  %out: memref<32xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>,
                                   affine_map<(i) -> (i)>],
                  iterator_types = ["parallel"]}
      ins(%at : memref<32xi32>) outs(%out : memref<32xf32>) {
  ^bb0(%i: i32, %o: f32):
    %n = arith.index_cast %i : i32 to index
    %x = memref.load %table[%n] : memref<100xf32>
    linalg.yield %x : f32
  }
  return
}

// So is one with control flow.
// CHECK-LABEL: func @branch(
// CHECK-NOT: vector.
// CHECK: scf.for
// CHECK: scf.if
// CHECK: return
func.func @branch(%a: memref<32xf32>, %flag: i1) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>],
                  iterator_types = ["parallel"]} outs(%a : memref<32xf32>) {
  ^bb0(%x: f32):
    %r = scf.if %flag -> (f32) {
      %n = arith.negf %x : f32
      scf.yield %n : f32
    } else {
      scf.yield %x : f32
    }
    linalg.yield %r : f32
  }
  return
}

// Operators on tensors are not this pass's.
// CHECK-LABEL: func @tensors(
// CHECK: linalg.add
func.func @tensors(%a: tensor<32xf32>) -> tensor<32xf32> {
  %r = linalg.add ins(%a, %a : tensor<32xf32>, tensor<32xf32>)
      outs(%a : tensor<32xf32>) -> tensor<32xf32>
  return %r : tensor<32xf32>
}
