//===- Sequences.h - How an operator goes through time ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Views of tensors in the order in which an operator goes through their steps,
// and where in this order a sequence of those that are packed in them lies. See
// ResolveSequences.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEQUENCES_H
#define SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEQUENCES_H

#include "Tiler.h"

#include "llvm/ADT/DenseMap.h"

namespace seqc {

/// Marks the loop over packed sequences.
inline constexpr llvm::StringLiteral kSequencesAttr = "seqc.sequences";

/// The steps of one operator, in its order.
class Sequences : public Tiler {
public:
  Sequences(RewriterBase &b, Location loc, Value offsets, bool isReverse)
      : Tiler(b, loc), offsets(offsets), isReverse(isReverse) {}

  /// `v`, whose last dimension is time, in the operator's order: a view.
  Value inOrder(Value v);

  /// `result`, whose last dimension is time in the operator's order, in that of
  /// memory. `like` has its sizes.
  Value inMemory(Value result, Value like);

  /// The number of packed sequences.
  Fold count();

  /// The first step of sequence `s` and how many it has, of `length` that all
  /// have together. The offsets are brought into [0, length], and the first
  /// and the last are not read, so that every step is that of a sequence,
  /// whatever the offsets are.
  std::pair<Value, Value> bounds(OpBuilder &nb, Value s, Value length);

  Value offsets; // null: the batches are the sequences
  bool isReverse;

private:
  llvm::DenseMap<Value, Value> views;
};

} // namespace seqc

#endif // SEQC_LIB_DIALECT_SEQC_TRANSFORMS_SEQUENCES_H
