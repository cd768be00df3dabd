//===- Cache.h - Compiled programs on disk ----------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CAPI_CACHE_H
#define SEQC_LIB_CAPI_CACHE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/BLAKE3.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace seqc {

/// The name of an entry: a hash of everything that decides its content.
class CacheKey {
public:
  /// Starts with what every key depends on: the format of entries and the very
  /// build of this library.
  CacheKey();

  /// Adds a text. Two sequences of texts that differ give different keys.
  CacheKey &add(llvm::StringRef text);
  CacheKey &add(int64_t number);

  /// 64 hexadecimal digits.
  std::string name() const;

private:
  mutable llvm::BLAKE3 hash;
};

struct CacheEntry {
  struct Message {
    int32_t severity;
    std::string text;
  };
  /// What the compiler said, to be said again.
  std::vector<Message> messages;
  std::string content;
};

/// A folder of entries. Any number of processes and threads may use it at once.
/// Nothing that goes wrong in it is an error: an entry that cannot be read is
/// not there, and one that cannot be written is not kept.
class DiskCache {
public:
  /// The one that the environment asks for: in $SEQC_CACHE_DIR, else in seqc
  /// under $XDG_CACHE_HOME or ~/.cache, of at most $SEQC_CACHE_SIZE (as in
  /// "512M"; 1 GiB by default). None where SEQC_CACHE is 0.
  static DiskCache fromEnvironment();

  DiskCache() = default;
  DiskCache(std::string folder, uint64_t limit)
      : folder(std::move(folder)), limit(limit) {}

  bool isEnabled() const { return !folder.empty(); }

  std::optional<CacheEntry> load(const CacheKey &key);
  void store(const CacheKey &key, const CacheEntry &entry);

private:
  std::string getPath(const std::string &name) const;
  void evict(const std::string &keep);

  std::string folder;
  uint64_t limit = 0;
};

} // namespace seqc

#endif // SEQC_LIB_CAPI_CACHE_H
