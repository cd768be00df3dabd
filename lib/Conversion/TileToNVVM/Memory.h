//===- Memory.h - Shared memory, rings, products and roles ------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the patterns on shared memory share: what `planKernel` decided, and the
// addresses of elements in a swizzled tile.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_TILETONVVM_MEMORY_H
#define SEQC_LIB_CONVERSION_TILETONVVM_MEMORY_H

#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace seqc::tile {

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// How a ring is handed over.
struct RingPlan {
  /// The copy engine fills it and mbarriers guard it. Otherwise all threads
  /// fill it, and barriers of the block guard it.
  bool engine = false;
  /// The first of its barriers, in bytes from the start of the ring: for each
  /// stage one that says it is full, then for each one that it is empty.
  int64_t barriers = 0;
  /// Warps that release a stage.
  int64_t readers = 0;
  /// Whether threads read it, besides the tensor cores.
  bool threadsRead = false;
};

/// One role of a `tile.roles`.
struct RolePlan {
  int64_t firstWarp = 0;
  int64_t warps = 0;
  /// The named barrier of its warps.
  int64_t barrier = 0;
  /// The first of the named barriers of its groups' turns, one for each group;
  /// 0 if they take none.
  int64_t turns = 0;
  /// It only starts copies, which one thread can do alone.
  bool oneThread = false;
};

/// A copy.
struct PutPlan {
  /// By threads: 16 bytes at a time, not element by element.
  bool wholeChunks = false;
  /// By the engine.
  unsigned tensorMap = 0;
  /// Rows of one request; a tile may need several.
  int64_t boxRows = 0;
  /// The thread that asks; only it comes here if `oneThread`.
  int64_t firstThread = 0;
  bool oneThread = false;
};

struct MemoryPlan {
  llvm::DenseMap<mlir::Operation *, RingPlan> rings; // By make_ring.
  llvm::DenseMap<mlir::Operation *, PutPlan> puts;   // By put.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<RolePlan>> roles;
  /// By barrier, and by begin and end of a turn: the role that it is in.
  llvm::DenseMap<mlir::Operation *, RolePlan> barriers;
  /// Where the roles of a tile.for_each_block leave the next block for each
  /// other, in shared memory.
  int64_t queue = 0;
  /// Some put is made of copies that the threads start (cp.async).
  bool threadCopies = false;
  /// The tensor cores read what threads have written, through their own path
  /// to shared memory.
  bool needsProxyFence = false;
  /// The products whose descriptors stay where they are used.
  llvm::SmallDenseSet<mlir::Operation *> pinned;
  /// The barriers that need it for what threads write besides rings; empty if
  /// that is not known, and all do.
  llvm::SmallDenseSet<mlir::Operation *> fenced;
  /// Scores read memory, each at its own place: such kernels have no registers
  /// to spare.
  bool hasGathers = false;
};

/// The queue's parts, in bytes from its start.
constexpr int64_t kQueueFull = 0;
constexpr int64_t kQueueEmpty = 8;
/// The point's number and its three indices.
constexpr int64_t kQueueMessage = 16;
constexpr int64_t kQueueBytes = 32;

/// Counters of the blocks that launches have taken. The last one is for
/// launches that take none.
constexpr int64_t kNumCounters = 1024;

/// The name of a kernel's counters.
inline std::string getCounterName(llvm::StringRef kernel) {
  return (kernel + "_taken").str();
}

/// Makes each role run all of tile.for_each_block, if there is one
/// (Blocks.cpp).
llvm::LogicalResult distributeBlocks(KernelContext &context);

//===----------------------------------------------------------------------===//
// Arithmetic on i32
//===----------------------------------------------------------------------===//

/// Short forms that fold constants.
struct I32Builder {
  mlir::ImplicitLocOpBuilder &b;

  mlir::Value constant(int64_t value) { return constantI32(b, value); }
  mlir::Value add(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::AddIOp>(x, y);
  }
  mlir::Value add(mlir::Value x, int64_t y) {
    return y == 0 ? x : add(x, constant(y));
  }
  mlir::Value mul(mlir::Value x, int64_t y) {
    return y == 1 ? x : b.createOrFold<mlir::arith::MulIOp>(x, constant(y));
  }
  mlir::Value land(mlir::Value x, int64_t y) {
    return b.createOrFold<mlir::arith::AndIOp>(x, constant(y));
  }
  mlir::Value lxor(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::XOrIOp>(x, y);
  }
  mlir::Value lxor(mlir::Value x, int64_t y) {
    return y == 0 ? x : lxor(x, constant(y));
  }
  mlir::Value shl(mlir::Value x, int64_t y) {
    return y == 0 ? x : b.createOrFold<mlir::arith::ShLIOp>(x, constant(y));
  }
  mlir::Value shr(mlir::Value x, int64_t y) {
    return y == 0 ? x : b.createOrFold<mlir::arith::ShRUIOp>(x, constant(y));
  }
  /// For numbers that are not negative.
  mlir::Value div(mlir::Value x, int64_t y);
  mlir::Value rem(mlir::Value x, int64_t y);
  mlir::Value cmp(mlir::arith::CmpIPredicate predicate, mlir::Value x,
                  mlir::Value y) {
    return b.createOrFold<mlir::arith::CmpIOp>(predicate, x, y);
  }
};

//===----------------------------------------------------------------------===//
// Swizzled tiles
//===----------------------------------------------------------------------===//

/// Addresses in a tile in shared memory, for a thread whose elements lie at
///
///   row = row0 + deltaRow,  byte of the row = byte0 + deltaByte
///
/// with row0, byte0 of the thread and the deltas known now. Where the bits of
/// the two parts do not overlap, adding is the same as xor, so
///
///   chunk = (byte / 16) xor (row mod 8)
///         = [(byte0 / 16) xor (row0 mod 8)] xor constant
///
/// and all addresses with the same constant are one register plus immediates
/// (`nvx.pin` keeps them so).
class SwizzledTile {
public:
  /// `rowBits` and `byteBits` are the bits that row0 and byte0 may have. For
  /// row0, only the lowest three matter.
  SwizzledTile(mlir::ImplicitLocOpBuilder &b, mlir::Value pointer,
               SharedType type, mlir::Value row0, uint64_t rowBits,
               mlir::Value byte0, uint64_t byteBits);

  /// The address of the element at these deltas.
  mlir::Value getPointer(int64_t deltaRow, int64_t deltaByte);

private:
  mlir::ImplicitLocOpBuilder &b;
  mlir::Value pointer;
  SharedType type;
  mlir::Value row0, byte0;
  uint64_t rowBits, byteBits;
  mlir::Value chunk0; // (byte0 / 16 xor row0) mod 8
  mlir::Value rest0;  // what row0 and byte0 add besides the chunk
  llvm::SmallDenseMap<int64_t, mlir::Value> variants;
};

/// Bytes of an element.
int64_t getElementBytes(mlir::Type type);

/// The number of the thread among those of its role's warps that compute.
mlir::Value getLocalThread(mlir::ImplicitLocOpBuilder &b,
                           const KernelContext &context);

/// Packs registers `2 i` and `2 i + 1` of a vector of 16-bit elements into i32
/// number i, for i in [first, first + count).
llvm::SmallVector<mlir::Value> getPairs(mlir::ImplicitLocOpBuilder &b,
                                        mlir::Value vector, int64_t first,
                                        int64_t count);

/// The stage of copy `number`, and the parity of the times that the ring has
/// gone round before it.
mlir::Value getStage(mlir::ImplicitLocOpBuilder &b, RingType ring,
                     mlir::Value number);
mlir::Value getRound(mlir::ImplicitLocOpBuilder &b, RingType ring,
                     mlir::Value number);

/// Makes what threads wrote to shared memory visible to the tensor cores and
/// the copy engine; before a barrier.
void emitProxyFence(mlir::ImplicitLocOpBuilder &b);

//===----------------------------------------------------------------------===//
// The patterns, by file
//===----------------------------------------------------------------------===//

void populateSharedPatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns,
                            KernelContext &context);
void populateCopyPatterns(const mlir::TypeConverter &converter,
                          mlir::RewritePatternSet &patterns,
                          KernelContext &context);
void populateMmaSyncPatterns(const mlir::TypeConverter &converter,
                             mlir::RewritePatternSet &patterns,
                             KernelContext &context);
void populateWgmmaPatterns(const mlir::TypeConverter &converter,
                           mlir::RewritePatternSet &patterns,
                           KernelContext &context);
/// What makes the first group's turn the first one, at the start of a role.
void startTurns(mlir::ImplicitLocOpBuilder &b, const KernelContext &context,
                const RolePlan &role);
void populateTurnPatterns(const mlir::TypeConverter &converter,
                          mlir::RewritePatternSet &patterns,
                          KernelContext &context);
void populateRolePatterns(const mlir::TypeConverter &converter,
                          mlir::RewritePatternSet &patterns,
                          KernelContext &context);

/// A pattern that knows its kernel.
template <typename OpTy>
struct KernelPattern : mlir::OpConversionPattern<OpTy> {
  KernelPattern(const mlir::TypeConverter &converter,
                mlir::MLIRContext *mlirContext, KernelContext &context)
      : mlir::OpConversionPattern<OpTy>(converter, mlirContext),
        context(context) {}

  KernelContext &context;
};

} // namespace seqc::tile

#endif // SEQC_LIB_CONVERSION_TILETONVVM_MEMORY_H
