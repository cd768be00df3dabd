// RUN: seqc-opt %s --seqc-decompose --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-decompose --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-decompose
// STATS-NEXT: 8 tiles-decomposed

!q = tensor<1x1x32x8xf32>
!k = tensor<1x1x64x8xf32>
!v = tensor<1x1x64x4xf32>
!row = tensor<1x1x32xf32>
!acc = tensor<1x1x32x4xf32>

// A full tile: the scale in base 2 goes into the query, the key is transposed, and
// no index is looked at although the operator has a mask. The old maximum is
// read before the new one takes its place; a row that has seen nothing is
// shifted by 0.
// CHECK-LABEL: func @full(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x1x32x8xf32>, %[[K:[a-z0-9]+]]: tensor<1x1x64x8xf32>, %[[V:[a-z0-9]+]]: tensor<1x1x64x4xf32>,
// CHECK-SAME: %[[M:[a-z0-9]+]]: tensor<1x1x32xf32>, %[[S:[a-z0-9]+]]: tensor<1x1x32xf32>, %[[A:[a-z0-9]+]]: tensor<1x1x32x4xf32>,
// CHECK-NOT: arith.cmpi
// CHECK-NOT: linalg.index
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[SCALE:.*]] = arith.constant 0.72134751 : f32
// CHECK: %[[SQ:[0-9]+]] = linalg.generic
// CHECK: arith.mulf %in, %[[SCALE]]
// CHECK: %[[KT:[0-9]+]] = linalg.generic {indexing_maps = [#[[$SWAP:map[0-9]*]], #[[$ID:map[0-9]*]]]{{.*}} outs(%{{.*}} : tensor<8x64xf32>)
// CHECK: %[[X0:[0-9]+]] = linalg.fill ins(%[[ZERO]] : f32) {{.*}} -> tensor<32x64xf32>
// CHECK: %[[X:[0-9]+]] = linalg.matmul ins(%[[SQ]], %[[KT]] : {{.*}}) outs(%[[X0]] :
// CHECK: %[[OLD:.*]] = tensor.collapse_shape %[[M]] {{\[\[}}0, 1, 2{{\]\]}}
// CHECK: %[[TOP0:[0-9]+]] = linalg.fill ins(%[[LOWEST]] : f32)
// CHECK: %[[TOP:[0-9]+]] = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[X]] : {{.*}}) outs(%[[TOP0]] :
// CHECK: arith.maximumf
// CHECK: %[[SHIFT:[0-9]+]] = linalg.generic {{.*}} ins(%[[OLD]], %[[TOP]] :
// CHECK-NEXT: ^bb0(%[[A0:.*]]: f32, %[[A1:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[MAX:.*]] = arith.maximumf %[[A0]], %[[A1]]
// CHECK-NEXT: %[[NONE:.*]] = arith.cmpf oeq, %[[MAX]], %[[LOWEST]]
// CHECK-NEXT: arith.select %[[NONE]], %[[ZERO]], %[[MAX]]
// CHECK: %[[RESCALE:[0-9]+]] = linalg.generic {{.*}} ins(%[[OLD]], %[[SHIFT]] :
// CHECK: math.exp2
// CHECK: %[[NEW:[0-9]+]] = linalg.generic {{.*}} ins(%[[TOP]] : {{.*}}) outs(%[[OLD]] :
// CHECK: arith.maximumf
// CHECK: %[[P:[0-9]+]] = linalg.generic {{.*}} ins(%[[SHIFT]] : {{.*}}) outs(%[[X]] : tensor<32x64xf32>)
// CHECK: %[[D:.*]] = arith.subf %out, %in
// CHECK-NEXT: math.exp2 %[[D]]
// CHECK: %[[S0:.*]] = tensor.collapse_shape %[[S]]
// CHECK: %[[S1:[0-9]+]] = linalg.generic {{.*}} ins(%[[RESCALE]] : {{.*}}) outs(%[[S0]] :
// CHECK: %[[S2:[0-9]+]] = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[P]] : {{.*}}) outs(%[[S1]] :
// CHECK: %[[ACC0:.*]] = tensor.collapse_shape %[[A]] {{\[\[}}0, 1, 2], [3{{\]\]}}
// CHECK: %[[ACC1:[0-9]+]] = linalg.generic {{.*}} ins(%[[RESCALE]] : {{.*}}) outs(%[[ACC0]] :
// CHECK: %[[ACC2:[0-9]+]] = linalg.matmul ins(%[[P]], %{{.*}} : tensor<32x64xf32>, tensor<64x4xf32>) outs(%[[ACC1]] :
// CHECK-DAG: tensor.expand_shape %[[NEW]]
// CHECK-DAG: tensor.expand_shape %[[S2]]
// CHECK-DAG: tensor.expand_shape %[[ACC2]]
// CHECK-NOT: seqc.
func.func @full(%q: !q, %k: !k, %v: !v, %m: !row, %s: !row, %a: !acc, %i: index)
    -> (!row, !row, !acc) {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%m, %s, %a) scale(0.5)
      causal tile_class(full)
    : (!q, !k, !v, index, index, index, index, index, index, !row, !row, !acc)
    -> (!row, !row, !acc)
  return %0#0, %0#1, %0#2 : !row, !row, !acc
}

// A partial tile asks about each position: the diagonal is the query plus the
// difference of the lengths, and keys past the end are hidden.
// CHECK-LABEL: func @partial(
// CHECK-SAME: %[[I0:[a-z0-9]+]]: index, %[[J0:[a-z0-9]+]]: index, %[[SQ:[a-z0-9]+]]: index, %[[SK:[a-z0-9]+]]: index)
// CHECK: %[[X:[0-9]+]] = linalg.matmul
// CHECK: %[[DIAGONAL:.*]] = arith.subi %[[SK]], %[[SQ]]
// CHECK: linalg.generic {{.*}} outs(%[[X]] :
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32):
// CHECK-DAG: %[[II:.*]] = linalg.index 0
// CHECK-DAG: %[[I:.*]] = arith.addi %[[I0]], %[[II]]
// CHECK-DAG: %[[JJ:.*]] = linalg.index 1
// CHECK-DAG: %[[J:.*]] = arith.addi %[[J0]], %[[JJ]]
// CHECK: %[[P:.*]] = arith.addi %[[I]], %[[DIAGONAL]]
// CHECK: %[[PAST:.*]] = arith.cmpi sle, %[[J]], %[[P]]
// CHECK: %[[KEY:.*]] = arith.cmpi slt, %[[J]], %[[SK]]
// CHECK: %[[VISIBLE:.*]] = arith.andi %[[PAST]], %[[KEY]]
// CHECK: %[[MASKED:.*]] = arith.select %[[VISIBLE]], %[[S]], %{{.*}}
// CHECK: linalg.yield %[[MASKED]]
func.func @partial(%q: !q, %k: !k, %v: !v, %m: !row, %a: !acc, %i: index,
                   %j: index, %sq: index, %sk: index) -> !acc {
  %c0 = arith.constant 0 : index
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %i, %j) lengths(%sq, %sk) outs(%m, %m, %a) scale(0.5)
      causal
    : (!q, !k, !v, index, index, index, index, index, index, !row, !row, !acc)
    -> (!row, !row, !acc)
  return %0#2 : !acc
}

// Top left, the diagonal is the query. Without a structured mask only the end of
// the keys is looked at.
// CHECK-LABEL: func @top_left(
// CHECK-SAME: %[[SK:[a-z0-9]+]]: index)
// CHECK: linalg.matmul
// CHECK-NOT: arith.subi
// CHECK: arith.cmpi sle
// CHECK: arith.cmpi slt, %{{.*}}, %[[SK]]
// CHECK: linalg.matmul
// CHECK: linalg.matmul
// CHECK: %[[J:.*]] = arith.addi
// CHECK-NEXT: %[[KEY:.*]] = arith.cmpi slt, %[[J]], %[[SK]]
// CHECK-NEXT: arith.select %[[KEY]]
// CHECK: linalg.matmul
func.func @top_left(%q: !q, %k: !k, %v: !v, %m: !row, %a: !acc, %i: index,
                    %sk: index) -> (!acc, !acc) {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %sk) outs(%m, %m, %a) scale(0.5)
      causal align(top_left)
    : (!q, !k, !v, index, index, index, index, index, index, !row, !row, !acc)
    -> (!row, !row, !acc)
  %1:3 = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%i, %i, %i, %i) lengths(%i, %sk) outs(%m, %m, %a) scale(2.0)
    : (!q, !k, !v, index, index, index, index, index, index, !row, !row, !acc)
    -> (!row, !row, !acc)
  return %0#2, %1#2 : !acc, !acc
}

// Everything at once, in bf16. The scale stays natural, for the region; bias and
// region come first, then log2(e), then the mask: (band or prefix) and the end of
// the keys and segments and region. What a region computes from the head alone is
// computed once, before the tile. Regions see no position past the end.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[PREFIX:[a-z0-9]+]]: tensor<1xi32>, %[[SEED:[a-z0-9]+]]: i64, %[[SLOPES:[a-z0-9]+]]: tensor<8xf32>, %[[B:[a-z0-9]+]]: index, %[[H:[a-z0-9]+]]: index, %[[I0:[a-z0-9]+]]: index, %[[J0:[a-z0-9]+]]: index, %[[SQ:[a-z0-9]+]]: index, %[[SK:[a-z0-9]+]]: index,
// CHECK-DAG: %[[NATURAL:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.44269502 : f32
// CHECK-DAG: %[[LEFT:.*]] = arith.constant -10 : index
// CHECK-DAG: %[[KEPT:.*]] = arith.constant 1.33333337 : f32
// 2^32 / 4: words below it are dropped.
// CHECK-DAG: %[[LIMIT:.*]] = arith.constant 1073741824 : i32
// CHECK: %[[EQ:.*]] = arith.extf %in : bf16 to f32
// CHECK-NEXT: arith.mulf %[[EQ]], %[[NATURAL]]
// CHECK: linalg.matmul {{.*}} tensor<4x8xf32>, tensor<8x16xf32>
// CHECK: tensor.extract_slice %{{.*}} : tensor<1x1x1x16xbf16> to tensor<16xbf16>
// CHECK: %[[P32:.*]] = tensor.extract %[[PREFIX]]
// CHECK: %[[P:.*]] = arith.index_cast %[[P32]]
// CHECK: %[[DIAGONAL:.*]] = arith.subi %[[SK]], %[[SQ]]
// CHECK-DAG: %[[LAST_I:.*]] = arith.subi %[[SQ]], %c1
// CHECK-DAG: %[[LAST_J:.*]] = arith.subi %[[SK]], %c1
// CHECK-DAG: %[[SLOPE:.*]] = tensor.extract %[[SLOPES]][%[[H]]]
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<16xbf16>, tensor<4xi32>, tensor<16xi32>)
// CHECK-NEXT: ^bb0(%[[BIAS:.*]]: bf16, %[[QS:.*]]: i32, %[[KS:.*]]: i32, %[[X:.*]]: f32):
// CHECK-DAG: %[[I:.*]] = arith.addi %[[I0]], %{{.*}}
// CHECK-DAG: %[[J:.*]] = arith.addi %[[J0]], %{{.*}}
// CHECK-DAG: %[[SAFE_I:.*]] = arith.minsi %[[I]], %[[LAST_I]]
// CHECK-DAG: %[[SAFE_J:.*]] = arith.minsi %[[J]], %[[LAST_J]]
// CHECK: arith.subi %[[SAFE_J]], %[[SAFE_I]]
// CHECK: %[[PENALTY:.*]] = arith.mulf %[[SLOPE]], %{{.*}}
// CHECK: %[[SCORE:.*]] = arith.addf %[[X]], %[[PENALTY]]
// CHECK: %[[EB:.*]] = arith.extf %[[BIAS]]
// CHECK: %[[BIASED:.*]] = arith.addf %[[SCORE]], %[[EB]]
// CHECK: %[[BASE2:.*]] = arith.mulf %[[BIASED]], %[[LOG2E]]
// CHECK: %[[D:.*]] = arith.addi %[[I]], %[[DIAGONAL]]
// CHECK: arith.cmpi sle, %[[J]], %[[D]]
// CHECK: %[[FROM:.*]] = arith.addi %[[D]], %[[LEFT]]
// CHECK: arith.cmpi sge, %[[J]], %[[FROM]]
// CHECK: %[[TO:.*]] = arith.addi %[[D]], %c3
// CHECK: arith.cmpi sle, %[[J]], %[[TO]]
// CHECK: %[[BAND:.*]] = arith.andi
// CHECK: %[[IN_PREFIX:.*]] = arith.cmpi slt, %[[J]], %[[P]]
// CHECK: %[[SEEN:.*]] = arith.ori %[[BAND]], %[[IN_PREFIX]]
// CHECK: %[[KEY:.*]] = arith.cmpi slt, %[[J]], %[[SK]]
// CHECK: %[[V0:.*]] = arith.andi %[[SEEN]], %[[KEY]]
// CHECK: %[[SAME:.*]] = arith.cmpi eq, %[[QS]], %[[KS]]
// CHECK: %[[V1:.*]] = arith.andi %[[V0]], %[[SAME]]
// CHECK: %[[OFF:.*]] = arith.cmpi ne, %[[SAFE_J]], %[[SAFE_I]]
// CHECK: %[[V2:.*]] = arith.andi %[[V1]], %[[OFF]]
// CHECK: arith.select %[[V2]], %[[BASE2]]
// The sum is taken before dropout, whose counter is (key, query, head, batch).
// CHECK: math.exp2
// CHECK: math.exp2
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[SUMMED:[0-9]+]] :
// CHECK: arith.trunci %[[SEED]]
// CHECK-DAG: arith.index_cast %[[B]] : index to i32
// CHECK-DAG: arith.index_cast %[[H]] : index to i32
// CHECK: %[[DROPPED:[0-9]+]] = linalg.generic {{.*}} outs(%[[SUMMED]] :
// CHECK: %[[KEEP:.*]] = arith.cmpi uge, %{{.*}}, %[[LIMIT]]
// CHECK: %[[SCALED:.*]] = arith.mulf %out, %[[KEPT]]
// CHECK: arith.select %[[KEEP]], %[[SCALED]], %{{.*}}
// CHECK: linalg.matmul ins(%[[DROPPED]],
func.func @everything(
    %q: tensor<1x1x4x8xbf16>, %k: tensor<1x1x16x8xbf16>,
    %bias: tensor<1x1x1x16xbf16>, %qs: tensor<1x4xi32>, %ks: tensor<1x16xi32>,
    %prefix: tensor<1xi32>, %seed: i64, %slopes: tensor<8xf32>, %b: index,
    %h: index, %i: index, %j: index, %sq: index, %sk: index,
    %m: tensor<1x1x4xf32>, %a: tensor<1x1x4x8xf32>)
    -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>) {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%k) bias(%bias)
      segments(%qs, %ks) prefix(%prefix) dropout(0.25, %seed)
      offsets(%b, %h, %i, %j) lengths(%sq, %sk) outs(%m, %m, %a) scale(0.5)
      causal window_left(10) window_right(3)
      score {
      ^bb0(%x: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        %slope = tensor.extract %slopes[%rh] : tensor<8xf32>
        %d = arith.subi %rj, %ri : index
        %di = arith.index_cast %d : index to i32
        %df = arith.sitofp %di : i32 to f32
        %penalty = arith.mulf %slope, %df : f32
        %r = arith.addf %x, %penalty : f32
        seqc.yield %r : f32
      }
      mask {
      ^bb0(%rb: index, %rh: index, %ri: index, %rj: index):
        %other = arith.cmpi ne, %rj, %ri : index
        seqc.yield %other : i1
      }
    : (tensor<1x1x4x8xbf16>, tensor<1x1x16x8xbf16>, tensor<1x1x16x8xbf16>,
       tensor<1x1x1x16xbf16>, tensor<1x4xi32>, tensor<1x16xi32>, tensor<1xi32>,
       i64, index, index, index, index, index, index, tensor<1x1x4xf32>,
       tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
    -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>)
  return %0#0, %0#1, %0#2
    : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x8xf32>
}

// A full tile with a score region and a bias evaluates both, but no mask.
// CHECK-LABEL: func @full_score(
// CHECK: linalg.matmul
// CHECK-NOT: arith.cmpi
// CHECK: math.tanh
// CHECK-NOT: arith.cmpi
// CHECK: arith.addf
// CHECK-NOT: arith.cmpi
// CHECK: linalg.matmul
func.func @full_score(%q: !q, %k: !k, %v: !v, %bias: tensor<1x1x32x64xf32>,
                      %m: !row, %a: !acc, %i: index) -> !acc {
  %0:3 = seqc.online_attention query(%q) key(%k) value(%v) bias(%bias)
      offsets(%i, %i, %i, %i) lengths(%i, %i) outs(%m, %m, %a) scale(0.5)
      causal tile_class(full)
      score {
      ^bb0(%x: f32, %rb: index, %rh: index, %ri: index, %rj: index):
        %r = math.tanh %x : f32
        seqc.yield %r : f32
      }
    : (!q, !k, !v, tensor<1x1x32x64xf32>, index, index, index, index, index,
       index, !row, !row, !acc) -> (!row, !row, !acc)
  return %0#2 : !acc
}

// The output is acc / sum, and 0 where nothing was seen; the log-sum-exp is
// ln(2) (max + log2(sum)). Both go where the destinations are.
// CHECK-LABEL: func @finish(
// CHECK-SAME: %[[M:[a-z0-9]+]]: tensor<1x1x32xf32>, %[[S:[a-z0-9]+]]: tensor<1x1x32xf32>, %[[A:[a-z0-9]+]]: tensor<1x1x32x4xf32>, %[[O:[a-z0-9]+]]: tensor<1x1x32x4xf16>, %[[L:[a-z0-9]+]]: tensor<1x1x32xf32>)
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[LN2:.*]] = arith.constant 0.693147182 : f32
// CHECK: %[[F:[0-9]+]] = linalg.generic
// CHECK-NEXT: ^bb0(%[[MAX:.*]]: f32, %[[SUM:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[NONE:.*]] = arith.cmpf oeq, %[[SUM]], %[[ZERO:.*]] : f32
// CHECK-NEXT: %[[INVERSE:.*]] = arith.divf %[[ONE]], %[[SUM]]
// CHECK-NEXT: arith.select %[[NONE]], %[[ZERO]], %[[INVERSE]]
// CHECK: %[[O0:.*]] = tensor.collapse_shape %[[O]]
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[F]] : {{.*}}) outs(%[[O0]] : tensor<32x4xf16>)
// CHECK: arith.mulf
// CHECK-NEXT: arith.truncf
// CHECK: %[[L0:.*]] = tensor.collapse_shape %[[L]]
// CHECK: linalg.generic {{.*}} outs(%[[L0]] :
// CHECK-NEXT: ^bb0(%[[MAX:.*]]: f32, %[[SUM:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[LOG:.*]] = math.log2 %[[SUM]]
// CHECK-NEXT: %[[LSE2:.*]] = arith.addf %[[MAX]], %[[LOG]]
// CHECK-NEXT: arith.mulf %[[LSE2]], %[[LN2]]
func.func @finish(%m: !row, %s: !row, %a: !acc, %o: tensor<1x1x32x4xf16>,
                  %l: !row) -> (tensor<1x1x32x4xf16>, !row) {
  %0:2 = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o, %l)
    : (!row, !row, !acc, tensor<1x1x32x4xf16>, !row)
    -> (tensor<1x1x32x4xf16>, !row)
  return %0#0, %0#1 : tensor<1x1x32x4xf16>, !row
}

// A sink is one more term, in base 2. In f64 everything is f64.
// CHECK-LABEL: func @sinks(
// CHECK-SAME: %[[SINKS:[a-z0-9]+]]: tensor<1xf64>
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.4426950408889634 : f64
// CHECK: %[[SINK:.*]] = tensor.extract %[[SINKS]]
// CHECK: %[[SINK2:.*]] = arith.mulf %[[SINK]], %[[LOG2E]]
// CHECK: ^bb0(%[[MAX:.*]]: f64, %[[SUM:.*]]: f64, %{{.*}}: f64):
// CHECK: %[[TOP:.*]] = arith.maximumf %[[MAX]], %[[SINK2]]
// CHECK: %[[D:.*]] = arith.subf %[[SINK2]], %[[TOP]]
// CHECK: math.exp2 %[[D]]
// CHECK: arith.divf
// CHECK-NOT: math.log2
func.func @sinks(%m: tensor<1x1x8xf64>, %a: tensor<1x1x8x4xf64>,
                 %sinks: tensor<1xf64>, %o: tensor<1x1x8x4xf64>)
    -> tensor<1x1x8x4xf64> {
  %0 = seqc.softmax_finish max(%m) sum(%m) acc(%a) sinks(%sinks) outs(%o)
    : (tensor<1x1x8xf64>, tensor<1x1x8xf64>, tensor<1x1x8x4xf64>,
       tensor<1xf64>, tensor<1x1x8x4xf64>) -> tensor<1x1x8x4xf64>
  return %0 : tensor<1x1x8x4xf64>
}
