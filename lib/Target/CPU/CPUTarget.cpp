//===- CPUTarget.cpp - LLVM IR and objects for the host processor ---------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/CPU/CPUTarget.h"

#include "Lock.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/Operation.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/OpenMP/OpenMPToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"

#include <mutex>

using namespace seqc;

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

CPUTarget::CPUTarget() = default;
CPUTarget::~CPUTarget() = default;

/// The processor's own features, as LLVM writes them.
static std::string hostFeatures() {
  std::vector<std::string> features;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    features.push_back((feature.second ? "+" : "-") + feature.first().str());
  llvm::sort(features);
  return llvm::join(features, ",");
}

llvm::Expected<std::unique_ptr<CPUTarget>>
CPUTarget::create(const CPUTargetOptions &options) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });

  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return makeError(message);

  bool native = options.cpu.empty() || options.cpu == "native";
  if (native && !llvm::Triple(llvm::sys::getProcessTriple()).isX86_64())
    return makeError("target 'cpu' compiles for x86-64, this machine is " +
                     llvm::sys::getProcessTriple() +
                     "; name a processor to compile for another machine");
  std::string cpu = native ? llvm::sys::getHostCPUName().str()
                    : options.cpu == "generic" ? "x86-64-v3"
                                               : options.cpu;
  std::string features = native ? hostFeatures() : "";

  std::unique_ptr<llvm::MCSubtargetInfo> known(
      target->createMCSubtargetInfo(triple, "x86-64", ""));
  if (!known->isCPUStringValid(cpu))
    return makeError("unknown processor '" + cpu +
                     "' for target 'cpu': expected \"native\", \"generic\" or "
                     "a name such as \"x86-64-v4\", \"skylake-avx512\" or "
                     "\"znver4\"");
  llvm::StringSet<> names;
  for (const llvm::SubtargetFeatureKV &feature :
       known->getAllProcessorFeatures())
    names.insert(feature.Key);
  llvm::SmallVector<llvm::StringRef> wanted;
  llvm::StringRef(options.features).split(wanted, ',', -1, false);
  for (llvm::StringRef feature : wanted) {
    feature = feature.trim();
    if (!feature.starts_with("+") && !feature.starts_with("-"))
      return makeError("feature '" + feature +
                       "' of target 'cpu' does not start with '+' or '-'");
    if (!names.contains(feature.drop_front()))
      return makeError("unknown feature '" + feature.drop_front() +
                       "' of target 'cpu'");
    features += (features.empty() ? "" : ",") + feature.str();
  }
  if (options.optLevel > 3)
    return makeError("optimisation level is " + llvm::Twine(options.optLevel) +
                     ", expected 0 to 3");

  std::unique_ptr<CPUTarget> result(new CPUTarget());
  result->optLevel = options.optLevel;
  auto level = llvm::CodeGenOpt::getLevel(int(options.optLevel));
  result->machine.reset(target->createTargetMachine(
      triple, cpu, features, llvm::TargetOptions(), llvm::Reloc::PIC_,
      llvm::CodeModel::Small, *level));
  if (!result->machine->getMCSubtargetInfo()->checkFeatures("+64bit"))
    return makeError("processor '" + cpu + "' is not a 64-bit one");
  return result;
}

llvm::StringRef CPUTarget::getCPU() const { return machine->getTargetCPU(); }

unsigned CPUTarget::getVectorBits() const {
  const llvm::MCSubtargetInfo *info = machine->getMCSubtargetInfo();
  if (info->checkFeatures("+avx512f"))
    return 512;
  return info->checkFeatures("+avx") ? 256 : 128;
}

std::vector<std::string> CPUTarget::getRequiredFeatures() const {
  const llvm::MCSubtargetInfo *info = machine->getMCSubtargetInfo();
  std::vector<std::string> features;
#define SEQC_FEATURE(NAME)                                                     \
  if (info->checkFeatures("+" NAME))                                           \
    features.push_back(NAME);
#include "seqc/Target/CPU/Features.def"
  return features;
}

/// Adds `void _seqc_packed_<name>(ptr slots)`.
static llvm::Error addEntryPoint(llvm::Module &module, llvm::StringRef name) {
  llvm::Function *callee = module.getFunction("_mlir_ciface_" + name.str());
  if (!callee || callee->isDeclaration())
    return makeError("function '" + name +
                     "' has no C interface after lowering");
  llvm::LLVMContext &context = module.getContext();
  llvm::IRBuilder<> builder(context);
  auto *type =
      llvm::FunctionType::get(builder.getVoidTy(), {builder.getPtrTy()}, false);
  auto *entry = llvm::Function::Create(type, llvm::Function::ExternalLinkage,
                                       "_seqc_packed_" + name, module);
  entry->addFnAttr(llvm::Attribute::NoUnwind);
  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", entry));

  unsigned next = 0;
  auto loadSlot = [&] {
    llvm::Value *slot = builder.CreateConstGEP1_32(builder.getPtrTy(),
                                                   entry->getArg(0), next++);
    return builder.CreateLoad(builder.getPtrTy(), slot);
  };
  llvm::Type *resultType = callee->getReturnType();
  llvm::Value *resultSlot = resultType->isVoidTy() ? nullptr : loadSlot();
  llvm::SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &argument : callee->args()) {
    llvm::Value *slot = loadSlot();
    arguments.push_back(argument.getType()->isPointerTy()
                            ? slot
                            : builder.CreateLoad(argument.getType(), slot));
  }
  llvm::Value *result = builder.CreateCall(callee, arguments);
  if (resultSlot)
    builder.CreateStore(result, resultSlot);
  builder.CreateRetVoid();
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<llvm::Module>>
CPUTarget::translate(mlir::Operation *op, llvm::ArrayRef<std::string> functions,
                     llvm::LLVMContext &context) {
  std::unique_ptr<llvm::Module> module =
      mlir::translateModuleToLLVMIR(op, context, "seqc");
  if (!module)
    return makeError("");
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());

  for (llvm::Function &function : *module)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  for (llvm::GlobalVariable &global : module->globals())
    if (!global.isDeclaration())
      global.setLinkage(llvm::GlobalValue::InternalLinkage);
  for (const std::string &name : functions)
    if (llvm::Error error = addEntryPoint(*module, name))
      return std::move(error);

  for (llvm::Function &function : *module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", machine->getTargetCPU());
    function.addFnAttr("target-features", machine->getTargetFeatureString());
    // Where there are 512-bit registers, the code is written for them.
    if (getVectorBits() == 512)
      function.addFnAttr("prefer-vector-width", "512");
  }
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (llvm::verifyModule(*module, &os))
    return makeError("LLVM IR is not valid: " +
                     llvm::StringRef(problem).rtrim());
  return std::move(module);
}

void CPUTarget::optimize(llvm::Module &module) {
  std::shared_lock<std::shared_mutex> lock(getOptionsLock());
  static const llvm::OptimizationLevel levels[] = {
      llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
      llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = optLevel >= 2;
  tuning.SLPVectorization = optLevel >= 2;
  tuning.LoopInterleaving = optLevel >= 2;
  // seqc's own passes unroll as far as registers go. LLVM would do it again
  // and spend most of the compile time on that.
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

llvm::Expected<llvm::SmallVector<char, 0>> CPUTarget::emit(llvm::Module &module,
                                                           FileType type) {
  std::shared_lock<std::shared_mutex> lock(getOptionsLock());
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr,
                                   type == FileType::Assembly
                                       ? llvm::CodeGenFileType::AssemblyFile
                                       : llvm::CodeGenFileType::ObjectFile))
    return makeError("target 'cpu' cannot emit this kind of file");
  passes.run(module);
  return std::move(bytes);
}

void seqc::registerCPUTranslations(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::registerOpenMPDialectTranslation(registry);
}
