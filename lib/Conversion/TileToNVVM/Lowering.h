//===- Lowering.h - What the patterns of tile -> nvvm share -----*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One kernel is converted at a time, in these steps:
//
//   1. `planKernel` of each part looks at the `tile.kernel` and decides what
//   needs
//      a place: offsets in shared memory, tensor maps among the parameters.
//   2. The kernel becomes an `llvm.func` in a `gpu.module` whose body is the
//   old
//      body. A view is the cast of its pieces:
//        %m = builtin.unrealized_conversion_cast %pointer, %size0, %stride0
//             : !llvm.ptr<1>, i32, i64 to memref<?x?xf32, strided<[?, 1]>>
//      with dynamic sizes and strides only, in order: `getView` reads it back.
//   3. `emitPrologue` of each part adds code at the entry.
//   4. The patterns run: tiles become vectors, index becomes i32.
//   5. Parameters that nothing uses are dropped.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_TILETONVVM_LOWERING_H
#define SEQC_LIB_CONVERSION_TILETONVVM_LOWERING_H

#include "seqc/Dialect/Tile/IR/Layouts.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace seqc::tile {

/// Address spaces of NVPTX.
constexpr unsigned kGlobalSpace = 1;
constexpr unsigned kSharedSpace = 3;

/// A parameter that is a descriptor of the copy engine.
struct TensorMap {
  unsigned argument; // The view, as a number of the launch's operands.
  llvm::SmallVector<int64_t> box; // In elements, in the view's dimension order.
  int64_t swizzle;                // In bytes; 0 for none.
  mlir::Value pointer;            // The parameter; set after step 2.
};

/// What the patterns of one kernel know.
struct KernelContext {
  // From the pass's options.
  llvm::StringRef chip; // sm_80, sm_90a
  bool isSM90 = false;  // Has TMA, mbarriers with transactions, wgmma.
  bool aligned = true;  // Views start at 16 bytes and so do their rows.

  // The kernel: `kernel` until step 2, `function` from then on.
  KernelOp kernel;
  mlir::LLVM::LLVMFuncOp function;
  /// Warps that compute tiles, of the whole block, and the first one that
  /// computes (0 without roles: the computing role comes last).
  int64_t warps = 0;
  int64_t blockWarps = 0;
  int64_t firstWarp = 0;

  // Set after step 2, defined at the function's entry. All i32.
  mlir::Value thread;    // tid.x, of the whole block
  mlir::Value lane;      // thread mod 32
  mlir::Value blockWarp; // thread / 32, the same register for a whole warp
  mlir::Value warp;      // blockWarp - firstWarp: that of the layouts
  /// With tile.for_each_block: the sizes of the grid and the number of the
  /// launch's counter.
  mlir::Value gridSizes[3];
  mlir::Value slot;
  /// Start of dynamic shared memory, !llvm.ptr<3>; null when nothing needs it.
  mlir::Value shared;

  /// What the warps have voted, by the condition of `tile.update_where`.
  llvm::DenseMap<mlir::Value, mlir::Value> votes;

  /// Shared memory, filled by planKernel. Offsets by alloc, make_ring, ...
  int64_t sharedBytes = 0;
  llvm::DenseMap<mlir::Operation *, int64_t> sharedOffsets;
  int64_t allocateShared(int64_t bytes, int64_t alignment = 1024);

  /// Tensor maps, filled by planKernel. Returns the index in `tensorMaps`.
  llvm::SmallVector<TensorMap> tensorMaps;
  unsigned addTensorMap(unsigned argument, llvm::ArrayRef<int64_t> box,
                        int64_t swizzle);

  /// Launch operands whose rows are accessed in more than one element at a
  /// time, so that the runtime has to check their alignment.
  llvm::SmallSetVector<int64_t, 8> alignedArguments;

  /// getDivisor of the offsets of every access to device memory, by op.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> divisors;
  /// The same of the sizes of a part of a view, where the access is to one.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> sizeDivisors;

  /// What Memory.cpp's planKernel decided about rings, copies and roles.
  std::shared_ptr<struct MemoryPlan> memory;

  /// Counts, for the pass's statistics.
  int64_t numVectorAccesses = 0;
  int64_t numScalarAccesses = 0;
};

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// The pieces of a memref in device memory.
struct View {
  mlir::MemRefType type;
  mlir::Value pointer;                           // !llvm.ptr<1>, to element 0
  llvm::SmallVector<mlir::OpFoldResult> sizes;   // i32 values or attributes
  llvm::SmallVector<mlir::OpFoldResult> strides; // i64 values or attributes

  /// As values: i32 and i64.
  mlir::Value getSize(mlir::ImplicitLocOpBuilder &b, unsigned dim) const;
  mlir::Value getStride(mlir::ImplicitLocOpBuilder &b, unsigned dim) const;
  std::optional<int64_t> getStaticSize(unsigned dim) const;
  std::optional<int64_t> getStaticStride(unsigned dim) const;
};

/// The pieces of `memref`, an operand of `user` as its adaptor has it. Fails
/// with an error when it is not a view of an argument of the kernel.
mlir::FailureOr<View> getView(mlir::Operation *user, mlir::Value memref);

/// The number among the launch's operands of `memref`, before or after step 2;
/// none for a part of one.
std::optional<unsigned> getLaunchArgument(mlir::Value memref);

/// The address of the element at `offsets` (i32 values, one per dimension; null
/// for 0): an !llvm.ptr<1>, computed with 64-bit products.
mlir::Value getAddress(mlir::ImplicitLocOpBuilder &b, const View &view,
                       mlir::ValueRange offsets);

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

mlir::Value constantI32(mlir::ImplicitLocOpBuilder &b, int64_t value);
mlir::Value constantI64(mlir::ImplicitLocOpBuilder &b, int64_t value);
/// `pointer + bytes` for a byte count known now (or as a value of i32 or i64).
mlir::Value addBytes(mlir::ImplicitLocOpBuilder &b, mlir::Value pointer,
                     int64_t bytes);
mlir::Value addBytes(mlir::ImplicitLocOpBuilder &b, mlir::Value pointer,
                     mlir::Value bytes);

/// The elements of a vector, and back.
llvm::SmallVector<mlir::Value> unpack(mlir::ImplicitLocOpBuilder &b,
                                      mlir::Value vector);
mlir::Value pack(mlir::ImplicitLocOpBuilder &b, mlir::VectorType type,
                 mlir::ValueRange elements);
/// The elements `indices` of a vector, as a vector.
mlir::Value shuffle(mlir::ImplicitLocOpBuilder &b, mlir::Value vector,
                    llvm::ArrayRef<int64_t> indices);

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Where the elements of one thread lie in a tile: the element in register r
/// has index `base[d] + layout.offsets[r][d]` in dimension d.
struct ThreadTile {
  ThreadLayout layout;
  llvm::SmallVector<mlir::Value> base; // i32, from lane and warp
};
ThreadTile getThreadTile(mlir::ImplicitLocOpBuilder &b,
                         const KernelContext &context,
                         mlir::RankedTensorType type);

/// Whether this thread is the one that writes its elements of a tile whose
/// layout holds each element in several threads: an i1, or null when every
/// thread is.
mlir::Value isWriter(mlir::ImplicitLocOpBuilder &b,
                     const KernelContext &context, mlir::RankedTensorType type);

/// How many elements that are consecutive in dimension `dim` a thread holds in
/// consecutive registers, where the first one's index is a multiple of that
/// number.
int64_t getContiguity(mlir::RankedTensorType type, unsigned dim);

/// A power of two, at most 64, that certainly divides `index`, a value of the
/// index type. Only before conversion (in planKernel); see
/// KernelContext::divisors.
int64_t getDivisor(mlir::Value index);

//===----------------------------------------------------------------------===//
// The parts
//===----------------------------------------------------------------------===//

/// index -> i32; a tensor with a layout -> vector<NxT> of its registers;
/// !tile.shared -> !llvm.ptr<3>, its start; !tile.ring -> !llvm.ptr<3>, the
/// start of stage 0; !tile.async<T> -> the vector of T; memrefs and all else
/// stay.
struct TileTypeConverter : mlir::TypeConverter {
  TileTypeConverter();
};

/// arith, tensor.splat, memref.dim (Arith.cpp).
void populateArithPatterns(const mlir::TypeConverter &converter,
                           mlir::RewritePatternSet &patterns,
                           KernelContext &context);
/// Functions, on f32 and vectors of it; run greedily after the conversion
/// (Math.cpp).
void populateMathPatterns(mlir::RewritePatternSet &patterns);
/// Accesses to device memory (Global.cpp).
void populateGlobalPatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns,
                            KernelContext &context);
/// iota, broadcast, reduce, fold, convert (Registers.cpp).
void populateRegisterPatterns(const mlir::TypeConverter &converter,
                              mlir::RewritePatternSet &patterns,
                              KernelContext &context);

/// Choices by positions (Positions.cpp).
void populatePositionPatterns(const mlir::TypeConverter &converter,
                              mlir::RewritePatternSet &patterns,
                              KernelContext &context);

/// Shared memory, rings, copies, products, roles (Memory.cpp and others).
mlir::LogicalResult planKernel(KernelContext &context);
mlir::LogicalResult emitPrologue(mlir::ImplicitLocOpBuilder &b,
                                 KernelContext &context);
void populateMemoryPatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns,
                            KernelContext &context);

} // namespace seqc::tile

#endif // SEQC_LIB_CONVERSION_TILETONVVM_LOWERING_H
