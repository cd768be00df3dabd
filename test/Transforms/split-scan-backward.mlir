// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward="grids chip=h200" --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward="grids chip=h200" --canonicalize --cse --seqc-tile-merge --seqc-tile=single-loop --seqc-collapse-grid --cse | FileCheck %s --check-prefix=GRID
// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward="grids" | FileCheck %s --check-prefix=CPU
// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward="grids chip=h200" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-recompute-backward="grids chip=tpu" 2>&1 | FileCheck %s --check-prefix=CHIP

// CHIP: unknown chip 'tpu'
// CPU-NOT: seqc.scan_prefix
// STATS: 1 scans-split

// Two tiles of channels: blocks for 264 parts each, of 128 steps at least, but the
// schedule says 4. They have whole chunks of 32 steps.
// CHECK-DAG: #[[COUNT:.*]] = affine_map<(d0) -> (-d0 + 125, 32)>
// CHECK-LABEL: func @scan(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<1x80x1000xbf16>, {{.*}}, %[[H:[a-z0-9]+]]: tensor<1x80x16xf32>, %[[DH:[a-z0-9]+]]: tensor<1x80x16xf32>)
// What each part ends with, from 0.
// CHECK: %[[ENDS:.*]]:2 = scf.forall (%[[P:.*]]) in (4) {{.*}} -> (tensor<4x1x80x16xf32>, tensor<4x1x80x16xf32>)
// CHECK: tensor.extract_slice %[[U]][0, 0, %{{.*}}] [1, 80, %{{.*}}]
// CHECK: seqc.chunk_scan {{.*}} outs(state %{{.*}}, decay %{{.*}}) {{.*}}tile_n = 32
// CHECK: tensor.parallel_insert_slice {{.*}}[%[[P]], 0, 0, 0]
// CHECK: %[[STARTS:.*]], %{{.*}} = seqc.scan_prefix state(%[[ENDS]]#0) decay(%[[ENDS]]#1) outs(%{{.*}}, %[[H]]) :
// What each part gives to the one before it, from 0.
// CHECK: %[[ADJOINTS:.*]] = scf.forall (%[[P:.*]], %[[C:.*]]) = (0, 0) to (4, 80) step (1, 64) {{.*}} -> (tensor<4x1x80x16xf32>)
// CHECK: scf.for {{.*}} -> (tensor<1x64x16xf32>)
// CHECK: %[[G:.*]]:6 = seqc.chunk_scan_backward
// CHECK: scf.yield %[[G]]#2 : tensor<1x64x16xf32>
// CHECK: tensor.parallel_insert_slice {{.*}}[%[[P]], 0, %[[C]], 0]
// CHECK: %[[GRADS:.*]], %[[HGRAD:.*]] = seqc.scan_prefix state(%[[ADJOINTS]]) decay(%[[ENDS]]#1) outs(%{{.*}}, %[[DH]]) reverse :
// Both grids have parts, and what is summed over time is a sum for each.
// CHECK: scf.forall (%[[P:.*]], %{{.*}}) = (0, 0) to (4, 80) step (1, 64) {{.*}} -> (tensor<125x1x80x16xf32>)
// CHECK: %[[FIRST:.*]] = arith.muli %[[P]], %c32
// CHECK: affine.min #[[COUNT]](%[[FIRST]])
// CHECK: tensor.extract_slice %[[STARTS]][%[[P]], 0,
// CHECK: %[[R:.*]]:2 = scf.forall (%[[P:.*]], %{{.*}}) = (0, 0) to (4, 80) step (1, 64) {{.*}} -> (tensor<1x80x1000xbf16>, tensor<4x80x16xf32>)
// CHECK: tensor.extract_slice %[[GRADS]][%[[P]], 0,
// CHECK: linalg.generic {{.*}} ins(%[[R]]#1 : tensor<4x80x16xf32>)
// CHECK: return {{.*}}, %[[HGRAD]] :

// GRID-LABEL: func @scan(
// GRID: scf.forall {{.*}} to (4, 1, 1, 80) step (1, 1, 1, 64)
// GRID: seqc.chunk_scan
// GRID: {seqc.grid}
// GRID: scf.forall
// GRID: seqc.scan_prefix
// GRID: {seqc.grid}
// GRID: scf.forall
// GRID: seqc.chunk_scan_backward
// GRID: {seqc.grid}
// GRID: scf.forall
// GRID: seqc.scan_prefix {{.*}} reverse
// GRID: {seqc.grid}
func.func @scan(%u: tensor<1x80x1000xbf16>, %A: tensor<80x16xf32>, %B: tensor<1x16x1000xbf16>, %h: tensor<1x80x16xf32>, %dh: tensor<1x80x16xf32>)
    -> (tensor<1x80x1000xbf16>, tensor<80x16xf32>, tensor<1x80x16xf32>) {
  %0:6 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B) initial_state(%h) out_grad(%u) final_state_grad(%dh)
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 8, splits = 4, warps = 4>}
    : (tensor<1x80x1000xbf16>, tensor<1x80x1000xbf16>, tensor<80x16xf32>, tensor<1x16x1000xbf16>, tensor<1x16x1000xbf16>, tensor<1x80x16xf32>, tensor<1x80x1000xbf16>, tensor<1x80x16xf32>)
    -> (tensor<1x80x1000xbf16>, tensor<1x80x1000xbf16>, tensor<80x16xf32>, tensor<1x16x1000xbf16>, tensor<1x16x1000xbf16>) initial_state_grad(tensor<1x80x16xf32>)
  return %0#0, %0#2, %0#5 : tensor<1x80x1000xbf16>, tensor<80x16xf32>, tensor<1x80x16xf32>
}

// -----

// Enough channels for a chip: one part, and the grids that there are without.
// CHECK-LABEL: func @many(
// CHECK-NOT: seqc.scan_prefix
func.func @many(%u: tensor<8x4096x1000xbf16>, %A: tensor<4096x16xf32>, %B: tensor<8x16x1000xbf16>)
    -> tensor<8x4096x1000xbf16> {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B) out_grad(%u)
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 8, splits = 1024, warps = 4>}
    : (tensor<8x4096x1000xbf16>, tensor<8x4096x1000xbf16>, tensor<4096x16xf32>, tensor<8x16x1000xbf16>, tensor<8x16x1000xbf16>, tensor<8x4096x1000xbf16>)
    -> (tensor<8x4096x1000xbf16>, tensor<8x4096x1000xbf16>, tensor<4096x16xf32>, tensor<8x16x1000xbf16>, tensor<8x16x1000xbf16>)
  return %0#0 : tensor<8x4096x1000xbf16>
}

// -----

// Packed sequences are parts already.
// CHECK-LABEL: func @packed(
// CHECK-NOT: seqc.scan_prefix
func.func @packed(%u: tensor<1x64x1000xbf16>, %A: tensor<64x16xf32>, %B: tensor<1x16x1000xbf16>, %at: tensor<?xi32>)
    -> tensor<1x64x1000xbf16> {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%B) out_grad(%u) cu_seqlens(%at)
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 8, splits = 4, warps = 4>}
    : (tensor<1x64x1000xbf16>, tensor<1x64x1000xbf16>, tensor<64x16xf32>, tensor<1x16x1000xbf16>, tensor<1x16x1000xbf16>, tensor<1x64x1000xbf16>, tensor<?xi32>)
    -> (tensor<1x64x1000xbf16>, tensor<1x64x1000xbf16>, tensor<64x16xf32>, tensor<1x16x1000xbf16>, tensor<1x16x1000xbf16>)
  return %0#0 : tensor<1x64x1000xbf16>
}
