//===- TileLayouts.cpp - Verification of layouts --------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace seqc::tile;

//===----------------------------------------------------------------------===//
// #tile.mma
//===----------------------------------------------------------------------===//

LogicalResult
MmaLayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t warps) {
  if (warps < 1 || warps > kMaxWarps)
    return emitError() << "#tile.mma needs 1 to " << kMaxWarps
                       << " warps, but got " << warps;
  return success();
}

LogicalResult MmaLayoutAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != 2)
    return emitError() << "#tile.mma is a layout of 2-D tiles, but the rank is "
                       << shape.size();
  if (shape[0] <= 0 || shape[0] % (16 * getWarps()) || shape[1] <= 0 ||
      shape[1] % 8)
    return emitError() << *this << " needs a multiple of " << 16 * getWarps()
                       << " rows and of 8 columns, but the tile is " << shape[0]
                       << "x" << shape[1];
  return success();
}

//===----------------------------------------------------------------------===//
// #tile.blocked
//===----------------------------------------------------------------------===//

LogicalResult
BlockedLayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                          ArrayRef<int64_t> thread, ArrayRef<int64_t> lanes,
                          ArrayRef<int64_t> warps) {
  if (thread.empty() || thread.size() != lanes.size() ||
      thread.size() != warps.size())
    return emitError() << "#tile.blocked needs lists 'thread', 'lanes' and "
                          "'warps' of one length, but theirs are "
                       << thread.size() << ", " << lanes.size() << " and "
                       << warps.size();
  for (auto [values, name] :
       {std::pair(thread, "thread"), std::pair(lanes, "lanes")})
    for (int64_t value : values)
      if (value < 1 || value > 1024 || !llvm::isPowerOf2_64(value))
        return emitError() << "#tile.blocked needs powers of two from 1 to "
                              "1024 in '"
                           << name << "', but got " << value;
  // Fields of the warp's number: only the highest may have any size.
  bool isHighest = true;
  for (int64_t value : warps) {
    if (value < 1 || value > kMaxWarps ||
        (!isHighest && !llvm::isPowerOf2_64(value)))
      return emitError() << "#tile.blocked needs powers of two from 1 to "
                         << kMaxWarps
                         << " in 'warps', but for the first that is not 1, "
                            "but got "
                         << value;
    isHighest &= value == 1;
  }
  if (int64_t product = llvm::product_of(lanes); product != kThreadsPerWarp)
    return emitError() << "the product of 'lanes' of #tile.blocked must be 32, "
                          "but is "
                       << product;
  if (int64_t product = llvm::product_of(warps); product > kMaxWarps)
    return emitError() << "the product of 'warps' of #tile.blocked must be at "
                          "most "
                       << kMaxWarps << ", but is " << product;
  return success();
}

LogicalResult BlockedLayoutAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getThread().size())
    return emitError() << *this << " is a layout of " << getThread().size()
                       << "-D tiles, but the rank is " << shape.size();
  for (auto [d, size] : llvm::enumerate(shape)) {
    int64_t unit = getThread()[d] * getLanes()[d] * getWarps()[d];
    if (size <= 0 || size % unit)
      return emitError() << *this << " needs a multiple of " << unit
                         << " in dimension " << d << ", but the size is "
                         << size;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// #tile.slice
//===----------------------------------------------------------------------===//

LogicalResult
SliceLayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        int64_t dim, Attribute parent) {
  if (!isLayout(parent))
    return emitError() << "#tile.slice is of another layout, but got "
                       << parent;
  int64_t rank = getLayoutRank(parent);
  if (rank < 2)
    return emitError() << "#tile.slice is of a layout of at least 2-D tiles, "
                          "but got "
                       << parent;
  if (dim < 0 || dim >= rank)
    return emitError() << "'dim' of #tile.slice must be from 0 to " << rank - 1
                       << ", but is " << dim;
  return success();
}

LogicalResult SliceLayoutAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    function_ref<InFlightDiagnostic()> emitError) const {
  int64_t rank = getLayoutRank(*this);
  if (int64_t(shape.size()) != rank)
    return emitError() << *this << " is a layout of " << rank
                       << "-D tiles, but the rank is " << shape.size();
  return cast<VerifiableTensorEncoding>(getParent())
      .verifyEncoding(getParentShape(*this, shape), elementType, emitError);
}
