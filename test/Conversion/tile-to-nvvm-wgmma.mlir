// RUN: seqc-opt %s --convert-tile-to-nvvm=chip=sm_90a --canonicalize --cse --split-input-file | FileCheck %s

#mma = #tile.mma<warps = 8>

// Two warpgroups of 64 rows each, four steps of 16 (32 bytes: 2 more in the descriptor), one instruction for all
// columns. The first has no accumulator. The descriptor is the address / 16 with the
// stride of 8 rows (64), 128-byte swizzle, and the leading offset, which is not used.
// CHECK-LABEL: llvm.func @queries_keys
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 4611686293305360384 : i64
// CHECK: nvx.wgmma_fence{{$}}
// CHECK: %[[GROUP:.*]] = arith.shrui %{{.*}}, %c2_i32
// CHECK: %[[ROW:.*]] = arith.shli %[[GROUP]], %c6_i32
// CHECK: %[[BYTE:.*]] = arith.shli %[[ROW]], %c7_i32
// CHECK: %[[P:.*]] = llvm.getelementptr %{{.*}}[%[[BYTE]]]
// CHECK: %[[I:.*]] = llvm.ptrtoint %[[P]]
// CHECK: %[[U:.*]] = arith.shrui %[[I]], %c4_i32
// CHECK: %[[F:.*]] = arith.andi %[[U]], %c16383_i32
// CHECK: %[[W:.*]] = arith.extui %[[F]] : i32 to i64
// CHECK: %[[A:.*]] = arith.ori %[[W]], %[[HIGH]]
// CHECK: %[[B:.*]] = arith.ori %{{.*}}, %[[HIGH]]
// CHECK: %[[D0:.*]] = nvx.wgmma bf16(%[[A]]), %[[B]] : (i64) -> vector<64xf32>
// CHECK: %[[A1:.*]] = arith.addi %[[A]], %c2_i64
// CHECK: %[[B1:.*]] = arith.addi %[[B]], %c2_i64
// CHECK: nvx.wgmma bf16(%[[A1]]), %[[B1]] acc(%[[D0]] : vector<64xf32>) : (i64) -> vector<64xf32>
// CHECK: arith.addi %[[A]], %c4_i64
// CHECK: nvx.wgmma
// CHECK: arith.addi %[[A]], %c6_i64
// CHECK: %[[D:.*]] = nvx.wgmma
// CHECK-NOT: nvx.wgmma bf16
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK: nvx.wgmma_wait 0(%[[D]] : vector<64xf32>)
tile.kernel @queries_keys(%y: memref<128x128xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %q = tile.alloc : !tile.shared<128x64xbf16>
  %k = tile.alloc : !tile.shared<128x64xbf16>
  %a = tile.mma_async %q, %k transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x128xf32, #mma>>
  %s = tile.wait %a : !tile.async<tensor<128x128xf32, #mma>>
  tile.store %s, %y[%c0, %c0] : tensor<128x128xf32, #mma>, memref<128x128xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// a in registers, through the fence with the accumulator; columns of b contiguous: a step is 16 rows (128 more), the
// leading offset a panel of 32 rows (4096 bytes). An accumulator that is under way is not touched by the fence.
// CHECK-LABEL: llvm.func @weights_values
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 4611686293322072064 : i64
// CHECK: %[[READY:.*]]:9 = nvx.wgmma_fence(%{{.*}} : vector<64xf32>, i32, i32, i32, i32, i32, i32, i32, i32)
// CHECK: %[[B:.*]] = arith.ori %{{.*}}, %[[HIGH]]
// CHECK: %[[D0:.*]] = nvx.wgmma f16(%[[READY]]#1, %[[READY]]#2, %[[READY]]#3, %[[READY]]#4), %[[B]] acc(%[[READY]]#0 : vector<64xf32>) columns_fastest
// CHECK: %[[B1:.*]] = arith.addi %[[B]], %c128_i64
// CHECK: %[[D1:.*]] = nvx.wgmma f16(%[[READY]]#5, %[[READY]]#6, %[[READY]]#7, %[[READY]]#8), %[[B1]] acc(%[[D0]] : vector<64xf32>) columns_fastest
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK: nvx.wgmma_fence(%{{.*}} : i32, i32, i32, i32, i32, i32, i32, i32)
// CHECK: nvx.wgmma f16{{.*}} acc(%[[D1]] : vector<64xf32>)
// CHECK: nvx.wgmma_wait 0(
tile.kernel @weights_values(%x: memref<64x32xf16>, %y: memref<64x128xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %v = tile.alloc : !tile.shared<32x128xf16>
  %p = tile.load %x[%c0, %c0] : memref<64x32xf16> -> tensor<64x32xf16, #mma>
  %c = tile.load %y[%c0, %c0] : memref<64x128xf32> -> tensor<64x128xf32, #mma>
  %a = tile.mma_async %p, %v acc(%c : tensor<64x128xf32, #mma>) : tensor<64x32xf16, #mma>, !tile.shared<32x128xf16> -> !tile.async<tensor<64x128xf32, #mma>>
  %b = tile.mma_async %p, %v acc(%a : !tile.async<tensor<64x128xf32, #mma>>) : tensor<64x32xf16, #mma>, !tile.shared<32x128xf16> -> !tile.async<tensor<64x128xf32, #mma>>
  %s = tile.wait %b : !tile.async<tensor<64x128xf32, #mma>>
  tile.store %s, %y[%c0, %c0] : tensor<64x128xf32, #mma>, memref<64x128xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// Two blocks of 64 rows for one warpgroup, and 512 columns as two instructions of 256 each.
// CHECK-LABEL: llvm.func @parts
// CHECK-COUNT-4: nvx.wgmma bf16(%{{.*}}) -> vector<128xf32>
// CHECK-NOT: nvx.wgmma bf16
// CHECK: vector.from_elements {{.*}} : vector<512xf32>
tile.kernel @parts(%y: memref<128x512xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %p = tile.alloc : !tile.shared<128x16xbf16>
  %v = tile.alloc : !tile.shared<16x512xbf16>
  %a = tile.mma_async %p, %v : !tile.shared<128x16xbf16>, !tile.shared<16x512xbf16> -> !tile.async<tensor<128x512xf32, #mma>>
  %s = tile.wait %a : !tile.async<tensor<128x512xf32, #mma>>
  tile.store %s, %y[%c0, %c0] : tensor<128x512xf32, #mma>, memref<128x512xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// What threads write and the tensor cores read by their own way needs a fence before the barrier, here that of the
// copies (sm_90 without roles) and that of a tile.
// CHECK-LABEL: llvm.func @proxies
// CHECK: nvvm.cp.async.wait.group 0
// CHECK-NEXT: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
// CHECK-NEXT: nvvm.barrier
// CHECK: nvvm.stmatrix
// CHECK: nvvm.fence.proxy
// CHECK-NEXT: nvvm.barrier
// CHECK: nvx.wgmma
tile.kernel @proxies(%x: memref<64x64xbf16>, %y: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %p = tile.alloc : !tile.shared<64x64xbf16>
  %r = tile.make_ring : !tile.ring<1 x 64x64xbf16>
  tile.put %r[%c0], %x[%c0, %c0] : !tile.ring<1 x 64x64xbf16>, memref<64x64xbf16>
  %t = tile.load %x[%c0, %c0] : memref<64x64xbf16> -> tensor<64x64xbf16, #mma>
  %k = tile.get %r[%c0] : !tile.ring<1 x 64x64xbf16>
  tile.shared_store %t, %p : tensor<64x64xbf16, #mma>, !tile.shared<64x64xbf16>
  tile.barrier
  %a = tile.mma_async %p, %k transpose_b : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s = tile.wait %a : !tile.async<tensor<64x64xf32, #mma>>
  tile.store %s, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<64x64xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// Pairs of 16-bit elements go through as the words that products read, 32-bit elements as they are.
// CHECK-LABEL: llvm.func @ready
// CHECK: %[[PAIR0:.*]] = vector.shuffle %[[T:.*]], %[[T]] [0, 1] : vector<16xf16>
// CHECK: %[[W0:.*]] = llvm.bitcast %[[PAIR0]] : vector<2xf16> to i32
// CHECK: %[[PAIR7:.*]] = vector.shuffle %[[T]], %[[T]] [14, 15] : vector<16xf16>
// CHECK: %[[W7:.*]] = llvm.bitcast %[[PAIR7]] : vector<2xf16> to i32
// CHECK: %[[R:.*]]:8 = nvx.ready(%[[W0]], {{.*}}, %[[W7]] : i32, i32, i32, i32, i32, i32, i32, i32)
// CHECK: %[[V:.*]] = vector.from_elements %[[R]]#0, %[[R]]#1, {{.*}}, %[[R]]#7 : vector<8xi32>
// CHECK: %[[P:.*]] = llvm.bitcast %[[V]] : vector<8xi32> to vector<16xf16>
// CHECK: vector.shuffle %[[P]], %[[P]] [0, 1]
// CHECK: %[[E0:.*]] = vector.extract %{{.*}}[0] : f32 from vector<2xf32>
// CHECK: vector.extract %{{.*}}[1]
// CHECK: vector.extract %{{.*}}[0]
// CHECK: %[[E3:.*]] = vector.extract %{{.*}}[1] : f32 from vector<2xf32>
// CHECK: %[[F:.*]]:4 = nvx.ready(%[[E0]], {{.*}}, %[[E3]] : f32, f32, f32, f32)
// CHECK: %[[SUMS:.*]] = vector.from_elements %[[F]]#0, %[[F]]#1, %[[F]]#2, %[[F]]#3 : vector<4xf32>
// CHECK: vector.shuffle %[[SUMS]], %[[SUMS]]
tile.kernel @ready(%x: memref<64x32xf16>, %y: memref<64x8xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %p = tile.load %x[%c0, %c0] : memref<64x32xf16> -> tensor<64x32xf16, #mma>
  %p1 = tile.ready %p : tensor<64x32xf16, #mma>
  tile.store %p1, %x[%c0, %c0] : tensor<64x32xf16, #mma>, memref<64x32xf16>
  %s = tile.load %y[%c0, %c0] : memref<64x8xf32> -> tensor<64x8xf32, #mma>
  %s1 = tile.ready %s : tensor<64x8xf32, #mma>
  tile.store %s1, %y[%c0, %c0] : tensor<64x8xf32, #mma>, memref<64x8xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 8>

// a with its rows contiguous: a warpgroup's 64 rows are one panel, of 32 rows of the inner dimension (4096 bytes), which is
// the leading offset, too. A step is 16 of them further (128), as for b.
// CHECK-LABEL: llvm.func @keys_scores
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 4611686293322072064 : i64
// CHECK: nvx.wgmma_fence{{$}}
// CHECK: %[[GROUP:.*]] = arith.shrui %{{.*}}, %c2_i32
// CHECK: %[[BYTE:.*]] = arith.muli %[[GROUP]], %c4096_i32
// CHECK: %[[P:.*]] = llvm.getelementptr %{{.*}}[%[[BYTE]]]
// CHECK-NEXT: %[[I:.*]] = llvm.ptrtoint %[[P]]
// CHECK: %[[A:.*]] = arith.ori %{{.*}}, %[[HIGH]]
// CHECK: %[[B:.*]] = arith.ori %{{.*}}, %[[HIGH]]
// CHECK: %[[D:.*]] = nvx.wgmma bf16(%[[A]]), %[[B]] columns_fastest rows_fastest : (i64) -> vector<32xf32>
// CHECK: %[[A1:.*]] = arith.addi %[[A]], %c128_i64
// CHECK: %[[B1:.*]] = arith.addi %[[B]], %c128_i64
// CHECK: nvx.wgmma bf16(%[[A1]]), %[[B1]] acc(%[[D]] : vector<32xf32>) columns_fastest rows_fastest
// CHECK-NOT: nvx.wgmma bf16
// CHECK: llvm.return
tile.kernel @keys_scores(%x: memref<128x64xbf16>, %y: memref<128x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %k = tile.alloc : !tile.shared<32x128xbf16>
  %s = tile.alloc : !tile.shared<32x64xbf16>
  %a = tile.mma_async %k, %s transpose_a : !tile.shared<32x128xbf16>, !tile.shared<32x64xbf16> -> !tile.async<tensor<128x64xf32, #mma>>
  %q = tile.wait %a : !tile.async<tensor<128x64xf32, #mma>>
  tile.store %q, %y[%c0, %c0] : tensor<128x64xf32, #mma>, memref<128x64xf32>
  tile.return
}

// -----

#mma = #tile.mma<warps = 4>

// 128 rows of a for one warpgroup: the second block is the next panel (4096 bytes, 256 more).
// CHECK-LABEL: llvm.func @two_panels
// CHECK: %[[D0:.*]] = nvx.wgmma bf16(%[[A:.*]]), %[[B:.*]] columns_fastest rows_fastest
// CHECK: arith.addi %[[A]], %c128_i64
// CHECK: nvx.wgmma bf16(%{{.*}} acc(%[[D0]]
// CHECK: %[[A2:.*]] = arith.addi %[[A]], %c256_i64
// CHECK: %[[D1:.*]] = nvx.wgmma bf16(%[[A2]]), %[[B]] columns_fastest rows_fastest
// CHECK: arith.addi %[[A]], %c384_i64
// CHECK: nvx.wgmma bf16(%{{.*}} acc(%[[D1]]
tile.kernel @two_panels(%x: memref<128x64xbf16>, %y: memref<128x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %k = tile.alloc : !tile.shared<32x128xbf16>
  %s = tile.alloc : !tile.shared<32x64xbf16>
  %a = tile.mma_async %k, %s transpose_a : !tile.shared<32x128xbf16>, !tile.shared<32x64xbf16> -> !tile.async<tensor<128x64xf32, #mma>>
  %q = tile.wait %a : !tile.async<tensor<128x64xf32, #mma>>
  tile.store %q, %y[%c0, %c0] : tensor<128x64xf32, #mma>, memref<128x64xf32>
  tile.return
}

// -----

// Only the barrier between what threads write and a product that reads it has the fence: neither the one that protects
// what the iteration before reads, nor that behind numbers that threads read.
// CHECK-LABEL: llvm.func @fences
// CHECK-NOT: nvvm.fence.proxy
// CHECK: nvvm.barrier
// CHECK-NOT: nvvm.fence.proxy
// CHECK: scf.for
// CHECK-NEXT: nvvm.barrier
// CHECK: nvvm.stmatrix
// CHECK: nvvm.fence.proxy
// CHECK-NEXT: nvvm.barrier
// CHECK: nvx.wgmma
// CHECK-NOT: nvvm.fence.proxy
// CHECK: llvm.return
#mma = #tile.mma<warps = 4>
tile.kernel @fences(%x: memref<64x64xbf16>, %y: memref<64x64xf32>, %n: index, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %p = tile.alloc : !tile.shared<64x64xbf16>
  %rows = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  %t = tile.load %x[%c0, %c0] : memref<64x64xbf16> -> tensor<64x64xbf16, #mma>
  %l = arith.constant dense<1.0> : tensor<64xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1], lanes = [32, 1], warps = [2, 2]>>>
  tile.shared_store %l, %rows[%c0, %c0] : tensor<64xf32, #tile.slice<dim = 1, of = #tile.blocked<thread = [1, 1], lanes = [32, 1], warps = [2, 2]>>>, !tile.shared<2x64xf32, pitch 64>
  tile.barrier
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (tensor<64x64xf32, #mma>) {
    tile.barrier
    tile.shared_store %t, %p : tensor<64x64xbf16, #mma>, !tile.shared<64x64xbf16>
    tile.barrier
    %a = tile.mma_async %p, %p acc(%acc : tensor<64x64xf32, #mma>) transpose_a : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
    %s = tile.wait %a : !tile.async<tensor<64x64xf32, #mma>>
    scf.yield %s : tensor<64x64xf32, #mma>
  }
  tile.store %r, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<64x64xf32>
  tile.return
}

// -----

// The descriptors of five products in one block are computed where they are used: what they are computed from is pinned.
// CHECK-LABEL: llvm.func @many_products
// CHECK: %[[A:.*]] = nvx.pin %{{.*}} : !llvm.ptr<3>
// CHECK-NEXT: llvm.ptrtoint %[[A]]
// CHECK: %[[B:.*]] = nvx.pin %{{.*}} : !llvm.ptr<3>
// CHECK-NEXT: llvm.ptrtoint %[[B]]
// CHECK: nvx.wgmma bf16
// CHECK-COUNT-8: nvx.pin
// CHECK-NOT: nvx.pin
// CHECK: llvm.return
#mma = #tile.mma<warps = 4>
tile.kernel @many_products(%y: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %k = tile.alloc : !tile.shared<64x64xbf16>
  %s0 = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %a1 = tile.mma_async %k, %k acc(%s0 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s1 = tile.wait %a1 : !tile.async<tensor<64x64xf32, #mma>>
  %a2 = tile.mma_async %k, %k acc(%s1 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s2 = tile.wait %a2 : !tile.async<tensor<64x64xf32, #mma>>
  %a3 = tile.mma_async %k, %k acc(%s2 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s3 = tile.wait %a3 : !tile.async<tensor<64x64xf32, #mma>>
  %a4 = tile.mma_async %k, %k acc(%s3 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s4 = tile.wait %a4 : !tile.async<tensor<64x64xf32, #mma>>
  %a5 = tile.mma_async %k, %k acc(%s4 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s5 = tile.wait %a5 : !tile.async<tensor<64x64xf32, #mma>>
  tile.store %s5, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<64x64xf32>
  tile.return
}

// -----

// There are registers for those of two.
// CHECK-LABEL: llvm.func @two_products
// CHECK-NOT: nvx.pin
// CHECK: llvm.return
#mma = #tile.mma<warps = 4>
tile.kernel @two_products(%y: memref<64x64xf32>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %k = tile.alloc : !tile.shared<64x64xbf16>
  %s0 = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
  %a1 = tile.mma_async %k, %k acc(%s0 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s1 = tile.wait %a1 : !tile.async<tensor<64x64xf32, #mma>>
  %a2 = tile.mma_async %k, %k acc(%s1 : tensor<64x64xf32, #mma>) : !tile.shared<64x64xbf16>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #mma>>
  %s2 = tile.wait %a2 : !tile.async<tensor<64x64xf32, #mma>>
  tile.store %s2, %y[%c0, %c0] : tensor<64x64xf32, #mma>, memref<64x64xf32>
  tile.return
}
