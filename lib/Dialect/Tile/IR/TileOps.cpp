//===- TileOps.cpp - Operations of the tile dialect -----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Dialect/Tile/IR/Layouts.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace seqc::tile;

#define GET_OP_CLASSES
#include "seqc/Dialect/Tile/IR/TileOps.cpp.inc"

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static bool isScalar(Type type) {
  return isa<FloatType, IntegerType, IndexType>(type);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildFuncType =
      [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
         function_interface_impl::VariadicFlag,
         std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), buildFuncType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &p) {
  function_interface_impl::printFunctionOp(
      p, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult KernelOp::verify() {
  if (!llvm::hasSingleElement(getBody()))
    return emitOpError("needs a body of one block, but has ")
           << getBody().getBlocks().size();
  if (getFunctionType().getNumResults())
    return emitOpError("writes to its arguments and has no results, but its "
                       "type is ")
           << getFunctionType();
  ArrayRef<Type> types = getArgumentTypes();
  if (types.size() < 3 ||
      !llvm::all_of(types.take_back(3), llvm::IsaPred<IndexType>))
    return emitOpError("needs the indices of the block in the grid as its last "
                       "three arguments, of type index, but its type is ")
           << getFunctionType();
  for (auto [i, type] : llvm::enumerate(types.drop_back(3)))
    if (!isa<MemRefType>(type) && !isScalar(type))
      return emitOpError("argument ")
             << i << " must be a memref or a scalar, but is of type " << type;
  int64_t warps = getWarps();
  if (warps < 1 || warps > kMaxWarps)
    return emitOpError("has 1 to ") << kMaxWarps << " warps, but got " << warps;
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getGrid().size() != 3)
    return emitOpError("needs the three sizes of the grid, but got ")
           << getGrid().size();
  for (auto [i, input] : llvm::enumerate(getInputs()))
    if (!isa<RankedTensorType>(input.getType()) && !::isScalar(input.getType()))
      return emitOpError("input ")
             << i << " must be a tensor or a scalar, but is of type "
             << input.getType();
  return success();
}

/// Whether a kernel may see a tensor of type `tensor` as `view`.
static bool isViewOf(MemRefType view, RankedTensorType tensor) {
  if (view.getElementType() != tensor.getElementType() ||
      view.getRank() != tensor.getRank())
    return false;
  for (auto [viewed, size] :
       llvm::zip_equal(view.getShape(), tensor.getShape()))
    if (!ShapedType::isDynamic(viewed) && viewed != size)
      return false;
  return true;
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  Operation *symbol =
      symbolTable.lookupNearestSymbolFrom(*this, getKernelAttr());
  // Lowered already: what was checked here then still holds.
  if (symbol && symbol->getName().getStringRef() == "gpu.module")
    return success();
  auto kernel = dyn_cast_or_null<KernelOp>(symbol);
  if (!kernel)
    return emitOpError("launches ")
           << getKernelAttr() << ", which is not a tile.kernel";
  SmallVector<Value> operands(getInputs());
  llvm::append_range(operands, getOutputs());
  if (operands.size() != kernel.getNumLaunchArguments())
    return emitOpError("passes ")
           << operands.size() << " operands, but the kernel " << getKernelAttr()
           << " takes " << kernel.getNumLaunchArguments();
  for (auto [i, operand] : llvm::enumerate(operands)) {
    Type expected = kernel.getArgumentTypes()[i];
    auto view = dyn_cast<MemRefType>(expected);
    auto tensor = dyn_cast<RankedTensorType>(operand.getType());
    bool isLegal =
        view && tensor ? isViewOf(view, tensor) : expected == operand.getType();
    if (!isLegal)
      return emitOpError("operand ")
             << i << " is of type " << operand.getType() << ", but the kernel "
             << getKernelAttr() << " takes " << expected;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Device memory
//===----------------------------------------------------------------------===//

/// The dimension of a view that dimension `i` of a tile of `rank` dimensions
/// is.
static int64_t getViewDim(std::optional<ArrayRef<int64_t>> dims,
                          MemRefType view, int64_t rank, unsigned i) {
  return dims ? (*dims)[i] : view.getRank() - rank + i;
}

int64_t LoadOp::getSourceDim(unsigned i) {
  return getViewDim(getDims(), getSource().getType(),
                    getResult().getType().getRank(), i);
}

int64_t StoreOp::getDestDim(unsigned i) {
  return getViewDim(getDims(), getDest().getType(),
                    getValue().getType().getRank(), i);
}

int64_t PutOp::getSourceDim(unsigned i) {
  return getViewDim(getDims(), getSource().getType(), 2, i);
}

/// Checks that a tile of `rank` dimensions lies in `view` at `offsets`.
static LogicalResult verifyAccess(Operation *op, MemRefType view,
                                  Type elementType, int64_t rank,
                                  OperandRange offsets,
                                  std::optional<ArrayRef<int64_t>> dims) {
  if (view.getElementType() != elementType)
    return op->emitOpError("moves elements of type ")
           << elementType << ", but those of the view are "
           << view.getElementType();
  if (int64_t(offsets.size()) != view.getRank())
    return op->emitOpError("needs an offset for each of the ")
           << view.getRank() << " dimensions of the view, but got "
           << offsets.size();
  if (rank < 1 || rank > view.getRank())
    return op->emitOpError("needs a tile of 1 to ")
           << view.getRank() << " dimensions, the view's, but it has " << rank;
  if (!dims)
    return success();
  if (int64_t(dims->size()) != rank)
    return op->emitOpError("needs one of 'dims' for each of the ")
           << rank << " dimensions of the tile, but got " << dims->size();
  for (auto [i, dim] : llvm::enumerate(*dims)) {
    if (dim < 0 || dim >= view.getRank())
      return op->emitOpError("needs 'dims' from 0 to ")
             << view.getRank() - 1 << ", the view's dimensions, but got "
             << dim;
    if (llvm::is_contained(dims->take_front(i), dim))
      return op->emitOpError("has dimension ") << dim << " twice in 'dims'";
  }
  return success();
}

/// Checks that `inside` lists dimensions of the tile.
static LogicalResult verifyInside(Operation *op, RankedTensorType tile,
                                  std::optional<ArrayRef<int64_t>> inside) {
  for (int64_t dim : inside.value_or(ArrayRef<int64_t>()))
    if (dim < 0 || dim >= tile.getRank())
      return op->emitOpError("needs dimensions of the tile ")
             << tile << " in 'inside', but got " << dim;
  return success();
}

/// Checks that a packed tile is whole rows of its view.
static LogicalResult verifyPacked(Operation *op, RankedTensorType tile,
                                  MemRefType view,
                                  std::optional<ArrayRef<int64_t>> inside) {
  SmallVector<int64_t> strides;
  int64_t offset, rank = view.getRank();
  if (tile.getRank() != 2 || rank < 2 || tile.getElementTypeBitWidth() != 32)
    return op->emitOpError("packs 2-D tiles of 32-bit elements, but got ")
           << tile << " in " << view;
  int64_t columns = view.getShape().back();
  if (failed(view.getStridesAndOffset(strides, offset)) ||
      ShapedType::isDynamic(columns) || strides[rank - 1] != 1 ||
      strides[rank - 2] != columns || tile.getNumElements() % columns)
    return op->emitOpError("packs whole rows without gaps, but got ")
           << tile << " in " << view;
  if (!inside || inside->size() != 2)
    return op->emitOpError("packs a tile that is all 'inside', but got ")
           << tile << " that may not be";
  Attribute layout = getLayout(tile);
  if (layout && !isa<MmaLayoutAttr>(layout))
    return op->emitOpError("packs a tile in #tile.mma, but got ") << tile;
  return success();
}

/// Checks the pages of a tile of `rows` rows, which are dimension `rowDim` of
/// the view.
static LogicalResult verifyPages(Operation *op, int64_t rows, int64_t rowDim,
                                 OperandRange pages) {
  if (pages.empty())
    return success();
  int64_t parts = pages.size() + 1;
  if (rows % parts != 0)
    return op->emitOpError("needs a number of pages that divides the ")
           << rows << " rows of the tile, but got " << parts;
  if (rowDim == 0)
    return op->emitOpError("needs rows that are not dimension 0 of the view, "
                           "which is that of its pages");
  return success();
}

LogicalResult LoadOp::verify() {
  RankedTensorType tile = getResult().getType();
  if (failed(verifyInside(*this, tile, getInside())) ||
      failed(verifyAccess(*this, getSource().getType(), tile.getElementType(),
                          tile.getRank(), getOffsets(), getDims())))
    return failure();
  if (getInside() && (!getPages().empty() || getRows()))
    return emitOpError("has 'inside', which says that all rows are read, "
                       "beside 'pages' or 'rows'");
  if (getPacked() &&
      failed(verifyPacked(*this, tile, getSource().getType(), getInside())))
    return failure();
  return verifyPages(*this, tile.getDimSize(0), getSourceDim(0), getPages());
}

LogicalResult StoreOp::verify() {
  RankedTensorType tile = getValue().getType();
  if (failed(verifyInside(*this, tile, getInside())))
    return failure();
  if (getAdd() && !tile.getElementType().isF32())
    return emitOpError("adds elements of f32, but got ") << tile;
  if (getPacked() &&
      failed(verifyPacked(*this, tile, getDest().getType(), getInside())))
    return failure();
  return verifyAccess(*this, getDest().getType(), tile.getElementType(),
                      tile.getRank(), getOffsets(), getDims());
}

LogicalResult GatherOp::verify() {
  MemRefType view = getSource().getType();
  RankedTensorType tile = getResult().getType();
  if (view.getElementType() != tile.getElementType())
    return emitOpError("reads elements of type ")
           << view.getElementType() << ", but those of the result are "
           << tile.getElementType();
  if (int64_t(getIndices().size()) != view.getRank())
    return emitOpError("needs indices for each of the ")
           << view.getRank() << " dimensions of the view, but got "
           << getIndices().size();
  for (auto [i, indices] : llvm::enumerate(getIndices())) {
    auto type = cast<RankedTensorType>(indices.getType());
    if (!isa<IntegerType, IndexType>(type.getElementType()) ||
        type != tile.clone(type.getElementType()))
      return emitOpError("indices ")
             << i << " must be integers of the shape and layout of the result, "
             << tile << ", but are of type " << type;
  }
  return success();
}

void LoadOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
}

void StoreOp::getEffects(Effects &effects) {
  if (getAdd())
    effects.emplace_back(MemoryEffects::Read::get(), &getDestMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getDestMutable());
}

void GatherOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

LogicalResult IotaOp::verify() {
  RankedTensorType type = getType();
  if (getDim() >= uint64_t(type.getRank()))
    return emitOpError("needs a dimension of its result ")
           << type << ", but got " << int64_t(getDim());
  if (!isa<IntegerType, IndexType>(type.getElementType()))
    return emitOpError("needs a result of integers, but got ") << type;
  return success();
}

LogicalResult RampOp::verify() {
  if (getDim() >= uint64_t(getType().getRank()))
    return emitOpError("needs a dimension of its result ")
           << getType() << ", but got " << int64_t(getDim());
  return success();
}

/// Checks that `reduced` is `full` without dimension `dim`.
static LogicalResult verifySlice(Operation *op, RankedTensorType reduced,
                                 RankedTensorType full, uint64_t dim) {
  if (dim >= uint64_t(full.getRank()))
    return op->emitOpError("needs a dimension of ")
           << full << ", but got " << int64_t(dim);
  if (full.getRank() < 2)
    return op->emitOpError("needs a tile of at least two dimensions, but got ")
           << full;
  SmallVector<int64_t> shape(full.getShape());
  shape.erase(shape.begin() + dim);
  auto expected = RankedTensorType::get(shape, full.getElementType());
  if (expected != withLayout(reduced, {}))
    return op->emitOpError("along dimension ")
           << dim << " of " << full << " goes with " << expected << ", but got "
           << reduced;
  Attribute layout = full.getEncoding(), slice = reduced.getEncoding();
  if (!layout && !slice)
    return success();
  if (layout) {
    auto wanted = SliceLayoutAttr::get(op->getContext(), dim, layout);
    if (slice == wanted)
      return success();
    return op->emitOpError("along dimension ")
           << dim << " of " << full << " goes with layout " << wanted
           << ", but got " << reduced;
  }
  return op->emitOpError("needs both tiles with a layout or both without, but "
                         "got ")
         << full << " and " << reduced;
}

LogicalResult BroadcastOp::verify() {
  return verifySlice(*this, getSource().getType(), getType(), getDim());
}

LogicalResult AnyOp::verify() {
  if (!getSource().getType().getElementType().isInteger(1))
    return emitOpError("needs a tile of i1, but got ") << getSource().getType();
  return success();
}

/// Whether each thread has, of a tile in layout `part`, a part of what it has
/// of it in `whole`.
static bool isPartOf(Attribute part, Attribute whole, ArrayRef<int64_t> shape) {
  ThreadLayout p = getThreadLayout(part, shape);
  ThreadLayout w = getThreadLayout(whole, shape);
  if (p.numWarps != w.numWarps || p.getNumRegisters() > w.getNumRegisters())
    return false;
  for (int64_t warp = 0; warp < p.numWarps; ++warp)
    for (int64_t lane = 0; lane < kThreadsPerWarp; ++lane) {
      SmallVector<SmallVector<int64_t>> held;
      for (int64_t r = 0; r < w.getNumRegisters(); ++r)
        held.push_back(w.getCoordinates(warp, lane, r));
      for (int64_t r = 0; r < p.getNumRegisters(); ++r)
        if (!llvm::is_contained(held, p.getCoordinates(warp, lane, r)))
          return false;
    }
  return true;
}

LogicalResult ReduceOp::verify() {
  RankedTensorType source = getSource().getType(), result = getType();
  Attribute from = source.getEncoding(), to = result.getEncoding();
  if (from && to && getDim() < uint64_t(source.getRank()) &&
      source.getRank() > 1 && result.getRank() + 1 == source.getRank()) {
    auto slice = SliceLayoutAttr::get(getContext(), int64_t(getDim()), from);
    SmallVector<int64_t> shape(source.getShape());
    shape.erase(shape.begin() + getDim());
    if (to != slice && ArrayRef<int64_t>(shape) == result.getShape() &&
        source.getElementType() == result.getElementType()) {
      if (isPartOf(to, slice, shape))
        return success();
      return emitOpError("along dimension ")
             << int64_t(getDim()) << " of " << source << " goes with layout "
             << slice
             << " or one that gives each thread a part of that, but got "
             << result;
    }
  }
  return verifySlice(*this, result, source, getDim());
}

LogicalResult ShiftOp::verify() {
  RankedTensorType type = getType();
  int64_t by = getBy(), block = getBlock(), columns = type.getShape().back();
  if (block < 1 || columns % block)
    return emitOpError("needs blocks that divide the ")
           << columns << " columns of " << type << ", but they have " << block;
  if (by < 0 || by > block)
    return emitOpError("shifts by 0 to ")
           << block << " elements, a block, but got " << by;
  if (!type.getEncoding())
    return success();
  ThreadLayout layout = getThreadLayout(type);
  bool isWhole = llvm::all_of(layout.base.back(), [&](LayoutField field) {
    return field.count == 1 || field.stride % block == 0;
  });
  for (ArrayRef<int64_t> offset : layout.offsets) {
    SmallVector<int64_t> other(offset);
    other.back() = offset.back() / block * block;
    for (int64_t i = 0; i < block && isWhole; ++i, ++other.back())
      isWhole = layout.findRegister(other).has_value();
  }
  if (!isWhole)
    return emitOpError("needs a layout that gives a thread whole blocks of ")
           << block << " columns, but got " << type;
  return success();
}

LogicalResult RecurrenceOp::verify() {
  RankedTensorType states = getStates().getType();
  if (getAdjoint() && getBefore())
    return emitOpError("of gradients has no states before its steps: adjoint "
                       "and before exclude each other");
  if (!isa<FloatType>(states.getElementType()))
    return emitOpError("needs tiles of a float type, but got ") << states;
  if (failed(verifySlice(*this, getLast().getType(), states, getDim())))
    return failure();
  if (!states.getEncoding())
    return success();
  ThreadLayout layout = getThreadLayout(states);
  if (!layout.base[getDim()].empty())
    return emitOpError("needs a layout that gives a thread all of dimension ")
           << int64_t(getDim()) << ", but got " << states;
  return success();
}

/// The layout of states that tensor cores contract, or null.
static BlockedLayoutAttr getContracted(RankedTensorType states) {
  auto layout = dyn_cast_if_present<BlockedLayoutAttr>(states.getEncoding());
  if (!layout || states.getRank() != 3)
    return {};
  ArrayRef<int64_t> thread = layout.getThread(), lanes = layout.getLanes(),
                    warps = layout.getWarps();
  int64_t channels = thread[0], steps = thread[1];
  bool isWhole = states.getDimSize(0) == channels * 8 * warps[0] &&
                 states.getDimSize(1) == steps;
  if (!isWhole || channels < 1 || channels > 2 || (steps != 4 && steps != 8) ||
      thread[2] % 2 || lanes != ArrayRef<int64_t>({8, 1, 4}) || warps[1] != 1 ||
      warps[2] != 1)
    return {};
  return layout;
}

Attribute ContractOp::getWeightsLayout(RankedTensorType states) {
  BlockedLayoutAttr layout = getContracted(states);
  if (!layout)
    return {};
  MLIRContext *context = states.getContext();
  int64_t steps = layout.getThread()[1];
  return SliceLayoutAttr::get(
      context, 0,
      BlockedLayoutAttr::get(context, {1, 1, layout.getThread()[2]},
                             {8 / steps, steps, 4}, layout.getWarps()));
}

Attribute ContractOp::getResultLayout(RankedTensorType states) {
  BlockedLayoutAttr layout = getContracted(states);
  if (!layout)
    return {};
  MLIRContext *context = states.getContext();
  int64_t channels = layout.getThread()[0], warps = layout.getWarps()[0];
  if (layout.getThread()[1] == 8)
    return BlockedLayoutAttr::get(context, {channels, 2}, {8, 4}, {warps, 1});
  return SliceLayoutAttr::get(context, 1,
                              BlockedLayoutAttr::get(context, {channels, 1, 2},
                                                     {8, 2, 2}, {warps, 1, 1}));
}

LogicalResult ContractOp::verify() {
  RankedTensorType states = getStates().getType(),
                   weights = getWeights().getType(),
                   result = getResult().getType();
  ArrayRef<int64_t> shape = states.getShape();
  if (shape.size() != 3 || weights.getShape() != shape.take_back(2) ||
      result.getShape() != shape.take_front(2))
    return emitOpError("takes states (c, t, n) and weights (t, n) to (c, t), "
                       "but goes from ")
           << states << " and " << weights << " to " << result;
  for (RankedTensorType type : {states, weights, result})
    if (!type.getElementType().isF32())
      return emitOpError("works on f32, but got ") << type;
  Attribute layout = states.getEncoding();
  if (!layout && !weights.getEncoding() && !result.getEncoding())
    return success();
  Attribute ofWeights = getWeightsLayout(states),
            ofResult = getResultLayout(states);
  if (!ofWeights)
    return emitOpError("needs states in a layout of which tensor cores take "
                       "blocks, but got ")
           << states;
  if (weights.getEncoding() != ofWeights)
    return emitOpError("of ") << states << " needs weights in " << ofWeights
                              << ", but got " << weights;
  if (result.getEncoding() != ofResult)
    return emitOpError("of ") << states << " gives a result in " << ofResult
                              << ", but got " << result;
  return success();
}

int64_t SumBlocksOp::getNumBlocks() {
  return getType().getDimSize(1) / getSource().getType().getDimSize(2);
}

LogicalResult SumBlocksOp::verify() {
  RankedTensorType source = getSource().getType(), result = getType();
  if (source.getRank() != 3 || result.getRank() != 2 ||
      source.getElementType() != result.getElementType() ||
      source.getDimSize(1) != result.getDimSize(0) ||
      result.getDimSize(1) % source.getDimSize(2) ||
      source.getDimSize(0) % getNumBlocks())
    return emitOpError("goes from rows x steps x columns to steps x columns of "
                       "each of some equal blocks of rows, but got ")
           << source << " and " << result;
  if (!source.getEncoding() != !result.getEncoding())
    return emitOpError("needs both tiles with a layout or both without, but "
                       "got ")
           << source << " and " << result;
  if (!source.getEncoding())
    return success();
  ThreadLayout from = getThreadLayout(source), to = getThreadLayout(result);
  if (from.numWarps != getNumBlocks() || from.numWarps != to.numWarps)
    return emitOpError("needs a block for each warp, but has ")
           << getNumBlocks() << " blocks from " << source << " to " << result;
  return success();
}

LogicalResult ExchangeOp::verify() {
  RankedTensorType source = getSource().getType(), result = getType();
  if (withLayout(source, {}) != withLayout(result, {}))
    return emitOpError("keeps shape and elements, but goes from ")
           << source << " to " << result;
  if (!source.getEncoding() != !result.getEncoding())
    return emitOpError("needs both tiles with a layout or both without, but "
                       "got ")
           << source << " and " << result;
  return success();
}

LogicalResult FoldOp::verify() {
  RankedTensorType source = getSource().getType(), result = getType();
  if (source.getRank() != 2 || result.getRank() != 2 ||
      source.getElementType() != result.getElementType() ||
      source.getDimSize(0) != result.getDimSize(0) ||
      source.getDimSize(1) % result.getDimSize(1))
    return emitOpError("keeps the rows and divides the columns, but goes from ")
           << source << " to " << result;
  if (source.getEncoding() != result.getEncoding())
    return emitOpError("keeps the layout, but goes from ")
           << source << " to " << result;
  return success();
}

LogicalResult ConvertOp::verify() {
  RankedTensorType source = getSource().getType(), result = getType();
  if (withLayout(source, {}) != withLayout(result, {}))
    return emitOpError("keeps the shape and the elements, but goes from ")
           << source << " to " << result;
  Attribute from = getLayout(source), to = getLayout(result);
  if (from && to && !isSameDistribution(from, to, source.getShape()))
    return emitOpError("cannot go from ")
           << from << " to " << to
           << ": threads would exchange elements, which takes shared memory";
  return success();
}

/// What an operand of a product is: element type, rows and columns.
static LogicalResult verifyFactor(Operation *op, StringRef name, Type type) {
  if (auto tile = dyn_cast<RankedTensorType>(type))
    if (tile.getRank() != 2)
      return op->emitOpError("operand '")
             << name << "' must be 2-D, but is of type " << type;
  if (auto shared = dyn_cast<SharedType>(type))
    if (shared.getPitch())
      return op->emitOpError("operand '")
             << name << "' must be in panels, without a pitch, but is of type "
             << type;
  return success();
}

static Type getElementType(Value tile) {
  if (auto shared = dyn_cast<SharedType>(tile.getType()))
    return shared.getElementType();
  return cast<RankedTensorType>(tile.getType()).getElementType();
}

static int64_t getSize(Value tile, unsigned dim) {
  if (auto shared = dyn_cast<SharedType>(tile.getType()))
    return dim == 0 ? shared.getRows() : shared.getColumns();
  return cast<RankedTensorType>(tile.getType()).getDimSize(dim);
}

/// Checks `result = a b` with the accumulator's (and the result's) type.
static LogicalResult verifyProduct(Operation *op, Value a, Value b,
                                   RankedTensorType acc, bool transposeA,
                                   bool transposeB) {
  if (failed(verifyFactor(op, "a", a.getType())) ||
      failed(verifyFactor(op, "b", b.getType())) ||
      failed(verifyFactor(op, "acc", acc)))
    return failure();
  Type type = getElementType(a);
  if (type != getElementType(b))
    return op->emitOpError("needs factors of one element type, but they are ")
           << a.getType() << " and " << b.getType();
  if (!type.isF16() && !type.isBF16() && !type.isF32())
    return op->emitOpError("needs factors of type f16, bf16 or f32, but got ")
           << type;
  if (!acc.getElementType().isF32())
    return op->emitOpError("accumulates in f32, but got ") << acc;
  if (transposeA && !isa<SharedType>(a.getType()) && isa<MmaAsyncOp>(op))
    return op->emitOpError("transposes 'a' in shared memory only, but got ")
           << a.getType();
  if (transposeA && type.getIntOrFloatBitWidth() != 16)
    return op->emitOpError("transposes 'a' of 16-bit elements only, but got ")
           << type;
  int64_t k = getSize(a, transposeA ? 0 : 1),
          inner = getSize(b, transposeB ? 1 : 0);
  if (k != inner)
    return op->emitOpError("needs factors with one inner dimension, but it is ")
           << k << " in " << a.getType() << (transposeA ? " (transposed)" : "")
           << " and " << inner << " in " << b.getType()
           << (transposeB ? " (transposed)" : "");
  int64_t unit = type.isF32() ? 8 : 16;
  if (k % unit)
    return op->emitOpError("needs an inner dimension that is a multiple of ")
           << unit << ", but it is " << k;
  int64_t m = getSize(a, transposeA ? 1 : 0),
          n = getSize(b, transposeB ? 0 : 1);
  if (acc.getDimSize(0) != m || acc.getDimSize(1) != n)
    return op->emitOpError("of ")
           << a.getType() << " and " << b.getType() << " is " << m << "x" << n
           << ", but the accumulator is " << acc;

  Attribute layout = getLayout(acc);
  if (!layout) {
    for (Value factor : {a, b})
      if (getLayout(factor.getType()))
        return op->emitOpError("has an accumulator without a layout, but a "
                               "factor ")
               << factor.getType();
    return success();
  }
  if (!isa<MmaLayoutAttr>(layout))
    return op->emitOpError("has its result in #tile.mma, but got ") << layout;
  // A factor that is only loaded has no layout until it is staged.
  auto isOpen = [](Value factor) {
    return factor.getDefiningOp<LoadOp>() && !getLayout(factor.getType());
  };
  if (!isa<SharedType>(a.getType()) && getLayout(a.getType()) != layout &&
      !isOpen(a))
    return op->emitOpError("takes 'a' from shared memory or in ")
           << layout << ", but got " << a.getType();
  // One that is computed goes there when it is staged.
  if (!isa<SharedType>(b.getType()) && !isOpen(b) &&
      !isa_and_nonnull<BlockedLayoutAttr, MmaLayoutAttr>(
          getLayout(b.getType())))
    return op->emitOpError("takes 'b' from shared memory, but got ")
           << b.getType();
  return success();
}

LogicalResult DotOp::verify() {
  return verifyProduct(*this, getA(), getB(), getAcc().getType(),
                       getTransposeA(), getTransposeB());
}

OpFoldResult ConvertOp::fold(FoldAdaptor) {
  if (getSource().getType() == getType())
    return getSource();
  if (auto source = getSource().getDefiningOp<ConvertOp>())
    if (source.getSource().getType() == getType())
      return source.getSource();
  return {};
}

int64_t DotOp::getM() { return getSize(getA(), getTransposeA() ? 1 : 0); }
int64_t DotOp::getN() { return getSize(getB(), getTransposeB() ? 0 : 1); }
int64_t DotOp::getK() { return getSize(getA(), getTransposeA() ? 0 : 1); }

/// Reading an operand of a product, if it is in shared memory.
static void addOperandRead(Effects &effects, OpOperand &operand) {
  if (isa<SharedType>(operand.get().getType()))
    effects.emplace_back(MemoryEffects::Read::get(), &operand,
                         SharedResource::get());
}

void DotOp::getEffects(Effects &effects) {
  addOperandRead(effects, getAMutable());
  addOperandRead(effects, getBMutable());
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Checks that a tile is a part of one in shared memory.
static LogicalResult verifyPart(Operation *op, RankedTensorType tile,
                                SharedType shared, OperandRange offsets) {
  // A 1-D tile is a part of a row.
  int64_t rank = tile.getRank();
  SmallVector<int64_t> sizes(tile.getShape());
  if (rank == 1)
    sizes.insert(sizes.begin(), 1);
  if (sizes.size() != 2 || tile.getElementType() != shared.getElementType() ||
      sizes[0] > shared.getRows() || sizes[1] > shared.getColumns())
    return op->emitOpError("needs a 1-D or 2-D tile that fits in ")
           << shared << ", of its element type, but got " << tile;
  if (!offsets.empty() && offsets.size() != 2)
    return op->emitOpError("needs a row and a column as the offsets of a tile "
                           "in ")
           << shared << ", or none, but got " << offsets.size();
  for (auto [i, offset] : llvm::enumerate(offsets)) {
    APInt constant;
    int64_t size = i == 0 ? shared.getRows() : shared.getColumns();
    if (matchPattern(offset, m_ConstantInt(&constant)) &&
        (constant.isNegative() || constant.getSExtValue() + sizes[i] > size))
      return op->emitOpError("needs ")
             << tile << " inside of " << shared << ", but its "
             << (i == 0 ? "row" : "column") << " is "
             << constant.getSExtValue();
  }
  return success();
}

LogicalResult SharedStoreOp::verify() {
  return verifyPart(*this, getValue().getType(), getDest().getType(),
                    getOffsets());
}

LogicalResult SharedLoadOp::verify() {
  return verifyPart(*this, getType(), getSource().getType(), getOffsets());
}

void AllocOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Allocate::get(),
                       getOperation()->getOpResult(0), SharedResource::get());
}

void SharedStoreOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getDestMutable(),
                       SharedResource::get());
}

void SharedLoadOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable(),
                       SharedResource::get());
}

void BarrierOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), SharedResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), SharedResource::get());
}

//===----------------------------------------------------------------------===//
// Rings
//===----------------------------------------------------------------------===//

LogicalResult PutOp::verify() {
  SharedType tile = getRing().getType().getTile();
  if (failed(verifyAccess(*this, getSource().getType(), tile.getElementType(),
                          /*rank=*/2, getOffsets(), getDims())))
    return failure();
  return verifyPages(*this, tile.getRows(), getSourceDim(0), getPages());
}

/// Checks the promise of a wait.
static LogicalResult verifyPending(Operation *op, int64_t pending) {
  if (pending < 0)
    return op->emitOpError("needs 'pending' of at least 0, but got ")
           << pending;
  return success();
}

LogicalResult GetOp::verify() { return verifyPending(*this, getPending()); }

LogicalResult GetOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  auto ring = dyn_cast<RingType>(adaptor.getRing().getType());
  if (!ring)
    return failure();
  types.push_back(ring.getTile());
  return success();
}

void MakeRingOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Allocate::get(),
                       getOperation()->getOpResult(0), SharedResource::get());
}

void PutOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getRingMutable(),
                       SharedResource::get());
}

void GetOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getRingMutable(),
                       SharedResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getRingMutable(),
                       SharedResource::get());
}

void ReleaseOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getRingMutable(),
                       SharedResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getRingMutable(),
                       SharedResource::get());
}

//===----------------------------------------------------------------------===//
// Asynchronous products, roles
//===----------------------------------------------------------------------===//

LogicalResult MmaAsyncOp::verify() {
  RankedTensorType tile = getResult().getType().getTile();
  if (Value acc = getAcc()) {
    auto async = dyn_cast<AsyncType>(acc.getType());
    if (Type type = async ? async.getTile() : acc.getType(); type != tile)
      return emitOpError("has an accumulator of type ")
             << acc.getType() << ", but a result of " << tile;
  }
  if (failed(verifyProduct(*this, getA(), getB(), tile, getTransposeA(),
                           getTransposeB())))
    return failure();
  Type type = getB().getType().getElementType();
  if (type.isF32())
    return emitOpError("needs factors of type f16 or bf16, but got ") << type;
  auto layout = dyn_cast_or_null<MmaLayoutAttr>(getLayout(tile));
  if (!layout || layout.getWarps() % 4)
    return emitOpError("needs a result in #tile.mma with a multiple of 4 "
                       "warps, but got ")
           << tile;
  return success();
}

LogicalResult WaitOp::verify() {
  if (getOperands().empty())
    return emitOpError("needs an unfinished tile to wait for");
  return verifyPending(*this, getPending());
}

LogicalResult RolesOp::verify() {
  ArrayRef<int64_t> warps = getWarps(), registers = getRegisters();
  if (warps.size() != getRoles().size() || registers.size() != warps.size() ||
      warps.empty())
    return emitOpError("needs 'warps' and 'registers' for each of its ")
           << getRoles().size() << " roles, but got " << warps.size() << " and "
           << registers.size();
  int64_t numWarps = 0, numRegisters = 0;
  bool isSplit = llvm::any_of(registers, [](int64_t n) { return n != 0; });
  for (auto [i, count] : llvm::enumerate(warps)) {
    if (count < 1)
      return emitOpError("needs at least one warp in role ")
             << i << ", but got " << count;
    if (isSplit && count % 4)
      return emitOpError("gives out registers, so role ")
             << i << " needs a multiple of 4 warps, but has " << count;
    int64_t budget = registers[i];
    if (budget && (budget < 24 || budget > 256 || budget % 8))
      return emitOpError("needs a multiple of 8 from 24 to 256, or 0, as the "
                         "registers of role ")
             << i << ", but got " << budget;
    numWarps += count;
    numRegisters += count * kThreadsPerWarp * budget;
  }
  if (numWarps > kMaxWarps)
    return emitOpError("has at most ")
           << kMaxWarps << " warps in all, but got " << numWarps;
  if (numRegisters > kMaxRegisters)
    return emitOpError("gives out ")
           << numRegisters << " registers, but a block has " << kMaxRegisters;
  Operation *parent = (*this)->getParentOp();
  if (isa_and_nonnull<ForEachBlockOp>(parent))
    parent = parent->getParentOp();
  auto kernel = dyn_cast_or_null<KernelOp>(parent);
  if (!kernel)
    return emitOpError("must be at the top level of a tile.kernel or of its "
                       "tile.for_each_block");
  if (warps.back() != int64_t(kernel.getWarps()))
    return emitOpError("computes in its last role with ")
           << warps.back() << " warps, but the kernel has "
           << kernel.getWarps();
  return success();
}

/// Whether each thread makes the tile by itself, without a number of its own.
static bool isUniform(Value tile) {
  Operation *def = tile.getDefiningOp();
  return def &&
         (def->hasTrait<OpTrait::ConstantLike>() || isa<tensor::SplatOp>(def));
}

LogicalResult RolesOp::verifyRegions() {
  for (auto [i, role] : llvm::enumerate(getRoles())) {
    if (cast<YieldOp>(role.front().getTerminator()).getNumOperands())
      return emitOpError("has no results, but role ") << i << " yields some";
    Operation *user = nullptr;
    Type type;
    role.walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (!role.isAncestor(operand.getParentRegion()) &&
            isa<RankedTensorType, SharedType, AsyncType>(operand.getType()) &&
            !isUniform(operand)) {
          // Tiles of shared memory that are not a ring's stage are for all.
          if (operand.getDefiningOp<AllocOp>())
            continue;
          user = op;
          type = operand.getType();
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    if (user)
      return user->emitOpError("in role ")
             << i << " uses a value of type " << type
             << " from outside of it: roles talk through rings only";
  }
  return success();
}

LogicalResult ReadyOp::verify() {
  Type element = getSource().getType().getElementType();
  if (!element.isIntOrFloat() || (element.getIntOrFloatBitWidth() != 16 &&
                                  element.getIntOrFloatBitWidth() != 32))
    return emitOpError("needs elements of 16 or 32 bits, but got ") << element;
  return success();
}

void BeginTurnOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), SharedResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), SharedResource::get());
}

void EndTurnOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), SharedResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), SharedResource::get());
}

/// The next operation of a turn in the block of `op`, in a direction.
template <typename Step>
static Operation *findTurn(Operation *op, Step step) {
  for (op = step(op); op; op = step(op))
    if (isa<BeginTurnOp, EndTurnOp>(op))
      return op;
  return nullptr;
}

LogicalResult BeginTurnOp::verify() {
  if (!isa_and_nonnull<EndTurnOp>(
          findTurn(*this, [](Operation *op) { return op->getNextNode(); })))
    return emitOpError("needs 'tile.end_turn' behind it in its block");
  auto roles = (*this)->getParentOfType<RolesOp>();
  if (!roles || !roles.getRoles().back().isAncestor((*this)->getParentRegion()))
    return emitOpError("must be in the last role of 'tile.roles', whose groups "
                       "of warps take turns");
  int64_t warps = roles.getWarps().back();
  if (warps % kWarpsPerGroup || warps == kWarpsPerGroup)
    return emitOpError("needs two or more groups of ")
           << kWarpsPerGroup << " warps, but the role has " << warps
           << " warps";
  for (Operation *op = (*this)->getParentOp(); op != roles;
       op = op->getParentOp())
    if (isa<UpdateWhereOp>(op))
      return emitOpError("cannot be in 'tile.update_where', where some warps "
                         "do not come");
  return success();
}

LogicalResult EndTurnOp::verify() {
  if (!isa_and_nonnull<BeginTurnOp>(
          findTurn(*this, [](Operation *op) { return op->getPrevNode(); })))
    return emitOpError("needs 'tile.begin_turn' in front of it in its block");
  return success();
}

bool seqc::tile::isForOneThread(Region &role) {
  WalkResult result = role.walk([](Operation *op) {
    bool isKnown = isa<PutOp, YieldOp, memref::LoadOp>(op) ||
                   isMemoryEffectFree(op) ||
                   op->hasTrait<OpTrait::HasRecursiveMemoryEffects>();
    for (Type type : op->getResultTypes())
      isKnown &= type.isIntOrIndexOrFloat();
    return isKnown ? WalkResult::advance() : WalkResult::interrupt();
  });
  return !result.wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Blocks of the grid
//===----------------------------------------------------------------------===//

YieldOp ForEachBlockOp::getYield() {
  return cast<YieldOp>(getBody().front().getTerminator());
}

ParseResult ForEachBlockOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  Type index = parser.getBuilder().getIndexType();
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren))
    return failure();
  if (arguments.size() != 3)
    return parser.emitError(where, "expected 3 indices of a block, but got ")
           << arguments.size();
  if (succeeded(parser.parseOptionalKeyword("numbers")) &&
      parser.parseAssignmentList(arguments, inits))
    return failure();
  for (OpAsmParser::Argument &argument : arguments)
    argument.type = index;
  if (parser.resolveOperands(inits, index, result.operands) ||
      parser.parseRegion(*result.addRegion(), arguments) ||
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  ensureTerminator(*result.regions[0], parser.getBuilder(), result.location);
  return success();
}

void ForEachBlockOp::print(OpAsmPrinter &p) {
  p << " (";
  llvm::interleaveComma(getBody().getArguments().take_front(3), p);
  p << ") ";
  if (!getInits().empty()) {
    p << "numbers (";
    llvm::interleaveComma(
        llvm::zip_equal(getNumbers(), getInits()), p, [&](auto pair) {
          p << std::get<0>(pair) << " = " << std::get<1>(pair);
        });
    p << ") ";
  }
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false,
                /*printBlockTerminators=*/!getInits().empty());
  p.printOptionalAttrDict((*this)->getAttrs());
}

LogicalResult ForEachBlockOp::verify() {
  if (getSection() && *getSection() < 1)
    return emitOpError("needs a 'section' of at least 1 point, but got ")
           << *getSection();
  if (!isa_and_nonnull<KernelOp>((*this)->getParentOp()))
    return emitOpError("must be at the top level of a tile.kernel");
  for (Operation &other : *(*this)->getBlock())
    if (&other != getOperation() && isa<ForEachBlockOp, RolesOp>(other))
      return emitOpError("must have all roles inside and be the only one in "
                         "its kernel, but there is ")
             << other.getName();
  return success();
}

LogicalResult ForEachBlockOp::verifyRegions() {
  auto isIndex = [](Type type) { return type.isIndex(); };
  Block &block = getBody().front();
  if (block.getNumArguments() != 3 + getInits().size() ||
      !llvm::all_of(block.getArgumentTypes(), isIndex))
    return emitOpError("needs ")
           << 3 + getInits().size()
           << " arguments of index, three for the block and one for each "
              "number, but has ("
           << block.getArgumentTypes() << ")";
  YieldOp yield = getYield();
  if (yield.getNumOperands() != getInits().size() ||
      !llvm::all_of(yield.getOperandTypes(), isIndex))
    return yield.emitOpError("yields (")
           << yield.getOperandTypes() << "), but the loop has "
           << getInits().size() << " numbers of index";
  return success();
}

//===----------------------------------------------------------------------===//
// Conditional recomputation
//===----------------------------------------------------------------------===//

LogicalResult UpdateWhereOp::verify() {
  int64_t warps = getWarps();
  RankedTensorType condition = getCondition().getType();
  if (warps < 1 || warps > kMaxWarps)
    return emitOpError("has 1 to ") << kMaxWarps << " warps, but got " << warps;
  if (!condition.getElementType().isInteger(1))
    return emitOpError("needs a condition of i1, but got ") << condition;
  if (getValues().empty())
    return emitOpError("needs a value to recompute");
  int64_t rows = 0;
  for (Value value : getOperands()) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getRank() < 1 || type.getRank() > 2 ||
        type.getDimSize(0) % (16 * warps))
      return emitOpError("needs tiles of one or two dimensions with a multiple "
                         "of ")
             << 16 * warps << " rows, but got " << type;
    if (!rows)
      rows = type.getDimSize(0);
    if (type.getDimSize(0) != rows)
      return emitOpError("needs tiles of as many rows, ")
             << rows << ", as the condition, but got " << type;
    Attribute layout = getLayout(type), mma = layout;
    if (auto slice = dyn_cast_or_null<SliceLayoutAttr>(layout))
      if (slice.getDim() == 1)
        mma = slice.getParent();
    if (layout && mma != MmaLayoutAttr::get(getContext(), warps))
      return emitOpError("needs tiles in #tile.mma<warps = ")
             << warps << "> or its rows, but got " << type;
    if (!layout != !getLayout(condition))
      return emitOpError("needs all tiles with a layout or all without, but "
                         "got ")
             << condition << " and " << type;
  }
  return success();
}

LogicalResult UpdateWhereOp::verifyRegions() {
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (yield.getOperandTypes() != getResultTypes())
    return yield.emitOpError("yields (")
           << yield.getOperandTypes() << "), but the results are ("
           << getResultTypes() << ")";
  for (Operation &op : getBody().front().without_terminator()) {
    if (!isPure(&op) || op.getNumRegions())
      return op.emitOpError("cannot be in tile.update_where: it must have no "
                            "effects and no regions");
    bool acrossRows = isa<AnyOp>(op);
    if (auto reduce = dyn_cast<ReduceOp>(op))
      acrossRows = reduce.getDim() != 1;
    if (acrossRows)
      return op.emitOpError("cannot be in tile.update_where: it combines rows");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Effects of products
//===----------------------------------------------------------------------===//

void MmaAsyncOp::getEffects(Effects &effects) {
  addOperandRead(effects, getAMutable());
  addOperandRead(effects, getBMutable());
  effects.emplace_back(MemoryEffects::Write::get(), MmaResource::get());
}

LogicalResult WaitOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  for (Type type : adaptor.getOperands().getTypes()) {
    auto async = dyn_cast<AsyncType>(type);
    if (!async)
      return failure();
    types.push_back(async.getTile());
  }
  return success();
}

void WaitOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), MmaResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), MmaResource::get());
}
