//===- SeqcBase.td - The seqc dialect, its attributes and types -*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQCBASE
#define SEQC_DIALECT_SEQC_IR_SEQCBASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Seqc_Dialect : Dialect {
  let name = "seqc";
  let cppNamespace = "::seqc";
  let summary = "Sequence-model operators: attention and state-space scans";
  let description = [{
    The dialect holds two levels.

    **L0, graph operators**, say what is computed and nothing about how:
    `seqc.attention`, `seqc.selective_scan`, `seqc.causal_conv1d` and their
    backward operators. They work on ranked tensors with value semantics; their
    maths, shapes and numbered constraints are in `docs/spec.md`.

    **L1, the algebra**, computes the same function with its reduction made
    explicit: `seqc.online_attention` carries a running (max, sum, acc) and
    `seqc.chunk_scan` carries (decay product, state). Both declare how that state is
    started, merged and finished, and can be tiled along every dimension, so
    one tiling pass and one split-reduction pass serve both.

    The string attribute `seqc.name` on an argument or a result of a function is the name that
    callers of a compiled program use for it.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
}

//===----------------------------------------------------------------------===//
// Enumerations
//===----------------------------------------------------------------------===//

def Seqc_Alignment : I32EnumAttr<"Alignment",
    "which corner of the score matrix the diagonal of a mask goes through", [
      I32EnumAttrCase<"BottomRight", 0, "bottom_right">,
      I32EnumAttrCase<"TopLeft", 1, "top_left">]> {
  let cppNamespace = "::seqc";
  let genSpecializedAttr = 0;
}
def Seqc_AlignmentAttr : EnumAttr<Seqc_Dialect, Seqc_Alignment, "alignment">;

def Seqc_Activation : I32EnumAttr<"Activation",
    "the activation that follows a convolution", [
      I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Silu", 1, "silu">]> {
  let cppNamespace = "::seqc";
  let genSpecializedAttr = 0;
}
def Seqc_ActivationAttr : EnumAttr<Seqc_Dialect, Seqc_Activation, "activation">;

def Seqc_TileClass : I32EnumAttr<"TileClass",
    "what the structured mask leaves of a tile of scores", [
      I32EnumAttrCase<"Partial", 0, "partial">,
      I32EnumAttrCase<"Full", 1, "full">]> {
  let cppNamespace = "::seqc";
  let genSpecializedAttr = 0;
}
def Seqc_TileClassAttr : EnumAttr<Seqc_Dialect, Seqc_TileClass, "tile_class">;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class Seqc_Attr<string name, string attrMnemonic>
    : AttrDef<Seqc_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Seqc_ScheduleAttr : Seqc_Attr<"Schedule", "schedule"> {
  let summary = "How an operator is tiled";
  let description = [{
    The schedule of one operator: chosen by `seqc-schedule` from an analytic model, or
    written by hand. A parameter that is absent (0) is chosen by the pass. Tiles have at most
    4096 positions in each direction, and there are at most 1024 parts. Stages are at most 8, and warps 1,
    2, 4, 8, 12 or 16; both are for GPUs, and stay absent on a CPU.

    | parameter | for `attention` | for `selective_scan` and `causal_conv1d` |
    |---|---|---|
    | `tile_m` | queries in a tile | channels in a tile |
    | `tile_n` | keys in a tile | time steps in a chunk |
    | `splits` | parts that the keys are split into | parts that the sequence is split into; on a GPU the most of them |
    | `stages` | tiles of keys, and of values, in shared memory | chunks in shared memory |
    | `warps` | warps that share the queries of a tile | warps that share the channels of a tile |

    Example: `#seqc.schedule<tile_m = 64, tile_n = 128, splits = 4>`
  }];
  let parameters = (ins
    OptionalParameter<"int64_t", "0">:$tile_m,
    OptionalParameter<"int64_t", "0">:$tile_n,
    OptionalParameter<"int64_t", "0">:$splits,
    OptionalParameter<"int64_t", "0">:$stages,
    OptionalParameter<"int64_t", "0">:$warps
  );
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

// Operands and results. The verifier checks rank and element type, and names the
// operand and the constraint of docs/spec.md; here only the kind of type counts.
class Seqc_Checked<string what>
    : Type<CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">, what,
           "::mlir::RankedTensorType">;
def Seqc_Data1 : Seqc_Checked<"1-D tensor of f16, bf16, f32 or f64">;
def Seqc_Data2 : Seqc_Checked<"2-D tensor of f16, bf16, f32 or f64">;
def Seqc_Data3 : Seqc_Checked<"3-D tensor of f16, bf16, f32 or f64">;
def Seqc_Data4 : Seqc_Checked<"4-D tensor of f16, bf16, f32 or f64">;
def Seqc_Data : Seqc_Checked<"tensor of f16, bf16, f32 or f64">;
def Seqc_Data24
    : Seqc_Checked<"2-D, 3-D or 4-D tensor of f16, bf16, f32 or f64">;
def Seqc_State1 : Seqc_Checked<"1-D tensor of f32 or f64">;
def Seqc_State3 : Seqc_Checked<"3-D tensor of f32 or f64">;
def Seqc_State4 : Seqc_Checked<"4-D tensor of f32 or f64">;
def Seqc_State5 : Seqc_Checked<"5-D tensor of f32 or f64">;
def Seqc_Index1 : Seqc_Checked<"1-D tensor of i32">;
def Seqc_Index2 : Seqc_Checked<"2-D tensor of i32">;

class Seqc_Op<string mnemonic, list<Trait> traits = []>
    : Op<Seqc_Dialect, mnemonic, traits>;

#endif // SEQC_DIALECT_SEQC_IR_SEQCBASE
