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
    Replaces each tile of `seqc.online_attention`, `seqc.softmax_finish`, `seqc.chunk_scan` and
    `seqc.causal_conv1d` by the `linalg`, `math` and `arith` operators it stands for, all on static shapes. Score and mask
    regions become part of the elementwise operator on the tile of scores.

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
    "::mlir::bufferization::BufferizationDialect"
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
    that reads a buffer whose innermost stride is unknown is versioned on that stride being 1. What cannot be
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

#endif // SEQC_CONVERSION_PASSES
