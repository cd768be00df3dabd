//===- Library.h - A shared object loaded from memory -----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_RUNTIME_LIBRARY_H
#define SEQC_LIB_RUNTIME_LIBRARY_H

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace seqc {

/// Code that was loaded from bytes, unloaded with the object.
class Library {
public:
  Library() = default;
  Library(Library &&other) noexcept
      : handle(std::exchange(other.handle, nullptr)) {}
  Library &operator=(Library &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Library();

  /// Loads a shared object. On failure returns false and sets `error`.
  bool load(std::string_view bytes, std::string &error);

  /// The address of a symbol, or null.
  void *symbol(const char *name) const;

private:
  void *handle = nullptr;
};

/// Whether this processor has what compiled code needs.
/// \param features names as LLVM writes them, e.g. "avx512f".
bool hostSupports(std::string_view feature);

/// "x86_64" or "aarch64" or "".
std::string_view hostArchitecture();

/// While alive, OpenMP regions that this thread starts use the number of
/// threads of seqcSetNumThreads(), and give the cores back soon after.
class ThreadScope {
public:
  ThreadScope();
  ~ThreadScope();

private:
  int savedThreads = 0;
  int savedBlocktime = 0;
};

} // namespace seqc

#endif // SEQC_LIB_RUNTIME_LIBRARY_H
