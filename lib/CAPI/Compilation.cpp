//===- Compilation.cpp - One source through the compiler ------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A failure is the source's where the parser or the verifier of the source
// reports it, or where a pass of seqc does and leaves valid IR behind.
// Everything else (a pass that fails without a word, one that leaves invalid
// IR, an upstream pass that rejects what seqc gave it, code generation) is a
// fault of seqc and comes with a reproducer: the source with the pipeline that
// was run on it, for `seqc-opt --run-reproducer`.
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "seqc/Analysis/ChipInfo.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"
#include "seqc/Runtime/Artifact.h"
#include "seqc/Runtime/Status.h"
#include "seqc/Support/Register.h"
#include "seqc/Target/PTX/HostPlan.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/AsmParser/AsmParserState.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <atomic>

using namespace mlir;
using namespace seqc;

/// Lowering calls functions of libc, libm and seqc's own by name: malloc,
/// exp2f, memrefCopy. A function of the source may have any of these names, so
/// while it is lowered it has one that no C function has.
static constexpr StringLiteral kSymbolPrefix = "seqc.";

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

static const DialectRegistry &sharedRegistry() {
  static const DialectRegistry registry = [] {
    DialectRegistry registry;
    seqc::registerAllDialects(registry);
    registerCPUTranslations(registry);
    registerPTXTranslations(registry);
    return registry;
  }();
  return registry;
}

std::unique_ptr<MLIRContext> SeqcContext::acquire() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!idle.empty()) {
      std::unique_ptr<MLIRContext> context = std::move(idle.back());
      idle.pop_back();
      return context;
    }
  }
  // One compilation runs on one thread: callers have more of them at once.
  return std::make_unique<MLIRContext>(sharedRegistry(),
                                       MLIRContext::Threading::DISABLED);
}

void SeqcContext::release(std::unique_ptr<MLIRContext> context) {
  std::lock_guard<std::mutex> lock(mutex);
  if (++uses[context.get()] < kMaxUses) {
    idle.push_back(std::move(context));
    return;
  }
  uses.erase(context.get());
}

void SeqcContext::report(ArrayRef<CacheEntry::Message> messages) {
  SeqcDiagnosticHandler handler;
  void *data;
  {
    std::lock_guard<std::mutex> lock(mutex);
    handler = this->handler;
    data = handlerData;
  }
  if (handler)
    for (const CacheEntry::Message &message : messages)
      handler(message.severity, message.text.c_str(), data);
}

//===----------------------------------------------------------------------===//
// Settings
//===----------------------------------------------------------------------===//

static SeqcStatus badOption(const Twine &message) {
  return setError(SEQC_ERROR_INVALID_ARGUMENT, message.str());
}

bool seqc::isGPU(StringRef target) { return findPTXChip(target) != nullptr; }

StringRef seqc::getTileChip(StringRef target) {
  return target.consume_front("cpu-tile:") && isGPU(target) ? target : "";
}

SeqcStatus Settings::readTargets(StringRef text) {
  targets.clear();
  SmallVector<StringRef> names;
  text.split(names, ',');
  for (StringRef name : names) {
    name = name.trim();
    if (name != "cpu" && !isGPU(name) && getTileChip(name).empty())
      return badOption("unknown target '" + name +
                       "': this build compiles for " + seqcTargets());
    if (!getTileChip(name).empty() && names.size() > 1)
      return badOption("target '" + name + "' is for tests: it stands alone");
    if (!llvm::is_contained(targets, name))
      targets.push_back(name.str());
  }
  return SEQC_OK;
}

SeqcStatus Settings::readSkippedPasses(StringRef text) {
  SmallVector<StringRef> names;
  llvm::SplitString(text, names, ", \t\n");
  for (StringRef name : names) {
    if (!llvm::is_contained(getOptionalPasses(), name))
      return badOption("skip_passes: '" + name +
                       "' is not a pass that can be left out, which are " +
                       llvm::join(getOptionalPasses(), ", "));
    skipPasses.push_back(name.str());
  }
  llvm::sort(skipPasses);
  skipPasses.erase(llvm::unique(skipPasses), skipPasses.end());
  return SEQC_OK;
}

SeqcStatus Settings::readSchedule(StringRef text) {
  using Overrides = ScheduleOverrides;
  SmallVector<StringRef> items;
  llvm::SplitString(text, items, ", \t\n");
  for (StringRef item : items) {
    auto [key, value] = item.split('=');
    StringRef prefix;
    if (key.contains(':'))
      std::tie(prefix, key) = key.split(':');
    if (!prefix.empty() && prefix != "gpu" && prefix != "cpu" && !isGPU(prefix))
      return badOption("schedule '" + text + "': '" + prefix +
                       "' is neither gpu nor a target, which are " +
                       seqcTargets());
    std::string name = key.str();
    std::replace(name.begin(), name.end(), '-', '_');
    auto field = llvm::StringSwitch<int64_t Overrides::*>(name)
                     .Case("tile_m", &Overrides::tileM)
                     .Case("tile_n", &Overrides::tileN)
                     .Case("splits", &Overrides::splits)
                     .Case("stages", &Overrides::stages)
                     .Case("warps", &Overrides::warps)
                     .Default(nullptr);
    if (!field)
      return badOption("schedule '" + text + "': unknown key '" + key +
                       "', expected tile_m, tile_n, splits, stages or warps");
    int64_t number = 0;
    if (!value.getAsInteger(10, number) &&
        checkScheduleParameter(name, number).empty()) {
      schedule.push_back({prefix.str(), field, number});
      continue;
    }
    std::string expected =
        name == "warps" ? "0 (chosen by the cost model), 1, 2, 4, 8, 12 or 16"
                        : "an integer from 0 (chosen by the cost model) to " +
                              std::to_string(getScheduleLimit(name));
    return badOption("schedule '" + text + "': value of " + name + " is '" +
                     value + "', expected " + expected);
  }
  return SEQC_OK;
}

ScheduleOverrides Settings::getSchedule(StringRef target) const {
  if (StringRef chip = getTileChip(target); !chip.empty())
    return getSchedule(chip);
  ScheduleOverrides result;
  for (const ScheduleItem &item : schedule)
    if (item.prefix.empty() || item.prefix == target ||
        (item.prefix == "gpu" && isGPU(target)))
      result.*item.field = item.value;
  return result;
}

SeqcStatus Settings::read(const SeqcCompileOptions *given) {
  SeqcCompileOptions options;
  seqcCompileOptionsInit(&options);
  if (given) {
    if (given->struct_size <
        offsetof(SeqcCompileOptions, target) + sizeof(options.target))
      return badOption("options.struct_size is " + Twine(given->struct_size) +
                       ": call seqcCompileOptionsInit first");
    std::memcpy(&options, given, std::min(given->struct_size, sizeof(options)));
  }
  if (options.timing)
    *options.timing = nullptr;
  if (options.target)
    if (SeqcStatus status = readTargets(options.target))
      return status;
  if (options.opt_level < -1 || options.opt_level > 3)
    return badOption("options.opt_level is " + Twine(options.opt_level) +
                     ", expected -1 to 3");
  if (options.cpu && *options.cpu)
    cpu.cpu = options.cpu;
  if (options.features)
    cpu.features = options.features;
  optLevel = options.opt_level < 0 ? 3 : unsigned(options.opt_level);
  cpu.optLevel = optLevel;
  if (options.schedule)
    if (SeqcStatus status = readSchedule(options.schedule))
      return status;
  aligned = options.aligned != 0;
  perfErrors = options.perf_errors != 0;
  if (options.skip_passes)
    if (SeqcStatus status = readSkippedPasses(options.skip_passes))
      return status;
  if (options.ptxas)
    ptxasSearch.path = options.ptxas;
  if (options.ptxas_folders) {
    SmallVector<StringRef> folders;
    StringRef(options.ptxas_folders).split(folders, ':', -1, false);
    for (StringRef folder : folders)
      ptxasSearch.folders.push_back(folder.str());
  }
  if (options.source_name)
    sourceName = options.source_name;
  if (options.dump_dir)
    dumpDir = options.dump_dir;
  if (options.reproducer_dir) {
    reproducerDir = options.reproducer_dir;
  } else {
    std::optional<std::string> folder = llvm::sys::Process::GetEnv("TMPDIR");
    reproducerDir = folder && !folder->empty() ? *folder : "/tmp";
  }
  verifyEach = options.verify_each != 0;
  timing = options.timing;
  useCache = options.cache != 0 && dumpDir.empty() && !timing;
  if (!dumpDir.empty())
    if (std::error_code ec = llvm::sys::fs::create_directories(
            dumpDir, /*IgnoreExisting=*/true, llvm::sys::fs::all_all))
      return setError(SEQC_ERROR_IO, "cannot create dump folder '" + dumpDir +
                                         "': " + ec.message());
  return SEQC_OK;
}

bool Settings::hasGPU() const {
  return llvm::any_of(targets,
                      [](const std::string &name) { return isGPU(name); });
}

SeqcStatus Settings::findAssembler(DiskCache &cache) {
  /// Versions are entries of the cache like programs.
  struct Memory : PtxasMemory {
    explicit Memory(DiskCache &cache) : cache(cache) {}
    std::string recall(StringRef file) override {
      auto entry = cache.load(getKey(file));
      return entry ? entry->content : "";
    }
    void remember(StringRef file, StringRef version) override {
      cache.store(getKey(file), {{}, version.str()});
    }
    static CacheKey getKey(StringRef file) {
      return CacheKey().add("version of ptxas").add(file);
    }
    DiskCache &cache;
  };
  if (!hasGPU())
    return SEQC_OK;
  Memory memory(cache);
  std::string problem;
  ptxas = findPtxas(ptxasSearch, problem, &memory);
  return problem.empty() ? SEQC_OK : badOption(problem);
}

void Settings::addTo(CacheKey &key) const {
  key.add(sourceName).add(optLevel).add(verifyEach);
  for (const std::string &target : targets) {
    key.add(target);
    ScheduleOverrides schedule = getSchedule(target);
    key.add(schedule.tileM).add(schedule.tileN).add(schedule.splits);
    key.add(schedule.stages).add(schedule.warps);
    key.add(aligned).add(perfErrors).add(llvm::join(skipPasses, ","));
    if (isGPU(target)) {
      // Without one that was wanted there is a warning.
      key.add(ptxas.isUnwanted ? "none" : ptxas.version);
      continue;
    }
    key.add(cpu.cpu).add(cpu.features);
    if (cpu.cpu != "native")
      continue;
    // Folders may be shared between machines.
    key.add(llvm::sys::getHostCPUName());
    std::vector<std::string> features;
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      if (feature.second)
        features.push_back(feature.first().str());
    llvm::sort(features);
    key.add(llvm::join(features, ","));
    if (std::optional<ChipInfo> chip = getChipInfo("cpu"))
      key.add(chip->cores)
          .add(chip->cacheBytes)
          .add(chip->onChipBytes)
          .add(chip->l1Bytes);
  }
}

//===----------------------------------------------------------------------===//
// Watching passes
//===----------------------------------------------------------------------===//

/// Notes which pass fails and how, and dumps the program after each.
class Compilation::Watcher : public PassInstrumentation {
public:
  explicit Watcher(Compilation &compilation) : compilation(compilation) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    if (compilation.settings.dumpDir.empty() || pass->getArgument().empty())
      return;
    std::string text;
    llvm::raw_string_ostream os(text);
    op->print(os, OpPrintingFlags().useLocalScope());
    os << "\n";
    // Many passes have nothing to do.
    std::string &last = texts[op];
    if (text == last)
      return;
    last = text;
    std::string name = pass->getArgument().str();
    if (auto symbol = op->getAttrOfType<StringAttr>("sym_name")) {
      StringRef function = symbol.getValue();
      function.consume_front(kSymbolPrefix);
      name += "-" + function.str();
    }
    if (!compilation.stage.empty())
      name = compilation.stage + "-" + name;
    compilation.dump(name + ".mlir", text);
  }

  void runAfterPassFailed(Pass *pass, Operation *op) override {
    // The innermost comes first.
    if (!failedPass.empty())
      return;
    failedPass = pass->getArgument().str();
    if (failedPass.empty())
      failedPass = pass->getName().str();
    ScopedDiagnosticHandler quiet(op->getContext(),
                                  [](Diagnostic &) { return success(); });
    leftInvalid = failed(verify(op));
  }

  std::string failedPass;
  bool leftInvalid = false;

private:
  Compilation &compilation;
  llvm::DenseMap<Operation *, std::string> texts;
};

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

Compilation::Compilation(SeqcContext &owner, const Settings &settings,
                         StringRef source)
    : owner(owner), settings(settings), source(source),
      context(owner.acquire()) {
  handlerID =
      context->getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
        diagnose(diagnostic);
        return success();
      });
  if (settings.timing) {
    timingManager.setEnabled(true);
    timingManager.setDisplayMode(DefaultTimingManager::DisplayMode::Tree);
    timingManager.setOutput(createOutputStrategy(
        DefaultTimingManager::OutputFormat::Text, timingStream));
    timing = timingManager.getRootScope();
  }
}

Compilation::~Compilation() {
  finishTiming();
  module = nullptr;
  context->getDiagEngine().eraseHandler(handlerID);
  owner.release(std::move(context));
}

void Compilation::finishTiming() {
  if (!settings.timing)
    return;
  timing.stop();
  timingManager.print();
  // It prints once more when it goes.
  timingManager.setEnabled(false);
  *settings.timing = makeBuffer(timingText);
}

/// "name:line:column", or `name` where the location has no position.
static std::string formatLocation(Location location, StringRef name) {
  std::string text;
  location->walk([&](Location nested) {
    if (auto file = dyn_cast<FileLineColLoc>(nested)) {
      text = (file.getFilename().getValue() + ":" + Twine(file.getLine()) +
              ":" + Twine(file.getColumn()))
                 .str();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return text.empty() ? name.str() : text;
}

void Compilation::diagnose(Diagnostic &diagnostic) {
  auto format = [&](Diagnostic &d, StringRef severity) {
    // Later lines show IR; one line says what is wrong.
    std::string message = d.str();
    return formatLocation(d.getLocation(), settings.sourceName) + ": " +
           severity.str() + ": " +
           llvm::join(llvm::split(StringRef(message).rtrim(), '\n'), " ");
  };
  SeqcDiagnosticHandler handler;
  void *data;
  {
    std::lock_guard<std::mutex> lock(owner.mutex);
    handler = owner.handler;
    data = owner.handlerData;
  }
  auto report = [&](int32_t severity, const std::string &line, bool isError) {
    if (isError)
      errors += (errors.empty() ? "" : "\n") + line;
    else
      messages.push_back({severity, line});
    if (handler)
      handler(severity, line.c_str(), data);
  };
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    report(SEQC_DIAGNOSTIC_ERROR, format(diagnostic, "error"), true);
    break;
  case DiagnosticSeverity::Warning:
    report(SEQC_DIAGNOSTIC_WARNING, format(diagnostic, "warning"), false);
    break;
  case DiagnosticSeverity::Remark:
    report(SEQC_DIAGNOSTIC_REMARK, format(diagnostic, "remark"), false);
    break;
  case DiagnosticSeverity::Note:
    report(SEQC_DIAGNOSTIC_NOTE, format(diagnostic, "note"), false);
    break;
  }
  for (Diagnostic &note : diagnostic.getNotes()) {
    // "see current operation" repeats the IR, which is no help in one line.
    if (StringRef(note.str()).starts_with("see current operation"))
      continue;
    report(SEQC_DIAGNOSTIC_NOTE, format(note, "note"), isError);
  }
}

void Compilation::dump(StringRef name, StringRef content) {
  if (settings.dumpDir.empty())
    return;
  std::string number;
  llvm::raw_string_ostream(number) << llvm::format("%03u-", dumpCount++);
  llvm::SmallString<128> path(settings.dumpDir);
  llvm::sys::path::append(path, number + name.str());
  std::string problem;
  if (!writeFileAtomically(path.str().str(),
                           std::string_view(content.data(), content.size()),
                           problem) &&
      dumpProblem.empty())
    dumpProblem = problem;
}

SeqcStatus Compilation::sourceError() {
  return setError(SEQC_ERROR_COMPILE,
                  errors.empty() ? settings.sourceName + ": error: invalid"
                                 : errors);
}

std::string Compilation::writeReproducer() {
  std::string text;
  llvm::raw_string_ostream os(text);
  std::string body = source;
  if (isBytecode(llvm::MemoryBufferRef(source, settings.sourceName))) {
    body.clear();
    if (auto again = parseSourceString<ModuleOp>(source, context.get())) {
      llvm::raw_string_ostream bodyOs(body);
      again->print(bodyOs);
    }
  }
  os << "// Run: seqc-opt --run-reproducer THIS_FILE\n";
  os << "// Pipeline: " << pipeline << "\n";
  os << body << "\n";
  // A source may have resources of its own, and a file has one such section.
  if (!StringRef(body).contains("{-#") && !pipeline.empty()) {
    os << "{-#\n  external_resources: {\n    mlir_reproducer: {\n"
       << "      pipeline: \"";
    llvm::printEscapedString(pipeline, os);
    os << "\",\n      disable_threading: true,\n      verify_each: true\n"
       << "    }\n  }\n#-}\n";
  }
  static std::atomic<unsigned> counter{0};
  llvm::SmallString<128> path(settings.reproducerDir);
  llvm::sys::path::append(
      path, "seqc-reproducer-" + Twine(llvm::sys::Process::getProcessId()) +
                "-" + Twine(counter.fetch_add(1)) + ".mlir");
  std::string problem;
  if (!writeFileAtomically(path.str().str(), text, problem))
    return "no reproducer: " + problem;
  return "reproducer: " + path.str().str();
}

SeqcStatus Compilation::internalError(const std::string &what) {
  std::string message = "internal error: " + what;
  if (!errors.empty())
    message += ": " + StringRef(errors).split('\n').first.str();
  return setError(SEQC_ERROR_INTERNAL, message + "; " + writeReproducer());
}

/// Damaged bytecode can hold what no text can: tensors of negative sizes.
static LogicalResult checkSizes(ModuleOp module) {
  auto check = [](Value value) {
    auto type = dyn_cast<ShapedType>(value.getType());
    if (!type || !type.hasRank())
      return success();
    for (int64_t size : type.getShape())
      if (size < 0 && ShapedType::isStatic(size))
        return LogicalResult(emitError(value.getLoc())
                             << "a tensor has a size of " << size
                             << ", expected none below 0");
    return success();
  };
  WalkResult result = module.walk([&](Operation *op) {
    for (Value value : op->getResults())
      if (failed(check(value)))
        return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value value : block.getArguments())
          if (failed(check(value)))
            return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

SeqcStatus Compilation::parse() {
  TimingScope scope = timing.nest("Parse");
  auto buffer = llvm::MemoryBuffer::getMemBuffer(source, settings.sourceName);
  bool isText = !isBytecode(buffer->getMemBufferRef());
  sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  ParserConfig config(context.get(), /*verifyAfterParse=*/true);
  if (isText) {
    asmState = std::make_unique<AsmParserState>();
    Block block;
    if (failed(parseAsmSourceFile(*sources, &block, config, asmState.get())))
      return sourceError();
    // A source of one module is that; anything else is the body of one.
    if (llvm::hasSingleElement(block) && isa<ModuleOp>(block.front())) {
      module = cast<ModuleOp>(block.front());
      module->getOperation()->remove();
    } else {
      module = ModuleOp::create(FileLineColLoc::get(
          context.get(), settings.sourceName, /*line=*/1, /*column=*/1));
      Block *body = module->getBody();
      body->getOperations().splice(body->end(), block.getOperations());
      if (failed(verify(*module)))
        return sourceError();
    }
  } else {
    module = parseSourceFile<ModuleOp>(*sources, config);
    if (!module || failed(checkSizes(*module)))
      return sourceError();
  }
  if (!settings.dumpDir.empty())
    dump("source.mlir", moduleText());
  return SEQC_OK;
}

/// Whether seqc wrote the pass. Its errors are about the source, but for those
/// of the conversion framework.
static bool isOurs(StringRef pass) {
  return pass.starts_with("seqc-") || pass.starts_with("tile-") ||
         pass.starts_with("convert-seqc-") || pass.starts_with("convert-tile-");
}

SeqcStatus Compilation::run(PassManager &pm) {
  TimingScope scope = timing.nest("Passes");
  pipeline.clear();
  llvm::raw_string_ostream os(pipeline);
  pm.printAsTextualPipeline(os);
  pm.enableVerifier(settings.verifyEach);
  if (settings.timing)
    pm.enableTiming(scope);
  auto owned = std::make_unique<Watcher>(*this);
  Watcher &watcher = *owned;
  pm.addInstrumentation(std::move(owned));

  if (succeeded(pm.run(*module)) &&
      (settings.verifyEach || succeeded(verify(*module))))
    return SEQC_OK;
  if (watcher.failedPass.empty())
    return internalError("the passes left an invalid program");
  if (watcher.leftInvalid)
    return internalError("pass '" + watcher.failedPass +
                         "' left an invalid program");
  if (errors.empty())
    return internalError("pass '" + watcher.failedPass +
                         "' failed without a message");
  if (isOurs(watcher.failedPass) &&
      !StringRef(errors).contains("failed to legalize"))
    return sourceError();
  return internalError("pass '" + watcher.failedPass + "' failed");
}

SeqcStatus Compilation::canonicalize() {
  PassManager pm(context.get(), ModuleOp::getOperationName());
  pm.addPass(createCanonicalizerPass());
  return run(pm);
}

SeqcStatus Compilation::createTarget() {
  if (target)
    return SEQC_OK;
  auto created = CPUTarget::create(settings.cpu);
  if (!created)
    return setError(SEQC_ERROR_INVALID_ARGUMENT,
                    llvm::toString(created.takeError()));
  target = std::move(*created);
  return SEQC_OK;
}

/// Renames every symbol `f` of the module to `seqc.f`.
static void addSymbolPrefix(ModuleOp module) {
  SymbolTable symbols(module);
  SmallVector<Operation *> named;
  for (Operation &op : module.getOps())
    if (isa<SymbolOpInterface>(op) && SymbolTable::getSymbolName(&op))
      named.push_back(&op);
  // The longest first, as `seqc.f` may be the name of another.
  llvm::sort(named, [](Operation *lhs, Operation *rhs) {
    return SymbolTable::getSymbolName(lhs).size() >
           SymbolTable::getSymbolName(rhs).size();
  });
  for (Operation *op : named) {
    StringRef name = SymbolTable::getSymbolName(op);
    (void)symbols.rename(op, (kSymbolPrefix + name).str());
  }
}

/// Gives the C interface of public functions the name that the source gave
/// them: `_mlir_ciface_f`.
static void removePrefixOfInterfaces(ModuleOp module,
                                     ArrayRef<Signature> signatures) {
  SymbolTable symbols(module);
  std::vector<StringRef> names;
  for (const Signature &signature : signatures)
    names.push_back(signature.name);
  // The shortest first, for the same reason.
  llvm::sort(names, [](StringRef lhs, StringRef rhs) {
    return lhs.size() < rhs.size();
  });
  for (StringRef name : names)
    if (Operation *op =
            symbols.lookup(("_mlir_ciface_" + kSymbolPrefix + name).str()))
      (void)symbols.rename(op, ("_mlir_ciface_" + name).str());
}

SeqcStatus Compilation::prepare() {
  if (isPrepared)
    return SEQC_OK;
  // It would need an assembler in libseqc.
  bool hasAssembly = false;
  module->walk([&](LLVM::InlineAsmOp op) {
    op.emitOpError("is not supported: seqc compiles no assembly");
    hasAssembly = true;
  });
  if (hasAssembly)
    return sourceError();
  FailureOr<std::vector<Signature>> described =
      describeFunctions(*module, asmState.get());
  if (failed(described))
    return sourceError();
  signatures = std::move(*described);
  // The names are in the signatures now; LLVM has no place for them.
  module->walk([](func::FuncOp function) {
    auto name = StringAttr::get(function.getContext(), "seqc.name");
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      function.removeArgAttr(i, name);
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      function.removeResultAttr(i, name);
  });
  isPrepared = true;
  return SEQC_OK;
}

SeqcStatus Compilation::lower(CPUStage last) {
  if (SeqcStatus status = createTarget())
    return status;
  if (SeqcStatus status = prepare())
    return status;
  CPUPipelineOptions options;
  StringRef chip = getTileChip(settings.targets.front());
  ScheduleOverrides schedule = settings.getSchedule("cpu");
  options.tileM = schedule.tileM;
  options.tileN = schedule.tileN;
  options.splits = schedule.splits;
  options.vectorBits = target->getVectorBits();
  // Another machine's code gets the schedule of its class, not of this machine.
  if (settings.cpu.cpu != "native")
    options.chip = target->getVectorBits() >= 512 ? "x86-64-v4" : "x86-64-v3";
  PassManager pm(context.get(), ModuleOp::getOperationName());
  if (chip.empty()) {
    buildCPUPipeline(pm, options, last);
  } else {
    PTXPipelineOptions kernels;
    settings.setOptions(chip, kernels);
    buildThroughTilePipeline(pm, kernels, options, last);
  }
  if (last != CPUStage::LLVM)
    return run(pm);
  addSymbolPrefix(*module);
  SeqcStatus status = run(pm);
  if (status == SEQC_OK)
    removePrefixOfInterfaces(*module, signatures);
  return status;
}

SeqcStatus Compilation::translate() {
  llvmContext = std::make_unique<llvm::LLVMContext>();
  llvmContext->setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *self) {
        if (info->getSeverity() != llvm::DS_Error)
          return;
        std::string &errors = static_cast<Compilation *>(self)->errors;
        llvm::raw_string_ostream os(errors);
        llvm::DiagnosticPrinterRawOStream printer(os);
        os << (errors.empty() ? "" : "\n");
        info->print(printer);
      },
      this);
  std::vector<std::string> names;
  for (const Signature &signature : signatures)
    names.push_back(signature.name);
  {
    TimingScope scope = timing.nest("Translate to LLVM IR");
    auto translated = target->translate(*module, names, *llvmContext);
    if (!translated) {
      std::string message = llvm::toString(translated.takeError());
      return internalError("translation to LLVM IR failed" +
                           (message.empty() ? "" : ": " + message));
    }
    llvmModule = std::move(*translated);
  }
  if (!settings.dumpDir.empty())
    dump("llvm-ir.ll", llvmText());
  {
    TimingScope scope = timing.nest("Optimize LLVM IR");
    target->optimize(*llvmModule);
  }
  if (!settings.dumpDir.empty()) {
    dump("llvm-ir-optimized.ll", llvmText());
    auto copy = llvm::CloneModule(*llvmModule);
    auto text = target->emit(*copy, CPUTarget::FileType::Assembly);
    if (!text)
      return internalError(llvm::toString(text.takeError()));
    dump("assembly.s", StringRef(text->data(), text->size()));
  }
  return SEQC_OK;
}

SeqcStatus Compilation::assembly(llvm::SmallVector<char, 0> &text) {
  TimingScope scope = timing.nest("Generate assembly");
  auto emitted = target->emit(*llvmModule, CPUTarget::FileType::Assembly);
  if (!emitted)
    return internalError(llvm::toString(emitted.takeError()));
  text = std::move(*emitted);
  return SEQC_OK;
}

SeqcStatus Compilation::object(llvm::SmallVector<char, 0> &bytes) {
  TimingScope scope = timing.nest("Generate object");
  auto emitted = target->emit(*llvmModule, CPUTarget::FileType::Object);
  if (!emitted)
    return internalError(llvm::toString(emitted.takeError()));
  if (!errors.empty())
    return internalError("code generation failed");
  bytes = std::move(*emitted);
  dump("object.o", StringRef(bytes.data(), bytes.size()));
  return SEQC_OK;
}

SeqcStatus Compilation::library(llvm::SmallVector<char, 0> &bytes) {
  llvm::SmallVector<char, 0> code;
  if (SeqcStatus status = object(code))
    return status;
  TimingScope scope = timing.nest("Link");
  auto linked = linkShared(StringRef(code.data(), code.size()));
  if (!linked)
    return internalError(llvm::toString(linked.takeError()));
  bytes = std::move(*linked);
  dump("library.so", StringRef(bytes.data(), bytes.size()));
  return SEQC_OK;
}

//===----------------------------------------------------------------------===//
// GPUs
//===----------------------------------------------------------------------===//

void Settings::setOptions(StringRef chip, PTXPipelineOptions &options) const {
  options.chip = chip.str();
  ScheduleOverrides schedule = getSchedule(chip);
  options.tileM = schedule.tileM;
  options.tileN = schedule.tileN;
  options.splits = schedule.splits;
  options.stages = schedule.stages;
  options.warps = schedule.warps;
  options.aligned = aligned;
  for (const std::string &name : skipPasses)
    options.skip.push_back(name);
}

SeqcStatus Compilation::lower(StringRef chip, PTXStage last) {
  if (SeqcStatus status = prepare())
    return status;
  PassManager pm(context.get(), ModuleOp::getOperationName());
  PTXPipelineOptions options;
  settings.setOptions(chip, options);
  buildPTXPipeline(pm, options, last);
  return run(pm);
}

SeqcStatus Compilation::plan(llvm::json::Object &plan) {
  TimingScope scope = timing.nest("Plan the launches");
  FailureOr<std::vector<KernelInfo>> kernels = collectKernels(*module);
  if (failed(kernels))
    return internalError("kernels are not described");
  FailureOr<llvm::json::Object> built = buildHostPlan(*module, *kernels);
  if (failed(built))
    return sourceError();
  plan = std::move(*built);
  return SEQC_OK;
}

SeqcStatus Compilation::serialize(StringRef chip, SerializeStage last,
                                  PTXObject &object) {
  PTXSerializeOptions options;
  options.target.chip = chip.str();
  options.target.optLevel = settings.optLevel;
  options.last = last;
  options.ptxas = settings.ptxas;
  options.perfErrors = settings.perfErrors;
  options.reproducerDir = settings.reproducerDir;
  auto keep = [&](StringRef name, StringRef content) { dump(name, content); };
  if (!settings.dumpDir.empty())
    options.dump = keep;
  PTXProblem problem;
  std::optional<PTXObject> made =
      serializePTX(*module, options, problem, &timing);
  if (made) {
    object = std::move(*made);
    return SEQC_OK;
  }
  return problem.message.empty() ? sourceError()
                                 : internalError(problem.message);
}

//===----------------------------------------------------------------------===//
// The artifact
//===----------------------------------------------------------------------===//

SeqcStatus Compilation::artifact(std::vector<char> &bytes) {
  if (SeqcStatus status = parse())
    return status;
  if (SeqcStatus status = prepare())
    return status;

  /// What one target adds.
  struct Code {
    llvm::json::Object metadata;
    std::vector<std::pair<SectionKind, std::string>> sections;
  };
  std::vector<Code> codes;
  for (const std::string &name : settings.targets) {
    OwningOpRef<ModuleOp> original;
    if (settings.targets.size() > 1) {
      original = module->clone();
      stage = name;
    }
    Code &code = codes.emplace_back();
    llvm::json::Object &metadata = code.metadata;
    if (isGPU(name)) {
      if (SeqcStatus status = lower(name, PTXStage::LLVM))
        return status;
      PTXObject object;
      if (SeqcStatus status = serialize(name, SerializeStage::Cubin, object))
        return status;
      if (SeqcStatus status = plan(metadata))
        return status;
      const PTXChip &chip = *findPTXChip(name);
      metadata["kind"] = "cuda";
      metadata["arch"] = name;
      metadata["min_driver"] = chip.minDriver;
      metadata["ptx_version"] = chip.ptxVersion;
      if (!object.cubin.empty()) {
        metadata["ptxas"] = settings.ptxas.version;
        code.sections.emplace_back(SectionKind::Cubin, std::move(object.cubin));
      }
      code.sections.emplace_back(SectionKind::Ptx, std::move(object.ptx));
    } else {
      if (SeqcStatus status = lower(CPUStage::LLVM))
        return status;
      if (SeqcStatus status = translate())
        return status;
      llvm::SmallVector<char, 0> object;
      if (SeqcStatus status = library(object))
        return status;
      metadata["kind"] = "cpu";
      metadata["arch"] = "x86_64";
      metadata["cpu"] = target->getCPU();
      metadata["requires"] = llvm::json::Array(target->getRequiredFeatures());
      code.sections.emplace_back(SectionKind::SharedObject,
                                 std::string(object.data(), object.size()));
    }
    // Kernels that run on a CPU are a program for it like any other.
    metadata["name"] = getTileChip(name).empty() ? name : "cpu";
    if (original)
      module = std::move(original);
  }

  TimingScope scope = timing.nest("Write artifact");
  std::string metadata;
  llvm::raw_string_ostream os(metadata);
  llvm::json::OStream json(os);
  json.object([&] {
    json.attribute("seqc", seqcCompilerVersion());
    json.attributeArray("functions", [&] {
      for (const Signature &signature : signatures)
        json.rawValue(signature.json);
    });
    json.attributeArray("targets", [&] {
      for (Code &code : codes)
        json.value(std::move(code.metadata));
    });
  });
  os.flush();
  std::vector<ArtifactSection> sections = {
      {SectionKind::Metadata, kNoTarget, metadata}};
  for (size_t i = 0; i < codes.size(); ++i)
    for (const auto &[kind, content] : codes[i].sections)
      sections.push_back({kind, i, content});
  bytes = writeArtifact(sections, SEQC_ABI_VERSION);
  if (!dumpProblem.empty())
    return setError(SEQC_ERROR_IO, dumpProblem);
  return SEQC_OK;
}

std::string Compilation::moduleText() {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  os << "\n";
  return text;
}

std::string Compilation::bytecode() {
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  if (failed(writeBytecodeToFile(*module, os)))
    return "";
  return bytes;
}

std::string Compilation::llvmText() {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvmModule->print(os, nullptr);
  return text;
}
