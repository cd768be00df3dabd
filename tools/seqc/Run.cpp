//===- Run.cpp - seqc run -------------------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Crash.h"
#include "Driver.h"
#include "Values.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>

using namespace seqc::driver;

namespace {

struct ProgramDeleter {
  void operator()(SeqcProgram *program) const { seqcProgramRelease(program); }
};
using Program = std::unique_ptr<SeqcProgram, ProgramDeleter>;

/// Splits "key=value"; without a '=' outside of a path, the key is empty.
std::pair<std::string, std::string> splitAssignment(const std::string &text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || text.find('/') < equals)
    return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

/// "2x1000x512".
std::vector<int64_t> parseShape(const std::string &text) {
  std::vector<int64_t> shape;
  const char *position = text.data(), *end = position + text.size();
  while (true) {
    int64_t size = 0;
    auto [next, error] = std::from_chars(position, end, size);
    if (error != std::errc() || size < 0)
      break;
    shape.push_back(size);
    if (next == end)
      return shape;
    if (*next != 'x')
      break;
    position = next + 1;
  }
  throw UserError("--shape '" + text +
                  "' is not of the form 2x1000x512 with sizes of at least 0");
}

struct RunCommand {
  std::string model, function, inputDirectory;
  std::vector<std::string> positional, inputs, outputs, dtypes, shapes;
  bool random = false;
  int64_t seed = 0, repeat = 1, threads = 0;
  CompileFlags flags;

  Program load() const;
  const SeqcFunction *select(const SeqcProgram *program) const;
  void collect(const Signature &signature, Arguments &arguments) const;
  std::vector<std::string> outputPaths(const Signature &signature) const;
  void run() const;
};

} // namespace

Program RunCommand::load() const {
  SeqcProgram *program = nullptr;
  Bytes bytes = readFile(model);
  if (looksLikeArtifact(model, bytes.view())) {
    SeqcStatus status = seqcProgramLoadBytes(bytes.data(), bytes.size(),
                                             /*target=*/nullptr, &program);
    if (status != SEQC_OK && status != SEQC_ERROR_INTERNAL)
      throw UserError("cannot load '" + model + "': " + seqcLastErrorMessage());
    check(status);
    return Program(program);
  }
  if (isForeign(bytes.view()))
    throw UserError("'" + model + "' is neither a compiled program nor MLIR");
  Buffer artifact = Source(model, std::move(bytes)).compile(flags);
  check(seqcProgramLoadBytes(view(artifact).data(), view(artifact).size(),
                             /*target=*/nullptr, &program));
  return Program(program);
}

const SeqcFunction *RunCommand::select(const SeqcProgram *program) const {
  const SeqcFunction *result = nullptr;
  if (!function.empty()) {
    check(seqcProgramLookup(program, function.c_str(), &result));
    return result;
  }
  size_t count = seqcProgramNumFunctions(program);
  if (count == 1)
    return seqcProgramFunction(program, 0);
  if (count == 0)
    throw UserError("'" + model + "' has no public function");
  std::string names;
  for (size_t i = 0; i < count; ++i)
    names += (i ? ", " : "") +
             std::string(seqcFunctionName(seqcProgramFunction(program, i)));
  throw UserError("'" + model +
                  "' has several functions: choose one with "
                  "--function out of " +
                  names);
}

void RunCommand::collect(const Signature &signature,
                         Arguments &arguments) const {
  const std::vector<Parameter> &parameters = signature.arguments;
  std::map<size_t, SeqcDType> dtypeOf;
  for (const std::string &text : dtypes) {
    auto [key, value] = splitAssignment(text);
    dtypeOf[findParameter(parameters, key, "argument")] = parseDType(value);
  }
  std::map<size_t, std::vector<int64_t>> shapeOf;
  for (const std::string &text : shapes) {
    auto [key, value] = splitAssignment(text);
    shapeOf[findParameter(parameters, key, "argument")] = parseShape(value);
  }

  auto set = [&](size_t index, const std::string &text) {
    std::optional<SeqcDType> dtype;
    if (auto it = dtypeOf.find(index); it != dtypeOf.end())
      dtype = it->second;
    if (arguments.has(index))
      throw UserError(parameters[index].describe("argument", index) +
                      " is given twice");
    arguments.set(index, text, dtype);
  };
  for (const std::string &text : inputs) {
    auto [key, value] = splitAssignment(text);
    if (key.empty())
      throw UserError("--input '" + text + "' is not of the form NAME=FILE");
    set(findParameter(parameters, key, "argument"), value);
  }
  size_t next = 0;
  for (const std::string &text : positional) {
    while (next < parameters.size() && arguments.has(next))
      ++next;
    if (next == parameters.size())
      throw UserError("'" + text + "' is one input too many for " +
                      signature.print());
    set(next, text);
  }

  std::mt19937_64 generator{uint64_t(seed)};
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (arguments.has(i))
      continue;
    const std::string &name = parameters[i].name;
    if (!inputDirectory.empty())
      arguments.set(i,
                    inputDirectory + "/" +
                        (name.empty() ? std::to_string(i) : name) + ".npy",
                    dtypeOf.count(i) ? std::optional(dtypeOf[i])
                                     : std::nullopt);
    else if (random)
      arguments.setRandom(i, shapeOf[i], generator);
    else
      throw UserError(parameters[i].describe("argument", i) + " of type " +
                      parameters[i].type() +
                      " has no input: give a .npy file, --input or "
                      "--random-inputs");
  }
}

/// The file of each result; empty where none was asked for.
std::vector<std::string>
RunCommand::outputPaths(const Signature &signature) const {
  std::vector<std::string> paths(signature.results.size());
  size_t next = 0;
  for (const std::string &text : outputs) {
    auto [key, path] = splitAssignment(text);
    size_t index = next;
    if (!key.empty())
      index = findParameter(signature.results, key, "result");
    else if (next++ >= paths.size())
      throw UserError("--output '" + path + "' is one too many for " +
                      signature.print());
    if (!paths[index].empty())
      throw UserError(signature.results[index].describe("result", index) +
                      " is written twice");
    paths[index] = path;
  }
  return paths;
}

static void printTimes(std::vector<double> times) {
  double first = times.front();
  std::sort(times.begin(), times.end());
  std::printf("time: first %.3f ms, min %.3f ms, median %.3f ms, max %.3f ms, "
              "%zu runs\n",
              first, times.front(), times[times.size() / 2], times.back(),
              times.size());
}

void RunCommand::run() const {
  check(seqcSetNumThreads(int32_t(threads)));
  Program program = load();
  const SeqcFunction *callee = select(program.get());
  Signature signature = Signature::parse(callee);
  // Bad outputs are found before the work, and no input is lost to an output.
  std::vector<std::string> paths = outputPaths(signature);
  Arguments arguments(signature);
  collect(signature, arguments);
  std::vector<std::pair<size_t, FileWriter>> files;
  for (size_t i = 0; i < paths.size(); ++i)
    if (!paths[i].empty())
      files.emplace_back(i, FileWriter(paths[i]));

  std::unique_ptr<Results> results;
  std::vector<double> times;
  prepareThreads(unsigned(seqcGetNumThreads()));
  for (int64_t i = 0; i < repeat; ++i) {
    results = std::make_unique<Results>(signature.results.size());
    CrashGuard guard("running @" + signature.name + " of '" + model + "'", {});
    auto start = std::chrono::steady_clock::now();
    SeqcStatus status =
        seqcFunctionCall(callee, arguments.get().data(), arguments.get().size(),
                         results->values.data(), results->values.size());
    std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - start;
    check(status);
    times.push_back(time.count());
  }

  // All of the files appear, or none.
  for (auto &[index, file] : files) {
    writeResult(file, signature.results[index], results->values[index]);
    file.finish();
  }
  for (auto &[index, file] : files)
    file.commit();
  if (files.empty())
    for (size_t i = 0; i < signature.results.size(); ++i) {
      const Parameter &parameter = signature.results[i];
      std::printf("%s: %s\n",
                  parameter.name.empty() ? std::to_string(i).c_str()
                                         : parameter.name.c_str(),
                  summarize(parameter, results->values[i]).c_str());
    }
  if (repeat > 1)
    printTimes(times);
}

void seqc::driver::addRunCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<RunCommand>();
  CLI::App *sub = app.add_subcommand(
      "run", "Call a function of a compiled program, or of an MLIR module, on "
             ".npy files");
  sub->add_option("model", command->model,
                  "A .seqc file, or MLIR that is compiled first")
      ->required();
  sub->add_option("inputs", command->positional,
                  "Inputs in order, without those that --input gives");
  auto addRepeated = [&](const char *flag, std::vector<std::string> &values,
                         const char *help) {
    sub->add_option(flag, values, help)->allow_extra_args(false);
  };
  sub->add_option("-f,--function", command->function,
                  "Which function, where there are several");
  addRepeated("-i,--input", command->inputs,
              "NAME=FILE.npy or INDEX=FILE.npy; NAME=3.5 for a scalar");
  sub->add_option("--input-dir", command->inputDirectory,
                  "Folder with NAME.npy for every other argument (INDEX.npy "
                  "for one without a name)");
  addRepeated("-o,--output", command->outputs,
              "FILE.npy for the results in order, or NAME=FILE.npy; without "
              "any, a summary is printed");
  addRepeated("--dtype", command->dtypes,
              "NAME=bf16: take the elements of a file as this type of the same "
              "size");
  sub->add_flag("--random-inputs", command->random,
                "Draw every other argument: floats normal, integers 0 to 3");
  addRepeated("--shape", command->shapes,
              "NAME=2x1000x512: sizes of a random argument");
  addInteger(*sub, "--seed", command->seed, {0, INT64_MAX},
             "Seed of the random inputs");
  addInteger(*sub, "--repeat", command->repeat, {1, 1000000},
             "Call this many times and print the times");
  addInteger(*sub, "--threads", command->threads, {0, 4096},
             "Threads of a call; 0 for all cores");
  command->flags.addAllFlags(*sub);
  sub->callback([&action, command] { action = [command] { command->run(); }; });
}
