// RUN: seqc-opt %s --split-input-file --tile-persistent-blocks --cse | FileCheck %s
// RUN: seqc-opt %s --split-input-file --tile-persistent-blocks --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: seqc-opt %s --split-input-file --tile-persistent-blocks | seqc-opt --split-input-file | FileCheck %s --check-prefix=AGAIN

// STATS: tile-persistent-blocks{{$}}
// STATS-NEXT: 1 barriers-relaxed
// STATS-NEXT: 4 persistent-kernels
// STATS-NEXT: 6 rings-numbered
// STATS-NEXT: 2 stages-added

// AGAIN-LABEL: tile.kernel @split(
// AGAIN: tile.for_each_block (%{{.*}}, %{{.*}}, %{{.*}}) numbers (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) {

!once = !tile.ring<1 x 128x64xbf16>
!ring = !tile.ring<2 x 128x64xbf16>
!shared = !tile.shared<128x64xbf16>
!acc = tensor<128x128xf32, #tile.mma<warps = 8>>

// Copies are numbered from what the points before have used: one of @once's, and of @ring's as many as the loop has
// iterations. @once gets a second stage, for the tile of the next point.
// CHECK-LABEL: tile.kernel @split(
// CHECK-SAME: %[[N:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: memref<?x128xf32>
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[STEP:.*]] = arith.constant 128 : index
// CHECK: %[[ONCE:.*]] = tile.make_ring : !tile.ring<2 x 128x64xbf16>
// CHECK: %[[RING:.*]] = tile.make_ring : !tile.ring<2 x 128x64xbf16>
// CHECK: tile.for_each_block (%[[X:.*]], %{{.*}}, %{{.*}}) numbers (%[[I0:.*]] = %[[ZERO]], %[[J0:.*]] = %[[ZERO]]) {
// CHECK: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: %[[I1:.*]] = arith.addi %[[I0]], %[[ONE]]
// CHECK: %[[LAST:.*]] = arith.maxsi %[[N]], %[[ZERO]]
// CHECK: %[[LENGTH:.*]] = arith.subi %[[LAST]], %[[ZERO]]
// CHECK: %[[COUNT:.*]] = arith.ceildivui %[[LENGTH]], %[[STEP]]
// CHECK: %[[J1:.*]] = arith.addi %[[J0]], %[[COUNT]]
// CHECK: tile.roles warps [4, 8]
// CHECK: %[[NUMBER:.*]] = arith.addi %[[I0]], %[[ZERO]]
// CHECK: tile.put %[[ONCE]][%[[NUMBER]]], %{{.*}}[%[[X]], %{{.*}}] : !tile.ring<2 x
// CHECK: scf.for %[[J:.*]] = %[[ZERO]] to %[[N]] step %[[STEP]] {
// CHECK: %[[I:.*]] = arith.divui %[[J]], %[[STEP]]
// CHECK: %[[NUMBER:.*]] = arith.addi %[[J0]], %[[I]]
// CHECK: tile.put %[[RING]][%[[NUMBER]]]
// CHECK: }, {
// CHECK: scf.for
// CHECK: %[[NUMBER:.*]] = arith.addi %[[J0]], %
// CHECK: tile.get %[[RING]][%[[NUMBER]]]
// CHECK: tile.release %[[RING]][%[[NUMBER]]]
// CHECK: tile.store %{{.*}}[%[[X]],
// CHECK: tile.yield %[[I1]], %[[J1]] : index, index
// CHECK: tile.return
tile.kernel @split(%q: memref<?x64xbf16>, %k: memref<?x64xbf16>, %n: index, %o: memref<?x128xf32>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %zeros = arith.constant dense<0.0> : !acc
  %once = tile.make_ring : !once
  %ring = tile.make_ring : !ring
  tile.roles warps [4, 8] registers [40, 232] {
    tile.put %once[%c0], %q[%bx, %c0] : !once, memref<?x64xbf16>
    scf.for %j = %c0 to %n step %c128 {
      %i = arith.divui %j, %c128 : index
      tile.put %ring[%i], %k[%j, %c0] : !ring, memref<?x64xbf16>
    }
  }, {
    %a = tile.get %once[%c0] : !once
    %r = scf.for %j = %c0 to %n step %c128 iter_args(%acc = %zeros) -> (!acc) {
      %i = arith.divui %j, %c128 : index
      %b = tile.get %ring[%i] : !ring
      %d = tile.mma_async %a, %b acc(%acc : !acc) transpose_b : !shared, !shared -> !tile.async<!acc>
      %w = tile.wait %d : !tile.async<!acc>
      tile.release %ring[%i] : !ring
      scf.yield %w : !acc
    }
    tile.release %once[%c0] : !once
    tile.store %r, %o[%bx, %c0] : !acc, memref<?x128xf32>
  }
  tile.return
}

// -----

// How many copies a point makes is not known where a branch decides.
// CHECK-LABEL: tile.kernel @branch(
// CHECK-NOT: tile.for_each_block
tile.kernel @branch(%k: memref<?x64xbf16>, %when: i1, %o: memref<?x128xf32>,
                    %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %ring = tile.make_ring : !tile.ring<2 x 128x64xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    scf.if %when {
      tile.put %ring[%c0], %k[%bx, %c0] : !tile.ring<2 x 128x64xbf16>, memref<?x64xbf16>
    }
  }, {
    scf.if %when {
      %a = tile.get %ring[%c0] : !tile.ring<2 x 128x64xbf16>
      %d = tile.mma_async %a, %a transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      %w = tile.wait %d : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      tile.release %ring[%c0] : !tile.ring<2 x 128x64xbf16>
      tile.store %w, %o[%bx, %c0] : tensor<128x128xf32, #tile.mma<warps = 8>>, memref<?x128xf32>
    }
  }
  tile.return
}

// -----

// No room for the result beside the rings.
// CHECK-LABEL: tile.kernel @large(
// CHECK-NOT: tile.for_each_block
tile.kernel @large(%k: memref<?x256xbf16>, %o: memref<?x256xbf16>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %ring = tile.make_ring : !tile.ring<3 x 128x256xbf16>
  %out = tile.alloc : !tile.shared<128x256xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    tile.put %ring[%c0], %k[%bx, %c0] : !tile.ring<3 x 128x256xbf16>, memref<?x256xbf16>
  }, {
    %a = tile.get %ring[%c0] : !tile.ring<3 x 128x256xbf16>
    %t = tile.shared_load %a : !tile.shared<128x256xbf16> -> tensor<128x256xbf16, #tile.mma<warps = 8>>
    tile.release %ring[%c0] : !tile.ring<3 x 128x256xbf16>
    tile.barrier
    tile.shared_store %t, %out : tensor<128x256xbf16, #tile.mma<warps = 8>>, !tile.shared<128x256xbf16>
    tile.barrier
    %s = tile.shared_load %out : !tile.shared<128x256xbf16> -> tensor<128x256xbf16, #tile.mma<warps = 8>>
    tile.store %s, %o[%bx, %c0] : tensor<128x256xbf16, #tile.mma<warps = 8>>, memref<?x256xbf16>
  }
  tile.return
}

// -----

// %large_tile gets a second stage. Then 2048 bytes are left, too few for one of %tile: the result has its own place
// too. The rows of the result stay in their warp, so no barrier of the block is needed for them: in front of the
// store it was there for what else a kernel of one point has in that place.
// CHECK-LABEL: tile.kernel @room(
// CHECK: %[[LARGE:.*]] = tile.make_ring : !tile.ring<2 x 128x256xbf16>
// CHECK: %[[TILE:.*]] = tile.make_ring : !tile.ring<1 x 128x128xbf16>
// CHECK: %[[OUT:.*]] = tile.alloc
// CHECK: tile.for_each_block
// CHECK: tile.put %[[LARGE]]
// CHECK-SAME: : !tile.ring<2 x 128x256xbf16>
// CHECK: tile.put %[[TILE]]
// CHECK-SAME: : !tile.ring<1 x 128x128xbf16>
// CHECK: tile.get %[[LARGE]]
// CHECK-SAME: : !tile.ring<2 x 128x256xbf16>
// CHECK: tile.release %[[TILE]]
// CHECK-SAME: : !tile.ring<1 x 128x128xbf16>
// CHECK-NEXT: tile.barrier warp{{$}}
// CHECK-NEXT: tile.shared_store %{{.*}}, %[[OUT]]
// CHECK-NEXT: tile.barrier warp{{$}}
// CHECK-NEXT: tile.shared_load %[[OUT]]
tile.kernel @room(%k: memref<?x256xbf16>, %q: memref<?x128xbf16>, %o: memref<?x256xbf16>,
                  %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %large_tile = tile.make_ring : !tile.ring<1 x 128x256xbf16>
  %tile = tile.make_ring : !tile.ring<1 x 128x128xbf16>
  %out = tile.alloc : !tile.shared<128x256xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    tile.put %large_tile[%c0], %k[%bx, %c0] : !tile.ring<1 x 128x256xbf16>, memref<?x256xbf16>
    tile.put %tile[%c0], %q[%bx, %c0] : !tile.ring<1 x 128x128xbf16>, memref<?x128xbf16>
  }, {
    %a = tile.get %large_tile[%c0] : !tile.ring<1 x 128x256xbf16>
    %t = tile.shared_load %a : !tile.shared<128x256xbf16> -> tensor<128x256xbf16, #tile.mma<warps = 8>>
    tile.release %large_tile[%c0] : !tile.ring<1 x 128x256xbf16>
    %b = tile.get %tile[%c0] : !tile.ring<1 x 128x128xbf16>
    tile.release %tile[%c0] : !tile.ring<1 x 128x128xbf16>
    tile.barrier
    tile.shared_store %t, %out : tensor<128x256xbf16, #tile.mma<warps = 8>>, !tile.shared<128x256xbf16>
    tile.barrier warp
    %s = tile.shared_load %out : !tile.shared<128x256xbf16> -> tensor<128x256xbf16, #tile.mma<warps = 8>>
    tile.store %s, %o[%bx, %c0] : tensor<128x256xbf16, #tile.mma<warps = 8>>, memref<?x256xbf16>
  }
  tile.return
}

// -----

// Here warps read what others wrote: the barrier behind the store is the block's, and so the next point's store waits
// for all reads of this one. A ring that a loop fills keeps its one stage.
// CHECK-LABEL: tile.kernel @exchange(
// CHECK: %[[RING:.*]] = tile.make_ring : !tile.ring<1 x 128x64xbf16>
// CHECK: tile.for_each_block
// CHECK: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_store
// CHECK-NEXT: tile.barrier{{$}}
// CHECK-NEXT: tile.shared_load
tile.kernel @exchange(%k: memref<?x64xbf16>, %n: index, %o: memref<?x64xbf16>,
                      %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %zeros = arith.constant dense<0.0> : tensor<128x64xbf16, #tile.mma<warps = 8>>
  %ring = tile.make_ring : !tile.ring<1 x 128x64xbf16>
  %out = tile.alloc : !tile.shared<128x64xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    scf.for %j = %c0 to %n step %c128 {
      %i = arith.divui %j, %c128 : index
      tile.put %ring[%i], %k[%j, %c0] : !tile.ring<1 x 128x64xbf16>, memref<?x64xbf16>
    }
  }, {
    scf.for %j = %c0 to %n step %c128 {
      %i = arith.divui %j, %c128 : index
      %a = tile.get %ring[%i] : !tile.ring<1 x 128x64xbf16>
      tile.release %ring[%i] : !tile.ring<1 x 128x64xbf16>
    }
    tile.barrier
    tile.shared_store %zeros, %out : tensor<128x64xbf16, #tile.mma<warps = 8>>, !tile.shared<128x64xbf16>
    tile.barrier
    %s = tile.shared_load %out : !tile.shared<128x64xbf16> -> tensor<128x64xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [8, 1]>>
    tile.store %s, %o[%bx, %c0] : tensor<128x64xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [8, 1]>>, memref<?x64xbf16>
  }
  tile.return
}

// -----

// What bounds a loop may be read from memory that the kernel does not write.
// CHECK-LABEL: tile.kernel @documents(
// CHECK-SAME: %[[ENDS:[a-z0-9]+]]: memref<?xi32>
// CHECK: tile.for_each_block (%[[X:[a-z0-9_]+]], %{{.*}}, %{{.*}}) numbers (%[[J0:[a-z0-9_]+]] = %{{.*}}) {
// CHECK: %[[READ:.*]] = memref.load %[[ENDS]][%[[X]]]
// CHECK: %[[END:.*]] = arith.index_cast %[[READ]]
// CHECK: %[[LAST:.*]] = arith.maxsi %[[END]], %
// CHECK: tile.roles
// CHECK: memref.load %[[ENDS]][%[[X]]]
tile.kernel @documents(%k: memref<?x64xbf16>, %ends: memref<?xi32>, %o: memref<?x64xbf16>,
                       %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %ring = tile.make_ring : !tile.ring<2 x 128x64xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    %read = memref.load %ends[%bx] : memref<?xi32>
    %end = arith.index_cast %read : i32 to index
    scf.for %j = %c0 to %end step %c128 {
      %i = arith.divui %j, %c128 : index
      tile.put %ring[%i], %k[%j, %c0] : !tile.ring<2 x 128x64xbf16>, memref<?x64xbf16>
    }
  }, {
    %read = memref.load %ends[%bx] : memref<?xi32>
    %end = arith.index_cast %read : i32 to index
    scf.for %j = %c0 to %end step %c128 {
      %i = arith.divui %j, %c128 : index
      %b = tile.get %ring[%i] : !tile.ring<2 x 128x64xbf16>
      %t = tile.shared_load %b : !tile.shared<128x64xbf16> -> tensor<128x64xbf16, #tile.mma<warps = 8>>
      tile.release %ring[%i] : !tile.ring<2 x 128x64xbf16>
      tile.store %t, %o[%j, %c0] : tensor<128x64xbf16, #tile.mma<warps = 8>>, memref<?x64xbf16>
    }
  }
  tile.return
}

// -----

// CHECK-LABEL: tile.kernel @written(
// CHECK-NOT: tile.for_each_block
tile.kernel @written(%k: memref<?x64xbf16>, %ends: memref<?xi32>,
                     %bx: index, %by: index, %bz: index) attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %zeros = arith.constant dense<0> : tensor<128xi32, #tile.slice<dim = 1, of = #tile.mma<warps = 8>>>
  %ring = tile.make_ring : !tile.ring<2 x 128x64xbf16>
  tile.roles warps [4, 8] registers [40, 232] {
    %read = memref.load %ends[%bx] : memref<?xi32>
    %end = arith.index_cast %read : i32 to index
    scf.for %j = %c0 to %end step %c128 {
      %i = arith.divui %j, %c128 : index
      tile.put %ring[%i], %k[%j, %c0] : !tile.ring<2 x 128x64xbf16>, memref<?x64xbf16>
    }
  }, {
    %read = memref.load %ends[%bx] : memref<?xi32>
    %end = arith.index_cast %read : i32 to index
    scf.for %j = %c0 to %end step %c128 {
      %i = arith.divui %j, %c128 : index
      %b = tile.get %ring[%i] : !tile.ring<2 x 128x64xbf16>
      tile.release %ring[%i] : !tile.ring<2 x 128x64xbf16>
    }
    tile.store %zeros, %ends[%bx] : tensor<128xi32, #tile.slice<dim = 1, of = #tile.mma<warps = 8>>>, memref<?xi32>
  }
  tile.return
}
