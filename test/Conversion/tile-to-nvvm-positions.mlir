// RUN: seqc-opt %s --convert-tile-to-nvvm="chip=sm_90a" --cse --canonicalize | FileCheck %s
// RUN: seqc-opt %s --convert-tile-to-nvvm="chip=sm_80" --cse --canonicalize | FileCheck %s --check-prefix=SM80

#mma = #tile.mma<warps = 4>
#row = #tile.slice<dim = 1, of = #tile.mma<warps = 4>>
#column = #tile.slice<dim = 0, of = #tile.mma<warps = 4>>

// One bound: it becomes the thread's own, and the columns of registers are
// constants. No position is computed.
// CHECK-LABEL: llvm.func @last(
// CHECK-SAME: %[[FIRST:[a-z0-9]+]]: i32
// CHECK-DAG: %[[C9:.*]] = arith.constant 9 : i32
// CHECK-DAG: %[[NEAR:.*]] = arith.constant -1073741824 : i32
// CHECK-DAG: %[[FAR:.*]] = arith.constant 1073741824 : i32
// CHECK: %[[START:.*]] = arith.addi %{{.*}}, %[[FIRST]] : i32
// CHECK: %[[B0:.*]] = arith.maxsi %{{.*}}, %[[NEAR]]
// CHECK: %[[B1:.*]] = arith.minsi %[[B0]], %[[FAR]]
// CHECK: %[[B2:.*]] = arith.subi %[[B1]], %[[START]]
// CHECK: %[[L:.*]] = arith.subi %{{.*}}, %[[START]]
// CHECK: arith.cmpi sge, %[[B2]], %{{.*}} : i32
// CHECK: arith.cmpi sge, %[[L]], %[[C9]] : i32
// CHECK-NOT: arith.cmpi
// CHECK: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// On sm_80 the positions of columns are compared.
// SM80-LABEL: llvm.func @last(
// SM80: arith.cmpi sle, %{{.*}} : vector<8xi32>
tile.kernel @last(%first: index, %s: memref<64xi32>, %y: memref<64x16xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %x = arith.constant dense<1.0> : tensor<64x16xf32, #mma>
  %hidden = arith.constant dense<0xFF800000> : tensor<64x16xf32, #mma>
  %last = tile.load %s[%c0] : memref<64xi32> -> tensor<64xi32, #row>
  %i = tile.iota 0 : tensor<16xi32, #column>
  %start = arith.index_cast %first : index to i32
  %splat = tensor.splat %start : tensor<16xi32, #column>
  %j = arith.addi %i, %splat : tensor<16xi32, #column>
  %columns = tile.broadcast %j along 0 : tensor<16xi32, #column> -> tensor<64x16xi32, #mma>
  %rows = tile.broadcast %last along 1 : tensor<64xi32, #row> -> tensor<64x16xi32, #mma>
  %c = arith.cmpi sle, %columns, %rows : tensor<64x16xi32, #mma>
  %z = arith.select %c, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %z, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  tile.return
}

// Two sides: what each hides is a word for each row and each progression of
// columns (8 k and 8 k + 1), and each element tests a bit of the union.
// CHECK-LABEL: llvm.func @band(
// CHECK-DAG: %[[ONES:.*]] = arith.constant -1 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : i32
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : i32
// CHECK-DAG: %[[C31:.*]] = arith.constant 31 : i32
// Bounds on the right: the word's ones begin behind the bound.
// CHECK: %[[SUM:.*]] = arith.addi %{{.*}}, %[[C8]] : i32
// CHECK: %[[EIGHTH:.*]] = arith.shrsi %[[SUM]], %[[C3]]
// CHECK: %[[SOME:.*]] = arith.maxsi %[[EIGHTH]], %{{.*}}
// CHECK: %[[SEEN:.*]] = arith.minsi %[[SOME]], %[[C31]]
// CHECK: %[[RIGHT:.*]] = arith.shli %[[ONES]], %[[SEEN]]
// CHECK-COUNT-3: arith.shli %[[ONES]]
// Bounds on the left: they end in front of it.
// CHECK: %[[BEFORE:.*]] = arith.shli %[[ONES]]
// CHECK: %[[LEFT:.*]] = arith.xori %[[BEFORE]], %[[ONES]]
// CHECK-COUNT-3: arith.xori %{{.*}}, %[[ONES]]
// CHECK: %[[WORD:.*]] = arith.ori %[[RIGHT]], %[[LEFT]]
// CHECK-COUNT-3: arith.ori
// The first and the fifth register are columns 0 and 8 of the first row.
// CHECK: arith.andi %[[WORD]], %{{.*}} : i32
// CHECK-COUNT-4: arith.cmpi eq
// CHECK: arith.andi %[[WORD]], %[[C2]] : i32
// CHECK: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// SM80-LABEL: llvm.func @band(
// SM80: arith.andi %{{.*}} : vector<8xi1>
tile.kernel @band(%s: memref<64xi32>, %t: memref<64xi32>, %y: memref<64x16xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %x = arith.constant dense<1.0> : tensor<64x16xf32, #mma>
  %hidden = arith.constant dense<0xFF800000> : tensor<64x16xf32, #mma>
  %last = tile.load %s[%c0] : memref<64xi32> -> tensor<64xi32, #row>
  %start = tile.load %t[%c0] : memref<64xi32> -> tensor<64xi32, #row>
  %j = tile.iota 0 : tensor<16xi32, #column>
  %columns = tile.broadcast %j along 0 : tensor<16xi32, #column> -> tensor<64x16xi32, #mma>
  %rows = tile.broadcast %last along 1 : tensor<64xi32, #row> -> tensor<64x16xi32, #mma>
  %starts = tile.broadcast %start along 1 : tensor<64xi32, #row> -> tensor<64x16xi32, #mma>
  %c = arith.cmpi sle, %columns, %rows : tensor<64x16xi32, #mma>
  %d = arith.cmpi sle, %starts, %columns : tensor<64x16xi32, #mma>
  %both = arith.andi %c, %d : tensor<64x16xi1, #mma>
  %z = arith.select %both, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %z, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  tile.return
}

// Numbers that were read are no positions: their sum may wrap around. And
// equality has no bound.
// CHECK-LABEL: llvm.func @others(
// CHECK: arith.cmpi sle, %{{.*}} : vector<8xi32>
// CHECK: arith.cmpi eq, %{{.*}} : vector<8xi32>
tile.kernel @others(%by_how_much: i32, %s: memref<64xi32>, %y: memref<64x16xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %x = arith.constant dense<1.0> : tensor<64x16xf32, #mma>
  %hidden = arith.constant dense<0xFF800000> : tensor<64x16xf32, #mma>
  %last = tile.load %s[%c0] : memref<64xi32> -> tensor<64xi32, #row>
  %i = tile.iota 0 : tensor<16xi32, #column>
  %splat = tensor.splat %by_how_much : tensor<16xi32, #column>
  %j = arith.addi %i, %splat : tensor<16xi32, #column>
  %columns = tile.broadcast %j along 0 : tensor<16xi32, #column> -> tensor<64x16xi32, #mma>
  %rows = tile.broadcast %last along 1 : tensor<64xi32, #row> -> tensor<64x16xi32, #mma>
  %c = arith.cmpi sle, %columns, %rows : tensor<64x16xi32, #mma>
  %z = arith.select %c, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %z, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  %k = tile.broadcast %i along 0 : tensor<16xi32, #column> -> tensor<64x16xi32, #mma>
  %e = arith.cmpi eq, %k, %rows : tensor<64x16xi32, #mma>
  %w = arith.select %e, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %w, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  tile.return
}

// One row of columns is compared, the same for all rows: with a bound of the thread's own, too. In a union both ways
// meet.
// CHECK-LABEL: llvm.func @row_of_columns(
// CHECK-SAME: %[[LENGTH:[a-z0-9]+]]: i32
// CHECK-DAG: %[[C9:.*]] = arith.constant 9 : i32
// CHECK-DAG: %[[NEAR:.*]] = arith.constant -1073741824 : i32
// CHECK-DAG: %[[FAR:.*]] = arith.constant 1073741824 : i32
// CHECK-DAG: %[[M1:.*]] = arith.constant -1 : i32
// CHECK: %[[B0:.*]] = arith.maxsi %[[LENGTH]], %[[NEAR]]
// CHECK: %[[B1:.*]] = arith.minsi %[[B0]], %[[FAR]]
// CHECK: %[[B2:.*]] = arith.subi %[[B1]], %{{.*}}
// CHECK: %[[BOUND:.*]] = arith.addi %[[B2]], %[[M1]]
// CHECK: arith.cmpi sge, %[[BOUND]], %{{.*}} : i32
// CHECK: arith.cmpi sge, %[[BOUND]], %[[C9]] : i32
// CHECK-NOT: arith.cmpi
// CHECK: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// CHECK: nvx.store
// CHECK: %[[WORD:.*]] = arith.ori %{{.*}} : i32
// CHECK: arith.andi %[[WORD]], %{{.*}} : i32
// CHECK-NOT: vector<8xi32>
// CHECK: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// SM80-LABEL: llvm.func @row_of_columns(
// SM80: arith.cmpi slt, %{{.*}} : vector<4xi32>
tile.kernel @row_of_columns(%length: i32, %s: memref<64xi32>, %y: memref<64x16xf32>,
                            %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %x = arith.constant dense<1.0> : tensor<64x16xf32, #mma>
  %hidden = arith.constant dense<0xFF800000> : tensor<64x16xf32, #mma>
  %j = tile.iota 0 : tensor<16xi32, #column>
  %end = tensor.splat %length : tensor<16xi32, #column>
  %inside = arith.cmpi slt, %j, %end : tensor<16xi32, #column>
  %c = tile.broadcast %inside along 0 : tensor<16xi1, #column> -> tensor<64x16xi1, #mma>
  %z = arith.select %c, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %z, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  %start = tile.load %s[%c0] : memref<64xi32> -> tensor<64xi32, #row>
  %columns = tile.broadcast %j along 0 : tensor<16xi32, #column> -> tensor<64x16xi32, #mma>
  %starts = tile.broadcast %start along 1 : tensor<64xi32, #row> -> tensor<64x16xi32, #mma>
  %d = arith.cmpi sle, %starts, %columns : tensor<64x16xi32, #mma>
  %both = arith.andi %c, %d : tensor<64x16xi1, #mma>
  %w = arith.select %both, %x, %hidden : tensor<64x16xi1, #mma>, tensor<64x16xf32, #mma>
  tile.store %w, %y[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x16xf32>
  tile.return
}
