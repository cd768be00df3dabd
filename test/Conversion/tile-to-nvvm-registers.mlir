// RUN: seqc-opt %s --convert-tile-to-nvvm --cse | FileCheck %s

#mma = #tile.mma<warps = 4>
#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>

// A thread holds two rows of 4 columns each: two chains for both rows at a time, then
// the four lanes of a row.
// CHECK-LABEL: llvm.func @sum
// CHECK: %[[E0:.*]] = vector.shuffle %[[T:.*]], %[[T]] [0, 2] : vector<8xf32>, vector<8xf32>
// CHECK: %[[O0:.*]] = vector.shuffle %[[T]], %[[T]] [1, 3] : vector<8xf32>, vector<8xf32>
// CHECK: %[[E1:.*]] = vector.shuffle %[[T]], %[[T]] [4, 6] : vector<8xf32>, vector<8xf32>
// CHECK: %[[E:.*]] = arith.addf %[[E0]], %[[E1]] : vector<2xf32>
// CHECK: %[[O1:.*]] = vector.shuffle %[[T]], %[[T]] [5, 7] : vector<8xf32>, vector<8xf32>
// CHECK: %[[O:.*]] = arith.addf %[[O0]], %[[O1]] : vector<2xf32>
// CHECK: %[[S0:.*]] = arith.addf %[[E]], %[[O]] : vector<2xf32>
// CHECK-COUNT-2: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c1_i32, %c31_i32 : f32 -> f32
// CHECK: %[[S1:.*]] = arith.addf %[[S0]], %{{.*}} : vector<2xf32>
// CHECK-COUNT-2: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c2_i32, %c31_i32 : f32 -> f32
// CHECK: arith.addf %[[S1]], %{{.*}} : vector<2xf32>
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @sum(%x: memref<64x16xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] : memref<64x16xf32> -> tensor<64x16xf32, #mma>
  %r = tile.reduce add %t along 1 : tensor<64x16xf32, #mma> -> tensor<64xf32, #row>
  tile.store %r, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// A maximum ignores NaN. 16-bit numbers are combined in f32.
// CHECK-LABEL: llvm.func @kinds
// CHECK: arith.extf %{{.*}} : vector<4xbf16> to vector<4xf32>
// CHECK: arith.maxnumf %{{.*}} : vector<2xf32>
// CHECK: arith.truncf %{{.*}} : vector<2xf32> to vector<2xbf16>
// CHECK: arith.addf %{{.*}} : vector<2xf32>
// CHECK: arith.truncf %{{.*}} : vector<2xf32> to vector<2xbf16>
tile.kernel @kinds(%x: memref<64x8xbf16>, %y: memref<64x2xbf16>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tile.load %x[%c0, %c0] : memref<64x8xbf16> -> tensor<64x8xbf16, #mma>
  %b = tile.reduce max %t along 1 : tensor<64x8xbf16, #mma> -> tensor<64xbf16, #row>
  %s = tile.reduce add %t along 1 : tensor<64x8xbf16, #mma> -> tensor<64xbf16, #row>
  tile.store %b, %y[%c0, %c0] dims [0] : tensor<64xbf16, #row>, memref<64x2xbf16>
  tile.store %s, %y[%c0, %c1] dims [0] : tensor<64xbf16, #row>, memref<64x2xbf16>
  tile.return
}

// A fold stays in the thread; a broadcast repeats registers.
// CHECK-LABEL: llvm.func @fold
// CHECK: vector.shuffle %{{.*}} [0, 1, 2, 3] : vector<12xf32>
// CHECK: vector.shuffle %{{.*}} [4, 5, 6, 7] : vector<12xf32>
// CHECK: vector.shuffle %{{.*}} [8, 9, 10, 11] : vector<12xf32>
// CHECK-NOT: nvvm.shfl.sync bfly
// CHECK: vector.shuffle %{{.*}} [0, 0, 1, 1] : vector<2xf32>
tile.kernel @fold(%x: memref<64x24xf32>, %m: memref<64xf32>, %y: memref<64x8xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] : memref<64x24xf32> -> tensor<64x24xf32, #mma>
  %f = tile.fold add %t : tensor<64x24xf32, #mma> -> tensor<64x8xf32, #mma>
  %r = tile.load %m[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %b = tile.broadcast %r along 1 : tensor<64xf32, #row> -> tensor<64x8xf32, #mma>
  %s = arith.subf %f, %b : tensor<64x8xf32, #mma>
  tile.store %s, %y[%c0, %c0] : tensor<64x8xf32, #mma>, memref<64x8xf32>
  tile.return
}

// The place of the thread, and a constant for each register.
// CHECK-LABEL: llvm.func @iota
// CHECK-DAG: %[[R:.*]] = arith.constant dense<[0, 0, 8, 8, 0, 0, 8, 8]> : vector<8xi32>
// CHECK-DAG: %[[C:.*]] = arith.constant dense<[0, 1, 0, 1, 8, 9, 8, 9]> : vector<8xi32>
// CHECK: %[[LANE:.*]] = arith.andi %{{.*}}, %c31_i32 : i32
// CHECK: %[[WARP:.*]] = nvvm.shfl.sync idx
// CHECK: %[[W:.*]] = arith.muli %[[WARP]], %c16_i32 : i32
// CHECK: %[[L:.*]] = arith.shrui %[[LANE]], %c2_i32 : i32
// CHECK: %[[ROW:.*]] = arith.addi %[[W]], %[[L]] : i32
// CHECK: %[[ROWS:.*]] = vector.broadcast %[[ROW]] : i32 to vector<8xi32>
// CHECK: arith.addi %[[ROWS]], %[[R]] : vector<8xi32>
// CHECK: %[[Q:.*]] = arith.andi %[[LANE]], %c3_i32 : i32
// CHECK: %[[COLUMN:.*]] = arith.muli %[[Q]], %c2_i32 : i32
// CHECK: %[[COLUMNS:.*]] = vector.broadcast %[[COLUMN]] : i32 to vector<8xi32>
// CHECK: arith.addi %[[COLUMNS]], %[[C]] : vector<8xi32>
tile.kernel @iota(%y: memref<64x16xi32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<64x16xi32, #mma>
  %j = tile.iota 1 : tensor<64x16xi32, #mma>
  %s = arith.muli %i, %j : tensor<64x16xi32, #mma>
  tile.store %s, %y[%c0, %c0] : tensor<64x16xi32, #mma>, memref<64x16xi32>
  tile.return
}

// A thread starts from its own number; the constants are its registers' places.
// CHECK-LABEL: llvm.func @ramp(
// CHECK-SAME: %[[START:[a-z0-9]+]]: f32, %[[STEP:[a-z0-9]+]]: f32
// CHECK-DAG: %[[R:.*]] = arith.constant dense<[0.000000e+00, 8.000000e+00]> : vector<2xf32>
// CHECK: %[[PLACE:.*]] = arith.sitofp %{{.*}} : i32 to f32
// CHECK: %[[OWN:.*]] = math.fma %[[STEP]], %[[PLACE]], %[[START]] : f32
// CHECK-DAG: %[[STEPS:.*]] = vector.broadcast %[[STEP]] : f32 to vector<2xf32>
// CHECK-DAG: %[[OWNS:.*]] = vector.broadcast %[[OWN]] : f32 to vector<2xf32>
// CHECK: math.fma %[[STEPS]], %[[R]], %[[OWNS]] : vector<2xf32>
tile.kernel @ramp(%start: f32, %step: f32, %y: memref<64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.ramp %start, %step along 0 : tensor<64xf32, #row>
  tile.store %r, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// A ramp along columns and numbers of rows: the thread's part is added to its
// rows, and an element is one instruction.
// CHECK-LABEL: llvm.func @ramp_sum(
// CHECK-SAME: %[[START:[a-z0-9]+]]: f32, %[[STEP:[a-z0-9]+]]: f32
// CHECK-DAG: %[[C:.*]] = arith.constant dense<[0.000000e+00, 1.000000e+00, 0.000000e+00, 1.000000e+00, 8.000000e+00, 9.000000e+00, 8.000000e+00, 9.000000e+00]> : vector<8xf32>
// CHECK: %[[STEP2:.*]] = vector.broadcast %[[STEP]] : f32 to vector<2xf32>
// CHECK: %[[BASE:.*]] = vector.broadcast %{{.*}} : f32 to vector<2xf32>
// CHECK: %[[OWN:.*]] = math.fma %[[STEP2]], %[[BASE]], %{{.*}} : vector<2xf32>
// CHECK: %[[STARTS:.*]] = vector.broadcast %[[START]] : f32 to vector<2xf32>
// CHECK: %[[ROWS:.*]] = arith.addf %[[OWN]], %[[STARTS]] : vector<2xf32>
// CHECK: %[[STEPS:.*]] = vector.broadcast %[[STEP]] : f32 to vector<8xf32>
// CHECK: %[[WIDE:.*]] = vector.shuffle %[[ROWS]], %[[ROWS]] [0, 0, 1, 1, 0, 0, 1, 1]
// CHECK: math.fma %[[STEPS]], %[[C]], %[[WIDE]] : vector<8xf32>
// CHECK-NOT: math.fma
// CHECK: llvm.return
tile.kernel @ramp_sum(%start: f32, %step: f32, %x: memref<64xf32>, %y: memref<64x16xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %rows = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #tile.slice<dim = 1, of = #mma>>
  %wide = tile.broadcast %rows along 1 : tensor<64xf32, #tile.slice<dim = 1, of = #mma>> -> tensor<64x16xf32, #mma>
  %ramp = tile.ramp %start, %step along 0 : tensor<16xf32, #tile.slice<dim = 0, of = #mma>>
  %high = tile.broadcast %ramp along 0 : tensor<16xf32, #tile.slice<dim = 0, of = #mma>> -> tensor<64x16xf32, #mma>
  %sum = arith.addf %high, %wide : tensor<64x16xf32, #mma>
  tile.store %sum, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  tile.return
}

// A warp votes, and branches as one; LLVM must not make a choice of it.
// CHECK-LABEL: llvm.func @update(
// CHECK: %[[ANY:.*]] = nvvm.vote.sync any %c-1_i32, %{{.*}} -> i1
// CHECK: scf.if %[[ANY]] -> (vector<2xf32>)
// CHECK-NEXT: nvx.keep_branch
// CHECK: arith.addf
// CHECK: scf.yield
// CHECK: else
// CHECK-NOT: nvx.keep_branch
// CHECK: scf.yield
tile.kernel @update(%x: memref<64xf32>, %y: memref<64xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %m = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %b = tile.broadcast %m along 1 : tensor<64xf32, #row> -> tensor<64x8xf32, #mma>
  %zero = arith.constant dense<0.0> : tensor<64x8xf32, #mma>
  %c = arith.cmpf ogt, %b, %zero : tensor<64x8xf32, #mma>
  %r = tile.update_where %c (%m) warps 4 {
    %s = arith.addf %m, %m : tensor<64xf32, #row>
    tile.yield %s : tensor<64xf32, #row>
  } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
  tile.store %r, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}

// Two updates with one condition: one vote, which branches behind it see too. A vote in a branch is for that branch
// alone.
// CHECK-LABEL: llvm.func @votes(
// CHECK: %[[FIRST:.*]] = nvvm.vote.sync any %c-1_i32, %{{.*}} -> i1
// CHECK: %[[X:.*]] = scf.if %[[FIRST]] -> (vector<2xf32>)
// CHECK: %[[Y:.*]] = scf.if %[[FIRST]] -> (vector<2xf32>)
// CHECK-NEXT: nvx.keep_branch
// CHECK-NEXT: arith.mulf %[[X]], %[[X]]
// CHECK: scf.if %{{.*}} -> (vector<2xf32>) {
// CHECK: %[[SECOND:.*]] = nvvm.vote.sync any
// CHECK: scf.if %[[SECOND]]
// CHECK: scf.if %[[FIRST]]
// CHECK: %[[THIRD:.*]] = nvvm.vote.sync any
// CHECK: scf.if %[[THIRD]]
// CHECK-NOT: nvvm.vote
// CHECK: llvm.return
tile.kernel @votes(%x: memref<64xf32>, %y: memref<64xf32>, %when: i1, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %m = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #row>
  %b = tile.broadcast %m along 1 : tensor<64xf32, #row> -> tensor<64x8xf32, #mma>
  %zero = arith.constant dense<0.0> : tensor<64x8xf32, #mma>
  %c = arith.cmpf ogt, %b, %zero : tensor<64x8xf32, #mma>
  %d = arith.cmpf olt, %b, %zero : tensor<64x8xf32, #mma>
  %r = tile.update_where %c (%m) warps 4 {
    %s = arith.addf %m, %m : tensor<64xf32, #row>
    tile.yield %s : tensor<64xf32, #row>
  } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
  %t = tile.update_where %c (%r) warps 4 {
    %s = arith.mulf %r, %r : tensor<64xf32, #row>
    tile.yield %s : tensor<64xf32, #row>
  } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
  %u = scf.if %when -> (tensor<64xf32, #row>) {
    %v = tile.update_where %d (%t) warps 4 {
      %s = arith.addf %t, %t : tensor<64xf32, #row>
      tile.yield %s : tensor<64xf32, #row>
    } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
    %w = tile.update_where %c (%v) warps 4 {
      %s = arith.subf %v, %m : tensor<64xf32, #row>
      tile.yield %s : tensor<64xf32, #row>
    } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
    scf.yield %w : tensor<64xf32, #row>
  } else {
    scf.yield %t : tensor<64xf32, #row>
  }
  %z = tile.update_where %d (%u) warps 4 {
    %s = arith.addf %u, %m : tensor<64xf32, #row>
    tile.yield %s : tensor<64xf32, #row>
  } : tensor<64x8xi1, #mma>, tensor<64xf32, #row>
  tile.store %z, %y[%c0] : tensor<64xf32, #row>, memref<64xf32>
  tile.return
}
