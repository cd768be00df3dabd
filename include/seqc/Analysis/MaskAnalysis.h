//===- MaskAnalysis.h - Which tiles of a mask hold anything -----*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attention visits its scores in tiles of M queries x N keys. A tile in which
// no pair is visible can be skipped, and in a tile in which every pair is
// visible the mask need not be evaluated. This analysis derives both facts from
// the mask, whatever it is made of; causal, window and prefix have no code of
// their own beyond the sentence that defines them.
//
// 1. The mask becomes one boolean formula over affine inequalities in the query
//    i, the key j and symbols (lengths, prefix, batch, head, values that the
//    mask region captures, and pure functions of those). `floordiv` and `rem`
//    by constants add an integer variable each. What is not affine in i and j
//    is an opaque leaf.
// 2. Two questions are asked of a tile: may it hold a visible pair, and may it
//    hold a hidden pair? The first is about the formula, the second about its
//    negation, and in both an opaque leaf is taken as true, in either polarity.
//    So each answer is an over-approximation: a tile is skipped only if it
//    cannot hold a visible pair, and full only if it cannot hold a hidden one.
// 3. Each question is brought into disjunctive normal form; every disjunct is
//    a convex polyhedron over (i, j, symbols). It is intersected with the tile,
//      i0 <= i < iEnd = min(i0 + M, Sq),  j0 <= j < j0 + N,
//    and i, j and the division variables are projected out (Fourier-Motzkin,
//    mlir::presburger). What is left constrains (i0, iEnd, j0, symbols).
//    Constraints implied by the others and by what holds for every tile are
//    dropped. A division of an expression without j first gets bounds in terms
//    of i0 and iEnd, so that chunked masks (i / 64 == j / 64) stay exact.
// 4. A convex visible set gives an interval of tiles with affine bounds; so
// does a
//    convex hidden complement. Otherwise the bounds are the hull of the visible
//    set and the longest run of full tiles, and the per-tile conditions are
//    there to ask about one tile.
//
// The projection is over the rationals where coefficients are not units, which
// errs on the sound side. Index arithmetic in a mask region is assumed not to
// wrap around.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_ANALYSIS_MASKANALYSIS_H
#define SEQC_ANALYSIS_MASKANALYSIS_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Region.h"

#include <memory>
#include <optional>

namespace seqc {

/// What the visibility of a (query, key) pair depends on.
struct MaskSpec {
  bool causal = false;
  std::optional<int64_t> windowLeft;
  std::optional<int64_t> windowRight;
  Alignment alignment = Alignment::BottomRight;
  bool hasPrefix = false;
  bool hasSegments = false;
  /// Whether MaskOperands::segments will be there: the keys that the documents
  /// of a tile of queries reach are then an interval, and not only unknown.
  bool hasSegmentBounds = false;
  /// Rows of tiles are keys and their columns queries: bounds are those of a
  /// loop over queries, and what MaskOperands and MaskPoint call the length of
  /// the queries (keys) is that of the keys (queries).
  bool transposed = false;
  /// The mask region, or null. Its arguments are (b, h, i, j).
  mlir::Region *region = nullptr;
  /// The lengths, where they are values: a region that captures one of them
  /// then means the length and not some other number. May be null.
  mlir::Value queryLength;
  mlir::Value keyLength;

  static MaskSpec get(AttentionOp op);
  static MaskSpec get(OnlineAttentionOp op);
  static MaskSpec get(BlockAttentionBackwardOp op, bool transposed);
};

/// What the segments of one tile of queries say about keys, as key positions:
/// outside of [begin, end) no key has the segment of one of the queries, and
/// in [fullBegin, fullEnd) each key has the segment of all of them. With
/// begin <= fullBegin <= fullEnd <= end.
template <typename T>
struct SegmentInterval {
  T begin{}, end{}, fullBegin{}, fullEnd{};
};

/// The values that the bounds are functions of, all of index type, for tiles of
/// one batch entry and one head. `prefix` may be null when the mask has none,
/// `segments` when the mask has no bounds of segments.
/// Values that the mask region captures are known to the analysis; they must
/// dominate the point where the bounds are built.
struct MaskOperands {
  mlir::Value queryLength;
  mlir::Value keyLength;
  mlir::Value prefix;
  mlir::Value batch;
  mlir::Value head;
  SegmentInterval<mlir::Value> segments;

  /// The operands for the batch entry and head at (`batch`, `head`) of `op`'s
  /// own operands: the op's offsets are added, and its prefix is read.
  static MaskOperands get(mlir::OpBuilder &builder, mlir::Location loc,
                          OnlineAttentionOp op, mlir::Value batch,
                          mlir::Value head);
  static MaskOperands get(mlir::OpBuilder &builder, mlir::Location loc,
                          BlockAttentionBackwardOp op, mlir::Value batch,
                          mlir::Value head, bool transposed);
};

/// Key positions that split the key loop of a query tile: [lo, fullLo) has
/// partial tiles, [fullLo, fullHi) full ones, [fullHi, hi) partial ones. They
/// are on the grid kvBegin + N * t, with
/// kvBegin <= lo <= fullLo <= fullHi <= hi < kvEnd + N: the last tile may reach
/// past kvEnd, a full one never does.
template <typename T>
struct TileLoopBounds {
  T lo, fullLo, fullHi, hi;
};
using LoopBounds = TileLoopBounds<mlir::Value>;

/// Numbers for a MaskTiling's operands, to evaluate it without building IR.
struct MaskPoint {
  int64_t i0 = 0, kvBegin = 0, kvEnd = 0;
  int64_t queryLength = 0, keyLength = 0, prefix = 0, batch = 0, head = 0;
  SegmentInterval<int64_t> segments;
  /// One per MaskAnalysis::getCaptures().
  llvm::SmallVector<int64_t> captures;
};

class MaskTiling;

/// The mask as a formula; see the head of this file.
class MaskAnalysis {
public:
  /// Never fails: what is not understood is opaque.
  MaskAnalysis(const MaskSpec &spec, mlir::MLIRContext *context);
  explicit MaskAnalysis(AttentionOp op);
  explicit MaskAnalysis(OnlineAttentionOp op);
  MaskAnalysis(MaskAnalysis &&);
  MaskAnalysis &operator=(MaskAnalysis &&);
  ~MaskAnalysis();

  /// Whether the visible pairs (over-approximated) form one convex set, so that
  /// no tile between the bounds `lo` and `hi` is known to be empty.
  bool isConvex() const;
  /// Whether some tile could be full. False with an opaque mask region, or
  /// segments without bounds.
  bool hasFull() const;
  /// Whether the bounds use the batch or the head: if not, one set of bounds
  /// serves all of them.
  bool usesBatch() const;
  bool usesHead() const;
  bool usesPrefix() const;

  /// Integers that the formula reads beside those in MaskOperands: values
  /// captured by the mask region, and results of pure operations in it that do
  /// not depend on the query or key position.
  llvm::ArrayRef<mlir::Value> getCaptures() const;

  /// The mask seen through tiles of M queries x N keys (M, N >= 1).
  MaskTiling getTiling(int64_t M, int64_t N) const;

  /// Shorthands for getTiling(M, N).build...(...). Only `affine`, `arith` and
  /// copies of pure operations of the mask region are built. `i0` is the first
  /// query of the tile, `j0` its first key (both positions in the whole
  /// sequence, not in a slice). `kvBegin >= 0`, and a tile asked about has `j0
  /// < kvEnd`. Built against the op that the analysis was made from, unchanged.
  LoopBounds buildBounds(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::Value i0, mlir::Value kvBegin, mlir::Value kvEnd,
                         int64_t M, int64_t N,
                         const MaskOperands &operands) const;
  /// An i1: no pair of the tile is visible.
  mlir::Value buildIsEmpty(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value i0, mlir::Value j0, mlir::Value kvEnd,
                           int64_t M, int64_t N,
                           const MaskOperands &operands) const;
  /// An i1: every pair of the tile is visible; in particular it ends at or
  /// before kvEnd and the key length.
  mlir::Value buildIsFull(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value i0, mlir::Value j0, mlir::Value kvEnd,
                          int64_t M, int64_t N,
                          const MaskOperands &operands) const;

  void print(llvm::raw_ostream &os) const;

  /// The formula and its polyhedra; private to the implementation.
  struct Impl;

private:
  std::shared_ptr<const Impl> impl;
};

/// The answers for one tile size, as affine expressions. Their symbols are, in
/// this order, Symbol's and then the captures; d0 is the tile's first key.
class MaskTiling {
public:
  enum Symbol : unsigned {
    QueryLength,
    KeyLength,
    Prefix,
    Batch,
    Head,
    RowBegin, ///< i0
    RowEnd,   ///< min(i0 + M, Sq)
    KVBegin,
    KVEnd,
    SegmentBegin, ///< SegmentInterval
    SegmentEnd,
    SegmentFullBegin,
    SegmentFullEnd,
    FirstCapture
  };

  /// A convex set of tiles. With t the number of a tile on the grid
  /// kvBegin + N * t, they are the t with
  /// max(lower) <= t < min(upper), if every guard is >= 0; and the tiles
  /// at j0 with every expression of `conditions` >= 0.
  struct Interval {
    llvm::SmallVector<mlir::AffineExpr> lower, upper, guards;
    llvm::SmallVector<mlir::AffineExpr> conditions;
  };

  /// The tiles that may hold a visible pair, as a union.
  llvm::ArrayRef<Interval> getNonEmpty() const { return nonEmpty; }
  /// The tiles that may hold a hidden pair, as a union of which only
  /// `conditions` is set. The full tiles are its complement.
  llvm::ArrayRef<Interval> getNonFull() const { return nonFull; }
  /// Intervals of full tiles: all of them, or some if there are too many.
  llvm::ArrayRef<Interval> getFull() const { return full; }

  LoopBounds buildBounds(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::Value i0, mlir::Value kvBegin, mlir::Value kvEnd,
                         const MaskOperands &operands) const;
  mlir::Value buildIsEmpty(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value i0, mlir::Value j0, mlir::Value kvEnd,
                           const MaskOperands &operands) const;
  mlir::Value buildIsFull(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value i0, mlir::Value j0, mlir::Value kvEnd,
                          const MaskOperands &operands) const;

  /// The same with numbers.
  TileLoopBounds<int64_t> evaluateBounds(const MaskPoint &point) const;
  bool evaluateIsEmpty(const MaskPoint &point, int64_t j0) const;
  bool evaluateIsFull(const MaskPoint &point, int64_t j0) const;

  void print(llvm::raw_ostream &os) const;

private:
  friend class MaskAnalysis;
  MaskTiling() = default;

  std::shared_ptr<const MaskAnalysis::Impl> impl;
  int64_t rows = 0, columns = 0;
  llvm::SmallVector<Interval> nonEmpty, nonFull, full;
};

} // namespace seqc

#endif // SEQC_ANALYSIS_MASKANALYSIS_H
