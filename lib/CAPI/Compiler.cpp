//===- Compiler.cpp - The C API of the compiler ---------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "seqc/Runtime/Artifact.h"
#include "seqc/Runtime/Status.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

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

/// A level of seqcEmit().
struct Level {
  const char *name;
  bool isOfCPU, isOfGPU;
};

constexpr Level kLevels[] = {
    {"seqc", true, true},    {"online", true, true},
    {"tiled", true, true},   {"linalg", true, false},
    {"llvm", true, false},   {"tile", false, true},
    {"staged", false, true}, {"thread", false, true},
    {"nvvm", false, true},   {"plan", false, true},
    {"llvm-ir", true, true}, {"asm", true, false},
    {"object", true, false}, {"library", true, false},
    {"ptx", false, true},    {"ptxas-log", false, true},
    {"cubin", false, true},  {"seqc-bytecode", true, true},
};

} // namespace

/// Checks that `level` is one of the only target.
static SeqcStatus checkLevel(llvm::StringRef level, const Settings &settings) {
  auto fail = [](const llvm::Twine &message) {
    return setError(SEQC_ERROR_INVALID_ARGUMENT, message.str());
  };
  if (llvm::none_of(kLevels, [&](const Level &l) { return level == l.name; }))
    return fail("unknown level '" + level + "', expected one of " +
                seqcEmitLevels());
  if (settings.targets.size() > 1)
    return fail("level '" + level + "' is of one target, but there are " +
                llvm::Twine(settings.targets.size()) + ": " +
                llvm::join(settings.targets, ", "));
  bool gpu = settings.hasGPU();
  std::string known;
  for (const Level &l : kLevels) {
    if (!(gpu ? l.isOfGPU : l.isOfCPU))
      continue;
    if (level == l.name)
      return SEQC_OK;
    known += (known.empty() ? "" : ", ") + std::string(l.name);
  }
  return fail("target '" + settings.targets.front() + "' has no level '" +
              level + "', expected one of " + known);
}

static SeqcStatus emitForCPU(Compilation &compilation, llvm::StringRef level,
                             std::string &text) {
  std::optional<CPUStage> stage =
      llvm::StringSwitch<std::optional<CPUStage>>(level)
          .Case("online", CPUStage::Online)
          .Case("tiled", CPUStage::Tiled)
          .Case("linalg", CPUStage::Linalg)
          .Case("llvm", CPUStage::LLVM)
          .Default(std::nullopt);
  if (SeqcStatus status = compilation.lower(stage.value_or(CPUStage::LLVM)))
    return status;
  if (stage) {
    text = compilation.moduleText();
    return SEQC_OK;
  }
  if (SeqcStatus status = compilation.translate())
    return status;
  if (level == "llvm-ir") {
    text = compilation.llvmText();
    return SEQC_OK;
  }
  llvm::SmallVector<char, 0> bytes;
  SeqcStatus status = level == "asm"      ? compilation.assembly(bytes)
                      : level == "object" ? compilation.object(bytes)
                                          : compilation.library(bytes);
  text.assign(bytes.data(), bytes.size());
  return status;
}

static SeqcStatus emitForGPU(Compilation &compilation, llvm::StringRef chip,
                             llvm::StringRef level, std::string &text) {
  std::optional<PTXStage> stage =
      llvm::StringSwitch<std::optional<PTXStage>>(level)
          .Case("online", PTXStage::Online)
          .Case("tiled", PTXStage::Tiled)
          .Case("tile", PTXStage::Tile)
          .Case("staged", PTXStage::Staged)
          .Case("thread", PTXStage::Thread)
          .Case("nvvm", PTXStage::LLVM)
          .Default(std::nullopt);
  if (SeqcStatus status =
          compilation.lower(chip, stage.value_or(PTXStage::LLVM)))
    return status;
  if (stage) {
    text = compilation.moduleText();
    return SEQC_OK;
  }
  if (level == "plan") {
    llvm::json::Object plan;
    SeqcStatus status = compilation.plan(plan);
    llvm::raw_string_ostream(text)
        << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(plan)));
    return status;
  }
  SerializeStage last = level == "llvm-ir" ? SerializeStage::LLVMIR
                        : level == "ptx"   ? SerializeStage::PTX
                                           : SerializeStage::Cubin;
  if (last == SerializeStage::Cubin &&
      !compilation.getSettings().ptxas.isFound())
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "level '" + level.str() +
                        "' needs ptxas, which was not found: set SEQC_PTXAS, "
                        "or install NVIDIA's CUDA toolkit or the Python "
                        "package nvidia-cuda-nvcc");
  PTXObject object;
  if (SeqcStatus status = compilation.serialize(chip, last, object))
    return status;
  text = level == "llvm-ir"     ? object.llvmIR
         : level == "ptx"       ? object.ptx
         : level == "ptxas-log" ? object.log
                                : object.cubin;
  return SEQC_OK;
}

static SeqcStatus emit(Compilation &compilation, llvm::StringRef level,
                       std::string &text) {
  if (SeqcStatus status = compilation.parse())
    return status;
  if (level == "seqc-bytecode") {
    text = compilation.bytecode();
    return text.empty() ? compilation.internalError("writing bytecode failed")
                        : SEQC_OK;
  }
  if (level == "seqc") {
    SeqcStatus status = compilation.canonicalize();
    if (status == SEQC_OK)
      text = compilation.moduleText();
    return status;
  }
  llvm::StringRef target = compilation.getSettings().targets.front();
  return isGPU(target) ? emitForGPU(compilation, target, level, text)
                       : emitForCPU(compilation, level, text);
}

extern "C" {

const char *seqcCompilerVersion(void) { return SEQC_VERSION; }

const char *seqcTargets(void) {
  static const std::string targets = [] {
    std::string text = "cpu";
    for (const PTXChip &chip : getPTXChips())
      text += ", " + chip.name.str();
    return text;
  }();
  return targets.c_str();
}

const char *seqcEmitLevels(void) {
  static const std::string levels = [] {
    std::string text;
    for (const Level &level : kLevels)
      text += (text.empty() ? "" : ", ") + std::string(level.name);
    return text;
  }();
  return levels.c_str();
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
  options->aligned = 1;
  options->perf_errors = 1;
  options->cache = 1;
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
    DiskCache cache =
        settings.useCache ? DiskCache::fromEnvironment() : DiskCache();
    if (SeqcStatus status = settings.findAssembler(cache))
      return status;
    std::optional<CacheKey> key;
    if (cache.isEnabled()) {
      key.emplace();
      key->add({source, source_size});
      settings.addTo(*key);
      if (std::optional<CacheEntry> entry = cache.load(*key)) {
        context->report(entry->messages);
        *artifact = makeBuffer(entry->content);
        return SEQC_OK;
      }
    }
    Compilation compilation(*context, settings, {source, source_size});
    std::vector<char> bytes;
    if (SeqcStatus status = compilation.artifact(bytes))
      return status;
    if (key)
      cache.store(*key, {compilation.getMessages(),
                         std::string(bytes.data(), bytes.size())});
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
    Settings settings;
    if (SeqcStatus status = settings.read(options))
      return status;
    if (SeqcStatus status = checkLevel(level, settings))
      return status;
    DiskCache cache;
    if (SeqcStatus status = settings.findAssembler(cache))
      return status;
    Compilation compilation(*context, settings, {source, source_size});
    std::string result;
    if (SeqcStatus status = emit(compilation, level, result))
      return status;
    *text = makeBuffer(result);
    return SEQC_OK;
  });
}

} // extern "C"
