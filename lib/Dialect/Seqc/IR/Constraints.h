//===- Constraints.h - Checks behind the numbered constraints --*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/spec.md numbers what each operator demands (attention_c3, ...). A
// verifier reports a breach through `Constraints`, which puts the number in
// front of the message; the message names the value, its type and what was
// expected.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_IR_CONSTRAINTS_H
#define SEQC_LIB_DIALECT_SEQC_IR_CONSTRAINTS_H

#include "seqc/Dialect/Seqc/IR/Seqc.h"

#include "mlir/IR/PatternMatch.h"

namespace seqc {

/// The size of a dimension that two values share: static if either is.
inline int64_t refineDim(int64_t a, int64_t b) {
  return mlir::ShapedType::isDynamic(a) ? b : a;
}

/// False only if the two sizes are static and differ.
inline bool compatibleDims(int64_t a, int64_t b) {
  return mlir::ShapedType::isDynamic(a) || mlir::ShapedType::isDynamic(b) ||
         a == b;
}

/// Checks the constraints of one operator.
class Constraints {
public:
  explicit Constraints(mlir::Operation *op) : op(op) {}

  /// Starts the message of a breach: "<op>_c<number>: expected ".
  mlir::InFlightDiagnostic fail(unsigned number) const;

  /// `value` is a tensor of the given rank, whose element type is one of
  /// `elements` and which has no encoding. `dims` names the dimensions in the
  /// message. An absent optional value passes.
  mlir::LogicalResult hasRank(unsigned number, llvm::StringRef name,
                              mlir::Value value, unsigned rank,
                              llvm::StringRef dims,
                              llvm::ArrayRef<mlir::Type> elements) const;

  /// As above, with a shape that the tensor's own must be compatible with.
  mlir::LogicalResult tensor(unsigned number, llvm::StringRef name,
                             mlir::Value value, llvm::ArrayRef<int64_t> shape,
                             llvm::StringRef dims,
                             llvm::ArrayRef<mlir::Type> elements) const;

  /// `gradient` has the element type of `value` and a compatible shape. An
  /// absent gradient passes; one of an absent value does not.
  mlir::LogicalResult gradient(unsigned number, llvm::StringRef name,
                               mlir::Value gradient, llvm::StringRef valueName,
                               mlir::Value value) const;

private:
  mlir::Operation *op;
};

/// The sizes that the operands of an attention share.
struct AttentionSizes {
  AttentionSizes(mlir::RankedTensorType query, mlir::RankedTensorType key,
                 mlir::RankedTensorType value)
      : batch(refineDim(query.getDimSize(0),
                        refineDim(key.getDimSize(0), value.getDimSize(0)))),
        queryHeads(query.getDimSize(1)),
        keyHeads(refineDim(key.getDimSize(1), value.getDimSize(1))),
        queries(query.getDimSize(2)),
        keys(refineDim(key.getDimSize(2), value.getDimSize(2))),
        headDim(query.getDimSize(3)), valueDim(value.getDimSize(3)) {}

  int64_t batch, queryHeads, keyHeads, queries, keys, headDim, valueDim;
};

/// What attention has at both levels. Absent values and attributes are null.
struct AttentionOperands {
  template <typename OpT>
  static AttentionOperands get(OpT op) {
    return {op.getQuery(),          op.getKey(),
            op.getValue(),          op.getBias(),
            op.getQuerySegments(),  op.getKeySegments(),
            op.getPrefix(),         op.getSeed(),
            op.getScaleAttr(),      op.getDropoutAttr(),
            op.getWindowLeftAttr(), op.getWindowRightAttr()};
  }

  mlir::Value query, key, value, bias, querySegments, keySegments, prefix, seed;
  mlir::FloatAttr scale, dropout;
  mlir::IntegerAttr windowLeft, windowRight;
};

/// Constraints 1 to 7 of every attention.
mlir::LogicalResult verifyAttentionData(const Constraints &check,
                                        const AttentionOperands &operands);

/// Constraints 10 to 12 and 14 to 17, of operands that pass the first 7.
mlir::LogicalResult verifyAttentionOptions(const Constraints &check,
                                           const AttentionOperands &operands);

/// Constraints 18 to 20, once the operations in the regions are valid. The
/// score region yields `scoreResults` values.
mlir::LogicalResult verifyAttentionRegions(const Constraints &check,
                                           mlir::Value query,
                                           mlir::Region &score,
                                           mlir::Region &mask,
                                           unsigned scoreResults = 1);

/// Constraint 21 of attention at both levels, of operands that pass the others.
mlir::LogicalResult verifyKeyLengths(const Constraints &check,
                                     mlir::Value query, mlir::Value keyLengths);

/// The sizes that the operands of a scan share.
struct ScanSizes {
  ScanSizes(mlir::RankedTensorType u, mlir::RankedTensorType delta,
            mlir::RankedTensorType A)
      : batch(refineDim(u.getDimSize(0), delta.getDimSize(0))),
        channels(refineDim(u.getDimSize(1),
                           refineDim(delta.getDimSize(1), A.getDimSize(0)))),
        length(refineDim(u.getDimSize(2), delta.getDimSize(2))),
        stateDim(A.getDimSize(1)) {}

  int64_t batch, channels, length, stateDim;
};

/// What a scan has at both levels. Absent values are null.
struct ScanOperands {
  template <typename OpT>
  static ScanOperands get(OpT op) {
    return {op.getU(), op.getDelta(), op.getA(), op.getB(),
            op.getC(), op.getD(),     op.getZ(), op.getDeltaBias()};
  }

  mlir::Value u, delta, A, B, C, D, z, deltaBias;
};

using NamedValue = std::pair<llvm::StringRef, mlir::Value>;

/// Constraints 1 to 9 of every scan. `sameAsU` are further values with the
/// shape of `u`, `states` those with that of a state: one for each batch, or
/// for each of `sequences`, the offsets of packed sequences, if there are any.
mlir::LogicalResult verifyScan(const Constraints &check,
                               const ScanOperands &operands,
                               llvm::ArrayRef<NamedValue> sameAsU,
                               llvm::ArrayRef<NamedValue> states,
                               mlir::Value sequences = nullptr);

/// The number of states that `data` has: its batch, or the number of sequences
/// that `sequences`, if given, is the offsets of.
int64_t getNumStates(mlir::Value data, mlir::Value sequences);

/// Constraint `number`: `sequences`, if given, are the offsets of the sequences
/// that are packed in the time dimension of `data`.
mlir::LogicalResult verifySequences(const Constraints &check, unsigned number,
                                    llvm::StringRef dataName, mlir::Value data,
                                    mlir::Value sequences);

/// The sizes that the operands of a convolution share.
struct ConvSizes {
  ConvSizes(mlir::RankedTensorType x, mlir::RankedTensorType weight)
      : batch(x.getDimSize(0)),
        channels(refineDim(x.getDimSize(1), weight.getDimSize(0))),
        length(x.getDimSize(2)), width(weight.getDimSize(1)) {}

  llvm::SmallVector<int64_t> state() const {
    return {batch, channels, width - 1};
  }
  llvm::SmallVector<int64_t> state(mlir::Value data,
                                   mlir::Value sequences) const {
    return {getNumStates(data, sequences), channels, width - 1};
  }

  int64_t batch, channels, length, width;
};

/// Constraints 1 to 6 of every convolution. `sameAsX` are the values of
/// number 2.
mlir::LogicalResult verifyConv(const Constraints &check, mlir::Value x,
                               mlir::Value weight, mlir::Value bias,
                               mlir::Value initialState,
                               llvm::ArrayRef<NamedValue> sameAsX,
                               mlir::Value sequences = nullptr);

/// The four element types that the operators work on.
llvm::SmallVector<mlir::Type> getDataTypes(mlir::MLIRContext *context);

/// `element`, and its accumulator type if that is another.
llvm::SmallVector<mlir::Type> withAccumulator(mlir::Type element);

/// The sizes of `result`: an attribute where its type is static, else the size
/// of the dimension of an operand that `sources` pairs with it.
llvm::SmallVector<mlir::OpFoldResult>
reifyShape(mlir::OpBuilder &builder, mlir::Value result,
           llvm::ArrayRef<std::pair<mlir::Value, int64_t>> sources);

/// `op` with other operands, or fewer or sharper results: the results keep
/// their order, and those past the new ones, which must be unused, are gone. A
/// result whose type differs is cast back for its users.
mlir::Operation *replaceWithCopy(mlir::PatternRewriter &rewriter,
                                 mlir::Operation *op,
                                 mlir::TypeRange resultTypes,
                                 mlir::ValueRange operands);

/// The operands of `op`, each that is a `tensor.cast` which only forgets static
/// sizes replaced by what it casts. Returns whether there was one.
bool lookThroughCasts(mlir::Operation *op,
                      llvm::SmallVectorImpl<mlir::Value> &operands);

/// `type` with the dimensions of `shape` that are static.
mlir::RankedTensorType refineType(mlir::Type type,
                                  llvm::ArrayRef<int64_t> shape);

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_IR_CONSTRAINTS_H
