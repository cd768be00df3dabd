// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_80 --canonicalize --cse --split-input-file | FileCheck %s
// RUN: seqc-opt %s "--convert-tile-to-nvvm=chip=sm_80 aligned=false" --canonicalize --cse --split-input-file | FileCheck %s --check-prefix=UNALIGNED

#mma = #tile.mma<warps = 4>

// 64 rows of 256 bytes by 128 threads, 8 for 128 bytes: 4 times 16 rows, two panels. The stage is
// n mod 2 and all of a thread's addresses in it are one register plus constants.
// CHECK-LABEL: llvm.func @ring
// CHECK-SAME: seqc.aligned = array<i64: 0, 1>
// CHECK-SAME: seqc.shared_bytes = 32768 : i64
// CHECK: %[[STAGE:.*]] = arith.andi %{{.*}}, %c1_i32
// CHECK: %[[BYTES:.*]] = arith.muli %[[STAGE]], %c16384_i32
// CHECK: %[[TILE:.*]] = llvm.getelementptr %{{.*}}[%[[BYTES]]]
// CHECK: %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %{{.*}} : i32
// CHECK: %[[P:.*]] = nvx.pin
// CHECK: %[[SIZE:.*]] = arith.select %[[IN]], %c16_i32, %c0_i32
// CHECK: nvvm.cp.async.shared.global %[[P]], %[[S:.*]], 16, cache = cg, %[[SIZE]]
// CHECK: %[[S1:.*]] = llvm.getelementptr %[[S]][128]
// CHECK: %[[P1:.*]] = llvm.getelementptr %[[P]][8192]
// CHECK: nvvm.cp.async.shared.global %[[P1]], %[[S1]], 16, cache = cg, %[[SIZE]]
// CHECK: llvm.getelementptr %[[P]][2048]
// CHECK-COUNT-6: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 1
// CHECK-NEXT: nvvm.barrier
// A release is nothing here.
// CHECK-NOT: mbarrier
// UNALIGNED-LABEL: llvm.func @ring
// UNALIGNED-SAME: seqc.aligned = array<i64>
// UNALIGNED-COUNT-64: nvx.load %{{.*}} when %{{.*}} : bf16
// UNALIGNED-NOT: nvx.load
// UNALIGNED-NOT: cp.async
// UNALIGNED: nvvm.barrier
tile.kernel @ring(%k: memref<?x128xbf16, strided<[?, 1], offset: ?>>, %y: memref<64x128xbf16>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %j = arith.muli %bx, %c64 : index
  %r = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  tile.put %r[%bx], %k[%j, %c0] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16, strided<[?, 1], offset: ?>>
  %s = tile.get %r[%bx] pending 1 : !tile.ring<2 x 64x128xbf16>
  %t = tile.shared_load %s : !tile.shared<64x128xbf16> -> tensor<64x128xbf16, #mma>
  tile.store %t, %y[%c0, %c0] : tensor<64x128xbf16, #mma>, memref<64x128xbf16>
  tile.release %r[%bx] : !tile.ring<2 x 64x128xbf16>
  tile.return
}

// -----

// 72 columns in a tile of 80: 10 chunks in a row, so 2 threads for each, 64 rows at once, 5 copies. A
// chunk is inside or not as a whole. Where `when` is false there is a group, too.
// CHECK-LABEL: llvm.func @columns
// CHECK: scf.if
// CHECK: %[[ROW:.*]] = arith.cmpi ult
// CHECK: %[[COLUMN:.*]] = arith.cmpi ult, %{{.*}}, %c72_i32
// CHECK: %[[IN:.*]] = arith.andi %[[ROW]], %[[COLUMN]]
// CHECK: arith.select %[[IN]], %c16_i32, %c0_i32
// CHECK-COUNT-5: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: }
// CHECK-NEXT: nvvm.cp.async.commit.group
tile.kernel @columns(%k: memref<?x72xf16, strided<[?, 1], offset: ?>>, %more: i1, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<1 x 64x80xf16>
  tile.put %r[%c0], %k[%bx, %c0] when %more : !tile.ring<1 x 64x80xf16>, memref<?x72xf16, strided<[?, 1], offset: ?>>
  %s = tile.get %r[%c0] : !tile.ring<1 x 64x80xf16>
  tile.return
}

// -----

// A row of 70 elements is no multiple of 16 bytes, nor is column 4 aligned; a stride of the columns that is not
// 1 leaves nothing to copy at once.
// CHECK-LABEL: llvm.func @elements
// CHECK-NOT: cp.async
// CHECK-COUNT-96: nvx.load %{{.*}} when %{{.*}} : f16
// CHECK-NOT: cp.async
// CHECK: llvm.return
tile.kernel @elements(%a: memref<?x70xf16, strided<[70, 1]>>, %b: memref<?x72xf16, strided<[?, 1], offset: ?>>,
                      %c: memref<?x64xf16, strided<[?, ?], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %ra = tile.make_ring : !tile.ring<1 x 64x64xf16>
  tile.put %ra[%c0], %a[%bx, %c0] : !tile.ring<1 x 64x64xf16>, memref<?x70xf16, strided<[70, 1]>>
  %sa = tile.get %ra[%c0] : !tile.ring<1 x 64x64xf16>
  %rb = tile.make_ring : !tile.ring<1 x 64x64xf16>
  tile.put %rb[%c0], %b[%bx, %c4] : !tile.ring<1 x 64x64xf16>, memref<?x72xf16, strided<[?, 1], offset: ?>>
  %sb = tile.get %rb[%c0] : !tile.ring<1 x 64x64xf16>
  %rc = tile.make_ring : !tile.ring<1 x 64x64xf16>
  tile.put %rc[%c0], %c[%bx, %c0] : !tile.ring<1 x 64x64xf16>, memref<?x64xf16, strided<[?, ?], offset: ?>>
  %sc = tile.get %rc[%c0] : !tile.ring<1 x 64x64xf16>
  tile.return
}

// -----

// More threads than rows: those without one go past.
// CHECK-LABEL: llvm.func @few_rows
// CHECK: %[[SOME:.*]] = arith.cmpi ult, %{{.*}}, %c8_i32
// CHECK: scf.if %[[SOME]] {
// CHECK: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
tile.kernel @few_rows(%k: memref<?x64xf16, strided<[?, 1], offset: ?>>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<1 x 8x64xf16>
  tile.put %r[%c0], %k[%bx, %c0] : !tile.ring<1 x 8x64xf16>, memref<?x64xf16, strided<[?, 1], offset: ?>>
  %s = tile.get %r[%c0] : !tile.ring<1 x 8x64xf16>
  tile.return
}
