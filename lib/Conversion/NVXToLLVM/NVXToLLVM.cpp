//===- NVXToLLVM.cpp - nvx -> intrinsics and assembly ---------------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on vectors becomes intrinsic calls on their elements. A predicated
// access is one piece of assembly, as LLVM has no predicated loads: it moves
// 16-bit or 32-bit registers, which are cast to what they hold.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "seqc/Conversion/Passes.h"
#include "seqc/Dialect/NVX/IR/NVX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace seqc {
#define GEN_PASS_DEF_CONVERTNVXTOLLVM
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {

/// f(x) for each element: an intrinsic, or an instruction that has none.
template <typename Op>
struct LowerUnary : public OpRewritePattern<Op> {
  LowerUnary(MLIRContext *context, StringRef intrinsic)
      : OpRewritePattern<Op>(context), intrinsic(intrinsic) {}

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto call = [&](Value x) -> Value {
      if (!intrinsic.starts_with("llvm."))
        return LLVM::InlineAsmOp::create(
                   b, x.getType(), x, (intrinsic + " $0, $1;").str(), "=f,f",
                   /*has_side_effects=*/false, /*is_align_stack=*/false,
                   LLVM::TailCallKind::None,
                   LLVM::AsmDialectAttr::get(b.getContext(),
                                             LLVM::AsmDialect::AD_ATT),
                   ArrayAttr())
            .getResult(0);
      return LLVM::CallIntrinsicOp::create(b, x.getType(),
                                           b.getStringAttr(intrinsic), x)
          .getResult(0);
    };
    Value operand = op.getOperand();
    auto type = dyn_cast<VectorType>(operand.getType());
    if (!type) {
      rewriter.replaceOp(op, call(operand));
      return success();
    }
    Value result = LLVM::PoisonOp::create(b, type);
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
      Value x = LLVM::ExtractElementOp::create(b, operand, index);
      result = LLVM::InsertElementOp::create(b, result, call(x), index);
    }
    rewriter.replaceOp(op, result);
    return success();
  }

  StringRef intrinsic;
};

/// The registers of one access: `count` of `type`, as `suffix` in PTX.
struct Registers {
  int64_t count;
  IntegerType type;
  StringRef suffix;
  StringRef constraint;
};

int64_t getBytes(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() *
           vector.getElementType().getIntOrFloatBitWidth() / 8;
  return type.getIntOrFloatBitWidth() / 8;
}

Registers getRegisters(Builder &b, int64_t bytes) {
  // A byte is moved in 16 bits: PTX has no smaller registers.
  if (bytes == 1)
    return {1, b.getI16Type(), "b8", "h"};
  if (bytes == 2)
    return {1, b.getI16Type(), "b16", "h"};
  return {bytes / 4, b.getI32Type(), "b32", "r"};
}

/// "ld.global.v4.b32" without its first part.
std::string getSuffix(const Registers &registers) {
  std::string vector;
  if (registers.count > 1)
    vector = ".v" + std::to_string(registers.count);
  return (".global" + vector + "." + registers.suffix).str();
}

std::string getList(unsigned first, int64_t count) {
  if (count == 1)
    return "$" + std::to_string(first);
  std::string list = "{";
  for (int64_t i = 0; i < count; ++i)
    list += (i ? ", $" : "$") + std::to_string(first + i);
  return list + "}";
}

LLVM::InlineAsmOp makeAssembly(ImplicitLocOpBuilder &b, TypeRange results,
                               ValueRange operands, StringRef text,
                               StringRef constraints) {
  return LLVM::InlineAsmOp::create(
      b, results, operands, text, constraints, /*has_side_effects=*/true,
      /*is_align_stack=*/false, LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT),
      ArrayAttr());
}

struct LowerLoad : public OpRewritePattern<nvx::LoadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nvx::LoadOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type type = op.getType();
    int64_t bytes = getBytes(type);
    if (matchPattern(op.getWhen(), m_One())) {
      rewriter.replaceOpWithNewOp<LLVM::LoadOp>(op, type, op.getPointer(),
                                                bytes);
      return success();
    }
    Registers registers = getRegisters(b, bytes);
    int64_t count = registers.count;
    std::string text, constraints;
    for (int64_t i = 0; i < count; ++i) {
      text += (registers.constraint == "h" ? "mov.b16 $" : "mov.b32 $") +
              std::to_string(i) + ", 0;\n";
      // Written before the address is read.
      constraints += ("=&" + registers.constraint + ",").str();
    }
    text += "@$" + std::to_string(count + 1) + " ld" + getSuffix(registers) +
            " " + getList(0, count) + ", [$" + std::to_string(count) + "];";
    constraints += "l,b";
    SmallVector<Type> types(count, registers.type);
    Type resultType = types.front();
    if (count > 1)
      resultType = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
    Value loaded = makeAssembly(b, resultType, {op.getPointer(), op.getWhen()},
                                text, constraints)
                       .getResult(0);
    if (count > 1) {
      Value words =
          LLVM::PoisonOp::create(b, VectorType::get({count}, registers.type));
      for (int64_t i = 0; i < count; ++i) {
        Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
        Value word = LLVM::ExtractValueOp::create(b, loaded, i);
        words = LLVM::InsertElementOp::create(b, words, word, index);
      }
      loaded = words;
    }
    if (bytes == 1)
      loaded = LLVM::TruncOp::create(b, b.getI8Type(), loaded);
    if (loaded.getType() != type)
      loaded = LLVM::BitcastOp::create(b, type, loaded);
    rewriter.replaceOp(op, loaded);
    return success();
  }
};

struct LowerStore : public OpRewritePattern<nvx::StoreOp> {
  using OpRewritePattern::OpRewritePattern;

  static void lowerAdd(ImplicitLocOpBuilder &b, nvx::StoreOp op) {
    int64_t count = getBytes(op.getValue().getType()) / 4;
    SmallVector<Value> operands = {op.getPointer(), op.getWhen()};
    std::string constraints = "l,b";
    for (int64_t i = 0; i < count; ++i) {
      Value element = op.getValue();
      if (isa<VectorType>(element.getType())) {
        Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
        element = LLVM::ExtractElementOp::create(b, element, index);
      }
      operands.push_back(element);
      constraints += ",f";
    }
    std::string vector = count > 1 ? ".v" + std::to_string(count) : "";
    std::string text = "@$1 red.relaxed.gpu.global.add" + vector +
                       ".f32 [$0], " + getList(2, count) + ";";
    makeAssembly(b, TypeRange(), operands, text, constraints + ",~{memory}");
  }

  LogicalResult matchAndRewrite(nvx::StoreOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value value = op.getValue();
    int64_t bytes = getBytes(value.getType());
    if (!op.getAdd() && matchPattern(op.getWhen(), m_One())) {
      rewriter.replaceOpWithNewOp<LLVM::StoreOp>(op, value, op.getPointer(),
                                                 bytes);
      return success();
    }
    if (op.getAdd()) {
      lowerAdd(b, op);
      rewriter.eraseOp(op);
      return success();
    }
    Registers registers = getRegisters(b, bytes);
    int64_t count = registers.count;
    Type moved = registers.type;
    if (bytes == 1)
      moved = b.getI8Type();
    else if (count > 1)
      moved = VectorType::get({count}, registers.type);
    if (value.getType() != moved)
      value = LLVM::BitcastOp::create(b, moved, value);
    if (bytes == 1)
      value = LLVM::ZExtOp::create(b, registers.type, value);
    SmallVector<Value> operands = {op.getPointer(), op.getWhen()};
    std::string constraints = "l,b";
    for (int64_t i = 0; i < count; ++i) {
      Value word = value;
      if (count > 1) {
        Value index = LLVM::ConstantOp::create(b, b.getI32IntegerAttr(i));
        word = LLVM::ExtractElementOp::create(b, value, index);
      }
      operands.push_back(word);
      constraints += ("," + registers.constraint).str();
    }
    std::string text =
        "@$1 st" + getSuffix(registers) + " [$0], " + getList(2, count) + ";";
    makeAssembly(b, TypeRange(), operands, text, constraints + ",~{memory}");
    rewriter.eraseOp(op);
    return success();
  }
};

struct ConvertNVXToLLVM
    : public seqc::impl::ConvertNVXToLLVMBase<ConvertNVXToLLVM> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    nvx::populateNVXArithmeticPatterns(patterns);
    nvx::populateNVXMatrixPatterns(patterns);
    int64_t before = 0;
    getOperation()->walk([&](Operation *op) {
      before += isa<nvx::NVXDialect>(op->getDialect());
    });
    walkAndApplyPatterns(getOperation(), std::move(patterns));
    numConverted += before;
    getOperation()->walk([&](Operation *op) {
      if (!isa<nvx::NVXDialect>(op->getDialect()))
        return;
      op->emitOpError() << "has no lowering";
      signalPassFailure();
    });
  }
};

} // namespace

void nvx::populateNVXArithmeticPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<LowerUnary<nvx::Ex2Op>>(context, "llvm.nvvm.ex2.approx.ftz.f");
  patterns.add<LowerUnary<nvx::Lg2Op>>(context, "llvm.nvvm.lg2.approx.ftz.f");
  patterns.add<LowerUnary<nvx::RcpOp>>(context, "llvm.nvvm.rcp.approx.ftz.f");
  patterns.add<LowerUnary<nvx::RsqrtOp>>(context, "llvm.nvvm.rsqrt.approx.f");
  patterns.add<LowerUnary<nvx::TanhOp>>(context, "tanh.approx.f32");
  patterns.add<LowerLoad, LowerStore>(context);
}
