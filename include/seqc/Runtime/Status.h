//===- Status.h - The last error of a thread --------------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libseqc-runtime keeps the message that seqcLastErrorMessage() returns;
// libseqc sets it through the one function that is exported for it.
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_RUNTIME_STATUS_H
#define SEQC_RUNTIME_STATUS_H

#include "seqc-c/Runtime.h"

#include <exception>
#include <new>
#include <string>

/// Sets the calling thread's message. For libseqc only.
extern "C" SEQC_EXPORT void seqcSetLastErrorMessage(const char *message);

namespace seqc {

/// Sets the message and returns `code`.
inline SeqcStatus setError(SeqcStatus code, const std::string &message) {
  seqcSetLastErrorMessage(message.c_str());
  return code;
}

/// Runs `body`, which returns a SeqcStatus, and turns a C++ exception into one.
template <typename Body>
SeqcStatus guarded(Body &&body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return setError(SEQC_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &e) {
    return setError(SEQC_ERROR_INTERNAL,
                    std::string("internal error: ") + e.what());
  }
}

} // namespace seqc

#endif // SEQC_RUNTIME_STATUS_H
