// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile=single-loop=true --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile=single-loop=true --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// A tile is not tiled again.
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile=single-loop=true | seqc-opt -o %t.once.mlir
// RUN: seqc-opt %t.once.mlir --seqc-tile=single-loop=true -o %t.twice.mlir
// RUN: diff %t.once.mlir %t.twice.mlir

// STATS: seqc-tile{{$}}
// STATS-NEXT: 6 full-tile-loops
// STATS-NEXT: 6 key-loops
// STATS-NEXT: 6 ops-tiled

// One loop up to the last key that a row sees. Keys and values are read and
// padded in the same way in every iteration; then the class is asked for. Both
// branches have the same operands.
// CHECK-LABEL: func @causal(
// CHECK-SAME: %{{[a-z0-9_]+}}: tensor<?x2x?x8xf32>, %[[K:[a-z0-9_]+]]: tensor<?x2x?x8xf32>)
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) =
// CHECK: linalg.fill {{.*}} tensor<1x1x32x8xf32>
// CHECK: %[[FULL_HI:[a-z0-9_]+]] = affine.apply
// CHECK: %[[HI:[a-z0-9_]+]] = affine.apply
// CHECK: %[[R:[a-z0-9_]+]]:3 = scf.for %[[J:[a-z0-9_]+]] = %c0 to %[[HI]] step %c64{{.*}} iter_args(%[[M:[a-z0-9_]+]] = %{{[a-z0-9_]+}}, %[[S:[a-z0-9_]+]] = %{{[a-z0-9_]+}}, %[[A:[a-z0-9_]+]] = %{{[a-z0-9_]+}})
// CHECK: %[[FULL:[a-z0-9_]+]] = arith.cmpi slt, %[[J]], %[[FULL_HI]]
// CHECK: tensor.extract_slice %[[K]][%[[B]], %[[H]], %[[J]], 0]
// CHECK: %[[KEY:[a-z0-9_]+]] = tensor.pad
// CHECK: tensor<1x1x?x8xf32> to tensor<1x1x64x8xf32>
// CHECK: %[[T:[a-z0-9_]+]]:3 = scf.if %[[FULL]]
// CHECK-NEXT: seqc.online_attention query(%[[Q:[a-z0-9_]+]]) key(%[[KEY]]) value(%[[KEY]]) {{.*}} outs(%[[M]], %[[S]], %[[A]]) scale(1.000000e+00) causal tile_class(full)
// CHECK-NEXT: scf.yield
// CHECK-NEXT: } else {
// CHECK-NEXT: seqc.online_attention query(%[[Q]]) key(%[[KEY]]) value(%[[KEY]]) {{.*}} outs(%[[M]], %[[S]], %[[A]]) scale(1.000000e+00) causal {schedule
// CHECK-NEXT: scf.yield
// CHECK-NEXT: }
// CHECK-NEXT: scf.yield %[[T]]#0, %[[T]]#1, %[[T]]#2
// CHECK: seqc.softmax_finish max(%[[R]]#0) sum(%[[R]]#1) acc(%[[R]]#2)
// The tiles of the loop cover what it returns.
// CHECK: } {seqc.grid}
// CHECK-NOT: = scf.for %
func.func @causal(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>)
    -> tensor<?x2x?x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k) scale(1.0) causal
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
      -> tensor<?x2x?x8xf32>
  return %out : tensor<?x2x?x8xf32>
}

// A window cuts tiles on both sides.
// CHECK-LABEL: func @window(
// CHECK: scf.for %[[J:[a-z0-9_]+]] =
// CHECK: %[[LEFT:[a-z0-9_]+]] = arith.cmpi sge, %[[J]], %{{.*}}
// CHECK: %[[RIGHT:[a-z0-9_]+]] = arith.cmpi slt, %[[J]], %{{.*}}
// CHECK: %[[FULL:[a-z0-9_]+]] = arith.andi %[[LEFT]], %[[RIGHT]] : i1
// CHECK: scf.if %[[FULL]]
func.func @window(%q: tensor<1x2x512x8xf32>) -> tensor<1x2x512x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) causal window_left(200)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x512x8xf32>, tensor<1x2x512x8xf32>, tensor<1x2x512x8xf32>)
      -> tensor<1x2x512x8xf32>
  return %out : tensor<1x2x512x8xf32>
}

// Every tile is full: nothing is asked.
// CHECK-LABEL: func @no_mask(
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK: seqc.online_attention {{.*}} tile_class(full)
// CHECK-NOT: seqc.online_attention
// CHECK: return
func.func @no_mask(%q: tensor<1x2x64x8xf32>, %k: tensor<1x2x192x8xf32>)
    -> tensor<1x2x64x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x64x8xf32>, tensor<1x2x192x8xf32>, tensor<1x2x192x8xf32>)
      -> tensor<1x2x64x8xf32>
  return %out : tensor<1x2x64x8xf32>
}

// Which tiles are hidden and which are full is computed from the segments.
// CHECK-LABEL: func @segments(
// CHECK-COUNT-3: linalg.generic
// CHECK: scf.forall
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %{{.*}} to %{{.*}} step %c64
// CHECK: arith.cmpi sge, %[[J]], %{{.*}}
// CHECK: arith.cmpi slt, %[[J]], %{{.*}}
// CHECK: %[[FULL:[a-z0-9_]+]] = arith.andi
// CHECK: scf.if %[[FULL]]
// CHECK-NEXT: seqc.online_attention {{.*}} segments({{.*}} tile_class(full)
// CHECK: } else {
// CHECK-NEXT: seqc.online_attention {{.*}} segments(
// CHECK-NOT: seqc.online_attention
// CHECK: return
func.func @segments(%q: tensor<1x2x128x8xf32>, %s: tensor<1x128xi32>)
    -> tensor<1x2x128x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) segments(%s, %s)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>,
         tensor<1x128xi32>, tensor<1x128xi32>) -> tensor<1x2x128x8xf32>
  return %out : tensor<1x2x128x8xf32>
}

// A prefix beside a window leaves a gap. Its tiles are read, so that the copies
// do not depend on the mask, and left out. Positions have 32 bits: the prefix is
// brought into their range.
// CHECK-LABEL: func @prefix(
// CHECK-SAME: %[[P:[a-z0-9_]+]]: tensor<1xi32>
// CHECK: %[[PREFIX:[a-z0-9_]+]] = tensor.extract %[[P]]
// CHECK: %[[INDEX:[a-z0-9_]+]] = arith.index_cast %[[PREFIX]]
// CHECK: %[[LOW:[a-z0-9_]+]] = arith.minsi %[[INDEX]], %c512
// CHECK: arith.maxsi %[[LOW]], %c0
// CHECK: scf.for {{.*}} iter_args(%[[M:[a-z0-9_]+]] = %{{.*}}, %[[S:[a-z0-9_]+]] = %{{.*}}, %[[A:[a-z0-9_]+]] = %{{.*}})
// CHECK: tensor.extract_slice
// CHECK: scf.if
// CHECK-NEXT: scf.yield %[[M]], %[[S]], %[[A]]
// CHECK-NEXT: } else {
// CHECK-NEXT: %[[T:[a-z0-9_]+]]:3 = scf.if %{{.*}}
// CHECK-NEXT: seqc.online_attention {{.*}} tile_class(full)
// CHECK-NEXT: scf.yield
// CHECK-NEXT: } else {
// CHECK-NEXT: seqc.online_attention
// CHECK-NEXT: scf.yield
// CHECK-NEXT: }
// CHECK-NEXT: scf.yield %[[T]]#0, %[[T]]#1, %[[T]]#2
func.func @prefix(%q: tensor<1x2x512x8xf32>, %p: tensor<1xi32>)
    -> tensor<1x2x512x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) prefix(%p)
      causal window_left(100)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x512x8xf32>, tensor<1x2x512x8xf32>, tensor<1x2x512x8xf32>,
         tensor<1xi32>) -> tensor<1x2x512x8xf32>
  return %out : tensor<1x2x512x8xf32>
}

// So is a window, which is as good as none.
// CHECK-LABEL: func @wide(
// CHECK: seqc.online_attention {{.*}} window_left(1073741824)
func.func @wide(%q: tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) causal
      window_left(2000000000)
      : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>)
      -> tensor<1x2x?x8xf32>
  return %out : tensor<1x2x?x8xf32>
}
