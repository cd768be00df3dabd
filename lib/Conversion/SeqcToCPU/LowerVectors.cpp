//===- LowerVectors.cpp - Vector operators -> LLVM's vectors --------------===//
//
// Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// exp2 of f32 vectors is computed as 2^n 2^f with n = round(x) and f in
// [-1/2, 1/2]. Adding 3 2^22 rounds x and leaves n in the low bits of the sum,
// from where a shift moves it into the exponent field. 2^f is a polynomial of
// degree 6; it is computed as 2 2^f, and the power as 2^(n - 1), so that both
// ends of the range come out: 128 and above give inf, results below
// 2^-125.5 give 0. There is no integer conversion, so a NaN stays one.
//
//===----------------------------------------------------------------------===//

#include "seqc/Conversion/Passes.h"

#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorTransforms.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace seqc {
#define GEN_PASS_DEF_SEQCLOWERVECTORS
#include "seqc/Conversion/Passes.h.inc"
} // namespace seqc

using namespace mlir;
using namespace seqc;

namespace {

/// math.exp2 on vectors of f32.
struct Exp2Polynomial : public OpRewritePattern<math::Exp2Op> {
  Exp2Polynomial(MLIRContext *context, PassStatistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(math::Exp2Op op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || !type.getElementType().isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    VectorType intType = type.clone(b.getI32Type());
    auto real = [&](float value) -> Value {
      return arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, b.getF32FloatAttr(value)));
    };
    Value x = op.getOperand();
    using Predicate = arith::CmpFPredicate;
    auto clamp = [&](Predicate predicate, float limit) {
      Value l = real(limit);
      Value outside = arith::CmpFOp::create(b, predicate, x, l);
      x = arith::SelectOp::create(b, outside, l, x);
    };
    clamp(Predicate::OLT, -126.0f);
    clamp(Predicate::OGT, 129.0f);
    // The low bits of `sum` are n + 126, the biased exponent of 2^(n - 1).
    Value magic = real(12582912.0f + 126.0f);
    Value sum = arith::AddFOp::create(b, x, magic);
    Value n = arith::SubFOp::create(b, sum, magic);
    Value f = arith::SubFOp::create(b, x, n);
    // 2 (2^f - 1) / f on [-1/2, 1/2], interpolated at Chebyshev points.
    const float coefficients[] = {
        3.0906326719559729e-4f, 2.6781726628541946e-3f, 1.923616603016853e-2f,
        1.1100713908672333e-1f, 4.804530143737793e-1f,  1.3862943649291992f};
    Value p = real(coefficients[0]);
    for (float c : llvm::drop_begin(coefficients))
      p = vector::FMAOp::create(b, p, f, real(c));
    p = vector::FMAOp::create(b, p, f, real(2.0f));
    Value shift = arith::ConstantOp::create(
        b, DenseElementsAttr::get(intType, b.getI32IntegerAttr(23)));
    Value exponent = arith::ShLIOp::create(
        b, arith::BitcastOp::create(b, intType, sum), shift);
    p = arith::MulFOp::create(b, p,
                              arith::BitcastOp::create(b, type, exponent));
    rewriter.replaceOp(op, p);
    ++count;
    return success();
  }

  PassStatistic &count;
};

/// math.exp on vectors of f32, through exp2 of a product that is split so that
/// it does not round: x log2(e) = x c_high + x c_low.
struct ExpThroughExp2 : public OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || !type.getElementType().isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto real = [&](float value) -> Value {
      return arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, b.getF32FloatAttr(value)));
    };
    const double log2e = 1.4426950408889634074;
    auto high = float(log2e);
    auto low = float(log2e - double(high));
    Value x = op.getOperand();
    // exp2(a + e) = exp2(a) (1 + e ln 2) for the rounding error e of the
    // product.
    Value a = arith::MulFOp::create(b, x, real(high));
    Value e =
        vector::FMAOp::create(b, x, real(high), arith::NegFOp::create(b, a));
    e = vector::FMAOp::create(b, x, real(low), e);
    Value p = math::Exp2Op::create(b, a);
    Value correction =
        arith::MulFOp::create(b, e, real(float(0.69314718055994530942)));
    // Infinite x has no correction.
    Value finite = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, e, e);
    correction = arith::SelectOp::create(b, finite, correction, real(0.0f));
    Value corrected = vector::FMAOp::create(b, p, correction, p);
    Value overflow =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, p,
                              real(std::numeric_limits<float>::infinity()));
    rewriter.replaceOp(op, arith::SelectOp::create(b, overflow, p, corrected));
    return success();
  }
};

/// A reduction of the first of two dimensions adds rows to each other;
/// upstream's lowerings would transpose first.
struct ReduceRows : public OpRewritePattern<vector::MultiDimReductionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(vector::MultiDimReductionOp op,
                                PatternRewriter &rewriter) const override {
    VectorType type = op.getSourceVectorType();
    if (type.getRank() != 2 || !op.isReducedDim(0) || op.isReducedDim(1) ||
        type.isScalable())
      return failure();
    Location loc = op.getLoc();
    Value acc = op.getAcc();
    for (int64_t row = 0; row < type.getDimSize(0); ++row) {
      Value v = vector::ExtractOp::create(rewriter, loc, op.getSource(), row);
      acc = vector::makeArithReduction(rewriter, loc, op.getKind(), v, acc);
    }
    rewriter.replaceOp(op, acc);
    return success();
  }
};

struct LowerVectorsPass
    : public seqc::impl::SeqcLowerVectorsBase<LowerVectorsPass> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    auto apply = [&](llvm::function_ref<void(RewritePatternSet &)> populate) {
      RewritePatternSet patterns(context);
      populate(patterns);
      if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
        signalPassFailure();
    };
    apply([&](RewritePatternSet &p) {
      p.add<ExpThroughExp2>(context);
      p.add<Exp2Polynomial>(context, numExponentials);
      populateMathPolynomialApproximationPatterns(p, [](StringRef name) {
        return llvm::is_contained({"math.log", "math.log2", "math.log1p",
                                   "math.tanh", "math.erf", "math.sin",
                                   "math.cos", "math.expm1"},
                                  name);
      });
    });
    apply([&](RewritePatternSet &p) {
      vector::populateVectorContractLoweringPatterns(
          p, vector::VectorContractLowering::OuterProduct);
      vector::populateVectorOuterProductLoweringPatterns(p);
      p.add<ReduceRows>(context, /*benefit=*/10);
      vector::populateVectorMultiReductionLoweringPatterns(
          p, vector::VectorMultiReductionLowering::InnerReduction);
      vector::populateVectorStepLoweringPatterns(p);
    });
    apply([&](RewritePatternSet &p) {
      vector::populateVectorTransferPermutationMapLoweringPatterns(p);
      vector::populateVectorTransposeLoweringPatterns(
          p, vector::VectorTransposeLowering::Shuffle16x16);
      vector::populateVectorTransposeLoweringPatterns(
          p, vector::VectorTransposeLowering::Shuffle1D);
    });
    apply([&](RewritePatternSet &p) {
      VectorTransferToSCFOptions options;
      options.enableFullUnroll();
      populateVectorToSCFConversionPatterns(p, options);
      vector::populateVectorShapeCastLoweringPatterns(p);
      vector::populateVectorBroadcastLoweringPatterns(p);
      vector::populateVectorTransferLoweringPatterns(p, /*maxTransferRank=*/1);
    });
  }
};
} // namespace
