//===- Inspect.cpp - seqc inspect -----------------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the file itself rather than loading the program, so that code for
// another machine can be looked at too.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"
#include "Signature.h"

#include "seqc/Runtime/Artifact.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>

using namespace seqc;
using namespace seqc::driver;

namespace {

const char *kindName(SectionKind kind) {
  switch (kind) {
  case SectionKind::Metadata:
    return "metadata";
  case SectionKind::SharedObject:
    return "shared object";
  case SectionKind::Cubin:
    return "cubin";
  case SectionKind::Ptx:
    return "PTX";
  }
  return "unknown";
}

struct InspectCommand {
  std::string path;
  bool json = false;

  void run() const {
    Bytes bytes = readFile(path);
    std::vector<ArtifactSection> sections;
    std::string error;
    if (!readArtifact(bytes.view(), SEQC_ABI_VERSION, sections, error))
      throw UserError("cannot read '" + path + "': " + error);
    if (json) {
      std::printf("%s\n", std::string(sections[0].content).c_str());
      return;
    }
    try {
      print(nlohmann::json::parse(sections[0].content), bytes.size(), sections);
    } catch (const nlohmann::json::exception &error) {
      throw UserError("'" + path + "': the program's metadata is malformed: " +
                      error.what());
    }
  }

  static void printKernel(const nlohmann::json &kernel) {
    auto number = [&](const char *key) -> long long {
      return kernel.value(key, int64_t(0));
    };
    std::printf("kernel %s: %lld threads, %lld bytes of shared memory",
                kernel.at("name").get<std::string>().c_str(), number("threads"),
                number("shared_bytes") + number("static_shared_bytes"));
    if (kernel.contains("registers"))
      std::printf(", %lld registers, %lld bytes spilled", number("registers"),
                  number("spill_bytes"));
    std::printf("\n");
  }

  void print(const nlohmann::json &metadata, size_t size,
             const std::vector<ArtifactSection> &sections) const {
    std::printf("%s: %zu bytes, compiled by seqc %s\n", path.c_str(), size,
                metadata.at("seqc").get<std::string>().c_str());
    for (const nlohmann::json &function : metadata.at("functions"))
      std::printf("function %s\n", Signature::parse(function).print().c_str());
    const nlohmann::json &targets = metadata.at("targets");
    for (const nlohmann::json &target : targets) {
      std::printf("target %s", target.at("name").get<std::string>().c_str());
      for (const auto &[key, value] : target.items())
        if (key != "name" && key != "kernels" && key != "plans")
          std::printf(" %s=%s", key.c_str(),
                      value.is_string() ? value.get<std::string>().c_str()
                                        : value.dump().c_str());
      std::printf("\n");
      for (const nlohmann::json &kernel :
           target.value("kernels", nlohmann::json::array()))
        printKernel(kernel);
    }
    for (const ArtifactSection &section : sections) {
      std::printf("section %s", kindName(section.kind));
      if (section.target < targets.size())
        std::printf(
            " of %s",
            targets[section.target].at("name").get<std::string>().c_str());
      std::printf(": %zu bytes\n", section.content.size());
    }
  }
};

} // namespace

void seqc::driver::addInspectCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<InspectCommand>();
  CLI::App *sub = app.add_subcommand(
      "inspect", "List the functions, targets and sizes of a compiled program");
  sub->add_option("input", command->path, "A .seqc file")->required();
  sub->add_flag("--json", command->json, "Print the metadata as it is");
  sub->callback([&action, command] { action = [command] { command->run(); }; });
}
