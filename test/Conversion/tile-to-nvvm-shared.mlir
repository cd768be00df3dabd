// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_80 --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,SM90

#mma = #tile.mma<warps = 4>
#rows = #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [4, 1]>

// A tile of products to rows of 16 bytes. With 64 columns of 16 bits there is one panel. sm_90
// writes four 8x8 blocks at a time, sm_80 pairs of columns: a store for each of the 8 chunks of a row, twice
// for the two rows of a thread.
// CHECK-LABEL: llvm.func @through
// CHECK-SAME: seqc.shared_bytes = 8192 : i64
// SM90-COUNT-4: nvvm.stmatrix %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {{.*}} : !llvm.ptr<3>, i32, i32, i32, i32
// SM90-NOT: llvm.store
// SM80-COUNT-16: llvm.store %{{.*}}, %{{.*}} {alignment = 4 : i64} : vector<2xbf16>, !llvm.ptr<3>
// SM80-NOT: llvm.store
// CHECK: nvvm.barrier
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<8xbf16>
// CHECK-NOT: llvm.load
// CHECK: llvm.return
tile.kernel @through(%x: memref<64x64xbf16>, %y: memref<64x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %s = tile.alloc : !tile.shared<64x64xbf16>
  %t = tile.load %x[%c0, %c0] : memref<64x64xbf16> -> tensor<64x64xbf16, #mma>
  tile.shared_store %t, %s : tensor<64x64xbf16, #mma>, !tile.shared<64x64xbf16>
  tile.barrier
  %u = tile.shared_load %s : !tile.shared<64x64xbf16> -> tensor<64x64xbf16, #rows>
  tile.store %u, %y[%c0, %c0] : tensor<64x64xbf16, #rows>, memref<64x64xbf16>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// The addresses: row r of the thread is 16 warp + lane mod 16, its chunk lane / 16 xor r mod 8; each two
// blocks of 8 columns further are another xor, here 2; 4 blocks with the same are not a new register.
// CHECK-LABEL: llvm.func @swizzle
// SM90: %[[SMEM:.*]] = llvm.mlir.addressof @smem
// SM90: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x
// SM90: %[[LANE:.*]] = arith.andi %[[TID]], %c31_i32
// SM90: %[[WARP:.*]] = nvvm.shfl.sync idx
// SM90: %[[W16:.*]] = arith.shli %[[WARP]], %c4_i32
// SM90: %[[L16:.*]] = arith.andi %[[LANE]], %c15_i32
// SM90: %[[ROW:.*]] = arith.addi %[[W16]], %[[L16]]
// SM90: %[[UPPER:.*]] = arith.andi %[[LANE]], %c16_i32
// SM90: %[[UPPER4:.*]] = arith.shrui %[[UPPER]], %c4_i32
// SM90: %[[MIXED:.*]] = arith.xori %[[UPPER4]], %[[ROW]]
// SM90: %[[CHUNK:.*]] = arith.andi %[[MIXED]], %c7_i32
// SM90: %[[LINE:.*]] = arith.shli %[[ROW]], %c7_i32
// SM90: %[[BYTE:.*]] = arith.shli %[[CHUNK]], %c4_i32
// SM90: %[[OFFSET:.*]] = arith.addi %[[LINE]], %[[BYTE]]
// SM90: %[[P0:.*]] = llvm.getelementptr %[[SMEM]][%[[OFFSET]]]
// SM90: %[[P:.*]] = nvx.pin %[[P0]]
// SM90: nvvm.stmatrix %[[P]],
// SM90: arith.xori %[[CHUNK]], %c2_i32
// SM90: arith.xori %[[CHUNK]], %c4_i32
// SM90: arith.xori %[[CHUNK]], %c6_i32
// SM90: %[[NEXT:.*]] = llvm.getelementptr %[[P]][8192]
// SM90: nvvm.stmatrix %[[NEXT]],
// CHECK: llvm.return
tile.kernel @swizzle(%x: memref<64x128xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %s = tile.alloc : !tile.shared<64x128xbf16>
  %t = tile.load %x[%c0, %c0] : memref<64x128xbf16> -> tensor<64x128xbf16, #mma>
  tile.shared_store %t, %s : tensor<64x128xbf16, #mma>, !tile.shared<64x128xbf16>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>
#rows = #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [4, 1]>

// A tile that is first used after the last ring is given back, with a barrier between, takes the
// rings' place: 16 K of rings, no more.
// CHECK-LABEL: llvm.func @epilogue
// CHECK-SAME: seqc.shared_bytes = 16384 : i64
tile.kernel @epilogue(%x: memref<64x64xbf16>, %y: memref<64x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %s = tile.alloc : !tile.shared<64x64xbf16>
  %r = tile.make_ring : !tile.ring<2 x 64x64xbf16>
  tile.put %r[%c0], %x[%c0, %c0] : !tile.ring<2 x 64x64xbf16>, memref<64x64xbf16>
  %a = tile.get %r[%c0] : !tile.ring<2 x 64x64xbf16>
  %d = tile.dot %a, %a, %zero transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #mma>
  tile.release %r[%c0] : !tile.ring<2 x 64x64xbf16>
  %t = arith.truncf %d : tensor<64x64xf32, #mma> to tensor<64x64xbf16, #mma>
  tile.barrier
  tile.shared_store %t, %s : tensor<64x64xbf16, #mma>, !tile.shared<64x64xbf16>
  tile.barrier
  %u = tile.shared_load %s : !tile.shared<64x64xbf16> -> tensor<64x64xbf16, #rows>
  tile.store %u, %y[%c0, %c0] : tensor<64x64xbf16, #rows>, memref<64x64xbf16>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// Without the barrier, a slow warp could still read the ring: the tile has a place of its own.
// CHECK-LABEL: llvm.func @no_barrier
// CHECK-SAME: seqc.shared_bytes = 16384 : i64
tile.kernel @no_barrier(%x: memref<64x64xbf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %s = tile.alloc : !tile.shared<64x64xbf16>
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.put %r[%c0], %x[%c0, %c0] : !tile.ring<1 x 64x64xbf16>, memref<64x64xbf16>
  %a = tile.get %r[%c0] : !tile.ring<1 x 64x64xbf16>
  %d = tile.dot %a, %a, %zero transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16>, tensor<64x64xf32, #mma>
  tile.release %r[%c0] : !tile.ring<1 x 64x64xbf16>
  %t = arith.truncf %d : tensor<64x64xf32, #mma> to tensor<64x64xbf16, #mma>
  tile.shared_store %t, %s : tensor<64x64xbf16, #mma>, !tile.shared<64x64xbf16>
  tile.return
}

// -----

// A vote of all threads of the block.
// CHECK-LABEL: llvm.func @any(
// CHECK-COUNT-2: arith.ori %{{.*}}, %{{.*}} : i1
// CHECK: %[[MINE:.*]] = arith.ori %{{.*}}, %{{.*}} : i1
// CHECK-NEXT: %[[VOTE:.*]] = arith.extui %[[MINE]] : i1 to i32
// CHECK-NEXT: %[[SOME:.*]] = nvvm.barrier #nvvm.reduction<or> %[[VOTE]] -> i32
// CHECK: %[[ANY:.*]] = arith.cmpi ne, %[[SOME]], %
// CHECK: scf.if %[[ANY]]
tile.kernel @any(%x: memref<64x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<64x8xf32, #tile.mma<warps = 4>>
  %t = tile.load %x[%bx, %c0] : memref<64x8xf32> -> tensor<64x8xf32, #tile.mma<warps = 4>>
  %c = arith.cmpf ogt, %t, %zeros : tensor<64x8xf32, #tile.mma<warps = 4>>
  %some = tile.any %c : tensor<64x8xi1, #tile.mma<warps = 4>>
  scf.if %some {
    tile.store %zeros, %x[%bx, %c0] : tensor<64x8xf32, #tile.mma<warps = 4>>, memref<64x8xf32>
  }
  tile.return
}

// -----

// A 1-D tile is part of the row that the offset names: the lanes of half of the warps write one number each, and read
// those of their columns, two at a time.
// CHECK-LABEL: llvm.func @row
// CHECK-SAME: (%[[I:[a-z0-9]+]]: i32
// CHECK: %[[LANE:.*]] = arith.andi %{{.*}}, %c31_i32
// CHECK: %[[COLUMN:.*]] = arith.addi %[[LANE]], %
// CHECK: %[[ROW:.*]] = arith.muli %[[I]], %c64_i32
// CHECK: %[[AT:.*]] = arith.addi %[[ROW]], %[[COLUMN]]
// CHECK: %[[BYTE:.*]] = arith.muli %[[AT]], %c4_i32
// CHECK: %[[P:.*]] = llvm.getelementptr %{{.*}}[%[[BYTE]]]
// CHECK: %[[Q:.*]] = nvx.pin %[[P]]
// CHECK: llvm.store %{{.*}}, %[[Q]] {alignment = 4 : i64} : vector<1xf32>, !llvm.ptr<3>
// CHECK-NOT: llvm.store
// CHECK: nvvm.barrier
// CHECK: %[[QUAD:.*]] = arith.andi %[[LANE]], %c3_i32
// CHECK: %[[PAIR:.*]] = arith.muli %[[QUAD]], %c2_i32
// CHECK: arith.addi %[[ROW]], %[[PAIR]]
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xf32>
// CHECK-NOT: llvm.load
// CHECK: llvm.return
tile.kernel @row(%i: index, %x: memref<64xf32>, %y: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %s = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  %t = tile.load %x[%c0] : memref<64xf32> -> tensor<64xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1], lanes = [32, 1], warps = [2, 2]>>>
  tile.shared_store %t, %s[%i, %c0] : tensor<64xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1], lanes = [32, 1], warps = [2, 2]>>>, !tile.shared<2x64xf32, pitch 64>
  tile.barrier
  %u = tile.shared_load %s[%i, %c0] : !tile.shared<2x64xf32, pitch 64> -> tensor<64xf32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>>
  %v = tile.broadcast %u along 0 : tensor<64xf32, #tile.slice<dim = 0, of = #tile.mma<warps = 4>>> -> tensor<64x64xf32, #tile.mma<warps = 4>>
  tile.store %v, %y[%c0, %c0] : tensor<64x64xf32, #tile.mma<warps = 4>>, memref<64x64xf32>
  tile.return
}
