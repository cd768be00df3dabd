// RUN: %roundtrip

// CHECK-LABEL: func @static
// CHECK: %{{.*}}, %{{.*}}, %{{.*}} = seqc.softmax_merge max(%{{[a-z0-9_]+}}) sum(%{{[a-z0-9_]+}}) acc(%{{[a-z0-9_]+}}) outs(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) :
// CHECK-SAME: (tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64x32xf32>, tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>) -> (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>)
func.func @static(%pm: tensor<4x2x8x64xf32>, %ps: tensor<4x2x8x64xf32>,
                  %pa: tensor<4x2x8x64x32xf32>, %m: tensor<2x8x64xf32>,
                  %s: tensor<2x8x64xf32>, %a: tensor<2x8x64x32xf32>)
    -> tensor<2x8x64x32xf32> {
  %max, %sum, %acc = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa)
      outs(%m, %s, %a)
    : (tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64x32xf32>,
       tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>)
    -> (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>)
  return %acc : tensor<2x8x64x32xf32>
}

// CHECK-LABEL: func @dynamic
// CHECK: seqc.softmax_merge
// CHECK-SAME: -> (tensor<?x8x?xf64>, tensor<?x8x?xf64>, tensor<?x8x?x5xf64>)
func.func @dynamic(%pm: tensor<?x?x8x?xf64>, %ps: tensor<?x?x8x?xf64>,
                   %pa: tensor<?x?x8x?x5xf64>, %m: tensor<?x8x?xf64>,
                   %s: tensor<?x8x?xf64>, %a: tensor<?x8x?x5xf64>)
    -> (tensor<?x8x?xf64>, tensor<?x8x?x5xf64>) {
  %max, %sum, %acc = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa)
      outs(%m, %s, %a)
    : (tensor<?x?x8x?xf64>, tensor<?x?x8x?xf64>, tensor<?x?x8x?x5xf64>,
       tensor<?x8x?xf64>, tensor<?x8x?xf64>, tensor<?x8x?x5xf64>)
    -> (tensor<?x8x?xf64>, tensor<?x8x?xf64>, tensor<?x8x?x5xf64>)
  return %max, %acc : tensor<?x8x?xf64>, tensor<?x8x?x5xf64>
}
