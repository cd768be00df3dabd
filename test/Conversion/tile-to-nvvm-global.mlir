// RUN: seqc-opt %s --convert-tile-to-nvvm --canonicalize --cse | FileCheck %s
// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse | FileCheck %s --check-prefix=SM90
// RUN: seqc-opt %s --convert-tile-to-nvvm=aligned=false | FileCheck %s --check-prefix=UNALIGNED

// Nothing is accessed in vectors when views may start anywhere.
// UNALIGNED-NOT: nvx.{{load|store}}{{.*}}vector
// UNALIGNED-NOT: array<i64: {{[0-9]}}

#mma = #tile.mma<warps = 4>
#rows = #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [4, 1]>
#quads = #tile.blocked<thread = [1, 4], lanes = [32, 1], warps = [4, 1]>

// 16 bytes at a time where a thread has 8 elements of a row. A row is inside or not; the
// columns all are.
// CHECK-LABEL: llvm.func @vectors
// CHECK-SAME: seqc.aligned = array<i64: 0, 1>
// CHECK: %[[IN0:.*]] = arith.cmpi ult, %[[ROW:.*]], %[[N:.*]] : i32
// CHECK: %[[ROW1:.*]] = arith.addi %[[ROW]], %c16_i32 : i32
// CHECK: %[[IN1:.*]] = arith.cmpi ult, %[[ROW1]], %[[N]] : i32
// CHECK: nvx.load %{{.*}} when %[[IN0]] : vector<8xbf16>
// CHECK: nvx.load %{{.*}} when %[[IN0]] : vector<8xbf16>
// CHECK: nvx.load %{{.*}} when %[[IN1]] : vector<8xbf16>
// CHECK: nvx.load %{{.*}} when %[[IN1]] : vector<8xbf16>
// CHECK-NOT: nvx.load
// CHECK-COUNT-4: nvx.store %{{.*}} : vector<8xbf16>
// CHECK-NOT: nvx.store
tile.kernel @vectors(%x: memref<?x128xbf16, strided<[?, 1], offset: ?>>, %y: memref<?x128xbf16, strided<[?, 1], offset: ?>>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c32 = arith.constant 32 : index
  %c0 = arith.constant 0 : index
  %i = arith.muli %bx, %c32 : index
  %t = tile.load %x[%i, %c0] : memref<?x128xbf16, strided<[?, 1], offset: ?>> -> tensor<32x128xbf16, #rows>
  tile.store %t, %y[%i, %c0] : tensor<32x128xbf16, #rows>, memref<?x128xbf16, strided<[?, 1], offset: ?>>
  tile.return
}

// One element at a time where a vector could be unaligned or half inside: a
// start that is a multiple of nothing, a size that is no multiple of the vector, a static stride that
// is none, a size that is not known, and a stride that is not known.
// CHECK-LABEL: llvm.func @scalars
// CHECK-SAME: seqc.aligned = array<i64>
// CHECK-NOT: nvx.load {{.*}}vector
// CHECK: llvm.return
tile.kernel @scalars(%a: memref<?x128xbf16, strided<[?, 1], offset: ?>>, %b: memref<?x125xbf16, strided<[?, 1], offset: ?>>,
                     %c: memref<?x128xbf16, strided<[129, 1], offset: ?>>, %d: memref<?x?xbf16, strided<[?, 1], offset: ?>>,
                     %e: memref<?x128xbf16, strided<[?, ?], offset: ?>>, %y: memref<32x128x5xbf16>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t0 = tile.load %a[%c0, %bx] : memref<?x128xbf16, strided<[?, 1], offset: ?>> -> tensor<32x128xbf16, #rows>
  %t1 = tile.load %b[%c0, %c0] : memref<?x125xbf16, strided<[?, 1], offset: ?>> -> tensor<32x128xbf16, #rows>
  %t2 = tile.load %c[%c0, %c0] : memref<?x128xbf16, strided<[129, 1], offset: ?>> -> tensor<32x128xbf16, #rows>
  %t3 = tile.load %d[%c0, %c0] : memref<?x?xbf16, strided<[?, 1], offset: ?>> -> tensor<32x128xbf16, #rows>
  %t4 = tile.load %e[%c0, %c0] : memref<?x128xbf16, strided<[?, ?], offset: ?>> -> tensor<32x128xbf16, #rows>
  %s0 = arith.addf %t0, %t1 : tensor<32x128xbf16, #rows>
  %s1 = arith.addf %s0, %t2 : tensor<32x128xbf16, #rows>
  %s2 = arith.addf %s1, %t3 : tensor<32x128xbf16, #rows>
  %s3 = arith.addf %s2, %t4 : tensor<32x128xbf16, #rows>
  tile.store %s3, %y[%c0, %c0, %c0] dims [0, 1] : tensor<32x128xbf16, #rows>, memref<32x128x5xbf16>
  tile.return
}

// Rows of 8 bytes next to each other do not start at multiples of 16 bytes, so no launch may ask for that; rows
// of 16 bytes do, and so do those that are known to be apart.
// CHECK-LABEL: llvm.func @short_rows
// CHECK-SAME: seqc.aligned = array<i64: 1, 2>
// CHECK-NOT: nvx.load {{.*}}vector
// CHECK: nvx.store %{{.*}} : vector<4xf32>
// CHECK: nvx.store %{{.*}} : vector<4xbf16>
tile.kernel @short_rows(%x: memref<?x4xbf16, strided<[?, 1], offset: ?>>, %y: memref<?x4xf32, strided<[?, 1], offset: ?>>,
                        %z: memref<?x4xbf16, strided<[8, 1], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c128 = arith.constant 128 : index
  %c0 = arith.constant 0 : index
  %i = arith.muli %bx, %c128 : index
  %t = tile.load %x[%i, %c0] : memref<?x4xbf16, strided<[?, 1], offset: ?>> -> tensor<128x4xbf16, #quads>
  %f = arith.extf %t : tensor<128x4xbf16, #quads> to tensor<128x4xf32, #quads>
  tile.store %f, %y[%i, %c0] : tensor<128x4xf32, #quads>, memref<?x4xf32, strided<[?, 1], offset: ?>>
  tile.store %t, %z[%i, %c0] : tensor<128x4xbf16, #quads>, memref<?x4xbf16, strided<[8, 1], offset: ?>>
  tile.return
}

// A part of a view up to a multiple of 8: a vector is inside or not. It starts where the argument does, which is
// therefore aligned. Up to a multiple of 4 there are 4 elements in a vector.
// CHECK-LABEL: llvm.func @up_to_a_multiple
// CHECK-SAME: seqc.aligned = array<i64: 0, 1>
// CHECK: nvx.load %{{.*}} when %{{.*}} : vector<8xbf16>
// CHECK-NOT: nvx.load
// CHECK: nvx.store %{{.*}} when %{{.*}} : vector<4xbf16>
// CHECK: nvx.store %{{.*}} when %{{.*}} : vector<4xbf16>
// CHECK-NOT: nvx.store
tile.kernel @up_to_a_multiple(%x: memref<?x?xbf16, strided<[?, 1], offset: ?>>, %y: memref<?x?xbf16, strided<[?, 1], offset: ?>>,
                              %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %rows = memref.dim %x, %c0 : memref<?x?xbf16, strided<[?, 1], offset: ?>>
  %columns = memref.dim %x, %c1 : memref<?x?xbf16, strided<[?, 1], offset: ?>>
  %eights = arith.divui %columns, %c8 : index
  %up = arith.muli %eights, %c8 : index
  %fours = arith.divui %columns, %c4 : index
  %to = arith.muli %fours, %c4 : index
  %xs = memref.subview %x[0, 0] [%rows, %up] [1, 1] : memref<?x?xbf16, strided<[?, 1], offset: ?>> to memref<?x?xbf16, strided<[?, 1], offset: ?>>
  %ys = memref.subview %y[0, 0] [%rows, %to] [1, 1] : memref<?x?xbf16, strided<[?, 1], offset: ?>> to memref<?x?xbf16, strided<[?, 1], offset: ?>>
  %t = tile.load %xs[%c0, %c0] : memref<?x?xbf16, strided<[?, 1], offset: ?>> -> tensor<16x64xbf16, #rows>
  tile.store %t, %ys[%c0, %c0] : tensor<16x64xbf16, #rows>, memref<?x?xbf16, strided<[?, 1], offset: ?>>
  tile.return
}

// As many as start at a multiple: 16 (j) is one of 4 f32, 2 (k) of 2.
// CHECK-LABEL: llvm.func @multiples
// CHECK: nvx.load %{{.*}} : vector<4xf32>
// CHECK: nvx.load %{{.*}} : vector<2xf32>
tile.kernel @multiples(%x: memref<?x128xf32, strided<[?, 1], offset: ?>>, %y: memref<32x32xf32>, %n: index,
                       %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  scf.for %j = %c0 to %n step %c16 {
    %k = arith.muli %j, %bx : index
    %k2 = arith.addi %k, %c2 : index
    %t = tile.load %x[%c0, %j] : memref<?x128xf32, strided<[?, 1], offset: ?>>
        -> tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
    %u = tile.load %x[%c0, %k2] : memref<?x128xf32, strided<[?, 1], offset: ?>>
        -> tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
    %s = arith.addf %t, %u : tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
    tile.store %s, %y[%j, %c0] : tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>, memref<32x32xf32>
  }
  tile.return
}

// Four lanes hold a row, and one of them stores it. The dimensions that the tile does not have
// are compared as well.
// CHECK-LABEL: llvm.func @copies
// CHECK: %[[LANE:.*]] = arith.andi %{{.*}}, %c31_i32 : i32
// CHECK: %[[BITS:.*]] = arith.andi %[[LANE]], %c3_i32 : i32
// CHECK: %[[WRITER:.*]] = arith.cmpi eq, %[[BITS]], %c0_i32 : i32
// CHECK: %[[HEAD:.*]] = arith.cmpi ult, %{{.*}}, %{{.*}} : i32
// CHECK: %[[BOTH:.*]] = arith.andi %[[WRITER]], %[[HEAD]] : i1
// CHECK: %[[ROW:.*]] = arith.cmpi ult, %{{.*}}, %{{.*}} : i32
// CHECK: %[[WHEN:.*]] = arith.andi %[[BOTH]], %[[ROW]] : i1
// CHECK: nvx.store %{{.*}}, %{{.*}} when %[[WHEN]] : f32
tile.kernel @copies(%y: memref<?x?xf32, strided<[?, 1], offset: ?>>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %one = arith.constant dense<1.0> : tensor<64xf32, #tile.slice<dim = 1, of = #mma>>
  %c64 = arith.constant 64 : index
  %i = arith.muli %bx, %c64 : index
  tile.store %one, %y[%by, %i] : tensor<64xf32, #tile.slice<dim = 1, of = #mma>>, memref<?x?xf32, strided<[?, 1], offset: ?>>
  tile.return
}

// Indices are moved inside, and nothing is read where there is no inside.
// CHECK-LABEL: llvm.func @gather
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>, %[[SIZE:.*]]: i32,
// CHECK: %[[SOME:.*]] = arith.cmpi sgt, %[[SIZE]], %c0_i32 : i32
// CHECK: %[[LAST:.*]] = arith.subi %[[SIZE]], %c1_i32 : i32
// CHECK: %[[LASTS:.*]] = vector.broadcast %[[LAST]] : i32 to vector<4xi32>
// CHECK: %[[MIN:.*]] = arith.minsi %{{.*}}, %[[LASTS]] : vector<4xi32>
// CHECK: arith.maxsi %[[MIN]], %{{.*}} : vector<4xi32>
// CHECK-COUNT-4: nvx.load %{{.*}} when %[[SOME]] : f32
tile.kernel @gather(%x: memref<?xf32>, %y: memref<64x8xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<64x8xi32, #mma>
  %j = tile.iota 1 : tensor<64x8xi32, #mma>
  %d = arith.subi %i, %j : tensor<64x8xi32, #mma>
  %g = tile.gather %x[%d] : memref<?xf32>, tensor<64x8xi32, #mma> -> tensor<64x8xf32, #mma>
  tile.store %g, %y[%c0, %c0] : tensor<64x8xf32, #mma>, memref<64x8xf32>
  tile.return
}

// Bools are bytes in memory.
// CHECK-LABEL: llvm.func @bools
// CHECK: %[[BYTE:.*]] = nvx.load %{{.*}} : i8
// CHECK: arith.trunci %[[BYTE]] : i8 to i1
// CHECK: arith.extui %{{.*}} : i1 to i8
// CHECK: nvx.store %{{.*}} : i8
tile.kernel @bools(%x: memref<?xi1>, %y: memref<?xi1>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] : memref<?xi1> -> tensor<128xi1, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>
  tile.store %t, %y[%c0] : tensor<128xi1, #tile.blocked<thread = [1], lanes = [32], warps = [4]>>, memref<?xi1>
  tile.return
}

// Elements that are inside are added, each by itself; sm_90a adds four of a row at once.
// CHECK-LABEL: llvm.func @adds
// CHECK: %[[IN:.*]] = arith.cmpi ult
// CHECK-COUNT-4: nvx.store %{{.*}}, %{{.*}} when %[[IN]] add : f32
// CHECK-NOT: nvx.store
// SM90-LABEL: llvm.func @adds
// SM90: %[[IN:.*]] = arith.cmpi ult
// SM90: nvx.store %{{.*}}, %{{.*}} when %[[IN]] add : vector<4xf32>
// SM90-NOT: nvx.store
tile.kernel @adds(%y: memref<?x32xf32, strided<[32, 1], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>
  tile.store %one, %y[%bx, %c0] add : tensor<16x32xf32, #tile.blocked<thread = [1, 4], lanes = [4, 8], warps = [4, 1]>>, memref<?x32xf32, strided<[32, 1], offset: ?>>
  tile.return
}

// The elements of a packed tile lie in the order of the threads, behind where its first row starts: 128 threads have 512
// bytes for each register, or 2048 for four of them.
// CHECK-LABEL: llvm.func @packed
// CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %c64_i32
// CHECK: %[[LONG:.*]] = arith.extsi %[[ROW]]
// CHECK: %[[BYTE:.*]] = arith.muli %[[LONG]], %c128_i64
// CHECK: %[[TILE:.*]] = llvm.getelementptr %arg0[%[[BYTE]]]
// CHECK: %[[MINE:.*]] = arith.muli %[[TID]], %c4_i32
// CHECK: %[[P:.*]] = llvm.getelementptr %[[TILE]][%[[MINE]]]
// CHECK: llvm.getelementptr %[[P]][512]
// CHECK: llvm.getelementptr %[[P]][7680]
// CHECK-COUNT-16: nvx.load {{.*}} when %true : f32
// CHECK-NOT: nvx.load
// CHECK-COUNT-16: nvx.store {{.*}} when %true add : f32
// CHECK-NOT: nvx.store
// SM90-LABEL: llvm.func @packed
// SM90: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x
// SM90: %[[MINE:.*]] = arith.muli %[[TID]], %c16_i32
// SM90: %[[P:.*]] = llvm.getelementptr %{{.*}}[%[[MINE]]]
// SM90: llvm.getelementptr %[[P]][2048]
// SM90: llvm.getelementptr %[[P]][6144]
// SM90-COUNT-4: nvx.load {{.*}} when %true : vector<4xf32>
// SM90-NOT: nvx.load
// SM90-COUNT-4: nvx.store {{.*}} when %true add : vector<4xf32>
// SM90-NOT: nvx.store
tile.kernel @packed(%x: memref<?x32xf32, strided<[32, 1], offset: ?>>, %y: memref<?x32xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %i = arith.muli %bx, %c64 : index
  %t = tile.load %x[%i, %c0] inside [0, 1] packed : memref<?x32xf32, strided<[32, 1], offset: ?>> -> tensor<64x32xf32, #mma>
  tile.store %t, %y[%i, %c0] inside [0, 1] add packed : tensor<64x32xf32, #mma>, memref<?x32xf32>
  tile.return
}
