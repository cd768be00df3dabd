//===- Compile.cpp - seqc compile -----------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <unistd.h>

using namespace seqc::driver;

namespace {

struct CompileCommand {
  std::string input, output, level;
  CompileFlags flags;

  void run() const {
    bool binary = level.empty() || level == "object" || level == "library" ||
                  level == "cubin" || level == "seqc-bytecode";
    if (output.empty() && binary && (level.empty() || ::isatty(STDOUT_FILENO)))
      throw UsageError("compile: the output is binary: name its file with -o");
    std::string path = output.empty() ? "-" : output;
    if (path != "-" && isSameFile(input, path))
      throw UserError("the output '" + path + "' is the input");

    Source source(input);
    FileWriter file(path); // Fails before the work does.
    Buffer result =
        level.empty() ? source.compile(flags) : source.emit(flags, level);
    file.write(view(result));
    file.commit();
  }
};

} // namespace

void seqc::driver::addCompileCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<CompileCommand>();
  CLI::App *sub = app.add_subcommand(
      "compile", "Compile an MLIR module to one file that `seqc run` and the "
                 "runtime library load");
  sub->add_option("input", command->input,
                  "MLIR text or bytecode; - reads stdin")
      ->required();
  sub->add_option("-o,--output", command->output,
                  "Where the result goes; - is stdout, the default for text");
  sub->add_option("--emit", command->level,
                  std::string("Stop at a level and write it instead: ") +
                      seqcEmitLevels());
  command->flags.addAllFlags(*sub);
  sub->callback([&action, command] { action = [command] { command->run(); }; });
}
