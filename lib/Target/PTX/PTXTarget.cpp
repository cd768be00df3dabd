//===- PTXTarget.cpp - PTX for NVIDIA GPUs --------------------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three things that LLVM does not do by itself:
//
//  - Inline assembly is not convergent in MLIR, so a pass such as jump
//  threading
//    may duplicate a barrier that is written in it. Every such call is
//    marked, and so is every function, until LLVM proves otherwise.
//  - Pointers to shared memory are 32 bits wide only where an LLVM option says
//    so. The option is a global variable that the creation of a target machine
//    reads.
//  - Names of kernels come from the source; PTX takes letters, digits, '_' and
//    '$'.
//
// The middle end gets the target machine, so that it knows that branches
// diverge. LLVM does not unroll or vectorise: the passes above it have laid out
// registers, and ptxas unrolls what is left.
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/PTXTarget.h"

#include "../CPU/Lock.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

using namespace seqc;

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

llvm::ArrayRef<PTXChip> seqc::getPTXChips() {
  static const PTXChip chips[] = {
      {"sm_80", "+ptx80", 80, 12000, 1200},
      {"sm_90a", "+ptx86", 86, 12000, 1207},
  };
  return chips;
}

const PTXChip *seqc::findPTXChip(llvm::StringRef name) {
  for (const PTXChip &chip : getPTXChips())
    if (chip.name == name)
      return &chip;
  return nullptr;
}

PTXTarget::PTXTarget() = default;
PTXTarget::~PTXTarget() = default;

/// Makes the target machines that are created from now on use 32-bit pointers
/// to shared memory. Linking with lld resets LLVM's options.
static llvm::Error setShortPointers() {
  auto &options = llvm::cl::getRegisteredOptions();
  auto found = options.find("nvptx-short-ptr");
  if (found == options.end())
    return makeError("this LLVM has no option 'nvptx-short-ptr'");
  *static_cast<llvm::cl::opt<bool> *>(found->second) = true;
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<PTXTarget>>
PTXTarget::create(const PTXTargetOptions &options) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });

  std::unique_ptr<PTXTarget> result(new PTXTarget());
  result->chip = findPTXChip(options.chip);
  if (!result->chip) {
    std::string known;
    for (const PTXChip &chip : getPTXChips())
      known += (known.empty() ? "" : ", ") + chip.name.str();
    return makeError("unknown chip '" + options.chip + "': PTX is made for " +
                     known);
  }
  if (options.optLevel > 3)
    return makeError("optimisation level is " + llvm::Twine(options.optLevel) +
                     ", expected 0 to 3");
  result->optLevel = options.optLevel;

  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return makeError(message);
  std::unique_lock<std::shared_mutex> lock(getOptionsLock());
  if (llvm::Error error = setShortPointers())
    return std::move(error);
  result->machine.reset(target->createTargetMachine(
      triple, result->chip->name, result->chip->features, llvm::TargetOptions(),
      std::nullopt, std::nullopt,
      *llvm::CodeGenOpt::getLevel(int(options.optLevel))));
  return result;
}

/// `name` with every character that PTX does not take replaced; a name that no
/// other kernel has and that `isFree`.
static std::string
makePTXName(llvm::StringRef name, llvm::StringSet<> &taken,
            llvm::function_ref<bool(llvm::StringRef)> isFree) {
  std::string base;
  for (char c : name)
    base += llvm::isAlnum(c) || c == '_' || c == '$' ? c : '_';
  if (base.empty() || !llvm::isAlpha(base.front()))
    base = "k_" + base;
  std::string result = base;
  for (unsigned i = 0; !isFree(result) || !taken.insert(result).second; ++i)
    result = base + "_" + std::to_string(i);
  return result;
}

llvm::Expected<std::unique_ptr<llvm::Module>>
PTXTarget::translate(llvm::ArrayRef<mlir::gpu::GPUModuleOp> modules,
                     llvm::LLVMContext &context,
                     std::vector<PTXKernel> &kernels) {
  auto whole = std::make_unique<llvm::Module>("seqc", context);
  whole->setTargetTriple(machine->getTargetTriple());
  whole->setDataLayout(machine->createDataLayout());
  llvm::Linker linker(*whole);
  llvm::StringSet<> taken;
  for (mlir::gpu::GPUModuleOp op : modules) {
    std::unique_ptr<llvm::Module> module =
        mlir::translateModuleToLLVMIR(op, context, op.getName());
    if (!module)
      return makeError("");
    module->setTargetTriple(machine->getTargetTriple());
    module->setDataLayout(machine->createDataLayout());

    // Only kernels are seen from outside.
    for (llvm::Function &function : *module)
      if (!function.isDeclaration())
        function.setLinkage(llvm::GlobalValue::InternalLinkage);
    for (llvm::GlobalVariable &global : module->globals())
      if (!global.isDeclaration())
        global.setLinkage(llvm::GlobalValue::InternalLinkage);
    auto kernelName = mlir::StringAttr::get(
        op.getContext(), mlir::NVVM::NVVMDialect::getKernelFuncAttrName());
    for (auto function : op.getOps<mlir::LLVM::LLVMFuncOp>()) {
      if (!function->hasAttr(kernelName) || function.isExternal())
        continue;
      llvm::Function *kernel = module->getFunction(function.getName());
      kernel->setLinkage(llvm::GlobalValue::ExternalLinkage);
      auto isFree = [&](llvm::StringRef name) {
        llvm::GlobalValue *other = module->getNamedValue(name);
        return !other || other == kernel;
      };
      std::string name = makePTXName(function.getName(), taken, isFree);
      kernel->setName(name);
      function.setName(name);
      kernels.push_back({function, name});
    }
    if (linker.linkInModule(std::move(module)))
      return makeError("kernels of '" + op.getName() +
                       "' cannot be linked with the others");
  }

  for (llvm::Function &function : *whole) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::Convergent);
    function.addFnAttr("target-cpu", machine->getTargetCPU());
    function.addFnAttr("target-features", machine->getTargetFeatureString());
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction))
        if (call->isInlineAsm())
          call->setConvergent();
  }
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (llvm::verifyModule(*whole, &os))
    return makeError("LLVM IR is not valid: " +
                     llvm::StringRef(problem).rtrim());
  return std::move(whole);
}

void PTXTarget::optimize(llvm::Module &module) {
  std::shared_lock<std::shared_mutex> lock(getOptionsLock());
  static const llvm::OptimizationLevel levels[] = {
      llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
      llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(machine.get(), tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes =
      optLevel == 0 ? builder.buildO0DefaultPipeline(levels[0])
                    : builder.buildPerModuleDefaultPipeline(levels[optLevel]);
  passes.run(module, modules);
}

llvm::Expected<std::string> PTXTarget::emit(llvm::Module &module) {
  std::shared_lock<std::shared_mutex> lock(getOptionsLock());
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream os(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return makeError("LLVM cannot emit PTX");
  passes.run(module);
  return std::string(text.data(), text.size());
}

void seqc::registerPTXTranslations(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerGPUDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::registerNVVMDialectTranslation(registry);
}
