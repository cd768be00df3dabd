//===- TileDialect.td - Everything in the tile dialect -----*- tablegen -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_IR_TILEDIALECT
#define SEQC_DIALECT_TILE_IR_TILEDIALECT

include "seqc/Dialect/Tile/IR/TileOps.td"

#endif // SEQC_DIALECT_TILE_IR_TILEDIALECT
