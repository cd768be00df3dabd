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

  /// "B=2,S=1000" as libseqc wants it. B and S are short for the batch and for
  /// every length along the sequence.
  std::string sizes() const {
    std::string result;
    for (size_t start = 0; start < assume.size();) {
      size_t end = std::min(assume.find_first_of(", ", start), assume.size());
      std::string item = assume.substr(start, end - start);
      start = end + 1;
      if (item.rfind("B=", 0) == 0)
        item = "batch" + item.substr(1);
      else if (item.rfind("S=", 0) == 0)
        item = "seq_q" + item.substr(1) + " seq_k" + item.substr(1) +
               " length" + item.substr(1);
      result += item + " ";
    }
    return result;
  }

  void run() const {
    Source source(input);
    Buffer report = source.explain(flags, chip, sizes(), json);
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
  sub->add_option("--chip", command->chip, "cpu, a100 or h200")
      ->capture_default_str();
  sub->add_option("--assume", command->assume,
                  "Dynamic sizes: B=2,S=1000, or by name, as in "
                  "batch=2,seq_q=1,seq_k=1000,length=1000");
  sub->add_flag("--json", command->json, "Print JSON instead of a table");
  sub->add_option("-o,--output", command->output, "Where the report goes");
  command->flags.addScheduleFlags(*sub);
  sub->callback([&action, command] { action = [command] { command->run(); }; });
}
