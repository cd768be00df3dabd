//===- SeqcBackwardOps.td - L1: backward operators ---------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The gradients of L0's operators with their reductions made explicit: each
// operator adds what a part of its reduced dimensions contributes to the
// accumulators that it is given, and computes again what the forward did not
// keep.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCBACKWARDOPS
#define SEQC_DIALECT_SEQC_IR_SEQCBACKWARDOPS

include "seqc/Dialect/Seqc/IR/SeqcBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/ParallelCombiningOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

def Seqc_BlockAttentionBackwardOp : Seqc_Op<"block_attention_backward", [
    AttrSizedOperandSegments, RecursiveMemoryEffects, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition"]>]> {
  let summary = "Gradients of attention over some queries and keys, added to accumulators";
  let description = [{
    One block, or all blocks, of the backward of attention by recomputation
    (FlashAttention, Dao et al. 2022, algorithm 4), in base 2. With `x` and `score'` the
    score and its derivative, which the score region yields, and `Z` the factor of dropout:

    ```
    p[m, n]          = exp2(log2(e) (x[m, n] - lse[m]))           (0 where masked, or lse is -inf)
    dx[m, n]         = p[m, n] (Z[m, n] sum_d out_grad[m, d] value[n, d] - delta[m])
    ds[m, n]         = dx[m, n] score'(s[m, n])
    query_grad[m, d] += scale sum_n ds[m, n] key[n, d]
    key_grad[n, d]   += scale sum_m ds[m, n] query[m, d]
    value_grad[n, d] += sum_m Z[m, n] p[m, n] out_grad[m, d]
    bias_grad        += dx, summed over the dimensions in which the accumulator is 1
    captured_grad    += dx[m, n] score_t'(s[m, n]), likewise
    ```

    `delta` is `sum_d out_grad[m, d] out[m, d] - lse_grad[m]`. Any non-empty subset of
    `query_grad`, (`key_grad`, `value_grad`), `bias_grad` and `captured_grad` is computed; the results are in that order, one for
    each accumulator. The iteration space is (batch, query head, query, key). A dimension that some result is
    summed over is a reduction: keys for `query_grad`, queries and the query heads of a group for `key_grad` and
    `value_grad`, and for the other two the dimensions in which their accumulator is 1: each size of it is a 1 or that of
    (batch, query heads, queries, keys), so that a part of a sum can be computed here and the rest later. `score_t'` is the
    derivative of the score in a value that the region captures, and the third that it yields. So an operator for
    `query_grad` runs in parallel over queries, one for `key_grad` and `value_grad` over keys, and one
    for all of them recomputes the probabilities once.

    `offsets`, `lengths` and `tile_class` are as for `seqc.online_attention`. Constraints:
    block_attention_backward_c1 to block_attention_backward_c25 of `docs/spec.md`.

    Example:
    ```mlir
    %dk, %dv = seqc.block_attention_backward query(%q) key(%k) value(%v)
        out_grad(%do) lse(%lse) delta(%delta)
        offsets(%b, %h, %i, %j) lengths(%sq, %sk)
        outs(key_grad %dk0, value_grad %dv0) scale(0.125) causal
        : (tensor<1x1x64x64xbf16>, tensor<1x1x32x64xbf16>, tensor<1x1x32x64xbf16>,
           tensor<1x1x64x64xbf16>, tensor<1x1x64xf32>, tensor<1x1x64xf32>,
           index, index, index, index, index, index,
           tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>)
        -> (tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>)
    ```
  }];
  let arguments = (ins
    // block_attention_backward_c1 to block_attention_backward_c7, as for
    // attention
    Seqc_Data4:$query,
    Seqc_Data4:$key,
    Seqc_Data4:$value,
    // block_attention_backward_c8
    Seqc_Data4:$out_grad,
    // block_attention_backward_c9
    Seqc_State3:$lse,
    Seqc_State3:$delta,
    // block_attention_backward_c10
    Optional<Seqc_Data4>:$bias,
    // block_attention_backward_c11
    Optional<Seqc_Index2>:$query_segments,
    Optional<Seqc_Index2>:$key_segments,
    // block_attention_backward_c12
    Optional<Seqc_Index1>:$prefix,
    // block_attention_backward_c17
    Optional<I64>:$seed,
    // block_attention_backward_c13
    Variadic<Index>:$offsets,
    Variadic<Index>:$lengths,
    // block_attention_backward_c24
    // block_attention_backward_c21
    Optional<Seqc_State4>:$query_grad_init,
    // block_attention_backward_c22
    Optional<Seqc_State4>:$key_grad_init,
    Optional<Seqc_State4>:$value_grad_init,
    // block_attention_backward_c23
    Optional<Seqc_State4>:$bias_grad_init,
    // block_attention_backward_c25
    Optional<Seqc_State4>:$captured_grad_init,
    // block_attention_backward_c14
    F64Attr:$scale,
    UnitAttr:$causal,
    // block_attention_backward_c15
    OptionalAttr<I64Attr>:$window_left,
    OptionalAttr<I64Attr>:$window_right,
    DefaultValuedAttr<Seqc_AlignmentAttr, "::seqc::Alignment::BottomRight">:$alignment,
    // block_attention_backward_c16
    OptionalAttr<F64Attr>:$dropout,
    DefaultValuedAttr<Seqc_TileClassAttr, "::seqc::TileClass::Partial">:$tile_class,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  // block_attention_backward_c18 to block_attention_backward_c20
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs Variadic<Seqc_State4>:$results);
  let assemblyFormat = [{
    `query` `(` $query `)` `key` `(` $key `)` `value` `(` $value `)`
    `out_grad` `(` $out_grad `)` `lse` `(` $lse `)` `delta` `(` $delta `)`
    (`bias` `(` $bias^ `)`)?
    (`segments` `(` $query_segments^ `,` $key_segments `)`)?
    (`prefix` `(` $prefix^ `)`)?
    (`dropout` `(` $dropout^ `,` $seed `)`)?
    `offsets` `(` $offsets `)` `lengths` `(` $lengths `)`
    `outs` `(` custom<GradientInits>($query_grad_init, $key_grad_init,
                                     $value_grad_init, $bias_grad_init,
                                     $captured_grad_init) `)`
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
      unsigned inits = 0;
      for (::mlir::Value init : {::mlir::Value(getQueryGradInit()),
               ::mlir::Value(getKeyGradInit()), ::mlir::Value(getValueGradInit()),
               ::mlir::Value(getBiasGradInit()), ::mlir::Value(getCapturedGradInit())})
        inits += init ? 1 : 0;
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - inits, inits);
    }
    /// What the i-th result is the gradient of.
    enum class Gradient { Query, Key, Value, Bias, Captured };
    Gradient getGradient(unsigned result);
    /// Whether the products of a kernel have keys for rows: what it computes is
    /// kept for keys and summed over queries.
    bool hasKeyRows();
    /// The accumulator of the i-th result.
    ::mlir::RankedTensorType getInitType(unsigned result) {
      return ::llvm::cast<::mlir::RankedTensorType>(
          ::mlir::OperandRange(getDpsInits())[result].getType());
    }
    /// Whether the i-th result is summed over a dimension of the iteration
    /// space.
    bool isSummedOver(unsigned result, unsigned dim);
  }];
}

def Seqc_ParallelAddOp : Seqc_Op<"parallel_add", [
    DeclareOpInterfaceMethods<ParallelCombiningOpInterface,
      ["getUpdatedDestinations", "getIteratingParent"]>]> {
  let summary = "Adds a tensor to a part of what the iterations of a parallel loop share";
  let description = [{
    Stands in the `scf.forall.in_parallel` of an `scf.forall`, where `tensor.parallel_insert_slice` replaces. The
    result of the loop is what it starts from plus the sources of all iterations, each at its `offsets`; parts may overlap.
    The order of the additions is not specified, so a sum of floats may be rounded differently from run to run.
    With it the backward of attention sums `query_grad` over blocks of keys while `key_grad` and `value_grad` stay where they
    are computed.

    Example:
    ```mlir
    %dq = scf.forall (%j) = (0) to (%keys) step (128) shared_outs(%all = %zeros) -> tensor<?x64xf32> {
      ...
      scf.forall.in_parallel {
        seqc.parallel_add %part into %all[%c0, %c0] : tensor<?x64xf32> into tensor<?x64xf32>
      }
    }
    ```
  }];
  let arguments = (ins
    // parallel_add_c1
    AnyRankedTensor:$source,
    // parallel_add_c1, parallel_add_c3
    AnyRankedTensor:$dest,
    // parallel_add_c2
    Variadic<Index>:$offsets
  );
  let assemblyFormat = [{
    $source `into` $dest `[` $offsets `]` attr-dict `:` type($source) `into` type($dest)
  }];
  let hasVerifier = 1;
}

#endif // SEQC_DIALECT_SEQC_IR_SEQCBACKWARDOPS
