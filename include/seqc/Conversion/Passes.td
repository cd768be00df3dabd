//===- Passes.td - Lowering from seqc to the CPU -----------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_CONVERSION_PASSES
#define SEQC_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def SeqcDecompose : Pass<"seqc-decompose", "::mlir::func::FuncOp"> {
  let summary = "Rewrite tiles into linalg operators";
  let description = [{
    Replaces each tile of `seqc.online_attention`, `seqc.softmax_finish`, `seqc.chunk_scan`,
    `seqc.causal_conv1d` and their backward operators by the `linalg`, `math` and `arith` operators it stands for, all on static shapes. Score and mask
    regions become part of the elementwise operator on the tile of scores. The recurrences of the backward of a scan become loops over
    time on vectors of channels.

    Before:
    ```mlir
    seqc.online_attention query(%q) key(%k) value(%v) ... tile_class(full)
    ```
    After:
    ```mlir
    %s   = linalg.matmul ins(%q, %kt) outs(%zero)
    %m   = linalg.reduce { arith.maximumf } ins(%s) outs(%m0) dimensions = [1]
    %p   = linalg.generic { math.exp2(%s - %m) }
    ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::mlir::affine::AffineDialect",
    "::mlir::bufferization::BufferizationDialect", "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numDecomposed", "tiles-decomposed", "Tiles rewritten">
  ];
}

def SeqcFoldEmpty : Pass<"seqc-fold-empty", "::mlir::func::FuncOp"> {
  let summary = "Remove tensors without elements";
  let description = [{
    A tensor with a static size of 0 holds nothing, so that whatever made it can be left out: `tensor` operators with such a result
    become `tensor.empty`, and inserting such a slice leaves the destination as it is. Views of buffers without elements would be at an
    offset that the `memref` dialect calls out of bounds.

    Before:
    ```mlir
    %s = tensor.extract_slice %t[0, 4] [3, 0] [1, 1] : tensor<3x4xf32> to tensor<3x0xf32>
    %r = tensor.insert_slice %s into %d[0, 4] [3, 0] [1, 1] : tensor<3x0xf32> into tensor<3x4xf32>
    ```
    After:
    ```mlir
    // %d is used in place of %r
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numFolded", "ops-folded", "Operators on nothing removed">
  ];
}

def SeqcTileLinalg : Pass<"seqc-tile-linalg", "::mlir::func::FuncOp"> {
  let summary = "Spread the linalg operators of the graph over the cores";
  let description = [{
    Tiles the `linalg` operators that are not inside an `scf.forall` (the projections, norms and elementwise work around
    seqc's operators) into an `scf.forall` over blocks of their parallel dimensions. Operators that stand for several
    (`linalg.softmax`, `linalg.pack`) are decomposed first.

    Before:
    ```mlir
    %c = linalg.matmul ins(%a, %b) outs(%init)
    ```
    After:
    ```mlir
    %c = scf.forall (%i, %j) = ... { linalg.matmul ins(%a_block, %b_block) outs(%init_block) ... }
    ```
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "64", "Rows in a block">,
    Option<"columns", "columns", "int64_t", "128", "Columns in a block">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numTiled", "ops-tiled", "Operators tiled">
  ];
}

def SeqcProtectArguments : Pass<"seqc-protect-arguments", "::mlir::func::FuncOp"> {
  let summary = "Keep bufferization from writing to the caller's tensors";
  let description = [{
    Marks every tensor argument of a public function as not writable: updates that could happen in place there get
    a buffer of their own.

    Before:
    ```mlir
    func.func @f(%x: tensor<4xf32>)
    ```
    After:
    ```mlir
    func.func @f(%x: tensor<4xf32> {bufferization.writable = false})
    ```
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect"];
  let statistics = [
    Statistic<"numProtected", "arguments-protected", "Arguments marked as not writable">
  ];
}

def SeqcBufferize : Pass<"seqc-bufferize", "::mlir::ModuleOp"> {
  let summary = "Turn tensors into buffers";
  let description = [{
    Upstream's one-shot bufferization with the calling convention of the cpu target: arguments may have any strides,
    results are allocated by the function and belong to its caller, and a loop may carry tensors that are new in every iteration.

    Before:
    ```mlir
    func.func @f(%x: tensor<?xf32>) -> tensor<?xf32>
    ```
    After:
    ```mlir
    func.func @f(%x: memref<?xf32, strided<[?], offset: ?>>) -> memref<?xf32, strided<[?], offset: ?>>
    ```
  }];
  let dependentDialects = [
    "::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect"
  ];
}

def SeqcCheckLowered : Pass<"seqc-check-lowered", "::mlir::ModuleOp"> {
  let summary = "Name the operator that nothing lowered";
  let description = [{
    The last pass of the CPU pipeline: fails with one error that names the first operator left outside of the
    LLVM and OpenMP dialects, where it stands in the source.

    Before and after:
    ```mlir
    error: 'shape.shape_of' op is not supported on the cpu target
    ```
  }];
}

def SeqcPlaceScratch : Pass<"seqc-place-scratch", "::mlir::func::FuncOp"> {
  let summary = "Put the tiles of a parallel body into on-chip memory";
  let description = [{
    Every static buffer allocated inside an `scf.forall` body is a tile that lives in a core's cache: it becomes a
    `memref.alloca` at the head of the body, allocated once per body and never freed by hand. Bodies whose tiles need
    more than `limit` bytes keep the largest ones on the heap, hoisted to the head of the body.

    Before:
    ```mlir
    scf.forall (%i) in (%n) {
      scf.for ... { %s = memref.alloc() : memref<64x64xf32> ... memref.dealloc %s }
    }
    ```
    After:
    ```mlir
    scf.forall (%i) in (%n) {
      %s = memref.alloca() {alignment = 64 : i64} : memref<64x64xf32>
      scf.for ... { ... }
    }
    ```
  }];
  let options = [
    Option<"limit", "limit", "int64_t", "1048576", "Bytes of stack that a body may use">
  ];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numPlaced", "buffers-placed", "Buffers placed on the stack of a core">,
    Statistic<"numBytes", "bytes-placed", "Bytes of those buffers">
  ];
}

def SeqcHoistScratch : Pass<"seqc-hoist-scratch", "::mlir::func::FuncOp"> {
  let summary = "Allocate the tiles of a parallel body once per thread";
  let description = [{
    Moves every static `memref.alloca` inside an `omp.parallel` to its head, where a thread runs it once for all of its
    iterations, and dissolves the `memref.alloca_scope` of the loop body.

    Before:
    ```mlir
    omp.parallel { omp.wsloop { omp.loop_nest ... { memref.alloca_scope { %s = memref.alloca() ... } } } }
    ```
    After:
    ```mlir
    omp.parallel { %s = memref.alloca() ... omp.wsloop { omp.loop_nest ... { ... } } }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::omp::OpenMPDialect"];
  let statistics = [
    Statistic<"numHoisted", "buffers-hoisted", "Buffers moved to the head of a parallel region">
  ];
}

def SeqcSerializeInner : Pass<"seqc-serialize-inner", "::mlir::func::FuncOp"> {
  let summary = "Make parallel loops inside parallel loops sequential";
  let description = [{
    A core runs one body of the outermost `scf.forall` at a time; an `scf.forall` inside of it becomes `scf.for`.

    Before:
    ```mlir
    scf.forall (%s) in (4) { scf.forall (%i) in (%n) { ... } }
    ```
    After:
    ```mlir
    scf.forall (%s) in (4) { scf.for %i = %c0 to %n step %c1 { ... } }
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numSerialized", "loops-serialized", "Inner parallel loops made sequential">
  ];
}

def SeqcExpandReshapes : Pass<"seqc-expand-reshapes", "::mlir::func::FuncOp"> {
  let summary = "Lower reshapes with several dynamic sizes in one group";
  let description = [{
    `memref.expand_shape` that splits a dimension into two or more dynamic ones becomes a `memref.reinterpret_cast` with the
    strides worked out: upstream's expansion of strided metadata allows one dynamic size per group.

    Before:
    ```mlir
    %r = memref.expand_shape %m [[0, 1]] output_shape [%a, %b] : memref<?xf32> into memref<?x?xf32>
    ```
    After:
    ```mlir
    %r = memref.reinterpret_cast %m to offset: [0], sizes: [%a, %b], strides: [%b, 1]
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numExpanded", "reshapes-expanded", "Reshapes lowered">
  ];
}

def SeqcVectorize : Pass<"seqc-vectorize", "::mlir::func::FuncOp"> {
  let summary = "Turn linalg operators on buffers into register tiles and vectors";
  let description = [{
    Each `linalg` operator becomes loops over register tiles. A contraction keeps an (8 x 2 registers) block of its result in vector
    registers over the whole reduction; elementwise operators, reductions and transposes are cut into tiles that upstream's linalg
    vectorizer handles. Static remainders get tiles of their own size; a dynamic dimension gets a scalar remainder loop. An operator
    that reads a buffer whose innermost stride is unknown is versioned on that stride being 1; a copy also on the stride before it being 1, which
    makes it a transposition of square tiles. What cannot be
    vectorized (gathers from captured tables) becomes plain loops.

    Before:
    ```mlir
    linalg.matmul ins(%a, %b : memref<64x64xf32>, memref<64x64xf32>) outs(%c : memref<64x64xf32>)
    ```
    After:
    ```mlir
    scf.for %i = ... step 8 {
      scf.for %j = ... step 32 {
        %c0 = vector.transfer_read %c[%i, %j] : vector<8x32xf32>
        %c1 = scf.for %k = ... iter_args(%acc = %c0) -> vector<8x32xf32> {
          vector.contract ...
        }
        vector.transfer_write %c1, %c[%i, %j]
      }
    }
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "512", "Width of a vector register">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numContractions", "contractions", "Contractions blocked into registers">,
    Statistic<"numVectorized", "ops-vectorized", "Other operators vectorized">,
    Statistic<"numLoops", "ops-to-loops", "Operators left as scalar loops">
  ];
}

def SeqcLowerVectors : Pass<"seqc-lower-vectors", "::mlir::func::FuncOp"> {
  let summary = "Lower vector operators to what LLVM's vectors have";
  let description = [{
    Applies upstream's lowerings of contractions (as outer products), multi-dimensional reductions, transposes and transfers, and
    replaces exponentials and logarithms of f32 vectors by polynomials: `exp2` by one of seqc's own (relative error
    below 2e-7, exact at 0, results below 2^-125.5 flushed to 0, NaN for NaN), the others by upstream's.

    Before:
    ```mlir
    %r = vector.contract {...} %a, %b, %c : vector<8x1xf32>, vector<1x32xf32> into vector<8x32xf32>
    ```
    After:
    ```mlir
    %r0 = vector.fma %a0, %b0, %c0 : vector<32xf32>
    ...
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numExponentials", "exponentials", "Vector exponentials replaced by polynomials">
  ];
}

def ConvertSeqcToTile : Pass<"convert-seqc-to-tile", "::mlir::ModuleOp"> {
  let summary = "Outline tiled operators into kernels on tiles";
  let description = [{
    Each `scf.forall` of a function that `seqc-tile{single-loop=true}` made becomes a `tile.kernel` named `<function>_<n>` and
    its `tile.launch`. Slices and pads of device memory become `tile.load` and `tile.store`, which mask by themselves; the
    state is carried in tiles without unit dimensions; operators become the tile, `arith` and `math` operations that they stand for.
    The two forms of a key tile, with and without mask, become one in which only the mask is conditional. A head_dim
    that is no multiple of 16 is padded with zeros. Expects the IR as `seqc-tile` left it: canonicalization would
    drop loops of one iteration.

    A scan keeps its state in a tile. It reads the steps of a chunk as tiles and takes them through `tile.recurrence` in groups;
    chunks of fewer than 16 steps are read one time step at a time. Sums over 64 states of 16-bit data are a `tile.contract`. Without outputs, of
    the state after a part of the sequence, it looks for the first chunk that this depends on before it starts. `seqc.scan_prefix` is a loop over
    parts. A convolution reads a chunk and the 8 steps before it, and
    shifts them (`tile.shift`) for each tap; where rows are not `aligned`, in the first chunk and in one that is cut it reads its
    input once per tap.

    The gradients of a scan are two kernels. The first keeps the state before each chunk. The second takes the chunks from the last to
    the first: `tile.recurrence` forwards from the kept state, `tile.recurrence adjoint` backwards; `tile.sum_blocks` and
    shared memory sum over the channels of a block, and every block writes sums of its own. Those of a convolution are one kernel,
    which reads a block of 8 steps behind a chunk, too. A `linalg` operator that is left in the function becomes a kernel as well: an
    elementwise one of up to four dimensions, with tiles of 1024 elements, or one that reduces its last dimension to sums or largest
    values, starting from constants, with tiles of 32 rows and a loop over 64 columns at a time.

    A scalar that the kernel needs is passed, unless it is the size of a view. A function keeps only what the host plan can
    say; anything else is an error that names it, and so are operands of f64 and operations of a score or mask region that
    do not work on tiles.

    Before:
    ```mlir
    %o = scf.forall (%b, %h, %i) = (0, 0, 0) to (%nb, %nh, %sq) step (1, 1, 128) shared_outs(...) {
      ... seqc.online_attention ... seqc.softmax_finish ...
    }
    ```
    After:
    ```mlir
    tile.kernel @f_0(%q: memref<...>, ..., %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
      %qt = tile.load %q[%bz, %by, %i, %c0] : ... -> tensor<128x128xbf16>
      %r:3 = scf.for %j = %lo to %hi step %c64 iter_args(%m = ..., %l = ..., %acc = ...) {
        %kt = tile.load %k[%bz, %g, %j, %c0] : ... -> tensor<64x128xbf16>
        %s = tile.dot %qt, %kt, %zero transpose_b : ...
        ...
      }
      tile.store %out, %o[%bz, %by, %i, %c0] : ...
    }
    %o = tile.launch @f_0 grid(%gx, %nh, %nb) ins(%q, %k, %v : ...) outs(%e : ...) -> ...
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "Target that diagnostics name">,
    Option<"aligned", "aligned", "bool", "true",
           "Sequences of a scan are contiguous in time, in rows that start at multiples of 16 bytes">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::seqc::tile::TileDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels-formed", "Loops outlined into kernels">
  ];
}

def ConvertTileToNVVM : Pass<"convert-tile-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "Lower kernels on tiles to functions of one thread";
  let description = [{
    Each `tile.kernel` becomes a `gpu.module` of its name with an `llvm.func` of its name. A tile
    becomes the vector of the registers in which a thread holds it, in the order that its layout says; index becomes i32, a
    view a pointer with those of its sizes and strides that are used. What the parameters are is in `seqc.params`; `seqc.aligned` lists the
    operands of the launch that are accessed in vectors, with `aligned`, which promises that every view starts at a multiple of
    16 bytes and that its strides, but those of 1, are multiples of 16 bytes. `seqc.threads` and
    `seqc.shared_bytes` are the number of threads and of bytes of dynamic shared memory.

    Reductions combine registers in an order that the layout gives, then lanes by shuffles. Functions are those
    of `nvx`, with operations around them for accuracy. Loads and stores outside of a view are predicated off.

    Before:
    ```mlir
    tile.kernel @scale(%x: memref<?x128xf32>, %y: memref<?x128xf32>, %s: f32, %bx: index, ...) attributes {warps = 4 : i64} {
      %row = arith.muli %bx, %c64 : index
      %t = tile.load %x[%row, %c0] : memref<?x128xf32> -> tensor<64x128xf32, #tile.mma<warps = 4>>
      %f = tensor.splat %s : tensor<64x128xf32, #tile.mma<warps = 4>>
      %r = arith.mulf %t, %f : tensor<64x128xf32, #tile.mma<warps = 4>>
      tile.store %r, %y[%row, %c0] : ...
      tile.return
    }
    ```
    After:
    ```mlir
    gpu.module @scale [#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">] {
      llvm.func @scale(%x: !llvm.ptr<1>, %x0: i32, %y: !llvm.ptr<1>, %y0: i32, %s: f32) attributes {
          nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>, seqc.params = [{kind = "pointer", arg = 0}, ...]} {
        %v = nvx.load %p when %inside : vector<2xf32>
        ...
        %f = vector.broadcast %s : f32 to vector<64xf32>
        %r = arith.mulf %t, %f : vector<64xf32>
        ...
        llvm.return
      }
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "sm_80 or sm_90a">,
    Option<"aligned", "aligned", "bool", "true", "Whether views and their rows start at multiples of 16 bytes">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect", "::seqc::nvx::NVXDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels-lowered", "Kernels lowered">,
    Statistic<"numVectorAccesses", "vector-accesses", "Accesses of a thread to device memory of several elements">,
    Statistic<"numScalarAccesses", "scalar-accesses", "Accesses of a thread to device memory of one element">,
    Statistic<"numSharedBytes", "shared-bytes", "Bytes of shared memory, over all kernels">
  ];
}

def OverlapLaunches : Pass<"overlap-launches", "::mlir::ModuleOp"> {
  let summary = "Let a kernel start while the one before it ends";
  let description = [{
    For sm_90a, behind `convert-tile-to-nvvm`. Of the launches of a function, each kernel but the last one's says first of all
    that what follows may start, and each but the first one's waits until what came before is complete and visible. `seqc.waits` says
    that it does: such a kernel may be launched before the one in front of it has ended.

    Before:
    ```mlir
    gpu.module @f_0 { llvm.func @f_0() attributes {nvvm.kernel} { llvm.return } }
    gpu.module @f_1 { llvm.func @f_1() attributes {nvvm.kernel} { llvm.return } }
    func.func @f(...) {
      %0 = tile.launch @f_0 ...
      %1 = tile.launch @f_1 ...
    }
    ```
    After:
    ```mlir
    gpu.module @f_0 { llvm.func @f_0() attributes {nvvm.kernel} {
      nvvm.griddepcontrol launch_dependents
      llvm.return
    } }
    gpu.module @f_1 { llvm.func @f_1() attributes {nvvm.kernel, seqc.waits = true} {
      nvvm.griddepcontrol wait
      llvm.return
    } }
    func.func @f(...) {
      %0 = tile.launch @f_0 ...
      %1 = tile.launch @f_1 ...
    }
    ```
  }];
  let dependentDialects = ["::mlir::NVVM::NVVMDialect"];
  let statistics = [
    Statistic<"numSignals", "kernels-signal", "Kernels that let the next one start">,
    Statistic<"numWaits", "kernels-wait", "Kernels that wait for those before them">
  ];
}

def ConvertNVXToLLVM : Pass<"convert-nvx-to-llvm"> {
  let summary = "Lower nvx to intrinsics and inline assembly";
  let description = [{
    Arithmetic becomes calls of LLVM's intrinsics, element by element; what LLVM has no intrinsic for becomes
    assembly.

    Before:
    ```mlir
    %r = nvx.ex2 %x : f32
    %v = nvx.load %p when %inside : f32
    ```
    After:
    ```mlir
    %r = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"(%x) : (f32) -> f32
    %w = llvm.inline_asm has_side_effects asm_dialect = att
        "mov.b32 $0, 0;\0A@$2 ld.global.b32 $0, [$1];", "=&r,l,b" %p, %inside : (!llvm.ptr<1>, i1) -> i32
    %v = llvm.bitcast %w : i32 to f32
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let statistics = [
    Statistic<"numConverted", "ops-lowered", "Operations lowered">
  ];
}

def ConvertTileToCPU : Pass<"convert-tile-to-cpu", "::mlir::ModuleOp"> {
  let summary = "Run kernels on tiles as loops over linalg operators";
  let description = [{
    Each `tile.launch` becomes an `scf.forall` over its grid around the kernel's body, and each operation of the tile dialect the `linalg`
    and `memref` operators that it stands for. Kernels have no layouts and no concurrency by then (`tile-erase-async`,
    `tile-erase-layouts`). What it leaves goes through the CPU pipeline from bufferization on; it is how the passes on kernels are
    tested without a GPU, not a way to be fast.

    Before:
    ```mlir
    tile.kernel @scale(%x: memref<?xf32, ...>, %y: memref<?xf32, ...>, %bx: index, %by: index, %bz: index) {
      %t = tile.load %x[%i] : memref<?xf32, ...> -> tensor<64xf32>
      %r = arith.addf %t, %t : tensor<64xf32>
      tile.store %r, %y[%i] : tensor<64xf32>, memref<?xf32, ...>
      tile.return
    }
    %r = tile.launch @scale grid(%g, %c1, %c1) ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
    ```
    After:
    ```mlir
    %xb = bufferization.to_buffer %x read_only : ...
    %yb = memref.alloc(%n) : memref<?xf32>
    scf.forall (%bx, %by, %bz) in (%g, 1, 1) {
      %tb = memref.alloc() : memref<64xf32>
      memref.copy %part, %tb_part
      %t = bufferization.to_tensor %tb restrict writable : ...
      %r = linalg.generic ins(%t, %t) ...
      ...
    }
    %r = bufferization.to_tensor %yb restrict writable : ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numLaunches", "launches-converted", "Launches turned into loops">
  ];
}

#endif // SEQC_CONVERSION_PASSES
