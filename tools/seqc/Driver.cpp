//===- Driver.cpp - What the driver's commands share ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include "Crash.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

using namespace seqc::driver;

void seqc::driver::check(SeqcStatus status) {
  if (status == SEQC_OK)
    return;
  std::string message = seqcLastErrorMessage();
  if (message.empty())
    message = seqcStatusName(status);
  if (status == SEQC_ERROR_INTERNAL) {
    // main() says it for every internal error.
    constexpr std::string_view prefix = "internal error: ";
    if (message.compare(0, prefix.size(), prefix) == 0)
      message.erase(0, prefix.size());
    throw InternalError(message);
  }
  throw UserError(message);
}

bool seqc::driver::looksLikeArtifact(const std::string &path,
                                     std::string_view bytes) {
  constexpr std::string_view extension = ".seqc";
  return bytes.substr(0, 4) == "SEQC" ||
         (path.size() > extension.size() &&
          path.compare(path.size() - extension.size(), extension.size(),
                       extension) == 0);
}

bool seqc::driver::isForeign(std::string_view bytes) {
  constexpr std::string_view bytecode = "ML\xEFR";
  // Text has no zero byte, and every binary format has one early.
  return bytes.substr(0, bytecode.size()) != bytecode &&
         bytes.substr(0, 4096).find('\0') != std::string_view::npos;
}

void seqc::driver::addInteger(CLI::App &command, const std::string &flag,
                              int64_t &value, Range range,
                              const std::string &help) {
  auto read = [=, &value](const std::string &text) {
    char *end = nullptr;
    errno = 0;
    int64_t parsed = std::strtoll(text.c_str(), &end, 10);
    if (end == text.c_str() || *end)
      throw UsageError(flag + " is '" + text + "', expected an integer");
    bool isOpen = range.least == INT64_MIN && range.largest == INT64_MAX;
    if ((errno == ERANGE && !isOpen) || parsed < range.least ||
        parsed > range.largest)
      throw UserError(flag + " is " + text + ", expected an integer from " +
                      std::to_string(range.least) + " to " +
                      std::to_string(range.largest));
    value = parsed;
  };
  command.add_option_function<std::string>(flag, read, help)
      ->type_name("INT")
      ->default_str(std::to_string(value));
}

void CompileFlags::addScheduleFlags(CLI::App &command) {
  // libseqc knows the ranges.
  addInteger(
      command, "--tile-m", tileM, {},
      "Queries or channels in a tile, at most 4096; 0: chosen by the cost "
      "model");
  addInteger(
      command, "--tile-n", tileN, {},
      "Keys or time steps in a tile, at most 4096; 0: chosen by the cost "
      "model");
  addInteger(
      command, "--splits", splits, {},
      "Parts that the keys or the sequence are split into, at most 1024; "
      "0: chosen by the cost model");
  addInteger(command, "--stages", stages, {},
             "GPU: tiles of keys, and of values, in shared memory, at most 8; "
             "0: chosen by the cost model");
  addInteger(command, "--warps", warps, {},
             "GPU: warps that compute a tile: 1, 2, 4, 8, 12 or 16; 0: chosen "
             "by the cost model");
  command.add_option(
      "--schedule", schedule,
      "The schedule in one word: \"tile_m=64 tile_n=256 stages=2 warps=4\"; "
      "\"gpu:tile_m=128\" and \"sm_90a:tile_m=128\" are for some targets");
  command.add_option("--gpu-schedule", gpuSchedule,
                     "The same, for GPUs only: \"tile_m=128 stages=2\"");
}

void CompileFlags::addAllFlags(CLI::App &command) {
  command
      .add_option("--target", target,
                  std::string("Comma-separated targets out of: ") +
                      seqcTargets())
      ->capture_default_str();
  command.add_option("--cpu", cpu,
                     "Processor: native (the default), generic, or a name that "
                     "LLVM knows");
  command.add_option("--features", features,
                     "Processor features, as in +avx512bf16,-fma");
  addScheduleFlags(command);
  command.add_flag("--unaligned", unaligned,
                   "GPU: code for arrays whose addresses and strides are not "
                   "multiples of 16 bytes; slower");
  command.add_flag("--Wno-perf", allowSlow,
                   "GPU: kernels that spill registers, or whose asynchronous "
                   "products wait for each other, are warnings, not errors");
  command.add_option("--skip-passes", skipPasses,
                     "GPU: passes to leave out, separated by commas, of those "
                     "that only make kernels faster: to see what they are "
                     "worth");
  command.add_option(
      "--ptxas", ptxas,
      "GPU: the ptxas to use; found by itself in SEQC_PTXAS, "
      "PATH, CUDA_HOME/bin and /usr/local/cuda/bin; \"none\": PTX "
      "only");
  command.add_flag("--no-cache", noCache,
                   "Compile even if the result is in the cache on disk");
  addInteger(command, "-O", optLevel, {0, 3}, "Optimisation level of LLVM");
  command.add_option("--dump-dir", dumpDir,
                     "Folder that receives the program after every stage that "
                     "changed it");
  command.add_flag("--timing", timing,
                   "Print the time of each pass and stage to stderr");
}

Source::Source(const std::string &path) : Source(path, readFile(path)) {}

Source::Source(const std::string &path, Bytes bytes)
    : name(path == "-" ? "<stdin>" : path), content(std::move(bytes)) {
  if (looksLikeArtifact("", content.view()))
    throw UserError("'" + name + "' is a compiled program, expected MLIR");
  if (isForeign(content.view()))
    throw UserError("'" + name + "' is not MLIR, neither text nor bytecode");
  check(seqcContextCreate(&context));
  auto print = [](int32_t severity, const char *text, void *self) {
    std::fprintf(stderr, "%s\n", text);
    if (severity == SEQC_DIAGNOSTIC_ERROR)
      static_cast<Source *>(self)->sawError = true;
  };
  seqcContextSetDiagnosticHandler(context, print, this);
}

void Source::call(const CompileFlags &flags, const Call &body) {
  SeqcCompileOptions options;
  seqcCompileOptionsInit(&options);
  auto set = [](const char *&field, const std::string &value) {
    if (!value.empty())
      field = value.c_str();
  };
  std::string schedule = flags.schedule;
  auto add = [&](const char *key, int64_t value) {
    if (value != 0)
      schedule += (schedule.empty() ? "" : " ") + std::string(key) + "=" +
                  std::to_string(value);
  };
  add("tile_m", flags.tileM);
  add("tile_n", flags.tileN);
  add("splits", flags.splits);
  add("stages", flags.stages);
  add("warps", flags.warps);
  std::string_view rest = flags.gpuSchedule;
  while (!rest.empty()) {
    size_t end = std::min(rest.find_first_of(", \t\n"), rest.size());
    if (end > 0)
      schedule += (schedule.empty() ? "gpu:" : " gpu:") +
                  std::string(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  set(options.target, flags.target);
  set(options.cpu, flags.cpu);
  set(options.features, flags.features);
  set(options.schedule, schedule);
  set(options.dump_dir, flags.dumpDir);
  set(options.ptxas, flags.ptxas);
  set(options.skip_passes, flags.skipPasses);
  options.aligned = !flags.unaligned;
  options.perf_errors = !flags.allowSlow;
  options.cache = !flags.noCache;
  options.source_name = name.c_str();
  options.opt_level = int32_t(flags.optLevel);
  SeqcBuffer *timing = nullptr;
  if (flags.timing)
    options.timing = &timing;

  SeqcStatus status;
  {
    CrashGuard guard("compiling '" + name + "'", content.view());
    status = body(options);
  }
  if (Buffer table{timing})
    std::fwrite(view(table).data(), 1, view(table).size(), stderr);
  if (status == SEQC_ERROR_COMPILE && sawError)
    throw DiagnosedError();
  check(status);
}

Buffer Source::compile(const CompileFlags &flags) {
  SeqcBuffer *result = nullptr;
  call(flags, [&](const SeqcCompileOptions &options) {
    return seqcCompile(context, content.data(), content.size(), &options,
                       &result);
  });
  return Buffer(result);
}

Buffer Source::emit(const CompileFlags &flags, const std::string &level) {
  SeqcBuffer *result = nullptr;
  call(flags, [&](const SeqcCompileOptions &options) {
    return seqcEmit(context, content.data(), content.size(), &options,
                    level.c_str(), &result);
  });
  return Buffer(result);
}

Buffer Source::explain(const CompileFlags &flags, const std::string &chip,
                       const std::string &sizes, bool json) {
  SeqcBuffer *result = nullptr;
  call(flags, [&](const SeqcCompileOptions &options) {
    return seqcExplain(context, content.data(), content.size(), &options,
                       chip.c_str(), sizes.empty() ? nullptr : sizes.c_str(),
                       json, &result);
  });
  return Buffer(result);
}
