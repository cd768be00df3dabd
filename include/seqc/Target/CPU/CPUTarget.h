//===- CPUTarget.h - Code for the host processor ----------------*- C++ -*-===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a module in the LLVM dialect to a shared object:
//
//   translate()   LLVM IR, plus one packed entry point per public function
//   optimize()    LLVM's -O3 pipeline for the chosen processor
//   emit()        assembly text or a relocatable object
//   linkShared()  an ELF shared object, linked by lld inside this process
//
//===----------------------------------------------------------------------===//

#ifndef SEQC_TARGET_CPU_CPUTARGET_H
#define SEQC_TARGET_CPU_CPUTARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace mlir {
class DialectRegistry;
class Operation;
} // namespace mlir

namespace seqc {

struct CPUTargetOptions {
  /// "native", "generic" (x86-64-v3) or a name that LLVM knows.
  std::string cpu = "native";
  /// "+a,-b": features to add to the processor's or take away.
  std::string features;
  /// 0 to 3.
  unsigned optLevel = 3;
};

/// A processor to compile for. Used by one thread at a time; cheap to create.
class CPUTarget {
public:
  /// Fails on a processor or feature that LLVM does not know.
  static llvm::Expected<std::unique_ptr<CPUTarget>>
  create(const CPUTargetOptions &options);
  ~CPUTarget();

  /// The processor's name, with "native" and "generic" resolved.
  llvm::StringRef getCPU() const;

  /// The width of its vector registers: 512, 256 or 128.
  unsigned getVectorBits() const;

  /// The features of Features.def that code for it may use.
  std::vector<std::string> getRequiredFeatures() const;

  /// Translates a module in the LLVM dialect. `functions` become entry points:
  /// `void _seqc_packed_f(ptr slots)` calls `_mlir_ciface_f`, where slots[i] is
  /// the i-th pointer argument itself, or the address of the i-th argument
  /// where that is a scalar; a scalar result goes to the address in slots[0],
  /// before the arguments. Everything else becomes internal. Problems of the
  /// translation are MLIR diagnostics; the error is then empty text.
  llvm::Expected<std::unique_ptr<llvm::Module>>
  translate(mlir::Operation *module, llvm::ArrayRef<std::string> functions,
            llvm::LLVMContext &context);

  void optimize(llvm::Module &module);

  enum class FileType { Assembly, Object };
  llvm::Expected<llvm::SmallVector<char, 0>> emit(llvm::Module &module,
                                                  FileType type);

private:
  CPUTarget();

  std::unique_ptr<llvm::TargetMachine> machine;
  unsigned optLevel = 3;
};

/// Links an object into a shared object. What it calls from libm, libc or
/// OpenMP becomes a dependency by name; the few functions of a compiler's own
/// library that it may need (half precision conversions, memrefCopy) are linked
/// in. Needs no linker, library or header on the machine. May be called from
/// any thread; calls run one after the other, and not while another thread is
/// in CPUTarget::optimize() or emit().
llvm::Expected<llvm::SmallVector<char, 0>> linkShared(llvm::StringRef object);

/// Registers how the dialects of a lowered module become LLVM IR.
void registerCPUTranslations(mlir::DialectRegistry &registry);

} // namespace seqc

#endif // SEQC_TARGET_CPU_CPUTARGET_H
