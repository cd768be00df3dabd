#include "seqc/Dialect/Seqc/Transforms/Passes.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "seqc/Dialect/Seqc/IR/Seqc.h"
namespace seqc {
#define GEN_PASS_DEF_SEQCSPLITREDUCTION
#include "seqc/Dialect/Seqc/Transforms/Passes.h.inc"
struct C : impl::SeqcSplitReductionBase<C> { using Base::Base; void runOnOperation() override {} };
}
