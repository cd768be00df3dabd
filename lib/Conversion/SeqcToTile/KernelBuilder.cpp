//===- KernelBuilder.cpp - From the body of a forall to a kernel ----------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace seqc;
using namespace seqc::totile;

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

/// The view of a tensor of any strides, or of innermost stride 1; a whole one
/// has no gaps.
static MemRefType getViewType(RankedTensorType type, bool dense,
                              bool whole = false) {
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  if (dense && !strides.empty())
    strides.back() = 1;
  for (int64_t i = type.getRank() - 2; whole && i >= 0; --i) {
    if (type.isDynamicDim(i + 1))
      break;
    strides[i] = strides[i + 1] * type.getDimSize(i + 1);
  }
  auto layout =
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides);
  return MemRefType::get(type.getShape(), type.getElementType(), layout);
}

static bool isScalarType(Type type) { return type.isIntOrIndexOrFloat(); }

/// Whether the scalar is better computed by each block than by the host, whose
/// plan has no floating point and reads no tensors.
static bool isComputedInKernel(Operation *op) {
  if (op->getNumRegions() != 0 || op->getNumResults() != 1)
    return false;
  if (isa<tensor::ExtractOp>(op))
    return true;
  auto hasFloat = [](TypeRange types) {
    return llvm::any_of(types, [](Type t) { return isa<FloatType>(t); });
  };
  return isPure(op) &&
         (hasFloat(op->getResultTypes()) || hasFloat(op->getOperandTypes())) &&
         llvm::all_of(op->getOperandTypes(), isScalarType);
}

/// The outputs that blocks add to: no tensor of the caller's.
static llvm::SmallDenseSet<Value> getAdded(scf::ForallOp forall) {
  llvm::SmallDenseSet<Value> added;
  for (Operation &yielded : forall.getTerminator().getYieldingOps())
    if (auto add = dyn_cast<ParallelAddOp>(yielded))
      added.insert(add.getDest());
  return added;
}

KernelBuilder::KernelBuilder(scf::ForallOp forall, StringRef name,
                             function_ref<bool(Value)> isDense)
    : b(forall.getLoc(), forall.getContext()), forall(forall) {
  b.setInsertionPoint(forall->getParentOfType<FunctionOpInterface>());
  kernel = tile::KernelOp::create(
      b, b.getStringAttr(name), TypeAttr::get(b.getFunctionType({}, {})),
      /*sym_visibility=*/nullptr,
      /*arg_attrs=*/nullptr, /*res_attrs=*/nullptr, b.getI64IntegerAttr(4));
  Block &body = kernel.getBody().emplaceBlock();
  b.setInsertionPointToStart(&body);

  // Where a packed sequence starts is any place: its rows are not aligned.
  llvm::SmallDenseSet<Value> windowed;
  forall.walk([&](tensor::ExtractSliceOp slice) {
    if (isWindow(slice))
      windowed.insert(slice.getSource());
  });
  llvm::SetVector<Value> captures;
  getUsedValuesDefinedAbove(forall.getRegion(), captures);
  for (OpFoldResult bound : llvm::concat<OpFoldResult>(
           forall.getMixedLowerBound(), forall.getMixedUpperBound(),
           forall.getMixedStep()))
    if (auto value = dyn_cast<Value>(bound))
      captures.insert(value);

  // Tensors that scalars are extracted from are captured with them.
  for (unsigned i = 0; i < captures.size(); ++i)
    if (Operation *op = captures[i].getDefiningOp())
      if (isScalarType(captures[i].getType()) && isComputedInKernel(op))
        captures.insert(op->operand_begin(), op->operand_end());

  for (Value capture : captures) {
    auto type = dyn_cast<RankedTensorType>(capture.getType());
    if (!type)
      continue;
    // CSE may have found the tile's initial state outside.
    TypedAttr value;
    if (auto fill = capture.getDefiningOp<linalg::FillOp>();
        fill && matchPattern(fill.getInputs()[0], m_Constant(&value))) {
      fills[capture] = scalarConstant(value);
      continue;
    }
    if (capture.getDefiningOp<tensor::EmptyOp>()) {
      undefined.insert(capture);
      continue;
    }
    Value source = capture;
    if (auto paged = capture.getDefiningOp<PagedOp>()) {
      source = paged.getPages();
      type = paged.getPages().getType();
      // One view for keys and values, so that a page is looked up once.
      Value table = paged.getTable();
      Value &tableView = tableViews[table];
      if (!tableView) {
        auto tableType = cast<RankedTensorType>(table.getType());
        tableView = body.addArgument(getViewType(tableType, /*dense=*/false),
                                     capture.getLoc());
        operands.push_back(table);
      }
      tables[capture] = tableView;
    }
    int64_t group, queries;
    if (Value whole = getMirroredSource(capture)) {
      bool dense = isDense(whole) && !windowed.contains(capture);
      Value view = body.addArgument(getViewType(type, dense), capture.getLoc());
      operands.push_back(whole);
      views[capture] = createMirroredView(view);
      continue;
    }
    if (Value whole = getPackedSource(capture, group, queries)) {
      source = whole;
      type = cast<RankedTensorType>(whole.getType());
      packs[capture] = {group, queries};
    }
    bool dense = isDense(capture) && !windowed.contains(capture);
    views[capture] =
        body.addArgument(getViewType(type, dense), capture.getLoc());
    operands.push_back(source);
  }
  SmallVector<std::pair<Value, Value>> mirrored;
  // Scalars before outputs; what can be told from something else is.
  for (Value capture : captures)
    if (isScalarType(capture.getType()) && !rematerialize(capture)) {
      scalars.map(capture,
                  body.addArgument(capture.getType(), capture.getLoc()));
      operands.push_back(capture);
    }
  llvm::SmallDenseSet<Value> added = getAdded(forall);
  for (auto [arg, init] :
       llvm::zip(forall.getRegionIterArgs(), forall.getOutputs())) {
    auto type = cast<RankedTensorType>(init.getType());
    Value view =
        body.addArgument(getViewType(type, /*dense=*/!windowed.contains(arg),
                                     /*whole=*/added.contains(arg)),
                         arg.getLoc());
    if (getMirroredUse(forall.getTiedOpResult(
            forall.getTiedOpOperand(cast<BlockArgument>(arg)))))
      mirrored.push_back({arg, view});
    else
      views[arg] = view;
  }
  for (int i = 0; i < 3; ++i)
    body.addArgument(b.getIndexType(), forall.getLoc());
  for (auto [value, view] : mirrored)
    views[value] = createMirroredView(view);
}

/// Whether `size` is known to be that of dimension `dim` of `v`.
static bool isSizeOf(OpFoldResult size, Value v, int64_t dim) {
  while (true) {
    auto type = cast<RankedTensorType>(v.getType());
    if (!type.isDynamicDim(dim))
      return isConstantIntValue(size, type.getDimSize(dim));
    auto value = dyn_cast<Value>(size);
    auto asked = value ? value.getDefiningOp<tensor::DimOp>() : tensor::DimOp();
    if (asked && asked.getSource() == v && asked.getConstantIndex() == dim)
      return true;
    auto result = dyn_cast<OpResult>(v);
    if (!result)
      return false;
    Operation *op = result.getOwner();
    if (auto empty = dyn_cast<tensor::EmptyOp>(op))
      return isEqualConstantIntOrValue(empty.getMixedSizes()[dim], size);
    if (auto loop = dyn_cast<scf::ForallOp>(op))
      v = loop.getTiedOpOperand(result)->get();
    else if (auto dps = dyn_cast<DestinationStyleOpInterface>(op))
      v = dps.getTiedOpOperand(result)->get();
    else if (auto launch = dyn_cast<tile::LaunchOp>(op))
      v = launch.getOutputs()[result.getResultNumber()];
    else if (isa<tensor::CastOp>(op))
      v = op->getOperand(0);
    else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      v = insert.getDest();
    else
      return false;
  }
}

/// Whether `slice` is all of `whole`, the last dimension from the last element
/// to the first.
static bool isMirror(OffsetSizeAndStrideOpInterface slice, Value whole) {
  SmallVector<OpFoldResult> offsets = slice.getMixedOffsets(),
                            sizes = slice.getMixedSizes(),
                            strides = slice.getMixedStrides();
  if (strides.empty() || !isConstantIntValue(strides.back(), -1) ||
      !llvm::all_of(ArrayRef(strides).drop_back(), isOneInteger) ||
      !llvm::all_of(ArrayRef(offsets).drop_back(), isZeroInteger))
    return false;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (!isSizeOf(size, whole, dim))
      return false;
  // The offset is one less than the size.
  AffineExpr d0, d1;
  bindDims(slice->getContext(), d0, d1);
  auto map = AffineMap::get(2, 0, d0 - d1);
  OpBuilder b(slice);
  SmallVector<Value> operands = {
      getValueOrCreateConstantIndexOp(b, slice.getLoc(), offsets.back()),
      getValueOrCreateConstantIndexOp(b, slice.getLoc(), sizes.back())};
  affine::fullyComposeAffineMapAndOperands(&map, &operands);
  affine::canonicalizeMapAndOperands(&map, &operands);
  auto difference = dyn_cast<AffineConstantExpr>(map.getResult(0));
  return difference && difference.getValue() == -1;
}

Value totile::getMirroredSource(Value v) {
  auto slice = v.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice.getDroppedDims().any() ||
      !isMirror(slice, slice.getSource()))
    return {};
  return slice.getSource();
}

tensor::InsertSliceOp totile::getMirroredUse(Value result) {
  tensor::InsertSliceOp found;
  SmallVector<Value> values = {result};
  for (unsigned i = 0; i < values.size(); ++i)
    for (Operation *user : values[i].getUsers()) {
      if (isa<tensor::DimOp>(user))
        continue;
      if (auto cast = dyn_cast<tensor::CastOp>(user)) {
        values.push_back(cast);
        continue;
      }
      auto insert = dyn_cast<tensor::InsertSliceOp>(user);
      if (!insert || found || insert.getSource() != values[i] ||
          !insert.getDest().getDefiningOp<tensor::EmptyOp>() ||
          !isMirror(insert, insert.getDest()))
        return nullptr;
      found = insert;
    }
  return found;
}

/// Whether `slice` is the steps of one of the sequences that the grid is over,
/// in a tensor that has those of all.
bool KernelBuilder::isWindow(tensor::ExtractSliceOp slice) {
  Value whole = slice.getSource();
  bool isWhole =
      whole.getParentRegion()->isProperAncestor(&forall.getRegion()) ||
      llvm::is_contained(forall.getRegionIterArgs(), whole);
  return forall->hasAttr("seqc.sequences") && isWhole &&
         slice.getSourceType().getRank() > 2 && slice.getDroppedDims().none() &&
         isa<Value>(slice.getMixedSizes().back());
}

/// The view that has the elements [first, first + size) of the last dimension
/// of `view`: what a tile reads before and behind them is 0, and it writes
/// nothing there.
Value KernelBuilder::createWindow(Value view, Value first, Value size) {
  auto type = cast<MemRefType>(view.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
      strides(type.getRank(), b.getIndexAttr(1)), sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(
        type.isDynamicDim(i)
            ? OpFoldResult(memref::DimOp::create(b, view, index(i)).getResult())
            : b.getIndexAttr(type.getDimSize(i)));
  offsets.back() = first;
  sizes.back() = size;
  return memref::SubViewOp::create(b, view, offsets, sizes, strides);
}

/// The elements of `view` with those of the last dimension in reverse order.
Value KernelBuilder::createMirroredView(Value view) {
  auto type = cast<MemRefType>(view.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
      strides(type.getRank(), b.getIndexAttr(1)), sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(
        type.isDynamicDim(i)
            ? OpFoldResult(memref::DimOp::create(b, view, index(i)).getResult())
            : b.getIndexAttr(type.getDimSize(i)));
  Value size = getValueOrCreateConstantIndexOp(b, b.getLoc(), sizes.back());
  offsets.back() = arith::SubIOp::create(b, size, index(1)).getResult();
  strides.back() = b.getIndexAttr(-1);
  return memref::SubViewOp::create(b, view, offsets, sizes, strides);
}

Value totile::getPackedSource(Value v, int64_t &group, int64_t &queries) {
  auto collapse = v.getDefiningOp<tensor::CollapseShapeOp>();
  auto expand = collapse
                    ? collapse.getSrc().getDefiningOp<tensor::ExpandShapeOp>()
                    : tensor::ExpandShapeOp();
  if (!expand || expand.getSrcType().getRank() != 4)
    return {};
  using Indices = SmallVector<ReassociationIndices>;
  ArrayRef<int64_t> shape = expand.getResultType().getShape();
  if (expand.getReassociationIndices() != Indices({{0}, {1, 2}, {3}, {4}}) ||
      collapse.getReassociationIndices() != Indices({{0}, {1}, {2, 3}, {4}}) ||
      ShapedType::isDynamic(shape[2]) || ShapedType::isDynamic(shape[3]))
    return {};
  group = shape[2];
  queries = shape[3];
  return expand.getSrc();
}

/// `v` at the head of the kernel, where it follows from what the kernel has.
Value KernelBuilder::rematerialize(Value v) {
  if (isScalar(v))
    return scalar(v);
  TypedAttr attr;
  if (matchPattern(v, m_Constant(&attr)))
    return scalars.map(v, scalarConstant(attr)), scalar(v);
  Operation *op = v.getDefiningOp();
  if (!op)
    return {};
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    Value view = getView(dim.getSource());
    auto number = dim.getConstantIndex();
    if (!view || !number || packs.contains(dim.getSource()) ||
        tables.contains(dim.getSource()))
      return {};
    scalars.map(v, memref::DimOp::create(b, view, index(*number)));
    return scalar(v);
  }
  if (!isComputedInKernel(op))
    return {};
  // The operands, which are captured too, may become arguments.
  for (Value operand : op->getOperands())
    if (isScalarType(operand.getType()) && !rematerialize(operand)) {
      scalars.map(operand, kernel.getBody().addArgument(operand.getType(),
                                                        op->getLoc()));
      operands.push_back(operand);
    }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    SmallVector<Value> indices = llvm::map_to_vector(
        extract.getIndices(), [&](Value i) { return scalar(i); });
    scalars.map(v, loadScalar(getView(extract.getTensor()), indices));
    return scalar(v);
  }
  b.clone(*op, scalars);
  return scalar(v);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value KernelBuilder::scalarConstant(TypedAttr value) {
  Value &known = constants[value];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  Block &body = kernel.getBody().front();
  if (lastConstant)
    b.setInsertionPointAfter(lastConstant);
  else
    b.setInsertionPointToStart(&body);
  lastConstant = arith::ConstantOp::create(b, value);
  known = lastConstant->getResult(0);
  return known;
}

Value KernelBuilder::index(int64_t value) {
  return scalarConstant(b.getIndexAttr(value));
}

Value KernelBuilder::constant(ArrayRef<int64_t> shape, TypedAttr value) {
  auto type = RankedTensorType::get(shape, value.getType());
  return scalarConstant(DenseElementsAttr::get(type, Attribute(value)));
}

Value KernelBuilder::constant(ArrayRef<int64_t> shape, double value,
                              Type type) {
  return constant(shape, b.getFloatAttr(type ? type : b.getF32Type(), value));
}

Value KernelBuilder::scalar(OpFoldResult fold) {
  if (auto value = dyn_cast<Value>(fold))
    return scalar(value);
  return index(cast<IntegerAttr>(cast<Attribute>(fold)).getInt());
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

Value KernelBuilder::splat(Value scalar, ArrayRef<int64_t> shape) {
  TypedAttr attr;
  if (matchPattern(scalar, m_Constant(&attr)))
    return constant(shape, attr);
  return tensor::SplatOp::create(
      b, scalar, RankedTensorType::get(shape, scalar.getType()));
}

Value KernelBuilder::positions(Value first, int64_t size, Type type) {
  auto tile = RankedTensorType::get({size}, type);
  Value iota = tile::IotaOp::create(b, tile, 0);
  if (matchPattern(first, m_Zero()))
    return iota;
  Value base = arith::IndexCastOp::create(b, type, first);
  return arith::AddIOp::create(b, iota, splat(base, {size}));
}

Value KernelBuilder::broadcast(Value tile, int64_t dim, int64_t size) {
  auto type = cast<RankedTensorType>(tile.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin() + dim, size);
  // A constant stays one.
  SplatElementsAttr attr;
  if (matchPattern(tile, m_Constant(&attr)))
    return constant(shape, attr.getSplatValue<TypedAttr>());
  auto result = RankedTensorType::get(shape, type.getElementType());
  return tile::BroadcastOp::create(b, result, tile, dim);
}

Value KernelBuilder::reduce(tile::ReduceKind kind, Value tile, int64_t dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.erase(shape.begin() + dim);
  auto result = RankedTensorType::get(shape, type.getElementType());
  return tile::ReduceOp::create(b, result, kind, tile, dim);
}

static Type withElement(Type type, Type element) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return tensor.clone(element);
  return element;
}

Value KernelBuilder::extend(Value v) {
  Type f32 = b.getF32Type();
  if (getElementTypeOrSelf(v.getType()) == f32)
    return v;
  return arith::ExtFOp::create(b, withElement(v.getType(), f32), v);
}

Value KernelBuilder::truncate(Value v, Type element) {
  if (getElementTypeOrSelf(v.getType()) == element)
    return v;
  return arith::TruncFOp::create(b, withElement(v.getType(), element), v);
}

Value KernelBuilder::loadScalar(Value view, ValueRange indices) {
  return memref::LoadOp::create(b, view, indices);
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

std::optional<Slice> KernelBuilder::getSlice(Value v) {
  auto known = slices.find(v);
  if (known != slices.end())
    return known->second;
  Value view = getView(v);
  if (!view)
    return std::nullopt;
  auto type = cast<MemRefType>(view.getType());
  Slice whole;
  whole.view = view;
  whole.offsets.assign(type.getRank(), index(0));
  whole.shape = llvm::to_vector(type.getShape());
  if (auto pack = packs.find(v); pack != packs.end()) {
    std::tie(whole.group, whole.queries) = pack->second;
    whole.shape =
        llvm::to_vector(cast<RankedTensorType>(v.getType()).getShape());
  }
  if (Value table = tables.lookup(v)) {
    whole.table = table;
    whole.pageSize = type.getDimSize(2);
    whole.shape =
        llvm::to_vector(cast<RankedTensorType>(v.getType()).getShape());
  }
  whole.block = &kernel.getBody().front();
  whole.after = lastConstant;
  return whole;
}

Value KernelBuilder::getTile(Value v, ArrayRef<int64_t> shape,
                             ArrayRef<int64_t> dims, bool cutRows) {
  auto element = cast<RankedTensorType>(v.getType()).getElementType();
  auto type = RankedTensorType::get(shape, element);
  if (Value tile = getTile(v))
    return tile.getType() == type ? tile : Value();
  if (Value fill = getFill(v))
    return splat(fill, shape);
  auto slice = getSlice(v);
  if (!slice)
    return {};
  DenseI64ArrayAttr dimsAttr;
  int64_t rank = cast<MemRefType>(slice->view.getType()).getRank();
  auto last = llvm::to_vector(llvm::seq<int64_t>(rank - type.getRank(), rank));
  if (!dims.empty() && dims != ArrayRef<int64_t>(last))
    dimsAttr = b.getDenseI64ArrayAttr(dims);
  Attribute key =
      b.getArrayAttr({TypeAttr::get(type), b.getDenseI64ArrayAttr(dims)});
  Value &load = loads[{v, key}];
  if (load)
    return load;
  OpBuilder::InsertionGuard guard(b);
  void *place = slice->after ? static_cast<void *>(slice->after)
                             : static_cast<void *>(slice->block);
  Operation *&previous = lastLoad[place];
  if (previous)
    b.setInsertionPointAfter(previous);
  else if (slice->after)
    b.setInsertionPointAfter(slice->after);
  else
    b.setInsertionPointToStart(slice->block);
  if (slice->group)
    load = loadPacked(*slice, type);
  else if (slice->table)
    load = loadPages(*slice, type);
  else if (cutRows && slice->rows)
    load = tile::LoadOp::create(b, type, slice->view, slice->offsets,
                                /*pages=*/ValueRange(), slice->rows, dimsAttr,
                                /*inside=*/DenseI64ArrayAttr());
  else
    load = tile::LoadOp::create(b, type, slice->view, slice->offsets, dimsAttr);
  previous = load.getDefiningOp();
  return load;
}

/// Rows of packed heads, as the left operand of a product that has its zeros on
/// the right: what stands in rows and columns that are none does not matter. A
/// tile of one query each is a box along the heads; else every element is found
/// by itself, once for a block.
Value KernelBuilder::loadPacked(const Slice &slice, RankedTensorType type) {
  Value head = arith::MulIOp::create(b, slice.offsets[1], index(slice.group));
  if (slice.queries == 1) {
    head = arith::AddIOp::create(b, head, slice.offsets[2]);
    SmallVector<Value> offsets = {slice.offsets[0], head, index(0),
                                  slice.offsets[3]};
    return tile::LoadOp::create(b, type, slice.view, offsets,
                                b.getDenseI64ArrayAttr({1, 3}));
  }
  // It stays in registers, which wgmma would run out of.
  kernel->setAttr("tile.sync_products", b.getUnitAttr());
  Type i32 = b.getI32Type();
  SmallVector<int64_t> shape(type.getShape());
  auto splatIndex = [&](Value v) {
    return splat(arith::IndexCastOp::create(b, i32, v), shape);
  };
  Value row = positions(slice.offsets[2], shape[0], i32);
  Value size = constant({shape[0]}, b.getI32IntegerAttr(slice.queries));
  Value query = arith::RemUIOp::create(b, row, size);
  Value first = splat(arith::IndexCastOp::create(b, i32, head), {shape[0]});
  Value heads =
      arith::AddIOp::create(b, first, arith::DivUIOp::create(b, row, size));
  SmallVector<Value> indices = {
      splatIndex(slice.offsets[0]), broadcast(heads, 1, shape[1]),
      broadcast(query, 1, shape[1]),
      broadcast(positions(slice.offsets[3], shape[1], i32), 0, shape[0])};
  return tile::GatherOp::create(b, type, slice.view, indices);
}

/// Rows in pages. A tile begins where a page does, or a part of a page as large
/// as the tile, since both sizes are powers of two: it has one page or several
/// whole ones.
Value KernelBuilder::loadPages(const Slice &slice, RankedTensorType type) {
  Value table = slice.table, batch = slice.offsets[0], row = slice.offsets[2];
  Value size = index(slice.pageSize);
  Value last = arith::SubIOp::create(
      b, memref::DimOp::create(b, table, index(1)), index(1));
  // What stands behind the last row of the sequence is not read: any page will
  // do. A number that is no page lies outside of the view.
  auto lookUp = [&](int64_t number) -> Value {
    Value at = arith::DivUIOp::create(b, row, size);
    if (number)
      at = arith::AddIOp::create(b, at, index(number));
    at = arith::MinSIOp::create(b, at, last);
    Value page = loadScalar(table, {batch, at});
    return arith::IndexCastOp::create(b, b.getIndexType(), page);
  };
  SmallVector<Value> offsets(slice.offsets), pages;
  offsets[0] = lookUp(0);
  for (int64_t i = 1; i < type.getDimSize(0) / slice.pageSize; ++i)
    pages.push_back(lookUp(i));
  offsets[2] =
      pages.empty() ? Value(arith::RemUIOp::create(b, row, size)) : index(0);
  return tile::LoadOp::create(b, type, slice.view, offsets, pages, slice.rows,
                              /*dims=*/DenseI64ArrayAttr(),
                              /*inside=*/DenseI64ArrayAttr());
}

//===----------------------------------------------------------------------===//
// The operations of the body
//===----------------------------------------------------------------------===//

/// How many blocks there are along dimension `dim` of the forall.
Value KernelBuilder::getCount(unsigned dim) {
  Value count =
      arith::SubIOp::create(b, scalar(forall.getMixedUpperBound()[dim]),
                            scalar(forall.getMixedLowerBound()[dim]));
  return arith::CeilDivUIOp::create(b, count,
                                    scalar(forall.getMixedStep()[dim]));
}

void KernelBuilder::bindGrid(bool longestFirst) {
  unsigned rank = forall.getRank();
  // From the last to the first, the dimensions that share z.
  SmallVector<Value> ids(rank);
  Value rest;
  for (unsigned d = rank; d-- > 0;) {
    unsigned x = rank - 1 - d;
    if (x < 2 || d == 0) {
      ids[d] = x <= 2 ? Value(kernel.getBlockId(x)) : rest;
      continue;
    }
    rest = x == 2 ? Value(kernel.getBlockId(2)) : rest;
    Value count = getCount(d);
    ids[d] = arith::RemUIOp::create(b, rest, count);
    rest = arith::DivUIOp::create(b, rest, count);
  }
  for (unsigned d = 0; d < rank; ++d) {
    unsigned x = rank - 1 - d;
    Value id = ids[d];
    Value lower = scalar(forall.getMixedLowerBound()[d]);
    Value step = scalar(forall.getMixedStep()[d]);
    bool unit = matchPattern(step, m_One());
    bool fromZero = matchPattern(lower, m_Zero());
    if (longestFirst && x == 0) {
      Value last = arith::SubIOp::create(
          b, scalar(forall.getMixedUpperBound()[d]), index(1));
      if (!fromZero)
        last = arith::SubIOp::create(b, last, lower);
      if (!unit)
        last = arith::DivUIOp::create(b, last, step);
      id = arith::SubIOp::create(b, last, id);
    }
    if (!unit)
      id = arith::MulIOp::create(b, id, step);
    if (!fromZero)
      id = arith::AddIOp::create(b, id, lower);
    setScalar(forall.getInductionVars()[d], id);
  }
}

LogicalResult KernelBuilder::convert(Operation *op) {
  b.setLoc(op->getLoc());
  auto unsupported = [&](const Twine &why) {
    return op->emitOpError("cannot become part of a kernel: ") << why;
  };
  auto alias = [&](Value v, Value source) {
    if (Value tile = getTile(source))
      setTile(v, tile);
    else if (Value fill = getFill(source))
      fills[v] = fill;
    else if (auto slice = getSlice(source))
      slices[v] = *slice;
    else
      return failure();
    return success();
  };
  if (isa<tensor::ExtractSliceOp, tensor::PadOp, tensor::CastOp>(op) &&
      undefined.contains(op->getOperand(0))) {
    undefined.insert(op->getResult(0));
    return success();
  }
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::ConstantOp constant) -> LogicalResult {
        if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
          fills[constant] = scalarConstant(splat.getSplatValue<TypedAttr>());
        else if (isScalarType(constant.getType()))
          setScalar(constant, scalarConstant(constant.getValue()));
        else
          return unsupported("only scalars and splats are constants there");
        return success();
      })
      .Case([&](tensor::EmptyOp empty) {
        undefined.insert(empty);
        return success();
      })
      .Case([&](linalg::FillOp fill) {
        fills[fill.getResult(0)] = scalar(fill.getInputs()[0]);
        return success();
      })
      .Case([&](tensor::CastOp cast) -> LogicalResult {
        if (failed(alias(cast, cast.getSource())))
          return unsupported("its source is not device memory or a tile");
        return success();
      })
      .Case([&](tensor::DimOp dim) -> LogicalResult {
        auto number = dim.getConstantIndex();
        if (!number)
          return unsupported("its dimension is not constant");
        auto type = cast<RankedTensorType>(dim.getSource().getType());
        if (!type.isDynamicDim(*number)) {
          setScalar(dim, index(type.getDimSize(*number)));
        } else if (Value view = getView(dim.getSource());
                   view && !tables.contains(dim.getSource())) {
          setScalar(dim, memref::DimOp::create(b, view, index(*number)));
        } else if (auto slice =
                       dim.getSource().getDefiningOp<tensor::ExtractSliceOp>();
                   slice && slice.getDroppedDims().none()) {
          setScalar(dim, scalar(slice.getMixedSizes()[*number]));
        } else {
          return unsupported("its source is not device memory");
        }
        return success();
      })
      .Case([&](tensor::ExtractOp extract) -> LogicalResult {
        auto slice = getSlice(extract.getTensor());
        if (!slice)
          return unsupported("its source is not device memory");
        SmallVector<Value> indices;
        for (auto [offset, i] :
             llvm::zip(slice->offsets, extract.getIndices())) {
          Value at = scalar(i);
          if (matchPattern(at, m_Zero()))
            at = offset;
          else if (!matchPattern(offset, m_Zero()))
            at = arith::AddIOp::create(b, offset, at);
          indices.push_back(at);
        }
        setScalar(extract, loadScalar(slice->view, indices));
        return success();
      })
      .Case([&](tensor::ExtractSliceOp extract) -> LogicalResult {
        // The part of a tile that is not padding is cut again by its store.
        if (Value tile = getTile(extract.getSource())) {
          if (!llvm::all_of(extract.getMixedOffsets(), isZeroInteger))
            return unsupported("it does not start where its tile does");
          setTile(extract, tile);
          return success();
        }
        auto source = getSlice(extract.getSource());
        if (!source)
          return unsupported("its source is not device memory");
        // Leading dimensions may be dropped: boxes keep them, of one element.
        int64_t dropped = extract.getDroppedDims().count();
        if (!extract.hasUnitStride() ||
            extract.getDroppedDims().find_last() >= int(dropped))
          return unsupported("it has strides, or drops dimensions that are not "
                             "the first ones");
        Slice slice = *source;
        size_t before = slice.offsets.size() - extract.getMixedOffsets().size();
        slice.shape.assign(before, 1);
        for (auto [offset, more] :
             llvm::zip(MutableArrayRef(slice.offsets).drop_front(before),
                       extract.getMixedOffsets())) {
          if (isZeroInteger(more))
            continue;
          Value by = scalar(more);
          offset = matchPattern(offset, m_Zero())
                       ? by
                       : arith::AddIOp::create(b, offset, by).getResult();
        }
        if (isWindow(extract)) {
          Value first = slice.offsets.back();
          slice.offsets.back() = index(0);
          slice.view = createWindow(slice.view, first,
                                    scalar(extract.getMixedSizes().back()));
        }
        for (OpFoldResult size : extract.getMixedSizes())
          slice.shape.push_back(
              getConstantIntValue(size).value_or(ShapedType::kDynamic));
        slice.rows = Value();
        if (size_t rank = extract.getMixedSizes().size(); rank >= 2)
          if (auto rows = dyn_cast<Value>(extract.getMixedSizes()[rank - 2]))
            slice.rows = scalar(rows);
        slice.block = b.getInsertionBlock();
        bool first = b.getInsertionPoint() == slice.block->begin();
        slice.after = first ? nullptr : &*std::prev(b.getInsertionPoint());
        slices[extract] = slice;
        return success();
      })
      .Case([&](tensor::PadOp pad) -> LogicalResult {
        auto source = getSlice(pad.getSource());
        Value value = pad.getConstantPaddingValue();
        if (!source || !value ||
            !llvm::all_of(pad.getMixedLowPad(), isZeroInteger) ||
            !(matchPattern(value, m_AnyZeroFloat()) ||
              matchPattern(value, m_Zero())))
          return unsupported("only device memory is padded, at its end with 0");
        Slice slice = *source;
        ArrayRef<int64_t> padded = pad.getType().getShape();
        slice.shape.assign(slice.offsets.size() - padded.size(), 1);
        llvm::append_range(slice.shape, padded);
        slices[pad] = slice;
        return success();
      })
      .Default([&](Operation *op) -> LogicalResult {
        bool isScalarOp = op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
                          llvm::all_of(op->getResultTypes(), isScalarType) &&
                          llvm::all_of(op->getOperands(),
                                       [&](Value v) { return isScalar(v); });
        if (!isScalarOp)
          return unsupported("kernels have no such operation");
        b.clone(*op, scalars);
        return success();
      });
}

/// Which dimensions of what it is inserted into `tile` has, if those are not
/// the last ones: the others have one element.
static DenseI64ArrayAttr getStoredDims(Value tile,
                                       tensor::ParallelInsertSliceOp insert) {
  int64_t rank = insert.getDestType().getRank(),
          tileRank = cast<RankedTensorType>(tile.getType()).getRank();
  SmallVector<int64_t> dims;
  for (auto [d, size] : llvm::enumerate(insert.getMixedSizes()))
    if (!isOneInteger(size))
      dims.push_back(d);
  if (dims.empty() || int64_t(dims.size()) != tileRank ||
      dims.front() == rank - tileRank)
    return nullptr;
  return DenseI64ArrayAttr::get(tile.getContext(), dims);
}

LogicalResult KernelBuilder::convertResults(scf::InParallelOp op) {
  for (Operation &yielded : op.getYieldingOps()) {
    if (isa<ParallelAddOp>(yielded))
      continue; // Its tiles are added where they are computed.
    auto insert = dyn_cast<tensor::ParallelInsertSliceOp>(yielded);
    Value tile = insert ? getTile(insert.getSource()) : Value();
    Value view = insert ? getView(insert.getDest()) : Value();
    if (!tile || !view || !insert.hasUnitStride())
      return yielded.emitOpError(
          "cannot become part of a kernel: it does not insert a tile into an "
          "output of the loop");
    b.setLoc(yielded.getLoc());
    SmallVector<Value> offsets = llvm::map_to_vector(
        insert.getMixedOffsets(), [&](OpFoldResult o) { return scalar(o); });
    tile::StoreOp::create(b, tile, view, offsets, getStoredDims(tile, insert));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The call
//===----------------------------------------------------------------------===//

/// An uninitialised tensor of the shape of `v`. The blocks of a kernel write
/// all of it, so what `v` holds does not matter, and nobody else's tensor is
/// overwritten.
static Value createOutput(ImplicitLocOpBuilder &b, Value v) {
  while (auto fill = v.getDefiningOp<linalg::FillOp>())
    v = fill.getOutputs()[0];
  auto type = cast<RankedTensorType>(v.getType());
  if (auto empty = v.getDefiningOp<tensor::EmptyOp>())
    return tensor::EmptyOp::create(b, type, empty.getDynamicSizes());
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(tensor::DimOp::create(b, v, i));
  return tensor::EmptyOp::create(b, type, sizes);
}

tile::LaunchOp KernelBuilder::finish() {
  tile::ReturnOp::create(b);
  Block &body = kernel.getBody().front();
  // Nothing reads what was only needed for the sizes of slices.
  for (bool changed = true; changed;) {
    changed = false;
    kernel.walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      if (op != kernel && isOpTriviallyDead(op)) {
        op->erase();
        changed = true;
      }
    });
  }
  SmallVector<Value> inputs;
  for (unsigned i = operands.size(); i-- > 0;)
    if (body.getArgument(i).use_empty())
      body.eraseArgument(i);
    else
      inputs.insert(inputs.begin(), operands[i]);
  kernel.setFunctionType(b.getFunctionType(body.getArgumentTypes(), {}));

  b.setInsertionPoint(forall);
  b.setLoc(forall.getLoc());
  SmallVector<Value> grid(3);
  AffineExpr lower, upper, step;
  bindSymbols(b.getContext(), lower, upper, step);
  for (unsigned d = 0, rank = forall.getRank(); d < rank; ++d) {
    OpFoldResult count = affine::makeComposedFoldedAffineApply(
        b, b.getLoc(), (upper - lower).ceilDiv(step),
        {forall.getMixedLowerBound()[d], forall.getMixedUpperBound()[d],
         forall.getMixedStep()[d]});
    Value &size = grid[std::min(rank - 1 - d, 2u)];
    Value extent = getValueOrCreateConstantIndexOp(b, b.getLoc(), count);
    size = size ? arith::MulIOp::create(b, size, extent).getResult() : extent;
  }
  for (Value &size : grid)
    if (!size)
      size = arith::ConstantIndexOp::create(b, 1);
  SmallVector<Value> outputs;
  llvm::SmallDenseSet<Value> added = getAdded(forall);
  for (auto [init, shared] :
       llvm::zip(forall.getOutputs(), forall.getRegionOutArgs()))
    outputs.push_back(added.contains(shared) ? init : createOutput(b, init));
  auto launch =
      tile::LaunchOp::create(b, TypeRange(ValueRange(outputs)),
                             SymbolRefAttr::get(kernel), grid, inputs, outputs);
  // What was stored in reverse order is what its users store it to.
  for (auto [result, value] :
       llvm::zip(forall.getResults(), launch.getResults()))
    if (tensor::InsertSliceOp use = getMirroredUse(result)) {
      Value stored = value;
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointAfter(launch);
      if (stored.getType() != use.getType())
        stored = tensor::CastOp::create(b, use.getType(), stored);
      use.replaceAllUsesWith(stored);
      use.erase();
    }
  forall.replaceAllUsesWith(launch.getResults());
  forall.erase();
  return launch;
}

LogicalResult totile::verifyElementTypes(Operation *op) {
  for (Value value : llvm::concat<Value>(llvm::to_vector(op->getOperands()),
                                         llvm::to_vector(op->getResults())))
    if (getElementTypeOrSelf(value.getType()).isF64())
      return op->emitOpError("of ")
             << value.getType()
             << " is not supported on GPUs: kernels compute in f32";
  return success();
}
