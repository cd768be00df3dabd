// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile | FileCheck %s --check-prefix=RAW
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// A tile is not tiled again.
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile | seqc-opt -o %t.once.mlir
// RUN: seqc-opt %t.once.mlir --seqc-tile -o %t.twice.mlir
// RUN: diff %t.once.mlir %t.twice.mlir

// STATS: seqc-tile{{$}}
// STATS-NEXT: 15 full-tile-loops
// STATS-NEXT: 44 key-loops
// STATS-NEXT: 18 ops-tiled

//===----------------------------------------------------------------------===//
// Attention: the grid and the key loops
//===----------------------------------------------------------------------===//

// A causal mask splits the loop over the keys in three: partial, full, partial.
// The operator is asked nothing but its mask; the bounds are derived. Rows and
// keys divide into tiles, so nothing is padded, and the state stays in the loop.
//
// RAW-LABEL: func @causal(
// RAW-SAME: %[[Q:[a-z0-9_]+]]: tensor<1x2x256x8xf32>, %[[K:[a-z0-9_]+]]: tensor<1x2x256x8xf32>)
// RAW: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) = (0, 0, 0) to (1, 2, 256) step (1, 1, 32) shared_outs(%[[DEST:[a-z0-9_]+]] = %{{.*}})
// RAW: tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0] [1, 1, 32, 8]
// RAW: linalg.fill {{.*}} -> tensor<1x1x32xf32>
// RAW: linalg.fill {{.*}} -> tensor<1x1x32xf32>
// RAW: linalg.fill {{.*}} -> tensor<1x1x32x8xf32>
// RAW: %[[R0:[a-z0-9_]+]]:3 = scf.for %[[J0:[a-z0-9_]+]] = %[[LO:[a-z0-9_]+]] to %[[FULL_LO:[a-z0-9_]+]] step %{{.*}} iter_args
// RAW: seqc.online_attention {{.*}} scale(1.000000e+00) causal {schedule
// RAW: %[[R1:[a-z0-9_]+]]:3 = scf.for %[[J1:[a-z0-9_]+]] = %[[FULL_LO]] to %[[FULL_HI:[a-z0-9_]+]] step %{{.*}} iter_args(%{{.*}} = %[[R0]]#0, %{{.*}} = %[[R0]]#1, %{{.*}} = %[[R0]]#2)
// RAW: seqc.online_attention {{.*}} scale(1.000000e+00) causal tile_class(full) {schedule
// RAW: %[[R2:[a-z0-9_]+]]:3 = scf.for %[[J2:[a-z0-9_]+]] = %[[FULL_HI]] to %[[HI:[a-z0-9_]+]] step %{{.*}} iter_args(%{{.*}} = %[[R1]]#0, %{{.*}} = %[[R1]]#1, %{{.*}} = %[[R1]]#2)
// RAW: seqc.online_attention {{.*}} scale(1.000000e+00) causal {schedule
// RAW: %[[OUT:[a-z0-9_]+]] = seqc.softmax_finish max(%[[R2]]#0) sum(%[[R2]]#1) acc(%[[R2]]#2)
// RAW: scf.forall.in_parallel
// RAW: tensor.parallel_insert_slice %{{.*}} into %[[DEST]][%[[B]], %[[H]], %[[I]], 0]
//
// Simplified, the first loop is gone: a causal mask cuts nothing on the left.
// The batch of 1 has no loop.
// CHECK-DAG: #[[$END:map[0-9]*]] = affine_map<(d0) -> (256, d0 + 32)>
// CHECK-DAG: #[[$TILES:map[0-9]*]] = affine_map<(d0) -> ((d0 - 1) floordiv 64 + 1, 4)>
// CHECK-DAG: #[[$FULL:map[0-9]*]] = affine_map<(d0, d1) -> ((d0 - 63) floordiv 64 + 1, 4, d1)>
// CHECK-DAG: #[[$FROM_TILE:map[0-9]*]] = affine_map<(d0) -> (d0 * 64)>
// CHECK-DAG: #[[$W0:.*]] = affine_map<(d0)[s0] -> (s0, d0 + 32)>
// CHECK-LABEL: func @causal(
// CHECK-SAME: %[[Q:[a-z0-9_]+]]: tensor<1x2x256x8xf32>, %[[K:[a-z0-9_]+]]: tensor<1x2x256x8xf32>)
// CHECK-DAG: %[[C0:[a-z0-9_]+]] = arith.constant 0 : index
// CHECK-DAG: %[[C64:[a-z0-9_]+]] = arith.constant 64 : index
// CHECK: scf.forall (%[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) = (0, 0) to (2, 256) step (1, 32)
// CHECK-NOT: tensor.pad
// CHECK: %[[QUERY:[a-z0-9_]+]] = tensor.extract_slice %[[Q]][0, %[[H]], %[[I]], 0] [1, 1, 32, 8]
// CHECK: %[[END:[a-z0-9_]+]] = affine.min #[[$END]](%[[I]])
// CHECK: %[[T0:[a-z0-9_]+]] = affine.min #[[$TILES]](%[[END]])
// CHECK: %[[T1:[a-z0-9_]+]] = affine.max #{{.*}}(%[[T0]])
// CHECK: %[[F0:[a-z0-9_]+]] = affine.min #[[$FULL]](%[[I]], %[[T1]])
// CHECK: %[[F1:[a-z0-9_]+]] = affine.max #{{.*}}(%[[F0]])
// CHECK: %[[FULL_HI:[a-z0-9_]+]] = affine.apply #[[$FROM_TILE]](%[[F1]])
// CHECK: %[[HI:[a-z0-9_]+]] = affine.apply #[[$FROM_TILE]](%[[T1]])
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %[[C0]] to %[[FULL_HI]] step %[[C64]] iter_args(%[[M:[a-z0-9_]+]] = %{{.*}}, %[[S:[a-z0-9_]+]] = %{{.*}}, %[[A:[a-z0-9_]+]] = %{{.*}}) -> (tensor<1x1x32xf32>, tensor<1x1x32xf32>, tensor<1x1x32x8xf32>)
// CHECK: %[[KEY:[a-z0-9_]+]] = tensor.extract_slice %[[K]][0, %[[H]], %[[J]], 0] [1, 1, 64, 8]
// CHECK: seqc.online_attention query(%[[QUERY]]) key(%[[KEY]]) value(%[[KEY]]) offsets(%[[C0]], %[[H]], %[[I]], %[[J]]) lengths(%c256, %c256) outs(%[[M]], %[[S]], %[[A]]) {{.*}} tile_class(full)
// CHECK: scf.for %{{.*}} = %[[FULL_HI]] to %[[HI]] step %[[C64]]
// CHECK-NOT: = scf.for %
// CHECK: return
func.func @causal(%q: tensor<1x2x256x8xf32>, %k: tensor<1x2x256x8xf32>)
    -> tensor<1x2x256x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k) scale(1.0) causal
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x256x8xf32>, tensor<1x2x256x8xf32>, tensor<1x2x256x8xf32>)
      -> tensor<1x2x256x8xf32>
  return %out : tensor<1x2x256x8xf32>
}

// Without a mask every tile that divides is full: one loop.
// CHECK-LABEL: func @no_mask
// CHECK: scf.for %{{.*}} = %c0 to %c192 step %c64
// CHECK: seqc.online_attention {{.*}} tile_class(full)
// CHECK-NOT: = scf.for %
// CHECK-NOT: tensor.pad
// CHECK: return
func.func @no_mask(%q: tensor<1x2x64x8xf32>, %k: tensor<1x2x192x8xf32>)
    -> tensor<1x2x64x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<1x2x64x8xf32>, tensor<1x2x192x8xf32>, tensor<1x2x192x8xf32>)
      -> tensor<1x2x64x8xf32>
  return %out : tensor<1x2x64x8xf32>
}

// Odd sizes: full tiles up to 128, then one that is padded with zeros. The rows
// of the last query tile are padded, and cut again before they are written.
// CHECK-LABEL: func @odd
// CHECK-SAME: %[[Q:[a-z0-9_]+]]: tensor<3x2x50x8xf16>, %[[K:[a-z0-9_]+]]: tensor<3x2x150x8xf16>, %[[V:[a-z0-9_]+]]: tensor<3x2x150x4xf16>)
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) = (0, 0, 0) to (3, 2, 50) step (1, 1, 32)
// CHECK: %[[ROWS:[a-z0-9_]+]] = affine.min #{{.*}}(%[[I]])
// CHECK: tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[I]], 0] [1, 1, %[[ROWS]], 8]
// CHECK: tensor.pad {{.*}} low[0, 0, 0, 0] high[0, 0, %{{.*}}, 0]
// CHECK: : tensor<1x1x?x8xf16> to tensor<1x1x32x8xf16>
// The state of f16 is f32.
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %c0 to %c128 step %c64 iter_args({{.*}}) -> (tensor<1x1x32xf32>, tensor<1x1x32xf32>, tensor<1x1x32x4xf32>)
// CHECK: tensor.extract_slice %[[V]][%[[B]], %[[H]], %[[J]], 0] [1, 1, 64, 4]
// CHECK: seqc.online_attention {{.*}} tile_class(full)
// CHECK: tensor.extract_slice %[[K]][%[[B]], %[[H]], 128, 0] [1, 1, 22, 8]
// CHECK: tensor.pad {{.*}} low[0, 0, 0, 0] high[0, 0, %c42, 0]
// CHECK: : tensor<1x1x22x8xf16> to tensor<1x1x64x8xf16>
// CHECK: : tensor<1x1x22x4xf16> to tensor<1x1x64x4xf16>
// CHECK: seqc.online_attention {{.*}} offsets(%[[B]], %[[H]], %[[I]], %c128) lengths(%c50, %c150)
// CHECK-NOT: tile_class
// CHECK: %[[OUT:[a-z0-9_]+]], %[[LSE:[a-z0-9_]+]] = seqc.softmax_finish {{.*}} -> (tensor<1x1x32x4xf16>, tensor<1x1x32xf32>)
// CHECK-DAG: tensor.extract_slice %[[OUT]][0, 0, 0, 0] [1, 1, %[[ROWS]], 4]
// CHECK-DAG: tensor.extract_slice %[[LSE]][0, 0, 0] [1, 1, %[[ROWS]]]
// CHECK-DAG: tensor.parallel_insert_slice {{.*}}[%[[B]], %[[H]], %[[I]], 0] [1, 1, %[[ROWS]], 4]
// CHECK-DAG: tensor.parallel_insert_slice {{.*}}[%[[B]], %[[H]], %[[I]]] [1, 1, %[[ROWS]]]
func.func @odd(%q: tensor<3x2x50x8xf16>, %k: tensor<3x2x150x8xf16>,
               %v: tensor<3x2x150x4xf16>)
    -> (tensor<3x2x50x4xf16>, tensor<3x2x50xf32>) {
  %out, %lse = seqc.attention query(%q) key(%k) value(%v)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<3x2x50x8xf16>, tensor<3x2x150x8xf16>, tensor<3x2x150x4xf16>)
      -> (tensor<3x2x50x4xf16>, tensor<3x2x50xf32>)
  return %out, %lse : tensor<3x2x50x4xf16>, tensor<3x2x50xf32>
}

// No schedule: tiles of 64 x 64.
// CHECK-LABEL: func @no_schedule
// CHECK: scf.forall {{.*}} step (1, 1, 64)
// CHECK: scf.for {{.*}} step %c64 {{.*}} -> (tensor<1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64x8xf32>)
func.func @no_schedule(%q: tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) causal
      : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
      -> tensor<?x2x?x8xf32>
  return %out : tensor<?x2x?x8xf32>
}

//===----------------------------------------------------------------------===//
// Attention: operands
//===----------------------------------------------------------------------===//

// Eight query heads read two key/value heads. A bias is read at 0 where it is
// broadcast, and padded where it is not. Sinks are one per head.
// CHECK-LABEL: func @operands
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x?x8xf32>, %[[K:[a-z0-9]+]]: tensor<?x2x?x8xf32>, %[[BIAS:[a-z0-9]+]]: tensor<1x8x1x?xf32>, %[[SINKS:[a-z0-9]+]]: tensor<8xf32>, %[[SEED:[a-z0-9]+]]: i64)
// CHECK-DAG: %[[GROUP:[a-z0-9_]+]] = arith.constant 4 : index
// CHECK-DAG: %[[SK:[a-z0-9_]+]] = tensor.dim %[[K]], %c2
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) = (0, 0, 0)
// CHECK: scf.for %[[J:[a-z0-9_]+]] =
// CHECK: %[[KV:[a-z0-9_]+]] = arith.divui %[[H]], %[[GROUP]]
// CHECK: tensor.extract_slice %[[K]][%[[B]], %[[KV]], %[[J]], 0] [1, 1, 64, 8]
// CHECK: tensor.extract_slice %[[BIAS]][0, %[[H]], 0, %[[J]]] [1, 1, 1, 64]
// CHECK: seqc.online_attention {{.*}} bias(%{{.*}}) dropout(2.500000e-01, %[[SEED]]) offsets(%[[B]], %[[H]], %[[I]], %[[J]]) {{.*}} tile_class(full)
// CHECK: scf.for %[[J1:[a-z0-9_]+]] =
// CHECK: %[[COLS:[a-z0-9_]+]] = affine.min #{{.*}}(%[[J1]])[%[[SK]]]
// CHECK: tensor.extract_slice %[[BIAS]][0, %[[H]], 0, %[[J1]]] [1, 1, 1, %[[COLS]]]
// CHECK: : tensor<1x1x1x?xf32> to tensor<1x1x1x64xf32>
// CHECK: %[[SINK:[a-z0-9_]+]] = tensor.extract_slice %[[SINKS]][%[[H]]] [1]
// CHECK: seqc.softmax_finish {{.*}} sinks(%[[SINK]])
func.func @operands(%q: tensor<?x8x?x8xf32>, %k: tensor<?x2x?x8xf32>,
                    %bias: tensor<1x8x1x?xf32>, %sinks: tensor<8xf32>,
                    %seed: i64) -> tensor<?x8x?x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k) bias(%bias) sinks(%sinks)
      dropout(0.25, %seed)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<?x8x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>,
         tensor<1x8x1x?xf32>, tensor<8xf32>, i64) -> tensor<?x8x?x8xf32>
  return %out : tensor<?x8x?x8xf32>
}

// Dynamic heads: the size of a group is a division.
// CHECK-LABEL: func @dynamic_heads
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x?x?x8xf32>, %[[K:[a-z0-9]+]]: tensor<?x?x?x8xf32>)
// CHECK-DAG: %[[HQ:[a-z0-9_]+]] = tensor.dim %[[Q]], %c1
// CHECK: scf.forall (%{{.*}}, %[[H:[a-z0-9_]+]], %{{.*}}) = (0, 0, 0) to (%{{.*}}, %[[HQ]], %{{.*}})
// CHECK: %[[HKV:[a-z0-9_]+]] = tensor.dim %[[K]], %c1
// CHECK: %[[GROUP:[a-z0-9_]+]] = arith.divui %[[HQ]], %[[HKV]]
// CHECK: arith.divui %[[H]], %[[GROUP]]
func.func @dynamic_heads(%q: tensor<?x?x?x8xf32>, %k: tensor<?x?x?x8xf32>)
    -> tensor<?x?x?x8xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>)
      -> tensor<?x?x?x8xf32>
  return %out : tensor<?x?x?x8xf32>
}

//===----------------------------------------------------------------------===//
// Attention: masks
//===----------------------------------------------------------------------===//

!q = tensor<1x1x?x8xf32>

// A window cuts on both sides, so there are three loops, and the first tile is
// not the first of the keys. The names of the maps say how the bounds come about;
// the next function has them, too.
// CHECK-LABEL: func @window_flags
// CHECK: scf.forall (%[[I:[a-z0-9_]+]]) = (0)
// CHECK: %[[END:[a-z0-9_]+]] = affine.min #[[$W0]](%[[I]])[%{{.*}}]
// CHECK: %[[T0:[a-z0-9_]+]] = affine.min #[[$W1:map[0-9]*]](%[[END]])[
// CHECK: %[[GUARD:[a-z0-9_]+]] = affine.min #[[$W2:map[0-9]*]](%[[I]])[
// CHECK: %[[ANY:[a-z0-9_]+]] = arith.cmpi sge, %[[GUARD]], %c0
// CHECK: %[[T1:[a-z0-9_]+]] = arith.select %[[ANY]], %[[T0]], %c0
// CHECK: %[[T2:[a-z0-9_]+]] = affine.max #[[$W3:map[0-9]*]](%[[T1]])
// CHECK: %[[L0:[a-z0-9_]+]] = affine.max #[[$W4:map[0-9]*]](%[[I]])
// CHECK: %[[L1:[a-z0-9_]+]] = affine.min #[[$W5:map[0-9]*]](%[[L0]], %[[T2]])
// CHECK: %[[F0:[a-z0-9_]+]] = affine.max #[[$W6:map[0-9]*]](%[[END]], %[[L1]])
// CHECK: %[[F1:[a-z0-9_]+]] = affine.min #[[$W5]](%[[F0]], %[[T2]])
// CHECK: %[[E0:[a-z0-9_]+]] = affine.min #[[$W7:map[0-9]*]](%[[I]], %[[T2]])[
// CHECK: %[[E1:[a-z0-9_]+]] = affine.max #[[$W5]](%[[F1]], %[[E0]])
// CHECK-DAG: %[[LO:[a-z0-9_]+]] = affine.apply #[[$W8:map[0-9]*]](%[[L1]])
// CHECK-DAG: %[[FULL_LO:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[F1]])
// CHECK-DAG: %[[FULL_HI:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[E1]])
// CHECK-DAG: %[[HI:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[T2]])
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[FULL_LO]]
// CHECK: scf.for %{{.*}} = %[[FULL_LO]] to %[[FULL_HI]]
// CHECK: tile_class(full)
// CHECK: scf.for %{{.*}} = %[[FULL_HI]] to %[[HI]]
func.func @window_flags(%q: !q, %k: !q) -> !q {
  %out = seqc.attention query(%q) key(%k) value(%k) scale(1.0) causal
      window_left(100) align(top_left)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>} : (!q, !q, !q) -> !q
  return %out : !q
}

// The same mask as a region that is affine in its indices: the same bounds.
// CHECK-LABEL: func @window_region
// CHECK: scf.forall (%[[I:[a-z0-9_]+]]) = (0)
// CHECK: %[[END:[a-z0-9_]+]] = affine.min #[[$W0]](%[[I]])[%{{.*}}]
// CHECK: %[[T0:[a-z0-9_]+]] = affine.min #[[$W1]](%[[END]])[
// CHECK: %[[GUARD:[a-z0-9_]+]] = affine.min #[[$W2]](%[[I]])[
// CHECK: %[[ANY:[a-z0-9_]+]] = arith.cmpi sge, %[[GUARD]], %c0
// CHECK: %[[T1:[a-z0-9_]+]] = arith.select %[[ANY]], %[[T0]], %c0
// CHECK: %[[T2:[a-z0-9_]+]] = affine.max #[[$W3]](%[[T1]])
// CHECK: %[[L0:[a-z0-9_]+]] = affine.max #[[$W4]](%[[I]])
// CHECK: %[[L1:[a-z0-9_]+]] = affine.min #[[$W5]](%[[L0]], %[[T2]])
// CHECK: %[[F0:[a-z0-9_]+]] = affine.max #[[$W6]](%[[END]], %[[L1]])
// CHECK: %[[F1:[a-z0-9_]+]] = affine.min #[[$W5]](%[[F0]], %[[T2]])
// CHECK: %[[E0:[a-z0-9_]+]] = affine.min #[[$W7]](%[[I]], %[[T2]])[
// CHECK: %[[E1:[a-z0-9_]+]] = affine.max #[[$W5]](%[[F1]], %[[E0]])
// CHECK-DAG: %[[LO:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[L1]])
// CHECK-DAG: %[[FULL_LO:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[F1]])
// CHECK-DAG: %[[FULL_HI:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[E1]])
// CHECK-DAG: %[[HI:[a-z0-9_]+]] = affine.apply #[[$W8]](%[[T2]])
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[FULL_LO]]
// CHECK: scf.for %{{.*}} = %[[FULL_LO]] to %[[FULL_HI]]
// CHECK: tile_class(full)
// CHECK: scf.for %{{.*}} = %[[FULL_HI]] to %[[HI]]
func.func @window_region(%q: !q, %k: !q) -> !q {
  %c100 = arith.constant 100 : index
  %out = seqc.attention query(%q) key(%k) value(%k) scale(1.0)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %past = arith.cmpi sle, %j, %i : index
        %distance = arith.subi %i, %j : index
        %near = arith.cmpi sle, %distance, %c100 : index
        %r = arith.andi %past, %near : i1
        seqc.yield %r : i1
      }
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>} : (!q, !q, !q) -> !q
  return %out : !q
}

// Aligned at the bottom right, the diagonal moves with the lengths.
// CHECK-LABEL: func @bottom_right
// CHECK-SAME: %[[Q:[a-z0-9_]+]]: tensor<1x1x?x8xf32>, %[[K:[a-z0-9_]+]]: tensor<1x1x?x8xf32>)
// CHECK-DAG: %[[SQ:[a-z0-9_]+]] = tensor.dim %[[Q]], %c2
// CHECK-DAG: %[[SK:[a-z0-9_]+]] = tensor.dim %[[K]], %c2
// CHECK: scf.forall
// CHECK: %[[END:[a-z0-9_]+]] = affine.min #[[$W0]](%{{.*}})[%[[SQ]]]
// CHECK: affine.min #{{.*}}(%[[END]])[%[[SQ]], %[[SK]], %[[SK]]]
func.func @bottom_right(%q: !q, %k: !q) -> !q {
  %out = seqc.attention query(%q) key(%k) value(%k) scale(1.0) causal
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>} : (!q, !q, !q) -> !q
  return %out : !q
}

// A prefix makes a union of two sets: one loop over their hull that asks each
// tile whether it is empty, and whether it is full.
// CHECK-LABEL: func @prefix
// CHECK-SAME: %[[PREFIX:[a-z0-9]+]]: tensor<2xi32>)
// CHECK: scf.forall (%[[B:[a-z0-9]+]], %[[I:[a-z0-9_]+]]) = (0, 0)
// CHECK: %[[P32:[a-z0-9_]+]] = tensor.extract %[[PREFIX]][%[[B]]]
// CHECK: %[[P:[a-z0-9_]+]] = arith.index_cast %[[P32]] : i32 to index
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %c0 to %{{.*}} step %c64 iter_args(%[[M:[a-z0-9_]+]] = %{{.*}}, %[[S:[a-z0-9_]+]] = %{{.*}}, %[[A:[a-z0-9_]+]] = %{{.*}}) ->
// CHECK: %[[HELD0:[a-z0-9_]+]] = affine.min #{{.*}}(%[[J]], %[[P]])
// CHECK: %[[HELD1:[a-z0-9_]+]] = affine.max #{{.*}}(%[[J]], %{{.*}}, %[[HELD0]])
// CHECK: %[[HELD:[a-z0-9_]+]] = arith.cmpi sge, %[[HELD1]], %c0
// CHECK: scf.if %[[HELD]]
// CHECK: %[[CUT:[a-z0-9_]+]] = arith.cmpi sge
// CHECK: scf.if %[[CUT]]
// CHECK: %[[TILE_PREFIX:[a-z0-9_]+]] = tensor.extract_slice %[[PREFIX]][%[[B]]] [1]
// CHECK: seqc.online_attention {{.*}} prefix(%[[TILE_PREFIX]]) {{.*}} causal {schedule
// CHECK: } else {
// CHECK: seqc.online_attention {{.*}} tile_class(full)
// CHECK: } else {
// CHECK-NEXT: scf.yield %[[M]], %[[S]], %[[A]]
func.func @prefix(%q: tensor<2x1x?x8xf32>, %prefix: tensor<2xi32>)
    -> tensor<2x1x?x8xf32> {
  %out = seqc.attention query(%q) key(%q) value(%q) prefix(%prefix) scale(1.0)
      causal {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (tensor<2x1x?x8xf32>, tensor<2x1x?x8xf32>, tensor<2x1x?x8xf32>,
         tensor<2xi32>) -> tensor<2x1x?x8xf32>
  return %out : tensor<2x1x?x8xf32>
}

// Segments are known only at run time. For each tile the smallest and the
// largest id come first, then for each tile of queries the tiles of keys that
// these reach; with the causal bound they are those of the loops. The segments
// of a tile are read with it, those of the queries once.
// CHECK-LABEL: func @segments
// CHECK-SAME: %[[SEG:[a-z0-9]+]]: tensor<1x?xi32>)
// CHECK: %[[QUERY:[a-z0-9_]+]]:2 = linalg.generic {{{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%{{.*}} : tensor<32xi32>)
// CHECK: %[[ID:[a-z0-9_]+]] = tensor.extract %[[SEG]]
// CHECK: %[[LOW:[a-z0-9_]+]] = arith.xori %[[ID]], %c-1_i32
// CHECK: arith.select %{{.*}}, %[[ID]], %c-2147483648_i32
// CHECK: arith.maxsi
// CHECK: arith.select %{{.*}}, %[[LOW]], %c-2147483648_i32
// CHECK: arith.maxsi
// CHECK: %[[KEY:[a-z0-9_]+]]:2 = linalg.generic {{.*}} ins(%{{.*}} : tensor<64xi32>)
// CHECK: %[[BOUNDS:[a-z0-9_]+]]:5 = linalg.generic {{.*}} ins(%[[QUERY]]#0, %[[QUERY]]#1, %[[KEY]]#0, %[[KEY]]#1 :
// CHECK: scf.forall (%[[I:[a-z0-9_]+]]) = (0)
// CHECK: tensor.extract_slice %[[SEG]][0, %[[I]]]
// CHECK: %[[QSEG:[a-z0-9_]+]] = tensor.pad
// CHECK: : tensor<1x?xi32> to tensor<1x32xi32>
// CHECK: %[[TILE:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])
// CHECK: %[[FROM_END:[a-z0-9_]+]] = tensor.extract %[[BOUNDS]]#0[%c0, %[[TILE]]]
// CHECK: tensor.extract %[[BOUNDS]]#1[%c0, %[[TILE]]]
// CHECK: %[[FULL_FROM_END:[a-z0-9_]+]] = tensor.extract %[[BOUNDS]]#2[%c0, %[[TILE]]]
// CHECK: tensor.extract %[[BOUNDS]]#3[%c0, %[[TILE]]]
// CHECK: tensor.extract %[[BOUNDS]]#4[%c0, %[[TILE]]]
// A run of full tiles has as many as it is long.
// CHECK: %[[WITHOUT_GAP:[a-z0-9_]+]] = arith.cmpi eq
// CHECK: arith.select %[[WITHOUT_GAP]]
// CHECK: arith.select %[[WITHOUT_GAP]]
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %[[LO:[a-z0-9_]+]] to %[[FULL_LO:[a-z0-9_]+]] step %c64
// CHECK: tensor.extract_slice %[[SEG]][0, %[[J]]]
// CHECK: : tensor<1x?xi32> to tensor<1x64xi32>
// CHECK: seqc.online_attention {{.*}} segments(%[[QSEG]], %{{.*}}) {{.*}} causal {schedule
// CHECK: scf.for %{{.*}} = %[[FULL_LO]] to %[[FULL_HI:[a-z0-9_]+]] step %c64
// CHECK: seqc.online_attention {{.*}} tile_class(full)
// CHECK: scf.for %{{.*}} = %[[FULL_HI]] to %{{.*}} step %c64
// CHECK: seqc.online_attention {{.*}} causal {schedule
// CHECK-NOT: = scf.for %
// CHECK: return
func.func @segments(%q: !q, %segments: tensor<1x?xi32>) -> !q {
  %out = seqc.attention query(%q) key(%q) value(%q)
      segments(%segments, %segments) scale(1.0) causal
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>}
      : (!q, !q, !q, tensor<1x?xi32>, tensor<1x?xi32>) -> !q
  return %out : !q
}

// A mask that a table decides: one loop over all tiles, and every tile asks.
// CHECK-LABEL: func @arbitrary
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: tensor<?x?xi1>)
// CHECK: scf.for %{{.*}} = %c0 to %{{.*}} step %c64
// CHECK: seqc.online_attention {{.*}} scale(1.000000e+00) mask {
// CHECK: tensor.extract %[[TABLE]]
// CHECK: } {schedule
// CHECK-NOT: = scf.for %
// CHECK: return
func.func @arbitrary(%q: !q, %table: tensor<?x?xi1>) -> !q {
  %out = seqc.attention query(%q) key(%q) value(%q) scale(1.0)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %r = tensor.extract %table[%i, %j] : tensor<?x?xi1>
        seqc.yield %r : i1
      }
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 64>} : (!q, !q, !q) -> !q
  return %out : !q
}

//===----------------------------------------------------------------------===//
// Attention: parts, and states without a finish
//===----------------------------------------------------------------------===//

// Keys 4 to 13 of 40, in tiles of 8. What pads the second tile lies before key
// 40, so the tile's mask hides what is not there. The state is an argument:
// it is read, not filled.
// CHECK-LABEL: func @part
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x1x4x8xf32>, %[[K:[a-z0-9]+]]: tensor<1x1x10x8xf32>, %[[M:[a-z0-9]+]]: tensor<1x1x4xf32>, %[[A:[a-z0-9]+]]: tensor<1x1x4x8xf32>)
// CHECK-DAG: %[[END:[a-z0-9_]+]] = arith.constant 14 : index
// CHECK-NOT: linalg.fill
// CHECK: %[[MAX:[a-z0-9_]+]], %[[SUM:[a-z0-9_]+]], %[[ACC:[a-z0-9_]+]] = seqc.online_attention {{.*}} offsets(%c0, %c0, %c0, %c4) {{.*}} outs(%[[M]], %[[M]], %[[A]]) {{.*}} tile_class(full) {schedule
// CHECK: tensor.extract_slice %[[K]][0, 0, 8, 0] [1, 1, 2, 8]
// CHECK: seqc.online_attention {{.*}} offsets(%c0, %c0, %c0, %c12) {{.*}} outs(%[[MAX]], %[[SUM]], %[[ACC]]) {{.*}} mask {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[J:[a-z0-9_]+]]: index):
// CHECK-NEXT: %[[INSIDE:[a-z0-9_]+]] = arith.cmpi slt, %[[J]], %[[END]]
// CHECK-NEXT: seqc.yield %[[INSIDE]] : i1
func.func @part(%q: tensor<1x1x4x8xf32>, %k: tensor<1x1x10x8xf32>,
                %m: tensor<1x1x4xf32>, %a: tensor<1x1x4x8xf32>)
    -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c40 = arith.constant 40 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %c4) lengths(%c4, %c40) outs(%m, %m, %a)
      scale(1.0) {schedule = #seqc.schedule<tile_m = 4, tile_n = 8>}
    : (tensor<1x1x4x8xf32>, tensor<1x1x10x8xf32>, tensor<1x1x10x8xf32>, index,
       index, index, index, index, index, tensor<1x1x4xf32>,
       tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
    -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
  return %0#0, %0#1, %0#2
    : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>
}

// A part with a mask of its own: both hold.
// CHECK-LABEL: func @part_mask
// CHECK: scale(1.000000e+00) mask {
// CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[I:[a-z0-9_]+]]: index, %[[J:[a-z0-9_]+]]: index):
// CHECK: %[[PAST:[a-z0-9_]+]] = arith.cmpi sle, %[[J]], %[[I]]
// CHECK: %[[INSIDE:[a-z0-9_]+]] = arith.cmpi slt, %[[J]], %{{.*}}
// CHECK: %[[BOTH:[a-z0-9_]+]] = arith.andi %[[PAST]], %[[INSIDE]]
// CHECK: seqc.yield %[[BOTH]]
func.func @part_mask(%q: tensor<1x1x4x8xf32>, %k: tensor<1x1x?x8xf32>,
                     %m: tensor<1x1x4xf32>, %a: tensor<1x1x4x8xf32>,
                     %j0: index, %n: index) -> tensor<1x1x4x8xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %j0) lengths(%n, %n) outs(%m, %m, %a) scale(1.0)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %past = arith.cmpi sle, %j, %i : index
        seqc.yield %past : i1
      }
      {schedule = #seqc.schedule<tile_m = 4, tile_n = 8>}
    : (tensor<1x1x4x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>, index,
       index, index, index, index, index, tensor<1x1x4xf32>,
       tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
    -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
  return %0#2 : tensor<1x1x4x8xf32>
}

// The state is used twice, so the finish is no part of the tile: it has tiles of
// its own.
// CHECK-LABEL: func @two_users
// CHECK: %[[STATE:[a-z0-9_]+]]:3 = scf.forall {{.*}} step (1, 32)
// CHECK: seqc.online_attention
// CHECK-NOT: seqc.softmax_finish
// CHECK: %[[OUT:[a-z0-9_]+]] = scf.forall (%{{.*}}, %[[I:[a-z0-9_]+]]) = (0, 0) to (8, 100) step (1, 64)
// CHECK: tensor.extract_slice %[[STATE]]#0
// CHECK: seqc.softmax_finish {{.*}} -> tensor<1x1x64x8xf32>
// CHECK: return %[[OUT]], %[[STATE]]#0
func.func @two_users(%q: tensor<1x8x100x8xf32>, %m: tensor<1x8x100xf32>,
                     %a: tensor<1x8x100x8xf32>, %n: index)
    -> (tensor<1x8x100x8xf32>, tensor<1x8x100xf32>) {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %m, %a) scale(1.0)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 32>}
    : (tensor<1x8x100x8xf32>, tensor<1x8x100x8xf32>, tensor<1x8x100x8xf32>,
       index, index, index, index, index, index, tensor<1x8x100xf32>,
       tensor<1x8x100xf32>, tensor<1x8x100x8xf32>)
    -> (tensor<1x8x100xf32>, tensor<1x8x100xf32>, tensor<1x8x100x8xf32>)
  %out = seqc.softmax_finish max(%0#0) sum(%0#1) acc(%0#2) outs(%a)
    : (tensor<1x8x100xf32>, tensor<1x8x100xf32>, tensor<1x8x100x8xf32>,
       tensor<1x8x100x8xf32>) -> tensor<1x8x100x8xf32>
  return %out, %0#0 : tensor<1x8x100x8xf32>, tensor<1x8x100xf32>
}

// A finish that takes its accumulator from elsewhere is not this state's.
// CHECK-LABEL: func @mixed_state
// CHECK: %[[STATE:[a-z0-9_]+]]:2 = scf.forall
// CHECK: scf.forall
// CHECK-DAG: tensor.extract_slice %[[STATE]]#0
// CHECK-DAG: tensor.extract_slice %[[STATE]]#1
// CHECK-DAG: %[[ACC:[a-z0-9_]+]] = tensor.extract_slice %arg2
// CHECK: seqc.softmax_finish
func.func @mixed_state(%q: tensor<1x8x100x8xf32>, %m: tensor<1x8x100xf32>,
                       %a: tensor<1x8x100x8xf32>, %n: index)
    -> tensor<1x8x100x8xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%q) value(%q)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(%m, %m, %a) scale(1.0)
    : (tensor<1x8x100x8xf32>, tensor<1x8x100x8xf32>, tensor<1x8x100x8xf32>,
       index, index, index, index, index, index, tensor<1x8x100xf32>,
       tensor<1x8x100xf32>, tensor<1x8x100x8xf32>)
    -> (tensor<1x8x100xf32>, tensor<1x8x100xf32>, tensor<1x8x100x8xf32>)
  %e = tensor.empty() : tensor<1x8x100x8xf32>
  %out = seqc.softmax_finish max(%0#0) sum(%0#1) acc(%a) outs(%e)
    : (tensor<1x8x100xf32>, tensor<1x8x100xf32>, tensor<1x8x100x8xf32>,
       tensor<1x8x100x8xf32>) -> tensor<1x8x100x8xf32>
  return %out : tensor<1x8x100x8xf32>
}

// Nothing to do.
// CHECK-LABEL: func @other(
// CHECK-NEXT: arith.addf
// CHECK-NEXT: return
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.addf %x, %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
