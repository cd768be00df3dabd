//===- TileDialect.cpp - The tile dialect ---------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace seqc::tile;

#include "seqc/Dialect/Tile/IR/TileDialect.cpp.inc"
#include "seqc/Dialect/Tile/IR/TileEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "seqc/Dialect/Tile/IR/TileAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "seqc/Dialect/Tile/IR/TileTypes.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "seqc/Dialect/Tile/IR/TileAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "seqc/Dialect/Tile/IR/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "seqc/Dialect/Tile/IR/TileOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// The bytes of a panel's rows.
static constexpr int64_t kPanelRowBytes = 128;
/// The alignment of a tile in shared memory.
static constexpr int64_t kTileAlignment = 1024;

/// Parses `64x128xbf16`.
static ParseResult parseShape(AsmParser &parser, int64_t &rows,
                              int64_t &columns, Type &elementType) {
  SmallVector<int64_t> shape;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseDimensionList(shape, /*allowDynamic=*/false,
                                /*withTrailingX=*/true) ||
      parser.parseType(elementType))
    return failure();
  if (shape.size() != 2)
    return parser.emitError(loc, "expected rows x columns, but got ")
           << shape.size() << " dimensions";
  rows = shape[0];
  columns = shape[1];
  return success();
}

Type SharedType::parse(AsmParser &parser) {
  int64_t rows, columns;
  Type elementType;
  SMLoc loc = parser.getCurrentLocation();
  int64_t pitch = 0;
  if (parser.parseLess() || parseShape(parser, rows, columns, elementType))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("pitch") || parser.parseInteger(pitch)))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<SharedType>(loc, parser.getContext(), rows, columns,
                                       elementType, pitch);
}

void SharedType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getColumns() << "x" << getElementType();
  if (getPitch())
    printer << ", pitch " << getPitch();
  printer << ">";
}

LogicalResult SharedType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t rows, int64_t columns,
                                 Type elementType, int64_t pitch) {
  if (!isa<FloatType, IntegerType>(elementType))
    return emitError() << "a tile in shared memory has elements of a float or "
                          "integer type, but got "
                       << elementType;
  unsigned width = elementType.getIntOrFloatBitWidth();
  if (width != 8 && width != 16 && width != 32 && width != 64)
    return emitError() << "a tile in shared memory has elements of 8, 16, 32 "
                          "or 64 bits, but got "
                       << elementType;
  if (rows <= 0 || columns <= 0 || (rows % 8 && !pitch))
    return emitError() << "a tile in shared memory has a multiple of 8 rows "
                          "and at least one column, but got "
                       << rows << "x" << columns;
  if (rows > 4096 || columns > 4096)
    return emitError() << "a tile in shared memory has at most 4096 rows and "
                          "columns, but got "
                       << rows << "x" << columns;
  if (pitch && (pitch < columns || pitch > 8192 || pitch * width % 128))
    return emitError() << "a tile in shared memory has a pitch of at least its "
                       << columns << " columns and a multiple of "
                       << 128 / width << ", 16 bytes, but got " << pitch;
  return success();
}

int64_t SharedType::getPanelColumns() const {
  return kPanelRowBytes * 8 / getElementType().getIntOrFloatBitWidth();
}

int64_t SharedType::getNumPanels() const {
  return llvm::divideCeil(getColumns(), getPanelColumns());
}

int64_t SharedType::getPanelBytes() const { return getRows() * kPanelRowBytes; }

int64_t SharedType::getNumBytes() const {
  if (getPitch())
    return llvm::alignTo(getRows() * getPitch() *
                             getElementType().getIntOrFloatBitWidth() / 8,
                         kTileAlignment);
  return llvm::alignTo(getNumPanels() * getPanelBytes(), kTileAlignment);
}

RankedTensorType SharedType::getTensorType() const {
  return RankedTensorType::get({getRows(), getColumns()}, getElementType());
}

Type RingType::parse(AsmParser &parser) {
  int64_t stages, rows, columns;
  Type elementType;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseInteger(stages) ||
      parser.parseKeyword("x") ||
      parseShape(parser, rows, columns, elementType) || parser.parseGreater())
    return {};
  auto tile = parser.getChecked<SharedType>(loc, parser.getContext(), rows,
                                            columns, elementType, 0);
  if (!tile)
    return {};
  return parser.getChecked<RingType>(loc, parser.getContext(), stages, tile);
}

void RingType::print(AsmPrinter &printer) const {
  printer << "<" << getStages() << " x " << getTile().getRows() << "x"
          << getTile().getColumns() << "x" << getTile().getElementType() << ">";
}

LogicalResult RingType::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t stages, SharedType tile) {
  if (stages < 1 || stages > 16)
    return emitError() << "a ring has 1 to 16 stages, but got " << stages;
  if (tile.getPitch())
    return emitError() << "the tiles of a ring have no pitch, but got " << tile;
  return success();
}
