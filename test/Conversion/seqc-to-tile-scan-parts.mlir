// RUN: seqc-opt %s --seqc-expand-state --seqc-schedule="chip=h200 splits=1024" --seqc-split-reduction=chip=h200 --seqc-tile-merge --seqc-tile=single-loop --seqc-collapse-grid --cse --convert-seqc-to-tile="chip=sm_90a" --canonicalize --cse | FileCheck %s

// A part's end: back from its last full chunk, a quarter of them at most, until the
// decays since then leave nothing of any state; then forward from there.
// CHECK-LABEL: tile.kernel @f_0(
// CHECK: %[[LIMIT:.*]] = arith.constant dense<-1.000000e+02> : tensor<64x16xf32>
// CHECK: %[[SIZE:.*]] = arith.muli %{{.*}}, %c32
// CHECK: %[[START:.*]] = arith.muli %{{.*}}, %[[SIZE]]
// CHECK: %[[QUARTER:.*]] = arith.ceildivui %[[WHOLE:.*]], %c4
// CHECK: %[[BACK:.*]]:3 = scf.for %{{.*}} = %c0 to %[[QUARTER]] step %c32 iter_args(%[[WALKED:.*]] = %c0, %[[DONE:.*]] = %false, %[[SUM:.*]] = %{{.*}}) -> (index, i1, tensor<64x4xf32>)
// CHECK: scf.if %[[DONE]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[WALKED]], %c1
// CHECK: %[[BEHIND:.*]] = arith.muli %[[NEXT]], %c32
// CHECK: arith.subi %[[WHOLE]], %[[BEHIND]]
// CHECK: tile.load {{.*}} inside [1]
// CHECK: scf.for
// CHECK: tensor.extract_slice
// CHECK: arith.addf
// CHECK: %[[LEFT:.*]] = arith.cmpf ugt, %{{.*}}, %[[LIMIT]]
// CHECK: %[[REAL:.*]] = arith.andi %[[LEFT]], %{{.*}} : tensor<64x16xi1>
// CHECK: tile.any %[[REAL]]
// CHECK: arith.select %[[BACK]]#1, %[[BACK]]#0, %{{.*}} : index
// CHECK: %[[FROM:.*]] = arith.subi %[[WHOLE]], %{{.*}}
// CHECK: scf.for %{{.*}} = %[[FROM]] to %[[WHOLE]] step %c32
// CHECK: tile.recurrence
// CHECK: tile.store {{.*}} : tensor<64x16xf32>, memref<?x1x?x16xf32
// CHECK: tile.store {{.*}} : tensor<64x16xf32>, memref<?x1x?x16xf32

// The states between parts, four parts at a time: all loads first.
// CHECK-LABEL: tile.kernel @f_1(
// CHECK: %[[PARTS:.*]] = memref.dim
// CHECK: %[[R:.*]] = scf.for %[[P:.*]] = %c0 to %[[PARTS]] step %c4 iter_args(%[[H:.*]] = %{{.*}})
// CHECK: %[[DECAY:.*]] = tile.load %{{.*}}[%[[P]], {{.*}} dims [2, 3]
// CHECK: %[[STATE:.*]] = tile.load %{{.*}}[%[[P]], {{.*}} dims [2, 3]
// CHECK-COUNT-6: tile.load
// CHECK: tile.store %[[H]], %{{.*}}[%[[P]],
// CHECK: %[[THEN:.*]] = math.fma %[[DECAY]], %[[H]], %[[STATE]]
// CHECK: arith.select %{{.*}}, %[[THEN]], %[[H]]
// CHECK: tile.store %[[R]]

// The outputs, from the state before the part.
// CHECK-LABEL: tile.kernel @f_2(
// CHECK: tile.load %{{.*}}[%{{.*}}, %c0, %{{.*}}, %c0] : memref<?x1x?x16xf32
// CHECK: tile.recurrence

// CHECK-LABEL: func.func @f(
// CHECK: %[[E:.*]]:2 = tile.launch @f_0
// CHECK: %[[S:.*]]:2 = tile.launch @f_1 {{.*}} ins(%[[E]]#0, %{{.*}}, %[[E]]#1 :
// CHECK: %[[Y:.*]]:2 = tile.launch @f_2 {{.*}} ins({{.*}}%[[S]]#0
// CHECK: return %[[Y]]#0, %[[S]]#1
func.func @f(%u: tensor<1x?x?xbf16>, %A: tensor<?x16xf32>, %B: tensor<1x16x?xbf16>, %h: tensor<1x?x16xf32>) -> (tensor<1x?x?xbf16>, tensor<1x?x16xf32>) {
  %y, %s = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B) initial_state(%h) delta_softplus
    : (tensor<1x?x?xbf16>, tensor<1x?x?xbf16>, tensor<?x16xf32>, tensor<1x16x?xbf16>, tensor<1x16x?xbf16>, tensor<1x?x16xf32>) -> (tensor<1x?x?xbf16>, tensor<1x?x16xf32>)
  return %y, %s : tensor<1x?x?xbf16>, tensor<1x?x16xf32>
}
