//===- SeqcAlgebraOps.td - L1: operators with their algebra -*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same functions as L0's, with the reduction made explicit: each operator takes
// the state it carries and returns it, so that it can be tiled along every
// dimension and split along the reduced one.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCALGEBRAOPS
#define SEQC_DIALECT_SEQC_IR_SEQCALGEBRAOPS

include "seqc/Dialect/Seqc/IR/SeqcBase.td"
include "seqc/Dialect/Seqc/IR/SeqcInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

def Seqc_OnlineAttentionOp : Seqc_Op<"online_attention", [
    AttrSizedOperandSegments, RecursiveMemoryEffects, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<Seqc_MonoidOpInterface>,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition", "generateResultTileValue"]>,
    DeclareOpInterfaceMethods<PartialReductionOpInterface,
      ["generateInitialTensorForPartialReduction", "tileToPartialReduction",
       "mergeReductions", "getPartialResultTilePosition"]>]> {
  let summary = "Attention over some keys, with a running (max, sum, acc)";
  let description = [{
    One step, or all steps, of softmax attention in its online form (Milakov and
    Gimelshein 2018; FlashAttention, Dao et al. 2022, algorithm 1), in base 2. With
    `s[m, n]` the masked score times log2(e) of query `m` and key `n`, and (max, sum, acc) the
    state that comes in:

    ```
    max'[m]    = max(max[m], max_n s[m, n])
    p[m, n]    = exp2(s[m, n] - max'[m])                       (0 where masked)
    sum'[m]    = exp2(max[m] - max'[m]) sum[m] + sum_n p[m, n]
    acc'[m, d] = exp2(max[m] - max'[m]) acc[m, d] + sum_n p[m, n] value[n, d]
    ```

    The iteration space is (batch, head, query, key), the last one reduced. The
    state is a monoid: its identity is (-inf, 0, 0), and two states merge by
    rescaling both to the larger maximum. `seqc.softmax_finish` turns a state into the output
    and the log-sum-exp.

    `offsets` holds the position of this tile in (batch, head, query, key) and
    `lengths` the whole query and key lengths: masks and regions see global
    indices. Rows and columns at or past `lengths` are padding; `tile_class(full)`
    promises that neither the structured mask nor the key length removes anything from this
    tile, so that none of it is evaluated. With `key_lengths` the key length is that of the batch entry, which is
    at most the one of `lengths`; in a tile, which has one batch entry, `lengths` has that of the entry too. Constraints:
    online_attention_c1 to online_attention_c21 of `docs/spec.md`.

    Example:
    ```mlir
    %max, %sum, %acc = seqc.online_attention query(%q) key(%k) value(%v)
        offsets(%b, %h, %i, %j) lengths(%sq, %sk) outs(%max0, %sum0, %acc0)
        scale(0.125) causal
        : (tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>,
           index, index, index, index, index, index,
           tensor<1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64x64xf32>)
        -> (tensor<1x1x64xf32>, tensor<1x1x64xf32>, tensor<1x1x64x64xf32>)
    ```
  }];
  let arguments = (ins
    // online_attention_c1 to online_attention_c7, as for attention
    Seqc_Data4:$query,
    Seqc_Data4:$key,
    Seqc_Data4:$value,
    // online_attention_c10
    Optional<Seqc_Data4>:$bias,
    // online_attention_c11
    Optional<Seqc_Index2>:$query_segments,
    Optional<Seqc_Index2>:$key_segments,
    // online_attention_c12
    Optional<Seqc_Index1>:$prefix,
    // online_attention_c21
    Optional<Seqc_Index1>:$key_lengths,
    // online_attention_c17
    Optional<I64>:$seed,
    // online_attention_c13
    Variadic<Index>:$offsets,
    Variadic<Index>:$lengths,
    // online_attention_c8
    Seqc_State3:$max_init,
    Seqc_State3:$sum_init,
    // online_attention_c9
    Seqc_State4:$acc_init,
    // online_attention_c14
    F64Attr:$scale,
    UnitAttr:$causal,
    // online_attention_c15
    OptionalAttr<I64Attr>:$window_left,
    OptionalAttr<I64Attr>:$window_right,
    DefaultValuedAttr<Seqc_AlignmentAttr, "::seqc::Alignment::BottomRight">:$alignment,
    // online_attention_c16
    OptionalAttr<F64Attr>:$dropout,
    DefaultValuedAttr<Seqc_TileClassAttr, "::seqc::TileClass::Partial">:$tile_class,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  // online_attention_c18 to online_attention_c20
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs Seqc_State3:$max, Seqc_State3:$sum, Seqc_State4:$acc);
  let assemblyFormat = [{
    `query` `(` $query `)` `key` `(` $key `)` `value` `(` $value `)`
    (`bias` `(` $bias^ `)`)?
    (`segments` `(` $query_segments^ `,` $key_segments `)`)?
    (`prefix` `(` $prefix^ `)`)?
    (`key_lengths` `(` $key_lengths^ `)`)?
    (`dropout` `(` $dropout^ `,` $seed `)`)?
    `offsets` `(` $offsets `)` `lengths` `(` $lengths `)`
    `outs` `(` $max_init `,` $sum_init `,` $acc_init `)`
    `scale` `(` $scale `)`
    (`causal` $causal^)?
    (`window_left` `(` $window_left^ `)`)?
    (`window_right` `(` $window_right^ `)`)?
    (`align` `(` custom<EnumKeyword>($alignment)^ `)`)?
    (`tile_class` `(` custom<EnumKeyword>($tile_class)^ `)`)?
    (`score` $score^)?
    (`mask` $mask^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - 3, 3);
    }
  }];
}

def Seqc_SoftmaxFinishOp : Seqc_Op<"softmax_finish", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition", "generateResultTileValue"]>]> {
  let summary = "Turns the (max, sum, acc) of online attention into its output";
  let description = [{
    ```
    out[b, h, m, d] = acc[b, h, m, d] / sum[b, h, m]           (0 where sum = 0)
    lse[b, h, m]    = ln(2) (max[b, h, m] + log2(sum[b, h, m]))  (-inf where sum = 0)
    ```
    With `sinks`, a logit per head, the denominator has one more term,
    `exp(sinks[h])`, which carries no value. Constraints: softmax_finish_c1 to
    softmax_finish_c5 of `docs/spec.md`.

    Example:
    ```mlir
    %out, %lse = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%o, %l)
        : (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x64xf32>,
           tensor<2x8x64x64xbf16>, tensor<2x8x64xf32>)
        -> (tensor<2x8x64x64xbf16>, tensor<2x8x64xf32>)
    ```
  }];
  let arguments = (ins
    // softmax_finish_c2
    Seqc_State3:$max,
    Seqc_State3:$sum,
    // softmax_finish_c1
    Seqc_State4:$acc,
    // softmax_finish_c3
    Optional<Seqc_State1>:$sinks,
    // softmax_finish_c4
    Seqc_Data4:$out_init,
    // softmax_finish_c5
    Optional<Seqc_State3>:$lse_init);
  let results = (outs Seqc_Data4:$out, Optional<Seqc_State3>:$lse);
  let assemblyFormat = [{
    `max` `(` $max `)` `sum` `(` $sum `)` `acc` `(` $acc `)`
    (`sinks` `(` $sinks^ `)`)?
    `outs` `(` $out_init (`,` $lse_init^)? `)`
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      unsigned inits = getLseInit() ? 2 : 1;
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - inits, inits);
    }
  }];
}

def Seqc_SoftmaxMergeOp : Seqc_Op<"softmax_merge", [
    Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition", "generateResultTileValue"]>]> {
  let summary = "Merges the (max, sum, acc) of parts of the keys";
  let description = [{
    The operands hold one state of online attention for each part, along their first dimension. Starting from
    the state in `outs`, they are merged in order, part after part, so the result depends on nothing else:

    ```
    top = max(max[..], max_p[..])
    sum = exp2(max - top) sum + exp2(max_p - top) sum_p        (weight 0 where a max is -inf)
    acc = exp2(max - top) acc + exp2(max_p - top) acc_p
    max = top
    ```
    The iteration space is (batch, head, query); a tile has all parts. Constraints: softmax_merge_c1 to softmax_merge_c4 of
    `docs/spec.md`.

    Example:
    ```mlir
    %m, %s, %a = seqc.softmax_merge max(%pm) sum(%ps) acc(%pa) outs(%m0, %s0, %a0)
        : (tensor<4x2x8x64xf32>, tensor<4x2x8x64xf32>, tensor<4x2x8x64x64xf32>,
           tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x64xf32>)
        -> (tensor<2x8x64xf32>, tensor<2x8x64xf32>, tensor<2x8x64x64xf32>)
    ```
  }];
  let arguments = (ins
    // softmax_merge_c2
    Seqc_State4:$part_max,
    Seqc_State4:$part_sum,
    // softmax_merge_c1
    Seqc_State5:$part_acc,
    // softmax_merge_c3
    Seqc_State3:$max_init,
    Seqc_State3:$sum_init,
    // softmax_merge_c4
    Seqc_State4:$acc_init);
  let results = (outs Seqc_State3:$max, Seqc_State3:$sum, Seqc_State4:$acc);
  let assemblyFormat = [{
    `max` `(` $part_max `)` `sum` `(` $part_sum `)` `acc` `(` $part_acc `)`
    `outs` `(` $max_init `,` $sum_init `,` $acc_init `)`
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(), 3, 3);
    }
    /// The same as a loop over the parts, on whole tensors.
    ::llvm::SmallVector<::mlir::Value> buildLoop(::mlir::OpBuilder &builder);
  }];
}

def Seqc_ScanPrefixOp : Seqc_Op<"scan_prefix", [
    Pure, DestinationStyleOpInterface]> {
  let summary = "The states between parts of a scan's sequence";
  let description = [{
    The operands hold, for each part of the sequence along their first dimension, the state that the part ends with if it starts
    from 0, and the product of its decays (`seqc.chunk_scan` without outputs). From the state before the first
    part follow those before all others, in order, and the one after the last:

    ```
    h = state
    for p in parts:
      starts[p] = h
      h = decay[p] h + state[p]
    ```

    With `reverse` the parts are gone through from the last to the first: what a part is given comes from the
    one behind it, as the gradient of a state does.
    Constraints: scan_prefix_c1 to scan_prefix_c3 of `docs/spec.md`.

    Example:
    ```mlir
    %starts, %h = seqc.scan_prefix state(%ps) decay(%pd) outs(%starts0, %h0)
        : (tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<4x2x8x16xf32>, tensor<2x8x16xf32>)
        -> (tensor<4x2x8x16xf32>, tensor<2x8x16xf32>)
    ```
  }];
  let arguments = (ins
    // scan_prefix_c1
    Seqc_State4:$part_state,
    // scan_prefix_c2
    Seqc_State4:$part_decay,
    Seqc_State4:$starts_init,
    // scan_prefix_c3
    Seqc_State3:$state_init,
    UnitAttr:$reverse);
  let results = (outs Seqc_State4:$starts, Seqc_State3:$state);
  let assemblyFormat = [{
    `state` `(` $part_state `)` `decay` `(` $part_decay `)` `outs` `(` $starts_init `,` $state_init `)`
    (`reverse` $reverse^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(), 2, 2);
    }
  }];
}

def Seqc_ChunkScanOp : Seqc_Op<"chunk_scan", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<Seqc_MonoidOpInterface>,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition", "generateResultTileValue"]>,
    DeclareOpInterfaceMethods<PartialReductionOpInterface,
      ["generateInitialTensorForPartialReduction", "tileToPartialReduction",
       "mergeReductions", "getPartialResultTilePosition"]>]> {
  let summary = "Selective scan over some time steps, with a running (decay, state)";
  let description = [{
    One chunk, or all chunks, of a selective scan (Mamba, Gu and Dao 2023, equation 2 and
    algorithm 2). With `dt = delta + delta_bias` (softplus of it under `delta_softplus`):

    ```
    a[c, n, t]   = exp(dt[c, t] A[c, n])
    h[c, n, t]   = a[c, n, t] h[c, n, t - 1] + dt[c, t] B[n, t] u[c, t]
    out[c, t]    = (sum_n C[n, t] h[c, n, t] + D[c] u[c, t]) silu(z[c, t])
    decay'[c, n] = decay[c, n] prod_t a[c, n, t]
    ```

    `state` is `h` before the first step, and after the last one on the way out: the expanded
    state of (channels x d_state) exists for one step of one tile at a time and is never a tensor
    over time. The iteration space is (batch, channel, time), the last one reduced. (decay, state) is a monoid:
    its identity is (1, 0), and `(a1, h1) then (a2, h2)` merge to `(a1 a2, a2 h1 + h2)`.

    `steps`, if given, is the number of valid time steps of a padded tile. Constraints:
    chunk_scan_c1 to chunk_scan_c10 of `docs/spec.md`.

    Example:
    ```mlir
    %y, %h, %p = seqc.chunk_scan u(%u) delta(%dt) A(%A) B(%B) C(%C)
        outs(out %y0, state %h0, decay %p0)
        : (tensor<1x16x128xf32>, tensor<1x16x128xf32>, tensor<16x16xf32>,
           tensor<1x1x16x128xf32>, tensor<1x1x16x128xf32>,
           tensor<1x16x128xf32>, tensor<1x16x16xf32>, tensor<1x16x16xf32>)
        -> (tensor<1x16x128xf32>, tensor<1x16x16xf32>, tensor<1x16x16xf32>)
    ```
  }];
  let arguments = (ins
    // chunk_scan_c1
    Seqc_Data3:$u,
    // chunk_scan_c2
    Seqc_Data3:$delta,
    // chunk_scan_c3, chunk_scan_c4
    Seqc_Data2:$A,
    // chunk_scan_c6, chunk_scan_c8
    Seqc_Data24:$B,
    // chunk_scan_c7, chunk_scan_c8, chunk_scan_c10
    Optional<Seqc_Data24>:$C,
    // chunk_scan_c5
    Optional<Seqc_Data1>:$D,
    // chunk_scan_c2
    Optional<Seqc_Data3>:$z,
    // chunk_scan_c5
    Optional<Seqc_Data1>:$delta_bias,
    Optional<Index>:$steps,
    // chunk_scan_c2
    Optional<Seqc_Data3>:$out_init,
    // chunk_scan_c9
    Seqc_State3:$state_init,
    Optional<Seqc_State3>:$decay_init,
    UnitAttr:$delta_softplus,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Seqc_Data3>:$results);
  let assemblyFormat = [{
    `u` `(` $u `)` `delta` `(` $delta `)` `A` `(` $A `)` `B` `(` $B `)`
    (`C` `(` $C^ `)`)?
    (`D` `(` $D^ `)`)?
    (`z` `(` $z^ `)`)?
    (`delta_bias` `(` $delta_bias^ `)`)?
    (`steps` `(` $steps^ `)`)?
    `outs` `(` (`out` $out_init^ `,` ` `) : (``)? `state` $state_init (`,` `decay` $decay_init^)? `)`
    (`delta_softplus` $delta_softplus^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      unsigned inits = 1 + (getOutInit() ? 1 : 0) + (getDecayInit() ? 1 : 0);
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - inits, inits);
    }
    /// The results by name; a null value where the operator does not have it.
    ::mlir::Value getOut() {
      return getOutInit() ? ::mlir::Value(getResult(0)) : ::mlir::Value();
    }
    ::mlir::Value getState() { return getResult(getOutInit() ? 1 : 0); }
    ::mlir::Value getDecay() {
      return getDecayInit() ? ::mlir::Value(getResult(getNumResults() - 1))
                            : ::mlir::Value();
    }
  }];
}

#endif // SEQC_DIALECT_SEQC_IR_SEQCALGEBRAOPS
