//===- Explain.cpp - seqc explain -----------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

using namespace seqc::driver;

namespace {

struct ExplainCommand {
  std::string input, output = "-", chip = "cpu", assume;
  bool json = false;
  CompileFlags flags;

  void run() const {
    Source source(input);
    Buffer report = source.explain(flags, chip, assume, json);
    FileWriter file(output);
    file.write(view(report));
    file.commit();
  }
};

} // namespace

void seqc::driver::addExplainCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<ExplainCommand>();
  CLI::App *sub = app.add_subcommand(
      "explain", "Predict what each operator moves and computes, and what "
                 "limits it");
  sub->add_option("input", command->input,
                  "MLIR text or bytecode; - reads stdin")
      ->required();
  sub->add_option("--chip", command->chip,
                  std::string("One of: ") + seqcChips())
      ->capture_default_str();
  sub->add_option("--assume", command->assume,
                  "Dynamic sizes: B=2,S=1000, or of one argument: arg0.1=77");
  sub->add_flag("--json", command->json, "Print JSON instead of a table");
  sub->add_option("-o,--output", command->output, "Where the report goes");
  command->flags.addScheduleFlags(*sub);
  sub->callback([&action, command] { action = [command] { command->run(); }; });
}
