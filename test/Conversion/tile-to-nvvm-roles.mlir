// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse | FileCheck %s

#mma = #tile.mma<warps = 8>

// One thread makes the barriers: for each stage one that a single arrival and its bytes fill, and one that the 8
// warps that read empty. Then four warps copy, in one thread, and eight compute.
// CHECK-LABEL: llvm.func @roles(
// CHECK-SAME: %[[MAP:arg[0-9]+]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}
// CHECK-SAME: nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 384, 1, 1>
// CHECK-SAME: seqc.params = [
// CHECK-SAME: {arg = 0 : i64, box = [1, 128, 64], kind = "tensor_map", swizzle = 128 : i64}]
// CHECK-SAME: seqc.shared_bytes = 65568 : i64
// CHECK-SAME: seqc.threads = 384 : i64
// CHECK: %[[SMEM:.*]] = llvm.mlir.addressof @smem
// CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[BLOCKWARP:.*]] = nvvm.shfl.sync idx
// CHECK: %[[WARP:.*]] = arith.subi %[[BLOCKWARP]], %c4_i32
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[TID]], %c0_i32
// CHECK: scf.if %[[FIRST]] {
// CHECK: %[[FULL0:.*]] = llvm.getelementptr %[[SMEM]][65536]
// CHECK: nvvm.mbarrier.init %[[FULL0]], %c1_i32
// CHECK: llvm.getelementptr %[[SMEM]][65544]
// CHECK: nvvm.mbarrier.init %{{.*}}, %c1_i32
// CHECK: %[[EMPTY0:.*]] = llvm.getelementptr %[[SMEM]][65552]
// CHECK: nvvm.mbarrier.init %[[EMPTY0]], %c8_i32
// CHECK: nvvm.mbarrier.init %{{.*}}, %c8_i32
// CHECK: nvvm.fence.mbarrier.init
// CHECK: }
// CHECK: nvvm.barrier{{$}}
// CHECK: %[[COPIES:.*]] = arith.cmpi ult, %[[BLOCKWARP]], %c4_i32
// CHECK: scf.if %[[COPIES]] {
// CHECK: nvvm.setmaxregister decrease 24
// CHECK: scf.if %[[FIRST]] {
// CHECK: scf.for %[[N:.*]] = %c0_i32 to
// CHECK: %[[STAGE:.*]] = arith.andi %[[N]], %c1_i32
// CHECK: %[[ROUND:.*]] = arith.shrui %[[N]], %c1_i32
// CHECK: %[[PARITY:.*]] = arith.andi %[[ROUND]], %c1_i32
// CHECK: %[[OLD:.*]] = arith.xori %[[PARITY]], %c1_i32
// CHECK: nvx.mbarrier_wait %{{.*}}, %[[OLD]]
// CHECK: nvvm.mbarrier.arrive.expect_tx %[[FULL:.*]], %c32768_i32
// CHECK: %[[TILE:.*]] = llvm.getelementptr %[[SMEM]]
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %[[TILE]], %[[MAP]], %[[FULL]], box[%c0_i32, %[[J:.*]], %[[H:.*]]] {isCTAOnly = true}
// CHECK: %[[PANEL:.*]] = llvm.getelementptr %[[TILE]][16384]
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %[[PANEL]], %[[MAP]], %[[FULL]], box[%c64_i32, %[[J]], %[[H]]] {isCTAOnly = true}
// CHECK: } else {
// CHECK: nvvm.setmaxregister increase 240
// CHECK: scf.for
// CHECK: %[[PARITY2:.*]] = arith.andi
// CHECK: nvx.mbarrier_wait %{{.*}}, %{{.*}}
// CHECK: nvx.wgmma_wait 0
// CHECK: %[[LEADER:.*]] = arith.cmpi eq, %{{.*}}, %c0_i32
// CHECK: nvx.mbarrier_arrive %{{.*}} when %[[LEADER]]
// The barrier of the eight warps.
// CHECK: nvvm.barrier id = %c2_i32 number_of_threads = %c256_i32
tile.kernel @roles(%k: memref<?x?x128xbf16, strided<[?, ?, 1], offset: ?>>, %y: memref<128x128xf32>, %n: index,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c128 = arith.constant 128 : index
  %zero = arith.constant dense<0.0> : tensor<128x128xf32, #mma>
  %r = tile.make_ring : !tile.ring<2 x 128x128xbf16>
  tile.roles warps [4, 8] registers [24, 240] {
    scf.for %i = %c0 to %n step %c1 {
      %j = arith.muli %i, %c128 : index
      tile.put %r[%i], %k[%by, %j, %c0] : !tile.ring<2 x 128x128xbf16>, memref<?x?x128xbf16, strided<[?, ?, 1], offset: ?>>
    }
  }, {
    %sum = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (tensor<128x128xf32, #mma>) {
      %s = tile.get %r[%i] : !tile.ring<2 x 128x128xbf16>
      %a = tile.mma_async %s, %s acc(%acc : tensor<128x128xf32, #mma>) transpose_b
          : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #mma>>
      %d = tile.wait %a : !tile.async<tensor<128x128xf32, #mma>>
      tile.release %r[%i] : !tile.ring<2 x 128x128xbf16>
      scf.yield %d : tensor<128x128xf32, #mma>
    }
    tile.barrier
    tile.store %sum, %y[%c0, %c0] : tensor<128x128xf32, #mma>, memref<128x128xf32>
  }
  tile.return
}

// A tile of 320 rows is copied in two boxes for each panel; the lanes that read it with ordinary loads meet before
// their warp's release.
// CHECK-LABEL: llvm.func @boxes(
// CHECK-SAME: box = [160, 64]
// CHECK-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-NOT: nvvm.cp.async.bulk.tensor
// CHECK: nvx.mbarrier_wait
// CHECK: llvm.load
// CHECK: nvvm.bar.warp.sync
// CHECK: nvx.mbarrier_arrive
tile.kernel @boxes(%k: memref<?x64xbf16, strided<[?, 1], offset: ?>>, %y: memref<320x64xbf16>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %r = tile.make_ring : !tile.ring<1 x 320x64xbf16>
  tile.roles warps [4, 4] registers [0, 0] {
    tile.put %r[%c0], %k[%bx, %c0] : !tile.ring<1 x 320x64xbf16>, memref<?x64xbf16, strided<[?, 1], offset: ?>>
  }, {
    %s = tile.get %r[%c0] : !tile.ring<1 x 320x64xbf16>
    %t = tile.shared_load %s : !tile.shared<320x64xbf16> -> tensor<320x64xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [4, 1]>>
    tile.release %r[%c0] : !tile.ring<1 x 320x64xbf16>
    tile.store %t, %y[%c0, %c0] : tensor<320x64xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [4, 1]>>, memref<320x64xbf16>
  }
  tile.return
}
