// RUN: %roundtrip

// CHECK-LABEL: func @minimal
// CHECK: seqc.softmax_finish max(%{{[a-z0-9_]+}}) sum(%{{[a-z0-9_]+}}) acc(%{{[a-z0-9_]+}}) outs(%{{[a-z0-9_]+}}) :
// CHECK-SAME: (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>, tensor<2x8x64x32xf32>) -> tensor<2x8x64x32xf32>
func.func @minimal(%m: tensor<2x8x64xf32>, %s: tensor<2x8x64xf32>,
                   %a: tensor<2x8x64x32xf32>) -> tensor<2x8x64x32xf32> {
  %out = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%a)
    : (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x32xf32>,
       tensor<2x8x64x32xf32>) -> tensor<2x8x64x32xf32>
  return %out : tensor<2x8x64x32xf32>
}

// Sinks, the log-sum-exp, dynamic sizes, and an output in the type of the data.
// CHECK-LABEL: func @everything
// CHECK: %{{.*}}, %{{.*}} = seqc.softmax_finish max(%{{[a-z0-9_]+}}) sum(%{{[a-z0-9_]+}}) acc(%{{[a-z0-9_]+}}) sinks(%{{[a-z0-9_]+}}) outs(%{{[a-z0-9_]+}}, %{{[a-z0-9_]+}}) :
// CHECK-SAME: -> (tensor<?x8x?x32xf16>, tensor<?x8x?xf32>)
func.func @everything(%m: tensor<?x8x?xf32>, %s: tensor<?x8x?xf32>,
                      %a: tensor<?x8x?x32xf32>, %sinks: tensor<8xf32>,
                      %o: tensor<?x8x?x32xf16>)
    -> (tensor<?x8x?x32xf16>, tensor<?x8x?xf32>) {
  %out, %lse = seqc.softmax_finish max(%m) sum(%s) acc(%a) sinks(%sinks)
      outs(%o, %m)
    : (tensor<?x8x?xf32>, tensor<?x8x?xf32>, tensor<?x8x?x32xf32>,
       tensor<8xf32>, tensor<?x8x?x32xf16>, tensor<?x8x?xf32>)
    -> (tensor<?x8x?x32xf16>, tensor<?x8x?xf32>)
  return %out, %lse : tensor<?x8x?x32xf16>, tensor<?x8x?xf32>
}

// CHECK-LABEL: func @f64
// CHECK: seqc.softmax_finish {{.*}} -> (tensor<1x1x?x8xf64>, tensor<1x1x?xf64>)
func.func @f64(%m: tensor<1x1x?xf64>, %a: tensor<1x1x?x8xf64>)
    -> (tensor<1x1x?x8xf64>, tensor<1x1x?xf64>) {
  %out, %lse = seqc.softmax_finish max(%m) sum(%m) acc(%a) outs(%a, %m)
    : (tensor<1x1x?xf64>, tensor<1x1x?xf64>, tensor<1x1x?x8xf64>,
       tensor<1x1x?x8xf64>, tensor<1x1x?xf64>)
    -> (tensor<1x1x?x8xf64>, tensor<1x1x?xf64>)
  return %out, %lse : tensor<1x1x?x8xf64>, tensor<1x1x?xf64>
}
