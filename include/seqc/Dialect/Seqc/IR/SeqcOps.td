//===- SeqcOps.td - L0: graph operators --------------------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is computed, nothing about how. docs/spec.md is the specification: the
// constraint ids (attention_c1, ...) beside the operands are its numbering,
// and the verifiers quote them.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCOPS
#define SEQC_DIALECT_SEQC_IR_SEQCOPS

include "seqc/Dialect/Seqc/IR/SeqcBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Seqc_YieldOp : Seqc_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["AttentionOp", "AttentionBackwardOp", "OnlineAttentionOp",
                 "BlockAttentionBackwardOp"]>]> {
  let summary = "Ends a `score` or `mask` region with its values";
  let description = [{
    Gives the score that a `score` region computes, or whether a `mask` region
    leaves a key visible. The score region of `seqc.block_attention_backward` gives the
    derivative of the score as well.

    Example:
    ```mlir
    seqc.yield %score : f32
    ```
  }];
  let arguments = (ins
    Arg<Variadic<AnyTypeOf<[F32, F64, I1]>>,
        "the score (and its derivative), or whether the key is visible">:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def Seqc_AttentionOp : Seqc_Op<"attention", [
    AttrSizedOperandSegments, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
      ["reifyResultShapes"]>]> {
  let summary = "Softmax attention of queries over keys and values";
  let description = [{
    For each batch `b`, query head `h` and query `i`, with `g = h / (Hq / Hkv)` the
    key/value head that `h` reads (Vaswani et al. 2017, equation 1):

    ```
    x[i, j]   = scale * sum_d query[b, h, i, d] key[b, g, j, d]
    x[i, j]   = score(x[i, j], b, h, i, j)                      (with a score region)
    x[i, j]  += bias[b, h, i, j]                                (with bias)
    x[i, j]   = -inf  where (i, j) is not visible
    lse[i]    = ln(sum_j exp(x[i, j]) + exp(sinks[h]))          (last term with sinks)
    P[i, j]   = exp(x[i, j] - lse[i])
    out[i, d] = sum_j dropout(P[i, j]) value[b, g, j, d]
    ```

    `scale` is 1/sqrt(D) unless given. A row with no visible key gives 0, and -inf
    as its `lse`. Scores and softmax are computed in `acc`, which is f64 for f64 and f32 for
    every other element type `T`.

    Which keys a query sees, with `p = i + Sk - Sq` the diagonal (`p = i` under
    `align(top_left)`):

    ```
    band    = (j <= p                 with causal)
              and (j >= p - window_left   with window_left)
              and (j <= p + window_right  with window_right)
    visible = (band or j < prefix[b])
              and query_segments[b, i] == key_segments[b, j]
              and mask(b, h, i, j)
    ```

    With `key_lengths` Sk is that of the batch entry: keys at `key_lengths[b]` and past it are hidden and never
    read, and the diagonal is `i + key_lengths[b] - Sq`. Keys and values in pages are a `seqc.paged` each.

    | operand | shape | element type |
    |---|---|---|
    | `query` | (B, Hq, Sq, D) | T: f16, bf16, f32 or f64 |
    | `key` | (B, Hkv, Sk, D) | T |
    | `value` | (B, Hkv, Sk, Dv) | T |
    | `bias` | (B or 1, Hq or 1, Sq or 1, Sk or 1) | T or acc |
    | `query_segments`, `key_segments` | (B, Sq), (B, Sk) | i32 |
    | `prefix`, `key_lengths` | (B) | i32 |
    | `sinks` | (Hq) | acc |
    | `out` | (B, Hq, Sq, Dv) | T |
    | `lse` | (B, Hq, Sq) | acc |

    D and Dv are static, Hq is a multiple of Hkv, and the rest may be dynamic. The
    regions may use values defined outside. Constraints: attention_c1 to attention_c21 of
    `docs/spec.md`.

    Example, grouped heads with a causal window of 1024 keys and a soft cap:
    ```mlir
    %out, %lse = seqc.attention query(%q) key(%k) value(%v) causal
        window_left(1023) score {
        ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
          %scaled = arith.divf %s, %cap : f32
          %bounded = math.tanh %scaled : f32
          %capped = arith.mulf %bounded, %cap : f32
          seqc.yield %capped : f32
        }
        : (tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>)
        -> (tensor<?x8x?x64xbf16>, tensor<?x8x?xf32>)
    ```
  }];
  let arguments = (ins
    // attention_c1, attention_c2, attention_c3, attention_c4, attention_c6
    Arg<Seqc_Data4, "(B, Hq, Sq, D)">:$query,
    // attention_c1, attention_c2, attention_c3, attention_c4, attention_c5,
    // attention_c6
    Arg<Seqc_Data4, "(B, Hkv, Sk, D)">:$key,
    // attention_c1, attention_c2, attention_c4, attention_c5, attention_c7
    Arg<Seqc_Data4, "(B, Hkv, Sk, Dv)">:$value,
    // attention_c10
    Arg<Optional<Seqc_Data4>, "added to the score, broadcast from sizes of 1">
        :$bias,
    // attention_c11
    Arg<Optional<Seqc_Index2>, "segment of each query; sees its own only">
        :$query_segments,
    Arg<Optional<Seqc_Index2>, "segment of each key">:$key_segments,
    // attention_c12
    Arg<Optional<Seqc_Index1>, "keys at the start that every query sees">
        :$prefix,
    // attention_c21
    Arg<Optional<Seqc_Index1>, "number of keys of each batch entry">
        :$key_lengths,
    // attention_c13
    Arg<Optional<Seqc_State1>, "logit per head that only adds to the denominator">
        :$sinks,
    // attention_c17
    Arg<Optional<I64>, "seed of the dropout">:$seed,
    // attention_c14
    OptionalAttr<F64Attr>:$scale,
    UnitAttr:$causal,
    // attention_c15
    OptionalAttr<I64Attr>:$window_left,
    OptionalAttr<I64Attr>:$window_right,
    DefaultValuedAttr<Seqc_AlignmentAttr, "::seqc::Alignment::BottomRight">:$alignment,
    // attention_c16
    OptionalAttr<F64Attr>:$dropout,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  // attention_c18, attention_c19, attention_c20
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs
    // attention_c8
    Res<Seqc_Data4, "(B, Hq, Sq, Dv)">:$out,
    // attention_c9
    Res<Optional<Seqc_State3>, "natural logarithm of the softmax denominator">
        :$lse);
  let assemblyFormat = [{
    `query` `(` $query `)` `key` `(` $key `)` `value` `(` $value `)`
    (`bias` `(` $bias^ `)`)?
    (`segments` `(` $query_segments^ `,` $key_segments `)`)?
    (`prefix` `(` $prefix^ `)`)?
    (`key_lengths` `(` $key_lengths^ `)`)?
    (`sinks` `(` $sinks^ `)`)?
    (`dropout` `(` $dropout^ `,` $seed `)`)?
    (`scale` `(` $scale^ `)`)?
    (`causal` $causal^)?
    (`window_left` `(` $window_left^ `)`)?
    (`window_right` `(` $window_right^ `)`)?
    (`align` `(` custom<EnumKeyword>($alignment)^ `)`)?
    (`score` $score^)?
    (`mask` $mask^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
}

def Seqc_PagedOp : Seqc_Op<"paged", [Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
      ["reifyResultShapes"]>]> {
  let summary = "Keys or values that lie in pages";
  let description = [{
    The keys (or values) of each batch entry as one sequence, of which the table says where each page of P positions
    is (Kwon et al., *PagedAttention*, 2023):

    ```
    out[b, h, j, d] = pages[table[b, j / P], h, j mod P, d]
    ```

    It is a view and never becomes a tensor: attention reads the pages themselves. So the `key` and `value` of `seqc.attention`
    are its only uses. An entry that is no page, below 0 or N and above, stands for a page of zeros.

    | operand | shape | element type |
    |---|---|---|
    | `pages` | (N, Hkv, P, D), any strides | T: f16, bf16, f32 or f64 |
    | `table` | (B, M) | i32 |
    | `out` | (B, Hkv, M P, D) | T |

    P is static, a power of two from 16 to 256, D is static, and M is at least 1. Constraints: paged_c1 to paged_c5 of `docs/spec.md`.

    Example, a decode step on a cache with pages of 64 positions:
    ```mlir
    %k = seqc.paged %key_pages, %table
        : (tensor<?x8x64x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
    %v = seqc.paged %value_pages, %table
        : (tensor<?x8x64x128xbf16>, tensor<?x?xi32>) -> tensor<?x8x?x128xbf16>
    %out = seqc.attention query(%q) key(%k) value(%v) key_lengths(%n) causal
        : (tensor<?x32x1x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?xi32>)
        -> tensor<?x32x1x128xbf16>
    ```
  }];
  let arguments = (ins
    // paged_c1, paged_c2, paged_c3
    Arg<Seqc_Data4, "(N, Hkv, P, D)">:$pages,
    // paged_c4
    Arg<Seqc_Index2, "(B, M), the page of each P positions">:$table);
  let results = (outs
    // paged_c5
    Res<Seqc_Data4, "(B, Hkv, M P, D)">:$out);
  let assemblyFormat =
      "$pages `,` $table attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getPageSize() { return getPages().getType().getDimSize(2); }
    /// The size of dimension `dim` of the result, from the operands.
    ::mlir::OpFoldResult getSize(::mlir::OpBuilder &builder, ::mlir::Location loc, int64_t dim);
  }];
}

def Seqc_AttentionBackwardOp : Seqc_Op<"attention_backward", [
    AttrSizedOperandSegments, AttrSizedResultSegments, RecursiveMemoryEffects]> {
  let summary = "Gradients of `seqc.attention`";
  let description = [{
    Takes the operands, attributes and regions of a `seqc.attention`, its two results and their
    gradients. Scores are computed again, so that nothing quadratic is saved (FlashAttention,
    Dao et al. 2022, algorithm 4). With `x` and `P` as in `seqc.attention` and `Z` the
    factor that dropout applies (0 or 1/(1-p), else 1):

    ```
    delta[i]   = sum_d out_grad[i, d] out[i, d]
    dP[i, j]   = Z[i, j] sum_d out_grad[i, d] value[j, d]
    dx[i, j]   = P[i, j] (dP[i, j] - delta[i] + lse_grad[i])
    ds[i, j]   = dx[i, j] * (d score / d s)(scale q.k, b, h, i, j)
    query_grad[i, d] = scale sum_j ds[i, j] key[j, d]
    key_grad[j, d]   = scale sum_i ds[i, j] query[i, d]
    value_grad[j, d] = sum_i Z[i, j] P[i, j] out_grad[i, d]
    bias_grad        = dx, summed over the dimensions that bias broadcasts
    sinks_grad[h]    = sum_{b, i} exp(sinks[h] - lse[i]) (lse_grad[i] - delta[i])
    ```

    `key_grad` and `value_grad` are sums over the query heads of their group. The types of the
    three gradients that are always there follow `->`; `bias_grad` and `sinks_grad`, where wanted, follow with
    theirs, as in `bias_grad(tensor<1x8x?x?xf32>)`.

    Every sum has one order, unless `unordered` says that the sum of `query_grad` need not: then a GPU may compute all three
    gradients in one kernel, whose blocks add to it as they come, and the rounding of `query_grad` may differ from run to
    run.

    `captured` names tensors that the score region reads an element of, at indices that are arguments of the
    region, each at most once: `t[h]`, say, or `t[b, h]`. Each has a gradient in `captured_grad`:

    ```
    captured_grad[h] = sum_{b, i, j} dx[i, j] * (d score / d t[h])(scale q.k, b, h, i, j)
    ```

    Other values that the regions capture get none. Constraints: attention_backward_c1 to
    attention_backward_c27 of `docs/spec.md`; 1 to 20 are those of `seqc.attention`.

    Example:
    ```mlir
    %dq, %dk, %dv = seqc.attention_backward query(%q) key(%k) value(%v)
        out(%out) lse(%lse) out_grad(%do) causal
        : (tensor<2x8x?x64xf32>, tensor<2x8x?x64xf32>, tensor<2x8x?x64xf32>,
           tensor<2x8x?x64xf32>, tensor<2x8x?xf32>, tensor<2x8x?x64xf32>)
        -> (tensor<2x8x?x64xf32>, tensor<2x8x?x64xf32>, tensor<2x8x?x64xf32>)
    ```
  }];
  let arguments = (ins
    // attention_backward_c1 to attention_backward_c7, as for attention
    Arg<Seqc_Data4, "(B, Hq, Sq, D)">:$query,
    Arg<Seqc_Data4, "(B, Hkv, Sk, D)">:$key,
    Arg<Seqc_Data4, "(B, Hkv, Sk, Dv)">:$value,
    // attention_backward_c8
    Arg<Seqc_Data4, "the forward result">:$out,
    // attention_backward_c9
    Arg<Seqc_State3, "the forward log-sum-exp">:$lse,
    // attention_backward_c21
    Arg<Seqc_Data4, "gradient of `out`">:$out_grad,
    // attention_backward_c22
    Arg<Optional<Seqc_State3>, "gradient of `lse`">:$lse_grad,
    // attention_backward_c10
    Arg<Optional<Seqc_Data4>, "as for attention">:$bias,
    // attention_backward_c11
    Arg<Optional<Seqc_Index2>, "as for attention">:$query_segments,
    Arg<Optional<Seqc_Index2>, "as for attention">:$key_segments,
    // attention_backward_c12
    Arg<Optional<Seqc_Index1>, "as for attention">:$prefix,
    // attention_backward_c13
    Arg<Optional<Seqc_State1>, "as for attention">:$sinks,
    // attention_backward_c17
    Arg<Optional<I64>, "seed of the dropout">:$seed,
    // attention_backward_c26, attention_backward_c27
    Arg<Variadic<Seqc_Data>, "what the score region captures and is to get a gradient">:$captured,
    // attention_backward_c14
    OptionalAttr<F64Attr>:$scale,
    UnitAttr:$causal,
    // attention_backward_c15
    OptionalAttr<I64Attr>:$window_left,
    OptionalAttr<I64Attr>:$window_right,
    DefaultValuedAttr<Seqc_AlignmentAttr, "::seqc::Alignment::BottomRight">:$alignment,
    // attention_backward_c16
    OptionalAttr<F64Attr>:$dropout,
    UnitAttr:$unordered,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  // attention_backward_c18 to attention_backward_c20
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs
    // attention_backward_c23
    Res<Seqc_Data4, "gradient of `query`">:$query_grad,
    Res<Seqc_Data4, "gradient of `key`">:$key_grad,
    Res<Seqc_Data4, "gradient of `value`">:$value_grad,
    // attention_backward_c24
    Res<Optional<Seqc_Data4>, "gradient of `bias`">:$bias_grad,
    // attention_backward_c25
    Res<Optional<Seqc_State1>, "gradient of `sinks`">:$sinks_grad,
    // attention_backward_c26
    Res<Variadic<Seqc_Data>, "gradients of `captured`">:$captured_grad);
  let assemblyFormat = [{
    `query` `(` $query `)` `key` `(` $key `)` `value` `(` $value `)`
    `out` `(` $out `)` `lse` `(` $lse `)` `out_grad` `(` $out_grad `)`
    (`lse_grad` `(` $lse_grad^ `)`)?
    (`bias` `(` $bias^ `)`)?
    (`segments` `(` $query_segments^ `,` $key_segments `)`)?
    (`prefix` `(` $prefix^ `)`)?
    (`sinks` `(` $sinks^ `)`)?
    (`dropout` `(` $dropout^ `,` $seed `)`)?
    (`captured` `(` $captured^ `)`)?
    (`scale` `(` $scale^ `)`)?
    (`causal` $causal^)?
    (`window_left` `(` $window_left^ `)`)?
    (`window_right` `(` $window_right^ `)`)?
    (`align` `(` custom<EnumKeyword>($alignment)^ `)`)?
    (`score` $score^)?
    (`mask` $mask^)?
    (`unordered` $unordered^)?
    attr-dict `:` `(` type(operands) `)` `->`
    `(` type($query_grad) `,` type($key_grad) `,` type($value_grad) `)`
    (`bias_grad` `(` type($bias_grad)^ `)`)?
    (`sinks_grad` `(` type($sinks_grad)^ `)`)?
    (`captured_grad` `(` type($captured_grad)^ `)`)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    /// Whether a GPU computes the gradients of query, key and value in one kernel.
    bool fitsOneKernel();
  }];
}

//===----------------------------------------------------------------------===//
// State-space scan
//===----------------------------------------------------------------------===//

def Seqc_SelectiveScanOp : Seqc_Op<"selective_scan", [
    AttrSizedOperandSegments, Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
      ["reifyResultShapes"]>]> {
  let summary = "Selective state-space scan (Mamba)";
  let description = [{
    The recurrence of Mamba (Gu and Dao 2023, equation 2), with `A` discretised by zero-order hold
    and `B` by Euler's rule, for each batch `b`, channel `c` and state index `n`:

    ```
    dt[c, t]   = delta[c, t] + delta_bias[c]           (then softplus, with delta_softplus)
    h[c, n, t] = exp(dt[c, t] A[c, n]) h[c, n, t - 1] + dt[c, t] B[n, t] u[c, t]
    y[c, t]    = sum_n C[n, t] h[c, n, t] + D[c] u[c, t]
    out[c, t]  = y[c, t] silu(z[c, t])
    ```

    `h[., ., -1]` is `initial_state`, or 0; `final_state` is `h` after the last step. A
    decode step is a scan of length 1, and a chunked prefill continues from the state
    of the chunk before. softplus(x) = ln(1 + exp(x)), and x where x > 20. The recurrence is computed in
    `acc`: f64 for f64, f32 for every other element type `T`.

    With `reverse` time runs from the last step to the first: the steps `t` stand for `L - 1 - t`, and
    `initial_state` is before the last step. With `cu_seqlens`, (S + 1) in i32, the time dimension of batch 1 holds S
    sequences one behind the other, sequence `s` from step `cu_seqlens[s]` to before `cu_seqlens[s + 1]`. Each is a scan
    of its own, and states are (S, Dm, N).

    | operand | shape | element type |
    |---|---|---|
    | `u`, `delta`, `z`, `out` | (B, Dm, L) | T: f16, bf16, f32 or f64 |
    | `A` | (Dm, N) | T or acc |
    | `B`, `C` constant in time | (Dm, N) | T or acc |
    | `B`, `C` variable in time | (B, N, L) or (B, G, N, L) | T |
    | `D`, `delta_bias` | (Dm) | T or acc |
    | `initial_state`, `final_state` | (B, Dm, N) | acc |

    N and G are static and G divides Dm: channel `c` uses group `c / (Dm / G)`. Constraints:
    selective_scan_c1 to selective_scan_c10 of `docs/spec.md`.

    Example:
    ```mlir
    %y, %state = seqc.selective_scan u(%u) delta(%delta) A(%A) B(%B) C(%C)
        D(%D) z(%z) delta_bias(%bias) initial_state(%state0) delta_softplus
        : (tensor<?x512x?xbf16>, tensor<?x512x?xbf16>, tensor<512x16xf32>,
           tensor<?x16x?xbf16>, tensor<?x16x?xbf16>, tensor<512xf32>,
           tensor<?x512x?xbf16>, tensor<512xf32>, tensor<?x512x16xf32>)
        -> (tensor<?x512x?xbf16>, tensor<?x512x16xf32>)
    ```
  }];
  let arguments = (ins
    // selective_scan_c1
    Arg<Seqc_Data3, "the input">:$u,
    // selective_scan_c2
    Arg<Seqc_Data3, "the time step">:$delta,
    // selective_scan_c3, selective_scan_c4
    Arg<Seqc_Data2, "the state matrix, one diagonal per channel">:$A,
    // selective_scan_c6, selective_scan_c8
    Arg<Seqc_Data24, "the input projection">:$B,
    // selective_scan_c7, selective_scan_c8
    Arg<Seqc_Data24, "the output projection">:$C,
    // selective_scan_c5
    Arg<Optional<Seqc_Data1>, "the skip connection">:$D,
    // selective_scan_c2
    Arg<Optional<Seqc_Data3>, "the gate">:$z,
    // selective_scan_c5
    Arg<Optional<Seqc_Data1>, "added to the time step">:$delta_bias,
    // selective_scan_c9
    Arg<Optional<Seqc_State3>, "the state before the first step">
        :$initial_state,
    // selective_scan_c10
    Arg<Optional<Seqc_Index1>, "where packed sequences start">:$cu_seqlens,
    UnitAttr:$delta_softplus,
    UnitAttr:$reverse,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs
    // selective_scan_c2
    Res<Seqc_Data3, "the output">:$out,
    // selective_scan_c9
    Res<Optional<Seqc_State3>, "the state after the last step">:$final_state);
  let assemblyFormat = [{
    `u` `(` $u `)` `delta` `(` $delta `)` `A` `(` $A `)` `B` `(` $B `)`
    `C` `(` $C `)`
    (`D` `(` $D^ `)`)?
    (`z` `(` $z^ `)`)?
    (`delta_bias` `(` $delta_bias^ `)`)?
    (`initial_state` `(` $initial_state^ `)`)?
    (`cu_seqlens` `(` $cu_seqlens^ `)`)?
    (`delta_softplus` $delta_softplus^)?
    (`reverse` $reverse^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Seqc_SelectiveScanBackwardOp : Seqc_Op<"selective_scan_backward", [
    AttrSizedOperandSegments, AttrSizedResultSegments, Pure]> {
  let summary = "Gradients of `seqc.selective_scan`";
  let description = [{
    Takes the operands of a `seqc.selective_scan` and the gradients of its
    results. States are computed again, chunk by chunk, from the last to the first. With
    `a[t] = exp(dt[t] A)`, `y` as in the forward and `s = silu(z)`:

    ```
    g[c, t]     = out_grad[c, t] s[c, t]
    dh[c, n, t] = g[c, t] C[n, t] + a[c, n, t + 1] dh[c, n, t + 1]
                  (+ final_state_grad[c, n] at the last step)
    ddt[c, t]   = sum_n dh[c, n, t] (A[c, n] a[c, n, t] h[c, n, t - 1] + B[n, t] u[c, t])
    u_grad      = D[c] g[c, t] + dt[c, t] sum_n dh[c, n, t] B[n, t]
    delta_grad  = ddt, times sigmoid(delta + delta_bias) with delta_softplus
    A_grad      = sum_{b, t} dh[c, n, t] dt[c, t] a[c, n, t] h[c, n, t - 1]
    B_grad      = dh[c, n, t] dt[c, t] u[c, t], summed over what B is shared by
    C_grad      = g[c, t] h[c, n, t], summed over what C is shared by
    D_grad      = sum_{b, t} g[c, t] u[c, t]
    z_grad      = out_grad[c, t] y[c, t] silu'(z[c, t])
    delta_bias_grad    = sum_{b, t} delta_grad[c, t]
    initial_state_grad = a[c, n, 0] dh[c, n, 0]
    ```

    With `reverse` and `cu_seqlens` as `seqc.selective_scan` has them.

    The types of the five gradients that are always there follow `->`; the others, where
    wanted, follow with theirs, as in `D_grad(tensor<64xf32>)`.

    Constraints: selective_scan_backward_c1 to selective_scan_backward_c14 of `docs/spec.md`; 1 to
    9 are those of `seqc.selective_scan`.

    Example:
    ```mlir
    %du, %ddelta, %dA, %dB, %dC = seqc.selective_scan_backward
        u(%u) delta(%delta) A(%A) B(%B) C(%C) out_grad(%dy)
        : (tensor<2x64x?xf32>, tensor<2x64x?xf32>, tensor<64x16xf32>,
           tensor<2x16x?xf32>, tensor<2x16x?xf32>, tensor<2x64x?xf32>)
        -> (tensor<2x64x?xf32>, tensor<2x64x?xf32>, tensor<64x16xf32>,
            tensor<2x16x?xf32>, tensor<2x16x?xf32>)
    ```
  }];
  let arguments = (ins
    // selective_scan_backward_c1 to selective_scan_backward_c9, as for
    // selective_scan
    Arg<Seqc_Data3, "as for selective_scan">:$u,
    Arg<Seqc_Data3, "as for selective_scan">:$delta,
    Arg<Seqc_Data2, "as for selective_scan">:$A,
    Arg<Seqc_Data24, "as for selective_scan">:$B,
    Arg<Seqc_Data24, "as for selective_scan">:$C,
    Arg<Optional<Seqc_Data1>, "as for selective_scan">:$D,
    Arg<Optional<Seqc_Data3>, "as for selective_scan">:$z,
    Arg<Optional<Seqc_Data1>, "as for selective_scan">:$delta_bias,
    Arg<Optional<Seqc_State3>, "as for selective_scan">:$initial_state,
    // selective_scan_backward_c10
    Arg<Seqc_Data3, "gradient of `out`">:$out_grad,
    // selective_scan_backward_c11
    Arg<Optional<Seqc_State3>, "gradient of `final_state`">:$final_state_grad,
    // selective_scan_backward_c14
    Arg<Optional<Seqc_Index1>, "as for selective_scan">:$cu_seqlens,
    UnitAttr:$delta_softplus,
    UnitAttr:$reverse,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs
    // selective_scan_backward_c12
    Res<Seqc_Data3, "gradient of `u`">:$u_grad,
    Res<Seqc_Data3, "gradient of `delta`">:$delta_grad,
    Res<Seqc_Data2, "gradient of `A`">:$A_grad,
    Res<Seqc_Data24, "gradient of `B`">:$B_grad,
    Res<Seqc_Data24, "gradient of `C`">:$C_grad,
    // selective_scan_backward_c13
    Res<Optional<Seqc_Data1>, "gradient of `D`">:$D_grad,
    Res<Optional<Seqc_Data3>, "gradient of `z`">:$z_grad,
    Res<Optional<Seqc_Data1>, "gradient of `delta_bias`">:$delta_bias_grad,
    Res<Optional<Seqc_State3>, "gradient of `initial_state`">
        :$initial_state_grad);
  let assemblyFormat = [{
    `u` `(` $u `)` `delta` `(` $delta `)` `A` `(` $A `)` `B` `(` $B `)`
    `C` `(` $C `)`
    (`D` `(` $D^ `)`)?
    (`z` `(` $z^ `)`)?
    (`delta_bias` `(` $delta_bias^ `)`)?
    (`initial_state` `(` $initial_state^ `)`)?
    `out_grad` `(` $out_grad `)`
    (`final_state_grad` `(` $final_state_grad^ `)`)?
    (`cu_seqlens` `(` $cu_seqlens^ `)`)?
    (`delta_softplus` $delta_softplus^)?
    (`reverse` $reverse^)?
    attr-dict `:` `(` type(operands) `)` `->`
    `(` type($u_grad) `,` type($delta_grad) `,` type($A_grad) `,` type($B_grad)
    `,` type($C_grad) `)`
    (`D_grad` `(` type($D_grad)^ `)`)?
    (`z_grad` `(` type($z_grad)^ `)`)?
    (`delta_bias_grad` `(` type($delta_bias_grad)^ `)`)?
    (`initial_state_grad` `(` type($initial_state_grad)^ `)`)?
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

def Seqc_CausalConv1dOp : Seqc_Op<"causal_conv1d", [
    AttrSizedOperandSegments, Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
      ["reifyResultShapes"]>]> {
  let summary = "Depthwise causal convolution along the sequence";
  let description = [{
    The short convolution in front of a selective scan. With `xp` the `W - 1`
    columns of `initial_state` (or zeros) followed by `x`:

    ```
    y[b, c, t]   = bias[c] + sum_{w < W} weight[c, w] xp[b, c, t + w]
    out[b, c, t] = y, or silu(y) with activation(silu)
    final_state  = the last W - 1 columns of xp
    ```

    Sums are in `acc`: f64 for f64, f32 for every other element type `T`.

    With `reverse` time runs from the last step to the first: the steps `t` stand for `L - 1 - t`, and
    `initial_state` is before the last step. With `cu_seqlens`, (S + 1) in i32, the time dimension of batch 1 holds S
    sequences one behind the other, sequence `s` from step `cu_seqlens[s]` to before `cu_seqlens[s + 1]`. Each is a convolution
    of its own, and states are (S, Dm, W - 1).

    | operand | shape | element type |
    |---|---|---|
    | `x`, `out` | (B, Dm, L) | T: f16, bf16, f32 or f64 |
    | `weight` | (Dm, W) | T or acc |
    | `bias` | (Dm) | T or acc |
    | `initial_state`, `final_state` | (B, Dm, W - 1) | T |

    W is static. Constraints: causal_conv1d_c1 to causal_conv1d_c8 of `docs/spec.md`.

    Example:
    ```mlir
    %y, %state = seqc.causal_conv1d x(%x) weight(%w) bias(%b)
        initial_state(%state0) activation(silu)
        : (tensor<?x512x?xf32>, tensor<512x4xf32>, tensor<512xf32>,
           tensor<?x512x3xf32>)
        -> (tensor<?x512x?xf32>, tensor<?x512x3xf32>)
    ```
  }];
  let arguments = (ins
    // causal_conv1d_c1
    Arg<Seqc_Data3, "the input">:$x,
    // causal_conv1d_c3, causal_conv1d_c4
    Arg<Seqc_Data2, "one filter per channel">:$weight,
    // causal_conv1d_c5
    Arg<Optional<Seqc_Data1>, "added to the sum">:$bias,
    // causal_conv1d_c6
    Arg<Optional<Seqc_Data3>, "the columns before the first">:$initial_state,
    // causal_conv1d_c8
    Arg<Optional<Seqc_Index1>, "where packed sequences start">:$cu_seqlens,
    DefaultValuedAttr<Seqc_ActivationAttr, "::seqc::Activation::None">:$activation,
    UnitAttr:$reverse,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs
    // causal_conv1d_c2
    Res<Seqc_Data3, "the output">:$out,
    // causal_conv1d_c7
    Res<Optional<Seqc_Data3>, "the last columns, for the next chunk">
        :$final_state);
  let assemblyFormat = [{
    `x` `(` $x `)` `weight` `(` $weight `)`
    (`bias` `(` $bias^ `)`)?
    (`initial_state` `(` $initial_state^ `)`)?
    (`cu_seqlens` `(` $cu_seqlens^ `)`)?
    (`activation` `(` custom<EnumKeyword>($activation)^ `)`)?
    (`reverse` $reverse^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Seqc_CausalConv1dBackwardOp : Seqc_Op<"causal_conv1d_backward", [
    AttrSizedOperandSegments, AttrSizedResultSegments, Pure]> {
  let summary = "Gradients of `seqc.causal_conv1d`";
  let description = [{
    Takes the operands of a `seqc.causal_conv1d` and the gradients of its results. With `xp`
    and `y` as in the forward:

    ```
    g[b, c, t]        = out_grad[b, c, t], times silu'(y[b, c, t]) with activation(silu)
    xp_grad[b, c, j]  = sum_{w < W, 0 <= j - w < L} weight[c, w] g[b, c, j - w]
                        (+ final_state_grad[b, c, j - L] for j >= L)
    initial_state_grad, x_grad = the first W - 1 columns of xp_grad, the others
    weight_grad[c, w] = sum_{b, t} g[b, c, t] xp[b, c, t + w]
    bias_grad[c]      = sum_{b, t} g[b, c, t]
    ```

    With `reverse` and `cu_seqlens` as `seqc.causal_conv1d` has them; packed sequences have no
    `final_state_grad`.

    The types of the two gradients that are always there follow `->`; the others, where
    wanted, follow with theirs, as in `bias_grad(tensor<64xf32>)`.

    Constraints: causal_conv1d_backward_c1 to causal_conv1d_backward_c11 of `docs/spec.md`; 1 to 7 are
    those of `seqc.causal_conv1d`.

    Example:
    ```mlir
    %dx, %dw, %dbias = seqc.causal_conv1d_backward x(%x) weight(%w) bias(%b)
        out_grad(%dy) activation(silu)
        : (tensor<?x512x?xf32>, tensor<512x4xf32>, tensor<512xf32>,
           tensor<?x512x?xf32>)
        -> (tensor<?x512x?xf32>, tensor<512x4xf32>) bias_grad(tensor<512xf32>)
    ```
  }];
  let arguments = (ins
    // causal_conv1d_backward_c1 to causal_conv1d_backward_c7, as for
    // causal_conv1d
    Arg<Seqc_Data3, "as for causal_conv1d">:$x,
    Arg<Seqc_Data2, "as for causal_conv1d">:$weight,
    Arg<Optional<Seqc_Data1>, "as for causal_conv1d">:$bias,
    Arg<Optional<Seqc_Data3>, "as for causal_conv1d">:$initial_state,
    Arg<Seqc_Data3, "gradient of `out`">:$out_grad,
    Arg<Optional<Seqc_Data3>, "gradient of `final_state`">:$final_state_grad,
    // causal_conv1d_backward_c10, causal_conv1d_backward_c11
    Arg<Optional<Seqc_Index1>, "as for causal_conv1d">:$cu_seqlens,
    DefaultValuedAttr<Seqc_ActivationAttr, "::seqc::Activation::None">:$activation,
    UnitAttr:$reverse,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs
    // causal_conv1d_backward_c8
    Res<Seqc_Data3, "gradient of `x`">:$x_grad,
    Res<Seqc_Data2, "gradient of `weight`">:$weight_grad,
    // causal_conv1d_backward_c9
    Res<Optional<Seqc_Data1>, "gradient of `bias`">:$bias_grad,
    Res<Optional<Seqc_Data3>, "gradient of `initial_state`">
        :$initial_state_grad);
  let assemblyFormat = [{
    `x` `(` $x `)` `weight` `(` $weight `)`
    (`bias` `(` $bias^ `)`)?
    (`initial_state` `(` $initial_state^ `)`)?
    `out_grad` `(` $out_grad `)`
    (`final_state_grad` `(` $final_state_grad^ `)`)?
    (`cu_seqlens` `(` $cu_seqlens^ `)`)?
    (`activation` `(` custom<EnumKeyword>($activation)^ `)`)?
    (`reverse` $reverse^)?
    attr-dict `:` `(` type(operands) `)` `->`
    `(` type($x_grad) `,` type($weight_grad) `)`
    (`bias_grad` `(` type($bias_grad)^ `)`)?
    (`initial_state_grad` `(` type($initial_state_grad)^ `)`)?
  }];
  let hasVerifier = 1;
}

#endif // SEQC_DIALECT_SEQC_IR_SEQCOPS
