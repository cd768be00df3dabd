//===- Driver.h - What the driver's commands share --------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TOOLS_SEQC_DRIVER_H
#define SEQC_TOOLS_SEQC_DRIVER_H

#include "File.h"

#include "seqc-c/Compiler.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace CLI {
class App;
} // namespace CLI

namespace seqc::driver {

enum ExitCode {
  Success = 0,
  BadInput = 1,     ///< Something that was given is wrong.
  BadUsage = 2,     ///< The command line is malformed.
  InternalFault = 3 ///< seqc is wrong; the message names a reproducer.
};

/// The command line is malformed: an unknown option or command, a missing
/// argument, a word where a number belongs. A value that cannot be is a
/// UserError.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A fault of seqc.
struct InternalError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The input is wrong, and its diagnostics are on stderr already.
struct DiagnosedError {};

/// Throws what `status` stands for, with the library's message.
void check(SeqcStatus status);

struct BufferDeleter {
  void operator()(SeqcBuffer *buffer) const { seqcBufferRelease(buffer); }
};
using Buffer = std::unique_ptr<SeqcBuffer, BufferDeleter>;

inline std::string_view view(const Buffer &buffer) {
  return {seqcBufferData(buffer.get()), seqcBufferSize(buffer.get())};
}

/// The range of an integer option.
struct Range {
  int64_t least = INT64_MIN, largest = INT64_MAX;
};

/// Adds an option that takes an integer. The command line is malformed where
/// its value is none; an integer out of the range is the user's error.
void addInteger(CLI::App &command, const std::string &flag, int64_t &value,
                Range range, const std::string &help);

/// The flags of every command that compiles.
struct CompileFlags {
  std::string target = "cpu", cpu, features, schedule, gpuSchedule, dumpDir,
              ptxas, skipPasses;
  int64_t tileM = 0, tileN = 0, splits = 0, stages = 0, warps = 0;
  int64_t optLevel = 3;
  bool timing = false;
  bool unaligned = false, allowSlow = false, noCache = false;

  /// Those that choose how operators are tiled.
  void addScheduleFlags(CLI::App &command);
  /// All of them.
  void addAllFlags(CLI::App &command);
};

/// A program's source, and the calls of libseqc on it. Diagnostics go to stderr
/// as they come.
class Source {
public:
  /// Throws UserError where the file cannot be read or holds something else.
  explicit Source(const std::string &path);
  /// Takes bytes that were read from `path`.
  Source(const std::string &path, Bytes content);
  ~Source() { seqcContextRelease(context); }
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;

  Buffer compile(const CompileFlags &flags);
  Buffer emit(const CompileFlags &flags, const std::string &level);
  Buffer explain(const CompileFlags &flags, const std::string &chip,
                 const std::string &sizes, bool json);

private:
  using Call = std::function<SeqcStatus(const SeqcCompileOptions &)>;
  void call(const CompileFlags &flags, const Call &body);

  std::string name;
  Bytes content;
  SeqcContext *context = nullptr;
  bool sawError = false;
};

/// Whether the bytes are, or once were, a compiled program rather than source.
bool looksLikeArtifact(const std::string &path, std::string_view bytes);

/// Whether the bytes cannot be MLIR, as text or as bytecode.
bool isForeign(std::string_view bytes);

/// What the command line asks for.
using Action = std::function<void()>;

/// Each adds a command, which sets `action` when it is the one given.
void addCompileCommand(CLI::App &app, Action &action);
void addExplainCommand(CLI::App &app, Action &action);
void addInspectCommand(CLI::App &app, Action &action);
void addRunCommand(CLI::App &app, Action &action);

} // namespace seqc::driver

#endif // SEQC_TOOLS_SEQC_DRIVER_H
