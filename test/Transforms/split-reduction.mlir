// RUN: seqc-opt %s --seqc-split-reduction --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-split-reduction="splits=2" --canonicalize --cse | FileCheck %s --check-prefix=TWO
// RUN: seqc-opt %s --seqc-split-reduction --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not seqc-opt %s --seqc-split-reduction="splits=-2" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not seqc-opt %s --seqc-split-reduction="splits=16777216" 2>&1 | FileCheck %s --check-prefix=MANY

// STATS: seqc-split-reduction
// STATS-NEXT: 4 reductions-split

// MANY: error: option 'splits' must be from 0 to 1024, but is 16777216
// NEGATIVE: error: option 'splits' must be from 0 to 1024, but is -2

// Four parts of a multiple of 64 keys each. A part starts from the identity and
// sees its keys at their place in the whole; it is split no further. The parts are
// merged in their order into what came in: a maximum, and sums of which each is
// weighed by exp2(its maximum - the maximum), which is 0 where it saw nothing.
// CHECK-DAG: #[[$SIZE:.*]] = affine_map<()[s0] -> ((s0 ceildiv 256) * 64)>
// CHECK-DAG: #[[$START:.*]] = affine_map<(d0)[s0] -> (s0, d0)>
// CHECK-DAG: #[[$LENGTH:.*]] = affine_map<(d0)[s0] -> ((s0 ceildiv 256) * 64, -d0 + s0)>
// CHECK-LABEL: func @keys(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x4x8x16xf32>, %[[K:[a-z0-9]+]]: tensor<1x2x?x16xf32>, %[[J0:[a-z0-9]+]]: index, %[[N:[a-z0-9]+]]: index, %[[M0:[a-z0-9]+]]: tensor<1x4x8xf32>, %[[S0:[a-z0-9]+]]: tensor<1x4x8xf32>, %[[A0:[a-z0-9]+]]: tensor<1x4x8x16xf32>)
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: %[[SK:.*]] = tensor.dim %[[K]], %c2
// CHECK: %[[SIZE:.*]] = affine.apply #[[$SIZE]]()[%[[SK]]]
// CHECK: %[[PM:.*]] = linalg.fill ins(%[[LOWEST]] : f32) {{.*}} -> tensor<4x1x4x8xf32>
// CHECK: %[[PS:.*]] = linalg.fill ins(%[[ZERO]] : f32) {{.*}} -> tensor<4x1x4x8xf32>
// CHECK: %[[PA:.*]] = linalg.fill ins(%[[ZERO]] : f32) {{.*}} -> tensor<4x1x4x8x16xf32>
// CHECK: %[[P:[0-9]+]]:3 = scf.forall (%[[I:[a-z0-9]+]]) in (4) shared_outs(%[[PM1:[a-z0-9]+]] = %[[PM]], %[[PS1:[a-z0-9]+]] = %[[PS]], %[[PA1:[a-z0-9]+]] = %[[PA]])
// CHECK: %[[BEGIN:.*]] = arith.muli %[[I]], %[[SIZE]]
// CHECK: %[[START:.*]] = affine.min #[[$START]](%[[BEGIN]])[%[[SK]]]
// CHECK: %[[LENGTH:.*]] = affine.min #[[$LENGTH]](%[[START]])[%[[SK]]]
// CHECK: tensor.extract_slice %[[K]][0, 0, %[[START]], 0] [1, 2, %[[LENGTH]], 16]
// CHECK: %[[POSITION:.*]] = affine.apply #{{.*}}(%[[START]])[%[[J0]]]
// CHECK: %max, %sum, %acc = seqc.online_attention query(%[[Q]]) {{.*}} offsets(%c0, %c0, %c0, %[[POSITION]]) lengths(%[[N]], %[[N]]) {{.*}} causal {schedule = #seqc.schedule<tile_m = 8, tile_n = 64, splits = 1>}
// CHECK: tensor.parallel_insert_slice %max into %[[PM1]][%[[I]], 0, 0, 0] [1, 1, 4, 8]
// CHECK: tensor.parallel_insert_slice %sum into %[[PS1]][%[[I]], 0, 0, 0] [1, 1, 4, 8]
// CHECK: tensor.parallel_insert_slice %acc into %[[PA1]][%[[I]], 0, 0, 0, 0] [1, 1, 4, 8, 16]
// CHECK: %[[R:[0-9]+]]:3 = scf.for %[[N:[a-z0-9]+]] = %c0 to %c4 step %c1 iter_args(%[[M:[a-z0-9]+]] = %[[M0]], %[[S:[a-z0-9]+]] = %[[S0]], %[[A:[a-z0-9]+]] = %[[A0]])
// CHECK: %[[NM:.*]] = tensor.extract_slice %[[P]]#0[%[[N]], 0, 0, 0]
// CHECK: %[[NS:.*]] = tensor.extract_slice %[[P]]#1[%[[N]], 0, 0, 0]
// CHECK: %[[NA:.*]] = tensor.extract_slice %[[P]]#2[%[[N]], 0, 0, 0, 0]
// CHECK: %[[MAX:.*]] = linalg.generic {{.*}} ins(%[[M]], %[[NM]] :
// CHECK: arith.maximumf
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[NS]], %[[M]], %[[NM]], %[[MAX]] : {{.*}}) outs(%[[S]] :
// CHECK-NEXT: ^bb0(%[[X2:.*]]: f32, %[[T1:.*]]: f32, %[[T2:.*]]: f32, %[[TOP:.*]]: f32, %[[X1:.*]]: f32):
// CHECK-NEXT: %[[NONE1:.*]] = arith.cmpf oeq, %[[T1]], %[[LOWEST]]
// CHECK-NEXT: %[[D1:.*]] = arith.subf %[[T1]], %[[TOP]]
// CHECK-NEXT: %[[E1:.*]] = math.exp2 %[[D1]]
// CHECK-NEXT: %[[W1:.*]] = arith.select %[[NONE1]], %[[ZERO]], %[[E1]]
// CHECK: %[[W2:.*]] = arith.select %{{.*}}, %[[ZERO]], %{{.*}}
// CHECK-DAG: %[[WX1:.*]] = arith.mulf %[[W1]], %[[X1]]
// CHECK-DAG: %[[WX2:.*]] = arith.mulf %[[W2]], %[[X2]]
// CHECK: arith.addf %[[WX1]], %[[WX2]]
// CHECK: %[[ACC:.*]] = linalg.generic {{.*}} ins(%[[NA]], %[[M]], %[[NM]], %[[MAX]] : {{.*}}) outs(%[[A]] :
// CHECK: scf.yield %{{.*}}, %[[SUM]], %[[ACC]]
// CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2
//
// The option wins over the schedule.
// TWO-LABEL: func @keys(
// TWO: scf.forall (%{{.*}}) in (2)
func.func @keys(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x?x16xf32>, %j0: index,
                %n: index, %m: tensor<1x4x8xf32>, %s: tensor<1x4x8xf32>,
                %a: tensor<1x4x8x16xf32>)
    -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8x16xf32>) {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k)
      offsets(%c0, %c0, %c0, %j0) lengths(%n, %n) outs(%m, %s, %a) scale(1.0)
      causal
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 64, splits = 4>}
    : (tensor<1x4x8x16xf32>, tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
       index, index, index, index, index, index, tensor<1x4x8xf32>,
       tensor<1x4x8xf32>, tensor<1x4x8x16xf32>)
    -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8x16xf32>)
  return %0#0, %0#1, %0#2
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8x16xf32>
}

// Operands that the keys run along are cut with them: a bias that is not
// broadcast along the keys, and the segments of the keys. 100 keys in three
// parts of a multiple of 32 are 64, 36 and 0.
// CHECK-LABEL: func @operands(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<1x1x8x100xf32>, %[[QS:[a-z0-9]+]]: tensor<1x8xi32>, %[[KS:[a-z0-9]+]]: tensor<1x100xi32>
// CHECK: scf.forall (%[[I:[a-z0-9]+]]) in (3)
// CHECK: %[[BEGIN:.*]] = arith.muli %[[I]], %c64
// CHECK: %[[START:.*]] = affine.min #[[$MIN:.*]](%[[BEGIN]])
// CHECK: %[[LENGTH:.*]] = affine.min #{{.*}}(%[[START]])
// CHECK: tensor.extract_slice %[[BIAS]][0, 0, 0, %[[START]]] [1, 1, 8, %[[LENGTH]]]
// CHECK: tensor.extract_slice %[[KS]][0, %[[START]]] [1, %[[LENGTH]]]
// CHECK: seqc.online_attention {{.*}} bias(%{{.*}}) segments(%[[QS]], %{{.*}}) offsets(%c0, %c0, %c0, %[[START]])
func.func @operands(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x100x16xf32>,
                    %bias: tensor<1x1x8x100xf32>, %qs: tensor<1x8xi32>,
                    %ks: tensor<1x100xi32>, %n: index, %m: tensor<1x2x8xf32>,
                    %a: tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32> {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k) bias(%bias)
      segments(%qs, %ks) offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(%m, %m, %a) scale(1.0)
      {schedule = #seqc.schedule<tile_n = 32, splits = 3>}
    : (tensor<1x2x8x16xf32>, tensor<1x2x100x16xf32>, tensor<1x2x100x16xf32>,
       tensor<1x1x8x100xf32>, tensor<1x8xi32>, tensor<1x100xi32>, index, index,
       index, index, index, index, tensor<1x2x8xf32>, tensor<1x2x8xf32>,
       tensor<1x2x8x16xf32>)
    -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8x16xf32>)
  return %0#2 : tensor<1x2x8x16xf32>
}

// A scan with outputs runs twice. First each part leaves its state and decay,
// from (0, 1) and without outputs. A loop then carries the state from part to part
// and keeps the one before each. Last, each part runs from its own.
// CHECK-LABEL: func @scan(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<2x12x?xf32>, %[[A:[a-z0-9]+]]: tensor<12x4xf32>, %[[H:[a-z0-9]+]]: tensor<2x12x4xf32>, %[[Y:[a-z0-9]+]]: tensor<2x12x?xf32>)
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[H0:.*]] = linalg.fill ins(%[[ZERO]] : f32) {{.*}} -> tensor<3x2x12x4xf32>
// CHECK-DAG: %[[P0:.*]] = linalg.fill ins(%[[ONE]] : f32) {{.*}} -> tensor<3x2x12x4xf32>
// CHECK: %[[ENDS:[0-9]+]]:2 = scf.forall (%{{.*}}) in (3) shared_outs(%{{.*}} = %[[H0]], %{{.*}} = %[[P0]])
// CHECK: seqc.chunk_scan
// CHECK-NOT: C(
// CHECK-SAME: outs(state %{{.*}}, decay %{{.*}}) {schedule = #seqc.schedule<tile_m = 8, tile_n = 32, splits = 1>}
// CHECK: %[[STATES:[0-9]+]]:2 = scf.for %[[I:[a-z0-9]+]] = %c0 to %c3 step %c1 iter_args(%[[STARTS:[a-z0-9]+]] = %{{.*}}, %[[NOW:[a-z0-9]+]] = %[[H]]) -> (tensor<3x2x12x4xf32>, tensor<2x12x4xf32>)
// CHECK: %[[KEPT:.*]] = tensor.insert_slice %[[NOW]] into %[[STARTS]][%[[I]], 0, 0, 0]
// CHECK-DAG: %[[END:.*]] = tensor.extract_slice %[[ENDS]]#0[%[[I]], 0, 0, 0]
// CHECK-DAG: %[[DECAY:.*]] = tensor.extract_slice %[[ENDS]]#1[%[[I]], 0, 0, 0]
// CHECK: %[[NEXT:.*]] = linalg.generic {{.*}} ins(%[[END]], %[[DECAY]] : {{.*}}) outs(%[[NOW]] :
// CHECK-NEXT: ^bb0(%[[E:.*]]: f32, %[[D:.*]]: f32, %[[S:.*]]: f32):
// CHECK-NEXT: %[[DS:.*]] = arith.mulf %[[D]], %[[S]]
// CHECK-NEXT: arith.addf %[[DS]], %[[E]]
// CHECK: scf.yield %[[KEPT]], %[[NEXT]]
// CHECK: %[[OUT:[0-9]+]] = scf.forall (%[[J:[a-z0-9]+]]) in (3) shared_outs(%[[DEST:[a-z0-9]+]] = %[[Y]])
// CHECK-DAG: %[[OUT0:.*]] = tensor.extract_slice %[[DEST]][0, 0, %[[AT:.*]]] [2, 12, %{{.*}}]
// CHECK-DAG: %[[START:.*]] = tensor.extract_slice %[[STATES]]#0[%[[J]], 0, 0, 0]
// CHECK: %[[PART:[0-9]+]]:2 = seqc.chunk_scan {{.*}} C(%[[A]]) outs(out %[[OUT0]], state %[[START]])
// CHECK: tensor.parallel_insert_slice %[[PART]]#0 into %[[DEST]][0, 0, %{{.*}}]
// CHECK: return %[[OUT]], %[[STATES]]#1
func.func @scan(%u: tensor<2x12x?xf32>, %A: tensor<12x4xf32>,
                %h: tensor<2x12x4xf32>, %y: tensor<2x12x?xf32>)
    -> (tensor<2x12x?xf32>, tensor<2x12x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
      outs(out %y, state %h)
      {schedule = #seqc.schedule<tile_m = 8, tile_n = 32, splits = 3>}
    : (tensor<2x12x?xf32>, tensor<2x12x?xf32>, tensor<12x4xf32>,
       tensor<12x4xf32>, tensor<12x4xf32>, tensor<2x12x?xf32>,
       tensor<2x12x4xf32>) -> (tensor<2x12x?xf32>, tensor<2x12x4xf32>)
  return %0#0, %0#1 : tensor<2x12x?xf32>, tensor<2x12x4xf32>
}

// Without outputs the merge is the end, and every group of B goes to each part,
// whatever the number of channels. `steps` is counted from the part's start.
// CHECK-LABEL: func @state(
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<?x2x4x?xf32>, %[[STEPS:[a-z0-9]+]]: index, %[[H:[a-z0-9]+]]: tensor<?x?x4xf32>)
// CHECK: %[[ENDS:[0-9]+]]:2 = scf.forall
// CHECK: tensor.extract_slice %[[B]][0, 0, 0, %[[START:[a-z0-9]+]]] [%{{.*}}, 2, 4, %{{.*}}]
// CHECK: %[[LEFT:.*]] = affine.min #{{.*}}(%[[START]])[%[[STEPS]],
// CHECK: seqc.chunk_scan {{.*}} steps(%[[LEFT]]) outs(state %{{.*}}, decay %{{.*}})
// CHECK: %[[MERGED:[0-9]+]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %[[H]], %{{.*}} = %[[H]])
// CHECK: tensor.extract_slice %[[ENDS]]#0
// CHECK: tensor.extract_slice %[[ENDS]]#1
// CHECK: return %[[MERGED]]#0, %[[MERGED]]#1
func.func @state(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>,
                 %B: tensor<?x2x4x?xf32>, %steps: index, %h: tensor<?x?x4xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B) steps(%steps)
      outs(state %h, decay %h) {schedule = #seqc.schedule<splits = 2>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x2x4x?xf32>, index, tensor<?x?x4xf32>, tensor<?x?x4xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)
  return %0#0, %0#1 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}

// One part, or no schedule: nothing to do, unless the option asks for it.
// CHECK-LABEL: func @one(
// CHECK-NOT: scf.forall
// CHECK: return
// TWO-LABEL: func @one(
// TWO: scf.forall (%{{.*}}) in (2)
// TWO: scf.forall (%{{.*}}) in (2)
// TWO: return
func.func @one(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>,
               %h: tensor<?x?x4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %0 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %h)
      {schedule = #seqc.schedule<splits = 1>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %1 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) outs(state %0)
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %0, %1 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}
