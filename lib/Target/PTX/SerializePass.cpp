//===- SerializePass.cpp - Serialization under seqc-opt -------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "seqc/Target/PTX/Passes.h"
#include "seqc/Target/PTX/Serialize.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/raw_ostream.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCSERIALIZEPTX
#include "seqc/Target/PTX/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {
struct SerializePTXPass
    : public seqc::impl::SeqcSerializePTXBase<SerializePTXPass> {
  using SeqcSerializePTXBase::SeqcSerializePTXBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registerPTXTranslations(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto fail = [&](const Twine &message) {
      module.emitError() << message;
      signalPassFailure();
    };
    if (!print.empty() && print != "llvm-ir" && print != "ptx" &&
        print != "log")
      return fail("print is '" + print + "', expected llvm-ir, ptx or log");
    PTXSerializeOptions options;
    options.target.chip = chip;
    options.target.optLevel = optLevel;
    options.perfErrors = perfErrors;
    options.last = print == "llvm-ir"           ? SerializeStage::LLVMIR
                   : assemble && print != "ptx" ? SerializeStage::Cubin
                                                : SerializeStage::PTX;
    std::string problem;
    if (options.last == SerializeStage::Cubin)
      options.ptxas = findPtxas({ptxas, {}}, problem);
    if (!problem.empty())
      return fail(problem);
    PTXProblem failure;
    std::optional<PTXObject> object = serializePTX(module, options, failure);
    if (!object) {
      if (!failure.message.empty())
        fail(failure.message);
      return signalPassFailure();
    }

    if (print == "llvm-ir")
      llvm::outs() << object->llvmIR;
    else if (print == "ptx")
      llvm::outs() << object->ptx;
    else if (print == "log")
      llvm::outs() << object->log;
    if (print.empty())
      module->setAttr("seqc.ptx", StringAttr::get(&getContext(), object->ptx));
    for (const PTXObject::Kernel &kernel : object->kernels) {
      ++numKernels;
      numSpillBytes += std::max<int64_t>(kernel.usage.spillStoreBytes, 0) +
                       std::max<int64_t>(kernel.usage.spillLoadBytes, 0);
    }
  }
};
} // namespace
