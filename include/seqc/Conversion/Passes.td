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
    "::mlir::tensor::TensorDialect", "::mlir::affine::AffineDialect"
  ];
  let statistics = [
    Statistic<"numDecomposed", "tiles-decomposed", "Tiles rewritten">
  ];
}

#endif // SEQC_CONVERSION_PASSES
