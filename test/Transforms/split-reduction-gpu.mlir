// RUN: seqc-opt %s --seqc-split-reduction=chip=sm_90a --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-split-reduction="chip=sm_90a splits=3" --canonicalize --cse | FileCheck %s --check-prefix=THREE
// RUN: seqc-opt %s --seqc-split-reduction=chip=sm_90a --seqc-tile-merge --seqc-tile=single-loop --seqc-collapse-grid | FileCheck %s --check-prefix=GRID
// RUN: seqc-opt %s --seqc-split-reduction=chip=sm_90a --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-split-reduction=chip=sm_42 2>&1 | FileCheck %s --check-prefix=CHIP

// STATS: seqc-split-reduction
// STATS-NEXT: 3 reductions-split

// CHIP: error: unknown chip 'sm_42'

// The schedule leaves the number of parts to the call: 132 SMs with 3 blocks of
// 37 KiB each, 8 heads, 128 keys at least. Parts are whole tiles.
// CHECK-LABEL: func @open(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x4x128xbf16>, %[[K:[a-z0-9]+]]: tensor<?x8x?x128xbf16>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK-DAG: %[[C128:.*]] = arith.constant 128 : index
// CHECK-DAG: %[[BLOCKS:.*]] = arith.constant 396 : index
// CHECK: %[[BATCH:.*]] = tensor.dim %[[Q]], %[[C0]]
// CHECK: %[[TASKS:.*]] = arith.muli %[[BATCH]], %[[C8]]
// CHECK: %[[SOME:.*]] = arith.maxsi %[[TASKS]], %[[C1]]
// CHECK: %[[RESIDENT:.*]] = arith.divsi %[[BLOCKS]], %[[SOME]]
// CHECK: %[[KEYS:.*]] = tensor.dim %[[K]], %{{.*}}
// CHECK: %[[WORTH:.*]] = arith.ceildivsi %[[KEYS]], %[[C128]]
// CHECK: %[[LESS:.*]] = arith.minsi %[[RESIDENT]], %[[WORTH]]
// CHECK: %[[MOST:.*]] = arith.minsi %[[LESS]], %[[C128]]
// CHECK: %[[PARTS:.*]] = arith.maxsi %[[MOST]], %[[C1]]
// CHECK: %[[TILES:.*]] = arith.ceildivsi %[[KEYS]], %[[C32]]
// CHECK: %[[SHARE:.*]] = arith.ceildivsi %[[TILES]], %[[PARTS]]
// CHECK: arith.muli %[[SHARE]], %[[C32]]
// CHECK: %[[P:.*]]:3 = scf.forall (%{{[a-z0-9]+}}) in (%[[PARTS]]) shared_outs
// CHECK: seqc.online_attention
// CHECK-SAME: {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, stages = 2, warps = 1>}
// CHECK: seqc.softmax_merge max(%[[P]]#0) sum(%[[P]]#1) acc(%[[P]]#2)
// CHECK-SAME: (tensor<?x?x8x4xf32>, tensor<?x?x8x4xf32>, tensor<?x?x8x4x128xf32>,
// THREE-LABEL: func @open(
// THREE: scf.forall (%{{[a-z0-9]+}}) in (3)
// GRID-LABEL: func @open(
// GRID: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) = (0, 0, 0, 0) to (%{{.*}}, %{{.*}}, 8, 4) step (1, 1, 1, 16)
// GRID: seqc.online_attention
// GRID: tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, 0] [1, 1, 1, %{{.*}}, 128]
// GRID: scf.forall
// GRID: seqc.softmax_merge
func.func @open(%q: tensor<?x8x4x128xbf16>, %k: tensor<?x8x?x128xbf16>,
                %v: tensor<?x8x?x128xbf16>, %n: index)
    -> tensor<?x8x4x128xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %b = tensor.dim %q, %c0 : tensor<?x8x4x128xbf16>
  %e = tensor.empty(%b) : tensor<?x8x4xf32>
  %f = tensor.empty(%b) : tensor<?x8x4x128xf32>
  %m0 = linalg.fill ins(%lowest : f32) outs(%e : tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %s0 = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %a0 = linalg.fill ins(%zero : f32) outs(%f : tensor<?x8x4x128xf32>) -> tensor<?x8x4x128xf32>
  %m, %s, %a = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %c0) lengths(%c4, %n) outs(%m0, %s0, %a0)
      scale(0.125)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, stages = 2, warps = 1>}
    : (tensor<?x8x4x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>,
       index, index, index, index, index, index,
       tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>)
    -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>)
  return %a : tensor<?x8x4x128xf32>
}

// One part is none.
// CHECK-LABEL: func @one(
// CHECK-NOT: seqc.softmax_merge
func.func @one(%q: tensor<1x8x4x128xbf16>, %k: tensor<1x8x?x128xbf16>,
               %s: tensor<1x8x4xf32>, %a: tensor<1x8x4x128xf32>, %n: index)
    -> tensor<1x8x4x128xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %c0) lengths(%c4, %n) outs(%s, %s, %a)
      scale(0.125)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, splits = 1, stages = 2, warps = 1>}
    : (tensor<1x8x4x128xbf16>, tensor<1x8x?x128xbf16>, tensor<1x8x?x128xbf16>,
       index, index, index, index, index, index,
       tensor<1x8x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4x128xf32>)
    -> (tensor<1x8x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4x128xf32>)
  return %0#2 : tensor<1x8x4x128xf32>
}

// A scan, too: parts of whole chunks, none of them empty, 128 steps at least, and one
// if the tiles of channels are half of the blocks that the chip holds. First what each
// part adds and what it leaves of the state before it, then the states between the
// parts, then outputs.
// CHECK-LABEL: func @scan(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<1x?x?xbf16>
// CHECK: %[[D:.*]] = tensor.dim %[[U]], %c1
// CHECK: %[[TILES:.*]] = arith.ceildivsi %[[D]], %c64
// CHECK: %[[L:.*]] = tensor.dim %[[U]], %c2
// CHECK: %[[WORTH:.*]] = arith.ceildivsi %[[L]], %c128
// CHECK: %[[NEEDED:.*]] = arith.muli %[[TILES]], %c32
// CHECK: %[[FEW:.*]] = arith.cmpi slt, %[[NEEDED]], %c7920
// CHECK: %[[MOST:.*]] = arith.select %[[FEW]], %{{.*}}, %c1
// CHECK: %[[CHUNKS:.*]] = arith.ceildivsi %[[L]], %c32
// CHECK: arith.ceildivsi %[[CHUNKS]], %{{.*}}
// CHECK: %[[SHARE:.*]] = arith.maxsi
// CHECK: arith.ceildivsi %[[CHUNKS]], %[[SHARE]]
// CHECK: %[[PARTS:.*]] = arith.maxsi
// CHECK: %[[ENDS:.*]]:2 = scf.forall (%[[P:.*]]) in (%[[PARTS]])
// CHECK: %[[SIZE:.*]] = arith.muli %[[SHARE]], %c32
// CHECK: arith.muli %[[P]], %[[SIZE]]
// CHECK: seqc.chunk_scan {{.*}} outs(state %{{.*}}, decay %{{.*}}) delta_softplus
// CHECK: %[[STARTS:.*]], %[[STATE:.*]] = seqc.scan_prefix state(%[[ENDS]]#0) decay(%[[ENDS]]#1)
// CHECK: %[[OUT:.*]] = scf.forall (%[[Q:.*]]) in (%[[PARTS]])
// CHECK: %[[START:.*]] = tensor.extract_slice %[[STARTS]][%[[Q]], 0, 0, 0]
// CHECK: seqc.chunk_scan {{.*}} outs(out %{{.*}}, state %[[START]])
// CHECK: return %[[OUT]], %[[STATE]]
// GRID-LABEL: func @scan(
// GRID: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) = (0, 0, 0, 0)
// GRID: seqc.chunk_scan
// GRID: {seqc.grid}
// GRID: scf.forall (%{{.*}}, %{{.*}}) = (0, 0) to (1, %{{.*}}) step (1, 32)
// GRID: seqc.scan_prefix
// GRID: {seqc.grid}
// GRID: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) = (0, 0, 0, 0)
// GRID: seqc.chunk_scan
// GRID: {seqc.grid}
func.func @scan(%u: tensor<1x?x?xbf16>, %A: tensor<?x16xf32>, %B: tensor<1x16x?xbf16>, %h: tensor<1x?x16xf32>, %y: tensor<1x?x?xbf16>)
    -> (tensor<1x?x?xbf16>, tensor<1x?x16xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) C(%B) outs(out %y, state %h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1024, warps = 4>}
    : (tensor<1x?x?xbf16>, tensor<1x?x?xbf16>, tensor<?x16xf32>, tensor<1x16x?xbf16>, tensor<1x16x?xbf16>, tensor<1x?x?xbf16>, tensor<1x?x16xf32>)
    -> (tensor<1x?x?xbf16>, tensor<1x?x16xf32>)
  return %0#0, %0#1 : tensor<1x?x?xbf16>, tensor<1x?x16xf32>
}

// Channels enough for the chip: no split, whatever the schedule lets it be.
// CHECK-LABEL: func @many(
// CHECK-NOT: seqc.scan_prefix
func.func @many(%u: tensor<8x2048x4096xbf16>, %A: tensor<2048x16xf32>, %h: tensor<8x2048x16xf32>, %y: tensor<8x2048x4096xbf16>)
    -> tensor<8x2048x4096xbf16> {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) C(%A) outs(out %y, state %h)
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1024, warps = 4>}
    : (tensor<8x2048x4096xbf16>, tensor<8x2048x4096xbf16>, tensor<2048x16xf32>, tensor<2048x16xf32>, tensor<2048x16xf32>, tensor<8x2048x4096xbf16>, tensor<8x2048x16xf32>)
    -> (tensor<8x2048x4096xbf16>, tensor<8x2048x16xf32>)
  return %0#0 : tensor<8x2048x4096xbf16>
}

// Where each batch entry has a length of its own, its parts are shares of that.
// CHECK-LABEL: func @own_lengths(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x4x128xbf16>, %[[K:[a-z0-9]+]]: tensor<?x8x?x128xbf16>, %[[N:[a-z0-9]+]]: tensor<?xi32>
// CHECK: %[[BATCH:.*]] = tensor.dim %[[Q]], %{{.*}}
// CHECK: arith.minsi %{{.*}}, %c128
// CHECK: %[[PARTS:.*]] = arith.maxsi
// CHECK: scf.forall (%[[P:[a-z0-9]+]], %[[B:[a-z0-9]+]]) in (%[[PARTS]], %[[BATCH]])
// CHECK: %[[ENTRY:.*]] = tensor.extract %[[N]][%[[B]]]
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: %[[LENGTH:.*]] = arith.minui %[[INDEX]], %{{.*}}
// CHECK: %[[TILES:.*]] = arith.ceildivui %[[LENGTH]], %c32
// CHECK: %[[SHARE:.*]] = arith.ceildivui %[[TILES]], %[[PARTS]]
// CHECK: %[[SIZE:.*]] = arith.muli %[[SHARE]], %c32
// CHECK: %[[START:.*]] = arith.muli %[[P]], %[[SIZE]]
// CHECK: %[[BEGIN:.*]] = arith.minui %[[START]], %[[LENGTH]]
// CHECK: %[[LEFT:.*]] = arith.subi %[[LENGTH]], %[[BEGIN]]
// CHECK: %[[COUNT:.*]] = arith.minui %[[LEFT]], %[[SIZE]]
// CHECK: tensor.extract_slice %[[K]][%[[B]], 0, %[[BEGIN]], 0] [1, 8, %[[COUNT]], 128]
// CHECK: seqc.online_attention
// CHECK: tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%[[P]], %[[B]], 0, 0] [1, 1, 8, 4]
// CHECK: seqc.softmax_merge
// GRID-LABEL: func @own_lengths(
// GRID: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) =
func.func @own_lengths(%q: tensor<?x8x4x128xbf16>, %k: tensor<?x8x?x128xbf16>,
                       %n: tensor<?xi32>, %sk: index, %m: tensor<?x8x4xf32>,
                       %s: tensor<?x8x4xf32>, %a: tensor<?x8x4x128xf32>)
    -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %r:3 = seqc.online_attention query(%q) key(%k) value(%k) key_lengths(%n)
      offsets(%c0, %c0, %c0, %c0) lengths(%c4, %sk) outs(%m, %s, %a) scale(1.0)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, stages = 2, warps = 1>}
      : (tensor<?x8x4x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?xi32>,
         index, index, index, index, index, index,
         tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>)
      -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>)
  return %r#0, %r#1, %r#2 : tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x8x4x128xf32>
}
