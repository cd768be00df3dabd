// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-recompute-backward{grids=true},canonicalize,seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-recompute-backward{grids=true},canonicalize,seqc-tile{single-loop=true},cse),convert-seqc-to-tile{aligned=false},canonicalize,cse)" | FileCheck %s --check-prefix=STRIDED
// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-recompute-backward{grids=true},canonicalize,seqc-tile{single-loop=true},cse),convert-seqc-to-tile)" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: convert-seqc-to-tile{{$}}
// STATS-NEXT: 11 kernels-formed

// The states before chunks. Chunks are whole here; the state after the last one is
// not needed.
// CHECK-LABEL: tile.kernel @scan_0(
// CHECK-SAME: nvvm.minctasm = 4 : i32
// CHECK: %[[LAST:.*]] = scf.for %{{.*}} = %c0 to %{{.*}} step %c1 iter_args(%[[H:.*]] = %{{.*}}) -> (tensor<32x16xf32>)
// CHECK: tile.store %[[H]]
// CHECK: tile.exchange
// CHECK: tile.recurrence {{.*}} along 1 :
// CHECK: }
// CHECK: tile.store %[[LAST]]

// The gradients: the first chunk may be cut and stands by itself; the others are a
// loop. Four steps at a time go forwards, then backwards.
// CHECK-LABEL: tile.kernel @scan_1(
// CHECK: scf.if
// CHECK: scf.for
// CHECK-COUNT-4: tile.recurrence {{.*}} along 1 before : tensor<32x4x16xf32>
// CHECK: tensor.extract_slice {{.*}} {tile.again}
// CHECK-COUNT-4: tile.recurrence {{.*}} along 1 adjoint : tensor<32x4x16xf32>
// CHECK: tile.sum_blocks {{.*}} : tensor<32x4x16xf32> -> tensor<4x64xf32>
// CHECK: tile.store {{.*}} dims [3, 2] inside [0] : tensor<16x16xf32>
// CHECK: tile.store {{.*}} inside [1] : tensor<32x16xbf16>
// CHECK: scf.yield
// CHECK-LABEL: func.func @scan(
// CHECK-COUNT-5: tile.launch
func.func @scan(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %B: tensor<?x16x?xbf16>, %C: tensor<?x16xf32>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16xf32>) {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) out_grad(%u)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 16, warps = 4>}
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16xf32>, tensor<?x?x?xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16xf32>)
  return %0#0, %0#1, %0#2, %0#3, %0#4 : tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16xf32>
}

// Chunks read three blocks of x and two of out_grad, and what lies between blocks is
// a shift. Inner ones read whole vectors. The first chunk and the last ones go up
// to a multiple of 8 steps if the sequence does, and else read each step.
// CHECK-LABEL: tile.kernel @conv_0(
// CHECK: scf.for
// CHECK-COUNT-5: tile.load {{.*}} inside [1] : {{.*}} -> tensor<4x256xbf16>
// CHECK: tile.store {{.*}} inside [1] : tensor<4x256xbf16>
// CHECK-NOT: inside [1]
// CHECK: %[[BLOCKS:.*]] = arith.divui %[[LENGTH:.*]], %c8
// CHECK: %[[UP:.*]] = arith.muli %[[BLOCKS]], %c8
// CHECK: %[[ISWHOLE:.*]] = arith.cmpi eq, %[[UP]], %[[LENGTH]]
// CHECK: scf.if %[[ISWHOLE]]
// CHECK-COUNT-3: memref.subview {{.*}}[0, 0, 0] [%{{.*}}, %{{.*}}, %[[UP]]]
// CHECK: scf.for
// CHECK-COUNT-5: tile.load %subview{{.*}} -> tensor<4x256xbf16>
// CHECK: tile.store {{.*}}, %subview{{.*}}] : tensor<4x256xbf16>
// CHECK: else
// CHECK: scf.for
// CHECK-COUNT-5: tile.load %arg{{.*}}] : {{.*}} -> tensor<4x256xbf16>
// CHECK: tile.store {{.*}}, %arg{{.*}}] : tensor<4x256xbf16>
// CHECK-COUNT-5: tile.reduce add {{.*}} along 1 : tensor<4x256xf32>

// Where steps may have any stride they are read at each distance: seven of x, four
// of out_grad.
// STRIDED-LABEL: tile.kernel @conv_0(
// STRIDED-NOT: tile.shift
// STRIDED: scf.for
// STRIDED-COUNT-11: tile.load {{.*}}] : {{.*}} -> tensor<4x256xbf16>
// STRIDED-NOT: tile.load
// STRIDED: tile.return
func.func @conv(%x: tensor<?x?x?xbf16>, %g: tensor<?x?x?xbf16>, %w: tensor<?x4xbf16>, %b: tensor<?xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x4xbf16>, tensor<?xbf16>) {
  %0:3 = seqc.causal_conv1d_backward x(%x) weight(%w) bias(%b) out_grad(%g) activation(silu)
      {schedule = #seqc.schedule<tile_m = 4, tile_n = 256, warps = 4>}
    : (tensor<?x?x?xbf16>, tensor<?x4xbf16>, tensor<?xbf16>, tensor<?x?x?xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x4xbf16>) bias_grad(tensor<?xbf16>)
  return %0#0, %0#1, %0#2 : tensor<?x?x?xbf16>, tensor<?x4xbf16>, tensor<?xbf16>
}

// Only what is wanted is written: B_grad, of channels in two groups.
// CHECK-LABEL: tile.kernel @one_1(
// CHECK-NOT: tile.store {{.*}} tensor<32x16xbf16>
// CHECK: tile.store {{.*}} dims [4, 3] {{.*}} tensor<16x16xf32>
// CHECK-NOT: tile.store {{.*}} tensor<32x16xbf16>
// CHECK: tile.return
func.func @one(%u: tensor<2x70x96xbf16>, %A: tensor<70x16xf32>, %B: tensor<2x2x16x96xbf16>) -> tensor<2x2x16x96xbf16> {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%A) out_grad(%u)
      {schedule = #seqc.schedule<tile_m = 32, tile_n = 16, warps = 4>}
    : (tensor<2x70x96xbf16>, tensor<2x70x96xbf16>, tensor<70x16xf32>, tensor<2x2x16x96xbf16>, tensor<70x16xf32>, tensor<2x70x96xbf16>)
    -> (tensor<2x70x96xbf16>, tensor<2x70x96xbf16>, tensor<70x16xf32>, tensor<2x2x16x96xbf16>, tensor<70x16xf32>)
  return %0#3 : tensor<2x2x16x96xbf16>
}
