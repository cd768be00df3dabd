//===- IOReport.cpp - The report as text and as JSON ----------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Analysis/IOModel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>

using namespace seqc;
using llvm::StringRef;

StringRef seqc::stringifyResource(Resource resource, const ChipInfo &chip) {
  switch (resource) {
  case Resource::Dram:
    return chip.isCPU ? "DRAM" : "HBM";
  case Resource::Cache:
    return chip.isCPU ? "L3" : "L2";
  case Resource::Matrix:
    return "matrix";
  case Resource::Vector:
    return "vector";
  case Resource::Special:
    return "exp";
  case Resource::Launch:
    return "launch";
  }
  return "";
}

/// Three significant digits and an SI prefix: "40.3 G", "512", "7.3 m".
static std::string si(double value, StringRef unit = "") {
  if (value == 0)
    return unit.empty() ? "0" : ("0 " + unit).str();
  static const std::pair<double, StringRef> prefixes[] = {
      {1e15, "P"}, {1e12, "T"}, {1e9, "G"},  {1e6, "M"},
      {1e3, "k"},  {1, ""},     {1e-3, "m"}, {1e-6, "u"}};
  double scale = 1e-9;
  StringRef prefix = "n";
  for (auto [s, p] : prefixes)
    if (std::abs(value) >= 0.9995 * s) {
      scale = s;
      prefix = p;
      break;
    }
  double x = value / scale;
  int decimals = std::abs(x) >= 99.95 ? 0 : std::abs(x) >= 9.995 ? 1 : 2;
  if (scale == 1 && x == std::floor(x))
    decimals = 0;
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::format("%.*f", decimals, x);
  if (!unit.empty() || !prefix.empty())
    os << " " << prefix << unit;
  return text;
}

/// "1,152".
static std::string grouped(double value) {
  std::string digits = std::to_string(static_cast<int64_t>(value));
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(i, ",");
  return digits;
}

static std::string plain(double value) {
  if (value >= 1000)
    return si(value);
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.3g", value);
  return text;
}

/// Powers of 1024, for sizes of memories.
static std::string binarySize(double bytes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (bytes >= 1024 * 1024)
    os << llvm::format("%.4g MiB", bytes / (1024 * 1024));
  else if (bytes >= 1024)
    os << llvm::format("%.4g KiB", bytes / 1024);
  else
    os << llvm::format("%.0f B", bytes);
  return text;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

namespace {
/// Cells of text, printed with every column as wide as its widest.
class Table {
public:
  explicit Table(std::vector<std::string> header) { add(std::move(header)); }
  void add(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }
  void addRule() { rules.push_back(rows.size()); }

  /// The first `leftColumns` columns are aligned to the left.
  void print(llvm::raw_ostream &os, unsigned leftColumns) const {
    std::vector<size_t> widths;
    for (const auto &row : rows)
      for (size_t i = 0; i < row.size(); ++i) {
        if (i >= widths.size())
          widths.push_back(0);
        widths[i] = std::max(widths[i], row[i].size());
      }
    size_t total = 0;
    for (size_t w : widths)
      total += w + 2;
    for (size_t r = 0; r < rows.size(); ++r) {
      if (r == 1 || llvm::is_contained(rules, r))
        os << "  " << std::string(total - 2, '-') << "\n";
      std::string line;
      llvm::raw_string_ostream ls(line);
      for (size_t i = 0; i < rows[r].size(); ++i) {
        ls << "  ";
        if (i < leftColumns)
          ls << llvm::left_justify(rows[r][i], widths[i]);
        else
          ls << llvm::right_justify(rows[r][i], widths[i]);
      }
      os << StringRef(line).rtrim() << "\n";
    }
  }

private:
  std::vector<std::vector<std::string>> rows;
  std::vector<size_t> rules;
};
} // namespace

static std::string formName(const FormReport &form) {
  if (form.tileM == 0)
    return form.name;
  std::string text =
      llvm::formatv("{0} {1}x{2}", form.name, form.tileM, form.tileN).str();
  if (form.splits > 1)
    text += llvm::formatv(" split {0}", form.splits).str();
  return text;
}

static std::vector<std::string> cells(const FormReport &form, double trips,
                                      const ChipInfo &chip) {
  Counts c = form.counts;
  c.scale(trips);
  return {si(c.dram.read, "B"),
          si(c.dram.written, "B"),
          si(c.cache.total(), "B"),
          c.onChip.total() > 0 ? si(c.onChip.total(), "B") : "-",
          form.onChipBytes > 0 ? binarySize(form.onChipBytes) : "-",
          si(c.flops()),
          si(c.exps),
          plain(form.intensity()),
          si(trips * form.seconds, "s"),
          stringifyResource(form.limit, chip).str()};
}

static std::vector<std::string> row(std::string op, std::string name,
                                    std::vector<std::string> rest) {
  std::vector<std::string> all = {std::move(op), std::move(name)};
  all.insert(all.end(), std::make_move_iterator(rest.begin()),
             std::make_move_iterator(rest.end()));
  return all;
}

static std::string ratio(double unfused, double fused) {
  if (fused <= 0)
    return "";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.3gx", unfused / fused);
  return text;
}

std::string seqc::toText(const Report &report) {
  std::string text;
  llvm::raw_string_ostream os(text);
  const ChipInfo &chip = report.chip;
  StringRef dram = stringifyResource(Resource::Dram, chip);
  StringRef cache = stringifyResource(Resource::Cache, chip);
  os << "chip " << chip.name << ": " << chip.title << ", " << chip.cores
     << (chip.isCPU ? (chip.cores == 1 ? " core, " : " cores, ") : " SMs, ")
     << si(chip.clockHz, "Hz") << "\n";
  os << "  " << dram << " " << si(chip.dramBandwidth, "B/s") << ", " << cache
     << " " << binarySize(chip.cacheBytes) << " at "
     << si(chip.cacheBandwidth, "B/s") << ", on chip "
     << binarySize(chip.onChipBytes) << " per " << (chip.isCPU ? "core" : "SM")
     << "\n";
  os << "  matrix f16 " << si(chip.matrixF16, "FLOP/s") << ", f32 "
     << si(chip.matrixF32, "FLOP/s") << "; vector f32 "
     << si(chip.vectorF32, "op/s") << "; exp " << si(chip.specialF32, "/s")
     << "\n";
  if (!report.assumptions.empty())
    os << "assumed: " << llvm::join(report.assumptions, ", ") << "\n";

  for (const FunctionReport &f : report.functions) {
    os << "\nfunction @" << f.name << "\n";
    if (f.ops.empty()) {
      os << "  no operator that moves data\n";
      continue;
    }
    Table table({"op", "form", (dram + " read").str(),
                 (dram + " written").str(), (cache + " traffic").str(),
                 chip.isCPU ? "L1/L2 traffic" : "SM traffic", "tile bytes",
                 "FLOP", "exp", "FLOP/B", "time", "limit"});
    unsigned number = 0;
    for (const OpReport &op : f.ops) {
      std::string name = llvm::formatv("{0} {1}", ++number, op.op).str();
      if (op.trips != 1)
        name += llvm::formatv(" x{0}", si(op.trips)).str();
      table.add(row(name, op.hasUnfused ? formName(op.fused) : "",
                    cells(op.fused, op.trips, chip)));
      for (const FormReport &tiling : op.tilings)
        if (tiling.tileM != op.fused.tileM || tiling.tileN != op.fused.tileN)
          table.add(row("",
                        formName(tiling) + (tiling.fits ? "" : " (too big)"),
                        cells(tiling, op.trips, chip)));
      if (op.hasUnfused)
        table.add(row("", "unfused", cells(op.unfused, op.trips, chip)));
    }
    table.addRule();
    auto total = [&](StringRef label, StringRef name, const Counts &c,
                     double seconds) {
      double intensity = c.dram.total() > 0 ? c.flops() / c.dram.total() : 0;
      table.add(row(label.str(), name.str(),
                    {si(c.dram.read, "B"), si(c.dram.written, "B"),
                     si(c.cache.total(), "B"), "", "", si(c.flops()),
                     si(c.exps), plain(intensity), si(seconds, "s"), ""}));
    };
    total("total", "fused", f.fused, f.fusedSeconds);
    total("", "unfused", f.unfused, f.unfusedSeconds);
    table.add(row("", "unfused / fused",
                  {ratio(f.unfused.dram.read, f.fused.dram.read),
                   ratio(f.unfused.dram.written, f.fused.dram.written),
                   ratio(f.unfused.cache.total(), f.fused.cache.total()), "",
                   "", ratio(f.unfused.flops(), f.fused.flops()),
                   ratio(f.unfused.exps, f.fused.exps), "",
                   ratio(f.unfusedSeconds, f.fusedSeconds), ""}));
    table.print(os, 2);

    os << "\n";
    number = 0;
    for (const OpReport &op : f.ops) {
      os << "  " << ++number << " " << op.op << ": " << op.shape;
      if (op.totalPairs > 0 && op.visiblePairs != op.totalPairs)
        os << llvm::format(", %.3g%% of the scores visible",
                           100 * op.visiblePairs / op.totalPairs)
           << ", " << grouped(op.fused.tiles) << " tiles visited, "
           << grouped(op.fused.fullTiles) << " of them full";
      if (op.hasUnfused && op.unfused.workspaceBytes > 0)
        os << "; intermediates " << si(op.fused.workspaceBytes, "B")
           << " instead of " << si(op.unfused.workspaceBytes, "B");
      if (!op.location.empty())
        os << " (" << op.location << ")";
      os << "\n";
      for (const std::string &note : op.notes)
        os << "    note: " << note << "\n";
    }
  }
  return text;
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

namespace json = llvm::json;

static json::Object traffic(const Traffic &t) {
  return json::Object{{"read", t.read}, {"written", t.written}};
}

static json::Object counts(const Counts &c) {
  return json::Object{
      {"dram", traffic(c.dram)},        {"cache", traffic(c.cache)},
      {"on_chip", traffic(c.onChip)},   {"matrix_flops", c.matrixFlops},
      {"vector_flops", c.vectorFlops},  {"flops", c.flops()},
      {"vector_ops", c.vectorOps},      {"exps", c.exps},
      {"special_functions", c.specials}};
}

static json::Object formObject(const FormReport &form, const ChipInfo &chip) {
  json::Object o = counts(form.counts);
  o["form"] = form.name;
  if (form.tileM > 0) {
    json::Object schedule{{"tile_m", form.tileM},
                          {"tile_n", form.tileN},
                          {"splits", form.splits}};
    if (form.stages > 0)
      schedule["stages"] = form.stages;
    if (form.warps > 0)
      schedule["warps"] = form.warps;
    o["schedule"] = std::move(schedule);
  }
  if (form.tiles > 0) {
    o["tiles"] = form.tiles;
    o["full_tiles"] = form.fullTiles;
  }
  o["tile_bytes"] = form.onChipBytes;
  o["fits"] = form.fits;
  o["workspace_bytes"] = form.workspaceBytes;
  o["intensity"] = form.intensity();
  o["seconds"] = form.seconds;
  o["limit"] = stringifyResource(form.limit, chip);
  json::Object seconds;
  for (unsigned r = 0; r < numResources; ++r)
    seconds[stringifyResource(static_cast<Resource>(r), chip)] =
        form.resourceSeconds[r];
  o["resource_seconds"] = std::move(seconds);
  if (!form.passes.empty()) {
    json::Array passes;
    for (const PassReport &pass : form.passes) {
      json::Object p = counts(pass.counts);
      p["name"] = pass.name;
      p["seconds"] = pass.seconds;
      passes.push_back(std::move(p));
    }
    o["passes"] = std::move(passes);
  }
  return o;
}

json::Value seqc::toJSONValue(const Report &report) {
  const ChipInfo &chip = report.chip;
  json::Object root;
  root["chip"] = json::Object{{"name", chip.name},
                              {"title", chip.title},
                              {"cores", chip.cores},
                              {"clock_hz", chip.clockHz},
                              {"dram_bandwidth", chip.dramBandwidth},
                              {"cache_bandwidth", chip.cacheBandwidth},
                              {"cache_bytes", chip.cacheBytes},
                              {"on_chip_bytes", chip.onChipBytes},
                              {"matrix_f16", chip.matrixF16},
                              {"matrix_bf16", chip.matrixBF16},
                              {"matrix_f32", chip.matrixF32},
                              {"matrix_f64", chip.matrixF64},
                              {"vector_f32", chip.vectorF32},
                              {"special_f32", chip.specialF32}};
  root["assumptions"] = json::Array(report.assumptions);
  json::Array functions;
  for (const FunctionReport &f : report.functions) {
    json::Array ops;
    for (const OpReport &op : f.ops) {
      json::Object o{{"op", op.op},
                     {"location", op.location},
                     {"shape", op.shape},
                     {"trips", op.trips},
                     {"fused", formObject(op.fused, chip)}};
      if (op.totalPairs > 0) {
        o["visible_pairs"] = op.visiblePairs;
        o["total_pairs"] = op.totalPairs;
      }
      if (op.hasUnfused)
        o["unfused"] = formObject(op.unfused, chip);
      if (!op.tilings.empty()) {
        json::Array tilings;
        for (const FormReport &form : op.tilings)
          tilings.push_back(formObject(form, chip));
        o["tilings"] = std::move(tilings);
      }
      if (!op.notes.empty())
        o["notes"] = json::Array(op.notes);
      ops.push_back(std::move(o));
    }
    json::Object fused = counts(f.fused), unfused = counts(f.unfused);
    fused["seconds"] = f.fusedSeconds;
    unfused["seconds"] = f.unfusedSeconds;
    functions.push_back(json::Object{{"name", f.name},
                                     {"ops", std::move(ops)},
                                     {"fused", std::move(fused)},
                                     {"unfused", std::move(unfused)}});
  }
  root["functions"] = std::move(functions);
  return root;
}

std::string seqc::toJSON(const Report &report) {
  return llvm::formatv("{0:2}\n", toJSONValue(report)).str();
}
