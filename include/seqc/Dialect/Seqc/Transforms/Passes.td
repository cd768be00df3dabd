//===- Passes.td - IO-aware passes on the seqc dialect -----*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_TRANSFORMS_PASSES
#define SEQC_DIALECT_SEQC_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def SeqcOnlineSoftmax : Pass<"seqc-online-softmax", "::mlir::func::FuncOp"> {
  let summary = "Rewrite attention into its online form";
  let description = [{
    Replaces `seqc.attention` by the identity state, `seqc.online_attention` over all
    keys and `seqc.softmax_finish`. An absent scale becomes `1 / sqrt(head_dim)`. The running maximum and
    every exponential are in base 2, which the operator's definition brings with it.

    Before:
    ```mlir
    %out = seqc.attention query(%q) key(%k) value(%v) causal : ...
    ```
    After:
    ```mlir
    %m0 = linalg.fill ins(%neg_inf) outs(...)
    %s0 = linalg.fill ins(%zero) outs(...)
    %a0 = linalg.fill ins(%zero) outs(...)
    %m, %s, %a = seqc.online_attention query(%q) key(%k) value(%v)
        offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk) outs(%m0, %s0, %a0) scale(...) causal : ...
    %out = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%empty) : ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numRewritten", "attention-rewritten", "Attention operators rewritten">
  ];
}

def SeqcExpandState : Pass<"seqc-expand-state", "::mlir::func::FuncOp"> {
  let summary = "Rewrite a selective scan into chunks with a carried state";
  let description = [{
    Replaces `seqc.selective_scan` by `seqc.chunk_scan` over all time steps, its state initialised with
    the scan's initial state or zero. The (channels x d_state) state of the recurrence exists only
    inside the operator, one time step at a time.

    Before:
    ```mlir
    %y = seqc.selective_scan u(%u) delta(%dt) A(%A) B(%B) C(%C) : ...
    ```
    After:
    ```mlir
    %h0 = linalg.fill ins(%zero) outs(...)
    %y, %h = seqc.chunk_scan u(%u) delta(%dt) A(%A) B(%B4) C(%C4) outs(out %empty, state %h0) : ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numRewritten", "scans-rewritten", "Selective scans rewritten">
  ];
}

def SeqcSchedule : Pass<"seqc-schedule", "::mlir::func::FuncOp"> {
  let summary = "Choose a schedule for every operator that has none";
  let description = [{
    Attaches a `#seqc.schedule` to each `seqc.online_attention`, `seqc.chunk_scan` and
    `seqc.causal_conv1d` that has none (or fills in the parameters that are 0) from the chip's
    table and the operator's shape. A schedule that is present wins; the pass options win over both.
    On a GPU the queries of an attention tile are a multiple of 16 for each warp; a schedule that is not is an error.

    Before:
    ```mlir
    seqc.online_attention ... : ...
    ```
    After:
    ```mlir
    seqc.online_attention ... {schedule = #seqc.schedule<tile_m = 64, tile_n = 128, splits = 1>} : ...
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"cpu\"", "Chip whose table is used: cpu (this machine), x86-64-v3, x86-64-v4, a100 (or sm_80) or h200 (or sm_90a)">,
    Option<"tileM", "tile-m", "int64_t", "0", "Queries or channels in a tile, at most 4096; 0 leaves the choice to the table">,
    Option<"tileN", "tile-n", "int64_t", "0", "Keys or time steps in a tile, at most 4096; 0 leaves the choice to the table">,
    Option<"splits", "splits", "int64_t", "0", "Parts of the reduced dimension, at most 1024; 0 leaves the choice to the table">,
    Option<"stages", "stages", "int64_t", "0", "GPU: tiles of one operand in shared memory, at most 8; 0 leaves the choice to the table">,
    Option<"warps", "warps", "int64_t", "0", "GPU: warps that compute a tile: 1, 2, 4, 8, 12 or 16; 0 leaves the choice to the table">,
    Option<"aligned", "aligned", "bool", "true", "GPU: rows start at multiples of 16 bytes">
  ];
  let statistics = [
    Statistic<"numScheduled", "ops-scheduled", "Operators given a schedule">
  ];
}

def SeqcSplitReduction : Pass<"seqc-split-reduction", "::mlir::func::FuncOp"> {
  let summary = "Split the reduced dimension and merge the partial states";
  let description = [{
    Splits the keys of `seqc.online_attention` (Flash-Decoding) or the sequence of `seqc.chunk_scan` (a parallel
    scan) into the number of parts its schedule asks for. Each part computes a partial state with no
    dependence on the others, through `PartialReductionOpInterface`; the merge combines them in order, so the result
    does not depend on timing. A scan then runs again from the merged states of its predecessors, since each of its
    outputs needs the state before it.

    Before:
    ```mlir
    %m, %s, %a = seqc.online_attention ... {schedule = #seqc.schedule<splits = 4>}
    ```
    After:
    ```mlir
    %p:3 = scf.forall (%i) in (4) shared_outs(...) { seqc.online_attention ... }
    %r:3 = scf.for %i = %c0 to %c4 step %c1 iter_args(...) { linalg.generic ... }
    ```
  }];
  let options = [
    Option<"splits", "splits", "int64_t", "0", "Parts, for every operator, at most 1024; 0 takes the operator's schedule">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numSplit", "reductions-split", "Reductions split">
  ];
}

def SeqcTile : Pass<"seqc-tile", "::mlir::func::FuncOp"> {
  let summary = "Tile into a parallel grid and a sequential inner loop";
  let description = [{
    Tiles `seqc.online_attention`, `seqc.chunk_scan` and `seqc.causal_conv1d` by their schedule: an `scf.forall` over the
    parallel dimensions and, inside, `scf.for` over the reduced one, carrying the state. Tiles
    are static: a slice at the edge is padded.

    The key loop of attention visits what the structured mask leaves. The mask is
    a union of polyhedra over (query, key); projecting each onto the tile grid gives the
    first and last key tile that holds anything, and the tiles in which
    nothing is removed, so causal, window and prefix masks skip blocks and leave the mask
    arithmetic out of the blocks they do not cut:

    Before:
    ```mlir
    %m, %s, %a = seqc.online_attention ... causal : ...
    ```
    After:
    ```mlir
    scf.forall (%b, %h, %i) = ... {
      %r0:3 = scf.for %j = %first to %first_full ... { seqc.online_attention ... causal }
      %r1:3 = scf.for %j = %first_full to %last_full ... { seqc.online_attention ... tile_class(full) }
      %r2:3 = scf.for %j = %last_full to %last ... { seqc.online_attention ... causal }
      seqc.softmax_finish ...
    }
    ```

    Segments are data. For an operator that stands in the function itself, reductions in front of the loops find the
    smallest and largest id of each tile, and then which tiles of keys each tile of queries reaches and which of
    these are wholly of its one segment. The bounds of the loops are computed from these like from the rest of the mask.
    ```mlir
    %q:2 = linalg.generic ... // of each tile of queries, its largest id and its smallest
    %k:2 = linalg.generic ... // the same of keys
    %s:5 = linalg.generic ... ins(%q#0, %q#1, %k#0, %k#1)
    scf.forall (%b, %h, %i) = ... {
      %first_segment = tensor.extract %s#0[%b, %tile] ...
    ```

    With `single-loop`, the form for GPUs, one loop visits all of them. It reads keys and values in the same way
    in every iteration, and asks which class a tile has afterwards. A loop over tiles is marked `seqc.grid`: its tiles
    cover what it returns.
    ```mlir
    scf.forall (%b, %h, %i) = ... {
      %r:3 = scf.for %j = %first to %last ... {
        %key = tensor.pad (tensor.extract_slice ...)
        %t:3 = scf.if %full { seqc.online_attention ... tile_class(full) } else { seqc.online_attention ... causal }
      }
      seqc.softmax_finish ...
    } {seqc.grid}
    ```
  }];
  let options = [
    Option<"singleLoop", "single-loop", "bool", "false", "One loop over all key tiles of attention, which asks for the class of each">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numTiled", "ops-tiled", "Operators tiled">,
    Statistic<"numLoops", "key-loops", "Loops formed over keys or time steps">,
    Statistic<"numFullLoops", "full-tile-loops", "Loops whose tiles need no mask">
  ];
}

#endif // SEQC_DIALECT_SEQC_TRANSFORMS_PASSES
