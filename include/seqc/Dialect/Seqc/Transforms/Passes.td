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

def SeqcPackHeads : Pass<"seqc-pack-heads", "::mlir::func::FuncOp"> {
  let summary = "Make the query heads of one key head rows of one tile";
  let description = [{
    With few queries (decode), the G query heads that share a key/value head become one head with G times as many
    queries: `query` is reshaped, and the state back. Keys and values are then read once for
    all of them, and tiles have rows to compute. Heads and positions follow from the row by divisions by
    constants: the structured mask, segments and prefix become part of the mask region, a bias part of the
    score region. Causal is dropped where one query ends the keys. The number of heads and of queries must be static.

    Before:
    ```mlir
    %m, %s, %a = seqc.online_attention query(%q) key(%k) value(%v) ... causal
        : (tensor<?x32x2x128xbf16>, tensor<?x8x?x128xbf16>, ...
    ```
    After:
    ```mlir
    %wide = tensor.expand_shape %q [[0], [1, 2], [3], [4]] ... into tensor<?x8x4x2x128xbf16>
    %rows = tensor.collapse_shape %wide [[0], [1], [2, 3], [4]] ... into tensor<?x8x8x128xbf16>
    %m, %s, %a = seqc.online_attention query(%rows) key(%k) value(%v) ... mask {
    ^bb0(%b: index, %h: index, %r: index, %j: index):
      %i = arith.remui %r, %c2 : index
      %p = arith.addi %i, %offset : index
      %visible = arith.cmpi sle, %j, %p : index
      seqc.yield %visible : i1
    } : (tensor<?x8x8x128xbf16>, tensor<?x8x?x128xbf16>, ...
    ```
  }];
  let options = [
    Option<"maxQueries", "max-queries", "int64_t", "16", "Most queries for which heads are packed">,
    Option<"maxRows", "max-rows", "int64_t", "0", "Most rows that the heads of a group become if each has several queries; 0 is any number">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numPacked", "attention-packed", "Attention operators whose heads were packed">
  ];
}

def SeqcResolveSequences : Pass<"seqc-resolve-sequences", "::mlir::func::FuncOp"> {
  let summary = "Rewrite direction and packing of time into views";
  let description = [{
    A scan or convolution with `reverse` becomes one without it, on views of its operands whose time dimension has
    a stride of -1, and its results are stored through such views. One with `cu_seqlens` becomes a parallel loop over
    the sequences, with the operator on the slices of one. Nothing is copied, and what follows has operators that go
    forwards through one sequence. A packed backward operator stays as it is: `seqc-recompute-backward` has it.

    Before:
    ```mlir
    %y = seqc.causal_conv1d x(%x) weight(%w) reverse : ...
    %z = seqc.causal_conv1d x(%x) weight(%w) cu_seqlens(%offsets) : ...
    ```
    After:
    ```mlir
    %v = tensor.extract_slice %x[0, 0, %last] [%b, %c, %l] [1, 1, -1] : ...
    %o = seqc.causal_conv1d x(%v) weight(%w) : ...
    %y = tensor.insert_slice %o into %empty[0, 0, %last] [%b, %c, %l] [1, 1, -1] : ...

    %z = scf.forall (%s) in (%sequences) shared_outs(%out = %empty) -> ... {
      %xs = tensor.extract_slice %x[0, 0, %begin] [1, %c, %size] [1, 1, 1] : ...
      %os = seqc.causal_conv1d x(%xs) weight(%w) : ...
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %os into %out[0, 0, %begin] [1, %c, %size] [1, 1, 1] : ...
      }
    } {seqc.sequences}
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numTurned", "operators-turned", "Operators that go through time backwards">,
    Statistic<"numUnpacked", "operators-unpacked", "Operators on packed sequences">
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

def SeqcRecomputeBackward : Pass<"seqc-recompute-backward", "::mlir::func::FuncOp"> {
  let summary = "Rewrite backward operators into ones that recompute what they need";
  let description = [{
    Replaces `seqc.attention_backward` by the row term `delta`, which is linear in the sequence, and by
    `seqc.block_attention_backward` on accumulators of 0: one operator for `query_grad`, which runs in parallel over
    queries, and one for `key_grad` and `value_grad`, which runs in parallel over keys and sums the heads of a group.
    With `together`, one operator has all three and recomputes the probabilities once; it
    runs in parallel over batch and key/value heads. `bias_grad` goes with `query_grad` where bias has all sizes,
    and otherwise has an operator of its own. `sinks_grad` is a sum over rows. Nothing quadratic is stored, and every sum has one order.

    The score region becomes one that yields the score and its derivative, by reverse-mode
    differentiation. An operation in it that has no derivative is an error. Each tensor in `captured` has an operator of its own,
    whose region yields the derivative in that tensor's element as well. Its indices say which dimensions are kept: one at `[h]` is summed over
    batch, queries and keys.

    With `grids`, operators of `bias_grad` and `captured_grad` that keep no queries or no keys keep batch and heads, and the other of queries and keys:
    they sum over one dimension, and what else there is to sum is a `linalg.generic` behind them for each dimension. An operator that is
    `unordered`, with 16-bit elements and a head_dim of 128, without bias, dropout and regions, becomes one for all three gradients.

    Before:
    ```mlir
    %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%v)
        out(%out) lse(%lse) out_grad(%do) causal score {
        ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
          %t = math.tanh %s : f32
          seqc.yield %t : f32
        } : ...
    ```
    After:
    ```mlir
    %delta = linalg.generic ins(%do, %out) outs(...) { mulf, addf }
    %dq = seqc.block_attention_backward query(%q) key(%k) value(%v)
        out_grad(%do) lse(%lse) delta(%delta) offsets(%c0, %c0, %c0, %c0) lengths(%sq, %sk)
        outs(query_grad %zeros) scale(...) causal score {
        ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
          %t = math.tanh %s : f32
          %tt = arith.mulf %t, %t : f32
          %ds = arith.subf %one, %tt : f32
          seqc.yield %t, %ds : f32, f32
        } : ...
    %dk, %dv = seqc.block_attention_backward ...
        outs(key_grad %zeros, value_grad %zeros) scale(...) causal score {...} : ...
    ```

    Replaces `seqc.selective_scan_backward` by two loops over chunks of `tile_n` steps of its schedule. The first goes forwards, without
    outputs, and stores the state before each chunk; the second goes backwards, and recomputes the states inside a chunk from it. Between the
    loops there is no more than these states, and gradients that batches share are summed in order at the end. Replaces `seqc.causal_conv1d_backward`
    by `seqc.chunk_conv1d_backward`, which recomputes what an activation needs.

    With `grids`, which GPUs want, tiles of channels are outside of the loops over chunks: two `scf.forall`, one for the
    states and one for the gradients, each with its loop in it. What tiles share (a variable B or C) is a sum for each
    tile, and the sums are added in order behind them. The states of a convolution then are read and written by
    elementwise operators on whole tensors.

    Where the schedule says `splits`, tiles of `grids` have parts of the sequence as well: as many as fill the chip, that many at most. What each
    part adds to the state before it and leaves of it (`seqc.chunk_scan` with a decay), and what it adds to the gradient of the state
    behind it (`seqc.chunk_scan_backward`, of whose results the loop keeps `state_grad` only), come from two more grids in front;
    two `seqc.scan_prefix`, the second one `reverse`, make of them what each part starts from.

    Before:
    ```mlir
    %du, %ddelta, %dA, %dB, %dC = seqc.selective_scan_backward u(%u) delta(%dt) A(%A) B(%B) C(%C) out_grad(%dy) : ...
    ```
    After:
    ```mlir
    %starts, %h = scf.for %i = %c0 to %last step %c1 iter_args(...) {
      %next = seqc.chunk_scan u(%ui) delta(%dti) A(%A) B(%Bi) outs(state %hi) : ...
      tensor.insert_slice %next into %states[%i + 1, ...]
    }
    %r:6 = scf.for %i = %c0 to %chunks step %c1 iter_args(...) {
      %g:6 = seqc.chunk_scan_backward u(%uk) delta(%dtk) A(%A) B(%Bk) C(%Ck) out_grad(%dyk) state(%hk)
          outs(u_grad(%duk) delta_grad(%ddeltak) state_grad(%dh) A_grad(%dA) B_grad(%zeros) C_grad(%zeros)) : ...
    }
    %dA = linalg.generic ins(%r#3) outs(...) { addf }
    ```
  }];
  let options = [
    Option<"together", "together", "bool", "false", "One operator of attention for the gradients of queries, keys and values">,
    Option<"scans", "scans", "bool", "true", "Scans and convolutions too; false leaves them for a later run, after their schedules are chosen">,
    Option<"chip", "chip", "std::string", "\"cpu\"", "Chip that parts of a sequence fill, with grids: cpu (no parts), a100 (or sm_80) or h200 (or sm_90a)">,
    Option<"grids", "grids", "bool", "false", "What becomes kernels: tiles of channels in parallel, each with its loop over chunks, for scans and convolutions; sums over one dimension for what attention broadcasts or captures">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numAttention", "attention-rewritten", "Backward operators of attention rewritten">,
    Statistic<"numScans", "scans-rewritten", "Backward operators of scans and convolutions rewritten">,
    Statistic<"numSplit", "scans-split", "Backward operators of scans whose sequence is split">,
    Statistic<"numRecomputed", "scores-recomputed", "Operators that recompute the scores of attention">,
    Statistic<"numRegions", "regions-differentiated", "Score regions differentiated">
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

    For a GPU the parts of attention start from the identity, and `seqc.softmax_merge` merges them. A schedule with `splits = 0`
    there leaves the number of parts to the call: as many as the chip holds blocks for all tiles, but none of fewer keys than
    are worth a block:
    ```mlir
    %tasks = B * H * ceildiv(queries, tile_m)
    %parts = max(1, min(slots / %tasks, ceildiv(keys, least), 128))
    ```

    The parts of a scan with outputs are thread blocks, too, of whole chunks; `splits` is the most that there may be. There is one where tiles of channels fill
    half of the chip. `seqc.scan_prefix` goes from what each part adds and leaves to the states between them:
    ```mlir
    %p:2 = scf.forall (%i) in (%parts) shared_outs(...) { seqc.chunk_scan ... outs(state %zero, decay %one) }
    %starts, %state = seqc.scan_prefix state(%p#0) decay(%p#1) outs(...)
    %out = scf.forall (%i) in (%parts) shared_outs(...) { seqc.chunk_scan ... outs(out ..., state %starts[%i]) }
    ```
  }];
  let options = [
    Option<"splits", "splits", "int64_t", "0", "Parts, for every operator, at most 1024; 0 takes the operator's schedule">,
    Option<"chip", "chip", "std::string", "\"cpu\"", "Chip whose blocks parts are chosen for where the schedule leaves that to the call; see seqc-schedule">
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

def SeqcTileMerge : Pass<"seqc-tile-merge", "::mlir::func::FuncOp"> {
  let summary = "Tile the merge of partial states, with what finishes it";
  let description = [{
    A `seqc.scan_prefix` becomes tiles of some channels, all parts each.

    One tile for each row: a `seqc.softmax_merge` of all parts of the row, and the `seqc.softmax_finish` that takes its
    result, also through the reshape of `seqc-pack-heads`, of which the row's place is computed. Many small tiles, since a row has as
    many states as there are parts and all of them are to be read at once.

    Before:
    ```mlir
    %m, %s, %a = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(...)
    %out = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%empty)
    ```
    After:
    ```mlir
    %out = scf.forall (%b, %h, %i) in (B, H, S) shared_outs(...) {
      %m, %s, %a = seqc.softmax_merge max(%pm_row) ... : (tensor<?x1x1x1xf32>, ...
      %row = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(...)
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numTiled", "merges-tiled", "Merges of partial states tiled">
  ];
}

def SeqcGatherPages : Pass<"seqc-gather-pages", "::mlir::func::FuncOp"> {
  let summary = "Collect tiles of paged keys and values page by page";
  let description = [{
    A tile of a `seqc.paged` becomes a loop over the pages that it touches, which copies the rows of each into a tile of its own: a tile
    of keys or values, on chip, never the sequence. An entry of the table that is no page leaves its rows 0. For the CPU; kernels of a
    GPU look pages up where they copy tiles into shared memory.

    A `seqc.paged` that something else than tiles reads is an error.

    Before:
    ```mlir
    %k = seqc.paged %pages, %table : (tensor<?x8x64x128xf32>, tensor<?x?xi32>) -> tensor<?x8x?x128xf32>
    %s = tensor.extract_slice %k[%b, %h, %j, 0] [1, 1, %n, 128] [1, 1, 1, 1]
    %t = tensor.pad %s low[0, 0, 0, 0] high[0, 0, %rest, 0] ... : tensor<1x1x48x128xf32>
    ```
    After:
    ```mlir
    %zero = linalg.fill ins(%cst) outs(%empty) -> tensor<1x1x48x128xf32>
    %t = scf.for %i = %first to %last step %c1 iter_args(%tile = %zero) -> tensor<1x1x48x128xf32> {
      %p = tensor.extract %table[%b, %i]
      // [%from, %to): the rows of page %i that lie in [%j, %j + %n); none if %p is no page.
      %rows = tensor.extract_slice %pages[%p, %h, %row, 0] [1, 1, %count, 128] [1, 1, 1, 1]
      %next = tensor.insert_slice %rows into %tile[0, 0, %to_row, 0] [1, 1, %count, 128] [1, 1, 1, 1]
      scf.yield %next
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numTiles", "tiles-gathered", "Tiles of paged keys and values that became loops over pages">
  ];
}

def SeqcCollapseGrid : Pass<"seqc-collapse-grid", "::mlir::func::FuncOp"> {
  let summary = "Make the parts of a split reduction one grid with their tiles";
  let description = [{
    A parallel loop over parts whose body is one grid of tiles becomes a grid with one more dimension, in front. A
    GPU has one grid for each kernel. A loop with more in it, or whose grid depends on the part, stays.

    Before:
    ```mlir
    scf.forall (%p) in (%parts) shared_outs(%all = %init) {
      %r = scf.forall (%b, %h, %i) = ... shared_outs(%one = ...) { ... } {seqc.grid}
      scf.forall.in_parallel { tensor.parallel_insert_slice %r into %all[%p, 0, 0, 0] ... }
    }
    ```
    After:
    ```mlir
    scf.forall (%p, %b, %h, %i) = ... shared_outs(%all = %init) {
      ...
      scf.forall.in_parallel { tensor.parallel_insert_slice %tile into %all[%p, %b, %h, %i] ... }
    } {seqc.grid}
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numCollapsed", "grids-collapsed", "Loops over parts that became part of a grid">
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

    `seqc.block_attention_backward` is tiled like that for the gradients it computes: over queries or over keys, whichever none of
    them is summed over, with loops over the other and over the heads of a group.

    With `single-loop`, the form for GPUs, one loop visits all of them; that of gradients of keys visits those of all heads of a group, and
    gradients that are only rounded afterwards are rounded where they are made. It reads keys and values in the same way
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
