// RUN: seqc-opt %s --seqc-online-softmax --seqc-pack-heads --seqc-schedule=chip=sm_90a --canonicalize --cse --seqc-split-reduction=chip=sm_90a --seqc-tile-merge --seqc-tile=single-loop --seqc-collapse-grid --cse --convert-seqc-to-tile=chip=sm_90a | FileCheck %s

// A step of decoding: parts, batch and heads share the grid, and the merge
// of one row is a block whose warps share its columns.

// Parts and batch share z.
// CHECK-LABEL: tile.kernel @step_0(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x8x1x64xbf16, strided<[?, ?, ?, 1], offset: ?>>
// CHECK-SAME: %[[PM:[a-z0-9]+]]: memref<?x?x2x4xf32
// CHECK-SAME: %[[X:[a-z0-9]+]]: index, %[[Y:[a-z0-9]+]]: index, %[[Z:[a-z0-9]+]]: index) attributes {
// CHECK-SAME: warps = 1
// CHECK: %[[B:.*]] = arith.remui %[[Z]], %[[BATCHES:.*]] : index
// CHECK: %[[P:.*]] = arith.divui %[[Z]], %[[BATCHES]] : index
// The rows of key head y are query heads 4 y, 4 y + 1, ...
// CHECK: %[[FIRST:.*]] = arith.muli %[[Y]], %{{.*}} : index
// CHECK: %[[HEAD:.*]] = arith.addi %[[FIRST]], %{{.*}} : index
// CHECK: tile.load %[[Q]][%[[B]], %[[HEAD]], %{{.*}}, %{{.*}}] dims [1, 3] : {{.*}} -> tensor<16x64xbf16>
// CHECK: scf.for
// CHECK: tile.store %{{.*}}, %[[PM]][%[[P]], %[[B]], %[[Y]], %{{.*}}] : tensor<16xf32>

// CHECK-LABEL: tile.kernel @step_1(
// CHECK-SAME: %[[PM:[a-z0-9]+]]: memref<?x?x2x4xf32, {{.*}}>, %[[PS:[a-z0-9]+]]: memref<?x?x2x4xf32, {{.*}}>, %[[PA:[a-z0-9]+]]: memref<?x?x2x4x64xf32,
// CHECK-SAME: warps = 2
// CHECK: %[[PARTS:.*]] = memref.dim %[[PM]]
// CHECK: %[[R:.*]]:3 = scf.for %[[I:.*]] = %{{.*}} to %[[PARTS]] step %c32 iter_args(%[[M:.*]] = %{{.*}}, %[[S:.*]] = %{{.*}}, %[[A:.*]] = %{{.*}}) -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf32>)
// CHECK: %[[PA0:.*]] = tile.load %[[PA]][%[[I]], {{.*}} dims [0, 4] : {{.*}} -> tensor<32x64xf32>
// CHECK: %[[PM0:.*]] = tile.load %[[PM]][%[[I]], {{.*}} dims [0] : {{.*}} -> tensor<32xf32>
// CHECK: %[[PS0:.*]] = tile.load %[[PS]][%[[I]], {{.*}} dims [0] : {{.*}} -> tensor<32xf32>
// CHECK: %[[EXISTS:.*]] = arith.cmpi slt, %{{.*}} : tensor<32xi32>
// CHECK: %[[M0:.*]] = arith.select %[[EXISTS]], %[[PM0]],
// CHECK: %[[MS:.*]] = tile.broadcast %[[M0]] along 1 : tensor<32xf32> -> tensor<32x64xf32>
// CHECK: %[[MAX:.*]] = tile.reduce max %[[MS]] along 0
// CHECK: %[[TOP:.*]] = arith.maxnumf %[[M]], %[[MAX]] : tensor<64xf32>
// CHECK: %[[WEIGHTS:.*]] = math.exp2 %{{.*}} : tensor<32x64xf32>
// CHECK: %[[SS:.*]] = tile.broadcast %[[PS0]] along 1
// CHECK: arith.mulf %[[WEIGHTS]], %[[SS]]
// CHECK: tile.reduce add {{.*}} along 0
// CHECK: math.fma {{.*}}, %[[S]], {{.*}} : tensor<64xf32>
// CHECK: arith.mulf %[[WEIGHTS]], %[[PA0]]
// CHECK: tile.reduce add {{.*}} along 0
// CHECK: math.fma {{.*}}, %[[A]], {{.*}} : tensor<64xf32>
// CHECK: scf.yield
// CHECK: %[[FACTOR:.*]] = arith.select {{.*}} : tensor<64xi1>, tensor<64xf32>
// CHECK: %[[O:.*]] = arith.mulf %[[R]]#2, %[[FACTOR]]
// CHECK: %[[OUT:.*]] = arith.truncf %[[O]] : tensor<64xf32> to tensor<64xbf16>
// CHECK: tile.store %[[OUT]],

// CHECK-LABEL: func @step(
// CHECK: %[[E:.*]]:3 = tile.launch @step_0
// CHECK: tile.launch @step_1 {{.*}} ins(%[[E]]#0, %[[E]]#1, %[[E]]#2
func.func @step(%q: tensor<?x8x1x64xbf16>, %k: tensor<?x2x?x64xbf16>,
                %v: tensor<?x2x?x64xbf16>) -> tensor<?x8x1x64xbf16> {
  %o = seqc.attention query(%q) key(%k) value(%v)
    : (tensor<?x8x1x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>)
    -> tensor<?x8x1x64xbf16>
  return %o : tensor<?x8x1x64xbf16>
}
