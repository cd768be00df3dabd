// RUN: %roundtrip

// CHECK-LABEL: @f
func.func @f(%s: tensor<?x2x8x16xf32>, %d: tensor<?x2x8x16xf32>, %o: tensor<?x2x8x16xf32>, %h: tensor<2x8x16xf32>) -> (tensor<?x2x8x16xf32>, tensor<2x8x16xf32>) {
  // CHECK: seqc.scan_prefix state(%{{.*}}) decay(%{{.*}}) outs(%{{.*}}, %{{.*}}) : (tensor<?x2x8x16xf32>, tensor<?x2x8x16xf32>, tensor<?x2x8x16xf32>, tensor<2x8x16xf32>) -> (tensor<?x2x8x16xf32>, tensor<2x8x16xf32>)
  %0:2 = seqc.scan_prefix state(%s) decay(%d) outs(%o, %h)
    : (tensor<?x2x8x16xf32>, tensor<?x2x8x16xf32>, tensor<?x2x8x16xf32>, tensor<2x8x16xf32>) -> (tensor<?x2x8x16xf32>, tensor<2x8x16xf32>)
  return %0#0, %0#1 : tensor<?x2x8x16xf32>, tensor<2x8x16xf32>
}

// CHECK-LABEL: @reverse
func.func @reverse(%s: tensor<4x2x8x16xf32>, %h: tensor<2x8x16xf32>) -> (tensor<4x2x8x16xf32>, tensor<2x8x16xf32>) {
  // CHECK: seqc.scan_prefix state(%{{.*}}) decay(%{{.*}}) outs(%{{.*}}, %{{.*}}) reverse : (tensor<4x2x8x16xf32>
  %0:2 = seqc.scan_prefix state(%s) decay(%s) outs(%s, %h) reverse
    : (tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<2x8x16xf32>) -> (tensor<4x2x8x16xf32>, tensor<2x8x16xf32>)
  return %0#0, %0#1 : tensor<4x2x8x16xf32>, tensor<2x8x16xf32>
}
