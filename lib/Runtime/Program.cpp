//===- Program.cpp - Loading artifacts, and the C API ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include "CudaProgram.h"

#include "seqc/Runtime/Artifact.h"
#include "seqc/Runtime/Status.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace seqc;

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// Why this machine cannot run the code of a target for the CPU, or "".
static std::string whyUnsupportedCpu(const Json &target) {
  std::string arch = text(target, "arch");
  if (arch != hostArchitecture())
    return "it is for " + arch + ", this machine is " +
           std::string(hostArchitecture());
  std::string missing;
  for (const Json &feature : member(target, "requires", Json::value_t::array)) {
    if (!feature.is_string())
      throw BadMetadata("a required feature is not a string");
    if (!hostSupports(feature.get<std::string>()))
      missing += (missing.empty() ? "" : ", ") + feature.get<std::string>();
  }
  return missing.empty() ? "" : "this processor lacks " + missing;
}

/// The content of a target's section of a kind; empty if it has none.
static std::string_view contentOf(const std::vector<ArtifactSection> &sections,
                                  SectionKind kind, size_t target) {
  for (const ArtifactSection &section : sections)
    if (section.kind == kind && section.target == target)
      return section.content;
  return {};
}

/// Why no GPU here can run a target's code, or "".
static std::string whyUnsupportedCuda(const cuda::Program &program) {
  const cuda::Driver *driver = cuda::Driver::get();
  if (!driver)
    return seqcLastErrorMessage();
  std::string reason;
  for (const cuda::DeviceInfo &device : driver->devices) {
    reason = program.whyUnsupported(device);
    if (reason.empty())
      break;
  }
  if (reason.empty() && driver->version < program.oldestDriver())
    reason = "the CUDA driver is too old";
  return reason;
}

/// Loads a target's code into `program`. Returns why it cannot run here, or "".
/// A target that was asked for by name is loaded whatever GPUs there are.
static std::string loadTarget(const Json &target, size_t number, bool byName,
                              const std::vector<ArtifactSection> &sections,
                              SeqcProgram &program, SeqcStatus &status) {
  std::string name = text(target, "name"), kind = text(target, "kind");
  if (kind == "cuda") {
    auto gpu = std::make_shared<cuda::Program>(
        target, program.functions,
        contentOf(sections, SectionKind::Cubin, number),
        contentOf(sections, SectionKind::Ptx, number));
    std::string reason = byName ? "" : whyUnsupportedCuda(*gpu);
    if (!reason.empty())
      return reason;
    for (size_t i = 0; i < program.functions.size(); ++i) {
      program.functions[i].gpu = gpu.get();
      program.functions[i].number = i;
    }
    program.gpu = std::move(gpu);
    return "";
  }
  if (kind != "cpu")
    return "this runtime runs targets of kind cpu and cuda only";
  std::string reason = whyUnsupportedCpu(target);
  if (!reason.empty())
    return reason;
  bool found = std::any_of(sections.begin(), sections.end(),
                           [&](const ArtifactSection &section) {
                             return section.kind == SectionKind::SharedObject &&
                                    section.target == number;
                           });
  if (!found)
    throw BadMetadata("no code for target '" + name + "'");
  std::string error;
  if (!program.library.load(
          contentOf(sections, SectionKind::SharedObject, number), error)) {
    status = setError(SEQC_ERROR_IO, error);
    return "";
  }
  for (SeqcFunction &function : program.functions) {
    std::string symbol = "_seqc_packed_" + function.name;
    function.code = reinterpret_cast<void (*)(void **)>(
        program.library.symbol(symbol.c_str()));
    if (!function.code)
      throw BadMetadata("no code for function '" + function.name + "'");
  }
  return "";
}

/// Picks the target, the first that runs here, and loads its code.
static SeqcStatus chooseTarget(const Json &targets, const char *wanted,
                               const std::vector<ArtifactSection> &sections,
                               SeqcProgram &program) {
  std::string names, reasons;
  for (size_t i = 0; i < targets.size(); ++i) {
    std::string name = text(targets[i], "name");
    names += (i ? ", " : "") + name;
    if (wanted && name != wanted)
      continue;
    SeqcStatus status = SEQC_OK;
    std::string reason =
        loadTarget(targets[i], i, wanted != nullptr, sections, program, status);
    if (reason.empty()) {
      program.target = name;
      return status;
    }
    reasons += (reasons.empty() ? "" : "; ") + name + ": " + reason;
  }
  if (!reasons.empty())
    return setError(SEQC_ERROR_UNSUPPORTED,
                    "cannot run this artifact here: " + reasons);
  if (wanted)
    return setError(SEQC_ERROR_NOT_FOUND, std::string("no target '") + wanted +
                                              "' in this artifact; it has " +
                                              (names.empty() ? "none" : names));
  return setError(SEQC_ERROR_INVALID_ARTIFACT, "artifact has no target");
}

static SeqcStatus loadProgram(std::string_view bytes, const char *wanted,
                              SeqcProgram **out) {
  std::string error;
  std::vector<ArtifactSection> sections;
  if (!readArtifact(bytes, SEQC_ABI_VERSION, sections, error))
    return setError(SEQC_ERROR_INVALID_ARTIFACT, error);

  auto program = std::make_unique<SeqcProgram>();
  try {
    program->metadata = std::string(sections.front().content);
    Json metadata = Json::parse(program->metadata, nullptr, false);
    if (metadata.is_discarded())
      throw BadMetadata("not JSON");
    for (const Json &json : member(metadata, "functions", Json::value_t::array))
      program->functions.push_back(readFunction(json));

    const Json &targets = member(metadata, "targets", Json::value_t::array);
    if (SeqcStatus status = chooseTarget(targets, wanted, sections, *program))
      return status;
  } catch (const BadMetadata &e) {
    return setError(SEQC_ERROR_INVALID_ARTIFACT,
                    std::string("artifact is corrupt: metadata: ") + e.what());
  } catch (const Json::exception &e) {
    return setError(SEQC_ERROR_INVALID_ARTIFACT,
                    std::string("artifact is corrupt: metadata: ") + e.what());
  }
  *out = program.release();
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

static SeqcStatus readFile(const char *path, std::string &content) {
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  auto failed = [&] {
    int code = errno;
    if (fd >= 0)
      ::close(fd);
    return setError(code == ENOENT ? SEQC_ERROR_NOT_FOUND : SEQC_ERROR_IO,
                    std::string("cannot read '") + path +
                        "': " + std::strerror(code));
  };
  struct stat info;
  if (fd < 0 || ::fstat(fd, &info) != 0)
    return failed();
  char buffer[1 << 16];
  if (info.st_size > 0)
    content.reserve(size_t(info.st_size));
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return failed();
    if (n == 0)
      break;
    content.append(buffer, size_t(n));
  }
  ::close(fd);
  return SEQC_OK;
}

static SeqcStatus nullArgument(const char *function, const char *name) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT,
                  std::string(function) + ": " + name + " is null");
}

extern "C" {

void seqcOwnerRelease(void *owner) {
  if (!owner)
    return;
  auto *held = static_cast<Owner *>(owner);
  if (held->device)
    releaseDeviceMemory(*held);
  else
    std::free(held->allocated);
  std::free(owner);
}

void seqcTensorRelease(SeqcTensor *tensor) {
  if (!tensor || !tensor->owner)
    return;
  seqcOwnerRelease(tensor->owner);
  *tensor = SeqcTensor();
}

SeqcStatus seqcProgramLoadBytes(const void *bytes, size_t size,
                                const char *target, SeqcProgram **program) {
  if (!program)
    return nullArgument("seqcProgramLoadBytes", "program");
  *program = nullptr;
  if (!bytes && size)
    return nullArgument("seqcProgramLoadBytes", "bytes");
  return guarded([&] {
    return loadProgram({static_cast<const char *>(bytes), size}, target,
                       program);
  });
}

SeqcStatus seqcProgramLoadFile(const char *path, const char *target,
                               SeqcProgram **program) {
  if (!program)
    return nullArgument("seqcProgramLoadFile", "program");
  *program = nullptr;
  if (!path)
    return nullArgument("seqcProgramLoadFile", "path");
  return guarded([&]() -> SeqcStatus {
    std::string content;
    if (SeqcStatus status = readFile(path, content))
      return status;
    SeqcStatus status = loadProgram(content, target, program);
    if (status != SEQC_OK)
      setError(status, std::string("'") + path +
                           "': " + std::string(seqcLastErrorMessage()));
    return status;
  });
}

void seqcProgramRelease(SeqcProgram *program) { delete program; }

const char *seqcProgramTarget(const SeqcProgram *program) {
  return program ? program->target.c_str() : nullptr;
}

const char *seqcProgramMetadata(const SeqcProgram *program) {
  return program ? program->metadata.c_str() : nullptr;
}

size_t seqcProgramNumFunctions(const SeqcProgram *program) {
  return program ? program->functions.size() : 0;
}

const SeqcFunction *seqcProgramFunction(const SeqcProgram *program,
                                        size_t index) {
  return program && index < program->functions.size()
             ? &program->functions[index]
             : nullptr;
}

SeqcStatus seqcProgramLookup(const SeqcProgram *program, const char *name,
                             const SeqcFunction **function) {
  if (!function)
    return nullArgument("seqcProgramLookup", "function");
  *function = nullptr;
  if (!program)
    return nullArgument("seqcProgramLookup", "program");
  if (!name)
    return nullArgument("seqcProgramLookup", "name");
  for (const SeqcFunction &candidate : program->functions) {
    if (candidate.name == name) {
      *function = &candidate;
      return SEQC_OK;
    }
  }
  return guarded([&] {
    std::string names;
    for (const SeqcFunction &candidate : program->functions)
      names += (names.empty() ? "" : ", ") + candidate.name;
    return setError(SEQC_ERROR_NOT_FOUND, std::string("no function '") + name +
                                              "'; the program has " +
                                              (names.empty() ? "none" : names));
  });
}

const char *seqcFunctionName(const SeqcFunction *function) {
  return function ? function->name.c_str() : nullptr;
}

size_t seqcFunctionNumArguments(const SeqcFunction *function) {
  return function ? function->arguments.size() : 0;
}

size_t seqcFunctionNumResults(const SeqcFunction *function) {
  return function ? function->results.size() : 0;
}

const char *seqcFunctionSignature(const SeqcFunction *function) {
  return function ? function->signature.c_str() : nullptr;
}

SeqcStatus seqcFunctionCall(const SeqcFunction *function,
                            const SeqcValue *arguments, size_t num_arguments,
                            SeqcValue *results, size_t num_results) {
  if (!function)
    return nullArgument("seqcFunctionCall", "function");
  return guarded([&] {
    return call(*function, arguments, num_arguments, results, num_results,
                CallMode());
  });
}

SeqcStatus seqcFunctionCallAsync(const SeqcFunction *function,
                                 const SeqcValue *arguments,
                                 size_t num_arguments, SeqcValue *results,
                                 size_t num_results, void *stream) {
  if (!function)
    return nullArgument("seqcFunctionCallAsync", "function");
  return guarded([&] {
    CallMode mode;
    mode.stream = stream;
    mode.inPlace = true;
    mode.wait = false;
    return call(*function, arguments, num_arguments, results, num_results,
                mode);
  });
}

SeqcStatus seqcFunctionResultShapes(const SeqcFunction *function,
                                    const SeqcValue *arguments,
                                    size_t num_arguments, int64_t *sizes,
                                    size_t num_sizes) {
  if (!function)
    return nullArgument("seqcFunctionResultShapes", "function");
  return guarded([&] {
    return resultShapes(*function, arguments, num_arguments, sizes, num_sizes);
  });
}

SeqcStatus seqcProgramCall(const SeqcProgram *program, const char *name,
                           const SeqcValue *arguments, size_t num_arguments,
                           SeqcValue *results, size_t num_results) {
  const SeqcFunction *function;
  if (SeqcStatus status = seqcProgramLookup(program, name, &function))
    return status;
  return seqcFunctionCall(function, arguments, num_arguments, results,
                          num_results);
}

} // extern "C"
