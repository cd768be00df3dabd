//===- Statistics.h - What passes count -------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stand-in for mlir::Pass::Statistic that counts in every build of LLVM; see
// cmake/PassStatistics.cmake. Counts of one pass and name are summed over all
// instances and threads of the process.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_SUPPORT_STATISTICS_H
#define SEQC_SUPPORT_STATISTICS_H

#include "mlir/Pass/Pass.h"

#include <atomic>
#include <cstdint>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace seqc {

/// One number that a pass counts.
class PassStatistic {
public:
  PassStatistic(mlir::Pass *owner, const char *name, const char *description)
      : count(&find(owner->getArgument(), name, description)) {}

  PassStatistic &operator++() { return *this += 1; }
  PassStatistic &operator+=(uint64_t value) {
    count->fetch_add(value, std::memory_order_relaxed);
    return *this;
  }

private:
  static std::atomic<uint64_t> &find(llvm::StringRef pass, llvm::StringRef name,
                                     llvm::StringRef description);

  std::atomic<uint64_t> *count;
};

/// Prints every count that is not zero, by pass.
void printStatistics(llvm::raw_ostream &os);

} // namespace seqc

#endif // SEQC_SUPPORT_STATISTICS_H
