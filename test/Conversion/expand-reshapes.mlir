// RUN: seqc-opt %s --seqc-expand-reshapes | FileCheck %s
// RUN: seqc-opt %s --seqc-expand-reshapes --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-expand-reshapes
// STATS-NEXT: 1 reshapes-expanded

// Two dynamic sizes out of one: the stride of the outer is the size of the inner
// times the stride of both.
// CHECK-LABEL: func @two(
// CHECK-SAME: %[[M:.*]]: memref<?x8xf32, strided<[16, 1], offset: 4>>, %[[A:.*]]: index, %[[B:.*]]: index)
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [4], sizes: [%[[A]], %[[B]], 8], strides: [%{{.*}}, 16, 1]
// CHECK-NOT: memref.expand_shape
// CHECK: return
func.func @two(%m: memref<?x8xf32, strided<[16, 1], offset: 4>>, %a: index,
               %b: index) -> memref<?x?x8xf32, strided<[?, 16, 1], offset: 4>> {
  %r = memref.expand_shape %m [[0, 1], [2]] output_shape [%a, %b, 8]
      : memref<?x8xf32, strided<[16, 1], offset: 4>>
      into memref<?x?x8xf32, strided<[?, 16, 1], offset: 4>>
  return %r : memref<?x?x8xf32, strided<[?, 16, 1], offset: 4>>
}

// One dynamic size in a group is left to upstream.
// CHECK-LABEL: func @one(
// CHECK-NEXT: memref.expand_shape
// CHECK-NEXT: return
func.func @one(%m: memref<?xf32>, %a: index) -> memref<?x8xf32> {
  %r = memref.expand_shape %m [[0, 1]] output_shape [%a, 8]
      : memref<?xf32> into memref<?x8xf32>
  return %r : memref<?x8xf32>
}
