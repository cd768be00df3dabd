//===- Tile.h - The tile dialect --------------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_IR_TILE_H
#define SEQC_DIALECT_TILE_IR_TILE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "seqc/Dialect/Tile/IR/TileEnums.h.inc"

#include "seqc/Dialect/Tile/IR/TileDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "seqc/Dialect/Tile/IR/TileAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "seqc/Dialect/Tile/IR/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "seqc/Dialect/Tile/IR/TileOps.h.inc"

namespace seqc::tile {

/// Products that run and the queue of their completion (`tile.mma_async`,
/// `tile.wait`).
struct MmaResource : mlir::SideEffects::Resource::Base<MmaResource> {
  llvm::StringRef getName() final { return "tile.mma"; }
};

/// Tiles in shared memory.
struct SharedResource : mlir::SideEffects::Resource::Base<SharedResource> {
  llvm::StringRef getName() final { return "tile.shared"; }
};

/// Shared memory that a block may use, on the largest chip (sm_90).
constexpr int64_t kMaxSharedBytes = 232448;
/// What of it is set aside for barriers.
constexpr int64_t kBarrierBytes = 1024;
/// Registers of a multiprocessor, which a block's threads share.
constexpr int64_t kMaxRegisters = 65536;
constexpr int64_t kThreadsPerWarp = 32;
/// Warps that run an asynchronous product together.
constexpr int64_t kWarpsPerGroup = 4;
/// Warps of a block.
constexpr int64_t kMaxWarps = 32;

/// Whether one thread can do all that a role does: it computes and reads
/// numbers, and starts copies.
bool isForOneThread(mlir::Region &role);

} // namespace seqc::tile

#endif // SEQC_DIALECT_TILE_IR_TILE_H
