// RUN: seqc-opt %s --seqc-protect-arguments --seqc-bufferize | FileCheck %s

// Arguments may have any strides. One that is not the function's to write is
// copied before it is updated; the result is a buffer of the function's own.
// CHECK-LABEL: func @update(
// CHECK-SAME: %[[X:.*]]: memref<?xf32, strided<[?], offset: ?>>, %{{.*}}: f32) -> memref<?xf32, strided<[?], offset: ?>>
// CHECK: %[[COPY:.*]] = memref.alloc(%{{.*}})
// CHECK: memref.copy %[[X]], %[[COPY]]
// CHECK: memref.store %{{.*}}, %[[COPY]]
// CHECK-NOT: memref.store %{{.*}}, %[[X]]
// CHECK: return
func.func @update(%x: tensor<?xf32>, %f: f32) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %r = tensor.insert %f into %x[%c0] : tensor<?xf32>
  return %r : tensor<?xf32>
}

// The tiles of a parallel loop are written where they belong.
// CHECK-LABEL: func @tiles(
// CHECK: %[[OUT:.*]] = memref.alloc
// CHECK: scf.forall
// CHECK: %[[TILE:.*]] = memref.subview %[[OUT]]
// CHECK: linalg.exp {{.*}} outs(%[[TILE]]
// CHECK-NOT: memref.alloc
// CHECK: return
func.func @tiles(%x: tensor<16x8xf32>) -> tensor<16x8xf32> {
  %e = tensor.empty() : tensor<16x8xf32>
  %r = scf.forall (%i) in (16) shared_outs(%o = %e) -> tensor<16x8xf32> {
    %s = tensor.extract_slice %x[%i, 0] [1, 8] [1, 1]
        : tensor<16x8xf32> to tensor<8xf32>
    %d = tensor.extract_slice %o[%i, 0] [1, 8] [1, 1]
        : tensor<16x8xf32> to tensor<8xf32>
    %y = linalg.exp ins(%s : tensor<8xf32>) outs(%d : tensor<8xf32>)
        -> tensor<8xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %o[%i, 0] [1, 8] [1, 1]
          : tensor<8xf32> into tensor<16x8xf32>
    }
  }
  return %r : tensor<16x8xf32>
}

// A loop may carry a tensor that is new in each iteration.
// CHECK-LABEL: func @carried(
// CHECK: scf.for
// CHECK: scf.yield
// CHECK-NOT: tensor<
// CHECK: return
func.func @carried(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%y = %x) -> tensor<?xf32> {
    %e = tensor.empty(%i) : tensor<?xf32>
    scf.yield %e : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}
