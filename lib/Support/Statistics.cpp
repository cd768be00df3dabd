//===- Statistics.cpp - What passes count ---------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Support/Statistics.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <map>
#include <mutex>
#include <string>

using namespace seqc;

namespace {
struct Entry {
  std::string description;
  std::atomic<uint64_t> count{0};
};

/// Entries stay where they are: passes keep pointers to their counts.
struct Table {
  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Entry> entries;
};
} // namespace

static Table &getTable() {
  static Table table;
  return table;
}

std::atomic<uint64_t> &PassStatistic::find(llvm::StringRef pass,
                                           llvm::StringRef name,
                                           llvm::StringRef description) {
  Table &table = getTable();
  std::lock_guard<std::mutex> lock(table.mutex);
  Entry &entry = table.entries[{pass.str(), name.str()}];
  if (entry.description.empty())
    entry.description = description.str();
  return entry.count;
}

void seqc::printStatistics(llvm::raw_ostream &os) {
  Table &table = getTable();
  std::lock_guard<std::mutex> lock(table.mutex);
  std::string pass;
  for (auto &[key, entry] : table.entries) {
    uint64_t count = entry.count.load(std::memory_order_relaxed);
    if (count == 0)
      continue;
    if (key.first != pass) {
      pass = key.first;
      os << pass << "\n";
    }
    os << llvm::formatv("  {0,10} {1} - {2}\n", count, key.second,
                        entry.description);
  }
}
