//===- TileScores.h - Scores of one tile of attention -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the forward and the backward of attention do with each pair of a tile
// between the product of query and key and its exponential: score region, bias,
// mask and dropout, as the body of an elementwise operator over (query, key).
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CONVERSION_SEQCTOCPU_TILESCORES_H
#define SEQC_LIB_CONVERSION_SEQCTOCPU_TILESCORES_H

#include "Decompose.h"

#include "mlir/IR/IRMapping.h"

namespace seqc::decomposition {

/// The score of a pair in base 2, -inf where it is hidden, and its derivatives
/// by the product and by what the region captures, where it yields them.
struct Score {
  Value value, derivative, captured;
};

/// Score region, bias and mask of a tile. What is the same for the whole tile
/// is built when this is. OpT is one of the L1 operators of attention.
template <typename OpT>
class TileScores {
public:
  /// With `hideRows`, queries past the last one are hidden as keys are.
  TileScores(Emitter &e, OpT op, bool hideRows);

  /// What the product of query and key is multiplied by next to the scale: a
  /// region or a bias works in base e.
  static double getBaseFactor(OpT op) { return isNatural(op) ? 1.0 : log2e; }
  /// Whether the score is the product.
  bool isIdentity() const { return !natural && !masked; }
  /// Whether some pairs may be hidden.
  bool isMasked() const { return masked; }

  /// The inputs of the elementwise operator, and how they are read.
  ValueRange getInputs() const { return inputs; }
  ArrayRef<AffineMap> getMaps() const { return maps; }
  /// The score of a product. `a` starts with the inputs.
  Score build(ImplicitLocOpBuilder &nb, ValueRange a, Value product);

private:
  static bool isNatural(OpT op) {
    return !op.getScore().empty() || op.getBias();
  }
  Value buildVisible(ImplicitLocOpBuilder &nb, ValueRange a, Value i, Value j,
                     Value safeI, Value safeJ);

  Emitter &e;
  OpT op;
  bool natural, masked, hideRows;
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  unsigned biasIndex = 0, querySegment = 0, keySegment = 0;
  Value prefix, diagonal, lastQuery, lastKey, lowest, toBase2;
  IRMapping scoreMapping, maskMapping;
};

/// Dropout of a tile.
template <typename OpT>
class TileDropout {
public:
  TileDropout(Emitter &e, OpT op);

  /// `weight / (1 - p)`, or 0 where it is dropped.
  Value build(ImplicitLocOpBuilder &nb, Value weight);

private:
  OpT op;
  Value kept, zero, limit, seedLow, seedHigh, batchWord, headWord;
};

} // namespace seqc::decomposition

#endif // SEQC_LIB_CONVERSION_SEQCTOCPU_TILESCORES_H
