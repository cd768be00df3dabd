//===- Compiler.cpp - The C API of the compiler ---------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "seqc/Runtime/Artifact.h"
#include "seqc/Runtime/Status.h"

#include "llvm/ADT/StringSwitch.h"

#include <cstring>

using namespace seqc;

struct SeqcBuffer {
  std::string bytes;
};

SeqcBuffer *seqc::makeBuffer(llvm::StringRef bytes) {
  return new SeqcBuffer{bytes.str()};
}

static SeqcStatus nullArgument(const char *function, const char *name) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  std::string(function) + ": " + name + " is null");
}

namespace {

enum class Level {
  Unknown,
  Seqc,
  Online,
  Tiled,
  Linalg,
  LLVM,
  LLVMIR,
  Assembly,
  Object,
  Library,
  Bytecode
};

} // namespace

static Level parseLevel(llvm::StringRef name) {
  return llvm::StringSwitch<Level>(name)
      .Case("seqc", Level::Seqc)
      .Case("online", Level::Online)
      .Case("tiled", Level::Tiled)
      .Case("linalg", Level::Linalg)
      .Case("llvm", Level::LLVM)
      .Case("llvm-ir", Level::LLVMIR)
      .Case("asm", Level::Assembly)
      .Case("object", Level::Object)
      .Case("library", Level::Library)
      .Case("seqc-bytecode", Level::Bytecode)
      .Default(Level::Unknown);
}

static SeqcStatus emit(Compilation &compilation, Level level,
                       std::string &text) {
  if (SeqcStatus status = compilation.parse())
    return status;
  if (level == Level::Bytecode) {
    text = compilation.bytecode();
    return text.empty() ? compilation.internalError("writing bytecode failed")
                        : SEQC_OK;
  }
  if (level <= Level::LLVM) {
    SeqcStatus status =
        level == Level::Seqc     ? compilation.canonicalize()
        : level == Level::Online ? compilation.lower(CPUStage::Online)
        : level == Level::Tiled  ? compilation.lower(CPUStage::Tiled)
        : level == Level::Linalg ? compilation.lower(CPUStage::Linalg)
                                 : compilation.lower(CPUStage::LLVM);
    if (status == SEQC_OK)
      text = compilation.moduleText();
    return status;
  }
  if (SeqcStatus status = compilation.lower(CPUStage::LLVM))
    return status;
  if (SeqcStatus status = compilation.translate())
    return status;
  if (level == Level::LLVMIR) {
    text = compilation.llvmText();
    return SEQC_OK;
  }
  llvm::SmallVector<char, 0> bytes;
  SeqcStatus status = level == Level::Assembly ? compilation.assembly(bytes)
                      : level == Level::Object ? compilation.object(bytes)
                                               : compilation.library(bytes);
  text.assign(bytes.data(), bytes.size());
  return status;
}

extern "C" {

const char *seqcCompilerVersion(void) { return SEQC_VERSION; }

const char *seqcTargets(void) { return "cpu"; }

const char *seqcEmitLevels(void) {
  return "seqc, online, tiled, linalg, llvm, llvm-ir, asm, object, library, "
         "seqc-bytecode";
}

const char *seqcBufferData(const SeqcBuffer *buffer) {
  return buffer ? buffer->bytes.c_str() : nullptr;
}

size_t seqcBufferSize(const SeqcBuffer *buffer) {
  return buffer ? buffer->bytes.size() : 0;
}

void seqcBufferRelease(SeqcBuffer *buffer) { delete buffer; }

SeqcStatus seqcBufferWriteFile(const SeqcBuffer *buffer, const char *path) {
  if (!buffer)
    return nullArgument("seqcBufferWriteFile", "buffer");
  if (!path)
    return nullArgument("seqcBufferWriteFile", "path");
  return guarded([&]() -> SeqcStatus {
    std::string problem;
    if (!writeFileAtomically(path, buffer->bytes, problem))
      return setError(SEQC_ERROR_IO, problem);
    return SEQC_OK;
  });
}

SeqcStatus seqcContextCreate(SeqcContext **context) {
  if (!context)
    return nullArgument("seqcContextCreate", "context");
  *context = nullptr;
  return guarded([&]() -> SeqcStatus {
    *context = new SeqcContext();
    return SEQC_OK;
  });
}

void seqcContextRelease(SeqcContext *context) { delete context; }

void seqcContextSetDiagnosticHandler(SeqcContext *context,
                                     SeqcDiagnosticHandler handler,
                                     void *user_data) {
  if (!context)
    return;
  std::lock_guard<std::mutex> lock(context->mutex);
  context->handler = handler;
  context->handlerData = user_data;
}

void seqcCompileOptionsInit(SeqcCompileOptions *options) {
  if (!options)
    return;
  std::memset(options, 0, sizeof(*options));
  options->struct_size = sizeof(*options);
  options->opt_level = -1;
  options->verify_each = 1;
}

SeqcStatus seqcCompile(SeqcContext *context, const char *source,
                       size_t source_size, const SeqcCompileOptions *options,
                       SeqcBuffer **artifact) {
  if (!artifact)
    return nullArgument("seqcCompile", "artifact");
  *artifact = nullptr;
  if (!context)
    return nullArgument("seqcCompile", "context");
  if (!source)
    return nullArgument("seqcCompile", "source");
  return guarded([&]() -> SeqcStatus {
    Settings settings;
    if (SeqcStatus status = settings.read(options))
      return status;
    Compilation compilation(*context, settings, {source, source_size});
    std::vector<char> bytes;
    if (SeqcStatus status = compilation.parse())
      return status;
    if (SeqcStatus status = compilation.lower(CPUStage::LLVM))
      return status;
    if (SeqcStatus status = compilation.translate())
      return status;
    if (SeqcStatus status = compilation.artifact(bytes))
      return status;
    *artifact = makeBuffer({bytes.data(), bytes.size()});
    return SEQC_OK;
  });
}

SeqcStatus seqcEmit(SeqcContext *context, const char *source,
                    size_t source_size, const SeqcCompileOptions *options,
                    const char *level, SeqcBuffer **text) {
  if (!text)
    return nullArgument("seqcEmit", "text");
  *text = nullptr;
  if (!context)
    return nullArgument("seqcEmit", "context");
  if (!source)
    return nullArgument("seqcEmit", "source");
  if (!level)
    return nullArgument("seqcEmit", "level");
  return guarded([&]() -> SeqcStatus {
    Level parsed = parseLevel(level);
    if (parsed == Level::Unknown)
      return setError(SEQC_ERROR_INVALID_ARGUMENT,
                      std::string("unknown level '") + level +
                          "', expected one of " + seqcEmitLevels());
    Settings settings;
    if (SeqcStatus status = settings.read(options))
      return status;
    Compilation compilation(*context, settings, {source, source_size});
    std::string result;
    if (SeqcStatus status = emit(compilation, parsed, result))
      return status;
    *text = makeBuffer(result);
    return SEQC_OK;
  });
}

} // extern "C"
