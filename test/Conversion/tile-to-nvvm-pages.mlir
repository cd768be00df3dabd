// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_80 --canonicalize --cse --split-input-file | FileCheck %s

!view = memref<?x?x16x64xbf16, strided<[?, ?, ?, 1], offset: ?>>

// One warp copies four rows at once: which page they are in is known here. Rows of the second
// page count from the first one's start, and what is no page or too far has no bytes.
// CHECK-LABEL: llvm.func @small
// CHECK-SAME: (%[[PTR:[a-z0-9]+]]: !llvm.ptr<1>, %[[PAGES:[a-z0-9]+]]: i32, %{{[a-z0-9]+}}: i32, %[[S0:[a-z0-9]+]]: i64, %{{[a-z0-9]+}}: i64, %[[S2:[a-z0-9]+]]: i64, %[[P0:[a-z0-9]+]]: i32, %[[P1:[a-z0-9]+]]: i32, %[[N:[a-z0-9]+]]: i32
// CHECK: %[[ROW:.*]] = arith.shrui %{{.*}}, %c3_i32
// CHECK: %[[E0:.*]] = arith.extsi %[[P0]]
// CHECK: %[[M0:.*]] = arith.muli %[[E0]], %[[S0]]
// CHECK: %[[B0:.*]] = arith.muli %[[M0]], %c2_i64
// CHECK: %[[PART0:.*]] = llvm.getelementptr %[[BASE:.*]][%[[B0]]]
// CHECK: %[[IN0:.*]] = arith.cmpi ult, %[[P0]], %[[PAGES]]
// CHECK: %[[E1:.*]] = arith.extsi %[[P1]]
// CHECK: %[[M1:.*]] = arith.muli %[[E1]], %[[S0]]
// CHECK: %[[B1:.*]] = arith.muli %[[M1]], %c2_i64
// CHECK: %[[PAGE1:.*]] = llvm.getelementptr %[[BASE]][%[[B1]]]
// CHECK: %[[ROWS:.*]] = arith.muli %[[S2]], %c32_i64
// CHECK: %[[BACK:.*]] = arith.subi %c0_i64, %[[ROWS]]
// CHECK: %[[PART1:.*]] = llvm.getelementptr %[[PAGE1]][%[[BACK]]]
// CHECK: %[[IN1:.*]] = arith.cmpi ult, %[[P1]], %[[PAGES]]
// CHECK: %[[HERE:.*]] = arith.andi %{{.*}}, %[[IN0]]
// CHECK: %[[FEW:.*]] = arith.cmpi slt, %[[ROW]], %[[N]]
// CHECK: %[[ANY:.*]] = arith.andi %[[HERE]], %[[FEW]]
// CHECK: %[[SIZE:.*]] = arith.select %[[ANY]], %c16_i32, %c0_i32
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %[[PART0]], 16, cache = cg, %[[SIZE]]
// CHECK-COUNT-3: nvvm.cp.async.shared.global
// CHECK: llvm.getelementptr %[[PART1]][%[[ROWS]]]
// CHECK-COUNT-4: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
tile.kernel @small(%k: !view, %p0: index, %p1: index, %n: index, %o: memref<?x64xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 1 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<32x32xf32, #tile.mma<warps = 1>>
  %r = tile.make_ring : !tile.ring<1 x 32x64xbf16>
  tile.put %r[%c0], %k[%p0, %by, %c0, %c0] pages(%p1) rows(%n) : !tile.ring<1 x 32x64xbf16>, !view
  %s = tile.get %r[%c0] : !tile.ring<1 x 32x64xbf16>
  %x = tile.dot %s, %s, %zeros transpose_b : !tile.shared<32x64xbf16>, !tile.shared<32x64xbf16>, tensor<32x32xf32, #tile.mma<warps = 1>>
  tile.store %x, %o[%bx, %c0] : tensor<32x32xf32, #tile.mma<warps = 1>>, memref<?x64xf32>
  tile.return
}

// -----

!view = memref<?x?x16x64xbf16, strided<[?, ?, ?, 1], offset: ?>>

// Eight warps copy 32 rows at once: threads choose.
// CHECK-LABEL: llvm.func @large
// CHECK: nvvm.cp.async.commit.group
// CHECK: %[[SECOND:.*]] = arith.cmpi uge, %[[ROW:.*]], %c16_i32
// CHECK: %[[FROM:.*]] = arith.select %[[SECOND]], %{{.*}}, %{{.*}} : !llvm.ptr<1>
// CHECK: %[[IS:.*]] = arith.select %[[SECOND]], %{{.*}}, %{{.*}} : i1
// CHECK: arith.andi %{{.*}}, %[[IS]]
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %[[FROM]], 16
// CHECK-NOT: nvvm.cp.async.shared.global
tile.kernel @large(%k: !view, %p0: index, %p1: index, %o: memref<?x64xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<128x32xf32, #tile.mma<warps = 8>>
  %a = tile.make_ring : !tile.ring<1 x 128x64xbf16>
  %r = tile.make_ring : !tile.ring<1 x 32x64xbf16>
  tile.put %a[%c0], %k[%p0, %by, %c0, %c0] : !tile.ring<1 x 128x64xbf16>, !view
  tile.put %r[%c0], %k[%p0, %by, %c0, %c0] pages(%p1) : !tile.ring<1 x 32x64xbf16>, !view
  %q = tile.get %a[%c0] : !tile.ring<1 x 128x64xbf16>
  %s = tile.get %r[%c0] : !tile.ring<1 x 32x64xbf16>
  %x = tile.dot %q, %s, %zeros transpose_b : !tile.shared<128x64xbf16>, !tile.shared<32x64xbf16>, tensor<128x32xf32, #tile.mma<warps = 8>>
  tile.store %x, %o[%bx, %c0] : tensor<128x32xf32, #tile.mma<warps = 8>>, memref<?x64xf32>
  tile.return
}
