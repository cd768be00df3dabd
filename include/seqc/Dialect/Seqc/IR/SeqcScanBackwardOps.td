//===- SeqcScanBackwardOps.td - L1: backward of the scan ---*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The gradients of a part of the time steps. What the part after it gives to
// this one is an operand, and what this one gives to the part before it is a
// result, so that parts chain from the last to the first.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCSCANBACKWARDOPS
#define SEQC_DIALECT_SEQC_IR_SEQCSCANBACKWARDOPS

include "seqc/Dialect/Seqc/IR/SeqcBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

def Seqc_ChunkScanBackwardOp : Seqc_Op<"chunk_scan_backward", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition"]>]> {
  let summary = "Gradients of one chunk of a selective scan, from the state before it";
  let description = [{
    One step of the backward of a selective scan by recomputation: `state` is the state before the
    chunk, `state_grad` the gradient of the state after it. The states inside the chunk are computed again,
    forwards, and the gradients from them, backwards. With `g = out_grad silu(z)` and `a[t] = exp(dt[t] A)`:

    ```
    dh[c, n, t]   = g[c, t] C[n, t] + (state_grad[c, n] at the last step, else a[c, n, t + 1] dh[c, n, t + 1])
    state_grad'   = a[c, n, 0] dh[c, n, 0]
    A_grad[c, n] += sum_t dh[c, n, t] dt[c, t] a[c, n, t] h[c, n, t - 1]
    B_grad[n, t] += sum_c dh[c, n, t] dt[c, t] u[c, t]       (over the channels of a group)
    C_grad[n, t] += sum_c g[c, t] h[c, n, t]
    ```

    and `u_grad`, `delta_grad`, `z_grad`, `D_grad` and `delta_bias_grad` as in
    `seqc.selective_scan_backward`. The first three are written; to the gradients of parameters the chunk's
    sums are added, for each batch by itself, in the accumulator type. Results are in the order of `outs`.

    The iteration space is (batch, channel, time). Time is reduced, from the last step to the first, and channels are as well if
    `B` or `C` is variable. `steps`, if given, is the number of valid time steps of a padded tile.
    Constraints: chunk_scan_backward_c1 to chunk_scan_backward_c14 of `docs/spec.md`.

    Example:
    ```mlir
    %du, %ddelta, %dh, %dA, %dB, %dC = seqc.chunk_scan_backward u(%u) delta(%dt) A(%A) B(%B) C(%C)
        out_grad(%dy) state(%h) outs(u_grad(%du0) delta_grad(%ddelta0) state_grad(%dh0)
          A_grad(%dA0) B_grad(%dB0) C_grad(%dC0)) delta_softplus
        : (tensor<1x16x64xf32>, tensor<1x16x64xf32>, tensor<16x16xf32>,
           tensor<1x16x64xf32>, tensor<1x16x64xf32>, tensor<1x16x64xf32>,
           tensor<1x16x16xf32>, tensor<1x16x64xf32>, tensor<1x16x64xf32>,
           tensor<1x16x16xf32>, tensor<1x16x16xf32>, tensor<1x16x64xf32>,
           tensor<1x16x64xf32>)
        -> (tensor<1x16x64xf32>, tensor<1x16x64xf32>, tensor<1x16x16xf32>,
            tensor<1x16x16xf32>, tensor<1x16x64xf32>, tensor<1x16x64xf32>)
    ```
  }];
  let arguments = (ins
    // chunk_scan_backward_c1
    Seqc_Data3:$u,
    // chunk_scan_backward_c2
    Seqc_Data3:$delta,
    // chunk_scan_backward_c3, chunk_scan_backward_c4
    Seqc_Data2:$A,
    // chunk_scan_backward_c6, chunk_scan_backward_c8
    Seqc_Data24:$B,
    // chunk_scan_backward_c7, chunk_scan_backward_c8
    Seqc_Data24:$C,
    // chunk_scan_backward_c5
    Optional<Seqc_Data1>:$D,
    // chunk_scan_backward_c2
    Optional<Seqc_Data3>:$z,
    // chunk_scan_backward_c5
    Optional<Seqc_Data1>:$delta_bias,
    // chunk_scan_backward_c10
    Seqc_Data3:$out_grad,
    // chunk_scan_backward_c9
    Seqc_State3:$state,
    Optional<Index>:$steps,
    // chunk_scan_backward_c10
    Seqc_Data3:$u_grad_init,
    Seqc_Data3:$delta_grad_init,
    // chunk_scan_backward_c14
    Optional<Seqc_Data3>:$z_grad_init,
    // chunk_scan_backward_c9
    Seqc_State3:$state_grad_init,
    // chunk_scan_backward_c11
    Seqc_State3:$A_grad_init,
    // chunk_scan_backward_c12
    Seqc_Checked<"3-D or 4-D tensor of f32 or f64">:$B_grad_init,
    Seqc_Checked<"3-D or 4-D tensor of f32 or f64">:$C_grad_init,
    // chunk_scan_backward_c13
    Optional<Seqc_Checked<"2-D tensor of f32 or f64">>:$D_grad_init,
    Optional<Seqc_Checked<"2-D tensor of f32 or f64">>:$delta_bias_grad_init,
    UnitAttr:$delta_softplus,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Seqc_Checked<"tensor of f16, bf16, f32 or f64">>:$results);
  let assemblyFormat = [{
    `u` `(` $u `)` `delta` `(` $delta `)` `A` `(` $A `)` `B` `(` $B `)`
    `C` `(` $C `)`
    (`D` `(` $D^ `)`)?
    (`z` `(` $z^ `)`)?
    (`delta_bias` `(` $delta_bias^ `)`)?
    `out_grad` `(` $out_grad `)` `state` `(` $state `)`
    (`steps` `(` $steps^ `)`)?
    `outs` `(` `u_grad` `(` $u_grad_init `)` `delta_grad` `(` $delta_grad_init `)`
    (`z_grad` `(` $z_grad_init^ `)`)?
    `state_grad` `(` $state_grad_init `)` `A_grad` `(` $A_grad_init `)`
    `B_grad` `(` $B_grad_init `)` `C_grad` `(` $C_grad_init `)`
    (`D_grad` `(` $D_grad_init^ `)`)?
    (`delta_bias_grad` `(` $delta_bias_grad_init^ `)`)? `)`
    (`delta_softplus` $delta_softplus^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      unsigned inits = 6 + (getZGradInit() ? 1 : 0) + (getDGradInit() ? 1 : 0) +
                       (getDeltaBiasGradInit() ? 1 : 0);
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - inits, inits);
    }
    /// The result that goes with a destination; null without one.
    ::mlir::Value getResultOf(::mlir::Value init);
    /// Whether an operand `B` or `C` varies with time.
    static bool isVariable(::mlir::Value projection) {
      return ::mlir::cast<::mlir::RankedTensorType>(projection.getType())
                 .getRank() > 2;
    }
  }];
}

def Seqc_ChunkConv1dBackwardOp : Seqc_Op<"chunk_conv1d_backward", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<TilingInterface,
      ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
       "getResultTilePosition"]>]> {
  let summary = "Gradients of one chunk of a causal convolution";
  let description = [{
    One chunk, or all chunks, of the backward of a causal convolution. `initial_state` has the columns before the
    chunk, and `next` the gradients `g` of the sums of the first `W - 1` steps after it:

    ```
    y[c, t]            = bias[c] + sum_{w < W} weight[c, w] xp[c, t + w]
    g[c, t]            = out_grad[c, t], times silu'(y[c, t]) with activation(silu); next past the chunk
    x_grad[c, t]       = sum_{w < W} weight[c, w] g[c, t + W - 1 - w]
    next'[c, k]        = g[c, k]                                   for k < W - 1
    weight_grad[c, w] += sum_t g[c, t] xp[c, t + w]
    bias_grad[c]      += sum_t g[c, t]
    ```

    `x_grad` is written; to the gradients of parameters the chunk's sums are added, for each batch by itself, in the accumulator
    type. A width of 1 has no `next`. The iteration space is (batch, channel, time), the last one reduced, from the last step to
    the first. Constraints: chunk_conv1d_backward_c1 to chunk_conv1d_backward_c10 of `docs/spec.md`.

    Example:
    ```mlir
    %dx, %next, %dw = seqc.chunk_conv1d_backward x(%x) weight(%w) initial_state(%state)
        out_grad(%dy) outs(x_grad(%dx0) next(%next0) weight_grad(%dw0)) activation(silu)
        : (tensor<1x16x256xf32>, tensor<16x4xf32>, tensor<1x16x3xf32>, tensor<1x16x256xf32>,
           tensor<1x16x256xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32>)
        -> (tensor<1x16x256xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32>)
    ```
  }];
  let arguments = (ins
    // chunk_conv1d_backward_c1
    Seqc_Data3:$x,
    // chunk_conv1d_backward_c3, chunk_conv1d_backward_c4
    Seqc_Data2:$weight,
    // chunk_conv1d_backward_c5
    Optional<Seqc_Data1>:$bias,
    // chunk_conv1d_backward_c6
    Optional<Seqc_Data3>:$initial_state,
    // chunk_conv1d_backward_c2
    Seqc_Data3:$out_grad,
    Seqc_Data3:$x_grad_init,
    // chunk_conv1d_backward_c7, chunk_conv1d_backward_c8
    Optional<Seqc_State3>:$next_init,
    // chunk_conv1d_backward_c9
    Seqc_State3:$weight_grad_init,
    // chunk_conv1d_backward_c10
    Optional<Seqc_Checked<"2-D tensor of f32 or f64">>:$bias_grad_init,
    DefaultValuedAttr<Seqc_ActivationAttr, "::seqc::Activation::None">:$activation,
    OptionalAttr<Seqc_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Seqc_Checked<"tensor of f16, bf16, f32 or f64">>:$results);
  let assemblyFormat = [{
    `x` `(` $x `)` `weight` `(` $weight `)`
    (`bias` `(` $bias^ `)`)?
    (`initial_state` `(` $initial_state^ `)`)?
    `out_grad` `(` $out_grad `)`
    `outs` `(` `x_grad` `(` $x_grad_init `)` (`next` `(` $next_init^ `)`)?
    `weight_grad` `(` $weight_grad_init `)` (`bias_grad` `(` $bias_grad_init^ `)`)? `)`
    (`activation` `(` custom<EnumKeyword>($activation)^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      unsigned inits =
          2 + (getNextInit() ? 1 : 0) + (getBiasGradInit() ? 1 : 0);
      return ::mlir::MutableOperandRange(getOperation(),
          getNumOperands() - inits, inits);
    }
    /// The result that goes with a destination; null without one.
    ::mlir::Value getResultOf(::mlir::Value init);
  }];
}

#endif // SEQC_DIALECT_SEQC_IR_SEQCSCANBACKWARDOPS
