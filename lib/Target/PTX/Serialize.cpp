//===- Serialize.cpp - From gpu.modules to a cubin ------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM IR, PTX, ptxas, and what its log says as diagnostics at the kernels.
// ptxas is the last check of what the levels above have planned: a kernel whose
// accumulators do not fit the registers, or whose asynchronous products it
// makes wait for each other, gives right results at a fraction of the speed. So
// that is an error here unless it is allowed.
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/Serialize.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>

using namespace mlir;
using namespace seqc;

//===----------------------------------------------------------------------===//
// What ptxas says
//===----------------------------------------------------------------------===//

/// The kernel whose code is at "line N" of the PTX, as an error of ptxas has
/// it.
static std::string findKernelOfLine(StringRef ptx, StringRef message) {
  size_t number;
  if (!message.consume_front("PTX line ") ||
      message.take_while(llvm::isDigit).getAsInteger(10, number))
    return "";
  StringRef kernel;
  size_t at = 0;
  for (StringRef line : llvm::split(ptx, '\n')) {
    if (++at > number)
      break;
    size_t entry = line.find(".entry ");
    if (entry != StringRef::npos)
      kernel = line.substr(entry + 7).take_while(
          [](char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; });
  }
  return kernel.str();
}

/// Keeps the PTX of a failure, and says how to see it again.
static std::string writeReproducer(StringRef ptx,
                                   const PTXSerializeOptions &options) {
  static std::atomic<unsigned> counter{0};
  std::string folder = options.reproducerDir;
  if (folder.empty())
    folder = llvm::sys::Process::GetEnv("TMPDIR").value_or("");
  if (folder.empty())
    folder = "/tmp";
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, "seqc-reproducer-" +
                                    Twine(llvm::sys::Process::getProcessId()) +
                                    "-" + Twine(counter.fetch_add(1)) + ".ptx");
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (!ec) {
    os << ptx;
    os.close();
    ec = os.error();
    os.clear_error();
  }
  if (ec)
    return ("no reproducer: cannot write '" + path + "': " + ec.message())
        .str();
  return "reproducer: " +
         getPtxasCommand(options.ptxas, options.target.chip, path, "/dev/null");
}

/// Schedules that fill the registers to the last make ptxas spill a few around
/// the inner loop, which costs less than a smaller tile (softcap on sm_80: 96
/// bytes with 64 keys are 7% faster than none with 48). Up to so many bytes
/// stored and loaded by a thread are in the metadata only,
static constexpr int64_t kQuietSpillBytes = 64;
/// and up to so many stored are a warning. More are a schedule that does not
/// fit.
static constexpr int64_t kFewSpilledBytes = 128;

namespace {

/// Turns a log into diagnostics.
class Reporter {
public:
  Reporter(ModuleOp module, const PTXSerializeOptions &options,
           PTXObject &object)
      : module(module), options(options), object(object) {}

  /// Returns whether the code may be used.
  bool report(const PtxasLog &log) {
    for (PTXObject::Kernel &kernel : object.kernels)
      if (const PtxasUsage *usage = log.find(kernel.name))
        kernel.usage = *usage;
    for (const PtxasMessage &message : log.messages) {
      bool isSlow = message.kind == PtxasMessage::Kind::Slow;
      say(message.kernel, isSlow,
          "ptxas: " + message.text +
              (message.code.empty() ? "" : " (" + message.code + ")"));
    }
    for (const PtxasUsage &usage : log.functions)
      if (usage.spillStoreBytes + usage.spillLoadBytes > kQuietSpillBytes)
        say(usage.name, /*isSlow=*/usage.spillStoreBytes > kFewSpilledBytes,
            "registers are spilled to memory: " +
                std::to_string(std::max<int64_t>(usage.spillStoreBytes, 0)) +
                " bytes stored, " +
                std::to_string(std::max<int64_t>(usage.spillLoadBytes, 0)) +
                " bytes loaded" +
                (usage.registers < 0
                     ? ""
                     : ", at " + std::to_string(usage.registers) +
                           " registers for each thread"));
    return isFine;
  }

private:
  void say(StringRef name, bool isSlow, const Twine &text) {
    // Some messages name no kernel.
    if (name.empty() && object.kernels.size() == 1)
      name = object.kernels.front().name;
    Location loc = module.getLoc();
    for (const PTXObject::Kernel &kernel : object.kernels)
      if (kernel.name == name)
        loc = kernel.op->getLoc();
    bool isError = isSlow && options.perfErrors;
    auto diagnostic = isError ? emitError(loc) : emitWarning(loc);
    if (!name.empty())
      diagnostic << "kernel '" << name << "' for " << options.target.chip
                 << ": ";
    diagnostic << text;
    if (!isError)
      return;
    isFine = false;
    diagnostic.attachNote()
        << "another schedule may be faster; perf-errors=false makes this a "
           "warning";
  }

  ModuleOp module;
  const PTXSerializeOptions &options;
  PTXObject &object;
  bool isFine = true;
};

} // namespace

/// Describes a run of ptxas that gave nothing: which kernel, why.
static std::string describeFailure(const PtxasResult &result,
                                   const PTXObject &object,
                                   const PTXSerializeOptions &options) {
  PtxasLog log = parsePtxasLog(result.log);
  std::string kernel, text = result.problem;
  for (const PtxasMessage &message : log.messages) {
    if (message.kind != PtxasMessage::Kind::Error)
      continue;
    text = message.text;
    kernel = message.kernel;
    if (kernel.empty())
      kernel = findKernelOfLine(object.ptx, message.text);
    break;
  }
  // It compiles one after the other.
  if (kernel.empty() && !log.functions.empty())
    kernel = log.functions.back().name;
  std::string names;
  for (const PTXObject::Kernel &known : object.kernels)
    if (kernel.empty() || known.name == kernel)
      names += (names.empty() ? "'" : ", '") + known.name + "'";
  return "ptxas " + options.ptxas.version + " failed on kernel " + names +
         " for " + options.target.chip + ": " + text;
}

//===----------------------------------------------------------------------===//
// The stages
//===----------------------------------------------------------------------===//

/// Dynamic shared memory that a thread block can have.
static int64_t getSharedMemoryLimit(StringRef chip) {
  return (chip == "sm_80" ? 163 : 227) * 1024;
}

/// Whether the launch of every kernel can work.
static bool checkLaunch(ArrayRef<PTXObject::Kernel> kernels, StringRef chip) {
  bool isFine = true;
  for (const PTXObject::Kernel &kernel : kernels) {
    auto shared = kernel.op->getAttrOfType<IntegerAttr>("seqc.shared_bytes");
    int64_t bytes = (shared ? shared.getInt() : 0) +
                    std::max<int64_t>(kernel.usage.sharedBytes, 0);
    if (bytes <= getSharedMemoryLimit(chip))
      continue;
    auto diagnostic = emitError(kernel.op->getLoc());
    diagnostic << "kernel '" << kernel.name << "' for " << chip << " needs "
               << bytes << " bytes of shared memory, a thread block has "
               << getSharedMemoryLimit(chip);
    diagnostic.attachNote() << "smaller tiles or fewer stages need less";
    isFine = false;
  }
  return isFine;
}

/// Notes on the function what became of it.
static void annotate(const PTXObject::Kernel &kernel) {
  const PtxasUsage &usage = kernel.usage;
  if (usage.registers < 0)
    return;
  auto set = [&](StringRef name, int64_t value) {
    auto type = IntegerType::get(kernel.op->getContext(), 64);
    kernel.op->setAttr(name, IntegerAttr::get(type, value));
  };
  auto natural = [](int64_t value) { return std::max<int64_t>(value, 0); };
  set("seqc.registers", usage.registers);
  set("seqc.spill_bytes",
      natural(usage.spillStoreBytes) + natural(usage.spillLoadBytes));
  set("seqc.stack_bytes", natural(usage.stackBytes));
  set("seqc.static_shared_bytes", natural(usage.sharedBytes));
}

std::optional<PTXObject> seqc::serializePTX(ModuleOp module,
                                            const PTXSerializeOptions &options,
                                            PTXProblem &problem,
                                            TimingScope *timing) {
  auto nest = [&](StringRef name) {
    return timing ? timing->nest(name) : TimingScope();
  };
  auto fail = [&](const Twine &message) {
    problem.message = message.str();
    return std::nullopt;
  };
  auto dump = [&](StringRef name, StringRef content) {
    if (options.dump)
      options.dump((options.target.chip + "-" + name).str(), content);
  };

  auto target = PTXTarget::create(options.target);
  if (!target)
    return fail(llvm::toString(target.takeError()));
  PTXObject object;
  llvm::LLVMContext context;
  std::string errors;
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *text) {
        if (info->getSeverity() != llvm::DS_Error)
          return;
        llvm::raw_string_ostream os(*static_cast<std::string *>(text));
        llvm::DiagnosticPrinterRawOStream printer(os);
        info->print(printer);
        os << "\n";
      },
      &errors);

  std::unique_ptr<llvm::Module> llvmModule;
  {
    TimingScope scope = nest("Translate to LLVM IR");
    SmallVector<gpu::GPUModuleOp> modules(module.getOps<gpu::GPUModuleOp>());
    std::vector<PTXKernel> kernels;
    auto translated = (*target)->translate(modules, context, kernels);
    if (!translated) {
      std::string text = llvm::toString(translated.takeError());
      return fail("translation to LLVM IR failed" +
                  (text.empty() ? "" : ": " + text));
    }
    llvmModule = std::move(*translated);
    for (PTXKernel &kernel : kernels)
      object.kernels.push_back({std::move(kernel), {}});
  }
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream os(text);
    llvmModule->print(os, nullptr);
    return text;
  };
  if (options.dump)
    dump("llvm-ir.ll", print());
  {
    TimingScope scope = nest("Optimize LLVM IR");
    (*target)->optimize(*llvmModule);
  }
  if (options.dump)
    dump("llvm-ir-optimized.ll", print());
  if (options.last == SerializeStage::LLVMIR) {
    object.llvmIR = print();
    return object;
  }
  {
    TimingScope scope = nest("Generate PTX");
    auto ptx = (*target)->emit(*llvmModule);
    if (!ptx)
      return fail(llvm::toString(ptx.takeError()));
    if (!errors.empty())
      return fail("LLVM cannot generate PTX: " +
                  StringRef(errors).split('\n').first);
    object.ptx = std::move(*ptx);
  }
  dump("program.ptx", object.ptx);
  if (options.last == SerializeStage::PTX)
    return object;

  const PTXChip &chip = (*target)->getChip();
  bool canAssemble = options.ptxas.isFound();
  if (options.ptxas.isUnwanted) {
    // As asked for.
  } else if (!canAssemble) {
    emitWarning(module.getLoc())
        << "no ptxas found: the program has PTX for " << options.target.chip
        << " and no cubin, so it is not checked here and compiled by the "
           "driver when it is loaded";
  } else if (options.ptxas.major * 100 + options.ptxas.minor < chip.minPtxas) {
    canAssemble = false;
    emitWarning(module.getLoc())
        << "ptxas " << options.ptxas.version << " ('" << options.ptxas.path
        << "') is older than " << chip.minPtxas / 100 << "."
        << chip.minPtxas % 100 << ", which " << chip.name
        << " needs: the program has PTX for it and no cubin";
  }
  if (canAssemble) {
    TimingScope scope = nest("ptxas");
    PtxasResult result =
        runPtxas(options.ptxas, options.target.chip, object.ptx);
    object.log = result.log;
    dump("ptxas.log", result.log);
    if (result.status != PtxasResult::Status::Ok)
      return fail(describeFailure(result, object, options) + "; " +
                  writeReproducer(object.ptx, options));
    object.cubin = std::move(result.cubin);
    dump("program.cubin", object.cubin);
    if (!Reporter(module, options, object).report(parsePtxasLog(object.log)))
      return std::nullopt;
  }
  if (!checkLaunch(object.kernels, options.target.chip))
    return std::nullopt;
  for (PTXObject::Kernel &kernel : object.kernels)
    annotate(kernel);
  return object;
}
