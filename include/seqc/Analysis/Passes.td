//===- Passes.td - Analyses that report --------------------*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_ANALYSIS_PASSES
#define SEQC_ANALYSIS_PASSES

include "mlir/Pass/PassBase.td"

def SeqcIOAnalysis : Pass<"seqc-io-analysis", "::mlir::ModuleOp"> {
  let summary = "Report bytes, FLOPs and predicted time of every operator";
  let description = [{
    Counts, for each operator, the bytes that move at each level of memory, FLOPs, exponentials and the
    bytes held on chip, for the fused form under the operator's schedule (or the
    one that `seqc-schedule` would choose) and for the form that materialises its
    intermediates. The IR is not changed. The counting rules are in `docs/io-model.md`.

    Prints to standard output; for

    ```mlir
    %out = seqc.attention query(%q) key(%k) value(%v) causal : ...
    ```
    one line per form:
    ```
    seqc.attention   fused 128x128   40.0 MB   ...   3.1 us   matrix
                     unfused         560 MB    ...   130 us   HBM
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"cpu\"",
           "Chip: h200 (or sm_90a), a100 (or sm_80), cpu (this machine), x86-64-v3 or x86-64-v4">,
    Option<"assume", "assume", "std::string", "\"\"",
           "Sizes of dynamic dimensions, B=2,S=1000 and so on">,
    Option<"tileM", "tile-m", "int64_t", "0", "Tile size that wins over every schedule; 0 keeps them">,
    Option<"tileN", "tile-n", "int64_t", "0", "Tile size that wins over every schedule; 0 keeps them">,
    Option<"splits", "splits", "int64_t", "0", "Splits that win over every schedule; 0 keeps them">,
    Option<"stages", "stages", "int64_t", "0", "Stages that win over every schedule; 0 keeps them">,
    Option<"warps", "warps", "int64_t", "0", "Warps that win over every schedule; 0 keeps them">,
    Option<"tilings", "tilings", "bool", "false", "Report every legal tiling as well">,
    Option<"keyOuter", "key-outer", "bool", "false",
           "Attention with keys in the outer loop, as in the FlashAttention paper">,
    Option<"noCache", "no-cache", "bool", "false",
           "Count every tile load as device memory traffic">,
    Option<"elementPartials", "element-partials", "bool", "false",
           "Partial outputs travel in the element type">,
    Option<"json", "json", "bool", "false", "Print JSON">,
    Option<"remarks", "remarks", "bool", "false", "Emit a remark per operator instead of a table">
  ];
  let statistics = [
    Statistic<"numOps", "ops-reported", "Operators reported on">,
    Statistic<"bytesFused", "dram-kilobytes-fused", "Kilobytes of device memory traffic, fused">,
    Statistic<"bytesSaved", "dram-kilobytes-saved", "Kilobytes that fusion saves">
  ];
}

#endif // SEQC_ANALYSIS_PASSES
