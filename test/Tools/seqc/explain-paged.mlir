// RUN: seqc explain %s --chip=h200 --assume B=2,S=1024 | FileCheck %s

// CHECK: 1 seqc.attention: B=2 Hq=32 Hkv=8 Sq=1 Sk=1024 D=128 bf16 causal key_lengths paged
// CHECK: note: the key lengths are data: counted as all keys
func.func @paged(%q: tensor<?x32x1x128xbf16>, %kp: tensor<?x8x16x128xbf16>,
                 %vp: tensor<?x8x16x128xbf16>, %t: tensor<?x?xi32>,
                 %n: tensor<?xi32>) -> tensor<?x32x1x128xbf16> {
  %k = seqc.paged %kp, %t : (tensor<?x8x16x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
  %v = seqc.paged %vp, %t : (tensor<?x8x16x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
  %out = seqc.attention query(%q) key(%k) value(%v) key_lengths(%n) causal
      : (tensor<?x32x1x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?xi32>)
      -> tensor<?x32x1x128xbf16>
  return %out : tensor<?x32x1x128xbf16>
}
