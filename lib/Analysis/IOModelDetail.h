//===- IOModelDetail.h - Parts of the analytic model ------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_ANALYSIS_IOMODELDETAIL_H
#define SEQC_LIB_ANALYSIS_IOMODELDETAIL_H

#include "seqc/Analysis/IOModel.h"
#include "seqc/Analysis/MaskAnalysis.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <map>
#include <memory>
#include <optional>
#include <set>

namespace seqc::io {

using mlir::Operation;
using mlir::Region;
using mlir::ShapedType;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// Bytes of one element; sub-byte types count as one byte.
double elementBytes(Type type);
inline double elementBytes(Value value) {
  return elementBytes(mlir::getElementTypeOrSelf(value.getType()));
}

inline bool isShaped(Value v) {
  auto type = llvm::dyn_cast<ShapedType>(v.getType());
  return type && type.hasRank();
}

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// The size of every dimension of every tensor in a module. Dimensions that
/// must be equal form classes: a static member gives its class a size, else an
/// assumption does.
class DimTable {
public:
  /// Parses `assume` and reads the module. Returns a message on failure.
  std::optional<std::string> build(mlir::ModuleOp module,
                                   llvm::StringRef assume);

  int64_t size(Value value, unsigned dim);
  /// Product of all sizes.
  double elements(Value value);
  double bytes(Value value) { return elements(value) * elementBytes(value); }

  /// What was assumed and used.
  std::vector<std::string> getAssumptions() const;

private:
  using Key = std::pair<Value, unsigned>;
  unsigned node(Value value, unsigned dim);
  unsigned find(unsigned n);
  void unite(unsigned a, unsigned b);
  void unite(Value a, unsigned i, Value b, unsigned j) {
    unite(node(a, i), node(b, j));
  }
  void uniteShapes(Value a, Value b);
  void addRole(Value value, unsigned dim, llvm::StringRef role);
  /// Ties a dimension to the index value that gives its size.
  void addSize(unsigned n, Value index);
  void visit(Operation *op);
  int64_t resolve(unsigned root, unsigned depth);
  int64_t assume(llvm::StringRef name, bool given, int64_t size);

  llvm::DenseMap<Key, unsigned> ids;
  std::vector<unsigned> parents;
  struct Class {
    int64_t size = ShapedType::kDynamic;
    std::set<std::string> roles;
    /// Nodes whose product is this size.
    llvm::SmallVector<unsigned> product;
    bool resolving = false;
  };
  std::vector<Class> classes;
  llvm::StringMap<int64_t> given;
  std::map<std::string, std::string> used;
};

//===----------------------------------------------------------------------===//
// Scalar code
//===----------------------------------------------------------------------===//

/// Float work of one evaluation of a region.
struct ScalarWork {
  double flops = 0, ops = 0, exps = 0, specials = 0;
};
ScalarWork countScalarWork(Region &region);
/// Of one operation on scalars, or per element of one on tensors.
ScalarWork countScalarWork(Operation *op);

//===----------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------===//

/// Gives the size of a dimension; ShapedType::kDynamic where unknown.
using SizeFn = llvm::function_ref<int64_t(Value, unsigned)>;

/// Bytes of a tensor, 0 for a null value and for sizes that are not known.
double totalBytes(Value value, SizeFn size);
/// True for a fill or a splat.
bool isFilled(Value value);
/// True for a state that is the identity or that a loop carries: nothing is
/// read from memory for it.
bool isFreeState(Value value);

/// Adds `flops` of vector arithmetic of which `fused` are in multiply-adds.
void addVector(Counts &c, double flops, double fused = 0);
void addSpecial(Counts &c, double exps, double others = 0);
void addScalarWork(Counts &c, const ScalarWork &work, double times);

/// Half of a cache is assumed to hold what is streamed through it.
bool fitsCache(double bytes, const ChipInfo &chip,
               const ExplainOptions &options);

/// A fused form with nothing counted yet.
FormReport makeFusedForm(double onChipBytes, TileSchedule t,
                         const ChipInfo &chip);

/// Fills in the times of a form from its counts. `tasks` is how many tiles can
/// run at once, `tileSeconds` what each core's tiles cost on top.
void setTime(FormReport &form, const ChipInfo &chip, Type type, double tasks,
             unsigned launches = 1, double tileSeconds = 0);

/// Collects the passes of an unfused form.
struct PassList {
  std::vector<PassReport> passes;
  Counts &add(llvm::StringRef name, double read, double written) {
    passes.push_back({name.str(), {}, 0});
    Counts &c = passes.back().counts;
    c.dram.read = read;
    c.dram.written = written;
    return c;
  }
};
/// Sums up kernels that run one after the other.
FormReport sumPasses(std::vector<PassReport> passes, const ChipInfo &chip,
                     Type type);

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

struct AttentionShape {
  int64_t B, Hq, Hkv, Sq, Sk, D, Dv;
  Type type, accType;
  double e, a; // Bytes of the two.
  bool backward = false;
  // The band: query i sees keys [i + lo, i + hi].
  bool causal = false;
  std::optional<int64_t> windowLeft, windowRight;
  bool bottomRight = true;
  double biasBytes = 0, biasElementBytes = 0, biasGradBytes = 0;
  bool biasRows = true, biasColumns = true; // False where it is broadcast.
  bool bias = false, segments = false, prefix = false, sinks = false;
  bool dropout = false, lse = false, maskRegion = false;
  // Of a mask region that depends on the query and the key alone.
  std::shared_ptr<MaskAnalysis> mask;
  // A score region and what it costs; its derivative is counted as twice that.
  bool scoreRegion = false;
  ScalarWork score;
  // Whether it needs hardly more registers than the score itself.
  bool isScoreCheap = false;
  // Whether rows in memory start at multiples of 16 bytes.
  bool aligned = true;
  // Whether keys or values lie in pages: tiles of them are powers of two.
  bool paged = false;
  bool keyLengths = false;
  // L1: whether the queries are the heads of a group, packed.
  bool packed = false;
  // Backward: the gradients that are computed, and whether this is the L1
  // operator, which gets delta and is one kernel.
  bool queryGrad = true, keyGrad = true, isBlock = false;
  /// A GPU computes both in one kernel, whose blocks add to that of queries.
  bool oneKernel = false;
  // The L1 operator: whether rows of its products are keys, whether it computes
  // the gradient of a bias or a captured tensor, and whether that is a number
  // for each pair.
  bool keyRows = false, pairGrad = false, pairTiles = false;
  // L1: state that comes from, and goes to, memory.
  bool stateIn = false, stateOut = false;

  double heads() const { return double(B) * Hq; }
  double kvHeads() const { return double(B) * Hkv; }
  int64_t group() const { return Hkv > 0 ? std::max<int64_t>(1, Hq / Hkv) : 1; }
};

struct ScanShape {
  int64_t B, Dm, L, N, G = 1;
  Type type, accType;
  double e, a;
  bool backward = false;
  bool variableB = false, variableC = false, hasC = true;
  double bBytes = 0, cBytes = 0, paramBytes = 0;
  bool D = false, z = false, deltaBias = false, softplus = false;
  bool out = true, stateIn = false, stateOut = false, decayOut = false;
  bool packed = false; // sequences, one behind the other
};

struct ConvShape {
  int64_t B, Dm, L, W;
  Type type, accType;
  double e, a;
  double paramBytes = 0;
  bool backward = false;
  bool bias = false, silu = false, stateIn = false, stateOut = false;
};

std::optional<AttentionShape> getAttentionShape(Operation *op, SizeFn size);
std::optional<ScanShape> getScanShape(Operation *op, SizeFn size);
std::optional<ConvShape> getConvShape(Operation *op, SizeFn size);

/// Tiles of the score matrix of one head.
struct TileCounts {
  double visiblePairs = 0;
  /// Visited tiles, those without a hidden pair, and the pairs in the
  /// visited ones (cut off at the ends of the sequences).
  double tiles = 0, fullTiles = 0, pairs = 0, fullPairs = 0;
  /// Sum over visited tiles of their rows, and of their columns.
  double rowLoads = 0, columnLoads = 0;
  /// Keys that any query tile visits.
  double keys = 0;
};
TileCounts countTiles(const AttentionShape &s, int64_t tileM, int64_t tileN);

double tileBytes(const AttentionShape &s, TileSchedule t);
double tileBytes(const ScanShape &s, TileSchedule t);
double tileBytes(const ConvShape &s, TileSchedule t);

FormReport fusedForm(const AttentionShape &s, TileSchedule t,
                     const ChipInfo &chip, const ExplainOptions &options);
FormReport fusedForm(const ScanShape &s, TileSchedule t, const ChipInfo &chip,
                     const ExplainOptions &options);
FormReport fusedForm(const ConvShape &s, TileSchedule t, const ChipInfo &chip,
                     const ExplainOptions &options);
FormReport unfusedForm(const AttentionShape &s, const ChipInfo &chip);
FormReport unfusedForm(const ScanShape &s, const ChipInfo &chip);
FormReport unfusedForm(const ConvShape &s, const ChipInfo &chip);

/// Counts for an operator of an upstream dialect, or none if it moves nothing.
std::optional<FormReport> upstreamForm(Operation *op, DimTable &dims,
                                       const ChipInfo &chip);

/// Tile sizes to compare for `op`.
/// As seqc-pack-heads has it, and as it has it for a GPU.
constexpr int64_t kFewQueries = 16, kMostPackedRows = 64;

/// The shape that the compiler gives few queries of grouped heads, where `op`
/// is an L0 operator that it does that to (seqc-pack-heads): one head for each
/// key head, and the queries of a group as its queries.
void packHeads(Operation *op, const ChipInfo &chip, AttentionShape &shape);

/// The number of parts of a call with these sizes, if `schedule` leaves that to
/// the call.
int64_t countParts(const AttentionShape &shape, const TileSchedule &schedule,
                   const ChipInfo &chip);

/// Bytes of a tile in shared memory: columns are padded to 16, then to panels
/// of 128 bytes.
int64_t sharedTileBytes(int64_t rows, int64_t columns, int64_t e);

/// How many registers each score needs besides its product, in units of what
/// segments take.
int64_t countExtras(const AttentionShape &s);

/// The schedule of one kernel of attention's backward on a GPU, and what is
/// wrong with one; "" if nothing is.
TileSchedule chooseGPUBackward(const AttentionShape &s, const ChipInfo &chip,
                               TileSchedule fixed);
std::string checkGPUBackward(const AttentionShape &s, const ChipInfo &chip,
                             TileSchedule schedule);

std::vector<TileSchedule> enumerateSchedules(Operation *op,
                                             const ChipInfo &chip);

} // namespace seqc::io

#endif // SEQC_LIB_ANALYSIS_IOMODELDETAIL_H
