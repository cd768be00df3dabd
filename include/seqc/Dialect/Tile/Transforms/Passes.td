//===- Passes.td - Passes on block-level programs ----------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_TRANSFORMS_PASSES
#define SEQC_DIALECT_TILE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def TileDeferReductions : Pass<"tile-defer-reductions", "::seqc::tile::KernelOp"> {
  let summary = "Sum across threads once, after the loop";
  let description = [{
    A loop that carries a row sum carries sums of 8 column classes instead, which every thread forms by itself, and reduces them
    when it is done. The sum may be rescaled by a row in each iteration, and be left as it is on some
    paths; nothing else in the loop may use it.

    Before:
    ```mlir
    %l = scf.for ... iter_args(%l0 = %zero) -> (tensor<128xf32>) {
      %r = tile.reduce add %p along 1 : tensor<128x64xf32> -> tensor<128xf32>
      %a = arith.mulf %l0, %alpha : tensor<128xf32>
      %l1 = arith.addf %a, %r : tensor<128xf32>
      scf.yield %l1
    }
    ```
    After:
    ```mlir
    %f = scf.for ... iter_args(%f0 = %zeros) -> (tensor<128x8xf32>) {
      %r = tile.fold add %p : tensor<128x64xf32> -> tensor<128x8xf32>
      %w = tile.broadcast %alpha along 1 : tensor<128xf32> -> tensor<128x8xf32>
      %a = arith.mulf %f0, %w : tensor<128x8xf32>
      %f1 = arith.addf %a, %r : tensor<128x8xf32>
      scf.yield %f1
    }
    %l = tile.reduce add %f along 1 : tensor<128x8xf32> -> tensor<128xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
  let statistics = [
    Statistic<"numDeferred", "sums-deferred", "Sums reduced after their loop">
  ];
}

def TileLazyRescale : Pass<"tile-lazy-rescale", "::seqc::tile::KernelOp"> {
  let summary = "Rescale the state of attention only where its maximum has grown much";
  let description = [{
    Online softmax multiplies the running sum and the accumulator by `exp2(max_old - max_new)` for each key
    tile, and needs the row maximum across threads to do so. Any reference in place of the maximum gives the same
    result, as long as sum and accumulator use the same one and no weight overflows. So the state keeps its reference until a
    score exceeds it by more than `threshold` (in base-2 units: weights stay below `2^threshold`),
    which after the first tiles is rare. The test needs neither the exact maximum nor an exchange between
    threads of more than one vote. Exact: the output is `acc / sum` and the log-sum-exp is
    `reference + log2(sum)`, whatever the reference.

    Before:
    ```mlir
    %tile_max = tile.reduce max %s along 1
    %new = arith.maxnumf %m, (%tile_max * scale)
    %shift = select(%new == -inf, 0, %new)
    %alpha = math.exp2(%m - %shift)
    %l1 = arith.mulf %l, %alpha
    %acc1 = arith.mulf %acc, (tile.broadcast %alpha along 1)
    ```
    After:
    ```mlir
    %some = tile.fold max %s
    %grown = arith.cmpf ogt, (%some * scale - tile.broadcast %m along 1), %threshold
    %new, %l1, %acc1 = tile.update_where %grown (%m, %l, %acc) warps 4 {
      %tile_max = tile.reduce max %some along 1
      ... as before ...
      tile.yield %new, %l1, %acc1
    }
    %shift = select(%new == -inf, 0, %new)
    ```
  }];
  let options = [
    Option<"threshold", "threshold", "double", "8.0",
           "Base-2 logarithm of the largest weight; 0 turns the pass off">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numLazy", "lazy-rescales", "Rescalings made conditional">
  ];
}

def TileShareExponentials : Pass<"tile-share-exponentials", "::seqc::tile::KernelOp"> {
  let summary = "Compute some of attention's exponentials with fused multiply-adds";
  let description = [{
    Special functions run at an eighth of the rate of arithmetic. Of the exponentials that make 16-bit weights,
    those in one of `every` blocks of eight columns become `2^n p(x - n)`: n is the integer next to x, and p a
    polynomial of degree 4 with a relative error below 3e-6 (FlashAttention-4's idea). -inf still gives 0, and NaN
    stays NaN. The others, and those of f32, stay as they are. A thread has a block in the same registers as all others, so that in
    the end nothing is chosen while the kernel runs.

    Before:
    ```mlir
    %p = math.exp2 %x : tensor<128x128xf32>
    %w = arith.truncf %p : tensor<128x128xf32> to tensor<128x128xbf16>
    ```
    After, with `every=4`:
    ```mlir
    %e = math.exp2 %x : tensor<128x128xf32>
    %y = arith.maximumf %x, %c-127
    %m = arith.addf %y, %magic
    %f = arith.subf %y, (arith.subf %m, %magic)
    %q = 1 + %f (c1 + %f (c2 + %f (c3 + %f c4)))                as math.fma
    %power = arith.mulf %q, bitcast(arith.shli bitcast(%m), 23)
    %block = arith.shrui (tile.iota 1), 3
    %p = arith.select ((%block & 3) == 3), %power, %e
    %w = arith.truncf %p
    ```
  }];
  let options = [
    Option<"every", "every", "int64_t", "0",
           "One of how many blocks of eight columns, a power of two; 0 turns the pass off">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"
  ];
  let statistics = [
    Statistic<"numShared", "exponentials-shared", "Exponentials that became polynomials in part">
  ];
}

def TileAssignLayouts : Pass<"tile-assign-layouts", "::seqc::tile::KernelOp"> {
  let summary = "Choose which thread holds which element of every tile";
  let description = [{
    Gives each tile that computes a layout, as the encoding of its type. Results and accumulators of
    `tile.dot` get `#tile.mma` for the warps of the kernel, and what they are tied to by elementwise operations,
    loops and branches gets the same; reductions and broadcasts lead to slices of it. What no product
    reaches gets `#tile.blocked`: up to 16 elements of a row per thread where rows are reduced, else 16 bytes per thread. A
    load that only products read keeps no layout: `tile-stage-memory` replaces it.

    Where two layouts meet at an operand, loads, constants, iotas and arithmetic on them are computed once in each
    of them; anything else is an error.

    Before:
    ```mlir
    %s = tile.dot %q, %k, %zero transpose_b
        : tensor<128x64xbf16>, tensor<64x64xbf16>, tensor<128x64xf32>
    %m = tile.reduce max %s along 1 : tensor<128x64xf32> -> tensor<128xf32>
    ```
    After:
    ```mlir
    %s = tile.dot %q, %k, %zero transpose_b
        : tensor<128x64xbf16>, tensor<64x64xbf16>, tensor<128x64xf32, #tile.mma<warps = 4>>
    %m = tile.reduce max %s along 1 : tensor<128x64xf32, #tile.mma<warps = 4>>
        -> tensor<128xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
    ```
  }];
  let statistics = [
    Statistic<"numTiles", "tiles", "Tiles in registers">,
    Statistic<"numAnchors", "anchors", "Tiles whose layout others follow">,
    Statistic<"numCopies", "recomputed", "Tiles computed again in another layout">
  ];
}

def TileStageMemory : Pass<"tile-stage-memory", "::seqc::tile::KernelOp"> {
  let summary = "Take tiles through shared memory where products and stores need it";
  let description = [{
    A load that products read becomes a ring of the kernel's `tile.stages` stages (2 where the
    attribute is absent; 1 for a load outside of loops): put, get and release in the load's block. A
    16-bit tile in `#tile.mma` is stored by way of shared memory, in 16-byte rows. With `chip=sm_90a`, products
    of 16-bit tiles become `tile.mma_async` and `tile.wait`; an accumulator that starts as rows or columns is added afterwards.

    With the kernel's attribute `tile.sync_products` no product is asynchronous: where a left operand that was gathered fills
    the registers that those need.

    Before:
    ```mlir
    scf.for %j = %lo to %hi step %c64 ... {
      %k = tile.load %keys[%j, %c0] : memref<?x128xbf16> -> tensor<64x128xbf16>
      %s = tile.dot %q, %k, %zero transpose_b : ...
    }
    ```
    After:
    ```mlir
    %ring = tile.make_ring : !tile.ring<2 x 64x128xbf16>
    scf.for %j = %lo to %hi step %c64 ... {
      %n = (%j - %lo) / 64
      tile.put %ring[%n], %keys[%j, %c0] : ...
      %k = tile.get %ring[%n] : ...
      %s = tile.dot %qs, %k, %zero transpose_b : !tile.shared<128x128xbf16>, !tile.shared<64x128xbf16>, ...
      tile.release %ring[%n]
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "sm_80 or sm_90a">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numRings", "rings", "Loads that became rings">,
    Statistic<"numBytes", "ring-bytes", "Bytes of shared memory of the rings">,
    Statistic<"numCopies", "copies", "Other operands written to shared memory">,
    Statistic<"numStores", "stores", "Stores by way of shared memory">,
    Statistic<"numProducts", "async-products", "Products made asynchronous">
  ];
}

def TilePrefetchLoads : Pass<"tile-prefetch-loads", "::seqc::tile::KernelOp"> {
  let summary = "Read the next iteration's tiles during this one's loop";
  let description = [{
    In a loop with a loop in it, tiles that are read before the inner loop are read one iteration ahead: in front of the inner loop,
    which hides the access, into registers that the outer loop carries. The place of such a load follows from the induction variable, and nothing in
    the loop writes to its view. What is read after the inner loop only stays where it is. The last iteration reads its
    own tiles once more, and a loop without iterations none. In a loop without a loop in it, `tile.exchange` and `tensor.extract_slice`
    are where the work on an iteration's tiles begins.

    Before:
    ```mlir
    scf.for %t = %c0 to %n step %c32 {
      %u = tile.load %x[%t] inside [0] : memref<?xf32> -> tensor<32xf32>
      ...
      scf.for ...
    }
    ```
    After:
    ```mlir
    %some = arith.cmpi slt, %c0, %n : index
    %first = scf.if %some -> (tensor<32xf32>) {
      %u0 = tile.load %x[%c0] inside [0] : memref<?xf32> -> tensor<32xf32>
      scf.yield %u0
    } else { scf.yield %zeros }
    scf.for %t = %c0 to %n step %c32 iter_args(%u = %first) -> (tensor<32xf32>) {
      ...
      %next = arith.select %isLast, %t, %t1 : index
      %u1 = tile.load %x[%next] inside [0] : memref<?xf32> -> tensor<32xf32>
      scf.for ...
      scf.yield %u1
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numLoads", "loads-ahead", "Loads that run an iteration ahead">
  ];
}

def TileShareRows : Pass<"tile-share-rows", "::seqc::tile::KernelOp"> {
  let summary = "Read numbers of columns an iteration ahead, through shared memory";
  let description = [{
    In a loop with a barrier, a number for each column of a product (a 1-D tile that is broadcast along the rows, and that follows
    from loads element by element) is read for the next iteration by one thread each, in a blocked layout, and
    written to one of two rows of shared memory in front of the barrier. Its uses read it from there where they are, so that
    no thread holds all of its columns' numbers all the time, and none waits for device memory.

    Before:
    ```mlir
    scf.for %i = %c0 to %n step %c1 {
      %l = tile.load %lse[%h, %q] : memref<?x?xf32> -> tensor<64xf32, #tile.slice<dim = 0, of = #tile.mma<warps = 8>>>
      %x = arith.mulf %l, %log2e
      %s = ...
      %y = tile.broadcast %x along 0
      %e = arith.subf %s, %y
      tile.barrier
    }
    ```
    After:
    ```mlir
    %rows = tile.alloc : !tile.shared<2x64xf32, pitch 64>
    tile.shared_store %x0, %rows[%c0, %c0]
    tile.barrier
    scf.for %i = %c0 to %n step %c1 {
      %l1 = tile.load %lse[%h, %q1] : memref<?x?xf32> -> tensor<64xf32, #blocked>
      %s = ...
      %x = tile.shared_load %rows[%parity, %c0] : !tile.shared<2x64xf32, pitch 64> -> tensor<64xf32, #tile.slice<...>>
      %y = tile.broadcast %x along 0
      %e = arith.subf %s, %y
      %x1 = arith.mulf %l1, %log2e
      tile.shared_store %x1, %rows[%other, %c0]
      tile.barrier
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numRows", "rows-shared", "Rows that go through shared memory">
  ];
}

def TileStageSlices : Pass<"tile-stage-slices", "::seqc::tile::KernelOp"> {
  let summary = "Read and write parts of tiles in shared memory";
  let description = [{
    A part of a tile at a place that a loop decides is read from shared memory (`tensor.extract_slice`), to which the whole is written where it
    is computed. A tile that a loop puts together from such parts (`tensor.insert_slice`, from `tensor.empty` on) is written there part by part and read
    as a whole after the loop. Layouts of parts and wholes are independent of each other. Rows are 16 bytes longer than their elements, which
    keeps threads that read one column off each other's banks.

    A part that is taken in the block of its tile, at a known place, and `tile.exchange` are read from shared memory likewise; a tile that was put
    together from parts in that block is written there part by part. Such reads that stand next to each other wait together.

    Where each warp reads only rows that it wrote itself, it waits for itself only. Other tiles take a barrier of the block, and in a loop there are two
    of them, in turn, so that it is one barrier for each iteration.

    Before:
    ```mlir
    %r = scf.for %s = %c0 to %c32 step %c4 iter_args(%y = %empty) -> (tensor<64x32xf32, #strip>) {
      %d = tensor.extract_slice %dt[0, %s] [64, 4] [1, 1] : tensor<64x32xf32, #strip> to tensor<64x4xf32, #part>
      ...
      %y1 = tensor.insert_slice %p into %y[0, %s] [64, 4] [1, 1]
      scf.yield %y1
    }
    ```
    After:
    ```mlir
    %ds = tile.alloc : !tile.shared<64x32xf32, pitch 36>
    %ys = tile.alloc : !tile.shared<64x32xf32, pitch 36>
    tile.shared_store %dt, %ds
    tile.barrier warp
    scf.for %s = %c0 to %c32 step %c4 {
      %d = tile.shared_load %ds[%c0, %s] : !tile.shared<64x32xf32, pitch 36> -> tensor<64x4xf32, #part>
      ...
      tile.shared_store %p, %ys[%c0, %s]
    }
    tile.barrier warp
    %r = tile.shared_load %ys : !tile.shared<64x32xf32, pitch 36> -> tensor<64x32xf32, #strip>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numRead", "tiles-read-in-parts", "Tiles of which parts are read">,
    Statistic<"numWritten", "tiles-written-in-parts", "Tiles put together from parts">,
    Statistic<"numDoubled", "tiles-doubled", "Tiles with one place for even and one for odd iterations">,
    Statistic<"numBytes", "bytes", "Bytes of shared memory taken">
  ];
}

def TileWarpRoles : Pass<"tile-warp-roles", "::seqc::tile::KernelOp"> {
  let summary = "Give copies to warps of their own";
  let description = [{
    In a kernel whose products run asynchronously, moves every `tile.put` to a producer role of four warps, with a copy of the
    loops and index arithmetic that it needs, and everything else to the consumer role. The producer runs as far
    ahead as the rings let it, the consumers meet copies that have landed, and the
    registers that the producer does not need go to them (FlashAttention-3's warp specialisation). A kernel whose copies need more
    than index arithmetic is left as it is.

    Before:
    ```mlir
    scf.for ... iter_args(...) {
      tile.put %k[%n], ...
      %kt = tile.get %k[%n]
      ...
    }
    ```
    After:
    ```mlir
    tile.roles warps [4, 8] registers [40, 232] {
      scf.for ... {
        tile.put %k[%n], ...
      }
    }, {
      scf.for ... iter_args(...) {
        %kt = tile.get %k[%n]
        ...
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numKernels", "kernels-split", "Kernels whose warps have roles">,
    Statistic<"numPuts", "copies-moved", "Copies moved to a producer">
  ];
}

def TilePersistentBlocks : Pass<"tile-persistent-blocks", "::seqc::tile::KernelOp"> {
  let summary = "Let thread blocks do one point of the grid after another";
  let description = [{
    Wraps the roles of a kernel in `tile.for_each_block`: as many thread blocks run as there is room for, and who is done
    takes the next point. The copies of the next point start while the products of this one still run and its
    result is stored, the start of a thread block is paid for once, and no processor waits while another one has several points left
    (the persistent kernels of FlashAttention-3). Copies are numbered through, so rings and their
    barriers need no reset. Tiles of which a point copies one get a second stage where shared memory has room for it, so that the next point's
    arrives early, and warps that write and read rows of their own no longer wait for each other. Points whose work depends on their first index, as under a causal mask,
    are taken longest first within sections of 264. Kernels without
    roles stay as they are, and those whose shared memory would not hold the rings and the tiles of the result side by
    side.

    Before:
    ```mlir
    %k = tile.make_ring : !tile.ring<2 x 128x64xbf16>
    tile.roles warps [4, 8] registers [40, 232] {
      scf.for %j = %c0 to %n step %c128 {
        %i = arith.divui %j, %c128 : index
        tile.put %k[%i], ...
    ```
    After:
    ```mlir
    %k = tile.make_ring : !tile.ring<2 x 128x64xbf16>
    tile.for_each_block (%x, %y, %z) numbers (%first = %c0) {
      %copies = arith.ceildivui %n, %c128 : index
      %next = arith.addi %first, %copies : index
      tile.roles warps [4, 8] registers [40, 232] {
        scf.for %j = %c0 to %n step %c128 {
          %i = arith.divui %j, %c128 : index
          %m = arith.addi %first, %i : index
          tile.put %k[%m], ...
      ...
      tile.yield %next : index
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numKernels", "persistent-kernels", "Kernels whose thread blocks do several points">,
    Statistic<"numRings", "rings-numbered", "Rings whose copies are numbered through">,
    Statistic<"numStages", "stages-added", "Rings that got a second stage">,
    Statistic<"numBarriers", "barriers-relaxed", "Barriers that only a warp's own threads are left at">
  ];
}

def TileOverlapProducts : Pass<"tile-overlap-products", "::seqc::tile::KernelOp"> {
  let summary = "Run the last product of an iteration in the next one";
  let description = [{
    Rotates loops of the consumer role whose iterations have two asynchronous products, the second of which only the next
    iteration needs: it is started right after the first product of that iteration, and waited for where its result is
    needed, so that the tensor cores work while the softmax runs (FlashAttention-3's overlap
    within a warpgroup). What the first iteration computes before its second product is copied in front of the loop, and the
    last second product behind it. Rows are rescaled in two steps, so that only the second one, after the
    softmax, waits for the product: where maxima grew, new maxima and factors first, the accumulator last. Loops that load a bias, whose elements need the registers of the second product, stay as they
    are.

    Before:
    ```mlir
    scf.for %j = %lo to %hi step %c128 iter_args(..., %acc = ...) {
      %s = tile.wait (tile.mma_async %q, %k transpose_b)
      %p, %acc1 = ... softmax of %s and rescaling of %acc ...
      %acc2 = tile.wait (tile.mma_async %p, %v acc(%acc1))
    }
    ```
    After:
    ```mlir
    %s0 = tile.wait (tile.mma_async %q, %k0 transpose_b)
    %p0, %acc0 = ... softmax of %s0 ...
    scf.for %j = %lo + 128 to %hi step %c128 iter_args(..., %acc1 = %acc0, %p = %p0) {
      %a = tile.mma_async %q, %k transpose_b
      %b = tile.mma_async %p, %v acc(%acc1)
      %s = tile.wait %a pending 1
      %p1 = ... softmax of %s ...
      %acc2 = tile.wait %b
      %acc3 = ... rescaling of %acc2 ...
    }
    %acc4 = tile.wait (tile.mma_async %p, %v acc(%acc1))
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"
  ];
  let statistics = [
    Statistic<"numLoops", "loops-rotated", "Loops whose products overlap">,
    Statistic<"numSplit", "rescalings-delayed", "Accumulators that are rescaled after the weights are computed">
  ];
}

def TileTakeTurns : Pass<"tile-take-turns", "::seqc::tile::KernelOp"> {
  let summary = "Let groups of warps start their products in turn";
  let description = [{
    Of loops in which a warpgroup starts two products before it waits for one (`tile-overlap-products` leaves such), lets one group
    after the other start its own, so that the softmax of one group runs under the products of the others (FlashAttention-3's
    ping-pong scheduling). It pays where exponentials take as long as products, with small head dimensions,
    whose kernels have three groups. With two groups it costs more than it gains, so by default these are left as they are.

    Before:
    ```mlir
    %k = tile.get ...
    %a = tile.mma_async %q, %k transpose_b
    %v = tile.get ...
    %b = tile.mma_async %p, %v acc(%acc)
    %s = tile.wait %a pending 1
    ```
    After:
    ```mlir
    %k = tile.get ...
    tile.begin_turn
    %a = tile.mma_async %q, %k transpose_b
    %v = tile.get ...
    %b = tile.mma_async %p, %v acc(%acc)
    tile.end_turn
    %s = tile.wait %a pending 1
    ```
  }];
  let options = [
    Option<"groups", "groups", "int64_t", "3", "The fewest groups of four warps that take turns, at least 2">
  ];
  let statistics = [
    Statistic<"numLoops", "loops-in-turns", "Loops whose groups take turns">
  ];
}

def TileDelayWaits : Pass<"tile-delay-waits", "::seqc::tile::KernelOp"> {
  let summary = "Wait for products where their results are read";
  let description = [{
    In loops of the consumer role with three or more asynchronous products, as those of attention's backward are, each wait
    moves down to the first operation that reads its result, or to the end of the iteration. Products that depend on no other of
    their iteration are started together. A stage is released after the last wait for a product that reads it.

    Before:
    ```mlir
    %s = tile.wait (tile.mma_async %k, %q transpose_b)
    %d = tile.wait (tile.mma_async %v, %o transpose_b)
    %p = ... exponentials of %s ...
    %x = tile.wait (tile.mma_async %p, %o acc(%x0))
    %e = ... %p and %d ...
    %y = tile.wait (tile.mma_async %e, %q acc(%y0))
    ```
    After:
    ```mlir
    %0 = tile.mma_async %k, %q transpose_b
    %1 = tile.mma_async %v, %o transpose_b
    %s = tile.wait %0 pending 1
    %p = ... exponentials of %s ...
    %2 = tile.mma_async %p, %o acc(%x0)
    %d = tile.wait %1 pending 1
    %e = ... %p and %d ...
    %3 = tile.mma_async %e, %q acc(%y0)
    %x = tile.wait %2 pending 1
    %y = tile.wait %3
    ```
  }];
  let statistics = [
    Statistic<"numLoops", "loops-changed", "Loops whose waits were moved">
  ];
}

def TileSplitAccumulators : Pass<"tile-split-accumulators", "::seqc::tile::KernelOp"> {
  let summary = "A loop for each accumulator, where all do not fit registers";
  let description = [{
    A loop of a kernel whose accumulators of products take more than 152 registers of a thread (half of that for
    factors of f32) is done once for each of them. What only the other sums need falls away, what all need is computed
    again; what becomes of a sum, its store for one, follows its loop.

    Before (the gradients of keys and values, head_dim 256):
    ```mlir
    %r:2 = scf.for ... iter_args(%dk = %zeros, %dv = %zeros) {
      %p = ...
      %dv1 = tile.dot %p, %do, %dv
      %ds = ...
      %dk1 = tile.dot %ds, %q, %dk
      scf.yield %dk1, %dv1
    }
    tile.store %r#0, ...
    tile.store %r#1, ...
    ```
    After:
    ```mlir
    %r0 = scf.for ... iter_args(%dk = %zeros) { ... scf.yield %dk1 }
    tile.store %r0, ...
    %r1 = scf.for ... iter_args(%dv = %zeros) { ... scf.yield %dv1 }
    tile.store %r1, ...
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numSplit", "loops-split", "Loops that are done once for each sum">
  ];
}

def TilePipeline : Pass<"tile-pipeline", "::seqc::tile::KernelOp"> {
  let summary = "Start copies ahead of the iteration that reads them";
  let description = [{
    Rotates the copies of loops outside of roles, where all threads copy and the barrier inside `tile.get` hands
    stages over. A ring of two or more stages is filled `stages - 1` iterations ahead. A ring of one stage is
    refilled as soon as it is free, as in FlashAttention-2: the first ring that an iteration reads right
    after the `tile.get` that follows its release (keys arrive during the softmax), the others
    after the iteration's first `tile.get` (values arrive during the product with the keys). `pending` of each
    `tile.get` becomes the number of copies that were certainly started later.

    Before:
    ```mlir
    scf.for %j = %lo to %hi step %c64 {
      tile.put %k[%n], ...
      tile.put %v[%n], ...
      %kt = tile.get %k[%n]
      ...
      tile.release %k[%n]
      %vt = tile.get %v[%n]
      ...
    }
    ```
    After:
    ```mlir
    tile.put %k[%c0], ... when (%lo < %hi)
    scf.for %j = %lo to %hi step %c64 {
      %kt = tile.get %k[%n]
      tile.put %v[%n], ...
      ...
      %vt = tile.get %v[%n]
      tile.put %k[%n + 1], ... when (%j + 64 < %hi)
      ...
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numLoops", "loops-pipelined", "Loops whose copies run ahead">,
    Statistic<"numAhead", "copies-ahead", "Copies started in an earlier iteration">
  ];
}

def TileEraseAsync : Pass<"tile-erase-async", "::seqc::tile::KernelOp"> {
  let summary = "Run copies, products and roles in program order";
  let description = [{
    Turns rings and tiles of shared memory into buffers, a `tile.put` into a load and a store, a `tile.mma_async` into `tile.dot`, and
    roles into one program, a role after those whose copies it waits for. What only concurrency would show (a wait for too few copies, a
    stage that is overwritten early, roles that wait for each other) is checked on the side with counters; a block in which a
    check fails stores NaNs. The first step on the way of a kernel to a CPU.

    Before:
    ```mlir
    %ring = tile.make_ring : !tile.ring<2 x 64x128xbf16>
    tile.put %ring[%n], %k[%j, %c0] : !tile.ring<2 x 64x128xbf16>, memref<?x128xbf16>
    %s = tile.get %ring[%n] : !tile.ring<2 x 64x128xbf16>
    %p = tile.mma_async %q, %s acc(%acc : ...) : ... -> !tile.async<...>
    %r = tile.wait %p : !tile.async<...>
    tile.release %ring[%n] : !tile.ring<2 x 64x128xbf16>
    ```
    After:
    ```mlir
    %ring = memref.alloc() : memref<2x64x128xbf16>
    %stage = arith.remui %n, %c2 : index
    %t = tile.load %k[%j, %c0] : memref<?x128xbf16> -> tensor<64x128xbf16>
    tile.store %t, %ring[%stage, %c0, %c0] : tensor<64x128xbf16>, memref<2x64x128xbf16>
    %s = tile.load %ring[%stage, %c0, %c0] : memref<2x64x128xbf16> -> tensor<64x128xbf16>
    %r = tile.dot %q, %s, %acc : ...
    ```
  }];
  let options = [
    Option<"check", "check", "bool", "true", "Check what the order of the program hides">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numCopies", "copies-erased", "Copies made synchronous">,
    Statistic<"numProducts", "products-erased", "Products made synchronous">
  ];
}

def TileEraseLayouts : Pass<"tile-erase-layouts", "::seqc::tile::KernelOp"> {
  let summary = "Drop layouts";
  let description = [{
    Takes the layout from every tile; conversions between layouts go. `tile.mma_async` exists with layouts only, so
    `tile-erase-async` comes first.

    Before:
    ```mlir
    %m = tile.reduce max %s along 1 : tensor<128x64xf32, #tile.mma<warps = 4>>
        -> tensor<128xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>
    ```
    After:
    ```mlir
    %m = tile.reduce max %s along 1 : tensor<128x64xf32> -> tensor<128xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numErased", "layouts-erased", "Values that lost their layout">
  ];
}

#endif // SEQC_DIALECT_TILE_TRANSFORMS_PASSES
