//===- Layouts.h - Which thread holds which element -------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layouts of the tile dialect, worked out for a shape. All of them have one
// form: the coordinate of an element is the sum of what depends on the thread
// and what depends on the register,
//
//   coordinate[d] = base[d](lane, warp) + offsets[register][d]
//
// and base[d] is a sum of bit fields of the two numbers, each with a stride.
// So a thread computes its base once, with a shift, a mask and a multiplication
// for each field, and all its coordinates are that plus constants.
//
// A field of the lane or the warp that no dimension has makes copies: threads
// that differ in it only hold the same elements.
//
// `warp` counts the warps of the role that computes, from 0.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_DIALECT_TILE_IR_LAYOUTS_H
#define SEQC_DIALECT_TILE_IR_LAYOUTS_H

#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>

namespace seqc::tile {

/// `((source >> shift) & mask) * stride`, where the field takes the values 0 to
/// `count - 1`.
struct LayoutField {
  enum Source { Lane, Warp };
  Source source;
  unsigned shift;
  int64_t count;
  int64_t stride;

  /// The bits of the source that the field has, in place.
  uint32_t getBits() const;
  /// The field's value times its stride.
  int64_t evaluate(int64_t lane, int64_t warp) const;

  bool operator==(const LayoutField &other) const {
    return source == other.source && shift == other.shift &&
           count == other.count && stride == other.stride;
  }
};

/// A layout, worked out for a shape.
struct ThreadLayout {
  llvm::SmallVector<int64_t> shape;
  int64_t numWarps = 1;
  /// For each dimension, the fields whose sum is the thread's part.
  llvm::SmallVector<llvm::SmallVector<LayoutField, 2>> base;
  /// For each register, its part of the coordinate in each dimension. No two
  /// registers have the same.
  llvm::SmallVector<llvm::SmallVector<int64_t, 2>> offsets;

  int64_t getRank() const { return shape.size(); }
  int64_t getNumRegisters() const { return offsets.size(); }

  /// Where the element that a register holds is.
  llvm::SmallVector<int64_t> getCoordinates(int64_t warp, int64_t lane,
                                            int64_t reg) const;

  /// The register whose part of the coordinate is `offset`.
  std::optional<int64_t> findRegister(llvm::ArrayRef<int64_t> offset) const;

  /// The bits of the lane's (of the warp's) number on which the coordinate in
  /// dimension `dim` depends. A reduction along `dim` shuffles over the former
  /// with xor, and needs shared memory if there are any of the latter.
  uint32_t getLaneBits(unsigned dim) const;
  uint32_t getWarpBits(unsigned dim) const;

  /// The bits on which no coordinate depends. The one of all threads with
  /// copies that has only zeros there is their owner: it stores.
  uint32_t getLaneCopyBits() const;
  uint32_t getWarpCopyBits() const;

  /// How many threads hold each element.
  int64_t getNumCopies() const;

  /// Whether every thread holds the same elements in the same registers.
  bool operator==(const ThreadLayout &other) const {
    return shape == other.shape && numWarps == other.numWarps &&
           base == other.base && offsets == other.offsets;
  }
};

/// Whether `attribute` is a layout of this dialect.
bool isLayout(mlir::Attribute attribute);

/// The layout of a tile, or null if it has none (yet).
mlir::Attribute getLayout(mlir::Type type);

/// `type` with another layout, null for none.
mlir::RankedTensorType withLayout(mlir::RankedTensorType type,
                                  mlir::Attribute layout);

/// The rank of the tiles that a layout is for.
int64_t getLayoutRank(mlir::Attribute layout);

/// The number of warps that a layout spreads a tile over.
int64_t getNumWarps(mlir::Attribute layout);

/// The shape of the least tile in the parent's layout whose slice has `shape`.
llvm::SmallVector<int64_t> getParentShape(SliceLayoutAttr slice,
                                          llvm::ArrayRef<int64_t> shape);

/// A layout for a shape that its `verifyEncoding` accepts.
ThreadLayout getThreadLayout(mlir::Attribute layout,
                             llvm::ArrayRef<int64_t> shape);
/// The layout of a tile; the type must have one.
ThreadLayout getThreadLayout(mlir::RankedTensorType type);

/// The registers in which each thread holds a tile.
int64_t getNumRegisters(mlir::RankedTensorType type);

/// The coordinates of the element that a register of a thread holds.
llvm::SmallVector<int64_t> getCoordinates(mlir::Attribute layout,
                                          llvm::ArrayRef<int64_t> shape,
                                          int64_t warp, int64_t lane,
                                          int64_t reg);

/// For each register of a tile in layout `parent`, the register of the slice
/// `#tile.slice<dim, of = parent>` that has its other coordinates. A broadcast
/// copies along it, a reduction combines the registers that it maps to one.
llvm::SmallVector<int64_t> getSliceRegisters(const ThreadLayout &parent,
                                             unsigned dim);

/// For each register of the operand of `tile.fold`, that of its result.
llvm::SmallVector<int64_t> getFoldRegisters(const ThreadLayout &source,
                                            const ThreadLayout &result);

/// Whether two layouts give each thread the same elements of a tile of `shape`
/// in the same registers, whatever they are called.
bool isSameDistribution(mlir::Attribute a, mlir::Attribute b,
                        llvm::ArrayRef<int64_t> shape);

} // namespace seqc::tile

#endif // SEQC_DIALECT_TILE_IR_LAYOUTS_H
