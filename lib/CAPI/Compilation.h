//===- Compilation.h - One source through the compiler ----------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_LIB_CAPI_COMPILATION_H
#define SEQC_LIB_CAPI_COMPILATION_H

#include "Cache.h"

#include "seqc-c/Compiler.h"
#include "seqc/Conversion/Pipelines.h"
#include "seqc/Target/CPU/CPUTarget.h"
#include "seqc/Target/PTX/Serialize.h"

#include "mlir/AsmParser/AsmParserState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
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

  /// Hands messages of an earlier compilation to the handler.
  void report(llvm::ArrayRef<seqc::CacheEntry::Message> messages);

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

/// What a schedule fixes; 0 leaves the choice to the cost model.
struct ScheduleOverrides {
  int64_t tileM = 0, tileN = 0, splits = 0, stages = 0, warps = 0;
};

/// SeqcCompileOptions, checked.
struct Settings {
  std::string sourceName = "<source>";
  std::string dumpDir;
  std::string reproducerDir;
  /// At least one, each once: "cpu" or the name of a PTX chip; or one target of
  /// `getTileChip`.
  std::vector<std::string> targets = {"cpu"};
  CPUTargetOptions cpu;
  unsigned optLevel = 3;
  bool aligned = true;
  bool perfErrors = true;
  /// Passes to leave out, in order.
  std::vector<std::string> skipPasses;
  bool useCache = true;
  PtxasSearch ptxasSearch;
  /// Found by `findAssembler` where a target needs it.
  Ptxas ptxas;
  bool verifyEach = true;
  SeqcBuffer **timing = nullptr;

  /// Checks `options` (which may be null). On failure sets the message.
  SeqcStatus read(const SeqcCompileOptions *options);

  /// The schedule for a target.
  ScheduleOverrides getSchedule(llvm::StringRef target) const;

  /// Sets the options of the pipeline for a PTX chip.
  void setOptions(llvm::StringRef chip, PTXPipelineOptions &options) const;

  bool hasGPU() const;

  /// Finds ptxas where there is a target that needs it.
  SeqcStatus findAssembler(DiskCache &cache);

  /// Adds everything that decides the artifact, but for the source.
  void addTo(CacheKey &key) const;

private:
  SeqcStatus readTargets(llvm::StringRef text);
  SeqcStatus readSchedule(llvm::StringRef text);
  SeqcStatus readSkippedPasses(llvm::StringRef text);

  /// An item of the schedule: "gpu:tile_m=64".
  struct ScheduleItem {
    std::string prefix;
    int64_t ScheduleOverrides::*field;
    int64_t value;
  };
  std::vector<ScheduleItem> schedule;
};

/// Whether a target is a GPU rather than the CPU.
bool isGPU(llvm::StringRef target);

/// The chip of a target "cpu-tile:sm_80", which runs that chip's kernels on the
/// CPU, without layouts and without concurrency; "" for any other. The tests of
/// the passes on kernels use it.
llvm::StringRef getTileChip(llvm::StringRef target);

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
  /// The whole artifact, with every target. Nothing else may follow.
  SeqcStatus artifact(std::vector<char> &bytes);

  /// For the CPU, after parse().
  SeqcStatus lower(CPUStage last);
  /// Makes LLVM IR, and optimises it where asked to.
  SeqcStatus translate();
  SeqcStatus assembly(llvm::SmallVector<char, 0> &text);
  SeqcStatus object(llvm::SmallVector<char, 0> &bytes);
  SeqcStatus library(llvm::SmallVector<char, 0> &bytes);

  /// For a GPU, after parse().
  SeqcStatus lower(llvm::StringRef chip, PTXStage last);
  SeqcStatus plan(llvm::json::Object &plan);
  SeqcStatus serialize(llvm::StringRef chip, SerializeStage last,
                       PTXObject &object);

  std::string moduleText();
  std::string bytecode();
  std::string llvmText();

  mlir::ModuleOp getModule() { return *module; }
  const Settings &getSettings() const { return settings; }
  /// Warnings, remarks and notes so far, as the handler got them.
  const std::vector<CacheEntry::Message> &getMessages() const {
    return messages;
  }

  /// Ends with the collected errors: the source is wrong.
  SeqcStatus sourceError();
  /// Ends with a fault of seqc; writes a reproducer.
  SeqcStatus internalError(const std::string &what);

private:
  class Watcher;

  void diagnose(mlir::Diagnostic &diagnostic);
  SeqcStatus run(mlir::PassManager &pm);
  SeqcStatus prepare();
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

  /// The target that is being compiled for, where there are several.
  std::string stage;
  std::string errors;
  std::string pipeline;
  std::string dumpProblem;
  std::vector<CacheEntry::Message> messages;
  unsigned dumpCount = 0;

  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Where the source text names what; stale once passes have run.
  std::unique_ptr<mlir::AsmParserState> asmState;
  bool isPrepared = false;
  std::vector<Signature> signatures;
  std::unique_ptr<CPUTarget> target;
  std::unique_ptr<llvm::LLVMContext> llvmContext;
  std::unique_ptr<llvm::Module> llvmModule;
};

/// Hands out bytes as a SeqcBuffer.
SeqcBuffer *makeBuffer(llvm::StringRef bytes);

} // namespace seqc

#endif // SEQC_LIB_CAPI_COMPILATION_H
