//===- Decompose.h - Building kernels from tiled operators ------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the three families (attention, scan, convolution) share. A
// KernelBuilder stands between the body of an scf.forall, which it reads in
// order, and a tile.kernel, which it appends to. It keeps for each value of the
// forall what that value is in the kernel:
//
//   scalar (index, integer, float)      a value                   scalar()
//   tensor of the whole function        a view, an argument       getView()
//   slice or pad of such a tensor       a box of a view           getSlice()
//   tensor.empty, linalg.fill           a constant                getFill()
//   everything else                     a tile, without unit      getTile(),
//                                       dimensions                setTile()
//
// Nothing is loaded before something asks for it, since only the consumer knows
// the shape that it wants; load() then puts the tile.load where the slice
// stood.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOTILE_DECOMPOSE_H
#define SEQC_LIB_CONVERSION_SEQCTOTILE_DECOMPOSE_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <optional>

namespace seqc::totile {

using namespace mlir;

constexpr double log2e = 1.4426950408889634074;
constexpr double ln2 = 0.69314718055994530942;

/// A box of a view, from a chain of extract_slice and pad. What of it lies
/// outside of the view is 0 when it is read and dropped when it is written.
struct Slice {
  Value view;
  /// One index per dimension of the view.
  SmallVector<Value> offsets;
  /// The extents of the box; dynamic where nothing padded it.
  SmallVector<int64_t> shape;
  /// Where it is a box of packed heads (seqc-pack-heads): how many heads, of
  /// how many queries each, one of `offsets`' heads is. 0 where it is not.
  int64_t group = 0, queries = 0;
  /// Where it is a box of rows in pages (seqc.paged): the table that says where
  /// they are, and the rows of a page. The offsets count rows of the sequence.
  Value table;
  int64_t pageSize = 0;
  /// How many rows, of the last dimension but one, are cut out; null where
  /// `shape` has it.
  Value rows;
  /// Loads of this slice go after this operation of the kernel, or to the start
  /// of `block`.
  Operation *after = nullptr;
  Block *block = nullptr;
};

/// How many warps compute a tile of `rows` rows under `schedule` (may be null).
int64_t getNumWarps(ScheduleAttr schedule, int64_t rows);

class KernelBuilder {
public:
  /// An empty kernel for the body of `forall`. `isDense` says which of the
  /// tensors that it reads have an innermost stride of 1; its outputs have.
  KernelBuilder(scf::ForallOp forall, StringRef name,
                function_ref<bool(Value)> isDense);

  /// Where the kernel grows.
  ImplicitLocOpBuilder b;
  tile::KernelOp kernel;

  //===--------------------------------------------------------------------===//
  // Reading the forall
  //===--------------------------------------------------------------------===//

  /// Binds the induction variables to the block's indices: the last dimension
  /// of the forall is x, and all but the last two share z. With `longestFirst`
  /// x counts from the end.
  void bindGrid(bool longestFirst);

  /// Takes one operation of the forall in: arithmetic on scalars, slices, pads,
  /// casts, fills, dims and extracts. Anything else is an error that names it.
  LogicalResult convert(Operation *op);

  /// Writes the slices that the forall returns: tiles to where they are
  /// inserted.
  LogicalResult convertResults(scf::InParallelOp op);

  /// The scalar that stands for `v`.
  Value scalar(Value v) { return scalars.lookupOrNull(v); }
  Value scalar(OpFoldResult fold);
  void setScalar(Value v, Value now) { scalars.map(v, now); }
  bool isScalar(Value v) { return scalars.contains(v); }

  /// The view of a tensor of the function, or of a shared_outs argument; null
  /// if `v` is neither.
  Value getView(Value v) { return views.lookup(v); }

  /// The box of device memory that `v` is; a view is one as a whole.
  std::optional<Slice> getSlice(Value v);

  /// The scalar that fills `v`, if it is a fill; its tile is a constant.
  Value getFill(Value v) { return fills.lookup(v); }

  Value getTile(Value v) { return tiles.lookup(v); }
  void setTile(Value v, Value tile) { tiles[v] = tile; }

  /// `v` as a tile of `shape`: the tile that it is, a constant, or what
  /// dimensions `dims` of its slice hold (the last ones by default). Loaded
  /// once for each slice and shape. Null if `v` is none of them. With `cutRows`
  /// no row past those of the slice is read, though the view may have more.
  Value getTile(Value v, ArrayRef<int64_t> shape, ArrayRef<int64_t> dims = {},
                bool cutRows = false);

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  /// An index at the head of the kernel.
  Value index(int64_t value);
  /// A tile of one value, at the head of the kernel.
  Value constant(ArrayRef<int64_t> shape, TypedAttr value);
  Value constant(ArrayRef<int64_t> shape, double value, Type type = {});
  /// A scalar at the head of the kernel.
  Value scalarConstant(TypedAttr value);
  Value scalarConstant(double value) {
    return scalarConstant(b.getF32FloatAttr(value));
  }
  Value splat(Value scalar, ArrayRef<int64_t> shape);
  /// first + (0, 1, ..., size - 1) as integers of `type`; `first` is an index.
  Value positions(Value first, int64_t size, Type type);
  Value broadcast(Value tile, int64_t dim, int64_t size);
  Value reduce(tile::ReduceKind kind, Value tile, int64_t dim);
  /// A float tile or scalar in f32, and back.
  Value extend(Value v);
  Value truncate(Value v, Type element);
  /// Reads one element of a view.
  Value loadScalar(Value view, ValueRange indices);

  //===--------------------------------------------------------------------===//
  // The call
  //===--------------------------------------------------------------------===//

  /// Ends the kernel, drops arguments that it does not use, and replaces the
  /// forall by its launch.
  tile::LaunchOp finish();

private:
  Value rematerialize(Value v);
  Value getCount(unsigned dim);
  Value loadPacked(const Slice &slice, RankedTensorType type);
  Value loadPages(const Slice &slice, RankedTensorType type);
  Value createMirroredView(Value view);
  bool isWindow(tensor::ExtractSliceOp slice);
  Value createWindow(Value view, Value first, Value size);

  scf::ForallOp forall;
  IRMapping scalars;
  DenseMap<Value, Value> views, tiles, fills;
  DenseMap<Value, Slice> slices;
  /// Reshapes of a tensor of the function; their view is that tensor's.
  DenseMap<Value, std::pair<int64_t, int64_t>> packs;
  /// Tensors in pages, whose view is that of the pages: the view of the table.
  DenseMap<Value, Value> tables, tableViews;
  /// tensor.empty and what was cut from it.
  DenseSet<Value> undefined;
  DenseMap<Attribute, Value> constants;
  /// Where the next load after an operation goes, to keep their order.
  DenseMap<void *, Operation *> lastLoad;
  DenseMap<std::pair<Value, Attribute>, Value> loads;
  Operation *lastConstant = nullptr;
  /// The launch's operands, in the order of the kernel's arguments.
  SmallVector<Value> operands;
};

/// Fails with an error that names `op` if one of its tensors is of f64, which
/// no kernel computes.
LogicalResult verifyElementTypes(Operation *op);

/// Fills the kernel with what `forall` computes. `forall` has exactly one kind
/// of tiled operator in it.
LogicalResult decomposeAttention(KernelBuilder &k, scf::ForallOp forall);
LogicalResult decomposeAttentionBackward(KernelBuilder &k,
                                         scf::ForallOp forall);
LogicalResult decomposeScan(KernelBuilder &k, scf::ForallOp forall);
LogicalResult decomposeConv(KernelBuilder &k, scf::ForallOp forall);
/// The states between the parts of a scan.
LogicalResult decomposePrefix(KernelBuilder &k, scf::ForallOp forall);
/// The states before chunks, and the gradients from them.
LogicalResult decomposeScanStates(KernelBuilder &k, scf::ForallOp forall);
LogicalResult decomposeScanBackward(KernelBuilder &k, scf::ForallOp forall);
LogicalResult decomposeConvBackward(KernelBuilder &k, scf::ForallOp forall);
/// The merge of all parts of a row, and its end.
LogicalResult decomposeMerge(KernelBuilder &k, scf::ForallOp forall);

/// The tensor that `v` packs as seqc-pack-heads does, (B, H, S, D) as
/// (B, H / G, G S, D), with G and S; null if it is something else.
Value getPackedSource(Value v, int64_t &group, int64_t &queries);

/// The tensor that `v` is a view of, all of it with the last dimension in
/// reverse order, as seqc-resolve-sequences makes them; null if it is something
/// else.
Value getMirroredSource(Value v);
/// The only use of `result`, but for its sizes: it is stored in reverse order
/// of its last dimension, as all of a new tensor. Null if there is another.
tensor::InsertSliceOp getMirroredUse(Value result);

/// Cuts each linalg operator of `func` that stands in no loop, and is
/// elementwise or reduces its last loop, into tiles: an scf.forall, marked as
/// seqc-tile's are.
LogicalResult tileLinalg(func::FuncOp func);
/// Fills the kernel of such a loop.
LogicalResult decomposeLinalg(KernelBuilder &k, scf::ForallOp forall);

/// Whether all that `op` does is to round its one operand to a narrower float.
bool isRounding(linalg::GenericOp op);

/// Makes kernels of what rounds the sums that blocks have added up in packed
/// tiles. Any other use of such a sum is an error.
LogicalResult unpackResults(func::FuncOp func, ModuleOp module);

} // namespace seqc::totile

#endif // SEQC_LIB_CONVERSION_SEQCTOTILE_DECOMPOSE_H
