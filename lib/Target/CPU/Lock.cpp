//===- Lock.cpp - Keeps lld and code generation apart ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lock.h"

std::shared_mutex &seqc::getOptionsLock() {
  static std::shared_mutex mutex;
  return mutex;
}
