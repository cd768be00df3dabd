// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_80 --canonicalize --cse --split-input-file | FileCheck %s

#mma = #tile.mma<warps = 4>

// 64x64x32 by 4 warps: one block of 16 rows, 8 of 8 columns, 2 steps. Each fragment of b (16 columns) is loaded
// before the two products with the one before it, and a's of the next step with the first one of b.
// CHECK-LABEL: llvm.func @shared
// CHECK-COUNT-3: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<row>, num = 4 : i32
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK: nvvm.ldmatrix
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK-NOT: nvvm.ldmatrix
// CHECK-COUNT-4: nvvm.mma.sync A[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] B[%{{.*}}, %{{.*}}] C[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] {{.*}} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
// CHECK-NOT: nvvm.mma.sync
// CHECK: llvm.return
tile.kernel @shared(%x: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %a = tile.alloc : !tile.shared<64x32xbf16>
  %b = tile.alloc : !tile.shared<64x32xbf16>
  %c = tile.load %x[%c0, %c0] : memref<64x64xf32> -> tensor<64x64xf32, #mma>
  %d = tile.dot %a, %b, %c transpose_b : !tile.shared<64x32xbf16>, !tile.shared<64x32xbf16>, tensor<64x64xf32, #mma>
  tile.store %d, %x[%c0, %c0] : tensor<64x64xf32, #mma>, memref<64x64xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// a in registers: pairs of columns are its fragment as they are. b is inner x columns: the load transposes.
// An odd number of blocks of columns: the last one alone.
// CHECK-LABEL: llvm.func @registers
// CHECK: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<col>, num = 4 : i32
// CHECK: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<col>, num = 2 : i32{{.*}} -> !llvm.struct<(i32, i32)>
// CHECK-COUNT-3: nvvm.mma.sync {{.*}} : (vector<2xf16>, vector<2xf16>, f32)
// CHECK-NOT: nvvm.mma.sync
tile.kernel @registers(%x: memref<64x16xf16>, %y: memref<64x24xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x24xf32, #mma>
  %b = tile.alloc : !tile.shared<16x24xf16>
  %a = tile.load %x[%c0, %c0] : memref<64x16xf16> -> tensor<64x16xf16, #mma>
  %d = tile.dot %a, %b, %zero : tensor<64x16xf16, #mma>, !tile.shared<16x24xf16>, tensor<64x24xf32, #mma>
  tile.store %d, %y[%c0, %c0] : tensor<64x24xf32, #mma>, memref<64x24xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 1>

// f32: each operand as a sum of two TF32 numbers, three products, the small ones first, to fresh accumulators.
// Only an accumulator that is not 0 is added.
// CHECK-LABEL: llvm.func @f32
// CHECK: %[[A:.*]] = nvvm.ldmatrix %{{.*}} {{.*}}num = 4
// CHECK: %[[X:.*]] = llvm.bitcast %{{.*}} : i32 to f32
// CHECK: %[[HI:.*]] = nvvm.convert.float.to.tf32 %[[X]] {rnd = #nvvm.fp_rnd_mode<rna>}
// CHECK: %[[BACK:.*]] = llvm.bitcast %[[HI]] : i32 to f32
// CHECK: %[[REST:.*]] = arith.subf %[[X]], %[[BACK]]
// CHECK: %[[LO:.*]] = nvvm.convert.float.to.tf32 %[[REST]]
// CHECK: %[[B:.*]] = nvvm.ldmatrix %{{.*}} {{.*}}num = 2
// CHECK: nvvm.mma.sync A[%[[LO]],{{.*}} B[%[[BHI:[^,]*]],
// CHECK: nvvm.mma.sync A[%[[HI]],{{.*}} B[%[[BLO:[^,]*]],
// CHECK: nvvm.mma.sync A[%[[HI]],{{.*}} B[%[[BHI]],
// CHECK-COUNT-4: arith.addf
// CHECK-NOT: arith.addf
// CHECK-COUNT-3: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK-NOT: arith.addf
// CHECK: llvm.return
tile.kernel @f32(%x: memref<16x8xf32>, %y: memref<16x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32, #mma>
  %a = tile.alloc : !tile.shared<16x8xf32>
  %b = tile.alloc : !tile.shared<8x8xf32>
  %c = tile.load %x[%c0, %c0] : memref<16x8xf32> -> tensor<16x8xf32, #mma>
  %d = tile.dot %a, %b, %c transpose_b : !tile.shared<16x8xf32>, !tile.shared<8x8xf32>, tensor<16x8xf32, #mma>
  tile.store %d, %x[%c0, %c0] : tensor<16x8xf32, #mma>, memref<16x8xf32>
  // b is inner x columns and a in registers: rows 2 t and 2 t + 1 of b, as a has these columns.
  %e = tile.dot %c, %b, %zero : tensor<16x8xf32, #mma>, !tile.shared<8x8xf32>, tensor<16x8xf32, #mma>
  tile.store %e, %y[%c0, %c0] : tensor<16x8xf32, #mma>, memref<16x8xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// a is inner x rows: the load transposes it like such a b, row lane mod 8 + lane / 16 * 8 of the step at the 16 columns of
// the warp, of which the upper 8 are those of lane / 8 mod 2. A step is 16 rows of 128 bytes further.
// CHECK-LABEL: llvm.func @transposed
// CHECK: %[[SMEM:.*]] = llvm.mlir.addressof @smem
// CHECK: %[[LANE:.*]] = arith.andi %{{.*}}, %c31_i32
// CHECK: %[[WARP:.*]] = nvvm.shfl.sync idx
// CHECK-DAG: %[[UPPER:.*]] = arith.andi %[[LANE]], %c16_i32
// CHECK-DAG: %[[LOW:.*]] = arith.andi %[[LANE]], %c7_i32
// CHECK-DAG: %[[UPPER8:.*]] = arith.shrui %[[UPPER]], %c1_i32
// CHECK: %[[ROW:.*]] = arith.addi %[[LOW]], %[[UPPER8]]
// CHECK: %[[WARP32:.*]] = arith.shli %[[WARP]], %c5_i32
// CHECK: %[[MIDDLE:.*]] = arith.andi %[[LANE]], %c8_i32
// CHECK: %[[MIDDLE2:.*]] = arith.shli %[[MIDDLE]], %c1_i32
// CHECK: %[[BYTE:.*]] = arith.addi %[[WARP32]], %[[MIDDLE2]]
// CHECK: %[[CHUNK:.*]] = arith.shrui %[[BYTE]], %c4_i32
// CHECK: arith.xori %[[CHUNK]], %[[ROW]]
// CHECK: arith.shli %[[ROW]], %c7_i32
// CHECK: %[[A:.*]] = nvx.pin
// CHECK: nvvm.ldmatrix %[[A]] {{.*}}layout = #nvvm.mma_layout<col>, num = 4 : i32
// CHECK: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<col>, num = 4 : i32
// CHECK: %[[A1:.*]] = llvm.getelementptr %[[A]][2048]
// CHECK: nvvm.ldmatrix %[[A1]] {{.*}}layout = #nvvm.mma_layout<col>, num = 4 : i32
// CHECK-COUNT-4: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: llvm.return
tile.kernel @transposed(%x: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %a = tile.alloc : !tile.shared<32x64xbf16>
  %b = tile.alloc : !tile.shared<32x16xbf16>
  %c = tile.load %x[%c0, %c0] : memref<64x64xf32> -> tensor<64x16xf32, #mma>
  %d = tile.dot %a, %b, %c transpose_a : !tile.shared<32x64xbf16>, !tile.shared<32x16xbf16>, tensor<64x16xf32, #mma>
  tile.store %d, %x[%c0, %c0] : tensor<64x16xf32, #mma>, memref<64x64xf32>
  tile.return
}
