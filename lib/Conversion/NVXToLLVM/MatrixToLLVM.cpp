//===- MatrixToLLVM.cpp - Matrix products and barriers as assembly --------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each operation becomes one `llvm.inline_asm`. A vector of registers is given
// to it element by element, and what it returns is put together again; LLVM
// folds these away between neighbours.
//
// A register that is read and written is a result tied to an operand
// (constraint
// "=f" for the result, its number for the operand). The fence and the wait
// tie all registers that pass through them although their text names none: so
// the instructions that make or use these values stay on the right side of
// them.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace seqc;

namespace {

/// The registers of `values`, scalars or vectors, one by one.
SmallVector<Value> explode(ImplicitLocOpBuilder &b, ValueRange values) {
  SmallVector<Value> registers;
  for (Value value : values) {
    auto type = dyn_cast<VectorType>(value.getType());
    if (!type) {
      registers.push_back(value);
      continue;
    }
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
      registers.push_back(LLVM::ExtractElementOp::create(b, value, index));
    }
  }
  return registers;
}

/// The values of `types` that `registers` hold one by one.
SmallVector<Value> implode(ImplicitLocOpBuilder &b, TypeRange types,
                           ArrayRef<Value> registers) {
  SmallVector<Value> values;
  for (Type type : types) {
    auto vectorType = dyn_cast<VectorType>(type);
    if (!vectorType) {
      values.push_back(registers.front());
      registers = registers.drop_front();
      continue;
    }
    Value vector = LLVM::PoisonOp::create(b, type);
    for (int64_t i = 0; i < vectorType.getNumElements(); ++i) {
      Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
      vector = LLVM::InsertElementOp::create(b, vector, registers[i], index);
    }
    registers = registers.drop_front(vectorType.getNumElements());
    values.push_back(vector);
  }
  return values;
}

StringRef constraintOf(Type type) {
  if (type.isF32())
    return "f";
  return type.isInteger(64) ? "l" : "r";
}

/// One piece of assembly. `results` are the types of what it writes; the first
/// `numTied` operands hold what is in those registers before. Without `memory`,
/// other accesses may move across it.
SmallVector<Value> assembly(ImplicitLocOpBuilder &b, const Twine &text,
                            ArrayRef<Type> results, ArrayRef<Value> operands,
                            unsigned numTied, bool memory = true) {
  SmallVector<std::string> constraints;
  for (Type type : results)
    constraints.push_back(("=" + constraintOf(type)).str());
  for (auto [index, operand] : llvm::enumerate(operands))
    constraints.push_back(index < numTied
                              ? std::to_string(index)
                              : constraintOf(operand.getType()).str());
  if (memory)
    constraints.push_back("~{memory}");
  Type resultType;
  if (results.size() == 1)
    resultType = results.front();
  else if (!results.empty())
    resultType = LLVM::LLVMStructType::getLiteral(b.getContext(), results);
  auto op = LLVM::InlineAsmOp::create(
      b, resultType ? TypeRange(resultType) : TypeRange(), operands, text.str(),
      llvm::join(constraints, ","), /*has_side_effects=*/true,
      /*is_align_stack=*/false, LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT),
      ArrayAttr());
  SmallVector<Value> values;
  if (results.size() == 1)
    values.push_back(op.getResult(0));
  else
    for (size_t i = 0; i < results.size(); ++i)
      values.push_back(LLVM::ExtractValueOp::create(b, op.getResult(0), i));
  return values;
}

/// A pointer to shared memory as the 32 bits that the instructions take.
Value sharedAddress(ImplicitLocOpBuilder &b, Value pointer) {
  return LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
}

/// "{$first, $first+1, ...}".
std::string registerList(unsigned first, unsigned count) {
  std::string list = "{";
  for (unsigned i = 0; i < count; ++i)
    list += (i == 0 ? "$" : ", $") + std::to_string(first + i);
  return list + "}";
}

struct LowerWgmma : OpRewritePattern<nvx::WgmmaOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::WgmmaOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    unsigned count = op.getN() / 2;
    bool accumulates = op.getAcc() != nullptr;
    SmallVector<Value> operands;
    if (accumulates)
      operands = explode(b, op.getAcc());
    llvm::append_range(operands, op.getA());
    operands.push_back(op.getB());

    unsigned next = accumulates ? 2 * count : count;
    bool fragment = op.getA().size() == 4;
    std::string a =
        fragment ? registerList(next, 4) : "$" + std::to_string(next);
    next += op.getA().size();
    StringRef type = op.getElementType().isBF16() ? "bf16" : "f16";
    std::string text;
    llvm::raw_string_ostream os(text);
    // The predicate says whether the accumulator is read. The numbers are the
    // signs of a and b, then for each that lies in shared memory whether its
    // inner dimension is not the contiguous one.
    os << "{\n.reg .pred p;\nsetp.ne.b32 p, " << (accumulates ? 1 : 0)
       << ", 0;\nwgmma.mma_async.sync.aligned.m64n" << op.getN() << "k16.f32."
       << type << "." << type << " " << registerList(0, count) << ", " << a
       << ", $" << next << ", p, 1, 1, "
       << (fragment              ? ""
           : op.getRowsFastest() ? "1, "
                                 : "0, ")
       << (op.getColumnsFastest() ? 1 : 0) << ";\n}";
    SmallVector<Type> results(count, b.getF32Type());
    SmallVector<Value> registers =
        assembly(b, text, results, operands, accumulates ? count : 0);
    rewriter.replaceOp(op,
                       implode(b, op.getResult().getType(), registers).front());
    return success();
  }
};

/// `text`, with all operands of `op` going through it.
template <typename OpTy>
void replaceByTied(OpTy op, const Twine &text, PatternRewriter &rewriter,
                   bool memory = true) {
  ImplicitLocOpBuilder b(op.getLoc(), rewriter);
  SmallVector<Value> operands = explode(b, op.getOperands_());
  SmallVector<Type> types = llvm::to_vector(
      llvm::map_range(operands, [](Value value) { return value.getType(); }));
  SmallVector<Value> registers =
      assembly(b, text, types, operands, operands.size(), memory);
  rewriter.replaceOp(op, implode(b, op.getResultTypes(), registers));
}

struct LowerWgmmaFence : OpRewritePattern<nvx::WgmmaFenceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::WgmmaFenceOp op,
                                PatternRewriter &rewriter) const override {
    replaceByTied(op, "wgmma.fence.sync.aligned;", rewriter);
    return success();
  }
};

struct LowerReady : OpRewritePattern<nvx::ReadyOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::ReadyOp op,
                                PatternRewriter &rewriter) const override {
    replaceByTied(op, "", rewriter, /*memory=*/false);
    return success();
  }
};

struct LowerWgmmaWait : OpRewritePattern<nvx::WgmmaWaitOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::WgmmaWaitOp op,
                                PatternRewriter &rewriter) const override {
    replaceByTied(
        op, "wgmma.wait_group.sync.aligned " + Twine(op.getPending()) + ";",
        rewriter);
    return success();
  }
};

struct LowerPin : OpRewritePattern<nvx::PinOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::PinOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    // ptxas folds the copy, and the addresses, into what uses them.
    Value address =
        assembly(b, "mov.b32 $0, $1;", {b.getI32Type()},
                 {sharedAddress(b, op.getPointer())}, 0, /*memory=*/false)
            .front();
    rewriter.replaceOpWithNewOp<LLVM::IntToPtrOp>(op, op.getResult().getType(),
                                                  address);
    return success();
  }
};

struct LowerKeepBranch : OpRewritePattern<nvx::KeepBranchOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::KeepBranchOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    // No instruction, but with side effects as far as LLVM knows.
    assembly(b, "", {}, {}, 0, /*memory=*/false);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerMbarrierWait : OpRewritePattern<nvx::MbarrierWaitOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::MbarrierWaitOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    // Labels are local to the braces.
    assembly(b,
             "{\n.reg .pred p;\nWAIT:\n"
             "mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;\n"
             "@p bra DONE;\nbra WAIT;\nDONE:\n}",
             {}, {sharedAddress(b, op.getBarrier()), op.getParity()}, 0);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerMbarrierArrive : OpRewritePattern<nvx::MbarrierArriveOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::MbarrierArriveOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value when = LLVM::ZExtOp::create(b, b.getI32Type(), op.getWhen());
    assembly(b,
             "{\n.reg .pred p;\nsetp.ne.b32 p, $1, 0;\n"
             "@p mbarrier.arrive.shared::cta.b64 _, [$0];\n}",
             {}, {sharedAddress(b, op.getBarrier()), when}, 0);
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void nvx::populateNVXMatrixPatterns(RewritePatternSet &patterns) {
  patterns
      .add<LowerWgmma, LowerWgmmaFence, LowerWgmmaWait, LowerPin,
           LowerKeepBranch, LowerReady, LowerMbarrierWait, LowerMbarrierArrive>(
          patterns.getContext());
}
