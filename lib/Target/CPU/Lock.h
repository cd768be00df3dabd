//===- Lock.h - Keeps lld and code generation apart -------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld resets LLVM's command line options, which are global variables, at every
// link, and LLVM's passes read them. A link, which takes milliseconds,
// therefore holds this lock alone; passes share it.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_TARGET_CPU_LOCK_H
#define SEQC_LIB_TARGET_CPU_LOCK_H

#include <shared_mutex>

namespace seqc {

std::shared_mutex &getOptionsLock();

} // namespace seqc

#endif // SEQC_LIB_TARGET_CPU_LOCK_H
