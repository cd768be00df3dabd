//===- main.cpp - The seqc driver -----------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `seqc COMMAND ...`: a command line over libseqc's C API. docs/driver.md is
// its manual. Whatever goes wrong becomes one line on stderr and an exit code.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>

using namespace seqc::driver;

static int report(const char *kind, std::string message, ExitCode code) {
  while (!message.empty() && message.back() == '\n')
    message.pop_back();
  std::fprintf(stderr, "seqc: %s: %s\n", kind, message.c_str());
  return code;
}

int main(int argc, char **argv) {
  // A closed pipe is an error of a write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);

  Action action;
  CLI::App app("The compiler for sequence models: attention and state-space "
               "scans that keep their intermediates on chip.",
               "seqc");
  app.footer("Exit codes: 0 done; 1 a file or a value is wrong; 2 the command "
             "line is malformed;\n3 an internal error, whose message names a "
             "reproducer.");
  app.set_version_flag("--version", std::string("seqc ") +
                                        seqcCompilerVersion() +
                                        "\ntargets: " + seqcTargets());
  app.require_subcommand(1);
  addCompileCommand(app, action);
  addRunCommand(app, action);
  addExplainCommand(app, action);
  addInspectCommand(app, action);

  try {
    auto isNamed = [&](CLI::App *command) {
      return command->get_name() == argv[1];
    };
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(isNamed).empty())
      throw UsageError(std::string("no command '") + argv[1] +
                       "' (see seqc --help)");
    app.parse(argc, argv);
    action();
    return Success;
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == int(CLI::ExitCodes::Success)) {
      app.exit(error); // --help and --version
      return Success;
    }
    return report("error", error.what() + std::string(" (see seqc --help)"),
                  BadUsage);
  } catch (const UsageError &error) {
    return report("error", error.what(), BadUsage);
  } catch (const DiagnosedError &) {
    return BadInput;
  } catch (const UserError &error) {
    return report("error", error.what(), BadInput);
  } catch (const InternalError &error) {
    return report("internal error", error.what(), InternalFault);
  } catch (const std::bad_alloc &) {
    return report("error", "out of memory", BadInput);
  } catch (const std::exception &error) {
    return report("internal error", error.what(), InternalFault);
  }
}
