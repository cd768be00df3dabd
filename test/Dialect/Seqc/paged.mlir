// RUN: %roundtrip

// CHECK-LABEL: func @decode
// CHECK: %[[K:.*]] = seqc.paged %{{[a-z0-9_]+}}, %[[T:[a-z0-9_]+]] : (tensor<?x8x64x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
// CHECK: %[[V:.*]] = seqc.paged %{{[a-z0-9_]+}}, %[[T]] : (tensor<?x8x64x64xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x64xbf16>
// CHECK: seqc.attention query(%{{[a-z0-9_]+}}) key(%[[K]]) value(%[[V]]) key_lengths(%{{[a-z0-9_]+}}) causal :
func.func @decode(%q: tensor<?x32x1x128xbf16>, %kp: tensor<?x8x64x128xbf16>,
                  %vp: tensor<?x8x64x64xbf16>, %t: tensor<?x?xi32>,
                  %n: tensor<?xi32>) -> tensor<?x32x1x64xbf16> {
  %k = seqc.paged %kp, %t : (tensor<?x8x64x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
  %v = seqc.paged %vp, %t : (tensor<?x8x64x64xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x64xbf16>
  %out = seqc.attention query(%q) key(%k) value(%v) key_lengths(%n) causal
      : (tensor<?x32x1x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16>, tensor<?xi32>)
      -> tensor<?x32x1x64xbf16>
  return %out : tensor<?x32x1x64xbf16>
}

// Static sizes follow from those of the operands.
// CHECK-LABEL: func @static
// CHECK: seqc.paged %{{.*}} : (tensor<100x2x16x8xf64>, tensor<3x4xi32>) -> tensor<3x2x64x8xf64>
func.func @static(%kp: tensor<100x2x16x8xf64>, %t: tensor<3x4xi32>)
    -> tensor<3x2x64x8xf64> {
  %k = seqc.paged %kp, %t : (tensor<100x2x16x8xf64>, tensor<3x4xi32>) -> tensor<3x2x64x8xf64>
  return %k : tensor<3x2x64x8xf64>
}
