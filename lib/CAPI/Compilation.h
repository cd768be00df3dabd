//===- Compilation.h - One source through the compiler ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CAPI_COMPILATION_H
#define SEQC_LIB_CAPI_COMPILATION_H

#include "seqc-c/Compiler.h"
#include "seqc/Conversion/Pipelines.h"
#include "seqc/Target/CPU/CPUTarget.h"

#include "mlir/AsmParser/AsmParserState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// Keeps MLIR contexts, with their dialects loaded, for the next compilation.
/// Each compilation has one to itself, so that diagnostics do not mix.
struct SeqcContext {
  std::unique_ptr<mlir::MLIRContext> acquire();
  /// Attributes and types live as long as their context; one that has served
  /// `kMaxUses` compilations is dropped.
  void release(std::unique_ptr<mlir::MLIRContext> context);

  static constexpr unsigned kMaxUses = 256;

  std::mutex mutex;
  std::vector<std::unique_ptr<mlir::MLIRContext>> idle;
  llvm::DenseMap<mlir::MLIRContext *, unsigned> uses;
  SeqcDiagnosticHandler handler = nullptr;
  void *handlerData = nullptr;
};

namespace llvm {
class SourceMgr;
} // namespace llvm

namespace seqc {

/// SeqcCompileOptions, checked.
struct Settings {
  std::string sourceName = "<source>";
  std::string dumpDir;
  std::string reproducerDir;
  CPUTargetOptions cpu;
  int64_t tileM = 0, tileN = 0, splits = 0, stages = 0, warps = 0;
  bool verifyEach = true;
  SeqcBuffer **timing = nullptr;

  /// Checks `options` (which may be null). On failure sets the message.
  SeqcStatus read(const SeqcCompileOptions *options);
};

/// A public function of the source, as the artifact describes it.
struct Signature {
  std::string name;
  /// A JSON object: "name", "arguments", "results" as in Runtime.h, and, where
  /// there are any, the conditions "equal" and "multiple" on sizes.
  std::string json;
};

/// Describes the public functions. Emits errors on a function that an artifact
/// cannot offer. Names of arguments are their "seqc.name" attributes, else
/// those of the source text where `state` (which may be null) knows them.
mlir::FailureOr<std::vector<Signature>>
describeFunctions(mlir::ModuleOp module, const mlir::AsmParserState *state);

/// A compilation. Every step returns a status; after a failure the message is
/// set and the object is of no more use.
class Compilation {
public:
  Compilation(SeqcContext &owner, const Settings &settings,
              llvm::StringRef source);
  ~Compilation();

  SeqcStatus parse();
  /// Only canonicalises.
  SeqcStatus canonicalize();
  SeqcStatus lower(CPUStage last);
  /// Makes LLVM IR, and optimises it where asked to.
  SeqcStatus translate();
  SeqcStatus assembly(llvm::SmallVector<char, 0> &text);
  SeqcStatus object(llvm::SmallVector<char, 0> &bytes);
  SeqcStatus library(llvm::SmallVector<char, 0> &bytes);
  SeqcStatus artifact(std::vector<char> &bytes);

  std::string moduleText();
  std::string bytecode();
  std::string llvmText();

  mlir::ModuleOp getModule() { return *module; }
  const Settings &getSettings() const { return settings; }

  /// Ends with the collected errors: the source is wrong.
  SeqcStatus sourceError();
  /// Ends with a fault of seqc; writes a reproducer.
  SeqcStatus internalError(const std::string &what);

private:
  class Watcher;

  void diagnose(mlir::Diagnostic &diagnostic);
  SeqcStatus run(mlir::PassManager &pm);
  SeqcStatus createTarget();
  std::string writeReproducer();
  void dump(llvm::StringRef name, llvm::StringRef content);
  void finishTiming();

  SeqcContext &owner;
  const Settings &settings;
  std::string source;
  /// Holds the text that locations of `asmState` point into.
  std::shared_ptr<llvm::SourceMgr> sources;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::DiagnosticEngine::HandlerID handlerID = 0;
  std::string timingText;
  llvm::raw_string_ostream timingStream{timingText};
  mlir::DefaultTimingManager timingManager;
  mlir::TimingScope timing;

  std::string errors;
  std::string pipeline;
  std::string dumpProblem;
  unsigned dumpCount = 0;

  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Where the source text names what; stale once passes have run.
  std::unique_ptr<mlir::AsmParserState> asmState;
  std::vector<Signature> signatures;
  std::unique_ptr<CPUTarget> target;
  std::unique_ptr<llvm::LLVMContext> llvmContext;
  std::unique_ptr<llvm::Module> llvmModule;
};

/// Hands out bytes as a SeqcBuffer.
SeqcBuffer *makeBuffer(llvm::StringRef bytes);

} // namespace seqc

#endif // SEQC_LIB_CAPI_COMPILATION_H
