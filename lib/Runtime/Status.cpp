//===- Status.cpp - Error messages, versions and element types ------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Runtime/Status.h"

static std::string &lastError() {
  static thread_local std::string message;
  return message;
}

extern "C" {

void seqcSetLastErrorMessage(const char *message) {
  try {
    lastError() = message;
  } catch (const std::bad_alloc &) {
    lastError().clear();
  }
}

const char *seqcLastErrorMessage(void) { return lastError().c_str(); }

const char *seqcStatusName(SeqcStatus status) {
  switch (status) {
  case SEQC_OK:
    return "ok";
  case SEQC_ERROR_INVALID_ARGUMENT:
    return "invalid argument";
  case SEQC_ERROR_NOT_FOUND:
    return "not found";
  case SEQC_ERROR_INVALID_ARTIFACT:
    return "invalid artifact";
  case SEQC_ERROR_UNSUPPORTED:
    return "unsupported";
  case SEQC_ERROR_IO:
    return "input or output failed";
  case SEQC_ERROR_COMPILE:
    return "compilation failed";
  case SEQC_ERROR_INTERNAL:
    return "internal error";
  case SEQC_ERROR_OUT_OF_MEMORY:
    return "out of memory";
  case SEQC_ERROR_DEVICE:
    return "device failed";
  case SEQC_ERROR_MISALIGNED:
    return "misaligned argument";
  default:
    return "unknown status";
  }
}

const char *seqcRuntimeVersion(void) { return SEQC_VERSION; }

int32_t seqcRuntimeAbiVersion(void) { return SEQC_ABI_VERSION; }

const char *seqcDTypeName(SeqcDType dtype) {
  switch (dtype) {
  case SEQC_F16:
    return "f16";
  case SEQC_BF16:
    return "bf16";
  case SEQC_F32:
    return "f32";
  case SEQC_F64:
    return "f64";
  case SEQC_I1:
    return "i1";
  case SEQC_I8:
    return "i8";
  case SEQC_I32:
    return "i32";
  case SEQC_I64:
    return "i64";
  default:
    return nullptr;
  }
}

size_t seqcDTypeSize(SeqcDType dtype) {
  switch (dtype) {
  case SEQC_I1:
  case SEQC_I8:
    return 1;
  case SEQC_F16:
  case SEQC_BF16:
    return 2;
  case SEQC_F32:
  case SEQC_I32:
    return 4;
  case SEQC_F64:
  case SEQC_I64:
    return 8;
  default:
    return 0;
  }
}

} // extern "C"
