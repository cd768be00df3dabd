// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-recompute-backward{grids=true chip=sm_90a},canonicalize,cse,seqc-tile-merge,seqc-tile{single-loop=true},seqc-collapse-grid,cse),convert-seqc-to-tile{chip=sm_90a},canonicalize,cse)" | FileCheck %s

// What a part gives to the one before it depends on its first chunks only, if decays
// are strong: a quarter of them at most are looked through, forwards, and the
// recurrence goes back from there.
// CHECK-LABEL: tile.kernel @f_2(
// CHECK-SAME: nvvm.minctasm = 4 : i32
// CHECK-DAG: %[[LIMIT:.*]] = arith.constant dense<-1.000000e+02> : tensor<64x16xf32>
// CHECK: %[[QUARTER:.*]] = arith.divui %[[END:.*]], %c4
// CHECK: %[[WALK:.*]]:3 = scf.for %{{.*}} = %c0 to %[[QUARTER]] step %c1 iter_args(%[[WALKED:.*]] = %c0, %[[DONE:.*]] = %false, %{{.*}}) -> (index, i1, tensor<64x8xf32>)
// CHECK: scf.if %[[DONE]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[WALKED]], %c1
// CHECK: arith.subi %[[END]], %[[NEXT]]
// CHECK: %[[LEFT:.*]] = arith.cmpf ugt, %{{.*}}, %[[LIMIT]]
// CHECK: %[[REAL:.*]] = arith.andi %[[LEFT]]
// CHECK: tile.any %[[REAL]]
// The last chunk, which may be cut, unless it is forgotten.
// CHECK: %[[SOME:.*]] = arith.select %[[WALK]]#1, %false
// CHECK: scf.if %[[SOME]]
// CHECK: tile.recurrence {{.*}} adjoint
// CHECK: %[[AT:.*]] = arith.subi %[[END]], %[[WALK]]#0
// CHECK: %[[FROM:.*]] = arith.select %[[WALK]]#1, %[[AT]], %c1
// CHECK: %[[R:.*]] = scf.for %{{.*}} = %[[FROM]] to %[[END]] step %c1 iter_args(%{{.*}}) -> (tensor<64x16xf32>)
// CHECK-COUNT-2: inside [1]
// CHECK: inside [0]
// CHECK: tile.recurrence {{.*}} adjoint
// CHECK-NOT: tile.sum_blocks
// CHECK: tile.store %[[R]]

// From the last part to the first; what is in front of that is written nowhere.
// CHECK-LABEL: tile.kernel @f_3(
// CHECK: %[[PARTS:.*]] = memref.dim
// CHECK: scf.for %[[P:.*]] = %c0 to %[[PARTS]] step %c4
// CHECK: %[[BACK:.*]] = arith.subi %{{.*}}, %[[P]]
// CHECK: %[[EXISTS:.*]] = arith.cmpi slt, %[[P]], %[[PARTS]]
// CHECK: %[[AT:.*]] = arith.select %[[EXISTS]], %[[BACK]], %[[P]]
// CHECK: tile.load %{{.*}}[%[[AT]],

// The gradients of a part are written behind those of the parts before it.
// CHECK-LABEL: tile.kernel @f_5(
// CHECK: tile.recurrence {{.*}} before : tensor<64x4x16xf32>
// CHECK: tile.recurrence {{.*}} adjoint : tensor<64x4x16xf32>

// CHECK-LABEL: func.func @f(
// CHECK: %[[E:.*]]:2 = tile.launch @f_0
// CHECK: %[[S:.*]]:2 = tile.launch @f_1 {{.*}} ins(%[[E]]#0, %{{.*}}, %[[E]]#1 :
// CHECK: %[[A:.*]] = tile.launch @f_2
// CHECK: %[[G:.*]]:2 = tile.launch @f_3 {{.*}} ins(%[[A]], %{{.*}}, %[[E]]#1 :
// CHECK: tile.launch @f_4 {{.*}}%[[S]]#0
// CHECK: tile.launch @f_5 {{.*}}%[[G]]#0
// CHECK: return {{.*}}%[[G]]#1
func.func @f(%u: tensor<?x?x?xbf16>, %z: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %B: tensor<?x16x?xbf16>, %h: tensor<?x?x16xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x16xf32>) {
  %0:7 = seqc.selective_scan_backward u(%u) delta(%z) A(%A) B(%B) C(%B) z(%z) initial_state(%h) out_grad(%u) final_state_grad(%h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 64, tile_n = 8, splits = 1024, warps = 4>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>, tensor<?x?x?xbf16>, tensor<?x?x16xf32>, tensor<?x?x?xbf16>, tensor<?x?x16xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>) z_grad(tensor<?x?x?xbf16>) initial_state_grad(tensor<?x?x16xf32>)
  return %0#0, %0#6 : tensor<?x?x?xbf16>, tensor<?x?x16xf32>
}
