// RUN: seqc-opt %s --seqc-fold-empty --canonicalize | FileCheck %s
// RUN: seqc-opt %s --seqc-fold-empty --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-fold-empty{{$}}
// STATS-NEXT: 5 ops-folded

// Slices that hold nothing go, and so does inserting them.
// CHECK-LABEL: func @slices
// CHECK-SAME: %[[T:.*]]: tensor<3x4xf32>, %[[D:.*]]: tensor<3x4xf32>
// CHECK-NEXT: return %[[D]]
func.func @slices(%t: tensor<3x4xf32>, %d: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %s = tensor.extract_slice %t[0, 3] [3, 0] [1, 1]
      : tensor<3x4xf32> to tensor<3x0xf32>
  %r = tensor.insert_slice %s into %d[0, 3] [3, 0] [1, 1]
      : tensor<3x0xf32> into tensor<3x4xf32>
  return %r : tensor<3x4xf32>
}

// The other sizes stay what they are.
// CHECK-LABEL: func @reshape
// CHECK-SAME: %[[T:.*]]: tensor<?x0x5xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[T]], %c0
// CHECK: %[[E:.*]] = tensor.empty(%[[N]]) : tensor<?x0xf32>
// CHECK: return %[[E]]
func.func @reshape(%t: tensor<?x0x5xf32>) -> tensor<?x0xf32> {
  %r = tensor.collapse_shape %t [[0], [1, 2]]
      : tensor<?x0x5xf32> into tensor<?x0xf32>
  return %r : tensor<?x0xf32>
}

// Padding around nothing is the padding value.
// CHECK-LABEL: func @pad
// CHECK: %[[G:.*]] = tensor.generate
// CHECK: tensor.yield %cst
// CHECK: return %[[G]] : tensor<5x2xf32>
func.func @pad(%t: tensor<3x0xf32>) -> tensor<5x2xf32> {
  %c = arith.constant 0.25 : f32
  %r = tensor.pad %t low[0, 2] high[2, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %c : f32
  } : tensor<3x0xf32> to tensor<5x2xf32>
  return %r : tensor<5x2xf32>
}

// A reshape of nothing has nothing, whatever its type says.
// CHECK-LABEL: func @collapse
// CHECK: tensor.empty(
// CHECK-NOT: tensor.collapse_shape
// CHECK: return
func.func @collapse(%t: tensor<?x0x?xf64>) -> tensor<?xf64> {
  %r = tensor.collapse_shape %t [[0, 1, 2]]
      : tensor<?x0x?xf64> into tensor<?xf64>
  return %r : tensor<?xf64>
}

// Where there is something, nothing changes.
// CHECK-LABEL: func @full
// CHECK: tensor.insert_slice
func.func @full(%s: tensor<3x1xf32>, %d: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %r = tensor.insert_slice %s into %d[0, 3] [3, 1] [1, 1]
      : tensor<3x1xf32> into tensor<3x4xf32>
  return %r : tensor<3x4xf32>
}
