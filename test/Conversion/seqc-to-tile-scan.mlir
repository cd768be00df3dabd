// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-expand-state,seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-expand-state,seqc-tile{single-loop=true},cse),convert-seqc-to-tile)" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: convert-seqc-to-tile{{$}}
// STATS-NEXT: 13 kernels-formed

//===----------------------------------------------------------------------===//
// Selective scan
//===----------------------------------------------------------------------===//

// The whole kernel. Channels are x of the grid, batches z. The state is read
// once, stays in registers and is written once. Chunks that are full form a loop:
// tiles of channels x steps, and of steps x d_state of B, go through the
// recurrence in groups of eight steps, 4 states of each in a thread. What lies in front of the loop does not
// change with time. The first tensor dimension that no slice cuts needs no index.
// CHECK-LABEL: tile.kernel @everything_0(
// CHECK-SAME: %[[H0:[a-z0-9]+]]: memref<?x?x16xf32, strided<[?, ?, 1], offset: ?>>, %[[U:[a-z0-9]+]]: memref<?x?x?xbf16, strided<[?, ?, 1], offset: ?>>, %[[A:[a-z0-9]+]]: memref<?x16xf32, {{.*}}>, %[[B:[a-z0-9]+]]: memref<?x16x?xbf16, strided<[?, ?, 1], {{.*}}>, %[[D:[a-z0-9]+]]: memref<?xf32, {{.*}}>, %[[Y:[a-z0-9]+]]: memref<?x?x?xbf16, strided<[?, ?, 1], offset: ?>>, %[[H1:[a-z0-9]+]]: memref<?x?x16xf32, strided<[?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[X:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: index, %[[Z:[a-z0-9]+]]: index)
// CHECK-SAME: nvvm.minctasm = 4 : i32
// CHECK-SAME: warps = 2 : i64
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant dense<1.44269502> : tensor<16x16xf32>
// CHECK: %[[L:.*]] = memref.dim %[[U]], %c2
// CHECK: %[[C:.*]] = arith.muli %[[X]], %c16
// CHECK: %[[STATE:.*]] = tile.load %[[H0]][%[[Z]], %[[C]], %c0]
// CHECK: %[[RATE:.*]] = tile.load %[[A]][%[[C]], %c0]
// CHECK: %[[BIAS:.*]] = tile.load %[[D]][%[[C]]]
// CHECK: %[[RATE2:.*]] = arith.mulf %[[RATE]], %[[LOG2E]]
// CHECK: %[[NUM:.*]] = arith.divui %[[L]], %c32
// CHECK: %[[WHOLE:.*]] = arith.muli %[[NUM]], %c32
// CHECK: %[[BIAS2:.*]] = tile.broadcast %[[BIAS]] along 1
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<16x32xf32>
// CHECK: %[[RATE3:.*]] = tile.broadcast %[[RATE2]] along 1
// CHECK: %[[LAST:.*]] = scf.for %[[IT:.*]] = %c0 to %[[WHOLE]] step %c32 iter_args(%[[CHUNK:.*]] = %[[STATE]]) -> (tensor<16x16xf32>)
// CHECK: %[[UT:.*]] = tile.load %[[U]][%[[Z]], %[[C]], %[[IT]]] dims [1, 2] inside [1] : {{.*}} -> tensor<16x32xbf16>
// CHECK: %[[BT:.*]] = tile.load %[[B]][%[[Z]], %c0, %[[IT]]] dims [2, 1] inside [0] : {{.*}} -> tensor<32x16xbf16>
// CHECK: %[[UF:.*]] = arith.extf %[[UT]]
// softplus(v) = max(v, 0) + ln(1 + e) with e = exp(-|v|), a polynomial of e.
// CHECK: %[[V:.*]] = arith.addf %[[UF]], %[[BIAS2]]
// CHECK: math.absf %[[V]]
// CHECK: %[[E:.*]] = math.exp2
// CHECK-COUNT-8: math.fma
// CHECK: arith.maximumf %[[V]]
// CHECK: %[[DT:.*]] = math.fma
// CHECK: %[[DTU:.*]] = arith.mulf %[[DT]], %[[UF]]
// CHECK: %[[BF:.*]] = arith.extf %[[BT]]
// CHECK: %[[GROUPS:.*]]:2 = scf.for %[[S:.*]] = %c0 to %c32 step %c8 iter_args(%[[H:.*]] = %[[CHUNK]], %[[SUMS:.*]] = %[[EMPTY]])
// CHECK: %[[DT4:.*]] = tensor.extract_slice %[[DT]][0, %[[S]]] [16, 8] [1, 1]
// CHECK: tile.broadcast %[[DT4]] along 2
// CHECK: arith.mulf %{{.*}}, %[[RATE3]]
// CHECK: %[[DECAY:.*]] = math.exp2
// CHECK: tensor.extract_slice %[[DTU]][0, %[[S]]] [16, 8] [1, 1]
// CHECK: tensor.extract_slice %[[BF]][%[[S]], 0] [8, 16] [1, 1]
// CHECK: %[[IN:.*]] = arith.mulf
// CHECK: %[[STATES:.*]], %[[NEXT:.*]] = tile.recurrence %[[DECAY]], %[[IN]] from %[[H]] along 1
// CHECK: %[[SEEN:.*]] = arith.mulf %[[STATES]]
// CHECK: %[[SUM:.*]] = tile.reduce add %[[SEEN]] along 2
// CHECK: %[[SUMS1:.*]] = tensor.insert_slice %[[SUM]] into %[[SUMS]][0, %[[S]]] [16, 8] [1, 1]
// CHECK: scf.yield %[[NEXT]], %[[SUMS1]]
// CHECK: math.fma %[[BIAS2]], %[[UF]], %[[GROUPS]]#1
// silu(z) = z / (1 + exp(-z)).
// CHECK: arith.divf %[[UF]], %{{.*}} fastmath<arcp>
// CHECK: %[[OUT:.*]] = arith.truncf
// CHECK: tile.store %[[OUT]], %[[Y]][%[[Z]], %[[C]], %[[IT]]] inside [1]
// CHECK: scf.yield %[[GROUPS]]#0
// What the last chunk has: views that end with the sequence, and no time that
// passes behind it.
// CHECK: %[[CUT:.*]] = arith.cmpi slt, %[[WHOLE]], %[[L]]
// CHECK: %[[FINAL:.*]] = scf.if %[[CUT]]
// CHECK: %[[COUNT:.*]] = affine.min #{{.*}}(%[[WHOLE]])[%[[L]]]
// CHECK: %[[END:.*]] = arith.addi %[[WHOLE]], %[[COUNT]]
// CHECK: %[[UEND:.*]] = memref.subview %[[U]][0, 0, 0] [%{{.*}}, %{{.*}}, %[[END]]]
// CHECK: tile.load %[[UEND]][%[[Z]], %[[C]], %[[WHOLE]]] dims [1, 2] :
// CHECK: tile.iota 0 : tensor<32xi32>
// CHECK: %[[IS:.*]] = arith.cmpi slt
// CHECK: arith.select
// CHECK: scf.for %{{.*}} = %c0 to %[[COUNT]] step %c8 iter_args(%{{.*}} = %[[LAST]],
// CHECK: %[[YEND:.*]] = memref.subview %[[Y]]
// CHECK: tile.store %{{.*}}, %[[YEND]]
// CHECK: else
// CHECK: scf.yield %[[LAST]]
// CHECK: tile.store %[[FINAL]], %[[H1]][%[[Z]], %[[C]], %c0]
// CHECK: func @everything(
// CHECK-NOT: scf.for
// CHECK: %[[TILES:.*]] = affine.apply #{{.*}}()[%{{.*}}]
// CHECK: tile.launch @everything_0 grid(%[[TILES]], %c1, %{{.*}}) ins(
func.func @everything(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>,
                      %B: tensor<?x16x?xbf16>, %D: tensor<?xf32>, %h: tensor<?x?x16xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x16xf32>) {
  %y, %s = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%A) D(%D) z(%u)
      delta_bias(%D) initial_state(%h) delta_softplus
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, warps = 2>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>,
       tensor<?x16x?xbf16>, tensor<?x16xf32>, tensor<?xf32>, tensor<?x?x?xbf16>,
       tensor<?xf32>, tensor<?x?x16xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x16xf32>)
  return %y, %s : tensor<?x?x?xbf16>, tensor<?x?x16xf32>
}

// A few steps are unrolled: all reads, then all steps. A chunk that the end of
// the sequence cuts is a loop. Without an initial state it is 0, and nothing is
// read or, since the output is all that is asked for, needed of it.
// CHECK-LABEL: tile.kernel @unrolled_0(
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<16x4xf32>
// CHECK: scf.for {{.*}} step %c2 iter_args(%[[H:.*]] = %[[ZERO]])
// CHECK: %[[COUNT:.*]] = affine.min
// CHECK: %[[FULL:.*]] = arith.cmpi eq, %[[COUNT]], %c2
// CHECK: scf.if %[[FULL]]
// CHECK-COUNT-8: tile.load
// CHECK-NOT: tile.load
// CHECK: %[[H1:.*]] = math.fma %{{.*}}, %[[H]], %{{.*}}
// CHECK: tile.store
// CHECK: %[[H2:.*]] = math.fma %{{.*}}, %[[H1]], %{{.*}}
// CHECK: tile.store
// CHECK: scf.yield %[[H2]]
// CHECK: else
// CHECK: scf.for {{.*}} = %c0 to %[[COUNT]] step %c1 iter_args(%{{.*}} = %[[H]])
// CHECK-LABEL: func @unrolled(
func.func @unrolled(%u: tensor<?x?x?xf32>, %dt: tensor<?x?x?xf32>, %A: tensor<?x4xf32>, %B: tensor<?x4x?xf32>,
                    %C: tensor<?x4x?xf32>) -> tensor<?x?x?xf32> {
  %y = seqc.selective_scan u(%u) delta(%dt) A(%A) B(%B) C(%C)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 2, warps = 2>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>, tensor<?x4x?xf32>, tensor<?x4x?xf32>)
    -> tensor<?x?x?xf32>
  return %y : tensor<?x?x?xf32>
}

// Five states are eight with padding, which the sum leaves out even where it is
// not 0.
// CHECK-LABEL: tile.kernel @padded_0(
// CHECK-DAG: %[[FIVE:.*]] = arith.constant dense<5> : tensor<16x8xi32>
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<16x16x8xf32>
// CHECK: tile.load {{.*}} : memref<?x5xf32, {{.*}}> -> tensor<16x8xf32>
// CHECK: %[[INDEX:.*]] = tile.iota 0 : tensor<8xi32>
// CHECK: %[[ALL:.*]] = tile.broadcast %[[INDEX]] along 0
// CHECK: %[[IS:.*]] = arith.cmpi slt, %[[ALL]], %[[FIVE]]
// CHECK: %[[IS3:.*]] = tile.broadcast %[[IS]] along 1
// CHECK: %[[SUM:.*]] = arith.select %[[IS3]], %{{.*}}, %[[ZERO]]
// CHECK: tile.reduce add %[[SUM]] along 2 : tensor<16x16x8xf32> -> tensor<16x16xf32>
// CHECK-LABEL: func @padded(
func.func @padded(%u: tensor<?x?x?xf32>, %A: tensor<?x5xf32>) -> tensor<?x?x?xf32> {
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%A) C(%A)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, warps = 2>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>)
    -> tensor<?x?x?xf32>
  return %y : tensor<?x?x?xf32>
}

// Groups that tiles divide: y of the grid.
// CHECK-LABEL: tile.kernel @groups_0(
// CHECK-NOT: memref.subview
// CHECK: func @groups(
// CHECK: tile.launch @groups_0 grid(%c2, %c4, %c2)
func.func @groups(%u: tensor<2x128x64xf32>, %A: tensor<128x4xf32>,
                  %B: tensor<2x4x4x64xf32>, %C: tensor<2x2x4x64xf32>)
    -> tensor<2x128x64xf32> {
  %y = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%C)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, warps = 2>}
    : (tensor<2x128x64xf32>, tensor<2x128x64xf32>, tensor<128x4xf32>,
       tensor<2x4x4x64xf32>, tensor<2x2x4x64xf32>) -> tensor<2x128x64xf32>
  return %y : tensor<2x128x64xf32>
}

// Groups that end in the middle of a tile: channels of the next one are not
// written, neither in the output nor in the state.
// CHECK-LABEL: tile.kernel @cut_groups_0(
// CHECK-SAME: %[[SIZE:[a-z0-9]+]]: index, %[[Y:[a-z0-9]+]]: memref<?x?x?xf32, strided<[?, ?, 1], offset: ?>>, %[[H:[a-z0-9]+]]: memref<?x?x4xf32, strided<[?, ?, 1], offset: ?>>, %[[X:[a-z0-9]+]]: index, %[[G:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: index)
// CHECK: %[[C:.*]] = arith.muli %[[X]], %c16
// CHECK: %[[COUNT:.*]] = affine.min #{{.*}}(%[[C]])[%[[SIZE]]]
// CHECK: %[[BASE:.*]] = arith.muli %[[G]], %[[SIZE]]
// CHECK: %[[FIRST:.*]] = affine.apply #{{.*}}(%[[BASE]], %[[C]])
// CHECK: %[[END:.*]] = arith.addi %[[FIRST]], %[[COUNT]]
// CHECK: %[[YG:.*]] = memref.subview %[[Y]][0, 0, 0] [%{{.*}}, %[[END]], %{{.*}}] [1, 1, 1]
// CHECK: scf.for
// CHECK: tile.store %{{.*}}, %[[YG]][%{{.*}}, %[[FIRST]], %{{.*}}] inside [1]
// CHECK: %[[HG:.*]] = memref.subview %[[H]][0, 0, 0] [%{{.*}}, %[[END]], 4] [1, 1, 1]
// CHECK: tile.store %{{.*}}, %[[HG]][%{{.*}}, %[[FIRST]], %c0]
func.func @cut_groups(%u: tensor<?x?x?xf32>, %A: tensor<?x4xf32>, %B: tensor<?x4x4x?xf32>)
    -> (tensor<?x?x?xf32>, tensor<?x?x4xf32>) {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%A)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, warps = 2>}
    : (tensor<?x?x?xf32>, tensor<?x?x?xf32>, tensor<?x4xf32>,
       tensor<?x4x4x?xf32>, tensor<?x4xf32>) -> (tensor<?x?x?xf32>, tensor<?x?x4xf32>)
  return %y, %h : tensor<?x?x?xf32>, tensor<?x?x4xf32>
}

// The state and decay of a part of the sequence: no output; the decay is one
// exponential of the sum of time steps. Steps at `steps` and past it are padding.
// CHECK-LABEL: tile.kernel @part_0(
// CHECK-SAME: %[[STEPS:[a-z0-9]+]]: index,
// CHECK: %[[NONE:.*]] = arith.constant dense<0.000000e+00> : tensor<16x16xf32>
// CHECK: %[[LOOP:.*]]:2 = scf.for %[[IT:.*]] = {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %[[NONE]]) -> (tensor<16x4xf32>, tensor<16x16xf32>)
// CHECK: affine.min #{{.*}}(%[[IT]])[%[[STEPS]]]
// CHECK: tile.recurrence
// CHECK: arith.addf
// CHECK-NOT: tile.reduce
// CHECK: %[[PARTS:.*]] = tile.broadcast %[[LOOP]]#1 along 2
// CHECK: tile.reduce add %[[PARTS]] along 1
// CHECK: %[[P:.*]] = math.exp2
// CHECK: %[[DECAY:.*]] = arith.mulf %{{.*}}, %[[P]]
// CHECK: tile.store %[[LOOP]]#0
// CHECK: tile.store %[[DECAY]]
func.func @part(%u: tensor<2x16x100xf32>, %A: tensor<16x4xf32>, %steps: index, %h: tensor<2x16x4xf32>)
    -> (tensor<2x16x4xf32>, tensor<2x16x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%A) steps(%steps) outs(state %h, decay %h)
      {schedule = #seqc.schedule<tile_m = 16, tile_n = 32, warps = 2>}
    : (tensor<2x16x100xf32>, tensor<2x16x100xf32>, tensor<16x4xf32>,
       tensor<16x4xf32>, index, tensor<2x16x4xf32>, tensor<2x16x4xf32>)
    -> (tensor<2x16x4xf32>, tensor<2x16x4xf32>)
  return %0#0, %0#1 : tensor<2x16x4xf32>, tensor<2x16x4xf32>
}

// No steps at all: the state that comes out is 0, which a kernel fills in.
// CHECK-LABEL: tile.kernel @no_steps_0(
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<256x4xf32>
// CHECK: tile.store %[[ZERO]]
// CHECK-LABEL: func @no_steps(
// CHECK: tile.launch @no_steps_0 grid(%c1, %{{.*}}, %{{.*}}) outs(
func.func @no_steps(%u: tensor<?x?x0xf32>, %A: tensor<?x4xf32>, %B: tensor<?x4x0xf32>) -> tensor<?x?x4xf32> {
  %y, %h = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
    : (tensor<?x?x0xf32>, tensor<?x?x0xf32>, tensor<?x4xf32>, tensor<?x4x0xf32>, tensor<?x4x0xf32>)
    -> (tensor<?x?x0xf32>, tensor<?x?x4xf32>)
  return %h : tensor<?x?x4xf32>
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

// Chunks with one before them read that and what lies 8 steps before it in whole
// rows; a tap is a shift of the two. Around them, the first chunk and a cut one
// go up to a multiple of 8 steps if the sequence does, and else read each step.
// Nothing is carried from chunk to chunk.
// CHECK-LABEL: tile.kernel @conv_0(
// CHECK-SAME: %[[W:[a-z0-9]+]]: memref<?x2xf32, {{.*}}>, %[[X:[a-z0-9]+]]: memref<?x?x?xbf16, strided<[?, ?, 1], {{.*}}>, %[[Y:[a-z0-9]+]]: memref<?x?x?xbf16, strided<[?, ?, 1], offset: ?>>
// CHECK: %[[W0:.*]] = tile.load %[[W]][%[[C:.*]], %c0] dims [0] : {{.*}} -> tensor<4xf32>
// CHECK: %[[W1:.*]] = tile.load %[[W]][%[[C]], %c1] dims [0]
// CHECK: %[[NUM:.*]] = arith.divui %[[LENGTH:.*]], %c256
// CHECK: %[[WHOLE:.*]] = arith.muli %[[NUM]], %c256
// CHECK: %[[T0:.*]] = tile.broadcast %[[W0]] along 1
// CHECK: %[[T1:.*]] = tile.broadcast %[[W1]] along 1
// CHECK: scf.for %[[IN:.*]] = %c256 to %[[WHOLE]] step %c256 {
// CHECK: %[[NOW:.*]] = tile.load %[[X]][%[[B:.*]], %[[C]], %[[IN]]] inside [1] : {{.*}} -> tensor<4x256xbf16>
// CHECK: %[[AT:.*]] = arith.subi %[[IN]], %c8
// CHECK: %[[OLD:.*]] = tile.load %[[X]][%[[B]], %[[C]], %[[AT]]] inside [1]
// CHECK: %[[BACK:.*]] = tile.shift %[[NOW]], %[[OLD]] by 1 block 8
// CHECK: arith.extf %[[BACK]]
// CHECK: arith.mulf
// CHECK: arith.extf %[[NOW]]
// CHECK: math.fma
// CHECK: tile.store %{{.*}}, %[[Y]][%[[B]], %[[C]], %[[IN]]] inside [1]
// CHECK: %[[ACROSS:.*]] = arith.maxsi %[[WHOLE]], %c256
// CHECK: %[[BLOCKS:.*]] = arith.divui %[[LENGTH]], %c8
// CHECK: %[[UP:.*]] = arith.muli %[[BLOCKS]], %c8
// CHECK: %[[ISWHOLE:.*]] = arith.cmpi eq, %[[UP]], %[[LENGTH]]
// CHECK: scf.if %[[ISWHOLE]] {
// CHECK: %[[XB:.*]] = memref.subview %[[X]][0, 0, 0] [%{{.*}}, %{{.*}}, %[[UP]]] [1, 1, 1]
// CHECK: %[[YB:.*]] = memref.subview %[[Y]][0, 0, 0] [%{{.*}}, %{{.*}}, %[[UP]]] [1, 1, 1]
// CHECK: scf.for %[[IT:.*]] = %c0 to %{{.*}} step %[[ACROSS]] {
// CHECK: %[[X1:.*]] = tile.load %[[XB]][%[[B]], %[[C]], %[[IT]]] : {{.*}} -> tensor<4x256xbf16>
// CHECK: %[[AT:.*]] = arith.subi %[[IT]], %c8
// CHECK: %[[X0:.*]] = tile.load %[[XB]][%[[B]], %[[C]], %[[AT]]] : {{.*}} -> tensor<4x256xbf16>
// CHECK: %[[BACK:.*]] = tile.shift %[[X1]], %[[X0]] by 1 block 8
// CHECK: %[[F0:.*]] = arith.extf %[[BACK]]
// CHECK: %[[SUM:.*]] = arith.mulf %[[F0]], %[[T0]]
// CHECK: %[[F1:.*]] = arith.extf %[[X1]]
// CHECK: %[[ALL:.*]] = math.fma %[[F1]], %[[T1]], %[[SUM]]
// CHECK: %[[OUT:.*]] = arith.truncf %[[ALL]]
// CHECK: tile.store %[[OUT]], %[[YB]][%[[B]], %[[C]], %[[IT]]] :
// CHECK: } else {
// CHECK: scf.for %[[IT:.*]] = %c0 to %{{.*}} step %[[ACROSS]] {
// CHECK: tile.load %[[X]][%[[B]], %[[C]], %[[IT]]] : {{.*}} -> tensor<4x256xbf16>
// CHECK: tile.load %[[X]][%[[B]], %[[C]], %{{.*}}] : {{.*}} -> tensor<4x256xbf16>
// CHECK: tile.store %{{.*}}, %[[Y]][%[[B]], %[[C]], %[[IT]]] :
// CHECK: func @conv(
// CHECK: tile.launch @conv_0 grid(
func.func @conv(%x: tensor<?x?x?xbf16>, %w: tensor<?x2xf32>) -> tensor<?x?x?xbf16> {
  %y = seqc.causal_conv1d x(%x) weight(%w) {schedule = #seqc.schedule<tile_m = 4, tile_n = 256, warps = 4>}
    : (tensor<?x?x?xbf16>, tensor<?x2xf32>) -> tensor<?x?x?xbf16>
  return %y : tensor<?x?x?xbf16>
}

// With an initial state, which the first chunk alone reads. The state that comes
// out is gathered by a kernel of its own: the last columns of the initial state
// and the input behind each other.
// CHECK-LABEL: tile.kernel @states_0(
// CHECK-SAME: %[[S:[a-z0-9]+]]: memref<?x?x3xf16, {{.*}}>
// CHECK: %[[STARTS:.*]] = arith.cmpi slt, %[[IT:.*]], %c3
// CHECK: scf.if %[[STARTS]]
// The state's last column lies before the first step.
// CHECK: %[[AT:.*]] = arith.addi %[[IT]], %c-5
// CHECK: %[[OLD:.*]] = tile.load %[[S]][%{{.*}}, %{{.*}}, %[[AT]]] : {{.*}} -> tensor<4x256xf16>
// CHECK: %[[IS:.*]] = arith.cmpi slt
// CHECK: arith.select %[[IS]], %[[OLD]], %{{.*}} : tensor<4x256xi1>
// CHECK-NOT: arith.select
// CHECK: tile.store
// CHECK-LABEL: tile.kernel @states_1(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x?x?xf16, strided<[?, ?, ?], offset: ?>>, %[[S:[a-z0-9]+]]: memref<?x?x3xf16, strided<[?, ?, ?], offset: ?>>
// CHECK-DAG: %[[NEW:.*]] = tile.gather %[[X]]
// CHECK-DAG: %[[OLD:.*]] = tile.gather %[[S]]
// CHECK: %[[LAST:.*]] = arith.select %{{.*}}, %[[NEW]], %[[OLD]] : tensor<256x4xi1>, tensor<256x4xf16>
// CHECK: tile.store %[[LAST]]
// CHECK-LABEL: func @states(
// CHECK: tile.launch @states_0
// CHECK: tile.launch @states_1
func.func @states(%x: tensor<?x?x?xf16>, %w: tensor<?x4xf32>, %b: tensor<?xf32>, %s: tensor<?x?x3xf16>)
    -> (tensor<?x?x?xf16>, tensor<?x?x3xf16>) {
  %y, %f = seqc.causal_conv1d x(%x) weight(%w) bias(%b) initial_state(%s)
      activation(silu) {schedule = #seqc.schedule<tile_m = 4, tile_n = 256, warps = 4>}
    : (tensor<?x?x?xf16>, tensor<?x4xf32>, tensor<?xf32>, tensor<?x?x3xf16>)
    -> (tensor<?x?x?xf16>, tensor<?x?x3xf16>)
  return %y, %f : tensor<?x?x?xf16>, tensor<?x?x3xf16>
}

//===----------------------------------------------------------------------===//
// Elementwise operators
//===----------------------------------------------------------------------===//

// Inputs may lack a dimension or have them the other way round; an index is the
// element's position in the whole.
// CHECK-LABEL: tile.kernel @elements_0(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x?xf32, {{.*}}>, %[[B:[a-z0-9]+]]: memref<?xf32, {{.*}}>, %[[S:[a-z0-9]+]]: f32, %[[Y:[a-z0-9]+]]: memref<?x?xf32, strided<[?, 1], offset: ?>>, %[[X:[a-z0-9]+]]: index, %[[R:[a-z0-9]+]]: index,
// CHECK-DAG: %[[ROW:.*]] = arith.muli %[[R]], %c8
// CHECK-DAG: %[[COLUMN:.*]] = arith.muli %[[X]], %c128
// CHECK-DAG: tile.load %[[A]][%[[COLUMN]], %[[ROW]]] dims [1, 0] : {{.*}} -> tensor<8x128xf32>
// CHECK-DAG: tile.load %[[B]][%[[COLUMN]]] : {{.*}} -> tensor<128xf32>
// CHECK-DAG: tile.iota 0 : tensor<8xi64>
// CHECK: tile.store %{{.*}}, %[[Y]][%[[ROW]], %[[COLUMN]]]
// CHECK: func @elements(
// CHECK: tile.launch @elements_0
func.func @elements(%a: tensor<?x?xf32>, %b: tensor<?xf32>, %s: f32, %e: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (j)>,
                                        affine_map<(i, j) -> ()>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%a, %b, %s : tensor<?x?xf32>, tensor<?xf32>, f32) outs(%e : tensor<?x?xf32>) {
  ^bb0(%x: f32, %c: f32, %f: f32, %old: f32):
    %i = linalg.index 0 : index
    %n = arith.index_cast %i : index to i32
    %p = arith.sitofp %n : i32 to f32
    %0 = arith.mulf %x, %f : f32
    %1 = arith.addf %0, %c : f32
    %2 = arith.addf %1, %p : f32
    linalg.yield %2 : f32
  } -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// A named operator, of one dimension.
// CHECK-LABEL: tile.kernel @named_0(
// CHECK: arith.addf %{{.*}}, %{{.*}} : tensor<1024xf32>
func.func @named(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %a, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.add ins(%a, %b : tensor<?xf32>, tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// What the result held is read like an input: the argument itself is not written.
// CHECK-LABEL: tile.kernel @accumulates_0(
// CHECK-COUNT-2: tile.load
// CHECK: func @accumulates(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?xf32>, %[[B:[a-z0-9]+]]: tensor<?xf32>
// CHECK: %[[E:.*]] = tensor.empty
// CHECK: tile.launch {{.*}} ins(%[[A]], %[[B]] : {{.*}}) outs(%[[E]]
func.func @accumulates(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<?xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                       iterator_types = ["parallel"]}
      ins(%a : tensor<?xf32>) outs(%b : tensor<?xf32>) {
  ^bb0(%x: f32, %old: f32):
    %0 = arith.addf %x, %old : f32
    linalg.yield %0 : f32
  } -> tensor<?xf32>
  return %y : tensor<?xf32>
}
