// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile --seqc-gather-pages --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --seqc-online-softmax --seqc-tile --seqc-gather-pages --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-gather-pages{{$}}
// STATS-NEXT: 6 tiles-gathered

// The lengths of the loops over keys are those of the batch entry; a tile of keys
// and one of values are collected from the pages that their rows lie in.
// CHECK-LABEL: func @paged(
// CHECK-SAME: %{{[a-z0-9]+}}: tensor<?x4x?x64xf32>, %[[KP:[a-z0-9]+]]: tensor<?x2x16x64xf32>, %[[VP:[a-z0-9]+]]: tensor<?x2x16x32xf32>, %[[T:[a-z0-9]+]]: tensor<?x?xi32>, %[[N:[a-z0-9]+]]: tensor<?xi32>
// CHECK-NOT: seqc.paged
// CHECK: %[[MOST:.*]] = tensor.dim %[[T]], %c1
// CHECK: %[[ALL:.*]] = arith.muli %[[MOST]], %c16
// CHECK: scf.forall (%[[B:[a-z0-9]+]], %[[H:[a-z0-9]+]], %{{[a-z0-9]+}})
// CHECK: %[[ENTRY:.*]] = tensor.extract %[[N]][%[[B]]]
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: %[[LENGTH:.*]] = arith.minui %[[INDEX]], %[[ALL]]
// CHECK: scf.for %[[J:[a-z0-9]+]] = %c0 to %{{.*}} step %c64
// CHECK: %[[G:.*]] = arith.divui %[[H]], %c2
// CHECK: %[[ZERO:.*]] = linalg.fill
// CHECK: %[[END:.*]] = arith.addi %[[J]], %c64
// CHECK: %[[FIRST:.*]] = arith.divui %[[J]], %c16
// CHECK: %[[LAST:.*]] = arith.ceildivui %[[END]], %c16
// CHECK: %[[PAGES:.*]] = tensor.dim %[[KP]], %c0
// CHECK: %[[KEY:.*]] = scf.for %[[I:[a-z0-9]+]] = %[[FIRST]] to %[[LAST]] step %c1 iter_args(%[[TILE:[a-z0-9]+]] = %[[ZERO]])
// CHECK: %[[NUMBER:.*]] = tensor.extract %[[T]][%[[B]], %[[I]]]
// CHECK: %[[CAST:.*]] = arith.index_cast %[[NUMBER]]
// CHECK: %[[IS:.*]] = arith.cmpi ult, %[[CAST]], %[[PAGES]]
// CHECK: %[[PAGE:.*]] = arith.select %[[IS]], %[[CAST]], %c0
// CHECK: %[[COUNT:.*]] = arith.select %[[IS]], %{{.*}}, %c0
// CHECK: %[[ROWS:.*]] = tensor.extract_slice %[[KP]][%[[PAGE]], %[[G]], %{{.*}}, 0] [1, 1, %[[COUNT]], 64]
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[ROWS]] into %[[TILE]][0, 0, %{{.*}}, 0] [1, 1, %[[COUNT]], 64]
// CHECK: scf.yield %[[NEXT]]
// CHECK: %[[VALUE:.*]] = scf.for
// CHECK: tensor.extract_slice %[[VP]]
// CHECK: seqc.online_attention query(%{{.*}}) key(%[[KEY]]) value(%[[VALUE]]) offsets({{.*}}) lengths(%{{.*}}, %[[LENGTH]])
// CHECK-SAME: causal tile_class(full)
// CHECK: seqc.online_attention
// CHECK-SAME: lengths(%{{.*}}, %[[LENGTH]])
func.func @paged(%q: tensor<?x4x?x64xf32>, %kp: tensor<?x2x16x64xf32>,
                 %vp: tensor<?x2x16x32xf32>, %t: tensor<?x?xi32>,
                 %n: tensor<?xi32>) -> tensor<?x4x?x32xf32> {
  %k = seqc.paged %kp, %t : (tensor<?x2x16x64xf32>, tensor<?x?xi32>) -> tensor<?x2x?x64xf32>
  %v = seqc.paged %vp, %t : (tensor<?x2x16x32xf32>, tensor<?x?xi32>) -> tensor<?x2x?x32xf32>
  %out = seqc.attention query(%q) key(%k) value(%v) key_lengths(%n) causal
      : (tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x32xf32>, tensor<?xi32>)
      -> tensor<?x4x?x32xf32>
  return %out : tensor<?x4x?x32xf32>
}
