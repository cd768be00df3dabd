//===- Seqc.h - The seqc dialect --------------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_SEQC_IR_SEQC_H
#define SEQC_DIALECT_SEQC_IR_SEQC_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/ParallelCombiningOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/TilingInterface.h"

#include "seqc/Dialect/Seqc/IR/SeqcEnums.h.inc"

#include "seqc/Dialect/Seqc/IR/SeqcDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "seqc/Dialect/Seqc/IR/SeqcAttrs.h.inc"

#include "seqc/Dialect/Seqc/IR/SeqcInterfaces.h.inc"

namespace seqc {
// Upstream's interface declarations name these without their namespace.
using mlir::Location;
using mlir::MergeResult;
using mlir::ReductionTilingStrategy;
using mlir::SmallVector;
using mlir::TilingResult;
using mlir::Value;
using mlir::ValueRange;
} // namespace seqc

#define GET_OP_CLASSES
#include "seqc/Dialect/Seqc/IR/SeqcOps.h.inc"

namespace seqc {

/// The type that scores, softmax and states are computed in: f64 where the
/// operator works on f64, else f32.
mlir::FloatType getAccumulatorType(mlir::Type elementType);

/// The largest sizes of a tile and numbers of parts: what is larger gains
/// nothing, and a tile of that size in f64 still fits in memory.
constexpr int64_t kMaxTileSize = 4096;
constexpr int64_t kMaxSplits = 1024;
/// Tiles of one operand in shared memory, and warps of a thread block.
constexpr int64_t kMaxStages = 8;
constexpr int64_t kMaxWarps = 16;

/// What a parameter of a schedule, `tile_m`, `tile_n`, `splits`, `stages` or
/// `warps`, must not exceed.
int64_t getScheduleLimit(llvm::StringRef name);

/// "'tile_m' must be from 0 to 4096, but is -1", or "" for a legal value. An
/// option may spell the name `tile-m`.
std::string checkScheduleParameter(llvm::StringRef name, int64_t value);

/// The number of keys of batch entry `batch`: what `keyLengths` has there, or
/// `keys`, all of them, if that is not from 0 to `keys`.
mlir::Value readKeyLength(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value keyLengths, mlir::Value batch,
                          mlir::Value keys);

/// Whether the two sizes are known to be equal: one value, one constant, or one
/// dimension of one tensor.
bool isSameSize(mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);

} // namespace seqc

#endif // SEQC_DIALECT_SEQC_IR_SEQC_H
