//===- Crash.h - What is left of a crash ------------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A crash inside a library must not look like one to the user's scripts. While
// a guard lives, a fatal signal prints one line, writes the source to a file
// that the line names, and ends the process with InternalFault.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_CRASH_H
#define SEQC_TOOLS_SEQC_CRASH_H

#include <string>
#include <string_view>

namespace seqc::driver {

class CrashGuard {
public:
  /// `activity` completes "crashed while ..."; `source` may be empty and must
  /// outlive the guard. One guard at a time.
  CrashGuard(const std::string &activity, std::string_view source);
  ~CrashGuard();
  CrashGuard(const CrashGuard &) = delete;
  CrashGuard &operator=(const CrashGuard &) = delete;
};

/// Gives `count` threads of OpenMP what a guard needs to report that one of
/// their stacks overflowed. For compiled code that runs on as many.
void prepareThreads(unsigned count);

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_CRASH_H
