//===- Program.cpp - Loading artifacts, and the C API ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

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

/// Why this machine cannot run a target's code, or "".
static std::string whyUnsupported(const Json &target) {
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

/// Picks the target to load. Sets `number` to its position.
static SeqcStatus chooseTarget(const Json &targets, const char *wanted,
                               size_t &number) {
  std::string names, reasons;
  for (size_t i = 0; i < targets.size(); ++i) {
    std::string name = text(targets[i], "name");
    names += (i ? ", " : "") + name;
    if (wanted && name != wanted)
      continue;
    std::string reason = text(targets[i], "kind") == "cpu"
                             ? whyUnsupported(targets[i])
                             : "this runtime runs targets of kind cpu only";
    if (reason.empty()) {
      number = i;
      return SEQC_OK;
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
    size_t number = 0;
    if (SeqcStatus status = chooseTarget(targets, wanted, number))
      return status;
    program->target = text(targets[number], "name");
    auto code = std::find_if(
        sections.begin(), sections.end(), [&](const ArtifactSection &section) {
          return section.kind == SectionKind::SharedObject &&
                 section.target == number;
        });
    if (code == sections.end())
      throw BadMetadata("no code for target '" + program->target + "'");
    if (!program->library.load(code->content, error))
      return setError(SEQC_ERROR_IO, error);
    for (SeqcFunction &function : program->functions) {
      std::string symbol = "_seqc_packed_" + function.name;
      function.code = reinterpret_cast<void (*)(void **)>(
          program->library.symbol(symbol.c_str()));
      if (!function.code)
        throw BadMetadata("no code for function '" + function.name + "'");
    }
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
  std::free(static_cast<Owner *>(owner)->allocated);
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
    return call(*function, arguments, num_arguments, results, num_results);
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
