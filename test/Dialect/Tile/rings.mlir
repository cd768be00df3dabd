// RUN: %roundtrip

// CHECK-LABEL: tile.kernel @rings
tile.kernel @rings(%k: memref<?x?x128xbf16>, %more: i1, %n: index, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: %[[S:[a-z0-9_]+]] = tile.alloc : !tile.shared<64x128xbf16>
  %s = tile.alloc : !tile.shared<64x128xbf16>
  // CHECK: %[[R:[a-z0-9_]+]] = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  %ring = tile.make_ring : !tile.ring<2 x 64x128xbf16>
  // CHECK: tile.put %[[R]][%{{.*}}], %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] : !tile.ring<2 x 64x128xbf16>, memref<?x?x128xbf16>
  tile.put %ring[%c0], %k[%bx, %by, %c0] : !tile.ring<2 x 64x128xbf16>, memref<?x?x128xbf16>
  // CHECK: tile.put %[[R]][%{{.*}}], %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] dims [0, 2] when %{{.*}} :
  tile.put %ring[%c1], %k[%bx, %by, %c0] dims [0, 2] when %more : !tile.ring<2 x 64x128xbf16>, memref<?x?x128xbf16>
  scf.for %i = %c0 to %n step %c1 {
    // CHECK: %[[T:[a-z0-9_]+]] = tile.get %[[R]][%{{.*}}] pending 1 : !tile.ring<2 x 64x128xbf16>
    %t = tile.get %ring[%i] pending 1 : !tile.ring<2 x 64x128xbf16>
    // CHECK: %[[V:[a-z0-9_]+]] = tile.shared_load %[[T]] : !tile.shared<64x128xbf16> -> tensor<64x64xbf16>
    %v = tile.shared_load %t : !tile.shared<64x128xbf16> -> tensor<64x64xbf16>
    // CHECK: tile.shared_store %[[V]], %[[S]] : tensor<64x64xbf16>, !tile.shared<64x128xbf16>
    tile.shared_store %v, %s : tensor<64x64xbf16>, !tile.shared<64x128xbf16>
    // CHECK: tile.release %[[R]][%{{.*}}] : !tile.ring<2 x 64x128xbf16>
    tile.release %ring[%i] : !tile.ring<2 x 64x128xbf16>
    // CHECK: tile.barrier
    tile.barrier
  }
  // CHECK: tile.get %[[R]][%{{.*}}] : !tile.ring<2 x 64x128xbf16>
  %last = tile.get %ring[%n] : !tile.ring<2 x 64x128xbf16>
  tile.release %ring[%n] : !tile.ring<2 x 64x128xbf16>
  tile.return
}

// A ring that is filled once.
// CHECK-LABEL: tile.kernel @once
tile.kernel @once(%q: memref<?x128xbf16>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %ring = tile.make_ring : !tile.ring<1 x 64x128xbf16>
  tile.put %ring[%c0], %q[%bx, %c0] : !tile.ring<1 x 64x128xbf16>, memref<?x128xbf16>
  %t = tile.get %ring[%c0] : !tile.ring<1 x 64x128xbf16>
  tile.return
}

// CHECK-LABEL: tile.kernel @roles
tile.kernel @roles(%q: memref<?x128xbf16>, %n: index, %bx: index, %by: index, %bz: index)
    attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = tile.make_ring : !tile.ring<2 x 128x128xbf16>
  %zero = arith.constant dense<0.0> : tensor<128x128xf32, #tile.mma<warps = 8>>
  // CHECK: tile.roles warps [4, 8] registers [40, 232] {
  // CHECK: tile.put
  // CHECK: }, {
  // CHECK: tile.get
  tile.roles warps [4, 8] registers [40, 232] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %ring[%i], %q[%i, %c0] : !tile.ring<2 x 128x128xbf16>, memref<?x128xbf16>
    }
  }, {
    %acc = scf.for %i = %c0 to %n step %c1 iter_args(%a = %zero) -> (tensor<128x128xf32, #tile.mma<warps = 8>>) {
      %t = tile.get %ring[%i] : !tile.ring<2 x 128x128xbf16>
      // CHECK: %[[P:[a-z0-9_]+]] = tile.mma_async %{{.*}}, %{{.*}} transpose_b : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #{{.*}}<warps = 8>>>
      %0 = tile.mma_async %t, %t transpose_b : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: %[[P2:[a-z0-9_]+]] = tile.mma_async %{{.*}}, %{{.*}} acc(%[[P]] : !tile.async<tensor<128x128xf32, #{{.*}}<warps = 8>>>) :
      %1 = tile.mma_async %t, %t acc(%0 : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>) : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: %[[P3:[a-z0-9_]+]] = tile.mma_async %{{.*}}, %{{.*}} acc(%{{.*}} : tensor<128x128xf32, #{{.*}}<warps = 8>>) :
      %2 = tile.mma_async %t, %t acc(%a : tensor<128x128xf32, #tile.mma<warps = 8>>) : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: tile.wait %[[P2]] pending 1 : !tile.async<tensor<128x128xf32, #{{.*}}<warps = 8>>>
      %3 = tile.wait %1 pending 1 : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: tile.wait %[[P3]] : !tile.async<tensor<128x128xf32, #{{.*}}<warps = 8>>>
      %4 = tile.wait %2 : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: %[[P4:[a-z0-9_]+]] = tile.mma_async %{{.*}}, %{{.*}} acc(%{{.*}} : tensor<128x128xf32, #{{.*}}<warps = 8>>) transpose_a : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> ->
      %5 = tile.mma_async %t, %t acc(%4 : tensor<128x128xf32, #tile.mma<warps = 8>>) transpose_a : !tile.shared<128x128xbf16>, !tile.shared<128x128xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK: tile.wait %[[P4]]
      %6 = tile.wait %5 : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      tile.release %ring[%i] : !tile.ring<2 x 128x128xbf16>
      %7 = arith.addf %3, %6 : tensor<128x128xf32, #tile.mma<warps = 8>>
      scf.yield %7 : tensor<128x128xf32, #tile.mma<warps = 8>>
    }
  }
  tile.return
}

// Two groups of warps one after the other.
// CHECK-LABEL: tile.kernel @turns
tile.kernel @turns(%q: memref<?x64xbf16>, %x: memref<128x128xf32>, %n: index, %bx: index, %by: index, %bz: index)
    attributes {warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = tile.make_ring : !tile.ring<2 x 128x64xbf16>
  tile.roles warps [4, 8] registers [0, 0] {
    scf.for %i = %c0 to %n step %c1 {
      tile.put %ring[%i], %q[%i, %c0] : !tile.ring<2 x 128x64xbf16>, memref<?x64xbf16>
    }
  }, {
    // CHECK: scf.for
    scf.for %i = %c0 to %n step %c1 {
      %t = tile.get %ring[%i] : !tile.ring<2 x 128x64xbf16>
      // CHECK: tile.begin_turn{{$}}
      tile.begin_turn
      // CHECK-NEXT: tile.mma_async
      %p = tile.mma_async %t, %t transpose_b : !tile.shared<128x64xbf16>, !tile.shared<128x64xbf16> -> !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK-NEXT: tile.end_turn{{$}}
      tile.end_turn
      // CHECK-NEXT: %[[W:.*]] = tile.wait
      %w = tile.wait %p : !tile.async<tensor<128x128xf32, #tile.mma<warps = 8>>>
      // CHECK-NEXT: %[[H:.*]] = tile.ready %[[W]] : tensor<128x128xf32, #{{.*}}<warps = 8>>
      %h = tile.ready %w : tensor<128x128xf32, #tile.mma<warps = 8>>
      tile.release %ring[%i] : !tile.ring<2 x 128x64xbf16>
      // CHECK: tile.store %[[H]]
      tile.store %h, %x[%c0, %c0] : tensor<128x128xf32, #tile.mma<warps = 8>>, memref<128x128xf32>
    }
  }
  tile.return
}

// A 1-D tile is a part of a row.
// CHECK-LABEL: tile.kernel @row(
tile.kernel @row(%i: index, %o: memref<?xf32>, %bx: index, %by: index, %bz: index)
    attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %s = tile.alloc : !tile.shared<2x64xf32, pitch 64>
  %t = tile.load %o[%bx] : memref<?xf32> -> tensor<64xf32>
  // CHECK: tile.shared_store %{{.*}}, %[[S:.*]][%[[I:.*]], %{{.*}}] : tensor<64xf32>, !tile.shared<2x64xf32, pitch 64>
  tile.shared_store %t, %s[%i, %c0] : tensor<64xf32>, !tile.shared<2x64xf32, pitch 64>
  tile.barrier
  // CHECK: tile.shared_load %[[S]][%[[I]], %{{.*}}] : !tile.shared<2x64xf32, pitch 64> -> tensor<32xf32>
  %u = tile.shared_load %s[%i, %c32] : !tile.shared<2x64xf32, pitch 64> -> tensor<32xf32>
  tile.store %u, %o[%bx] : tensor<32xf32>, memref<?xf32>
  tile.return
}
