// RUN: seqc-opt %s --seqc-tile-linalg --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-tile-linalg="rows=32 columns=16" --canonicalize --cse | FileCheck %s --check-prefix=OPTIONS
// RUN: seqc-opt %s --seqc-tile-linalg --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-tile-linalg="rows=-1" 2>&1 | FileCheck %s --check-prefix=BADROWS
// RUN: not seqc-opt %s --seqc-tile-linalg="columns=-1" 2>&1 | FileCheck %s --check-prefix=BADCOLUMNS

// STATS: seqc-tile-linalg
// STATS-NEXT: 6 ops-tiled

// BADROWS: error: option 'rows' must not be negative, but is -1
// BADCOLUMNS: error: option 'columns' must not be negative, but is -1

// A product in blocks of 64 rows x 128 columns. The reduced dimension is whole:
// no block waits for another.
// CHECK-LABEL: func @matmul(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<256x64xf32>, %[[B:[a-z0-9]+]]: tensor<64x512xf32>, %[[C:[a-z0-9]+]]: tensor<256x512xf32>)
// CHECK: scf.forall (%[[I:[a-z0-9]+]], %[[J:[a-z0-9]+]]) = (0, 0) to (256, 512) step (64, 128) shared_outs(%[[DEST:[a-z0-9]+]] = %[[C]])
// CHECK-DAG: %[[AT:.*]] = tensor.extract_slice %[[A]][%[[I]], 0] [64, 64]
// CHECK-DAG: %[[BT:.*]] = tensor.extract_slice %[[B]][0, %[[J]]] [64, 128]
// CHECK-DAG: %[[CT:.*]] = tensor.extract_slice %[[DEST]][%[[I]], %[[J]]] [64, 128]
// CHECK: %[[T:.*]] = linalg.matmul ins(%[[AT]], %[[BT]] : {{.*}}) outs(%[[CT]] :
// CHECK: tensor.parallel_insert_slice %[[T]] into %[[DEST]][%[[I]], %[[J]]] [64, 128]
// OPTIONS-LABEL: func @matmul(
// OPTIONS: scf.forall {{.*}} to (256, 512) step (32, 16)
func.func @matmul(%a: tensor<256x64xf32>, %b: tensor<64x512xf32>,
                  %c: tensor<256x512xf32>) -> tensor<256x512xf32> {
  %r = linalg.matmul ins(%a, %b : tensor<256x64xf32>, tensor<64x512xf32>)
      outs(%c : tensor<256x512xf32>) -> tensor<256x512xf32>
  return %r : tensor<256x512xf32>
}

// Dynamic sizes: the last block is what is left.
// CHECK-LABEL: func @dynamic(
// CHECK: scf.forall (%[[I:[a-z0-9]+]], %[[J:[a-z0-9]+]]) = (0, 0) to (%[[M:.*]], %[[N:.*]]) step (64, 128)
// CHECK-DAG: affine.min #{{.*}}(%[[I]])[%[[M]]]
// CHECK-DAG: affine.min #{{.*}}(%[[J]])[%[[N]]]
// CHECK: linalg.matmul
func.func @dynamic(%a: tensor<?x64xf32>, %b: tensor<64x?xf32>,
                   %c: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %r = linalg.matmul ins(%a, %b : tensor<?x64xf32>, tensor<64x?xf32>)
      outs(%c : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %r : tensor<?x?xf32>
}

// Outer dimensions go one by one.
// CHECK-LABEL: func @batch(
// CHECK: scf.forall {{.*}} = (0, 0, 0) to (4, 256, 512) step (1, 64, 128)
// CHECK: linalg.batch_matmul
func.func @batch(%a: tensor<4x256x64xf32>, %b: tensor<4x64x512xf32>,
                 %c: tensor<4x256x512xf32>) -> tensor<4x256x512xf32> {
  %r = linalg.batch_matmul
      ins(%a, %b : tensor<4x256x64xf32>, tensor<4x64x512xf32>)
      outs(%c : tensor<4x256x512xf32>) -> tensor<4x256x512xf32>
  return %r : tensor<4x256x512xf32>
}

// Elementwise operators keep their rows whole. 100 rows are 64 and 36.
// CHECK-LABEL: func @elementwise(
// CHECK: scf.forall (%[[I:[a-z0-9]+]]) = (0) to (100) step (64)
// CHECK: %[[ROWS:.*]] = affine.min #{{.*}}(%[[I]])
// CHECK: tensor.extract_slice {{.*}}[%[[I]], 0] [%[[ROWS]], 512]
// CHECK: linalg.add
func.func @elementwise(%a: tensor<100x512xf32>, %c: tensor<100x512xf32>)
    -> tensor<100x512xf32> {
  %r = linalg.add ins(%a, %a : tensor<100x512xf32>, tensor<100x512xf32>)
      outs(%c : tensor<100x512xf32>) -> tensor<100x512xf32>
  return %r : tensor<100x512xf32>
}

// One parallel dimension: its rows are blocked, and the rest is reduced.
// CHECK-LABEL: func @row_sums(
// CHECK: scf.forall {{.*}} to (1024) step (64)
// CHECK: linalg.reduce
func.func @row_sums(%a: tensor<1024x64xf32>, %c: tensor<1024xf32>)
    -> tensor<1024xf32> {
  %r = linalg.reduce { arith.addf } ins(%a : tensor<1024x64xf32>)
      outs(%c : tensor<1024xf32>) dimensions = [1]
  return %r : tensor<1024xf32>
}

// Inside a sequential loop, still.
// CHECK-LABEL: func @in_loop(
// CHECK: scf.for
// CHECK: scf.forall
// CHECK: linalg.mul
func.func @in_loop(%a: tensor<100x512xf32>, %n: index) -> tensor<100x512xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%x = %a)
      -> tensor<100x512xf32> {
    %y = linalg.mul ins(%x, %a : tensor<100x512xf32>, tensor<100x512xf32>)
        outs(%x : tensor<100x512xf32>) -> tensor<100x512xf32>
    scf.yield %y : tensor<100x512xf32>
  }
  return %r : tensor<100x512xf32>
}

// What is small, has nothing parallel, or is in a parallel body already, stays.
// CHECK-LABEL: func @stays(
// CHECK-NOT: scf.forall
// CHECK: linalg.add
// CHECK-NOT: scf.forall
// CHECK: linalg.dot
// CHECK: scf.forall
// CHECK-NOT: scf.forall (
// CHECK: linalg.exp
// CHECK: return
func.func @stays(%a: tensor<64x128xf32>, %v: tensor<65536xf32>,
                 %s: tensor<f32>, %big: tensor<4x65536xf32>)
    -> (tensor<64x128xf32>, tensor<f32>, tensor<4x65536xf32>) {
  %0 = linalg.add ins(%a, %a : tensor<64x128xf32>, tensor<64x128xf32>)
      outs(%a : tensor<64x128xf32>) -> tensor<64x128xf32>
  %1 = linalg.dot ins(%v, %v : tensor<65536xf32>, tensor<65536xf32>)
      outs(%s : tensor<f32>) -> tensor<f32>
  %2 = scf.forall (%i) in (4) shared_outs(%o = %big) -> tensor<4x65536xf32> {
    %row = tensor.extract_slice %o[%i, 0] [1, 65536] [1, 1]
        : tensor<4x65536xf32> to tensor<65536xf32>
    %e = linalg.exp ins(%row : tensor<65536xf32>)
        outs(%row : tensor<65536xf32>) -> tensor<65536xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %e into %o[%i, 0] [1, 65536] [1, 1]
          : tensor<65536xf32> into tensor<4x65536xf32>
    }
  }
  return %0, %1, %2 : tensor<64x128xf32>, tensor<f32>, tensor<4x65536xf32>
}
